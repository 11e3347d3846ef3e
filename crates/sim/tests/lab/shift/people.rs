//! Callers and agents: what each does by themselves, and when; and what became of each caller.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use call::record::{LegRecord, LegState};
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use roles::{Control, DeskEvent, Journal, Kind};
use sim::rig::{World, lab};
use sip::Transport;

use super::{AGENTS, CALLERS, MS, RUSH, S, line, papers_of};

/// The carrier's lines: calls at once.
pub(crate) const LINES: usize = 260;

/// Nobody sits at this agent's desk.
pub(crate) fn is_deaf(n: usize) -> bool {
    n % 33 == 5
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    LogIn(usize),
    Ready(usize),
    Break(usize),
    Dial,
    Press(usize),
    GiveUp(usize),
    HangUp(usize),
}

#[derive(Debug)]
struct Caller {
    line: usize,
    /// The key that they press, if they do.
    wish: Option<char>,
    patience: Duration,
    talk: Duration,
    agent_ends: bool,
    is_up: bool,
    presses: u32,
    waits: bool,
    /// Was promised to be called back.
    promised: bool,
    /// Who answered.
    agent: Option<String>,
    /// They had enough of waiting; of talking.
    gave_up: bool,
    is_done: bool,
    /// Their leg's end, and why.
    ended: Option<String>,
    /// Why the centre let them go.
    told: Option<String>,
}

/// What became of a caller.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fate {
    Answered,
    CalledBack,
    /// Hung up while they waited, because they wanted to.
    Abandoned,
    Told(String),
    Lost(String),
}

pub(crate) struct People {
    dice: ChaCha8Rng,
    agenda: BTreeMap<(Duration, u64), Act>,
    acts: u64,
    callers: Vec<Caller>,
    /// Who is on each line.
    lines: Vec<Option<usize>>,
    /// How often an agent said ready again after a call that came to nothing.
    again: Vec<u32>,
    dead: Vec<String>,
    /// Why the centre let somebody go, by the Session-ID that their call is filed under.
    reasons: BTreeMap<String, String>,
    now: Duration,
}

impl People {
    pub(crate) fn new(seed: u64, world: &mut World) -> People {
        let mut people = People {
            dice: ChaCha8Rng::seed_from_u64(seed),
            agenda: BTreeMap::new(),
            acts: 0,
            callers: Vec::new(),
            lines: vec![None; LINES],
            again: vec![0; AGENTS],
            dead: Vec::new(),
            reasons: BTreeMap::new(),
            now: world.now().mono,
        };
        for n in 0..AGENTS {
            let answers = 1000 + people.roll(3000);
            let mut plan = lab::agent(&line(n), (!is_deaf(n)).then_some(answers * MS));
            plan.local = vec![(Transport::Tls, ([127, 18, 133, 75], 30_000 + n as u16).into())];
            let papers = papers_of(&plan.node);
            world.start(plan, papers);
            // A third are there from the beginning, the others come by and by.
            let comes = if n % 10 < 3 { 3000 + people.roll(12_000) } else { 120_000 + people.roll(160_000) };
            people.in_time(comes * MS, Act::LogIn(n));
        }
        for n in 0..LINES {
            world.start(lab::line(n as u16), papers_of("line"));
        }
        // Who is called back is at home, and picks up.
        let mut homes = lab::carrier();
        if let Kind::Phone(phone) = &mut homes.kind {
            (phone.calls, phone.answer_after) = (60, Some(S));
        }
        world.start(homes, papers_of("line"));
        for _ in 0..CALLERS {
            let dials = 20_000 + people.roll(RUSH.as_millis() as u32 - 20_000);
            people.in_time(dials * MS, Act::Dial);
        }
        people
    }

    fn roll(&mut self, sides: u32) -> u32 {
        self.dice.next_u32() % sides
    }

    fn in_time(&mut self, after: Duration, act: Act) {
        self.acts += 1;
        self.agenda.insert((self.now + after, self.acts), act);
    }

    pub(crate) fn is_quiet(&self) -> bool {
        let is_over = |caller: &Caller| caller.ended.is_some() && (!caller.promised || caller.is_done);
        self.callers.len() == CALLERS && self.callers.iter().all(is_over)
    }

