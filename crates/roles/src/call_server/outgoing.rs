//! Calls that agents make, and consultations: the agent's phone is called first, without an offer, then the destination
//! with what the phone offers; its answer goes back in the ACK (RFC 3725 flow I, which bounds how long it may ring: the
//! phone's 200 is repeated for 32 s at most).

use std::time::Duration;

use acd::{AgentId, AgentState, CallId};
use bytes::Bytes;
use sdp::Protection;
use sip::Name;

use super::call::{Alarm, Asked, Call, HoldStep, Made, Ringing, Stage};
use super::{CallServer, plan_of};
use crate::plan::Kind;
use crate::shell::{CallNo, LegNo, Outgoing, Passage, Shell};
use crate::{ControlId, PeerPlan, Persist};

/// How long the agent's own phone may ring.
const PICK_UP: Duration = Duration::from_secs(20);
/// How long the destination may.
pub(super) const RINGS: Duration = Duration::from_secs(25);
/// Digits and letters: it stands in four places of a message.
const LONGEST_NUMBER: usize = 64;
/// Phones that can are to pick up by themselves: two spellings of the field.
const AT_ONCE: [(Name, &str); 2] = [
    (Name::CallInfo, "<sip:call-server.invalid>;answer-after=0"),
    (Name::AlertInfo, "<http://call-server.invalid>;info=alert-autoanswer;delay=0"),
];

pub(super) fn at_once() -> sip::Headers {
    AT_ONCE.map(|(name, value)| (name, value.to_owned())).to_vec()
}

/// Whether this can be called; why not, in words.
pub(super) fn check_number(number: &str) -> Result<(), String> {
    let fits = (1..=LONGEST_NUMBER).contains(&number.len());
    match fits && number.bytes().all(|b| b.is_ascii_alphanumeric() || b"*#+-_.".contains(&b)) {
        true => Ok(()),
        false => Err(format!("a number is of 1 to {LONGEST_NUMBER} digits, letters and * # + - _ .")),
    }
}

impl CallServer {
    /// Calls the agent's phone; the desk is answered when the destination has answered, or nobody will.
    pub(super) fn make_call(
        &mut self,
        shell: &mut Shell,
        control: ControlId,
        agent: &str,
        to: &str,
        consults: Option<CallNo>,
    ) -> Result<(), String> {
        check_number(to)?;
        let id = AgentId(agent.to_owned());
        let row = self.router.agent_row(&id).ok_or_else(|| format!("there is no agent {agent}"))?;
        if row.extension == to {
            return Err("this is the agent's own phone".into());
        }
        let free = matches!(row.state, AgentState::Ready { .. } | AgentState::NotReady { .. });
        if consults.is_none() && !free {
            return Err(format!("agent {agent} is {}", row.state.doing().word()));
        }
        let node = shell.plan().clone();
        let Kind::CallServer(plan) = &node.kind else { return Err("no call server".into()) };
        let peer = self.manager(shell).ok_or("no call manager is configured")?;
        let (group, application) =
            plan.music.clone().ok_or("no dialled_number, so no voice browser for whom the agent holds")?;
        let caller = shell.mint_uuid();
        let no = shell.open_own(caller);
        let leg = shell.call(Outgoing {
            call: no,
            peer: peer.name.clone(),
            hop: Shell::hop_to(&peer),
            uri: peer.uri(Some(&row.extension)),
            calling: to.to_owned(),
            called: row.extension.clone(),
            mate: None,
            dial_peer: None,
            max_forwards: 70,
            headers: at_once(),
            sdp: None,
            dangerous: Vec::new(),
        });
        let call = Call {
            calling: row.extension,
            dialled: to.to_owned(),
            stage: Stage::Dialling { agent: leg, passage: None },
            served_by: Some(id.clone()),
            asked: Some(Asked { control, verb: None, with: String::new(), request: None }),
            made: Some(Made { consults }),
            is_ours: true,
            ..Call::new(leg, group, application)
        };
        self.calls.insert(no, call);
        if let Some(held) = consults.and_then(|held| self.calls.get_mut(&held)) {
            held.consultation = Some(no);
        }
        if consults.is_none() {
            self.tell_router(shell, acd::Input::Outgoing { call: CallId(no.0), agent: id });
        }
        shell.decided(no, format!("agent {agent} calls"));
        self.timers.set(shell.now().mono + PICK_UP, Alarm::Unanswered(no, leg));
        self.show_dialog(shell, no);
        self.route(shell);
        Ok(())
    }

    /// Where agents' phones are.
    pub(super) fn manager(&self, shell: &mut Shell) -> Option<PeerPlan> {
        let (node, dice) = (shell.plan().clone(), shell.random());
        let plan = plan_of(&node)?;
        let member = plan.member(&plan.agent_group, &[], |peer| shell.is_up(peer), dice)?;
        node.peers.iter().find(|peer| peer.name == member).cloned()
    }

