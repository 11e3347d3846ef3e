//! What messages mean to a leg and its record: Session-ID, descriptions, who sent them; OPTIONS in and out.

use bytes::Bytes;
use call::leg::Exchange;
use sip::endpoint::Outside;
use sip::{ClientId, FlowId, Headers, Hop, Message, Method, Name, NameAddr, Response, ServerId, Status, Uri};
use trust::Peer;

use super::role::{ALLOW, Role, reason};
use super::{Doors, LegNo, Shell, words};
use crate::{Journal, Output, Watched};

/// A final answer's status line and, where it has one, its Warning or Reason.
pub(crate) fn why_refused(response: &Response) -> String {
    let status = response.status().unwrap_or(Status(500));
    let line = format!("{} {}", status.0, response.reason().unwrap_or(status.reason()));
    match response.header(&Name::Warning).map(str::to_owned).or_else(|| reason(response)) {
        Some(more) => format!("{line} ({more})"),
        None => line,
    }
}

impl Shell {
    pub(crate) fn send(&mut self, hop: Hop, bytes: Bytes) {
        self.outputs.push_back(Output::Send { hop, bytes });
    }

    pub(crate) fn is_inviting(&self, leg: LegNo, client: ClientId) -> bool {
        self.book.leg(leg).is_some_and(|entry| entry.inviting == Some(client))
    }

    /// The 2xx that makes the leg is here.
    pub(crate) fn established(&mut self, no: LegNo) {
        let now = self.now;
        let Some(entry) = self.book.leg_mut(no) else { return };
        entry.inviting = None;
        entry.leg.answered(now);
        let peer = entry.peer.clone();
        if entry.leg.session_id().remote.is_nil() {
            // A peer that knows nothing of RFC 7989: its UUID is made here, at its edge (§6).
            let uuid = self.mint_uuid();
            self.heard_uuid(no, uuid);
        }
        self.health.alive(&peer);
    }

    /// The party beyond this leg is now known as `uuid`: its mate's near side is the same.
    fn heard_uuid(&mut self, no: LegNo, uuid: call::session_id::Uuid) {
        let now = self.now;
        let Some(entry) = self.book.leg_mut(no) else { return };
        entry.leg.record.session_id.remote = uuid.clone();
        let mate = entry.mate.and_then(|mate| self.book.leg_mut(mate)).filter(|mate| mate.mate == Some(no));
        if let Some(mate) = mate {
            mate.leg.set_local_uuid(uuid, now);
        }
    }

    /// Reads what a message says of its sender: the Session-ID, mirrored on the mate, and what may be asked of it.
    pub(crate) fn hear(&mut self, no: LegNo, message: &Message) {
        let now = self.now;
        let Some(entry) = self.book.leg_mut(no) else { return };
        entry.doors = Doors::of(message).unwrap_or(entry.doors);
        if entry.leg.hear_session_id(message, now) {
            let uuid = entry.leg.session_id().remote.clone();
            self.heard_uuid(no, uuid);
        }
    }

    /// A re-INVITE or UPDATE waits for our answer.
    pub(crate) fn asked(&mut self, no: LegNo, server: ServerId, sdp: Option<Bytes>) {
        if let Some(leg) = self.leg_mut(no) {
            leg.server = Some(server);
            leg.exchange = if sdp.is_some() { Exchange::Asked } else { Exchange::None };
            if sdp.is_some() {
                leg.heard = sdp;
            }
        }
    }

    /// A re-INVITE was cancelled: the leg stands as it was. False for the INVITE that makes a leg.
    pub(crate) fn calls_off(&mut self, no: LegNo) -> bool {
        let Some(leg) = self.leg_mut(no).filter(|leg| leg.is_answered()) else { return false };
        leg.server = None;
        leg.exchange = Exchange::Agreed;
        true
    }

    /// A 2xx or an ACK of the peer, with or without a description.
    pub(crate) fn answered_by(&mut self, no: LegNo, sdp: Option<Bytes>) {
        let (Some(sdp), Some(leg)) = (sdp, self.leg_mut(no)) else { return };
        leg.exchange = if leg.exchange == Exchange::Offered { Exchange::Agreed } else { Exchange::Asked };
        leg.heard = Some(sdp);
    }

    /// Copies what the connection layer proved of the leg's peer into the record, when the connection is a new one.
    pub(crate) fn witness(&mut self, no: LegNo, flow: Option<FlowId>, role: &dyn Role) {
        let Some(flow) = flow else { return };
        if self.book.leg(no).is_none_or(|entry| entry.flow == Some(flow)) {
            return;
        }
        let Some(sight) = self.sights.get(&flow) else { return };
        let mut signalling = sight.signalling();
        if signalling.admitted_by.is_empty() {
            signalling.admitted_by =
                role.knows(self, sight).map_or_else(String::new, |admitted| admitted.by().to_owned());
        }
        let plain = matches!(*sight.peer, Peer::Plain);
        let now = self.now;
        let Some(entry) = self.book.leg_mut(no) else { return };
        if entry.flow.replace(flow).is_some() {
            entry.leg.event("signalling moved to another connection", now);
        }
        let record = &mut entry.leg.record;
        record.signalling = signalling;
        if plain && !record.dangerous.iter().any(|word| word == "dangerous_plain_sip") {
            record.dangerous.push("dangerous_plain_sip".into());
        }
    }

