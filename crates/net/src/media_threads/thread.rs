//! One media thread: packets in, transformed in place, out; commands and events of nodes beside them.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use media::{Command, Engine, Event, LeaseId, TAG_ROOM, Transmit};
use rustix::event::epoll;

use super::ports::{Ports, Range};
use super::scribe::Scribe;
use super::taps::{Ears, Noted};
use super::{Counts, Deliver, Letter, Owner};
use crate::clock::Clock;
use crate::mailbox::{Receiver, Refused};

/// The tick of ADR 0002.
const TICK: Duration = Duration::from_millis(1);
/// Largest datagram taken; RTP over any real link is smaller.
const DATAGRAM: usize = 2048;
/// Datagrams taken of a socket that has more than one a turn: somebody floods it, and what the call's own peer sent must
/// not wait behind that until the kernel drops it.
const DRAIN: usize = 64;
/// Sockets looked at in one turn.
const READY: usize = 512;
/// Event tag of the mailbox; sockets are tagged `slot * 2 + rtcp`.
const BELL: u64 = u64::MAX;
/// Pairs opened at once when the free ones run short.
const MORE: u16 = 16;

pub(crate) struct Thread {
    engine: Engine,
    ports: Ports,
    letters: Receiver<Letter>,
    clock: Clock,
    epoll: OwnedFd,
    nodes: BTreeMap<Owner, (Deliver, Range)>,
    /// Who holds each slot, by which generation of the lease.
    leases: BTreeMap<u16, (LeaseId, Owner)>,
    /// Events that a full mailbox sent back, in order.
    waiting: VecDeque<(Owner, Event)>,
    scribe: Scribe,
    ears: Ears,
    counts: Counts,
    /// Turns so far, and by event tag the last in which the socket had something.
    turn: u64,
    met: Vec<u64>,
}

