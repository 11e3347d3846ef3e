//! One stream as agreed: its terms, how its packets travel, and what was seen of them.

use std::net::SocketAddr;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::RngCore;
use sdp::{Codec, Direction, Keying, Negotiated, OpusTerms};

use super::carrier::{Carrier, Change};
use super::clock::Clock;
use super::incoming::Incoming;
use super::on_path::OnPath;
use super::outgoing::{Outgoing, Place};
use super::quality;
use super::rtcp::Rtcp;
use crate::command::{Latch, Transmit};
use crate::dtls::{Identity, Progress};
use crate::facts::{Counters, Facts};
use crate::rtp::{self, Header};
use crate::srtp::{Failure, KeyLength};

/// Silence is told after this, and every time again.
const SILENT: Duration = Duration::from_secs(5);

pub(super) struct Stream {
    pub(super) terms: Terms,
    pub(super) outgoing: Outgoing,
    pub(super) rtcp: Rtcp,
    clock: Clock,
    carrier: Carrier,
    /// Where the keys come from, if not from descriptions.
    on_path: Option<Box<OnPath>>,
    incoming: Incoming,
    latch: Latched,
    /// Whose packets are taken: the agreed address, or the one latched to.
    source: SocketAddr,
    /// The address that was agreed last, latched or not.
    agreed: SocketAddr,
    quiet: Quiet,
    tally: Tally,
}

/// [`Negotiated`] without its keys, which live in the carrier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) remote: SocketAddr,
    remote_rtcp: SocketAddr,
    pub(super) codec: Codec,
    payload_type: u8,
    pub(super) telephone_event: Option<u8>,
    direction: Direction,
    pub(super) ptime_ms: u16,
    opus: OpusTerms,
}

/// What is spoken on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    pub(super) codec: Codec,
    /// How the peer wants it, if it is that.
    pub(super) opus: OpusTerms,
}

/// Whose packets are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Latched {
    /// The agreed address's.
    Agreed,
    /// The first authentic one's decides.
    Open,
    /// Decided.
    Shut,
}

#[derive(Clone, Copy, Debug)]
struct Quiet {
    heard: Duration,
    check: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    rekeyed: u32,
    tx: Counters,
    rx: Counters,
    auth_failed: u64,
    replayed: u64,
    clear_dropped: u64,
    foreign_source: u64,
}

/// What a payload is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Audio,
    Event,
}

/// An authentic packet, now in clear: twelve octets of header, then the payload, up to `len`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) kind: Kind,
    pub(super) header: Header,
    pub(super) codec: Codec,
    pub(super) len: usize,
}

impl Stream {
    pub(super) fn start(
        agreed: &Negotiated,
        latch: Latch,
        now: Duration,
        random: &mut ChaCha12Rng,
        identity: Option<&Identity>,
    ) -> Result<Stream, Unkeyed> {
        let ssrc = random.next_u32();
        let on_path = match &agreed.keying {
            Keying::Dtls(terms) => {
                let identity = identity.ok_or(Unkeyed::NoIdentity)?;
                Some(Box::new(OnPath::new(identity, terms, agreed.remote, now)))
            }
            Keying::Sdes { .. } | Keying::Clear => None,
        };
        Ok(Stream {
            terms: Terms::of(agreed),
            outgoing: Outgoing::new(ssrc, random.next_u64(), now),
            rtcp: Rtcp::new(now, random),
            clock: Clock::of(agreed.codec),
            carrier: Carrier::new(&agreed.keying, ssrc)?,
            on_path,
            incoming: Incoming::default(),
            latch: Latched::of(latch),
            source: agreed.remote,
            agreed: agreed.remote,
            quiet: Quiet::from(now),
            tally: Tally::default(),
        })
    }

