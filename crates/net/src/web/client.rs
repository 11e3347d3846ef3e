//! One page: its connection (taken up again where there is one), the exchange (RFC 9112), redirects (RFC 9110 §15.4).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{
    ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, USER_AGENT,
};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use roles::Fetch;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use trust::Authority;
use trust::tls::Versions;
use vxml::{NotFetched, Page};

use super::cache::{Cache, Conditions, Found, Key};
use super::form::{Archive, Form};

/// As large as a document may be.
const MOST_BYTES: usize = 2 << 20;
const MOST_REDIRECTS: usize = 5;
/// Connections to one server that wait for their next request.
const MOST_IDLE: usize = 8;
/// Servers whose settings are remembered.
const MOST_SERVERS: usize = 256;
const AGENT: &str = concat!("Ringfence/", env!("CARGO_PKG_VERSION"));

/// Whom nodes trust, and how.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    pub(crate) roots: Vec<(Authority, String)>,
    pub(crate) versions: Versions,
}

impl Trust {
    fn of(&self, authority: &Authority) -> impl Iterator<Item = &String> {
        self.roots.iter().filter(move |(whose, _)| whose == authority).map(|(_, pem)| pem)
    }

    /// To a server of this name, given by this authority and no other.
    pub(crate) fn connector(&self, authority: &Authority, host: &str) -> Result<TlsConnector, String> {
        let roots: Vec<String> = self.of(authority).cloned().collect();
        if roots.is_empty() {
            return Err(format!("{authority} is not in roots/, so {host} cannot be verified"));
        }
        let config = trust::tls::client_without_certificate(&roots, self.versions, &[host.to_owned()]);
        let mut config = Arc::unwrap_or_clone(config.map_err(|error| error.to_string())?);
        // A session that is taken up again would be past its certificate's end, or its list's, and nobody would look.
        config.resumption = Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn vouching(&self, authority: &Authority) -> Vouching {
        let all: Vec<&str> = self.of(authority).map(String::as_str).collect();
        (authority.clone(), trust::fingerprint(all.concat().as_bytes()))
    }
}

/// Where a connection leads, and who vouches for that; `None`: in the clear.
type Origin = (Option<Vouching>, String, u16);

/// An authority with the fingerprint of its roots and lists as they are: a connection that others vouched for is not taken up.
type Vouching = (Authority, String);

/// What all fetches of a thread share. No lock is held while anything is waited for.
#[derive(Default)]
pub(super) struct Client {
    cache: Mutex<Cache>,
    idle: Mutex<BTreeMap<Origin, Vec<SendRequest<Full<Bytes>>>>>,
    tls: Mutex<BTreeMap<(Vouching, String), TlsConnector>>,
}

/// An exchange's outcome.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Arc<[u8]>,
}

fn unreachable(words: impl Into<String>) -> NotFetched {
    NotFetched::Unreachable(words.into())
}

