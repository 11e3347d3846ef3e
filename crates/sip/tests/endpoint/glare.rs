//! Requests within a dialog that meet: 491 and its pauses (RFC 3261 §14), 500 for what is out of order, lost dialogs.

use std::time::Duration;

use bytes::Bytes;
use sip::{Body, Event, Headers, Message, Method, Name, Status};

use crate::pair::{A, B, Link, Pair};

#[test]
fn two_reinvites_that_cross_both_get_through() {
    for (link, seed) in [(Link::udp(), 1), (Link::tcp(), 2), (Link::tcp(), 3)] {
        let mut pair = Pair::new(link, seed);
        let (a, b) = pair.established();
        let now = pair.now;
        let ours = pair.ends[A].endpoint.reinvite(a, Headers::new(), Some(Body::sdp("from a")), now);
        let theirs = pair.ends[B].endpoint.reinvite(b, Headers::new(), Some(Body::sdp("from b")), now);
        pair.settle();
        assert_eq!((pair.count(A, "SIP/2.0 491"), pair.count(B, "SIP/2.0 491")), (1, 1));
        assert!(pair.take(A).is_none() && pair.take(B).is_none(), "nobody above sees the glare");
        for (from, dialog, client) in [(B, b, theirs), (A, a, ours)] {
            // B did not make the Call-ID: it pauses at most 2 s, A at least 2.1 s.
            pair.run(Duration::from_millis(if from == B { 2050 } else { 2000 }));
            let Some(Event::InDialog { server, .. }) = pair.take(1 - from) else { panic!("{from}") };
            pair.respond(1 - from, server, 200, None);
            pair.settle();
            assert!(matches!(pair.take(from), Some(Event::Accepted { client: c, .. }) if c == client));
            let now = pair.now;
            pair.ends[from].endpoint.ack(dialog, Headers::new(), None, now);
            pair.settle();
            assert!(matches!(pair.take(1 - from), Some(Event::Acked { .. })));
        }
        pair.bye(A, a);
        pair.exhaust();
        pair.assert_empty();
    }
}

/// A message of A with its CSeq number and branch changed, as if A had sent it.
fn altered(message: &Message, cseq: u32, branch: &str) -> Message {
    let text = String::from_utf8(message.bytes().to_vec()).unwrap();
    let (number, method) = message.cseq().unwrap();
    let text = text.replace(&format!("CSeq: {number} {method}"), &format!("CSeq: {cseq} {method}"));
    Message::parse(Bytes::from(text.replace(message.branch().unwrap(), branch))).unwrap()
}

#[test]
fn what_is_out_of_order_is_refused_by_500_with_retry_after() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, _) = pair.established();
    let now = pair.now;
    pair.ends[A].endpoint.in_dialog(a, Method::Info, Headers::new(), None, now);
    pair.settle();
    let Some(Event::InDialog { server, .. }) = pair.take(B) else { panic!() };
    pair.respond(B, server, 200, None);
    let old = altered(pair.last(A, "INFO"), 1, "z9hG4bKold");
    let (flow, now) = (pair.flow(B, 1), pair.now);
    pair.ends[B].endpoint.receive(flow, old.clone(), now);
    pair.ends[B].endpoint.receive(flow, old, now);
    pair.drain(B);
    assert_eq!(pair.count(B, "SIP/2.0 500"), 2);
    let retry: u32 = pair.last(B, "SIP/2.0 500").header(&Name::RetryAfter).unwrap().parse().unwrap();
    assert!(retry <= 10);
    assert!(pair.take(B).is_none());
}

#[test]
fn a_second_invite_before_the_first_is_answered_is_refused() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, _) = pair.established();
    let now = pair.now;
    pair.ends[A].endpoint.reinvite(a, Headers::new(), None, now);
    pair.settle();
    assert!(matches!(pair.take(B), Some(Event::InDialog { .. })));
    let second = altered(pair.last(A, "INVITE"), 9, "z9hG4bKnext");
    let (flow, now) = (pair.flow(B, 1), pair.now);
    pair.ends[B].endpoint.receive(flow, second, now);
    pair.drain(B);
    assert!(pair.last(B, "SIP/2.0 500").header(&Name::RetryAfter).is_some());
}

#[test]
fn a_peer_that_has_lost_the_dialog_ends_it() {
    let mut pair = Pair::new(Link::tcp(), 1);
    let (a, b) = pair.established();
    let now = pair.now;
    // B forgets without telling.
    pair.censor = |from, _| from == B;
    pair.ends[B].endpoint.end(b, Headers::new(), now);
    pair.drain(B);
    pair.censor = |_, _| false;
    let client = pair.ends[A].endpoint.in_dialog(a, Method::Info, Headers::new(), None, now);
    pair.settle();
    let Some(Event::Final { client: c, response, .. }) = pair.take(A) else { panic!() };
    assert_eq!((c, response.status()), (client, Some(Status(481))));
    assert!(matches!(pair.take(A), Some(Event::Expired { dialog, .. }) if dialog == a));
    let bye = pair.last(A, "BYE");
    assert!(bye.header(&Name::Reason).unwrap().starts_with("SIP;cause=481"));
    pair.exhaust();
    pair.assert_empty();
}

#[test]
fn a_bye_leaves_no_request_of_the_dialog_unanswered() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, b) = pair.established();
    let now = pair.now;
    let client = pair.ends[A].endpoint.reinvite(a, Headers::new(), None, now);
    pair.settle();
    assert!(matches!(pair.take(B), Some(Event::InDialog { .. })));
    let now = pair.now;
    pair.ends[B].endpoint.end(b, Headers::new(), now);
    pair.settle();
    let Some(Event::Final { client: c, response, .. }) = pair.take(A) else { panic!() };
    assert_eq!((c, response.status()), (client, Some(Status(487))));
    let Some(Event::InDialog { server, .. }) = pair.take(A) else { panic!() };
    pair.respond(A, server, 200, None);
    pair.exhaust();
    pair.assert_empty();
}

#[test]
fn a_request_in_a_dialog_that_is_gone_fails_at_once() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, _) = pair.established();
    pair.bye(A, a);
    let now = pair.now;
    let info = pair.ends[A].endpoint.in_dialog(a, Method::Info, Headers::new(), None, now);
    let invite = pair.ends[A].endpoint.reinvite(a, Headers::new(), None, now);
    pair.drain(A);
    for client in [info, invite] {
        assert!(matches!(pair.take(A), Some(Event::Failed { client: c, .. }) if c == client));
    }
}
