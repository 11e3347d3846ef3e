//! What a fuzzer's bytes do to an engine with two calls up: one secure (GCM to AES-CM, bridged), one alone and secure.
//! The input is a list of acts, so that a mutation of it is another story rather than noise: packets of strangers,
//! packets that the peer really sealed with any part changed afterwards, reports, replays, time, keys.

use std::net::SocketAddr;
use std::time::Duration;

use media::srtp::Outbound;
use media::{Command, Engine, Event, Facts, Latch, Lease, Play, Prompts, TAG_ROOM};
use sdp::{Codec, Direction, Keying, MasterKey, Negotiated, Suite};

/// Of a datagram.
const MOST: usize = 2048;
/// A packet of Opus as G.711: 120 ms, and 60 in place of what was lost.
const HEARD: usize = 12 + 180 * 8;
/// What our peers seal.
const SSRC: u32 = 0xcafe_babe;
const SUITES: [Suite; 3] = [Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_32, Suite::Aes192CmHmacSha1_80];

struct Scene {
    engine: Engine,
    now: Duration,
    leases: Vec<Lease>,
    peers: Vec<Outbound>,
    last: Vec<u8>,
    keys: u8,
    /// Which legs speak Opus.
    opus: [bool; 3],
    /// Authentic packets given to the engine, by leg.
    given: [u64; 3],
}

/// Runs the story that `input` tells. Panics when anything in clear left or was taken, or more was heard than was said.
pub(crate) fn bytes(input: &[u8]) {
    let mut scene = Scene::new();
    let mut rest = input;
    while let Some(([kind, len], behind)) = rest.split_first_chunk::<2>() {
        let (body, next) = behind.split_at(usize::from(*len).min(behind.len()));
        scene.act(*kind, body);
        rest = next;
    }
    scene.end();
}

impl Scene {
    fn new() -> Scene {
        let mut engine = Engine::new(0, [5; 32], Prompts::default().into());
        for slot in 0..3 {
            engine.add_slot(slot, local(slot));
        }
        let now = Duration::from_secs(1);
        let leases = engine.lend(local(0).ip(), 3, now);
        let mut scene = Scene {
            engine,
            now,
            leases,
            peers: Vec::new(),
            last: Vec::new(),
            keys: 0,
            opus: [false; 3],
            given: [0; 3],
        };
        for leg in 0..3 {
            scene.key(leg);
        }
        let (a, b) = (scene.leases[0].id, scene.leases[1].id);
        scene.engine.command(Command::Bridge { a, b }, now);
        scene
    }

    fn key(&mut self, leg: usize) {
        self.keys = self.keys.wrapping_add(1);
        let suite = SUITES[leg];
        let (key, salt) = suite.key_salt_len();
        let (local, remote) =
            (MasterKey::new(vec![self.keys; key + salt]), MasterKey::new(vec![!self.keys; key + salt]));
        let peer = Outbound::new(suite, &remote, SSRC).expect("the suite's own length");
        match self.peers.get_mut(leg) {
            Some(before) => *before = peer,
            None => self.peers.push(peer),
        }
        let negotiated = Box::new(Negotiated {
            remote: far(leg, false),
            remote_rtcp: far(leg, true),
            codec: if self.opus[leg] { Codec::Opus } else { Codec::Pcmu },
            payload_type: 0,
            telephone_event: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            opus: sdp::OpusTerms::default(),
            keying: Keying::Sdes { suite, tag: 1, local, remote },
        });
        let latch = if leg == 2 { Latch::FirstAuthentic } else { Latch::Never };
        self.engine.command(Command::Set { lease: self.leases[leg].id, negotiated, latch }, self.now);
    }

