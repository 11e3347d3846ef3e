//! A node's thread (ADR 0001): its sockets, its role and nothing that waits for anything else.
//!
//! One turn: what the poll found is read, each input goes through the role, its outputs are drained, then every
//! connection that got bytes is written once. A panic in the role costs the call that was being handled, is counted, and
//! never the process.

mod machine;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use roles::{AskId, Control, ControlId, Input, Journal, Output, RefusalRecord, Reply, Told, Watched};
use sip::Transport;
use tokio::sync::oneshot;

pub(crate) use machine::Machine;

use crate::asks::{Asks, Job};
use crate::clock::Clock;
use crate::mailbox::{Receiver, Refused, Sender};
use crate::media_threads::{self, Owner};
use crate::wire::tls::Tls;
use crate::wire::{Heard, Setup, Wire};
use crate::{Connections, Handshakes, SslDebug, TraceEntry};

/// Letters that a node's mailbox holds.
pub(crate) const LETTERS: usize = 8192;
/// Refusals that `show refusals` can list.
const REFUSALS: usize = 1024;
/// What a slow watcher may leave unread; what does not fit is lost to it.
const WATCHED: usize = 1024;
/// Letters to a media thread whose mailbox is full are tried again after this long.
const RETRY: Duration = Duration::from_millis(1);

const BELL: Token = Token(usize::MAX - 1);

/// What other threads tell a node.
pub(crate) enum Letter {
    Media(media::Event),
    Told(AskId, Told),
    Control(Control, oneshot::Sender<Reply>),
    /// Answered once everything that comes is judged by it.
    Plan(std::sync::Arc<roles::Plan>, mpsc::SyncSender<()>),
    /// Answered once connections go by it, and those that it does not let in are closed.
    Tls(Box<Tls>, mpsc::SyncSender<()>),
    /// Answered once all that the node wanted kept is.
    Settle(mpsc::SyncSender<()>),
    Connections(mpsc::SyncSender<Connections>),
    Trace(mpsc::SyncSender<Vec<TraceEntry>>),
    Refusals(mpsc::SyncSender<Vec<RefusalRecord>>),
    Handshakes(SslDebug, Option<u64>, mpsc::SyncSender<Handshakes>),
    Debugging(mpsc::SyncSender<Vec<SslDebug>>),
    Undebug(mpsc::SyncSender<()>),
    Watch(Watched, mpsc::SyncSender<mpsc::Receiver<Journal>>),
    Stop,
}

/// A node ready to run.
pub(crate) struct Node<M> {
    machine: M,
    name: String,
    owner: Owner,
    clock: Clock,
    poll: Poll,
    wire: Wire,
    letters: Receiver<Letter>,
    /// Letters to the node before this one that were for any.
    inherited: VecDeque<Letter>,
    media: Vec<Sender<media_threads::Letter>>,
    /// For media threads whose mailbox was full, in order.
    unsent: VecDeque<(usize, media_threads::Letter)>,
    /// Which media thread lends next.
    lender: usize,
    asks: Asks,
    /// Questions that the world was too slow to be asked: the role hears so in the next turn.
    not_asked: VecDeque<AskId>,
    controls: BTreeMap<u64, oneshot::Sender<Reply>>,
    next_control: u64,
    refusals: VecDeque<RefusalRecord>,
    watchers: Vec<(Watched, mpsc::SyncSender<Journal>)>,
    panics: u64,
}

/// What stays of a node that was stopped, for the one that takes its place: those who hold a handle notice nothing but a
/// pause.
pub(crate) struct Remains {
    letters: Receiver<Letter>,
    refusals: VecDeque<RefusalRecord>,
    watchers: Vec<(Watched, mpsc::SyncSender<Journal>)>,
    panics: u64,
}

impl Remains {
    /// Of none before.
    pub(crate) fn new(letters: Receiver<Letter>) -> Remains {
        Remains { letters, refusals: VecDeque::new(), watchers: Vec::new(), panics: 0 }
    }
}

/// What a node runs with, besides its wire.
pub(crate) struct Surroundings {
    pub owner: Owner,
    pub clock: Clock,
    pub remains: Remains,
    pub media: Vec<Sender<media_threads::Letter>>,
    pub asks: Asks,
}

impl<M: Machine> Node<M> {
    /// Opens the sockets, after which peers can connect, and makes the machine that knows their addresses.
    pub(crate) fn new(
        machine: impl FnOnce(&[(Transport, SocketAddr)]) -> M,
        setup: Setup,
        around: Surroundings,
    ) -> anyhow::Result<Node<M>> {
        let Surroundings { owner, clock, remains, media, asks } = around;
        let Remains { letters, refusals, watchers, panics } = remains;
        // Answers to another machine's questions and events of its leases mean nothing to this one.
        let inherited = std::iter::from_fn(|| letters.take())
            .filter(|letter| !matches!(letter, Letter::Media(_) | Letter::Told(..)))
            .collect();
        let poll = Poll::new()?;
        poll.registry().register(&mut SourceFd(&letters.bell().as_raw_fd()), BELL, Interest::READABLE)?;
        let name = setup.node.clone();
        let wire = Wire::new(setup, poll.registry().try_clone()?, clock)?;
        Ok(Node {
            machine: machine(&wire.local()),
            name,
            owner,
            clock,
            poll,
            wire,
            letters,
            inherited,
            media,
            unsent: VecDeque::new(),
            lender: 0,
            asks,
            not_asked: VecDeque::new(),
            controls: BTreeMap::new(),
            next_control: 0,
            refusals,
            watchers,
            panics,
        })
    }

