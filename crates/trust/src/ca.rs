//! The private certificate authority: a root, and certificates for nodes, phones and administrators (RFC 5280).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, RsaKeySize, SanType, SerialNumber,
};
use zeroize::Zeroizing;

use crate::ca_key::CaKey;
use crate::facts::{CertificateFacts, NODE_URI, hex};
use crate::identity::certificates;
use crate::ocsp::authority_information;
use crate::{Error, Identity, RemoteKey};

/// Issues certificates. Private key in memory only while needed, or never.
pub struct Ca {
    certificate_pem: String,
    certificate: CertificateFacts,
    /// `None`: it is elsewhere.
    key_pem: Option<Zeroizing<String>>,
    /// The organisation that every subject carries: the site's name.
    pub(crate) organisation: String,
    /// What the root before says of this one (PEM), or nothing: every chain brings it along.
    above: String,
    pub(crate) issuer: Issuer<'static, CaKey>,
    /// Where the status of its certificates is asked for, as these say.
    responder: Option<String>,
}

/// What to put into a certificate.
#[derive(Clone, Debug)]
pub struct Request {
    pub common_name: String,
    pub dns_names: Vec<String>,
    pub ip_addresses: Vec<IpAddr>,
    /// Adds `urn:ringfence:node:<name>`.
    pub node: Option<String>,
    /// Any other URIs, such as `urn:ringfence:admin:<name>`.
    pub uris: Vec<String>,
    pub key: KeyKind,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    P256,
    P384,
    P521,
    Rsa2048,
    Rsa3072,
    Rsa4096,
}

/// How long a root lives: ten years.
const ROOT_LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);
/// Clocks of a site differ; a certificate is good from an hour before it was made.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);

impl Ca {
    /// A new self-signed root (P-256, 10 years). Two roots of one name differ in the last word of theirs, so that a
    /// refusal "issued by … , trusted is …" can be read.
    pub fn create(name: &str, now: SystemTime) -> Result<Ca, Error> {
        let key = generate(KeyKind::P256)?;
        let key_pem = key.serialize_pem();
        Ca::from_pem(&root(name, now, &CaKey::Here(key))?, &key_pem)
    }

    /// The same by a key that is elsewhere.
    ///
    /// # Errors
    /// It did not sign.
    pub fn create_by(name: &str, now: SystemTime, key: Arc<dyn RemoteKey>) -> Result<Ca, Error> {
        Ca::by(&root(name, now, &CaKey::elsewhere(key.clone()))?, key)
    }

    pub fn from_pem(certificate: &str, key: &str) -> Result<Ca, Error> {
        // An identity checks that certificate and key belong together.
        let facts = Identity::from_pem(certificate, key)?.facts().clone();
        let pair = KeyPair::from_pem(key)
            .map_err(|error| Error::Key(format!("the CA's private key cannot be read: {error}")))?;
        Ca::of(certificate, facts, CaKey::Here(pair), Some(Zeroizing::new(key.to_owned())))
    }

    /// The authority of this certificate, whose key is elsewhere.
    ///
    /// # Errors
    /// The key is not the certificate's.
    pub fn by(certificate: &str, key: Arc<dyn RemoteKey>) -> Result<Ca, Error> {
        let der = certificates(certificate)?;
        let der = der.first().ok_or_else(|| Error::Certificate("the CA has no certificate".into()))?;
        let facts = CertificateFacts::from_der(der)?;
        if crate::facts::public_key(der)? != key.point() {
            return Err(Error::Key(format!("the key does not belong to the certificate of `{}`", facts.subject)));
        }
        Ca::of(certificate, facts, CaKey::elsewhere(key), None)
    }

    fn of(
        certificate: &str,
        facts: CertificateFacts,
        key: CaKey,
        key_pem: Option<Zeroizing<String>>,
    ) -> Result<Ca, Error> {
        let issuer = Issuer::from_ca_cert_pem(certificate, key)
            .map_err(|error| Error::Certificate(format!("the CA's certificate cannot be read: {error}")))?;
        if !issuer.key_usages().contains(&KeyUsagePurpose::KeyCertSign) {
            return Err(Error::Certificate(format!(
                "`{}` is not a certificate authority: its key usage does not allow to sign certificates",
                facts.subject
            )));
        }
        let organisation = facts
            .subject
            .rsplit_once(",O=")
            .map_or(facts.subject.as_str(), |(_, organisation)| organisation)
            .to_owned();
        let (certificate_pem, above) = (certificate.to_owned(), String::new());
        Ok(Ca { certificate_pem, certificate: facts, key_pem, organisation, above, issuer, responder: None })
    }

