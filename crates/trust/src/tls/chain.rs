//! The roots that a node trusts, and chains verified against them (RFC 5280 §6, by webpki).

use rustls::pki_types::TrustAnchor;
use rustls::{CertificateError, DistinguishedName};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::proven::{Proven, digest};
use crate::Error;
use crate::facts::CertificateFacts;
use crate::identity::certificates;

/// The roots that a node trusts.
#[derive(Debug)]
pub(crate) struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    names: Vec<String>,
    key_ids: Vec<Vec<u8>>,
    proven: Proven,
}

/// What the end entity does with its certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Usage {
    Listens,
    Dials,
    /// Signs a statement: any certificate that may authenticate its node.
    Signs,
}

impl Roots {
    pub(crate) fn from_pem(roots: &[String]) -> Result<Roots, Error> {
        let mut all = Vec::new();
        for pem in roots {
            all.extend(certificates(pem)?);
        }
        if all.is_empty() {
            return Err(Error::Certificate("no root certificate is trusted, so nobody could ever be verified: run `ringfence init SITE`, which makes one".into()));
        }
        Roots::from_der(all)
    }

    pub(crate) fn from_der(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Roots, Error> {
        let mut out = Roots { anchors: Vec::new(), names: Vec::new(), key_ids: Vec::new(), proven: Proven::default() };
        for der in roots {
            let facts = CertificateFacts::from_der(&der)?;
            let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|error| {
                Error::Certificate(format!("`{}` cannot be trusted as a root: {error}", facts.subject))
            })?;
            out.anchors.push(anchor.to_owned());
            out.names.push(facts.subject);
            out.key_ids.extend(key_ids(&der).own);
        }
        Ok(out)
    }

    /// The roots' subjects, for words.
    pub(crate) fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// The roots' subjects, as a TLS server hints them to its clients.
    pub(crate) fn hints(&self) -> Vec<DistinguishedName> {
        self.anchors.iter().map(|anchor| DistinguishedName::in_sequence(&anchor.subject)).collect()
    }

    pub(crate) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: Usage,
    ) -> Result<(), rustls::Error> {
        let chain = digest(usage, leaf, intermediates);
        if self.proven.is(&chain, now) {
            return Ok(());
        }
        self.prove(leaf, intermediates, now, usage)?;
        self.proven.add(chain, leaf, intermediates);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn is_proven(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: Usage,
    ) -> bool {
        self.proven.is(&digest(usage, leaf, intermediates), now)
    }

    fn prove(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: Usage,
    ) -> Result<(), rustls::Error> {
        let end_entity =
            EndEntityCert::try_from(leaf).map_err(|error| rustls::Error::InvalidCertificate(translate(error)))?;
        let usage = match usage {
            Usage::Listens => KeyUsage::server_auth(),
            Usage::Dials | Usage::Signs => KeyUsage::client_auth(),
        };
        match end_entity.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &self.anchors,
            intermediates,
            now,
            usage,
            None,
            None,
        ) {
            Ok(_) => Ok(()),
            // A stranger's authority may bear the name of ours. Its signature does not fit our key then, but what is
            // wrong is who signed, not how: RFC 8446 §6.2 has `unknown_ca` for that, and the operator must hear it.
            Err(webpki::Error::InvalidSignatureForPublicKey) if self.is_foreign(leaf, intermediates) => {
                Err(CertificateError::UnknownIssuer.into())
            }
            Err(error) => Err(translate(error).into()),
        }
    }

    /// Whether some certificate of the chain says that it was signed with a key that is neither there nor trusted.
    fn is_foreign(&self, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> bool {
        let chain: Vec<KeyIds> = std::iter::once(leaf).chain(intermediates).map(|der| key_ids(der)).collect();
        let known = |id: &Vec<u8>| self.key_ids.contains(id) || chain.iter().any(|ids| ids.own.as_ref() == Some(id));
        chain.iter().filter_map(|ids| ids.issuer.as_ref()).any(|id| !known(id))
    }
}

/// RFC 5280 §4.2.1.1 and §4.2.1.2.
#[derive(Default)]
struct KeyIds {
    own: Option<Vec<u8>>,
    issuer: Option<Vec<u8>>,
}

fn key_ids(der: &[u8]) -> KeyIds {
    let mut ids = KeyIds::default();
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return ids;
    };
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => ids.own = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(issuer) => {
                ids.issuer = issuer.key_identifier.as_ref().map(|id| id.0.to_vec())
            }
            _ => {}
        }
    }
    ids
}

/// webpki's reasons as rustls names them, each of which has its TLS alert.
fn translate(error: webpki::Error) -> CertificateError {
    use webpki::Error as E;
    match error {
        E::CertNotValidYet { time, not_before } => CertificateError::NotValidYetContext { time, not_before },
        E::CertExpired { time, not_after } => CertificateError::ExpiredContext { time, not_after },
        E::InvalidCertValidity => CertificateError::Expired,
        E::UnknownIssuer
        | E::CaUsedAsEndEntity
        | E::EndEntityUsedAsCa
        | E::PathLenConstraintViolated
        | E::NameConstraintViolation => CertificateError::UnknownIssuer,
        E::CertRevoked => CertificateError::Revoked,
        E::UnsupportedCriticalExtension => CertificateError::UnhandledCriticalExtension,
        E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        #[allow(deprecated)]
        E::InvalidSignatureForPublicKey
        | E::UnsupportedSignatureAlgorithm
        | E::UnsupportedSignatureAlgorithmForPublicKey => CertificateError::BadSignature,
        E::UnsupportedSignatureAlgorithmContext(context) => CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: context.signature_algorithm_id,
            supported_algorithms: context.supported_algorithms,
        },
        E::UnsupportedSignatureAlgorithmForPublicKeyContext(context) => {
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: context.signature_algorithm_id,
                public_key_algorithm_id: context.public_key_algorithm_id,
            }
        }
        _ => CertificateError::BadEncoding,
    }
}
