//! Certificates that change while calls are up.

use trust::Reason;

use super::*;

fn data(lab: &Lab) -> store::DataDir {
    store::DataDir::open(&lab.dir).unwrap()
}

const NODES: [&str; 5] = ["cube1", "cvp1", "vvb1", "vvb2", "cucm1"];

/// A caller who talks with the agent, and what both write down.
fn talk(lab: &mut Lab) -> (NodeHandle, Receiver<Journal>, Receiver<Journal>) {
    let (_agent, at_agent) = staff(lab);
    let carrier = lab.carrier();
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_carrier, "the voice browser's answer", connected);
    carrier.control_blocking(Control::Press { digits: "1".into() });
    wait(&at_agent, "the agent's call", connected);
    (carrier, at_carrier, at_agent)
}

/// Connections between nodes, by number and the fingerprint of who is at the other end.
fn open_at(lab: &Lab, node: &str) -> Vec<(u64, String)> {
    let shown = lab.process.node(node).unwrap().connections();
    shown.open.iter().filter_map(|open| Some((open.id, open.peer.as_ref()?.fingerprint.clone()))).collect()
}

fn fingerprint(lab: &Lab, node: &str) -> String {
    data(lab).identity(node).unwrap().facts().fingerprint.clone()
}

#[test]
fn a_held_call_outlives_the_renewal_of_every_identity_and_new_connections_meet_the_new_ones() {
    let mut lab = Lab::on("127.41.41.");
    let (carrier, _at_carrier, at_agent) = talk(&mut lab);
    let before: Vec<String> = NODES.iter().map(|node| fingerprint(&lab, node)).collect();
    let open: Vec<_> = NODES.iter().map(|node| open_at(&lab, node)).collect();
    assert!(open.iter().flatten().count() > 3, "{open:?}");

    for node in NODES {
        data(&lab).renew(node, SystemTime::now(), false).unwrap();
    }
    let lines = lab.process.refresh().unwrap();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(lab.process.refresh().unwrap(), [""; 0], "what is in force already is no change");
    for (node, before) in NODES.iter().zip(&before) {
        assert_ne!(fingerprint(&lab, node), *before);
    }
    // What was up is up, over the very connections, whose ends knew each other by the certificates of before.
    for (node, before) in NODES.iter().zip(&open) {
        let now = open_at(&lab, node);
        assert!(before.iter().all(|connection| now.contains(connection)), "{node}: {before:?} {now:?}");
    }
    assert_eq!((lab.calls_at("cube1"), lab.calls_at("cvp1"), lab.calls_at("cucm1")), (1, 1, 1));

    // Whoever connects from now on meets the new ones.
    let stranger_to = |node: &str| {
        let server = lab.secure(node);
        let roots = data(&lab).roots_pem().unwrap();
        shown_to(&server, &lab.papers("SEP000000001001").identity.unwrap(), &roots)
    };
    for node in NODES {
        assert_eq!(stranger_to(node), fingerprint(&lab, node), "{node}");
    }

    carrier.control_blocking(Control::HangUp);
    wait(&at_agent, "the end at the agent", |line| matches!(line, Journal::Leg(_)).then_some(()));
    // Statements are signed with the identity of their moment, and verify.
    let call_server = lab.process.node("cvp1").unwrap();
    let journal = call_server.watch();
    let until = Instant::now() + PATIENCE;
    while call_server.statements().is_empty() && Instant::now() < until {
        let _ = journal.recv_timeout(Duration::from_millis(50));
    }
    let (caller, _) = call_server.statements().pop().expect("a statement");
    let statement = call_server.statements_of(&caller).remove(0);
    let signer = trust::CertificateFacts::from_der(&statement.chain_der().unwrap()[0]).unwrap();
    assert_eq!(signer.fingerprint, fingerprint(&lab, "cvp1"));
    for node in lab.process.nodes() {
        assert!(node.refusals().is_empty(), "{}: {:?}", node.name(), node.refusals());
    }
    lab.end();
}

