//! Two streams bridged: SRTP to RTP and back, one run of packets for each receiver whoever speaks.

use std::collections::BTreeSet;

use media::rtp::Header;
use sdp::{Codec, Policy, Suite};

use crate::rig::{End, Rig, Tapped, find, ms, plain, secure};

/// Engine 0 is the carrier, 1 the border with two ends, 2 the inside.
struct Border {
    rig: Rig,
    carrier: End,
    outer: End,
    inner: End,
    inside: End,
}

fn border(outer: &Policy, inner: &Policy) -> Border {
    let mut rig = Rig::new(3);
    let (carrier, a, b, inside) = (rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2));
    rig.connect(carrier, a, outer);
    rig.connect(b, inside, inner);
    rig.bridge(a, b);
    Border { rig, carrier, outer: a, inner: b, inside }
}

fn rtp(tapped: &[Tapped], to: End) -> Vec<(Header, Vec<u8>)> {
    let sent = tapped.iter().filter(|t| t.to == to.lease.addr);
    sent.map(|t| (Header::parse(&t.bytes).unwrap(), t.bytes.clone())).collect()
}

#[test]
fn both_hear_each_other_exactly() {
    let srtp = Suite::ALL.map(secure);
    let mut pairs: Vec<(Policy, Policy)> = srtp.iter().map(|inner| (plain(), inner.clone())).collect();
    pairs.push((srtp[0].clone(), srtp[2].clone()));
    pairs.push((srtp[3].clone(), srtp[1].clone()));
    pairs.push((plain(), plain()));
    for (outer, inner) in pairs {
        let Border { mut rig, carrier, outer: a, inner: b, inside } = border(&outer, &inner);
        rig.record(carrier);
        rig.record(inside);
        rig.record(b);
        rig.play(carrier, "caller", false);
        rig.play(inside, "agent", false);
        rig.run(ms(9000));
        let prompt = |name| rig.prompts.samples(name, Codec::Pcmu).unwrap();
        let (caller, agent) = (prompt("caller"), prompt("agent"));
        let facts = rig.facts(a);
        assert_eq!((facts.lost, facts.auth_failed, facts.rx.octets), (0, 0, facts.tx.octets));
        assert_eq!(find(&rig.close(carrier).0, &agent), Some(160), "20 ms for two ways");
        assert_eq!(find(&rig.close(inside).0, &caller), Some(160));
        let (heard, said, _) = rig.close(b);
        assert_eq!((find(&heard, &agent), find(&said, &caller)), (Some(80), Some(80)));
    }
}

#[test]
fn the_receiver_sees_one_stream_across_prompt_browser_and_agent() {
    let Border { mut rig, carrier, outer, inner, inside } = border(&plain(), &secure(Suite::AesCm128HmacSha1_80));
    rig.record(carrier);
    rig.play(outer, "ringback", true); // ahead of the relay while it lasts
    rig.play(inside, "moh", true);
    rig.run(ms(500));
    rig.tell(outer, |lease| media::Command::Silence { lease });
    rig.run(ms(500));
    // The agent: another engine's end, other keys, another SSRC; the same slot at the border.
    let agent = rig.lend(0);
    let (at_inner, at_agent) = rig.agree(inner, agent, &secure(Suite::AeadAes256Gcm));
    rig.set(inner, at_inner);
    rig.set(agent, at_agent);
    rig.play(agent, "agent", true);
    rig.run(ms(1000));

    let sent = rtp(&rig.tapped, carrier);
    let ssrcs: BTreeSet<u32> = sent.iter().map(|(header, _)| header.ssrc).collect();
    assert_eq!(ssrcs.len(), 1);
    for pair in sent.windows(2) {
        assert_eq!(pair[1].0.sequence, pair[0].0.sequence.wrapping_add(1));
        let step = pair[1].0.timestamp.wrapping_sub(pair[0].0.timestamp);
        assert!((80..=480).contains(&step), "{step}");
    }
    let begins = sent.iter().filter(|(header, _)| header.marker).count();
    assert_eq!(begins, 3, "ringback, browser, agent");
    let facts = rig.facts(carrier);
    assert_eq!((facts.lost, facts.reordered), (0, 0));
    assert_eq!(rig.facts(inner).rekeyed, 1);
    let agent_speech = rig.prompts.samples("agent", Codec::Pcmu).unwrap();
    let (heard, ..) = rig.close(carrier);
    assert!(find(&heard, &agent_speech[..6000]).is_some());
}

