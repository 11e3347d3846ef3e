//! One SIP-speaking box: its name, addresses, ports and role.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{CallManager, CallServer, CryptoSignaling, MediaResource, RemoteAddr, Sbc, Trustpoint, VoiceBrowser};

/// One SIP-speaking box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// A DNS label; the node's certificate is for `<name>.<domain>`.
    pub name: String,
    /// Listens and dials from here: SIP over TLS on `secure_port`, and on `port` UDP and TCP where the node opens it.
    pub address: IpAddr,
    #[serde(default = "default_secure_port")]
    pub secure_port: u16,
    /// Plain SIP listener (UDP and TCP); only with `dangerous_plain_sip = true`.
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub dangerous_plain_sip: bool,
    /// SIP over WebSocket over TLS (RFC 7118), for browsers; absent: none.
    #[serde(default)]
    pub websocket_port: Option<u16>,
    /// Control link (mutual TLS), default 7061.
    #[serde(default = "default_control_port")]
    pub control_port: u16,
    /// The administrator's console over SSH; absent: none.
    #[serde(default)]
    pub console: Option<Console>,
    /// RTP range, both ends included; default [`Node::MEDIA_PORTS`].
    #[serde(default)]
    pub media_ports: Option<(u16, u16)>,
    /// Session-Expires that this node asks for, in seconds (RFC 4028); absent = 1800.
    #[serde(default)]
    pub session_expires_s: Option<u32>,
    /// Smallest Session-Expires that this node accepts, in seconds (RFC 4028 §5: at least 90); absent = 90.
    #[serde(default)]
    pub min_se_s: Option<u32>,
    /// New requests (calls, registrations, heartbeats) that one address may send; more is answered 503. Absent: as many as
    /// there is room for.
    #[serde(default)]
    pub source_rate: Option<SourceRate>,
    /// Asks neighbours that speak RFC 7339 to send less before there is no room left, and does what they ask.
    #[serde(default)]
    pub overload_control: bool,
    /// TLS versions that it speaks (IOS `transport tcp tls v1.2`); empty = those of the site.
    #[serde(default)]
    pub tls_versions: Vec<String>,
    /// Identities that it shows to some peers instead of its own.
    #[serde(rename = "trustpoint", default)]
    pub trustpoints: Vec<Trustpoint>,
    /// To which peers, by their address; the longest match counts. To all others its own.
    #[serde(default)]
    pub crypto_signaling: Vec<CryptoSignaling>,
    /// Laboratories only (the site must say that it is one): a call to this number makes the node panic, so that it can be
    /// seen what that costs. It costs that call.
    #[serde(default)]
    pub dangerous_panic_on_number: Option<String>,
    pub role: Role,
}

/// SSH for administrators: the command line of a node of this kind, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Console {
    #[serde(default = "console_port")]
    pub port: u16,
    /// Default the node's.
    #[serde(default)]
    pub address: Option<IpAddr>,
}

/// So many new requests a second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRate {
    pub per_second: u32,
    pub burst: u32,
}

impl Node {
    /// RTP ports of a node that names none: the range the field's firewalls are opened for.
    pub const MEDIA_PORTS: (u16, u16) = (16384, 32767);
    /// Session-Expires of a node that names none, in seconds.
    pub const SESSION_EXPIRES_S: u32 = 1800;
    /// The least that RFC 4028 §5 lets anybody accept, in seconds.
    pub const MIN_SE_S: u32 = 90;

    /// The trustpoint for a remote address; `None`: the node's own identity, and our own authority.
    pub fn trustpoint_for(&self, remote: IpAddr) -> Option<&Trustpoint> {
        let parsed = self.crypto_signaling.iter().filter_map(|row| {
            let addresses: RemoteAddr = row.remote_addr.parse().ok()?;
            addresses.contains(remote).then_some((addresses.bits, &row.trustpoint))
        });
        let (_, name) = parsed.max_by_key(|(bits, _)| *bits)?;
        self.trustpoints.iter().find(|point| point.name == *name)
    }

    /// Where its console is, if it has one.
    pub fn console_at(&self) -> Option<(IpAddr, u16)> {
        self.console.as_ref().map(|console| (console.address.unwrap_or(self.address), console.port))
    }

    /// The console's port, where that is on the node's own address.
    pub(crate) fn console_port_here(&self) -> Option<u16> {
        self.console_at().filter(|(address, _)| *address == self.address).map(|(_, port)| port)
    }

    /// The RTP range in force, both ends included.
    pub fn media_range(&self) -> (u16, u16) {
        self.media_ports.unwrap_or(Node::MEDIA_PORTS)
    }

    /// The Session-Expires in force, in seconds.
    pub fn session_expires(&self) -> u32 {
        self.session_expires_s.unwrap_or(Node::SESSION_EXPIRES_S)
    }

    /// The Min-SE in force, in seconds.
    pub fn min_se(&self) -> u32 {
        self.min_se_s.unwrap_or(Node::MIN_SE_S)
    }
}

/// What the node is. In TOML: `[node.role.sbc]`, `[node.role.call_server]`, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Sbc(Sbc),
    CallServer(CallServer),
    VoiceBrowser(VoiceBrowser),
    CallManager(CallManager),
    MediaResource(MediaResource),
}

impl Role {
    /// The word that the site file uses for it.
    pub fn word(&self) -> &'static str {
        match self {
            Role::Sbc(_) => "sbc",
            Role::CallServer(_) => "call_server",
            Role::VoiceBrowser(_) => "voice_browser",
            Role::CallManager(_) => "call_manager",
            Role::MediaResource(_) => "media_resource",
        }
    }
}

pub(crate) fn default_secure_port() -> u16 {
    5061
}

fn console_port() -> u16 {
    22
}

fn default_control_port() -> u16 {
    7061
}
