//! The router against a reference model: random days in a contact centre, snapshot and restore at random moments.
//!
//! The model is as slow and plain as can be: a list of callers and a list of agents; after every event the callers are
//! sorted by their turns and the first for whom anybody is ready gets whoever the rule of their queue names, every
//! question asked of the agents' levels anew. Beside it every word of the router is checked by itself: one call an
//! agent, one agent a call, no caller lost, skills respected.
//!
//! 5,000 days by default; `ACD_HISTORIES=100000` for the whole number.

#[path = "model/plain.rs"]
mod plain;

use std::collections::BTreeMap;
use std::time::Duration;

use acd::{
    Action, AgentId, AgentPlan, AgentState, Arrival, CallId, Expr, Input, Order, Output, Plan, QueuePlan, Router,
    Script, Step as ScriptStep, StepPlan,
};
use plain::{AGENTS, Desk, Model, QUEUES, RING, SCRIPT_WAIT, WIDEN, WRAP_UP};
use proptest::prelude::*;

const DAYS: u32 = 5000;

#[derive(Clone, Debug)]
enum Step {
    Ready(usize),
    NotReady(usize),
    Logout(usize),
    /// The agent calls somebody.
    Outgoing(usize),
    Enqueue {
        queue: usize,
        customer: u8,
        priority: u8,
    },
    Script {
        customer: u8,
    },
    /// These name a caller by place in the model's list.
    Gone(usize),
    Answer(usize),
    Refuse(usize),
    CallBack(usize),
    /// Seconds pass; the deadline is kept on the way.
    Wait(u64),
    Snapshot,
    /// The same plan once more: nothing changes by it.
    Replan,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..AGENTS).prop_map(Step::Ready),
        1 => (0..AGENTS).prop_map(Step::NotReady),
        1 => (0..AGENTS).prop_map(Step::Logout),
        1 => (0..AGENTS).prop_map(Step::Outgoing),
        6 => (0..QUEUES, 0..3u8, 0..3u8).prop_map(|(queue, customer, priority)| Step::Enqueue { queue, customer, priority }),
        2 => (0..3u8).prop_map(|customer| Step::Script { customer }),
        3 => any::<usize>().prop_map(Step::Gone),
        5 => any::<usize>().prop_map(Step::Answer),
        1 => any::<usize>().prop_map(Step::Refuse),
        1 => any::<usize>().prop_map(Step::CallBack),
        5 => (0..20u64).prop_map(Step::Wait),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Replan),
    ]
}

/// Levels of `x` and `y`, and whether the agent names the plain queue; the last agent can do everything, so that nobody
/// starves for want of one.
fn levels() -> impl Strategy<Value = Vec<(u8, u8, bool)>> {
    proptest::collection::vec((0..4u8, 0..4u8, any::<bool>()), AGENTS - 1).prop_map(|mut levels| {
        levels.push((3, 3, true));
        levels
    })
}

fn plan(levels: &[(u8, u8, bool)]) -> Plan {
    let seconds = Duration::from_secs;
    let step = |who: &str, wait| StepPlan { who: Expr::parse(who).expect("our own words"), wait: seconds(wait) };
    let queue = |q: usize, order, steps, last| QueuePlan {
        ring_no_answer: seconds(RING[q]),
        wrap_up: seconds(WRAP_UP[q]),
        last_agent: seconds(last),
        order,
        steps,
        ..QueuePlan::new(&format!("q{q}"))
    };
    let queues = vec![
        queue(0, Order::LongestIdle, vec![], plain::LAST_AGENT[0]),
        queue(1, Order::MostSkilled, vec![step("x >= 2", WIDEN), step("x or y >= 2", 0)], plain::LAST_AGENT[1]),
        queue(2, Order::LeastOccupied, vec![step("y and not x = 1", 0)], plain::LAST_AGENT[2]),
    ];
    let agents = levels.iter().enumerate().map(|(a, (x, y, names))| AgentPlan {
        id: id(a),
        extension: format!("{a}"),
        queues: if *names { vec!["q0".into()] } else { vec![] },
        attributes: BTreeMap::from([("x".into(), *x), ("y".into(), *y)]),
        team: None,
    });
    let action = |queue: &str, priority, wait: Option<u64>, then: Option<&str>| Action::Queue {
        queue: queue.into(),
        priority,
        wait: wait.map(seconds),
        then: then.map(Into::into),
    };
    let steps = vec![
        ScriptStep { name: "first".into(), action: action("q1", 0, Some(SCRIPT_WAIT), Some("say")) },
        ScriptStep { name: "say".into(), action: Action::Announce { prompt: "patience".into(), then: "then".into() } },
        ScriptStep { name: "then".into(), action: action("q2", 2, None, None) },
    ];
    let scripts = vec![Script { name: "script".into(), steps }];
    Plan { queues, agents: agents.collect(), scripts, ..Plan::default() }
}

