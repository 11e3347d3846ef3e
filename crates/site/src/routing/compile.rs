//! From the site's words to the router's plan, and what is wrong with them: one way for the check and for the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use acd::{
    Action, AgentId, AgentPlan, CallTypePlan, Category, Condition, Expr, Holiday, Hours, Order, Plan, QueuePlan, Step,
    StepPlan, TeamPlan, Zone,
};

use super::{Agent, Calendar, Do, Queue, Script};
use crate::CallServer;

/// What a call server routes by, and all that is wrong with it.
#[derive(Clone, Debug)]
pub struct Routing {
    pub plan: Plan,
    pub flaws: Vec<RoutingFlaw>,
}

/// A flaw at a path below the call server: `script[0].step[2].do.queue.then`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingFlaw {
    pub path: String,
    pub what: String,
    pub fix: String,
    pub is_warning: bool,
}

impl CallServer {
    pub fn routing(&self) -> Routing {
        let mut flaws = Flaws(Vec::new());
        let has: BTreeSet<&str> =
            self.agents.iter().flat_map(|agent| &agent.attributes).map(|text| attribute(text).0).collect();
        let queues = self.queues.iter().enumerate().map(|(at, queue)| flaws.queue(at, queue, &has)).collect();
        let agents = self.agents.iter().enumerate().map(|(at, agent)| flaws.agent(at, agent, self)).collect();
        let calendars = self.calendars.iter().enumerate().map(|(at, calendar)| flaws.calendar(at, calendar)).collect();
        let scripts = self.scripts.iter().enumerate().map(|(at, script)| flaws.script(at, script, self)).collect();
        self.names(&mut flaws);
        let reason = |reason: &super::ReasonCode| acd::ReasonCode {
            code: reason.code,
            label: reason.label.clone(),
            category: if reason.category == "logout" { Category::Logout } else { Category::NotReady },
            teams: reason.teams.clone(),
        };
        let plan = Plan {
            queues,
            agents,
            teams: self
                .teams
                .iter()
                .map(|team| TeamPlan {
                    name: team.name.clone(),
                    supervisors: team.supervisors.iter().cloned().map(AgentId).collect(),
                })
                .collect(),
            calendars,
            scripts,
            call_types: self
                .call_types
                .iter()
                .map(|kind| CallTypePlan {
                    name: kind.name.clone(),
                    when: kind.when.iter().map(|when| (when.calendar.clone(), when.script.clone())).collect(),
                    otherwise: kind.otherwise.clone(),
                })
                .collect(),
            reasons: self.reason_codes.iter().map(reason).collect(),
            wrap_up_reasons: self
                .wrap_up_reasons
                .iter()
                .map(|reason| acd::WrapUpReason { label: reason.label.clone(), teams: reason.teams.clone() })
                .collect(),
            head_start: Duration::from_secs(self.priority_head_start_s.into()),
        };
        Routing { plan, flaws: flaws.0 }
    }

