//! Start lines, lengths and bodies.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::name::{EventName, Method};
use crate::requests::RequestId;
use crate::status::{RequestState, Status};

fn refused(text: &str) -> String {
    Message::parse(&Bytes::from(text.to_owned())).unwrap_err().to_string()
}

#[test]
fn a_length_counts_its_own_digits() {
    let start = Start::Request { method: Method::Stop, request: RequestId(1) };
    for more in 0..2000 {
        let headers = Headers::new().with("A", &"x".repeat(more));
        let written = Message::new(start.clone(), headers).write();
        let said = std::str::from_utf8(&written).unwrap().split(' ').nth(1).unwrap().to_owned();
        assert_eq!(said, written.len().to_string());
    }
}

#[test]
fn zeros_ahead_of_a_length_mean_nothing() {
    let text = "MRCP/2.0 0000000042 STOP 00007\r\nA:b\r\n\r\n";
    let text = text.replace("42", &text.len().to_string());
    let message = Message::parse(&Bytes::from(text)).unwrap();
    assert_eq!(message.start, Start::Request { method: Method::Stop, request: RequestId(7) });
}

#[test]
fn what_is_no_message_is_refused_with_its_place() {
    assert_eq!(refused("MRCP/1.0 20 STOP 1\r\nA:b\r\n\r\n"), "version MRCP/2.0 was expected (at octet 0)");
    assert!(refused("MRCP/2.0 9 STOP 4294967296\r\nA:b\r\n\r\n").contains("32 bits (at octet 16)"));
    assert!(refused("MRCP/2.0 9 1 20 COMPLETE\r\nA:b\r\n\r\n").contains("three digits was expected (at octet 13)"));
    assert!(refused("MRCP/2.0 9 1 200 DONE\r\nA:b\r\n\r\n").contains("PENDING was expected (at octet 17)"));
    assert!(refused("MRCP/2.0 9 1 200 COMPLETE x\r\nA:b\r\n\r\n").contains("expected to end"));
    assert!(refused("MRCP/2.0 9 STOP 1\r\nno colon\r\n\r\n").contains("a name, a colon, a value (at octet 19)"));
    assert!(refused("MRCP/2.0 9 STOP 1\r\n folded\r\n\r\n").contains("not a fold (at octet 19)"));
    assert!(refused("MRCP/2.0 30 STOP 1\r\nA:b\r\n\r\n").contains("the message has 27 octets, its start line says 30"));
    assert!(refused("MRCP/2.0 28 STOP 1\r\nA:b\r\n\r\nx").contains("the body has 1 octets, Content-Length says 0"));
    let twice = "MRCP/2.0 58 STOP 1\r\nContent-Length:0\r\ncontent-length:0\r\n\r\n";
    assert!(refused(twice).contains("Content-Length: it may stand only once"), "{}", refused(twice));
}

#[test]
fn a_field_that_nobody_knows_is_kept_as_it_came() {
    let text = "MRCP/2.0 54 SING 1\r\nX-Choir : four \r\n  \tparts\r\nx-choir:\r\n\r\n";
    let text = text.replacen("54", &text.len().to_string(), 1);
    let message = Message::parse(&Bytes::from(text.clone())).unwrap();
    assert_eq!(message.write(), text);
    assert_eq!(message.headers().text("x-choir").as_deref(), Some("four parts"));
    assert_eq!(message.start, Start::Request { method: Method::Other("SING".into()), request: RequestId(1) });
}

#[test]
fn what_a_document_says_begins_no_field_of_its_own() {
    let headers = Headers::new().with("Speech-Language", "en\r\nKill-On-Barge-In:true");
    let message = Message::new(Start::Request { method: Method::Speak, request: RequestId(1) }, headers);
    let again = Message::parse(&message.write()).unwrap();
    assert_eq!(again.headers().names().collect::<Vec<_>>(), ["Speech-Language"]);
}

#[test]
fn a_debug_text_has_neither_values_nor_bodies() {
    let headers = Headers::new().with("Interpret-Text", "my number is 5551234");
    let message = Message::new(Start::Request { method: Method::Interpret, request: RequestId(1) }, headers)
        .with(Content::new("text/plain", "5551234"));
    let shown = format!("{message:?}");
    assert!(shown.contains("Interpret-Text") && !shown.contains("555"), "{shown}");
}

proptest! {
    #[test]
    fn what_is_written_is_read_the_same(
        which in 0..3, request: u32, status in 0u16..1000, state in 0usize..3,
        name in "[A-Z][A-Z-]{0,20}", value in "[ -~é]{0,200}", body in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let (request, state) = (RequestId(request), RequestState::ALL[state]);
        let start = match which {
            0 => Start::Request { method: Method::from(name.as_str()), request },
            1 => Start::Response { request, status: Status(status), state },
            _ => Start::Event { name: EventName::from(name.as_str()), request, stray: None, state },
        };
        let message = Message::new(start, Headers::new().with(&name, &value)).with(Content::new("a/b", body));
        prop_assert_eq!(Message::parse(&message.write()), Ok(message));
    }
}
