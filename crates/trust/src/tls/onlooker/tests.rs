//! What an onlooker sees of handshakes: whole, in pieces, broken, and floods.

use super::*;

fn all(eyes: &mut Onlooker) -> Vec<Saw> {
    std::iter::from_fn(|| eyes.poll()).collect()
}

/// A record around this payload.
fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 3];
    record.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
    record.extend_from_slice(payload);
    record
}

/// TLS 1.3 and 1.2, GREASE first, a name with an escape in it, one group, one suite.
fn client_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 4, 0x0a, 0x0a, 0x13, 0x02, 1, 0]);
    let mut extensions = vec![0, 43, 0, 7, 6, 0x1a, 0x1a, 3, 4, 3, 3];
    extensions.extend_from_slice(&[0, 10, 0, 4, 0, 2, 0, 23, 0, 0, 0, 9, 0, 7, 0, 0, 4, b'a', 0x1b, b'[', b'b']);
    body.extend_from_slice(&u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend_from_slice(&extensions);
    let mut message = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    message.extend_from_slice(&body);
    message
}

#[test]
fn a_hello_is_read_octet_by_octet_over_two_records_and_moves_no_cursor() {
    let hello = client_hello();
    let (first, second) = hello.split_at(20);
    let mut eyes = Onlooker::new(false);
    for octet in [record(22, first), record(22, second)].concat() {
        eyes.received(&[octet]);
    }
    let words = format!(
        "<<< ClientHello, {} octets: versions TLSv1.3 TLSv1.2; server name a?[b; groups secp256r1; suites TLS13_AES_256_GCM_SHA384",
        hello.len() - 4
    );
    assert_eq!(all(&mut eyes), [Saw::Message(words), Saw::State("SSL_accept: read ClientHello".into())]);
}

#[test]
fn alerts_are_in_words_both_ways() {
    let mut eyes = Onlooker::new(true);
    eyes.received(&record(21, &[2, 48]));
    assert!(eyes.saw_alert());
    assert_eq!(
        all(&mut eyes)[1],
        Saw::State(
            "SSL alert read: fatal: unknown_ca (48): no root of the verifier's signed the chain: exchange roots".into()
        )
    );
    eyes.sent(&record(21, &[1, 0]));
    let Some(Saw::State(words)) = all(&mut eyes).pop() else { panic!() };
    assert!(words.starts_with("SSL alert write: warning: close_notify (0): "), "{words}");
    assert!(alert(false, "fatal", 99).ends_with("code 99, which no standard names"));
}

#[test]
fn what_is_sealed_is_not_read() {
    let mut eyes = Onlooker::new(false);
    eyes.received(&record(20, &[1]));
    // These would be a ClientHello and an alert, were they in clear.
    eyes.received(&record(22, &client_hello()));
    eyes.received(&record(21, &[2, 48]));
    let seen = format!("{:?}", all(&mut eyes));
    assert!(!seen.contains("ClientHello") && !seen.contains("alert"), "{seen}");
    assert!(seen.contains("protected record"), "{seen}");
    assert!(!eyes.saw_alert());
}

#[test]
fn what_is_no_tls_ends_it_and_a_flood_is_cut_off() {
    let mut eyes = Onlooker::new(false);
    eyes.received(b"OPTIONS sip:a SIP/2.0\r\n\r\n");
    eyes.received(&record(21, &[2, 48]));
    assert_eq!(all(&mut eyes), [Saw::Message("<<< octets that are no TLS record".into())]);
    let mut eyes = Onlooker::new(false);
    for _ in 0..1000 {
        eyes.received(&record(21, &[1, 90]));
    }
    assert_eq!(all(&mut eyes).len(), SAYINGS);
    let mut eyes = Onlooker::new(false);
    eyes.received(&record(22, &[11, 0xff, 0xff, 0xff]));
    assert!(matches!(&all(&mut eyes)[..], [Saw::Message(words)] if words.contains("too long")));
}

#[test]
fn broken_messages_are_named_and_no_more() {
    for kind in 0..=255 {
        for len in 0..40_u8 {
            let mut message = vec![kind, 0, 0, len];
            message.extend_from_slice(&vec![0xff; usize::from(len)]);
            let mut eyes = Onlooker::new(false);
            eyes.received(&record(22, &message));
            assert_eq!(all(&mut eyes).len(), 2);
        }
    }
}
