//! What desks have agents' phones do with calls, and what phones do by their own keys: over real messages in virtual time.

mod mishaps;

use std::time::Duration;

use call::record::LegState;
use roles::{Control, DialogView, Kind, Outward, Reply, Verb};
use sim::rig::{Bend, Papers, Sound, World, lab};

use crate::steps::{state, to_the_agent, to_the_queue};

pub(crate) const S: Duration = Duration::from_secs(1);

/// Where what a caller hears comes from.
const MUSIC: &str = "127.18.133.143";
const OTHER_MUSIC: &str = "127.18.133.144";
const PHONE: &str = "127.18.133.75";

/// The lab with phones that do as they are told, or know nothing of it.
fn lab(seed: u64, sound: Sound, call_control: bool, answer_after: Option<Duration>) -> World {
    let mut world = World::new(seed, sound);
    world.start_site(&lab::site());
    world.start(lab::carrier(), Papers::None);
    for line in ["1001", "1002"] {
        let mut plan = lab::agent(line, answer_after);
        if let Kind::Phone(phone) = &mut plan.kind {
            (phone.call_control, phone.calls) = (call_control, 2);
        }
        world.start(plan, Papers::phone(&format!("phone{line}.lab.example")));
    }
    world.run(S);
    world
}

pub(crate) fn dialogs(world: &mut World) -> Vec<DialogView> {
    match world.ask("cvp1", Control::Dialogs) {
        Reply::Dialogs(dialogs) => dialogs,
        other => panic!("dialogs, not {other:?}"),
    }
}

#[track_caller]
pub(crate) fn dialog(world: &mut World) -> DialogView {
    let dialogs = dialogs(world);
    let [dialog] = dialogs.as_slice() else { panic!("one dialog, not {dialogs:?}\n{}", world.ladder()) };
    dialog.clone()
}

/// Asks for it, and gives what came of it.
fn work(world: &mut World, verb: Verb) -> Reply {
    let DialogView { call, agent, .. } = dialog(world);
    outcome(world, Control::Work { call, agent, verb, with: String::new() })
}

/// The same of one of several calls of agent 1001's.
pub(crate) fn work_on(world: &mut World, call: u64, verb: Verb, with: &str) -> Reply {
    outcome(world, Control::Work { call, agent: "1001".into(), verb, with: with.into() })
}

fn make_call(world: &mut World, to: &str) -> Reply {
    outcome(world, Control::MakeCall { agent: "1001".into(), to: to.into() })
}

pub(crate) fn outcome(world: &mut World, control: Control) -> Reply {
    let asked = world.control("cvp1", control);
    world.until(40 * S, |world| world.replies.contains_key(&asked));
    world.replies.remove(&asked).expect("it is there")
}

#[track_caller]
pub(crate) fn refused(reply: &Reply, words: &str) {
    match reply {
        Reply::Sorry(said) => assert!(said.contains(words), "`{words}` is not in `{said}`"),
        other => panic!("not {other:?}"),
    }
}

/// With whom the caller's media is.
pub(crate) fn hears(world: &mut World) -> String {
    let calls = world.calls("cube1");
    let media = calls[1].media.as_ref().and_then(|media| media.remote);
    media.map(|addr| addr.ip().to_string()).unwrap_or_default()
}

fn nothing_is_left(world: &mut World) {
    world.run(40 * S);
    for node in ["cube1", "cvp1", "vvb1", "vvb2", "cucm1", "phone1001", "phone1002", "carrier"] {
        match world.ask(node, Control::Status) {
            Reply::Status(status) => {
                let left = (status.calls, status.legs, status.dialogs);
                assert_eq!(left, (0, 0, 0), "{node} keeps {status:?}\n{}", world.ladder());
            }
            other => panic!("a status, not {other:?}"),
        }
    }
    for (node, leg) in &world.legs {
        assert_eq!(leg.state, LegState::Ended, "{node}: {leg:?}");
    }
}

