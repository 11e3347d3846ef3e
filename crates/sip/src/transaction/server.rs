//! Server transaction of any method but INVITE (RFC 3261 §17.2.2, RFC 4320): timer J, and a bound on silence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Due, Schedule, Timing};
use crate::message::Status;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Nothing answered, or only provisionally.
    Open,
    Completed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServerOther {
    state: State,
    reliable: bool,
    pub(crate) schedule: Schedule,
}

impl ServerOther {
    /// After timer F the client no longer listens, so an answer later than 64·T1 is not worth giving (RFC 4320 §4.2).
    pub(crate) fn new(reliable: bool, timing: &Timing, now: Duration) -> ServerOther {
        ServerOther { state: State::Open, reliable, schedule: Schedule::until(now, timing.patience()) }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// An answer of ours went out.
    pub(crate) fn answered(&mut self, status: Status, timing: &Timing, now: Duration) {
        if self.is_open() && status.is_final() {
            self.state = State::Completed;
            self.schedule = Schedule::until(now, if self.reliable { Duration::ZERO } else { timing.patience() });
        }
    }

    pub(crate) fn tick(&mut self, now: Duration) -> Due {
        match self.schedule.ended(now) {
            true if self.is_open() => Due::TimedOut,
            true => Due::Gone,
            false => Due::Nothing,
        }
    }
}
