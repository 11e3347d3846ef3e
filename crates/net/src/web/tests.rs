//! The fetcher against a page server on loopback: verification, HTTP's rules, and servers that do it badly.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc as channel;
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use trust::Authority;
use trust::tls::Versions;

use super::*;

const VERSIONS: Versions = Versions { tls12: true, tls13: true };

/// What a server saw: connections, and requests as `METHOD PATH If-None-Match body`.
#[derive(Default)]
struct Seen {
    connections: usize,
    requests: Vec<String>,
}

pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    ca: trust::Ca,
    /// Dropped, it ends.
    _on: tokio::sync::oneshot::Sender<()>,
}

/// Status, headers, body.
pub(crate) type Told = (u16, Vec<(&'static str, String)>, Vec<u8>);
/// By path and body; `None`: no answer, ever.
type Pages = Arc<dyn Fn(&str, &str) -> Option<Told> + Send + Sync>;

impl Server {
    pub(crate) fn start(name: &str, pages: impl Fn(&str, &str) -> Option<Told> + Send + Sync + 'static) -> Server {
        let pages: Pages = Arc::new(pages);
        let ca = trust::Ca::create("pages", SystemTime::now()).unwrap();
        let request = trust::Request {
            common_name: name.into(),
            dns_names: Vec::new(),
            ip_addresses: name.parse().into_iter().collect(),
            node: None,
            uris: Vec::new(),
            key: trust::KeyKind::P256,
            not_before: SystemTime::now() - Duration::from_secs(60),
            not_after: SystemTime::now() + Duration::from_secs(600),
        };
        let identity = ca.issue(&request).unwrap();
        let tls = tokio_rustls::TlsAcceptor::from(trust::tls::server_anonymous(&identity, VERSIONS).unwrap());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Seen::default())));
        let noted = seen.clone();
        let (on, off) = tokio::sync::oneshot::channel::<()>();
        let serve = async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, seen, pages) = (tls.clone(), noted.clone(), pages.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    seen.lock().unwrap().connections += 1;
                    let service = service_fn(move |request| answer(seen.clone(), pages.clone(), request));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::select! { () = serve => {}, _ = off => {} }
            });
        });
        Server { address, seen, ca, _on: on }
    }

    fn trust(&self) -> Arc<Trust> {
        let roots = vec![(Authority::Named("pages".into()), self.ca.certificate_pem().to_owned())];
        Arc::new(Trust { roots, versions: VERSIONS })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub(crate) fn root(&self) -> &str {
        self.ca.certificate_pem()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }
}

async fn answer(
    seen: Arc<Mutex<Seen>>,
    pages: Pages,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let etag = parts.headers.get("if-none-match").map_or("", |etag| etag.to_str().unwrap());
    let line = format!("{} {} {etag} {body}", parts.method, parts.uri);
    seen.lock().unwrap().requests.push(line.trim_end().to_owned());
    let path = if etag.is_empty() { parts.uri.path().to_owned() } else { format!("{}?{etag}", parts.uri.path()) };
    let Some((status, headers, body)) = pages(&path, &body) else { return std::future::pending().await };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(body.into())).unwrap())
}

fn get(url: String) -> Fetch {
    let request = vxml::Request {
        url,
        body: None,
        parts: Vec::new(),
        timeout: Duration::from_secs(20),
        max_age: None,
        max_stale: None,
    };
    Fetch { request, authority: Authority::Named("pages".into()), dangerous_plain_http: false }
}

/// Fetches one after another.
fn fetch(trust: &Arc<Trust>, fetches: Vec<Fetch>) -> Vec<Result<Page, NotFetched>> {
    let web = Web::start(Vec::new()).unwrap();
    let (tell, told) = channel::channel();
    let mut outcomes = Vec::new();
    for fetch in fetches {
        let tell = tell.clone();
        let answer = Box::new(move |outcome| tell.send(outcome).unwrap());
        let wanted = Wanted { node: "vvb1".into(), trust: trust.clone(), archive: None, fetch, form: None, answer };
        assert!(web.errands().try_send(Errand::Page(wanted)).is_ok());
        outcomes.push(told.recv().unwrap());
    }
    web.stop();
    outcomes
}

fn words(outcome: &Result<Page, NotFetched>) -> &str {
    match outcome {
        Err(NotFetched::Unreachable(words)) => words,
        other => panic!("expected words, not {other:?}"),
    }
}

fn pages(path: &str, body: &str) -> Option<Told> {
    let keep = |control: &str| vec![("cache-control", control.to_owned())];
    Some(match path {
        "/kept" => (200, keep("max-age=600"), b"kept".to_vec()),
        "/tagged" => (200, vec![("etag", "\"7\"".into())], b"tagged".to_vec()),
        "/tagged?\"7\"" => (304, Vec::new(), Vec::new()),
        "/posted" => (200, Vec::new(), format!("got {body}").into_bytes()),
        "/from" => (302, vec![("location", "there/to?x=1".into())], Vec::new()),
        "/there/to" => (200, Vec::new(), b"arrived".to_vec()),
        "/round" => (307, vec![("location", "/round".into())], Vec::new()),
        "/down" => (301, vec![("location", "http://127.0.0.1:9/".into())], Vec::new()),
        "/large" => (200, Vec::new(), vec![b'x'; 50 << 20]),
        "/silent" => return None,
        _ => (404, Vec::new(), Vec::new()),
    })
}

