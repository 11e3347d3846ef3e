//! Automatic call distribution: agents, queues, decisions. Knows call verbs, no SIP.
//!
//! Pure machine: `handle` inputs, `poll` outputs, `deadline`, `tick`. Every decision keeps its inputs, so that it can
//! say why. Skeleton of the public face: helper F owns the crate: agent.rs, queue.rs, decision.rs, router.rs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A caller waiting or talking; the number is the call server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub u64);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AgentId(pub String);

/// What the router knows of the centre; from the site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan { pub queues: Vec<QueuePlan>, pub agents: Vec<AgentPlan> }

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueuePlan { pub name: String, pub ring_no_answer: Duration }

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentPlan { pub id: AgentId, pub extension: String, pub queues: Vec<String> }

/// States as an agent's desk shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentState {
    LoggedOut,
    NotReady { reason: String },
    /// Waiting for a call since.
    Ready { since: Duration },
    /// A call was offered; the phone rings.
    Reserved { call: CallId, since: Duration },
    Talking { call: CallId, since: Duration },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// An agent says ready / not ready.
    Ready(AgentId),
    NotReady { agent: AgentId, reason: String },
    /// A caller joins a queue.
    Enqueue { call: CallId, queue: String },
    /// The caller is gone, or the conversation is over.
    Gone(CallId),
    /// The agent's phone answered.
    Answered(CallId),
    /// The offer came to nothing: busy, unreachable, declined.
    Refused { call: CallId, why: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Ring this agent for this call.
    Offer { call: CallId, agent: AgentId, extension: String },
    /// Stop ringing: no answer in time, or the agent was taken away.
    Withdraw { call: CallId, agent: AgentId, why: String },
    /// The caller could not be queued (no such queue).
    Unroutable { call: CallId, why: String },
    /// For the desk and the journal.
    AgentChanged { agent: AgentId, state: AgentState },
    /// Why this call went to this agent and not to that one.
    Decided(Decision),
}

/// One routing decision with all that went into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub call: CallId,
    pub queue: String,
    pub at: Duration,
    pub waited: Duration,
    pub chosen: Option<AgentId>,
    /// Each agent of the queue and what spoke for or against: `idle 12 s`, `not ready: lunch`, `talking`, …
    pub considered: Vec<(AgentId, String)>,
    /// The rule in words: `longest idle of 3 ready agents`.
    pub rule: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Router { plan: Plan }

impl Router {
    pub fn new(plan: Plan, _now: Duration) -> Router { Router { plan } }
    /// A changed plan: agents and queues that stay keep their state.
    pub fn set_plan(&mut self, plan: Plan, _now: Duration) { self.plan = plan; }
    /// An error says in words what does not exist; nothing has changed then.
    pub fn handle(&mut self, _input: Input, _now: Duration) -> Result<(), String> { todo!() }
    pub fn poll(&mut self) -> Option<Output> { todo!() }
    pub fn deadline(&self) -> Option<Duration> { todo!() }
    pub fn tick(&mut self, _now: Duration) { todo!() }
    pub fn agents(&self) -> Vec<(AgentId, String, AgentState)> { todo!() }
    /// Queue, waiting calls (oldest first, with how long).
    pub fn queues(&self, _now: Duration) -> Vec<(String, Vec<(CallId, Duration)>)> { todo!() }
}
