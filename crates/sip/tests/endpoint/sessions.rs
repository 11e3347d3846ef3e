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

#[test]
fn the_callee_refreshes_when_it_is_asked_to() {
    let mut desk = Desk::new();
    let to = desk.called("Supported: timer\nAllow: UPDATE, BYE\nSession-Expires: 90;refresher=uas");
    let (_, sent) = desk.run(46);
    let update = sent.iter().find(|message| message.is(&Method::Update)).expect("a refresh at half time");
    assert_eq!(update.header(&Name::SessionExpires), Some("90;refresher=uac"));
    assert!(update.header(&Name::Contact).is_some());
    desk.answer(update, "405 Method Not Allowed", "");
    let (events, _) = desk.run(0);
    assert!(matches!(events[..], [Event::RefreshDue { .. }]), "then the user has to");
    desk.tell(&format!("BYE/2 {to}"), "");
}

#[test]
fn a_refresh_that_asks_for_too_little_asks_again() {
    let mut desk = Desk::new();
    desk.called("Supported: timer\nAllow: UPDATE, BYE\nSession-Expires: 90;refresher=uas");
    let (_, sent) = desk.run(46);
    let update = sent.iter().find(|message| message.is(&Method::Update)).unwrap().clone();
    let sent = desk.answer(&update, "422 Session Interval Too Small", "Min-SE: 200\n");
    let again = sent.iter().find(|message| message.is(&Method::Update)).expect("asked again");
    assert_eq!(again.header(&Name::SessionExpires), Some("200;refresher=uac"));
    assert_eq!(again.header(&Name::MinSe), Some("200"));
    desk.answer(&again.clone(), "200 OK", "Session-Expires: 200;refresher=uac\n");
    let (events, sent) = desk.run(99);
    assert!(events.is_empty() && sent.is_empty());
    let (_, sent) = desk.run(2);
    assert!(sent.iter().any(|message| message.is(&Method::Update)), "each 100 s from now on");
}

#[test]
fn a_proxy_may_ask_for_a_timer_of_a_caller_that_has_none() {
    let mut desk = Desk::new();
    desk.called("Session-Expires: 1800");
    let ok = desk.ok.clone().unwrap();
    assert_eq!(ok.header(&Name::SessionExpires), Some("1800;refresher=uas"));
    assert!(!ok.has_token(&Name::Require, "timer"));
    let (events, _) = desk.run(901);
    assert!(matches!(events[..], [Event::RefreshDue { .. }]), "no Allow, no UPDATE");
}

/// One endpoint, and a caller who writes by hand.
struct Desk {
    endpoint: sip::Endpoint,
    flow: sip::Flow,
    now: Duration,
    ok: Option<sip::Message>,
    /// Reported while an answer was taken in.
    unread: Vec<Event>,
}

impl Desk {
    fn new() -> Desk {
        let transport = sip::Transport::Tcp;
        let [local, remote] = ["192.0.2.2:5060", "192.0.2.1:5060"].map(|addr| addr.parse().unwrap());
        let config = sip::Config { local: vec![(transport, local)], ..sip::Config::default() };
        let flow = sip::Flow { id: sip::FlowId(3), transport, local, remote };
        let endpoint = sip::Endpoint::new([5; 32], config, Duration::ZERO);
        Desk { endpoint, flow, now: Duration::ZERO, ok: None, unread: Vec::new() }
    }

    fn drain(&mut self) -> (Vec<Event>, Vec<sip::Message>) {
        let (mut events, mut sent) = (Vec::new(), Vec::new());
        while let Some(output) = self.endpoint.poll() {
            match output {
                sip::Output::Event(event) => events.push(event),
                sip::Output::Send { bytes, .. } => sent.push(sip::Message::parse(bytes).unwrap()),
            }
        }
        (events, sent)
    }

