//! Requests we sent: their transactions, the matching of answers, CANCEL (RFC 3261 §17.1, §9.1).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::compose::cancel_of;
use super::timers::Timer;
use super::{ClientId, DialogId, Endpoint, Failure, reliable};
use crate::dialog::Waiting;
use crate::message::{Body, Headers, Message, Method, Name, Response, Status};
use crate::transaction::client::ClientOther;
use crate::transaction::client_invite::ClientInvite;
use crate::transaction::{Due, Heard, Schedule, Timing};
use crate::transport::{Flow, FlowId, Hop, Target};

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
    Sent {
        by_user: bool,
    },
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
    pub(crate) tag: String,
    pub(crate) bytes: Bytes,
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
    /// Where it may go when that flow has ended: kept here too, since a BYE outlives its dialog.
    pub(crate) fallback: Option<Target>,
    /// Sent over a second connection: the first was closed before anything was heard.
    pub(crate) resent: bool,
    pub(crate) cancel: Cancel,
    pub(crate) again: Option<Again>,
    pub(crate) acks: SmallVec<[Ack; 1]>,
    /// Of an INVITE: the reliable provisional answers that came.
    pub(crate) reliable: reliable::Heard,
    pub(crate) armed: Option<Duration>,
}

impl Client {
    pub(crate) fn is_open(&self) -> bool {
        match &self.machine {
            Machine::Invite(machine) => machine.is_open(),
            Machine::Other(machine) => machine.is_open(),
        }
    }

    pub(crate) fn is_unheard(&self) -> bool {
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
        let begins = purpose == Purpose::User && kind != Kind::Inside;
        let unwanted = begins && self.is_unwanted(&hop, now);
        if !unwanted {
            self.send(hop.clone(), message.bytes().clone());
        }
        let (cancel, acks) = (Cancel::No, SmallVec::new());
        let fallback = dialog.and_then(|dialog| self.dialogs.get(&dialog)?.path.fallback.clone());
        let armed = None;
        let client = Client {
            machine,
            request,
            purpose,
            kind,
            dialog,
            message,
            cseq,
            branch,
            hop,
            flow,
            fallback,
            resent: false,
            cancel,
            again,
            acks,
            reliable: reliable::Heard::default(),
            armed,
        };
        self.clients.insert(id, client);
        self.arm_client(id);
        if unwanted {
            let why = "the neighbour is overloaded and asked for less (RFC 7339)".into();
            self.fail(id, Failure::Transport(why), now);
        }
    }

    /// Whether this is one of those that the neighbour asked us to keep to ourselves.
    fn is_unwanted(&mut self, hop: &Hop, now: Duration) -> bool {
        let asked = self.neighbour(hop).map_or(0, |addr| self.overload.asked_by(addr, now));
        asked > 0 && self.mint.below(100) < asked
    }

    fn neighbour(&self, hop: &Hop) -> Option<SocketAddr> {
        match hop {
            Hop::Target(target) => Some(target.addr),
            Hop::Flow(flow) => self.streams.get(flow).map(|flow| flow.remote),
        }
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
        let Some((owner, branch)) = found else { return self.answered_before(flow, &response) };
        let id = if response.is(&Method::Cancel) { self.cancels.get(&owner).copied().unwrap_or(0) } else { owner };
        let timing = self.timing();
        let Some(client) = self.clients.get_mut(&id) else { return self.answered_before(flow, &response) };
        let ours = client.branch.eq_ignore_ascii_case(branch) && client.message.is(&response.method());
        // More than one Via: it was meant for somebody behind us (RFC 3261 §8.1.3.3).
        if !ours || response.values(&Name::Via).nth(1).is_some() {
            return;
        }
        let was_open = client.is_open();
        client.flow = Some(flow.id);
        if self.config.overload_control {
            let hop = client.hop.clone();
            if let (Some(addr), Some(top)) = (self.neighbour(&hop), response.values(&Name::Via).next()) {
                self.overload.hear(addr, top, now);
            }
        }
        let Some(client) = self.clients.get_mut(&id) else { return };
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
        self.start(Sending { id, request, purpose, kind, dialog: None, message, cseq, branch, hop, again: None }, now);
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

    /// Sends a request of which nothing was heard once more, when its stream has ended: the same bytes, so that whoever
    /// has it already knows it by its branch. Within a dialog it goes to the dialog's own target; an INVITE that went to a
    /// target goes there once more. Not so other requests outside of dialogs: over streams a peer forgets them with its
    /// answer, and would do them twice.
    pub(super) fn moved(&mut self, id: u64) -> bool {
        let Some(client) = self.clients.get_mut(&id).filter(|client| client.is_unheard()) else { return false };
        let again = client.purpose == Purpose::User && client.message.is(&Method::Invite) && !client.resent;
        let target = match &client.hop {
            Hop::Target(target) if again => Some(target.clone()),
            Hop::Target(_) => None,
            // The Via names a transport; over another one it would be a lie.
            Hop::Flow(_) => client
                .fallback
                .clone()
                .filter(|target| client.message.via().ok().and_then(|via| via.transport()) == Some(target.transport)),
        };
        let Some(target) = target else { return false };
        client.resent = matches!(client.hop, Hop::Target(_));
        client.hop = Hop::Target(target);
        client.flow = None;
        let (hop, bytes) = (client.hop.clone(), client.message.bytes().clone());
        self.send(hop, bytes);
        true
    }

    /// Keeps a BYE going whose connection to the dialog's own target failed it: the peer may be back within timer F.
    pub(super) fn persists(&mut self, id: u64, now: Duration) -> bool {
        let timing = self.timing();
        let Some(client) = self.clients.get_mut(&id) else { return false };
        let (Machine::Other(machine), true) = (&mut client.machine, client.message.is(&Method::Bye)) else {
            return false;
        };
        // Without a dialog's own target it was sent to a stranger once, out of courtesy.
        if client.fallback.is_none() || !machine.is_unheard() {
            return false;
        }
        machine.unsettle(&timing, now);
        self.arm_client(id);
        true
    }
}
