//! An application's web server, of the lab's own authority.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;

use super::*;

/// Answers each request at this address, until the test's process ends.
pub(super) fn serve_https<F>(lab: &Lab, address: SocketAddr, answer: F)
where
    F: Fn(Request<Bytes>) -> Response<Bytes> + Clone + Send + Sync + 'static,
{
    // It listens before anybody is told of it.
    let listener = std::net::TcpListener::bind(address).unwrap();
    serve_https_as(&lab.papers(&address.ip().to_string()).identity.unwrap(), listener, answer);
}

/// As somebody whom the lab's authority need not know.
pub(super) fn serve_https_as<F>(identity: &trust::Identity, listener: std::net::TcpListener, answer: F)
where
    F: Fn(Request<Bytes>) -> Response<Bytes> + Clone + Send + Sync + 'static,
{
    let versions = trust::tls::Versions { tls12: true, tls13: true };
    let tls = tokio_rustls::TlsAcceptor::from(trust::tls::server_anonymous(identity, versions).unwrap());
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, answer) = (tls.clone(), answer.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let service = service_fn(|request: Request<hyper::body::Incoming>| async {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        Ok::<_, Infallible>(answer(Request::from_parts(head, body)).map(Full::new))
                    });
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    });
}