/// The caller hears music, the agent's phone and the desk know it.
#[track_caller]
fn is_held(world: &mut World) {
    let dialog = dialog(world);
    assert!(dialog.connected && dialog.held, "{dialog:?}\n{}", world.ladder());
    assert_eq!(state(world, "1001"), "HOLD");
    assert_eq!(hears(world), MUSIC, "{}", world.ladder());
}

#[track_caller]
fn is_talking(world: &mut World) {
    let dialog = dialog(world);
    assert!(dialog.connected && !dialog.held, "{dialog:?}\n{}", world.ladder());
    assert_eq!(dialog.verbs, [Verb::Hold, Verb::Consult, Verb::Press]);
    assert_eq!(state(world, "1001"), "TALKING");
    assert_eq!(hears(world), PHONE, "{}", world.ladder());
}

#[test]
fn a_phone_that_holds_by_its_own_key_is_held_at_the_desk_and_its_caller_hears_music() {
    let mut world = lab(1, Sound::real(1, World::prompts()), true, Some(S));
    to_the_agent(&mut world);
    is_talking(&mut world);
    let before = dialog(&mut world);
    assert_eq!(world.ask("phone1001", Control::Hold { on: true }), Reply::Done);
    world.run(2 * S);
    is_held(&mut world);
    assert_eq!(dialog(&mut world).verbs, [Verb::Retrieve]);
    assert!(dialog(&mut world).since_ms > before.since_ms);
    let heard = |world: &mut World| {
        let legs = world.calls("cube1");
        let media = |at: usize| legs[at].media.clone().expect("media visits the border");
        (media(0).tx_octets, media(1).rx_protected, media(1).auth_failed, media(0).tx_clear)
    };
    let at_first = heard(&mut world);
    let phone = |world: &mut World| world.calls("phone1001")[0].media.clone().expect("a phone ends media");
    let quiet = (phone(&mut world).tx_protected, phone(&mut world).rx_protected);
    world.run(5 * S);
    let after = heard(&mut world);
    assert!(after.1 >= at_first.1 + 200, "music is a packet each 20 ms: {at_first:?} {after:?}");
    assert_eq!(after.2, at_first.2, "nothing came with keys of before");
    let still = (phone(&mut world).tx_protected, phone(&mut world).rx_protected);
    assert_eq!(still, quiet, "the phone neither says nor hears anything");
    assert!(!world.saw("cube1", "carrier", "INVITE"), "the carrier's leg is left in peace");
    // Of the phone's own side nothing in clear, and nothing that was not secured.
    for leg in world.calls("cvp1").iter().chain(&world.calls("cucm1")) {
        assert!(leg.passed.as_ref().is_some_and(|passed| passed.is_secure() && passed.sdes_key_seen), "{leg:?}");
    }

    assert_eq!(world.ask("phone1001", Control::Hold { on: false }), Reply::Done);
    world.run(2 * S);
    is_talking(&mut world);
    let back = (phone(&mut world).tx_protected, phone(&mut world).rx_protected);
    assert!(back.0 > still.0 + 50 && back.1 > still.1 + 50, "they talk again: {still:?} {back:?}");
    let words: Vec<String> =
        world.calls("cvp1").iter().flat_map(|leg| leg.events.iter().map(|event| event.what.clone())).collect();
    for expected in ["the agent's phone holds the caller", "the agent is back with the caller"] {
        assert!(words.iter().any(|what| what == expected), "{expected}: {words:?}");
    }
    world.hang_up("carrier");
    nothing_is_left(&mut world);
    for node in ["cube1", "cvp1", "cucm1"] {
        assert_eq!(world.statements_of(node).len(), 1, "{node}");
    }
}

