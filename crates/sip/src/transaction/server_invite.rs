//! INVITE server transaction (RFC 3261 §17.2.1, RFC 6026 §7.1) and the repetition of its 2xx (§13.3.1.4): timers G, H,
//! I, L, the 200 ms before 100 Trying, and the provisional answer repeated each minute (§13.3.1.1).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Due, Schedule, Timing};
use crate::message::Status;

/// A user that answers within this time spares the peer a 100 Trying.
const BEFORE_TRYING: Duration = Duration::from_millis(200);
/// Proxies on the way cancel after three minutes without a provisional answer.
const KEEP_RINGING: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Received; nothing sent. Here and in the next the user's silence is bounded.
    Silent,
    /// A provisional answer went out.
    Proceeding,
    /// 300–699 went out and is repeated until its ACK.
    Completed,
    /// That ACK came. Timer I.
    Confirmed,
    /// 2xx went out and is repeated until the dialog's ACK.
    Accepted,
    /// That ACK came; what remains is to absorb the INVITE (RFC 6026).
    Acked,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServerInvite {
    state: State,
    reliable: bool,
    pub(crate) schedule: Schedule,
}

impl ServerInvite {
    pub(crate) fn new(reliable: bool, timing: &Timing, now: Duration) -> ServerInvite {
        let end = Some(now + timing.unanswered);
        let schedule = Schedule { retry: Some(now + BEFORE_TRYING), every: BEFORE_TRYING, end };
        ServerInvite { state: State::Silent, reliable, schedule }
    }

