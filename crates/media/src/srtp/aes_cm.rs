//! AES in counter mode with HMAC-SHA1 (RFC 3711 §4.1.1, §4.2.1; 192 and 256 bits: RFC 6188; SHA-1: FIPS 180-4; HMAC:
//! RFC 2104).
//!
//! The two HMAC states behind the padded key are made once, so a packet costs only its own blocks.

use aes::Block;
use aes::cipher::consts::U16;
use aes::cipher::{BlockEncrypt, BlockSizeUser, KeyInit};
use sha1::digest::generic_array::GenericArray;

use super::derive::{Derivation, Label};
use super::{ENCRYPTED, RTCP_HEADER, Transform};

/// SRTCP is always tagged with 80 bits, in the `_32` suite too (RFC 4568 §6.2.2).
pub(super) const RTCP_TAG: usize = 10;

/// AES in one key length.
pub(super) trait Aes: BlockEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Send {}

impl<A: BlockEncrypt + BlockSizeUser<BlockSize = U16> + KeyInit + Send> Aes for A {}

pub(super) struct AesCm<A> {
    rtp: Keys<A>,
    rtcp: Keys<A>,
    rtp_tag: usize,
}

impl<A: Aes> AesCm<A> {
    pub(super) fn new(keys: &Derivation, rtp_tag: usize) -> AesCm<A> {
        AesCm {
            rtp: Keys::new(keys, Label::Encryption, Label::Authentication, Label::Salt),
            rtcp: Keys::new(keys, Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt),
            rtp_tag,
        }
    }
}

impl<A: Aes> Transform for AesCm<A> {
    fn tag_len(&self) -> usize {
        self.rtp_tag
    }

    fn behind_mki(&self) -> (usize, usize) {
        (self.rtp_tag, RTCP_TAG)
    }

    fn seal_rtp(&self, buffer: &mut [u8], len: usize, header: usize, ssrc: u32, index: u64) -> Option<usize> {
        let (packet, behind) = buffer.split_at_mut_checked(len)?;
        self.rtp.keystream(ssrc, index, packet.get_mut(header..)?);
        let tag = self.rtp.mac.tag(packet, rollover(index));
        behind.get_mut(..self.rtp_tag)?.copy_from_slice(&tag[..self.rtp_tag]);
        Some(len + self.rtp_tag)
    }

    fn open_rtp(&self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) -> Option<usize> {
        let len = packet.len().checked_sub(self.rtp_tag)?;
        let (packet, tag) = packet.split_at_mut_checked(len)?;
        let payload = packet.len().checked_sub(header)?;
        if !same(&self.rtp.mac.tag(packet, rollover(index))[..self.rtp_tag], tag) {
            return None;
        }
        self.rtp.keystream(ssrc, index, packet.get_mut(header..)?);
        Some(header + payload)
    }

    fn seal_rtcp(&self, buffer: &mut [u8], len: usize, ssrc: u32, index: u32) -> Option<usize> {
        let word = (ENCRYPTED | index).to_be_bytes();
        let (packet, behind) = buffer.split_at_mut_checked(len)?;
        behind.get_mut(..4)?.copy_from_slice(&word);
        self.rtcp.keystream(ssrc, u64::from(index), packet.get_mut(RTCP_HEADER..)?);
        let tag = self.rtcp.mac.tag(packet, word);
        behind.get_mut(4..4 + RTCP_TAG)?.copy_from_slice(&tag[..RTCP_TAG]);
        Some(len + 4 + RTCP_TAG)
    }

    fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Option<usize> {
        let word = (ENCRYPTED | index).to_be_bytes();
        let len = packet.len().checked_sub(4 + RTCP_TAG)?;
        let (packet, behind) = packet.split_at_mut_checked(len)?;
        if !same(&self.rtcp.mac.tag(packet, word)[..RTCP_TAG], behind.get(4..)?) {
            return None;
        }
        self.rtcp.keystream(ssrc, u64::from(index), packet.get_mut(RTCP_HEADER..)?);
        Some(len)
    }
}

/// The rollover counter, which is authenticated behind the packet without being sent.
fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// Compares tags in a time that does not tell where they part.
fn same(a: &[u8], b: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a, b).is_ok()
}

