//! What nodes want of the world outside: pages of web servers for VoiceXML applications, and names of the DNS. One thread
//! for all nodes of the process. A node asks and goes on; a page that is late, large or redirected for ever costs nobody
//! but the caller who wants it.

mod cache;
mod client;
mod form;
#[cfg(test)]
pub(crate) mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use roles::{Fetch, Resolved};
use sip::locate::Question;
use tokio::sync::{Semaphore, mpsc};
use vxml::{NotFetched, Page};

use self::client::Client;
pub(crate) use self::client::Trust;
pub(crate) use self::form::{Archive, Form};
use crate::dns::Resolver;

/// Pages that may be asked for and not yet be there; one more is refused.
const WAITING: usize = 4096;
/// Of these, under way at a time.
const UNDER_WAY: usize = 256;
/// Nobody waits longer, whatever `fetchtimeout` says.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who asked, told once.
type Answer<T> = Box<dyn FnOnce(T) + Send>;

pub(crate) enum Errand {
    Page(Wanted),
    Name { question: Question, answer: Answer<Result<Resolved, String>> },
}

/// A page.
pub(crate) struct Wanted {
    /// Who asks.
    pub(crate) node: String,
    pub(crate) trust: Arc<Trust>,
    /// Recordings that may be sent.
    pub(crate) archive: Option<Arc<Archive>>,
    pub(crate) fetch: Fetch,
    /// Sent instead of the request's own body.
    pub(crate) form: Option<Form>,
    pub(crate) answer: Answer<Result<Page, NotFetched>>,
}

/// The thread.
pub(crate) struct Web {
    errands: mpsc::Sender<Errand>,
    thread: JoinHandle<()>,
}

impl Web {
    /// `name_servers` are asked about names; none: the machine's.
    pub(crate) fn start(name_servers: Vec<SocketAddr>) -> std::io::Result<Web> {
        let (errands, inbox) = mpsc::channel(WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("web".into()).spawn(move || {
            runtime.block_on(serve(inbox, &name_servers));
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

async fn serve(mut inbox: mpsc::Receiver<Errand>, name_servers: &[SocketAddr]) {
    let (client, room) = (Arc::new(Client::default()), Arc::new(Semaphore::new(UNDER_WAY)));
    // Most processes ask the DNS nothing.
    let mut resolver: Option<Arc<Resolver>> = None;
    while let Some(errand) = inbox.recv().await {
        match errand {
            Errand::Page(wanted) => {
                let (client, room) = (client.clone(), room.clone());
                tokio::spawn(async move { fetch(&client, &room, wanted).await });
            }
            Errand::Name { question, answer } => {
                let resolver = resolver.get_or_insert_with(|| Arc::new(Resolver::new(name_servers))).clone();
                tokio::spawn(async move { answer(resolver.ask(&question).await) });
            }
        }
    }
}

async fn fetch(client: &Client, room: &Semaphore, wanted: Wanted) {
    let Wanted { node, trust, archive, fetch, form, answer } = wanted;
    let patience = fetch.request.timeout.min(PATIENCE);
    let page = async {
        // It is never closed.
        let _turn = room.acquire().await;
        client.page(&trust, &node, archive.as_ref(), &fetch, form).await
    };
    let outcome = tokio::time::timeout(patience, page)
        .await
        .unwrap_or_else(|_| Err(NotFetched::Unreachable(format!("no answer within {} ms", patience.as_millis()))));
    if let Err(why) = &outcome {
        // Where to, not what for: a query may hold what a caller said.
        let page = fetch.request.url.split('?').next().unwrap_or_default();
        tracing::warn!(page, ?why, "a page of an application was not fetched");
    }
    answer(outcome);
}
