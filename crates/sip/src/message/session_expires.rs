//! Session-Expires and Min-SE (RFC 4028 §4, §5).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::params::{self, Params};
use super::{Name, ParseError, Typed, lex};

/// Who refreshes the session: the caller or the called side of the request that set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refresher {
    Uac,
    Uas,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionExpires {
    /// Seconds.
    pub interval: u32,
    pub refresher: Option<Refresher>,
    /// Other parameters, in order.
    pub params: Vec<(String, Option<String>)>,
}

impl SessionExpires {
    pub fn new(interval: u32, refresher: Option<Refresher>) -> SessionExpires {
        SessionExpires { interval, refresher, params: Vec::new() }
    }
}

impl Typed for SessionExpires {
    const NAME: Name = Name::SessionExpires;

    fn read(text: &str) -> Result<SessionExpires, ParseError> {
        let (interval, mut params) = seconds_and_params(text)?;
        let at = params.iter().position(|(name, _)| name == "refresher");
        let refresher = match at.map(|at| params.remove(at).1.unwrap_or_default().to_ascii_lowercase()).as_deref() {
            None => None,
            Some("uac") => Some(Refresher::Uac),
            Some("uas") => Some(Refresher::Uas),
            Some(_) => return Err(ParseError::new("refresher: expected uac or uas", 0)),
        };
        Ok(SessionExpires { interval, refresher, params })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.interval)?;
        match self.refresher {
            None => {}
            Some(Refresher::Uac) => f.write_str(";refresher=uac")?,
            Some(Refresher::Uas) => f.write_str(";refresher=uas")?,
        }
        params::write(f, &self.params)
    }
}

/// The least Session-Expires that somebody on the way accepts, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinSe(pub u32);

impl Typed for MinSe {
    const NAME: Name = Name::MinSe;

    fn read(text: &str) -> Result<MinSe, ParseError> {
        seconds_and_params(text).map(|(seconds, _)| MinSe(seconds))
    }
}

impl fmt::Display for MinSe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn seconds_and_params(text: &str) -> Result<(u32, params::Owned), ParseError> {
    let (seconds, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    let seconds =
        lex::delta_seconds(lex::trim(seconds)).ok_or_else(|| ParseError::new("expected a number of seconds", 0))?;
    Params::check(rest)?;
    Ok((seconds, params::owned(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let read = SessionExpires::read("1800 ; Refresher = UAS;x=y").unwrap();
        assert_eq!((read.interval, read.refresher), (1800, Some(Refresher::Uas)));
        assert_eq!(read.to_string(), "1800;refresher=uas;x=y");
        assert_eq!(SessionExpires::read("90").unwrap(), SessionExpires::new(90, None));
        assert_eq!(MinSe::read("90;a").unwrap().to_string(), "90");
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in ["", "x", "-1", "1800;refresher=me", "1800;;", "1 800"] {
            assert!(SessionExpires::read(text).is_err(), "{text}");
        }
        assert!(MinSe::read("soon").is_err());
    }
}
