//! Wrong digests, counted by line and source and by source alone. Whoever gives too many of them in a short time is not
//! listened to for a while (503 with Retry-After, RFC 3261 §21.5.4), right secret or not: so a secret cannot be guessed at
//! the speed of the wire. A line is never locked as such: whoever guesses from one address keeps no phone at another out.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Wrong digests for one line from one source, and for all lines from one source (many phones may share an address), that
/// are taken within a window.
const LINE: u32 = 5;
const SOURCE: u32 = 30;
/// Wrong digests are counted together for this long after the first, and too many are answered for this long after the
/// last that was listened to.
const WINDOW: Duration = Duration::from_secs(60);
/// Lines and sources remembered. Beyond that those whose window is oldest are forgotten first.
const MOST: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Count {
    since: Duration,
    wrong: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    source: IpAddr,
    /// `None`: all lines.
    line: Option<String>,
}

impl Key {
    /// A number that no line has is as good as any other; a long one is not kept whole.
    fn of(source: IpAddr, line: &str) -> Key {
        Key { source, line: Some(line.chars().take(64).collect()) }
    }
}

/// Who guessed how often.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Guesses {
    counts: BTreeMap<Key, Count>,
}

impl Guesses {
    /// How long this source is not to be listened to about this line; `None`: it is.
    pub(super) fn slowed(&self, source: IpAddr, line: &str, now: Duration) -> Option<Duration> {
        let of_line = (Key::of(source, line), LINE);
        let over = |(key, most): (Key, u32)| {
            let count = self.counts.get(&key)?;
            let left = (count.since + WINDOW).checked_sub(now).filter(|left| !left.is_zero())?;
            (count.wrong >= most).then_some(left)
        };
        [of_line, (Key { source, line: None }, SOURCE)].into_iter().filter_map(over).max()
    }

    /// A wrong digest. True when it was the last that is listened to.
    pub(super) fn wrong(&mut self, source: IpAddr, line: &str, now: Duration) -> bool {
        let of_line = self.count(Key::of(source, line), now);
        let of_source = self.count(Key { source, line: None }, now);
        of_line == LINE || of_source == SOURCE
    }

    /// The right secret: what went before were slips.
    pub(super) fn right(&mut self, source: IpAddr, line: &str) {
        self.counts.remove(&Key::of(source, line));
    }

    fn count(&mut self, key: Key, now: Duration) -> u32 {
        if !self.counts.contains_key(&key) && self.counts.len() >= MOST {
            self.make_room(now);
        }
        let count = self.counts.entry(key).or_insert(Count { since: now, wrong: 0 });
        if now.saturating_sub(count.since) >= WINDOW {
            *count = Count { since: now, wrong: 0 };
        }
        count.wrong = count.wrong.saturating_add(1);
        if count.wrong >= LINE {
            // From the last one on, not from the first: a window that is nearly over is no way out.
            count.since = now;
        }
        count.wrong
    }

    fn make_room(&mut self, now: Duration) {
        self.counts.retain(|_, count| now.saturating_sub(count.since) < WINDOW);
        if self.counts.len() >= MOST {
            let oldest = self.counts.iter().min_by_key(|(_, count)| (count.wrong, count.since));
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                self.counts.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn five_for_one_line_are_slowed_and_nobody_else_is() {
        let mut guesses = Guesses::default();
        for n in 1..=5 {
            assert_eq!(guesses.slowed(HERE, "1001", at(n)), None);
            assert_eq!(guesses.wrong(HERE, "1001", at(n)), n == 5);
        }
        assert_eq!(guesses.slowed(HERE, "1001", at(6)), Some(at(59)));
        assert_eq!(guesses.slowed(HERE, "1002", at(6)), None, "another phone behind the same address");
        assert_eq!(guesses.slowed(THERE, "1001", at(6)), None, "the line's own phone, elsewhere");
        assert_eq!(guesses.slowed(HERE, "1001", at(65)), None, "over");
    }

    #[test]
    fn thirty_for_any_line_are_slowed_too_and_the_right_secret_forgives_its_line_only() {
        let mut guesses = Guesses::default();
        for n in 0..30 {
            assert_eq!(guesses.slowed(HERE, "1001", at(1)), None);
            guesses.wrong(HERE, &format!("{}", 2000 + n), at(1));
        }
        assert!(guesses.slowed(HERE, "1001", at(1)).is_some());
        guesses.right(HERE, "1001");
        assert!(guesses.slowed(HERE, "1001", at(2)).is_some());
        for _ in 0..4 {
            guesses.wrong(THERE, "1001", at(2));
        }
        guesses.right(THERE, "1001");
        assert!(!guesses.wrong(THERE, "1001", at(3)), "counted from the start again");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_those_who_guess_most_stay() {
        let mut guesses = Guesses::default();
        for n in 1..=5 {
            guesses.wrong(HERE, "1001", at(n));
        }
        for n in 0..3 * MOST as u32 {
            guesses.wrong(IpAddr::from(n.to_be_bytes()), "1001", at(10));
        }
        assert!(guesses.counts.len() <= MOST);
        assert!(guesses.slowed(HERE, "1001", at(20)).is_some());
    }
}
