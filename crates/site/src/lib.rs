//! The site: the only configuration. Typed resources with the field names that engineers know, read from `site.toml`,
//! validated as a whole: every problem at once, each with its place and what to write instead.
//!
//! Pure. Skeleton: helper D owns the crate and splits it: node.rs, sbc.rs, call_server.rs, voice_browser.rs,
//! call_manager.rs, tls.rs, number.rs (patterns), problem.rs, check.rs.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Name of the site: the CA is called after it.
    pub name: String,
    /// DNS domain of the nodes: a node's certificate is for `<node>.<domain>`.
    pub domain: String,
    #[serde(default)]
    pub tls: Tls,
    #[serde(rename = "node")]
    pub nodes: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// `["1.2", "1.3"]`
    pub versions: Vec<String>,
    /// Writes session keys to `SSLKEYLOGFILE`; every start and `show` says so. Labs only.
    #[serde(default)]
    pub dangerous_tls_keylog: bool,
}
impl Default for Tls {
    fn default() -> Self { Tls { versions: vec!["1.2".into(), "1.3".into()], dangerous_tls_keylog: false } }
}

/// One SIP-speaking box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
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
    /// Control link (mutual TLS), default 7061.
    #[serde(default = "default_control_port")]
    pub control_port: u16,
    /// RTP range, default 16384–32767.
    #[serde(default)]
    pub media_ports: Option<(u16, u16)>,
    #[serde(default)]
    pub session_expires_s: Option<u32>,
    #[serde(default)]
    pub min_se_s: Option<u32>,
    pub role: Role,
}
fn default_secure_port() -> u16 { 5061 }
fn default_control_port() -> u16 { 7061 }

/// What the node is. In TOML: `[node.role.sbc]`, `[node.role.call_server]`, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Sbc(Sbc),
    CallServer(CallServer),
    VoiceBrowser(VoiceBrowser),
    CallManager(CallManager),
}

/// A session border controller (CUBE).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sbc {
    #[serde(rename = "dial_peer")]
    pub dial_peers: Vec<DialPeer>,
}

/// `dial-peer voice <tag> voip`. Inbound when it has `incoming_called_number`, outbound when `destination_pattern`;
/// may be both. Selection: longest explicit match, then lowest tag (as IOS does).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialPeer {
    pub tag: u32,
    #[serde(default)]
    pub description: String,
    /// IOS patterns: digits, `.` one digit, `T` any number of digits, `[1-5]`.
    #[serde(default)]
    pub incoming_called_number: Option<String>,
    #[serde(default)]
    pub destination_pattern: Option<String>,
    /// `ipv4:198.18.133.13:5061`, `ipv6:[::1]:5061`, or `host:port`.
    pub session_target: String,
    /// `tcp tls` (default), `tcp`, `udp`.
    #[serde(default = "tls_transport")]
    pub session_transport: String,
    /// SRTP required (default). `false` only with `dangerous_plain_rtp = true`.
    #[serde(default = "yes")]
    pub srtp: bool,
    #[serde(default)]
    pub dangerous_plain_rtp: bool,
    /// Subjects (CN or SAN) accepted at the other end; required for `tcp tls`.
    #[serde(default)]
    pub secure_certificate_subject: Vec<String>,
    /// Seconds between OPTIONS towards the target (IOS `voice-class sip options-keepalive`); absent = none.
    #[serde(default)]
    pub options_keepalive_s: Option<u32>,
    /// Media from another address than the SDP's is taken once it authenticates (NAT in front of the peer).
    #[serde(default)]
    pub latch: bool,
}
fn tls_transport() -> String { "tcp tls".into() }
fn yes() -> bool { true }

/// A SIP call server (CVP) with the contact centre's routing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallServer {
    #[serde(rename = "sip_server_group")]
    pub sip_server_groups: Vec<SipServerGroup>,
    /// Dialled numbers (patterns) and the group that answers them first (the voice browsers).
    #[serde(rename = "dialled_number")]
    pub dialled_numbers: Vec<DialledNumber>,
    /// Group through which agents' extensions are reached (the call manager).
    pub agent_group: String,
    /// Group whose members may send calls in (the border controllers).
    pub ingress_group: String,
    #[serde(rename = "queue", default)]
    pub queues: Vec<Queue>,
    #[serde(rename = "agent", default)]
    pub agents: Vec<Agent>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SipServerGroup {
    pub name: String,
    /// Seconds between OPTIONS to each member; absent = none.
    #[serde(default)]
    pub heartbeat_s: Option<u32>,
    #[serde(rename = "member")]
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Host name as the member's certificate shows it (CN or SAN).
    pub host: String,
    pub address: IpAddr,
    #[serde(default = "ten")]
    pub priority: u16,
    #[serde(default = "ten")]
    pub weight: u16,
    #[serde(default = "plain_port")]
    pub port: u16,
    /// Absent: the member is not secure; the site is refused unless `dangerous_plain_sip = true`.
    #[serde(default)]
    pub secure_port: Option<u16>,
    #[serde(default)]
    pub dangerous_plain_sip: bool,
    #[serde(default = "main_site")]
    pub site: String,
}
fn ten() -> u16 { 10 }
fn plain_port() -> u16 { 5060 }
fn main_site() -> String { "Main".into() }

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialledNumber {
    pub pattern: String,
    pub group: String,
    /// Application on the voice browser; default the dialled number itself.
    #[serde(default)]
    pub application: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    pub name: String,
    /// Seconds an agent's phone may ring before the next agent is tried.
    #[serde(default = "rna")]
    pub ring_no_answer_s: u32,
}
fn rna() -> u32 { 12 }

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    pub id: String,
    pub extension: String,
    pub queues: Vec<String>,
}

