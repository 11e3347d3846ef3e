//! A SIP call server (CVP) with the contact centre's routing: groups, dialled numbers, queues, agents.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::routing::{Agent, Calendar, CallType, Queue, ReasonCode, Script, Team, WrapUpReason};

/// A SIP call server (CVP) with the contact centre's routing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallServer {
    #[serde(rename = "sip_server_group", default)]
    pub sip_server_groups: Vec<SipServerGroup>,
    /// Dialled numbers (patterns) and the group that answers them first (the voice browsers).
    #[serde(rename = "dialled_number", default)]
    pub dialled_numbers: Vec<DialledNumber>,
    /// Numbers outside that agents may call (patterns) and the group that leads there (the border controllers).
    #[serde(rename = "outgoing_number", default)]
    pub outgoing_numbers: Vec<OutgoingNumber>,
    /// Numbers (patterns) that voice browsers may call for the callers whom they serve, outside by `outgoing_number`, others
    /// at the call manager. None: they call nobody.
    #[serde(default)]
    pub browsers_may_dial: Vec<String>,
    /// Group through which agents' extensions are reached (the call manager).
    pub agent_group: String,
    /// Group of media resources where agents' conferences and supervisors are; absent = there are none.
    #[serde(default)]
    pub conference_group: Option<String>,
    /// Group whose members may send calls in (the border controllers).
    pub ingress_group: String,
    #[serde(rename = "queue", default)]
    pub queues: Vec<Queue>,
    #[serde(rename = "agent", default)]
    pub agents: Vec<Agent>,
    #[serde(rename = "team", default)]
    pub teams: Vec<Team>,
    #[serde(rename = "calendar", default)]
    pub calendars: Vec<Calendar>,
    #[serde(rename = "script", default)]
    pub scripts: Vec<Script>,
    #[serde(rename = "call_type", default)]
    pub call_types: Vec<CallType>,
    #[serde(rename = "reason_code", default)]
    pub reason_codes: Vec<ReasonCode>,
    #[serde(rename = "wrap_up_reason", default)]
    pub wrap_up_reasons: Vec<WrapUpReason>,
    /// The interface that agents' desks work through; absent = none.
    #[serde(default)]
    pub desk: Option<Desk>,
    /// Seconds by which one step of priority puts a caller ahead in line.
    #[serde(default = "sixty")]
    pub priority_head_start_s: u32,
}

/// HTTPS for agents' desks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desk {
    #[serde(default = "desk_port")]
    pub port: u16,
    /// BOSH and WebSocket, over TLS; 0 = neither.
    #[serde(default = "web_port")]
    pub web_port: u16,
    /// XMPP over TLS; 0 = it is not spoken.
    #[serde(default = "xmpp_port")]
    pub xmpp_port: u16,
    /// Seconds after which an agent whose desk is gone gets no more calls.
    #[serde(default = "sixty")]
    pub lost_after_s: u32,
    /// Default the node's.
    #[serde(default)]
    pub address: Option<IpAddr>,
}

impl Desk {
    /// Fields that name ports, and those in use.
    pub fn ports(&self) -> impl Iterator<Item = (&'static str, u16)> {
        let all = [("port", self.port), ("web_port", self.web_port), ("xmpp_port", self.xmpp_port)];
        all.into_iter().filter(|(field, port)| *field == "port" || *port != 0)
    }
}

impl CallServer {
    pub fn group(&self, name: &str) -> Option<&SipServerGroup> {
        self.sip_server_groups.iter().find(|group| group.name == name)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SipServerGroup {
    pub name: String,
    /// Seconds between OPTIONS to each member; absent = none.
    #[serde(default)]
    pub heartbeat_s: Option<u32>,
    #[serde(rename = "member", default)]
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Host name as the member's certificate shows it (CN or SAN).
    pub host: String,
    /// The authority that issues that certificate: `carrier` is roots/carrier.pem in the data directory; absent = the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
    pub address: IpAddr,
    /// Lower is tried first.
    #[serde(default = "ten")]
    pub priority: u16,
    /// Share of the calls among members of one priority.
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialledNumber {
    pub pattern: String,
    pub group: String,
    /// Application on the voice browser; default the dialled number itself.
    #[serde(default)]
    pub application: Option<String>,
    /// Name of the call type; by it and the time the router finds a script.
    #[serde(default)]
    pub call_type: Option<String>,
}

/// A way out. What no pattern takes is a phone of the call manager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutgoingNumber {
    pub pattern: String,
    pub group: String,
    /// The number that those who are called see; absent = the agent's extension.
    #[serde(default)]
    pub calling_number: Option<String>,
}

fn ten() -> u16 {
    10
}

fn plain_port() -> u16 {
    5060
}

fn main_site() -> String {
    "Main".into()
}

fn desk_port() -> u16 {
    8445
}

fn web_port() -> u16 {
    7443
}

fn xmpp_port() -> u16 {
    5223
}

fn sixty() -> u32 {
    60
}
