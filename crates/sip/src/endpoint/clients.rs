//! Requests we sent: their transactions, what answers mean, ACK and CANCEL (RFC 3261 §17.1, §9.1, §13.2.2).

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::timers::Timer;
use super::{ClientId, DialogId, Endpoint, Event, Failure, glance};
use crate::dialog::{Phase, Unacked, Waiting};
use crate::message::{Body, Builder, Headers, Message, Method, Name, Response, Status};
use crate::transaction::client::ClientOther;
use crate::transaction::client_invite::ClientInvite;
use crate::transaction::{Due, Heard, Schedule, Timing};
use crate::transport::{Flow, FlowId, Hop};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Machine {
    Invite(ClientInvite),
    Other(ClientOther),
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
            Machine::Invite(machine) => machine.tick(now),
            Machine::Other(machine) => machine.tick(timing, now),
        }
    }

    fn heard(&mut self, status: Status, timing: &Timing, now: Duration) -> Heard {
        match self {
            Machine::Invite(machine) => machine.heard(status, timing, now),
            Machine::Other(machine) => machine.heard(status, timing, now),
        }
    }
}

/// Who wants to know how it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    User,
    /// Our own UPDATE that refreshes a session.
    Refresh,
    /// Nobody: CANCEL, the BYE of an ended dialog, what was under way in one.
    Nobody,
}

/// What a request is to its dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// The INVITE that makes it.
    Initial,
    /// Within it.
    Inside,
    /// There is none.
    Outside,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Cancel {
    No,
    /// As soon as a provisional answer came (RFC 3261 §9.1).
    Wanted(Headers),
    /// By the user, or because it rang too long.
    Sent { by_user: bool },
}

/// An INVITE outside a dialog as its user gave it, to send it once more after a 422.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Initial {
    pub(crate) hop: Hop,
    pub(crate) uri: String,
    pub(crate) to: String,
    pub(crate) max_forwards: u8,
    pub(crate) headers: Headers,
    pub(crate) body: Option<Body>,
}

/// What an INVITE needs to be sent once more under a new CSeq: after 422 or 491.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Again {
    Initial(Box<Initial>),
    Inside(Box<Waiting>),
}

/// The ACK that a final answer to our INVITE got, by the tag of who answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ack {
    tag: String,
    bytes: Bytes,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) machine: Machine,
    /// What the user knows it by: the id of the first of the transactions that carried it.
    pub(crate) request: ClientId,
    pub(crate) purpose: Purpose,
    pub(crate) kind: Kind,
    pub(crate) dialog: Option<DialogId>,
    pub(crate) message: Message,
    pub(crate) cseq: u32,
    pub(crate) branch: String,
    pub(crate) hop: Hop,
    /// The flow that it went over, once known.
    pub(crate) flow: Option<FlowId>,
    pub(crate) cancel: Cancel,
    pub(crate) again: Option<Again>,
    pub(crate) acks: SmallVec<[Ack; 1]>,
    pub(crate) armed: Option<Duration>,
}

impl Client {
    pub(crate) fn is_open(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_open(),
            Machine::Other(machine) => machine.is_open(),
        }
    }

    fn is_unheard(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_unheard(),
            Machine::Other(machine) => machine.is_unheard(),
        }
    }
}

/// A request ready to go.
pub(super) struct Sending {
    pub(super) id: u64,
    pub(super) request: ClientId,
    pub(super) purpose: Purpose,
    pub(super) kind: Kind,
    pub(super) dialog: Option<DialogId>,
    pub(super) message: Message,
    pub(super) cseq: u32,
    pub(super) branch: String,
    pub(super) hop: Hop,
    pub(super) again: Option<Again>,
}

impl Endpoint {
    /// Opens the transaction and sends.
    pub(super) fn start(&mut self, sending: Sending, now: Duration) {
        let Sending { id, request, purpose, kind, dialog, message, cseq, branch, hop, again } = sending;
        let timing = self.timing();
        let reliable = self.transport_of(&hop).is_reliable();
        let machine = match message.is(&Method::Invite) {
            true => Machine::Invite(ClientInvite::new(reliable, &timing, now)),
            false => Machine::Other(ClientOther::new(reliable, &timing, now)),
        };
        let flow = match &hop {
            Hop::Flow(flow) => Some(*flow),
            Hop::Target(_) => None,
        };
        self.send(hop.clone(), message.bytes().clone());
        let (cancel, acks) = (Cancel::No, SmallVec::new());
        let client = Client {
            machine, request, purpose, kind, dialog, message, cseq, branch, hop, flow, cancel, again, acks, armed: None,
        };
        self.clients.insert(id, client);
        self.arm_client(id);
    }

