//! Roles: what each kind of node does with calls. Pure machines of one shape; `net` runs them over sockets, `sim` over a
//! simulated network.
//!
//! `Node::new(seed, plan, now)`, [`Node::handle`], [`Node::poll`], [`Node::deadline`], [`Node::tick`],
//! [`Node::snapshot`], [`Node::restore`].
//!
//! One role never uses another's code: what two of them need lives in `call` (legs, pairs, records) or in [`shell`]
//! (peers, admission, OPTIONS, control, journal: the part of a node that is the same in every role).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
pub use call::Now;
use call::record::LegRecord;
use call::session_id::Uuid;
use call::statement::{Signed, Subject};
use serde::{Deserialize, Serialize};
use sip::locate::{Question, Records};
use sip::{Flow, FlowId, Hop, Message, Target, Transport, Uri};
use trust::{Peer, Refusal};

pub use node::Node;
pub use plan::{Kind, Plan};

pub mod call_manager;
pub mod call_server;
pub mod media_resource;
mod node;
pub mod phone;
pub mod plan;
pub mod sbc;
pub mod shell;
mod terminal;
pub mod voice_browser;

/// Who may be at the other end of a connection that this node makes, and whom it lets in: the connection layer
/// verifies outbound connections to `Target { peer: name }` against `names` before a byte of SIP is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerPlan {
    pub name: Arc<str>,
    pub transport: Transport,
    pub addr: SocketAddr,
    /// Where it is known by a domain: `addr` says nothing then, and [`Ask::Resolve`] finds its places.
    #[serde(default)]
    pub domain: Option<Domain>,
    /// Accepted certificate names (CN or SAN). Empty only for plain transports.
    pub names: Vec<String>,
    /// Who must have issued the certificate that bears one of them.
    #[serde(default)]
    pub authority: trust::Authority,
    /// Callers' identities are believed from it and told to it (RFC 3325 §2.4).
    pub trusted: bool,
}

impl PeerPlan {
    /// A peer at an address, of our own authority, trusted if it proves who it is.
    pub fn new(name: &str, transport: Transport, addr: SocketAddr, names: Vec<String>) -> PeerPlan {
        let authority = trust::Authority::Own;
        PeerPlan { name: name.into(), transport, addr, domain: None, names, authority, trusted: transport.is_secure() }
    }

    /// The URI of somebody there, or of the peer itself.
    pub fn uri(&self, user: Option<&str>) -> Uri {
        match &self.domain {
            Some(domain) => Uri::sip(user, &domain.host, domain.port),
            None => Uri::sip(user, self.addr.ip(), Some(self.addr.port())),
        }
    }
}

/// Where a peer is by name (RFC 3263 §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    pub host: String,
    /// With a port, no SRV records are asked for.
    pub port: Option<u16>,
}

/// A question to the slow or outside world; the answer comes as [`Input::Told`] with the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AskId(pub u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// Sign with the node's own identity.
    Sign { payload: Vec<u8> },
    /// Sign a finished hop statement, and make it durable; told when it is.
    State { of: Subject, payload: Vec<u8> },
    /// Make durable; told when it is.
    Persist(Persist),
    /// Fetch a page of an application.
    Fetch(Fetch),
    /// Fetch a recording of an application: [`Told::Sound`] says how it can be played.
    Sound(Fetch),
    /// Speak words: likewise.
    Speak(Box<Speak>),
    /// Recognise what a caller says: [`Told::Speech`] when it begins and ends, then [`Told::Heard`], once.
    Recognise(Box<Recognise>),
    /// Have a caller talk with a bot: [`Told::Streamed`] when that is over.
    Stream(Box<Stream>),
    /// Ask the DNS.
    Resolve(Question),
}

/// What the DNS said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    pub records: Records,
    /// The least time to live of its records; of an empty answer, that of the zone for such.
    pub lasts: Duration,
}

/// A page that a VoiceXML application wants of a web server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    pub request: vxml::Request,
    /// Whose word is taken about the server's name.
    pub authority: trust::Authority,
    /// `http:` is taken too.
    pub dangerous_plain_http: bool,
}

/// A caller to be listened to, until the tap ends or something was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recognise {
    pub lease: media::LeaseId,
    /// Of [`media::Command::Tap`].
    pub tap: u64,
    pub engine: Arc<site::Recognition>,
    pub hearing: vxml::Hearing,
}

