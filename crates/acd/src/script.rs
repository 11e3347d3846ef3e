//! Routing scripts: what is done with a caller, as data. A script is a list of named steps; the first is where callers
//! come in. [`flaws`] is asked before a script is ever run.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Steps of one script; whoever needs more has made a mistake or a mess.
const MOST_STEPS: usize = 500;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Script {
    pub name: String,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// The caller joins this queue (and stays in those joined before: overflow adds agents and keeps the place). Without
    /// `wait` that is the last step; with it, the caller who is still waiting then goes on to the next.
    Queue {
        queue: String,
        priority: u8,
        wait: Option<Duration>,
        then: Option<String>,
    },
    Test {
        condition: Condition,
        then: String,
        otherwise: String,
    },
    /// Told to the caller; takes no time of the script's.
    Announce {
        prompt: String,
        then: String,
    },
    /// The call is let go, after this prompt.
    End {
        prompt: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Condition {
    Open {
        calendar: String,
    },
    /// More callers than this wait in the queue.
    Waiting {
        queue: String,
        over: u32,
    },
    /// Who joins the queue now would wait longer than this, by the estimate.
    EstimatedWait {
        queue: String,
        over: Duration,
    },
    /// Somebody who may serve the queue is logged in.
    Staffed {
        queue: String,
    },
}

/// What is wrong with a script, at which step (`None`: the script itself), in which field of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    pub step: Option<usize>,
    /// As the site file writes it below the step: `do.queue.then`.
    pub field: &'static str,
    pub what: String,
    pub fix: String,
    /// It runs, but somebody will be surprised.
    pub is_warning: bool,
}

impl Action {
    /// Where a caller may go from here, and in which field that stands.
    fn exits(&self) -> Vec<(&'static str, &str)> {
        match self {
            Action::Queue { then, .. } => then.iter().map(|then| ("do.queue.then", then.as_str())).collect(),
            Action::Test { condition, then, otherwise } => {
                let (yes, no) = match condition {
                    Condition::Open { .. } => ("do.open.then", "do.open.otherwise"),
                    Condition::Waiting { .. } => ("do.waiting.then", "do.waiting.otherwise"),
                    Condition::EstimatedWait { .. } => ("do.estimated_wait.then", "do.estimated_wait.otherwise"),
                    Condition::Staffed { .. } => ("do.staffed.then", "do.staffed.otherwise"),
                };
                vec![(yes, then), (no, otherwise)]
            }
            Action::Announce { then, .. } => vec![("do.announce.then", then)],
            Action::End { .. } => Vec::new(),
        }
    }

    fn takes_time(&self) -> bool {
        matches!(self, Action::Queue { wait: Some(wait), .. } if !wait.is_zero())
    }

    fn queue(&self) -> Option<(&'static str, &str)> {
        match self {
            Action::Queue { queue, .. } => Some(("do.queue.queue", queue)),
            Action::Test { condition: Condition::Waiting { queue, .. }, .. } => Some(("do.waiting.queue", queue)),
            Action::Test { condition: Condition::EstimatedWait { queue, .. }, .. } => {
                Some(("do.estimated_wait.queue", queue))
            }
            Action::Test { condition: Condition::Staffed { queue }, .. } => Some(("do.staffed.queue", queue)),
            Action::Test { condition: Condition::Open { .. }, .. } | Action::Announce { .. } | Action::End { .. } => {
                None
            }
        }
    }
}

impl Script {
    pub(crate) fn step(&self, name: &str) -> Option<usize> {
        self.steps.iter().position(|step| step.name == name)
    }
}

/// All that is wrong with a script at once: names that do not exist, ways that lead nowhere, rounds in which no time
/// passes, steps that nobody comes to.
pub fn flaws(script: &Script, queues: &[&str], calendars: &[&str]) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut say = |step, field, what: String, fix: String| {
        flaws.push(Flaw { step, field, what, fix, is_warning: false });
    };
    if script.steps.len() > MOST_STEPS {
        say(
            None,
            "step",
            format!("script `{}` has {} steps", script.name, script.steps.len()),
            format!("{MOST_STEPS} at most: make several scripts of it"),
        );
        return flaws;
    }
    if script.steps.is_empty() {
        say(
            None,
            "step",
            format!("script `{}` has no step: it sends a call nowhere", script.name),
            "add a step, e.g. `{ name = \"wait\", do = { queue = { queue = \"…\" } } }`".into(),
        );
    }
    let names: Vec<&str> = script.steps.iter().map(|step| step.name.as_str()).collect();
    let list = |of: &[&str]| of.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    for (at, step) in script.steps.iter().enumerate() {
        if names.iter().take(at).any(|name| *name == step.name) {
            say(Some(at), "name", format!("step `{}` is there twice", step.name), "give this one another name".into());
        }
        for (field, to) in step.action.exits() {
            if !names.contains(&to) {
                say(
                    Some(at),
                    field,
                    format!("step `{}` sends a call nowhere: there is no step `{to}`", step.name),
                    format!("the steps are {}", list(&names)),
                );
            }
        }
        if let Some((field, queue)) = step.action.queue()
            && !queues.contains(&queue)
        {
            say(Some(at), field, format!("there is no queue `{queue}`"), format!("the queues are {}", list(queues)));
        }
        match &step.action {
            Action::Test { condition: Condition::Open { calendar }, .. } if !calendars.contains(&calendar.as_str()) => {
                let fix = format!("the calendars are {}", list(calendars));
                say(Some(at), "do.open.calendar", format!("there is no calendar `{calendar}`"), fix);
            }
            Action::Queue { wait: Some(_), then: None, .. } => {
                let what = format!("step `{}` sends a call nowhere: its wait ends, and nothing follows", step.name);
                say(
                    Some(at),
                    "do.queue.wait_s",
                    what,
                    "add `then`, or remove `wait_s`: the caller then waits until served".into(),
                );
            }
            Action::Queue { wait: None, then: Some(then), .. } => {
                let what = format!("nobody comes from step `{}` to `{then}`: its wait has no end", step.name);
                say(Some(at), "do.queue.then", what, "add `wait_s`, or remove `then`".into());
            }
            _ => {}
        }
    }
    if let Some(round) = idle_round(script) {
        let at = round.first().copied();
        let way: Vec<&str> = round.iter().filter_map(|at| names.get(*at).copied()).collect();
        say(
            at,
            "name",
            format!(
                "script `{}` loops: {} and no time passes",
                script.name,
                [way.as_slice(), way.get(..1).unwrap_or_default()].concat().join(" → ")
            ),
            "let a `queue` step with `wait_s` be part of the round".into(),
        );
    }
    for at in unreached(script) {
        let name = names.get(at).copied().unwrap_or_default();
        flaws.push(Flaw {
            step: Some(at),
            field: "name",
            what: format!("no caller comes to step `{name}`"),
            fix: "name it in another step's `then`, or remove it".into(),
            is_warning: true,
        });
    }
    flaws
}

