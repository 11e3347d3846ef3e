//! Call types, scripts, precision, wrap-up, last agents, callbacks, positions and figures, as a supervisor would tell
//! them.

use std::time::Duration;

use acd::{
    Action, AgentId, AgentPlan, AgentState, Announcement, Arrival, BY_CALL_TYPE, Calendar, CallId, CallTypePlan,
    Condition, Decision, Expr, Hours, Input, Order, Output, Plan, QueuePlan, Router, Script, Step, StepPlan, Zone,
};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn id(agent: &str) -> AgentId {
    AgentId(agent.into())
}

fn agent(name: &str, queues: &[&str], attributes: &[(&str, u8)]) -> AgentPlan {
    AgentPlan {
        id: id(name),
        extension: format!("7{name}"),
        queues: queues.iter().map(|queue| (*queue).into()).collect(),
        attributes: attributes.iter().map(|(name, level)| ((*name).into(), *level)).collect(),
        team: None,
    }
}

fn step(who: &str, wait: u64) -> StepPlan {
    StepPlan { who: Expr::parse(who).expect("our own words"), wait: s(wait) }
}

struct Desk(Router);

impl Desk {
    fn new(plan: Plan) -> Desk {
        Desk(Router::new(plan, s(0)))
    }
    fn says(&mut self, input: Input, at: u64) -> Vec<Output> {
        self.0.handle(input, s(at)).expect("the input is good");
        self.drain()
    }
    fn ready(&mut self, agent: &str, at: u64) -> Vec<Output> {
        self.says(Input::Ready(id(agent)), at)
    }
    fn call(&mut self, call: u64, target: &str, at: u64) -> Vec<Output> {
        self.says(Input::Arrive(Arrival::new(CallId(call), target)), at)
    }
    fn tick(&mut self, at: u64) -> Vec<Output> {
        self.0.tick(s(at));
        self.drain()
    }
    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.0.poll()).collect()
    }
    fn state(&self, agent: &str) -> AgentState {
        self.0.agents().into_iter().find(|row| row.id.0 == agent).expect("a known agent").state
    }
}

fn offers(outputs: &[Output]) -> Vec<(u64, &str)> {
    let offer = |output: &Output| matches!(output, Output::Offer { .. });
    let named = outputs.iter().filter(|output| offer(output)).map(|output| match output {
        Output::Offer { call, agent, .. } => (call.0, agent.0.as_str()),
        _ => unreachable!("filtered"),
    });
    named.collect()
}

fn decision(outputs: &[Output]) -> &Decision {
    let found =
        outputs.iter().find_map(|output| if let Output::Decided(decision) = output { Some(decision) } else { None });
    found.expect("a decision")
}

fn told(outputs: &[Output]) -> Vec<&str> {
    outputs
        .iter()
        .filter_map(|output| if let Output::Told { words, .. } = output { Some(words.as_str()) } else { None })
        .collect()
}

#[test]
fn the_longer_a_caller_waits_the_more_agents_are_asked() {
    let queue = QueuePlan {
        order: Order::MostSkilled,
        steps: vec![step("english >= 7", 20), step("english", 0)],
        ..QueuePlan::new("english")
    };
    let agents = vec![agent("1", &[], &[("english", 3)]), agent("2", &[], &[("english", 9)]), agent("3", &[], &[])];
    let mut desk = Desk::new(Plan { queues: vec![queue], agents, ..Plan::default() });
    desk.ready("1", 0);
    desk.ready("3", 0);
    let waits = desk.call(1, "english", 1);
    assert_eq!(
        decision(&waits).words(),
        "queue english: nobody after 0 s at step 1 of 2, none of 1 agents is ready: the caller waits (2 logged out, skill 9)"
    );
    assert_eq!(desk.0.deadline(), Some(s(21)));
    assert_eq!(desk.tick(20), []);
    let served = desk.tick(21);
    assert_eq!(offers(&served), [(1, "1")]);
    assert_eq!(decision(&served).why_not(&id("2")), "agent 2 was logged out, skill 9");
    assert_eq!(decision(&served).why_not(&id("3")), "agent 3 does not serve queue english at step 2");
    // Of two who are ready the better one, though she has not waited as long.
    desk.says(Input::Gone(CallId(1)), 30);
    desk.ready("2", 40);
    let served = desk.call(2, "english", 41);
    assert_eq!(offers(&served), [(2, "2")]);
    desk.says(Input::Gone(CallId(2)), 42);
}

