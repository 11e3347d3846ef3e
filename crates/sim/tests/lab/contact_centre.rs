//! Routing by the site file, from the carrier to the agents' phones, over real messages in virtual time.

use std::time::Duration;

use acd::replay::{Fate, as_it_was, what_if};
use roles::{Control, Reply};
use sim::rig::{Papers, Sound, World};
use site::{Role, Site};

use crate::steps::state;

const S: Duration = Duration::from_secs(1);
const LAB: &str = include_str!("../../../../examples/lab.toml");

/// The lab with a call type, a script that goes from specialists to everybody, and wrap-up.
fn site() -> Site {
    let text = LAB
        .replace("{ digit = \"1\", queue = \"sales\" }", "{ digit = \"1\", queue = \"acd\" }")
        .replacen("pattern = \"6016\"", "pattern = \"6016\"\ncall_type = \"main\"", 1)
        .replacen("name = \"sales\"\nring", "name = \"sales\"\nwrap_up_s = 10\nring", 1)
        .replacen("queues = [\"sales\"]\n\n# ──", "attributes = [\"bicycles\"]\n\n# ──", 1)
        .replacen(
            "[[node.role.call_server.agent]]",
            r#"[[node.role.call_server.queue]]
name = "specialists"
step = [{ who = "bicycles >= 5" }]
announce_s = 2

[[node.role.call_server.calendar]]
name = "always"
time_zone = "UTC0"
open = ["mon-sun 00:00-24:00"]

[[node.role.call_server.call_type]]
name = "main"
when = [{ calendar = "always", script = "day" }]
otherwise = "night"

[[node.role.call_server.script]]
name = "day"
step = [
  { name = "first", do = { queue = { queue = "specialists", wait_s = 5, then = "say" } } },
  { name = "say",   do = { announce = { prompt = "patience", then = "all" } } },
  { name = "all",   do = { queue = { queue = "sales", wait_s = 60, then = "end" } } },
  { name = "end",   do = { end = {} } },
]

[[node.role.call_server.script]]
name = "night"
step = [{ name = "end", do = { end = {} } }]

[[node.role.call_server.agent]]"#,
            1,
        );
    Site::parse(&text).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

fn plan() -> acd::Plan {
    let site = site();
    let Role::CallServer(server) = &site.node("cvp1").expect("the call server").role else { panic!("its role") };
    server.routing().plan
}

fn to_the_queue(world: &mut World) {
    world.dial("6016");
    world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
    world.run(S);
    world.press("1");
    world.until(15 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
}

fn notifications(world: &World) -> Vec<String> {
    let sent = world.crossed.iter().filter(|c| c.from == "cvp1" && c.arrow() == "NOTIFY");
    let line = |bytes: &bytes::Bytes| {
        let message = sip::Message::parse(bytes.clone()).expect("our own message");
        let body = String::from_utf8_lossy(&message.body().expect("a sipfrag").bytes).into_owned();
        body.lines().next().unwrap_or_default().to_owned()
    };
    sent.map(|c| line(&c.bytes)).collect()
}

#[test]
fn a_script_takes_the_caller_on_and_says_why_and_the_day_can_be_run_again() {
    let mut world = World::lab_of(&site(), 7, Sound::still(), Some(S));
    world.ready("1001");
    to_the_queue(&mut world);
    // The specialist is not in; after 5 s everybody is asked, and 1001 is there.
    world.until(10 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    assert_eq!(state(&mut world, "1001"), "TALKING");
    let told = notifications(&world);
    assert_eq!(told[..2], ["SIP/2.0 100 Trying", "SIP/2.0 182 Queued"]);
    assert!(told.iter().any(|line| line == "SIP/2.0 182 1 in line"), "{told:?}");
    assert!(told.iter().any(|line| line == "SIP/2.0 182 prompt patience"), "{told:?}");
    assert_eq!(told.last().map(String::as_str), Some("SIP/2.0 200 OK"));
    let words: Vec<&str> = world.decisions.iter().map(|(_, words)| words.as_str()).collect();
    for expected in [
        "call type main: calendar always is open, so script day",
        "script day: nobody of queue specialists in time, so say",
    ] {
        assert!(words.contains(&expected), "`{expected}` is not among {words:#?}");
    }
    let chosen = world.routed.iter().find(|decision| decision.chosen.is_some()).expect("somebody was chosen");
    assert_eq!((chosen.queue.as_str(), chosen.rule().as_str()), ("sales", "the only ready agent"));
    assert_eq!(chosen.why_not(&acd::AgentId("1002".into())), "agent 1002 does not serve queue sales at step 1");

    // Ten seconds of work after the call, and ready again.
    world.hang_up("carrier");
    world.run(2 * S);
    assert_eq!(state(&mut world, "1001"), "WORK");
    world.run(10 * S);
    assert_eq!(state(&mut world, "1001"), "READY");

    // The same day again: the same; with a specialist who takes every call: another.
    let was = as_it_was(&plan(), &world.told);
    assert_eq!(was.len(), 1, "{:?}", world.told);
    assert_eq!((was[0].fate, was[0].agent.as_ref().map(|agent| agent.0.as_str())), (Fate::Answered, Some("1001")));
    assert!(was[0].waited >= 5 * S);
    let mut better = plan();
    better.agents[0].attributes.insert("bicycles".into(), 9);
    let would_be = what_if(&plan(), &better, &world.told);
    assert_eq!(would_be[0].fate, Fate::Answered);
    assert!(would_be[0].waited < 3 * S, "{would_be:?}");
}

#[test]
fn figures_of_the_day_go_on_when_the_call_server_comes_back() {
    let mut world = World::lab_of(&site(), 9, Sound::still(), Some(S));
    let answered = |world: &mut World| match world.ask("cvp1", Control::Routing) {
        Reply::Routing(routing) => {
            let sales = routing.intervals.iter().filter_map(|interval| interval.queues.get("sales"));
            sales.map(|queue| queue.answered).sum::<u32>()
        }
        other => panic!("figures, not {other:?}"),
    };
    world.ready("1001");
    to_the_queue(&mut world);
    world.until(10 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    world.hang_up("carrier");
    world.run(70 * S);
    world.ready("1002"); // something happens in another minute
    world.run(S);
    assert_eq!(answered(&mut world), 1);

    world.kill("cvp1");
    world.run(S);
    world.restart(roles::Plan::compile(&site(), "cvp1", 1).unwrap(), Papers::node("cvp1.lab.example"));
    world.run(S);
    assert_eq!(answered(&mut world), 1);
}

#[test]
fn a_script_that_ends_lets_the_caller_go() {
    let mut world = World::lab_of(&site(), 8, Sound::still(), None);
    to_the_queue(&mut world);
    world.run(70 * S);
    assert!(world.saw("cube1", "carrier", "BYE"), "{}", world.ladder());
    assert!(
        world.decisions.iter().any(|(_, words)| words == "script day, step end: the end"),
        "{:#?}",
        world.decisions
    );
    assert_eq!(as_it_was(&plan(), &world.told)[0].fate, Fate::Released);
}

#[test]
fn a_desk_sees_its_call_ring_and_connect_and_hangs_it_up() {
    let mut world = World::lab(11, Sound::still(), Some(2 * S));
    let dialogs = |world: &mut World| match world.ask("cvp1", Control::Dialogs) {
        Reply::Dialogs(dialogs) => dialogs,
        other => panic!("dialogs, not {other:?}"),
    };
    world.ready("1001");
    to_the_queue(&mut world);
    world.until(5 * S, |world| world.saw("cucm1", "cvp1", "180 INVITE"));
    let ringing = dialogs(&mut world);
    let [dialog] = ringing.as_slice() else { panic!("{ringing:?}") };
    assert_eq!((dialog.agent.as_str(), dialog.extension.as_str(), dialog.connected), ("1001", "1001", false));
    assert_eq!((dialog.dialled.as_str(), dialog.queue.as_deref()), ("6016", Some("sales")));
    // One that rings is not dropped: the phone is the agent's to answer or not.
    assert!(matches!(
        world.ask("cvp1", Control::Drop { call: dialog.call, agent: dialog.agent.clone() }),
        Reply::Sorry(_)
    ));
    world.until(10 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    let talking = dialogs(&mut world);
    assert!(talking[0].connected && talking[0].call == dialog.call && talking[0].since_ms >= dialog.since_ms);
    assert_eq!(world.ask("cvp1", Control::Drop { call: dialog.call, agent: dialog.agent.clone() }), Reply::Done);
    world.run(2 * S);
    assert!(world.saw("cvp1", "cube1", "BYE") && world.saw("cvp1", "cucm1", "BYE"), "both sides are told");
    assert_eq!(dialogs(&mut world), []);
    assert_eq!(state(&mut world, "1001"), "READY");
    assert!(matches!(
        world.ask("cvp1", Control::Drop { call: dialog.call, agent: dialog.agent.clone() }),
        Reply::Sorry(_)
    ));
}

#[test]
fn a_caller_whom_an_agent_sends_on_hears_music_and_reaches_the_next_one_with_the_notes() {
    let site = Site::parse(&LAB.replacen(
        "[[node.role.call_server.agent]]\nid = \"1002\"\nextension = \"1002\"\nqueues = [\"sales\"]",
        "[[node.role.call_server.queue]]\nname = \"tax\"\n\n[[node.role.call_server.wrap_up_reason]]\nlabel = \"sold\"\n\n[[node.role.call_server.agent]]\nid = \"1002\"\nextension = \"1002\"\nqueues = [\"tax\"]",
        1,
    ))
    .unwrap_or_else(|problems| panic!("{}", problems[0]));
    let mut world = World::lab_of(&site, 13, Sound::still(), Some(S));
    let dialogs = |world: &mut World| match world.ask("cvp1", Control::Dialogs) {
        Reply::Dialogs(dialogs) => dialogs,
        other => panic!("dialogs, not {other:?}"),
    };
    world.ready("1001");
    to_the_queue(&mut world);
    world.until(15 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    let call = dialogs(&mut world)[0].call;
    let agent = || "1001".to_owned();
    let values = [("wrapUpReason".to_owned(), "sold".to_owned())].into();
    assert_eq!(world.ask("cvp1", Control::Note { call, agent: agent(), values }), Reply::Done);
    assert!(matches!(
        world.ask("cvp1", Control::Transfer { call, agent: agent(), to: "none".into() }),
        Reply::Sorry(_)
    ));
    assert_eq!(world.ask("cvp1", Control::Transfer { call, agent: agent(), to: "tax".into() }), Reply::Done);
    world.run(3 * S);
    // The first agent is free again, the caller waits: nobody serves the other queue yet.
    assert_eq!(state(&mut world, "1001"), "READY");
    assert_eq!(dialogs(&mut world), []);
    assert!(world.saw("cvp1", "cucm1", "BYE") && !world.saw("cvp1", "cube1", "BYE"));
    match world.ask("cvp1", Control::Queues) {
        Reply::Queues(queues) => assert_eq!(queues.iter().map(|queue| queue.waiting).collect::<Vec<_>>(), [0, 1]),
        other => panic!("queues, not {other:?}"),
    }
    world.ready("1002");
    world.run(10 * S);
    let talking = dialogs(&mut world);
    let [dialog] = talking.as_slice() else { panic!("{talking:?}") };
    assert_eq!((dialog.agent.as_str(), dialog.queue.as_deref(), dialog.connected), ("1002", Some("tax"), true));
    assert_eq!(dialog.notes.get("wrapUpReason").map(String::as_str), Some("sold"));
    assert!(world.decisions.iter().any(|(_, words)| words == "wrap-up reason: sold"));
    world.hang_up("carrier");
    world.run(3 * S);
    assert_eq!(state(&mut world, "1002"), "READY");
}
