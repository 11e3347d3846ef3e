//! REFER to the call server, and again while it is away: a call server that is started again goes on with the caller, and
//! has to hear where they are sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::{Method, Name, NameAddr, Status};

use super::dialogue::{Progress, Told};
use super::{Alarm, Due, VoiceBrowser};
use crate::shell::{LegNo, Outcome, Shell};

const PAUSE: Duration = Duration::from_secs(1);
/// Longer than a call server takes to be started again.
const TIMES: u8 = 15;

/// What has not been accepted yet.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Referring {
    target: String,
    left: u8,
}

impl VoiceBrowser {
    pub(super) fn refer(&mut self, shell: &mut Shell, leg: LegNo, target: NameAddr) {
        if let Some(visit) = self.visits.get_mut(&leg) {
            visit.referring = Some(Referring { target: target.to_string(), left: TIMES });
            self.refer_now(shell, leg);
        }
    }

    pub(super) fn refer_now(&mut self, shell: &mut Shell, leg: LegNo) {
        let Some(referring) = self.visits.get_mut(&leg).and_then(|visit| visit.referring.as_mut()) else { return };
        referring.left = referring.left.saturating_sub(1);
        shell.request(leg, Method::Refer, vec![(Name::ReferTo, referring.target.clone())], None);
    }

    pub(super) fn refer_outcome(&mut self, shell: &mut Shell, leg: LegNo, outcome: &Outcome) {
        let status = outcome.status();
        let Some(visit) = self.visits.get_mut(&leg) else { return };
        // Nobody there; 500: something that we sent later came first (RFC 3261 §12.2.2).
        let later = matches!(status, Status(408 | 500 | 503 | 504));
        match &visit.referring {
            Some(referring) if later && referring.left > 0 => {
                self.timers.set(shell.now().mono + PAUSE, Alarm { leg, due: Due::Refer });
            }
            _ => {
                visit.referring = None;
                if !status.is_success() {
                    self.tell(shell, leg, Told::Transfer(Progress::Failed(status.0)));
                }
            }
        }
    }
}
