//! Alarms of a role, in the order of their time and, at one time, of their setting.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is to be done when; `T` says what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timers<T> {
    next: u64,
    due: BTreeMap<(Duration, u64), T>,
}

impl<T> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers { next: 0, due: BTreeMap::new() }
    }
}

impl<T> Timers<T> {
    pub fn set(&mut self, at: Duration, what: T) {
        self.next += 1;
        self.due.insert((at, self.next), what);
    }

    /// Forgets all alarms that `gone` says are meant for nobody.
    pub fn drop_where(&mut self, gone: impl Fn(&T) -> bool) {
        self.due.retain(|_, what| !gone(what));
    }

    pub fn deadline(&self) -> Option<Duration> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// The next alarm that is due.
    pub fn due(&mut self, now: Duration) -> Option<T> {
        let first = self.due.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
