//! Handshakes in memory: what is agreed when all is well, and for everything that can be wrong who refuses, in which
//! words, with which TLS alert. TLS 1.2 and 1.3, ECDSA and RSA.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{AlertDescription, ClientConfig, ClientConnection, ServerConfig, ServerConnection, SignatureScheme};
use rustls_pki_types::{ServerName, UnixTime};

use super::*;
use crate::test_pki::{NOW, ca, now, request_with};
use crate::{Ca, Identity, KeyKind, Request, VerifiedPeer};

mod answered;
mod revoked;

const TLS12: Versions = Versions { tls12: true, tls13: false };
const TLS13: Versions = Versions { tls12: false, tls13: true };
const BOTH: Versions = Versions { tls12: true, tls13: true };
const KEYS: [KeyKind; 3] = [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048];

#[derive(Debug)]
struct Fixed;

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(NOW as u64)))
    }
}

fn listens(identity: &Identity, roots: &Ca, on: Versions, client: ClientCertificate) -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(&server(identity, &[roots.certificate_pem().to_owned()], on, client).unwrap());
    config.time_provider = Arc::new(Fixed);
    Arc::new(config)
}

fn dials(identity: &Identity, roots: &Ca, on: Versions, names: &[&str]) -> (Arc<ClientConfig>, Witness) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let (config, witness) = client_witnessed(identity, &[roots.certificate_pem().to_owned()], on, &names).unwrap();
    let mut config = ClientConfig::clone(&config);
    config.time_provider = Arc::new(Fixed);
    (Arc::new(config), witness)
}

struct Handshake {
    client: ClientConnection,
    server: ServerConnection,
    client_says: Result<(), rustls::Error>,
    server_says: Result<(), rustls::Error>,
    /// In words, asked for where and when the error came.
    refused: Option<Refusal>,
}

/// Carries octets both ways until neither has any, or one side has given up and the other has read why.
fn handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, expected: &[&str]) -> Handshake {
    let name = ServerName::try_from("cvp1.lab.example").unwrap();
    let mut all = Handshake {
        client: ClientConnection::new(client.clone(), name).unwrap(),
        server: ServerConnection::new(server.clone()).unwrap(),
        client_says: Ok(()),
        server_says: Ok(()),
        refused: None,
    };
    let expected: Vec<String> = expected.iter().map(|name| (*name).to_owned()).collect();
    loop {
        let mut moved = false;
        let mut wire = Vec::new();
        while all.client.wants_write() {
            all.client.write_tls(&mut wire).unwrap();
        }
        moved |= !wire.is_empty();
        if !wire.is_empty() && all.server_says.is_ok() {
            let mut input = wire.as_slice();
            while !input.is_empty() {
                all.server.read_tls(&mut input).unwrap();
            }
            all.server_says = all.server.process_new_packets().map(|_| ());
            if let Err(error) = &all.server_says
                && !matches!(error, rustls::Error::AlertReceived(_))
            {
                all.refused = Some(refusal(error, &[], None));
            }
        }
        let mut wire = Vec::new();
        while all.server.wants_write() {
            all.server.write_tls(&mut wire).unwrap();
        }
        moved |= !wire.is_empty();
        if !wire.is_empty() && all.client_says.is_ok() {
            let mut input = wire.as_slice();
            while !input.is_empty() {
                all.client.read_tls(&mut input).unwrap();
            }
            all.client_says = all.client.process_new_packets().map(|_| ());
            if let Err(error) = &all.client_says
                && !matches!(error, rustls::Error::AlertReceived(_))
            {
                all.refused = Some(refusal(error, &expected, None));
            }
        }
        if !moved {
            return all;
        }
    }
}

