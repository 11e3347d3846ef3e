//! What was made lately, by what it was made of. Whoever wants what is being made waits for it with the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use roles::Speak;

use super::Answer;

/// What clips may take together (both laws): more than an hour of speech.
const MOST_OCTETS: usize = 64 << 20;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Words(Box<Speak>),
    /// By the fingerprint of the file.
    Recording(String),
}

enum Entry {
    Coming(Vec<Answer>),
    Here { name: Arc<str>, octets: usize, used: u64 },
}

#[derive(Default)]
pub(super) struct Cache {
    entries: BTreeMap<Key, Entry>,
    /// Those that are here, the longest unused first.
    order: BTreeMap<u64, Key>,
    octets: usize,
    /// Counts uses and names.
    next: u64,
}

pub(super) enum Looked {
    Here(String, Answer),
    /// Somebody makes it: the answer is kept.
    Coming,
    /// Nobody does: the answer is kept, and who asks is to make it.
    Wanted,
}

impl Cache {
    pub(super) fn look(&mut self, key: &Key, answer: Answer) -> Looked {
        self.next += 1;
        let now = self.next;
        match self.entries.get_mut(key) {
            Some(Entry::Coming(waiting)) => {
                waiting.push(answer);
                Looked::Coming
            }
            Some(Entry::Here { name, used, .. }) => {
                if let Some(key) = self.order.remove(used) {
                    self.order.insert(now, key);
                }
                *used = now;
                Looked::Here(name.as_ref().to_owned(), answer)
            }
            None => {
                self.entries.insert(key.clone(), Entry::Coming(vec![answer]));
                Looked::Wanted
            }
        }
    }

    /// It is here: its name, who waits for it, and what made room for it.
    pub(super) fn made(&mut self, key: &Key, octets: usize) -> (Arc<str>, Vec<Answer>, Vec<Arc<str>>) {
        let waiting = self.failed(key);
        self.next += 1;
        let (used, name) = (self.next, Arc::<str>::from(format!("sound:{}", self.next)));
        let mut gone = Vec::new();
        self.octets += octets;
        while self.octets > MOST_OCTETS
            && let Some((_, oldest)) = self.order.pop_first()
        {
            if let Some(Entry::Here { name, octets, .. }) = self.entries.remove(&oldest) {
                self.octets -= octets;
                gone.push(name);
            }
        }
        self.order.insert(used, key.clone());
        self.entries.insert(key.clone(), Entry::Here { name: name.clone(), octets, used });
        (name, waiting, gone)
    }

    /// It will not be: who waits for it. The next who asks has it tried again.
    pub(super) fn failed(&mut self, key: &Key) -> Vec<Answer> {
        match self.entries.remove(key) {
            Some(Entry::Coming(waiting)) => waiting,
            Some(Entry::Here { .. }) | None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::Recording(name.into())
    }

    fn nobody() -> Answer {
        Box::new(|_| {})
    }

    #[test]
    fn what_was_not_heard_for_longest_makes_room() {
        let mut cache = Cache::default();
        let quarter = MOST_OCTETS / 4;
        let names: Vec<Arc<str>> = ["a", "b", "c", "d"]
            .map(|name| {
                assert!(matches!(cache.look(&key(name), nobody()), Looked::Wanted));
                let (name, waiting, gone) = cache.made(&key(name), quarter);
                assert!(waiting.len() == 1 && gone.is_empty());
                name
            })
            .into();
        assert!(matches!(cache.look(&key("a"), nobody()), Looked::Here(name, _) if *name == *names[0]));
        assert!(matches!(cache.look(&key("e"), nobody()), Looked::Wanted));
        assert!(matches!(cache.look(&key("e"), nobody()), Looked::Coming), "made once for all who want it");
        let (_, waiting, gone) = cache.made(&key("e"), quarter + 1);
        assert_eq!((waiting.len(), gone), (2, vec![names[1].clone(), names[2].clone()]));
        assert!(matches!(cache.look(&key("b"), nobody()), Looked::Wanted));
        assert_eq!(cache.failed(&key("b")).len(), 1);
        assert!(matches!(cache.look(&key("b"), nobody()), Looked::Wanted), "tried again");
    }
}
