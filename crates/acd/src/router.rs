//! The router: what happens, what follows from it, and the one rule it keeps after every step: no caller waits while
//! an agent of that queue is ready.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::{Agent, AgentState};
use crate::decision::{self, Decision};
use crate::queue::{Caller, Place, Queue, Stage};
use crate::{AgentId, CallId, Plan, RING_NO_ANSWER};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// An agent says ready. While talking it takes back an earlier not ready.
    Ready(AgentId),
    /// An agent says not ready. A phone that rings is withdrawn; a conversation is not touched, it counts afterwards.
    NotReady { agent: AgentId, reason: String },
    /// A caller joins a queue.
    Enqueue { call: CallId, queue: String },
    /// The caller is gone, or the conversation is over. Saying it of a call that is not known is no error.
    Gone(CallId),
    /// The agent's phone answered.
    Answered(CallId),
    /// The offer came to nothing: busy, unreachable, declined. The agent goes not ready for this reason.
    Refused { call: CallId, why: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Ring this agent for this call.
    Offer { call: CallId, agent: AgentId, extension: String },
    /// Stop ringing: no answer in time, the caller hung up, or the agent was taken away.
    Withdraw { call: CallId, agent: AgentId, why: String },
    /// The caller could not be queued (no such queue), or the queue was taken out of the plan. The call is forgotten.
    Unroutable { call: CallId, why: String },
    /// For the desk and the journal. Also when only what comes after the conversation changed ([`Router::standing`]).
    AgentChanged { agent: AgentId, state: AgentState },
    /// Why this call went to this agent and not to that one; comes just before the offer. With nobody chosen: said
    /// once when the caller begins to wait, and again when an offer came to nothing.
    Decided(Decision),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Router {
    /// In the plan's order.
    pub(crate) agents: Vec<Agent>,
    /// In the plan's order.
    queues: Vec<Queue>,
    pub(crate) callers: BTreeMap<CallId, Caller>,
    pub(crate) next_place: u64,
    outputs: VecDeque<Output>,
}

impl Router {
    /// All agents are logged out at first.
    pub fn new(plan: Plan, _now: Duration) -> Router {
        Router {
            agents: plan.agents.into_iter().map(Agent::new).collect(),
            queues: plan.queues.into_iter().map(Queue::new).collect(),
            callers: BTreeMap::new(),
            next_place: 0,
            outputs: VecDeque::new(),
        }
    }

    /// A changed plan: agents and queues that stay keep their state. Conversations go on whatever the plan says;
    /// a phone that rings for an agent who is gone is withdrawn; callers of a queue that is gone are unroutable.
    pub fn set_plan(&mut self, plan: Plan, now: Duration) {
        let mut agents = std::mem::take(&mut self.agents);
        self.agents = plan
            .agents
            .into_iter()
            .map(|plan| match agents.iter().position(|agent| agent.plan.id == plan.id) {
                Some(at) => Agent { plan, ..agents.remove(at) },
                None => Agent::new(plan),
            })
            .collect();
        let mut queues = std::mem::take(&mut self.queues);
        self.queues = plan
            .queues
            .into_iter()
            .map(|plan| match queues.iter().position(|queue| queue.plan.name == plan.name) {
                Some(at) => Queue { plan, ..queues.remove(at) },
                None => Queue::new(plan),
            })
            .collect();
        for queue in queues {
            for call in queue.waiting.into_values() {
                self.forget(call, &queue.plan.name);
            }
        }
        for gone in agents {
            if let AgentState::Reserved { call, .. } = gone.state {
                self.outputs.push_back(Output::Withdraw {
                    call,
                    agent: gone.plan.id,
                    why: "the agent is no longer in the plan".into(),
                });
                self.back_to_queue(call);
                self.say_waiting(call, now);
            }
        }
        self.distribute(now);
    }

    /// An error says in words what does not exist; nothing has changed then.
    pub fn handle(&mut self, input: Input, now: Duration) -> Result<(), String> {
        match input {
            Input::Ready(id) => self.ready(&id, now)?,
            Input::NotReady { agent, reason } => self.not_ready(&agent, reason, now)?,
            Input::Enqueue { call, queue } => self.enqueue(call, queue, now)?,
            Input::Gone(call) => self.gone(call, now),
            Input::Answered(call) => self.answered(call, now)?,
            Input::Refused { call, why } => {
                let agent = self.offered(call)?;
                self.give_up(call, &agent, why, now);
            }
        }
        self.distribute(now);
        Ok(())
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When the first ringing phone has rung long enough.
    pub fn deadline(&self) -> Option<Duration> {
        self.callers
            .values()
            .filter_map(|caller| match caller.stage {
                Stage::Offered { until, .. } => Some(until),
                _ => None,
            })
            .min()
    }

    pub fn tick(&mut self, now: Duration) {
        let mut over: Vec<(Place, CallId, AgentId)> = self
            .callers
            .iter()
            .filter_map(|(call, caller)| match &caller.stage {
                Stage::Offered { agent, until, .. } if *until <= now => Some((caller.place, *call, agent.clone())),
                _ => None,
            })
            .collect();
        over.sort();
        for (_, call, agent) in over {
            self.outputs.push_back(Output::Withdraw { call, agent: agent.clone(), why: RING_NO_ANSWER.into() });
            self.give_up(call, &agent, RING_NO_ANSWER.into(), now);
        }
        self.distribute(now);
    }

    /// Agent, extension, state: in the plan's order.
    pub fn agents(&self) -> Vec<(AgentId, String, AgentState)> {
        self.agents.iter().map(|a| (a.plan.id.clone(), a.plan.extension.clone(), a.state.clone())).collect()
    }

    /// Queue, waiting calls (oldest first, with how long). A caller whose agent's phone rings is not among them.
    pub fn queues(&self, now: Duration) -> Vec<(String, Vec<(CallId, Duration)>)> {
        self.queues
            .iter()
            .map(|queue| {
                let waiting = queue.waiting.values().map(|call| (*call, self.waited(*call, now))).collect();
                (queue.plan.name.clone(), waiting)
            })
            .collect()
    }

    fn waited(&self, call: CallId, now: Duration) -> Duration {
        self.callers.get(&call).map_or(Duration::ZERO, |caller| now.saturating_sub(caller.since))
    }

    fn agent(&mut self, id: &AgentId) -> Result<&mut Agent, String> {
        self.agents
            .iter_mut()
            .find(|agent| agent.plan.id == *id)
            .ok_or_else(|| format!("no agent {} in the plan", id.0))
    }

    fn queue(&mut self, name: &str) -> Option<&mut Queue> {
        self.queues.iter_mut().find(|queue| queue.plan.name == name)
    }

    /// Sets an agent's state and tells of it. An agent who left the plan in mid-call has none.
    pub(crate) fn change(&mut self, id: &AgentId, state: AgentState) {
        if let Ok(agent) = self.agent(id) {
            agent.state = state.clone();
            self.outputs.push_back(Output::AgentChanged { agent: id.clone(), state });
        }
    }

    fn ready(&mut self, id: &AgentId, now: Duration) -> Result<(), String> {
        let agent = self.agent(id)?;
        let taken_back = agent.afterwards.take().is_some();
        let state = agent.state.clone();
        match state {
            AgentState::LoggedOut | AgentState::NotReady { .. } => self.change(id, AgentState::Ready { since: now }),
            // The state is what it was; what comes after it is not.
            AgentState::Talking { .. } if taken_back => self.change(id, state),
            AgentState::Ready { .. } | AgentState::Reserved { .. } | AgentState::Talking { .. } => {}
        }
        Ok(())
    }

    fn not_ready(&mut self, id: &AgentId, reason: String, now: Duration) -> Result<(), String> {
        let agent = self.agent(id)?;
        match agent.state {
            AgentState::Talking { .. } => {
                agent.afterwards = Some(reason);
                let state = agent.state.clone();
                self.change(id, state);
            }
            AgentState::Reserved { call, .. } => {
                self.outputs.push_back(Output::Withdraw {
                    call,
                    agent: id.clone(),
                    why: format!("the agent went not ready: {reason}"),
                });
                self.change(id, AgentState::NotReady { reason });
                self.back_to_queue(call);
                self.say_waiting(call, now);
            }
            AgentState::LoggedOut | AgentState::NotReady { .. } | AgentState::Ready { .. } => {
                self.change(id, AgentState::NotReady { reason })
            }
        }
        Ok(())
    }

    fn enqueue(&mut self, call: CallId, queue: String, now: Duration) -> Result<(), String> {
        if let Some(known) = self.callers.get(&call) {
            return Err(format!("call {} is already in queue {}", call.0, known.queue));
        }
        let place = Place(self.next_place);
        let Some(found) = self.queue(&queue) else {
            let known: Vec<&str> = self.queues.iter().map(|q| q.plan.name.as_str()).collect();
            let why = format!("no queue {queue}; the plan has: {}", known.join(", "));
            self.outputs.push_back(Output::Unroutable { call, why });
            return Ok(());
        };
        found.waiting.insert(place, call);
        self.next_place += 1;
        self.callers.insert(call, Caller { queue, place, since: now, stage: Stage::Waiting });
        self.say_waiting(call, now);
        Ok(())
    }

    /// The agent to whom this call is offered now.
    fn offered(&self, call: CallId) -> Result<AgentId, String> {
        match self.callers.get(&call).map(|caller| &caller.stage) {
            Some(Stage::Offered { agent, .. }) => Ok(agent.clone()),
            Some(_) => Err(format!("call {} is offered to nobody now", call.0)),
            None => Err(format!("no call {}", call.0)),
        }
    }

    fn answered(&mut self, call: CallId, now: Duration) -> Result<(), String> {
        let agent = self.offered(call)?;
        if let Some(caller) = self.callers.get_mut(&call) {
            caller.stage = Stage::Talking { agent: agent.clone() };
        }
        self.change(&agent, AgentState::Talking { call, since: now });
        Ok(())
    }

    fn gone(&mut self, call: CallId, now: Duration) {
        let Some(caller) = self.callers.remove(&call) else {
            return;
        };
        match caller.stage {
            Stage::Waiting => {
                if let Some(queue) = self.queue(&caller.queue) {
                    queue.waiting.remove(&caller.place);
                }
            }
            Stage::Offered { agent, idle_since, .. } => {
                self.outputs.push_back(Output::Withdraw {
                    call,
                    agent: agent.clone(),
                    why: "the caller hung up".into(),
                });
                // The agent did nothing wrong and keeps the wait that made them the chosen one.
                self.change(&agent, AgentState::Ready { since: idle_since });
            }
            Stage::Talking { agent } => {
                // An agent who left the plan in mid-call and came back does not have this call any more.
                let Ok(Agent { state: AgentState::Talking { call: held, .. }, afterwards, .. }) = self.agent(&agent)
                else {
                    return;
                };
                if *held != call {
                    return;
                }
                let afterwards = afterwards.take();
                self.change(
                    &agent,
                    match afterwards {
                        Some(reason) => AgentState::NotReady { reason },
                        None => AgentState::Ready { since: now },
                    },
                );
            }
        }
    }

    /// An offer came to nothing: the agent goes not ready, the caller gets the place back.
    fn give_up(&mut self, call: CallId, agent: &AgentId, reason: String, now: Duration) {
        self.change(agent, AgentState::NotReady { reason });
        self.back_to_queue(call);
        self.say_waiting(call, now);
    }

    fn back_to_queue(&mut self, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call) else {
            return;
        };
        caller.stage = Stage::Waiting;
        let (place, name) = (caller.place, caller.queue.clone());
        match self.queue(&name) {
            Some(queue) => {
                queue.waiting.insert(place, call);
            }
            None => self.forget(call, &name),
        }
    }

    fn forget(&mut self, call: CallId, queue: &str) {
        self.callers.remove(&call);
        self.outputs.push_back(Output::Unroutable { call, why: format!("queue {queue} is no longer in the plan") });
    }

    /// Says why a caller waits, if nobody is ready for them.
    fn say_waiting(&mut self, call: CallId, now: Duration) {
        let Some(decision) = self.decide(call, now) else {
            return;
        };
        if decision.chosen.is_none() {
            self.outputs.push_back(Output::Decided(decision));
        }
    }

    fn decide(&self, call: CallId, now: Duration) -> Option<Decision> {
        let caller = self.callers.get(&call)?;
        let of_queue = || self.agents.iter().filter(|agent| agent.serves(&caller.queue));
        let (chosen, rule) = decision::choose(of_queue());
        Some(Decision {
            call,
            queue: caller.queue.clone(),
            at: now,
            waited: now.saturating_sub(caller.since),
            chosen,
            considered: of_queue().map(|agent| (agent.plan.id.clone(), agent.words(now))).collect(),
            rule,
        })
    }

    /// Offers calls as long as one waits for whom an agent is ready: the oldest such caller of all queues first.
    pub(crate) fn distribute(&mut self, now: Duration) {
        loop {
            if !self.agents.iter().any(|agent| agent.idle_since().is_some()) {
                return;
            }
            let oldest = self
                .queues
                .iter()
                .filter_map(|queue| {
                    let (place, call) = queue.oldest()?;
                    let somebody =
                        self.agents.iter().any(|agent| agent.idle_since().is_some() && agent.serves(&queue.plan.name));
                    somebody.then_some((place, call))
                })
                .min();
            let Some((place, call)) = oldest else { return };
            let Some(decision) = self.decide(call, now) else {
                return;
            };
            let Some(agent) = decision.chosen.clone() else {
                return;
            };
            self.offer(call, place, agent, decision, now);
        }
    }

    fn offer(&mut self, call: CallId, place: Place, agent: AgentId, mut decision: Decision, now: Duration) {
        let queues = self.queues.iter().filter(|queue| !queue.waiting.is_empty());
        let serving = self.agents.iter().find(|a| a.plan.id == agent);
        let choices = queues.filter(|queue| serving.is_some_and(|a| a.serves(&queue.plan.name))).count();
        if choices > 1 {
            decision.rule.push_str(&format!("; the oldest caller of {choices} queues"));
        }
        let extension = serving.map(|a| a.plan.extension.clone()).unwrap_or_default();
        let idle_since = serving.and_then(Agent::idle_since).unwrap_or(now);
        let Some(queue) = self.queue(&decision.queue) else {
            return;
        };
        queue.waiting.remove(&place);
        let until = now + queue.plan.ring_no_answer;
        if let Some(caller) = self.callers.get_mut(&call) {
            caller.stage = Stage::Offered { agent: agent.clone(), until, idle_since };
        }
        self.outputs.push_back(Output::Decided(decision));
        self.change(&agent, AgentState::Reserved { call, since: now });
        self.outputs.push_back(Output::Offer { call, agent, extension });
    }
}
