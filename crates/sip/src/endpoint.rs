//! The endpoint: everything of one node that SIP itself remembers (RFC 3261 §8, §12, §13, §17; RFC 4028; RFC 6026).
//!
//! Messages come in by [`Endpoint::receive`]; what they mean comes out as [`Event`]s, bytes come out as
//! [`Output::Send`]. Its user (a role) acts through the methods. Retransmission, matching, ACK of failures, 2xx
//! retransmission until ACK, CANCEL matching, 100 Trying, 481, 482, 408, CSeq order, route sets, session-timer
//! refresh and expiry are done here and not seen above.
//!
//! This file is the face; the work is in `endpoint/`: `calls` (what the user asks for), `clients` and `outcomes`
//! (requests we sent and what became of them), `servers` (requests we got), `inside` (those within dialogs), `refusals`
//! (what no user sees), `answers` (what we reply), `ended` (what comes too late), `reliable` (RFC 3262), `sessions` (RFC 4028), `subscriptions`
//! (RFC 6665), `takeover` (Replaces, Join), `compose` (the messages), `ways` (where they go), `mint`, `table`, `timers`.

mod answers;
mod calls;
mod carry;
mod clients;
mod compose;
mod ended;
pub(crate) mod glance;
mod inside;
mod mint;
mod outcomes;
mod refusals;
mod reliable;
mod servers;
mod sessions;
mod subscriptions;
mod table;
mod takeover;
mod timers;
mod ways;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use self::clients::Client;
use self::ended::Ended;
use self::mint::Mint;
use self::servers::Server;
use self::table::Table;
use self::timers::{Timer, Timers};
use crate::dialog::{Dialog, Phase};

use crate::message::{Body, Headers, Message, Method, NameAddr, Request, Response};
use crate::overload::{Overload, Rate};
use crate::transaction::Timing;
use crate::transaction::key::Index;
use crate::transport::{Flow, FlowId, Hop, Target, Transport};
use crate::uri::Uri;

pub use self::carry::Carried;
pub use self::refusals::Cause;
pub use self::takeover::Takeover;

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

impl DialogId {
    /// Of a dialog that ended in an earlier process: no endpoint ever gives it to one.
    pub const OVER: DialogId = DialogId(0);
}

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
    /// Most server transactions that may be held; beyond it new requests outside dialogs are answered 503, and beyond
    /// twice as many those within dialogs too. Over UDP each is held for 32 s after its answer (RFC 3261 §17.2).
    pub max_transactions: usize,
    /// Methods that this node does (405 to the others). Empty: every known method is for the user to judge.
    pub allow: Vec<Method>,
    /// Media types that an INVITE, UPDATE or PRACK may carry (415 to others); also what `Accept` must leave us (406).
    pub accept: Vec<String>,
    /// Option tags without which no request is taken (421).
    pub require: Vec<String>,
    /// How long an INVITE of a peer may stay without a final answer of our user, from its last provisional one: then it
    /// is answered 480 and forgotten. Default 300 s: longer than any ring (timer C) that it may wait for.
    pub unanswered: Duration,
    /// New requests that one address may send; `None`: as many as it likes.
    pub rate: Option<Rate>,
    /// Offers overload control to neighbours and obeys theirs (RFC 7339).
    pub overload_control: bool,
    /// Does RFC 3262: provisional answers arrive where the peer requires it, and ours may be asked for (`100rel`).
    pub reliable: bool,
}

