//! SIP and SIPS URIs (RFC 3261 §19.1), tel URIs (RFC 3966).

mod compare;
mod escape;
pub(crate) mod view;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use self::view::UriView;
use crate::message::{ParseError, lex};

/// `sip:user@host:port;params?headers`, owned. Comparison with `==` is textual; [`Uri::matches`] is RFC 3261 §19.1.4.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Uri {
    pub scheme: Scheme,
    /// Unescaped user part (for `tel`, the number).
    pub user: Option<String>,
    /// Unescaped; RFC 3261 §19.1.1 advises against it and nothing here makes one, but what came is passed on.
    #[serde(default)]
    pub password: Option<String>,
    /// Host as written: a name, an IPv4 address, or an IPv6 address without its brackets. Empty for `tel`; all that
    /// follows the colon for a scheme that is not known.
    pub host: String,
    pub port: Option<u16>,
    /// Parameters in order, unescaped, names in lower case.
    pub params: Vec<(String, Option<String>)>,
    /// Unescaped, in order.
    pub headers: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Scheme {
    Sip,
    Sips,
    Tel,
    /// In lower case.
    Other(String),
}

impl Scheme {
    pub fn as_str(&self) -> &str {
        match self {
            Scheme::Sip => "sip",
            Scheme::Sips => "sips",
            Scheme::Tel => "tel",
            Scheme::Other(name) => name,
        }
    }

    fn new(text: &str) -> Scheme {
        match text.to_ascii_lowercase().as_str() {
            "sip" => Scheme::Sip,
            "sips" => Scheme::Sips,
            "tel" => Scheme::Tel,
            other => Scheme::Other(other.to_owned()),
        }
    }
}

impl Uri {
    /// `sip:user@host:port`. An IPv6 host may come with or without brackets.
    pub fn sip(user: Option<&str>, host: impl fmt::Display, port: Option<u16>) -> Uri {
        let host = host.to_string();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).map(str::to_owned).unwrap_or(host);
        Uri {
            scheme: Scheme::Sip,
            user: user.map(str::to_owned),
            password: None,
            host,
            port,
            params: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// `tel:+…`
    pub fn tel(number: &str) -> Uri {
        Uri { scheme: Scheme::Tel, ..Uri::sip(Some(number), "", None) }
    }

    /// One URI and nothing else: no brackets, no white space.
    pub fn parse(text: &str) -> Result<Uri, ParseError> {
        Uri::from_view(&UriView::scan(text)?)
    }

    pub(crate) fn from_view(view: &UriView<'_>) -> Result<Uri, ParseError> {
        let decode_some = |text: Option<&str>, part| text.map(|text| escape::decode(text, part)).transpose();
        let mut params = Vec::new();
        for (name, value) in view.params() {
            let name = escape::decode(name, "URI parameter")?.to_ascii_lowercase();
            params.push((name, decode_some(value, "URI parameter")?));
        }
        let mut headers = Vec::new();
        for (name, value) in view.headers() {
            headers.push((escape::decode(name, "URI header")?, escape::decode(value.unwrap_or(""), "URI header")?));
        }
        Ok(Uri {
            scheme: Scheme::new(view.scheme),
            user: decode_some(view.user, "URI user")?,
            password: decode_some(view.password, "URI password")?,
            host: view.host.to_owned(),
            port: view.port,
            params,
            headers,
        })
    }

    /// `None` when absent, `Some(None)` when it has no value (`;lr`).
    pub fn param(&self, name: &str) -> Option<Option<&str>> {
        let found = self.params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(found.1.as_deref())
    }

    /// Adds the parameter, or replaces it where it stands.
    pub fn with_param(mut self, name: &str, value: Option<&str>) -> Uri {
        let value = value.map(str::to_owned);
        match self.params.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(param) => param.1 = value,
            None => self.params.push((name.to_ascii_lowercase(), value)),
        }
        self
    }

    /// Without its embedded headers, which must not stand in a Request-URI (RFC 3261 §19.1.1).
    pub fn without_headers(mut self) -> Uri {
        self.headers.clear();
        self
    }

    /// The host as an address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Equality by the rules of RFC 3261 §19.1.4; for `tel` those of RFC 3966 §4.
    pub fn matches(&self, other: &Uri) -> bool {
        compare::matches(self, other)
    }
}

impl FromStr for Uri {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Uri, ParseError> {
        Uri::parse(text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme.as_str())?;
        match &self.scheme {
            Scheme::Tel => f.write_str(self.user.as_deref().unwrap_or(""))?,
            Scheme::Other(_) => return f.write_str(&self.host),
            Scheme::Sip | Scheme::Sips => {
                if let Some(user) = &self.user {
                    escape::write(f, user, lex::is_user_byte)?;
                    if let Some(password) = &self.password {
                        f.write_str(":")?;
                        escape::write(f, password, lex::is_password_byte)?;
                    }
                    f.write_str("@")?;
                }
                match self.host.contains(':') {
                    true => write!(f, "[{}]", self.host)?,
                    false => f.write_str(&self.host)?,
                }
                if let Some(port) = self.port {
                    write!(f, ":{port}")?;
                }
            }
        }
        for (name, value) in &self.params {
            f.write_str(";")?;
            // A bare `=` in a name would split it elsewhere.
            escape::write(f, name, |byte| lex::is_uri_param_byte(byte) && byte != b'=')?;
            if let Some(value) = value {
                f.write_str("=")?;
                escape::write(f, value, lex::is_uri_param_byte)?;
            }
        }
        for (i, (name, value)) in self.headers.iter().enumerate() {
            f.write_str(if i == 0 { "?" } else { "&" })?;
            escape::write(f, name, lex::is_uri_header_byte)?;
            f.write_str("=")?;
            escape::write(f, value, lex::is_uri_header_byte)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
