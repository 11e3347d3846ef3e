//! One request: who asks, what, and the answer.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};
use roles::{Control, Reply};
use store::accounts::{Account, Door, NotIn};
use tokio::sync::mpsc;

use super::presence::Here;
use super::{PATIENCE, Shared, login};
use crate::error::{ErrorType, Problem};
use crate::notification::Notification;
use crate::request::values;
use crate::routes::{DESCRIPTION, EVENTS, document};
use crate::{Answer, Deed, Method, Request, Resource};

/// Octets of a body: the API's largest are a few hundred.
const LARGEST: usize = 64 * 1024;
/// Characters of a `requestId`.
const LONGEST_ID: usize = 256;
/// Event nodes that one listener names.
const MOST_NODES: usize = 1000;
/// Seconds after which it is worth asking a directory again that did not answer.
const DIRECTORY_BACK: u64 = 10;
/// As the audit log names this interface.
pub(super) const DOOR: &str = "desk";

/// An answer's body: whole, or events as they happen.
pub(super) enum Body {
    Whole(Full<Bytes>),
    Events(mpsc::Receiver<Bytes>),
}

pub(super) async fn respond(
    shared: Arc<Shared>,
    remote: IpAddr,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let tokens = shared.log.takes_tokens().then(|| request.headers().get(AUTHORIZATION).is_some_and(is_bearer));
    let answer = answer(&shared, remote, request).await;
    Ok(answer.unwrap_or_else(|(problem, wait)| refused(&problem, wait, tokens)))
}

/// What is wrong, and after how many seconds it may be tried again.
pub(super) type Refused = (Problem, Option<u64>);

