//! Callers who talk with bots: one thread for all nodes of the process takes what is tapped of them to a WebSocket, and what
//! comes back to the media thread. That thread never waits for it: a bot that does not read loses what is said, and one that
//! says too much is told so (docs/vxml.md, "Voice bots").

mod bot;
mod queue;
mod script;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use vxml::StreamEnd;

use crate::media_threads::Taps;
use crate::web::Trust;

/// Streams of the process at a time; one more is refused.
const AT_ONCE: usize = 1024;
/// Within this all have ended when the process stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// Where there is no room for another.
const NO_ROOM: &str = "error.noresource";

/// Who asked is told once how it ended, or the event for the application.
type Answer = Box<dyn FnOnce(Result<StreamEnd, String>) + Send>;

pub(crate) struct Errand {
    /// Whom the node believes about servers.
    pub(crate) trust: Option<Arc<Trust>>,
    pub(crate) stream: roles::Stream,
    pub(crate) answer: Answer,
}

/// The thread.
pub(crate) struct Streams {
    errands: mpsc::Sender<Errand>,
    thread: JoinHandle<()>,
}

impl Streams {
    pub(crate) fn start(taps: Taps) -> std::io::Result<Streams> {
        let (errands, inbox) = mpsc::channel(AT_ONCE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("streams".into()).spawn(move || {
            runtime.block_on(serve(inbox, taps));
            runtime.shutdown_timeout(FAREWELL);
        })?;
        Ok(Streams { errands, thread })
    }

    pub(crate) fn errands(&self) -> mpsc::Sender<Errand> {
        self.errands.clone()
    }

    /// Once all senders are gone.
    pub(crate) fn stop(self) {
        let Streams { errands, thread } = self;
        drop(errands);
        let _ = thread.join();
    }
}

async fn serve(mut inbox: mpsc::Receiver<Errand>, taps: Taps) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(Errand { trust, stream, answer }) = inbox.recv().await {
        let (Some(trust), Ok(turn)) = (trust, turns.clone().try_acquire_owned()) else {
            tracing::warn!(at_once = AT_ONCE, "a caller cannot be streamed: too many are, or the node has no identity");
            answer(Err(NO_ROOM.into()));
            continue;
        };
        let talk = taps.talk(stream.lease, stream.tap);
        tokio::spawn(async move {
            answer(bot::converse(&trust, &stream, talk).await);
            drop(turn);
        });
    }
}
