//! Callers who answer in words, or talk with a bot, over real messages in virtual time: the test is the recogniser, and the
//! bot.

use std::sync::Arc;
use std::time::Duration;

use roles::voice_browser::pages::Pages;
use roles::{Control, Kind, Plan, Reply, Told};
use sim::rig::{Papers, Sound, World};
use vxml::{StreamEnd, Utterance};

const S: Duration = Duration::from_secs(1);
const LAB: &str = include_str!("../../../../examples/lab.toml");
const RECOGNITION: &str = "[recognition]\nengine = \"pocketsphinx\"\n\n[[node]]";

const WORDS: &str = "<grammar version='1.0' root='r'><rule id='r'><one-of><item>sales <tag>out='sales'</tag></item>\
                     <item>technical support <tag>out='support'</tag></item></one-of></rule></grammar>";

/// The lab with a recogniser, or without; 6016 is this form.
fn lab(sound: Sound, recogniser: bool, form: &str) -> World {
    let text = LAB.replacen("[[node]]", if recogniser { RECOGNITION } else { "[[node]]" }, 1);
    let site = site::Site::parse(&text).unwrap_or_else(|problems| panic!("{}", problems[0]));
    let mut world = World::lab_of(&site, 1, sound, Some(S));
    let page = format!("<vxml version='2.1' xml:lang='en-US' xmlns:rf='urn:ringfence:vxml'><form>{form}</form></vxml>");
    let files = [("main.vxml".to_owned(), Arc::from(page.as_bytes()))].into();
    let pages = Arc::new(Pages { first: "main.vxml".into(), files, ..Pages::default() });
    for name in ["vvb1", "vvb2"] {
        let mut plan = Plan::clone(&world.plan_of(name));
        if let Kind::VoiceBrowser(browser) = &mut plan.kind {
            for application in &mut browser.browser.applications {
                application.document = Some(pages.first.clone());
                application.may_stream = vec!["bot.example".into()];
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

fn way(text: &str, confidence: u8) -> Utterance {
    Utterance { text: text.into(), confidence }
}

fn form() -> String {
    format!(
        "<field name='a'><prompt><audio src='prompt:welcome'/></prompt>{WORDS}</field>
         <transfer name='t' destexpr=\"'sip:' + a\" type='blind' transferaudio='prompt:moh'/>"
    )
}

/// A caller who is silent, is not understood, is, and is put through.
fn through(world: &mut World) {
    called(world);
    let (_, _, first) = world.listeners.last().cloned().expect("somebody listens while the prompt is heard");
    assert_eq!(first.hearing.grammars.len(), 1);
    // Nobody speaks: the question again, and somebody else listens.
    world.until(20 * S, |world| world.listeners.last().is_some_and(|(_, _, now)| now.tap != first.tap));
    world.run(S);
    world.recognise(Told::Speech(true));
    world.run(8 * S);
    assert!(!world.saw("vvb1", "cvp1", "REFER"), "longer than a silence may be");
    world.recognise(Told::Speech(false));
    let asked = world.listeners.len();
    world.recognise(Told::Heard(vec![way("what", 40)]));
    world.until(5 * S, |world| world.listeners.len() >= asked);
    world.recognise(Told::Speech(true));
    world.recognise(Told::Heard(vec![way("sales", 90)]));
    world.until(10 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
    world.run(S);
    world.ready("1001");
    world.until(10 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    world.hang_up("carrier");
    nothing_stays(world);
}

#[test]
fn a_caller_answers_in_words_and_is_put_through() {
    through(&mut lab(Sound::real(1, World::prompts()), true, &form()));
}

#[test]
fn sessions_that_listen_are_written_out_and_read_back() {
    let mut world = lab(Sound::real(1, World::prompts()), true, &form());
    world.shake();
    through(&mut world);
}

#[test]
fn a_recogniser_that_fails_is_noresource_where_words_alone_are_taken() {
    let form = format!(
        "<catch event='error.noresource'><audio src='prompt:goodbye'/><exit/></catch>
         <field name='a'><prompt><audio src='prompt:welcome'/></prompt>{WORDS}</field>"
    );
    let mut world = lab(Sound::still(), true, &form);
    called(&mut world);
    world.recognise(Told::Speech(true));
    world.recognise(Told::Failed("it crashed".into()));
    world.until(5 * S, |world| world.saw("vvb1", "cvp1", "BYE"));
    nothing_stays(&mut world);
    // And so is none, at once.
    let mut world = lab(Sound::still(), false, &form);
    called(&mut world);
    world.until(5 * S, |world| world.saw("vvb1", "cvp1", "BYE"));
    assert!(world.listeners.is_empty());
    nothing_stays(&mut world);
}

#[test]
fn keys_go_on_where_a_recogniser_fails_or_never_says_what_it_heard() {
    let form = "<field name='a' type='boolean'><prompt><audio src='prompt:welcome'/></prompt></field>
                <transfer name='t' dest='sip:sales' type='blind' transferaudio='prompt:moh'/>";
    for silent in [false, true] {
        let mut world = lab(Sound::real(1, World::prompts()), true, form);
        called(&mut world);
        world.recognise(Told::Speech(true));
        match silent {
            false => world.recognise(Told::Failed("it crashed".into())),
            true => {
                world.recognise(Told::Speech(false));
                world.run(61 * S);
            }
        }
        world.run(S);
        world.press("1");
        world.until(10 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
        world.hang_up("carrier");
        nothing_stays(&mut world);
    }
}

/// What a bot leaves.
fn leaves(value: &str) -> Result<StreamEnd, String> {
    Ok(StreamEnd { stopped: true, value: value.into(), duration_ms: 5000 })
}

/// A caller who is put through as a bot says.
fn through_a_bot(world: &mut World) {
    called(world);
    let (node, _, stream) = world.streams.last().cloned().expect("a bot is asked for");
    assert_eq!((node.as_str(), stream.order.url.as_str()), ("vvb1", "wss://bot.example/talk"));
    assert!(stream.caller.len() == 32 && !stream.dangerous_plain_http, "{stream:?}");
    // Keys are the bot's, and nobody else's clock runs.
    world.press("1");
    world.run(60 * S);
    assert!(!world.saw("vvb1", "cvp1", "REFER"));
    world.bot_ends(leaves(r#"{"queue":"sales"}"#));
    world.until(10 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
    world.run(S);
    world.ready("1001");
    world.until(10 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    world.hang_up("carrier");
    nothing_stays(world);
}

const BOT: &str = "<rf:stream name='t' src='wss://bot.example/talk'/>
                   <transfer name='u' destexpr=\"'sip:' + t.queue\" type='blind' transferaudio='prompt:moh'/>";

#[test]
fn a_caller_talks_with_a_bot_and_is_put_through_as_it_says() {
    through_a_bot(&mut lab(Sound::real(1, World::prompts()), false, BOT));
    let mut world = lab(Sound::real(1, World::prompts()), false, BOT);
    world.shake();
    through_a_bot(&mut world);
}

#[test]
fn a_bot_that_fails_that_may_not_listen_or_that_talks_too_long_leaves_the_caller_to_the_page() {
    let goodbye = "<catch event='error'><audio src='prompt:goodbye'/><exit/></catch>";
    let mut world = lab(Sound::still(), false, &format!("{goodbye}{BOT}"));
    called(&mut world);
    world.bot_ends(Err("error.stream.lost".into()));
    world.until(5 * S, |world| world.saw("vvb1", "cvp1", "BYE"));
    nothing_stays(&mut world);
    for elsewhere in ["wss://bot.example:8443/talk", "wss://evil.example/", "ws://bot.example:443/"] {
        let form = format!("{goodbye}{}", BOT.replace("wss://bot.example/talk", elsewhere));
        let mut world = lab(Sound::still(), false, &form);
        called(&mut world);
        world.until(5 * S, |world| world.saw("vvb1", "cvp1", "BYE"));
        assert!(world.streams.is_empty(), "{elsewhere} hears a caller");
        nothing_stays(&mut world);
    }
    let form = "<rf:stream name='t' src='wss://bot.example/' maxtime='20s'>
                <filled><if cond=\"t$.reason == 'maxtime'\"><disconnect/></if></filled></rf:stream>
                <field name='a' type='digits'><prompt timeout='90s'/></field>";
    let mut world = lab(Sound::real(1, World::prompts()), false, form);
    called(&mut world);
    world.run(10 * S);
    assert!(!world.saw("vvb1", "cvp1", "BYE"));
    world.until(15 * S, |world| world.saw("vvb1", "cvp1", "BYE"));
    // What it says then is nobody's.
    world.bot_ends(leaves("1"));
    nothing_stays(&mut world);
}

#[test]
fn who_hangs_up_on_a_bot_leaves_nothing_behind() {
    let mut world = lab(Sound::real(1, World::prompts()), false, BOT);
    called(&mut world);
    world.hang_up("carrier");
    world.run(S);
    world.bot_ends(Err("error.stream.lost".into()));
    nothing_stays(&mut world);
}
