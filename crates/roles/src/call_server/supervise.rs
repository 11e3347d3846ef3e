//! Supervisors in agents' calls: they listen, whisper, barge in, or take over. Their phone is called first, then all come
//! together at the media resource ([`super::conference`]), each in their part. Everything is in the audit log, with the
//! call's decisions, and in the records that the passport is made of: nobody listens without a trace.

use std::time::Duration;

use acd::{AgentId, AgentState, CallId};
use bytes::Bytes;
use sdp::Protection;
use sip::{ClientId, Method};

use super::call::{Alarm, Call, Stage};
use super::room::{Joining, Supervision, Who};
use super::{CallServer, plan_of};
use crate::shell::{CallNo, LegNo, Outcome, Outgoing, Passage, Progress, Shell, seats};
use crate::{ControlId, DeskEvent, Journal, Oversight, Reply, Verb};

/// How long the supervisor's phone may ring.
const RINGS: Duration = Duration::from_secs(20);

impl CallServer {
    /// A supervisor wants to be in the call that an agent of theirs has; who is there already, to do something else there.
    ///
    /// # Errors
    /// Why not, in words.
    pub(super) fn supervise(
        &mut self,
        shell: &mut Shell,
        control: ControlId,
        by: &str,
        agent: &str,
        how: Oversight,
    ) -> Result<(), String> {
        self.supervises(shell, by, agent)?;
        let no = self.call_with(agent).ok_or_else(|| format!("agent {agent} has no call that is connected"))?;
        let Some(call) = self.calls.get(&no) else { return Err("the call is over".into()) };
        match &call.supervision {
            Some(there) if there.by.0 == by && matches!(call.stage, Stage::Mixed(_)) => {
                return self.change_part(shell, control, no, how);
            }
            Some(there) => return Err(format!("supervisor {} is in this call already, or is called", there.by.0)),
            None => call.is_talking()?,
        }
        if self.beside(no).is_some() {
            return Err(format!("agent {agent} consults somebody: the caller is held"));
        }
        if call.asked.is_some() || call.joining.is_some() {
            return Err("the agent's phone is still doing what it was asked to: try again".into());
        }
        if how != Oversight::TakeOver {
            self.resource(shell)?;
        }
        let row = self.router.agent_row(&AgentId(by.to_owned())).ok_or_else(|| format!("there is no agent {by}"))?;
        if !matches!(row.state, AgentState::Ready { .. } | AgentState::NotReady { .. }) {
            return Err(format!("supervisor {by} is {}: ready or not ready is expected", row.state.doing().word()));
        }
        let peer = self.manager(shell).ok_or("no call manager is configured")?;
        let (calling, max_forwards) = self.watched_number(shell, no);
        let leg = shell.call(Outgoing {
            call: no,
            peer: peer.name.clone(),
            hop: Shell::hop_to(&peer),
            uri: peer.uri(Some(&row.extension)),
            calling,
            called: row.extension,
            mate: None,
            dial_peer: None,
            max_forwards,
            headers: super::outgoing::at_once(),
            sdp: None,
            dangerous: Vec::new(),
        });
        let began_ms = call::ms(shell.now());
        if let Some(call) = self.calls.get_mut(&no) {
            let (by, control) = (AgentId(by.to_owned()), Some(control));
            call.supervision = Some(Supervision { by, how, leg, began_ms, control, change: None });
            call.joining = Some(Box::new(Joining { consultation: None, seats: Vec::new(), taking_over: None }));
        }
        self.timers.set(shell.now().mono + RINGS, Alarm::Unanswered(no, leg));
        // In no other call meanwhile; known by the leg's number, which is no call's.
        self.tell_router(shell, acd::Input::Outgoing { call: CallId(leg.0), agent: AgentId(by.to_owned()) });
        self.write_down(shell, no, by, agent, how);
        self.show_dialog(shell, no);
        Ok(())
    }

