//! The media of one thread: slots that are lent, the legs that use them, and the packets between.
//!
//! `receive` is the hot path: open in place, write the header anew, seal in place. `tick` does what is due by time:
//! prompts, digits, reports. Deadlines are kept in order, so neither looks at streams that have nothing to do.

mod carrier;
mod clock;
mod doors;
mod incoming;
mod keep;
mod leg;
mod live;
mod on_path;
mod outgoing;
mod quality;
mod record;
mod rooms;
mod rtcp;
mod stream;
mod tap;
mod voice;
mod xr;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use sdp::{Codec, Negotiated};

use self::leg::Leg;
use self::rooms::Rooms;
use self::stream::Stream;
use crate::command::{Command, Event, KeptEnd, Latch, Lease, LeaseId, Play, Transmit};
use crate::conference::Part;
use crate::dtls::Identity;
use crate::prompt::{Clip, Prompts};
use crate::{g711, rtp, words};

/// Room that a packet needs behind it for the largest tag (RFC 7714: 16; AES-CM: 10) plus the SRTCP index.
pub const TAG_ROOM: usize = 32;

/// How long a closed port rests, so that late packets of one call never meet the next.
pub const QUARANTINE: Duration = Duration::from_secs(5);

/// Header, 60 ms of G.711 and the tag, or an RTCP compound.
const SCRATCH: usize = 1024;

/// The media of one thread.
pub struct Engine {
    thread: u16,
    random: ChaCha12Rng,
    prompts: Arc<Prompts>,
    /// What was made for callers who are here: words that were spoken, recordings of web servers.
    clips: BTreeMap<String, Clip>,
    identity: Option<Identity>,
    /// By slot number.
    slots: Vec<Option<Slot>>,
    due: BTreeSet<(Duration, u16)>,
    rooms: Rooms,
    events: VecDeque<Event>,
    /// BYEs of closed streams, for the next tick.
    farewells: VecDeque<(Duration, Transmit, Vec<u8>)>,
    scratch: Box<[u8; SCRATCH]>,
}

struct Slot {
    addr: SocketAddr,
    generation: u32,
    state: State,
    /// As it stands in [`Engine::due`].
    due: Option<Duration>,
}

enum State {
    /// Free from then on.
    Free {
        from: Duration,
    },
    Leased(Box<Leg>),
}

impl Engine {
    /// `prompts` is shared by all engines of the process.
    pub fn new(thread: u16, seed: [u8; 32], prompts: Arc<Prompts>) -> Engine {
        Engine {
            thread,
            random: ChaCha12Rng::from_seed(seed),
            prompts,
            clips: BTreeMap::new(),
            identity: None,
            slots: Vec::new(),
            due: BTreeSet::new(),
            rooms: Rooms::default(),
            events: VecDeque::new(),
            farewells: VecDeque::new(),
            scratch: Box::new([0; SCRATCH]),
        }
    }

    /// What its streams show in a DTLS handshake. Leases that are lent from now on say so.
    pub fn show(&mut self, identity: Identity) {
        self.identity = Some(identity);
    }

    /// Another catalogue; what is being played goes on.
    pub fn set_prompts(&mut self, prompts: Arc<Prompts>) {
        self.prompts = prompts;
    }

    /// Can be played under this name from now on, on every stream.
    pub fn add_clip(&mut self, name: String, clip: Clip) {
        self.clips.insert(name, clip);
    }

    /// Can be played no more; who hears it hears it to its end.
    pub fn drop_clip(&mut self, name: &str) {
        self.clips.remove(name);
    }

