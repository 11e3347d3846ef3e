//! Calls as agents' desks see them: who rings, who talks, and what a desk may do about it.

use std::collections::BTreeMap;

use super::CallServer;
use super::call::{Call, Stage};
use super::room::Who;
use crate::shell::{CallNo, LegNo, Shell};
use crate::{DeskEvent, DialogView, Journal, Outward, Oversight};

/// What agents may note about one call.
const MOST_NOTES: usize = 64;
/// The note that says what the call was about; it is written down with the call's decisions.
pub(super) const WRAP_UP_REASON: &str = "wrapUpReason";

impl CallServer {
    /// In the order of the calls' numbers.
    pub(super) fn dialog_views(&self, shell: &Shell) -> Vec<DialogView> {
        let views = self.calls.keys().flat_map(|no| [self.dialog_view(shell, *no), self.supervisors_view(shell, *no)]);
        views.flatten().chain(self.wrap_up_views()).collect()
    }

    /// `None`: no agent has this call.
    pub(super) fn dialog_view(&self, shell: &Shell, no: CallNo) -> Option<DialogView> {
        let call = self.calls.get(&no)?;
        let (agent, leg) = call.agents_side()?;
        let leg = shell.leg(leg)?;
        let record = &leg.record;
        let connected = call.ringing.is_none() && !matches!(call.stage, Stage::Dialling { .. });
        Some(DialogView {
            call: no.0,
            agent,
            extension: record.called.0.clone(),
            calling: if shell.is_private(no) { "anonymous".into() } else { call.calling.clone() },
            dialled: call.dialled.clone(),
            queue: call.queue.as_ref().map(|queue| queue.name.clone()),
            call_type: call.call_type.clone(),
            attached: call.queue.as_ref().and_then(|queue| queue.attached.clone()),
            notes: call.notes.clone(),
            connected,
            held: call.is_held(),
            verbs: self.verbs(shell, no),
            outgoing: call.made.as_ref().map(|_| match &call.stage {
                Stage::Dialling { passage: None, .. } => Outward::Initiating,
                Stage::Dialling { .. } => Outward::Initiated,
                _ => Outward::Connected,
            }),
            beside: self.beside(no).map(|call| call.0),
            mixed: matches!(call.stage, Stage::Mixed(_)),
            parties: self.parties(shell, no),
            supervises: None,
            wrapping_up: false,
            began_ms: record.began_ms,
            since_ms: call.turned_ms.or(record.connected_ms).filter(|_| connected).unwrap_or(record.began_ms),
        })
    }

    /// Who else hears the agent and is heard: whom the agent consulted, a supervisor who has barged in.
    fn parties(&self, shell: &Shell, no: CallNo) -> Vec<String> {
        let Some(Call { stage: Stage::Mixed(room), supervision, .. }) = self.calls.get(&no) else { return Vec::new() };
        let barged = supervision.as_ref().is_some_and(|by| by.how == Oversight::Barge);
        let is_heard = |who| who == Who::Consulted || (who == Who::Supervisor && barged);
        room.seats.iter().filter(|seat| is_heard(seat.who)).map(|seat| shell.numbers(seat.leg).1).collect()
    }

    /// A supervisor's own part in the call: a call by its leg's number, which is no other's.
    fn supervisors_view(&self, shell: &Shell, no: CallNo) -> Option<DialogView> {
        let call = self.calls.get(&no)?;
        let by = call.supervision.as_ref()?;
        let leg = shell.leg(by.leg)?;
        let connected = leg.is_answered();
        Some(DialogView {
            call: by.leg.0,
            agent: by.by.0.clone(),
            extension: leg.record.called.0.clone(),
            calling: leg.record.called.0.clone(),
            dialled: leg.record.calling.0.clone(),
            queue: None,
            call_type: None,
            attached: None,
            notes: BTreeMap::new(),
            connected,
            held: false,
            verbs: Vec::new(),
            outgoing: Some(if connected { Outward::Connected } else { Outward::Initiating }),
            beside: Some(no.0),
            mixed: false,
            parties: Vec::new(),
            supervises: Some(by.how),
            wrapping_up: false,
            began_ms: by.began_ms,
            since_ms: leg.record.connected_ms.unwrap_or(by.began_ms),
        })
    }

    /// Desks that watch are told of it, and of the call that is held for it or that it is held for: what can be done with
    /// the one depends on the other.
    pub(super) fn show_dialog(&self, shell: &mut Shell, no: CallNo) {
        self.show(shell, no);
        if let Some(beside) = self.beside(no) {
            self.show(shell, beside);
        }
    }

