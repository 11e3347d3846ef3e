//! Calls as agents' desks see them: who rings, who talks, and what a desk may do about it.

use super::CallServer;
use super::call::{Call, Stage};
use crate::shell::{CallNo, LegNo, Shell};
use crate::{DeskEvent, DialogView, Journal};

impl CallServer {
    /// In the order of the calls' numbers.
    pub(super) fn dialog_views(&self, shell: &Shell) -> Vec<DialogView> {
        self.calls.keys().filter_map(|no| self.dialog_view(shell, *no)).collect()
    }

    /// `None`: no agent has this call.
    fn dialog_view(&self, shell: &Shell, no: CallNo) -> Option<DialogView> {
        let call = self.calls.get(&no)?;
        let (agent, leg) = call.agents_side()?;
        let leg = shell.leg(leg)?;
        let record = &leg.record;
        let connected = call.ringing.is_none();
        Some(DialogView {
            call: no.0,
            agent,
            extension: record.called.0.clone(),
            calling: call.calling.clone(),
            dialled: call.dialled.clone(),
            queue: call.queue.as_ref().map(|queue| queue.name.clone()),
            call_type: call.call_type.clone(),
            attached: call.queue.as_ref().and_then(|queue| queue.attached.clone()),
            connected,
            began_ms: record.began_ms,
            since_ms: record.connected_ms.filter(|_| connected).unwrap_or(record.began_ms),
        })
    }

    /// Desks that watch are told of it.
    pub(super) fn show_dialog(&self, shell: &mut Shell, no: CallNo) {
        if let Some(view) = self.dialog_view(shell, no).filter(|_| shell.is_watched()) {
            shell.journal(Journal::Desk(Box::new(DeskEvent::Dialog(view))));
        }
    }

    /// No agent has it any more; saying it again does no harm.
    pub(super) fn show_no_dialog(&self, shell: &mut Shell, no: CallNo) {
        if shell.is_watched() {
            shell.journal(Journal::Desk(Box::new(DeskEvent::DialogOver { call: no.0 })));
        }
    }

    /// As if the agent had hung up; one that only rings is not the agent's to drop.
    pub(super) fn drop_dialog(&mut self, shell: &mut Shell, no: CallNo) -> Result<(), String> {
        let call = self.calls.get(&no).ok_or_else(|| format!("there is no call {}", no.0))?;
        if !matches!(call.stage, Stage::Connecting { .. } | Stage::Talking { .. }) {
            return Err(format!("no agent talks in call {}", no.0));
        }
        self.finish(shell, no, "the agent hung up at the desk");
        Ok(())
    }
}

impl Call {
    /// The agent, and the leg to the agent's phone.
    fn agents_side(&self) -> Option<(String, LegNo)> {
        if let Some(ringing) = &self.ringing {
            return Some((ringing.agent.0.clone(), ringing.leg));
        }
        let leg = match &self.stage {
            Stage::Connecting { agent, .. } | Stage::Talking { agent, .. } => *agent,
            Stage::Arriving { .. } | Stage::Served { .. } | Stage::Moving { .. } | Stage::Over => return None,
        };
        Some((self.served_by.as_ref()?.0.clone(), leg))
    }
}