#[test]
fn a_good_handshake_says_what_was_agreed() {
    let root = ca("lab");
    for (on, version) in [(TLS12, "TLSv1.2"), (TLS13, "TLSv1.3"), (BOTH, "TLSv1.3")] {
        for kind in KEYS {
            let (cube1, cvp1) =
                (root.issue(&request_with("cube1", kind)).unwrap(), root.issue(&request_with("cvp1", kind)).unwrap());
            let (client, witness) = dials(&cube1, &root, on, &["cvp1.lab.example"]);
            let server = listens(&cvp1, &root, on, ClientCertificate::Required);
            let done = handshake(&client, &server, &[]);
            assert_eq!((&done.client_says, &done.server_says), (&Ok(()), &Ok(())));
            let callee = VerifiedPeer::of(&done.client).unwrap().showing(&cube1, witness.was_asked());
            let caller = VerifiedPeer::of(&done.server).unwrap().showing(&cvp1, true);
            assert_eq!(callee.certificate(), cvp1.facts());
            assert_eq!(caller.certificate(), cube1.facts());
            let suite = match (version, kind) {
                ("TLSv1.3", _) => "TLS_AES_256_GCM_SHA384",
                (_, KeyKind::Rsa2048) => "ECDHE-RSA-AES256-GCM-SHA384",
                _ => "ECDHE-ECDSA-AES256-GCM-SHA384",
            };
            let group = if version == "TLSv1.3" { "X25519MLKEM768" } else { "X25519" };
            for (peer, local) in [(&callee, &cube1), (&caller, &cvp1)] {
                let tls = peer.tls();
                assert_eq!((tls.version.as_str(), tls.suite.as_str(), tls.group.as_str()), (version, suite, group));
                assert!(tls.mutual && !tls.resumed);
                assert_eq!(tls.local_fingerprint, local.facts().fingerprint);
            }
        }
    }
}

