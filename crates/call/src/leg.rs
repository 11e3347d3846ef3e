//! A leg: one INVITE usage of a call as one node sees it (RFC 3261 §12, §13), with its offer/answer position
//! (RFC 3264, RFC 6337), its Session-ID and the security record that the layers keep up to date.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sip::{DialogId, Headers, Message, Name, ServerId};

use crate::record::{Direction, LegEvent, LegRecord, LegState, Passed, Signalling};
use crate::session_id::{SessionId, Uuid};
use crate::{Now, Pii, ms};

/// Where a leg stands in offer and answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exchange {
    /// No description has gone either way.
    None,
    /// We offered and wait for their answer.
    Offered,
    /// They offered and wait for our answer.
    Asked,
    /// Offer and answer are complete.
    Agreed,
}

/// What is known of a leg at its birth.
#[derive(Clone, Debug)]
pub struct Birth {
    pub call: u64,
    pub leg: u64,
    pub direction: Direction,
    pub dialog: DialogId,
    /// The INVITE that we owe an answer (answer side).
    pub server: Option<ServerId>,
    pub sip_call_id: String,
    pub peer: String,
    pub dial_peer: Option<u32>,
    pub calling: String,
    pub called: String,
}

/// Events of one leg that are written down: a peer that changes something all day long must not fill the memory, nor make
/// a statement that cannot be carried. A long call of many agents has some dozens.
const MOST_EVENTS: usize = 1000;

/// One leg. `server` names an INVITE or re-INVITE that still waits for our final answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leg {
    pub dialog: DialogId,
    pub server: Option<ServerId>,
    pub exchange: Exchange,
    /// The last description we sent, for those who must send it again.
    pub said: Option<Bytes>,
    /// The last description they sent.
    pub heard: Option<Bytes>,
    pub record: LegRecord,
}

impl Leg {
    pub fn new(birth: Birth, now: Now) -> Leg {
        let record = LegRecord {
            call: birth.call,
            leg: birth.leg,
            direction: birth.direction,
            peer: birth.peer,
            dial_peer: birth.dial_peer,
            calling: Pii(birth.calling),
            called: Pii(birth.called),
            sip_call_id: birth.sip_call_id,
            session_id: SessionId::nil(),
            state: LegState::Calling,
            began_ms: ms(now),
            connected_ms: None,
            ended_ms: None,
            ended_because: None,
            signalling: Signalling::unknown(),
            dangerous: Vec::new(),
            media: None,
            passed: None,
            parts: Vec::new(),
            was_of: Vec::new(),
            events: Vec::new(),
        };
        Leg { dialog: birth.dialog, server: birth.server, exchange: Exchange::None, said: None, heard: None, record }
    }

    pub fn session_id(&self) -> &SessionId {
        &self.record.session_id
    }

    /// Who is on our side of this leg, as the peer is to be told.
    pub fn set_local_uuid(&mut self, uuid: Uuid, now: Now) {
        let old = std::mem::replace(&mut self.record.session_id.local, uuid);
        if !old.is_nil() && old != self.record.session_id.local {
            self.party_changed("local", now);
        }
    }

    /// Reads the Session-ID of a message of this leg's peer. True when the party beyond the peer is another than before
    /// or known for the first time.
    pub fn hear_session_id(&mut self, message: &Message, now: Now) -> bool {
        let Some(theirs) = message.header(&Name::SessionId).and_then(SessionId::parse) else { return false };
        let before = self.record.session_id.remote.clone();
        if self.record.session_id.hear(&theirs) {
            self.party_changed("remote", now);
        }
        before != self.record.session_id.remote
    }

    /// `Session-ID` for a message that we send on this leg; nothing while even our side is unknown.
    pub fn session_header(&self) -> Headers {
        let id = self.session_id();
        if id.local.is_nil() && id.remote.is_nil() {
            return Headers::new();
        }
        vec![(Name::SessionId, id.to_header())]
    }

