//! Via (RFC 3261 §20.42, §18.2; `rport` of RFC 3581): the way back.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::params::{self, Params};
use super::{Name, ParseError, Typed, lex};
use crate::transport::Transport;
use crate::uri::view::hostport;

/// What branches made by RFC 3261 elements start with.
pub const BRANCH_COOKIE: &str = "z9hG4bK";

/// One hop: `SIP/2.0/TLS host:port;branch=…`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Via {
    /// As written, in upper case: `UDP`, `TCP`, `TLS`, or one that we do not speak.
    pub protocol: String,
    /// Host of sent-by; an IPv6 address without its brackets.
    pub host: String,
    pub port: Option<u16>,
    /// In order, names in lower case, values as written.
    pub params: Vec<(String, Option<String>)>,
}

impl Via {
    pub fn new(transport: Transport, sent_by: SocketAddr, branch: &str) -> Via {
        Via {
            protocol: transport.as_str().to_owned(),
            host: sent_by.ip().to_string(),
            port: Some(sent_by.port()),
            params: vec![("branch".to_owned(), Some(branch.to_owned()))],
        }
    }

    /// `None` for a protocol that we do not speak.
    pub fn transport(&self) -> Option<Transport> {
        let known = [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss];
        known.into_iter().find(|t| t.as_str() == self.protocol)
    }

    pub fn branch(&self) -> Option<&str> {
        self.value("branch")
    }

    /// The address that the request came from, if the one who received it had to say so.
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.value("received")?;
        // RFC 5118 §4.5: with and without brackets are both met.
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// `None` without `rport`, `Some(None)` when the sender asks for it, `Some(Some(port))` when it has been filled in.
    pub fn rport(&self) -> Option<Option<u16>> {
        let (_, value) = self.params.iter().find(|(name, _)| name == "rport")?;
        Some(value.as_deref().and_then(|port| port.parse().ok()))
    }

    /// Asks for symmetric response routing (RFC 3581 §3).
    pub fn with_rport(mut self) -> Via {
        if self.rport().is_none() {
            self.params.push(("rport".to_owned(), None));
        }
        self
    }

    /// The port of sent-by, or the transport's default.
    pub fn sent_port(&self) -> u16 {
        self.port.or_else(|| self.transport().map(Transport::default_port)).unwrap_or(5060)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name)?.1.as_deref()
    }
}

impl Typed for Via {
    const NAME: Name = Name::Via;

    fn read(text: &str) -> Result<Via, ParseError> {
        let view = ViaView::scan(text)?;
        Ok(Via {
            protocol: view.protocol.to_ascii_uppercase(),
            host: view.host.to_owned(),
            port: view.port,
            params: params::owned(view.params)?,
        })
    }
}

impl FromStr for Via {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Via, ParseError> {
        Via::read(text)
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} ", self.protocol)?;
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        params::write(f, &self.params)
    }
}

/// The same in place: parts as slices, checked, nothing copied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViaView<'a> {
    pub(crate) protocol: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    /// With the leading `;`.
    pub(crate) params: &'a str,
}

impl<'a> ViaView<'a> {
    pub(crate) fn scan(text: &'a str) -> Result<ViaView<'a>, ParseError> {
        let mut parts = text.splitn(3, '/');
        let mut part = || lex::trim(parts.next().unwrap_or(""));
        let (name, version, rest) = (part(), part(), part());
        if !name.eq_ignore_ascii_case("SIP") || version != "2.0" {
            return Err(ParseError::new("expected `SIP/2.0/` and a transport", 0));
        }
        let len = rest.bytes().take_while(|b| lex::is_token_byte(*b)).count();
        let (protocol, sent_by) = rest.split_at(len);
        let at = |part: &str| text.len() - part.len();
        if protocol.is_empty() || !sent_by.starts_with([' ', '\t', '\r', '\n']) {
            return Err(ParseError::new("expected a transport, white space and sent-by", at(rest)));
        }
        let sent_by = lex::trim_start(sent_by);
        let (host, port, params) = sent_by_parts(sent_by).map_err(|error| error.moved(at(sent_by)))?;
        Params::check(params).map_err(|error| error.moved(at(params)))?;
        Ok(ViaView { protocol, host, port, params })
    }

    pub(crate) fn branch(&self) -> Option<&'a str> {
        Params::find(self.params, "branch").flatten()
    }
}

