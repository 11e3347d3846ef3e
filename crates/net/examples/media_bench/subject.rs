//! What is measured: started, told of the calls, its CPU time and memory read from /proc, stopped.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load::{self, Leg};
use crate::ng::{Ng, Side};
use crate::{Mode, keys};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The generator's ends face each other.
    Nothing,
    Ringfence,
    Rtpengine,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Nothing => "nothing",
            Kind::Ringfence => "ringfence",
            Kind::Rtpengine => "rtpengine",
        }
    }
}

pub(crate) struct Subject {
    child: Option<Child>,
    /// KiB, before there was a call.
    resting: f64,
}

const CONTROL: &str = "127.0.0.1:22299";

impl Subject {
    /// The subject with its calls up, and the generator's legs: two a call.
    pub(crate) fn start(kind: Kind, mode: Mode, calls: usize) -> io::Result<(Subject, Vec<Leg>)> {
        match kind {
            Kind::Nothing => Ok((Subject { child: None, resting: 0.0 }, facing(mode, calls))),
            Kind::Ringfence => ringfence(mode, calls),
            Kind::Rtpengine => rtpengine(mode, calls),
        }
    }

    /// CPU time of all its threads.
    pub(crate) fn cpu(&self) -> Duration {
        let Some(child) = &self.child else { return Duration::ZERO };
        let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten().flatten();
        let spent = |path: &Path| -> Option<u64> {
            fs::read_to_string(path.join("schedstat")).ok()?.split(' ').next()?.parse().ok()
        };
        Duration::from_nanos(tasks.filter_map(|task| spent(&task.path())).sum())
    }

    pub(crate) fn memory_a_call(&self, calls: usize) -> f64 {
        let Some(child) = &self.child else { return f64::NAN };
        (resident(child) - self.resting) / calls as f64
    }

    pub(crate) fn stop(mut self) {
        if let Some(child) = &mut self.child {
            drop(child.stdin.take());
            // Ours ends with its input; the other by a signal.
            let patience = Instant::now() + Duration::from_millis(300);
            while Instant::now() < patience && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn have(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

fn resident(child: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(f64::NAN)
}

/// The generator hears what its other end protected.
fn facing(mode: Mode, calls: usize) -> Vec<Leg> {
    let leg = |call, side: usize| {
        let other = 1 - side;
        let seal = keys::suite(mode, side).map(|suite| (suite, keys::ours(call, side, suite)));
        let open = keys::suite(mode, other).map(|suite| (suite, keys::ours(call, other, suite)));
        Leg { to: load::address(call, other), seal, open }
    };
    (0..calls).flat_map(|call| [leg(call, 0), leg(call, 1)]).collect()
}

fn ringfence(mode: Mode, calls: usize) -> io::Result<(Subject, Vec<Leg>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["relay", mode.name(), &calls.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = child.stdout.take().ok_or_else(|| io::Error::other("no output"))?;
    let mut legs = Vec::new();
    let mut resting = f64::NAN;
    for line in BufReader::new(output).lines() {
        let line = line?;
        if resting.is_nan() {
            resting = resident(&child);
        }
        if line == "ready" {
            return Ok((Subject { child: Some(child), resting }, legs));
        }
        let (call, side) = (legs.len() / 2, legs.len() % 2);
        let to = line.parse().map_err(|_| io::Error::other(format!("an address, not {line}")))?;
        let suite = keys::suite(mode, side);
        let seal = suite.map(|suite| (suite, keys::ours(call, side, suite)));
        let open = suite.map(|suite| (suite, keys::relays(call, side, suite)));
        legs.push(Leg { to, seal, open });
    }
    Err(io::Error::other("our relay ended before it was ready"))
}

fn rtpengine(mode: Mode, calls: usize) -> io::Result<(Subject, Vec<Leg>)> {
    let child = Command::new("rtpengine")
        .args(["--config-file=none", "--foreground", "--log-stderr", "--log-level=3", "--table=-1"])
        .args(["--interface=127.0.0.1", "--port-min=16384", "--port-max=24000"])
        .arg(format!("--listen-ng={CONTROL}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut subject = Subject { child: Some(child), resting: 0.0 };
    let control = CONTROL.parse().map_err(io::Error::other)?;
    let mut ng = Ng::to(control)?;
    let patience = Instant::now() + Duration::from_secs(10);
    while !ng.ping() {
        if Instant::now() > patience {
            subject.stop();
            return Err(io::Error::other("rtpengine does not answer"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    subject.resting = subject.child.as_ref().map_or(f64::NAN, resident);
    let mut legs = Vec::new();
    for call in 0..calls {
        for (side, Side { addr, key }) in ng.call(mode, call)?.into_iter().enumerate() {
            let suite = keys::suite(mode, side);
            let seal = suite.map(|suite| (suite, keys::ours(call, side, suite)));
            legs.push(Leg { to: addr, seal, open: suite.zip(key) });
        }
    }
    Ok((subject, legs))
}
