//! CANCEL and its races (RFC 3261 §9), the end of calls that were never answered, forks (§13.2.2.4).

use std::time::Duration;

use bytes::Bytes;
use sip::{Body, Event, Failure, Headers, Message, Method, Name, Status};

use crate::pair::{A, B, Link, Pair};

fn both() -> [Link; 2] {
    [Link::udp(), Link::tcp()]
}

#[test]
fn a_ringing_call_is_cancelled() {
    for link in both() {
        let mut pair = Pair::new(link, 1);
        let (a, client) = pair.call(None);
        pair.settle();
        let (server, b, _) = pair.called();
        pair.respond(B, server, 180, None);
        pair.settle();
        pair.take(A);
        let now = pair.now;
        let reason = vec![(Name::Reason, "Q.850;cause=16".into())];
        pair.ends[A].endpoint.cancel(a, reason, now);
        pair.settle();
        assert_eq!(pair.last(A, "CANCEL").header(&Name::Reason), Some("Q.850;cause=16"));
        let Some(Event::Cancelled { server: s, dialog, request }) = pair.take(B) else { panic!() };
        assert_eq!((s, dialog, request.method()), (server, b, Method::Invite));
        let Some(Event::Final { client: c, response, .. }) = pair.take(A) else { panic!() };
        assert_eq!((c, response.status()), (client, Some(Status(487))));
        pair.respond(B, server, 200, None);
        pair.exhaust();
        assert_eq!(pair.count(B, "SIP/2.0 200"), 1, "that of the CANCEL: a second final answer is ignored");
        pair.assert_empty();
        assert!(pair.take(A).is_none() && pair.take(B).is_none());
    }
}

#[test]
fn cancel_waits_for_a_provisional_answer() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, _) = pair.call(None);
    let now = pair.now;
    pair.ends[A].endpoint.cancel(a, Headers::new(), now);
    pair.settle();
    assert_eq!(pair.count(A, "CANCEL"), 0);
    pair.run(Duration::from_millis(300));
    assert_eq!(pair.count(A, "CANCEL"), 1, "100 Trying lets it go");
    pair.exhaust();
    pair.assert_empty();
}

#[test]
fn a_2xx_that_crosses_a_cancel_is_acknowledged_and_ended() {
    for (link, by_end) in both().into_iter().flat_map(|link| [(link, false), (link, true)]) {
        let mut pair = Pair::new(link, 1);
        let (a, client) = pair.call(Some(Body::sdp("offer")));
        pair.settle();
        let (server, _, _) = pair.called();
        pair.respond(B, server, 180, None);
        pair.settle();
        pair.take(A);
        pair.respond(B, server, 200, Some(Body::sdp("answer")));
        let now = pair.now;
        match by_end {
            true => pair.ends[A].endpoint.end(a, Headers::new(), now),
            false => pair.ends[A].endpoint.cancel(a, Headers::new(), now),
        }
        pair.settle();
        assert_eq!((pair.count(A, "CANCEL"), pair.count(A, "ACK"), pair.count(A, "BYE")), (1, 1, 1));
        assert!(matches!(pair.take(B), Some(Event::Acked { .. })));
        let Some(Event::InDialog { server, request, .. }) = pair.take(B) else { panic!() };
        assert_eq!(request.method(), Method::Bye);
        pair.respond(B, server, 200, None);
        if !by_end {
            let Some(Event::Failed { client: c, failure, .. }) = pair.take(A) else { panic!() };
            assert_eq!((c, failure), (client, Failure::Cancelled));
        }
        pair.exhaust();
        pair.assert_empty();
        assert!(pair.take(A).is_none() && pair.take(B).is_none());
    }
}

#[test]
fn a_peer_that_falls_silent_after_cancel_is_given_up() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, client) = pair.call(None);
    pair.settle();
    let (server, ..) = pair.called();
    pair.respond(B, server, 180, None);
    pair.settle();
    pair.take(A);
    pair.censor = |from, _| from == B;
    let now = pair.now;
    pair.ends[A].endpoint.cancel(a, Headers::new(), now);
    pair.exhaust();
    let Some(Event::Failed { client: c, failure, .. }) = pair.take(A) else { panic!() };
    assert_eq!((c, failure), (client, Failure::Cancelled));
    pair.assert_empty();
}

