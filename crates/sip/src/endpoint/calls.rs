//! What the user of the endpoint asks for: INVITE, CANCEL, requests in and outside dialogs, ACK, the end.

use std::time::Duration;

use super::clients::{Again, Initial, Kind, Purpose, Sending};
use super::compose::Draft;
use super::timers::Timer;
use super::{ClientId, DialogId, Endpoint, Event, Failure, Invite, Outside, glance};
use crate::dialog::{Dialog, Parties, Phase, Usage, Waiting};
use crate::message::{Body, Headers, Message, Method, Name, Status};
use crate::session_timer::LEAST;
use crate::transport::Hop;
use crate::uri::Scheme;

/// What goes into a request within a dialog.
pub(super) struct Ask<'a> {
    pub(super) method: &'a Method,
    pub(super) headers: &'a Headers,
    pub(super) body: Option<Body>,
}

impl Endpoint {
    // --- requests of ours

    /// Calls. The answers come as [`Event::Provisional`], [`Event::Accepted`], [`Event::Final`] or [`Event::Failed`].
    pub fn invite(&mut self, invite: Invite, now: Duration) -> (DialogId, ClientId) {
        let dialog_id = DialogId(self.mint.id());
        let id = self.mint.id();
        let local_tag = self.mint.tag(dialog_id.0);
        let over = (self.transport_of(&invite.hop), self.stream_of(&invite.hop));
        let secure = invite.request_uri.scheme == Scheme::Sips;
        let contact = self.contact(over, invite.contact_user.as_deref(), secure, &invite.headers);
        let to = invite.to.without_tag().to_string();
        let uri = plain(invite.request_uri).to_string();
        let parties = Parties {
            call_id: self.mint.call_id(),
            local: invite.from.with_tag(&local_tag).to_string(),
            local_tag,
            remote_tag: None,
            remote: to.clone(),
        };
        let min_se = seconds(self.config.min_se).max(LEAST);
        let phase = Phase::Calling { invite: id };
        let dialog = Dialog::new(Usage::Session, phase, parties, uri.clone(), contact, min_se);
        self.dialogs.insert(dialog_id, dialog);
        let Invite { hop, headers, body, max_forwards, .. } = invite;
        let initial = Box::new(Initial { hop, uri, to, max_forwards, headers, body });
        self.send_initial(dialog_id, id, ClientId(id), initial, now);
        (dialog_id, ClientId(id))
    }

    /// The INVITE that makes a dialog: the first, or once more with a larger session interval.
    pub(super) fn send_initial(
        &mut self,
        dialog_id: DialogId,
        id: u64,
        request: ClientId,
        initial: Box<Initial>,
        now: Duration,
    ) {
        let branch = self.mint.branch(id);
        let transport = self.transport_of(&initial.hop);
        let wanted = seconds(self.config.session_expires);
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        let cseq = dialog.next_cseq();
        dialog.phase = Phase::Calling { invite: id };
        dialog.invites.ours = Some(id);
        dialog.clients.push(id);
        let mut own = super::sessions::ask(wanted, dialog.min_se, None);
        // Without an offer of ours a reliable answer would bring one, which a user must know to answer.
        if self.config.reliable && initial.body.is_some() {
            own.push((Name::Supported, super::reliable::OPTION.to_owned()));
        }
        let Some(dialog) = self.dialogs.get(&dialog_id) else { return };
        let draft = Draft {
            method: &Method::Invite,
            uri: &initial.uri,
            transport,
            branch: &branch,
            max_forwards: initial.max_forwards,
            from: &dialog.parties.local,
            to: &initial.to,
            call_id: &dialog.parties.call_id,
            cseq,
            contact: Some(&dialog.contact),
            own: &own,
            headers: &initial.headers,
            body: initial.body.clone(),
        };
        let message = self.compose(draft, std::iter::empty());
        let hop = initial.hop.clone();
        let (purpose, kind, dialog) = (Purpose::User, Kind::Initial, Some(dialog_id));
        let again = Some(Again::Initial(initial));
        self.start(Sending { id, request, purpose, kind, dialog, message, cseq, branch, hop, again }, now);
    }

