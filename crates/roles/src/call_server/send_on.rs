//! An agent sends a caller on and is free at once: to a queue or script, or to a number (single-step transfer, which the
//! field calls blind). Nobody is lost by it: who is sent to a number that does not take the call waits again in the queue
//! that they came from, at the place that they had.

use std::sync::Arc;

use acd::{AgentId, CallId};

use super::browsers::Why;
use super::call::{Alarm, Queued, Stage};
use super::outgoing::{RINGS, check_number};
use super::{CallServer, plan_of};
use crate::PeerPlan;
use crate::shell::{CallNo, Shell};

impl CallServer {
    /// The caller goes back to a browser's music, and from there into another line, as one who comes there first, or to
    /// whoever has the number. What was attached and noted goes with them.
    pub(super) fn transfer_dialog(&mut self, shell: &mut Shell, no: CallNo, to: &str) -> Result<(), String> {
        let node = shell.plan().clone();
        let acd = &plan_of(&node).ok_or("no call server")?.acd;
        let has_line =
            acd.queues.iter().any(|queue| queue.name == to) || acd.scripts.iter().any(|script| script.name == to);
        if !has_line {
            // The name of a queue that is not there would be called as a number, and the caller wait for it in vain.
            let digits = to.bytes().any(|b| b.is_ascii_digit());
            let number = if digits { check_number(to) } else { Err("a number has digits".into()) };
            number.map_err(|why| format!("there is no queue or script `{to}`, and {why}"))?;
        }
        // A supervisor whose phone rings for this agent's call is not to find the next agent's.
        if self.joins(no) {
            return Err("somebody is on the way into the call: try again".into());
        }
        let call = self.calls.get_mut(&no).ok_or_else(|| format!("there is no call {}", no.0))?;
        let agent = match &call.stage {
            Stage::Talking { agent, hold: None, .. } => *agent,
            Stage::Talking { .. } => return Err("the caller is held: take them back first".into()),
            _ => return Err(format!("no agent talks in call {}", no.0)),
        };
        if call.made.is_some() {
            return Err("a call that the agent made is not sent on: consult, and transfer".into());
        }
        // Who is not reached goes back to the queue: with none there is nowhere to go back to.
        if !has_line && call.queue.is_none() {
            return Err("this caller came from no queue: consult, and transfer".into());
        }
        if shell.numbers(agent).1 == to {
            return Err("this is the agent's own phone".into());
        }
        (call.served_by, call.turned_ms) = (None, None);
        call.forsake_desk(shell, "the agent sent the caller on");
        if has_line {
            let attached = call.queue.take().and_then(|queue| queue.attached);
            let since_ms = ::call::ms(shell.now());
            call.queue = Some(Queued { name: to.to_owned(), attached, told: None, since_ms });
        }
        let whereto = if has_line { to } else { "a number" };
        shell.decided(no, format!("the agent sends the caller to {whereto}"));
        self.show_no_dialog(shell, no);
        self.rehome(shell, no, Vec::new(), Why::Transferred);
        shell.end(agent, "the agent sent the caller on");
        // Else the next agent's TRANSFER would be with whom this one consulted.
        self.consult_alone(shell, no);
        self.tell_router(shell, acd::Input::Gone(CallId(no.0)));
        // With no browser left to play music the call is over.
        if self.calls.get(&no).is_some_and(|call| !matches!(call.stage, Stage::Over)) {
            match has_line {
                true => self.tell_router(shell, self.arrival(no, to)),
                false => self.send_to(shell, no, to.to_owned(), Vec::new()),
            }
            self.keep(shell, no);
        }
        Ok(())
    }

    /// Calls the number, without an offer: whoever has it makes one, which the caller is asked with as with an agent's.
    pub(super) fn send_to(&mut self, shell: &mut Shell, no: CallNo, number: String, tried: Vec<Arc<str>>) {
        let own = self.calls.get(&no).map(|call| call.dialled.clone()).unwrap_or_default();
        let Some((peer, shown)) = self.next_towards(shell, no, (&number, own), &tried) else {
            return self.not_sent(shell, no, "no call manager or border controller is left to call by");
        };
        if let Some(leg) = self.ring(shell, no, (&peer, shown), (None, number), tried) {
            self.timers.set(shell.now().mono + RINGS, Alarm::Unanswered(no, leg));
        }
    }

    /// The member of the group that leads to this number whose turn it is, and as whom it is called: a phone sees the
    /// caller's number, who is outside sees the way out's, or this one of ours.
    pub(super) fn next_towards(
        &self,
        shell: &mut Shell,
        no: CallNo,
        (number, own): (&str, String),
        tried: &[Arc<str>],
    ) -> Option<(PeerPlan, String)> {
        let (node, dice) = (shell.plan_of(no), shell.random());
        let (plan, call) = (plan_of(&node)?, self.calls.get(&no)?);
        let (group, shown) = match plan.way_out(number) {
            Some(way) => (&way.group, way.calling.clone().unwrap_or(own)),
            None => (&plan.agent_group, call.calling.clone()),
        };
        let member = plan.member(group, tried, |peer| shell.is_up(peer), dice)?;
        Some((node.peers.iter().find(|peer| peer.name == member)?.clone(), shown))
    }

    /// Whom the caller was sent to is not there: the caller waits where they waited before, first of those who came later.
    pub(super) fn not_sent(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        shell.decided(no, format!("whom the agent sent the caller to: {why}"));
        let came_from = self.calls.get(&no).and_then(|call| call.queue.as_ref());
        let Some((queue, since_ms)) = came_from.map(|queue| (queue.name.clone(), queue.since_ms)) else {
            return self.finish(shell, no, why);
        };
        let again = self.arrival_again(shell, no, &queue, since_ms);
        match self.told(shell, again) {
            Ok(()) => {
                shell.decided(no, format!("the caller waits in {queue} again, at the place that they had"));
                self.keep(shell, no);
            }
            Err(gone) => self.finish(shell, no, &format!("{why}; and {gone}")),
        }
        self.route(shell);
    }

    /// They are there. An agent whose phone it is has the call at the desk from now on.
    pub(super) fn taken_by(&mut self, shell: &mut Shell, no: CallNo, number: &str) -> Option<AgentId> {
        let agent = self.agent_at(number)?;
        self.tell_router(shell, acd::Input::Outgoing { call: CallId(no.0), agent: agent.clone() });
        Some(agent)
    }
}