    /// The consultation over this call, or the call that this consultation is over.
    pub(super) fn beside(&self, no: CallNo) -> Option<CallNo> {
        let made = self.calls.get(&no).and_then(|call| call.made.as_ref());
        self.consultation_of(no).or(made.and_then(|made| made.consults))
    }

    fn show(&self, shell: &mut Shell, no: CallNo) {
        let views = [self.dialog_view(shell, no), self.supervisors_view(shell, no)];
        let watched = shell.is_watched();
        for view in views.into_iter().flatten().filter(|_| watched) {
            shell.journal(Journal::Desk(Box::new(DeskEvent::Dialog(view))));
        }
    }

    /// No agent has it any more; saying it again does no harm.
    pub(super) fn show_no_dialog(&self, shell: &mut Shell, no: CallNo) {
        if shell.is_watched() && !self.is_wrapping_up(no) {
            shell.journal(Journal::Desk(Box::new(DeskEvent::DialogOver { call: no.0 })));
        }
    }

    /// The call that this agent has. What a desk asks may come when the call is another's by now, whose it is to work on.
    pub(super) fn of_agent(&self, call: u64, agent: &str) -> Result<CallNo, String> {
        let no = CallNo(call);
        let has = self.calls.get(&no).ok_or_else(|| format!("there is no call {call}"))?.agents_side();
        match has {
            Some((has, _)) if has == agent => Ok(no),
            Some((has, _)) => Err(format!("call {call} is agent {has}'s by now, not agent {agent}'s")),
            None => Err(format!("no agent has call {call}")),
        }
    }

    /// As if the agent had hung up; one that only rings is not the agent's to drop.
    pub(super) fn drop_dialog(&mut self, shell: &mut Shell, no: CallNo) -> Result<(), String> {
        let call = self.calls.get(&no).ok_or_else(|| format!("there is no call {}", no.0))?;
        if matches!(call.stage, Stage::Mixed(_)) {
            // The others may talk on.
            let leg = call.agents_side().map(|(_, leg)| leg).ok_or("the agent has left the conference")?;
            let why = "the agent hung up at the desk";
            shell.end(leg, why);
            self.seat_gone(shell, no, leg, why);
            return Ok(());
        }
        if !matches!(call.stage, Stage::Connecting { .. } | Stage::Talking { .. } | Stage::Dialling { .. }) {
            return Err(format!("no agent talks in call {}", no.0));
        }
        self.finish(shell, no, "the agent hung up at the desk");
        Ok(())
    }

    /// Kept with the call, and with what is told of it afterwards.
    pub(super) fn note_dialog(
        &mut self,
        shell: &mut Shell,
        no: CallNo,
        values: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let call = self.calls.get_mut(&no).filter(|call| call.agents_side().is_some());
        let call = call.ok_or_else(|| format!("no agent has call {}", no.0))?;
        note(&mut call.notes, values).map_err(|why| format!("call {} {why}", no.0))?;
        if let Some(reason) = values.get(WRAP_UP_REASON).filter(|reason| !reason.is_empty()) {
            shell.decided(no, format!("wrap-up reason: {reason}"));
        }
        self.show_dialog(shell, no);
        self.keep(shell, no);
        Ok(())
    }
}

/// Writes these down; an empty value takes a note away. All of them, or none.
pub(super) fn note(notes: &mut BTreeMap<String, String>, values: &BTreeMap<String, String>) -> Result<(), String> {
    let new = values.iter().filter(|(name, value)| !value.is_empty() && !notes.contains_key(*name)).count();
    if notes.len() + new > MOST_NOTES {
        return Err(format!("has {} notes, of at most {MOST_NOTES}", notes.len()));
    }
    for (name, value) in values {
        match value.is_empty() {
            true => drop(notes.remove(name)),
            false => drop(notes.insert(name.clone(), value.clone())),
        }
    }
    Ok(())
}

impl Call {
    /// The agent, and the leg to the agent's phone.
    fn agents_side(&self) -> Option<(String, LegNo)> {
        if let Some(ringing) = &self.ringing {
            return Some((ringing.agent.as_ref()?.0.clone(), ringing.leg));
        }
        let leg = match &self.stage {
            Stage::Connecting { agent, .. } | Stage::Talking { agent, .. } | Stage::Dialling { agent, .. } => *agent,
            Stage::Mixed(room) => room.of(Who::Agent)?.leg,
            Stage::Arriving { .. } | Stage::Served { .. } | Stage::Moving { .. } | Stage::Bridging { .. } => {
                return None;
            }
            Stage::Promised | Stage::Over => return None,
        };
        Some((self.served_by.as_ref()?.0.clone(), leg))
    }
}
