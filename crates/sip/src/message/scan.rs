//! The structure of a message (RFC 3261 §7, §25.1): start line, header lines, the empty line. Positions only: nothing is
//! copied, and nothing is decoded beyond the start line.

use std::ops::Range;

use memchr::{memchr, memchr2, memmem};
use smallvec::SmallVec;

use super::{Method, ParseError, Status, lex, name};

/// The most octets of start line and header fields; beyond it 513. A datagram cannot hold more.
pub const MAX_HEAD: usize = 65_535;
/// The most header fields; beyond it 513.
pub const MAX_FIELDS: usize = 512;
/// The most octets of a Request-URI; beyond it 414.
pub const MAX_URI: usize = 4096;
const MAX_NAME: usize = 255;

/// Where one header field stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: u32,
    pub(super) value: u32,
    pub(super) end: u32,
    pub(super) name_len: u8,
    /// Of [`name`]'s table; [`name::OTHER`] when it is not there.
    pub(super) code: u8,
}

impl Field {
    pub(super) fn name_range(&self) -> Range<usize> {
        self.name as usize..self.name as usize + usize::from(self.name_len)
    }

    pub(super) fn value_range(&self) -> Range<usize> {
        self.value as usize..self.end as usize
    }
}

/// Long enough that the INVITEs of the field need no allocation.
pub(super) type Index = SmallVec<[Field; 32]>;

#[derive(Clone, Debug)]
pub(super) enum Start {
    Request { uri: Range<u32> },
    Response { status: Status, reason: Range<u32> },
}

pub(super) struct Scanned {
    pub(super) start: Start,
    /// Of a request only.
    pub(super) method: Option<Method>,
    pub(super) index: Index,
    /// Where the body begins.
    pub(super) head: usize,
}

pub(super) fn is_response(bytes: &[u8]) -> bool {
    bytes.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
}

/// `None` when a header field goes on over several lines: unfold and scan again.
pub(super) fn scan(bytes: &[u8]) -> Result<Option<Scanned>, ParseError> {
    let window = bytes.get(..MAX_HEAD).unwrap_or(bytes);
    let mut lines = Lines { bytes: window, at: 0, cut: window.len() < bytes.len() };
    let line = lines.next()?;
    let (start, method) = start_line(bytes.get(line).unwrap_or(&[]))?;
    let mut index = Index::new();
    let mut seen = 0u128;
    loop {
        let line = lines.next()?;
        if line.is_empty() {
            return Ok(Some(Scanned { start, method, index, head: lines.at }));
        }
        if matches!(window.get(lines.at), Some(b' ' | b'\t')) {
            return Ok(None);
        }
        let field = field(window, line.clone())?;
        if name::is_once(field.code) {
            let bit = 1u128 << field.code;
            if seen & bit != 0 {
                let what = name::from_code(field.code).map_or("header field", |name| name.as_str());
                return Err(ParseError::new(format!("a second {what}: it may stand only once"), line.start));
            }
            seen |= bit;
        }
        if index.len() == MAX_FIELDS {
            let what = format!("more than {MAX_FIELDS} header fields");
            return Err(ParseError::new(what, line.start).answered(513));
        }
        index.push(field);
    }
}

struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The head goes on behind what may be looked at.
    cut: bool,
}

impl Lines<'_> {
    /// The next line without its CRLF. Nothing but CRLF ends a line: whoever took a bare CR or LF for an end would see
    /// another message than we do.
    fn next(&mut self) -> Result<Range<usize>, ParseError> {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        let Some(len) = memchr2(b'\r', b'\n', rest) else {
            return Err(match self.cut {
                true => ParseError::new(format!("header fields longer than {MAX_HEAD} octets"), MAX_HEAD).answered(513),
                false => ParseError::new("expected CRLF and an empty line after the header fields", self.bytes.len()),
            });
        };
        let start = self.at;
        if rest.get(len..len + 2) != Some(b"\r\n") {
            return Err(ParseError::new("expected CRLF at the end of a line, found CR or LF alone", start + len));
        }
        self.at = start + len + 2;
        Ok(start..start + len)
    }
}

fn field(bytes: &[u8], line: Range<usize>) -> Result<Field, ParseError> {
    let text = bytes.get(line.clone()).unwrap_or(&[]);
    let name_len = text.iter().take_while(|b| lex::is_token_byte(**b)).count();
    let Some(colon) = memchr(b':', text) else {
        return Err(ParseError::new("expected `:` after the name of a header field", line.start));
    };
    let between = text.get(name_len..colon).unwrap_or(b"x");
    if name_len == 0 || !between.iter().all(|b| matches!(b, b' ' | b'\t')) {
        return Err(ParseError::new("expected a header field's name of token characters", line.start));
    }
    let Ok(short_len) = u8::try_from(name_len) else {
        return Err(ParseError::new(format!("a header field's name longer than {MAX_NAME} octets"), line.start));
    };
    let value = trimmed(bytes, line.start + colon + 1..line.end);
    Ok(Field {
        name: line.start as u32,
        value: value.start as u32,
        end: value.end as u32,
        name_len: short_len,
        code: name::code(text.get(..name_len).unwrap_or(&[])),
    })
}

