//! OCSP: the key that answers, what it may say, and what is stapled.

use trust::Reason;
use trust::ocsp::{CertificateId, DELEGATE_LIFE, Hash, Status, asked_of, judge};

use super::*;
use crate::ANSWER_LIFE;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn lab(folder: &Folder) -> DataDir {
    let site = LAB.replacen("[tls]", "[ocsp]\nnode = \"cucm1\"\nurl = \"http://ocsp.lab.example:2560/\"\n[tls]", 1);
    DataDir::init(&folder.path("data"), &site, now()).unwrap().0
}

fn leaf(dir: &DataDir, name: &str) -> Vec<u8> {
    dir.identity(name).unwrap().chain_der().remove(0)
}

fn root(dir: &DataDir) -> Vec<u8> {
    trust::certificates_der(&dir.own_root_pem().unwrap()).unwrap().remove(0)
}

fn seconds(at: SystemTime) -> i64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64
}

/// What a peer reads in the staple of this identity at `at`.
fn stapled(dir: &DataDir, name: &str, at: SystemTime) -> Option<Status> {
    let identity = dir.shown(name).unwrap();
    identity.staple().map(|answer| judge(answer, &leaf(dir, name), &root(dir), seconds(at)).unwrap().status)
}

#[test]
fn a_site_that_answers_says_so_in_its_certificates_and_one_that_does_not_is_silent() {
    let folder = Folder::new();
    let dir = lab(&folder);
    assert_eq!(asked_of(&leaf(&dir, "cube1")).responder.as_deref(), Some("http://ocsp.lab.example:2560/"));
    dir.renew("cube1", now(), false).unwrap();
    assert!(asked_of(&leaf(&dir, "cube1")).responder.is_some(), "renewed");
    dir.replace_site(LAB).unwrap();
    dir.renew("cube1", now(), false).unwrap();
    assert_eq!(asked_of(&leaf(&dir, "cube1")).responder, None);
    assert_eq!(stapled(&dir, "cvp1", now()), Some(Status::Good));
    assert_eq!(dir.tend(now()).unwrap().done.len(), 6, "what nobody would make anew is stapled no longer");
    assert!(stapled(&dir, "cube1", now()).is_none() && stapled(&dir, "cvp1", now()).is_none());
}

#[test]
fn what_is_stapled_and_who_answers_are_made_anew_ahead_of_their_end() {
    let folder = Folder::new();
    let dir = lab(&folder);
    assert_eq!(dir.tend(now()).unwrap().done, [""; 0], "init made all of it");
    assert_eq!(stapled(&dir, "cube1", now() + ANSWER_LIFE), Some(Status::Good));
    // Half of its time, and before the delegate's two thirds.
    let later = now() + ANSWER_LIFE / 2 + DAY / 24;
    assert_eq!(dir.tend(later).unwrap().done.len(), 6);
    assert_eq!(stapled(&dir, "cube1", later + ANSWER_LIFE), Some(Status::Good));
    let later = now() + DELEGATE_LIFE / 3 * 2;
    let done = dir.tend(later).unwrap().done;
    assert!(done[0].starts_with("ca/ocsp"), "{done:?}");
    assert_eq!(stapled(&dir, "cube1", later + ANSWER_LIFE), Some(Status::Good));
    // Another certificate, another answer; the one before is not stapled to it.
    dir.renew("cube1", later, false).unwrap();
    assert_eq!(stapled(&dir, "cube1", later), None);
    assert_eq!(dir.tend(later).unwrap().done.len(), 1);
    assert_eq!(stapled(&dir, "cube1", later), Some(Status::Good));
}

#[test]
fn whoever_asks_hears_what_the_register_has() {
    let folder = Folder::new();
    let dir = lab(&folder);
    dir.tend(now()).unwrap();
    let (gone, stays) = (leaf(&dir, "cube1"), leaf(&dir, "cvp1"));
    dir.revoke("cube1", Reason::KeyCompromise, now()).unwrap();
    let responder = dir.responder(now()).unwrap().unwrap();
    let statuses = dir.statuses().unwrap();
    let heard = |der: &[u8]| {
        let id = CertificateId::of(der, &root(&dir), Hash::Sha1).unwrap();
        let answer = responder.answer(&id, &statuses[&id.serial()], seconds(now()), seconds(now() + DAY)).unwrap();
        judge(&answer, der, &root(&dir), seconds(now())).unwrap().status
    };
    assert_eq!(heard(&gone), Status::Revoked { at: seconds(now()), reason: Some(1) });
    assert_eq!(heard(&stays), Status::Good);
    // What says "good" of it is not stapled any longer than it takes to look.
    assert_eq!(dir.tend(now()).unwrap().done.len(), 1);
    assert_eq!(stapled(&dir, "cube1", now()), None);
}
