//! SSH (RFC 4251 to 4254) around a console: who may connect, for how long, and with which algorithms. Beyond the console
//! there is nothing: no shell of the system, no forwarding, no subsystem.

mod handler;
mod terminal;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use admin::link::{Place, Strangers};
use anyhow::Context;
use net::NodeHandle;
use roles::RefusalRecord;
use russh::keys::{Algorithm, EcdsaCurve};
use russh::server::Config;
use russh::{MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex, mac};
use store::DataDir;
use store::accounts::{Accounts, Door};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use trust::Refusal;

use crate::hands::Hands;
use handler::Visitor;

/// From the first octet to a log-in that is good.
const LOG_IN: Duration = Duration::from_secs(60);
/// Administrators at one console.
const SESSIONS: usize = 16;
/// Log-ins that are looked at at once; others wait.
const LOG_INS: usize = 16;
/// Tries of one connection; a client with several keys offers each.
const TRIES: usize = 8;
/// As the audit log names this interface.
const DOOR: &str = "console";

/// A console that runs; it does until the runtime ends.
#[derive(Clone, Debug)]
pub struct Console {
    pub address: SocketAddr,
    /// Of its host key: `SHA256:…`
    pub fingerprint: String,
}

/// What all connections share.
struct Shared {
    node: NodeHandle,
    role: String,
    hands: Hands,
    accounts: Arc<Accounts>,
    log_ins: Semaphore,
    /// Sessions at work.
    room: Arc<Semaphore>,
}

/// Binds the address and serves the console of this node.
///
/// # Errors
/// The address cannot be bound, the host key cannot be read or made.
pub async fn serve(
    node: NodeHandle,
    role: &str,
    address: SocketAddr,
    dir: &DataDir,
    accounts: Arc<Accounts>,
) -> anyhow::Result<Console> {
    let name = node.name().to_owned();
    let key = crate::keys::host_key(dir, &name)?;
    let fingerprint = crate::keys::fingerprint(key.public_key());
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("console of {name}: cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    tracing::info!(node = name, %address, fingerprint, "console");
    let shared = Shared {
        hands: Hands::new(node.clone(), dir.clone()),
        node,
        role: role.to_owned(),
        accounts,
        log_ins: Semaphore::new(LOG_INS),
        room: Arc::new(Semaphore::new(SESSIONS)),
    };
    tokio::spawn(accept(listener, Arc::new(config(key)), Arc::new(shared)));
    Ok(Console { address, fingerprint })
}

/// Key exchanges of RFC 8731 and its successor with ML-KEM, authenticated ciphers, and nothing older.
fn config(key: russh::keys::PrivateKey) -> Config {
    const KEX: &[kex::Name] = &[
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ];
    const KEYS: &[Algorithm] = &[
        Algorithm::Ed25519,
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    ];
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-Ringfence")),
        methods: MethodSet::from(&[MethodKind::PublicKey, MethodKind::Password][..]),
        auth_rejection_time: Duration::from_millis(300),
        // Clients ask so first what there is.
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key],
        max_auth_attempts: TRIES,
        // A terminal that nobody types at ends sooner (`terminal`); this ends what does not even answer.
        inactivity_timeout: Some(terminal::IDLE + LOG_IN),
        keepalive_interval: None,
        window_size: 64 * 1024,
        nodelay: true,
        preferred: Preferred {
            kex: Cow::Borrowed(KEX),
            key: Cow::Borrowed(KEYS),
            cipher: Cow::Borrowed(&[cipher::CHACHA20_POLY1305, cipher::AES_256_GCM, cipher::AES_128_GCM]),
            // Only for show: these ciphers bring their own.
            mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM]),
            compression: Cow::Borrowed(&[compression::NONE]),
            ..Preferred::DEFAULT
        },
        ..Config::default()
    }
}

async fn accept(listener: TcpListener, config: Arc<Config>, shared: Arc<Shared>) {
    let strangers = Strangers::default();
    loop {
        let (stream, remote, place) = strangers.accept(&listener, DOOR).await;
        let (config, shared) = (config.clone(), shared.clone());
        tokio::spawn(async move {
            let visit = Arc::new(Visit::default());
            let ended = connection(stream, remote, place, config, &shared, &visit).await;
            let why = ended.err().map_or_else(|| "it went away".to_owned(), |error| format!("{error:#}"));
            if !visit.was_let_in() {
                let words = match visit.offered.load(Ordering::Relaxed) {
                    true => "keys that are nobody's here".to_owned(),
                    false => format!("no log-in: {why}"),
                };
                shared.refuse(remote, "console_log_in", &words, "connection closed");
            }
            tracing::debug!(node = shared.node.name(), %remote, why, "console: connection ended");
        });
    }
}

