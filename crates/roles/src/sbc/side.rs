//! One side of a call at the border: its leg, its port, its own keys, and what is agreed with the peer there.

use bytes::Bytes;
use media::{Command, Latch, Lease};
use sdp::{Codec, Direction, Local, Negotiated, Offered, Policy, Reject};
use serde::{Deserialize, Serialize};

use super::plan::DialPeer;
use crate::shell::{LegNo, Shell};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Side {
    pub(super) leg: LegNo,
    pub(super) lease: Lease,
    policy: Policy,
    latch: bool,
    local: Local,
    /// Our offer that waits for its answer.
    offered: Option<Offered>,
    /// The other side was held, or taken off hold, while that offer waited.
    pub(super) behind: bool,
    pub(super) agreed: Option<Negotiated>,
}

impl Side {
    pub(super) fn new(leg: LegNo, lease: Lease, dial_peer: &DialPeer, shell: &mut Shell) -> Side {
        let local = Local { addr: lease.addr, session_id: shell.random(), version: 1 };
        Side {
            leg,
            lease,
            policy: dial_peer.policy(),
            latch: dial_peer.latch,
            local,
            offered: None,
            behind: false,
            agreed: None,
        }
    }

    /// Nothing is transcoded: both sides speak one codec.
    pub(super) fn limit(&mut self, codecs: &[Codec], telephone_event: bool) {
        self.policy.codecs = codecs.to_vec();
        self.policy.telephone_event = telephone_event;
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn is_offering(&self) -> bool {
        self.offered.is_some()
    }

    /// The direction of the stream as we have it; before anything is agreed, both ways.
    pub(super) fn direction(&self) -> Direction {
        self.agreed.as_ref().map_or(Direction::SendRecv, |agreed| agreed.direction)
    }

    pub(super) fn offer(&mut self, direction: Direction, shell: &mut Shell) -> Bytes {
        let (text, offered) = sdp::offer(&self.policy, &mut self.local, direction, &mut shell.keys());
        self.offered = Some(offered);
        Bytes::from(text)
    }

    pub(super) fn forget_offer(&mut self) {
        self.offered = None;
    }

    /// Their answer to our offer.
    pub(super) fn accept(&mut self, answer: &[u8], shell: &mut Shell) -> Result<(), Reject> {
        let Some(offered) = &self.offered else { return Ok(()) };
        let agreed = sdp::accept(offered, &self.policy, answer)?;
        self.offered = None;
        self.agree(agreed, shell);
        Ok(())
    }

    /// Our answer to their offer.
    pub(super) fn answer(&mut self, offer: &[u8], shell: &mut Shell) -> Result<Bytes, Reject> {
        let (text, agreed) = sdp::answer(&self.policy, &mut self.local, offer, &mut shell.keys())?;
        self.offered = None;
        self.agree(agreed, shell);
        Ok(Bytes::from(text))
    }

    /// Media as agreed from now on, with the keys of this exchange.
    fn agree(&mut self, agreed: Negotiated, shell: &mut Shell) {
        if let Some(old) = &self.agreed {
            if old.remote != agreed.remote {
                shell.note(self.leg, format!("media moved from {} to {}", old.remote, agreed.remote));
            }
            if old.direction != agreed.direction {
                shell.note(self.leg, format!("media is now {}", agreed.direction.name()));
            }
        }
        let latch = if self.latch { Latch::FirstAuthentic } else { Latch::Never };
        shell.media(Command::Set { lease: self.lease.id, negotiated: Box::new(agreed.clone()), latch });
        self.agreed = Some(agreed);
    }
}

/// What an offer would have us speak: its codecs that we know, in its order, and whether it has telephone-event.
pub(super) fn spoken(names: &[String], offer: &[u8]) -> (Vec<Codec>, bool) {
    let known = |name: &String| {
        let name = name.split('/').next().unwrap_or_default();
        [Codec::Pcmu, Codec::Pcma].into_iter().find(|codec| name.eq_ignore_ascii_case(codec.name()))
    };
    let digits = offer.windows(EVENT.len()).any(|window| window.eq_ignore_ascii_case(EVENT));
    (names.iter().filter_map(known).collect(), digits)
}

const EVENT: &[u8] = b"telephone-event";
