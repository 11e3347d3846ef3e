//! The process's one clock: pure machines are told the time as what has passed since the process began, and the wall's.

use std::time::{Duration, Instant, SystemTime};

/// Longer than anybody waits for an agent.
const BEFORE: Duration = Duration::from_secs(86_400);

/// Cheap to copy; all copies agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Since a day before the process began: who waited when the process before this one ended has a place on it too.
    pub(crate) fn mono(&self) -> Duration {
        BEFORE + self.origin.elapsed()
    }

    /// Some moment that all copies agree on.
    pub(crate) fn origin(&self) -> Instant {
        self.origin
    }

    pub(crate) fn now(&self) -> roles::Now {
        roles::Now { mono: self.mono(), wall: SystemTime::now() }
    }
}

/// Milliseconds since 1970, 0 before it.
pub(crate) fn millis(wall: SystemTime) -> u64 {
    wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}
