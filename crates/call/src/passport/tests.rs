//! The reference call (carrier, sbc, call server, voice browser, call manager, phone), told rightly and then wrongly
//! in one place after another. Signatures are stood in for here; real ones are in `tests/passport.rs`.

use std::sync::Arc;

use super::*;
use crate::Pii;
use crate::record::media_facts::MediaRecord;
use crate::record::{Direction, LegRecord, LegState, Passed, Signalling};
use crate::session_id::SessionId;
use crate::statement::WentOn;
use crate::verdict::{Kind, Seen};

const CALLER: &str = "674ecd1639ed7a710000abf910000178";
const AGENT: &str = "00003e7000105000a000005056a06cb8";
const NOON: u64 = 1_616_640_920_819;
const CUBE: &str = "127.18.133.226";
const CVP: &str = "127.18.133.13";
const VVB: &str = "127.18.133.143";
const CUCM: &str = "127.18.133.3";
const PHONE: &str = "127.18.133.75";

fn facts(name: &str) -> CertificateFacts {
    let node = (name != "phone").then(|| format!("urn:ringfence:node:{name}"));
    CertificateFacts {
        subject: format!("CN={name}.lab.test"),
        common_name: Some(format!("{name}.lab.test")),
        dns_names: vec![format!("{name}.lab.test")],
        ip_addresses: vec![],
        uris: node.into_iter().collect(),
        issuer: "CN=lab".into(),
        serial: "01".into(),
        fingerprint: format!("fp-of-{name}-00000000"),
        key_fingerprint: String::new(),
        not_before: 0,
        not_after: 1,
    }
}

/// The certificate check without cryptography: a chain names its owner, a signature is owner and length of message.
fn check(
    chain: &[Vec<u8>],
    roots: &[Vec<u8>],
    message: &[u8],
    signature: &[u8],
    _: SystemTime,
) -> Result<CertificateFacts, Refusal> {
    let owner = String::from_utf8(chain[0].clone()).unwrap();
    if signature == stand_in(&owner, message) && roots.contains(&b"root".to_vec()) {
        return Ok(facts(&owner));
    }
    let [rule, expected, presented] = ["signature", "one by the certificate", "another"].map(String::from);
    Err(Refusal { cause: "signature".into(), rule, expected, presented, remedy: String::new() })
}

fn stand_in(owner: &str, message: &[u8]) -> Vec<u8> {
    let sum = message.iter().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{owner}{sum}").into_bytes()
}

/// The end of a dialog at `node`, with `peer` at the other end.
fn leg(node: (&str, &str), peer: (&str, &str), direction: Direction, call_id: &str) -> LegRecord {
    let (local, remote) = if direction == Direction::Answer { (AGENT, CALLER) } else { (CALLER, AGENT) };
    LegRecord {
        call: 1,
        leg: 1,
        direction,
        peer: peer.0.into(),
        dial_peer: None,
        calling: Pii("3227046971".into()),
        called: Pii("6016".into()),
        sip_call_id: call_id.into(),
        session_id: SessionId { local: Uuid(local.into()), remote: Uuid(remote.into()) },
        state: LegState::Ended,
        began_ms: NOON,
        connected_ms: Some(NOON + 70),
        ended_ms: Some(NOON + 26_000),
        ended_because: Some("the caller hung up".into()),
        signalling: Signalling {
            transport: "TLS".into(),
            local: Some(format!("{}:5061", node.1).parse().unwrap()),
            remote: Some(format!("{}:40000", peer.1).parse().unwrap()),
            tls: Some(trust::TlsFacts {
                version: "TLSv1.3".into(),
                suite: "TLS_AES_256_GCM_SHA384".into(),
                group: "X25519MLKEM768".into(),
                resumed: false,
                mutual: true,
                local_fingerprint: facts(node.0).fingerprint,
            }),
            peer: Some(facts(peer.0).into()),
            admitted_by: "certificate".into(),
        },
        parts: Vec::new(),
        was_of: Vec::new(),
        dangerous: vec![],
        media: None,
        passed: None,
        events: vec![],
    }
}

