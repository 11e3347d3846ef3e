//! INVITEs over streams whose transactions have ended. A peer whose connection closed before it heard us sends its
//! INVITE again over another, the same bytes; the first copy may arrive behind the second, when the call that they made
//! is up, refused or over. RFC 6026 absorbs it in the transaction itself (timer L); the transaction's mark alone does as
//! well, in a fiftieth of the memory.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::transaction::key::{Index, Key};

/// Marks kept at most, the youngest: 2,000 calls a second for 32 s.
const MOST: usize = 65_536;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// Until when each counts.
    marks: Index<Duration>,
    /// The same by age.
    ages: VecDeque<Key>,
}

impl Ended {
    /// An INVITE's transaction ended; copies of it mean nothing until `until`.
    pub(crate) fn insert(&mut self, key: Key, until: Duration, now: Duration) {
        self.forget(now);
        self.marks.insert(key, until);
        self.ages.push_back(key);
    }

    /// Whether this INVITE had its answer already.
    pub(crate) fn knows(&self, key: Key, now: Duration) -> bool {
        // The oldest are forgotten by who comes next: nobody is woken for them.
        self.marks.get(key).is_some_and(|until| until > now)
    }

    fn forget(&mut self, now: Duration) {
        while let Some(key) = self.ages.front().copied() {
            if self.knows(key, now) && self.ages.len() < MOST {
                break;
            }
            self.marks.remove(key);
            self.ages.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::key::Fold;

    fn key(number: u64) -> Key {
        Fold::new([1, 2]).number(number).key()
    }

    #[test]
    fn a_mark_lasts_as_long_as_it_was_made_for() {
        let mut ended = Ended::default();
        ended.insert(key(1), Duration::from_secs(32), Duration::ZERO);
        assert!(ended.knows(key(1), Duration::from_secs(31)) && !ended.knows(key(2), Duration::ZERO));
        assert!(!ended.knows(key(1), Duration::from_secs(32)));
        ended.insert(key(2), Duration::from_secs(72), Duration::from_secs(40));
        assert_eq!(ended.ages.len(), 1);
    }

    #[test]
    fn the_oldest_give_way() {
        let mut ended = Ended::default();
        for number in 0..=MOST as u64 {
            ended.insert(key(number), Duration::from_secs(32), Duration::ZERO);
        }
        assert_eq!(ended.ages.len(), MOST);
        assert!(!ended.knows(key(0), Duration::ZERO) && ended.knows(key(1), Duration::ZERO));
    }
}
