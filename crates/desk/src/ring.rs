//! The last notifications, numbered: who comes back says where they were and misses none of them. Pure.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::notification::Notification;

/// Notifications that somebody may have missed: over five seconds, the most that 2,000 agents at 60 calls a second cause.
const KEPT: usize = 10_000;
/// The most that is handed out in one go: a slow listener holds no more than this and what the socket holds.
const TOGETHER: usize = 64;

pub(crate) struct Ring {
    /// Of this process: an earlier one's numbers mean nothing.
    run: u64,
    next: u64,
    kept: VecDeque<(u64, Arc<Notification>)>,
}

/// What a listener gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// These, with their numbers; then ask again from this number on. Empty: nothing new.
    Events(Vec<(u64, Arc<Notification>)>, u64),
    /// Some are gone: it must be told, and looks at everything anew. It goes on from this number.
    Lost(u64),
}

impl Ring {
    pub(crate) fn new(run: u64) -> Ring {
        Ring { run, next: 0, kept: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, notification: Notification) {
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((self.next, Arc::new(notification)));
        self.next += 1;
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Where somebody begins who heard this last (`Last-Event-ID`), or nothing.
    pub(crate) fn begin(&self, last: Option<&str>) -> Next {
        let Some(last) = last else { return Next::Events(Vec::new(), self.next) };
        let wanted = last.split_once('-').and_then(|(run, number)| {
            (run.parse() == Ok(self.run)).then(|| number.parse::<u64>().ok()?.checked_add(1))?
        });
        match wanted.filter(|wanted| (self.oldest()..=self.next).contains(wanted)) {
            Some(wanted) => Next::Events(Vec::new(), wanted),
            None => Next::Lost(self.next),
        }
    }

    /// Those of these nodes from this number on.
    pub(crate) fn since(&self, at: u64, nodes: &BTreeSet<String>) -> Next {
        let Some(skip) = at.checked_sub(self.oldest()) else { return Next::Lost(self.next) };
        let (mut found, mut next) = (Vec::new(), self.next);
        // Fewer than 10,000.
        for (number, notification) in self.kept.iter().skip(skip as usize) {
            if !nodes.contains(&notification.node) {
                continue;
            }
            if found.len() == TOGETHER {
                next = *number;
                break;
            }
            found.push((*number, notification.clone()));
        }
        Next::Events(found, next)
    }

    fn oldest(&self) -> u64 {
        self.kept.front().map_or(self.next, |(number, _)| *number)
    }
}

/// As a Server-Sent Event of this run.
pub(crate) fn event(run: u64, number: u64, notification: &Notification) -> String {
    let Notification { node, update } = notification;
    format!("id: {run}-{number}\nevent: {node}\ndata: {update}\n\n")
}

/// What a listener hears who missed something, with a place to go on from.
pub(crate) fn lost(run: u64, next: u64) -> String {
    let id = next.checked_sub(1).map(|last| format!("id: {run}-{last}\n")).unwrap_or_default();
    format!("{id}event: lost\ndata: read agents, dialogs and queues anew\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(numbers: std::ops::Range<u64>) -> Ring {
        let mut ring = Ring::new(7);
        for number in 0..numbers.end {
            let node = if number % 2 == 0 { "even" } else { "odd" };
            ring.push(Notification { node: node.into(), update: number.to_string() });
        }
        while ring.kept.len() > (numbers.end - numbers.start) as usize {
            ring.kept.pop_front();
        }
        ring
    }

    #[test]
    fn a_listener_goes_on_where_it_was_or_hears_that_it_cannot() {
        let ring = ring(5..9);
        for (last, begin) in [
            (None, Some(9)),
            (Some("7-4"), Some(5)),
            (Some("7-6"), Some(7)),
            (Some("7-8"), Some(9)),
            (Some("7-9"), None),
            (Some("7-3"), None),
            (Some("6-6"), None),
            (Some("7-18446744073709551615"), None),
            (Some("nonsense"), None),
        ] {
            let expected = begin.map_or(Next::Lost(9), |at| Next::Events(Vec::new(), at));
            assert_eq!(ring.begin(last), expected, "{last:?}");
        }
    }

    #[test]
    fn only_what_is_listened_to_is_heard_and_in_pieces() {
        let all = ring(5..9);
        let odd = BTreeSet::from(["odd".to_owned()]);
        let Next::Events(heard, 9) = all.since(5, &odd) else { panic!("nothing is lost") };
        let heard: String = heard.iter().map(|(number, notification)| event(7, *number, notification)).collect();
        let expected = |number| format!("id: 7-{number}\nevent: odd\ndata: {number}\n\n");
        assert_eq!(heard, expected(5) + &expected(7));
        assert_eq!(all.since(8, &odd), Next::Events(Vec::new(), 9));
        assert_eq!(all.since(4, &odd), Next::Lost(9));
        let many = ring(0..300);
        let Next::Events(heard, next) = many.since(0, &odd) else { panic!("nothing is lost") };
        assert_eq!((heard.len(), next), (TOGETHER, 2 * TOGETHER as u64 + 1));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut ring = Ring::new(1);
        for number in 0..KEPT as u64 + 5 {
            ring.push(Notification { node: "n".into(), update: number.to_string() });
        }
        assert_eq!((ring.kept.len(), ring.oldest()), (KEPT, 5));
    }
}