/// What wants to leave the node.
#[allow(clippy::large_enum_variant, reason = "moved out of the queue once; a box each would cost more")]
#[derive(Clone, Debug, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// Option tags that a `Require` may name, besides `timer`.
    supported: Vec<String>,
    mint: Mint,
    timers: Timers,
    clients: Table<u64, Client>,
    /// From an INVITE's transaction to that of its CANCEL, which shares the branch.
    cancels: BTreeMap<u64, u64>,
    servers: Table<ServerId, Server>,
    /// From what a retransmission, an ACK or a CANCEL is matched by (RFC 3261 §17.2.3).
    by_key: Index<ServerId>,
    /// From what makes two requests one that came on two ways (RFC 3261 §8.2.2.2).
    by_origin: Index<ServerId>,
    /// INVITEs of streams that are done with, should a copy come late.
    ended: Ended,
    dialogs: Table<DialogId, Dialog>,
    /// Our tags in dialogs of an earlier process, which do not lead to their ids.
    carried: BTreeMap<String, DialogId>,
    /// Open streams. UDP "flows" have no end and are not kept.
    streams: BTreeMap<FlowId, Flow>,
    overload: Overload,
    /// How often what was refused.
    refused: BTreeMap<Cause, u64>,
    out: VecDeque<Output>,
}

impl Default for Config {
    /// RFC 3261 and RFC 4028 values; no local address.
    fn default() -> Config {
        Config {
            local: Vec::new(),
            product: "Ringfence".into(),
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            ring: Duration::from_secs(180),
            session_expires: Duration::from_secs(1800),
            min_se: Duration::from_secs(90),
            max_transactions: 65_536,
            allow: Vec::new(),
            accept: ["application/sdp", "multipart/mixed", "multipart/alternative"].map(str::to_owned).to_vec(),
            require: Vec::new(),
            unanswered: Duration::from_secs(300),
            rate: None,
            overload_control: false,
            reliable: false,
        }
    }
}

