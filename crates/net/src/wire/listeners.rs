//! Listeners of a node: accepting with bounds on handshakes under way, and reading datagrams.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use mio::net::TcpListener;
use mio::{Interest, Token};
use roles::RefusalRecord;
use sip::{Flow, Transport};

use super::conn::{Birth, Conn};
use super::udp::{Remote, Udp, is_keepalive};
use super::{ACCEPT_LIMIT, Heard, Wire};

/// TLS handshakes that strangers may have under way at this node, and how many of them from one address. More wait in
/// the system's queue, and from one address are turned away: a slow one must not keep the others out.
const HANDSHAKES: usize = 512;
const HANDSHAKES_ONE_SOURCE: usize = 64;
/// Connections open at once at one node.
const CONNECTIONS: usize = 16_384;
/// And from one address: an eighth, so that nobody who has one certificate of ours takes all of them. Many phones behind
/// one router are fewer.
const CONNECTIONS_ONE_SOURCE: usize = if cfg!(test) { 100 } else { CONNECTIONS / 8 };
/// How long to wait when the system has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections taken in one turn (a handshake costs the node a fifth of a millisecond or more; ADR 0001).
const ACCEPTS: usize = 16;
/// Datagrams taken in one turn.
const DATAGRAMS: usize = 64;

pub(crate) struct Listener {
    pub transport: Transport,
    pub local: SocketAddr,
    socket: TcpListener,
    /// Connections may wait that were not taken.
    pub pending: bool,
}

/// Which listener a token means.
pub(crate) enum Index {
    Stream(usize),
    Udp(usize),
}

/// Tokens from the top: streams and UDP apart by the last bit; the last one of all is the mailbox's.
const TOP: usize = usize::MAX - 2;
const MOST: usize = 64;

pub(crate) fn index(token: Token) -> Option<Index> {
    let at = TOP.checked_sub(token.0).filter(|at| *at < MOST)?;
    Some(if at % 2 == 0 { Index::Stream(at / 2) } else { Index::Udp(at / 2) })
}

impl Wire {
    pub(super) fn listen(&mut self, transport: Transport, addr: SocketAddr) -> anyhow::Result<()> {
        if transport == Transport::Udp {
            let mut udp = Udp::bind(addr)?;
            let token = Token(TOP - (2 * self.udp.len() + 1));
            self.registry.register(&mut udp.socket, token, Interest::READABLE)?;
            self.udp.push(udp);
            return Ok(());
        }
        anyhow::ensure!(
            !transport.is_secure() || self.tls.is_some(),
            "a TLS listener needs an identity, and this node has none"
        );
        let mut socket = TcpListener::from_std(crate::socket::listen(addr)?);
        let local = socket.local_addr()?;
        self.registry.register(&mut socket, Token(TOP - 2 * self.listeners.len()), Interest::READABLE)?;
        self.listeners.push(Listener { transport, local, socket, pending: false });
        Ok(())
    }

