//! What a node must not wait for: signatures (an RSA one takes a millisecond), the store, page servers, who speaks, who
//! recognises, and bots. Six threads serve all nodes of the process; their queues are bounded, and a node hears at once when one is full.

use std::net::SocketAddr;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use call::statement::Subject;
use roles::{Ask, AskId, Journal, Told};
use tokio::sync::mpsc::error::TrySendError as TrySend;

use crate::credentials::Credentials;
use crate::keep::Keeper;
use crate::key_sets::KeysWanted;
use crate::mailbox::Sender;
use crate::media_threads::{self, Taps};
use crate::node::Letter;
use crate::recognition::{self, News, Recognition};
use crate::sounds::{self, Sounds};
use crate::streams::{self, Streams};
use crate::web::{Archive, Errand as Outside, Wanted, Web};

mod waiting;

use waiting::Waiting;

/// Questions that may wait for one thread.
const WAITING: usize = 4096;

/// What comes in within this time is signed in one go and kept by one write to the disk: a write for each thing would
/// cost as much as the call that it is about (docs/performance.md). An answer that promises durability waits as long.
const GATHER: Duration = Duration::from_millis(20);
/// So many of these while nobody waits for an answer: a quarter of a second of records that were promised to nobody is
/// what a machine may lose that loses its power.
const UNHURRIED: usize = 12;
/// The most of them.
const TOGETHER: usize = 1024;
/// How often a store that is full or gone is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a node hands over.
pub(crate) enum Job {
    Ask {
        id: AskId,
        ask: Ask,
    },
    /// A statement that the signer has signed, on its way to the store.
    Stated {
        id: AskId,
        stated: Box<Stated>,
    },
    Journal(Box<Journal>),
    /// Answered once all that came before it is kept.
    Settle(SyncSender<()>),
}

impl Job {
    /// Whether somebody waits for it.
    fn is_pressing(&self) -> bool {
        match self {
            Job::Ask { ask: Ask::Persist(what), .. } => what.is_pressing(),
            Job::Ask { .. } | Job::Settle(_) => true,
            Job::Stated { .. } | Job::Journal(_) => false,
        }
    }
}

/// A node's way to the threads.
#[derive(Clone)]
pub(crate) struct Asks {
    node: Arc<Asker>,
    signer: SyncSender<Errand>,
    keeper: SyncSender<Errand>,
    web: tokio::sync::mpsc::Sender<Outside>,
    sounds: tokio::sync::mpsc::Sender<sounds::Errand>,
    recognition: tokio::sync::mpsc::Sender<recognition::Errand>,
    streams: tokio::sync::mpsc::Sender<streams::Errand>,
    archive: Option<Arc<Archive>>,
    keys: Option<KeysWanted>,
}

struct Asker {
    name: String,
    /// `None`: this node has none and cannot sign.
    credentials: Option<Arc<Credentials>>,
    /// `None` once who asked is gone and another may have its mailbox, to whom these answers mean nothing.
    letters: Mutex<Option<Sender<Letter>>>,
}

type Errand = (Arc<Asker>, Job);

/// The six threads.
pub(crate) struct AskThreads {
    signer: SyncSender<Errand>,
    keeper: SyncSender<Errand>,
    threads: [JoinHandle<()>; 2],
    web: Web,
    sounds: Sounds,
    recognition: Recognition,
    streams: Streams,
    archive: Option<Arc<Archive>>,
    keys: Option<KeysWanted>,
}

impl AskThreads {
    /// `name_servers` of the site; none: the machine's. What is spoken goes to these media threads, and callers are heard by
    /// them.
    pub(crate) fn start(
        keeper: impl Keeper,
        name_servers: Vec<SocketAddr>,
        media: Vec<Sender<media_threads::Letter>>,
    ) -> std::io::Result<AskThreads> {
        let (signer, to_sign) = mpsc::sync_channel::<Errand>(WAITING);
        let (keeping, to_keep) = mpsc::sync_channel::<Errand>(WAITING);
        let signed = keeping.clone();
        let signing = std::thread::Builder::new().name("signer".into()).spawn(move || {
            while let Some(batch) = gather(&to_sign, false) {
                for (asker, job) in batch {
                    if let Some(errand) = sign(asker, job) {
                        // Waits where the store is behind; an error means that its thread is gone, and the process with it.
                        let _ = signed.send(errand);
                    }
                }
            }
        })?;
        let store = std::thread::Builder::new().name("store".into()).spawn(move || {
            let mut waiting = Waiting::new(keeper);
            while let Some(batch) = gather(&to_keep, !waiting.is_empty()) {
                waiting.keep(batch);
            }
            waiting.give_up();
        })?;
        let web = Web::start(name_servers)?;
        let recognition = Recognition::start(Taps::new(media.clone()), web.errands())?;
        let streams = Streams::start(Taps::new(media.clone()))?;
        let sounds = Sounds::start(media, web.errands())?;
        let threads = [signing, store];
        Ok(AskThreads {
            signer,
            keeper: keeping,
            threads,
            web,
            sounds,
            recognition,
            streams,
            archive: None,
            keys: None,
        })
    }

