//! SIP OAuth as a phone meets it: what a token opens, what each fault of one is answered, how long it lasts.

use std::sync::Arc;
use std::time::Duration;

use roles::{Control, Input, Journal, Kind, Plan, Registration, Reply};
use sdp::{Direction, Protection};
use sip::endpoint::{Event, Invite};
use sip::{Headers, Hop, Method, Name, NameAddr, Response, Status};
use trust::{Audience, Claims, KeyKind, Peer, TlsFacts, TokenIssuer, TokenKey};

use crate::far_end::{Audio, ORIGIN, Rig};
use crate::manager::{ask, lab, last, refusals, register, uri};

const FAR: &str = "127.18.133.75:40000";

/// Phone 1001 proves itself by a token and has no secret, 1002 by digest.
const SITE: &str = "
[node.role.call_manager.oauth]
[[node.role.call_manager.phone_security_profile]]
name = \"soft phones\"
enable_oauth_authentication = true
";

fn plan(issuer: &TokenIssuer, change: impl FnOnce(&mut roles::call_manager::OAuth)) -> Plan {
    let mut plan = lab(|text| {
        let secret = "digest_secret = \"lab-1001-secret\"";
        text.replace(secret, "device_security_profile = \"soft phones\"\nowner = \"amber\"") + SITE
    });
    let Kind::CallManager(manager) = &mut plan.kind else { panic!("a call manager") };
    let oauth = manager.oauth.as_mut().expect("it takes tokens");
    oauth.terms[0].keys = TokenKey::read_set(&issuer.key_set()).expect("keys");
    change(oauth);
    plan
}

fn issuer() -> TokenIssuer {
    TokenIssuer::from_pem(&trust::generate_key(KeyKind::P256).expect("a key").0).expect("an issuer")
}

fn claims(life: i64) -> Claims {
    Claims {
        iss: "https://cucm1.lab.example".into(),
        sub: "amber".into(),
        aud: Audience::One("cucm1.lab.example".into()),
        exp: ORIGIN as i64 + life,
        nbf: None,
        iat: None,
        jti: Some("t1".into()),
    }
}

/// A phone without a certificate, connected to the OAuth port.
fn phone(issuer: &TokenIssuer) -> Rig {
    let mut rig = Rig::new(plan(issuer, |_| {}), FAR.parse().expect("an address"), Some("nobody"));
    rig.flow.local.set_port(5090);
    rig.peer = Arc::new(Peer::Anonymous(TlsFacts { version: "TLSv1.3".into(), ..TlsFacts::default() }));
    rig
}

fn by_token(rig: &mut Rig, line: &str, token: &str) -> Response {
    let mut headers = vec![(Name::Contact, format!("<sip:{line}@{};transport=tls>;expires=600", rig.flow.remote))];
    if !token.is_empty() {
        headers.push((Name::Authorization, format!("Bearer {token}")));
    }
    let of_line = || NameAddr::new(uri(Some(line)));
    ask(rig, Method::Register, uri(None), [of_line(), of_line()], headers)
}

fn registrations(rig: &mut Rig) -> Vec<Registration> {
    match rig.control(Control::Registrations) {
        Reply::Registrations(list) => list,
        other => panic!("{other:?}"),
    }
}

fn invite(rig: &mut Rig) {
    let (offer, _) = Audio::new(Protection::Secure, "127.18.133.75:20000").offer(Direction::SendRecv);
    let invite = Invite {
        hop: Hop::Flow(rig.flow.id),
        request_uri: uri(Some("1001")),
        from: NameAddr::new(uri(Some("1001"))),
        to: NameAddr::new(uri(Some("1001"))),
        contact_user: Some("1001".into()),
        headers: Headers::new(),
        body: Some(Audio::body(offer)),
        max_forwards: 70,
    };
    rig.sip.invite(invite, rig.now);
    rig.settle();
}

