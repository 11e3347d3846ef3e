//! Messages (RFC 6787 §5): a start line, header fields, a body. What is read is written again octet for octet, but for
//! leading zeros of its length and a space at the end of its start line.

mod error;
mod start;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use memchr::memmem;

pub use error::ParseError;
pub use start::Start;
pub(crate) use start::{is_token, length};

use crate::header::Headers;

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub start: Start,
    headers: Headers,
    /// As long as Content-Length says: only [`Message::with`] and [`Message::parse`] set it.
    body: Bytes,
}

/// A body with its type.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    pub media_type: String,
    pub body: Bytes,
}

impl Content {
    pub fn new(media_type: impl Into<String>, body: impl Into<Bytes>) -> Content {
        Content { media_type: media_type.into(), body: body.into() }
    }
}

impl Message {
    /// Without a body.
    pub fn new(start: Start, headers: Headers) -> Message {
        Message { start, headers, body: Bytes::new() }
    }

    /// The same message with a body: its type and length are the last of its fields.
    #[must_use]
    pub fn with(mut self, content: Content) -> Message {
        self.headers.remove("Content-Type");
        self.headers.remove("Content-Length");
        self.headers.push("Content-Type", &content.media_type);
        self.headers.push("Content-Length", &content.body.len().to_string());
        self.body = content.body;
        self
    }

    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Reads the one message that `bytes` are, as [`crate::Framer`] cuts them.
    ///
    /// # Errors
    /// What was expected, and where.
    pub fn parse(bytes: &Bytes) -> Result<Message, ParseError> {
        let Some(head) = memmem::find(bytes, b"\r\n\r\n") else {
            return Err(ParseError::new("an empty line after the header fields was expected", bytes.len()));
        };
        // The first line end of the pair belongs to the last field.
        let text = bytes.get(..head + 2).unwrap_or_default();
        let text = std::str::from_utf8(text)
            .map_err(|error| ParseError::new("start line and header fields are UTF-8", error.valid_up_to()))?;
        let (line, fields) =
            text.split_once("\r\n").ok_or_else(|| ParseError::new("a start line was expected, which CRLF ends", 0))?;
        let (start, length) = Start::parse(line)?;
        let headers = Headers::parse(fields).map_err(|error| error.moved(line.len() + 2))?;
        if length != bytes.len() as u64 {
            let words = format!("the message has {} octets, its start line says {length}", bytes.len());
            return Err(ParseError::new(words, 0));
        }
        let body = bytes.slice(head + 4..);
        // Without the field there is no body (§6.2.11).
        let said = headers.content_length().map_err(|error| error.inside("Content-Length"))?.unwrap_or(0);
        if said != body.len() as u64 {
            let words = format!("the body has {} octets, Content-Length says {said}", body.len());
            return Err(ParseError::new(words, head + 4));
        }
        Ok(Message { start, headers, body })
    }

    /// Its octets. The length in the start line counts its own digits too (§5.1).
    pub fn write(&self) -> Bytes {
        let rest = self.headers.len_written() + 2 + self.body.len();
        let mut out = Vec::with_capacity(rest + 64);
        self.start.write(rest, &mut out);
        self.headers.write(&mut out);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out.into()
    }
}

/// Names only: values and bodies hold what people said.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} body of {} octets", self.start, self.headers, self.body.len())
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} octets", self.media_type, self.body.len())
    }
}
