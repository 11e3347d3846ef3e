//! What there is to see: agents, queues, estimates, figures.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Router;
use crate::agent::{Agent, AgentState, Doing};
use crate::caller::Turn;
use crate::figures::Interval;
use crate::{AgentId, CallId};

/// One agent as boards and desks show them.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentRow {
    pub id: AgentId,
    pub extension: String,
    pub team: Option<String>,
    pub state: AgentState,
    /// When the state was entered.
    pub changed: Duration,
    /// Not ready for this reason, once the call is over.
    pub afterwards: Option<String>,
}

/// One queue as boards show it.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueRow {
    pub name: String,
    /// In line, with how long they have waited. A caller whose agent's phone rings is not among them.
    pub waiting: Vec<(CallId, Duration)>,
    /// Agents who may serve it (at its last step) by doing.
    pub agents: Vec<(Doing, u32)>,
    /// For somebody who joins now.
    pub estimate: Option<Duration>,
}

impl Router {
    /// In the plan's order.
    pub fn agents(&self) -> Vec<AgentRow> {
        self.agents.iter().map(row).collect()
    }

    /// `None` for an agent who is not in the plan.
    pub fn agent_row(&self, id: &AgentId) -> Option<AgentRow> {
        self.agent(id).map(row)
    }

    /// In the plan's order.
    pub fn queues(&self, now: Duration) -> Vec<QueueRow> {
        let row = |(plan, number): (&crate::QueuePlan, u32)| {
            let line = self.line(number);
            let since = |call: CallId| self.callers.get(&call).map_or(now, |caller| caller.since);
            let class = self.pool.widest(number);
            QueueRow {
                name: plan.name.clone(),
                estimate: self.estimated_wait(number, line.len() as u32 + 1),
                waiting: line.into_iter().map(|(_, call)| (call, now.saturating_sub(since(call)))).collect(),
                agents: Doing::ALL
                    .into_iter()
                    .map(|doing| (doing, class.map_or(0, |class| class.count(doing))))
                    .collect(),
            }
        };
        self.plan.queues.iter().zip(0..).map(row).collect()
    }

    /// Everybody who waits in a queue, by turn.
    pub(super) fn line(&self, queue: u32) -> BTreeSet<(Turn, CallId)> {
        let mut line = self.pool.waiting(queue);
        let joined = |call: &CallId| {
            self.callers.get(call).is_some_and(|caller| caller.joined.iter().any(|joined| joined.queue == queue))
        };
        line.extend(self.pool.all_personal().filter(|(_, call)| joined(call)).copied());
        line
    }

    /// Callers who are waiting, ringing or talking.
    pub fn callers(&self) -> usize {
        self.callers.len()
    }

    /// Finished intervals, oldest first, and the one under way.
    pub fn figures(&self) -> impl Iterator<Item = &Interval> {
        self.figures.all()
    }

    /// How long the caller at this position (from 1) of a queue will wait: position × the mean time of the queue's last
    /// 50 conversations with wrap-up, divided by the agents at work there (ready, ringing, talking, in wrap-up). Nothing
    /// if more agents are ready than callers stand before; unknown if nobody is at work.
    pub(super) fn estimated_wait(&self, queue: u32, position: u32) -> Option<Duration> {
        let class = self.pool.widest(queue)?;
        if class.count(Doing::Ready) >= position {
            return Some(Duration::ZERO);
        }
        let working = [Doing::Ready, Doing::Reserved, Doing::Talking, Doing::WrapUp];
        let working: u32 = working.into_iter().map(|doing| class.count(doing)).sum();
        let plan = self.plan.queues.get(queue as usize)?;
        let mean = self.figures.mean_handling(&plan.name).unwrap_or(plan.expected_handling);
        (mean * position).checked_div(working)
    }
}

fn row(agent: &Agent) -> AgentRow {
    AgentRow {
        id: agent.plan.id.clone(),
        extension: agent.plan.extension.clone(),
        team: agent.plan.team.clone(),
        state: agent.state.clone(),
        changed: agent.changed,
        afterwards: agent.afterwards.clone(),
    }
}
