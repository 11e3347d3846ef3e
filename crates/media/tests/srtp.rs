//! SRTP contexts as two ends use them: rollover, replay, reordering, wrong keys, re-keying.

use media::rtp::Header;
use media::srtp::{Failure, Inbound, Outbound};
use sdp::{MasterKey, Suite};

const SSRC: u32 = 0xcafe_babe;

fn key(suite: Suite, fill: u8) -> MasterKey {
    let (key, salt) = suite.key_salt_len();
    MasterKey::new((0..key + salt).map(|n| n as u8 ^ fill).collect())
}

fn pair(suite: Suite) -> (Outbound, Inbound) {
    (Outbound::new(suite, &key(suite, 1), SSRC).unwrap(), Inbound::new(suite, &key(suite, 1)).unwrap())
}

fn clear(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x55; 172];
    let header = Header {
        marker: false,
        payload_type: 0,
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: SSRC,
        padding: false,
        len: 12,
    };
    header.write(&mut packet).unwrap();
    packet
}

fn sealed(out: &mut Outbound, sequence: u16) -> Vec<u8> {
    let mut packet = clear(sequence);
    packet.resize(172 + media::TAG_ROOM, 0);
    let len = out.seal(&mut packet, 172).unwrap();
    packet.truncate(len);
    packet
}

fn open(inbound: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut packet = packet.to_vec();
    let len = packet.len();
    let len = inbound.open(&mut packet, len)?;
    packet.truncate(len);
    Ok(packet)
}

fn hex(text: &str) -> Vec<u8> {
    let octet = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(octet).collect()
}

/// What libsrtp 2 (through pylibsrtp 1.0) made of the key 0, 1, 2 …: the packet behind the first rollover, and the first
/// two RTCP compounds.
#[test]
fn libsrtp_protects_the_same() {
    let cases = [
        (
            Suite::AesCm128HmacSha1_80,
            "8000000000000000cafebabe1940c3c1affb99cd793a77a46d5ef54ee42639b21c71fecf1bb41cde4cd8",
            "80c90001cafebabe07aa7a0a9636901d8000000182a790798b888260ffac",
            "80c90001cafebabebbe191d91a89fbdd800000028b07e253eae62e9bd4b2",
        ),
        (
            Suite::AesCm128HmacSha1_32,
            "8000000000000000cafebabe1940c3c1affb99cd793a77a46d5ef54ee42639b21c71fecf",
            "80c90001cafebabe07aa7a0a9636901d8000000182a790798b888260ffac",
            "80c90001cafebabebbe191d91a89fbdd800000028b07e253eae62e9bd4b2",
        ),
        (
            Suite::AeadAes128Gcm,
            "8000000000000000cafebabe0acec46430c1fc07e8b186523381e1d15a6fe80d854e4ffef1280dbe78045998309c6a77",
            "80c90001cafebabe4ad727131055f535ce2527814eaf0413b74a779217c7ec3780000001",
            "80c90001cafebabe48352e4bff9f6843c5719fb178ef24a5e2e2fa4da77bdb0380000002",
        ),
        (
            Suite::AeadAes256Gcm,
            "8000000000000000cafebabe7f1c29d90fe29c2e86d56b39ee47f89d43a5cffef84759197ebc1573fe7c2d9bcb45803a",
            "80c90001cafebabe38b43d64009194f28a2465faaf441464dbd0012370aa4cdf80000001",
            "80c90001cafebabe7200282157eb253076fd85563fd8bbba9151b814c1cc585b80000002",
        ),
    ];
    for (suite, rtp, first, second) in cases {
        let mut out = Outbound::new(suite, &key(suite, 0), SSRC).unwrap();
        let mut inbound = Inbound::new(suite, &key(suite, 0)).unwrap();
        for (sequence, expected) in [(65_535, None), (0, Some(rtp))] {
            let mut packet = clear(sequence)[..32].to_vec();
            packet[4..8].copy_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
            packet.resize(32 + media::TAG_ROOM, 0);
            let len = out.seal(&mut packet, 32).unwrap();
            assert!(expected.is_none_or(|expected| packet[..len] == hex(expected)), "{suite}");
            assert_eq!(inbound.open(&mut packet, len), Ok(32));
        }
        for expected in [first, second] {
            let mut packet = hex("80c90001cafebabe81ca0001cafebabe");
            packet.resize(16 + media::TAG_ROOM, 0);
            let len = out.seal_rtcp(&mut packet, 16).unwrap();
            assert_eq!(packet[..len], hex(expected), "{suite}");
            assert_eq!(inbound.open_rtcp(&mut packet, len), Ok(16));
        }
    }
}

