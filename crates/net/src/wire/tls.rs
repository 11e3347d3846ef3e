//! A node's TLS settings: one configuration for its listener, one for each peer it dials, all made by `trust`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::{ServerName, UnixTime};
use site::RemoteAddr;
use trust::tls::{ClientCertificate, Versions, Witness};
use trust::{Authorities, Authority, Identity, Peer, Refusal, TlsFacts, VerifiedPeer};

/// What TLS of a node is made from.
#[derive(Clone)]
pub(crate) struct Settings {
    pub identity: Identity,
    /// Identities that are shown to some peers instead, by their address; the first that fits.
    pub trustpoints: Vec<(RemoteAddr, Identity)>,
    /// Root certificates in PEM with what they have revoked, and whose they are; the site's own first.
    pub roots: Vec<(Authority, String)>,
    /// If there are any: whoever is dialled must show one of these certificates (DER), octet for octet, whatever its chain.
    pub pinned: Vec<Vec<u8>>,
    /// How many were found revoked by OCSP so far: with another number, who is connected is judged again.
    pub ocsp_revocations: u64,
    pub versions: Versions,
    pub clients: ClientCertificate,
    /// Listeners that ask nobody for a certificate, whatever `clients` says: a token is the proof there.
    pub doors: Vec<SocketAddr>,
    /// Shows no certificate to whom it dials: a phone that registers by a token.
    pub nameless: bool,
    /// Session keys go to `SSLKEYLOGFILE`. Labs only.
    pub dangerous_keylog: bool,
}

impl Settings {
    /// Whether these would make the same connections.
    pub(crate) fn is(&self, other: &Settings) -> bool {
        let shown = |settings: &Settings| {
            let points = settings.trustpoints.iter().map(|(to, identity)| (Some(*to), identity));
            let all = std::iter::once((None, &settings.identity)).chain(points);
            all.map(|(to, identity)| (to, identity.chain_der(), identity.staple().map(<[u8]>::to_vec)))
                .collect::<Vec<_>>()
        };
        shown(self) == shown(other)
            && self.roots == other.roots
            && (&self.pinned, self.ocsp_revocations) == (&other.pinned, other.ocsp_revocations)
            && (&self.doors, self.nameless) == (&other.doors, other.nameless)
            && (self.versions, self.clients, self.dangerous_keylog)
                == (other.versions, other.clients, other.dangerous_keylog)
    }
}

pub(crate) struct Tls {
    settings: Settings,
    server: Listener,
    /// As [`Settings::trustpoints`].
    servers: Vec<(RemoteAddr, Listener)>,
    authorities: Arc<Authorities>,
    /// By whom the peer must be: sessions are resumed among equals only.
    clients: BTreeMap<(Option<usize>, Whom), (Arc<ClientConfig>, Witness)>,
}

/// An identity's, for those who are asked for a certificate and for those who come to a door.
struct Listener {
    asks: Arc<ServerConfig>,
    door: Arc<ServerConfig>,
}

/// Who a peer must be: one of these names, given by this authority.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Whom {
    pub names: Vec<String>,
    pub authority: Authority,
}

/// A TLS connection and what it takes to say how it is protected.
pub(crate) struct Secured {
    pub connection: rustls::Connection,
    /// Ours, and the authorities that we know, for the record; `None` where nothing is recorded.
    record: Option<(Identity, Arc<Authorities>)>,
    /// Of one that we dialled: whether the peer asked for our certificate.
    witness: Option<Witness>,
}

impl Tls {
    pub(crate) fn new(settings: Settings) -> Result<Tls, trust::Error> {
        let authorities = Arc::new(Authorities::new(&settings.roots)?);
        let roots: Vec<String> = settings.roots.iter().map(|(_, pem)| pem.clone()).collect();
        let loud = |server: Arc<ServerConfig>| {
            if !settings.dangerous_keylog {
                return server;
            }
            let mut loud = ServerConfig::clone(&server);
            loud.key_log = Arc::new(rustls::KeyLogFile::new());
            Arc::new(loud)
        };
        let listener = |identity: &Identity| -> Result<Listener, trust::Error> {
            let asks = loud(trust::tls::server(identity, &roots, settings.versions, settings.clients)?);
            let door = match settings.doors.is_empty() {
                true => asks.clone(),
                false => loud(trust::tls::server_anonymous(identity, settings.versions)?),
            };
            Ok(Listener { asks, door })
        };
        let server = listener(&settings.identity)?;
        let servers =
            settings.trustpoints.iter().map(|(remote, identity)| listener(identity).map(|server| (*remote, server)));
        let servers = servers.collect::<Result<_, trust::Error>>()?;
        Ok(Tls { settings, server, servers, authorities, clients: BTreeMap::new() })
    }

    /// For a connection that came to this listener of ours.
    pub(crate) fn accept(&self, local: SocketAddr, remote: IpAddr) -> Result<Secured, rustls::Error> {
        let point = self.trustpoint(remote);
        let listener = point.and_then(|at| self.servers.get(at)).map_or(&self.server, |(_, listener)| listener);
        let server = if self.settings.doors.contains(&local) { &listener.door } else { &listener.asks };
        let connection = ServerConnection::new(server.clone())?.into();
        Ok(self.secured(connection, point, None))
    }

