//! A call server that ends and comes back with callers in its queue (docs/routing.md, "A restart"): they stand where they
//! stood, and those who left meanwhile are gone.

use std::collections::BTreeMap;
use std::time::Duration;

use roles::{Control, Plan, Reply};
use sim::rig::{Logs, Papers, Sound, World, lab};

use crate::steps::{state, to_the_agent, to_the_queue};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const CALLERS: u16 = 50;
const AWAY: Duration = Duration::from_secs(5);

fn come_back(world: &mut World) {
    let plan = Plan::compile(&lab::site(), "cvp1", 1).expect("a validated site compiles");
    world.restart(plan, Papers::node("cvp1.lab.example"));
}

/// Callers by the order in which the queue got them, with the time; each with the number of their line.
fn queued(world: &World) -> BTreeMap<acd::CallId, (u16, i64)> {
    let came = |entry: &acd::replay::Entry| match &entry.input {
        acd::Input::Arrive(arrival) => Some((arrival.call, (lab::line_of(arrival.customer.as_deref()?)?, entry.at_ms))),
        _ => None,
    };
    world.told.iter().filter_map(came).collect()
}

fn waiting(world: &mut World) -> usize {
    match world.ask("cvp1", Control::Queues) {
        Reply::Queues(queues) => queues.iter().map(|queue| queue.waiting).sum(),
        other => panic!("queues, not {other:?}"),
    }
}

#[test]
fn fifty_callers_keep_their_places_over_a_restart_and_who_hung_up_meanwhile_is_gone() {
    let mut world = World::new(21, Sound::still());
    world.room([127, 18, 133, 76].into(), 64 * CALLERS);
    world.start_site(&lab::site());
    for n in 0..CALLERS {
        world.start(lab::line(n), Papers::None);
    }
    for line in ["1001", "1002"] {
        world.start(lab::agent(line, Some(S)), Papers::phone(&format!("phone{line}.lab.example")));
    }
    world.run(S);
    for n in 0..CALLERS {
        world.control(&format!("line{n}"), Control::Dial { number: "6016".into() });
        world.run(50 * MS);
    }
    world.run(2 * S);
    // They come to the queue in another order than to the number.
    let order: Vec<u16> = (0..CALLERS).map(|n| n * 7 % CALLERS).collect();
    for n in &order {
        world.control(&format!("line{n}"), Control::Press { digits: "1".into() });
        world.run(100 * MS);
    }
    world.run(5 * S);
    let before = queued(&world);
    assert_eq!((before.len(), waiting(&mut world)), (CALLERS.into(), CALLERS.into()));

    world.kill("cvp1");
    world.run(S);
    let left = [7, 0, 43];
    for n in left {
        world.hang_up(&format!("line{n}"));
    }
    world.run(AWAY - S);
    come_back(&mut world);
    world.run(2 * S);
    assert_eq!(waiting(&mut world), usize::from(CALLERS) - left.len(), "{}", world.ladder());

    // One who comes now is behind all of them.
    let stranger = lab::line(CALLERS);
    world.start(stranger, Papers::None);
    world.run(S);
    world.control(&format!("line{CALLERS}"), Control::Dial { number: "6016".into() });
    world.run(2 * S);
    world.control(&format!("line{CALLERS}"), Control::Press { digits: "1".into() });
    world.run(2 * S);
    let all = queued(&world);

    // Agents come, and take them one by one.
    world.routed.clear();
    world.ready("1001");
    world.ready("1002");
    for _ in 0..CALLERS {
        world.run(3 * S);
        world.hang_up("phone1001");
        world.hang_up("phone1002");
        world.run(S);
    }
    let served: Vec<u16> =
        world.routed.iter().filter(|decision| decision.chosen.is_some()).map(|d| all[&d.call].0).collect();
    let expected: Vec<u16> = order.iter().copied().filter(|n| !left.contains(n)).chain([CALLERS]).collect();
    assert_eq!(served, expected);
    // Nobody's wait began anew.
    for decision in world.routed.iter().filter(|d| d.chosen.is_some()) {
        let (n, came_ms) = before.get(&decision.call).copied().unwrap_or(all[&decision.call]);
        let waited = Duration::from_millis(call::ms(world.now()) - came_ms as u64);
        let since = world.now().mono - decision.at;
        assert!(decision.waited + since + 2 * MS >= waited, "line {n}: {} of {waited:?}", decision.words());
    }
    world.run(40 * S);
    for node in world.names() {
        let Reply::Status(status) = world.ask(&node, Control::Status) else { panic!("a status") };
        assert_eq!((status.calls, status.legs, status.dialogs), (0, 0, 0), "{node} keeps {status:?}");
    }
}

