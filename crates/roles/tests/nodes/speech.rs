//! Words, recordings of web servers and what who waits is told: the test is engine and web server.

use std::sync::Arc;
use std::time::Duration;

use roles::voice_browser::pages::Pages;
use roles::{AskId, Control, Input, Kind, Plan, Reply, Told};
use sip::{Body, DialogId, Method, Status};

use crate::far_end::Rig;
use crate::voice_browser::{FAR, answered, in_dialog, lease, notify_with, played, plays, press, refer_accepted};

/// The lab's browser, with an engine for English, and 6016 as this document.
fn talker(inner: &str) -> (Rig, DialogId) {
    talker_with(inner, true)
}

fn talker_with(inner: &str, engine: bool) -> (Rig, DialogId) {
    let speech = "[speech]\nengine = \"espeak-ng\"\nvoice = [{ language = \"en\", name = \"en-us\" }]\n\n";
    talker_of(inner, if engine { speech } else { "" })
}

fn talker_of(inner: &str, engines: &str) -> (Rig, DialogId) {
    let text = include_str!("../../../../examples/lab.toml");
    let text = text.replacen("[[node]]", &format!("{engines}[[node]]"), 1);
    let mut site = site::Site::parse(&text).unwrap_or_else(|problems| panic!("{}", problems[0]));
    for node in &mut site.nodes {
        if let site::Role::VoiceBrowser(browser) = &mut node.role {
            for application in browser.applications.iter_mut().filter(|_| !inner.is_empty()) {
                application.document = Some("main.vxml".into());
            }
        }
    }
    let mut plan = Plan::compile(&site, "vvb1", 1).expect("it has a voice browser");
    let page = format!("<vxml version='2.1' xml:lang='en-US'>{inner}</vxml>");
    let files = [("main.vxml".to_owned(), Arc::from(page.as_bytes()))].into();
    let pages = Pages { first: "main.vxml".into(), files, ..Pages::default() };
    if let Kind::VoiceBrowser(browser) = &mut plan.kind {
        browser.pages.insert("6016".into(), pages.into());
    }
    let (rig, _, dialog) = answered(Rig::new(plan, FAR.parse().expect("an address"), Some("cvp1.lab.example")));
    (rig, dialog)
}

/// What was asked for since the last time.
fn asked(rig: &mut Rig) -> Vec<(AskId, String)> {
    std::mem::take(&mut rig.asked)
}

fn words(asked: &[(AskId, String)]) -> Vec<&str> {
    asked.iter().map(|(_, words)| words.as_str()).collect()
}

fn spoken(rig: &mut Rig, ask: AskId, name: &str) {
    rig.media.clear();
    rig.input(Input::Told(ask, Told::Sound(name.into())));
}

fn unspoken(rig: &mut Rig, ask: AskId) {
    rig.media.clear();
    rig.input(Input::Told(ask, Told::Failed("the engine crashed".into())));
}

fn is_over(rig: &mut Rig) {
    let (server, bye) = in_dialog(rig);
    assert_eq!(bye.method(), Method::Bye);
    rig.sip.respond(server, Status(200), vec![], None, rig.now);
    rig.settle();
    assert!(matches!(rig.control(Control::Status), Reply::Status(status) if status.calls == 0 && status.dialogs == 0));
}

const FORM: &str = "<form><field name='a' type='digits?length=1'>
    <prompt>Welcome. <mark name='m'/><audio src='https://pages.example/rates.wav'>The rates</audio><break time='500ms'/>
    for <value expr='7 + 5'/> months</prompt>
    <catch event='error.noresource'><audio src='prompt:goodbye'/><exit/></catch>
    <filled><audio src='prompt:menu'/></filled></field></form>";