#[test]
fn a_priority_is_a_head_start_and_no_more() {
    let plan =
        || Plan { queues: vec![QueuePlan::new("sales")], agents: vec![agent("1", &["sales"], &[])], ..Plan::default() };
    let urgent = |call| Input::Arrive(Arrival { priority: 2, ..Arrival::new(CallId(call), "sales") });
    // Two steps of priority are two minutes: ahead of who came 119 s before, behind who came 121 s before.
    for (at, first) in [(119, 2), (121, 1)] {
        let mut desk = Desk::new(plan());
        desk.call(1, "sales", 0);
        desk.says(urgent(2), at);
        assert_eq!(offers(&desk.ready("1", at + 1)), [(first, "1")]);
    }
}

#[test]
fn the_least_occupied_is_who_worked_least_of_the_time() {
    let queue = QueuePlan { order: Order::LeastOccupied, ..QueuePlan::new("sales") };
    let agents = vec![agent("1", &["sales"], &[]), agent("2", &["sales"], &[])];
    let mut desk = Desk::new(Plan { queues: vec![queue], agents, ..Plan::default() });
    desk.ready("1", 0);
    desk.call(1, "sales", 0);
    desk.says(Input::Answered(CallId(1)), 0);
    desk.says(Input::Gone(CallId(1)), 50);
    desk.tick(100);
    // 1 is idle longer, since 50, but was occupied all of the time until then; 2 never.
    desk.ready("2", 100);
    let served = desk.call(2, "sales", 110);
    assert_eq!(offers(&served), [(2, "2")]);
    assert_eq!(decision(&served).rule(), "least occupied of 2 ready agents");
    assert_eq!(
        decision(&served).why_not(&id("1")),
        "agent 1 was ready (idle 60 s, occupied 100.0 %), but agent 2 (idle 10 s, occupied 0.0 %) came first: least occupied of 2 ready agents"
    );
}

#[test]
fn work_after_the_call_keeps_the_next_one_away() {
    let queue = QueuePlan { wrap_up: s(10), ..QueuePlan::new("sales") };
    let mut desk =
        Desk::new(Plan { queues: vec![queue], agents: vec![agent("1", &["sales"], &[])], ..Plan::default() });
    let talk = |desk: &mut Desk, call: u64, at: u64| {
        desk.says(Input::Answered(CallId(call)), at);
        desk.says(Input::Gone(CallId(call)), at + 5)
    };
    desk.ready("1", 0);
    desk.call(1, "sales", 0);
    desk.call(2, "sales", 1);
    talk(&mut desk, 1, 2);
    assert_eq!(desk.state("1"), AgentState::WrapUp { call: CallId(1), since: s(7), until: s(17) });
    assert_eq!(offers(&desk.tick(17)), [(2, "1")], "when it is over");
    desk.call(3, "sales", 18);
    talk(&mut desk, 2, 18);
    assert_eq!(offers(&desk.ready("1", 24)), [(3, "1")], "or when the agent says so");
    desk.says(Input::Answered(CallId(3)), 25);
    desk.says(Input::NotReady { agent: id("1"), reason: "lunch".into() }, 26);
    desk.says(Input::Gone(CallId(3)), 27);
    assert!(matches!(desk.state("1"), AgentState::WrapUp { .. }));
    desk.tick(37);
    assert_eq!(desk.state("1"), AgentState::NotReady { reason: "lunch".into() }, "then what was asked for before");
    let out = Input::Logout { agent: id("1"), reason: "home".into() };
    desk.says(out.clone(), 38);
    assert_eq!(desk.state("1"), AgentState::LoggedOut);
    desk.ready("1", 39);
    assert_eq!(desk.0.handle(out, s(40)), Err("agent 1 is ready: go not ready first, then log out".into()));
}

