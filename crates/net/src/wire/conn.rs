//! One stream connection, TCP or TLS: bytes to frames and back, with a bounded write queue and a stage that says what it
//! waits for. Knows nothing of nodes; [`super::Wire`] owns it.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes, BytesMut};
use mio::net::TcpStream;
use sip::frame::{Frame, Framer, Limits};
use sip::websocket::{Said, WebSocket};
use sip::{FlowId, Target, Transport};
use trust::Peer;

use super::broken::Broken;
use super::debugging::Looking;
use super::tls::{Secured, Whom};

/// Octets that may wait for a peer that does not read; more, and the connection is given up.
pub(crate) const WRITE_QUEUE: usize = 1 << 20;
/// Octets taken from one connection in one turn, so that a flood on one does not starve the others.
const READ_TURN: usize = 1 << 16;
/// Largest TLS record, and so what one turn of the write queue hands to rustls.
const RECORD: usize = 16384;
/// A SIP message's head and body from one peer.
const LIMITS: Limits = Limits { head: 32 * 1024, body: 256 * 1024 };

/// What a connection waits for.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The TCP connection (outbound only).
    Connect,
    /// The TLS handshake.
    Handshake,
    /// SIP.
    Open(Arc<Peer>),
    /// What is queued to be written; then it closes.
    Finish(Arc<Peer>),
}

pub(crate) struct Conn {
    pub flow: FlowId,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    /// Whom we meant to reach, and who that had to be then; `None` for one that we accepted.
    pub outbound: Option<(Target, Whom)>,
    pub opened: SystemTime,
    /// When bytes last came, and when they last went.
    pub heard: Duration,
    pub spoke: Duration,
    pub stage: Stage,
    pub tcp: TcpStream,
    /// Somebody wants to see the handshake.
    pub looking: Option<Box<Looking>>,
    tls: Option<Box<Secured>>,
    cutter: Cutter,
    out: BytesMut,
    /// First octet of an inbound connection: tells SIP in clear from a TLS hello.
    first: Option<u8>,
    heard_sip: bool,
}

/// What makes messages of the stream.
enum Cutter {
    /// Content-Length (RFC 3261 §18.3).
    Stream(Framer),
    /// RFC 7118.
    WebSocket(Box<WebSocket>),
}

impl Cutter {
    fn new(transport: Transport) -> Cutter {
        match transport.is_websocket() {
            true => Cutter::WebSocket(Box::new(WebSocket::server(LIMITS.head + LIMITS.body))),
            false => Cutter::Stream(Framer::new(LIMITS)),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        match self {
            Cutter::Stream(framer) => framer.push(bytes),
            Cutter::WebSocket(websocket) => websocket.push(bytes),
        }
    }
}

/// The socket, with somebody who looks on while the handshake lasts.
struct Seen<'a> {
    tcp: &'a mut TcpStream,
    looking: &'a mut Option<Box<Looking>>,
}

impl Write for Seen<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.tcp.write(bytes)?;
        if let Some(looking) = self.looking {
            looking.eyes.sent(bytes.get(..written).unwrap_or_default());
        }
        Ok(written)
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let written = self.tcp.write_vectored(bytes)?;
        if let Some(looking) = self.looking {
            let mut left = written;
            for part in bytes {
                looking.eyes.sent(part.get(..left.min(part.len())).unwrap_or_default());
                left = left.saturating_sub(part.len());
            }
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tcp.flush()
    }
}

/// What one turn of reading made of a connection.
#[derive(Debug)]
pub(crate) enum Progress {
    /// The socket is empty.
    Dry,
    /// There may be more: come back without waiting for the poll.
    More,
}

/// What is fixed at birth.
pub(crate) struct Birth {
    pub flow: FlowId,
    pub transport: Transport,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub outbound: Option<(Target, Whom)>,
    pub now: roles::Now,
}

impl Conn {
    /// `tls` must be there for, and only for, transports that are secure.
    pub(crate) fn new(birth: Birth, tcp: TcpStream, tls: Option<Secured>) -> Conn {
        let Birth { flow, transport, local, remote, outbound, now } = birth;
        let stage = match (&outbound, &tls) {
            (Some(_), _) => Stage::Connect,
            (None, Some(_)) => Stage::Handshake,
            (None, None) => Stage::Open(Arc::new(Peer::Plain)),
        };
        Conn {
            flow,
            transport,
            local,
            remote,
            outbound,
            opened: now.wall,
            heard: now.mono,
            spoke: now.mono,
            stage,
            tcp,
            looking: None,
            tls: tls.map(Box::new),
            cutter: Cutter::new(transport),
            out: BytesMut::new(),
            first: None,
            heard_sip: false,
        }
    }

