//! Too much at once: what is refused early and without state, what keeps its room, and how neighbours speak of it
//! (design, section 3; RFC 7339).

use std::time::Duration;

use sip::endpoint::Cause;
use sip::{Event, Failure, Hop, Name, Rate, Status, Transport};

use crate::desk::{Desk, TO, request, to_tagged};
use crate::pair::{A, B, Link, Pair};

fn via(n: usize, more: &str) -> String {
    format!("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKn{n}{more}")
}

/// `n` different OPTIONS, all left unanswered; how many were refused, by cause.
fn flood(desk: &mut Desk, n: std::ops::Range<usize>, more: &str) -> usize {
    let mut refused = 0;
    for n in n {
        let (events, sent) = desk.tell(&request(&format!("OPTIONS/{}", n + 1), &via(n, more), TO));
        assert_eq!(events.len() + sent.len(), 1, "taken or refused, never both");
        refused += sent.len();
    }
    refused
}

fn counted(desk: &Desk, cause: Cause) -> u64 {
    desk.endpoint.refusals().get(&cause).copied().unwrap_or_default()
}

#[test]
fn one_source_gets_its_rate_and_another_is_not_touched() {
    let mut desk = Desk::with(Transport::Udp, |config| config.rate = Some(Rate { per_second: 10, burst: 5 }));
    assert_eq!(flood(&mut desk, 0..20, ""), 15);
    assert_eq!(counted(&desk, Cause::Rate), 15);
    desk.flow.remote = "192.0.2.77:5060".parse().unwrap();
    assert_eq!(flood(&mut desk, 20..25, ""), 0);
    desk.flow.remote = "192.0.2.1:5060".parse().unwrap();
    desk.run(1);
    assert_eq!(flood(&mut desk, 30..40, ""), 5, "a second later it has its burst again");
}

#[test]
fn a_call_that_is_up_keeps_its_room_while_new_ones_are_refused() {
    let mut desk = Desk::with(Transport::Udp, |config| {
        config.max_transactions = 20;
        config.rate = Some(Rate { per_second: 1000, burst: 1000 });
    });
    let (events, _) = desk.tell(&request("INVITE", &via(0, ""), TO));
    let to = to_tagged(&desk.respond(&events, 200)[0].1);
    let refused = flood(&mut desk, 1..100, "");
    assert_eq!((refused, counted(&desk, Cause::Overload)), (80, 80));
    let before = desk.endpoint.transactions();
    assert!(matches!(desk.tell(&request("ACK", &via(200, ""), &to)).0[..], [Event::Acked { .. }]));
    let (events, _) = desk.tell(&request("INFO/2", &via(201, ""), &to));
    assert_eq!(desk.respond(&events, 200)[0].1.status(), Some(Status(200)));
    let (events, _) = desk.tell(&request("BYE/3", &via(202, ""), &to));
    assert_eq!(desk.respond(&events, 200)[0].1.status(), Some(Status(200)));
    assert_eq!(desk.endpoint.transactions(), before + 2, "none of the refused ones is remembered");
}

#[test]
fn who_speaks_overload_control_is_told_and_who_does_not_is_shed() {
    let full = |config: &mut sip::Config| {
        config.max_transactions = 100;
        config.overload_control = true;
    };
    let mut desk = Desk::with(Transport::Udp, full);
    let calm = desk.tell(&request("OPTIONS", &via(0, ";oc;oc-algo=\"loss\""), TO)).0;
    let told = |desk: &mut Desk, events: &[Event]| {
        let answer = desk.respond(events, 200).pop().unwrap().1;
        let via = answer.via().unwrap();
        via.params.iter().find(|(name, _)| name == "oc").unwrap().1.clone().unwrap()
    };
    assert_eq!(told(&mut desk, &calm), "0");
    // At 85 of 100 half is too much: a neighbour that knows is taken and told, one that does not loses about half.
    assert_eq!(flood(&mut desk, 1..85, ";oc;oc-algo=\"loss\""), 0);
    let busy = desk.tell(&request("OPTIONS/900", &via(900, ";oc"), TO)).0;
    assert_eq!(told(&mut desk, &busy), "50");
    let mut desk = Desk::with(Transport::Udp, full);
    flood(&mut desk, 0..85, ";oc");
    let refused = (0..10).map(|n| flood(&mut desk, 1000 + n..1001 + n, "")).sum::<usize>();
    assert!((1..10).contains(&refused), "{refused} of 10");
    assert_eq!(counted(&desk, Cause::Shed), refused as u64);
}

#[test]
fn we_keep_to_ourselves_what_a_neighbour_does_not_want() {
    let mut pair = Pair::with(Link::udp(), 5, |config| {
        config.overload_control = true;
        config.max_transactions = 10;
    });
    // All of B's room is taken, so its answers ask for nothing more.
    let mut failed = 0;
    for _ in 0..40 {
        pair.call(None);
        pair.settle();
        while let Some(event) = pair.take(A) {
            match event {
                Event::Failed { failure: Failure::Transport(why), .. } => {
                    assert!(why.contains("7339"), "{why}");
                    failed += 1;
                }
                Event::Final { response, .. } => assert_eq!(response.status(), Some(Status(503))),
                _ => {}
            }
        }
    }
    assert!(failed > 10, "{failed} of 40 calls were not even tried");
    let sent = pair.ends[A].sent.iter().filter(|line| line.starts_with("INVITE")).count();
    assert!(sent < 40, "{sent}");
    let asks = &pair.ends[A].messages[0];
    assert!(asks.header(&Name::Via).unwrap().ends_with(";oc;oc-algo=\"loss\""));
    // What was asked holds for half a second.
    pair.run(Duration::from_secs(2));
    while pair.take(B).is_some() {}
    let before = pair.ends[A].sent.iter().filter(|line| line.starts_with("INVITE")).count();
    let hop = Hop::Target(pair.target(B));
    pair.ends[A].endpoint.invite(crate::pair::invite(hop, None), pair.now);
    pair.drain(A);
    assert_eq!(pair.ends[A].sent.iter().filter(|line| line.starts_with("INVITE")).count(), before + 1);
}
