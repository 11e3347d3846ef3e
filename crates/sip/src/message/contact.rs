//! Contact as a whole (RFC 3261 §20.10, §10.2.2): addresses, or `*` for all of them.

use super::{Message, Name, NameAddr, ParseError, lex};

/// What the Contact fields of a message say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// Every binding of this address, to be removed.
    All,
    /// In order; empty when there is no Contact.
    Addresses(Vec<NameAddr>),
}

impl Message {
    /// All Contact values; 400 when `*` does not stand alone.
    pub fn contacts(&self) -> Result<Contacts, ParseError> {
        let mut addresses = Vec::new();
        let mut all = false;
        for value in self.values(&Name::Contact) {
            match value {
                "*" => all = true,
                value => addresses.push(NameAddr::parse(value).map_err(|error| error.inside("Contact"))?),
            }
        }
        match (all, addresses.is_empty()) {
            (true, true) => Ok(Contacts::All),
            (true, false) => Err(ParseError::new("Contact: expected `*` alone or addresses alone", 0)),
            (false, _) => Ok(Contacts::Addresses(addresses)),
        }
    }

    /// Expires of the message, in seconds; what does not fit is the most that can be said. `None` when it is absent or
    /// not a number, which is taken for the default (RFC 3261 §20.19).
    pub fn expires(&self) -> Option<u32> {
        self.header(&Name::Expires).and_then(lex::delta_seconds)
    }
}
