//! Words to callers over real messages in virtual time: applications that speak, queues that tell.

use std::sync::Arc;
use std::time::Duration;

use roles::voice_browser::pages::Pages;
use roles::{Control, Kind, Plan, Reply};
use sim::rig::{Papers, Sound, World};

const S: Duration = Duration::from_secs(1);
const LAB: &str = include_str!("../../../../examples/lab.toml");
const SPEECH: &str = "[speech]\nengine = \"espeak-ng\"\n\n[[node]]";

/// The lab with an engine; 6016 is this document, where there is one.
fn lab(sound: Sound, text: &str, page: Option<&str>) -> World {
    let text = text.replacen("[[node]]", SPEECH, 1);
    let site = site::Site::parse(&text).unwrap_or_else(|problems| panic!("{}", problems[0]));
    let mut world = World::lab_of(&site, 1, sound, Some(S));
    let Some(page) = page else { return world };
    let files = [("main.vxml".to_owned(), Arc::from(page.as_bytes()))].into();
    let pages = Arc::new(Pages { first: "main.vxml".into(), files, ..Pages::default() });
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

fn called(world: &mut World) {
    world.dial("6016");
    world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
    world.run(S);
}

fn spoken(world: &World) -> Vec<&str> {
    world.spoken.iter().map(|(_, speak)| speak.text.as_str()).collect()
}

fn nothing_stays(world: &mut World) {
    world.run(40 * S);
    for node in ["cube1", "cvp1", "vvb1", "vvb2"] {
        match world.ask(node, Control::Status) {
            Reply::Status(status) => {
                assert_eq!((status.calls, status.legs, status.dialogs), (0, 0, 0), "{node}: {status:?}")
            }
            other => panic!("a status, not {other:?}"),
        }
    }
}

const PAGE: &str = "<vxml version='2.1' xml:lang='en-US'><form>
    <field name='a' type='digits?length=2'><prompt>Your number, please. <break time='200ms'/>Two digits.</prompt>
    <noinput>Nothing was heard.<reprompt/></noinput></field>
    <block>Thank you for <value expr='a'/>.</block>
    <transfer name='t' dest='sip:sales' type='blind' transferaudio='prompt:moh'/></form></vxml>";

/// A caller who is silent once, then answers, and is put through.
fn through(world: &mut World) {
    called(world);
    // 20 and 11 characters at 60 ms, the pause between, then five seconds of silence.
    world.until(12 * S, |world| spoken(world).contains(&"Nothing was heard."));
    world.run(S);
    world.press("42");
    world.until(10 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
    assert!(spoken(world).contains(&"Thank you for 42."), "{:?}", spoken(world));
    world.run(S);
    world.ready("1001");
    world.until(10 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    world.hang_up("carrier");
    nothing_stays(world);
}

#[test]
fn an_application_in_words_alone_is_talked_through_over_srtp() {
    let mut world = lab(Sound::real(1, World::prompts()), LAB, Some(PAGE));
    let before = world.now().mono;
    called(&mut world);
    world.until(12 * S, |world| spoken(world).contains(&"Nothing was heard."));
    // Silence counts from the end of the words: (20 + 11) * 60 ms, the pause, and the timeout.
    let took = world.now().mono - before;
    assert!((7 * S..8 * S).contains(&took), "{took:?}");
    world.hang_up("carrier");
    nothing_stays(&mut world);
    let mut world = lab(Sound::real(1, World::prompts()), LAB, Some(PAGE));
    through(&mut world);
}

#[test]
fn sessions_that_wait_for_an_engine_are_written_out_and_read_back() {
    let mut world = lab(Sound::real(1, World::prompts()), LAB, Some(PAGE));
    world.shake();
    through(&mut world);
}

#[test]
fn an_engine_that_fails_ends_an_application_that_has_no_other_words() {
    let mut world = lab(Sound::still(), LAB, Some(PAGE));
    world.engine_fails = Some("it crashed".into());
    called(&mut world);
    world.until(5 * S, |world| world.saw("vvb1", "cvp1", "BYE"));
    nothing_stays(&mut world);
}

/// The lab where who presses 1 comes to a script: a queue that tells the place, a prompt, another queue, last words.
fn told(sound: Sound) -> World {
    let text = LAB
        .replace("{ digit = \"1\", queue = \"sales\" }", "{ digit = \"1\", queue = \"day\" }")
        .replacen("name = \"sales\"\nring", "name = \"sales\"\nannounce_s = 4\nexpected_handling_s = 120\nring", 1)
        .replacen(
            "[[node.role.call_server.agent]]",
            r#"[[node.role.call_server.script]]
name = "day"
step = [
  { name = "wait", do = { queue = { queue = "sales", wait_s = 20, then = "say" } } },
  { name = "say",  do = { announce = { prompt = "menu", then = "more" } } },
  { name = "more", do = { queue = { queue = "sales", wait_s = 10, then = "end" } } },
  { name = "end",  do = { end = { prompt = "goodbye" } } },
]

[[node.role.call_server.agent]]"#,
            1,
        );
    lab(sound, &text, None)
}

fn to_the_queue(world: &mut World) {
    called(world);
    world.press("1");
    world.until(15 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
}

#[test]
fn who_waits_hears_the_place_the_scripts_prompt_and_its_last_words() {
    let mut world = told(Sound::real(1, World::prompts()));
    to_the_queue(&mut world);
    world.until(10 * S, |world| !spoken(world).is_empty());
    assert_eq!(spoken(&world)[0], "You are next in the queue.");
    // 26 characters are 1.6 s; the next place comes 4 s after the first.
    world.until(40 * S, |world| world.saw("vvb1", "cvp1", "BYE"));
    let count = spoken(&world).len();
    assert!((5..=8).contains(&count), "{count}");
    nothing_stays(&mut world);
    // The browser ended it, once the last words were heard.
    let byes = world.crossed.iter().filter(|it| it.from == "vvb1" && it.arrow() == "BYE");
    let bye: Vec<_> = byes.map(|it| String::from_utf8_lossy(&it.bytes).into_owned()).collect();
    assert!(bye.len() == 1 && bye[0].contains("the queue has let the caller go"), "{bye:?}");
}

#[test]
fn who_waits_is_told_over_snapshots_and_hears_music_where_the_engine_fails() {
    let mut world = told(Sound::still());
    world.shake();
    world.engine_fails = Some("it hangs".into());
    to_the_queue(&mut world);
    world.until(45 * S, |world| world.saw("vvb1", "cvp1", "BYE"));
    assert!(!spoken(&world).is_empty());
    nothing_stays(&mut world);
}

#[test]
fn who_waits_where_nobody_speaks_hears_words_that_ship() {
    let text = LAB.replacen("name = \"sales\"\nring", "name = \"sales\"\nannounce_s = 4\nring", 1);
    let site = site::Site::parse(&text).unwrap_or_else(|problems| panic!("{}", problems[0]));
    let mut world = World::lab_of(&site, 1, Sound::real(1, World::prompts()), Some(S));
    let unheard = |world: &World| world.unplayable.clone();
    to_the_queue(&mut world);
    world.run(6 * S);
    assert!(world.saw("cvp1", "vvb1", "NOTIFY"));
    assert_eq!(unheard(&world), [""; 0], "media knows every word");
    assert!(world.spoken.is_empty());
    world.hang_up("carrier");
    nothing_stays(&mut world);
}
