//! Many callers in an application: what becomes of them when their voice browser is restarted, and when others bring
//! documents that would do harm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roles::voice_browser::pages::Pages;
use roles::{Control, Kind, Plan, Reply};
use sim::rig::{Papers, Sound, World, lab};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// Lines at the carrier's first address.
const FIRST: u16 = 300;
const VXML: &str = "<vxml version='2.1' xml:lang='en-US'>";

/// The lab with an engine and so many lines; 6016 is an application of these pages.
fn estate(seed: u64, lines: u16, pages: &[(&str, String)]) -> World {
    let text = include_str!("../../../../examples/lab.toml");
    let text = text.replacen("[[node]]", "[speech]\nengine = \"espeak-ng\"\n\n[[node]]", 1);
    // More lines than one address has ports for: the carrier has two.
    let carrier = "[[node.role.sbc.dial_peer]]\ntag = 6000";
    let second = "[[node.role.sbc.dial_peer]]\ntag = 6000200\nincoming_called_number = \"6...\"\n\
                  session_target = \"ipv4:127.18.133.77:5062\"\nsession_transport = \"udp\"\nsrtp = false\n\
                  dangerous_plain_rtp = true\n\n";
    let text = text.replacen(carrier, &format!("{second}{carrier}"), 1);
    let site = site::Site::parse(&text).unwrap_or_else(|problems| panic!("{}", problems[0]));
    let files: BTreeMap<String, Arc<[u8]>> =
        pages.iter().map(|(name, page)| ((*name).to_owned(), Arc::from(page.as_bytes()))).collect();
    let pages = Arc::new(Pages { first: "main.vxml".into(), files, ..Pages::default() });
    let mut world = World::new(seed, Sound::still());
    // Each line keeps some ports ready.
    for (last, ports) in [(76, 20_000), (77, 20_000), (143, 2_000), (144, 2_000), (226, 4_000)] {
        world.room([127, 18, 133, last].into(), ports);
    }
    for node in &site.nodes {
        let mut plan = Plan::compile(&site, &node.name, 1).expect("a validated site compiles");
        if let Kind::VoiceBrowser(browser) = &mut plan.kind {
            for application in &mut browser.browser.applications {
                application.document = Some(pages.first.clone());
                browser.pages.insert(application.number.clone(), pages.clone());
            }
        }
        world.start(plan, Papers::node(&site.host_name(node)));
    }
    for n in 0..lines {
        let mut plan = lab::line(n);
        if n >= FIRST {
            plan.local.iter_mut().for_each(|(_, addr)| addr.set_ip([127, 18, 133, 77].into()));
        }
        world.start(plan, Papers::None);
    }
    world.run(15 * S);
    world
}

fn all_dial(world: &mut World, lines: std::ops::Range<u16>) {
    for n in lines {
        world.control(&format!("line{n}"), Control::Dial { number: "6016".into() });
        world.run(20 * MS);
    }
    world.run(3 * S);
}

fn calls(world: &mut World, node: &str) -> usize {
    match world.ask(node, Control::Status) {
        Reply::Status(status) => {
            assert_eq!(status.panics, 0, "{node}");
            status.calls
        }
        other => panic!("a status, not {other:?}"),
    }
}

fn nothing_stays(world: &mut World) {
    world.run(40 * S);
    for node in world.names() {
        let Reply::Status(status) = world.ask(&node, Control::Status) else { panic!("a status") };
        assert_eq!((status.calls, status.legs, status.dialogs), (0, 0, 0), "{node} keeps {status:?}");
    }
}

fn refers(world: &World) -> usize {
    world.crossed.iter().filter(|it| it.to == "cvp1" && it.arrow() == "REFER").count()
}

/// Two digits, then a queue.
const ASKS: &str = "<field name='a' type='digits?length=2'><property name='timeout' value='600s'/>
    <prompt>Your number, please.</prompt></field>
    <transfer name='t' dest='sip:sales' type='blind' transferaudio='prompt:moh'/>";

