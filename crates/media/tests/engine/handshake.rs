//! Streams that are keyed on their own path: nothing passes before the handshake is done with whom the description named,
//! whatever is lost of it, and everything is protected after.

use std::net::SocketAddr;

use aws_lc_rs::hmac;
use media::Event;
use sdp::{Codec, Direction, Exchange, Keying, Local, MasterKey, Policy, Protection, Suite};

use crate::rig::{End, Rig, WAY, find, ms, plain, secure};

fn dtls() -> Policy {
    Policy { codecs: vec![Codec::Pcmu], exchange: vec![Exchange::Dtls], ..Policy::new(Protection::Secure) }
}

/// Of what went over the wire: handshake, RTP or RTCP, and neither.
fn kinds(rig: &Rig) -> (usize, usize, usize) {
    let of = |range: std::ops::Range<u8>| rig.tapped.iter().filter(|t| range.contains(&t.bytes[0])).count();
    (of(20..64), of(128..192), of(0..20) + of(64..128) + of(192..255))
}

fn unkeyed(rig: &Rig) -> Vec<String> {
    let why = |(_, event): &(usize, Event)| match event {
        Event::Unkeyed { why, .. } => Some(why.clone()),
        _ => None,
    };
    rig.events.iter().filter_map(why).collect()
}

fn pair() -> (Rig, End, End) {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    rig.connect(a, b, &dtls());
    (rig, a, b)
}

#[test]
fn a_handshake_keys_both_ways_and_nothing_passes_before() {
    let (mut rig, a, b) = pair();
    rig.record(b);
    rig.play(a, "agent", false);
    rig.play(b, "caller", true);
    rig.run(ms(15));
    assert_eq!(kinds(&rig).1, 0, "not one packet without a key");
    let facts = rig.facts(a);
    assert_eq!((facts.keying.as_str(), facts.suite.as_str(), facts.tx.protected), ("DTLS-SRTP", "", 0));
    rig.run(ms(16_000));
    for end in [a, b] {
        let facts = rig.facts(end);
        assert_eq!((facts.keying.as_str(), facts.suite.as_str()), ("DTLS-SRTP", "AEAD_AES_256_GCM"));
        assert!(facts.tx.protected > 380 && facts.rx.protected > 380, "{facts:?}");
        assert_eq!((facts.tx.clear, facts.rx.clear, facts.clear_dropped, facts.auth_failed), (0, 0, 0, 0));
        assert!(facts.rtt_ms.is_some(), "reports are protected alike, on the same port");
    }
    let (_, _, neither) = kinds(&rig);
    assert_eq!(neither, 0);
    let agent = rig.prompts.samples("agent", Codec::Pcmu).unwrap();
    let (heard, ..) = rig.close(b);
    assert!(find(&heard, &agent[8000..40_000]).is_some(), "what was said after the handshake is heard");
}

#[test]
fn what_is_lost_of_a_handshake_is_said_again() {
    // Few enough that they may all be of one flight, whose sender waits twice as long each time and 20 s in all.
    for lost in [[2, 4, 6], [1, 2, 5], [3, 6, 9]] {
        let mut rig = Rig::new(2);
        let mut count = 0;
        rig.lose = Box::new(move |t| {
            let handshake = (20..64).contains(&t.bytes[0]);
            count += usize::from(handshake);
            handshake && lost.contains(&count)
        });
        let (a, b) = (rig.lend(0), rig.lend(1));
        rig.connect(a, b, &dtls());
        rig.play(a, "moh", true);
        rig.run(ms(20_000));
        assert!(rig.facts(b).rx.protected > 100, "{lost:?} lost: {:?}, {:?}", rig.facts(b), unkeyed(&rig));
        assert_eq!(unkeyed(&rig), [""; 0]);
    }
}

