//! Ordinary calls, and requests of every kind.

use std::time::Duration;

use sip::endpoint::Outside;
use sip::{Body, Event, Headers, Hop, Method, Name, NameAddr, Status, Transport, Uri};

use crate::pair::{A, B, Link, Pair};

#[test]
fn a_call_is_made_answered_and_ended_and_leaves_nothing() {
    for link in [Link::udp(), Link::tcp()] {
        let mut pair = Pair::new(link, 1);
        let (a, client) = pair.call(Some(Body::sdp("offer")));
        pair.settle();
        let (server, b, request) = pair.called();
        assert_eq!(request.body().unwrap().bytes, "offer");
        pair.respond(B, server, 180, None);
        pair.settle();
        let Some(Event::Provisional { client: rung, dialog, response }) = pair.take(A) else { panic!() };
        assert_eq!((rung, dialog, response.status()), (client, a, Some(Status(180))));
        pair.respond(B, server, 200, Some(Body::sdp("answer")));
        pair.settle();
        let Some(Event::Accepted { client: answered, response, .. }) = pair.take(A) else { panic!() };
        assert_eq!(answered, client);
        assert_eq!(response.body().unwrap().bytes, "answer");
        let now = pair.now;
        pair.ends[A].endpoint.ack(a, Headers::new(), None, now);
        pair.settle();
        assert!(matches!(pair.take(B), Some(Event::Acked { dialog, .. }) if dialog == b));
        assert!(pair.ends[A].endpoint.is_confirmed(a) && pair.ends[B].endpoint.is_confirmed(b));
        assert_eq!(pair.ends[A].endpoint.call_id(a), pair.ends[B].endpoint.call_id(b));
        pair.bye(B, b);
        pair.exhaust();
        assert_eq!(pair.count(A, "INVITE"), 1);
        assert_eq!(pair.count(B, "SIP/2.0 200"), 1);
        pair.assert_empty();
        assert!(pair.take(A).is_none() && pair.take(B).is_none());
    }
}

#[test]
fn trying_is_sent_after_200_ms_and_not_before() {
    let mut pair = Pair::new(Link::udp(), 1);
    pair.call(None);
    pair.run(Duration::from_millis(209));
    assert_eq!(pair.count(B, "SIP/2.0 100"), 0);
    pair.run(Duration::from_millis(2));
    assert_eq!(pair.count(B, "SIP/2.0 100"), 1);
    let trying = pair.last(B, "SIP/2.0 100");
    assert_eq!(trying.to_tag(), None);
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.count(A, "INVITE"), 1, "100 stops the repetition");
}

#[test]
fn a_late_offer_is_answered_in_the_ack() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, _) = pair.call(None);
    pair.settle();
    let (server, _, request) = pair.called();
    assert_eq!(request.body(), None);
    pair.respond(B, server, 200, Some(Body::sdp("offer")));
    pair.settle();
    assert!(matches!(pair.take(A), Some(Event::Accepted { .. })));
    let now = pair.now;
    pair.ends[A].endpoint.ack(a, Headers::new(), Some(Body::sdp("answer")), now);
    pair.settle();
    let Some(Event::Acked { ack, .. }) = pair.take(B) else { panic!() };
    assert_eq!(ack.body().unwrap().bytes, "answer");
}

#[test]
fn a_refusal_is_acknowledged_below_and_reported_once() {
    for link in [Link::udp(), Link::tcp()] {
        let mut pair = Pair::new(link, 1);
        let (a, client) = pair.call(None);
        pair.settle();
        let (server, ..) = pair.called();
        pair.respond(B, server, 486, None);
        pair.settle();
        let Some(Event::Final { client: refused, dialog, response }) = pair.take(A) else { panic!() };
        assert_eq!((refused, dialog, response.status()), (client, Some(a), Some(Status(486))));
        assert_eq!(pair.count(A, "ACK"), 1);
        assert_eq!(pair.ends[A].endpoint.dialogs() + pair.ends[B].endpoint.dialogs(), 0);
        pair.exhaust();
        pair.assert_empty();
        assert!(pair.take(A).is_none() && pair.take(B).is_none());
    }
}

