//! Automatic call distribution: agents, queues, routing scripts, decisions. Knows call verbs, no SIP.
//!
//! A pure machine, [`Router`]: `handle` inputs, `poll` outputs, `deadline`, `tick`; its state is data. Its rules:
//!
//! - No caller waits while an agent who may serve them is ready (but for the wait for a last agent, which ends).
//! - Callers stand in line by the order of their coming over all queues, a priority being a head start; an agent who
//!   becomes ready takes the first in line of those whom they may serve.
//! - Among ready agents the queue's [`Order`] chooses. A caller in several queues takes the first joined that has one.
//! - Agents without a step serve the queues that they name; with steps ([`StepPlan`]) whoever an expression holds for,
//!   and more of them the longer a caller waits.
//! - A call is offered to one agent at a time. An agent whose phone rings out, is busy or cannot be reached goes not
//!   ready, and the caller gets their place back.
//! - A caller may leave a number instead ([`Input::CallBack`]) and keeps the place.
//!
//! Every decision keeps what it was made of, so that it can say why ([`Decision`]), and a log of [`Input`]s can be run
//! again, with another plan too ([`replay`]).

mod agent;
mod calendar;
mod caller;
mod decision;
mod expr;
mod figures;
mod last_agents;
mod plan;
mod pool;
pub mod replay;
mod router;
mod script;
mod standing;
mod timers;
mod zone;

pub use agent::{AgentState, Doing};
pub use calendar::{Calendar, Holiday, Hours, Opening};
pub use caller::Arrival;
pub use decision::{Considered, Decision, Fact, Rule};
pub use expr::{Comparison, Expr, HIGHEST};
pub use figures::{AgentFigures, CallTypeFigures, INTERVAL_MS, Interval, QueueFigures};
pub use plan::{
    AgentPlan, CallTypePlan, Category, Order, Plan, QueuePlan, ReasonCode, StepPlan, TeamPlan, WrapUpReason,
};
pub use router::{AgentRow, Announcement, Input, Output, QueueRow, Router};
pub use script::{Action, Condition, Flaw, Script, Step, flaws};
use serde::{Deserialize, Serialize};
pub use standing::Standing;
pub use zone::{Local, Zone, days};

/// A caller waiting or talking; the number is the call server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub u64);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AgentId(pub String);

/// Reason of an agent whose phone was offered a call and rang out.
pub const RING_NO_ANSWER: &str = "ring no answer";
/// Reason of an agent who was ready and has called somebody.
pub const OUTGOING: &str = "outgoing call";
/// Reason of an agent who has just logged in.
pub const LOGGED_IN: &str = "logged in";
/// A target that means: what the call type says.
pub const BY_CALL_TYPE: &str = "acd";
