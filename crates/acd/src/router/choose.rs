//! Who gets whom.

use std::time::Duration;

use super::{Output, Router};
use crate::agent::{AgentState, Doing};
use crate::caller::Stage;
use crate::decision::{Considered, Decision, NAMED, Rule};
use crate::pool::Class;
use crate::timers::Timer;
use crate::{CallId, Order};

/// What a caller could have now.
struct Choice {
    queue: u32,
    step: u32,
    class: u32,
    agent: Option<u32>,
}

impl Router {
    /// The first of the caller's queues with a ready agent, and that agent; or the first queue.
    fn choice(&self, call: CallId) -> Option<Choice> {
        let caller = self.callers.get(&call)?;
        let choice = |queue: u32, step: u32, agent: Option<u32>| {
            let class = self.pool.class_of(queue, step);
            Choice { queue, step, class, agent }
        };
        let first = caller.joined.first()?;
        if let Some(only) = &caller.only {
            let at = self.agent_numbers.get(only).copied();
            let ready = |at: &u32| self.agents.get(*at as usize).is_some_and(|agent| agent.idle_since().is_some());
            return Some(choice(first.queue, u32::MAX, at.filter(ready)));
        }
        let found = caller.joined.iter().find_map(|joined| {
            let class = self.pool.class(self.pool.class_of(joined.queue, joined.step))?;
            let best = class.ready.first()?;
            Some(choice(joined.queue, joined.step, Some(best.agent)))
        });
        found.or_else(|| Some(choice(first.queue, first.step, None)))
    }

    /// Offers calls as long as one waits for whom an agent is ready: the first in line of all queues first.
    pub(super) fn distribute(&mut self, now: Duration) {
        loop {
            // Only what has changed since the last time can make a pair: agents only become fewer here.
            let mut first = None;
            let freed: Vec<u32> = self.freed.iter().copied().collect();
            for at in freed {
                let ready = self.agents.get(at as usize).filter(|agent| agent.idle_since().is_some());
                match ready.and_then(|agent| self.pool.next_for(agent, at)) {
                    Some(next) => first = Some(first.map_or(next, |first: (_, _)| next.min(first))),
                    None => {
                        self.freed.remove(&at);
                    }
                }
            }
            while let Some(next) = self.moved.first().copied() {
                if self.choice(next.1).is_some_and(|choice| choice.agent.is_some()) {
                    first = Some(first.map_or(next, |first| next.min(first)));
                    break;
                }
                self.moved.remove(&next);
            }
            let Some((_, call)) = first else { return };
            let Some(choice) = self.choice(call) else { return };
            let Some(agent) = choice.agent else { return };
            self.offer(call, agent, &choice, now);
        }
    }

    fn offer(&mut self, call: CallId, at: u32, choice: &Choice, now: Duration) {
        let Some(decision) = self.decide(call, choice, now) else { return };
        let Some(agent) = self.agents.get(at as usize) else { return };
        let (id, extension) = (agent.plan.id.clone(), agent.plan.extension.clone());
        let idle_since = agent.idle_since().unwrap_or(now);
        self.leave_line(call);
        let patience = self.plan.queues.get(choice.queue as usize).map_or(Duration::ZERO, |plan| plan.ring_no_answer);
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.stage = Stage::Offered { agent: id.clone(), queue: choice.queue, idle_since };
        let callback = caller.callback.clone();
        self.timers.set(Timer::Ring(call), now + patience);
        self.outputs.push_back(Output::Decided(decision));
        self.change(at, AgentState::Reserved { call, since: now }, now);
        self.outputs.push_back(Output::Offer { call, agent: id, extension, callback });
    }

    /// Says why a caller waits, if nobody is ready for them.
    pub(super) fn say_waiting(&mut self, call: CallId, now: Duration) {
        let Some(choice) = self.choice(call).filter(|choice| choice.agent.is_none()) else { return };
        self.outputs.extend(self.decide(call, &choice, now).map(Output::Decided));
    }

    fn decide(&self, call: CallId, choice: &Choice, now: Duration) -> Option<Decision> {
        let caller = self.callers.get(&call)?;
        let plan = self.plan.queues.get(choice.queue as usize)?;
        let class = self.pool.class(choice.class)?;
        let chosen = choice.agent.and_then(|at| self.agents.get(at as usize)).map(|agent| agent.plan.id.clone());
        let (considered, others) = self.considered(class, choice, plan.order, now);
        let ready = class.ready.len() as u32;
        let rule = match (&caller.only, choice.agent) {
            (Some(_), Some(_)) => Rule::LastAgent,
            (Some(agent), None) => Rule::WaitForLast { agent: agent.clone() },
            (None, _) if class.agents.is_empty() => Rule::NobodyServes,
            (None, None) => Rule::NobodyReady,
            (None, Some(_)) if ready == 1 => Rule::OnlyReady,
            (None, Some(_)) => {
                let best = class.ready.first().map(|best| (best.rule, best.since));
                let equals = class.ready.iter().take_while(|rank| Some((rank.rule, rank.since)) == best);
                Rule::First { order: plan.order, ready, equals: equals.take(NAMED + 1).count() as u32 }
            }
        };
        let steps = plan.steps.len().max(1) as u32;
        Some(Decision {
            call,
            queue: plan.name.clone(),
            step: choice.step.min(steps - 1) + 1,
            steps,
            at: now,
            waited: now.saturating_sub(caller.since),
            priority: caller.priority,
            chosen,
            considered,
            of: class.agents.len() as u32,
            others,
            rule,
            queues: choice.agent.map_or(1, |agent| self.queues_open_to(agent)),
        })
    }

    /// Agents one by one, as many as a decision names, and the others counted.
    fn considered(
        &self,
        class: &Class,
        choice: &Choice,
        order: Order,
        now: Duration,
    ) -> (Vec<Considered>, Vec<(Doing, u32)>) {
        let named: Vec<u32> = match class.agents.len() <= NAMED {
            true => class.agents.clone(),
            false => class.ready.iter().take(NAMED).map(|rank| rank.agent).collect(),
        };
        let considered = named.iter().filter_map(|at| {
            let agent = self.agents.get(*at as usize)?;
            let idle = agent.idle_since();
            Some(Considered {
                agent: agent.plan.id.clone(),
                fact: agent.fact(now),
                skill: agent.skill(choice.class).filter(|_| order == Order::MostSkilled),
                occupancy: idle.filter(|_| order == Order::LeastOccupied).map(|since| agent.occupancy(since)),
            })
        });
        let considered: Vec<Considered> = considered.collect();
        let mut others = Vec::new();
        if class.agents.len() > NAMED {
            for doing in Doing::ALL {
                let named = if doing == Doing::Ready { considered.len() as u32 } else { 0 };
                let count = class.count(doing).saturating_sub(named);
                if count > 0 {
                    others.push((doing, count));
                }
            }
        }
        (considered, others)
    }

    /// Queues in which somebody waits whom this agent might take.
    fn queues_open_to(&self, at: u32) -> u32 {
        let Some(agent) = self.agents.get(at as usize) else { return 1 };
        let mut queues: Vec<u32> = Vec::new();
        for membership in &agent.classes {
            let Some(class) = self.pool.class(membership.class).filter(|class| !class.waiting.is_empty()) else {
                continue;
            };
            if !queues.contains(&class.queue) {
                queues.push(class.queue);
            }
        }
        queues.len() as u32
    }
}
