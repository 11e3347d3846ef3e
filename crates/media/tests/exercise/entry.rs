//! What a fuzzer's bytes do at the door of a stream that is keyed on its own path (RFC 8445, RFC 8489, RFC 5764): checks of
//! addresses, a handshake with another engine, strangers. The input is a list of acts, so that a mutation of it is another
//! story; keys and certificates are fresh each time, so that one story does not end twice at the same octet.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use aws_lc_rs::hmac;
use media::dtls::Identity;
use media::{Command, Engine, Event, Facts, Latch, Lease, Prompts, TAG_ROOM};
use sdp::{Codec, Credentials, Direction, Dtls, Fingerprint, Ice, Keying, Negotiated};

const MOST: usize = 2048;
const PASSWORD: &str = "a password of ours, long";

struct Scene {
    /// Ours, which asks for checks, and the peer's.
    engines: [Engine; 2],
    leases: [Lease; 2],
    now: Duration,
    /// Under way to each.
    wire: [VecDeque<Vec<u8>>; 2],
    /// Addresses that an authentic check came from.
    checked: Vec<SocketAddr>,
    asked: u8,
}

/// Runs the story that `input` tells; whether the stream was keyed by it. Panics where anything went to who had not proved
/// to be the peer, or in clear, or media ahead of keys.
pub(crate) fn bytes(input: &[u8]) -> bool {
    let mut scene = Scene::new();
    let mut rest = input;
    while let Some(([kind, len], behind)) = rest.split_first_chunk::<2>() {
        let (body, next) = behind.split_at(usize::from(*len).min(behind.len()));
        scene.act(*kind, body);
        rest = next;
    }
    scene.end()
}

impl Scene {
    fn new() -> Scene {
        let mut engines = [0, 1].map(|n: u8| {
            let mut engine = Engine::new(n.into(), [n + 5; 32], Prompts::default().into());
            engine.show(identity());
            engine.add_slot(0, address(n));
            engine
        });
        let now = Duration::from_secs(1);
        let leases = [0, 1].map(|n: usize| engines[n].lend(address(n as u8).ip(), 1, now)[0]);
        let mut scene =
            Scene { engines, leases, now, wire: [VecDeque::new(), VecDeque::new()], checked: Vec::new(), asked: 0 };
        let named = |ufrag: &str, pwd: &str| Credentials { ufrag: ufrag.into(), pwd: pwd.into() };
        let ice = Ice { local: named("ours", PASSWORD), remote: named("them", "another, which nobody asks") };
        for (ours, ice) in [(0, Some(ice)), (1, None)] {
            let shown = scene.leases[1 - ours].fingerprint.expect("an identity was given");
            let terms = Dtls { active: ours == 1, fingerprint: Fingerprint::sha_256(shown), ice };
            let remote = address(1 - ours as u8);
            let negotiated = Box::new(Negotiated {
                remote,
                remote_rtcp: remote,
                codec: Codec::Pcmu,
                payload_type: 0,
                telephone_event: Some(101),
                direction: Direction::SendRecv,
                ptime_ms: 20,
                opus: sdp::OpusTerms::default(),
                keying: Keying::Dtls(Box::new(terms)),
            });
            let lease = scene.leases[ours].id;
            scene.engines[ours].command(Command::Set { lease, negotiated, latch: Latch::Never }, now);
        }
        scene
    }

    fn act(&mut self, kind: u8, body: &[u8]) {
        let peer = address(1);
        match kind & 0x0f {
            // As it is: of a stranger, or in the peer's name.
            0 => self.arrive(stranger(), body.to_vec()),
            1 => self.arrive(peer, body.to_vec()),
            // A check with our password: whole, or changed at one place.
            2 => self.check(body, None),
            3 => {
                if let [at, with, rest @ ..] = body
                    && *with != 0
                {
                    self.check(rest, Some((*at, *with)));
                }
            }
            // What the peer said next: whole, twice, changed, cut, lost, behind what came after it, in a stranger's name.
            4 => self.deliver(peer, |_| {}),
            5 => {
                self.wire[0].front().cloned().into_iter().for_each(|first| self.wire[0].push_back(first));
                self.deliver(peer, |_| {});
            }
            6 => {
                let [at, with] = *body.first_chunk().unwrap_or(&[0, 1]);
                self.deliver(peer, |packet| {
                    let at = usize::from(at) * 5 % packet.len();
                    packet[at] ^= with;
                });
            }
            7 => {
                let len = usize::from(body.first().copied().unwrap_or(0)) * 5;
                self.deliver(peer, |packet| packet.truncate(len));
            }
            8 => drop(self.wire[0].pop_front()),
            9 => {
                if let Some(first) = self.wire[0].pop_front() {
                    self.wire[0].push_back(first);
                }
            }
            10 => self.deliver(stranger(), |_| {}),
            11 => {
                let step = body.iter().take(4).fold(0u64, |sum, octet| sum * 16 + u64::from(*octet)).min(30_000);
                self.now += Duration::from_millis(step);
            }
            // Both have something to say, once they may.
            12 => {
                for n in 0..2 {
                    let (lease, digits) = (self.leases[n].id, "1".into());
                    self.engines[n].command(Command::Dial { lease, digits }, self.now);
                }
            }
            _ => {}
        }
        self.tick();
    }

