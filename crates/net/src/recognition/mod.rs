//! What callers say, recognised: one thread for all nodes of the process listens to their taps, finds where somebody speaks,
//! and has an engine hear it. Nothing of a caller leaves the process before somebody speaks, and nothing of it is kept. Whoever
//! asked is told once how it ended, whatever engines do.

mod called;
mod program;
mod service;
mod socket;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::{Endpointer, Turn};
use roles::Recognise;
use site::RecognitionEngine;
use tokio::sync::{Semaphore, mpsc};
use vxml::{Hearing, Utterance};

use crate::credentials::Held;
use crate::media_threads::{Heard, Taps};
use crate::web::{self, Trust};

/// Callers who may be listened to and not yet be; one more is refused.
const WAITING: usize = 1024;
/// Within this all programs are gone when the process stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// Threads that programs are waited for in.
const HELPERS: usize = 260;
/// Silence that ends what is said, whatever an application wants.
const SILENCE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// What whoever asked is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    Speech(bool),
    Heard(Vec<Utterance>),
    /// In words for the log, with nothing of what was said.
    Failed(String),
}

pub(crate) type Tell = Box<dyn Fn(News) + Send + Sync>;

pub(crate) struct Errand {
    /// Who asks; what it shows to services, and whom it believes about them.
    pub(crate) node: String,
    pub(crate) held: Option<Arc<Held>>,
    pub(crate) recognise: Recognise,
    pub(crate) tell: Tell,
}

/// The thread.
pub(crate) struct Recognition {
    errands: mpsc::Sender<Errand>,
    thread: JoinHandle<()>,
}

impl Recognition {
    /// Services are reached by `web`.
    pub(crate) fn start(taps: Taps, web: mpsc::Sender<web::Errand>) -> std::io::Result<Recognition> {
        let (errands, inbox) = mpsc::channel(WAITING);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(HELPERS).build()?;
        let thread = std::thread::Builder::new().name("recognition".into()).spawn(move || {
            let stopping = Arc::new(AtomicBool::new(false));
            runtime.block_on(serve(inbox, taps, web, stopping.clone()));
            stopping.store(true, Ordering::Relaxed);
            runtime.shutdown_timeout(FAREWELL);
        })?;
        Ok(Recognition { errands, thread })
    }

    pub(crate) fn errands(&self) -> mpsc::Sender<Errand> {
        self.errands.clone()
    }

    /// Once all senders are gone.
    pub(crate) fn stop(self) {
        let Recognition { errands, thread } = self;
        drop(errands);
        let _ = thread.join();
    }
}

/// What all errands share.
struct Shop {
    taps: Taps,
    web: mpsc::Sender<web::Errand>,
    /// How many are recognised at a time, and their turns: as the site says, which may change.
    turns: Mutex<(u32, Arc<Semaphore>)>,
    stopping: Arc<AtomicBool>,
}

async fn serve(
    mut inbox: mpsc::Receiver<Errand>,
    taps: Taps,
    web: mpsc::Sender<web::Errand>,
    stopping: Arc<AtomicBool>,
) {
    let shop = Arc::new(Shop { taps, web, turns: Mutex::new((0, Arc::new(Semaphore::new(0)))), stopping });
    while let Some(errand) = inbox.recv().await {
        let shop = shop.clone();
        tokio::spawn(async move {
            let Errand { node, held, recognise, tell } = errand;
            let told = shop.listen(node, held, recognise, &tell).await;
            tell(told.map_or_else(News::Failed, News::Heard));
        });
    }
}

/// One caller's words, on their way.
struct Said {
    node: String,
    trust: Option<Arc<Trust>>,
    engine: Arc<site::Recognition>,
    hearing: Hearing,
    /// 8 kHz, 16 bit.
    samples: Vec<i16>,
}

impl Said {
    /// As engines take it: the low octet first.
    fn octets(&self) -> Vec<u8> {
        self.samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }
}

