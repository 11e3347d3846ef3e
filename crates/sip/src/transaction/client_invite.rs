//! INVITE client transaction (RFC 3261 §17.1.1, RFC 6026 §7.2): timers A, B, D, M, and C of §16.6.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Due, Heard, Schedule, Timing};
use crate::message::Status;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Sent; nothing heard. Timer A sends again (UDP), timer B gives up.
    Calling,
    /// A provisional answer came. Timer C cancels.
    Proceeding,
    /// Timer C has cancelled; 64·T1 remain for the final answer (RFC 3261 §9.1).
    Cancelled,
    /// 300–699 came and was acknowledged. Timer D.
    Completed,
    /// 2xx came (RFC 6026): more of them may. Timer M.
    Accepted,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClientInvite {
    state: State,
    reliable: bool,
    pub(crate) schedule: Schedule,
}

impl ClientInvite {
    pub(crate) fn new(reliable: bool, timing: &Timing, now: Duration) -> ClientInvite {
        let every = (!reliable).then_some(timing.t1);
        ClientInvite { state: State::Calling, reliable, schedule: Schedule::start(now, every, timing.patience()) }
    }

    /// No final answer yet.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Calling | State::Proceeding | State::Cancelled)
    }

    /// Nothing has been heard at all: a CANCEL has to wait (RFC 3261 §9.1).
    pub(crate) fn is_unheard(&self) -> bool {
        self.state == State::Calling
    }

    pub(crate) fn heard(&mut self, status: Status, timing: &Timing, now: Duration) -> Heard {
        match self.state {
            State::Calling if status.is_provisional() => {
                self.state = State::Proceeding;
                self.schedule = Schedule::until(now, timing.ring);
                Heard::Provisional
            }
            State::Proceeding | State::Cancelled if status.is_provisional() => Heard::Provisional,
            State::Calling | State::Proceeding | State::Cancelled if status.is_success() => {
                self.state = State::Accepted;
                self.schedule = Schedule::until(now, timing.patience());
                Heard::Success
            }
            State::Calling | State::Proceeding | State::Cancelled => {
                self.state = State::Completed;
                self.schedule = Schedule::until(now, if self.reliable { Duration::ZERO } else { timing.linger() });
                Heard::Final
            }
            State::Completed if !status.is_provisional() && !status.is_success() => Heard::FinalAgain,
            State::Accepted if status.is_success() => Heard::Success,
            State::Completed | State::Accepted => Heard::Nothing,
        }
    }

    /// A CANCEL was sent: if no final answer comes within 64·T1 the INVITE is over (RFC 3261 §9.1).
    pub(crate) fn cancelled(&mut self, timing: &Timing, now: Duration) {
        if self.is_open() {
            self.state = State::Cancelled;
            self.schedule = Schedule::until(now, timing.patience());
        }
    }

    pub(crate) fn tick(&mut self, now: Duration) -> Due {
        if self.schedule.ended(now) {
            return match self.state {
                State::Calling | State::Cancelled => Due::TimedOut,
                State::Proceeding => Due::RungOut,
                State::Completed | State::Accepted => Due::Gone,
            };
        }
        // Timer A doubles without a cap (RFC 3261 §17.1.1.2); timer B stops it after seven sendings.
        if self.schedule.retry(now, Duration::MAX) { Due::Resend } else { Due::Nothing }
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

    fn run(machine: &mut ClientInvite) -> Vec<(u128, Due)> {
        let mut happened = Vec::new();
        while let Some(at) = machine.schedule.due() {
            let due = machine.tick(at);
            happened.push((at.as_millis(), due));
            if due != Due::Resend {
                break;
            }
        }
        happened
    }

    #[test]
    fn timer_a_doubles_until_timer_b_ends_it() {
        let mut machine = ClientInvite::new(false, &TIMING, Duration::ZERO);
        let sent = [500, 1500, 3500, 7500, 15500, 31500].map(|ms| (ms, Due::Resend));
        let mut expected = sent.to_vec();
        expected.push((32_000, Due::TimedOut));
        assert_eq!(run(&mut machine), expected);
    }

    #[test]
    fn a_stream_is_never_sent_again() {
        let mut machine = ClientInvite::new(true, &TIMING, Duration::ZERO);
        assert_eq!(run(&mut machine), [(32_000, Due::TimedOut)]);
    }

    #[test]
    fn ringing_ends_by_timer_c_then_by_patience() {
        let mut machine = ClientInvite::new(false, &TIMING, Duration::ZERO);
        assert_eq!(machine.heard(Status(180), &TIMING, Duration::from_secs(1)), Heard::Provisional);
        assert_eq!(run(&mut machine), [(181_000, Due::RungOut)]);
        machine.cancelled(&TIMING, Duration::from_secs(181));
        assert_eq!(run(&mut machine), [(213_000, Due::TimedOut)]);
    }

    #[test]
    fn a_refusal_lingers_over_udp_only() {
        for (reliable, gone) in [(false, 33_000), (true, 1_000)] {
            let mut machine = ClientInvite::new(reliable, &TIMING, Duration::ZERO);
            assert_eq!(machine.heard(Status(486), &TIMING, Duration::from_secs(1)), Heard::Final);
            assert_eq!(machine.heard(Status(486), &TIMING, Duration::from_secs(1)), Heard::FinalAgain);
            assert_eq!(machine.heard(Status(200), &TIMING, Duration::from_secs(1)), Heard::Nothing);
            assert_eq!(run(&mut machine), [(gone, Due::Gone)]);
        }
    }

    #[test]
    fn accepted_takes_more_successes_until_timer_m() {
        let mut machine = ClientInvite::new(true, &TIMING, Duration::ZERO);
        assert_eq!(machine.heard(Status(200), &TIMING, Duration::ZERO), Heard::Success);
        assert_eq!(machine.heard(Status(200), &TIMING, Duration::from_secs(9)), Heard::Success);
        assert_eq!(machine.heard(Status(180), &TIMING, Duration::from_secs(9)), Heard::Nothing);
        assert_eq!(run(&mut machine), [(32_000, Due::Gone)]);
    }
}
