//! What arrives under one remote master key: authentic or dropped, each index once.

use sdp::{MasterKey, Suite};

use super::window::{Seen, Window};
use super::{Cipher, ENCRYPTED, Failure, KeyLength, MOST_PACKETS, RTCP_HEADER, cipher};
use crate::rtp::Header;

/// Sources under one key. Each is remembered for the key's life: forgetting one would let its packets be replayed.
const MOST_SOURCES: usize = 64;
/// Sources whose counters are handed on to the next key. What came under the key before cannot be replayed under the
/// next, so the others are forgotten: a stream whose SSRC changes with each key must not fill the table.
const MOST_GUIDED: usize = 8;
/// Larger than any datagram that we take; only for opening one packet under more than one guess.
const SPARE: usize = 2048;

/// What opens the streams that come under one remote master key.
pub struct Inbound {
    cipher: Cipher,
    sources: Vec<Source>,
    /// What its packets must carry to be under this key; empty: nothing.
    mki: Vec<u8>,
    /// RTP packets that the key may still open.
    left: u64,
}

struct Source {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
}

impl Inbound {
    pub fn new(suite: Suite, key: &MasterKey) -> Result<Inbound, KeyLength> {
        let mut inbound =
            Inbound { cipher: cipher(suite, key)?, sources: Vec::new(), mki: Vec::new(), left: MOST_PACKETS };
        inbound.amend(key);
        Ok(inbound)
    }

    /// The next key of the streams that came under `before`. A sender may go on with its rollover counter (RFC 3711) or
    /// begin again at zero (many do after a re-INVITE): the first packet of each source shows which.
    pub fn rekeyed(suite: Suite, key: &MasterKey, before: &Inbound) -> Result<Inbound, KeyLength> {
        let guided = |source: &Source| Source {
            ssrc: source.ssrc,
            rtp: Window::guided(source.rtp.highest()),
            rtcp: Window::default(),
        };
        // Those that were heard under the key before, then those that only might have been; the latest first.
        let heard = before.sources.iter().rev().filter(|source| !source.rtp.is_empty());
        let silent = before.sources.iter().rev().filter(|source| source.rtp.is_empty());
        let mut sources: Vec<Source> = heard.chain(silent).take(MOST_GUIDED).map(guided).collect();
        sources.reverse();
        Ok(Inbound { sources, ..Inbound::new(suite, key)? })
    }

    /// What is said anew of the same key: its identifier and how many packets it may protect from now on.
    pub fn amend(&mut self, key: &MasterKey) {
        self.mki = key.mki().to_vec();
        self.left = key.lifetime().unwrap_or(MOST_PACKETS).min(MOST_PACKETS);
    }

    /// Opens the RTP packet `buffer[..len]` in place and gives its new length. The payload is lost on failure.
    pub fn open(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Failure> {
        if self.left == 0 {
            return Err(Failure::Expired);
        }
        let packet = buffer.get_mut(..len).ok_or(Failure::Malformed)?;
        let packet = self.identified(packet, self.cipher.behind_mki().0)?;
        let len = packet.len();
        let header = Header::parse(packet).ok_or(Failure::Malformed)?;
        if len < header.len + self.cipher.tag_len() {
            return Err(Failure::Malformed);
        }
        let known = self.sources.iter().position(|source| source.ssrc == header.ssrc);
        let mut window = known.and_then(|at| self.sources.get(at)).map_or(Window::default(), |source| source.rtp);
        let (index, opened) = if window.is_empty() && window.highest() != 0 {
            self.open_guided(packet, &header, window.highest())?
        } else {
            let index = window.estimate(header.sequence).ok_or(Failure::TooOld)?;
            match window.check(index) {
                Seen::Never => {}
                Seen::Before => return Err(Failure::Replayed),
                Seen::TooOld => return Err(Failure::TooOld),
            }
            let opened = self.cipher.open_rtp(packet, header.len, header.ssrc, index);
            (index, opened.ok_or(Failure::Authentication)?)
        };
        window.mark(index);
        self.source(known, header.ssrc)?.rtp = window;
        self.left -= 1;
        Ok(opened)
    }

    /// Opens a compound RTCP packet in place and gives its new length.
    pub fn open_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Result<usize, Failure> {
        let packet = buffer.get_mut(..len).ok_or(Failure::Malformed)?;
        let packet = self.identified(packet, self.cipher.behind_mki().1)?;
        let word = self.cipher.rtcp_word(packet).ok_or(Failure::Malformed)?;
        let header = packet.first_chunk::<RTCP_HEADER>().ok_or(Failure::Malformed)?;
        let ssrc = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
        if word & ENCRYPTED == 0 {
            return Err(Failure::Clear);
        }
        let index = word & !ENCRYPTED;
        let known = self.sources.iter().position(|source| source.ssrc == ssrc);
        let mut window = known.and_then(|at| self.sources.get(at)).map_or(Window::default(), |source| source.rtcp);
        match window.check(u64::from(index)) {
            Seen::Never => {}
            Seen::Before => return Err(Failure::Replayed),
            Seen::TooOld => return Err(Failure::TooOld),
        }
        let opened = self.cipher.open_rtcp(packet, ssrc, index).ok_or(Failure::Authentication)?;
        window.mark(u64::from(index));
        self.source(known, ssrc)?.rtcp = window;
        Ok(opened)
    }

    /// The packet without its identifier, which stands ahead of its last `behind` octets.
    fn identified<'a>(&self, packet: &'a mut [u8], behind: usize) -> Result<&'a mut [u8], Failure> {
        if self.mki.is_empty() {
            return Ok(packet);
        }
        let end = packet.len().checked_sub(behind).ok_or(Failure::Malformed)?;
        let at = end.checked_sub(self.mki.len()).ok_or(Failure::Malformed)?;
        if packet.get(at..end) != Some(&*self.mki) {
            return Err(Failure::Identifier);
        }
        packet.copy_within(end.., at);
        packet.get_mut(..at + behind).ok_or(Failure::Malformed)
    }

    /// The first packet of a source that was known under the key before: its counter goes on or begins again.
    fn open_guided(&self, packet: &mut [u8], header: &Header, highest: u64) -> Result<(u64, usize), Failure> {
        let mut spare = [0; SPARE];
        let copy = spare.get_mut(..packet.len()).ok_or(Failure::Malformed)?;
        copy.copy_from_slice(packet);
        let sequence = u64::from(header.sequence);
        let near = Window::guided(highest).estimate(header.sequence);
        let guesses = [near, Some(highest >> 16 << 16 | sequence), Some(sequence)];
        for (nth, index) in guesses.iter().enumerate() {
            let Some(index) = index.filter(|_| !guesses[..nth].contains(index)) else {
                continue;
            };
            packet.copy_from_slice(copy);
            if let Some(opened) = self.cipher.open_rtp(packet, header.len, header.ssrc, index) {
                return Ok((index, opened));
            }
        }
        packet.copy_from_slice(copy);
        Err(Failure::Authentication)
    }

    /// Only for what was authentic, so that nobody without the key can fill the table.
    fn source(&mut self, known: Option<usize>, ssrc: u32) -> Result<&mut Source, Failure> {
        let at = match known {
            Some(at) => at,
            None if self.sources.len() >= MOST_SOURCES => return Err(Failure::Sources),
            None => {
                self.sources.push(Source { ssrc, rtp: Window::default(), rtcp: Window::default() });
                self.sources.len() - 1
            }
        };
        self.sources.get_mut(at).ok_or(Failure::Sources)
    }
}
