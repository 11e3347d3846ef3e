//! `debug ssl openssl …`: handshakes of a node as they go on, for somebody who looks. Off until asked for, and off again
//! when nobody asks any more; what is kept is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use trust::Peer;
use trust::tls::onlooker::{self, Onlooker, Saw};

use super::Wire;
use super::broken::{self, Broken};
use super::conn::Conn;
use crate::{HandshakeEvent, Handshakes, SslDebug};

/// Nobody has asked for this long: it is off.
const LEASE: Duration = Duration::from_secs(15);
/// Events and their octets that wait to be read; the oldest go first.
const EVENTS: usize = 2048;
const OCTETS: usize = 1 << 20;
/// Handshakes that are looked at at once, of 100 kB each at most. Of others the failures are shown.
const LOOKED_AT: usize = 64;

#[derive(Default)]
pub(crate) struct Debugging {
    /// What is on, until when.
    on: BTreeMap<SslDebug, Duration>,
    events: VecDeque<HandshakeEvent>,
    octets: usize,
    last: u64,
    places: Arc<()>,
}

/// Beside one connection.
pub(crate) struct Looking {
    pub eyes: Onlooker,
    _place: Arc<()>,
}

impl Debugging {
    fn is_on(&self, what: SslDebug, now: Duration) -> bool {
        self.on.get(&what).is_some_and(|until| *until > now)
    }

    fn keep(&mut self, event: HandshakeEvent) {
        self.octets += event.text.len();
        self.events.push_back(event);
        while self.events.len() > EVENTS || self.octets > OCTETS {
            let Some(oldest) = self.events.pop_front() else { break };
            self.octets -= oldest.text.len();
        }
    }

    fn read(&mut self, what: SslDebug, after: Option<u64>, now: Duration) -> Handshakes {
        self.on.retain(|_, until| *until > now);
        if self.on.is_empty() {
            (self.events, self.octets) = (VecDeque::new(), 0);
        }
        // The first question switches it on; the next ones do not, if somebody has switched it off meanwhile.
        let on = after.is_none() || self.on.contains_key(&what);
        if on {
            self.on.insert(what, now + LEASE);
        }
        let after = after.unwrap_or(self.last);
        let first = self.events.front().map_or(self.last + 1, |event| event.number);
        let new = self.events.iter().filter(|event| event.number > after && event.about == what);
        let events = new.cloned().collect();
        Handshakes { on, last: self.last, lost: first.saturating_sub(after.saturating_add(1)), events }
    }
}

impl Wire {
    pub(crate) fn handshakes(&mut self, what: SslDebug, after: Option<u64>) -> Handshakes {
        let now = self.clock.mono();
        self.debugging.read(what, after, now)
    }

    pub(crate) fn debugging(&self) -> Vec<SslDebug> {
        let now = self.clock.mono();
        SslDebug::ALL.into_iter().filter(|what| self.debugging.is_on(*what, now)).collect()
    }

    pub(crate) fn undebug(&mut self) {
        self.debugging.on.clear();
        (self.debugging.events, self.debugging.octets) = (VecDeque::new(), 0);
        for conn in self.conns.values_mut() {
            conn.looking = None;
        }
    }

    /// For a connection that begins.
    pub(super) fn looking(&self, conn: &Conn) -> Option<Box<Looking>> {
        let (debugging, now) = (&self.debugging, self.clock.mono());
        let wanted = debugging.is_on(SslDebug::Msg, now) || debugging.is_on(SslDebug::States, now);
        let room = Arc::strong_count(&debugging.places) <= LOOKED_AT;
        (wanted && room && conn.tls().is_some()).then(|| {
            let eyes = Onlooker::new(conn.outbound.is_some());
            Box::new(Looking { eyes, _place: debugging.places.clone() })
        })
    }

    /// After a turn: what was seen in it.
    pub(super) fn looked(&mut self, conn: &mut Conn) {
        let Some(mut looking) = conn.looking.take() else { return };
        while let Some(saw) = looking.eyes.poll() {
            match saw {
                Saw::Message(text) => self.tell(conn, SslDebug::Msg, text),
                Saw::State(text) => self.tell(conn, SslDebug::States, text),
            }
        }
        match conn.peer() {
            // Over, and the rest is SIP.
            Some(peer) => self.finished(conn, &peer.clone()),
            None => conn.looking = Some(looking),
        }
    }

