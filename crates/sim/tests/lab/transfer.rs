//! Bridge and consultation transfers of VoiceXML applications (2.0 §2.3.7.2, 2.1 §8): each outcome, whoever ends it, and
//! whom nobody may call.

use std::sync::Arc;
use std::time::Duration;

use roles::voice_browser::pages::Pages;
use roles::{Control, Kind, Plan, Reply};
use sim::rig::lab::site;
use sim::rig::{Papers, Sound, World};
use site::Role;

use super::passport::judge;

const S: Duration = Duration::from_secs(1);
const SERVER: &str = "https://pages.lab.example/";

/// A form whose one item is this transfer; what becomes of it is posted, and the caller stays.
fn page(attributes: &str, inner: &str) -> String {
    format!(
        "<vxml version='2.1'><form>
         <transfer name='t' {attributes}>{inner}<filled>
           <var name='d' expr='t$.duration'/><var name='i' expr='t$.inputmode'/>
           <submit next='done' method='post' namelist='t d i'/></filled></transfer>
         <catch event='error connection'><var name='e' expr='_event'/>
           <submit next='done' method='post' namelist='e'/></catch></form></vxml>"
    )
}

const BRIDGE: &str = "dest='tel:1001' bridge='true'";
const CONSULT: &str = "dest='tel:1001' type='consultation'";
const STAR: &str = "<grammar mode='dtmf' version='1.0' root='r'><rule id='r'>*</rule></grammar>";

/// The lab, where 6016 is the page and 1001 and 1002 may be called; by the application, 0 and what follows as well.
fn lab(page: &str, sound: Sound, answers_after: Option<Duration>) -> World {
    let mut estate = site();
    for node in &mut estate.nodes {
        match &mut node.role {
            Role::CallServer(server) => server.browsers_may_dial = vec!["100.$".into()],
            Role::VoiceBrowser(browser) => {
                for application in &mut browser.applications {
                    application.document = Some(format!("{SERVER}main.vxml"));
                    application.may_dial = vec!["100.$".into(), "0T".into()];
                }
            }
            _ => {}
        }
    }
    let mut world = World::lab_of(&estate, 1, sound, answers_after);
    for name in ["vvb1", "vvb2"] {
        let mut plan = Plan::clone(&world.plan_of(name));
        if let Kind::VoiceBrowser(browser) = &mut plan.kind {
            for application in &browser.browser.applications {
                let pages = Pages { first: format!("{SERVER}main.vxml"), ..Pages::default() };
                browser.pages.insert(application.number.clone(), Arc::new(pages));
            }
        }
        world.kill(name);
        world.restart(plan, Papers::node(&format!("{name}.lab.example")));
    }
    world.web.insert(format!("{SERVER}main.vxml"), page.as_bytes().into());
    let stays = "<vxml version='2.1'><form><field name='x' type='digits'><prompt><audio src='prompt:moh'/></prompt>
         </field></form></vxml>";
    world.web.insert(format!("{SERVER}done"), stays.as_bytes().into());
    world.run(15 * S);
    world
}

fn call(world: &mut World) {
    world.dial("6016");
    world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
}

/// What the application sent of the transfer.
fn posted(world: &World) -> Vec<&str> {
    world.fetched.iter().filter_map(|(_, request)| request.body.as_deref()).collect()
}

