//! The router: what happens, and what follows from it.

mod choose;
mod desks;
mod flow;
mod line;
mod replan;
mod views;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::agent::{Agent, AgentState};
use crate::caller::{Arrival, Caller, Turn};
use crate::decision::Decision;
use crate::figures::{Figures, Interval};
use crate::last_agents::LastAgents;
use crate::pool::Pool;
use crate::timers::{Timer, Timers};
use crate::{AgentId, CallId, Plan};

pub use views::{AgentRow, QueueRow};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// An agent logs in: not ready at first. One who is logged in already stays as they are.
    Login(AgentId),
    /// An agent says ready. While talking it takes back an earlier not ready; it ends a wrap-up.
    Ready(AgentId),
    /// An agent says not ready. A phone that rings is withdrawn; a conversation is not touched, it counts afterwards,
    /// after the wrap-up too; a wrap-up is ended by it.
    NotReady { agent: AgentId, reason: String },
    /// The same, but a phone that rings goes on ringing: it counts when that conversation is over.
    NotReadyLater { agent: AgentId, reason: String },
    /// From not ready only.
    Logout { agent: AgentId, reason: String },
    /// A caller joins a queue.
    Enqueue { call: CallId, queue: String },
    /// A caller comes to a script, a queue, or to what the call type says.
    Arrive(Arrival),
    /// The caller hangs up and leaves a number: the place in line passes to the call that will be made then.
    CallBack { call: CallId, instead: CallId, number: String },
    /// The caller is gone, or the conversation is over. Saying it of a call that is not known is no error.
    Gone(CallId),
    /// The agent's phone answered.
    Answered(CallId),
    /// The offer came to nothing: busy, unreachable, declined. The agent goes not ready for this reason.
    Refused { call: CallId, why: String },
    /// The agent calls somebody, or is called past the queues: talking until this call is gone, then not ready as before,
    /// or for [`crate::OUTGOING`] who was ready. Of who talks already: this call instead of that one,
    /// whose work is done after this one. Of who wraps up: no more of that.
    Outgoing { call: CallId, agent: AgentId },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Ring this agent for this call; then, if there is a number to call back, call it.
    Offer { call: CallId, agent: AgentId, extension: String, callback: Option<String> },
    /// Stop ringing: no answer in time, the caller hung up, or the agent was taken away.
    Withdraw { call: CallId, agent: AgentId, why: String },
    /// The caller could not be queued (no such queue), or the queue was taken out of the plan. The call is forgotten.
    Unroutable { call: CallId, why: String },
    /// The script lets the caller go, after this prompt. The call is forgotten.
    Release { call: CallId, why: String, prompt: Option<String> },
    /// Tell a waiting caller something.
    Say { call: CallId, what: Announcement },
    /// Where a script went, in words.
    Told { call: CallId, words: String },
    /// For the desk and the journal; also when only what follows a conversation has changed.
    AgentChanged { agent: AgentId, state: AgentState },
    /// Why this call went to this agent and not to that one; comes just before the offer. With nobody chosen: said
    /// once when the caller begins to wait, and again when an offer came to nothing.
    Decided(Decision),
    /// A quarter of an hour has ended, told at the first event after it; or the one under way as it stands, once a
    /// minute. To be kept for [`Router::resume_figures`]: the last word of a quarter is the one that counts.
    Interval(Interval),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Announcement {
    Prompt(String),
    /// From 1; the estimate is unknown while nobody works.
    Position {
        position: u32,
        estimate: Option<Duration>,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Router {
    plan: Plan,
    /// Numbers of agents and queues in the plan's order.
    agent_numbers: BTreeMap<AgentId, u32>,
    queue_numbers: BTreeMap<String, u32>,
    agents: Vec<Agent>,
    pool: Pool,
    callers: BTreeMap<CallId, Caller>,
    timers: Timers,
    last: LastAgents,
    pub(crate) figures: Figures,
    /// The wall clock at the router's zero, ms since 1970.
    wall_zero_ms: i64,
    next_place: u64,
    /// Agents who became ready and callers who may be served anew since the last distribution: only they can make a pair.
    freed: BTreeSet<u32>,
    moved: BTreeSet<(Turn, CallId)>,
    outputs: VecDeque<Output>,
}

impl Router {
    /// All agents are logged out at first.
    pub fn new(plan: Plan, _now: Duration) -> Router {
        let mut agents: Vec<Agent> = plan.agents.iter().cloned().map(Agent::new).collect();
        let pool = Pool::new(&plan, &mut agents);
        let (agent_numbers, queue_numbers) = numbers(&plan);
        Router {
            agent_numbers,
            queue_numbers,
            agents,
            pool,
            callers: BTreeMap::new(),
            timers: Timers::default(),
            last: LastAgents::default(),
            figures: Figures::default(),
            wall_zero_ms: 0,
            next_place: 0,
            freed: BTreeSet::new(),
            moved: BTreeSet::new(),
            outputs: VecDeque::new(),
            plan,
        }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the wall clock (ms since 1970, UTC) shows now: calendars and intervals go by it.
    pub fn set_wall(&mut self, wall_ms: i64, now: Duration) {
        // Longer than 292 million years does not occur.
        self.wall_zero_ms = wall_ms - now.as_millis() as i64;
    }

    pub(crate) fn wall_ms(&self, now: Duration) -> i64 {
        self.wall_zero_ms + now.as_millis() as i64
    }

    /// An error says in words what does not exist or cannot be; nothing has changed then.
    pub fn handle(&mut self, input: Input, now: Duration) -> Result<(), String> {
        self.close_interval(now);
        match input {
            Input::Login(id) => self.login(&id, now)?,
            Input::Ready(id) => self.ready(&id, now)?,
            Input::NotReady { agent, reason } => self.not_ready(&agent, reason, now)?,
            Input::NotReadyLater { agent, reason } => self.not_ready_later(&agent, reason, now)?,
            Input::Logout { agent, reason: _ } => self.logout(&agent, now)?,
            Input::Enqueue { call, queue } => self.arrive(Arrival::new(call, &queue), now)?,
            Input::Arrive(arrival) => self.arrive(arrival, now)?,
            Input::CallBack { call, instead, number } => self.call_back(call, instead, number)?,
            Input::Gone(call) => self.gone(call, now),
            Input::Answered(call) => self.answered(call, now)?,
            Input::Refused { call, why } => {
                let agent = self.offered(call)?;
                self.give_up(call, &agent, why, now);
            }
            Input::Outgoing { call, agent } => self.outgoing(call, &agent, now)?,
        }
        self.distribute(now);
        Ok(())
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When something is due: a phone has rung long enough, a step, a wait or a wrap-up ends.
    pub fn deadline(&self) -> Option<Duration> {
        self.timers.next()
    }

    pub fn tick(&mut self, now: Duration) {
        self.close_interval(now);
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Ring(call) => self.rang_out(call, now),
                Timer::Widen(call, queue) => self.widen(call, queue, now),
                Timer::LastAgent(call) => self.wait_for_anybody(call),
                Timer::Script(call) => self.script_due(call, now),
                Timer::Announce(call) => self.announce(call, now),
                Timer::WrapUp(agent) => self.wrapped_up(&agent, now),
            }
        }
        self.distribute(now);
    }

    fn close_interval(&mut self, now: Duration) {
        let wall_ms = self.wall_ms(now);
        self.outputs.extend(self.figures.now(wall_ms).map(Output::Interval));
    }

    fn number_of(&self, id: &AgentId) -> Result<u32, String> {
        self.agent_numbers.get(id).copied().ok_or_else(|| format!("no agent {} in the plan", id.0))
    }

    fn queue_name(&self, queue: u32) -> &str {
        self.plan.queues.get(queue as usize).map_or("", |queue| queue.name.as_str())
    }
}

fn numbers(plan: &Plan) -> (BTreeMap<AgentId, u32>, BTreeMap<String, u32>) {
    let agents = plan.agents.iter().zip(0..).map(|(agent, at)| (agent.id.clone(), at)).collect();
    let queues = plan.queues.iter().zip(0..).map(|(queue, at)| (queue.name.clone(), at)).collect();
    (agents, queues)
}
