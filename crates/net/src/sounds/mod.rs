//! What is made for callers to hear: words that an engine speaks, and recordings of web servers. One thread for all nodes of
//! the process, with helpers where something takes long; media threads are given what was made before whoever asked is told
//! of it. What was made lately is kept, for the next caller who is told the same.

mod cache;
mod program;
mod service;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::{Clip, audio};
use roles::Speak;
use site::SpeechEngine;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use self::cache::{Cache, Key, Looked};
use crate::credentials::Held;
use crate::mailbox::Sender;
use crate::media_threads::Letter;
use crate::speech_server;
use crate::web;

/// What may be asked for and not yet be made; one more is refused.
const WAITING: usize = 1024;
/// Within this all programs are gone when the process stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// Threads that programs are waited for in, and audio is decoded.
const HELPERS: usize = 68;

/// Told by which name it can be played, or why it cannot; the words of that are for the log, and have nothing of what was
/// to be said.
pub(crate) type Answer = Box<dyn FnOnce(Result<String, String>) + Send>;

pub(crate) struct Errand {
    pub(crate) what: What,
    pub(crate) answer: Answer,
}

pub(crate) enum What {
    Words {
        /// Who asks; what it shows to services, and whom it believes about them.
        node: String,
        held: Option<Arc<Held>>,
        speak: Box<Speak>,
    },
    /// A recording that is here, by its address.
    Recording { url: String, bytes: Arc<[u8]> },
}

/// The thread.
pub(crate) struct Sounds {
    errands: mpsc::Sender<Errand>,
    thread: JoinHandle<()>,
}

impl Sounds {
    /// What is made goes to these media threads; services are reached by `web`.
    pub(crate) fn start(media: Vec<Sender<Letter>>, web: mpsc::Sender<web::Errand>) -> std::io::Result<Sounds> {
        let (errands, inbox) = mpsc::channel(WAITING);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(HELPERS).build()?;
        let thread = std::thread::Builder::new().name("sounds".into()).spawn(move || {
            let stopping = Arc::new(AtomicBool::new(false));
            runtime.block_on(serve(inbox, media, web, stopping.clone()));
            // Nobody listens any more: programs are killed by those who wait for them, and none is left over.
            stopping.store(true, Ordering::Relaxed);
            runtime.shutdown_timeout(FAREWELL);
        })?;
        Ok(Sounds { errands, thread })
    }

    pub(crate) fn errands(&self) -> mpsc::Sender<Errand> {
        self.errands.clone()
    }

    /// Once all senders are gone.
    pub(crate) fn stop(self) {
        let Sounds { errands, thread } = self;
        drop(errands);
        let _ = thread.join();
    }
}

/// What all errands share.
struct Shop {
    media: Vec<Sender<Letter>>,
    web: mpsc::Sender<web::Errand>,
    cache: Mutex<Cache>,
    /// How many speak at a time, and their turns: as the site says, which may change.
    turns: Mutex<(u32, Arc<Semaphore>)>,
    /// Programs are not wanted any more.
    stopping: Arc<AtomicBool>,
}

async fn serve(
    mut inbox: mpsc::Receiver<Errand>,
    media: Vec<Sender<Letter>>,
    web: mpsc::Sender<web::Errand>,
    stopping: Arc<AtomicBool>,
) {
    let turns = Mutex::new((0, Arc::new(Semaphore::new(0))));
    let shop = Arc::new(Shop { media, web, cache: Mutex::default(), turns, stopping });
    while let Some(Errand { what, answer }) = inbox.recv().await {
        let shop = shop.clone();
        match what {
            What::Words { node, held, speak } => {
                let key = Key::Words(speak.clone());
                if shop.looked(&key, answer) {
                    tokio::spawn(async move {
                        // Whatever becomes of it, those who wait are told.
                        let speaking = shop.clone();
                        let made = tokio::spawn(async move { speaking.spoken(node, held, *speak).await }).await;
                        shop.made(&key, made.unwrap_or_else(|error| Err(error.to_string())));
                    });
                }
            }
            What::Recording { url, bytes } => {
                let key = Key::Recording(trust::fingerprint(&bytes));
                if shop.looked(&key, answer) {
                    tokio::spawn(async move {
                        let decoded = tokio::task::spawn_blocking(move || recording(&url, &bytes)).await;
                        shop.made(&key, decoded.unwrap_or_else(|error| Err(error.to_string())));
                    });
                }
            }
        }
    }
}

fn recording(url: &str, bytes: &[u8]) -> Result<Clip, String> {
    let name = url.split(['?', '#']).next().unwrap_or_default();
    let samples = audio::read(name, bytes).inspect_err(|why| tracing::warn!(page = name, why, "no recording"))?;
    if samples.is_empty() { Err("there is nothing in it".into()) } else { Ok(Clip::new(&samples)) }
}

