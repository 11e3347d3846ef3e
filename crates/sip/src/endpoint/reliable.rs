//! Provisional answers that arrive (RFC 3262), without a word above: where [`Config::reliable`](super::Config) is set, an
//! INVITE that requires `100rel` gets its 101–199 one at a time, each sent again until its PRACK; and what a peer sends
//! reliably is acknowledged, in its order.
//!
//! A 2xx waits while a reliable answer with a description is on its way (§3). Only the answer to an offer that came in a
//! reliable 1xx is the user's: [`Endpoint::prack`].

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::calls::Ask;
use super::clients::Purpose;
use super::refusals::Cause;
use super::servers::{Incoming, Server};
use super::timers::Timer;
use super::{ClientId, DialogId, Endpoint, Event, ServerId};
use crate::message::{Body, CSeq, Headers, Message, Method, Name, RAck, RSeq, Response, Status};

pub(super) const OPTION: &str = "100rel";

/// An answer that waits for an earlier one's PRACK.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Next {
    status: Status,
    headers: Headers,
    body: Option<Body>,
}

/// A reliable answer on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Unacked {
    rseq: u32,
    bytes: Bytes,
    with_body: bool,
    retry: Duration,
    every: Duration,
    end: Duration,
}

/// Of an INVITE that we answer: what its sender has not acknowledged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reliably {
    last: u32,
    unacked: Option<Unacked>,
    queue: VecDeque<Next>,
    armed: Option<Duration>,
}

/// Of an INVITE of ours: the last reliable answer taken, and by whose tag; and one whose PRACK is the user's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Heard {
    last: Option<(String, u32)>,
    owed: Option<u32>,
}

impl Endpoint {
    /// Whether this answer must arrive. Gives the fields that say so; `Err` when it has to wait for an earlier one (it is
    /// kept and goes out later).
    pub(super) fn reliably(
        &mut self,
        id: ServerId,
        status: Status,
        headers: &Headers,
        body: Option<&Body>,
    ) -> Result<Vec<(Name, String)>, ()> {
        let wanted = self.config.reliable && (101..300).contains(&status.0);
        let Some(server) = self.servers.get_mut(&id).filter(|_| wanted) else { return Ok(Vec::new()) };
        let asked = server.request.is(&Method::Invite) && server.request.has_token(&Name::Require, OPTION);
        if !asked {
            return Ok(Vec::new());
        }
        let early = server.early.get_or_insert_default();
        let blocks = |unacked: &Unacked| status.is_provisional() || unacked.with_body;
        if early.unacked.as_ref().is_some_and(blocks) || !early.queue.is_empty() {
            let next = Next { status, headers: headers.clone(), body: body.cloned() };
            // Nobody rings in more than a few ways; what is more says nothing new.
            if early.queue.len() < 16 || status.is_final() {
                early.queue.push_back(next);
            }
            return Err(());
        }
        if status.is_final() {
            return Ok(Vec::new());
        }
        // RFC 3262 §3: the first number is anything up to 2^31; from 1 it tells nothing.
        early.last += 1;
        let rseq = early.last;
        Ok(vec![(Name::Require, OPTION.to_owned()), (Name::RSeq, rseq.to_string())])
    }

    /// A reliable answer went out: it is sent again until its PRACK.
    pub(super) fn sent_reliably(&mut self, id: ServerId, answer: &Message, now: Duration) {
        let (t1, patience) = (self.config.t1, self.timing().patience());
        let Some(Ok(RSeq(rseq))) = answer.typed::<RSeq>() else { return };
        let Some(early) = self.servers.get_mut(&id).and_then(|server| server.early.as_mut()) else { return };
        let with_body = answer.body().is_some();
        let bytes = answer.bytes().clone();
        early.unacked = Some(Unacked { rseq, bytes, with_body, retry: now + t1, every: t1, end: now + patience });
        self.arm_early(id);
    }

    /// A final answer went out, or the transaction is gone: nothing more needs to arrive.
    pub(super) fn forget_early(&mut self, id: ServerId) {
        if let Some(early) = self.servers.get_mut(&id).and_then(|server| server.early.as_mut()) {
            (early.unacked, early.queue) = (None, VecDeque::new());
            self.timers.arm(Timer::Early(id), &mut early.armed, None);
        }
    }

    fn arm_early(&mut self, id: ServerId) {
        if let Some(early) = self.servers.get_mut(&id).and_then(|server| server.early.as_mut()) {
            let due = early.unacked.as_ref().map(|unacked| unacked.retry.min(unacked.end));
            self.timers.arm(Timer::Early(id), &mut early.armed, due);
        }
    }

