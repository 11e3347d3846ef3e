//! SIP messages (RFC 3261 §7): one buffer, an index of the header fields in it, nothing decoded until asked for.

mod body;
mod build;
mod check;
mod contact;
mod content_type;
mod cseq;
mod date;
mod diversion;
mod error;
mod event;
mod history_info;
mod join;
pub(crate) mod lex;
pub(crate) mod list;
mod method;
mod name;
pub(crate) mod name_addr;
pub(crate) mod params;
mod privacy;
mod rack;
mod reason;
mod refer;
mod refuse;
mod replaces;
mod retry_after;
mod scan;
mod session_expires;
mod session_id;
mod sipfrag;
mod status;
mod subscription_state;
mod typed;
pub(crate) mod via;
mod warning;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use self::body::Body;
pub use self::build::Builder;
pub use self::contact::Contacts;
pub use self::content_type::ContentType;
pub use self::cseq::CSeq;
pub use self::date::Date;
pub use self::diversion::Diversion;
pub use self::error::ParseError;
pub use self::event::EventHeader;
pub use self::history_info::{HistoryInfo, Hop};
pub use self::join::Join;
pub use self::method::Method;
pub use self::name::Name;
pub use self::name_addr::NameAddr;
pub use self::privacy::Privacy;
pub use self::rack::{RAck, RSeq};
pub use self::reason::Reason;
pub use self::refer::{ReferTo, ReferredBy};
pub use self::refuse::refuse;
pub use self::replaces::Replaces;
pub use self::retry_after::RetryAfter;
pub use self::scan::{MAX_FIELDS, MAX_HEAD, MAX_URI};
pub use self::session_expires::{MinSe, Refresher, SessionExpires};
pub use self::session_id::{SessionId, SessionUuid};
pub use self::status::Status;
pub use self::subscription_state::{SubscriptionState, Substate};
pub use self::typed::Typed;
pub use self::via::{BRANCH_COOKIE, Via};
pub use self::warning::Warning;

pub(crate) use self::name::code as code_of;

use self::list::List;
use self::name_addr::NameAddrView;
use self::scan::{Field, Index, Start};
use self::via::ViaView;
use crate::uri::Uri;

/// Header fields that a user of the endpoint adds to a message, in order.
pub type Headers = Vec<(Name, String)>;

/// A parsed message. Cheap to clone: it shares its buffer. Unknown header fields and bytes are kept as they came.
///
/// It always has Via, From, To, Call-ID and CSeq, each once (Via at least once) and by the grammar, and its CSeq has the
/// method of its request line: [`Message::parse`] refuses all others.
#[derive(Clone)]
pub struct Message {
    /// The message, unfolded if it had folds.
    buffer: Bytes,
    /// Only for messages that are not plain text line by line.
    odd: Option<Arc<Odd>>,
    start: Start,
    method: Method,
    index: Index,
    /// Where the body begins.
    head: usize,
}

/// What differs from the buffer. Offsets in `text` are those in the buffer.
#[derive(Debug)]
struct Odd {
    /// The message as it came.
    raw: Option<Bytes>,
    /// Head with `?` in the place of each octet that is not UTF-8.
    text: Option<Bytes>,
}

pub type Request = Message;
pub type Response = Message;

impl Message {
    /// Parses one whole message (a datagram, or what [`crate::frame::Framer`] cut from a stream). Empty lines before it
    /// are skipped; octets after the Content-Length are not part of it (RFC 3261 §18.3).
    pub fn parse(bytes: Bytes) -> Result<Message, ParseError> {
        let skip = bytes.chunks(2).take_while(|pair| *pair == b"\r\n").count() * 2;
        let bytes = bytes.slice(skip..);
        Message::read(&bytes).map_err(|error| match scan::is_response(&bytes) || bytes.starts_with(b"ACK ") {
            true => error.answered(0),
            false => error,
        })
    }

