//! Who comes to a TLS listener without what it takes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use sip::Transport;
use trust::Peer;
use trust::tls::ClientCertificate;

use super::*;

/// TLS without a certificate of one's own.
pub(super) fn anonymous(lab: &Lab, node: &Puppet, transport: Transport) -> (ClientConnection, TcpStream) {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(lab.ca.certificate_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), ServerName::try_from("b.lab.test").unwrap()).unwrap();
    (tls, TcpStream::connect(node.addr(transport)).unwrap())
}

#[test]
fn without_a_client_certificate_there_is_no_connection() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let (mut tls, mut tcp) = anonymous(&lab, &b, Transport::Tls);
    let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
    let _ = stream.write_all(&options_to(b.addr(Transport::Tls)));
    let error = stream.read(&mut [0; 100]).unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
    let refusal = b.refusal();
    assert_eq!(
        (refusal.refusal.cause.as_str(), refusal.answered.as_str()),
        ("no_client_certificate", "TLS alert certificate_required")
    );
    b.hears_nothing_more();
}

#[test]
fn where_digest_is_enough_the_peer_is_anonymous_and_says_what_tls_it_has() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions { clients: ClientCertificate::Optional, ..NodeOptions::default() });
    let (mut tls, mut tcp) = anonymous(&lab, &b, Transport::Tls);
    rustls::Stream::new(&mut tls, &mut tcp).write_all(&options_to(b.addr(Transport::Tls))).unwrap();
    let (_, peer, _) = b.hears_message();
    let Peer::Anonymous(facts) = &*peer else { panic!("{peer:?}") };
    assert_eq!((facts.version.as_str(), facts.mutual), ("TLSv1.3", false));
}

#[test]
fn sip_in_clear_on_the_secure_port_is_refused_in_words_and_by_alert() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let mut tcp = TcpStream::connect(b.addr(Transport::Tls)).unwrap();
    tcp.write_all(&options_to(b.addr(Transport::Tls))).unwrap();
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer);
    assert_eq!(answer.first(), Some(&0x15), "a TLS alert record, and nothing before it");
    let refusal = b.refusal();
    assert_eq!(refusal.refusal.cause, "plain_sip_on_tls");
    assert!(refusal.answered.starts_with("TLS alert "), "{}", refusal.answered);
    b.hears_nothing_more();
    assert!(b.handle.connections().open.is_empty());
}

#[test]
fn one_who_connects_and_says_nothing_is_let_go() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    for transport in [Transport::Tls, Transport::Tcp] {
        let mut tcp = TcpStream::connect(b.addr(transport)).unwrap();
        let mut said = Vec::new();
        let _ = tcp.read_to_end(&mut said); // until the other side closes; TLS says close_notify first
        assert!(said.is_empty() || said.first() == Some(&0x15), "{said:?}");
    }
    assert_eq!(b.refusal().refusal.cause, "handshake_timeout");
}

#[test]
fn one_who_shows_no_certificate_and_says_nothing_is_let_go_too() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions { clients: ClientCertificate::Optional, ..NodeOptions::default() });
    let (mut tls, mut tcp) = anonymous(&lab, &b, Transport::Tls);
    tcp.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    let got = rustls::Stream::new(&mut tls, &mut tcp).read(&mut [0; 100]);
    assert!(matches!(got, Ok(0)), "closed in order, not left open: {got:?}");
}

#[test]
fn handshakes_under_way_from_one_source_are_bounded() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let silent: Vec<TcpStream> = (0..80).map(|_| TcpStream::connect(b.addr(Transport::Tls)).unwrap()).collect();
    // Those beyond the bound are closed at once, long before the handshake's limit.
    let mut closed = 0;
    for mut tcp in &silent {
        tcp.set_nonblocking(false).unwrap();
        tcp.set_read_timeout(Some(std::time::Duration::from_millis(5))).unwrap();
        closed += usize::from(matches!(tcp.read(&mut [0; 1]), Ok(0)) || tcp.take_error().unwrap().is_some());
    }
    assert!(closed >= 16, "{closed}");
    // From another address one still gets in.
    let a = lab.node("a", 2, &[("b", &b, Transport::Tls, "b.lab.test")], NodeOptions::default());
    a.sends(sip::Hop::Target(b.target("b", Transport::Tls)), &request("hello", 0));
    b.hears_message();
}

#[test]
fn what_is_not_sip_is_answered_or_ends_the_connection() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let mut tcp = TcpStream::connect(b.addr(Transport::Tcp)).unwrap();
    let bad = String::from_utf8(options_to(b.addr(Transport::Tcp))).unwrap().replace("CSeq: 1 OPTIONS", "CSeq: none");
    tcp.write_all(bad.as_bytes()).unwrap();
    let mut answer = [0; 2000];
    let got = tcp.read(&mut answer).unwrap();
    assert!(answer[..got].starts_with(b"SIP/2.0 400 "), "{}", String::from_utf8_lossy(&answer[..got]));
    tcp.write_all(b"\r\n\r\n").unwrap();
    assert_eq!(tcp.read(&mut answer).unwrap(), 2, "a ping is answered");
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: b\r\n\r\n").unwrap();
    assert_eq!(tcp.read(&mut answer).unwrap_or(0), 0, "no Content-Length: the stream cannot be cut any more");
    assert!(matches!(b.hears(), roles::Input::Closed { .. }));
}

#[test]
fn connections_open_from_one_source_are_bounded_refused_in_words_and_counted() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    // Plain TCP: whoever connects is open at once. 100 is the bound in tests.
    let mut open: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(b.addr(Transport::Tcp)).unwrap()).collect();
    for tcp in &mut open {
        tcp.write_all(&options_to(b.addr(Transport::Tcp))).unwrap();
        b.hears_message();
    }
    let mut one_more = TcpStream::connect(b.addr(Transport::Tcp)).unwrap();
    one_more.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    assert!(!matches!(one_more.read(&mut [0; 1]), Ok(1..)), "closed unheard");
    let refusal = b.refusal();
    assert_eq!(
        (refusal.refusal.cause.as_str(), refusal.answered.as_str()),
        ("too_many_connections", "connection closed")
    );
    assert_eq!(b.handle.connections().turned_away.get("too_many_connections"), Some(&1));
    // From another address one still gets in; and from that one again, once one has gone.
    let a = lab.node("a", 2, &[("b", &b, Transport::Tcp, "b.lab.test")], NodeOptions::default());
    a.sends(sip::Hop::Target(b.target("b", Transport::Tcp)), &request("hello", 0));
    b.hears_message();
    drop(open.pop());
    assert!(matches!(b.hears(), roles::Input::Closed { .. }));
    let mut again = TcpStream::connect(b.addr(Transport::Tcp)).unwrap();
    again.write_all(&options_to(b.addr(Transport::Tcp))).unwrap();
    b.hears_message();
}
