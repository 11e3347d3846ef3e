//! Lists of what was revoked, at handshakes and for connections that are open.

use super::*;
use crate::{Authorities, Authority, Reason, RevocationList, Revoked};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn list(ca: &Ca, number: u64, gone: &[&Identity]) -> RevocationList {
    let gone = gone.iter().map(|identity| Revoked {
        serial: identity.facts().serial.clone(),
        at: now() - DAY,
        reason: Reason::KeyCompromise,
    });
    ca.revocation_list(number, now() - DAY, now() + 7 * DAY, &gone.collect::<Vec<_>>()).unwrap()
}

/// The root and what it revoked, as one text.
fn with(ca: &Ca, list: &RevocationList) -> [String; 1] {
    [format!("{}{}", ca.certificate_pem(), list.pem())]
}

pub(super) struct Pair {
    pub(super) client: Arc<ClientConfig>,
    pub(super) server: Arc<ServerConfig>,
}

/// Who dials trusts `callee`, who listens trusts `caller`.
pub(super) fn pair(
    dialling: &Identity,
    callee: &[String],
    listening: &Identity,
    caller: &[String],
    on: Versions,
) -> Pair {
    let names = ["cvp1.lab.example".to_owned()];
    let mut client = ClientConfig::clone(&client_witnessed(dialling, callee, on, &names).unwrap().0);
    let mut server = ServerConfig::clone(&server(listening, caller, on, ClientCertificate::Required).unwrap());
    client.time_provider = Arc::new(Fixed);
    server.time_provider = Arc::new(Fixed);
    Pair { client: Arc::new(client), server: Arc::new(server) }
}

#[test]
fn a_revoked_peer_is_refused_at_either_end_with_the_alert_of_its_own() {
    let root = ca("lab");
    let issue = |node: &str| root.issue(&request_with(node, KeyKind::P256)).unwrap();
    let (cube1, cvp1, other) = (issue("cube1"), issue("cvp1"), issue("vvb1"));
    for on in [TLS12, TLS13] {
        let fine = with(&root, &list(&root, 1, &[&other]));
        for (gone, who) in [(&cvp1, Who::Client), (&cube1, Who::Server)] {
            let bad = with(&root, &list(&root, 2, &[&other, gone]));
            let (callee, caller) = if who == Who::Client { (&bad, &fine) } else { (&fine, &bad) };
            let Pair { client, server } = pair(&cube1, callee, &cvp1, caller, on);
            let failed = handshake(&client, &server, &[]);
            let told = if who == Who::Client { &failed.server_says } else { &failed.client_says };
            assert_eq!(
                told,
                &Err(rustls::Error::AlertReceived(AlertDescription::CertificateRevoked)),
                "{who:?} {on:?}"
            );
            let refused = failed.refused.unwrap();
            assert_eq!(refused.cause, "revoked");
            let words = "revoked on 2026-11-21T00:00:00Z (key-compromise)";
            assert!(
                refused.presented.contains(words) && refused.presented.contains(&gone.facts().serial),
                "{refused:?}"
            );
        }
        let Pair { client, server } = pair(&cube1, &fine, &cvp1, &fine, on);
        assert_eq!(handshake(&client, &server, &[]).client_says, Ok(()), "who is not on the list is let in");
    }
}

#[test]
fn a_list_whose_time_is_over_lets_nobody_of_its_authority_in() {
    let root = ca("lab");
    let issue = |node: &str| root.issue(&request_with(node, KeyKind::P256)).unwrap();
    let (cube1, cvp1) = (issue("cube1"), issue("cvp1"));
    let old = root.revocation_list(1, now() - 9 * DAY, now() - DAY, &[]).unwrap();
    let none = [root.certificate_pem().to_owned()];
    let Pair { client, server } = pair(&cube1, &none, &cvp1, &with(&root, &old), TLS13);
    let failed = handshake(&client, &server, &[]);
    assert_eq!(failed.client_says, Err(rustls::Error::AlertReceived(AlertDescription::UnknownCA)));
    let refused = failed.refused.unwrap();
    assert_eq!(refused.cause, "crl_expired");
    assert!(refused.presented.contains("by 2026-11-21T00:00:00Z"), "{refused:?}");
    assert!(refused.remedy.contains("ringfence cert crl"), "{refused:?}");
}

#[test]
fn a_list_of_another_authority_says_nothing_and_a_forged_one_is_not_taken() {
    let (root, carrier) = (ca("lab"), ca("carrier"));
    let issue = |node: &str| root.issue(&request_with(node, KeyKind::P256)).unwrap();
    let (cube1, cvp1) = (issue("cube1"), issue("cvp1"));
    let foreign = with(&root, &list(&carrier, 1, &[&cube1]));
    let Pair { client, server } = pair(&cube1, &foreign, &cvp1, &foreign, TLS13);
    assert_eq!(handshake(&client, &server, &[]).client_says, Ok(()));

    let mut forger = ca("lab");
    forger.rename_for_test_as_signer(&root.facts().subject);
    let forged = with(&root, &list(&forger, 9, &[&cube1]));
    let error = server_of(&cvp1, &forged).unwrap_err().to_string();
    assert!(error.contains("is not signed by that authority"), "{error}");
}

