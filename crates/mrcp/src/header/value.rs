//! What the values of header fields are.

use std::fmt;

use super::table::Kind;
use crate::message::{ParseError, is_token};
use crate::name::Resource;
use crate::requests::RequestId;
use crate::status::Cause;

/// A field's value, understood.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// A field without a value: GET-PARAMS asks by it.
    Empty,
    Flag(bool),
    /// Milliseconds, counts, ages.
    Number(u64),
    Decimal(f64),
    /// One of those that the field may have.
    Choice(&'static str),
    Channel(ChannelId),
    Requests(Vec<RequestId>),
    Cause(Cause),
    Marker(Marker),
    Length(SpeechLength),
    Stored(Stored),
    /// Of a quoted string, without its quotes.
    Quoted(String),
    /// Names, with their values where they have some.
    Pairs(Vec<(String, Option<String>)>),
    /// Addresses between angle brackets.
    Addresses(Vec<String>),
    Text(String),
}

/// Which of the two sides' conversations a message belongs to: a string of the server's, and what it is a channel to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelId {
    id: String,
    resource: Resource,
}

impl ChannelId {
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// # Errors
    /// Not `ID@RESOURCE`.
    pub fn read(text: &str) -> Result<ChannelId, ParseError> {
        // §15 has letters and digits only; servers put hyphens and more into them.
        match text.split_once('@') {
            Some((id, resource)) if is_token(id) && is_token(resource) => {
                Ok(ChannelId { id: id.to_owned(), resource: resource.into() })
            }
            _ => Err(ParseError::new("a channel was expected: ID@RESOURCE", 0)),
        }
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.resource)
    }
}

/// Who knows the identifier may use the channel (§4.2: it is difficult to guess).
impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "…@{}", self.resource)
    }
}

/// How far the words were (§8.4.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marker {
    /// NTP's 64 bits.
    pub timestamp: u64,
    /// The last mark that was passed; none ahead of the first.
    pub name: Option<String>,
}

/// A stretch of speech (§8.4.1, §8.4.15).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpeechLength {
    /// `-15 Words`: negative goes back.
    Units { count: i64, unit: &'static str },
    /// To a mark.
    Tag(String),
}

/// Something that a server keeps (§9.4.8, §10.4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub address: String,
    pub size: Option<u64>,
    pub duration_ms: Option<u64>,
}

pub(super) fn read(kind: Kind, text: &str) -> Result<Value, ParseError> {
    if text.is_empty() {
        return Ok(Value::Empty);
    }
    let wrong = |what: &str| ParseError::new(format!("{what} was expected"), 0);
    match kind {
        Kind::Flag if text.eq_ignore_ascii_case("true") => Ok(Value::Flag(true)),
        Kind::Flag if text.eq_ignore_ascii_case("false") => Ok(Value::Flag(false)),
        Kind::Flag => Err(wrong("true or false")),
        Kind::Number => number(text).map(Value::Number).ok_or_else(|| wrong("a number of at most 19 digits")),
        Kind::Decimal => decimal(text).map(Value::Decimal).ok_or_else(|| wrong("a decimal number")),
        Kind::Choice(all) => all
            .iter()
            .find(|known| text.eq_ignore_ascii_case(known))
            .map(|known| Value::Choice(known))
            .ok_or_else(|| wrong(&all.join(" or "))),
        Kind::Channel => ChannelId::read(text).map(Value::Channel),
        Kind::Requests => text
            .split(',')
            .map(|one| RequestId::read(one.trim()))
            .collect::<Option<Vec<_>>>()
            .map(Value::Requests)
            .ok_or_else(|| wrong("a list of requests' numbers")),
        Kind::Cause => cause(text).map(Value::Cause).ok_or_else(|| wrong("three digits and a name")),
        Kind::Marker => marker(text).map(Value::Marker).ok_or_else(|| wrong("timestamp=DIGITS;NAME")),
        Kind::Length => speech_length(text).map(Value::Length).ok_or_else(|| wrong("±N Second|Word|… or NAME Tag")),
        Kind::Stored => stored(text).map(Value::Stored).ok_or_else(|| wrong("<ADDRESS>;size=N;duration=N")),
        Kind::Quoted => quoted(text).map(Value::Quoted).ok_or_else(|| wrong("a quoted string")),
        Kind::Pairs => pairs(text).map(Value::Pairs).ok_or_else(|| wrong("names and values, parted by semicolons")),
        Kind::Addresses => addresses(text).map(Value::Addresses).ok_or_else(|| wrong("addresses, each in < and >")),
        Kind::Text => Ok(Value::Text(text.to_owned())),
    }
}

