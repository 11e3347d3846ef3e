//! Agents who send a caller on to a number at once, and the work after a call: over real messages in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use roles::{Control, DialogView, Kind, Plan, Reply, Verb};
use sim::rig::{Papers, Sound, World, lab};

use crate::call_control::{dialog, dialogs, outcome, refused, work_on};
use crate::outside::{OUTSIDE, are_proved, nothing_is_left, world};
use crate::steps::{state, to_the_agent};

const S: Duration = Duration::from_secs(1);

fn send_on(world: &mut World, to: &str) -> Reply {
    let DialogView { call, agent, .. } = dialog(world);
    outcome(world, Control::Transfer { call, agent, to: to.into() })
}

/// Another world, where 1002 never picks up.
fn nobody_picks_up(seed: u64) -> World {
    let mut world = World::new(seed, Sound::still());
    world.start_site(&lab::outside_site());
    world.start(lab::carrier(), Papers::None);
    for (line, after) in [("1001", Some(S)), ("1002", None)] {
        let mut plan = lab::agent(line, after);
        if let Kind::Phone(phone) = &mut plan.kind {
            (phone.call_control, phone.calls) = (true, 2);
        }
        world.start(plan, Papers::phone(&format!("phone{line}.lab.example")));
    }
    world.run(S);
    world
}

fn waiting(world: &mut World) -> usize {
    match world.ask("cvp1", Control::Queues) {
        Reply::Queues(queues) => queues.iter().map(|queue| queue.waiting).sum(),
        other => panic!("queues, not {other:?}"),
    }
}

/// Packets that came to this phone or carrier, of its first call.
fn got(world: &mut World, node: &str) -> u64 {
    world.calls(node)[0].media.as_ref().map_or(0, |media| media.rx_protected + media.rx_clear)
}

#[track_caller]
fn hear_each_other(world: &mut World, a: &str, b: &str) {
    let before = (got(world, a), got(world, b));
    world.run(2 * S);
    let after = (got(world, a), got(world, b));
    assert!(after.0 > before.0 + 90 && after.1 > before.1 + 90, "{before:?} {after:?}\n{}", world.ladder());
}

#[test]
fn a_caller_is_sent_to_another_agents_phone_and_the_first_agent_is_free_at_once() {
    for (seed, hangs_up) in [(1, "carrier"), (2, "phone1002")] {
        let mut world = world(seed, Sound::real(seed, World::prompts()), Some(S));
        to_the_agent(&mut world);
        assert_eq!(world.ask("cvp1", Control::AgentLogin { agent: "1002".into() }), Reply::Done);
        let before = dialog(&mut world);
        assert_eq!(send_on(&mut world, "1002"), Reply::Done);
        assert_eq!(state(&mut world, "1001"), "READY");
        assert_eq!(dialogs(&mut world), [], "it rings, and is nobody's");
        world.run(4 * S);
        let after = dialog(&mut world);
        assert_eq!((after.agent.as_str(), after.call, after.connected), ("1002", before.call, true));
        assert_eq!(state(&mut world, "1002"), "TALKING");
        hear_each_other(&mut world, "carrier", "phone1002");
        // And is held, and taken back, as any other call is.
        let call = after.call;
        let hold = Control::Work { call, agent: "1002".into(), verb: Verb::Hold, with: String::new() };
        assert_eq!(outcome(&mut world, hold), Reply::Done);
        world.run(S);
        assert!(dialog(&mut world).held);
        world.hang_up(hangs_up);
        nothing_is_left(&mut world);
        assert_eq!(are_proved(&world).len(), 1, "one caller");
    }
}

#[test]
fn a_caller_is_sent_outside_and_both_are_the_carriers() {
    let mut world = world(3, Sound::real(3, World::prompts()), Some(2 * S));
    to_the_agent(&mut world);
    assert_eq!(send_on(&mut world, OUTSIDE), Reply::Done);
    world.run(6 * S);
    assert_eq!((state(&mut world, "1001").as_str(), dialogs(&mut world).len()), ("READY", 0));
    let called = world.calls("carrier").into_iter().find(|leg| leg.called.0 == OUTSIDE).expect("the carrier's second");
    assert_eq!(called.calling.0, "3227046016", "as the way out has it");
    let got = |world: &mut World| -> Vec<u64> {
        world.calls("carrier").iter().map(|leg| leg.media.as_ref().map_or(0, |media| media.rx_clear)).collect()
    };
    let before = got(&mut world);
    world.run(2 * S);
    let after = got(&mut world);
    assert_eq!(after.len(), 2, "{}", world.ladder());
    assert!(before.iter().zip(&after).all(|(before, after)| *after > before + 90), "{before:?} {after:?}");
    world.hang_up("carrier");
    nothing_is_left(&mut world);
    are_proved(&world);
}