fn id(agent: usize) -> AgentId {
    AgentId(format!("a{agent}"))
}

struct Day {
    router: Router,
    plan: Plan,
    model: Model,
    now: u64,
    next: u64,
    /// Calls that ring or are talked at a desk, by what the router said.
    heard: BTreeMap<u64, usize>,
    offers: Vec<(u64, usize)>,
}

impl Day {
    fn new(levels: Vec<(u8, u8, bool)>) -> Day {
        let plan = plan(&levels);
        Day {
            router: Router::new(plan.clone(), Duration::ZERO),
            plan,
            model: Model::new(levels),
            now: 0,
            next: 0,
            heard: BTreeMap::new(),
            offers: vec![],
        }
    }

    fn at(&self) -> Duration {
        Duration::from_secs(self.now)
    }

    fn tell(&mut self, input: Input) {
        self.router.handle(input, self.at()).expect("the model only says what exists");
    }

    fn come(&mut self, target: &str, queue: Option<usize>, customer: u8, priority: u8) {
        let call = self.next;
        self.next += 1;
        self.model.come(call, queue, customer, priority, self.now);
        let customer = (customer > 0).then(|| customer.to_string());
        self.tell(Input::Arrive(Arrival { customer, priority, ..Arrival::new(CallId(call), target) }));
    }

    fn step(&mut self, step: &Step) {
        let pick = |n: &usize, able: Vec<u64>| if able.is_empty() { None } else { Some(able[n % able.len()]) };
        match step {
            Step::Ready(a) => {
                self.tell(Input::Ready(id(*a)));
                self.model.ready(*a, self.now);
            }
            Step::NotReady(a) => {
                self.tell(Input::NotReady { agent: id(*a), reason: "break".into() });
                self.model.not_ready(*a, self.now);
            }
            Step::Logout(a) => {
                let done = self.router.handle(Input::Logout { agent: id(*a), reason: "home".into() }, self.at());
                assert_eq!(done.is_ok(), self.model.logout(*a, self.now));
            }
            Step::Outgoing(a) => {
                let call = self.next;
                self.next += 1;
                let done = self.router.handle(Input::Outgoing { call: CallId(call), agent: id(*a) }, self.at());
                assert_eq!(done.is_ok(), self.model.outgoing(call, *a, self.now));
            }
            Step::Enqueue { queue, customer, priority } => {
                self.come(&format!("q{queue}"), Some(*queue), *customer, *priority);
            }
            Step::Script { customer } => self.come("script", None, *customer, 0),
            Step::Gone(n) => {
                if let Some(call) = pick(n, self.model.calls(|_| true)) {
                    self.model.gone(call, self.now);
                    self.tell(Input::Gone(CallId(call)));
                }
            }
            Step::Answer(n) => {
                if let Some(call) = pick(n, self.model.calls(|model| model.is_ringing())) {
                    self.model.answered(call, self.now);
                    self.tell(Input::Answered(CallId(call)));
                }
            }
            Step::Refuse(n) => {
                if let Some(call) = pick(n, self.model.calls(|model| model.is_ringing())) {
                    self.model.give_up(call, self.now);
                    self.heard.remove(&call);
                    self.tell(Input::Refused { call: CallId(call), why: "busy".into() });
                }
            }
            Step::CallBack(n) => {
                if let Some(call) = pick(n, self.model.calls(|model| model.is_waiting())) {
                    let instead = self.next;
                    self.next += 1;
                    self.model.call_back(call, instead);
                    self.tell(Input::CallBack { call: CallId(call), instead: CallId(instead), number: "555".into() });
                }
            }
            Step::Wait(seconds) => {
                let until = self.now + seconds;
                loop {
                    assert_eq!(self.router.deadline(), self.model.deadline().map(Duration::from_secs));
                    let Some(due) = self.model.deadline().filter(|due| *due <= until) else { break };
                    self.now = due;
                    self.router.tick(self.at());
                    self.model.tick(self.now);
                    self.model.settle(self.now);
                    self.listen();
                }
                self.now = until;
            }
            Step::Snapshot => {
                let bytes = postcard::to_stdvec(&self.router).expect("state is data");
                self.router = postcard::from_bytes(&bytes).expect("what was written can be read");
            }
            Step::Replan => self.router.set_plan(self.plan.clone(), self.at()),
        }
        self.model.settle(self.now);
        self.listen();
        self.compare();
    }

