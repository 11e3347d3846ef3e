//! One stream that we send: protects its packets, never two under one index.

use sdp::{MasterKey, Suite};

use super::window::{Seen, Window};
use super::{Cipher, Failure, KeyLength, MOST_PACKETS, RTCP_HEADER, cipher};
use crate::rtp::Header;

/// What protects one SSRC of ours under one local master key.
pub struct Outbound {
    cipher: Cipher,
    ssrc: u32,
    sent: Window,
    rtcp_index: u32,
}

impl Outbound {
    /// The stream begins with rollover counter zero; a fresh key comes with a fresh SSRC.
    pub fn new(suite: Suite, key: &MasterKey, ssrc: u32) -> Result<Outbound, KeyLength> {
        Ok(Outbound { cipher: cipher(suite, key)?, ssrc, sent: Window::default(), rtcp_index: 0 })
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Protects the RTP packet `buffer[..len]` in place and gives its new length. Up to 128 packets late are taken, any
    /// index only once.
    pub fn seal(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Failure> {
        let packet = buffer.get(..len).ok_or(Failure::Malformed)?;
        let header = Header::parse(packet).filter(|h| h.ssrc == self.ssrc).ok_or(Failure::Malformed)?;
        if buffer.len() < len + self.cipher.tag_len() {
            return Err(Failure::Malformed);
        }
        let index = self.sent.estimate(header.sequence).ok_or(Failure::IndexReused)?;
        if self.sent.check(index) != Seen::Never {
            return Err(Failure::IndexReused);
        }
        if index >= MOST_PACKETS {
            return Err(Failure::Expired);
        }
        // Marked first: should sealing fail half-way, the index is spent all the same.
        self.sent.mark(index);
        self.cipher.seal_rtp(buffer, len, header.len, header.ssrc, index).ok_or(Failure::Malformed)
    }

    /// Protects the compound RTCP packet `buffer[..len]`, which must begin with a report of our SSRC.
    pub fn seal_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Failure> {
        let first = buffer.first_chunk::<RTCP_HEADER>().filter(|_| len >= RTCP_HEADER).ok_or(Failure::Malformed)?;
        if first[4..] != self.ssrc.to_be_bytes() || self.rtcp_index >= super::ENCRYPTED - 1 {
            return Err(Failure::Malformed);
        }
        self.rtcp_index += 1;
        self.cipher.seal_rtcp(buffer, len, self.ssrc, self.rtcp_index).ok_or(Failure::Malformed)
    }
}
