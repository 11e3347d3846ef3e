//! Bytes as what a browser sends (RFC 6455): however they are cut the same is understood, nothing held grows beyond the
//! limit, and what was understood can be said again.

use sip::websocket::{Said, WebSocket};

const LIMIT: usize = 2048;

/// The first octet says whether the handshake is part of the input.
pub(crate) fn run(input: &[u8]) {
    let Some((first, bytes)) = input.split_first() else { return };
    let whole = hear(first & 1 == 1, bytes, bytes.len().max(1));
    for step in [1, 5] {
        assert_eq!(hear(first & 1 == 1, bytes, step), whole, "cut in pieces of {step}");
    }
    let (mut client, mut server) = pair();
    for said in &whole.0 {
        let Said::Message(message) = said else { continue };
        client.send(message);
        server.push(&client.take());
        assert_eq!(server.next(), Ok(Some(said.clone())), "said again");
        server.send(message);
        client.push(&server.take());
        assert_eq!(client.next(), Ok(Some(said.clone())));
    }
}

fn pair() -> (WebSocket, WebSocket) {
    let (mut client, mut server) = (WebSocket::client("h", "/", [3; 32], LIMIT), WebSocket::server(LIMIT));
    server.push(&client.take());
    assert_eq!(server.next(), Ok(Some(Said::Open)));
    client.push(&server.take());
    assert_eq!(client.next(), Ok(Some(Said::Open)));
    (client, server)
}

/// What was said, the code of its end if it broke a rule, and what was answered.
fn hear(shaken: bool, bytes: &[u8], step: usize) -> (Vec<Said>, Option<u16>, Vec<u8>) {
    let mut server = if shaken { pair().1 } else { WebSocket::server(LIMIT) };
    let (mut said, mut answered) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(step) {
        server.push(piece);
        loop {
            let next = server.next();
            answered.extend_from_slice(&server.take());
            match next {
                Ok(Some(next)) => said.push(next),
                Ok(None) => break,
                Err(broken) => return (said, Some(broken.code), answered),
            }
        }
        assert!(server.pending() <= 2 * LIMIT + 8192 + step, "{} held", server.pending());
    }
    (said, None, answered)
}
