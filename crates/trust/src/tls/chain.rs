//! The roots that a node trusts with what they have revoked, and chains verified against them (RFC 5280 §6, by webpki).
//!
//! Where an authority's list is there it is asked about every certificate of a chain, and one whose time is over means
//! that nobody of that authority is taken: a list that is kept from us must not let in who is on it. An authority without
//! a list is believed about all that it ever issued, but for what was taken back one by one ([`TakenBack`]). Where the site
//! has an authority asked by OCSP, each end entity of it needs an answer, stapled or asked for beside the handshake;
//! verifying never waits for one.

use std::sync::Arc;

use rustls::pki_types::TrustAnchor;
use rustls::{CertificateError, DistinguishedName};
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, ExpirationPolicy, KeyUsage, RevocationOptionsBuilder, UnknownStatusPolicy};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::proven::{Proven, digest};
use super::status::Issuer;
use crate::facts::{CertificateFacts, remembered};
use crate::identity::certificates;
use crate::ocsp::{self, Policy};
use crate::{Error, RevocationList, TakenBack};

/// The roots that a node trusts.
#[derive(Debug)]
pub(crate) struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    /// For each of them: the certificate, where it says that it is no authority. It vouches for itself alone.
    alone: Vec<Option<CertificateDer<'static>>>,
    /// For each of them: the certificate, and whether its authority is asked by OCSP.
    asked: Vec<(CertificateDer<'static>, Option<Arc<Policy>>)>,
    names: Vec<String>,
    key_ids: Vec<Vec<u8>>,
    lists: Vec<RevocationList>,
    taken_back: Vec<TakenBack>,
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
        let (mut all, mut lists, mut taken_back, mut policies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for pem in roots {
            let of_it = certificates(pem)?;
            lists.extend(lists_of(pem, &of_it)?);
            taken_back.extend(TakenBack::in_text(pem)?);
            let policy = Policy::in_pem(pem)?.map(Arc::new);
            policies.extend(of_it.iter().map(|_| policy.clone()));
            all.extend(of_it);
        }
        if all.is_empty() {
            return Err(Error::Certificate("no root certificate is trusted, so nobody could ever be verified: run `ringfence init SITE`, which makes one".into()));
        }
        taken_back.sort();
        let mut out = Roots { lists, taken_back, ..Roots::from_der(all)? };
        for ((_, asked), policy) in out.asked.iter_mut().zip(policies) {
            *asked = policy;
        }
        Ok(out)
    }

    pub(crate) fn from_der(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Roots, Error> {
        let mut out = Roots {
            anchors: Vec::new(),
            alone: Vec::new(),
            asked: Vec::new(),
            names: Vec::new(),
            key_ids: Vec::new(),
            lists: Vec::new(),
            taken_back: Vec::new(),
            proven: Proven::default(),
        };
        for der in roots {
            let facts = CertificateFacts::from_der(&der)?;
            let anchor = webpki::anchor_from_trusted_cert(&der).map_err(|error| {
                Error::Certificate(format!("`{}` cannot be trusted as a root: {error}", facts.subject))
            })?;
            out.anchors.push(anchor.to_owned());
            out.names.push(facts.subject);
            out.key_ids.extend(key_ids(&der).own);
            out.alone.push(is_no_authority(&der).then(|| der.clone()));
            out.asked.push((der, None));
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
        self.verify_stapled(leaf, intermediates, &[], now, usage)
    }

    /// With what its owner stapled (nothing: he stapled nothing).
    pub(crate) fn verify_stapled(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        stapled: &[u8],
        now: UnixTime,
        usage: Usage,
    ) -> Result<(), rustls::Error> {
        let chain = digest(usage, leaf, intermediates);
        let issuer = match self.proven.is(&chain, now) {
            Some(issuer) => issuer,
            None => {
                let issuer = self.prove(leaf, intermediates, now, usage)?.map(Arc::new);
                let until = self.lists_last(leaf, intermediates);
                self.proven.add(chain, leaf, intermediates, until, issuer.clone());
                issuer
            }
        };
        match (usage, issuer) {
            // A statement is about what was.
            (Usage::Signs, _) | (_, None) => Ok(()),
            (_, Some(issuer)) => issuer.answers_for(leaf, stapled, now),
        }
    }

    /// Until when what the lists say of this chain can be relied on (seconds since 1970).
    fn lists_last(&self, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> i64 {
        let issuers = std::iter::once(leaf).chain(intermediates).filter_map(|der| remembered(der).ok());
        let issuers: Vec<String> = issuers.map(|facts| facts.issuer.clone()).collect();
        let about = self.lists.iter().filter(|list| issuers.contains(&list.facts().issuer));
        // At its next update itself a list is old already.
        about.map(|list| list.facts().next - 1).min().unwrap_or(i64::MAX)
    }

    /// When and why a certificate was revoked, if one of the lists has it.
    pub(crate) fn revoked(&self, certificate: &CertificateFacts) -> Option<String> {
        let listed = self.lists.iter().find_map(|list| list.says_of(certificate));
        let said = listed.or_else(|| self.taken_back(certificate).and_then(|it| it.says_of(certificate)));
        let asks = self.asked.iter().any(|(_, policy)| policy.is_some());
        said.or_else(|| asks.then(|| ocsp::revoked(certificate)).flatten())
    }

    fn taken_back(&self, certificate: &CertificateFacts) -> Option<&TakenBack> {
        let (issuer, serial) = (&certificate.issuer, &certificate.serial);
        let at = self.taken_back.binary_search_by(|it| (&it.issuer, &it.serial).cmp(&(issuer, serial)));
        self.taken_back.get(at.ok()?)
    }

    #[cfg(test)]
    pub(super) fn is_proven(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: Usage,
    ) -> bool {
        self.proven.is(&digest(usage, leaf, intermediates), now).is_some()
    }

    /// Who issued it, where its status is asked for.
    fn prove(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: Usage,
    ) -> Result<Option<Issuer>, rustls::Error> {
        let end_entity =
            EndEntityCert::try_from(leaf).map_err(|error| rustls::Error::InvalidCertificate(translate(error)))?;
        let purpose = match usage {
            Usage::Listens => KeyUsage::server_auth(),
            Usage::Dials | Usage::Signs => KeyUsage::client_auth(),
        };
        let lists: Vec<_> = self.lists.iter().map(RevocationList::checked).collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        match end_entity.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &self.anchors,
            intermediates,
            now,
            purpose,
            revocation,
            None,
        ) {
            Ok(path) if self.may_vouch(path.anchor(), leaf) => {
                self.none_taken_back(leaf, intermediates)?;
                let below = path.intermediate_certificates().next().map(|issuer| issuer.der());
                Ok(self.issuer(path.anchor(), below.as_ref(), leaf, usage))
            }
            Ok(_) => Err(CertificateError::UnknownIssuer.into()),
            // A stranger's authority may bear the name of ours. Its signature does not fit our key then, but what is
            // wrong is who signed, not how: RFC 8446 §6.2 has `unknown_ca` for that, and the operator must hear it.
            Err(webpki::Error::InvalidSignatureForPublicKey) if self.is_foreign(leaf, intermediates) => {
                Err(CertificateError::UnknownIssuer.into())
            }
            Err(error) => Err(translate(error).into()),
        }
    }

    fn none_taken_back(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Result<(), rustls::Error> {
        if self.taken_back.is_empty() {
            return Ok(());
        }
        for der in std::iter::once(leaf).chain(intermediates) {
            let facts = remembered(der).map_err(|_| CertificateError::BadEncoding)?;
            if self.taken_back(&facts).is_some() {
                return Err(CertificateError::Revoked.into());
            }
        }
        Ok(())
    }

    /// Where the site has the authority asked, and where the certificate of who listens demands it (RFC 7633). `below`: the
    /// authority of the chain that issued the leaf, if no root did.
    fn issuer(
        &self,
        anchor: &TrustAnchor<'_>,
        below: Option<&CertificateDer<'_>>,
        leaf: &CertificateDer<'_>,
        usage: Usage,
    ) -> Option<Issuer> {
        let is = |known: &TrustAnchor<'_>| {
            (&known.subject, &known.subject_public_key_info) == (&anchor.subject, &anchor.subject_public_key_info)
        };
        let meant = || self.anchors.iter().zip(&self.asked).filter(|(known, _)| is(known)).map(|(_, asked)| asked);
        let demanded = || matches!(usage, Usage::Listens) && ocsp::asked_of(leaf).must_staple;
        let policy = meant().find_map(|(_, policy)| policy.clone()).or_else(|| demanded().then(Arc::default))?;
        // A certificate that is trusted itself has nobody above it to ask.
        let issuer = below.or_else(|| meant().map(|(root, _)| root).next()).filter(|issuer| *issuer != leaf)?;
        Some(Issuer { certificate: issuer.to_vec(), policy })
    }

    /// Whoever trusts a certificate that a peer signed itself trusts nobody else whom its key may sign: webpki asks a root
    /// for its name and key, and not whether it is an authority (RFC 5280 §4.2.1.9, §4.2.1.3).
    fn may_vouch(&self, anchor: &TrustAnchor<'_>, leaf: &CertificateDer<'_>) -> bool {
        let is = |known: &TrustAnchor<'_>| {
            (&known.subject, &known.subject_public_key_info) == (&anchor.subject, &anchor.subject_public_key_info)
        };
        let mut meant = self.anchors.iter().zip(&self.alone).filter(|(known, _)| is(known));
        meant.any(|(_, alone)| alone.as_ref().is_none_or(|own| own.as_ref() == leaf.as_ref()))
    }

    /// Whether some certificate of the chain says that it was signed with a key that is neither there nor trusted.
    fn is_foreign(&self, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> bool {
        let chain: Vec<KeyIds> = std::iter::once(leaf).chain(intermediates).map(|der| key_ids(der)).collect();
        let known = |id: &Vec<u8>| self.key_ids.contains(id) || chain.iter().any(|ids| ids.own.as_ref() == Some(id));
        chain.iter().filter_map(|ids| ids.issuer.as_ref()).any(|id| !known(id))
    }
}

/// By its own word. One of old without these extensions may be an authority.
fn is_no_authority(der: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    let constraints = certificate.basic_constraints().ok().flatten();
    let usage = certificate.key_usage().ok().flatten();
    constraints.is_some_and(|it| !it.value.ca) || usage.is_some_and(|it| !it.value.key_cert_sign())
}

/// The lists beside an authority's roots: of each issuer the newest, and signed by the root whose name it bears.
fn lists_of(pem: &str, roots: &[CertificateDer<'static>]) -> Result<Vec<RevocationList>, Error> {
    let mut newest: Vec<RevocationList> = Vec::new();
    for list in RevocationList::in_pem(pem.as_bytes())? {
        let facts = list.facts();
        let namesakes: Vec<_> = roots
            .iter()
            .filter(|root| CertificateFacts::from_der(root).is_ok_and(|root| root.subject == facts.issuer))
            .collect();
        // One of an authority below the root is verified with the chain that has that authority's certificate.
        if !namesakes.is_empty() && !namesakes.iter().any(|root| list.is_signed_by(root)) {
            return Err(Error::Certificate(format!(
                "the revocation list of `{}` is not signed by that authority: fetch it again from where the authority publishes it",
                facts.issuer
            )));
        }
        match newest.iter_mut().find(|other| other.facts().issuer == facts.issuer) {
            Some(other) if (other.facts().number, other.facts().made) >= (facts.number, facts.made) => {}
            Some(other) => *other = list,
            None => newest.push(list),
        }
    }
    Ok(newest)
}

/// The subjects of the roots in this text about which no list beside them says anything and OCSP is not asked: whom these have revoked is let in.
///
/// # Errors
/// A root or a list cannot be read.
pub fn roots_without_list(pem: &str) -> Result<Vec<String>, Error> {
    if Policy::in_pem(pem)?.is_some() {
        return Ok(Vec::new());
    }
    let lists = RevocationList::in_pem(pem.as_bytes())?;
    let mut without = Vec::new();
    for root in certificates(pem)? {
        let subject = CertificateFacts::from_der(&root)?.subject;
        if !lists.iter().any(|list| list.facts().issuer == subject) {
            without.push(subject);
        }
    }
    Ok(without)
}

/// RFC 5280 §4.2.1.1 and §4.2.1.2.
#[derive(Default)]
pub(crate) struct KeyIds {
    pub(crate) own: Option<Vec<u8>>,
    issuer: Option<Vec<u8>>,
}

pub(crate) fn key_ids(der: &[u8]) -> KeyIds {
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
        E::CrlExpired { time, next_update } => CertificateError::ExpiredRevocationListContext { time, next_update },
        E::UnknownRevocationStatus
        | E::InvalidCrlSignatureForPublicKey
        | E::IssuerNotCrlSigner
        | E::UnsupportedCrlSignatureAlgorithmContext(_)
        | E::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => CertificateError::UnknownRevocationStatus,
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
