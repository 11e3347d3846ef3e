//! Scripts under way.

use std::time::Duration;

use super::{Output, Router};
use crate::caller::{Run, Stage};
use crate::decision::seconds;
use crate::script::{Action, Condition, Script};
use crate::timers::Timer;
use crate::{Announcement, BY_CALL_TYPE, CallId, Opening};

/// Steps without a wait, one after the other: a script that was checked when it was loaded has no round of them.
const MOST_STEPS: usize = 1000;

impl Router {
    /// The caller comes to a script, a queue, or what the call type says.
    pub(super) fn enter(&mut self, call: CallId, target: &str, now: Duration) {
        let target = match target {
            BY_CALL_TYPE => match self.script_of_call_type(call, now) {
                Ok(script) => script,
                Err(why) => return self.unroutable(call, why),
            },
            other => other.to_owned(),
        };
        if let Some(script) = self.plan.scripts.iter().find(|script| script.name == target) {
            return self.start(call, script.clone(), now);
        }
        match self.queue_numbers.get(&target) {
            Some(queue) => self.join(call, *queue, 0, now),
            None => {
                let known: Vec<&str> = self.plan.queues.iter().map(|queue| queue.name.as_str()).collect();
                self.unroutable(call, format!("no queue {target}; the plan has: {}", known.join(", ")));
            }
        }
    }

    fn script_of_call_type(&mut self, call: CallId, now: Duration) -> Result<String, String> {
        let name = self.callers.get(&call).and_then(|caller| caller.call_type.clone());
        let name = name.ok_or("the dialled number has no call type")?;
        let plan = self.plan.call_types.iter().find(|plan| plan.name == name);
        let plan = plan.ok_or_else(|| format!("no call type {name} in the plan"))?;
        let open = plan.when.iter().find(|(calendar, _)| self.opening(calendar, now) == Opening::Open);
        let (script, why) = match open {
            Some((calendar, script)) => (script.clone(), format!("calendar {calendar} is open")),
            None => (plan.otherwise.clone(), "no calendar of it is open".into()),
        };
        self.outputs.push_back(Output::Told { call, words: format!("call type {name}: {why}, so script {script}") });
        Ok(script)
    }

    fn opening(&self, calendar: &str, now: Duration) -> Opening {
        let found = self.plan.calendars.iter().find(|known| known.name == calendar);
        found.map_or(Opening::Closed, |calendar| calendar.at(self.wall_ms(now)))
    }

    fn start(&mut self, call: CallId, script: Script, now: Duration) {
        if let Some(caller) = self.callers.get_mut(&call) {
            caller.run = Some(Run { script, at: 0, is_overdue: false });
        }
        self.go_on(call, now);
    }

    /// Runs steps until one waits or ends the call.
    fn go_on(&mut self, call: CallId, now: Duration) {
        for _ in 0..MOST_STEPS {
            let Some(run) = self.callers.get(&call).and_then(|caller| caller.run.as_ref()) else { return };
            let script = run.script.name.clone();
            let Some(step) = run.script.steps.get(run.at).cloned() else {
                return self.release(call, format!("script {script} has no such step"), None);
            };
            let next = match step.action {
                Action::Queue { queue, priority, wait, then } => {
                    let Some(number) = self.queue_numbers.get(&queue).copied() else {
                        return self.unroutable(call, format!("queue {queue} is no longer in the plan"));
                    };
                    if let Some(wait) = wait.filter(|_| then.is_some()) {
                        self.timers.set(Timer::Script(call), now + wait);
                    }
                    return self.join(call, number, priority, now);
                }
                Action::Test { condition, then, otherwise } => {
                    let (holds, why) = self.test(&condition, now);
                    let to = if holds { then } else { otherwise };
                    let words = format!("script {script}, step {}: {why}, so {to}", step.name);
                    self.outputs.push_back(Output::Told { call, words });
                    to
                }
                Action::Announce { prompt, then } => {
                    self.outputs.push_back(Output::Say { call, what: Announcement::Prompt(prompt) });
                    then
                }
                Action::End { prompt } => {
                    return self.release(call, format!("script {script}, step {}: the end", step.name), prompt);
                }
            };
            if !self.go_to(call, &next) {
                return self.release(call, format!("script {script} has no step {next}"), None);
            }
        }
        self.release(call, "the script runs in a circle".into(), None);
    }

    fn go_to(&mut self, call: CallId, step: &str) -> bool {
        let Some(run) = self.callers.get_mut(&call).and_then(|caller| caller.run.as_mut()) else { return false };
        match run.script.step(step) {
            Some(at) => {
                run.at = at;
                true
            }
            None => false,
        }
    }

    /// The wait of the step is over; while a phone rings, it is over once that came to nothing.
    pub(super) fn script_due(&mut self, call: CallId, now: Duration) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        let waits = caller.stage == Stage::Waiting;
        let Some(run) = caller.run.as_mut() else { return };
        run.is_overdue = !waits;
        if !waits {
            return;
        }
        let step = run.script.steps.get(run.at);
        let Some(Action::Queue { queue, then: Some(then), .. }) = step.map(|step| step.action.clone()) else { return };
        let words = format!("script {}: nobody of queue {queue} in time, so {then}", run.script.name);
        self.outputs.push_back(Output::Told { call, words });
        match self.go_to(call, &then) {
            true => self.go_on(call, now),
            false => self.release(call, format!("the script has no step {then}"), None),
        }
    }

    fn test(&self, condition: &Condition, now: Duration) -> (bool, String) {
        match condition {
            Condition::Open { calendar } => {
                let opening = self.opening(calendar, now);
                (opening == Opening::Open, format!("calendar {calendar} is {}", opening.word()))
            }
            Condition::Waiting { queue, over } => {
                let number = self.queue_numbers.get(queue).copied();
                let waiting = number.map_or(0, |number| self.line(number).len() as u32);
                (waiting > *over, format!("{waiting} callers wait in queue {queue}"))
            }
            Condition::EstimatedWait { queue, over } => {
                let estimate = self.queue_numbers.get(queue).and_then(|number| {
                    let waiting = self.line(*number).len() as u32;
                    self.estimated_wait(*number, waiting + 1)
                });
                match estimate {
                    Some(wait) => (wait > *over, format!("queue {queue} would take {}", seconds(wait))),
                    None => (true, format!("nobody works in queue {queue}")),
                }
            }
            Condition::Staffed { queue } => {
                let class = self.queue_numbers.get(queue).and_then(|number| self.pool.widest(*number));
                let logged_out = class.map_or(0, |class| class.count(crate::Doing::LoggedOut) as usize);
                let staff = class.map_or(0, |class| class.agents.len()).saturating_sub(logged_out);
                (staff > 0, format!("{staff} agents of queue {queue} are logged in"))
            }
        }
    }

    fn release(&mut self, call: CallId, why: String, prompt: Option<String>) {
        self.leave_line(call);
        self.timers.clear_call(call);
        if let Some(caller) = self.callers.remove(&call) {
            self.figures.call_type(caller.call_type.as_deref()).released += 1;
            if let Some(joined) = caller.joined.last() {
                let name = self.queue_name(joined.queue).to_owned();
                self.figures.queue(&name).released += 1;
            }
        }
        self.outputs.push_back(Output::Release { call, why, prompt });
    }
}
