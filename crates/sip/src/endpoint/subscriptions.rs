//! Dialogs that a subscription makes (RFC 6665 §4.1.2.4, §4.2.1.1): ours by the first NOTIFY or the 2xx, whichever comes
//! first; theirs by our 2xx. They end without BYE. When to refresh, to notify and to end is for
//! [`crate::event`]'s machines; here is what carries them.

use std::time::Duration;

use super::calls::seconds;
use super::clients::{Kind, Purpose, Sending};
use super::compose::Draft;
use super::{ClientId, DialogId, Endpoint, Outside, ServerId};
use crate::dialog::{Dialog, Invites, Parties, Phase, Usage};
use crate::message::{Headers, Message, Method, Name, Status};
use crate::session_timer::LEAST;
use crate::uri::Scheme;

impl Endpoint {
    /// SUBSCRIBE outside any dialog; `Event` and `Expires` are among its headers, its method is not looked at. Refresh
    /// and end it by [`Endpoint::in_dialog`] with SUBSCRIBE once it has met an answer or a NOTIFY. A refusal ends the
    /// dialog after its `Final`; [`Endpoint::end`] forgets it without a word to the peer.
    pub fn subscribe(&mut self, request: Outside, now: Duration) -> (DialogId, ClientId) {
        let dialog_id = DialogId(self.mint.id());
        let id = self.mint.id();
        let local_tag = self.mint.tag(dialog_id.0);
        let branch = self.mint.branch(id);
        let transport = self.transport_of(&request.hop);
        let secure = request.request_uri.scheme == Scheme::Sips;
        let contact = self.contact(
            (transport, self.stream_of(&request.hop)),
            request.contact_user.as_deref(),
            secure,
            &request.headers,
        );
        let (uri, to) = (request.request_uri.to_string(), request.to.without_tag().to_string());
        let parties = Parties {
            call_id: self.mint.call_id(),
            local: request.from.with_tag(&local_tag).to_string(),
            local_tag,
            remote_tag: None,
            remote: to.clone(),
        };
        let min_se = seconds(self.config.min_se).max(LEAST);
        let mut dialog = Dialog::new(Usage::Subscription, Phase::Confirmed, parties, uri.clone(), contact, min_se);
        let cseq = dialog.next_cseq();
        dialog.clients.push(id);
        let draft = Draft {
            method: &Method::Subscribe,
            uri: &uri,
            transport,
            branch: &branch,
            max_forwards: 70,
            from: &dialog.parties.local,
            to: &to,
            call_id: &dialog.parties.call_id,
            cseq,
            contact: Some(&dialog.contact),
            own: &[],
            headers: &request.headers,
            body: request.body,
        };
        let message = self.compose(draft, std::iter::empty());
        self.dialogs.insert(dialog_id, dialog);
        let (purpose, kind, dialog, hop) = (Purpose::User, Kind::Inside, Some(dialog_id), request.hop);
        let request = ClientId(id);
        self.start(Sending { id, request, purpose, kind, dialog, message, cseq, branch, hop, again: None }, now);
        (dialog_id, request)
    }

    /// Answers a SUBSCRIBE (or REFER) that came outside any dialog with 200 and makes the dialog that its NOTIFYs go in;
    /// `Expires` is among the headers. `None` when there is nothing to answer any more.
    pub fn admit_subscription(&mut self, id: ServerId, headers: Headers, now: Duration) -> Option<DialogId> {
        let server = self.servers.get(&id).filter(|server| server.is_open() && server.dialog.is_none())?;
        if !matches!(server.request.method(), Method::Subscribe | Method::Refer) {
            return None;
        }
        let (request, flow) = (server.request.clone(), server.flow);
        let dialog_id = DialogId(self.mint.id());
        let tag = self.mint.tag(dialog_id.0);
        let mut dialog = self.called(&request, flow, id, tag.clone());
        dialog.phase = Phase::Confirmed;
        dialog.usage = Usage::Subscription;
        dialog.invites = Invites::default();
        dialog.servers.clear();
        self.dialogs.insert(dialog_id, dialog);
        let server = self.servers.get_mut(&id)?;
        server.dialog = Some(dialog_id);
        server.tag = tag;
        self.respond(id, Status(200), headers, None, now);
        Some(dialog_id)
    }

    /// A final answer to our SUBSCRIBE. True when it was the one that the dialog hung on and it is no success.
    pub(super) fn subscribed(&mut self, dialog_id: DialogId, status: Status, response: &Message) -> bool {
        let Some(dialog) = self.dialogs.get_mut(&dialog_id) else { return false };
        let met = !dialog.is_unmet_subscription();
        match status.is_success() {
            true if met => dialog.refresh_target(response),
            true => dialog.meet(response),
            false => {}
        }
        !met && !status.is_success()
    }
}

impl Dialog {
    /// The NOTIFY that makes a dialog of our SUBSCRIBE, or that of a fork (which is refused above: one is enough).
    pub(crate) fn is_made_by(&self, request: &Message) -> bool {
        self.is_unmet_subscription() && request.is(&Method::Notify)
    }

    /// Neither a 2xx nor a NOTIFY has come to our SUBSCRIBE.
    pub(crate) fn is_unmet_subscription(&self) -> bool {
        self.usage == Usage::Subscription && self.caller && self.parties.remote_tag.is_none()
    }

    /// Takes tag, target and routes from that NOTIFY: towards it we are the callee (RFC 3261 §12.1.1).
    pub(crate) fn met_by(&mut self, notify: &Message) {
        self.parties.remote_tag = Some(notify.from_tag().unwrap_or_default().to_owned());
        notify.header(&Name::From).unwrap_or_default().clone_into(&mut self.parties.remote);
        self.path.routes = notify.values(&Name::RecordRoute).map(str::to_owned).collect();
        self.refresh_target(notify);
    }
}