    /// Another party on an answered leg: `active` becomes `connected`, as the field's `show` has it after a transfer.
    fn party_changed(&mut self, side: &str, now: Now) {
        self.event(format!("{side} party changed"), now);
        if self.record.state == LegState::Active {
            self.record.state = LegState::Connected;
        }
    }

    /// Written down in the record; beyond [`MOST_EVENTS`] that there was more, once.
    pub fn event(&mut self, what: impl Into<String>, now: Now) {
        let what = match self.record.events.len() {
            0..MOST_EVENTS => what.into(),
            MOST_EVENTS => "more happened than is written down".into(),
            _ => return,
        };
        self.record.events.push(LegEvent { at_ms: ms(now), what });
    }

    pub fn ringing(&mut self) {
        if self.record.state == LegState::Calling {
            self.record.state = LegState::Ringing;
        }
    }

    /// A 2xx to the INVITE went or came.
    pub fn answered(&mut self, now: Now) {
        if matches!(self.record.state, LegState::Calling | LegState::Ringing) {
            self.record.state = LegState::Active;
            self.record.connected_ms = Some(ms(now));
        }
    }

    pub fn is_answered(&self) -> bool {
        matches!(self.record.state, LegState::Active | LegState::Connected)
    }

    pub fn is_ended(&self) -> bool {
        self.record.state == LegState::Ended
    }

    /// The first reason given is the one that stays.
    pub fn ended(&mut self, because: impl Into<String>, now: Now) {
        if !self.is_ended() {
            self.record.state = LegState::Ended;
            self.record.ended_ms = Some(ms(now));
            self.record.ended_because = Some(because.into());
            self.server = None;
        }
    }

    /// What a node that only passes descriptions on saw in one of this leg's peer.
    pub fn passed(&mut self, seen: &sdp::Inspected, now: Now) {
        let suites: Vec<String> = seen.suites.iter().map(|suite| suite.name().to_owned()).collect();
        let new = Passed {
            profile: seen.profile.clone(),
            sdes_key_seen: !suites.is_empty(),
            suites,
            remote_media: seen.addr,
        };
        match &self.record.passed {
            Some(old) if *old == new => {}
            Some(old) => {
                let moved = old.remote_media != new.remote_media;
                self.event(if moved { "media moved to another address" } else { "media described again" }, now);
            }
            None => {}
        }
        self.record.passed = Some(new);
    }
}

impl Signalling {
    /// Before the first message of the peer arrived.
    pub fn unknown() -> Signalling {
        Signalling {
            transport: String::new(),
            local: None,
            remote: None,
            tls: None,
            peer: None,
            admitted_by: String::new(),
        }
    }

    /// From the connection that a message came over: what the transport layer proved and nothing else.
    pub fn of(flow: &sip::Flow, peer: &trust::Peer, admitted_by: &str) -> Signalling {
        let (tls, certificate) = match peer {
            trust::Peer::Verified(verified) => (Some(verified.tls().clone()), Some(verified.shared_certificate())),
            trust::Peer::Anonymous(tls) => (Some(tls.clone()), None),
            trust::Peer::Plain => (None, None),
        };
        Signalling {
            transport: flow.transport.as_str().to_owned(),
            local: Some(flow.local),
            remote: Some(flow.remote),
            tls,
            peer: certificate,
            admitted_by: admitted_by.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restless_peer_does_not_fill_the_record() {
        let birth = Birth {
            call: 1,
            leg: 2,
            direction: Direction::Answer,
            dialog: DialogId(3),
            server: None,
            sip_call_id: "a".into(),
            peer: "carrier".into(),
            dial_peer: None,
            calling: String::new(),
            called: String::new(),
        };
        let now = Now { mono: std::time::Duration::ZERO, wall: std::time::UNIX_EPOCH };
        let mut leg = Leg::new(birth, now);
        for _ in 0..2 * MOST_EVENTS {
            leg.event("remote party changed", now);
        }
        assert_eq!(leg.record.events.len(), MOST_EVENTS + 1);
        assert!(leg.record.events.last().is_some_and(|event| event.what.contains("more happened")));
    }
}