fn server_of(identity: &Identity, roots: &[String]) -> Result<Arc<ServerConfig>, Error> {
    super::server(identity, roots, TLS13, ClientCertificate::Required)
}

/// An authority below the root: its certificate comes with the peer's chain, its list stands beside the root.
#[test]
fn a_chain_by_way_of_an_intermediate_needs_the_root_alone_at_the_other_end() {
    let root = ca("lab");
    let below = root.issue_authority_for_test("issuing");
    let issue = |node: &str| {
        let leaf = below.issue(&request_with(node, KeyKind::P256)).unwrap();
        Identity::from_pem(&format!("{}{}", leaf.chain_pem(), below.certificate_pem()), &leaf.key_pem()).unwrap()
    };
    let (cube1, cvp1) = (issue("cube1"), issue("cvp1"));
    let alone = [root.certificate_pem().to_owned()];
    for on in [TLS12, TLS13] {
        let Pair { client, server } = pair(&cube1, &alone, &cvp1, &alone, on);
        assert_eq!(handshake(&client, &server, &[]).server_says, Ok(()), "{on:?}");
        for (signer, gone) in [(&below, cube1.facts()), (&root, below.facts())] {
            let gone = Revoked { serial: gone.serial.clone(), at: now(), reason: Reason::Superseded };
            let list = signer.revocation_list(1, now() - DAY, now() + DAY, &[gone]).unwrap();
            let Pair { client, server } = pair(&cube1, &alone, &cvp1, &with(&root, &list), on);
            let failed = handshake(&client, &server, &[]);
            assert_eq!(failed.refused.map(|refused| refused.cause).as_deref(), Some("revoked"), "{on:?}");
        }
    }
}

/// Of two lists of one issuer the newer counts, wherever it stands.
#[test]
fn the_newer_of_two_lists_counts() {
    let root = ca("lab");
    let issue = |node: &str| root.issue(&request_with(node, KeyKind::P256)).unwrap();
    let (cube1, cvp1) = (issue("cube1"), issue("cvp1"));
    let (older, newer) = (list(&root, 1, &[]).pem(), list(&root, 2, &[&cube1]).pem());
    for both in [format!("{older}{newer}"), format!("{newer}{older}")] {
        let roots = [format!("{}{both}", root.certificate_pem())];
        let none = [root.certificate_pem().to_owned()];
        let Pair { client, server } = pair(&cube1, &none, &cvp1, &roots, TLS13);
        assert_eq!(handshake(&client, &server, &[]).refused.map(|refused| refused.cause).as_deref(), Some("revoked"));
    }
}

#[test]
fn an_open_connection_is_withdrawn_by_a_new_list_or_a_root_taken_away_and_by_nothing_else() {
    let (root, carrier) = (ca("lab"), ca("carrier"));
    let issue = |node: &str| root.issue(&request_with(node, KeyKind::P256)).unwrap();
    let (cube1, cvp1) = (issue("cube1"), issue("cvp1"));
    let fine = with(&root, &list(&root, 1, &[]));
    let Pair { client, server } = pair(&cube1, &fine, &cvp1, &fine, TLS13);
    let open = handshake(&client, &server, &[]);
    let (at_server, at_client) = (rustls::Connection::from(open.server), rustls::Connection::from(open.client));
    let at = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(NOW as u64) + DAY * days as u32);
    let judge = |roots: &[String; 1], whose: Authority, connection, days| {
        let all = [(Authority::Named("x".into()), carrier.certificate_pem().to_owned()), (whose, roots[0].clone())];
        Authorities::new(&all).unwrap().withdrawn(connection, at(days)).map(|refusal| refusal.cause)
    };
    for connection in [&at_server, &at_client] {
        assert_eq!(judge(&fine, Authority::Own, connection, 0), None);
        assert_eq!(judge(&fine, Authority::Own, connection, 8), None, "an old list withdraws nobody");
        assert_eq!(judge(&fine, Authority::Own, connection, 400), None, "nor does a date");
        let both = with(&root, &list(&root, 2, &[&cube1, &cvp1]));
        assert_eq!(judge(&both, Authority::Own, connection, 0).as_deref(), Some("revoked"));
        assert_eq!(judge(&both, Authority::Own, connection, 400).as_deref(), Some("revoked"), "after its end, too");
        let gone = [carrier.certificate_pem().to_owned()];
        assert_eq!(judge(&gone, Authority::Own, connection, 0).as_deref(), Some("unknown_ca"));
    }
}