    /// No final answer yet.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Silent | State::Proceeding)
    }

    /// A 2xx went out and its ACK has not come.
    pub(crate) fn awaits_ack(&self) -> bool {
        self.state == State::Accepted
    }

    /// A final answer went out and the INVITE, when it comes again, is answered by it; a 2xx is the dialog's to repeat.
    pub(crate) fn repeats(&self) -> bool {
        matches!(self.state, State::Proceeding | State::Completed)
    }

    /// An answer of ours went out.
    pub(crate) fn answered(&mut self, status: Status, timing: &Timing, now: Duration) {
        if !self.is_open() {
            return;
        }
        if status.is_provisional() {
            self.state = State::Proceeding;
            // A word of the user's own shows that it is still at it; 100 Trying does not.
            let (every, said) = (KEEP_RINGING, status.0 > 100);
            let end = if said { Some(now + timing.unanswered) } else { self.schedule.end };
            self.schedule = Schedule { retry: said.then_some(now + every), every, end };
        } else if status.is_success() {
            self.state = State::Accepted;
            // Repeated over streams too: a hop further on may be UDP (RFC 3261 §13.3.1.4).
            self.schedule = Schedule::start(now, Some(timing.t1), timing.patience());
        } else {
            self.state = State::Completed;
            self.schedule = Schedule::start(now, (!self.reliable).then_some(timing.t1), timing.patience());
        }
    }

    /// ACK within the transaction, for 300–699.
    pub(crate) fn acked(&mut self, timing: &Timing, now: Duration) {
        if self.state == State::Completed {
            self.state = State::Confirmed;
            self.schedule = Schedule::until(now, if self.reliable { Duration::ZERO } else { timing.t4 });
        }
    }

    /// ACK of the dialog, for 2xx. True the first time. Over a stream nothing is left to absorb, for no INVITE comes
    /// twice: timer L of RFC 6026 would only hold memory.
    pub(crate) fn success_acked(&mut self, now: Duration) -> bool {
        let first = self.state == State::Accepted;
        if first {
            self.state = State::Acked;
            self.schedule.retry = None;
            if self.reliable {
                self.schedule.end = Some(now);
            }
        }
        first
    }

    pub(crate) fn tick(&mut self, timing: &Timing, now: Duration) -> Due {
        if self.schedule.ended(now) {
            return match self.state {
                State::Completed | State::Accepted => Due::NotAcked,
                State::Silent | State::Proceeding => Due::TimedOut,
                State::Confirmed | State::Acked => Due::Gone,
            };
        }
        match self.state {
            State::Silent if self.schedule.retry.is_some_and(|at| at <= now) => {
                self.schedule.retry = None;
                Due::Trying
            }
            State::Proceeding if self.schedule.retry(now, KEEP_RINGING) => Due::Resend,
            State::Completed | State::Accepted if self.schedule.retry(now, timing.t2) => Due::Resend,
            _ => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        t1: Duration::from_millis(500),
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
        ring: Duration::from_secs(180),
        unanswered: Duration::from_secs(300),
    };

    fn sent(machine: &mut ServerInvite) -> (Vec<u128>, Due, u128) {
        let mut sent = Vec::new();
        loop {
            let at = machine.schedule.due().unwrap();
            match machine.tick(&TIMING, at) {
                Due::Resend => sent.push(at.as_millis()),
                due => return (sent, due, at.as_millis()),
            }
        }
    }

    const DOUBLING: [u128; 10] = [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500];

    #[test]
    fn timer_g_repeats_a_refusal_until_h() {
        let mut machine = ServerInvite::new(false, &TIMING, Duration::ZERO);
        machine.answered(Status(486), &TIMING, Duration::ZERO);
        assert_eq!(sent(&mut machine), (DOUBLING.to_vec(), Due::NotAcked, 32_000));
        let mut stream = ServerInvite::new(true, &TIMING, Duration::ZERO);
        stream.answered(Status(486), &TIMING, Duration::ZERO);
        assert_eq!(sent(&mut stream), (vec![], Due::NotAcked, 32_000));
    }

    #[test]
    fn a_success_is_repeated_over_streams_too() {
        let mut machine = ServerInvite::new(true, &TIMING, Duration::ZERO);
        machine.answered(Status(200), &TIMING, Duration::ZERO);
        assert_eq!(sent(&mut machine), (DOUBLING.to_vec(), Due::NotAcked, 32_000));
    }

    #[test]
    fn ack_stops_the_repetition() {
        let mut machine = ServerInvite::new(false, &TIMING, Duration::ZERO);
        machine.answered(Status(200), &TIMING, Duration::ZERO);
        assert!(machine.success_acked(Duration::ZERO));
        assert!(!machine.success_acked(Duration::ZERO));
        assert_eq!(sent(&mut machine), (vec![], Due::Gone, 32_000));
        let mut refused = ServerInvite::new(false, &TIMING, Duration::ZERO);
        refused.answered(Status(404), &TIMING, Duration::ZERO);
        refused.acked(&TIMING, Duration::from_secs(1));
        assert_eq!(sent(&mut refused), (vec![], Due::Gone, 6_000));
    }

    #[test]
    fn trying_after_200_ms_then_ringing_each_minute() {
        let mut machine = ServerInvite::new(false, &TIMING, Duration::ZERO);
        assert_eq!(machine.tick(&TIMING, Duration::from_millis(199)), Due::Nothing);
        assert_eq!(machine.tick(&TIMING, Duration::from_millis(200)), Due::Trying);
        machine.answered(Status(180), &TIMING, Duration::from_secs(1));
        assert_eq!(machine.tick(&TIMING, Duration::from_secs(61)), Due::Resend);
        assert_eq!(machine.schedule.due(), Some(Duration::from_secs(121)));
    }

    #[test]
    fn a_user_that_never_answers_is_not_waited_for_for_ever() {
        let mut silent = ServerInvite::new(false, &TIMING, Duration::ZERO);
        assert_eq!(silent.tick(&TIMING, Duration::from_millis(200)), Due::Trying);
        silent.answered(Status(100), &TIMING, Duration::from_millis(200));
        assert_eq!(sent(&mut silent), (vec![], Due::TimedOut, 300_000));
        let mut ringing = ServerInvite::new(false, &TIMING, Duration::ZERO);
        ringing.answered(Status(180), &TIMING, Duration::from_secs(100));
        assert_eq!(sent(&mut ringing), (vec![160_000, 220_000, 280_000, 340_000], Due::TimedOut, 400_000));
    }
}