#[test]
fn an_agent_in_a_call_of_their_own_gets_no_caller_and_is_afterwards_what_they_asked_for() {
    let queue = QueuePlan { wrap_up: s(10), ..QueuePlan::new("sales") };
    let mut desk =
        Desk::new(Plan { queues: vec![queue], agents: vec![agent("1", &["sales"], &[])], ..Plan::default() });
    let outgoing = |call| Input::Outgoing { call: CallId(call), agent: id("1") };
    assert!(desk.0.handle(outgoing(9), s(0)).is_err(), "logged out");
    desk.ready("1", 0);
    let states: Vec<AgentState> = desk
        .says(outgoing(10), 1)
        .into_iter()
        .filter_map(|output| if let Output::AgentChanged { state, .. } = output { Some(state) } else { None })
        .collect();
    let away = AgentState::NotReady { reason: acd::OUTGOING.into() };
    assert_eq!(states, [away.clone(), AgentState::Talking { call: CallId(10), since: s(1) }]);
    assert_eq!(offers(&desk.call(1, "sales", 2)), []);
    assert!(desk.0.handle(outgoing(10), s(2)).is_err(), "the call is known");
    desk.says(Input::Gone(CallId(10)), 3);
    assert_eq!(desk.state("1"), away, "no wrap-up, and not ready");
    // Not ready for another reason before: so afterwards. Ready asked for meanwhile: that.
    desk.says(Input::NotReady { agent: id("1"), reason: "lunch".into() }, 4);
    desk.says(outgoing(11), 5);
    desk.says(Input::Gone(CallId(11)), 6);
    assert_eq!(desk.state("1"), AgentState::NotReady { reason: "lunch".into() });
    desk.says(outgoing(12), 7);
    desk.ready("1", 8);
    assert_eq!(offers(&desk.says(Input::Gone(CallId(12)), 9)), [(1, "1")], "the caller who waited");
    // Ringing for a caller: no call of one's own. Talking to one: the other call takes over, and the caller's work follows it.
    assert!(desk.0.handle(outgoing(13), s(10)).is_err());
    desk.says(Input::Answered(CallId(1)), 11);
    desk.says(outgoing(14), 12);
    desk.says(Input::Gone(CallId(1)), 13);
    assert_eq!(desk.state("1"), AgentState::Talking { call: CallId(14), since: s(12) });
    desk.says(Input::Gone(CallId(14)), 14);
    let work = AgentState::WrapUp { call: CallId(14), since: s(14), until: s(24) };
    assert_eq!(desk.state("1"), work, "the work after the caller");
    // Called in the middle of it: that counts, and nobody is offered to who talks.
    desk.says(outgoing(15), 15);
    assert_eq!(offers(&desk.call(2, "sales", 16)), []);
    assert_eq!(offers(&desk.tick(30)), []);
    assert_eq!(offers(&desk.says(Input::Gone(CallId(15)), 31)), [(2, "1")]);
}

#[test]
fn a_caller_waits_for_the_agent_they_know_but_not_for_ever() {
    let queue = QueuePlan { last_agent: s(30), ..QueuePlan::new("sales") };
    let agents = vec![agent("1", &["sales"], &[]), agent("2", &["sales"], &[])];
    let mut desk = Desk::new(Plan { queues: vec![queue], agents, ..Plan::default() });
    let customer =
        |call, who: &str| Input::Arrive(Arrival { customer: Some(who.into()), ..Arrival::new(CallId(call), "sales") });
    desk.ready("1", 0);
    desk.says(customer(1, "ann"), 1);
    desk.says(Input::Answered(CallId(1)), 2);
    desk.says(Input::Gone(CallId(1)), 3);
    desk.ready("2", 0);
    desk.says(customer(2, "bob"), 4);
    // 2 has been idle longer and has bob; ann gets 1 at once.
    let served = desk.says(customer(3, "ann"), 5);
    assert_eq!(
        (offers(&served), decision(&served).rule().as_str()),
        (vec![(3, "1")], "the agent whom the caller talked to last")
    );
    desk.says(Input::Answered(CallId(3)), 6);
    desk.says(Input::Gone(CallId(2)), 7);
    // Ann's second line: 1 is busy, 2 is ready, she waits for 1; for 30 s.
    let waits = desk.says(customer(4, "ann"), 8);
    assert_eq!(offers(&waits), []);
    assert_eq!(decision(&waits).rule(), "the caller waits for agent 1, whom they talked to last");
    assert_eq!(desk.0.queues(s(9))[0].waiting, [(CallId(4), s(1))], "she is in line");
    assert_eq!(offers(&desk.tick(38)), [(4, "2")]);
    // Who goes to lunch is not waited for.
    desk.says(Input::Gone(CallId(4)), 39);
    desk.says(customer(5, "ann"), 40);
    desk.says(Input::NotReady { agent: id("1"), reason: "lunch".into() }, 41);
    assert_eq!(offers(&desk.says(Input::Gone(CallId(3)), 42)), [(5, "2")]);
}

