//! Call server (CVP): callers come from border controllers, are served by a voice browser, wait in a queue and talk to an
//! agent. It is in every call's signalling and in nobody's media: descriptions pass through, inspected.

mod agents;
mod bridged;
mod browsers;
mod call;
mod called_back;
mod conference;
mod dialogs;
mod hold;
mod kept;
mod outgoing;
mod plan;
mod refers;
mod room;
mod routing;
mod send_on;
mod supervise;
mod work;
mod wrap_up;

use std::collections::BTreeMap;
use std::time::Duration;

use acd::{AgentId, CallId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sip::{ClientId, Method, Request, ServerId, Status};

pub use plan::{Dialled, Group, Member, Plan};

use self::call::{Alarm, Call, Stage};
use self::refers::Refers;
use self::wrap_up::WrapUp;
use crate::plan::Kind;
use crate::shell::{
    CallNo, Invited, LegNo, Outcome, Passage, Progress, Refused, Role, Shell, Timers, from_side, warning,
};
use crate::{AskId, Control, ControlId, Persist, Reply, Told};

#[derive(Debug, Serialize, Deserialize)]
pub struct CallServer {
    router: acd::Router,
    calls: BTreeMap<CallNo, Call>,
    timers: Timers<Alarm>,
    /// Calls that are over, and that agents still work on.
    wrap_ups: BTreeMap<AgentId, WrapUp>,
    refers: Refers,
}

fn plan_of(node: &crate::Plan) -> Option<&Plan> {
    match &node.kind {
        Kind::CallServer(plan) => Some(plan),
        _ => None,
    }
}

impl CallServer {
    pub(crate) fn new(plan: &Plan, now: Duration) -> CallServer {
        CallServer {
            router: acd::Router::new(plan.acd.clone(), now),
            calls: BTreeMap::new(),
            timers: Timers::default(),
            wrap_ups: BTreeMap::new(),
            refers: Refers::default(),
        }
    }

    fn call_of(&self, shell: &Shell, leg: LegNo) -> Option<CallNo> {
        shell.book().leg(leg).map(|entry| entry.call).filter(|call| self.calls.contains_key(call))
    }

    fn set_stage(&mut self, no: CallNo, stage: Stage) {
        if let Some(call) = self.calls.get_mut(&no) {
            call.stage = stage;
        }
    }

    /// Everybody is told that it is over.
    fn finish(&mut self, shell: &mut Shell, no: CallNo, why: &str) {
        let seen = self.dialog_view(shell, no);
        self.set_stage(no, Stage::Over);
        let mut held = None;
        if let Some(call) = self.calls.get_mut(&no) {
            call.ringing = None;
            call.forsake_desk(shell, why);
            held = call.made.take().and_then(|made| made.consults);
        }
        self.abandon(shell, no, why);
        self.unsupervise(shell, no);
        self.consult_alone(shell, no);
        self.let_far_go(shell, no, why);
        if let Some(held) = held {
            // Whom the agent consulted does not come into the call any more.
            self.abandon(shell, held, why);
            self.show_dialog(shell, held);
        }
        self.leave_agent(shell, no, seen);
        self.route(shell);
        shell.outlasts_legs(no, false);
        shell.end_call(no, why);
    }

    /// Both sides of the exchange under way agree.
    fn agreed(&mut self, shell: &mut Shell, no: CallNo) {
        let Some(call) = self.calls.get_mut(&no) else { return };
        match std::mem::replace(&mut call.stage, Stage::Over) {
            Stage::Arriving { browser, passage, .. } | Stage::Moving { browser, passage, .. } => {
                call.join(shell, call.caller, browser);
                call.stage = Stage::Served { browser, passage, probe: None };
                self.keep(shell, no);
            }
            connecting @ Stage::Connecting { .. } => {
                call.stage = connecting;
                self.connected(shell, no);
            }
            dialling @ Stage::Dialling { .. } => {
                call.stage = dialling;
                self.reached(shell, no);
            }
            bridging @ Stage::Bridging { .. } => {
                call.stage = bridging;
                self.keep(shell, no);
            }
            talking @ Stage::Talking { .. } => {
                call.stage = talking;
                self.turned(shell, no);
            }
            other => call.stage = other,
        }
    }

    /// A leg's part in the exchange that it belongs to, and what follows. False: it belongs to none.
    fn step(
        &mut self,
        shell: &mut Shell,
        no: CallNo,
        leg: LegNo,
        step: impl FnOnce(&mut Passage, &mut Shell) -> Progress,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&no) else { return false };
        let taking_over = call.joining.as_mut().and_then(|joining| joining.taking_over.as_mut());
        if let Some(passage) = taking_over.filter(|passage| passage.has(leg)) {
            let progress = step(passage, shell);
            self.taking_over_progressed(shell, no, progress);
            return true;
        }
        let mixed = matches!(call.stage, Stage::Mixed(_));
        let musical = call.stage.music().is_some_and(|music| music.passage.has(leg));
        let Some(passage) = call.stage.passage_of(leg) else { return false };
        let progress = step(passage, shell);
        match musical {
            true => self.music_progressed(shell, no, progress),
            false if mixed => self.room_progressed(shell, no, progress),
            false => self.progressed(shell, no, progress),
        }
        true
    }

    fn is_agents(&self, no: CallNo, leg: LegNo) -> bool {
        self.calls.get(&no).and_then(|call| call.ringing.as_ref()).is_some_and(|ringing| ringing.leg == leg)
    }

    /// Whether this answers an offer that is of no interest any more; the next one may answer another.
    fn is_stale(&mut self, no: CallNo, leg: LegNo) -> bool {
        let stale = self.calls.get_mut(&no).map(|call| &mut call.stale);
        let found = stale.and_then(|stale| Some((stale.iter().position(|known| *known == leg)?, stale)));
        found.map(|(at, stale)| stale.remove(at)).is_some()
    }

    fn is_caller(&self, no: CallNo, leg: LegNo) -> bool {
        self.calls.get(&no).is_some_and(|call| call.caller == leg)
    }

    fn is_browser(&self, no: CallNo, leg: LegNo) -> bool {
        self.calls.get(&no).and_then(|call| call.stage.browser()) == Some(leg)
    }
}