/// As phones of the old kind do it (RFC 2543): no address, and nothing said of a direction.
#[test]
fn a_phone_that_holds_by_no_address_is_held_as_well() {
    for seed in 0..8 {
        let mut world = lab(40 + seed, Sound::still(), true, Some(S));
        to_the_agent(&mut world);
        let old = |text: &str| match text.contains("a=sendonly") {
            true => text
                .replace("a=sendonly", "a=sendrecv")
                .replace("c=IN IP4 127.18.133.75", &format!("c=IN IP4 {:<13}", "0.0.0.0")),
            false => text.to_owned(),
        };
        world.bend = Some(Bend { node: "phone1001".into(), how: old });
        assert_eq!(world.ask("phone1001", Control::Hold { on: true }), Reply::Done);
        world.run(2 * S);
        is_held(&mut world);
        // The border cannot be spared it, and tells the carrier; but music is heard there in the end.
        let legs = world.calls("cube1");
        let last = legs[0].events.iter().rfind(|event| event.what.starts_with("media is now"));
        assert_eq!(last.map_or("media is now sendrecv", |event| event.what.as_str()), "media is now sendrecv");
        assert_eq!(world.ask("phone1001", Control::Hold { on: false }), Reply::Done);
        world.run(2 * S);
        is_talking(&mut world);
        world.hang_up("carrier");
        nothing_is_left(&mut world);
    }
}

#[test]
fn a_desk_has_the_phone_hold_and_take_back_by_telling_it() {
    let mut world = lab(2, Sound::still(), true, Some(S));
    to_the_agent(&mut world);
    assert_eq!(work(&mut world, Verb::Hold), Reply::Done);
    world.run(S);
    assert!(world.saw("cvp1", "cucm1", "NOTIFY") && world.saw("cucm1", "phone1001", "NOTIFY"), "{}", world.ladder());
    assert!(world.saw("phone1001", "cucm1", "INVITE"), "the phone does it itself: {}", world.ladder());
    is_held(&mut world);
    assert!(matches!(work(&mut world, Verb::Hold), Reply::Sorry(_)), "held already");
    let call = dialog(&mut world).call;
    assert!(matches!(
        world.ask("cvp1", Control::Transfer { call, agent: "1001".into(), to: "sales".into() }),
        Reply::Sorry(_)
    ));
    assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done);
    world.run(S);
    is_talking(&mut world);
    assert!(matches!(work(&mut world, Verb::Retrieve), Reply::Sorry(_)), "not held");
    // Held by the desk, taken back by the phone's own key.
    assert_eq!(work(&mut world, Verb::Hold), Reply::Done);
    world.run(S);
    assert_eq!(world.ask("phone1001", Control::Hold { on: false }), Reply::Done);
    world.run(S);
    is_talking(&mut world);
    world.hang_up("phone1001");
    nothing_is_left(&mut world);
}

#[test]
fn a_phone_that_takes_no_orders_is_held_from_here() {
    let mut world = lab(3, Sound::real(3, World::prompts()), false, Some(S));
    to_the_agent(&mut world);
    is_talking(&mut world);
    assert_eq!(work(&mut world, Verb::Hold), Reply::Done);
    world.run(2 * S);
    is_held(&mut world);
    assert!(!world.saw("cucm1", "phone1001", "NOTIFY"), "{}", world.ladder());
    let phone = |world: &mut World| {
        let media = world.calls("phone1001")[0].media.clone().expect("a phone ends media");
        (media.tx_protected, media.rx_protected)
    };
    let quiet = phone(&mut world);
    world.run(5 * S);
    assert_eq!(phone(&mut world), quiet, "the phone neither says nor hears anything");
    assert!(!world.saw("cube1", "carrier", "INVITE"), "the carrier's leg is left in peace");
    assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done);
    world.run(2 * S);
    is_talking(&mut world);
    let back = phone(&mut world);
    assert!(back.0 > quiet.0 + 50 && back.1 > quiet.1 + 50, "they talk again: {quiet:?} {back:?}");

    // By its own key it is the phone's alone to take back.
    assert_eq!(world.ask("phone1001", Control::Hold { on: true }), Reply::Done);
    world.run(S);
    assert_eq!(dialog(&mut world).verbs, []);
    assert!(matches!(work(&mut world, Verb::Retrieve), Reply::Sorry(_)));
    assert_eq!(world.ask("phone1001", Control::Hold { on: false }), Reply::Done);
    world.run(S);
    is_talking(&mut world);
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

