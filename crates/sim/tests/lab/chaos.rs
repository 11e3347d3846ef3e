//! Calls in an estate where everything goes wrong at random: datagrams are lost, connections break, nodes are killed,
//! people hang up whenever they like, and every node is written out and read back at random steps. Whatever happens, in
//! the end nothing is left of any call, and every call's end is signed.
//!
//! `CHAOS_SEEDS=from..to` runs others than the few of every day; a failure names its seed.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use roles::{Control, Reply};
use sim::rig::{Logs, Sound, World};

const MS: Duration = Duration::from_millis(1);
const NODES: [&str; 8] = ["cube1", "cvp1", "vvb1", "vvb2", "cucm1", "phone1001", "phone1002", "carrier"];

fn chaos(seed: u64) {
    let mut dice = ChaCha8Rng::seed_from_u64(seed ^ 0xc4a5);
    let mut roll = |sides: u32| dice.next_u32() % sides;
    let answers = (roll(3) > 0).then(|| roll(5000) * MS);
    let mut world = World::lab(seed, Sound::still(), answers);
    world.lose(roll(4) * 8);
    if roll(2) == 0 {
        world.shake();
    }
    let mut killed: Vec<&str> = Vec::new();
    world.dial("6016");
    for _ in 0..roll(24) {
        world.run(roll(3000) * MS);
        match roll(16) {
            0 => world.hang_up("carrier"),
            1 => world.hang_up("phone1001"),
            2 | 3 => world.dial("6016"),
            4 | 5 => world.press("1"),
            6 | 7 => world.ready("1001"),
            8 => world.ready("1002"),
            9 => {
                world.control("phone1001", Control::Answer);
            }
            10 => {
                let agent = "1001".into();
                world.control("cvp1", Control::AgentNotReady { agent, reason: "lunch".into() });
            }
            11 => world.cut("cube1", "cvp1"),
            12 => world.cut("cvp1", "vvb1"),
            13 => world.cut("cvp1", "cucm1"),
            14 => world.cut("cucm1", "phone1001"),
            _ => {
                let victim = ["vvb1", "phone1001", "cucm1", "cvp1", "vvb2"][roll(5) as usize];
                if killed.is_empty() && roll(3) == 0 {
                    world.kill(victim);
                    killed.push(victim);
                }
            }
        }
    }
    for node in ["carrier", "phone1001", "phone1002"] {
        world.hang_up(node);
    }
    // An agent's phone that rings for nobody any more, and whoever must time out.
    world.run(Duration::from_secs(300));
    for node in ["carrier", "phone1001", "phone1002"] {
        world.hang_up(node);
    }
    world.run(Duration::from_secs(100));
    if killed.iter().any(|node| ["cvp1", "cucm1"].contains(node)) {
        // Only the session timer can tell some that the others are no more.
        world.run(Duration::from_secs(2000));
    }
    for node in NODES.iter().filter(|node| !killed.contains(node)) {
        let Reply::Status(status) = world.ask(node, Control::Status) else { panic!("a status") };
        let left = (status.calls, status.legs, status.dialogs);
        assert_eq!(left, (0, 0, 0), "seed {seed}, killed {killed:?}: {node} keeps {status:?}\n{}", world.ladder());
    }
}

#[expect(clippy::disallowed_methods, reason = "which seeds to run is a matter of the one who runs them")]
#[test]
fn whatever_happens_nothing_is_left() {
    let seeds = std::env::var("CHAOS_SEEDS").ok();
    let (from, to) = match seeds.as_deref().and_then(|text| text.split_once("..")) {
        Some((from, to)) => (from.parse().expect("a number"), to.parse().expect("a number")),
        None => (0, 100),
    };
    let (logs, _guard) = Logs::listen();
    for seed in from..to {
        chaos(seed);
    }
    assert!(!logs.is_empty(), "refused agents and silent peers are worth a line");
    logs.are_clean_of(&["3227046971", "6016", "lab-1001-secret", "lab-1002-secret", "inline:"]);
}