#[test]
fn another_certificate_than_the_descriptions_keys_nothing() {
    let mut rig = Rig::new(2);
    let (a, b) = (rig.lend(0), rig.lend(1));
    let (mut at_a, at_b) = rig.agree(a, b, &dtls());
    let Keying::Dtls(terms) = &mut at_a.keying else { panic!("{at_a:?}") };
    terms.fingerprint.digest[31] ^= 1;
    rig.set(a, at_a);
    rig.set(b, at_b);
    rig.play(a, "moh", true);
    rig.play(b, "moh", true);
    rig.run(ms(3000));
    let why = unkeyed(&rig);
    assert!(why.iter().any(|why| why.contains("certificate is not the one of its description")), "{why:?}");
    assert_eq!(kinds(&rig).1, 0, "nothing went, in clear or otherwise, from the end that was deceived or to it");
    let facts = rig.facts(a);
    assert_eq!((facts.tx.protected, facts.tx.clear, facts.rx.protected), (0, 0, 0));
    assert_eq!(facts.suite, "");
}

#[test]
fn nobody_at_the_other_end_is_told_in_time() {
    let (mut rig, a, _) = {
        let mut rig = Rig::new(2);
        rig.lose = Box::new(|t| t.bytes[0] < 64);
        let (a, b) = (rig.lend(0), rig.lend(1));
        rig.connect(a, b, &dtls());
        (rig, a, b)
    };
    rig.play(a, "moh", true);
    rig.run(ms(60_000));
    let why = unkeyed(&rig);
    assert!(why.iter().any(|why| why.starts_with("DTLS: ")), "{why:?}");
    assert_eq!(kinds(&rig).1, 0);
}

