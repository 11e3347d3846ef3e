//! The agent's side of a call: queue, offer, ringing, and the change of party (RFC 3725 flow I, with a fresh offer).

use acd::{AgentId, CallId};
use bytes::Bytes;
use sdp::Protection;
use sip::{Body, Method, Name, Request, ServerId, Status};

use super::call::{Alarm, Call, Queued, Ringing, Stage};
use super::called_back::Promise;
use super::{CallServer, plan_of, routing};
use crate::shell::{CallNo, LegNo, Outgoing, Passage, Progress, Refused, Shell};
use crate::{Persist, Verb};

impl CallServer {
    /// REFER of a browser (RFC 5552 blind transfer): the caller joins the queue that it names.
    pub(super) fn referred(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, server: ServerId, request: &Request) {
        let target = request.header(&Name::ReferTo).and_then(|value| sip::NameAddr::parse(value).ok());
        let attached = target.as_ref().and_then(|to| to.uri.param("aai")).flatten().and_then(user_to_user);
        let call_back = target.as_ref().is_some_and(|to| to.uri.param("call-back").is_some());
        let Some(queue) = target.and_then(|to| to.uri.user) else {
            return shell.answer(leg, server, Status(400), Vec::new(), None);
        };
        let Some(call) = self.calls.get_mut(&no) else { return };
        if call.queue.is_some() || !matches!(call.stage, Stage::Served { .. }) {
            return shell.answer(leg, server, Status(603), Vec::new(), None);
        }
        shell.answer(leg, server, Status(202), Vec::new(), None);
        tell(shell, leg, Status(100), false);
        if call_back {
            match self.promise(shell, no, &queue) {
                Promise::Made => tell(shell, leg, Status(200), true),
                Promise::Refused => tell(shell, leg, Status(404), true),
                Promise::NoNeed => {
                    let since_ms = call::ms(shell.now());
                    if let Some(call) = self.calls.get_mut(&no) {
                        call.queue = Some(Queued { name: queue, attached, told: Some(leg), since_ms });
                    }
                    tell(shell, leg, Status(182), false);
                    self.keep(shell, no);
                }
            }
            return self.route(shell);
        }
        let since_ms = call::ms(shell.now());
        call.queue = Some(Queued { name: queue.clone(), attached, told: Some(leg), since_ms });
        shell.decided(no, format!("the voice browser refers the caller to queue {queue}"));
        match self.told(shell, self.arrival(no, &queue)) {
            Ok(()) => tell(shell, leg, Status(182), false),
            Err(why) => self.unqueued(shell, no, &why),
        }
        self.keep(shell, no);
        self.route(shell);
    }

    /// There is no such queue: the browser is told, and still has the caller.
    fn unqueued(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        shell.decided(no, format!("not queued: {why}"));
        if matches!(self.calls.get(&no), Some(Call { stage: Stage::Promised, .. })) {
            return self.finish(shell, no, why);
        }
        let queue = self.calls.get_mut(&no).and_then(|call| call.queue.take());
        match queue.and_then(|queue| queue.told) {
            Some(leg) => tell(shell, leg, Status(404), true),
            // Nobody sent them here who could go on with them: music for ever would be no answer.
            None => self.finish(shell, no, why),
        }
    }

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
    fn offer(
        &mut self,
        shell: &mut Shell,
        no: CallNo,
        agent: AgentId,
        extension: String,
        mut tried: Vec<std::sync::Arc<str>>,
    ) {
        let node = shell.plan_of(no);
        let dice = shell.random();
        let member =
            plan_of(&node).and_then(|plan| plan.member(&plan.agent_group, &tried, |peer| shell.is_up(peer), dice));
        let peer = member.and_then(|name| node.peers.iter().find(|peer| peer.name == name));
        let (Some(peer), Some(call)) = (peer, self.calls.get_mut(&no)) else {
            return self.agent_refused(shell, no, "no call manager answers");
        };
        tried.push(peer.name.clone());
        let attached = call.queue.as_ref().and_then(|queue| queue.attached.clone());
        let leg = shell.call(Outgoing {
            call: no,
            peer: peer.name.clone(),
            hop: Shell::hop_to(peer),
            uri: peer.uri(Some(&extension)),
            calling: call.calling.clone(),
            called: extension.clone(),
            mate: Some(call.caller).filter(|_| !call.is_ours),
            dial_peer: None,
            max_forwards: call.max_forwards,
            headers: attached.map(|data| (Name::UserToUser, data)).into_iter().collect(),
            sdp: None,
            dangerous: Vec::new(),
        });
        call.ringing = Some(Ringing { leg, agent: Some(agent), extension, tried });
        self.show_dialog(shell, no);
        self.timers.set(shell.now().mono + std::time::Duration::from_secs(3), Alarm::NotEvenRinging(leg));
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
        let Stage::Connecting { agent, passage, browser } = std::mem::replace(&mut call.stage, Stage::Over) else {
            return;
        };
        call.stage = Stage::Talking { agent, passage, hold: None };
        let told = call.queue.as_ref().and_then(|queue| queue.told);
        if let Some(browser) = browser {
            if told == Some(browser) {
                tell(shell, browser, Status(200), true);
            }
            shell.end(browser, "the caller is with an agent");
        }
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

/// NOTIFY with the state of a REFER (RFC 3515 §2.4.5).
pub(super) fn tell(shell: &mut Shell, leg: LegNo, status: Status, last: bool) {
    let state = if last { "terminated;reason=noresource" } else { "active;expires=3600" };
    let headers = vec![(Name::Event, "refer".into()), (Name::SubscriptionState, state.into())];
    shell.request(leg, Method::Notify, headers, Some(Body::sipfrag(status)));
}

/// The most octets that User-to-User carries (RFC 7434 §4).
const MOST_ATTACHED: usize = 128;

/// Application data as equipment reads it: a protocol discriminator (RFC 7434 §5: 04, IA5 characters; 00, the user's own),
/// then the octets.
fn user_to_user(data: &str) -> Option<String> {
    if data.len() > MOST_ATTACHED {
        tracing::warn!(
            octets = data.len(),
            "an application attaches too much: at most {MOST_ATTACHED} octets go to the agent"
        );
        return None;
    }
    let discriminator = if data.is_ascii() { "04" } else { "00" };
    Some(format!("{discriminator}{};encoding=hex", trust::hex(data.as_bytes())))
}
