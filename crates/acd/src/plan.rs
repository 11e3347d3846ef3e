//! What the router knows of the centre; from the site.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::expr::Expr;
use crate::script::Script;
use crate::{AgentId, RING_NO_ANSWER};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub queues: Vec<QueuePlan>,
    /// Their order settles a tie between agents who have waited equally long.
    pub agents: Vec<AgentPlan>,
    pub teams: Vec<TeamPlan>,
    pub calendars: Vec<Calendar>,
    pub scripts: Vec<Script>,
    pub call_types: Vec<CallTypePlan>,
    pub reasons: Vec<ReasonCode>,
    pub wrap_up_reasons: Vec<WrapUpReason>,
    /// A caller of priority `p` stands in line as if they had come `p` times this earlier. So a higher priority goes
    /// first, and yet nobody waits for ever.
    pub head_start: Duration,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            queues: Vec::new(),
            agents: Vec::new(),
            teams: Vec::new(),
            calendars: Vec::new(),
            scripts: Vec::new(),
            call_types: Vec::new(),
            reasons: Vec::new(),
            wrap_up_reasons: Vec::new(),
            head_start: Duration::from_secs(60),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueuePlan {
    pub name: String,
    /// How long an agent's phone may ring before the caller goes to the next agent.
    pub ring_no_answer: Duration,
    pub order: Order,
    /// Who serves the queue. Without steps: the agents who name it ([`AgentPlan::queues`]). With steps: whoever the
    /// first expression holds for; when a caller has waited that step's time, also those of the next, and so on.
    pub steps: Vec<StepPlan>,
    /// Work after a conversation; zero: ready at once.
    pub wrap_up: Duration,
    /// A caller who knows an agent of this queue waits so long for that agent alone; zero: not at all.
    pub last_agent: Duration,
    /// Answered within this time is within the service level.
    pub service_level: Duration,
    /// A waiting caller is told their position this often; `None`: never.
    pub announce_every: Option<Duration>,
    /// What a conversation with wrap-up is taken to last until there have been some.
    pub expected_handling: Duration,
}

impl QueuePlan {
    /// A queue of this name as plain as can be: agents name it, the longest idle is next, 12 s of ringing.
    pub fn new(name: &str) -> QueuePlan {
        QueuePlan {
            name: name.to_owned(),
            ring_no_answer: Duration::from_secs(12),
            order: Order::LongestIdle,
            steps: Vec::new(),
            wrap_up: Duration::ZERO,
            last_agent: Duration::ZERO,
            service_level: Duration::from_secs(20),
            announce_every: None,
            expected_handling: Duration::from_secs(180),
        }
    }

    /// Whether this agent may serve the queue, at its last step.
    pub fn is_served_by(&self, agent: &AgentPlan) -> bool {
        self.is_served_at(usize::MAX, agent)
    }

    /// Whether this agent may serve the queue at this step (from 0): those of the steps before may too.
    pub(crate) fn is_served_at(&self, step: usize, agent: &AgentPlan) -> bool {
        let level = |name: &str| agent.attributes.get(name).copied().unwrap_or(0);
        match self.steps.is_empty() {
            true => agent.queues.contains(&self.name),
            false => self.steps.iter().take(step.saturating_add(1)).any(|step| step.who.holds(&level)),
        }
    }
}

/// Which of several ready agents is next. Between equals the longest idle, then the plan's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    LongestIdle,
    /// The smallest share of the time since log-in spent ringing, talking and in wrap-up, in thousandths, as it stood
    /// when the agent became ready.
    LeastOccupied,
    /// The largest sum of the agent's levels in the attributes that the queue's steps up to the caller's ask about.
    MostSkilled,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepPlan {
    pub who: Expr,
    /// After this the next step's agents are asked too; of no meaning at the last step.
    pub wait: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentPlan {
    pub id: AgentId,
    pub extension: String,
    /// Queues without steps that this agent serves.
    pub queues: Vec<String>,
    /// Skills and other attributes, with levels from 1 to 10.
    pub attributes: BTreeMap<String, u8>,
    pub team: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamPlan {
    pub name: String,
    /// Agents who may change the state of the team's agents.
    pub supervisors: Vec<AgentId>,
}

/// What kind of call it is, by the number dialled (the caller of [`crate::Router`] knows which) and the time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTypePlan {
    pub name: String,
    /// Calendar and script: the first calendar that is open.
    pub when: Vec<(String, String)>,
    /// When none of them is.
    pub otherwise: String,
}

/// Why an agent is not ready, or logs out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonCode {
    pub code: u16,
    pub label: String,
    pub category: Category,
    /// For all teams, or these.
    pub teams: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Category {
    NotReady,
    Logout,
}

/// What a conversation was about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrapUpReason {
    pub label: String,
    pub teams: Vec<String>,
}

impl Plan {
    /// The code that stands for these words of an agent of this team; the system's own codes too.
    pub fn code(&self, label: &str) -> Option<u16> {
        match label {
            RING_NO_ANSWER => Some(50_010),
            _ => self.reasons.iter().find(|reason| reason.label == label).map(|reason| reason.code),
        }
    }
}