#[test]
fn hanging_up_while_held_ends_everything() {
    for who in ["carrier", "phone1001", "desk"] {
        for call_control in [false, true] {
            let mut world = lab(4, Sound::still(), call_control, Some(S));
            to_the_agent(&mut world);
            assert_eq!(work(&mut world, Verb::Hold), Reply::Done);
            world.run(S);
            is_held(&mut world);
            match who {
                "desk" => {
                    let call = dialog(&mut world).call;
                    assert_eq!(world.ask("cvp1", Control::Drop { call, agent: "1001".into() }), Reply::Done);
                }
                node => world.hang_up(node),
            }
            world.run(S);
            assert_eq!(dialogs(&mut world), []);
            assert_eq!(state(&mut world, "1001"), "READY");
            nothing_is_left(&mut world);
        }
    }
}

#[test]
fn music_that_is_lost_comes_from_the_next_browser() {
    let mut world = lab(5, Sound::still(), true, Some(S));
    to_the_agent(&mut world);
    assert_eq!(work(&mut world, Verb::Hold), Reply::Done);
    world.run(S);
    is_held(&mut world);
    world.kill("vvb1");
    world.run(30 * S);
    assert!(dialog(&mut world).held);
    assert_eq!(hears(&mut world), OTHER_MUSIC, "{}", world.ladder());
    // With none left the caller is held in silence, and can be taken back.
    world.kill("vvb2");
    world.run(30 * S);
    assert!(dialog(&mut world).held);
    assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done);
    world.run(S);
    is_talking(&mut world);
    assert_eq!(work(&mut world, Verb::Hold), Reply::Done);
    world.run(S);
    assert!(dialog(&mut world).held);
    world.hang_up("carrier");
    world.run(40 * S);
    for node in ["cube1", "cvp1", "cucm1", "phone1001"] {
        assert_eq!(world.calls(node).len(), 0, "{node}");
    }
}

#[test]
fn a_held_call_is_kept_up_by_refreshes_and_outlives_the_call_server() {
    for call_control in [false, true] {
        let mut world = lab(6, Sound::still(), call_control, Some(S));
        to_the_agent(&mut world);
        assert_eq!(work(&mut world, Verb::Hold), Reply::Done);
        world.run(7200 * S);
        is_held(&mut world);
        world.kill("cvp1");
        world.run(2 * S);
        world.restart(roles::Plan::compile(&lab::site(), "cvp1", 1).unwrap(), Papers::node("cvp1.lab.example"));
        world.run(2 * S);
        assert!(dialog(&mut world).held, "{}", world.ladder());
        assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done, "{}", world.ladder());
        world.run(2 * S);
        assert_eq!(hears(&mut world), PHONE, "{}", world.ladder());
        world.hang_up("carrier");
        world.run(40 * S);
        for node in ["cube1", "cvp1", "cucm1", "phone1001"] {
            assert_eq!(world.calls(node).len(), 0, "{node}");
        }
    }
}

