//! IPv6 in messages: the cases of RFC 5118 in our own words.

use bytes::Bytes;
use sip::message::{Message, ParseError};

fn parse(uri: &str, via: &str) -> Result<Message, ParseError> {
    let text = format!(
        "REGISTER {uri} SIP/2.0\r\nVia: {via}\r\nFrom: <sip:desk@example.org>;tag=1\r\nTo: <sip:desk@example.org>\r\n\
         Call-ID: x\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70\r\n\r\n"
    );
    Message::parse(Bytes::from(text))
}

const VIA: &str = "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKv6";

#[test]
fn a_reference_in_brackets_is_a_host() {
    // §4.1
    let message = parse("sip:[2001:db8::10]", VIA).unwrap();
    assert_eq!(message.request_uri().unwrap().unwrap().ip(), "2001:db8::10".parse().ok());
    assert_eq!(message.via().unwrap().host, "2001:db8::9:1");
}

#[test]
fn without_brackets_nobody_knows_where_the_address_ends() {
    // §4.2
    assert_eq!(parse("sip:2001:db8::10", VIA).unwrap_err().answer, 400);
    assert_eq!(parse("sip:[2001:db8::10]", "SIP/2.0/UDP 2001:db8::9:1;branch=z9hG4bKv6").unwrap_err().answer, 400);
}

#[test]
fn what_looks_like_a_port_is_one_only_behind_the_bracket() {
    // §4.3: all of it is the address.
    let inside = parse("sip:[2001:db8::10:5070]", VIA).unwrap().request_uri().unwrap().unwrap();
    assert_eq!((inside.ip(), inside.port), ("2001:db8::10:5070".parse().ok(), None));
    // §4.4
    let behind = parse("sip:[2001:db8::10]:5070", VIA).unwrap().request_uri().unwrap().unwrap();
    assert_eq!((behind.ip(), behind.port), ("2001:db8::10".parse().ok(), Some(5070)));
}

#[test]
fn received_is_read_with_and_without_brackets() {
    // §4.5
    for received in ["2001:db8::9:255", "[2001:db8::9:255]"] {
        let message = parse("sip:[2001:db8::10]", &format!("{VIA};received={received}")).unwrap();
        assert_eq!(message.via().unwrap().received(), "2001:db8::9:255".parse().ok(), "{received}");
    }
}

#[test]
fn addresses_that_hold_older_ones() {
    // §4.9
    let message =
        parse("sip:desk@[::ffff:192.0.2.10]:5060", "SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKv6").unwrap();
    assert_eq!(message.request_uri().unwrap().unwrap().ip(), "::ffff:192.0.2.10".parse().ok());
    // §4.10: the third colon came from a mistake in RFC 3261's grammar, which RFC 5954 has put right.
    assert!(parse("sip:[2001:db8:::192.0.2.1]", VIA).is_err());
    assert!(parse("sip:[2001:db8::192.0.2.1]", VIA).is_ok());
}

#[test]
fn the_server_says_where_a_request_came_from() {
    let message = parse("sip:[2001:db8::10]", "SIP/2.0/UDP [2001:db8::9:1];rport;branch=z9hG4bKv6").unwrap();
    let stamped = message.received_from("[2001:db8::9:255]:5061".parse().unwrap()).via().unwrap();
    assert_eq!((stamped.received(), stamped.rport()), ("2001:db8::9:255".parse().ok(), Some(Some(5061))));
    let same = message.received_from("[2001:db8:0::9:1]:5061".parse().unwrap()).via().unwrap();
    assert_eq!(same.rport(), Some(Some(5061)), "asked for, so told");
}
