//! Media threads without nodes: what a measurement needs of them.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use media::{Command, Event, Frame, Lease, LeaseId, Prompts};

use super::{Counts, Letter, MediaThreads, Owner};
use crate::clock::Clock;
use crate::mailbox::Refused;

const OWNER: Owner = 1;
const PATIENCE: Duration = Duration::from_secs(10);

/// Media threads with one owner, on one address.
pub struct MediaAlone {
    threads: MediaThreads,
    local: IpAddr,
    events: mpsc::Receiver<Event>,
}

impl MediaAlone {
    /// `seed` is for measurements: streams that begin alike are not for use.
    pub fn start(threads: u16, local: IpAddr, ports: (u16, u16), seed: [u8; 32]) -> io::Result<MediaAlone> {
        let threads = MediaThreads::start(threads, Clock::start(), Arc::new(Prompts::built_in()), || seed)?;
        let (tell, events) = mpsc::channel();
        for sender in threads.senders() {
            let tell = tell.clone();
            let deliver: super::Deliver =
                Arc::new(move |event| tell.send(event).map_err(|error| Refused::Gone(error.0)));
            sender.insist(Letter::Join { owner: OWNER, deliver, range: ports });
        }
        Ok(MediaAlone { threads, local, events })
    }

    /// So many leases of one thread, or fewer when its ports run out.
    pub fn lend(&self, thread: u16, count: u16) -> Vec<Lease> {
        self.tell(thread, Command::Lend { local: self.local, count });
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(Event::Leased(leases)) => return leases,
                Ok(_) => {}
                Err(_) => return Vec::new(),
            }
        }
    }

    /// For a lease of that thread.
    pub fn tell(&self, thread: u16, command: Command) {
        if let Some(sender) = self.threads.senders().get(usize::from(thread)) {
            sender.insist(Letter::Command { owner: OWNER, command });
        }
    }

    /// What is heard by a [`Command::Tap`], from any thread.
    pub fn listen(&self, lease: LeaseId, tap: u64) -> tokio::sync::mpsc::Receiver<Frame> {
        self.threads.taps().listen(lease, tap)
    }

    /// The next that a thread tells; none within this time.
    pub fn event(&self, patience: Duration) -> Option<Event> {
        self.events.recv_timeout(patience).ok()
    }

    pub fn counts(&self) -> Counts {
        self.threads.counts()
    }

    pub fn stop(self) {
        self.threads.stop();
    }
}
