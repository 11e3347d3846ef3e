//! A node: the shell and its role, and how what comes in finds the leg that it is about.

use std::sync::Arc;
use std::time::Duration;

use call::Now;
use call::leg::Exchange;
use serde::{Deserialize, Serialize};
use sip::{ClientId, DialogId, Event, Failure, Flow, Message, Method, Name, Request, ServerId, Status};
use trust::Peer;

use crate::plan::Kind;
use crate::shell::{Admitted, CallNo, Invited, LegNo, Outcome, Refused, Role, Shell};
use crate::{
    AskId, Input, Output, Plan, Told, Watched, call_manager, call_server, media_resource, phone, sbc, voice_browser,
};

/// One SIP-speaking box. Pure: `handle`, `poll`, `deadline`, `tick`; its state is data.
#[derive(Debug, Serialize, Deserialize)]
pub struct Node {
    shell: Shell,
    duty: Duty,
    #[serde(skip)]
    bait: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Duty {
    Sbc(sbc::Sbc),
    CallServer(Box<call_server::CallServer>),
    VoiceBrowser(voice_browser::VoiceBrowser),
    CallManager(Box<call_manager::CallManager>),
    MediaResource(media_resource::MediaResource),
    Phone(phone::Phone),
}

impl Duty {
    fn role(&mut self) -> &mut dyn Role {
        match self {
            Duty::Sbc(role) => role,
            Duty::CallServer(role) => &mut **role,
            Duty::VoiceBrowser(role) => role,
            Duty::CallManager(role) => &mut **role,
            Duty::MediaResource(role) => role,
            Duty::Phone(role) => role,
        }
    }

    fn as_role(&self) -> &dyn Role {
        match self {
            Duty::Sbc(role) => role,
            Duty::CallServer(role) => &**role,
            Duty::VoiceBrowser(role) => role,
            Duty::CallManager(role) => &**role,
            Duty::MediaResource(role) => role,
            Duty::Phone(role) => role,
        }
    }
}

impl Node {
    /// `seed` is the operating system's in production, the simulator's in tests.
    pub fn new(seed: [u8; 32], plan: Arc<Plan>, now: Now) -> Node {
        let ends_media =
            matches!(plan.kind, Kind::Sbc(_) | Kind::VoiceBrowser(_) | Kind::MediaResource(_) | Kind::Phone(_));
        let mut shell = Shell::new(seed, plan.clone(), ends_media, now);
        let duty = match &plan.kind {
            Kind::Sbc(_) => Duty::Sbc(sbc::Sbc::default()),
            Kind::CallServer(kind) => Duty::CallServer(Box::new(call_server::CallServer::new(kind, now.mono))),
            Kind::VoiceBrowser(_) => Duty::VoiceBrowser(voice_browser::VoiceBrowser::new(&mut shell)),
            Kind::CallManager(_) => Duty::CallManager(Box::new(call_manager::CallManager::new(&mut shell))),
            Kind::MediaResource(_) => Duty::MediaResource(media_resource::MediaResource::default()),
            Kind::Phone(_) => Duty::Phone(phone::Phone::new(&mut shell)),
        };
        let mut node = Node { shell, duty, bait: None };
        node.shell.look_up();
        node.settle();
        node
    }

    pub fn handle(&mut self, input: Input, now: Now) {
        self.shell.set_now(now);
        self.shell.set_current(None);
        match input {
            Input::Message { flow, peer, message } => self.message(flow, peer, message),
            Input::Unreachable { target, why } => self.shell.sip.unreachable(&target, &why, now.mono),
            Input::Closed { flow, target } => self.closed(flow, target.as_ref()),
            Input::Media(event) => self.media(event),
            Input::Told(ask, told) => self.told(ask, told),
            Input::Control(control, request) => {
                if let Some(request) = self.shell.controlled(control, request) {
                    self.duty.role().control(&mut self.shell, control, request);
                }
            }
            Input::Plan(plan) => {
                self.shell.set_plan(plan);
                self.duty.role().replan(&mut self.shell);
            }
        }
        self.settle();
    }

    /// What the node wants, until it wants nothing more.
    pub fn poll(&mut self) -> Option<Output> {
        self.shell.poll()
    }

