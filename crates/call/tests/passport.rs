//! Passports with real identities: what cryptography must find, and what it must not be asked to.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use call::passport::{Passport, verify, verify_file};
use call::session_id::Uuid;
use call::statement::{Signed, Statement};
use call::verdict::Kind;
use trust::{Ca, Identity, KeyKind, Request};

const MADE: u64 = 1_795_305_600_000;

fn at(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(ms)
}

fn identity(ca: &Ca, node: &str, key: KeyKind, days: u64) -> Identity {
    let day = Duration::from_secs(86_400);
    let host = format!("{node}.lab.example");
    let request = Request {
        common_name: host.clone(),
        dns_names: vec![host],
        ip_addresses: vec![],
        node: Some(node.into()),
        uris: vec![],
        key,
        not_before: at(MADE) - day,
        not_after: at(MADE) + day * days as u32,
    };
    ca.issue(&request).expect("an identity")
}

fn statement(node: &str) -> Statement {
    let caller = Uuid("674ecd1639ed7a710000abf910000178".into());
    Statement {
        version: Statement::VERSION,
        site: "lab".into(),
        node: node.into(),
        role: "sbc".into(),
        caller,
        made_ms: MADE,
        legs: vec![],
        went_on: Vec::new(),
    }
}

fn sign(node: &str, by: &Identity) -> Signed {
    let payload = statement(node).to_bytes();
    Signed::new(&payload, &by.sign(&payload).expect("a signature"), &by.chain_der())
}

fn roots(ca: &Ca) -> Vec<Vec<u8>> {
    trust::certificates_der(ca.certificate_pem()).expect("our own PEM")
}

/// Two nodes, of the two kinds of keys.
fn passport(ca: &Ca) -> Passport {
    let (cube, cvp) = (identity(ca, "cube1", KeyKind::P256, 90), identity(ca, "cvp1", KeyKind::Rsa2048, 90));
    let caller = statement("cube1").caller;
    Passport::bundle("lab", caller, &roots(ca), vec![sign("cube1", &cube), sign("cvp1", &cvp)])
}

#[test]
fn every_changed_byte_of_the_file_is_found() {
    let ca = Ca::create("lab", at(MADE)).expect("a root");
    let passport = passport(&ca);
    let own = roots(&ca);
    let good = verify(&passport, Some(&own), at(MADE + 60_000));
    assert_eq!(good.wrong, None);
    assert_eq!(good.signers[1].subject, "CN=cvp1.lab.example,O=lab");

    let file = passport.to_json().into_bytes();
    assert!(verify_file(&file, Some(&own), at(MADE + 60_000)).is_good());
    // Each byte that is not layout, changed to another letter: 7 apart, so that a few thousand bytes stay quick.
    for at_byte in (0..file.len()).step_by(7).filter(|at| !file[*at].is_ascii_whitespace()) {
        let mut changed = file.clone();
        changed[at_byte] = if changed[at_byte] == b'A' { b'B' } else { b'A' };
        let verdict = verify_file(&changed, Some(&own), at(MADE + 60_000));
        assert!(!verdict.is_good(), "byte {at_byte} of {} was changed and nothing was said", file.len());
    }
}

#[test]
fn signatures_by_a_stranger_another_node_and_an_expired_identity_are_named() {
    let (ca, other) = (Ca::create("lab", at(MADE)).expect("a root"), Ca::create("lab", at(MADE)).expect("a root"));
    let own = roots(&ca);
    let told = |signed: Signed, now: u64| {
        let passport = Passport::bundle("lab", statement("cube1").caller, &own, vec![signed]);
        verify(&passport, Some(&own), at(now)).wrong.map(|wrong| (wrong.kind, wrong.place))
    };
    let cube = identity(&ca, "cube1", KeyKind::P256, 90);
    let place = "the statement of cube1".to_owned();
    assert_eq!(told(sign("cube1", &cube), MADE), None);
    assert_eq!(
        told(sign("cube1", &identity(&other, "cube1", KeyKind::P256, 90)), MADE),
        Some((Kind::Signature, place.clone()))
    );
    assert_eq!(
        told(sign("cube1", &identity(&ca, "cvp1", KeyKind::P256, 90)), MADE),
        Some((Kind::Identity, place.clone()))
    );
    // Years later the certificate has expired; when it signed it had not.
    assert_eq!(told(sign("cube1", &cube), MADE + 5 * 365 * 86_400_000), None);
    let (payload, day) = (Statement { made_ms: MADE + 91 * 86_400_000, ..statement("cube1") }.to_bytes(), 86_400_000);
    let late = Signed::new(&payload, &cube.sign(&payload).expect("a signature"), &cube.chain_der());
    assert_eq!(told(late, MADE + 92 * day), Some((Kind::Signature, place)));
}
