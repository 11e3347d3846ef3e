//! One side of a call at the border: its leg, its port, its own keys, and what is agreed with the peer there.

use bytes::Bytes;
use media::{Command, Latch, Lease};
use sdp::{Codec, Direction, Exchange, Keying, Local, Negotiated, Offered, Policy, Reject};
use serde::{Deserialize, Serialize};

use super::plan::DialPeer;
use crate::shell::{LegNo, Shell};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Side {
    pub(super) leg: LegNo,
    pub(super) lease: Lease,
    policy: Policy,
    /// What its dial-peer allows.
    allowed: Vec<Codec>,
    /// Its dial-peer names codecs of its own: what the other side speaks is turned into one of them.
    named: bool,
    /// What the other side speaks, tried first in an answer where anything may be transcoded.
    common: Vec<Codec>,
    latch: bool,
    /// The dial-peer whose rule it is that the call is recorded.
    pub(super) recorded_by: Option<u32>,
    local: Local,
    /// Our offer that waits for its answer.
    offered: Option<Offered>,
    /// The other side was held, or taken off hold, while that offer waited.
    pub(super) behind: bool,
    pub(super) agreed: Option<Negotiated>,
}

impl Side {
    pub(super) fn new(leg: LegNo, lease: Lease, dial_peer: &DialPeer, shell: &mut Shell) -> Side {
        let local = Local {
            version: 1,
            fingerprint: lease.fingerprint.map(sdp::Fingerprint::sha_256),
            ..Local::new(lease.addr, shell.random())
        };
        Side {
            leg,
            lease,
            policy: dial_peer.policy(),
            allowed: dial_peer.speaks().to_vec(),
            named: !dial_peer.codecs.is_empty(),
            common: Vec::new(),
            latch: dial_peer.latch,
            recorded_by: dial_peer.records.then_some(dial_peer.tag),
            local,
            offered: None,
            behind: false,
            agreed: None,
        }
    }

    /// What the other side speaks is spoken here. Where anything may be transcoded, it is only preferred to the rest of
    /// what this side may speak.
    pub(super) fn limit(&mut self, codecs: &[Codec], telephone_event: bool, transcodes: bool) {
        self.policy.telephone_event = telephone_event;
        self.common.clear();
        if !transcodes {
            self.policy.codecs = codecs.to_vec();
            return;
        }
        self.common.extend(codecs.iter().filter(|codec| self.allowed.contains(codec)));
        let rest = self.allowed.iter().filter(|codec| !self.common.contains(codec));
        self.policy.codecs = self.common.iter().chain(rest).copied().collect();
    }

    /// Whether its dial-peer names codecs of its own.
    pub(super) fn names_codecs(&self) -> bool {
        self.named
    }

    pub(super) fn allowed(&self) -> &[Codec] {
        &self.allowed
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn is_offering(&self) -> bool {
        self.offered.is_some()
    }

    /// The direction of the stream as we have it; before anything is agreed, both ways.
    pub(super) fn direction(&self) -> Direction {
        self.agreed.as_ref().map_or(Direction::SendRecv, |agreed| agreed.direction)
    }

    pub(super) fn offer(&mut self, direction: Direction, shell: &mut Shell) -> Bytes {
        // What was agreed is offered again, whatever is preferred: a peer that took one may not have the other.
        let mut policy = self.policy.clone();
        let agreed = match self.agreed.as_ref().map(|agreed| &agreed.keying) {
            Some(Keying::Dtls(_)) => Some(Exchange::Dtls),
            Some(Keying::Sdes { .. }) => Some(Exchange::Sdes),
            Some(Keying::Clear) | None => None,
        };
        policy.exchange.sort_by_key(|exchange| Some(*exchange) != agreed);
        let (text, offered) = sdp::offer(&policy, &mut self.local, direction, &mut shell.keys());
        self.offered = Some(offered);
        Bytes::from(text)
    }

    pub(super) fn forget_offer(&mut self) {
        self.offered = None;
    }

    /// Their answer to our offer.
    pub(super) fn accept(&mut self, answer: &[u8], shell: &mut Shell) -> Result<(), Reject> {
        let Some(offered) = &self.offered else { return Ok(()) };
        let agreed = sdp::accept(offered, &self.policy, answer)?;
        self.offered = None;
        self.agree(agreed, shell);
        Ok(())
    }

    /// Our answer to their offer.
    pub(super) fn answer(&mut self, offer: &[u8], shell: &mut Shell) -> Result<Bytes, Reject> {
        let without = Policy { codecs: self.common.clone(), ..self.policy.clone() };
        let preferred = match self.common.is_empty() {
            true => None,
            false => sdp::answer(&without, &mut self.local, offer, &mut shell.keys()).ok(),
        };
        let (text, agreed) = match preferred {
            Some(plain) => plain,
            None => sdp::answer(&self.policy, &mut self.local, offer, &mut shell.keys())?,
        };
        self.offered = None;
        self.agree(agreed, shell);
        Ok(Bytes::from(text))
    }

    /// Media as agreed from now on, with the keys of this exchange.
    fn agree(&mut self, agreed: Negotiated, shell: &mut Shell) {
        if let Some(old) = &self.agreed {
            if old.remote != agreed.remote {
                shell.note(self.leg, format!("media moved from {} to {}", old.remote, agreed.remote));
            }
            if old.direction != agreed.direction {
                shell.note(self.leg, format!("media is now {}", agreed.direction.name()));
            }
        }
        let latch = if self.latch { Latch::FirstAuthentic } else { Latch::Never };
        shell.media(Command::Set { lease: self.lease.id, negotiated: Box::new(agreed.clone()), latch });
        self.agreed = Some(agreed);
    }
}

/// What an offer would have us speak: its codecs that we know, in its order, and whether it has telephone-event.
pub(super) fn spoken(names: &[String], offer: &[u8]) -> (Vec<Codec>, bool) {
    let known = |name: &String| Codec::named(name.split('/').next().unwrap_or_default());
    let digits = offer.windows(EVENT.len()).any(|window| window.eq_ignore_ascii_case(EVENT));
    (names.iter().filter_map(known).collect(), digits)
}

const EVENT: &[u8] = b"telephone-event";
