//! `cargo xtask bench sip`: Ringfence and kamailio under the same load in turn, as ratios (docs/performance.md).
//!
//! Options: `--rounds N` (5), `--seconds S` (10), `--rate R` (100 calls a second), `--only ROW,…`.

mod rows;
mod server;
mod stage;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, root};
use rows::{RING_MS, Round, Row};
use server::{Who, ensure_kamailio};
use stage::Stage;

struct Settings {
    rounds: usize,
    seconds: f64,
    rate: f64,
    only: Vec<String>,
}

pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let settings = settings(arguments)?;
    ensure_kamailio()?;
    // For runs beside a build of something else.
    let ringfence = match std::env::var_os("RINGFENCE") {
        Some(binary) => PathBuf::from(binary),
        None => {
            cargo(&["build", "--release", "--quiet", "-p", "ringfence"])?;
            target().join("release/ringfence")
        }
    };
    let stage = Stage::set(ringfence, target().join("bench-sip"))?;
    let wanted = |name: &str| settings.only.is_empty() || settings.only.iter().any(|only| only == name);
    println!("rounds {}, {} s each, {} calls/s offered\n", settings.rounds, settings.seconds, settings.rate);
    let mut border = Vec::new();
    for row in Row::ALL.into_iter().filter(|row| wanted(row.name())) {
        let (mut ours, mut theirs, mut floor) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..settings.rounds {
            if row.has_peer() {
                theirs.push(row.round(&stage, Who::Kamailio, &settings)?);
            }
            ours.push(row.round(&stage, Who::Ringfence, &settings)?);
            if row == Row::Calls {
                floor.push(Row::floor(&stage, &settings)?);
            }
        }
        print(row, &ours, &theirs, &floor);
        if !row.has_peer() {
            border.push(spread(&ours, |round| round.per_cpu).0);
        }
    }
    if let [plain, secure] = border.as_slice() {
        println!("price of security: plain UDP ÷ TLS = {:.2} (must be ≤ 1.3)", plain / secure);
    }
    Ok(())
}

fn settings(arguments: &[&str]) -> Result<Settings> {
    let mut settings = Settings { rounds: 5, seconds: 10.0, rate: 100.0, only: Vec::new() };
    for pair in arguments.chunks(2) {
        match pair {
            ["--rounds", n] => settings.rounds = n.parse().context("--rounds: expected a number")?,
            ["--seconds", n] => settings.seconds = n.parse().context("--seconds: expected a number")?,
            ["--rate", n] => settings.rate = n.parse().context("--rate: expected a number")?,
            ["--only", rows] => settings.only = rows.split(',').map(str::to_owned).collect(),
            other => bail!("bench sip: {other:?}: expected --rounds N, --seconds S, --rate R or --only ROW,…"),
        }
    }
    let known = |name: &String| Row::ALL.iter().any(|row| row.name() == name);
    if let Some(unknown) = settings.only.iter().find(|name| !known(name)) {
        let names: Vec<&str> = Row::ALL.iter().map(|row| row.name()).collect();
        bail!("bench sip: there is no row `{unknown}`; there are {}", names.join(", "));
    }
    Ok(settings)
}

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Median, least, most.
fn spread(rounds: &[Round], of: impl Fn(&Round) -> f64) -> (f64, f64, f64) {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let at = |at: usize| values.get(at).copied().unwrap_or(0.0);
    (at(values.len() / 2), at(0), at(values.len().saturating_sub(1)))
}

fn print(row: Row, ours: &[Round], theirs: &[Round], floor: &[Round]) {
    println!("{}:", row.name());
    let line = |who: &str, what: &str, rounds: &[Round], of: fn(&Round) -> f64| {
        let (median, least, most) = spread(rounds, of);
        println!("  {who:10} {what:28} {median:9.1}  ({least:.1} to {most:.1})");
        median
    };
    let whole = |rounds: &[Round]| rounds.iter().all(|round| round.completed == round.offered);
    for (who, rounds) in [("kamailio", theirs), ("ringfence", ours)] {
        if !rounds.is_empty() && !whole(rounds) {
            println!("  {who:10} LOST calls: its figures are of those that were completed");
        }
    }
    match row {
        Row::HeldCalls | Row::IdlePhones => {
            line("kamailio", "KiB each", theirs, |round| round.memory);
            line("ringfence", "KiB each", ours, |round| round.memory);
        }
        _ => {
            let mine = line("ringfence", "per CPU-second", ours, |round| round.per_cpu);
            if !theirs.is_empty() {
                let other = line("kamailio", "per CPU-second", theirs, |round| round.per_cpu);
                println!("  ratio {:.2}", mine / other);
            }
            let ring = if matches!(row, Row::Registrations) { 0.0 } else { RING_MS };
            for (who, rounds) in [("kamailio", theirs), ("ringfence", ours), ("floor", floor)] {
                if !rounds.is_empty() {
                    let (p50, ..) = spread(rounds, |round| round.p50 - ring);
                    let (p99, ..) = spread(rounds, |round| round.p99 - ring);
                    let (tool, ..) = spread(rounds, |round| round.tool_us);
                    println!("  {who:10} set-up p50 {p50:.2} ms, p99 {p99:.2} ms; the tool {tool:.0} µs each");
                }
            }
        }
    }
    println!();
}
