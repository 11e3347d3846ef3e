//! How an authority sees that a name is ours: by a file that it fetches (http-01, RFC 8555 §8.3), or by a certificate that
//! a TLS server shows (tls-alpn-01, RFC 8737). Listens as long as an order is open.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use aws_lc_rs::digest::{SHA256, digest};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use site::Challenge;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use trust::tls::Versions;

/// Whoever comes has so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many are served at once; others wait.
const MOST: usize = 64;
const PAUSE: Duration = Duration::from_millis(100);
const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// What is shown to whoever comes.
#[derive(Clone, Default)]
enum Proof {
    #[default]
    None,
    Http {
        token: String,
        authorization: String,
    },
    Tls(Arc<ServerConfig>),
}

/// Open until it is dropped.
pub(super) struct Listener {
    kind: Challenge,
    shown: Arc<Mutex<Proof>>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// # Errors
    /// The address is taken, or is not for us to take.
    pub(super) async fn open(kind: Challenge, at: SocketAddr) -> anyhow::Result<Listener> {
        let listener = TcpListener::bind(at).await.with_context(|| {
            format!(
                "the challenge {} needs {at} for a moment: run this as who may listen there, or write another `port` and \
                 forward to it",
                kind.word()
            )
        })?;
        Ok(Listener::on(kind, listener))
    }

    pub(super) fn on(kind: Challenge, listener: TcpListener) -> Listener {
        let shown = Arc::new(Mutex::new(Proof::None));
        let proof = shown.clone();
        let task = tokio::spawn(async move {
            // With the listener go those who are being served.
            let mut served = JoinSet::new();
            loop {
                while served.try_join_next().is_some() {}
                if served.len() >= MOST {
                    served.join_next().await;
                    continue;
                }
                let Ok((stream, _)) = listener.accept().await else {
                    // No descriptors are left, say: there may be some again.
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                let proof = proof.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // Strangers come too: none of them is waited for.
                served.spawn(tokio::time::timeout(PATIENCE, show(stream, proof)));
            }
        });
        Listener { kind, shown, task }
    }

    /// What proves it from now on: for this name, by this token.
    ///
    /// # Errors
    /// The proof cannot be made.
    pub(super) fn prove(&self, name: &str, token: &str, authorization: String, on: Versions) -> anyhow::Result<()> {
        let proof = match self.kind {
            Challenge::Http => Proof::Http { token: token.to_owned(), authorization },
            Challenge::TlsAlpn => {
                let hash = digest(&SHA256, authorization.as_bytes());
                Proof::Tls(trust::tls::server_proving(name, hash.as_ref(), SystemTime::now(), on)?)
            }
        };
        self.show(proof);
        Ok(())
    }

    /// It is proved, or is not: nothing is shown any more.
    pub(super) fn hide(&self) {
        self.show(Proof::None);
    }

    fn show(&self, proof: Proof) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = proof;
    }
}

/// One who came: whatever goes wrong is theirs.
async fn show(stream: TcpStream, proof: Proof) {
    match proof {
        Proof::None => {}
        Proof::Tls(config) => drop(TlsAcceptor::from(config).accept(stream).await),
        Proof::Http { token, authorization } => {
            let service = service_fn(move |request: Request<Incoming>| {
                let is = request.uri().path().strip_prefix(WELL_KNOWN) == Some(token.as_str());
                let (status, body) = if is { (200, authorization.clone()) } else { (404, String::new()) };
                let mut response = Response::new(Full::<Bytes>::from(body));
                *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
                async move { Ok::<_, Infallible>(response) }
            });
            drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        }
    }
}
