//! What the endpoint refuses by itself, by code, in words, and counted by cause (RFC 3261 §8.2, §21.4; RFC 5393, 5621).

use std::time::Duration;

use sip::endpoint::Cause;
use sip::{Event, Message, Method, Name, Status, Transport};

use crate::desk::{Desk, TO, VIA, request, to_tagged};

/// The only answer to a request that must be refused without any state.
fn refused(desk: &mut Desk, text: &str, cause: Cause) -> Message {
    let before = desk.endpoint.refusals().get(&cause).copied().unwrap_or_default();
    let (events, sent) = desk.tell(text);
    assert!(events.is_empty(), "its user heard of it: {events:?}");
    assert_eq!(sent.len(), 1, "{sent:?}");
    let answer = sent[0].1.clone();
    assert_eq!(answer.status(), Some(cause.status()), "{text}");
    assert_eq!(desk.endpoint.refusals()[&cause], before + 1, "counted under {cause}");
    assert_eq!((desk.endpoint.transactions(), desk.endpoint.dialogs()), (0, 0), "no state is kept");
    assert_eq!(desk.tell(text).1[0].1, answer, "the same each time");
    answer
}

fn warned(answer: &Message, of: &str) {
    let words = answer.header(&Name::Warning).unwrap_or_default();
    assert!(words.starts_with("399 ") && words.contains(of), "{words:?} says nothing of {of}");
}

fn with_body(method: &str, fields: &str, body: &str) -> String {
    // `Desk::tell` writes lines with CRLF, and the empty line that it adds ends the body.
    request(method, VIA, &format!("{TO}\n{fields}\n\n{body}"))
}

#[test]
fn schemes_other_than_sip_sips_and_tel_are_416() {
    let mut desk = Desk::new(Transport::Udp);
    for scheme in ["nobodyKnowsThisScheme:totallyopaquecontent", "soap.beep://192.0.2.103:3002", "mailto:a@b"] {
        for method in ["OPTIONS", "INVITE", "REGISTER"] {
            let text = request(method, VIA, TO).replace("sip:bob@192.0.2.2 SIP/2.0", &format!("{scheme} SIP/2.0"));
            warned(&refused(&mut desk, &text, Cause::UriScheme), "sip, sips or tel");
        }
    }
    let (events, _) = desk.tell(&request("OPTIONS", VIA, TO).replace("sip:bob@192.0.2.2 SIP", "tel:+4930123 SIP"));
    assert!(matches!(events[..], [Event::Request { .. }]));
}

#[test]
fn methods_that_are_not_done_here_are_405_and_unknown_ones_501_both_with_allow() {
    let mut desk = Desk::with(Transport::Udp, |config| {
        config.allow = vec![Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Options];
    });
    let answer = refused(&mut desk, &request("SUBSCRIBE", VIA, TO), Cause::MethodNotAllowed);
    assert_eq!(answer.header(&Name::Allow), Some("INVITE, ACK, BYE, CANCEL, OPTIONS"));
    let answer = refused(&mut desk, &request("NEWMETHOD", VIA, TO), Cause::UnknownMethod);
    assert_eq!(answer.header(&Name::Allow), Some("INVITE, ACK, BYE, CANCEL, OPTIONS"));
    // The names are compared with their case.
    refused(&mut desk, &request("invite", VIA, TO), Cause::UnknownMethod);
    let mut open = Desk::new(Transport::Udp);
    assert!(matches!(open.tell(&request("SUBSCRIBE", VIA, TO)).0[..], [Event::Request { .. }]));
}

#[test]
fn bodies_that_cannot_be_read_are_415_with_accept() {
    let mut desk = Desk::new(Transport::Udp);
    let text = with_body("INVITE", "Content-Type: application/neverheard", "?");
    let answer = refused(&mut desk, &text, Cause::MediaType);
    assert_eq!(answer.header(&Name::Accept), Some("application/sdp, multipart/mixed, multipart/alternative"));
    warned(&answer, "Accept");
    // Text that is not a media type at all.
    refused(&mut desk, &with_body("INVITE", "Content-Type: sdp", "?"), Cause::MediaType);
    let text = with_body("INVITE", "Content-Type: application/sdp\nContent-Encoding: gzip", "?");
    assert_eq!(refused(&mut desk, &text, Cause::ContentEncoding).header(&Name::AcceptEncoding), Some("identity"));
    for fields in [
        "Content-Type: application/neverheard\nContent-Disposition: render;handling=optional",
        "c: Application/SDP ; charset=utf-8\ne: identity",
    ] {
        let mut desk = Desk::new(Transport::Udp);
        let (events, _) = desk.tell(&with_body("INVITE", fields, "v=0"));
        assert!(matches!(events[..], [Event::Request { .. }]), "{fields}");
    }
    // Bodies of other methods are for their user to judge.
    let (events, _) = desk.tell(&with_body("MESSAGE", "Content-Type: text/x-chat", "hello"));
    assert!(matches!(events[..], [Event::Request { .. }]));
}