fn srtp(local: &str, remote: &str, tx: u64, rx: u64) -> Option<MediaRecord> {
    Some(MediaRecord {
        local: Some(local.parse().unwrap()),
        remote: Some(remote.parse().unwrap()),
        keying: "SDES".into(),
        suite: "AEAD_AES_256_GCM".into(),
        codec: "PCMU".into(),
        tx_protected: tx,
        rx_protected: rx,
        ..MediaRecord::default()
    })
}

fn passed(media: &str) -> Option<Passed> {
    Some(Passed {
        profile: "RTP/SAVP".into(),
        suites: vec!["AEAD_AES_256_GCM".into()],
        sdes_key_seen: true,
        remote_media: Some(media.parse().unwrap()),
    })
}

fn statement(node: &str, role: &str, legs: Vec<LegRecord>) -> Statement {
    Statement {
        version: 1,
        site: "lab".into(),
        node: node.into(),
        role: role.into(),
        caller: Uuid(CALLER.into()),
        made_ms: NOON + 27_000,
        legs,
        went_on: Vec::new(),
    }
}

/// The call as it was; the browser's part is over before the agent's begins.
fn call() -> Vec<Statement> {
    let (cube, cvp, vvb, cucm, phone) =
        (("cube1", CUBE), ("cvp1", CVP), ("vvb1", VVB), ("cucm1", CUCM), ("phone", PHONE));
    use Direction::{Answer, Originate};
    let mut carrier = leg(cube, ("carrier", "127.18.133.76"), Answer, "0");
    carrier.signalling = Signalling {
        transport: "UDP".into(),
        tls: None,
        peer: None,
        admitted_by: "address only (dangerous_plain_sip)".into(),
        ..carrier.signalling
    };
    carrier.dangerous = vec!["dangerous_plain_sip".into(), "dangerous_plain_rtp".into()];
    carrier.media = Some(MediaRecord {
        keying: "none".into(),
        codec: "PCMU".into(),
        tx_clear: 1300,
        rx_clear: 1290,
        ..MediaRecord::default()
    });
    let mut inside = leg(cube, cvp, Originate, "a");
    inside.media = srtp("127.18.133.226:16384", "127.18.133.75:24648", 1300, 1290);
    inside.media.as_mut().unwrap().rekeyed = 1;
    let mut from_sbc = leg(cvp, cube, Answer, "a");
    from_sbc.passed = passed("127.18.133.226:16384");
    let mut to_browser = leg(cvp, vvb, Originate, "b");
    to_browser.passed = passed("127.18.133.143:25346");
    let mut browser = leg(vvb, cvp, Answer, "b");
    browser.media = srtp("127.18.133.143:25346", "127.18.133.226:16384", 700, 640);
    let mut to_manager = leg(cvp, cucm, Originate, "c");
    to_manager.passed = passed("127.18.133.75:24648");
    let mut at_manager = leg(cucm, cvp, Answer, "c");
    at_manager.passed = passed("127.18.133.226:16384");
    let mut to_phone = leg(cucm, phone, Originate, "d");
    to_phone.passed = passed("127.18.133.75:24648");
    to_manager.began_ms += 9_000;
    at_manager.began_ms += 8_000; // its clock is behind
    to_phone.began_ms += 8_001;
    vec![
        statement("cube1", "sbc", vec![carrier, inside]),
        statement("cvp1", "call_server", vec![from_sbc, to_browser, to_manager]),
        statement("vvb1", "voice_browser", vec![browser]),
        statement("cucm1", "call_manager", vec![at_manager, to_phone]),
    ]
}

fn sign(statement: &Statement, owner: &str) -> Signed {
    let payload = statement.to_bytes();
    Signed::new(&payload, &stand_in(owner, &payload), &[owner.as_bytes().to_vec()])
}

fn bundle(statements: &[Statement]) -> Passport {
    let signed = statements.iter().map(|s| sign(s, &s.node)).collect();
    Passport::bundle("lab", Uuid(CALLER.into()), &[b"root".to_vec()], signed)
}

fn judge(passport: &Passport) -> Verdict {
    verify_with(passport, Some(&[b"root".to_vec()]), UNIX_EPOCH + Duration::from_millis(NOON + 60_000), &check)
}

/// The verdict on the call after somebody changed what is said.
fn told(change: impl FnOnce(&mut Vec<Statement>)) -> Verdict {
    let mut statements = call();
    change(&mut statements);
    judge(&bundle(&statements))
}

