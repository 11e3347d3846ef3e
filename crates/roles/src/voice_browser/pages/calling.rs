//! Bridge and consultation transfers (2.0 §2.3.7.2, 2.1 §8; RFC 5552 §6): somebody is called for the caller, who stays with
//! the application until they have talked, or goes there once they have answered.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vxml::{Input, TransferKind, TransferOrder, TransferOutcome};

use super::{OVERSTAY, Reading, Transfer};
use crate::Now;
use crate::voice_browser::dialogue::{Ask, Far, Progress};
use crate::voice_browser::line::Line;

/// How long it may ring where the application does not say, and however long it would like.
const RINGS: Duration = Duration::from_secs(60);
const LONGEST_RINGING: Duration = Duration::from_secs(150);

/// Somebody is called, or talks.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Calling {
    /// The session's number.
    id: u64,
    consults: bool,
    longest: Option<Duration>,
    /// The waiting that ends it as it stands.
    pub(super) waits_for: u64,
    stage: Stage,
}

#[derive(Debug, Serialize, Deserialize)]
enum Stage {
    /// What the caller hears meanwhile.
    Ringing(Line),
    /// Since then.
    Talking(Duration),
    /// The call server was asked to bring the two together.
    HandingOver,
}

impl Calling {
    pub(super) fn line(&mut self) -> Option<&mut Line> {
        match &mut self.stage {
            Stage::Ringing(line) => Some(line),
            Stage::Talking(_) | Stage::HandingOver => None,
        }
    }

    /// How long they have talked.
    fn seconds(&self, now: Now) -> u32 {
        match self.stage {
            Stage::Talking(since) => u32::try_from(now.mono.saturating_sub(since).as_secs()).unwrap_or(u32::MAX),
            Stage::Ringing(_) | Stage::HandingOver => 0,
        }
    }
}

impl Reading {
    pub(super) fn call(&mut self, id: u64, order: &TransferOrder, now: Now) {
        let refused = match number(&order.destination) {
            None => Some("error.connection.baddestination"),
            Some(number) if self.may_dial.iter().all(|pattern| pattern.matches(&number).is_none()) => {
                tracing::warn!(
                    first = %self.pages.first,
                    "an application would call a number that its `may_dial` does not have: it is not called"
                );
                Some("error.connection.noauthorization")
            }
            Some(_) => None,
        };
        if let Some(event) = refused {
            return self.say(Input::Refused { id, event: event.into() }, now);
        }
        let mut line = self.waiting_line(order);
        let (heard, waits_for) = (self.number(), self.number());
        self.asks.extend(line.begin(heard));
        self.calling = Some(Calling {
            id,
            consults: order.kind == TransferKind::Consultation,
            longest: order.max_time,
            waits_for,
            stage: Stage::Ringing(line),
        });
        let number = number(&order.destination).unwrap_or_default();
        self.asks.push_back(Ask::Dial { number, attached: order.aai.clone() });
        let within = order.connect_timeout.unwrap_or(RINGS).min(LONGEST_RINGING);
        self.asks.push_back(Ask::Wait { id: waits_for, within });
    }

    pub(super) fn far(&mut self, far: Far, now: Now) {
        let number = self.number();
        let Some(calling) = &mut self.calling else { return };
        match (far, &calling.stage) {
            (Far::Answered, Stage::Ringing(_)) if calling.consults => {
                calling.stage = Stage::HandingOver;
                calling.waits_for = number;
                self.asks.push_back(Ask::HandOver);
                self.asks.push_back(Ask::Wait { id: number, within: OVERSTAY });
            }
            (Far::Answered, Stage::Ringing(_)) => {
                calling.stage = Stage::Talking(now.mono);
                calling.waits_for = number;
                let wait = calling.longest.map(|within| Ask::Wait { id: number, within });
                self.asks.extend([Ask::Silence, Ask::Join]);
                self.asks.extend(wait);
            }
            (Far::Refused(status), Stage::Ringing(_)) => self.called(outcome(status), None, now),
            (Far::HungUp, Stage::Talking(_)) => {
                let seconds = calling.seconds(now);
                self.called(TransferOutcome::FarEndDisconnect { seconds }, None, now);
            }
            (Far::Lost, Stage::Talking(_)) => {
                let seconds = calling.seconds(now);
                self.called(TransferOutcome::NetworkDisconnect { seconds }, None, now);
            }
            // Its leg with us ends as well when it has the caller: what the call server says of that counts.
            (_, Stage::HandingOver) | (Far::Answered, _) | (Far::Refused(_), Stage::Talking(_)) => {}
            (Far::HungUp | Far::Lost, Stage::Ringing(_)) => self.called(outcome(480), None, now),
        }
    }

