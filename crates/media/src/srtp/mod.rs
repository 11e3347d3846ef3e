//! SRTP and SRTCP (RFC 3711; GCM by RFC 7714), in place and without allocation.
//!
//! [`Outbound`] protects one stream that we send and refuses to use an index twice: the same keystream over two packets
//! would show both. [`Inbound`] opens whatever streams arrive under one remote key, estimates each one's rollover
//! counter and drops what came before.

mod aes_cm;
mod block;
mod derive;
mod gcm;
mod inbound;
mod outbound;
mod window;

use sdp::{MasterKey, Suite};

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

/// Session keys of one direction.
enum Cipher {
    AesCm(Box<aes_cm::AesCm>),
    Gcm(Box<gcm::Gcm>),
}

impl Cipher {
    fn new(suite: Suite, master: &MasterKey) -> Result<Cipher, KeyLength> {
        let (key_len, salt_len) = suite.key_salt_len();
        let wrong = KeyLength { expected: key_len + salt_len, found: master.bytes().len() };
        if wrong.expected != wrong.found {
            return Err(wrong);
        }
        let keys = derive::Derivation::new(master.bytes(), key_len).ok_or(wrong)?;
        Ok(match suite {
            Suite::AesCm128HmacSha1_80 | Suite::Aes192CmHmacSha1_80 | Suite::Aes256CmHmacSha1_80 => {
                Cipher::AesCm(Box::new(aes_cm::AesCm::new(&keys, key_len, 10).ok_or(wrong)?))
            }
            Suite::AesCm128HmacSha1_32 | Suite::Aes192CmHmacSha1_32 | Suite::Aes256CmHmacSha1_32 => {
                Cipher::AesCm(Box::new(aes_cm::AesCm::new(&keys, key_len, 4).ok_or(wrong)?))
            }
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => {
                Cipher::Gcm(Box::new(gcm::Gcm::new(&keys, key_len).ok_or(wrong)?))
            }
        })
    }

    /// Octets behind an RTP payload.
    fn tag_len(&self) -> usize {
        match self {
            Cipher::AesCm(cipher) => cipher.rtp_tag(),
            Cipher::Gcm(_) => gcm::TAG,
        }
    }

    /// Octets of the tag that stand behind an identifier (RFC 3711 §3.1), for RTP and for RTCP. GCM's tag is part of what
    /// is encrypted and stands ahead of it (RFC 7714 §8.1, §9.1).
    fn behind_mki(&self) -> (usize, usize) {
        match self {
            Cipher::AesCm(cipher) => (cipher.rtp_tag(), aes_cm::RTCP_TAG),
            Cipher::Gcm(_) => (0, 0),
        }
    }

    /// Protects `buffer[..len]`, whose payload begins at `header`; the new length.
    fn seal_rtp(&self, buffer: &mut [u8], len: usize, header: usize, ssrc: u32, index: u64) -> Option<usize> {
        match self {
            Cipher::AesCm(cipher) => cipher.seal_rtp(buffer, len, header, ssrc, index),
            Cipher::Gcm(cipher) => cipher.seal_rtp(buffer, len, header, ssrc, index),
        }
    }

    /// Opens `packet`; the new length. After a failure the payload is no longer what it was (GCM wipes it).
    fn open_rtp(&self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) -> Option<usize> {
        match self {
            Cipher::AesCm(cipher) => cipher.open_rtp(packet, header, ssrc, index),
            Cipher::Gcm(cipher) => cipher.open_rtp(packet, header, ssrc, index),
        }
    }

    fn seal_rtcp(&self, buffer: &mut [u8], len: usize, ssrc: u32, index: u32) -> Option<usize> {
        match self {
            Cipher::AesCm(cipher) => cipher.seal_rtcp(buffer, len, ssrc, index),
            Cipher::Gcm(cipher) => cipher.seal_rtcp(buffer, len, ssrc, index),
        }
    }

    fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Option<usize> {
        match self {
            Cipher::AesCm(cipher) => cipher.open_rtcp(packet, ssrc, index),
            Cipher::Gcm(cipher) => cipher.open_rtcp(packet, ssrc, index),
        }
    }

    /// The word of flag and index in a protected RTCP packet.
    fn rtcp_word(&self, packet: &[u8]) -> Option<u32> {
        let behind = match self {
            Cipher::AesCm(_) => aes_cm::RTCP_TAG,
            Cipher::Gcm(_) => 0,
        };
        let word = packet.get(..packet.len().checked_sub(behind)?)?.last_chunk::<4>()?;
        Some(u32::from_be_bytes(*word))
    }
}
