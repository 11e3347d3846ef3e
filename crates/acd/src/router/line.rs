//! The line: callers who come, wait, are taken back and go.

use std::time::Duration;

use super::{Output, Router};
use crate::agent::AgentState;
use crate::caller::{Arrival, Caller, Joined, Stage, Turn};
use crate::timers::Timer;
use crate::{AgentId, Announcement, CallId};

/// Highest priority of a caller.
const TOP: u8 = 10;

impl Router {
    pub(super) fn turn(&self, since: Duration, priority: u8, place: u64) -> Turn {
        let head_start = self.plan.head_start.as_millis() as i64 * i64::from(priority.min(TOP));
        Turn { standing_ms: since.as_millis() as i64 - head_start, place }
    }

    pub(super) fn arrive(&mut self, arrival: Arrival, now: Duration) -> Result<(), String> {
        let call = arrival.call;
        if let Some(known) = self.callers.get(&call) {
            let queue = known.joined.last().map_or("", |joined| self.queue_name(joined.queue));
            return Err(format!("call {} is already in queue {queue}", call.0));
        }
        let since = arrival.since.unwrap_or(now).min(now);
        let turn = self.turn(since, arrival.priority, self.next_place);
        let caller = Caller {
            since,
            turn,
            priority: arrival.priority.min(TOP),
            joined: Vec::new(),
            stage: Stage::Waiting,
            only: None,
            run: None,
            customer: arrival.customer,
            call_type: arrival.call_type,
            callback: None,
        };
        self.next_place += 1;
        self.figures.call_type(caller.call_type.as_deref()).offered += 1;
        self.callers.insert(call, caller);
        self.enter(call, &arrival.target, now);
        Ok(())
    }

    /// After a restart: a caller who talks to this agent, whom a queue, or a script, had sent there. Not if the call is
    /// known.
    pub(crate) fn take_up(&mut self, call: CallId, agent: &AgentId, target: &str, now: Duration) -> bool {
        if self.callers.contains_key(&call) {
            return false;
        }
        // A script's queue is not known any more: no wrap-up and no figures of a queue follow such a conversation.
        let queue = self.queue_numbers.get(target).copied().unwrap_or(u32::MAX);
        let turn = self.turn(now, 0, self.next_place);
        self.next_place += 1;
        let caller = Caller {
            since: now,
            turn,
            priority: 0,
            joined: Vec::new(),
            stage: Stage::Talking { agent: agent.clone(), queue, since: now },
            only: None,
            run: None,
            customer: None,
            call_type: None,
            callback: None,
        };
        self.callers.insert(call, caller);
        true
    }

    /// The conversation goes on as another call, and is told of when that one ends.
    pub(super) fn hand_over(&mut self, from: CallId, to: CallId) {
        let talks = |caller: &mut Caller| match &mut caller.stage {
            Stage::Talking { queue, since, .. } => Some((std::mem::replace(queue, u32::MAX), *since)),
            _ => None,
        };
        let talked = self.callers.get_mut(&from).and_then(talks);
        let goes_on = self.callers.get_mut(&to).map(|caller| &mut caller.stage);
        if let (Some(talked), Some(Stage::Talking { queue, since, .. })) = (talked, goes_on) {
            (*queue, *since) = talked;
        }
    }

    /// The caller joins a queue, beside those joined before.
    pub(super) fn join(&mut self, call: CallId, queue: u32, priority: u8, now: Duration) {
        let Some(caller) = self.callers.get(&call) else { return };
        let (since, place) = (caller.since, caller.turn.place);
        let priority = caller.priority.max(priority.min(TOP));
        let turn = self.turn(since, priority, place);
        self.leave_line(call);
        let Some(caller) = self.callers.get_mut(&call) else { return };
        (caller.priority, caller.turn) = (priority, turn);
        if !caller.joined.iter().any(|joined| joined.queue == queue) {
            caller.joined.push(Joined { queue, step: 0 });
            let Some(plan) = self.plan.queues.get(queue as usize) else { return };
            if let [first, _, ..] = plan.steps.as_slice() {
                self.timers.set(Timer::Widen(call, queue), now + first.wait);
            }
            if let Some(every) = plan.announce_every {
                self.timers.set(Timer::Announce(call), now + every);
            }
            let name = plan.name.clone();
            self.figures.queue(&name).offered += 1;
            self.ask_for_last_agent(call, queue, now);
        }
        self.stand_in_line(call);
        self.say_waiting(call, now);
    }

    /// Into the line at the caller's turn: those whom it makes sense to ask are looked at.
    pub(super) fn stand_in_line(&mut self, call: CallId) {
        let Some(caller) = self.callers.get(&call) else { return };
        let only = caller.only.as_ref().and_then(|agent| self.agent_numbers.get(agent).copied());
        match only {
            Some(agent) => self.pool.wait_for(agent, caller.turn, call),
            None => {
                for Joined { queue, step } in &caller.joined {
                    self.pool.wait(self.pool.class_of(*queue, *step), caller.turn, call);
                }
            }
        }
        self.moved.insert((caller.turn, call));
    }