#[test]
fn a_phone_that_rings_is_answered_at_the_desk_if_it_can_be_told() {
    let mut world = lab(7, Sound::still(), true, None);
    to_the_queue(&mut world);
    world.ready("1001");
    world.until(5 * S, |world| world.saw("cucm1", "cvp1", "180 INVITE"));
    world.run(S);
    assert_eq!(dialog(&mut world).verbs, [Verb::Answer]);
    assert!(matches!(work(&mut world, Verb::Hold), Reply::Sorry(_)), "it rings");
    assert_eq!(work(&mut world, Verb::Answer), Reply::Done);
    world.run(2 * S);
    is_talking(&mut world);
    world.hang_up("carrier");
    nothing_is_left(&mut world);

    let mut world = lab(8, Sound::still(), false, None);
    to_the_queue(&mut world);
    world.ready("1001");
    world.until(5 * S, |world| world.saw("cucm1", "cvp1", "180 INVITE"));
    world.run(S);
    assert_eq!(dialog(&mut world).verbs, []);
    match work(&mut world, Verb::Answer) {
        Reply::Sorry(words) => assert!(words.contains("Event: talk"), "{words}"),
        other => panic!("not {other:?}"),
    }
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

/// Who may have a phone pick up may listen to a room: the profile of the trunk says who may.
#[test]
fn a_trunk_without_the_right_is_not_told_that_a_phone_could_be_controlled() {
    let site = include_str!("../../../../examples/lab.toml").replace("accept_unsolicited_notification = true", "");
    let site = site::Site::parse(&site).unwrap_or_else(|problems| panic!("{}", problems[0]));
    let mut world = World::lab_of(&site, 9, Sound::still(), None);
    to_the_queue(&mut world);
    world.ready("1001");
    world.until(5 * S, |world| world.saw("cucm1", "cvp1", "180 INVITE"));
    world.run(S);
    assert_eq!(dialog(&mut world).verbs, []);
    world.control("phone1001", Control::Answer);
    world.run(2 * S);
    // Held all the same, from here.
    assert_eq!(work(&mut world, Verb::Hold), Reply::Done);
    world.run(S);
    is_held(&mut world);
    assert!(!world.saw("cucm1", "phone1001", "NOTIFY"), "{}", world.ladder());
    assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done);
    world.hang_up("carrier");
    nothing_is_left(&mut world);
    // Nor does a phone pick up by itself for it.
    let asked = world.control("cvp1", Control::MakeCall { agent: "1001".into(), to: "1002".into() });
    world.run(3 * S);
    assert_eq!(dialog(&mut world).outgoing, Some(Outward::Initiating));
    world.control("phone1001", Control::Answer);
    world.run(S);
    world.control("phone1002", Control::Answer);
    world.run(S);
    assert_eq!(world.replies.get(&asked), Some(&Reply::Done), "{}", world.ladder());
    world.hang_up("phone1002");
    nothing_is_left(&mut world);
}

#[test]
fn hold_and_back_with_nodes_written_out_and_read_back_at_random_steps() {
    for seed in 0..20 {
        let mut world = lab(100 + seed, Sound::still(), seed % 2 == 0, Some(S));
        world.shake();
        to_the_agent(&mut world);
        for _ in 0..3 {
            assert_eq!(work(&mut world, Verb::Hold), Reply::Done, "seed {seed}: {}", world.ladder());
            world.run(S);
            is_held(&mut world);
            assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done, "seed {seed}: {}", world.ladder());
            world.run(S);
            is_talking(&mut world);
        }
        world.hang_up(if seed % 3 == 0 { "carrier" } else { "phone1001" });
        nothing_is_left(&mut world);
    }
}

/// Without a pause between them: whatever crosses, nobody is left hanging.
#[test]
fn hold_and_back_in_quick_succession_end_in_what_was_asked_last() {
    for pause_ms in [0, 1, 2, 3, 5, 8, 13, 21, 50] {
        let mut world = lab(200, Sound::still(), true, Some(S));
        to_the_agent(&mut world);
        for turn in 0..6 {
            // The phone says no while media is being agreed, and then it was not asked.
            world.control("phone1001", Control::Hold { on: turn % 2 == 0 });
            world.run(Duration::from_millis(pause_ms));
        }
        world.run(3 * S);
        let held = dialog(&mut world).held;
        let phone = world.calls("phone1001");
        let says: Vec<&str> = phone[0].events.iter().map(|event| event.what.as_str()).collect();
        let last = says.iter().rfind(|what| what.starts_with("media is ")).copied().unwrap_or("media is sendrecv");
        assert_eq!(held, !last.starts_with("media is sendrecv"), "{pause_ms} ms: {says:?}\n{}", world.ladder());
        assert_eq!(hears(&mut world), if held { MUSIC } else { PHONE }, "{pause_ms} ms: {}", world.ladder());
        world.hang_up("carrier");
        nothing_is_left(&mut world);
    }
}

