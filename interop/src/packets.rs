//! Capture files (classic libpcap format, both byte orders, Ethernet) and the UDP datagrams and RTP
//! packets (RFC 3550 section 5.1) in them. IPv4 and IPv6 without extension headers: what the lab has.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

const MAGIC_LE: [u8; 4] = [0xd4, 0xc3, 0xb2, 0xa1];
const MAGIC_BE: [u8; 4] = [0xa1, 0xb2, 0xc3, 0xd4];
const LINK_ETHERNET: u32 = 1;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;
const UDP: u8 = 17;

/// One frame of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Since 1970.
    pub time: Duration,
    pub bytes: Vec<u8>,
}

/// A UDP datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    pub time: Duration,
    pub payload: Vec<u8>,
}

/// One direction between two UDP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    pub from: SocketAddr,
    pub to: SocketAddr,
}

/// The parts of an RTP packet, payload still as it was on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtp<'a> {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: &'a [u8],
}

/// Reads a capture file. A last record that is cut short, as in a file still being written, is left out.
///
/// # Errors
/// When the file is not a libpcap file of Ethernet frames.
pub fn read(path: &Path) -> Result<Vec<Frame>> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    parse(&bytes).with_context(|| format!("in {}", path.display()))
}

/// [`read`] from memory.
pub fn parse(bytes: &[u8]) -> Result<Vec<Frame>> {
    let header = bytes.get(..FILE_HEADER).context("shorter than a libpcap header")?;
    let little = header.starts_with(&MAGIC_LE);
    ensure!(little || header.starts_with(&MAGIC_BE), "not a libpcap file with microseconds");
    let word = |at: &[u8], offset: usize| -> Option<u32> {
        let word: [u8; 4] = at.get(offset..offset + 4)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) })
    };
    ensure!(word(header, 20) == Some(LINK_ETHERNET), "not a capture of Ethernet frames");
    let mut frames = Vec::new();
    let mut rest = &bytes[FILE_HEADER..];
    while let (Some(seconds), Some(micros), Some(length)) = (word(rest, 0), word(rest, 4), word(rest, 8)) {
        let end = RECORD_HEADER + length as usize;
        let Some(frame) = rest.get(RECORD_HEADER..end) else {
            break;
        };
        let time = Duration::from_secs(seconds.into()) + Duration::from_micros(micros.into());
        frames.push(Frame { time, bytes: frame.to_vec() });
        rest = &rest[end..];
    }
    Ok(frames)
}

/// Writes a capture file.
pub fn write(path: &Path, frames: &[Frame]) -> Result<()> {
    let mut out = Vec::new();
    out.extend(MAGIC_LE);
    out.extend(2_u16.to_le_bytes());
    out.extend(4_u16.to_le_bytes());
    out.extend([0; 8]);
    out.extend(65_535_u32.to_le_bytes());
    out.extend(LINK_ETHERNET.to_le_bytes());
    for frame in frames {
        let length = u32::try_from(frame.bytes.len())?;
        out.extend(u32::try_from(frame.time.as_secs())?.to_le_bytes());
        out.extend(frame.time.subsec_micros().to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(length.to_le_bytes());
        out.extend(&frame.bytes);
    }
    Ok(std::fs::File::create(path)?.write_all(&out)?)
}

/// The UDP flows among these frames, in order of address, each datagram in order of arrival.
pub fn udp_flows(frames: &[Frame]) -> BTreeMap<Flow, Vec<Datagram>> {
    let mut flows: BTreeMap<Flow, Vec<Datagram>> = BTreeMap::new();
    for frame in frames {
        if let Some((flow, payload)) = udp(&frame.bytes) {
            let datagram = Datagram { time: frame.time, payload: payload.to_vec() };
            flows.entry(flow).or_default().push(datagram);
        }
    }
    flows
}

/// The two IP addresses of a frame, if it is an IP frame.
pub fn addresses(frame: &[u8]) -> Option<(IpAddr, IpAddr)> {
    ip(frame).map(|packet| (packet.from, packet.to))
}

/// An Ethernet frame around a UDP datagram between IPv4 addresses; for files that sipp plays.
pub fn udp_frame(from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), payload: &[u8]) -> Result<Vec<u8>> {
    let udp_length = u16::try_from(8 + payload.len())?;
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let mut header = vec![0x45, 0];
    header.extend((20 + udp_length).to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, UDP, 0, 0]);
    header.extend(from.0.octets());
    header.extend(to.0.octets());
    let sum = internet_checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    frame.extend(header);
    frame.extend(from.1.to_be_bytes());
    frame.extend(to.1.to_be_bytes());
    frame.extend(udp_length.to_be_bytes());
    // No checksum (RFC 768): whoever plays the file writes other ports and computes it anew.
    frame.extend([0, 0]);
    frame.extend(payload);
    Ok(frame)
}

