//! What a role does: calling, answering, re-inviting, ending. Each act writes Session-ID (RFC 7989), keeps the leg's
//! record and its offer/answer position, and leaves the rest to the endpoint.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use call::leg::{Birth, Exchange};
use call::record::Direction;
use call::session_id::Uuid;
use call::{Leg, Pii};
use sip::endpoint::{Invite, Outside, Takeover};
use sip::message::Replaces;
use sip::{Body, ClientId, DialogId, Headers, Hop, Method, Name, NameAddr, Request, ServerId, Status, Target, Uri};

use super::identity::Identity;
use super::role::ALLOW;
use super::{Admitted, CallNo, Doors, LegEntry, LegNo, Shell};

/// An INVITE that makes a new leg of a call.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub call: CallNo,
    /// Name of the peer in the plan, or of the device.
    pub peer: Arc<str>,
    pub hop: Hop,
    pub uri: Uri,
    /// User part of From.
    pub calling: String,
    /// User part of To.
    pub called: String,
    /// The leg whose far party this one's peer will talk to. `None`: we are that party ourselves.
    pub mate: Option<LegNo>,
    pub dial_peer: Option<u32>,
    pub max_forwards: u8,
    pub headers: Headers,
    /// The offer; `None` asks the peer for one.
    pub sdp: Option<Bytes>,
    /// The administrator's loud words in force on this leg.
    pub dangerous: Vec<String>,
}

impl Shell {
    /// Opens the call that an INVITE begins.
    pub(crate) fn open(
        &mut self,
        server: ServerId,
        dialog: DialogId,
        request: &Request,
        admitted: &Admitted,
    ) -> (CallNo, LegNo) {
        let call = self.book.open(self.plan.generation);
        let no = self.book.next_leg();
        let birth = Birth {
            call: call.0,
            leg: no.0,
            direction: Direction::Answer,
            dialog,
            server: Some(server),
            sip_call_id: request.call_id().to_owned(),
            peer: admitted.peer().to_string(),
            dial_peer: None,
            calling: request.from().ok().and_then(|from| from.uri.user).unwrap_or_default(),
            called: request.request_uri().and_then(Result::ok).and_then(|uri| uri.user).unwrap_or_default(),
        };
        let mut leg = Leg::new(birth, self.now);
        leg.heard = request.sdp();
        leg.exchange = if leg.heard.is_some() { Exchange::Asked } else { Exchange::None };
        leg.hear_session_id(request, self.now);
        if leg.session_id().remote.is_nil() {
            // The caller's side knows nothing of RFC 7989: its UUID is made here, at its edge (§6).
            leg.record.session_id.remote = self.mint_uuid();
        }
        let caller = leg.session_id().remote.clone();
        let peer = admitted.peer().clone();
        let identity = Box::new(Identity::of(request, self.trusts(&peer)));
        if let Some(target) = self.way_back(dialog, request, &peer) {
            self.sip.set_target(dialog, target);
        }
        self.book.add(
            no,
            LegEntry {
                leg,
                call,
                peer,
                mate: None,
                inviting: None,
                lease: None,
                flow: None,
                told: None,
                doors: Doors::default(),
            },
        );
        if let Some(entry) = self.book.call_mut(call) {
            (entry.caller, entry.identity) = (caller, identity);
        }
        (call, no)
    }

    /// Where a caller can be reached when its connection is gone: where the plan says, or, for a peer that may call from
    /// anywhere, where the call came from, at the port of its Contact. Over TLS whoever answers there must prove the
    /// peer's name again.
    fn way_back(&self, dialog: DialogId, request: &Request, peer: &str) -> Option<Target> {
        let peer = self.plan.peers.iter().find(|known| &*known.name == peer)?;
        let addr = match peer.addr.ip().is_unspecified() {
            false => peer.addr,
            true => {
                let remote = self.sight(self.sip.flow(dialog)?)?.flow.remote;
                let port = request.contact().and_then(Result::ok).and_then(|contact| contact.uri.port);
                SocketAddr::new(remote.ip(), port.unwrap_or(peer.transport.default_port()))
            }
        };
        Some(Target { transport: peer.transport, addr, peer: peer.name.clone() })
    }

    /// Whether the peer is told of a caller what is not for everybody, and believed what it asserts (RFC 3325 §2.4).
    fn trusts(&self, peer: &str) -> bool {
        self.plan.peers.iter().any(|known| &*known.name == peer && known.trusted)
    }

    /// The caller of a call that came in is this one, by what was proved to this node.
    pub fn assert_caller(&mut self, call: CallNo, who: Uri) {
        if let Some(entry) = self.book.call_mut(call) {
            entry.identity.assert(who);
        }
    }

