//! The work after a call: the call is over, and its agent still has it at the desk, to say what it was about, until the
//! router says that the work is done.

use std::collections::BTreeMap;

use acd::{AgentId, AgentState, CallId};
use serde::{Deserialize, Serialize};

use super::dialogs::{WRAP_UP_REASON, note};
use super::{CallServer, plan_of};
use crate::shell::{CallNo, Shell};
use crate::{DeskEvent, DialogView, Journal};

/// A call that is over, as its agent last had it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WrapUp {
    view: DialogView,
    caller: call::session_id::Uuid,
}

impl CallServer {
    /// The call is over for the router. `seen`: as its agent had it until now.
    pub(super) fn leave_agent(&mut self, shell: &mut Shell, no: CallNo, seen: Option<DialogView>) {
        let caller = shell.book().call(no).map(|entry| entry.caller.clone());
        self.tell_router(shell, acd::Input::Gone(CallId(no.0)));
        let Some((view, caller)) = seen.zip(caller).filter(|(view, _)| self.wraps_up(view)) else {
            return self.show_no_dialog(shell, no);
        };
        let since_ms = ::call::ms(shell.now());
        let view = DialogView { wrapping_up: true, held: false, verbs: Vec::new(), beside: None, since_ms, ..view };
        let agent = AgentId(view.agent.clone());
        tell(shell, &view);
        self.wrap_ups.insert(agent, WrapUp { view, caller });
    }

    fn wraps_up(&self, view: &DialogView) -> bool {
        let row = self.router.agent_row(&AgentId(view.agent.clone()));
        row.is_some_and(|row| matches!(row.state, AgentState::WrapUp { call, .. } if call.0 == view.call))
    }

    /// The agent's state changed: with the work done, the desk has the call no more.
    pub(super) fn wrapped_up(&mut self, shell: &mut Shell, agent: &AgentId) {
        let done = self.wrap_ups.get(agent).is_some_and(|wrap_up| !self.wraps_up(&wrap_up.view));
        if let Some(wrap_up) = done.then(|| self.wrap_ups.remove(agent)).flatten() {
            self.show_no_dialog(shell, CallNo(wrap_up.view.call));
        }
    }

    /// The same of all, with another plan.
    pub(super) fn wrap_ups_replanned(&mut self, shell: &mut Shell) {
        for agent in self.wrap_ups.keys().cloned().collect::<Vec<_>>() {
            self.wrapped_up(shell, &agent);
        }
    }

    /// Whether an agent still works on this call, which is over.
    pub(super) fn is_wrapping_up(&self, no: CallNo) -> bool {
        self.wrap_ups.values().any(|wrap_up| wrap_up.view.call == no.0)
    }

    pub(super) fn wrap_up_views(&self) -> impl Iterator<Item = DialogView> {
        self.wrap_ups.values().map(|wrap_up| wrap_up.view.clone())
    }

    /// A wrap-up reason is one of the agent's team's.
    pub(super) fn check_reason(
        &self,
        shell: &Shell,
        agent: &str,
        values: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let Some(reason) = values.get(WRAP_UP_REASON).filter(|reason| !reason.is_empty()) else { return Ok(()) };
        let node = shell.plan().clone();
        let acd = &plan_of(&node).ok_or("no call server")?.acd;
        let team = self.router.agent_row(&AgentId(agent.to_owned())).and_then(|row| row.team);
        let theirs = |known: &&acd::WrapUpReason| {
            known.teams.is_empty() || team.as_ref().is_some_and(|team| known.teams.contains(team))
        };
        let labels: Vec<&str> = acd.wrap_up_reasons.iter().filter(theirs).map(|known| known.label.as_str()).collect();
        match labels.contains(&reason.as_str()) {
            true => Ok(()),
            false if labels.is_empty() => Err("this site has no wrap_up_reason for the agent's team".into()),
            false => Err(format!("`{reason}` is no wrap-up reason of agent {agent}'s; expected {}", labels.join(", "))),
        }
    }

    /// What the agent notes about it now. `None`: this agent does not work on this call.
    pub(super) fn note_afterwards(
        &mut self,
        shell: &mut Shell,
        (call, agent): (u64, &str),
        values: &BTreeMap<String, String>,
    ) -> Option<Result<(), String>> {
        let wrap_up = self.wrap_ups.get_mut(&AgentId(agent.to_owned())).filter(|wrap_up| wrap_up.view.call == call)?;
        if let Err(why) = note(&mut wrap_up.view.notes, values) {
            return Some(Err(format!("call {call} {why}")));
        }
        if let Some(reason) = values.get(WRAP_UP_REASON).filter(|reason| !reason.is_empty()) {
            let words = format!("wrap-up reason: {reason}");
            shell.journal(Journal::Decision { caller: wrap_up.caller.clone(), words });
        }
        tell(shell, &wrap_up.view);
        Some(Ok(()))
    }
}

fn tell(shell: &mut Shell, view: &DialogView) {
    if shell.is_watched() {
        shell.journal(Journal::Desk(Box::new(DeskEvent::Dialog(view.clone()))));
    }
}
