//! What the router should do, as plainly as can be: lists that are searched through, filled from what the call server
//! says of agents and was told of callers. Each decision is held against it: whether the agent was free, had the skill and
//! was the first by the queue's order, whether the caller was the first in line, and whether all that the decision names
//! as its reasons was so.

use std::collections::BTreeMap;
use std::time::Duration;

use acd::{Considered, Decision, Doing, Fact, Order, Rule};
use roles::{DeskEvent, Journal};

use super::{AGENTS, Skills, line, skills};

/// The most agents that a decision names.
const NAMED: usize = 20;
const HEAD_START_MS: i64 = 60_000;
const S: Duration = Duration::from_secs(1);

struct Agent {
    skills: Skills,
    doing: Doing,
    reason: String,
    /// When this began, and since when they wait for a call.
    since: Duration,
    idle: Duration,
    logged_in: Duration,
    /// Ringing, talking and working since then.
    occupied: Duration,
    rings_for: Option<u64>,
    /// The work after the call that they have.
    wraps_up: Duration,
}

/// One queue that a caller stands in, and the step there, from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    queue: &'static str,
    step: usize,
}

struct Caller {
    since: Duration,
    /// By the order of coming.
    place: usize,
    priority: i64,
    places: Vec<Place>,
    rings: bool,
    /// When specialists alone are asked no longer, and when the script goes on.
    widens: Option<Duration>,
    overflows: Option<Duration>,
}

#[derive(Default)]
pub(crate) struct Model {
    agents: Vec<Agent>,
    callers: BTreeMap<u64, Caller>,
    came: usize,
    /// Who is to be called back: what is said of the call that they made is said of the one that will be.
    called_back: BTreeMap<u64, u64>,
    /// What there was of it, so that a shift in which nothing happened does not pass for a good one.
    pub(crate) chosen: u32,
    pub(crate) by_order: u32,
    pub(crate) rang_out: u32,
    pub(crate) refused: u32,
    pub(crate) overflowed: u32,
    pub(crate) longest_line: usize,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Model { chosen, by_order, rang_out, refused, overflowed, longest_line, .. } = self;
        write!(
            f,
            "{chosen} chosen, {by_order} by order, {rang_out} rang out, {refused} refused, {overflowed} overflowed, {longest_line} in line"
        )
    }
}

impl Model {
    pub(crate) fn new() -> Model {
        let agent = |n| Agent {
            skills: skills(n),
            doing: Doing::LoggedOut,
            reason: String::new(),
            since: Duration::ZERO,
            idle: Duration::ZERO,
            logged_in: Duration::ZERO,
            occupied: Duration::ZERO,
            rings_for: None,
            wraps_up: Duration::ZERO,
        };
        Model { agents: (0..AGENTS).map(agent).collect(), ..Model::default() }
    }

    /// The first agent in this state, as desks name it, whose phone is no trouble.
    pub(crate) fn somebody(&self, state: &str) -> Option<String> {
        let is = |agent: &Agent| match state {
            "TALKING" => agent.doing == Doing::Talking,
            _ => agent.doing == Doing::Ready,
        };
        let fit = |(n, agent): &(usize, &Agent)| is(agent) && !super::people::is_deaf(*n);
        self.agents.iter().enumerate().find(fit).map(|(n, _)| line(n))
    }

    pub(crate) fn waiting(&self) -> usize {
        self.callers.values().filter(|caller| !caller.rings).count()
    }

    pub(crate) fn hear(&mut self, at: Duration, node: &str, entry: &Journal) {
        if node != "cvp1" {
            return;
        }
        match entry {
            Journal::Desk(event) => {
                if let DeskEvent::Agent(view) = &**event {
                    self.pass(at);
                    let n: usize = view.id.parse::<usize>().expect("our agents are numbered") - 2000;
                    self.agent_is(n, &view.state, &view.reason, at);
                }
            }
            Journal::Routing(input) => {
                self.pass(at);
                self.told(input, at);
            }
            Journal::Routed { decision, .. } => {
                self.pass(at);
                self.judge(decision, at);
            }
            _ => {}
        }
    }

    /// Callers whose time has come are asked for by more agents.
    fn pass(&mut self, now: Duration) {
        for caller in self.callers.values_mut() {
            if caller.widens.take_if(|due| *due <= now).is_some()
                && let Some(place) = caller.places.first_mut()
            {
                place.step = 1;
            }
            // While a phone rings the script waits.
            if !caller.rings && caller.overflows.take_if(|due| *due <= now).is_some() {
                caller.overflow();
                self.overflowed += 1;
            }
        }
        self.longest_line = self.longest_line.max(self.waiting());
    }

