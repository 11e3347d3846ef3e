//! `cargo xtask bench media`: rtpengine and our relay by turns under one generator, as ratios (docs/performance.md).
//!
//! Rounds alternate between the two and nothing at all (the generator's sockets facing each other: the floor of the
//! latency), so that what else the machine does falls on all of them alike; the medians of the rounds are told.
//! `media_bench [--rounds N] [--seconds N] [--calls N,N]`; `media_bench relay …` is our relay as its own process.

#![allow(clippy::disallowed_methods)]

mod keys;
mod load;
mod ng;
mod relay;
mod subject;

use std::io;
use std::time::Duration;

use subject::{Kind, Subject};

/// What the two legs of a call carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Other suites on both sides, so that nobody passes a key through.
    Rekeyed,
    ToClear,
    Clear,
}

impl Mode {
    const ALL: [Mode; 3] = [Mode::Rekeyed, Mode::ToClear, Mode::Clear];

    fn name(self) -> &'static str {
        match self {
            Mode::Rekeyed => "SRTP-SRTP",
            Mode::ToClear => "SRTP-RTP",
            Mode::Clear => "RTP-RTP",
        }
    }
}

/// One round's figures.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Microseconds of CPU a packet relayed.
    cpu: f64,
    p50: f64,
    p99: f64,
    lost: f64,
    /// KiB a call.
    memory: f64,
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["relay", rest @ ..] = words.as_slice() {
        return relay::run(rest);
    }
    let value = |name: &str, usual: &str| {
        let at = words.iter().position(|word| *word == name);
        at.and_then(|at| words.get(at + 1)).copied().unwrap_or(usual).to_owned()
    };
    let number = |text: String| text.parse::<u64>().map_err(|_| io::Error::other(format!("a number, not {text}")));
    let rounds = number(value("--rounds", "3"))?;
    let seconds = Duration::from_secs(number(value("--seconds", "4"))?);
    let mut sizes = Vec::new();
    for text in value("--calls", "100").split(',') {
        sizes.push(number(text.to_owned())? as usize);
    }
    let rtpengine = subject::have("rtpengine");
    if !rtpengine {
        eprintln!("rtpengine is not here: no ratios (Debian: apt-get install rtpengine-daemon)");
    }
    println!("medians of {rounds} alternating rounds of {} s, 20 ms G.711, {} cores", seconds.as_secs(), cores());
    println!(
        "{:<10}{:>6} {:<10}{:>14}{:>12}{:>12}{:>9}{:>12}",
        "mode", "calls", "who", "cpu us/packet", "p50 us", "p99 us", "lost %", "KiB a call"
    );
    for mode in Mode::ALL {
        for calls in &sizes {
            compare(mode, *calls, rounds, seconds, rtpengine)?;
        }
    }
    Ok(())
}

fn compare(mode: Mode, calls: usize, rounds: u64, seconds: Duration, rtpengine: bool) -> io::Result<()> {
    let mut kinds = vec![Kind::Nothing, Kind::Ringfence];
    if rtpengine {
        kinds.push(Kind::Rtpengine);
    }
    let mut figures = vec![Vec::new(); kinds.len()];
    for _ in 0..rounds {
        for (kind, figures) in kinds.iter().zip(&mut figures) {
            figures.push(round(*kind, mode, calls, seconds)?);
        }
    }
    let told: Vec<Round> = figures.iter().map(|rounds| median(rounds)).collect();
    for (kind, f) in kinds.iter().zip(&told) {
        println!(
            "{:<10}{calls:>6} {:<10}{:>14.2}{:>12.0}{:>12.0}{:>9.3}{:>12.1}",
            mode.name(),
            kind.name(),
            f.cpu,
            f.p50,
            f.p99,
            f.lost * 100.0,
            f.memory
        );
    }
    if let [floor, ours, theirs] = told.as_slice() {
        println!(
            "{:<10}{calls:>6} ratio: cpu {:.2}, added p50 {:.2}, added p99 {:.2}, memory {:.2}",
            mode.name(),
            ours.cpu / theirs.cpu,
            (ours.p50 - floor.p50) / (theirs.p50 - floor.p50),
            (ours.p99 - floor.p99) / (theirs.p99 - floor.p99),
            ours.memory / theirs.memory
        );
    }
    Ok(())
}

fn round(kind: Kind, mode: Mode, calls: usize, seconds: Duration) -> io::Result<Round> {
    let ends = load::sockets(calls)?;
    let (subject, legs) = Subject::start(kind, mode, calls)?;
    let seen = load::run(ends, legs, Duration::from_millis(700), seconds, &mut || subject.cpu())?;
    let memory = subject.memory_a_call(calls);
    subject.stop();
    let received = seen.latencies.len() as u64;
    let at = |part: f64| {
        let place = ((received as f64 - 1.0) * part).max(0.0) as usize;
        seen.latencies.get(place).map_or(f64::NAN, |ns| f64::from(*ns) / 1000.0)
    };
    Ok(Round {
        cpu: seen.cpu.as_secs_f64() * 1e6 / received.max(1) as f64,
        p50: at(0.5),
        p99: at(0.99),
        lost: 1.0 - received as f64 / seen.sent.max(1) as f64,
        memory,
    })
}

fn median(rounds: &[Round]) -> Round {
    let of = |value: fn(&Round) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(value).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Round { cpu: of(|r| r.cpu), p50: of(|r| r.p50), p99: of(|r| r.p99), lost: of(|r| r.lost), memory: of(|r| r.memory) }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
