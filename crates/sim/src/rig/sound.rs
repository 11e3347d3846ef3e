//! The media of an estate: the real engine with real packets, or a stillness that leases ports and reports nothing heard.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use media::{Command, Engine, Event, Facts, Lease, LeaseId, Prompts, TAG_ROOM};

/// Ports that each node's address has, unless it is given more.
const PORTS: u16 = 256;

/// A datagram: from, to, what.
pub(super) type Packet = (SocketAddr, SocketAddr, Vec<u8>);

pub struct Sound {
    engine: Option<Engine>,
    next_slot: u16,
    addrs: BTreeMap<u16, SocketAddr>,
    slots: BTreeMap<SocketAddr, u16>,
    /// Whose each lease is.
    owners: BTreeMap<LeaseId, String>,
    /// Stillness only: slots that are lent, so that nobody looks through all owners for one that is free.
    taken: BTreeSet<u16>,
    still: BTreeMap<LeaseId, Facts>,
    /// Stillness only: which streams are relayed to each other.
    bridges: BTreeMap<LeaseId, LeaseId>,
    generation: u32,
    clips: u32,
    events: Vec<(String, Event)>,
}

impl Sound {
    /// Leases and facts, no packets.
    pub fn still() -> Sound {
        Sound {
            engine: None,
            next_slot: 0,
            addrs: BTreeMap::new(),
            slots: BTreeMap::new(),
            owners: BTreeMap::new(),
            taken: BTreeSet::new(),
            still: BTreeMap::new(),
            bridges: BTreeMap::new(),
            generation: 0,
            clips: 0,
            events: Vec::new(),
        }
    }

    /// The engine that ships, in virtual time.
    pub fn real(seed: u64, prompts: Arc<Prompts>) -> Sound {
        let mut octets = [7; 32];
        octets[..8].copy_from_slice(&seed.to_be_bytes());
        Sound { engine: Some(Engine::new(0, octets, prompts)), ..Sound::still() }
    }

    /// The same, which also shakes hands (DTLS). What an end says then differs from run to run; when it does so does not.
    pub fn handshaking(seed: u64, prompts: Arc<Prompts>) -> Sound {
        let mut sound = Sound::real(seed, prompts);
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
        let certificate = rcgen::CertificateParams::new(Vec::new()).and_then(|params| params.self_signed(&key));
        let certificate = certificate.expect("a certificate").der().to_vec();
        #[expect(clippy::disallowed_methods, reason = "only what lies between two of them counts")]
        let epoch = std::time::Instant::now();
        if let Some(engine) = &mut sound.engine {
            let identity = media::dtls::Identity::new(certificate, key.serialize_der(), epoch);
            engine.show(identity.expect("usual settings"));
        }
        sound
    }

    /// Opens the ports of a node's address, once.
    pub(super) fn open(&mut self, ip: IpAddr) {
        self.open_many(ip, PORTS);
    }