/// A caller who is heard at an address and hears what is said there, until the tap ends or it is over there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    pub lease: media::LeaseId,
    /// Of [`media::Command::Tap`].
    pub tap: u64,
    /// The caller's Session-ID.
    pub caller: String,
    pub order: vxml::StreamOrder,
    /// Whose word is taken about the server's name.
    pub authority: trust::Authority,
    /// `ws:` is taken too.
    pub dangerous_plain_http: bool,
}

/// Words for an engine. They may be about the caller: no log has them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Speak {
    pub engine: Arc<site::Speech>,
    /// As the engine calls it; `None`: its own for the language.
    pub voice: Option<String>,
    /// BCP 47.
    pub language: String,
    /// Percent of the engine's own.
    pub rate: u16,
    pub pitch: u16,
    pub volume: u16,
    pub text: String,
}

impl std::fmt::Debug for Speak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Speak({} characters of {})", self.text.chars().count(), self.language)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Told {
    Signed {
        signature: Vec<u8>,
        chain_der: Vec<Vec<u8>>,
    },
    Persisted,
    Fetched(Result<vxml::Page, vxml::NotFetched>),
    Resolved(Resolved),
    /// What was asked for can be played: what [`media::Play::prompt`] calls it, on every stream of the process.
    Sound(String),
    /// The caller who is listened to begins to speak, or has ended. More follows.
    Speech(bool),
    /// In which ways it can be heard; none: it is nothing that was listened for.
    Heard(Vec<vxml::Utterance>),
    /// How it ended at the bot's, or the event for the application.
    Streamed(Result<vxml::StreamEnd, String>),
    /// The world failed: words.
    Failed(String),
}

/// What is kept beyond the process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Persist {
    /// State of a live call, so that a restarted node goes on with it; `None` removes it. `awaited`: a peer is told when
    /// it holds.
    Call { call: u64, state: Option<Vec<u8>>, awaited: bool },
    /// A phone's registration; `None` removes it.
    Registration { line: String, state: Option<Vec<u8>> },
    /// An agent's standing, as [`Node::adopt_agent`] takes it.
    Agent { id: String, state: String },
    /// Figures of a quarter of an hour, as [`Node::adopt_figures`] takes them; they replace what was kept of it before.
    Interval(Box<acd::Interval>),
}

impl Persist {
    /// A call that is over: nothing of it is gone on with.
    pub fn forget(call: u64) -> Persist {
        Persist::Call { call, state: None, awaited: false }
    }
}

impl Persist {
    /// Whether somebody is told that it holds (a phone its registration, an agent the state). The rest may be gathered for
    /// longer.
    pub fn is_pressing(&self) -> bool {
        match self {
            Persist::Registration { .. } | Persist::Agent { .. } => true,
            Persist::Call { awaited, .. } => *awaited,
            Persist::Interval(_) => false,
        }
    }
}

/// Facts that are written down and shown, not waited for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Journal {
    Refused(RefusalRecord),
    /// A leg's state, peer or media changed (ringing, connected, re-keyed, …): for those who watch.
    Changed(Box<LegRecord>),
    /// A phone registered (`true`) or is no longer: for those who watch. Written by phone and call manager.
    Registered {
        line: String,
        registered: bool,
    },
    /// A recording lies at these paths: what was heard, what was said.
    Recorded {
        heard: String,
        said: String,
    },
    /// A finished leg (CDR).
    Leg(Box<LegRecord>),
    /// A routing decision in words, by the caller's UUID.
    Decision {
        caller: Uuid,
        words: String,
    },
    /// The same decision with all its inputs, so that it can be asked about later.
    Routed {
        caller: Uuid,
        decision: Box<acd::Decision>,
    },
    /// An agent's state or call changed: for those who watch.
    Desk(Box<DeskEvent>),
    /// Somebody did what is to be accounted for: for the audit log.
    Audit {
        who: String,
        what: String,
    },
    /// A phone showed a token of this issuer, whose keys are fetched, and none that is known signed it: they are to be
    /// fetched anew.
    KeysWanted {
        issuer: String,
    },
    /// What the call server's router was told: a day of these can be run again with other scripts.
    Routing(Box<acd::Input>),
}

/// One refusal, as `show refusals` lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RefusalRecord {
    pub at_ms: u64,
    pub node: String,
    pub remote: Option<SocketAddr>,
    pub transport: Option<Transport>,
    /// What the other side was told: `TLS alert unknown_ca`, `SIP 403 Forbidden`, …
    pub answered: String,
    pub refusal: Refusal,
}

/// Number of a control request under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ControlId(pub u64);

