//! What a phone is: its line, its server, how it is protected, what it does by itself.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sdp::{Exchange, Policy, Protection, Suite};
use serde::{Deserialize, Serialize};
use sip::Transport;

use crate::PeerPlan;
use crate::plan::Kind;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Number of the line: user part of its addresses.
    pub line: String,
    /// Name shown to others; empty for none.
    pub display: String,
    /// Name of the peer in the plan to which calls go and, if so, where the phone registers.
    pub server: Arc<str>,
    /// Host part of the line's address; empty: the server's IP address.
    pub domain: String,
    pub registration: Option<Registration>,
    pub protection: Protection,
    /// In order of preference; empty for all.
    pub suites: Vec<Suite>,
    /// How SRTP is keyed, in order of preference; empty: by SDES.
    pub exchange: Vec<Exchange>,
    /// Answers by itself after ringing so long; `None` waits for [`crate::Control::Answer`].
    pub answer_after: Option<Duration>,
    pub say: Option<Say>,
    pub record: Option<Record>,
    /// Calls that it has at once; one more meets 486.
    pub calls: usize,
    /// Where it registers it does as it is told: picks up, holds and takes back (`Event: talk`, `hold`), and answers by
    /// itself what is to be answered so (`Call-Info: …;answer-after=0`).
    pub call_control: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// Asked for; the server may grant less.
    pub expires: Duration,
    /// Digest user, as a rule the line.
    pub user: String,
    pub secret: Secret,
}

/// A digest secret, or a token in its place (RFC 8898). `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(Kept);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Kept {
    Digest(String),
    Token(String),
}

impl Secret {
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(Kept::Digest(secret.into()))
    }

    /// Sent as it is, and over TLS only.
    pub fn token(token: impl Into<String>) -> Secret {
        Secret(Kept::Token(token.into()))
    }

    pub(super) fn digest(&self) -> Option<&str> {
        match &self.0 {
            Kept::Digest(secret) => Some(secret),
            Kept::Token(_) => None,
        }
    }

    pub(super) fn bearer(&self) -> Option<&str> {
        match &self.0 {
            Kept::Token(token) => Some(token),
            Kept::Digest(_) => None,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What the phone says once it is connected: a prompt of the catalogue, or a WAV that was added to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Say {
    pub prompt: String,
    pub repeat: bool,
}

/// Paths of WAV files: what was received and what was sent. A later call overwrites an earlier one's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub heard: String,
    pub said: String,
}

impl Plan {
    /// A secure phone that registers nowhere, says nothing and answers when it is told to.
    pub fn new(line: &str, server: &PeerPlan) -> Plan {
        Plan {
            line: line.into(),
            display: String::new(),
            server: server.name.clone(),
            domain: String::new(),
            registration: None,
            protection: Protection::Secure,
            suites: Vec::new(),
            exchange: Vec::new(),
            answer_after: None,
            say: None,
            record: None,
            calls: 1,
            call_control: true,
        }
    }

    /// The plan of the node that is this phone and nothing else. `local`: its addresses, as Via and Contact name them.
    pub fn of_node(self, site: &str, node: &str, local: Vec<(Transport, SocketAddr)>, server: PeerPlan) -> crate::Plan {
        crate::Plan {
            generation: 1,
            site: site.into(),
            node: node.into(),
            role: "phone".into(),
            local,
            peers: vec![server],
            heartbeats: Vec::new(),
            session_expires: Duration::from_secs(1800),
            min_se: Duration::from_secs(90),
            source_rate: None,
            overload_control: false,
            kind: Kind::Phone(self),
        }
    }

    pub(super) fn policy(&self) -> Policy {
        Policy { suites: self.suites.clone(), exchange: self.exchange.clone(), ..Policy::new(self.protection) }
    }
}
