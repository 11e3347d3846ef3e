//! All SIP sockets of one node: listeners, stream connections by target, UDP remotes (RFC 3261 §18, RFC 5923 §9).
//!
//! What comes in is queued in [`Wire::heard`] for the node's loop; nothing here knows what a call is.

pub(crate) mod broken;
pub(crate) mod conn;
mod debugging;
mod ended;
mod listeners;
mod send;
pub(crate) mod tls;
mod trace;
mod udp;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mio::{Interest, Registry, Token};
use roles::{PeerPlan, RefusalRecord};
use sip::frame::Frame;
use sip::{Flow, FlowId, Message, Target, Transport};
use trust::Peer;

use broken::Broken;
#[cfg(test)]
pub(crate) use conn::WRITE_QUEUE;
use conn::{Conn, Progress, Stage};
use listeners::Listener;
use trace::{Passed, Trace};
use udp::{Remotes, Udp};

use crate::clock::Clock;
use crate::{Connection, Connections, TraceEntry};

/// How long a peer that dials us has for its TLS handshake, and one that we dial for TCP and TLS together.
const ACCEPT_LIMIT: Duration = Duration::from_millis(if cfg!(test) { 1500 } else { 10_000 });
const DIAL_LIMIT: Duration = Duration::from_secs(4);
/// A connection on which nothing passes is given up after this long.
const IDLE_LIMIT: Duration = Duration::from_secs(2 * 3600);
const IDLE_SWEEP: Duration = Duration::from_secs(60);

/// What happened on the wire.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // nearly all are messages; a box would be an allocation for each
pub(crate) enum Heard {
    Message { flow: Flow, peer: Arc<Peer>, message: Message },
    Unreachable { target: Target, why: String },
    Closed { flow: FlowId, target: Option<Target> },
    Refused(RefusalRecord),
}

/// What a node's wire is made from.
pub(crate) struct Setup {
    pub node: String,
    /// Listening addresses; port 0 lets the system choose.
    pub listen: Vec<(Transport, SocketAddr)>,
    /// Where connections are dialled from.
    pub source: IpAddr,
    pub peers: Vec<PeerPlan>,
    /// `None` for a node that speaks no TLS (the lab's carrier).
    pub tls: Option<tls::Settings>,
}

pub(crate) struct Wire {
    pub heard: VecDeque<Heard>,
    node: String,
    clock: Clock,
    registry: Registry,
    source: IpAddr,
    peers: BTreeMap<Arc<str>, PeerPlan>,
    tls: Option<tls::Tls>,
    listeners: Vec<Listener>,
    udp: Vec<Udp>,
    remotes: Remotes,
    /// In boxes, since a connection is taken out for each turn.
    conns: HashMap<FlowId, Box<Conn>>,
    by_target: BTreeMap<Target, FlowId>,
    first_flow: u64,
    next_flow: u64,
    /// The last that began under other TLS settings than today's.
    earlier_trust: u64,
    /// Connections with bytes to write at the end of the turn, and those that may have more to read.
    dirty: Vec<FlowId>,
    again: Vec<FlowId>,
    more_datagrams: Vec<usize>,
    /// Limits that run out, oldest first, by who set them: peers that dial, we that dial or finish.
    accepts: VecDeque<(Duration, FlowId)>,
    dials: VecDeque<(Duration, FlowId)>,
    /// Inbound handshakes under way, by source.
    handshakes: BTreeMap<IpAddr, usize>,
    /// Inbound connections open, by source.
    sources: BTreeMap<IpAddr, usize>,
    /// When somebody who is turned away is written down again.
    next_turned_away: Duration,
    /// No accepting before: the system had no descriptors left.
    accept_after: Duration,
    next_sweep: Duration,
    /// Outbound messages that wait for their connection to open, for the trace.
    early: HashMap<FlowId, Vec<Bytes>>,
    trace: Trace,
    debugging: debugging::Debugging,
    stats: Connections,
    plain: Arc<Peer>,
    scratch: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(setup: Setup, registry: Registry, clock: Clock) -> anyhow::Result<Wire> {
        use anyhow::Context;
        let Setup { node, listen, source, peers, tls } = setup;
        let tls = tls.map(tls::Tls::new).transpose().context("the node's TLS settings")?;
        // Flows of an earlier process may stand in persisted calls: numbers begin above any that it can have used.
        let first_flow = crate::clock::millis(clock.now().wall) << 10;
        let mut wire = Wire {
            heard: VecDeque::new(),
            node,
            clock,
            registry,
            source,
            peers: BTreeMap::new(),
            tls,
            listeners: Vec::new(),
            udp: Vec::new(),
            remotes: Remotes::default(),
            conns: HashMap::new(),
            by_target: BTreeMap::new(),
            first_flow,
            next_flow: first_flow,
            earlier_trust: 0,
            dirty: Vec::new(),
            again: Vec::new(),
            more_datagrams: Vec::new(),
            accepts: VecDeque::new(),
            dials: VecDeque::new(),
            handshakes: BTreeMap::new(),
            sources: BTreeMap::new(),
            next_turned_away: Duration::ZERO,
            accept_after: Duration::ZERO,
            next_sweep: clock.mono() + IDLE_SWEEP,
            early: HashMap::new(),
            trace: Trace::default(),
            debugging: debugging::Debugging::default(),
            stats: Connections::default(),
            plain: Arc::new(Peer::Plain),
            scratch: vec![0; 65536],
        };
        wire.set_peers(peers);
        for (transport, addr) in listen {
            wire.listen(transport, addr).with_context(|| format!("listening for {} on {addr}", transport.as_str()))?;
        }
        Ok(wire)
    }

