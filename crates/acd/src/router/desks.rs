//! What agents do, and what becomes of them.

use std::time::Duration;

use super::{Output, Router};
use crate::agent::{Agent, AgentState, Doing};
use crate::caller::Stage;
use crate::timers::Timer;
use crate::{AgentId, CallId, LOGGED_IN};

impl Router {
    fn state(&self, at: u32) -> AgentState {
        self.agents.get(at as usize).map_or(AgentState::LoggedOut, |agent| agent.state.clone())
    }

    /// Sets an agent's state and tells of it.
    pub(super) fn change(&mut self, at: u32, state: AgentState, now: Duration) {
        self.set(at, state.clone(), now);
        if let Some(agent) = self.agents.get(at as usize) {
            self.outputs.push_back(Output::AgentChanged { agent: agent.plan.id.clone(), state });
        }
    }

    /// Sets an agent's state and all that follows from it here.
    fn set(&mut self, at: u32, state: AgentState, now: Duration) {
        let Some(agent) = self.agents.get_mut(at as usize) else { return };
        self.pool.leaves(agent, at);
        let (was, is) = (agent.state.doing(), state.doing());
        let time = now.saturating_sub(agent.changed);
        if was.occupies() {
            agent.occupied += time;
        }
        match (was, is) {
            (_, Doing::LoggedOut) => agent.logged_in = None,
            (Doing::LoggedOut, _) => (agent.logged_in, agent.occupied) = (Some(now), Duration::ZERO),
            _ => {}
        }
        (agent.state, agent.changed) = (state, now);
        self.pool.enters(agent, at);
        let id = agent.plan.id.clone();
        self.figures.was(&id, was, time);
        match is {
            Doing::Ready => {
                self.freed.insert(at);
            }
            Doing::LoggedOut | Doing::NotReady => self.forsaken(at),
            Doing::Reserved | Doing::Talking | Doing::WrapUp => {}
        }
    }

    pub(crate) fn agent(&self, id: &AgentId) -> Option<&Agent> {
        self.agents.get(self.number_of(id).ok()? as usize)
    }

    /// After a restart: the state as it was kept.
    pub(crate) fn resume(&mut self, id: &AgentId, state: AgentState, now: Duration) {
        if let Ok(at) = self.number_of(id) {
            self.change(at, state, now);
            self.distribute(now);
        }
    }

    /// After a restart: in this conversation. Not told of: what was kept of the agent holds until they are resumed.
    pub(crate) fn talks_on(&mut self, id: &AgentId, call: CallId, now: Duration) {
        if let Ok(at) = self.number_of(id) {
            self.set(at, AgentState::Talking { call, since: now }, now);
        }
    }

    /// After a restart: not ready, once the conversation ends.
    pub(crate) fn expect_afterwards(&mut self, id: &AgentId, reason: String) {
        if let Ok(at) = self.number_of(id)
            && let Some(agent) = self.agents.get_mut(at as usize)
        {
            agent.afterwards = Some(reason);
        }
    }

    /// What follows a conversation or wrap-up: ready again, or what was asked for meanwhile.
    pub(super) fn afterwards(&mut self, at: u32, now: Duration) {
        let reason = self.agents.get_mut(at as usize).and_then(|agent| agent.afterwards.take());
        let state = match reason {
            Some(reason) => AgentState::NotReady { reason },
            None => AgentState::Ready { since: now },
        };
        self.change(at, state, now);
    }

    /// Remembers, or forgets, what the agent wants to be once the call is over.
    fn ask_afterwards(&mut self, at: u32, reason: Option<String>) {
        let Some(agent) = self.agents.get_mut(at as usize) else { return };
        if agent.afterwards != reason {
            agent.afterwards = reason;
            self.outputs.push_back(Output::AgentChanged { agent: agent.plan.id.clone(), state: agent.state.clone() });
        }
    }

    pub(super) fn login(&mut self, id: &AgentId, now: Duration) -> Result<(), String> {
        let at = self.number_of(id)?;
        if self.state(at) == AgentState::LoggedOut {
            self.change(at, AgentState::NotReady { reason: LOGGED_IN.into() }, now);
        }
        Ok(())
    }

    pub(super) fn ready(&mut self, id: &AgentId, now: Duration) -> Result<(), String> {
        let at = self.number_of(id)?;
        match self.state(at) {
            AgentState::LoggedOut | AgentState::NotReady { .. } => {
                self.change(at, AgentState::Ready { since: now }, now)
            }
            AgentState::WrapUp { .. } => {
                self.timers.clear(&Timer::WrapUp(id.clone()));
                self.change(at, AgentState::Ready { since: now }, now);
            }
            AgentState::Talking { .. } | AgentState::Reserved { .. } => {
                self.ask_afterwards(at, None);
                return Ok(());
            }
            AgentState::Ready { .. } => {}
        }
        if let Some(agent) = self.agents.get_mut(at as usize) {
            agent.afterwards = None;
        }
        Ok(())
    }

