//! Storms: whole estates in bad weather, in which everybody does whatever they like; and then it clears up.
//!
//! [`run`] draws everything from one seed: the weather, how agents answer, a few dozen [`Transition`]s at random moments.
//! Then nodes that are down come back, links heal, people hang up, and [`rest`] looks at what is left. A storm that ends
//! badly is a [`Wreck`]: the seed, what is wrong, what happened, the ladder.

mod errors;
mod rest;
mod transition;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use media::Prompts;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use roles::{Control, ControlId, Kind, Plan, Reply};

use self::errors::Errors;
pub use self::transition::Transition;
use crate::rig::{Papers, Sound, Weather, World, lab};

/// The last two are there where three can come together.
const NODES: [&str; 10] =
    ["cube1", "cvp1", "vvb1", "vvb2", "cucm1", "phone1001", "phone1002", "carrier", "mr1", "phone1009"];
/// One storm in so many has the real media engine with real packets.
const REAL: u64 = 100;
/// One storm in so many is over a site of conferences and supervision, with desks at work.
const CROWDED: u64 = 3;

static PROMPTS: LazyLock<Arc<Prompts>> = LazyLock::new(World::prompts);
/// Plans of the site's nodes, compiled once.
static PLANS: LazyLock<Vec<(Plan, Papers)>> = LazyLock::new(|| plans(&lab::site()));
static CROWDED_PLANS: LazyLock<Vec<(Plan, Papers)>> = LazyLock::new(|| plans(&lab::conference_site()));

fn plans(site: &site::Site) -> Vec<(Plan, Papers)> {
    let plan = |node: &site::Node| {
        let plan = Plan::compile(site, &node.name, 1).expect("a validated site compiles");
        (plan, Papers::node(&site.host_name(node)))
    };
    site.nodes.iter().map(plan).collect()
}

/// What came of a storm, for the sum over many: whoever asks that nothing is left must know that there was something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that the carrier placed, that reached an announcement, that reached an agent.
    pub placed: u64,
    pub heard: u64,
    pub served: u64,
    /// Legs at the media resource over which somebody talked.
    pub mixed: u64,
    pub messages: u64,
    pub statements: u64,
    pub verified: u64,
    pub transitions: u64,
    /// Virtual milliseconds.
    pub lasted_ms: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Tally) {
        self.placed += other.placed;
        self.heard += other.heard;
        self.served += other.served;
        self.mixed += other.mixed;
        self.messages += other.messages;
        self.statements += other.statements;
        self.verified += other.verified;
        self.transitions += other.transitions;
        self.lasted_ms += other.lasted_ms;
    }
}

/// A storm after which something was not as it must be.
#[derive(Clone, Debug)]
pub struct Wreck {
    pub seed: u64,
    pub wrong: String,
    /// Transitions and when.
    pub story: String,
    pub ladder: String,
}

impl fmt::Display for Wreck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.story, self.ladder)?;
        write!(
            f,
            "seed {}: {}\nagain: SIM_SEED={} cargo nextest run -p sim --no-capture storm",
            self.seed, self.wrong, self.seed
        )
    }
}

/// A storm under way.
struct Storm {
    world: World,
    dice: ChaCha8Rng,
    /// Nodes are left alone.
    gentle: bool,
    /// There are a media resource and a supervisor, and desks at work.
    crowded: bool,
    /// What desks asked for.
    asked: Vec<(ControlId, String)>,
    story: Vec<String>,
    /// Nodes that are down.
    down: BTreeMap<&'static str, (Plan, Papers)>,
    /// Nodes that were ever down: what they knew is lost, but for what they kept.
    fell: BTreeSet<&'static str>,
    /// Somebody could not reach somebody: a BYE may have been in vain, and the session timer must do its work.
    parted: bool,
    draining: BTreeMap<&'static str, ControlId>,
    generation: u64,
    placed: u64,
    transitions: u64,
    errors: Errors,
}

/// One storm from beginning to end. The same seed is the same storm.
pub fn run(seed: u64) -> Result<Tally, Box<Wreck>> {
    let errors = Errors::default();
    let subscriber = errors.clone();
    tracing::subscriber::with_default(subscriber, || {
        let mut storm = Storm::new(seed, errors);
        let end = catch_unwind(AssertUnwindSafe(|| storm.go()));
        let end = end.unwrap_or_else(|panic| Err(words(&*panic)));
        end.map_err(|wrong| {
            let (story, ladder) = (storm.story.join("\n"), storm.world.ladder());
            Box::new(Wreck { seed, wrong, story, ladder })
        })
    })
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic".into())
}

