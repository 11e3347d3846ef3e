//! What comes ahead of media on a stream that is keyed on its own path: checks of addresses by a full ICE agent (a
//! browser), which are answered and followed, and the DTLS handshake, whose keys the stream then carries packets under.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use sdp::Dtls;

use crate::dtls::{Handshake, Identity, Progress};
use crate::stun;

/// Ways that a peer may try at once; more are answered and forgotten.
const MOST_WAYS: usize = 16;
/// Datagrams that wait to be sent, at most: a flight is five.
const MOST_WAITING: usize = 64;

pub(super) struct OnPath {
    terms: Dtls,
    /// None once it came to nothing.
    handshake: Option<Handshake>,
    /// Where the peer is: as agreed, or with ICE where its checks come from.
    peer: Option<SocketAddr>,
    /// Whence authentic checks came.
    checked: Vec<SocketAddr>,
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl OnPath {
    pub(super) fn new(identity: &Identity, terms: &Dtls, agreed: SocketAddr, now: Duration) -> OnPath {
        OnPath {
            handshake: Some(Handshake::new(identity, terms.active, terms.fingerprint.clone(), now)),
            peer: Some(agreed).filter(|_| terms.ice.is_none()),
            terms: terms.clone(),
            checked: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Whether an agreement is about the association that there is. New credentials alone begin the checks anew.
    pub(super) fn goes_on(&mut self, terms: &Dtls) -> bool {
        let same = self.terms.fingerprint == terms.fingerprint
            && self.terms.active == terms.active
            && self.terms.ice.is_some() == terms.ice.is_some()
            && self.handshake.is_some();
        if same {
            self.terms = terms.clone();
        }
        same
    }

    /// Whether the peer says by its checks where it is.
    pub(super) fn is_checked(&self) -> bool {
        self.terms.ice.is_some()
    }

    /// Where the peer is, once that is known.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The peer is elsewhere, by a description without ICE.
    pub(super) fn moved(&mut self, agreed: SocketAddr) {
        if self.terms.ice.is_none() {
            self.peer = Some(agreed);
        }
    }

    /// A datagram that is neither RTP nor RTCP.
    pub(super) fn take(&mut self, datagram: &[u8], from: SocketAddr, now: Duration) -> Progress {
        if stun::is_stun(datagram) {
            self.check(datagram, from);
            return Progress::Going;
        }
        let known = if self.is_checked() { self.checked.contains(&from) } else { self.peer == Some(from) };
        let (true, Some(handshake)) = (known, &mut self.handshake) else { return Progress::Going };
        let waiting = &mut self.waiting;
        let progress = handshake.take(datagram, now, |packet| put(waiting, from, packet.to_vec()));
        self.after(progress)
    }

    /// Sends what waits, and what is due of the handshake.
    pub(super) fn tick(&mut self, now: Duration, mut send: impl FnMut(SocketAddr, &[u8])) -> Progress {
        let mut progress = Progress::Going;
        if let (Some(peer), Some(handshake)) = (self.peer, &mut self.handshake)
            && handshake.due().is_some_and(|due| due <= now)
        {
            let waiting = &mut self.waiting;
            progress = handshake.tick(now, |packet| put(waiting, peer, packet.to_vec()));
            progress = self.after(progress);
        }
        for (to, packet) in self.waiting.drain(..) {
            send(to, &packet);
        }
        progress
    }

    /// When [`OnPath::tick`] has something to do; a moment that has passed means now.
    pub(super) fn due(&self) -> Option<Duration> {
        let of_handshake = self.handshake.as_ref().filter(|_| self.peer.is_some()).and_then(Handshake::due);
        if self.waiting.is_empty() { of_handshake } else { Some(Duration::ZERO) }
    }

    fn check(&mut self, datagram: &[u8], from: SocketAddr) {
        let Some(ice) = &self.terms.ice else { return };
        let Some(checked) = stun::check(datagram, from, ice) else { return };
        put(&mut self.waiting, from, checked.answer);
        if !self.checked.contains(&from) {
            if self.checked.len() == MOST_WAYS {
                return;
            }
            self.checked.push(from);
        }
        if checked.nominated || self.peer.is_none() {
            self.peer = Some(from);
        }
    }

    fn after(&mut self, progress: Progress) -> Progress {
        if matches!(progress, Progress::Failed(_)) {
            self.handshake = None;
        }
        progress
    }
}

fn put(waiting: &mut VecDeque<(SocketAddr, Vec<u8>)>, to: SocketAddr, packet: Vec<u8>) {
    if waiting.len() < MOST_WAITING {
        waiting.push_back((to, packet));
    }
}
