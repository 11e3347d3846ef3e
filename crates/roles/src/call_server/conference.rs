//! Conferences: a call moves into the media resource without a pause, and out of it again when two are left.
//!
//! First everybody's place is called, without an offer, and nobody who talks is touched. When all have offered, all parties
//! are re-INVITEd at once (RFC 3725 flow I for each): what they hear is interrupted for about one round trip. Where anything
//! is refused before that, nothing has changed; where something is after it, the two who talked talk directly again.

use std::time::Duration;

use bytes::Bytes;
use sdp::Protection;
use sip::Status;

use acd::CallId;

use super::call::{Alarm, Call, HoldStep, SILENCE, Stage};
use super::room::{Joining, Room, Seat, Who};
use super::{CallServer, plan_of};
use crate::shell::{CallNo, LegNo, Outgoing, Passage, Progress, Shell, from_side, seats};
use crate::{Oversight, PeerPlan, Persist, Verb};

/// And one that only rings: nobody's call waits longer for it.
const SEATED: Duration = Duration::from_secs(8);

impl CallServer {
    /// The media resource whose turn it is.
    ///
    /// # Errors
    /// The site has none, in words.
    pub(super) fn resource(&self, shell: &mut Shell) -> Result<PeerPlan, String> {
        let (node, dice) = (shell.plan().clone(), shell.random());
        let plan = plan_of(&node).ok_or("no call server")?;
        let group = plan.conference_group.as_ref().ok_or(
            "this site has no media resource for conferences: name one in conference_group of the call server",
        )?;
        let member = plan.member(group, &[], |peer| shell.is_up(peer), dice);
        let peer = member.and_then(|name| node.peers.iter().find(|peer| peer.name == name).cloned());
        peer.ok_or_else(|| format!("group {group} has no member"))
    }

    /// Whether the site has conferences.
    pub(super) fn confers(&self, shell: &Shell) -> bool {
        plan_of(shell.plan()).is_some_and(|plan| plan.conference_group.is_some())
    }

    /// INVITE to the media resource for one party: with what it offers, or for an offer to it.
    pub(super) fn seat(
        &mut self,
        shell: &mut Shell,
        no: CallNo,
        (peer, room): (&PeerPlan, &str),
        (who, leg): (Who, LegNo),
        offer: Option<Bytes>,
    ) -> Option<Seat> {
        let call = self.calls.get(&no)?;
        let how = call.supervision.as_ref().filter(|_| who == Who::Supervisor).map_or(Oversight::Barge, |by| by.how);
        let seat = seats::Seat { name: who.seat().to_owned(), part: how.part() };
        let offered = offer.is_some();
        let place = shell.call(Outgoing {
            call: no,
            peer: peer.name.clone(),
            hop: Shell::hop_to(peer),
            uri: seat.at(peer.uri(Some(&format!("conf={room}")))),
            calling: call.calling.clone(),
            called: "conference".into(),
            // Filed under the caller, whoever sits there.
            mate: None,
            dial_peer: None,
            max_forwards: call.max_forwards,
            headers: Vec::new(),
            sdp: offer,
            dangerous: Vec::new(),
        });
        let now = shell.now().mono;
        self.timers.set(now + SILENCE, Alarm::NotEvenRinging(place));
        self.timers.set(now + SEATED, Alarm::Unanswered(no, place));
        let passage = match offered {
            true => Passage::offering(leg, place, Protection::Secure),
            false => Passage::fetching(place, leg, Protection::Secure),
        };
        Some(Seat { who, leg, place, passage, offer: None, probe: None })
    }

    /// Caller, agent and whom the agent consulted are to come together.
    ///
    /// # Errors
    /// Why they cannot, in words.
    pub(super) fn confer(&mut self, shell: &mut Shell, no: CallNo) -> Result<(), String> {
        let other = self.consultation_of(no).ok_or("there is no consultation of this call")?;
        let (aside, consulted) = self.consulting(other)?;
        let peer = self.resource(shell)?;
        let room = shell.mint_uuid().0;
        let call = self.calls.get(&no).ok_or("the call is over")?;
        let parties = [(Who::Caller, call.caller), (Who::Agent, aside), (Who::Consulted, consulted)];
        let seats = parties.into_iter().filter_map(|party| self.seat(shell, no, (&peer, &room), party, None)).collect();
        if let Some(call) = self.calls.get_mut(&no) {
            call.joining = Some(Box::new(Joining { consultation: Some(other), seats, taking_over: None }));
        }
        Ok(())
    }

