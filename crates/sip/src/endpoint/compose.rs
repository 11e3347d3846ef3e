//! Writing requests and answers: the fields that the endpoint owns, then those of its user, then the body.

use super::Endpoint;
use crate::message::{Body, Builder, Headers, Message, Method, Name, Response, Status};
use crate::transport::Transport;

/// Fields that only the endpoint writes; a second one would make the message ambiguous, so the user's are dropped.
const OURS: [Name; 6] = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq, Name::SessionExpires];

const OURS_IN_REQUESTS: [Name; 4] = [Name::Contact, Name::MaxForwards, Name::UserAgent, Name::MinSe];

/// A request about to be written.
pub(super) struct Draft<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a str,
    pub(super) transport: Transport,
    pub(super) branch: &'a str,
    pub(super) max_forwards: u8,
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) call_id: &'a str,
    pub(super) cseq: u32,
    pub(super) contact: Option<&'a str>,
    /// More fields of the endpoint.
    pub(super) own: &'a [(Name, String)],
    pub(super) headers: &'a Headers,
    pub(super) body: Option<Body>,
}

/// What goes into an answer besides what the request gives.
pub(super) struct Answer<'a> {
    pub(super) tag: &'a str,
    pub(super) contact: Option<&'a str>,
    pub(super) own: &'a [(Name, String)],
    pub(super) headers: &'a Headers,
    pub(super) body: Option<Body>,
}

impl Endpoint {
    pub(super) fn compose<'a>(&self, draft: Draft<'a>, routes: impl Iterator<Item = &'a str>) -> Message {
        let sent_by = self.local(draft.transport);
        let rport = if draft.transport == Transport::Udp { ";rport" } else { "" };
        let oc = if self.config.overload_control { ";oc;oc-algo=\"loss\"" } else { "" };
        let (protocol, branch) = (draft.transport.as_str(), draft.branch);
        let mut text = Builder::request(draft.method, draft.uri);
        text.put(&Name::Via, format_args!("SIP/2.0/{protocol} {sent_by};branch={branch}{rport}{oc}"));
        text.put(&Name::MaxForwards, draft.max_forwards);
        for route in routes {
            text.put_text(&Name::Route, route);
        }
        text.put_text(&Name::From, draft.from);
        text.put_text(&Name::To, draft.to);
        text.put_text(&Name::CallId, draft.call_id);
        text.put(&Name::CSeq, format_args!("{} {}", draft.cseq, draft.method));
        if let Some(contact) = draft.contact {
            text.put_text(&Name::Contact, contact);
        }
        text.put_text(&Name::UserAgent, &self.config.product);
        for (name, value) in draft.own {
            text.put_text(name, value);
        }
        for (name, value) in draft.headers {
            if !OURS.contains(name) && !OURS_IN_REQUESTS.contains(name) {
                text.put_text(name, value);
            }
        }
        text.body(draft.body).build()
    }

    /// An answer to `request`, of which Via, From, To, Call-ID, CSeq and, where a dialog is made, Record-Route are.
    pub(super) fn compose_answer(&self, request: &Message, status: Status, answer: Answer<'_>) -> Message {
        let Answer { tag, contact, own, headers, body } = answer;
        let mut text = Builder::response(request, status, (status.0 > 100).then_some(tag));
        if (101..300).contains(&status.0) && request.is(&Method::Invite) {
            text.put_copy(request, &Name::RecordRoute);
        }
        if let Some(contact) = contact {
            text.put_text(&Name::Contact, contact);
        }
        text.put_text(&Name::Server, &self.config.product);
        for (name, value) in own {
            text.put_text(name, value);
        }
        for (name, value) in headers {
            // A redirection's Contact is the user's own (RFC 3261 §21.3).
            let taken = *name == Name::Server || (*name == Name::Contact && contact.is_some());
            if !taken && !OURS.contains(name) {
                text.put_text(name, value);
            }
        }
        text.body(body).build()
    }
}

/// RFC 3261 §17.1.1.3: the INVITE's Request-URI, top Via, Route, From, Call-ID; the answer's To.
pub(super) fn ack_of_failure(invite: &Message, response: &Response) -> Message {
    hop_by_hop(invite, &Method::Ack, response.header(&Name::To)).build()
}

/// RFC 3261 §9.1: all of it from the INVITE.
pub(super) fn cancel_of(invite: &Message, headers: &Headers) -> Message {
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