/// sent-by alone allows white space around its colon (RFC 3261 §25.1, COLON).
fn sent_by_parts(text: &str) -> Result<(&str, Option<u16>, &str), ParseError> {
    let (host, port, rest) = hostport(text)?;
    let spaced = lex::trim_start(rest);
    let Some(digits) = spaced.strip_prefix(':').map(lex::trim_start).filter(|_| port.is_none()) else {
        return Ok((host, port, rest));
    };
    let len = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (port, rest) = digits.split_at(len);
    match port.parse() {
        Ok(port) => Ok((host, Some(port), rest)),
        Err(_) => Err(ParseError::new("port: expected a number up to 65535", text.len() - digits.len())),
    }
}

/// The topmost Via value as a server must keep it (RFC 3261 §18.2.1, RFC 3581 §4): `received` when the sender's address
/// is not its sent-by, or it asked with `rport`; `rport` filled in when asked. `None` when nothing needs to change.
pub(crate) fn stamp(value: &str, remote: SocketAddr) -> Option<String> {
    let view = ViaView::scan(value).ok()?;
    let asked = Params::find(view.params, "rport").is_some_and(|value| value.is_none_or(str::is_empty));
    let same = view.host.parse() == Ok(remote.ip());
    if same && !asked {
        return None;
    }
    let sent_by = value.strip_suffix(view.params)?;
    let mut stamped = String::with_capacity(value.len() + 64);
    stamped.push_str(sent_by);
    for (name, given) in Params::new(view.params).map_while(Result::ok) {
        // What the sender wrote of `received` itself is not for it to say.
        let written = match name {
            _ if name.eq_ignore_ascii_case("received") => Ok(()),
            _ if name.eq_ignore_ascii_case("rport") && asked => write!(stamped, ";rport={}", remote.port()),
            _ => match given {
                Some(given) => write!(stamped, ";{name}={given}"),
                None => write!(stamped, ";{name}"),
            },
        };
        written.ok()?;
    }
    write!(stamped, ";received={}", remote.ip()).ok()?;
    Some(stamped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let via = Via::read("SIP / 2.0 / udp  [2001:db8::9:1] : 5061 ; branch = z9hG4bKas3-111 ;rport;received=[::1]")
            .unwrap();
        assert_eq!((via.protocol.as_str(), via.host.as_str(), via.port), ("UDP", "2001:db8::9:1", Some(5061)));
        assert_eq!(via.branch(), Some("z9hG4bKas3-111"));
        assert_eq!(via.rport(), Some(None));
        assert_eq!(via.received(), Some("::1".parse().unwrap()));
        assert_eq!(via.to_string(), "SIP/2.0/UDP [2001:db8::9:1]:5061;branch=z9hG4bKas3-111;rport;received=[::1]");
        assert_eq!(Via::read(&via.to_string()).unwrap(), via);
        let bare = Via::read("SIP/2.0/TLS host").unwrap();
        assert_eq!((bare.branch(), bare.sent_port(), bare.transport()), (None, 5061, Some(Transport::Tls)));
        assert_eq!(Via::read("SIP/2.0/UNKNOWN t4.example.com").unwrap().transport(), None);
        assert_eq!(
            Via::read("SIP/2.0/UDP 192.0.2.4;received=2001:db8::1").unwrap().received(),
            "2001:db8::1".parse().ok()
        );
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/7.0/UDP c.example.com",
            "HTTP/2.0/UDP a",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP a:99999",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP [::1;branch=x",
        ] {
            assert!(Via::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn stamped_only_when_needed() {
        let remote = "192.0.2.7:4711".parse().unwrap();
        let check = |value: &str, expect: Option<&str>| assert_eq!(stamp(value, remote).as_deref(), expect, "{value}");
        check("SIP/2.0/TLS 192.0.2.7:5061;branch=z9hG4bKa", None);
        check(
            "SIP/2.0/UDP 192.0.2.7;rport;branch=z9hG4bKa",
            Some("SIP/2.0/UDP 192.0.2.7;rport=4711;branch=z9hG4bKa;received=192.0.2.7"),
        );
        check(
            "SIP/2.0/UDP h.example;branch=z9hG4bKa",
            Some("SIP/2.0/UDP h.example;branch=z9hG4bKa;received=192.0.2.7"),
        );
        check(
            "SIP/2.0/TCP 10.0.0.1;branch=z9hG4bKa;received=10.9.9.9",
            Some("SIP/2.0/TCP 10.0.0.1;branch=z9hG4bKa;received=192.0.2.7"),
        );
    }
}
