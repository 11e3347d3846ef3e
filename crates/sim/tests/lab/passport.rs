//! Passports of whole simulated calls: what the nodes really sign must hold together, hop by hop, however a call goes;
//! and must no longer once a node's word is missing.

use std::time::Duration;

use call::passport::{Passport, verify};
use call::verdict::{Kind, Seen, Verdict};
use sim::rig::{Pki, Sound, World};

const S: Duration = Duration::from_secs(1);

/// The passport of the one call of this world, of the site's nodes.
fn passport(world: &World) -> Passport {
    let of_site: Vec<_> = world.statements.iter().filter(|(node, ..)| !node.starts_with("phone")).collect();
    let caller = of_site.first().expect("somebody signed").1.clone();
    assert!(of_site.iter().all(|(_, of, _)| *of == caller), "all file it under one caller");
    let signed = of_site.iter().map(|(.., signed)| signed.clone()).collect();
    Passport::bundle("lab", caller, &[Pki::of_the_lab().root_der()], signed)
}

pub(crate) fn judge(world: &World, passport: &Passport) -> Verdict {
    verify(passport, Some(&[Pki::of_the_lab().root_der()]), world.now().wall)
}

fn to_the_queue(world: &mut World) {
    world.dial("6016");
    world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
    world.run(2 * S);
    world.press("1");
    world.until(15 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
    world.run(S);
}

fn to_the_agent(world: &mut World, agent: &str) {
    world.ready(agent);
    world.until(20 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    world.run(3 * S);
}

#[test]
fn the_reference_call_is_proved_by_its_passport() {
    let mut world = World::lab(1, Sound::real(1, World::prompts()), Some(S));
    to_the_queue(&mut world);
    to_the_agent(&mut world, "1001");
    world.hang_up("carrier");
    world.run(40 * S);
    let passport = passport(&world);
    let verdict = judge(&world, &passport);
    println!("{verdict}");
    assert_eq!(verdict.wrong, None, "{verdict}");
    let hops: Vec<(String, bool)> = verdict
        .hops
        .iter()
        .map(|hop| {
            let from = hop.from.split(' ').next().unwrap_or_default();
            let to = hop.to.split(' ').next().unwrap_or_default();
            (format!("{from} {to}"), hop.seen == Seen::BothEnds)
        })
        .collect();
    let nodes = ["cube1 cvp1", "cvp1 vvb1", "cvp1 cucm1"];
    assert_eq!(hops.iter().filter(|(_, both)| *both).map(|(hop, _)| hop.as_str()).collect::<Vec<_>>(), nodes);
    assert_eq!(hops.len(), 5, "and the carrier's and the phone's: {hops:?}");
    assert_eq!(verdict.exceptions(), 1, "the carrier's alone is in clear");
    assert_eq!(verdict.media.len(), 1, "sbc and voice browser counted the same stream");
    // The agent's suite and the browser's are both at work on the inside leg, and nothing inside went in clear.
    assert!(verdict.hops.iter().skip(1).all(|hop| hop.exceptions.is_empty()));

    for gone in ["cube1", "cvp1", "vvb1", "cucm1"] {
        let mut without = passport.clone();
        without.statements.retain(|signed| signed.statement().is_ok_and(|statement| statement.node != gone));
        let wrong = judge(&world, &without).wrong.expect("something is missing");
        assert_eq!(wrong.kind, Kind::MissingStatement, "{wrong}");
        assert!(wrong.what.contains(&format!("no statement of {gone} is here")), "{wrong}");
    }
}

#[test]
fn a_call_that_ends_at_any_point_has_a_good_passport() {
    let ends: [fn(&mut World); 5] = [
        // While the browser asks.
        |world| {
            world.dial("6016");
            world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
            world.run(2 * S);
        },
        // In the queue.
        to_the_queue,
        // While the agent's phone rings.
        |world| {
            to_the_queue(world);
            world.ready("1001");
            world.until(10 * S, |world| world.saw("phone1001", "cucm1", "180 INVITE"));
        },
        // After an agent who did not pick up, with the next one ringing.
        |world| {
            to_the_queue(world);
            world.ready("1001");
            world.run(14 * S);
            world.ready("1002");
            world.until(10 * S, |world| world.saw("phone1002", "cucm1", "180 INVITE"));
        },
        // Before anybody answered.
        |world| world.dial("6016"),
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let mut world = World::lab(n as u64, Sound::still(), None);
        end(&mut world);
        world.hang_up("carrier");
        world.run(40 * S);
        if world.statements.is_empty() {
            assert_eq!(n, 4, "only a call that nobody heard of may leave no word");
            continue;
        }
        let verdict = judge(&world, &passport(&world));
        assert_eq!(verdict.wrong, None, "end {n}:\n{verdict}\n{}", world.ladder());
    }
}

#[test]
fn what_a_long_life_does_to_a_call_does_not_spoil_its_passport() {
    let lives: [fn(&mut World); 6] = [
        // The first agent does not pick up, the second talks.
        |world| {
            to_the_queue(world);
            world.ready("1001");
            world.run(14 * S);
            world.ready("1002");
            world.until(10 * S, |world| world.saw("phone1002", "cucm1", "180 INVITE"));
            world.control("phone1002", roles::Control::Answer);
            world.run(5 * S);
        },
        // Hours of refreshes.
        |world| {
            to_the_queue(world);
            to_the_agent(world, "1001");
            world.run(3 * 3600 * S);
        },
        // The connection between call server and browser breaks and comes back.
        |world| {
            to_the_queue(world);
            world.cut("cvp1", "vvb1");
            world.run(3 * S);
            to_the_agent(world, "1001");
        },
        // So does every connection under a call that stands.
        |world| {
            to_the_queue(world);
            to_the_agent(world, "1001");
            for (a, b) in [("cube1", "cvp1"), ("cvp1", "cucm1")] {
                world.cut(a, b);
            }
            world.run(3600 * S);
        },
        // The agent puts the caller on hold and takes them back.
        |world| {
            to_the_queue(world);
            to_the_agent(world, "1001");
            for on in [true, false] {
                world.control("phone1001", roles::Control::Hold { on });
                world.run(5 * S);
            }
        },
        // The call server dies and goes on.
        |world| {
            to_the_queue(world);
            to_the_agent(world, "1001");
            world.kill("cvp1");
            world.run(5 * S);
            let plan = roles::Plan::compile(&sim::rig::lab::site(), "cvp1", 1).expect("the lab is a good site");
            world.restart(plan, sim::rig::Papers::node("cvp1.lab.example"));
            world.run(1900 * S);
        },
    ];
    for (n, live) in lives.into_iter().enumerate() {
        let answer_after = if n == 0 { None } else { Some(S) };
        let mut world = World::lab(20 + n as u64, Sound::still(), answer_after);
        live(&mut world);
        world.hang_up("carrier");
        world.run(40 * S);
        let verdict = judge(&world, &passport(&world));
        assert_eq!(verdict.wrong, None, "life {n}:\n{verdict}\n{}", world.ladder());
        assert!(verdict.hops.len() >= 5, "life {n}:\n{verdict}");
    }
}

/// Statements are filed by caller: those of this caller's calls, of the site's nodes.
pub(crate) fn passport_of(world: &World, caller: &call::session_id::Uuid) -> Passport {
    let of_caller = world.statements.iter().filter(|(node, of, _)| !node.starts_with("phone") && of == caller);
    Passport::bundle(
        "lab",
        caller.clone(),
        &[Pki::of_the_lab().root_der()],
        of_caller.map(|(.., signed)| signed.clone()).collect(),
    )
}

fn done(world: &mut World, control: roles::Control) {
    let asked = world.control("cvp1", control);
    world.until(10 * S, |world| world.replies.contains_key(&asked));
    assert_eq!(world.replies.remove(&asked), Some(roles::Reply::Done), "{}", world.ladder());
    world.run(3 * S);
}

#[test]
fn calls_that_were_held_made_and_brought_together_are_proved_by_their_passports() {
    use roles::{Control, Kind as Role, Reply, Verb};
    let mut world = World::new(70, Sound::real(70, World::prompts()));
    world.start_site(&sim::rig::lab::site());
    world.start(sim::rig::lab::carrier(), sim::rig::Papers::None);
    for line in ["1001", "1002"] {
        let mut plan = sim::rig::lab::agent(line, Some(S));
        if let Role::Phone(phone) = &mut plan.kind {
            phone.calls = 2;
        }
        world.start(plan, sim::rig::Papers::phone(&format!("phone{line}.lab.example")));
    }
    world.run(S);
    to_the_queue(&mut world);
    to_the_agent(&mut world, "1001");
    let calls = |world: &mut World| match world.ask("cvp1", Control::Dialogs) {
        Reply::Dialogs(dialogs) => dialogs.into_iter().map(|dialog| dialog.call).collect::<Vec<_>>(),
        other => panic!("dialogs, not {other:?}"),
    };
    let call = calls(&mut world)[0];
    let work = |agent: &str, verb, with: &str| Control::Work { call, agent: agent.into(), verb, with: with.into() };
    for verb in [Verb::Hold, Verb::Retrieve] {
        done(&mut world, work("1001", verb, ""));
    }
    done(&mut world, work("1001", Verb::Consult, "1002"));
    let other = calls(&mut world)[1];
    // The consultation is held and taken back as well.
    for verb in [Verb::Hold, Verb::Retrieve] {
        done(&mut world, Control::Work { call: other, agent: "1001".into(), verb, with: String::new() });
    }
    done(&mut world, work("1001", Verb::Complete, ""));
    for verb in [Verb::Hold, Verb::Retrieve] {
        done(&mut world, work("1002", verb, ""));
    }
    world.hang_up("carrier");
    world.run(40 * S);
    let callers: std::collections::BTreeSet<_> = world
        .statements
        .iter()
        .filter(|(node, ..)| !node.starts_with("phone"))
        .map(|(_, caller, _)| caller.clone())
        .collect();
    assert_eq!(callers.len(), 2, "the caller's, and the agent's own to whom they consulted");
    let mut hops = Vec::new();
    for caller in callers {
        let verdict = judge(&world, &passport_of(&world, &caller));
        assert_eq!(verdict.wrong, None, "{verdict}\n{}", world.ladder());
        hops.push(verdict.hops.len());
    }
    hops.sort_unstable();
    // The agent's phone, and music; the border, four times a browser, the phones of both agents.
    assert_eq!(hops, [3, 10]);
}
