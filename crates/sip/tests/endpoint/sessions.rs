//! Session timers (RFC 4028) on both sides.

use std::time::Duration;

use sip::{Body, Event, Headers, Method, Name, Status};

use crate::pair::{A, B, Link, Pair};

fn brief(config: &mut sip::Config) {
    config.session_expires = Duration::from_secs(90);
}

#[test]
fn the_caller_refreshes_by_update_and_the_call_lasts() {
    let mut pair = Pair::with(Link::tcp(), 1, brief);
    let (a, b) = pair.established();
    let answer = pair.last(B, "SIP/2.0 200");
    assert_eq!(answer.header(&Name::SessionExpires), Some("90;refresher=uac"));
    assert!(answer.has_token(&Name::Require, "timer"));
    for refreshes in 1..=5 {
        pair.run(Duration::from_secs(45));
        assert_eq!(pair.count(A, "UPDATE"), refreshes);
        let Some(Event::InDialog { server, request, .. }) = pair.take(B) else { panic!() };
        assert_eq!((request.method(), request.body()), (Method::Update, None));
        assert_eq!(request.header(&Name::SessionExpires), Some("90;refresher=uac"));
        pair.respond(B, server, 200, None);
        pair.settle();
    }
    assert!(pair.take(A).is_none(), "refreshes are not seen above");
    assert!(pair.ends[A].endpoint.is_confirmed(a) && pair.ends[B].endpoint.is_confirmed(b));
    pair.bye(B, b);
    pair.exhaust();
    pair.assert_empty();
}

#[test]
fn a_peer_without_update_is_refreshed_by_the_user() {
    let mut pair = Pair::with(Link::tcp(), 1, brief);
    let (a, _) = pair.call(None);
    pair.settle();
    let (server, ..) = pair.called();
    let now = pair.now;
    let allow = vec![(Name::Allow, "INVITE, ACK, BYE".into())];
    pair.ends[B].endpoint.respond(server, Status(200), allow, None, now);
    pair.settle();
    pair.take(A);
    let now = pair.now;
    pair.ends[A].endpoint.ack(a, Headers::new(), None, now);
    pair.settle();
    pair.take(B);
    pair.run(Duration::from_secs(46));
    assert!(matches!(pair.take(A), Some(Event::RefreshDue { dialog }) if dialog == a));
    let now = pair.now;
    pair.ends[A].endpoint.reinvite(a, Headers::new(), Some(Body::sdp("same")), now);
    pair.settle();
    let Some(Event::InDialog { server, request, .. }) = pair.take(B) else { panic!() };
    assert_eq!(request.header(&Name::SessionExpires), Some("90;refresher=uac"));
    pair.respond(B, server, 200, None);
    pair.settle();
    pair.take(A);
    let now = pair.now;
    pair.ends[A].endpoint.ack(a, Headers::new(), None, now);
    pair.run(Duration::from_secs(50));
    assert!(pair.ends[A].endpoint.is_confirmed(a), "the re-INVITE started it over");
}

#[test]
fn a_session_nobody_refreshes_ends_on_both_sides() {
    let mut pair = Pair::with(Link::udp(), 1, brief);
    let (a, b) = pair.established();
    pair.censor = |_, _| true;
    pair.run(Duration::from_secs(59));
    assert!(pair.take(B).is_none());
    pair.run(Duration::from_secs(20));
    assert!(matches!(pair.take(B), Some(Event::Expired { dialog, .. }) if dialog == b));
    assert!(pair.last(B, "BYE").header(&Name::Reason).unwrap().contains("session timer"));
    assert!(matches!(pair.take(A), Some(Event::Expired { dialog, .. }) if dialog == a), "its UPDATE was not answered");
    assert!(pair.take(A).is_none() && pair.take(B).is_none());
    pair.exhaust();
    pair.assert_empty();
}

#[test]
fn too_small_an_interval_is_asked_for_once_more() {
    let mut pair = Pair::with(Link::udp(), 1, brief);
    let now = pair.now;
    let mut config = pair.ends[B].endpoint.config().clone();
    config.min_se = Duration::from_secs(300);
    pair.ends[B].endpoint = sip::Endpoint::new([9; 32], config, now);
    let (a, client) = pair.call(Some(Body::sdp("offer")));
    pair.settle();
    assert_eq!(pair.last(B, "SIP/2.0 422").header(&Name::MinSe), Some("300"));
    let (server, _, request) = pair.called();
    assert_eq!(request.header(&Name::SessionExpires), Some("300"));
    assert_eq!(request.header(&Name::MinSe), Some("300"));
    assert_eq!(request.cseq().unwrap().0, 2);
    assert_eq!(request.body().unwrap().bytes, "offer");
    assert!(pair.take(A).is_none(), "the user does not see the 422");
    pair.respond(B, server, 200, None);
    pair.settle();
    assert!(matches!(pair.take(A), Some(Event::Accepted { client: c, dialog, .. }) if (c, dialog) == (client, a)));
    let now = pair.now;
    pair.ends[A].endpoint.ack(a, Headers::new(), None, now);
    pair.settle();
    assert!(matches!(pair.take(B), Some(Event::Acked { .. })));
    pair.bye(A, a);
    pair.exhaust();
    pair.assert_empty();
}

#[test]
fn without_session_timers_there_are_none() {
    let mut pair = Pair::with(Link::tcp(), 1, |config| config.session_expires = Duration::ZERO);
    let (a, _) = pair.established();
    assert_eq!(pair.last(A, "INVITE").header(&Name::SessionExpires), None);
    assert_eq!(pair.last(B, "SIP/2.0 200").header(&Name::SessionExpires), None);
    pair.run(Duration::from_secs(100_000));
    assert!(pair.ends[A].endpoint.is_confirmed(a));
}
