//! Session-ID (RFC 7989 §5): the two ends of a session, named the same by every hop.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::params::{self, Params};
use super::{Name, ParseError, Typed, lex};

/// One end of a session: 128 bits, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionUuid(pub [u8; 16]);

impl SessionUuid {
    /// The end that is not known yet: 32 zeros (RFC 7989 §5).
    pub const NULL: SessionUuid = SessionUuid([0; 16]);

    pub fn is_null(self) -> bool {
        self == SessionUuid::NULL
    }
}

impl FromStr for SessionUuid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<SessionUuid, ParseError> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(text, 16) {
            Ok(number) if is_hex => Ok(SessionUuid(number.to_be_bytes())),
            _ => Err(ParseError::new("expected 32 hexadecimal digits", 0)),
        }
    }
}

impl fmt::Display for SessionUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// As seen by whoever sent the message: its own end first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionId {
    pub local: SessionUuid,
    /// Absent from peers of RFC 7329, the Session-ID before this one.
    pub remote: Option<SessionUuid>,
    /// Other parameters (`logme`), in order.
    pub params: Vec<(String, Option<String>)>,
}

impl SessionId {
    pub fn new(local: SessionUuid, remote: SessionUuid) -> SessionId {
        SessionId { local, remote: Some(remote), params: Vec::new() }
    }

    /// The other end's view of the same session.
    pub fn mirrored(&self) -> SessionId {
        SessionId::new(self.remote.unwrap_or(SessionUuid::NULL), self.local)
    }
}

impl Typed for SessionId {
    const NAME: Name = Name::SessionId;

    fn read(text: &str) -> Result<SessionId, ParseError> {
        let (local, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        Params::check(rest)?;
        let mut params = params::owned(rest)?;
        let remote = params.iter().position(|(name, _)| name == "remote").map(|at| params.remove(at).1);
        let remote = remote.map(|value| value.unwrap_or_default().parse()).transpose()?;
        Ok(SessionId { local: lex::trim(local).parse()?, remote, params })
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.local)?;
        if let Some(remote) = self.remote {
            write!(f, ";remote={remote}")?;
        }
        params::write(f, &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: &str = "ab30317f1a784dc48ff824d0d3715d86";
    const REMOTE: &str = "47755a9de7794ba387653f2099600ef2";

    #[test]
    fn reads_and_writes() {
        let text = format!("{LOCAL};remote={REMOTE}");
        let read = SessionId::read(&text).unwrap();
        assert_eq!(read.to_string(), text);
        assert_eq!(read.mirrored().to_string(), format!("{REMOTE};remote={LOCAL}"));
        let first = format!("{LOCAL};remote=00000000000000000000000000000000;logme");
        let read = SessionId::read(&first).unwrap();
        assert!(read.remote.unwrap().is_null());
        assert_eq!(read.to_string(), first);
        assert_eq!(SessionId::read(&LOCAL.to_uppercase()).unwrap().to_string(), LOCAL);
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in [
            "",
            "ab",
            &LOCAL[1..],
            &format!("+{}", &LOCAL[1..]),
            &format!("{LOCAL};remote"),
            &format!("{LOCAL};;"),
            &format!("{LOCAL}0"),
        ] {
            assert!(SessionId::read(text).is_err(), "{text}");
        }
    }
}
