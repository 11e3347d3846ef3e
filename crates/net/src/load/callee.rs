//! The called side: 180, 200 after a while, repeated until the ACK (RFC 3261 §13.3.1.4), 200 to BYE.

use std::collections::HashMap;
use std::time::Duration;

use super::engine::{T1_MS, T2_MS};
use super::figures::Figures;
use super::glance::Glance;
use super::io::{Alarm, Io, Side, Way};
use super::words::Words;

/// How long repetitions of a BYE find its answer over UDP (timer J).
const LINGER: Duration = Duration::from_secs(32);
/// 64·T1: nobody acknowledges any more.
const GIVE_UP_MS: u32 = 32_000;

pub(super) struct Callees {
    words: Words,
    ring: Duration,
    by_id: HashMap<Box<str>, u64>,
    calls: HashMap<u64, Call>,
    next: u64,
}

struct Call {
    id: Box<str>,
    way: Way,
    /// What every answer to the INVITE repeats.
    echo: String,
    /// Of the crypto line in our answer.
    tag: Box<str>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ringing,
    /// 200 sent; so many milliseconds ago.
    Answered {
        waited_ms: u32,
    },
    Acknowledged,
    Over,
}

impl Callees {
    pub(super) fn new(words: Words, ring: Duration) -> Callees {
        Callees { words, ring, by_id: HashMap::new(), calls: HashMap::new(), next: 0 }
    }

    pub(super) fn heard(&mut self, io: &mut Io, figures: &mut Figures, way: Way, message: &Glance<'_>) {
        if message.status != 0 {
            return figures.report.strays += 1;
        }
        let known = self.by_id.get(message.call_id).copied();
        let call = known.and_then(|number| self.calls.get_mut(&number));
        match (message.method, call) {
            ("INVITE", None) => self.invited(io, figures, way, message),
            ("INVITE", Some(call)) if message.to.contains(";tag=") => {
                call.stage = Stage::Acknowledged; // a re-INVITE; its ACK tells us nothing
                io.send(way, &self.words.response("200 OK", &message.echo("load"), Some(message.crypto_tag())));
            }
            ("INVITE", Some(call)) => {
                figures.report.repeated += 1;
                let (status, described) = match call.stage {
                    Stage::Ringing => ("180 Ringing", None),
                    _ => ("200 OK", Some(&*call.tag)),
                };
                io.send(way, &self.words.response(status, &call.echo, described));
            }
            ("ACK", Some(call)) if matches!(call.stage, Stage::Answered { .. }) => call.stage = Stage::Acknowledged,
            ("ACK", _) => {}
            ("CANCEL", Some(call)) => {
                io.send(way, &self.words.response("200 OK", &message.echo("load"), None));
                if call.stage == Stage::Ringing {
                    io.send(way, &self.words.response("487 Request Terminated", &call.echo, None));
                    self.over(io, known);
                }
            }
            ("BYE", Some(call)) => {
                if call.stage == Stage::Over {
                    figures.report.repeated += 1;
                }
                io.send(way, &self.words.response("200 OK", &message.echo("load"), None));
                self.over(io, known);
            }
            ("OPTIONS", _) | (_, Some(_)) => {
                io.send(way, &self.words.response("200 OK", &message.echo("load"), None));
            }
            (_, None) => {
                figures.report.strays += 1;
                let status = "481 Call/Transaction Does Not Exist";
                io.send(way, &self.words.response(status, &message.echo("load"), None));
            }
        }
    }

    fn invited(&mut self, io: &mut Io, figures: &mut Figures, way: Way, message: &Glance<'_>) {
        figures.report.answered += 1;
        self.next += 1;
        let (number, id) = (self.next, Box::<str>::from(message.call_id));
        let echo = message.echo(&format!("load{number}"));
        io.send(way, &self.words.response("180 Ringing", &echo, None));
        io.later(self.ring, Alarm::Answer { number });
        self.by_id.insert(id.clone(), number);
        let tag = message.crypto_tag().into();
        self.calls.insert(number, Call { id, way, echo, tag, stage: Stage::Ringing });
    }

    /// A connection ended: what was asked over it has nowhere to be answered.
    pub(super) fn ended(&mut self, link: u64) {
        let by_id = &mut self.by_id;
        self.calls.retain(|_, call| {
            let gone = call.way == Way::Stream(link) && call.stage == Stage::Ringing;
            if gone {
                by_id.remove(&call.id);
            }
            !gone
        });
    }

    pub(super) fn alarm(&mut self, io: &mut Io, figures: &mut Figures, alarm: Alarm) {
        match alarm {
            Alarm::Answer { number } => {
                if let Some(call) = self.calls.get_mut(&number).filter(|call| call.stage == Stage::Ringing) {
                    io.send(call.way, &self.words.response("200 OK", &call.echo, Some(&call.tag)));
                    call.stage = Stage::Answered { waited_ms: 0 };
                    io.later(T1_MS, Alarm::Resend { side: Side::Called, number, next_ms: 1000 });
                }
            }
            Alarm::Resend { number, next_ms, .. } => self.resend(io, figures, number, next_ms),
            Alarm::Forget { number, .. } => self.forget(number),
            Alarm::HangUp { .. } | Alarm::Patience { .. } => {}
        }
    }

    fn resend(&mut self, io: &mut Io, figures: &mut Figures, number: u64, next_ms: u32) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let Stage::Answered { waited_ms } = &mut call.stage else { return };
        *waited_ms += next_ms;
        if *waited_ms > GIVE_UP_MS {
            figures.report.unacknowledged += 1;
            return self.forget(number);
        }
        figures.report.resent += 1;
        io.send(call.way, &self.words.response("200 OK", &call.echo, Some(&call.tag)));
        let alarm = Alarm::Resend { side: Side::Called, number, next_ms: next_ms.saturating_mul(2).min(T2_MS) };
        io.later(Duration::from_millis(next_ms.into()), alarm);
    }

    /// Over a stream nothing comes again.
    fn over(&mut self, io: &mut Io, number: Option<u64>) {
        let Some(number) = number else { return };
        match self.calls.get_mut(&number) {
            Some(call) if !call.way.is_reliable() => {
                if call.stage != Stage::Over {
                    call.stage = Stage::Over;
                    io.later(LINGER, Alarm::Forget { side: Side::Called, number });
                }
            }
            _ => self.forget(number),
        }
    }

    fn forget(&mut self, number: u64) {
        if let Some(call) = self.calls.remove(&number) {
            self.by_id.remove(&call.id);
        }
    }
}
