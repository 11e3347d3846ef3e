//! Supervisors who listen, whisper, barge in and take over: who hears whom, how everybody leaves, and what is left of it.

use roles::{Control, DialogView, Oversight, Reply, Verb};
use sim::rig::{Bend, Sound, Weather, World};

use super::{
    MIXER, NODES, S, dialog, dialogs, hears, lab, nothing_is_left, passports, phone_hears, start_again, state,
};
use super::{refused, supervise, to_the_agent, will_not, work_on};

const ALL: [Oversight; 3] = [Oversight::Listen, Oversight::Whisper, Oversight::Barge];

/// How many packets of somebody's voice have come to the media resource, and what it sent, by seat.
fn supervised(world: &mut World, how: Oversight) {
    to_the_agent(world);
    assert_eq!(supervise(world, how), Reply::Done, "{how:?}: {}", world.ladder());
    world.run(2 * S);
    assert_eq!(hears(world), MIXER);
    for phone in ["phone1001", "phone1009"] {
        assert_eq!(phone_hears(world, phone), MIXER, "{how:?}");
    }
}

#[test]
fn a_supervisor_is_in_the_call_and_it_says_so_everywhere() {
    for (how, words) in ALL.into_iter().zip(["1009 listens: hears", "1009 whispers: hears", "1009 has barged in"]) {
        let mut world = lab(20, Sound::real(20, World::prompts()));
        supervised(&mut world, how);
        let all = dialogs(&mut world);
        let [of_agent, of_supervisor] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((of_agent.agent.as_str(), of_supervisor.agent.as_str()), ("1001", "1009"));
        assert_eq!((of_supervisor.supervises, of_supervisor.beside), (Some(how), Some(of_agent.call)));
        assert_eq!(of_agent.parties.contains(&"1009".to_owned()), how == Oversight::Barge);
        assert_eq!(state(&mut world, "1009"), "TALKING");
        let media: Vec<_> = world.calls("mr1").into_iter().map(|leg| leg.media.expect("it ends media")).collect();
        assert!(media.iter().all(|media| media.is_protected() && media.rx_protected > 50 && media.auth_failed == 0));
        let (call, agent) = (of_supervisor.call, "1009".to_owned());
        assert_eq!(world.ask("cvp1", Control::Drop { call, agent }), Reply::Done);
        world.run(2 * S);
        // As before, and everything is possible again.
        assert_eq!(hears(&mut world), "127.18.133.75", "{}", world.ladder());
        assert_eq!(dialog(&mut world).verbs, [Verb::Hold, Verb::Consult, Verb::Press]);
        assert_eq!(state(&mut world, "1009"), "NOT_READY");
        world.hang_up("carrier");
        nothing_is_left(&mut world);
        let text = passports(&world);
        assert!(text.contains(words), "{words}: {text}");
        assert!(world.decisions.iter().any(|(_, what)| what.contains(words)), "{:?}", world.decisions);
        assert_eq!(world.audit.len(), 1, "{:?}", world.audit);
        assert_eq!(world.audit[0].0, "1009");
    }
}

