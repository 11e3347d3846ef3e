//! What media itself saw of one stream: the only source of what the security record says of media.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// What happened on one stream since it began, across re-keyings and re-targets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub local: Option<SocketAddr>,
    pub remote: Option<SocketAddr>,
    /// `SDES` or `none`; empty when the lease never got a stream.
    pub keying: String,
    /// Suite name, empty when in clear.
    pub suite: String,
    pub codec: String,
    /// How often keys were set after the first time.
    pub rekeyed: u32,
    pub tx: Counters,
    pub rx: Counters,
    /// Packets that failed authentication, were replays or too old, or came in clear on a secure stream (dropped).
    pub auth_failed: u64,
    pub replayed: u64,
    pub clear_dropped: u64,
    /// Dropped because they came from another address than agreed.
    pub foreign_source: u64,
    /// RFC 3550: cumulative lost of the stream received, interarrival jitter in ms, out of order.
    pub lost: u64,
    pub reordered: u64,
    pub jitter_ms: f32,
    /// From RTCP where the peer sends it.
    pub rtt_ms: Option<f32>,
    /// What a listener would think of what was received: 1.0 to 4.5 by the E-model (ITU-T G.107).
    pub mos: Option<f32>,
    /// What the peer's own metrics (RTCP XR, RFC 3611) say of what we send: a MOS of listening.
    pub heard_as: Option<f32>,
}

/// RTP packets and payload octets, apart by whether they travelled protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    pub protected: u64,
    pub clear: u64,
    pub octets: u64,
}