    /// Tells of an open port pair; it is free to be leased. A slot that is known already stays as it is.
    pub fn add_slot(&mut self, slot: u16, addr: SocketAddr) {
        let at = usize::from(slot);
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, || None);
        }
        let state = State::Free { from: Duration::ZERO };
        self.slots[at].get_or_insert(Slot { addr, generation: 0, state, due: None });
    }

    /// Leases up to `count` free slots on `local` (least recently used first, past their quarantine).
    pub fn lend(&mut self, local: IpAddr, count: u16, now: Duration) -> Vec<Lease> {
        self.lend_within(local, 0..=u16::MAX, count, now)
    }

    /// The same, of these RTP ports only: nodes that share an address have ranges of their own.
    pub fn lend_within(&mut self, local: IpAddr, ports: RangeInclusive<u16>, count: u16, now: Duration) -> Vec<Lease> {
        let mut free: Vec<(Duration, u16)> = (0u16..)
            .zip(&self.slots)
            .filter_map(|(number, slot)| match slot {
                Some(Slot { addr, state: State::Free { from }, .. })
                    if addr.ip() == local && ports.contains(&addr.port()) && *from <= now =>
                {
                    Some((*from, number))
                }
                _ => None,
            })
            .collect();
        free.sort_unstable();
        free.truncate(usize::from(count));
        let thread = self.thread;
        let fingerprint = self.identity.as_ref().map(Identity::fingerprint);
        let lend = |(_, number): (Duration, u16)| {
            let slot = self.slots.get_mut(usize::from(number))?.as_mut()?;
            slot.generation = slot.generation.wrapping_add(1);
            let id = LeaseId { thread, slot: number, generation: slot.generation };
            slot.state = State::Leased(Box::new(Leg::new(id, slot.addr)));
            Some(Lease { id, addr: slot.addr, fingerprint })
        };
        free.into_iter().filter_map(lend).collect()
    }

    /// Any command. One for a lease that has ended is ignored.
    pub fn command(&mut self, command: Command, now: Duration) {
        let mut also = None;
        let lease = match command {
            Command::Lend { local, count } => {
                let leases = self.lend(local, count, now);
                self.events.push_back(Event::Leased(leases));
                return;
            }
            Command::Set { lease, negotiated, latch } => {
                self.set(lease, &negotiated, latch, now);
                lease
            }
            Command::Bridge { a, b } => {
                self.bridge(a, b);
                also = Some(b);
                a
            }
            Command::Unbridge { lease } => {
                self.unbridge(lease);
                lease
            }
            Command::Overhear { lease } => {
                self.with(lease, |leg| leg.overheard = leg.bridge.is_some());
                lease
            }
            Command::Confer { lease, conference, part } => {
                self.confer(lease, conference, part, now);
                lease
            }
            Command::Play { lease, play } => {
                self.play(lease, play);
                lease
            }
            Command::Silence { lease } => {
                self.with(lease, |leg| leg.voice.silence());
                lease
            }
            Command::Dial { lease, digits } => {
                self.with(lease, |leg| leg.voice.dial(&digits));
                lease
            }
            Command::Record { lease, heard, said } => {
                if let Some(leg) = leg_of(&mut self.slots, lease) {
                    leg.record(heard, said, now, &mut self.events);
                }
                lease
            }
            Command::Keep { lease, keep } => {
                if let Some(leg) = leg_of(&mut self.slots, lease) {
                    leg.keep(keep, now, &mut self.events);
                }
                lease
            }
            Command::EndKeep { lease } => {
                if let Some(leg) = leg_of(&mut self.slots, lease) {
                    leg.end_keep(KeptEnd::Told, now, &mut self.events);
                }
                lease
            }
            Command::Tap { lease, tap } => {
                self.with(lease, |leg| leg.ears.open(tap, now));
                lease
            }
            Command::Untap { lease, tap } => {
                if let Some(leg) = leg_of(&mut self.slots, lease) {
                    leg.ears.close(lease, tap, &mut self.events);
                    leg.voice.hush(tap);
                }
                lease
            }
            Command::Say { lease, tap, said } => {
                if let Some(leg) = leg_of(&mut self.slots, lease) {
                    leg.say(tap, said, &mut self.events);
                }
                lease
            }
            Command::Report { lease } => {
                if let Some(leg) = leg_of(&mut self.slots, lease) {
                    self.events.push_back(Event::Facts { lease, facts: leg.facts() });
                }
                lease
            }
            Command::Close { lease } => {
                self.close(lease, now);
                lease
            }
        };
        for lease in also.into_iter().chain([lease]) {
            self.with(lease, |leg| leg.settle(now));
            self.schedule(lease.slot);
        }
    }

    /// A datagram of `len` octets at the front of `buffer` (at least `len + TAG_ROOM` long; what transcoding makes longer
    /// than that is dropped). When it is to be passed on
    /// it is transformed in place and the answer says where to: no copy, no allocation.
    pub fn receive(
        &mut self,
        slot: u16,
        rtcp: bool,
        from: SocketAddr,
        buffer: &mut [u8],
        len: usize,
        now: Duration,
    ) -> Option<Transmit> {
        let leg = leg_at(&mut self.slots, slot)?;
        if !rtcp && is_ahead_of_media(buffer.get(..len)?) {
            let (lease, failed) = (leg.id, leg.stream.as_mut()?.arrive(from, buffer.get(..len)?, now));
            self.events.extend(failed.map(|why| Event::Unkeyed { lease, why }));
            self.schedule(slot);
            return None;
        }
        if rtcp || rtp::is_rtcp(buffer.get(..len)?) {
            leg.stream.as_mut()?.hear_rtcp(from, buffer, len, now);
            return None;
        }
        let heard = leg.hear(from, buffer, len, now)?;
        match leg.bridge {
            Some(other) => {
                self.bridged_keys(slot, other, &heard, buffer, now);
                leg_of(&mut self.slots, other)?.pass(other.slot, &heard, buffer, now)
            }
            None => {
                if let (Some(place), stream::Kind::Audio) = (leg.place.filter(|_| leg.is_open()), heard.kind) {
                    let inside = leg.inside(&heard, buffer);
                    self.rooms.take(place, heard.header.ssrc, inside.timestamp, inside.codes, now);
                }
                let lease = leg.id;
                leg.keys(&heard, buffer, now, |press| self.events.push_back(leg::digit(lease, press)));
                if heard.kind == stream::Kind::Event {
                    self.schedule(slot);
                }
                None
            }
        }
    }

    /// Paced sending (prompts, DTMF, RTCP): calls `send` for each datagram due. Call it at [`Engine::deadline`].
    pub fn tick(&mut self, now: Duration, send: &mut dyn FnMut(Transmit, &[u8])) {
        for (_, transmit, packet) in self.farewells.drain(..) {
            send(transmit, &packet);
        }
        while let Some((_, number)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            if let Some(leg) = leg_at(&mut self.slots, number) {
                leg.tick(number, now, &mut *self.scratch, &mut self.random, &mut self.events, send);
            }
            self.schedule(number);
        }
        let (slots, scratch) = (&mut self.slots, &mut *self.scratch);
        self.rooms.tick(now, |lease, due, codes| {
            if let Some(leg) = leg_of(slots, lease) {
                leg.say_mixed(codes, due, scratch, send);
            }
        });
    }

    /// When [`Engine::tick`] has something to do next.
    pub fn deadline(&self) -> Option<Duration> {
        let farewell = self.farewells.front().map(|(since, _, _)| *since);
        let due = self.due.first().map(|(due, _)| *due);
        farewell.into_iter().chain(due).chain(self.rooms.deadline()).min()
    }

    /// Events for nodes.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

