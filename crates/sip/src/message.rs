//! SIP messages (RFC 3261 §7): one buffer, an index of the header fields in it, nothing decoded until asked for.
//!
//! Skeleton of the public face: helper A owns it and splits it into `message/` (parse, build, name, method, status,
//! one file a typed header: via, cseq, contact, from_to, session_expires, session_id, refer, …).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::uri::Uri;

/// Why bytes are not a SIP message, in words, with the response code that RFC 3261 §8.2, §16.3 or RFC 4475 asks for
/// (0 when the message must be dropped without an answer).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct ParseError {
    pub what: String,
    pub at: usize,
    pub answer: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    Invite, Ack, Bye, Cancel, Options, Register, Prack, Update, Refer, Notify, Subscribe, Publish, Info, Message,
    Other(String),
}

/// A three-digit status code, 100–699.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Status(pub u16);

impl Status {
    pub fn is_provisional(self) -> bool { self.0 < 200 }
    pub fn is_success(self) -> bool { (200..300).contains(&self.0) }
    pub fn is_final(self) -> bool { self.0 >= 200 }
    /// The reason phrase of the registry ("OK", "Not Acceptable Here", …).
    pub fn reason(self) -> &'static str { todo!() }
}

/// A header field name: known ones are variants (compact forms folded in), the rest keep their spelling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Name {
    Accept, Allow, AlsoReplaces, Authorization, CallId, Contact, ContentLength, ContentType, CSeq, Date, Diversion, Event, Expires, From, HistoryInfo, MaxForwards,
    MinExpires, MinSe, PAssertedIdentity, Path, Privacy, ProxyAuthenticate, ProxyAuthorization, RAck, Reason,
    RecordRoute, ReferTo, ReferredBy, Replaces, Require, RetryAfter, Route, RSeq, Server, ServiceRoute, SessionExpires,
    SessionId, SubscriptionState, Supported, To, Unsupported, UserAgent, Via, Warning, WwwAuthenticate,
    Other(String),
}

/// Header fields that a user of the endpoint adds to a message, in order.
pub type Headers = Vec<(Name, String)>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Media type with parameters, e.g. `application/sdp`.
    pub content_type: String,
    pub bytes: Bytes,
}

impl Body {
    pub fn sdp(text: impl Into<String>) -> Body {
        Body { content_type: "application/sdp".into(), bytes: Bytes::from(text.into()) }
    }
}

/// `"Display" <uri>;params` as in From, To, Contact, Route, Refer-To.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameAddr {
    pub display: Option<String>,
    pub uri: Uri,
    /// Header parameters in order, names in lower case (`tag`, `expires`, …).
    pub params: Vec<(String, Option<String>)>,
}

impl NameAddr {
    pub fn new(uri: Uri) -> NameAddr { NameAddr { display: None, uri, params: Vec::new() } }
    pub fn parse(_text: &str) -> Result<NameAddr, ParseError> { todo!() }
    pub fn tag(&self) -> Option<&str> { todo!() }
}

/// A parsed message. Cheap to clone: it shares its buffer. Unknown header fields and bytes are kept as they came.
#[derive(Clone, Debug)]
pub struct Message {
    // private: bytes, start line, index of header fields, body range
}

pub type Request = Message;
pub type Response = Message;

impl Message {
    /// Parses one whole message (a datagram, or what [`crate::frame::Framer`] cut from a stream).
    pub fn parse(_bytes: Bytes) -> Result<Message, ParseError> { todo!() }
    pub fn bytes(&self) -> &Bytes { todo!() }

    pub fn is_request(&self) -> bool { todo!() }
    /// The method of a request; of a response, that of its CSeq.
    pub fn method(&self) -> Method { todo!() }
    pub fn status(&self) -> Option<Status> { todo!() }
    pub fn reason(&self) -> Option<&str> { todo!() }
    pub fn request_uri(&self) -> Option<Result<Uri, ParseError>> { todo!() }

    /// First value of a header field, trimmed and unfolded.
    pub fn header(&self, _name: &Name) -> Option<&str> { todo!() }
    /// All values, one an item, comma-separated lists split where the header's grammar has lists.
    pub fn headers<'a>(&'a self, _name: &Name) -> Box<dyn Iterator<Item = &'a str> + 'a> { todo!() }
    pub fn call_id(&self) -> &str { todo!() }
    pub fn cseq(&self) -> Result<(u32, Method), ParseError> { todo!() }
    pub fn from(&self) -> Result<NameAddr, ParseError> { todo!() }
    pub fn to(&self) -> Result<NameAddr, ParseError> { todo!() }
    pub fn contact(&self) -> Option<Result<NameAddr, ParseError>> { todo!() }
    /// Body with its content type; `None` when empty.
    pub fn body(&self) -> Option<Body> { todo!() }
    /// The SDP of this message: a body of `application/sdp`, or the first such part of a multipart one.
    pub fn sdp(&self) -> Option<Bytes> { todo!() }
}