/// How a consultation stands: the held call, then the other one.
#[track_caller]
fn consulting(world: &mut World) -> (DialogView, DialogView) {
    let dialogs = dialogs(world);
    let [held, other] = dialogs.as_slice() else { panic!("two dialogs, not {dialogs:?}\n{}", world.ladder()) };
    assert_eq!((held.beside, other.beside), (Some(other.call), Some(held.call)));
    (held.clone(), other.clone())
}

#[test]
fn an_agent_calls_somebody_from_the_desk() {
    let mut world = lab(20, Sound::real(20, World::prompts()), true, None);
    world.ready("1001");
    let asked = world.control("cvp1", Control::MakeCall { agent: "1001".into(), to: "1002".into() });
    world.run(S);
    // The agent's own phone picked up by itself; the other rings.
    assert!(world.saw("cucm1", "phone1002", "INVITE"), "{}", world.ladder());
    let ringing = dialog(&mut world);
    assert_eq!((ringing.outgoing, ringing.connected), (Some(Outward::Initiated), false));
    assert_eq!((ringing.calling.as_str(), ringing.dialled.as_str()), ("1001", "1002"));
    assert_eq!(state(&mut world, "1001"), "TALKING");
    assert!(!world.replies.contains_key(&asked));
    world.control("phone1002", Control::Answer);
    world.run(2 * S);
    assert_eq!(world.replies.get(&asked), Some(&Reply::Done), "{}", world.ladder());
    assert_eq!(dialog(&mut world).outgoing, Some(Outward::Connected));
    let heard = |world: &mut World, phone: &str| {
        let media = world.calls(phone)[0].media.clone().expect("a phone ends media");
        (media.rx_protected, media.rx_clear, media.auth_failed)
    };
    for phone in ["phone1001", "phone1002"] {
        let (protected, clear, failed) = heard(&mut world, phone);
        assert!(protected > 50 && clear == 0 && failed == 0, "{phone}");
    }
    // What an agent does with a caller is done with whom they called too.
    assert_eq!(work(&mut world, Verb::Hold), Reply::Done);
    world.run(S);
    assert_eq!(state(&mut world, "1001"), "HOLD");
    let before = heard(&mut world, "phone1002").0;
    world.run(2 * S);
    assert!(heard(&mut world, "phone1002").0 > before + 50, "music");
    assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done);
    world.run(S);
    let call = dialog(&mut world).call;
    assert_eq!(world.ask("cvp1", Control::Drop { call, agent: "1001".into() }), Reply::Done);
    world.run(S);
    let Reply::Agents(agents) = world.ask("cvp1", Control::Agents) else { panic!("agents") };
    let agent = agents.iter().find(|agent| agent.id == "1001").expect("the agent");
    assert_eq!((agent.state.as_str(), agent.reason.as_str()), ("NOT_READY", acd::OUTGOING));
    nothing_is_left(&mut world);
}

