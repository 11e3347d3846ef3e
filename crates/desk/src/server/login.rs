//! People of an OpenID provider at the desk: a bearer token with each request, or a browser that is sent to the provider,
//! comes back with a code, and has a session by a cookie from then on.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderValue, LOCATION, ORIGIN, SET_COOKIE};
use hyper::{Method, Response, StatusCode};
use net::{Begun, NotProven, OpenId, ProvenPerson};
use store::accounts::{Account, Accounts, Door, NotIn, Origin};
use tokio::sync::Semaphore;

use super::http::{Body, DOOR, Refused, whole};
use super::{PATIENCE, Shared};
use crate::error::{ErrorType, Problem};
use crate::request::values;
use crate::session::{NotBegun, Session, Sessions, Tickets, cookie, is_from_here, is_own_path};

const LOG_IN: &str = "/api/v1/login";
const CALLBACK: &str = "/api/v1/login/callback";
const LOG_OUT: &str = "/api/v1/logout";
const SESSION: &str = "/api/v1/session";
/// `__Host-`: of this host alone, over TLS alone, for all of its paths (RFC 6265bis §4.1.3.2).
const BEGUN: &str = "__Host-log-in";
const OPEN: &str = "__Host-session";
/// Neither for scripts, nor with what other sites' pages send but for a link that is followed.
const ALWAYS: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";
/// Characters of a code that is looked at.
const LONGEST_CODE: usize = 4096;
/// Tokens whose first use is remembered, so that each is in the audit log once.
const MOST_SEEN: usize = 16_384;

/// What a desk knows of a provider's people.
pub(super) struct Log {
    provider: RwLock<Option<Arc<OpenId>>>,
    tickets: Mutex<Tickets>,
    sessions: Mutex<Sessions>,
    /// Digests of tokens, and when each ends.
    seen: Mutex<std::collections::BTreeMap<Vec<u8>, i64>>,
    /// Codes that are redeemed at once; others wait.
    turns: Semaphore,
    /// Counts up with the terms: a stream that began by others' ends.
    terms: AtomicU64,
    began: Instant,
    /// Where browsers are sent back to.
    port: u16,
}

impl Log {
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn new(port: u16) -> anyhow::Result<Log> {
        Ok(Log {
            provider: RwLock::default(),
            tickets: Mutex::new(Tickets::new(&random()?)),
            sessions: Mutex::default(),
            seen: Mutex::default(),
            turns: Semaphore::new(super::LOG_INS),
            terms: AtomicU64::new(0),
            began: Instant::now(),
            port,
        })
    }

    /// Whoever came by another's word, or by other terms, comes anew.
    pub(super) fn replace(&self, provider: Option<Arc<OpenId>>) {
        let mut now = self.provider.write().unwrap_or_else(PoisonError::into_inner);
        let settings = |provider: &Option<Arc<OpenId>>| provider.as_ref().map(|provider| provider.settings().clone());
        if settings(&now) != settings(&provider) {
            // First the number: who looks at it with the sessions in hand is closed, or does not open.
            self.terms.fetch_add(1, Ordering::Relaxed);
            lock(&self.sessions).close_all();
            lock(&self.seen).clear();
        }
        *now = provider;
    }

    fn provider(&self) -> Option<Arc<OpenId>> {
        self.provider.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_open(&self, session: u64) -> bool {
        lock(&self.sessions).is_open(session, self.began.elapsed())
    }

    /// By which whoever comes now is let in: another number is another issuer, or other rules.
    pub(super) fn terms(&self) -> u64 {
        self.terms.load(Ordering::Relaxed)
    }

    /// Whether the desk takes tokens.
    pub(super) fn takes_tokens(&self) -> bool {
        self.provider().is_some()
    }
}

/// Who a request is of that shows a token, or a session's cookie; `None`: it shows neither.
pub(super) async fn shown(
    shared: &Arc<Shared>,
    remote: IpAddr,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Result<Account, Refused>> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let value = value.to_str().unwrap_or_default();
        let (scheme, token) = value.split_once(' ')?;
        return match scheme.eq_ignore_ascii_case("bearer") {
            true => Some(bearer(shared, remote, token.trim()).await),
            false => None,
        };
    }
    let cookie = session_cookie(headers)?;
    let found = lock(&shared.log.sessions).find(cookie, shared.log.began.elapsed());
    Some(match found {
        None => Err((unauthorized("the session is over: log in at /api/v1/login"), None)),
        Some(_) if *method != Method::GET && !is_of_ours(headers) => Err((foreign(), None)),
        Some(session) => Ok(session.account),
    })
}

