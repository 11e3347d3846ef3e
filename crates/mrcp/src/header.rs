//! Header fields (RFC 6787 §6.2, §8.4, §9.4, §10.4, §11.4): kept as they came, understood when they are asked for.

mod table;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;
use std::fmt;

pub use value::{ChannelId, Marker, SpeechLength, Stored, Value};

use crate::message::ParseError;
use crate::requests::RequestId;
use crate::status::Cause;

/// The most fields of one message.
const MOST: usize = 256;

/// One field, octet for octet.
#[derive(Clone, PartialEq, Eq)]
struct Field {
    name: String,
    /// All between the colon and the end of the field: spaces and folds too.
    value: String,
}

impl Field {
    fn is(&self, name: &str) -> bool {
        self.name.trim_end().eq_ignore_ascii_case(name)
    }
}

/// The fields of a message, in their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    fields: Vec<Field>,
}

impl Headers {
    pub fn new() -> Headers {
        Headers::default()
    }

    /// Adds a field. Line ends in a value become spaces: what a document says cannot begin a field of its own.
    pub fn push(&mut self, name: &str, value: &str) {
        let value = value.replace(['\r', '\n'], " ");
        self.fields.push(Field { name: name.to_owned(), value });
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Headers {
        self.push(name, value);
        self
    }

    pub fn remove(&mut self, name: &str) {
        self.fields.retain(|field| !field.is(name));
    }

    pub(crate) fn extend(&mut self, more: &Headers) {
        self.fields.extend(more.fields.iter().cloned());
    }

    /// Names in their order, as they were written.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.trim_end())
    }

    /// The value of the first field of the name, without what folds it and without space around it.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.fields.iter().find(|field| field.is(name)).map(|field| unfolded(&field.value))
    }

    /// The first field of the name, understood as RFC 6787 has it; fields that it does not have are text.
    pub fn value(&self, name: &str) -> Option<Result<Value, ParseError>> {
        let text = self.text(name)?;
        Some(value::read(table::kind(name), text.trim()).map_err(|error| error.inside(name)))
    }

    /// Channel-Identifier (§6.2.1).
    pub fn channel(&self) -> Option<Result<ChannelId, ParseError>> {
        self.text("Channel-Identifier").map(|text| ChannelId::read(text.trim()))
    }

    /// Content-Length (§6.2.11); it may stand once.
    pub(crate) fn content_length(&self) -> Result<Option<u64>, ParseError> {
        let mut all = self.fields.iter().filter(|field| field.is("Content-Length"));
        let Some(first) = all.next() else {
            return Ok(None);
        };
        if all.next().is_some() {
            return Err(ParseError::new("it may stand only once", 0));
        }
        match value::number(unfolded(&first.value).trim()) {
            Some(length) => Ok(Some(length)),
            None => Err(ParseError::new("a number of octets was expected", 0)),
        }
    }

    /// Completion-Cause (§8.4.4 and others), where it is one that can be read.
    pub fn cause(&self) -> Option<Cause> {
        match self.value("Completion-Cause") {
            Some(Ok(Value::Cause(cause))) => Some(cause),
            _ => None,
        }
    }

    /// Active-Request-Id-List (§6.2.3); empty where there is none.
    pub fn active(&self) -> Vec<RequestId> {
        match self.value("Active-Request-Id-List") {
            Some(Ok(Value::Requests(requests))) => requests,
            _ => Vec::new(),
        }
    }

    /// Speech-Marker (§8.4.8).
    pub fn marker(&self) -> Option<Marker> {
        match self.value("Speech-Marker") {
            Some(Ok(Value::Marker(marker))) => Some(marker),
            _ => None,
        }
    }

    /// The lines between the start line and the empty one.
    pub(crate) fn parse(text: &str) -> Result<Headers, ParseError> {
        let mut fields: Vec<Field> = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive("\r\n") {
            let content = line.strip_suffix("\r\n").unwrap_or(line);
            if let Some(bad) = content.find(['\r', '\n', '\0']) {
                return Err(ParseError::new("no line end but CRLF, and no NUL, may stand in a field", at + bad));
            }
            if content.starts_with([' ', '\t']) {
                let last = fields.last_mut().ok_or_else(|| ParseError::new("a field was expected, not a fold", at))?;
                last.value.push_str("\r\n");
                last.value.push_str(content);
            } else {
                let (name, value) = content
                    .split_once(':')
                    .filter(|(name, _)| crate::message::is_token(name.trim_end_matches([' ', '\t'])))
                    .ok_or_else(|| ParseError::new("a field was expected: a name, a colon, a value", at))?;
                if fields.len() == MOST {
                    return Err(ParseError::new(format!("more than {MOST} fields"), at));
                }
                fields.push(Field { name: name.to_owned(), value: value.to_owned() });
            }
            at += line.len();
        }
        Ok(Headers { fields })
    }

    pub(crate) fn len_written(&self) -> usize {
        self.fields.iter().map(|field| field.name.len() + 1 + field.value.len() + 2).sum()
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for field in &self.fields {
            out.extend_from_slice(field.name.as_bytes());
            out.push(b':');
            out.extend_from_slice(field.value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// A fold is one space.
fn unfolded(value: &str) -> Cow<'_, str> {
    if !value.contains("\r\n") {
        return Cow::Borrowed(value.trim());
    }
    let lines: Vec<&str> = value.split("\r\n").map(str::trim).collect();
    Cow::Owned(lines.join(" ").trim().to_owned())
}

/// Names only: values are what people said and were told.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
