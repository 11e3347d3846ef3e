//! SDP (RFC 8866), offer/answer (RFC 3264) and SDES keying (RFC 4568): what two ends agreed, as one typed result.
//!
//! Pure: keys come from the caller's generator, nothing here reads a clock or a socket. `session` parses and prints
//! whole descriptions without losing a line; `attribute` reads the attributes that we understand; `crypto` is SDES,
//! with its `key`s and `suite`s; `dtls` is what a handshake on the media path is agreed with; `opus` what a peer says of Opus; `negotiate` makes offers and answers; `inspect` is for elements that only pass
//! descriptions on.
//!
//! Two rules hold throughout: protection is not "if possible" unless a policy says so by its loud name (a description is
//! refused in words, see [`Reject`]),
//! and a key is never in a `Debug` text, an error or a refusal.

mod attribute;
mod crypto;
mod directed;
mod dtls;
mod inspect;
mod key;
mod negotiate;
mod opus;
mod reject;
mod session;
mod suite;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

pub use attribute::RtpMap;
pub use crypto::{Crypto, CryptoError, KeyParam, SuiteName};
pub use directed::directed;
pub use dtls::{Credentials, Dtls, Exchange, Fingerprint, Hash, Ice};
pub use inspect::{Inspected, inspect};
pub use key::{MasterKey, Mki};
pub use negotiate::{Keys, Local, Offered, accept, answer, offer};
pub use opus::OpusTerms;
pub use reject::Reject;
pub use session::{Line, Media, ParseError, Session};
pub use suite::Suite;

/// Payload type that we offer for telephone-event; in an answer the offer's number is used.
pub const TELEPHONE_EVENT: u8 = 101;
/// The same beside Opus: events run on the clock of the audio that they stand in for (RFC 4733 §2.1).
pub const TELEPHONE_EVENT_48000: u8 = 110;

/// G.711 in its two laws (RFC 3551 §4.5.14) and G.722 at 64 kbit/s (§4.5.2), mono, with static payload types, on a clock of
/// 8,000 Hz, though G.722 carries 16,000 samples a second; and Opus, which is 48,000 and two channels by name whatever is
/// in it (RFC 7587 §4.1, §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Codec {
    Pcmu,
    Pcma,
    G722,
    Opus,
}

impl Codec {
    /// All that can be spoken.
    pub const ALL: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];
    /// What is offered and taken where nothing else is said.
    pub const USUAL: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

    /// The encoding name of `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::Opus => "opus",
        }
    }

    /// By its encoding name, in capitals or not.
    pub fn named(name: &str) -> Option<Codec> {
        Codec::ALL.into_iter().find(|codec| name.eq_ignore_ascii_case(codec.name()))
    }

    /// The payload type that we offer: the static one (RFC 3551 table 4), or for Opus the one that browsers take.
    pub fn offered_payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
            Codec::G722 => 9,
            Codec::Opus => 111,
        }
    }

    /// Ticks a second of its RTP timestamps.
    pub fn clock_rate(self) -> u32 {
        match self {
            Codec::Pcmu | Codec::Pcma | Codec::G722 => 8000,
            Codec::Opus => 48_000,
        }
    }

    /// Channels as `a=rtpmap` has them.
    pub(crate) fn channels(self) -> u16 {
        if self == Codec::Opus { 2 } else { 1 }
    }
}

/// Who may send (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same stream as the other end names it.
    pub fn mirrored(self) -> Direction {
        Direction::of(self.receives(), self.sends())
    }

    /// What both allow.
    pub fn and(self, other: Direction) -> Direction {
        Direction::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    fn of(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
}

/// How a leg's media must be protected. "If possible" has a loud name and is never a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protection {
    /// SRTP, keyed as [`Policy::exchange`] says; anything else is refused.
    Secure,
    /// RTP/AVP only, by an administrator's loud words.
    DangerousPlainRtp,
    /// SRTP where the peer has it, else RTP in clear, by an administrator's loud words: keys are offered under RTP/AVP, as
    /// phones do with `X-cisco-srtp-fallback`. Whoever can change the description on its way can take the keys out.
    DangerousSrtpFallback,
}

