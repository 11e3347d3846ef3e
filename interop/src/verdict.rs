//! Whether the media seen on the wire was protected. SRTP (RFC 3711) looks like RTP, so its presence
//! proves nothing; what proves something is that the payload has the statistics of ciphertext, has the
//! size of a payload with a tag, and is not what anybody said when it is decoded as speech.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use anyhow::{Result, ensure};

use crate::audio;
use crate::packets::{Datagram, Flow, Frame, Rtp, udp_flows};
use crate::speech::{PACKET, RATE};

/// Octets of payload below which the counts mean nothing: five for each of 256 values.
const ENOUGH: usize = 5 * 256;
/// χ² over its degrees of freedom, 255. Ciphertext gives 1 ± 0.09; over 1.5 is five deviations away
/// and more, while speech gives ten and more.
const CIPHERTEXT_CHI: f64 = 1.5;

/// What a flow turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Statistics of ciphertext, and nobody's words.
    Protected,
    /// Readable, for the reason given.
    Clear(String),
    /// No media, but control packets in clear such as baresip sends before and after a call; see
    /// [`is_baresips`]. From anybody else that is as bad as [`Verdict::Clear`].
    ControlInClear,
    /// Not enough of it to tell.
    TooShort,
    /// Not media at all: no packet is RTP or RTCP.
    NotMedia,
}

/// A judged flow, with the figures that the verdict rests on.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub flow: Flow,
    pub verdict: Verdict,
    /// RTP packets seen.
    pub packets: usize,
    /// The commonest size of a packet, with its header.
    pub size: usize,
    /// Bits an octet over all payloads: 8 is the most.
    pub entropy: f64,
    /// χ² against evenly spread octets, over 255.
    pub chi: f64,
    /// The best correlation of the decoded payload with anything that was said.
    pub correlation: f64,
}

/// Judges every UDP flow of a capture. `said` are the recordings that might be in it.
pub fn judge(frames: &[Frame], said: &[&[i16]]) -> BTreeMap<Flow, Judgement> {
    udp_flows(frames).into_iter().map(|(flow, datagrams)| (flow, judge_flow(flow, &datagrams, said))).collect()
}

/// Fails unless every flow that `inside` names is protected, and each of `required` is there with
/// enough packets to tell. Protected control packets, too few to tell, are let pass. `baresips` are the
/// hosts that may do what baresip does.
///
/// # Errors
/// With every flow that is clear, and every required one that is missing or too short.
pub fn demand_protected(
    judgements: &BTreeMap<Flow, Judgement>,
    inside: impl Fn(&Flow) -> bool,
    required: &[(&str, IpAddr, IpAddr)],
    baresips: &[IpAddr],
) -> Result<()> {
    let mut wrong = Vec::new();
    for judgement in judgements.values().filter(|judgement| inside(&judgement.flow)) {
        let clear = match judgement.verdict {
            Verdict::Clear(_) => true,
            Verdict::ControlInClear => !baresips.contains(&judgement.flow.from.ip()),
            Verdict::Protected | Verdict::TooShort | Verdict::NotMedia => false,
        };
        if clear {
            wrong.push(judgement.to_string());
        }
    }
    for (what, from, to) in required {
        let there = judgements.values().any(|judgement| {
            judgement.flow.from.ip() == *from
                && judgement.flow.to.ip() == *to
                && judgement.verdict == Verdict::Protected
        });
        if !there {
            wrong.push(format!("{what}: no protected media from {from} to {to}"));
        }
    }
    ensure!(wrong.is_empty(), "media is not what it should be:\n{}", wrong.join("\n"));
    Ok(())
}

fn judge_flow(flow: Flow, datagrams: &[Datagram], said: &[&[i16]]) -> Judgement {
    let packets: Vec<Rtp<'_>> = datagrams.iter().filter_map(|datagram| Rtp::parse(&datagram.payload)).collect();
    let mut counts = [0_usize; 256];
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for packet in &packets {
        *sizes.entry(12 + packet.payload.len()).or_default() += 1;
        for octet in packet.payload {
            counts[usize::from(*octet)] += 1;
        }
    }
    let total: usize = counts.iter().sum();
    let mut judgement = Judgement {
        flow,
        verdict: Verdict::NotMedia,
        packets: packets.len(),
        size: sizes.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(size, _)| size),
        entropy: entropy(&counts),
        chi: chi_square(&counts) / 255.0,
        correlation: decoded_correlation(datagrams, said),
    };
    judgement.verdict = verdict(&judgement, total, datagrams, &packets);
    judgement
}

