//! Frames and messages, whole and cut, good and broken (RFC 6455 §5; RFC 7118).

use super::*;

const LIMIT: usize = 1000;

/// Both ends, open.
fn pair() -> (WebSocket, WebSocket) {
    let (mut client, mut server) = (WebSocket::client("h", "/", [1; 32], LIMIT), WebSocket::server(LIMIT));
    server.push(&client.take());
    assert_eq!(server.next(), Ok(Some(Said::Open)));
    client.push(&server.take());
    assert_eq!(client.next(), Ok(Some(Said::Open)));
    (client, server)
}

fn message(text: &str) -> Result<Option<Said>, Broken> {
    Ok(Some(Said::Message(Bytes::copy_from_slice(text.as_bytes()))))
}

/// A frame as a client writes it by hand, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ ..126 => bytes.push(0x80 | len as u8),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

#[test]
fn messages_pass_both_ways_however_they_are_cut() {
    for step in [1, 2, 3, 7, 2000] {
        let (mut client, mut server) = pair();
        let long = "x".repeat(700);
        let texts = ["OPTIONS", "", &long];
        for text in texts {
            client.send(text.as_bytes());
            server.send(text.as_bytes());
        }
        let (from_client, from_server) = (client.take(), server.take());
        for (from, to) in [(from_client, &mut server), (from_server, &mut client)] {
            let mut heard = Vec::new();
            for piece in from.chunks(step) {
                to.push(piece);
                while let Some(said) = to.next().unwrap() {
                    heard.push(said);
                }
            }
            assert_eq!(heard, texts.map(|text| Said::Message(Bytes::copy_from_slice(text.as_bytes()))), "{step}");
            assert_eq!(to.pending(), 0);
        }
    }
}

#[test]
fn octets_that_are_no_text_go_as_binary() {
    let (mut client, mut server) = pair();
    client.send(&[0xff, 0xfe]);
    let bytes = client.take();
    assert_eq!(bytes[0], 0x82);
    server.push(&bytes);
    assert_eq!(server.next(), Ok(Some(Said::Message(Bytes::from_static(&[0xff, 0xfe])))));
}

#[test]
fn a_clients_masks_differ_and_hide_the_text() {
    let (mut client, _) = pair();
    client.send(b"INVITE");
    client.send(b"INVITE");
    let bytes = client.take();
    assert_eq!(bytes[1], 0x86);
    assert_ne!(bytes[2..12], bytes[14..24]);
    assert!(memchr::memmem::find(&bytes, b"INVITE").is_none());
}

#[test]
fn fragments_are_joined_and_pings_between_them_answered() {
    let (_, mut server) = pair();
    server.push(&frame(0x01, b"OPT"));
    server.push(&frame(0x89, b"are you there"));
    server.push(&frame(0x00, b"IO"));
    assert_eq!(server.next(), Ok(None));
    assert_eq!(server.take(), [&[0x8a, 13][..], b"are you there"].concat());
    server.push(&frame(0x80, b"NS"));
    assert_eq!(server.next(), message("OPTIONS"));
    server.push(&frame(0x8a, b"an answer that nobody asked for"));
    assert_eq!(server.next(), Ok(None));
}

#[test]
fn goodbye_is_answered_and_is_the_end() {
    let (mut client, mut server) = pair();
    client.close(1001);
    server.push(&client.take());
    assert_eq!(server.next(), Ok(Some(Said::Closed)));
    assert_eq!(server.take(), [0x88, 2, 0x03, 0xe9][..]);
    server.push(&frame(0x81, b"more"));
    server.send(b"more");
    assert_eq!((server.next(), server.take().len(), server.pending()), (Ok(None), 0, 0));
}

#[test]
fn what_breaks_the_protocol_ends_it_with_its_code() {
    let unmasked = vec![0x81, 1, b'x'];
    let huge = [&[0x81, 0x80 | 127][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
    for (bytes, code) in [
        (frame(0xc1, b"x"), 1002),
        (frame(0x83, b"x"), 1002),
        (unmasked, 1002),
        (frame(0x80, b"x"), 1002),
        ([frame(0x01, b"x"), frame(0x81, b"y")].concat(), 1002),
        (frame(0x09, b"ping in parts"), 1002),
        (frame(0x89, &[b'x'; 126]), 1002),
        (frame(0x81, &[b'x'; LIMIT + 1]), 1009),
        ([frame(0x01, &[b'x'; LIMIT]), frame(0x80, b"y")].concat(), 1009),
        (huge, 1009),
        (frame(0x81, &[0xff]), 1007),
    ] {
        let (_, mut server) = pair();
        server.push(&bytes);
        let broken = server.next().unwrap_err();
        assert_eq!(broken.code, code, "{}", broken.what);
        assert_eq!(server.take(), [&[0x88, 2][..], &code.to_be_bytes()].concat());
        assert_eq!(server.next(), Ok(None), "nothing after the end");
    }
}

#[test]
fn a_handshake_is_bounded_and_refused_in_words() {
    let mut server = WebSocket::server(LIMIT);
    server.push(&vec![b'x'; MAX_HEAD + 1]);
    assert_eq!(server.next().unwrap_err().code, 431);
    let mut server = WebSocket::server(LIMIT);
    server.push(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(server.next().unwrap_err().code, 426);
    assert!(String::from_utf8_lossy(&server.take()).contains("Upgrade: websocket"));
    let mut client = WebSocket::client("h", "/", [1; 32], LIMIT);
    client.take();
    client.push(b"HTTP/1.1 404 Not Found\r\n\r\n");
    assert_eq!(client.next().unwrap_err().code, 502);
}

#[test]
fn a_client_of_no_named_protocol_takes_none_and_sends_octets_as_such() {
    let mut client = WebSocket::dial("h", "/hear?x=1", None, [1; 32], LIMIT);
    let request = String::from_utf8(client.take().to_vec()).unwrap();
    assert!(request.starts_with("GET /hear?x=1 HTTP/1.1\r\n") && !request.contains("Protocol"), "{request}");
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let answer = |more: &str| {
        let accept = accept(key);
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
        )
    };
    client.push(answer("").as_bytes());
    assert_eq!(client.next(), Ok(Some(Said::Open)));
    client.send_octets(b"audio");
    let sent = client.take();
    assert_eq!((sent[0], sent[1]), (0x82, 0x85), "binary, masked");
    let mut server = WebSocket::upgraded(LIMIT);
    server.push(&sent);
    assert_eq!(server.next(), Ok(Some(Said::Message(Bytes::from_static(b"audio")))));

    let mut client = WebSocket::dial("h", "/", None, [1; 32], LIMIT);
    client.take();
    client.push(answer("Sec-WebSocket-Protocol: sip\r\n").as_bytes());
    assert_eq!(client.next().unwrap_err().code, 502, "nobody asked for it");
}