/// At either end, by what may have changed or passed meanwhile; a full handshake was judged by its verifier.
#[test]
fn who_resumes_is_judged_by_dates_and_lists_of_today() {
    let (root, carrier) = (ca("lab"), ca("carrier"));
    let issue = |node: &str| root.issue(&request_with(node, KeyKind::P256)).unwrap();
    let (cube1, cvp1) = (issue("cube1"), issue("cvp1"));
    let fine = with(&root, &list(&root, 1, &[]));
    let gone = with(&root, &list(&root, 2, &[&cube1, &cvp1]));
    let (no_list, other) = ([root.certificate_pem().to_owned()], [carrier.certificate_pem().to_owned()]);
    let at = |days: u32| UnixTime::since_unix_epoch(Duration::from_secs(NOW as u64) + DAY * days);
    for on in [TLS12, TLS13] {
        let Pair { client, server } = pair(&cube1, &fine, &cvp1, &fine, on);
        let first = handshake(&client, &server, &[]);
        let again = handshake(&client, &server, &[]);
        for (resumed, connection) in [
            (false, rustls::Connection::from(first.client)),
            (false, rustls::Connection::from(first.server)),
            (true, rustls::Connection::from(again.client)),
            (true, rustls::Connection::from(again.server)),
        ] {
            for (roots, days, cause) in [
                (&fine, 0, None),
                (&fine, 8, Some("crl_expired")),
                (&gone, 0, Some("revoked")),
                (&no_list, 8, None),
                (&no_list, 400, Some("expired")),
                (&other, 0, Some("unknown_ca")),
            ] {
                // Whatever another authority says, it counts what the one says that knows it.
                let all = [(Authority::Own, roots[0].clone()), (Authority::Named("x".into()), other[0].clone())];
                let judged = Authorities::new(&all).unwrap().overdue(&connection, at(days));
                let cause = cause.filter(|_| resumed);
                assert_eq!(judged.as_ref().map(|refusal| refusal.cause.as_str()), cause, "{on:?} {days}");
            }
        }
    }
}

#[test]
fn a_root_that_no_list_speaks_of_is_named() {
    let (root, carrier) = (ca("lab"), ca("carrier"));
    let without = |text: &str| crate::roots_without_list(text).unwrap();
    assert_eq!(without(&with(&root, &list(&root, 1, &[]))[0]), [""; 0]);
    assert_eq!(without(&with(&root, &list(&carrier, 1, &[]))[0]), [root.facts().subject.as_str()], "another's list");
    assert_eq!(without(root.certificate_pem()), [root.facts().subject.as_str()]);
}

/// CAPF's certificate may sign no lists, and has the name of the CAPF before it: what was taken back stands beside both.
#[test]
fn a_phones_certificate_that_was_taken_back_is_refused_and_its_open_connection_found() {
    let capf = || crate::self_signed("lab", &request_with("capf", KeyKind::P256), true).unwrap();
    let (before, after) = (capf(), capf());
    let issue = |capf: &Identity| {
        let ca = Ca::from_pem(&capf.chain_pem(), &capf.key_pem()).unwrap();
        let (key, spki) = crate::generate_key(KeyKind::P256).unwrap();
        let (not_before, not_after) = (now() - DAY, now() + DAY);
        let device = "SEP001122334455".to_owned();
        let der = ca.issue_lsc(&crate::LscRequest { device, spki, not_before, not_after }).unwrap();
        Identity::from_pem(&crate::certificate_pem(&der), &key).unwrap()
    };
    let root = ca("lab");
    let cvp1 = root.issue(&request_with("cvp1", KeyKind::P256)).unwrap();
    let server_roots = [root.certificate_pem().to_owned()];
    let (old, stolen, new) = (issue(&before), issue(&before), issue(&after));
    let taken = crate::TakenBack {
        issuer: stolen.facts().issuer.clone(),
        serial: stolen.facts().serial.clone(),
        at: NOW - 86_400,
        reason: Reason::KeyCompromise,
    };
    let both = format!("{}{}", before.chain_pem(), after.chain_pem());
    let roots = [format!("{both}{taken}")];
    for on in [TLS12, TLS13] {
        for fine in [&old, &new] {
            let Pair { client, server } = pair(fine, &server_roots, &cvp1, &roots, on);
            let done = handshake(&client, &server, &[]);
            assert!(done.server_says.is_ok() && done.client_says.is_ok(), "{on:?} {:?}", done.refused);
        }
        let Pair { client, server } = pair(&stolen, &server_roots, &cvp1, &roots, on);
        let failed = handshake(&client, &server, &[]);
        assert_eq!(
            failed.client_says,
            Err(rustls::Error::AlertReceived(AlertDescription::CertificateRevoked)),
            "{on:?}"
        );
        let refused = failed.refused.unwrap();
        assert_eq!(refused.cause, "revoked");
        assert!(refused.presented.contains("revoked on 2026-11-21T00:00:00Z (key-compromise)"), "{refused:?}");
    }
    let judged = |text: &str, identity: &Identity| {
        let own = (Authority::Own, root.certificate_pem().to_owned());
        let all = Authorities::new(&[own, (Authority::Phones, text.to_owned())]).unwrap();
        let chain: Vec<_> = identity.chain_der().into_iter().map(rustls_pki_types::CertificateDer::from).collect();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(NOW.unsigned_abs()));
        all.withdrawn_from_caller(&chain, at).map(|refusal| refusal.cause)
    };
    assert_eq!(judged(&both, &stolen), None);
    assert_eq!(judged(&roots[0], &stolen).as_deref(), Some("revoked"));
    assert_eq!(judged(&roots[0], &old), None);
}
