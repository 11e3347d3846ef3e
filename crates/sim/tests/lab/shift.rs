//! A shift of a whole contact centre, from the carrier to the agents over real messages in virtual time: 200 agents of
//! three skills, more callers than they can take at once, overflow, callbacks, phones that nobody answers, wrap-up, breaks, two
//! phones that die and a voice browser that does. Every caller is accounted for, nothing is left, and every reason that
//! the call server gives is held against a model of its own.
//!
//! `SHIFT_SEED=n` runs another shift than the one of every day.

mod model;
mod people;

use std::collections::BTreeMap;
use std::time::Duration;

use call::record::LegState;
use roles::{Control, Reply};
use sim::rig::{Logs, Papers, Sound, World};
use site::Site;

use self::model::Model;
use self::people::{Fate, People};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const LAB: &str = include_str!("../../../../examples/lab.toml");

const AGENTS: usize = 200;
const CALLERS: usize = 420;
/// Callers come within this time, and nobody is at work for longer than that.
const RUSH: Duration = Duration::from_secs(300);
const SHIFT: Duration = Duration::from_secs(1500);
/// How often people look up and do something.
const BLINK: Duration = Duration::from_millis(200);

/// What an agent can, by number in the plan's order.
pub(crate) struct Skills {
    pub(crate) sells: bool,
    pub(crate) support: u8,
    pub(crate) billing: u8,
}

pub(crate) fn skills(n: usize) -> Skills {
    Skills {
        sells: n % 4 < 2,
        support: if n % 4 == 2 { 1 + (n % 10) as u8 } else { 3 * u8::from(n.is_multiple_of(20)) },
        billing: if n % 4 == 3 { 5 } else { 0 },
    }
}

pub(crate) fn line(n: usize) -> String {
    (2000 + n).to_string()
}