    /// Whether the caller wants neither name nor number known.
    pub(crate) fn is_private(&self, call: CallNo) -> bool {
        self.book.call(call).is_some_and(|entry| entry.identity.is_private())
    }

    /// Where whoever called in by this INVITE takes calls itself.
    pub fn way_back_by(&self, leg: LegNo, invite: &Request) -> Option<Target> {
        let entry = self.book.leg(leg)?;
        self.way_back(entry.leg.dialog, invite, &entry.peer)
    }

    /// How the peer of this leg is told which dialog is meant (RFC 3891 §6.1).
    pub fn replaces(&self, no: LegNo) -> Option<Replaces> {
        self.sip.replaces(self.leg(no)?.dialog)
    }

    /// Which answered leg of ours is meant.
    pub fn replaced(&self, wanted: &Replaces) -> Option<LegNo> {
        match self.sip.replaced(wanted) {
            Ok(Takeover::Replace(dialog)) => self.book.by_dialog(dialog),
            _ => None,
        }
    }

    /// A call that begins here (a phone's). Its first leg is made by [`Shell::call`]; `caller` is our own UUID.
    pub fn open_own(&mut self, caller: Uuid) -> CallNo {
        let call = self.book.open(self.plan.generation);
        if let Some(entry) = self.book.call_mut(call) {
            entry.caller = caller;
        }
        call
    }

    /// The call goes on without any leg, or does not any more.
    pub fn outlasts_legs(&mut self, no: CallNo, waits: bool) {
        if let Some(call) = self.book.call_mut(no) {
            call.waits = waits;
            self.ending.insert(no);
        }
    }

    /// Who we are on a leg that ends here (voice browser, phone): tell before the first answer.
    pub fn is_party(&mut self, leg: LegNo, uuid: Uuid) {
        let now = self.now;
        if let Some(leg) = self.leg_mut(leg) {
            leg.set_local_uuid(uuid, now);
        }
    }

    /// Sends an INVITE: a new leg of the call.
    pub fn call(&mut self, out: Outgoing) -> LegNo {
        let no = self.book.next_leg();
        let local = match out.mate.and_then(|mate| self.leg(mate)) {
            Some(mate) => mate.session_id().remote.clone(),
            None => self.book.call(out.call).map_or_else(Uuid::nil, |entry| entry.caller.clone()),
        };
        let host = self.local(transport_of(&out.hop, self)).map(|addr| addr.ip().to_string()).unwrap_or_default();
        let trusted = self.trusts(&out.peer);
        let shown = match self.book.call_mut(out.call) {
            Some(entry) => entry.identity.towards(trusted, &out.calling, host, &out.uri),
            None => Identity::default().towards(trusted, &out.calling, host, &out.uri),
        };
        let to = NameAddr::new(out.uri.clone());
        let session = call::session_id::SessionId { local, remote: Uuid::nil() };
        let mut headers = vec![(Name::SessionId, session.to_header()), (Name::Allow, ALLOW.into())];
        headers.extend(shown.headers);
        headers.extend(out.headers);
        let invite = Invite {
            hop: out.hop.clone(),
            request_uri: out.uri,
            contact_user: shown.from.uri.user.clone().filter(|user| !user.is_empty()),
            from: shown.from,
            to,
            headers,
            body: out.sdp.clone().map(body),
            max_forwards: out.max_forwards,
        };
        let (dialog, client) = self.sip.invite(invite, self.now.mono);
        if let Hop::Target(target) = out.hop {
            self.sip.set_target(dialog, target);
        }
        let birth = Birth {
            call: out.call.0,
            leg: no.0,
            direction: Direction::Originate,
            dialog,
            server: None,
            sip_call_id: self.sip.call_id(dialog).unwrap_or_default().to_owned(),
            peer: out.peer.to_string(),
            dial_peer: out.dial_peer,
            calling: out.calling,
            called: out.called,
        };
        let mut leg = Leg::new(birth, self.now);
        leg.record.session_id = session;
        leg.record.dangerous = out.dangerous;
        leg.exchange = if out.sdp.is_some() { Exchange::Offered } else { Exchange::None };
        leg.said = out.sdp;
        let entry = LegEntry {
            leg,
            call: out.call,
            peer: out.peer,
            mate: out.mate,
            inviting: Some(client),
            lease: None,
            flow: None,
            told: None,
            doors: Doors::default(),
        };
        self.book.add(no, entry);
        // The first to be called is the far party until told otherwise by [`Shell::join`]; and who takes the place of one
        // that came to nothing.
        let taken = |mate: &LegEntry| mate.mate.is_some_and(|leg| self.is_live(leg));
        let free = out.mate.filter(|mate| self.book.leg(*mate).is_some_and(|mate| !taken(mate)));
        if let Some(mate) = free.and_then(|mate| self.book.leg_mut(mate)) {
            mate.mate = Some(no);
        }
        no
    }

