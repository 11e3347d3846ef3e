//! Signatures of nodes over what they state, and their verification without any connection.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::SignatureScheme;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};

use crate::facts::CertificateFacts;
use crate::tls::chain;
use crate::{Error, Identity, Refusal, words};

/// What we sign with, and the only algorithms we take: one for each kind of key.
const ALGORITHMS: [(&dyn SignatureVerificationAlgorithm, SignatureScheme); 3] = [
    (webpki::aws_lc_rs::ECDSA_P256_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256),
    (webpki::aws_lc_rs::ECDSA_P384_SHA384, SignatureScheme::ECDSA_NISTP384_SHA384),
    (webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256, SignatureScheme::RSA_PKCS1_SHA256),
];

impl Identity {
    /// Signature over `message` (ECDSA P-256/P-384 with SHA-256/384, ASN.1; or RSA PKCS#1 SHA-256).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let schemes = ALGORITHMS.map(|(_, scheme)| scheme);
        let certified = self.certified();
        let signer = certified.key.choose_scheme(&schemes).ok_or_else(|| {
            Error::Key(format!(
                "the key of `{}` is of a kind that we do not sign with: P-256, P-384 or RSA",
                self.facts().subject
            ))
        })?;
        signer
            .sign(message)
            .map_err(|error| Error::Key(format!("the key of `{}` did not sign: {error}", self.facts().subject)))
    }
}

/// Verifies `signature` over `message` by the first certificate of `chain`, and the chain against `roots` at `at`.
pub fn verify_signature(
    chain_der: &[Vec<u8>],
    roots_der: &[Vec<u8>],
    message: &[u8],
    signature: &[u8],
    at: SystemTime,
) -> Result<CertificateFacts, Refusal> {
    let facts = verify_chain(chain_der, roots_der, at)?;
    let Some(leaf) = chain_der.first().map(|der| CertificateDer::from(der.as_slice())) else {
        return Err(words::no_signer());
    };
    let end_entity = webpki::EndEntityCert::try_from(&leaf).map_err(|error| words::unreadable(&error.to_string()))?;
    let good =
        ALGORITHMS.iter().any(|(algorithm, _)| end_entity.verify_signature(*algorithm, message, signature).is_ok());
    if good { Ok(facts) } else { Err(words::bad_signature(&facts)) }
}

/// Verifies a chain, the end entity first, against `roots_der` at `at`: who says so must still prove that he holds the key.
pub fn verify_chain(chain_der: &[Vec<u8>], roots_der: &[Vec<u8>], at: SystemTime) -> Result<CertificateFacts, Refusal> {
    let certificates: Vec<CertificateDer<'_>> =
        chain_der.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let Some((leaf, intermediates)) = certificates.split_first() else {
        return Err(words::no_signer());
    };
    let facts = CertificateFacts::from_der(leaf).map_err(|error| words::unreadable(&error.to_string()))?;
    let roots = chain::Roots::from_der(roots_der.iter().map(|der| CertificateDer::from(der.clone())))
        .map_err(|error| words::unreadable(&error.to_string()))?;
    let now = UnixTime::since_unix_epoch(at.duration_since(UNIX_EPOCH).unwrap_or_default());
    roots
        .verify(leaf, intermediates, now, chain::Usage::Signs)
        .map_err(|error| words::of_certificate(&error, &[], Some(&facts), &roots.names()))?;
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::KeyKind;
    use crate::identity::certificates;
    use crate::test_pki::{ca, now, request_with};

    #[test]
    fn what_a_node_signs_can_be_verified_and_nothing_else() {
        let (ca, stranger) = (ca("lab"), ca("lab"));
        let root = vec![certificates(ca.certificate_pem()).unwrap()[0].to_vec()];
        let other_root = vec![certificates(stranger.certificate_pem()).unwrap()[0].to_vec()];
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
            let identity = ca.issue(&request_with("cvp1", kind)).unwrap();
            let chain = identity.chain_der();
            let signature = identity.sign(b"this hop was secure").unwrap();
            let verify = |chain: &[Vec<u8>], roots: &[Vec<u8>], message: &[u8], signature: &[u8], at| {
                verify_signature(chain, roots, message, signature, at).map_err(|refusal| refusal.cause)
            };
            assert_eq!(verify(&chain, &root, b"this hop was secure", &signature, now()).unwrap().node(), Some("cvp1"));
            assert_eq!(verify(&chain, &root, b"this hop was secured", &signature, now()).unwrap_err(), "bad_signature");
            let other = ca.issue(&request_with("vvb1", kind)).unwrap();
            assert_eq!(
                verify(&other.chain_der(), &root, b"this hop was secure", &signature, now()).unwrap_err(),
                "bad_signature"
            );
            assert_eq!(
                verify(&chain, &other_root, b"this hop was secure", &signature, now()).unwrap_err(),
                "unknown_ca"
            );
            assert_eq!(verify(&chain, &[], b"this hop was secure", &signature, now()).unwrap_err(), "unknown_ca");
            assert_eq!(verify(&[], &root, b"this hop was secure", &signature, now()).unwrap_err(), "no_certificate");
            assert_eq!(
                verify(&[vec![1, 2, 3]], &root, b"this hop was secure", &signature, now()).unwrap_err(),
                "unreadable_certificate"
            );
            let year = Duration::from_secs(366 * 24 * 3600);
            assert_eq!(verify(&chain, &root, b"this hop was secure", &signature, now() + year).unwrap_err(), "expired");
            assert_eq!(
                verify(&chain, &root, b"this hop was secure", &signature, now() - year).unwrap_err(),
                "not_yet_valid"
            );
            for at in 0..signature.len() {
                let mut changed = signature.clone();
                changed[at] ^= 1;
                assert!(verify(&chain, &root, b"this hop was secure", &changed, now()).is_err(), "octet {at} changed");
            }
        }
    }
}
