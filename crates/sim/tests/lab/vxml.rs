//! The application of `examples/vxml` in the reference estate: real SRTP, virtual time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use roles::voice_browser::pages::Pages;
use roles::{Control, Kind, Plan, Reply};
use sim::rig::{Papers, Sound, World};

const S: Duration = Duration::from_secs(1);

const SERVER: &str = "https://pages.lab.example/";

/// The files of `examples/vxml`.
fn files() -> BTreeMap<String, Arc<[u8]>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vxml");
    let names = ["root.vxml", "main.vxml", "account.vxml", "balance.xml", "menu.vxml", "agent.vxml"];
    names.map(|name| (name.to_owned(), std::fs::read(folder.join(name)).expect("an example").into())).into()
}

/// The lab, where 6016 is the application in a folder.
fn lab(sound: Sound) -> World {
    with(sound, Pages { first: "main.vxml".into(), files: files(), ..Pages::default() })
}

/// The lab, where 6016 is the application on a web server.
fn on_the_web(sound: Sound) -> World {
    let mut world = with(sound, Pages { first: format!("{SERVER}main.vxml"), ..Pages::default() });
    world.web = files().into_iter().map(|(name, bytes)| (format!("{SERVER}{name}"), bytes)).collect();
    world
}

fn with(sound: Sound, pages: Pages) -> World {
    let mut world = World::lab(1, sound, Some(S));
    let pages = Arc::new(pages);
    for name in ["vvb1", "vvb2"] {
        let mut plan = Plan::clone(&world.plan_of(name));
        if let Kind::VoiceBrowser(browser) = &mut plan.kind {
            for application in &mut browser.browser.applications {
                application.document = Some(pages.first.clone());
                browser.pages.insert(application.number.clone(), pages.clone());
            }
        }
        world.kill(name);
        world.restart(plan, Papers::node(&format!("{name}.lab.example")));
    }
    world.run(15 * S);
    world
}

fn press(world: &mut World, keys: &str) {
    world.press(keys);
    world.run(S * keys.len() as u32);
}