impl Role for CallServer {
    fn invited(&mut self, shell: &mut Shell, invited: Invited) {
        let (leg, no) = (invited.leg, invited.call);
        let node = shell.plan_of(no);
        let Some(plan) = plan_of(&node) else { return };
        if self.is_from_browser(shell, &invited) {
            return self.dialled_by_browser(shell, invited);
        }
        let from = invited.admitted.peer();
        if !plan.group(&plan.ingress_group).iter().any(|member| member.peer == *from) {
            let why = format!("{from} is no member of group {}, whose members alone send calls in", plan.ingress_group);
            return shell.refuse(leg, Status(403), vec![warning(&node.node, &why)], why);
        }
        let Some(dialled) = plan.dialled(&invited.called) else {
            let why = "no dialled_number has the number called";
            return shell.refuse(leg, Status(404), vec![warning(&node.node, why)], why);
        };
        if let Some(Err(reject)) = invited.sdp.as_ref().map(|sdp| shell.inspect(leg, sdp::Protection::Secure, sdp)) {
            return shell.reject(leg, &reject);
        }
        let application = dialled.application.clone().unwrap_or_else(|| invited.called.clone());
        let call = Call {
            calling: invited.calling,
            dialled: invited.called,
            max_forwards: invited.max_forwards,
            call_type: dialled.call_type.clone(),
            ..Call::new(leg, dialled.group.clone(), application)
        };
        self.calls.insert(no, call);
        self.arrive(shell, no, Vec::new(), (Status(503), "the group has no member".into()));
    }

    fn provisional(&mut self, shell: &mut Shell, leg: LegNo, status: Status, _: Option<Bytes>) {
        let Some(no) = self.call_of(shell, leg) else { return };
        if self.is_agents(no, leg) {
            // What the phone lets be done to it is known now.
            self.show_dialog(shell, no);
        }
        if let Some(Call {
            caller, stage: Stage::Arriving { browser, .. } | Stage::Bridging { far: browser, .. }, ..
        }) = self.calls.get(&no)
            && *browser == leg
        {
            let status = if status.0 == 183 { Status(180) } else { status };
            shell.respond(*caller, status, Vec::new(), None);
        }
    }

