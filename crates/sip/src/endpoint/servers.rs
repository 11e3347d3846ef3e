//! Requests we got: matching, what is refused without a user, and the server transactions (RFC 3261 §8.2, §17.2).

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::compose::Answer;
use super::refusals::Cause;
use super::reliable::Reliably;
use super::timers::Timer;
use super::{DialogId, Endpoint, Event, ServerId, calls, glance, ways};
use crate::dialog::{Dialog, Invites, Parties, Phase, Usage};
use crate::message::via::ViaView;
use crate::message::{BRANCH_COOKIE, Headers, Method, Name, Request, Status};
use crate::overload;
use crate::session_timer::LEAST;
use crate::transaction::key::{Fold, Key};
use crate::transaction::server::ServerOther;
use crate::transaction::server_invite::ServerInvite;
use crate::transaction::{Due, Schedule, Timing};
use crate::transport::{Flow, Hop};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Machine {
    Invite(ServerInvite),
    Other(ServerOther),
}

impl Machine {
    fn schedule(&self) -> &Schedule {
        match self {
            Machine::Invite(machine) => &machine.schedule,
            Machine::Other(machine) => &machine.schedule,
        }
    }

    fn tick(&mut self, timing: &Timing, now: Duration) -> Due {
        match self {
            Machine::Invite(machine) => machine.tick(timing, now),
            Machine::Other(machine) => machine.tick(now),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) machine: Machine,
    pub(crate) key: Key,
    /// Only of requests outside dialogs.
    pub(crate) origin: Option<Key>,
    pub(crate) dialog: Option<DialogId>,
    pub(crate) request: Request,
    pub(crate) cseq: u32,
    /// To tag of our answers.
    pub(crate) tag: String,
    pub(crate) flow: Flow,
    pub(crate) back: Hop,
    pub(crate) sent_port: u16,
    /// The last answer, for when the request comes again.
    pub(crate) last: Option<Bytes>,
    /// Provisional answers that must arrive; `None` until the first.
    pub(crate) early: Option<Box<Reliably>>,
    pub(crate) armed: Option<Duration>,
}

impl Server {
    pub(crate) fn is_open(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_open(),
            Machine::Other(machine) => machine.is_open(),
        }
    }
}

/// A request with what is needed to match and to answer it.
pub(super) struct Incoming {
    pub(super) flow: Flow,
    /// With `received` and `rport` in its top Via.
    pub(super) request: Request,
    pub(super) method: Method,
    pub(super) cseq: u32,
    pub(super) key: Key,
    back: Hop,
    sent_port: u16,
    /// Its sender keeps to itself what we ask it to (RFC 7339).
    shapes_itself: bool,
}

impl Endpoint {
    /// A request arrived.
    pub(super) fn request_in(&mut self, flow: Flow, request: Request, now: Duration) {
        let Some(incoming) = self.read(flow, &request) else { return };
        let known = self.by_key.get(incoming.key);
        match (&incoming.method, known) {
            (Method::Ack, Some(id)) if self.ack_of_failure(id, now) => {}
            (Method::Ack, _) => self.ack_in(incoming, now),
            (Method::Cancel, known) => self.cancel_in(incoming, known, now),
            (_, Some(id)) => self.repeat(id, incoming),
            (_, None) if request.to_tag().is_some() => self.inside_in(incoming, now),
            (Method::Invite, None) if self.ended.knows(incoming.key, now) => {}
            (_, None) => self.outside_in(incoming, now),
        }
    }

    /// What a request is matched by (RFC 3261 §17.2.3): branch, sent-by and method; for peers of RFC 2543, which make no
    /// such branch, the fields that a retransmission, an ACK and a CANCEL share.
    fn read(&mut self, flow: Flow, request: &Request) -> Option<Incoming> {
        let top = request.values(&Name::Via).next()?;
        let via = ViaView::scan(top).ok()?;
        let (cseq, method) = request.cseq().ok()?;
        let class = match method {
            // Both are matched to the INVITE; no other method can be cancelled by us.
            Method::Ack | Method::Cancel => Method::Invite.as_str(),
            _ => method.as_str(),
        };
        let mut fold = Fold::new(self.mint.secret);
        match via.branch().filter(|branch| is_magic(branch)) {
            Some(branch) => {
                let port = via.port.unwrap_or(flow.transport.default_port());
                fold.part_lower(branch).part_lower(via.host).number(port.into()).part(class);
            }
            None => {
                fold.part(request.request_uri_text()?).part(request.from_tag().unwrap_or_default());
                fold.part(request.call_id()).number(cseq.into()).part(top).part(class);
            }
        }
        let (back, sent_port) = (ways::back(&flow, &via), via.port.unwrap_or(flow.transport.default_port()));
        let mut stamped = request.received_from(flow.remote);
        let mut shapes_itself = false;
        if self.config.overload_control {
            let loss = overload::loss(self.servers.len(), self.config.max_transactions);
            let told = stamped.values(&Name::Via).next().and_then(|top| self.overload.tell(top, loss));
            if let Some(told) = told {
                shapes_itself = true;
                stamped = stamped.with_top_via(&told);
            }
        }
        Some(Incoming { flow, request: stamped, method, cseq, key: fold.key(), back, sent_port, shapes_itself })
    }

