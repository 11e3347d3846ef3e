//! What a node must not wait for: signatures (an RSA one takes a millisecond) and the store. Two threads serve all nodes of
//! the process; their queues are bounded, and a node hears at once when one is full.

use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use roles::{Ask, AskId, Journal, Persist, Told};
use trust::Identity;

use crate::mailbox::{Refused, Sender};
use crate::node::Letter;

/// Questions that may wait for one thread.
const WAITING: usize = 4096;

/// What a node hands over.
pub(crate) enum Job {
    Ask { id: AskId, ask: Ask },
    Journal(Box<Journal>),
}

/// Who makes things last: the store, and in tests something smaller.
pub(crate) trait Keeper: Send + 'static {
    /// Durable when it returns.
    fn persist(&mut self, node: &str, what: &Persist) -> Result<(), String>;
    /// Finished legs, refusals, decisions.
    fn journal(&mut self, node: &str, line: &Journal) -> Result<(), String>;
}

/// A node's way to the threads.
#[derive(Clone)]
pub(crate) struct Asks {
    node: Arc<Asker>,
    signer: SyncSender<Errand>,
    keeper: SyncSender<Errand>,
}

struct Asker {
    name: String,
    /// `None`: this node has none and cannot sign.
    identity: Option<Identity>,
    letters: Sender<Letter>,
}

type Errand = (Arc<Asker>, Job);

/// The two threads.
pub(crate) struct AskThreads {
    signer: SyncSender<Errand>,
    keeper: SyncSender<Errand>,
    threads: [JoinHandle<()>; 2],
}

impl AskThreads {
    pub(crate) fn start(keeper: impl Keeper) -> std::io::Result<AskThreads> {
        let (signer, to_sign) = mpsc::sync_channel::<Errand>(WAITING);
        let (keep, to_keep) = mpsc::sync_channel::<Errand>(WAITING);
        let mut keeper = keeper;
        let signing = std::thread::Builder::new()
            .name("signer".into())
            .spawn(move || {
                while let Ok((asker, job)) = to_sign.recv() {
                    serve(&asker, job, |ask| sign(&asker, ask));
                }
            })?;
        let keeping = std::thread::Builder::new().name("store".into()).spawn(move || {
            while let Ok((asker, job)) = to_keep.recv() {
                match job {
                    Job::Journal(line) => {
                        if let Err(error) = keeper.journal(&asker.name, &line) {
                            tracing::error!(node = %asker.name, error, "a journal line was not kept");
                        }
                    }
                    job @ Job::Ask { .. } => serve(&asker, job, |ask| persist(&mut keeper, &asker, ask)),
                }
            }
        })?;
        Ok(AskThreads {
            signer,
            keeper: keep,
            threads: [signing, keeping],
        })
    }

    /// A node's way to them.
    pub(crate) fn asks(
        &self,
        name: String,
        identity: Option<Identity>,
        letters: Sender<Letter>,
    ) -> Asks {
        let node = Arc::new(Asker {
            name,
            identity,
            letters,
        });
        Asks {
            node,
            signer: self.signer.clone(),
            keeper: self.keeper.clone(),
        }
    }

    /// Once all [`Asks`] are gone: serves what waits, then ends.
    pub(crate) fn stop(self) {
        let AskThreads {
            signer,
            keeper,
            threads,
        } = self;
        drop((signer, keeper));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Asks {
    /// Never blocks; gives the job back when too many wait.
    pub(crate) fn ask(&self, job: Job) -> Result<(), Job> {
        let queue = match &job {
            Job::Ask {
                ask: Ask::Sign { .. },
                ..
            } => &self.signer,
            Job::Ask {
                ask: Ask::Persist(_),
                ..
            }
            | Job::Journal(_) => &self.keeper,
        };
        queue
            .try_send((self.node.clone(), job))
            .map_err(|error| match error {
                mpsc::TrySendError::Full((_, job)) | mpsc::TrySendError::Disconnected((_, job)) => {
                    job
                }
            })
    }
}

fn serve(asker: &Asker, job: Job, answer: impl FnOnce(Ask) -> Told) {
    let Job::Ask { id, ask } = job else { return };
    let mut letter = Letter::Told(id, answer(ask));
    // The node is swamped; this thread may wait for it. One that is gone needs no answer.
    while let Err(Refused::Full(back)) = asker.letters.send(letter) {
        letter = back;
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn sign(asker: &Asker, ask: Ask) -> Told {
    match (ask, &asker.identity) {
        (Ask::Sign { payload }, Some(identity)) => match identity.sign(&payload) {
            Ok(signature) => Told::Signed {
                signature,
                chain_der: identity.chain_der(),
            },
            Err(error) => Told::Failed(error.to_string()),
        },
        (Ask::Sign { .. }, None) => Told::Failed("this node has no identity to sign with".into()),
        (Ask::Persist(_), _) => Told::Failed("the signer keeps nothing".into()),
    }
}

fn persist(keeper: &mut impl Keeper, asker: &Asker, ask: Ask) -> Told {
    match ask {
        Ask::Persist(what) => match keeper.persist(&asker.name, &what) {
            Ok(()) => Told::Persisted,
            Err(error) => Told::Failed(error),
        },
        Ask::Sign { .. } => Told::Failed("the store signs nothing".into()),
    }
}