    fn finished(&mut self, conn: &Conn, peer: &Peer) {
        let Some(facts) = super::trace::tls(peer) else { return };
        let side = onlooker::side(conn.outbound.is_some());
        let how = match conn.tls().and_then(|tls| tls.handshake_kind()) {
            Some(rustls::HandshakeKind::Resumed) => "an earlier session taken up",
            Some(rustls::HandshakeKind::FullWithHelloRetryRequest) => "full, with a second ClientHello",
            _ => "full",
        };
        let proof = if facts.mutual { "both sides showed certificates" } else { "only one side showed a certificate" };
        let text =
            format!("{side}: handshake finished: {} {} {}; {how}; {proof}", facts.version, facts.suite, facts.group);
        self.tell(conn, SslDebug::States, text);
        for (at, der) in
            conn.tls().and_then(|tls| tls.peer_certificates()).unwrap_or_default().iter().take(4).enumerate()
        {
            let text = format!("the peer's certificate {}: {}", at + 1, onlooker::certificate(der));
            self.tell(conn, SslDebug::Msg, text);
        }
    }

    /// A handshake failed; `why` in words. An alert that could not be seen, because it was protected, is told by what
    /// rustls says of it.
    pub(super) fn handshake_failed(&mut self, conn: &mut Conn, broken: &Broken, why: &str) {
        self.looked(conn);
        let side = onlooker::side(conn.outbound.is_some());
        let seen = conn.looking.take().is_some_and(|looking| looking.eyes.saw_alert());
        if let (Broken::Tls(error), false) = (broken, seen) {
            let text = match error {
                rustls::Error::AlertReceived(alert) => onlooker::alert(false, "fatal", u8::from(*alert)),
                _ => match broken::alert_sent(error) {
                    Some(alert) => onlooker::alert(true, "fatal", u8::from(alert)),
                    None => "SSL alert write: fatal: protected, and which one is not known here".into(),
                },
            };
            self.tell(conn, SslDebug::States, text);
        }
        self.tell(conn, SslDebug::States, format!("{side}: failed in handshake"));
        self.tell(conn, SslDebug::Errors, format!("{side}: error: {why}"));
    }

    fn tell(&mut self, conn: &Conn, about: SslDebug, text: String) {
        let now = self.clock.now();
        if !self.debugging.is_on(about, now.mono) {
            return;
        }
        self.debugging.last += 1;
        let event = HandshakeEvent {
            number: self.debugging.last,
            at_ms: crate::clock::millis(now.wall),
            about,
            connection: conn.flow.0.saturating_sub(self.first_flow),
            local: conn.local,
            remote: conn.remote,
            text,
        };
        self.debugging.keep(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64, about: SslDebug, octets: usize) -> HandshakeEvent {
        let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 5061));
        HandshakeEvent { number, at_ms: 0, about, connection: 1, local: addr, remote: addr, text: "x".repeat(octets) }
    }

    #[test]
    fn it_is_off_when_nobody_asks_any_more_and_stays_off_for_who_followed() {
        let (mut debugging, start) = (Debugging::default(), Duration::from_secs(100));
        assert!(!debugging.is_on(SslDebug::States, start));
        assert!(!debugging.read(SslDebug::States, Some(0), start).on, "following switches nothing on");
        assert!(debugging.read(SslDebug::States, None, start).on);
        assert!(debugging.read(SslDebug::States, Some(0), start + LEASE / 2).on);
        assert!(debugging.is_on(SslDebug::States, start + LEASE), "asking goes on");
        assert!(!debugging.is_on(SslDebug::Msg, start), "each by itself");
        let late = start + LEASE * 2;
        assert!(!debugging.is_on(SslDebug::States, late));
        assert!(!debugging.read(SslDebug::States, Some(0), late).on);
        // Who asks for what comes after everything gets nothing.
        let told = debugging.read(SslDebug::States, Some(u64::MAX), late);
        assert_eq!((told.lost, told.events.len()), (0, 0));
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_was_lost_is_counted() {
        let (mut debugging, now) = (Debugging::default(), Duration::from_secs(1));
        debugging.read(SslDebug::Msg, None, now);
        for number in 1..=EVENTS as u64 + 5 {
            debugging.last = number;
            debugging.keep(event(number, SslDebug::Msg, 1));
        }
        let told = debugging.read(SslDebug::Msg, Some(0), now);
        assert_eq!((told.events.len(), told.lost, told.last), (EVENTS, 5, EVENTS as u64 + 5));
        assert!(debugging.read(SslDebug::States, Some(0), now).events.is_empty(), "others' are not shown");
        debugging.keep(event(EVENTS as u64 + 6, SslDebug::Msg, OCTETS));
        assert_eq!((debugging.events.len(), debugging.octets), (1, OCTETS));
    }
}