async fn bearer(shared: &Arc<Shared>, remote: IpAddr, token: &str) -> Result<Account, Refused> {
    let Some(provider) = shared.log.provider() else {
        return Err((unauthorized("no tokens are taken here: the site has no `[open_id]`; HTTP Basic is"), None));
    };
    let person = provider.bearer(token).await.map_err(|why| not_proven(shared, &why))?;
    let until_s = u64::try_from(person.until).unwrap_or_default();
    let until = person.until;
    let account = account(person, Origin::Provider { until_s, session: None });
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes()).as_ref().to_vec();
    let first = !lock(&shared.log.seen).contains_key(&digest);
    if first {
        let what = format!("came with a token of the provider's, as {}", account.role.word());
        // First the line, then the memory: a token whose line could not be written is no more let in the second time.
        write_down(shared, &account.name, remote, what).await?;
        let (mut seen, now) = (lock(&shared.log.seen), (super::now_ms() / 1000) as i64);
        if seen.len() >= MOST_SEEN {
            seen.retain(|_, until| *until > now);
            if seen.len() >= MOST_SEEN {
                seen.clear();
            }
        }
        seen.insert(digest, until);
    }
    Ok(account)
}

/// What is asked of log-in and log-out themselves; `None`: it is something else.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    remote: IpAddr,
    method: &Method,
    (path, query): (&str, &str),
    headers: &HeaderMap,
) -> Option<Result<Response<Body>, Refused>> {
    Some(match (method, path) {
        (&Method::GET, LOG_IN) => begin(shared, query).await,
        (&Method::GET, CALLBACK) => finish(shared, remote, query, headers).await,
        (&Method::POST, LOG_OUT) => log_out(shared, remote, headers).await,
        (&Method::GET, SESSION) => session(shared, headers),
        (_, LOG_IN | CALLBACK | LOG_OUT | SESSION) => Err((Problem::not_allowed(method.as_str(), path), None)),
        _ => return None,
    })
}

/// To the provider.
async fn begin(shared: &Arc<Shared>, query: &str) -> Result<Response<Body>, Refused> {
    let provider = shared.log.provider().ok_or_else(no_provider)?;
    let to = values(query, "to").pop().unwrap_or_else(|| SESSION.to_owned());
    if !is_own_path(&to) {
        let words = "expected a path of this desk, beginning with one `/`: nobody is sent elsewhere";
        return Err((Problem::input("to", words), None));
    }
    let id = random().map_err(|_| (Problem::unavailable("the system has no random numbers"), None))?;
    let ticket = lock(&shared.log.tickets).begin(&id, &to, shared.log.began.elapsed());
    let begun = begun(shared, &ticket);
    let url = provider.begin(&begun).await.map_err(|why| not_proven(shared, &why))?;
    let set = format!("{BEGUN}={}; {ALWAYS}; Max-Age=600", ticket.cookie);
    sent_to(&url, StatusCode::FOUND, &[set])
}

