//! Writing messages (RFC 3261 §8.1.1, §8.2.6): what is copied from a message is copied as its bytes, never reformatted.

use std::fmt::{self, Display};
use std::io::Write;

use bytes::Bytes;

use super::scan::{Field, Index, Start};
use super::{Body, Headers, Message, Method, Name, Status, lex};

/// A message being written. Fields stand in the order in which they were added; Content-Type and Content-Length come
/// last and are the builder's own.
#[derive(Debug)]
pub struct Builder {
    buffer: Vec<u8>,
    start: Start,
    method: Method,
    index: Index,
    body: Option<Body>,
}

impl Builder {
    /// `METHOD uri SIP/2.0`. The URI's embedded headers, if any, are the caller's to take off.
    pub fn request(method: &Method, uri: impl Display) -> Builder {
        let mut buffer = Vec::with_capacity(1536);
        buffer.extend(method.as_str().bytes().filter(|b| lex::is_token_byte(*b)));
        buffer.push(b' ');
        let from = buffer.len();
        append(&mut buffer, uri);
        // A space would end the URI early.
        let uri = buffer.split_off(from).into_iter().filter(|b| b.is_ascii_graphic());
        buffer.extend(uri);
        let start = Start::Request { uri: from as u32..buffer.len() as u32 };
        buffer.extend_from_slice(b" SIP/2.0\r\n");
        Builder { buffer, start, method: method.clone(), index: Index::new(), body: None }
    }

    /// An answer with the registered reason phrase; Via, From, To, Call-ID and CSeq (for 100 also Timestamp) are the
    /// request's, byte by byte. `to_tag` is added to a To that has none.
    pub fn response(request: &Message, status: Status, to_tag: Option<&str>) -> Builder {
        Builder::response_with_reason(request, status, status.reason(), to_tag)
    }

    /// The same with other words in the status line.
    pub fn response_with_reason(request: &Message, status: Status, reason: &str, to_tag: Option<&str>) -> Builder {
        let mut builder = Builder::status_line(status, reason, request.method());
        builder.put_copy(request, &Name::Via);
        builder.put_copy(request, &Name::From);
        let to = request.header_bytes(&Name::To).unwrap_or(b"");
        match to_tag {
            Some(tag) if request.to_tag().is_none() => {
                builder.raw(&Name::To, &[to, b";tag=", tag.as_bytes()]);
            }
            _ => builder.raw(&Name::To, &[to]),
        }
        builder.put_copy(request, &Name::CallId);
        builder.put_copy(request, &Name::CSeq);
        if status == Status(100) {
            builder.put_copy(request, &Name::Timestamp);
        }
        builder
    }

    pub(super) fn status_line(status: Status, reason: &str, method: Method) -> Builder {
        let mut buffer = Vec::with_capacity(1024);
        append(&mut buffer, format_args!("SIP/2.0 {status} "));
        let from = buffer.len();
        append(&mut buffer, reason);
        let start = Start::Response { status, reason: from as u32..buffer.len() as u32 };
        buffer.extend_from_slice(b"\r\n");
        Builder { buffer, start, method, index: Index::new(), body: None }
    }

    /// Adds a field. Line ends in the value become spaces, so that no value can end its field. Content-Type and
    /// Content-Length are not taken from here but from [`Builder::body`].
    pub fn header(mut self, name: &Name, value: impl Display) -> Builder {
        self.put(name, value);
        self
    }

    /// Adds these fields in their order.
    pub fn headers(self, headers: &Headers) -> Builder {
        headers.iter().fold(self, |builder, (name, value)| builder.header(name, value))
    }

    /// Adds every field of that name of another message, byte by byte.
    pub fn copy(mut self, from: &Message, name: &Name) -> Builder {
        self.put_copy(from, name);
        self
    }

    /// Adds the topmost Via value alone: for CANCEL and for the ACK of a failure (RFC 3261 §9.1, §17.1.1.3).
    pub fn copy_top_via(mut self, from: &Message) -> Builder {
        if let Some(via) = from.values(&Name::Via).next() {
            self.raw(&Name::Via, &[via.as_bytes()]);
        }
        self
    }

    /// The body; the last call counts.
    pub fn body(mut self, body: Option<Body>) -> Builder {
        self.body = body;
        self
    }

    /// Writes Content-Type, Content-Length and body, and ends the message.
    pub fn build(mut self) -> Message {
        let body = self.body.take();
        if let Some(body) = &body {
            self.raw(&Name::ContentType, &[body.content_type.as_bytes()]);
        }
        let content = body.as_ref().map_or(&[][..], |body| &body.bytes);
        self.field(&Name::ContentLength, |buffer| append(buffer, content.len()));
        self.buffer.extend_from_slice(b"\r\n");
        let head = self.buffer.len();
        self.buffer.extend_from_slice(content);
        let buffer = Bytes::from(self.buffer);
        Message::assemble(buffer, None, self.start, self.method, self.index, head)
    }

    /// [`Builder::header`] in place: a builder is large, and moving it costs more than writing a field.
    pub(crate) fn put(&mut self, name: &Name, value: impl Display) {
        if *name != Name::ContentLength && *name != Name::ContentType {
            self.field(name, |buffer| append(buffer, value));
        }
    }

    /// [`Builder::put`] of what is text already.
    pub(crate) fn put_text(&mut self, name: &Name, value: &str) {
        if *name != Name::ContentLength && *name != Name::ContentType {
            self.raw(name, &[value.as_bytes()]);
        }
    }

    /// [`Builder::copy`] in place.
    pub(crate) fn put_copy(&mut self, from: &Message, name: &Name) {
        for value in from.fields_bytes(name) {
            self.raw(name, &[value]);
        }
    }

    fn raw(&mut self, name: &Name, pieces: &[&[u8]]) {
        self.field(name, |buffer| pieces.iter().for_each(|piece| buffer.extend_from_slice(piece)));
    }

    fn field(&mut self, name: &Name, value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.buffer.len();
        match name {
            Name::Other(name) => {
                let token = name.bytes().filter(|b| lex::is_token_byte(*b));
                self.buffer.extend(token.take(usize::from(u8::MAX)));
            }
            known => self.buffer.extend_from_slice(known.as_str().as_bytes()),
        }
        let name_len = self.buffer.len() - start;
        if name_len == 0 {
            return;
        }
        self.buffer.extend_from_slice(b": ");
        let from = self.buffer.len();
        value(&mut self.buffer);
        let written = self.buffer.get_mut(from..).unwrap_or_default();
        if memchr::memchr2(b'\r', b'\n', written).is_some() {
            let breaks = written.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n'));
            breaks.for_each(|byte| *byte = b' ');
        }
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        let blanks = written.iter().take_while(|byte| blank(byte)).count();
        while self.buffer.len() > from && self.buffer.last().is_some_and(blank) {
            self.buffer.pop();
        }
        self.index.push(Field {
            name: start as u32,
            value: (from + blanks).min(self.buffer.len()) as u32,
            end: self.buffer.len() as u32,
            // At most 255 were written above.
            name_len: name_len as u8,
            code: name.code(),
        });
        self.buffer.extend_from_slice(b"\r\n");
    }
}

fn append(buffer: &mut Vec<u8>, value: impl Display) {
    // A Vec takes all that is written to it; only a broken Display could fail, and then what it wrote stands.
    let _: Result<(), fmt::Error> = write!(buffer, "{value}").map_err(|_| fmt::Error);
}