    /// Addresses listened on, as the system gave them.
    pub(crate) fn local(&self) -> Vec<(Transport, SocketAddr)> {
        let streams = self.listeners.iter().map(|listener| (listener.transport, listener.local));
        streams.chain(self.udp.iter().map(|udp| (Transport::Udp, udp.local))).collect()
    }

    /// Names that peers must have from now on. Connections made under other names carry no new requests.
    pub(crate) fn set_peers(&mut self, peers: Vec<PeerPlan>) {
        self.peers = peers.into_iter().map(|peer| (peer.name.clone(), peer)).collect();
    }

    /// Other identities, roots or lists. Connections that come or are made from now on go by them; those that are open stay
    /// as they are, but for peers that these would not let in any more.
    pub(crate) fn set_tls(&mut self, tls: tls::Tls) {
        self.tls = Some(tls);
        self.earlier_trust = self.next_flow;
        let open = self.conns.values().filter(|conn| conn.peer().is_some());
        let gone: Vec<(FlowId, Broken)> =
            open.filter_map(|conn| Some((conn.flow, self.still_good(conn).err()?))).collect();
        for (flow, broken) in gone {
            self.end(flow, broken);
        }
    }

    /// A handshake may have begun under earlier settings and end under these.
    fn still_good(&self, conn: &Conn) -> Result<(), Broken> {
        if conn.flow.0 > self.earlier_trust || conn.peer().is_none() {
            return Ok(());
        }
        let refusal = self.tls.as_ref().zip(conn.tls()).and_then(|(tls, connection)| tls.withdrawn(connection));
        refusal.map_or(Ok(()), |refusal| Err(Broken::Withdrawn(Box::new(refusal))))
    }

    /// One that has just come to be open may have taken up a session whose certificates are good no longer.
    fn not_overdue(&self, conn: &Conn) -> Result<(), Broken> {
        let opened = self.tls.as_ref().zip(conn.tls()).filter(|_| conn.peer().is_some());
        let refusal = opened.and_then(|(tls, connection)| tls.overdue(connection));
        refusal.map_or(Ok(()), |refusal| Err(Broken::Withdrawn(Box::new(refusal))))
    }

    /// One event of the poll.
    pub(crate) fn ready(&mut self, token: Token, writable: bool) {
        if let Some(at) = listeners::index(token) {
            match at {
                listeners::Index::Stream(at) => self.accept(at),
                listeners::Index::Udp(at) => self.receive(at),
            }
            return;
        }
        let flow = FlowId(token.0 as u64);
        if writable {
            self.turn(flow, |wire, conn| {
                conn.connected()?;
                conn.flush(wire.clock.mono()).map(|_| ())
            });
        }
        self.read(flow);
    }

    /// The end of a turn: one write a connection, however many messages it got; then what was left unread.
    pub(crate) fn settle(&mut self) {
        for flow in std::mem::take(&mut self.again) {
            self.read(flow);
        }
        for at in std::mem::take(&mut self.more_datagrams) {
            self.receive(at);
        }
        self.accept_pending();
        for flow in std::mem::take(&mut self.dirty) {
            self.flush(flow);
        }
    }

    /// When [`Wire::expire`] wants to be called; at once while there is more to read.
    pub(crate) fn deadline(&self) -> Duration {
        if !self.again.is_empty() || !self.more_datagrams.is_empty() {
            return Duration::ZERO;
        }
        let limits = self.accepts.front().into_iter().chain(self.dials.front()).map(|(due, _)| *due);
        limits.chain(self.accept_due()).fold(self.next_sweep, Duration::min)
    }

