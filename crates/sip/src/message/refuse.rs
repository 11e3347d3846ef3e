//! Answering what is not a message (RFC 3261 §8.2, §16.3; RFC 4475): enough is read from the wreck to tell its sender.

use std::net::SocketAddr;

use super::build::Builder;
use super::{Message, Method, Name, ParseError, Status, lex, scan, via};

/// The stateless answer to a request that [`Message::parse`] refused with `error`, to be sent back over the flow that
/// brought it. `None` when it must be dropped: responses, ACKs, and what has no Via at all.
pub fn refuse(bytes: &[u8], error: &ParseError, remote: SocketAddr) -> Option<Message> {
    if error.answer == 0 || scan::is_response(bytes) {
        return None;
    }
    let head = bytes.get(..scan::MAX_HEAD).unwrap_or(bytes);
    let head = String::from_utf8_lossy(&scan::unfold(head)).into_owned();
    let fields: Vec<(Name, &str)> = head
        .lines()
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (Name::new(lex::trim(name)), lex::trim(value)))
        .take(scan::MAX_FIELDS)
        .collect();
    let first = |name: Name| fields.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
    let top = first(Name::Via)?;
    let method = head.split(' ').next().and_then(Method::parse).unwrap_or(Method::Other("UNKNOWN".into()));
    let status = Status(error.answer);
    let mut builder = Builder::status_line(status, status.reason(), method);
    for (i, (name, value)) in fields.iter().filter(|(name, _)| *name == Name::Via).enumerate() {
        let stamped = if i == 0 { via::stamp(top, remote) } else { None };
        builder = builder.header(name, stamped.as_deref().unwrap_or(value));
    }
    if let Some(from) = first(Name::From) {
        builder = builder.header(&Name::From, from);
    }
    if let Some(to) = first(Name::To) {
        let tagged = to.to_ascii_lowercase().contains("tag");
        let tag =
            if tagged { String::new() } else { format!(";tag={:016x}", mark(first(Name::CallId).unwrap_or(top))) };
        builder = builder.header(&Name::To, format_args!("{to}{tag}"));
    }
    for name in [Name::CallId, Name::CSeq] {
        if let Some(value) = first(name.clone()) {
            builder = builder.header(&name, value);
        }
    }
    let words = error.what.replace(['"', '\\'], "'");
    Some(builder.header(&Name::Warning, format_args!("399 - \"{words}\"")).build())
}

/// A tag that is the same each time the request comes again (RFC 3261 §8.2.7); FNV-1a, since nothing rests on it.
fn mark(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(text: &str) -> Option<String> {
        let error = Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
        let remote = "192.0.2.9:5060".parse().unwrap();
        refuse(text.as_bytes(), &error, remote).map(|m| String::from_utf8(m.bytes().to_vec()).unwrap())
    }

    #[test]
    fn the_sender_is_told_in_words() {
        let text = "INVITE  sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx,\r\n SIP/2.0/UDP i\r\nv: SIP/2.0/TCP j\r\n\
                    From: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\r\n";
        let expect = "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx, SIP/2.0/UDP i\r\nVia: SIP/2.0/TCP j\r\n\
                      From: <sip:c@d>;tag=1\r\nTo: <sip:a@b>;tag=af63f54c86021707\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\
                      Warning: 399 - \"request line: expected one space, a URI without white space or brackets, one space\"\r\n\
                      Content-Length: 0\r\n\r\n";
        assert_eq!(answer(text).unwrap(), expect);
    }

    #[test]
    fn acks_responses_and_noise_are_dropped() {
        assert_eq!(answer("ACK  sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n"), None);
        assert_eq!(answer("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\n\r\n"), None);
        assert_eq!(answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), None);
    }
}