    fn receive(&mut self, text: String) -> (Vec<Event>, Vec<sip::Message>) {
        let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        self.endpoint.receive(self.flow, sip::Message::parse(text.into_bytes().into()).unwrap(), self.now);
        self.drain()
    }

    /// `METHOD/cseq to`.
    fn tell(&mut self, what: &str, more: &str) -> (Vec<Event>, Vec<sip::Message>) {
        let (method, to) = what.split_once(' ').unwrap();
        let (method, cseq) = method.split_once('/').unwrap();
        self.receive(format!(
            "{method} sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{method}{cseq}\n\
             From: <sip:alice@192.0.2.1>;tag=a\nTo: {to}\nCall-ID: c\nCSeq: {cseq} {method}\n\
             Contact: <sip:alice@192.0.2.1;transport=tcp>\n{more}\n\n"
        ))
    }

    /// An answered call; its To with tag.
    fn called(&mut self, more: &str) -> String {
        let (events, _) = self.tell("INVITE/1 <sip:bob@192.0.2.2>", more);
        let [Event::Request { server, .. }] = events[..] else { panic!("{events:?}") };
        self.endpoint.respond(server, Status(200), Headers::new(), None, self.now);
        let (_, sent) = self.drain();
        let to = sent[0].header(&Name::To).unwrap().to_owned();
        self.ok = sent.into_iter().next();
        self.tell(&format!("ACK/1 {to}"), "Max-Forwards: 70");
        to
    }

    fn answer(&mut self, request: &sip::Message, status: &str, more: &str) -> Vec<sip::Message> {
        let field = |name: Name| format!("{name}: {}\n", request.header(&name).unwrap());
        let fields: String = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq].map(field).concat();
        let text = format!("SIP/2.0 {status}\n{fields}Contact: <sip:alice@192.0.2.1;transport=tcp>\n{more}\n");
        let (events, sent) = self.receive(text);
        self.unread.extend(events);
        sent
    }

    fn run(&mut self, seconds: u64) -> (Vec<Event>, Vec<sip::Message>) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.endpoint.deadline().filter(|at| *at <= until) {
            self.now = at;
            self.endpoint.tick(at);
        }
        self.now = until;
        let (events, sent) = self.drain();
        (self.unread.drain(..).chain(events).collect(), sent)
    }
}

/// A process that was killed between the answer to its re-INVITE and its ACK: the next one acknowledges, and its own
/// re-INVITE is not refused for half a minute (RFC 3261 §14.2).
#[test]
fn an_answer_that_an_earlier_process_asked_for_is_acknowledged() {
    let mut pair = Pair::new(Link::udp(), 1);
    let (a, _) = pair.established();
    let kept = pair.ends[A].endpoint.carry_out(a).unwrap();
    let now = pair.now;
    pair.ends[A].endpoint.reinvite(a, Headers::new(), Some(Body::sdp("of the earlier process")), now);
    pair.settle();
    let Some(Event::InDialog { server, .. }) = pair.take(B) else { panic!("a re-INVITE") };

    std::mem::swap(&mut pair.ends[A].endpoint, &mut Pair::new(Link::udp(), 2).ends[A].endpoint);
    let target = pair.target(B);
    let a = pair.ends[A].endpoint.carry_in(kept, now);
    pair.ends[A].endpoint.set_target(a, target);
    let acks = pair.count(A, "ACK");
    pair.respond(B, server, 200, Some(Body::sdp("of the peer")));
    pair.settle();
    assert_eq!(pair.count(A, "ACK"), acks + 1);
    assert!(matches!(pair.take(B), Some(Event::Acked { .. })));
    assert!(pair.take(A).is_none(), "whose exchange it was is no more");

    let now = pair.now;
    pair.ends[A].endpoint.reinvite(a, Headers::new(), Some(Body::sdp("anew")), now);
    pair.settle();
    assert!(matches!(pair.take(B), Some(Event::InDialog { .. })));
    assert_eq!(pair.count(B, "SIP/2.0 491"), 0);
}