#[test]
fn the_root_is_renewed_under_a_held_call_and_whoever_has_the_old_or_the_new_one_alone_is_served() {
    let mut lab = Lab::on("127.41.52.");
    let (carrier, _at_carrier, at_agent) = talk(&mut lab);
    let open: Vec<_> = NODES.iter().map(|node| open_at(&lab, node)).collect();
    let (old, stranger) = (data(&lab).own_root_pem().unwrap(), lab.papers("SEP000000001001").identity.unwrap());
    let step = |lab: &mut Lab, hurry| {
        data(lab).renew_root(SystemTime::now(), hurry).unwrap();
        assert_eq!(lab.process.refresh().unwrap().len(), 5, "each node believes otherwise than before");
    };
    step(&mut lab, false);
    let both = data(&lab).own_root_pem().unwrap();
    let new = both.strip_prefix(&old).expect("the one in force first").to_owned();
    step(&mut lab, true);
    let done = data(&lab).tend(SystemTime::now()).unwrap().done;
    assert_eq!(done.iter().filter(|line| line.contains(": renewed")).count(), 6, "{done:?}");
    lab.process.refresh().unwrap();

    for (node, before) in NODES.iter().zip(&open) {
        let now = open_at(&lab, node);
        assert!(before.iter().all(|connection| now.contains(connection)), "{node}: {before:?} {now:?}");
    }
    assert_eq!((lab.calls_at("cube1"), lab.calls_at("cvp1"), lab.calls_at("cucm1")), (1, 1, 1));
    // Outsiders whose certificate the old root issued, and those of the new one; with either root, or both.
    let after = lab.papers("SEP000000001001").identity.unwrap();
    assert_ne!(stranger.facts().issuer, after.facts().issuer);
    for node in NODES {
        for (identity, roots) in [(&stranger, &old), (&after, &old), (&stranger, &new), (&after, &new), (&after, &both)]
        {
            let shown = shown_to(&lab.secure(node), identity, std::slice::from_ref(roots));
            assert_eq!(shown, fingerprint(&lab, node), "{node}");
        }
    }
    carrier.control_blocking(Control::HangUp);
    wait(&at_agent, "the end at the agent", |line| matches!(line, Journal::Leg(_)).then_some(()));
    for node in lab.process.nodes() {
        assert!(node.refusals().is_empty(), "{}: {:?}", node.name(), node.refusals());
    }
    lab.end();
}

/// The certificate that a node shows to a new connection.
fn shown_to(server: &PeerPlan, identity: &trust::Identity, roots: &[String]) -> String {
    use std::io::{Read, Write};
    let both = trust::tls::Versions { tls12: true, tls13: true };
    let config = trust::tls::client(identity, roots, both, &server.names).unwrap();
    let name = rustls_pki_types::ServerName::IpAddress(server.addr.ip().into());
    let mut tls = rustls::ClientConnection::new(config, name).unwrap();
    let mut tcp = std::net::TcpStream::connect(server.addr).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).unwrap();
    }
    let peer = trust::VerifiedPeer::of(&tls).unwrap();
    // A handshake of TLS 1.3 is over for the client before it has been judged: only an answer says that it is let in.
    tls.writer().write_all(b"\r\n\r\n").unwrap();
    while !tls.reader().read(&mut [0; 64]).is_ok_and(|got| got > 0) {
        tls.complete_io(&mut tcp).unwrap();
    }
    peer.certificate().fingerprint.clone()
}

#[test]
fn a_revoked_peer_loses_its_connections_at_once_and_is_refused_from_then_on() {
    let mut lab = Lab::on("127.41.42.");
    let (agent, at_agent) = staff(&mut lab);
    let manager = lab.process.node("cucm1").unwrap();
    let at_manager = manager.watch();
    let gone = manager.connections().open.iter().find_map(|open| {
        open.peer.as_ref().filter(|peer| peer.is_named("SEP000000001001")).map(|peer| peer.serial.clone())
    });
    let gone = gone.expect("the phone's connection");
    let others = manager.connections().open.len() - 1;
    // The lab's phone got its certificate of the CA by no register: from a file it is known.
    let file = lab.dir.join("phone.pem");
    let chain = agent.identity().unwrap().0.chain_pem();
    std::fs::write(&file, chain).unwrap();
    let done = data(&lab).revoke(&file.display().to_string(), Reason::KeyCompromise, SystemTime::now()).unwrap();
    assert_eq!(done.issued[0].serial, gone);
    lab.process.refresh().unwrap();

    let closed = wait(&at_manager, "the refusal", |line| match line {
        Journal::Refused(record) => Some(record.clone()),
        _ => None,
    });
    assert_eq!((closed.refusal.cause.as_str(), closed.answered.as_str()), ("revoked", "connection closed"));
    assert!(
        closed.refusal.presented.contains(&gone) && closed.refusal.presented.contains("key-compromise"),
        "{closed:?}"
    );
    let left = manager.connections().open;
    assert!(left.len() <= others && left.iter().all(|open| open.peer.as_ref().is_none_or(|peer| peer.serial != gone)));

    // It comes again by itself, and is told why it is not let in.
    let refused = wait(&at_manager, "another refusal", |line| match line {
        Journal::Refused(record) => Some(record.clone()),
        _ => None,
    });
    assert_eq!(
        (refused.refusal.cause.as_str(), refused.answered.as_str()),
        ("revoked", "TLS alert certificate_revoked")
    );
    let told = wait(&at_agent, "the phone's own word", |line| match line {
        Journal::Refused(record) => Some(record.clone()),
        _ => None,
    });
    assert_eq!(told.answered, "received TLS alert certificate_revoked");
    lab.end();
}

