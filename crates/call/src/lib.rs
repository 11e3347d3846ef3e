//! Calls: legs and back-to-back pairs of them, Session-ID, the security record, the signed statement and the passport.
//!
//! Pure. Skeleton of the public face. `record.rs`, `statement.rs`, `passport.rs` belong to helper F;
//! `leg.rs`, `session_id.rs`, `pair.rs`, … to helper E.

pub mod leg;
pub mod passport;
pub mod record;
pub mod session_id;
pub mod statement;
pub mod verdict;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use leg::Leg;

use serde::{Deserialize, Serialize};

/// Monotonic and wall time together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    pub mono: Duration,
    pub wall: SystemTime,
}

/// Milliseconds since 1970, as records have them; 0 for a clock before that.
pub fn ms(now: Now) -> u64 {
    now.wall.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Personal data: numbers and names of people. `Debug` and `Display` show `…` and the last two characters only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pii<T>(pub T);

impl<T: AsRef<str>> std::fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
impl<T: AsRef<str>> std::fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.as_ref();
        match text.char_indices().rev().nth(1) {
            Some((at, _)) if at > 0 => write!(f, "…{}", text.get(at..).unwrap_or_default()),
            _ => f.write_str("…"),
        }
    }
}
