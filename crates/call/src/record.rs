//! The security record of a leg: written by the layers that did the work, read by everything that shows or signs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Pii;
use crate::session_id::{SessionId, Uuid};

/// One leg of one call at one node. The only source of `show`, CDR, ladder captions and passport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegRecord {
    /// The node's number of the call (both legs carry it) and of the leg.
    pub call: u64,
    pub leg: u64,
    pub direction: Direction,
    /// Dial-peer tag (sbc), or the trunk's, group's or device's name.
    pub peer: String,
    pub dial_peer: Option<u32>,
    pub calling: Pii<String>,
    pub called: Pii<String>,
    pub sip_call_id: String,
    pub session_id: SessionId,
    pub state: LegState,
    /// Milliseconds since 1970.
    pub began_ms: u64,
    pub connected_ms: Option<u64>,
    pub ended_ms: Option<u64>,
    /// Who ended it and why, in words.
    pub ended_because: Option<String>,
    pub signalling: Signalling,
    /// Loud words of the administrator in force on this leg: `dangerous_plain_sip`, `dangerous_plain_rtp`. Where one
    /// is missing, what is not protected is a breach and not an exception.
    #[serde(default)]
    pub dangerous: Vec<String>,
    /// Media that this node ends or relays on this leg; `None` where media never visits (call server, call manager).
    pub media: Option<media_facts::MediaRecord>,
    /// For a node that only passes SDP on: what was offered and agreed, and that this node saw the SDES keys.
    pub passed: Option<Passed>,
    /// What its party was in the call where that is more than one who talks: a supervisor who listens, say. In words, in order.
    #[serde(default)]
    pub parts: Vec<String>,
    /// Callers under whom the node filed this leg before it came into this call, the first one first.
    #[serde(default)]
    pub was_of: Vec<Uuid>,
    /// Every re-keying, change of party, downgrade, in order.
    pub events: Vec<LegEvent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    Answer,
    Originate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LegState {
    Calling,
    Ringing,
    Active,
    Connected,
    Ended,
}

/// Written by the connection layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signalling {
    /// `TLS`, `TCP`, `UDP`.
    pub transport: String,
    pub local: Option<std::net::SocketAddr>,
    pub remote: Option<std::net::SocketAddr>,
    pub tls: Option<trust::TlsFacts>,
    /// The peer's certificate if it proved one.
    pub peer: Option<Arc<trust::CertificateFacts>>,
    /// How the peer was let in: `certificate`; a phone `digest`, `device certificate` or `oauth`;
    /// `address only (dangerous_plain_sip)`.
    pub admitted_by: String,
}

impl Signalling {
    /// The peer proved itself inside the connection: a phone by digest, or by a token (RFC 8898).
    pub fn is_of_secret(&self) -> bool {
        matches!(self.admitted_by.as_str(), "digest" | "oauth")
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passed {
    pub profile: String,
    pub suites: Vec<String>,
    pub sdes_key_seen: bool,
    pub remote_media: Option<std::net::SocketAddr>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegEvent {
    pub at_ms: u64,
    pub what: String,
}

/// Media facts as they stand in a record (a plain copy of what the media engine counted; `call` knows no media crate).
pub mod media_facts {
    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub struct MediaRecord {
        pub local: Option<std::net::SocketAddr>,
        pub remote: Option<std::net::SocketAddr>,
        pub keying: String,
        pub suite: String,
        pub codec: String,
        pub rekeyed: u32,
        pub tx_protected: u64,
        pub tx_clear: u64,
        pub tx_octets: u64,
        pub rx_protected: u64,
        pub rx_clear: u64,
        pub rx_octets: u64,
        pub auth_failed: u64,
        pub replayed: u64,
        pub clear_dropped: u64,
        pub lost: u64,
        pub reordered: u64,
        pub jitter_ms: f32,
        pub rtt_ms: Option<f32>,
        /// What a listener would think of what was received, by the E-model; 1.0 to 4.5.
        #[serde(default)]
        pub mos: Option<f32>,
        /// The same of what was sent, by the peer's own metrics (RTCP XR).
        #[serde(default)]
        pub heard_as: Option<f32>,
    }
}

impl LegRecord {
    /// Signalling was mutual TLS.
    pub fn signalling_secure(&self) -> bool {
        self.signalling.tls.as_ref().is_some_and(|t| t.mutual)
    }

    /// Every packet of this leg's media that we ended or relayed was protected, both ways, and the stream is keyed.
    /// `None` where media never visits this node.
    pub fn media_secure(&self) -> Option<bool> {
        self.media.as_ref().map(media_facts::MediaRecord::is_protected)
    }

    /// Why this leg may not show a lock (contract 92); `None`: it may.
    pub fn unlocked_because(&self) -> Option<String> {
        let Some(tls) = &self.signalling.tls else {
            return Some(format!("signalling is {} in clear", self.signalling.transport));
        };
        if !tls.mutual && self.signalling.peer.is_none() && !self.signalling.is_of_secret() {
            return Some("the other end of the TLS connection proved nothing".into());
        }
        match (&self.media, &self.passed) {
            (Some(media), _) if !media.was_set() => Some("no media is agreed".into()),
            (Some(media), _) if media.keying == "DTLS-SRTP" && media.suite.is_empty() => {
                Some("no SRTP key has come of the handshake".into())
            }
            (Some(media), _) if media.suite.is_empty() => Some("media is RTP in clear".into()),
            (Some(media), _) if !media.is_protected() => {
                Some(format!("{} packets of media went in clear", media.clear()))
            }
            (None, Some(passed)) if !passed.is_secure() => Some(format!("media is {} in clear", passed.profile)),
            (None, None) => Some("no media is agreed".into()),
            _ => None,
        }
    }

    pub fn allows(&self, dangerous_word: &str) -> bool {
        self.dangerous.iter().any(|word| word == dangerous_word)
    }

    pub fn note(&mut self, at_ms: u64, what: impl Into<String>) {
        self.events.push(LegEvent { at_ms, what: what.into() });
    }
}

impl Passed {
    /// The profile is one of SRTP (`RTP/SAVP`, `RTP/SAVPF`, `UDP/TLS/RTP/SAVP…`).
    pub fn is_secure(&self) -> bool {
        self.profile.contains("SAVP")
    }

    /// By a handshake between the two ends (`UDP/TLS/RTP/SAVP…`): suite and keys are in no description.
    pub fn is_keyed_by_handshake(&self) -> bool {
        self.profile.starts_with("UDP/TLS")
    }
}

impl media_facts::MediaRecord {
    /// A stream was agreed and set on this leg's port.
    pub fn was_set(&self) -> bool {
        !self.keying.is_empty()
    }

    pub fn clear(&self) -> u64 {
        self.tx_clear + self.rx_clear
    }

    pub fn is_protected(&self) -> bool {
        !self.suite.is_empty() && self.clear() == 0
    }
}
