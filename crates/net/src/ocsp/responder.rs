//! The listener: one thread with a runtime, few connections at once, none for long.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use site::Site;
use store::{ANSWER_LIFE, DataDir};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::book::{Book, Reply};

/// Connections at once, and of one address; more of one address are closed, more of all wait.
const CONNECTIONS: usize = 64;
const OF_ONE: usize = 8;
/// Who has not asked by now is let go, and who has asked as long asks anew.
const HEADER: Duration = Duration::from_secs(5);
const WHOLE: Duration = Duration::from_secs(15);
/// A question about one certificate has some hundred octets.
const LONGEST: usize = 4096;

/// A process's, where the site has it answer.
pub(crate) struct Answering {
    thread: JoinHandle<()>,
    stop: watch::Sender<bool>,
    book: Arc<Mutex<Book>>,
    /// What it was started by.
    settings: (site::Ocsp, IpAddr),
    local: SocketAddr,
}

impl Answering {
    /// Where the site says, if `runs` knows that node; `None`: not here. When it returns, the listener is open.
    ///
    /// # Errors
    /// The port cannot be bound, or the data directory cannot be read.
    pub(crate) fn start(dir: &DataDir, site: &Site, runs: impl Fn(&str) -> bool) -> anyhow::Result<Option<Answering>> {
        let Some(settings) = wanted(site).filter(|(ocsp, _)| runs(&ocsp.node)) else { return Ok(None) };
        if !dir.has_ca_key() {
            tracing::warn!(
                node = settings.0.node,
                "the site's OCSP is to be answered here, and the CA's register is elsewhere: name a node in `[ocsp]` that \
                 runs where `ringfence init` was run"
            );
            return Ok(None);
        }
        let address = SocketAddr::new(settings.1, settings.0.port);
        let listener =
            std::net::TcpListener::bind(address).with_context(|| format!("OCSP: cannot listen on {address}"))?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let book = Arc::new(Mutex::new(Book::default()));
        let (runtime, shared) = (tokio::runtime::Builder::new_current_thread().enable_all().build()?, book.clone());
        let thread = std::thread::Builder::new().name("ocsp".into()).spawn(move || {
            runtime.block_on(accept(listener, shared, stopped));
            runtime.shutdown_background();
        })?;
        let answering = Answering { thread, stop, book, settings, local };
        answering.refresh(dir)?;
        tracing::info!(%local, "answering OCSP");
        Ok(Some(answering))
    }

    /// Reads the register and the key that answers again; without a key that is in force there is no answer for now.
    ///
    /// # Errors
    /// The register cannot be read; what was known stays.
    pub(crate) fn refresh(&self, dir: &DataDir) -> anyhow::Result<()> {
        let responder = dir.responder(SystemTime::now()).unwrap_or_else(|error| {
            tracing::warn!(error = %format!("{error:#}"), "OCSP is answered with `tryLater`");
            None
        });
        let statuses = dir.statuses()?;
        self.book.lock().unwrap_or_else(PoisonError::into_inner).learn(responder, statuses);
        Ok(())
    }

    /// Whether a site has it answer as it does.
    pub(crate) fn is_of(&self, site: &Site) -> bool {
        wanted(site).as_ref() == Some(&self.settings)
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}

fn wanted(site: &Site) -> Option<(site::Ocsp, IpAddr)> {
    let ocsp = site.ocsp.clone()?;
    let address = site.node(&ocsp.node)?.address;
    Some((ocsp, address))
}

/// How many connections each address has.
type Counts = Arc<Mutex<BTreeMap<IpAddr, usize>>>;

async fn accept(listener: std::net::TcpListener, book: Arc<Mutex<Book>>, mut stopped: watch::Receiver<bool>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "OCSP is not answered"),
    };
    let (room, counts) = (Arc::new(Semaphore::new(CONNECTIONS)), Counts::default());
    loop {
        // The semaphore is never closed, so a permit comes as soon as one ends.
        let accepted = tokio::select! {
            accepted = async {
                let permit = room.clone().acquire_owned().await;
                (permit, listener.accept().await)
            } => accepted,
            _ = stopped.changed() => return,
        };
        let (Ok(permit), Ok((stream, remote))) = accepted else {
            // Out of descriptors, mostly: others must end before another try can go better.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(place) = Place::of(remote.ip(), &counts) else { continue };
        let book = book.clone();
        tokio::spawn(async move {
            let _held = (permit, place);
            let _ = tokio::time::timeout(WHOLE, connection(stream, &book)).await;
        });
    }
}

/// A connection's, among those of its address.
struct Place(IpAddr, Counts);

impl Place {
    fn of(remote: IpAddr, counts: &Counts) -> Option<Place> {
        let mut all = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(remote).or_default();
        if *count >= OF_ONE {
            return None;
        }
        *count += 1;
        Some(Place(remote, counts.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.0);
            }
        }
    }
}

async fn connection(stream: TcpStream, book: &Mutex<Book>) {
    let service = service_fn(|request| async move { Ok::<_, Infallible>(exchange(request, book).await) });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(4 * LONGEST);
    // Who breaks off, or speaks no HTTP, has what he wanted.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn exchange(request: Request<Incoming>, book: &Mutex<Book>) -> Response<Full<Bytes>> {
    let asked = match *request.method() {
        Method::GET => trust::ocsp::from_path(request.uri().path().trim_start_matches('/')),
        Method::POST => Limited::new(request.into_body(), LONGEST).collect().await.ok().map(|it| it.to_bytes().into()),
        _ => {
            let mut refused = Response::new(Full::new(Bytes::from_static(b"OCSP is asked by GET or POST\n")));
            *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return refused;
        }
    };
    // Seconds since 1970 fit an i64.
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() as i64);
    let life = ANSWER_LIFE.as_secs() as i64;
    let reply = {
        let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
        book.answer(&asked.unwrap_or_default(), now, life)
    };
    response(reply)
}

/// RFC 5019 §6.2: those on the way may keep it.
fn response(Reply { answer, max_age }: Reply) -> Response<Full<Bytes>> {
    let kept = match max_age {
        ..=0 => "no-store".to_owned(),
        age => format!("max-age={age}, public, no-transform, must-revalidate"),
    };
    let mut response = Response::new(Full::new(answer));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/ocsp-response"));
    // Digits and letters are a header's value.
    if let Ok(kept) = HeaderValue::try_from(kept) {
        headers.insert(CACHE_CONTROL, kept);
    }
    response
}
