//! What we reply (RFC 3261 §8.2.6, §13.3, §15.1.2).

use std::time::Duration;

use super::compose::Answer;
use super::servers::Machine;
use super::{DialogId, Endpoint, Event, ServerId};
use crate::dialog::Phase;
use crate::message::{Body, Headers, Method, Name, Status};

impl Endpoint {
    // --- answers of ours

    /// Provisional or final answer. The endpoint writes Via, From, To (with our tag), Call-ID, CSeq, Record-Route,
    /// Contact, Session-Expires. A second final answer is ignored, and so is a provisional one to anything but an
    /// INVITE (RFC 4320 §4.1).
    pub fn respond(&mut self, id: ServerId, status: Status, headers: Headers, body: Option<Body>, now: Duration) {
        let Some(server) = self.servers.get(&id).filter(|server| server.is_open()) else { return };
        let method = server.request.method();
        let is_invite = method == Method::Invite;
        if status.is_provisional() && !is_invite {
            return;
        }
        let dialog_id = server.dialog;
        let request = server.request.clone();
        let tag = server.tag.clone();
        // One that has to wait for an earlier one's PRACK comes here once more.
        let Ok(mut reliably) = self.reliably(id, status, &headers, body.as_ref()) else { return };
        let mut own = match (dialog_id, status.is_success()) {
            (Some(dialog_id), true) if is_invite || method == Method::Update => self.agree(dialog_id, &request, now),
            (_, true) if is_invite || method == Method::Options => vec![(Name::Supported, "timer".to_owned())],
            _ => Vec::new(),
        };
        let arrives = !reliably.is_empty();
        own.append(&mut reliably);
        let contact = dialog_id.filter(|_| with_contact(&method, status)).and_then(|dialog_id| {
            self.dialogs.get(&dialog_id).map(|dialog| user_contact(&headers).unwrap_or(&dialog.contact).to_owned())
        });
        let answer = Answer { tag: &tag, contact: contact.as_deref(), own: &own, headers: &headers, body };
        let answer = self.compose_answer(&request, status, answer);
        let timing = self.timing();
        if let Some(server) = self.servers.get_mut(&id) {
            server.last = Some(answer.bytes().clone());
            match &mut server.machine {
                Machine::Invite(machine) => machine.answered(status, &timing, now),
                Machine::Other(machine) => machine.answered(status, &timing, now),
            }
        }
        if arrives {
            self.sent_reliably(id, &answer, now);
        }
        self.send_last(id);
        if status.is_final() {
            self.forget_early(id);
        }
        if let (Some(dialog_id), true) = (dialog_id, status.is_final()) {
            self.answered(dialog_id, id, &method, status, contact, now);
        }
        self.settle(id, now);
    }

    /// What a final answer of ours does to its dialog.
    fn answered(
        &mut self,
        dialog_id: DialogId,
        id: ServerId,
        method: &Method,
        status: Status,
        contact: Option<String>,
        now: Duration,
    ) {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        dialog.forget_server(id);
        let first = matches!(dialog.phase, Phase::Called { invite } if invite == id);
        match method {
            Method::Invite if status.is_success() => {
                dialog.contact = contact.unwrap_or(std::mem::take(&mut dialog.contact));
                if first {
                    dialog.phase = Phase::Confirmed;
                }
            }
            Method::Invite if first => self.drop_dialog(dialog_id),
            Method::Invite => {
                if dialog.invites.theirs == Some(id) {
                    dialog.invites.theirs = None;
                }
                self.next_invite(dialog_id, now);
            }
            Method::Bye => {
                self.answer_pending(dialog_id, now);
                self.drop_dialog(dialog_id);
            }
            _ => {}
        }
    }

    /// Answers what the user has left open in a dialog that ends (RFC 3261 §15.1.2).
    pub(super) fn answer_pending(&mut self, dialog_id: DialogId, now: Duration) {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        for id in std::mem::take(&mut dialog.servers) {
            let status = match self.servers.get(&id).map(|server| server.request.method()) {
                Some(Method::Bye) => Status(200),
                _ => Status(487),
            };
            self.respond(id, status, Headers::new(), None, now);
        }
    }

    /// A final answer to an INVITE met no ACK. After a 2xx the dialog is over (RFC 3261 §13.3.1.4).
    pub(super) fn not_acked(&mut self, id: ServerId, now: Duration) {
        let Some(server) = self.servers.get(&id) else { return };
        let awaited = matches!(&server.machine, Machine::Invite(machine) if machine.awaits_ack());
        let dialog_id = server.dialog.filter(|_| awaited);
        self.drop_server(id, now);
        let Some(dialog_id) = dialog_id else { return };
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        dialog.invites.theirs = None;
        match dialog.phase.clone() {
            Phase::Leaving { farewell } => self.bye(dialog_id, &farewell, now),
            _ => {
                self.answer_pending(dialog_id, now);
                let reason = "SIP;cause=408;text=\"no ACK for the 2xx\"".to_owned();
                self.bye(dialog_id, &vec![(Name::Reason, reason)], now);
                self.report(Event::NotAcked { dialog: dialog_id });
            }
        }
    }
}

/// Answers that make or refresh a dialog name where we are (RFC 3261 §12.1.1, RFC 3311 §5.2).
fn with_contact(method: &Method, status: Status) -> bool {
    match method {
        Method::Invite => (101..300).contains(&status.0),
        Method::Update | Method::Subscribe | Method::Refer | Method::Notify => status.is_success(),
        _ => false,
    }
}

fn user_contact(headers: &Headers) -> Option<&String> {
    headers.iter().find(|(name, _)| *name == Name::Contact).map(|(_, value)| value)
}
