//! The lines that we understand, read from a section: address, direction, payload types, packet length, RTCP, keys.

use std::net::{IpAddr, SocketAddr};

use crate::crypto::{Crypto, CryptoError};
use crate::session::{Line, Media, Session};
use crate::{Codec, Direction};

/// `a=rtpmap` (RFC 8866 §6.6), or what RFC 3551 says of a static payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpMap {
    pub payload_type: u8,
    pub encoding: String,
    /// Hz.
    pub clock_rate: u32,
    pub channels: u16,
}

impl RtpMap {
    pub fn codec(&self) -> Option<Codec> {
        let fits = |codec: &Codec| (self.clock_rate, self.channels) == (codec.clock_rate(), codec.channels());
        Codec::named(&self.encoding).filter(fits)
    }

    /// RFC 4733, at the clock of this codec.
    pub fn is_telephone_event(&self, beside: Codec) -> bool {
        self.encoding.eq_ignore_ascii_case("telephone-event") && self.clock_rate == beside.clock_rate()
    }

    fn parse(value: &str) -> Option<RtpMap> {
        let (payload_type, rest) = value.trim().split_once(' ')?;
        let mut parts = rest.trim().split('/');
        let encoding = parts.next()?.to_owned();
        let clock_rate = parts.next()?.parse().ok()?;
        let channels = parts.next().map_or(Some(1), |n| n.parse().ok())?;
        Some(RtpMap { payload_type: payload_type.parse().ok()?, encoding, clock_rate, channels })
    }

    /// RFC 3551 table 4, as far as the names help a reader.
    fn known(payload_type: u8) -> Option<RtpMap> {
        let (encoding, clock_rate) = match payload_type {
            0 => ("PCMU", 8000),
            3 => ("GSM", 8000),
            4 => ("G723", 8000),
            8 => ("PCMA", 8000),
            9 => ("G722", 8000),
            13 => ("CN", 8000),
            15 => ("G728", 8000),
            18 => ("G729", 8000),
            _ => return None,
        };
        Some(RtpMap { payload_type, encoding: encoding.to_owned(), clock_rate, channels: 1 })
    }
}

pub(crate) fn attributes<'a>(lines: &'a [Line], name: &'a str) -> impl Iterator<Item = &'a str> {
    lines.iter().filter_map(Line::attribute).filter(move |(n, _)| n.trim().eq_ignore_ascii_case(name)).map(|(_, v)| v)
}

fn direction_in(lines: &[Line]) -> Option<Direction> {
    lines.iter().filter_map(Line::attribute).find_map(|(name, _)| match name.trim() {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    })
}

fn address_in(lines: &[Line]) -> Option<IpAddr> {
    let connection = lines.iter().find(|line| line.kind == 'c')?;
    parse_address(&connection.value)
}

/// `IN IP4 192.0.2.1[/ttl]`. A host name is none: it would have to be resolved, and could change between the two.
fn parse_address(value: &str) -> Option<IpAddr> {
    let mut fields = value.split_ascii_whitespace();
    let (net, family, host) = (fields.next()?, fields.next()?, fields.next()?);
    let host: IpAddr = host.split('/').next()?.parse().ok()?;
    let fits = matches!((family.to_ascii_uppercase().as_str(), host), ("IP4", IpAddr::V4(_)) | ("IP6", IpAddr::V6(_)));
    (net.eq_ignore_ascii_case("IN") && fits).then_some(host)
}

impl Session {
    /// Where the section wants its packets; none for a host name or a missing `c=`. The unspecified address is hold in
    /// the spelling of RFC 2543.
    pub fn address(&self, media: &Media) -> Option<SocketAddr> {
        let host = address_in(&media.lines).or_else(|| address_in(&self.lines))?;
        Some(SocketAddr::new(host, media.port))
    }

    /// Where it wants its RTCP: `a=rtcp` (RFC 3605), the RTP address under `a=rtcp-mux` (RFC 5761), or the next port.
    pub fn rtcp_address(&self, media: &Media) -> Option<SocketAddr> {
        let rtp = self.address(media)?;
        if media.rtcp_mux() {
            return Some(rtp);
        }
        let Some(value) = attributes(&media.lines, "rtcp").next() else {
            return Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?));
        };
        let (port, address) = value.trim().split_once(' ').map_or((value.trim(), None), |(p, a)| (p, parse_address(a)));
        Some(SocketAddr::new(address.unwrap_or(rtp.ip()), port.parse().ok()?))
    }

    /// Who sends, as the description's author sees it; `c=0.0.0.0` takes receiving away.
    pub fn direction(&self, media: &Media) -> Direction {
        let written = direction_in(&media.lines).or_else(|| direction_in(&self.lines)).unwrap_or(Direction::SendRecv);
        match self.address(media) {
            // With ICE it only says that the address is not known yet (RFC 8840 §4.1.1).
            Some(addr) if addr.ip().is_unspecified() && self.ice(media).is_none() => written.and(Direction::SendOnly),
            _ => written,
        }
    }
}

impl Media {
    pub fn is_audio(&self) -> bool {
        self.media.eq_ignore_ascii_case("audio")
    }

    /// RTP/SAVP or RTP/SAVPF: SRTP keyed by `a=crypto`.
    pub fn is_savp(&self) -> bool {
        self.proto.eq_ignore_ascii_case("RTP/SAVP") || self.proto.eq_ignore_ascii_case("RTP/SAVPF")
    }

    /// RTP/AVP or RTP/AVPF: RTP in clear.
    pub fn is_avp(&self) -> bool {
        self.proto.eq_ignore_ascii_case("RTP/AVP") || self.proto.eq_ignore_ascii_case("RTP/AVPF")
    }

    pub fn rtcp_mux(&self) -> bool {
        attributes(&self.lines, "rtcp-mux").next().is_some()
    }

    /// Payload types with their meaning, in the order of the `m=` line.
    pub fn payload_types(&self) -> Vec<RtpMap> {
        let mapped: Vec<RtpMap> = attributes(&self.lines, "rtpmap").filter_map(RtpMap::parse).collect();
        let of = |pt: u8| mapped.iter().find(|map| map.payload_type == pt).cloned().or_else(|| RtpMap::known(pt));
        self.formats.iter().filter_map(|format| format.parse().ok()).filter(|pt| *pt < 128).filter_map(of).collect()
    }

    /// All `a=crypto` lines, in order, the malformed as their errors.
    pub fn crypto(&self) -> Vec<Result<Crypto, CryptoError>> {
        attributes(&self.lines, "crypto").map(Crypto::parse).collect()
    }

    /// `a=ptime`, in ms: 10 to 60 in steps of 10, or 20 where it is absent or nonsense.
    pub fn ptime_ms(&self) -> u16 {
        let written = attributes(&self.lines, "ptime").next().and_then(|value| value.trim().parse().ok());
        match written {
            Some(ms @ 10..=60) => ms / 10 * 10,
            _ => 20,
        }
    }

    /// What `a=fmtp` says of a payload type (RFC 8866 §6.15).
    pub(crate) fn format_parameters(&self, payload_type: u8) -> Option<&str> {
        attributes(&self.lines, "fmtp").find_map(|value| {
            let (of, parameters) = value.trim().split_once(' ')?;
            (of.parse() == Ok(payload_type)).then_some(parameters)
        })
    }

    /// The `a=mid` identification (RFC 5888), which an answer repeats.
    pub fn mid(&self) -> Option<&str> {
        attributes(&self.lines, "mid").next()
    }
}