#[test]
fn it_rings_no_longer_than_configured() {
    let mut pair = Pair::with(Link::tcp(), 1, |config| config.ring = Duration::from_secs(20));
    let (_, client) = pair.call(None);
    pair.settle();
    let (server, ..) = pair.called();
    pair.respond(B, server, 180, None);
    pair.settle();
    pair.take(A);
    pair.run(Duration::from_secs(19));
    assert_eq!(pair.count(A, "CANCEL"), 0);
    pair.run(Duration::from_secs(2));
    assert!(matches!(pair.take(B), Some(Event::Cancelled { .. })));
    assert!(matches!(pair.take(A), Some(Event::Final { client: c, .. }) if c == client));
    pair.exhaust();
    pair.assert_empty();
}

#[test]
fn end_before_an_answer_is_487_on_one_side_and_cancel_on_the_other() {
    let mut pair = Pair::new(Link::udp(), 1);
    pair.call(None);
    pair.settle();
    let (_, b, _) = pair.called();
    let now = pair.now;
    pair.ends[B].endpoint.end(b, Headers::new(), now);
    pair.ends[B].endpoint.end(b, Headers::new(), now);
    pair.settle();
    let Some(Event::Final { response, .. }) = pair.take(A) else { panic!() };
    assert_eq!(response.status(), Some(Status(487)));
    let (a, _) = pair.call(None);
    pair.settle();
    let (server, ..) = pair.called();
    pair.respond(B, server, 180, None);
    pair.settle();
    pair.take(A);
    let now = pair.now;
    pair.ends[A].endpoint.end(a, Headers::new(), now);
    assert_eq!(pair.ends[A].endpoint.dialogs(), 0);
    pair.settle();
    assert!(matches!(pair.take(B), Some(Event::Cancelled { .. })));
    pair.exhaust();
    pair.assert_empty();
    assert!(pair.take(A).is_none() && pair.take(B).is_none());
}

#[test]
fn bye_waits_for_the_ack_of_our_2xx() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, _) = pair.call(None);
    pair.settle();
    let (server, b, _) = pair.called();
    pair.respond(B, server, 200, None);
    let now = pair.now;
    pair.ends[B].endpoint.end(b, Headers::new(), now);
    pair.settle();
    assert_eq!(pair.count(B, "BYE"), 0);
    assert!(matches!(pair.take(A), Some(Event::Accepted { .. })));
    let now = pair.now;
    pair.ends[A].endpoint.ack(a, Headers::new(), None, now);
    pair.settle();
    let Some(Event::InDialog { server, .. }) = pair.take(A) else { panic!() };
    pair.respond(A, server, 200, None);
    pair.exhaust();
    assert_eq!(pair.count(B, "BYE"), 1);
    pair.assert_empty();
    assert!(pair.take(B).is_none(), "after `end` nothing is reported");
}

#[test]
fn a_2xx_that_is_never_acknowledged_ends_the_dialog() {
    let mut pair = Pair::new(Link::tcp(), 1);
    pair.call(None);
    pair.settle();
    let (server, b, _) = pair.called();
    pair.respond(B, server, 200, None);
    pair.settle();
    assert!(matches!(pair.take(A), Some(Event::Accepted { .. })));
    pair.run(Duration::from_secs(31));
    assert_eq!(pair.count(B, "SIP/2.0 200"), 10, "0, 0.5, 1.5, 3.5, 7.5, then each 4 s to 27.5");
    pair.run(Duration::from_secs(2));
    assert!(matches!(pair.take(B), Some(Event::NotAcked { dialog }) if dialog == b));
    assert_eq!(pair.count(B, "BYE"), 1);
    assert!(pair.take(A).is_some_and(|event| matches!(event, Event::InDialog { .. })), "one Accepted, then the BYE");
}

