//! SDP (RFC 8866), offer/answer (RFC 3264) and SDES keying (RFC 4568): what two ends agreed, as one typed result.
//!
//! Pure. Skeleton of the public face: helper C owns the crate and splits it: session.rs (parse/print), attribute.rs,
//! crypto.rs, negotiate.rs, reject.rs.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// SRTP protection profiles (IANA "SRTP Crypto Suite Registrations") that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Suite {
    AeadAes256Gcm,
    AeadAes128Gcm,
    AesCm128HmacSha1_80,
    AesCm128HmacSha1_32,
}

impl Suite {
    /// Name in `a=crypto`.
    pub fn name(self) -> &'static str { todo!() }
    /// Accepts the spellings that equipment really sends.
    pub fn parse(_text: &str) -> Option<Suite> { todo!() }
    /// Octets of master key and master salt: 16+14, 16+12, 32+12.
    pub fn key_salt_len(self) -> (usize, usize) { todo!() }
}

/// SRTP master key and salt. Zeroed on drop, `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterKey {
    bytes: Vec<u8>,
}
impl MasterKey {
    pub fn new(bytes: Vec<u8>) -> MasterKey { MasterKey { bytes } }
    pub fn bytes(&self) -> &[u8] { &self.bytes }
}
impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("MasterKey(…)") }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Codec { Pcmu, Pcma }

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction { SendRecv, SendOnly, RecvOnly, Inactive }

/// How a leg's media must be protected. There is no "if possible".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protection {
    /// RTP/SAVP with SDES; anything else is refused.
    Secure,
    /// RTP/AVP only, by an administrator's loud words.
    DangerousPlainRtp,
}

/// What one of our legs is willing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub protection: Protection,
    /// In order of preference.
    pub suites: Vec<Suite>,
    pub codecs: Vec<Codec>,
    /// Offer and accept RFC 4733 telephone-event.
    pub telephone_event: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keying {
    /// RTP in clear; only under [`Protection::DangerousPlainRtp`].
    Clear,
    Sdes { suite: Suite, tag: u32, local: MasterKey, remote: MasterKey },
}

/// The result of an offer and its answer for the one audio stream: all that a media session needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    pub remote: SocketAddr,
    /// RTCP address; the same as `remote` under rtcp-mux.
    pub remote_rtcp: SocketAddr,
    pub codec: Codec,
    /// Payload type we send and receive for the codec.
    pub payload_type: u8,
    /// Payload type of telephone-event at 8 kHz, if agreed.
    pub telephone_event: Option<u8>,
    /// As seen from us: `RecvOnly` means that we only receive.
    pub direction: Direction,
    pub ptime_ms: u16,
    pub keying: Keying,
}

/// Why a description cannot be had. A value, not an error: it becomes a 488 with a Warning (RFC 3261 §20.43).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// 488 as a rule; 400 for what is not SDP.
    pub status: u16,
    /// The rule, what was offered, what was required and what to do.
    pub rule: String,
    pub offered: String,
    pub required: String,
}

/// Our own side of one stream between offer and answer, and across re-offers (`o=` version counts up).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Where we receive: a leased, open port.
    pub addr: SocketAddr,
    pub session_id: u64,
    pub version: u64,
}

/// An offer of ours that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered { /* our keys by tag, payload types */ }

/// Fresh master keys: `keys(suite)` gives a random key and salt.
pub type Keys<'a> = &'a mut dyn FnMut(Suite) -> MasterKey;

/// Makes an offer. `direction` is ours.
pub fn offer(_policy: &Policy, _local: &mut Local, _direction: Direction, _keys: Keys<'_>) -> (String, Offered) { todo!() }

/// Reads the answer to an offer of ours.
pub fn accept(_offered: &Offered, _policy: &Policy, _answer: &[u8]) -> Result<Negotiated, Reject> { todo!() }

/// Answers an offer: our SDP and what is now agreed. Hold (`sendonly`, `inactive`, `c=0.0.0.0`) is mirrored.
pub fn answer(_policy: &Policy, _local: &mut Local, _offer: &[u8], _keys: Keys<'_>) -> Result<(String, Negotiated), Reject> { todo!() }

/// For elements that pass SDP through without ending media (call server, call manager): is this description's audio
/// protected, by what? Gives profile, suites and address for the record, and refuses what `policy` forbids.
pub fn inspect(_policy: &Policy, _sdp: &[u8]) -> Result<Inspected, Reject> { todo!() }

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspected {
    pub profile: String,
    pub suites: Vec<Suite>,
    pub addr: Option<SocketAddr>,
    pub codecs: Vec<String>,
    pub direction: Direction,
}
