//! Cutting a stream into messages by Content-Length (RFC 3261 §18.3), with limits and CRLF keepalives (RFC 5626 §4.4.1).

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

use crate::message::{MAX_HEAD, Name, ParseError};

/// What a stream held.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    Message(Bytes),
    /// A double CRLF: answer with a single CRLF.
    Ping,
    /// A single CRLF answering our ping.
    Pong,
}

/// Limits of what one peer may make us hold, in octets.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub head: usize,
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { head: 16 * 1024, body: 256 * 1024 }
    }
}

/// Bytes of one connection on their way to becoming messages.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buffer: BytesMut,
    /// How far the end of the head has been looked for already.
    searched: usize,
    /// Octets of the whole message, once its head is complete.
    whole: Option<usize>,
    /// The last thing was a single CRLF.
    half: bool,
}

impl Framer {
    pub fn new(limits: Limits) -> Framer {
        let limits = Limits { head: limits.head.min(MAX_HEAD), ..limits };
        Framer { limits, buffer: BytesMut::new(), searched: 0, whole: None, half: false }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Octets held that are not yet a message.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// What is held: after an error, the message that could not be cut, for [`crate::message::refuse`].
    pub fn held(&self) -> &[u8] {
        &self.buffer
    }

    /// The next frame; `Ok(None)` when more bytes are needed; an error ends the connection: where the next message would
    /// begin cannot be known any more.
    #[allow(clippy::should_implement_trait)] // An Iterator's `None` would be its end; here it is a pause.
    pub fn next(&mut self) -> Result<Option<Frame>, ParseError> {
        if self.whole.is_none() {
            if let Some(frame) = self.keepalive() {
                return Ok(Some(frame));
            }
            self.whole = self.measure()?;
        }
        match self.whole {
            Some(whole) if self.buffer.len() >= whole => {
                self.whole = None;
                self.half = false;
                self.searched = 0;
                Ok(Some(Frame::Message(self.buffer.split_to(whole).freeze())))
            }
            _ => Ok(None),
        }
    }

    /// Line ends between messages. A lone CRLF is told at once, as the answer to a ping that it nearly always is; when
    /// another follows, the two may have been a ping that the stream cut in half, and it is answered. At worst the peer
    /// gets a CRLF too many.
    fn keepalive(&mut self) -> Option<Frame> {
        if !self.buffer.starts_with(b"\r\n") {
            return None;
        }
        let (frame, len) = match self.buffer.get(2..4) {
            _ if self.half => (Frame::Ping, 2),
            Some(b"\r\n") => (Frame::Ping, 4),
            _ => (Frame::Pong, 2),
        };
        self.half = frame == Frame::Pong;
        self.buffer.advance(len);
        Some(frame)
    }

    /// Octets of the message that the buffer starts with; `None` until its head is complete.
    fn measure(&mut self) -> Result<Option<usize>, ParseError> {
        let from = self.searched.saturating_sub(3);
        let rest = self.buffer.get(from..).unwrap_or(&[]);
        let Some(at) = memmem::find(rest, b"\r\n\r\n") else {
            self.searched = self.buffer.len();
            return match self.buffer.len() > self.limits.head {
                true => Err(self.too_long("header fields", self.limits.head)),
                false => Ok(None),
            };
        };
        let head = from + at + 4;
        if head > self.limits.head {
            return Err(self.too_long("header fields", self.limits.head));
        }
        let body = content_length(self.buffer.get(..head).unwrap_or(&[]))?;
        if body > self.limits.body {
            return Err(self.too_long("a body", self.limits.body));
        }
        Ok(Some(head + body))
    }

    fn too_long(&self, what: &str, limit: usize) -> ParseError {
        ParseError::new(format!("{what} longer than {limit} octets"), limit).answered(513)
    }
}

/// Over a stream it must be there, once, and a number (RFC 3261 §20.14): without it there is no next message.
fn content_length(head: &[u8]) -> Result<usize, ParseError> {
    let mut found = None;
    let mut at = 0;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let start = at;
        at += line.len();
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let name = line.get(..colon).unwrap_or(&[]).trim_ascii_end();
        if crate::message::code_of(name) != crate::message::code_of(Name::ContentLength.as_str().as_bytes()) {
            continue;
        }
        let value = line.get(colon + 1..).unwrap_or(&[]).trim_ascii();
        let number = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        // Empty when its value is folded onto the next line: nobody sends that, and guessing loses the stream.
        let Some(number) = number.and_then(|text| text.parse::<usize>().ok()) else {
            return Err(ParseError::new("Content-Length: expected a number of octets", start));
        };
        if found.replace(number).is_some() {
            return Err(ParseError::new("a second Content-Length: it may stand only once", start));
        }
    }
    found.ok_or_else(|| ParseError::new("expected Content-Length, which every message over a stream must have", 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { head: 200, body: 50 };

    fn frames(bytes: &[u8], step: usize) -> Result<Vec<Frame>, ParseError> {
        let mut framer = Framer::new(LIMITS);
        let mut out = Vec::new();
        for piece in bytes.chunks(step) {
            framer.push(piece);
            while let Some(frame) = framer.next()? {
                out.push(frame);
            }
        }
        assert_eq!(framer.pending(), 0);
        Ok(out)
    }

    #[test]
    fn messages_are_the_same_however_they_arrive() {
        let one = "OPTIONS sip:a SIP/2.0\r\nl : 3\r\n\r\nabc";
        let two = "SIP/2.0 200 OK\r\nContent-Length:0\r\n\r\n";
        let stream = format!("{one}{two}{one}");
        for step in 1..stream.len() {
            let expect = [one, two, one].map(|text| Frame::Message(Bytes::from(text)));
            assert_eq!(frames(stream.as_bytes(), step).unwrap(), expect, "{step}");
        }
    }

    #[test]
    fn keepalives_between_messages() {
        let one = "SIP/2.0 200 OK\r\nl:0\r\n\r\n";
        let message = || Frame::Message(Bytes::from(one));
        assert_eq!(frames(b"\r\n\r\n", 4).unwrap(), [Frame::Ping]);
        assert_eq!(frames(b"\r\n", 2).unwrap(), [Frame::Pong]);
        assert_eq!(frames(b"\r\n\r\n", 1).unwrap(), [Frame::Pong, Frame::Ping]);
        assert_eq!(frames(b"\r\n\r\n", 3).unwrap(), [Frame::Pong, Frame::Ping]);
        assert_eq!(
            frames(format!("{one}\r\n\r\n{one}\r\n{one}").as_bytes(), 1000).unwrap(),
            [message(), Frame::Ping, message(), Frame::Pong, message(),]
        );
    }

    #[test]
    fn streams_that_cannot_be_cut_end() {
        let check = |text: &str, expect: u16| {
            for step in [1, 7, 1000] {
                assert_eq!(frames(text.as_bytes(), step).unwrap_err().answer, expect, "{text}");
            }
        };
        check("OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n", 400);
        check("OPTIONS sip:a SIP/2.0\r\nl: x\r\n\r\n", 400);
        check("OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n", 400);
        check("OPTIONS sip:a SIP/2.0\r\nl: 99999999999999999999999\r\n\r\n", 400);
        check("OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 1\r\n\r\n", 400);
        check("OPTIONS sip:a SIP/2.0\r\nl: 51\r\n\r\n", 513);
        check(&"x".repeat(300), 513);
        check(&format!("A sip:a SIP/2.0\r\nX: {}\r\nl: 0\r\n\r\n", "y".repeat(200)), 513);
    }
}
