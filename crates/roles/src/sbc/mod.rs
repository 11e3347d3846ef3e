//! Session border controller (CUBE): dial-peers in and out, each side with its own signalling, keys and address; media
//! is relayed between them, SRTP to RTP where an administrator said so in loud words; it is transcoded where a dial-peer
//! names codecs of its own, and nowhere else.
//!
//! Offers and answers end here: a re-INVITE from one side re-keys or moves that side's stream and leaves the other
//! side's leg in peace, unless the stream was put on hold or taken off it.

mod plan;
mod recode;
mod side;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use media::{Command, Keep, KeptEnd};
use sdp::{Codec, Direction, Reject};
use serde::{Deserialize, Serialize};
use sip::{Hop, Method, Name, Request, ServerId, Status};

pub use plan::{DialPeer, Plan};

use self::recode::Recoding;
use self::side::{Side, spoken};
use crate::plan::Kind;
use crate::shell::{CallNo, Invited, LegNo, Outgoing, Refused, Role, Shell, from_side, keys, warning};

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Sbc {
    calls: BTreeMap<CallNo, Call>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Call {
    stage: Stage,
    caller: Side,
    callee: Option<Side>,
    /// Tags of outbound dial-peers, the one in use first.
    rest: Vec<u32>,
    /// Places of the first of them that were tried.
    tried: Vec<SocketAddr>,
    calling: String,
    called: String,
    max_forwards: u8,
    codecs: Vec<Codec>,
    telephone_event: bool,
    recoding: Option<Recoding>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Stage {
    /// The callee's side rings. The caller's offer waits; none means that we will make one.
    Calling {
        offer: Option<Bytes>,
    },
    /// Media flows already, the caller has our answer, the callee has not picked up (183).
    Early {
        answer: Bytes,
    },
    Up,
}

impl Call {
    fn side(&mut self, leg: LegNo) -> Option<&mut Side> {
        if self.caller.leg == leg {
            return Some(&mut self.caller);
        }
        self.callee.as_mut().filter(|side| side.leg == leg)
    }

    fn other(&self, leg: LegNo) -> Option<LegNo> {
        match self.caller.leg == leg {
            true => self.callee.as_ref().map(|side| side.leg),
            false => Some(self.caller.leg),
        }
    }

    /// Whether one side may speak another codec than the other: where either's dial-peer names its own.
    fn transcodes(&self) -> bool {
        self.caller.names_codecs() || self.callee.as_ref().is_some_and(Side::names_codecs)
    }

    /// The call is up: where a dial-peer's rule says so it is recorded from here to its end, at the caller's port, where
    /// both directions pass whoever it goes on to.
    fn begin_recording(&self, shell: &mut Shell) {
        let sides = [Some(&self.caller), self.callee.as_ref()];
        let Some(tag) = sides.into_iter().flatten().find_map(|side| side.recorded_by) else { return };
        let id = shell.random();
        let caller = shell.leg(self.caller.leg).map(|leg| leg.record.session_id.remote.0.clone()).unwrap_or_default();
        let keep = Keep {
            id,
            node: shell.plan().node.clone(),
            caller,
            both: true,
            longest: None,
            final_silence: None,
            patience: None,
            playable: false,
        };
        for side in sides.into_iter().flatten() {
            shell.note(side.leg, format!("recorded whole, by the rule of dial-peer {tag}: recording {id:016x}"));
        }
        shell.media(Command::Keep { lease: self.caller.lease.id, keep });
    }

    /// A side has agreed on a codec: where anything may be transcoded, the other prefers it from now on.
    fn spoke(&mut self, leg: LegNo) {
        if !self.transcodes() {
            return;
        }
        let agreed = self.side(leg).and_then(|side| side.agreed.as_ref()).map(|agreed| agreed.codec);
        let digits = self.telephone_event;
        if let (Some(codec), Some(other)) = (agreed, self.other(leg).and_then(|other| self.side(other))) {
            other.limit(&[codec], digits, true);
        }
    }

    fn next_dial_peer(&mut self) {
        if !self.rest.is_empty() {
            self.rest.remove(0);
        }
        self.tried.clear();
    }

    /// Both sides agreed: packets go through.
    fn bridge(&self, shell: &mut Shell) {
        if let Some(callee) = &self.callee {
            shell.media(Command::Bridge { a: self.caller.lease.id, b: callee.lease.id });
        }
    }

    /// The callee's description has come: media on its side, and our answer or offer for the caller.
    fn answered(&mut self, sdp: &[u8], shell: &mut Shell) -> Result<Bytes, Reject> {
        // Asked for only by those who have a callee.
        let Some(callee) = &mut self.callee else { return Ok(Bytes::new()) };
        callee.accept(sdp, shell)?;
        let direction = callee.direction().mirrored();
        if let Some(agreed) = &callee.agreed {
            self.codecs = vec![agreed.codec];
            self.telephone_event &= agreed.telephone_event.is_some();
        }
        let event = self.telephone_event;
        let transcodes = callee.names_codecs() || self.caller.names_codecs();
        callee.limit(&self.codecs, event, transcodes);
        self.caller.limit(&self.codecs, event, transcodes);
        let ours = match &self.stage {
            Stage::Calling { offer: Some(offer) } => self.caller.answer(offer, shell)?,
            Stage::Calling { offer: None } => self.caller.offer(direction, shell),
            Stage::Early { answer } => answer.clone(),
            Stage::Up => Bytes::new(),
        };
        self.spoke(self.caller.leg);
        self.bridge(shell);
        Ok(ours)
    }
}

impl Sbc {
    fn call(&mut self, shell: &Shell, leg: LegNo) -> Option<&mut Call> {
        let call = shell.book().leg(leg)?.call;
        self.calls.get_mut(&call)
    }

    /// INVITE to the next place of the dial-peer, or by the next dial-peer, or the end when none is left.
    fn place(&mut self, no: CallNo, shell: &mut Shell, mut last: (Status, String)) {
        let plan = shell.plan_of(no);
        let Kind::Sbc(dial_peers) = &plan.kind else { return };
        let Some(call) = self.calls.get_mut(&no) else { return };
        let (dial_peer, peer, target) = loop {
            let Some(tag) = call.rest.first() else {
                let headers = vec![warning(&plan.node, &last.1)];
                return shell.refuse(call.caller.leg, last.0, headers, last.1);
            };
            let dial_peer = dial_peers.dial_peer(*tag);
            let peer = dial_peer.and_then(|dial_peer| plan.peers.iter().find(|p| p.name == dial_peer.peer));
            if let (Some(dial_peer), Some(peer)) = (dial_peer, peer) {
                match shell.way_to(peer, &call.tried) {
                    Ok(target) => break (dial_peer, peer, target),
                    // Nobody was asked: the DNS is why.
                    Err(why) if call.tried.is_empty() => last = (Status(502), why),
                    Err(_) => {}
                }
            }
            call.next_dial_peer();
        };
        call.tried.push(target.addr);
        let Some(lease) = shell.lend_beside(call.caller.lease) else {
            return shell.refuse(call.caller.leg, Status(503), Vec::new(), "no media port is free");
        };
        // The leg's number comes with the INVITE, which comes with the offer.
        let mut side = Side::new(call.caller.leg, lease, dial_peer, shell);
        let transcodes = side.names_codecs() || call.caller.names_codecs();
        side.limit(&call.codecs, call.telephone_event, transcodes);
        let sdp = side.offer(Direction::SendRecv, shell);
        side.leg = shell.call(Outgoing {
            call: no,
            peer: peer.name.clone(),
            uri: peer.uri(Some(&call.called)),
            hop: Hop::Target(target),
            calling: call.calling.clone(),
            called: call.called.clone(),
            mate: Some(call.caller.leg),
            dial_peer: Some(dial_peer.tag),
            max_forwards: call.max_forwards,
            headers: Vec::new(),
            sdp: Some(sdp),
            dangerous: dial_peer.protection.dangerous(),
        });
        shell.give(side.leg, lease);
        shell.decided(no, format!("dial-peer {} leads to {}", dial_peer.tag, peer.name));
        call.callee = Some(side);
    }

    /// Their description cannot be had: the callee is let go, the caller told why.
    fn misfit(&mut self, no: CallNo, reject: &Reject, shell: &mut Shell) {
        let Some(call) = self.calls.get(&no) else { return };
        if let Some(callee) = &call.callee {
            shell.rejected(callee.leg, Status(488), crate::shell::rejection(reject));
            shell.end(callee.leg, reject.to_string());
        }
        shell.reject(call.caller.leg, reject);
        shell.end(call.caller.leg, reject.to_string());
    }

    /// The other side learns that the stream was held, or taken off hold.
    fn pass_hold(call: &mut Call, from: LegNo, before: Direction, shell: &mut Shell) {
        let Some(now) = call.side(from).map(|side| side.direction()) else { return };
        let Some(other) = call.other(from).and_then(|leg| call.side(leg)) else { return };
        other.behind |= now != before && other.is_offering();
        if now != before && !other.is_offering() {
            let sdp = other.offer(now.mirrored(), shell);
            shell.reinvite(other.leg, Some(sdp));
        }
    }

    /// An offer of ours on this leg is done with: what the other side did meanwhile is passed on now.
    fn catch_up(call: &mut Call, leg: LegNo, shell: &mut Shell) {
        let behind = call.side(leg).is_some_and(|side| std::mem::take(&mut side.behind));
        let Some(other) = call.other(leg).and_then(|other| call.side(other)).map(|side| side.direction()) else {
            return;
        };
        let Some(side) = call.side(leg).filter(|side| behind && !side.is_offering()) else { return };
        let sdp = side.offer(other.mirrored(), shell);
        shell.reinvite(leg, Some(sdp));
    }
}

impl Role for Sbc {
    fn invited(&mut self, shell: &mut Shell, invited: Invited) {
        let (leg, no) = (invited.leg, invited.call);
        let plan = shell.plan_of(no);
        let Kind::Sbc(dial_peers) = &plan.kind else { return };
        let peer = invited.admitted.peer();
        let Some(inbound) = dial_peers.inbound(peer, &invited.called) else {
            let why = format!("no inbound dial-peer of {peer} takes the number called");
            return shell.refuse(leg, Status(404), vec![warning(&plan.node, &why)], why);
        };
        if let Some(leg) = shell.leg_mut(leg) {
            leg.record.dial_peer = Some(inbound.tag);
            leg.record.dangerous.extend(inbound.protection.dangerous());
        }
        let rest = dial_peers.outbound(peer, &invited.called);
        if rest.is_empty() {
            let why = "no outbound dial-peer has a destination_pattern for the number called";
            return shell.refuse(leg, Status(404), vec![warning(&plan.node, why)], why);
        }
        let mut codecs = (Vec::new(), true);
        if let Some(offer) = &invited.sdp {
            match sdp::inspect(&inbound.policy(), offer) {
                Ok(seen) => codecs = spoken(&seen.codecs, offer),
                Err(reject) => return shell.reject(leg, &reject),
            }
            let may = inbound.speaks();
            codecs.0.retain(|codec| may.contains(codec));
            if codecs.0.is_empty() {
                let names: Vec<&str> = may.iter().map(|codec| codec.name()).collect();
                let why = format!("none of {} is offered, which dial-peer {} takes", names.join(", "), inbound.tag);
                return shell.refuse(leg, Status(488), vec![warning(&plan.node, &why)], why);
            }
        }
        let Some(lease) = shell.lend() else {
            return shell.refuse(leg, Status(503), Vec::new(), "no media port is free");
        };
        let caller = Side::new(leg, lease, inbound, shell);
        shell.give(leg, lease);
        let call = Call {
            stage: Stage::Calling { offer: invited.sdp },
            caller,
            callee: None,
            rest,
            tried: Vec::new(),
            calling: invited.calling,
            called: invited.called,
            max_forwards: invited.max_forwards,
            codecs: codecs.0,
            telephone_event: codecs.1,
            recoding: None,
        };
        self.calls.insert(no, call);
        self.place(no, shell, (Status(500), "no way out".into()));
    }

    fn provisional(&mut self, shell: &mut Shell, leg: LegNo, status: Status, sdp: Option<Bytes>) {
        let Some(no) = shell.book().leg(leg).map(|entry| entry.call) else { return };
        let Some(call) = self.calls.get_mut(&no) else { return };
        let caller = call.caller.leg;
        match (sdp, &call.stage) {
            (Some(sdp), Stage::Calling { offer: Some(_) }) => match call.answered(&sdp, shell) {
                Ok(answer) => {
                    call.stage = Stage::Early { answer: answer.clone() };
                    shell.respond(caller, Status(183), Vec::new(), Some(answer));
                }
                Err(reject) => self.misfit(no, &reject, shell),
            },
            _ => shell.respond(caller, status, Vec::new(), None),
        }
    }

    fn accepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        shell.ack(leg, None);
        let Some(no) = shell.book().leg(leg).map(|entry| entry.call) else { return };
        let Some(call) = self.calls.get_mut(&no) else { return };
        let caller = call.caller.leg;
        let ours = match (sdp, &call.stage) {
            // The answer was in a provisional already; what the 2xx repeats is the same (RFC 3261 §13.2.1).
            (_, Stage::Early { answer }) => Ok(answer.clone()),
            (Some(sdp), _) => call.answered(&sdp, shell),
            (None, _) => Err(no_description("200 OK")),
        };
        match ours {
            Ok(ours) => {
                call.stage = Stage::Up;
                shell.respond(caller, Status(200), Vec::new(), Some(ours));
                call.begin_recording(shell);
            }
            Err(reject) => self.misfit(no, &reject, shell),
        }
    }

    fn refused(&mut self, shell: &mut Shell, leg: LegNo, refused: Refused) {
        let Some(no) = shell.book().leg(leg).map(|entry| entry.call) else { return };
        let Some(call) = self.calls.get_mut(&no) else { return };
        let callee = call.callee.take();
        let early = matches!(call.stage, Stage::Early { .. });
        match (refused.unreachable, refused.status.0) {
            (true, _) if !early => {
                // The peer may be elsewhere too (RFC 3263 §4.3).
                let peer = callee.and_then(|side| shell.book().leg(side.leg)).map(|entry| entry.peer.clone());
                if let Some((peer, place)) = peer.zip(call.tried.last()) {
                    shell.place_failed(&peer, *place);
                }
            }
            (_, 500..600) if !early => call.next_dial_peer(),
            _ => call.rest.clear(),
        }
        self.place(no, shell, (mapped(&refused), refused.why));
    }

    fn acked(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        let Some(call) = self.call(shell, leg) else { return };
        let Some(side) = call.side(leg).filter(|side| side.is_offering()) else { return };
        let before = side.direction();
        let accepted = match sdp {
            Some(sdp) => side.accept(&sdp, shell),
            None => Err(no_description("ACK")),
        };
        let Err(reject) = accepted else {
            call.spoke(leg);
            Sbc::pass_hold(call, leg, before, shell);
            return Sbc::catch_up(call, leg, shell);
        };
        // A confirmed session without media as required is ended (RFC 3261 §13.2.2.4).
        shell.rejected(leg, Status(488), crate::shell::rejection(&reject));
        let call = shell.book().leg(leg).map(|entry| entry.call);
        if let Some(call) = call {
            shell.end_call(call, &reject.to_string());
        }
    }

    fn reinvited(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        // Whom an agent called outside may have been brought together with a caller.
        shell.file_under(leg);
        let Some(call) = self.call(shell, leg) else { return };
        let Some(side) = call.side(leg) else { return };
        if side.is_offering() {
            // Ours is under way (RFC 3261 §14.2).
            return shell.refuse(leg, Status(491), Vec::new(), "glare");
        }
        let before = side.direction();
        let Some(offer) = sdp else {
            let ours = side.offer(Direction::SendRecv, shell);
            return shell.respond(leg, Status(200), Vec::new(), Some(ours));
        };
        match side.answer(&offer, shell) {
            Ok(answer) => {
                shell.respond(leg, Status(200), Vec::new(), Some(answer));
                call.spoke(leg);
                Sbc::pass_hold(call, leg, before, shell);
            }
            Err(_) if call.recode(leg, &offer, shell) => {}
            Err(reject) => shell.reject(leg, &reject),
        }
    }

    fn reaccepted(&mut self, shell: &mut Shell, leg: LegNo, sdp: Option<Bytes>) {
        shell.ack(leg, None);
        let Some(call) = self.call(shell, leg) else { return };
        let Some(side) = call.side(leg) else { return };
        let accepted = match sdp {
            Some(sdp) => side.accept(&sdp, shell),
            None => Err(no_description("200 OK")),
        };
        if let Err(reject) = &accepted {
            side.forget_offer();
            shell.rejected(leg, Status(488), crate::shell::rejection(reject));
            shell.note(leg, format!("their answer to our offer was refused: {reject}"));
        }
        if accepted.is_ok() {
            call.spoke(leg);
        }
        call.recoded(leg, accepted, shell);
        Sbc::catch_up(call, leg, shell);
    }

    fn rerefused(&mut self, shell: &mut Shell, leg: LegNo, status: Status, why: String) {
        let Some(call) = self.call(shell, leg) else { return };
        if let Some(side) = call.side(leg) {
            side.forget_offer();
            shell.note(leg, format!("our offer was refused: {} {why}", status.0));
        }
        let rule = "no codec that both sides speak, and nothing is transcoded".to_owned();
        call.recoded(leg, Err(Reject { status: 488, rule, offered: why, required: "a common codec".into() }), shell);
        Sbc::catch_up(call, leg, shell);
    }

    /// Keys by INFO go on in the other side's media: as telephone-event, or as tones where it has none.
    fn in_dialog(&mut self, shell: &mut Shell, leg: LegNo, server: ServerId, request: Request) {
        let key = request.body().and_then(|body| keys::key_in(&body));
        let other = self.call(shell, leg).and_then(|call| {
            let up = matches!(call.stage, Stage::Up);
            let other = call.other(leg).and_then(|other| call.side(other)).filter(|_| up)?;
            Some(other.lease.id)
        });
        match (request.method(), key, other) {
            (Method::Info, Some(key), Some(lease)) => {
                shell.media(Command::Dial { lease, digits: key.to_string() });
                shell.answer(leg, server, Status(200), Vec::new(), None);
            }
            (Method::Info, Some(_), None) => shell.answer(leg, server, Status(480), Vec::new(), None),
            (Method::Info, None, _) => {
                let headers = vec![(Name::Accept, "application/dtmf-relay".into())];
                shell.answer(leg, server, Status(415), headers, None);
            }
            _ => shell.answer_not_allowed(leg, server),
        }
    }

    fn gone(&mut self, shell: &mut Shell, leg: LegNo, why: String) {
        // A goodbye may be the first to say so.
        shell.file_under(leg);
        if let Some(other) = self.call(shell, leg).and_then(|call| call.other(leg)) {
            shell.end(other, from_side("the other side", &why));
        }
    }

    fn refresh_due(&mut self, shell: &mut Shell, leg: LegNo) {
        let Some(side) = self.call(shell, leg).and_then(|call| call.side(leg)) else { return };
        if !side.is_offering() {
            let direction = side.direction();
            let sdp = side.offer(direction, shell);
            shell.reinvite(leg, Some(sdp));
        }
    }

    fn media(&mut self, shell: &mut Shell, leg: LegNo, event: media::Event) {
        match event {
            // Said every few seconds while it lasts; once is enough.
            media::Event::Silent { seconds: seconds @ 0..=5, .. } => {
                shell.note(leg, format!("no media received for {seconds} s"));
            }
            // Of what a call still has to say nothing is kept any more: its record says so, and somebody has to know.
            media::Event::Kept { id, end: KeptEnd::Failed, .. } => {
                tracing::warn!(
                    recording = format!("{id:016x}"),
                    "a call that is to be recorded is not: the recording cannot be written"
                );
                shell.note(leg, format!("recording {id:016x} failed: it cannot be written"));
            }
            // Nothing went in clear, and nothing will be heard: there is no call.
            media::Event::Unkeyed { why, .. } => {
                shell.note(leg, format!("SRTP could not be keyed: {why}"));
                if let Some(no) = shell.book().leg(leg).map(|entry| entry.call) {
                    shell.end_call(no, &format!("SRTP could not be keyed: {why}"));
                }
            }
            _ => {}
        }
    }

    fn over(&mut self, _: &mut Shell, call: CallNo) {
        self.calls.remove(&call);
    }
}

/// What the caller is told of a refusal beyond us: nobody is asked for our credentials, and an element behind us that is
/// out of order is no reason to think so of us (RFC 3261 §16.7).
fn mapped(refused: &Refused) -> Status {
    match refused.status.0 {
        408 => Status(504),
        503 => Status(502),
        401 | 407 => Status(403),
        300..=399 => Status(480),
        _ => refused.status,
    }
}

fn no_description(of: &str) -> Reject {
    Reject {
        status: 488,
        rule: "an INVITE with an offer is answered with a description (RFC 3264)".into(),
        offered: format!("{of} without one"),
        required: "application/sdp".into(),
    }
}
