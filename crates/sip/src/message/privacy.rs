//! Privacy (RFC 3323 §4.2, RFC 3325 §9.3): what of a caller's identity must not reach the called.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Name, ParseError, Typed, lex};

/// The values in order, in lower case: `id`, `header`, `session`, `user`, `none`, `critical`, `history`, …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privacy(pub Vec<String>);

impl Privacy {
    pub fn has(&self, value: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(value))
    }

    /// P-Asserted-Identity stays within the trust domain.
    pub fn hides_identity(&self) -> bool {
        self.has("id")
    }

    /// Its sender wants nothing hidden, whatever a network's default is.
    pub fn is_none(&self) -> bool {
        self.has("none")
    }
}

impl Typed for Privacy {
    const NAME: Name = Name::Privacy;

    fn read(text: &str) -> Result<Privacy, ParseError> {
        // The grammar has semicolons; commas are met.
        let values: Vec<String> = text.split([';', ',']).map(|value| lex::trim(value).to_ascii_lowercase()).collect();
        match values.iter().all(|value| lex::is_token(value)) {
            true => Ok(Privacy(values)),
            false => Err(ParseError::new("expected values such as `id`, parted by semicolons", 0)),
        }
    }
}

impl fmt::Display for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let read = Privacy::read("Header ; id;critical").unwrap();
        assert!(read.hides_identity() && read.has("HEADER") && !read.is_none());
        assert_eq!(read.to_string(), "header;id;critical");
        assert_eq!(Privacy::read("id, user").unwrap().0, ["id", "user"]);
        for text in ["", ";", "id;", "a b"] {
            assert!(Privacy::read(text).is_err(), "{text}");
        }
    }
}
