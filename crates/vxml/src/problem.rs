//! What is wrong with a document, and where: the event that VoiceXML names for it (§5.2.6), a place and words.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Line and column in a document, both from 1. Columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {words} ({event})")]
pub struct Problem {
    pub place: Place,
    /// `error.badfetch`, `error.unsupported.objectname`, …: what an application can catch.
    pub event: &'static str,
    /// What was expected, what came, what to do.
    pub words: String,
}

impl Problem {
    pub(crate) fn new(place: Place, event: &'static str, words: impl Into<String>) -> Problem {
        Problem { place, event, words: words.into() }
    }

    /// A document that cannot be taken: it counts as not fetched (VoiceXML 2.0 §5.2.6).
    pub(crate) fn badfetch(place: Place, words: impl Into<String>) -> Problem {
        Problem::new(place, "error.badfetch", words)
    }
}
