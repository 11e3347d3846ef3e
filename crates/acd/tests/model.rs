//! The router against a reference model: random days in a contact centre, snapshot and restore at random moments.
//!
//! The model is as slow and plain as can be: a list of callers in order of coming and a list of agents; after every
//! event the first caller in the list for whom anybody is ready gets whoever has been ready longest. Beside it every
//! word of the router is checked by itself: one call an agent, one agent a call, no caller lost.

use std::collections::BTreeMap;
use std::time::Duration;

use acd::{AgentId, AgentPlan, AgentState, CallId, Input, Output, Plan, QueuePlan, Router};
use proptest::prelude::*;

const RING: [u64; 3] = [12, 5, 30];

#[derive(Clone, Debug)]
enum Step {
    Ready(usize),
    NotReady(usize),
    Enqueue(usize),
    /// These name a caller by place in the model's list.
    Gone(usize),
    Answer(usize),
    Refuse(usize),
    /// Seconds pass; the deadline is kept on the way.
    Wait(u64),
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5usize).prop_map(Step::Ready),
        1 => (0..5usize).prop_map(Step::NotReady),
        6 => (0..3usize).prop_map(Step::Enqueue),
        2 => any::<usize>().prop_map(Step::Gone),
        4 => any::<usize>().prop_map(Step::Answer),
        1 => any::<usize>().prop_map(Step::Refuse),
        4 => (0..20u64).prop_map(Step::Wait),
        1 => Just(Step::Snapshot),
    ]
}