    fn agent_is(&mut self, n: usize, state: &str, reason: &str, now: Duration) {
        let agent = &mut self.agents[n];
        let was = agent.doing;
        let is = match state {
            "LOGOUT" => Doing::LoggedOut,
            "NOT_READY" => Doing::NotReady,
            "READY" => Doing::Ready,
            "RESERVED" => Doing::Reserved,
            "TALKING" => Doing::Talking,
            "WORK" => Doing::WrapUp,
            other => panic!("no state of this shift: {other}"),
        };
        if was == is && is != Doing::NotReady {
            // Only what follows is another.
            return;
        }
        if matches!(was, Doing::Reserved | Doing::Talking | Doing::WrapUp) {
            agent.occupied += now - agent.since;
        }
        if was == Doing::LoggedOut {
            (agent.logged_in, agent.occupied) = (now, Duration::ZERO);
        }
        // An agent whose caller has hung up while the phone rang keeps the wait.
        if is == Doing::Ready && was != Doing::Reserved {
            agent.idle = now;
        }
        (agent.doing, agent.since, agent.reason) = (is, now, reason.to_owned());
        if is == Doing::NotReady && was == Doing::Reserved {
            let caller = agent.rings_for.take().and_then(|call| self.callers.get_mut(&call));
            if let Some(caller) = caller {
                // The caller stands where they stood.
                caller.rings = false;
                self.refused += 1;
                self.rang_out += u32::from(reason == "ring no answer");
                self.pass(now);
            }
        }
    }

    fn told(&mut self, input: &acd::Input, now: Duration) {
        match input {
            acd::Input::Arrive(arrival) => {
                let (queue, widens, overflows) = match arrival.target.as_str() {
                    "buy" => ("sales", None, None),
                    "help" => ("support", Some(now + 15 * S), Some(now + 40 * S)),
                    "pay" => ("billing", None, Some(now + 20 * S)),
                    other => panic!("nobody comes to {other}"),
                };
                let places = vec![Place { queue, step: 0 }];
                let caller =
                    Caller { since: now, place: self.came, priority: 0, places, rings: false, widens, overflows };
                self.came += 1;
                assert!(self.callers.insert(arrival.call.0, caller).is_none(), "a caller comes once");
            }
            acd::Input::Gone(call) => {
                self.callers.remove(&call.0);
                let rang = self.agents.iter_mut().find(|agent| agent.rings_for == Some(call.0));
                rang.into_iter().for_each(|agent| agent.rings_for = None);
            }
            // The place passes on; whoever has hung up is not taken on by a script.
            acd::Input::CallBack { call, instead, .. } => {
                let caller = self.callers.remove(&call.0).expect("one who waits");
                self.callers.insert(instead.0, Caller { overflows: None, ..caller });
                self.called_back.insert(call.0, instead.0);
            }
            acd::Input::Answered(call) => {
                self.callers.remove(&call.0);
                let rang = self.agents.iter_mut().find(|agent| agent.rings_for == Some(call.0));
                rang.expect("whose phone rang").rings_for = None;
            }
            _ => {}
        }
    }

    fn serves(&self, n: usize, place: Place) -> bool {
        let Skills { sells, support, billing } = self.agents[n].skills;
        match (place.queue, place.step) {
            ("sales", _) => sells,
            ("support", 0) => support >= 7,
            ("support", _) => support > 0,
            _ => billing > 0,
        }
    }

    /// Those ready for this place, the first by the queue's order first: what decides, since when they wait, who.
    fn ready(&self, place: Place) -> Vec<(i64, Duration, usize)> {
        let able = (0..AGENTS).filter(|n| self.agents[*n].doing == Doing::Ready && self.serves(*n, place));
        let mut ready: Vec<_> = able
            .map(|n| {
                let agent = &self.agents[n];
                let by = match place.queue {
                    "sales" => 0,
                    "support" => -i64::from(agent.skills.support),
                    _ => i64::from(agent.occupancy()),
                };
                (by, agent.idle, n)
            })
            .collect();
        ready.sort_unstable();
        ready
    }

    fn judge(&mut self, decision: &Decision, now: Duration) {
        let words = decision.words();
        let call = self.called_back.get(&decision.call.0).copied().unwrap_or(decision.call.0);
        let Some(caller) = self.callers.get(&call) else { panic!("for whom? {words}") };
        assert!(!caller.rings, "a phone rings for them already: {words}");
        // In the first of their queues for which somebody is ready, else the first.
        let open = caller.places.iter().find(|place| !self.ready(**place).is_empty());
        let place = *open.unwrap_or(&caller.places[0]);
        assert_eq!((decision.queue.as_str(), decision.step as usize), (place.queue, place.step + 1), "{words}");
        assert_eq!((decision.at, decision.waited), (now, now - caller.since), "{words}");
        assert_eq!(i64::from(decision.priority), caller.priority, "{words}");
        let ready = self.ready(place);
        let able: Vec<usize> = (0..AGENTS).filter(|n| self.serves(*n, place)).collect();
        assert_eq!(decision.of as usize, able.len(), "{words}");
        let chosen = decision.chosen.as_ref().map(|agent| agent.0.clone());
        assert_eq!(chosen, ready.first().map(|(_, _, n)| line(*n)), "free, able and first by the order: {words}");
        self.reasons(decision, place, &ready, &able, now);
        let Some((_, _, n)) = ready.first().copied() else { return };
        self.first_in_line(decision, call, n);
        self.chosen += 1;
        let caller = self.callers.get_mut(&call).expect("looked at above");
        caller.rings = true;
        self.agents[n].rings_for = Some(call);
        self.agents[n].wraps_up = match place.queue {
            "sales" => 10 * S,
            "support" => 15 * S,
            _ => 5 * S,
        };
    }