/// What administration asks of a node's role. (Connections, traces and refusals are answered by `net` itself.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Live calls' legs.
    Calls,
    /// This node's statement on a call: signed when the call is over; a live one is signed as it stands.
    Statement {
        caller: Uuid,
    },
    /// Phones registered (call manager).
    Registrations,
    Agents,
    Queues,
    AgentReady {
        agent: String,
    },
    AgentNotReady {
        agent: String,
        reason: String,
    },
    /// The same as soon as the agent is in no call: a phone that rings goes on ringing.
    AgentNotReadyLater {
        agent: String,
        reason: String,
    },
    AgentLogin {
        agent: String,
    },
    AgentLogout {
        agent: String,
        reason: String,
    },
    /// Calls that agents have: ringing and connected.
    Dialogs,
    /// An agent's call ends, as if the agent had hung up. Here and below `agent` is whose call it was when this was asked:
    /// where it is another's by now, nothing is done.
    Drop {
        call: u64,
        agent: String,
    },
    /// An agent's caller goes to this queue, script or number instead, and hears music meanwhile; the agent is free.
    Transfer {
        call: u64,
        agent: String,
        to: String,
    },
    /// What an agent's phone is to do with a call of the agent's. Answered when it has, or cannot.
    Work {
        call: u64,
        agent: String,
        verb: Verb,
        /// The number to consult, the keys to press; else empty.
        with: String,
    },
    /// A supervisor of the agent's team comes into the agent's call, or does something else there. Answered when it is so.
    Supervise {
        supervisor: String,
        agent: String,
        how: Oversight,
    },
    /// An agent's phone calls a number. Answered when somebody is there, or nobody will be.
    MakeCall {
        agent: String,
        to: String,
    },
    /// What an agent notes about a call: values by name; an empty one takes a name away.
    Note {
        call: u64,
        agent: String,
        values: BTreeMap<String, String>,
    },
    /// Figures of the contact centre by intervals.
    Routing,
    /// No new calls (503 with Retry-After); answers when the last call has ended.
    Drain,
    Status,
    /// Phone role only: place a call, press keys, hang up.
    Dial {
        number: String,
    },
    Press {
        digits: String,
    },
    HangUp,
    /// Phone role only: take the call that rings; may a lock be shown (contract 92)?
    Answer,
    Lock,
    /// Phone role only: put the other end on hold, or take it back.
    Hold {
        on: bool,
    },
}

/// What a desk asks of an agent's phone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Take the call that rings.
    Answer,
    /// Keep the other party waiting, who hears music.
    Hold,
    /// Take them back.
    Retrieve,
    /// Hold them, and call somebody else.
    Consult,
    /// Bring the held party together with whom the agent consulted.
    Complete,
    /// Press keys for the other party to hear.
    Press,
    /// Hear each other, the held party, whom the agent consulted, and the agent.
    Confer,
}

/// What a supervisor does in an agent's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Oversight {
    /// Hears both, heard by neither.
    Listen,
    /// Hears both, heard by the agent alone.
    Whisper,
    /// All hear each other.
    Barge,
    /// Has the call; the agent is out of it.
    TakeOver,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Calls(Vec<LegRecord>),
    Statement(Signed),
    Registrations(Vec<Registration>),
    Agents(Vec<AgentView>),
    Queues(Vec<QueueView>),
    Dialogs(Vec<DialogView>),
    Routing(Box<RoutingView>),
    Status(Status),
    Lock(Lock),
    Done,
    /// Cannot: in words.
    Sorry(String),
}

/// Whether a phone may show a lock: every part of its call is secure, or why not, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    pub locked: bool,
    pub why: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    pub line: String,
    pub device: String,
    pub contact: String,
    pub remote: SocketAddr,
    pub transport: Transport,
    pub expires_s: u64,
    pub certificate: Option<String>,
    /// By what it was admitted: `digest`, `device certificate`, `oauth`.
    #[serde(default)]
    pub admitted_by: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentView {
    pub id: String,
    pub extension: String,
    pub state: String,
    pub reason: String,
    pub for_s: u64,
    #[serde(default)]
    pub team: Option<String>,
    /// Not ready for this reason, once the call and the work after it are over.
    #[serde(default)]
    pub pending: Option<String>,
    /// When the state was entered, milliseconds since 1970.
    #[serde(default)]
    pub since_ms: u64,
}

