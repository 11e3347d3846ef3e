//! Between the call server and the router: what is told and written down, and what there is to see.

use std::fmt::Write;
use std::time::Duration;

use acd::{AgentId, AgentState, Announcement, Arrival, CallId, Decision, Doing};
use sip::{Body, Method, Name};

use super::CallServer;
use super::call::{Alarm, Call, Stage};
use crate::shell::{CallNo, LegNo, Shell};
use crate::{AgentView, DeskEvent, Journal, Now, QueueView, RoutingView};

/// How long a browser may take over the last words of a script.
const LAST_WORDS: Duration = Duration::from_secs(60);

impl CallServer {
    /// Calendars and intervals go by the wall clock.
    pub(super) fn set_clock(&mut self, shell: &Shell) {
        let now = shell.now();
        // Later than the year 292,000,000 does not occur.
        self.router.set_wall(call::ms(now) as i64, now.mono);
    }

    /// Tells the router, and writes down what it was told: so that a day can be run again with other scripts.
    pub(super) fn told(&mut self, shell: &mut Shell, input: acd::Input) -> Result<(), String> {
        self.set_clock(shell);
        let done = self.router.handle(input.clone(), shell.now().mono);
        if done.is_ok() {
            shell.journal(Journal::Routing(Box::new(input)));
        }
        done
    }

    /// Where saying it in vain is nobody's error.
    pub(super) fn tell_router(&mut self, shell: &mut Shell, input: acd::Input) {
        let _ = self.told(shell, input);
    }

    /// The caller of this call comes to a queue, a script, or what the call type says.
    pub(super) fn arrival(&self, no: CallNo, target: &str) -> acd::Input {
        let call = self.calls.get(&no);
        let customer = call.map(|call| call.calling.clone()).filter(|number| !number.is_empty());
        let call_type = call.and_then(|call| call.call_type.clone());
        acd::Input::Arrive(Arrival { customer, call_type, ..Arrival::new(CallId(no.0), target) })
    }

    /// The same of one who waited when an earlier process ended: at the place that they had.
    pub(super) fn arrival_again(&self, shell: &Shell, no: CallNo, target: &str, since_ms: u64) -> acd::Input {
        let now = shell.now();
        let waited = Duration::from_millis(call::ms(now).saturating_sub(since_ms));
        match self.arrival(no, target) {
            acd::Input::Arrive(arrival) => {
                acd::Input::Arrive(Arrival { since: Some(now.mono.saturating_sub(waited)), ..arrival })
            }
            other => other,
        }
    }

    pub(super) fn decided(&mut self, shell: &mut Shell, decision: Decision) {
        let no = CallNo(decision.call.0);
        let caller = shell.book().call(no).map(|entry| entry.caller.clone());
        shell.decided(no, decision.words());
        if let Some(caller) = caller {
            shell.journal(Journal::Routed { caller, decision: Box::new(decision) });
        }
    }

    /// A waiting caller is told something: the browser hears it as RFC 3261 §21.1.4 (182) means it, in the reason phrase
    /// of the transfer's progress, and may speak it.
    pub(super) fn say(&mut self, shell: &mut Shell, no: CallNo, what: &Announcement) {
        let words = match what {
            Announcement::Prompt(prompt) => format!("prompt {prompt}"),
            Announcement::Position { position, estimate } => {
                let mut words = format!("{position} in line");
                if let Some(estimate) = estimate {
                    // Writing to a String cannot fail.
                    let _ = write!(words, "; expected waiting time is {} s", estimate.as_secs());
                }
                words
            }
        };
        if let Some(leg) = self.teller(no) {
            notify(shell, leg, &words);
        }
    }

    /// A script lets the caller go with last words: the browser plays them and hangs up. One that does not in time is not
    /// waited for.
    pub(super) fn part(&mut self, shell: &mut Shell, no: CallNo, prompt: &str, why: &str) {
        let teller = self.teller(no);
        let (Some(leg), Some(call)) = (teller, self.calls.get_mut(&no)) else { return self.finish(shell, no, why) };
        call.queue = None;
        notify(shell, leg, &format!("prompt {prompt}; then the end"));
        self.timers.set(shell.now().mono + LAST_WORDS, Alarm::Parting(no));
        self.keep(shell, no);
    }

    /// The last words took too long.
    pub(super) fn parted(&mut self, shell: &mut Shell, no: CallNo) {
        let waits = |call: &Call| call.queue.is_none() && matches!(call.stage, Stage::Served { .. });
        if self.calls.get(&no).is_some_and(waits) {
            self.finish(shell, no, "the queue has let the caller go");
        }
    }

    /// The browser that can tell a waiting caller something.
    fn teller(&self, no: CallNo) -> Option<LegNo> {
        let call = self.calls.get(&no)?;
        let told = call.queue.as_ref().and_then(|queue| queue.told);
        told.filter(|_| matches!(call.stage, Stage::Served { .. }))
    }