    /// CANCEL, as soon as RFC 3261 §9.1 allows (after a provisional); BYE if a 2xx crosses it, and then
    /// [`Failure::Cancelled`] is reported. A re-INVITE under way is cancelled too; where there is none, nothing happens.
    /// Of `headers`, Reason, Session-ID and unknown ones are written.
    pub fn cancel(&mut self, dialog: DialogId, headers: Headers, now: Duration) {
        if let Some(invite) = self.dialogs.get(&dialog).and_then(|dialog| dialog.invites.ours) {
            self.want_cancel(invite, headers, now);
        }
    }

    /// A request outside any dialog. Its `Max-Forwards` may be given among the headers; 70 otherwise.
    pub fn request(&mut self, request: Outside, now: Duration) -> ClientId {
        let id = self.mint.id();
        let branch = self.mint.branch(id);
        let tag = self.mint.tag(id);
        let transport = self.transport_of(&request.hop);
        let over = (transport, self.stream_of(&request.hop));
        let (call_id, cseq) = request.call_id.unwrap_or_else(|| (self.mint.call_id(), 1));
        let secure = request.request_uri.scheme == Scheme::Sips;
        let contact = self.contact(over, request.contact_user.as_deref(), secure, &request.headers);
        let hops = request.headers.iter().find(|(name, _)| *name == Name::MaxForwards);
        let draft = Draft {
            method: &request.method,
            uri: &plain(request.request_uri).to_string(),
            transport,
            branch: &branch,
            max_forwards: hops.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(70),
            from: &request.from.with_tag(&tag).to_string(),
            to: &request.to.without_tag().to_string(),
            call_id: &call_id,
            cseq,
            contact: Some(&contact),
            own: &[],
            headers: &request.headers,
            body: request.body,
        };
        let message = self.compose(draft, std::iter::empty());
        let (purpose, kind, dialog, hop) = (Purpose::User, Kind::Outside, None, request.hop);
        let request = ClientId(id);
        self.start(Sending { id, request, purpose, kind, dialog, message, cseq, branch, hop, again: None }, now);
        request
    }

    /// re-INVITE. Glare (491) is retried by the endpoint after the RFC 3261 §14.1 pause; while another INVITE of this
    /// dialog is under way, or a 2xx waits for [`Endpoint::ack`], it waits its turn.
    pub fn reinvite(&mut self, dialog: DialogId, headers: Headers, body: Option<Body>, now: Duration) -> ClientId {
        let client = ClientId(self.mint.id());
        match self.dialogs.get_mut(&dialog) {
            Some(Dialog { phase: Phase::Leaving { .. }, .. }) | None => self.no_dialog(client, dialog),
            Some(found) => {
                found.invites.waiting.push_back(Waiting { client, headers, body });
                self.next_invite(dialog, now);
            }
        }
        client
    }

    /// INFO, REFER, NOTIFY, OPTIONS, UPDATE, MESSAGE inside a dialog. With BYE the dialog is over and its answer is
    /// reported, where [`Endpoint::end`] reports nothing.
    pub fn in_dialog(
        &mut self,
        dialog_id: DialogId,
        method: Method,
        headers: Headers,
        body: Option<Body>,
        now: Duration,
    ) -> ClientId {
        if method == Method::Invite {
            return self.reinvite(dialog_id, headers, body, now);
        }
        let client = ClientId(self.mint.id());
        let is_bye = method == Method::Bye;
        let sent = match is_bye && !self.may_bye(dialog_id) {
            true => Err("BYE needs an answered and acknowledged call: use `end`, which waits or cancels as it must"),
            false => {
                let ask = Ask { method: &method, headers: &headers, body };
                self.send_inside(dialog_id, client, Purpose::User, ask, now)
            }
        };
        if let Err(why) = sent {
            let failure = Failure::Transport(why.into());
            self.report(Event::Failed { client, dialog: Some(dialog_id), failure });
        } else if is_bye {
            self.answer_pending(dialog_id, now);
            self.drop_dialog(dialog_id);
        }
        client
    }

