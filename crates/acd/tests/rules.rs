//! The router's rules, one a test, as a supervisor would tell them.

use std::time::Duration;

use acd::{
    AgentId, AgentPlan, AgentState, CallId, Decision, Input, Output, Plan, QueuePlan, RING_NO_ANSWER, Router, Standing,
};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn agent(id: &str, queues: &[&str]) -> AgentPlan {
    AgentPlan {
        id: AgentId(id.into()),
        extension: format!("7{id}"),
        queues: queues.iter().map(|q| q.to_string()).collect(),
        attributes: Default::default(),
        team: None,
    }
}

fn plan(agents: &[AgentPlan]) -> Plan {
    let queues = vec![QueuePlan::new("sales"), QueuePlan::new("support")];
    Plan { queues, agents: agents.to_vec(), ..Plan::default() }
}

/// A router and what it has said.
struct Desk(Router);

impl Desk {
    fn new(agents: &[AgentPlan]) -> Desk {
        Desk(Router::new(plan(agents), s(0)))
    }
    fn ready(&mut self, id: &str, at: u64) -> Vec<Output> {
        self.says(Input::Ready(AgentId(id.into())), at)
    }
    fn call(&mut self, call: u64, queue: &str, at: u64) -> Vec<Output> {
        self.says(Input::Enqueue { call: CallId(call), queue: queue.into() }, at)
    }
    fn says(&mut self, input: Input, at: u64) -> Vec<Output> {
        self.0.handle(input, s(at)).expect("the input is good");
        self.drain()
    }
    fn tick(&mut self, at: u64) -> Vec<Output> {
        self.0.tick(s(at));
        self.drain()
    }
    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.0.poll()).collect()
    }
    fn line(&self, queue: &str, at: u64) -> Vec<(CallId, Duration)> {
        self.0.queues(s(at)).into_iter().find(|row| row.name == queue).expect("a known queue").waiting
    }
    fn state(&self, id: &str) -> AgentState {
        self.0.agents().into_iter().find(|row| row.id.0 == id).expect("a known agent").state
    }
}

/// Agents and what spoke for or against each.
fn words(decision: &Decision) -> Vec<String> {
    decision.considered.iter().map(|c| format!("{} {}", c.agent.0, c.words())).collect()
}

fn offers(outputs: &[Output]) -> Vec<(u64, String)> {
    outputs
        .iter()
        .filter_map(|o| match o {
            Output::Offer { call, agent, .. } => Some((call.0, agent.0.clone())),
            _ => None,
        })
        .collect()
}

fn decision(outputs: &[Output]) -> &Decision {
    outputs
        .iter()
        .find_map(|o| match o {
            Output::Decided(decision) => Some(decision),
            _ => None,
        })
        .expect("a decision")
}

#[test]
fn a_caller_waits_until_an_agent_is_ready_and_both_are_told_why() {
    let mut desk = Desk::new(&[agent("1001", &["sales"]), agent("1002", &["sales"])]);
    desk.says(Input::NotReady { agent: AgentId("1002".into()), reason: "lunch".into() }, 0);
    let waits = desk.call(1, "sales", 1);
    assert_eq!(decision(&waits).chosen, None);
    assert_eq!(decision(&waits).rule(), "none of 2 agents is ready: the caller waits");
    assert_eq!(words(decision(&waits)), ["1001 logged out", "1002 not ready: lunch"]);
    assert_eq!(desk.line("sales", 4), [(CallId(1), s(3))]);
    assert_eq!(desk.line("support", 4), []);

    let served = desk.ready("1001", 5);
    assert_eq!(decision(&served).waited, s(4));
    assert_eq!(decision(&served).rule(), "the only ready agent");
    let agent = AgentId("1001".into());
    assert_eq!(
        served.last(),
        Some(&Output::Offer { call: CallId(1), agent: agent.clone(), extension: "71001".into(), callback: None })
    );
    desk.says(Input::Answered(CallId(1)), 7);
    assert_eq!(desk.state("1001"), AgentState::Talking { call: CallId(1), since: s(7) });
    assert_eq!(desk.0.deadline(), None);
    desk.says(Input::Gone(CallId(1)), 60);
    assert_eq!(desk.state("1001"), AgentState::Ready { since: s(60) });
}