/// Everybody hangs up, and nobody has anything left.
fn end(world: &mut World) {
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

/// The caller's own call is as it was: still with the application.
fn stays(world: &mut World) {
    assert!(!world.saw("cube1", "carrier", "BYE") && !world.saw("vvb1", "cvp1", "REFER"));
    let legs = world.calls("vvb1");
    assert_eq!(legs.iter().filter(|leg| leg.ended_ms.is_none()).count(), 1, "{legs:?}");
}

/// All of them tell of it under one caller, and what they tell fits.
fn is_proved(world: &World) {
    let of_site: Vec<_> = world.statements.iter().filter(|(node, ..)| !node.starts_with("phone")).collect();
    let caller = of_site.first().expect("somebody signed").1.clone();
    assert!(of_site.iter().all(|(_, of, _)| *of == caller), "all file it under one caller");
    let signed = of_site.iter().map(|(.., signed)| signed.clone()).collect();
    let root = sim::rig::Pki::of_the_lab().root_der();
    let passport = call::passport::Passport::bundle("lab", caller, &[root], signed);
    let verdict = judge(world, &passport);
    assert_eq!(verdict.wrong, None, "{verdict}");
    assert_eq!(verdict.exceptions(), 1, "the carrier's alone is in clear: {verdict}");
}

fn heard(world: &World, node: &str) -> Vec<(u64, u64)> {
    let legs = world.legs.iter().filter(|(of, _)| of == node);
    legs.filter_map(|(_, leg)| leg.media.as_ref()).map(|media| (media.rx_protected, media.rx_clear)).collect()
}

#[test]
fn a_bridge_lasts_until_the_far_end_hangs_up_and_the_application_goes_on() {
    let mut world = lab(&page(BRIDGE, ""), Sound::real(1, World::prompts()), Some(S));
    call(&mut world);
    world.until(10 * S, |world| world.saw("cucm1", "phone1001", "INVITE"));
    world.run(6 * S);
    assert!(posted(&world).is_empty(), "they talk");
    world.hang_up("phone1001");
    world.run(2 * S);
    assert_eq!(posted(&world), ["t=far_end_disconnect&d=4&i=undefined"], "{}", world.ladder());
    stays(&mut world);
    end(&mut world);
    let at_phone = heard(&world, "phone1001");
    assert!(at_phone.iter().any(|(protected, clear)| *protected > 100 && *clear == 0), "{at_phone:?}");
    is_proved(&world);
}

#[test]
fn a_bridge_written_out_and_read_back_at_random_goes_on() {
    let mut world = lab(&page(BRIDGE, STAR), Sound::still(), Some(S));
    world.shake();
    call(&mut world);
    world.until(10 * S, |world| world.saw("cvp1", "vvb1", "200 INVITE"));
    world.run(4 * S);
    world.hang_up("phone1001");
    world.run(2 * S);
    assert_eq!(posted(&world).len(), 1, "{:?}", world.fetched);
    stays(&mut world);
    end(&mut world);
}

#[test]
fn a_key_of_its_grammar_ends_a_bridge_and_others_are_the_far_ends() {
    let mut world = lab(&page(BRIDGE, STAR), Sound::real(1, World::prompts()), Some(S));
    call(&mut world);
    world.until(10 * S, |world| world.saw("cucm1", "phone1001", "INVITE"));
    world.run(4 * S);
    world.press("12");
    world.run(2 * S);
    assert!(posted(&world).is_empty(), "they talk");
    let to_phone: String =
        world.heard_keys.iter().filter(|(node, _)| node == "phone1001").map(|(_, key)| *key).collect();
    assert_eq!(to_phone, "12");
    world.press("*");
    world.run(2 * S);
    assert_eq!(posted(&world), ["t=near_end_disconnect&d=5&i=dtmf"]);
    assert!(world.saw("cucm1", "phone1001", "BYE"));
    stays(&mut world);
    end(&mut world);
}

#[test]
fn a_key_ends_it_before_anybody_answers() {
    let mut world = lab(&page(BRIDGE, STAR), Sound::real(1, World::prompts()), None);
    call(&mut world);
    world.until(10 * S, |world| world.saw("cucm1", "phone1001", "INVITE"));
    world.run(S);
    world.press("*");
    world.run(2 * S);
    assert_eq!(posted(&world), ["t=near_end_disconnect&d=0&i=dtmf"]);
    assert!(world.saw("cucm1", "phone1001", "CANCEL"));
    stays(&mut world);
    end(&mut world);
}

#[test]
fn a_bridge_is_as_long_as_its_maxtime() {
    let attributes = format!("{BRIDGE} maxtime='3s'");
    let mut world = lab(&page(&attributes, ""), Sound::still(), Some(S));
    call(&mut world);
    world.run(10 * S);
    assert_eq!(posted(&world), ["t=maxtime_disconnect&d=3&i=undefined"]);
    assert!(world.saw("cucm1", "phone1001", "BYE"));
    stays(&mut world);
    end(&mut world);
}

#[test]
fn nobody_answers_within_the_connecttimeout() {
    for attributes in [BRIDGE, CONSULT] {
        let mut world = lab(&page(&format!("{attributes} connecttimeout='4s'"), ""), Sound::still(), None);
        call(&mut world);
        world.run(8 * S);
        assert_eq!(posted(&world), ["t=noanswer&d=0&i=undefined"]);
        assert!(world.saw("cucm1", "phone1001", "CANCEL"));
        stays(&mut world);
        end(&mut world);
    }
}

#[test]
fn who_talks_already_is_busy() {
    for attributes in [BRIDGE, CONSULT] {
        let mut world = lab(&page(attributes, ""), Sound::still(), Some(S));
        world.control("phone1002", Control::Dial { number: "1001".into() });
        world.run(4 * S);
        call(&mut world);
        world.run(5 * S);
        assert_eq!(posted(&world), ["t=busy&d=0&i=undefined"], "{}", world.ladder());
        stays(&mut world);
    }
}

#[test]
fn with_no_way_there_the_network_is_busy() {
    let mut world = lab(&page(BRIDGE, ""), Sound::still(), Some(S));
    world.vanish("cucm1", 60 * S);
    call(&mut world);
    world.run(10 * S);
    assert_eq!(posted(&world), ["t=network_busy&d=0&i=undefined"], "{}", world.ladder());
    stays(&mut world);
}

/// Toll fraud: by a page that was changed, or a browser that was taken over.
#[test]
fn numbers_that_the_site_does_not_have_are_called_by_nobody() {
    for (number, by) in [("00900123", "the call server"), ("1234", "the application")] {
        let mut world = lab(&page(&format!("dest='tel:{number}' bridge='true'"), ""), Sound::still(), Some(S));
        call(&mut world);
        world.run(5 * S);
        assert_eq!(posted(&world), ["e=error.connection.noauthorization"]);
        assert_eq!(world.saw("cvp1", "vvb1", "403 INVITE"), by == "the call server");
        assert!(!world.saw("cvp1", "cucm1", "INVITE") && !world.saw("cvp1", "cube1", "INVITE"));
        stays(&mut world);
        end(&mut world);
    }
}

#[test]
fn a_caller_who_hangs_up_takes_the_far_end_along() {
    for answers_after in [Some(S), None] {
        let mut world = lab(&page(BRIDGE, ""), Sound::still(), answers_after);
        call(&mut world);
        world.until(10 * S, |world| world.saw("cucm1", "phone1001", "INVITE"));
        world.run(4 * S);
        end(&mut world);
        assert_eq!(posted(&world), ["e=connection.disconnect.hangup"]);
        let arrow = if answers_after.is_some() { "BYE" } else { "CANCEL" };
        assert!(world.saw("cucm1", "phone1001", arrow), "{}", world.ladder());
        is_proved(&world);
    }
}

#[test]
fn a_caller_is_handed_over_to_whom_the_browser_called_once_they_have_answered() {
    let mut world = lab(&page(CONSULT, ""), Sound::real(1, World::prompts()), Some(S));
    call(&mut world);
    world.until(10 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
    world.run(5 * S);
    assert_eq!(posted(&world), ["e=connection.disconnect.transfer"], "{}", world.ladder());
    assert!(world.calls("vvb1").is_empty(), "the browser is out of it");
    assert!(!world.saw("cucm1", "phone1001", "BYE") && !world.saw("cube1", "carrier", "BYE"));
    let legs = world.calls("cvp1");
    let live: Vec<u64> = legs.iter().filter(|leg| leg.ended_ms.is_none()).map(|leg| leg.call).collect();
    assert!(live.len() == 2 && live[0] == live[1], "caller and far party, in one call: {legs:?}");
    end(&mut world);
    assert!(world.saw("cucm1", "phone1001", "BYE"));
    let at_phone = heard(&world, "phone1001");
    assert!(at_phone.iter().any(|(protected, clear)| *protected > 100 && *clear == 0), "{at_phone:?}");
    is_proved(&world);
}

#[test]
fn a_caller_who_is_handed_over_is_written_out_and_read_back() {
    let mut world = lab(&page(CONSULT, ""), Sound::still(), Some(S));
    world.shake();
    call(&mut world);
    world.run(8 * S);
    assert_eq!(posted(&world), ["e=connection.disconnect.transfer"]);
    end(&mut world);
}

/// The caller has the next browser, which knows nothing of whom the first one called.
#[test]
fn a_browser_that_dies_takes_the_far_end_along_and_not_the_caller() {
    let mut world = lab(&page(BRIDGE, ""), Sound::still(), Some(S));
    call(&mut world);
    world.run(6 * S);
    world.kill("vvb1");
    world.run(10 * S);
    assert!(world.saw("cucm1", "phone1001", "BYE"), "{}", world.ladder());
    assert!(world.saw("cvp1", "vvb2", "INVITE") && !world.saw("cube1", "carrier", "BYE"));
}

/// The call server is in signalling alone: who talks goes on.
#[test]
fn a_bridge_outlives_the_call_server() {
    let mut world = lab(&page(BRIDGE, ""), Sound::still(), Some(S));
    call(&mut world);
    world.run(6 * S);
    let plan = Plan::clone(&world.plan_of("cvp1"));
    world.kill("cvp1");
    world.run(S);
    world.restart(plan, Papers::node("cvp1.lab.example"));
    world.run(5 * S);
    assert!(posted(&world).is_empty(), "they talk: {:?}", posted(&world));
    world.hang_up("phone1001");
    world.run(3 * S);
    assert_eq!(posted(&world).len(), 1);
    assert!(posted(&world)[0].starts_with("t=far_end_disconnect"), "{:?}", posted(&world));
    end(&mut world);
}
