//! CAPF over TLS: one task has the machine, each connection sends it messages and is sent what to say.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use phones::capf::{Event, Framer, Message, Output, Roots, Server, SessionId, Settings};
use store::{Lsc, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot, watch};
use trust::{Ca, LscRequest};

use super::Shared;

/// How long an LSC lives.
const LIFE: Duration = Duration::from_secs(365 * 24 * 3600);
const CLOCK_SKEW: Duration = Duration::from_secs(3600);
/// Messages that wait for the machine.
const ROOM: usize = 1_024;

/// To the task that has the machine.
pub(super) enum Input {
    Connected { remote: SocketAddr, say: mpsc::Sender<Say>, session: oneshot::Sender<Option<SessionId>> },
    Came(SessionId, Message),
    Closed(SessionId),
}

/// To a connection.
pub(super) enum Say {
    Message(Message),
    Close,
}

pub(super) type Sender = mpsc::Sender<Input>;

struct Authority {
    shared: Arc<Shared>,
    server: Server,
    ca: Ca,
    /// Which certificates there are.
    register: Store,
    connections: BTreeMap<SessionId, (SocketAddr, mpsc::Sender<Say>)>,
}

pub(super) fn start(
    shared: Arc<Shared>,
    mut register: Store,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<Sender> {
    // Its own authority vouches for LSCs; roots that phones' makers issue MICs by are not known yet.
    let lsc = trust::certificates_der(&shared.keys.authorities_pem())?;
    let taken_back = shared.station.taken_back().to_vec();
    let settings = Settings { roots: Roots { mic: Vec::new(), lsc, taken_back } };
    let mut server = Server::new(settings, [], 1);
    for row in shared.station.rows()? {
        // A build before the register may have issued it; one that was read from a phone need not be ours.
        let held = row.certificate.as_deref().and_then(|der| Lsc::of(&shared.node, &row.device, der).ok());
        if let Some(lsc) = held.filter(|lsc| lsc.issuer == shared.keys.capf.facts().subject) {
            register.add_lsc(&lsc)?;
        }
        server.put(row);
    }
    let ca = shared.keys.authority()?;
    let (sender, inputs) = mpsc::channel(ROOM);
    let authority = Authority { shared, server, ca, register, connections: BTreeMap::new() };
    tokio::spawn(authority.run(inputs, stopped));
    Ok(sender)
}

impl Authority {
    async fn run(mut self, mut inputs: mpsc::Receiver<Input>, mut stopped: watch::Receiver<bool>) {
        loop {
            self.drain();
            let wait = self.server.deadline().map(|at| Duration::from_secs(at.saturating_sub(now()).max(1)));
            let due = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            let input = tokio::select! {
                input = inputs.recv() => input,
                () = due => {
                    self.server.tick(now());
                    continue;
                }
                _ = stopped.changed() => return,
            };
            match input {
                Some(Input::Connected { remote, say, session }) => {
                    let number = self.server.connected(now());
                    if let Some(number) = number {
                        self.connections.insert(number, (remote, say));
                    }
                    // A connection that is gone by now says so with its next input.
                    let _ = session.send(number);
                }
                Some(Input::Came(session, message)) => self.server.handle(session, message, now()),
                Some(Input::Closed(session)) => {
                    self.connections.remove(&session);
                    self.server.closed(session);
                }
                None => return,
            }
        }
    }

    fn drain(&mut self) {
        let mut refused: Option<String> = None;
        while let Some(output) = self.server.poll() {
            match output {
                Output::Send(session, message) => self.say(session, Say::Message(message)),
                Output::Close(session) => {
                    let remote = self.connections.get(&session).map(|(remote, _)| *remote);
                    if let (Some(remote), Some(words)) = (remote, refused.take()) {
                        self.shared.refuse(remote, "CAPF", "END_SESSION", "an ordered operation and its proof", &words);
                    }
                    self.say(session, Say::Close);
                }
                Output::Keep(row) => {
                    if let Err(error) = self.shared.station.keep(&row) {
                        tracing::error!(device = row.device, error = %format!("{error:#}"), "a phone's row was not kept");
                    }
                }
                Output::Issue { session, device, spki } => {
                    let outcome = self.issue(device, spki).map_err(|error| format!("{error:#}"));
                    self.server.issued(session, outcome, now());
                }
                Output::Event(Event::Done { device, operation }) => {
                    self.shared.book.heard(&device, phones::Contact::Enrolment);
                    tracing::info!(device, %operation, "certificate operation done");
                }
                // The session that it is about is closed next.
                Output::Event(Event::Refused { device, words }) => refused = Some(format!("{device}: {words}")),
            }
        }
    }

    /// No phone has a certificate that the register does not have: it could not be taken back.
    fn issue(&mut self, device: String, spki: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        let at = SystemTime::now();
        let request = LscRequest { device, spki, not_before: at - CLOCK_SKEW, not_after: at + LIFE };
        let der = self.ca.issue_lsc(&request)?;
        self.register.add_lsc(&Lsc::of(&self.shared.node, &request.device, &der)?)?;
        Ok(der)
    }

    fn say(&mut self, session: SessionId, say: Say) {
        let Some((_, connection)) = self.connections.get(&session) else { return };
        // A connection that does not read has no room after a few messages; it is closed when its time is over.
        let _ = connection.try_send(say);
    }
}

pub(super) async fn serve(
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    remote: SocketAddr,
    machine: &Sender,
) -> anyhow::Result<()> {
    let (say, mut said) = mpsc::channel(8);
    let (session, number) = oneshot::channel();
    machine.send(Input::Connected { remote, say, session }).await.context("CAPF has stopped")?;
    let Some(session) = number.await.context("CAPF has stopped")? else { bail!("too many phones at once: try again") };
    let outcome = talk(stream, session, machine, &mut said).await;
    let _ = machine.send(Input::Closed(session)).await;
    outcome
}

async fn talk(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    session: SessionId,
    machine: &Sender,
    said: &mut mpsc::Receiver<Say>,
) -> anyhow::Result<()> {
    let (mut framer, mut room) = (Framer::default(), [0; 4096]);
    loop {
        tokio::select! {
            say = said.recv() => match say {
                Some(Say::Message(message)) => {
                    // In one write: phones stall on a message in parts.
                    stream.write_all(&message.octets()).await?;
                    stream.flush().await?;
                }
                Some(Say::Close) | None => {
                    let _ = stream.shutdown().await;
                    return Ok(());
                }
            },
            read = stream.read(&mut room) => match read? {
                0 => return Ok(()),
                length => {
                    framer.push(room.get(..length).unwrap_or_default());
                    while let Some(message) = framer.next_message() {
                        machine.send(Input::Came(session, message?)).await.context("CAPF has stopped")?;
                    }
                }
            },
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