impl Engine {
    fn with(&mut self, lease: LeaseId, act: impl FnOnce(&mut Leg)) {
        if let Some(leg) = leg_of(&mut self.slots, lease) {
            act(leg);
        }
    }

    fn set(&mut self, lease: LeaseId, agreed: &Negotiated, latch: Latch, now: Duration) {
        let Some(leg) = leg_of(&mut self.slots, lease) else {
            return;
        };
        match &mut leg.stream {
            // Keys of a wrong length, or a handshake without a certificate, neither of which `sdp` negotiates: fail closed,
            // the stream stays as it was.
            Some(stream) => {
                let _ = stream.change(agreed, latch, now, &mut self.random, self.identity.as_ref());
            }
            // Or never begins.
            None => leg.stream = Stream::start(agreed, latch, now, &mut self.random, self.identity.as_ref()).ok(),
        }
        if let (Some(place), Some(stream)) = (leg.place, &leg.stream) {
            self.rooms.set_codec(place, g711::inside(stream.terms.codec));
        }
    }

    fn confer(&mut self, lease: LeaseId, conference: u64, part: Part<LeaseId>, now: Duration) {
        self.unbridge(lease);
        let Some(leg) = leg_of(&mut self.slots, lease) else { return };
        match leg.place {
            Some(place) if place.conference == conference => return self.rooms.take_part(place, part),
            Some(place) => self.rooms.leave(place),
            None => {}
        }
        let codec = leg.stream.as_ref().map_or(Codec::Pcmu, |stream| g711::inside(stream.terms.codec));
        leg.place = self.rooms.sit(conference, lease, part, codec, now);
    }

    fn bridge(&mut self, a: LeaseId, b: LeaseId) {
        if a.slot == b.slot || leg_of(&mut self.slots, a).is_none() || leg_of(&mut self.slots, b).is_none() {
            return;
        }
        for (this, other) in [(a, b), (b, a)] {
            if let Some(place) = leg_of(&mut self.slots, this).and_then(|leg| leg.place.take()) {
                self.rooms.leave(place);
            }
            if leg_of(&mut self.slots, this).is_some_and(|leg| leg.bridge.is_some_and(|before| before != other)) {
                self.unbridge(this);
            }
            self.with(this, |leg| {
                leg.bridge = Some(other);
                leg.overheard = false;
                leg.voice.silence();
                if let Some(stream) = &mut leg.stream {
                    stream.outgoing.forgive();
                }
            });
        }
    }

