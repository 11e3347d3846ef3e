//! What holds for every message and every header value, tried with thousands of made-up ones.

mod exercise;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sip::auth::{self, Algorithm, Challenge, Credentials, Qop};
use sip::message::{
    Body, Builder, CSeq, Date, Message, Method, Name, NameAddr, RAck, Reason, Refresher, Replaces, RetryAfter,
    SessionExpires, SessionId, SessionUuid, Status, Typed, Via, Warning,
};
use sip::transport::Transport;
use sip::uri::Uri;

fn samples() -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sip"))
        .collect();
    files.sort();
    files.into_iter().map(|path| fs::read(path).unwrap()).filter(|bytes| bytes.len() < 8192).collect()
}

/// What may happen to bytes on their way, or in the head of somebody who means harm.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
    Swap(usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let telling = prop_oneof![
        Just(b"\r\n".to_vec()),
        Just(b"\r\n ".to_vec()),
        Just(b"\"".to_vec()),
        Just(b";".to_vec()),
        Just(b",".to_vec()),
        Just(b"<".to_vec()),
        Just(b"%".to_vec()),
        Just(b"\\".to_vec()),
        Just(b":".to_vec()),
        Just(b"[".to_vec()),
        Just(b"4294967296".to_vec()),
        Just("é".as_bytes().to_vec()),
        vec(any::<u8>(), 1..8),
    ];
    let at = any::<usize>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), telling).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), 1..40usize).prop_map(|(at, len)| Change::Remove(at, len)),
        (at(), 1..80usize).prop_map(|(at, len)| Change::Repeat(at, len)),
        (at(), at()).prop_map(|(a, b)| Change::Swap(a, b)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match change {
        Change::Set(at, byte) => bytes[at % len] = *byte,
        Change::Insert(at, new) => drop(bytes.splice(at % len..at % len, new.iter().copied())),
        Change::Remove(at, count) => drop(bytes.drain(at % len..(at % len + count).min(len))),
        Change::Repeat(at, count) => {
            let piece = bytes[at % len..(at % len + count).min(len)].to_vec();
            drop(bytes.splice(at % len..at % len, piece));
        }
        Change::Swap(a, b) => bytes.swap(a % len, b % len),
    }
}

fn token() -> impl Strategy<Value = String> {
    "[A-Za-z0-9.!%*_+`'~-]{1,12}"
}

/// Text as people write it and as attackers do; without line ends, which no header value can hold.
fn text() -> impl Strategy<Value = String> {
    "[^\r\n]{0,20}"
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9][a-z0-9-]{0,8}(\\.[a-z0-9]{1,5}){0,2}",
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
    ]
}

prop_compose! {
    fn uri()(
        user in option::of("\\PC{1,12}"), password in option::of("\\PC{0,6}"), host in host(), port in option::of(any::<u16>()),
        params in vec(("[a-z][a-z0-9 é=;-]{0,5}", option::of("\\PC{0,6}")), 0..3),
        headers in vec(("\\PC{1,6}", "\\PC{0,6}"), 0..3), tls in any::<bool>(),
    ) -> Uri {
        let mut uri = Uri::sip(user.as_deref(), host, port);
        uri.scheme = if tls { sip::uri::Scheme::Sips } else { sip::uri::Scheme::Sip };
        uri.password = password.filter(|_| uri.user.is_some());
        uri.params = params;
        uri.headers = headers;
        uri
    }
}

prop_compose! {
    fn name_addr()(display in text(), uri in uri(), tag in option::of(token()), flag in option::of(token())) -> NameAddr {
        let mut addr = NameAddr::new(uri).with_display(&display);
        if let Some(tag) = tag {
            addr = addr.with_tag(&tag);
        }
        match flag {
            Some(flag) => addr.with_param(&flag, None),
            None => addr,
        }
    }
}