    /// A question of ICE, whose first octet says what is in it, and whose rest are further attributes as they are.
    fn check(&mut self, body: &[u8], change: Option<(u8, u8)>) {
        let (flags, rest) = body.split_first().map_or((0, body), |(flags, rest)| (*flags, rest));
        let from = if flags & 1 == 0 { address(1) } else { address(9) };
        self.asked = self.asked.wrapping_add(1);
        let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, self.asked];
        put(&mut message, 6, if flags & 2 == 0 { b"ours:them" } else { b"ours:else" });
        put(&mut message, 0x24, &[0x6e, 0, 1, 0xff]);
        if flags & 4 != 0 {
            put(&mut message, 0x25, &[]);
        }
        if flags & 8 != 0 {
            put(&mut message, 0x8029, &[9; 8]);
        }
        message.extend(rest.iter().take(rest.len() / 4 * 4));
        set_len(&mut message, 24);
        let password = if flags & 16 == 0 { PASSWORD } else { "guessed" };
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let code = hmac::sign(&key, &message);
        put(&mut message, 8, code.as_ref());
        set_len(&mut message, 8);
        let sum = fingerprint(&message);
        put(&mut message, 0x8028, &sum);
        match change {
            Some((at, with)) => {
                let at = usize::from(at) % message.len();
                message[at] ^= with;
            }
            // Attributes of the fuzzer's may spoil it: then it is one more from where nothing has to be sent.
            None if flags & 18 == 0 => self.checked.push(from),
            None => {}
        }
        self.arrive(from, message);
    }

    fn deliver(&mut self, from: SocketAddr, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(mut packet) = self.wire[0].pop_front() {
            change(&mut packet);
            self.arrive(from, packet);
        }
    }

    fn arrive(&mut self, from: SocketAddr, packet: Vec<u8>) {
        self.receive(0, from, packet);
    }

    fn receive(&mut self, to: usize, from: SocketAddr, packet: Vec<u8>) {
        let (len, mut buffer) = (packet.len(), packet);
        buffer.resize(MOST + TAG_ROOM, 0);
        let passed = self.engines[to].receive(0, false, from, &mut buffer, len, self.now);
        assert!(passed.is_none(), "there is nobody to pass it on to");
    }

    /// What is due, and what of ours the peer hears at once.
    fn tick(&mut self) {
        for _ in 0..4 {
            for n in 0..2 {
                let (mut sent, before) = (Vec::new(), self.facts(n).suite);
                self.engines[n].tick(self.now, &mut |transmit, bytes| sent.push((transmit.to, bytes.to_vec())));
                // A handshake that nobody confirmed ends with its time, keys and all: behind what was said under them.
                let keyed = !before.is_empty() || !self.facts(n).suite.is_empty();
                for (to, bytes) in sent {
                    let is_media = bytes.first().is_some_and(|octet| octet >> 6 == 2);
                    assert!(!is_media || keyed, "media ahead of keys");
                    assert!(n == 1 || self.checked.contains(&to), "{to} has not proved to be the peer");
                    if to == address(1 - n as u8) {
                        self.wire[1 - n].push_back(bytes);
                    }
                }
            }
            while let Some(packet) = self.wire[1].pop_front() {
                self.receive(1, address(0), packet);
            }
            // What the peer has said of media comes as it is; of the rest the story tells.
            let said = std::mem::take(&mut self.wire[0]);
            for packet in said {
                match packet.first().is_some_and(|octet| octet >> 6 == 2) {
                    true => self.arrive(address(1), packet),
                    false if self.wire[0].len() < 64 => self.wire[0].push_back(packet),
                    false => {}
                }
            }
        }
    }

    fn end(mut self) -> bool {
        let facts = [0, 1].map(|n| self.facts(n));
        for facts in &facts {
            assert_eq!((facts.tx.clear, facts.rx.clear), (0, 0), "in clear");
            assert!(facts.tx.protected == 0 || facts.keying == "DTLS-SRTP");
        }
        facts.iter().all(|facts| !facts.suite.is_empty())
    }

    fn facts(&mut self, n: usize) -> Facts {
        while self.engines[n].poll().is_some() {}
        self.engines[n].command(Command::Report { lease: self.leases[n].id }, self.now);
        match self.engines[n].poll() {
            Some(Event::Facts { facts, .. }) => *facts,
            other => panic!("facts, not {other:?}"),
        }
    }
}

/// Behind the message's own length; `rest` is still to come.
fn set_len(message: &mut [u8], rest: usize) {
    let len = (message.len() - 20 + rest) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
}

fn put(message: &mut Vec<u8>, code: u16, value: &[u8]) {
    message.extend(code.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// RFC 8489 §14.7.
fn fingerprint(message: &[u8]) -> [u8; 4] {
    let sum = message.iter().fold(u32::MAX, |sum, octet| {
        (0..8).fold(sum ^ u32::from(*octet), |sum, _| sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    });
    (!sum ^ 0x5354_554e).to_be_bytes()
}

fn identity() -> Identity {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let certificate = rcgen::CertificateParams::new(Vec::new()).expect("no names").self_signed(&key).expect("signed");
    // Only differences count, so any moment is the first.
    #[allow(clippy::disallowed_methods, reason = "there is no other way to have one; the fuzz target has no such rule")]
    let epoch = std::time::Instant::now();
    Identity::new(certificate.der().to_vec(), key.serialize_der(), epoch).expect("an identity")
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last + 1], 4000))
}

fn stranger() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 66], 6666))
}