    /// The agent's leg of a consultation that is up, and whom they consult.
    pub(super) fn consulting(&self, other: CallNo) -> Result<(LegNo, LegNo), String> {
        let consultation = self.calls.get(&other).ok_or("the consultation is over")?;
        match &consultation.stage {
            Stage::Talking { agent, passage, hold: None } if passage.is_idle() => Ok((*agent, consultation.caller)),
            Stage::Talking { hold: Some(_), .. } => Err("the consultation is held: take it back first".into()),
            _ => Err("the consultation is not connected yet".into()),
        }
    }

    /// A 2xx of the media resource for somebody who is on the way. False: it was not that.
    pub(super) fn place_answered(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, sdp: Option<Bytes>) -> bool {
        let joining = self.calls.get_mut(&no).and_then(|call| call.joining.as_mut());
        let Some(seat) = joining.and_then(|joining| joining.seats.iter_mut().find(|seat| seat.place == leg)) else {
            return false;
        };
        let why = match (seat.who, sdp) {
            (Who::Supervisor, sdp) => match seat.passage.accepted(shell, leg, sdp) {
                Progress::Going | Progress::Agreed => None,
                Progress::Broken(why) | Progress::Declined { why, .. } => Some(why),
            },
            (_, Some(offer)) => {
                seat.offer = Some(offer);
                None
            }
            (_, None) => {
                shell.ack(leg, None);
                Some("the media resource answered without an offer".into())
            }
        };
        match why {
            Some(why) => self.abandon(shell, no, &why),
            None => self.move_in(shell, no),
        }
        true
    }

    /// All places are there: everybody goes to theirs.
    fn move_in(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(call) = self.calls.get(&no) else { return };
        let Some(joining) = call.joining.as_deref().filter(|joining| joining.seats.iter().all(Seat::is_prepared))
        else {
            return;
        };
        let ready = match joining.consultation {
            Some(other) => self.consulting(other).and_then(|_| call.held_by()).map(Some),
            None => call.is_talking().map(|()| None),
        };
        let (held, consultation) = match ready {
            Ok(held) => (held, joining.consultation),
            Err(why) => return self.abandon(shell, no, &why),
        };
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Some(joining) = call.joining.take() else { return };
        call.stop_music(shell, "the caller comes into a conference");
        let caller = call.caller;
        if call.stage.passage().is_some_and(|passage| passage.awaits(caller)) {
            // A refresh of the held caller, to whom no browser plays.
            call.stale.push(caller);
        }
        let mut seats = joining.seats;
        let offers: Vec<_> =
            seats.iter_mut().filter_map(|seat| Some((seat.place, seat.leg, seat.offer.take()?))).collect();
        call.stage = Stage::Mixed(Box::new(Room { seats, assembled: false }));
        if let (Some(held), Some(other)) = (held, consultation) {
            self.merge(shell, no, other);
            // The agent speaks by the line on which they consulted.
            shell.end(held, "the agent is in a conference with the caller");
        }
        self.record_parts(shell, no);
        for (place, leg, offer) in offers {
            self.step(shell, no, leg, |passage, shell| passage.accepted(shell, place, Some(offer)));
        }
        self.keep(shell, no);
    }

    /// The legs of the consultation go on in the held caller's call.
    fn merge(&mut self, shell: &mut Shell, no: CallNo, other: CallNo) {
        let Some(Call { stage: Stage::Mixed(room), .. }) = self.calls.get(&no) else { return };
        let caller = shell.book().call(no).map(|entry| entry.caller.clone());
        let legs: Vec<LegNo> = room.seats.iter().filter(|seat| seat.who != Who::Caller).map(|seat| seat.leg).collect();
        for leg in legs {
            shell.move_leg(leg, no);
            if let Some(caller) = &caller {
                shell.is_party(leg, caller.clone());
            }
        }
        self.set_stage(other, Stage::Over);
        if let Some(call) = self.calls.get_mut(&other) {
            call.made = None;
        }
        self.show_no_dialog(shell, other);
        // The legs are written down once, as when both are brought together without the agent.
        shell.persist(Persist::forget(other.0));
        shell.close_call(other);
    }

