//! Questions, answers, and each fault of an answer.

use super::*;
use crate::identity::certificates;
use crate::test_pki::{NOW, ca, now, request};
use crate::{Ca, Identity};

const DAY: i64 = 24 * 3600;

fn der(ca: &Ca) -> Vec<u8> {
    certificates(ca.certificate_pem()).unwrap().remove(0).to_vec()
}

fn leaf(identity: &Identity) -> Vec<u8> {
    identity.chain_der().remove(0)
}

fn responder(ca: &Ca) -> Responder {
    let hour = std::time::Duration::from_secs(3600);
    let delegate = ca.issue_responder(now() - hour, now() + DELEGATE_LIFE).unwrap();
    Responder::new(delegate, &der(ca), NOW).unwrap()
}

#[test]
fn a_question_says_which_certificate_is_meant_and_nothing_of_who_asks() {
    let ours = ca("lab");
    let identity = ours.issue(&request("cube1")).unwrap();
    for hash in [Hash::Sha1, Hash::Sha256] {
        let id = CertificateId::of(&leaf(&identity), &der(&ours), hash).unwrap();
        assert_eq!(id.serial(), identity.facts().serial);
        assert!(id.is_of(&der(&ours)) && !id.is_of(&der(&ca("lab"))));
        let asked = Request { id };
        assert_eq!(Request::read(&asked.der()), Some(asked.clone()));
        assert_eq!(from_path(&path_of(&asked.der())), Some(asked.der()));
        for cut in 0..asked.der().len() {
            assert_eq!(Request::read(&asked.der()[..cut]), None, "cut at {cut}");
        }
    }
    assert!(CertificateId::of(&leaf(&identity), &der(&ca("lab")), Hash::Sha1).is_err(), "another's");
}

#[test]
fn an_answer_is_believed_about_its_certificate_in_its_time_and_no_other() {
    let ours = ca("lab");
    let (identity, other) = (ours.issue(&request("cube1")).unwrap(), ours.issue(&request("cvp1")).unwrap());
    let by = responder(&ours);
    for status in [
        Status::Good,
        Status::Unknown,
        Status::Revoked { at: NOW - DAY, reason: Some(1) },
        Status::Revoked { at: NOW - DAY, reason: None },
    ] {
        for hash in [Hash::Sha1, Hash::Sha256] {
            let id = CertificateId::of(&leaf(&identity), &der(&ours), hash).unwrap();
            let answer = by.answer(&id, &status, NOW, NOW + DAY).unwrap();
            let judged = |now| judge(&answer, &leaf(&identity), &der(&ours), now);
            let want = Answer { status: status.clone(), made: NOW, until: NOW + DAY };
            assert_eq!(judged(NOW), Ok(want.clone()));
            assert_eq!(judged(NOW - SKEW), Ok(want.clone()), "clocks differ");
            assert_eq!(judged(NOW + DAY + SKEW), Ok(want));
            assert_eq!(judged(NOW - SKEW - 1), Err(Fault::Early(NOW)));
            assert_eq!(judged(NOW + DAY + SKEW + 1), Err(Fault::Late(NOW + DAY)));
            assert_eq!(judge(&answer, &leaf(&other), &der(&ours), NOW), Err(Fault::Other), "another serial");
        }
    }
    assert_eq!(
        Status::Revoked { at: NOW, reason: Some(1) }.to_string(),
        "revoked on 2026-11-22T00:00:00Z (key-compromise)"
    );
}

#[test]
fn only_the_authority_answers_for_it_or_whom_it_charged_with_that() {
    let (ours, stranger) = (ca("lab"), ca("lab"));
    let below = ours.issue_authority_for_test("below");
    let identity = ours.issue(&request("cube1")).unwrap();
    let id = CertificateId::of(&leaf(&identity), &der(&ours), Hash::Sha1).unwrap();
    let judged = |answer: &[u8]| judge(answer, &leaf(&identity), &der(&ours), NOW);
    for (who, signer) in [("a stranger", &stranger), ("an authority below", &below)] {
        let answer = responder(signer).answer(&id, &Status::Good, NOW, NOW + DAY).unwrap();
        assert_eq!(judged(&answer), Err(Fault::Signer), "{who}");
    }
    // A node of the authority has a certificate of it, and not for this.
    let node = ours.issue(&request("cvp1")).unwrap();
    let words = Responder::new(node.clone(), &der(&ours), NOW).unwrap_err().to_string();
    assert!(words.contains("not for OCSP"), "{words}");
    let answer = by_force(&node, &id);
    assert_eq!(judged(&answer), Err(Fault::Signer), "whoever has any certificate");
    // The authority itself may.
    let own = Identity::from_pem(ours.certificate_pem(), ours.key_pem().unwrap()).unwrap();
    assert_eq!(judged(&by_force(&own, &id)).unwrap().status, Status::Good);
    // A delegate whose time is over is none.
    let old = ours.issue_responder(now() - DELEGATE_LIFE, now() - DELEGATE_LIFE / 2).unwrap();
    assert_eq!(judged(&by_force(&old, &id)), Err(Fault::Signer));
}

/// As one would sign who asks nobody whether he may.
fn by_force(signer: &Identity, id: &CertificateId) -> Vec<u8> {
    let certificate = leaf(signer);
    let key = Hash::Sha1.of(&super::id::parsed(&certificate).unwrap().public_key().subject_public_key.data);
    let said = response::to_be_signed(&key, id, &Status::Good, NOW, NOW + DAY);
    response::signed(&said, &signer.sign(&said).unwrap(), &certificate)
}

#[test]
fn no_octet_of_an_answer_may_change_and_what_is_no_answer_says_so() {
    let ours = ca("lab");
    let identity = ours.issue(&request("cube1")).unwrap();
    let answer = responder(&ours).staple(&leaf(&identity), &Status::Good, NOW, NOW + DAY).unwrap();
    let judged = |answer: &[u8]| judge(answer, &leaf(&identity), &der(&ours), NOW);
    assert!(judged(&answer).is_ok());
    for at in 0..answer.len() {
        let mut changed = answer.clone();
        changed[at] ^= 1;
        // The name of the algorithm alone is not looked at: what verifies is what is believed.
        if let Ok(believed) = judged(&changed) {
            assert_eq!(believed, judged(&answer).unwrap(), "octet {at}");
        }
        assert_eq!(judged(&answer[..at]), Err(Fault::Unreadable), "cut at {at}");
    }
    for what in [
        Unsuccessful::MalformedRequest,
        Unsuccessful::InternalError,
        Unsuccessful::TryLater,
        Unsuccessful::SignatureRequired,
        Unsuccessful::Unauthorized,
        Unsuccessful::Other(9),
    ] {
        assert_eq!(judged(&what.der()), Err(Fault::Unsuccessful(what)));
    }
    assert_eq!(Unsuccessful::Unauthorized.der(), [0x30, 3, 0x0a, 1, 6], "RFC 6960 §4.2.1");
}

#[test]
fn certificates_say_where_they_are_asked_about_once_the_site_does() {
    let at = "http://ocsp.lab.example:2560/";
    let silent = ca("lab").issue(&request("cube1")).unwrap();
    assert_eq!(asked_of(&leaf(&silent)), Asked::default());
    let speaking = ca("lab").answering_at(Some(at.into())).issue(&request("cube1")).unwrap();
    assert_eq!(asked_of(&leaf(&speaking)), Asked { responder: Some(at.into()), must_staple: false });
}