#[test]
fn who_is_sent_to_somebody_who_is_not_there_keeps_the_place_in_the_queue() {
    // Rings and nobody picks up; there is no such phone; the number outside is busy.
    for (seed, to, words) in [(4, "1002", "did not answer in time"), (5, "1999", "404"), (6, OUTSIDE, "486")] {
        let mut world = nobody_picks_up(seed);
        to_the_agent(&mut world);
        // Not ready afterwards: the caller has to wait.
        let later = Control::AgentNotReadyLater { agent: "1001".into(), reason: "lunch".into() };
        assert_eq!(world.ask("cvp1", later), Reply::Done);
        assert_eq!(send_on(&mut world, to), Reply::Done);
        world.run(S);
        assert_eq!(state(&mut world, "1001"), "NOT_READY");
        world.run(30 * S);
        assert_eq!(waiting(&mut world), 1, "{to}: {}", world.ladder());
        let said = world.decisions.iter().any(|(_, said)| said.contains("sent the caller to") && said.contains(words));
        assert!(said, "{to}: {:?}", world.decisions);
        world.ready("1001");
        world.run(4 * S);
        assert_eq!((state(&mut world, "1001").as_str(), dialog(&mut world).connected), ("TALKING", true));
        world.hang_up("carrier");
        nothing_is_left(&mut world);
        are_proved(&world);
    }
}

#[test]
fn who_hangs_up_while_it_rings_is_gone_and_so_is_the_ringing() {
    let mut world = nobody_picks_up(7);
    to_the_agent(&mut world);
    assert_eq!(send_on(&mut world, "1002"), Reply::Done);
    world.run(3 * S);
    world.hang_up("carrier");
    nothing_is_left(&mut world);
    assert!(world.saw("cucm1", "phone1002", "CANCEL"), "{}", world.ladder());
    are_proved(&world);
}

#[test]
fn a_call_server_that_comes_back_while_it_rings_has_the_caller_wait_in_the_queue() {
    let mut world = nobody_picks_up(8);
    to_the_agent(&mut world);
    let later = Control::AgentNotReadyLater { agent: "1001".into(), reason: "lunch".into() };
    assert_eq!(world.ask("cvp1", later), Reply::Done);
    assert_eq!(send_on(&mut world, "1002"), Reply::Done);
    world.run(3 * S);
    world.kill("cvp1");
    world.run(S);
    let plan = Plan::compile(&lab::outside_site(), "cvp1", 1).expect("a validated site compiles");
    world.restart(plan, Papers::node("cvp1.lab.example"));
    world.run(5 * S);
    assert_eq!(waiting(&mut world), 1, "{}", world.ladder());
    world.ready("1001");
    world.run(4 * S);
    assert_eq!(state(&mut world, "1001"), "TALKING", "{}", world.ladder());
    world.hang_up("carrier");
    // The call server that called 1002 is no more, and nobody else takes the ringing back: the call manager does, in time.
    world.run(300 * S);
    nothing_is_left(&mut world);
}

#[test]
fn a_call_server_that_comes_back_before_a_browser_has_the_caller_loses_nobody() {
    for (seed, to) in [(1001, "1002"), (1002, OUTSIDE), (1003, "sales")] {
        for ms in [0, 1, 3, 5, 10, 20, 40, 80, 160, 320] {
            let mut world = nobody_picks_up(seed + ms);
            to_the_agent(&mut world);
            let later = Control::AgentNotReadyLater { agent: "1001".into(), reason: "lunch".into() };
            assert_eq!(world.ask("cvp1", later), Reply::Done);
            let DialogView { call, agent, queue, .. } = dialog(&mut world);
            let to = if to == "sales" { queue.expect("a queue") } else { to.to_owned() };
            world.control("cvp1", Control::Transfer { call, agent, to: to.clone() });
            world.run(Duration::from_millis(ms));
            world.kill("cvp1");
            world.run(S);
            let plan = Plan::compile(&lab::outside_site(), "cvp1", 1).expect("a validated site compiles");
            world.restart(plan, Papers::node("cvp1.lab.example"));
            world.run(8 * S);
            assert_eq!(waiting(&mut world), 1, "{to} {ms} ms: {}", world.ladder());
            world.ready("1001");
            world.run(4 * S);
            assert_eq!(state(&mut world, "1001"), "TALKING", "{to} {ms} ms: {}", world.ladder());
        }
    }
}

