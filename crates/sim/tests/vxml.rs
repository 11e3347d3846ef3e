//! The application of `examples/vxml` in the reference estate: real SRTP, virtual time.

use std::path::Path;
use std::time::Duration;

use roles::voice_browser::pages::Pages;
use roles::{Control, Kind, Plan, Reply};
use sim::rig::{Papers, Sound, World};

const S: Duration = Duration::from_secs(1);

/// The lab, where 6016 is the application.
fn lab(sound: Sound) -> World {
    let mut world = World::lab(1, sound, Some(S));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vxml");
    let files = ["root.vxml", "main.vxml", "account.vxml", "balance.xml", "menu.vxml", "agent.vxml"];
    let read = |name: &str| -> (String, std::sync::Arc<[u8]>) {
        (name.to_owned(), std::fs::read(folder.join(name)).expect("an example").into())
    };
    let pages = std::sync::Arc::new(Pages { first: "main.vxml".into(), files: files.map(read).into() });
    for name in ["vvb1", "vvb2"] {
        let mut plan = Plan::clone(&world.plan_of(name));
        if let Kind::VoiceBrowser(browser) = &mut plan.kind {
            for application in &mut browser.browser.applications {
                application.document = Some("main.vxml".into());
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