/// The lab with a centre in it. Support is asked of those who know it well first, and after 40 s of sales too, ahead of
/// others; billing overflows into sales after 20 s, and lets callers go after another 20.
fn site() -> Site {
    let (head, rest) = LAB.split_once("[[node.role.call_server.queue]]").expect("the lab has a queue");
    let (_, rest) = rest.split_once("# ── The voice browsers").expect("and browsers");
    let (middle, phones) = rest.split_once("# Two agents' phones.").expect("and phones");
    assert!(phones.contains("lab-1002-secret") && !phones.contains("[[node]]"), "phones are the last of it");
    let mut text = format!(
        "{head}{}\n# ── The voice browsers{}",
        include_str!("shift/centre.toml"),
        middle.replace(
            "choice = [{ digit = \"1\", queue = \"sales\" }]",
            "choice = [{ digit = \"1\", queue = \"buy\" }, { digit = \"2\", queue = \"help\" }, { digit = \"3\", queue = \"pay\" }, { digit = \"9\", queue = \"buy\", call_back = true }]",
        )
    );
    let mut agents = String::new();
    for n in 0..AGENTS {
        let (line, Skills { sells, support, billing }) = (line(n), skills(n));
        let queues = if sells { "queues = [\"sales\"]\n" } else { "" };
        agents.push_str(&format!(
            "[[node.role.call_server.agent]]\nid = \"{line}\"\nextension = \"{line}\"\n{queues}attributes = ["
        ));
        for (name, level) in [("support", support), ("billing", billing)].into_iter().filter(|(_, level)| *level > 0) {
            agents.push_str(&format!("\"{name} = {level}\", "));
        }
        agents.push_str("]\n\n");
        text.push_str(&format!(
            "\n[[node.role.call_manager.phone]]\nname = \"SEP00000000{line}\"\nline = \"{line}\"\ndigest_secret = \"lab-{line}-secret\"\n"
        ));
    }
    // Callers are called back by the way that they came.
    let text = text
        .replace("# AGENTS\n", &agents)
        .replacen(
            "incoming_called_number = \"6...\"",
            "destination_pattern = \"32270....\"\nincoming_called_number = \"6...\"",
            1,
        )
        .replacen(
            "destination_pattern = \"6...\"",
            "incoming_called_number = \"32270....\"\ndestination_pattern = \"6...\"",
            1,
        );
    Site::parse(&text).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

fn centre(seed: u64) -> World {
    let mut world = World::new(seed, Sound::still());
    let room = |address: &str| address.parse().expect("an address");
    // 64 a phone, which is what it keeps ready.
    world.room(room("127.18.133.75"), 64 * AGENTS as u16);
    world.room(room("127.18.133.76"), 64 * (people::LINES as u16 + 2));
    world.room(room("127.18.133.226"), 2048);
    world.room(room("127.18.133.143"), 1024);
    world.room(room("127.18.133.144"), 1024);
    world.start_site(&site());
    world
}

fn status(world: &mut World, node: &str) -> roles::Status {
    match world.ask(node, Control::Status) {
        Reply::Status(status) => status,
        other => panic!("a status, not {other:?}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "which shift to run is a matter of the one who runs it")]
fn seed() -> u64 {
    std::env::var("SHIFT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7)
}

#[test]
fn every_caller_of_a_shift_is_accounted_for_and_every_why_is_true() {
    let seed = seed();
    let (logs, _guard) = Logs::listen();
    let mut world = centre(seed);
    let mut people = People::new(seed, &mut world);
    let mut model = Model::new();
    world.diary = Some(Vec::new());
    let mut ended: BTreeMap<&str, bool> = BTreeMap::new();
    let begins = world.now().mono;
    while world.now().mono < begins + SHIFT {
        world.run(BLINK);
        for (at, node, entry) in world.diary.replace(Vec::new()).unwrap_or_default() {
            model.hear(at, &node, &entry);
            people.hear(at, &node, &entry);
        }
        let now = world.now().mono - begins;
        // Two phones die: one with a caller at the other end, and one that waits for a call.
        for (what, after, state) in [("talking", 100 * S, "TALKING"), ("ready", 160 * S, "READY")] {
            if now >= after
                && !ended.contains_key(what)
                && let Some(agent) = model.somebody(state)
            {
                people.dies(&mut world, &agent);
                ended.insert(what, true);
            }
        }
        if now >= 120 * S && !ended.contains_key("browser") {
            assert!(model.waiting() >= 10, "callers hear its music when it dies: {}", model.waiting());
            world.kill("vvb1");
            ended.insert("browser", true);
        }
        people.act(&mut world);
        if now > RUSH && people.is_quiet() {
            break;
        }
    }
    assert_eq!(ended.len(), 3, "they died: {ended:?}");
    world.run(40 * S);

    // Every caller, by name.
    let fates = people.fates(&world);
    let count = |fate: fn(&Fate) -> bool| fates.iter().filter(|(_, is)| fate(is)).count();
    let lost: Vec<_> = fates.iter().filter(|(_, fate)| matches!(fate, Fate::Lost(_))).collect();
    assert!(lost.is_empty(), "seed {seed}: {} callers are unaccounted for, the first: {:?}", lost.len(), lost[0]);
    let answered = count(|fate| matches!(fate, Fate::Answered));
    let abandoned = count(|fate| matches!(fate, Fate::Abandoned));
    let told = count(|fate| matches!(fate, Fate::Told(_)));
    let called_back = count(|fate| matches!(fate, Fate::CalledBack));
    let told_by = |words: &str| fates.values().filter(|f| matches!(f, Fate::Told(why) if why.contains(words))).count();
    assert_eq!(answered + called_back + abandoned + told, CALLERS);
    assert!(called_back > 5, "{called_back} called back");
    assert!(answered > CALLERS / 2 && abandoned > 10, "{answered} answered, {abandoned} abandoned, {told} told why");
    let (unasked, late) = (told_by("no choice was made"), told_by("the end"));
    assert!(unasked > 3 && late > 1, "{unasked} made no choice, {late} were let go by the script");
    // What the shift was to have in it.
    assert!(model.rang_out > 3 && model.overflowed > 10 && model.longest_line >= 30, "{model:?}");
    assert!(model.chosen as usize >= answered && model.by_order > 50, "{model:?}");

    // What the figures say is what was.
    let Reply::Routing(figures) = world.ask("cvp1", Control::Routing) else { panic!("figures") };
    let sum = |of: fn(&acd::QueueFigures) -> u32| -> usize {
        figures.intervals.iter().flat_map(|interval| interval.queues.values()).map(|queue| of(queue) as usize).sum()
    };
    assert_eq!(sum(|queue| queue.answered), answered + called_back);
    assert_eq!(sum(|queue| queue.callbacks), called_back);
    assert_eq!(sum(|queue| queue.abandoned), abandoned);
    assert_eq!(sum(|queue| queue.released), told_by("the end"));
    assert_eq!(sum(|queue| queue.no_answer), model.refused as usize);

    // And nothing is left of any call anywhere.
    for node in world.names() {
        let is = status(&mut world, &node);
        let left = (is.calls, is.legs, is.dialogs, is.transactions);
        assert_eq!(left, (0, 0, 0, 0), "{node} keeps {is:?}");
    }
    assert!(world.legs.iter().all(|(_, leg)| leg.state == LegState::Ended));
    assert_eq!(world.panics, 0);
    logs.are_clean_of(&["lab-2001-secret", "inline:"]);
}

/// The same seed is the same shift.
#[test]
fn a_shift_that_is_worked_again_is_the_same() {
    let morning = || {
        let mut world = centre(3);
        let mut people = People::new(3, &mut world);
        world.diary = Some(Vec::new());
        let mut told = Vec::new();
        for _ in 0..150 {
            world.run(BLINK);
            for (at, node, entry) in world.diary.replace(Vec::new()).unwrap_or_default() {
                people.hear(at, &node, &entry);
                if let roles::Journal::Decision { words, .. } = entry {
                    told.push((at, node, words));
                }
            }
            people.act(&mut world);
        }
        (told, world.crossed.len())
    };
    let (first, second) = (morning(), morning());
    assert!(first.0.len() > 50, "{}", first.0.len());
    assert_eq!(first, second);
}

/// A caller's phone: one line of the carrier's.
pub(crate) fn papers_of(line: &str) -> Papers {
    // One handshake for all of them.
    if line.starts_with("phone") { Papers::phone("phones.lab.example") } else { Papers::None }
}