    /// A new agreement for the same stream: other keys, another party, hold.
    pub(super) fn change(
        &mut self,
        agreed: &Negotiated,
        latch: Latch,
        now: Duration,
        random: &mut ChaCha12Rng,
        identity: Option<&Identity>,
    ) -> Result<(), Unkeyed> {
        let ssrc = random.next_u32();
        let change = match &agreed.keying {
            Keying::Dtls(terms) if self.on_path.as_mut().is_some_and(|on_path| on_path.goes_on(terms)) => Change::Same,
            Keying::Dtls(terms) => {
                let identity = identity.ok_or(Unkeyed::NoIdentity)?;
                // Another party: what the keys before protected is not for it, so nothing passes until there are others.
                self.on_path = Some(Box::new(OnPath::new(identity, terms, agreed.remote, now)));
                self.carrier = Carrier::Waiting;
                Change::LocalKey
            }
            Keying::Sdes { .. } | Keying::Clear => {
                let change = self.carrier.change(&agreed.keying, ssrc, now)?;
                self.on_path = None;
                change
            }
        };
        if change == Change::LocalKey {
            self.outgoing.fresh(ssrc, random.next_u64(), now);
        }
        self.tally.rekeyed += u32::from(change != Change::Same && agreed.keying != Keying::Clear);
        let before = std::mem::replace(&mut self.terms, Terms::of(agreed));
        self.clock.follow(agreed.codec);
        if let Some(on_path) = &mut self.on_path {
            on_path.moved(agreed.remote);
            self.follow();
        } else if !addressable(agreed.remote) {
            // Hold by c=0.0.0.0 says where not to send; the peer's own packets come from where they came.
        } else if agreed.remote != self.agreed || latch == Latch::Never {
            self.rtcp.retarget();
            self.latch = Latched::of(latch);
            (self.source, self.agreed) = (agreed.remote, agreed.remote);
        } else if self.latch == Latched::Shut {
            // The same address was advertised again; what was latched to still holds.
            self.terms.remote = self.source;
            self.terms.remote_rtcp = before.remote_rtcp;
        }
        self.quiet = Quiet::from(now);
        Ok(())
    }

    /// Takes what is neither RTP nor RTCP off the wire: a check of the way, or a piece of the handshake. In words why it
    /// came to nothing.
    pub(super) fn arrive(&mut self, from: SocketAddr, datagram: &[u8], now: Duration) -> Option<String> {
        let progress = self.on_path.as_mut()?.take(datagram, from, now);
        self.follow();
        self.keyed(progress)
    }

    /// When [`Stream::handshake`] has something to send.
    pub(super) fn handshake_due(&self) -> Option<Duration> {
        self.on_path.as_ref().and_then(|on_path| on_path.due())
    }

    pub(super) fn handshake(
        &mut self,
        slot: u16,
        now: Duration,
        send: &mut dyn FnMut(Transmit, &[u8]),
    ) -> Option<String> {
        let on_path = self.on_path.as_mut()?;
        let progress =
            on_path.tick(now, |to, packet| send(Transmit { slot, rtcp: false, to, len: packet.len() }, packet));
        self.keyed(progress)
    }

    /// Sends where the peer is by its checks, or stays where it was.
    fn follow(&mut self) {
        let Some(peer) = self.on_path.as_ref().and_then(|on_path| on_path.peer()) else { return };
        if peer != self.source {
            self.rtcp.retarget();
        }
        (self.source, self.agreed) = (peer, peer);
        (self.terms.remote, self.terms.remote_rtcp) = (peer, peer);
    }

    fn keyed(&mut self, progress: Progress) -> Option<String> {
        match progress {
            Progress::Going => None,
            Progress::Keyed(keys) => {
                // Of the suite's own length: the library's export is cut by it.
                if let Ok(carrier) = Carrier::secure(keys.suite, &keys.local, &keys.remote, self.outgoing.ssrc) {
                    self.carrier = carrier;
                }
                None
            }
            Progress::Failed(why) => {
                self.carrier = Carrier::Waiting;
                Some(why)
            }
        }
    }

    /// Takes an RTP packet off the wire: authentic, from the right place and of a kind that was agreed, or none. Opened
    /// in place.
    pub(super) fn hear(&mut self, from: SocketAddr, buffer: &mut [u8], len: usize, now: Duration) -> Option<Heard> {
        let mut header = Header::parse(buffer.get(..len)?)?;
        if self.latch != Latched::Open && from != self.source {
            self.tally.foreign_source += 1;
            return None;
        }
        let looks_clear = self.looks_clear(&header, len);
        let opened = match self.carrier.open(buffer, len, now) {
            Ok(opened) => opened,
            Err(failure) => {
                self.failed(failure, looks_clear);
                return None;
            }
        };
        if self.latch == Latched::Open {
            self.latch = Latched::Shut;
            (self.source, self.terms.remote) = (from, from);
        }
        let payload = header.payload(buffer.get(..opened)?)?.len();
        if header.len != rtp::HEADER {
            // What the sender hung on the header is for its own hop.
            buffer.copy_within(header.len..header.len + payload, rtp::HEADER);
        }
        let kind = self.terms.kind(header.payload_type);
        header.timestamp = self.clock.inward(header.timestamp);
        if kind == Some(Kind::Event) {
            self.clock.event_inward(buffer.get_mut(rtp::HEADER..rtp::HEADER + payload)?);
        }
        self.carrier.count(&mut self.tally.rx, payload);
        let audio = kind == Some(Kind::Audio);
        self.incoming.take(header.ssrc, header.sequence, header.timestamp, audio, now);
        self.quiet.heard = now;
        if !self.terms.direction.receives() {
            return None;
        }
        Some(Heard { kind: kind?, header, codec: self.terms.codec, len: rtp::HEADER + payload })
    }

