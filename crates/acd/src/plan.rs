//! What the router knows of the centre; from the site.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::AgentId;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub queues: Vec<QueuePlan>,
    /// Their order settles a tie between agents who have waited equally long.
    pub agents: Vec<AgentPlan>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueuePlan {
    pub name: String,
    /// How long an agent's phone may ring before the caller goes to the next agent.
    pub ring_no_answer: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentPlan {
    pub id: AgentId,
    pub extension: String,
    pub queues: Vec<String>,
}
