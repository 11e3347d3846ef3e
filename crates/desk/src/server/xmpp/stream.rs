//! XMPP over a connection of its own: TLS from the first octet (XEP-0368), or WebSocket (RFC 7395).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sip::websocket::{self, WebSocket};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::{PULSE, Said, Talk};
use crate::server::Shared;
use crate::xmpp::{Cutter, LARGEST, Piece, Transport, stream_error};

/// Who is silent for as long is asked whether they are there: two whitespace pings were missed.
const ASKED: Duration = Duration::from_secs(20);
/// Who is silent for as long is gone.
const GONE: Duration = Duration::from_secs(40);
/// A stanza that takes longer than this, looked at with each pulse.
const SLOW: Duration = Duration::from_secs(10);
/// A client that has not read what was sent is let go after this long.
const STUCK: Duration = Duration::from_secs(60);

/// How pieces lie in a connection's octets.
pub(in crate::server) enum Framing {
    Native(Cutter),
    Web(WebSocket),
}

impl Framing {
    pub(in crate::server) fn native() -> Framing {
        Framing::Native(Cutter::new())
    }

    /// After the handshake.
    pub(in crate::server) fn web() -> Framing {
        Framing::Web(WebSocket::upgraded(LARGEST))
    }

    fn transport(&self) -> Transport {
        match self {
            Framing::Native(_) => Transport::Native,
            Framing::Web(_) => Transport::WebSocket,
        }
    }

    fn push(&mut self, octets: &[u8]) {
        match self {
            Framing::Native(cutter) => cutter.push(octets),
            Framing::Web(socket) => socket.push(octets),
        }
    }

    fn next(&mut self) -> Result<Option<Piece>, (&'static str, &'static str)> {
        let socket = match self {
            Framing::Native(cutter) => return cutter.next(),
            Framing::Web(socket) => socket,
        };
        Ok(match socket.next().map_err(|broken| ("policy-violation", broken.what))? {
            Some(websocket::Said::Message(octets)) => {
                let text =
                    String::from_utf8(octets.to_vec()).map_err(|_| ("unsupported-encoding", "expected UTF-8"))?;
                Some(match text.trim_start() {
                    text if text.starts_with("<open") => Piece::Open(text.to_owned()),
                    text if text.starts_with("<close") => Piece::Close,
                    text => Piece::Stanza(text.to_owned()),
                })
            }
            Some(websocket::Said::Closed) => Some(Piece::Close),
            // The handshake is over before this begins.
            Some(websocket::Said::Open) | None => None,
        })
    }

    fn is_within(&self) -> bool {
        match self {
            Framing::Native(cutter) => cutter.is_within(),
            Framing::Web(socket) => socket.pending() > 0,
        }
    }

    /// As it goes out, with whatever the framing has to say for itself.
    fn wrap(&mut self, said: &Said) -> Vec<u8> {
        match self {
            Framing::Native(_) => said.stanzas.concat().into_bytes(),
            Framing::Web(socket) => {
                said.stanzas.iter().for_each(|stanza| socket.send(stanza.as_bytes()));
                if said.over {
                    socket.close(1000);
                }
                socket.take().to_vec()
            }
        }
    }

    fn pulse(&mut self) -> Vec<u8> {
        match self {
            Framing::Native(_) => vec![b' '],
            Framing::Web(socket) => {
                socket.ping();
                socket.take().to_vec()
            }
        }
    }
}

/// Serves one client until it is gone.
pub(in crate::server) async fn serve(
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    mut framing: Framing,
    shared: Arc<Shared>,
    remote: IpAddr,
) {
    let Some(mut talk) = Talk::new(&shared, remote, framing.transport()) else {
        let words = stream_error("resource-constraint", "too many of this address have not logged in yet");
        let said = Said { stanzas: vec![words], over: true };
        let _ = timeout(SLOW, io.write_all(&framing.wrap(&said))).await;
        return;
    };
    let mut octets = vec![0; 4096];
    let mut pulse = tokio::time::interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pulse.reset();
    let (mut heard, mut begun) = (Instant::now(), None);
    loop {
        let (text, over) = tokio::select! {
            read = io.read(&mut octets) => match read {
                Ok(read @ 1..) => {
                    heard = Instant::now();
                    framing.push(octets.get(..read).unwrap_or_default());
                    let said = pieces(&mut talk, &mut framing).await;
                    begun = framing.is_within().then(|| begun.unwrap_or(heard));
                    (framing.wrap(&said), said.over)
                }
                Ok(0) | Err(_) => return,
            },
            said = talk.next(true) => (framing.wrap(&said), said.over),
            _ = pulse.tick() => {
                let said = beat(&mut talk, heard, begun).await;
                let mut text = framing.wrap(&said);
                if !said.over {
                    text.extend(framing.pulse());
                    if talk.session.account().is_some() && heard.elapsed() >= ASKED && framing.transport() == Transport::Native {
                        text.extend(talk.session.ping().into_bytes());
                    }
                }
                (text, said.over)
            }
        };
        if !text.is_empty() && !matches!(timeout(STUCK, io.write_all(&text)).await, Ok(Ok(()))) {
            return;
        }
        if over {
            let _ = timeout(SLOW, io.shutdown()).await;
            return;
        }
    }
}

/// Every piece that is there, one after the other: what is said after a log-in is cut as a stream of its own.
async fn pieces(talk: &mut Talk, framing: &mut Framing) -> Said {
    let mut all = Said::default();
    while !all.over {
        let said = match framing.next() {
            Ok(Some(piece)) => talk.hear(&piece, framing.transport()).await,
            Ok(None) => break,
            Err((condition, words)) => talk.fail(condition, words).await,
        };
        all.stanzas.extend(said.stanzas);
        all.over = said.over;
        if let (true, Framing::Native(cutter)) = (talk.session.begins_anew(), &mut *framing) {
            cutter.restart();
        }
    }
    all
}

async fn beat(talk: &mut Talk, heard: Instant, begun: Option<Instant>) -> Said {
    if heard.elapsed() >= GONE {
        return talk.fail("connection-timeout", "nothing was heard for 40 s").await;
    }
    if begun.is_some_and(|begun| begun.elapsed() >= SLOW) {
        return talk.fail("policy-violation", "a stanza took longer than 10 s").await;
    }
    talk.look().await
}
