//! What the SIP layer knows of transports (RFC 3261 §18): where a message came from and where one goes.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A transport protocol as it stands in `Via` and in a URI's `transport` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    /// SIP over WebSocket in clear (RFC 7118).
    Ws,
    /// SIP over WebSocket over TLS.
    Wss,
}

impl Transport {
    /// A stream transport delivers in order or not at all, so no timer resends over it (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        self != Transport::Udp
    }

    /// Over TLS.
    pub fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// Opened by clients only: nobody can be dialled over it (RFC 7118 §5.1).
    pub fn is_websocket(self) -> bool {
        matches!(self, Transport::Ws | Transport::Wss)
    }

    /// The token of `Via` (`UDP`, `TCP`, `TLS`, `WS`, `WSS`).
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// 5060, or 5061 for TLS (RFC 3261 §19.1.2); 80 and 443 for WebSockets (RFC 7118 §5.2.2).
    pub fn default_port(self) -> u16 {
        match self {
            Transport::Tls => 5061,
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }
}

/// Names one connection (TCP, TLS) or one UDP remote of one listener, for as long as the process lives.
/// Never reused; never snapshotted as anything but a number that will no longer be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FlowId(pub u64);

/// A flow as the connection layer describes it with each message received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    pub id: FlowId,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
}

/// Somewhere to connect to, and who must be found there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    pub transport: Transport,
    pub addr: SocketAddr,
    /// Name of the trunk (in the node's plan) whose identity the connection layer verifies before a byte is sent.
    /// Two targets with the same address and different peers never share a connection (RFC 5923 §9).
    pub peer: Arc<str>,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hop {
    /// Over this flow and no other.
    Flow(FlowId),
    /// Over a verified connection to this target: an open one, or a new one.
    Target(Target),
}