/// A packet that libsrtp's own test suite has carried for twenty years.
#[test]
fn a_known_packet_of_aes_cm_80() {
    let master = MasterKey::new(hex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6"));
    let mut out = Outbound::new(Suite::AesCm128HmacSha1_80, &master, SSRC).unwrap();
    let mut packet = hex("800f1234decafbadcafebabeabababababababababababababababab");
    packet.resize(28 + 10, 0);
    assert_eq!(out.seal(&mut packet, 28), Ok(38));
    assert_eq!(packet, hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"));
}

#[test]
fn tags_are_as_long_as_their_suite_says() {
    for (suite, tag) in Suite::ALL.into_iter().zip([16, 16, 10, 10, 10, 4, 4, 4]) {
        let (mut out, mut inbound) = pair(suite);
        let packet = sealed(&mut out, 7);
        assert_eq!(packet.len(), 172 + tag);
        assert_ne!(packet[12..172], clear(7)[12..]);
        assert_eq!(open(&mut inbound, &packet), Ok(clear(7)));
    }
}

#[test]
fn the_counter_rolls_over_without_a_gap() {
    for suite in Suite::ALL {
        let (mut out, mut inbound) = pair(suite);
        for n in 65_500u32..65_536 * 2 + 50 {
            let packet = sealed(&mut out, n as u16);
            // Every 7th is lost, but the rollover is kept.
            if n % 7 != 0 {
                assert_eq!(open(&mut inbound, &packet), Ok(clear(n as u16)), "{suite} {n}");
            }
        }
    }
}

#[test]
fn reordering_across_the_rollover_is_taken() {
    let (mut out, mut inbound) = pair(Suite::AesCm128HmacSha1_80);
    let packets: Vec<Vec<u8>> = (65_530u32..65_545).map(|n| sealed(&mut out, n as u16)).collect();
    for at in [0, 1, 8, 4, 7, 2, 14, 3, 5, 6, 13, 12, 9, 11, 10] {
        assert!(open(&mut inbound, &packets[at]).is_ok(), "{at}");
    }
    for packet in &packets {
        assert_eq!(open(&mut inbound, packet), Err(Failure::Replayed));
    }
}

#[test]
fn the_window_is_128_packets() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm] {
        let (mut out, mut inbound) = pair(suite);
        let packets: Vec<Vec<u8>> = (1000..1300).map(|n| sealed(&mut out, n)).collect();
        assert!(open(&mut inbound, &packets[0]).is_ok());
        assert!(open(&mut inbound, &packets[200]).is_ok());
        assert_eq!(open(&mut inbound, &packets[200 - 128]), Err(Failure::TooOld));
        assert!(open(&mut inbound, &packets[200 - 127]).is_ok());
        assert_eq!(open(&mut inbound, &packets[200 - 127]), Err(Failure::Replayed));
        assert_eq!(open(&mut inbound, &packets[0]), Err(Failure::TooOld));
    }
}

#[test]
fn every_changed_octet_is_noticed_and_moves_nothing() {
    for suite in Suite::ALL {
        let (mut out, mut inbound) = pair(suite);
        let packet = sealed(&mut out, 9);
        for at in 0..packet.len() {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            assert!(open(&mut inbound, &changed).is_err(), "{suite} {at}");
        }
        for len in 0..packet.len() {
            assert!(open(&mut inbound, &packet[..len]).is_err(), "{suite} {len}");
        }
        assert_eq!(open(&mut inbound, &packet), Ok(clear(9)), "a forgery must not use the index up");
    }
}

#[test]
fn another_key_opens_nothing() {
    for suite in Suite::ALL {
        let (mut out, _) = pair(suite);
        let mut other = Inbound::new(suite, &key(suite, 2)).unwrap();
        assert_eq!(open(&mut other, &sealed(&mut out, 9)), Err(Failure::Authentication));
    }
    assert!(Inbound::new(Suite::AeadAes256Gcm, &key(Suite::AeadAes128Gcm, 1)).is_err());
}

#[test]
fn an_index_is_never_used_twice() {
    for suite in Suite::ALL {
        let (mut out, _) = pair(suite);
        for n in [10, 12, 11, 65_535u16] {
            let mut packet = clear(n);
            packet.resize(172 + media::TAG_ROOM, 0);
            let first = out.seal(&mut packet, 172);
            // 65,535 is behind 12 by more than half: it would be an index before the stream's begin.
            assert_eq!(first.is_ok(), n != 65_535, "{n}");
            assert_eq!(out.seal(&mut packet, 172), Err(Failure::IndexReused), "{n}");
        }
        let mut foreign = clear(13);
        foreign[8] ^= 1;
        foreign.resize(172 + media::TAG_ROOM, 0);
        assert_eq!(out.seal(&mut foreign, 172), Err(Failure::Malformed));
        assert_eq!(out.seal(&mut clear(14), 172), Err(Failure::Malformed), "no room for the tag");
        assert!(out.seal(&mut [clear(14), vec![0; 16]].concat(), 172).is_ok(), "and the index not spent");
    }
}

