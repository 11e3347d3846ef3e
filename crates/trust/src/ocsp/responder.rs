//! Who answers for an authority: a key of its own with a certificate for nothing else (RFC 6960 §4.2.2.2), so that the
//! authority's key lies where it lies and signs nothing when anybody asks.

use std::time::{Duration, SystemTime};

use rcgen::{CustomExtension, ExtendedKeyUsagePurpose};

use super::id::{Hash, parsed};
use super::judge::is_charged;
use super::response::{signed, to_be_signed};
use super::{CertificateId, Status};
use crate::{Ca, Error, Identity, KeyKind, Request};

/// How long a responder is charged: nobody asks whether its certificate was revoked, so it is short.
pub const DELEGATE_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// ecPublicKey (RFC 5480 §2.1.1).
const ELLIPTIC: &str = "1.2.840.10045.2.1";

/// Makes answers in the name of an authority.
#[derive(Clone, Debug)]
pub struct Responder {
    delegate: Identity,
    certificate: Vec<u8>,
    /// SHA-1 of its key (RFC 6960 §4.2.2.3).
    key: Vec<u8>,
    issuer: Vec<u8>,
}

impl Ca {
    /// A key and a certificate that answers about this CA's certificates are signed with.
    ///
    /// # Errors
    /// No key can be made, or the CA cannot sign.
    pub fn issue_responder(&self, not_before: SystemTime, not_after: SystemTime) -> Result<Identity, Error> {
        let request = Request {
            common_name: "OCSP responder".into(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            node: None,
            uris: Vec::new(),
            key: KeyKind::P256,
            not_before,
            not_after,
        };
        // id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1): NULL.
        let unasked = CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 48, 1, 5], vec![5, 0]);
        self.issue_with(&request, vec![ExtendedKeyUsagePurpose::OcspSigning], vec![unasked])
    }
}

impl Responder {
    /// `issuer`: the authority's certificate in DER, which must have charged `delegate` with it.
    ///
    /// # Errors
    /// It has not, or not at `now`, or the delegate's key is none of P-256.
    pub fn new(delegate: Identity, issuer: &[u8], now: i64) -> Result<Responder, Error> {
        let subject = delegate.facts().subject.clone();
        let bad = |what: &str| Err(Error::Certificate(format!("`{subject}` cannot answer for an authority: {what}")));
        let Some(certificate) = delegate.chain_der().into_iter().next() else { return bad("it has no certificate") };
        if !is_charged(&certificate, issuer, now) {
            return bad("its certificate is not from that authority, is not for OCSP, or is not in force");
        }
        let facts = parsed(&certificate)?;
        let key = &facts.public_key().subject_public_key.data;
        // An uncompressed point of P-256 has 65 octets, and answers name ECDSA with SHA-256.
        if facts.public_key().algorithm.algorithm.to_id_string() != ELLIPTIC || key.len() != 65 {
            return bad("its key is none of P-256");
        }
        let key = Hash::Sha1.of(key);
        Ok(Responder { delegate, certificate, key, issuer: issuer.to_vec() })
    }

    /// Whether this certificate is one of the authority's.
    pub fn answers_for(&self, id: &CertificateId) -> bool {
        id.is_of(&self.issuer)
    }

    /// Until when what it signs is believed (seconds since 1970).
    pub fn until(&self) -> i64 {
        self.delegate.facts().not_after
    }

    /// The authority's word, from `made` until `until` (seconds since 1970), in DER.
    ///
    /// # Errors
    /// The key did not sign.
    pub fn answer(&self, id: &CertificateId, status: &Status, made: i64, until: i64) -> Result<Vec<u8>, Error> {
        let said = to_be_signed(&self.key, id, status, made, until);
        let signature = self.delegate.sign(&said)?;
        Ok(signed(&said, &signature, &self.certificate))
    }

    /// The same about a certificate (DER) of the authority, for its owner to staple.
    ///
    /// # Errors
    /// It is another's, or the key did not sign.
    pub fn staple(&self, certificate: &[u8], status: &Status, made: i64, until: i64) -> Result<Vec<u8>, Error> {
        self.answer(&CertificateId::of(certificate, &self.issuer, Hash::Sha1)?, status, made, until)
    }
}