pub(super) fn number(text: &str) -> Option<u64> {
    let fits = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// Digits with at most one point, and a minus where the field has one (§11.4.6); `f64` alone would take `inf`.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && digits.len() <= 40;
    if plain { text.parse().ok() } else { None }
}

fn cause(text: &str) -> Option<Cause> {
    let digits = text.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let rest = text.get(3..)?;
    if rest.is_empty() || rest.starts_with(' ') { digits.parse().ok().map(Cause) } else { None }
}

fn marker(text: &str) -> Option<Marker> {
    let (stamp, name) = match text.split_once(';') {
        Some((stamp, name)) => (stamp, Some(name.trim().to_owned())),
        None => (text, None),
    };
    let digits = stamp.trim().strip_prefix("timestamp=")?;
    let fits = (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let timestamp = if fits { digits.parse().ok()? } else { return None };
    Some(Marker { timestamp, name: name.filter(|name| !name.is_empty()) })
}

fn speech_length(text: &str) -> Option<SpeechLength> {
    let (count, unit) = text.rsplit_once(' ')?;
    if unit.eq_ignore_ascii_case("tag") {
        return Some(SpeechLength::Tag(count.trim().to_owned()));
    }
    // §8.11's own example has `Words`.
    let unit = ["Second", "Word", "Sentence", "Paragraph"].into_iter().find(|known| {
        let singular = unit.strip_suffix(['s', 'S']).unwrap_or(unit);
        singular.eq_ignore_ascii_case(known)
    })?;
    let count = count.trim();
    let digits = count.strip_prefix(['+', '-']).unwrap_or(count);
    let size = i64::try_from(number(digits)?).ok()?;
    Some(SpeechLength::Units { count: if count.starts_with('-') { -size } else { size }, unit })
}

fn stored(text: &str) -> Option<Stored> {
    let (address, rest) = text.strip_prefix('<')?.split_once('>')?;
    let mut stored = Stored { address: address.to_owned(), size: None, duration_ms: None };
    for part in rest.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        let value = number(value.trim())?;
        match name.trim() {
            "size" => stored.size = Some(value),
            "duration" => stored.duration_ms = Some(value),
            _ => {}
        }
    }
    Some(stored)
}

fn quoted(text: &str) -> Option<String> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = String::new();
    let mut chars = inside.chars();
    while let Some(next) = chars.next() {
        match next {
            '\\' => out.push(chars.next()?),
            '"' => return None,
            other => out.push(other),
        }
    }
    Some(out)
}

/// Parted by semicolons, but not by those within quotes.
fn pairs(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut out = Vec::new();
    let (mut part, mut within, mut escaped) = (String::new(), false, false);
    let mut parts = Vec::new();
    for next in text.chars() {
        if next == ';' && !within {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        within ^= next == '"' && !escaped;
        escaped = next == '\\' && within && !escaped;
        part.push(next);
    }
    parts.push(part);
    for part in parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some((name, value)) if value.trim().starts_with('"') => {
                out.push((name.trim().to_owned(), Some(quoted(value.trim())?)));
            }
            Some((name, value)) => out.push((name.trim().to_owned(), Some(value.trim().to_owned()))),
            None => out.push((part.to_owned(), None)),
        }
    }
    Some(out)
}

fn addresses(text: &str) -> Option<Vec<String>> {
    text.split_ascii_whitespace().map(|one| one.strip_prefix('<')?.strip_suffix('>').map(str::to_owned)).collect()
}
