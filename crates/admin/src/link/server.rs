//! The control link's server: one listener a node.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use axum::Json;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use call::statement::Signed;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use net::{Connections, Handshakes, LiveTls, NodeHandle, SslDebug, TraceEntry};
use roles::{AgentView, Control, DialogView, QueueView, RefusalRecord, Registration, Reply, RoutingView, Status, Verb};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use trust::tls::{ClientCertificate, Versions};
use trust::{Identity, VerifiedPeer};

use super::strangers::{Place, Strangers};
use crate::api::{
    AgentState, Availability, CallWork, Calls, Deed, Finished, LookAt, NewCall, Problem, Reload, Reloaded, Restart,
    Services, Supervision,
};
use crate::openapi::{self, Route};

/// A peer that has not finished its handshake by now is let go.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Administrators' connections at once; more are turned away.
const CONNECTIONS: usize = 256;

/// Binds the node's control address and serves it until the runtime ends.
///
/// # Errors
/// The address cannot be bound, or the node's identity makes no TLS configuration.
pub async fn serve(node: NodeHandle) -> anyhow::Result<SocketAddr> {
    let address = node.control_address();
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("control link of {}: cannot listen on {address}", node.name()))?;
    // Whatever the node speaks besides: both ends of the link are ours.
    let make = |identity: &Identity, roots: &[String], _: Versions| {
        let versions = Versions { tls12: false, tls13: true };
        trust::tls::server_unresumed(identity, roots, versions, ClientCertificate::Required)
    };
    let tls = LiveTls::new(&node, make).context("a node without an identity has no control link")?;
    let bound = listener.local_addr()?;
    tokio::spawn(accept(listener, tls, node));
    Ok(bound)
}

async fn accept(listener: TcpListener, mut tls: LiveTls, node: NodeHandle) {
    let app = routes(node.clone());
    let (strangers, room) = (Strangers::default(), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let (stream, remote, place) = strangers.accept(&listener, "control link").await;
        let (tls, app, room, node) = (tls.acceptor(), app.clone(), room.clone(), node.clone());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, tls, place, &room, app, &node).await {
                tracing::warn!(node = node.name(), %remote, error = %format!("{error:#}"), "control link: connection refused");
            }
        });
    }
}

async fn connection(
    stream: tokio::net::TcpStream,
    tls: TlsAcceptor,
    mut place: Place,
    room: &Semaphore,
    app: Router,
    node: &NodeHandle,
) -> anyhow::Result<()> {
    let changes = node.credentials_changes().context("the node has no identity")?;
    let stream = tokio::select! {
        done = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => done.context("handshake took too long")??,
        () = place.wanted() => anyhow::bail!("silent, and its place was needed for somebody else"),
    };
    let peer = VerifiedPeer::of(stream.get_ref().1).context("no verified certificate")?;
    let certificate = peer.certificate();
    anyhow::ensure!(
        super::may_administer(certificate),
        "expected an administrator's certificate (URI urn:ringfence:admin:…), presented {}; \
         `ringfence init` makes one in the data directory's admin/",
        certificate.names().join(", ")
    );
    drop(place);
    let _permit = room.try_acquire().context("as many administrators' connections are open as one node takes")?;
    let chain: Vec<_> = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
    // The settings that let it in may have changed before this task began to watch them.
    if let Some(refusal) = node.withdrawn(&chain) {
        anyhow::bail!("{refusal}");
    }
    tokio::select! {
        served = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)) => served.context("HTTP"),
        refusal = withdrawn(node, changes, &chain) => anyhow::bail!("{refusal}"),
    }
}

