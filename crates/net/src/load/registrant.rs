//! Registrations: REGISTER, the challenge, REGISTER with the answer, 200 (RFC 3261 §10, RFC 7616).

use std::collections::HashMap;
use std::time::Duration;

use sip::Method;
use sip::auth::{self, Challenge};

use super::engine::{T1_MS, T2_MS};
use super::figures::Figures;
use super::glance::Glance;
use super::io::{Alarm, Io, Side, Way};
use super::words::{Ids, Words, number_of};

pub(super) struct Registrants {
    words: Words,
    run: u32,
    domain: String,
    lines: Lines,
    patience: Duration,
    under_way: HashMap<u64, Registration>,
    waiting: HashMap<u64, u64>,
}

/// Who registers: so many numbers from the first on, again and again.
pub(super) struct Lines {
    pub first: u64,
    pub count: u64,
    pub secret: String,
}

struct Registration {
    way: Way,
    began: Duration,
    line: String,
    /// 1 without, 2 with an answer.
    cseq: u32,
    /// What is sent again; empty until the connection is there.
    sent: Vec<u8>,
}

impl Registrants {
    pub(super) fn new(words: Words, run: u32, domain: String, lines: Lines, patience: Duration) -> Registrants {
        Registrants { words, run, domain, lines, patience, under_way: HashMap::new(), waiting: HashMap::new() }
    }

    pub(super) fn up(&self) -> usize {
        self.under_way.len()
    }

    /// As [`super::caller::Callers::place`]. Connections stay: a registration ends with its own.
    pub(super) fn place(&mut self, io: &mut Io, number: u64, way: Way, own: bool, began: Duration) {
        let line = (self.lines.first + number % self.lines.count.max(1)).to_string();
        self.under_way.insert(number, Registration { way, began, line, cseq: 1, sent: Vec::new() });
        io.later(self.patience, Alarm::Patience { number });
        match way {
            Way::Stream(link) if own => drop(self.waiting.insert(link, number)),
            _ => self.send(io, number, ""),
        }
    }

    pub(super) fn open(&mut self, io: &mut Io, link: u64) {
        if let Some(number) = self.waiting.remove(&link) {
            self.send(io, number, "");
        }
    }

    pub(super) fn ended(&mut self, figures: &mut Figures, link: u64, why: &str) {
        self.waiting.remove(&link);
        self.under_way.retain(|_, one| {
            let on_it = one.way == Way::Stream(link);
            if on_it {
                figures.failed(why);
            }
            !on_it
        });
    }

    fn send(&mut self, io: &mut Io, number: u64, more: &str) {
        let Some(one) = self.under_way.get_mut(&number) else { return };
        let ids = Ids { run: self.run, number, user: &one.line, called: &one.line, host: &self.domain, branch: "" };
        one.sent = self.words.register(&ids, &self.domain, one.cseq, more);
        io.send(one.way, &one.sent);
        if !one.way.is_reliable() {
            io.later(T1_MS, Alarm::Resend { side: Side::Caller, number, next_ms: 1000 });
        }
    }

    pub(super) fn heard(&mut self, io: &mut Io, figures: &mut Figures, way: Way, message: &Glance<'_>) {
        if message.status == 0 {
            // The server looks whether we are there.
            let status = if message.method == "OPTIONS" { "200 OK" } else { "405 Method Not Allowed" };
            return io.send(way, &self.words.response(status, &message.echo("load"), None));
        }
        let number = number_of(message.call_id).unwrap_or(u64::MAX);
        let Some(one) = self.under_way.get_mut(&number) else {
            return figures.report.strays += 1;
        };
        if message.cseq.split(' ').next() != Some(if one.cseq == 1 { "1" } else { "2" }) {
            return figures.report.repeated += 1; // of the REGISTER before
        }
        match message.status {
            100..200 => {}
            200..300 => {
                figures.set_up(io.now().saturating_sub(one.began));
                figures.report.completed += 1;
                self.under_way.remove(&number);
            }
            401 | 407 if one.cseq == 1 => {
                let Some(challenge) = Challenge::choose(message.challenges.iter().copied()) else {
                    figures.failed("a challenge that is not digest");
                    return drop(self.under_way.remove(&number));
                };
                one.cseq = 2;
                let cnonce = format!("{:08x}{number:08x}", self.run);
                let uri = format!("sip:{}", self.domain);
                let (line, secret) = (&one.line, &self.lines.secret);
                let answer = auth::answer(&challenge, line, secret, &Method::Register, &uri, b"", &cnonce, 1);
                let name = if message.status == 401 { "Authorization" } else { "Proxy-Authorization" };
                self.send(io, number, &format!("{name}: {answer}\r\n"));
            }
            status => {
                figures.failed(format!("{status} {}", message.reason));
                self.under_way.remove(&number);
            }
        }
    }

    pub(super) fn alarm(&mut self, io: &mut Io, figures: &mut Figures, alarm: Alarm) {
        match alarm {
            Alarm::Resend { number, next_ms, .. } => {
                let Some(one) = self.under_way.get(&number) else { return };
                io.send(one.way, &one.sent);
                figures.report.resent += 1;
                let next = Alarm::Resend { side: Side::Caller, number, next_ms: next_ms.saturating_mul(2).min(T2_MS) };
                io.later(Duration::from_millis(next_ms.into()), next);
            }
            Alarm::Patience { number } => {
                if self.under_way.remove(&number).is_some() {
                    figures.report.lost += 1;
                }
            }
            Alarm::Answer { .. } | Alarm::Forget { .. } | Alarm::HangUp { .. } => {}
        }
    }
}