#[test]
fn a_call_that_reaches_nobody_says_why() {
    let mut world = lab(21, Sound::still(), true, None);
    refused(&make_call(&mut world, "1002"), "logged out");
    world.ready("1001");
    refused(&make_call(&mut world, "1099"), "no line has the number called");
    refused(&make_call(&mut world, "1001"), "own phone");
    for hostile in
        ["", "a b", "1002;user=phone", "1002@elsewhere", "1002\r\nVia: x", "%00", "<1002>", "é", &"1".repeat(65)]
    {
        refused(&make_call(&mut world, hostile), "digits");
    }
    refused(&make_call(&mut world, "1002"), "the destination did not answer in time");
    assert_eq!(state(&mut world, "1001"), "NOT_READY");
    assert_eq!(dialogs(&mut world), []);
    // The other hangs up before it is answered; who is in a call makes no second one.
    let asked = world.control("cvp1", Control::MakeCall { agent: "1001".into(), to: "1002".into() });
    world.run(S);
    refused(&make_call(&mut world, "1002"), "talking");
    world.hang_up("phone1002");
    world.run(S);
    refused(&world.replies[&asked].clone(), "603");
    nothing_is_left(&mut world);
    // A phone that does not pick up by itself, nor by hand.
    let mut world = lab(22, Sound::still(), false, None);
    world.ready("1001");
    refused(&make_call(&mut world, "1002"), "the agent's own phone did not answer in time");
    assert!(!world.saw("cucm1", "phone1002", "INVITE"));
    nothing_is_left(&mut world);
}

#[test]
fn an_agent_consults_and_brings_both_together() {
    let mut world = lab(23, Sound::real(23, World::prompts()), true, Some(S));
    to_the_agent(&mut world);
    let call = dialog(&mut world).call;
    assert_eq!(work_on(&mut world, call, Verb::Consult, "1002"), Reply::Done, "{}", world.ladder());
    world.run(S);
    let (held, other) = consulting(&mut world);
    assert!(held.held && held.verbs == [Verb::Complete], "{held:?}");
    assert_eq!((other.outgoing, other.verbs.as_slice()), (Some(Outward::Connected), [Verb::Hold].as_slice()));
    assert_eq!(hears(&mut world), MUSIC);
    refused(&work_on(&mut world, call, Verb::Retrieve, ""), "consults");
    assert_eq!(work_on(&mut world, call, Verb::Complete, ""), Reply::Done);
    world.run(2 * S);
    assert_eq!(hears(&mut world), "127.18.133.74", "{}", world.ladder());
    assert_eq!(state(&mut world, "1001"), "READY", "the agent is out of it");
    assert_eq!(world.calls("phone1001").len(), 0);
    // Whom the agent consulted is an agent too, and has the call now: a desk's verbs work on it.
    let dialog = dialog(&mut world);
    assert_eq!((dialog.agent.as_str(), dialog.call, dialog.connected), ("1002", call, true));
    let media = |world: &mut World| world.calls("phone1002")[0].media.clone().expect("a phone ends media");
    let before = media(&mut world);
    world.run(2 * S);
    let after = media(&mut world);
    assert!(after.rx_protected > before.rx_protected + 50 && after.auth_failed == before.auth_failed, "they talk");
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

#[test]
fn a_consultation_ends_in_every_other_way() {
    for way in ["drop", "callee", "caller", "nobody"] {
        let mut world = lab(24, Sound::still(), way != "callee", (way != "nobody").then_some(S));
        if way == "nobody" {
            // The agent picks up by hand; whom they consult does not.
            to_the_queue(&mut world);
            world.ready("1001");
            world.run(S);
            world.control("phone1001", Control::Answer);
            world.run(2 * S);
        } else {
            to_the_agent(&mut world);
        }
        let call = dialog(&mut world).call;
        let reply = work_on(&mut world, call, Verb::Consult, "1002");
        world.run(S);
        match way {
            "nobody" => refused(&reply, "the destination did not answer in time"),
            _ => {
                assert_eq!(reply, Reply::Done, "{way}: {}", world.ladder());
                let (_, other) = consulting(&mut world);
                match way {
                    "drop" => drop(world.ask("cvp1", Control::Drop { call: other.call, agent: "1001".into() })),
                    "callee" => world.hang_up("phone1002"),
                    _ => world.hang_up("carrier"),
                }
                world.run(S);
            }
        }
        if way == "caller" {
            // The agent goes on with whom they consulted, and is given nobody else.
            let other = dialog(&mut world);
            assert_eq!((other.beside, other.outgoing), (None, Some(Outward::Connected)));
            assert_eq!(state(&mut world, "1001"), "TALKING");
            drop(world.ask("cvp1", Control::Drop { call: other.call, agent: "1001".into() }));
            world.run(S);
            assert_eq!(state(&mut world, "1001"), "READY");
        } else {
            assert!(dialog(&mut world).held, "{way}");
            assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done, "{way}: {}", world.ladder());
            world.run(S);
            is_talking(&mut world);
            world.hang_up("carrier");
        }
        nothing_is_left(&mut world);
    }
}

