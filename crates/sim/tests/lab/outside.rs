//! Agents who call numbers outside: from the agent's phone through call manager, call server and border controller to a
//! carrier that knows plain SIP alone.

use std::time::Duration;

use call::passport::Passport;
use call::record::Direction;
use roles::{Control, Kind, Outward, Reply, Verb};
use sim::rig::{Papers, Pki, Sound, World, lab};

use crate::call_control::{dialog, dialogs, outcome, refused, work_on};
use crate::passport::judge;
use crate::steps::{state, to_the_agent};

const S: Duration = Duration::from_secs(1);
pub(crate) const OUTSIDE: &str = "0227046971";

/// Whoever is called outside picks up after so long.
pub(crate) fn world(seed: u64, sound: Sound, outside_answers: Option<Duration>) -> World {
    let mut world = World::new(seed, sound);
    world.start_site(&lab::outside_site());
    let mut carrier = lab::carrier();
    if let Kind::Phone(phone) = &mut carrier.kind {
        (phone.calls, phone.answer_after) = (2, outside_answers);
    }
    world.start(carrier, Papers::None);
    for line in ["1001", "1002"] {
        let mut plan = lab::agent(line, Some(S));
        if let Kind::Phone(phone) = &mut plan.kind {
            (phone.call_control, phone.calls) = (true, 2);
        }
        world.start(plan, Papers::phone(&format!("phone{line}.lab.example")));
    }
    world.run(S);
    world
}

fn call_out(world: &mut World) -> Reply {
    outcome(world, Control::MakeCall { agent: "1001".into(), to: OUTSIDE.into() })
}

pub(crate) fn nothing_is_left(world: &mut World) {
    world.run(40 * S);
    for node in ["cube1", "cvp1", "vvb1", "cucm1", "phone1001", "phone1002", "carrier"] {
        match world.ask(node, Control::Status) {
            Reply::Status(status) => {
                let left = (status.calls, status.legs, status.dialogs);
                assert_eq!(left, (0, 0, 0), "{node} keeps {status:?}\n{}", world.ladder());
            }
            other => panic!("a status, not {other:?}"),
        }
    }
}

/// The passport of each caller holds; how many hops each has.
#[track_caller]
pub(crate) fn are_proved(world: &World) -> Vec<usize> {
    let of_site = || world.statements.iter().filter(|(node, ..)| !node.starts_with("phone"));
    let callers: std::collections::BTreeSet<_> = of_site().map(|(_, caller, _)| caller.clone()).collect();
    let mut hops = Vec::new();
    for caller in callers {
        let signed = of_site().filter(|(_, of, _)| *of == caller).map(|(.., signed)| signed.clone()).collect();
        let verdict = judge(world, &Passport::bundle("lab", caller, &[Pki::of_the_lab().root_der()], signed));
        assert_eq!(verdict.wrong, None, "{verdict}\n{}", world.ladder());
        hops.push(verdict.hops.len());
    }
    hops.sort_unstable();
    hops
}

/// Protected packets that the agent's phone and packets in clear that the carrier got so far.
fn heard(world: &mut World) -> (u64, u64) {
    let media = |world: &mut World, node: &str| world.calls(node)[0].media.clone().expect("it ends media");
    let (phone, carrier) = (media(world, "phone1001"), media(world, "carrier"));
    assert_eq!((phone.rx_clear, phone.tx_clear, phone.auth_failed), (0, 0, 0), "nothing in clear inside");
    (phone.rx_protected, carrier.rx_clear)
}

#[test]
fn an_agent_calls_a_number_outside_and_both_hear_each_other() {
    let mut world = world(1, Sound::real(1, World::prompts()), Some(2 * S));
    world.ready("1001");
    assert_eq!(call_out(&mut world), Reply::Done, "{}", world.ladder());
    let dialog = dialog(&mut world);
    assert_eq!((dialog.dialled.as_str(), dialog.outgoing), (OUTSIDE, Some(Outward::Connected)));
    assert_eq!(state(&mut world, "1001"), "TALKING");
    let at_the_carrier = world.calls("carrier").remove(0);
    assert_eq!(at_the_carrier.calling.0, "3227046016", "not the agent's extension");
    assert_eq!((at_the_carrier.called.0.as_str(), at_the_carrier.direction), (OUTSIDE, Direction::Answer));
    let before = heard(&mut world);
    world.run(2 * S);
    let after = heard(&mut world);
    assert!(after.0 > before.0 + 90 && after.1 > before.1 + 90, "{before:?} {after:?}");
    world.hang_up("carrier");
    nothing_is_left(&mut world);
    assert_eq!(are_proved(&world), [4], "the phone's, two inside, the carrier's");
}

#[test]
fn a_caller_and_whom_the_agent_consults_outside_are_brought_together() {
    for seed in [2, 3] {
        let mut world = world(seed, Sound::real(seed, World::prompts()), Some(S));
        to_the_agent(&mut world);
        let call = dialog(&mut world).call;
        assert_eq!(work_on(&mut world, call, Verb::Consult, OUTSIDE), Reply::Done, "{}", world.ladder());
        world.run(2 * S);
        assert_eq!(dialogs(&mut world).len(), 2);
        assert_eq!(work_on(&mut world, call, Verb::Complete, ""), Reply::Done, "{}", world.ladder());
        world.run(2 * S);
        assert_eq!((state(&mut world, "1001").as_str(), dialogs(&mut world).len()), ("READY", 0));
        // Both are the carrier's, and hear each other by way of the border.
        let got = |world: &mut World| -> Vec<u64> {
            let calls = world.calls("carrier");
            calls.iter().map(|leg| leg.media.as_ref().map_or(0, |media| media.rx_clear)).collect()
        };
        let before = got(&mut world);
        world.run(2 * S);
        let after = got(&mut world);
        assert_eq!(after.len(), 2, "{}", world.ladder());
        assert!(before.iter().zip(&after).all(|(before, after)| *after > before + 90), "{before:?} {after:?}");
        if seed == 2 {
            world.hang_up("carrier")
        } else {
            world.kill("carrier")
        }
        world.run(2000 * S);
        assert!(are_proved(&world).len() == 2, "the caller's, and the agent's own");
    }
}

#[test]
fn a_number_that_is_not_reached_outside_is_said_in_words() {
    let mut world = world(4, Sound::still(), None);
    world.ready("1001");
    refused(&call_out(&mut world), "the destination did not answer in time");
    nothing_is_left(&mut world);
    assert_eq!(state(&mut world, "1001"), "NOT_READY");
    // The border has no dial-peer for it, and the call manager no phone.
    let mut site = lab::outside_site();
    for node in &mut site.nodes {
        if let site::Role::Sbc(sbc) = &mut node.role {
            sbc.dial_peers.retain(|dial_peer| dial_peer.tag != 6000100);
        }
    }
    let mut world = World::lab_of(&site, 5, Sound::still(), Some(S));
    world.ready("1001");
    let said = call_out(&mut world);
    refused(&said, "404");
    refused(&said, "the destination");
}

#[test]
fn a_call_to_the_outside_with_nodes_written_out_and_read_back_at_random_steps() {
    for seed in 0..6 {
        let mut world = world(100 + seed, Sound::still(), Some(S));
        world.shake();
        world.ready("1001");
        assert_eq!(call_out(&mut world), Reply::Done, "seed {seed}: {}", world.ladder());
        world.run(2 * S);
        match seed % 2 {
            0 => world.hang_up("phone1001"),
            _ => world.hang_up("carrier"),
        }
        nothing_is_left(&mut world);
    }
}
