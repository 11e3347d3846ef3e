//! Offer and answer as two ends see them, and what is refused.

use std::net::SocketAddr;

use sdp::{Codec, Direction, Keying, Local, MasterKey, Policy, Protection, Suite, accept, answer, inspect, offer};

fn secure(suites: &[Suite]) -> Policy {
    Policy {
        protection: Protection::Secure,
        suites: suites.to_vec(),
        codecs: vec![Codec::Pcmu, Codec::Pcma],
        telephone_event: true,
        exchange: Vec::new(),
    }
}

fn plain() -> Policy {
    Policy { protection: Protection::DangerousPlainRtp, ..secure(&[]) }
}

fn local(addr: &str) -> Local {
    Local::new(addr.parse::<SocketAddr>().unwrap(), 7)
}

/// Counts up, so that no two keys are the same.
fn counted() -> impl FnMut(Suite) -> MasterKey {
    let mut n = 0u8;
    move |suite| {
        n += 1;
        let (key, salt) = suite.key_salt_len();
        MasterKey::new(vec![n; key + salt])
    }
}

const KEY30: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYDF0MjJoZWxk";

fn described(proto: &str, attributes: &str) -> String {
    format!(
        "v=0\r\no=x 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 5004 {proto} 8 0 96\r\n\
         a=rtpmap:96 telephone-event/8000\r\n{attributes}"
    )
}

fn crypto(suite: &str) -> String {
    format!("a=crypto:1 {suite} inline:{KEY30}\r\n")
}

#[test]
fn two_secure_ends_agree_crosswise() {
    let (ours, theirs) =
        (secure(&[Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80]), secure(&[Suite::AesCm128HmacSha1_80]));
    let mut keys = counted();
    let (text, offered) = offer(&ours, &mut local("192.0.2.1:4000"), Direction::SendRecv, &mut keys);
    assert!(text.contains("m=audio 4000 RTP/SAVP 0 8 101\r\n"), "{text}");
    assert!(text.contains("a=crypto:1 AEAD_AES_256_GCM inline:") && text.contains("a=crypto:2 AES_CM_128"), "{text}");
    let (reply, b) = answer(&theirs, &mut local("192.0.2.2:6000"), text.as_bytes(), &mut keys).unwrap();
    let a = accept(&offered, &ours, reply.as_bytes()).unwrap();
    let (Keying::Sdes { suite, tag, local, remote }, Keying::Sdes { local: l, remote: r, .. }) = (&a.keying, &b.keying)
    else {
        panic!("not keyed");
    };
    assert_eq!((*suite, *tag), (Suite::AesCm128HmacSha1_80, 2));
    assert_eq!((local, remote), (r, l));
    assert_ne!(local, remote);
    assert_eq!((a.remote, b.remote), ("192.0.2.2:6000".parse().unwrap(), "192.0.2.1:4000".parse().unwrap()));
    assert_eq!(a.remote_rtcp.port(), 6001);
    assert_eq!((a.codec, a.payload_type, a.telephone_event, a.ptime_ms), (Codec::Pcmu, 0, Some(101), 20));
}

#[test]
fn all_suites_carry_their_own_key_length() {
    for suite in Suite::ALL {
        let policy = secure(&[suite]);
        let mut keys = counted();
        let (text, offered) = offer(&policy, &mut local("[::1]:4000"), Direction::SendRecv, &mut keys);
        assert!(text.contains("c=IN IP6 ::1\r\n"), "{text}");
        let (reply, _) = answer(&policy, &mut local("[::1]:6000"), text.as_bytes(), &mut keys).unwrap();
        assert_eq!(accept(&offered, &policy, reply.as_bytes()).unwrap().keying.suite(), Some(suite));
    }
}

#[test]
fn the_version_counts_up_and_the_session_stays() {
    let (policy, mut end) = (plain(), local("192.0.2.1:4000"));
    let (first, _) = offer(&policy, &mut end, Direction::SendRecv, &mut counted());
    let (second, _) = offer(&policy, &mut end, Direction::SendOnly, &mut counted());
    assert!(first.contains("o=- 7 1 IN IP4 192.0.2.1\r\n") && second.contains("o=- 7 2 IN IP4 192.0.2.1\r\n"));
    assert!(second.contains("a=sendonly\r\n"));
}