#[test]
fn a_reinvite_carries_a_new_offer_and_both_sides_may_send_one() {
    let mut pair = Pair::new(Link::tcp(), 1);
    let (a, b) = pair.established();
    for (from, dialog) in [(A, a), (B, b)] {
        let now = pair.now;
        let client = pair.ends[from].endpoint.reinvite(dialog, Headers::new(), Some(Body::sdp("hold")), now);
        pair.settle();
        let Some(Event::InDialog { server, request, .. }) = pair.take(1 - from) else { panic!() };
        assert_eq!(request.body().unwrap().bytes, "hold");
        pair.respond(1 - from, server, 200, Some(Body::sdp("held")));
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

#[test]
fn reinvites_wait_for_their_turn() {
    let mut pair = Pair::new(Link::tcp(), 1);
    let (a, _) = pair.established();
    let now = pair.now;
    let first = pair.ends[A].endpoint.reinvite(a, Headers::new(), Some(Body::sdp("1")), now);
    let second = pair.ends[A].endpoint.reinvite(a, Headers::new(), Some(Body::sdp("2")), now);
    for (client, body) in [(first, "1"), (second, "2")] {
        pair.settle();
        let Some(Event::InDialog { server, request, .. }) = pair.take(B) else { panic!() };
        assert_eq!(request.body().unwrap().bytes, body);
        assert!(pair.take(B).is_none());
        pair.respond(B, server, 200, None);
        pair.settle();
        assert!(matches!(pair.take(A), Some(Event::Accepted { client: c, .. }) if c == client));
        let now = pair.now;
        pair.ends[A].endpoint.ack(a, Headers::new(), None, now);
        pair.settle();
        assert!(matches!(pair.take(B), Some(Event::Acked { .. })));
    }
}

#[test]
fn requests_inside_a_dialog() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, b) = pair.established();
    for (from, dialog, method) in [(A, a, Method::Info), (B, b, Method::Refer), (A, a, Method::Notify)] {
        let now = pair.now;
        let headers = vec![(Name::Other("X-Note".into()), "one\r\ntwo".into())];
        let client = pair.ends[from].endpoint.in_dialog(dialog, method.clone(), headers, None, now);
        pair.settle();
        let Some(Event::InDialog { server, request, .. }) = pair.take(1 - from) else { panic!() };
        assert_eq!(request.method(), method);
        assert_eq!(request.header(&Name::Other("X-Note".into())), Some("one  two"), "no field is smuggled in");
        pair.respond(1 - from, server, 202, None);
        pair.settle();
        let Some(Event::Final { client: done, response, .. }) = pair.take(from) else { panic!() };
        assert_eq!((done, response.status()), (client, Some(Status(202))));
    }
    let cseqs: Vec<u32> =
        pair.ends[A].messages.iter().filter(|m| m.is_request()).map(|m| m.cseq().unwrap().0).collect();
    assert_eq!(cseqs, [1, 1, 2, 3], "INVITE and its ACK, INFO, NOTIFY");
}

#[test]
fn requests_outside_a_dialog() {
    for (method, link) in [(Method::Options, Link::udp()), (Method::Register, Link::tcp())] {
        let mut pair = Pair::new(link, 1);
        let outside = Outside {
            method: method.clone(),
            hop: Hop::Target(pair.target(B)),
            request_uri: Uri::parse("sip:192.0.2.2").unwrap(),
            from: NameAddr::parse("<sip:1001@192.0.2.2>").unwrap(),
            to: NameAddr::parse("<sip:1001@192.0.2.2>").unwrap(),
            contact_user: Some("1001".into()),
            headers: vec![(Name::Expires, "120".into())],
            body: None,
            call_id: Some(("abc@x".into(), 41)),
        };
        let now = pair.now;
        let client = pair.ends[A].endpoint.request(outside, now);
        pair.settle();
        let Some(Event::Request { server, dialog: None, request, .. }) = pair.take(B) else { panic!() };
        assert_eq!((request.call_id(), request.cseq().unwrap()), ("abc@x", (41, method)));
        assert_eq!(request.header(&Name::Expires), Some("120"));
        pair.respond(B, server, 200, None);
        pair.settle();
        assert!(matches!(pair.take(A), Some(Event::Final { client: c, dialog: None, .. }) if c == client));
        pair.exhaust();
        pair.assert_empty();
    }
}

#[test]
fn a_silent_peer_is_given_up_after_64_t1() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut pair = Pair::new(Link { transport, ..Link::udp() }, 1);
        pair.censor = |_, _| true;
        let start = pair.now;
        let (a, client) = pair.call(None);
        pair.exhaust();
        assert_eq!(pair.now - start, Duration::from_secs(32));
        let Some(Event::Failed { client: c, dialog, failure }) = pair.take(A) else { panic!() };
        assert_eq!((c, dialog, failure), (client, Some(a), sip::Failure::Timeout));
        assert_eq!(pair.count(A, "INVITE"), if transport == Transport::Udp { 7 } else { 1 });
        pair.assert_empty();
    }
}