    /// From now on its certificates say that OCSP answers about them at this address (RFC 5280 §4.2.2.1).
    pub fn answering_at(self, responder: Option<String>) -> Ca {
        Ca { responder, ..self }
    }

    /// Issues under another's name from now on, as a forger would.
    #[cfg(test)]
    pub(crate) fn rename_for_test(&mut self, subject: &str) {
        self.forge(subject, vec![KeyUsagePurpose::KeyCertSign]);
    }

    /// An authority below this one.
    #[cfg(test)]
    pub(crate) fn issue_authority_for_test(&self, name: &str) -> Ca {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(&self.organisation, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = generate(KeyKind::P256).expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Ca::from_pem(&certificate.pem(), &key.serialize_pem()).expect("an authority")
    }

    #[cfg(test)]
    fn forge(&mut self, subject: &str, usages: Vec<KeyUsagePurpose>) {
        let common_name = subject.trim_start_matches("CN=").split(',').next().unwrap_or_default();
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(&self.organisation, common_name);
        params.key_usages = usages;
        // The key pair is read again because an issuer keeps its own.
        let key = self.key_pem().and_then(|key| KeyPair::from_pem(key).ok()).expect("its own key");
        self.issuer = Issuer::new(params, CaKey::Here(key));
    }

    /// The same, who may sign lists as well.
    #[cfg(test)]
    pub(crate) fn rename_for_test_as_signer(&mut self, subject: &str) {
        self.forge(subject, vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign]);
    }

    /// The same, of which a root before it says this (PEM).
    pub fn below(self, above: String) -> Ca {
        Ca { above, ..self }
    }

    /// What the root before says of this one (PEM), or nothing.
    pub fn above(&self) -> &str {
        &self.above
    }

    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub fn facts(&self) -> &CertificateFacts {
        &self.certificate
    }

    /// `None`: it is elsewhere, and never comes out.
    pub fn key_pem(&self) -> Option<&str> {
        self.key_pem.as_ref().map(|key| key.as_str())
    }

    /// A new key and a certificate for it, good for both ends of a TLS connection: every node listens and dials.
    pub fn issue(&self, request: &Request) -> Result<Identity, Error> {
        let both = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        self.issue_with(request, both, Vec::new())
    }

    /// As other authorities may issue: for one end only.
    #[cfg(test)]
    pub(crate) fn issue_for_test(
        &self,
        request: &Request,
        usages: Vec<ExtendedKeyUsagePurpose>,
    ) -> Result<Identity, Error> {
        self.issue_with(request, usages, Vec::new())
    }

    pub(crate) fn issue_with(
        &self,
        request: &Request,
        usages: Vec<ExtendedKeyUsagePurpose>,
        extensions: Vec<CustomExtension>,
    ) -> Result<Identity, Error> {
        let key = generate(request.key)?;
        let certificate = self.sign(request, usages, extensions, &key)?;
        Identity::from_pem(&certificate, &key.serialize_pem())
    }

    /// A chain (PEM) whose first certificate has what `request` has, for the key of a signing request (PKCS #10, PEM). Nothing else of that is
    /// looked at: who asks does not say who he is.
    ///
    /// # Errors
    /// It is no signing request, or its signature is not by its own key.
    pub fn issue_for(&self, signing_request: &str, request: &Request) -> Result<String, Error> {
        let asked = CertificateSigningRequestParams::from_pem(signing_request).map_err(|error| {
            Error::Certificate(format!("this is no signing request in PEM (`ringfence cert csr` makes one): {error}"))
        })?;
        self.sign(
            request,
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            Vec::new(),
            &asked.public_key,
        )
    }

    fn sign(
        &self,
        request: &Request,
        usages: Vec<ExtendedKeyUsagePurpose>,
        extensions: Vec<CustomExtension>,
        key: &impl PublicKeyData,
    ) -> Result<String, Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(&self.organisation, &request.common_name);
        params.subject_alt_names = request.alternative_names()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages;
        params.custom_extensions = extensions;
        if let Some(responder) = &self.responder {
            let content = authority_information(responder);
            params.custom_extensions.push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content));
        }
        params.use_authority_key_identifier_extension = true;
        params.not_before = request.not_before.into();
        params.not_after = request.not_after.into();
        params.serial_number = Some(serial()?);
        let certificate = params.signed_by(key, &self.issuer).map_err(|error| {
            let why = self.issuer.key().words(&error);
            Error::Certificate(format!("the certificate of {} cannot be made: {why}", request.common_name))
        })?;
        Ok(format!("{}{}", certificate.pem(), self.above))
    }
}

