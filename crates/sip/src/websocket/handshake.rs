//! The opening handshake (RFC 6455 §4, RFC 7118 §4.1): an HTTP GET that asks to speak `sip`, and its answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::{Broken, SIP};

/// RFC 6455 §1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A client's request, and the Sec-WebSocket-Accept that answers it.
pub(super) fn request(host: &str, path: &str, protocol: Option<&str>, nonce: [u8; 16]) -> (String, String) {
    let key = STANDARD.encode(nonce);
    let protocol = protocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    let text = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
         Sec-WebSocket-Version: 13\r\n{protocol}\r\n"
    );
    (text, accept(&key))
}

/// The server's 101, or what is wrong with the request and the status that says so.
pub(super) fn answer(head: &str) -> Result<String, Broken> {
    let start = head.lines().next().unwrap_or("");
    let mut words = start.split(' ');
    let refuse = |what: &'static str, code: u16| Err(Broken { what, code });
    if words.next() != Some("GET") {
        return refuse("expected GET, with which a WebSocket begins", 405);
    }
    if words.nth(1) != Some("HTTP/1.1") {
        return refuse("expected HTTP/1.1", 400);
    }
    if !has(head, "Upgrade", "websocket") || !has(head, "Connection", "upgrade") {
        return refuse("expected Upgrade: websocket and Connection: Upgrade", 426);
    }
    if field(head, "Sec-WebSocket-Version") != Some("13") {
        return refuse("expected Sec-WebSocket-Version: 13", 426);
    }
    let key = field(head, "Sec-WebSocket-Key").unwrap_or("");
    if !STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16) {
        return refuse("expected a Sec-WebSocket-Key of 16 octets in base64", 400);
    }
    if !has(head, "Sec-WebSocket-Protocol", SIP) {
        return refuse("expected Sec-WebSocket-Protocol: sip", 400);
    }
    let accept = accept(key);
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
         Sec-WebSocket-Protocol: {SIP}\r\n\r\n"
    ))
}

/// Whether the server's answer is the one to our request.
pub(super) fn accepted(head: &str, accept: &str, protocol: Option<&str>) -> Result<(), Broken> {
    let status = head.lines().next().unwrap_or("").split(' ').nth(1).unwrap_or("");
    let refuse = |what: &'static str| Err(Broken { what, code: 502 });
    if status != "101" {
        return refuse("the server speaks no WebSocket here");
    }
    if field(head, "Sec-WebSocket-Accept") != Some(accept) {
        return refuse("the answer is not one to our request");
    }
    // What we did not ask for may not be answered either (RFC 6455 §4.1).
    let agreed = match protocol {
        Some(name) => has(head, "Sec-WebSocket-Protocol", name),
        None => field(head, "Sec-WebSocket-Protocol").is_none(),
    };
    if agreed { Ok(()) } else { refuse("the server agreed to another protocol than we asked for") }
}

/// What a client is told whose request was refused.
pub(super) fn refusal(broken: &Broken) -> String {
    let reason = match broken.code {
        405 => "Method Not Allowed\r\nAllow: GET",
        426 => "Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
        431 => "Request Header Fields Too Large",
        _ => "Bad Request",
    };
    let (code, what) = (broken.code, broken.what);
    let len = what.len() + 2;
    format!(
        "HTTP/1.1 {code} {reason}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\n\r\n{what}\r\n"
    )
}

/// `Sec-WebSocket-Accept` for this `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
pub fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn field<'a>(head: &'a str, wanted: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim())
    })
}

/// Whether one of the comma-separated values of a field, or of several of that name, is this one.
fn has(head: &str, wanted: &str, token: &str) -> bool {
    head.lines().skip(1).filter_map(|line| line.split_once(':')).any(|(name, values)| {
        name.trim().eq_ignore_ascii_case(wanted) && values.split(',').any(|v| v.trim().eq_ignore_ascii_case(token))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_answered_as_the_rfc_shows() {
        // RFC 6455 §1.3.
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_request_lacks_nothing_or_is_told_what() {
        let (request, accept) = request("sip.example", "/", Some(SIP), [7; 16]);
        let answer_text = answer(&request).unwrap();
        assert_eq!(accepted(&answer_text, &accept, Some(SIP)), Ok(()));
        for (from, to, code) in [
            ("GET /", "POST /", 405),
            ("HTTP/1.1", "HTTP/1.0", 400),
            ("Upgrade: websocket", "Upgrade: h2c", 426),
            ("Connection: Upgrade", "Connection: close", 426),
            ("Version: 13", "Version: 8", 426),
            ("Key: ", "Key: x", 400),
            ("Sec-WebSocket-Key", "X-Key", 400),
            ("Protocol: sip", "Protocol: chat", 400),
        ] {
            let broken = answer(&request.replacen(from, to, 1)).unwrap_err();
            assert_eq!(broken.code, code, "{to}");
            let told = refusal(&broken);
            assert!(told.starts_with(&format!("HTTP/1.1 {code} ")) && told.contains(broken.what));
        }
        assert!(answer(&request.replace("Protocol: sip", "Protocol: chat, SIP")).is_ok());
        for (from, to) in [("101", "200"), (accept.as_str(), "x"), ("Protocol: sip", "Protocol: chat")] {
            assert!(accepted(&answer_text.replacen(from, to, 1), &accept, Some(SIP)).is_err(), "{to}");
        }
    }
}
