//! Routing as the site file has it: queues, agents, teams, calendars, call types, scripts, reasons. What it means is
//! `acd`'s to know: [`CallServer::routing`](crate::CallServer::routing) makes its plan, and says all that is wrong.

mod compile;

use serde::{Deserialize, Serialize};

pub use compile::{Routing, RoutingFlaw};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    pub name: String,
    /// Seconds an agent's phone may ring before the next agent is tried.
    #[serde(default = "ring_no_answer")]
    pub ring_no_answer_s: u32,
    /// `longest_idle`, `least_occupied` or `most_skilled`.
    #[serde(default = "longest_idle")]
    pub order: String,
    /// Precision: who serves, and after which time others do too. Without: the agents who name the queue.
    #[serde(rename = "step", default)]
    pub steps: Vec<Who>,
    #[serde(default)]
    pub wrap_up_s: u32,
    /// A caller waits so long for the agent they talked to last.
    #[serde(default)]
    pub last_agent_s: u32,
    #[serde(default = "twenty")]
    pub service_level_s: u32,
    /// Callers are told their position this often; absent: never.
    #[serde(default)]
    pub announce_s: Option<u32>,
    /// What a conversation is taken to last until there have been some.
    #[serde(default = "three_minutes")]
    pub expected_handling_s: u32,
}

/// One step of a precision queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    /// `english >= 7 and not trainee`
    pub who: String,
    /// After this the next step's agents are asked too.
    #[serde(default)]
    pub wait_s: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    pub id: String,
    pub extension: String,
    #[serde(default)]
    pub queues: Vec<String>,
    /// Skills and other attributes: `english = 7`, or `english` for the highest level, 10.
    #[serde(default)]
    pub attributes: Vec<String>,
    #[serde(default)]
    pub team: Option<String>,
    #[serde(default)]
    pub first_name: Option<String>,
    #[serde(default)]
    pub last_name: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    pub name: String,
    #[serde(default)]
    pub supervisors: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    pub name: String,
    /// A POSIX rule: `CET-1CEST,M3.5.0,M10.5.0/3`, `UTC0`.
    pub time_zone: String,
    /// `mon-fri 09:00-17:30`
    pub open: Vec<String>,
    /// `2026-12-25`, `12-25`, `2026-12-24 09:00-12:00`
    #[serde(default)]
    pub holidays: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    pub name: String,
    #[serde(rename = "step", default)]
    pub steps: Vec<ScriptStep>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptStep {
    pub name: String,
    #[serde(rename = "do")]
    pub action: Do,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Do {
    Queue(Join),
    Open(Open),
    Waiting(Waiting),
    EstimatedWait(EstimatedWait),
    Staffed(Staffed),
    Announce(Announce),
    End(End),
}

/// The caller joins a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    pub queue: String,
    #[serde(default)]
    pub priority: u8,
    #[serde(default)]
    pub wait_s: Option<u32>,
    #[serde(default)]
    pub then: Option<String>,
}

/// Whether a calendar is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    pub calendar: String,
    pub then: String,
    pub otherwise: String,
}

/// Whether more callers than this wait in a queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    pub queue: String,
    pub over: u32,
    pub then: String,
    pub otherwise: String,
}

/// Whether a caller who joins now would wait longer than this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstimatedWait {
    pub queue: String,
    pub over_s: u32,
    pub then: String,
    pub otherwise: String,
}

/// Whether anybody who may serve the queue is logged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staffed {
    pub queue: String,
    pub then: String,
    pub otherwise: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announce {
    pub prompt: String,
    pub then: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    #[serde(default)]
    pub prompt: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallType {
    pub name: String,
    /// The first calendar that is open.
    #[serde(default)]
    pub when: Vec<When>,
    /// Script when none of them is.
    pub otherwise: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    pub calendar: String,
    pub script: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonCode {
    pub code: u16,
    pub label: String,
    /// `not_ready` or `logout`
    pub category: String,
    /// Absent: all teams.
    #[serde(default)]
    pub teams: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrapUpReason {
    pub label: String,
    #[serde(default)]
    pub teams: Vec<String>,
}

fn ring_no_answer() -> u32 {
    12
}

fn longest_idle() -> String {
    "longest_idle".into()
}

fn twenty() -> u32 {
    20
}

fn three_minutes() -> u32 {
    180
}
