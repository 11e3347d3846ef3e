//! Media ports leased ahead of need, so that a description never names a port that is not open.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use media::{Command, Lease};
use serde::{Deserialize, Serialize};

/// More are asked for when fewer than this many are free.
const LOW_WATER: usize = 32;
const HIGH_WATER: usize = 64;
/// The same where one thread has fewer than so many, up to so many in all.
const THIN: usize = 8;
const MOST: usize = 4 * HIGH_WATER;
/// After an empty-handed answer, and for an answer that never comes.
const PATIENCE: Duration = Duration::from_secs(1);

/// Free leases by media thread, oldest first.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pool {
    /// `None`: this role ends no media.
    local: Option<IpAddr>,
    free: BTreeMap<u16, std::collections::VecDeque<Lease>>,
    asked_again_at: Option<Duration>,
}

impl Pool {
    pub(super) fn new(local: Option<IpAddr>) -> Pool {
        Pool { local, free: BTreeMap::new(), asked_again_at: None }
    }

    pub(super) fn free(&self) -> usize {
        self.free.values().map(|leases| leases.len()).sum()
    }

    /// What to ask the media threads for now.
    pub(super) fn wish(&mut self, now: Duration) -> Option<Command> {
        let local = self.local?;
        let free = self.free();
        if self.has_enough(free) || self.asked_again_at.is_some_and(|at| now < at) {
            return None;
        }
        self.asked_again_at = Some(now + PATIENCE);
        let count = HIGH_WATER.saturating_sub(free).max(LOW_WATER);
        Some(Command::Lend { local, count: u16::try_from(count).unwrap_or(1) })
    }

    /// A thread with few left may have a conference that grows; the threads lend in turn.
    fn has_enough(&self, free: usize) -> bool {
        let thin = self.free.values().any(|leases| leases.len() < THIN);
        free >= if thin { MOST } else { LOW_WATER }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.asked_again_at.filter(|_| !self.has_enough(self.free()))
    }

    pub(super) fn leased(&mut self, leases: Vec<Lease>) {
        if !leases.is_empty() {
            self.asked_again_at = None;
        }
        for lease in leases {
            self.free.entry(lease.id.thread).or_default().push_back(lease);
        }
    }

    /// One, of the thread with most to give.
    pub(super) fn one(&mut self) -> Option<Lease> {
        let fullest = self.free.values_mut().max_by_key(|leases| leases.len())?;
        fullest.pop_front()
    }

    /// One of this thread, which alone can relay between its own.
    pub(super) fn beside(&mut self, thread: u16) -> Option<Lease> {
        self.free.get_mut(&thread)?.pop_front()
    }

    /// Two of one thread.
    pub(super) fn pair(&mut self) -> Option<(Lease, Lease)> {
        let fullest = self.free.values_mut().filter(|leases| leases.len() >= 2).max_by_key(|leases| leases.len())?;
        Some((fullest.pop_front()?, fullest.pop_front()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::LeaseId;

    fn lease(thread: u16, slot: u16) -> Lease {
        let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 16384 + 2 * slot));
        Lease { id: LeaseId { thread, slot, generation: 1 }, addr, fingerprint: None }
    }

    #[test]
    fn a_pair_is_of_one_thread_and_needs_are_told_once() {
        let mut pool = Pool::new(Some([127, 0, 0, 1].into()));
        assert!(matches!(pool.wish(Duration::ZERO), Some(Command::Lend { count: 64, .. })));
        assert!(pool.wish(Duration::from_millis(10)).is_none(), "asked already");
        pool.leased(vec![lease(0, 0), lease(1, 1), lease(1, 2)]);
        let (a, b) = pool.pair().unwrap();
        assert_eq!((a.id.thread, b.id.thread), (1, 1));
        assert!(pool.pair().is_none(), "one lease of thread 0 is no pair");
        assert!(pool.wish(Duration::from_millis(20)).is_some());
    }

    #[test]
    fn an_empty_answer_is_not_asked_again_at_once() {
        let mut pool = Pool::new(Some([127, 0, 0, 1].into()));
        pool.wish(Duration::ZERO);
        pool.leased(Vec::new());
        assert!(pool.wish(Duration::from_millis(500)).is_none());
        assert_eq!(pool.deadline(), Some(PATIENCE));
        assert!(pool.wish(PATIENCE).is_some());
    }
}
