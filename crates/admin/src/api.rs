//! The words of the REST interface (`/api/v1`): what is sent and what comes back, as JSON.

use call::record::LegRecord;
use serde::{Deserialize, Serialize};

/// Live legs of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Calls {
    pub node: String,
    /// When the node started and when this was said, ms since 1970.
    pub started_ms: u64,
    pub now_ms: u64,
    pub legs: Vec<LegRecord>,
}

/// A finished call of which the node keeps a signed statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    pub caller: String,
    pub made_ms: u64,
}

/// `POST /api/v1/agents/{id}/state`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentState {
    pub state: Availability,
    #[serde(default)]
    pub reason: String,
}

/// `POST /api/v1/agents/{id}/supervision`: answered when the supervisor is in the call, or why they are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supervision {
    pub supervisor: String,
    pub how: roles::Oversight,
}

/// `POST /api/v1/agents/{id}/calls`: the agent's phone calls a number. Answered when somebody is there, or nobody will be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewCall {
    pub to: String,
}

/// `POST /api/v1/agents/{id}/calls/{call}`: something is done with a call of the agent's. Answered when it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallWork {
    #[serde(rename = "do")]
    pub deed: Deed,
    /// The number, queue or script, keys, or wrap-up reason; empty for the others.
    #[serde(default)]
    pub with: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    Answer,
    Hold,
    Retrieve,
    /// Hold the caller, and call this number.
    Consult,
    /// Bring the held caller together with whom the agent consulted.
    Transfer,
    /// All three hear each other.
    Conference,
    /// The caller goes to this queue, script or number at once.
    SendOn,
    /// These keys are pressed for the caller to hear.
    Press,
    /// What the call was about; also in the work after it.
    WrapUp,
    Drop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Availability {
    Ready,
    NotReady,
    /// In, not ready at first; who is in already stays as they are.
    Login,
    /// Out, from not ready only.
    Logout,
}

/// `POST /api/v1/reload`: the process of the node reads its certificates, roots and lists again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// A revocation list of the site's own CA (PEM) that is taken first, if it is newer than the one there.
    #[serde(default)]
    pub list: Option<String>,
    /// The site, too, as at SIGHUP.
    #[serde(default)]
    pub site: bool,
}

/// Its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// What changed, a line each.
    pub changed: Vec<String>,
}

/// `GET /api/v1/services`: what runs of a node, since when, and what a restart would meet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Services {
    pub node: String,
    pub role: String,
    /// Milliseconds since 1970.
    pub started_ms: u64,
    /// Its services for phones, while they run.
    pub phones: Option<PhonesServed>,
    pub calls: usize,
    pub registrations: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhonesServed {
    /// Milliseconds since 1970.
    pub started_ms: u64,
    /// `CAPF`, `TVS`, `TFTP`, `HTTP`, … and the port of each.
    pub ports: Vec<(String, u16)>,
}

/// `POST /api/v1/restart`: a part of the node is stopped and started again; answered with [`Reloaded`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restart {
    pub part: net::Part,
}

/// Body of every answer that is not 2xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub error: String,
}

/// `POST /api/v1/debugging`: handshakes of a node. Without `after` it is switched on; then ask again within 15 s, with the
/// `last` of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookAt {
    pub what: net::SslDebug,
    pub after: Option<u64>,
}
