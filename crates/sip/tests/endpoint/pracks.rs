//! Provisional answers that arrive (RFC 3262), as both ends see them: a user says 180 and hears 180, the rest is below.

use std::time::Duration;

use sip::{Body, Event, Hop, Message, Method, Name, ServerId, Status, Transport};

use crate::desk::{Desk, TO, VIA, request, to_tagged};
use crate::pair::{A, B, Link, Pair, invite};

/// A has called and requires that B's provisional answers arrive.
fn calling(link: Link, seed: u64, offer: bool) -> (Pair, ServerId, sip::DialogId) {
    let mut pair = Pair::with(link, seed, |config| config.reliable = true);
    let mut call = invite(Hop::Target(pair.target(B)), offer.then(|| Body::sdp("offer")));
    call.headers.push((Name::Require, "100rel".into()));
    let now = pair.now;
    let (dialog, _) = pair.ends[A].endpoint.invite(call, now);
    let target = pair.target(B);
    pair.ends[A].endpoint.set_target(dialog, target);
    pair.drain(A);
    pair.settle();
    let (server, ..) = pair.called();
    (pair, server, dialog)
}

fn sent(pair: &Pair, at: usize, start: &str) -> usize {
    pair.ends[at].sent.iter().filter(|line| line.starts_with(start)).count()
}

fn progress(pair: &mut Pair) -> Vec<u16> {
    let mut heard = Vec::new();
    while let Some(event) = pair.take(A) {
        match event {
            Event::Provisional { response, .. } => heard.push(response.status().unwrap().0),
            Event::Accepted { response, .. } => heard.push(response.status().unwrap().0),
            other => panic!("{other:?}"),
        }
    }
    heard
}

#[test]
fn each_arrives_once_and_in_order_and_the_2xx_after_them() {
    let (mut pair, server, dialog) = calling(Link::udp(), 1, true);
    pair.respond(B, server, 180, None);
    pair.respond(B, server, 183, Some(Body::sdp("answer")));
    pair.respond(B, server, 200, None);
    assert_eq!((sent(&pair, B, "SIP/2.0 183"), sent(&pair, B, "SIP/2.0 200")), (0, 0), "one at a time");
    pair.settle();
    assert_eq!(progress(&mut pair), [180, 183, 200]);
    assert_eq!(sent(&pair, A, "PRACK"), 2);
    let racks: Vec<&str> =
        pair.ends[A].messages.iter().filter(|m| m.is(&Method::Prack)).filter_map(|m| m.header(&Name::RAck)).collect();
    assert_eq!(racks, ["1 1 INVITE", "2 1 INVITE"]);
    let now = pair.now;
    pair.ends[A].endpoint.ack(dialog, Vec::new(), None, now);
    pair.settle();
    assert!(matches!(pair.take(B), Some(Event::Acked { .. })), "and of the PRACKs nothing is told");
    pair.run(Duration::from_secs(40));
    assert_eq!(sent(&pair, B, "SIP/2.0 18"), 2, "none was sent again");
    pair.bye(A, dialog);
    pair.exhaust();
    pair.assert_empty();
}

#[test]
fn what_is_lost_comes_again_until_it_is_acknowledged() {
    for seed in 0..30 {
        let delay = (Duration::from_millis(5), Duration::from_millis(600));
        let (mut pair, server, _) = calling(Link { loss: 0, ..Link::udp() }, seed, true);
        pair.link = Link { loss: 300, twice: 200, delay, snapshot: 200, ..Link::udp() };
        pair.respond(B, server, 180, None);
        pair.respond(B, server, 183, Some(Body::sdp("answer")));
        pair.respond(B, server, 200, None);
        pair.run(Duration::from_secs(30));
        let heard: Vec<u16> = {
            let mut heard = Vec::new();
            while let Some(event) = pair.take(A) {
                match event {
                    Event::Provisional { response, .. } | Event::Accepted { response, .. } => {
                        heard.push(response.status().unwrap().0);
                    }
                    Event::Failed { .. } | Event::Final { .. } | Event::Expired { .. } => heard.push(0),
                    other => panic!("{other:?}"),
                }
            }
            heard
        };
        assert!([180, 183, 200].starts_with(&heard) || heard.ends_with(&[0]), "seed {seed}: {heard:?}");
        assert!(heard.len() >= 2, "seed {seed}: {heard:?}");
    }
}