    /// Nobody answers, or they have talked as long as they may.
    pub(super) fn called_long_enough(&mut self, now: Now) {
        let Some(calling) = &self.calling else { return };
        let (outcome, why) = match &calling.stage {
            Stage::Ringing(_) => (TransferOutcome::NoAnswer, "nobody answers"),
            Stage::Talking(_) => {
                (TransferOutcome::MaxTime { seconds: calling.seconds(now) }, "the application allows no longer a call")
            }
            Stage::HandingOver => (outcome(500), "the caller could not be handed over"),
        };
        self.called(outcome, Some(why), now);
    }

    /// The caller has pressed what ends it.
    pub(super) fn had_enough(&mut self, id: u64, now: Now) {
        let Some(calling) = self.calling.as_ref().filter(|calling| calling.id == id) else { return };
        // The caller is on the way there already.
        if !matches!(calling.stage, Stage::HandingOver) {
            let seconds = calling.seconds(now);
            self.called(TransferOutcome::NearEndDisconnect { seconds }, Some("the caller ended it by a key"), now);
        }
    }

    /// How the call server fares with a caller who is handed over.
    pub(super) fn handed_over(&mut self, progress: Progress, now: Now) {
        let Some(calling) = self.calling.as_ref().filter(|calling| matches!(calling.stage, Stage::HandingOver)) else {
            return;
        };
        let id = calling.id;
        match progress {
            Progress::Trying | Progress::Queued => {}
            Progress::Done => {
                self.calling = None;
                let (number, line) = (self.number(), Line::new(None, None));
                self.transfer = Some(Transfer { id, line, parting: false, done: Some(number) });
                self.asks.push_back(Ask::Silence);
                self.asks.push_back(Ask::Wait { id: number, within: OVERSTAY });
                self.say(Input::Transferred { id, outcome: TransferOutcome::Gone }, now);
            }
            Progress::Failed(status) => {
                self.called(outcome(status), Some("the caller could not be handed over"), now);
            }
        }
    }

    /// The application has the caller back. `why`: the far party is let go.
    fn called(&mut self, outcome: TransferOutcome, why: Option<&str>, now: Now) {
        let Some(calling) = self.calling.take() else { return };
        self.asks.push_back(Ask::Silence);
        self.asks.extend(why.map(|why| Ask::LetGo { why: why.into() }));
        self.say(Input::Transferred { id: calling.id, outcome }, now);
    }
}

/// What the refusal of a call or REFER is to the application (2.0 §2.3.7, RFC 5552 §6).
pub(super) fn outcome(status: u16) -> TransferOutcome {
    let event = |event: &str| TransferOutcome::Failed { event: Some(event.into()) };
    match status {
        486 | 600 => TransferOutcome::Busy,
        408 | 480 | 487 => TransferOutcome::NoAnswer,
        502..=504 => TransferOutcome::NetworkBusy,
        404 | 410 | 484 | 604 => event("error.connection.baddestination"),
        401 | 403 | 407 => event("error.connection.noauthorization"),
        _ => TransferOutcome::Failed { event: None },
    }
}

/// The number that an address means: the user of `sip:`, the digits of `tel:` (RFC 3966 §5.1.1).
fn number(destination: &str) -> Option<String> {
    let (scheme, rest) = destination.split_once(':')?;
    let user = rest.split(['@', ';', '?']).next().unwrap_or_default();
    let number: String = match scheme {
        "tel" => user.chars().filter(|c| !matches!(c, '-' | '.' | '(' | ')')).collect(),
        _ => user.to_owned(),
    };
    let is_number = |c: char| c.is_ascii_digit() || "+*#ABCD".contains(c);
    ((1..=64).contains(&number.len()) && number.chars().all(is_number)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_addresses() {
        for (address, expected) in [
            ("tel:+1-201-555-0123", Some("+12015550123")),
            ("tel:0(227)046.971;phone-context=+32", Some("0227046971")),
            ("sip:1001@call-server.example;user=phone", Some("1001")),
            ("sips:1001", Some("1001")),
            ("sip:sales@example", None),
            ("sip:@example", None),
            ("tel:", None),
            ("sip:1001%0d%0aX@h", None),
        ] {
            assert_eq!(number(address).as_deref(), expected, "{address}");
        }
    }
}
