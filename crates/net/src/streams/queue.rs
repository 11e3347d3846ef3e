//! How much of a bot's audio waits to be heard, and how fast it may speak. The media thread says what was heard by marks
//! ([`media::Spoken::Mark`]): the bot's own, and some of ours in between.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Codes that may wait: just less than two minutes, which is what a media thread holds.
pub(super) const MOST: usize = 119 * 8000;
/// Ours come behind so many codes.
const EVERY: usize = 8000;
/// Of a bot's own, that wait.
const MOST_MARKS: usize = 100;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// What a mark stands behind: so many codes since the one before; and the bot's name of it.
    marks: VecDeque<(u64, usize, Option<String>)>,
    named: usize,
    next: u64,
    /// Codes before the last mark, and behind it.
    before: usize,
    behind: usize,
}

impl Queue {
    pub(super) fn waiting(&self) -> usize {
        self.before + self.behind
    }

    /// Codes that there is room for.
    pub(super) fn room(&self) -> usize {
        MOST.saturating_sub(self.waiting())
    }

    /// So many were said; a mark of ours that is to follow.
    pub(super) fn said(&mut self, codes: usize) -> Option<u64> {
        self.behind += codes;
        (self.behind >= EVERY).then(|| self.push(None))
    }

    /// `None`: too many wait.
    pub(super) fn mark(&mut self, name: String) -> Option<u64> {
        if self.named >= MOST_MARKS {
            return None;
        }
        self.named += 1;
        Some(self.push(Some(name)))
    }

    /// Behind all that was said.
    pub(super) fn last(&mut self) -> u64 {
        self.push(None)
    }

    fn push(&mut self, name: Option<String>) -> u64 {
        self.next += 1;
        self.before += self.behind;
        self.marks.push_back((self.next, std::mem::take(&mut self.behind), name));
        self.next
    }

    /// A mark was heard: the bot's that were, among them any whose word was lost on the way.
    pub(super) fn heard(&mut self, mark: u64) -> Vec<String> {
        let mut names = Vec::new();
        while let Some((_, codes, name)) = self.marks.pop_front_if(|(number, ..)| *number <= mark) {
            self.before = self.before.saturating_sub(codes);
            self.named -= usize::from(name.is_some());
            names.extend(name);
        }
        names
    }
}

/// How fast it may speak: beyond this it is read later, and waits by itself. A message costs a millisecond, and one more for
/// each KiB: fifty times what a call needs.
#[derive(Debug)]
pub(super) struct Budget(Instant);

/// What may come at once.
const BURST: Duration = Duration::from_millis(500);

impl Budget {
    pub(super) fn new(now: Instant) -> Budget {
        Budget(now)
    }

    pub(super) fn spend(&mut self, octets: usize, now: Instant) {
        self.0 = self.0.max(now) + Duration::from_millis(1 + octets as u64 / 1024);
    }

    /// When the next message is read, if not now.
    pub(super) fn waits(&self, now: Instant) -> Option<Instant> {
        let until = self.0.checked_sub(BURST)?;
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_what_was_said_and_not_heard() {
        let mut queue = Queue::default();
        assert_eq!(queue.said(5000), None);
        let named = queue.mark("a".into()).unwrap();
        assert_eq!(queue.said(7999), None);
        let ours = queue.said(1).unwrap();
        queue.said(300);
        assert_eq!((queue.waiting(), queue.room()), (13_300, MOST - 13_300));
        assert_eq!(queue.heard(named), ["a"]);
        assert_eq!(queue.waiting(), 8300);
        assert!(queue.heard(ours).is_empty() && queue.heard(ours).is_empty());
        assert_eq!(queue.waiting(), 300);
        let last = queue.last();
        assert!(queue.heard(last).is_empty());
        assert_eq!(queue.waiting(), 0);
    }

    #[test]
    fn marks_are_bounded_and_none_is_lost_on_the_way() {
        let mut queue = Queue::default();
        let marks: Vec<u64> = (0..MOST_MARKS).filter_map(|n| queue.mark(n.to_string())).collect();
        assert_eq!((marks.len(), queue.mark("more".into())), (MOST_MARKS, None));
        assert_eq!(queue.heard(marks[2]), ["0", "1", "2"]);
        assert!(queue.mark("again".into()).is_some());
    }

    #[test]
    fn who_floods_is_read_a_thousand_times_a_second() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let (mut now, mut read) = (start, 0);
        while now < start + Duration::from_secs(10) {
            if let Some(until) = budget.waits(now) {
                now = until;
                continue;
            }
            budget.spend(300, now);
            read += 1;
        }
        assert!((10_400..10_600).contains(&read), "{read}");
        // At the pace of a call nobody waits.
        let mut budget = Budget::new(start);
        for n in 0..1000 {
            let now = start + Duration::from_millis(20 * n);
            assert_eq!(budget.waits(now), None);
            budget.spend(300, now);
        }
    }
}