    /// # Errors
    /// This is no supervisor of the agent's team.
    fn supervises(&self, shell: &Shell, by: &str, agent: &str) -> Result<(), String> {
        if by == agent {
            return Err("nobody supervises their own calls".into());
        }
        let node = shell.plan().clone();
        let acd = &plan_of(&node).ok_or("no call server")?.acd;
        let found = acd.agents.iter().find(|known| known.id.0 == agent);
        let team = found.ok_or_else(|| format!("there is no agent {agent}"))?.team.as_ref();
        let team = team.and_then(|team| acd.teams.iter().find(|known| known.name == *team));
        match team.is_some_and(|team| team.supervisors.iter().any(|known| known.0 == by)) {
            true => Ok(()),
            false => Err(format!("{by} supervises no team of agent {agent}")),
        }
    }

    /// The agent's call that is connected: of two the one that is not held.
    fn call_with(&self, agent: &str) -> Option<CallNo> {
        let theirs = self.calls.iter().filter(|(_, call)| {
            let connected = matches!(call.stage, Stage::Talking { .. } | Stage::Mixed(_));
            connected && call.ringing.is_none() && call.served_by.as_ref().is_some_and(|by| by.0 == agent)
        });
        theirs.min_by_key(|(_, call)| call.is_held()).map(|(no, _)| *no)
    }

    /// Whom the supervisor's phone shows as calling: the agent.
    fn watched_number(&self, shell: &Shell, no: CallNo) -> (String, u8) {
        let Some(call) = self.calls.get(&no) else { return (String::new(), 70) };
        let leg = match &call.stage {
            Stage::Talking { agent, .. } => Some(*agent),
            _ => None,
        };
        (leg.map(|leg| shell.numbers(leg).1).unwrap_or_default(), call.max_forwards)
    }

    /// In the audit log and with the call's decisions: before anything comes of it.
    fn write_down(&self, shell: &mut Shell, no: CallNo, by: &str, agent: &str, how: Oversight) {
        let wants = match how {
            Oversight::Listen => "listen to",
            Oversight::Whisper => "whisper to",
            Oversight::Barge => "barge in on",
            Oversight::TakeOver => "take over from",
        };
        let what = format!("supervisor {by} wants to {wants} agent {agent}");
        shell.decided(no, what.as_str());
        let caller = shell.book().call(no).map(|entry| entry.caller.0.clone()).unwrap_or_default();
        shell.journal(Journal::Audit { who: by.to_owned(), what: format!("{what}, call of {caller}") });
    }

    /// The supervisor's phone is there, with an offer.
    pub(super) fn supervisor_answered(
        &mut self,
        shell: &mut Shell,
        no: CallNo,
        leg: LegNo,
        sdp: Option<Bytes>,
    ) -> bool {
        let Some(call) = self.calls.get(&no) else { return false };
        let on_the_way = call.joining.as_ref().is_some_and(|joining| joining.seats.is_empty());
        let Some(by) = call.supervision.as_ref().filter(|by| by.leg == leg && on_the_way) else { return false };
        let (how, caller) = (by.how, call.caller);
        if let Err(why) = self.begin_joining(shell, no, leg, (how, caller), sdp) {
            shell.ack(leg, None);
            self.abandon(shell, no, &why);
        }
        true
    }

    fn begin_joining(
        &mut self,
        shell: &mut Shell,
        no: CallNo,
        leg: LegNo,
        (how, caller): (Oversight, LegNo),
        sdp: Option<Bytes>,
    ) -> Result<(), String> {
        let offer = sdp.ok_or("the supervisor's phone answered without an offer")?;
        shell.inspect(leg, Protection::Secure, &offer).map_err(|reject| reject.to_string())?;
        let call = self.calls.get_mut(&no).ok_or("the call is over")?;
        call.is_talking()?;
        let agent = match &call.stage {
            Stage::Talking { agent, .. } => *agent,
            _ => return Err("the agent does not talk to a caller".into()),
        };
        if how == Oversight::TakeOver {
            let mut passage = Passage::fetching(leg, caller, Protection::Secure);
            let progress = passage.accepted(shell, leg, Some(offer));
            if let Some(joining) = &mut call.joining {
                joining.taking_over = Some(passage);
            }
            // The caller is on the way to the supervisor: whoever starts again knows where to bring them back from.
            self.keep(shell, no);
            self.taking_over_progressed(shell, no, progress);
            return Ok(());
        }
        let peer = self.resource(shell)?;
        let room = shell.mint_uuid().0;
        let parties = [(Who::Supervisor, leg), (Who::Caller, caller), (Who::Agent, agent)];
        let offer_of = |who| Some(offer.clone()).filter(|_| who == Who::Supervisor);
        let seats = parties.map(|party| self.seat(shell, no, (&peer, &room), party, offer_of(party.0)));
        if let Some(joining) = self.calls.get_mut(&no).and_then(|call| call.joining.as_mut()) {
            joining.seats = seats.into_iter().flatten().collect();
        }
        Ok(())
    }

