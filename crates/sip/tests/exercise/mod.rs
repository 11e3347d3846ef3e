//! Everything that may be done with bytes that claim to be SIP, for tests and fuzzing alike: nothing may panic, and what
//! is read must read the same after it has been written.

use std::fmt::Debug;
use std::hint::black_box;

use bytes::Bytes;
use sip::auth::{Challenge, Credentials};
use sip::frame::{Frame, Framer, Limits};
use sip::message::{
    self, Builder, CSeq, ContentType, Date, Diversion, EventHeader, HistoryInfo, Join, Message, Method, MinSe, Name,
    NameAddr, Privacy, RAck, RSeq, Reason, ReferTo, ReferredBy, Replaces, RetryAfter, SessionExpires, SessionId,
    Status, SubscriptionState, Typed, Via, Warning,
};
use sip::uri::Uri;

/// Bytes of a datagram or of a stream.
pub(crate) fn bytes(input: &[u8]) {
    let whole = Bytes::copy_from_slice(input);
    match Message::parse(whole.clone()) {
        Ok(parsed) => message(&parsed, input),
        Err(error) => {
            let remote = "192.0.2.1:5060".parse().unwrap();
            let answer = message::refuse(input, &error, remote);
            assert!(error.answer != 0 || answer.is_none());
            if let Some(answer) = answer {
                assert!(!answer.is_request() && answer.status() == Some(Status(error.answer)));
            }
        }
    }
    stream(input);
    // A fold is a space (RFC 3261 §7.3.1), and is written as one.
    let unfolded: Vec<u8> = input.iter().map(|octet| if b"\r\n".contains(octet) { b' ' } else { *octet }).collect();
    if let Ok(text) = std::str::from_utf8(&unfolded) {
        values(text);
    }
}

fn message(parsed: &Message, input: &[u8]) {
    assert!(input.trim_ascii_start().starts_with(parsed.bytes()), "kept as it came");
    // What the door let in can be relied on inside.
    assert!(!parsed.call_id().is_empty());
    assert_eq!(parsed.cseq().unwrap().1, parsed.method());
    assert!(parsed.via().is_ok());
    black_box((parsed.from().is_ok(), parsed.to().is_ok(), parsed.contact(), parsed.contacts().is_ok()));
    black_box((
        parsed.status(),
        parsed.reason(),
        parsed.request_uri(),
        parsed.branch(),
        parsed.from_tag(),
        parsed.to_tag(),
    ));
    black_box((parsed.max_forwards(), parsed.expires(), format!("{parsed:?}")));
    for (name, value) in parsed.lines() {
        let name = Name::new(name);
        assert!(parsed.header(&name).is_some());
        black_box(parsed.headers(&name).count());
        values(value);
    }
    if let Some(body) = parsed.body() {
        black_box((body.parts().len(), parsed.sdp(), body.sipfrag_status()));
    }
    same_again(parsed);
    let remote = "198.51.100.1:4711".parse().unwrap();
    let stamped = parsed.received_from(remote);
    assert_eq!(stamped.received_from(remote), stamped, "stamping twice is stamping once");
    if parsed.is_request() {
        let answer = Builder::response(parsed, Status(486), Some("tag")).build();
        let read = Message::parse(answer.bytes().clone()).unwrap();
        assert_eq!((read.call_id(), read.cseq()), (parsed.call_id(), parsed.cseq()));
        assert_eq!(read.lines().collect::<Vec<_>>(), answer.lines().collect::<Vec<_>>());
    }
}

fn same_again(parsed: &Message) {
    let again = Message::parse(parsed.bytes().clone()).unwrap();
    assert_eq!(&again, parsed);
    assert_eq!(again.lines().collect::<Vec<_>>(), parsed.lines().collect::<Vec<_>>());
}

/// However a stream is cut, the same messages come out of it, and each parses or is refused, but never loops.
fn stream(input: &[u8]) {
    let messages = |step: usize| {
        let mut framer = Framer::new(Limits { head: 4096, body: 4096 });
        let mut out = Vec::new();
        for piece in input.chunks(step) {
            framer.push(piece);
            loop {
                match framer.next() {
                    Ok(Some(Frame::Message(bytes))) => out.push(bytes),
                    Ok(Some(Frame::Ping | Frame::Pong)) => {}
                    Ok(None) => break,
                    Err(_) => return out,
                }
            }
        }
        out
    };
    let whole = messages(input.len().max(1));
    assert_eq!(whole, messages(7));
}

/// A header field's value, taken for each of them.
pub(crate) fn values(text: &str) {
    typed::<Via>(text);
    typed::<CSeq>(text);
    typed::<ContentType>(text);
    typed::<SessionExpires>(text);
    typed::<MinSe>(text);
    typed::<SessionId>(text);
    typed::<ReferTo>(text);
    typed::<ReferredBy>(text);
    typed::<Replaces>(text);
    typed::<EventHeader>(text);
    typed::<SubscriptionState>(text);
    typed::<Reason>(text);
    typed::<RAck>(text);
    typed::<RSeq>(text);
    typed::<Warning>(text);
    typed::<HistoryInfo>(text);
    typed::<Diversion>(text);
    typed::<Privacy>(text);
    typed::<Join>(text);
    typed::<RetryAfter>(text);
    typed::<Date>(text);
    again(text, Uri::parse);
    again(text, NameAddr::parse);
    again(text, Challenge::parse);
    again(text, Credentials::parse);
    if let Ok(uri) = Uri::parse(text) {
        assert!(uri.matches(&uri));
    }
    black_box((Method::parse(text), Name::new(text)));
}

fn typed<T: Typed + PartialEq + Debug>(text: &str) {
    again(text, T::read);
}

fn again<T: ToString + PartialEq + Debug, E: Debug>(text: &str, read: impl Fn(&str) -> Result<T, E>) {
    if let Ok(first) = read(text) {
        let written = first.to_string();
        match read(&written) {
            Ok(second) => assert_eq!(first, second, "{text:?} was written as {written:?}"),
            Err(error) => {
                panic!("{text:?} was written as {written:?}, which is refused: {error:?}")
            }
        }
    }
}