    /// So many of them, at most 24,576; 65,536 in all.
    pub(super) fn open_many(&mut self, ip: IpAddr, ports: u16) {
        if self.slots.range(ports_of(ip)).next().is_some() {
            return;
        }
        for port in (0..ports).map(|n| 16384 + 2 * n) {
            let (slot, addr) = (self.next_slot, SocketAddr::new(ip, port));
            self.next_slot += 1;
            self.addrs.insert(slot, addr);
            self.slots.insert(addr, slot);
            if let Some(engine) = &mut self.engine {
                engine.add_slot(slot, addr);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.engine.as_ref()?.deadline()
    }

    /// What is due to be sent.
    pub(super) fn tick(&mut self, now: Duration) -> Vec<Packet> {
        let mut packets = Vec::new();
        let addrs = &self.addrs;
        if let Some(engine) = &mut self.engine {
            engine.tick(now, &mut |transmit, bytes| {
                packets.push((port(addrs, transmit.slot, transmit.rtcp), transmit.to, bytes.to_vec()));
            });
        }
        packets
    }

    /// Something more that can be played, and under which name.
    pub(super) fn add_clip(&mut self, samples: &[i16]) -> String {
        self.clips += 1;
        let name = format!("sound:{}", self.clips);
        if let Some(engine) = &mut self.engine {
            engine.add_clip(name.clone(), media::Clip::new(samples));
        }
        name
    }

    /// A datagram arrives; perhaps it is passed on.
    pub(super) fn receive(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
        now: Duration,
    ) -> Option<Packet> {
        let rtcp = to.port() % 2 == 1;
        let slot = *self.slots.get(&SocketAddr::new(to.ip(), to.port() - u16::from(rtcp)))?;
        let len = bytes.len();
        let mut buffer = bytes;
        buffer.resize(len + TAG_ROOM, 0);
        let transmit = self.engine.as_mut()?.receive(slot, rtcp, from, &mut buffer, len, now)?;
        buffer.truncate(transmit.len);
        Some((port(&self.addrs, transmit.slot, transmit.rtcp), transmit.to, buffer))
    }

    /// Does what a node wants of its media thread; leases come back at once.
    pub(super) fn command(&mut self, node: &str, command: Command, now: Duration) -> Option<Event> {
        match command {
            Command::Lend { local, count } => {
                let leases = self.lend(local, count, now);
                for lease in &leases {
                    self.owners.insert(lease.id, node.to_owned());
                }
                Some(Event::Leased(leases))
            }
            command => {
                match &mut self.engine {
                    Some(engine) => engine.command(command, now),
                    None => self.stillness(node, command),
                }
                None
            }
        }
    }

    /// A process is gone, and its ports with it.
    pub(super) fn gone(&mut self, node: &str, now: Duration) {
        let own: Vec<LeaseId> =
            self.owners.iter().filter(|(_, owner)| *owner == node).map(|(lease, _)| *lease).collect();
        for lease in own {
            self.command(node, Command::Close { lease }, now);
            self.owners.remove(&lease);
        }
        self.events.retain(|(owner, _)| owner != node);
    }

    /// Ports that are lent to a node, in use or not.
    pub(super) fn lent(&self, node: &str) -> usize {
        self.owners.values().filter(|owner| *owner == node).count()
    }

    fn lend(&mut self, local: IpAddr, count: u16, now: Duration) -> Vec<Lease> {
        if let Some(engine) = &mut self.engine {
            return engine.lend(local, count, now);
        }
        self.generation += 1;
        let free = self.slots.range(ports_of(local)).filter(|(_, slot)| !self.taken.contains(slot));
        let leases: Vec<Lease> = free
            .take(count.into())
            .map(|(addr, slot)| Lease {
                id: LeaseId { thread: 0, slot: *slot, generation: self.generation },
                addr: *addr,
                fingerprint: None,
            })
            .collect();
        self.taken.extend(leases.iter().map(|lease| lease.id.slot));
        leases
    }

    /// Where what is sent on this stream is heard in the end.
    fn far_end(&self, from: LeaseId) -> Option<LeaseId> {
        let mut at = from;
        for _ in 0..8 {
            let remote = self.still.get(&at)?.remote?;
            let slot = self.slots.get(&remote)?;
            at = *self.still.keys().find(|lease| lease.slot == *slot)?;
            match self.bridges.get(&at) {
                Some(across) => at = *across,
                None => return Some(at),
            }
        }
        None
    }

    fn stillness(&mut self, node: &str, command: Command) {
        if let Command::Dial { lease, digits } = &command {
            let far = self.far_end(*lease).and_then(|far| Some((self.owners.get(&far)?.clone(), far)));
            if let Some((owner, lease)) = far {
                let digit = |digit| (owner.clone(), Event::Digit { lease, digit, duration_ms: 100 });
                self.events.extend(digits.chars().map(digit));
            }
            return;
        }
        let mut tell = |event| self.events.push((node.to_owned(), event));
        match command {
            Command::Set { lease, negotiated, .. } => {
                let facts = self.still.entry(lease).or_default();
                let suite = negotiated.keying.suite().map(|suite| suite.name().to_owned());
                facts.rekeyed += u32::from(facts.remote.is_some());
                facts.remote = Some(negotiated.remote);
                facts.local = self.addrs.get(&lease.slot).copied();
                facts.keying = if suite.is_some() { "SDES" } else { "none" }.into();
                facts.suite = suite.unwrap_or_default();
                facts.codec = negotiated.codec.name().into();
            }
            Command::Report { lease } => {
                let facts = self.still.get(&lease).cloned().unwrap_or_default();
                tell(Event::Facts { lease, facts: Box::new(facts) });
            }
            Command::Close { lease } => {
                let facts = self.still.remove(&lease).unwrap_or_default();
                self.owners.remove(&lease);
                self.taken.remove(&lease.slot);
                self.bridges.retain(|a, b| *a != lease && *b != lease);
                tell(Event::Closed { lease, facts: Box::new(facts) });
            }
            Command::Bridge { a, b } => self.bridges.extend([(a, b), (b, a)]),
            Command::Play { lease, play } if !play.repeat => tell(Event::Played { lease, id: play.id }),
            _ => {}
        }
    }

    /// What the engine has to say, and to whom.
    pub(super) fn events(&mut self) -> Vec<(String, Event)> {
        let mut events = std::mem::take(&mut self.events);
        while let Some(event) = self.engine.as_mut().and_then(Engine::poll) {
            let lease = match &event {
                Event::Leased(_) => continue,
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
                | Event::Unplayable { lease, .. } => *lease,
            };
            if let Some(owner) = self.owners.get(&lease).cloned() {
                if matches!(event, Event::Closed { .. }) {
                    self.owners.remove(&lease);
                }
                events.push((owner, event));
            }
        }
        events
    }
}

fn port(addrs: &BTreeMap<u16, SocketAddr>, slot: u16, rtcp: bool) -> SocketAddr {
    let mut addr = addrs.get(&slot).copied().unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
    addr.set_port(addr.port() + u16::from(rtcp));
    addr
}

fn ports_of(ip: IpAddr) -> RangeInclusive<SocketAddr> {
    SocketAddr::new(ip, 0)..=SocketAddr::new(ip, u16::MAX)
}