/// Records as anybody can write them who knows where the two are, in the peer's name.
fn forged(rig: &Rig) -> Vec<Vec<u8>> {
    let record = |kind: u8, epoch: u8, body: &[u8]| {
        let head = [kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 9, (body.len() >> 8) as u8, body.len() as u8];
        [&head, body].concat()
    };
    let mut all = vec![
        // Alerts: close_notify, handshake_failure, unknown_ca; in clear, and as if they were protected.
        record(21, 0, &[1, 0]),
        record(21, 0, &[2, 40]),
        record(21, 0, &[2, 48]),
        record(21, 1, &[7; 40]),
        record(23, 1, &[7; 40]),
        record(20, 0, &[1]),
        record(22, 0, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        record(22, 1, &[20, 0, 0, 12, 0, 5, 0, 0, 0, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        record(22, 0, &[0xff; 300]),
        vec![20],
        vec![63; 1200],
        // DTLS 1.3's unified header.
        vec![0x2f, 0, 1, 0, 20, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5],
    ];
    // And every flight of before, again.
    all.extend(
        rig.tapped.iter().filter(|tapped| (20..64).contains(&tapped.bytes[0])).map(|tapped| tapped.bytes.clone()),
    );
    all
}

#[test]
fn records_that_others_forge_or_say_again_end_no_call() {
    // While the handshake is under way, and after it.
    for early in [true, false] {
        let (mut rig, a, b) = pair();
        rig.play(a, "moh", true);
        rig.play(b, "moh", true);
        rig.run(if early { 3 * WAY } else { ms(1000) });
        for _ in 0..20 {
            for bytes in forged(&rig) {
                rig.inject(a.lease.addr, b.lease.addr, bytes.clone());
                rig.inject(b.lease.addr, a.lease.addr, bytes);
            }
            rig.run(ms(20));
        }
        let before = (rig.facts(a), rig.facts(b));
        rig.run(ms(2000));
        let after = (rig.facts(a), rig.facts(b));
        for (before, after) in [(before.0, after.0), (before.1, after.1)] {
            assert!(after.rx.protected > before.rx.protected + 80, "early {early}: {after:?} {:?}", unkeyed(&rig));
            assert_eq!((after.tx.clear, after.rx.clear), (0, 0));
        }
        assert_eq!(unkeyed(&rig), [""; 0], "early {early}");
    }
}

#[test]
fn a_refresh_keeps_the_association_and_another_party_has_one_of_its_own() {
    let (mut rig, a, b) = pair();
    rig.play(a, "moh", true);
    rig.run(ms(2000));
    let sealed = rig.facts(b).rx.protected;
    assert!(sealed > 80);
    // The same descriptions again, held, and back: no handshake.
    let shakes = kinds(&rig).0;
    for direction in [Direction::SendRecv, Direction::RecvOnly, Direction::SendRecv] {
        let (at_a, at_b) = rig.agree_as(a, b, &dtls(), &dtls(), direction);
        rig.set(a, at_a);
        rig.set(b, at_b);
        rig.run(ms(1000));
    }
    assert_eq!(kinds(&rig).0, shakes);
    assert_eq!((rig.facts(b).rekeyed, rig.facts(b).auth_failed), (0, 0));
    assert!(rig.facts(b).rx.protected > sealed + 90);
    // The other end moves to SDES, and to DTLS again.
    for (policy, keying) in [(secure(Suite::AeadAes128Gcm), "SDES"), (dtls(), "DTLS-SRTP")] {
        let before = rig.facts(b);
        let (at_a, at_b) = rig.agree(a, b, &policy);
        rig.set(a, at_a);
        rig.set(b, at_b);
        rig.run(ms(2000));
        let facts = rig.facts(b);
        assert_eq!(facts.keying, keying);
        assert_eq!(facts.rekeyed, before.rekeyed + 1);
        assert!(facts.rx.protected > before.rx.protected + 80, "{keying}: {facts:?}");
        assert_eq!(facts.rx.clear + facts.clear_dropped, 0);
    }
}

#[test]
fn a_border_turns_sdes_into_dtls_and_back() {
    let mut rig = Rig::new(3);
    let ends = [rig.lend(0), rig.lend(1), rig.lend(1), rig.lend(2)];
    rig.connect(ends[0], ends[1], &plain());
    rig.connect(ends[2], ends[3], &dtls());
    rig.bridge(ends[1], ends[2]);
    rig.record(ends[3]);
    rig.run(ms(500));
    rig.play(ends[0], "caller", false);
    rig.run(ms(9000));
    let caller = rig.prompts.samples("caller", Codec::Pcmu).unwrap();
    let facts = rig.facts(ends[2]);
    assert_eq!((facts.tx.clear, facts.rx.clear, facts.keying.as_str()), (0, 0, "DTLS-SRTP"));
    let (heard, ..) = rig.close(ends[3]);
    assert!(find(&heard, &caller).is_some(), "each sample of it");
}

/// A check as a full agent sends it (RFC 8445 §7.1), for the credentials of two descriptions.
fn check(ice: &sdp::Ice, nominates: bool) -> Vec<u8> {
    let username = format!("{}:{}", ice.local.ufrag, ice.remote.ufrag);
    let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    let put = |message: &mut Vec<u8>, code: u16, value: &[u8], rest: usize| {
        let len = (message.len() - 20 + 4 + value.len().next_multiple_of(4) + rest) as u16;
        message[2..4].copy_from_slice(&len.to_be_bytes());
        message.extend(code.to_be_bytes());
        message.extend((value.len() as u16).to_be_bytes());
        message.extend(value);
        message.resize(message.len().next_multiple_of(4), 0);
    };
    put(&mut message, 6, username.as_bytes(), 0);
    put(&mut message, 0x24, &[0x6e, 0, 1, 0xff], 0);
    put(&mut message, 0x802a, &[9; 8], 0);
    if nominates {
        put(&mut message, 0x25, &[], 0);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, ice.local.pwd.as_bytes());
    let len = (message.len() - 20 + 24) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
    let code = hmac::sign(&key, &message);
    put(&mut message, 8, code.as_ref(), 0);
    let len = (message.len() - 20 + 8) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
    let mut sum = u32::MAX;
    for octet in &message {
        sum ^= u32::from(*octet);
        for _ in 0..8 {
            sum = sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
        }
    }
    put(&mut message, 0x8028, &(!sum ^ 0x5354_554e).to_be_bytes(), 0);
    message
}

/// What a browser offers ahead of knowing its address: port 9 of nowhere.
fn browser(fingerprint: &str) -> String {
    format!(
        "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 0 110\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:Br0w\r\n\
         a=ice-pwd:browserbrowserbrowser12\r\na=ice-options:trickle\r\na=fingerprint:{fingerprint}\r\na=setup:actpass\r\n\
         a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:110 telephone-event/48000\r\n"
    )
}

#[test]
fn a_browser_is_found_by_its_checks_and_followed() {
    let mut rig = Rig::new(2);
    let (browsers, ours) = (rig.lend(0), rig.lend(1));
    let fingerprint = sdp::Fingerprint::sha_256(browsers.lease.fingerprint.unwrap());
    let mut local =
        Local { fingerprint: ours.lease.fingerprint.map(sdp::Fingerprint::sha_256), ..Local::new(ours.lease.addr, 3) };
    let mut keys = |suite: Suite| MasterKey::new(vec![9; suite.key_salt_len().0 + suite.key_salt_len().1]);
    let offer = browser(&fingerprint.to_string());
    let (answer, at_us) = sdp::answer(&dtls(), &mut local, offer.as_bytes(), &mut keys).unwrap();
    for line in ["a=group:BUNDLE 0", "a=ice-lite", "a=setup:passive", "a=rtcp-mux", "a=mid:0", "a=end-of-candidates"] {
        assert!(answer.contains(&format!("{line}\r\n")), "{line}: {answer}");
    }
    assert!(answer.contains("typ host\r\n") && answer.contains(&ours.lease.addr.port().to_string()), "{answer}");
    let Keying::Dtls(terms) = at_us.keying.clone() else { panic!("{at_us:?}") };
    let ice = terms.ice.clone().expect("ICE");
    rig.set(ours, at_us.clone());
    rig.play(ours, "moh", true);
    rig.run(ms(500));
    assert_eq!(rig.tapped.len(), 0, "nobody is known, so nothing is sent");

    // Strangers' checks, and a handshake from where no check came.
    let stranger: SocketAddr = "127.0.0.9:40000".parse().unwrap();
    let mut wrong = ice.clone();
    wrong.local.pwd = "guessed, but not right".into();
    rig.inject(stranger, ours.lease.addr, check(&wrong, true));
    rig.inject(stranger, ours.lease.addr, vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    rig.run(ms(500));
    assert_eq!(rig.tapped.len(), 0, "strangers get no answer");

    // The browser's: answered, and the handshake may come.
    let from = browsers.lease.addr;
    rig.inject(from, ours.lease.addr, check(&ice, false));
    rig.run(2 * WAY);
    assert_eq!((rig.tapped.len(), rig.tapped[0].to, &rig.tapped[0].bytes[..2]), (1, from, &[1u8, 1][..]));
    let mut at_browser = at_us.clone();
    (at_browser.remote, at_browser.remote_rtcp) = (ours.lease.addr, ours.lease.addr);
    let shown = sdp::Fingerprint::sha_256(ours.lease.fingerprint.unwrap());
    at_browser.keying = Keying::Dtls(Box::new(sdp::Dtls { active: true, fingerprint: shown, ice: None }));
    rig.set(browsers, at_browser);
    rig.inject(from, ours.lease.addr, check(&ice, true));
    rig.run(ms(2000));
    assert!(rig.facts(browsers).rx.protected > 80, "{:?}", rig.facts(browsers));
    assert_eq!(unkeyed(&rig), [""; 0]);

    // It goes on from another network: media follows its nomination, not a mere check.
    let moved: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    rig.inject(moved, ours.lease.addr, check(&ice, false));
    rig.run(ms(100));
    assert_eq!(rig.facts(ours).remote, Some(from));
    rig.inject(moved, ours.lease.addr, check(&ice, true));
    rig.run(ms(100));
    assert_eq!(rig.facts(ours).remote, Some(moved));

    // A second offer with the same credentials changes none of ours, others begin anew with others.
    let (again, _) = sdp::answer(&dtls(), &mut local, offer.as_bytes(), &mut keys).unwrap();
    let ufrag = |text: &str| text.lines().find(|line| line.starts_with("a=ice-ufrag")).map(str::to_owned);
    assert_eq!(ufrag(&again), ufrag(&answer));
    let mut others = |suite: Suite| MasterKey::new(vec![77; suite.key_salt_len().0 + suite.key_salt_len().1]);
    let restart = offer.replace("Br0w", "Anew");
    let (anew, _) = sdp::answer(&dtls(), &mut local, restart.as_bytes(), &mut others).unwrap();
    assert_ne!(ufrag(&anew), ufrag(&answer));
}
