//! Replaces (RFC 3891 §3) and Join (RFC 3911 §4): which dialog an INVITE means, and what it is answered when none.

use sip::endpoint::Takeover;
use sip::{DialogId, Headers, Message, Name, Status};

use crate::desk::{TO, VIA, request};
use crate::pair::{A, B, Link, Pair};

fn invite(header: &str) -> Message {
    let text = request("INVITE", VIA, &format!("{TO}\n{header}"));
    let text = text.lines().map(|line| format!("{}\r\n", line.trim())).collect::<String>();
    Message::parse(bytes::Bytes::from(format!("{text}\r\n"))).unwrap()
}

/// Call-ID and tags of the call that A has placed, as A's INVITE and B's answers have them: (call, of A, of B).
fn names(pair: &Pair) -> (String, String, String) {
    let answer = pair.ends[B].messages.iter().rev().find(|m| m.to_tag().is_some()).unwrap();
    (answer.call_id().to_owned(), answer.from_tag().unwrap().to_owned(), answer.to_tag().unwrap().to_owned())
}

fn asked(pair: &Pair, at: usize, header: &str) -> Result<Option<Takeover>, Status> {
    pair.ends[at].endpoint.takeover(&invite(header))
}

#[test]
fn a_call_that_is_up_can_be_replaced_and_joined_at_both_ends() {
    let mut pair = Pair::new(Link::tcp(), 1);
    let (a, b) = pair.established();
    let (call, of_a, of_b) = names(&pair);
    let check = |at: usize, dialog: DialogId, ours: &str, theirs: &str| {
        let names = format!("{call};to-tag={ours};from-tag={theirs}");
        assert_eq!(asked(&pair, at, &format!("Replaces: {names}")), Ok(Some(Takeover::Replace(dialog))));
        assert_eq!(asked(&pair, at, &format!("Join: {names}")), Ok(Some(Takeover::Join(dialog))));
        assert_eq!(asked(&pair, at, &format!("Replaces: {names};early-only")), Err(Status(486)));
    };
    check(A, a, &of_a, &of_b);
    check(B, b, &of_b, &of_a);
    // Tags the wrong way round, another call, other tags.
    for names in [
        format!("{call};to-tag={of_b};from-tag={of_a}"),
        format!("x{call};to-tag={of_a};from-tag={of_b}"),
        format!("{call};to-tag={of_a};from-tag=0"),
        format!("{call};to-tag=0;from-tag=0"),
    ] {
        assert_eq!(asked(&pair, A, &format!("Replaces: {names}")), Err(Status(481)), "{names}");
        assert_eq!(asked(&pair, A, &format!("Join: {names}")), Err(Status(481)), "{names}");
    }
    let both = format!("Replaces: {call};to-tag={of_a};from-tag={of_b}\nJoin: {call};to-tag={of_a};from-tag={of_b}");
    assert_eq!(asked(&pair, A, &both), Err(Status(400)));
    assert_eq!(asked(&pair, A, &format!("Replaces: {call}")), Err(Status(400)));
    assert_eq!(asked(&pair, A, "Subject: neither"), Ok(None));
}

#[test]
fn a_call_that_rings_can_be_replaced_only_where_it_was_placed() {
    let mut pair = Pair::new(Link::tcp(), 1);
    let (a, _) = pair.call(None);
    pair.settle();
    let (server, b, _) = pair.called();
    pair.respond(B, server, 180, None);
    pair.settle();
    let (call, of_a, of_b) = names(&pair);
    let at_a = format!("Replaces: {call};to-tag={of_a};from-tag={of_b};early-only");
    assert_eq!(asked(&pair, A, &at_a), Ok(Some(Takeover::ReplaceEarly(a))));
    let at_b = format!("Replaces: {call};to-tag={of_b};from-tag={of_a}");
    assert_eq!(asked(&pair, B, &at_b), Err(Status(481)), "{b:?} is not for B to give away");
}

#[test]
fn a_call_that_ends_is_declined() {
    let mut pair = Pair::new(Link::tcp(), 1);
    let (_, _) = pair.call(None);
    pair.settle();
    let (server, b, _) = pair.called();
    pair.censor = |from, line| from == A && line.starts_with("ACK");
    pair.respond(B, server, 200, None);
    pair.settle();
    // B hangs up before the ACK: its BYE has to wait.
    let now = pair.now;
    pair.ends[B].endpoint.end(b, Headers::new(), now);
    let (call, of_a, of_b) = names(&pair);
    assert_eq!(asked(&pair, B, &format!("Replaces: {call};to-tag={of_b};from-tag={of_a}")), Err(Status(603)));
    assert!(pair.ends[A].messages[0].header(&Name::CallId).is_some());
}
