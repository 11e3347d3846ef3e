//! Media threads (ADR 0002): each owns bound port pairs and one [`media::Engine`], blocks while nothing happens, and under
//! load sleeps to the next millisecond after every turn, so that it wakes a thousand times a second and finds a batch.

mod alone;
mod ports;
mod scribe;
mod taps;
#[cfg(test)]
mod tests;
mod thread;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

pub use alone::MediaAlone;
use media::{Command, LeaseId};
pub(crate) use ports::RANGE;
pub(crate) use taps::{Heard, Noted, Talk, Taps};

use crate::clock::Clock;
use crate::mailbox::{Refused, Sender, mailbox};

/// Letters that a media thread's mailbox holds.
const LETTERS: usize = 8192;

/// Who owns a lease: a node's number in this process.
pub(crate) type Owner = u32;

/// Where a node takes media events; the letter comes back when its mailbox is full.
pub(crate) type Deliver = Arc<dyn Fn(media::Event) -> Result<(), Refused<media::Event>> + Send + Sync>;

/// What a media thread is told.
pub(crate) enum Letter {
    /// A node that will own leases: where its events go, and which ports are its own.
    Join {
        owner: Owner,
        deliver: Deliver,
        range: ports::Range,
    },
    /// It ended, and its streams end.
    Leave {
        owner: Owner,
    },
    Command {
        owner: Owner,
        command: Command,
    },
    /// Where recordings are kept; without it none is.
    Recordings(Arc<store::Recordings>),
    /// What can be played from now on; what is being played goes on.
    Prompts(Arc<media::Prompts>),
    /// One more, for a while; `None`: it is gone.
    Clip {
        name: Arc<str>,
        clip: Option<media::Clip>,
    },
    /// Who hears a [`Command::Tap`] of this lease.
    Ear {
        lease: LeaseId,
        tap: u64,
        ear: taps::Ear,
    },
    /// Who speaks in return, and is told of keys and marks.
    Mouth {
        lease: LeaseId,
        tap: u64,
        notes: taps::Notes,
    },
    /// As [`Command::Say`] has it.
    Say {
        lease: LeaseId,
        tap: u64,
        said: media::Spoken,
    },
    Count {
        answer: std::sync::mpsc::Sender<Counts>,
    },
    Stop,
}

/// What passed one thread's sockets since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    pub pairs: u64,
    pub received: u64,
    pub sent: u64,
    /// Datagrams that the system would not send.
    pub send_failures: u64,
    /// Datagrams that the kernel dropped because the thread was late.
    pub kernel_drops: u64,
    pub panics: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.pairs += other.pairs;
        self.received += other.received;
        self.sent += other.sent;
        self.send_failures += other.send_failures;
        self.kernel_drops += other.kernel_drops;
        self.panics += other.panics;
    }
}

/// What a thread shows in DTLS handshakes: a certificate of its own, for as long as the process lives, so that two calls of
/// another day are not one party's by it (RFC 8827 §6.5).
fn identity(clock: Clock) -> Result<media::dtls::Identity, String> {
    let words = |error: rcgen::Error| format!("no certificate for DTLS-SRTP can be made: {error}");
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(words)?;
    let certificate =
        rcgen::CertificateParams::new(Vec::new()).and_then(|params| params.self_signed(&key)).map_err(words)?;
    media::dtls::Identity::new(certificate.der().to_vec(), key.serialize_der(), clock.origin())
}

/// All media threads of a process.
pub(crate) struct MediaThreads {
    senders: Vec<Sender<Letter>>,
    threads: Vec<JoinHandle<()>>,
}

impl MediaThreads {
    /// Starts `count` threads (at least one); `seed` gives each thread's engine its own generator.
    pub(crate) fn start(
        count: u16,
        clock: Clock,
        prompts: Arc<media::Prompts>,
        mut seed: impl FnMut() -> [u8; 32],
    ) -> io::Result<MediaThreads> {
        let count = count.max(1);
        let (mut senders, mut threads) = (Vec::new(), Vec::new());
        for number in 0..count {
            let (sender, letters) = mailbox(LETTERS)?;
            let mut engine = media::Engine::new(number, seed(), prompts.clone());
            engine.show(identity(clock).map_err(io::Error::other)?);
            let thread = thread::Thread::new(engine, ports::Ports::new(number, count), letters, clock)?;
            threads.push(
                std::thread::Builder::new()
                    .name(format!("{}{number}", crate::panics::MEDIA))
                    .spawn(move || thread.run())?,
            );
            senders.push(sender);
        }
        Ok(MediaThreads { senders, threads })
    }

    /// What nodes send their commands through.
    pub(crate) fn senders(&self) -> Vec<Sender<Letter>> {
        self.senders.clone()
    }

    /// What listeners outside hear callers by.
    pub(crate) fn taps(&self) -> Taps {
        Taps::new(self.senders())
    }

    /// Where recordings are kept from now on.
    pub(crate) fn keep_in(&self, recordings: &Arc<store::Recordings>) {
        for sender in &self.senders {
            sender.insist(Letter::Recordings(recordings.clone()));
        }
    }

    /// What can be played from now on: before any command that is sent after this.
    pub(crate) fn prompts(&self, prompts: &media::Prompts) {
        let prompts = Arc::new(prompts.clone());
        for sender in &self.senders {
            sender.insist(Letter::Prompts(prompts.clone()));
        }
    }

    /// Sum over the threads; a thread that does not answer within a second is left out.
    pub(crate) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for sender in &self.senders {
            let (answer, counts) = std::sync::mpsc::channel();
            if sender.send(Letter::Count { answer }).is_ok() {
                sum += counts.recv_timeout(std::time::Duration::from_secs(1)).unwrap_or_default();
            }
        }
        sum
    }

    /// Ends the threads and waits for them; streams still open are closed first, so that recordings are written.
    pub(crate) fn stop(self) {
        for sender in &self.senders {
            sender.insist(Letter::Stop);
        }
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}
