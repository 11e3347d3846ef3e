//! What browsers' XMPP goes to: BOSH by POST, WebSocket by GET, at `/http-bind`; WebSocket also at `/ws`.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONNECTION,
    CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;

use super::http::read;
use super::xmpp::stream::{Framing, serve};
use super::{Shared, xmpp};

/// The subprotocol (RFC 7395 §3.1).
const XMPP: &str = "xmpp";

pub(super) async fn respond(
    shared: Arc<Shared>,
    remote: IpAddr,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().trim_end_matches('/');
    let mut response = match (request.method().clone(), path) {
        (Method::POST, "/http-bind") => match read(request.into_body()).await {
            Ok(body) => said(StatusCode::OK, xmpp::bosh::request(&shared, remote, body).await),
            Err(problem) => said(StatusCode::BAD_REQUEST, problem.message),
        },
        (Method::GET, "/http-bind" | "/ws") => web_socket(shared, remote, request),
        (Method::OPTIONS, "/http-bind") => said(StatusCode::NO_CONTENT, String::new()),
        (_, "/http-bind" | "/ws") => said(StatusCode::METHOD_NOT_ALLOWED, "expected POST, or a WebSocket".into()),
        _ => said(StatusCode::NOT_FOUND, "expected /http-bind or /ws".into()),
    };
    // Desks' pages come from anywhere. Nothing that a browser adds by itself lets anybody in: the password is in the body.
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "POST, GET, OPTIONS"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "content-type"),
        (CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

/// RFC 6455 §4.2.
fn web_socket(shared: Arc<Shared>, remote: IpAddr, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let headers = request.headers();
    let wants = has(headers, &UPGRADE, "websocket") && has(headers, &SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()).map(sip::websocket::accept);
    let accept = key.and_then(|key| HeaderValue::try_from(key).ok());
    let (true, Some(accept)) = (wants, accept) else {
        return said(StatusCode::UPGRADE_REQUIRED, "expected a WebSocket of version 13".into());
    };
    if !has(headers, &SEC_WEBSOCKET_PROTOCOL, XMPP) {
        return said(StatusCode::BAD_REQUEST, "expected Sec-WebSocket-Protocol: xmpp".into());
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(stream) => serve(TokioIo::new(stream), Framing::web(), shared, remote).await,
            Err(error) => tracing::debug!(node = shared.node.name(), %error, "desk: a WebSocket that was none"),
        }
    });
    let mut response = said(StatusCode::SWITCHING_PROTOCOLS, String::new());
    response.headers_mut().remove(CONTENT_TYPE);
    for (name, value) in [
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (SEC_WEBSOCKET_ACCEPT, accept),
        (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(XMPP)),
    ] {
        response.headers_mut().insert(name, value);
    }
    response
}

fn has(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}

fn said(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    response
}
