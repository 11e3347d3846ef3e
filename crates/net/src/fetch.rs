//! One request over HTTPS to a server that is verified by the authority that the site names, and its answer: OpenID
//! providers, certificate authorities. No cache, no redirects (what goes there is a code or a secret).

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{HeaderMap, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use trust::tls::Versions;

/// Octets of an answer: key sets have a few thousand.
const LARGEST: usize = 256 * 1024;
const AGENT: &str = concat!("Ringfence/", env!("CARGO_PKG_VERSION"));

/// What is sent, if something is.
pub(crate) struct Sent {
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
    /// `Authorization`, if who asks is known by it.
    pub(crate) authorization: Option<String>,
}

impl Sent {
    pub(crate) fn form(body: String, authorization: Option<String>) -> Sent {
        Sent { content_type: "application/x-www-form-urlencoded", body, authorization }
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// GET, or with something to send POST. `patience` is for all of it, from the name to the last octet.
///
/// # Errors
/// No answer came from the server that was meant; in words.
pub(crate) async fn fetch(
    url: &str,
    roots: &[String],
    versions: Versions,
    sent: Option<Sent>,
    patience: Duration,
) -> Result<Answer, String> {
    let whole = tokio::time::timeout(patience, exchange(url, roots, versions, sent)).await;
    whole.unwrap_or_else(|_| Err(format!("no answer within {} s", patience.as_secs())))
}

async fn exchange(url: &str, roots: &[String], versions: Versions, sent: Option<Sent>) -> Result<Answer, String> {
    let uri: Uri = url.parse().map_err(|error| format!("no address: {error}"))?;
    let (Some("https"), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("only https addresses are asked".into());
    };
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let config = trust::tls::client_without_certificate(roots, versions, std::slice::from_ref(&host));
    let config = config.map_err(|error| error.to_string())?;
    let port = authority.port_u16().unwrap_or(443);
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| error.to_string())?;
    let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // It moves while the answer is waited for, and is dropped with it.
    let asked = async {
        let answer = sender.send_request(request(&uri, sent)?).await.map_err(|error| error.to_string())?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|error| format!("its answer broke off or has more than {LARGEST} octets: {error}"))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    };
    tokio::pin!(asked);
    tokio::select! {
        answer = &mut asked => answer,
        // What has come is still there.
        _ = connection => asked.await,
    }
}

fn request(uri: &Uri, sent: Option<Sent>) -> Result<Request<Full<Bytes>>, String> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(if sent.is_some() { "POST" } else { "GET" })
        .uri(path)
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "application/json, */*;q=0.5");
    let body = match sent {
        None => String::new(),
        Some(Sent { content_type, body, authorization }) => {
            request = request.header(CONTENT_TYPE, content_type);
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            body
        }
    };
    request.body(Full::new(body.into())).map_err(|error| error.to_string())
}
