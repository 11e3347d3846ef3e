//! The plain statement of the rules: lists that are searched through.

pub(crate) const AGENTS: usize = 5;
pub(crate) const QUEUES: usize = 3;
pub(crate) const RING: [u64; QUEUES] = [12, 5, 30];
pub(crate) const WRAP_UP: [u64; QUEUES] = [0, 7, 0];
pub(crate) const LAST_AGENT: [u64; QUEUES] = [15, 0, 9];
/// Seconds after which the second step of q1 begins.
pub(crate) const WIDEN: u64 = 10;
pub(crate) const SCRIPT_WAIT: u64 = 20;
const HEAD_START: i64 = 60;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Desk {
    Out,
    Away,
    Ready(u64),
    Rings {
        call: u64,
        until: u64,
        idle: u64,
    },
    /// Without a queue: a call of the agent's own.
    Talks {
        call: u64,
        queue: Option<usize>,
    },
    Wraps {
        until: u64,
    },
}

pub(crate) struct Agent {
    pub(crate) is: Desk,
    leave: bool,
    login: u64,
    busy: u64,
    changed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Waits,
    Rings { agent: usize, queue: usize },
    Talks { agent: usize },
}

pub(crate) struct Caller {
    call: u64,
    since: u64,
    place: u64,
    customer: u8,
    priority: u8,
    /// Queue and step.
    joined: Vec<(usize, usize)>,
    stage: Stage,
    only: Option<(usize, u64)>,
    /// When q1's second step begins.
    widen: Option<u64>,
    script: Option<u64>,
    overdue: bool,
    callback: bool,
}

impl Caller {
    pub(crate) fn is_waiting(&self) -> bool {
        self.stage == Stage::Waits
    }
    pub(crate) fn is_ringing(&self) -> bool {
        matches!(self.stage, Stage::Rings { .. })
    }
    fn turn(&self) -> (i64, u64) {
        (self.since as i64 - HEAD_START * i64::from(self.priority), self.place)
    }
}

pub(crate) struct Model {
    levels: Vec<(u8, u8, bool)>,
    pub(crate) desks: Vec<Agent>,
    pub(crate) callers: Vec<Caller>,
    last: [Option<usize>; 3],
    places: u64,
    pub(crate) offers: Vec<(u64, usize)>,
}

impl Model {
    pub(crate) fn new(levels: Vec<(u8, u8, bool)>) -> Model {
        let desk = || Agent { is: Desk::Out, leave: false, login: 0, busy: 0, changed: 0 };
        let desks = levels.iter().map(|_| desk()).collect();
        Model { levels, desks, callers: vec![], last: [None; 3], places: 0, offers: vec![] }
    }

    pub(crate) fn calls(&self, able: impl Fn(&Caller) -> bool) -> Vec<u64> {
        self.callers.iter().filter(|c| able(c)).map(|c| c.call).collect()
    }

    pub(crate) fn is_callback(&self, call: u64) -> bool {
        self.callers.iter().any(|c| c.call == call && c.callback)
    }

    pub(crate) fn line(&self, queue: usize) -> Vec<u64> {
        let mut line: Vec<&Caller> =
            self.callers.iter().filter(|c| c.is_waiting() && c.joined.iter().any(|(q, _)| *q == queue)).collect();
        line.sort_by_key(|c| c.turn());
        line.into_iter().map(|c| c.call).collect()
    }

    pub(crate) fn serves(&self, agent: usize, queue: usize, step: usize) -> bool {
        let (x, y, names) = self.levels[agent];
        match queue {
            0 => names,
            1 if step == 0 => x >= 2,
            1 => x >= 1 || y >= 2,
            _ => y >= 1 && x != 1,
        }
    }

    /// Smaller is better.
    fn rule(&self, agent: usize, queue: usize, step: usize, since: u64) -> i64 {
        let (x, y, _) = self.levels[agent];
        match queue {
            0 => 0,
            1 if step == 0 => -i64::from(x),
            1 => -i64::from(x + y),
            _ => {
                let desk = &self.desks[agent];
                let all = since.saturating_sub(desk.login);
                (desk.busy * 1000).checked_div(all).unwrap_or(0).min(1000) as i64
            }
        }
    }

