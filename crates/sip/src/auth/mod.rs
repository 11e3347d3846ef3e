//! Digest authentication (RFC 7616, RFC 8760): challenges, answers, nonces with count and stale. Bearer tokens (RFC 8898)
//! as far as SIP knows them.
//!
//! Pure: HA1s are given by the caller; secrets are compared in constant time.

mod bearer;
mod challenge;
mod credentials;
mod hash;
mod verifier;

pub use self::bearer::{BearerChallenge, bearer};
pub use self::challenge::{Challenge, Qop};
pub use self::credentials::{Credentials, answer};
pub use self::hash::{Algorithm, ha1};
pub use self::verifier::{Verdict, Verifier};

use crate::message::{ParseError, lex, list::List};

/// `name=value` pairs of a header field whose scheme is Digest: names as written, values without quotes.
fn digest_params(text: &str) -> Result<Vec<(&str, String)>, ParseError> {
    let text = lex::trim(text);
    let (scheme, rest) = text.split_at(text.find([' ', '\t']).unwrap_or(text.len()));
    if !scheme.eq_ignore_ascii_case("Digest") {
        return Err(ParseError::new("expected the scheme Digest, the only one known here", 0));
    }
    let mut params = Vec::new();
    // RFC 9110 §5.6.1: empty items of a list are to be skipped.
    for item in List::new(rest).filter(|item| !item.is_empty()) {
        let (name, value) = item.split_once('=').map(|(n, v)| (lex::trim(n), lex::trim(v))).unwrap_or((item, ""));
        let whole = !value.starts_with('"') || lex::quoted_len(value) == Some(value.len());
        if !lex::is_token(name) || value.is_empty() || !whole {
            return Err(ParseError::new("expected `name=value` between commas", 0));
        }
        if params.iter().any(|(known, _): &(&str, String)| known.eq_ignore_ascii_case(name)) {
            return Err(ParseError::new("expected each name once", 0));
        }
        params.push((name, lex::unquote(value).into_owned()));
    }
    Ok(params)
}

fn take(params: &mut Vec<(&str, String)>, name: &str) -> Option<String> {
    let at = params.iter().position(|(n, _)| n.eq_ignore_ascii_case(name))?;
    Some(params.swap_remove(at).1)
}

fn need(params: &mut Vec<(&str, String)>, name: &str) -> Result<String, ParseError> {
    take(params, name).ok_or_else(|| ParseError::new(format!("expected {name}"), 0))
}
