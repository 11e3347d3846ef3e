//! A day run again: exactly, and against another plan.
//!
//! A log is all that a router was told ([`crate::Input`]s with their times). Told to a router of the same plan it gives
//! the same decisions. Against another plan, calls go to other agents, so what follows from that is not in the log; what
//! is taken from it is what people do by themselves: callers come, and hang up after the same time if nobody has
//! answered; those who were answered talk as long as they did; agents say ready and not ready when they did. Of the rest
//! is assumed: whoever was not answered talks as long as the mean of those who were; a phone is answered after the
//! median time; no phone rings out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{AgentId, CallId, Input, Output, Plan, Router};

/// What a router was told, and when (ms since 1970).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at_ms: i64,
    pub input: Input,
}

/// What became of a caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub arrived_ms: i64,
    /// The queue, script or call type that they came to.
    pub target: String,
    pub fate: Fate,
    /// Whose phone rang last, or who answered.
    pub agent: Option<AgentId>,
    /// Until the answer or the end.
    pub waited: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    Answered,
    Abandoned,
    /// Let go by a script, or sent where nothing is.
    Released,
    /// When the log ends.
    Waiting,
}

impl Outcome {
    /// `agent 1001 after 12 s`
    pub fn words(&self) -> String {
        let waited = crate::decision::seconds(self.waited);
        match (self.fate, &self.agent) {
            (Fate::Answered, Some(agent)) => format!("agent {} after {waited}", agent.0),
            (Fate::Answered, None) => format!("answered after {waited}"),
            (Fate::Abandoned, _) => format!("hung up after {waited}"),
            (Fate::Released, _) => format!("let go after {waited}"),
            (Fate::Waiting, _) => format!("waiting for {waited}"),
        }
    }
}

/// The log as it was: one outcome for each caller, in the order of their coming.
pub fn as_it_was(plan: &Plan, log: &[Entry]) -> Vec<Outcome> {
    let mut day = Day::new(plan, log);
    for entry in log {
        day.until(entry.at_ms);
        day.tell(entry.input.clone());
    }
    day.finish()
}

/// What the callers of the log would have met under `new`, had the centre had it in place of `old`.
pub fn what_if(old: &Plan, new: &Plan, log: &[Entry]) -> Vec<Outcome> {
    let habits = Habits::of(old, log);
    let mut day = Day::new(new, log);
    // What is still to happen: time, a number against ties, and the event.
    let mut later: BTreeMap<(i64, usize), Later> = BTreeMap::new();
    let mut number = log.len();
    // Calls by their numbers in the log: the number here is the place in the list of outcomes, since a restarted
    // process counts its calls anew.
    let mut calls: BTreeMap<CallId, usize> = BTreeMap::new();
    let mut answered = vec![false; habits.callers.len()];
    for (at, entry) in log.iter().enumerate() {
        later.insert((entry.at_ms, at), Later::Told(entry.input.clone()));
    }
    while let Some(((at_ms, _), event)) = later.pop_first() {
        day.until(at_ms);
        match event {
            Later::Told(
                input @ (Input::Login(_)
                | Input::Ready(_)
                | Input::NotReady { .. }
                | Input::NotReadyLater { .. }
                | Input::Logout { .. }
                | Input::Outgoing { .. }),
            ) => {
                day.tell(input);
            }
            Later::Told(Input::Enqueue { call, queue }) => {
                let arrival = crate::Arrival::new(call, &queue);
                calls.insert(call, arrive(&mut day, arrival));
            }
            Later::Told(Input::Arrive(arrival)) => {
                let call = arrival.call;
                calls.insert(call, arrive(&mut day, arrival));
            }
            Later::Told(Input::CallBack { call, instead, number }) => {
                if let Some(caller) = calls.get(&call).copied() {
                    calls.insert(instead, caller);
                    day.tell(Input::CallBack {
                        call: id(caller),
                        instead: CallId(CALLED_BACK + caller as u64),
                        number,
                    });
                    day.same.insert(CallId(CALLED_BACK + caller as u64), caller);
                }
            }
            // These follow from the offers, which are others here.
            Later::Told(Input::Answered(_) | Input::Refused { .. } | Input::Gone(_)) => {}
            Later::Patience(caller) => {
                if !answered.get(caller).copied().unwrap_or(true) {
                    day.tell(Input::Gone(id(caller)));
                }
            }
            Later::Answer(call, agent) => {
                // Unless it was withdrawn meanwhile.
                if day.rings.get(&call) == Some(&agent) {
                    let caller = day.same.get(&call).copied().unwrap_or_default();
                    answered.get_mut(caller).into_iter().for_each(|answered| *answered = true);
                    day.tell(Input::Answered(call));
                    let talk = habits.callers.get(caller).and_then(|habit| habit.talk_ms).unwrap_or(habits.talk_ms);
                    later.insert((at_ms + talk, number), Later::Over(call));
                    number += 1;
                }
            }
            Later::Over(call) => day.tell(Input::Gone(call)),
        }
        for caller in std::mem::take(&mut day.came) {
            if let Some(patience) = habits.callers.get(caller).and_then(|habit| habit.patience_ms) {
                later.insert((at_ms + patience, number), Later::Patience(caller));
                number += 1;
            }
        }
        for (offered_ms, call, agent) in std::mem::take(&mut day.offered) {
            later.insert((offered_ms + habits.answer_ms, number), Later::Answer(call, agent));
            number += 1;
        }
        if later.is_empty() {
            // What the router itself still has to do: a wrap-up that ends may bring another offer.
            day.settle();
            for (offered_ms, call, agent) in std::mem::take(&mut day.offered) {
                later.insert((offered_ms + habits.answer_ms, number), Later::Answer(call, agent));
                number += 1;
            }
        }
    }
    day.finish()
}

