//! The listening side: our certificate shown, the caller's asked for and verified.

use std::sync::Arc;

use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::sign::SingleCertAndKey;
use rustls::{DistinguishedName, ServerConfig};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::chain::{Roots, Usage};
use super::{ClientCertificate, Versions, provider, settings, signatures, versions};
use crate::{Error, Identity, words};

/// Sessions that a listener remembers, so that a peer that comes back costs half a handshake.
const SESSIONS: usize = 4096;
/// A peer keeps one connection, and needs one ticket to come back (TLS 1.3, RFC 8446 §4.6.1).
const TICKETS: usize = 1;

/// For listeners. `Required`: no certificate, no connection. A chain that fails is a TLS alert of the right kind. Callers
/// may take up sessions of before, and no verifier is asked about them then: look at each with
/// [`crate::Authorities::overdue`], or listen with [`server_unresumed`].
pub fn server(
    identity: &Identity,
    roots_pem: &[String],
    on: Versions,
    client: ClientCertificate,
) -> Result<Arc<ServerConfig>, Error> {
    let roots = Roots::from_pem(roots_pem)?;
    let callers = Callers { hints: roots.hints(), roots, mandatory: client == ClientCertificate::Required };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(on)?)
        .map_err(settings)?
        .with_client_cert_verifier(Arc::new(callers))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    config.send_tls13_tickets = TICKETS;
    Ok(Arc::new(config))
}

/// As [`server`], for listeners that few come to: each connection is a full handshake, so each caller is judged.
pub fn server_unresumed(
    identity: &Identity,
    roots_pem: &[String],
    on: Versions,
    client: ClientCertificate,
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = Arc::unwrap_or_clone(server(identity, roots_pem, on, client)?);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// For services that phones come to before they have a certificate (CAPF, TVS, configuration): none is asked for, so
/// nobody is verified here. What the service does for a caller must rest on something else.
pub fn server_anonymous(identity: &Identity, on: Versions) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(on)?)
        .map_err(settings)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    config.send_tls13_tickets = TICKETS;
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Callers {
    roots: Roots,
    hints: Vec<DistinguishedName>,
    mandatory: bool,
}

impl ClientCertVerifier for Callers {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        match self.roots.verify(end_entity, intermediates, now, Usage::Dials) {
            Ok(()) => Ok(ClientCertVerified::assertion()),
            Err(error) => Err(words::note(error, end_entity, &self.roots)),
        }
    }

    signatures!();
}