    /// Names that are taken twice or lead nowhere.
    fn names(&self, flaws: &mut Flaws) {
        let scripts: Vec<&str> = self.scripts.iter().map(|script| script.name.as_str()).collect();
        let calendars: Vec<&str> = self.calendars.iter().map(|calendar| calendar.name.as_str()).collect();
        let teams: Vec<&str> = self.teams.iter().map(|team| team.name.as_str()).collect();
        let agents: Vec<&str> = self.agents.iter().map(|agent| agent.id.as_str()).collect();
        let call_types: Vec<&str> = self.call_types.iter().map(|kind| kind.name.as_str()).collect();
        for (at, name) in scripts.iter().enumerate() {
            if *name == acd::BY_CALL_TYPE || self.queues.iter().any(|queue| queue.name == *name) {
                flaws.error(
                    format!("script[{at}].name"),
                    format!("`{name}` is the name of something else a call can be sent to"),
                    "give the script another name",
                );
            }
        }
        for (rows, names) in
            [("script", &scripts), ("calendar", &calendars), ("team", &teams), ("call_type", &call_types)]
        {
            for (at, name) in names.iter().enumerate().filter(|(at, name)| names.iter().take(*at).any(|n| n == *name)) {
                flaws.error(format!("{rows}[{at}].name"), format!("{rows} `{name}` is there twice"), "rename one");
            }
        }
        for (at, kind) in self.call_types.iter().enumerate() {
            flaws.refers(format!("call_type[{at}].otherwise"), "script", &kind.otherwise, &scripts);
            for (n, when) in kind.when.iter().enumerate() {
                flaws.refers(format!("call_type[{at}].when[{n}].calendar"), "calendar", &when.calendar, &calendars);
                flaws.refers(format!("call_type[{at}].when[{n}].script"), "script", &when.script, &scripts);
            }
        }
        for (at, number) in self.dialled_numbers.iter().enumerate() {
            if let Some(kind) = &number.call_type {
                flaws.refers(format!("dialled_number[{at}].call_type"), "call_type", kind, &call_types);
            }
        }
        for (at, agent) in self.agents.iter().enumerate() {
            if let Some(team) = &agent.team {
                flaws.refers(format!("agent[{at}].team"), "team", team, &teams);
            }
        }
        for (at, team) in self.teams.iter().enumerate() {
            for (n, supervisor) in team.supervisors.iter().enumerate() {
                flaws.refers(format!("team[{at}].supervisors[{n}]"), "agent", supervisor, &agents);
            }
        }
        let of_teams = self.reason_codes.iter().map(|reason| ("reason_code", &reason.teams));
        let of_teams = of_teams
            .enumerate()
            .chain(self.wrap_up_reasons.iter().map(|reason| ("wrap_up_reason", &reason.teams)).enumerate());
        for (at, (rows, named)) in of_teams {
            for (n, team) in named.iter().enumerate() {
                flaws.refers(format!("{rows}[{at}].teams[{n}]"), "team", team, &teams);
            }
        }
        let mut codes: BTreeMap<(&str, u16), usize> = BTreeMap::new();
        let mut labels: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (at, reason) in self.reason_codes.iter().enumerate() {
            let category = reason.category.as_str();
            if codes.insert((category, reason.code), at).is_some() {
                let what = format!("reason code {} of `{category}` is there twice", reason.code);
                flaws.error(format!("reason_code[{at}].code"), what, "give this one another code");
            }
            if labels.insert((category, &reason.label), at).is_some() {
                let what = format!("reason `{}` of `{category}` is there twice", reason.label);
                flaws.error(format!("reason_code[{at}].label"), what, "give this one another label");
            }
            // What the system itself says: 999 and 33 for a supervisor, 2, 20001 and 50001 and more.
            if matches!(reason.code, 2 | 33 | 999 | 20_001..=20_999 | 50_001..=50_999) {
                let what = format!("reason code {} is the system's own", reason.code);
                flaws.error(format!("reason_code[{at}].code"), what, "take a code from 3 to 998 but 33");
            }
        }
    }
}

struct Flaws(Vec<RoutingFlaw>);

impl Flaws {
    fn error(&mut self, path: String, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(RoutingFlaw { path, what: what.into(), fix: fix.into(), is_warning: false });
    }

    fn refers(&mut self, path: String, kind: &str, name: &str, known: &[&str]) {
        if known.contains(&name) {
            return;
        }
        let fix = match crate::schema::nearest(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if known.is_empty() => format!("there is no {kind} at all: add one"),
            None => format!("the {kind}s are {}", crate::read::list(known.iter().copied())),
        };
        self.error(path, format!("there is no {kind} `{name}`"), fix);
    }

    /// The value, or the flaw of the value at this path.
    fn read<T>(&mut self, path: String, read: Result<T, String>, fix: &str) -> Option<T> {
        read.map_err(|what| self.error(path, what, fix)).ok()
    }