/// Comes back when an administrator who was let in would be no longer.
async fn withdrawn(
    node: &NodeHandle,
    mut changes: watch::Receiver<u64>,
    chain: &[CertificateDer<'static>],
) -> trust::Refusal {
    loop {
        if changes.changed().await.is_err() {
            // The node has stopped, and nothing changes any more.
            std::future::pending::<()>().await;
        }
        if let Some(refusal) = node.withdrawn(chain) {
            return refusal;
        }
    }
}

/// What is answered, and the document that says so.
fn table() -> Vec<Route> {
    let calls_of = "the security record of every leg that is up";
    vec![
        Route::get::<Status>("/api/v1/status", get(status), "node, role, calls, legs, free ports, panics, plan"),
        Route::get::<Calls>("/api/v1/calls", get(calls), calls_of),
        Route::get::<Connections>("/api/v1/connections", get(connections), "connections, and what became of others"),
        Route::get::<Vec<RefusalRecord>>(
            "/api/v1/refusals",
            get(refusals),
            "who was refused, by which rule, and what to do",
        ),
        Route::get::<Vec<SslDebug>>("/api/v1/debugging", get(debugging), "what of handshakes somebody looks at"),
        Route::post("/api/v1/debugging", post(handshakes), "handshakes as they go on")
            .of::<LookAt>()
            .answered::<Handshakes>(),
        Route::post("/api/v1/debugging/off", post(undebug), "nobody looks at handshakes any more"),
        Route::get::<Vec<TraceEntry>>("/api/v1/trace", get(trace), "SIP messages, without keys").may("caller"),
        Route::get::<Vec<Registration>>("/api/v1/registrations", get(registrations), "phones that are registered"),
        Route::get::<Vec<AgentView>>("/api/v1/agents", get(agents), "agents and their states"),
        Route::post("/api/v1/agents/{id}/state", post(agent_state), "an agent's state is changed").of::<AgentState>(),
        Route::post("/api/v1/agents/{id}/supervision", post(supervision), "a supervisor comes into an agent's call")
            .of::<Supervision>(),
        Route::get::<Vec<DialogView>>("/api/v1/agents/{id}/calls", get(calls_of_agent), "calls that an agent has"),
        Route::post("/api/v1/agents/{id}/calls", post(new_call), "an agent's phone calls a number").of::<NewCall>(),
        Route::post("/api/v1/agents/{id}/calls/{call}", post(call_work), "something is done with an agent's call")
            .of::<CallWork>(),
        Route::get::<Vec<QueueView>>("/api/v1/queues", get(queues), "queues, and who waits"),
        Route::get::<RoutingView>("/api/v1/figures", get(figures), "figures by quarters of an hour, of the last day"),
        Route::get::<Vec<Finished>>("/api/v1/statements", get(statements), "finished calls with a signed statement"),
        Route::get::<Vec<Signed>>("/api/v1/statements/{caller}", get(statement), "statements on a caller's calls"),
        Route::post("/api/v1/reload", post(reload), "site and certificates are read again")
            .of::<Reload>()
            .answered::<Reloaded>(),
        Route::get::<Services>("/api/v1/services", get(services), "what runs, since when"),
        Route::post("/api/v1/restart", post(restart), "a part is stopped and started")
            .of::<Restart>()
            .answered::<Reloaded>(),
        Route::post("/api/v1/drain", post(drain), "no new calls; answered when the last has ended"),
        Route::get::<Value>(openapi::PATH, get(described), "this document"),
    ]
}

fn routes(node: NodeHandle) -> Router {
    let table =
        table().into_iter().fold(Router::new(), |router, Route { path, handler, .. }| router.route(path, handler));
    table
        .fallback(async || problem(StatusCode::NOT_FOUND, "no such resource; see /api/v1 in docs/control-link.md"))
        .with_state(node)
}

async fn described() -> Response {
    Json(openapi::document(&table())).into_response()
}

async fn connections(State(node): State<NodeHandle>) -> Response {
    Json(node.connections()).into_response()
}

async fn refusals(State(node): State<NodeHandle>) -> Response {
    Json(node.refusals()).into_response()
}

async fn debugging(State(node): State<NodeHandle>) -> Response {
    Json(node.debugging()).into_response()
}

async fn handshakes(
    State(node): State<NodeHandle>,
    body: Result<Json<LookAt>, axum::extract::rejection::JsonRejection>,
) -> Response {
    match body {
        Ok(Json(LookAt { what, after })) => Json(node.handshakes(what, after)).into_response(),
        Err(rejection) => problem(
            StatusCode::BAD_REQUEST,
            format!("expected {{\"what\":\"errors|msg|states\"}}, and \"after\":N to go on: {rejection}"),
        ),
    }
}

async fn undebug(State(node): State<NodeHandle>) -> Response {
    node.undebug();
    StatusCode::NO_CONTENT.into_response()
}

/// An answer that says what is wrong, in words.
fn problem(status: StatusCode, words: impl Into<String>) -> Response {
    (status, Json(Problem { error: words.into() })).into_response()
}

/// What a role says when the question is not for it, or cannot be answered now.
fn sorry(reply: Reply) -> Response {
    match reply {
        Reply::Sorry(words) => problem(StatusCode::CONFLICT, words),
        Reply::Done => StatusCode::NO_CONTENT.into_response(),
        other => problem(StatusCode::INTERNAL_SERVER_ERROR, format!("the node answered another question: {other:?}")),
    }
}

async fn status(State(node): State<NodeHandle>) -> Response {
    match node.control(Control::Status).await {
        Reply::Status(status) => Json(status).into_response(),
        other => sorry(other),
    }
}

async fn calls(State(node): State<NodeHandle>) -> Response {
    match node.control(Control::Calls).await {
        Reply::Calls(legs) => {
            Json(Calls { node: node.name().to_owned(), started_ms: node.started_ms(), now_ms: now_ms(), legs })
                .into_response()
        }
        other => sorry(other),
    }
}

#[derive(Deserialize)]
struct TraceQuery {
    caller: Option<String>,
}

async fn trace(State(node): State<NodeHandle>, Query(query): Query<TraceQuery>) -> Response {
    let entries = node.trace();
    Json(match query.caller {
        Some(caller) => crate::ladder::of_call(entries, &caller),
        None => entries,
    })
    .into_response()
}

async fn registrations(State(node): State<NodeHandle>) -> Response {
    match node.control(Control::Registrations).await {
        Reply::Registrations(list) => Json(list).into_response(),
        other => sorry(other),
    }
}

async fn agents(State(node): State<NodeHandle>) -> Response {
    match node.control(Control::Agents).await {
        Reply::Agents(list) => Json(list).into_response(),
        other => sorry(other),
    }
}

async fn queues(State(node): State<NodeHandle>) -> Response {
    match node.control(Control::Queues).await {
        Reply::Queues(list) => Json(list).into_response(),
        other => sorry(other),
    }
}

async fn figures(State(node): State<NodeHandle>) -> Response {
    match node.control(Control::Routing).await {
        Reply::Routing(view) => Json(view).into_response(),
        other => sorry(other),
    }
}

async fn agent_state(
    State(node): State<NodeHandle>,
    Path(agent): Path<String>,
    body: Result<Json<AgentState>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let wanted = match body {
        Ok(Json(wanted)) => wanted,
        Err(rejection) => {
            let words = format!(
                "expected {{\"state\":\"READY\"}} or {{\"state\":\"NOT_READY\",\"reason\":\"…\"}}: {rejection}"
            );
            return problem(StatusCode::BAD_REQUEST, words);
        }
    };
    let control = match wanted.state {
        Availability::Ready => Control::AgentReady { agent },
        Availability::NotReady => Control::AgentNotReady { agent, reason: wanted.reason },
        Availability::Login => Control::AgentLogin { agent },
        Availability::Logout => Control::AgentLogout { agent, reason: wanted.reason },
    };
    sorry(node.control(control).await)
}

async fn supervision(
    State(node): State<NodeHandle>,
    Path(agent): Path<String>,
    body: Result<Json<Supervision>, axum::extract::rejection::JsonRejection>,
) -> Response {
    match body {
        Ok(Json(Supervision { supervisor, how })) => {
            sorry(node.control(Control::Supervise { supervisor, agent, how }).await)
        }
        Err(rejection) => problem(
            StatusCode::BAD_REQUEST,
            format!("expected {{\"supervisor\":\"ID\",\"how\":\"listen|whisper|barge|take_over\"}}: {rejection}"),
        ),
    }
}

async fn calls_of_agent(State(node): State<NodeHandle>, Path(agent): Path<String>) -> Response {
    match node.control(Control::Dialogs).await {
        Reply::Dialogs(mut list) => {
            list.retain(|dialog| dialog.agent == agent);
            Json(list).into_response()
        }
        other => sorry(other),
    }
}

async fn new_call(
    State(node): State<NodeHandle>,
    Path(agent): Path<String>,
    body: Result<Json<NewCall>, axum::extract::rejection::JsonRejection>,
) -> Response {
    match body {
        Ok(Json(NewCall { to })) => sorry(node.control(Control::MakeCall { agent, to }).await),
        Err(rejection) => problem(StatusCode::BAD_REQUEST, format!("expected {{\"to\":\"NUMBER\"}}: {rejection}")),
    }
}

async fn call_work(
    State(node): State<NodeHandle>,
    Path((agent, call)): Path<(String, String)>,
    body: Result<Json<CallWork>, axum::extract::rejection::JsonRejection>,
) -> Response {
    let CallWork { deed, with } = match body {
        Ok(Json(work)) => work,
        Err(rejection) => {
            let words =
                format!("expected {{\"do\":\"hold\"}}, {{\"do\":\"consult\",\"with\":\"NUMBER\"}}, …: {rejection}");
            return problem(StatusCode::BAD_REQUEST, words);
        }
    };
    let Ok(call) = call.parse() else {
        return problem(
            StatusCode::BAD_REQUEST,
            format!("expected a call's number, as GET …/calls has it, not `{call}`"),
        );
    };
    let work = |verb, with| Control::Work { call, agent: agent.clone(), verb, with };
    let control = match deed {
        Deed::Answer => work(Verb::Answer, with),
        Deed::Hold => work(Verb::Hold, with),
        Deed::Retrieve => work(Verb::Retrieve, with),
        Deed::Consult => work(Verb::Consult, with),
        Deed::Transfer => work(Verb::Complete, with),
        Deed::Conference => work(Verb::Confer, with),
        Deed::Press => work(Verb::Press, with),
        Deed::SendOn => Control::Transfer { call, agent, to: with },
        Deed::WrapUp => Control::Note { call, agent, values: [("wrapUpReason".to_owned(), with)].into() },
        Deed::Drop => Control::Drop { call, agent },
    };
    sorry(node.control(control).await)
}

async fn statements(State(node): State<NodeHandle>) -> Response {
    // It waits for the disk.
    let list = tokio::task::spawn_blocking(move || node.statements()).await.unwrap_or_default();
    let list: Vec<Finished> = list.into_iter().map(|(caller, made_ms)| Finished { caller, made_ms }).collect();
    Json(list).into_response()
}

/// The stored statements on a caller's finished calls, oldest first; of a live one, the statement as it stands.
async fn statement(State(node): State<NodeHandle>, Path(caller): Path<String>) -> Response {
    let (asked, whose) = (node.clone(), caller.clone());
    let stored = tokio::task::spawn_blocking(move || asked.statements_of(&whose)).await.unwrap_or_default();
    if !stored.is_empty() {
        return Json(stored).into_response();
    }
    match node.control(Control::Statement { caller: call::session_id::Uuid(caller) }).await {
        Reply::Statement(signed) => Json([signed]).into_response(),
        Reply::Sorry(words) => problem(StatusCode::NOT_FOUND, words),
        other => sorry(other),
    }
}

async fn reload(State(node): State<NodeHandle>, Json(wanted): Json<Reload>) -> Response {
    match node.read_again(wanted.list, wanted.site).await {
        Ok(changed) => Json(Reloaded { changed }).into_response(),
        Err(words) => problem(StatusCode::CONFLICT, words),
    }
}

async fn services(State(node): State<NodeHandle>) -> Response {
    match crate::services::services(&node).await {
        Ok(services) => Json(services).into_response(),
        Err(words) => problem(StatusCode::CONFLICT, words),
    }
}

async fn restart(State(node): State<NodeHandle>, Json(wanted): Json<Restart>) -> Response {
    match node.restart(wanted.part).await {
        Ok(changed) => Json(Reloaded { changed }).into_response(),
        Err(words) => problem(StatusCode::CONFLICT, words),
    }
}

async fn drain(State(node): State<NodeHandle>) -> Response {
    sorry(node.control(Control::Drain).await)
}

pub(crate) fn now_ms() -> u64 {
    // A clock before 1970 shows as 0 rather than as a panic.
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
