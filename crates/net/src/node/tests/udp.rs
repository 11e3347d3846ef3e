//! Datagrams.

use std::net::UdpSocket;

use sip::{Hop, Transport};
use trust::Peer;

use super::*;

#[test]
fn datagrams_come_with_a_flow_and_are_answered_on_it() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let carrier = UdpSocket::bind("127.0.0.9:0").unwrap();
    let sent = options_to(b.addr(Transport::Udp));
    carrier.send_to(b"\r\n\r\n", b.addr(Transport::Udp)).unwrap();
    carrier.send_to(&sent, b.addr(Transport::Udp)).unwrap();
    carrier.send_to(&sent, b.addr(Transport::Udp)).unwrap();
    let (flow, peer, message) = b.hears_message();
    assert_eq!(*peer, Peer::Plain);
    assert_eq!((flow.remote, flow.local), (carrier.local_addr().unwrap(), b.addr(Transport::Udp)));
    assert_eq!(b.hears_message().0, flow, "the same remote is the same flow");
    b.sends(Hop::Flow(flow.id), &response(&message));
    let mut answer = [0; 2000];
    let (got, from) = carrier.recv_from(&mut answer).unwrap();
    assert!(answer[..got].starts_with(b"SIP/2.0 200 "));
    assert_eq!(from, b.addr(Transport::Udp));
}

#[test]
fn a_target_is_sent_to_from_the_nodes_own_socket() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let a = lab.node("a", 2, &[("b", &b, Transport::Udp, "")], NodeOptions::default());
    a.sends(Hop::Target(b.target("b", Transport::Udp)), &request("hello", 0));
    assert_eq!(b.hears_message().0.remote, a.addr(Transport::Udp));
    // A node that listens for TLS only speaks UDP from its address all the same.
    let c = lab.node("c", 4, &[], NodeOptions { listen: vec![Transport::Tls], ..NodeOptions::default() });
    c.sends(Hop::Target(b.target("b", Transport::Udp)), &request("hello", 0));
    let (flow, _, message) = b.hears_message();
    assert_eq!(flow.remote.ip(), c.address);
    b.sends(Hop::Flow(flow.id), &response(&message));
    assert_eq!(c.hears_message().2.status(), Some(sip::Status(200)));
}

#[test]
fn what_is_not_sip_gets_400_or_nothing() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let carrier = UdpSocket::bind("127.0.0.9:0").unwrap();
    let bad = String::from_utf8(options_to(b.addr(Transport::Udp))).unwrap().replace("CSeq: 1 OPTIONS", "CSeq: none");
    carrier.send_to(b"noise", b.addr(Transport::Udp)).unwrap();
    carrier.send_to(bad.as_bytes(), b.addr(Transport::Udp)).unwrap();
    let mut answer = [0; 2000];
    let (got, _) = carrier.recv_from(&mut answer).unwrap();
    assert!(answer[..got].starts_with(b"SIP/2.0 400 "), "{}", String::from_utf8_lossy(&answer[..got]));
    b.hears_nothing_more();
}

#[test]
fn a_stun_keepalive_is_told_where_it_came_from() {
    let lab = Lab::new();
    let b = lab.node("b", 3, &[], NodeOptions::default());
    let phone = UdpSocket::bind("127.0.0.9:0").unwrap();
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
    phone.send_to(&request, b.addr(Transport::Udp)).unwrap();
    let mut answer = [0; 100];
    let (got, from) = phone.recv_from(&mut answer).unwrap();
    assert_eq!((from, &answer[..2], &answer[8..20]), (b.addr(Transport::Udp), &[1, 1][..], &[7; 12][..]));
    let port = u16::from_be_bytes([answer[26], answer[27]]) ^ 0x2112;
    assert_eq!((got, port), (32, phone.local_addr().unwrap().port()));
    b.hears_nothing_more();
}