/// Contract 81, 198, 244: no certificate, no secret, and a call that says by what it was admitted.
#[test]
fn a_token_opens_the_flow_and_a_call_over_it_says_so() {
    let issuer = issuer();
    let mut rig = phone(&issuer);
    let granted = by_token(&mut rig, "1001", &issuer.issue(&claims(3600)).expect("a token"));
    assert_eq!(granted.status(), Some(Status(200)));
    let listed = registrations(&mut rig);
    assert_eq!((listed.len(), listed[0].admitted_by.as_str(), &listed[0].certificate), (1, "oauth", &None));
    assert_eq!(listed[0].expires_s, 600);
    invite(&mut rig);
    let ringing = rig.met(|event| match event {
        Event::Request { request, .. } => Some(request.clone()),
        _ => None,
    });
    // Whoever answers comes back to the port that this phone is let in by.
    assert!(ringing.header(&Name::Contact).is_some_and(|contact| contact.contains(":5090;")), "{ringing:?}");
    assert_eq!(ringing.from().expect("a From").uri.user.as_deref(), Some("1001"));
    let legs = rig.legs();
    assert_eq!(legs.len(), 2);
    assert!(legs.iter().all(|leg| leg.signalling.peer.is_none()), "{legs:?}");
    assert!(legs.iter().any(|leg| leg.signalling.admitted_by == "oauth"), "{legs:?}");
    assert_eq!(refusals(&rig), []);
}

#[test]
fn whatever_is_no_registration_by_a_token_gets_401_and_is_told_where_tokens_are_given() {
    let issuer = issuer();
    let mut rig = phone(&issuer);
    invite(&mut rig);
    let refused = last(&mut rig);
    assert_eq!(refused.status(), Some(Status(401)));
    let challenge = "Bearer realm=\"lab.example\",authz_server=\"https://cucm1.lab.example\"";
    assert_eq!(refused.header(&Name::WwwAuthenticate), Some(challenge));
    for line in ["1001", "1002", "4711"] {
        let refused = by_token(&mut rig, line, "");
        assert_eq!((refused.status(), refused.header(&Name::WwwAuthenticate)), (Some(Status(401)), Some(challenge)));
    }
    let of_line = || NameAddr::new(uri(Some("1002")));
    let digest = vec![(Name::Authorization, "Digest username=\"1002\", realm=\"lab.example\"".to_owned())];
    let refused = ask(&mut rig, Method::Register, uri(None), [of_line(), of_line()], digest);
    assert_eq!(refused.status(), Some(Status(401)));
    assert_eq!(refusals(&rig).len(), 5);
    assert!(refusals(&rig).iter().all(|record| record.refusal.cause == "no_token"), "{:?}", refusals(&rig));
    assert_eq!((registrations(&mut rig).len(), rig.legs().len()), (0, 0));
}

#[test]
fn a_trunks_certificate_opens_nothing_on_the_port_for_tokens() {
    let issuer = issuer();
    let far = "127.18.133.226:40000".parse().expect("an address");
    let mut rig = Rig::new(plan(&issuer, |_| {}), far, Some("cube1.lab.example"));
    rig.flow.local.set_port(5090);
    invite(&mut rig);
    assert_eq!(last(&mut rig).status(), Some(Status(401)));
    assert_eq!(rig.legs().len(), 0);
}

