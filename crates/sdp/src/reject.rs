//! Refusals: a description that cannot be had, as a value (RFC 3261 §21.4.26, §20.43).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::session::ParseError;

/// Why a description cannot be had. A value, not an error: it becomes a 488 with a Warning (RFC 3261 §20.43).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// 488 as a rule; 400 for what is not SDP.
    pub status: u16,
    /// The rule and what to do, in words.
    pub rule: String,
    /// What the peer's description said. Never a key; safe inside a quoted string.
    pub offered: String,
    /// What it would have had to say.
    pub required: String,
}

impl Reject {
    pub(crate) fn new(rule: &str, offered: impl AsRef<str>, required: impl Into<String>) -> Reject {
        Reject { status: 488, rule: rule.to_owned(), offered: presentable(offered.as_ref()), required: required.into() }
    }

    pub(crate) fn malformed(error: &ParseError) -> Reject {
        Reject {
            status: 400,
            rule: "the body must be a session description (RFC 8866); mend the sender".to_owned(),
            offered: presentable(&format!("line {}: {}", error.line, error.found)),
            required: error.expected.to_owned(),
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; offered: {}; required: {}", self.rule, self.offered, self.required)
    }
}

/// The peer's words end up in a quoted string of a Warning header and in logs: printable ASCII without quotes, bounded.
pub(crate) fn presentable(text: &str) -> String {
    const MOST: usize = 160;
    text.chars()
        .take(MOST)
        .map(|c| match c {
            '"' | '\\' => '\'',
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Reject;

    #[test]
    fn the_peers_words_cannot_break_out_of_a_quoted_string() {
        let reject = Reject::new("rule", "RTP/\"AVP\\\r\nInjected: header\u{7f}ü", "RTP/SAVP");
        assert_eq!(reject.offered, "RTP/'AVP'??Injected: header??");
        assert!(Reject::new("r", "x".repeat(5000), "y").offered.len() <= 160);
    }
}
