//! A dialog (RFC 3261 §12): who talks to whom, in which order, along which route, and which INVITEs are under way.
//!
//! Addresses are kept as the text that goes into header fields, since all a dialog does with them is to repeat them.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::endpoint::{ClientId, ServerId, glance};
use crate::message::{Body, Headers, Message, Method, Name};
use crate::session_timer::SessionTimer;
use crate::transport::{Flow, Target};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// We called; no 2xx yet. Names the transaction under way.
    Calling { invite: u64 },
    /// We are called and have not given a final answer.
    Called { invite: ServerId },
    /// A 2xx came or went.
    Confirmed,
    /// Ended by its user before the ACK of our 2xx, until which a BYE must wait (RFC 3261 §15).
    Leaving { farewell: Headers },
}

/// What a dialog is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Usage {
    /// A call: made by INVITE, ended by BYE.
    Session,
    /// Made by SUBSCRIBE or REFER outside a dialog; it ends by itself (RFC 6665 §4.4.1).
    Subscription,
}

/// Call-ID and the two parties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Parties {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    /// `None` until the peer has named one; empty for a peer that never does (RFC 2543).
    pub(crate) remote_tag: Option<String>,
    /// `From` of our requests, with tag.
    pub(crate) local: String,
    /// `To` of our requests, with tag once known.
    pub(crate) remote: String,
}

/// How to reach the peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Path {
    /// Request-URI of our requests: the peer's Contact.
    pub(crate) target: String,
    /// Route set, in the order of the Route header fields of our requests.
    pub(crate) routes: Vec<String>,
    /// The flow that last carried this dialog, while it is open.
    pub(crate) flow: Option<Flow>,
    /// Where to connect when there is none.
    pub(crate) fallback: Option<Target>,
}

impl Path {
    /// Request-URI and Route values: with a loose router first, the target and all routes; with a strict one
    /// (RFC 2543), that router and the rest, the target last (RFC 3261 §12.2.1.1).
    pub(crate) fn request_line(&self) -> (&str, impl Iterator<Item = &str>) {
        let strict = self.routes.first().filter(|first| !is_loose(first));
        let uri = strict.map_or(self.target.as_str(), |first| glance::uri(first));
        let skip = usize::from(strict.is_some());
        let last = strict.map(|_| self.target.as_str());
        (uri, self.routes.iter().skip(skip).map(String::as_str).chain(last))
    }
}

/// The `lr` parameter in the URI of a Route value.
fn is_loose(route: &str) -> bool {
    let uri = glance::uri(route);
    uri.split(';').skip(1).any(|param| {
        let name = param.split(['=', '?']).next().unwrap_or_default();
        name.trim().eq_ignore_ascii_case("lr")
    })
}

/// A re-INVITE that waits for its turn.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) client: ClientId,
    pub(crate) headers: Headers,
    pub(crate) body: Option<Body>,
}

/// A 2xx of the peer that our user has not acknowledged yet.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Unacked {
    pub(crate) invite: u64,
    pub(crate) cseq: u32,
}

/// The INVITEs of a dialog: at most one is under way (RFC 3261 §14).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Invites {
    /// Ours without a final answer.
    pub(crate) ours: Option<u64>,
    pub(crate) unacked: Option<Unacked>,
    /// Theirs, unanswered or with a 2xx that was not acknowledged.
    pub(crate) theirs: Option<ServerId>,
    pub(crate) waiting: VecDeque<Waiting>,
    /// After a 491 the first of `waiting` goes out no sooner (RFC 3261 §14.1).
    pub(crate) pause: Option<Duration>,
}

