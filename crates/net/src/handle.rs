//! A running node as other threads see it. Everything is a letter to its loop and an answer: there is no shared state.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use roles::{Control, Journal, RefusalRecord, Reply, Watched};
use rustls_pki_types::CertificateDer;
use tokio::sync::{oneshot, watch};

use crate::credentials::Credentials;
use crate::errands::{Errands, Part, Work};
use crate::keep::Reader;
use crate::mailbox::Sender;
use crate::node::Letter;
use crate::phone_services::Serving;
use crate::{Connections, Handshakes, SslDebug, TraceEntry};

/// A running node, from other threads. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    pub(crate) facts: Arc<Facts>,
    pub(crate) letters: Sender<Letter>,
}

/// What stays while the node runs.
pub(crate) struct Facts {
    pub name: String,
    pub control_address: SocketAddr,
    pub local: Vec<(sip::Transport, SocketAddr)>,
    /// It may be started again.
    pub started_ms: AtomicU64,
    /// `None` for one without (the lab's carrier). These may change.
    pub credentials: Option<Arc<Credentials>>,
    pub statements: Reader,
    /// To the process that it runs in.
    pub errands: Errands,
    /// What is known of the services for phones.
    pub phones: crate::phone_services::Board,
}

const GONE: &str = "the node has stopped";

impl NodeHandle {
    pub fn name(&self) -> &str {
        &self.facts.name
    }

    pub fn control_address(&self) -> SocketAddr {
        self.facts.control_address
    }

    /// Addresses that the node listens on, as the system gave them.
    pub fn local(&self) -> &[(sip::Transport, SocketAddr)] {
        &self.facts.local
    }

    /// Asks the role; waits without blocking a runtime.
    pub async fn control(&self, control: Control) -> Reply {
        let (reply, waiting) = oneshot::channel();
        match self.letters.send(Letter::Control(control, reply)) {
            Ok(()) => waiting.await.unwrap_or_else(|_| Reply::Sorry(GONE.into())),
            Err(refused) => Reply::Sorry(why(&refused).into()),
        }
    }

    /// The same for plain threads; never call it from a runtime's.
    pub fn control_blocking(&self, control: Control) -> Reply {
        let (reply, waiting) = oneshot::channel();
        match self.letters.send(Letter::Control(control, reply)) {
            Ok(()) => waiting.blocking_recv().unwrap_or_else(|_| Reply::Sorry(GONE.into())),
            Err(refused) => Reply::Sorry(why(&refused).into()),
        }
    }

    pub fn connections(&self) -> Connections {
        self.ask(Letter::Connections).unwrap_or_default()
    }

    /// The last messages, oldest first (bounded).
    pub fn trace(&self) -> Vec<TraceEntry> {
        self.ask(Letter::Trace).unwrap_or_default()
    }

    /// TLS handshakes as they go on. Without `after` it is switched on, and off again when nobody has asked for 15 s; then
    /// ask with [`Handshakes::last`].
    pub fn handshakes(&self, what: SslDebug, after: Option<u64>) -> Handshakes {
        self.ask(|answer| Letter::Handshakes(what, after, answer)).unwrap_or_default()
    }

    /// What [`NodeHandle::handshakes`] is on for.
    pub fn debugging(&self) -> Vec<SslDebug> {
        self.ask(Letter::Debugging).unwrap_or_default()
    }

    /// Nothing of it any more, for nobody.
    pub fn undebug(&self) {
        self.ask(Letter::Undebug).unwrap_or_default();
    }

    /// Whom the node and the listeners beside it turned away, oldest first (bounded).
    pub fn refusals(&self) -> Vec<RefusalRecord> {
        let mut all = self.ask(Letter::Refusals).unwrap_or_default();
        all.extend(self.facts.phones.refusals.list());
        all.sort_by_key(|refusal| refusal.at_ms);
        all
    }

    /// Among [`NodeHandle::refusals`] from now on: somebody whom a listener beside the node's SIP turned away.
    pub fn refused_beside(&self, refusal: RefusalRecord) {
        self.facts.phones.refusals.add(refusal);
    }

    /// What this node writes down from now on, as it happens (bounded; what a slow watcher has no room for is lost to it).
    /// Disconnected when the node stops.
    pub fn watch(&self) -> std::sync::mpsc::Receiver<Journal> {
        self.watch_for(Watched::All)
    }

