//! Proof by an existing certificate: what a phone signs, and how it is checked.
//!
//! With RSA the signature is over the bare hash, without DigestInfo: an ordinary verification fails on it.

use std::time::{Duration, UNIX_EPOCH};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA1_ASN1, ECDSA_P521_SHA512_ASN1,
    UnparsedPublicKey, VerificationAlgorithm,
};
use trust::TakenBack;

use super::message::{Element, Message};
use crate::crypto::recover_bare;
use crate::{Certificate, Digest, PublicKey, Signer};

/// Who may vouch for phones: issuers of MICs and LSCs, DER.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    pub mic: Vec<Vec<u8>>,
    pub lsc: Vec<Vec<u8>>,
    /// LSCs that prove nobody any more.
    pub taken_back: Vec<TakenBack>,
}

/// A phone's existing certificate with its key: the client's side of the proof.
#[derive(Debug)]
pub struct Prover {
    pub signer: Signer,
    /// 1 LSC, 2 MIC.
    pub kind: u8,
}

impl Prover {
    /// The elements that prove `device`.
    pub(super) fn prove(&self, device: &str) -> Option<Vec<Element>> {
        let der = self.signer.certificate().der();
        let data = signed_data(device, der);
        Some(vec![
            Element::Certificate(self.kind, der.to_vec()),
            Element::SignedData(self.signer.sign_bare(&Digest::Sha1.of(&data))?),
            Element::Sha2SignedData(Digest::Sha512, self.signer.sign_bare(&Digest::Sha512.of(&data))?),
        ])
    }
}

fn signed_data(device: &str, der: &[u8]) -> Vec<u8> {
    [device.as_bytes(), &[0], der].concat()
}

/// Whether `message` proves that `device` holds the key of a certificate that `roots` vouch for and that names it.
/// `lsc_first` says which of the two kinds has precedence; either is taken.
///
/// # Errors
/// Why not, in words.
pub(super) fn check(message: &Message, device: &str, roots: &Roots, now: u64) -> Result<Certificate, String> {
    let (certificate, is_lsc, good) = if let Some(proof) = sudi(message) { proof } else { existing(message, device)? };
    let name = certificate.common_name().to_owned();
    // A real phone's CN carries its name after the model: CP-8861-SEPB000B4BA0AEE.
    let named = name == device || name.strip_suffix(device).is_some_and(|model| model.ends_with('-'));
    if !named || device.is_empty() {
        return Err(format!("its certificate names `{name}`, expected `{device}`"));
    }
    let vouching = if is_lsc { &roots.lsc } else { &roots.mic };
    let at = UNIX_EPOCH + Duration::from_secs(now);
    let facts =
        trust::verify_chain(&[certificate.der().to_vec()], vouching, at).map_err(|refusal| refusal.to_string())?;
    if let Some(words) = roots.taken_back.iter().find_map(|it| it.says_of(&facts)) {
        return Err(format!(
            "its certificate with serial {} was {words}: order an enrolment by password",
            facts.serial
        ));
    }
    if good { Ok(certificate) } else { Err("its signature does not fit its certificate".to_owned()) }
}

/// CERTIFICATE with SIGNED_DATA or SHA2_SIGNED_DATA; the better one decides.
fn existing(message: &Message, device: &str) -> Result<(Certificate, bool, bool), String> {
    let (kind, der) = message
        .find(|element| match element {
            Element::Certificate(kind, der) => Some((*kind, der)),
            _ => None,
        })
        .ok_or("it sent no certificate")?;
    let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
    let data = signed_data(device, der);
    let sha2 = message.find(|element| match element {
        Element::Sha2SignedData(digest, signature) => Some((*digest, signature)),
        _ => None,
    });
    let sha1 = message.find(|element| match element {
        Element::SignedData(signature) => Some((Digest::Sha1, signature)),
        _ => None,
    });
    let (digest, signature) = sha2.or(sha1).ok_or("it signed nothing")?;
    let good = verify(&certificate, digest, &data, signature);
    Ok((certificate, kind == 1, good))
}

/// SUDI_DATA, over the session (little-endian, unlike all else here) and the certificate.
fn sudi(message: &Message) -> Option<(Certificate, bool, bool)> {
    let (der, signature) = message.find(|element| match element {
        Element::Sudi { certificate, sha512, .. } => Some((certificate, sha512)),
        _ => None,
    })?;
    let certificate = Certificate::from_der(der).ok()?;
    let data = [&message.session.to_le_bytes()[..], der].concat();
    let good = verify(&certificate, Digest::Sha512, &data, signature);
    Some((certificate, false, good))
}

fn verify(certificate: &Certificate, digest: Digest, data: &[u8], signature: &[u8]) -> bool {
    let (point, bits) = match certificate.public_key() {
        PublicKey::Rsa { der, .. } => return recover_bare(der, &digest.of(data), signature),
        PublicKey::Ec { point, bits } => (point, *bits),
        PublicKey::Other => return false,
    };
    let algorithm: &'static dyn VerificationAlgorithm = match (bits, digest) {
        (256, Digest::Sha1) => &ECDSA_P256_SHA1_ASN1,
        (256, Digest::Sha512) => &ECDSA_P256_SHA512_ASN1,
        (384, Digest::Sha512) => &ECDSA_P384_SHA512_ASN1,
        (521, Digest::Sha1) => &ECDSA_P521_SHA1_ASN1,
        (521, Digest::Sha512) => &ECDSA_P521_SHA512_ASN1,
        _ => return false,
    };
    UnparsedPublicKey::new(algorithm, point).verify(data, signature).is_ok()
}
