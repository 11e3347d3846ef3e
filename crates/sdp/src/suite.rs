//! SRTP protection profiles of `a=crypto` (IANA "SRTP Crypto Suite Registrations"): RFC 4568 §6.2, RFC 6188 §4 for 192
//! and 256 bits, RFC 7714 §14.2 for GCM. F8, SEED and the null ciphers of that table are not spoken here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Those that we speak. The order of variants is that of snapshots; preference is the order of [`Suite::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Suite {
    AeadAes256Gcm,
    AeadAes128Gcm,
    AesCm128HmacSha1_80,
    AesCm128HmacSha1_32,
    Aes256CmHmacSha1_80,
    Aes256CmHmacSha1_32,
    Aes192CmHmacSha1_80,
    Aes192CmHmacSha1_32,
}

impl Suite {
    /// All of them, the strongest first; short tags last, because a forgery is guessed sooner than a key.
    pub const ALL: [Suite; 8] = [
        Suite::AeadAes256Gcm,
        Suite::AeadAes128Gcm,
        Suite::Aes256CmHmacSha1_80,
        Suite::Aes192CmHmacSha1_80,
        Suite::AesCm128HmacSha1_80,
        Suite::Aes256CmHmacSha1_32,
        Suite::Aes192CmHmacSha1_32,
        Suite::AesCm128HmacSha1_32,
    ];

    /// What an offer of ours holds unless a policy says otherwise: what the field knows. The rest of [`Suite::ALL`] is
    /// taken when it is offered; eight lines would cost an INVITE over UDP its one datagram.
    pub const USUAL: [Suite; 4] =
        [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

    /// Name in `a=crypto`.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::Aes256CmHmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::Aes256CmHmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Suite::Aes192CmHmacSha1_80 => "AES_192_CM_HMAC_SHA1_80",
            Suite::Aes192CmHmacSha1_32 => "AES_192_CM_HMAC_SHA1_32",
        }
    }

    /// Accepts the spellings that equipment really sends: any case, `SRTP_` in front, the key length on either side of
    /// `CM` or glued to `AES`, `HMAC` left out (as in the names of DTLS-SRTP). The short-tag `…_GCM_8` suites are others
    /// than `…_GCM` and are not taken for them.
    pub fn parse(text: &str) -> Option<Suite> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SRTP_").unwrap_or(&upper);
        let (cipher, tag) = match name.rsplit_once("_SHA1_") {
            Some((cipher, tag)) => (cipher.strip_suffix("_HMAC").unwrap_or(cipher), tag),
            None => (name, ""),
        };
        let letters: String = cipher.chars().filter(char::is_ascii_alphabetic).collect();
        let bits = cipher.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>();
        match (letters.as_str(), bits.as_slice(), tag) {
            ("AEADAESGCM", ["256"], "") => Some(Suite::AeadAes256Gcm),
            ("AEADAESGCM", ["128"], "") => Some(Suite::AeadAes128Gcm),
            ("AESCM", ["128"], "80") => Some(Suite::AesCm128HmacSha1_80),
            ("AESCM", ["128"], "32") => Some(Suite::AesCm128HmacSha1_32),
            ("AESCM", ["256"], "80") => Some(Suite::Aes256CmHmacSha1_80),
            ("AESCM", ["256"], "32") => Some(Suite::Aes256CmHmacSha1_32),
            ("AESCM", ["192"], "80") => Some(Suite::Aes192CmHmacSha1_80),
            ("AESCM", ["192"], "32") => Some(Suite::Aes192CmHmacSha1_32),
            _ => None,
        }
    }

    /// Octets of master key and master salt: 16, 24 or 32, and 14, for GCM 12.
    pub fn key_salt_len(self) -> (usize, usize) {
        match self {
            Suite::AeadAes256Gcm => (32, 12),
            Suite::AeadAes128Gcm => (16, 12),
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => (16, 14),
            Suite::Aes192CmHmacSha1_80 | Suite::Aes192CmHmacSha1_32 => (24, 14),
            Suite::Aes256CmHmacSha1_80 | Suite::Aes256CmHmacSha1_32 => (32, 14),
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_each_is_there_once() {
        for suite in Suite::ALL {
            assert_eq!(Suite::parse(suite.name()), Some(suite));
            assert_eq!(Suite::ALL.iter().filter(|other| **other == suite).count(), 1);
        }
        assert!(Suite::USUAL.iter().all(|suite| Suite::ALL.contains(suite)));
    }

    #[test]
    fn spellings_of_real_equipment() {
        let same = [
            ("AES_128_CM_HMAC_SHA1_80", Suite::AesCm128HmacSha1_80),
            ("AES128_CM_HMAC_SHA1_32", Suite::AesCm128HmacSha1_32),
            ("SRTP_AES128_CM_SHA1_80", Suite::AesCm128HmacSha1_80),
            ("aes_cm_128_hmac_sha1_80", Suite::AesCm128HmacSha1_80),
            ("AES_CM_256_HMAC_SHA1_80", Suite::Aes256CmHmacSha1_80),
            ("AES_256_CM_HMAC_SHA1_32", Suite::Aes256CmHmacSha1_32),
            ("AES_CM_192_HMAC_SHA1_80", Suite::Aes192CmHmacSha1_80),
            ("AEAD_AES128_GCM", Suite::AeadAes128Gcm),
            ("SRTP_AEAD_AES_256_GCM", Suite::AeadAes256Gcm),
        ];
        for (text, suite) in same {
            assert_eq!(Suite::parse(text), Some(suite), "{text}");
        }
        for other in [
            "AEAD_AES_256_GCM_8",
            "AEAD_AES_192_GCM",
            "AES_CM_128_HMAC_SHA1_64",
            "AES_CM_128",
            "F8_128_HMAC_SHA1_80",
            "SEED_CTR_128_HMAC_SHA1_80",
            "AES_CM_1_28_HMAC_SHA1_80",
            "AES_CM_HMAC_SHA1_80",
            "NULL_HMAC_SHA1_80",
            "",
        ] {
            assert_eq!(Suite::parse(other), None, "{other}");
        }
    }
}
