//! Event (RFC 6665 §8.2.1).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::params;
use super::{Name, ParseError, Typed, lex};

/// What a subscription is about: package, and `id` when a dialog has several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventHeader {
    /// With templates, as written: case matters (RFC 6665 §8.2.1).
    pub package: String,
    /// In order, `id` among them.
    pub params: Vec<(String, Option<String>)>,
}

impl EventHeader {
    pub fn new(package: &str) -> EventHeader {
        EventHeader { package: package.to_owned(), params: Vec::new() }
    }

    pub fn id(&self) -> Option<&str> {
        self.params.iter().find(|(name, _)| name == "id")?.1.as_deref()
    }

    /// The same subscription: package and id alike (RFC 6665 §8.2.1); other parameters do not count.
    pub fn matches(&self, other: &EventHeader) -> bool {
        self.package == other.package && self.id() == other.id()
    }
}

impl Typed for EventHeader {
    const NAME: Name = Name::Event;

    fn read(text: &str) -> Result<EventHeader, ParseError> {
        let (package, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let package = lex::trim(package);
        if !lex::is_token(package) {
            return Err(ParseError::new("expected the name of an event package", 0));
        }
        Ok(EventHeader { package: package.to_owned(), params: params::owned(rest)? })
    }
}

impl fmt::Display for EventHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.package)?;
        params::write(f, &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let read = EventHeader::read("refer ; id=93809824").unwrap();
        assert_eq!((read.package.as_str(), read.id()), ("refer", Some("93809824")));
        assert_eq!(read.to_string(), "refer;id=93809824");
        assert!(read.matches(&EventHeader::read("refer;x=y;id=93809824").unwrap()));
        assert!(!read.matches(&EventHeader::new("refer")));
        assert!(!EventHeader::new("Refer").matches(&EventHeader::new("refer")));
        assert!(EventHeader::read("message-summary").unwrap().id().is_none());
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in ["", ";id=1", "a b", "a;;"] {
            assert!(EventHeader::read(text).is_err(), "{text}");
        }
    }
}