fn verdict(judgement: &Judgement, total: usize, datagrams: &[Datagram], packets: &[Rtp<'_>]) -> Verdict {
    let mut clear_control = datagrams.iter().map(|datagram| &datagram.payload).filter(|payload| is_clear_rtcp(payload));
    if let Some(control) = clear_control.clone().find(|payload| !is_baresips(payload)) {
        return Verdict::Clear(format!("a control packet of type {} in clear", control[1]));
    }
    if packets.is_empty() {
        return if clear_control.next().is_some() {
            Verdict::ControlInClear
        } else if datagrams.iter().any(|datagram| looks_like_rtcp(&datagram.payload)) {
            Verdict::TooShort
        } else {
            Verdict::NotMedia
        };
    }
    // A key press is four octets, or one of the codec's frames without a tag; SRTP is always longer.
    if let Some(event) = packets.iter().find(|packet| packet.payload.len() == 4 && packet.payload_type >= 96) {
        return Verdict::Clear(format!("a key press in clear, payload type {}", event.payload_type));
    }
    if judgement.correlation > 0.5 {
        return Verdict::Clear(format!("decoded as G.711 it is what was said ({:.2})", judgement.correlation));
    }
    let bare = packets.iter().filter(|packet| packet.payload.len() == PACKET && packet.payload_type == 0).count();
    if 2 * bare > packets.len() {
        return Verdict::Clear(format!("{bare} packets of {PACKET} octets: no room for a tag"));
    }
    if total < ENOUGH {
        return Verdict::TooShort;
    }
    if judgement.chi > CIPHERTEXT_CHI {
        return Verdict::Clear(format!("octets are not spread as in ciphertext (χ²/255 {:.1})", judgement.chi));
    }
    Verdict::Protected
}

/// Bits an octet (Shannon).
fn entropy(counts: &[usize; 256]) -> f64 {
    let total: usize = counts.iter().sum();
    let shares = counts.iter().filter(|count| **count > 0).map(|count| *count as f64 / total as f64);
    shares.map(|share| -share * share.log2()).sum()
}

/// Pearson's χ² against evenly spread octets, 255 degrees of freedom.
fn chi_square(counts: &[usize; 256]) -> f64 {
    let expected = counts.iter().sum::<usize>() as f64 / 256.0;
    if expected == 0.0 {
        return 0.0;
    }
    counts.iter().map(|count| (*count as f64 - expected).powi(2) / expected).sum()
}

/// Whether the first seconds of the decoded payload are anywhere in what somebody said.
fn decoded_correlation(datagrams: &[Datagram], said: &[&[i16]]) -> f64 {
    let decoded = audio::decode_pcmu(datagrams);
    let first = &decoded[..decoded.len().min(6 * RATE)];
    said.iter().map(|said| audio::heard_well(first, said)).fold(0.0, f64::max)
}

/// Version 2 and a packet type of RFC 3550 section 12.1.
fn looks_like_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 200..=207, _, _, ..] if first >> 6 == 2)
}

/// baresip 1.0.0 sends two control packets past its SRTP: at the start, to open its way through NAT, an APP
/// packet that says PINGPONG, and at the end a BYE (RFC 3550 section 6.6) with the reason "Adjo" and its CNAME.
fn is_baresips(datagram: &[u8]) -> bool {
    let ping = datagram.len() == 16 && datagram.starts_with(&[0x80, 204, 0, 3]) && datagram.ends_with(b"PINGPONG");
    let farewell = datagram.starts_with(&[0x81, 203, 0, 3]) && datagram.get(8..13) == Some(b"\x04Adjo");
    ping || farewell
}

