//! Percent escapes of URIs (RFC 3261 §19.1.2, RFC 3986 §2.1): they stand for octets of UTF-8.

use std::fmt;

use crate::message::ParseError;

/// Checks that every octet is allowed or part of an escape.
pub(super) fn check(text: &str, allowed: fn(u8) -> bool, part: &str) -> Result<(), ParseError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'%' => {
                let digits = bytes.get(at + 1..at + 3).unwrap_or(&[]);
                if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(ParseError::new(format!("{part}: expected two hexadecimal digits after `%`"), at));
                }
                3
            }
            _ if allowed(byte) => 1,
            _ => {
                return Err(ParseError::new(format!("{part}: a character that must be escaped"), at));
            }
        };
    }
    Ok(())
}

/// The text that checked escapes stand for; an error when they are not UTF-8.
pub(super) fn decode(text: &str, part: &str) -> Result<String, ParseError> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Ok(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| byte.and_then(|b| char::from(b).to_digit(16)).unwrap_or(0) as u8;
        out.push(match byte {
            b'%' => digit(bytes.next()) << 4 | digit(bytes.next()),
            byte => byte,
        });
    }
    String::from_utf8(out).map_err(|_| ParseError::new(format!("{part}: escapes that are not UTF-8"), 0))
}

pub(super) fn write(f: &mut fmt::Formatter<'_>, text: &str, allowed: fn(u8) -> bool) -> fmt::Result {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !allowed(byte) {
            // Cuts fall beside escaped octets, so a character of several octets is never cut: none of its octets is allowed.
            f.write_str(text.get(plain..at).unwrap_or(""))?;
            write!(f, "%{byte:02X}")?;
            plain = at + 1;
        }
    }
    f.write_str(text.get(plain..).unwrap_or(""))
}
