//! XMPP over sockets: what a [`Session`] asks for is done here, for whatever carries it.

pub(super) mod bosh;
pub(super) mod stream;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use admin::link::Place;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Shared;
use super::http::let_in;
use super::presence::Here;
use crate::ring::Next;
use crate::xmpp::{Output, Piece, Session, Transport, parse};

/// From the connection to a resource.
const LOG_IN: Duration = Duration::from_secs(30);
/// A whitespace ping this often; it is also looked whether the client is there and may still be.
const PULSE: Duration = Duration::from_secs(10);

/// One client's session, and what it needs of the process.
struct Talk {
    session: Session,
    shared: Arc<Shared>,
    remote: IpAddr,
    began: Instant,
    /// Among those who have not shown who they are.
    place: Option<Place>,
    here: Option<Here>,
    /// The event that comes next; `None`: the client is not present.
    at: Option<u64>,
    told: watch::Receiver<u64>,
}

/// What is to be sent, stanza by stanza, and whether that is all.
#[derive(Default)]
struct Said {
    stanzas: Vec<String>,
    over: bool,
}

impl Talk {
    /// `None`: too many of this address have not logged in.
    fn new(shared: &Arc<Shared>, remote: IpAddr, transport: Transport) -> Option<Talk> {
        let place = shared.lobby.enter(remote)?;
        let session = Session::new(transport, &shared.book().host, random_id()?);
        Some(Talk {
            session,
            shared: shared.clone(),
            remote,
            began: Instant::now(),
            place: Some(place),
            here: None,
            at: None,
            told: shared.feed.told(),
        })
    }

    async fn open(&mut self, to: Option<&str>) -> Said {
        let outputs = self.session.opened(to);
        self.perform(outputs).await
    }

    async fn hear(&mut self, piece: &Piece, transport: Transport) -> Said {
        let outputs = match piece {
            Piece::Open(text) => match opening(text, transport) {
                Some(to) => self.session.opened(to.as_deref()),
                None => self.session.fail("invalid-namespace", "expected a stream of jabber:client"),
            },
            // Prefixes that a stream's opening tag declares are good for all of its stanzas.
            Piece::Stanza(text) => {
                let whole =
                    format!("<s xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>{text}</s>");
                match parse(&whole) {
                    Ok(document) => {
                        let mut children = document.root_element().children();
                        children.find(|child| child.is_element()).map(|stanza| self.session.hear(stanza))
                    }
                    Err(error) => Some(self.session.fail("not-well-formed", &error.to_string())),
                }
                .unwrap_or_default()
            }
            Piece::Close => self.session.close(),
        };
        self.perform(outputs).await
    }

    async fn perform(&mut self, outputs: Vec<Output>) -> Said {
        let (mut said, mut outputs) = (Said::default(), std::collections::VecDeque::from(outputs));
        while let Some(output) = outputs.pop_front() {
            match output {
                Output::Send(stanza) => said.stanzas.push(stanza),
                Output::LogIn { name, password } => {
                    let outcome = let_in(&self.shared, self.remote, name, password).await;
                    if outcome.is_ok() {
                        self.place = None;
                    }
                    outputs.extend(self.session.logged_in(outcome));
                }
                Output::Subscribe { iq, node } => {
                    let outcome = self.may_hear(&node).await;
                    outputs.extend(self.session.subscribed(&iq, &node, outcome));
                }
                Output::Present(true) => {
                    self.at = self.at.or_else(|| Some(self.shared.feed.now()));
                    if self.here.is_none()
                        && let Some(agent) = self.session.account().and_then(|account| account.agent.as_deref())
                    {
                        self.here = Some(Here::new(&self.shared, agent, true));
                    }
                }
                Output::Present(false) => (self.at, self.here) = (None, None),
                Output::Close => said.over = true,
            }
        }
        said
    }

    async fn may_hear(&self, node: &str) -> Result<(), crate::Problem> {
        let account = self.session.account().ok_or_else(crate::Problem::not_logged_in)?;
        let centre = self.shared.centre(false, false).await?;
        crate::subscription(account, &centre, &[node.to_owned()]).map(drop)
    }

    /// What happens next that is not the client's doing: events, if they are wanted now, or its place is needed for
    /// somebody else. Nothing is lost when this is dropped.
    async fn next(&mut self, events: bool) -> Said {
        if let Some(place) = &mut self.place {
            place.wanted().await;
            self.place = None;
            let outputs = self.session.fail("policy-violation", "not logged in, and the place was needed");
            return self.perform(outputs).await;
        }
        loop {
            let (Some(at), Some(nodes), true) = (self.at, self.session.nodes(), events) else {
                return std::future::pending().await;
            };
            let told = *self.told.borrow_and_update();
            if at < told {
                match self.shared.feed.since(at, nodes) {
                    Next::Events(events, next) => {
                        self.at = Some(next);
                        if !events.is_empty() {
                            let run = self.shared.feed.run;
                            let stanzas = events.iter().map(|(number, event)| self.session.event(run, *number, event));
                            return Said { stanzas: stanzas.collect(), over: false };
                        }
                    }
                    Next::Lost(_) => {
                        let words = "more than 10,000 events behind: connect again, and GET User and Dialogs";
                        let outputs = self.session.fail("resource-constraint", words);
                        return self.perform(outputs).await;
                    }
                }
            } else if self.told.changed().await.is_err() {
                // The node has stopped.
                let outputs = self.session.fail("system-shutdown", "the node stops");
                return self.perform(outputs).await;
            }
        }
    }

    /// Every ten seconds: whether it may go on.
    async fn look(&mut self) -> Said {
        let holds = match self.session.account() {
            Some(account) => Some(self.shared.keeper().holds(account).await),
            None => None,
        };
        let outputs = match holds {
            Some(true) => return Said::default(),
            Some(false) => self.session.fail("not-authorized", "the account was changed or removed"),
            None if self.began.elapsed() < LOG_IN => return Said::default(),
            None => self.session.fail("connection-timeout", "expected a log-in and a resource within 30 s"),
        };
        self.perform(outputs).await
    }

    /// The client is gone, or does what it may not.
    async fn fail(&mut self, condition: &str, words: &str) -> Said {
        let outputs = self.session.fail(condition, words);
        self.perform(outputs).await
    }
}

/// Whom a stream is for; `None`: it is no stream of clients.
fn opening(text: &str, transport: Transport) -> Option<Option<String>> {
    let document = parse(text).ok()?;
    let root = document.root_element();
    let fits = match transport {
        Transport::Native => {
            root.has_tag_name(("http://etherx.jabber.org/streams", "stream"))
                && root.default_namespace() == Some("jabber:client")
        }
        Transport::WebSocket | Transport::Bosh => root.has_tag_name(("urn:ietf:params:xml:ns:xmpp-framing", "open")),
    };
    fits.then(|| root.attribute("to").map(str::to_owned))
}

/// 128 bits that nobody guesses. `None`: the system has no random numbers, so nobody is let in.
fn random_id() -> Option<String> {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).ok()?;
    Some(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}
