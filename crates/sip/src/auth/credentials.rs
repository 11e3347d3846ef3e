//! Authorization and Proxy-Authorization (RFC 7616 §3.4, RFC 3261 §20.7): the answer to a challenge.

use std::fmt;
use std::str::FromStr;

use super::{Algorithm, Challenge, Qop, digest_params, ha1, need, take};
use crate::message::{Method, ParseError, lex};

/// An answer. Its Debug shows no response: with it, a password could be guessed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub realm: String,
    pub nonce: String,
    /// digest-uri: usually the Request-URI as the client wrote it.
    pub uri: String,
    pub response: String,
    pub algorithm: Algorithm,
    pub qop: Qop,
    pub cnonce: String,
    /// How often this nonce has been used, this time included.
    pub nc: u32,
    pub opaque: Option<String>,
}

impl Credentials {
    pub fn parse(text: &str) -> Result<Credentials, ParseError> {
        let mut params = digest_params(text)?;
        let algorithm = take(&mut params, "algorithm").unwrap_or_else(|| "MD5".to_owned());
        let Some(algorithm) = Algorithm::parse(&algorithm) else {
            return Err(ParseError::new("expected the algorithm MD5, SHA-256 or SHA-512-256", 0));
        };
        let qop = match take(&mut params, "qop").map(|qop| qop.to_ascii_lowercase()).as_deref() {
            None => Qop::Legacy,
            Some("auth") => Qop::Auth,
            Some("auth-int") => Qop::AuthInt,
            Some(_) => return Err(ParseError::new("expected qop auth or auth-int", 0)),
        };
        let (cnonce, nc) = match qop {
            Qop::Legacy => (String::new(), 0),
            Qop::Auth | Qop::AuthInt => {
                let count = need(&mut params, "nc")?;
                let is_count = count.len() == 8 && count.bytes().all(|byte| byte.is_ascii_hexdigit());
                let Some(nc) = u32::from_str_radix(&count, 16).ok().filter(|_| is_count) else {
                    return Err(ParseError::new("expected nc of eight hexadecimal digits", 0));
                };
                (need(&mut params, "cnonce")?, nc)
            }
        };
        Ok(Credentials {
            user: need(&mut params, "username")?,
            realm: need(&mut params, "realm")?,
            nonce: need(&mut params, "nonce")?,
            uri: need(&mut params, "uri")?,
            response: need(&mut params, "response")?,
            algorithm,
            qop,
            cnonce,
            nc,
            opaque: take(&mut params, "opaque"),
        })
    }

    /// The response that these credentials would have if made with this HA1. `body` matters to auth-int alone.
    pub(super) fn expected(&self, ha1: &str, method: &Method, body: &[u8]) -> String {
        let hash = |parts: &[&[u8]]| self.algorithm.hash(parts);
        let (method, uri) = (method.as_str().as_bytes(), self.uri.as_bytes());
        let ha2 = match self.qop {
            Qop::Legacy | Qop::Auth => hash(&[method, uri]),
            Qop::AuthInt => hash(&[method, uri, hash(&[body]).as_bytes()]),
        };
        let qop = match self.qop {
            Qop::Legacy => return hash(&[ha1.as_bytes(), self.nonce.as_bytes(), ha2.as_bytes()]),
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        };
        let nc = format!("{:08x}", self.nc);
        let parts = [ha1, &self.nonce, &nc, &self.cnonce, qop, &ha2];
        hash(&parts.map(str::as_bytes))
    }
}

/// Answers a challenge. `cnonce` must be fresh and unguessable; `nc` counts from 1 with each use of the same nonce.
/// `body` matters only when the challenge offers nothing but auth-int.
#[allow(clippy::too_many_arguments)] // RFC 7616 §3.4.1 has that many inputs.
pub fn answer(
    challenge: &Challenge,
    user: &str,
    password: &str,
    method: &Method,
    uri: &str,
    body: &[u8],
    cnonce: &str,
    nc: u32,
) -> Credentials {
    let mut credentials = Credentials {
        user: user.to_owned(),
        realm: challenge.realm.clone(),
        nonce: challenge.nonce.clone(),
        uri: uri.to_owned(),
        response: String::new(),
        algorithm: challenge.algorithm,
        qop: challenge.qop,
        cnonce: cnonce.to_owned(),
        nc,
        opaque: challenge.opaque.clone(),
    };
    let secret = ha1(challenge.algorithm, user, &challenge.realm, password);
    credentials.response = credentials.expected(&secret, method, body);
    credentials
}

