//! Pages of web servers for VoiceXML applications: one thread for all nodes of the process. A node asks and goes on; a page
//! that is late, large or redirected for ever costs nobody but the caller who wants it.

mod cache;
mod client;
mod form;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use roles::Fetch;
use tokio::sync::{Semaphore, mpsc};
use vxml::{NotFetched, Page};

use self::client::Client;
pub(crate) use self::client::Trust;
pub(crate) use self::form::Archive;

/// Pages that may be asked for and not yet be there; one more is refused.
const WAITING: usize = 4096;
/// Of these, under way at a time.
const UNDER_WAY: usize = 256;
/// Nobody waits longer, whatever `fetchtimeout` says.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who asked, told once.
type Answer = Box<dyn FnOnce(Result<Page, NotFetched>) + Send>;

pub(crate) struct Errand {
    /// Who asks.
    pub(crate) node: String,
    pub(crate) trust: Arc<Trust>,
    /// Recordings that may be sent.
    pub(crate) archive: Option<Arc<Archive>>,
    pub(crate) fetch: Fetch,
    pub(crate) answer: Answer,
}

/// The thread.
pub(crate) struct Web {
    errands: mpsc::Sender<Errand>,
    thread: JoinHandle<()>,
}

impl Web {
    pub(crate) fn start() -> std::io::Result<Web> {
        let (errands, inbox) = mpsc::channel(WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("web".into()).spawn(move || {
            runtime.block_on(serve(inbox));
            // A name that is still looked up is not waited for.
            runtime.shutdown_background();
        })?;
        Ok(Web { errands, thread })
    }

    pub(crate) fn errands(&self) -> mpsc::Sender<Errand> {
        self.errands.clone()
    }

    /// Once all senders are gone: what is under way is given up.
    pub(crate) fn stop(self) {
        let Web { errands, thread } = self;
        drop(errands);
        let _ = thread.join();
    }
}

async fn serve(mut inbox: mpsc::Receiver<Errand>) {
    let (client, room) = (Arc::new(Client::default()), Arc::new(Semaphore::new(UNDER_WAY)));
    while let Some(Errand { node, trust, archive, fetch, answer }) = inbox.recv().await {
        let (client, room) = (client.clone(), room.clone());
        tokio::spawn(async move {
            let patience = fetch.request.timeout.min(PATIENCE);
            let page = async {
                // It is never closed.
                let _turn = room.acquire().await;
                client.page(&trust, &node, archive.as_ref(), &fetch).await
            };
            let outcome = tokio::time::timeout(patience, page).await.unwrap_or_else(|_| {
                Err(NotFetched::Unreachable(format!("no answer within {} ms", patience.as_millis())))
            });
            if let Err(why) = &outcome {
                // Where to, not what for: a query may hold what a caller said.
                let page = fetch.request.url.split('?').next().unwrap_or_default();
                tracing::warn!(page, ?why, "a page of an application was not fetched");
            }
            answer(outcome);
        });
    }
}