#[track_caller]
fn wrong(verdict: &Verdict, kind: Kind, place: &str, words: &str) {
    let wrong = verdict.wrong.as_ref().expect("something is wrong");
    assert_eq!((wrong.kind, wrong.place.as_str()), (kind, place), "{wrong}");
    assert!(wrong.what.contains(words), "{:?} does not say {words:?}", wrong.what);
    assert!(verdict.to_string().lines().last().unwrap().starts_with("verdict WRONG: "));
}

#[test]
fn the_call_as_it_was_is_good_hop_by_hop() {
    let verdict = judge(&bundle(&call()));
    assert_eq!(verdict.wrong, None, "{verdict}");
    let expected = "\
call of 674ecd1639ed7a710000abf910000178  site lab  as of 2021-03-25 02:55:47 UTC
signed  cube1  sbc            CN=cube1.lab.test  fp-of-cube1-0000…
signed  cvp1   call_server    CN=cvp1.lab.test  fp-of-cvp1-00000…
signed  vvb1   voice_browser  CN=vvb1.lab.test  fp-of-vvb1-00000…
signed  cucm1  call_manager   CN=cucm1.lab.test  fp-of-cucm1-0000…
hop 1   carrier (127.18.133.76:40000) -> cube1
        UDP in clear; RTP in clear, 1300 packets out and 1290 in
        one-sided: the word of cube1; ended: the caller hung up
  !!    EXCEPTION cube1: signalling is UDP in clear, by dangerous_plain_sip
  !!    EXCEPTION cube1: media is RTP in clear, by dangerous_plain_rtp
hop 2   cube1 -> cvp1
        TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 mutual; SRTP AEAD_AES_256_GCM, 0 clear packets
        both ends say so; ended: the caller hung up
        media keys passed through cvp1
hop 3   cvp1 -> vvb1
        TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 mutual; SRTP AEAD_AES_256_GCM, 0 clear packets
        both ends say so; ended: the caller hung up
        media keys passed through cvp1
hop 4   cvp1 -> cucm1
        TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 mutual; SRTP passed on (RTP/SAVP)
        both ends say so; ended: the caller hung up
        media keys passed through cvp1, cucm1
hop 5   cucm1 -> phone.lab.test (127.18.133.75:40000)
        TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768 mutual; SRTP passed on (RTP/SAVP)
        one-sided: the word of cucm1; ended: the caller hung up
        media keys passed through cucm1
media   cube1 <-> vvb1  SRTP AEAD_AES_256_GCM; cube1 sent 1300, vvb1 received 640; vvb1 sent 700, cube1 received 1290; one of them went on with another party
verdict GOOD: 5 hops, secure but for 1 exception by an administrator's words
";
    assert_eq!(verdict.to_string(), expected);
}

#[test]
fn a_passport_survives_its_file_and_the_verdict_is_data() {
    let passport = bundle(&call());
    let read = Passport::from_json(passport.to_json().as_bytes()).unwrap();
    assert_eq!(read, passport);
    let verdict = judge(&read);
    let json = serde_json::to_string(&verdict).unwrap();
    assert_eq!(serde_json::from_str::<Verdict>(&json).unwrap(), verdict);
    assert_eq!(verdict.hops[0].seen, Seen::OneSided { by: "cube1".into() });
}

#[test]
fn what_is_no_passport_is_named_first() {
    let verdict = verify_file(b"{\"format\":", None, UNIX_EPOCH);
    wrong(&verdict, Kind::Format, "the file", "not a passport");
    let other = Passport { format: "ringfence-passport/9".into(), ..bundle(&call()) };
    wrong(&judge(&other), Kind::Format, "the file", "ringfence-passport/9");
    wrong(&told(Vec::clear), Kind::NoStatement, "the file", "no statement");
}

#[test]
fn the_file_itself_is_not_believed() {
    let good = bundle(&call());
    let later = Passport { made_ms: good.made_ms + 1, ..good.clone() };
    wrong(&judge(&later), Kind::Time, "the file", "latest statement");
    let elsewhere = Passport { site: "mall".into(), ..good.clone() };
    wrong(&judge(&elsewhere), Kind::Site, "the statement of cube1", "\"mall\"");
    let rooted = Passport { roots: vec![STANDARD.encode("another root")], ..good.clone() };
    wrong(&judge(&rooted), Kind::Root, "the file", "not one that you trust");
    // Without own roots the file's are taken, and that is said.
    let unrooted = verify_with(&good, None, UNIX_EPOCH + Duration::from_millis(NOON + 60_000), &check);
    assert!(unrooted.is_good() && unrooted.to_string().contains("the file's own word"));
}