impl Client {
    /// A page, from the cache where its server lets us.
    pub(super) async fn page(
        &self,
        trust: &Trust,
        node: &str,
        archive: Option<&Arc<Archive>>,
        fetch: &Fetch,
        form: Option<Form>,
    ) -> Result<Page, NotFetched> {
        let mut url = fetch.request.url.clone();
        let mut body = match (form, &fetch.request.body, fetch.request.parts.as_slice()) {
            (Some(form), ..) => Some(form),
            (None, Some(body), []) => Some(Form::of(body, Form::ENCODED)),
            (None, None, []) => None,
            (None, _, parts) => {
                let to = url.split('?').next().unwrap_or_default();
                Some(Form::of_parts(parts, node, to, archive).await?)
            }
        };
        for _ in 0..=MOST_REDIRECTS {
            let key: Key = (fetch.authority.clone(), url.clone());
            let conditions = match &body {
                Some(_) => Conditions::default(),
                None => match self.looked(&key, fetch) {
                    Found::Good(bytes) => return Ok(Page { url, bytes }),
                    Found::AskAbout(conditions) => conditions,
                    Found::Nothing => Conditions::default(),
                },
            };
            let asked = SystemTime::now();
            let Answer { status, headers, bytes } =
                self.exchange(trust, fetch, &url, body.as_ref(), &conditions).await?;
            let now = SystemTime::now();
            match status {
                StatusCode::NOT_MODIFIED if conditions != Conditions::default() => {
                    let unchanged = self.cache().unchanged(&key, &headers, asked, now);
                    // Another fetch may have made room meanwhile: once more, without conditions.
                    match unchanged {
                        Some(bytes) => return Ok(Page { url, bytes }),
                        None => continue,
                    }
                }
                StatusCode::OK if body.is_none() => {
                    self.cache().keep(key, &headers, &bytes, asked, now);
                    return Ok(Page { url, bytes });
                }
                status if status.is_success() => {
                    self.cache().forget(&key);
                    return Ok(Page { url, bytes });
                }
                StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => body = None,
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {}
                status => {
                    self.cache().forget(&key);
                    return Err(NotFetched::Status(status.as_u16()));
                }
            }
            let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
            let location = location.ok_or_else(|| unreachable("a redirect that says not where to"))?;
            url = vxml::uri::resolve(&url, location);
        }
        Err(unreachable(format!("it was redirected more than {MOST_REDIRECTS} times")))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn looked(&self, key: &Key, fetch: &Fetch) -> Found {
        self.cache().look(key, fetch.request.max_age, fetch.request.max_stale, SystemTime::now())
    }

    async fn exchange(
        &self,
        trust: &Trust,
        fetch: &Fetch,
        url: &str,
        body: Option<&Form>,
        conditions: &Conditions,
    ) -> Result<Answer, NotFetched> {
        let uri: Uri = url.parse().map_err(|error| unreachable(format!("no address of a page: {error}")))?;
        let host = uri.host().ok_or_else(|| unreachable("its address names no server"))?.trim_matches(['[', ']']);
        let origin: Origin = match uri.scheme_str() {
            Some("https") => (Some(trust.vouching(&fetch.authority)), host.to_owned(), uri.port_u16().unwrap_or(443)),
            Some("http") if fetch.dangerous_plain_http => (None, host.to_owned(), uri.port_u16().unwrap_or(80)),
            Some("http") => {
                return Err(unreachable(
                    "plain http is not taken: use https, or write `dangerous_plain_http = true` for the application",
                ));
            }
            _ => return Err(unreachable("only https addresses are fetched")),
        };
        let request = request(&uri, body, conditions)?;
        // A connection that waited may have ended just now: then another. What may have reached the server is not sent
        // twice, unless that changes nothing there.
        while let Some(sender) = self.waiting(&origin) {
            match self.ask(&origin, sender, request.clone()).await {
                Ok(answer) => return answer,
                Err(error) if body.is_some() && !error.is_canceled() => return Err(unreachable(error.to_string())),
                Err(_) => {}
            }
        }
        let sender = self.connect(trust, &origin).await?;
        self.ask(&origin, sender, request).await.unwrap_or_else(|error| Err(unreachable(error.to_string())))
    }

    /// `Err`: the request was not answered.
    async fn ask(
        &self,
        origin: &Origin,
        mut sender: SendRequest<Full<Bytes>>,
        request: Request<Full<Bytes>>,
    ) -> Result<Result<Answer, NotFetched>, hyper::Error> {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let bytes = match Limited::new(body, MOST_BYTES).collect().await {
            Ok(bytes) => bytes.to_bytes(),
            Err(error) => {
                return Ok(Err(unreachable(format!(
                    "its answer broke off or has more than {MOST_BYTES} bytes: {error}"
                ))));
            }
        };
        if let Ok(()) = sender.ready().await {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = idle.entry(origin.clone()).or_default();
            if idle.len() < MOST_IDLE {
                idle.push(sender);
            }
        }
        Ok(Ok(Answer { status: parts.status, headers: parts.headers, bytes: Arc::from(&*bytes) }))
    }

    /// A connection that waits for its next request.
    fn waiting(&self, origin: &Origin) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = idle.get_mut(origin)?;
        let found = std::iter::from_fn(|| of_it.pop()).find(|sender| !sender.is_closed());
        if of_it.is_empty() {
            idle.remove(origin);
        }
        found
    }

    async fn connect(&self, trust: &Trust, origin: &Origin) -> Result<SendRequest<Full<Bytes>>, NotFetched> {
        let (vouching, host, port) = origin;
        let failed = |error: &dyn std::fmt::Display| unreachable(format!("{host}:{port}: {error}"));
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(|error| failed(&error))?;
        let _ = stream.set_nodelay(true);
        let Some(vouching) = vouching else { return spoken(stream).await.map_err(|error| failed(&error)) };
        let tls = self.tls(trust, vouching, host)?;
        let name = ServerName::try_from(host.clone()).map_err(|error| failed(&error))?;
        let stream = tls.connect(name, stream).await.map_err(|error| failed(&error))?;
        spoken(stream).await.map_err(|error| failed(&error))
    }

    /// The server must have this name, given by this authority and no other.
    fn tls(&self, trust: &Trust, vouching: &Vouching, host: &str) -> Result<TlsConnector, NotFetched> {
        let mut all = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (vouching.clone(), host.to_owned());
        if let Some(found) = all.get(&key) {
            return Ok(found.clone());
        }
        let connector = trust.connector(&vouching.0, host).map_err(unreachable)?;
        if all.len() >= MOST_SERVERS {
            all.clear();
        }
        all.insert(key, connector.clone());
        Ok(connector)
    }
}

/// HTTP on a stream; its own task moves it.
async fn spoken<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, hyper::Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // Who asks sees its end.
        let _ = connection.await;
    });
    Ok(sender)
}

fn request(uri: &Uri, body: Option<&Form>, conditions: &Conditions) -> Result<Request<Full<Bytes>>, NotFetched> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(if body.is_some() { "POST" } else { "GET" })
        .uri(path)
        .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "application/voicexml+xml, application/srgs+xml, application/xml, text/xml, */*");
    if let Some(form) = body {
        request = request.header(CONTENT_TYPE, &form.content_type);
    }
    let conditional = [(IF_NONE_MATCH, &conditions.etag), (IF_MODIFIED_SINCE, &conditions.modified)];
    for (name, value) in conditional {
        if let Some(value) = value.as_ref().and_then(|value| HeaderValue::from_str(value).ok()) {
            request = request.header(name, value);
        }
    }
    let body = Full::new(body.map(|form| form.bytes.clone()).unwrap_or_default());
    request.body(body).map_err(|error| unreachable(error.to_string()))
}
