//! Retry-After (RFC 3261 §20.33).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::params::{self, get};
use super::{Name, ParseError, Typed, lex};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryAfter {
    /// What does not fit is the most that can be said.
    pub seconds: u32,
    /// In order: `duration` and others.
    pub params: Vec<(String, Option<String>)>,
}

impl RetryAfter {
    pub fn new(seconds: u32) -> RetryAfter {
        RetryAfter { seconds, params: Vec::new() }
    }

    /// For how many seconds it can be reached from then on.
    pub fn duration(&self) -> Option<u32> {
        lex::delta_seconds(&get(&self.params, "duration")?)
    }
}

impl Typed for RetryAfter {
    const NAME: Name = Name::RetryAfter;

    /// A comment in parentheses is skipped.
    fn read(text: &str) -> Result<RetryAfter, ParseError> {
        let text = lex::trim(text);
        let len = text.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = text.split_at(len);
        let seconds = lex::delta_seconds(digits).ok_or_else(|| ParseError::new("expected a number of seconds", 0))?;
        let rest = lex::trim_start(rest);
        let rest = match rest.starts_with('(') {
            true => after_comment(rest).ok_or_else(|| ParseError::new("expected `)` after a comment", len))?,
            false => rest,
        };
        Ok(RetryAfter { seconds, params: params::owned(rest)? })
    }
}

/// Comments nest, and a backslash takes the next character's meaning.
fn after_comment(text: &str) -> Option<&str> {
    let mut depth = 0u32;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '(' => depth += 1,
            ')' if depth == 1 => return text.get(at + 1..),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        params::write(f, &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let read = RetryAfter::read("18000 (I'm \\( in (a) meeting);duration=3600").unwrap();
        assert_eq!((read.seconds, read.duration()), (18000, Some(3600)));
        assert_eq!(read.to_string(), "18000;duration=3600");
        assert_eq!(RetryAfter::read("949302838503028349304023988").unwrap(), RetryAfter::new(u32::MAX));
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in ["", "soon", "5 (open", "5 x", "5;;", "-5"] {
            assert!(RetryAfter::read(text).is_err(), "{text}");
        }
    }
}
