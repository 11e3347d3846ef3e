//! One queue: callers by the order of their coming. A caller keeps the place while an agent's phone rings.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AgentId, CallId, QueuePlan};

/// A caller's turn: counts up over all queues, so that the oldest caller of several queues can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place(pub(crate) u64);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Queue {
    pub(crate) plan: QueuePlan,
    pub(crate) waiting: BTreeMap<Place, CallId>,
}

impl Queue {
    pub(crate) fn new(plan: QueuePlan) -> Queue {
        Queue { plan, waiting: BTreeMap::new() }
    }

    pub(crate) fn oldest(&self) -> Option<(Place, CallId)> {
        self.waiting.first_key_value().map(|(place, call)| (*place, *call))
    }
}

/// A caller from the queue to the end of the conversation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Caller {
    pub(crate) queue: String,
    pub(crate) place: Place,
    pub(crate) since: Duration,
    pub(crate) stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Stage {
    Waiting,
    /// An agent's phone rings, until then at most. `idle_since`: the agent's wait before the offer.
    Offered {
        agent: AgentId,
        until: Duration,
        idle_since: Duration,
    },
    Talking {
        agent: AgentId,
    },
}
