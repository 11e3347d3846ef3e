//! An OpenID provider of one client: discovery document, keys, authorization and token endpoint over TLS, as strict as the
//! RFCs want it, and able to lie.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio_rustls::TlsAcceptor;
use trust::tls::Versions;
use trust::{KeyKind, TokenIssuer, generate_key};

pub(crate) const CLIENT: &str = "desk";
pub(crate) const SECRET: &str = "what the client says";

pub(crate) struct Provider {
    pub(crate) issuer: String,
    pub(crate) root: String,
    inner: Arc<Mutex<Inner>>,
    _server: tokio::task::JoinHandle<()>,
}

struct Inner {
    key: TokenIssuer,
    /// By codes that were not used.
    codes: BTreeMap<String, BTreeMap<String, String>>,
    next: u32,
    /// What was asked.
    seen: Vec<String>,
    /// Put into every ID token in the place of what belongs there.
    lies: Map<String, Value>,
    issuer: String,
    gone: bool,
}

impl Provider {
    pub(crate) async fn start() -> Provider {
        let ca = trust::Ca::create("corp", SystemTime::now()).unwrap();
        let request = trust::Request {
            common_name: "127.0.0.1".into(),
            dns_names: Vec::new(),
            ip_addresses: vec![[127, 0, 0, 1].into()],
            node: None,
            uris: Vec::new(),
            key: KeyKind::P256,
            not_before: SystemTime::now() - Duration::from_secs(60),
            not_after: SystemTime::now() + Duration::from_secs(600),
        };
        let both = Versions { tls12: true, tls13: true };
        let tls = TlsAcceptor::from(trust::tls::server_anonymous(&ca.issue(&request).unwrap(), both).unwrap());
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let issuer = format!("https://{}", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner {
            key: key(),
            codes: BTreeMap::new(),
            next: 0,
            seen: Vec::new(),
            lies: Map::new(),
            issuer: issuer.clone(),
            gone: false,
        }));
        let shared = inner.clone();
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, inner) = (tls.clone(), shared.clone());
                tokio::spawn(async move {
                    if inner.lock().unwrap().gone {
                        return;
                    }
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(inner.clone(), request));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Provider { issuer, root: ca.certificate_pem().to_owned(), inner, _server: server }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// What was asked since this was asked last.
    pub(crate) fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().seen)
    }

    /// From now on each ID token says so; nothing: the truth.
    pub(crate) fn lies(&self, lies: Value) {
        self.inner().lies = lies.as_object().unwrap().clone();
    }

    pub(crate) fn goes(&self, gone: bool) {
        self.inner().gone = gone;
    }

    pub(crate) fn changes_its_key(&self) {
        self.inner().key = key();
    }

    /// A token of its own, with these claims in the place of the usual.
    pub(crate) fn token(&self, claims: Value) -> String {
        self.inner().token(&claims)
    }

    /// Somebody logs in there, having been sent to this address: where they are sent back to, path and query.
    pub(crate) fn log_in(&self, url: &str, who: &str) -> String {
        let (at, query) = url.split_once('?').unwrap();
        assert_eq!(at, format!("{}/authorize", self.issuer));
        let mut asked = fields(query);
        for (name, value) in [("response_type", "code"), ("client_id", CLIENT), ("code_challenge_method", "S256")] {
            assert_eq!(asked[name], value);
        }
        assert_eq!(asked["scope"], "openid profile");
        let back = asked["redirect_uri"].clone();
        let path = back.strip_prefix("https://cvp1.lab.example:").unwrap();
        let path = &path[path.find('/').unwrap()..];
        let mut inner = self.inner();
        inner.next += 1;
        let (code, state) = (format!("code-{}", inner.next), asked["state"].clone());
        asked.insert("who".into(), who.into());
        inner.codes.insert(code.clone(), asked);
        format!("{path}?code={code}&state={state}&iss={}", self.issuer.replace(':', "%3A").replace('/', "%2F"))
    }
}

impl Inner {
    fn token(&self, more: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.issuer, "sub": "ada@idp", "aud": CLIENT, "iat": now, "exp": now + 300,
            "preferred_username": "ada", "agent": "1001", "roles": ["staff", "agents"],
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.key.issue(&claims).unwrap()
    }
}

fn key() -> TokenIssuer {
    TokenIssuer::from_pem(&generate_key(KeyKind::P256).unwrap().0).unwrap()
}

async fn answer(inner: Arc<Mutex<Inner>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let authorization = parts.headers.get("authorization").map_or("", |value| value.to_str().unwrap()).to_owned();
    let mut inner = inner.lock().unwrap();
    inner.seen.push(parts.uri.path().to_owned());
    let issuer = inner.issuer.clone();
    let (status, said) = match parts.uri.path() {
        "/.well-known/openid-configuration" => {
            let metadata = json!({
                "issuer": issuer, "jwks_uri": format!("{issuer}/keys"),
                "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
                "code_challenge_methods_supported": ["S256"],
            });
            (200, metadata.to_string())
        }
        "/keys" => (200, inner.key.key_set()),
        "/token" => match redeem(&mut inner, &fields(&body), &authorization) {
            Ok(token) => (200, json!({ "token_type": "Bearer", "access_token": "-", "id_token": token }).to_string()),
            Err(error) => (400, json!({ "error": error }).to_string()),
        },
        _ => (404, String::new()),
    };
    Ok(Response::builder().status(status).body(Full::new(said.into())).unwrap())
}

/// RFC 6749 §4.1.3, RFC 7636 §4.6.
fn redeem(inner: &mut Inner, form: &BTreeMap<String, String>, authorization: &str) -> Result<String, &'static str> {
    let expected = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{}", SECRET.replace(' ', "%20"))));
    if authorization != expected {
        return Err("invalid_client");
    }
    if form["grant_type"] != "authorization_code" {
        return Err("unsupported_grant_type");
    }
    let asked = inner.codes.remove(&form["code"]).ok_or("invalid_grant")?;
    let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, form["code_verifier"].as_bytes()));
    if asked["code_challenge"] != challenge || asked["redirect_uri"] != form["redirect_uri"] {
        return Err("invalid_grant");
    }
    let mut claims = json!({ "nonce": asked["nonce"], "preferred_username": asked["who"] });
    claims.as_object_mut().unwrap().extend(inner.lies.clone());
    Ok(inner.token(&claims))
}

/// Of a form or a query.
fn fields(text: &str) -> BTreeMap<String, String> {
    let plain = |text: &str| {
        let (mut out, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            out.push(match first {
                b'%' => {
                    let (digits, after) = rest.split_at(2);
                    rest = after;
                    u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
                }
                b'+' => b' ',
                other => *other,
            });
        }
        String::from_utf8(out).unwrap()
    };
    text.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (plain(name), plain(value))).collect()
}