    /// The leg's peer gave no answer to a call: the next call looks elsewhere first.
    pub(crate) fn peer_failed(&mut self, no: LegNo) {
        if let Some(peer) = self.book.leg(no).map(|entry| entry.peer.clone()) {
            self.health.failed(&peer, self.now.mono);
        }
    }

    /// The leg's peer did not even begin to answer.
    pub(crate) fn note_silent(&mut self, no: LegNo) {
        self.note(no, "no sign of life");
        self.peer_failed(no);
    }

    /// Closes a connection once what was said over it is out.
    pub(crate) fn close_flow(&mut self, flow: FlowId) {
        if !self.closing_flows.contains(&flow) {
            self.closing_flows.push(flow);
        }
    }

    /// 403 with the words, written down; the connection of a stranger is closed.
    pub(crate) fn turn_away(&mut self, server: ServerId, flow: sip::Flow) {
        let refusal = match self.sights.get(&flow.id).map(|sight| &sight.admitted) {
            Some(Err(refusal)) => refusal.clone(),
            _ => trust::Refusal {
                cause: "unknown_source".into(),
                rule: "a dialog is used by the two that made it".into(),
                expected: "the dialog's own peer".into(),
                presented: flow.remote.to_string(),
                remedy: "send requests of a dialog over a connection of its peer".into(),
            },
        };
        let headers = vec![words::warning(&self.plan.node, &words::in_words(&refusal))];
        let stranger = self.sights.get(&flow.id).is_some_and(|sight| sight.admitted.is_err());
        self.refused(Some(flow), Status(403), refusal);
        self.answer_outside(server, Status(403), headers);
        if stranger && flow.transport.is_reliable() {
            self.closing_flows.push(flow.id);
        }
    }

    /// 200 with what we understand; 503 while draining, so that groups look elsewhere.
    pub(crate) fn answer_options(&mut self, server: ServerId) {
        let headers = vec![(Name::Allow, ALLOW.into()), (Name::Accept, "application/sdp, message/sipfrag".into())];
        match self.is_draining() {
            true => self.answer_outside(server, Status(503), vec![(Name::RetryAfter, "30".into())]),
            false => self.answer_outside(server, Status(200), headers),
        }
    }

    /// Sends the heartbeats that are due.
    pub(crate) fn beat(&mut self) {
        while let Some(name) = self.health.due(self.now.mono) {
            let Some(peer) = self.plan.peers.iter().find(|peer| peer.name == name) else {
                self.health.asked(&name, None, self.now.mono);
                continue;
            };
            let peer = peer.clone();
            let Ok(target) = self.way_to(&peer, &[]) else {
                self.health.asked(&name, None, self.now.mono);
                continue;
            };
            let (uri, hop) = (peer.uri(None), Hop::Target(target));
            let host = self.local(peer.transport).map(|addr| addr.ip().to_string()).unwrap_or_default();
            let client = self.send_outside(Outside {
                method: Method::Options,
                hop,
                request_uri: uri.clone(),
                from: NameAddr::new(Uri::sip(None, host, None)),
                to: NameAddr::new(uri),
                contact_user: None,
                headers: Headers::new(),
                body: None,
                call_id: None,
            });
            self.health.asked(&name, Some(client), self.now.mono);
        }
    }

    /// The end of a heartbeat. False: it was none.
    pub(crate) fn pulse(&mut self, client: ClientId, up: bool) -> bool {
        let Some((peer, changed)) = self.health.heard(client, up) else { return false };
        if changed {
            match up {
                true => tracing::info!(%peer, "answers OPTIONS again"),
                false => tracing::warn!(%peer, "does not answer OPTIONS"),
            }
        }
        true
    }

    pub(crate) fn leased(&mut self, leases: Vec<media::Lease>) {
        self.pool.leased(leases);
    }

    /// Asks for more leases, tells of legs that changed, closes what was refused: the end of every input.
    pub(crate) fn replenish(&mut self) {
        if let Some(command) = self.pool.wish(self.now.mono) {
            self.media(command);
        }
        for flow in std::mem::take(&mut self.closing_flows) {
            self.outputs.push_back(Output::Close { flow });
        }
        if self.watched < Watched::All {
            return self.book.not_told();
        }
        for record in self.book.changed() {
            self.journal(Journal::Changed(Box::new(record)));
        }
    }

    pub(crate) fn watched(&mut self, by: Watched) {
        self.watched = by;
    }

    /// Whether anybody wants to be told of what changes.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched >= Watched::Desks
    }

    pub(crate) fn method_of(&self, client: ClientId) -> Option<Method> {
        self.methods.get(&client).cloned()
    }

    pub(crate) fn forget_method(&mut self, client: ClientId) {
        self.methods.remove(&client);
    }
}
