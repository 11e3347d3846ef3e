//! The dialling side: the peer must be who we mean; our certificate is shown when it asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WantsClientCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::chain::{Roots, Usage};
use super::status::is_stapled_where_demanded;
use super::{Versions, provider, settings, signatures, versions};
use crate::facts::remembered;
use crate::{Error, Identity, words};

/// For connections to a peer that must be one of `names` (CN or SAN). Without a name nothing could be verified, so none
/// is an error. The server name given to rustls is sent (SNI) and keys resumption; it is not what is verified.
pub fn client(
    identity: &Identity,
    roots_pem: &[String],
    on: Versions,
    names: &[String],
) -> Result<Arc<ClientConfig>, Error> {
    client_witnessed(identity, roots_pem, on, names).map(|(config, _)| config)
}

/// As [`client`], with a witness of whether the peer asks for our certificate: rustls does not tell, and a record must
/// not say "mutual" of a connection where only one side showed itself.
pub fn client_witnessed(
    identity: &Identity,
    roots_pem: &[String],
    on: Versions,
    names: &[String],
) -> Result<(Arc<ClientConfig>, Witness), Error> {
    let (witness, shown) = Witness::showing(identity);
    let config = verifying(roots_pem, on, names)?.with_client_cert_resolver(shown);
    Ok((Arc::new(config), witness))
}

/// As [`client`], for one that shows no certificate: it must prove itself otherwise (phones by digest or token).
pub fn client_without_certificate(
    roots_pem: &[String],
    on: Versions,
    names: &[String],
) -> Result<Arc<ClientConfig>, Error> {
    Ok(Arc::new(verifying(roots_pem, on, names)?.with_no_client_auth()))
}

/// The same with its witness, who never saw a certificate of ours.
pub fn client_without_certificate_witnessed(
    roots_pem: &[String],
    on: Versions,
    names: &[String],
) -> Result<(Arc<ClientConfig>, Witness), Error> {
    Ok((client_without_certificate(roots_pem, on, names)?, Witness::of_nothing()))
}

fn verifying(
    roots_pem: &[String],
    on: Versions,
    names: &[String],
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    if names.is_empty() || names.iter().any(String::is_empty) {
        return Err(Error::Certificate("no certificate name is expected of the peer, so nobody could be verified: write `secure_certificate_subject` (or a member's `host`)".into()));
    }
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(on)?)
        .map_err(settings)?
        .dangerous() // rustls's word for a verifier of one's own; ours is stricter than its own about names
        .with_custom_certificate_verifier(Arc::new(Called {
            roots: Roots::from_pem(roots_pem)?,
            names: names.to_vec(),
        })))
}

/// Whether the peer of a client configuration has asked for our certificate and was shown it.
#[derive(Clone, Debug)]
pub struct Witness(Arc<AtomicBool>);

impl Witness {
    /// Shows this identity when asked, and remembers that it was.
    pub(super) fn showing(identity: &Identity) -> (Witness, Arc<dyn ResolvesClientCert>) {
        let witness = Witness(Arc::new(AtomicBool::new(false)));
        let shown = Shown { key: identity.certified(), witness: witness.clone() };
        (witness, Arc::new(shown))
    }

    /// There is nothing to show.
    pub(super) fn of_nothing() -> Witness {
        Witness(Arc::default())
    }

    pub fn was_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    witness: Witness,
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.witness.0.store(true, Ordering::Relaxed);
        Some(self.key.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Called {
    roots: Roots,
    names: Vec<String>,
}

impl ServerCertVerifier for Called {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        is_stapled_where_demanded(end_entity, stapled)
            .and_then(|()| self.roots.verify_stapled(end_entity, intermediates, stapled, now, Usage::Listens))
            .map_err(|error| words::note(error, end_entity, &self.roots))?;
        let facts = remembered(end_entity).map_err(|_| rustls::Error::from(CertificateError::BadEncoding))?;
        if self.names.iter().any(|name| facts.is_named(name)) {
            return Ok(ServerCertVerified::assertion());
        }
        let error =
            CertificateError::NotValidForNameContext { expected: server_name.to_owned(), presented: facts.names() };
        Err(words::note(error.into(), end_entity, &self.roots))
    }

    signatures!();
}