/// Of a root, but for its serial number.
pub(crate) fn root_params(organisation: &str, common_name: &str, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(organisation, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + ROOT_LIFE).into();
    params
}

/// The certificate (PEM) of a new root, signed by itself.
fn root(name: &str, now: SystemTime, key: &CaKey) -> Result<String, Error> {
    let mut id = [0u8; 4];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| Error::Key("the operating system gives no random numbers".into()))?;
    let mut params = root_params(name, &format!("{name} root CA {}", hex(&id)), now);
    params.serial_number = Some(serial()?);
    let certificate = params
        .self_signed(key)
        .map_err(|error| Error::Certificate(format!("the root certificate cannot be made: {}", key.words(&error))))?;
    Ok(certificate.pem())
}

impl Request {
    /// Names, addresses and URIs as a certificate has them.
    pub(crate) fn alternative_names(&self) -> Result<Vec<SanType>, Error> {
        let bad = |what: &str, error: rcgen::Error| {
            Error::Certificate(format!("`{what}` cannot stand in a certificate: {error}"))
        };
        let mut names = Vec::new();
        for name in &self.dns_names {
            names.push(SanType::DnsName(name.as_str().try_into().map_err(|error| bad(name, error))?));
        }
        names.extend(self.ip_addresses.iter().map(|address| SanType::IpAddress(*address)));
        for uri in self.node.iter().map(|node| format!("{NODE_URI}{node}")).chain(self.uris.iter().cloned()) {
            names.push(SanType::URI(uri.as_str().try_into().map_err(|error| bad(&uri, error))?));
        }
        Ok(names)
    }
}

pub(crate) fn distinguished_name(organisation: &str, common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, organisation);
    name.push(DnType::CommonName, common_name);
    name
}

/// RFC 5280 §4.1.2.2: positive, at most 20 octets; random, so that nobody can foresee what is signed.
pub(crate) fn serial() -> Result<SerialNumber, Error> {
    let mut octets = [0u8; 16];
    aws_lc_rs::rand::fill(&mut octets)
        .map_err(|_| Error::Key("the operating system gives no random numbers".into()))?;
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&octets))
}

pub(crate) fn generate(kind: KeyKind) -> Result<KeyPair, Error> {
    match kind {
        KeyKind::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyKind::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyKind::P521 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA512),
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyKind::Rsa3072 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072),
        KeyKind::Rsa4096 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_4096),
    }
    .map_err(|error| Error::Key(format!("no {kind:?} key can be made: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_pki::{ca, now, request};

    #[test]
    fn a_root_survives_its_pem() {
        let root = ca("lab");
        let again = Ca::from_pem(root.certificate_pem(), root.key_pem().unwrap()).unwrap();
        let identity = again.issue(&request("vvb1")).unwrap();
        assert_eq!(identity.facts().issuer, root.facts().subject);
        assert_eq!(identity.facts().subject, "CN=vvb1.lab.example,O=lab");
        assert_ne!(ca("lab").facts().subject, root.facts().subject, "two roots of one name can be told apart");
    }

    #[test]
    fn a_leaf_is_no_authority_and_keys_must_fit() {
        let root = ca("lab");
        let leaf = root.issue(&request("vvb1")).unwrap();
        let error = Ca::from_pem(&leaf.chain_pem(), &leaf.key_pem()).err().unwrap().to_string();
        assert!(error.contains("is not a certificate authority"), "{error}");
        let other = Ca::create("lab", now()).unwrap();
        let error = Ca::from_pem(root.certificate_pem(), other.key_pem().unwrap()).err().unwrap().to_string();
        assert!(error.contains("does not belong"), "{error}");
    }

    #[test]
    fn a_signing_request_gives_its_key_and_nothing_else() {
        let root = ca("lab");
        let (key, _) = crate::generate_key(KeyKind::P384).unwrap();
        let sly = Request { uris: vec!["urn:ringfence:admin:me".into()], ..request("cube1") };
        let csr = crate::signing_request("lab", &sly, &key).unwrap();
        let chain = root.issue_for(&csr, &request("vvb1")).unwrap();
        let identity = Identity::from_pem(&chain, &key).unwrap();
        assert_eq!(identity.facts().names(), root.issue(&request("vvb1")).unwrap().facts().names());
        assert!(root.issue_for(root.certificate_pem(), &request("vvb1")).is_err());
    }

    #[test]
    fn administrators_have_their_own_uri() {
        let identity = ca("lab")
            .issue(&Request { node: None, uris: vec!["urn:ringfence:admin:root".into()], ..request("admin") })
            .unwrap();
        assert_eq!(identity.facts().node(), None);
        assert!(identity.facts().is_named("urn:ringfence:admin:root"));
    }
}