    /// The phone is gone without a word, as when its plug is pulled. Who talks hears nothing for a while, and hangs up.
    pub(crate) fn dies(&mut self, world: &mut World, agent: &str) {
        world.kill(&format!("phone{agent}"));
        self.dead.push(agent.to_owned());
        let talks = |caller: &Caller| caller.agent.as_deref() == Some(agent) && !caller.is_done;
        if let Some(caller) = self.callers.iter().position(talks) {
            self.in_time(8 * S, Act::HangUp(caller));
        }
    }

    fn caller_of(&self, number: &str) -> Option<usize> {
        *self.lines.get(usize::from(lab::line_of(number)?))?
    }

    pub(crate) fn hear(&mut self, at: Duration, node: &str, entry: &Journal) {
        self.now = self.now.max(at);
        let on_line = node.strip_prefix("line").and_then(|n| *self.lines.get(n.parse::<usize>().ok()?)?);
        match entry {
            Journal::Changed(record) => {
                let is_up = matches!(record.state, LegState::Active | LegState::Connected);
                if let Some(who) = on_line.filter(|who| is_up && !self.callers[*who].is_up) {
                    self.callers[who].is_up = true;
                    let thinks = 1000 + self.roll(1500);
                    self.in_time(thinks * MS, Act::Press(who));
                }
            }
            Journal::Leg(record) => {
                if let Some(who) = on_line {
                    let uuid = record.session_id.local.0.clone();
                    let why = record.ended_because.clone().unwrap_or_default();
                    let caller = &mut self.callers[who];
                    caller.ended = Some(why);
                    if caller.told.is_none() {
                        caller.told = self.reasons.get(&uuid).cloned();
                    }
                    // Else somebody else would have the number when it is called.
                    if !self.callers[who].promised {
                        self.lines[self.callers[who].line] = None;
                    }
                } else if node.starts_with("vvb")
                    && let Some(why) = record.ended_because.as_ref().filter(|why| why.contains("no choice was made"))
                    && let Some(who) = self.caller_of(&record.calling.0)
                {
                    self.callers[who].told = Some(why.clone());
                }
            }
            Journal::Decision { caller, words } if words.ends_with(": the end") => {
                self.reasons.insert(caller.0.clone(), words.clone());
            }
            Journal::Routing(input) => {
                if let acd::Input::CallBack { number, .. } = &**input
                    && let Some(who) = self.caller_of(number)
                {
                    (self.callers[who].promised, self.callers[who].agent_ends) = (true, true);
                }
                if let acd::Input::Arrive(arrival) = &**input
                    && let Some(who) = arrival.customer.as_deref().and_then(|number| self.caller_of(number))
                {
                    self.callers[who].waits = true;
                    self.in_time(self.callers[who].patience, Act::GiveUp(who));
                }
            }
            Journal::Desk(event) => self.at_a_desk(event),
            _ => {}
        }
    }

    fn at_a_desk(&mut self, event: &DeskEvent) {
        match event {
            DeskEvent::Agent(view) if view.state == "NOT_READY" => {
                let n = view.id.parse::<usize>().expect("a number") - 2000;
                let by_themselves = ["logged in", "lunch"].contains(&view.reason.as_str());
                if !by_themselves && self.again[n] < 2 {
                    self.again[n] += 1;
                    self.in_time(30 * S, Act::Ready(n));
                }
            }
            DeskEvent::Dialog(view) if view.connected => {
                let Some(who) = self.caller_of(&view.calling) else { return };
                if self.callers[who].agent.is_some() {
                    return;
                }
                self.callers[who].agent = Some(view.agent.clone());
                let talk = self.callers[who].talk;
                self.in_time(talk, Act::HangUp(who));
                if self.roll(8) == 0 {
                    let n = view.agent.parse::<usize>().expect("a number") - 2000;
                    self.in_time(10 * S, Act::Break(n));
                    self.in_time(talk + 100 * S, Act::Ready(n));
                }
            }
            _ => {}
        }
    }

