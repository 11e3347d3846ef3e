//! Why bytes are not a message, and what the sender is told (RFC 3261 §8.2, §16.3, §21.4; RFC 4475).

/// Why bytes are not a SIP message, in words, with the response code that RFC 3261 §8.2, §16.3 or RFC 4475 asks for
/// (0 when the message must be dropped without an answer).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct ParseError {
    /// What was expected and what came. Never holds octets of the message itself: they may be digits or names.
    pub what: String,
    /// Offset in what was parsed: the message, or the value of one header field.
    pub at: usize,
    pub answer: u16,
}

impl ParseError {
    /// An error that is answered with 400.
    pub fn new(what: impl Into<String>, at: usize) -> ParseError {
        ParseError { what: what.into(), at, answer: 400 }
    }

    /// The same words with another response code; 0 drops the message.
    pub fn answered(mut self, code: u16) -> ParseError {
        self.answer = code;
        self
    }

    /// The same error seen from the text that contains this one at `offset`.
    pub(crate) fn moved(mut self, offset: usize) -> ParseError {
        self.at += offset;
        self
    }

    /// Names the header field that the error was found in.
    pub(crate) fn inside(mut self, field: &str) -> ParseError {
        self.what = format!("{field}: {}", self.what);
        self
    }
}
