//! The calling side: INVITE, ACK, hold, BYE, with the client transactions of RFC 3261 §17.1.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::engine::{T1_MS, T2_MS};
use super::figures::Figures;
use super::glance::Glance;
use super::io::{Alarm, Io, Side, Way};
use super::words::{Dialog, Ids, Words, number_of};

const USER: &str = "3227046971";

pub(super) struct Callers {
    words: Words,
    run: u32,
    number: String,
    host: String,
    target: String,
    hold: Duration,
    patience: Duration,
    calls: HashMap<u64, Call>,
    /// By the connection that is its own.
    waiting: HashMap<u64, u64>,
}

struct Call {
    way: Way,
    /// The way is this call's alone.
    own: bool,
    /// When it was due.
    began: Duration,
    stage: Stage,
}

enum Stage {
    /// Its connection is being made.
    Connecting,
    Inviting {
        heard: bool,
    },
    Up(Dialog),
    Ending(Dialog),
    /// Refused; here for repetitions of the refusal.
    Over,
}

impl Callers {
    pub(super) fn new(
        words: Words,
        run: u32,
        server: SocketAddr,
        number: String,
        hold: Duration,
        patience: Duration,
    ) -> Callers {
        let transport = words.transport().as_str().to_ascii_lowercase();
        Callers {
            target: format!("sip:{number}@{server};transport={transport}"),
            host: server.to_string(),
            words,
            run,
            number,
            hold,
            patience,
            calls: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// Calls not at their end.
    pub(super) fn up(&self) -> usize {
        self.calls.values().filter(|call| !matches!(call.stage, Stage::Over)).count()
    }

    /// A call that was due at `began`, over a connection that is open, or over one of its `own` that is being made.
    pub(super) fn place(&mut self, io: &mut Io, number: u64, way: Way, own: bool, began: Duration) {
        let connecting = own && way.is_reliable();
        let stage = if connecting { Stage::Connecting } else { Stage::Inviting { heard: false } };
        self.calls.insert(number, Call { way, own, began, stage });
        io.later(self.patience, Alarm::Patience { number });
        match way {
            Way::Stream(link) if connecting => drop(self.waiting.insert(link, number)),
            _ => self.invite(io, number, way),
        }
    }

    /// The connection of a call is there.
    pub(super) fn open(&mut self, io: &mut Io, link: u64) {
        let Some(number) = self.waiting.get(&link).copied() else { return };
        if let Some(call) = self.calls.get_mut(&number)
            && matches!(call.stage, Stage::Connecting)
        {
            call.stage = Stage::Inviting { heard: false };
            self.invite(io, number, Way::Stream(link));
        }
    }

    /// A connection ended with calls on it.
    pub(super) fn ended(&mut self, figures: &mut Figures, link: u64, why: &str) {
        self.waiting.remove(&link);
        self.calls.retain(|_, call| {
            let on_it = call.way == Way::Stream(link);
            if on_it && !matches!(call.stage, Stage::Over) {
                figures.failed(why);
            }
            !on_it
        });
    }

    fn invite(&self, io: &mut Io, number: u64, way: Way) {
        io.send(way, &self.words.invite(&self.ids(number), &self.target));
        if !way.is_reliable() {
            io.later(T1_MS, Alarm::Resend { side: Side::Caller, number, next_ms: 1000 });
        }
    }

    fn ids(&self, number: u64) -> Ids<'_> {
        Ids { run: self.run, number, user: USER, called: &self.number, host: &self.host, branch: "" }
    }

    pub(super) fn heard(&mut self, io: &mut Io, figures: &mut Figures, way: Way, message: &Glance<'_>) {
        let number = number_of(message.call_id).unwrap_or(u64::MAX);
        if message.status == 0 {
            return self.request(io, figures, number, way, message);
        }
        let Some(call) = self.calls.get_mut(&number) else {
            return figures.report.strays += 1;
        };
        match (&mut call.stage, message.method, message.status) {
            (Stage::Inviting { heard }, "INVITE", 100..200) => *heard = true,
            (Stage::Inviting { .. }, "INVITE", 200..300) => {
                figures.set_up(io.now().saturating_sub(call.began));
                let dialog = Dialog {
                    target: message.contact_uri().unwrap_or(&self.target).to_owned(),
                    to: message.to.to_owned(),
                    routes: message.routes_of_caller(),
                };
                let way = call.way;
                io.send(way, &self.words.in_dialog("ACK", &Self::ids(self, number), 1, &dialog));
                if let Some(call) = self.calls.get_mut(&number) {
                    call.stage = Stage::Up(dialog);
                }
                io.later(self.hold, Alarm::HangUp { number });
            }
            (Stage::Inviting { .. }, "INVITE", status) => {
                figures.failed(format!("{status} {}", message.reason));
                self.refused(io, number, message);
            }
            // A 200 or a refusal that comes again: the ACK did not reach them, or not in time.
            (Stage::Up(dialog) | Stage::Ending(dialog), "INVITE", 200..300) => {
                figures.report.repeated += 1;
                let ids = Ids { run: self.run, number, user: USER, called: &self.number, host: &self.host, branch: "" };
                io.send(call.way, &self.words.in_dialog("ACK", &ids, 1, dialog));
            }
            (Stage::Over, "INVITE", _) => {
                figures.report.repeated += 1;
                self.refused(io, number, message);
            }
            (Stage::Ending(_), "BYE", 200..300) => {
                figures.report.completed += 1;
                self.over(io, number);
            }
            (Stage::Ending(_), "BYE", 300..) => {
                figures.failed(format!("BYE: {} {}", message.status, message.reason));
                self.over(io, number);
            }
            _ => {}
        }
    }

    /// The ACK of a refusal; the call stays a while for more of them where they can come.
    fn refused(&mut self, io: &mut Io, number: u64, message: &Glance<'_>) {
        let ack = self.words.ack_of_refusal(&self.ids(number), &self.target, message.to);
        let Some(call) = self.calls.get_mut(&number) else { return };
        io.send(call.way, &ack);
        if call.way.is_reliable() {
            self.over(io, number);
        } else if !matches!(call.stage, Stage::Over) {
            call.stage = Stage::Over;
            io.later(Duration::from_secs(32), Alarm::Forget { side: Side::Caller, number });
        }
    }

    fn over(&mut self, io: &mut Io, number: u64) {
        if let Some(call) = self.calls.remove(&number)
            && call.own
        {
            if let Way::Stream(link) = call.way {
                self.waiting.remove(&link);
            }
            io.close(call.way);
        }
    }

    /// The server has something to ask of us. Whatever it is, inside our calls it has a plain answer.
    fn request(&mut self, io: &mut Io, figures: &mut Figures, number: u64, way: Way, message: &Glance<'_>) {
        let (status, described) = match (message.method, self.calls.contains_key(&number)) {
            ("ACK", _) => return,
            ("INVITE", true) => ("200 OK", Some(message.crypto_tag())),
            ("OPTIONS", _) | (_, true) => ("200 OK", None),
            (_, false) => ("481 Call/Transaction Does Not Exist", None),
        };
        io.send(way, &self.words.response(status, &message.echo("load"), described));
        if message.method == "BYE" && self.calls.get(&number).is_some_and(|call| matches!(call.stage, Stage::Up(_))) {
            figures.failed("the server ended it (BYE)");
            self.over(io, number);
        }
    }

    pub(super) fn alarm(&mut self, io: &mut Io, figures: &mut Figures, alarm: Alarm) {
        match alarm {
            Alarm::HangUp { number } => self.hang_up(io, number),
            Alarm::Resend { number, next_ms, .. } => self.resend(io, figures, number, next_ms),
            Alarm::Forget { number, .. } => drop(self.calls.remove(&number)),
            Alarm::Patience { number } => {
                let waits =
                    |call: &Call| matches!(call.stage, Stage::Connecting | Stage::Inviting { .. } | Stage::Ending(_));
                if self.calls.get(&number).is_some_and(waits) {
                    figures.report.lost += 1;
                    self.over(io, number);
                }
            }
            Alarm::Answer { .. } => {}
        }
    }

    fn hang_up(&mut self, io: &mut Io, number: u64) {
        let ids = Ids { run: self.run, number, user: USER, called: &self.number, host: &self.host, branch: "" };
        let Some(call) = self.calls.get_mut(&number) else { return };
        match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Up(dialog) => {
                io.send(call.way, &self.words.in_dialog("BYE", &ids, 2, &dialog));
                call.stage = Stage::Ending(dialog);
                io.later(self.patience, Alarm::Patience { number });
                if !call.way.is_reliable() {
                    io.later(T1_MS, Alarm::Resend { side: Side::Caller, number, next_ms: 1000 });
                }
            }
            other => call.stage = other,
        }
    }

    /// Timers A and E: over UDP, until something is heard.
    fn resend(&mut self, io: &mut Io, figures: &mut Figures, number: u64, next_ms: u32) {
        let Some(call) = self.calls.get(&number) else { return };
        let bytes = match &call.stage {
            Stage::Inviting { heard: false } => self.words.invite(&self.ids(number), &self.target),
            Stage::Ending(dialog) => self.words.in_dialog("BYE", &self.ids(number), 2, dialog),
            _ => return,
        };
        io.send(call.way, &bytes);
        figures.report.resent += 1;
        let most = if matches!(call.stage, Stage::Ending(_)) { T2_MS } else { u32::MAX };
        let alarm = Alarm::Resend { side: Side::Caller, number, next_ms: next_ms.saturating_mul(2).min(most) };
        io.later(Duration::from_millis(next_ms.into()), alarm);
    }
}
