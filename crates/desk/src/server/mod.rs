//! The desk's listener: HTTPS (TLS 1.2 and 1.3) with the node's identity; who they are, people say with Basic.

mod feed;
mod http;
mod login;
mod presence;
mod web;
mod xmpp;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use admin::link::{Place, Strangers};
use anyhow::Context;
use hyper_util::rt::{TokioIo, TokioTimer};
use net::{LiveTls, NodeHandle, OpenId};
use roles::{Control, Reply};
use store::accounts::{Account, Accounts, Origin};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use trust::Identity;
use trust::tls::Versions;

use self::feed::Feed;
use self::presence::Presence;
use crate::centre::{Book, Centre};
use crate::error::Problem;

/// A peer that has not finished its handshake by now is let go.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A request whose head takes longer than this, or whose body does, is not waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at once: an agent's desk holds one for events and a few for requests.
const CONNECTIONS: usize = 16_384;
/// Clients of XMPP who have not logged in yet, in all and from one address.
const LOBBY: usize = 1024;
const LOBBY_ONE_SOURCE: usize = 512;
/// Log-ins whose passwords are looked at at once; others wait.
const LOG_INS: usize = 16;

/// A desk interface that runs; it does until the runtime ends.
pub struct Desk {
    shared: Arc<Shared>,
    /// Where it is, each with the port that it has.
    pub addresses: Addresses,
}

/// Where a desk listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// REST and Server-Sent Events.
    pub rest: SocketAddr,
    /// BOSH and WebSocket; `None`: neither.
    pub web: Option<SocketAddr>,
    /// XMPP over TLS; `None`: it is not spoken.
    pub xmpp: Option<SocketAddr>,
}

/// What is spoken at a listener.
#[derive(Clone, Copy, Debug)]
enum Door {
    Rest,
    Web,
    Xmpp,
}

/// What all connections share.
struct Shared {
    node: NodeHandle,
    book: RwLock<Arc<Book>>,
    accounts: Arc<Accounts>,
    /// Of the provider's people.
    log: Arc<login::Log>,
    log_ins: Semaphore,
    feed: Feed,
    presence: Presence,
    /// Clients of XMPP who have not shown who they are.
    lobby: Strangers,
    bosh: xmpp::bosh::Sessions,
}

impl Desk {
    /// The site was reloaded.
    pub fn replace(&self, book: Book) {
        let book = Arc::new(book);
        *self.shared.book.write().unwrap_or_else(PoisonError::into_inner) = book.clone();
        self.shared.feed.replace(book);
    }

    /// Takes this provider's people from now on; `None`: nobody's. Where that is another, or by other terms, sessions end.
    pub fn replace_provider(&self, provider: Option<Arc<OpenId>>) {
        self.shared.log.replace(provider);
    }
}

/// Binds the addresses and serves the desks of this call server.
///
/// # Errors
/// One of them cannot be bound, the node is no call server or has no identity.
pub async fn serve(
    node: NodeHandle,
    addresses: Addresses,
    book: Book,
    accounts: Arc<Accounts>,
) -> anyhow::Result<Desk> {
    let doors = [(Door::Rest, Some(addresses.rest)), (Door::Web, addresses.web), (Door::Xmpp, addresses.xmpp)];
    let (mut listeners, mut addresses) = (Vec::new(), addresses);
    for (door, address) in doors.into_iter().filter_map(|(door, address)| Some((door, address?))) {
        let words = || format!("desk of {}: cannot listen on {address}", node.name());
        let listener = TcpListener::bind(address).await.with_context(words)?;
        let bound = listener.local_addr()?;
        match door {
            Door::Rest => addresses.rest = bound,
            Door::Web => addresses.web = Some(bound),
            Door::Xmpp => addresses.xmpp = Some(bound),
        }
        listeners.push((door, listener));
    }
    let make = |identity: &Identity, _: &[String], versions: Versions| trust::tls::server_anonymous(identity, versions);
    let book = Arc::new(book);
    let feed = Feed::start(&node, book.clone()).await?;
    let shared = Arc::new(Shared {
        node: node.clone(),
        book: RwLock::new(book),
        accounts,
        log: Arc::new(login::Log::new(addresses.rest.port())?),
        log_ins: Semaphore::new(LOG_INS),
        feed,
        presence: Presence::default(),
        lobby: Strangers::with_room(LOBBY, LOBBY_ONE_SOURCE),
        bosh: xmpp::bosh::Sessions::default(),
    });
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    for (door, listener) in listeners {
        let tls = LiveTls::new(&node, make).context("a node without an identity has no desk")?;
        tokio::spawn(accept(door, listener, tls, room.clone(), shared.clone()));
    }
    Ok(Desk { shared, addresses })
}