#[test]
fn a_statement_that_cannot_be_read_or_was_changed_is_named() {
    let mut passport = bundle(&call());
    passport.statements[1].payload.replace_range(0..1, "!");
    wrong(&judge(&passport), Kind::Unreadable, "statement 2", "payload is not base64url");

    let mut passport = bundle(&call());
    let mut payload = passport.statements[2].payload().unwrap();
    let at = String::from_utf8(payload.clone()).unwrap().find("640").unwrap();
    payload[at] = b'5';
    let resigned = Signed::new(
        &payload,
        &passport.statements[2].signature().unwrap(),
        &passport.statements[2].chain_der().unwrap(),
    );
    passport.statements[2] = resigned;
    wrong(&judge(&passport), Kind::Signature, "the statement of vvb1", "signature");
    assert!(judge(&passport).hops.is_empty(), "nothing is said of hops when a statement cannot be believed");
}

#[test]
fn a_signature_by_another_identity_is_named() {
    let statements = call();
    let mut passport = bundle(&statements);
    passport.statements[2] = sign(&statements[2], "cvp1");
    wrong(&judge(&passport), Kind::Identity, "the statement of vvb1", "identity of node cvp1");
    passport.statements[2] = sign(&statements[2], "phone");
    wrong(&judge(&passport), Kind::Identity, "the statement of vvb1", "no node's identity");
}

#[test]
fn statements_of_another_call_time_or_twice_are_named() {
    let other = told(|s| s[3].caller = Uuid(AGENT.into()));
    wrong(&other, Kind::Caller, "the statement of cucm1", AGENT);
    let future = told(|s| s[0].made_ms = NOON + 3_600_000);
    wrong(&future, Kind::Time, "the statement of cube1", "in the future");
    let twice = told(|s| s.push(s[2].clone()));
    wrong(&twice, Kind::Duplicate, "the statement of vvb1", "another that tells of the same leg");
}

#[test]
fn each_missing_statement_of_a_hop_is_named() {
    for (node, place) in [
        ("cvp1", "hop cube1 -> cvp1"),
        ("vvb1", "hop cvp1 -> vvb1"),
        ("cucm1", "hop cvp1 -> cucm1"),
        ("cube1", "hop cube1 -> cvp1"),
    ] {
        let verdict = told(|s| s.retain(|statement| statement.node != node));
        wrong(&verdict, Kind::MissingStatement, place, &format!("no statement of {node} is here"));
    }
}

#[test]
fn a_node_that_is_silent_on_a_hop_is_named_but_a_refused_attempt_is_not() {
    let silent = told(|s| s[3].legs.retain(|leg| leg.sip_call_id != "c"));
    wrong(&silent, Kind::Disagreement, "hop cvp1 -> cucm1", "has no word of it");
    let refused = told(|s| {
        s.retain(|statement| statement.node != "vvb1");
        let attempt = &mut s[1].legs[1];
        attempt.connected_ms = None;
        attempt.ended_because = Some("503 Service Unavailable".into());
    });
    assert_eq!(refused.wrong, None);
    assert_eq!(refused.hops[2].state, "never connected: 503 Service Unavailable");
}