#[test]
fn a_lost_ack_is_sent_again_for_each_repeated_2xx() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, _) = pair.call(None);
    pair.settle();
    let (server, ..) = pair.called();
    pair.respond(B, server, 200, None);
    pair.settle();
    pair.take(A);
    pair.censor = |from, line| from == A && line.starts_with("ACK");
    let now = pair.now;
    pair.ends[A].endpoint.ack(a, Headers::new(), Some(Body::sdp("answer")), now);
    pair.run(Duration::from_secs(5));
    assert!(pair.count(A, "ACK") >= 3);
    pair.censor = |_, _| false;
    pair.run(Duration::from_secs(5));
    assert!(matches!(pair.take(B), Some(Event::Acked { .. })));
    let acks = pair.count(A, "ACK");
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.count(A, "ACK"), acks);
    assert!(pair.take(A).is_none());
}

#[test]
fn a_ringing_call_whose_stream_ends_fails_and_stops_ringing() {
    let mut pair = Pair::new(Link::tcp(), 1);
    let (_, client) = pair.call(None);
    pair.settle();
    let (server, ..) = pair.called();
    pair.respond(B, server, 180, None);
    pair.settle();
    pair.take(A);
    pair.reset();
    pair.settle();
    assert!(
        matches!(pair.take(A), Some(Event::Failed { client: c, failure: Failure::Transport(_), .. }) if c == client)
    );
    assert!(matches!(pair.take(B), Some(Event::Cancelled { .. })), "told over a new connection");
    assert_eq!(pair.ends[A].endpoint.dialogs() + pair.ends[B].endpoint.dialogs(), 0);
    pair.exhaust();
    pair.assert_empty();
    assert!(pair.take(A).is_none() && pair.take(B).is_none());
}

#[test]
fn a_call_whose_streams_end_before_it_is_heard_to_ring_is_cancelled_when_it_is() {
    let mut pair = Pair::new(Link::tcp(), 1);
    let (_, client) = pair.call(None);
    pair.run(Duration::from_millis(15)); // there, and not answered
    let (server, ..) = pair.called();
    pair.reset();
    pair.run(Duration::from_millis(5)); // on its way again
    pair.reset();
    pair.settle();
    let failed = pair.take(A);
    assert!(matches!(failed, Some(Event::Failed { client: c, failure: Failure::Transport(_), .. }) if c == client));
    assert_eq!(pair.count(A, "CANCEL"), 0, "not before a provisional answer (RFC 3261 §9.1)");
    pair.respond(B, server, 180, None);
    pair.settle();
    assert!(matches!(pair.take(B), Some(Event::Cancelled { .. })), "nobody's phone rings on");
    pair.exhaust();
    pair.assert_empty();
    assert!(pair.take(A).is_none() && pair.take(B).is_none());
}

/// The same answer as if another phone behind a forking proxy had given it.
fn forked(answer: &Message, tag: &str) -> Message {
    let text = String::from_utf8(answer.bytes().to_vec()).unwrap();
    let ours = answer.to_tag().unwrap();
    Message::parse(Bytes::from(text.replace(ours, tag))).unwrap()
}

#[test]
fn a_second_fork_that_answers_is_acknowledged_and_ended() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, _) = pair.established();
    let fork = forked(pair.last(B, "SIP/2.0 200"), "fork2");
    let (flow, now) = (pair.flow(A, 1), pair.now);
    pair.censor = |from, _| from == A;
    for _ in 0..3 {
        pair.ends[A].endpoint.receive(flow, fork.clone(), now);
    }
    pair.drain(A);
    assert_eq!((pair.count(A, "ACK"), pair.count(A, "BYE")), (1 + 3, 1));
    assert_eq!(pair.last(A, "BYE").to_tag(), Some("fork2"));
    assert_eq!(pair.last(A, "ACK").to_tag(), Some("fork2"));
    assert!(pair.ends[A].endpoint.is_confirmed(a) && pair.take(A).is_none());
}
