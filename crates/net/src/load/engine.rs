//! The loop: what is due is placed, what was heard goes to the part it is for, what is late is looked after.

use std::time::Duration;

use anyhow::{bail, ensure};
use mio::Events;

use super::callee::Callees;
use super::caller::Callers;
use super::figures::{Figures, Report, cpu};
use super::glance::Glance;
use super::io::{Alarm, Heard, Io, Side, Way};
use super::registrant::{Lines, Registrants};
use super::words::Words;
use super::{Answer, Connections, Load, Server, Work};

/// RFC 3261 §17.1.1.1.
pub(super) const T1_MS: Duration = Duration::from_millis(500);
pub(super) const T2_MS: u32 = 4000;
/// Longest that the kept connections may take to come up.
const CONNECTING: Duration = Duration::from_secs(10);

pub(super) struct Engine {
    io: Io,
    figures: Figures,
    active: Active,
    callees: Option<Callees>,
    connections: Connections,
    /// The kept ones that are open.
    kept: Vec<Way>,
    load: Pace,
}

/// The part that acts of itself.
enum Active {
    Callers(Callers),
    Registrants(Registrants, Duration),
    Nobody,
}

struct Pace {
    rate: f64,
    length: Duration,
    most: usize,
}

impl Engine {
    pub(super) fn new(load: Load) -> anyhow::Result<Engine> {
        let Load { work, from, rate, length, most, patience } = load;
        let mut figures = Figures::default();
        let run = std::process::id().rotate_left(16) ^ started();
        let (io, active, callees, connections) = match work {
            Work::Calls { server, number, hold, answer } => {
                figures.report.what = "calls";
                let io = Io::new(from, Some(&server), answer.as_ref())?;
                let words = Words::new(server.transport, io.local());
                let callers = Callers::new(words, run, server.addr, number, hold, patience);
                (io, Active::Callers(callers), answer.as_ref().map(callees), kept_for(&server))
            }
            Work::Registrations { server, domain, first_line, lines, secret, linger } => {
                figures.report.what = "registrations";
                ensure!(lines > 0, "expected at least one line to register");
                let io = Io::new(from, Some(&server), None)?;
                let words = Words::new(server.transport, io.local());
                let lines = Lines { first: first_line, count: lines, secret };
                let registrants = Registrants::new(words, run, domain, lines, patience);
                (io, Active::Registrants(registrants, linger), None, kept_for(&server))
            }
            Work::Answer(answer) => {
                figures.report.what = "answers";
                let io = Io::new(from, None, Some(&answer))?;
                (io, Active::Nobody, Some(callees(&answer)), Connections::Kept(0))
            }
        };
        ensure!(rate > 0.0 && rate.is_finite(), "expected a rate above 0 a second");
        Ok(Engine { io, figures, active, callees, connections, kept: Vec::new(), load: Pace { rate, length, most } })
    }

    pub(super) fn run(mut self) -> anyhow::Result<Report> {
        let mut events = Events::with_capacity(1024);
        self.connect(&mut events)?;
        let (began, before) = (self.io.now(), cpu());
        let mut offered = 0;
        let timed = !matches!(self.active, Active::Nobody);
        let end = began + self.load.length;
        loop {
            let now = self.io.now();
            while timed && self.due(began, offered).is_some_and(|due| due <= now) {
                let due = self.due(began, offered).unwrap_or(now);
                self.place(offered, due, now)?;
                offered += 1;
            }
            while let Some(alarm) = self.io.ring(now) {
                self.alarm(alarm);
            }
            let next = if timed { self.due(began, offered) } else { Some(end).filter(|end| *end > now) };
            if next.is_none() && self.up() == 0 {
                break;
            }
            let until = [next, self.io.next_alarm()].into_iter().flatten().min();
            self.io.turn(&mut events, until)?;
            self.hear();
        }
        self.figures.report.seconds = (self.io.now() - began).as_secs_f64();
        self.linger(&mut events)?;
        self.figures.report.cpu_s = (cpu() - before).as_secs_f64();
        Ok(self.figures.into_report(timed))
    }

    /// When the next one is to be placed; `None` when that would be past the end.
    fn due(&self, began: Duration, offered: u64) -> Option<Duration> {
        let after = Duration::from_secs_f64(offered as f64 / self.load.rate);
        (after < self.load.length).then_some(began + after)
    }

    fn up(&self) -> usize {
        match &self.active {
            Active::Callers(callers) => callers.up(),
            Active::Registrants(registrants, _) => registrants.up(),
            Active::Nobody => 0,
        }
    }