struct Keys<A> {
    /// Session salt, as the upper 14 octets of the counter.
    salt: [u8; 14],
    mac: HmacSha1,
    aes: A,
}

impl<A: Aes> Keys<A> {
    fn new(keys: &Derivation, encryption: Label, authentication: Label, salt: Label) -> Keys<A> {
        // A shorter key is the longer one's beginning (RFC 3711 §4.3.3), and AES has none longer than 32 octets.
        let longest = keys.key::<32>(encryption);
        Keys {
            aes: A::new(GenericArray::from_slice(&longest[..A::key_size()])),
            salt: *keys.key::<14>(salt),
            mac: HmacSha1::new(&keys.key::<20>(authentication)),
        }
    }

    /// Adds the keystream of (ssrc, index) to `data`.
    fn keystream(&self, ssrc: u32, index: u64, data: &mut [u8]) {
        // Eight blocks at a time is what keeps the AES unit busy.
        const LANES: usize = 8;
        let mut counter = [0; 16];
        counter[..14].copy_from_slice(&self.salt);
        let place = u128::from(ssrc) << 64 | u128::from(index) << 16;
        let mut counter = u128::from_be_bytes(counter) ^ place;
        let mut lanes = [Block::default(); LANES];
        for chunk in data.chunks_mut(16 * LANES) {
            let blocks = chunk.len().div_ceil(16);
            for lane in &mut lanes[..blocks] {
                *lane = Block::from(counter.to_be_bytes());
                // The lower 16 bits begin at zero: packets are far shorter than 2^20 octets.
                counter = counter.wrapping_add(1);
            }
            self.aes.encrypt_blocks(&mut lanes[..blocks]);
            let (whole, rest) = chunk.as_chunks_mut::<16>();
            let (full, last) = lanes.split_at(whole.len());
            for (piece, lane) in whole.iter_mut().zip(full) {
                let sum = u128::from_ne_bytes(*piece) ^ u128::from_ne_bytes((*lane).into());
                *piece = sum.to_ne_bytes();
            }
            for (octet, key) in rest.iter_mut().zip(last.iter().flatten()) {
                *octet ^= key;
            }
        }
    }
}

/// HMAC-SHA1 with the padded key already taken in.
struct HmacSha1 {
    inner: [u32; 5],
    outer: [u32; 5],
}

const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

impl HmacSha1 {
    fn new(key: &[u8; 20]) -> HmacSha1 {
        let after = |pad: u8| {
            let mut block = [pad; 64];
            for (octet, key) in block.iter_mut().zip(key) {
                *octet ^= key;
            }
            let mut state = START;
            compress(&mut state, &block);
            zeroize::Zeroize::zeroize(&mut block);
            state
        };
        HmacSha1 { inner: after(0x36), outer: after(0x5c) }
    }

    /// The tag of `message` with four more octets behind it.
    fn tag(&self, message: &[u8], behind: [u8; 4]) -> [u8; 20] {
        // The end of a message in one piece, because each call of the compression costs something of its own: 172 octets
        // of G.711 need three blocks.
        const PIECE: usize = 4;
        let bits = (64 + message.len() as u64 + 4) * 8;
        let mut state = self.inner;
        let mut rest = message;
        while let Some((block, more)) = rest.split_first_chunk::<64>().filter(|_| rest.len() + 13 > 64 * PIECE) {
            compress(&mut state, block);
            rest = more;
        }
        let mut blocks = [GenericArray::default(); PIECE];
        for (block, chunk) in blocks.iter_mut().zip(rest.chunks(64)) {
            block[..chunk.len()].copy_from_slice(chunk);
        }
        // The four octets behind, the end mark and the length: 13 octets, for which the loop above left room.
        for (at, octet) in (rest.len()..).zip(behind.into_iter().chain([0x80])) {
            blocks[at / 64][at % 64] = octet;
        }
        let used = (rest.len() + 13).div_ceil(64);
        blocks[used - 1][56..].copy_from_slice(&bits.to_be_bytes());
        sha1::compress(&mut state, &blocks[..used]);
        let mut last = [0; 64];
        write(&state, &mut last);
        last[20] = 0x80;
        last[56..].copy_from_slice(&(64 * 8 + 20 * 8u64).to_be_bytes());
        let mut state = self.outer;
        compress(&mut state, &last);
        let mut tag = [0; 20];
        write(&state, &mut tag);
        tag
    }
}