fn office() -> Calendar {
    Calendar {
        name: "office".into(),
        zone: Zone::parse("CET-1CEST,M3.5.0,M10.5.0/3").expect("our own"),
        open: vec![Hours::parse("mon-fri 09:00-17:00").expect("our own")],
        holidays: vec![],
    }
}

/// By day: 30 s in sales, then support too; by night an announcement and the end.
fn scripted() -> Plan {
    let named = |name: &str, action| Step { name: name.into(), action };
    let queue = |queue: &str, priority, wait: Option<u64>, then: Option<&str>| Action::Queue {
        queue: queue.into(),
        priority,
        wait: wait.map(s),
        then: then.map(Into::into),
    };
    let day = Script {
        name: "day".into(),
        steps: vec![
            named(
                "busy",
                Action::Test {
                    condition: Condition::EstimatedWait { queue: "sales".into(), over: s(600) },
                    then: "sorry".into(),
                    otherwise: "wait".into(),
                },
            ),
            named("wait", queue("sales", 0, Some(30), Some("patience"))),
            named("patience", Action::Announce { prompt: "patience".into(), then: "more".into() }),
            named("more", queue("support", 1, None, None)),
            named("sorry", Action::End { prompt: Some("sorry".into()) }),
        ],
    };
    let night =
        Script { name: "night".into(), steps: vec![named("closed", Action::End { prompt: Some("closed".into()) })] };
    Plan {
        queues: vec![
            QueuePlan { announce_every: Some(s(10)), expected_handling: s(100), ..QueuePlan::new("sales") },
            QueuePlan::new("support"),
        ],
        agents: vec![agent("1", &["sales"], &[]), agent("2", &["support"], &[])],
        calendars: vec![office()],
        scripts: vec![day, night],
        call_types: vec![CallTypePlan {
            name: "main".into(),
            when: vec![("office".into(), "day".into())],
            otherwise: "night".into(),
        }],
        ..Plan::default()
    }
}

fn main_line(call: u64) -> Input {
    Input::Arrive(Arrival { call_type: Some("main".into()), ..Arrival::new(CallId(call), BY_CALL_TYPE) })
}

#[test]
fn a_script_takes_callers_by_day_from_queue_to_queue_and_sends_them_away_by_night() {
    let mut desk = Desk::new(scripted());
    // Monday 2026-11-23 08:59:30 in Berlin.
    desk.0.set_wall(1_795_420_770_000, s(0));
    let night = desk.says(main_line(1), 29);
    assert_eq!(told(&night), ["call type main: no calendar of it is open, so script night"]);
    assert!(matches!(night.last(), Some(Output::Release { prompt: Some(prompt), .. }) if prompt == "closed"));
    assert_eq!(desk.0.callers(), 0);
    desk.says(Input::Login(id("1")), 29);
    let day = desk.says(main_line(2), 30);
    assert_eq!(
        told(&day),
        [
            "call type main: calendar office is open, so script day",
            "script day, step busy: nobody works in queue sales, so sorry"
        ]
    );
    desk.ready("1", 31);
    desk.call(3, "sales", 32);
    desk.says(Input::Answered(CallId(3)), 33);
    let day = desk.says(main_line(4), 40);
    assert_eq!(told(&day)[1], "script day, step busy: queue sales would take 100 s, so wait");
    // Every 10 s the position; after 30 s on to support, which has an agent by then.
    let position = |at: &[Output]| match at {
        [Output::Say { what: Announcement::Position { position, estimate }, .. }] => (*position, *estimate),
        other => panic!("{other:?}"),
    };
    assert_eq!(position(&desk.tick(50)), (1, Some(s(100))));
    desk.ready("2", 55);
    desk.tick(60);
    let on = desk.tick(70);
    assert!(on.contains(&Output::Say { call: CallId(4), what: Announcement::Prompt("patience".into()) }));
    assert_eq!(offers(&on), [(4, "2")]);
    assert_eq!(decision(&on).priority, 1);
    // The phone rings out: the caller is in both queues, and the first who is free has them.
    desk.tick(82);
    assert_eq!(desk.state("2"), AgentState::NotReady { reason: "ring no answer".into() });
    assert_eq!(offers(&desk.says(Input::Gone(CallId(3)), 90)), [(4, "1")]);
}

