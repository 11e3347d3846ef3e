//! Phones that refuse, agents who send on whom they consulted about, and call servers that start again in the middle.

use std::time::Duration;

use roles::{Control, Reply, Verb};
use sim::rig::{Bend, Papers, Sound, World, lab as site};

use super::{
    S, consulting, dialog, dialogs, hears, is_held, is_talking, lab, nothing_is_left, refused, state, to_the_agent,
    work, work_on,
};

/// What a phone answers to INVITEs from now on.
fn will_not(text: &str) -> String {
    let invite = text.contains(" INVITE\r\n") && text.starts_with("SIP/2.0 200 OK");
    if invite { text.replacen("200 OK", "488 No", 1) } else { text.to_owned() }
}

/// The same, of those only that would have it be quiet.
fn will_not_be_quiet(text: &str) -> String {
    if text.contains("a=inactive") { will_not(text) } else { text.to_owned() }
}

#[test]
fn a_phone_that_will_not_be_held_from_here_goes_on_talking() {
    let mut world = lab(27, Sound::real(27, World::prompts()), false, Some(S));
    to_the_agent(&mut world);
    world.bend = Some(Bend { node: "phone1001".into(), how: will_not_be_quiet });
    refused(&work(&mut world, Verb::Hold), "will not be held");
    world.run(2 * S);
    is_talking(&mut world);
    let heard = |world: &mut World| world.calls("phone1001")[0].media.clone().expect("a phone ends media").rx_protected;
    let before = heard(&mut world);
    world.run(2 * S);
    assert!(heard(&mut world) > before + 50, "they talk on");
    world.bend = None;
    assert_eq!(work(&mut world, Verb::Hold), Reply::Done);
    world.run(S);
    is_held(&mut world);
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

#[test]
fn whom_an_agent_consulted_and_who_will_not_be_brought_together_ends_the_call() {
    let mut world = lab(28, Sound::still(), true, Some(S));
    to_the_agent(&mut world);
    let call = dialog(&mut world).call;
    assert_eq!(work_on(&mut world, call, Verb::Consult, "1002"), Reply::Done);
    world.run(S);
    world.bend = Some(Bend { node: "phone1002".into(), how: will_not });
    assert_eq!(work_on(&mut world, call, Verb::Complete, ""), Reply::Done);
    world.run(3 * S);
    // Nobody is left with nobody.
    assert_eq!(dialogs(&mut world), [], "{}", world.ladder());
    nothing_is_left(&mut world);
}

/// Else the next agent's TRANSFER would be with whom the first one consulted.
#[test]
fn a_consultation_is_not_handed_on_with_the_caller() {
    let mut world = lab(29, Sound::still(), true, Some(S));
    to_the_agent(&mut world);
    let call = dialog(&mut world).call;
    assert_eq!(work_on(&mut world, call, Verb::Consult, "1002"), Reply::Done);
    world.run(S);
    let (_, other) = consulting(&mut world);
    assert_eq!(work_on(&mut world, other.call, Verb::Hold, ""), Reply::Done);
    world.run(S);
    assert_eq!(work_on(&mut world, call, Verb::Retrieve, ""), Reply::Done);
    world.run(S);
    assert_eq!(world.ask("cvp1", Control::Transfer { call, agent: "1001".into(), to: "sales".into() }), Reply::Done);
    world.run(5 * S);
    let left = dialog(&mut world);
    assert_eq!((left.call, left.beside, left.agent.as_str()), (other.call, None, "1001"), "{}", world.ladder());
    assert_eq!(state(&mut world, "1001"), "HOLD", "nobody is offered to who keeps somebody waiting");
    assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done);
    world.hang_up("phone1002");
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

/// What a desk asked while it still had the call does nothing to the call of who has it now.
#[test]
fn what_an_agent_asked_of_a_call_is_not_done_to_the_next_agents() {
    let mut world = lab(32, Sound::still(), true, Some(S));
    to_the_agent(&mut world);
    let call = dialog(&mut world).call;
    assert_eq!(work_on(&mut world, call, Verb::Consult, "1002"), Reply::Done);
    world.run(S);
    assert_eq!(work_on(&mut world, call, Verb::Complete, ""), Reply::Done);
    world.run(2 * S);
    assert_eq!(dialog(&mut world).agent, "1002");
    let agent = || "1001".to_owned();
    for late in [
        Control::Work { call, agent: agent(), verb: Verb::Hold, with: String::new() },
        Control::Drop { call, agent: agent() },
        Control::Transfer { call, agent: agent(), to: "sales".into() },
        Control::Note { call, agent: agent(), values: [("callVariable1".to_owned(), "x".to_owned())].into() },
    ] {
        refused(&world.ask("cvp1", late), "agent 1002's by now");
    }
    world.run(2 * S);
    let now = dialog(&mut world);
    assert!(now.connected && !now.held && now.notes.is_empty(), "{now:?}");
    assert_eq!(hears(&mut world), "127.18.133.74");
    let agent = now.agent;
    assert_eq!(world.ask("cvp1", Control::Drop { call, agent }), Reply::Done);
    nothing_is_left(&mut world);
}

fn start_again(world: &mut World) {
    world.kill("cvp1");
    world.run(2 * S);
    world.restart(roles::Plan::compile(&site::site(), "cvp1", 1).unwrap(), Papers::node("cvp1.lab.example"));
    world.run(2 * S);
}

#[test]
fn a_consultation_outlives_the_call_server_and_its_agent_has_the_caller_afterwards() {
    let mut world = lab(30, Sound::still(), true, Some(S));
    to_the_agent(&mut world);
    let call = dialog(&mut world).call;
    assert_eq!(work_on(&mut world, call, Verb::Consult, "1002"), Reply::Done);
    world.run(S);
    start_again(&mut world);
    consulting(&mut world);
    world.hang_up("phone1002");
    world.run(S);
    is_held(&mut world);
    assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done, "{}", world.ladder());
    world.run(S);
    is_talking(&mut world);
    world.hang_up("carrier");
    world.run(40 * S);
    for node in ["cube1", "cvp1", "cucm1", "phone1001", "phone1002"] {
        assert_eq!(world.calls(node).len(), 0, "{node}");
    }
}

#[test]
fn a_call_server_that_starts_again_while_two_are_brought_together_leaves_nobody_in_silence() {
    for after_ms in [0, 1, 2, 3, 5, 8, 13, 30] {
        let mut world = lab(31, Sound::still(), true, Some(S));
        to_the_agent(&mut world);
        let call = dialog(&mut world).call;
        assert_eq!(work_on(&mut world, call, Verb::Consult, "1002"), Reply::Done);
        world.run(S);
        world.control("cvp1", Control::Work { call, agent: "1001".into(), verb: Verb::Complete, with: String::new() });
        world.run(Duration::from_millis(after_ms));
        start_again(&mut world);
        // They agree anew; or the call is over, when what the other had answered was never acknowledged (RFC 3261 §13.3.1.4).
        world.run(40 * S);
        let dialogs = dialogs(&mut world);
        if !dialogs.is_empty() {
            assert_eq!(dialogs.len(), 1, "{after_ms} ms: {dialogs:?}");
            assert_eq!(hears(&mut world), "127.18.133.74", "{after_ms} ms: {dialogs:?} {}", world.ladder());
            world.hang_up("carrier");
        }
        world.run(40 * S);
        for node in ["cube1", "cvp1", "cucm1", "phone1001", "phone1002"] {
            assert_eq!(world.calls(node).len(), 0, "{after_ms} ms: {node}: {}", world.ladder());
        }
    }
}
