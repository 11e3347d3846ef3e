//! Conferences of agents through the media resource, and supervisors in agents' calls: every way in, every way out.

mod supervision;

use std::time::Duration;

use call::record::LegState;
use call::session_id::Uuid;
use roles::{Control, DialogView, Kind, Reply, Verb};
use sim::rig::{Bend, Papers, Sound, World, lab as site};

use crate::call_control::{S, dialog, dialogs, hears, outcome, refused, work_on};
use crate::passport::{judge, passport_of};
use crate::steps::{state, to_the_agent};

const MIXER: &str = "127.18.133.150";
const NODES: [&str; 9] = ["cube1", "cvp1", "vvb1", "vvb2", "cucm1", "mr1", "phone1001", "phone1002", "phone1009"];

/// The lab with a media resource, two agents and their supervisor. Phones pick up after a second, and take two calls.
fn lab(seed: u64, sound: Sound) -> World {
    let mut world = World::new(seed, sound);
    world.start_site(&site::conference_site());
    world.start(site::carrier(), Papers::None);
    for line in ["1001", "1002", "1009"] {
        let mut plan = site::agent(line, Some(S));
        if let Kind::Phone(phone) = &mut plan.kind {
            (phone.call_control, phone.calls) = (true, 2);
        }
        world.start(plan, Papers::phone(&format!("phone{line}.lab.example")));
    }
    world.run(S);
    world.control("cvp1", Control::AgentLogin { agent: "1009".into() });
    world.run(S);
    world
}

/// With whom a phone's media is, of its only call.
fn phone_hears(world: &mut World, phone: &str) -> String {
    let calls = world.calls(phone);
    let live: Vec<_> = calls.iter().filter(|leg| leg.state != LegState::Ended).collect();
    let [leg] = live.as_slice() else { panic!("{phone} has {} calls\n{}", live.len(), world.ladder()) };
    leg.media.as_ref().and_then(|media| media.remote).map(|addr| addr.ip().to_string()).unwrap_or_default()
}

fn nothing_is_left(world: &mut World) {
    world.run(40 * S);
    for node in NODES.into_iter().chain(["carrier"]) {
        match world.ask(node, Control::Status) {
            Reply::Status(status) => {
                let left = (status.calls, status.legs, status.dialogs);
                assert_eq!(left, (0, 0, 0), "{node} keeps {status:?}\n{}", world.ladder());
            }
            other => panic!("a status, not {other:?}"),
        }
    }
}

fn start_again(world: &mut World) {
    world.kill("cvp1");
    world.run(2 * S);
    let plan = roles::Plan::compile(&site::conference_site(), "cvp1", 1).unwrap();
    world.restart(plan, Papers::node("cvp1.lab.example"));
    world.run(2 * S);
}

/// All passports of this world are good; gives their text.
fn passports(world: &World) -> String {
    let callers: std::collections::BTreeSet<Uuid> = world
        .statements
        .iter()
        .filter(|(node, ..)| !node.starts_with("phone"))
        .map(|(_, caller, _)| caller.clone())
        .collect();
    let mut text = String::new();
    for caller in callers {
        let verdict = judge(world, &passport_of(world, &caller));
        assert_eq!(verdict.wrong, None, "{verdict}\n{}", world.ladder());
        text.push_str(&verdict.to_string());
    }
    text
}

/// The agent has the caller on hold and talks to 1002; which call it is.
fn consulting(world: &mut World) -> u64 {
    to_the_agent(world);
    let call = dialog(world).call;
    assert_eq!(work_on(world, call, Verb::Consult, "1002"), Reply::Done, "{}", world.ladder());
    world.run(S);
    call
}

fn conferring(world: &mut World) -> u64 {
    let call = consulting(world);
    assert_eq!(work_on(world, call, Verb::Confer, ""), Reply::Done, "{}", world.ladder());
    world.run(2 * S);
    call
}

#[track_caller]
fn three_are_together(world: &mut World) {
    assert_eq!(hears(world), MIXER, "{}", world.ladder());
    for phone in ["phone1001", "phone1002"] {
        assert_eq!(phone_hears(world, phone), MIXER, "{phone}: {}", world.ladder());
    }
}

