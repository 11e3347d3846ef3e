//! AES-GCM for SRTP and SRTCP (RFC 7714 §8, §9).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::derive::{Derivation, Label};
use super::{ENCRYPTED, RTCP_HEADER, Transform};

/// Both suites are tagged with 16 octets.
pub(super) const TAG: usize = 16;

pub(super) struct Gcm {
    rtp: LessSafeKey,
    rtp_salt: [u8; 12],
    rtcp: LessSafeKey,
    rtcp_salt: [u8; 12],
}

impl Gcm {
    pub(super) fn new(keys: &Derivation, key_len: usize) -> Option<Gcm> {
        Some(Gcm {
            rtp: key(keys, Label::Encryption, key_len)?,
            rtp_salt: *keys.key::<12>(Label::Salt),
            rtcp: key(keys, Label::RtcpEncryption, key_len)?,
            rtcp_salt: *keys.key::<12>(Label::RtcpSalt),
        })
    }

    /// Two zero octets, SSRC, rollover counter and sequence number, under the salt. Each is used once: [`super::Outbound`]
    /// refuses an index that it has used.
    fn rtp_nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
        nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
        salted(nonce, &self.rtp_salt)
    }

    /// Two zero octets, SSRC, two zero octets and the 31-bit index, under the salt.
    fn rtcp_nonce(&self, ssrc: u32, index: u32) -> Nonce {
        let mut nonce = [0; 12];
        nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
        nonce[8..].copy_from_slice(&index.to_be_bytes());
        salted(nonce, &self.rtcp_salt)
    }
}

impl Transform for Gcm {
    fn tag_len(&self) -> usize {
        TAG
    }

    fn behind_mki(&self) -> (usize, usize) {
        (0, 0)
    }

    fn seal_rtp(&self, buffer: &mut [u8], len: usize, header: usize, ssrc: u32, index: u64) -> Option<usize> {
        let (packet, behind) = buffer.split_at_mut_checked(len)?;
        let (header, payload) = packet.split_at_mut_checked(header)?;
        let behind = behind.first_chunk_mut::<TAG>()?;
        let tag =
            self.rtp.seal_in_place_separate_tag(self.rtp_nonce(ssrc, index), Aad::from(&*header), payload).ok()?;
        behind.copy_from_slice(tag.as_ref());
        Some(len + TAG)
    }

    fn open_rtp(&self, packet: &mut [u8], header: usize, ssrc: u32, index: u64) -> Option<usize> {
        let len = packet.len().checked_sub(TAG)?;
        let (header, sealed) = packet.split_at_mut_checked(header)?;
        self.rtp.open_in_place(self.rtp_nonce(ssrc, index), Aad::from(&*header), sealed).ok()?;
        Some(len)
    }

    fn seal_rtcp(&self, buffer: &mut [u8], len: usize, ssrc: u32, index: u32) -> Option<usize> {
        let word = ENCRYPTED | index;
        let (packet, behind) = buffer.split_at_mut_checked(len)?;
        let (header, payload) = packet.split_first_chunk_mut::<RTCP_HEADER>()?;
        let (tag, behind) = behind.split_first_chunk_mut::<TAG>()?;
        let behind = behind.first_chunk_mut::<4>()?;
        let aad = rtcp_aad(header, word);
        let made = self.rtcp.seal_in_place_separate_tag(self.rtcp_nonce(ssrc, index), Aad::from(aad), payload).ok()?;
        tag.copy_from_slice(made.as_ref());
        *behind = word.to_be_bytes();
        Some(len + TAG + 4)
    }

    fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Option<usize> {
        let len = packet.len().checked_sub(TAG + 4)?;
        let sealed = packet.get_mut(..len + TAG)?;
        let (header, sealed) = sealed.split_first_chunk_mut::<RTCP_HEADER>()?;
        let aad = rtcp_aad(header, ENCRYPTED | index);
        self.rtcp.open_in_place(self.rtcp_nonce(ssrc, index), Aad::from(aad), sealed).ok()?;
        Some(len)
    }
}

impl Drop for Gcm {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.rtp_salt);
        zeroize::Zeroize::zeroize(&mut self.rtcp_salt);
    }
}

fn salted(mut nonce: [u8; 12], salt: &[u8; 12]) -> Nonce {
    for (octet, salt) in nonce.iter_mut().zip(salt) {
        *octet ^= salt;
    }
    Nonce::assume_unique_for_key(nonce)
}

fn rtcp_aad(header: &[u8; RTCP_HEADER], word: u32) -> [u8; RTCP_HEADER + 4] {
    let mut aad = [0; RTCP_HEADER + 4];
    aad[..RTCP_HEADER].copy_from_slice(header);
    aad[RTCP_HEADER..].copy_from_slice(&word.to_be_bytes());
    aad
}

fn key(keys: &Derivation, label: Label, key_len: usize) -> Option<LessSafeKey> {
    let unbound = match key_len {
        16 => UnboundKey::new(&AES_128_GCM, &*keys.key::<16>(label)),
        _ => UnboundKey::new(&AES_256_GCM, &*keys.key::<32>(label)),
    };
    unbound.ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_hex::hex;

    /// RFC 7714 sections 16 and 17 give session keys, not master keys.
    fn with_session_key(key: &[u8]) -> Gcm {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = || LessSafeKey::new(UnboundKey::new(algorithm, key).unwrap());
        let salt: [u8; 12] = hex("517569642070726f2071756f").try_into().unwrap();
        Gcm { rtp: key(), rtp_salt: salt, rtcp: key(), rtcp_salt: salt }
    }

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const RTP: &str =
        "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
    const RTCP: &str =
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

    #[test]
    fn rfc_7714_section_16() {
        let cases = [
            (
                16,
                "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
            ),
            (
                32,
                "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13",
            ),
        ];
        for (key_len, sealed) in cases {
            let gcm = with_session_key(&hex(KEY)[..key_len]);
            let mut packet = hex(RTP);
            let len = packet.len();
            packet.resize(len + TAG, 0);
            assert_eq!(gcm.seal_rtp(&mut packet, len, 12, 0x5501_a0b2, 0xf17b), Some(len + TAG));
            assert_eq!(packet, hex(sealed));
            assert_eq!(gcm.open_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b), Some(len));
            assert_eq!(packet[..len], hex(RTP));
        }
    }

    #[test]
    fn rfc_7714_section_17() {
        let cases = [
            (
                16,
                "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
            ),
            (
                32,
                "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
            ),
        ];
        for (key_len, sealed) in cases {
            let gcm = with_session_key(&hex(KEY)[..key_len]);
            let mut packet = hex(RTCP);
            let len = packet.len();
            packet.resize(len + TAG + 4, 0);
            assert_eq!(gcm.seal_rtcp(&mut packet, len, 0x4d61_7273, 0x5d4), Some(len + TAG + 4));
            assert_eq!(packet, hex(sealed));
            assert_eq!(gcm.open_rtcp(&mut packet, 0x4d61_7273, 0x5d4), Some(len));
            assert_eq!(packet[..len], hex(RTCP));
        }
    }
}