    /// Takes an RTCP compound off the wire.
    pub(super) fn hear_rtcp(&mut self, from: SocketAddr, buffer: &mut [u8], len: usize, now: Duration) {
        if self.latch != Latched::Open && ![self.source.ip(), self.terms.remote_rtcp.ip()].contains(&from.ip()) {
            self.tally.foreign_source += 1;
            return;
        }
        if !buffer.get(..len).is_some_and(rtp::is_rtcp) {
            return;
        }
        match self.carrier.open_rtcp(buffer, len, now) {
            Ok(opened) => {
                if self.latch != Latched::Agreed {
                    self.terms.remote_rtcp = from;
                }
                self.rtcp.take(buffer.get(..opened).unwrap_or_default(), self.outgoing.ssrc, now);
            }
            Err(failure) => self.failed(failure, failure == Failure::Clear),
        }
    }

    /// Whether we may send, and have somewhere to send to.
    pub(super) fn may_speak(&self) -> bool {
        self.terms.direction.sends() && addressable(self.terms.remote)
    }

    /// Sends `buffer[..len]`, header and payload, as `kind`: the header is written over, the packet sealed in place.
    pub(super) fn say(
        &mut self,
        slot: u16,
        kind: Kind,
        place: Place,
        marker: bool,
        buffer: &mut [u8],
        len: usize,
    ) -> Option<Transmit> {
        let payload_type = match kind {
            Kind::Audio => self.terms.payload_type,
            Kind::Event => self.terms.telephone_event?,
        };
        let header = Header {
            marker: marker || place.begins,
            payload_type,
            sequence: place.sequence,
            timestamp: self.clock.outward(place.timestamp),
            ssrc: self.outgoing.ssrc,
            padding: false,
            len: rtp::HEADER,
        };
        header.write(buffer)?;
        let payload = len.checked_sub(rtp::HEADER)?;
        if kind == Kind::Event {
            self.clock.event_outward(buffer.get_mut(rtp::HEADER..len)?);
        }
        let sealed = self.carrier.seal(buffer, len).ok()?;
        self.carrier.count(&mut self.tally.tx, payload);
        self.outgoing.count(payload);
        Some(Transmit { slot, rtcp: false, to: self.terms.remote, len: sealed })
    }

    /// The report that is due, sealed in `out`.
    pub(super) fn report(
        &mut self,
        slot: u16,
        out: &mut [u8],
        now: Duration,
        random: &mut ChaCha12Rng,
    ) -> Option<Transmit> {
        let len = self.rtcp.report(
            out,
            &self.outgoing,
            &mut self.incoming,
            (self.terms.ptime_ms, self.clock),
            now,
            random,
        )?;
        self.seal_rtcp(slot, out, len)
    }

    /// The last report, with BYE.
    pub(super) fn farewell(&mut self, slot: u16, out: &mut [u8], now: Duration) -> Option<Transmit> {
        let len =
            self.rtcp.farewell(out, &self.outgoing, &mut self.incoming, (self.terms.ptime_ms, self.clock), now)?;
        self.seal_rtcp(slot, out, len)
    }

    /// When to look whether anything was heard.
    pub(super) fn quiet_check(&self) -> Option<Duration> {
        self.terms.direction.receives().then_some(self.quiet.check)
    }

    /// Seconds of silence, when it is time to tell.
    pub(super) fn quiet(&mut self, now: Duration) -> Option<u32> {
        self.quiet_check().filter(|check| *check <= now)?;
        let times = now.saturating_sub(self.quiet.heard).as_secs() / SILENT.as_secs();
        let times = u32::try_from(times).unwrap_or(u32::MAX - 1);
        self.quiet.check = self.quiet.heard + SILENT * (times + 1);
        (times > 0).then_some(times * SILENT.as_secs() as u32)
    }