#[test]
fn caller_agent_and_consulted_come_together_and_each_leg_has_keys_of_its_own() {
    let mut world = lab(1, Sound::real(1, World::prompts()));
    let call = consulting(&mut world);
    let held = dialogs(&mut world)[0].clone();
    assert!(held.verbs.contains(&Verb::Confer), "{held:?}");
    assert_eq!(work_on(&mut world, call, Verb::Confer, ""), Reply::Done, "{}", world.ladder());
    world.run(2 * S);
    three_are_together(&mut world);
    let now = dialog(&mut world);
    assert_eq!((now.call, now.agent.as_str(), now.held, now.connected), (call, "1001", false, true));
    assert_eq!((now.parties.as_slice(), now.verbs.as_slice()), ([String::from("1002")].as_slice(), [].as_slice()));
    assert_eq!(state(&mut world, "1001"), "TALKING");
    let heard = |world: &mut World| {
        let legs = world.calls("mr1");
        assert_eq!(legs.len(), 3);
        let media: Vec<_> = legs.into_iter().map(|leg| leg.media.expect("it ends media")).collect();
        assert!(media.iter().all(|media| media.is_protected() && media.auth_failed == 0), "{media:?}");
        media.iter().map(|media| (media.rx_protected, media.tx_protected)).collect::<Vec<_>>()
    };
    let before = heard(&mut world);
    world.run(2 * S);
    for (before, after) in before.into_iter().zip(heard(&mut world)) {
        assert!(after.0 >= before.0 + 90 && after.1 >= before.1 + 90, "{before:?} {after:?}");
    }
    assert!(!world.saw("cube1", "carrier", "INVITE"), "the carrier's leg is left in peace");
    world.hang_up("carrier");
    world.run(2 * S);
    // The two who are left talk on, without the media resource.
    assert_eq!(phone_hears(&mut world, "phone1001"), "127.18.133.74", "{}", world.ladder());
    assert_eq!(world.calls("mr1").len(), 0);
    assert_eq!(state(&mut world, "1001"), "TALKING");
    world.hang_up("phone1002");
    nothing_is_left(&mut world);
    let text = passports(&world);
    assert!(text.contains("mr1"), "{text}");
}

#[test]
fn who_leaves_a_conference_leaves_the_other_two_talking() {
    for who in ["phone1001", "desk", "phone1002", "carrier"] {
        let mut world = lab(2, Sound::still());
        let call = conferring(&mut world);
        three_are_together(&mut world);
        match who {
            "desk" => assert_eq!(world.ask("cvp1", Control::Drop { call, agent: "1001".into() }), Reply::Done),
            node => world.hang_up(node),
        }
        world.run(2 * S);
        assert_eq!(world.calls("mr1").len(), 0, "{who}: {}", world.ladder());
        match who {
            "phone1002" => {
                assert_eq!(
                    (hears(&mut world).as_str(), state(&mut world, "1001").as_str()),
                    ("127.18.133.75", "TALKING")
                );
                let verbs = dialog(&mut world).verbs;
                assert_eq!(verbs, [Verb::Hold, Verb::Consult, Verb::Press], "an ordinary call again");
                world.hang_up("carrier");
            }
            "carrier" => {
                assert_eq!(phone_hears(&mut world, "phone1001"), "127.18.133.74");
                world.hang_up("phone1001");
            }
            _ => {
                assert_eq!(
                    (hears(&mut world).as_str(), state(&mut world, "1001").as_str()),
                    ("127.18.133.74", "READY")
                );
                let now = dialog(&mut world);
                assert_eq!((now.call, now.agent.as_str()), (call, "1002"), "as after a transfer");
                world.hang_up("phone1002");
            }
        }
        nothing_is_left(&mut world);
        passports(&world);
    }
}

#[test]
fn two_who_leave_at_once_end_it() {
    for (a, b) in [("carrier", "phone1001"), ("phone1001", "phone1002"), ("phone1002", "carrier")] {
        for pause_ms in [0, 1, 3, 8] {
            let mut world = lab(3, Sound::still());
            conferring(&mut world);
            world.hang_up(a);
            world.run(Duration::from_millis(pause_ms));
            world.hang_up(b);
            world.run(2 * S);
            assert_eq!(dialogs(&mut world), [], "{a} {b} {pause_ms}: {}", world.ladder());
            nothing_is_left(&mut world);
        }
    }
}

/// What a node answers to INVITEs, from now on.
fn will_not(text: &str) -> String {
    let invite = text.contains(" INVITE\r\n") && text.starts_with("SIP/2.0 200 OK");
    if invite { text.replacen("200 OK", "488 No", 1) } else { text.to_owned() }
}

#[test]
fn a_media_resource_that_refuses_or_is_dead_leaves_everything_as_it_was() {
    for way in ["refuses", "dead"] {
        let mut world = lab(4, Sound::still());
        let call = consulting(&mut world);
        match way {
            "refuses" => world.bend = Some(Bend { node: "mr1".into(), how: will_not }),
            _ => world.kill("mr1"),
        }
        refused(&work_on(&mut world, call, Verb::Confer, ""), "the media resource");
        world.bend = None;
        let both = dialogs(&mut world);
        assert!(both.len() == 2 && both[0].held && both[1].connected, "{way}: {both:?}");
        // What is possible besides, is possible still.
        assert_eq!(work_on(&mut world, call, Verb::Complete, ""), Reply::Done, "{way}: {}", world.ladder());
        world.run(2 * S);
        assert_eq!(hears(&mut world), "127.18.133.74");
        world.hang_up("carrier");
        world.run(40 * S);
        for node in NODES.into_iter().filter(|node| *node != "mr1") {
            assert_eq!(world.calls(node).len(), 0, "{way}: {node}");
        }
    }
}