#[test]
fn words_are_asked_for_ahead_and_heard_in_their_order() {
    let (mut rig, _) = talker(FORM);
    let lease = lease(&rig);
    let all = asked(&mut rig);
    assert_eq!(words(&all), ["Welcome.", "https://pages.example/rates.wav", "for 12 months"]);
    assert!(plays(&rig.media).is_empty(), "nothing is there yet");
    // The last is there first, and waits.
    spoken(&mut rig, all[2].0, "spoken:3");
    assert!(plays(&rig.media).is_empty());
    spoken(&mut rig, all[0].0, "spoken:1");
    assert_eq!(plays(&rig.media), ["spoken:1"]);
    // The recording cannot be had: what is said instead is asked for while the first is heard.
    unspoken(&mut rig, all[1].0);
    let instead = asked(&mut rig);
    assert_eq!(words(&instead), ["The rates"]);
    spoken(&mut rig, instead[0].0, "spoken:2");
    assert!(plays(&rig.media).is_empty(), "one after another");
    heard(&mut rig, lease, "spoken:1");
    assert_eq!(plays(&rig.media), ["spoken:2"]);
    heard(&mut rig, lease, "spoken:2");
    assert!(plays(&rig.media).is_empty(), "a pause");
    rig.wait(Duration::from_millis(510));
    assert_eq!(plays(&rig.media), ["spoken:3"]);
    // Only now is an answer waited for.
    rig.wait(Duration::from_secs(30));
    assert_eq!(plays(&rig.media), ["spoken:3"]);
    played(&mut rig, lease);
    rig.wait(Duration::from_millis(5100));
    assert_eq!(words(&asked(&mut rig))[0], "Welcome.", "silence: the question again");
    press(&mut rig, lease, '4');
    assert_eq!(plays(&rig.media), ["menu"]);
    played(&mut rig, lease);
    is_over(&mut rig);
}

/// Each prompt has a number, in the order that they were played.
fn heard(rig: &mut Rig, lease: media::LeaseId, prompt: &str) {
    let id = rig.played_as(prompt);
    rig.media.clear();
    rig.input(Input::Media(media::Event::Played { lease, id }));
}

#[test]
fn a_key_is_taken_while_the_engine_still_works_and_what_comes_late_is_not_heard() {
    let (mut rig, _) = talker(FORM);
    let lease = lease(&rig);
    let all = asked(&mut rig);
    press(&mut rig, lease, '4');
    assert_eq!(plays(&rig.media), ["menu"]);
    for (ask, _) in all {
        spoken(&mut rig, ask, "spoken:late");
        assert!(plays(&rig.media).is_empty());
    }
    let id = rig.played_as("menu");
    rig.input(Input::Media(media::Event::Played { lease, id }));
    is_over(&mut rig);
}

#[test]
fn an_engine_that_fails_is_the_event_once_what_comes_before_was_heard() {
    let (mut rig, _) = talker(FORM);
    let lease = lease(&rig);
    let all = asked(&mut rig);
    unspoken(&mut rig, all[2].0);
    spoken(&mut rig, all[1].0, "rates");
    spoken(&mut rig, all[0].0, "spoken:1");
    assert_eq!(plays(&rig.media), ["spoken:1"]);
    played(&mut rig, lease);
    assert_eq!(plays(&rig.media), ["rates"]);
    played(&mut rig, lease);
    rig.wait(Duration::from_millis(510));
    assert_eq!(plays(&rig.media), ["goodbye"], "its handler");
    played(&mut rig, lease);
    is_over(&mut rig);
}

#[test]
fn what_nobody_can_speak_ends_an_application_that_does_not_catch_it() {
    // Nobody speaks German here; and the engine gives nothing for the apology.
    let (mut rig, _) =
        talker("<form><field name='a' type='digits'><prompt xml:lang='de'>Guten Tag</prompt></field></form>");
    let apology = asked(&mut rig);
    assert_eq!(words(&apology), ["Sorry, something went wrong."]);
    unspoken(&mut rig, apology[0].0);
    is_over(&mut rig);
    // Caught: `error.unsupported.language`.
    let (mut rig, _) = talker(
        "<catch event='error.unsupported.language'><audio src='prompt:invalid'/><exit/></catch>
         <form><field name='a' type='digits'><prompt xml:lang='de'>Guten Tag</prompt></field></form>",
    );
    assert_eq!(plays(&rig.media), ["invalid"]);
    let lease = lease(&rig);
    played(&mut rig, lease);
    is_over(&mut rig);
}

#[test]
fn numbers_and_amounts_are_heard_in_english_where_nobody_speaks() {
    let (mut rig, _) = talker_with(
        "<form><block>Your balance is <break time='1ms'/>
         <say-as interpret-as='vxml:currency'>USD21.05</say-as><break time='1ms'/>
         <prompt xml:lang='ja'><say-as interpret-as='vxml:number'>5</say-as></prompt></block></form>",
        false,
    );
    assert!(asked(&mut rig).is_empty());
    let lease = lease(&rig);
    rig.wait(Duration::from_millis(10));
    // Words that do not all ship are passed over.
    for word in ["twenty", "one", "dollars", "and", "five", "cents"] {
        assert_eq!(plays(&rig.media), [format!("word:{word}")]);
        played(&mut rig, lease);
    }
    rig.wait(Duration::from_millis(10));
    is_over(&mut rig);
}

