//! One agent: the state that a desk shows, and what becomes of it when a call ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::decision::Fact;
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
    /// The conversation is over, the work after it is not.
    WrapUp {
        call: CallId,
        since: Duration,
        until: Duration,
    },
}

/// What an agent is doing, without what goes with it: what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Doing {
    LoggedOut,
    NotReady,
    Ready,
    Reserved,
    Talking,
    WrapUp,
}

impl AgentState {
    pub fn doing(&self) -> Doing {
        match self {
            AgentState::LoggedOut => Doing::LoggedOut,
            AgentState::NotReady { .. } => Doing::NotReady,
            AgentState::Ready { .. } => Doing::Ready,
            AgentState::Reserved { .. } => Doing::Reserved,
            AgentState::Talking { .. } => Doing::Talking,
            AgentState::WrapUp { .. } => Doing::WrapUp,
        }
    }
}

impl Doing {
    pub const ALL: [Doing; 6] =
        [Doing::LoggedOut, Doing::NotReady, Doing::Ready, Doing::Reserved, Doing::Talking, Doing::WrapUp];

    pub fn word(self) -> &'static str {
        match self {
            Doing::LoggedOut => "logged out",
            Doing::NotReady => "not ready",
            Doing::Ready => "ready",
            Doing::Reserved => "ringing",
            Doing::Talking => "talking",
            Doing::WrapUp => "in wrap-up",
        }
    }

    /// Ringing, talking and wrap-up are what occupies an agent.
    pub(crate) fn occupies(self) -> bool {
        matches!(self, Doing::Reserved | Doing::Talking | Doing::WrapUp)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Agent {
    pub(crate) plan: AgentPlan,
    pub(crate) state: AgentState,
    /// When the state was entered.
    pub(crate) changed: Duration,
    /// Asked for while talking or in wrap-up: not ready, for this reason, once that ends.
    pub(crate) afterwards: Option<String>,
    pub(crate) logged_in: Option<Duration>,
    /// Since log-in.
    pub(crate) occupied: Duration,
    /// Classes whose callers this agent may serve, with what speaks for the agent there (smaller is better).
    pub(crate) classes: Vec<Membership>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) class: u32,
    /// Sum of the agent's levels in what the class asks about.
    pub(crate) skill: u32,
}

impl Agent {
    pub(crate) fn new(plan: AgentPlan) -> Agent {
        Agent {
            plan,
            state: AgentState::LoggedOut,
            changed: Duration::ZERO,
            afterwards: None,
            logged_in: None,
            occupied: Duration::ZERO,
            classes: Vec::new(),
        }
    }

    pub(crate) fn skill(&self, class: u32) -> Option<u32> {
        self.classes.iter().find(|membership| membership.class == class).map(|membership| membership.skill)
    }

    /// Since when this agent has waited for a call; `None` when not ready for one.
    pub(crate) fn idle_since(&self) -> Option<Duration> {
        match self.state {
            AgentState::Ready { since } => Some(since),
            _ => None,
        }
    }

    /// Share of the time since log-in in which this agent was occupied, in thousandths.
    pub(crate) fn occupancy(&self, now: Duration) -> u32 {
        let all = now.saturating_sub(self.logged_in.unwrap_or(now)).as_millis();
        let mut busy = self.occupied.as_millis();
        if self.state.doing().occupies() {
            busy += now.saturating_sub(self.changed).as_millis();
        }
        // A share is at most 1000.
        (busy * 1000).checked_div(all).unwrap_or(0).min(1000) as u32
    }

    /// What speaks for or against this agent now.
    pub(crate) fn fact(&self, now: Duration) -> Fact {
        match &self.state {
            AgentState::LoggedOut => Fact::LoggedOut,
            AgentState::NotReady { reason } => Fact::NotReady { reason: reason.clone() },
            AgentState::Ready { since } => Fact::Idle { time: now.saturating_sub(*since) },
            AgentState::Reserved { .. } => Fact::Ringing,
            AgentState::Talking { since, .. } => Fact::Talking { time: now.saturating_sub(*since) },
            AgentState::WrapUp { until, .. } => Fact::WrapUp { left: until.saturating_sub(now) },
        }
    }
}
