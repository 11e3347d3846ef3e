//! Certificates of the phone services: self-signed ones (phones trust certificates, not chains), and those that CAPF
//! issues to phones for keys that the phones made (LSC).

use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, PublicKeyData, SanType,
    SubjectPublicKeyInfo,
};

use crate::ca::{distinguished_name, generate, serial};
use crate::{Ca, Error, Identity, KeyKind, Request};
use zeroize::Zeroizing;

/// id-kp-ipsecEndSystem: phones use their LSC for VPN too.
const IPSEC_END_SYSTEM: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 5];

/// What to put into a phone's certificate.
#[derive(Clone, Debug)]
pub struct LscRequest {
    /// Such as `SEP001122334455`: the CN, and a URI among the alternative names.
    pub device: String,
    /// The phone's public key: DER SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
}

/// A new key and a certificate that it signs itself, in `organisation`. An authority's may sign others'.
pub fn self_signed(organisation: &str, request: &Request, is_authority: bool) -> Result<Identity, Error> {
    let bad = |error: rcgen::Error| {
        Error::Certificate(format!("the certificate of {} cannot be made: {error}", request.common_name))
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = distinguished_name(organisation, &request.common_name);
    for name in &request.dns_names {
        params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().map_err(bad)?));
    }
    params.subject_alt_names.extend(request.ip_addresses.iter().map(|address| SanType::IpAddress(*address)));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.is_ca = IsCa::ExplicitNoCa;
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = request.not_before.into();
    params.not_after = request.not_after.into();
    params.serial_number = Some(serial()?);
    let key = generate(request.key)?;
    let certificate = params.self_signed(&key).map_err(bad)?;
    Identity::from_pem(&certificate.pem(), &key.serialize_pem())
}

/// A new key: PEM (PKCS #8), and its public half as a DER SubjectPublicKeyInfo.
pub fn generate_key(kind: KeyKind) -> Result<(Zeroizing<String>, Vec<u8>), Error> {
    let key = generate(kind)?;
    Ok((Zeroizing::new(key.serialize_pem()), key.subject_public_key_info()))
}

/// A DER certificate as PEM.
pub fn certificate_pem(der: &[u8]) -> String {
    crate::identity::to_pem("CERTIFICATE", der)
}

impl Ca {
    /// A phone's certificate (DER), for the key that the phone made.
    ///
    /// # Errors
    /// The key is of a kind that no certificate of ours holds, or the CA cannot sign.
    pub fn issue_lsc(&self, request: &LscRequest) -> Result<Vec<u8>, Error> {
        let bad = |error: rcgen::Error| Error::Certificate(format!("no certificate for {}: {error}", request.device));
        let key = SubjectPublicKeyInfo::from_der(&request.spki).map_err(bad)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name(&self.organisation, &request.device);
        params.subject_alt_names = vec![SanType::URI(request.device.as_str().try_into().map_err(bad)?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::Other(IPSEC_END_SYSTEM.to_vec()),
        ];
        params.use_authority_key_identifier_extension = true;
        params.not_before = request.not_before.into();
        params.not_after = request.not_after.into();
        params.serial_number = Some(serial()?);
        params.signed_by(&key, &self.issuer).map(|certificate| certificate.der().to_vec()).map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_pki::{now, request_with};
    use crate::{CertificateFacts, verify_chain};
    use std::time::Duration;

    #[test]
    fn an_lsc_chains_to_the_authority_that_issued_it() {
        for kind in [KeyKind::Rsa2048, KeyKind::P256] {
            let identity = self_signed("lab", &request_with("capf", KeyKind::Rsa2048), true).unwrap();
            let ca = Ca::from_pem(&identity.chain_pem(), &identity.key_pem()).unwrap();
            let spki = generate(kind).unwrap().subject_public_key_info();
            let (device, hour) = ("SEP001122334455", Duration::from_secs(3600));
            let request = LscRequest { device: device.into(), spki, not_before: now() - hour, not_after: now() + hour };
            let der = ca.issue_lsc(&request).unwrap();
            let facts = CertificateFacts::from_der(&der).unwrap();
            assert!(facts.is_named(device) && facts.uris == [device], "{facts:?}");
            let roots = identity.chain_der();
            assert!(verify_chain(std::slice::from_ref(&der), &roots, now()).is_ok());
            assert_eq!(verify_chain(&[der], &roots, now() + 2 * hour).unwrap_err().cause, "expired");
        }
    }

    /// A certificate that was exchanged vouches for itself, and for nobody whom its key signs.
    #[test]
    fn what_a_peer_signed_itself_is_no_authority() {
        let identity = self_signed("lab", &request_with("cucm1", KeyKind::P256), false).unwrap();
        let chain = identity.chain_der();
        assert!(verify_chain(&chain, &chain, now()).is_ok());
        // What whoever has its key could do.
        let mut ca = Ca::create("lab", now()).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = distinguished_name("lab", "cucm1.lab.example");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        ca.issuer = rcgen::Issuer::new(
            params,
            crate::ca_key::CaKey::Here(rcgen::KeyPair::from_pem(&identity.key_pem()).unwrap()),
        );
        let spki = generate(KeyKind::P256).unwrap().subject_public_key_info();
        let hour = Duration::from_secs(3600);
        let request = LscRequest { device: "vvb1".into(), spki, not_before: now() - hour, not_after: now() + hour };
        let der = ca.issue_lsc(&request).unwrap();
        let refused = verify_chain(&[der], &chain, now()).unwrap_err();
        assert_eq!(refused.cause, "unknown_ca", "{refused}");
    }

    #[test]
    fn what_is_no_key_gets_no_certificate() {
        let identity = self_signed("lab", &request_with("capf", KeyKind::Rsa2048), true).unwrap();
        let ca = Ca::from_pem(&identity.chain_pem(), &identity.key_pem()).unwrap();
        let request = LscRequest { device: "SEP1".into(), spki: vec![0x30, 0], not_before: now(), not_after: now() };
        assert!(ca.issue_lsc(&request).is_err());
    }
}