impl Protection {
    /// The administrator's loud words that it stands for, as the site file has them and as a leg's record lists them.
    pub fn dangerous(self) -> Vec<String> {
        match self {
            Protection::Secure => Vec::new(),
            Protection::DangerousPlainRtp => vec!["dangerous_plain_rtp".into()],
            Protection::DangerousSrtpFallback => vec!["dangerous_srtp_fallback".into()],
        }
    }
}

/// What one of our legs is willing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub protection: Protection,
    /// In order of preference; empty means: [`Suite::USUAL`] is offered and any of [`Suite::ALL`] is taken.
    pub suites: Vec<Suite>,
    /// In order of preference; empty means PCMU, PCMA.
    pub codecs: Vec<Codec>,
    /// Offer and accept RFC 4733 telephone-event.
    pub telephone_event: bool,
    /// How SRTP may be keyed: the first is offered, each is taken; empty means SDES.
    pub exchange: Vec<Exchange>,
}

impl Policy {
    /// With the usual suites and codecs, and telephone-event.
    pub fn new(protection: Protection) -> Policy {
        Policy { protection, suites: Vec::new(), codecs: Vec::new(), telephone_event: true, exchange: Vec::new() }
    }

    /// What an offer of ours is keyed by.
    pub(crate) fn offered_exchange(&self) -> Exchange {
        self.exchange.first().copied().unwrap_or(Exchange::Sdes)
    }

    pub(crate) fn takes(&self, exchange: Exchange) -> bool {
        self.exchange.contains(&exchange) || (self.exchange.is_empty() && exchange == Exchange::Sdes)
    }

    /// What an offer of ours holds.
    pub(crate) fn offered_suites(&self) -> &[Suite] {
        if self.suites.is_empty() { &Suite::USUAL } else { &self.suites }
    }

    /// What is taken of an offer of others.
    pub(crate) fn suites(&self) -> &[Suite] {
        if self.suites.is_empty() { &Suite::ALL } else { &self.suites }
    }

    pub(crate) fn codecs(&self) -> &[Codec] {
        if self.codecs.is_empty() { &Codec::USUAL } else { &self.codecs }
    }
}

/// How the stream is keyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keying {
    /// RTP in clear; never under [`Protection::Secure`].
    Clear,
    Sdes {
        suite: Suite,
        tag: u32,
        /// Protects what we send.
        local: MasterKey,
        /// Protects what we receive.
        remote: MasterKey,
    },
    /// The keys come by a handshake on the media path; until then nothing passes.
    Dtls(Box<Dtls>),
}

impl Keying {
    /// The SRTP suite; none in clear, and none that is known ahead of a handshake.
    pub fn suite(&self) -> Option<Suite> {
        match self {
            Keying::Clear | Keying::Dtls(_) => None,
            Keying::Sdes { suite, .. } => Some(*suite),
        }
    }
}

/// The result of an offer and its answer for the one audio stream: all that a media session needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// Where to send RTP. The unspecified address is old-style hold: nowhere.
    pub remote: SocketAddr,
    /// RTCP address; the same as `remote` under rtcp-mux.
    pub remote_rtcp: SocketAddr,
    pub codec: Codec,
    /// Payload type we send and receive for the codec.
    pub payload_type: u8,
    /// Payload type of telephone-event at the codec's clock, if agreed.
    pub telephone_event: Option<u8>,
    /// As seen from us: `RecvOnly` means that we only receive.
    pub direction: Direction,
    /// Packet length that the peer wants to receive: 10 to 60 ms in steps of 10, 20 where it says nothing.
    pub ptime_ms: u16,
    /// What the peer wants of the Opus that it hears; of no other codec.
    #[serde(default)]
    pub opus: OpusTerms,
    pub keying: Keying,
}

#[cfg(test)]
mod tests {
    use super::Direction;

    #[test]
    fn directions_mirror_and_intersect() {
        assert_eq!(Direction::SendOnly.mirrored(), Direction::RecvOnly);
        assert_eq!(Direction::SendRecv.mirrored(), Direction::SendRecv);
        assert_eq!(Direction::SendRecv.and(Direction::RecvOnly), Direction::RecvOnly);
        assert_eq!(Direction::SendOnly.and(Direction::RecvOnly), Direction::Inactive);
    }
}
