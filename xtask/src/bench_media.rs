//! `cargo xtask bench media`: our relay beside rtpengine, our SRTP beside libsrtp (docs/performance.md).

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::run::{cargo, have, output, root};

const ROUNDS: usize = 5;
/// Nanoseconds a packet, to protect and to open.
type Costs = BTreeMap<String, Vec<[f64; 2]>>;

/// `rest` goes to the relay's measurement: `--rounds N --seconds N --calls N,N`.
pub(crate) fn run(rest: &[&str]) -> Result<()> {
    packets()?;
    let mut arguments = vec!["run", "--release", "-q", "-p", "net", "--example", "media_bench", "--"];
    arguments.extend(rest);
    cargo(&arguments)
}

/// Our SRTP and libsrtp's by turns.
fn packets() -> Result<()> {
    let theirs = libsrtp()?;
    let (mut ours, mut libsrtp) = (Costs::new(), Costs::new());
    cargo(&["build", "--release", "-q", "-p", "media", "--example", "srtp_cost"])?;
    for _ in 0..ROUNDS {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        note(&mut ours, &output(&cargo, &["run", "--release", "-q", "-p", "media", "--example", "srtp_cost"])?);
        if let Some((script, timer)) = &theirs {
            note(&mut libsrtp, &output("python3", &[script, timer])?);
        }
    }
    println!("nanoseconds to protect and to open 172 octets, median of {ROUNDS} rounds; libsrtp with OpenSSL");
    for (suite, ours) in &ours {
        let [seal, open] = median(ours);
        match libsrtp.get(suite).map(|costs| median(costs)) {
            Some([s, o]) => {
                let ratio = (seal + open) / (s + o);
                println!("{suite:<26}{seal:>7.0}{open:>7.0}   libsrtp{s:>7.0}{o:>7.0}   ratio {ratio:.2}");
            }
            None => println!("{suite:<26}{seal:>7.0}{open:>7.0}"),
        }
    }
    Ok(())
}

/// The script and the timer's library; none where pylibsrtp or a C compiler is missing.
fn libsrtp() -> Result<Option<(String, String)>> {
    if !have("cc") || output("python3", &["-c", "import pylibsrtp"]).is_err() {
        eprintln!("libsrtp is not measured: it needs cc and python3 with pylibsrtp (pip install pylibsrtp)");
        return Ok(None);
    }
    let folder = root().join("bench/libsrtp");
    let timer = std::env::temp_dir().join(format!("ringfence-libsrtp-cost-{}.so", std::process::id()));
    let (source, timer) = (folder.join("cost.c"), timer.to_string_lossy().into_owned());
    output("cc", &["-O2", "-shared", "-fPIC", &source.to_string_lossy(), "-o", &timer]).context("the timer")?;
    Ok(Some((folder.join("cost.py").to_string_lossy().into_owned(), timer)))
}

/// Lines of `suite protect (median) open (median)`: the fastest tenth of each counts, when the machine had least else to
/// do.
fn note(costs: &mut Costs, text: &str) {
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [suite, seal, _, open, _] = words.as_slice()
            && let (Ok(seal), Ok(open)) = (seal.parse(), open.parse())
        {
            costs.entry((*suite).to_owned()).or_default().push([seal, open]);
        }
    }
}

fn median(costs: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|which| {
        let mut all: Vec<f64> = costs.iter().map(|cost| cost[which]).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    })
}
