//! SRTP and SRTCP (RFC 3711; GCM by RFC 7714), in place and without allocation.
//!
//! [`Outbound`] protects one stream that we send and refuses to use an index twice: the same keystream over two packets
//! would show both. [`Inbound`] opens whatever streams arrive under one remote key, estimates each one's rollover
//! counter and drops what came before.

mod aes_cm;
mod derive;
mod gcm;
mod inbound;
mod outbound;
mod window;

use aes::{Aes128, Aes192, Aes256};
use sdp::{MasterKey, Suite};

use self::aes_cm::AesCm;

pub use inbound::Inbound;
pub use outbound::Outbound;
pub use window::Window;

/// Octets of the fixed SRTCP header, which stay in clear (RFC 3711 §3.4).
const RTCP_HEADER: usize = 8;
/// RTP packets that one master key may protect at most (RFC 3711 §9.2).
const MOST_PACKETS: u64 = 1 << 48;
/// The flag "encrypted" beside the 31-bit SRTCP index.
const ENCRYPTED: u32 = 1 << 31;

/// Why a packet is not opened or not protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("not an RTP or RTCP packet, or no room for the tag")]
    Malformed,
    #[error("authentication failed: wrong key or changed on the way")]
    Authentication,
    #[error("seen before")]
    Replayed,
    #[error("older than the replay window")]
    TooOld,
    #[error("SRTCP that is not encrypted")]
    Clear,
    #[error("too many sources under one key")]
    Sources,
    #[error("the index was used before: it would reuse keystream")]
    IndexReused,
    #[error("not under the key that its identifier (MKI) names")]
    Identifier,
    #[error("no key yet: the handshake goes on")]
    NoKey,
    #[error("the master key has protected as many packets as it may")]
    Expired,
}

/// A master key whose length does not fit its suite. `sdp` never lets one through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an SRTP master key and salt of {expected} octets expected, {found} found")]
pub struct KeyLength {
    pub expected: usize,
    pub found: usize,
}

/// What session keys of one direction do to packets. `index` is the 48-bit index of RTP, the 31-bit one of RTCP; `header`
/// is where an RTP payload begins. None: no room, not authentic.
trait Transform: Send {
    /// Octets behind an RTP payload.
    fn tag_len(&self) -> usize;

    /// Octets of the tag that stand behind an identifier (RFC 3711 §3.1), for RTP and for RTCP. GCM's tag is part of what
    /// is encrypted and stands ahead of it (RFC 7714 §8.1, §9.1).
    fn behind_mki(&self) -> (usize, usize);

    /// Protects `buffer[..len]`; the new length.
    fn seal_rtp(&self, buffer: &mut [u8], len: usize, header: usize, ssrc: u32, index: u64) -> Option<usize>;

    /// Opens `packet`; the new length. After a failure the payload is no longer what it was (GCM wipes it).
    fn open_rtp(&self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) -> Option<usize>;

    fn seal_rtcp(&self, buffer: &mut [u8], len: usize, ssrc: u32, index: u32) -> Option<usize>;

    fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Option<usize>;

    /// The word of flag and index in a protected RTCP packet.
    fn rtcp_word(&self, packet: &[u8]) -> Option<u32> {
        let word = packet.get(..packet.len().checked_sub(self.behind_mki().1)?)?.last_chunk::<4>()?;
        Some(u32::from_be_bytes(*word))
    }
}

/// One key's whole state in one piece of memory: a relay meets each key once in 20 ms, when little of it is in the cache.
type Cipher = Box<dyn Transform>;

fn cipher(suite: Suite, master: &MasterKey) -> Result<Cipher, KeyLength> {
    let (key_len, salt_len) = suite.key_salt_len();
    let wrong = KeyLength { expected: key_len + salt_len, found: master.bytes().len() };
    if wrong.expected != wrong.found {
        return Err(wrong);
    }
    let keys = derive::Derivation::new(master.bytes(), key_len).ok_or(wrong)?;
    Ok(match suite {
        Suite::AesCm128HmacSha1_80 => Box::new(AesCm::<Aes128>::new(&keys, 10)),
        Suite::AesCm128HmacSha1_32 => Box::new(AesCm::<Aes128>::new(&keys, 4)),
        Suite::Aes192CmHmacSha1_80 => Box::new(AesCm::<Aes192>::new(&keys, 10)),
        Suite::Aes192CmHmacSha1_32 => Box::new(AesCm::<Aes192>::new(&keys, 4)),
        Suite::Aes256CmHmacSha1_80 => Box::new(AesCm::<Aes256>::new(&keys, 10)),
        Suite::Aes256CmHmacSha1_32 => Box::new(AesCm::<Aes256>::new(&keys, 4)),
        Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => Box::new(gcm::Gcm::new(&keys, key_len).ok_or(wrong)?),
    })
}