fn told(rig: &mut Rig, dialog: DialogId, words: &str) {
    let fragment = Body::new("message/sipfrag;version=2.0", format!("SIP/2.0 182 {words}\r\n"));
    notify_with(rig, dialog, fragment, "active;expires=3600");
}

const PLACE: &str = "You are number three in the queue. The wait is about four minutes.";

/// A caller who waits and hears music is told things, and in the end let go.
fn in_the_queue(mut rig: Rig, dialog: DialogId, lease: media::LeaseId) {
    refer_accepted(&mut rig);
    told(&mut rig, dialog, "Queued");
    assert_eq!(plays(&rig.media), ["moh*"]);
    told(&mut rig, dialog, "3 in line; expected waiting time is 240 s");
    let place = asked(&mut rig);
    assert_eq!(words(&place), [PLACE]);
    assert!(plays(&rig.media).is_empty(), "music while the engine works");
    spoken(&mut rig, place[0].0, "spoken:1");
    assert_eq!(plays(&rig.media), ["spoken:1"]);
    played(&mut rig, lease);
    assert_eq!(plays(&rig.media), ["moh*"]);
    // An engine that fails is not heard, and the music goes on.
    told(&mut rig, dialog, "2 in line");
    let place = asked(&mut rig);
    unspoken(&mut rig, place[0].0);
    assert!(plays(&rig.media).is_empty());
    told(&mut rig, dialog, "prompt patience");
    assert_eq!(plays(&rig.media), ["patience"]);
    played(&mut rig, lease);
    assert_eq!(plays(&rig.media), ["moh*"]);
    told(&mut rig, dialog, "prompt goodbye; then the end");
    assert_eq!(plays(&rig.media), ["goodbye"]);
    played(&mut rig, lease);
    is_over(&mut rig);
}

#[test]
fn who_waits_by_a_question_is_told_the_place_and_let_go() {
    let (mut rig, dialog) = talker("");
    let lease = lease(&rig);
    press(&mut rig, lease, '1');
    in_the_queue(rig, dialog, lease);
}

#[test]
fn who_waits_by_an_application_is_told_the_place_and_let_go() {
    let (rig, dialog) =
        talker("<form><transfer name='t' dest='sip:sales' type='blind' transferaudio='prompt:moh'/></form>");
    let lease = lease(&rig);
    in_the_queue(rig, dialog, lease);
}

#[test]
fn music_of_a_web_server_begins_when_it_is_there() {
    let (mut rig, dialog) = talker(
        "<form><transfer name='t' dest='sip:sales' type='blind' transferaudio='https://m.example/a.wav'/></form>",
    );
    let music = asked(&mut rig);
    assert_eq!(words(&music), ["https://m.example/a.wav"]);
    refer_accepted(&mut rig);
    told(&mut rig, dialog, "Queued");
    assert!(plays(&rig.media).is_empty());
    spoken(&mut rig, music[0].0, "sound:1");
    assert_eq!(plays(&rig.media), ["sound:1*"]);
}

#[test]
fn a_recogniser_hears_the_callers_stream_while_words_count_and_no_longer() {
    let form = "<form><field name='a'><prompt bargein='false'><audio src='prompt:welcome'/></prompt>
        <grammar version='1.0' root='r'><rule id='r'>sales</rule></grammar>
        <grammar version='1.0' root='r' mode='dtmf'><rule id='r'>1</rule></grammar>
        <filled><audio src='prompt:menu'/></filled></field></form>";
    let (mut rig, _) = talker_of(form, "[recognition]\nengine = \"pocketsphinx\"\n\n");
    let lease = lease(&rig);
    assert!(asked(&mut rig).is_empty(), "the question has to be heard");
    let taps = |rig: &Rig| -> Vec<String> {
        let tap = |command: &media::Command| match command {
            media::Command::Tap { lease: of, tap } if *of == lease => Some(format!("tap {tap}")),
            media::Command::Untap { lease: of, tap } if *of == lease => Some(format!("untap {tap}")),
            _ => None,
        };
        rig.media.iter().filter_map(tap).collect()
    };
    played(&mut rig, lease);
    let all = asked(&mut rig);
    assert_eq!(taps(&rig), words(&all));
    // A key instead: nobody listens any more, and what was heard comes too late.
    rig.media.clear();
    press(&mut rig, lease, '1');
    assert_eq!(taps(&rig), [format!("un{}", all[0].1)]);
    rig.input(Input::Told(all[0].0, Told::Failed("nobody is listened to any more".into())));
    assert_eq!((taps(&rig).len(), plays(&rig.media)), (1, vec!["menu".to_owned()]));
    played(&mut rig, lease);
    is_over(&mut rig);
}
