//! RSA where the provider has no word for what these formats do: signatures over a bare hash (no DigestInfo), SHA-1
//! signatures for old phones, and encryption that can be replayed from a seed. PKCS #1 v1.5 (RFC 8017 §7.2, §8.2).
//!
//! Everything else is the provider's (aws-lc-rs). The private operation here is by the Chinese remainder (RFC 8017 §5.1.2),
//! four times as quick as without; blinded, so that how long it takes says nothing of the key to who chooses what is signed;
//! and its result is checked before it leaves, so that a fault cannot give away a factor.

use num_bigint::BigUint;
use rand_core::RngCore;
use sha2::Digest as _;
use zeroize::Zeroizing;

use super::der;
use super::{Digest, same};

/// PKCS #1 type 1 and 2 padding: 00, type, at least eight octets, 00.
const OVERHEAD: usize = 11;

/// DigestInfo (RFC 8017 §9.2 note 1) before a SHA-1 hash.
const SHA1_INFO: [u8; 15] = [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];

struct Public {
    n: BigUint,
    e: BigUint,
    length: usize,
}

impl Public {
    /// From a DER `RSAPublicKey`.
    fn read(der_key: &[u8]) -> Option<Public> {
        let inside = der::sequence(der_key)?;
        let (n, rest) = der::integer(inside)?;
        let (e, rest) = der::integer(rest)?;
        let n = BigUint::from_bytes_be(n);
        let e = BigUint::from_bytes_be(e);
        // A modulus that is even, tiny or huge is nobody's key, and arithmetic on it would be slow or undefined.
        let bits = n.bits();
        if !rest.is_empty() || !(1024..=8192).contains(&bits) || !n.bit(0) || !e.bit(0) || e.bits() > 33 {
            return None;
        }
        Some(Public { length: bits.div_ceil(8) as usize, n, e })
    }

    fn raw(&self, block: &[u8]) -> Option<Vec<u8>> {
        let block = BigUint::from_bytes_be(block);
        (block < self.n).then(|| padded(&block.modpow(&self.e, &self.n), self.length))
    }
}

/// RSAES-PKCS1-v1_5 of `message` under a DER `RSAPublicKey`; the padding is drawn from `rng`.
pub(crate) fn encrypt_pkcs1(key: &[u8], message: &[u8], rng: &mut dyn RngCore) -> Option<Vec<u8>> {
    let key = Public::read(key)?;
    let filling = key.length.checked_sub(message.len() + 3).filter(|filling| *filling >= 8)?;
    let mut block = Zeroizing::new(vec![0, 2]);
    while block.len() < 2 + filling {
        let mut octet = [0];
        rng.fill_bytes(&mut octet);
        if octet != [0] {
            block.extend(octet);
        }
    }
    block.push(0);
    block.extend(message);
    key.raw(&block)
}

/// Whether `signature` is the type 1 padding of `hash` and nothing else, under a DER `RSAPublicKey`.
pub(crate) fn recover_bare(key: &[u8], hash: &[u8], signature: &[u8]) -> bool {
    let Some(key) = Public::read(key) else { return false };
    if signature.len() != key.length || key.length < hash.len() + OVERHEAD {
        return false;
    }
    let Some(block) = key.raw(signature) else { return false };
    same(&block, &type_1(hash, key.length))
}

/// An RSA private key, for what the provider does not do.
pub(crate) struct PrivateKey {
    public: Public,
    d: Zeroizing<Vec<u8>>,
    /// p, q, d mod (p − 1), d mod (q − 1), 1/q mod p.
    remainders: [Zeroizing<Vec<u8>>; 5],
}

