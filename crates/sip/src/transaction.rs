//! The four transaction machines of RFC 3261 §17 with the corrections of RFC 6026, as plain states without messages.
//!
//! A machine knows only its state and its timers. It is told what was heard or that time has passed and says what is
//! due; the endpoint holds the bytes and does it. One entry in the endpoint's timer queue serves a whole transaction.

pub(crate) mod client;
pub(crate) mod client_invite;
pub(crate) mod key;
pub(crate) mod server;
pub(crate) mod server_invite;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The base values that all timers are made of (RFC 3261 §17.1.1.1, table 4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) t1: Duration,
    pub(crate) t2: Duration,
    pub(crate) t4: Duration,
    /// Timer C, for INVITE clients.
    pub(crate) ring: Duration,
    /// The same patience with a user that does not answer an INVITE.
    pub(crate) unanswered: Duration,
}

impl Timing {
    /// 64·T1: timers B, F, H, J, L and M.
    pub(crate) fn patience(&self) -> Duration {
        self.t1 * 64
    }

    /// Timer D: at least 32 s over UDP, and never less than the peer's timer H.
    pub(crate) fn linger(&self) -> Duration {
        self.patience().max(Duration::from_secs(32))
    }
}

/// When a machine wants to be woken: to send again, and to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    retry: Option<Duration>,
    every: Duration,
    end: Option<Duration>,
}

impl Schedule {
    /// Retries from `now + every`, doubling as the machine asks; ends after `within`.
    fn start(now: Duration, every: Option<Duration>, within: Duration) -> Schedule {
        Schedule { retry: every.map(|e| now + e), every: every.unwrap_or_default(), end: Some(now + within) }
    }

    /// Nothing to send again; ends after `within`.
    fn until(now: Duration, within: Duration) -> Schedule {
        Schedule { retry: None, every: Duration::ZERO, end: Some(now + within) }
    }

    /// Retries from `now + every` on; the end stays.
    fn retry_from(&mut self, now: Duration, every: Duration) {
        (self.retry, self.every) = (Some(now + every), every);
    }

    /// The next moment this schedule wants.
    pub(crate) fn due(&self) -> Option<Duration> {
        match (self.retry, self.end) {
            (Some(retry), Some(end)) => Some(retry.min(end)),
            (retry, end) => retry.or(end),
        }
    }

    fn ended(&self, now: Duration) -> bool {
        self.end.is_some_and(|end| end <= now)
    }

    /// True when a retry is due; the next one is set `2·every` later, at most `cap`.
    fn retry(&mut self, now: Duration, cap: Duration) -> bool {
        if self.retry.is_none_or(|at| at > now) {
            return false;
        }
        self.every = (self.every * 2).min(cap);
        self.retry = Some(now + self.every);
        true
    }
}

/// What a machine wants when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Not yet.
    Nothing,
    /// Send the last message of this transaction again.
    Resend,
    /// 200 ms have passed without a word: send 100 Trying.
    Trying,
    /// No answer within timer B or F: report and forget.
    TimedOut,
    /// Timer C: it has rung long enough, cancel it.
    RungOut,
    /// Our final answer to an INVITE met no ACK (timer H, or L of RFC 6026 without the dialog's ACK).
    NotAcked,
    /// The last timer ran out in good order: forget.
    Gone,
}

/// What a response means to a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Out of place or repeated: drop.
    Nothing,
    Provisional,
    /// 2xx to an INVITE: the first, a repeated one or one of another fork.
    Success,
    /// A final answer: 300–699 for an INVITE, anything from 200 for other requests.
    Final,
    /// 300–699 again: send the ACK again.
    FinalAgain,
}
