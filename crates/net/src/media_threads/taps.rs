//! Who listens to callers outside the media threads. A role says [`media::Command::Tap`] with a random number, and asks for
//! whatever listens with the same lease and number; that has [`Taps::listen`] give it the frames, in whichever order the
//! two arrive. A listener that is slow loses frames, and nobody waits for it.

use std::collections::BTreeMap;

use media::{Frame, LeaseId};
use tokio::sync::mpsc;

use super::Letter;
use crate::mailbox::Sender;

/// Frames that wait for a listener: two seconds. What comes then is lost to it.
const WAITING: usize = 100;

/// The media thread's end.
pub(crate) type Ear = mpsc::Sender<Frame>;
/// The listener's end: nothing more comes once the tap or its stream has ended, or never was.
pub(crate) type Heard = mpsc::Receiver<Frame>;

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
}

/// One media thread's.
#[derive(Default)]
pub(super) struct Ears(BTreeMap<(LeaseId, u64), Ear>);

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

    pub(super) fn remove(&mut self, lease: LeaseId, tap: u64) {
        self.0.remove(&(lease, tap));
    }

    pub(super) fn closed(&mut self, lease: LeaseId) {
        self.0.retain(|(of, _), _| *of != lease);
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
