//! A call manager's services for phones, with their sockets: CAPF (3804), TVS (2445), TFTP (69), configuration over HTTP
//! (6970), HTTPS (6971) and HTTPS with the phone's certificate (6972). One thread with a runtime for each call manager.

mod authority;
mod clients;
mod files;
mod ledger;
mod rehearsal;
mod renewing;
mod rolling;
mod station;
#[cfg(test)]
mod tests;
mod trust_verification;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use roles::RefusalRecord;
use site::{Node, Site};
use store::DataDir;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use trust::Refusal;
use trust::tls::ClientCertificate;

pub use clients::{Enrolled, ask_tvs, enrol};
pub use rehearsal::Rehearsed;
pub use renewing::RecoveryRenewed;
pub use rolling::{RollOrder, Rolls};
pub use station::{Asker, NoFile, Station};

/// A peer that has not finished its handshake by now is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections of one listener at once; more wait in the kernel's backlog.
const CONNECTIONS: usize = 2_048;
/// Refusals remembered.
const REFUSALS: usize = 256;

/// The services of one call manager, running.
pub struct PhoneServices {
    thread: JoinHandle<()>,
    stop: watch::Sender<bool>,
    shared: Arc<Shared>,
    board: Board,
    local: Vec<(&'static str, SocketAddr)>,
}

/// What a node's handle knows of its services for phones, whether they run or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    pub(crate) refusals: Refusals,
    serving: Arc<Mutex<Option<Serving>>>,
}

/// Services for phones that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serving {
    /// Milliseconds since 1970.
    pub started_ms: u64,
    /// What listens where: `CAPF`, `TVS`, `TFTP`, `HTTP`, …
    pub local: Vec<(&'static str, SocketAddr)>,
}

impl Board {
    pub(crate) fn serving(&self) -> Option<Serving> {
        self.serving.lock().map(|serving| serving.clone()).unwrap_or_default()
    }

    fn set(&self, serving: Option<Serving>) {
        // Poisoned only by a panic between these lines, which none of them has.
        if let Ok(mut held) = self.serving.lock() {
            *held = serving;
        }
    }
}

/// What every listener's tasks know.
pub(crate) struct Shared {
    node: String,
    station: Station,
    keys: store::PhoneKeys,
    book: ledger::Book,
    rolling: rolling::Rolling,
    refusals: Refusals,
}

/// Who was turned away, oldest first (bounded).
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals(Arc<Mutex<Vec<RefusalRecord>>>);

impl Refusals {
    pub(crate) fn list(&self) -> Vec<RefusalRecord> {
        self.0.lock().map(|refusals| refusals.clone()).unwrap_or_default()
    }

    pub(crate) fn add(&self, record: RefusalRecord) {
        // Poisoned only by a panic between these lines, which none of them has.
        if let Ok(mut refusals) = self.0.lock() {
            if refusals.len() >= REFUSALS {
                refusals.remove(0);
            }
            refusals.push(record);
        }
    }
}

impl Shared {
    /// Into the log and the list that `show refusals` prints.
    fn refuse(&self, remote: SocketAddr, service: &str, answered: &str, expected: &str, words: &str) {
        tracing::warn!(node = self.node, %remote, service, reason = words, "a phone was refused");
        let refusal = Refusal {
            cause: "phone_services".into(),
            rule: service.to_owned(),
            expected: expected.to_owned(),
            presented: words.to_owned(),
            remedy: "correct the phone, or its row in `phone_services` of the site".into(),
        };
        self.list(remote, answered, refusal);
    }

    fn list(&self, remote: SocketAddr, answered: &str, refusal: Refusal) {
        let at_ms = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64);
        let record = RefusalRecord {
            at_ms,
            node: self.node.clone(),
            remote: Some(remote),
            transport: None,
            answered: answered.to_owned(),
            refusal,
        };
        self.refusals.add(record);
    }
}

