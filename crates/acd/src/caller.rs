//! One caller, from the first queue to the end of the conversation.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::script::Script;
use crate::{AgentId, CallId};

/// A caller's place in line, over all queues: who came first, and the place of who came at the same moment. A priority
/// is a head start ([`crate::Plan::head_start`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// Milliseconds on the router's clock, less the head start.
    pub(crate) standing_ms: i64,
    pub(crate) place: u64,
}

/// Who comes, as the call's side of the system tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    pub call: CallId,
    /// A script, a queue, or [`crate::BY_CALL_TYPE`].
    pub target: String,
    /// The call type of the number that was dialled.
    pub call_type: Option<String>,
    /// Whoever is the same person the next time: for the last agent. Never shown.
    pub customer: Option<String>,
    /// 0 to 10; a script may raise it.
    pub priority: u8,
    /// When they came first, for one who waited before the process was restarted: the place is kept.
    pub since: Option<Duration>,
}

impl Arrival {
    /// Nothing known but the call and where it wants to go.
    pub fn new(call: CallId, target: &str) -> Arrival {
        Arrival { call, target: target.to_owned(), call_type: None, customer: None, priority: 0, since: None }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Caller {
    pub(crate) since: Duration,
    pub(crate) turn: Turn,
    pub(crate) priority: u8,
    /// Queues in the order of joining.
    pub(crate) joined: Vec<Joined>,
    pub(crate) stage: Stage,
    /// Waits for this agent alone.
    pub(crate) only: Option<AgentId>,
    pub(crate) run: Option<Run>,
    pub(crate) customer: Option<String>,
    pub(crate) call_type: Option<String>,
    /// Hung up, and is to be called back at this number when the turn comes.
    pub(crate) callback: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Joined {
    pub(crate) queue: u32,
    pub(crate) step: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Stage {
    Waiting,
    /// An agent's phone rings. `idle_since`: the agent's wait before the offer.
    Offered {
        agent: AgentId,
        queue: u32,
        idle_since: Duration,
    },
    Talking {
        agent: AgentId,
        queue: u32,
        since: Duration,
    },
}

/// A script under way. A caller keeps the script they began with, whatever the plan becomes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) script: Script,
    pub(crate) at: usize,
    /// The step's wait ended while a phone was ringing.
    pub(crate) is_overdue: bool,
}