    /// What pages that nodes ask for from now on may be sent of their calls' recordings.
    pub(crate) fn send_from(&mut self, archive: Archive) {
        self.archive = Some(Arc::new(archive));
    }

    /// Who is told, by nodes from now on, that a token came by a key that is not known.
    pub(crate) fn want_keys_of(&mut self, keys: KeysWanted) {
        self.keys = Some(keys);
    }

    /// A node's way to them.
    pub(crate) fn asks(&self, name: String, credentials: Option<Arc<Credentials>>, letters: Sender<Letter>) -> Asks {
        let node = Arc::new(Asker { name, credentials, letters: Mutex::new(Some(letters)) });
        Asks {
            node,
            signer: self.signer.clone(),
            keeper: self.keeper.clone(),
            web: self.web.errands(),
            sounds: self.sounds.errands(),
            recognition: self.recognition.errands(),
            streams: self.streams.errands(),
            archive: self.archive.clone(),
            keys: self.keys.clone(),
        }
    }

    /// Once all [`Asks`] are gone: serves what waits, then ends.
    pub(crate) fn stop(self) {
        let AskThreads { signer, keeper, threads, web, sounds, recognition, streams, archive: _, keys: _ } = self;
        drop((signer, keeper));
        for thread in threads {
            let _ = thread.join();
        }
        streams.stop();
        recognition.stop();
        sounds.stop();
        web.stop();
    }
}