    /// Takes what the router says, checking that an agent never has two calls and a call never two agents.
    fn listen(&mut self) {
        while let Some(output) = self.router.poll() {
            match output {
                Output::Offer { call, agent, callback, .. } => {
                    let a: usize = agent.0[1..].parse().expect("our agents are numbered");
                    assert!(!self.heard.contains_key(&call.0), "call {} offered twice at once", call.0);
                    assert!(!self.heard.values().any(|other| *other == a), "agent {a} got two calls");
                    assert_eq!(callback.is_some(), self.model.is_callback(call.0));
                    self.heard.insert(call.0, a);
                    self.offers.push((call.0, a));
                }
                Output::Withdraw { call, agent, .. } => {
                    if let Some(a) = self.heard.remove(&call.0) {
                        assert_eq!(id(a), agent, "withdrawn from somebody who did not have it");
                    }
                }
                Output::AgentChanged { agent, state } => match state {
                    // The end of a conversation frees the agent.
                    AgentState::Ready { .. }
                    | AgentState::NotReady { .. }
                    | AgentState::WrapUp { .. }
                    | AgentState::LoggedOut => self.heard.retain(|_, a| id(*a) != agent),
                    AgentState::Reserved { .. } | AgentState::Talking { .. } => {}
                },
                Output::Decided(decision) => {
                    assert!(!decision.words().is_empty());
                    let queue: usize = decision.queue[1..].parse().expect("numbered");
                    let able = (0..AGENTS).filter(|a| self.model.serves(*a, queue, decision.step as usize - 1));
                    let able: Vec<AgentId> = able.map(id).collect();
                    let named: Vec<AgentId> = decision.considered.iter().map(|c| c.agent.clone()).collect();
                    assert_eq!(named, able, "a decision names all who may serve and nobody else");
                    assert!(decision.chosen.is_none_or(|chosen| able.contains(&chosen)), "skills are respected");
                }
                Output::Unroutable { .. } | Output::Release { .. } => panic!("every call has its queue"),
                Output::Say { .. } | Output::Told { .. } | Output::Interval(_) => {}
            }
        }
    }

    fn compare(&self) {
        assert_eq!(self.offers, self.model.offers, "the same calls to the same agents in the same order");
        for (row, desk) in self.router.agents().iter().zip(&self.model.desks) {
            match (&row.state, desk.is) {
                (AgentState::LoggedOut, Desk::Out) | (AgentState::NotReady { .. }, Desk::Away) => {}
                (AgentState::Ready { since }, Desk::Ready(at)) => assert_eq!(since.as_secs(), at),
                (AgentState::Reserved { call, .. }, Desk::Rings { call: c, .. })
                | (AgentState::Talking { call, .. }, Desk::Talks { call: c, .. }) => assert_eq!(call.0, c),
                (AgentState::WrapUp { until, .. }, Desk::Wraps { until: u }) => assert_eq!(until.as_secs(), u),
                (state, desk) => panic!("{state:?} is not {desk:?}"),
            }
        }
        for (queue, row) in self.router.queues(self.at()).into_iter().enumerate() {
            let waiting: Vec<u64> = row.waiting.iter().map(|(call, _)| call.0).collect();
            assert_eq!(waiting, self.model.line(queue), "callers wait in the order of their turns, none lost");
        }
        assert_eq!(self.router.callers(), self.model.callers.len());
    }
}

#[expect(clippy::disallowed_methods, reason = "how many days are tried is the tester's to say")]
fn days() -> u32 {
    std::env::var("ACD_HISTORIES").ok().and_then(|days| days.parse().ok()).unwrap_or(DAYS)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: days(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_router_does_what_the_rules_say(levels in levels(), steps in proptest::collection::vec(step(), 1..80)) {
        let mut day = Day::new(levels);
        for step in &steps {
            day.step(step);
        }
        // Evening: nobody new comes, the agents stay: everybody who waits is served, in the order of the rules.
        let left = day.model.callers.len();
        let mut served = 0;
        while !day.model.callers.is_empty() {
            for agent in 0..AGENTS {
                day.step(&Step::Ready(agent));
            }
            for n in 0..AGENTS {
                day.step(&Step::Answer(n));
            }
            let talking = day.model.calls(|model| !model.is_waiting() && !model.is_ringing());
            prop_assert!(!talking.is_empty(), "callers starve");
            served += talking.len();
            for call in talking {
                let n = day.model.calls(|_| true).iter().position(|other| *other == call).expect("it talks");
                day.step(&Step::Gone(n));
            }
        }
        prop_assert_eq!(served, left);
    }
}
