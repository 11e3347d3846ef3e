//! From the node's journal to those who listen: one thread that hears, a ring that keeps, a task a listener.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use net::NodeHandle;
use roles::{Control, Journal, Reply};
use store::accounts::Account;
use tokio::sync::{mpsc, watch};

use super::Keeper;
use super::presence::Here;
use crate::board::Board;
use crate::centre::{Book, Centre};
use crate::notification::Notification;
use crate::ring::{Next, Ring, event, lost};

/// Everything is looked at anew this often, and queues' statistics are told if they have changed.
const LOOK: Duration = Duration::from_secs(10);
/// A listener to whom there is nothing to say hears a comment this often: so that a connection that died is noticed.
const PULSE: Duration = Duration::from_secs(10);
/// A listener who has not read what was sent is let go after this long; it may come back and miss nothing.
const STUCK: Duration = Duration::from_secs(60);
/// Pieces that wait for a listener.
const WAITING: usize = 2;

/// Clones are the same one.
#[derive(Clone)]
pub(super) struct Feed {
    kept: Arc<Mutex<Kept>>,
    /// Number of the next notification.
    next: watch::Receiver<u64>,
    told: Arc<watch::Sender<u64>>,
    /// Of this process: numbers of another mean nothing.
    pub(super) run: u64,
}

struct Kept {
    board: Board,
    ring: Ring,
}

impl Feed {
    /// Listens to the node until it stops.
    pub(super) async fn start(node: &NodeHandle, book: Arc<Book>) -> anyhow::Result<Feed> {
        // First the journal, then a look: whatever happens between them is in both.
        let journal = node.watch_desks();
        let now = super::look(node, book, true, true).await.map_err(|problem| anyhow::anyhow!(problem.message))?;
        let run = super::now_ms();
        let (told, next) = watch::channel(0);
        let kept = Arc::new(Mutex::new(Kept { board: Board::new(now), ring: Ring::new(run) }));
        let feed = Feed { kept, next, told: Arc::new(told), run };
        let (hears, node) = (feed.clone(), node.clone());
        std::thread::Builder::new().name(format!("{} desk", node.name())).spawn(move || hears.hear(&node, &journal))?;
        Ok(feed)
    }

    fn hear(&self, node: &NodeHandle, journal: &Receiver<Journal>) {
        let mut look = Instant::now() + LOOK;
        loop {
            match journal.recv_timeout(look.saturating_duration_since(Instant::now())) {
                Ok(Journal::Desk(event)) => self.tell(|board| board.hear(*event)),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if Instant::now() >= look {
                look = Instant::now() + LOOK;
                self.look(node);
            }
        }
    }

    fn look(&self, node: &NodeHandle) {
        let (agents, dialogs, queues) = (
            node.control_blocking(Control::Agents),
            node.control_blocking(Control::Dialogs),
            node.control_blocking(Control::Queues),
        );
        match (agents, dialogs, queues) {
            (Reply::Agents(agents), Reply::Dialogs(dialogs), Reply::Queues(queues)) => self.tell(|board| {
                let now = Centre::new(board.book(), agents, dialogs, queues, super::now_ms());
                board.look(now)
            }),
            _ => tracing::debug!(node = node.name(), "desk: the node does not answer; looked again in 10 s"),
        }
    }

    fn tell(&self, news: impl FnOnce(&mut Board) -> Vec<Notification>) {
        let mut kept = self.kept();
        for notification in news(&mut kept.board) {
            kept.ring.push(notification);
        }
        let next = kept.ring.next();
        drop(kept);
        self.told.send_if_modified(|told| std::mem::replace(told, next) != next);
    }

    /// Number of the event that comes next.
    pub(super) fn now(&self) -> u64 {
        self.kept().ring.next()
    }

    /// Changes whenever there are more events: to the number of the next.
    pub(super) fn told(&self) -> watch::Receiver<u64> {
        self.next.clone()
    }

    /// Those of these nodes from this number on.
    pub(super) fn since(&self, at: u64, nodes: &BTreeSet<String>) -> Next {
        self.kept().ring.since(at, nodes)
    }

    pub(super) fn notify(&self, notification: Notification) {
        self.tell(|_| vec![notification]);
    }

    pub(super) fn replace(&self, book: Arc<Book>) {
        self.tell(|board| board.replace(book));
    }

    /// What is told next of this source came of the request of this id.
    pub(super) fn expect(&self, source: &str, request_id: &str) {
        self.kept().board.expect(source, request_id);
    }

    /// The stream of one listener: these nodes, after the event that it heard last. It ends soon after the account does.
    pub(super) fn listen(
        &self,
        nodes: BTreeSet<String>,
        last: Option<String>,
        account: Account,
        keeper: Keeper,
        here: Option<Here>,
    ) -> mpsc::Receiver<Bytes> {
        let (send, receive) = mpsc::channel(WAITING);
        let feed = self.clone().feed(nodes, last, send, account, keeper);
        tokio::spawn(async move {
            feed.await;
            drop(here);
        });
        receive
    }

    /// Runs until the listener is gone, stuck or not let in any more, or the node has stopped.
    async fn feed(
        mut self,
        nodes: BTreeSet<String>,
        last: Option<String>,
        send: mpsc::Sender<Bytes>,
        account: Account,
        keeper: Keeper,
    ) {
        let mut next = self.kept().ring.begin(last.as_deref());
        // What a browser's EventSource waits for before it says that it is open.
        let mut piece = String::from(":\n\n");
        let mut pulse = tokio::time::interval(PULSE);
        pulse.reset();
        loop {
            let at = match next {
                Next::Events(events, at) => {
                    for (number, notification) in &events {
                        piece.push_str(&event(self.run, *number, notification));
                    }
                    at
                }
                Next::Lost(at) => {
                    piece.push_str(&lost(self.run, at));
                    at
                }
            };
            if !piece.is_empty() {
                let sent = tokio::time::timeout(STUCK, send.send(std::mem::take(&mut piece).into())).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            }
            let seen = *self.next.borrow_and_update();
            if at >= seen {
                tokio::select! {
                    changed = self.next.changed() => if changed.is_err() { return },
                    () = send.closed() => return,
                    _ = pulse.tick() => {
                        if !keeper.holds(&account).await {
                            return;
                        }
                        piece.push_str(":\n\n");
                    }
                }
            }
            next = self.kept().ring.since(at, &nodes);
        }
    }

    /// What a thread that panicked left is whole: at worst a notification is missing, and the next look makes up for it.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