#[test]
fn a_peer_that_comes_back_resumes_and_is_still_known() {
    let root = ca("lab");
    let (cube1, cvp1) = (
        root.issue(&request_with("cube1", KeyKind::P256)).unwrap(),
        root.issue(&request_with("cvp1", KeyKind::P256)).unwrap(),
    );
    for on in [TLS12, TLS13] {
        let (client, witness) = dials(&cube1, &root, on, &["cvp1.lab.example"]);
        let server = listens(&cvp1, &root, on, ClientCertificate::Required);
        assert!(!VerifiedPeer::of(&handshake(&client, &server, &[]).server).unwrap().tls().resumed);
        let again = handshake(&client, &server, &[]);
        let (callee, caller) = (
            VerifiedPeer::of(&again.client).unwrap().showing(&cube1, witness.was_asked()),
            VerifiedPeer::of(&again.server).unwrap(),
        );
        assert!(callee.tls().resumed && caller.tls().resumed && callee.tls().mutual);
        assert_eq!((callee.certificate().node(), caller.certificate().node()), (Some("cvp1"), Some("cube1")));
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Client,
    Server,
}

/// One thing wrong in each row: who refuses, the alert on the wire, the cause, and what must be in the words.
#[test]
fn each_refusal_has_its_words_and_its_alert() {
    let day = Duration::from_secs(24 * 3600);
    let root = ca("lab");
    let stranger = ca("stranger");
    for on in [TLS12, TLS13] {
        for kind in KEYS {
            let good = |node: &str| root.issue(&request_with(node, kind)).unwrap();
            let foreign = |node: &str| stranger.issue(&request_with(node, kind)).unwrap();
            let expired = |node: &str| {
                root.issue(&Request {
                    not_before: now() - 9 * day,
                    not_after: now() - 2 * day,
                    ..request_with(node, kind)
                })
                .unwrap()
            };
            let future = |node: &str| {
                root.issue(&Request {
                    not_before: now() + 2 * day,
                    not_after: now() + 9 * day,
                    ..request_with(node, kind)
                })
                .unwrap()
            };
            // (name, who dials, who listens, names expected, who refuses, alert, cause, in expected, in presented, in remedy)
            let table = [
                (
                    "wrong subject",
                    good("cube1"),
                    good("vvb1"),
                    Who::Client,
                    AlertDescription::BadCertificate,
                    "wrong_subject",
                    "`cvp1.lab.example`",
                    "`vvb1.lab.example`",
                    "ringfence check SITE",
                ),
                (
                    "server of an unknown CA",
                    good("cube1"),
                    foreign("cvp1"),
                    Who::Client,
                    AlertDescription::UnknownCA,
                    "unknown_ca",
                    root.facts().subject.as_str(),
                    stranger.facts().subject.as_str(),
                    "`roots/`",
                ),
                (
                    "expired server",
                    good("cube1"),
                    expired("cvp1"),
                    Who::Client,
                    AlertDescription::CertificateExpired,
                    "expired",
                    "2026-11-22T00:00:00Z",
                    "valid until 2026-11-20T00:00:00Z",
                    "ringfence cert renew cvp1",
                ),
                (
                    "server not yet valid",
                    good("cube1"),
                    future("cvp1"),
                    Who::Client,
                    AlertDescription::CertificateExpired,
                    "not_yet_valid",
                    "2026-11-22T00:00:00Z",
                    "valid from 2026-11-24T00:00:00Z",
                    "date -u",
                ),
                (
                    "client of an unknown CA",
                    foreign("cube1"),
                    good("cvp1"),
                    Who::Server,
                    AlertDescription::UnknownCA,
                    "unknown_ca",
                    root.facts().subject.as_str(),
                    "CN=cube1.lab.example",
                    "`roots/`",
                ),
                (
                    "expired client",
                    expired("cube1"),
                    good("cvp1"),
                    Who::Server,
                    AlertDescription::CertificateExpired,
                    "expired",
                    "2026-11-22T00:00:00Z",
                    "valid until 2026-11-20T00:00:00Z",
                    "ringfence cert renew cube1",
                ),
                (
                    "client not yet valid",
                    future("cube1"),
                    good("cvp1"),
                    Who::Server,
                    AlertDescription::CertificateExpired,
                    "not_yet_valid",
                    "2026-11-22T00:00:00Z",
                    "valid from 2026-11-24T00:00:00Z",
                    "date -u",
                ),
            ];
            for (name, dialling, listening, who, alert, cause, expected, presented, remedy) in table {
                let expect = ["cvp1.lab.example"];
                let (client, _) = dials(&dialling, &root, on, &expect);
                let failed = handshake(&client, &listens(&listening, &root, on, ClientCertificate::Required), &expect);
                let (finds, told) = match who {
                    Who::Client => (&failed.client_says, &failed.server_says),
                    Who::Server => (&failed.server_says, &failed.client_says),
                };
                let case = format!("{name}, {on:?}, {kind:?}");
                assert!(matches!(finds, Err(rustls::Error::InvalidCertificate(_))), "{case}: {finds:?}");
                assert_eq!(told, &Err(rustls::Error::AlertReceived(alert)), "{case}");
                let refused = failed.refused.unwrap();
                assert_eq!(refused.cause, cause, "{case}");
                for (have, want) in
                    [(&refused.expected, expected), (&refused.presented, presented), (&refused.remedy, remedy)]
                {
                    assert!(have.contains(want), "{case}: `{have}` has no `{want}`");
                }
            }
        }
    }
}

#[derive(Debug)]
struct ShowsNothing;

impl ResolvesClientCert for ShowsNothing {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }
    fn has_certs(&self) -> bool {
        false
    }
}