#[test]
fn the_longest_idle_agent_is_chosen_and_the_plan_settles_a_tie() {
    let mut desk = Desk::new(&[agent("1", &["sales"]), agent("2", &["sales"]), agent("3", &["sales"])]);
    desk.ready("1", 9);
    desk.ready("3", 4);
    desk.ready("2", 4);
    let first = desk.call(1, "sales", 16);
    assert_eq!(offers(&first), [(1, "2".to_string())]);
    assert_eq!(decision(&first).rule(), "longest idle of 3 ready agents; 2 equally long, first in the plan");
    assert_eq!(words(decision(&first)), ["1 idle 7 s", "2 idle 12 s", "3 idle 12 s"]);
    let second = desk.call(2, "sales", 17);
    assert_eq!(offers(&second), [(2, "3".to_string())]);
    assert_eq!(decision(&second).rule(), "longest idle of 2 ready agents");
    assert_eq!(words(decision(&second))[1], "2 ringing for another caller");
}

#[test]
fn an_agent_of_several_queues_takes_the_oldest_caller_of_all_of_them() {
    let mut desk = Desk::new(&[agent("1", &["sales", "support"])]);
    desk.call(1, "support", 1);
    desk.call(2, "sales", 2);
    desk.call(3, "support", 3);
    let mut order = Vec::new();
    let mut said = desk.ready("1", 4);
    assert_eq!(decision(&said).rule(), "the only ready agent; the oldest caller of 2 queues");
    while let Some((call, _)) = offers(&said).first().cloned() {
        order.push(call);
        desk.says(Input::Answered(CallId(call)), 5);
        said = desk.says(Input::Gone(CallId(call)), 6);
    }
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn ring_no_answer_makes_the_agent_not_ready_and_the_caller_is_first_again() {
    let mut desk = Desk::new(&[agent("1", &["sales"]), agent("2", &["sales"])]);
    desk.ready("1", 0);
    desk.call(1, "sales", 10);
    desk.call(2, "sales", 11);
    assert_eq!(desk.0.deadline(), Some(s(22)));
    assert_eq!(desk.tick(21), []);
    let said = desk.tick(22);
    assert_eq!(said[0], Output::Withdraw { call: CallId(1), agent: AgentId("1".into()), why: RING_NO_ANSWER.into() });
    assert_eq!(desk.state("1"), AgentState::NotReady { reason: RING_NO_ANSWER.into() });
    assert_eq!(desk.line("sales", 22), [(CallId(1), s(12)), (CallId(2), s(11))]);
    assert_eq!(offers(&desk.ready("2", 23)), [(1, "2".to_string())]);
}

#[test]
fn a_busy_phone_sends_the_caller_to_the_next_agent_at_once() {
    let mut desk = Desk::new(&[agent("1", &["sales"]), agent("2", &["sales"])]);
    desk.ready("1", 0);
    desk.ready("2", 1);
    assert_eq!(offers(&desk.call(1, "sales", 2)), [(1, "1".to_string())]);
    let said = desk.says(Input::Refused { call: CallId(1), why: "486 Busy Here".into() }, 3);
    assert_eq!(offers(&said), [(1, "2".to_string())]);
    assert_eq!(desk.state("1"), AgentState::NotReady { reason: "486 Busy Here".into() });
}

#[test]
fn a_caller_who_hangs_up_while_it_rings_costs_the_agent_nothing() {
    let mut desk = Desk::new(&[agent("1", &["sales"])]);
    desk.ready("1", 5);
    desk.call(1, "sales", 9);
    let said = desk.says(Input::Gone(CallId(1)), 11);
    assert!(matches!(&said[0], Output::Withdraw { why, .. } if why == "the caller hung up"));
    assert_eq!(desk.state("1"), AgentState::Ready { since: s(5) });
    assert!(desk.0.handle(Input::Answered(CallId(1)), s(12)).is_err());
}

#[test]
fn not_ready_while_it_rings_withdraws_and_while_talking_waits_for_the_end() {
    let mut desk = Desk::new(&[agent("1", &["sales"])]);
    let away = |reason: &str| Input::NotReady { agent: AgentId("1".into()), reason: reason.into() };
    desk.ready("1", 0);
    desk.call(1, "sales", 1);
    let said = desk.says(away("lunch"), 2);
    assert!(matches!(&said[0], Output::Withdraw { why, .. } if why == "the agent went not ready: lunch"));
    assert_eq!(desk.line("sales", 2).len(), 1);
    desk.ready("1", 3);
    desk.says(Input::Answered(CallId(1)), 4);
    desk.says(away("training"), 5);
    assert!(matches!(desk.state("1"), AgentState::Talking { .. }));
    desk.says(Input::Gone(CallId(1)), 6);
    assert_eq!(desk.state("1"), AgentState::NotReady { reason: "training".into() });
}

#[test]
fn what_does_not_exist_is_said_in_words_and_changes_nothing() {
    let mut desk = Desk::new(&[agent("1", &["sales"])]);
    assert_eq!(desk.0.handle(Input::Ready(AgentId("9".into())), s(0)), Err("no agent 9 in the plan".into()));
    assert_eq!(desk.0.handle(Input::Answered(CallId(4)), s(0)), Err("no call 4".into()));
    assert_eq!(
        desk.call(1, "billing", 1),
        [Output::Unroutable { call: CallId(1), why: "no queue billing; the plan has: sales, support".into() }]
    );
    desk.call(1, "sales", 2);
    assert!(desk.0.handle(Input::Enqueue { call: CallId(1), queue: "sales".into() }, s(3)).is_err());
    assert_eq!(desk.0.handle(Input::Answered(CallId(1)), s(0)), Err("call 1 is offered to nobody now".into()));
    assert_eq!(desk.line("sales", 3).len(), 1);
}

#[test]
fn a_new_plan_keeps_who_stays_and_says_what_is_gone() {
    let mut desk = Desk::new(&[agent("1", &["sales"]), agent("2", &["sales"]), agent("3", &["sales"])]);
    desk.ready("1", 0);
    desk.call(1, "sales", 1);
    desk.ready("2", 2);
    desk.call(2, "sales", 3);
    desk.says(Input::Answered(CallId(2)), 4);
    desk.call(3, "support", 5);
    // Agent 1 (ringing) and 2 (talking) leave, agent 4 is new, the queue support is gone.
    let mut new = plan(&[agent("3", &["sales"]), agent("4", &["sales"])]);
    new.queues.truncate(1);
    desk.0.set_plan(new, s(6));
    let said = desk.drain();
    assert!(
        said.contains(&Output::Unroutable { call: CallId(3), why: "queue support is no longer in the plan".into() })
    );
    assert!(said.iter().any(|o| matches!(o, Output::Withdraw { call: CallId(1), .. })));
    assert_eq!(offers(&desk.ready("4", 7)), [(1, "4".to_string())]);
    // The conversation of an agent who left ends without a word about that agent.
    assert_eq!(desk.says(Input::Gone(CallId(2)), 8), []);
}

#[test]
fn a_restart_leaves_agents_what_they_wanted_to_be() {
    let agents = ["1001", "1002", "1003", "1004"].map(|id| agent(id, &["sales"]));
    let id = |id: &str| AgentId(id.into());
    let mut desk = Desk::new(&agents);
    desk.ready("1001", 0);
    desk.call(1, "sales", 1); // rings at 1001
    desk.ready("1002", 2);
    desk.says(Input::NotReady { agent: id("1003"), reason: "lunch".into() }, 3);
    desk.call(2, "sales", 3);
    desk.says(Input::Answered(CallId(2)), 4); // 1002 talks, and wants to go home afterwards
    let told = desk.says(Input::NotReady { agent: id("1002"), reason: "home".into() }, 5);
    assert!(matches!(&told[..], [Output::AgentChanged { state: AgentState::Talking { .. }, .. }]), "kept: {told:?}");

    let kept: Vec<_> = agents.iter().map(|agent| desk.0.standing(&agent.id).unwrap()).collect();
    let reason = |reason: &str| Standing::NotReady { reason: reason.into() };
    assert_eq!(kept, [Standing::Ready, reason("home"), reason("lunch"), Standing::LoggedOut]);

    // Another process: call 2 goes on; a caller waits already when the agents come back.
    let mut desk = Desk::new(&agents);
    desk.0.resume_conversation(CallId(2), &id("1002"), "sales".into(), s(0));
    desk.call(3, "sales", 0);
    let mut outputs = Vec::new();
    for (agent, standing) in agents.iter().zip(kept) {
        desk.0.resume_agent(&agent.id, standing, s(0)).unwrap();
        outputs.extend(desk.drain());
    }
    assert_eq!(offers(&outputs), [(3, "1001".into())], "nobody is offered to who talks, is at lunch or logged out");
    assert!(matches!(desk.state("1002"), AgentState::Talking { call: CallId(2), .. }));
    assert_eq!(desk.state("1003"), AgentState::NotReady { reason: "lunch".into() });
    assert_eq!(desk.state("1004"), AgentState::LoggedOut);
    desk.says(Input::Gone(CallId(2)), 9);
    assert_eq!(desk.state("1002"), AgentState::NotReady { reason: "home".into() });
    assert!(desk.0.resume_agent(&id("1009"), Standing::Ready, s(9)).is_err(), "nobody whom the plan does not name");
}
