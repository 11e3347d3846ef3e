//! The endpoint: everything of one node that SIP itself remembers (RFC 3261 §8, §12, §13, §17; RFC 4028; RFC 6026).
//!
//! Messages come in by [`Endpoint::receive`]; what they mean comes out as [`Event`]s, bytes come out as
//! [`Output::Send`]. Its user (a role) acts through the methods. Retransmission, matching, ACK of failures, 2xx
//! retransmission until ACK, CANCEL matching, 100 Trying, 481, 482, 408, CSeq order, route sets, session-timer
//! refresh and expiry are done here and not seen above.
//!
//! Skeleton: helper B owns this file and splits it into `transaction/{client,client_invite,server,server_invite}.rs`,
//! `dialog.rs`, `session_timer.rs`, `endpoint/…`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::message::{Body, Headers, Message, Method, NameAddr, Request, Response, Status};
use crate::transport::{Flow, FlowId, Hop, Target, Transport};
use crate::uri::Uri;

/// A client transaction of ours (a request we sent). Unique for the life of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientId(pub u64);
/// A server transaction (a request we received and owe an answer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServerId(pub u64);
/// A dialog-to-be, an early or a confirmed dialog. For an INVITE we send it exists from the start: forks that answer
/// after the first 2xx are ACKed and BYEd by the endpoint itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DialogId(pub u64);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Addresses this node listens on, one a transport: used in Via and Contact.
    pub local: Vec<(Transport, SocketAddr)>,
    /// `User-Agent` and `Server`.
    pub product: String,
    /// RFC 3261 timer values; defaults 500 ms, 4 s, 5 s.
    pub t1: Duration,
    pub t2: Duration,
    pub t4: Duration,
    /// How long an INVITE may ring without a final answer before we CANCEL it (RFC 3261 timer C for a B2BUA); default 180 s.
    pub ring: Duration,
    /// Session-Expires that we ask for (default 1800 s) and the Min-SE that we insist on (default 90 s). RFC 4028.
    pub session_expires: Duration,
    pub min_se: Duration,
    /// Most server transactions that may be under way; beyond it new requests outside dialogs are answered 503.
    pub max_transactions: usize,
}

/// What wants to leave the node.
#[derive(Clone, Debug)]
pub enum Output {
    Send { hop: Hop, bytes: Bytes },
    Event(Event),
}

/// Why a request of ours came to nothing without a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// Timer B or F ran out: taken as 408 (RFC 3261 §8.1.3.1).
    Timeout,
    /// No connection, or it broke: taken as 503. The words say what the connection layer met.
    Transport(String),
    /// Cancelled by us before any answer and the peer fell silent.
    Cancelled,
}

/// What happened, for the user of the endpoint.
#[derive(Clone, Debug)]
pub enum Event {
    /// A request outside any dialog (INVITE, OPTIONS, REGISTER, …). Answer it with [`Endpoint::respond`].
    /// For an INVITE `dialog` is the dialog it would make.
    Request { server: ServerId, dialog: Option<DialogId>, request: Request, flow: Flow },
    /// A request inside a dialog, in order: re-INVITE, UPDATE, INFO, REFER, NOTIFY, OPTIONS, BYE. BYE too must be
    /// answered by the user; the dialog ends with the answer.
    InDialog { server: ServerId, dialog: DialogId, request: Request, flow: Flow },
    /// The INVITE was cancelled; the endpoint has answered the CANCEL with 200 and the INVITE with 487.
    Cancelled { server: ServerId, dialog: DialogId, request: Request },
    /// The ACK for our 2xx, with the answer if we had offered.
    Acked { dialog: DialogId, ack: Request },
    /// Our 2xx was never acknowledged (64·T1): the endpoint has sent BYE, the dialog is over.
    NotAcked { dialog: DialogId },
    /// 101–199 to our INVITE, first or re-.
    Provisional { client: ClientId, dialog: DialogId, response: Response },
    /// 2xx to our INVITE or re-INVITE: the user must call [`Endpoint::ack`]. Retransmissions are answered below.
    Accepted { client: ClientId, dialog: DialogId, response: Response },
    /// Non-2xx final answer to an INVITE (already ACKed), or any final answer to another request.
    /// `dialog` is set for requests inside one and for INVITEs. 401/407 are the user's to answer with a new request.
    Final { client: ClientId, dialog: Option<DialogId>, response: Response },
    /// No final answer will come.
    Failed { client: ClientId, dialog: Option<DialogId>, failure: Failure },
    /// It is our turn to refresh this session and the peer does not take UPDATE: send a re-INVITE with the last SDP.
    /// (Where the peer takes UPDATE the endpoint refreshes by itself.)
    RefreshDue { dialog: DialogId },
    /// The session timer ran out (RFC 4028 §10), or an in-dialog request met 481 or 408: the endpoint has sent BYE;
    /// the dialog is over. The words say which.
    Expired { dialog: DialogId, why: String },
}