async fn answer(
    shared: &Arc<Shared>,
    remote: IpAddr,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Refused> {
    let (head, body) = request.into_parts();
    let (path, query) = (head.uri.path().to_owned(), head.uri.query().unwrap_or_default().to_owned());
    if let Some(answer) = login::answer(shared, remote, &head.method, (&path, &query), &head.headers).await {
        return answer;
    }
    let verb = head.method.clone();
    let method = match head.method {
        hyper::Method::GET => Method::Get,
        hyper::Method::PUT => Method::Put,
        hyper::Method::POST => Method::Post,
        hyper::Method::DELETE => Method::Delete,
        other => return Err((Problem::not_allowed(other.as_str(), &path), None)),
    };
    let account = match path == crate::system_info::URI {
        true => None,
        false => Some(match login::shown(shared, remote, &verb, &head.headers).await {
            Some(shown) => shown?,
            None => log_in(shared, remote, &head.headers).await?,
        }),
    };
    if path == EVENTS && method == Method::Get {
        // There is one: only SystemInfo needs none.
        let account = account.ok_or_else(|| (Problem::not_logged_in(), None))?;
        return events(shared, &head.headers, &query, account).await.map_err(|problem| (problem, None));
    }
    if path == DESCRIPTION && method == Method::Get {
        let mut response = whole(StatusCode::OK, document().to_string());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Ok(response);
    }
    let body = read(body).await.map_err(|problem| (problem, None))?;
    let request = Request { method, path: &path, query: &query, body: &body };
    let resource = Resource::of(&path).map_err(|problem| (problem, None))?;
    let dialogs =
        matches!(resource, Resource::Dialogs(_) | Resource::Dialog(_) | Resource::Queue(_) | Resource::Queues(_));
    let queues = matches!(resource, Resource::Queue(_) | Resource::Queues(_));
    let centre = shared.centre(dialogs, queues).await.map_err(|problem| (problem, None))?;
    match crate::answer(&request, account.as_ref(), &centre).map_err(|problem| (problem, None))? {
        Answer::Here(xml) => Ok(whole(StatusCode::OK, xml)),
        Answer::Accepted(deeds) => {
            let id = head.headers.get("requestid").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let id: String = id.chars().take(LONGEST_ID).collect();
            for deed in deeds {
                perform(shared, deed, &id, account.as_ref(), remote).await.map_err(|problem| (problem, None))?;
            }
            Ok(whole(StatusCode::ACCEPTED, String::new()))
        }
    }
}

/// An accepted request is done; should it come to nothing, that is notified. What is done to others and cannot be written
/// down is not done: the error says so.
async fn perform(
    shared: &Arc<Shared>,
    deed: Deed,
    request_id: &str,
    account: Option<&Account>,
    remote: IpAddr,
) -> Result<(), Problem> {
    match deed {
        Deed::WriteDown(what) => {
            let who = account.map(|account| account.name.as_str()).unwrap_or_default();
            let written = shared.accounts.write_down(who, Door { source: remote, of: DOOR }, &what);
            if let Err(error) = written {
                tracing::error!(node = shared.node.name(), %error, "desk: not in the audit log, so not done: {what}");
                return Err(Problem::unavailable(format!("not done, because it cannot be written down: {error}")));
            }
        }
        Deed::Notify(notification) => shared.feed.notify(notification.of_request(request_id)),
        Deed::Ask { control, node, source } => {
            if !request_id.is_empty() {
                shared.feed.expect(&source, request_id);
            }
            let (shared, id) = (shared.clone(), request_id.to_owned());
            // What a phone is asked to do takes as long as it takes.
            match matches!(control, Control::Work { .. } | Control::MakeCall { .. } | Control::Supervise { .. }) {
                true => drop(tokio::spawn(async move { ask(&shared, control, &node, &source, &id).await })),
                false => ask(&shared, control, &node, &source, &id).await,
            }
        }
    }
    Ok(())
}

async fn ask(shared: &Shared, control: Control, node: &str, source: &str, request_id: &str) {
    let (kind, number) = match control {
        Control::Work { .. } | Control::MakeCall { .. } | Control::Supervise { .. } => {
            (ErrorType::CallOperationFailure, "34")
        }
        _ => (ErrorType::InvalidState, "22"),
    };
    if let Reply::Sorry(words) = shared.node.control(control).await {
        let problem = Problem::new(kind, number, words);
        shared.feed.notify(Notification::error(node, source, &problem).of_request(request_id));
    }
}

async fn events(
    shared: &Arc<Shared>,
    headers: &HeaderMap,
    query: &str,
    account: Account,
) -> Result<Response<Body>, Problem> {
    let named = values(query, "node");
    if named.len() > MOST_NODES {
        return Err(Problem::input("node", format!("expected at most {MOST_NODES} event nodes, not {}", named.len())));
    }
    let centre = shared.centre(false, false).await?;
    let nodes = crate::subscription(&account, &centre, &named)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let here = account.agent.as_deref().map(|agent| Here::new(shared, agent, false));
    let stream = shared.feed.listen(nodes.into_iter().collect(), last, account, shared.keeper(), here);
    let mut response = Response::new(Body::Events(stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Name and password against the accounts, whichever way they came: all are counted together.
pub(super) async fn let_in(shared: &Shared, remote: IpAddr, name: String, password: String) -> Result<Account, NotIn> {
    // A runtime that stops has no connections either: then nobody hears this.
    let gone = || NotIn::Locked { wait: PATIENCE };
    let _turn = shared.log_ins.acquire().await.map_err(|_| gone())?;
    let accounts = shared.accounts.clone();
    let door = Door { source: remote, of: DOOR };
    let looked = tokio::task::spawn_blocking(move || accounts.log_in(&name, &password, door));
    looked.await.map_err(|_| gone())?
}

/// HTTP Basic (RFC 7617) against the accounts.
async fn log_in(shared: &Shared, remote: IpAddr, headers: &HeaderMap) -> Result<Account, Refused> {
    let (name, password) = credentials(headers).ok_or_else(|| (Problem::not_logged_in(), None))?;
    let failure = |words: String| Problem::new(ErrorType::AuthorizationFailure, "UNAUTHORIZED", words);
    let_in(shared, remote, name, password).await.map_err(|refused| match refused {
        NotIn::Wrong => (failure(refused.to_string()), None),
        NotIn::Locked { wait } => (failure(refused.to_string()), Some(wait.as_secs().max(1))),
        NotIn::NoRole(words) => (Problem::forbidden(&words), None),
        NotIn::Directory => (Problem::unavailable(refused.to_string()), Some(DIRECTORY_BACK)),
        NotIn::Store(error) => (Problem::unavailable(error.to_string()), None),
    })
}

fn is_bearer(value: &HeaderValue) -> bool {
    value.as_bytes().get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"bearer "))
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

pub(super) async fn read(body: Incoming) -> Result<String, Problem> {
    let bad = |words: &str| Problem::new(ErrorType::BadRequest, "body", words);
    let whole = tokio::time::timeout(PATIENCE, Limited::new(body, LARGEST).collect())
        .await
        .map_err(|_| bad("the body did not come within 10 s"))?
        .map_err(|_| bad("expected a body of at most 64 KiB"))?;
    String::from_utf8(whole.to_bytes().to_vec()).map_err(|_| bad("expected XML in UTF-8"))
}

/// `tokens`: whether they are taken here, and if so whether one came.
fn refused(problem: &Problem, wait: Option<u64>, tokens: Option<bool>) -> Response<Body> {
    // Every status of a problem is one.
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = whole(status, problem.body());
    if problem.kind == ErrorType::AuthorizationFailure {
        let basic = HeaderValue::from_static("Basic realm=\"desk\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, basic);
        // RFC 6750 §3.
        let bearer = tokens.map(|came| match came && problem.data == "UNAUTHORIZED" {
            true => "Bearer realm=\"desk\", error=\"invalid_token\"",
            false => "Bearer realm=\"desk\"",
        });
        if let Some(bearer) = bearer {
            response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(bearer));
        }
    }
    if let Some(wait) = wait {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

pub(super) fn whole(status: StatusCode, xml: String) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Full::new(xml.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml;charset=UTF-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Body::Whole(whole) => Pin::new(whole).poll_frame(context),
            Body::Events(events) => events.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece)))),
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Body::Whole(whole) => whole.size_hint(),
            Body::Events(_) => hyper::body::SizeHint::default(),
        }
    }
}
