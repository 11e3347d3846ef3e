//! A root follows another: the one before certifies the key of the next (a cross certificate, RFC 5280 §3.2), so that who was
//! given the one before alone believes what the next issues, until the one before ends.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::KeyPair;
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::ca::{root_params, serial};
use crate::{Ca, Error};

impl Ca {
    /// The root that follows this one, and what this one says of it (PEM).
    ///
    /// # Errors
    /// No key can be made, or this CA's cannot sign.
    pub fn successor(&self, now: SystemTime) -> Result<(Ca, String), Error> {
        let bad =
            |error: rcgen::Error| Error::Certificate(format!("the root that follows cannot be certified: {error}"));
        let next = Ca::create(&self.organisation, now)?;
        let end = |ca: &Ca| UNIX_EPOCH + Duration::from_secs(ca.facts().not_after.max(0).unsigned_abs());
        let common_name = next.facts().common_name.clone().unwrap_or_default();
        let mut params = root_params(&self.organisation, &common_name, now);
        params.not_after = end(self).min(end(&next)).into();
        params.serial_number = Some(serial()?);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::from_pem(next.key_pem().unwrap_or_default()).map_err(bad)?;
        let cross = params.signed_by(&key, &self.issuer).map_err(bad)?;
        Ok((next, cross.pem()))
    }
}

/// Whether `known`, a root that is believed, vouches for `root`, by a certificate among `handed` (all DER). One for a key that
/// is no authority's vouches for nothing: every node has one of those.
pub fn vouches_for(known: &[u8], handed: &[Vec<u8>], root: &[u8]) -> bool {
    let Ok((_, wanted)) = X509Certificate::from_der(root) else { return false };
    if !is_authority(&wanted) || !is_signed_by(root, root) {
        return false;
    }
    handed.iter().any(|der| {
        let Ok((_, cross)) = X509Certificate::from_der(der) else { return false };
        let same =
            cross.subject().as_raw() == wanted.subject().as_raw() && cross.public_key().raw == wanted.public_key().raw;
        same && is_authority(&cross) && is_signed_by(der, known)
    })
}

fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    let constraints = certificate.basic_constraints().ok().flatten();
    let usage = certificate.key_usage().ok().flatten();
    constraints.is_some_and(|it| it.value.ca) && usage.is_some_and(|it| it.value.key_cert_sign())
}

fn is_signed_by(der: &[u8], authority: &[u8]) -> bool {
    let authority = CertificateDer::from(authority);
    let Ok(key) = webpki::EndEntityCert::try_from(&authority) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    let (said, signature) = (certificate.tbs_certificate.as_ref(), &certificate.signature_value.data);
    webpki::ALL_VERIFICATION_ALGS.iter().any(|algorithm| key.verify_signature(*algorithm, said, signature).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_pki::{ca, now, request};
    use crate::{certificates_der, verify_chain};

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    fn der(pem: &str) -> Vec<u8> {
        certificates_der(pem).unwrap().remove(0)
    }

    #[test]
    fn what_the_next_root_issues_is_believed_by_who_has_either_and_by_the_old_one_until_that_ends() {
        let old = ca("lab");
        let (next, cross) = old.successor(now() + 7 * YEAR).unwrap();
        assert_ne!(next.facts().subject, old.facts().subject);
        let next = next.below(cross);
        let issue = |at: SystemTime| {
            let request = crate::Request { not_before: at, not_after: at + 4 * YEAR, ..request("cvp1") };
            next.issue(&request).unwrap().chain_der()
        };
        let (old, new) = (der(old.certificate_pem()), der(next.certificate_pem()));
        let chain = issue(now() + 7 * YEAR);
        assert_eq!(chain.len(), 2, "it brings the word of the one before");
        for roots in
            [vec![old.clone()], vec![new.clone()], vec![old.clone(), new.clone()], vec![new.clone(), old.clone()]]
        {
            assert!(verify_chain(&chain, &roots, now() + 8 * YEAR).is_ok());
        }
        assert!(verify_chain(&chain, &[old], now() + 10 * YEAR + YEAR / 2).is_err());
        assert!(verify_chain(&chain, &[new], now() + 10 * YEAR + YEAR / 2).is_ok());
        assert_eq!(
            verify_chain(&chain, &[der(ca("lab").certificate_pem())], now() + 8 * YEAR).unwrap_err().cause,
            "unknown_ca"
        );
    }

    #[test]
    fn a_root_vouches_for_who_follows_it_and_no_node_makes_itself_one() {
        let old = ca("lab");
        let (next, cross) = old.successor(now()).unwrap();
        let (known, root) = (der(old.certificate_pem()), der(next.certificate_pem()));
        let handed = [root.clone(), der(&cross)];
        assert!(vouches_for(&known, &handed, &root));
        assert!(!vouches_for(&known, &handed[..1], &root), "without the word of the one before");
        assert!(!vouches_for(&der(ca("lab").certificate_pem()), &handed, &root), "another's word");
        // What whoever has a node's key can do: a root of its own, by the key that our root certified.
        let node = old.issue(&request("cvp1")).unwrap();
        let key = KeyPair::from_pem(&node.key_pem()).unwrap();
        let common_name = node.facts().common_name.clone().unwrap();
        let forged = root_params("lab", &common_name, now()).self_signed(&key).unwrap();
        let handed = [forged.der().to_vec(), node.chain_der().remove(0)];
        assert!(!vouches_for(&known, &handed, forged.der()));
    }
}