/// Phones know a call manager's certificate by their lists: the next one stands there first, and their HTTPS shows it later.
#[test]
fn phones_read_of_a_call_managers_next_certificate_before_it_is_shown() {
    let network = "127.41.45.";
    let text = format!(
        "{}\n[node.role.call_manager.phone_services]\ntftp_port = 10069\n",
        LAB.replace("127.18.133.", network)
    );
    let mut lab = Lab::with(network, &text, |_| {});
    let listed = |lab: &Lab| {
        let list = lab.process.phone_services()[0].station().list(phones::Kind::Itl).unwrap();
        list.verify_itself().unwrap();
        let of_it = list.of(phones::Function::CallManagerAndTftp).filter_map(|record| record.certificate());
        of_it.map(|found| trust::CertificateFacts::from_der(found.der()).unwrap().fingerprint).collect::<Vec<_>>()
    };
    let https = |lab: &Lab| {
        let services = &lab.process.phone_services()[0];
        let addr = services.local().iter().find(|(service, _)| *service == "HTTPS").unwrap().1;
        let config = trust::tls::client_without_certificate(
            &data(lab).roots_pem().unwrap(),
            trust::tls::Versions { tls12: true, tls13: true },
            &["cucm1.lab.example".to_owned()],
        );
        let name = rustls_pki_types::ServerName::IpAddress(addr.ip().into());
        let mut tls = rustls::ClientConnection::new(config.unwrap(), name).unwrap();
        let mut tcp = std::net::TcpStream::connect(addr).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).unwrap();
        }
        trust::VerifiedPeer::of(&tls).unwrap().certificate().fingerprint.clone()
    };
    let first = fingerprint(&lab, "cucm1");
    assert_eq!(https(&lab), first);
    let store::Renewed::Announced(next, _) = data(&lab).renew("cucm1", SystemTime::now(), false).unwrap() else {
        panic!("taken at once")
    };
    lab.process.refresh().unwrap();
    assert_eq!(https(&lab), first, "not yet");
    let both = listed(&lab);
    assert!(both.contains(&first) && both.contains(&next.fingerprint), "{both:?}");

    let fortnight = Duration::from_secs(15 * 24 * 3600);
    assert_eq!(data(&lab).tend(SystemTime::now() + fortnight).unwrap().done.len(), 1);
    lab.process.refresh().unwrap();
    assert_eq!((https(&lab), fingerprint(&lab, "cucm1")), (next.fingerprint.clone(), next.fingerprint.clone()));
    let both = listed(&lab);
    assert!(
        both.contains(&first) && both.contains(&next.fingerprint),
        "who holds the old one finds it still: {both:?}"
    );

    // A service of the phones': both stand in a list that the same key signs.
    let list = |lab: &Lab| lab.process.phone_services()[0].station().list(phones::Kind::Itl).unwrap();
    let (held, known) = (list(&lab), list(&lab).of(phones::Function::Tvs).count());
    let mut phone = phones::Holding::default();
    phone.offer(held.octets()).unwrap();
    data(&lab).renew_phone_key("cucm1", "tvs", SystemTime::now()).unwrap();
    lab.process.refresh().unwrap();
    assert_eq!(list(&lab).of(phones::Function::Tvs).count(), known + 1);
    assert_eq!(phone.offer(list(&lab).octets()), Ok(phones::Outcome::Updated), "the phone knows who signed it");
    lab.end();
}

