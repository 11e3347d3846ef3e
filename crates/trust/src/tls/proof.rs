//! What a server shows an authority that asks whether a name is its own (RFC 8737 §3): a certificate that is good for
//! nothing else, because it has an extension that must be understood and that nobody else understands.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, CustomExtension};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{Versions, provider, settings, versions};
use crate::ca::generate;
use crate::{Error, KeyKind};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// For a listener that the authority comes to; `digest` is SHA-256 of the key authorization.
///
/// # Errors
/// The name cannot stand in a certificate.
pub fn server_proving(name: &str, digest: &[u8], now: SystemTime, on: Versions) -> Result<Arc<ServerConfig>, Error> {
    let bad = |error: rcgen::Error| Error::Certificate(format!("no proof for {name} can be made: {error}"));
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(bad)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    params.not_before = (now - DAY).into();
    params.not_after = (now + DAY).into();
    let key = generate(KeyKind::P256)?;
    let certificate = params.self_signed(&key).map_err(bad)?;
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = any_supported_type(&private).map_err(|error| Error::Key(error.to_string()))?;
    // Nobody but an authority takes it for a certificate: whether the key is its own is known here.
    let shown = CertifiedKey::new(vec![certificate.der().clone()], signer);
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(on)?)
        .map_err(settings)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    Ok(Arc::new(config))
}