    /// Everybody does what it is time for.
    pub(crate) fn act(&mut self, world: &mut World) {
        self.now = world.now().mono;
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Act::LogIn(n) => {
                    world.control("cvp1", Control::AgentLogin { agent: line(n) });
                    world.control("cvp1", Control::AgentReady { agent: line(n) });
                }
                Act::Ready(n) => {
                    world.control("cvp1", Control::AgentReady { agent: line(n) });
                }
                Act::Break(n) => {
                    let reason = "lunch".to_owned();
                    world.control("cvp1", Control::AgentNotReadyLater { agent: line(n), reason });
                }
                Act::Dial => self.dial(world),
                Act::Press(who) => self.press(world, who),
                Act::GiveUp(who) => {
                    let caller = &mut self.callers[who];
                    if caller.agent.is_none() && caller.ended.is_none() {
                        caller.gave_up = true;
                        world.hang_up(&format!("line{}", caller.line));
                    }
                }
                Act::HangUp(who) => {
                    let caller = &mut self.callers[who];
                    if (caller.ended.is_none() || caller.promised) && !caller.is_done {
                        caller.is_done = true;
                        match caller.agent.as_ref().filter(|agent| caller.agent_ends && !self.dead.contains(agent)) {
                            Some(agent) => world.hang_up(&format!("phone{agent}")),
                            None => world.hang_up(&format!("line{}", caller.line)),
                        }
                    }
                }
            }
        }
    }

    fn dial(&mut self, world: &mut World) {
        let free = self.lines.iter().position(Option::is_none).expect("a free line");
        let wish = match self.roll(40) {
            0 | 1 => None,
            2..6 => Some('9'),
            6..20 => Some('1'),
            20..32 => Some('2'),
            _ => Some('3'),
        };
        let patience = if self.roll(3) == 0 { 12_000 + self.roll(30_000) } else { 600_000 };
        let talk = 40_000 + self.roll(100_000);
        self.lines[free] = Some(self.callers.len());
        self.callers.push(Caller {
            line: free,
            wish,
            patience: patience * MS,
            talk: talk * MS,
            agent_ends: talk.is_multiple_of(2),
            is_up: false,
            presses: 0,
            waits: false,
            promised: false,
            agent: None,
            gave_up: false,
            is_done: false,
            ended: None,
            told: None,
        });
        let line = format!("line{free}");
        let id = world.control(&line, Control::Dial { number: "6016".into() });
        assert_eq!(world.replies.remove(&id), Some(roles::Reply::Done), "{line} dials");
    }

    /// Who hears the question again presses again.
    fn press(&mut self, world: &mut World, who: usize) {
        let caller = &mut self.callers[who];
        let Some(key) = caller.wish.filter(|_| !caller.waits && caller.ended.is_none()) else { return };
        world.control(&format!("line{}", caller.line), Control::Press { digits: key.into() });
        caller.presses += 1;
        if caller.presses < 5 {
            self.in_time(6 * S, Act::Press(who));
        }
    }

    /// What became of each caller, by their number in the order of dialling.
    pub(crate) fn fates(&self, world: &World) -> BTreeMap<usize, Fate> {
        let mut talked: BTreeMap<(String, String), u32> = BTreeMap::new();
        for (node, leg) in
            world.legs.iter().filter(|(node, leg)| node.starts_with("phone") && leg.connected_ms.is_some())
        {
            *talked.entry((node.clone(), leg.calling.0.clone())).or_default() += 1;
        }
        let home = |(node, leg): &&(String, LegRecord)| node == "carrier" && leg.connected_ms.is_some();
        let called: BTreeSet<String> = world.legs.iter().filter(home).map(|(_, leg)| leg.called.0.clone()).collect();
        let fate = |caller: &Caller| {
            let number = lab::line_number(caller.line as u16);
            match (&caller.ended, &caller.agent, &caller.told) {
                (None, ..) => Fate::Lost(format!("still there: {caller:?}")),
                (_, agent, _) if caller.promised => {
                    let at_home = called.contains(&number);
                    let talk = agent.as_ref().and_then(|agent| talked.get(&(format!("phone{agent}"), number)));
                    match (talk, at_home && caller.is_done) {
                        (Some(_), true) => Fate::CalledBack,
                        _ => Fate::Lost(format!("not called back: {caller:?}")),
                    }
                }
                (_, Some(agent), _) => {
                    let theirs = talked.contains_key(&(format!("phone{agent}"), number));
                    match (caller.is_done, theirs || self.dead.contains(agent)) {
                        (true, true) => Fate::Answered,
                        _ => Fate::Lost(format!("cut off, or never at agent {agent}'s phone: {caller:?}")),
                    }
                }
                (_, None, _) if caller.gave_up => Fate::Abandoned,
                (_, None, Some(why)) => Fate::Told(why.clone()),
                (Some(_), None, None) => Fate::Lost(format!("let go without a word: {caller:?}")),
            }
        };
        self.callers.iter().map(fate).enumerate().collect()
    }
}