    pub(super) fn leave_line(&mut self, call: CallId) {
        let Some(caller) = self.callers.get(&call) else { return };
        if let Some(agent) = caller.only.as_ref().and_then(|agent| self.agent_numbers.get(agent)) {
            self.pool.unwait_for(*agent, caller.turn, call);
        }
        for Joined { queue, step } in &caller.joined {
            self.pool.unwait(self.pool.class_of(*queue, *step), caller.turn, call);
        }
        self.moved.remove(&(caller.turn, call));
    }

    /// The next step's agents are asked too.
    pub(super) fn widen(&mut self, call: CallId, queue: u32, now: Duration) {
        let Some(caller) = self.callers.get(&call) else { return };
        let waits = caller.stage == Stage::Waiting;
        if waits {
            self.leave_line(call);
        }
        let steps = self.plan.queues.get(queue as usize).map(|plan| plan.steps.as_slice()).unwrap_or_default();
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let Some(joined) = caller.joined.iter_mut().find(|joined| joined.queue == queue) else { return };
        joined.step += 1;
        if let Some(step) = steps.get(joined.step as usize).filter(|_| steps.len() > joined.step as usize + 1) {
            self.timers.set(Timer::Widen(call, queue), now + step.wait);
        }
        if waits {
            self.stand_in_line(call);
            self.say_waiting(call, now);
        }
    }

    /// The caller knows an agent of this queue who is at work: for a while it is that one or nobody.
    fn ask_for_last_agent(&mut self, call: CallId, queue: u32, now: Duration) {
        let Some(wait) = self.plan.queues.get(queue as usize).map(|plan| plan.last_agent) else { return };
        let Some(caller) = self.callers.get_mut(&call).filter(|caller| caller.joined.len() == 1) else { return };
        let last = caller.customer.as_deref().and_then(|customer| self.last.of(customer));
        let Some(last) = last.filter(|_| !wait.is_zero()).cloned() else { return };
        let Some(at) = self.agent_numbers.get(&last) else { return };
        let serves = self.pool.widest(queue).is_some_and(|class| class.agents.contains(at));
        let Some(agent) = self.agents.get(*at as usize).filter(|_| serves) else { return };
        if matches!(agent.state, AgentState::LoggedOut | AgentState::NotReady { .. }) {
            return;
        }
        caller.only = Some(last);
        self.timers.set(Timer::LastAgent(call), now + wait);
    }

    /// The wait for the last agent is over.
    pub(super) fn wait_for_anybody(&mut self, call: CallId) {
        self.timers.clear(&Timer::LastAgent(call));
        let Some(caller) = self.callers.get(&call) else { return };
        let waits = caller.stage == Stage::Waiting;
        if waits {
            self.leave_line(call);
        }
        if let Some(caller) = self.callers.get_mut(&call) {
            caller.only = None;
        }
        if waits {
            self.stand_in_line(call);
        }
    }

    /// An agent is not at work any more: nobody waits for them alone.
    pub(super) fn forsaken(&mut self, agent: u32) {
        let calls: Vec<CallId> = self.pool.personal(agent).map(|(_, call)| *call).collect();
        for call in calls {
            self.wait_for_anybody(call);
        }
    }

    /// The agent to whom this call is offered now.
    pub(super) fn offered(&self, call: CallId) -> Result<AgentId, String> {
        match self.callers.get(&call).map(|caller| &caller.stage) {
            Some(Stage::Offered { agent, .. }) => Ok(agent.clone()),
            Some(_) => Err(format!("call {} is offered to nobody now", call.0)),
            None => Err(format!("no call {}", call.0)),
        }
    }

    pub(super) fn answered(&mut self, call: CallId, now: Duration) -> Result<(), String> {
        let agent = self.offered(call)?;
        self.timers.clear_call(call);
        let Some(caller) = self.callers.get_mut(&call) else { return Ok(()) };
        let Stage::Offered { queue, .. } = caller.stage else { return Ok(()) };
        caller.stage = Stage::Talking { agent: agent.clone(), queue, since: now };
        let waited = now.saturating_sub(caller.since);
        let call_type = caller.call_type.clone();
        if let Some(customer) = &caller.customer {
            self.last.remember(customer, &agent);
        }
        // A queue that left the plan while the phone rang has no figures any more.
        if let Some(plan) = self.plan.queues.get(queue as usize) {
            let figures = self.figures.queue(&plan.name);
            figures.answered += 1;
            figures.within_level += u32::from(waited <= plan.service_level);
            figures.wait_ms += crate::figures::millis(waited);
            figures.longest_wait_ms = figures.longest_wait_ms.max(crate::figures::millis(waited));
        }
        self.figures.call_type(call_type.as_deref()).answered += 1;
        self.figures.agent(&agent).answered += 1;
        if let Ok(at) = self.number_of(&agent) {
            self.change(at, AgentState::Talking { call, since: now }, now);
        }
        Ok(())
    }

