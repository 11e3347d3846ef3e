//! Writes finished recordings away from the media thread: a disk may take longer than a packet.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::mpsc;
use std::thread::JoinHandle;

use media::{Event, LeaseId};

use super::Deliver;

/// Recordings that may wait for the disk.
const WAITING: usize = 64;

struct Job {
    deliver: Deliver,
    lease: LeaseId,
    /// What was heard, what was said.
    files: [File; 2],
}

/// A recording under way: where what was heard is to go, and the file that came first.
struct Open {
    heard: String,
    first: Option<File>,
}

/// Path and WAV.
type File = (String, Vec<u8>);

/// One a media thread.
pub(crate) struct Scribe {
    jobs: mpsc::SyncSender<Job>,
    thread: JoinHandle<()>,
    open: BTreeMap<LeaseId, Open>,
}

impl Scribe {
    pub(crate) fn start() -> std::io::Result<Scribe> {
        let (jobs, inbox) = mpsc::sync_channel::<Job>(WAITING);
        let thread = std::thread::Builder::new().name("media-scribe".into()).spawn(move || {
            while let Ok(job) = inbox.recv() {
                write(job);
            }
        })?;
        Ok(Scribe { jobs, thread, open: BTreeMap::new() })
    }

    pub(crate) fn expect(&mut self, lease: LeaseId, heard: String) {
        self.open.insert(lease, Open { heard, first: None });
    }

    /// Takes one finished file; with the second of a stream both go to the disk.
    pub(crate) fn take(&mut self, deliver: &Deliver, lease: LeaseId, path: String, wav: Vec<u8>) {
        let Some(Open { heard, first }) = self.open.get_mut(&lease) else {
            return;
        };
        let Some(other) = first.take() else {
            *first = Some((path, wav));
            return;
        };
        let files = if path == *heard { [(path, wav), other] } else { [other, (path, wav)] };
        self.open.remove(&lease);
        if self.jobs.try_send(Job { deliver: deliver.clone(), lease, files }).is_err() {
            tracing::error!(?lease, "a recording was lost: {WAITING} others wait for the disk");
        }
    }

    /// Writes what is left.
    pub(crate) fn stop(self) {
        drop(self.jobs);
        let _ = self.thread.join();
    }
}

/// What people said is nobody else's on this host: 0600 for a new file.
fn write_private(path: &str, wav: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(wav)
}

fn write(job: Job) {
    for (path, wav) in &job.files {
        if let Err(error) = write_private(path, wav) {
            tracing::error!(path, %error, "a recording could not be written");
            return;
        }
    }
    let [(heard, _), (said, _)] = job.files;
    // A node that is gone or swamped will not miss the news: the files are there.
    let _ = (job.deliver)(Event::Recorded { lease: job.lease, heard, said });
}