/// Language, a wrong account number, the right one, the menu's agent; music; an agent.
fn through(world: &mut World) {
    world.dial("6016");
    world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
    world.run(S);
    press(world, "1");
    press(world, "123456");
    press(world, "123455");
    press(world, "3");
    world.until(15 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
    world.run(S);
    world.ready("1001");
    world.until(10 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    world.run(2 * S);
    // The agent's phone is told what the application knows of the caller, and the carrier is not.
    let attached = |to: &str| {
        let to_it = world.crossed.iter().filter(|it| it.to == to && it.arrow() == "INVITE");
        let message = |it: &sim::rig::Crossed| sip::Message::parse(it.bytes.clone()).expect("what a node sent");
        to_it.filter_map(|it| message(it).header(&sip::Name::UserToUser).map(str::to_owned)).collect::<Vec<_>>()
    };
    let known = "account=123455;language=en".bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(attached("phone1001"), [format!("04{known};encoding=hex")]);
    assert!(attached("carrier").is_empty());
    world.hang_up("carrier");
    world.run(40 * S);
    for node in ["cube1", "cvp1", "vvb1", "cucm1"] {
        match world.ask(node, Control::Status) {
            Reply::Status(status) => {
                assert_eq!((status.calls, status.legs, status.dialogs), (0, 0, 0), "{node}: {status:?}")
            }
            other => panic!("a status, not {other:?}"),
        }
    }
}

#[test]
fn a_caller_goes_through_the_application_to_an_agent_over_srtp() {
    let mut world = lab(Sound::real(1, World::prompts()));
    through(&mut world);
    let media: Vec<_> =
        world.legs.iter().filter(|(node, _)| node == "vvb1").filter_map(|(_, leg)| leg.media.as_ref()).collect();
    assert!(media.iter().any(|media| media.tx_protected > 20), "the application was heard");
    assert!(media.iter().all(|media| media.tx_clear == 0 && media.rx_clear == 0), "{media:?}");
}

#[test]
fn sessions_written_out_and_read_back_at_random_go_on() {
    let mut world = lab(Sound::still());
    world.shake();
    through(&mut world);
}

/// What was asked for, without the server.
fn fetched(world: &World) -> Vec<&str> {
    world.fetched.iter().filter_map(|(_, request)| request.url.strip_prefix(SERVER)).collect()
}

#[test]
fn pages_of_a_web_server_are_asked_for_as_they_are_wanted() {
    let mut world = on_the_web(Sound::still());
    through(&mut world);
    let expected = ["main.vxml", "root.vxml", "account.vxml", "balance.xml", "menu.vxml", "agent.vxml"];
    assert_eq!(fetched(&world), expected);
}

#[test]
fn callers_who_wait_for_pages_are_written_out_and_read_back() {
    let mut world = on_the_web(Sound::still());
    world.shake();
    through(&mut world);
}

#[test]
fn a_page_that_is_not_there_is_the_event_that_the_application_catches() {
    let mut world = on_the_web(Sound::still());
    world.web.remove(&format!("{SERVER}balance.xml"));
    through(&mut world);
    assert!(fetched(&world).contains(&"menu.vxml"), "it went on without the balance");
}

#[test]
fn what_an_application_sends_when_its_caller_hangs_up_is_sent() {
    let mut world = on_the_web(Sound::still());
    let page = "<vxml version='2.1'><var name='seen' expr=\"'all'\"/>
        <catch event='connection.disconnect.hangup'><submit next='gone' namelist='seen' method='post'/></catch>
        <form><field name='x' type='digits'><prompt><audio src='prompt:welcome'/></prompt></field></form></vxml>";
    world.web.insert(format!("{SERVER}main.vxml"), page.as_bytes().into());
    world.dial("6016");
    world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
    world.run(S);
    world.hang_up("carrier");
    world.run(5 * S);
    assert_eq!(fetched(&world), ["main.vxml", "gone"]);
    assert_eq!(world.fetched[1].1.body.as_deref(), Some("seen=all"));
}

#[test]
fn what_a_page_names_is_asked_for_ahead_and_nobody_waits_for_it() {
    let mut world = on_the_web(Sound::still());
    let page = "<vxml version='2.1'><property name='documentfetchhint' value='prefetch'/><form>
        <field name='x'><grammar mode='dtmf' src='keys.grxml'/><prompt><audio src='prompt:welcome'/></prompt>
        <filled><goto next='menu.vxml'/></filled></field></form></vxml>";
    let keys = "<grammar xmlns='http://www.w3.org/2001/06/grammar' version='1.0' mode='dtmf' root='r'><rule id='r'>1</rule></grammar>";
    world.web.insert(format!("{SERVER}main.vxml"), page.as_bytes().into());
    world.web.insert(format!("{SERVER}keys.grxml"), keys.as_bytes().into());
    world.dial("6016");
    world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
    world.run(S);
    // The grammar is wanted at once: it was asked for in its turn, and the page beyond while the caller listens.
    assert_eq!(fetched(&world), ["main.vxml", "keys.grxml", "menu.vxml"]);
    press(&mut world, "1");
    assert_eq!(fetched(&world)[3..5], ["menu.vxml", "root.vxml"]);
}

/// A page that records and sends what it has: the length, how it ended, and the recording.
fn recorder(attributes: &str) -> String {
    format!(
        "<vxml version='2.1'><form>
         <record name='m' {attributes}><noinput><submit next='nothing' method='post'/></noinput></record>
         <block><var name='how' expr=\"m$.duration + ' ' + m$.size + ' ' + m$.maxtime + ' ' + m$.termchar\"/>
         <audio expr='m'/><submit next='keep' method='post' enctype='multipart/form-data' namelist='how m'/></block>
         </form></vxml>"
    )
}

/// What came of a call to it that lasts ten seconds; the caller presses a key after two.
fn recorded(attributes: &str, key: &str, sound: Sound) -> (World, Option<(String, String)>) {
    let mut world = on_the_web(sound);
    world.web.insert(format!("{SERVER}main.vxml"), recorder(attributes).into_bytes().into());
    world.dial("6016");
    world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
    world.run(2 * S);
    world.press(key);
    world.run(8 * S);
    let sent = world.fetched.get(1).map(|(_, request)| request.parts.as_slice());
    let sent = match sent {
        Some([how, recording]) => match (&how.value, &recording.value) {
            (vxml::PartValue::Text(how), vxml::PartValue::Recording { url, media_type }) => {
                assert_eq!(media_type, "audio/x-wav");
                Some((how.clone(), url.clone()))
            }
            other => panic!("{other:?}"),
        },
        _ => None,
    };
    (world, sent)
}

#[test]
fn a_recording_ends_by_its_length_and_is_sent_as_such() {
    let (world, sent) = recorded("beep='true' maxtime='1500ms'", "", Sound::real(1, World::prompts()));
    let (how, url) = sent.unwrap_or_else(|| panic!("{:?}", world.fetched));
    assert_eq!(how, "1500 24044 true undefined");
    assert!(url.starts_with("recording:") && url.len() == 26, "{url}");
}

#[test]
fn a_key_ends_a_recording_and_is_its_shadow() {
    let (world, sent) = recorded("maxtime='20s'", "#", Sound::real(1, World::prompts()));
    let (how, _) = sent.unwrap_or_else(|| panic!("{:?}", world.fetched));
    let words: Vec<&str> = how.split(' ').collect();
    let took: u64 = words[0].parse().unwrap();
    assert!((1000..3000).contains(&took), "{how}");
    assert_eq!(words[1..], [&(took * 16 + 44).to_string(), "false", "#"]);
}

#[test]
fn a_node_that_is_told_nothing_of_a_recording_goes_on_without_it() {
    // Media that never answers: the session is not kept waiting for ever.
    let (mut world, _) = recorded("maxtime='5s'", "", Sound::still());
    world.run(30 * S);
    assert_eq!(fetched(&world), ["main.vxml"], "an error that nobody catches ends the application");
    assert!(world.saw("vvb1", "cvp1", "BYE"));
}