    /// ACK for the 2xx last reported by [`Event::Accepted`] on this dialog.
    pub fn ack(&mut self, dialog_id: DialogId, headers: Headers, body: Option<Body>, now: Duration) {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        let Some(unacked) = dialog.invites.unacked.take() else { return };
        let tag = dialog.parties.remote_tag.clone().unwrap_or_default();
        let id = self.mint.id();
        let branch = self.mint.branch(id);
        let ask = Ask { method: &Method::Ack, headers: &headers, body };
        if let Some((message, hop)) = self.write_inside(dialog_id, ask, unacked.cseq, &branch, &[]) {
            self.acknowledge(unacked.invite, &tag, hop, &message);
        }
        self.next_invite(dialog_id, now);
    }

    /// Ends the dialog: BYE when confirmed, CANCEL when we are calling and early, 487 when we are called and have not
    /// answered. A BYE waits for the ACK of our 2xx (RFC 3261 §15). Later answers are absorbed: nothing more is
    /// reported for this dialog. Idempotent.
    pub fn end(&mut self, dialog_id: DialogId, headers: Headers, now: Duration) {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        dialog.invites.waiting.clear();
        for id in std::mem::take(&mut dialog.clients) {
            if let Some(client) = self.clients.get_mut(&id) {
                client.purpose = Purpose::Nobody;
            }
        }
        if dialog.usage == Usage::Subscription {
            self.answer_pending(dialog_id, now);
            return self.drop_dialog(dialog_id);
        }
        match dialog.phase.clone() {
            Phase::Calling { invite } => {
                self.drop_dialog(dialog_id);
                self.want_cancel(invite, headers, now);
            }
            Phase::Called { invite } => self.respond(invite, Status(487), headers, None, now),
            Phase::Leaving { .. } => {}
            Phase::Confirmed => {
                self.answer_pending(dialog_id, now);
                self.ack(dialog_id, Headers::new(), None, now);
                self.leave(dialog_id, headers, now);
            }
        }
    }

    /// RFC 3261 §15: not before a 2xx, and not by the callee before its ACK.
    fn may_bye(&self, dialog_id: DialogId) -> bool {
        let Some(dialog) = self.dialogs.get(&dialog_id) else { return false };
        let unacked =
            dialog.invites.theirs.and_then(|id| self.servers.get(&id)).is_some_and(|server| !server.is_open());
        matches!(dialog.phase, Phase::Confirmed) && !unacked
    }

    /// BYE, now or when the ACK of our 2xx has come.
    fn leave(&mut self, dialog_id: DialogId, headers: Headers, now: Duration) {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        if dialog.invites.theirs.is_some() {
            dialog.session = None;
            dialog.phase = Phase::Leaving { farewell: headers };
            return self.arm_dialog(dialog_id);
        }
        self.bye(dialog_id, &headers, now);
    }

    /// BYE that nobody waits for; the dialog is gone.
    pub(super) fn bye(&mut self, dialog_id: DialogId, headers: &Headers, now: Duration) {
        let client = ClientId(self.mint.id());
        // Without a way to the peer there is nobody to tell.
        let ask = Ask { method: &Method::Bye, headers, body: None };
        let _ = self.send_inside(dialog_id, client, Purpose::Nobody, ask, now);
        self.drop_dialog(dialog_id);
    }

    // --- within dialogs

