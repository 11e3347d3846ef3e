//! A store that is full or gone for a minute (docs/routing.md): calls, agents and figures go on, and nothing of it is
//! missing afterwards.

use std::time::Duration;

use roles::{Control, Plan, Reply};
use sim::rig::{Papers, Sound, World, lab};

use crate::steps::{state, to_the_agent, to_the_queue};

const S: Duration = Duration::from_secs(1);

fn said(world: &mut World, request: Control) {
    assert_eq!(world.ask("cvp1", request), Reply::Done);
}

#[test]
fn a_minute_without_a_store_costs_no_call_and_nothing_is_missing_afterwards() {
    let mut world = World::lab(31, Sound::still(), Some(S));
    to_the_agent(&mut world);
    let (kept, signed) = (world.kept.len(), world.statements.len());
    world.store_fails();

    // The call that is up goes on and ends; the next one is queued, answered, and is up when the minute is over.
    assert_eq!(state(&mut world, "1001"), "TALKING");
    world.hang_up("carrier");
    world.run(2 * S);
    assert_eq!(state(&mut world, "1001"), "READY");
    said(&mut world, Control::AgentNotReady { agent: "1001".into(), reason: "lunch".into() });
    to_the_queue(&mut world);
    world.ready("1002");
    world.run(4 * S);
    assert_eq!(state(&mut world, "1002"), "TALKING");
    assert!(matches!(world.ask("cvp1", Control::Routing), Reply::Routing(_)), "figures are to be had");
    // A phone that starts now is not registered: it is told so, and tries again.
    world.kill("phone1001");
    world.run(S);
    world.start(lab::agent("1001", Some(S)), Papers::phone("phone1001.lab.example"));
    world.run(10 * S);
    assert!(world.saw("cucm1", "phone1001", "500 REGISTER"), "{}", world.ladder());
    assert_eq!((world.kept.len(), world.statements.len()), (kept, signed), "nothing is acknowledged");
    world.run(40 * S);

    world.store_is_back();
    world.run(S);
    let nodes: Vec<&str> = world.statements.iter().skip(signed).map(|(node, ..)| node.as_str()).collect();
    for node in ["cube1", "cvp1", "vvb1", "cucm1"] {
        assert!(nodes.contains(&node), "{node} signed the call that ended meanwhile: {nodes:?}");
    }
    // The phone is there within a minute, by itself.
    world.until(60 * S, |world| {
        world.crossed.iter().filter(|c| c.to == "phone1001" && c.arrow() == "200 REGISTER").count() > 1
    });
    // And a call server that is killed now knows all of it.
    world.kill("cvp1");
    world.run(2 * S);
    world.restart(Plan::compile(&lab::site(), "cvp1", 1).expect("a site"), Papers::node("cvp1.lab.example"));
    world.run(2 * S);
    assert_eq!((state(&mut world, "1001"), state(&mut world, "1002")), ("NOT_READY".into(), "TALKING".into()));
    world.hang_up("carrier");
    world.run(40 * S);
    assert_eq!(state(&mut world, "1002"), "READY");
    for node in ["cube1", "cvp1", "vvb1", "vvb2", "cucm1", "phone1001", "phone1002", "carrier"] {
        let Reply::Status(status) = world.ask(node, Control::Status) else { panic!("a status") };
        assert_eq!((status.calls, status.legs, status.dialogs), (0, 0, 0), "{node} keeps {status:?}");
    }
}