/// A sender that goes on with its counter, and one that begins again at zero, both after 65,536 packets and more.
#[test]
fn the_next_key_finds_the_counter_either_way() {
    for suite in Suite::ALL {
        let (mut out, mut before) = pair(suite);
        for n in 0..65_600u32 {
            let packet = sealed(&mut out, n as u16);
            open(&mut before, &packet).unwrap();
        }
        let next = key(suite, 3);
        let mut begun_again = Outbound::new(suite, &next, SSRC).unwrap();
        let mut inbound = Inbound::rekeyed(suite, &next, &before).unwrap();
        assert_eq!(open(&mut inbound, &sealed(&mut out, 64)), Err(Failure::Authentication), "the key before");
        for n in 64..200 {
            let packet = sealed(&mut begun_again, n);
            assert_eq!(open(&mut inbound, &packet), Ok(clear(n)), "{suite} {n}");
            assert_eq!(open(&mut inbound, &packet), Err(Failure::Replayed));
        }

        let mut going_on = Outbound::new(suite, &next, SSRC).unwrap();
        for n in 0..65_600u32 {
            sealed(&mut going_on, n as u16);
        }
        let mut inbound = Inbound::rekeyed(suite, &next, &before).unwrap();
        for n in 64..200 {
            assert_eq!(open(&mut inbound, &sealed(&mut going_on, n)), Ok(clear(n)), "{suite} {n}");
        }
    }
}

/// RFC 3711 §9.2: what comes after is not taken, however authentic; the same key said anew goes on with its window.
#[test]
fn a_key_ends_with_its_lifetime() {
    for suite in Suite::ALL {
        let mut out = Outbound::new(suite, &key(suite, 1), SSRC).unwrap();
        let mut inbound = Inbound::new(suite, &key(suite, 1).lasting(Some(3))).unwrap();
        let packets: Vec<Vec<u8>> = (0..6).map(|n| sealed(&mut out, n)).collect();
        for (n, packet) in packets.iter().enumerate() {
            assert_eq!(open(&mut inbound, packet).err(), (n >= 3).then_some(Failure::Expired), "{suite} {n}");
        }
        inbound.amend(&key(suite, 1));
        assert_eq!(open(&mut inbound, &packets[2]), Err(Failure::Replayed));
        assert_eq!(open(&mut inbound, &packets[3]), Ok(clear(3)));
    }
}

/// A long call: a fresh key and a fresh source each time on one side, one source that goes on on the other.
#[test]
fn keys_may_change_any_number_of_times() {
    let suite = Suite::AeadAes128Gcm;
    let mut fresh = Inbound::new(suite, &key(suite, 0)).unwrap();
    let mut steady = Inbound::new(suite, &key(suite, 0)).unwrap();
    for n in 1..300u32 {
        let next = key(suite, n as u8);
        for (inbound, ssrc) in [(&mut fresh, n), (&mut steady, SSRC)] {
            *inbound = Inbound::rekeyed(suite, &next, inbound).unwrap();
            // Every fifth key is never used: hold.
            if !n.is_multiple_of(5) {
                let mut out = Outbound::new(suite, &next, ssrc).unwrap();
                let mut packet = clear(n as u16);
                packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
                packet.resize(172 + media::TAG_ROOM, 0);
                let len = out.seal(&mut packet, 172).unwrap();
                assert_eq!(inbound.open(&mut packet, len), Ok(172), "{n}");
                let again = out.seal(&mut packet, 172);
                assert_eq!(again, Err(Failure::IndexReused));
            }
        }
    }
}

#[test]
fn srtcp_round_trip_replay_and_clear() {
    for suite in Suite::ALL {
        let (mut out, mut inbound) = pair(suite);
        let mut report = vec![0x80, 201, 0, 1, 0xca, 0xfe, 0xba, 0xbe];
        report.extend([0x81, 202, 0, 1, 0xca, 0xfe, 0xba, 0xbe]);
        let mut packet = report.clone();
        packet.resize(16 + media::TAG_ROOM, 0);
        let len = out.seal_rtcp(&mut packet, 16).unwrap();
        packet.truncate(len);
        assert_ne!(packet[8..16], report[8..]);
        for at in 0..len {
            let mut changed = packet.clone();
            changed[at] ^= 1;
            assert!(inbound.open_rtcp(&mut changed, len).is_err(), "{suite} {at}");
        }
        let mut opened = packet.clone();
        assert_eq!(inbound.open_rtcp(&mut opened, len), Ok(16));
        assert_eq!(opened[..16], report);
        assert_eq!(inbound.open_rtcp(&mut packet.clone(), len), Err(Failure::Replayed));
        // The flag "encrypted" taken away: never taken, whatever the tag says.
        let word = if matches!(suite, Suite::AeadAes128Gcm | Suite::AeadAes256Gcm) { len - 4 } else { 16 };
        packet[word] &= 0x7f;
        assert_eq!(inbound.open_rtcp(&mut packet, len), Err(Failure::Clear));
    }
}

#[test]
fn sources_under_one_key_are_bounded() {
    let suite = Suite::AesCm128HmacSha1_80;
    let mut inbound = Inbound::new(suite, &key(suite, 1)).unwrap();
    for ssrc in 0..70u32 {
        let mut out = Outbound::new(suite, &key(suite, 1), ssrc).unwrap();
        let mut packet = clear(1);
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        packet.resize(172 + media::TAG_ROOM, 0);
        let len = out.seal(&mut packet, 172).unwrap();
        assert_eq!(inbound.open(&mut packet, len).is_ok(), ssrc < 64);
    }
}