impl Shop {
    /// Whether it is to be made now: it is not here, and nobody makes it.
    fn looked(&self, key: &Key, answer: Answer) -> bool {
        let looked = self.cache.lock().unwrap_or_else(PoisonError::into_inner).look(key, answer);
        match looked {
            Looked::Here(name, answer) => {
                answer(Ok(name));
                false
            }
            Looked::Coming => false,
            Looked::Wanted => true,
        }
    }

    /// Media threads have it before anybody is told.
    fn made(&self, key: &Key, made: Result<Clip, String>) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (waiting, told) = match made {
            Err(why) => (cache.failed(key), Err(why)),
            Ok(clip) => {
                let (name, waiting, gone) = cache.made(key, clip.octets());
                for media in &self.media {
                    media.insist(Letter::Clip { name: name.clone(), clip: Some(clip.clone()) });
                    for name in &gone {
                        media.insist(Letter::Clip { name: name.clone(), clip: None });
                    }
                }
                (waiting, Ok(name.as_ref().to_owned()))
            }
        };
        drop(cache);
        for answer in waiting {
            answer(told.clone());
        }
    }

    async fn spoken(&self, node: String, held: Option<Arc<Held>>, speak: Speak) -> Result<Clip, String> {
        let patience = Duration::from_secs(speak.engine.timeout_s.into());
        let until = Instant::now() + patience;
        let silent = speak.volume == 0;
        let late = |_| format!("no audio within {} s", patience.as_secs());
        let samples = match speak.engine.engine {
            // Its audio comes as fast as it is heard, so only its beginning has a time, and its pauses.
            SpeechEngine::Mrcp => {
                let turn = tokio::time::timeout(patience, self.turn(&speak)).await;
                match turn.map_err(late) {
                    Ok(_turn) => called(held, &node, &speak, patience, until).await,
                    Err(why) => Err(why),
                }
            }
            SpeechEngine::Http | SpeechEngine::EspeakNg => {
                let spoken = tokio::time::timeout(patience, self.spoken_at_once(node, held, speak, until)).await;
                spoken.map_err(late).flatten()
            }
        };
        let clip = match samples {
            Ok(samples) => {
                let decoded = tokio::task::spawn_blocking(move || {
                    let is_silence = samples.iter().all(|sample| sample.unsigned_abs() < FAINT);
                    if is_silence && !silent { Err("it said nothing".into()) } else { Ok(Clip::new(&samples)) }
                });
                decoded.await.map_err(|error| error.to_string()).flatten()
            }
            Err(why) => Err(why),
        };
        // What was to be said is the caller's affair and not the log's.
        clip.inspect_err(|why| tracing::warn!(why, "a speech engine did not speak"))
    }

    /// By an engine that gives all of it in one go. Waiting for a turn is part of it: a caller does not care what takes so
    /// long.
    async fn spoken_at_once(
        &self,
        node: String,
        held: Option<Arc<Held>>,
        speak: Speak,
        until: Instant,
    ) -> Result<Vec<i16>, String> {
        let turn = self.turn(&speak).await;
        let bytes: Arc<[u8]> = match speak.engine.engine {
            SpeechEngine::EspeakNg => {
                // The turn ends when the program has, not when nobody waits for it any more.
                let stopping = self.stopping.clone();
                let run = tokio::task::spawn_blocking(move || (program::speak(&speak, until, &stopping), turn).0);
                run.await.map_err(|error| error.to_string())??.into()
            }
            SpeechEngine::Http | SpeechEngine::Mrcp => {
                service::speak(&self.web, node, held.map(|held| held.pages.clone()), speak).await?
            }
        };
        let decoded = tokio::task::spawn_blocking(move || {
            audio::read("", &bytes).map_err(|why| format!("what it gave is no audio: {why}"))
        });
        decoded.await.map_err(|error| error.to_string())?
    }

    async fn turn(&self, speak: &Speak) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        self.turns(speak.engine.at_once).acquire_owned().await.ok()
    }

    fn turns(&self, at_once: u32) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.0 != at_once {
            *turns = (at_once, Arc::new(Semaphore::new(at_once as usize)));
        }
        turns.1.clone()
    }
}

/// By a speech server.
async fn called(
    held: Option<Arc<Held>>,
    node: &str,
    speak: &Speak,
    patience: Duration,
    until: Instant,
) -> Result<Vec<i16>, String> {
    let (server, authority) = (speak.engine.server.as_deref(), speak.engine.authority.as_deref());
    let address = speech_server::Address { server, authority, node, held, patience };
    speech_server::speak(&address, service::ssml(speak), &speak.language, until.into()).await
}

/// What is fainter is silence.
const FAINT: u16 = 16;