/// The lab where who presses 9 is called back.
fn calling_back() -> site::Site {
    let text = include_str!("../../../../examples/lab.toml")
        .replace("{ digit = \"1\", queue = \"sales\" }", "{ digit = \"9\", queue = \"sales\", call_back = true }")
        .replacen(
            "incoming_called_number = \"6...\"",
            "destination_pattern = \"32270.....\"\nincoming_called_number = \"6...\"",
            1,
        )
        .replacen(
            "destination_pattern = \"6...\"",
            "incoming_called_number = \"32270.....\"\ndestination_pattern = \"6...\"",
            1,
        );
    site::Site::parse(&text).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

#[test]
fn who_was_promised_to_be_called_back_and_did_not_hear_of_it_is_promised_it_once() {
    let site = calling_back();
    let mut world = World::lab_of(&site, 34, Sound::still(), Some(S));
    crate::steps::to_the_ivr(&mut world);
    world.press("9");
    world.until(15 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
    world.run(MS + MS / 2);
    assert!(!world.saw("cvp1", "vvb1", "202 REFER"), "it is to die before: {}", world.ladder());
    world.kill("cvp1");
    world.run(AWAY);
    world.restart(Plan::compile(&site, "cvp1", 1).expect("a site"), Papers::node("cvp1.lab.example"));
    world.run(10 * S);
    assert!(world.saw("cvp1", "vvb1", "202 REFER"), "{}", world.ladder());
    assert_eq!(world.calls("carrier").len(), 0, "let go: {}", world.ladder());
    assert_eq!(waiting(&mut world), 1);
}

/// Who is called back is nobody's leg to be asked for: the promise alone is kept.
#[test]
fn who_was_promised_to_be_called_back_is_by_the_next_call_server() {
    let site = calling_back();
    let mut world = World::lab_of(&site, 24, Sound::still(), Some(S));
    crate::steps::to_the_ivr(&mut world);
    world.press("9");
    world.run(3 * S);
    assert_eq!(world.calls("carrier").len(), 0, "let go: {}", world.ladder());
    assert_eq!(waiting(&mut world), 1);
    world.kill("cvp1");
    world.run(AWAY);
    world.restart(Plan::compile(&site, "cvp1", 1).expect("a site"), Papers::node("cvp1.lab.example"));
    world.run(S);
    assert_eq!(waiting(&mut world), 1);
    // The first agent does not pick up in time, the second does; and then the caller of before.
    world.kill("phone1001");
    world.ready("1001");
    world.run(15 * S);
    assert_eq!(waiting(&mut world), 1, "the promise outlasts a phone that is dead");
    world.ready("1002");
    world.until(10 * S, |world| world.saw("cube1", "carrier", "INVITE"));
    world.control("carrier", Control::Answer);
    world.run(2 * S);
    assert_eq!(state(&mut world, "1002"), "TALKING");
    let chosen = world.routed.iter().rfind(|decision| decision.chosen.is_some()).expect("an agent");
    assert!(chosen.waited >= AWAY + 10 * S, "the wait is counted from the promise: {}", chosen.words());
    world.hang_up("phone1002");
    world.run(40 * S);
    for node in ["cube1", "cvp1", "vvb1", "vvb2", "cucm1", "phone1002", "carrier"] {
        let Reply::Status(status) = world.ask(node, Control::Status) else { panic!("a status") };
        assert_eq!((status.calls, status.legs, status.dialogs), (0, 0, 0), "{node} keeps {status:?}");
    }
    assert!(!world.kept.keys().any(|(node, _)| node == "cvp1"), "and nothing of it is kept");
}

/// Who talked, and hung up while the call server was away.
#[test]
fn an_agent_whose_caller_hung_up_meanwhile_is_free_when_the_call_server_is_back() {
    let mut world = World::lab(22, Sound::still(), Some(S));
    to_the_agent(&mut world);
    world.kill("cvp1");
    world.run(S);
    world.hang_up("carrier");
    world.run(AWAY);
    come_back(&mut world);
    world.run(3 * S);
    assert_eq!(world.calls("cvp1").len(), 0, "{}", world.ladder());
    assert_eq!(world.calls("phone1001").len(), 0, "the agent's phone was told");
}

#[test]
fn a_call_that_another_version_kept_is_let_go_with_a_word() {
    for (bend, words) in [
        (|state: &mut Vec<u8>| state[4] += 1, "a newer Ringfence kept it"),
        (|state: &mut Vec<u8>| state[4] = 1, "an older Ringfence kept it"),
        (|state: &mut Vec<u8>| drop(state.drain(..6)), "before versions were written down"),
        (|state: &mut Vec<u8>| state.truncate(30), "is damaged"),
    ] as [(fn(&mut Vec<u8>), &str); 4]
    {
        let (logs, _guard) = Logs::listen();
        let mut world = World::lab(23, Sound::still(), Some(S));
        to_the_queue(&mut world);
        world.kill("cvp1");
        world.run(S);
        let kept = world.kept.iter_mut().find(|((node, _), _)| node == "cvp1").expect("the call is kept").1;
        bend(kept);
        come_back(&mut world);
        assert!(logs.say(words), "{words}");
        world.run(S);
        assert!(!world.kept.keys().any(|(node, _)| node == "cvp1"), "it is not tried again");
        assert_eq!(world.calls("cvp1").len(), 0);
        // The others end it by themselves, and the next call goes through.
        world.hang_up("carrier");
        world.run(40 * S);
        for node in ["cube1", "carrier"] {
            assert_eq!(world.calls(node).len(), 0, "{node}");
        }
        to_the_agent(&mut world);
        assert_eq!(state(&mut world, "1001"), "TALKING");
        logs.are_clean_of(&["lab-1001-secret"]);
    }
}

#[test]
fn a_caller_whose_place_was_not_kept_yet_when_the_call_server_died_has_it_all_the_same() {
    // Killed before the REFER is kept; after it is kept and before its 202 is there.
    for (seed, kept) in [(31, false), (32, true)] {
        let mut world = World::lab(seed, Sound::still(), Some(S));
        crate::steps::to_the_ivr(&mut world);
        if !kept {
            world.store_fails();
        }
        world.press("1");
        world.until(15 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
        world.run(if kept { MS + MS / 2 } else { 10 * MS });
        assert!(!world.saw("cvp1", "vvb1", "202 REFER"), "it is to die before: {}", world.ladder());
        world.kill("cvp1");
        world.store_is_back();
        world.run(AWAY);
        come_back(&mut world);
        world.run(5 * S);
        assert_eq!(waiting(&mut world), 1, "seed {seed}: {}", world.ladder());
        assert!(world.saw("cvp1", "vvb1", "202 REFER"), "{}", world.ladder());
        world.ready("1001");
        world.run(4 * S);
        assert_eq!(state(&mut world, "1001"), "TALKING");
        world.hang_up("carrier");
        world.run(3 * S);
        assert_eq!(state(&mut world, "1001"), "READY");
    }
}

#[test]
fn callers_are_queued_while_the_store_is_gone() {
    let mut world = World::lab(33, Sound::still(), Some(S));
    crate::steps::to_the_ivr(&mut world);
    world.store_fails();
    world.press("1");
    world.until(15 * S, |world| world.saw("cvp1", "vvb1", "202 REFER"));
    world.run(S);
    assert_eq!(waiting(&mut world), 1, "{}", world.ladder());
}
