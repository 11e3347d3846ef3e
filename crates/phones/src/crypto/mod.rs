//! Keys, digests and certificates as these formats use them.

mod certificate;
mod der;
mod dn;
mod rsa;
mod signer;

pub use certificate::{Certificate, PublicKey, Serial};
pub(crate) use dn::same_name;
pub(crate) use rsa::{PrivateKey, encrypt_pkcs1, recover_bare};
pub use signer::Signer;
pub(crate) use signer::{modulus_code, private_der};

use serde::{Deserialize, Serialize};

/// DIGESTALGORITHM: tag 8 of a file's header, and wherever else these formats name a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    pub fn of_code(code: u8) -> Option<Digest> {
        Some(match code {
            1 => Digest::Sha1,
            2 => Digest::Sha256,
            3 => Digest::Sha512,
            _ => return None,
        })
    }

    pub fn code(self) -> u8 {
        match self {
            Digest::Sha1 => 1,
            Digest::Sha256 => 2,
            Digest::Sha512 => 3,
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Digest::Sha1 => "SHA-1",
            Digest::Sha256 => "SHA-256",
            Digest::Sha512 => "SHA-512",
        }
    }

    pub(crate) fn of(self, octets: &[u8]) -> Vec<u8> {
        use sha1::Digest as _;
        match self {
            Digest::Sha1 => sha1::Sha1::digest(octets).to_vec(),
            Digest::Sha256 => sha2::Sha256::digest(octets).to_vec(),
            Digest::Sha512 => sha2::Sha512::digest(octets).to_vec(),
        }
    }
}

/// Whether two secrets (or what is derived from them) are the same, in a time that depends on their lengths only.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    a.ct_eq(b).into()
}