#[test]
fn two_ends_that_disagree_are_named() {
    type Change = fn(&mut LegRecord);
    // Changes at the call server's end of the hop from the sbc.
    let changes: [(Change, &str); 12] = [
        (|l| l.signalling.transport = "TCP".into(), "transport: cube1 says TLS, cvp1 says TCP"),
        (
            |l| l.signalling.tls.as_mut().unwrap().version = "TLSv1.2".into(),
            "TLS version: cube1 says TLSv1.3, cvp1 says TLSv1.2",
        ),
        (|l| l.signalling.tls.as_mut().unwrap().suite = "TLS_AES_128_GCM_SHA256".into(), "TLS suite"),
        (
            |l| l.signalling.tls.as_mut().unwrap().group = "X25519".into(),
            "key exchange group: cube1 says X25519MLKEM768, cvp1 says X25519",
        ),
        (|l| l.signalling.tls.as_mut().unwrap().mutual = false, "mutual TLS: cube1 says yes, cvp1 says no"),
        (
            |l| l.signalling.tls.as_mut().unwrap().local_fingerprint = "fp-of-eve".into(),
            "certificate of cvp1: cube1 says fp-of-cvp1-00000000, cvp1 says fp-of-eve",
        ),
        (
            |l| Arc::make_mut(l.signalling.peer.as_mut().unwrap()).fingerprint = "fp-of-eve".into(),
            "certificate of cube1: cube1 says fp-of-cube1-00000000, cvp1 says fp-of-eve",
        ),
        (
            |l| Arc::make_mut(l.signalling.peer.as_mut().unwrap()).uris = vec!["urn:ringfence:node:eve".into()],
            "who is at the end of cube1: cube1 says cube1, cvp1 says eve",
        ),
        (
            |l| l.signalling.remote = Some("127.18.133.99:40000".parse().unwrap()),
            "address of cube1: cube1 says 127.18.133.226, cvp1 says 127.18.133.99",
        ),
        (|l| l.direction = Direction::Originate, "who called whom: both ends say that they called"),
        (|l| l.connected_ms = None, "connected: cube1 says yes, cvp1 says no"),
        (
            |l| l.session_id.remote = Uuid(AGENT.into()),
            "Session-ID: cube1 has the caller on its own side, cvp1 on neither side",
        ),
    ];
    for (change, words) in changes {
        wrong(&told(|s| change(&mut s[1].legs[0])), Kind::Disagreement, "hop cube1 -> cvp1", words);
    }
}

#[test]
fn of_an_answer_that_was_lost_who_was_there_is_compared_and_what_was_agreed_is_not() {
    type Change = fn(&mut LegRecord);
    let lost = |change: Change| {
        told(|s| {
            let asked = &mut s[1].legs[2];
            asked.connected_ms = None;
            asked.ended_because = Some("no answer in time".into());
            asked.passed = None;
            change(&mut s[3].legs[0]);
        })
    };
    assert_eq!(lost(|_| {}).wrong, None);
    assert_eq!(lost(|l| l.passed.as_mut().unwrap().suites.clear()).wrong, None);
    let changes: [(Change, &str); 3] = [
        (
            |l| Arc::make_mut(l.signalling.peer.as_mut().unwrap()).fingerprint = "fp-of-eve".into(),
            "certificate of cvp1",
        ),
        (|l| l.signalling.remote = Some("127.18.133.99:40000".parse().unwrap()), "address of cvp1"),
        (|l| l.session_id.remote = Uuid(AGENT.into()), "Session-ID"),
    ];
    for (change, words) in changes {
        wrong(&lost(change), Kind::Disagreement, "hop cvp1 -> cucm1", words);
    }
    // Nothing ever came back to who asked: there is nothing to compare.
    let nothing = told(|s| {
        let asked = &mut s[1].legs[2];
        (asked.connected_ms, asked.passed) = (None, None);
        asked.signalling.transport.clear();
        (asked.signalling.tls, asked.signalling.peer) = (None, None);
    });
    assert_eq!(nothing.wrong, None);
}

#[test]
fn media_used_must_be_media_passed() {
    let place = "hop cube1 -> cvp1";
    let passed = |change: fn(&mut Passed)| told(|s| change(s[1].legs[0].passed.as_mut().unwrap()));
    wrong(
        &passed(|p| p.profile = "RTP/AVP".into()),
        Kind::Disagreement,
        place,
        "media profile: cube1 used AEAD_AES_256_GCM, cvp1 passed RTP/AVP",
    );
    wrong(
        &passed(|p| p.suites = vec!["AES_CM_128_HMAC_SHA1_80".into()]),
        Kind::Disagreement,
        place,
        "SRTP suite: cube1 used AEAD_AES_256_GCM",
    );
    wrong(
        &passed(|p| p.remote_media = Some("127.18.133.99:16384".parse().unwrap())),
        Kind::Disagreement,
        place,
        "media address of cube1",
    );
    wrong(
        &told(|s| s[3].legs[0].passed.as_mut().unwrap().profile = "RTP/AVP".into()),
        Kind::Disagreement,
        "hop cvp1 -> cucm1",
        "media profile: cvp1 says SRTP, cucm1 says RTP",
    );
}