    /// The same of [`Journal::Desk`] alone: the rest is not made for this watcher.
    pub fn watch_desks(&self) -> std::sync::mpsc::Receiver<Journal> {
        self.watch_for(Watched::Desks)
    }

    fn watch_for(&self, what: Watched) -> std::sync::mpsc::Receiver<Journal> {
        // A node that is gone: a receiver whose sender is gone too.
        self.ask(|answer| Letter::Watch(what, answer)).unwrap_or_else(|| std::sync::mpsc::channel().1)
    }

    /// Finished calls on which this node has stated, newest last: caller's UUID, made (ms since 1970). Waits some tens of
    /// milliseconds for what is on its way to the store.
    pub fn statements(&self) -> Vec<(String, u64)> {
        self.settle();
        self.facts.statements.list(&self.facts.name)
    }

    /// Stated of a caller's calls through this node that have ended (as a rule one), oldest call first. Waits some tens of
    /// milliseconds for what is on its way to the store.
    pub fn statements_of(&self, caller: &str) -> Vec<call::statement::Signed> {
        self.settle();
        self.facts.statements.of_caller(&self.facts.name, caller)
    }

    /// Until all is kept that the node wanted kept. One that is gone wants nothing more; one that has too much to do is not
    /// waited for.
    fn settle(&self) {
        let _ = self.ask(Letter::Settle);
    }

    /// When the node started, ms since 1970.
    pub fn started_ms(&self) -> u64 {
        self.facts.started_ms.load(Ordering::Relaxed)
    }

    /// The services for phones, while they run.
    pub fn phone_services(&self) -> Option<Serving> {
        self.facts.phones.serving()
    }

    /// Asks the node's process to stop the node, or its services for phones, and to start it again. What happened, a line
    /// each.
    ///
    /// # Errors
    /// Why it was not restarted, or not started again, in words.
    pub async fn restart(&self, part: Part) -> Result<Vec<String>, String> {
        self.facts.errands.run(Work::Restart { node: self.name().to_owned(), part }).await
    }

    /// Identity and the site's own root as they are now, for the control listener; `None` for one without (the lab's
    /// carrier). Further roots that trunks are verified by are left out: whoever signs for a carrier makes no
    /// administrators of ours.
    pub fn identity(&self) -> Option<(trust::Identity, Vec<String>)> {
        let held = self.facts.credentials.as_ref()?.now();
        Some((held.settings.identity.clone(), held.own()))
    }

    /// Wakes each time that identity, roots or lists of the node become others.
    pub fn credentials_changes(&self) -> Option<watch::Receiver<u64>> {
        self.facts.credentials.as_ref().map(|credentials| credentials.changes())
    }

    /// What is wrong today with the chain of a caller whom the site's own authority vouched for: revoked since, say.
    pub fn withdrawn(&self, chain: &[CertificateDer<'_>]) -> Option<trust::Refusal> {
        self.facts.credentials.as_ref()?.withdrawn(chain)
    }

    /// Asks the node's process to read certificates, roots and lists again, and the site if `site`; a revocation list of the
    /// site's own CA may come along. What changed, a line each.
    ///
    /// # Errors
    /// Why nothing did, in words.
    pub async fn read_again(&self, list: Option<String>, site: bool) -> Result<Vec<String>, String> {
        self.facts.errands.run(Work::ReadAgain { list, site }).await
    }

    /// Answered by the loop within its turn, so blocking is short: microseconds, under overload milliseconds.
    fn ask<T>(&self, letter: impl FnOnce(mpsc::SyncSender<T>) -> Letter) -> Option<T> {
        self.tell(letter)?.recv().ok()
    }

    /// The same for who waits later. `None`: the node is overloaded or gone.
    pub(crate) fn tell<T>(&self, letter: impl FnOnce(mpsc::SyncSender<T>) -> Letter) -> Option<mpsc::Receiver<T>> {
        let (answer, waiting) = mpsc::sync_channel(1);
        self.letters.send(letter(answer)).ok()?;
        Some(waiting)
    }
}

fn why<T>(refused: &crate::mailbox::Refused<T>) -> &'static str {
    match refused {
        crate::mailbox::Refused::Full(_) => "the node is overloaded: try again",
        crate::mailbox::Refused::Gone(_) => GONE,
    }
}