/// Steps that lead to one another without time passing, in order.
fn idle_round(script: &Script) -> Option<Vec<usize>> {
    // 0 not seen, 1 on the way, 2 known to end.
    fn walk(script: &Script, at: usize, seen: &mut [u8], way: &mut Vec<usize>) -> Option<Vec<usize>> {
        match seen.get(at) {
            Some(0) => {}
            Some(1) => return Some(way.iter().skip_while(|step| **step != at).copied().collect()),
            _ => return None,
        }
        let step = script.steps.get(at)?;
        if step.action.takes_time() {
            return None;
        }
        *seen.get_mut(at)? = 1;
        way.push(at);
        for (_, to) in step.action.exits() {
            if let Some(round) = script.step(to).and_then(|to| walk(script, to, seen, way)) {
                return Some(round);
            }
        }
        way.pop();
        *seen.get_mut(at)? = 2;
        None
    }
    let mut seen = vec![0; script.steps.len()];
    (0..script.steps.len()).find_map(|at| walk(script, at, &mut seen, &mut Vec::new()))
}

fn unreached(script: &Script) -> Vec<usize> {
    let mut reached = BTreeSet::new();
    let mut next = vec![0];
    while let Some(at) = next.pop() {
        let Some(step) = script.steps.get(at) else { continue };
        if reached.insert(at) {
            next.extend(step.action.exits().into_iter().filter_map(|(_, to)| script.step(to)));
        }
    }
    (0..script.steps.len()).filter(|at| !reached.contains(at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str, action: Action) -> Step {
        Step { name: name.into(), action }
    }

    fn queue(queue: &str, wait: Option<u64>, then: Option<&str>) -> Action {
        let wait = wait.map(Duration::from_secs);
        Action::Queue { queue: queue.into(), priority: 0, wait, then: then.map(Into::into) }
    }

    fn say(then: &str) -> Action {
        Action::Announce { prompt: "sorry".into(), then: then.into() }
    }

    fn open(calendar: &str, then: &str, otherwise: &str) -> Action {
        let condition = Condition::Open { calendar: calendar.into() };
        Action::Test { condition, then: then.into(), otherwise: otherwise.into() }
    }

    fn found(steps: Vec<Step>) -> Vec<(Option<usize>, &'static str, String, bool)> {
        let script = Script { name: "main".into(), steps };
        flaws(&script, &["sales"], &["office"]).into_iter().map(|f| (f.step, f.field, f.what, f.is_warning)).collect()
    }

    #[test]
    fn a_good_script_has_no_flaw() {
        assert_eq!(
            found(vec![
                step("hours", open("office", "wait", "closed")),
                step("wait", queue("sales", Some(30), Some("patience"))),
                step("patience", say("wait")),
                step("closed", Action::End { prompt: None }),
            ]),
            []
        );
    }

    #[test]
    fn each_flaw_is_named_at_its_place() {
        let end = || Action::End { prompt: None };
        let whats =
            |steps| found(steps).into_iter().map(|(step, field, what, _)| (step, field, what)).collect::<Vec<_>>();
        assert_eq!(whats(vec![])[0].2, "script `main` has no step: it sends a call nowhere");
        assert_eq!(
            whats(vec![step("a", say("b")), step("b", say("a"))]),
            [(Some(0), "name", "script `main` loops: a → b → a and no time passes".to_string())]
        );
        assert_eq!(
            whats(vec![step("a", queue("sales", Some(0), Some("a")))])[0].2,
            "script `main` loops: a → a and no time passes"
        );
        assert_eq!(
            whats(vec![step("a", say("z"))]),
            [(Some(0), "do.announce.then", "step `a` sends a call nowhere: there is no step `z`".to_string())]
        );
        assert_eq!(
            whats(vec![step("a", queue("sale", None, None))]),
            [(Some(0), "do.queue.queue", "there is no queue `sale`".to_string())]
        );
        assert_eq!(
            whats(vec![step("a", open("home", "b", "b")), step("b", end())]),
            [(Some(0), "do.open.calendar", "there is no calendar `home`".to_string())]
        );
        assert!(whats(vec![step("a", queue("sales", Some(9), None))])[0].2.contains("nothing follows"));
        assert!(whats(vec![step("a", queue("sales", None, Some("b"))), step("b", end())])[0].2.contains("has no end"));
        assert_eq!(whats(vec![step("a", end()), step("a", end())])[0].1, "name");
        let orphan = found(vec![step("a", end()), step("b", end())]);
        assert_eq!(orphan, [(Some(1), "name", "no caller comes to step `b`".to_string(), true)]);
    }
}
