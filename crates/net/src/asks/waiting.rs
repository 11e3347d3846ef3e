//! What the store could not keep because it is full or gone, held until it can: nothing that was done meanwhile is missing
//! afterwards, as long as the process lives and not more than [`MOST`] lines wait.
//!
//! A registration is not held: its phone waits for the word, is told that it was not kept, and comes again by itself.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use roles::{Ask, Persist, Told};

use super::{Errand, Job, TOGETHER, answer};
use crate::keep::{Keeper, Kept, NotKept, What};

/// Lines that are held; of more the oldest are given up. At 60 calls a second they are a minute.
const MOST: usize = 65_536;
/// A store that stays away is told of this often.
const TOLD: Duration = Duration::from_secs(10);

pub(super) struct Waiting<K> {
    keeper: K,
    held: VecDeque<Errand>,
    lost: usize,
    told: Option<Instant>,
    /// What the store last said.
    why: String,
}

impl<K: Keeper> Waiting<K> {
    pub(super) fn new(keeper: K) -> Waiting<K> {
        Waiting { keeper, held: VecDeque::new(), lost: 0, told: None, why: String::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Keeps what was held, then these; whoever waits for an answer has it, or is held.
    pub(super) fn keep(&mut self, batch: Vec<Errand>) {
        let waited = self.held.len();
        self.held.extend(batch);
        while !self.held.is_empty() {
            let some: Vec<Errand> = self.held.drain(..self.held.len().min(TOGETHER)).collect();
            if let Err((rest, trouble)) = self.together(some) {
                rest.into_iter().rev().for_each(|errand| self.held.push_front(errand));
                return self.stuck(&trouble);
            }
        }
        if waited > 0 {
            tracing::info!(lines = waited, lost = self.lost, "the store keeps again, also what waited for it");
            (self.lost, self.told) = (0, None);
        }
    }

    /// In one write; or, where one line of them is not to be kept by anybody, without that one. The error has what is to be
    /// tried again.
    fn together(&mut self, errands: Vec<Errand>) -> Result<(), (Vec<Errand>, NotKept)> {
        let items: Vec<Kept<'_>> = errands.iter().filter_map(kept).collect();
        let outcome = if items.is_empty() { Ok(()) } else { self.keeper.keep(&items) };
        drop(items);
        match outcome {
            Ok(()) => errands.into_iter().for_each(|errand| done(errand, &Ok(()))),
            Err(trouble) if trouble.may_pass => return Err((errands, trouble)),
            Err(NotKept { why, .. }) if errands.len() == 1 => {
                tracing::error!(%why, "the store does not take this line");
                errands.into_iter().for_each(|errand| done(errand, &Err(why.clone())));
            }
            Err(_) => {
                let mut first = errands;
                let second = first.split_off(first.len() / 2);
                if let Err((mut rest, trouble)) = self.together(first) {
                    rest.extend(second);
                    return Err((rest, trouble));
                }
                return self.together(second);
            }
        }
        Ok(())
    }

    fn stuck(&mut self, trouble: &NotKept) {
        let why = &trouble.why;
        self.why.clone_from(why);
        // Who asks again by themselves is told; who only wants to know that it was tried does.
        let (told, held): (VecDeque<Errand>, VecDeque<Errand>) =
            std::mem::take(&mut self.held).into_iter().partition(|(_, job)| {
                matches!(job, Job::Settle(_) | Job::Ask { ask: Ask::Persist(Persist::Registration { .. }), .. })
            });
        self.held = held;
        told.into_iter().for_each(|errand| done(errand, &Err(why.clone())));
        while self.held.len() > MOST {
            self.lost += 1;
            self.held.pop_front().into_iter().for_each(|errand| done(errand, &Err(why.clone())));
        }
        if self.told.is_none_or(|told| told.elapsed() >= TOLD) {
            self.told = Some(Instant::now());
            tracing::error!(%why, waiting = self.held.len(), lost = self.lost, "the store keeps nothing; it is tried again each second");
        }
    }

    /// The process ends: what cannot be kept now is lost, and said so.
    pub(super) fn give_up(mut self) {
        self.keep(Vec::new());
        if !self.held.is_empty() {
            tracing::error!(lines = self.held.len(), "lost: the process ends, and the store did not keep them");
        }
        let Waiting { held, why, .. } = self;
        held.into_iter().for_each(|errand| done(errand, &Err(why.clone())));
    }
}

fn done((asker, job): Errand, outcome: &Result<(), String>) {
    match job {
        Job::Ask { id, .. } | Job::Stated { id, .. } => {
            answer(&asker, id, outcome.clone().map_or_else(Told::Failed, |()| Told::Persisted))
        }
        Job::Settle(settled) => drop(settled.send(())),
        Job::Journal(_) => {}
    }
}

fn kept((asker, job): &Errand) -> Option<Kept<'_>> {
    let what = match job {
        Job::Ask { ask: Ask::Persist(what), .. } => What::Persist(what),
        Job::Stated { stated, .. } => What::Stated(stated),
        Job::Journal(line) => What::Journal(line),
        Job::Ask {
            ask:
                Ask::Sign { .. }
                | Ask::State { .. }
                | Ask::Fetch(_)
                | Ask::Resolve(_)
                | Ask::Sound(_)
                | Ask::Speak(_)
                | Ask::Recognise(_)
                | Ask::Stream(_),
            ..
        }
        | Job::Settle(_) => return None,
    };
    Some(Kept { node: &asker.name, what })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use call::session_id::Uuid;
    use roles::{AskId, Journal};

    use super::*;
    use crate::asks::Asker;
    use crate::mailbox::{Receiver, mailbox};
    use crate::node::Letter;

    /// Fails as it is told to; keeps words of decisions and numbers of calls.
    #[derive(Default)]
    struct Disk {
        kept: Vec<String>,
        full: bool,
        poison: Option<String>,
    }

    impl Keeper for Disk {
        fn keep(&mut self, batch: &[Kept<'_>]) -> Result<(), NotKept> {
            if self.full {
                return Err(NotKept { why: "the disk is full".into(), may_pass: true });
            }
            let words = batch.iter().map(|kept| match kept.what {
                What::Persist(Persist::Call { call, .. }) => call.to_string(),
                What::Persist(Persist::Registration { line, .. }) => line.clone(),
                What::Journal(Journal::Decision { words, .. }) => words.clone(),
                _ => "other".into(),
            });
            let words: Vec<String> = words.collect();
            if self.poison.as_ref().is_some_and(|poison| words.contains(poison)) {
                return Err(NotKept { why: "no such column".into(), may_pass: false });
            }
            self.kept.extend(words);
            Ok(())
        }
    }

    fn asker() -> (Arc<Asker>, Receiver<Letter>) {
        let (letters, inbox) = mailbox(100_000).unwrap();
        (Arc::new(Asker { name: "n".into(), credentials: None, letters: Mutex::new(Some(letters)) }), inbox)
    }

    fn call(asker: &Arc<Asker>, call: u64) -> Errand {
        (asker.clone(), Job::Ask { id: AskId(call), ask: Ask::Persist(Persist::forget(call)) })
    }

    fn decision(asker: &Arc<Asker>, words: &str) -> Errand {
        let decision = Journal::Decision { caller: Uuid("0".into()), words: words.into() };
        (asker.clone(), Job::Journal(Box::new(decision)))
    }

    fn told(inbox: &Receiver<Letter>) -> Vec<(u64, Told)> {
        let told = std::iter::from_fn(|| inbox.take());
        told.filter_map(|letter| match letter {
            Letter::Told(id, told) => Some((id.0, told)),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn what_a_full_disk_did_not_keep_is_kept_in_order_when_there_is_room() {
        let (asker, inbox) = asker();
        let mut waiting = Waiting::new(Disk { full: true, ..Disk::default() });
        waiting.keep(vec![call(&asker, 1), decision(&asker, "a")]);
        waiting.keep(vec![decision(&asker, "b"), call(&asker, 2)]);
        waiting.keep(Vec::new());
        assert_eq!((told(&inbox), waiting.is_empty()), (Vec::new(), false), "nothing is acknowledged that is not kept");
        waiting.keeper.full = false;
        waiting.keep(vec![decision(&asker, "c")]);
        assert_eq!(waiting.keeper.kept, ["1", "a", "b", "2", "c"]);
        assert_eq!(told(&inbox), [(1, Told::Persisted), (2, Told::Persisted)]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn a_phone_is_told_at_once_and_so_is_who_wants_to_end() {
        let (asker, inbox) = asker();
        let mut waiting = Waiting::new(Disk { full: true, ..Disk::default() });
        let registration = Persist::Registration { line: "1001".into(), state: None };
        let (settled, waits) = std::sync::mpsc::sync_channel(1);
        waiting.keep(vec![
            call(&asker, 1),
            (asker.clone(), Job::Ask { id: AskId(9), ask: Ask::Persist(registration) }),
            (asker.clone(), Job::Settle(settled)),
        ]);
        assert_eq!(told(&inbox), [(9, Told::Failed("the disk is full".into()))]);
        assert_eq!(waits.try_recv(), Ok(()));
        waiting.keeper.full = false;
        waiting.keep(Vec::new());
        assert_eq!(waiting.keeper.kept, ["1"]);
    }

    #[test]
    fn one_line_that_nobody_can_keep_keeps_no_other_back() {
        let (asker, inbox) = asker();
        let mut waiting = Waiting::new(Disk { poison: Some("7".into()), ..Disk::default() });
        waiting.keep((0..20).map(|n| call(&asker, n)).collect());
        let expected: Vec<String> = (0..20).filter(|n| *n != 7).map(|n| n.to_string()).collect();
        assert_eq!(waiting.keeper.kept, expected);
        let failed: Vec<u64> =
            told(&inbox).into_iter().filter(|(_, told)| *told != Told::Persisted).map(|(id, _)| id).collect();
        assert_eq!(failed, [7]);
    }

    #[test]
    fn what_is_held_is_bounded_and_the_oldest_goes_first() {
        let (asker, inbox) = asker();
        let mut waiting = Waiting::new(Disk { full: true, ..Disk::default() });
        waiting.keep((0..MOST as u64 + 3).map(|n| call(&asker, n)).collect());
        assert_eq!((waiting.held.len(), waiting.lost), (MOST, 3));
        let given_up: Vec<u64> = told(&inbox).into_iter().map(|(id, _)| id).collect();
        assert_eq!(given_up, [0, 1, 2]);
        waiting.give_up();
        assert_eq!(told(&inbox).len(), MOST, "the end is told to all who wait");
    }
}