    /// The call is filed from now on under the party beyond this leg, by which it came: another one since the element there
    /// has brought them together.
    pub fn file_under(&mut self, no: LegNo) {
        let came = |leg: &&Leg| leg.record.direction == Direction::Answer && !leg.session_id().remote.is_nil();
        let caller = self.leg(no).filter(came).map(|leg| leg.session_id().remote.clone());
        let call = self.book.leg(no).map(|entry| entry.call);
        if let (Some(caller), Some(entry)) = (caller, call.and_then(|call| self.book.call_mut(call))) {
            entry.caller = caller;
        }
    }

    /// The leg goes on as a part of another call, as its record says.
    pub fn move_leg(&mut self, no: LegNo, to: CallNo) {
        let from = self.book.leg(no).map(|entry| entry.call.0);
        self.book.move_leg(no, to);
        self.note(no, format!("goes on in call {}; was in call {}", to.0, from.unwrap_or_default()));
    }

    /// The call is over though none of its legs ended: they went on in another one.
    pub fn close_call(&mut self, no: CallNo) {
        self.ending.insert(no);
    }

    /// From now on the far parties of these two legs are each other's: their UUIDs cross over.
    pub fn join(&mut self, a: LegNo, b: LegNo) {
        for (one, other) in [(a, b), (b, a)] {
            let uuid = self.leg(other).map(|leg| leg.session_id().remote.clone());
            let now = self.now;
            if let (Some(entry), Some(uuid)) = (self.book.leg_mut(one), uuid) {
                entry.mate = Some(other);
                entry.leg.set_local_uuid(uuid, now);
            }
        }
    }

    /// Answers the INVITE or re-INVITE that waits on this leg. A 2xx with a body answers their offer, or makes ours.
    /// To turn a call down use [`Shell::refuse`].
    pub fn respond(&mut self, no: LegNo, status: Status, headers: Headers, sdp: Option<Bytes>) {
        let now = self.now;
        let Some(entry) = self.book.leg_mut(no) else { return };
        let leg = &mut entry.leg;
        let Some(server) = leg.server else { return };
        if status.is_final() {
            leg.server = None;
        }
        if status.is_success() {
            leg.answered(now);
        } else if !status.is_final() && status.0 > 100 {
            leg.ringing();
        }
        if let Some(sdp) = &sdp {
            leg.exchange = if leg.exchange == Exchange::Asked { Exchange::Agreed } else { Exchange::Offered };
            leg.said = Some(sdp.clone());
        }
        let mut headers = with_session(leg, headers);
        if status.is_success() {
            headers.push((Name::Allow, ALLOW.into()));
        }
        self.sip.respond(server, status, headers, sdp.map(body), now.mono);
    }

    /// Turns down the INVITE or re-INVITE that waits on this leg. The leg of an INVITE is over with it.
    pub fn refuse(&mut self, no: LegNo, status: Status, headers: Headers, why: impl Into<String>) {
        let first = self.leg(no).is_some_and(|leg| leg.server.is_some() && !leg.is_answered());
        self.respond(no, status, headers, None);
        if first {
            self.leg_over(no, &why.into());
        }
    }

    /// Re-INVITE with an offer, or without one to be given one.
    pub fn reinvite(&mut self, no: LegNo, sdp: Option<Bytes>) {
        let now = self.now;
        let Some(entry) = self.book.leg_mut(no).filter(|entry| !entry.leg.is_ended()) else { return };
        let leg = &mut entry.leg;
        leg.exchange = if sdp.is_some() { Exchange::Offered } else { Exchange::None };
        if sdp.is_some() {
            leg.said = sdp.clone();
        }
        let headers = with_session(leg, vec![(Name::Allow, ALLOW.into())]);
        let dialog = leg.dialog;
        self.sip.reinvite(dialog, headers, sdp.map(body), now.mono);
    }

    /// Acknowledges the 2xx of the INVITE or re-INVITE under way, with the answer if they offered.
    pub fn ack(&mut self, no: LegNo, sdp: Option<Bytes>) {
        let now = self.now;
        let Some(entry) = self.book.leg_mut(no) else { return };
        let leg = &mut entry.leg;
        leg.exchange = Exchange::Agreed;
        if sdp.is_some() {
            leg.said = sdp.clone();
        }
        let (dialog, headers) = (leg.dialog, with_session(leg, Headers::new()));
        self.sip.ack(dialog, headers, sdp.map(body), now.mono);
    }

