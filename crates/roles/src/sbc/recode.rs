//! Another codec in mid-call: one side offers only what the other side does not speak now (a caller on PCMA is moved to
//! an agent's phone that knows PCMU alone). Where nothing is transcoded, the other side is asked to change first.

use bytes::Bytes;
use sdp::{Codec, Reject};
use serde::{Deserialize, Serialize};
use sip::Status;

use super::Call;
use super::side::spoken;
use crate::shell::{LegNo, Shell};

/// A re-INVITE that waits until the other side has changed its codec.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Recoding {
    /// Whose re-INVITE waits.
    leg: LegNo,
    offer: Bytes,
    /// What was spoken before.
    was: Vec<Codec>,
}

impl Call {
    /// Asks the other side to change to what this offer has. False when that would not help.
    pub(super) fn recode(&mut self, leg: LegNo, offer: &Bytes, shell: &mut Shell) -> bool {
        if self.transcodes() {
            return false;
        }
        let Some(side) = self.side(leg) else { return false };
        let Ok(seen) = sdp::inspect(side.policy(), offer) else { return false };
        let (mut codecs, digits) = spoken(&seen.codecs, offer);
        codecs.retain(|codec| side.allowed().contains(codec));
        let was = self.codecs.clone();
        let Some(other) = self.other(leg).and_then(|other| self.side(other)) else { return false };
        if codecs.is_empty() || codecs.iter().any(|codec| was.contains(codec)) || other.is_offering() {
            return false;
        }
        other.limit(&codecs, digits, false);
        let direction = other.direction();
        let sdp = other.offer(direction, shell);
        let other = other.leg;
        self.recoding = Some(Recoding { leg, offer: offer.clone(), was });
        shell.note(other, "asked to change the codec for the other side");
        shell.reinvite(other, Some(sdp));
        true
    }

    /// The other side has changed (`Ok`), or would not.
    pub(super) fn recoded(&mut self, other: LegNo, changed: Result<(), Reject>, shell: &mut Shell) {
        let waits = self.recoding.as_ref().is_some_and(|recoding| recoding.leg != other);
        let Some(Recoding { leg, offer, was }) = self.recoding.take_if(|_| waits) else { return };
        if changed.is_ok()
            && let Some(codec) = self.side(other).and_then(|side| side.agreed.as_ref()).map(|agreed| agreed.codec)
        {
            self.codecs = vec![codec];
        }
        let spoken = if changed.is_ok() { self.codecs.clone() } else { was };
        let digits = self.telephone_event;
        for leg in [leg, other] {
            if let Some(side) = self.side(leg) {
                side.limit(&spoken, digits, false);
            }
        }
        let Some(side) = self.side(leg) else { return };
        match changed.and_then(|()| side.answer(&offer, shell)) {
            Ok(answer) => shell.respond(leg, Status(200), Vec::new(), Some(answer)),
            Err(reject) => shell.reject(leg, &reject),
        }
    }
}