    fn arm_client(&mut self, id: u64) {
        if let Some(client) = self.clients.get_mut(&id) {
            let due = client.machine.schedule().due();
            self.timers.arm(Timer::Client(id), &mut client.armed, due);
        }
    }

    pub(super) fn drop_client(&mut self, id: u64) -> Option<Client> {
        let mut client = self.clients.remove(&id)?;
        self.timers.arm(Timer::Client(id), &mut client.armed, None);
        if client.message.is(&Method::Cancel) {
            let invite = self.mint.owner_of_branch(&client.branch);
            invite.and_then(|invite| self.cancels.remove(&invite));
        }
        if let Some(dialog) = client.dialog.and_then(|dialog| self.dialogs.get_mut(&dialog)) {
            dialog.forget_client(id);
        }
        Some(client)
    }

    pub(super) fn client_due(&mut self, id: u64, now: Duration) {
        let timing = self.timing();
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.armed = None;
        match client.machine.tick(&timing, now) {
            Due::Resend => {
                let (hop, bytes) = (client.hop.clone(), client.message.bytes().clone());
                self.send(hop, bytes);
            }
            Due::TimedOut => {
                let failure = match client.cancel {
                    Cancel::Wanted(_) | Cancel::Sent { by_user: true } => Failure::Cancelled,
                    Cancel::No | Cancel::Sent { by_user: false } => Failure::Timeout,
                };
                return self.fail(id, failure, now);
            }
            Due::RungOut => self.send_cancel(id, &Headers::new(), false, now),
            Due::Gone => {
                self.drop_client(id);
                return;
            }
            Due::Nothing | Due::Trying | Due::NotAcked => {}
        }
        self.arm_client(id);
    }

    /// A response arrived (RFC 3261 §17.1.3, §18.1.2).
    pub(super) fn response_in(&mut self, flow: Flow, response: Response, now: Duration) {
        let Some(status) = response.status() else { return };
        let found = response.branch().and_then(|branch| Some((self.mint.owner_of_branch(branch)?, branch)));
        let Some((owner, branch)) = found else { return };
        let id = if response.is(&Method::Cancel) { self.cancels.get(&owner).copied().unwrap_or(0) } else { owner };
        let timing = self.timing();
        let Some(client) = self.clients.get_mut(&id) else { return };
        let ours = client.branch.eq_ignore_ascii_case(branch) && client.message.is(&response.method());
        // More than one Via: it was meant for somebody behind us (RFC 3261 §8.1.3.3).
        if !ours || response.values(&Name::Via).nth(1).is_some() {
            return;
        }
        let was_open = client.is_open();
        client.flow = Some(flow.id);
        let heard = client.machine.heard(status, &timing, now);
        match (heard, client.message.is(&Method::Invite)) {
            (Heard::Nothing, _) => {}
            (Heard::Provisional, true) => self.progress(id, flow, response, now),
            (Heard::Provisional, false) => {}
            (Heard::Success, _) => self.success(id, flow, response, was_open, now),
            (Heard::Final, true) => self.refused(id, flow, response, now),
            (Heard::Final, false) => self.finished(id, flow, response, now),
            (Heard::FinalAgain, _) => {
                let ack = client.acks.first().map(|ack| (client.hop.clone(), ack.bytes.clone()));
                if let Some((hop, bytes)) = ack {
                    self.send(hop, bytes);
                }
            }
        }
        self.arm_client(id);
        self.sweep_client(id, now);
    }

    /// Over a stream a finished transaction has nothing to wait for: it goes at once, not at the next tick.
    fn sweep_client(&mut self, id: u64, now: Duration) {
        let done = |client: &Client| !client.is_open() && client.machine.schedule().due().is_some_and(|at| at <= now);
        if self.clients.get(&id).is_some_and(done) {
            self.drop_client(id);
        }
    }