impl Storm {
    fn new(seed: u64, errors: Errors) -> Storm {
        let mut dice = ChaCha8Rng::seed_from_u64(seed ^ 0x0057_0c4a_57ea);
        let real = seed % REAL == REAL - 1;
        let sound = if real { Sound::real(seed, PROMPTS.clone()) } else { Sound::still() };
        let mut world = World::new(seed, sound);
        let crowded = seed % CROWDED == CROWDED - 1;
        for (plan, papers) in if crowded { CROWDED_PLANS.iter() } else { PLANS.iter() } {
            world.start(plan.clone(), papers.clone());
        }
        let mut carrier = lab::carrier();
        if let Kind::Phone(phone) = &mut carrier.kind {
            phone.calls = 3;
        }
        world.start(carrier, Papers::None);
        for line in ["1001", "1002", "1009"].into_iter().take(if crowded { 3 } else { 2 }) {
            let longest = if crowded { 1000 } else { 6000 };
            let answers =
                (dice.next_u32() % 4 > 0).then(|| Duration::from_millis(u64::from(dice.next_u32() % longest)));
            let mut plan = lab::agent(line, answers);
            if let Kind::Phone(phone) = &mut plan.kind
                && crowded
            {
                // One for the call that is held while somebody is consulted.
                (phone.call_control, phone.calls) = (dice.next_u32() % 2 == 0, 2);
            }
            world.start(plan, Papers::phone(&format!("phone{line}.lab.example")));
        }
        Storm {
            world,
            gentle: seed % 2 == 1,
            crowded,
            asked: Vec::new(),
            story: Vec::new(),
            down: BTreeMap::new(),
            fell: BTreeSet::new(),
            parted: false,
            draining: BTreeMap::new(),
            generation: 1,
            placed: 0,
            transitions: 0,
            errors,
            dice,
        }
    }

    fn nodes(&self) -> &'static [&'static str] {
        NODES.get(..if self.crowded { 10 } else { 8 }).unwrap_or(&NODES)
    }

    /// Whom the storm has hang up in the end.
    fn people(&self) -> &'static [&'static str] {
        if self.crowded {
            &["carrier", "phone1001", "phone1002", "phone1009"]
        } else {
            &["carrier", "phone1001", "phone1002"]
        }
    }

    fn site(&self) -> site::Site {
        if self.crowded { lab::conference_site() } else { lab::site() }
    }

    fn roll(&mut self, sides: u32) -> u32 {
        self.dice.next_u32() % sides
    }

    fn pass(&mut self, most_ms: u32) {
        let ms = self.roll(most_ms);
        self.world.run(Duration::from_millis(ms.into()));
    }

    fn tell(&mut self, line: impl fmt::Display) {
        self.story.push(format!("{:>9.3} {line}", self.world.now().mono.as_secs_f64()));
    }

    fn go(&mut self) -> Result<Tally, String> {
        self.world.run(Duration::from_secs(1));
        let weather = Weather::of(&mut self.dice);
        self.world.weather(weather);
        self.tell(format_args!("{weather:?}"));
        if self.roll(4) == 0 {
            self.tell("nodes are written out and read back");
            self.world.shake();
        }
        self.take(Transition::Dial);
        if self.crowded {
            self.ask("cvp1", Control::AgentLogin { agent: "1009".into() })?;
            // Desks have nothing to do before somebody talks with an agent.
            for transition in [Transition::PressRight, Transition::Ready("1001"), Transition::Answer("phone1001")] {
                self.world.run(Duration::from_millis(1500));
                self.take(transition);
            }
        }
        for _ in 0..4 + self.roll(20) {
            // Much happens within one round trip of something else, much within a ring.
            let most = [3, 40, 1500, 6000][self.roll(4) as usize];
            self.pass(most);
            let transition = Transition::draw(self);
            self.take(transition);
        }
        self.pass(4000);
        self.clear_up();
        self.rest()
    }

    /// A node's answer to a question that needs no time.
    fn ask(&mut self, node: &str, request: Control) -> Result<Reply, String> {
        let id = self.world.control(node, request);
        self.world.replies.remove(&id).ok_or_else(|| format!("{node} does not answer at once"))
    }
}