#[test]
fn a_bye_whose_connections_break_is_sent_again_until_it_is_answered() {
    let mut pair = Pair::new(Link::tcp(), 1);
    let (a, b) = pair.established();
    pair.reset();
    pair.run(Duration::ZERO);
    let now = pair.now;
    pair.ends[A].endpoint.end(a, Headers::new(), now);
    for until_the_next in [500, 995] {
        pair.run(Duration::from_millis(5)); // on its way
        pair.reset();
        pair.run(Duration::from_millis(until_the_next));
        assert!(pair.take(B).is_none());
    }
    pair.settle();
    let Some(Event::InDialog { server, dialog, request, .. }) = pair.take(B) else {
        panic!("no BYE: {:?}", pair.ends[A].sent)
    };
    assert_eq!((dialog, request.method()), (b, Method::Bye));
    pair.respond(B, server, 200, None);
    pair.exhaust();
    pair.assert_empty();
}

#[test]
fn an_invite_whose_connection_closes_unheard_goes_once_over_another_and_rings_once() {
    // Lost on its way, or known to the callee who has said nothing yet.
    for arrived in [false, true] {
        let mut pair = Pair::new(Link::tcp(), 1);
        let (_, client) = pair.call(None);
        pair.run(if arrived { Duration::from_millis(150) } else { Duration::from_millis(5) });
        pair.reset();
        pair.run(Duration::from_millis(150));
        assert_eq!(pair.count(A, "INVITE"), 2);
        let (server, b, _) = pair.called();
        assert!(pair.take(B).is_none(), "the second is known by its branch");
        pair.respond(B, server, 200, None);
        pair.settle();
        let Some(Event::Accepted { client: answered, dialog: a, .. }) = pair.take(A) else { panic!() };
        assert_eq!(answered, client);
        let now = pair.now;
        pair.ends[A].endpoint.ack(a, Headers::new(), None, now);
        pair.settle();
        pair.bye(B, b);
        pair.exhaust();
        pair.assert_empty();
    }
}

#[test]
fn an_invite_that_two_connections_failed_has_failed() {
    let mut pair = Pair::new(Link::tcp(), 1);
    let (a, client) = pair.call(None);
    for _ in 0..2 {
        pair.run(Duration::from_millis(5));
        pair.reset();
    }
    pair.run(Duration::from_millis(5));
    let Some(Event::Failed { client: failed, dialog, failure: sip::Failure::Transport(_) }) = pair.take(A) else {
        panic!("{:?}", pair.ends[A].sent)
    };
    assert_eq!((failed, dialog, pair.count(A, "INVITE")), (client, Some(a), 2));
}

#[test]
fn an_invite_that_comes_behind_its_own_answer_is_no_other_call() {
    // The call is up, over, or was refused when a copy comes over a connection that its sender gave up long ago.
    for (status, over) in [(200, false), (200, true), (486, false)] {
        let mut pair = Pair::new(Link::tcp(), 1);
        let (_, _) = pair.call(None);
        pair.settle();
        let (server, b, invite) = pair.called();
        pair.respond(B, server, status, None);
        pair.settle();
        if let Some(Event::Accepted { dialog, .. }) = pair.take(A) {
            let now = pair.now;
            pair.ends[A].endpoint.ack(dialog, Headers::new(), None, now);
            pair.settle();
        }
        if over {
            pair.bye(B, b);
        }
        pair.settle();
        while pair.take(B).is_some() {}
        let late = pair.flow(B, 77);
        let (now, sent) = (pair.now, pair.ends[B].sent.len());
        pair.ends[B].endpoint.receive(late, invite.clone(), now);
        pair.drain(B);
        assert!(pair.take(B).is_none(), "{status}: nobody is called twice");
        assert_eq!(pair.ends[B].sent.len(), sent, "nor answered twice");
        // After 64·T1 nothing of it can be under way.
        let much_later = now + Duration::from_secs(40);
        pair.ends[B].endpoint.receive(late, invite, much_later);
        pair.drain(B);
        assert!(matches!(pair.take(B), Some(Event::Request { .. })), "{status}");
    }
}
