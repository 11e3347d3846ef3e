//! How often somebody may be wrong: five times a name, then it is locked for five minutes (as desks of this kind do it),
//! and twenty times an address in five minutes. Strangers lock nobody out who is at work: where a name was last let in, only
//! what was wrong from there counts. A name that does not exist is counted like any other, so that nobody
//! learns from it which do. Pure: time comes in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Wrong passwords of one name.
const OF_A_NAME: u32 = 5;
/// Wrong passwords from one address.
const OF_A_SOURCE: u32 = 20;
const LOCKED: Duration = Duration::from_secs(300);
/// Names and addresses that are remembered: whoever tries more at once pushes the oldest out.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Limits {
    names: BTreeMap<String, Wrong>,
    /// The same, where each name was last let in.
    at_home: BTreeMap<String, Wrong>,
    homes: BTreeMap<String, IpAddr>,
    sources: BTreeMap<IpAddr, Wrong>,
}

#[derive(Clone, Copy, Debug)]
struct Wrong {
    times: u32,
    /// Forgotten then.
    until: Duration,
}

impl Limits {
    /// How long this name, or this address, must wait; `None`: not at all.
    pub(super) fn wait(&self, name: &str, source: IpAddr, now: Duration) -> Option<Duration> {
        let names = if self.is_home(name, source) { &self.at_home } else { &self.names };
        let name = names.get(name).filter(|wrong| wrong.times >= OF_A_NAME);
        let source = self.sources.get(&source).filter(|wrong| wrong.times >= OF_A_SOURCE);
        let left = |wrong: &Wrong| wrong.until.checked_sub(now).filter(|left| !left.is_zero());
        name.and_then(left).max(source.and_then(left))
    }

    /// How long this address must wait.
    pub(super) fn wait_of(&self, source: IpAddr, now: Duration) -> Option<Duration> {
        let source = self.sources.get(&source).filter(|wrong| wrong.times >= OF_A_SOURCE);
        source.and_then(|wrong| wrong.until.checked_sub(now).filter(|left| !left.is_zero()))
    }

    /// Of nobody's name.
    pub(super) fn wrong_from(&mut self, source: IpAddr, now: Duration) {
        count(&mut self.sources, source, now);
    }

    pub(super) fn wrong(&mut self, name: &str, source: IpAddr, now: Duration) {
        if self.is_home(name, source) {
            count(&mut self.at_home, name.to_owned(), now);
        }
        count(&mut self.names, name.to_owned(), now);
        count(&mut self.sources, source, now);
    }

    /// The name is well; the address is not, until its time is over: it may have guessed.
    pub(super) fn right(&mut self, name: &str, source: IpAddr) {
        self.names.remove(name);
        self.at_home.remove(name);
        // Names that exist: an administrator's word bounds them.
        self.homes.insert(name.to_owned(), source);
    }

    fn is_home(&self, name: &str, source: IpAddr) -> bool {
        self.homes.get(name) == Some(&source)
    }
}

fn count<K: Ord + Clone>(of: &mut BTreeMap<K, Wrong>, key: K, now: Duration) {
    if of.len() >= REMEMBERED && !of.contains_key(&key) {
        of.retain(|_, wrong| wrong.until > now);
        if of.len() >= REMEMBERED
            && let Some(oldest) = of.iter().min_by_key(|(_, wrong)| wrong.until).map(|(key, _)| key.clone())
        {
            of.remove(&oldest);
        }
    }
    let wrong = of.entry(key).or_insert(Wrong { times: 0, until: now });
    if wrong.until <= now {
        wrong.times = 0;
    }
    *wrong = Wrong { times: wrong.times.saturating_add(1), until: now + LOCKED };
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn five_wrong_passwords_lock_a_name_for_five_minutes_from_everywhere() {
        let mut limits = Limits::default();
        for second in 0..4 {
            limits.wrong("ada", HERE, at(second));
        }
        assert_eq!(limits.wait("ada", HERE, at(4)), None);
        limits.wrong("ada", HERE, at(4));
        assert_eq!(limits.wait("ada", THERE, at(5)), Some(at(299)));
        assert_eq!(limits.wait("bob", HERE, at(5)), None);
        assert_eq!(limits.wait("ada", THERE, at(304)), None);
        // Afterwards there are five again.
        limits.wrong("ada", HERE, at(400));
        assert_eq!(limits.wait("ada", HERE, at(401)), None);
    }

    #[test]
    fn a_right_password_forgives_a_name_but_not_an_address_that_tries_many() {
        let mut limits = Limits::default();
        for name in 0..20 {
            limits.wrong(&name.to_string(), HERE, at(0));
            limits.right(&name.to_string(), HERE);
        }
        assert_eq!(limits.wait("ada", HERE, at(1)), Some(at(299)));
        assert_eq!(limits.wait("ada", THERE, at(1)), None);
    }

    #[test]
    fn strangers_lock_nobody_out_where_they_are_at_work() {
        let mut limits = Limits::default();
        limits.right("ada", HERE);
        for second in 0..5 {
            limits.wrong("ada", THERE, at(second));
        }
        assert_eq!(limits.wait("ada", HERE, at(5)), None);
        assert_eq!(limits.wait("ada", THERE, at(5)), Some(at(299)));
        for second in 5..10 {
            limits.wrong("ada", HERE, at(second));
        }
        assert_eq!(limits.wait("ada", HERE, at(10)), Some(at(299)), "but what is wrong there locks there");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut limits = Limits::default();
        for name in 0..REMEMBERED as u64 + 100 {
            limits.wrong(&name.to_string(), HERE, at(0) + Duration::from_millis(name));
        }
        assert_eq!(limits.names.len(), REMEMBERED);
        assert!(!limits.names.contains_key("0"), "the oldest goes first");
    }
}