    pub(crate) fn peer(&self) -> Option<&Arc<Peer>> {
        match &self.stage {
            Stage::Open(peer) | Stage::Finish(peer) => Some(peer),
            Stage::Connect | Stage::Handshake => None,
        }
    }

    /// A SIP message has come: an alert after that is not about who we are.
    pub(crate) fn heard_sip(&self) -> bool {
        self.heard_sip
    }

    /// Somebody connected, proved nothing and says nothing.
    pub(crate) fn mute(&self) -> bool {
        let verified = self.peer().is_some_and(|peer| matches!(**peer, Peer::Verified(_)));
        !verified && self.outbound.is_none() && !self.heard_sip
    }

    /// What came and could not be cut into messages. A WebSocket's peer is told by its own means.
    pub(crate) fn held(&self) -> Bytes {
        match &self.cutter {
            Cutter::Stream(framer) => Bytes::copy_from_slice(framer.held()),
            Cutter::WebSocket(_) => Bytes::new(),
        }
    }

    /// Octets not yet taken by the system.
    pub(crate) fn write_queue(&self) -> usize {
        self.out.len()
    }

    /// The first octet was a letter: somebody speaks SIP in clear to a TLS listener.
    pub(crate) fn spoke_in_clear(&self) -> bool {
        self.outbound.is_none() && self.first.is_some_and(|octet| octet.is_ascii_alphabetic())
    }

    pub(crate) fn tls(&self) -> Option<&rustls::Connection> {
        self.tls.as_deref().map(|secured| &secured.connection)
    }