    pub(super) fn accept(&mut self, at: usize) {
        for _ in 0..ACCEPTS {
            if !self.takes_more() {
                break;
            }
            let Some(listener) = self.listeners.get(at) else {
                return;
            };
            match listener.socket.accept() {
                Ok((tcp, remote)) => self.accepted(at, tcp, remote),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Some(listener) = self.listeners.get_mut(at) {
                        listener.pending = false;
                    }
                    return;
                }
                // The peer changed its mind (ECONNABORTED), or we are out of descriptors: the next turn tries again.
                Err(error) => {
                    tracing::warn!(node = %self.node, %error, "a connection could not be accepted");
                    self.accept_after = self.clock.mono() + ACCEPT_PAUSE;
                    break;
                }
            }
        }
        if let Some(listener) = self.listeners.get_mut(at) {
            listener.pending = true;
        }
    }

    /// Listeners whose queue was not emptied: there will be no new edge for what waits in it.
    pub(super) fn accept_pending(&mut self) {
        if self.accept_due().is_none_or(|due| due > self.clock.mono()) {
            return;
        }
        for at in 0..self.listeners.len() {
            if self.listeners.get(at).is_some_and(|listener| listener.pending) {
                self.accept(at);
            }
        }
    }

    /// When to accept again, if connections may wait that nothing but time or an ended handshake lets in.
    pub(super) fn accept_due(&self) -> Option<Duration> {
        let waits = self.listeners.iter().any(|listener| listener.pending) && self.takes_more();
        waits.then_some(self.accept_after)
    }

    fn takes_more(&self) -> bool {
        self.handshakes.values().sum::<usize>() < HANDSHAKES && self.conns.len() < CONNECTIONS
    }

    fn accepted(&mut self, at: usize, tcp: mio::net::TcpStream, remote: SocketAddr) {
        let Some((transport, door)) = self.listeners.get(at).map(|listener| (listener.transport, listener.local))
        else {
            return;
        };
        if self.sources.get(&remote.ip()).is_some_and(|open| *open >= CONNECTIONS_ONE_SOURCE) {
            return self.turn_away(transport, remote, "too_many_connections", CONNECTIONS_ONE_SOURCE);
        }
        let tls = match (transport.is_secure(), &self.tls) {
            (true, Some(tls)) => match tls.accept(door, remote.ip()) {
                Ok(tls) => Some(tls),
                Err(error) => {
                    return tracing::error!(node = %self.node, %error, "TLS cannot accept");
                }
            },
            _ => None,
        };
        if tls.is_some() {
            let under_way = self.handshakes.entry(remote.ip()).or_default();
            if *under_way >= HANDSHAKES_ONE_SOURCE {
                self.stats.tls_server_handshake_failures += 1;
                return self.turn_away(transport, remote, "too_many_handshakes", HANDSHAKES_ONE_SOURCE);
            }
            *under_way += 1;
        }
        let now = self.clock.now();
        let (Ok(local), Ok(())) = (tcp.local_addr(), crate::socket::settle(&tcp)) else {
            if tls.is_some() {
                self.handshake_over(remote.ip());
            }
            return; // gone already
        };
        let flow = self.fresh_flow();
        self.accepts.push_back((now.mono + ACCEPT_LIMIT, flow));
        let secure = tls.is_some();
        *self.sources.entry(remote.ip()).or_default() += 1;
        let birth = Birth { flow, transport, local, remote, outbound: None, now };
        if let Err(error) = self.add(Conn::new(birth, tcp, tls)) {
            tracing::error!(node = %self.node, %error, "a connection cannot be watched");
            if secure {
                self.handshake_over(remote.ip());
            }
            self.inbound_over(remote.ip());
        }
    }

    /// A connection beyond the bound is closed unheard. All are counted, by cause; one a second is written down.
    fn turn_away(&mut self, transport: Transport, remote: SocketAddr, cause: &str, most: usize) {
        *self.stats.turned_away.entry(cause.to_owned()).or_default() += 1;
        let now = self.clock.now();
        if now.mono < self.next_turned_away {
            return;
        }
        self.next_turned_away = now.mono + Duration::from_secs(1);
        let what = if cause == "too_many_handshakes" { "TLS handshakes under way" } else { "connections open" };
        let refusal = trust::Refusal {
            cause: cause.into(),
            rule: format!("one address has at most {most} {what} at a node"),
            expected: format!("no more than {most}"),
            presented: format!("one more from {}", remote.ip()),
            remedy: "look at what opens them there: a fault, a scanner, or somebody who would keep others out".into(),
        };
        tracing::warn!(node = %self.node, %remote, cause, "turned away: {most} {what} from there");
        self.heard.push_back(Heard::Refused(RefusalRecord {
            at_ms: crate::clock::millis(now.wall),
            node: self.node.clone(),
            remote: Some(remote),
            transport: Some(transport),
            answered: "connection closed".into(),
            refusal,
        }));
    }

    /// A connection that we accepted has ended.
    pub(super) fn inbound_over(&mut self, source: IpAddr) {
        if let Some(open) = self.sources.get_mut(&source) {
            *open -= 1;
            if *open == 0 {
                self.sources.remove(&source);
            }
        }
    }

    pub(super) fn handshake_over(&mut self, source: IpAddr) {
        if let Some(under_way) = self.handshakes.get_mut(&source) {
            *under_way -= 1;
            if *under_way == 0 {
                self.handshakes.remove(&source);
            }
        }
    }

    pub(super) fn receive(&mut self, at: usize) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for _ in 0..DATAGRAMS {
            let Some(udp) = self.udp.get(at) else { break };
            match udp.socket.recv_from(&mut scratch) {
                Ok((len, addr)) => {
                    let bytes = scratch.get(..len).unwrap_or_default();
                    if sip::stun::is_stun(bytes) {
                        self.answer_stun(at, addr, bytes);
                    } else if !is_keepalive(bytes) {
                        self.received(Remote { socket: at, addr }, Bytes::copy_from_slice(bytes));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.scratch = scratch;
                    return;
                }
                // An ICMP answer to something sent earlier.
                Err(_) => {}
            }
        }
        self.scratch = scratch;
        self.more_datagrams.push(at);
    }

    /// A keepalive that wants to know how it looks from here (RFC 5626 §4.4.2). The answer is hardly longer than the
    /// question, so it is no lever for a flood from made-up addresses.
    fn answer_stun(&self, at: usize, remote: SocketAddr, bytes: &[u8]) {
        if let (Some(udp), Some(answer)) = (self.udp.get(at), sip::stun::answer(bytes, remote)) {
            // Lost like any datagram if the socket is full: it will ask again.
            let _ = udp.send(&answer, remote);
        }
    }

    fn received(&mut self, remote: Remote, bytes: Bytes) {
        let now = self.clock.mono();
        let Some(local) = self.udp.get(remote.socket).map(|udp| udp.local) else {
            return;
        };
        let next_flow = &mut self.next_flow;
        let fresh = || {
            *next_flow += 1;
            sip::FlowId(*next_flow)
        };
        let expected = self.peers.values().any(|peer| peer.addr.ip() == remote.addr.ip());
        let Some(id) = self.remotes.flow(remote, expected, now, fresh) else {
            return tracing::debug!(node = %self.node, "a datagram was dropped: too many remotes at once");
        };
        let flow = Flow { id, transport: Transport::Udp, local, remote: remote.addr };
        let peer = self.plain.clone();
        self.note(false, Transport::Udp, local, remote.addr, peer.clone(), bytes.clone());
        if let Some(answer) = self.take_message(flow, peer, bytes) {
            self.send_datagram(remote, answer.bytes());
        }
    }
}
