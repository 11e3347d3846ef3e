//! Automatic call distribution: agents, queues, decisions. Knows call verbs, no SIP.
//!
//! A pure machine, [`Router`]: `handle` inputs, `poll` outputs, `deadline`, `tick`; its state is data. Callers of a
//! queue are served in the order of their coming; an agent who serves several queues takes the oldest caller of all of
//! them; among ready agents the one who has waited longest is chosen. A call is offered to one agent at a time. An
//! agent whose phone rings out, is busy or cannot be reached goes not ready, and the caller gets their place back.
//! Every decision keeps what it was made of, so that it can say why ([`Decision`]).

mod agent;
mod decision;
mod plan;
mod queue;
mod router;
mod standing;

pub use agent::AgentState;
pub use decision::Decision;
pub use plan::{AgentPlan, Plan, QueuePlan};
pub use router::{Input, Output, Router};
use serde::{Deserialize, Serialize};
pub use standing::Standing;

/// A caller waiting or talking; the number is the call server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CallId(pub u64);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AgentId(pub String);

/// Reason of an agent whose phone was offered a call and rang out.
pub const RING_NO_ANSWER: &str = "ring no answer";
