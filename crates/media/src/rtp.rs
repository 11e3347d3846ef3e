//! RTP packets (RFC 3550 §5.1): the fixed header, read from hostile bytes and written.

/// The fixed header's length in octets, which is all that we ever write.
pub const HEADER: usize = 12;

/// What a packet's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Whether the payload's last octet counts padding.
    pub padding: bool,
    /// Octets ahead of the payload: fixed header, contributing sources and extension.
    pub len: usize,
}

impl Header {
    /// Reads the header of a whole packet; none when it is not RTP version 2 or shorter than it says.
    pub fn parse(packet: &[u8]) -> Option<Header> {
        let (fixed, rest) = packet.split_first_chunk::<HEADER>()?;
        let [first, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3] = *fixed;
        if first >> 6 != 2 {
            return None;
        }
        let sources = usize::from(first & 0x0f) * 4;
        let mut len = HEADER + sources;
        let rest = rest.get(sources..)?;
        if first & 0x10 != 0 {
            let extension = rest.first_chunk::<4>()?;
            let octets = usize::from(u16::from_be_bytes([extension[2], extension[3]])) * 4;
            len += 4 + octets;
        }
        (len <= packet.len()).then_some(Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([i0, i1, i2, i3]),
            padding: first & 0x20 != 0,
            len,
        })
    }

    /// Writes the twelve octets of a header without padding, sources or extension. None when there is no room.
    pub fn write(&self, packet: &mut [u8]) -> Option<()> {
        let fixed = packet.first_chunk_mut::<HEADER>()?;
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.to_be_bytes();
        let second = u8::from(self.marker) << 7 | (self.payload_type & 0x7f);
        *fixed = [0x80, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3];
        Some(())
    }

    /// The payload of a packet in clear, without padding; none when the padding is longer than the payload.
    pub fn payload<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let payload = packet.get(self.len..)?;
        if !self.padding {
            return Some(payload);
        }
        let padding = usize::from(*payload.last()?);
        if padding == 0 {
            return None;
        }
        payload.get(..payload.len().checked_sub(padding)?)
    }
}

/// Tells RTCP from RTP on one port (RFC 5761 §4): packet types 192 to 223.
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.len() >= 8 && packet.first().is_some_and(|b| b >> 6 == 2) && matches!(packet.get(1), Some(192..=223))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Header =
        Header { marker: true, payload_type: 101, sequence: 65_535, timestamp: 7, ssrc: 9, padding: false, len: 12 };

    #[test]
    fn what_is_written_reads_back() {
        let mut packet = [0xaa; 15];
        PLAIN.write(&mut packet).unwrap();
        assert_eq!(Header::parse(&packet), Some(PLAIN));
        assert_eq!(PLAIN.payload(&packet), Some(&[0xaa; 3][..]));
        assert_eq!(PLAIN.write(&mut [0; 11]), None);
    }

    #[test]
    fn sources_extension_and_padding_are_stepped_over() {
        let mut packet = vec![0xb1, 0x00, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9, 9, 9, 0xbe, 0xde, 0, 1, 1, 2, 3, 4];
        packet.extend([5, 6, 0, 0, 3]);
        let header = Header::parse(&packet).unwrap();
        assert_eq!((header.len, header.padding), (24, true));
        assert_eq!(header.payload(&packet), Some(&[5, 6][..]));
        *packet.last_mut().unwrap() = 6;
        assert_eq!(header.payload(&packet), None);
        for len in 0..24 {
            assert_eq!(Header::parse(&packet[..len]), None, "{len}");
        }
    }

    #[test]
    fn rtcp_is_told_apart() {
        assert!(is_rtcp(&[0x80, 200, 0, 1, 0, 0, 0, 1]));
        assert!(!is_rtcp(&[0x80, 0, 0, 1, 0, 0, 0, 1]));
        assert!(!is_rtcp(&[0x80, 0x80 | 101, 0, 1, 0, 0, 0, 1]));
    }
}
