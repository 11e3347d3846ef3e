//! A changed plan under a router that goes on.

use std::time::Duration;

use super::{Output, Router, numbers};
use crate::Plan;
use crate::agent::{Agent, AgentState};
use crate::caller::{Joined, Stage};
use crate::pool::Pool;
use crate::timers::Timer;

impl Router {
    /// A changed plan: agents and queues that stay keep their state. Conversations go on whatever the plan says; a phone
    /// that rings for an agent who is gone is withdrawn; callers of a queue that is gone are unroutable; a caller in a
    /// script keeps the script.
    pub fn set_plan(&mut self, plan: Plan, now: Duration) {
        let waiting: Vec<_> = self.callers.keys().copied().collect();
        for call in &waiting {
            self.leave_line(*call);
        }
        let old_queues: Vec<String> = self.plan.queues.iter().map(|queue| queue.name.clone()).collect();
        let mut old = std::mem::take(&mut self.agents);
        self.agents = plan
            .agents
            .iter()
            .map(|plan| match old.iter().position(|agent| agent.plan.id == plan.id) {
                Some(at) => Agent { plan: plan.clone(), ..old.remove(at) },
                None => Agent::new(plan.clone()),
            })
            .collect();
        self.pool = Pool::new(&plan, &mut self.agents);
        (self.agent_numbers, self.queue_numbers) = numbers(&plan);
        self.plan = plan;
        for (agent, at) in self.agents.iter().zip(0..) {
            // The pool took everybody for logged out.
            let fresh = Agent { state: AgentState::LoggedOut, ..agent.clone() };
            self.pool.leaves(&fresh, at);
            self.pool.enters(agent, at);
        }
        // Whoever may serve more than before is as good as freed.
        self.freed = (0..self.agents.len() as u32).collect();
        for call in waiting {
            self.rejoin(call, &old_queues);
        }
        for gone in old {
            self.timers.clear(&Timer::WrapUp(gone.plan.id.clone()));
            if let AgentState::Reserved { call, .. } = gone.state {
                let why = "the agent is no longer in the plan".to_owned();
                self.outputs.push_back(Output::Withdraw { call, agent: gone.plan.id, why });
                self.back_to_line(call, now);
            }
        }
        self.distribute(now);
    }

    /// The caller's queues by their new numbers, those that are gone left out.
    fn rejoin(&mut self, call: crate::CallId, old_queues: &[String]) {
        let number = |queue: u32| self.queue_numbers.get(old_queues.get(queue as usize)?).copied();
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let last = caller.joined.last().and_then(|joined| old_queues.get(joined.queue as usize)).cloned();
        let widen: Vec<_> = self.timers.take_widen(call);
        caller.joined = std::mem::take(&mut caller.joined)
            .into_iter()
            .filter_map(|joined| Some(Joined { queue: number(joined.queue)?, step: joined.step }))
            .collect();
        for (queue, at) in widen {
            if let Some(queue) = number(queue) {
                self.timers.set(Timer::Widen(call, queue), at);
            }
        }
        if let Stage::Offered { queue, .. } | Stage::Talking { queue, .. } = &mut caller.stage {
            // A queue that is gone has no name, no service level and no wrap-up.
            *queue = number(*queue).unwrap_or(u32::MAX);
        }
        if caller.only.as_ref().is_some_and(|agent| !self.agent_numbers.contains_key(agent)) {
            caller.only = None;
        }
        match (&caller.stage, caller.joined.is_empty()) {
            (Stage::Waiting, false) => self.stand_in_line(call),
            (Stage::Waiting, true) => {
                let queue = last.unwrap_or_default();
                self.unroutable(call, format!("queue {queue} is no longer in the plan"));
            }
            (Stage::Offered { .. } | Stage::Talking { .. }, _) => {}
        }
    }
}