    fn set(&mut self, agent: usize, is: Desk, now: u64) {
        let desk = &mut self.desks[agent];
        if matches!(desk.is, Desk::Rings { .. } | Desk::Talks { .. } | Desk::Wraps { .. }) {
            desk.busy += now - desk.changed;
        }
        if desk.is == Desk::Out && is != Desk::Out {
            (desk.login, desk.busy) = (now, 0);
        }
        (desk.is, desk.changed) = (is, now);
        if matches!(is, Desk::Out | Desk::Away) {
            for caller in &mut self.callers {
                if caller.is_waiting() && caller.only.is_some_and(|(only, _)| only == agent) {
                    caller.only = None;
                }
            }
        }
    }

    fn free(&mut self, agent: usize, now: u64) {
        let is = if std::mem::take(&mut self.desks[agent].leave) { Desk::Away } else { Desk::Ready(now) };
        self.set(agent, is, now);
    }

    pub(crate) fn ready(&mut self, a: usize, now: u64) {
        match self.desks[a].is {
            Desk::Out | Desk::Away | Desk::Wraps { .. } => {
                self.desks[a].leave = false;
                self.set(a, Desk::Ready(now), now);
            }
            Desk::Talks { .. } => self.desks[a].leave = false,
            Desk::Ready(_) | Desk::Rings { .. } => {}
        }
    }

    pub(crate) fn not_ready(&mut self, a: usize, now: u64) {
        match self.desks[a].is {
            Desk::Talks { .. } => self.desks[a].leave = true,
            Desk::Rings { call, .. } => self.give_up(call, now),
            _ => self.set(a, Desk::Away, now),
        }
    }

