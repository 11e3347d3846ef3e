//! All deadlines of an endpoint in one ordered set: by time, then by kind and id, so that two runs fire alike.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DialogId, ServerId};

/// Who is to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Timer {
    Client(u64),
    Server(ServerId),
    Dialog(DialogId),
    /// The reliable provisional answer of a server transaction.
    Early(ServerId),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Timers(BTreeSet<(Duration, Timer)>);

impl Timers {
    /// Moves the one entry of `timer` from where `armed` says it is to `due`.
    pub(crate) fn arm(&mut self, timer: Timer, armed: &mut Option<Duration>, due: Option<Duration>) {
        if *armed == due {
            return;
        }
        if let Some(at) = *armed {
            self.0.remove(&(at, timer));
        }
        if let Some(at) = due {
            self.0.insert((at, timer));
        }
        *armed = due;
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes the first entry that is due. Its owner's `armed` still names it: the owner arms anew or is gone.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Timer> {
        if self.0.first()?.0 > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }
}