#[test]
fn a_script_s_wait_that_ends_while_a_phone_rings_goes_on_when_that_came_to_nothing() {
    let mut desk = Desk::new(scripted());
    desk.ready("1", 0);
    desk.says(Input::NotReady { agent: id("1"), reason: "tea".into() }, 1);
    desk.call(1, "day", 2);
    // Nobody works in sales: the script would not let the caller wait there.
    assert_eq!(desk.0.callers(), 0);
    desk.ready("1", 3);
    desk.call(2, "sales", 3);
    desk.call(3, "day", 4);
    desk.says(Input::Gone(CallId(2)), 30);
    assert_eq!(desk.tick(34).len(), 0, "it rings");
    let on = desk.says(Input::Refused { call: CallId(3), why: "busy".into() }, 35);
    assert!(told(&on).iter().any(|words| words.contains("nobody of queue sales in time, so patience")), "{on:?}");
    assert_eq!(desk.0.queues(s(36))[1].waiting.len(), 1, "in support too");
}

#[test]
fn a_callback_keeps_the_place_and_rings_the_agent_first() {
    let plan =
        Plan { queues: vec![QueuePlan::new("sales")], agents: vec![agent("1", &["sales"], &[])], ..Plan::default() };
    let mut desk = Desk::new(plan);
    desk.call(1, "sales", 0);
    desk.call(2, "sales", 5);
    desk.says(Input::CallBack { call: CallId(1), instead: CallId(9), number: "4930".into() }, 6);
    desk.says(Input::Gone(CallId(1)), 7);
    assert_eq!(desk.0.queues(s(8))[0].waiting, [(CallId(9), s(8)), (CallId(2), s(3))]);
    let said = desk.ready("1", 10);
    let offer =
        Output::Offer { call: CallId(9), agent: id("1"), extension: "71".into(), callback: Some("4930".into()) };
    assert_eq!(said.last(), Some(&offer));
    assert_eq!(
        desk.0.handle(Input::CallBack { call: CallId(9), instead: CallId(10), number: "1".into() }, s(11)),
        Err("call 9 is with an agent".into())
    );
}

#[test]
fn figures_add_up_by_quarters_of_an_hour() {
    let queue = QueuePlan { wrap_up: s(10), service_level: s(20), ..QueuePlan::new("sales") };
    let mut desk =
        Desk::new(Plan { queues: vec![queue], agents: vec![agent("1", &["sales"], &[])], ..Plan::default() });
    desk.0.set_wall(1_795_420_800_000, s(0));
    desk.ready("1", 0);
    desk.call(1, "sales", 10);
    desk.call(2, "sales", 10);
    desk.call(3, "sales", 20);
    desk.says(Input::Answered(CallId(1)), 15);
    desk.says(Input::Gone(CallId(3)), 40);
    desk.says(Input::Gone(CallId(1)), 75);
    desk.tick(85);
    desk.says(Input::Answered(CallId(2)), 87);
    let closed = desk.tick(901);
    let Some(Output::Interval(interval)) = closed.first() else { panic!("{closed:?}") };
    assert_eq!(interval.begins_ms, 1_795_420_800_000);
    let sales = &interval.queues["sales"];
    assert_eq!((sales.offered, sales.answered, sales.within_level, sales.abandoned), (3, 2, 1, 1));
    assert_eq!((sales.wait_ms, sales.longest_wait_ms, sales.talk_ms), (5_000 + 77_000, 77_000, 60_000));
    let one = &interval.agents["1"];
    assert_eq!(
        (one.answered, one.ready_ms, one.ringing_ms, one.talk_ms, one.wrap_up_ms),
        (2, 10_000, 7_000, 60_000, 10_000)
    );
    assert_eq!(desk.0.figures().count(), 2);
}

