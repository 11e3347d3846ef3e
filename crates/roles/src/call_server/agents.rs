//! The agent's side of a call: queue, offer, ringing, and the change of party (RFC 3725 flow I, with a fresh offer).

use std::sync::Arc;

use acd::{AgentId, CallId};
use bytes::Bytes;
use sdp::Protection;
use sip::{Name, Status};

use super::call::{Alarm, Ringing, SILENCE, Stage};
use super::refers::tell;
use super::{CallServer, plan_of, routing};
use crate::shell::{CallNo, LegNo, Outgoing, Passage, Progress, Refused, Shell};
use crate::{PeerPlan, Persist, Verb};

impl CallServer {
    /// Works off what the router decided.
    pub(super) fn route(&mut self, shell: &mut Shell) {
        while let Some(output) = self.router.poll() {
            match output {
                acd::Output::Offer { call, agent, extension, .. } => {
                    self.offer(shell, CallNo(call.0), agent, extension, Vec::new());
                }
                acd::Output::Withdraw { call, why, .. } => {
                    let ringing = self.calls.get_mut(&CallNo(call.0)).and_then(|call| call.ringing.take());
                    if let Some(ringing) = ringing {
                        self.answer_desk(shell, CallNo(call.0), &Verb::Answer, Err(why.clone()));
                        shell.end(ringing.leg, why);
                        self.show_no_dialog(shell, CallNo(call.0));
                    }
                }
                acd::Output::Unroutable { call, why } => self.unqueued(shell, CallNo(call.0), &why),
                acd::Output::AgentChanged { agent, state } => {
                    self.show_agent(shell, &agent, &state);
                    self.wrapped_up(shell, &agent);
                    let state = routing::describe(&state).0;
                    tracing::info!(agent = %agent.0, %state, "agent");
                    if let Some(standing) = self.router.standing(&agent) {
                        shell.persist(Persist::Agent { id: agent.0, state: standing.words() });
                    }
                }
                acd::Output::Decided(decision) => self.decided(shell, decision),
                acd::Output::Told { call, words } => shell.decided(CallNo(call.0), words),
                acd::Output::Say { call, what } => self.say(shell, CallNo(call.0), &what),
                acd::Output::Release { call, why, prompt } => {
                    shell.decided(CallNo(call.0), why.as_str());
                    match prompt {
                        Some(prompt) => self.part(shell, CallNo(call.0), &prompt, &why),
                        None => self.finish(shell, CallNo(call.0), &why),
                    }
                }
                acd::Output::Interval(interval) => shell.persist(Persist::Interval(Box::new(interval))),
            }
        }
    }

    /// The agent's phone is called, without an offer: the phone makes one.
    fn offer(&mut self, shell: &mut Shell, no: CallNo, agent: AgentId, extension: String, tried: Vec<Arc<str>>) {
        let node = shell.plan_of(no);
        let dice = shell.random();
        let member =
            plan_of(&node).and_then(|plan| plan.member(&plan.agent_group, &tried, |peer| shell.is_up(peer), dice));
        let peer = member.and_then(|name| node.peers.iter().find(|peer| peer.name == name));
        let (Some(peer), Some(call)) = (peer, self.calls.get(&no)) else {
            return self.agent_refused(shell, no, "no call manager answers");
        };
        let shown = call.calling.clone();
        self.ring(shell, no, (peer, shown), (Some(agent), extension), tried);
        self.show_dialog(shell, no);
    }

    /// Calls whoever has this number, an agent or anybody, without an offer: they make one, which the caller is asked with.
    /// An agent's phone is told what the application attached.
    pub(super) fn ring(
        &mut self,
        shell: &mut Shell,
        no: CallNo,
        (peer, shown): (&PeerPlan, String),
        (agent, extension): (Option<AgentId>, String),
        mut tried: Vec<Arc<str>>,
    ) -> Option<LegNo> {
        let call = self.calls.get_mut(&no)?;
        tried.push(peer.name.clone());
        let attached = call.queue.as_ref().filter(|_| agent.is_some()).and_then(|queue| queue.attached.clone());
        let leg = shell.call(Outgoing {
            call: no,
            peer: peer.name.clone(),
            hop: Shell::hop_to(peer),
            uri: peer.uri(Some(&extension)),
            calling: shown,
            called: extension.clone(),
            mate: Some(call.caller).filter(|_| !call.is_ours),
            dial_peer: None,
            max_forwards: call.max_forwards,
            headers: attached.map(|data| (Name::UserToUser, data)).into_iter().collect(),
            sdp: None,
            dangerous: Vec::new(),
        });
        call.ringing = Some(Ringing { leg, agent, extension, tried });
        self.timers.set(shell.now().mono + SILENCE, Alarm::NotEvenRinging(leg));
        Some(leg)
    }

    /// The agent whose phone has this number.
    pub(super) fn agent_at(&self, extension: &str) -> Option<AgentId> {
        self.router.agents().into_iter().find(|row| row.extension == extension).map(|row| row.id)
    }

