//! Engines on a virtual wire: every datagram is delivered after a fixed time, tapped, and nothing happens by itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use media::{Command, Engine, Event, Facts, Latch, Lease, LeaseId, Play, Prompts, TAG_ROOM};
use sdp::{Codec, Direction, Local, MasterKey, Negotiated, Policy, Protection, Suite};

pub(crate) const WAY: Duration = Duration::from_millis(10);

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What went over the wire.
#[derive(Clone)]
pub(crate) struct Tapped {
    pub(crate) at: Duration,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Rig {
    pub(crate) now: Duration,
    pub(crate) engines: Vec<Engine>,
    pub(crate) events: Vec<(usize, Event)>,
    pub(crate) prompts: Arc<Prompts>,
    pub(crate) tapped: Vec<Tapped>,
    /// Whether `tapped` is filled; long runs look with `watch` alone.
    pub(crate) tap: bool,
    pub(crate) watch: Box<dyn FnMut(&Tapped)>,
    /// Says whether a datagram is lost.
    pub(crate) lose: Box<dyn FnMut(&Tapped) -> bool>,
    wire: BTreeMap<(Duration, u64), Tapped>,
    serial: u64,
    keys: u8,
}

/// A lease and the engine it belongs to.
#[derive(Clone, Copy)]
pub(crate) struct End {
    pub(crate) engine: usize,
    pub(crate) lease: Lease,
}

impl Rig {
    /// So many engines, each with 8 slots on 127.0.0.(1 + its number).
    pub(crate) fn new(engines: usize) -> Rig {
        let prompts = Arc::new(Prompts::built_in());
        let engine = |n: usize| {
            let mut engine = Engine::new(n as u16, [n as u8 + 1; 32], prompts.clone());
            engine.show(identity());
            for slot in 0..8u16 {
                engine.add_slot(slot, address(n, slot, false));
            }
            engine
        };
        Rig {
            now: ms(1000),
            engines: (0..engines).map(engine).collect(),
            events: Vec::new(),
            prompts: prompts.clone(),
            tapped: Vec::new(),
            tap: true,
            watch: Box::new(|_| {}),
            lose: Box::new(|_| false),
            wire: BTreeMap::new(),
            serial: 0,
            keys: 0,
        }
    }

    pub(crate) fn lend(&mut self, engine: usize) -> End {
        let local = address(engine, 0, false).ip();
        let lease = self.engines[engine].lend(local, 1, self.now)[0];
        End { engine, lease }
    }

    /// Offer and answer between two ends, as their call control would do it.
    pub(crate) fn agree(&mut self, a: End, b: End, policy: &Policy) -> (Negotiated, Negotiated) {
        self.agree_as(a, b, policy, policy, Direction::SendRecv)
    }

    pub(crate) fn agree_as(
        &mut self,
        a: End,
        b: End,
        offerer: &Policy,
        answerer: &Policy,
        direction: Direction,
    ) -> (Negotiated, Negotiated) {
        let mut fill = self.keys;
        let mut keys = |suite: Suite| {
            fill += 1;
            let (key, salt) = suite.key_salt_len();
            MasterKey::new(vec![fill; key + salt])
        };
        let local = |end: End| Local {
            fingerprint: end.lease.fingerprint.map(sdp::Fingerprint::sha_256),
            ..Local::new(end.lease.addr, 1)
        };
        let (text, offered) = sdp::offer(offerer, &mut local(a), direction, &mut keys);
        let (reply, at_b) = sdp::answer(answerer, &mut local(b), text.as_bytes(), &mut keys).unwrap();
        let at_a = sdp::accept(&offered, offerer, reply.as_bytes()).unwrap();
        self.keys = fill;
        (at_a, at_b)
    }

    /// Agreed and set at both ends.
    pub(crate) fn connect(&mut self, a: End, b: End, policy: &Policy) {
        let (at_a, at_b) = self.agree(a, b, policy);
        self.set(a, at_a);
        self.set(b, at_b);
    }

    pub(crate) fn set(&mut self, end: End, negotiated: Negotiated) {
        self.set_latched(end, negotiated, Latch::Never);
    }

    pub(crate) fn set_latched(&mut self, end: End, negotiated: Negotiated, latch: Latch) {
        self.tell(end, |lease| Command::Set { lease, negotiated: Box::new(negotiated), latch });
    }

    pub(crate) fn bridge(&mut self, a: End, b: End) {
        self.tell(a, |a| Command::Bridge { a, b: b.lease.id });
    }

    pub(crate) fn play(&mut self, end: End, prompt: &str, repeat: bool) {
        let play = Play { id: 7, prompt: prompt.to_owned(), repeat };
        self.tell(end, |lease| Command::Play { lease, play });
    }

    /// Recordings come out as `heard` and `said`, with the end's number in front.
    pub(crate) fn record(&mut self, end: End) {
        self.tell(end, |lease| Command::Record { lease, heard: "heard".into(), said: "said".into() });
    }

    pub(crate) fn tell(&mut self, end: End, command: impl FnOnce(LeaseId) -> Command) {
        self.engines[end.engine].command(command(end.lease.id), self.now);
        self.drain(end.engine);
    }

