//! One question to one responder (RFC 6960 §A.1, RFC 5019 §2): a POST over plain HTTP, small, soon over, no redirects.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use trust::ocsp::{self, CertificateId, Hash, Question};

/// From the connection to the last octet.
const PATIENCE: Duration = Duration::from_secs(5);
/// An answer about one certificate with its signer's certificates.
const LONGEST: usize = 64 << 10;

/// The answer as it came, or why none did.
pub(super) async fn ask(question: &Question) -> Result<Vec<u8>, String> {
    let at = &question.responder;
    match tokio::time::timeout(PATIENCE, exchange(question)).await {
        Ok(answer) => answer.map_err(|why| format!("{at}: {why}")),
        Err(_) => Err(format!("{at} has not answered within {} s", PATIENCE.as_secs())),
    }
}

async fn exchange(question: &Question) -> Result<Vec<u8>, String> {
    let id =
        CertificateId::of(&question.certificate, &question.issuer, Hash::Sha1).map_err(|error| error.to_string())?;
    let uri: Uri = question.responder.parse().map_err(|error| format!("no address: {error}"))?;
    let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err("no http address of a responder".into());
    };
    let host = host.trim_matches(['[', ']']);
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await.map_err(|error| words(&error))?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| words(&error))?;
    let moving = tokio::spawn(async move {
        // Who asks sees its end.
        let _ = connection.await;
    });
    let request = Request::post(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(CONTENT_TYPE, "application/ocsp-request")
        .body(Full::new(Bytes::from(ocsp::Request { id }.der())))
        .map_err(|error| words(&error))?;
    let response = sender.send_request(request).await.map_err(|error| words(&error))?;
    let (status, body) = (response.status(), Limited::new(response.into_body(), LONGEST).collect().await);
    moving.abort();
    if status != StatusCode::OK {
        return Err(format!("HTTP status {status}"));
    }
    let body = body.map_err(|error| format!("its answer broke off or has more than {LONGEST} octets: {error}"))?;
    Ok(body.to_bytes().into())
}
