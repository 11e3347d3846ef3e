//! What peers send that is old, odd or hostile: RFC 2543 transactions, merged and looping requests, strays, overload,
//! and where answers go (RFC 3261 §8.2, §17.2.3, §18.2; RFC 3581).

use bytes::Bytes;
use sip::{Event, FlowId, Headers, Hop, Message, Name, Status, Target, Transport};

use crate::desk::{Desk, TO, VIA, request, to_tagged};

#[test]
fn a_peer_of_rfc_2543_calls_repeats_and_acknowledges_without_branches() {
    let old = "SIP/2.0/UDP 192.0.2.1:5060";
    let mut desk = Desk::new(Transport::Udp);
    let (events, _) = desk.tell(&request("INVITE", old, TO));
    assert_eq!(desk.tell(&request("INVITE", old, TO)).0.len(), 0, "a retransmission");
    let sent = desk.respond(&events, 486);
    assert_eq!(desk.tell(&request("INVITE", old, TO)).1.len(), 1, "answered by the same 486");
    let (events, sent) = desk.tell(&request("ACK", old, &to_tagged(&sent[0].1)));
    assert!(events.is_empty() && sent.is_empty());
    let (_, sent) = desk.run(4);
    assert!(sent.is_empty(), "the ACK stopped timer G");
    desk.run(60);
    assert_eq!(desk.endpoint.transactions(), 0);
}

