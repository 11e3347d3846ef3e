//! Requests within dialogs, ACK and CANCEL (RFC 3261 §12.2.2, §13.3.1.4, §14.2, §9.2).

use std::time::Duration;

use super::refusals::{Cause, Refusal};
use super::servers::{Incoming, Machine};
use super::{DialogId, Endpoint, Event, ServerId};
use crate::dialog::{Dialog, Phase, Usage};
use crate::message::{Headers, Method, Name, Request, Status};

impl Endpoint {
    /// The dialog that a request belongs to: our tag leads to it, Call-ID and the peer's tag must agree.
    fn dialog_of(&self, request: &Request) -> Option<DialogId> {
        let tag = request.to_tag()?;
        let id = self.owner_of(tag)?;
        let dialog = self.dialogs.get(&id)?;
        let parties = &dialog.parties;
        let same = parties.local_tag.eq_ignore_ascii_case(tag)
            && parties.call_id == request.call_id()
            && (parties.remote_tag.as_deref() == Some(request.from_tag().unwrap_or_default())
                || dialog.is_made_by(request));
        same.then_some(id)
    }

    /// The dialog that a tag of ours was made for, in this process or an earlier one.
    pub(super) fn owner_of(&self, tag: &str) -> Option<DialogId> {
        match self.carried.get(&tag.to_ascii_lowercase()) {
            Some(carried) => Some(*carried),
            None => self.mint.owner_of_tag(tag).map(DialogId),
        }
    }

    pub(super) fn inside_in(&mut self, incoming: Incoming, now: Duration) {
        // Twice the room of requests outside: a peer within a dialog may still not fill our memory.
        if self.servers.len() >= self.config.max_transactions.saturating_mul(2) {
            return self.refuse(incoming, Cause::Overload);
        }
        let Some(dialog_id) = self.dialog_of(&incoming.request) else {
            return self.refuse(incoming, Cause::NoDialog);
        };
        let refusal = self.in_order(dialog_id, &incoming);
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        dialog.path.flow = Some(incoming.flow);
        let (request, flow) = (incoming.request.clone(), incoming.flow);
        let tag = dialog.parties.local_tag.clone();
        if let Err(refusal) = refusal {
            // With a transaction: asked again, the answer must not be another one.
            let server = self.open(incoming, None, None, tag, now);
            let headers = self.told(&refusal);
            return self.respond(server, refusal.cause.status(), headers, None, now);
        }
        dialog.remote_cseq = Some(incoming.cseq);
        let method = incoming.method.clone();
        let subscribed = dialog.usage == Usage::Subscription;
        match method {
            Method::Notify if dialog.is_made_by(&request) => dialog.met_by(&request),
            Method::Invite | Method::Update => dialog.refresh_target(&request),
            Method::Subscribe | Method::Notify if subscribed => dialog.refresh_target(&request),
            _ => {}
        }
        let phase = dialog.phase.clone();
        if method == Method::Prack && self.config.reliable {
            if let Some(invite) = self.pracked(dialog_id, &request) {
                return self.prack_in(dialog_id, invite, incoming, now);
            }
            // Of an answer that nobody waits to hear of (RFC 3262 §3).
            let server = self.open(incoming, None, None, tag, now);
            let headers = self.told(&Cause::NoTransaction.into());
            return self.respond(server, Status(481), headers, None, now);
        }
        match (method, phase) {
            (Method::Bye, Phase::Called { invite }) => {
                // A caller may give up by BYE instead of CANCEL (RFC 3261 §15).
                let server = self.open(incoming, None, None, tag, now);
                self.respond(server, Status(200), Headers::new(), None, now);
                self.withdraw(invite, now);
            }
            (Method::Bye, Phase::Leaving { .. }) => {
                let server = self.open(incoming, None, None, tag, now);
                self.respond(server, Status(200), Headers::new(), None, now);
                self.drop_dialog(dialog_id);
            }
            (_, Phase::Leaving { .. }) => {
                let server = self.open(incoming, None, None, tag, now);
                self.respond(server, Status(481), Headers::new(), None, now);
            }
            (method, _) => {
                let server = self.open(incoming, Some(dialog_id), None, tag, now);
                if let Some(dialog) = self.dialogs.get_mut(&dialog_id) {
                    dialog.servers.push(server);
                    if method == Method::Invite {
                        dialog.invites.theirs = Some(server);
                    }
                }
                self.report(Event::InDialog { server, dialog: dialog_id, request, flow });
            }
        }
    }

