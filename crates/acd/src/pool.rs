//! Who may serve whom, kept so that no decision looks at everybody: for every queue and step (a class) the ready agents
//! in the order of the rule and the waiting callers in the order of their turns.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::{Agent, Doing, Membership};
use crate::caller::Turn;
use crate::{CallId, Order, Plan};

/// What decides between ready agents, smaller first: by the rule, then idle since, then the plan's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Rank {
    pub(crate) rule: u32,
    pub(crate) since: Duration,
    pub(crate) agent: u32,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Class {
    pub(crate) queue: u32,
    /// All who may serve it, in the plan's order.
    pub(crate) agents: Vec<u32>,
    pub(crate) ready: BTreeSet<Rank>,
    pub(crate) waiting: BTreeSet<(Turn, CallId)>,
    /// Agents by doing.
    counts: [u32; Doing::ALL.len()],
}

impl Class {
    pub(crate) fn count(&self, doing: Doing) -> u32 {
        self.counts.get(doing as usize).copied().unwrap_or(0)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pool {
    classes: Vec<Class>,
    /// First class of each queue, and how many steps it has.
    queues: Vec<(u32, u32)>,
    orders: Vec<Order>,
    /// Callers who wait for one agent alone.
    personal: BTreeMap<u32, BTreeSet<(Turn, CallId)>>,
}

impl Pool {
    /// Tells every agent their classes; all are taken as logged out until [`Pool::changed`] says otherwise.
    pub(crate) fn new(plan: &Plan, agents: &mut [Agent]) -> Pool {
        let mut pool = Pool::default();
        for agent in agents.iter_mut() {
            agent.classes.clear();
        }
        for queue in &plan.queues {
            // As many as the site names.
            pool.queues.push((pool.classes.len() as u32, queue.steps.len().max(1) as u32));
            for step in 0..queue.steps.len().max(1) {
                let asked = queue.steps.get(..=step).unwrap_or_default();
                let about: BTreeSet<&str> = asked.iter().flat_map(|step| step.who.attributes()).collect();
                let mut class = Class { queue: pool.queues.len() as u32 - 1, ..Class::default() };
                for (at, agent) in agents.iter_mut().enumerate() {
                    let level = |name: &str| agent.plan.attributes.get(name).copied().unwrap_or(0);
                    if queue.is_served_at(step, &agent.plan) {
                        let skill = about.iter().map(|name| u32::from(level(name))).sum();
                        agent.classes.push(Membership { class: pool.classes.len() as u32, skill });
                        class.agents.push(at as u32);
                    }
                }
                class.counts[Doing::LoggedOut as usize] = class.agents.len() as u32;
                pool.classes.push(class);
                pool.orders.push(queue.order);
            }
        }
        pool
    }

    /// The class of this step of a queue; of its last step, if it has fewer.
    pub(crate) fn class_of(&self, queue: u32, step: u32) -> u32 {
        let (first, steps) = self.queues.get(queue as usize).copied().unwrap_or_default();
        first + step.min(steps.saturating_sub(1))
    }

    pub(crate) fn class(&self, class: u32) -> Option<&Class> {
        self.classes.get(class as usize)
    }

    /// The widest class of a queue.
    pub(crate) fn widest(&self, queue: u32) -> Option<&Class> {
        self.class(self.class_of(queue, u32::MAX))
    }

    /// Callers waiting in a queue, at whatever step, by turn; without those who wait for one agent alone.
    pub(crate) fn waiting(&self, queue: u32) -> BTreeSet<(Turn, CallId)> {
        let (first, steps) = self.queues.get(queue as usize).copied().unwrap_or_default();
        let classes = self.classes.iter().skip(first as usize).take(steps as usize);
        classes.flat_map(|class| class.waiting.iter().copied()).collect()
    }

    /// Where a ready agent stands in a class.
    pub(crate) fn rank(&self, agent: &Agent, at: u32, class: u32, since: Duration) -> Option<Rank> {
        let skill = agent.skill(class)?;
        let rule = match self.orders.get(class as usize)? {
            Order::LongestIdle => 0,
            Order::LeastOccupied => agent.occupancy(since),
            Order::MostSkilled => u32::MAX - skill,
        };
        Some(Rank { rule, since, agent: at })
    }

    /// The agent's state goes from `old` to `new`; to be told before and after it is changed.
    pub(crate) fn leaves(&mut self, agent: &Agent, at: u32) {
        let doing = agent.state.doing();
        for Membership { class, .. } in &agent.classes {
            let rank = agent.idle_since().and_then(|since| self.rank(agent, at, *class, since));
            let Some(class) = self.classes.get_mut(*class as usize) else { continue };
            if let Some(rank) = rank {
                class.ready.remove(&rank);
            }
            class.counts[doing as usize] = class.counts[doing as usize].saturating_sub(1);
        }
    }

    pub(crate) fn enters(&mut self, agent: &Agent, at: u32) {
        let doing = agent.state.doing();
        for Membership { class, .. } in &agent.classes {
            let rank = agent.idle_since().and_then(|since| self.rank(agent, at, *class, since));
            let Some(class) = self.classes.get_mut(*class as usize) else { continue };
            class.ready.extend(rank);
            class.counts[doing as usize] += 1;
        }
    }

    pub(crate) fn wait(&mut self, class: u32, turn: Turn, call: CallId) {
        if let Some(class) = self.classes.get_mut(class as usize) {
            class.waiting.insert((turn, call));
        }
    }

    pub(crate) fn unwait(&mut self, class: u32, turn: Turn, call: CallId) {
        if let Some(class) = self.classes.get_mut(class as usize) {
            class.waiting.remove(&(turn, call));
        }
    }

    pub(crate) fn wait_for(&mut self, agent: u32, turn: Turn, call: CallId) {
        self.personal.entry(agent).or_default().insert((turn, call));
    }

    pub(crate) fn unwait_for(&mut self, agent: u32, turn: Turn, call: CallId) {
        if let Some(waiting) = self.personal.get_mut(&agent) {
            waiting.remove(&(turn, call));
            if waiting.is_empty() {
                self.personal.remove(&agent);
            }
        }
    }

    /// Callers who wait for this agent alone, by turn.
    pub(crate) fn personal(&self, agent: u32) -> impl Iterator<Item = &(Turn, CallId)> {
        self.personal.get(&agent).into_iter().flatten()
    }

    /// Everybody who waits for one agent alone.
    pub(crate) fn all_personal(&self) -> impl Iterator<Item = &(Turn, CallId)> {
        self.personal.values().flatten()
    }

    /// The caller whose turn it is among those whom this agent may serve.
    pub(crate) fn next_for(&self, agent: &Agent, at: u32) -> Option<(Turn, CallId)> {
        let classes = agent.classes.iter().filter_map(|membership| self.class(membership.class));
        classes.filter_map(|class| class.waiting.first().copied()).chain(self.personal(at).next().copied()).min()
    }
}