/// Added to a caller's number for the call that is made in place of the one that hung up.
const CALLED_BACK: u64 = 1 << 40;

enum Later {
    Told(Input),
    Patience(usize),
    Answer(CallId, AgentId),
    Over(CallId),
}

fn id(caller: usize) -> CallId {
    CallId(caller as u64)
}

/// The caller's number.
fn arrive(day: &mut Day, arrival: crate::Arrival) -> usize {
    let caller = day.outcomes.len();
    // What was kept over a restart is in the clock of another process.
    day.tell(Input::Arrive(crate::Arrival { call: id(caller), since: None, ..arrival }));
    day.came.push(caller);
    caller
}

/// What people do by themselves.
struct Habits {
    callers: Vec<Habit>,
    talk_ms: i64,
    answer_ms: i64,
}

#[derive(Clone, Default)]
struct Habit {
    /// Hung up after this, unanswered.
    patience_ms: Option<i64>,
    talk_ms: Option<i64>,
}

impl Habits {
    fn of(plan: &Plan, log: &[Entry]) -> Habits {
        let mut day = Day::new(plan, log);
        let mut callers: Vec<(i64, Habit)> = Vec::new();
        let mut live: BTreeMap<CallId, (usize, Option<i64>)> = BTreeMap::new();
        let mut offers: BTreeMap<CallId, i64> = BTreeMap::new();
        let mut delays = Vec::new();
        for entry in log {
            day.until(entry.at_ms);
            offers.extend(day.offered.drain(..).map(|(at, call, _)| (call, at)));
            match &entry.input {
                Input::Enqueue { call, .. } | Input::Arrive(crate::Arrival { call, .. }) => {
                    live.insert(*call, (callers.len(), None));
                    callers.push((entry.at_ms, Habit::default()));
                }
                Input::Answered(call) => {
                    if let Some((_, answered)) = live.get_mut(call) {
                        *answered = Some(entry.at_ms);
                    }
                    delays.extend(offers.get(call).map(|offered| entry.at_ms - offered));
                }
                Input::CallBack { call, instead, .. } => {
                    if let Some(caller) = live.remove(call) {
                        live.insert(*instead, caller);
                    }
                }
                Input::Gone(call) => {
                    let Some((caller, answered)) = live.remove(call) else { continue };
                    let Some((came, habit)) = callers.get_mut(caller) else { continue };
                    match answered {
                        Some(answered) => habit.talk_ms = Some(entry.at_ms - answered),
                        None => habit.patience_ms = Some(entry.at_ms - *came),
                    }
                }
                _ => {}
            }
            day.tell(entry.input.clone());
            offers.extend(day.offered.drain(..).map(|(at, call, _)| (call, at)));
        }
        delays.sort_unstable();
        let talks: Vec<i64> = callers.iter().filter_map(|(_, habit)| habit.talk_ms).collect();
        let mean = talks.iter().sum::<i64>().checked_div(talks.len() as i64);
        Habits {
            callers: callers.into_iter().map(|(_, habit)| habit).collect(),
            // With nobody to learn from: three minutes, and two rings.
            talk_ms: mean.unwrap_or(180_000),
            answer_ms: delays.get(delays.len() / 2).copied().unwrap_or(5_000),
        }
    }
}

