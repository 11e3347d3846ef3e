//! Start lines (RFC 6787 §5.1–§5.5).

use super::ParseError;
use crate::name::{EventName, Method};
use crate::requests::RequestId;
use crate::status::{RequestState, Status};

const VERSION: &str = "MRCP/2.0";

/// The first line: which of the three a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    Request {
        method: Method,
        request: RequestId,
    },
    Response {
        request: RequestId,
        status: Status,
        state: RequestState,
    },
    Event {
        name: EventName,
        request: RequestId,
        /// A status code where none belongs: the examples of §5.1 and §9.20 have one, so servers may. It means nothing.
        stray: Option<Status>,
        state: RequestState,
    },
}

impl Start {
    pub fn request(&self) -> RequestId {
        match self {
            Start::Request { request, .. } | Start::Response { request, .. } | Start::Event { request, .. } => *request,
        }
    }

    /// The line without its end, and the length of the whole message that it gives.
    pub(super) fn parse(line: &str) -> Result<(Start, u64), ParseError> {
        let mut words = Words { line, at: 0 };
        if words.next("MRCP/2.0")? != VERSION {
            return Err(ParseError::new("version MRCP/2.0 was expected", 0));
        }
        let at = words.at;
        let length = length(words.next("the message's length")?)
            .ok_or_else(|| ParseError::new("the message's length was expected, 1 to 19 digits", at))?;
        let at = words.at;
        let third = words.next("a method, an event or a request's number")?;
        let start = match third.as_bytes().first() {
            Some(b'0'..=b'9') => {
                Start::Response { request: number(third, at)?, status: words.status()?, state: words.state()? }
            }
            _ => {
                if !is_token(third) {
                    return Err(ParseError::new("a name of letters, digits and -.!%*_+`'~ was expected", at));
                }
                let at = words.at;
                let request = number(words.next("a request's number")?, at)?;
                if words.rest().is_empty() {
                    Start::Request { method: third.into(), request }
                } else {
                    let stray = words.rest().starts_with(|first: char| first.is_ascii_digit());
                    let stray = if stray { Some(words.status()?) } else { None };
                    Start::Event { name: third.into(), request, stray, state: words.state()? }
                }
            }
        };
        if words.rest().is_empty() {
            Ok((start, length))
        } else {
            Err(ParseError::new("the start line was expected to end", words.at))
        }
    }

    /// The line with the length of a message of which `rest` octets follow it.
    pub(super) fn write(&self, rest: usize, out: &mut Vec<u8>) {
        let tail = match self {
            Start::Request { method, request } => format!("{method} {request}\r\n"),
            Start::Response { request, status, state } => format!("{request} {:03} {}\r\n", status.0, state.as_str()),
            Start::Event { name, request, stray: None, state } => format!("{name} {request} {}\r\n", state.as_str()),
            Start::Event { name, request, stray: Some(status), state } => {
                format!("{name} {request} {:03} {}\r\n", status.0, state.as_str())
            }
        };
        let without = VERSION.len() + 2 + tail.len() + rest;
        let whole = measured(without);
        out.extend_from_slice(format!("{VERSION} {whole} {tail}").as_bytes());
    }
}

/// `without` and as many octets as the sum has digits.
fn measured(without: usize) -> usize {
    let mut whole = without + 1;
    while without + digits(whole) != whole {
        whole += 1;
    }
    whole
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// 1 to 19 digits, to the base of ten whatever they begin with.
pub(crate) fn length(text: &str) -> Option<u64> {
    let fits = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn number(text: &str, at: usize) -> Result<RequestId, ParseError> {
    RequestId::read(text)
        .ok_or_else(|| ParseError::new("a request's number was expected, 1 to 10 digits of 32 bits", at))
}

pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte))
}

/// The words of the line, parted by one space each.
struct Words<'a> {
    line: &'a str,
    /// Where the next begins.
    at: usize,
}

impl<'a> Words<'a> {
    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn next(&mut self, what: &str) -> Result<&'a str, ParseError> {
        let rest = self.rest();
        let word = rest.split(' ').next().unwrap_or_default();
        if word.is_empty() {
            return Err(ParseError::new(format!("{what} was expected in the start line"), self.at));
        }
        // Servers end their lines with a space here and there, as do RFC 6787's own examples in its source.
        self.at = (self.at + word.len() + 1).min(self.line.len());
        Ok(word)
    }

    fn status(&mut self) -> Result<Status, ParseError> {
        let at = self.at;
        let word = self.next("a status code")?;
        let code = if word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit()) { word.parse().ok() } else { None };
        code.map(Status).ok_or_else(|| ParseError::new("a status code of three digits was expected", at))
    }

    fn state(&mut self) -> Result<RequestState, ParseError> {
        let at = self.at;
        RequestState::read(self.next("the request's state")?)
            .ok_or_else(|| ParseError::new("COMPLETE, IN-PROGRESS or PENDING was expected", at))
    }
}