    /// The TCP connection is there, or failed.
    pub(crate) fn connected(&mut self) -> Result<(), Broken> {
        if !matches!(self.stage, Stage::Connect) {
            return Ok(());
        }
        if let Some(error) = self.tcp.take_error().map_err(Broken::Io)? {
            return Err(Broken::Connect(error));
        }
        match self.tcp.peer_addr() {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()), // not yet
            Err(error) => return Err(Broken::Connect(error)),
        }
        crate::socket::settle(&self.tcp).map_err(Broken::Io)?;
        self.local = self.tcp.local_addr().map_err(Broken::Io)?;
        self.stage = if self.tls.is_some() { Stage::Handshake } else { Stage::Open(Arc::new(Peer::Plain)) };
        Ok(())
    }

    /// Queues bytes; they leave with the next [`Conn::flush`], not before the handshake is complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if self.out.len() + bytes.len() > WRITE_QUEUE {
            return Err(Broken::Stuck { queued: self.out.len() });
        }
        match &mut self.cutter {
            Cutter::Stream(_) => self.out.extend_from_slice(bytes),
            Cutter::WebSocket(websocket) => {
                websocket.send(bytes);
                self.out.extend_from_slice(&websocket.take());
            }
        }
        Ok(())
    }

    /// The next message or keepalive of what was heard.
    fn next_frame(&mut self) -> Result<Option<Frame>, Broken> {
        let websocket = match &mut self.cutter {
            Cutter::Stream(framer) => return framer.next().map_err(Broken::Malformed),
            Cutter::WebSocket(websocket) => websocket,
        };
        loop {
            let said = websocket.next();
            self.out.extend_from_slice(&websocket.take());
            return match said.map_err(Broken::WebSocket)? {
                Some(Said::Open) => continue,
                // The keepalive of RFC 5626, which some send inside.
                Some(Said::Message(bytes)) if bytes.iter().all(|octet| matches!(octet, b'\r' | b'\n')) => continue,
                Some(Said::Message(bytes)) => Ok(Some(Frame::Message(bytes))),
                Some(Said::Closed) => Err(Broken::Closed),
                None => Ok(None),
            };
        }
    }

    /// Reads what is there, up to a turn's share, and hands out whole frames. On [`Broken::Closed`] the frames that came
    /// before the end have been handed out.
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        now: Duration,
        frames: &mut Vec<Frame>,
    ) -> Result<Progress, Broken> {
        if matches!(self.stage, Stage::Connect) {
            return Ok(Progress::Dry);
        }
        let mut taken = 0;
        loop {
            let got = match self.tcp.read(scratch) {
                Ok(0) => return Err(Broken::Closed),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Dry);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::Io(error)),
            };
            self.heard = now;
            let Some(bytes) = scratch.get(..got) else {
                return Ok(Progress::Dry);
            };
            self.first = self.first.or(bytes.first().copied());
            let ended = self.decrypt(bytes)?;
            while let Some(frame) = self.next_frame()? {
                self.heard_sip |= matches!(frame, Frame::Message(_));
                frames.push(frame);
            }
            if ended {
                return Err(Broken::Closed);
            }
            taken += got;
            // A short read has emptied the socket; what comes next makes a new edge (ADR 0001).
            if got < scratch.len() {
                return Ok(Progress::Dry);
            }
            if taken >= READ_TURN {
                return Ok(Progress::More);
            }
        }
    }

    /// Bytes of the wire into the cutter; true when the peer said close_notify.
    fn decrypt(&mut self, mut bytes: &[u8]) -> Result<bool, Broken> {
        let Some(secured) = self.tls.as_deref_mut() else {
            self.cutter.push(bytes);
            return Ok(false);
        };
        let tls = &mut secured.connection;
        if let Some(looking) = &mut self.looking {
            looking.eyes.received(bytes);
        }
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).map_err(Broken::Io)?;
            let state = match tls.process_new_packets() {
                Ok(state) => state,
                Err(error) => {
                    // rustls has the alert ready: the peer shall hear why.
                    let _ = tls.write_tls(&mut Seen { tcp: &mut self.tcp, looking: &mut self.looking });
                    return Err(Broken::Tls(error));
                }
            };
            let mut left = state.plaintext_bytes_to_read();
            let mut plain = [0; 4096];
            while left > 0 {
                // Only WouldBlock can come from a reader that was said to hold `left` octets.
                let Ok(got) = tls.reader().read(&mut plain) else {
                    break;
                };
                self.cutter.push(plain.get(..got).unwrap_or_default());
                left = left.saturating_sub(got.max(1));
            }
            if state.peer_has_closed() {
                return Ok(true);
            }
        }
        if matches!(self.stage, Stage::Handshake) && !tls.is_handshaking() {
            self.stage = Stage::Open(Arc::new(secured.peer()));
        }
        Ok(false)
    }

    /// Writes until the queue is empty or the socket full; true when everything is out.
    pub(crate) fn flush(&mut self, now: Duration) -> Result<bool, Broken> {
        if matches!(self.stage, Stage::Connect) {
            return Ok(false);
        }
        let before = self.out.len();
        let flushed = self.write();
        if self.out.len() != before {
            self.spoke = now;
        }
        flushed
    }

    fn write(&mut self) -> Result<bool, Broken> {
        loop {
            match self.tls.as_deref_mut() {
                Some(Secured { connection: tls, .. }) => {
                    while tls.wants_write() {
                        match tls.write_tls(&mut Seen { tcp: &mut self.tcp, looking: &mut self.looking }) {
                            Ok(_) => {}
                            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                                return Ok(false);
                            }
                            Err(error) => return Err(Broken::Io(error)),
                        }
                    }
                    if matches!(self.stage, Stage::Handshake) || self.out.is_empty() {
                        return Ok(self.out.is_empty());
                    }
                    let share = self.out.len().min(RECORD);
                    let taken = tls.writer().write(self.out.get(..share).unwrap_or_default()).map_err(Broken::Io)?;
                    self.out.advance(taken);
                }
                None if self.out.is_empty() => return Ok(true),
                None => match self.tcp.write(&self.out) {
                    Ok(0) => return Err(Broken::Closed),
                    Ok(written) => self.out.advance(written),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(Broken::Io(error)),
                },
            }
        }
    }

    /// No more of ours after what is queued.
    pub(crate) fn finish(&mut self) {
        if let Stage::Open(peer) = &self.stage {
            self.stage = Stage::Finish(peer.clone());
        }
    }

    /// Says goodbye as the transport does, without waiting.
    pub(crate) fn shut(&mut self) {
        if let Some(Secured { connection: tls, .. }) = self.tls.as_deref_mut() {
            tls.send_close_notify();
            while tls.wants_write() && tls.write_tls(&mut self.tcp).is_ok() {}
        }
        let _ = self.tcp.shutdown(std::net::Shutdown::Both);
    }
}