#[test]
fn each_fault_of_a_token_has_its_cause_and_no_word_of_the_token_in_it() {
    let (issuer, stranger) = (issuer(), issuer());
    let good = issuer.issue(&claims(3600)).expect("a token");
    let made = |claims: Claims| issuer.issue(&claims).expect("a token");
    let (head, rest) = good.split_once('.').expect("parts");
    let none = format!("eyJhbGciOiJub25lIn0.{}", rest);
    let mut tampered = good.clone().into_bytes();
    let at = head.len() + 10;
    tampered[at] = if tampered[at] == b'A' { b'B' } else { b'A' };
    let faults = [
        ("token_expired", made(claims(-1))),
        ("token_not_yet", made(Claims { nbf: Some(ORIGIN as i64 + 300), ..claims(3600) })),
        ("token_unknown_key", stranger.issue(&claims(3600)).expect("a token")),
        ("token_issuer", made(Claims { iss: "https://elsewhere.example".into(), ..claims(3600) })),
        ("token_audience", made(Claims { aud: Audience::One("cucm2.lab.example".into()), ..claims(3600) })),
        ("token_owner", made(Claims { sub: "bob".into(), ..claims(3600) })),
        ("token_revoked", made(Claims { jti: Some("t0".into()), ..claims(3600) })),
        ("token_signature", String::from_utf8(tampered).expect("text")),
        ("token_algorithm", none),
        ("token_malformed", "ey.ey".into()),
    ];
    for (cause, token) in faults {
        let mut rig = phone(&issuer);
        let revoked = plan(&issuer, |oauth| oauth.revoked.extend(["t0".to_owned()]));
        rig.input(Input::Plan(Arc::new(Plan { generation: 2, ..revoked })));
        let refused = by_token(&mut rig, "1001", &token);
        assert_eq!(refused.status(), Some(Status(401)), "{cause}");
        let challenge = refused.header(&Name::WwwAuthenticate).expect("a challenge");
        assert!(challenge.ends_with("error=\"invalid_token\""), "{challenge}");
        let written = refusals(&rig);
        assert_eq!((written.len(), written[0].refusal.cause.as_str()), (1, cause));
        let said = format!("{written:?}{refused:?}");
        assert!(!said.contains(&token), "{said}");
        assert_eq!(registrations(&mut rig), [], "{cause}");
        assert_eq!(by_token(&mut rig, "1001", &good).status(), Some(Status(200)), "the right one, then");
    }
    // The right token for another's line: one that proves itself otherwise, and one that nobody has.
    for (line, cause) in [("1002", "oauth_not_enabled"), ("4711", "token_owner")] {
        let mut rig = phone(&issuer);
        assert_eq!(by_token(&mut rig, line, &good).status(), Some(Status(401)));
        assert_eq!(refusals(&rig)[0].refusal.cause, cause);
    }
}

#[test]
fn a_token_is_for_its_port_and_a_digest_for_the_other() {
    let issuer = issuer();
    let mut rig = phone(&issuer);
    rig.flow.local.set_port(5061);
    let refused = by_token(&mut rig, "1001", &issuer.issue(&claims(3600)).expect("a token"));
    assert_eq!(refused.status(), Some(Status(403)));
    assert_eq!(refusals(&rig)[0].refusal.cause, "oauth_port");
    assert_eq!(register(&mut rig, "1002", "lab-1002-secret").status(), Some(Status(200)));
    assert_eq!(registrations(&mut rig)[0].admitted_by, "digest");
}

#[test]
fn a_registration_ends_with_its_token_and_its_connection_is_good_for_nothing_then() {
    let issuer = issuer();
    let mut rig = phone(&issuer);
    let granted = by_token(&mut rig, "1001", &issuer.issue(&claims(45)).expect("a token"));
    assert!(granted.header(&Name::Contact).is_some_and(|contact| contact.ends_with(";expires=45")), "{granted:?}");
    rig.wait(Duration::from_secs(44));
    assert_eq!(registrations(&mut rig).len(), 1);
    // Another before the first ends, as phones do.
    let next = by_token(&mut rig, "1001", &issuer.issue(&claims(90)).expect("a token"));
    assert_eq!(next.status(), Some(Status(200)));
    rig.wait(Duration::from_secs(45));
    assert_eq!((registrations(&mut rig).len(), refusals(&rig).len()), (1, 0));
    rig.wait(Duration::from_secs(2));
    assert_eq!(registrations(&mut rig), []);
    let written = refusals(&rig);
    assert_eq!((written.len(), written[0].refusal.cause.as_str()), (1, "token_expired"));
    assert_eq!(written[0].answered, "the registration ended");
    invite(&mut rig);
    assert_eq!(last(&mut rig).status(), Some(Status(401)));
}