#[test]
fn of_a_multipart_body_one_part_must_be_readable_and_each_that_insists() {
    let parts = |more: &str| format!("--b\nContent-Type: application/sdp\n\nv=0\n--b\n{more}\n\n<x/>\n--b--");
    let kind = "Content-Type: multipart/mixed;boundary=b";
    let taken = |text: &str| {
        let mut desk = Desk::new(Transport::Udp);
        let (events, sent) = desk.tell(&with_body("INVITE", kind, text));
        match events.len() {
            1 => None,
            _ => sent[0].1.status(),
        }
    };
    assert_eq!(taken(&parts("Content-Type: application/x-isup")), None, "a part that says nothing is passed over");
    let optional = "Content-Type: application/x-isup\nContent-Disposition: signal;handling=optional";
    assert_eq!(taken(&parts(optional)), None);
    let required = "Content-Type: application/x-isup\nContent-Disposition: signal;handling=required";
    assert_eq!(taken(&parts(required)), Some(Status(415)));
    assert_eq!(taken("--b\nContent-Type: text/plain\n\nhello\n--b--"), Some(Status(415)), "nothing readable");
    assert_eq!(taken("no boundary at all"), Some(Status(415)));
}

#[test]
fn bodies_encrypted_for_somebody_else_are_493() {
    let mut desk = Desk::new(Transport::Udp);
    for kind in ["application/pkcs7-mime;smime-type=enveloped-data", "multipart/encrypted;boundary=b"] {
        let text = with_body("INVITE", &format!("Content-Type: {kind}"), "?");
        warned(&refused(&mut desk, &text, Cause::Undecipherable), "encrypted");
    }
}

#[test]
fn who_accepts_nothing_that_we_say_is_406() {
    let mut desk = Desk::new(Transport::Udp);
    let text = request("INVITE", VIA, &format!("{TO}\nAccept: text/nobodyKnowsThis"));
    assert!(refused(&mut desk, &text, Cause::NotAcceptable).header(&Name::Accept).unwrap().contains("application/sdp"));
    for accept in ["application/*", "*/*;q=0.1", "text/plain, Application/Sdp"] {
        let mut desk = Desk::new(Transport::Udp);
        let (events, _) = desk.tell(&request("INVITE", VIA, &format!("{TO}\nAccept: {accept}")));
        assert!(matches!(events[..], [Event::Request { .. }]), "{accept}");
    }
}

#[test]
fn extensions_are_refused_by_name_both_those_too_many_and_those_missing() {
    let mut desk = Desk::with(Transport::Udp, |config| config.require = vec!["outbound".into(), "gruu".into()]);
    let answer =
        refused(&mut desk, &request("OPTIONS", VIA, &format!("{TO}\nRequire: nothingSupportsThis")), Cause::Extension);
    assert_eq!(answer.header(&Name::Unsupported), Some("nothingSupportsThis"));
    let answer =
        refused(&mut desk, &request("OPTIONS", VIA, &format!("{TO}\nSupported: gruu")), Cause::ExtensionMissing);
    assert_eq!((answer.header(&Name::Require), answer.status()), (Some("outbound"), Some(Status(421))));
    let (events, _) = desk.tell(&request("OPTIONS", VIA, &format!("{TO}\nk: OUTBOUND, gruu")));
    assert!(matches!(events[..], [Event::Request { .. }]));
}

#[test]
fn what_belongs_inside_a_dialog_is_481_outside() {
    let mut desk = Desk::new(Transport::Udp);
    for method in ["BYE", "UPDATE", "INFO", "PRACK"] {
        warned(&refused(&mut desk, &request(method, VIA, TO), Cause::NoDialog), "no such dialog");
    }
    refused(&mut desk, &request("CANCEL", VIA, TO), Cause::NoTransaction);
}