#[test]
fn who_shows_no_certificate_is_refused_or_anonymous() {
    let root = ca("lab");
    let (cube1, cvp1) = (
        root.issue(&request_with("cube1", KeyKind::P256)).unwrap(),
        root.issue(&request_with("cvp1", KeyKind::P256)).unwrap(),
    );
    for on in [TLS12, TLS13] {
        let mut client = ClientConfig::clone(&dials(&cube1, &root, on, &["cvp1.lab.example"]).0);
        client.client_auth_cert_resolver = Arc::new(ShowsNothing);
        let client = Arc::new(client);
        let failed = handshake(&client, &listens(&cvp1, &root, on, ClientCertificate::Required), &[]);
        assert_eq!(failed.server_says, Err(rustls::Error::NoCertificatesPresented));
        assert_eq!(failed.client_says, Err(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)));
        let refused = failed.refused.unwrap();
        assert_eq!((refused.cause.as_str(), refused.presented.as_str()), ("no_client_certificate", "none"));

        let done = handshake(&client, &listens(&cvp1, &root, on, ClientCertificate::Optional), &[]);
        assert_eq!((&done.client_says, &done.server_says), (&Ok(()), &Ok(())));
        assert_eq!(VerifiedPeer::of(&done.server), None);
        assert!(!crate::TlsFacts::of(&done.server).showing(&cvp1, true, false).mutual);
    }
}

#[test]
fn optional_does_not_mean_unverified() {
    let (root, stranger) = (ca("lab"), ca("stranger"));
    let cvp1 = root.issue(&request_with("cvp1", KeyKind::P256)).unwrap();
    let caller = stranger.issue(&request_with("cube1", KeyKind::P256)).unwrap();
    for on in [TLS12, TLS13] {
        let failed = handshake(
            &dials(&caller, &root, on, &["cvp1.lab.example"]).0,
            &listens(&cvp1, &root, on, ClientCertificate::Optional),
            &[],
        );
        assert_eq!(failed.client_says, Err(rustls::Error::AlertReceived(AlertDescription::UnknownCA)));
    }
}

/// A stranger made a root that bears our root's very name: who signed is what is wrong, and the alert says so.
#[test]
fn a_root_of_the_same_name_is_an_unknown_ca() {
    let root = ca("lab");
    let mut stranger = ca("lab");
    stranger.rename_for_test(&root.facts().subject);
    let (cube1, cvp1) = (
        root.issue(&request_with("cube1", KeyKind::P256)).unwrap(),
        stranger.issue(&request_with("cvp1", KeyKind::P256)).unwrap(),
    );
    assert_eq!(cvp1.facts().issuer, root.facts().subject);
    for on in [TLS12, TLS13] {
        let failed = handshake(
            &dials(&cube1, &root, on, &["cvp1.lab.example"]).0,
            &listens(&cvp1, &root, on, ClientCertificate::Required),
            &[],
        );
        assert_eq!(failed.server_says, Err(rustls::Error::AlertReceived(AlertDescription::UnknownCA)));
        assert_eq!(failed.refused.unwrap().cause, "unknown_ca");
    }
}

#[test]
fn versions_that_do_not_meet() {
    let root = ca("lab");
    let (cube1, cvp1) = (
        root.issue(&request_with("cube1", KeyKind::P256)).unwrap(),
        root.issue(&request_with("cvp1", KeyKind::P256)).unwrap(),
    );
    for (client, server) in [(TLS12, TLS13), (TLS13, TLS12)] {
        let failed = handshake(
            &dials(&cube1, &root, client, &["cvp1.lab.example"]).0,
            &listens(&cvp1, &root, server, ClientCertificate::Required),
            &[],
        );
        assert_eq!(failed.client_says, Err(rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)));
        assert_eq!(failed.refused.unwrap().cause, "tls_version");
    }
    let none = Versions { tls12: false, tls13: false };
    assert!(server(&cvp1, &[root.certificate_pem().to_owned()], none, ClientCertificate::Required).is_err());
}

#[test]
fn suites_that_do_not_meet() {
    let root = ca("lab");
    let (cube1, cvp1) = (
        root.issue(&request_with("cube1", KeyKind::P256)).unwrap(),
        root.issue(&request_with("cvp1", KeyKind::P256)).unwrap(),
    );
    let other =
        Arc::new(CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::MLKEM768], ..aws_lc_rs::default_provider() });
    let ours = dials(&cube1, &root, TLS13, &["cvp1.lab.example"]).0;
    let client = ClientConfig::builder_with_provider(other)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_client_cert_resolver(ours.client_auth_cert_resolver.clone());
    let failed = handshake(&Arc::new(client), &listens(&cvp1, &root, BOTH, ClientCertificate::Required), &[]);
    assert_eq!(failed.client_says, Err(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)));
    assert_eq!(failed.refused.unwrap().cause, "no_common_suite");
}

