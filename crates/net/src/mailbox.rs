//! A bounded mailbox that wakes a poll: how threads of this crate speak to one another.
//!
//! The bell is rung once for a batch, not once a letter: a sender that finds the bell already rung makes no system call
//! (ADR 0001: wake-ups were two thirds of the cost of the shape not chosen).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, TrySendError};
use std::time::Duration;

/// Makes a mailbox that holds at most `capacity` letters.
pub(crate) fn mailbox<T>(capacity: usize) -> std::io::Result<(Sender<T>, Receiver<T>)> {
    use rustix::event::{EventfdFlags, eventfd};
    let (letters, inbox) = mpsc::sync_channel(capacity);
    let fd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    let bell = Arc::new(Bell { fd, rung: AtomicBool::new(false) });
    Ok((Sender { letters, bell: bell.clone() }, Receiver { inbox, bell }))
}

/// The sending end; clone it for each sender.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    letters: mpsc::SyncSender<T>,
    bell: Arc<Bell>,
}

/// The letter that did not go in, and why.
#[derive(Debug)]
pub(crate) enum Refused<T> {
    /// The mailbox is full: its owner is overloaded.
    Full(T),
    /// The owner is gone.
    Gone(T),
}

impl<T> Refused<T> {
    pub(crate) fn map<U>(self, work: impl FnOnce(T) -> U) -> Refused<U> {
        match self {
            Refused::Full(letter) => Refused::Full(work(letter)),
            Refused::Gone(letter) => Refused::Gone(work(letter)),
        }
    }
}

impl<T> Sender<T> {
    /// Never blocks.
    pub(crate) fn send(&self, letter: T) -> Result<(), Refused<T>> {
        match self.letters.try_send(letter) {
            Ok(()) => {
                self.bell.ring();
                Ok(())
            }
            Err(TrySendError::Full(letter)) => {
                // Whoever filled it may not have rung yet.
                self.bell.ring();
                Err(Refused::Full(letter))
            }
            Err(TrySendError::Disconnected(letter)) => Err(Refused::Gone(letter)),
        }
    }
}

impl<T> Sender<T> {
    /// Waits for room; for threads that may wait. An owner that is gone needs no letter.
    pub(crate) fn insist(&self, mut letter: T) {
        while let Err(Refused::Full(back)) = self.send(letter) {
            letter = back;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender { letters: self.letters.clone(), bell: self.bell.clone() }
    }
}

/// The owner's end.
#[derive(Debug)]
pub(crate) struct Receiver<T> {
    inbox: mpsc::Receiver<T>,
    bell: Arc<Bell>,
}

impl<T> Receiver<T> {
    /// Register it for reading with the owner's poll.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.fd.as_fd()
    }

    /// Silences the bell. Call it before taking letters: one that comes in between rings again.
    pub(crate) fn hush(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.bell.fd, &mut count); // EAGAIN: nobody rang
        self.bell.rung.store(false, Ordering::SeqCst);
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.inbox.try_recv().ok()
    }
}

#[derive(Debug)]
struct Bell {
    fd: OwnedFd,
    rung: AtomicBool,
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            let _ = rustix::io::write(&self.fd, &1u64.to_ne_bytes()); // EAGAIN: the counter is full, so it is ringing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ring_for_a_batch_and_a_full_box_refuses() {
        let (sender, receiver) = mailbox(2).unwrap();
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        assert!(matches!(sender.send(3), Err(Refused::Full(3))));
        let mut count = [0; 8];
        rustix::io::read(receiver.bell(), &mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 1);
        receiver.hush();
        assert_eq!((receiver.take(), receiver.take(), receiver.take()), (Some(1), Some(2), None));
        sender.send(4).unwrap();
        rustix::io::read(receiver.bell(), &mut count).unwrap();
        drop(receiver);
        assert!(matches!(sender.send(5), Err(Refused::Gone(5))));
    }
}
