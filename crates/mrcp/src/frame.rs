//! Cutting a stream into messages by the length in each start line (RFC 6787 §5.1), with limits.

use bytes::{Bytes, BytesMut};

use crate::message::{Message, ParseError};

/// What one server may make us hold, in octets.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub message: usize,
}

impl Default for Limits {
    /// A result with many alternatives has some kilobytes.
    fn default() -> Limits {
        Limits { message: 1 << 20 }
    }
}

/// Octets within which the length must have been said: the version, 19 digits, two spaces.
const SAID_WITHIN: usize = 8 + 1 + 19 + 1;

/// Bytes of one connection on their way to becoming messages.
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    buffer: BytesMut,
}

impl Framer {
    pub fn new(limits: Limits) -> Framer {
        Framer { limits, buffer: BytesMut::new() }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Octets held that are not yet a message.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// The next message; `Ok(None)` when more bytes are needed. After an error the connection is of no more use: where
    /// the next message begins may not be known.
    ///
    /// # Errors
    /// What was expected, and where in the message.
    #[allow(clippy::should_implement_trait)] // An Iterator's `None` would be its end; here it is a pause.
    pub fn next(&mut self) -> Result<Option<Message>, ParseError> {
        let Some(whole) = self.measure()? else {
            return Ok(None);
        };
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let bytes: Bytes = self.buffer.split_to(whole).freeze();
        Message::parse(&bytes).map(Some)
    }

    fn measure(&self) -> Result<Option<usize>, ParseError> {
        const PREFIX: &[u8] = b"MRCP/2.0 ";
        let seen = self.buffer.len().min(PREFIX.len());
        if self.buffer.get(..seen) != PREFIX.get(..seen) {
            return Err(ParseError::new("a message was expected to begin, with MRCP/2.0", 0));
        }
        let digits = self.buffer.get(PREFIX.len()..).unwrap_or_default();
        let Some(end) = digits.iter().position(|byte| *byte == b' ') else {
            return match self.buffer.len() < SAID_WITHIN {
                true => Ok(None),
                false => Err(ParseError::new("the message's length was expected, 1 to 19 digits", PREFIX.len())),
            };
        };
        let length = digits.get(..end).and_then(|digits| std::str::from_utf8(digits).ok());
        let length = length.and_then(crate::message::length).and_then(|length| usize::try_from(length).ok());
        match length {
            None => Err(ParseError::new("the message's length was expected, 1 to 19 digits", PREFIX.len())),
            Some(length) if length > self.limits.message => {
                Err(ParseError::new(format!("a message of more than {} octets", self.limits.message), PREFIX.len()))
            }
            Some(length) if length <= PREFIX.len() + end => {
                Err(ParseError::new("the message is shorter than its own start line", PREFIX.len()))
            }
            Some(length) => Ok(Some(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Headers;
    use crate::message::{Content, Start};
    use crate::name::Method;
    use crate::requests::RequestId;

    fn speak(body: &'static str) -> Message {
        let start = Start::Request { method: Method::Speak, request: RequestId(7) };
        let headers = Headers::new().with("Channel-Identifier", "1@speechsynth");
        Message::new(start, headers).with(Content::new("text/plain", body))
    }

    #[test]
    fn messages_are_the_same_however_they_arrive() {
        let all = [speak("one"), speak(""), speak("three\r\n\r\nMRCP/2.0 1 ")];
        let stream: Vec<u8> = all.iter().flat_map(|message| message.write().to_vec()).collect();
        for step in 1..stream.len() {
            let mut framer = Framer::new(Limits::default());
            let mut seen = Vec::new();
            for piece in stream.chunks(step) {
                framer.push(piece);
                while let Some(message) = framer.next().unwrap() {
                    seen.push(message);
                }
            }
            assert_eq!(seen, all, "in pieces of {step}");
            assert_eq!(framer.pending(), 0);
        }
    }

    #[test]
    fn streams_that_cannot_be_cut_end() {
        let refused = |text: &str, words: &str| {
            let mut framer = Framer::new(Limits { message: 200 });
            framer.push(text.as_bytes());
            let error = framer.next().unwrap_err();
            assert!(error.to_string().contains(words), "{text}: {error}");
        };
        refused("HTTP/1.1 200 OK", "MRCP/2.0");
        refused("MRCP/1.0 ", "MRCP/2.0");
        refused("MRCP/2.0 x SPEAK 1\r\n", "1 to 19 digits");
        refused("MRCP/2.0 99999999999999999999 ", "1 to 19 digits");
        refused("MRCP/2.0 201 SPEAK 1\r\n", "more than 200 octets");
        refused("MRCP/2.0 3 SPEAK 1\r\n", "shorter than its own start line");
        refused("MRCP/2.0 25 SPEAK 1\r\nA:b\r\n\r\n", "an empty line");
    }
}