    pub(crate) fn facts(&mut self, end: End) -> Facts {
        self.tell(end, |lease| Command::Report { lease });
        match self.events.pop() {
            Some((_, Event::Facts { facts, .. })) => *facts,
            other => panic!("no facts but {other:?}"),
        }
    }

    /// As [`Rig::facts`], also of a lease that has ended.
    pub(crate) fn facts_or_default(&mut self, end: End) -> Facts {
        let before = self.events.len();
        self.tell(end, |lease| Command::Report { lease });
        match self.events.drain(before..).next_back() {
            Some((_, Event::Facts { facts, .. })) => *facts,
            _ => Facts::default(),
        }
    }

    /// Closes and gives what was heard, what was said, and the final facts.
    pub(crate) fn close(&mut self, end: End) -> (Vec<i16>, Vec<i16>, Facts) {
        let before = self.events.len();
        self.tell(end, |lease| Command::Close { lease });
        let (mut heard, mut said, mut facts) = (Vec::new(), Vec::new(), None);
        for (_, event) in self.events.drain(before..) {
            match event {
                Event::Recording { path, wav, .. } if path == "heard" => heard = media::wav::read(&wav).unwrap(),
                Event::Recording { wav, .. } => said = media::wav::read(&wav).unwrap(),
                Event::Closed { facts: closed, .. } => facts = Some(*closed),
                other => panic!("{other:?}"),
            }
        }
        (heard, said, facts.unwrap())
    }

    /// A datagram of nobody's.
    pub(crate) fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.wire.insert((self.now + WAY, self.serial), Tapped { at: self.now, from, to, bytes });
        self.serial += 1;
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let due = self.engines.iter().filter_map(Engine::deadline).min();
            let next = due.into_iter().chain(self.wire.keys().next().map(|(at, _)| *at)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let datagram = entry.remove();
                self.deliver(datagram);
            }
            for engine in 0..self.engines.len() {
                let mut sent = Vec::new();
                self.engines[engine].tick(self.now, &mut |transmit, bytes| {
                    assert_eq!(transmit.len, bytes.len());
                    sent.push((transmit, bytes.to_vec()));
                });
                for (transmit, bytes) in sent {
                    let from = address(engine, transmit.slot, transmit.rtcp);
                    self.post(from, transmit.to, bytes);
                }
                self.drain(engine);
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, datagram: Tapped) {
        let Some((engine, slot, rtcp)) = owner(datagram.to).filter(|(engine, ..)| *engine < self.engines.len()) else {
            return;
        };
        let len = datagram.bytes.len();
        let mut buffer = datagram.bytes;
        // As a media thread's: what is transcoded may be longer than what came.
        buffer.resize(len.max(1500) + TAG_ROOM, 0);
        if let Some(out) = self.engines[engine].receive(slot, rtcp, datagram.from, &mut buffer, len, self.now) {
            buffer.truncate(out.len);
            self.post(address(engine, out.slot, out.rtcp), out.to, buffer);
        }
        self.drain(engine);
    }

    fn post(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let datagram = Tapped { at: self.now, from, to, bytes };
        (self.watch)(&datagram);
        if self.tap {
            self.tapped.push(datagram.clone());
        }
        if !(self.lose)(&datagram) {
            self.wire.insert((self.now + WAY, self.serial), datagram);
            self.serial += 1;
        }
    }

    fn drain(&mut self, engine: usize) {
        while let Some(event) = self.engines[engine].poll() {
            self.events.push((engine, event));
        }
    }
}

/// A certificate as a media thread makes it for itself.
pub(crate) fn identity() -> media::dtls::Identity {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    // Only differences count, so any moment is the first.
    #[expect(clippy::disallowed_methods, reason = "there is no other way to have one")]
    let epoch = std::time::Instant::now();
    media::dtls::Identity::new(certificate.der().to_vec(), key.serialize_der(), epoch).unwrap()
}

pub(crate) fn address(engine: usize, slot: u16, rtcp: bool) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, engine as u8 + 1], 16_384 + slot * 2 + u16::from(rtcp)))
}

fn owner(addr: SocketAddr) -> Option<(usize, u16, bool)> {
    let SocketAddr::V4(v4) = addr else {
        return None;
    };
    let port = addr.port().checked_sub(16_384)?;
    Some((usize::from(v4.ip().octets()[3]).checked_sub(1)?, port / 2, port % 2 == 1))
}

pub(crate) fn secure(suite: Suite) -> Policy {
    Policy {
        protection: Protection::Secure,
        suites: vec![suite],
        codecs: vec![Codec::Pcmu],
        telephone_event: true,
        exchange: Vec::new(),
    }
}

pub(crate) fn plain() -> Policy {
    Policy { protection: Protection::DangerousPlainRtp, ..secure(Suite::AesCm128HmacSha1_80) }
}

/// Where `part` lies in `whole`, sample by sample, or none.
pub(crate) fn find(whole: &[i16], part: &[i16]) -> Option<usize> {
    whole.windows(part.len()).position(|window| window == part)
}
