//! Cuts the stream of a protocol of phones (CAPF, TVS) into messages: a mark, a header with a length, a body.

use std::marker::PhantomData;

use crate::Malformed;

/// What the messages of one protocol begin with.
pub trait Framed: Sized {
    const PROTOCOL: &'static str;
    /// The first octet.
    const MARK: u8;
    /// Octets before the body.
    const HEADER: usize;
    /// Where in the header two octets tell how long the body is.
    const LENGTH_AT: usize;
    /// Longest body taken, octets.
    const LONGEST: usize;

    fn parse(octets: &[u8]) -> Result<Self, Malformed>;
}

/// What of a stream has come and is no whole message yet.
#[derive(Debug)]
pub struct Framer<M> {
    kept: Vec<u8>,
    messages: PhantomData<fn() -> M>,
}

impl<M> Default for Framer<M> {
    fn default() -> Self {
        Framer { kept: Vec::new(), messages: PhantomData }
    }
}

impl<M: Framed> Framer<M> {
    pub fn push(&mut self, octets: &[u8]) {
        self.kept.extend(octets);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// The stream is of another protocol, or a message is longer than any that there is: close the connection.
    pub fn next_message(&mut self) -> Option<Result<M, Malformed>> {
        let first = *self.kept.first()?;
        if first != M::MARK {
            let wanted = format!("{:#04x}, which begins {}", M::MARK, M::PROTOCOL);
            return Some(Err(Malformed::new(0, "the header", wanted, format!("{first:#04x}"))));
        }
        let length = self.kept.get(M::LENGTH_AT..M::HEADER)?.first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length > M::LONGEST {
            let wanted = format!("at most {}", M::LONGEST);
            return Some(Err(Malformed::new(M::LENGTH_AT, "the length", wanted, length.to_string())));
        }
        if self.kept.len() < M::HEADER + length {
            return None;
        }
        let rest = self.kept.split_off(M::HEADER + length);
        let message = std::mem::replace(&mut self.kept, rest);
        Some(M::parse(&message))
    }
}
