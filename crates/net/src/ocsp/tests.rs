//! The book without sockets; the listener over real ones is in `tests/lab/ocsp.rs`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use trust::ocsp::{
    CertificateId, DELEGATE_LIFE, Fault, Hash, Question, Request, Responder, Status, Unsuccessful, judge,
};
use trust::{Ca, Identity, KeyKind};

use super::book::Book;
use super::kept::Kept;

/// 2026-11-22T00:00:00Z.
const NOW: i64 = 1_795_305_600;
const LIFE: i64 = 3 * 24 * 3600;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(NOW as u64)
}

struct Rig {
    root: Vec<u8>,
    leaf: Vec<u8>,
    serial: String,
    responder: Responder,
    book: Book,
}

fn rig() -> Rig {
    let ca = Ca::create("lab", now()).unwrap();
    let request = trust::Request {
        common_name: "cube1.lab.example".into(),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        node: None,
        uris: Vec::new(),
        key: KeyKind::P256,
        not_before: now(),
        not_after: now() + DELEGATE_LIFE,
    };
    let identity: Identity = ca.issue(&request).unwrap();
    let root = trust::certificates_der(ca.certificate_pem()).unwrap().remove(0);
    let hour = Duration::from_secs(3600);
    let delegate = ca.issue_responder(now() - hour, now() + DELEGATE_LIFE).unwrap();
    let responder = Responder::new(delegate, &root, NOW).unwrap();
    let (leaf, serial) = (identity.chain_der().remove(0), identity.facts().serial.clone());
    let mut book = Book::default();
    book.learn(Some(responder.clone()), BTreeMap::from([(serial.clone(), Status::Good)]));
    Rig { root, leaf, serial, responder, book }
}

impl Rig {
    fn asked(&self, hash: Hash) -> Vec<u8> {
        Request { id: CertificateId::of(&self.leaf, &self.root, hash).unwrap() }.der()
    }

    fn heard(&mut self, at: i64) -> Result<Status, Fault> {
        let asked = self.asked(Hash::Sha1);
        let reply = self.book.answer(&asked, at, LIFE);
        judge(&reply.answer, &self.leaf, &self.root, at).map(|answer| answer.status)
    }
}

#[test]
fn an_answer_is_signed_once_and_made_anew_when_half_of_its_time_is_over_or_something_else_is_true() {
    let mut rig = rig();
    let asked = rig.asked(Hash::Sha256);
    let first = rig.book.answer(&asked, NOW, LIFE);
    assert_eq!(first.max_age, LIFE / 2);
    assert_eq!(
        rig.book.answer(&asked, NOW + LIFE / 2 - 1, LIFE).answer,
        first.answer,
        "ECDSA signs nothing alike twice"
    );
    assert_ne!(rig.book.answer(&asked, NOW + LIFE / 2, LIFE).answer, first.answer);
    assert_eq!(rig.heard(NOW), Ok(Status::Good));
    let revoked = Status::Revoked { at: NOW, reason: Some(1) };
    rig.book.learn(Some(rig.responder.clone()), BTreeMap::from([(rig.serial.clone(), revoked.clone())]));
    assert_eq!(rig.heard(NOW), Ok(revoked), "at once");
}

#[test]
fn nobody_has_anything_signed_about_what_was_not_issued_here() {
    let mut rig = rig();
    let unsuccessful = |reply: super::book::Reply, why: Unsuccessful| {
        assert_eq!((reply.answer.as_ref(), reply.max_age), (why.der().as_slice(), 0));
    };
    for nonsense in [&b""[..], b"0", &[0x30, 0]] {
        unsuccessful(rig.book.answer(nonsense, NOW, LIFE), Unsuccessful::MalformedRequest);
    }
    let strangers = self::rig();
    unsuccessful(rig.book.answer(&strangers.asked(Hash::Sha1), NOW, LIFE), Unsuccessful::Unauthorized);
    rig.book.learn(Some(rig.responder.clone()), BTreeMap::new());
    assert_eq!(rig.heard(NOW), Err(Fault::Unsuccessful(Unsuccessful::Unauthorized)), "a serial that nobody knows");
}

#[test]
fn no_answer_outlives_the_key_that_signs_it() {
    let mut rig = rig();
    let end = rig.responder.until();
    let asked = rig.asked(Hash::Sha1);
    let late = rig.book.answer(&asked, end - 60, LIFE);
    assert_eq!(judge(&late.answer, &rig.leaf, &rig.root, end - 60).unwrap().until, end);
    assert_eq!(rig.heard(end), Err(Fault::Unsuccessful(Unsuccessful::TryLater)));
}

#[test]
fn what_was_heard_is_believed_after_a_restart_by_its_signature_and_its_dates_alone() {
    let folder = std::env::temp_dir().join(format!("ringfence-heard-{}", std::process::id()));
    let kept = Kept::open(&folder);
    let question = |rig: &Rig| Question {
        certificate: rig.leaf.clone(),
        issuer: rig.root.clone(),
        responder: "http://ocsp.example/".into(),
    };
    let (good, old, forged, stranger) = (rig(), rig(), rig(), rig());
    let says = |rig: &Rig, by: &Rig, until: i64| {
        let id = CertificateId::of(&rig.leaf, &rig.root, Hash::Sha1).unwrap();
        by.responder.answer(&id, &Status::Good, NOW, until).unwrap()
    };
    kept.keep(&question(&good), &says(&good, &good, NOW + LIFE));
    kept.keep(&question(&old), &says(&old, &old, NOW + 60));
    kept.keep(&question(&forged), &says(&forged, &stranger, NOW + LIFE));
    std::fs::write(folder.join("heard/nonsense"), b"nonsense").unwrap();
    assert_eq!(kept.believe(NOW + 3600), [question(&good)]);
    assert_eq!(std::fs::read_dir(folder.join("heard")).unwrap().count(), 1, "the rest is gone");
    std::fs::remove_dir_all(folder).unwrap();
}
