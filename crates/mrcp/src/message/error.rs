//! Why bytes are not a message.

/// What was expected, and where. Never holds what came: it may be what a caller said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} (at octet {at})")]
pub struct ParseError {
    pub what: String,
    /// Offset in what was parsed: the message, or the value of one field.
    pub at: usize,
}

impl ParseError {
    pub(crate) fn new(what: impl Into<String>, at: usize) -> ParseError {
        ParseError { what: what.into(), at }
    }

    /// The same error seen from the text that contains this one at `offset`.
    pub(crate) fn moved(mut self, offset: usize) -> ParseError {
        self.at += offset;
        self
    }

    /// Names the field that the error was found in.
    pub(crate) fn inside(mut self, field: &str) -> ParseError {
        self.what = format!("{field}: {}", self.what);
        self
    }
}