    pub(crate) fn expire(&mut self) {
        let now = self.clock.mono();
        for limit in [ACCEPT_LIMIT, DIAL_LIMIT] {
            let queue = if limit == ACCEPT_LIMIT { &mut self.accepts } else { &mut self.dials };
            let mut late = Vec::new();
            while queue.front().is_some_and(|(due, _)| *due <= now) {
                late.extend(queue.pop_front().map(|(_, flow)| flow));
            }
            for flow in late {
                match self.conns.get(&flow).map(|conn| &conn.stage) {
                    Some(Stage::Connect | Stage::Handshake) => self.end(flow, Broken::Late(limit)),
                    Some(Stage::Finish(_)) => self.end(flow, Broken::Ours),
                    Some(Stage::Open(_)) if self.conns.get(&flow).is_some_and(|conn| conn.mute()) => {
                        self.end(flow, Broken::Late(limit))
                    }
                    Some(Stage::Open(_)) | None => {}
                }
            }
        }
        if now >= self.next_sweep {
            self.next_sweep = now + IDLE_SWEEP;
            let silent = |conn: &Conn| now.saturating_sub(conn.heard.max(conn.spoke));
            let idle = self.conns.values().filter(|conn| silent(conn) > IDLE_LIMIT).map(|conn| conn.flow);
            let idle: Vec<FlowId> = idle.collect();
            for flow in idle {
                self.end(flow, Broken::Idle(IDLE_LIMIT));
            }
        }
    }

    /// Closes a flow once what was sent is out.
    pub(crate) fn close(&mut self, flow: FlowId) {
        self.by_target.retain(|_, other| *other != flow);
        let now = self.clock.mono();
        let Some(conn) = self.conns.get_mut(&flow) else {
            return;
        };
        conn.finish();
        match conn.flush(now) {
            Ok(true) => self.end(flow, Broken::Ours),
            Ok(false) => self.dials.push_back((now + DIAL_LIMIT, flow)),
            Err(broken) => self.end(flow, broken),
        }
    }

    pub(crate) fn connections(&self) -> Connections {
        let mut open: Vec<Connection> = self.conns.values().filter_map(|conn| shown(conn, self.first_flow)).collect();
        open.sort_by_key(|connection| connection.id);
        Connections { open, ..self.stats.clone() }
    }

    pub(crate) fn trace(&self) -> Vec<TraceEntry> {
        self.trace.read(&self.node)
    }

    /// Says goodbye on every connection.
    pub(crate) fn stop(&mut self) {
        for conn in self.conns.values_mut() {
            let _ = conn.flush(Duration::ZERO);
            conn.shut();
        }
    }

    fn fresh_flow(&mut self) -> FlowId {
        self.next_flow += 1;
        FlowId(self.next_flow)
    }

    fn add(&mut self, mut conn: Conn) -> std::io::Result<()> {
        let token = Token(conn.flow.0 as usize);
        self.registry.register(&mut conn.tcp, token, Interest::READABLE | Interest::WRITABLE)?;
        conn.looking = self.looking(&conn);
        self.conns.insert(conn.flow, Box::new(conn));
        Ok(())
    }

    /// Lends a connection to `work`, and ends it if that fails.
    fn turn(&mut self, flow: FlowId, work: impl FnOnce(&mut Wire, &mut Conn) -> Result<(), Broken>) {
        let Some(mut conn) = self.conns.remove(&flow) else {
            return;
        };
        let was_open = conn.peer().is_some();
        let worked = work(self, &mut conn);
        if worked.is_ok() {
            self.looked(&mut conn);
        }
        if !was_open {
            self.opened(&conn);
        }
        self.conns.insert(flow, conn);
        if let Err(broken) = worked {
            self.end(flow, broken);
        }
    }

    fn flush(&mut self, flow: FlowId) {
        self.turn(flow, |wire, conn| match conn.flush(wire.clock.mono())? {
            true if matches!(conn.stage, Stage::Finish(_)) => Err(Broken::Ours),
            _ => Ok(()),
        });
    }

    fn read(&mut self, flow: FlowId) {
        self.turn(flow, |wire, conn| {
            let mut scratch = std::mem::take(&mut wire.scratch);
            let (mut frames, was_open) = (Vec::new(), conn.peer().is_some());
            let progress = conn.read(&mut scratch, wire.clock.mono(), &mut frames);
            wire.scratch = scratch;
            if !was_open {
                wire.still_good(conn)?;
                wire.not_overdue(conn)?;
            }
            for frame in frames {
                wire.take_frame(conn, frame);
            }
            if let Err(Broken::Malformed(error)) = &progress {
                wire.explain(conn, error);
            }
            // A closing that was answered, a handshake that was refused: its words go first.
            if matches!(&progress, Err(Broken::WebSocket(_) | Broken::Closed)) {
                let _ = conn.flush(wire.clock.mono());
            }
            match progress? {
                Progress::Dry => {}
                Progress::More => wire.again.push(flow),
            }
            // The handshake's own messages, the answer to a ping.
            conn.flush(wire.clock.mono()).map(|_| ())
        });
    }