/// A router under way, and what is heard of it.
struct Day {
    router: Router,
    zero_ms: i64,
    now_ms: i64,
    outcomes: Vec<Outcome>,
    /// Calls by number: which caller it is.
    same: BTreeMap<CallId, usize>,
    rings: BTreeMap<CallId, AgentId>,
    offered: Vec<(i64, CallId, AgentId)>,
    came: Vec<usize>,
}

impl Day {
    fn new(plan: &Plan, log: &[Entry]) -> Day {
        let zero_ms = log.first().map_or(0, |entry| entry.at_ms);
        let mut router = Router::new(plan.clone(), Duration::ZERO);
        router.set_wall(zero_ms, Duration::ZERO);
        Day {
            router,
            zero_ms,
            now_ms: zero_ms,
            outcomes: Vec::new(),
            same: BTreeMap::new(),
            rings: BTreeMap::new(),
            offered: Vec::new(),
            came: Vec::new(),
        }
    }

    fn at(&self) -> Duration {
        Duration::from_millis((self.now_ms - self.zero_ms).max(0).unsigned_abs())
    }

    /// Time passes, and what is due happens when it is due.
    fn until(&mut self, at_ms: i64) {
        while let Some(due) = self.router.deadline() {
            let due_ms = self.zero_ms + due.as_millis() as i64;
            if due_ms > at_ms {
                break;
            }
            self.now_ms = due_ms.max(self.now_ms);
            self.router.tick(self.at());
            self.hear();
        }
        // A log whose clock was put back goes on from where it was.
        self.now_ms = at_ms.max(self.now_ms);
    }

    /// Until nothing is due any more, or something was offered.
    fn settle(&mut self) {
        while self.offered.is_empty() {
            let Some(due) = self.router.deadline() else { return };
            self.until(self.zero_ms + due.as_millis() as i64);
        }
    }

    fn tell(&mut self, input: Input) {
        let at = self.at();
        match &input {
            Input::Enqueue { call, queue } => self.comes(*call, queue),
            Input::Arrive(arrival) => self.comes(arrival.call, &arrival.target),
            Input::CallBack { call, instead, .. } => {
                if let Some(caller) = self.same.get(call).copied() {
                    self.same.insert(*instead, caller);
                }
            }
            Input::Answered(call) => self.ends(*call, Fate::Answered),
            Input::Gone(call) => self.ends(*call, Fate::Abandoned),
            Input::Login(_)
            | Input::Ready(_)
            | Input::NotReady { .. }
            | Input::NotReadyLater { .. }
            | Input::Logout { .. }
            | Input::Refused { .. }
            | Input::Outgoing { .. } => {}
        }
        // What the plan does not know now (an agent, a call) is simply not there.
        let _ = self.router.handle(input, at);
        self.hear();
    }

    fn comes(&mut self, call: CallId, target: &str) {
        self.same.insert(call, self.outcomes.len());
        self.outcomes.push(Outcome {
            arrived_ms: self.now_ms,
            target: target.to_owned(),
            fate: Fate::Waiting,
            agent: None,
            waited: Duration::ZERO,
        });
    }

