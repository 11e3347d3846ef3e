//! What an authority says of one certificate (OCSP), at handshakes and for connections that are open.

use std::sync::Mutex;

use rcgen::CustomExtension;

use super::revoked::{Pair, pair};
use super::*;
use crate::ocsp::{
    DELEGATE_LIFE, Fault, Policy, Question, Responder, Status, Unsuccessful, Wanted, failed, hear, on_wanted,
    revocations,
};
use crate::{Authorities, Authority};

const DAY: i64 = 24 * 3600;
const REVOKED: Status = Status::Revoked { at: NOW - DAY, reason: Some(1) };

fn der(ca: &Ca) -> Vec<u8> {
    crate::certificates_der(ca.certificate_pem()).unwrap().remove(0)
}

fn leaf(identity: &Identity) -> Vec<u8> {
    identity.chain_der().remove(0)
}

fn answers(ca: &Ca) -> Responder {
    let delegate = ca.issue_responder(now() - Duration::from_secs(3600), now() + DELEGATE_LIFE).unwrap();
    Responder::new(delegate, &der(ca), NOW).unwrap()
}

/// What the authority of this identity says of it, a day long.
fn says(ca: &Ca, identity: &Identity, status: &Status) -> Vec<u8> {
    answers(ca).staple(&leaf(identity), status, NOW - 60, NOW + DAY).unwrap()
}

fn asking(ca: &Ca, soft: bool) -> [String; 1] {
    let policy = Policy { responder: Some("http://ocsp.example/".into()), dangerous_soft_fail: soft };
    [format!("{}{}", ca.certificate_pem(), policy.pem())]
}

/// Ours and a partner's, whose node shows `theirs`.
struct Two {
    ours: Ca,
    partner: Ca,
    mine: Identity,
    theirs: Identity,
}

fn two() -> Two {
    let (ours, partner) = (ca("lab"), ca("carrier"));
    let mine = ours.issue(&request_with("cube1", KeyKind::P256)).unwrap();
    let theirs = partner.issue(&request_with("cvp1", KeyKind::P256)).unwrap();
    Two { ours, partner, mine, theirs }
}

/// We dial the partner, who shows this.
fn dialled(two: &Two, shown: &Identity, soft: bool, on: Versions) -> Handshake {
    let ours = [two.ours.certificate_pem().to_owned()];
    let Pair { client, server } = pair(&two.mine, &asking(&two.partner, soft), shown, &ours, on);
    handshake(&client, &server, &[])
}

fn cause(done: &Handshake) -> Option<&str> {
    done.refused.as_ref().map(|refused| refused.cause.as_str())
}

#[test]
fn a_stapled_answer_lets_in_who_is_good_and_nobody_else() {
    for on in [TLS12, TLS13] {
        let two = two();
        let shown = |answer: Vec<u8>| two.theirs.clone().stapling(answer);
        for (answer, want) in [
            (
                answers(&two.partner).staple(&leaf(&two.theirs), &Status::Good, NOW - 3 * DAY, NOW - DAY).unwrap(),
                "ocsp_not_believed",
            ),
            (
                answers(&two.partner).staple(&leaf(&two.theirs), &Status::Good, NOW + DAY, NOW + 2 * DAY).unwrap(),
                "ocsp_not_believed",
            ),
            (says(&two.partner, &two.theirs, &Status::Unknown), "ocsp_unknown"),
        ] {
            let done = dialled(&two, &shown(answer), true, on);
            assert_eq!(cause(&done), Some(want), "{on:?}, however soft");
            let alert = AlertDescription::BadCertificateStatusResponse;
            assert_eq!(done.server_says, Err(rustls::Error::AlertReceived(alert)));
            let refused = done.refused.unwrap();
            assert!(refused.presented.contains(&two.theirs.facts().serial), "{refused:?}");
        }
        let good = dialled(&two, &shown(says(&two.partner, &two.theirs, &Status::Good)), false, on);
        assert_eq!((good.client_says, good.server_says), (Ok(()), Ok(())), "{on:?}");
        let gone = answers(&two.partner).staple(&leaf(&two.theirs), &REVOKED, NOW - 30, NOW + DAY).unwrap();
        let done = dialled(&two, &shown(gone), true, on);
        assert_eq!(done.server_says, Err(rustls::Error::AlertReceived(AlertDescription::CertificateRevoked)));
        let refused = done.refused.unwrap();
        assert_eq!(refused.cause, "revoked");
        assert!(refused.presented.contains("revoked on 2026-11-21T00:00:00Z (key-compromise)"), "{refused:?}");
        // For good: an older answer that says otherwise, which whoever stole the key may still have, counts no more.
        let old = answers(&two.partner).staple(&leaf(&two.theirs), &Status::Good, NOW - 7200, NOW + DAY).unwrap();
        assert_eq!(cause(&dialled(&two, &shown(old), false, on)), Some("revoked"));
    }
}

#[test]
fn a_forged_staple_convinces_nobody_and_forgets_nothing() {
    let two = two();
    let stranger = ca("carrier");
    let forged = answers(&stranger);
    // A stranger's signature under the right names.
    let id = crate::ocsp::CertificateId::of(&leaf(&two.theirs), &der(&two.partner), crate::ocsp::Hash::Sha1).unwrap();
    let forged = forged.answer(&id, &Status::Good, NOW - 60, NOW + DAY).unwrap();
    let done = dialled(&two, &two.theirs.clone().stapling(forged.clone()), true, TLS13);
    assert_eq!(cause(&done), Some("ocsp_not_believed"));
    assert!(done.refused.unwrap().presented.contains("nor a responder of its own"));
    let good = says(&two.partner, &two.theirs, &Status::Good);
    hear(&good, &leaf(&two.theirs), &der(&two.partner), NOW).unwrap();
    let done = dialled(&two, &two.theirs.clone().stapling(forged), false, TLS13);
    assert_eq!(done.client_says, Ok(()), "what was heard from the authority counts");
}

