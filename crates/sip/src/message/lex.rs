//! Character classes, quoted strings and white space of the grammar (RFC 3261 §25.1).

use std::borrow::Cow;

const TOKEN: u8 = 1;
const USER: u8 = 2;
const PASSWORD: u8 = 4;
const URI_PARAM: u8 = 8;
const URI_HEADER: u8 = 16;
const HOST: u8 = 32;

/// One lookup a character instead of chains of comparisons.
const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        if (byte as u8).is_ascii_alphanumeric() {
            table[byte] = TOKEN | USER | PASSWORD | URI_PARAM | URI_HEADER | HOST;
        }
        byte += 1;
    }
    table = mark(table, b"-_.!~*'()", USER | PASSWORD | URI_PARAM | URI_HEADER);
    table = mark(table, b"-.!%*_+`'~", TOKEN);
    // `#` is not in the grammar of a user; feature codes arrive unescaped all the same and mean nothing else there.
    table = mark(table, b"&=+$,;?/#", USER);
    table = mark(table, b"&=+$,", PASSWORD);
    // `=` is not in the grammar of a parameter's value; base64 in Route parameters of proxies is.
    table = mark(table, b"[]/:&+$=", URI_PARAM);
    table = mark(table, b"[]/?:+$", URI_HEADER);
    // `_` is not in the grammar of a host; names of machines in the field have it.
    mark(table, b"-._", HOST)
};

const fn mark(mut table: [u8; 256], bytes: &[u8], class: u8) -> [u8; 256] {
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] |= class;
        i += 1;
    }
    table
}

fn has(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    has(byte, TOKEN)
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

pub(crate) fn is_user_byte(byte: u8) -> bool {
    has(byte, USER)
}

pub(crate) fn is_password_byte(byte: u8) -> bool {
    has(byte, PASSWORD)
}

pub(crate) fn is_uri_param_byte(byte: u8) -> bool {
    has(byte, URI_PARAM)
}

pub(crate) fn is_uri_header_byte(byte: u8) -> bool {
    has(byte, URI_HEADER)
}

pub(crate) fn is_host_byte(byte: u8) -> bool {
    has(byte, HOST)
}

/// Linear white space: folds are already spaces when typed headers are read, but text from elsewhere may hold them.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

pub(crate) fn trim_start(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\r', '\n'])
}

/// Length of the quoted string that `text` starts with, quotes included; `None` when it does not start with one or it
/// never ends.
pub(crate) fn quoted_len(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    if bytes.next()?.1 != b'"' {
        return None;
    }
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next()?;
            }
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The text inside a quoted string; any other text as it is.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// `text` as a quoted string. Quotes, backslashes and controls are escaped; line ends, which no escape admits, become
/// spaces.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\r' | '\n' => out.push(' '),
            '"' | '\\' => out.extend(['\\', c]),
            '\t' => out.push(c),
            c if c.is_ascii_control() => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Digits as seconds; what does not fit is the most that can be said (RFC 4475 §3.1.2.4).
pub(crate) fn delta_seconds(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_strings_end_where_the_grammar_says() {
        assert_eq!(quoted_len(r#""a\"b" <sip:x>"#), Some(6));
        assert_eq!(quoted_len(r#""a\"b"#), None);
        assert_eq!(quoted_len(r#""a\"#), None);
        assert_eq!(quoted_len("a"), None);
        assert_eq!(quoted_len("\"é\""), Some(4));
    }

    #[test]
    fn quoting_is_undone_by_unquoting() {
        for text in ["", "a", "a\"b\\c", "BEL:\u{7} NUL:\0 DEL:\u{7f}", "tab\tкириллица"] {
            assert_eq!(unquote(&quote(text)), text);
        }
        assert_eq!(quote("a\r\nVia: x"), "\"a  Via: x\"");
    }

    #[test]
    fn seconds_saturate() {
        assert_eq!(delta_seconds("0068"), Some(68));
        assert_eq!(delta_seconds("949302838503028349304023988"), Some(u32::MAX));
        assert_eq!(delta_seconds("-1"), None);
        assert_eq!(delta_seconds(""), None);
    }
}