#[test]
fn an_info_package_that_nobody_asked_for_is_469_and_the_call_goes_on() {
    let mut desk = Desk::new(Transport::Udp);
    let (invite, _) = desk.tell(&request("INVITE", VIA, TO));
    let to = to_tagged(&desk.respond(&invite, 200)[0].1);
    desk.tell(&request("ACK", &VIA.replace("bK1", "bK2"), &to));
    let info = |branch: &str, cseq: u32, fields: &str| {
        request(&format!("INFO/{cseq}"), &VIA.replace("bK1", branch), &format!("{to}\n{fields}"))
    };
    let packaged = info("bK3", 2, "Info-Package: infoDtmf\nContent-Disposition: Info-Package");
    let (events, sent) = desk.tell(&packaged);
    assert!(events.is_empty(), "its user heard of it: {events:?}");
    let answer = sent[0].1.clone();
    assert_eq!((answer.status(), answer.header(&Name::RecvInfo)), (Some(Status(469)), Some("")));
    warned(&answer, "Recv-Info");
    assert_eq!(desk.tell(&packaged).1[0].1, answer, "the same each time");
    assert_eq!(desk.endpoint.refusals()[&Cause::InfoPackage], 1, "counted once");
    assert_eq!(desk.endpoint.dialogs(), 1, "the call goes on");
    // The older kind, which names no package, is its user's as before.
    let (events, _) = desk.tell(&info("bK4", 3, "Content-Type: application/dtmf-relay"));
    assert!(matches!(events[..], [Event::InDialog { .. }]), "{events:?}");
}

#[test]
fn a_used_up_max_breadth_is_440() {
    let mut desk = Desk::new(Transport::Udp);
    refused(&mut desk, &request("INVITE", VIA, &format!("{TO}\nMax-Breadth: 0")), Cause::MaxBreadth);
    let (events, _) = desk.tell(&request("INVITE", VIA, &format!("{TO}\nMax-Breadth: 1")));
    assert!(matches!(events[..], [Event::Request { .. }]));
}

#[test]
fn an_invite_that_nobody_answers_ends_by_480() {
    let mut desk = Desk::new(Transport::Tcp);
    let (events, _) = desk.tell(&request("INVITE", VIA, TO));
    let Event::Request { dialog: Some(dialog), .. } = events[0] else { panic!("{events:?}") };
    desk.run(100);
    desk.respond(&events, 180);
    let (events, sent) = desk.run(299);
    assert!(events.is_empty() && sent.iter().all(|(_, m)| m.status() == Some(Status(180))), "it may ring for 300 s");
    let (events, sent) = desk.run(2);
    assert_eq!(sent.last().unwrap().1.status(), Some(Status(480)));
    assert!(matches!(&events[..], [Event::Expired { dialog: over, .. }] if *over == dialog));
    assert_eq!(desk.endpoint.dialogs(), 0);
    desk.run(40);
    assert_eq!((desk.endpoint.transactions(), desk.endpoint.deadline()), (0, None));
}

#[test]
fn a_reinvite_that_nobody_answers_costs_no_call() {
    let mut desk = Desk::with(Transport::Tcp, |config| config.session_expires = Duration::ZERO);
    let (events, _) = desk.tell(&request("INVITE", VIA, TO));
    let to = to_tagged(&desk.respond(&events, 200)[0].1);
    desk.tell(&request("ACK", &format!("{VIA}2"), &to));
    desk.tell(&request("INVITE/2", &format!("{VIA}3"), &to));
    let (events, sent) = desk.run(301);
    assert!(events.is_empty(), "{events:?}");
    assert_eq!(sent.last().unwrap().1.status(), Some(Status(480)));
    assert_eq!(desk.endpoint.dialogs(), 1);
    let (events, _) = desk.tell(&request("BYE/3", &format!("{VIA}4"), &to));
    assert!(matches!(events[..], [Event::InDialog { .. }]));
}

#[test]
fn refusals_within_a_dialog_are_counted_too() {
    let mut desk = Desk::new(Transport::Tcp);
    let (events, _) = desk.tell(&request("INVITE/5", VIA, TO));
    let to = to_tagged(&desk.respond(&events, 200)[0].1);
    desk.tell(&request("ACK/5", &format!("{VIA}2"), &to));
    assert_eq!(desk.status(&request("INFO/4", &format!("{VIA}3"), &to)), 500);
    assert_eq!(desk.status(&request("INFO/6", &format!("{VIA}4"), &format!("{to}\nRequire: magic"))), 420);
    let counted = |cause| desk.endpoint.refusals().get(&cause).copied();
    assert_eq!((counted(Cause::OutOfOrder), counted(Cause::Extension)), (Some(1), Some(1)));
}