    /// Opens the connections that are kept, and waits for them.
    fn connect(&mut self, events: &mut Events) -> anyhow::Result<()> {
        let Connections::Kept(wanted) = self.connections else { return Ok(()) };
        for _ in 0..wanted {
            let way = self.io.dial()?;
            if !way.is_reliable() {
                self.kept.push(way);
            }
        }
        let until = self.io.now() + CONNECTING;
        while self.kept.len() < wanted {
            ensure!(self.io.now() < until, "the server did not take {wanted} connections within {CONNECTING:?}");
            self.io.turn(events, Some(until))?;
            for heard in std::mem::take(&mut self.io.heard) {
                match heard {
                    Heard::Open(link) => self.kept.push(Way::Stream(link)),
                    Heard::Ended { side: Side::Caller, why, .. } => bail!("cannot connect to the server: {why}"),
                    other => self.hear_one(other),
                }
            }
        }
        Ok(())
    }

    fn place(&mut self, number: u64, due: Duration, now: Duration) -> anyhow::Result<()> {
        self.figures.report.offered += 1;
        let late = (now - due).as_secs_f64() * 1e3;
        self.figures.report.late_ms = self.figures.report.late_ms.max(late);
        if self.up_at_most(number) {
            self.figures.failed(format!("not placed: {} were under way already (--most)", self.load.most));
            return Ok(());
        }
        let own = self.connections == Connections::Each;
        let way = match own {
            true => self.io.dial()?,
            false => {
                let at = usize::try_from(number)? % self.kept.len().max(1);
                match self.kept.get(at) {
                    Some(way) => *way,
                    None => {
                        self.figures.failed("not placed: no connection to the server is left");
                        return Ok(());
                    }
                }
            }
        };
        match &mut self.active {
            Active::Callers(callers) => callers.place(&mut self.io, number, way, own, due),
            Active::Registrants(registrants, _) => registrants.place(&mut self.io, number, way, own, due),
            Active::Nobody => {}
        }
        Ok(())
    }

    /// Whether the bound is reached. Fewer than `most` were ever placed: no need to count.
    fn up_at_most(&self, placed: u64) -> bool {
        placed >= self.load.most as u64 && self.up() >= self.load.most
    }

    fn hear(&mut self) {
        for heard in std::mem::take(&mut self.io.heard) {
            self.hear_one(heard);
        }
    }

    fn hear_one(&mut self, heard: Heard) {
        let Engine { io, figures, active, callees, kept, .. } = self;
        match heard {
            Heard::Message { side, way, bytes } => {
                let Some(message) = Glance::of(&bytes) else {
                    return figures.report.strays += 1;
                };
                match (side, active, callees) {
                    (Side::Called, _, Some(callees)) => callees.heard(io, figures, way, &message),
                    (Side::Caller, Active::Callers(callers), _) => callers.heard(io, figures, way, &message),
                    (Side::Caller, Active::Registrants(registrants, _), _) => {
                        registrants.heard(io, figures, way, &message);
                    }
                    _ => figures.report.strays += 1,
                }
            }
            Heard::Open(link) => match active {
                Active::Callers(callers) => callers.open(io, link),
                Active::Registrants(registrants, _) => registrants.open(io, link),
                Active::Nobody => {}
            },
            Heard::Ended { side: Side::Called, link, .. } => {
                if let Some(callees) = callees {
                    callees.ended(link);
                }
            }
            Heard::Ended { side: Side::Caller, link, why } => {
                kept.retain(|way| *way != Way::Stream(link));
                match active {
                    Active::Callers(callers) => callers.ended(figures, link, &why),
                    Active::Registrants(registrants, _) => registrants.ended(figures, link, &why),
                    Active::Nobody => {}
                }
            }
        }
    }

    fn alarm(&mut self, alarm: Alarm) {
        let Engine { io, figures, active, callees, .. } = self;
        let called = match alarm {
            Alarm::Answer { .. } => true,
            Alarm::Resend { side, .. } | Alarm::Forget { side, .. } => side == Side::Called,
            Alarm::HangUp { .. } | Alarm::Patience { .. } => false,
        };
        match (called, active, callees) {
            (true, _, Some(callees)) => callees.alarm(io, figures, alarm),
            (false, Active::Callers(callers), _) => callers.alarm(io, figures, alarm),
            (false, Active::Registrants(registrants, _), _) => registrants.alarm(io, figures, alarm),
            _ => {}
        }
    }

    /// Registered and idle: connections stay open, answers are given.
    fn linger(&mut self, events: &mut Events) -> anyhow::Result<()> {
        let Active::Registrants(_, linger) = &self.active else { return Ok(()) };
        let until = self.io.now() + *linger;
        while self.io.now() < until {
            self.io.turn(events, Some(until))?;
            self.hear();
        }
        Ok(())
    }
}

/// UDP has no connections to make anew.
fn kept_for(server: &Server) -> Connections {
    match server.transport.is_reliable() {
        true => server.connections,
        false => Connections::Kept(1),
    }
}

fn callees(answer: &Answer) -> Callees {
    Callees::new(Words::new(answer.transport, answer.listen), answer.ring)
}

/// Tells this run of the tool from another of the same process number.
fn started() -> u32 {
    crate::clock::millis(std::time::SystemTime::now()) as u32
}