/// Nobody waits for what is recognised once this is dropped.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Shop {
    async fn listen(
        &self,
        node: String,
        held: Option<Arc<Held>>,
        recognise: Recognise,
        tell: &Tell,
    ) -> Result<Vec<Utterance>, String> {
        let Recognise { lease, tap, engine, hearing } = recognise;
        let mut heard = self.taps.listen(lease, tap);
        let silence = hearing.complete.max(hearing.incomplete).clamp(SILENCE.0, SILENCE.1);
        let mut ear = Endpointer::new(hearing.sensitivity, silence);
        loop {
            let Some(frame) = heard.recv().await else { return Err(NOBODY.into()) };
            match ear.take(&frame) {
                Turn::Nothing => {}
                Turn::Began => {
                    tell(News::Speech(true));
                    let (heard, ear, hearing) = (&mut heard, &mut ear, &hearing);
                    match engine.engine {
                        RecognitionEngine::Websocket => {
                            let held = held.as_deref().ok_or("this node has no identity")?;
                            let (trust, engine) = (&*held.pages, &*engine);
                            let speaker = socket::Speaker { trust, engine, hearing, heard, ear, tell };
                            return self.streamed(engine.at_once, hearing.most, speaker.recognise()).await;
                        }
                        RecognitionEngine::Mrcp => {
                            let (node, held, engine) = (node.as_str(), held.clone(), &*engine);
                            let speaker = called::Speaker { node, held, engine, hearing, heard, ear, tell };
                            return self.streamed(engine.at_once, hearing.most, speaker.recognise()).await;
                        }
                        RecognitionEngine::Http | RecognitionEngine::Pocketsphinx => {}
                    }
                }
                Turn::Ended => break,
            }
        }
        tell(News::Speech(false));
        let trust = held.map(|held| held.pages.clone());
        let said = Said { node, trust, engine, hearing, samples: ear.drain() };
        let most = usize::from(said.hearing.most);
        tokio::select! {
            recognised = self.recognise(said) => {
                let mut recognised = recognised.inspect_err(|why| warn(why))?;
                recognised.truncate(most);
                Ok(recognised)
            }
            () = gone(&mut heard) => Err(NOBODY.into()),
        }
    }

    /// By an engine that hears what is said as it is said.
    async fn streamed(
        &self,
        at_once: u32,
        most: u8,
        recognising: impl Future<Output = Result<Vec<Utterance>, String>>,
    ) -> Result<Vec<Utterance>, String> {
        let Ok(_turn) = self.turns(at_once).try_acquire_owned() else {
            return Err(format!("{at_once} callers are recognised already")).inspect_err(|why| warn(why));
        };
        let mut recognised = recognising.await.inspect_err(|why| warn(why))?;
        recognised.truncate(most.into());
        Ok(recognised)
    }

    async fn recognise(&self, said: Said) -> Result<Vec<Utterance>, String> {
        let patience = Duration::from_secs(said.engine.timeout_s.into());
        let until = Instant::now() + patience;
        let recognised = tokio::time::timeout(patience, async {
            let turns = self.turns(said.engine.at_once);
            // It is never closed.
            let turn = turns.acquire_owned().await;
            match said.engine.engine {
                RecognitionEngine::Http => service::recognise(&self.web, said).await,
                // What is said goes to it as it is said: [`Shop::streamed`].
                RecognitionEngine::Websocket | RecognitionEngine::Mrcp => Err("it is given no whole words".to_owned()),
                RecognitionEngine::Pocketsphinx => {
                    let (unwanted, stopping) = (Arc::new(AtomicBool::new(false)), self.stopping.clone());
                    let wanted = Wanted(unwanted.clone());
                    // The turn ends when the program has, not when nobody waits for it any more.
                    let run = tokio::task::spawn_blocking(move || {
                        let stop = || stopping.load(Ordering::Relaxed) || unwanted.load(Ordering::Relaxed);
                        (program::recognise(&said, until, &stop), turn).0
                    });
                    let told = run.await.map_err(|error| error.to_string())?;
                    drop(wanted);
                    told
                }
            }
        });
        recognised.await.unwrap_or_else(|_| Err(format!("no words within {} s", patience.as_secs())))
    }

    fn turns(&self, at_once: u32) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.0 != at_once {
            *turns = (at_once, Arc::new(Semaphore::new(at_once as usize)));
        }
        turns.1.clone()
    }
}

/// What was said is the caller's affair and not the log's; nor is it a fault that a caller hangs up.
fn warn(why: &str) {
    if why != NOBODY {
        tracing::warn!(why, "a recogniser failed");
    }
}

const NOBODY: &str = "nobody is listened to any more";

/// The caller hung up, or has answered otherwise.
async fn gone(heard: &mut Heard) {
    while heard.recv().await.is_some() {}
}