impl Asks {
    /// Whoever asked is about to end: nothing is answered any more.
    pub(crate) fn retire(&self) {
        self.node.letters.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// A token of this issuer came by a key that is not known: its keys are fetched.
    pub(crate) fn want_keys(&self, issuer: String) {
        if let Some(keys) = &self.keys {
            keys.by(&self.node.name, issuer);
        }
    }

    /// Waits until all that was asked to be kept is.
    pub(crate) fn settle(&self) {
        let (settled, waiting) = mpsc::sync_channel(1);
        // By the signer, behind whose statements it comes to the store.
        if self.signer.send((self.node.clone(), Job::Settle(settled))).is_ok() {
            // An error means that the store's thread is gone: nothing more will be kept.
            let _ = waiting.recv();
        }
    }

    /// Never blocks; gives the job back when too many wait.
    #[allow(clippy::result_large_err)] // what is refused goes back whole, to be answered
    pub(crate) fn ask(&self, job: Job) -> Result<(), Job> {
        let queue = match &job {
            Job::Ask { ask: Ask::Fetch(_) | Ask::Sound(_) | Ask::Resolve(_), .. } => return self.outside(job),
            Job::Ask { ask: Ask::Speak(_), .. } => return self.spoken(job),
            Job::Ask { ask: Ask::Recognise(_), .. } => return self.recognised(job),
            Job::Ask { ask: Ask::Stream(_), .. } => return self.streamed(job),
            Job::Ask { ask: Ask::Sign { .. } | Ask::State { .. }, .. } | Job::Settle(_) => &self.signer,
            Job::Ask { ask: Ask::Persist(_), .. } | Job::Stated { .. } | Job::Journal(_) => &self.keeper,
        };
        queue.try_send((self.node.clone(), job)).map_err(|error| match error {
            mpsc::TrySendError::Full((_, job)) | mpsc::TrySendError::Disconnected((_, job)) => job,
        })
    }

    #[allow(clippy::result_large_err)]
    fn spoken(&self, job: Job) -> Result<(), Job> {
        let Ok(room) = self.sounds.try_reserve() else { return Err(job) };
        let Job::Ask { id, ask: Ask::Speak(speak) } = job else { return Err(job) };
        let held = self.node.credentials.as_ref().map(|credentials| credentials.now());
        let what = sounds::What::Words { node: self.node.name.clone(), held, speak };
        room.send(sounds::Errand { what, answer: told_sound(self.node.clone(), id) });
        Ok(())
    }

    #[allow(clippy::result_large_err)]
    fn recognised(&self, job: Job) -> Result<(), Job> {
        let Ok(room) = self.recognition.try_reserve() else { return Err(job) };
        let Job::Ask { id, ask: Ask::Recognise(recognise) } = job else { return Err(job) };
        let held = self.node.credentials.as_ref().map(|credentials| credentials.now());
        let asker = self.node.clone();
        let tell = Box::new(move |news| {
            let told = match news {
                News::Speech(on) => Told::Speech(on),
                News::Heard(utterances) => Told::Heard(utterances),
                News::Failed(why) => Told::Failed(why),
            };
            answer(&asker, id, told);
        });
        room.send(recognition::Errand { node: self.node.name.clone(), held, recognise: *recognise, tell });
        Ok(())
    }

    #[allow(clippy::result_large_err)]
    fn streamed(&self, job: Job) -> Result<(), Job> {
        let Ok(room) = self.streams.try_reserve() else { return Err(job) };
        let Job::Ask { id, ask: Ask::Stream(stream) } = job else { return Err(job) };
        let trust = self.node.credentials.as_ref().map(|credentials| credentials.now().pages.clone());
        let asker = self.node.clone();
        let tell = Box::new(move |outcome| answer(&asker, id, Told::Streamed(outcome)));
        room.send(streams::Errand { trust, stream: *stream, answer: tell });
        Ok(())
    }

    #[allow(clippy::result_large_err)]
    fn outside(&self, job: Job) -> Result<(), Job> {
        let Ok(room) = self.web.try_reserve() else { return Err(job) };
        let asker = self.node.clone();
        let trust = self.node.credentials.as_ref().map(|credentials| credentials.now().pages.clone());
        match (job, trust) {
            (Job::Ask { id, ask: Ask::Fetch(fetch) }, Some(trust)) => {
                let tell = move |outcome| answer(&asker, id, Told::Fetched(outcome));
                let (node, archive) = (self.node.name.clone(), self.archive.clone());
                let wanted = Wanted { node, trust, archive, fetch, form: None, answer: Box::new(tell) };
                room.send(Outside::Page(wanted));
            }
            (Job::Ask { id, ask: Ask::Sound(fetch) }, Some(trust)) => {
                let sounds = self.sounds.clone();
                let tell = move |outcome: Result<vxml::Page, vxml::NotFetched>| match outcome {
                    Ok(vxml::Page { url, bytes }) => {
                        let what = sounds::What::Recording { url, bytes };
                        let tell = told_sound(asker, id);
                        if let Err(refused) = sounds.try_send(sounds::Errand { what, answer: tell }) {
                            let errand = match refused {
                                TrySend::Full(errand) | TrySend::Closed(errand) => errand,
                            };
                            (errand.answer)(Err("too many recordings wait to be made ready".into()));
                        }
                    }
                    Err(why) => answer(&asker, id, Told::Failed(format!("{why:?}"))),
                };
                let node = self.node.name.clone();
                let wanted = Wanted { node, trust, archive: None, fetch, form: None, answer: Box::new(tell) };
                room.send(Outside::Page(wanted));
            }
            (Job::Ask { id, ask: Ask::Resolve(question) }, _) => {
                let tell =
                    move |outcome: Result<_, _>| answer(&asker, id, outcome.map_or_else(Told::Failed, Told::Resolved));
                room.send(Outside::Name { question, answer: Box::new(tell) });
            }
            (job, _) => return Err(job),
        }
        Ok(())
    }
}

/// Tells whoever asked by which name it can be played.
fn told_sound(asker: Arc<Asker>, id: AskId) -> sounds::Answer {
    Box::new(move |outcome| answer(&asker, id, outcome.map_or_else(Told::Failed, Told::Sound)))
}

/// What waits, once something does; `None` when nobody is left to ask. While this sleeps, who asks wakes nobody. With
/// something to be tried again it does not wait for more than a while, and is nothing then.
fn gather(queue: &mpsc::Receiver<Errand>, again: bool) -> Option<Vec<Errand>> {
    let first = match again {
        false => queue.recv().ok()?,
        true => match queue.recv_timeout(AGAIN) {
            Ok(first) => first,
            Err(RecvTimeoutError::Timeout) => return Some(Vec::new()),
            Err(RecvTimeoutError::Disconnected) => return None,
        },
    };
    let mut pressing = first.1.is_pressing();
    let mut batch = vec![first];
    for _ in 0..UNHURRIED {
        std::thread::sleep(GATHER);
        while batch.len() < TOGETHER {
            match queue.try_recv() {
                Ok(errand) => {
                    pressing |= errand.1.is_pressing();
                    batch.push(errand);
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Some(batch),
            }
        }
        if pressing || batch.len() >= TOGETHER {
            break;
        }
    }
    Some(batch)
}

fn answer(asker: &Asker, id: AskId, told: Told) {
    let letters = asker.letters.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(letters) = letters.as_ref() {
        // A swamped node is waited for: these threads may.
        letters.insist(Letter::Told(id, told));
    }
}

/// What a node says of one call, and who signed it.
pub(crate) struct Stated {
    pub(crate) of: Subject,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) chain_der: Vec<Vec<u8>>,
}

/// Answers the node, or gives what goes on to the store.
fn sign(asker: Arc<Asker>, job: Job) -> Option<Errand> {
    let (id, payload, of) = match job {
        Job::Ask { id, ask: Ask::Sign { payload } } => (id, payload, None),
        Job::Ask { id, ask: Ask::State { of, payload } } => (id, payload, Some(of)),
        other => return Some((asker, other)),
    };
    let told = match (signature(&asker, &payload), of) {
        (Ok((signature, chain_der)), Some(of)) => {
            let stated = Box::new(Stated { of, payload, signature, chain_der });
            return Some((asker, Job::Stated { id, stated }));
        }
        (Ok((signature, chain_der)), None) => Told::Signed { signature, chain_der },
        (Err(why), _) => Told::Failed(why),
    };
    answer(&asker, id, told);
    None
}

/// The node's signature and its certificates, leaf first.
fn signature(asker: &Asker, payload: &[u8]) -> Result<(Vec<u8>, Vec<Vec<u8>>), String> {
    let credentials = asker.credentials.as_ref().ok_or("this node has no identity to sign with")?;
    // The one of this moment: a certificate that was renewed while the call was up signs its statement.
    let identity = &credentials.now().settings.identity;
    let signature = identity.sign(payload).map_err(|error| error.to_string())?;
    Ok((signature, identity.chain_der()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use call::session_id::Uuid;
    use roles::Persist;

    use super::*;
    use crate::keep::{Kept, NotKept};
    use crate::mailbox::mailbox;

    /// Keeps what it gets; the first batch waits until the test says so.
    struct Slow {
        gate: mpsc::Receiver<()>,
        batches: Arc<Mutex<Vec<usize>>>,
        fails: bool,
    }

    impl Keeper for Slow {
        fn keep(&mut self, batch: &[Kept<'_>]) -> Result<(), NotKept> {
            let _ = self.gate.recv();
            self.batches.lock().unwrap().push(batch.len());
            if self.fails { Err(NotKept { why: "the disk is full".into(), may_pass: true }) } else { Ok(()) }
        }
    }

    fn run(fails: bool) -> (Vec<Told>, Vec<usize>) {
        let (open, gate) = mpsc::channel();
        let batches = Arc::new(Mutex::new(Vec::new()));
        let threads =
            AskThreads::start(Slow { gate, batches: batches.clone(), fails }, Vec::new(), Vec::new()).unwrap();
        let (letters, inbox) = mailbox(100).unwrap();
        let asks = threads.asks("n".into(), None, letters);
        for n in 0..20 {
            let ask = Ask::Persist(Persist::forget(n));
            assert!(asks.ask(Job::Ask { id: AskId(n), ask }).is_ok());
            let decision = Journal::Decision { caller: Uuid("0".into()), words: "words".into() };
            assert!(asks.ask(Job::Journal(Box::new(decision))).is_ok());
        }
        drop(asks);
        drop(open); // every recv returns at once from now on
        threads.stop();
        let mut told = Vec::new();
        while let Some(Letter::Told(id, answer)) = inbox.take() {
            assert_eq!(id, AskId(told.len() as u64), "in order");
            told.push(answer);
        }
        let batches = batches.lock().unwrap().clone();
        (told, batches)
    }

    #[test]
    fn what_waits_is_kept_together_and_each_asker_is_told() {
        let (told, batches) = run(false);
        assert_eq!(told, vec![Told::Persisted; 20]);
        assert_eq!(batches.iter().sum::<usize>(), 40);
        assert!(batches.len() < 10, "{batches:?}");
    }

    #[test]
    fn a_disk_that_is_full_to_the_end_is_told_to_each_asker() {
        let (told, _) = run(true);
        assert_eq!(told, vec![Told::Failed("the disk is full".into()); 20]);
    }

    #[test]
    fn who_has_no_identity_is_told_so() {
        let threads = AskThreads::start(crate::keep::Nothing, Vec::new(), Vec::new()).unwrap();
        let (letters, inbox) = mailbox(10).unwrap();
        let asks = threads.asks("n".into(), None, letters);
        assert!(asks.ask(Job::Ask { id: AskId(1), ask: Ask::Sign { payload: vec![1] } }).is_ok());
        drop(asks);
        threads.stop();
        assert!(matches!(inbox.take(), Some(Letter::Told(AskId(1), Told::Failed(_)))));
    }
}