    /// If a connection has just come to speak SIP: what waited for it is on its way.
    fn opened(&mut self, conn: &Conn) {
        let Some(peer) = conn.peer() else { return };
        if conn.outbound.is_none() && conn.transport.is_secure() {
            self.handshake_over(conn.remote.ip());
        }
        if let Some(sent) = self.early.remove(&conn.flow) {
            for bytes in sent {
                self.note(true, conn.transport, conn.local, conn.remote, peer.clone(), bytes);
            }
        }
    }

    fn take_frame(&mut self, conn: &mut Conn, frame: Frame) {
        match (frame, conn.peer().cloned()) {
            (Frame::Message(bytes), Some(peer)) => {
                let flow = Flow { id: conn.flow, transport: conn.transport, local: conn.local, remote: conn.remote };
                self.note(false, flow.transport, flow.local, flow.remote, peer.clone(), bytes.clone());
                if let Some(answer) = self.take_message(flow, peer.clone(), bytes)
                    && conn.push(answer.bytes()).is_ok()
                {
                    self.note(true, flow.transport, flow.local, flow.remote, peer, answer.bytes().clone());
                }
            }
            (Frame::Ping, _) => {
                let _ = conn.push(b"\r\n"); // a full queue is met by the next message
            }
            (Frame::Message(_) | Frame::Pong, _) => {}
        }
    }

    /// A stream that cannot be cut any more ends; who sent a request hears why first (RFC 3261 §18.3: 400; §21.5.7: 513).
    fn explain(&mut self, conn: &mut Conn, error: &sip::message::ParseError) {
        let (Some(peer), held) = (conn.peer().cloned(), conn.held()) else { return };
        let remote = conn.remote;
        let answer = std::panic::catch_unwind(|| sip::message::refuse(&held, error, remote)).ok().flatten();
        self.count_malformed(answer.as_ref());
        if let Some(answer) = answer
            && conn.push(answer.bytes()).is_ok()
            && conn.flush(self.clock.mono()).is_ok()
        {
            self.note(true, conn.transport, conn.local, remote, peer, answer.bytes().clone());
        }
    }

    fn count_malformed(&mut self, answer: Option<&Message>) {
        let status =
            answer.and_then(Message::status).map_or_else(|| "dropped".to_owned(), |status| status.0.to_string());
        *self.stats.malformed.entry(status).or_default() += 1;
    }

    /// Parses; what is no message may have an answer.
    fn take_message(&mut self, flow: Flow, peer: Arc<Peer>, bytes: Bytes) -> Option<Message> {
        let parse = || {
            Message::parse(bytes.clone()).map_err(|error| {
                let answer = sip::message::refuse(&bytes, &error, flow.remote);
                Box::new((error, answer))
            })
        };
        match std::panic::catch_unwind(parse) {
            Ok(Ok(message)) => {
                self.heard.push_back(Heard::Message { flow, peer, message });
                None
            }
            Ok(Err(refused)) => {
                let (error, answer) = *refused;
                tracing::warn!(node = %self.node, remote = %flow.remote, %error, "a message was refused: it is not SIP");
                self.count_malformed(answer.as_ref());
                answer
            }
            Err(_) => {
                tracing::error!(node = %self.node, remote = %flow.remote, "the parser panicked; the message was dropped");
                None
            }
        }
    }

    fn note(
        &mut self,
        sent: bool,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        peer: Arc<Peer>,
        bytes: Bytes,
    ) {
        self.trace.note(Passed { at: std::time::SystemTime::now(), sent, transport, local, remote, peer, bytes });
    }
}

/// As `show` has it. Connections are counted from 1 there, whatever number flows of this process begin with.
fn shown(conn: &Conn, first_flow: u64) -> Option<Connection> {
    let peer = conn.peer()?;
    Some(Connection {
        id: conn.flow.0.saturating_sub(first_flow),
        transport: conn.transport,
        local: conn.local,
        remote: conn.remote,
        outbound: conn.outbound.is_some(),
        write_queue: conn.write_queue(),
        tls: trace::tls(peer).cloned(),
        peer: match &**peer {
            Peer::Verified(peer) => Some(peer.certificate().clone()),
            Peer::Anonymous(_) | Peer::Plain => None,
        },
        opened_ms: crate::clock::millis(conn.opened),
    })
}