    fn read(bytes: &Bytes) -> Result<Message, ParseError> {
        let (buffer, scanned) = match scan::scan(bytes)? {
            Some(scanned) => (bytes.clone(), scanned),
            None => {
                let buffer = Bytes::from(scan::unfold(bytes));
                match scan::scan(&buffer)? {
                    Some(scanned) => (buffer, scanned),
                    // Unfolding leaves no line that starts with white space, so there is none to be found.
                    None => return Err(ParseError::new("a fold that does not unfold", 0)),
                }
            }
        };
        let len = body_len(&buffer, &scanned.index, scanned.head)?;
        let end = scanned.head + len;
        let raw = (buffer.len() != bytes.len()).then(|| bytes.slice(..bytes.len() - (buffer.len() - end)));
        let buffer = buffer.slice(..end);
        let method = scanned.method.clone();
        let is_response = method.is_none();
        let mut message =
            Message::assemble(buffer, raw, scanned.start, method.unwrap_or(Method::Ack), scanned.index, scanned.head);
        check::check(&message, scanned.method.as_ref())?;
        if is_response {
            message.method = message.cseq()?.1;
        }
        Ok(message)
    }

    fn assemble(buffer: Bytes, raw: Option<Bytes>, start: Start, method: Method, index: Index, head: usize) -> Message {
        let text = masked(buffer.get(..head).unwrap_or(&[]));
        let odd = (raw.is_some() || text.is_some()).then(|| Arc::new(Odd { raw, text }));
        Message { buffer, odd, start, method, index, head }
    }

    /// The message as it came, or as it was built.
    pub fn bytes(&self) -> &Bytes {
        self.odd.as_ref().and_then(|odd| odd.raw.as_ref()).unwrap_or(&self.buffer)
    }

    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The method of a request; of a response, that of its CSeq.
    pub fn method(&self) -> Method {
        self.method.clone()
    }

    pub fn is(&self, method: &Method) -> bool {
        self.method == *method
    }

