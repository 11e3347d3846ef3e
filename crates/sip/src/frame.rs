//! Cutting a stream into messages by Content-Length (RFC 3261 §18.3), with limits and CRLF keepalives (RFC 5626 §4.4.1).

use bytes::Bytes;

use crate::message::ParseError;

/// What a stream held.
#[derive(Debug)]
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

/// Bytes of one connection on their way to becoming messages.
#[derive(Debug)]
pub struct Framer {
    // private
}

impl Framer {
    pub fn new(_limits: Limits) -> Framer { todo!() }
    pub fn push(&mut self, _bytes: &[u8]) { todo!() }
    /// The next frame; `Ok(None)` when more bytes are needed; an error ends the connection.
    pub fn next(&mut self) -> Result<Option<Frame>, ParseError> { todo!() }
}