/// An INVITE outside a dialog.
#[derive(Clone, Debug)]
pub struct Invite {
    pub hop: Hop,
    pub request_uri: Uri,
    /// Without tag; the endpoint adds it.
    pub from: NameAddr,
    pub to: NameAddr,
    /// User part of the Contact that the endpoint writes.
    pub contact_user: Option<String>,
    pub headers: Headers,
    /// The offer, or `None` for a late one.
    pub body: Option<Body>,
    /// Max-Forwards to write; 70 for a call that begins here, one less than received when passed on.
    pub max_forwards: u8,
}

/// Any other request outside a dialog (REGISTER, OPTIONS, …).
#[derive(Clone, Debug)]
pub struct Outside {
    pub method: Method,
    pub hop: Hop,
    pub request_uri: Uri,
    pub from: NameAddr,
    pub to: NameAddr,
    pub contact_user: Option<String>,
    pub headers: Headers,
    pub body: Option<Body>,
    /// For REGISTER refreshes: keep Call-ID and count CSeq on (RFC 3261 §10.2). `None` makes a fresh Call-ID.
    pub call_id: Option<(String, u32)>,
}

/// One node's SIP state. Plain data: `Serialize` it, and what is read back goes on where it stopped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    config: Config,
}

impl Endpoint {
    pub fn new(_seed: [u8; 32], config: Config, _now: Duration) -> Endpoint { Endpoint { config } }
    pub fn config(&self) -> &Config { &self.config }

    // --- from the connection layer
    /// A framed message from a flow.
    pub fn receive(&mut self, _flow: Flow, _message: Message, _now: Duration) { todo!() }
    /// The connection to `target` could not be made or verified (words say why); every request waiting for it fails.
    pub fn unreachable(&mut self, _target: &Target, _why: &str, _now: Duration) { todo!() }
    /// A stream ended. Client transactions on it fail; dialogs stay (their next request may open a new connection).
    pub fn closed(&mut self, _flow: FlowId, _now: Duration) { todo!() }

    // --- requests of ours
    pub fn invite(&mut self, _invite: Invite, _now: Duration) -> (DialogId, ClientId) { todo!() }
    /// CANCEL, as soon as RFC 3261 §9.1 allows (after a provisional); BYE if a 2xx crosses it.
    pub fn cancel(&mut self, _dialog: DialogId, _headers: Headers, _now: Duration) { todo!() }
    pub fn request(&mut self, _request: Outside, _now: Duration) -> ClientId { todo!() }
    /// re-INVITE. Glare (491) is retried by the endpoint after the RFC 3261 §14.1 pause.
    pub fn reinvite(&mut self, _dialog: DialogId, _headers: Headers, _body: Option<Body>, _now: Duration) -> ClientId { todo!() }
    /// INFO, REFER, NOTIFY, OPTIONS, UPDATE, MESSAGE inside a dialog.
    pub fn in_dialog(&mut self, _dialog: DialogId, _method: Method, _headers: Headers, _body: Option<Body>, _now: Duration) -> ClientId { todo!() }
    /// ACK for the 2xx last reported by [`Event::Accepted`] on this dialog.
    pub fn ack(&mut self, _dialog: DialogId, _headers: Headers, _body: Option<Body>, _now: Duration) { todo!() }
    /// Ends the dialog: BYE when confirmed, CANCEL when we are calling and early, 487 (or `Status`) when we are called
    /// and have not answered. Later answers are absorbed. Idempotent.
    pub fn end(&mut self, _dialog: DialogId, _headers: Headers, _now: Duration) { todo!() }

    // --- answers of ours
    /// Provisional or final answer. The endpoint writes Via, From, To (with our tag), Call-ID, CSeq, Record-Route,
    /// Contact, Session-Expires. A second final answer is ignored.
    pub fn respond(&mut self, _server: ServerId, _status: Status, _headers: Headers, _body: Option<Body>, _now: Duration) { todo!() }

    // --- dialogs
    /// Where requests of this dialog go when the flow that made it is gone: the trunk's own target.
    pub fn set_target(&mut self, _dialog: DialogId, _target: Target) { todo!() }
    pub fn call_id(&self, _dialog: DialogId) -> Option<&str> { todo!() }
    /// The flow that carried the last message of this dialog.
    pub fn flow(&self, _dialog: DialogId) -> Option<FlowId> { todo!() }
    pub fn is_confirmed(&self, _dialog: DialogId) -> bool { todo!() }
    pub fn dialogs(&self) -> usize { todo!() }
    pub fn transactions(&self) -> usize { todo!() }

    // --- machine
    pub fn poll(&mut self) -> Option<Output> { todo!() }
    pub fn deadline(&self) -> Option<Duration> { todo!() }
    pub fn tick(&mut self, _now: Duration) { todo!() }
}

/// Kept so that a peer's name stays with the flow it was verified on.
pub type Peer = Arc<str>;