/// Which queues each of five agents serves; agent 4 serves all, so that nobody starves for want of an agent.
fn skills() -> impl Strategy<Value = Vec<Vec<bool>>> {
    proptest::collection::vec(proptest::collection::vec(any::<bool>(), 3), 4).prop_map(|mut skills| {
        skills.push(vec![true; 3]);
        skills
    })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Desk {
    Away,
    Ready(u64),
    Rings { call: u64, until: u64, idle: u64 },
    Talks(u64),
}

/// The plain statement of the rules.
struct Model {
    skills: Vec<Vec<bool>>,
    desks: Vec<Desk>,
    leave: Vec<bool>,
    callers: Vec<(u64, usize)>,
    offers: Vec<(u64, usize)>,
}

impl Model {
    fn holder(&self, call: u64) -> Option<usize> {
        self.desks.iter().position(|d| matches!(d, Desk::Rings { call: c, .. } | Desk::Talks(c) if *c == call))
    }
    fn settle(&mut self, now: u64) {
        loop {
            let found =
                self.callers.iter().filter(|(call, _)| self.holder(*call).is_none()).find_map(|(call, queue)| {
                    let ready = self.desks.iter().enumerate().filter(|(a, _)| self.skills[*a][*queue]);
                    let ready = ready.filter_map(
                        |(a, desk)| {
                            if let Desk::Ready(since) = desk { Some((*since, a)) } else { None }
                        },
                    );
                    ready.min().map(|(since, a)| (*call, *queue, a, since))
                });
            let Some((call, queue, a, idle)) = found else {
                return;
            };
            self.desks[a] = Desk::Rings { call, until: now + RING[queue], idle };
            self.offers.push((call, a));
        }
    }
    fn deadline(&self) -> Option<u64> {
        self.desks.iter().filter_map(|d| if let Desk::Rings { until, .. } = d { Some(*until) } else { None }).min()
    }
    fn tick(&mut self, now: u64) {
        for desk in &mut self.desks {
            if matches!(desk, Desk::Rings { until, .. } if *until <= now) {
                *desk = Desk::Away;
            }
        }
        self.settle(now);
    }
    fn gone(&mut self, call: u64, now: u64) {
        self.callers.retain(|(c, _)| *c != call);
        if let Some(a) = self.holder(call) {
            self.desks[a] = match self.desks[a] {
                Desk::Rings { idle, .. } => Desk::Ready(idle),
                _ if std::mem::take(&mut self.leave[a]) => Desk::Away,
                _ => Desk::Ready(now),
            };
        }
    }
}

struct Day {
    router: Router,
    model: Model,
    now: u64,
    next: u64,
    heard: BTreeMap<u64, usize>,
    offers: Vec<(u64, usize)>,
}

fn id(agent: usize) -> AgentId {
    AgentId(format!("a{agent}"))
}

impl Day {
    fn new(skills: Vec<Vec<bool>>) -> Day {
        let queues =
            (0..3).map(|q| QueuePlan { name: format!("q{q}"), ring_no_answer: Duration::from_secs(RING[q]) }).collect();
        let agents = skills
            .iter()
            .enumerate()
            .map(|(a, serves)| AgentPlan {
                id: id(a),
                extension: format!("{a}"),
                queues: (0..3).filter(|q| serves[*q]).map(|q| format!("q{q}")).collect(),
            })
            .collect();
        let model = Model {
            desks: vec![Desk::Away; skills.len()],
            leave: vec![false; skills.len()],
            skills,
            callers: vec![],
            offers: vec![],
        };
        Day {
            router: Router::new(Plan { queues, agents }, Duration::ZERO),
            model,
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

    fn step(&mut self, step: &Step) {
        let callers = self.model.callers.clone();
        let pick = |n: &usize, ok: &dyn Fn(u64) -> bool| {
            let able: Vec<u64> = callers.iter().map(|c| c.0).filter(|c| ok(*c)).collect();
            if able.is_empty() { None } else { Some(able[n % able.len()]) }
        };
        let rings = |call: u64| self.model.desks.iter().any(|d| matches!(d, Desk::Rings { call: c, .. } if *c == call));
        match step {
            Step::Ready(a) => {
                self.tell(Input::Ready(id(*a)));
                self.model.leave[*a] = false;
                if self.model.desks[*a] == Desk::Away {
                    self.model.desks[*a] = Desk::Ready(self.now);
                }
            }
            Step::NotReady(a) => {
                self.tell(Input::NotReady { agent: id(*a), reason: "break".into() });
                match self.model.desks[*a] {
                    Desk::Talks(_) => self.model.leave[*a] = true,
                    _ => self.model.desks[*a] = Desk::Away,
                }
            }
            Step::Enqueue(queue) => {
                let call = self.next;
                self.next += 1;
                self.model.callers.push((call, *queue));
                self.tell(Input::Enqueue { call: CallId(call), queue: format!("q{queue}") });
            }
            Step::Gone(n) => {
                if let Some(call) = pick(n, &|_| true) {
                    self.model.gone(call, self.now);
                    self.tell(Input::Gone(CallId(call)));
                    // What follows is checked against what was heard before: the caller is nobody's any more.
                }
            }
            Step::Answer(n) => {
                if let Some(call) = pick(n, &rings) {
                    let a = self.model.holder(call).expect("it rings at somebody");
                    self.model.desks[a] = Desk::Talks(call);
                    self.tell(Input::Answered(CallId(call)));
                }
            }
            Step::Refuse(n) => {
                if let Some(call) = pick(n, &rings) {
                    let a = self.model.holder(call).expect("it rings at somebody");
                    self.model.desks[a] = Desk::Away;
                    self.tell(Input::Refused { call: CallId(call), why: "busy".into() });
                    self.heard.remove(&call);
                }
            }
            Step::Wait(seconds) => {
                let until = self.now + seconds;
                loop {
                    assert_eq!(self.router.deadline(), self.model.deadline().map(Duration::from_secs));
                    let Some(due) = self.model.deadline().filter(|due| *due <= until) else {
                        break;
                    };
                    self.now = due;
                    self.router.tick(self.at());
                    self.model.tick(self.now);
                    self.listen();
                }
                self.now = until;
            }
            Step::Snapshot => {
                let bytes = postcard::to_stdvec(&self.router).expect("state is data");
                self.router = postcard::from_bytes(&bytes).expect("what was written can be read");
            }
        }
        self.model.settle(self.now);
        self.listen();
        self.compare();
    }

    /// Takes what the router says, checking that an agent never has two calls and a call never two agents.
    fn listen(&mut self) {
        while let Some(output) = self.router.poll() {
            match output {
                Output::Offer { call, agent, .. } => {
                    let a: usize = agent.0[1..].parse().expect("our agents are numbered");
                    assert!(!self.heard.contains_key(&call.0), "call {} offered twice at once", call.0);
                    assert!(!self.heard.values().any(|other| *other == a), "agent {a} got two calls");
                    self.heard.insert(call.0, a);
                    self.offers.push((call.0, a));
                }
                Output::Withdraw { call, agent, .. } => {
                    let a = self.heard.remove(&call.0);
                    assert_eq!(a.map(id), Some(agent), "withdrawn from somebody who did not have it");
                }
                Output::AgentChanged { agent, state: AgentState::Ready { .. } } => {
                    // The end of a conversation frees the agent.
                    self.heard.retain(|_, a| id(*a) != agent);
                }
                Output::AgentChanged { agent, state: AgentState::NotReady { .. } } => {
                    self.heard.retain(|_, a| id(*a) != agent)
                }
                Output::Decided(decision) => {
                    assert!(!decision.rule.is_empty());
                    let served = self
                        .model
                        .skills
                        .iter()
                        .filter(|s| s[decision.queue[1..].parse::<usize>().expect("numbered")])
                        .count();
                    assert_eq!(decision.considered.len(), served);
                }
                Output::Unroutable { .. } => panic!("all queues exist"),
                Output::AgentChanged { .. } => {}
            }
        }
    }

    fn compare(&self) {
        assert_eq!(self.offers, self.model.offers, "the same calls to the same agents in the same order");
        for ((_, _, state), desk) in self.router.agents().iter().zip(&self.model.desks) {
            match (state, desk) {
                (AgentState::LoggedOut | AgentState::NotReady { .. }, Desk::Away) => {}
                (AgentState::Ready { since }, Desk::Ready(at)) => assert_eq!(since.as_secs(), *at),
                (AgentState::Reserved { call, .. }, Desk::Rings { call: c, .. })
                | (AgentState::Talking { call, .. }, Desk::Talks(c)) => assert_eq!(call.0, *c),
                (state, desk) => panic!("{state:?} is not {desk:?}"),
            }
        }
        let waiting: BTreeMap<String, Vec<u64>> = self
            .router
            .queues(self.at())
            .into_iter()
            .map(|(q, calls)| (q, calls.iter().map(|c| c.0.0).collect()))
            .collect();
        for queue in 0..3 {
            let expected: Vec<u64> = self
                .model
                .callers
                .iter()
                .filter(|(c, q)| *q == queue && self.model.holder(*c).is_none())
                .map(|c| c.0)
                .collect();
            assert_eq!(waiting[&format!("q{queue}")], expected, "callers wait in the order of their coming, none lost");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_router_does_what_the_rules_say(skills in skills(), steps in proptest::collection::vec(step(), 1..80)) {
        let mut day = Day::new(skills);
        for step in &steps {
            day.step(step);
        }
        // Evening: nobody new comes, the agents stay: everybody who waits is served, each queue in order.
        let left = day.model.callers.len();
        let mut served = 0;
        while !day.model.callers.is_empty() {
            for agent in 0..5 {
                day.step(&Step::Ready(agent));
            }
            for n in 0..5 {
                day.step(&Step::Answer(n));
            }
            let talking: Vec<usize> = (0..day.model.callers.len()).filter(|n| day.model.holder(day.model.callers[*n].0).is_some()).collect();
            prop_assert!(!talking.is_empty(), "callers starve");
            served += talking.len();
            for n in talking.into_iter().rev() {
                day.step(&Step::Gone(n));
            }
        }
        prop_assert_eq!(served, left);
    }
}
