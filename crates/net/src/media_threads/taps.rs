//! Who listens to callers outside the media threads. A role says [`media::Command::Tap`] with a random number, and asks for
//! whatever listens with the same lease and number; that has [`Taps::listen`] give it the frames, in whichever order the
//! two arrive. A listener that is slow loses frames, and nobody waits for it.

use std::collections::BTreeMap;

use media::{Frame, LeaseId, Spoken};
use tokio::sync::mpsc;

use super::Letter;
use crate::mailbox::Sender;

/// Frames that wait for a listener: two seconds. What comes then is lost to it.
const WAITING: usize = 100;
/// Keys and marks that wait for who speaks.
const NOTES: usize = 512;

/// The media thread's end.
pub(crate) type Ear = mpsc::Sender<Frame>;
/// The listener's end: nothing more comes once the tap or its stream has ended, or never was.
pub(crate) type Heard = mpsc::Receiver<Frame>;

/// What a caller does besides speaking, for who speaks in return.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Noted {
    Key(char),
    /// Of [`Spoken::Mark`].
    Mark(u64),
}

pub(crate) type Notes = mpsc::Sender<Noted>;

/// A tap that is spoken by as well.
pub(crate) struct Talk {
    pub(crate) heard: Heard,
    pub(crate) noted: mpsc::Receiver<Noted>,
    thread: Option<Sender<Letter>>,
    lease: LeaseId,
    tap: u64,
}

impl Talk {
    /// Never blocks. Whether it was taken: not where the media thread has too much to do.
    pub(crate) fn say(&self, said: Spoken) -> bool {
        let letter = Letter::Say { lease: self.lease, tap: self.tap, said };
        self.thread.as_ref().is_some_and(|thread| thread.send(letter).is_ok())
    }
}

/// The way to all media threads of a process.
#[derive(Clone)]
pub(crate) struct Taps(Vec<Sender<Letter>>);

impl Taps {
    pub(crate) fn new(threads: Vec<Sender<Letter>>) -> Taps {
        Taps(threads)
    }

    /// Listens to a tap. Dropping what is returned ends it here; the engine is told by [`media::Command::Untap`].
    pub(crate) fn listen(&self, lease: LeaseId, tap: u64) -> Heard {
        let (ear, heard) = mpsc::channel(WAITING);
        if let Some(thread) = self.0.get(usize::from(lease.thread)) {
            // Refused, the ear is dropped, and the listener hears that there is nothing.
            let _ = thread.send(Letter::Ear { lease, tap, ear });
        }
        heard
    }

    /// Listens to a tap and speaks by it.
    pub(crate) fn talk(&self, lease: LeaseId, tap: u64) -> Talk {
        let heard = self.listen(lease, tap);
        let (notes, noted) = mpsc::channel(NOTES);
        let thread = self.0.get(usize::from(lease.thread)).cloned();
        if let Some(thread) = &thread {
            let _ = thread.send(Letter::Mouth { lease, tap, notes });
        }
        Talk { heard, noted, thread, lease, tap }
    }
}

/// One media thread's.
#[derive(Default)]
pub(super) struct Ears(BTreeMap<(LeaseId, u64), Ear>, BTreeMap<(LeaseId, u64), Notes>);

impl Ears {
    pub(super) fn add(&mut self, lease: LeaseId, tap: u64, ear: Ear) {
        self.0.insert((lease, tap), ear);
    }

    pub(super) fn hear(&mut self, lease: LeaseId, tap: u64, frame: Frame) {
        if let Some(ear) = self.0.get(&(lease, tap))
            && let Err(mpsc::error::TrySendError::Closed(_)) = ear.try_send(frame)
        {
            self.remove(lease, tap);
        }
    }

    pub(super) fn answer(&mut self, lease: LeaseId, tap: u64, notes: Notes) {
        self.1.insert((lease, tap), notes);
    }

    /// For who speaks by this tap; `None`: by any of the lease.
    pub(super) fn note(&mut self, lease: LeaseId, tap: Option<u64>, noted: Noted) {
        let (from, to) = tap.map_or((0, u64::MAX), |tap| (tap, tap));
        for (_, notes) in self.1.range((lease, from)..=(lease, to)) {
            // One that is too slow, or gone, loses it.
            let _ = notes.try_send(noted);
        }
    }

    pub(super) fn remove(&mut self, lease: LeaseId, tap: u64) {
        self.0.remove(&(lease, tap));
        self.1.remove(&(lease, tap));
    }

    pub(super) fn closed(&mut self, lease: LeaseId) {
        self.0.retain(|(of, _), _| *of != lease);
        self.1.retain(|(of, _), _| *of != lease);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_that_sleeps_loses_frames_and_one_that_is_gone_is_forgotten() {
        let (lease, mut ears) = (LeaseId { thread: 0, slot: 1, generation: 1 }, Ears::default());
        let (ear, mut heard) = mpsc::channel(WAITING);
        ears.add(lease, 5, ear);
        let frame = |number| Frame { number, samples: [0; Frame::SAMPLES].as_slice().into() };
        (0..150).for_each(|number| ears.hear(lease, 5, frame(number)));
        let numbers: Vec<u64> = std::iter::from_fn(|| heard.try_recv().ok()).map(|frame| frame.number).collect();
        assert_eq!(numbers, (0..100).collect::<Vec<u64>>());
        ears.hear(lease, 5, frame(150));
        assert_eq!(heard.try_recv().map(|frame| frame.number), Ok(150), "the number says what was lost");
        drop(heard);
        ears.hear(lease, 5, frame(151));
        assert!(ears.0.is_empty());
    }
}