#[test]
fn plain_sip_on_the_secure_port() {
    let root = ca("lab");
    let cvp1 = root.issue(&request_with("cvp1", KeyKind::P256)).unwrap();
    for first in [
        "OPTIONS sip:cvp1.lab.example SIP/2.0\r\n",
        "INVITE sip:6016@cvp1 SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut server = ServerConnection::new(listens(&cvp1, &root, BOTH, ClientCertificate::Required)).unwrap();
        server.read_tls(&mut first.as_bytes()).unwrap();
        let error = server.process_new_packets().unwrap_err();
        assert_eq!(refusal(&error, &[], None).cause, "plain_sip_on_tls", "{first}: {error:?}");
        let mut alert = Vec::new();
        server.write_tls(&mut alert).unwrap();
        // Content type alert, level fatal.
        assert_eq!((alert[0], alert[5]), (21, 2), "{alert:?}");
        assert!(
            [AlertDescription::DecodeError, AlertDescription::UnexpectedMessage]
                .contains(&AlertDescription::from(alert[6])),
            "{alert:?}"
        );
    }
}

#[test]
fn nobody_is_dialled_without_a_name_and_nothing_is_trusted_without_a_root() {
    let root = ca("lab");
    let cube1 = root.issue(&request_with("cube1", KeyKind::P256)).unwrap();
    let roots = [root.certificate_pem().to_owned()];
    assert!(client(&cube1, &roots, BOTH, &[]).unwrap_err().to_string().contains("no certificate name is expected"));
    assert!(client(&cube1, &[], BOTH, &["x".to_owned()]).unwrap_err().to_string().contains("ringfence init"));
    assert!(server(&cube1, &[], BOTH, ClientCertificate::Required).is_err());
}

/// Names are CN or SAN, and any of those expected will do.
#[test]
fn any_of_the_expected_names_will_do() {
    let root = ca("lab");
    let (cube1, cvp1) = (
        root.issue(&request_with("cube1", KeyKind::P256)).unwrap(),
        root.issue(&request_with("cvp1", KeyKind::P256)).unwrap(),
    );
    let server = listens(&cvp1, &root, BOTH, ClientCertificate::Required);
    for (names, good) in [
        (&["other", "CVP1.lab.example"][..], true),
        (&["127.18.133.13"], true),
        (&["urn:ringfence:node:cvp1"], true),
        (&["lab.example", "127.18.133.14"], false),
    ] {
        let done = handshake(&dials(&cube1, &root, BOTH, names).0, &server, names);
        assert_eq!(done.client_says.is_ok(), good, "{names:?}");
    }
}

/// A refusal asked for late, after another, does not borrow the other's certificate.
#[test]
fn a_note_belongs_to_its_error() {
    use rustls::CertificateError::{NotValidForName, UnknownIssuer};
    let root = ca("lab");
    let cvp1 = root.issue(&request_with("cvp1", KeyKind::P256)).unwrap();
    let der = rustls_pki_types::CertificateDer::from(cvp1.chain_der().remove(0));
    let roots = chain::Roots::from_pem(&[root.certificate_pem().to_owned()]).unwrap();
    for (asked, borrowed) in [(NotValidForName, true), (UnknownIssuer, false)] {
        let noted = words::note(NotValidForName.into(), &der, &roots);
        assert_eq!(noted, NotValidForName.into());
        let refused = refusal(&asked.clone().into(), &[], None);
        assert_eq!(refused.presented.contains("cvp1"), borrowed, "{asked:?}");
        // And it serves once.
        assert!(!refusal(&NotValidForName.into(), &[], None).presented.contains("cvp1"));
    }
}
