//! Warning (RFC 3261 §20.43): words for the person who looks for the cause.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Name, ParseError, Typed, lex};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Three digits; 399 is the miscellaneous one.
    pub code: u16,
    /// Who warns: a host or a pseudonym.
    pub agent: String,
    pub text: String,
}

impl Warning {
    pub fn new(code: u16, agent: &str, text: &str) -> Warning {
        Warning { code, agent: agent.to_owned(), text: text.to_owned() }
    }
}

impl Typed for Warning {
    const NAME: Name = Name::Warning;

    fn read(text: &str) -> Result<Warning, ParseError> {
        let mut words = lex::trim(text).splitn(3, ' ');
        let (code, agent, text) =
            (words.next().unwrap_or(""), words.next().unwrap_or(""), lex::trim(words.next().unwrap_or("")));
        let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
        match code.parse() {
            Ok(code) if is_code && !agent.is_empty() && lex::quoted_len(text) == Some(text.len()) => {
                Ok(Warning { code, agent: agent.to_owned(), text: lex::unquote(text).into_owned() })
            }
            _ => Err(ParseError::new("expected three digits, an agent and quoted text", 0)),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {} {}", self.code, self.agent, lex::quote(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let text = "307 isi.edu:5061 \"Session parameter 'foo' not \\\"understood\\\"\"";
        let read = Warning::read(text).unwrap();
        assert_eq!((read.code, read.agent.as_str()), (307, "isi.edu:5061"));
        assert_eq!(read.to_string(), text);
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in ["", "399", "399 a", "399 a b", "1812 overture \"In Progress\"", "399 a \"open", "399 a \"b\" c"] {
            assert!(Warning::read(text).is_err(), "{text}");
        }
    }
}