    /// How the exchange of one party with its place goes.
    pub(super) fn room_progressed(&mut self, shell: &mut Shell, no: CallNo, progress: Progress) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Stage::Mixed(room) = &mut call.stage else { return };
        match progress {
            Progress::Going => {}
            Progress::Agreed => {
                if !room.assembled && room.seats.iter().all(|seat| seat.passage.is_idle()) {
                    room.assembled = true;
                    self.assembled(shell, no);
                }
                self.keep(shell, no);
            }
            Progress::Broken(why) => self.room_lost(shell, no, &why),
            Progress::Declined { status, why, waiting: Some(place) } => {
                shell.ack(place, None);
                self.room_lost(shell, no, &format!("{} {why}", status.0));
            }
            // What a party wanted of its media was refused it, and all is as it was.
            Progress::Declined { waiting: None, .. } => {}
        }
    }

    fn assembled(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        call.answer_desk(shell, &Verb::Confer, Ok(()));
        call.answer_supervisor(shell, Ok(()));
        let legs: Vec<LegNo> = match &call.stage {
            Stage::Mixed(room) => room.seats.iter().map(|seat| seat.leg).collect(),
            _ => return,
        };
        for leg in legs {
            shell.note(leg, "hears the others through the media resource");
        }
        if call.supervision.is_none() {
            shell.decided(no, "caller, agent and whom the agent consulted are in a conference");
        }
        self.show_dialog(shell, no);
        self.show_agent_of(shell, no);
    }

    /// The media resource is lost, or somebody cannot agree with it: the two who talked at first talk directly again.
    pub(super) fn room_lost(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Stage::Mixed(room) = &call.stage else { return };
        let (caller, with) = match (room.of(Who::Caller), room.of(Who::Agent)) {
            (Some(_), Some(_)) => (Who::Caller, Who::Agent),
            _ => return self.finish(shell, no, why),
        };
        let why = format!("the conference is lost: {why}");
        call.answer_desk(shell, &Verb::Confer, Err(why.clone()));
        call.answer_supervisor(shell, Err(why.clone()));
        shell.decided(no, format!("{why}; caller and agent talk directly"));
        self.pair(shell, no, caller, with, &why);
    }

    /// A leg of a conference is over, or of one that was to come. False: it was none.
    pub(super) fn seat_gone(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, why: &str) -> bool {
        let Some(call) = self.calls.get_mut(&no) else { return false };
        let on_the_way =
            call.joining.as_ref().is_some_and(|joining| joining.seats.iter().any(|seat| seat.place == leg));
        let supervisor = call.supervision.as_ref().is_some_and(|by| by.leg == leg);
        if call.joining.is_some() && (on_the_way || supervisor) {
            let who = if supervisor { "the supervisor" } else { "the media resource" };
            self.abandon(shell, no, &from_side(who, why));
            return true;
        }
        let Stage::Mixed(room) = &call.stage else { return false };
        match room.seats.iter().find(|seat| seat.leg == leg || seat.place == leg) {
            Some(seat) if seat.leg == leg => {
                let who = seat.who;
                self.party_left(shell, no, who, why);
            }
            Some(_) => self.room_lost(shell, no, why),
            None => return false,
        }
        true
    }

    /// Of three one has hung up: the others go on without the media resource, unless they never heard each other.
    fn party_left(&mut self, shell: &mut Shell, no: CallNo, who: Who, why: &str) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Stage::Mixed(room) = &call.stage else { return };
        let consulted = room.of(Who::Consulted).is_some();
        let barged = call.supervision.as_ref().is_some_and(|by| by.how == Oversight::Barge);
        match who {
            Who::Caller if consulted => {
                shell.decided(no, "the caller has left the conference; agent and whom they consulted talk on");
                self.pair(shell, no, Who::Consulted, Who::Agent, why);
            }
            Who::Caller => self.finish(shell, no, &from_side("the caller", why)),
            Who::Agent if consulted => {
                shell.decided(no, "the agent has left the conference; the caller talks on with whom they consulted");
                self.pair(shell, no, Who::Caller, Who::Consulted, why);
            }
            Who::Agent if barged => {
                shell.decided(no, "the agent has left; the caller talks on with the supervisor");
                self.pair(shell, no, Who::Caller, Who::Supervisor, why);
            }
            Who::Agent => self.finish(shell, no, &from_side("the other side", why)),
            Who::Consulted | Who::Supervisor => self.pair(shell, no, Who::Caller, Who::Agent, why),
        }
    }

    /// These two talk directly from now on; whoever else is there is let go. Until they agree their places stay.
    pub(super) fn pair(&mut self, shell: &mut Shell, no: CallNo, first: Who, second: Who, why: &str) {
        let caller_uuid = shell.book().call(no).map(|entry| entry.caller.clone());
        let Some(call) = self.calls.get_mut(&no) else { return };
        let room = match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Mixed(room) => room,
            other => return call.stage = other,
        };
        let (Some(one), Some(two)) = (room.of(first).map(|seat| seat.leg), room.of(second).map(|seat| seat.leg)) else {
            return self.finish(shell, no, why);
        };
        for seat in &room.seats {
            call.leave_place(shell, seat);
            if ![one, two].contains(&seat.leg) {
                match second {
                    // Who is taken over talks until the caller is with the supervisor.
                    Who::Supervisor if seat.who == Who::Agent => call.leaving.push(seat.leg),
                    _ => shell.end(seat.leg, why),
                }
            }
        }
        call.caller = one;
        if first == Who::Consulted {
            // Nobody is there any more who called in.
            call.is_ours = true;
        }
        match (call.is_ours, caller_uuid) {
            (true, Some(ours)) => [one, two].into_iter().for_each(|leg| shell.is_party(leg, ours.clone())),
            _ => shell.join(one, two),
        }
        let passage = Passage::fetching(two, one, Protection::Secure);
        call.stage = Stage::Connecting { agent: two, passage, browser: None };
        shell.reinvite(two, None);
        match second {
            Who::Supervisor => self.has_taken_over(shell, no),
            _ => self.unsupervise(shell, no),
        }
        if second == Who::Consulted {
            let extension = shell.numbers(two).1;
            let now_with = self.router.agents().into_iter().find(|row| row.extension == extension).map(|row| row.id);
            self.handed_to(shell, no, now_with);
        }
        self.show_dialog(shell, no);
        self.keep(shell, no);
    }

    /// The call is another agent's, or nobody's whom the router knows.
    pub(super) fn handed_to(&mut self, shell: &mut Shell, no: CallNo, agent: Option<acd::AgentId>) {
        self.show_no_dialog(shell, no);
        if let Some(call) = self.calls.get_mut(&no) {
            (call.served_by, call.turned_ms, call.made) = (agent.clone(), None, None);
        }
        self.tell_router(shell, acd::Input::Gone(CallId(no.0)));
        if let Some(agent) = agent {
            self.tell_router(shell, acd::Input::Outgoing { call: CallId(no.0), agent });
        }
        self.route(shell);
    }

    /// Whether this leg is a party's place at the media resource.
    pub(super) fn is_place(&self, no: CallNo, leg: LegNo) -> bool {
        match self.calls.get(&no).map(|call| &call.stage) {
            Some(Stage::Mixed(room)) => room.seats.iter().any(|seat| seat.place == leg),
            _ => false,
        }
    }

    /// The INVITE for a place, or to a supervisor, came to nothing. False: it was none of these.
    pub(super) fn joiner_refused(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, why: &str) -> bool {
        let Some(call) = self.calls.get(&no) else { return false };
        let Some(joining) = &call.joining else { return false };
        let who = match call.supervision.as_ref().is_some_and(|by| by.leg == leg) {
            true => "the supervisor's phone",
            false if joining.seats.iter().any(|seat| seat.place == leg) => "the media resource",
            false => return false,
        };
        self.abandon(shell, no, &format!("{who}: {why}"));
        true
    }

    /// After a restart: who was on the way is forgotten, and an exchange whose answer will not come is begun anew, directly.
    pub(super) fn resume_room(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        let Stage::Mixed(room) = &mut call.stage else { return };
        let whole = room.assembled
            && room
                .seats
                .iter()
                .all(|seat| seat.passage.is_idle() && shell.is_live(seat.leg) && shell.is_live(seat.place));
        if !whole {
            room.seats.iter_mut().for_each(|seat| seat.passage.forsake());
            self.room_lost(shell, no, "the call server was started again");
        }
    }
}