/// A partner's root and list that are put into `roots/` act without a restart.
#[test]
fn an_uploaded_root_is_trusted_and_its_list_asked_at_once() {
    let network = "127.41.46.";
    let text = LAB.replace("127.18.133.", network);
    let mut lab = Lab::with(network, &text, |_| {});
    let carrier = trust::Ca::create("carrier", SystemTime::now()).unwrap();
    let papers = identity(&carrier, "cvp1.lab.example");
    let server = lab.secure("vvb1");
    let browser = lab.process.node("vvb1").unwrap();
    let (at_browser, roots) = (browser.watch(), data(&lab).roots_pem().unwrap());
    let refusal = |what: &str| {
        wait(&at_browser, what, |line| match line {
            Journal::Refused(record) => Some(record.refusal.cause.clone()),
            _ => None,
        })
    };
    let knock = |papers: &trust::Identity| {
        let (server, roots, papers) = (server.clone(), roots.clone(), papers.clone());
        std::thread::spawn(move || shown_to(&server, &papers, &roots)).join()
    };
    let _ = knock(&papers);
    assert_eq!(refusal("a refusal of an unknown authority"), "unknown_ca");

    let put = |name: &str, text: &str| std::fs::write(lab.dir.join("roots").join(name), text).unwrap();
    put("carrier.pem", carrier.certificate_pem());
    let subject = "secure_certificate_subject = [\"cvp1.lab.example\"]    # only the call server may call";
    let named = text.replacen(subject, &format!("authority = \"carrier\"\n{subject}"), 1);
    lab.process.reload(&site::Site::parse(&named).unwrap()).unwrap();
    knock(&papers).expect("let in");

    let hour = Duration::from_secs(3600);
    let revoked =
        trust::Revoked { serial: papers.facts().serial.clone(), at: SystemTime::now(), reason: Reason::Superseded };
    let list = carrier.revocation_list(1, SystemTime::now() - hour, SystemTime::now() + hour, &[revoked]).unwrap();
    put("carrier.crl", &list.pem());
    lab.process.refresh().unwrap();
    let _ = knock(&papers);
    assert_eq!(refusal("a refusal of a revoked one"), "revoked");

    // A list that is old lets nobody of its authority in; one that is no list is not taken, and those in force stay.
    let fresh = identity(&carrier, "cvp1.lab.example");
    knock(&fresh).expect("not on the list");
    let old = carrier.revocation_list(2, SystemTime::now() - 2 * hour, SystemTime::now() - hour, &[]).unwrap();
    put("carrier.crl", &old.pem());
    lab.process.refresh().unwrap();
    let _ = knock(&fresh);
    assert_eq!(refusal("a refusal for an old list"), "crl_expired");
    put("carrier.crl", "nonsense");
    assert!(format!("{:#}", lab.process.refresh().unwrap_err()).contains("roots/carrier.crl"));
    // Nor is one that came earlier, whoever put it there again: who was revoked since would be let in.
    put("carrier.crl", &list.pem());
    assert!(format!("{:#}", lab.process.refresh().unwrap_err()).contains("number 1 and is older than 2"));
    put("carrier.crl", &old.pem());
    std::fs::remove_file(lab.dir.join("ca/crl.pem")).unwrap();
    assert!(format!("{:#}", lab.process.refresh().unwrap_err()).contains("ca/crl.pem is gone"));
    lab.end();
}

/// Whether a peer was let in and heard an answer, and then whether it resumed; `None`: the connection was closed.
pub(super) fn knocked(server: &PeerPlan, config: &std::sync::Arc<rustls::ClientConfig>) -> Option<bool> {
    use std::io::{ErrorKind, Read, Write};
    let name = rustls_pki_types::ServerName::IpAddress(server.addr.ip().into());
    let mut tls = rustls::ClientConnection::new(config.clone(), name).unwrap();
    let mut tcp = std::net::TcpStream::connect(server.addr).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).ok()?;
    }
    tls.writer().write_all(b"\r\n\r\n").unwrap();
    loop {
        match tls.reader().read(&mut [0; 64]) {
            Ok(got) if got > 0 => return Some(tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => tls.complete_io(&mut tcp).ok()?,
            _ => return None,
        };
    }
}

/// TLS takes up a session without asking anybody about the certificate that it began with: whoever is let in by that is
/// judged nevertheless.
#[test]
fn a_session_is_not_resumed_past_the_list_that_its_peer_was_let_in_by() {
    let network = "127.41.40.";
    let text = LAB.replace("127.18.133.", network);
    let mut lab = Lab::with(network, &text, |_| {});
    let carrier = trust::Ca::create("carrier", SystemTime::now()).unwrap();
    let papers = identity(&carrier, "cvp1.lab.example");
    let (server, browser) = (lab.secure("vvb1"), lab.process.node("vvb1").unwrap());
    let at_browser = browser.watch();
    let put = |name: &str, text: &str| std::fs::write(lab.dir.join("roots").join(name), text).unwrap();
    put("carrier.pem", carrier.certificate_pem());
    for (number, tls13) in [(1, false), (2, true)] {
        let now = SystemTime::now();
        let list = carrier.revocation_list(number, now - Duration::from_secs(3600), now + Duration::from_secs(3), &[]);
        put("carrier.crl", &list.unwrap().pem());
        lab.process.refresh().unwrap();
        let on = trust::tls::Versions { tls12: !tls13, tls13 };
        let config = trust::tls::client(&papers, &data(&lab).roots_pem().unwrap(), on, &server.names).unwrap();
        let (mut resumed, until) = (0, Instant::now() + PATIENCE);
        while let Some(again) = knocked(&server, &config) {
            resumed += usize::from(again);
            assert!(Instant::now() < until, "the list is due, and {resumed} sessions were resumed: {on:?}");
            let _ = at_browser.recv_timeout(Duration::from_millis(50));
        }
        assert!(resumed > 0, "{on:?}");
        let cause = wait(&at_browser, "the refusal", |line| match line {
            Journal::Refused(record) => Some((record.refusal.cause.clone(), record.answered.clone())),
            _ => None,
        });
        assert_eq!(cause, ("crl_expired".into(), "connection closed".into()), "{on:?}");
    }
    lab.end();
}
