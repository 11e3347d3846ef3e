//! The choice of an agent for a caller: what it was made of, and the words for it.

use std::fmt::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::Doing;
use crate::{AgentId, CallId, Order};

/// Agents that a decision names one by one. Of more, it names those next in line and counts the others.
pub(crate) const NAMED: usize = 20;

/// One routing decision with all that went into it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub call: CallId,
    pub queue: String,
    /// The queue's step whose agents (and those of the steps before) are asked, from 1, and how many steps there are.
    pub step: u32,
    pub steps: u32,
    /// The router's clock.
    pub at: Duration,
    pub waited: Duration,
    pub priority: u8,
    /// `None`: nobody is ready, the caller waits.
    pub chosen: Option<AgentId>,
    /// Agents who may serve the caller and what spoke for or against each: all of them in the plan's order, or, of more
    /// than 20, the ready ones next in line.
    pub considered: Vec<Considered>,
    /// How many agents may serve the caller.
    pub of: u32,
    /// Those who are not in `considered`, counted.
    pub others: Vec<(Doing, u32)>,
    pub rule: Rule,
    /// Queues with callers whom the chosen agent might have taken instead.
    pub queues: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Considered {
    pub agent: AgentId,
    pub fact: Fact,
    /// Sum of the levels that the queue asks about, and the share of time occupied in thousandths: where the queue's
    /// order goes by them.
    pub skill: Option<u32>,
    pub occupancy: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    LoggedOut,
    NotReady { reason: String },
    Idle { time: Duration },
    Ringing,
    Talking { time: Duration },
    WrapUp { left: Duration },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    NobodyServes,
    NobodyReady,
    OnlyReady,
    /// The first of `ready` agents by the queue's order; `equals` of them are as good and as long idle.
    First {
        order: Order,
        ready: u32,
        equals: u32,
    },
    /// The agent whom the caller talked to last.
    LastAgent,
    /// That agent is busy; the caller waits for them alone for a while.
    WaitForLast {
        agent: AgentId,
    },
}

impl Decision {
    /// The rule in words: `longest idle of 3 ready agents`.
    pub fn rule(&self) -> String {
        let mut words = match &self.rule {
            Rule::NobodyServes => "no agent serves this queue: the caller waits".into(),
            Rule::NobodyReady => format!("none of {} agents is ready: the caller waits", self.of),
            Rule::OnlyReady => "the only ready agent".into(),
            Rule::First { order, ready, equals } => {
                let by = match order {
                    Order::LongestIdle => "longest idle",
                    Order::LeastOccupied => "least occupied",
                    Order::MostSkilled => "most skilled",
                };
                let tie = match equals {
                    0 | 1 => String::new(),
                    n if *n as usize > NAMED => format!("; more than {NAMED} equally long, first in the plan"),
                    n => format!("; {n} equally long, first in the plan"),
                };
                format!("{by} of {ready} ready agents{tie}")
            }
            Rule::LastAgent => "the agent whom the caller talked to last".into(),
            Rule::WaitForLast { agent } => {
                format!("the caller waits for agent {}, whom they talked to last", agent.0)
            }
        };
        if self.queues > 1 {
            // Writing to a String cannot fail.
            let _ = write!(words, "; the oldest caller of {} queues", self.queues);
        }
        words
    }

    /// The whole decision as one sentence.
    pub fn words(&self) -> String {
        let chosen = self.chosen.as_ref().map_or_else(|| "nobody".to_owned(), |agent| format!("agent {}", agent.0));
        let mut words = format!("queue {}: {chosen} after {}", self.queue, seconds(self.waited));
        if self.steps > 1 {
            let _ = write!(words, " at step {} of {}", self.step, self.steps);
        }
        if self.priority > 0 {
            let _ = write!(words, " with priority {}", self.priority);
        }
        let mut parts: Vec<String> = self.considered.iter().map(|c| format!("{} {}", c.agent.0, c.words())).collect();
        parts.extend(self.others.iter().map(|(doing, count)| format!("{count} more {}", doing.word())));
        let _ = write!(words, ", {} ({})", self.rule(), parts.join("; "));
        words
    }

    /// Why the call did not go to this agent.
    pub fn why_not(&self, agent: &AgentId) -> String {
        let name = &agent.0;
        if self.chosen.as_ref() == Some(agent) {
            return format!("it did go to agent {name}: {}", self.rule());
        }
        let Some(found) = self.considered.iter().find(|considered| considered.agent == *agent) else {
            if self.others.is_empty() {
                return format!("agent {name} does not serve queue {} at step {}", self.queue, self.step);
            }
            let counted: Vec<String> =
                self.others.iter().map(|(doing, count)| format!("{count} {}", doing.word())).collect();
            return format!(
                "agent {name} is not among the {} next in line; the others of queue {} were {}",
                self.considered.len(),
                self.queue,
                counted.join(", ")
            );
        };
        match (&found.fact, &self.chosen) {
            (Fact::Idle { .. }, Some(chosen)) => {
                let better = self.considered.iter().find(|considered| considered.agent == *chosen);
                let better = better.map(|better| format!(" ({})", better.words())).unwrap_or_default();
                let rule = self.rule();
                format!("agent {name} was ready ({}), but agent {}{better} came first: {rule}", found.words(), chosen.0)
            }
            _ => format!("agent {name} was {}", found.words()),
        }
    }
}

impl Considered {
    /// `idle 12 s`, `not ready: lunch`, `talking for 3 s`, with level and share where they count.
    pub fn words(&self) -> String {
        let mut words = match &self.fact {
            Fact::LoggedOut => "logged out".into(),
            Fact::NotReady { reason } => format!("not ready: {reason}"),
            Fact::Idle { time } => format!("idle {}", seconds(*time)),
            Fact::Ringing => "ringing for another caller".into(),
            Fact::Talking { time } => format!("talking for {}", seconds(*time)),
            Fact::WrapUp { left } => format!("in wrap-up for {} more", seconds(*left)),
        };
        if let Some(skill) = self.skill {
            let _ = write!(words, ", skill {skill}");
        }
        if let Some(occupancy) = self.occupancy {
            let _ = write!(words, ", occupied {}.{} %", occupancy / 10, occupancy % 10);
        }
        words
    }
}

/// `12 s`, `12.3 s`: as exact as a decision between two agents may need.
pub(crate) fn seconds(time: Duration) -> String {
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