/// Back from it.
async fn finish(
    shared: &Arc<Shared>,
    remote: IpAddr,
    query: &str,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refused> {
    let terms = shared.log.terms();
    let provider = shared.log.provider().ok_or_else(no_provider)?;
    let door = Door { source: remote, of: DOOR };
    shared.accounts.may_try(door).map_err(refused)?;
    let one = |name: &str| values(query, name).pop();
    let state = one("state").unwrap_or_default();
    let cookie = cookie(texts(headers, &COOKIE), BEGUN);
    let not_begun = |why: NotBegun| (unauthorized(why.words()), None);
    let found = lock(&shared.log.tickets).find(cookie, &state, shared.log.began.elapsed());
    found.map_err(not_begun)?;
    // RFC 9207: who says where it comes from comes from there.
    if one("iss").is_some_and(|issuer| issuer != provider.settings().issuer) {
        return Err((unauthorized("this answer is of another provider"), None));
    }
    let code = match (one("error"), one("code")) {
        (Some(error), _) => {
            let error: String = error.chars().filter(|c| c.is_ascii_graphic()).take(80).collect();
            return Err((unauthorized(&format!("the provider did not log you in: {error}")), None));
        }
        (None, Some(code)) if code.len() <= LONGEST_CODE => code,
        (None, _) => return Err((unauthorized("the provider sent no code"), None)),
    };
    // Not the turns of passwords: a provider that is slow keeps nobody of the store waiting.
    let turn = shared.log.turns.acquire().await;
    // Of those that came at once each hears of the ones before it.
    shared.accounts.may_try(door).map_err(refused)?;
    let ended = lock(&shared.log.tickets).end(cookie, &state, shared.log.began.elapsed());
    let ticket = ended.map_err(not_begun)?;
    let proven = provider.finish(&begun(shared, &ticket), &code).await;
    let person = match proven {
        Ok(person) => person,
        Err(why) => {
            if !matches!(why, NotProven::Unavailable(_)) {
                let (accounts, words) =
                    (shared.accounts.clone(), format!("was not let in by the provider's word: {why}"));
                let written = tokio::task::spawn_blocking(move || accounts.refused("", door, &words)).await;
                if let Ok(Err(error)) = written {
                    return Err((Problem::unavailable(error.to_string()), None));
                }
            }
            return Err(not_proven(shared, &why));
        }
    };
    drop(turn);
    let value = URL_SAFE_NO_PAD
        .encode(random::<32>().map_err(|_| (Problem::unavailable("the system has no random numbers"), None))?);
    let (idle, life) = (provider.settings().session_idle_s, provider.settings().session_life_s);
    let until_s = super::now_ms() / 1000 + u64::from(life);
    let account = {
        let mut sessions = lock(&shared.log.sessions);
        if terms != shared.log.terms() {
            return Err((unauthorized("who may log in has changed meanwhile: begin again at /api/v1/login"), None));
        }
        let account = account(person, Origin::Provider { until_s, session: Some(sessions.next()) });
        let seconds = |s: u32| Duration::from_secs(s.into());
        sessions.open(&value, account.clone(), seconds(idle), seconds(life), shared.log.began.elapsed());
        account
    };
    let what = format!("logged in by the provider's word, as {}", account.role.word());
    write_down(shared, &account.name, remote, what).await?;
    let set = [format!("{OPEN}={value}; {ALWAYS}"), format!("{BEGUN}=; {ALWAYS}; Max-Age=0")];
    sent_to(&ticket.to, StatusCode::SEE_OTHER, &set)
}

async fn log_out(shared: &Arc<Shared>, remote: IpAddr, headers: &HeaderMap) -> Result<Response<Body>, Refused> {
    let value = session_cookie(headers).ok_or_else(|| (unauthorized("there is no session to end"), None))?;
    if !is_of_ours(headers) {
        return Err((foreign(), None));
    }
    let closed = lock(&shared.log.sessions).close(value);
    if let Some(account) = closed {
        write_down(shared, &account.name, remote, "logged out".into()).await?;
    }
    let mut response = whole(StatusCode::NO_CONTENT, String::new());
    set_cookies(&mut response, &[format!("{OPEN}=; {ALWAYS}; Max-Age=0")])?;
    Ok(response)
}

/// Who this browser's session is of.
fn session(shared: &Arc<Shared>, headers: &HeaderMap) -> Result<Response<Body>, Refused> {
    let now = shared.log.began.elapsed();
    let found = session_cookie(headers).and_then(|cookie| lock(&shared.log.sessions).find(cookie, now));
    let Session { account, until, idle_until, .. } =
        found.ok_or_else(|| (unauthorized("no session: log in at /api/v1/login"), None))?;
    let json = serde_json::json!({
        "name": account.name,
        "role": account.role.word(),
        "agent": account.agent,
        "idle_s": idle_until.saturating_sub(now).as_secs(),
        "left_s": until.saturating_sub(now).as_secs(),
    });
    let mut response = whole(StatusCode::OK, json.to_string());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn begun(shared: &Shared, ticket: &crate::session::Ticket) -> Begun {
    let host = shared.book().host.clone();
    let port = if shared.log.port == 443 { String::new() } else { format!(":{}", shared.log.port) };
    Begun {
        state: ticket.state.clone(),
        nonce: ticket.nonce.clone(),
        verifier: ticket.verifier.clone(),
        redirect_uri: format!("https://{host}{port}{CALLBACK}"),
    }
}

fn account(person: ProvenPerson, origin: Origin) -> Account {
    let ProvenPerson { name, role, agent, .. } = person;
    Account { name, role, agent, made_ms: 0, origin }
}

fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie(texts(headers, &COOKIE), OPEN)
}

fn texts<'a>(headers: &'a HeaderMap, name: &hyper::header::HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}