    pub(super) fn gone(&mut self, call: CallId, now: Duration) {
        if self.callers.get(&call).is_some_and(|caller| caller.stage == Stage::Waiting) {
            self.leave_line(call);
        }
        let Some(caller) = self.callers.remove(&call) else { return };
        self.timers.clear_call(call);
        match caller.stage {
            Stage::Waiting => self.abandoned(&caller),
            Stage::Offered { ref agent, idle_since, .. } => {
                self.abandoned(&caller);
                let why = "the caller hung up".to_owned();
                self.outputs.push_back(Output::Withdraw { call, agent: agent.clone(), why });
                // The agent did nothing wrong and keeps the wait that made them the chosen one.
                if let Ok(at) = self.number_of(agent) {
                    match self.agents.get(at as usize).is_some_and(|agent| agent.afterwards.is_some()) {
                        true => self.afterwards(at, now),
                        false => self.change(at, AgentState::Ready { since: idle_since }, now),
                    }
                }
            }
            Stage::Talking { agent, queue, since } => {
                self.hung_up(call, &agent, queue, now.saturating_sub(since), now);
            }
        }
    }

    fn abandoned(&mut self, caller: &Caller) {
        if let Some(joined) = caller.joined.last() {
            let name = self.queue_name(joined.queue).to_owned();
            self.figures.queue(&name).abandoned += 1;
        }
        self.figures.call_type(caller.call_type.as_deref()).abandoned += 1;
    }

    /// An offer came to nothing: the caller stands where they stood.
    pub(super) fn back_to_line(&mut self, call: CallId, now: Duration) {
        self.timers.clear(&Timer::Ring(call));
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.stage = Stage::Waiting;
        // Who did not get through to the last agent is not to be kept waiting for them.
        caller.only = None;
        self.timers.clear(&Timer::LastAgent(call));
        if caller.joined.is_empty() {
            return self.unroutable(call, "its queues are no longer in the plan".into());
        }
        self.stand_in_line(call);
        if self.callers.get(&call).is_some_and(|caller| caller.run.as_ref().is_some_and(|run| run.is_overdue)) {
            self.script_due(call, now);
        }
        self.say_waiting(call, now);
    }

    /// The call is forgotten.
    pub(super) fn unroutable(&mut self, call: CallId, why: String) {
        self.leave_line(call);
        self.timers.clear_call(call);
        if let Some(caller) = self.callers.remove(&call) {
            self.figures.call_type(caller.call_type.as_deref()).released += 1;
        }
        self.outputs.push_back(Output::Unroutable { call, why });
    }

    pub(super) fn call_back(&mut self, call: CallId, instead: CallId, number: String) -> Result<(), String> {
        if self.callers.contains_key(&instead) {
            return Err(format!("call {} is already known", instead.0));
        }
        match self.callers.get(&call).map(|caller| &caller.stage) {
            Some(Stage::Waiting) => {}
            Some(_) => return Err(format!("call {} is with an agent", call.0)),
            None => return Err(format!("no call {}", call.0)),
        }
        let due = self.timers.take_call(call);
        self.leave_line(call);
        let Some(mut caller) = self.callers.remove(&call) else { return Ok(()) };
        // Whoever has hung up hears no announcements and is not let go by a script.
        (caller.callback, caller.run) = (Some(number), None);
        if let Some(joined) = caller.joined.last() {
            let name = self.queue_name(joined.queue).to_owned();
            self.figures.queue(&name).callbacks += 1;
        }
        self.callers.insert(instead, caller);
        for (timer, at) in due {
            match timer {
                Timer::Widen(_, queue) => self.timers.set(Timer::Widen(instead, queue), at),
                Timer::LastAgent(_) => self.timers.set(Timer::LastAgent(instead), at),
                Timer::Ring(_) | Timer::Script(_) | Timer::Announce(_) | Timer::WrapUp(_) => {}
            }
        }
        self.stand_in_line(instead);
        Ok(())
    }

    pub(super) fn announce(&mut self, call: CallId, now: Duration) {
        let Some(caller) = self.callers.get(&call) else { return };
        let Some(queue) = caller.joined.last().map(|joined| joined.queue) else { return };
        let waits = caller.stage == Stage::Waiting;
        if let Some(every) = self.plan.queues.get(queue as usize).and_then(|plan| plan.announce_every) {
            self.timers.set(Timer::Announce(call), now + every);
        }
        if waits {
            let turn = caller.turn;
            let before = self.line(queue).range(..(turn, call)).count();
            // Fewer than 4,000,000,000 callers wait.
            let position = before as u32 + 1;
            let estimate = self.estimated_wait(queue, position);
            self.outputs.push_back(Output::Say { call, what: Announcement::Position { position, estimate } });
        }
    }
}
