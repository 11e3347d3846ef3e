//! The shell around the pure machines: sockets, threads, clocks, the store. The only crate with sockets and, in its
//! socket module, the only one with `unsafe`.
//!
//! Skeleton of the public face (admin and ringfence are coded against it).

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use roles::{Control, PeerPlan, RefusalRecord, Reply};
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

/// A running process: all nodes started here.
pub struct Process {}

/// A running node, from other threads. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {}

impl Process {
    /// Starts the nodes of `site` named in `only` (all if empty) with the identities in `data`.
    pub fn start(_site: &site::Site, _data: &Path, _only: &[String]) -> anyhow::Result<Process> { todo!() }
    /// A headless phone (or the lab's carrier): the same loop, with its own identity (PEM chain and key) or none.
    pub fn start_phone(&mut self, _phone: PhoneStart) -> anyhow::Result<NodeHandle> { todo!() }
    pub fn nodes(&self) -> Vec<NodeHandle> { todo!() }
    pub fn node(&self, _name: &str) -> Option<NodeHandle> { todo!() }
    /// Swaps the plans; calls up keep theirs.
    pub fn reload(&mut self, _site: &site::Site) -> anyhow::Result<()> { todo!() }
    /// Ends loops, closes sockets, joins threads.
    pub fn stop(self) { todo!() }
}

/// What [`Process::start_phone`] needs.
pub struct PhoneStart {
    pub address: std::net::IpAddr,
    /// Local SIP ports; 0 lets the system choose.
    pub listen: Vec<(Transport, u16)>,
    pub plan: Arc<roles::Plan>,
    pub peers: Vec<PeerPlan>,
    pub identity: Option<trust::Identity>,
    pub roots_pem: Vec<String>,
    pub media_ports: (u16, u16),
}

impl NodeHandle {
    pub fn name(&self) -> &str { todo!() }
    pub fn control_address(&self) -> SocketAddr { todo!() }
    /// Asks the role; waits without blocking a runtime.
    pub async fn control(&self, _control: Control) -> Reply { todo!() }
    /// The same for plain threads.
    pub fn control_blocking(&self, _control: Control) -> Reply { todo!() }
    pub fn connections(&self) -> Connections { todo!() }
    /// The last messages, oldest first (bounded).
    pub fn trace(&self) -> Vec<TraceEntry> { todo!() }
    pub fn refusals(&self) -> Vec<RefusalRecord> { todo!() }
    /// What this node writes down from now on, as it happens (bounded; a slow watcher loses the oldest).
    pub fn watch(&self) -> std::sync::mpsc::Receiver<roles::Journal> { todo!() }
    /// Finished calls of which the store holds this node's statement, newest last: caller's UUID, made (ms since 1970).
    pub fn statements(&self) -> Vec<(String, u64)> { todo!() }
    /// A stored statement.
    pub fn statement(&self, _caller: &str) -> Option<call::statement::Signed> { todo!() }
    /// When the node started, ms since 1970.
    pub fn started_ms(&self) -> u64 { todo!() }
    /// Identity and roots, for the control listener.
    pub fn identity(&self) -> (trust::Identity, Vec<String>) { todo!() }
}
