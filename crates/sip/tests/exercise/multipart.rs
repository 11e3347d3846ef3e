//! Multipart bodies (RFC 2046 §5.1, RFC 5621): parts that are written are the parts that are read, whatever they hold.

use bytes::Bytes;
use sip::Body;

/// The input is cut at octets 0xff: a boundary, then parts, each with whatever is in it.
pub(crate) fn run(input: &[u8]) {
    // As it comes, under a boundary that may be in it.
    let raw = Body::new("multipart/mixed;boundary=b", Bytes::copy_from_slice(input));
    assert!(raw.parts().iter().all(|part| part.bytes.len() <= input.len()));
    assert!(raw.sdp_part().is_none_or(|sdp| sdp.len() <= input.len()));
    let mut pieces = input.split(|octet| *octet == 0xff);
    let boundary: String =
        pieces.next().unwrap_or_default().iter().map(|octet| char::from(b'a' + octet % 26)).take(30).collect();
    if boundary.is_empty() {
        return;
    }
    let mark = format!("--{boundary}");
    let parts: Vec<&[u8]> =
        pieces.take(20).filter(|part| memchr::memmem::find(part, mark.as_bytes()).is_none()).collect();
    let mut text = b"preamble\r\n".to_vec();
    for (n, part) in parts.iter().enumerate() {
        text.extend_from_slice(
            format!("{mark}\r\nContent-Type: x/{n}\r\nContent-Disposition: d{n}\r\n\r\n").as_bytes(),
        );
        text.extend_from_slice(part);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(format!("{mark}--\r\nepilogue").as_bytes());
    let body = Body::new(format!("multipart/mixed;boundary=\"{boundary}\""), text);
    let read = body.disposed_parts();
    assert_eq!(read.len(), parts.len());
    for (n, ((disposition, part), written)) in read.iter().zip(parts).enumerate() {
        assert_eq!(disposition.as_deref(), Some(format!("d{n}").as_str()));
        assert_eq!((part.content_type.as_str(), &part.bytes[..]), (format!("x/{n}").as_str(), written));
    }
}