impl Endpoint {
    /// `seed` must come from the operating system in production: tags and branches are as hard to guess as it is.
    pub fn new(seed: [u8; 32], config: Config, _now: Duration) -> Endpoint {
        Endpoint {
            config,
            supported: Vec::new(),
            mint: Mint::new(seed),
            timers: Timers::default(),
            clients: Table::default(),
            cancels: BTreeMap::new(),
            servers: Table::default(),
            by_key: Index::default(),
            by_origin: Index::default(),
            ended: Ended::default(),
            dialogs: Table::default(),
            carried: BTreeMap::new(),
            streams: BTreeMap::new(),
            overload: Overload::default(),
            refused: BTreeMap::new(),
            out: VecDeque::new(),
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Other bounds on what comes and goes from now on: see [`Config::rate`] and [`Config::overload_control`].
    pub fn shape(&mut self, rate: Option<Rate>, overload_control: bool) {
        (self.config.rate, self.config.overload_control) = (rate, overload_control);
    }

    /// Names an extension that the user of the endpoint implements: a `Require` of it is no longer refused by 420
    /// (RFC 3261 §8.2.2.3). `timer` is always understood. Announcing it in `Supported` is the user's.
    pub fn understand(&mut self, option: &str) {
        self.supported.push(option.to_owned());
    }

    // --- from the connection layer

    /// A framed message from a flow.
    pub fn receive(&mut self, flow: Flow, message: Message, now: Duration) {
        if flow.transport.is_reliable() && !self.streams.contains_key(&flow.id) {
            self.streams.insert(flow.id, flow);
        }
        if message.is_request() {
            self.request_in(flow, message, now);
        } else {
            self.response_in(flow, message, now);
        }
    }

    /// The connection to `target` could not be made or verified (words say why): every request waiting for it fails, but
    /// for a BYE within a dialog. That is sent again, as over UDP, until timer F, for nobody else would tell the peer that
    /// the call is over.
    pub fn unreachable(&mut self, target: &Target, why: &str, now: Duration) {
        let waits = |client: &Client| {
            client.is_open() && client.flow.is_none() && matches!(&client.hop, Hop::Target(hop) if hop == target)
        };
        let failed: Vec<u64> = self.clients.iter().filter(|(_, client)| waits(client)).map(|(id, _)| *id).collect();
        for id in failed {
            let failure = Failure::Transport(why.to_owned());
            if self.persists(id, now) {
                continue;
            }
            match self.clients.get(&id).is_some_and(|client| client.resent) {
                // The first copy may have arrived.
                true => self.abandon(id, failure, now),
                false => self.fail(id, failure, now),
            }
        }
    }

    /// A stream ended; `opened_for` is the target that it was opened for, if we opened it. Requests that went over it
    /// and met no answer fail; dialogs stay (their next request may open a new connection).
    ///
    /// A request within a dialog that met no answer yet moves once to the dialog's own target (see
    /// [`Endpoint::set_target`]) instead of failing: so the first BYE after a restart gets through. An INVITE of which
    /// nothing was heard goes once more where it went before, over a new connection: a peer may close just as we send.
    /// A BYE that went to the target is sent again until timer F. A call that may be ringing there is cancelled over a
    /// new connection as soon as the peer says so. The connection layer calls this too when it is asked to send over a
    /// flow that it does not know.
    pub fn closed(&mut self, flow: FlowId, opened_for: Option<&Target>, now: Duration) {
        self.streams.remove(&flow);
        let rode = |client: &Client| {
            let same = match (&client.flow, &client.hop) {
                (Some(known), _) => *known == flow,
                (None, Hop::Target(target)) => opened_for == Some(target),
                (None, Hop::Flow(_)) => false,
            };
            client.is_open() && same
        };
        let broken: Vec<u64> = self.clients.iter().filter(|(_, client)| rode(client)).map(|(id, _)| *id).collect();
        for id in broken {
            if !self.moved(id) && !self.persists(id, now) {
                self.abandon(id, Failure::Transport("the connection was closed before an answer came".into()), now);
            }
        }
    }

    // --- dialogs

    /// Where requests of this dialog go when the flow that made it is gone: the trunk's own target.
    pub fn set_target(&mut self, dialog: DialogId, target: Target) {
        if let Some(dialog) = self.dialogs.get_mut(&dialog) {
            dialog.path.fallback = Some(target);
        }
    }

    pub fn call_id(&self, dialog: DialogId) -> Option<&str> {
        self.dialogs.get(&dialog).map(|dialog| dialog.parties.call_id.as_str())
    }

    /// The flow that carried the last message of this dialog.
    pub fn flow(&self, dialog: DialogId) -> Option<FlowId> {
        self.dialogs.get(&dialog)?.path.flow.map(|flow| flow.id)
    }

    /// A 2xx came or went.
    pub fn is_confirmed(&self, dialog: DialogId) -> bool {
        matches!(self.dialogs.get(&dialog), Some(Dialog { phase: Phase::Confirmed | Phase::Leaving { .. }, .. }))
    }

    /// Dialogs that have not ended, those that are only being called included.
    pub fn dialogs(&self) -> usize {
        self.dialogs.len()
    }

    /// Transactions, those included that only linger to absorb what is sent again.
    pub fn transactions(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    // --- machine

    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Endpoint::tick`] wants to be called next.
    pub fn deadline(&self) -> Option<Duration> {
        self.timers.next()
    }

    pub fn tick(&mut self, now: Duration) {
        while let Some(timer) = self.timers.pop(now) {
            match timer {
                Timer::Client(id) => self.client_due(id, now),
                Timer::Server(id) => self.server_due(id, now),
                Timer::Dialog(id) => self.dialog_due(id, now),
                Timer::Early(id) => self.early_due(id, now),
            }
        }
    }

    fn timing(&self) -> Timing {
        let Config { t1, t2, t4, ring, unanswered, .. } = self.config;
        Timing { t1, t2, t4, ring, unanswered }
    }

    fn report(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn send(&mut self, hop: Hop, bytes: Bytes) {
        self.out.push_back(Output::Send { hop, bytes });
    }
}

/// Kept so that a peer's name stays with the flow it was verified on.
pub type Peer = Arc<str>;