    fn ends(&mut self, call: CallId, fate: Fate) {
        let now_ms = self.now_ms;
        let Some(outcome) = self.same.get(&call).and_then(|caller| self.outcomes.get_mut(*caller)) else { return };
        if outcome.fate == Fate::Waiting {
            outcome.fate = fate;
            outcome.waited = Duration::from_millis((now_ms - outcome.arrived_ms).max(0).unsigned_abs());
        }
        self.rings.remove(&call);
    }

    fn hear(&mut self) {
        while let Some(output) = self.router.poll() {
            match output {
                Output::Offer { call, agent, .. } => {
                    if let Some(outcome) = self.same.get(&call).and_then(|caller| self.outcomes.get_mut(*caller)) {
                        outcome.agent = Some(agent.clone());
                    }
                    self.rings.insert(call, agent.clone());
                    self.offered.push((self.now_ms, call, agent));
                }
                Output::Withdraw { call, .. } => {
                    self.rings.remove(&call);
                }
                Output::Unroutable { call, .. } | Output::Release { call, .. } => self.ends(call, Fate::Released),
                Output::Say { .. }
                | Output::Told { .. }
                | Output::AgentChanged { .. }
                | Output::Decided(_)
                | Output::Interval(_) => {}
            }
        }
    }

    fn finish(mut self) -> Vec<Outcome> {
        for outcome in &mut self.outcomes {
            if outcome.fate == Fate::Waiting {
                outcome.waited = Duration::from_millis((self.now_ms - outcome.arrived_ms).max(0).unsigned_abs());
            }
        }
        self.outcomes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AgentPlan, QueuePlan};

    fn plan(second_serves: bool) -> Plan {
        let agent = |id: &str, queues: &[&str]| AgentPlan {
            id: AgentId(id.into()),
            extension: id.into(),
            queues: queues.iter().map(|q| (*q).into()).collect(),
            attributes: BTreeMap::new(),
            team: None,
        };
        let agents = vec![agent("1", &["sales"]), agent("2", if second_serves { &["sales"] } else { &[] })];
        Plan { queues: vec![QueuePlan::new("sales")], agents, ..Plan::default() }
    }

    /// One agent, three callers: the second waits for the first to end, the third loses patience.
    fn log() -> Vec<Entry> {
        let call = |call| Input::Enqueue { call: CallId(call), queue: "sales".into() };
        let told = [
            (0, Input::Ready(AgentId("1".into()))),
            (0, Input::Ready(AgentId("2".into()))),
            (1_000, call(7)),
            (3_000, Input::Answered(CallId(7))),
            (4_000, call(8)),
            (5_000, call(9)),
            (35_000, Input::Gone(CallId(9))),
            (63_000, Input::Gone(CallId(7))),
            (65_000, Input::Answered(CallId(8))),
            (95_000, Input::Gone(CallId(8))),
        ];
        told.into_iter().map(|(at_ms, input)| Entry { at_ms: at_ms + 1_000_000, input }).collect()
    }

    #[test]
    fn the_same_day_gives_the_same_and_another_plan_another() {
        let words = |outcomes: Vec<Outcome>| outcomes.iter().map(Outcome::words).collect::<Vec<_>>();
        let was = ["agent 1 after 2 s", "agent 1 after 61 s", "hung up after 30 s"];
        assert_eq!(words(as_it_was(&plan(false), &log())), was);
        assert_eq!(words(what_if(&plan(false), &plan(false), &log())), was);
        // With the second agent, the second caller is answered at once; the third waits until that conversation (30 s,
        // as in the log) is over, and hangs up before.
        assert_eq!(
            words(what_if(&plan(false), &plan(true), &log())),
            ["agent 1 after 2 s", "agent 2 after 2 s", "hung up after 30 s"]
        );
    }

    #[test]
    fn a_log_that_makes_no_sense_is_run_through() {
        let mut log = log();
        log.reverse();
        log.push(Entry { at_ms: 5, input: Input::Refused { call: CallId(7), why: "busy".into() } });
        log.push(Entry { at_ms: 9, input: Input::Gone(CallId(70)) });
        assert_eq!(as_it_was(&plan(false), &log).len(), 3);
        assert_eq!(what_if(&plan(false), &plan(true), &log).len(), 3);
        assert_eq!(what_if(&plan(false), &plan(true), &[]), []);
    }
}