#[test]
fn a_token_taken_back_ends_its_registration_at_once_and_lets_its_call_end_by_itself() {
    let issuer = issuer();
    let token = issuer.issue(&claims(3600)).expect("a token");
    type Change = fn(&mut roles::call_manager::OAuth);
    let changes: [(&str, Change); 3] = [
        ("token_revoked", |oauth| oauth.revoked.extend(["t1".to_owned()])),
        ("token_unknown_key", |oauth| oauth.terms[0].keys.clear()),
        ("token_unknown_key", |oauth| oauth.terms[0].issuer = "https://another.example".into()),
    ];
    for (cause, change) in changes {
        let mut rig = phone(&issuer);
        assert_eq!(by_token(&mut rig, "1001", &token).status(), Some(Status(200)));
        invite(&mut rig);
        rig.input(Input::Plan(Arc::new(Plan { generation: 2, ..plan(&issuer, change) })));
        assert_eq!(registrations(&mut rig), [], "{cause}");
        assert_eq!(refusals(&rig)[0].refusal.cause, cause);
        assert_eq!(rig.legs().iter().filter(|leg| leg.ended_ms.is_none()).count(), 2, "a call that is up goes on");
        rig.events.clear();
        invite(&mut rig);
        assert_eq!(last(&mut rig).status(), Some(Status(403)), "and there is no other");
        assert_eq!(by_token(&mut rig, "1001", &token).status(), Some(Status(401)));
    }
}

/// A provider's key that is not known yet: its set is fetched, and the phone comes again.
#[test]
fn a_key_that_is_unknown_has_its_issuers_set_fetched_and_the_phone_told_to_wait() {
    let (issuer, renewed) = (issuer(), issuer());
    let ours = "https://cucm1.lab.example".to_owned();
    let fetched = |issuer: &TokenIssuer| plan(issuer, |oauth| oauth.fetched.extend([ours.clone()]));
    let mut rig = phone(&issuer);
    rig.input(Input::Plan(Arc::new(Plan { generation: 2, ..fetched(&issuer) })));
    let wanted = |rig: &Rig| {
        let of = |line: &&Journal| matches!(line, Journal::KeysWanted { issuer } if *issuer == ours);
        rig.journal.iter().filter(of).count()
    };
    let (good, new) = (issuer.issue(&claims(3600)), renewed.issue(&claims(3600)).expect("a token"));
    // Who says that another sent it is that other's, and others' faults are what they were.
    let foreign = renewed.issue(&Claims { iss: "https://elsewhere.example".into(), ..claims(3600) }).expect("a token");
    let late = issuer.issue(&claims(-1)).expect("a token");
    for token in [&foreign, &late, &"ey.ey".to_owned()] {
        assert_eq!(by_token(&mut rig, "1001", token).status(), Some(Status(401)));
    }
    assert_eq!((wanted(&rig), refusals(&rig).len()), (0, 3));
    for _ in 0..9 {
        let waits = by_token(&mut rig, "1001", &new);
        assert_eq!((waits.status(), waits.header(&Name::RetryAfter)), (Some(Status(503)), Some("5")));
    }
    assert_eq!((wanted(&rig), refusals(&rig).len()), (1, 3), "asked once, and no guess of anybody's");
    rig.wait(Duration::from_secs(5));
    let refused = by_token(&mut rig, "1001", &new);
    assert_eq!((refused.status(), wanted(&rig)), (Some(Status(401)), 1), "it did not come: another token is needed");
    assert_eq!(refusals(&rig)[3].refusal.cause, "token_unknown_key");
    assert_eq!(by_token(&mut rig, "1001", &good.expect("a token")).status(), Some(Status(200)));
    rig.wait(Duration::from_secs(26));
    assert_eq!(by_token(&mut rig, "1001", &new).status(), Some(Status(503)));
    assert_eq!(wanted(&rig), 2, "once in half a minute");
    rig.input(Input::Plan(Arc::new(Plan { generation: 3, ..fetched(&renewed) })));
    assert_eq!(by_token(&mut rig, "1001", &new).status(), Some(Status(200)));
}
