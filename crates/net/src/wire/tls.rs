//! A node's TLS settings: one configuration for its listener, one for each peer it dials, all made by `trust`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::ServerName;
use trust::tls::{ClientCertificate, Versions, Witness};
use trust::{Identity, Peer, TlsFacts, VerifiedPeer};

/// What TLS of a node is made from.
#[derive(Clone)]
pub(crate) struct Settings {
    pub identity: Identity,
    pub roots_pem: Vec<String>,
    pub versions: Versions,
    pub clients: ClientCertificate,
    /// Session keys go to `SSLKEYLOGFILE`. Labs only.
    pub dangerous_keylog: bool,
}

pub(crate) struct Tls {
    settings: Settings,
    server: Arc<ServerConfig>,
    /// By the names that the peer must have one of: sessions are resumed among equals only.
    clients: BTreeMap<Vec<String>, (Arc<ClientConfig>, Witness)>,
}

/// A TLS connection and what it takes to say how it is protected.
pub(crate) struct Secured {
    pub connection: rustls::Connection,
    identity: Identity,
    /// Of one that we dialled: whether the peer asked for our certificate.
    witness: Option<Witness>,
}

impl Tls {
    pub(crate) fn new(settings: Settings) -> Result<Tls, trust::Error> {
        let mut server =
            trust::tls::server(&settings.identity, &settings.roots_pem, settings.versions, settings.clients)?;
        if settings.dangerous_keylog {
            let mut loud = ServerConfig::clone(&server);
            loud.key_log = Arc::new(rustls::KeyLogFile::new());
            server = Arc::new(loud);
        }
        Ok(Tls { settings, server, clients: BTreeMap::new() })
    }

    pub(crate) fn accept(&self) -> Result<Secured, rustls::Error> {
        let connection = ServerConnection::new(self.server.clone())?.into();
        Ok(Secured { connection, identity: self.settings.identity.clone(), witness: None })
    }

    /// For a peer that must be one of `names`; the words say what is wrong with the settings.
    pub(crate) fn dial(&mut self, names: &[String], addr: IpAddr) -> Result<Secured, String> {
        let (config, witness) = match self.clients.get(names) {
            Some(known) => known.clone(),
            None => {
                let made = self.client(names)?;
                self.clients.insert(names.to_vec(), made.clone());
                made
            }
        };
        // The server-name indication; who it really is, the configuration's verifier decides by `names`.
        let dns =
            |name: &String| ServerName::try_from(name.clone()).ok().filter(|n| matches!(n, ServerName::DnsName(_)));
        let name = names.iter().find_map(dns).unwrap_or(ServerName::IpAddress(addr.into()));
        let connection = ClientConnection::new(config, name).map_err(|error| error.to_string())?.into();
        Ok(Secured { connection, identity: self.settings.identity.clone(), witness: Some(witness) })
    }

    fn client(&self, names: &[String]) -> Result<(Arc<ClientConfig>, Witness), String> {
        let Settings { identity, roots_pem, versions, dangerous_keylog, .. } = &self.settings;
        let (mut config, witness) =
            trust::tls::client_witnessed(identity, roots_pem, *versions, names).map_err(|error| error.to_string())?;
        if *dangerous_keylog {
            let mut loud = ClientConfig::clone(&config);
            loud.key_log = Arc::new(rustls::KeyLogFile::new());
            config = Arc::new(loud);
        }
        Ok((config, witness))
    }
}

impl Secured {
    /// Who is at the other end; ask when the handshake is complete.
    pub(crate) fn peer(&self) -> Peer {
        let shown = self.witness.as_ref().is_none_or(Witness::was_asked);
        match VerifiedPeer::of(&self.connection) {
            Some(peer) => Peer::Verified(peer.showing(&self.identity, shown)),
            None => Peer::Anonymous(TlsFacts::of(&self.connection).showing(&self.identity, shown, false)),
        }
    }
}