    fn accepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        let Some(no) = self.call_of(shell, leg) else { return };
        if self.is_agents(no, leg) {
            return self.agent_answered(shell, no, leg, sdp);
        }
        if self.supervisor_answered(shell, no, leg, sdp.clone()) || self.place_answered(shell, no, leg, sdp.clone()) {
            return;
        }
        let picks_up = |call: &Call| matches!(call.stage, Stage::Dialling { agent, passage: None } if agent == leg);
        if self.calls.get(&no).is_some_and(picks_up) {
            return self.phone_picked_up(shell, no, leg, sdp);
        }
        if !self.step(shell, no, leg, |passage, shell| passage.accepted(shell, leg, sdp)) {
            shell.ack(leg, None);
            shell.end(leg, "not wanted any more");
        }
    }

    fn refused(&mut self, shell: &mut Shell, leg: LegNo, refused: Refused) {
        let Some(no) = self.call_of(shell, leg) else { return };
        if self.is_agents(no, leg) {
            return self.agent_gone(shell, no, &refused);
        }
        if self.is_music(no, leg) {
            return self.music_lost(shell, no, &refused.why);
        }
        if self.joiner_refused(shell, no, leg, &refused.why) || self.far_refused(shell, no, leg, &refused) {
            return;
        }
        if let Some(Call { stage: Stage::Dialling { agent, .. }, .. }) = self.calls.get(&no) {
            let who = if *agent == leg { "the agent's phone" } else { "the destination" };
            return self.finish(shell, no, &format!("{who}: {}", refused.why));
        }
        if !self.is_browser(no, leg) {
            return;
        }
        let again = refused.unreachable || (500..600).contains(&refused.status.0);
        match self.calls.get_mut(&no) {
            Some(Call { caller, stage: stage @ Stage::Arriving { .. }, .. }) if !again => {
                let headers = vec![warning(&shell.plan().node, &refused.why)];
                *stage = Stage::Over;
                shell.refuse(*caller, refused.status, headers, refused.why);
            }
            _ => self.browser_lost(shell, no, leg, &refused.why),
        }
    }

    fn acked(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        let Some(no) = self.call_of(shell, leg) else { return };
        self.step(shell, no, leg, |passage, shell| passage.acked(shell, leg, sdp));
    }

    fn reinvited(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        let no = self.call_of(shell, leg);
        // Neither party's: the caller agrees with the supervisor already.
        if no.is_some_and(|no| self.calls.get(&no).is_some_and(Call::is_taken_over)) {
            return shell.refuse(leg, Status(491), Vec::new(), "the party changes");
        }
        let is_agents = |call: &Call| matches!(call.stage, Stage::Talking { agent, .. } if agent == leg);
        if let Some(no) = no.filter(|no| self.calls.get(no).is_some_and(is_agents)) {
            return self.agent_reinvited(shell, no, leg, sdp);
        }
        match no.and_then(|no| self.calls.get_mut(&no)?.stage.passage_of(leg)) {
            Some(passage) => passage.reinvited(shell, leg, sdp),
            None => shell.refuse(leg, Status(491), Vec::new(), "the party changes"),
        }
    }

    fn reaccepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        let Some(no) = self.call_of(shell, leg) else { return };
        if self.is_stale(no, leg) {
            return shell.ack(leg, None);
        }
        if !self.step(shell, no, leg, |passage, shell| passage.accepted(shell, leg, sdp)) {
            shell.ack(leg, None);
        }
    }

    fn rerefused(&mut self, shell: &mut Shell, leg: LegNo, status: Status, why: String) {
        let Some(no) = self.call_of(shell, leg) else { return };
        if self.is_stale(no, leg) {
            return;
        }
        self.step(shell, no, leg, |passage, shell| passage.declined(shell, leg, status, why));
    }

    fn gone(&mut self, shell: &mut Shell, leg: LegNo, why: String) {
        let Some(no) = self.call_of(shell, leg) else { return };
        let Some(call) = self.calls.get(&no) else { return };
        if call.ringing.as_ref().is_some_and(|ringing| ringing.leg == leg) {
            return self.agent_unreachable(shell, no, &why);
        }
        if self.is_music(no, leg) {
            return self.music_lost(shell, no, &why);
        }
        if self.seat_gone(shell, no, leg, &why) {
            return;
        }
        if self.calls.get(&no).and_then(Call::handed_over).is_some_and(|(_, far)| far == leg)
            && self.not_met(shell, no, &why)
        {
            return;
        }
        let Some(call) = self.calls.get(&no) else { return };
        // A browser that only plays music may go: the caller keeps the place in the queue, and hears another.
        match self.is_browser(no, leg) && (call.queue.is_some() || matches!(call.stage, Stage::Connecting { .. })) {
            true => self.browser_lost(shell, no, leg, &why),
            false if self.is_caller(no, leg) => self.finish(shell, no, &from_side("the caller", &why)),
            false if call.stage.is_party(leg) => self.finish(shell, no, &from_side("the other side", &why)),
            false => {}
        }
    }

    fn lost(&mut self, shell: &mut Shell, leg: LegNo, why: String) {
        match self.call_of(shell, leg).filter(|no| self.is_browser(*no, leg)) {
            Some(no) => self.browser_lost(shell, no, leg, &why),
            None => self.gone(shell, leg, why),
        }
    }

    fn in_dialog(&mut self, shell: &mut Shell, leg: LegNo, server: ServerId, request: Request) {
        let no = self.call_of(shell, leg).filter(|no| self.is_browser(*no, leg));
        match (request.method(), no) {
            (Method::Refer, Some(no)) => self.referred(shell, no, leg, server, &request),
            (Method::Refer, None) => shell.answer(leg, server, Status(603), Vec::new(), None),
            _ => shell.answer_not_allowed(leg, server),
        }
    }

    fn outcome(&mut self, shell: &mut Shell, leg: LegNo, client: ClientId, _: Method, outcome: Outcome) {
        let Some(no) = self.call_of(shell, leg) else { return };
        if self.phone_said(shell, no, client, &outcome) || self.part_changed(shell, no, client, &outcome) {
            return;
        }
        let Some(probe) = self.calls.get_mut(&no).and_then(|call| call.stage.probe_of(leg)) else { return };
        if *probe != Some(client) {
            return;
        }
        *probe = None;
        match outcome {
            Outcome::Response(_) if !matches!(outcome.status().0, 408 | 481 | 503) => {
                shell.note(leg, "the browser lives")
            }
            Outcome::Response(_) | Outcome::Nothing(_) => {
                if self.is_place(no, leg) {
                    let why = "the media resource does not answer";
                    shell.end(leg, why);
                    return self.room_lost(shell, no, why);
                }
                let why = "the browser does not answer";
                shell.end(leg, why);
                match self.is_music(no, leg) {
                    true => self.music_lost(shell, no, why),
                    false => self.browser_lost(shell, no, leg, why),
                }
            }
        }
    }

    fn refresh_due(&mut self, shell: &mut Shell, leg: LegNo) {
        let call = self.call_of(shell, leg).and_then(|no| self.calls.get_mut(&no));
        // Whom the call is taken over from is asked nothing any more, and what the caller is asked refreshes too.
        let Some(call) = call.filter(|call| !call.is_taken_over()) else { return };
        if let Some(passage) = call.stage.passage_of(leg) {
            passage.refresh(shell, leg);
        }
    }

    fn flow_lost(&mut self, shell: &mut Shell, leg: LegNo) {
        if let Some(no) = self.call_of(shell, leg) {
            self.probe(shell, no, leg);
        }
    }

    fn over(&mut self, shell: &mut Shell, call: CallNo) {
        // Of a call that a panic ended nobody was told.
        self.unsupervise(shell, call);
        self.consult_alone(shell, call);
        if let Some(mut gone) = self.calls.remove(&call) {
            gone.forsake_desk(shell, "the call is over");
            self.show_no_dialog(shell, call);
            shell.persist(Persist::forget(call.0));
            self.tell_router(shell, acd::Input::Gone(CallId(call.0)));
            self.route(shell);
        }
    }

    fn adopt(&mut self, shell: &mut Shell, state: &[u8]) -> Result<(), String> {
        self.take_on(shell, state)
    }

    fn adopt_figures(&mut self, shell: &mut Shell, figures: acd::Interval) {
        self.set_clock(shell);
        self.router.resume_figures(figures, shell.now().mono);
    }

    fn adopt_agent(&mut self, shell: &mut Shell, id: &str, state: &str) -> Result<(), String> {
        let standing = acd::Standing::read(state).ok_or_else(|| format!("`{state}` is no state of an agent"))?;
        self.router.resume_agent(&AgentId(id.to_owned()), standing, shell.now().mono)?;
        self.route(shell);
        Ok(())
    }

    fn told(&mut self, shell: &mut Shell, ask: AskId, _: Told) {
        // Also what could not be kept is tried again, and is not waited for.
        self.refer_kept(shell, ask);
    }

    fn control(&mut self, shell: &mut Shell, control: ControlId, request: Control) {
        let done = |result: Result<(), String>| result.map_or_else(Reply::Sorry, |()| Reply::Done);
        let reply = match request {
            Control::Agents => Reply::Agents(self.agent_views(shell)),
            Control::Queues => Reply::Queues(self.queue_views(shell)),
            Control::Dialogs => Reply::Dialogs(self.dialog_views(shell)),
            Control::Transfer { call, agent, to } => {
                done(self.of_agent(call, &agent).and_then(|no| self.transfer_dialog(shell, no, &to)))
            }
            Control::Note { call, agent, values } => done(self.check_reason(shell, &agent, &values).and_then(|()| {
                match self.note_afterwards(shell, (call, &agent), &values) {
                    Some(noted) => noted,
                    None => self.of_agent(call, &agent).and_then(|no| self.note_dialog(shell, no, &values)),
                }
            })),
            Control::Drop { call, agent } => {
                match self.supervised_by_leg(call).map(|(no, by)| (no, by.leg, by.by.0 == agent)) {
                    Some((no, leg, true)) => {
                        self.leave_supervision(shell, no, leg);
                        Reply::Done
                    }
                    _ => done(self.of_agent(call, &agent).and_then(|no| self.drop_dialog(shell, no))),
                }
            }
            Control::Supervise { supervisor, agent, how } => {
                match self.supervise(shell, control, &supervisor, &agent, how) {
                    Ok(()) => return self.route(shell),
                    Err(why) => Reply::Sorry(why),
                }
            }
            Control::Work { call, agent, verb, with } => match self.of_agent(call, &agent) {
                Ok(no) => {
                    self.work(shell, control, no, verb, with);
                    return self.route(shell);
                }
                Err(why) => Reply::Sorry(why),
            },
            Control::MakeCall { agent, to } => match self.make_call(shell, control, &agent, &to, None) {
                Ok(()) => return self.route(shell),
                Err(why) => Reply::Sorry(why),
            },
            Control::Routing => Reply::Routing(Box::new(self.routing_view())),
            Control::AgentReady { agent } => done(self.told(shell, acd::Input::Ready(AgentId(agent)))),
            Control::AgentNotReady { agent, reason } => {
                done(self.told(shell, acd::Input::NotReady { agent: AgentId(agent), reason }))
            }
            Control::AgentNotReadyLater { agent, reason } => {
                done(self.told(shell, acd::Input::NotReadyLater { agent: AgentId(agent), reason }))
            }
            Control::AgentLogin { agent } => done(self.told(shell, acd::Input::Login(AgentId(agent)))),
            Control::AgentLogout { agent, reason } => {
                done(self.told(shell, acd::Input::Logout { agent: AgentId(agent), reason }))
            }
            _ => Reply::Sorry("a call server does not do that".into()),
        };
        shell.reply(control, reply);
        self.route(shell);
    }

    fn replan(&mut self, shell: &mut Shell) {
        let node = shell.plan().clone();
        if let Some(plan) = plan_of(&node) {
            self.router.set_plan(plan.acd.clone(), shell.now().mono);
        }
        self.route(shell);
        self.wrap_ups_replanned(shell);
    }

    fn deadline(&self) -> Option<Duration> {
        [self.router.deadline(), self.timers.deadline()].into_iter().flatten().min()
    }

    fn tick(&mut self, shell: &mut Shell) {
        let now = shell.now().mono;
        self.set_clock(shell);
        self.router.tick(now);
        self.route(shell);
        while let Some(alarm) = self.timers.due(now) {
            self.alarm(shell, alarm);
        }
    }
}