#[test]
fn a_ready_that_is_said_in_a_call_of_ones_own_holds_after_it() {
    let mut world = lab(25, Sound::still(), true, Some(S));
    world.ready("1001");
    assert_eq!(make_call(&mut world, "1002"), Reply::Done);
    world.ready("1001");
    to_the_queue(&mut world);
    world.run(2 * S);
    assert_eq!(dialogs(&mut world).len(), 1, "nobody is offered to who talks");
    // The call outlives its call server.
    world.kill("cvp1");
    world.run(S);
    world.restart(roles::Plan::compile(&lab::site(), "cvp1", 1).unwrap(), Papers::node("cvp1.lab.example"));
    world.run(S);
    assert_eq!(state(&mut world, "1001"), "TALKING");
    world.hang_up("phone1002");
    world.run(3 * S);
    assert_eq!(dialogs(&mut world).first().map(|dialog| dialog.queue.is_some()), Some(true), "the waiting caller");
    world.hang_up("carrier");
    world.run(40 * S);
}

#[test]
fn consultations_with_nodes_written_out_and_read_back_at_random_steps() {
    for seed in 0..12 {
        let mut world = lab(300 + seed, Sound::still(), true, Some(S));
        world.shake();
        to_the_agent(&mut world);
        let call = dialog(&mut world).call;
        assert_eq!(work_on(&mut world, call, Verb::Consult, "1002"), Reply::Done, "seed {seed}: {}", world.ladder());
        world.run(S);
        match seed % 3 {
            0 => {
                assert_eq!(work_on(&mut world, call, Verb::Complete, ""), Reply::Done, "{}", world.ladder());
                world.run(2 * S);
                assert_eq!(hears(&mut world), "127.18.133.74", "seed {seed}: {}", world.ladder());
                world.hang_up("phone1002");
            }
            1 => {
                world.hang_up("phone1002");
                world.run(S);
                assert_eq!(work(&mut world, Verb::Retrieve), Reply::Done, "seed {seed}: {}", world.ladder());
                world.hang_up("phone1001");
            }
            _ => {
                world.hang_up("carrier");
                world.run(S);
                world.hang_up("phone1002");
            }
        }
        nothing_is_left(&mut world);
    }
}

#[test]
fn keys_pressed_at_the_desk_reach_the_carrier_as_events() {
    let mut world = lab(26, Sound::real(26, World::prompts()), true, Some(S));
    to_the_agent(&mut world);
    let call = dialog(&mut world).call;
    for wrong in ["", "12x", &"1".repeat(33)] {
        refused(&work_on(&mut world, call, Verb::Press, wrong), "keys out of");
    }
    world.heard_keys.clear();
    assert_eq!(work_on(&mut world, call, Verb::Press, "12#"), Reply::Done, "{}", world.ladder());
    world.run(2 * S);
    let heard: String = world.heard_keys.iter().filter(|(node, _)| node == "carrier").map(|(_, key)| *key).collect();
    assert_eq!(heard, "12#", "{:?}", world.heard_keys);
    // Talk goes on after them; a phone is not sent any.
    is_talking(&mut world);
    world.hang_up("carrier");
    world.run(S);
    assert_eq!(make_call(&mut world, "1002"), Reply::Done);
    let call = dialog(&mut world).call;
    refused(&work_on(&mut world, call, Verb::Press, "1"), "phones");
    world.hang_up("phone1001");
    nothing_is_left(&mut world);
}