    /// CSeq order (RFC 3261 §12.2.2), one INVITE at a time (§14.2), one UPDATE at a time (RFC 3311 §5.2).
    fn in_order(&mut self, dialog_id: DialogId, incoming: &Incoming) -> Result<(), Refusal> {
        let soon = self.mint.below(11).to_string();
        let wait = |cause| Refusal::with(cause, Name::RetryAfter, soon.clone());
        let Some(dialog) = self.dialogs.get(&dialog_id) else { return Ok(()) };
        if dialog.remote_cseq.is_some_and(|last| incoming.cseq <= last) {
            return Err(wait(Cause::OutOfOrder));
        }
        let ours = dialog.invites.ours.is_some() || dialog.invites.unacked.is_some();
        match incoming.method {
            Method::Invite if self.is_unanswered(dialog.invites.theirs) => return Err(wait(Cause::Pending)),
            // Our 2xx is on its way or its ACK is: no new offer can be understood before (RFC 5407 §3.1.5).
            Method::Invite if ours || dialog.invites.theirs.is_some() => return Err(Cause::Glare.into()),
            Method::Update if self.has_unanswered(dialog, &Method::Update) => return Err(wait(Cause::Pending)),
            Method::Update if ours && incoming.request.body().is_some() => {
                return Err(Cause::Glare.into());
            }
            _ => {}
        }
        self.acceptable(&incoming.request)
    }

    fn is_unanswered(&self, server: Option<ServerId>) -> bool {
        server.and_then(|id| self.servers.get(&id)).is_some_and(|server| server.is_open())
    }

    fn has_unanswered(&self, dialog: &Dialog, method: &Method) -> bool {
        let same = |id: &ServerId| self.servers.get(id).is_some_and(|server| server.request.is(method));
        dialog.servers.iter().any(same)
    }

    /// The ACK of a 2xx. One that fits nothing is dropped.
    pub(super) fn ack_in(&mut self, incoming: Incoming, now: Duration) {
        let Some(dialog_id) = self.dialog_of(&incoming.request) else { return };
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        let Some(invite) = dialog.invites.theirs else { return };
        let Some(server) = self.servers.get_mut(&invite).filter(|server| server.cseq == incoming.cseq) else { return };
        let Machine::Invite(machine) = &mut server.machine else { return };
        if !machine.success_acked(now) {
            return;
        }
        dialog.invites.theirs = None;
        dialog.path.flow = Some(incoming.flow);
        let phase = dialog.phase.clone();
        self.settle(invite, now);
        if let Phase::Leaving { farewell } = phase {
            return self.bye(dialog_id, &farewell, now);
        }
        self.report(Event::Acked { dialog: dialog_id, ack: incoming.request });
        self.next_invite(dialog_id, now);
    }

    /// CANCEL: 200 whenever its INVITE is known; 487 for the INVITE if it is unanswered (RFC 3261 §9.2). It needs no
    /// transaction of its own: asked again, we say the same.
    pub(super) fn cancel_in(&mut self, incoming: Incoming, invite: Option<ServerId>, now: Duration) {
        let known = invite.and_then(|id| Some((id, self.servers.get(&id)?)));
        let Some((id, server)) = known else {
            return self.refuse(incoming, Cause::NoTransaction);
        };
        let tag = server.tag.clone();
        self.reply(&incoming, &tag, Status(200), &Headers::new());
        self.withdraw(id, now);
    }

    /// The peer no longer wants its INVITE answered.
    fn withdraw(&mut self, invite: ServerId, now: Duration) {
        let Some(server) = self.servers.get(&invite).filter(|server| server.is_open()) else { return };
        let (dialog, request) = (server.dialog, server.request.clone());
        self.respond(invite, Status(487), Headers::new(), None, now);
        if let Some(dialog) = dialog {
            self.report(Event::Cancelled { server: invite, dialog, request });
        }
    }
}