    pub(super) fn not_ready(&mut self, id: &AgentId, reason: String, now: Duration) -> Result<(), String> {
        let at = self.number_of(id)?;
        match self.state(at) {
            AgentState::Talking { .. } => self.ask_afterwards(at, Some(reason)),
            AgentState::Reserved { call, .. } => {
                let why = format!("the agent went not ready: {reason}");
                self.outputs.push_back(Output::Withdraw { call, agent: id.clone(), why });
                if let Some(agent) = self.agents.get_mut(at as usize) {
                    agent.afterwards = None;
                }
                self.change(at, AgentState::NotReady { reason }, now);
                self.back_to_line(call, now);
            }
            AgentState::WrapUp { .. } => {
                self.timers.clear(&Timer::WrapUp(id.clone()));
                self.change(at, AgentState::NotReady { reason }, now);
            }
            AgentState::LoggedOut | AgentState::NotReady { .. } | AgentState::Ready { .. } => {
                self.change(at, AgentState::NotReady { reason }, now);
            }
        }
        Ok(())
    }

    pub(super) fn not_ready_later(&mut self, id: &AgentId, reason: String, now: Duration) -> Result<(), String> {
        let at = self.number_of(id)?;
        match self.state(at) {
            AgentState::Reserved { .. } => self.ask_afterwards(at, Some(reason)),
            _ => self.not_ready(id, reason, now)?,
        }
        Ok(())
    }

    pub(super) fn logout(&mut self, id: &AgentId, now: Duration) -> Result<(), String> {
        let at = self.number_of(id)?;
        match self.state(at) {
            AgentState::LoggedOut => {}
            AgentState::NotReady { .. } => self.change(at, AgentState::LoggedOut, now),
            other => {
                let is = other.doing().word();
                return Err(format!("agent {} is {is}: go not ready first, then log out", id.0));
            }
        }
        Ok(())
    }

    /// In a call that no queue sent them.
    pub(super) fn outgoing(&mut self, call: CallId, id: &AgentId, now: Duration) -> Result<(), String> {
        let at = self.number_of(id)?;
        let afterwards = match self.state(at) {
            AgentState::Ready { .. } => {
                let reason = crate::OUTGOING.to_owned();
                self.change(at, AgentState::NotReady { reason: reason.clone() }, now);
                Some(reason)
            }
            AgentState::NotReady { reason } => Some(reason),
            AgentState::Talking { .. } | AgentState::WrapUp { .. } => {
                self.agents.get(at as usize).and_then(|agent| agent.afterwards.clone())
            }
            other => return Err(format!("agent {} is {}", id.0, other.doing().word())),
        };
        // Of who talks to a caller of a queue: the work after that conversation is done after this one.
        let before = match self.state(at) {
            AgentState::Talking { call, .. } => Some(call),
            _ => None,
        };
        if !self.take_up(call, id, "", now) {
            return Err(format!("call {} is known already", call.0));
        }
        self.timers.clear(&Timer::WrapUp(id.clone()));
        if let Some(before) = before {
            self.hand_over(before, call);
        }
        if let Some(agent) = self.agents.get_mut(at as usize) {
            agent.afterwards = afterwards;
        }
        self.change(at, AgentState::Talking { call, since: now }, now);
        Ok(())
    }

    pub(super) fn wrapped_up(&mut self, id: &AgentId, now: Duration) {
        let Ok(at) = self.number_of(id) else { return };
        if matches!(self.state(at), AgentState::WrapUp { .. }) {
            self.afterwards(at, now);
        }
    }

    /// A conversation is over.
    pub(super) fn hung_up(&mut self, call: CallId, id: &AgentId, queue: u32, talked: Duration, now: Duration) {
        let plan = self.plan.queues.get(queue as usize);
        let wrap_up = plan.map_or(Duration::ZERO, |queue| queue.wrap_up);
        if let Some(name) = plan.map(|queue| queue.name.clone()) {
            self.figures.handled(&name, talked + wrap_up);
            let figures = self.figures.queue(&name);
            figures.talk_ms += crate::figures::millis(talked);
            figures.wrap_up_ms += crate::figures::millis(wrap_up);
        }
        // An agent who left the plan in mid-call and came back does not have this call any more.
        let Ok(at) = self.number_of(id) else { return };
        if !matches!(self.state(at), AgentState::Talking { call: held, .. } if held == call) {
            return;
        }
        if wrap_up.is_zero() {
            return self.afterwards(at, now);
        }
        let until = now + wrap_up;
        self.timers.set(Timer::WrapUp(id.clone()), until);
        self.change(at, AgentState::WrapUp { call, since: now, until }, now);
    }

    /// An offer came to nothing: the agent goes not ready, the caller gets the place back.
    pub(super) fn give_up(&mut self, call: CallId, agent: &AgentId, reason: String, now: Duration) {
        if let Some(Stage::Offered { queue, .. }) = self.callers.get(&call).map(|caller| caller.stage.clone()) {
            let name = self.queue_name(queue).to_owned();
            self.figures.queue(&name).no_answer += 1;
            self.figures.agent(agent).no_answer += 1;
        }
        if let Ok(at) = self.number_of(agent) {
            if let Some(agent) = self.agents.get_mut(at as usize) {
                agent.afterwards = None;
            }
            self.change(at, AgentState::NotReady { reason }, now);
        }
        self.back_to_line(call, now);
    }

    pub(super) fn rang_out(&mut self, call: CallId, now: Duration) {
        let Ok(agent) = self.offered(call) else { return };
        let why = crate::RING_NO_ANSWER.to_owned();
        self.outputs.push_back(Output::Withdraw { call, agent: agent.clone(), why: why.clone() });
        self.give_up(call, &agent, why, now);
    }
}