    /// When [`Node::tick`] wants to be called, on the monotonic clock.
    pub fn deadline(&self) -> Option<Duration> {
        [self.shell.deadline(), self.duty.as_role().deadline()].into_iter().flatten().min()
    }

    pub fn tick(&mut self, now: Now) {
        self.shell.set_now(now);
        self.shell.set_current(None);
        self.shell.sip.tick(now.mono);
        self.shell.look_up_again();
        self.shell.beat();
        self.shell.ask_the_doubted();
        self.duty.role().tick(&mut self.shell);
        self.settle();
    }

    /// After a panic was caught in `handle` or `tick`: the call that was being handled ends (500 or BYE, media closed,
    /// its record signed with the reason); all others go on.
    pub fn abandon(&mut self, now: Now) {
        self.shell.set_now(now);
        if let Some(call) = self.shell.take_current() {
            tracing::error!(call = call.0, "a panic ended this call");
            let unanswered: Vec<LegNo> = self.shell.book().legs_of(call).map(|(no, _)| no).collect();
            for leg in unanswered {
                self.shell.refuse(leg, Status(500), Vec::new(), "internal error");
            }
            self.shell.end_call(call, "internal error");
        }
        self.settle();
    }

    /// Whether anybody watches: [`crate::Journal::Changed`] is for those who do, and costs a copy of the record. A new node
    /// is watched.
    pub fn watched(&mut self, by: Watched) {
        self.shell.watched(by);
    }

    /// From now on an INVITE for this number panics, once its call is open: for tests of what a panic costs, and for
    /// nothing else. Lost with the process and with a snapshot.
    pub fn dangerous_panic_at(&mut self, called: &str) {
        self.bait = Some(called.to_owned());
    }

    /// The whole node as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        // Plain data into a growing vector: neither maps with unsized keys nor a bounded buffer can fail here.
        postcard::to_stdvec(self).expect("a node is plain data")
    }

    /// A node as [`Node::snapshot`] wrote it.
    pub fn restore(bytes: &[u8]) -> Result<Node, String> {
        postcard::from_bytes(bytes).map_err(|e| format!("not a snapshot of this version: {e}"))
    }

    /// A call that the previous process persisted: goes on where it was, if nobody ended it meanwhile. One that cannot be
    /// read, by a word in the log: it is not kept any longer, and who is in it hears 481 when they say something next.
    pub fn adopt_call(&mut self, call: u64, state: &[u8], now: Now) {
        self.shell.set_now(now);
        if let Err(why) = self.duty.role().adopt(&mut self.shell, state) {
            tracing::warn!(call, why, "a call of the process before is not gone on with");
            self.shell.persist(crate::Persist::forget(call));
        }
        self.settle();
    }

    /// A registration that the previous process persisted.
    pub fn adopt_registration(&mut self, state: &[u8], now: Now) {
        self.shell.set_now(now);
        if let Err(why) = self.duty.role().adopt(&mut self.shell, state) {
            tracing::warn!(why, "a registration of the process before is not taken on");
        }
        self.settle();
    }

    /// Figures of a quarter of an hour as the previous process persisted them
    /// ([`Persist::Interval`](crate::Persist::Interval)). To be told first of all, the oldest first.
    pub fn adopt_figures(&mut self, figures: acd::Interval, now: Now) {
        self.shell.set_now(now);
        self.duty.role().adopt_figures(&mut self.shell, figures);
        self.settle();
    }

    /// An agent's state as the previous process persisted it ([`Persist::Agent`](crate::Persist::Agent)). To be told
    /// after its calls were adopted: an agent in a conversation that goes on is not free.
    pub fn adopt_agent(&mut self, id: &str, state: &str, now: Now) {
        self.shell.set_now(now);
        if let Err(why) = self.duty.role().adopt_agent(&mut self.shell, id, state) {
            tracing::warn!(agent = id, why, "a persisted agent's state was not taken on");
        }
        self.settle();
    }

    /// Works off what the endpoint has to say and what became complete, until nothing is left.
    fn settle(&mut self) {
        loop {
            while let Some(output) = self.shell.sip.poll() {
                match output {
                    sip::Output::Send { hop, bytes } => self.shell.send(hop, bytes),
                    sip::Output::Event(event) => self.event(event),
                }
            }
            match self.shell.finish_one() {
                Some(call) => self.duty.role().over(&mut self.shell, call),
                None => break,
            }
        }
        self.shell.replenish();
        self.shell.settle();
    }