impl PhoneServices {
    /// Starts those of `node`; `None` for a node that has none. When it returns, every listener is open.
    ///
    /// # Errors
    /// A port cannot be bound, or the keys are not there.
    pub(crate) fn start(
        dir: &DataDir,
        site: &Site,
        node: &Node,
        board: Board,
    ) -> anyhow::Result<Option<PhoneServices>> {
        Rolls::of(dir, site, node).settle()?;
        let Some(station) = Station::open(dir, site, node)? else { return Ok(None) };
        station.refresh(SystemTime::now())?;
        let (keys, refusals) = (dir.phone_keys(&node.name)?, board.refusals.clone());
        let book = ledger::Book::open(dir.store()?, &node.name, station.devices())?;
        let rolling = rolling::Rolling::open(Rolls::of(dir, site, node), &station, SystemTime::now())?;
        let shared = Arc::new(Shared { node: node.name.clone(), station, keys, book, rolling, refusals });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let identity = dir.identity(&node.name)?;
        let versions = shared.station.versions;
        let settings = shared.station.settings().clone();
        let (stop, stopped) = watch::channel(false);
        let mut local = Vec::new();
        let authority = dir.phones_trust_pem(&node.name)?;
        let anonymous = |identity: &trust::Identity| {
            anyhow::Ok(TlsAcceptor::from(trust::tls::server_anonymous(identity, versions)?))
        };
        let with_client = TlsAcceptor::from(trust::tls::server_unresumed(
            &identity,
            &[authority],
            versions,
            ClientCertificate::Optional,
        )?);
        let plan = [
            ("CAPF", settings.capf_port, Some(anonymous(&shared.keys.capf)?)),
            ("TVS", settings.tvs_port, Some(anonymous(&shared.keys.tvs)?)),
            ("HTTP", settings.http_port, None),
            ("HTTPS", settings.https_port, Some(anonymous(&identity)?)),
            ("HTTPS with certificate", settings.https_client_port, Some(with_client)),
        ];
        runtime.block_on(async {
            let capf = authority::start(shared.clone(), dir.store()?, stopped.clone())?;
            for (service, port, tls) in plan {
                if service == "CAPF" && !settings.activate_capf {
                    continue;
                }
                let address = SocketAddr::new(node.address, port);
                let listener = TcpListener::bind(address)
                    .await
                    .with_context(|| format!("{service} for phones: cannot listen on {address}"))?;
                local.push((service, listener.local_addr()?));
                let serve = Serve { service, tls, shared: shared.clone(), capf: capf.clone() };
                tokio::spawn(accept(listener, serve, stopped.clone()));
            }
            let address = SocketAddr::new(node.address, settings.tftp_port);
            let socket = UdpSocket::bind(address)
                .await
                .with_context(|| format!("TFTP for phones: cannot listen on {address}"))?;
            local.push(("TFTP", socket.local_addr()?));
            tokio::spawn(files::tftp(socket, shared.clone(), stopped.clone()));
            tokio::spawn(ledger::keep(shared.clone(), stopped.clone()));
            anyhow::Ok(())
        })?;
        for (service, address) in &local {
            tracing::info!(node = node.name, service, %address, "listening for phones");
        }
        let mut ended = stopped;
        let thread = std::thread::Builder::new().name(format!("phones:{}", node.name)).spawn(move || {
            runtime.block_on(async {
                // An error means that whoever could stop it is gone.
                let _ = ended.wait_for(|stop| *stop).await;
            });
        })?;
        let started_ms = UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis() as u64);
        board.set(Some(Serving { started_ms, local: local.clone() }));
        Ok(Some(PhoneServices { thread, stop, shared, board, local }))
    }

    /// What listens where.
    pub fn local(&self) -> &[(&'static str, SocketAddr)] {
        &self.local
    }

    /// The call manager whose they are.
    pub fn node(&self) -> &str {
        &self.shared.node
    }

    pub fn station(&self) -> &Station {
        &self.shared.station
    }

    /// Closes every listener and connection.
    pub fn stop(self) {
        self.board.set(None);
        let _ = self.stop.send(true);
        let _ = self.thread.join();
        self.shared.book.keep(&self.shared.node);
    }
}

/// What a listener's connections are for.
#[derive(Clone)]
struct Serve {
    service: &'static str,
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    capf: authority::Sender,
}

async fn accept(listener: TcpListener, serve: Serve, mut stopped: watch::Receiver<bool>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed, so a permit always comes.
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(service = serve.service, %error, "accept failed");
                // Out of descriptors, mostly: others must end before another try can go better.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let serve = serve.clone();
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = connection(stream, remote, &serve).await {
                let words = format!("{error:#}");
                serve.shared.refuse(remote, serve.service, "connection closed", "what the protocol says", &words);
            }
        });
    }
}

async fn connection(stream: TcpStream, remote: SocketAddr, serve: &Serve) -> anyhow::Result<()> {
    let Some(tls) = &serve.tls else {
        return files::http(stream, (Asker::Anyone, false), remote, &serve.shared).await;
    };
    let shaken = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await.context("the handshake took too long")?;
    let stream = match shaken {
        Ok(stream) => stream,
        Err(error) => return refused_certificate(error, remote, serve),
    };
    match serve.service {
        "CAPF" => left(authority::serve(stream, remote, &serve.capf).await),
        "TVS" => left(trust_verification::serve(stream, &serve.shared).await),
        _ => {
            let asker = asker(&stream);
            files::http(stream, (asker, true), remote, &serve.shared).await
        }
    }
}

/// A phone's certificate that is not taken is refused in the words of our verifier, which are on this thread.
fn refused_certificate(error: std::io::Error, remote: SocketAddr, serve: &Serve) -> anyhow::Result<()> {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(fault @ rustls::Error::InvalidCertificate(_)) = tls else { return Err(error.into()) };
    let refusal = trust::tls::refusal(fault, &[], None);
    let words = refusal.to_string();
    tracing::warn!(node = serve.shared.node, %remote, service = serve.service, reason = words, "a phone was refused");
    serve.shared.list(remote, "TLS alert", refusal);
    Ok(())
}

/// Phones close when they have what they came for, many without TLS's word for it: nobody was refused.
fn left(outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if is_end(&error) => Ok(()),
        other => other,
    }
}

fn is_end(error: &anyhow::Error) -> bool {
    let kind = error.root_cause().downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    kind == Some(std::io::ErrorKind::UnexpectedEof)
}

/// A certificate was verified against CAPF's own authority, so its name is the device's.
fn asker(stream: &TlsStream<TcpStream>) -> Asker {
    let peer = trust::VerifiedPeer::of(stream.get_ref().1);
    peer.and_then(|peer| peer.certificate().common_name.clone()).map_or(Asker::Anyone, Asker::Device)
}
