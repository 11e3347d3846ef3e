//! Diversion (RFC 5806): by whom and why a call was sent on, the last diversion first. Older than History-Info and what most
//! carriers speak.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Name, NameAddr, ParseError, Typed};
use crate::uri::Uri;

/// One diversion: who was called, with the parameters that say why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diversion(pub NameAddr);

impl Diversion {
    /// `reason`: `user-busy`, `no-answer`, `unconditional`, `deflection`, …
    pub fn new(from: Uri, reason: &str) -> Diversion {
        Diversion(NameAddr::new(from).with_param("reason", Some(reason)).with_param("counter", Some("1")))
    }

    pub fn reason(&self) -> Option<Cow<'_, str>> {
        self.0.param("reason")
    }

    /// How many diversions this entry stands for; 1 when it does not say.
    pub fn counter(&self) -> u32 {
        self.0.param("counter").and_then(|text| text.parse().ok()).unwrap_or(1)
    }

    /// Whether the number may be shown: `full`, `uri`, `name`, `off` (RFC 5806 §4.1).
    pub fn is_private(&self) -> bool {
        self.0.param("privacy").is_some_and(|value| !value.eq_ignore_ascii_case("off"))
    }
}

impl Typed for Diversion {
    const NAME: Name = Name::Diversion;

    fn read(text: &str) -> Result<Diversion, ParseError> {
        NameAddr::parse(text).map(Diversion)
    }
}

impl fmt::Display for Diversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let read = Diversion::read("<tel:+4930123>;Reason=user-busy;counter=2;privacy=full").unwrap();
        assert_eq!((read.reason().as_deref(), read.counter(), read.is_private()), (Some("user-busy"), 2, true));
        assert_eq!(Diversion::read(&read.to_string()).unwrap(), read);
        let made = Diversion::new(Uri::parse("sip:1001@lab.example").unwrap(), "no-answer");
        assert_eq!(made.to_string(), "<sip:1001@lab.example>;reason=no-answer;counter=1");
        assert!(!made.is_private() && Diversion::read("").is_err());
    }
}