fn trimmed(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let text = bytes.get(range.clone()).unwrap_or(&[]);
    let is_text = |b: &u8| !matches!(b, b' ' | b'\t');
    match (text.iter().position(is_text), text.iter().rposition(is_text)) {
        (Some(first), Some(last)) => range.start + first..range.start + last + 1,
        _ => range.end..range.end,
    }
}

fn start_line(line: &[u8]) -> Result<(Start, Option<Method>), ParseError> {
    if is_response(line) {
        return status_line(line).map(|start| (start, None));
    }
    let bad = |what: &str, at: usize| Err(ParseError::new(format!("request line: {what}"), at));
    let Some(first) = memchr(b' ', line) else {
        return bad("expected `METHOD URI SIP/2.0`", 0);
    };
    let method = line.get(..first).and_then(|text| std::str::from_utf8(text).ok()).and_then(Method::parse);
    let Some(method) = method else {
        return bad("expected a method of token characters", 0);
    };
    let last = memchr::memrchr(b' ', line).unwrap_or(first);
    let version = line.get(last + 1..).unwrap_or(&[]);
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return match is_response(version) {
            true => Err(ParseError::new("request line: a version other than SIP/2.0", last + 1).answered(505)),
            false => bad("expected `SIP/2.0` at its end and nothing behind", last + 1),
        };
    }
    let uri = line.get(first + 1..last).unwrap_or(&[]);
    if uri.len() > MAX_URI {
        return Err(ParseError::new(format!("Request-URI longer than {MAX_URI} octets"), first + 1).answered(414));
    }
    if uri.is_empty() || uri.iter().any(|b| !b.is_ascii_graphic() || matches!(b, b'<' | b'>')) {
        return bad("expected one space, a URI without white space or brackets, one space", first + 1);
    }
    Ok((Start::Request { uri: first as u32 + 1..last as u32 }, Some(method)))
}

fn status_line(line: &[u8]) -> Result<Start, ParseError> {
    let bad = |what: &str, at: usize| Err(ParseError::new(format!("status line: {what}"), at));
    if !line.get(..8).is_some_and(|version| version.eq_ignore_ascii_case(b"SIP/2.0 ")) {
        return bad("expected `SIP/2.0` and a space", 0);
    }
    let digits = line.get(8..11).unwrap_or(&[]);
    let code = digits.iter().try_fold(0, |code, b| b.is_ascii_digit().then(|| code * 10 + u16::from(b - b'0')));
    // RFC 3261 §7.2 has six classes; a code beyond them cannot be acted on.
    let Some(code @ 100..=699) = code.filter(|_| digits.len() == 3) else {
        return bad("expected a code of three digits, 100 to 699", 8);
    };
    let end = line.len() as u32;
    match line.get(11) {
        // A missing space before a missing phrase: seen, and harmless.
        None => Ok(Start::Response { status: Status(code), reason: end..end }),
        Some(b' ') => Ok(Start::Response { status: Status(code), reason: 12..end }),
        Some(_) => bad("expected a space after the code", 11),
    }
}

/// The message with each fold made one space (RFC 3261 §7.3.1); the body stays as it is.
pub(super) fn unfold(bytes: &[u8]) -> Vec<u8> {
    let head = memmem::find(bytes, b"\r\n\r\n").unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(head);
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = head;
    while let Some(at) = memmem::find(rest, b"\r\n") {
        let (line, next) = (rest.get(..at).unwrap_or(&[]), rest.get(at + 2..).unwrap_or(&[]));
        let blanks = next.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        out.extend_from_slice(line);
        if blanks == 0 {
            out.extend_from_slice(b"\r\n");
        } else {
            while matches!(out.last(), Some(b' ' | b'\t')) {
                out.pop();
            }
            out.push(b' ');
        }
        rest = next.get(blanks..).unwrap_or(&[]);
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(body);
    out
}

const _: () = assert!(name::KNOWN < 128, "one bit a name");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_become_one_space() {
        let folded = b"A sip:x SIP/2.0\r\nVia: a\r\n \t b \r\n\tc\r\nX: y\r\n\r\nbody\r\n folded\r\n";
        assert_eq!(unfold(folded), b"A sip:x SIP/2.0\r\nVia: a b c\r\nX: y\r\n\r\nbody\r\n folded\r\n");
        assert_eq!(unfold(b"no end\r\n "), b"no end ");
    }

    #[test]
    fn start_lines() {
        let check = |line: &str, expect: Result<(), u16>| {
            assert_eq!(start_line(line.as_bytes()).map(drop).map_err(|error| error.answer), expect, "{line}");
        };
        check("INVITE sip:a@b SIP/2.0", Ok(()));
        check("INVITE sip:a@b sip/2.0", Ok(()));
        check("SIP/2.0 100 ", Ok(()));
        check("SIP/2.0 200", Ok(()));
        check("INVITE  sip:a@b SIP/2.0", Err(400));
        check("INVITE sip:a@b SIP/2.0 ", Err(400));
        check("INVITE <sip:a@b> SIP/2.0", Err(400));
        check("INVITE sip:a@b", Err(400));
        check("INVITE SIP/2.0", Err(400));
        check("GET / HTTP/1.1", Err(400));
        check("INVITE sip:a@b SIP/7.0", Err(505));
        check("", Err(400));
        check("SIP/2.0 099 x", Err(400));
        check("SIP/2.0 700 x", Err(400));
        check("SIP/2.0 2000 x", Err(400));
        check("SIP/3.0 200 OK", Err(400));
    }
}