    /// Refused before anything is looked at or kept: what comes on top of the room there is, of a source's share, or of
    /// what a neighbour without overload control would have kept to itself with it. Requests within dialogs, CANCEL and ACK
    /// do not come here: their room is theirs.
    fn too_much(&mut self, incoming: &Incoming, now: Duration) -> Option<Cause> {
        let (held, most) = (self.servers.len(), self.config.max_transactions);
        if held >= most {
            return Some(Cause::Overload);
        }
        if let Some(rate) = self.config.rate
            && !self.overload.admits(incoming.flow.remote.ip(), rate, now)
        {
            return Some(Cause::Rate);
        }
        let loss = if self.config.overload_control { overload::loss(held, most) } else { 0 };
        if loss > 0 && !incoming.shapes_itself && self.mint.below(100) < loss {
            return Some(Cause::Shed);
        }
        None
    }

    /// The request came again: our last answer goes out again, if its machine wants that.
    fn repeat(&mut self, id: ServerId, incoming: Incoming) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        // It may have come over a new stream because the first one ended.
        (server.flow, server.back) = (incoming.flow, incoming.back);
        let wanted = match &server.machine {
            Machine::Invite(machine) => machine.repeats(),
            Machine::Other(_) => true,
        };
        if wanted {
            self.send_last(id);
        }
    }

    /// Sends the last answer over the flow of the request, or by another way when that has ended (RFC 3261 §18.2.2).
    pub(super) fn send_last(&mut self, id: ServerId) {
        let Some(server) = self.servers.get(&id) else { return };
        let Some(bytes) = server.last.clone() else { return };
        let dialog = server.dialog.and_then(|dialog| self.dialogs.get(&dialog));
        let hop = match self.is_up(&server.flow) {
            true => Some(server.back.clone()),
            false => {
                ways::detour(&server.flow, server.sent_port, dialog.and_then(|dialog| dialog.path.fallback.as_ref()))
            }
        };
        if let Some(hop) = hop {
            self.send(hop, bytes);
        }
    }

    /// True when the ACK belonged to a 300–699 of ours. Some peers reuse the INVITE's branch for the ACK of a 2xx: that
    /// is the dialog's.
    fn ack_of_failure(&mut self, id: ServerId, now: Duration) -> bool {
        let timing = self.timing();
        let Some(Server { machine: Machine::Invite(machine), last, .. }) = self.servers.get_mut(&id) else {
            return true;
        };
        let failed = last.as_ref().is_some_and(|last| !is_success(last)) || machine.is_open();
        if failed {
            machine.acked(&timing, now);
            self.settle(id, now);
        }
        failed
    }

    /// A request that begins something.
    fn outside_in(&mut self, incoming: Incoming, now: Duration) {
        if let Some(cause) = self.too_much(&incoming, now) {
            return self.refuse(incoming, cause);
        }
        if let Err(refusal) = self.acceptable_outside(&incoming.request) {
            return self.refuse(incoming, refusal);
        }
        let origin = self.origin(&incoming);
        if self.by_origin.get(origin).is_some() {
            return self.refuse(incoming, Cause::Merged);
        }
        if self.is_loop(&incoming) {
            return self.refuse(incoming, Cause::Loop);
        }
        if let Err(refusal) = self.acceptable(&incoming.request) {
            return self.refuse(incoming, refusal);
        }
        let (request, flow) = (incoming.request.clone(), incoming.flow);
        let is_invite = incoming.method == Method::Invite;
        let dialog_id = is_invite.then(|| DialogId(self.mint.id()));
        let tag = match dialog_id {
            Some(dialog_id) => self.mint.tag(dialog_id.0),
            None => self.stateless_tag(incoming.key),
        };
        let server = self.open(incoming, dialog_id, Some(origin), tag.clone(), now);
        if let Some(dialog_id) = dialog_id {
            let dialog = self.called(&request, flow, server, tag);
            self.dialogs.insert(dialog_id, dialog);
        }
        self.report(Event::Request { server, dialog: dialog_id, request, flow });
    }

    /// The dialog that an INVITE would make.
    pub(super) fn called(&self, request: &Request, flow: Flow, invite: ServerId, local_tag: String) -> Dialog {
        let text = |name: Name| request.header(&name).unwrap_or_default();
        let secure =
            request.request_uri_text().is_some_and(|uri| uri.get(..5).is_some_and(|s| s.eq_ignore_ascii_case("sips:")));
        let over = (flow.transport, Some(flow));
        let contact = self.contact(over, calls::called_user(request).as_deref(), secure, &Headers::new());
        let parties = Parties {
            call_id: request.call_id().to_owned(),
            local: format!("{};tag={local_tag}", text(Name::To)),
            local_tag,
            remote_tag: Some(glance::tag(text(Name::From)).unwrap_or_default().to_owned()),
            remote: text(Name::From).to_owned(),
        };
        // Without Contact the peer can only be where it says it is.
        let target = glance::uri(text(Name::From)).to_owned();
        let min_se = calls::seconds(self.config.min_se).max(LEAST);
        let mut dialog = Dialog {
            caller: false,
            remote_cseq: request.cseq().ok().map(|(number, _)| number),
            invites: Invites { theirs: Some(invite), ..Invites::default() },
            servers: smallvec::smallvec![invite],
            ..Dialog::new(Usage::Session, Phase::Called { invite }, parties, target, contact, min_se)
        };
        dialog.path.routes = request.values(&Name::RecordRoute).map(str::to_owned).collect();
        dialog.path.flow = Some(flow);
        dialog.refresh_target(request);
        dialog
    }

    /// From tag, Call-ID and CSeq: the same on another way means that a proxy forked to us twice (RFC 3261 §8.2.2.2).
    fn origin(&self, incoming: &Incoming) -> Key {
        let mut fold = Fold::new(self.mint.secret);
        fold.part("origin").part(incoming.request.from_tag().unwrap_or_default()).part(incoming.request.call_id());
        fold.number(incoming.cseq.into()).part(incoming.method.as_str());
        fold.key()
    }

    /// Our own INVITE came back with its Request-URI as it left: nobody on the way changed anything, so it would circle.
    fn is_loop(&self, incoming: &Incoming) -> bool {
        let ours = incoming.request.from_tag().and_then(|tag| self.mint.owner_of_tag(tag)).map(DialogId);
        let Some(Dialog { phase: Phase::Calling { invite }, parties, .. }) = ours.and_then(|id| self.dialogs.get(&id))
        else {
            return false;
        };
        parties.call_id == incoming.request.call_id()
            && self
                .clients
                .get(invite)
                .is_some_and(|client| client.message.request_uri_text() == incoming.request.request_uri_text())
    }

    /// Opens a server transaction.
    pub(super) fn open(
        &mut self,
        incoming: Incoming,
        dialog: Option<DialogId>,
        origin: Option<Key>,
        tag: String,
        now: Duration,
    ) -> ServerId {
        let id = ServerId(self.mint.id());
        let Incoming { flow, request, method, cseq, key, back, sent_port, .. } = incoming;
        let reliable = flow.transport.is_reliable();
        let machine = match method {
            Method::Invite => Machine::Invite(ServerInvite::new(reliable, &self.timing(), now)),
            _ => Machine::Other(ServerOther::new(reliable, &self.timing(), now)),
        };
        self.by_key.insert(key, id);
        if let Some(origin) = origin {
            self.by_origin.insert(origin, id);
        }
        let server = Server {
            machine,
            key,
            origin,
            dialog,
            request,
            cseq,
            tag,
            flow,
            back,
            sent_port,
            last: None,
            early: None,
            armed: None,
        };
        self.servers.insert(id, server);
        self.settle(id, now);
        id
    }

    /// An answer without a transaction (RFC 3261 §8.2.7): the same each time the request comes.
    pub(super) fn answer_stateless(&mut self, incoming: &Incoming, status: Status, headers: &Headers) {
        let tag = self.stateless_tag(incoming.key);
        self.reply(incoming, &tag, status, headers);
    }

    /// Answers a request that nothing is to come of, in place of [`Endpoint::receive`]: nothing is remembered, and the
    /// answer is the same each time the request comes (RFC 3261 §8.2.7).
    pub fn turn_away(&mut self, flow: Flow, request: &Request, status: Status, headers: &Headers) {
        if let Some(incoming) = self.read(flow, request) {
            self.count(Cause::TurnedAway);
            self.answer_stateless(&incoming, status, headers);
        }
    }

    pub(super) fn reply(&mut self, incoming: &Incoming, tag: &str, status: Status, headers: &Headers) {
        let answer = Answer { tag, contact: None, own: &[], headers, body: None };
        let answer = self.compose_answer(&incoming.request, status, answer);
        self.send(incoming.back.clone(), answer.bytes().clone());
    }

    fn stateless_tag(&self, key: Key) -> String {
        let mut tag = String::with_capacity(13);
        super::mint::push(&mut tag, key.number());
        tag
    }

    /// Arms the timer anew, or forgets the transaction when it has nothing more to wait for.
    pub(super) fn settle(&mut self, id: ServerId, now: Duration) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let due = server.machine.schedule().due();
        if !server.is_open() && due.is_some_and(|at| at <= now) {
            return self.drop_server(id, now);
        }
        self.timers.arm(Timer::Server(id), &mut server.armed, due);
    }

    pub(super) fn drop_server(&mut self, id: ServerId, now: Duration) {
        self.forget_early(id);
        let Some(mut server) = self.servers.remove(&id) else { return };
        if server.dialog.is_some() && server.origin.is_some() && server.flow.transport.is_reliable() {
            self.ended.insert(server.key, now + self.timing().patience(), now);
        }
        self.timers.arm(Timer::Server(id), &mut server.armed, None);
        self.by_key.remove(server.key);
        if let Some(origin) = server.origin {
            self.by_origin.remove(origin);
        }
    }

    pub(super) fn server_due(&mut self, id: ServerId, now: Duration) {
        let timing = self.timing();
        let Some(server) = self.servers.get_mut(&id) else { return };
        server.armed = None;
        match server.machine.tick(&timing, now) {
            Due::Resend => self.send_last(id),
            Due::Trying => self.respond(id, Status(100), Headers::new(), None, now),
            Due::NotAcked => return self.not_acked(id, now),
            Due::TimedOut => return self.unanswered(id, now),
            Due::Gone => return self.drop_server(id, now),
            Due::Nothing | Due::RungOut => {}
        }
        self.settle(id, now);
    }

    /// The user has let an INVITE lie for longer than anything may ring. Its peer hears 480 and the dialog that it would
    /// have made is over; a dialog that stands goes on without the change that was asked for (RFC 3261 §14.2).
    fn invite_unanswered(&mut self, id: ServerId, dialog: Option<DialogId>, now: Duration) {
        let Some(dialog) = dialog else { return self.drop_server(id, now) };
        let headers = self.told(&Cause::Unanswered.into());
        self.respond(id, Cause::Unanswered.status(), headers, None, now);
        if !self.dialogs.contains_key(&dialog) {
            let why = "nobody answered the INVITE in time: its sender was told 480".into();
            self.report(Event::Expired { dialog, why });
        }
    }

    /// The user has let a request lie until its sender gave up.
    fn unanswered(&mut self, id: ServerId, now: Duration) {
        let Some(server) = self.servers.get(&id) else { return };
        let (dialog, is_bye) = (server.dialog, server.request.is(&Method::Bye));
        if server.request.is(&Method::Invite) {
            return self.invite_unanswered(id, dialog, now);
        }
        if let Some(found) = dialog.and_then(|dialog| self.dialogs.get_mut(&dialog)) {
            found.forget_server(id);
        }
        self.drop_server(id, now);
        if let (Some(dialog), true) = (dialog, is_bye) {
            self.answer_pending(dialog, now);
            self.drop_dialog(dialog);
        }
    }
}

/// The cookie of RFC 3261, and something after it.
fn is_magic(branch: &str) -> bool {
    let cookie = branch.get(..BRANCH_COOKIE.len());
    cookie.is_some_and(|cookie| cookie.eq_ignore_ascii_case(BRANCH_COOKIE)) && branch.len() > BRANCH_COOKIE.len()
}

fn is_success(answer: &Bytes) -> bool {
    answer.starts_with(b"SIP/2.0 2")
}
