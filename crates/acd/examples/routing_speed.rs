//! How many routing decisions a second: 2,000 agents, 200 skills, ten to an agent, beside a bare linear scan over the
//! same calls in the same run. `cargo xtask bench acd`.
//!
//! The scan is what the router must not lose to: a flat list of agents with their levels in an array, a flat list of
//! waiting callers, no reasons kept, no script, nothing but the choice. Both must make the same choices.

#![allow(clippy::disallowed_methods)] // a stopwatch reads the clock

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use acd::{AgentId, AgentPlan, CallId, Expr, Input, Output, Plan, QueuePlan, Router, StepPlan};

const AGENTS: usize = 2000;
const SKILLS: usize = 200;
const CALLS: u64 = 100_000;
const ROUNDS: usize = 5;

/// Numbers that look random and are the same every time.
fn scramble(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 7
}

fn levels(agent: usize) -> BTreeMap<usize, u8> {
    let skill = |n: u64| scramble(agent as u64 * 10 + n) as usize % SKILLS;
    (0..10).map(|n| (skill(n), 1 + (scramble(n + agent as u64) % 10) as u8)).collect()
}

fn plan() -> Plan {
    let queue = |skill: usize| {
        let who = Expr::parse(&format!("s{skill} >= 3")).expect("our own words");
        QueuePlan { steps: vec![StepPlan { who, wait: Duration::ZERO }], ..QueuePlan::new(&format!("q{skill}")) }
    };
    let agent = |a: usize| AgentPlan {
        id: AgentId(format!("a{a}")),
        extension: a.to_string(),
        queues: Vec::new(),
        attributes: levels(a).into_iter().map(|(skill, level)| (format!("s{skill}"), level)).collect(),
        team: None,
    };
    Plan { queues: (0..SKILLS).map(queue).collect(), agents: (0..AGENTS).map(agent).collect(), ..Plan::default() }
}

/// Who decides: told the same, in the same order.
trait Centre {
    fn ready(&mut self, agent: usize, ms: u64);
    fn arrive(&mut self, call: u64, skill: usize, ms: u64);
    /// The conversation of this call is over.
    fn over(&mut self, call: u64, agent: usize, ms: u64);
    /// Who was offered what since the last time.
    fn offers(&mut self) -> Vec<(u64, usize)>;
}

struct Ours {
    router: Router,
    queues: Vec<String>,
    agents: Vec<AgentId>,
    numbers: BTreeMap<AgentId, usize>,
}

impl Ours {
    fn new() -> Ours {
        let agents: Vec<AgentId> = (0..AGENTS).map(|a| AgentId(format!("a{a}"))).collect();
        Ours {
            router: Router::new(plan(), Duration::ZERO),
            queues: (0..SKILLS).map(|skill| format!("q{skill}")).collect(),
            numbers: agents.iter().cloned().zip(0..).collect(),
            agents,
        }
    }
    fn tell(&mut self, input: Input, ms: u64) {
        self.router.handle(input, Duration::from_millis(ms)).expect("all of it exists");
    }
}

impl Centre for Ours {
    fn ready(&mut self, agent: usize, ms: u64) {
        self.tell(Input::Ready(self.agents[agent].clone()), ms);
    }
    fn arrive(&mut self, call: u64, skill: usize, ms: u64) {
        self.tell(Input::Enqueue { call: CallId(call), queue: self.queues[skill].clone() }, ms);
    }
    fn over(&mut self, call: u64, _: usize, ms: u64) {
        self.tell(Input::Answered(CallId(call)), ms);
        self.tell(Input::Gone(CallId(call)), ms);
    }
    fn offers(&mut self) -> Vec<(u64, usize)> {
        let mut offers = Vec::new();
        while let Some(output) = self.router.poll() {
            if let Output::Offer { call, agent, .. } = output {
                offers.push((call.0, self.numbers[&agent]));
            }
        }
        offers
    }
}

