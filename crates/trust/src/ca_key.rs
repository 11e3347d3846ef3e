//! The key of an authority: here in memory, or elsewhere, such as in a token, where it signs and out of which it never comes.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rcgen::{KeyPair, PublicKeyData, SignatureAlgorithm, SigningKey};

/// A P-256 key that is elsewhere.
pub trait RemoteKey: Send + Sync {
    /// Its public half, an uncompressed point.
    fn point(&self) -> &[u8];

    /// ECDSA with SHA-256 over this message: `r` and `s`, 32 octets each.
    ///
    /// # Errors
    /// It did not sign; in words.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String>;
}

/// What signs certificates and lists.
pub(crate) enum CaKey {
    Here(KeyPair),
    Elsewhere {
        key: Arc<dyn RemoteKey>,
        /// Why it did not sign: the error that goes through `rcgen` has no room for words.
        why: Mutex<String>,
    },
}

impl CaKey {
    pub(crate) fn elsewhere(key: Arc<dyn RemoteKey>) -> CaKey {
        CaKey::Elsewhere { key, why: Mutex::default() }
    }

    /// An error of `rcgen` in words.
    pub(crate) fn words(&self, error: &rcgen::Error) -> String {
        match (self, error) {
            (CaKey::Elsewhere { why, .. }, rcgen::Error::RemoteKeyError) => {
                why.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
            _ => error.to_string(),
        }
    }
}

impl PublicKeyData for CaKey {
    fn der_bytes(&self) -> &[u8] {
        match self {
            CaKey::Here(pair) => pair.der_bytes(),
            CaKey::Elsewhere { key, .. } => key.point(),
        }
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self {
            CaKey::Here(pair) => pair.algorithm(),
            CaKey::Elsewhere { .. } => &rcgen::PKCS_ECDSA_P256_SHA256,
        }
    }
}

impl SigningKey for CaKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        match self {
            CaKey::Here(pair) => pair.sign(message),
            CaKey::Elsewhere { key, why } => {
                let signed = key.sign(message).and_then(|both| {
                    let wrong = || format!("a signature of {} octets, and one of P-256 has 64", both.len());
                    let (r, s) = both.split_at_checked(32).filter(|(_, s)| s.len() == 32).ok_or_else(wrong)?;
                    let signature = ecdsa_value(r, s);
                    // Whoever relied on it would find out; better here than there.
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.point())
                        .verify(message, &signature)
                        .map_err(|_| "its signature does not fit what was to be signed".to_owned())?;
                    Ok(signature)
                });
                signed.map_err(|words| {
                    *why.lock().unwrap_or_else(PoisonError::into_inner) = words;
                    rcgen::Error::RemoteKeyError
                })
            }
        }
    }
}

/// `Ecdsa-Sig-Value` (RFC 3279 §2.2.3): a SEQUENCE of two INTEGERs, all of them shorter than 128 octets.
fn ecdsa_value(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |octets: &[u8]| {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count().min(octets.len().saturating_sub(1));
        let (_, value) = octets.split_at(zeros);
        // It is positive.
        let sign = value.first().filter(|first| **first >= 0x80).map(|_| 0);
        let value: Vec<u8> = sign.into_iter().chain(value.iter().copied()).collect();
        [&[2, value.len() as u8][..], &value].concat()
    };
    let both = [integer(r), integer(s)].concat();
    [&[0x30, both.len() as u8][..], &both].concat()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

    use super::*;
    use crate::test_pki::{now, request};
    use crate::{Ca, Error, verify_chain};

    /// Stands in for a token.
    struct Far {
        pair: EcdsaKeyPair,
        point: Vec<u8>,
        sign: fn(&EcdsaKeyPair, &[u8]) -> Result<Vec<u8>, String>,
    }

    fn signed(pair: &EcdsaKeyPair, message: &[u8]) -> Result<Vec<u8>, String> {
        Ok(pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
    }

    impl Far {
        fn new(sign: fn(&EcdsaKeyPair, &[u8]) -> Result<Vec<u8>, String>) -> Arc<Far> {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let point = pair.public_key().as_ref().to_vec();
            Arc::new(Far { pair, point, sign })
        }
    }

    impl RemoteKey for Far {
        fn point(&self) -> &[u8] {
            &self.point
        }

        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
            (self.sign)(&self.pair, message)
        }
    }

    #[test]
    fn a_signature_is_written_as_certificates_have_it() {
        let mut r = [0; 32];
        r[31] = 0x80;
        let mut s = [0; 32];
        s[30] = 1;
        assert_eq!(ecdsa_value(&r, &s), [0x30, 8, 2, 2, 0, 0x80, 2, 2, 1, 0]);
        assert_eq!(ecdsa_value(&[0; 32], &[0xff; 32]).len(), 2 + 3 + 35);
    }

    #[test]
    fn an_authority_whose_key_is_elsewhere_is_one_like_others() {
        let key = Far::new(signed);
        let made = Ca::create_by("lab", now(), key.clone()).unwrap();
        assert_eq!(made.key_pem(), None);
        let ca = Ca::by(made.certificate_pem(), key).unwrap();
        let root = crate::certificates_der(ca.certificate_pem()).unwrap();
        let issued = ca.issue(&request("vvb1")).unwrap().chain_der();
        assert!(verify_chain(&issued, &root, now()).is_ok());
        let list = ca.revocation_list(1, now(), now() + Duration::from_secs(60), &[]).unwrap();
        assert!(list.is_signed_by(&root[0]));
        // Often enough for numbers that begin with zeros and with ones.
        for _ in 0..200 {
            assert!(ca.issue(&request("vvb1")).is_ok());
        }
    }

    #[test]
    fn a_key_elsewhere_says_why_it_does_not_sign_and_has_to_be_the_certificates() {
        let ca = Ca::create("lab", now()).unwrap();
        let other = Ca::by(ca.certificate_pem(), Far::new(signed));
        assert!(matches!(other, Err(Error::Key(words)) if words.contains("does not belong")));
        for (sign, said) in [
            ((|_, _| Err("the token was pulled out".into())) as fn(&EcdsaKeyPair, &[u8]) -> _, "was pulled out"),
            (|pair, _| signed(pair, b"something else"), "does not fit what was to be signed"),
            (|pair, message| signed(pair, message).map(|both| both[1..].to_vec()), "a signature of 63 octets"),
        ] {
            let failed = Ca::create_by("lab", now(), Far::new(sign)).err().unwrap().to_string();
            assert!(failed.contains(said), "{failed}");
        }
    }
}
