//! The choice of an agent for a caller, and its reasons in words.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::Agent;
use crate::{AgentId, CallId};

/// One routing decision with all that went into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub call: CallId,
    pub queue: String,
    pub at: Duration,
    pub waited: Duration,
    /// `None`: nobody is ready, the caller waits.
    pub chosen: Option<AgentId>,
    /// Each agent of the queue and what spoke for or against: `idle 12 s`, `not ready: lunch`, `talking for 3 s`, …
    pub considered: Vec<(AgentId, String)>,
    /// The rule in words: `longest idle of 3 ready agents`.
    pub rule: String,
}

/// The agent whose turn it is among `agents` (those of one queue, in the plan's order): longest idle first, the
/// plan's order between equals. With the rule in words.
pub(crate) fn choose<'a>(agents: impl Iterator<Item = &'a Agent>) -> (Option<AgentId>, String) {
    let mut ready = 0usize;
    let mut all = 0usize;
    let mut equals = 0usize;
    let mut best: Option<(Duration, &Agent)> = None;
    for agent in agents {
        all += 1;
        let Some(since) = agent.idle_since() else {
            continue;
        };
        ready += 1;
        match best {
            Some((longest, _)) if since > longest => {}
            Some((longest, _)) if since == longest => equals += 1,
            _ => {
                best = Some((since, agent));
                equals = 1;
            }
        }
    }
    let rule = match (all, ready) {
        (0, _) => "no agent serves this queue: the caller waits".into(),
        (_, 0) => format!("none of {all} agents is ready: the caller waits"),
        (_, 1) => "the only ready agent".into(),
        _ if equals > 1 => format!("longest idle of {ready} ready agents; {equals} equally long, first in the plan"),
        _ => format!("longest idle of {ready} ready agents"),
    };
    (best.map(|(_, agent)| agent.plan.id.clone()), rule)
}