#[test]
fn a_media_resource_that_dies_is_noticed_and_caller_and_agent_talk_directly() {
    let mut world = lab(5, Sound::still());
    conferring(&mut world);
    world.kill("mr1");
    world.run(5 * S);
    assert_eq!(hears(&mut world), "127.18.133.75", "{}", world.ladder());
    assert_eq!(world.calls("phone1002").len(), 0, "the third is let go");
    assert_eq!(state(&mut world, "1001"), "TALKING");
    world.hang_up("carrier");
    world.run(40 * S);
    for node in NODES.into_iter().filter(|node| *node != "mr1") {
        assert_eq!(world.calls(node).len(), 0, "{node}");
    }
}

#[test]
fn a_party_that_cannot_come_leaves_caller_and_agent_with_each_other() {
    for (who, and_then) in [("phone1002", "127.18.133.75"), ("phone1001", "")] {
        let mut world = lab(6, Sound::still());
        let call = consulting(&mut world);
        world.bend = Some(Bend { node: who.into(), how: will_not });
        refused(&work_on(&mut world, call, Verb::Confer, ""), "the conference is lost");
        world.run(3 * S);
        match and_then {
            // Its phone agrees to nothing: nobody is left with nobody.
            "" => assert_eq!(dialogs(&mut world), [], "{}", world.ladder()),
            heard => {
                assert_eq!(hears(&mut world), heard, "{}", world.ladder());
                assert_eq!(dialog(&mut world).agent, "1001");
                world.bend = None;
                world.hang_up("carrier");
            }
        }
        world.bend = None;
        nothing_is_left(&mut world);
    }
}

#[test]
fn a_site_without_a_media_resource_says_so() {
    let mut world = World::lab(7, Sound::still(), Some(S));
    to_the_agent(&mut world);
    let call = dialog(&mut world).call;
    world.control("phone1001", Control::Hold { on: true });
    world.run(S);
    assert!(!dialog(&mut world).verbs.contains(&Verb::Confer));
    refused(&work_on(&mut world, call, Verb::Confer, ""), "no media resource");
    world.hang_up("carrier");
    world.run(40 * S);
}

#[test]
fn a_conference_outlives_the_call_server() {
    let mut world = lab(8, Sound::still());
    conferring(&mut world);
    start_again(&mut world);
    three_are_together(&mut world);
    assert_eq!(state(&mut world, "1001"), "TALKING");
    // Hours of refreshes.
    world.run(7200 * S);
    three_are_together(&mut world);
    world.hang_up("phone1001");
    world.run(2 * S);
    assert_eq!(hears(&mut world), "127.18.133.74", "{}", world.ladder());
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

#[test]
fn a_call_server_that_starts_again_while_three_come_together_leaves_nobody_in_silence() {
    for after_ms in [0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 30] {
        let mut world = lab(9, Sound::still());
        let call = consulting(&mut world);
        let agent = "1001".to_owned();
        world.control("cvp1", Control::Work { call, agent, verb: Verb::Confer, with: String::new() });
        world.run(Duration::from_millis(after_ms));
        start_again(&mut world);
        world.run(40 * S);
        for dialog in dialogs(&mut world) {
            let DialogView { connected, held, .. } = dialog;
            assert!(connected, "{after_ms} ms: {dialog:?}");
            let heard = hears(&mut world);
            let good = if held { heard.starts_with("127.18.133.14") } else { !heard.is_empty() };
            assert!(good || dialog.outgoing.is_some(), "{after_ms} ms: {dialog:?} hears {heard}");
        }
        world.hang_up("carrier");
        world.run(S);
        world.hang_up("phone1002");
        nothing_is_left(&mut world);
    }
}

#[test]
fn conferences_with_nodes_written_out_and_read_back_at_random_steps() {
    for seed in 0..12 {
        let mut world = lab(400 + seed, Sound::still());
        world.shake();
        conferring(&mut world);
        three_are_together(&mut world);
        world.hang_up(["carrier", "phone1001", "phone1002"][seed as usize % 3]);
        world.run(2 * S);
        assert_eq!(world.calls("mr1").len(), 0, "seed {seed}: {}", world.ladder());
        world.hang_up(["phone1001", "phone1002", "carrier"][seed as usize % 3]);
        nothing_is_left(&mut world);
    }
}

fn supervise(world: &mut World, how: roles::Oversight) -> Reply {
    outcome(world, Control::Supervise { supervisor: "1009".into(), agent: "1001".into(), how })
}
