//! The Bearer scheme (RFC 8898 §4, RFC 6750 §2.1): a token in Authorization, and the challenge that asks for one. What a
//! token says is not SIP's.

use std::fmt;

use crate::message::lex;

/// The token of an Authorization value of this scheme; `None` where it is of another. Not yet looked at.
pub fn bearer(field: &str) -> Option<&str> {
    let (scheme, rest) = lex::trim(field).split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| lex::trim(rest))
}

/// WWW-Authenticate of this scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerChallenge<'a> {
    pub realm: &'a str,
    /// An https URI: where to get a token.
    pub authorization_server: &'a str,
    /// Of a token that was given (RFC 6750 §3.1).
    pub error: Option<&'static str>,
}

impl fmt::Display for BearerChallenge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BearerChallenge { realm, authorization_server, error } = self;
        write!(f, "Bearer realm={},authz_server={}", lex::quote(realm), lex::quote(authorization_server))?;
        error.map_or(Ok(()), |error| write!(f, ",error={}", lex::quote(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_stands_behind_the_scheme() {
        assert_eq!(bearer("Bearer a.b.c"), Some("a.b.c"));
        assert_eq!(bearer(" bearer\t a.b.c "), Some("a.b.c"));
        for other in ["Digest username=\"x\"", "Bearer", "Bearera.b.c", ""] {
            assert_eq!(bearer(other), None, "{other}");
        }
    }

    #[test]
    fn a_challenge_says_where_tokens_are_given() {
        let challenge = BearerChallenge { realm: "lab", authorization_server: "https://idp.example/a", error: None };
        assert_eq!(challenge.to_string(), "Bearer realm=\"lab\",authz_server=\"https://idp.example/a\"");
        let refused = BearerChallenge { error: Some("invalid_token"), ..challenge };
        assert!(refused.to_string().ends_with(",error=\"invalid_token\""));
    }
}
