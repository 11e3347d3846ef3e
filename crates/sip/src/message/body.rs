//! Bodies (RFC 3261 §7.4, RFC 5621): one part, or the parts of a multipart body (RFC 2046 §5.1).

use bytes::Bytes;
use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::content_type::ContentType;
use super::{Name, Typed, lex};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Media type with parameters, e.g. `application/sdp`.
    pub content_type: String,
    pub bytes: Bytes,
}

impl Body {
    pub fn new(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Body {
        Body { content_type: content_type.into(), bytes: bytes.into() }
    }

    pub fn sdp(text: impl Into<String>) -> Body {
        Body { content_type: "application/sdp".into(), bytes: Bytes::from(text.into()) }
    }

    /// Whether the media type is this one, parameters aside.
    pub fn is(&self, media_type: &str) -> bool {
        ContentType::read(&self.content_type).is_ok_and(|found| found.is(media_type))
    }

    /// The parts of a multipart body, one level deep; any other body is its own only part. They share the buffer.
    pub fn parts(&self) -> Vec<Body> {
        self.disposed_parts().into_iter().map(|(_, part)| part).collect()
    }

    /// [`Body::parts`], each with its Content-Disposition (RFC 5621 §3.3).
    pub fn disposed_parts(&self) -> Vec<(Option<String>, Body)> {
        let Ok(content_type) = ContentType::read(&self.content_type) else {
            return vec![(None, self.clone())];
        };
        match content_type.param("boundary") {
            Some(boundary) if content_type.main == "multipart" => multipart(&self.bytes, &boundary),
            _ => vec![(None, self.clone())],
        }
    }

    /// The SDP in this body: itself, or the first such part, nested multiparts included.
    pub fn sdp_part(&self) -> Option<Bytes> {
        find(self, "application/sdp", NESTING)
    }

    /// The first part of a media type, itself included.
    pub fn part(&self, media_type: &str) -> Option<Bytes> {
        find(self, media_type, NESTING)
    }
}

/// Deeper nesting than any sender has a use for is not looked into.
const NESTING: u8 = 4;

/// More parts than any sender has a use for are not looked at.
const MAX_PARTS: usize = 64;

fn find(body: &Body, media_type: &str, depth: u8) -> Option<Bytes> {
    let content_type = ContentType::read(&body.content_type).ok()?;
    if content_type.is(media_type) {
        return Some(body.bytes.clone());
    }
    if content_type.main != "multipart" || depth == 0 {
        return None;
    }
    body.parts().iter().find_map(|part| find(part, media_type, depth - 1))
}

fn multipart(bytes: &Bytes, boundary: &str) -> Vec<(Option<String>, Body)> {
    let mut parts = Vec::new();
    if boundary.is_empty() {
        return parts;
    }
    let mark = format!("--{boundary}");
    // A delimiter stands at the start of a line, and the line end before it belongs to it.
    let mut marks = memmem::find_iter(bytes, mark.as_bytes())
        .filter(|at| *at == 0 || bytes.get(at - 1) == Some(&b'\n'))
        .filter(|at| ends_a_delimiter(bytes.get(at + mark.len()..).unwrap_or(&[])));
    let Some(mut start) = marks.next() else {
        return parts;
    };
    for end in marks {
        let from = start + mark.len();
        // The closing delimiter was met: what follows is epilogue.
        if bytes.get(from..).is_some_and(|rest| rest.starts_with(b"--")) || parts.len() == MAX_PARTS {
            break;
        }
        if let Some(part) = part(bytes, from, end) {
            parts.push(part);
        }
        start = end;
    }
    parts
}

/// After the boundary: `--` or only white space up to the end of the line, so that one boundary may begin another.
fn ends_a_delimiter(rest: &[u8]) -> bool {
    rest.starts_with(b"--") || matches!(rest.iter().find(|b| !matches!(b, b' ' | b'\t')), None | Some(b'\r' | b'\n'))
}

/// What stands between two delimiters: header fields, an empty line, content.
fn part(bytes: &Bytes, from: usize, end: usize) -> Option<(Option<String>, Body)> {
    let text = bytes.get(from..end)?;
    let line_end = memchr::memchr(b'\n', text)? + 1;
    let (head_start, inner) = (from + line_end, text.get(line_end..)?);
    let inner = inner.strip_suffix(b"\r\n").or_else(|| inner.strip_suffix(b"\n")).unwrap_or(inner);
    let (head, content) = if inner.starts_with(b"\r\n") {
        (0, 2)
    } else if let Some(at) = memmem::find(inner, b"\r\n\r\n") {
        (at, at + 4)
    } else {
        (memmem::find(inner, b"\n\n")?, memmem::find(inner, b"\n\n")? + 2)
    };
    let head = String::from_utf8_lossy(inner.get(..head)?).replace("\r\n ", " ").replace("\r\n\t", " ");
    let field = |wanted: Name| {
        head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (Name::new(lex::trim(name)) == wanted).then(|| lex::trim(value).to_owned())
        })
    };
    let body = Body {
        // RFC 2046 §5.1: a part without a type is plain text.
        content_type: field(Name::ContentType).unwrap_or_else(|| "text/plain".to_owned()),
        bytes: bytes.slice(head_start + content..head_start + inner.len()),
    };
    Some((field(Name::ContentDisposition), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(text: &'static str) -> Body {
        Body::new("multipart/mixed; boundary=\"b 1\"", text)
    }

    #[test]
    fn parts_of_a_multipart_body() {
        let body = mixed(
            "preamble\r\n--b 1\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b 12\r\n\r\n--b 1 \r\n\
             c:\r\n application/SDP\r\nX: y\r\n\r\nv=0\r\n\r\n--b 1\r\n\r\nno type\r\n--b 1--\r\nepilogue\r\n--b 1\r\n",
        );
        let parts = body.parts();
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[0], Body::new("text/plain", "Hello\r\n--b 12\r\n"));
        assert!(parts[1].is("application/sdp"));
        assert_eq!(parts[1].bytes, "v=0\r\n");
        assert_eq!(parts[2], Body::new("text/plain", "no type"));
        assert_eq!(body.sdp_part().unwrap(), "v=0\r\n");
    }

    #[test]
    fn sdp_in_a_nested_part() {
        let body = Body::new(
            "multipart/mixed;boundary=o",
            "--o\r\nContent-Type: multipart/alternative;boundary=i\r\n\r\n--i\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--i--\r\n--o--",
        );
        assert_eq!(body.sdp_part().unwrap(), "v=0\r\n");
    }

    #[test]
    fn broken_multiparts_have_no_sdp_and_do_not_panic() {
        for text in [
            "",
            "--b 1",
            "--b 1--",
            "--b 1\r\n",
            "--b 1\r\n--b 1\r\n--b 1--",
            "--b 1\r\nContent-Type: application/sdp\r\n--b 1--",
        ] {
            assert_eq!(mixed(text).sdp_part(), None, "{text}");
        }
        assert_eq!(Body::new("multipart/mixed", "--\r\n\r\nv=0\r\n----").sdp_part(), None);
        assert_eq!(Body::new("nonsense", "v=0").parts().len(), 1);
    }
}
