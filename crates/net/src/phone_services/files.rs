//! Configuration and files over TFTP and HTTP: GET and HEAD, read requests, nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use phones::tftp::{self, Refusal, State, Transfer};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, watch};

use super::{Asker, NoFile, Shared};

/// Transfers at once.
const TRANSFERS: usize = 1_024;
/// Where a JSON Web Key Set is looked for (RFC 7517 names no place; OpenID providers use this one).
const KEY_SET: &str = "/.well-known/jwks.json";
/// Who has not sent its request's header by now is let go.
const HEADER: Duration = Duration::from_secs(10);

pub(super) async fn http(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    (asker, is_tls): (Asker, bool),
    remote: SocketAddr,
    shared: &Arc<Shared>,
) -> anyhow::Result<()> {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(&request, (&asker, is_tls), remote, shared);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER);
    match builder.serve_connection(TokioIo::new(stream), service).await {
        // Phones close as it suits them.
        Err(error) if error.is_incomplete_message() || error.is_timeout() => Ok(()),
        other => Ok(other?),
    }
}

fn answer(
    request: &Request<Incoming>,
    (asker, is_tls): (&Asker, bool),
    remote: SocketAddr,
    shared: &Shared,
) -> Response<Full<Bytes>> {
    // In clear anybody on the way could put theirs in its place.
    if is_tls && request.uri().path() == KEY_SET {
        return key_set(shared);
    }
    let plain = |status: StatusCode, body: Vec<u8>| {
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, b"files are read here, not written\n".to_vec());
    }
    let Some(name) = unescape(request.uri().path()) else {
        return plain(StatusCode::BAD_REQUEST, b"a path that is no UTF-8\n".to_vec());
    };
    match shared.station.file(&name, asker, shared.edition(&name, asker), SystemTime::now()) {
        Ok(Ok(octets)) => {
            if *request.method() == Method::GET {
                shared.book.given(&name, asker, &octets);
            }
            plain(StatusCode::OK, octets)
        }
        Ok(Err(NoFile::NotFound(_))) => plain(StatusCode::NOT_FOUND, b"no such file\n".to_vec()),
        Ok(Err(no)) => {
            shared.refuse(remote, "HTTP", "403 Forbidden", "a file that is the asker's", &no.to_string());
            plain(StatusCode::FORBIDDEN, b"not for you\n".to_vec())
        }
        Err(error) => {
            tracing::error!(node = shared.node, error = %format!("{error:#}"), "a file could not be made");
            plain(StatusCode::INTERNAL_SERVER_ERROR, b"it could not be made; the server's log says why\n".to_vec())
        }
    }
}

/// The built-in issuer's public keys.
fn key_set(shared: &Shared) -> Response<Full<Bytes>> {
    let (status, kind, body) = match shared.station.token_key_set() {
        Ok(Some(set)) => (StatusCode::OK, "application/jwk-set+json", set),
        Ok(None) => (StatusCode::NOT_FOUND, "text/plain", "no tokens are issued here\n".to_owned()),
        Err(error) => {
            tracing::error!(node = shared.node, error = %format!("{error:#}"), "the key set could not be read");
            (StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "the server's log says why\n".to_owned())
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

/// RFC 3986 §2.1.
fn unescape(path: &str) -> Option<String> {
    let (mut out, mut octets) = (Vec::new(), path.bytes());
    while let Some(octet) = octets.next() {
        if octet != b'%' {
            out.push(octet);
            continue;
        }
        let mut digit = || char::from(octets.next()?).to_digit(16);
        // Two hex digits are at most 255.
        out.push((digit()? * 16 + digit()?) as u8);
    }
    String::from_utf8(out).ok()
}

pub(super) async fn tftp(socket: UdpSocket, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let transfers = Arc::new(Semaphore::new(TRANSFERS));
    let mut room = [0; 1024];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut room) => received,
            _ = stopped.changed() => return,
        };
        let Ok((length, remote)) = received else { continue };
        let packet = room.get(..length).unwrap_or_default();
        let request = match tftp::Request::parse(packet) {
            Ok(request) => request,
            Err(answer) => {
                let _ = socket.send_to(&answer, remote).await;
                continue;
            }
        };
        // Who comes now tries again in a moment, as it does for any packet that was lost.
        let Ok(permit) = transfers.clone().try_acquire_owned() else { continue };
        let (shared, local) = (shared.clone(), socket.local_addr());
        tokio::spawn(async move {
            let _permit = permit;
            let Ok(local) = local else { return };
            if let Err(error) = send(request, local, remote, &shared).await {
                tracing::debug!(%remote, error = %format!("{error:#}"), "a transfer ended early");
            }
        });
    }
}

async fn send(request: tftp::Request, local: SocketAddr, remote: SocketAddr, shared: &Shared) -> anyhow::Result<()> {
    // A transfer has a port of its own (RFC 1350 §4), from which alone the client takes packets.
    let socket = UdpSocket::bind(SocketAddr::new(local.ip(), 0)).await?;
    socket.connect(remote).await?;
    let edition = shared.edition(&request.file, &Asker::Anyone);
    let file = match shared.station.file(&request.file, &Asker::Anyone, edition, SystemTime::now())? {
        Ok(file) => file,
        Err(NoFile::NotFound(_)) => {
            socket.send(&tftp::error(Refusal::NotFound, "no such file")).await?;
            return Ok(());
        }
        Err(no) => {
            shared.refuse(remote, "TFTP", "error 2", "a file of the folder", &no.to_string());
            socket.send(&tftp::error(Refusal::AccessViolation, "not a file of this folder")).await?;
            return Ok(());
        }
    };
    let began = Instant::now();
    let now = || began.elapsed().as_millis() as u64;
    // Firmware is large and no list.
    let given = phones::config::Asked::of(request.file.trim_start_matches('/')).map(|_| file.clone());
    let mut transfer = Transfer::new(&request, file, now());
    let mut room = [0; 1024];
    while transfer.state() == State::Sending {
        while let Some(packet) = transfer.poll() {
            socket.send(&packet).await?;
        }
        let wait = transfer.deadline().map_or(0, |deadline| deadline.saturating_sub(now()));
        match tokio::time::timeout(Duration::from_millis(wait), socket.recv(&mut room)).await {
            Ok(received) => transfer.handle(room.get(..received?).unwrap_or_default(), now()),
            Err(_) => transfer.tick(now()),
        }
    }
    if let (State::Done, Some(file)) = (transfer.state(), given) {
        shared.book.given(&request.file, &Asker::Anyone, &file);
    }
    Ok(())
}