impl PrivateKey {
    /// From a DER `RSAPrivateKey`, or a PKCS #8 `PrivateKeyInfo` around one.
    pub(crate) fn read(key: &[u8]) -> Option<PrivateKey> {
        let inside = der::sequence(key)?;
        let (_version, rest) = der::integer(inside)?;
        if rest.first() == Some(&0x30) {
            let (_, _algorithm, rest) = der::element(rest)?;
            let (tag, wrapped, _) = der::element(rest)?;
            return (tag == 0x04).then(|| PrivateKey::read(wrapped))?;
        }
        let (n, rest) = der::integer(rest)?;
        let (e, rest) = der::integer(rest)?;
        let (d, mut rest) = der::integer(rest)?;
        let mut remainders: [Zeroizing<Vec<u8>>; 5] = Default::default();
        for remainder in &mut remainders {
            let (number, after) = der::integer(rest)?;
            (*remainder, rest) = (Zeroizing::new(number.to_vec()), after);
        }
        let (n, e) = (BigUint::from_bytes_be(n), BigUint::from_bytes_be(e));
        let length = n.bits().div_ceil(8) as usize;
        if !(1024..=8192).contains(&n.bits()) || !n.bit(0) || !e.bit(0) {
            return None;
        }
        Some(PrivateKey { public: Public { n, e, length }, d: Zeroizing::new(d.to_vec()), remainders })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-1 over `message`.
    pub(crate) fn sign_sha1(&self, message: &[u8]) -> Option<Vec<u8>> {
        let info = [&SHA1_INFO[..], &Digest::Sha1.of(message)].concat();
        self.sign_bare(&info)
    }

    /// The private operation on type 1 padding of `hash`.
    pub(crate) fn sign_bare(&self, hash: &[u8]) -> Option<Vec<u8>> {
        let Public { n, e, length } = &self.public;
        if *length < hash.len() + OVERHEAD {
            return None;
        }
        let block = BigUint::from_bytes_be(&type_1(hash, *length));
        // The blind follows from the key and the message: nobody without the key can foresee it, and a replay is one.
        let blind = BigUint::from_bytes_be(&self.blind(hash)) % n;
        let back = blind.modinv(n)?;
        let blinded = block.clone() * blind.modpow(e, n) % n;
        let signature = self.power(&blinded)? * back % n;
        (signature.modpow(e, n) == block).then(|| padded(&signature, *length))
    }

    /// `block` to the private exponent, modulo n (RFC 8017 §5.1.2 step 2b); of numbers that are no key nothing.
    fn power(&self, block: &BigUint) -> Option<BigUint> {
        let [p, q, dp, dq, q_inverse] = self.remainders.each_ref().map(|octets| BigUint::from_bytes_be(octets));
        if !p.bit(0) || !q.bit(0) || &p * &q != self.public.n {
            return None;
        }
        let (by_p, by_q) = (block.modpow(&dp, &p), block.modpow(&dq, &q));
        let apart = (by_p + &p - &by_q % &p) % &p;
        Some(by_q + apart * q_inverse % &p * q)
    }

    fn blind(&self, hash: &[u8]) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::new());
        let mut counter = 0u32;
        while out.len() < self.public.length {
            let mut digest = sha2::Sha512::new();
            digest.update(b"blind");
            digest.update(counter.to_be_bytes());
            digest.update(&self.d[..]);
            digest.update(hash);
            out.extend(digest.finalize());
            counter += 1;
        }
        out
    }
}

fn type_1(hash: &[u8], length: usize) -> Vec<u8> {
    let mut block = vec![0xff; length];
    // Callers made sure that `length` has room for the hash and the padding.
    let start = length - hash.len();
    block.splice(start - 1.., std::iter::once(0).chain(hash.iter().copied()));
    block.splice(..2, [0, 1]);
    block
}

fn padded(number: &BigUint, length: usize) -> Vec<u8> {
    let digits = number.to_bytes_be();
    let mut out = vec![0; length.saturating_sub(digits.len())];
    out.extend(digits);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signer;
    use crate::test_keys::{PHONE, signer};
    use rand_core::SeedableRng;

    fn private() -> PrivateKey {
        PrivateKey::read(&crate::crypto::signer::private_der(PHONE.1).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn a_bare_signature_is_recovered_and_nothing_near_it() {
        let signer: Signer = signer(PHONE);
        let public = signer.certificate().public_key().rsa().unwrap().to_vec();
        for digest in [Digest::Sha1, Digest::Sha512] {
            let hash = digest.of(b"SEP001122334455");
            let signature = private().sign_bare(&hash).unwrap();
            assert!(recover_bare(&public, &hash, &signature));
            assert!(!recover_bare(&public, &digest.of(b"SEP001122334456"), &signature));
            assert!(!recover_bare(&public, &hash[1..], &signature));
            assert!(!recover_bare(&public, &hash, &signature[1..]));
        }
    }

    #[test]
    fn sha1_is_what_the_provider_verifies() {
        let signature = private().sign_sha1(b"message").unwrap();
        let public = signer(PHONE).certificate().public_key().rsa().unwrap().to_vec();
        let key = aws_lc_rs::signature::UnparsedPublicKey::new(
            &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            &public,
        );
        assert!(key.verify(b"message", &signature).is_ok());
        assert!(key.verify(b"massage", &signature).is_err());
    }

    #[test]
    fn what_is_encrypted_can_be_decrypted_and_follows_from_the_seed() {
        let public = signer(PHONE).certificate().public_key().rsa().unwrap().to_vec();
        let once =
            encrypt_pkcs1(&public, b"sixteen octets!!", &mut rand_chacha::ChaCha20Rng::from_seed([1; 32])).unwrap();
        let again =
            encrypt_pkcs1(&public, b"sixteen octets!!", &mut rand_chacha::ChaCha20Rng::from_seed([1; 32])).unwrap();
        let other =
            encrypt_pkcs1(&public, b"sixteen octets!!", &mut rand_chacha::ChaCha20Rng::from_seed([2; 32])).unwrap();
        assert!(once == again && once != other);
        let too_long = vec![1; 256 - 10];
        assert!(encrypt_pkcs1(&public, &too_long, &mut rand_chacha::ChaCha20Rng::from_seed([1; 32])).is_none());
    }

    #[test]
    fn nobodys_keys_are_refused() {
        for key in [&b""[..], b"\x30\x00", b"\x30\x06\x02\x01\x03\x02\x01\x03", &[0x30; 300]] {
            assert!(!recover_bare(key, &[0; 20], &[0; 256]));
        }
    }
}