    pub(super) fn early_due(&mut self, id: ServerId, now: Duration) {
        let Some(server) = self.servers.get_mut(&id) else { return };
        let (dialog, back) = (server.dialog, server.back.clone());
        let Some(early) = &mut server.early else { return };
        early.armed = None;
        let Some(unacked) = &mut early.unacked else { return };
        if unacked.end > now {
            // Not capped by T2 (RFC 3262 §3).
            unacked.every *= 2;
            unacked.retry = now + unacked.every;
            let bytes = unacked.bytes.clone();
            self.send(back, bytes);
            return self.arm_early(id);
        }
        self.forget_early(id);
        let headers = self.told(&Cause::Unanswered.into());
        self.respond(id, Status(504), headers, None, now);
        if let Some(dialog) = dialog.filter(|dialog| !self.dialogs.contains_key(dialog)) {
            let why = "a provisional answer was never acknowledged (RFC 3262): the INVITE was refused by 504".into();
            self.report(Event::Expired { dialog, why });
        }
    }

    /// The INVITE of the dialog whose answer this PRACK acknowledges.
    pub(super) fn pracked(&self, dialog: DialogId, request: &Message) -> Option<ServerId> {
        let id = self.dialogs.get(&dialog)?.invites.theirs?;
        let rack = request.typed::<RAck>()?.ok()?;
        let server: &Server = self.servers.get(&id)?;
        let unacked = server.early.as_ref()?.unacked.as_ref()?;
        let same = rack.rseq == unacked.rseq && rack.cseq.number == server.cseq && rack.cseq.method == Method::Invite;
        same.then_some(id)
    }

    /// A PRACK that fits. Without a body it is answered here; with one, which answers or makes an offer, by the user.
    pub(super) fn prack_in(&mut self, dialog_id: DialogId, invite: ServerId, incoming: Incoming, now: Duration) {
        let (request, flow) = (incoming.request.clone(), incoming.flow);
        let Some(tag) = self.dialogs.get(&dialog_id).map(|dialog| dialog.parties.local_tag.clone()) else { return };
        let queue = match self.servers.get_mut(&invite).and_then(|server| server.early.as_mut()) {
            Some(early) => {
                early.unacked = None;
                std::mem::take(&mut early.queue)
            }
            None => VecDeque::new(),
        };
        self.arm_early(invite);
        if request.body().is_none() {
            let server = self.open(incoming, None, None, tag, now);
            self.respond(server, Status(200), Headers::new(), None, now);
        } else {
            let server = self.open(incoming, Some(dialog_id), None, tag, now);
            if let Some(dialog) = self.dialogs.get_mut(&dialog_id) {
                dialog.servers.push(server);
            }
            self.report(Event::InDialog { server, dialog: dialog_id, request, flow });
        }
        // What waited goes out, as far as it may.
        for Next { status, headers, body } in queue {
            self.respond(invite, status, headers, body, now);
        }
    }

    /// Whether a provisional answer is to be looked at: a reliable one only in its order, and acknowledged (RFC 3262 §4).
    /// The second is the RSeq to acknowledge.
    pub(super) fn in_sequence(&mut self, client: u64, response: &Response) -> (bool, Option<u32>) {
        let reliable = self.config.reliable && response.has_token(&Name::Require, OPTION);
        let Some(Ok(RSeq(rseq))) = response.typed::<RSeq>().filter(|_| reliable) else { return (true, None) };
        let Some(client) = self.clients.get_mut(&client) else { return (true, None) };
        let tag = response.to_tag().unwrap_or_default();
        match &client.reliable.last {
            Some((known, last)) if known == tag && rseq != last.wrapping_add(1) => return (false, None),
            _ => client.reliable.last = Some((tag.to_owned(), rseq)),
        }
        let offer = client.message.body().is_none() && response.body().is_some();
        if offer {
            client.reliable.owed = Some(rseq);
            return (true, None);
        }
        (true, Some(rseq))
    }

    /// Sends the PRACK of a reliable answer.
    pub(super) fn acknowledge_early(
        &mut self,
        dialog: DialogId,
        cseq: u32,
        rseq: u32,
        body: Option<Body>,
        now: Duration,
    ) {
        let client = ClientId(self.mint.id());
        let rack = RAck { rseq, cseq: CSeq { number: cseq, method: Method::Invite } };
        let headers = vec![(Name::RAck, rack.to_string())];
        let ask = Ask { method: &Method::Prack, headers: &headers, body };
        // Without a way to the peer its answer comes again, and so does this.
        let _ = self.send_inside(dialog, client, Purpose::Nobody, ask, now);
    }

    /// The answer to an offer that came in a reliable provisional answer to our INVITE without one.
    pub fn prack(&mut self, dialog: DialogId, answer: Body, now: Duration) {
        let Some(invite) = self.dialogs.get(&dialog).and_then(|dialog| dialog.invites.ours) else { return };
        let Some(client) = self.clients.get_mut(&invite) else { return };
        let cseq = client.cseq;
        if let Some(rseq) = client.reliable.owed.take() {
            self.acknowledge_early(dialog, cseq, rseq, Some(answer), now);
        }
    }
}
