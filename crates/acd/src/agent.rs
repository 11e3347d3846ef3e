//! One agent: the state that a desk shows, and what becomes of it when a call ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AgentPlan, CallId};

/// States as an agent's desk shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgentState {
    LoggedOut,
    NotReady {
        reason: String,
    },
    /// Waiting for a call since.
    Ready {
        since: Duration,
    },
    /// A call was offered; the phone rings.
    Reserved {
        call: CallId,
        since: Duration,
    },
    Talking {
        call: CallId,
        since: Duration,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Agent {
    pub(crate) plan: AgentPlan,
    pub(crate) state: AgentState,
    /// Asked for while talking: not ready, for this reason, once the conversation ends.
    pub(crate) afterwards: Option<String>,
}

impl Agent {
    pub(crate) fn new(plan: AgentPlan) -> Agent {
        Agent { plan, state: AgentState::LoggedOut, afterwards: None }
    }

    pub(crate) fn serves(&self, queue: &str) -> bool {
        self.plan.queues.iter().any(|q| q == queue)
    }

    /// Since when this agent has waited for a call; `None` when not ready for one.
    pub(crate) fn idle_since(&self) -> Option<Duration> {
        match self.state {
            AgentState::Ready { since } => Some(since),
            _ => None,
        }
    }

    /// What speaks for or against this agent now.
    pub(crate) fn words(&self, now: Duration) -> String {
        match &self.state {
            AgentState::LoggedOut => "logged out".into(),
            AgentState::NotReady { reason } => format!("not ready: {reason}"),
            AgentState::Ready { since } => format!("idle {}", seconds(now.saturating_sub(*since))),
            AgentState::Reserved { .. } => "ringing for another caller".into(),
            AgentState::Talking { since, .. } => {
                format!("talking for {}", seconds(now.saturating_sub(*since)))
            }
        }
    }
}

/// `12 s`, `12.3 s`: as exact as a decision between two agents may need.
fn seconds(time: Duration) -> String {
    let text = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_shown_as_exactly_as_it_decides() {
        for (ms, words) in [(0, "0 s"), (12_000, "12 s"), (12_300, "12.3 s"), (100_000, "100 s"), (1, "0.001 s")] {
            assert_eq!(seconds(Duration::from_millis(ms)), words);
        }
    }
}
