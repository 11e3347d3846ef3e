//! Client transaction of any method but INVITE (RFC 3261 §17.1.2): timers E, F, K.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Due, Heard, Schedule, Timing};
use crate::message::Status;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Trying,
    Proceeding,
    Completed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClientOther {
    state: State,
    reliable: bool,
    pub(crate) schedule: Schedule,
}

impl ClientOther {
    pub(crate) fn new(reliable: bool, timing: &Timing, now: Duration) -> ClientOther {
        let every = (!reliable).then_some(timing.t1);
        ClientOther { state: State::Trying, reliable, schedule: Schedule::start(now, every, timing.patience()) }
    }

    /// No final answer yet.
    pub(crate) fn is_open(&self) -> bool {
        self.state != State::Completed
    }

    pub(crate) fn is_unheard(&self) -> bool {
        self.state == State::Trying
    }

    /// The stream it went over has failed it: from now on it is sent again as over UDP (timer E), until timer F.
    pub(crate) fn unsettle(&mut self, timing: &Timing, now: Duration) {
        if self.reliable && self.is_unheard() {
            self.reliable = false;
            self.schedule.retry_from(now, timing.t1);
        }
    }

    pub(crate) fn heard(&mut self, status: Status, timing: &Timing, now: Duration) -> Heard {
        match self.state {
            State::Completed => Heard::Nothing,
            State::Trying | State::Proceeding if status.is_provisional() => {
                self.state = State::Proceeding;
                Heard::Provisional
            }
            State::Trying | State::Proceeding => {
                self.state = State::Completed;
                self.schedule = Schedule::until(now, if self.reliable { Duration::ZERO } else { timing.t4 });
                Heard::Final
            }
        }
    }

    pub(crate) fn tick(&mut self, timing: &Timing, now: Duration) -> Due {
        if self.schedule.ended(now) {
            return if self.is_open() { Due::TimedOut } else { Due::Gone };
        }
        if self.state == State::Proceeding {
            self.schedule.every = timing.t2; // doubled and capped below: E fires every T2 once heard
        }
        if self.schedule.retry(now, timing.t2) { Due::Resend } else { Due::Nothing }
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

    #[test]
    fn timer_e_doubles_to_t2_and_f_ends_it() {
        let mut machine = ClientOther::new(false, &TIMING, Duration::ZERO);
        let mut sent = Vec::new();
        loop {
            let at = machine.schedule.due().unwrap();
            match machine.tick(&TIMING, at) {
                Due::Resend => sent.push(at.as_millis()),
                due => {
                    assert_eq!((due, at.as_millis()), (Due::TimedOut, 32_000));
                    break;
                }
            }
        }
        assert_eq!(sent, [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]);
    }

    #[test]
    fn what_its_stream_failed_is_sent_again_until_f() {
        let mut machine = ClientOther::new(true, &TIMING, Duration::ZERO);
        assert_eq!(machine.schedule.due(), Some(Duration::from_secs(32)));
        machine.unsettle(&TIMING, Duration::from_secs(2));
        assert_eq!(machine.tick(&TIMING, Duration::from_millis(2500)), Due::Resend);
        // The next connection fails as well: no faster for that.
        machine.unsettle(&TIMING, Duration::from_millis(2501));
        assert_eq!(machine.schedule.due(), Some(Duration::from_millis(3500)));
        assert_eq!(machine.tick(&TIMING, Duration::from_secs(32)), Due::TimedOut);
    }

    #[test]
    fn once_heard_it_is_sent_every_t2() {
        let mut machine = ClientOther::new(false, &TIMING, Duration::ZERO);
        assert_eq!(machine.heard(Status(100), &TIMING, Duration::ZERO), Heard::Provisional);
        assert_eq!(machine.tick(&TIMING, Duration::from_millis(500)), Due::Resend);
        assert_eq!(machine.schedule.due(), Some(Duration::from_millis(4500)));
    }

    #[test]
    fn one_final_answer_then_timer_k() {
        let mut machine = ClientOther::new(false, &TIMING, Duration::ZERO);
        assert_eq!(machine.heard(Status(200), &TIMING, Duration::from_secs(1)), Heard::Final);
        assert_eq!(machine.heard(Status(200), &TIMING, Duration::from_secs(2)), Heard::Nothing);
        assert_eq!(machine.schedule.due(), Some(Duration::from_secs(6)));
        assert_eq!(machine.tick(&TIMING, Duration::from_secs(6)), Due::Gone);
    }
}
