//! `cargo xtask bench vxml`: calls of VoiceXML applications under SRTP with their pages over HTTPS, beside a null relay and
//! beside the prompt alone, by turns, as ratios (docs/performance.md).
//!
//! One generator for all three: 20 ms of G.711 each way, protected and opened for real, a key every few seconds. `null`
//! sends each packet back as it came, and does nothing else; `floor` has the media threads play the same prompt under SRTP,
//! with no call and no document; `pages` is a voice browser with everything. CPU is that of all threads of the subject's
//! process, from the scheduler; the generator and the web server are another process. The subject has one core, of those
//! that there are the last: what is told is what a core does.
//! `vxml_bench [--rounds N] [--seconds N] [--calls N,N]`; `vxml_bench null|floor|pages …` is the subject as its own process.

#![allow(clippy::disallowed_methods)]

mod estate;
mod media_side;
mod relay;
mod sip_side;
mod subject;
mod web_side;

use std::io;
use std::time::Duration;

use estate::Estate;
use media_side::Calls;
use subject::{Kind, Subject};

/// One round's figures.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Milliseconds of CPU a call and second.
    cpu: f64,
    /// Packets a call and second that came back.
    received: f64,
    /// Milliseconds from the 200 OK to the first packet of the prompt.
    p50: f64,
    p99: f64,
    /// KiB a call.
    memory: f64,
    /// Answers to keys: pages fetched that nobody may keep, a call and second.
    turns: f64,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some("null" | "floor" | "pages") = words.first().copied() {
        have_one_core()?;
    }
    match words.as_slice() {
        ["null", calls] => return relay::null(number(calls)? as usize),
        ["floor", calls] => return relay::floor(number(calls)? as usize),
        ["pages", folder] => return estate::browser(folder.as_ref()),
        _ => {}
    }
    let value = |name: &str, usual: &'static str| {
        let at = words.iter().position(|word| *word == name);
        at.and_then(|at| words.get(at + 1)).copied().unwrap_or(usual).to_owned()
    };
    let rounds = number(&value("--rounds", "3"))?;
    let seconds = Duration::from_secs(number(&value("--seconds", "10"))?);
    let estate = Estate::set()?;
    println!(
        "medians of {rounds} alternating rounds of {} s, a key every {} s a call",
        seconds.as_secs(),
        media_side::TURN
    );
    println!(
        "{:>6} {:<6}{:>18}{:>14}{:>14}{:>12}{:>12}{:>12}",
        "calls", "who", "cpu ms/call-s", "packets/s", "turns/s", "first p50", "p99 ms", "KiB a call"
    );
    for calls in value("--calls", "50").split(',') {
        compare(&estate, number(calls)? as usize, rounds, seconds)?;
    }
    Ok(())
}

/// As on a machine with one: as many media threads are started as the process may use cores.
fn have_one_core() -> io::Result<()> {
    let cores = rustix::thread::sched_getaffinity(None)?;
    let last = (0..rustix::thread::CpuSet::MAX_CPU).rev().find(|core| cores.is_set(*core));
    let mut one = rustix::thread::CpuSet::new();
    one.set(last.ok_or_else(|| io::Error::other("no core may be used"))?);
    rustix::thread::sched_setaffinity(None, &one)?;
    Ok(())
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(|_| io::Error::other(format!("a number, not {text}")))
}

fn compare(estate: &Estate, calls: usize, rounds: u64, seconds: Duration) -> io::Result<()> {
    let mut figures = [const { Vec::new() }; Kind::ALL.len()];
    for _ in 0..rounds {
        for (kind, figures) in Kind::ALL.into_iter().zip(&mut figures) {
            figures.push(round(estate, kind, calls, seconds)?);
        }
    }
    let told = figures.map(|rounds| median(&rounds));
    for (kind, f) in Kind::ALL.into_iter().zip(&told) {
        println!(
            "{calls:>6} {:<6}{:>18.3}{:>14.1}{:>14.2}{:>12.1}{:>12.1}{:>12.1}",
            kind.name(),
            f.cpu,
            f.received,
            f.turns,
            f.p50,
            f.p99,
            f.memory
        );
    }
    let [null, floor, pages] = told;
    println!(
        "{calls:>6} ratio: pages ÷ null {:.2} (must be ≤ 1.5), pages ÷ floor {:.2}, floor ÷ null {:.2}; {:.0} calls a core",
        pages.cpu / null.cpu,
        pages.cpu / floor.cpu,
        floor.cpu / null.cpu,
        1000.0 / pages.cpu
    );
    Ok(())
}

/// After the calls are up, before anything is counted.
const WARM: Duration = Duration::from_secs(2);

fn round(estate: &Estate, kind: Kind, count: usize, seconds: Duration) -> io::Result<Round> {
    let calls = Calls::bind(count)?;
    let subject = Subject::start(kind, count, estate)?;
    let running = calls.run();
    let resting = subject.resident();
    match kind {
        Kind::Pages => sip_side::place(estate, &calls)?,
        Kind::Null | Kind::Floor => subject.connect(&calls)?,
    }
    std::thread::sleep(WARM);
    let (cpu, received, turns) = (subject.cpu(), calls.received(), estate.turns());
    std::thread::sleep(seconds);
    let (cpu, received, turns) = (subject.cpu() - cpu, calls.received() - received, estate.turns() - turns);
    let memory = (subject.resident() - resting) / count as f64;
    drop(running);
    subject.stop();
    let mut first = calls.first_packets();
    first.sort_by(f64::total_cmp);
    let at = |part: f64| first.get(((first.len() as f64 - 1.0) * part).max(0.0) as usize).copied().unwrap_or(f64::NAN);
    let call_seconds = count as f64 * seconds.as_secs_f64();
    Ok(Round {
        cpu: cpu.as_secs_f64() * 1e3 / call_seconds,
        received: received as f64 / call_seconds,
        p50: at(0.5),
        p99: at(0.99),
        memory,
        turns: turns as f64 / call_seconds,
    })
}

fn median(rounds: &[Round]) -> Round {
    let of = |value: fn(&Round) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(value).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Round {
        cpu: of(|r| r.cpu),
        received: of(|r| r.received),
        p50: of(|r| r.p50),
        p99: of(|r| r.p99),
        memory: of(|r| r.memory),
        turns: of(|r| r.turns),
    }
}