impl Call {
    /// # Errors
    /// Caller and agent do not talk undisturbed.
    pub(super) fn is_talking(&self) -> Result<(), String> {
        match &self.stage {
            Stage::Talking { passage, hold: None, .. } if passage.is_idle() => Ok(()),
            Stage::Talking { hold: None, .. } => Err("media is being agreed; try again".into()),
            Stage::Talking { .. } => Err("the caller is held".into()),
            _ => Err("the agent does not talk to a caller".into()),
        }
    }

    /// The leg of the agent who holds the caller.
    fn held_by(&self) -> Result<LegNo, String> {
        match &self.stage {
            Stage::Talking { agent, hold: Some(hold), .. } if hold.step == HoldStep::Held => Ok(*agent),
            _ => Err("the caller is not held".into()),
        }
    }

    /// What was under way between a party and its place is of no interest any more.
    fn leave_place(&mut self, shell: &mut Shell, seat: &Seat) {
        if shell.leg(seat.leg).is_some_and(|leg| leg.is_answered() && leg.server.is_some()) {
            shell.refuse(seat.leg, Status(491), Vec::new(), "the party changes");
        }
        if seat.passage.awaits(seat.leg) {
            self.stale.push(seat.leg);
        }
        self.leaving.push(seat.place);
    }
}