/// What is known of a connection while it lasts.
#[derive(Default)]
struct Visit {
    let_in: watch::Sender<bool>,
    /// A key was offered that nobody has.
    offered: AtomicBool,
}

impl Visit {
    fn was_let_in(&self) -> bool {
        *self.let_in.borrow()
    }
}

async fn connection(
    stream: TcpStream,
    remote: SocketAddr,
    mut place: Place,
    config: Arc<Config>,
    shared: &Arc<Shared>,
    visit: &Arc<Visit>,
) -> anyhow::Result<()> {
    // SSH's own task may be waiting in a write or in a half-done handshake: what ends it in any case is the socket.
    let stream = stream.into_std()?;
    let cut = Cut(stream.try_clone()?);
    let visitor = Visitor::new(shared.clone(), remote, visit.clone());
    let mut let_in = visit.let_in.subscribe();
    let logging_in = async {
        let running = russh::server::run_stream(config, TcpStream::from_std(stream)?, visitor).await?;
        let mut running = Box::pin(running);
        tokio::select! {
            ended = &mut running => ended.map(|()| None),
            // The sender is in `visit`, which lives as long as this.
            _ = let_in.wait_for(|let_in| *let_in) => Ok(Some(running)),
        }
    };
    let running = tokio::select! {
        done = tokio::time::timeout(LOG_IN, logging_in) => done.context("the log-in took too long")??,
        () = place.wanted() => anyhow::bail!("silent, and its place was needed for somebody else"),
    };
    drop(place);
    let Some(running) = running else { return Ok(()) };
    let Ok(_permit) = shared.room.clone().try_acquire_owned() else {
        shared.refuse(remote, "console_full", &format!("one more than {SESSIONS}"), "connection closed");
        anyhow::bail!("as many sessions are open as a console takes");
    };
    let ended = running.await;
    drop(cut);
    ended
}

/// Closes the connection when it is dropped, whoever else holds it.
struct Cut(std::net::TcpStream);

impl Drop for Cut {
    fn drop(&mut self) {
        // One that is closed already cannot be closed.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}

impl Shared {
    fn door(&self, remote: SocketAddr) -> Door {
        Door { source: remote.ip(), of: DOOR }
    }

    /// Into the log and the list that `show refusals` prints.
    fn refuse(&self, remote: SocketAddr, cause: &str, presented: &str, answered: &str) {
        tracing::warn!(node = self.node.name(), %remote, cause, presented, "console: refused");
        let refusal = Refusal {
            cause: cause.to_owned(),
            rule: "the console takes administrators, and commands of its own".into(),
            expected: match cause {
                "console_log_in" => "an administrator's key, or name and password".into(),
                "console_full" => format!("{SESSIONS} administrators at most"),
                _ => "a terminal, or one of the console's commands".into(),
            },
            presented: presented.to_owned(),
            remedy: match cause {
                "console_log_in" => {
                    "`ringfence account add --role administrator` makes an account, `ringfence account key add` gives it a key; if nobody of yours was there, somebody tries doors".into()
                }
                "console_full" => "end a session that nobody needs".into(),
                _ => "`help` lists what there is; files and tunnels need another server".into(),
            },
        };
        self.node.refused_beside(RefusalRecord {
            at_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64),
            node: self.node.name().to_owned(),
            remote: Some(remote),
            transport: None,
            answered: answered.to_owned(),
            refusal,
        });
    }

    /// In the audit log; argon2id and the disk are waited for beside the runtime.
    async fn write_down(self: &Arc<Self>, name: &str, remote: SocketAddr, what: String) {
        let (shared, name) = (self.clone(), name.to_owned());
        let written = tokio::task::spawn_blocking(move || {
            let written = shared.accounts.write_down(&name, shared.door(remote), &what);
            if let Err(error) = written {
                tracing::error!(node = shared.node.name(), %error, "console: not in the audit log: {what}");
            }
        });
        // It does not panic, and a runtime that stops has no sessions.
        let _ = written.await;
    }
}