#[test]
fn media_counted_at_two_ends_must_fit() {
    let more = told(|s| s[2].legs[0].media.as_mut().unwrap().rx_protected = 1301);
    wrong(&more, Kind::Disagreement, "media cube1 <-> vvb1", "vvb1 received 1301 packets, cube1 sent 1300");
    // A call that never left the browser: both name each other as the last party.
    let to_the_end = |change: fn(&mut Vec<Statement>)| {
        told(|s| {
            let inside = s[0].legs[1].media.as_mut().unwrap();
            (inside.remote, inside.rekeyed, inside.rx_protected) =
                (Some("127.18.133.143:25346".parse().unwrap()), 0, 699);
            change(s);
        })
    };
    assert_eq!(to_the_end(|_| ()).wrong, None);
    let heard_more = to_the_end(|s| s[0].legs[1].media.as_mut().unwrap().rx_protected = 701);
    wrong(&heard_more, Kind::Disagreement, "media cube1 <-> vvb1", "cube1 received 701 packets, vvb1 sent 700");
    let suite = to_the_end(|s| {
        s[2].legs[0].media.as_mut().unwrap().suite = "AEAD_AES_128_GCM".into();
        s[1].legs[1].passed.as_mut().unwrap().suites = vec!["AEAD_AES_128_GCM".into()];
    });
    wrong(&suite, Kind::Disagreement, "media cube1 <-> vvb1", "SRTP suite");
}

#[test]
fn what_is_in_clear_without_loud_words_is_a_breach() {
    let carrier = "hop carrier (127.18.133.76:40000) -> cube1";
    wrong(
        &told(|s| s[0].legs[0].dangerous.clear()),
        Kind::Signalling,
        carrier,
        "UDP in clear and no dangerous_plain_sip allows it",
    );
    wrong(
        &told(|s| {
            s[0].legs[0].dangerous.pop();
        }),
        Kind::Media,
        carrier,
        "RTP in clear and no dangerous_plain_rtp allows it",
    );
    wrong(
        &told(|s| s[2].legs[0].media.as_mut().unwrap().tx_clear = 3),
        Kind::Media,
        "hop cvp1 -> vvb1",
        "vvb1: 3 packets in clear on a stream of AEAD_AES_256_GCM",
    );
    let phone = "hop cucm1 -> phone.lab.test (127.18.133.75:40000)";
    wrong(
        &told(|s| s[3].legs[1].passed.as_mut().unwrap().profile = "RTP/AVP".into()),
        Kind::Media,
        phone,
        "passed RTP/AVP in clear",
    );
    wrong(
        &told(|s| s[3].legs[1].signalling.tls.as_mut().unwrap().version = "TLSv1.1".into()),
        Kind::Signalling,
        phone,
        "TLSv1.1 is not TLSv1.2 or TLSv1.3",
    );
    wrong(
        &told(|s| s[3].legs[1].signalling.tls.as_mut().unwrap().mutual = false),
        Kind::Signalling,
        phone,
        "not mutual",
    );
    // A phone without a certificate of its own proved itself by digest inside the TLS connection.
    let digest = told(|s| {
        let signalling = &mut s[3].legs[1].signalling;
        signalling.tls.as_mut().unwrap().mutual = false;
        (signalling.peer, signalling.admitted_by) = (None, "digest".into());
    });
    assert_eq!(digest.wrong, None);
    assert!(digest.hops[4].signalling.ends_with("one-way, by digest"));
    // Or by a token, and the verdict says by which.
    let oauth = told(|s| {
        let signalling = &mut s[3].legs[1].signalling;
        signalling.tls.as_mut().unwrap().mutual = false;
        (signalling.peer, signalling.admitted_by) = (None, "oauth".into());
    });
    assert_eq!(oauth.wrong, None);
    assert!(oauth.hops[4].signalling.ends_with("one-way, by oauth"));
}

#[test]
fn media_in_clear_by_fallback_is_an_exception_of_that_name() {
    let verdict = told(|s| {
        let words = &mut s[0].legs[0].dangerous;
        words.retain(|word| word != "dangerous_plain_rtp");
        words.push("dangerous_srtp_fallback".into());
    });
    assert_eq!(verdict.wrong, None, "{verdict}");
    assert!(verdict.to_string().contains("media is RTP in clear, by dangerous_srtp_fallback"), "{verdict}");
}

