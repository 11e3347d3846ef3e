//! What a run came to, for people and as data.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Times of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    pub count: usize,
    /// Microseconds.
    pub p50_us: u64,
    pub p99_us: u64,
    pub max_us: u64,
}

impl Spread {
    /// Nearest rank.
    fn of(times: &mut [u64]) -> Spread {
        times.sort_unstable();
        let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or(0);
        Spread { count: times.len(), p50_us: at(50), p99_us: at(99), max_us: times.last().copied().unwrap_or(0) }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// `calls`, `registrations` or `answers`.
    pub what: &'static str,
    pub offered: u64,
    pub completed: u64,
    /// By cause, in words.
    pub failed: BTreeMap<String, u64>,
    /// Had no final answer in time.
    pub lost: u64,
    /// Messages that we sent again, and requests or answers that came again.
    pub resent: u64,
    pub repeated: u64,
    /// INVITE to 200 of calls, the first REGISTER to 200 of registrations; where each has a connection of its own, from the
    /// start of that. `None` when only the called side was played.
    pub setup: Option<Spread>,
    /// The called side: calls that came in, and 200s that nobody acknowledged.
    pub answered: u64,
    pub unacknowledged: u64,
    /// Messages that belonged to nothing.
    pub strays: u64,
    /// From the first one offered to the end of the last.
    pub seconds: f64,
    /// How late the tool itself was in placing one, at worst: more than a few milliseconds, and its figures are its own.
    pub late_ms: f64,
    /// The tool's own CPU time.
    pub cpu_s: f64,
}

impl Report {
    /// Whether everything offered was completed.
    pub fn is_whole(&self) -> bool {
        self.completed == self.offered && self.lost == 0 && self.failed.is_empty() && self.unacknowledged == 0
    }
}

/// For people.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed: u64 = self.failed.values().sum();
        writeln!(
            f,
            "{}: {} offered, {} completed, {failed} failed, {} lost; {:.1} s",
            self.what, self.offered, self.completed, self.lost, self.seconds
        )?;
        for (cause, count) in &self.failed {
            writeln!(f, "  {count} × {cause}")?;
        }
        writeln!(f, "  resent {}, came again {}, strays {}", self.resent, self.repeated, self.strays)?;
        if self.answered > 0 {
            writeln!(f, "  called side: {} calls, {} answers not acknowledged", self.answered, self.unacknowledged)?;
        }
        if let Some(Spread { p50_us, p99_us, max_us, .. }) = self.setup {
            let ms = |us: u64| us as f64 / 1e3;
            let what = if self.what == "registrations" { "REGISTER to 200" } else { "INVITE to 200" };
            writeln!(f, "  {what}: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms", ms(p50_us), ms(p99_us), ms(max_us))?;
        }
        let each = 1e6 * self.cpu_s / self.completed.max(self.answered).max(1) as f64;
        writeln!(
            f,
            "  the tool: {:.2} s of CPU, {each:.0} µs each, late by {:.1} ms at most",
            self.cpu_s, self.late_ms
        )?;
        match self.is_whole() {
            true => write!(f, "nothing was lost"),
            false => write!(f, "NOT everything was completed"),
        }
    }
}

/// Counts of a run under way.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub report: Report,
    times: Vec<u64>,
}

impl Figures {
    pub(super) fn failed(&mut self, cause: impl Into<String>) {
        *self.report.failed.entry(cause.into()).or_default() += 1;
    }

    pub(super) fn set_up(&mut self, took: Duration) {
        self.times.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn into_report(mut self, timed: bool) -> Report {
        self.report.setup = timed.then(|| Spread::of(&mut self.times));
        self.report
    }
}

/// CPU time of this thread so far; zero where the system does not say.
pub(super) fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        assert_eq!(Spread::of(&mut []), Spread::default());
        let one = Spread { count: 1, p50_us: 7, p99_us: 7, max_us: 7 };
        assert_eq!(Spread::of(&mut [7]), one);
        let mut many: Vec<u64> = (1..=1000).rev().collect();
        assert_eq!(Spread::of(&mut many), Spread { count: 1000, p50_us: 500, p99_us: 990, max_us: 1000 });
    }

    #[test]
    fn one_that_is_missing_is_said() {
        let mut figures = Figures::default();
        figures.report.offered = 2;
        figures.report.completed = 1;
        figures.failed("503 Service Unavailable");
        let report = figures.into_report(true);
        assert!(!report.is_whole());
        let text = report.to_string();
        assert!(text.contains("1 × 503 Service Unavailable") && text.contains("NOT everything"), "{text}");
    }
}