    pub(crate) fn wire(&self) -> &Wire {
        &self.wire
    }

    /// What the machine wants before anything has happened: its first media ports among them.
    pub(crate) fn begin(&mut self) {
        self.machine.watched(self.watchers.iter().map(|(what, _)| *what).max().unwrap_or(Watched::Nobody));
        self.drain();
    }

    /// Until it is told to stop.
    pub(crate) fn run(mut self) -> Remains {
        let mut events = Events::with_capacity(256);
        self.drain();
        let mut running = self.inherited.is_empty() || self.read_letters();
        while running {
            self.wire.settle();
            self.hear();
            if let Err(error) = self.poll.poll(&mut events, self.timeout())
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(node = %self.name, %error, "a node cannot wait for its sockets");
                return self.remains();
            }
            for event in &events {
                if event.token() == BELL {
                    running = self.read_letters();
                } else {
                    self.wire.ready(event.token(), event.is_writable());
                    self.hear();
                }
            }
            self.expire();
        }
        self.wire.stop();
        self.remains()
    }

    fn remains(self) -> Remains {
        let Node { letters, refusals, watchers, panics, .. } = self;
        Remains { letters, refusals, watchers, panics }
    }

    fn timeout(&self) -> Option<Duration> {
        let now = self.clock.mono();
        if !self.not_asked.is_empty() {
            return Some(Duration::ZERO);
        }
        let due =
            [Some(self.wire.deadline()), self.machine.deadline(), (!self.unsent.is_empty()).then_some(now + RETRY)];
        due.into_iter().flatten().min().map(|due| due.saturating_sub(now))
    }

    fn expire(&mut self) {
        let now = self.clock.now();
        if self.wire.deadline() <= now.mono {
            self.wire.expire();
            self.hear();
        }
        if self.machine.deadline().is_some_and(|due| due <= now.mono) {
            self.guarded(|machine| machine.tick(now));
        }
        for (thread, letter) in std::mem::take(&mut self.unsent) {
            self.tell_media(thread, letter);
        }
        for id in std::mem::take(&mut self.not_asked) {
            self.handle(Input::Told(id, Told::Failed("too many questions wait for an answer".into())));
        }
    }

    /// Everything the wire heard goes through the role; its answers may make the wire hear more (a target that is not
    /// there).
    fn hear(&mut self) {
        while let Some(heard) = self.wire.heard.pop_front() {
            match heard {
                Heard::Message { flow, peer, message } => self.handle(Input::Message { flow, peer, message }),
                Heard::Unreachable { target, why } => self.handle(Input::Unreachable { target, why }),
                Heard::Closed { flow, target } => self.handle(Input::Closed { flow, target }),
                Heard::Refused(record) => self.write_down(Journal::Refused(record)),
            }
        }
    }

    fn read_letters(&mut self) -> bool {
        self.letters.hush();
        while let Some(letter) = self.inherited.pop_front().or_else(|| self.letters.take()) {
            match letter {
                Letter::Media(event) => self.handle(Input::Media(event)),
                Letter::Told(id, told) => self.handle(Input::Told(id, told)),
                Letter::Plan(plan, answer) => {
                    self.wire.set_peers(plan.peers.clone());
                    self.handle(Input::Plan(plan));
                    let _ = answer.send(());
                }
                Letter::Tls(tls, answer) => {
                    self.wire.set_tls(*tls);
                    self.hear();
                    let _ = answer.send(());
                }
                Letter::Control(control, reply) => {
                    self.next_control += 1;
                    // Those who asked and went away are forgotten here: a drain may wait for hours.
                    self.controls.retain(|_, waiting| !waiting.is_closed());
                    self.controls.insert(self.next_control, reply);
                    self.handle(Input::Control(ControlId(self.next_control), control));
                }
                Letter::Connections(answer) => drop(answer.send(self.wire.connections())),
                Letter::Trace(answer) => drop(answer.send(self.wire.trace())),
                // With too much waiting already nobody is answered.
                Letter::Settle(answer) => drop(self.asks.ask(Job::Settle(answer))),
                Letter::Refusals(answer) => drop(answer.send(self.refusals.iter().cloned().collect())),
                Letter::Handshakes(what, after, answer) => drop(answer.send(self.wire.handshakes(what, after))),
                Letter::Debugging(answer) => drop(answer.send(self.wire.debugging())),
                Letter::Undebug(answer) => {
                    self.wire.undebug();
                    let _ = answer.send(());
                }
                Letter::Watch(what, answer) => {
                    let (watcher, journal) = mpsc::sync_channel(WATCHED);
                    if answer.send(journal).is_ok() {
                        self.watchers.push((what, watcher));
                        let all = self.watchers.iter().map(|(what, _)| *what).max();
                        self.machine.watched(all.unwrap_or(Watched::Nobody));
                    }
                }
                Letter::Stop => return false,
            }
        }
        true
    }

    fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        self.guarded(|machine| machine.handle(input, now));
    }

    /// Runs the role, catches its panic, drains its outputs.
    fn guarded(&mut self, work: impl FnOnce(&mut M)) {
        let machine = &mut self.machine;
        if catch_unwind(AssertUnwindSafe(|| work(machine))).is_err() {
            self.panics += 1;
            tracing::error!(node = %self.name, panics = self.panics, "a panic was caught; it costs the call that was being handled");
            let (machine, now) = (&mut self.machine, self.clock.now());
            if catch_unwind(AssertUnwindSafe(|| machine.abandon(now))).is_err() {
                tracing::error!(node = %self.name, "another panic, while the call was being abandoned");
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            match output {
                Output::Send { hop, bytes } => self.wire.send(hop, &bytes),
                Output::Close { flow } => self.wire.close(flow),
                Output::Media(command) => {
                    let thread = self.thread_of(&command);
                    self.tell_media(thread, media_threads::Letter::Command { owner: self.owner, command });
                }
                Output::Ask(id, ask) => {
                    if self.asks.ask(Job::Ask { id, ask }).is_err() {
                        tracing::error!(node = %self.name, "a question was not asked: too many wait for an answer");
                        self.not_asked.push_back(id);
                    }
                }
                Output::Reply(ControlId(id), reply) => {
                    if let Some(waiting) = self.controls.remove(&id) {
                        let _ = waiting.send(self.counted(reply));
                    }
                }
                Output::Journal(journal) => self.write_down(journal),
            }
        }
    }

    fn counted(&self, reply: Reply) -> Reply {
        match reply {
            Reply::Status(status) => Reply::Status(roles::Status { panics: self.panics, ..status }),
            other => other,
        }
    }

    fn thread_of(&mut self, command: &media::Command) -> usize {
        use media::Command::{
            Bridge, Close, Confer, Dial, EndKeep, Keep, Lend, Overhear, Play, Record, Report, Say, Set, Silence, Tap,
            Unbridge, Untap,
        };
        match command {
            Lend { .. } => {
                self.lender = (self.lender + 1) % self.media.len().max(1);
                self.lender
            }
            Bridge { a: lease, .. }
            | Set { lease, .. }
            | Unbridge { lease }
            | Overhear { lease }
            | Confer { lease, .. }
            | Play { lease, .. }
            | Silence { lease }
            | Dial { lease, .. }
            | Record { lease, .. }
            | Keep { lease, .. }
            | EndKeep { lease }
            | Report { lease }
            | Tap { lease, .. }
            | Untap { lease, .. }
            | Say { lease, .. }
            | Close { lease } => usize::from(lease.thread),
        }
    }

    fn tell_media(&mut self, thread: usize, letter: media_threads::Letter) {
        // Behind one that waits, all wait: order is kept.
        if self.unsent.iter().any(|(other, _)| *other == thread) {
            return self.unsent.push_back((thread, letter));
        }
        let Some(sender) = self.media.get(thread) else {
            return tracing::error!(node = %self.name, thread, "there is no such media thread");
        };
        match sender.send(letter) {
            Ok(()) => {}
            Err(Refused::Full(letter)) => self.unsent.push_back((thread, letter)),
            Err(Refused::Gone(_)) => {
                tracing::error!(node = %self.name, thread, "the media thread is gone")
            }
        }
    }

    /// Kept, handed to those who watch, and what is to last is persisted.
    fn write_down(&mut self, journal: Journal) {
        if let Journal::Refused(record) = &journal {
            if self.refusals.len() >= REFUSALS {
                self.refusals.pop_front();
            }
            self.refusals.push_back(record.clone());
        }
        let of_desks = matches!(journal, Journal::Desk(_));
        self.watchers.retain(|(what, watcher)| {
            let wanted = *what == Watched::All || of_desks;
            !wanted || !matches!(watcher.try_send(journal.clone()), Err(mpsc::TrySendError::Disconnected(_)))
        });
        if let Journal::KeysWanted { issuer } = &journal {
            self.asks.want_keys(issuer.clone());
        }
        let lasts = match journal {
            Journal::Refused(_) | Journal::Audit { .. } => true,
            Journal::Decision { .. } | Journal::Routed { .. } | Journal::Routing(_) => true,
            // An ended leg lasts in its call's statement.
            Journal::Leg(_) | Journal::Changed(_) | Journal::Desk(_) => false,
            Journal::Registered { .. } | Journal::Recorded { .. } | Journal::KeysWanted { .. } => false,
        };
        if lasts && self.asks.ask(Job::Journal(Box::new(journal))).is_err() {
            tracing::error!(node = %self.name, "a journal line was lost: too many wait for the store");
        }
    }
}