#[test]
fn a_peer_of_rfc_2543_cancels_and_hangs_up_without_a_tag() {
    let old = "SIP/2.0/UDP 192.0.2.1:5060;branch=1";
    let mut desk = Desk::new(Transport::Udp);
    desk.tell(&request("INVITE", old, TO));
    let (events, sent) = desk.tell(&request("CANCEL", old, TO));
    assert!(matches!(events[..], [Event::Cancelled { .. }]));
    let mut statuses: Vec<u16> = sent.iter().map(|(_, answer)| answer.status().unwrap().0).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 487]);

    let tagless = |text: String| text.replace(";tag=a1", "").replace("c1@", "c2@");
    let (events, _) = desk.tell(&tagless(request("INVITE", VIA, TO)));
    let sent = desk.respond(&events, 200);
    let to = to_tagged(&sent[0].1);
    let (events, _) = desk.tell(&tagless(request("ACK", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK2", &to)));
    assert!(matches!(events[..], [Event::Acked { .. }]));
    let (events, _) = desk.tell(&tagless(request("BYE/2", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK3", &to)));
    let sent = desk.respond(&events, 200);
    assert_eq!((sent.len(), desk.endpoint.dialogs()), (1, 0));
}

#[test]
fn the_ack_of_a_2xx_may_reuse_the_branch_of_its_invite() {
    let mut desk = Desk::new(Transport::Udp);
    let (events, _) = desk.tell(&request("INVITE", VIA, TO));
    let sent = desk.respond(&events, 200);
    let (events, _) = desk.tell(&request("ACK", VIA, &to_tagged(&sent[0].1)));
    assert!(matches!(events[..], [Event::Acked { .. }]));
}

#[test]
fn a_request_that_came_on_two_ways_is_merged() {
    let mut desk = Desk::new(Transport::Udp);
    desk.tell(&request("INVITE", VIA, TO));
    let other = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK2";
    assert_eq!(desk.status(&request("INVITE", other, TO)), 482);
    let other = "SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK1";
    assert_eq!(desk.status(&request("INVITE", other, TO)), 482, "the same branch of another sender is another");
    let (events, _) = desk.tell(&request("OPTIONS", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK3", TO));
    assert_eq!(events.len(), 1, "another method is another request");
}

#[test]
fn strays_get_481_or_nothing() {
    let mut desk = Desk::new(Transport::Udp);
    let to = "To: <sip:bob@192.0.2.2>;tag=nobody";
    for method in ["BYE", "INVITE", "INFO", "UPDATE", "CANCEL"] {
        let via = format!("{VIA}{method}");
        let text = request(method, &via, to);
        let (events, sent) = desk.tell(&text);
        assert!(events.is_empty());
        assert_eq!(sent[0].1.status(), Some(Status(481)), "{method}");
        assert_eq!(desk.tell(&text).1[0].1, sent[0].1, "the same each time");
    }
    let (events, sent) = desk.tell(&request("ACK", VIA, to));
    assert!(events.is_empty() && sent.is_empty());
    let answer = "SIP/2.0 200 OK
        Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK0000000000000000000000000a
        From: <sip:a@b>;tag=1
        To: <sip:a@b>;tag=2
        Call-ID: x
        CSeq: 1 INVITE";
    let (events, sent) = desk.tell(answer);
    assert!(events.is_empty() && sent.is_empty());
    assert_eq!(desk.endpoint.transactions(), 0);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let mut desk = Desk::new(Transport::Udp);
    desk.endpoint.understand("replaces");
    let (_, sent) = desk.tell(&request("INVITE", VIA, &format!("{TO}\nRequire: timer, x-magic, Replaces, 100rel")));
    assert_eq!(sent[0].1.status(), Some(Status(420)));
    assert_eq!(sent[0].1.header(&Name::Unsupported), Some("x-magic, 100rel"));
    assert_eq!(desk.status(&request("FROBNICATE", VIA, TO)), 501);
    let (_, sent) = desk.tell(&request("INVITE", VIA, &format!("{TO}\nSupported: timer\nSession-Expires: 60")));
    assert_eq!((sent[0].1.status(), sent[0].1.header(&Name::MinSe)), (Some(Status(422)), Some("90")));
    assert_eq!(desk.endpoint.transactions(), 0, "none of these keeps state");
}

#[test]
fn overload_refuses_what_is_new_and_nothing_else() {
    let mut desk = Desk::with(Transport::Udp, |config| config.max_transactions = 2);
    let (events, _) = desk.tell(&request("INVITE", VIA, TO));
    let other = |n: u32| format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKo{n}");
    let options = |n: u32| request(&format!("OPTIONS/{n}"), &other(n), TO);
    desk.tell(&options(1));
    assert_eq!(desk.status(&options(2)), 503);
    assert_eq!(desk.status(&options(3)), 503);
    let sent = desk.respond(&events, 200);
    let to = to_tagged(&sent[0].1);
    let (events, _) = desk.tell(&request("ACK", &other(4), &to));
    assert!(matches!(events[..], [Event::Acked { .. }]));
    let (events, _) = desk.tell(&request("BYE/2", &other(5), &to));
    assert_eq!(desk.respond(&events, 200).len(), 1);
    assert_eq!(desk.endpoint.transactions(), 3);
}

#[test]
fn answers_over_udp_follow_rport_or_sent_by() {
    let ways = [
        ("192.0.2.1:5060", "192.0.2.1:5060;branch=z9hG4bK1", None, None),
        // Behind a NAT, with rport: back to where it came from, which the Via says.
        ("203.0.113.5:40000", "10.0.0.1:5060;rport;branch=z9hG4bK1", None, Some("203.0.113.5:40000")),
        // Without rport: the address it came from, the port of sent-by.
        ("203.0.113.5:40000", "10.0.0.1:5070;branch=z9hG4bK1", Some("203.0.113.5:5070"), Some("203.0.113.5")),
        ("203.0.113.5:40000", "host.example;branch=z9hG4bK1", Some("203.0.113.5:5060"), Some("203.0.113.5")),
    ];
    for (remote, sent_by, to, said) in ways {
        let mut desk = Desk::new(Transport::Udp);
        desk.flow.remote = remote.parse().unwrap();
        let (events, _) = desk.tell(&request("OPTIONS", &format!("SIP/2.0/UDP {sent_by}"), TO));
        let (hop, answer) = desk.respond(&events, 200).pop().unwrap();
        match (hop, to) {
            (Hop::Flow(flow), None) => assert_eq!(flow, FlowId(7)),
            (Hop::Target(target), Some(to)) => assert_eq!(target.addr, to.parse().unwrap()),
            other => panic!("{other:?}"),
        }
        let via = answer.via().unwrap();
        let rport = via.rport().flatten().map_or(String::new(), |port| format!(":{port}"));
        let found = via.received().map(|addr| format!("{addr}{rport}"));
        assert_eq!(found.as_deref(), said);
    }
}

#[test]
fn an_answer_whose_stream_has_ended_takes_the_dialogs_own_way() {
    let mut desk = Desk::new(Transport::Tls);
    let via = "SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK1";
    let (events, _) = desk.tell(&request("INVITE", via, TO));
    let Event::Request { dialog: Some(dialog), .. } = events[0] else { panic!() };
    desk.endpoint.closed(FlowId(7), None, desk.now);
    assert!(desk.respond(&events, 180).is_empty(), "TLS to nobody in particular is not an option");
    let target = Target { transport: Transport::Tls, addr: "192.0.2.1:5061".parse().unwrap(), peer: "cucm".into() };
    desk.endpoint.set_target(dialog, target.clone());
    let sent = desk.respond(&events, 200);
    assert_eq!(sent[0].0, Hop::Target(target.clone()));
    desk.endpoint.end(dialog, Headers::new(), desk.now);
    let (_, sent) = desk.run(33);
    let bye = sent.iter().find(|(_, message)| message.is_request()).unwrap();
    assert_eq!(bye.0, Hop::Target(target));
    let mut desk = Desk::new(Transport::Tcp);
    let (events, _) = desk.tell(&request("OPTIONS", "SIP/2.0/TCP 192.0.2.1:5090;branch=z9hG4bK1", TO));
    desk.endpoint.closed(FlowId(7), None, desk.now);
    let (hop, _) = desk.respond(&events, 200).pop().unwrap();
    assert!(matches!(hop, Hop::Target(target) if target.addr == "192.0.2.1:5090".parse().unwrap()));
}

#[test]
fn a_caller_may_give_up_by_bye() {
    let mut desk = Desk::new(Transport::Udp);
    let (events, _) = desk.tell(&request("INVITE", VIA, TO));
    let ringing = desk.respond(&events, 180);
    let bye = request("BYE/2", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK2", &to_tagged(&ringing[0].1));
    let (events, sent) = desk.tell(&bye);
    assert!(matches!(events[..], [Event::Cancelled { .. }]));
    assert_eq!(sent.iter().map(|(_, m)| m.status().unwrap().0).collect::<Vec<_>>(), [200, 487]);
    assert_eq!(desk.endpoint.dialogs(), 0);
}

#[test]
fn our_own_invite_that_comes_back_unchanged_is_a_loop() {
    let mut desk = Desk::new(Transport::Udp);
    let target = Target { transport: Transport::Udp, addr: "192.0.2.1:5060".parse().unwrap(), peer: "proxy".into() };
    desk.endpoint.invite(crate::pair::invite(Hop::Target(target), None), desk.now);
    let (_, sent) = desk.drain();
    let text = String::from_utf8(sent[0].1.bytes().to_vec()).unwrap();
    let back = text.replacen("Via:", "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKproxy\r\nVia:", 1);
    let status = |desk: &mut Desk, text: String| {
        desk.endpoint.receive(desk.flow, Message::parse(Bytes::from(text)).unwrap(), desk.now);
        desk.drain().1.first().map(|(_, answer)| answer.status().unwrap().0)
    };
    assert_eq!(status(&mut desk, back.clone()), Some(482));
    let spiral = back.replace("INVITE sip:bob@", "INVITE sip:carol@").replace("bKproxy", "bKproxy2");
    assert_eq!(status(&mut desk, spiral), None, "sent on to somebody else it is a new call");
}