impl Drop for HmacSha1 {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.inner);
        zeroize::Zeroize::zeroize(&mut self.outer);
    }
}

fn compress(state: &mut [u32; 5], block: &[u8; 64]) {
    sha1::compress(state, std::slice::from_ref(GenericArray::from_slice(block)));
}

fn write(state: &[u32; 5], to: &mut [u8]) {
    for (four, word) in to.chunks_exact_mut(4).zip(state) {
        four.copy_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_hex::hex;

    /// RFC 3711 appendix B.2: SSRC and index are zero there, the salt is the whole counter.
    #[test]
    fn rfc_3711_appendix_b_2() {
        let key = hex("2B7E151628AED2A6ABF7158809CF4F3C");
        let keys = Keys {
            aes: aes::Aes128::new_from_slice(&key).unwrap(),
            salt: hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap(),
            mac: HmacSha1::new(&[0; 20]),
        };
        let mut stream = vec![0; 0xff03 * 16];
        keys.keystream(0, 0, &mut stream);
        let begin =
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
        assert_eq!(stream[..48], hex(begin));
        let end = "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44";
        assert_eq!(stream[0xfeff * 16..0xff02 * 16], hex(end));
    }

    /// RFC 6188 §7.1 and §7.3: where the segment begins.
    #[test]
    fn rfc_6188_sections_7_1_and_7_3() {
        let cases = [
            (
                "57f82fe3613fd170a85ec93c40b1f0922ec4cb0dc025b58272147cc438944a98",
                "92bdd28a93c3f52511c677d08b5515a49da71b2378a854f67050756ded165bac",
            ),
            (
                "eab234764e517b2d3d160d587d8c86219740f65f99b6bcf7",
                "35096cba4610028dc1b57503804ce37c5de986291dcce161d5165ec4568f5c9a",
            ),
        ];
        fn begins<A: Aes>(key: &str) -> Vec<u8> {
            let keys = Keys {
                aes: A::new_from_slice(&hex(key)).unwrap(),
                salt: hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd").try_into().unwrap(),
                mac: HmacSha1::new(&[0; 20]),
            };
            let mut stream = vec![0; 32];
            keys.keystream(0, 0, &mut stream);
            stream
        }
        assert_eq!(begins::<aes::Aes256>(cases[0].0), hex(cases[0].1));
        assert_eq!(begins::<aes::Aes192>(cases[1].0), hex(cases[1].1));
    }

    /// RFC 2202 §3, cases 1 and 6's shape: our four trailing octets are simply the message's end.
    #[test]
    fn hmac_agrees_with_rfc_2202() {
        let mac = HmacSha1::new(&[0x0b; 20]);
        assert_eq!(mac.tag(b"Hi T", *b"here").to_vec(), hex("b617318655057264e28bc0b6fb378c8ef146be00"));
        let mac = HmacSha1::new(&[0xaa; 20]);
        let message = [0xdd; 46];
        assert_eq!(mac.tag(&message, [0xdd; 4]).to_vec(), hex("125d7342b9ac11cd91a39af48aa17b4f63f175d3"));
    }

    /// Every length around the block edges against a plain HMAC made of the whole hash.
    #[test]
    fn hmac_at_every_length() {
        use sha1::{Digest, Sha1};
        let plain = |message: &[u8]| {
            let pad = |with: u8| [7u8 ^ with; 20].into_iter().chain([with; 44]).collect::<Vec<u8>>();
            let inner = Sha1::new().chain_update(pad(0x36)).chain_update(message).finalize();
            Sha1::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
        };
        let mac = HmacSha1::new(&[7; 20]);
        let data: Vec<u8> = (0..300).map(|n| n as u8).collect();
        for len in 4..300 {
            let (message, last) = data[..len].split_at(len - 4);
            assert_eq!(mac.tag(message, last.try_into().unwrap()).to_vec(), plain(&data[..len]), "{len}");
        }
    }
}