    /// A request inside the leg: REFER, NOTIFY, INFO, OPTIONS. Its end comes by [`super::Role::outcome`].
    pub fn request(&mut self, no: LegNo, method: Method, headers: Headers, content: Option<Body>) -> Option<ClientId> {
        let now = self.now;
        let leg = self.leg(no).filter(|leg| !leg.is_ended())?;
        let (dialog, headers) = (leg.dialog, with_session(leg, headers));
        let client = self.sip.in_dialog(dialog, method.clone(), headers, content, now.mono);
        self.methods.insert(client, method);
        Some(client)
    }

    /// Answers a request other than INVITE inside the leg.
    pub fn answer(&mut self, no: LegNo, server: ServerId, status: Status, headers: Headers, content: Option<Body>) {
        let now = self.now;
        let headers = self.leg(no).map_or_else(Headers::new, |leg| with_session(leg, headers));
        self.sip.respond(server, status, headers, content, now.mono);
    }

    /// 405 with what we take (RFC 3261 §8.2.1).
    pub fn answer_not_allowed(&mut self, no: LegNo, server: ServerId) {
        self.answer(no, server, Status(405), vec![(Name::Allow, ALLOW.into())], None);
    }

    /// Answers a request outside dialogs.
    pub fn answer_outside(&mut self, server: ServerId, status: Status, headers: Headers) {
        let now = self.now.mono;
        self.sip.respond(server, status, headers, None, now);
    }

    /// A request outside dialogs (REGISTER, OPTIONS).
    pub fn send_outside(&mut self, request: Outside) -> ClientId {
        let now = self.now.mono;
        self.sip.request(request, now)
    }

    /// Ends the leg, whatever state it is in: BYE, CANCEL, or 487 to a call not answered. Idempotent.
    pub fn end(&mut self, no: LegNo, why: impl Into<String>) {
        let now = self.now;
        let Some(leg) = self.leg(no).filter(|leg| !leg.is_ended()) else { return };
        let why = why.into();
        let (dialog, mut headers) = (leg.dialog, with_session(leg, Headers::new()));
        headers.push((Name::Reason, format!("SIP;text=\"{}\"", super::words::quotable(&why))));
        self.sip.end(dialog, headers, now.mono);
        self.leg_over(no, &why);
    }

    /// Ends all legs of a call.
    pub fn end_call(&mut self, call: CallNo, why: &str) {
        let legs: Vec<LegNo> = self.book.legs_of(call).map(|(no, _)| no).collect();
        for leg in legs {
            self.end(leg, why);
        }
    }

    /// Writes the record's last line, closes the leg's port, and forgets the dialog.
    pub(crate) fn leg_over(&mut self, no: LegNo, why: &str) {
        let now = self.now;
        let Some(entry) = self.book.leg_mut(no).filter(|entry| !entry.leg.is_ended()) else { return };
        entry.leg.ended(why, now);
        entry.inviting = None;
        let (call, lease, dialog) = (entry.call, entry.lease, entry.leg.dialog);
        if let Some(lease) = lease {
            self.media(media::Command::Close { lease: lease.id });
        }
        self.doubts.settle(no);
        self.book.forget_dialog(dialog);
        self.ending.insert(call);
    }

    /// Where the leg's later requests go when its flow is gone.
    pub fn set_target(&mut self, no: LegNo, target: Target) {
        if let Some(dialog) = self.leg(no).map(|leg| leg.dialog) {
            self.sip.set_target(dialog, target);
        }
    }

    /// The numbers of the call as this leg has them.
    pub fn numbers(&self, no: LegNo) -> (String, String) {
        let numbers = |leg: &Leg| (leg.record.calling.0.clone(), leg.record.called.0.clone());
        self.leg(no).map(numbers).unwrap_or_default()
    }

    /// The number that the record shows as calling, where it is not the one that was given.
    pub fn set_calling(&mut self, no: LegNo, calling: &str) {
        if let Some(leg) = self.leg_mut(no) {
            leg.record.calling = Pii(calling.to_owned());
        }
    }

    /// The number that the record shows as called, where routing changed it.
    pub fn set_called(&mut self, no: LegNo, called: &str) {
        if let Some(leg) = self.leg_mut(no) {
            leg.record.called = Pii(called.to_owned());
        }
    }
}

fn body(sdp: Bytes) -> Body {
    Body { content_type: "application/sdp".into(), bytes: sdp }
}

fn with_session(leg: &Leg, more: Headers) -> Headers {
    let mut headers = leg.session_header();
    headers.extend(more);
    headers
}

fn transport_of(hop: &Hop, shell: &Shell) -> sip::Transport {
    match hop {
        Hop::Target(target) => target.transport,
        Hop::Flow(flow) => shell.sight(*flow).map_or(sip::Transport::Tls, |sight| sight.flow.transport),
    }
}
