//! Who signs lists and files: a certificate with an RSA key of 1024, 2048 or 4096 bits, as these formats want it.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, UnparsedPublicKey,
};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use trust::Identity;
use zeroize::Zeroizing;

use super::{Certificate, Digest, PrivateKey};
use crate::{Distrust, Error};

/// A certificate and its RSA key.
pub struct Signer {
    certificate: Certificate,
    key: KeyPair,
    /// For what the provider does not do: SHA-1, and signatures over a bare hash.
    raw: PrivateKey,
}

impl Signer {
    /// # Errors
    /// The identity's key is not RSA: phones of this family verify nothing else.
    pub fn new(identity: &Identity) -> Result<Signer, Error> {
        let leaf = identity.chain_der().into_iter().next().unwrap_or_default();
        let certificate = Certificate::from_der(&leaf)?;
        let not_rsa = || {
            Error::Key(format!(
                "`{}` has {}, and lists and files for phones are signed with RSA: issue it an RSA 2048 or 4096 key",
                certificate.subject(crate::Names::Equipment),
                certificate.public_key().words()
            ))
        };
        let der = private_der(&identity.key_pem())?.ok_or_else(not_rsa)?;
        let raw = PrivateKey::read(&der).ok_or_else(not_rsa)?;
        let key = KeyPair::from_pkcs8(&der).or_else(|_| KeyPair::from_der(&der)).map_err(|_| not_rsa())?;
        if modulus_code(key.public_modulus_len()).is_none() {
            return Err(Error::Key(format!(
                "`{}` has a modulus of {} octets, and the format knows 64, 128, 256 and 512: issue it an RSA 2048 or 4096 key",
                certificate.subject(crate::Names::Equipment),
                key.public_modulus_len()
            )));
        }
        Ok(Signer { certificate, key, raw })
    }

    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    pub(crate) fn modulus_len(&self) -> usize {
        self.key.public_modulus_len()
    }

    /// RSASSA-PKCS1-v1_5.
    pub(crate) fn sign(&self, digest: Digest, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = || Error::Key("the RSA key did not sign".to_owned());
        let padding = match digest {
            Digest::Sha1 => return self.raw.sign_sha1(message).ok_or_else(failed),
            Digest::Sha256 => &RSA_PKCS1_SHA256,
            Digest::Sha512 => &RSA_PKCS1_SHA512,
        };
        let mut signature = vec![0; self.modulus_len()];
        // PKCS #1 v1.5 draws nothing from the generator; the interface wants one.
        self.key.sign(padding, &SystemRandom::new(), message, &mut signature).map_err(|_| failed())?;
        Ok(signature)
    }

    /// The private operation on type 1 padding of the bare hash: a phone's proof to CAPF.
    pub(crate) fn sign_bare(&self, hash: &[u8]) -> Option<Vec<u8>> {
        self.raw.sign_bare(hash)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Certificate {
    /// RSASSA-PKCS1-v1_5 over `message` by this certificate's key.
    pub(crate) fn verify(&self, digest: Digest, message: &[u8], signature: &[u8]) -> Result<(), Distrust> {
        let signer = self.subject(crate::Names::Equipment).to_owned();
        let length = match self.public_key() {
            super::PublicKey::Rsa { bits, .. } => bits.div_ceil(8),
            super::PublicKey::Ec { .. } | super::PublicKey::Other => 0,
        };
        let Some(key) = self.public_key().rsa().filter(|_| length == signature.len()) else {
            return Err(Distrust::WrongKey { signer, expected: signature.len(), found: self.public_key().words() });
        };
        let algorithm = match digest {
            Digest::Sha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Digest::Sha256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Digest::Sha512 => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        };
        UnparsedPublicKey::new(algorithm, key).verify(message, signature).map_err(|_| Distrust::BadSignature { signer })
    }
}

/// SIGNATUREMODULUS (tag 11): what stands for a modulus of so many octets.
pub(crate) fn modulus_code(octets: usize) -> Option<u8> {
    [64, 128, 256, 512].iter().position(|length| *length == octets).map(|code| code as u8)
}

/// The RSA private key in a PEM text, as DER; `None` when it is of another kind.
pub(crate) fn private_der(pem: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| Error::Key(format!("the private key cannot be read: {error}")))?;
    Ok(match &key {
        PrivateKeyDer::Pkcs8(key) => Some(Zeroizing::new(key.secret_pkcs8_der().to_vec())),
        PrivateKeyDer::Pkcs1(key) => Some(Zeroizing::new(key.secret_pkcs1_der().to_vec())),
        _ => None,
    }
    .filter(|der| PrivateKey::read(der).is_some()))
}