    /// The agent's phone is there, with an offer: the destination is called with it.
    pub(super) fn phone_picked_up(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, sdp: Option<Bytes>) {
        let inspected = match &sdp {
            Some(sdp) => shell.inspect(leg, Protection::Secure, sdp).map_err(|reject| reject.to_string()),
            None => Err("the phone answered without an offer".into()),
        };
        let Some(Call { dialled, calling, .. }) = self.calls.get(&no) else { return };
        let way = |()| {
            let way = self.next_towards(shell, no, (dialled, calling.clone()), &[]);
            way.ok_or_else(|| "no call manager or border controller is left to call by".to_owned())
        };
        let (peer, shown) = match inspected.and_then(way) {
            Ok(way) => way,
            Err(why) => {
                shell.ack(leg, None);
                return self.finish(shell, no, &why);
            }
        };
        let Some(call) = self.calls.get_mut(&no) else { return };
        let callee = shell.call(Outgoing {
            call: no,
            peer: peer.name.clone(),
            hop: Shell::hop_to(&peer),
            uri: peer.uri(Some(&call.dialled)),
            calling: shown,
            called: call.dialled.clone(),
            mate: None,
            dial_peer: None,
            max_forwards: call.max_forwards,
            headers: Vec::new(),
            sdp,
            dangerous: Vec::new(),
        });
        call.caller = callee;
        let passage = Some(Passage::offering(leg, callee, Protection::Secure));
        call.stage = Stage::Dialling { agent: leg, passage };
        self.timers.set(shell.now().mono + RINGS, Alarm::Unanswered(no, callee));
        self.show_dialog(shell, no);
    }

    /// Agent and destination agree.
    pub(super) fn reached(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let (agent, passage) = match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Dialling { agent, passage: Some(passage) } => (agent, passage),
            other => return call.stage = other,
        };
        call.stage = Stage::Talking { agent, passage, hold: None };
        for leg in [call.caller, agent] {
            shell.note(leg, "the agent called, and was answered");
        }
        call.answer_call(shell);
        self.show_dialog(shell, no);
        self.keep(shell, no);
    }

    pub(super) fn unanswered(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo) {
        if self.far_unanswered(shell, no, leg) {
            return;
        }
        if !shell.is_answered(leg) && self.joiner_refused(shell, no, leg, "it did not answer in time") {
            return;
        }
        let sent_on = |ringing: &mut Ringing| ringing.leg == leg && ringing.agent.is_none();
        if self.calls.get_mut(&no).and_then(|call| call.ringing.take_if(sent_on)).is_some() {
            let why = "it did not answer in time";
            shell.end(leg, why);
            return self.not_sent(shell, no, why);
        }
        let Some(Call { stage: Stage::Dialling { agent, .. }, .. }) = self.calls.get(&no) else { return };
        if !shell.is_answered(leg) {
            let who = if *agent == leg { "the agent's own phone" } else { "the destination" };
            self.finish(shell, no, &format!("{who} did not answer in time"));
        }
    }

    /// The consultation that was begun over this held call, if it is under way.
    pub(super) fn consultation_of(&self, no: CallNo) -> Option<CallNo> {
        let other = self.calls.get(&no)?.consultation?;
        let call = self.calls.get(&other)?;
        let consults = call.made.as_ref().is_some_and(|made| made.consults == Some(no));
        Some(other).filter(|_| consults && !matches!(call.stage, Stage::Over))
    }

    /// The held call ends: whoever consults goes on with the consultation alone.
    pub(super) fn consult_alone(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(other) = self.consultation_of(no) else { return };
        let Some(call) = self.calls.get_mut(&other) else { return };
        call.made = Some(Made { consults: None });
        let agent = call.served_by.clone();
        if let Some(agent) = agent {
            self.tell_router(shell, acd::Input::Outgoing { call: CallId(other.0), agent });
        }
        self.show_dialog(shell, other);
    }

    /// The held caller and whom the agent consulted are brought together (RFC 3725 flow I), and the agent is out of it.
    pub(super) fn complete(&mut self, shell: &mut Shell, no: CallNo) -> Result<(), String> {
        let other = self.consultation_of(no).ok_or("there is no consultation of this call")?;
        let (aside, callee) = self.consulting(other)?;
        let to = self.calls.get(&other).map(|consultation| consultation.dialled.clone()).unwrap_or_default();
        let call = self.calls.get_mut(&no).ok_or("the call is over")?;
        let agent = match &call.stage {
            Stage::Talking { agent, hold: Some(hold), .. } if hold.step == HoldStep::Held => *agent,
            _ => return Err("the caller is not held".into()),
        };
        call.stop_music(shell, "the caller is sent on");
        self.set_stage(other, Stage::Over);
        shell.move_leg(callee, no);
        let now_with = self.agent_at(&to);
        let Some(call) = self.calls.get_mut(&no) else { return Err("the call is over".into()) };
        (call.served_by, call.turned_ms, call.made) = (now_with.clone(), None, None);
        match (call.is_ours, shell.book().call(no).map(|entry| entry.caller.clone())) {
            (true, Some(ours)) => shell.is_party(callee, ours),
            _ => shell.join(call.caller, callee),
        }
        let passage = Passage::fetching(callee, call.caller, Protection::Secure);
        call.stage = Stage::Connecting { agent: callee, passage, browser: None };
        shell.reinvite(callee, None);
        shell.decided(no, "the agent has brought the caller together with whom they consulted");
        self.show_no_dialog(shell, no);
        for leg in [agent, aside] {
            shell.end(leg, "the agent has sent the caller on");
        }
        self.show_no_dialog(shell, other);
        // The leg is written down once: a call server that starts again now takes it on in one call.
        shell.persist(Persist::forget(other.0));
        self.tell_router(shell, acd::Input::Gone(CallId(no.0)));
        if let Some(agent) = now_with {
            self.tell_router(shell, acd::Input::Outgoing { call: CallId(no.0), agent });
        }
        self.keep(shell, no);
        Ok(())
    }
}