impl<'a> Rtp<'a> {
    /// Reads a datagram as RTP; `None` when it is not version 2, is RTCP (RFC 5761 section 4) or cut short.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (&first, &second) = (datagram.first()?, datagram.get(1)?);
        if first >> 6 != 2 || (192..=223).contains(&second) {
            return None;
        }
        let mut start = 12 + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let words = datagram.get(start + 2..start + 4)?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        let mut end = datagram.len();
        if first & 0x20 != 0 {
            // In SRTP the last octet is of the tag, so padding that makes no sense is no padding.
            let padding = usize::from(*datagram.last()?);
            end = end.checked_sub(padding).filter(|end| *end >= start).unwrap_or(datagram.len());
        }
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes(datagram.get(2..4)?.try_into().ok()?),
            timestamp: u32::from_be_bytes(datagram.get(4..8)?.try_into().ok()?),
            ssrc: u32::from_be_bytes(datagram.get(8..12)?.try_into().ok()?),
            payload: datagram.get(start..end)?,
        })
    }
}

/// One RTP packet without extensions (RFC 3550 section 5.1).
pub fn rtp_packet(marker: bool, payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, u8::from(marker) << 7 | payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.from, self.to)
    }
}

struct Packet<'a> {
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    payload: &'a [u8],
}

fn ip(frame: &[u8]) -> Option<Packet<'_>> {
    let packet = frame.get(14..)?;
    match frame.get(12..14)? {
        [0x08, 0x00] => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            let total = usize::from(u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?));
            let from: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
            let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            Some(Packet {
                from: from.into(),
                to: to.into(),
                protocol: *packet.get(9)?,
                // A short frame is padded to Ethernet's minimum; a captured one may be cut.
                payload: packet.get(header..total.min(packet.len()))?,
            })
        }
        [0x86, 0xdd] => {
            let from: [u8; 16] = packet.get(8..24)?.try_into().ok()?;
            let to: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            Some(Packet {
                from: Ipv6Addr::from(from).into(),
                to: Ipv6Addr::from(to).into(),
                protocol: *packet.get(6)?,
                payload: packet.get(40..)?,
            })
        }
        _ => None,
    }
}

fn udp(frame: &[u8]) -> Option<(Flow, &[u8])> {
    let packet = ip(frame).filter(|packet| packet.protocol == UDP)?;
    let port = |at: usize| Some(u16::from_be_bytes(packet.payload.get(at..at + 2)?.try_into().ok()?));
    let flow = Flow { from: (packet.from, port(0)?).into(), to: (packet.to, port(2)?).into() };
    Some((flow, packet.payload.get(8..)?))
}

/// RFC 1071.
fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let rtp = rtp_packet(true, 101, 65_535, 160, 7, &[1, 10, 0, 160]);
        let from = (Ipv4Addr::new(198, 18, 133, 76), 6000);
        let to = (Ipv4Addr::new(198, 18, 133, 226), 16_384);
        let frame = Frame { time: Duration::from_micros(1_020_000), bytes: udp_frame(from, to, &rtp).unwrap() };
        let path = std::env::temp_dir().join(format!("interop-packets-{}.pcap", std::process::id()));
        write(&path, std::slice::from_ref(&frame)).unwrap();
        let read = read(&path);
        std::fs::remove_file(&path).unwrap();
        let read = read.unwrap();
        assert_eq!(read, [frame]);
        let flows = udp_flows(&read);
        let (flow, datagrams) = flows.first_key_value().unwrap();
        assert_eq!(flow.to_string(), "198.18.133.76:6000 → 198.18.133.226:16384");
        let parsed = Rtp::parse(&datagrams[0].payload).unwrap();
        assert_eq!((parsed.marker, parsed.payload_type, parsed.sequence), (true, 101, 65_535));
        assert_eq!(parsed.payload, [1, 10, 0, 160]);
    }

    #[test]
    fn a_cut_record_is_left_out_and_rubbish_is_refused() {
        let mut bytes = Vec::from(MAGIC_LE);
        bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 1, 0, 0, 0]);
        assert_eq!(parse(&bytes).unwrap(), []);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 1, 2]);
        assert_eq!(parse(&bytes).unwrap(), []);
        assert!(parse(b"not a capture file, not at all").is_err());
    }

    #[test]
    fn rtcp_is_not_rtp() {
        assert_eq!(Rtp::parse(&[0x80, 200, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0]), None);
        assert_eq!(Rtp::parse(&[0x80, 0, 0]), None);
    }
}