    /// What the decision says that it was made of.
    fn reasons(
        &mut self,
        decision: &Decision,
        place: Place,
        ready: &[(i64, Duration, usize)],
        able: &[usize],
        now: Duration,
    ) {
        let words = decision.words();
        let order = match place.queue {
            "sales" => Order::LongestIdle,
            "support" => Order::MostSkilled,
            _ => Order::LeastOccupied,
        };
        let equals = ready.iter().filter(|(by, idle, _)| (by, idle) == (&ready[0].0, &ready[0].1)).count();
        let rule = match ready.len() {
            0 => Rule::NobodyReady,
            1 => Rule::OnlyReady,
            many => Rule::First { order, ready: many as u32, equals: equals.min(NAMED + 1) as u32 },
        };
        self.by_order += u32::from(ready.len() > 1);
        assert_eq!(decision.rule, rule, "{words}");
        let named: Vec<usize> = match able.len() <= NAMED {
            true => able.to_vec(),
            false => ready.iter().take(NAMED).map(|(_, _, n)| *n).collect(),
        };
        let expected: Vec<Considered> = named.iter().map(|n| self.agents[*n].considered(*n, order, now)).collect();
        assert_eq!(decision.considered, expected, "{words}");
        let mut others = Vec::new();
        for doing in Doing::ALL {
            let rest = able.iter().filter(|n| !named.contains(n) && self.agents[**n].doing == doing).count();
            if rest > 0 {
                others.push((doing, rest as u32));
            }
        }
        assert_eq!(decision.others, others, "{words}");
    }

    /// Nobody whom somebody ready could serve has waited longer, a priority being a head start.
    fn first_in_line(&self, decision: &Decision, own: u64, chosen: usize) {
        let turn = |caller: &Caller| (caller.since.as_millis() as i64 - HEAD_START_MS * caller.priority, caller.place);
        let own = turn(&self.callers[&own]);
        let waiting = || self.callers.iter().filter(|(_, caller)| !caller.rings);
        for (call, other) in waiting().filter(|(_, other)| turn(other) < own) {
            let able = other.places.iter().find(|place| !self.ready(**place).is_empty());
            assert!(able.is_none(), "call {call} came first, and could have had {able:?}: {}", decision.words());
        }
        let mut queues: Vec<&str> = Vec::new();
        for place in waiting().flat_map(|(_, caller)| &caller.places).filter(|place| self.serves(chosen, **place)) {
            if !queues.contains(&place.queue) {
                queues.push(place.queue);
            }
        }
        assert_eq!(decision.queues as usize, queues.len(), "{}", decision.words());
    }
}

impl Agent {
    /// In thousandths of the time since log-in, as it stood when they became ready.
    fn occupancy(&self) -> u32 {
        let all = self.idle.saturating_sub(self.logged_in).as_millis();
        (self.occupied.as_millis() * 1000).checked_div(all).unwrap_or(0).min(1000) as u32
    }

    fn considered(&self, n: usize, order: Order, now: Duration) -> Considered {
        let for_so_long = now - self.since;
        let fact = match self.doing {
            Doing::LoggedOut => Fact::LoggedOut,
            Doing::NotReady => Fact::NotReady { reason: self.reason.clone() },
            Doing::Ready => Fact::Idle { time: now - self.idle },
            Doing::Reserved => Fact::Ringing,
            Doing::Talking => Fact::Talking { time: for_so_long },
            Doing::WrapUp => Fact::WrapUp { left: self.wraps_up - for_so_long },
        };
        Considered {
            agent: acd::AgentId(line(n)),
            skill: (order == Order::MostSkilled).then_some(u32::from(self.skills.support)),
            occupancy: (order == Order::LeastOccupied && self.doing == Doing::Ready).then(|| self.occupancy()),
            fact,
        }
    }
}

impl Caller {
    /// The script's next step: the place in the first queue is kept.
    fn overflow(&mut self) {
        if self.places[0].queue == "support" {
            self.priority = 1;
        }
        self.places.push(Place { queue: "sales", step: 0 });
    }
}