/// While a call moves into the media resource and out of it again, what is heard is not interrupted for longer than a blink.
#[test]
fn who_is_supervised_loses_hardly_a_word() {
    let mut world = lab(21, Sound::real(21, World::prompts()));
    to_the_agent(&mut world);
    let heard = |world: &mut World| {
        let sbc = world.calls("cube1").into_iter().nth(1).and_then(|leg| leg.media).expect("media visits the border");
        let phone = world.calls("phone1001").into_iter().next().and_then(|leg| leg.media).expect("a phone ends media");
        [sbc.rx_protected, phone.rx_protected]
    };
    let mut worst = u64::MAX;
    let asked = world.control(
        "cvp1",
        Control::Supervise { supervisor: "1009".into(), agent: "1001".into(), how: Oversight::Listen },
    );
    for turn in 0..60 {
        let before = heard(&mut world);
        world.run(S / 5);
        if turn == 30 {
            assert_eq!(world.replies.get(&asked), Some(&Reply::Done));
            world.hang_up("phone1009");
        }
        for (before, after) in before.into_iter().zip(heard(&mut world)) {
            worst = worst.min(after - before);
        }
    }
    // Ten packets in 200 ms: never more than five are missing, in and out.
    assert!(worst >= 5, "{worst} of 10 packets in the worst fifth of a second");
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

#[test]
fn whoever_hangs_up_nobody_is_left_hanging() {
    for how in ALL {
        for who in ["carrier", "phone1001", "phone1009"] {
            let mut world = lab(22, Sound::still());
            supervised(&mut world, how);
            world.hang_up(who);
            world.run(2 * S);
            match (who, how) {
                ("phone1009", _) => {
                    assert_eq!(hears(&mut world), "127.18.133.75", "{how:?}: {}", world.ladder());
                    assert_eq!(state(&mut world, "1001"), "TALKING");
                    world.hang_up("carrier");
                }
                ("phone1001", Oversight::Barge) => {
                    // They heard each other: the caller talks on with the supervisor.
                    assert_eq!(hears(&mut world), "127.18.133.73", "{}", world.ladder());
                    assert_eq!(dialog(&mut world).agent, "1009");
                    assert_eq!(
                        (state(&mut world, "1001").as_str(), state(&mut world, "1009").as_str()),
                        ("READY", "TALKING")
                    );
                    world.hang_up("carrier");
                }
                _ => assert_eq!(dialogs(&mut world), [], "{who} {how:?}"),
            }
            nothing_is_left(&mut world);
            assert_eq!(state(&mut world, "1009"), "NOT_READY");
            passports(&world);
        }
    }
}

#[test]
fn a_supervisor_goes_from_one_part_to_another_and_takes_over_in_the_end() {
    let mut world = lab(23, Sound::still());
    supervised(&mut world, Oversight::Listen);
    for how in [Oversight::Whisper, Oversight::Barge, Oversight::Listen] {
        assert_eq!(supervise(&mut world, how), Reply::Done, "{}", world.ladder());
        assert_eq!(dialogs(&mut world)[1].supervises, Some(how));
    }
    assert_eq!(world.calls("mr1").len(), 3, "nobody was called again");
    assert_eq!(supervise(&mut world, Oversight::TakeOver), Reply::Done);
    world.run(2 * S);
    assert_eq!(hears(&mut world), "127.18.133.73", "{}", world.ladder());
    assert_eq!(dialog(&mut world).agent, "1009");
    assert_eq!((state(&mut world, "1001").as_str(), state(&mut world, "1009").as_str()), ("READY", "TALKING"));
    assert_eq!(world.calls("phone1001").len(), 0);
    world.hang_up("carrier");
    nothing_is_left(&mut world);
    assert_eq!(world.audit.len(), 5, "{:?}", world.audit);
    let text = passports(&world);
    for words in ["listens: hears", "whispers: hears", "has barged in", "has taken the call over"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn a_supervisor_takes_a_call_over_without_a_media_resource() {
    let mut world = lab(24, Sound::real(24, World::prompts()));
    world.kill("mr1");
    to_the_agent(&mut world);
    assert_eq!(supervise(&mut world, Oversight::TakeOver), Reply::Done, "{}", world.ladder());
    world.run(2 * S);
    assert_eq!(hears(&mut world), "127.18.133.73");
    let now = dialog(&mut world);
    assert_eq!(
        (now.agent.as_str(), now.verbs.as_slice()),
        ("1009", [Verb::Hold, Verb::Consult, Verb::Press].as_slice())
    );
    assert_eq!(state(&mut world, "1001"), "READY");
    world.hang_up("phone1009");
    world.run(40 * S);
    assert_eq!(world.calls("cvp1").len(), 0);
}

#[test]
fn who_may_not_or_cannot_is_told_why_and_the_call_goes_on() {
    let mut world = lab(25, Sound::still());
    refused(&supervise(&mut world, Oversight::Listen), "no call that is connected");
    to_the_agent(&mut world);
    let mut asks = |by: &str, of: &str, words: &str| {
        let control = Control::Supervise { supervisor: by.into(), agent: of.into(), how: Oversight::Listen };
        refused(&super::outcome(&mut world, control), words);
    };
    asks("1002", "1001", "supervises no team");
    asks("1009", "1099", "no agent 1099");
    asks("1009", "1009", "their own calls");
    asks("1009", "1002", "no call that is connected");
    world.control("cvp1", Control::AgentLogout { agent: "1009".into(), reason: String::new() });
    world.run(S);
    refused(&supervise(&mut world, Oversight::Listen), "logged out");
    assert!(world.audit.is_empty(), "nobody tried who may");
    world.control("cvp1", Control::AgentLogin { agent: "1009".into() });
    let call = dialog(&mut world).call;
    assert_eq!(work_on(&mut world, call, Verb::Hold, ""), Reply::Done);
    world.run(S);
    refused(&supervise(&mut world, Oversight::Listen), "the caller is held");
    assert_eq!(work_on(&mut world, call, Verb::Retrieve, ""), Reply::Done);
    world.run(S);
    assert_eq!(hears(&mut world), "127.18.133.75");
    assert_eq!(work_on(&mut world, call, Verb::Consult, "1002"), Reply::Done);
    world.run(S);
    refused(&supervise(&mut world, Oversight::Listen), "consults somebody");
    world.hang_up("phone1002");
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

#[test]
fn nobody_sends_on_a_caller_to_whose_agent_a_supervisor_is_on_the_way() {
    for how in [Oversight::Listen, Oversight::TakeOver] {
        let mut world = lab(33, Sound::still());
        to_the_agent(&mut world);
        let DialogView { call, agent, queue, .. } = dialog(&mut world);
        world.control("cvp1", Control::Supervise { supervisor: "1009".into(), agent: agent.clone(), how });
        let to = queue.expect("a queue");
        refused(&super::outcome(&mut world, Control::Transfer { call, agent, to }), "on the way into the call");
        world.run(3 * S);
        let with = if how == Oversight::TakeOver { "1009" } else { "1001" };
        assert!(dialogs(&mut world).iter().any(|dialog| dialog.agent == with && dialog.connected));
        world.hang_up("carrier");
        nothing_is_left(&mut world);
    }
}

/// A call that the agent made, to a phone: nobody called in.
#[test]
fn a_call_that_an_agent_made_is_supervised_as_well() {
    let mut world = lab(30, Sound::real(30, World::prompts()));
    world.ready("1001");
    let asked = Control::MakeCall { agent: "1001".into(), to: "1002".into() };
    assert_eq!(super::outcome(&mut world, asked), Reply::Done);
    assert_eq!(supervise(&mut world, Oversight::Whisper), Reply::Done, "{}", world.ladder());
    world.run(2 * S);
    for phone in ["phone1001", "phone1002", "phone1009"] {
        assert_eq!(phone_hears(&mut world, phone), MIXER, "{phone}");
    }
    assert_eq!(supervise(&mut world, Oversight::TakeOver), Reply::Done);
    world.run(2 * S);
    assert_eq!(phone_hears(&mut world, "phone1002"), "127.18.133.73", "{}", world.ladder());
    world.hang_up("phone1002");
    nothing_is_left(&mut world);
    passports(&world);
}

#[test]
fn a_phone_or_a_media_resource_that_refuses_leaves_the_call_as_it_was() {
    let declines = |text: &str| match text.starts_with("SIP/2.0 200 OK") && text.contains(" INVITE\r\n") {
        true => text.replacen("200 OK", "486 No", 1),
        false => text.to_owned(),
    };
    for (node, how, words) in [
        ("phone1009", declines as fn(&str) -> String, "the supervisor's phone"),
        ("mr1", will_not, "the media resource"),
    ] {
        for oversight in ALL {
            let mut world = lab(26, Sound::still());
            to_the_agent(&mut world);
            world.bend = Some(Bend { node: node.into(), how });
            refused(&supervise(&mut world, oversight), words);
            world.bend = None;
            world.run(S);
            assert_eq!(hears(&mut world), "127.18.133.75", "{node}: {}", world.ladder());
            assert_eq!(dialog(&mut world).verbs, [Verb::Hold, Verb::Consult, Verb::Press]);
            assert_eq!(state(&mut world, "1009"), "NOT_READY");
            world.hang_up("carrier");
            world.run(40 * S);
            // Whose own word was bent believes in the call that it accepted.
            for node in NODES.into_iter().filter(|other| *other != node) {
                assert_eq!(world.calls(node).len(), 0, "{node}");
            }
        }
    }
    // Nobody is there.
    for oversight in ALL {
        let mut world = lab(27, Sound::still());
        to_the_agent(&mut world);
        world.kill("mr1");
        refused(&supervise(&mut world, oversight), "the media resource");
        assert_eq!(hears(&mut world), "127.18.133.75");
        world.hang_up("carrier");
        world.run(40 * S);
        for node in NODES.into_iter().filter(|node| *node != "mr1") {
            assert_eq!(world.calls(node).len(), 0, "{node}");
        }
    }
}

#[test]
fn a_media_resource_that_dies_leaves_caller_and_agent_talking() {
    for how in ALL {
        let mut world = lab(28, Sound::still());
        supervised(&mut world, how);
        world.kill("mr1");
        world.run(5 * S);
        assert_eq!(hears(&mut world), "127.18.133.75", "{}", world.ladder());
        assert_eq!(dialogs(&mut world).len(), 1);
        assert_eq!((state(&mut world, "1001").as_str(), state(&mut world, "1009").as_str()), ("TALKING", "NOT_READY"));
        world.hang_up("carrier");
        world.run(40 * S);
        for node in NODES.into_iter().filter(|node| *node != "mr1") {
            assert_eq!(world.calls(node).len(), 0, "{node}");
        }
    }
}

/// The caller and who has the call, agent or supervisor, hear each other, directly or through the media resource.
#[track_caller]
fn together(world: &mut World, place: &str) {
    if world.calls("cube1").is_empty() {
        // The answer for the supervisor's phone was lost with the process that had just agreed: nobody has another.
        let agreed = world.decisions.iter().any(|(_, what)| what.contains("has taken the call over"));
        return assert!(agreed, "{place}");
    }
    let heard = hears(world);
    let (phone, at) = match dialogs(world)[0].agent.as_str() {
        "1009" => ("phone1009", "127.18.133.73"),
        _ => ("phone1001", "127.18.133.75"),
    };
    let hers = phone_hears(world, phone);
    match heard.as_str() {
        MIXER => assert_eq!(hers, MIXER, "{place}"),
        heard => assert_eq!((heard, hers.as_str()), (at, "127.18.133.226"), "{place}"),
    }
}

/// The supervisor's phone picks up at once; then the caller is asked with its offer, while messages take up to 60 ms.
fn while_taking_over() -> impl Iterator<Item = u64> {
    (0..250).step_by(3)
}

fn taking_over(after_ms: u64) -> World {
    let mut world = lab(31 + after_ms, Sound::still());
    to_the_agent(&mut world);
    world.weather(Weather { delay_ms: 60, ..Weather::default() });
    let how = Oversight::TakeOver;
    world.control("cvp1", Control::Supervise { supervisor: "1009".into(), agent: "1001".into(), how });
    world.run(std::time::Duration::from_millis(after_ms));
    world
}

#[test]
fn a_supervisor_who_hangs_up_while_taking_over_leaves_caller_and_agent_talking() {
    for after_ms in while_taking_over() {
        let mut world = taking_over(after_ms);
        let supervisors = dialogs(&mut world).into_iter().find(|dialog| dialog.agent == "1009").expect("on the way");
        world.ask("cvp1", Control::Drop { call: supervisors.call, agent: "1009".into() });
        world.run(3 * S);
        let place = format!("after {after_ms} ms: {}", world.ladder());
        // Or they had the call, and it is over.
        if !dialogs(&mut world).is_empty() {
            together(&mut world, &place);
        }
        world.hang_up("carrier");
        nothing_is_left(&mut world);
    }
}

#[test]
fn a_call_server_that_starts_again_while_a_supervisor_takes_over_leaves_nobody_in_silence() {
    for after_ms in while_taking_over() {
        let mut world = taking_over(after_ms);
        start_again(&mut world);
        world.run(40 * S);
        let place = format!("after {after_ms} ms: {}", world.ladder());
        together(&mut world, &place);
        world.hang_up("carrier");
        nothing_is_left(&mut world);
    }
}

#[test]
fn an_agent_whose_phone_holds_while_a_supervisor_takes_over_disturbs_nobody() {
    for after_ms in while_taking_over() {
        let mut world = taking_over(after_ms);
        world.control("phone1001", Control::Hold { on: true });
        world.run(5 * S);
        let place = format!("after {after_ms} ms: {}", world.ladder());
        let now = dialog(&mut world);
        match now.held {
            true => assert!(hears(&mut world).starts_with("127.18.133.14"), "{place}"),
            false => together(&mut world, &place),
        }
        world.hang_up("carrier");
        nothing_is_left(&mut world);
    }
}

/// A media resource that goes on ringing holds the agent's call for no longer than a phone would ring.
#[test]
fn a_media_resource_that_never_answers_is_not_waited_for() {
    fn rings(text: &str) -> String {
        let invite = text.contains(" INVITE\r\n") && text.starts_with("SIP/2.0 200 OK");
        if invite { text.replacen("200 OK", "183 OK", 1) } else { text.to_owned() }
    }
    let mut world = lab(32, Sound::still());
    to_the_agent(&mut world);
    world.bend = Some(Bend { node: "mr1".into(), how: rings });
    let began = world.now().mono;
    refused(&supervise(&mut world, Oversight::Listen), "did not answer in time");
    assert!(world.now().mono - began < 12 * S, "{}", world.ladder());
    assert_eq!(dialog(&mut world).verbs, [Verb::Hold, Verb::Consult, Verb::Press]);
    world.bend = None;
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

/// Whether the other part was taken nobody knows: nobody is left in a part that the record does not tell of.
#[test]
fn a_supervisor_whose_part_is_not_known_is_let_go() {
    fn lost(text: &str) -> String {
        let info = text.contains(" INFO\r\n") && text.starts_with("SIP/2.0 200 OK");
        if info { text.replace("z9hG4bK", "z9hG4bX") } else { text.to_owned() }
    }
    let mut world = lab(33, Sound::still());
    supervised(&mut world, Oversight::Listen);
    world.bend = Some(Bend { node: "mr1".into(), how: lost });
    refused(&supervise(&mut world, Oversight::Barge), "the media resource");
    world.bend = None;
    world.run(2 * S);
    assert_eq!(hears(&mut world), "127.18.133.75", "{}", world.ladder());
    assert_eq!((dialogs(&mut world).len(), state(&mut world, "1009").as_str()), (1, "NOT_READY"));
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

#[test]
fn a_call_server_that_starts_again_leaves_caller_and_agent_talking() {
    for how in [Oversight::Listen, Oversight::TakeOver] {
        for after_ms in (0..50).chain([500, 3000]) {
            let mut world = lab(29, Sound::still());
            to_the_agent(&mut world);
            world.control("cvp1", Control::Supervise { supervisor: "1009".into(), agent: "1001".into(), how });
            world.run(std::time::Duration::from_millis(after_ms));
            start_again(&mut world);
            world.run(40 * S);
            let place = format!("{how:?} after {after_ms} ms: {}", world.ladder());
            together(&mut world, &place);
            world.hang_up("carrier");
            nothing_is_left(&mut world);
        }
    }
}

#[test]
fn supervision_with_nodes_written_out_and_read_back_at_random_steps() {
    for seed in 0..12 {
        let mut world = lab(500 + seed, Sound::still());
        world.shake();
        supervised(&mut world, ALL[seed as usize % 3]);
        assert_eq!(supervise(&mut world, ALL[(seed as usize + 1) % 3]), Reply::Done);
        if seed % 2 == 0 {
            assert_eq!(supervise(&mut world, Oversight::TakeOver), Reply::Done);
            world.run(2 * S);
            assert_eq!(hears(&mut world), "127.18.133.73", "seed {seed}: {}", world.ladder());
        }
        world.hang_up("carrier");
        nothing_is_left(&mut world);
    }
}