#[test]
fn who_came_from_no_queue_is_not_sent_to_a_number() {
    let mut world = world(12, Sound::still(), Some(S));
    world.ready("1001");
    let out = Control::MakeCall { agent: "1001".into(), to: OUTSIDE.into() };
    assert_eq!(outcome(&mut world, out), Reply::Done, "{}", world.ladder());
    let call = dialog(&mut world).call;
    assert_eq!(world.ask("cvp1", Control::AgentLogin { agent: "1002".into() }), Reply::Done);
    assert_eq!(work_on(&mut world, call, Verb::Consult, "1002"), Reply::Done, "{}", world.ladder());
    world.run(S);
    assert_eq!(work_on(&mut world, call, Verb::Complete, ""), Reply::Done, "{}", world.ladder());
    world.run(2 * S);
    // It is 1002's now, and nobody's who could go back to a line.
    assert_eq!(dialog(&mut world).agent, "1002");
    refused(&send_on(&mut world, "1001"), "came from no queue");
    assert_eq!(state(&mut world, "1002"), "TALKING");
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

#[test]
fn nobody_is_sent_to_what_is_no_number_nor_to_the_agents_own_phone() {
    let mut world = world(9, Sound::still(), Some(S));
    to_the_agent(&mut world);
    refused(&send_on(&mut world, "no such queue"), "there is no queue or script `no such queue`");
    refused(&send_on(&mut world, "1001"), "the agent's own phone");
    assert_eq!(state(&mut world, "1001"), "TALKING");
    world.hang_up("carrier");
    nothing_is_left(&mut world);
    assert!(matches!(world.ask("cvp1", Control::Dialogs), Reply::Dialogs(none) if none.is_empty()));
}

#[test]
fn sending_on_with_nodes_written_out_and_read_back_at_random_steps() {
    for seed in 0..6 {
        let mut world = world(200 + seed, Sound::still(), Some(S));
        world.shake();
        to_the_agent(&mut world);
        let to = if seed % 2 == 0 { "1002" } else { OUTSIDE };
        assert_eq!(send_on(&mut world, to), Reply::Done, "seed {seed}: {}", world.ladder());
        world.run(5 * S);
        world.hang_up("carrier");
        nothing_is_left(&mut world);
        are_proved(&world);
    }
}

fn reason(world: &mut World, call: u64, agent: &str, label: &str) -> Reply {
    let values = BTreeMap::from([("wrapUpReason".to_owned(), label.to_owned())]);
    outcome(world, Control::Note { call, agent: agent.into(), values })
}

#[test]
fn an_agent_says_what_the_call_was_about_in_the_work_after_it() {
    let mut site = lab::site();
    for node in &mut site.nodes {
        if let site::Role::CallServer(server) = &mut node.role {
            server.queues.iter_mut().for_each(|queue| queue.wrap_up_s = 20);
            server.wrap_up_reasons.push(site::WrapUpReason { label: "sold".into(), teams: Vec::new() });
        }
    }
    let mut world = World::lab_of(&site, 10, Sound::still(), Some(S));
    to_the_agent(&mut world);
    let call = dialog(&mut world).call;
    world.hang_up("carrier");
    world.run(2 * S);
    let after = dialog(&mut world);
    assert_eq!((after.call, after.agent.as_str(), after.wrapping_up), (call, "1001", true));
    assert_eq!((after.verbs.len(), after.calling.as_str()), (0, "3227046971"));
    assert_eq!(state(&mut world, "1001"), "WORK");
    refused(
        &reason(&mut world, call, "1001", "bought"),
        "`bought` is no wrap-up reason of agent 1001's; expected sold",
    );
    refused(&reason(&mut world, call, "1002", "sold"), "there is no call");
    refused(&work_on(&mut world, call, Verb::Hold, ""), "there is no call");
    assert_eq!(reason(&mut world, call, "1001", "sold"), Reply::Done);
    assert_eq!(dialog(&mut world).notes.get("wrapUpReason").map(String::as_str), Some("sold"));
    assert_eq!(world.decisions.last().expect("a decision").1, "wrap-up reason: sold");
    // Ready is the end of it.
    world.ready("1001");
    world.run(S);
    assert_eq!((state(&mut world, "1001").as_str(), dialogs(&mut world).len()), ("READY", 0));
    refused(&reason(&mut world, call, "1001", "sold"), "there is no call");

    // So is its time, and a reload that takes the agent away.
    to_the_agent(&mut world);
    world.hang_up("carrier");
    world.run(2 * S);
    assert!(dialog(&mut world).wrapping_up);
    world.run(20 * S);
    assert_eq!(dialogs(&mut world), []);
}