fn read_again<T: Typed + PartialEq + std::fmt::Debug>(value: &T) -> Result<(), TestCaseError> {
    prop_assert_eq!(&T::read(&value.to_string()).map_err(|error| TestCaseError::fail(error.to_string()))?, value);
    Ok(())
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![Just(Algorithm::Md5), Just(Algorithm::Sha256), Just(Algorithm::Sha512_256)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_never_more_than_refused(bytes in vec(any::<u8>(), 0..300)) {
        exercise::bytes(&bytes);
    }

    #[test]
    fn noise_of_characters_that_mean_something(text in "[ -~\r\n\t;,:<>\"\\\\%é]{0,80}") {
        exercise::values(&text);
    }

    #[test]
    fn messages_that_were_damaged(which in any::<usize>(), changes in vec(change(), 1..6)) {
        let mut samples = samples();
        let at = which % samples.len();
        let bytes = &mut samples[at];
        for change in &changes {
            apply(bytes, change);
        }
        exercise::bytes(bytes);
    }

    #[test]
    fn uris_read_as_they_were_written(uri in uri()) {
        prop_assert_eq!(Uri::parse(&uri.to_string()).unwrap(), uri);
    }

    #[test]
    fn addresses_read_as_they_were_written(addr in name_addr()) {
        prop_assert_eq!(NameAddr::parse(&addr.to_string()).unwrap(), addr);
    }

    #[test]
    fn header_values_read_as_they_were_written(
        number in any::<u32>(), short in 100..999u16, words in text(), tags in (token(), token()), ends in any::<[[u8; 16]; 2]>(),
        host in host(), flag in any::<bool>(), seconds in 0..10_000_000_000u64,
    ) {
        let method = Method::parse(&tags.0).unwrap();
        let refresher = if flag { Some(Refresher::Uac) } else { None };
        let cseq = CSeq { number: number >> 1, method };
        read_again(&SessionExpires::new(number, refresher))?;
        read_again(&SessionId::new(SessionUuid(ends[0]), SessionUuid(ends[1])))?;
        read_again(&Replaces { call_id: tags.0.clone(), to_tag: tags.1.clone(), from_tag: tags.0.clone(), early_only: flag, params: vec![] })?;
        read_again(&Reason::q850(short, &words))?;
        read_again(&RAck { rseq: number.max(1), cseq: cseq.clone() })?;
        read_again(&cseq)?;
        read_again(&Warning::new(short, &tags.0, &words))?;
        read_again(&RetryAfter::new(number))?;
        if seconds < 253_402_300_800 {
            read_again(&Date(seconds))?;
        }
        let via = Via { protocol: "TLS".into(), host, port: flag.then_some(short), params: vec![("branch".into(), Some(tags.1))] };
        read_again(&via.with_rport())?;
    }

    #[test]
    fn digest_reads_as_it_was_written(
        realm in text(), nonce in text(), user in text(), uri in text(), opaque in option::of(text()), stale in any::<bool>(),
        algorithm in algorithm(), nc in any::<u32>(),
    ) {
        let challenge = Challenge { realm, nonce, algorithm, qop: Qop::Auth, stale, opaque };
        prop_assert_eq!(&Challenge::parse(&challenge.to_string()).unwrap(), &challenge);
        let made = auth::answer(&challenge, &user, "secret", &Method::Invite, &uri, b"", "cnonce", nc);
        prop_assert_eq!(&Credentials::parse(&made.to_string()).unwrap(), &made);
    }

    #[test]
    fn what_is_built_is_what_is_read(
        values in vec(("[A-Za-z-]{1,12}", "(?s).{0,30}"), 0..8), body in vec(any::<u8>(), 0..100), uri in uri(), from in name_addr(),
    ) {
        let via = Via::new(Transport::Tls, "192.0.2.1:5061".parse().unwrap(), "z9hG4bKx");
        let mut builder = Builder::request(&Method::Invite, uri.clone().without_headers())
            .header(&Name::Via, via)
            .header(&Name::From, &from)
            .header(&Name::To, "<sip:a@b>")
            .header(&Name::CallId, "x")
            .header(&Name::CSeq, "1 INVITE");
        let mut expect = 5;
        for (name, value) in &values {
            // `X-` makes sure that none of them is a field with a grammar.
            builder = builder.header(&Name::Other(format!("X-{name}")), value);
            expect += 1;
        }
        let body = (!body.is_empty()).then(|| Body::new("application/octet-stream", body));
        let has_body = body.is_some();
        let built = builder.body(body.clone()).build();
        let read = Message::parse(built.bytes().clone()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(read.lines().count(), expect + 1 + usize::from(has_body), "no value made a field of its own");
        prop_assert_eq!(read.lines().collect::<Vec<_>>(), built.lines().collect::<Vec<_>>());
        prop_assert_eq!(read.body(), body);
        prop_assert_eq!(read.from().unwrap(), from);
        prop_assert_eq!(read.request_uri().unwrap().unwrap(), uri.without_headers());
        let answer = Builder::response(&read, Status(200), Some("t")).build();
        prop_assert_eq!(answer.to_tag(), Some("t"));
        prop_assert_eq!(answer.method(), Method::Invite);
    }

    #[test]
    fn a_request_that_was_stamped_is_what_would_be_read(which in any::<usize>(), remote in any::<std::net::SocketAddr>()) {
        let samples = samples();
        let Ok(message) = Message::parse(Bytes::from(samples[which % samples.len()].clone())) else { return Ok(()) };
        let stamped = message.received_from(remote);
        let read = Message::parse(stamped.bytes().clone()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(stamped.lines().collect::<Vec<_>>(), read.lines().collect::<Vec<_>>());
        prop_assert_eq!(stamped.values(&Name::Via).collect::<Vec<_>>(), read.values(&Name::Via).collect::<Vec<_>>());
        prop_assert_eq!((stamped.request_uri_text(), stamped.call_id()), (read.request_uri_text(), read.call_id()));
        prop_assert_eq!((stamped.body(), stamped.method()), (read.body(), read.method()));
    }

    #[test]
    fn a_snapshot_brings_messages_back(which in any::<usize>()) {
        let samples = samples();
        let Ok(message) = Message::parse(Bytes::from(samples[which % samples.len()].clone())) else { return Ok(()) };
        let bytes = postcard::to_stdvec(&message).unwrap();
        prop_assert_eq!(postcard::from_bytes::<Message>(&bytes).unwrap(), message);
    }
}