    /// 1xx to an INVITE.
    fn progress(&mut self, id: u64, flow: Flow, response: Response, now: Duration) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if let Cancel::Wanted(headers) = &client.cancel {
            let headers = headers.clone();
            return self.send_cancel(id, &headers, true, now);
        }
        let (client_id, purpose, kind) = (client.request, client.purpose, client.kind);
        let Some(dialog_id) = client.dialog.filter(|_| response.status().is_some_and(|status| status.0 > 100)) else {
            return;
        };
        if let Some(dialog) = self.dialogs.get_mut(&dialog_id) {
            dialog.path.flow = Some(flow);
            if kind == Kind::Initial && matches!(dialog.phase, Phase::Calling { .. }) {
                dialog.meet(&response);
            }
        }
        if purpose == Purpose::User {
            self.report(Event::Provisional { client: client_id, dialog: dialog_id, response });
        }
    }

    /// 2xx to an INVITE: the first, the same again, or that of another fork (RFC 3261 §13.2.2.4, RFC 6026).
    fn success(&mut self, id: u64, flow: Flow, response: Response, first: bool, now: Duration) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let tag = response.to_tag().unwrap_or_default();
        if let Some(ack) = client.acks.iter().find(|ack| ack.tag == tag) {
            let bytes = ack.bytes.clone();
            return self.send(Hop::Flow(flow.id), bytes);
        }
        let (request, kind, purpose, cseq) = (client.request, client.kind, client.purpose, client.cseq);
        let cancelled = !matches!(client.cancel, Cancel::No);
        if first {
            client.again = None;
        }
        let unacked = Unacked { invite: id, cseq };
        let dialog_id = client.dialog;
        let dialog = dialog_id.and_then(|dialog| Some((dialog, self.dialogs.get_mut(&dialog)?)));
        let Some((dialog_id, dialog)) = dialog else {
            // Ended meanwhile, or cancelled by our user.
            self.decline(id, flow, &response, now);
            if first && purpose == Purpose::User {
                self.report(Event::Failed { client: request, dialog: dialog_id, failure: Failure::Cancelled });
            }
            return;
        };
        match (kind, first) {
            (Kind::Initial, true) if cancelled => {
                self.drop_dialog(dialog_id);
                self.decline(id, flow, &response, now);
                if purpose == Purpose::User {
                    let failure = Failure::Cancelled;
                    self.report(Event::Failed { client: request, dialog: Some(dialog_id), failure });
                }
            }
            (Kind::Initial, true) => {
                dialog.meet(&response);
                dialog.phase = Phase::Confirmed;
                dialog.path.flow = Some(flow);
                dialog.invites.ours = None;
                dialog.invites.unacked = Some(unacked);
                dialog.forget_client(id);
                self.agreed_by_peer(dialog_id, &response, now);
                self.report(Event::Accepted { client: request, dialog: dialog_id, response });
            }
            (Kind::Initial, false) if dialog.parties.remote_tag.as_deref() != Some(tag) => {
                self.decline(id, flow, &response, now);
            }
            (_, true) => {
                dialog.refresh_target(&response);
                dialog.path.flow = Some(flow);
                dialog.invites.ours = None;
                dialog.invites.unacked = Some(unacked);
                dialog.forget_client(id);
                self.agreed_by_peer(dialog_id, &response, now);
                self.report(Event::Accepted { client: request, dialog: dialog_id, response });
            }
            // The same again before our user has acknowledged it.
            (_, false) => {}
        }
    }

    /// Acknowledges a 2xx that nobody wants and, if it made a dialog, ends that.
    fn decline(&mut self, id: u64, flow: Flow, response: &Response, now: Duration) {
        let Some(client) = self.clients.get(&id) else { return };
        let kind = client.kind;
        let max_forwards = client.message.max_forwards().unwrap_or(70);
        let Some(stranger) = Stranger::of(response, client.cseq, max_forwards) else { return };
        let ack = self.write_to(&stranger, &Method::Ack, flow, None);
        self.acknowledge(id, response.to_tag().unwrap_or_default(), Hop::Flow(flow.id), &ack);
        if kind == Kind::Initial {
            let bye = self.mint.id();
            let branch = self.mint.branch(bye);
            let message = self.write_to(&stranger, &Method::Bye, flow, Some(&branch));
            self.start(
                Sending {
                    id: bye,
                    request: ClientId(bye),
                    purpose: Purpose::Nobody,
                    kind: Kind::Outside,
                    dialog: None,
                    message,
                    cseq: stranger.cseq + 1,
                    branch,
                    hop: Hop::Flow(flow.id),
                    again: None,
                },
                now,
            );
        }
    }

    fn write_to(&mut self, stranger: &Stranger<'_>, method: &Method, flow: Flow, branch: Option<&str>) -> Message {
        let fresh = match branch {
            Some(branch) => branch.to_owned(),
            None => {
                let id = self.mint.id();
                self.mint.branch(id)
            }
        };
        let cseq = if *method == Method::Ack { stranger.cseq } else { stranger.cseq + 1 };
        self.compose(
            super::compose::Draft {
                method,
                uri: stranger.target,
                transport: flow.transport,
                branch: &fresh,
                max_forwards: stranger.max_forwards,
                from: stranger.from,
                to: stranger.to,
                call_id: stranger.call_id,
                cseq,
                contact: None,
                own: &[],
                headers: &Headers::new(),
                body: None,
            },
            stranger.routes.iter().copied(),
        )
    }

    /// Sends an ACK and keeps it for when the answer comes again.
    pub(super) fn acknowledge(&mut self, invite: u64, tag: &str, hop: Hop, ack: &Message) {
        if let Some(client) = self.clients.get_mut(&invite) {
            client.acks.push(Ack { tag: tag.to_owned(), bytes: ack.bytes().clone() });
        }
        self.send(hop, ack.bytes().clone());
    }

    /// 300–699 to an INVITE: ACK within the transaction (RFC 3261 §17.1.1.3), then tell.
    fn refused(&mut self, id: u64, flow: Flow, response: Response, now: Duration) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let ack = ack_of_failure(&client.message, &response);
        let hop = client.hop.clone();
        let (request, kind, purpose) = (client.request, client.kind, client.purpose);
        let dialog_id = client.dialog;
        let cancelled = !matches!(client.cancel, Cancel::No);
        let again = client.again.take();
        self.acknowledge(id, response.to_tag().unwrap_or_default(), hop, &ack);
        let status = response.status().unwrap_or(Status(500));
        if let Some(dialog) = dialog_id.and_then(|dialog| self.dialogs.get_mut(&dialog)) {
            dialog.path.flow = Some(flow);
            dialog.invites.ours = None;
            dialog.forget_client(id);
        }
        if let (Some(again), Some(dialog_id), false) = (again, dialog_id, cancelled || purpose != Purpose::User) {
            if self.once_more(request, dialog_id, status, &response, again, now) {
                return;
            }
        }
        if let (Kind::Initial, Some(dialog_id)) = (kind, dialog_id) {
            self.drop_dialog(dialog_id);
        }
        if purpose == Purpose::User {
            self.report(Event::Final { client: request, dialog: dialog_id, response });
        }
        if let (Kind::Inside, Some(dialog_id)) = (kind, dialog_id) {
            self.after_inside(dialog_id, status, now);
        }
    }

    /// The last word on a request of any other method.
    fn finished(&mut self, id: u64, flow: Flow, response: Response, now: Duration) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (request, purpose, dialog_id) = (client.request, client.purpose, client.dialog);
        let (is_update, is_bye) = (client.message.is(&Method::Update), client.message.is(&Method::Bye));
        let status = response.status().unwrap_or(Status(500));
        if let Some(dialog) = dialog_id.and_then(|dialog| self.dialogs.get_mut(&dialog)) {
            dialog.path.flow = Some(flow);
            dialog.forget_client(id);
            if is_update && status.is_success() {
                dialog.refresh_target(&response);
            }
        }
        if let (true, true, Some(dialog_id)) = (is_update, status.is_success(), dialog_id) {
            self.agreed_by_peer(dialog_id, &response, now);
        }
        match (purpose, dialog_id) {
            (Purpose::User, _) => self.report(Event::Final { client: request, dialog: dialog_id, response }),
            (Purpose::Refresh, Some(dialog_id)) => self.refreshed(dialog_id, status, &response, now),
            (Purpose::Refresh | Purpose::Nobody, _) => {}
        }
        if let (false, Some(dialog_id)) = (is_bye, dialog_id) {
            self.after_inside(dialog_id, status, now);
        }
    }

    /// No answer will come.
    pub(super) fn fail(&mut self, id: u64, failure: Failure, now: Duration) {
        let Some(client) = self.drop_client(id) else { return };
        let timed_out = failure == Failure::Timeout;
        let inside = client.dialog.filter(|_| client.kind == Kind::Inside);
        match (client.kind, client.dialog) {
            (Kind::Initial, Some(dialog_id)) => self.drop_dialog(dialog_id),
            (_, Some(dialog_id)) if client.message.is(&Method::Invite) => {
                if let Some(dialog) = self.dialogs.get_mut(&dialog_id) {
                    dialog.invites.ours = None;
                }
            }
            _ => {}
        }
        match (client.purpose, client.dialog) {
            (Purpose::User, dialog) => self.report(Event::Failed { client: client.request, dialog, failure }),
            (Purpose::Refresh, Some(dialog_id)) if !timed_out => self.refresh_later(dialog_id, now),
            (Purpose::Refresh | Purpose::Nobody, _) => {}
        }
        if let (Some(dialog_id), false) = (inside, client.message.is(&Method::Bye)) {
            match timed_out {
                true => self.after_inside(dialog_id, Status(408), now),
                false => self.next_invite(dialog_id, now),
            }
        }
    }

    /// CANCEL for an INVITE that has met a provisional answer (RFC 3261 §9.1).
    pub(super) fn send_cancel(&mut self, invite: u64, headers: &Headers, by_user: bool, now: Duration) {
        let timing = self.timing();
        let Some(client) = self.clients.get_mut(&invite) else { return };
        let Machine::Invite(machine) = &mut client.machine else { return };
        if !machine.is_open() {
            return;
        }
        machine.cancelled(&timing, now);
        client.cancel = Cancel::Sent { by_user };
        let message = cancel_of(&client.message, headers);
        let (branch, hop, cseq) = (client.branch.clone(), client.hop.clone(), client.cseq);
        let id = self.mint.id();
        self.cancels.insert(invite, id);
        let request = ClientId(id);
        let (purpose, kind) = (Purpose::Nobody, Kind::Outside);
        self.start(
            Sending { id, request, purpose, kind, dialog: None, message, cseq, branch, hop, again: None },
            now,
        );
        self.arm_client(invite);
    }

    /// The user wants an INVITE cancelled: now if it may be, else with the first provisional answer.
    pub(super) fn want_cancel(&mut self, invite: u64, headers: Headers, now: Duration) {
        let Some(client) = self.clients.get_mut(&invite) else { return };
        match (&client.cancel, client.is_open(), client.is_unheard()) {
            (Cancel::No, true, true) => client.cancel = Cancel::Wanted(headers),
            (Cancel::No, true, false) => self.send_cancel(invite, &headers, true, now),
            _ => {}
        }
    }

    /// Sends an unanswered request within a dialog once more, to the dialog's own target, when its stream has ended.
    pub(super) fn moved(&mut self, id: u64) -> bool {
        let Some(client) = self.clients.get(&id) else { return false };
        let (Hop::Flow(_), true) = (&client.hop, client.is_unheard()) else { return false };
        let path = client.dialog.and_then(|dialog| self.dialogs.get(&dialog)).map(|dialog| &dialog.path);
        let Some(target) = path.and_then(|path| path.fallback.clone()) else { return false };
        // The Via names a transport; over another one it would be a lie.
        if client.message.via().ok().and_then(|via| via.transport()) != Some(target.transport) {
            return false;
        }
        let (hop, bytes) = (Hop::Target(target), client.message.bytes().clone());
        if let Some(client) = self.clients.get_mut(&id) {
            client.hop = hop.clone();
            client.flow = None;
        }
        self.send(hop, bytes);
        true
    }
}