/// Callers cannot staple in practice: they are asked about.
#[test]
fn a_caller_of_whom_nothing_is_known_yet_is_refused_asked_about_and_let_in_the_next_time() {
    let two = two();
    let theirs = two.partner.issue(&request_with("cube9", KeyKind::P256)).unwrap();
    let mine = two.ours.issue(&request_with("cvp1", KeyKind::P256)).unwrap();
    let wanted: Arc<Mutex<Vec<Question>>> = Arc::default();
    let (heard, whose) = (wanted.clone(), leaf(&theirs));
    let listener: Arc<Wanted> = Arc::new(move |question: Question| {
        if question.certificate == whose {
            heard.lock().unwrap().push(question);
        }
    });
    on_wanted(&listener);
    let comes = |soft: bool| {
        let ours = [two.ours.certificate_pem().to_owned()];
        let Pair { client, server } = pair(&theirs, &ours, &mine, &asking(&two.partner, soft), TLS13);
        handshake(&client, &server, &[])
    };
    let first = comes(false);
    assert_eq!(cause(&first), Some("ocsp_unavailable"));
    let refused = first.refused.unwrap();
    assert!(refused.presented.contains("no answer yet: http://ocsp.example/ is asked"), "{refused:?}");
    let asked = wanted.lock().unwrap().remove(0);
    assert_eq!((asked.issuer, asked.responder.as_str()), (der(&two.partner), "http://ocsp.example/"));
    failed(&leaf(&theirs), &der(&two.partner), "http://ocsp.example/: connection refused".into());
    let again = comes(false).refused.unwrap();
    assert!(again.presented.contains("connection refused"), "{again:?}");
    assert_eq!(comes(true).client_says, Ok(()), "softly, and only where the site says so in loud words");
    // What is no answer changes nothing.
    let nothing = hear(&Unsuccessful::TryLater.der(), &leaf(&theirs), &der(&two.partner), NOW);
    assert_eq!(nothing, Err(Fault::Unsuccessful(Unsuccessful::TryLater)));
    hear(&says(&two.partner, &theirs, &Status::Good), &leaf(&theirs), &der(&two.partner), NOW).unwrap();
    assert_eq!(comes(false).client_says, Ok(()));
    // And then it is revoked: at the next handshake, and for connections that are open.
    let roots = [(Authority::Named("carrier".into()), asking(&two.partner, false)[0].clone())];
    let authorities = Authorities::new(&roots).unwrap();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(NOW as u64));
    let chain: Vec<_> = theirs.chain_der().into_iter().map(rustls_pki_types::CertificateDer::from).collect();
    assert_eq!(authorities.withdrawn_from_caller(&chain, at), None);
    let before = revocations();
    let gone = answers(&two.partner).staple(&leaf(&theirs), &REVOKED, NOW - 30, NOW + DAY).unwrap();
    hear(&gone, &leaf(&theirs), &der(&two.partner), NOW).unwrap();
    assert!(revocations() > before);
    assert_eq!(cause(&comes(true)), Some("revoked"));
    let words = authorities.withdrawn_from_caller(&chain, at).unwrap();
    assert!(words.cause == "revoked" && words.presented.contains("OCSP"), "{words:?}");
}

#[test]
fn an_authority_below_the_root_answers_for_what_it_issued() {
    let two = two();
    let below = two.partner.issue_authority_for_test("below");
    let theirs = below.issue(&request_with("cvp1", KeyKind::P256)).unwrap();
    let chain = format!("{}{}", theirs.chain_pem(), below.certificate_pem());
    let theirs = Identity::from_pem(&chain, &theirs.key_pem()).unwrap();
    let done = dialled(&two, &theirs.clone().stapling(says(&below, &theirs, &Status::Good)), false, TLS13);
    assert_eq!(done.client_says, Ok(()));
}

#[test]
fn who_must_staple_and_does_not_is_refused_whatever_the_site_asks() {
    let two = two();
    // TLS feature: status_request (RFC 7633 §4).
    let must = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x30, 3, 2, 1, 5]);
    let theirs = two.partner.issue_with(&request_with("cvp1", KeyKind::P256), Vec::new(), vec![must]).unwrap();
    assert!(crate::ocsp::asked_of(&leaf(&theirs)).must_staple);
    let (ours, partner) = ([two.ours.certificate_pem().to_owned()], [two.partner.certificate_pem().to_owned()]);
    let shows = |shown: &Identity| {
        let Pair { client, server } = pair(&two.mine, &partner, shown, &ours, TLS13);
        handshake(&client, &server, &[])
    };
    assert_eq!(cause(&shows(&theirs)), Some("ocsp_not_stapled"));
    let old = answers(&two.partner).staple(&leaf(&theirs), &Status::Good, NOW - 3 * DAY, NOW - DAY).unwrap();
    assert_eq!(cause(&shows(&theirs.clone().stapling(old))), Some("ocsp_not_believed"));
    let stapled = theirs.clone().stapling(says(&two.partner, &theirs, &Status::Good));
    assert_eq!(shows(&stapled).client_says, Ok(()));
}
