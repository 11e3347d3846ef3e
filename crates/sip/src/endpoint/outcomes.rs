//! What answers to our requests mean for dialogs and users: 2xx and forks (RFC 3261 §13.2.2.4), refusals and their ACK,
//! silence (§8.1.3.1).

use std::time::Duration;

use super::clients::{Ack, Cancel, Kind, Purpose, Sending};
use super::compose::{Draft, ack_of_failure};
use super::{ClientId, DialogId, Endpoint, Event, Failure, glance};
use crate::dialog::{Dialog, Phase, Unacked};
use crate::message::{Headers, Message, Method, Name, Response, Status};
use crate::transport::{Flow, Hop};

impl Endpoint {
    /// 1xx to an INVITE.
    pub(super) fn progress(&mut self, id: u64, flow: Flow, response: Response, now: Duration) {
        let (in_order, rseq) = self.in_sequence(id, &response);
        if !in_order {
            return;
        }
        let Some(client) = self.clients.get_mut(&id) else { return };
        if let Cancel::Wanted(headers) = &client.cancel {
            let headers = headers.clone();
            return self.send_cancel(id, &headers, true, now);
        }
        let (client_id, purpose, kind, cseq) = (client.request, client.purpose, client.kind, client.cseq);
        let Some(dialog_id) = client.dialog.filter(|_| response.status().is_some_and(|status| status.0 > 100)) else {
            return;
        };
        if let Some(dialog) = self.dialogs.get_mut(&dialog_id) {
            dialog.path.flow = Some(flow);
            if kind == Kind::Initial && matches!(dialog.phase, Phase::Calling { .. }) {
                dialog.meet(&response);
            }
        }
        if let Some(rseq) = rseq {
            self.acknowledge_early(dialog_id, cseq, rseq, None, now);
        }
        if purpose == Purpose::User {
            self.report(Event::Provisional { client: client_id, dialog: dialog_id, response });
        }
    }

    /// 2xx to an INVITE: the first, the same again, or that of another fork (RFC 3261 §13.2.2.4, RFC 6026).
    pub(super) fn success(&mut self, id: u64, flow: Flow, response: Response, first: bool, now: Duration) {
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
        let called = client.message.request_uri_text().unwrap_or_default().to_owned();
        let Some(stranger) = Stranger::of(response, &called, client.cseq, max_forwards) else { return };
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
            Draft {
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
    pub(super) fn refused(&mut self, id: u64, flow: Flow, response: Response, now: Duration) {
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
        let wanted = !cancelled && purpose == Purpose::User;
        if let (Some(again), Some(dialog_id), true) = (again, dialog_id, wanted)
            && self.once_more(request, dialog_id, status, &response, again, now)
        {
            return;
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
    pub(super) fn finished(&mut self, id: u64, flow: Flow, response: Response, now: Duration) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        let (request, purpose, dialog_id) = (client.request, client.purpose, client.dialog);
        let (is_update, is_bye) = (client.message.is(&Method::Update), client.message.is(&Method::Bye));
        let is_subscribe = client.message.is(&Method::Subscribe);
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
        let stillborn = dialog_id.filter(|dialog| is_subscribe && self.subscribed(*dialog, status, &response));
        match (purpose, dialog_id) {
            (Purpose::User, _) => self.report(Event::Final { client: request, dialog: dialog_id, response }),
            (Purpose::Refresh, Some(dialog_id)) => self.refreshed(dialog_id, status, &response, now),
            (Purpose::Refresh | Purpose::Nobody, _) => {}
        }
        if let Some(dialog_id) = stillborn {
            return self.drop_dialog(dialog_id);
        }
        if let (false, Some(dialog_id)) = (is_bye, dialog_id) {
            self.after_inside(dialog_id, status, now);
        }
    }

    /// The stream of a call that was not answered has ended. Its user is told; the peer, which may ring on, gets a CANCEL
    /// over a new connection once it has said that it has the call (RFC 3261 §9.1), and ACK and BYE if it answers all the
    /// same.
    pub(super) fn abandon(&mut self, id: u64, failure: Failure, now: Duration) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        if client.kind != Kind::Initial || matches!(client.hop, Hop::Flow(_)) {
            return self.fail(id, failure, now);
        }
        let (request, purpose, dialog) = (client.request, client.purpose, client.dialog.take());
        client.purpose = Purpose::Nobody;
        client.flow = None;
        if let Some(dialog) = dialog {
            self.drop_dialog(dialog);
        }
        if purpose == Purpose::User {
            self.report(Event::Failed { client: request, dialog, failure });
        }
        self.want_cancel(id, Headers::new(), now);
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
        let unmet = |dialog: &DialogId| self.dialogs.get(dialog).is_some_and(Dialog::is_unmet_subscription);
        if let Some(dialog_id) = inside.filter(unmet) {
            return self.drop_dialog(dialog_id);
        }
        if let (Some(dialog_id), false) = (inside, client.message.is(&Method::Bye)) {
            match timed_out {
                true => self.after_inside(dialog_id, Status(408), now),
                false => self.next_invite(dialog_id, now),
            }
        }
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
    /// `called` is where the INVITE went, for a 2xx without Contact.
    fn of(response: &'a Response, called: &'a str, cseq: u32, max_forwards: u8) -> Option<Stranger<'a>> {
        let mut routes: Vec<&str> = response.values(&Name::RecordRoute).collect();
        routes.reverse();
        Some(Stranger {
            target: response.values(&Name::Contact).next().map_or(called, glance::uri),
            routes,
            from: response.header(&Name::From)?,
            to: response.header(&Name::To)?,
            call_id: response.call_id(),
            cseq,
            max_forwards,
        })
    }
}