/// Whether the chain of lengths in a compound packet ends exactly where the datagram does and has a type
/// at each step. SRTCP appends an index and a tag, and hides all types but the first.
fn is_clear_rtcp(datagram: &[u8]) -> bool {
    let mut rest = datagram;
    while looks_like_rtcp(rest) {
        let length = 4 * (1 + usize::from(u16::from_be_bytes([rest[2], rest[3]])));
        match rest.get(length..) {
            Some([]) => return true,
            Some(next) => rest = next,
            None => return false,
        }
    }
    false
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match &self.verdict {
            Verdict::Protected => "protected".to_owned(),
            Verdict::Clear(why) => format!("CLEAR: {why}"),
            Verdict::ControlInClear => "control packets in clear".to_owned(),
            Verdict::TooShort => "too short to tell".to_owned(),
            Verdict::NotMedia => "not media".to_owned(),
        };
        write!(
            f,
            "{}: {verdict}; {} packets of {} octets, {:.2} bits an octet, χ²/255 {:.2}, correlation {:.2}",
            self.flow, self.packets, self.size, self.entropy, self.chi, self.correlation
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packets::rtp_packet;
    use crate::speech::{self, to_ulaw};
    use std::time::Duration;

    fn judge_payloads(kind: u8, payloads: impl Iterator<Item = Vec<u8>>, said: &[&[i16]]) -> Judgement {
        let flow = Flow { from: "198.18.133.226:16384".parse().unwrap(), to: "198.18.133.75:4000".parse().unwrap() };
        let datagrams: Vec<Datagram> = payloads
            .zip(0_u16..)
            .map(|(payload, at)| Datagram {
                time: Duration::ZERO,
                payload: rtp_packet(false, kind, at, u32::from(at) * 160, 1, &payload),
            })
            .collect();
        judge_flow(flow, &datagrams, said)
    }

    /// A stand-in for a cipher: what matters here is that its octets are evenly spread.
    fn keystream(seed: u64) -> impl Iterator<Item = u8> {
        let mut state = seed;
        std::iter::from_fn(move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some((state >> 33) as u8)
        })
    }

    #[test]
    fn speech_is_clear_even_when_nobody_knows_the_words_and_even_with_a_tag() {
        let voice = speech::voice(1, 4);
        let plain = || voice.chunks_exact(PACKET).map(|chunk| chunk.iter().copied().map(to_ulaw).collect::<Vec<u8>>());
        let known = judge_payloads(0, plain(), &[&voice]);
        assert!(known.correlation > 0.99, "{known}");
        assert!(matches!(known.verdict, Verdict::Clear(_)), "{known}");
        // A null cipher with a tag: the size is right, the words are unknown, and it is still caught.
        let mut tag = keystream(7);
        let tagged = plain().map(|payload| payload.into_iter().chain(tag.by_ref().take(10)).collect());
        let null_cipher = judge_payloads(0, tagged, &[]);
        assert_eq!(null_cipher.size, 182);
        assert!(matches!(&null_cipher.verdict, Verdict::Clear(why) if why.contains("spread")), "{null_cipher}");
    }

    #[test]
    fn silence_and_keys_in_clear_are_clear() {
        let silence = judge_payloads(0, (0..50).map(|_| vec![0xff; PACKET]), &[]);
        assert!(matches!(silence.verdict, Verdict::Clear(_)), "{silence}");
        let key = judge_payloads(101, std::iter::once(vec![1, 10, 0, 160]), &[]);
        assert!(matches!(key.verdict, Verdict::Clear(_)), "{key}");
    }

    #[test]
    fn evenly_spread_octets_with_a_tag_are_protected() {
        let mut octets = keystream(3);
        let protected =
            judge_payloads(0, (0..100).map(|_| octets.by_ref().take(170).collect()), &[&speech::voice(1, 2)]);
        assert_eq!(protected.verdict, Verdict::Protected, "{protected}");
        assert!(protected.entropy > 7.9, "{protected}");
        let mut octets = keystream(4);
        let few = judge_payloads(0, (0..3).map(|_| octets.by_ref().take(170).collect()), &[]);
        assert_eq!(few.verdict, Verdict::TooShort, "{few}");
    }

    #[test]
    fn control_packets_in_clear_are_told_from_protected_ones() {
        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 202, 0, 2, 0, 0, 0, 9, 1, 2, b'h', b'i'];
        assert!(is_clear_rtcp(&report));
        let mut pinhole = vec![0x80, 204, 0, 3, 0, 0, 0, 9];
        pinhole.extend(b"PINGPONG");
        assert!(is_clear_rtcp(&pinhole) && is_baresips(&pinhole) && !is_baresips(&report));
        report.extend([0x80, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert!(!is_clear_rtcp(&report));
    }
}
