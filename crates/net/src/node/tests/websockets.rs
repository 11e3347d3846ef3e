//! SIP over WebSocket, in clear and over TLS (RFC 7118).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use sip::websocket::{Said, WebSocket};
use sip::{Hop, Transport};
use trust::Peer;
use trust::tls::ClientCertificate;

use super::strangers::anonymous;
use super::*;

/// A browser: a stream and the WebSocket on it.
struct Browser<S> {
    stream: S,
    websocket: WebSocket,
}

impl<S: Read + Write> Browser<S> {
    fn open(mut stream: S) -> Browser<S> {
        let mut websocket = WebSocket::client("b.lab.test", "/", [5; 32], 100_000);
        stream.write_all(&websocket.take()).unwrap();
        let mut browser = Browser { stream, websocket };
        assert_eq!(browser.hears(), Some(Said::Open));
        browser
    }

    fn says(&mut self, bytes: &[u8]) {
        self.websocket.send(bytes);
        let out = self.websocket.take();
        self.stream.write_all(&out).unwrap();
    }

    fn hears(&mut self) -> Option<Said> {
        loop {
            if let Some(said) = self.websocket.next().unwrap() {
                return Some(said);
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(got) if got > 0 => self.websocket.push(&bytes[..got]),
                _ => return None,
            }
        }
    }
}

fn websockets() -> NodeOptions {
    let listen = vec![Transport::Ws, Transport::Wss];
    NodeOptions { listen, clients: ClientCertificate::Optional, ..NodeOptions::default() }
}

fn converse<S: Read + Write>(node: &Puppet, stream: S, transport: Transport) -> std::sync::Arc<Peer> {
    let mut browser = Browser::open(stream);
    // Without Content-Length: each WebSocket message is one SIP message.
    let text = String::from_utf8(options_to(node.addr(transport))).unwrap().replace("Content-Length: 0\r\n", "");
    browser.says(text.as_bytes());
    let (flow, peer, message) = node.hears_message();
    assert_eq!(flow.transport, transport);
    node.sends(Hop::Flow(flow.id), &response(&message));
    let Some(Said::Message(answer)) = browser.hears() else { panic!("no answer") };
    assert!(answer.starts_with(b"SIP/2.0 200 "));
    // A keepalive is nothing to hear; what is no SIP is told so, and the connection goes on.
    browser.says(b"\r\n\r\n");
    browser.says(text.replace("CSeq: 1", "CSeq: x").as_bytes());
    let Some(Said::Message(answer)) = browser.hears() else { panic!("no refusal") };
    assert!(answer.starts_with(b"SIP/2.0 400 "));
    browser.says(text.as_bytes());
    node.hears_message();
    // Goodbye is answered in kind.
    browser.websocket.close(1000);
    let bytes = browser.websocket.take();
    browser.stream.write_all(&bytes).unwrap();
    let mut rest = Vec::new();
    let _ = browser.stream.read_to_end(&mut rest);
    assert_eq!(rest, [0x88, 2, 0x03, 0xe8]);
    assert!(matches!(node.hears(), roles::Input::Closed { .. }));
    peer
}

#[test]
fn a_browser_speaks_sip_in_clear_and_over_tls() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], websockets());
    let tcp = TcpStream::connect(b.addr(Transport::Ws)).unwrap();
    assert_eq!(*converse(&b, tcp, Transport::Ws), Peer::Plain);
    let (tls, tcp) = anonymous(&lab, &b, Transport::Wss);
    let peer = converse(&b, rustls::StreamOwned::new(tls, tcp), Transport::Wss);
    assert!(matches!(&*peer, Peer::Anonymous(facts) if facts.version == "TLSv1.3"), "{peer:?}");
}

#[test]
fn what_is_no_websocket_is_told_so_and_let_go() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], websockets());
    for said in [&b"GET / HTTP/1.1\r\nHost: b\r\n\r\n"[..], b"OPTIONS sip:b SIP/2.0\r\nVia: x\r\n\r\n"] {
        let mut tcp = TcpStream::connect(b.addr(Transport::Ws)).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        tcp.write_all(said).unwrap();
        let mut told = String::new();
        tcp.read_to_string(&mut told).unwrap();
        assert!(told.starts_with("HTTP/1.1 4"), "{told}");
        assert!(matches!(b.hears(), roles::Input::Closed { .. }));
    }
    // A frame that breaks the rules.
    let mut browser = Browser::open(TcpStream::connect(b.addr(Transport::Ws)).unwrap());
    browser.stream.write_all(&[0x81, 1, b'x']).unwrap();
    assert_eq!(browser.hears(), Some(Said::Closed));
    assert!(matches!(b.hears(), roles::Input::Closed { .. }));
    b.hears_nothing_more();
}

#[test]
fn nobody_is_dialled_by_websocket() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], websockets());
    let a = lab.node("a", 2, &[("b", &b, Transport::Wss, "b.lab.test")], NodeOptions::default());
    a.sends(Hop::Target(b.target("b", Transport::Wss)), &request("hello", 0));
    assert!(a.hears_unreachable().1.contains("RFC 7118"));
}
