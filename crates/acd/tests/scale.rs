//! A large centre in virtual time: 2,000 agents of 200 skills, 60 calls a second for five minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acd::{AgentId, AgentPlan, CallId, Expr, Input, Output, Plan, QueuePlan, Router, StepPlan};

const AGENTS: u64 = 2000;
const SKILLS: u64 = 200;

/// Numbers that look random and are the same every time.
fn scramble(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 7
}

fn plan() -> Plan {
    let queue = |skill: u64| {
        let step =
            |who: String, wait| StepPlan { who: Expr::parse(&who).expect("our own"), wait: Duration::from_secs(wait) };
        let steps = vec![step(format!("s{skill} >= 5"), 5), step(format!("s{skill}"), 0)];
        QueuePlan { steps, wrap_up: Duration::from_secs(2), ..QueuePlan::new(&format!("q{skill}")) }
    };
    let agent = |a: u64| {
        let skills = (0..10)
            .map(|n| (format!("s{}", (a + scramble(a * 10 + n) % 19 * n) % SKILLS), 1 + (scramble(a + n) % 10) as u8));
        AgentPlan {
            id: AgentId(format!("a{a}")),
            extension: a.to_string(),
            queues: vec![],
            attributes: skills.collect(),
            team: None,
        }
    };
    Plan { queues: (0..SKILLS).map(queue).collect(), agents: (0..AGENTS).map(agent).collect(), ..Plan::default() }
}

#[test]
fn two_thousand_agents_take_sixty_calls_a_second() {
    let plan = plan();
    let levels: BTreeMap<AgentId, BTreeMap<String, u8>> =
        plan.agents.iter().map(|agent| (agent.id.clone(), agent.attributes.clone())).collect();
    let mut router = Router::new(plan, Duration::ZERO);
    for a in 0..AGENTS {
        router.handle(Input::Ready(AgentId(format!("a{a}"))), Duration::from_millis(a)).expect("an agent of ours");
    }
    // What happens when: milliseconds, a number against ties, and the event.
    let mut later: BTreeSet<(u64, u64, bool)> = BTreeSet::new();
    let mut busy: BTreeMap<AgentId, u64> = BTreeMap::new();
    let mut talks: BTreeMap<u64, AgentId> = BTreeMap::new();
    let (mut come, mut answered, mut longest) = (0u64, 0u64, Duration::ZERO);
    let end = 300_000;
    let mut now = 2_000;
    loop {
        let at = Duration::from_millis(now);
        router.tick(at);
        while come < (now.min(end) - 2_000) * 60 / 1000 {
            let queue = format!("q{}", scramble(come) % SKILLS);
            router.handle(Input::Enqueue { call: CallId(come), queue }, at).expect("a new call");
            come += 1;
        }
        while let Some(due) = later.first().copied().filter(|(due, ..)| *due <= now) {
            later.remove(&due);
            let (_, call, is_answer) = due;
            if is_answer {
                router.handle(Input::Answered(CallId(call)), at).expect("it was offered");
                answered += 1;
                later.insert((now + 15_000 + scramble(call) % 10_000, call, false));
            } else {
                busy.remove(&talks.remove(&call).expect("it was talked"));
                router.handle(Input::Gone(CallId(call)), at).expect("it ends");
            }
        }
        while let Some(output) = router.poll() {
            match output {
                Output::Offer { call, agent, .. } => {
                    assert_eq!(busy.insert(agent.clone(), call.0), None, "one call an agent");
                    assert_eq!(talks.insert(call.0, agent), None, "one agent a call");
                    later.insert((now + 1_500 + scramble(call.0 + 1) % 2_000, call.0, true));
                }
                Output::Decided(decision) => {
                    longest = longest.max(decision.waited);
                    if let Some(chosen) = &decision.chosen {
                        let level = levels[chosen].get(&decision.queue.replace('q', "s")).copied().unwrap_or(0);
                        assert!(level >= if decision.step == 1 { 5 } else { 1 }, "skills are respected");
                    }
                }
                Output::Withdraw { .. } | Output::Unroutable { .. } | Output::Release { .. } => panic!("{output:?}"),
                _ => {}
            }
        }
        if now >= end && router.callers() == 0 {
            break;
        }
        assert!(now < end + 600_000, "callers starve: {} left", router.callers());
        now += 100;
    }
    assert_eq!(come, 17_880);
    assert_eq!(answered, come, "nobody was lost");
    assert!(longest < Duration::from_secs(60), "{longest:?}");
}