#[test]
fn fifty_callers_of_a_browser_that_is_restarted_begin_anew_at_the_next() {
    const CALLERS: u16 = 50;
    let mut world = estate(31, CALLERS, &[("main.vxml", format!("{VXML}<form>{ASKS}</form></vxml>"))]);
    let plan = Plan::clone(&world.plan_of("vvb1"));
    all_dial(&mut world, 0..CALLERS);
    assert_eq!(calls(&mut world, "vvb1"), usize::from(CALLERS), "{}", world.ladder());
    // Each has pressed the first of two digits.
    for n in 0..CALLERS {
        world.control(&format!("line{n}"), Control::Press { digits: "4".into() });
    }
    world.run(S);
    assert_eq!(refers(&world), 0);
    let asked = world.spoken.len();
    world.kill("vvb1");
    world.run(S);
    world.restart(plan, Papers::node("vvb1.lab.example"));
    // Five seconds after they lost it they are asked anew, and nobody was hung up on.
    world.run(4 * S);
    assert_eq!(calls(&mut world, "vvb1") + calls(&mut world, "vvb2"), usize::from(CALLERS), "{}", world.ladder());
    assert_eq!(world.spoken.len(), asked + usize::from(CALLERS), "the question again, once each");
    assert_eq!(calls(&mut world, "cvp1"), usize::from(CALLERS));
    assert!(!world.crossed.iter().any(|it| it.from == "cube1" && it.to.starts_with("line") && it.arrow() == "BYE"));
    // One digit is not enough: the session of before is gone with its browser, as docs/vxml.md says.
    for n in 0..CALLERS {
        world.control(&format!("line{n}"), Control::Press { digits: "2".into() });
    }
    world.run(S);
    assert_eq!(refers(&world), 0);
    for n in 0..CALLERS {
        world.control(&format!("line{n}"), Control::Press { digits: "3".into() });
    }
    world.run(2 * S);
    assert_eq!(refers(&world), usize::from(CALLERS));
    for n in 0..CALLERS {
        world.hang_up(&format!("line{n}"));
    }
    nothing_stays(&mut world);
}

/// Documents that would do harm, each for a caller of its own.
fn harm() -> Vec<(&'static str, String)> {
    let form = |inner: &str| format!("{VXML}<form>{inner}</form></vxml>");
    let script = |script: &str| form(&format!("<block><script>{script}</script></block>"));
    let bomb = |levels: usize| {
        let entity = |n: usize| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10));
        let entities: String = (1..levels).map(entity).collect();
        format!(
            "<!DOCTYPE vxml [<!ENTITY e0 \"x\">{entities}]>{VXML}<form><block>&e{};</block></form></vxml>",
            levels - 1
        )
    };
    vec![
        ("bad0.vxml", script("for (;;);")),
        ("bad1.vxml", script("/(a+)+$/.test(new Array(40).join('a') + 'b');")),
        ("bad2.vxml", script("var a = []; for (;;) a.push(new Array(1000).join('x') + a.length);")),
        ("bad3.vxml", script("function f() { return f() + 1 } f();")),
        ("bad4.vxml", form("<block><goto next='bad4.vxml'/></block>")),
        ("bad5.vxml", format!("{VXML}<form id='a'><subdialog name='s' src='#a'/></form></vxml>")),
        ("bad6.vxml", bomb(9)),
        ("bad7.vxml", format!("{VXML}<!--{}--><form/></vxml>", "x".repeat(50 << 20))),
        (
            "bad8.vxml",
            form(
                "<field name='a'><grammar mode='dtmf'>#ABNF 1.0; mode dtmf; root $r; $r = $r 1 | 1;</grammar>
                  <prompt>one</prompt><catch event='error.noresource'><exit/></catch></field>",
            ),
        ),
        ("bad9.vxml", form("<block><throw event='e'/></block><catch event='e'><throw event='e'/></catch>")),
        ("bad10.vxml", form(&format!("<block>{}</block>", "words ".repeat(50_000)))),
        ("bad11.vxml", form("<block><audio src='https://nowhere.example/a.wav'/><exit/></block>")),
        ("bad12.vxml", "not a document".to_owned()),
    ]
}

#[test]
fn documents_that_would_do_harm_end_their_own_calls_and_five_hundred_others_go_on() {
    const CALLERS: u16 = 500;
    let harm = harm();
    let all = CALLERS + harm.len() as u16;
    // Who calls decides: the last lines come to the documents that would do harm.
    let main = format!(
        "{VXML}<form><block><var name='n' expr=\"Number(session.connection.remote.uri.slice(-4))\"/>
         <if cond='n &gt;= {CALLERS}'><goto expr=\"'bad' + (n - {CALLERS}) + '.vxml'\"/></if></block>{ASKS}</form></vxml>"
    );
    let mut pages = vec![("main.vxml", main)];
    pages.extend(harm.iter().cloned());
    let mut world = estate(32, all, &pages);
    all_dial(&mut world, 0..CALLERS);
    assert_eq!(calls(&mut world, "vvb1"), usize::from(CALLERS));
    let byes = |world: &World| world.crossed.iter().filter(|it| it.from == "vvb1" && it.arrow() == "BYE").count();
    all_dial(&mut world, CALLERS..all);
    // The one with the grammar hears its question, and explodes at the first key.
    world.control(&format!("line{}", CALLERS + 8), Control::Press { digits: "1".into() });
    world.run(15 * S);
    assert_eq!(byes(&world), harm.len(), "each of them ended, and nobody else: {}", world.panics);
    assert_eq!((calls(&mut world, "vvb1"), world.panics), (usize::from(CALLERS), 0));
    for n in 0..CALLERS {
        world.control(&format!("line{n}"), Control::Press { digits: "42".into() });
        world.run(2 * MS);
    }
    world.run(3 * S);
    assert_eq!(refers(&world), usize::from(CALLERS), "all others go on");
    for n in 0..all {
        world.hang_up(&format!("line{n}"));
    }
    nothing_stays(&mut world);
}