    pub(super) fn agent_views(&self, shell: &Shell) -> Vec<AgentView> {
        self.router.agents().into_iter().map(|row| self.agent_view(row, shell.now())).collect()
    }

    /// As the router has it; who keeps a caller waiting, HOLD.
    fn agent_view(&self, row: acd::AgentRow, now: Now) -> AgentView {
        let turned = match &row.state {
            AgentState::Talking { call, .. } => self.calls.get(&CallNo(call.0)),
            _ => None,
        };
        let turned = turned.and_then(|call| Some((call.is_held(), call.turned_ms?)));
        let mut view = agent_view(row, now);
        if let Some((held, at_ms)) = turned {
            if held {
                view.state = "HOLD".into();
            }
            view.since_ms = at_ms;
            view.for_s = call::ms(now).saturating_sub(at_ms) / 1000;
        }
        view
    }

    /// Desks that watch are told of the agent who has this call.
    pub(super) fn show_agent_of(&self, shell: &mut Shell, no: CallNo) {
        let agent = self.calls.get(&no).and_then(|call| call.served_by.as_ref());
        if let Some((agent, row)) = agent.and_then(|agent| Some((agent, self.router.agent_row(agent)?))) {
            self.show_agent(shell, agent, &row.state);
        }
    }

    /// Desks that watch are told of it: also of a state that the agent has left again by now, as a ready agent has for
    /// whom a caller waited.
    pub(super) fn show_agent(&self, shell: &mut Shell, agent: &AgentId, state: &AgentState) {
        if let Some(row) = self.router.agent_row(agent).filter(|_| shell.is_watched()) {
            let view = self.agent_view(acd::AgentRow { state: state.clone(), ..row }, shell.now());
            shell.journal(Journal::Desk(Box::new(DeskEvent::Agent(view))));
        }
    }

    pub(super) fn queue_views(&self, shell: &Shell) -> Vec<QueueView> {
        let now = shell.now();
        let view = |row: acd::QueueRow| {
            let count = |doing: Doing| row.agents.iter().find(|(is, _)| *is == doing).map_or(0, |(_, count)| *count);
            QueueView {
                name: row.name.clone(),
                longest_wait_s: row.waiting.iter().map(|(_, wait)| wait.as_secs()).max().unwrap_or(0),
                waiting: row.waiting.len(),
                ready: count(Doing::Ready),
                talking: count(Doing::Talking) + count(Doing::Reserved),
                wrap_up: count(Doing::WrapUp),
                not_ready: count(Doing::NotReady),
                estimate_s: row.estimate.map(|estimate| estimate.as_secs()),
                longest_since_ms: row.waiting.iter().map(|(_, wait)| ago(now, *wait)).min(),
            }
        };
        self.router.queues(now.mono).into_iter().map(view).collect()
    }

    pub(super) fn routing_view(&self) -> RoutingView {
        RoutingView { intervals: self.router.figures().cloned().collect() }
    }
}

/// In the reason phrase of a 182: a browser of ours reads it, and others may.
fn notify(shell: &mut Shell, leg: LegNo, words: &str) {
    shell.note(leg, format!("told: {words}"));
    let headers = vec![(Name::Event, "refer".into()), (Name::SubscriptionState, "active;expires=3600".into())];
    let words = words.replace(char::is_control, " ");
    let body = Body::new("message/sipfrag;version=2.0", format!("SIP/2.0 182 {words}\r\n"));
    shell.request(leg, Method::Notify, headers, Some(body));
}

fn agent_view(row: acd::AgentRow, now: Now) -> AgentView {
    let (state, reason) = describe(&row.state);
    let time = now.mono.saturating_sub(row.changed);
    AgentView {
        id: row.id.0,
        extension: row.extension,
        state,
        reason,
        for_s: time.as_secs(),
        team: row.team,
        pending: row.afterwards,
        since_ms: ago(now, time),
    }
}

/// Milliseconds since 1970: the same whenever it is asked, because both clocks go on together.
fn ago(now: Now, time: Duration) -> u64 {
    now.wall.checked_sub(time).map_or(0, |wall| call::ms(Now { wall, ..now }))
}

/// State as desks write it, and the reason.
pub(super) fn describe(state: &AgentState) -> (String, String) {
    match state {
        AgentState::LoggedOut => ("LOGOUT".into(), String::new()),
        AgentState::NotReady { reason } => ("NOT_READY".into(), reason.clone()),
        AgentState::Ready { .. } => ("READY".into(), String::new()),
        AgentState::Reserved { .. } => ("RESERVED".into(), String::new()),
        AgentState::Talking { .. } => ("TALKING".into(), String::new()),
        AgentState::WrapUp { .. } => ("WORK".into(), String::new()),
    }
}