    /// Keys between a leg that has telephone-event and one that has not: said anew in the other's way. Those of a leg that
    /// is overheard are told.
    fn bridged_keys(&mut self, slot: u16, other: LeaseId, heard: &stream::Heard, packet: &[u8], now: Duration) {
        let there = leg_of(&mut self.slots, other).and_then(|leg| leg.has_events());
        let Some(leg) = leg_at(&mut self.slots, slot) else { return };
        let (lease, overheard) = (leg.id, leg.overheard);
        let anew = there.is_some() && leg.has_events() != there;
        if !anew && !overheard {
            return;
        }
        let mut keys = String::new();
        leg.keys(heard, packet, now, |press| {
            keys.push(press.digit);
            if overheard {
                self.events.push_back(leg::digit(lease, press));
            }
        });
        if overheard && heard.kind == stream::Kind::Event {
            self.schedule(slot);
        }
        if anew && !keys.is_empty() {
            self.with(other, |leg| {
                leg.voice.dial(&keys);
                leg.settle(now);
            });
            self.schedule(other.slot);
        }
    }

    fn unbridge(&mut self, lease: LeaseId) {
        let other = leg_of(&mut self.slots, lease).and_then(|leg| leg.bridge.take());
        if let Some(other) = other {
            self.with(other, |leg| {
                leg.bridge.take_if(|bridged| *bridged == lease);
            });
        }
    }

    fn play(&mut self, lease: LeaseId, play: Play) {
        let Some(leg) = leg_of(&mut self.slots, lease) else {
            return;
        };
        let made = leg.recording(&play.prompt).or_else(|| self.clips.get(&play.prompt));
        match made.or_else(|| self.prompts.clip(&play.prompt)).or_else(|| words::clip(&play.prompt)) {
            Some(clip) => {
                let clip = clip.clone();
                leg.voice.play(play.id, clip, play.repeat);
            }
            None => {
                leg.voice.silence();
                self.events.push_back(Event::Unplayable { lease, id: play.id, prompt: play.prompt });
            }
        }
    }

    fn close(&mut self, lease: LeaseId, now: Duration) {
        self.unbridge(lease);
        let Some(slot) = self.slots.get_mut(usize::from(lease.slot)).and_then(Option::as_mut) else {
            return;
        };
        if !matches!(&slot.state, State::Leased(leg) if leg.id == lease) {
            return;
        }
        let state = std::mem::replace(&mut slot.state, State::Free { from: now + QUARANTINE });
        let State::Leased(mut leg) = state else {
            return;
        };
        if let Some(place) = leg.place.take() {
            self.rooms.leave(place);
        }
        if let Some(stream) = &mut leg.stream
            && let Some(transmit) = stream.farewell(lease.slot, &mut *self.scratch, now)
            && let Some(packet) = self.scratch.get(..transmit.len)
        {
            self.farewells.push_back((now, transmit, packet.to_vec()));
        }
        leg.close(now, &mut self.events);
    }

    /// Puts a slot's deadline where it belongs.
    fn schedule(&mut self, number: u16) {
        let Some(slot) = self.slots.get_mut(usize::from(number)).and_then(Option::as_mut) else {
            return;
        };
        let due = match &slot.state {
            State::Leased(leg) => leg.due(),
            State::Free { .. } => None,
        };
        if slot.due == due {
            return;
        }
        if let Some(before) = slot.due {
            self.due.remove(&(before, number));
        }
        slot.due = due;
        self.due.extend(due.map(|due| (due, number)));
    }
}

/// STUN or DTLS by its first octet (RFC 7983), and so neither RTP nor RTCP.
fn is_ahead_of_media(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|octet| *octet < 64)
}

fn leg_at(slots: &mut [Option<Slot>], number: u16) -> Option<&mut Leg> {
    match slots.get_mut(usize::from(number))? {
        Some(Slot { state: State::Leased(leg), .. }) => Some(leg),
        _ => None,
    }
}

/// The leg of a lease that still runs.
fn leg_of(slots: &mut [Option<Slot>], lease: LeaseId) -> Option<&mut Leg> {
    leg_at(slots, lease.slot).filter(|leg| leg.id == lease)
}
