//! What a packet costs: nanoseconds to protect and to open one of 172 octets, by suite, and a relayed packet through the
//! engine. `cargo run --release -p media --example srtp_cost`

#![allow(clippy::disallowed_methods)] // a measurement reads the clock; the engine itself does not

use std::time::{Duration, Instant};

use media::rtp::Header;
use media::srtp::{Inbound, Outbound};
use media::{Command, Engine, Latch, Prompts, TAG_ROOM};
use sdp::{Codec, Direction, Keying, MasterKey, Negotiated, Suite};

const PACKETS: u32 = 400_000;
/// Packets that stay in the cache together, as a media thread's do. Two figures are told: the median of all
/// batches, and their fastest tenth, when the machine had least else to do.
const BATCH: u32 = 64;

fn main() {
    println!("{:<26}{:>14}{:>14}", "suite", "protect ns", "open ns");
    for suite in Suite::ALL {
        let (protect, open) = round(suite);
        println!("{:<26}{protect:>14}{open:>14}", suite.name());
    }
    for (a, b) in [(None, Some(Suite::AesCm128HmacSha1_80)), (Some(Suite::AeadAes256Gcm), Some(Suite::AeadAes256Gcm))] {
        let cost = relay(a, b);
        let name = |suite: Option<Suite>| suite.map_or("clear", Suite::name);
        println!("engine, {} to {}: {cost} ns", name(a), name(b));
    }
}

fn key(suite: Suite) -> MasterKey {
    let (key, salt) = suite.key_salt_len();
    MasterKey::new(vec![7; key + salt])
}

fn header(n: u32, ssrc: u32) -> Header {
    let timestamp = n.wrapping_mul(160);
    Header { marker: false, payload_type: 0, sequence: n as u16, timestamp, ssrc, padding: false, len: 12 }
}

/// Nanoseconds a packet to protect, and to open.
fn round(suite: Suite) -> (Spent, Spent) {
    let mut out = Outbound::new(suite, &key(suite), 1).expect("the suite's own length");
    let mut inbound = Inbound::new(suite, &key(suite)).expect("the suite's own length");
    let mut packets = vec![([0u8; 172 + TAG_ROOM], 0); BATCH as usize];
    let (mut protect, mut open) = (Vec::new(), Vec::new());
    for batch in 0..PACKETS / BATCH {
        for (n, (packet, _)) in (batch * BATCH..).zip(&mut packets) {
            header(n, 1).write(packet).expect("room");
        }
        let begun = Instant::now();
        for (packet, len) in &mut packets {
            *len = out.seal(packet, 172).expect("a fresh index");
        }
        protect.push(begun.elapsed());
        let begun = Instant::now();
        for (packet, len) in &mut packets {
            inbound.open(packet, *len).expect("authentic");
        }
        open.push(begun.elapsed());
    }
    (Spent::of(protect), Spent::of(open))
}

/// A packet's share of a batch's time, in nanoseconds.
struct Spent {
    fastest: f64,
    median: f64,
}

impl Spent {
    fn of(mut batches: Vec<Duration>) -> Spent {
        batches.sort_unstable();
        let at = |n: usize| batches[n].as_nanos() as f64 / f64::from(BATCH);
        Spent { fastest: at(batches.len() / 10), median: at(batches.len() / 2) }
    }
}

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{:.0} ({:.0})", self.fastest, self.median))
    }
}

/// One packet in at one leg and out at the other.
fn relay(from: Option<Suite>, to: Option<Suite>) -> Spent {
    let mut engine = Engine::new(0, [1; 32], Prompts::default().into());
    let agreed = |suite: Option<Suite>, remote: &str| Negotiated {
        remote: remote.parse().expect("an address"),
        remote_rtcp: remote.parse().expect("an address"),
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: Some(101),
        direction: Direction::SendRecv,
        ptime_ms: 20,
        opus: sdp::OpusTerms::default(),
        keying: suite.map_or(Keying::Clear, |suite| Keying::Sdes {
            suite,
            tag: 1,
            local: key(suite),
            remote: key(suite),
        }),
    };
    let zero = Duration::ZERO;
    let ends: Vec<_> = (0u16..2)
        .map(|slot| {
            engine.add_slot(slot, ([127, 0, 0, 1], 4000 + slot * 2).into());
            engine.lend([127, 0, 0, 1].into(), 1, zero)[0].id
        })
        .collect();
    for (lease, suite, remote) in [(ends[0], from, "127.0.0.2:4000"), (ends[1], to, "127.0.0.3:4000")] {
        let negotiated = Box::new(agreed(suite, remote));
        engine.command(Command::Set { lease, negotiated, latch: Latch::Never }, zero);
    }
    engine.command(Command::Bridge { a: ends[0], b: ends[1] }, zero);
    let mut source = from.map(|suite| Outbound::new(suite, &key(suite), 9).expect("the suite's own length"));
    let remote = "127.0.0.2:4000".parse().expect("an address");
    let mut spent = Vec::new();
    let mut packets = vec![([0u8; 172 + 2 * TAG_ROOM], 0); BATCH as usize];
    for batch in 0..PACKETS / BATCH {
        for (n, (packet, len)) in (batch * BATCH..).zip(&mut packets) {
            header(n, 9).write(packet).expect("room");
            *len = source.as_mut().map_or(172, |source| source.seal(packet, 172).expect("a fresh index"));
        }
        let begun = Instant::now();
        for (n, (packet, len)) in (batch * BATCH..).zip(&mut packets) {
            let now = Duration::from_millis(u64::from(n) * 20);
            assert!(engine.receive(0, false, remote, packet, *len, now).is_some());
        }
        spent.push(begun.elapsed());
    }
    Spent::of(spent)
}