#[test]
fn a_node_may_speak_of_two_calls_of_one_caller() {
    // An agent who did not pick up, then another: two calls at the call manager, each with its statement.
    let verdict = told(|s| {
        let mut first = s[3].clone();
        for (leg, id) in first.legs.iter_mut().zip(["e", "f"]) {
            leg.sip_call_id = id.into();
            leg.connected_ms = None;
            leg.ended_because = Some("ring no answer".into());
        }
        let mut attempt = s[1].legs[2].clone();
        (attempt.sip_call_id, attempt.connected_ms) = ("e".into(), None);
        s[1].legs.push(attempt);
        s.push(first);
    });
    assert_eq!(verdict.wrong, None, "{verdict}");
    assert_eq!(verdict.hops.len(), 7);
}

/// The consulted phone hung up while the call server brought the two calls together: the call manager knew the leg as of the
/// call that the agent had made.
fn brought_together() -> (Vec<Statement>, Statement) {
    let mut statements = call();
    let mut other = statements.remove(3);
    other.caller = Uuid(AGENT.into());
    for leg in &mut other.legs {
        leg.session_id.remote = Uuid(AGENT.into());
    }
    statements[1].legs[2].was_of = vec![Uuid(AGENT.into())];
    (statements, other)
}

#[test]
fn the_word_on_a_leg_that_moved_as_it_ended_is_found_in_the_other_call() {
    let (statements, other) = brought_together();
    let mut passport = bundle(&statements);
    wrong(&judge(&passport), Kind::MissingStatement, "hop cvp1 -> cucm1", "no statement of cucm1 is here");
    assert_eq!(passport.told_elsewhere(), [Uuid(AGENT.into())]);
    let unrelated = Statement { legs: Vec::new(), ..other.clone() };
    passport.add(vec![sign(&unrelated, "cucm1"), sign(&other, "cucm1")]);
    assert_eq!(passport.statements.len(), 4, "what tells of no leg of this call stays away");
    assert_eq!(passport.told_elsewhere(), []);
    let verdict = judge(&passport);
    assert_eq!(verdict.wrong, None, "{verdict}");
    let hop = verdict.hops.iter().find(|hop| hop.to == "cucm1").unwrap();
    assert!(hop.seen == Seen::BothEnds && hop.parts[0].contains("moved from one call to another"), "{hop:?}");
    // It is compared as every other.
    let mut lies = other;
    lies.legs[0].signalling.transport = "TCP".into();
    let mut passport = bundle(&statements);
    passport.add(vec![sign(&lies, "cucm1")]);
    wrong(&judge(&passport), Kind::Disagreement, "hop cvp1 -> cucm1", "transport");
    // And where nobody says that the leg moved, another call's statement is none of this one's.
    let mut unlinked = statements;
    unlinked[1].legs[2].was_of.clear();
    let mut passport = bundle(&unlinked);
    passport.statements.push(sign(&lies, "cucm1"));
    wrong(&judge(&passport), Kind::Caller, "the statement of cucm1", AGENT);
}

#[test]
fn a_call_whose_leg_went_on_elsewhere_is_proved_with_the_word_from_there() {
    let (mut statements, other) = brought_together();
    let mut left = Statement { legs: Vec::new(), caller: Uuid(AGENT.into()), ..statements[1].clone() };
    left.went_on = vec![WentOn { sip_call_id: "c".into(), caller: Uuid(CALLER.into()) }];
    let signed = vec![sign(&left, "cvp1"), sign(&other, "cucm1")];
    let mut passport = Passport::bundle("lab", Uuid(AGENT.into()), &[b"root".to_vec()], signed);
    wrong(&judge(&passport), Kind::Disagreement, "hop cvp1 -> cucm1", "no word of it");
    assert_eq!(passport.told_elsewhere(), [Uuid(CALLER.into())]);
    passport.add(statements.drain(..).map(|statement| sign(&statement, &statement.node)).collect());
    assert_eq!(passport.statements.len(), 3, "the call server's alone tells of it");
    let verdict = judge(&passport);
    assert_eq!(verdict.wrong, None, "{verdict}");
    assert_eq!(verdict.hops.len(), 2, "the moved leg's and the phone's, and not the other caller's");
}