/// The other end of a dialog that we do not keep, as its 2xx describes it.
struct Stranger<'a> {
    target: &'a str,
    routes: Vec<&'a str>,
    from: &'a str,
    to: &'a str,
    call_id: &'a str,
    cseq: u32,
    max_forwards: u8,
}

impl<'a> Stranger<'a> {
    fn of(response: &'a Response, cseq: u32, max_forwards: u8) -> Option<Stranger<'a>> {
        let mut routes: Vec<&str> = response.values(&Name::RecordRoute).collect();
        routes.reverse();
        Some(Stranger {
            target: glance::uri(response.values(&Name::Contact).next()?),
            routes,
            from: response.header(&Name::From)?,
            to: response.header(&Name::To)?,
            call_id: response.call_id(),
            cseq,
            max_forwards,
        })
    }
}

/// RFC 3261 §17.1.1.3: the INVITE's Request-URI, top Via, Route, From, Call-ID; the answer's To.
fn ack_of_failure(invite: &Message, response: &Response) -> Message {
    hop_by_hop(invite, &Method::Ack, response.header(&Name::To)).build()
}

/// RFC 3261 §9.1: all of it from the INVITE.
fn cancel_of(invite: &Message, headers: &Headers) -> Message {
    let kept = headers.iter().filter(|(name, _)| matches!(name, Name::Reason | Name::SessionId | Name::Other(_)));
    kept.fold(hop_by_hop(invite, &Method::Cancel, None), |text, (name, value)| text.header(name, value)).build()
}

fn hop_by_hop(invite: &Message, method: &Method, to: Option<&str>) -> Builder {
    let (number, _) = invite.cseq().unwrap_or((0, Method::Invite));
    let text = Builder::request(method, invite.request_uri_text().unwrap_or_default())
        .copy_top_via(invite)
        .header(&Name::MaxForwards, 70)
        .copy(invite, &Name::Route)
        .copy(invite, &Name::From);
    let text = match to {
        Some(to) => text.header(&Name::To, to),
        None => text.copy(invite, &Name::To),
    };
    text.copy(invite, &Name::CallId).header(&Name::CSeq, format_args!("{number} {method}"))
}