#[test]
fn one_that_is_never_acknowledged_ends_the_call() {
    let (mut pair, server, _) = calling(Link::udp(), 1, true);
    pair.censor = |from, line| from == A && line.starts_with("PRACK");
    pair.respond(B, server, 180, None);
    pair.run(Duration::from_secs(31));
    assert_eq!(sent(&pair, B, "SIP/2.0 180"), 6, "at 0, 0.5, 1.5, 3.5, 7.5, 15.5: T2 is no bound here");
    pair.run(Duration::from_secs(2));
    assert_eq!(sent(&pair, B, "SIP/2.0 504"), 1);
    assert!(matches!(pair.take(B), Some(Event::Expired { why, .. }) if why.contains("3262")));
    assert_eq!(pair.ends[B].endpoint.dialogs(), 0);
}

#[test]
fn an_offer_in_a_provisional_answer_is_answered_by_the_user_in_its_prack() {
    let (mut pair, server, dialog) = calling(Link::tcp(), 1, false);
    pair.respond(B, server, 183, Some(Body::sdp("offer")));
    pair.settle();
    assert_eq!((progress(&mut pair), sent(&pair, A, "PRACK")), (vec![183], 0));
    let now = pair.now;
    pair.ends[A].endpoint.prack(dialog, Body::sdp("answer"), now);
    pair.drain(A);
    pair.settle();
    let Some(Event::InDialog { server: prack, request, .. }) = pair.take(B) else { panic!("B hears the answer") };
    assert_eq!((request.method(), request.sdp().unwrap()), (Method::Prack, bytes::Bytes::from("answer")));
    pair.respond(B, prack, 200, None);
    pair.respond(B, server, 200, None);
    pair.settle();
    assert_eq!(progress(&mut pair), [200]);
}

fn reliable() -> (Desk, String) {
    let mut desk = Desk::with(Transport::Udp, |config| config.reliable = true);
    let (events, _) = desk.tell(&request("INVITE", VIA, &format!("{TO}\nRequire: 100rel")));
    let ringing = desk.respond(&events, 180).pop().unwrap().1;
    assert_eq!((ringing.header(&Name::Require), ringing.header(&Name::RSeq)), (Some("100rel"), Some("1")));
    let to = to_tagged(&ringing);
    (desk, to)
}

#[test]
fn a_prack_of_nothing_is_481_and_does_not_stop_the_answer() {
    let (mut desk, to) = reliable();
    for (n, rack) in ["2 1 INVITE", "1 2 INVITE", "1 1 OPTIONS"].iter().enumerate() {
        let text = request(&format!("PRACK/{}", n + 2), &format!("{VIA}p{n}"), &format!("{to}\nRAck: {rack}"));
        assert_eq!(desk.status(&text), 481, "{rack}");
    }
    assert_eq!(desk.run(1).1.len(), 1, "180 again");
    assert_eq!(desk.status(&request("PRACK/9", &format!("{VIA}p9"), &format!("{to}\nRAck: 1 1 INVITE"))), 200);
    assert!(desk.run(20).1.is_empty());
}

#[test]
fn a_cancel_ends_the_repetition() {
    let (mut desk, _) = reliable();
    desk.tell(&request("CANCEL", VIA, TO));
    let (_, sent) = desk.run(5);
    let ringing = |message: &Message| message.status() == Some(Status(180));
    assert!(!sent.iter().any(|(_, message)| ringing(message)), "487 only");
}

#[test]
fn where_it_is_not_asked_for_nothing_changes() {
    let mut desk = Desk::with(Transport::Udp, |config| config.reliable = true);
    let (events, _) = desk.tell(&request("INVITE", VIA, &format!("{TO}\nSupported: 100rel")));
    let ringing = desk.respond(&events, 180).pop().unwrap().1;
    assert_eq!(ringing.header(&Name::RSeq), None);
    let mut without = Desk::new(Transport::Udp);
    assert_eq!(without.status(&request("INVITE", VIA, &format!("{TO}\nRequire: 100rel"))), 420);
}