#[test]
fn one_law_is_turned_into_the_other() {
    let a_law = Policy { codecs: vec![Codec::Pcma], ..plain() };
    let Border { mut rig, carrier, inside, .. } = border(&a_law, &secure(Suite::AeadAes128Gcm));
    rig.record(inside);
    rig.play(carrier, "caller", false);
    rig.run(ms(9000));
    let said = rig.prompts.samples("caller", Codec::Pcma).unwrap();
    let (heard, ..) = rig.close(inside);
    let worst =
        said.iter().zip(&heard[160..]).map(|(x, y)| i32::from(x.abs_diff(*y)) - i32::from(x.unsigned_abs() / 16)).max();
    assert!(worst.unwrap() <= 32, "{worst:?}");
}

#[test]
fn loss_and_order_pass_through() {
    let Border { mut rig, carrier, inside, .. } = border(&plain(), &secure(Suite::AesCm128HmacSha1_80));
    let from = carrier.lease.addr;
    let mut count = 0;
    rig.lose = Box::new(move |t| {
        count += u32::from(t.from == from);
        t.from == from && count % 25 == 7
    });
    rig.play(carrier, "moh", true);
    rig.run(ms(10_000));
    assert_eq!(rig.facts(inside).lost, 20);
}

/// The outside may repeat sequence numbers with other payloads as it likes: inside, no index is ever used twice, because
/// that would be one keystream over two payloads.
#[test]
fn no_keystream_twice_whatever_the_outside_sends() {
    for suite in Suite::ALL {
        let Border { mut rig, carrier, outer, inside, .. } = border(&plain(), &secure(suite));
        for (n, sequence) in [1u16, 2, 2, 1, 5, 3, 3, 40_000, 2, 40_000, 1, 65_535, 0, 65_535].into_iter().enumerate() {
            let header = Header {
                marker: false,
                payload_type: 0,
                sequence,
                timestamp: u32::from(sequence) * 160,
                ssrc: 77 + n as u32 / 12,
                padding: false,
                len: 12,
            };
            let mut packet = vec![n as u8; 172];
            header.write(&mut packet).unwrap();
            rig.inject(carrier.lease.addr, outer.lease.addr, packet);
            rig.run(ms(20));
        }
        rig.run(ms(100));
        let sent = rtp(&rig.tapped, inside);
        let indices: BTreeSet<(u32, u16)> = sent.iter().map(|(header, _)| (header.ssrc, header.sequence)).collect();
        assert!(sent.len() >= 6 && indices.len() == sent.len(), "{suite}: {} of {}", indices.len(), sent.len());
        let facts = rig.facts(inside);
        assert_eq!((facts.auth_failed, facts.replayed), (0, 0));
    }
}

#[test]
fn header_extensions_sources_and_padding_stay_on_their_hop() {
    let Border { mut rig, carrier, outer, inside, .. } = border(&plain(), &secure(Suite::AeadAes128Gcm));
    let mut packet = vec![0xb1, 0x80, 0, 9, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 1, 2, 3, 4];
    packet.extend([0x11; 160]);
    packet.extend([0, 0, 0, 4]);
    rig.record(inside);
    rig.inject(carrier.lease.addr, outer.lease.addr, packet);
    rig.run(ms(100));
    let sent = rtp(&rig.tapped, inside);
    assert_eq!((sent.len(), sent[0].1.len(), sent[0].1[0]), (1, 12 + 160 + 16, 0x80));
    assert_eq!(rig.facts(inside).rx.octets, 160);
}

#[test]
fn unbridged_ends_hear_nothing_of_each_other() {
    let Border { mut rig, carrier, outer, inside, .. } = border(&plain(), &plain());
    rig.play(carrier, "caller", true);
    rig.run(ms(500));
    let before = rig.facts(inside).rx.clear;
    assert!(before > 20);
    rig.tell(outer, |lease| media::Command::Unbridge { lease });
    rig.run(ms(500));
    assert!(rig.facts(inside).rx.clear <= before + 1);
}