/// A voice browser (CVVB).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoiceBrowser {
    #[serde(rename = "application")]
    pub applications: Vec<Application>,
    /// Subjects (CN or SAN) that may call.
    pub secure_certificate_subject: Vec<String>,
}

/// A one-question IVR. (VoiceXML documents take its place later.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Dialled number or application name (user part of the Request-URI).
    pub number: String,
    pub prompt: String,
    /// Played when nothing or a wrong digit is pressed; then the question again.
    #[serde(default = "invalid_prompt")]
    pub invalid_prompt: String,
    #[serde(default = "moh_prompt")]
    pub queue_music: String,
    /// Seconds of silence after the prompt before it counts as no input.
    #[serde(default = "five")]
    pub timeout_s: u32,
    #[serde(default = "three")]
    pub tries: u32,
    #[serde(rename = "choice")]
    pub choices: Vec<Choice>,
}
fn invalid_prompt() -> String { "invalid".into() }
fn moh_prompt() -> String { "moh".into() }
fn five() -> u32 { 5 }
fn three() -> u32 { 3 }

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice { pub digit: char, pub queue: String }

/// A call manager (CUCM).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallManager {
    #[serde(rename = "sip_trunk_security_profile")]
    pub sip_trunk_security_profiles: Vec<SipTrunkSecurityProfile>,
    #[serde(rename = "sip_trunk")]
    pub sip_trunks: Vec<SipTrunk>,
    #[serde(rename = "phone")]
    pub phones: Vec<Phone>,
    /// Digest realm; default the site's domain.
    #[serde(default)]
    pub realm: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SipTrunkSecurityProfile {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// `encrypted` (default), `non_secure` only with `dangerous_plain_sip`.
    #[serde(default = "encrypted")]
    pub device_security_mode: String,
    /// Secure Certificate Subject or Subject Alternate Name.
    pub secure_certificate_subject: Vec<String>,
    #[serde(default = "default_secure_port")]
    pub incoming_port: u16,
}
fn encrypted() -> String { "encrypted".into() }

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SipTrunk {
    pub name: String,
    pub destination_address: IpAddr,
    #[serde(default = "default_secure_port")]
    pub destination_port: u16,
    pub sip_trunk_security_profile: String,
    #[serde(default = "yes")]
    pub srtp_allowed: bool,
    #[serde(default)]
    pub dangerous_plain_rtp: bool,
    /// Seconds between OPTIONS; absent = none.
    #[serde(default)]
    pub options_ping_s: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phone {
    /// `SEP001122334455` or any name.
    pub name: String,
    /// Directory number of its line: also its digest user.
    pub line: String,
    pub digest_secret: String,
    /// `encrypted`: TLS and SRTP or nothing (default).
    #[serde(default = "encrypted")]
    pub device_security_mode: String,
    /// If given, the phone must show a certificate with this CN or SAN as well as digest.
    #[serde(default)]
    pub secure_certificate_subject: Option<String>,
}

/// What is wrong with a site, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem { pub line: usize, pub column: usize, pub path: String, pub what: String, pub fix: String }

impl Site {
    /// Reads and validates; all problems at once.
    pub fn parse(_toml: &str) -> Result<Site, Vec<Problem>> { todo!() }
    pub fn node(&self, _name: &str) -> Option<&Node> { todo!() }
    /// Certificate name of a node: `<name>.<domain>`.
    pub fn host_name(&self, _node: &Node) -> String { todo!() }
}

/// An IOS-style number pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pattern { /* compiled */ }
impl Pattern {
    pub fn parse(_text: &str) -> Result<Pattern, String> { todo!() }
    /// Number of digits matched explicitly, or `None`: larger wins.
    pub fn matches(&self, _number: &str) -> Option<usize> { todo!() }
}

/// `ipv4:1.2.3.4:5061`, `ipv6:[::1]:5061` → address.
pub fn session_target(_text: &str) -> Result<SocketAddr, String> { todo!() }