#[test]
fn pages_come_over_one_verified_connection_and_are_kept_as_their_server_says() {
    let server = Server::start("127.0.0.1", pages);
    let urls = ["/kept", "/kept", "/tagged", "/tagged", "/from", "/missing"];
    let outcomes = fetch(&server.trust(), urls.map(|path| get(server.url(path))).into());
    let short: Vec<String> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok(page) => String::from_utf8(page.bytes.to_vec()).unwrap(),
            Err(NotFetched::Status(status)) => status.to_string(),
            Err(NotFetched::Unreachable(words)) => words.clone(),
        })
        .collect();
    assert_eq!(short, ["kept", "kept", "tagged", "tagged", "arrived", "404"]);
    assert_eq!(outcomes[4].as_ref().unwrap().url, server.url("/there/to?x=1"), "relative pages are seen from there");
    let expected = ["GET /kept", "GET /tagged", "GET /tagged \"7\"", "GET /from", "GET /there/to?x=1", "GET /missing"];
    assert_eq!(server.requests(), expected, "the second /kept was not asked for");
    assert_eq!(server.seen.lock().unwrap().connections, 1);
}

#[test]
fn a_post_is_sent_once_and_is_never_answered_from_what_was_kept() {
    let server = Server::start("127.0.0.1", pages);
    let mut post = get(server.url("/posted"));
    post.request.body = Some("account=123455".into());
    let mut kept = get(server.url("/kept"));
    kept.request.body = Some("x=1".into());
    let outcomes = fetch(&server.trust(), vec![get(server.url("/kept")), kept, get(server.url("/kept")), post]);
    assert_eq!(&*outcomes[3].as_ref().unwrap().bytes, b"got account=123455");
    let expected = ["GET /kept", "POST /kept  x=1", "GET /kept", "POST /posted  account=123455"];
    assert_eq!(server.requests(), expected, "what was kept is forgotten by a POST");
}

#[test]
fn a_server_that_nobody_vouches_for_gets_no_request() {
    let (server, other) = (Server::start("127.0.0.1", pages), Server::start("127.0.0.1", pages));
    let outcome = &fetch(&other.trust(), vec![get(server.url("/kept"))])[0];
    assert!(words(outcome).contains("invalid peer certificate"), "{outcome:?}");
    let renamed = Server::start("pages.example", pages);
    let outcome = &fetch(&renamed.trust(), vec![get(renamed.url("/kept"))])[0];
    assert!(words(outcome).contains("not valid for"), "{outcome:?}");
    // Its authority is known, and not the one that the application names.
    let mut own = get(server.url("/kept"));
    own.authority = Authority::Own;
    let outcome = &fetch(&server.trust(), vec![own])[0];
    assert!(words(outcome).contains("the site's own authority is not in roots/"), "{outcome:?}");
    let plain = get(server.url("/kept").replace("https", "http"));
    let outcome = &fetch(&server.trust(), vec![plain])[0];
    assert!(words(outcome).contains("dangerous_plain_http"), "{outcome:?}");
    assert_eq!((server.requests().len(), renamed.requests().len()), (0, 0));
}

#[test]
fn pages_that_never_come_turn_for_ever_or_are_too_large_cost_only_who_wants_them() {
    let server = Server::start("127.0.0.1", pages);
    let mut silent = get(server.url("/silent"));
    silent.request.timeout = Duration::from_millis(300);
    let fetches = vec![silent, get(server.url("/round")), get(server.url("/down")), get(server.url("/large"))];
    let outcomes = fetch(&server.trust(), fetches);
    let said =
        ["no answer within 300 ms", "redirected more than 5 times", "plain http is not taken", "more than 2097152"];
    for (outcome, said) in outcomes.iter().zip(said) {
        assert!(words(outcome).contains(said), "{outcome:?}");
    }
    let rounds = server.requests().iter().filter(|request| request.contains("/round")).count();
    assert_eq!(rounds, 6);
}

#[test]
fn who_waits_for_a_silent_server_holds_up_nobody() {
    let server = Server::start("127.0.0.1", pages);
    let web = Web::start(Vec::new()).unwrap();
    let (tell, told) = channel::channel();
    let mut waiting = BTreeMap::new();
    for n in 0..20 {
        let path = if n % 2 == 0 { "/silent" } else { "/tagged" };
        waiting.insert(n, path);
        let tell = tell.clone();
        let answer = Box::new(move |outcome| tell.send((n, outcome)).unwrap());
        let fetch = get(server.url(path));
        let errand = Errand::Page(Wanted {
            node: "vvb1".into(),
            trust: server.trust(),
            archive: None,
            fetch,
            form: None,
            answer,
        });
        assert!(web.errands().try_send(errand).is_ok());
    }
    for _ in 0..10 {
        let (n, outcome): (i32, Result<Page, NotFetched>) = told.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(waiting.remove(&n), Some("/tagged"));
        assert!(outcome.is_ok(), "{outcome:?}");
    }
    web.stop();
}
