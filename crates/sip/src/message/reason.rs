//! Reason (RFC 3326): why a request was sent or a call ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::params::{self, get};
use super::{Name, ParseError, Status, Typed, lex};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// `SIP`, `Q.850`, or another that is registered.
    pub protocol: String,
    pub cause: Option<u16>,
    pub text: Option<String>,
    /// Other parameters, in order.
    pub params: Vec<(String, Option<String>)>,
}

impl Reason {
    pub fn sip(status: Status, text: &str) -> Reason {
        Reason { protocol: "SIP".into(), cause: Some(status.0), text: Some(text.into()), params: Vec::new() }
    }

    /// A cause of ITU-T Q.850: 16 normal clearing, 17 user busy, …
    pub fn q850(cause: u16, text: &str) -> Reason {
        Reason { protocol: "Q.850".into(), cause: Some(cause), text: Some(text.into()), params: Vec::new() }
    }
}

impl Typed for Reason {
    const NAME: Name = Name::Reason;

    fn read(text: &str) -> Result<Reason, ParseError> {
        let (protocol, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let protocol = lex::trim(protocol);
        if !lex::is_token(protocol) {
            return Err(ParseError::new("expected a protocol such as SIP or Q.850", 0));
        }
        let mut params = params::owned(rest)?;
        let cause = get(&params, "cause").map(|cause| cause.parse());
        let cause = cause.transpose().map_err(|_| ParseError::new("cause: expected a number", 0))?;
        let text = get(&params, "text").map(|text| text.into_owned());
        params.retain(|(name, _)| name != "cause" && name != "text");
        Ok(Reason { protocol: protocol.to_owned(), cause, text, params })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            write!(f, ";text={}", lex::quote(text))?;
        }
        params::write(f, &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let read = Reason::read("SIP ;cause=200 ;text=\"Call completed elsewhere\"").unwrap();
        assert_eq!(read, Reason::sip(Status(200), "Call completed elsewhere"));
        assert_eq!(Reason::q850(16, "a \"b\"").to_string(), "Q.850;cause=16;text=\"a \\\"b\\\"\"");
        let other = Reason::read("preemption;location=x;cause=1").unwrap();
        assert_eq!(other.to_string(), "preemption;cause=1;location=x");
        assert_eq!(Reason::read(&other.to_string()).unwrap(), other);
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in ["", ";cause=1", "SIP;cause=many", "SIP;cause=99999", "SIP;text=\"open"] {
            assert!(Reason::read(text).is_err(), "{text}");
        }
    }
}
