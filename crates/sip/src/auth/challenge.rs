//! WWW-Authenticate and Proxy-Authenticate (RFC 7616 §3.3, RFC 3261 §20.44).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Algorithm, digest_params, need, take};
use crate::message::{ParseError, lex};

/// What the answer protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Qop {
    /// Method and URI, without client nonce or count (RFC 2069): replay is not seen. Answered, never asked for.
    Legacy,
    /// Method and URI.
    Auth,
    /// Method, URI and body. Answered when nothing else is offered, never asked for.
    AuthInt,
}

/// One challenge. A response has one such field for each algorithm, the preferred first (RFC 8760 §2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    pub realm: String,
    pub nonce: String,
    pub algorithm: Algorithm,
    /// The best that is offered: auth before auth-int.
    pub qop: Qop,
    /// The credentials were right but the nonce is no longer good: answer again, without asking the user.
    pub stale: bool,
    /// To be given back as it is.
    pub opaque: Option<String>,
}

impl Challenge {
    /// Refuses schemes and algorithms that are not known: of several challenges, take one that can be read.
    pub fn parse(text: &str) -> Result<Challenge, ParseError> {
        let mut params = digest_params(text)?;
        let algorithm = take(&mut params, "algorithm").unwrap_or_else(|| "MD5".to_owned());
        let Some(algorithm) = Algorithm::parse(&algorithm) else {
            return Err(ParseError::new("expected the algorithm MD5, SHA-256 or SHA-512-256", 0));
        };
        let qop = match take(&mut params, "qop") {
            None => Qop::Legacy,
            Some(offered) => {
                let offers = |qop: &str| offered.split(',').any(|one| lex::trim(one).eq_ignore_ascii_case(qop));
                match (offers("auth"), offers("auth-int")) {
                    (true, _) => Qop::Auth,
                    (false, true) => Qop::AuthInt,
                    _ => return Err(ParseError::new("expected qop with auth or auth-int", 0)),
                }
            }
        };
        Ok(Challenge {
            realm: need(&mut params, "realm")?,
            nonce: need(&mut params, "nonce")?,
            algorithm,
            qop,
            stale: take(&mut params, "stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            opaque: take(&mut params, "opaque"),
        })
    }

    /// Of all challenges of a response the one to answer: the strongest that can be read.
    pub fn choose<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Challenge> {
        fields.filter_map(|field| Challenge::parse(field).ok()).max_by_key(|challenge| challenge.algorithm)
    }
}

impl FromStr for Challenge {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Challenge, ParseError> {
        Challenge::parse(text)
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest realm={},nonce={}", lex::quote(&self.realm), lex::quote(&self.nonce))?;
        if let Some(opaque) = &self.opaque {
            write!(f, ",opaque={}", lex::quote(opaque))?;
        }
        if self.stale {
            f.write_str(",stale=TRUE")?;
        }
        write!(f, ",algorithm={}", self.algorithm)?;
        match self.qop {
            Qop::Legacy => Ok(()),
            Qop::Auth => f.write_str(",qop=\"auth\""),
            Qop::AuthInt => f.write_str(",qop=\"auth-int\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let text = "digest  Realm=\"a, \\\"b\\\"\", nonce=\"n=\" , opaque=\"\",stale=true, algorithm=SHA-256, qop=\"auth-int, auth\",, x=y";
        let read = Challenge::parse(text).unwrap();
        assert_eq!(
            read,
            Challenge {
                realm: "a, \"b\"".into(),
                nonce: "n=".into(),
                algorithm: Algorithm::Sha256,
                qop: Qop::Auth,
                stale: true,
                opaque: Some(String::new()),
            }
        );
        let written =
            "Digest realm=\"a, \\\"b\\\"\",nonce=\"n=\",opaque=\"\",stale=TRUE,algorithm=SHA-256,qop=\"auth\"";
        assert_eq!(read.to_string(), written);
        assert_eq!(Challenge::parse(written).unwrap(), read);
        let legacy = Challenge::parse("Digest realm=r,nonce=n").unwrap();
        assert_eq!((legacy.algorithm, legacy.qop, legacy.stale), (Algorithm::Md5, Qop::Legacy, false));
    }

    #[test]
    fn what_cannot_be_answered_is_refused() {
        for text in [
            "",
            "Digest",
            "Basic realm=\"x\"",
            "Digest realm=\"x\"",
            "Digest realm=\"x\",nonce=\"n\",algorithm=MD5-sess",
            "Digest realm=\"x\",nonce=\"n\",qop=\"other\"",
            "Digest realm=\"x\",nonce=\"n",
            "Digest realm=\"x\" nonce=\"n\"",
            "Digest realm=\"x\",realm=\"y\",nonce=\"n\"",
        ] {
            assert!(Challenge::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_strongest_that_can_be_read_is_chosen() {
        let fields = ["Digest realm=a,nonce=1", "Digest realm=a,nonce=2,algorithm=SHA-256,qop=auth", "NoOneKnows x=y"];
        assert_eq!(Challenge::choose(fields.into_iter()).unwrap().nonce, "2");
        assert_eq!(Challenge::choose(["Basic realm=a"].into_iter()), None);
    }
}