impl Thread {
    pub(crate) fn new(engine: Engine, ports: Ports, letters: Receiver<Letter>, clock: Clock) -> io::Result<Thread> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, letters.bell(), epoll::EventData::new_u64(BELL), epoll::EventFlags::IN)?;
        Ok(Thread {
            engine,
            ports,
            letters,
            clock,
            epoll,
            nodes: BTreeMap::new(),
            leases: BTreeMap::new(),
            waiting: VecDeque::new(),
            scribe: Scribe::start()?,
            ears: Ears::default(),
            counts: Counts::default(),
            turn: 1,
            met: Vec::new(),
        })
    }

    pub(crate) fn run(mut self) {
        let mut ready: Vec<epoll::Event> = Vec::with_capacity(READY);
        let mut buffer = vec![0; DATAGRAM + TAG_ROOM];
        let mut busy = false;
        loop {
            let timeout = if busy { Some(Duration::ZERO) } else { self.until_due() };
            let timeout = timeout.and_then(|t| t.try_into().ok());
            ready.clear();
            if let Err(error) = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), timeout.as_ref())
                && error != rustix::io::Errno::INTR
            {
                tracing::error!(%error, "a media thread cannot wait for its sockets");
                return;
            }
            self.turn += 1;
            let before = self.counts.received + self.counts.sent;
            let mut running = true;
            for event in &ready {
                match event.data.u64() {
                    BELL => running = self.read_letters(),
                    tag => self.receive(tag, &mut buffer),
                }
            }
            self.send_due();
            self.tell();
            if !running {
                return self.stop();
            }
            busy = self.counts.received + self.counts.sent != before;
            if busy && ready.len() < READY {
                self.sleep_to_next_tick();
            }
        }
    }

    fn until_due(&self) -> Option<Duration> {
        if !self.waiting.is_empty() {
            return Some(TICK);
        }
        self.engine.deadline().map(|due| due.saturating_sub(self.clock.mono()))
    }

    fn sleep_to_next_tick(&self) {
        let into = self.clock.mono().subsec_nanos() % TICK.subsec_nanos();
        std::thread::sleep(TICK - Duration::from_nanos(into.into()));
    }

    /// One datagram of one socket: level-triggered, a second one is met in the next turn. Of a socket that had one in the
    /// turn before, too, which no stream of 20 ms does, as many as it has, up to [`DRAIN`].
    fn receive(&mut self, tag: u64, buffer: &mut [u8]) {
        let at = tag as usize;
        if self.met.len() <= at {
            self.met.resize(at + 1, 0);
        }
        let flooded = std::mem::replace(&mut self.met[at], self.turn) == self.turn - 1;
        let most = if flooded { DRAIN } else { 1 };
        for _ in 0..most {
            if !self.receive_one((tag / 2) as u16, tag % 2 == 1, buffer) {
                return;
            }
        }
    }

    /// Whether there was one.
    fn receive_one(&mut self, slot: u16, rtcp: bool, buffer: &mut [u8]) -> bool {
        let Some(pair) = self.ports.pairs.get(usize::from(slot)) else {
            return false;
        };
        let socket = if rtcp { &pair.rtcp } else { &pair.rtp };
        let Some(room) = buffer.get_mut(..DATAGRAM) else {
            return false;
        };
        // An error here is an ICMP answer to something sent earlier, or somebody else's turn: nothing to relay.
        let Ok((len, from)) = socket.recv_from(room) else {
            return false;
        };
        self.counts.received += 1;
        let now = self.clock.mono();
        let engine = &mut self.engine;
        match catch_unwind(AssertUnwindSafe(|| engine.receive(slot, rtcp, from, buffer, len, now))) {
            Ok(None) => {}
            Ok(Some(transmit)) => send(&self.ports, &mut self.counts, transmit, buffer),
            Err(_) => self.give_up(slot),
        }
        true
    }

    fn send_due(&mut self) {
        let now = self.clock.mono();
        if self.engine.deadline().is_none_or(|due| due > now) {
            return;
        }
        let (engine, ports, counts) = (&mut self.engine, &self.ports, &mut self.counts);
        let mut last = None;
        let ticked = catch_unwind(AssertUnwindSafe(|| {
            engine.tick(now, &mut |transmit, bytes| {
                last = Some(transmit.slot);
                send(ports, counts, transmit, bytes);
            });
        }));
        if ticked.is_err() {
            // The engine was at the stream after the last one served, or had served none: the last is the best guess.
            match last {
                Some(slot) => self.give_up(slot),
                None => self.count_panic(),
            }
        }
    }

    /// A panic costs the stream that caused it.
    fn give_up(&mut self, slot: u16) {
        self.count_panic();
        if let Some((lease, _)) = self.leases.get(&slot).copied() {
            self.command(Command::Close { lease });
        }
    }

    fn count_panic(&mut self) {
        self.counts.panics += 1;
        tracing::error!("a media thread caught a panic; the stream is closed");
    }

    fn read_letters(&mut self) -> bool {
        self.letters.hush();
        while let Some(letter) = self.letters.take() {
            match letter {
                Letter::Join { owner, deliver, range } => drop(self.nodes.insert(owner, (deliver, range))),
                Letter::Leave { owner } => self.forget(owner),
                Letter::Command { owner, command: Command::Lend { local, count } } => self.lend(owner, local, count),
                Letter::Command { owner, command } => {
                    if let Command::Record { lease, heard, .. } = &command
                        && self.leases.get(&lease.slot) == Some(&(*lease, owner))
                    {
                        self.scribe.expect(*lease, heard.clone());
                    }
                    if let Command::Keep { lease, keep } = &command
                        && self.leases.get(&lease.slot) == Some(&(*lease, owner))
                        && let Some((deliver, _)) = self.nodes.get(&owner)
                    {
                        self.scribe.begin(deliver, *lease, keep);
                    }
                    self.command(command);
                }
                Letter::Recordings(recordings) => self.scribe.keep_in(recordings),
                Letter::Prompts(prompts) => self.engine.set_prompts(prompts),
                Letter::Clip { name, clip: Some(clip) } => self.engine.add_clip(name.as_ref().to_owned(), clip),
                Letter::Clip { name, clip: None } => self.engine.drop_clip(&name),
                Letter::Ear { lease, tap, ear } => {
                    if self.leases.get(&lease.slot).is_some_and(|(held, _)| *held == lease) {
                        self.ears.add(lease, tap, ear);
                    }
                }
                Letter::Mouth { lease, tap, notes } => {
                    if self.leases.get(&lease.slot).is_some_and(|(held, _)| *held == lease) {
                        self.ears.answer(lease, tap, notes);
                    }
                }
                // The engine knows which lease it is of, and that the tap is open.
                Letter::Say { lease, tap, said } => self.command(Command::Say { lease, tap, said }),
                Letter::Count { answer } => {
                    let counts = Counts {
                        pairs: self.ports.pairs.len() as u64,
                        kernel_drops: self.ports.kernel_drops(),
                        ..self.counts
                    };
                    let _ = answer.send(counts);
                }
                Letter::Stop => return false,
            }
        }
        true
    }

    fn command(&mut self, command: Command) {
        let (now, engine) = (self.clock.mono(), &mut self.engine);
        if catch_unwind(AssertUnwindSafe(|| engine.command(command, now))).is_err() {
            self.count_panic();
        }
    }

    /// Free slots first; then new pairs, a few more than asked, so that most lends open nothing.
    fn lend(&mut self, owner: Owner, local: IpAddr, count: u16) {
        let Some((_, range)) = self.nodes.get(&owner) else {
            return;
        };
        let (now, range, within) = (self.clock.mono(), *range, range.0..=range.1);
        let mut leases = self.engine.lend_within(local, within.clone(), count, now);
        let lacking = count.saturating_sub(u16::try_from(leases.len()).unwrap_or(u16::MAX));
        if lacking > 0 {
            self.open(local, range, lacking.saturating_add(MORE));
            leases.extend(self.engine.lend_within(local, within, lacking, now));
        }
        if leases.len() < usize::from(count) {
            tracing::warn!(%local, asked = count, lent = leases.len(), "media ports are running out: widen media_ports of the node");
        }
        for lease in &leases {
            self.leases.insert(lease.id.slot, (lease.id, owner));
        }
        self.deliver(owner, Event::Leased(leases));
    }

    fn open(&mut self, local: IpAddr, range: Range, count: u16) {
        for _ in 0..count {
            match self.ports.open(local, range) {
                Ok(Some((slot, addr))) => {
                    if let Err(error) = self.watch(slot) {
                        tracing::error!(%addr, %error, "a media port cannot be watched");
                        return;
                    }
                    self.engine.add_slot(slot, addr);
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(%local, %error, "a media port cannot be opened");
                    return;
                }
            }
        }
    }

    fn watch(&self, slot: u16) -> io::Result<()> {
        let Some(pair) = self.ports.pairs.get(usize::from(slot)) else {
            return Ok(());
        };
        for (socket, rtcp) in [(&pair.rtp, 0), (&pair.rtcp, 1)] {
            let tag = epoll::EventData::new_u64(u64::from(slot) * 2 + rtcp);
            epoll::add(&self.epoll, socket, tag, epoll::EventFlags::IN)?;
        }
        Ok(())
    }

    /// Hands the engine's events to their owners; what a full mailbox refuses waits, in order.
    fn tell(&mut self) {
        for (owner, event) in std::mem::take(&mut self.waiting) {
            self.deliver(owner, event);
        }
        while let Some(event) = self.engine.poll() {
            let Some(lease) = lease(&event) else { continue };
            let Some((_, owner)) = self.leases.get(&lease.slot).filter(|(held, _)| *held == lease).copied() else {
                continue;
            };
            match event {
                Event::Recording { lease, path, wav } => {
                    if let Some((deliver, _)) = self.nodes.get(&owner) {
                        self.scribe.take(deliver, lease, path, wav);
                    }
                }
                Event::Chunk { id, codes, last, .. } => self.scribe.chunk(id, codes, last),
                event @ Event::Kept { .. } => {
                    if let Some((deliver, _)) = self.nodes.get(&owner) {
                        self.scribe.kept(deliver, event);
                    }
                }
                Event::Sound { tap, frame, .. } => self.ears.hear(lease, tap, frame),
                Event::Untapped { tap, .. } => self.ears.remove(lease, tap),
                Event::Marked { tap, mark, .. } => self.ears.note(lease, Some(tap), Noted::Mark(mark)),
                Event::Digit { digit, .. } => {
                    self.ears.note(lease, None, Noted::Key(digit));
                    self.deliver(owner, event);
                }
                Event::Closed { .. } => {
                    self.ears.closed(lease);
                    self.leases.remove(&lease.slot);
                    self.deliver(owner, event);
                }
                event => self.deliver(owner, event),
            }
        }
    }

    fn deliver(&mut self, owner: Owner, event: Event) {
        let Some((deliver, _)) = self.nodes.get(&owner) else {
            return;
        };
        // Behind one that waits, every event of the same node waits: order is kept.
        if self.waiting.iter().any(|(other, _)| *other == owner) {
            self.waiting.push_back((owner, event));
            return;
        }
        match deliver(event) {
            Ok(()) => {}
            Err(Refused::Full(event)) => self.waiting.push_back((owner, event)),
            Err(Refused::Gone(_)) => self.forget(owner),
        }
    }

    /// A node that ended: its streams end too.
    fn forget(&mut self, owner: Owner) {
        self.nodes.remove(&owner);
        let leases: Vec<LeaseId> =
            self.leases.values().filter(|(_, by)| *by == owner).map(|(lease, _)| *lease).collect();
        for lease in leases {
            self.command(Command::Close { lease });
        }
    }

    fn stop(mut self) {
        let leases: Vec<LeaseId> = self.leases.values().map(|(lease, _)| *lease).collect();
        for lease in leases {
            self.command(Command::Close { lease });
        }
        self.tell();
        self.scribe.stop();
    }
}