impl FromStr for Credentials {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Credentials, ParseError> {
        Credentials::parse(text)
    }
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = [
            ("Digest username", &self.user),
            (",realm", &self.realm),
            (",nonce", &self.nonce),
            (",uri", &self.uri),
            (",response", &self.response),
        ];
        for (name, value) in quoted {
            write!(f, "{name}={}", lex::quote(value))?;
        }
        write!(f, ",algorithm={}", self.algorithm)?;
        if let Some(opaque) = &self.opaque {
            write!(f, ",opaque={}", lex::quote(opaque))?;
        }
        let qop = match self.qop {
            Qop::Legacy => return Ok(()),
            Qop::Auth => "auth",
            Qop::AuthInt => "auth-int",
        };
        write!(f, ",cnonce={},qop={qop},nc={:08x}", lex::quote(&self.cnonce), self.nc)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, nc {})", self.algorithm, self.nc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(algorithm: Algorithm, qop: Qop) -> Challenge {
        Challenge {
            realm: "http-auth@example.org".into(),
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".into(),
            algorithm,
            qop,
            stale: false,
            opaque: Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS".into()),
        }
    }

    fn response(algorithm: Algorithm, qop: Qop, body: &[u8]) -> String {
        let get = Method::Other("GET".into());
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let challenge = challenge(algorithm, qop);
        answer(&challenge, "Mufasa", "Circle of Life", &get, "/dir/index.html", body, cnonce, 1).response
    }

    /// MD5 and SHA-256 are the example of RFC 7616 §3.9.1. Its SHA-512-256 example was made with another hash (erratum
    /// 4897), so that value is OpenSSL's for the same inputs.
    #[test]
    fn examples() {
        assert_eq!(response(Algorithm::Md5, Qop::Auth, b""), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            response(Algorithm::Sha256, Qop::Auth, b""),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
        assert_eq!(
            response(Algorithm::Sha512_256, Qop::Auth, b""),
            "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0"
        );
    }

    #[test]
    fn the_body_matters_to_auth_int_alone() {
        assert_ne!(response(Algorithm::Sha256, Qop::AuthInt, b"a"), response(Algorithm::Sha256, Qop::AuthInt, b"b"));
        assert_eq!(response(Algorithm::Sha256, Qop::Auth, b"a"), response(Algorithm::Sha256, Qop::Auth, b"b"));
    }

    #[test]
    fn reads_what_it_writes() {
        for qop in [Qop::Legacy, Qop::Auth, Qop::AuthInt] {
            let mut made =
                answer(&challenge(Algorithm::Md5, qop), "u\"x", "p", &Method::Register, "sip:a", b"", "c", 17);
            if qop == Qop::Legacy {
                (made.cnonce, made.nc) = (String::new(), 0);
            }
            assert_eq!(Credentials::parse(&made.to_string()).unwrap(), made);
        }
        assert!(
            !format!("{:?}", answer(&challenge(Algorithm::Md5, Qop::Auth), "u", "p", &Method::Bye, "x", b"", "c", 1))
                .contains("realm")
        );
    }

    #[test]
    fn what_is_not_an_answer_is_refused() {
        let good =
            answer(&challenge(Algorithm::Md5, Qop::Auth), "u", "p", &Method::Bye, "sip:a", b"", "c", 1).to_string();
        for (from, to) in [
            ("nc=00000001", "nc=1"),
            ("nc=00000001", "nc=+0000001"),
            (",nc=00000001", ""),
            ("qop=auth", "qop=none"),
            ("username", "name"),
            ("algorithm=MD5", "algorithm=MD4"),
            ("Digest", "NoOneKnowsThisScheme"),
        ] {
            assert!(Credentials::parse(&good.replacen(from, to, 1)).is_err(), "{from} -> {to}");
        }
    }
}