    fn queue(&mut self, at: usize, queue: &Queue, has: &BTreeSet<&str>) -> QueuePlan {
        let mut steps = Vec::new();
        for (n, step) in queue.steps.iter().enumerate() {
            let path = format!("queue[{at}].step[{n}]");
            let fix = "write for example `english >= 7 and (billing or retention) and not trainee`";
            let Some(who) = self.read(format!("{path}.who"), Expr::parse(&step.who), fix) else { continue };
            for unknown in who.attributes().into_iter().filter(|name| !has.contains(name)) {
                let fix = match crate::schema::nearest(unknown, has.iter().copied()) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None if has.is_empty() => "give agents `attributes`".into(),
                    None => format!("the attributes are {}", crate::read::list(has.iter().copied())),
                };
                self.error(format!("{path}.who"), format!("no agent has the attribute `{unknown}`"), fix);
            }
            if step.wait_s.is_none() && n + 1 < queue.steps.len() {
                let what =
                    format!("nobody comes from step {} of queue `{}` to the next: it has no end", n + 1, queue.name);
                self.error(format!("{path}.who"), what, "add `wait_s`");
            }
            steps.push(StepPlan { who, wait: seconds(step.wait_s.unwrap_or(0)) });
        }
        QueuePlan {
            name: queue.name.clone(),
            ring_no_answer: seconds(queue.ring_no_answer_s),
            order: match queue.order.as_str() {
                "least_occupied" => Order::LeastOccupied,
                "most_skilled" => Order::MostSkilled,
                _ => Order::LongestIdle,
            },
            steps,
            wrap_up: seconds(queue.wrap_up_s),
            last_agent: seconds(queue.last_agent_s),
            service_level: seconds(queue.service_level_s),
            announce_every: queue.announce_s.map(seconds),
            expected_handling: seconds(queue.expected_handling_s),
        }
    }

    fn agent(&mut self, at: usize, agent: &Agent, server: &CallServer) -> AgentPlan {
        let mut attributes = BTreeMap::new();
        for (n, text) in agent.attributes.iter().enumerate() {
            let (name, level) = attribute(text);
            let path = format!("agent[{at}].attributes[{n}]");
            // As an expression reads it, so that it can be asked for.
            let is_name = Expr::parse(name).is_ok_and(|expr| expr.to_string() == name && !name.contains(' '));
            match level.filter(|level| (1..=acd::HIGHEST).contains(level)).filter(|_| is_name) {
                Some(level) => {
                    attributes.insert(name.to_owned(), level);
                }
                None => self.error(
                    path,
                    format!("`{text}` is not an attribute with its level"),
                    "write a word and a level from 1 to 10, e.g. `english = 7`; without a level it is 10",
                ),
            }
        }
        for (n, name) in agent.queues.iter().enumerate() {
            if server.queues.iter().any(|queue| queue.name == *name && !queue.steps.is_empty()) {
                let what = format!("queue `{name}` has steps: its agents are found by their attributes");
                self.error(format!("agent[{at}].queues[{n}]"), what, "remove it here, or the queue's `step`s");
            }
        }
        AgentPlan {
            id: AgentId(agent.id.clone()),
            extension: agent.extension.clone(),
            queues: agent.queues.clone(),
            attributes,
            team: agent.team.clone(),
        }
    }

    fn calendar(&mut self, at: usize, calendar: &Calendar) -> acd::Calendar {
        let zone = Zone::parse(&calendar.time_zone);
        let zone = self.read(
            format!("calendar[{at}].time_zone"),
            zone,
            "write the rule, e.g. `CET-1CEST,M3.5.0,M10.5.0/3` (Berlin), `EST5EDT,M3.2.0,M11.1.0` (New York), `JST-9`, `UTC0`",
        );
        let mut open = Vec::new();
        for (n, text) in calendar.open.iter().enumerate() {
            open.extend(self.read(
                format!("calendar[{at}].open[{n}]"),
                Hours::parse(text),
                "e.g. `mon-fri 09:00-17:30`",
            ));
        }
        let mut holidays = Vec::new();
        for (n, text) in calendar.holidays.iter().enumerate() {
            holidays.extend(self.read(
                format!("calendar[{at}].holidays[{n}]"),
                Holiday::parse(text),
                "e.g. `2026-12-25`",
            ));
        }
        acd::Calendar { name: calendar.name.clone(), zone: zone.unwrap_or(Zone::UTC), open, holidays }
    }

    fn script(&mut self, at: usize, script: &Script, server: &CallServer) -> acd::Script {
        let steps = script.steps.iter().map(|step| Step { name: step.name.clone(), action: action(&step.action) });
        let script = acd::Script { name: script.name.clone(), steps: steps.collect() };
        let queues: Vec<&str> = server.queues.iter().map(|queue| queue.name.as_str()).collect();
        let calendars: Vec<&str> = server.calendars.iter().map(|calendar| calendar.name.as_str()).collect();
        for flaw in acd::flaws(&script, &queues, &calendars) {
            let path = match flaw.step {
                Some(step) => format!("script[{at}].step[{step}].{}", flaw.field),
                None => format!("script[{at}].{}", flaw.field),
            };
            self.0.push(RoutingFlaw { path, what: flaw.what, fix: flaw.fix, is_warning: flaw.is_warning });
        }
        script
    }
}

fn action(action: &Do) -> Action {
    let test = |condition, then: &String, otherwise: &String| Action::Test {
        condition,
        then: then.clone(),
        otherwise: otherwise.clone(),
    };
    match action {
        Do::Queue(join) => Action::Queue {
            queue: join.queue.clone(),
            priority: join.priority,
            wait: join.wait_s.map(seconds),
            then: join.then.clone(),
        },
        Do::Open(open) => test(Condition::Open { calendar: open.calendar.clone() }, &open.then, &open.otherwise),
        Do::Waiting(ask) => {
            test(Condition::Waiting { queue: ask.queue.clone(), over: ask.over }, &ask.then, &ask.otherwise)
        }
        Do::EstimatedWait(ask) => {
            let over = seconds(ask.over_s);
            test(Condition::EstimatedWait { queue: ask.queue.clone(), over }, &ask.then, &ask.otherwise)
        }
        Do::Staffed(ask) => test(Condition::Staffed { queue: ask.queue.clone() }, &ask.then, &ask.otherwise),
        Do::Announce(say) => Action::Announce { prompt: say.prompt.clone(), then: say.then.clone() },
        Do::End(end) => Action::End { prompt: end.prompt.clone() },
    }
}

/// `english = 7`: the word, and the level if there is one that can be read; none written is the highest.
fn attribute(text: &str) -> (&str, Option<u8>) {
    match text.split_once('=') {
        Some((name, level)) => (name.trim(), level.trim().parse().ok()),
        None => (text.trim(), Some(acd::HIGHEST)),
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
