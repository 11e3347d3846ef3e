//! Calls that a voice browser makes for a caller whom it serves (RFC 5552 §6): to a number that the site lets browsers call,
//! and to nobody else. The browser stays between the two, or hands the caller over once somebody has answered
//! (RFC 5589 §7): the call server is in both calls and brings their parties together by itself.

use std::sync::Arc;
use std::time::Duration;

use sdp::Protection;
use sip::message::{Replaces, Typed};
use sip::{Name, NameAddr, ServerId, Status};

use super::call::{Alarm, Call, SILENCE, Stage};
use super::refers::{tell, user_to_user};
use super::{CallServer, plan_of};
use crate::Persist;
use crate::shell::{CallNo, Invited, LegNo, Outgoing, Passage, Refused, Shell, warning};

/// However long a browser would let it ring.
const RINGS: Duration = Duration::from_secs(180);

impl CallServer {
    /// The call whose caller this browser serves, for whom it may call this number. Else why it may not.
    fn served_by(&self, shell: &Shell, invited: &Invited) -> Result<CallNo, &'static str> {
        let node = shell.plan_of(invited.call);
        let plan = plan_of(&node).ok_or("no call server")?;
        if plan.browsers_may_dial.iter().all(|pattern| pattern.matches(&invited.called).is_none()) {
            return Err("browsers_may_dial does not have the number called");
        }
        let caller = shell.book().call(invited.call).map(|entry| &entry.caller);
        let serves = |no: &CallNo, call: &Call| match call.stage {
            Stage::Served { browser, .. } => {
                shell.book().call(*no).map(|entry| &entry.caller) == caller
                    && shell.book().leg(browser).is_some_and(|leg| leg.peer == *invited.admitted.peer())
            }
            _ => false,
        };
        let (served, _) = self.calls.iter().find(|(no, call)| serves(no, call)).ok_or("it serves no such caller")?;
        let calls = |call: &Call| matches!(call.stage, Stage::Bridging { served: by, .. } if by == *served);
        match self.calls.values().any(calls) {
            true => Err("somebody is called for this caller already"),
            false => Ok(*served),
        }
    }

    /// Whether this INVITE is a browser's.
    pub(super) fn is_from_browser(&self, shell: &Shell, invited: &Invited) -> bool {
        let node = shell.plan_of(invited.call);
        let from = invited.admitted.peer();
        plan_of(&node).is_some_and(|plan| {
            let has = |group: &str| plan.group(group).iter().any(|member| member.peer == *from);
            !has(&plan.ingress_group) && plan.dialled.iter().any(|dialled| has(&dialled.group))
        })
    }

    pub(super) fn dialled_by_browser(&mut self, shell: &mut Shell, invited: Invited) {
        let (leg, no) = (invited.leg, invited.call);
        let served = match self.served_by(shell, &invited) {
            Ok(served) => served,
            Err(why) => {
                tracing::warn!(peer = %invited.admitted.peer(), why, "a voice browser may not make this call");
                let headers = vec![warning(&shell.plan().node, why)];
                return shell.refuse(leg, Status(403), headers, why);
            }
        };
        if let Some(Err(reject)) = invited.sdp.as_ref().map(|sdp| shell.inspect(leg, Protection::Secure, sdp)) {
            return shell.reject(leg, &reject);
        }
        let Some(of) = self.calls.get(&served) else { return };
        let call = Call {
            calling: of.calling.clone(),
            // What who is called outside sees, where the site says nothing else.
            dialled: of.dialled.clone(),
            max_forwards: invited.max_forwards,
            ..Call::new(leg, of.group.clone(), of.application.clone())
        };
        self.calls.insert(no, call);
        let aai = invited.request.request_uri().and_then(Result::ok);
        let attached = aai.as_ref().and_then(|uri| uri.param("aai")).flatten().and_then(user_to_user);
        shell.decided(no, "the voice browser calls somebody for the caller whom it serves");
        let last = (Status(480), "no call manager or border controller is configured".to_owned());
        self.call_far(shell, no, (served, invited.called, attached), Vec::new(), last);
    }

    /// INVITE to the next member of the group that leads to the number, with the browser's offer.
    fn call_far(
        &mut self,
        shell: &mut Shell,
        no: CallNo,
        (served, number, attached): (CallNo, String, Option<String>),
        mut tried: Vec<Arc<str>>,
        last: (Status, String),
    ) {
        let own = self.calls.get(&no).map(|call| call.dialled.clone()).unwrap_or_default();
        let way = self.next_towards(shell, no, (&number, own), &tried);
        let Some(call) = self.calls.get_mut(&no) else { return };
        let caller = call.caller;
        let Some((peer, shown)) = way else {
            call.stage = Stage::Over;
            let headers = vec![warning(&shell.plan().node, &last.1)];
            return shell.refuse(caller, last.0, headers, last.1);
        };
        tried.push(peer.name.clone());
        let offer = shell.leg(caller).and_then(|leg| leg.heard.clone());
        let late = offer.is_none();
        // What the application knows of the caller is for the house.
        let is_outside = plan_of(&shell.plan_of(no)).is_some_and(|plan| plan.way_out(&number).is_some());
        let told = attached.clone().filter(|_| !is_outside);
        let far = shell.call(Outgoing {
            call: no,
            peer: peer.name.clone(),
            hop: Shell::hop_to(&peer),
            uri: peer.uri(Some(&number)),
            calling: shown,
            called: number.clone(),
            mate: Some(caller),
            dial_peer: None,
            max_forwards: call.max_forwards,
            headers: told.map(|data| (Name::UserToUser, data)).into_iter().collect(),
            sdp: offer,
            dangerous: Vec::new(),
        });
        let passage = Passage::passing_on(caller, far, late, Protection::Secure);
        call.stage = Stage::Bridging { far, served, passage, number, attached, tried };
        let now = shell.now().mono;
        self.timers.set(now + SILENCE, Alarm::NotEvenRinging(far));
        self.timers.set(now + RINGS, Alarm::Unanswered(no, far));
    }

    /// The browser that called for this caller is gone, or the caller: whom it called has nobody to talk with.
    pub(super) fn let_far_go(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        let calls = |(_, call): &(&CallNo, &Call)| matches!(call.stage, Stage::Bridging { served, .. } if served == no);
        if let Some(other) = self.calls.iter().find(calls).map(|(other, _)| *other) {
            self.finish(shell, other, why);
        }
    }

    pub(super) fn is_far(&self, no: CallNo, leg: LegNo) -> bool {
        self.calls.get(&no).is_some_and(|call| matches!(call.stage, Stage::Bridging { far, .. } if far == leg))
    }

    /// Whom the browser called, or the way there, says no. False: it is none of these.
    pub(super) fn far_refused(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, refused: &Refused) -> bool {
        if !self.is_far(no, leg) {
            return false;
        }
        let Some(call) = self.calls.get_mut(&no) else { return false };
        let Stage::Bridging { served, number, attached, tried, .. } = std::mem::replace(&mut call.stage, Stage::Over)
        else {
            return false;
        };
        let status = match refused.status.0 {
            // Nobody is asked for our credentials, and is sent elsewhere by nobody (RFC 3261 §16.7).
            401 | 407 => Status(403),
            300..=399 => Status(480),
            503 => Status(502),
            _ => refused.status,
        };
        if refused.unreachable {
            self.call_far(shell, no, (served, number, attached), tried, (status, refused.why.clone()));
        } else {
            let headers = vec![warning(&shell.plan().node, &refused.why)];
            shell.refuse(call.caller, status, headers, refused.why.clone());
        }
        true
    }

    /// It has rung for long enough. False: it is no browser's call.
    pub(super) fn far_unanswered(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo) -> bool {
        let rings = self.is_far(no, leg) && !shell.is_answered(leg);
        if rings {
            let why = "it did not answer in time";
            shell.end(leg, why);
            let refused = Refused { status: Status(408), why: why.into(), unreachable: false };
            self.far_refused(shell, no, leg, &refused);
        }
        rings
    }

    // --- handing over
    /// REFER with the browser's own other call in it: its far party takes the browser's place with the caller.
    pub(super) fn hand_over(&mut self, shell: &mut Shell, no: CallNo, leg: LegNo, server: ServerId, to: &NameAddr) {
        let status = match self.handed(shell, no, leg, to) {
            Ok(far) => {
                shell.answer(leg, server, Status(202), Vec::new(), None);
                tell(shell, leg, Status(100), false);
                return self.bring_together(shell, no, leg, far);
            }
            Err(status) => status,
        };
        shell.answer(leg, server, status, Vec::new(), None);
    }

    /// Which call it is: the same browser's, for the same caller, and answered.
    fn handed(&self, shell: &Shell, no: CallNo, leg: LegNo, to: &NameAddr) -> Result<CallNo, Status> {
        let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("Replaces");
        let (_, text) = to.uri.headers.iter().find(named).ok_or(Status(400))?;
        let replaces = Replaces::read(text).map_err(|_| Status(400))?;
        let aside = shell.replaced(&replaces).ok_or(Status(481))?;
        let other = shell.book().leg(aside).map(|entry| entry.call).ok_or(Status(481))?;
        let is_theirs =
            |entry: &crate::shell::LegEntry| shell.book().leg(aside).is_some_and(|aside| aside.peer == entry.peer);
        let call = self.calls.get(&other).ok_or(Status(481))?;
        match &call.stage {
            Stage::Bridging { served, passage, far, .. }
                if *served == no && call.caller == aside && passage.is_idle() && shell.is_live(*far) =>
            {
                let is_served = self.calls.get(&no).is_some_and(|call| call.queue.is_none() && call.stage.is_settled());
                let may = is_served && shell.book().leg(leg).is_some_and(is_theirs);
                may.then_some(other).ok_or(Status(603))
            }
            _ => Err(Status(603)),
        }
    }

    fn bring_together(&mut self, shell: &mut Shell, no: CallNo, browser: LegNo, other: CallNo) {
        let Some(bridged) = self.calls.get_mut(&other) else { return };
        let aside = bridged.caller;
        let Stage::Bridging { far, .. } = std::mem::replace(&mut bridged.stage, Stage::Over) else { return };
        shell.move_leg(far, no);
        let Some(call) = self.calls.get_mut(&no) else { return };
        shell.join(call.caller, far);
        let mut passage = Passage::fetching(far, call.caller, Protection::Secure);
        passage.forsake();
        passage.fetch(shell, far);
        call.stage = Stage::Connecting { agent: far, passage, browser: Some(browser) };
        shell.decided(no, "the voice browser hands the caller over to whom it called");
        shell.end(aside, "the caller is with whom was called");
        // The leg is written down once: a call server that starts again now takes it on in one call.
        shell.persist(Persist::forget(other.0));
        self.keep(shell, no);
    }

    /// The two have met: an agent whose phone it is has the call at the desk from now on.
    pub(super) fn met(&mut self, shell: &mut Shell, no: CallNo, far: LegNo) {
        let number = shell.numbers(far).1;
        let agent = self.taken_by(shell, no, &number);
        if let Some(call) = self.calls.get_mut(&no) {
            call.served_by = agent;
        }
        self.route(shell);
    }

    /// They have not met: the application has the caller still, and is told. False: no browser handed this caller over.
    pub(super) fn not_met(&mut self, shell: &mut Shell, no: CallNo, why: &str) -> bool {
        let Some(call) = self.calls.get_mut(&no) else { return false };
        let Some((browser, far)) = call.handed_over() else { return false };
        shell.decided(no, format!("the caller was not handed over: {why}"));
        let mut passage = Passage::fetching(browser, call.caller, Protection::Secure);
        passage.forsake();
        call.leave_exchange(shell);
        call.stage = Stage::Served { browser, passage, probe: None };
        shell.join(call.caller, browser);
        shell.end(far, why);
        tell(shell, browser, Status(500), true);
        self.keep(shell, no);
        true
    }
}

impl Call {
    /// The browser that hands the caller over, and to whom.
    pub(super) fn handed_over(&self) -> Option<(LegNo, LegNo)> {
        match self.stage {
            Stage::Connecting { agent, browser: Some(browser), .. } if self.queue.is_none() => Some((browser, agent)),
            _ => None,
        }
    }
}