    pub(crate) fn logout(&mut self, a: usize, now: u64) -> bool {
        match self.desks[a].is {
            Desk::Out => true,
            Desk::Away => {
                self.set(a, Desk::Out, now);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn come(&mut self, call: u64, queue: Option<usize>, customer: u8, priority: u8, now: u64) {
        self.callers.push(Caller {
            call,
            since: now,
            place: self.places,
            customer,
            priority,
            joined: vec![],
            stage: Stage::Waits,
            only: None,
            widen: None,
            script: queue.is_none().then_some(now + SCRIPT_WAIT),
            overdue: false,
            callback: false,
        });
        self.places += 1;
        self.join(self.callers.len() - 1, queue.unwrap_or(1), 0, now);
    }

    fn join(&mut self, c: usize, queue: usize, priority: u8, now: u64) {
        let caller = &mut self.callers[c];
        caller.priority = caller.priority.max(priority);
        caller.joined.push((queue, 0));
        if queue == 1 {
            caller.widen = Some(now + WIDEN);
        }
        let customer = usize::from(caller.customer);
        let last = if customer > 0 { self.last[customer] } else { None };
        let Some(last) = last.filter(|_| LAST_AGENT[queue] > 0 && self.callers[c].joined.len() == 1) else { return };
        if self.serves(last, queue, 1) && !matches!(self.desks[last].is, Desk::Out | Desk::Away) {
            self.callers[c].only = Some((last, now + LAST_AGENT[queue]));
        }
    }

    fn find(&self, call: u64) -> usize {
        self.callers.iter().position(|c| c.call == call).expect("a known call")
    }

    pub(crate) fn answered(&mut self, call: u64, now: u64) {
        let c = self.find(call);
        let Stage::Rings { agent, queue } = self.callers[c].stage else { panic!("{call} does not ring") };
        let caller = &mut self.callers[c];
        caller.stage = Stage::Talks { agent };
        (caller.only, caller.widen, caller.script) = (None, None, None);
        if caller.customer > 0 {
            self.last[usize::from(caller.customer)] = Some(agent);
        }
        self.set(agent, Desk::Talks { call, queue: Some(queue) }, now);
    }

    pub(crate) fn gone(&mut self, call: u64, now: u64) {
        let caller = self.callers.remove(self.find(call));
        match caller.stage {
            Stage::Waits => {}
            Stage::Rings { agent, .. } => {
                let Desk::Rings { idle, .. } = self.desks[agent].is else { panic!("agent {agent} does not ring") };
                self.set(agent, Desk::Ready(idle), now);
            }
            Stage::Talks { agent } => {
                // Not, where a call of the agent's own has taken over.
                let Desk::Talks { call: held, queue } = self.desks[agent].is else { return };
                if held != call {
                    return;
                }
                match queue.map_or(0, |queue| WRAP_UP[queue]) {
                    0 => self.free(agent, now),
                    time => self.set(agent, Desk::Wraps { until: now + time }, now),
                }
            }
        }
    }

    /// The agent calls somebody: false where they cannot.
    pub(crate) fn outgoing(&mut self, call: u64, agent: usize, now: u64) -> bool {
        let mut work = None;
        match self.desks[agent].is {
            Desk::Ready(_) => {
                self.set(agent, Desk::Away, now);
                self.desks[agent].leave = true;
            }
            Desk::Away => self.desks[agent].leave = true,
            // The work after that conversation is done after this one.
            Desk::Talks { queue, .. } => work = queue,
            // Work that was under way is not gone back to.
            Desk::Wraps { .. } => {}
            Desk::Out | Desk::Rings { .. } => return false,
        }
        self.callers.push(Caller {
            call,
            since: now,
            place: self.places,
            customer: 0,
            priority: 0,
            joined: vec![],
            stage: Stage::Talks { agent },
            only: None,
            widen: None,
            script: None,
            overdue: false,
            callback: false,
        });
        self.places += 1;
        self.set(agent, Desk::Talks { call, queue: work }, now);
        true
    }

    pub(crate) fn give_up(&mut self, call: u64, now: u64) {
        let c = self.find(call);
        let Stage::Rings { agent, .. } = self.callers[c].stage else { panic!("{call} does not ring") };
        self.set(agent, Desk::Away, now);
        let caller = &mut self.callers[c];
        (caller.stage, caller.only) = (Stage::Waits, None);
        if std::mem::take(&mut caller.overdue) {
            self.join(c, 2, 2, now);
        }
    }

    pub(crate) fn call_back(&mut self, call: u64, instead: u64) {
        let c = self.find(call);
        let caller = &mut self.callers[c];
        (caller.call, caller.callback, caller.script, caller.overdue) = (instead, true, None, false);
    }

    pub(crate) fn deadline(&self) -> Option<u64> {
        let desks = self.desks.iter().filter_map(|desk| match desk.is {
            Desk::Rings { until, .. } | Desk::Wraps { until } => Some(until),
            _ => None,
        });
        let callers = self.callers.iter().flat_map(|c| [c.only.map(|(_, until)| until), c.widen, c.script]);
        desks.chain(callers.flatten()).min()
    }

    pub(crate) fn tick(&mut self, now: u64) {
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        let rung: Vec<u64> = self
            .desks
            .iter()
            .filter_map(|desk| match desk.is {
                Desk::Rings { call, until, .. } if until <= now => Some(call),
                _ => None,
            })
            .collect();
        for call in rung {
            self.give_up(call, now);
        }
        for caller in &mut self.callers {
            if due(caller.widen) {
                caller.widen = None;
                for (queue, step) in &mut caller.joined {
                    *step += usize::from(*queue == 1);
                }
            }
            if due(caller.only.map(|(_, until)| until)) {
                caller.only = None;
            }
        }
        for c in 0..self.callers.len() {
            if due(self.callers[c].script) {
                self.callers[c].script = None;
                match self.callers[c].is_waiting() {
                    true => self.join(c, 2, 2, now),
                    false => self.callers[c].overdue = true,
                }
            }
        }
        for agent in 0..AGENTS {
            if matches!(self.desks[agent].is, Desk::Wraps { until } if until <= now) {
                self.free(agent, now);
            }
        }
    }

    /// The queue and the agent whom this caller would get now.
    fn pick(&self, caller: &Caller) -> Option<(usize, usize)> {
        let since = |agent: usize| if let Desk::Ready(since) = self.desks[agent].is { Some(since) } else { None };
        if let Some((only, _)) = caller.only {
            return since(only).map(|_| (caller.joined[0].0, only));
        }
        caller.joined.iter().find_map(|(queue, step)| {
            let able = (0..AGENTS).filter(|a| self.serves(*a, *queue, *step));
            let best = able.filter_map(|a| since(a).map(|since| (self.rule(a, *queue, *step, since), since, a))).min();
            best.map(|(_, _, a)| (*queue, a))
        })
    }

    pub(crate) fn settle(&mut self, now: u64) {
        loop {
            let mut line: Vec<usize> = (0..self.callers.len()).filter(|c| self.callers[*c].is_waiting()).collect();
            line.sort_by_key(|c| self.callers[*c].turn());
            let found = line.into_iter().find_map(|c| self.pick(&self.callers[c]).map(|(queue, a)| (c, queue, a)));
            let Some((c, queue, agent)) = found else { return };
            let Desk::Ready(idle) = self.desks[agent].is else { panic!("picked, so ready") };
            let call = self.callers[c].call;
            self.callers[c].stage = Stage::Rings { agent, queue };
            self.set(agent, Desk::Rings { call, until: now + RING[queue], idle }, now);
            self.offers.push((call, agent));
        }
    }
}