    pub(super) fn facts(&self) -> Facts {
        let suite = self.carrier.suite();
        Facts {
            local: None,
            remote: Some(self.terms.remote),
            keying: match (&self.on_path, suite) {
                (Some(_), _) => "DTLS-SRTP",
                (None, Some(_)) => "SDES",
                (None, None) => "none",
            }
            .to_owned(),
            suite: suite.map_or("", |suite| suite.name()).to_owned(),
            codec: self.terms.codec.name().to_owned(),
            rekeyed: self.tally.rekeyed,
            tx: self.tally.tx,
            rx: self.tally.rx,
            auth_failed: self.tally.auth_failed,
            replayed: self.tally.replayed,
            clear_dropped: self.tally.clear_dropped,
            foreign_source: self.tally.foreign_source,
            lost: self.incoming.lost(),
            reordered: self.incoming.reordered(),
            jitter_ms: self.incoming.jitter_ms(),
            rtt_ms: self.rtcp.rtt_ms(),
            mos: quality::mos(
                self.tally.rx.protected + self.tally.rx.clear,
                self.incoming.lost(),
                self.incoming.jitter_ms(),
                self.rtcp.rtt(),
            ),
            heard_as: self.rtcp.heard_as(),
        }
    }

    fn seal_rtcp(&mut self, slot: u16, out: &mut [u8], len: usize) -> Option<Transmit> {
        if !addressable(self.terms.remote_rtcp) {
            return None;
        }
        let len = self.carrier.seal_rtcp(out, len).ok()?;
        let to = self.terms.remote_rtcp;
        // Under rtcp-mux both come from and go to one port (RFC 5761).
        Some(Transmit { slot, rtcp: to != self.terms.remote, to, len })
    }

    fn failed(&mut self, failure: Failure, looks_clear: bool) {
        match failure {
            // The peer has its keys a moment ahead of us.
            Failure::NoKey => {}
            Failure::Replayed | Failure::TooOld => self.tally.replayed += 1,
            _ if looks_clear => self.tally.clear_dropped += 1,
            _ => self.tally.auth_failed += 1,
        }
    }

    /// G.711 in clear comes in whole tens of milliseconds, an event in four octets; with a tag neither does. A packet of
    /// Opus may be of any length.
    fn looks_clear(&self, header: &Header, len: usize) -> bool {
        match self.terms.kind(header.payload_type) {
            Some(Kind::Audio) if self.terms.codec == Codec::Opus => false,
            Some(Kind::Audio) => len > header.len && (len - header.len).is_multiple_of(80),
            Some(Kind::Event) => len - header.len == 4,
            None => false,
        }
    }
}

/// Why a stream cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unkeyed {
    #[error(transparent)]
    Length(#[from] KeyLength),
    #[error("this media thread has no certificate for DTLS-SRTP")]
    NoIdentity,
}

impl Terms {
    fn of(agreed: &Negotiated) -> Terms {
        Terms {
            remote: agreed.remote,
            remote_rtcp: agreed.remote_rtcp,
            codec: agreed.codec,
            payload_type: agreed.payload_type,
            telephone_event: agreed.telephone_event,
            direction: agreed.direction,
            ptime_ms: packet_length(agreed),
            opus: agreed.opus,
        }
    }

    pub(super) fn spoken(&self) -> Spoken {
        Spoken { codec: self.codec, opus: self.opus }
    }

    fn kind(&self, payload_type: u8) -> Option<Kind> {
        if payload_type == self.payload_type {
            Some(Kind::Audio)
        } else {
            (Some(payload_type) == self.telephone_event).then_some(Kind::Event)
        }
    }
}

/// Of packets of ours: Opus has none of 30 or 50 ms (RFC 6716 §2.1.4).
fn packet_length(agreed: &Negotiated) -> u16 {
    match (agreed.codec, agreed.ptime_ms.clamp(10, 60)) {
        (Codec::Opus, ms @ (30 | 50)) => ms - 10,
        (_, ms) => ms,
    }
}

impl Latched {
    fn of(latch: Latch) -> Latched {
        match latch {
            Latch::Never => Latched::Agreed,
            Latch::FirstAuthentic => Latched::Open,
        }
    }
}

impl Quiet {
    fn from(now: Duration) -> Quiet {
        Quiet { heard: now, check: now + SILENT }
    }
}

fn addressable(addr: SocketAddr) -> bool {
    !addr.ip().is_unspecified() && addr.port() != 0
}
