//! The dialling side of a phone: the server must show one certificate of a list that the phone trusts, octet for octet.
//! Trust lists hold certificates, not authorities, and some of them (CAPF's) are authorities themselves, which no
//! verification of chains lets stand as an end entity.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, ClientConfig, ConfigBuilder};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Versions, Witness, provider, settings, signatures, versions};
use crate::facts::remembered;
use crate::{Error, Identity};

/// For connections to a server that must show one of `pinned` (DER), within its dates. `identity` is shown when asked for.
pub fn client_pinned(
    identity: Option<&Identity>,
    pinned: &[Vec<u8>],
    on: Versions,
) -> Result<Arc<ClientConfig>, Error> {
    let builder = verifying(pinned, on)?;
    Ok(Arc::new(match identity {
        Some(identity) => builder.with_client_cert_resolver(Witness::showing(identity).1),
        None => builder.with_no_client_auth(),
    }))
}

/// As [`client_pinned`], with a witness of whether the server asked for our certificate.
pub fn client_pinned_witnessed(
    identity: Option<&Identity>,
    pinned: &[Vec<u8>],
    on: Versions,
) -> Result<(Arc<ClientConfig>, Witness), Error> {
    let Some(identity) = identity else { return Ok((client_pinned(None, pinned, on)?, Witness::of_nothing())) };
    let (witness, shown) = Witness::showing(identity);
    Ok((Arc::new(verifying(pinned, on)?.with_client_cert_resolver(shown)), witness))
}

fn verifying(pinned: &[Vec<u8>], on: Versions) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    if pinned.is_empty() {
        return Err(Error::Certificate(
            "no certificate is expected of the server, so nobody could be verified: name a trust list or a certificate"
                .into(),
        ));
    }
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(on)?)
        .map_err(settings)?
        .dangerous() // rustls's word for a verifier of one's own; this one takes fewer certificates than its own
        .with_custom_certificate_verifier(Arc::new(Pinned { certificates: pinned.to_vec() })))
}

#[derive(Debug)]
struct Pinned {
    certificates: Vec<Vec<u8>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.certificates.iter().any(|pinned| pinned.as_slice() == end_entity.as_ref()) {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let facts = remembered(end_entity).map_err(|_| rustls::Error::from(CertificateError::BadEncoding))?;
        // Seconds since 1970 fit an i64 for longer than certificates last.
        match now.as_secs() as i64 {
            now if now < facts.not_before => Err(CertificateError::NotValidYet.into()),
            now if now > facts.not_after => Err(CertificateError::Expired.into()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    signatures!();
}