#[test]
fn figures_under_way_are_told_each_minute_and_another_router_goes_on_with_them() {
    const NOON: i64 = 1_795_420_800_000;
    let plan =
        Plan { queues: vec![QueuePlan::new("sales")], agents: vec![agent("1", &["sales"], &[])], ..Plan::default() };
    let mut desk = Desk::new(plan.clone());
    desk.0.set_wall(NOON, s(0));
    desk.call(1, "sales", 10);
    desk.says(Input::Gone(CallId(1)), 20);
    assert_eq!(desk.tick(69), []);
    let told = desk.tick(71);
    let [Output::Interval(under_way)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((under_way.begins_ms, under_way.queues["sales"].abandoned), (NOON, 1));
    assert_eq!(desk.tick(80), []);

    let mut again = Desk::new(plan);
    again.0.set_wall(NOON + 120_000, s(0));
    let yesterday = acd::Interval { begins_ms: NOON - 2 * 86_400_000, ..under_way.clone() };
    let before = acd::Interval { begins_ms: NOON - 900_000, ..under_way.clone() };
    for kept in [yesterday, before.clone(), under_way.clone()] {
        again.0.resume_figures(kept, s(0));
    }
    again.call(2, "sales", 1);
    again.says(Input::Gone(CallId(2)), 2);
    let figures: Vec<_> = again.0.figures().collect();
    assert_eq!(figures[0], &before);
    assert_eq!((figures.len(), figures[1].begins_ms, figures[1].queues["sales"].abandoned), (2, NOON, 2));
}

#[test]
fn of_a_crowd_a_decision_names_those_next_in_line_and_counts_the_others() {
    let agents: Vec<AgentPlan> = (0..60).map(|n| agent(&n.to_string(), &["sales"], &[])).collect();
    let mut desk = Desk::new(Plan { queues: vec![QueuePlan::new("sales")], agents, ..Plan::default() });
    for n in 0..40 {
        desk.ready(&n.to_string(), n);
    }
    let served = desk.call(1, "sales", 100);
    let decision = decision(&served);
    assert_eq!((decision.considered.len(), decision.of), (20, 60));
    assert!(decision.words().ends_with("; 20 more logged out; 20 more ready)"), "{}", decision.words());
    assert_eq!(
        decision.why_not(&id("55")),
        "agent 55 is not among the 20 next in line; the others of queue sales were 20 logged out, 20 ready"
    );
}

#[test]
fn not_ready_later_lets_the_phone_ring_and_counts_when_the_agent_is_free() {
    let later = |agent: &str| Input::NotReadyLater { agent: id(agent), reason: "lunch".into() };
    let lunch = AgentState::NotReady { reason: "lunch".into() };
    let plan =
        || Plan { queues: vec![QueuePlan::new("sales")], agents: vec![agent("1", &["sales"], &[])], ..Plan::default() };
    let ringing = || {
        let mut desk = Desk::new(plan());
        desk.ready("1", 0);
        assert_eq!(offers(&desk.call(1, "sales", 1)), [(1, "1")]);
        assert!(!desk.says(later("1"), 2).iter().any(|output| matches!(output, Output::Withdraw { .. })));
        assert!(matches!(desk.state("1"), AgentState::Reserved { .. }));
        desk
    };
    // Answered: after the conversation.
    let mut desk = ringing();
    desk.says(Input::Answered(CallId(1)), 3);
    desk.says(Input::Gone(CallId(1)), 9);
    assert_eq!(desk.state("1"), lunch);
    // Taken back while it rings.
    let mut desk = ringing();
    desk.ready("1", 3);
    desk.says(Input::Gone(CallId(1)), 4);
    assert!(matches!(desk.state("1"), AgentState::Ready { .. }));
    // The caller hangs up first: at once.
    let mut desk = ringing();
    desk.says(Input::Gone(CallId(1)), 3);
    assert_eq!(desk.state("1"), lunch);
    // Not answered: for that reason, and the other is forgotten.
    let mut desk = ringing();
    desk.tick(20);
    assert_eq!(desk.state("1"), AgentState::NotReady { reason: acd::RING_NO_ANSWER.into() });
    desk.ready("1", 21);
    desk.says(Input::Answered(CallId(1)), 22);
    desk.says(Input::Gone(CallId(1)), 23);
    assert!(matches!(desk.state("1"), AgentState::Ready { .. }));
    // Ready and waiting: at once.
    assert!(desk.says(later("1"), 24).iter().any(|output| matches!(output, Output::AgentChanged { .. })));
    assert_eq!(desk.state("1"), lunch);
}
