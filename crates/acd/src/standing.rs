//! What outlives the call server's process: figures, conversations, and of an agent what the agent wants, not what the
//! agent was doing.
//!
//! Ready again after a restart, not merely logged in: the word was the agent's own, nobody at the desk sees the call
//! server go and come back, and an agent who has left meanwhile costs the first caller one ring-no-answer, while agents
//! who must all be asked to say it again cost every caller in the queue. A phone that rang is not ringing any more; a
//! conversation goes on if its call does, and whoever does not talk any more is what was asked for after it.

use std::time::Duration;

use crate::agent::AgentState;
use crate::{AgentId, CallId, Interval, Router};

/// What an agent is when no call is offered to them and they are in none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    LoggedOut,
    NotReady { reason: String },
    Ready,
}

impl Standing {
    /// `READY`, `LOGOUT`, or `NOT_READY` and the reason, as it is kept.
    pub fn words(&self) -> String {
        match self {
            Standing::LoggedOut => "LOGOUT".into(),
            Standing::Ready => "READY".into(),
            Standing::NotReady { reason } => format!("NOT_READY {reason}"),
        }
    }

    /// What [`Standing::words`] wrote; `None` for anything else.
    pub fn read(words: &str) -> Option<Standing> {
        let (state, reason) = words.split_once(' ').unwrap_or((words, ""));
        match state {
            "LOGOUT" => Some(Standing::LoggedOut),
            "READY" => Some(Standing::Ready),
            "NOT_READY" => Some(Standing::NotReady { reason: reason.into() }),
            _ => None,
        }
    }
}

impl Router {
    /// `None` for an agent who is not in the plan.
    pub fn standing(&self, id: &AgentId) -> Option<Standing> {
        let agent = self.agent(id)?;
        let afterwards = || agent.afterwards.clone().map(|reason| Standing::NotReady { reason });
        Some(match &agent.state {
            AgentState::LoggedOut => Standing::LoggedOut,
            AgentState::NotReady { reason } => Standing::NotReady { reason: reason.clone() },
            AgentState::Ready { .. } => Standing::Ready,
            AgentState::Reserved { .. } | AgentState::Talking { .. } | AgentState::WrapUp { .. } => {
                afterwards().unwrap_or(Standing::Ready)
            }
        })
    }

    /// An agent as an earlier process kept them. To be said after the conversations that go on: whoever is in one gets no
    /// other call. An error is an agent who is no longer in the plan.
    pub fn resume_agent(&mut self, id: &AgentId, standing: Standing, now: Duration) -> Result<(), String> {
        let agent = self.agent(id).ok_or_else(|| format!("no agent {} in the plan", id.0))?;
        let state = match (&agent.state, standing) {
            (talking @ AgentState::Talking { .. }, standing) => {
                let talking = talking.clone();
                if let Standing::NotReady { reason } = standing {
                    self.expect_afterwards(id, reason);
                }
                talking
            }
            (_, Standing::LoggedOut) => AgentState::LoggedOut,
            (_, Standing::NotReady { reason }) => AgentState::NotReady { reason },
            (_, Standing::Ready) => AgentState::Ready { since: now },
        };
        self.resume(id, state, now);
        Ok(())
    }

    /// Figures as an earlier router told them ([`Output::Interval`](crate::Output::Interval)), oldest first, before agents
    /// and conversations are resumed. Those of more than a day ago are let go. Needs the wall clock
    /// ([`Router::set_wall`]).
    pub fn resume_figures(&mut self, interval: Interval, now: Duration) {
        let wall_ms = self.wall_ms(now);
        self.figures.resume(interval, wall_ms);
    }

    /// A conversation of an earlier process that goes on, before its agent is resumed. The agent gets no other call
    /// until it is over.
    pub fn resume_conversation(&mut self, call: CallId, id: &AgentId, target: String, now: Duration) {
        if self.take_up(call, id, &target, now) {
            self.talks_on(id, call, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_is_read_as_it_was_written() {
        let lunch = Standing::NotReady { reason: "lunch until two".into() };
        for standing in [Standing::LoggedOut, Standing::Ready, lunch] {
            assert_eq!(Standing::read(&standing.words()), Some(standing));
        }
        assert_eq!(Standing::read("RESERVED"), None);
    }
}
