//! A certificate chain and its private key: who a node is.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::Error;
use crate::facts::CertificateFacts;

/// A certificate chain and its private key: who a node is.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    key_pem: Arc<Zeroizing<String>>,
    facts: Arc<CertificateFacts>,
}

impl Identity {
    /// `chain`: the node's certificate first, then what leads to the root. `key`: PKCS#8, PKCS#1 or SEC1.
    pub fn from_pem(chain: &str, key: &str) -> Result<Identity, Error> {
        let chain: Vec<CertificateDer<'static>> = certificates(chain)?;
        let leaf = chain.first().ok_or_else(|| Error::Certificate("there is no certificate in the chain".into()))?;
        let facts = CertificateFacts::from_der(leaf)?;
        let private = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| Error::Key(format!("the private key of `{}` cannot be read: {error}", facts.subject)))?;
        let signer = any_supported_type(&private)
            .map_err(|error| Error::Key(format!("the private key of `{}` cannot be used: {error}", facts.subject)))?;
        let certified = CertifiedKey::new(chain, signer);
        certified.keys_match().map_err(|_| {
            Error::Key(format!(
                "the private key does not belong to the certificate of `{}`: take the pair from one folder",
                facts.subject
            ))
        })?;
        Ok(Identity {
            certified: Arc::new(certified),
            key_pem: Arc::new(Zeroizing::new(key.to_owned())),
            facts: Arc::new(facts),
        })
    }

    pub fn chain_pem(&self) -> String {
        self.certified.cert.iter().map(|der| to_pem("CERTIFICATE", der)).collect()
    }

    /// DER, the node's own certificate first: what a signed statement carries.
    pub fn chain_der(&self) -> Vec<Vec<u8>> {
        self.certified.cert.iter().map(|der| der.to_vec()).collect()
    }

    pub fn key_pem(&self) -> String {
        self.key_pem.to_string()
    }

    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// With an OCSP answer (DER) that TLS staples to our certificate, if it is about that.
    pub fn stapling(self, answer: Vec<u8>) -> Identity {
        let Some(leaf) = self.certified.cert.first() else { return self };
        if crate::ocsp::said(&answer, leaf).is_none() {
            return self;
        }
        let mut certified = CertifiedKey::new(self.certified.cert.clone(), self.certified.key.clone());
        certified.ocsp = Some(answer);
        Identity { certified: Arc::new(certified), ..self }
    }

    /// What is stapled (DER).
    pub fn staple(&self) -> Option<&[u8]> {
        self.certified.ocsp.as_deref()
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }
}

/// Without the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("subject", &self.facts.subject)
            .field("fingerprint", &self.facts.fingerprint)
            .finish_non_exhaustive()
    }
}

/// The certificates in a PEM text, as DER: for [`crate::verify_signature`], which takes no PEM.
pub fn certificates_der(pem: &str) -> Result<Vec<Vec<u8>>, Error> {
    Ok(certificates(pem)?.into_iter().map(|der| der.to_vec()).collect())
}

/// The certificates in a PEM text.
pub(crate) fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| Error::Certificate(format!("the certificates cannot be read: {error}")))
}

/// RFC 7468.
pub(crate) fn to_pem(label: &str, der: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = format!("-----BEGIN {label}-----\n");
    // 48 octets are 64 characters.
    for line in der.chunks(48) {
        for group in line.chunks(3) {
            let octet = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
            let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
            for character in 0..4 {
                let six = (bits >> (18 - 6 * character) & 63) as usize;
                // Six bits are always within the alphabet's 64.
                out.push(if character > group.len() { '=' } else { char::from(ALPHABET[six]) });
            }
        }
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyKind;
    use crate::test_pki::{ca, request_with};

    #[test]
    fn pem_goes_out_and_comes_back() {
        let ca = ca("lab");
        for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
            let identity = ca.issue(&request_with("cube1", kind)).unwrap();
            let again = Identity::from_pem(&identity.chain_pem(), &identity.key_pem()).unwrap();
            assert_eq!(again.facts(), identity.facts());
            assert_eq!(again.chain_der(), identity.chain_der());
        }
        for length in 0..100 {
            let der: Vec<u8> = (0..length).collect();
            let pem = to_pem("CERTIFICATE", &der);
            assert_eq!(certificates(&pem).unwrap()[0].as_ref(), der);
            assert!(pem.lines().all(|line| line.len() <= 64));
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let identity = ca("lab").issue(&request_with("cube1", KeyKind::P256)).unwrap();
        assert!(!format!("{identity:?}").contains("PRIVATE"));
    }

    #[test]
    fn what_does_not_fit_says_so() {
        let ca = ca("lab");
        let (one, other) = (
            ca.issue(&request_with("cube1", KeyKind::P256)).unwrap(),
            ca.issue(&request_with("cvp1", KeyKind::P256)).unwrap(),
        );
        for (chain, key, words) in [
            (one.chain_pem(), other.key_pem(), "does not belong to the certificate of `CN=cube1"),
            (String::new(), one.key_pem(), "no certificate"),
            (one.chain_pem(), String::new(), "cannot be read"),
        ] {
            let error = Identity::from_pem(&chain, &key).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