    pub fn status(&self) -> Option<Status> {
        match self.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// The words of the status line, as they came.
    pub fn reason(&self) -> Option<&str> {
        match &self.start {
            Start::Request { .. } => None,
            Start::Response { reason, .. } => Some(self.text(reason.start as usize..reason.end as usize)),
        }
    }

    pub fn request_uri(&self) -> Option<Result<Uri, ParseError>> {
        self.request_uri_text().map(Uri::parse)
    }

    /// The Request-URI as written.
    pub fn request_uri_text(&self) -> Option<&str> {
        match &self.start {
            Start::Request { uri } => Some(self.text(uri.start as usize..uri.end as usize)),
            Start::Response { .. } => None,
        }
    }

    /// The whole value of the first field of that name, trimmed and unfolded. Octets that are not UTF-8 read as `?`.
    pub fn header(&self, name: &Name) -> Option<&str> {
        self.fields(name).next().map(|field| self.text(field.value_range()))
    }

    /// The same as bytes, whatever they are.
    pub fn header_bytes(&self, name: &Name) -> Option<&[u8]> {
        self.fields_bytes(name).next()
    }

    /// All values, one an item, comma-separated lists split where the header's grammar has lists.
    pub fn headers<'a>(&'a self, name: &Name) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        Box::new(self.values(name))
    }

    /// [`Message::headers`] without the allocation.
    pub fn values<'a>(&'a self, name: &Name) -> impl Iterator<Item = &'a str> + use<'a> {
        let is_list = name::is_list(name.code());
        self.fields(name).map(|field| self.text(field.value_range())).flat_map(move |value| match is_list {
            true => either(Some(List::new(value)), None),
            false => either(None, Some(value)),
        })
    }

    /// Whether a list of tokens (Supported, Require, Allow, …) has this one.
    pub fn has_token(&self, name: &Name, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(token))
    }

    /// Every header field in order: name as written, whole value.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        self.index.iter().map(|field| (self.text(field.name_range()), self.text(field.value_range())))
    }

    pub fn call_id(&self) -> &str {
        self.header(&Name::CallId).unwrap_or("")
    }

    pub fn cseq(&self) -> Result<(u32, Method), ParseError> {
        let cseq = self.typed::<CSeq>().ok_or_else(|| absent(&Name::CSeq))??;
        Ok((cseq.number, cseq.method))
    }

    pub fn from(&self) -> Result<NameAddr, ParseError> {
        NameAddr::parse(self.header(&Name::From).ok_or_else(|| absent(&Name::From))?)
    }

    pub fn to(&self) -> Result<NameAddr, ParseError> {
        NameAddr::parse(self.header(&Name::To).ok_or_else(|| absent(&Name::To))?)
    }

    /// The first Contact address; `None` without Contact, an error for `*` (see [`Message::contacts`]).
    pub fn contact(&self) -> Option<Result<NameAddr, ParseError>> {
        self.values(&Name::Contact).next().map(NameAddr::parse)
    }

    /// The topmost Via.
    pub fn via(&self) -> Result<Via, ParseError> {
        self.typed::<Via>().ok_or_else(|| absent(&Name::Via))?
    }

    /// `branch` of the topmost Via, in place.
    pub fn branch(&self) -> Option<&str> {
        ViaView::scan(self.values(&Name::Via).next()?).ok()?.branch()
    }

    /// `tag` of From, in place.
    pub fn from_tag(&self) -> Option<&str> {
        NameAddrView::split(self.header(&Name::From)?).ok()?.tag()
    }

    /// `tag` of To, in place.
    pub fn to_tag(&self) -> Option<&str> {
        NameAddrView::split(self.header(&Name::To)?).ok()?.tag()
    }

    /// Addresses of Route, Record-Route, Path or another list of addresses, in order.
    pub fn addresses(&self, name: &Name) -> Result<Vec<NameAddr>, ParseError> {
        self.values(name).map(|value| NameAddr::parse(value).map_err(|error| error.inside(name.as_str()))).collect()
    }

    /// `None` when absent (RFC 2543 peers), else 0–255.
    pub fn max_forwards(&self) -> Option<u8> {
        let hops = lex::delta_seconds(self.header(&Name::MaxForwards)?)?;
        Some(u8::try_from(hops).unwrap_or(u8::MAX))
    }

    /// Body with its content type; `None` when empty.
    pub fn body(&self) -> Option<Body> {
        let bytes = self.buffer.slice(self.head..);
        let content_type = self.header(&Name::ContentType).unwrap_or("").to_owned();
        (!bytes.is_empty()).then_some(Body { content_type, bytes })
    }

    /// The SDP of this message: a body of `application/sdp`, or the first such part of a multipart one.
    pub fn sdp(&self) -> Option<Bytes> {
        self.body()?.sdp_part()
    }

    /// What a server keeps of a request that came from `remote`: `received` and `rport` in its topmost Via where RFC 3261
    /// §18.2.1 and RFC 3581 §4 ask for them. The same message when they do not.
    pub fn received_from(&self, remote: std::net::SocketAddr) -> Message {
        let top = self.values(&Name::Via).next().unwrap_or("");
        match via::stamp(top, remote) {
            Some(stamped) => self.with_top_via(&stamped),
            None => self.clone(),
        }
    }

    /// The same message with another topmost Via value.
    pub(crate) fn with_top_via(&self, stamped: &str) -> Message {
        let top = self.values(&Name::Via).next().unwrap_or("");
        let Some(field) = self.fields(&Name::Via).next() else {
            return self.clone();
        };
        // The top value is at the start of the first Via field, trimmed: the rest of the field, other hops, stays.
        let (start, end) = (field.value as usize, field.value as usize + top.len());
        let mut bytes = Vec::with_capacity(self.buffer.len() + stamped.len());
        bytes.extend_from_slice(self.buffer.get(..start).unwrap_or(&[]));
        bytes.extend_from_slice(stamped.as_bytes());
        bytes.extend_from_slice(self.buffer.get(end..).unwrap_or(&[]));
        let bytes = Bytes::from(bytes);
        match self.odd {
            Some(_) => Message::parse(bytes).unwrap_or_else(|_| self.clone()),
            None => self.moved(bytes, end as u32, stamped.len().wrapping_sub(top.len()) as u32),
        }
    }

    /// This message with other bytes in its buffer, in which everything from `from` on has moved `by` octets (backwards
    /// when that wraps): nothing needs to be read again.
    fn moved(&self, buffer: Bytes, from: u32, by: u32) -> Message {
        let at = |place: u32| if place < from { place } else { place.wrapping_add(by) };
        let moved =
            |field: &Field| Field { name: at(field.name), value: at(field.value), end: at(field.end), ..*field };
        Message {
            buffer,
            odd: None,
            start: self.start.clone(),
            method: self.method.clone(),
            index: self.index.iter().map(moved).collect(),
            head: at(self.head as u32) as usize,
        }
    }

    fn fields<'a>(&'a self, name: &Name) -> impl Iterator<Item = &'a Field> + use<'a> {
        let code = name.code();
        // Known names are found by their code alone; the spelling of others is needed for the comparison.
        let spelling = if code == name::OTHER { name.as_str().to_owned() } else { String::new() };
        self.index.iter().filter(move |field| {
            field.code == code && (code != name::OTHER || self.text(field.name_range()).eq_ignore_ascii_case(&spelling))
        })
    }

    fn fields_bytes<'a>(&'a self, name: &Name) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.fields(name).map(|field| self.buffer.get(field.value_range()).unwrap_or(&[]))
    }

    /// Ranges come from the scan, which cuts beside ASCII only, so what they hold is UTF-8 whenever the head is.
    fn text(&self, range: Range<usize>) -> &str {
        let head = self.odd.as_ref().and_then(|odd| odd.text.as_ref()).unwrap_or(&self.buffer);
        head.get(range).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

fn either<'a>(list: Option<List<'a>>, whole: Option<&'a str>) -> impl Iterator<Item = &'a str> {
    list.into_iter().flatten().chain(whole)
}

fn absent(name: &Name) -> ParseError {
    ParseError::new(format!("no {name}"), 0)
}

/// Octets of the body: Content-Length, or all there is without one (RFC 3261 §18.3).
fn body_len(buffer: &[u8], index: &Index, head: usize) -> Result<usize, ParseError> {
    let there = buffer.len() - head;
    let code = Name::ContentLength.code();
    let Some(field) = index.iter().find(|field| field.code == code) else {
        return Ok(there);
    };
    let digits = buffer.get(field.value_range()).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("");
    let Some(announced) = lex::delta_seconds(digits) else {
        return Err(ParseError::new("Content-Length: expected a number of octets", field.value as usize));
    };
    match usize::try_from(announced) {
        Ok(announced) if announced <= there => Ok(announced),
        _ => Err(ParseError::new(
            format!("Content-Length: {announced} octets announced, {there} there"),
            field.value as usize,
        )),
    }
}

/// A copy with `?` for octets that are not UTF-8; `None` when there are none.
fn masked(head: &[u8]) -> Option<Bytes> {
    if std::str::from_utf8(head).is_ok() {
        return None;
    }
    let mut out = Vec::with_capacity(head.len());
    for chunk in head.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        out.extend(std::iter::repeat_n(b'?', chunk.invalid().len()));
    }
    Some(Bytes::from(out))
}

/// Says what it is and no more: messages hold names, numbers and keys, which no log may have.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.bytes().len();
        match self.status() {
            Some(status) => write!(f, "Message({status} to {}, {len} octets)", self.method),
            None => write!(f, "Message({}, {len} octets)", self.method),
        }
    }
}

/// Messages are equal when their bytes are.
impl PartialEq for Message {
    fn eq(&self, other: &Message) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Message {}

/// As bytes; parsed again when read back.
impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Message, D::Error> {
        Message::parse(Bytes::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
