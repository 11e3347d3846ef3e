//! A URI in place: its parts as slices, checked against the grammar, nothing copied (RFC 3261 §25.1, RFC 3966).

use std::net::Ipv6Addr;

use super::escape;
use crate::message::{ParseError, lex};

/// Parts of a URI as written. For a scheme other than `sip` and `sips` only `user` (tel) or `host` (any other: all
/// that follows the colon) and `params` (tel) are used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UriView<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    /// Without the leading `;`.
    pub(crate) params: &'a str,
    /// Without the leading `?`.
    pub(crate) headers: &'a str,
}

impl<'a> UriView<'a> {
    pub(crate) fn scan(text: &'a str) -> Result<UriView<'a>, ParseError> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(ParseError::new("URI: expected a scheme and `:`", 0));
        };
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        {
            return Err(ParseError::new("URI: expected a scheme of letters, digits, `+`, `-` and `.`", 0));
        }
        let offset = scheme.len() + 1;
        let view = if scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips") {
            sip(scheme, rest)
        } else if scheme.eq_ignore_ascii_case("tel") {
            tel(scheme, rest)
        } else {
            opaque(scheme, rest)
        };
        view.map_err(|error| error.moved(offset))
    }

    /// `name` and raw value of each parameter.
    pub(crate) fn params(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        pieces(self.params, ';')
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        pieces(self.headers, '&')
    }
}

fn pieces(text: &str, separator: char) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(separator).filter(|piece| !piece.is_empty()).map(|piece| match piece.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (piece, None),
    })
}

fn sip<'a>(scheme: &'a str, rest: &'a str) -> Result<UriView<'a>, ParseError> {
    // Neither parameters nor headers may hold an `@`, so the first one ends the user, whatever `;` and `?` it has.
    let (user, password, place) = match rest.split_once('@') {
        None => (None, None, rest),
        Some((userinfo, place)) => {
            let (user, password) = match userinfo.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (userinfo, None),
            };
            if user.is_empty() {
                return Err(ParseError::new("URI user: expected something before `@`", 0));
            }
            escape::check(user, lex::is_user_byte, "URI user")?;
            escape::check(password.unwrap_or(""), lex::is_password_byte, "URI password")?;
            (Some(user), password, place)
        }
    };
    let offset = rest.len() - place.len();
    let (host, port, tail) = hostport(place).map_err(|error| error.moved(offset))?;
    let (params, headers) = match tail.split_once('?') {
        Some((params, headers)) => (params, headers),
        None => (tail, ""),
    };
    let offset = rest.len() - tail.len();
    let params = match params.strip_prefix(';') {
        Some(params) => params,
        None if params.is_empty() => "",
        None => {
            return Err(ParseError::new("URI: expected `;`, `?` or the end after the host", offset));
        }
    };
    let view = UriView { scheme, user, password, host, port, params, headers };
    let nameless = |piece: &str| piece.is_empty() || piece.starts_with('=');
    if tail.starts_with(';') && params.split(';').any(nameless) {
        return Err(ParseError::new("URI parameter: expected a name after `;`", offset));
    }
    for (name, value) in view.params() {
        escape::check(name, lex::is_uri_param_byte, "URI parameter").map_err(|e| e.moved(offset))?;
        escape::check(value.unwrap_or(""), lex::is_uri_param_byte, "URI parameter").map_err(|e| e.moved(offset))?;
    }
    for (name, value) in view.headers() {
        escape::check(name, lex::is_uri_header_byte, "URI header").map_err(|e| e.moved(offset))?;
        let Some(value) = value else {
            return Err(ParseError::new("URI header: expected `=` after the name", offset));
        };
        // Peers leave `=` and `;` of an embedded Replaces as they are; both are harmless after the first `=`.
        let lenient = |byte| lex::is_uri_header_byte(byte) || matches!(byte, b'=' | b';' | b'@' | b',');
        escape::check(value, lenient, "URI header").map_err(|e| e.moved(offset))?;
    }
    Ok(view)
}

/// `host[:port]` at the start of `text`: host without brackets, port, what follows. Shared with Via.
pub(crate) fn hostport(text: &str) -> Result<(&str, Option<u16>, &str), ParseError> {
    let (host, rest) = if let Some(inner) = text.strip_prefix('[') {
        let Some((host, rest)) = inner.split_once(']') else {
            return Err(ParseError::new("host: expected `]` after an IPv6 address", 0));
        };
        if host.parse::<Ipv6Addr>().is_err() {
            return Err(ParseError::new("host: expected an IPv6 address between `[` and `]`", 1));
        }
        (host, rest)
    } else {
        let len = text.bytes().take_while(|b| lex::is_host_byte(*b)).count();
        if len == 0 {
            return Err(ParseError::new("host: expected a name or an address", 0));
        }
        text.split_at(len)
    };
    let Some(digits) = rest.strip_prefix(':') else {
        return Ok((host, None, rest));
    };
    let len = digits.bytes().take_while(u8::is_ascii_digit).count();
    let (port, tail) = digits.split_at(len);
    match port.parse() {
        Ok(port) => Ok((host, Some(port), tail)),
        Err(_) => Err(ParseError::new("port: expected a number up to 65535", text.len() - digits.len())),
    }
}

fn tel<'a>(scheme: &'a str, rest: &'a str) -> Result<UriView<'a>, ParseError> {
    let (number, tail) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
    let is_digit = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#' | b'-' | b'.' | b'(' | b')');
    let digits = number.strip_prefix('+').unwrap_or(number);
    if digits.is_empty() || !digits.bytes().all(is_digit) {
        return Err(ParseError::new("tel: expected digits, `*`, `#` and `-.()` between them", 0));
    }
    let params = tail.strip_prefix(';').unwrap_or("");
    for piece in params.split(';').filter(|_| !tail.is_empty()) {
        if piece.is_empty() || piece.starts_with('=') {
            return Err(ParseError::new("tel parameter: expected a name after `;`", number.len()));
        }
        escape::check(piece, lex::is_uri_param_byte, "tel parameter").map_err(|e| e.moved(number.len()))?;
    }
    Ok(UriView { scheme, user: Some(number), password: None, host: "", port: None, params, headers: "" })
}

fn opaque<'a>(scheme: &'a str, rest: &'a str) -> Result<UriView<'a>, ParseError> {
    let visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"');
    match rest.bytes().position(|byte| !visible(byte)) {
        None if !rest.is_empty() => {
            Ok(UriView { scheme, user: None, password: None, host: rest, port: None, params: "", headers: "" })
        }
        at => Err(ParseError::new("URI: expected visible characters after the scheme", at.unwrap_or(0))),
    }
}