#[test]
fn an_answer_uses_the_offers_numbers_and_order() {
    let text = described("RTP/AVP", "a=ptime:30\r\n");
    let (reply, agreed) = answer(&plain(), &mut local("192.0.2.1:4000"), text.as_bytes(), &mut counted()).unwrap();
    assert_eq!((agreed.codec, agreed.payload_type, agreed.telephone_event), (Codec::Pcma, 8, Some(96)));
    assert_eq!(agreed.ptime_ms, 30);
    assert!(reply.contains("m=audio 4000 RTP/AVP 8 96\r\n"), "{reply}");
    let dynamic = text.replace(" 8 0 96", " 97 96") + "a=rtpmap:97 pcmu/8000/1\r\n";
    let (_, agreed) = answer(&plain(), &mut local("192.0.2.1:4000"), dynamic.as_bytes(), &mut counted()).unwrap();
    assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcmu, 97));
}

#[test]
fn hold_is_mirrored_in_its_three_spellings() {
    for (text, ours) in [
        (described("RTP/AVP", "a=sendonly\r\n"), Direction::RecvOnly),
        (described("RTP/AVP", "a=inactive\r\n"), Direction::Inactive),
        (described("RTP/AVP", "").replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0"), Direction::RecvOnly),
        (described("RTP/AVP", "a=recvonly\r\n"), Direction::SendOnly),
        (described("RTP/AVP", "").replace("t=0 0", "t=0 0\r\na=sendonly"), Direction::RecvOnly),
    ] {
        let (reply, agreed) = answer(&plain(), &mut local("192.0.2.1:4000"), text.as_bytes(), &mut counted()).unwrap();
        assert_eq!(agreed.direction, ours, "{text}");
        assert!(reply.contains(&format!("a={}\r\n", ours.name())), "{reply}");
    }
}

#[test]
fn what_is_not_secure_is_refused_in_words() {
    let gcm = secure(&[Suite::AeadAes256Gcm]);
    let any = secure(&Suite::ALL);
    let cases = [
        (&any, described("RTP/AVP", ""), "SRTP is required", "RTP/AVP without a=crypto"),
        (&any, described("RTP/AVP", &crypto("AES_CM_128_HMAC_SHA1_80")), "SRTP if possible", "RTP/AVP with 1 a=crypto"),
        (&any, described("RTP/SAVP", ""), "names no key", "RTP/SAVP without a=crypto"),
        (&any, described("UDP/TLS/RTP/SAVP", "a=setup:actpass\r\n"), "SDES is required", "UDP/TLS/RTP/SAVP"),
        (
            &gcm,
            described("RTP/SAVP", &crypto("AES_CM_128_HMAC_SHA1_80")),
            "no offered SRTP suite",
            "AES_CM_128_HMAC_SHA1_80",
        ),
        (&any, described("RTP/SAVP", &crypto("F8_128_HMAC_SHA1_80")), "no offered SRTP suite", "F8_128"),
        (&any, described("RTP/SAVP", &crypto("AEAD_AES_128_GCM")), "no offered SRTP suite", "exact length"),
        (&plain(), described("RTP/SAVP", &crypto("AES_CM_128_HMAC_SHA1_80")), "set to plain RTP", "RTP/SAVP"),
        (&plain(), described("RTP/AVP", &crypto("AES_CM_128_HMAC_SHA1_80")), "two things at once", "RTP/AVP with 1"),
    ];
    for (policy, text, rule, offered) in cases {
        let reject = answer(policy, &mut local("192.0.2.1:4000"), text.as_bytes(), &mut counted()).unwrap_err();
        assert!(reject.status == 488 && reject.rule.contains(rule) && reject.offered.contains(offered), "{reject}");
        assert!(!format!("{reject:?}").contains("PS1u"), "a key in a refusal");
        // Who only passes it on lets a handshake by, if it is whole.
        let passed = inspect(policy, text.as_bytes()).unwrap_err();
        assert!(passed == reject || passed.rule.contains("its certificate's fingerprint"), "{passed}");
    }
    let reject = answer(&any, &mut local("192.0.2.1:4000"), b"hello", &mut counted()).unwrap_err();
    assert_eq!(reject.status, 400);
}

const SHOWN: &str = "a=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\n";

fn handshaking() -> Policy {
    Policy { exchange: vec![sdp::Exchange::Dtls], ..secure(&[]) }
}

fn showing(addr: &str) -> Local {
    Local { fingerprint: Some(sdp::Fingerprint::sha_256([7; 32])), ..local(addr) }
}

#[test]
fn a_handshake_lacks_nothing_or_is_refused_in_words() {
    let whole = format!("{SHOWN}a=setup:actpass\r\na=rtcp-mux\r\n");
    let of = |lines: &str| described("UDP/TLS/RTP/SAVPF", lines);
    let mut keys = counted();
    let (text, agreed) =
        answer(&handshaking(), &mut showing("192.0.2.1:4000"), of(&whole).as_bytes(), &mut keys).unwrap();
    assert!(
        text.contains("UDP/TLS/RTP/SAVPF") && text.contains("a=setup:passive") && !text.contains("a=crypto"),
        "{text}"
    );
    assert!(!text.contains("a=ice"), "who brings no ICE gets none: {text}");
    let Keying::Dtls(terms) = agreed.keying else { panic!("{:?}", agreed.keying) };
    assert!(!terms.active && terms.ice.is_none() && SHOWN.contains(&terms.fingerprint.to_string()));
    let passive = of(&whole.replace("actpass", "passive"));
    let (text, _) = answer(&handshaking(), &mut showing("192.0.2.1:4000"), passive.as_bytes(), &mut keys).unwrap();
    assert!(text.contains("a=setup:active"), "{text}");
    let cases = [
        (whole.replace(SHOWN, ""), "certificate's fingerprint"),
        (whole.replace("sha-256", "sha-1"), "certificate's fingerprint"),
        (whole.replace("a=setup:actpass\r\n", ""), "who begins"),
        (whole.replace("actpass", "holdconn"), "who begins"),
        (whole.replace("a=rtcp-mux\r\n", ""), "one port"),
    ];
    for (lines, rule) in cases {
        let refused =
            answer(&handshaking(), &mut showing("192.0.2.1:4000"), of(&lines).as_bytes(), &mut keys).unwrap_err();
        assert!(refused.rule.contains(rule), "{lines}: {refused}");
        assert!(inspect(&secure(&[]), of(&lines).as_bytes()).unwrap_err().rule.contains(rule), "passed on: {lines}");
    }
    assert!(inspect(&secure(&[]), of(&whole).as_bytes()).is_ok());
    // No certificate of ours, and the other way about: SDES where a handshake is wanted.
    let refused = answer(&handshaking(), &mut local("192.0.2.1:4000"), of(&whole).as_bytes(), &mut keys).unwrap_err();
    assert!(refused.rule.contains("no certificate"), "{refused}");
    let sdes = described("RTP/SAVP", &crypto("AES_CM_128_HMAC_SHA1_80"));
    let refused = answer(&handshaking(), &mut showing("192.0.2.1:4000"), sdes.as_bytes(), &mut keys).unwrap_err();
    assert!(refused.rule.contains("SRTP keyed by DTLS is required"), "{refused}");
    let both = Policy { exchange: vec![sdp::Exchange::Dtls, sdp::Exchange::Sdes], ..secure(&[]) };
    for offer in [sdes, of(&whole)] {
        assert!(answer(&both, &mut showing("192.0.2.1:4000"), offer.as_bytes(), &mut keys).is_ok());
    }
}

#[test]
fn an_answer_to_a_handshake_says_who_begins() {
    let mut ours = showing("192.0.2.1:4000");
    let (text, offered) = offer(&handshaking(), &mut ours, Direction::SendRecv, &mut counted());
    for line in [
        "UDP/TLS/RTP/SAVPF 0 8 101",
        "a=setup:actpass",
        "a=ice-lite",
        "a=ice-ufrag:",
        "a=rtcp-mux",
        "a=group:BUNDLE 0",
        "a=mid:0",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let reply = |setup: &str| {
        described(
            "UDP/TLS/RTP/SAVPF",
            &format!(
                "{SHOWN}a=setup:{setup}\r\na=rtcp-mux\r\na=ice-ufrag:theirs\r\na=ice-pwd:theirpasswordtheirpassword\r\n"
            ),
        )
    };
    for (setup, active) in [("active", false), ("passive", true)] {
        let agreed = accept(&offered, &handshaking(), reply(setup).as_bytes()).unwrap();
        let Keying::Dtls(terms) = agreed.keying else { panic!("{:?}", agreed.keying) };
        assert_eq!(terms.active, active, "{setup}");
        assert!(text.contains(&terms.ice.expect("both have ICE").local.ufrag));
    }
    let refused = accept(&offered, &handshaking(), reply("actpass").as_bytes()).unwrap_err();
    assert!(refused.rule.contains("says who begins"), "{refused}");
    let lite = reply("active").replace("s=-\r\n", "s=-\r\na=ice-lite\r\n");
    let agreed = accept(&offered, &handshaking(), lite.as_bytes()).unwrap();
    assert!(
        matches!(agreed.keying, Keying::Dtls(terms) if terms.ice.is_none()),
        "between lite ends nothing is checked"
    );
    let changed = described("RTP/SAVP", &crypto("AES_CM_128_HMAC_SHA1_80"));
    assert!(accept(&offered, &handshaking(), changed.as_bytes()).is_err(), "an answer keeps the offer's profile");
}

#[test]
fn an_unusable_line_is_passed_over_for_a_usable_one() {
    let lines = crypto("AES_256_CM_HMAC_SHA1_80")
        + &format!("a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}|2^31|1:4;inline:{KEY30}|2^31|2:4\r\n")
        + &format!("a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{KEY30} UNENCRYPTED_SRTP\r\n")
        + &format!("a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:{KEY30}|2^31\r\n");
    let text = described("RTP/SAVP", &lines);
    let policy = secure(&Suite::ALL);
    let (reply, agreed) = answer(&policy, &mut local("192.0.2.1:4000"), text.as_bytes(), &mut counted()).unwrap();
    assert_eq!(agreed.keying.suite(), Some(Suite::AesCm128HmacSha1_32));
    assert!(reply.contains("a=crypto:4 AES_CM_128_HMAC_SHA1_32 inline:"), "{reply}");
    assert_eq!(reply.matches("a=crypto").count(), 1);
}

/// 192 and 256 bits (RFC 6188) in both orders of the name, an identifier and a lifetime: taken when offered, under our
/// own name for them, and our own key is without either.
#[test]
fn long_keys_and_identified_ones_are_taken() {
    let key46 = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NQ==";
    let key38 = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc=";
    for (name, key, suite) in [
        ("AES_256_CM_HMAC_SHA1_80", key46, Suite::Aes256CmHmacSha1_80),
        ("AES_CM_256_HMAC_SHA1_32", key46, Suite::Aes256CmHmacSha1_32),
        ("AES_CM_192_HMAC_SHA1_80", key38, Suite::Aes192CmHmacSha1_80),
    ] {
        let text = described("RTP/SAVP", &format!("a=crypto:7 {name} inline:{key}|2^20|17:4\r\n"));
        let policy = secure(&[]);
        let (reply, agreed) = answer(&policy, &mut local("192.0.2.1:4000"), text.as_bytes(), &mut counted()).unwrap();
        let Keying::Sdes { suite: agreed, local, remote, .. } = agreed.keying else { panic!("in clear") };
        assert_eq!((agreed, remote.mki(), remote.lifetime()), (suite, &[0, 0, 0, 17][..], Some(1 << 20)));
        assert_eq!((local.mki(), local.lifetime()), (&[][..], None));
        assert!(reply.contains(&format!("a=crypto:7 {} inline:", suite.name())) && !reply.contains('|'), "{reply}");
    }
}

/// `a=crypto` under RTP/AVP, and what a peer makes of it that has keys, none, or none for us.
#[test]
fn fallback_is_had_by_its_loud_name_alone() {
    let fallback = Policy { protection: Protection::DangerousSrtpFallback, ..secure(&[]) };
    let mut keys = counted();
    let end = || local("192.0.2.1:4000");
    for (proto, lines, suite) in [
        ("RTP/AVP", crypto("AES_CM_128_HMAC_SHA1_80"), Some(Suite::AesCm128HmacSha1_80)),
        ("RTP/SAVP", crypto("AES_CM_128_HMAC_SHA1_80"), Some(Suite::AesCm128HmacSha1_80)),
        ("RTP/AVP", crypto("F8_128_HMAC_SHA1_80"), None),
        ("RTP/AVP", String::new(), None),
    ] {
        let text = described(proto, &lines);
        let (reply, agreed) = answer(&fallback, &mut end(), text.as_bytes(), &mut keys).unwrap();
        assert_eq!(agreed.keying.suite(), suite, "{text}");
        assert!(reply.contains(&format!("m=audio 4000 {proto} ")), "{reply}");
        assert_eq!(reply.matches("a=crypto").count(), usize::from(suite.is_some()), "{reply}");
        assert!(inspect(&fallback, text.as_bytes()).is_ok());
    }
    for (proto, lines) in [("RTP/SAVP", String::new()), ("RTP/SAVP", crypto("F8_128_HMAC_SHA1_80"))] {
        assert!(answer(&fallback, &mut end(), described(proto, &lines).as_bytes(), &mut keys).is_err(), "{proto}");
    }
    let (text, offered) = offer(&fallback, &mut end(), Direction::SendRecv, &mut keys);
    assert!(text.contains(" RTP/AVP ") && text.contains("a=crypto:1 "), "{text}");
    for (peer, suite) in [(fallback.clone(), Some(Suite::AeadAes256Gcm)), (plain(), None)] {
        // A peer that knows no keys does not see them.
        let seen = if suite.is_none() {
            text.lines().filter(|line| !line.starts_with("a=crypto")).map(|line| format!("{line}\r\n")).collect()
        } else {
            text.clone()
        };
        let (reply, theirs) = answer(&peer, &mut local("192.0.2.2:6000"), seen.as_bytes(), &mut keys).unwrap();
        let ours = accept(&offered, &fallback, reply.as_bytes()).unwrap();
        assert_eq!((ours.keying.suite(), theirs.keying.suite()), (suite, suite));
    }
}

#[test]
fn other_streams_are_declined_in_their_places() {
    let text = described("RTP/AVP", "")
        + "m=audio 5010 RTP/SAVP 0\r\n"
        + &crypto("AES_CM_128_HMAC_SHA1_80")
        + "m=video 5006 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    let policy = secure(&Suite::ALL);
    let (reply, agreed) = answer(&policy, &mut local("192.0.2.1:4000"), text.as_bytes(), &mut counted()).unwrap();
    assert_eq!(agreed.remote.port(), 5010);
    let lines: Vec<&str> = reply.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines, ["m=audio 0 RTP/AVP 8 0 96", "m=audio 4000 RTP/SAVP 0", "m=video 0 RTP/AVP 96"]);
    let none = "v=0\r\no=x 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/SAVP 0\r\n";
    let reject = answer(&policy, &mut local("192.0.2.1:4000"), none.as_bytes(), &mut counted()).unwrap_err();
    assert!(reject.offered.contains("m=audio 0"), "{reject}");
}

#[test]
fn an_answer_must_stay_within_the_offer() {
    let policy = secure(&[Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80]);
    let (_, offered) = offer(&policy, &mut local("192.0.2.1:4000"), Direction::SendRecv, &mut counted());
    let good = described("RTP/SAVP", &format!("a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY30}\r\n"));
    assert!(accept(&offered, &policy, good.as_bytes()).is_ok());
    let cases = [
        (good.replace("crypto:2", "crypto:1"), "none of the offer's"),
        (good.replace("crypto:2", "crypto:9"), "none of the offer's"),
        (good.replace("SHA1_80", "SHA1_32"), "none of the offer's"),
        (good.replace("RTP/SAVP", "RTP/SAVPF"), "keeps the offer's profile"),
        (good.replace("RTP/SAVP", "RTP/AVP"), "SRTP if possible"),
        (good.clone() + &crypto("AES_CM_128_HMAC_SHA1_80"), "exactly one"),
        (good.replace("audio 5004", "audio 0"), "one audio stream"),
        (good.replace(KEY30, "AAAA"), "cannot be read"),
        (good.replace(KEY30, &format!("{KEY30}|256:1")), "cannot be used"),
        (good.replace(" 8 0 96", " 18 96"), "codec"),
        (good.replace("IP4", "IP6").replace("192.0.2.9", "2001:db8::9"), "family"),
        (good.replace("192.0.2.9", "phone.example"), "host names"),
    ];
    for (text, rule) in cases {
        let reject = accept(&offered, &policy, text.as_bytes()).unwrap_err();
        assert!(reject.rule.contains(rule) || reject.required.contains(rule), "{rule}: {reject}");
    }
}

#[test]
fn held_by_us_means_that_we_only_send() {
    let policy = plain();
    let (_, offered) = offer(&policy, &mut local("192.0.2.1:4000"), Direction::SendOnly, &mut counted());
    for (attribute, ours) in
        [("a=recvonly\r\n", Direction::SendOnly), ("a=inactive\r\n", Direction::Inactive), ("", Direction::SendOnly)]
    {
        let agreed = accept(&offered, &policy, described("RTP/AVP", attribute).as_bytes()).unwrap();
        assert_eq!(agreed.direction, ours);
    }
}

#[test]
fn rtcp_goes_where_the_peer_says() {
    for (attribute, port) in [
        ("", 5005),
        ("a=rtcp:7777\r\n", 7777),
        ("a=rtcp:53020 IN IP4 192.0.2.77\r\n", 53020),
        ("a=rtcp-mux\r\n", 5004),
        ("a=rtcp:x\r\n", 5005),
    ] {
        let text = described("RTP/AVP", attribute);
        let (reply, agreed) = answer(&plain(), &mut local("192.0.2.1:4000"), text.as_bytes(), &mut counted()).unwrap();
        assert_eq!(agreed.remote_rtcp.port(), port, "{attribute}");
        assert_eq!(reply.contains("a=rtcp-mux"), attribute.contains("mux"));
    }
}

#[test]
fn opus_is_offered_with_events_on_its_clock_and_taken_by_its_whole_name() {
    let policy = Policy { codecs: vec![Codec::Opus, Codec::Pcmu], ..secure(&[]) };
    let (text, offered) = offer(&policy, &mut local("192.0.2.1:4000"), Direction::SendRecv, &mut counted());
    assert!(text.contains("RTP/SAVP 111 0 101 110\r\n"), "{text}");
    for line in ["rtpmap:111 opus/48000/2", "fmtp:111 minptime=10;useinbandfec=1;cbr=1", "rtpmap:0 PCMU/8000"] {
        assert!(text.contains(&format!("a={line}\r\n")), "{line} in {text}");
    }
    for line in ["rtpmap:101 telephone-event/8000", "rtpmap:110 telephone-event/48000", "fmtp:110 0-15"] {
        assert!(text.contains(&format!("a={line}\r\n")), "{line} in {text}");
    }
    for (codecs, codec, event) in [(vec![Codec::Opus], Codec::Opus, 110), (vec![Codec::Pcmu], Codec::Pcmu, 101)] {
        let answerer = Policy { codecs, ..secure(&[]) };
        let (reply, theirs) = answer(&answerer, &mut local("192.0.2.9:5004"), text.as_bytes(), &mut counted()).unwrap();
        let ours = accept(&offered, &policy, reply.as_bytes()).unwrap();
        for agreed in [&theirs, &ours] {
            assert_eq!((agreed.codec, agreed.telephone_event), (codec, Some(event)), "{reply}");
            assert_eq!(agreed.opus.in_band_fec, codec == Codec::Opus, "as said of that codec");
        }
    }
    let alone = Policy { codecs: vec![Codec::Opus], ..secure(&[]) };
    let (text, _) = offer(&alone, &mut local("192.0.2.1:4000"), Direction::SendRecv, &mut counted());
    assert!(text.contains("RTP/SAVP 111 110\r\n"), "{text}");
    // RFC 7587 §7: the clock is 48,000 and there are two channels, whatever is sent; another is another codec.
    for name in ["opus/8000/2", "opus/48000", "opus/48000/1"] {
        let strange = text.replace("opus/48000/2", name);
        let refused = answer(&alone, &mut local("192.0.2.9:5004"), strange.as_bytes(), &mut counted());
        assert!(refused.unwrap_err().to_string().contains("no offered codec"), "{name}");
    }
    // Events on another clock than the codec's stand for nothing there (RFC 4733 section 2.1).
    let narrow = text.replace("telephone-event/48000", "telephone-event/8000");
    let (reply, agreed) = answer(&alone, &mut local("192.0.2.9:5004"), narrow.as_bytes(), &mut counted()).unwrap();
    assert_eq!(agreed.telephone_event, None);
    assert!(reply.contains("RTP/SAVP 111\r\n"), "{reply}");
}

#[test]
fn inspection_tells_what_passes() {
    let policy = secure(&Suite::ALL);
    let text = described("RTP/SAVP", &crypto("AES_CM_128_HMAC_SHA1_80"));
    let seen = inspect(&policy, text.as_bytes()).unwrap();
    assert_eq!((seen.profile.as_str(), seen.suites.as_slice()), ("RTP/SAVP", &[Suite::AesCm128HmacSha1_80][..]));
    assert_eq!(seen.addr, Some("192.0.2.9:5004".parse().unwrap()));
    assert_eq!((seen.codecs, seen.direction), (vec!["PCMA".to_owned(), "PCMU".to_owned()], Direction::SendRecv));
    let held = text.replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0");
    let seen = inspect(&policy, held.as_bytes()).unwrap();
    assert_eq!((seen.addr, seen.direction), (None, Direction::SendOnly));
    let video = text.clone() + "m=video 5006 RTP/AVP 96\r\n";
    assert!(inspect(&policy, video.as_bytes()).unwrap_err().rule.contains("beside secure audio"));
    assert!(inspect(&policy, video.replace("video 5006", "video 0").as_bytes()).is_ok());
    let declined = text.replace("audio 5004", "audio 0");
    assert_eq!(inspect(&policy, declined.as_bytes()).unwrap().addr, None);
}

mod hostile {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Whatever comes, there is an answer or a refusal, and what parses prints to something that parses the same.
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            for policy in [secure(&[]), plain()] {
                let _ = answer(&policy, &mut local("192.0.2.1:4000"), &bytes, &mut counted());
                let _ = inspect(&policy, &bytes);
            }
        }

        #[test]
        fn damaged_descriptions(at in 0usize..400, with in any::<[u8; 3]>(), cut in 0usize..400) {
            let mut bytes = described("RTP/SAVP", &crypto("AES_CM_128_HMAC_SHA1_80")).into_bytes();
            let at = at % bytes.len();
            bytes[at] = with[0];
            if with[1] < 128 { bytes.truncate(cut); }
            if with[2] < 64 { bytes.insert(at.min(bytes.len()), with[1]); }
            let _ = answer(&secure(&[]), &mut local("192.0.2.1:4000"), &bytes, &mut counted());
            if let Ok(session) = sdp::Session::parse(&bytes) {
                let printed = session.to_string();
                prop_assert_eq!(sdp::Session::parse(printed.as_bytes()).unwrap(), session);
            }
        }
    }
}