    /// How caller and supervisor agree, while the agent is still with the caller.
    pub(super) fn taking_over_progressed(&mut self, shell: &mut Shell, no: CallNo, progress: Progress) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        match progress {
            Progress::Going => {}
            Progress::Agreed => {
                let passage = call.joining.take().and_then(|joining| joining.taking_over);
                let (Some(passage), Some(leg)) = (passage, call.supervision.as_ref().map(|by| by.leg)) else { return };
                let caller = call.caller;
                call.join(shell, caller, leg);
                if let Stage::Talking { agent, .. } =
                    std::mem::replace(&mut call.stage, Stage::Talking { agent: leg, passage, hold: None })
                {
                    shell.end(agent, "the supervisor has taken the call over");
                }
                self.has_taken_over(shell, no);
                self.show_dialog(shell, no);
                self.keep(shell, no);
            }
            Progress::Broken(why) => self.finish(shell, no, &why),
            // The caller is with the agent as before.
            Progress::Declined { status, why, waiting } => {
                waiting.into_iter().for_each(|leg| shell.ack(leg, None));
                self.abandon(shell, no, &format!("{} {why}", status.0));
            }
        }
    }

    /// The call is the supervisor's now.
    pub(super) fn has_taken_over(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        // Also where the agent hung up while the supervisor was still coming in.
        call.answer_supervisor(shell, Ok(()));
        let Some(by) = call.supervision.take() else { return };
        let words = format!("supervisor {} {}", by.by.0, Oversight::TakeOver.words());
        shell.took_part(by.leg, &words);
        shell.decided(no, words);
        self.no_supervisor(shell, &by);
        self.handed_to(shell, no, Some(by.by));
    }

    /// Who listens, whispers or has barged in is written into every leg of the call, before anything can be heard.
    pub(super) fn record_parts(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(Call { stage: Stage::Mixed(room), supervision: Some(by), .. }) = self.calls.get(&no) else { return };
        let words = format!("supervisor {} {}", by.by.0, by.how.words());
        for seat in &room.seats {
            match seat.who {
                Who::Supervisor => shell.took_part(seat.leg, &words),
                _ => shell.note(seat.leg, words.as_str()),
            }
        }
        shell.decided(no, words);
    }

    /// Who is in the call already does something else there.
    fn change_part(&mut self, shell: &mut Shell, control: ControlId, no: CallNo, how: Oversight) -> Result<(), String> {
        let call = self.calls.get(&no).ok_or("the call is over")?;
        let Stage::Mixed(room) = &call.stage else { return Err("the call is in no conference".into()) };
        let seat = room.of(Who::Supervisor).ok_or("no supervisor is in this call")?;
        let (place, assembled) = (seat.place, room.assembled);
        let Some(by) = &call.supervision else { return Err("no supervisor is in this call".into()) };
        if !assembled || by.change.is_some() || by.control.is_some() {
            return Err("the supervisor is on the way into the call: try again".into());
        }
        let (id, agent) = (by.by.0.clone(), call.served_by.clone().map(|agent| agent.0).unwrap_or_default());
        self.write_down(shell, no, &id, &agent, how);
        if how == Oversight::TakeOver {
            self.pair(shell, no, Who::Caller, Who::Supervisor, "the supervisor has taken the call over");
            shell.reply(control, Reply::Done);
            return Ok(());
        }
        // So that it is never heard first and written down afterwards.
        let request = shell.request(place, Method::Info, Vec::new(), Some(seats::body(&how.part())));
        let request = request.ok_or("the supervisor's place in the conference is gone")?;
        if let Some(by) = self.calls.get_mut(&no).and_then(|call| call.supervision.as_mut()) {
            by.control = Some(control);
            by.change = Some((request, how));
        }
        Ok(())
    }

    /// The media resource's answer to another part. True: it was that.
    pub(super) fn part_changed(&mut self, shell: &mut Shell, no: CallNo, client: ClientId, outcome: &Outcome) -> bool {
        let Some(call) = self.calls.get_mut(&no) else { return false };
        let Some(by) = call.supervision.as_mut() else { return false };
        let Some((_, how)) = by.change.take_if(|(request, _)| *request == client) else { return false };
        let status = outcome.status();
        match status.is_success() {
            true => {
                by.how = how;
                call.answer_supervisor(shell, Ok(()));
                self.record_parts(shell, no);
                self.show_dialog(shell, no);
                self.keep(shell, no);
            }
            false => {
                let why = format!("the media resource: {} {}", status.0, status.reason());
                call.answer_supervisor(shell, Err(why));
            }
        }
        true
    }

    /// Nobody comes into the call after all; those who talk go on as they did.
    pub(super) fn abandon(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Some(joining) = call.joining.take() else { return };
        for seat in &joining.seats {
            if seat.offer.is_some() {
                shell.ack(seat.place, None);
            }
            shell.end(seat.place, why);
        }
        let half_way = joining.taking_over.is_some_and(|passage| passage.awaits(call.caller));
        if half_way {
            call.stale.push(call.caller);
        }
        match joining.consultation {
            Some(_) => call.answer_desk(shell, &Verb::Confer, Err(why.to_owned())),
            None => {
                shell.decided(no, format!("the supervisor is not in the call: {why}"));
                call.answer_supervisor(shell, Err(why.to_owned()));
                self.unsupervise(shell, no);
            }
        }
        if half_way {
            self.meet_again(shell, no);
        }
        self.show_dialog(shell, no);
    }

    /// Whatever the caller has agreed to with a supervisor who is not there after all: caller and agent describe themselves
    /// to each other anew.
    pub(super) fn meet_again(&mut self, shell: &mut Shell, no: CallNo) {
        if let Some(Call { stage: Stage::Talking { agent, passage, .. }, .. }) = self.calls.get_mut(&no) {
            passage.fetch(shell, *agent);
        }
        self.keep(shell, no);
    }

    /// The supervisor is out of it.
    pub(super) fn unsupervise(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        call.answer_supervisor(shell, Err("the supervisor is out of the call".into()));
        let Some(by) = call.supervision.take() else { return };
        shell.end(by.leg, "the supervisor is out of the call");
        self.no_supervisor(shell, &by);
    }

    fn no_supervisor(&mut self, shell: &mut Shell, by: &Supervision) {
        if shell.is_watched() {
            shell.journal(Journal::Desk(Box::new(DeskEvent::DialogOver { call: by.leg.0 })));
        }
        self.tell_router(shell, acd::Input::Gone(CallId(by.leg.0)));
        self.route(shell);
    }

    /// A supervisor's own part of a call, by the number of its leg.
    pub(super) fn supervised_by_leg(&self, number: u64) -> Option<(CallNo, &Supervision)> {
        self.calls
            .iter()
            .find_map(|(no, call)| call.supervision.as_ref().filter(|by| by.leg.0 == number).map(|by| (*no, by)))
    }

    /// The supervisor hangs up at the desk.
    pub(super) fn leave_supervision(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo) {
        let why = "the supervisor hung up at the desk";
        shell.end(leg, why);
        self.seat_gone(shell, no, leg, why);
    }
}

impl Call {
    /// A supervisor's phone has picked up to have the caller, who is asked to agree.
    pub(super) fn is_taken_over(&self) -> bool {
        self.joining.as_ref().is_some_and(|joining| joining.taking_over.is_some())
    }

    /// Whoever waits to hear whether the supervisor is in.
    pub(super) fn answer_supervisor(&mut self, shell: &mut Shell, outcome: Result<(), String>) {
        if let Some(control) = self.supervision.as_mut().and_then(|by| by.control.take()) {
            shell.reply(control, outcome.map_or_else(Reply::Sorry, |()| Reply::Done));
        }
    }
}
