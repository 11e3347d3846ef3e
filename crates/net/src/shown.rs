//! What a node shows of its wire: connections and the trace.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sip::Transport;

/// One live connection, as `show sip-ua connections tcp tls detail` lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    pub id: u64,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// We opened it.
    pub outbound: bool,
    /// Octets waiting to be written.
    pub write_queue: usize,
    pub tls: Option<trust::TlsFacts>,
    pub peer: Option<trust::CertificateFacts>,
    /// Milliseconds since 1970.
    pub opened_ms: u64,
}

/// Connections of a node and what became of earlier ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    pub open: Vec<Connection>,
    pub send_failures: u64,
    pub remote_closures: u64,
    pub connect_failures: u64,
    pub idle_ageouts: u64,
    /// Largest write queue seen and towards whom.
    pub max_write_queue: Option<(usize, SocketAddr)>,
    pub tls_client_handshake_failures: u64,
    pub tls_server_handshake_failures: u64,
    /// Connections closed unheard, by cause: too many from one address.
    #[serde(default)]
    pub turned_away: BTreeMap<String, u64>,
    /// Messages refused because they were not SIP, by the status that they were answered with, or `dropped`.
    #[serde(default)]
    pub malformed: BTreeMap<String, u64>,
}

/// One SIP message as it passed the endpoint, after decryption; keys in `a=crypto` are already redacted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceEntry {
    /// Microseconds since 1970.
    pub at_us: u64,
    pub node: String,
    /// We sent it.
    pub sent: bool,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub tls: Option<trust::TlsFacts>,
    pub text: String,
}

/// What of handshakes is shown, by the words of IOS: `debug ssl openssl …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SslDebug {
    /// Handshakes that failed, and why.
    Errors,
    /// Messages as far as they pass in clear, and certificates.
    Msg,
    /// States, and alerts in words.
    States,
}

impl SslDebug {
    pub const ALL: [SslDebug; 3] = [SslDebug::Errors, SslDebug::Msg, SslDebug::States];

    pub fn as_str(self) -> &'static str {
        match self {
            SslDebug::Errors => "errors",
            SslDebug::Msg => "msg",
            SslDebug::States => "states",
        }
    }
}

/// Something in a TLS handshake of a node. No key, ticket or random is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HandshakeEvent {
    /// Counts up, of a node.
    pub number: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub about: SslDebug,
    /// As [`Connection::id`].
    pub connection: u64,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub text: String,
}

/// What there is to see of handshakes since the last look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Handshakes {
    /// Off: somebody switched it off, or nobody had asked for 15 s.
    pub on: bool,
    /// Ask for what comes after this one.
    pub last: u64,
    /// Events of any kind that were dropped before they were read.
    pub lost: u64,
    pub events: Vec<HandshakeEvent>,
}