    /// The call manager was silent or out of order: its next member, then the next agent.
    pub(super) fn agent_unreachable(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        let Some(ringing) = self.calls.get_mut(&no).and_then(|call| call.ringing.take()) else { return };
        let Some(agent) = ringing.agent else { return self.send_to(shell, no, ringing.extension, ringing.tried) };
        let node = shell.plan_of(no);
        let more = plan_of(&node).is_some_and(|plan| {
            plan.group(&plan.agent_group).iter().any(|member| !ringing.tried.contains(&member.peer))
        });
        match more {
            true => self.offer(shell, no, agent, ringing.extension, ringing.tried),
            false => self.agent_refused(shell, no, why),
        }
    }

    pub(super) fn agent_gone(&mut self, shell: &mut Shell, no: CallNo, refused: &Refused) {
        match refused.unreachable {
            true => self.agent_unreachable(shell, no, &refused.why),
            false => match self.calls.get_mut(&no).and_then(|call| call.ringing.take()) {
                Some(Ringing { agent: None, .. }) => self.not_sent(shell, no, &refused.why),
                _ => self.agent_refused(shell, no, &refused.why),
            },
        }
    }

    pub(super) fn agent_refused(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        self.answer_desk(shell, no, &Verb::Answer, Err(why.to_owned()));
        self.show_no_dialog(shell, no);
        shell.decided(no, format!("the agent's phone: {why}"));
        // Said of a call that is not offered it is no error of anybody's.
        self.tell_router(shell, acd::Input::Refused { call: CallId(no.0), why: why.to_owned() });
        self.route(shell);
    }

    /// The agent picked up, and offered: the caller is asked with that offer.
    pub(super) fn agent_answered(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, sdp: Option<Bytes>) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Some(ringing) = call.ringing.take() else { return };
        call.turned_ms = None;
        call.answer_desk(shell, &Verb::Answer, Ok(()));
        let agent = match ringing.agent {
            Some(agent) => {
                self.tell_router(shell, acd::Input::Answered(CallId(no.0)));
                Some(agent)
            }
            None => self.taken_by(shell, no, &ringing.extension),
        };
        let Some(call) = self.calls.get_mut(&no) else { return };
        call.served_by = agent;
        if matches!(call.stage, Stage::Promised) {
            return self.call_back(shell, no, leg, sdp);
        }
        call.leave_exchange(shell);
        let browser = match &call.stage {
            Stage::Moving { browser, .. } => {
                // It has not met the caller yet, and need not.
                shell.end(*browser, "the agent is here");
                None
            }
            stage => stage.browser(),
        };
        call.join(shell, call.caller, leg);
        let mut passage = Passage::fetching(leg, call.caller, Protection::Secure);
        let progress = passage.accepted(shell, leg, sdp);
        call.stage = Stage::Connecting { agent: leg, passage, browser };
        self.show_dialog(shell, no);
        self.route(shell);
        self.progressed(shell, no, progress);
    }

    /// Caller and agent agree: the browser is told, and let go.
    pub(super) fn connected(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let handed = call.handed_over().is_some();
        let Stage::Connecting { agent, passage, browser } = std::mem::replace(&mut call.stage, Stage::Over) else {
            return;
        };
        call.stage = Stage::Talking { agent, passage, hold: None };
        let told = call.queue.as_ref().and_then(|queue| queue.told);
        if let Some(browser) = browser {
            if told == Some(browser) || handed {
                tell(shell, browser, Status(200), true);
            }
            shell.end(browser, "the caller is with an agent");
        }
        if handed {
            self.met(shell, no, agent);
        }
        let Some(call) = self.calls.get_mut(&no) else { return };
        for leg in [call.caller, agent] {
            shell.note(leg, "the caller is with an agent");
        }
        for leg in self.calls.get_mut(&no).map(|call| std::mem::take(&mut call.leaving)).unwrap_or_default() {
            shell.end(leg, "the others talk directly");
        }
        self.show_dialog(shell, no);
        self.keep(shell, no);
    }

    /// The agent's offer came to nothing with the caller, who has agreed to nothing else: there is nobody to go back to,
    /// since the agent's phone was answered.
    fn not_connected(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        if self.not_met(shell, no, why) {
            return;
        }
        shell.decided(no, format!("caller and agent did not agree on media: {why}"));
        self.finish(shell, no, why);
    }

    pub(super) fn progressed(&mut self, shell: &mut Shell, no: CallNo, progress: Progress) {
        match progress {
            Progress::Going => {}
            Progress::Agreed => self.agreed(shell, no),
            Progress::Broken(why) => self.finish(shell, no, &why),
            Progress::Declined { status, why, waiting } => {
                let why = format!("{} {why}", status.0);
                if let Some(leg) = waiting {
                    shell.ack(leg, None);
                }
                match (self.calls.get(&no).map(|call| &call.stage), waiting) {
                    (Some(Stage::Connecting { .. }), _) => self.not_connected(shell, no, &why),
                    (_, None) => self.not_turned(shell, no, &why),
                    (_, Some(_)) => self.finish(shell, no, &why),
                }
            }
        }
    }
}