impl Invites {
    pub(crate) fn busy(&self) -> bool {
        self.ours.is_some() || self.unacked.is_some() || self.theirs.is_some() || self.pause.is_some()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dialog {
    pub(crate) phase: Phase,
    pub(crate) usage: Usage,
    /// We made the Call-ID: our pause after a glare is the longer one.
    pub(crate) caller: bool,
    pub(crate) parties: Parties,
    pub(crate) path: Path,
    /// Our Contact value.
    pub(crate) contact: String,
    pub(crate) local_cseq: u32,
    pub(crate) remote_cseq: Option<u32>,
    pub(crate) invites: Invites,
    pub(crate) session: Option<SessionTimer>,
    /// The largest Min-SE this dialog has met (RFC 4028 §7.4).
    pub(crate) min_se: u32,
    /// The peer's Allow names UPDATE.
    pub(crate) takes_update: bool,
    /// Requests of ours without a final answer that somebody waits for: our user, or a refresh.
    pub(crate) clients: SmallVec<[u64; 2]>,
    /// Requests of the peer that our user has not answered.
    pub(crate) servers: SmallVec<[ServerId; 2]>,
    pub(crate) armed: Option<Duration>,
}

impl Dialog {
    /// One of our making, which nobody has answered.
    pub(crate) fn new(
        usage: Usage,
        phase: Phase,
        parties: Parties,
        target: String,
        contact: String,
        min_se: u32,
    ) -> Dialog {
        Dialog {
            phase,
            usage,
            caller: true,
            parties,
            path: Path { target, routes: Vec::new(), flow: None, fallback: None },
            contact,
            local_cseq: 0,
            remote_cseq: None,
            invites: Invites::default(),
            session: None,
            min_se,
            takes_update: false,
            clients: SmallVec::new(),
            servers: SmallVec::new(),
            armed: None,
        }
    }

    pub(crate) fn due(&self) -> Option<Duration> {
        let session = self.session.as_ref().map(SessionTimer::due);
        match (session, self.invites.pause) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.local_cseq = self.local_cseq.wrapping_add(1) & 0x7fff_ffff;
        self.local_cseq
    }

    /// Takes the peer's tag, target, route set and abilities from a 101–299 to our INVITE (RFC 3261 §12.1.2).
    pub(crate) fn meet(&mut self, response: &Message) {
        let to = response.header(&Name::To).unwrap_or_default();
        // A 2543 peer may name no tag even in its 2xx.
        match glance::tag(to) {
            None if response.status().is_some_and(|status| status.is_provisional()) => return,
            tag => self.parties.remote_tag = Some(tag.unwrap_or_default().to_owned()),
        }
        to.clone_into(&mut self.parties.remote);
        self.path.routes = response.values(&Name::RecordRoute).map(str::to_owned).collect();
        self.path.routes.reverse();
        self.refresh_target(response);
    }

    /// A target refresh (RFC 3261 §12.2): the peer's Contact, and what it allows.
    pub(crate) fn refresh_target(&mut self, message: &Message) {
        if let Some(contact) = message.values(&Name::Contact).next() {
            let target = glance::uri(contact);
            if !target.is_empty() && self.path.target != target {
                target.clone_into(&mut self.path.target);
            }
        }
        if message.header(&Name::Allow).is_some() {
            self.takes_update = message.has_token(&Name::Allow, Method::Update.as_str());
        }
    }

    pub(crate) fn forget_client(&mut self, id: u64) {
        self.clients.retain(|client| *client != id);
    }

    pub(crate) fn forget_server(&mut self, id: ServerId) {
        self.servers.retain(|server| *server != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(routes: &[&str]) -> Path {
        let routes = routes.iter().map(|route| (*route).to_owned()).collect();
        Path { target: "sip:bob@192.0.2.4".into(), routes, flow: None, fallback: None }
    }

    #[test]
    fn loose_routes_are_passed_through() {
        let path = path(&["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr=on>"]);
        let (uri, routes) = path.request_line();
        assert_eq!(uri, "sip:bob@192.0.2.4");
        assert_eq!(routes.collect::<Vec<_>>(), ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr=on>"]);
    }

    #[test]
    fn a_strict_router_takes_the_request_uri() {
        let path = path(&["<sip:p1.example.com>", "<sip:p2.example.com;lr>"]);
        let (uri, routes) = path.request_line();
        assert_eq!(uri, "sip:p1.example.com");
        assert_eq!(routes.collect::<Vec<_>>(), ["<sip:p2.example.com;lr>", "sip:bob@192.0.2.4"]);
    }
}