fn send(ports: &Ports, counts: &mut Counts, transmit: Transmit, bytes: &[u8]) {
    let (Some(pair), Some(bytes)) = (ports.pairs.get(usize::from(transmit.slot)), bytes.get(..transmit.len)) else {
        return;
    };
    let socket = if transmit.rtcp { &pair.rtcp } else { &pair.rtp };
    let sent = match socket.send_to(bytes, transmit.to) {
        // The answer to an earlier packet (nobody listens there any more) is reported once, at the next send.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => socket.send_to(bytes, transmit.to),
        sent => sent,
    };
    match sent {
        Ok(_) => counts.sent += 1,
        Err(_) => counts.send_failures += 1,
    }
}

fn lease(event: &Event) -> Option<LeaseId> {
    match event {
        Event::Leased(_) => None,
        Event::Digit { lease, .. }
        | Event::Played { lease, .. }
        | Event::Facts { lease, .. }
        | Event::Closed { lease, .. }
        | Event::Silent { lease, .. }
        | Event::Recording { lease, .. }
        | Event::Chunk { lease, .. }
        | Event::Kept { lease, .. }
        | Event::Sound { lease, .. }
        | Event::Untapped { lease, .. }
        | Event::Marked { lease, .. }
        | Event::Recorded { lease, .. }
        | Event::Unkeyed { lease, .. }
        | Event::Unplayable { lease, .. } => Some(*lease),
    }
}