    fn message(&mut self, flow: Flow, peer: Arc<Peer>, message: Message) {
        let sight = self.shell.see(flow, peer);
        let let_in = sight.admitted.is_ok();
        let begins = message.is_request() && message.to_tag().is_none();
        // Strangers may begin something, and be refused; they have no part in anything that exists.
        if !let_in && self.admitted(flow).is_none() {
            if !begins {
                return tracing::debug!(remote = %flow.remote, "a message of a stranger was dropped");
            }
            // Whoever registers proves itself by that.
            if message.method() != Method::Register || !self.duty.as_role().is_registrar() {
                return self.shell.turn_stranger_away(flow, &message);
            }
        }
        self.shell.sip.receive(flow, message, self.shell.now().mono);
    }

    fn admitted(&self, flow: Flow) -> Option<Admitted> {
        let sight = self.shell.sight(flow.id)?;
        sight.admitted.clone().ok().or_else(|| self.duty.as_role().knows(&self.shell, sight))
    }

    fn closed(&mut self, flow: sip::FlowId, target: Option<&sip::Target>) {
        let legs = self.shell.dialogs_on(flow);
        self.shell.sip.closed(flow, target, self.shell.now().mono);
        let stream = self.shell.sight(flow).is_none_or(|sight| sight.flow.transport.is_reliable());
        self.shell.forget_flow(flow);
        self.duty.role().closed(&mut self.shell, flow);
        for (leg, _) in legs {
            if self.shell.is_live(leg) {
                if stream {
                    self.shell.doubt(leg);
                }
                self.duty.role().flow_lost(&mut self.shell, leg);
            }
        }
    }

    fn media(&mut self, event: media::Event) {
        use media::Event as E;
        match event {
            E::Leased(leases) => {
                self.shell.leased(leases);
                self.duty.role().leased(&mut self.shell);
            }
            E::Facts { lease, facts } => {
                self.shell.facts(lease, &facts, false);
                self.shell.reported(lease);
            }
            E::Closed { lease, facts } => {
                self.shell.facts(lease, &facts, true);
                self.shell.reported(lease);
            }
            // The stream is closed by then, so the leg may be over: this is for those who watch.
            E::Recorded { heard, said, .. } => self.shell.journal(crate::Journal::Recorded { heard, said }),
            other => {
                let leg = lease_of(&other).and_then(|lease| self.shell.book().by_lease(lease));
                if let Some(leg) = leg.filter(|leg| self.shell.is_live(*leg)) {
                    self.attend(leg);
                    self.duty.role().media(&mut self.shell, leg, other);
                }
            }
        }
    }

    fn told(&mut self, ask: AskId, told: Told) {
        if let Some(told) = self.shell.told(ask, told) {
            self.duty.role().told(&mut self.shell, ask, told);
        }
    }

    /// From here on a panic costs this leg's call.
    fn attend(&mut self, leg: LegNo) {
        let call = self.shell.book().leg(leg).map(|entry| entry.call);
        self.shell.set_current(call);
    }