    /// What is wrong today with a connection's peer that was let in under other settings; nothing with one who was known
    /// by the octets of its certificate.
    pub(crate) fn withdrawn(&self, connection: &rustls::Connection) -> Option<Refusal> {
        let by_octets = matches!(connection, rustls::Connection::Client(_)) && !self.settings.pinned.is_empty();
        if by_octets { None } else { self.authorities.withdrawn(connection, UnixTime::now()) }
    }

    /// What is wrong with a connection's peer whose session of before was taken up again without looking at its chain;
    /// dates may have passed meanwhile, and a list may be due.
    pub(crate) fn overdue(&self, connection: &rustls::Connection) -> Option<Refusal> {
        let by_octets = matches!(connection, rustls::Connection::Client(_)) && !self.settings.pinned.is_empty();
        if by_octets { None } else { self.authorities.overdue(connection, UnixTime::now()) }
    }

    /// Which of the trustpoints is for this address; `None`: the node's own identity is.
    fn trustpoint(&self, remote: IpAddr) -> Option<usize> {
        self.settings.trustpoints.iter().position(|(addresses, _)| addresses.contains(remote))
    }

    fn identity(&self, point: Option<usize>) -> &Identity {
        let point = point.and_then(|at| self.settings.trustpoints.get(at));
        point.map_or(&self.settings.identity, |(_, identity)| identity)
    }

    fn secured(&self, connection: rustls::Connection, point: Option<usize>, witness: Option<Witness>) -> Secured {
        let record = Some((self.identity(point).clone(), self.authorities.clone()));
        Secured { connection, record, witness }
    }

    /// For a peer that must be this one; the words say what is wrong with the settings.
    pub(crate) fn dial(&mut self, whom: &Whom, addr: IpAddr) -> Result<Secured, String> {
        let point = self.trustpoint(addr);
        let key = (point, whom.clone());
        let (config, witness) = match self.clients.get(&key) {
            Some(known) => known.clone(),
            None => {
                let made = self.client(self.identity(point), whom)?;
                self.clients.insert(key, made.clone());
                made
            }
        };
        // The server-name indication; who it really is, the configuration's verifier decides by `names`.
        let dns =
            |name: &String| ServerName::try_from(name.clone()).ok().filter(|n| matches!(n, ServerName::DnsName(_)));
        let name = whom.names.iter().find_map(dns).unwrap_or(ServerName::IpAddress(addr.into()));
        let connection = ClientConnection::new(config, name).map_err(|error| error.to_string())?.into();
        Ok(self.secured(connection, point, Some(witness)))
    }

    fn client(&self, identity: &Identity, whom: &Whom) -> Result<(Arc<ClientConfig>, Witness), String> {
        let Settings { roots, pinned, versions, nameless, dangerous_keylog, .. } = &self.settings;
        if !pinned.is_empty() {
            let shown = (!nameless).then_some(identity);
            return trust::tls::client_pinned_witnessed(shown, pinned, *versions).map_err(|error| error.to_string());
        }
        // The roots of that authority alone: another's word about this peer is none.
        let of_it = roots.iter().filter(|(authority, _)| *authority == whom.authority);
        let roots: Vec<String> = of_it.map(|(_, pem)| pem.clone()).collect();
        if roots.is_empty() {
            return Err(format!(
                "{} is not in roots/, so {} cannot be verified",
                whom.authority,
                whom.names.join(", ")
            ));
        }
        let made = match nameless {
            true => trust::tls::client_without_certificate_witnessed(&roots, *versions, &whom.names),
            false => trust::tls::client_witnessed(identity, &roots, *versions, &whom.names),
        };
        let (mut config, witness) = made.map_err(|error| error.to_string())?;
        if *dangerous_keylog {
            let mut loud = ClientConfig::clone(&config);
            loud.key_log = Arc::new(rustls::KeyLogFile::new());
            config = Arc::new(loud);
        }
        Ok((config, witness))
    }
}

impl Secured {
    /// For a connection whose facts nobody will ask for (the load tool's).
    pub(crate) fn unrecorded(connection: rustls::Connection) -> Secured {
        Secured { connection, record: None, witness: None }
    }

    /// Who is at the other end; ask when the handshake is complete.
    pub(crate) fn peer(&self) -> Peer {
        let Some((identity, authorities)) = &self.record else { return Peer::Anonymous(TlsFacts::default()) };
        let shown = self.witness.as_ref().is_none_or(Witness::was_asked);
        match VerifiedPeer::of(&self.connection) {
            Some(peer) => {
                let peer = peer.under(authorities, &self.connection, UnixTime::now());
                Peer::Verified(peer.showing(identity, shown))
            }
            None => Peer::Anonymous(TlsFacts::of(&self.connection).showing(identity, shown, false)),
        }
    }
}
