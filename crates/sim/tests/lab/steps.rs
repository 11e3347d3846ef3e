//! How far a caller gets, step by step, and what an agent does meanwhile.

use std::time::Duration;

use roles::{AgentView, Control, Reply};
use sim::rig::World;

const S: Duration = Duration::from_secs(1);

pub(crate) fn to_the_ivr(world: &mut World) {
    world.dial("6016");
    world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
    world.run(S);
}

pub(crate) fn to_the_queue(world: &mut World) {
    to_the_ivr(world);
    world.press("1");
    world.until(15 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
    world.run(S);
}

/// 1001 answers.
pub(crate) fn to_the_agent(world: &mut World) {
    to_the_queue(world);
    world.ready("1001");
    world.until(10 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    world.run(2 * S);
}

pub(crate) fn state(world: &mut World, agent: &str) -> String {
    match world.ask("cvp1", Control::Agents) {
        Reply::Agents(agents) => {
            let found: Option<AgentView> = agents.into_iter().find(|view| view.id == agent);
            found.expect("a known agent").state
        }
        other => panic!("agents, not {other:?}"),
    }
}