    /// The live leg of a dialog, its record brought up to date with what the connection layer proved.
    fn leg(&mut self, dialog: DialogId) -> Option<LegNo> {
        let leg = self.shell.book().by_dialog(dialog)?;
        self.attend(leg);
        self.shell.witness(leg, self.shell.sip.flow(dialog), self.duty.as_role());
        Some(leg)
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Request { server, dialog, request, flow } => self.request(server, dialog, request, flow),
            Event::InDialog { server, dialog, request, flow } => self.in_dialog(server, dialog, request, flow),
            Event::Cancelled { dialog, request, .. } => {
                if let Some(leg) = self.leg(dialog).filter(|leg| !self.shell.calls_off(*leg)) {
                    let why = crate::shell::reason(&request).unwrap_or_else(|| "cancelled by the caller".into());
                    self.gone(leg, why);
                }
            }
            Event::Acked { dialog, ack } => {
                if let Some(leg) = self.leg(dialog) {
                    self.shell.hear(leg, &ack);
                    self.shell.answered_by(leg, ack.sdp());
                    self.duty.role().acked(&mut self.shell, leg, ack.sdp());
                }
            }
            Event::NotAcked { dialog } => self.lost(dialog, "our answer was never acknowledged"),
            Event::Expired { dialog, why } => self.lost(dialog, &why),
            Event::RefreshDue { dialog } => {
                if let Some(leg) = self.leg(dialog) {
                    self.duty.role().refresh_due(&mut self.shell, leg);
                }
            }
            Event::Provisional { client, dialog, response } => self.provisional(client, dialog, response),
            Event::Accepted { client, dialog, response } => self.accepted(client, dialog, response),
            Event::Final { client, dialog, response } => {
                let status = response.status().unwrap_or(Status(500));
                if !self.shell.pulse(client, !matches!(status.0, 408 | 503)) && !self.shell.doubted(client, true) {
                    self.ended(client, dialog, Outcome::Response(Box::new(response)));
                }
            }
            Event::Failed { client, dialog, failure } => {
                if !self.shell.pulse(client, false) && !self.shell.doubted(client, false) {
                    let why = match failure {
                        Failure::Timeout => "no answer in time".into(),
                        Failure::Transport(why) => why,
                        Failure::Cancelled => "cancelled".into(),
                    };
                    self.ended(client, dialog, Outcome::Nothing(why));
                }
            }
        }
    }

    fn lost(&mut self, dialog: DialogId, why: &str) {
        if let Some(leg) = self.leg(dialog) {
            self.shell.leg_over(leg, why);
            self.duty.role().lost(&mut self.shell, leg, why.to_owned());
        }
    }

    fn gone(&mut self, leg: LegNo, why: String) {
        self.shell.leg_over(leg, &why);
        self.duty.role().gone(&mut self.shell, leg, why);
    }

    fn request(&mut self, server: ServerId, dialog: Option<DialogId>, request: Request, flow: Flow) {
        let method = request.method();
        if method == Method::Register && self.duty.as_role().is_registrar() {
            return self.duty.role().register(&mut self.shell, server, request, flow.id);
        }
        let Some(admitted) = self.admitted(flow) else { return self.shell.turn_away(server, flow) };
        if !self.duty.role().lets_in(&mut self.shell, server, &request, flow, &admitted) {
            return;
        }
        match (method, dialog) {
            (Method::Invite, Some(dialog)) => self.invited(server, dialog, request, admitted),
            (Method::Options, _) => self.shell.answer_options(server),
            _ => self.duty.role().request(&mut self.shell, server, request, admitted),
        }
    }

    fn invited(&mut self, server: ServerId, dialog: DialogId, request: Request, admitted: Admitted) {
        if self.shell.is_draining() {
            return self.shell.answer_outside(server, Status(503), vec![(Name::RetryAfter, "30".into())]);
        }
        let Some(max_forwards) = request.max_forwards().unwrap_or(70).checked_sub(1) else {
            return self.shell.answer_outside(server, Status(483), Vec::new());
        };
        let (call, leg) = self.shell.open(server, dialog, &request, &admitted);
        self.leg(dialog);
        let (calling, called) = self.shell.numbers(leg);
        assert!(self.bait.as_ref() != Some(&called), "a panic that was asked for");
        let sdp = request.sdp();
        let invited = Invited { call, leg, admitted, request, called, calling, sdp, max_forwards };
        self.duty.role().invited(&mut self.shell, invited);
    }

    fn in_dialog(&mut self, server: ServerId, dialog: DialogId, request: Request, flow: Flow) {
        let Some(leg) = self.leg(dialog) else {
            return self.shell.answer_outside(server, Status(481), Vec::new());
        };
        // Knowing a dialog's tags does not make a peer the other end of it.
        let peer = self.admitted(flow).map(|admitted| admitted.peer().clone());
        if peer.as_ref() != self.shell.book().leg(leg).map(|entry| &entry.peer) {
            return self.shell.turn_away(server, flow);
        }
        self.shell.hear(leg, &request);
        match request.method() {
            Method::Bye => {
                self.shell.answer(leg, server, Status(200), Vec::new(), None);
                let why = crate::shell::reason(&request)
                    .map_or_else(|| "BYE".to_owned(), |why| crate::shell::from_side("BYE", &why));
                self.gone(leg, why);
            }
            Method::Options => self.shell.answer_options(server),
            Method::Update if request.sdp().is_none() => self.shell.answer(leg, server, Status(200), Vec::new(), None),
            Method::Invite | Method::Update => {
                let sdp = request.sdp();
                self.shell.asked(leg, server, sdp.clone());
                self.duty.role().reinvited(&mut self.shell, leg, sdp);
            }
            _ => self.duty.role().in_dialog(&mut self.shell, leg, server, request),
        }
    }

    fn provisional(&mut self, client: ClientId, dialog: DialogId, response: Message) {
        let Some(leg) = self.leg(dialog).filter(|leg| self.shell.is_inviting(*leg, client)) else { return };
        self.shell.hear(leg, &response);
        if let Some(leg) = self.shell.leg_mut(leg) {
            leg.ringing();
        }
        let status = response.status().unwrap_or(Status(180));
        self.duty.role().provisional(&mut self.shell, leg, status, response.sdp());
    }

    fn accepted(&mut self, client: ClientId, dialog: DialogId, response: Message) {
        let Some(leg) = self.leg(dialog) else { return };
        let sdp = response.sdp();
        let first = self.shell.is_inviting(leg, client);
        self.shell.hear(leg, &response);
        self.shell.answered_by(leg, sdp.clone());
        match first {
            true => {
                self.shell.established(leg);
                self.duty.role().accepted(&mut self.shell, leg, sdp);
            }
            false => self.duty.role().reaccepted(&mut self.shell, leg, sdp),
        }
    }

    fn ended(&mut self, client: ClientId, dialog: Option<DialogId>, outcome: Outcome) {
        let Some(dialog) = dialog else { return self.duty.role().outside(&mut self.shell, client, outcome) };
        let Some(leg) = self.leg(dialog) else { return };
        if let Outcome::Response(response) = &outcome {
            self.shell.hear(leg, response);
        }
        let why = match &outcome {
            Outcome::Response(response) => crate::shell::why_refused(response),
            Outcome::Nothing(why) => why.clone(),
        };
        let silent = matches!(outcome, Outcome::Nothing(_));
        if self.shell.is_inviting(leg, client) {
            let status = if silent && why != "no answer in time" { Status(503) } else { outcome.status() };
            let unreachable = silent || matches!(status.0, 408 | 503);
            self.shell.leg_over(leg, &why);
            if unreachable {
                self.shell.peer_failed(leg);
            }
            self.duty.role().refused(&mut self.shell, leg, Refused { status, why, unreachable });
            return;
        }
        let method = match &outcome {
            Outcome::Response(response) => response.method(),
            Outcome::Nothing(_) => self.shell.method_of(client).unwrap_or(Method::Invite),
        };
        self.shell.forget_method(client);
        match method {
            Method::Invite => {
                if let Some(leg) = self.shell.leg_mut(leg) {
                    leg.exchange = Exchange::Agreed;
                }
                self.duty.role().rerefused(&mut self.shell, leg, outcome.status(), why);
            }
            method => self.duty.role().outcome(&mut self.shell, leg, client, method, outcome),
        }
    }

    /// Calls that this node has.
    pub fn calls(&self) -> impl Iterator<Item = CallNo> {
        self.shell.book().calls().map(|(no, _)| no)
    }
}

fn lease_of(event: &media::Event) -> Option<media::LeaseId> {
    use media::Event as E;
    match event {
        E::Leased(_) => None,
        E::Digit { lease, .. }
        | E::Played { lease, .. }
        | E::Facts { lease, .. }
        | E::Closed { lease, .. }
        | E::Silent { lease, .. }
        | E::Recording { lease, .. }
        | E::Chunk { lease, .. }
        | E::Kept { lease, .. }
        | E::Sound { lease, .. }
        | E::Untapped { lease, .. }
        | E::Marked { lease, .. }
        | E::Recorded { lease, .. }
        | E::Unkeyed { lease, .. }
        | E::Unplayable { lease, .. } => Some(*lease),
    }
}
