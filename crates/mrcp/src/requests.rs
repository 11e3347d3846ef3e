//! Requests of a session: their numbers (RFC 6787 §5.2), what was asked and is not answered yet, and what either side can
//! do wrong.

use std::collections::BTreeMap;
use std::fmt;

use crate::header::{ChannelId, Headers};
use crate::message::{Message, Start};
use crate::name::{EventName, Method};
use crate::status::{RequestState, Status};

/// A request's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

impl RequestId {
    pub(crate) fn read(text: &str) -> Option<RequestId> {
        let fits = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fits { text.parse().ok().map(RequestId) } else { None }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Numbers for the requests of one session, on all of its channels: each is greater than those before, and they do not
/// begin anew.
#[derive(Debug)]
pub struct Requests {
    next: Option<u32>,
}

impl Default for Requests {
    fn default() -> Requests {
        Requests::starting(1)
    }
}

impl Requests {
    pub fn starting(first: u32) -> Requests {
        Requests { next: Some(first) }
    }

    pub(crate) fn take(&mut self) -> Result<RequestId, Misuse> {
        let number = self.next.ok_or(Misuse::Exhausted)?;
        self.next = number.checked_add(1);
        Ok(RequestId(number))
    }
}

/// What a client may not ask for as things stand: the server would only refuse it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    #[error("{0} needs something that is being done, and there is nothing: the server would answer 402")]
    NothingToDoItTo(Method),
    #[error("{0} needs a resource that rests, and it is at work: stop it first")]
    NotAtRest(Method),
    #[error("{0} needs what was recognized, and there is nothing: ask for it after RECOGNITION-COMPLETE")]
    NothingRecognized(Method),
    #[error("the session's request numbers are used up: begin another session")]
    Exhausted,
}

/// What a server may not say as things stand. The session is not worth going on with: end it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    #[error("the message has no Channel-Identifier, which every one must have")]
    NoChannel,
    #[error("the message is of another channel")]
    OtherChannel,
    #[error("the server sent a request, {0}: only clients do")]
    Request(Method),
    #[error("the server answered request {0}, which was not asked or is answered")]
    NotAsked(RequestId),
    #[error("the server answered {method} with {} {}, which this method does not have here", .status.0, .state.as_str())]
    Answer { method: Method, status: Status, state: RequestState },
    #[error("the server sent {name} {} for request {request}, which is {stands}", .state.as_str())]
    Event { name: EventName, request: RequestId, state: RequestState, stands: &'static str },
    #[error("the server sent {0}, which this resource does not have")]
    NotOfThisResource(EventName),
    #[error("{0} came without Completion-Cause, or with one that cannot be read")]
    NoCause(EventName),
    #[error("{0} came without Speech-Marker, or with one that cannot be read")]
    NoMarker(EventName),
}

/// What a server answered to one of our requests.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) request: RequestId,
    pub(crate) method: Method,
    pub(crate) status: Status,
    pub(crate) state: RequestState,
}

impl Answered {
    /// The fault of an answer that the method does not have.
    pub(crate) fn out_of_place(&self) -> Misbehaviour {
        Misbehaviour::Answer { method: self.method.clone(), status: self.status, state: self.state }
    }
}

/// An event of one of our requests.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) request: RequestId,
    pub(crate) name: EventName,
    pub(crate) state: RequestState,
}

impl Happened {
    pub(crate) fn out_of_place(&self, stands: &'static str) -> Misbehaviour {
        Misbehaviour::Event { name: self.name.clone(), request: self.request, state: self.state, stands }
    }
}

pub(crate) enum Heard {
    Answered(Answered),
    Happened(Happened),
}

/// One channel's requests that have no answer yet.
#[derive(Debug)]
pub(crate) struct Ledger {
    channel: ChannelId,
    asked: BTreeMap<RequestId, Method>,
}

impl Ledger {
    pub(crate) fn new(channel: ChannelId) -> Ledger {
        Ledger { channel, asked: BTreeMap::new() }
    }

    pub(crate) fn channel(&self) -> &ChannelId {
        &self.channel
    }

    /// Whether such a request waits for its answer.
    pub(crate) fn awaits(&self, method: &Method) -> bool {
        self.asked.values().any(|asked| asked == method)
    }

    /// The request as it goes out: the channel stands first.
    pub(crate) fn ask(&mut self, numbers: &mut Requests, method: Method, more: &Headers) -> Result<Message, Misuse> {
        let request = numbers.take()?;
        self.asked.insert(request, method.clone());
        let mut headers = Headers::new();
        headers.push("Channel-Identifier", &self.channel.to_string());
        headers.extend(more);
        Ok(Message::new(Start::Request { method, request }, headers))
    }

    /// Ties what came to what was asked.
    pub(crate) fn hear(&mut self, message: &Message) -> Result<Heard, Misbehaviour> {
        match message.headers().channel() {
            Some(Ok(channel)) if channel == self.channel => {}
            Some(_) => return Err(Misbehaviour::OtherChannel),
            None => return Err(Misbehaviour::NoChannel),
        }
        match &message.start {
            Start::Request { method, .. } => Err(Misbehaviour::Request(method.clone())),
            Start::Response { request, status, state } => {
                let method = self.asked.remove(request).ok_or(Misbehaviour::NotAsked(*request))?;
                let answered = Answered { request: *request, method, status: *status, state: *state };
                // What failed is over (§5.3).
                if !status.is_success() && *state != RequestState::Complete {
                    return Err(answered.out_of_place());
                }
                Ok(Heard::Answered(answered))
            }
            Start::Event { name, request, state, .. } => {
                Ok(Heard::Happened(Happened { request: *request, name: name.clone(), state: *state }))
            }
        }
    }
}
