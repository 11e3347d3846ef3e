//! Writes recordings away from the media thread: a disk may take longer than a packet. Those of nodes are sealed, a piece
//! at a time; those of laboratory phones are WAVs in clear, written when they are finished.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::SystemTime;

use media::sealed::Label;
use media::{Event, Keep, KeptEnd, LeaseId};
use store::{Recording, Recordings};

use super::Deliver;
use crate::clock::millis;

/// Things that may wait for the disk; a piece of a recording is at most 16 KiB.
const WAITING: usize = 1024;

enum Job {
    /// Both files of a laboratory phone.
    Plain {
        deliver: Deliver,
        lease: LeaseId,
        files: [File; 2],
    },
    KeepIn(Arc<Recordings>),
    Begin {
        deliver: Deliver,
        lease: LeaseId,
        label: Label,
    },
    Chunk {
        id: u64,
        codes: Vec<u8>,
        last: bool,
    },
    /// `whole`: no piece of it was lost on the way here.
    Kept {
        event: Event,
        whole: bool,
    },
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
    /// Sealed recordings that lost a piece because the disk was late.
    broken: Vec<u64>,
}

impl Scribe {
    pub(crate) fn start() -> std::io::Result<Scribe> {
        let (jobs, inbox) = mpsc::sync_channel::<Job>(WAITING);
        let thread = std::thread::Builder::new().name("media-scribe".into()).spawn(move || {
            let mut desk = Desk::default();
            while let Ok(job) = inbox.recv() {
                desk.take(job);
            }
        })?;
        Ok(Scribe { jobs, thread, open: BTreeMap::new(), broken: Vec::new() })
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
        if self.jobs.try_send(Job::Plain { deliver: deliver.clone(), lease, files }).is_err() {
            tracing::error!(?lease, "a recording was lost: {WAITING} others wait for the disk");
        }
    }

    pub(crate) fn keep_in(&mut self, recordings: Arc<Recordings>) {
        // Said once, before the first stream: the queue is empty.
        let _ = self.jobs.try_send(Job::KeepIn(recordings));
    }

    pub(crate) fn begin(&mut self, deliver: &Deliver, lease: LeaseId, keep: &Keep) {
        let label = Label {
            id: keep.id,
            begun_ms: millis(SystemTime::now()),
            tracks: if keep.both { 2 } else { 1 },
            node: keep.node.clone(),
            caller: keep.caller.clone(),
        };
        if let Err(mpsc::TrySendError::Full(_)) =
            self.jobs.try_send(Job::Begin { deliver: deliver.clone(), lease, label })
        {
            self.too_late(keep.id);
            let kept = Event::Kept { lease, id: keep.id, end: KeptEnd::Failed, duration_ms: 0 };
            let _ = deliver(kept);
        }
    }

    pub(crate) fn chunk(&mut self, id: u64, codes: Vec<u8>, last: bool) {
        if !self.broken.contains(&id) && self.jobs.try_send(Job::Chunk { id, codes, last }).is_err() {
            self.too_late(id);
        }
    }

    /// Told on once what came before is written.
    pub(crate) fn kept(&mut self, deliver: &Deliver, event: Event) {
        let Event::Kept { lease, id, duration_ms, .. } = event else { return };
        let broken = self.broken.iter().position(|broken| *broken == id);
        if let Some(at) = broken {
            self.broken.swap_remove(at);
        }
        // A media thread never waits for a disk.
        if let Err(mpsc::TrySendError::Full(_)) = self.jobs.try_send(Job::Kept { event, whole: broken.is_none() }) {
            let _ = deliver(Event::Kept { lease, id, end: KeptEnd::Failed, duration_ms });
        }
    }

    fn too_late(&mut self, id: u64) {
        self.broken.push(id);
        tracing::error!("a recording was cut: {WAITING} pieces of others wait for the disk");
    }

    /// Writes what is left.
    pub(crate) fn stop(self) {
        drop(self.jobs);
        let _ = self.thread.join();
    }
}

/// The thread's own: recordings that are being written.
#[derive(Default)]
struct Desk {
    recordings: Option<Arc<Recordings>>,
    open: BTreeMap<u64, Sheet>,
}

struct Sheet {
    deliver: Deliver,
    /// `None`: it could not be begun, or broke.
    recording: Option<Recording>,
}

impl Desk {
    fn take(&mut self, job: Job) {
        match job {
            Job::Plain { deliver, lease, files } => write(&deliver, lease, files),
            Job::KeepIn(recordings) => self.recordings = Some(recordings),
            Job::Begin { deliver, lease, label } => self.begin(deliver, lease, &label),
            Job::Chunk { id, codes, last } => self.append(id, &codes, last),
            Job::Kept { event, whole } => self.kept(event, whole),
        }
    }

    fn begin(&mut self, deliver: Deliver, lease: LeaseId, label: &Label) {
        let begun = match &self.recordings {
            Some(recordings) => recordings.begin(label).map_err(|error| error.to_string()),
            None => Err("this process has no data directory to keep it in".to_owned()),
        };
        let recording = begun.inspect_err(|why| tracing::error!(why, "a recording could not be begun")).ok();
        if recording.is_none() {
            let _ = deliver(Event::Kept { lease, id: label.id, end: KeptEnd::Failed, duration_ms: 0 });
            return;
        }
        self.open.insert(label.id, Sheet { deliver, recording });
    }

    fn append(&mut self, id: u64, codes: &[u8], last: bool) {
        let Some(sheet) = self.open.get_mut(&id) else { return };
        let Some(Err(error)) = sheet.recording.as_mut().map(|recording| recording.append(codes, last)) else { return };
        tracing::error!(%error, "a recording could not be written on");
        sheet.recording = None;
    }

    fn kept(&mut self, event: Event, whole: bool) {
        let Event::Kept { lease, id, end, duration_ms } = event else { return };
        let Some(Sheet { deliver, recording }) = self.open.remove(&id) else { return };
        let end = if whole && recording.is_some() { end } else { KeptEnd::Failed };
        if let (KeptEnd::Nothing, Some(recordings)) = (end, &self.recordings)
            && let Err(error) = recordings.remove(id)
        {
            tracing::warn!(%error, "a recording without a word could not be removed");
        }
        // A node that is gone or swamped finds the recording in the store.
        let _ = deliver(Event::Kept { lease, id, end, duration_ms });
    }
}

/// What people said is nobody else's on this host: 0600 for a new file.
fn write_private(path: &str, wav: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(wav)
}

fn write(deliver: &Deliver, lease: LeaseId, files: [File; 2]) {
    for (path, wav) in &files {
        if let Err(error) = write_private(path, wav) {
            tracing::error!(path, %error, "a recording could not be written");
            return;
        }
    }
    let [(heard, _), (said, _)] = files;
    // A node that is gone or swamped will not miss the news: the files are there.
    let _ = deliver(Event::Recorded { lease, heard, said });
}