fn is_of_ours(headers: &HeaderMap) -> bool {
    let one = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    is_from_here(one("sec-fetch-site"), one(ORIGIN.as_str()), one(HOST.as_str()))
}

fn foreign() -> Problem {
    Problem::forbidden(
        "a session's cookie changes nothing unless the request says that a page of this desk sent it: expected `Sec-Fetch-Site: same-origin`, or `Origin` with this host",
    )
}

fn unauthorized(words: &str) -> Problem {
    Problem::new(ErrorType::AuthorizationFailure, "UNAUTHORIZED", words)
}

fn no_provider() -> Refused {
    (Problem::not_found("provider to log in at", "open_id"), None)
}

fn not_proven(shared: &Shared, why: &NotProven) -> Refused {
    match why {
        NotProven::Token(fault) => (unauthorized(&format!("the token is not believed: {fault}")), None),
        NotProven::Unfit(words) => (unauthorized(words), None),
        NotProven::Code(_) => (unauthorized(&why.to_string()), None),
        NotProven::NoRole(words) => (Problem::forbidden(words), None),
        NotProven::Unavailable(words) => {
            tracing::warn!(node = shared.node.name(), why = words, "desk: no word of the provider");
            let words =
                "the provider that says who you are does not answer: accounts of the store log in with HTTP Basic";
            (Problem::unavailable(words), Some(30))
        }
    }
}

fn refused(why: NotIn) -> Refused {
    match why {
        NotIn::Locked { wait } => (unauthorized(&why.to_string()), Some(wait.as_secs().max(1))),
        other => (Problem::unavailable(other.to_string()), None),
    }
}

fn sent_to(url: &str, status: StatusCode, cookies: &[String]) -> Result<Response<Body>, Refused> {
    let bad = |_| (Problem::unavailable("an address that cannot be said"), None);
    let mut response = whole(status, String::new());
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(url).map_err(bad)?);
    // A code stands in the address that the browser is at.
    response.headers_mut().insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    set_cookies(&mut response, cookies)?;
    Ok(response)
}

fn set_cookies(response: &mut Response<Body>, cookies: &[String]) -> Result<(), Refused> {
    for cookie in cookies {
        let bad = |_| (Problem::unavailable("a cookie that cannot be said"), None);
        response.headers_mut().append(SET_COOKIE, HeaderValue::from_str(cookie).map_err(bad)?);
    }
    Ok(())
}

/// Nobody is let in of whom that could not be written down.
async fn write_down(shared: &Arc<Shared>, name: &str, remote: IpAddr, what: String) -> Result<(), Refused> {
    let (accounts, name): (Arc<Accounts>, String) = (shared.accounts.clone(), name.to_owned());
    let door = Door { source: remote, of: DOOR };
    let written = tokio::task::spawn_blocking(move || accounts.write_down(&name, door, &what)).await;
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err((Problem::unavailable(error.to_string()), None)),
        Err(_) => Err((Problem::unavailable("the process stops"), Some(PATIENCE.as_secs()))),
    }
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    Ok(octets)
}

/// What a thread that panicked left is whole: each is changed in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
