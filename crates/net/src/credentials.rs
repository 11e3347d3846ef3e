//! What a node shows and whom it believes, as it is now. The data directory says so when the node starts and each time it
//! is read again; who signs or shakes hands asks here at that moment, so what changes counts from the next one on.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use trust::tls::Versions;
use trust::{Authorities, Identity, Refusal};

use crate::NodeHandle;
use crate::web;
use crate::wire::tls::Settings;

/// A node's, for all threads that need them.
pub(crate) struct Credentials {
    now: RwLock<Arc<Held>>,
    /// How often they have changed.
    changes: watch::Sender<u64>,
}

/// As they are at one moment.
pub(crate) struct Held {
    pub(crate) settings: Settings,
    /// Whom it believes about page servers.
    pub(crate) pages: Arc<web::Trust>,
}

impl Held {
    fn new(settings: Settings) -> Arc<Held> {
        let pages = Arc::new(web::Trust { roots: settings.roots.clone(), versions: settings.versions });
        Arc::new(Held { settings, pages })
    }

    /// The site's own root with its list, and no other: the only one that vouches for administrators.
    pub(crate) fn own(&self) -> Vec<String> {
        self.settings.roots.iter().take(1).map(|(_, pem)| pem.clone()).collect()
    }
}

impl Credentials {
    pub(crate) fn new(settings: Settings) -> Arc<Credentials> {
        let now = RwLock::new(Held::new(settings));
        Arc::new(Credentials { now, changes: watch::Sender::new(0) })
    }

    pub(crate) fn now(&self) -> Arc<Held> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn replace(&self, settings: Settings) {
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Held::new(settings);
        self.changes.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What is wrong today with the chain of a caller whom the site's own authority vouched for.
    pub(crate) fn withdrawn(&self, chain: &[CertificateDer<'_>]) -> Option<Refusal> {
        let own = self.now().settings.roots.iter().take(1).cloned().collect::<Vec<_>>();
        // They made the settings that are in force, so they can be read.
        Authorities::new(&own).ok()?.withdrawn_from_caller(chain, UnixTime::now())
    }
}

/// How a listener's settings are made of a node's identity, the site's own root, and what the node speaks.
type Make = fn(&Identity, &[String], Versions) -> Result<Arc<ServerConfig>, trust::Error>;

/// TLS of a listener beside a node's SIP, such as the control link: always with the identity and the lists of today.
pub struct LiveTls {
    node: NodeHandle,
    make: Make,
    changes: watch::Receiver<u64>,
    acceptor: TlsAcceptor,
}

impl LiveTls {
    /// # Errors
    /// The node has no identity, or it makes no settings.
    pub fn new(node: &NodeHandle, make: Make) -> anyhow::Result<LiveTls> {
        let changes = node.credentials_changes();
        let changes = changes.ok_or_else(|| anyhow::anyhow!("node {} has no identity", node.name()))?;
        let acceptor = LiveTls::build(node, make)?;
        Ok(LiveTls { node: node.clone(), make, changes, acceptor })
    }

    fn build(node: &NodeHandle, make: Make) -> anyhow::Result<TlsAcceptor> {
        let held = node.facts.credentials.as_ref().map(|credentials| credentials.now());
        let held = held.ok_or_else(|| anyhow::anyhow!("node {} has no identity", node.name()))?;
        let settings = &held.settings;
        Ok(TlsAcceptor::from(make(&settings.identity, &held.own(), settings.versions)?))
    }

    /// For a connection that comes now.
    pub fn acceptor(&mut self) -> TlsAcceptor {
        // The sender lives as long as the node's handle, which is here.
        if self.changes.has_changed().unwrap_or(false) {
            self.changes.borrow_and_update();
            match LiveTls::build(&self.node, self.make) {
                Ok(new) => self.acceptor = new,
                Err(error) => {
                    tracing::error!(node = self.node.name(), error = %format!("{error:#}"), "a listener keeps the certificate that it had")
                }
            }
        }
        self.acceptor.clone()
    }
}
