//! Anything may arrive, in any order, and nothing breaks.

use media::{Command, Latch, TAG_ROOM};
use proptest::prelude::*;
use sdp::Suite;

use crate::rig::{Rig, address, find, ms, plain, secure};

fn packet() -> impl Strategy<Value = Vec<u8>> {
    let rtp_like =
        (any::<[u8; 12]>(), proptest::collection::vec(any::<u8>(), 0..200)).prop_map(|(mut header, body)| {
            header[0] = 0x80 | header[0] & 0x3f;
            header[1] &= 0x8f;
            [header.to_vec(), body].concat()
        });
    let rtcp_like = (0u8..32, 192u8..=223, proptest::collection::vec(any::<u8>(), 0..120))
        .prop_map(|(count, kind, body)| [vec![0x80 | count, kind, 0, (body.len() / 4) as u8], body].concat());
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..1500), rtp_like, rtcp_like]
}

#[derive(Clone, Debug)]
enum Act {
    Packet { slot: u16, rtcp: bool, foreign: bool, bytes: Vec<u8> },
    Mutated { nth: usize, at: usize, with: u8 },
    Run(u64),
    Rekey(usize),
    Play(usize, bool),
    Dial(usize, String),
    Bridge(usize, usize),
    Unbridge(usize),
    Record(usize),
    Close(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0u16..10, any::<bool>(), any::<bool>(), packet())
            .prop_map(|(slot, rtcp, foreign, bytes)| Act::Packet { slot, rtcp, foreign, bytes }),
        4 => (any::<usize>(), any::<usize>(), any::<u8>()).prop_map(|(nth, at, with)| Act::Mutated { nth, at, with }),
        4 => (1u64..400).prop_map(Act::Run),
        1 => (0usize..4).prop_map(Act::Rekey),
        1 => (0usize..4, any::<bool>()).prop_map(|(end, repeat)| Act::Play(end, repeat)),
        1 => (0usize..4, "[0-9A-D*#x]{0,5}").prop_map(|(end, digits)| Act::Dial(end, digits)),
        1 => (0usize..4, 0usize..4).prop_map(|(a, b)| Act::Bridge(a, b)),
        1 => (0usize..4).prop_map(Act::Unbridge),
        1 => (0usize..4).prop_map(Act::Record),
        1 => (0usize..4).prop_map(Act::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_breaks_and_nothing_forged_is_heard(acts in proptest::collection::vec(act(), 1..60)) {
        let mut rig = Rig::new(2);
        let ends = [rig.lend(0), rig.lend(1), rig.lend(0), rig.lend(1)];
        rig.connect(ends[0], ends[1], &secure(Suite::AeadAes128Gcm));
        rig.connect(ends[2], ends[3], &plain());
        for act in acts {
            match act {
                Act::Packet { slot, rtcp, foreign, mut bytes } => {
                    let len = bytes.len();
                    bytes.resize(len + TAG_ROOM, 0);
                    let from = if foreign { address(7, slot, rtcp) } else { address(1, 0, rtcp) };
                    let before = rig.facts_or_default(ends[0]).rx;
                    rig.engines[0].receive(slot, rtcp, from, &mut bytes, len, rig.now);
                    prop_assert_eq!(rig.facts_or_default(ends[0]).rx, before, "a forgery was heard");
                }
                Act::Mutated { nth, at, with } => {
                    if let Some(mut t) = rig.tapped.get(nth % rig.tapped.len().max(1)).cloned() {
                        let at = at % t.bytes.len();
                        t.bytes[at] ^= with;
                        rig.inject(t.from, t.to, t.bytes);
                    }
                }
                Act::Run(time) => rig.run(ms(time)),
                Act::Rekey(n) => {
                    let (a, b) = (ends[n], ends[n ^ 1]);
                    let policy = if n < 2 { secure(Suite::ALL[n * 2]) } else { plain() };
                    let (at_a, at_b) = rig.agree(a, b, &policy);
                    rig.set_latched(a, at_a, if n % 2 == 0 { Latch::Never } else { Latch::FirstAuthentic });
                    rig.set(b, at_b);
                }
                Act::Play(n, repeat) => rig.play(ends[n], "invalid", repeat),
                Act::Dial(n, digits) => rig.tell(ends[n], |lease| Command::Dial { lease, digits }),
                Act::Bridge(a, b) => rig.bridge(ends[a], ends[b]),
                Act::Unbridge(n) => rig.tell(ends[n], |lease| Command::Unbridge { lease }),
                Act::Record(n) => rig.record(ends[n]),
                Act::Close(n) => rig.tell(ends[n], |lease| Command::Close { lease }),
            }
        }
        rig.run(ms(1000));
        for end in &ends[..2] {
            let facts = rig.facts_or_default(*end);
            prop_assert_eq!((facts.tx.clear, facts.rx.clear), (0, 0));
        }
    }
}

/// What an attacker may send at an open port: noise, pieces of packets, packets that were sent before, sources that are
/// none; from anywhere and from the peer's own address. `HOSTILE_PACKETS` says how many, 200,000 unless it is there.
#[test]
#[allow(clippy::disallowed_methods)] // the number is read from the environment
fn a_flood_at_open_ports_does_not_touch_the_call_that_is_up() {
    let flood: u64 = std::env::var("HOSTILE_PACKETS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000);
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &secure(Suite::AesCm128HmacSha1_80));
    rig.record(b);
    rig.play(a, "moh", true);
    rig.run(ms(500));
    rig.tap = false;
    let mut dice = 7u64;
    let mut roll = move |below: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % below
    };
    let (mut taken, turns) = (0, flood / 500);
    for _ in 0..turns {
        for _ in 0..500 {
            let seen = rig.tapped[roll(rig.tapped.len())].bytes.clone();
            let bytes = match roll(5) {
                0 => (0..roll(300)).map(|_| roll(256) as u8).collect(),
                1 => seen[..roll(seen.len())].to_vec(),
                2 => seen,
                3 => {
                    let mut spoofed = seen;
                    let at = 8 + roll(4);
                    spoofed[at] ^= 1 + roll(255) as u8;
                    spoofed
                }
                _ => {
                    let mut ahead = seen;
                    let sequence = u16::from_be_bytes([ahead[2], ahead[3]]).wrapping_add(roll(2000) as u16);
                    ahead[2..4].copy_from_slice(&sequence.to_be_bytes());
                    ahead
                }
            };
            let rtcp = roll(8) == 0;
            let from = if roll(2) == 0 { address(0, a.lease.id.slot, rtcp) } else { address(9, roll(8) as u16, rtcp) };
            let len = bytes.len();
            let mut buffer = bytes;
            buffer.resize(len + TAG_ROOM, 0);
            let out = rig.engines[1].receive(b.lease.id.slot, rtcp, from, &mut buffer, len, rig.now);
            taken += u64::from(out.is_some());
        }
        rig.run(ms(20));
    }
    rig.run(ms(500));
    let facts = rig.facts(b);
    let said = rig.facts(a).tx.protected;
    assert_eq!((taken, facts.rx.clear, facts.lost, facts.reordered), (0, 0, 0, 0));
    assert_eq!(facts.remote, Some(a.lease.addr));
    assert!(facts.rx.protected + 1 >= said && facts.rx.protected <= said, "{} of {said}", facts.rx.protected);
    let refused = facts.auth_failed + facts.replayed + facts.clear_dropped + facts.foreign_source;
    assert!(refused > turns * 500 / 2, "{refused} of {flood} were counted");
    // What was heard is what was said, from the first packet to the last.
    let heard = rig.close(b).0;
    let music = rig.prompts.samples("moh", sdp::Codec::Pcmu).unwrap();
    let from = find(&heard, &music[..160]).expect("the music's begin");
    let whole = heard[from..].iter().zip(music.iter().cycle());
    assert!(whole.take(said as usize * 160 - 1600).all(|(heard, said)| heard == said), "the music is damaged");
}