/// An agent's call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogView {
    /// The call server's number of it.
    pub call: u64,
    pub agent: String,
    pub extension: String,
    /// Caller's number; empty if withheld.
    pub calling: String,
    /// The number that the caller dialled.
    pub dialled: String,
    pub queue: Option<String>,
    pub call_type: Option<String>,
    /// What the caller's application attached for the agent.
    pub attached: Option<String>,
    /// What agents noted about the call, by name.
    #[serde(default)]
    pub notes: BTreeMap<String, String>,
    /// Connected; otherwise the agent's phone rings.
    pub connected: bool,
    /// The agent keeps the other party waiting.
    #[serde(default)]
    pub held: bool,
    /// What the agent's phone can be asked to do with it now.
    #[serde(default)]
    pub verbs: Vec<Verb>,
    /// The agent made it.
    #[serde(default)]
    pub outgoing: Option<Outward>,
    /// The consultation over this call, or the call that this consultation is over.
    #[serde(default)]
    pub beside: Option<u64>,
    /// Three hear each other through the media resource, or a supervisor listens there.
    #[serde(default)]
    pub mixed: bool,
    /// Others whom the agent hears and who hear the agent, besides the caller.
    #[serde(default)]
    pub parties: Vec<String>,
    /// This is a supervisor's part in the call that is `beside`.
    #[serde(default)]
    pub supervises: Option<Oversight>,
    /// The call is over, and the agent works on it still.
    #[serde(default)]
    pub wrapping_up: bool,
    /// When the agent's phone began to ring, milliseconds since 1970; 0 if a process before this one knew it.
    pub began_ms: u64,
    /// When it got to be connected or ringing.
    pub since_ms: u64,
}

/// Who watches what a node writes down: what is for watchers alone need not be made otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    Nobody,
    /// [`Journal::Desk`] alone.
    Desks,
    /// A node that is told nothing of it takes it so.
    #[default]
    All,
}

/// How far a call is that an agent made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outward {
    /// The agent's own phone is called.
    Initiating,
    /// The destination is.
    Initiated,
    Connected,
}

/// What desks are told as it happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DeskEvent {
    Agent(AgentView),
    Dialog(DialogView),
    /// This call is no agent's any more.
    DialogOver {
        call: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueueView {
    pub name: String,
    pub waiting: usize,
    pub longest_wait_s: u64,
    /// Agents who may serve it: ready, ringing or talking, in wrap-up, not ready.
    #[serde(default)]
    pub ready: u32,
    #[serde(default)]
    pub talking: u32,
    #[serde(default)]
    pub wrap_up: u32,
    #[serde(default)]
    pub not_ready: u32,
    /// What somebody who joins now would wait; unknown while nobody works.
    #[serde(default)]
    pub estimate_s: Option<u64>,
    /// When the one who waits longest began to, milliseconds since 1970.
    #[serde(default)]
    pub longest_since_ms: Option<u64>,
}

/// Figures by intervals, oldest first; the last one is under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoutingView {
    pub intervals: Vec<acd::Interval>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub node: String,
    pub role: String,
    pub calls: usize,
    pub legs: usize,
    pub dialogs: usize,
    pub transactions: usize,
    pub leases_free: usize,
    pub draining: bool,
    pub panics: u64,
    pub plan_generation: u64,
    /// SIP requests refused before any rule of the site was asked, by cause (`sip::Cause`), since the node started.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
}

/// Everything that can wake a node.
#[expect(clippy::large_enum_variant, reason = "most are messages, and a box for each would cost more than it saves")]
#[derive(Clone, Debug)]
pub enum Input {
    /// A whole SIP message and who sent it. The flow's peer stays the same for the life of the flow.
    Message {
        flow: Flow,
        peer: Arc<Peer>,
        message: Message,
    },
    /// A connection to `target` could not be made, or its peer was refused (then with the refusal).
    Unreachable {
        target: Target,
        why: String,
    },
    /// A stream connection ended; `target` is what it was opened for, if this node opened it.
    Closed {
        flow: FlowId,
        target: Option<Target>,
    },
    Media(media::Event),
    Told(AskId, Told),
    Control(ControlId, Control),
    /// A new plan: new calls route by it.
    Plan(Arc<Plan>),
}

/// Everything a node can want.
#[derive(Clone, Debug)]
pub enum Output {
    Send {
        hop: Hop,
        bytes: Bytes,
    },
    /// Close a flow once what was sent is out (a peer that was refused).
    Close {
        flow: FlowId,
    },
    Media(media::Command),
    Ask(AskId, Ask),
    Reply(ControlId, Reply),
    Journal(Journal),
}