/// The bare scan.
struct Scan {
    levels: Vec<[u8; SKILLS]>,
    idle: Vec<Option<u64>>,
    waiting: Vec<(u64, usize)>,
    offers: Vec<(u64, usize)>,
}

impl Scan {
    fn new() -> Scan {
        let array = |agent: usize| {
            let mut array = [0; SKILLS];
            for (skill, level) in levels(agent) {
                array[skill] = level;
            }
            array
        };
        let levels = (0..AGENTS).map(array).collect();
        Scan { levels, idle: vec![None; AGENTS], waiting: Vec::new(), offers: Vec::new() }
    }
}

impl Centre for Scan {
    fn ready(&mut self, agent: usize, ms: u64) {
        match self.waiting.iter().position(|(_, skill)| self.levels[agent][*skill] >= 3) {
            Some(at) => self.offers.push((self.waiting.remove(at).0, agent)),
            None => self.idle[agent] = Some(ms),
        }
    }
    fn arrive(&mut self, call: u64, skill: usize, _: u64) {
        let idle = self.idle.iter().enumerate().filter_map(|(agent, since)| since.map(|since| (since, agent)));
        match idle.filter(|(_, agent)| self.levels[*agent][skill] >= 3).min() {
            Some((_, agent)) => {
                self.idle[agent] = None;
                self.offers.push((call, agent));
            }
            None => self.waiting.push((call, skill)),
        }
    }
    fn over(&mut self, _: u64, agent: usize, ms: u64) {
        self.ready(agent, ms);
    }
    fn offers(&mut self) -> Vec<(u64, usize)> {
        std::mem::take(&mut self.offers)
    }
}

/// Calls come as fast as this share of the agents can serve: the time that the centre takes, and all its choices.
fn run(centre: &mut impl Centre, load: f64) -> (Duration, Vec<(u64, usize)>) {
    for agent in 0..AGENTS {
        centre.ready(agent, agent as u64);
    }
    let (mut spent, mut made) = (Duration::ZERO, Vec::new());
    // Conversations by the moment of their end.
    let mut later: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    let between_us = (30_000_000.0 / (AGENTS as f64 * load)) as u64;
    for call in 0..CALLS {
        let now = 10_000 + call * between_us / 1000;
        loop {
            let due = later.first_key_value().map(|((at, ended), agent)| (*at, *ended, *agent));
            let due = due.filter(|(at, ..)| *at <= now);
            let began = Instant::now();
            match due {
                Some((at, ended, agent)) => centre.over(ended, agent, at),
                None => centre.arrive(call, scramble(call) as usize % SKILLS, now),
            }
            let offers = centre.offers();
            spent += began.elapsed();
            let at = due.map_or(now, |(at, ended, _)| {
                later.remove(&(at, ended));
                at
            });
            for (call, agent) in offers {
                later.insert((at + 20_000 + scramble(call) % 20_000, call), agent);
                made.push((call, agent));
            }
            if due.is_none() {
                break;
            }
        }
    }
    (spent, made)
}

fn main() {
    println!("{AGENTS} agents, {SKILLS} skills, {CALLS} calls, median of {ROUNDS} rounds\n");
    println!("load   router decisions/s   linear scan decisions/s   ratio");
    for load in [0.5, 0.9, 1.1] {
        let (mut ours, mut scans) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (time, made) = run(&mut Ours::new(), load);
            let (scan_time, scan_made) = run(&mut Scan::new(), load);
            assert_eq!(made, scan_made, "the same choices");
            ours.push(made.len() as f64 / time.as_secs_f64());
            scans.push(made.len() as f64 / scan_time.as_secs_f64());
        }
        let median = |of: &mut Vec<f64>| {
            of.sort_by(f64::total_cmp);
            of[of.len() / 2]
        };
        let (ours, scans) = (median(&mut ours), median(&mut scans));
        println!("{load:<6} {ours:<20.0} {scans:<25.0} {:.2}", ours / scans);
    }
}
