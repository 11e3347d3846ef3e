//! Papers: real certificates of one authority, and real TLS handshakes in memory, made once for each pair.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::ServerName;
use trust::tls::{ClientCertificate, Versions};
use trust::{Ca, Identity, KeyKind, Peer, Refusal, Request, TlsFacts, VerifiedPeer};

const DAY: Duration = Duration::from_secs(86_400);

/// What somebody can show.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Papers {
    /// A good certificate of the lab's authority for this name.
    Named {
        host: String,
        node: bool,
    },
    /// One of an authority that nobody here knows.
    Foreign {
        host: String,
    },
    /// One that ended in 1971.
    Expired {
        host: String,
    },
    None,
}

impl Papers {
    pub fn node(host: &str) -> Papers {
        Papers::Named { host: host.into(), node: true }
    }

    pub fn phone(host: &str) -> Papers {
        Papers::Named { host: host.into(), node: false }
    }

    fn host(&self) -> &str {
        match self {
            Papers::Named { host, .. } | Papers::Foreign { host } | Papers::Expired { host } => host,
            Papers::None => "nobody",
        }
    }
}

/// Authorities are made once for all tests of a process.
static LAB: LazyLock<(Ca, Ca)> = LazyLock::new(|| {
    let begin = UNIX_EPOCH + DAY;
    (Ca::create("lab", begin).expect("a root"), Ca::create("elsewhere", begin).expect("a root"))
});

thread_local! {
    static IDENTITIES: RefCell<BTreeMap<Papers, Identity>> = const { RefCell::new(BTreeMap::new()) };
    static SHAKEN: RefCell<BTreeMap<(Papers, Papers, bool), Shaken>> = const { RefCell::new(BTreeMap::new()) };
}

/// How a handshake ended: what the client saw and what the server saw.
type Shaken = Result<(Arc<Peer>, Arc<Peer>), Refusal>;

/// The lab's authority, and what handshakes under it come to.
#[derive(Debug)]
pub struct Pki(());

impl Pki {
    pub fn of_the_lab() -> Pki {
        Pki(())
    }

    /// DER of the root.
    pub fn root_der(&self) -> Vec<u8> {
        trust::certificates_der(LAB.0.certificate_pem()).expect("our own").remove(0)
    }

    pub fn identity(&self, papers: &Papers) -> Identity {
        IDENTITIES.with_borrow_mut(|known| known.entry(papers.clone()).or_insert_with(|| issue(papers)).clone())
    }

    pub(super) fn seen_by_client(
        &self,
        client: &Papers,
        server: &Papers,
        names: &[String],
        optional: bool,
    ) -> Result<Arc<Peer>, Refusal> {
        let (near, _) = shaken(self, client, server, optional)?;
        match &*near {
            Peer::Verified(verified) if names.iter().any(|name| verified.certificate().is_named(name)) => Ok(near),
            Peer::Verified(_) | Peer::Anonymous(_) | Peer::Plain => Err(refusal("wrong_subject", server.host())),
        }
    }

    pub(super) fn seen_by_server(
        &self,
        client: &Papers,
        server: &Papers,
        optional: bool,
    ) -> Result<Arc<Peer>, Refusal> {
        shaken(self, client, server, optional).map(|(_, far)| far)
    }
}

fn issue(papers: &Papers) -> Identity {
    let host = papers.host();
    let expired = matches!(papers, Papers::Expired { .. });
    let node = matches!(papers, Papers::Named { node: true, .. });
    let ca = if matches!(papers, Papers::Foreign { .. }) { &LAB.1 } else { &LAB.0 };
    let request = Request {
        common_name: host.into(),
        dns_names: vec![host.into()],
        ip_addresses: Vec::new(),
        node: node.then(|| host.split('.').next().unwrap_or(host).to_owned()),
        uris: Vec::new(),
        key: KeyKind::P256,
        not_before: UNIX_EPOCH + DAY,
        // rustls looks at the real clock: until 2099.
        not_after: UNIX_EPOCH + if expired { 365 * DAY } else { 47_000 * DAY },
    };
    ca.issue(&request).expect("an identity")
}

fn shaken(pki: &Pki, client: &Papers, server: &Papers, optional: bool) -> Shaken {
    let key = (client.clone(), server.clone(), optional);
    if let Some(known) = SHAKEN.with_borrow(|shaken| shaken.get(&key).cloned()) {
        return known;
    }
    let result = shake(pki, client, server, optional);
    SHAKEN.with_borrow_mut(|shaken| shaken.insert(key, result.clone()));
    result
}

/// Two rustls connections in memory.
fn shake(pki: &Pki, client: &Papers, server: &Papers, optional: bool) -> Shaken {
    if *client == Papers::None && !optional {
        return Err(refusal("no_client_certificate", "no certificate"));
    }
    let roots = [LAB.0.certificate_pem().to_owned()];
    let versions = Versions { tls12: true, tls13: true };
    let asks = if optional { ClientCertificate::Optional } else { ClientCertificate::Required };
    let (near_id, far_id) = (pki.identity(client), pki.identity(server));
    let settings = trust::tls::server(&far_id, &roots, versions, asks).expect("server settings");
    let names = [server.host().to_owned()];
    let dialling = match client {
        Papers::None => anonymous(&roots),
        _ => trust::tls::client(&near_id, &roots, versions, &names).expect("client settings"),
    };
    let name = ServerName::try_from(server.host().to_owned()).expect("a host name");
    let mut near = rustls::ClientConnection::new(dialling, name).expect("a connection");
    let mut far = rustls::ServerConnection::new(settings).expect("a connection");
    // In TLS 1.3 the client is done before its certificate is judged.
    for _ in 0..6 {
        let mut bytes = Vec::new();
        while near.wants_write() {
            near.write_tls(&mut bytes).expect("memory");
        }
        far.read_tls(&mut bytes.as_slice()).expect("memory");
        far.process_new_packets().map_err(|error| trust::tls::refusal(&error, &[], None))?;
        let mut bytes = Vec::new();
        while far.wants_write() {
            far.write_tls(&mut bytes).expect("memory");
        }
        near.read_tls(&mut bytes.as_slice()).expect("memory");
        near.process_new_packets().map_err(|error| trust::tls::refusal(&error, &names, None))?;
    }
    let shown = *client != Papers::None;
    let seen = VerifiedPeer::of(&near).expect("a server shows its certificate").under_own().showing(&near_id, shown);
    let caller = match VerifiedPeer::of(&far) {
        Some(verified) => Peer::Verified(verified.under_own().showing(&far_id, true)),
        None => Peer::Anonymous(TlsFacts::of(&far).showing(&far_id, true, false)),
    };
    Ok((Arc::new(Peer::Verified(seen)), Arc::new(caller)))
}

/// A client that shows nothing.
fn anonymous(roots: &[String]) -> Arc<rustls::ClientConfig> {
    let mut store = rustls::RootCertStore::empty();
    for der in roots.iter().flat_map(|pem| trust::certificates_der(pem).expect("our own")) {
        store.add(der.into()).expect("our own root");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Arc::new(config.expect("versions").with_root_certificates(store).with_no_client_auth())
}

fn refusal(cause: &str, presented: &str) -> Refusal {
    Refusal {
        cause: cause.into(),
        rule: "the connection layer verifies whom it talks to".into(),
        expected: "another name".into(),
        presented: presented.into(),
        remedy: "show another certificate".into(),
    }
}