    fn act(&mut self, kind: u8, body: &[u8]) {
        let leg = usize::from(kind >> 6).min(2);
        let rtcp = kind & 0x20 != 0;
        match kind & 0x0f {
            // As it is, from the peer's address or from anywhere.
            0 => self.arrive(leg, rtcp, far(leg, rtcp), body.to_vec()),
            1 => self.arrive(leg, rtcp, "192.0.2.66:6666".parse().expect("an address"), body.to_vec()),
            // What the peer sealed, whole.
            2 | 3 => {
                if let Some(packet) = self.sealed(leg, rtcp, body) {
                    self.last.clone_from(&packet);
                    self.given[leg] += u64::from(!rtcp);
                    self.arrive(leg, rtcp, far(leg, rtcp), packet);
                }
            }
            // What the peer sealed, changed at one place.
            4 | 5 => {
                if let Some(mut packet) = self.sealed(leg, rtcp, body.get(2..).unwrap_or_default())
                    && let [at, with, ..] = body
                    && *with != 0
                {
                    let at = usize::from(*at) % packet.len();
                    packet[at] ^= with;
                    self.arrive(leg, rtcp, far(leg, rtcp), packet);
                }
            }
            // Said before, or cut off.
            6 => self.arrive(leg, rtcp, far(leg, rtcp), self.last.clone()),
            7 => {
                let len = usize::from(body.first().copied().unwrap_or(0)).min(self.last.len());
                self.arrive(leg, rtcp, far(leg, rtcp), self.last[..len].to_vec());
            }
            8 => self.key(leg),
            9 => {
                let step = body.iter().take(8).fold(0u64, |sum, octet| sum * 16 + u64::from(*octet)).min(100_000);
                self.now += Duration::from_millis(step);
                self.engine.tick(self.now, &mut |_, _| {});
            }
            10 => {
                let digits = body.iter().take(8).map(|octet| char::from(*octet)).collect();
                self.engine.command(Command::Dial { lease: self.leases[2].id, digits }, self.now);
            }
            11 => {
                let play = Play { id: 1, prompt: "none".into(), repeat: kind & 0x10 != 0 };
                self.engine.command(Command::Play { lease: self.leases[leg].id, play }, self.now);
            }
            12 => self
                .engine
                .command(Command::Record { lease: self.leases[leg].id, heard: "h".into(), said: "s".into() }, self.now),
            // Another codec, under other keys as it is.
            13 => {
                self.opus[leg] = !self.opus[leg];
                self.key(leg);
            }
            _ => {}
        }
        while self.engine.poll().is_some() {}
    }

    /// Sequence number, payload type and payload are the input's; an index already spent gives none.
    fn sealed(&mut self, leg: usize, rtcp: bool, body: &[u8]) -> Option<Vec<u8>> {
        let id = SSRC.to_be_bytes();
        let mut packet = if rtcp {
            [&[0x80 | body.first().copied().unwrap_or(0) & 0x1f, 200, 0, 6][..], &id, body].concat()
        } else {
            let [first, second, s0, s1, rest @ ..] = body else { return None };
            [&[0x80 | first & 0x3f, second & 0x7f, *s0, *s1, 0, 0, 0, 0][..], &id, rest].concat()
        };
        let len = packet.len();
        packet.resize(len + TAG_ROOM, 0);
        let peer = self.peers.get_mut(leg)?;
        let sealed = if rtcp { peer.seal_rtcp(&mut packet, len) } else { peer.seal(&mut packet, len) }.ok()?;
        packet.truncate(sealed);
        Some(packet)
    }

    fn arrive(&mut self, leg: usize, rtcp: bool, from: SocketAddr, packet: Vec<u8>) {
        let len = packet.len();
        let mut buffer = packet;
        buffer.resize(MOST + TAG_ROOM, 0);
        if let Some(out) = self.engine.receive(leg as u16, rtcp, from, &mut buffer, len, self.now) {
            assert!(out.len <= len.max(HEARD) + TAG_ROOM && out.to.ip() != SocketAddr::from(([192, 0, 2, 66], 0)).ip());
        }
    }

    fn end(mut self) {
        for leg in 0..3 {
            let facts = self.facts(leg);
            assert_eq!((facts.tx.clear, facts.rx.clear), (0, 0), "in clear");
            assert!(facts.rx.protected <= self.given[leg], "more was heard than was said");
        }
    }

    fn facts(&mut self, leg: usize) -> Facts {
        self.engine.command(Command::Report { lease: self.leases[leg].id }, self.now);
        match self.engine.poll() {
            Some(Event::Facts { facts, .. }) => *facts,
            other => panic!("facts, not {other:?}"),
        }
    }
}

fn local(slot: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 4000 + slot * 2))
}

fn far(leg: usize, rtcp: bool) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 2], 5000 + leg as u16 * 2 + u16::from(rtcp)))
}