async fn accept(door: Door, listener: TcpListener, mut tls: LiveTls, room: Arc<Semaphore>, shared: Arc<Shared>) {
    let strangers = Strangers::default();
    loop {
        let (stream, remote, place) = strangers.accept(&listener, "desk").await;
        let (tls, shared, room) = (tls.acceptor(), shared.clone(), room.clone());
        tokio::spawn(async move {
            if let Err(error) = connection(door, (stream, remote), tls, place, &room, shared.clone()).await {
                let error = format!("{error:#}");
                tracing::debug!(node = shared.node.name(), %remote, %error, "desk: connection ended");
            }
        });
    }
}

async fn connection(
    door: Door,
    (stream, remote): (TcpStream, SocketAddr),
    tls: TlsAcceptor,
    mut place: Place,
    room: &Semaphore,
    shared: Arc<Shared>,
) -> anyhow::Result<()> {
    // Events are small and follow each other: none waits for the last one's acknowledgement (up to 40 ms).
    stream.set_nodelay(true).context("TCP_NODELAY")?;
    let stream = tokio::select! {
        done = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => done.context("handshake took too long")??,
        () = place.wanted() => anyhow::bail!("silent, and its place was needed for somebody else"),
    };
    drop(place);
    let _permit = room.try_acquire().context("as many connections are open as one desk takes")?;
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let source = remote.ip();
    match door {
        Door::Rest => {
            let service = hyper::service::service_fn(move |request| http::respond(shared.clone(), source, request));
            http.serve_connection(TokioIo::new(stream), service).await.context("HTTP")
        }
        Door::Web => {
            let service = hyper::service::service_fn(move |request| web::respond(shared.clone(), source, request));
            http.serve_connection(TokioIo::new(stream), service).with_upgrades().await.context("HTTP")
        }
        Door::Xmpp => {
            xmpp::stream::serve(stream, xmpp::stream::Framing::native(), shared, source).await;
            Ok(())
        }
    }
}

impl Shared {
    fn keeper(&self) -> Keeper {
        Keeper { accounts: self.accounts.clone(), log: self.log.clone(), terms: self.log.terms() }
    }

    fn book(&self) -> Arc<Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How things are, as far as it is asked for.
    async fn centre(&self, dialogs: bool, queues: bool) -> Result<Centre, Problem> {
        look(&self.node, self.book(), dialogs, queues).await
    }
}

/// Knows who may still be here.
#[derive(Clone)]
struct Keeper {
    accounts: Arc<Accounts>,
    log: Arc<login::Log>,
    /// Of the provider, when it was asked for.
    terms: u64,
}

impl Keeper {
    /// As [`Accounts::holds`], beside the runtime where that may take a while; and of a session whether it is open.
    async fn holds(&self, account: &Account) -> bool {
        match account.origin {
            Origin::Store => self.accounts.holds(account),
            Origin::Directory => {
                let (accounts, account) = (self.accounts.clone(), account.clone());
                // It does not panic, and a runtime that stops has no connections.
                tokio::task::spawn_blocking(move || accounts.holds(&account)).await.unwrap_or(false)
            }
            Origin::Provider { session, .. } => {
                self.accounts.holds(account)
                    && self.terms == self.log.terms()
                    && session.is_none_or(|session| self.log.is_open(session))
            }
        }
    }
}

async fn look(node: &NodeHandle, book: Arc<Book>, dialogs: bool, queues: bool) -> Result<Centre, Problem> {
    let agents = match node.control(Control::Agents).await {
        Reply::Agents(agents) => agents,
        other => return Err(sorry(other)),
    };
    let dialogs = match dialogs {
        false => Vec::new(),
        true => match node.control(Control::Dialogs).await {
            Reply::Dialogs(dialogs) => dialogs,
            other => return Err(sorry(other)),
        },
    };
    let queues = match queues {
        false => Vec::new(),
        true => match node.control(Control::Queues).await {
            Reply::Queues(queues) => queues,
            other => return Err(sorry(other)),
        },
    };
    Ok(Centre::new(book, agents, dialogs, queues, now_ms()))
}

fn sorry(reply: Reply) -> Problem {
    match reply {
        Reply::Sorry(words) => Problem::unavailable(words),
        other => Problem::unavailable(format!("the node answered another question: {other:?}")),
    }
}

fn now_ms() -> u64 {
    // A clock before 1970 shows as 0 rather than as a panic.
    std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