    /// Writes and sends a request other than INVITE.
    pub(super) fn send_inside(
        &mut self,
        dialog_id: DialogId,
        request: ClientId,
        purpose: Purpose,
        ask: Ask<'_>,
        now: Duration,
    ) -> Result<(), &'static str> {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return Err("the dialog has ended") };
        if dialog.parties.remote_tag.is_none() {
            return Err("the peer has not answered yet, so there is no dialog to send in");
        }
        let cseq = dialog.next_cseq();
        let own = match ask.method {
            Method::Update => self.session_fields(dialog_id),
            _ => Vec::new(),
        };
        let branch = self.mint.branch(request.0);
        let written = self.write_inside(dialog_id, ask, cseq, &branch, &own);
        let Some((message, hop)) = written else { return Err("no open flow, and no target set to connect to") };
        if let (Some(dialog), Purpose::User | Purpose::Refresh) = (self.dialogs.get_mut(&dialog_id), purpose) {
            dialog.clients.push(request.0);
        }
        let (id, kind, dialog) = (request.0, Kind::Inside, Some(dialog_id));
        self.start(Sending { id, request, purpose, kind, dialog, message, cseq, branch, hop, again: None }, now);
        Ok(())
    }

    pub(super) fn write_inside(
        &self,
        dialog_id: DialogId,
        ask: Ask<'_>,
        cseq: u32,
        branch: &str,
        own: &[(Name, String)],
    ) -> Option<(Message, Hop)> {
        let dialog = self.dialogs.get(&dialog_id)?;
        let Ask { method, headers, body } = ask;
        let with_contact = with_contact(method);
        let (hop, transport) = self.hop_of(&dialog.path)?;
        let (uri, routes) = dialog.path.request_line();
        let draft = Draft {
            method,
            uri,
            transport,
            branch,
            max_forwards: 70,
            from: &dialog.parties.local,
            to: &dialog.parties.remote,
            call_id: &dialog.parties.call_id,
            cseq,
            contact: with_contact.then_some(dialog.contact.as_str()),
            own,
            headers,
            body,
        };
        Some((self.compose(draft, routes), hop))
    }

    /// Sends the next re-INVITE that waits, if it may go.
    pub(super) fn next_invite(&mut self, dialog_id: DialogId, now: Duration) {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return };
        if dialog.invites.busy() || !matches!(dialog.phase, Phase::Confirmed) {
            return;
        }
        let Some(waiting) = dialog.invites.waiting.pop_front() else { return };
        let cseq = dialog.next_cseq();
        let own = self.session_fields(dialog_id);
        // A request that goes once more is a new transaction with the id that its user knows.
        let fresh = self.mint.id();
        let id = if self.clients.contains_key(&waiting.client.0) { fresh } else { waiting.client.0 };
        let branch = self.mint.branch(id);
        let request = waiting.client;
        let ask = Ask { method: &Method::Invite, headers: &waiting.headers, body: waiting.body.clone() };
        let written = self.write_inside(dialog_id, ask, cseq, &branch, &own);
        let Some((message, hop)) = written else {
            let failure = Failure::Transport("no open flow, and no target set to connect to".into());
            return self.report(Event::Failed { client: request, dialog: Some(dialog_id), failure });
        };
        if let Some(dialog) = self.dialogs.get_mut(&dialog_id) {
            dialog.invites.ours = Some(id);
            dialog.clients.push(id);
        }
        let (purpose, kind, dialog) = (Purpose::User, Kind::Inside, Some(dialog_id));
        let again = Some(Again::Inside(Box::new(waiting)));
        self.start(Sending { id, request, purpose, kind, dialog, message, cseq, branch, hop, again }, now);
    }

    fn no_dialog(&mut self, client: ClientId, dialog: DialogId) {
        let failure = Failure::Transport("the dialog has ended".into());
        self.report(Event::Failed { client, dialog: Some(dialog), failure });
    }

    /// Forgets a dialog. Re-INVITEs that still wait for their turn fail.
    pub(super) fn drop_dialog(&mut self, dialog_id: DialogId) {
        let Some(mut dialog) = self.dialogs.remove(&dialog_id) else { return };
        self.carried.retain(|_, carried| *carried != dialog_id);
        self.timers.arm(Timer::Dialog(dialog_id), &mut dialog.armed, None);
        for waiting in dialog.invites.waiting {
            self.no_dialog(waiting.client, dialog_id);
        }
    }

    pub(super) fn arm_dialog(&mut self, dialog_id: DialogId) {
        if let Some(dialog) = self.dialogs.get_mut(&dialog_id) {
            let due = dialog.due();
            self.timers.arm(Timer::Dialog(dialog_id), &mut dialog.armed, due);
        }
    }
}

/// Requests that may move our end of the dialog say where it is (RFC 3261 §12.2.1.1, RFC 3311 §5.1).
fn with_contact(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Refer | Method::Subscribe | Method::Notify)
}

pub(super) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// Headers in a Request-URI are not allowed (RFC 3261 §19.1.1, table 1).
fn plain(mut uri: crate::uri::Uri) -> crate::uri::Uri {
    uri.headers.clear();
    uri
}

/// The user part for the Contact of an answer: whom the peer called.
pub(super) fn called_user(request: &Message) -> Option<String> {
    glance::user(request.request_uri_text()?).map(str::to_owned)
}
