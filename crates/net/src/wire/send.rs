//! Sending: over a flow that is there, or to a target over a connection that was verified for it.

use bytes::Bytes;
use mio::net::TcpStream;
use sip::{FlowId, Hop, Target, Transport};

use super::broken::Broken;
use super::conn::{Birth, Conn, Stage, WRITE_QUEUE};
use super::tls::Whom;
use super::udp::{Remote, Udp};
use super::{DIAL_LIMIT, Heard, Wire};

impl Wire {
    /// Queues; what cannot go is heard of as [`Heard::Closed`] or [`Heard::Unreachable`].
    pub(crate) fn send(&mut self, hop: Hop, bytes: &Bytes) {
        match hop {
            Hop::Flow(flow) => match self.remotes.get(flow) {
                Some(remote) => self.send_datagram(remote, bytes),
                None => self.send_stream(flow, bytes),
            },
            Hop::Target(target) if target.transport == Transport::Udp => self.send_udp(target, bytes),
            Hop::Target(target) => match self.connection(&target) {
                Ok(flow) => self.send_stream(flow, bytes),
                Err(why) => {
                    self.stats.connect_failures += 1;
                    self.heard.push_back(Heard::Unreachable { target, why });
                }
            },
        }
    }

    fn send_stream(&mut self, flow: FlowId, bytes: &Bytes) {
        let Some(conn) = self.conns.get_mut(&flow) else {
            self.stats.send_failures += 1;
            return self.heard.push_back(Heard::Closed { flow, target: None });
        };
        // A long turn does not make a peer slow: what it was told so far goes before it counts as not reading.
        let room = match conn.write_queue() + bytes.len() > WRITE_QUEUE {
            true => conn.flush(self.clock.mono()).map(|_| ()),
            false => Ok(()),
        };
        if let Err(broken) = room.and_then(|()| conn.push(bytes)) {
            return self.end(flow, broken);
        }
        let queued = conn.write_queue();
        if self.stats.max_write_queue.is_none_or(|(most, _)| queued > most) {
            self.stats.max_write_queue = Some((queued, conn.remote));
        }
        match conn.peer().cloned() {
            Some(peer) => {
                let (transport, local, remote) = (conn.transport, conn.local, conn.remote);
                self.note(true, transport, local, remote, peer, bytes.clone());
            }
            None => self.early.entry(flow).or_default().push(bytes.clone()),
        }
        self.dirty.push(flow);
    }

    /// The open connection to a target, or a new one. Only one that was verified for this very peer, under the names that
    /// are good today, is used again (RFC 5923 §9).
    fn connection(&mut self, target: &Target) -> Result<FlowId, String> {
        let whom = match self.peers.get(&target.peer) {
            Some(peer) => Whom { names: peer.names.clone(), authority: peer.authority.clone() },
            None => Whom::default(),
        };
        if let Some(flow) = self.by_target.get(target)
            && let Some(conn) = self.conns.get(flow)
            && !matches!(conn.stage, Stage::Finish(_))
            && conn.outbound.as_ref().is_some_and(|(_, verified)| *verified == whom)
        {
            return Ok(*flow);
        }
        self.dial(target, whom)
    }

    fn dial(&mut self, target: &Target, whom: Whom) -> Result<FlowId, String> {
        let Target { transport, addr, peer } = target;
        let tls = match (transport, &mut self.tls) {
            (Transport::Tls, None) => {
                return Err(format!("{peer} wants TLS, and this node has no identity for it"));
            }
            // An empty list would be nobody; a plan never has one for TLS, and a fault there must not mean everybody.
            (Transport::Tls, _) if whom.names.is_empty() => {
                return Err(format!(
                    "no certificate name is configured for {peer}: set its secure_certificate_subject"
                ));
            }
            (Transport::Tls, Some(tls)) => Some(tls.dial(&whom, addr.ip())?),
            (Transport::Ws | Transport::Wss, _) => {
                return Err(format!("{peer} opens its WebSocket itself; there is none open (RFC 7118 §5.1)"));
            }
            (Transport::Tcp | Transport::Udp, _) => None,
        };
        let tcp = crate::socket::dial(self.source, *addr).map_err(|error| Broken::Connect(error).words(*addr))?;
        let local = tcp.local_addr().map_err(|error| Broken::Connect(error).words(*addr))?;
        let (flow, now) = (self.fresh_flow(), self.clock.now());
        let birth =
            Birth { flow, transport: *transport, local, remote: *addr, outbound: Some((target.clone(), whom)), now };
        self.add(Conn::new(birth, TcpStream::from_std(tcp), tls)).map_err(|error| Broken::Io(error).words(*addr))?;
        self.by_target.insert(target.clone(), flow);
        self.dials.push_back((now.mono + DIAL_LIMIT, flow));
        Ok(flow)
    }

    fn send_udp(&mut self, target: Target, bytes: &Bytes) {
        let socket = self.udp.iter().position(|udp| udp.local.is_ipv4() == target.addr.is_ipv4());
        let socket = match socket {
            Some(socket) => socket,
            None => match self.open_udp(&target) {
                Ok(socket) => socket,
                Err(why) => return self.heard.push_back(Heard::Unreachable { target, why }),
            },
        };
        let remote = Remote { socket, addr: target.addr };
        if let Err(error) = self.try_datagram(remote, bytes) {
            self.stats.send_failures += 1;
            let why = Broken::Io(error).words(target.addr);
            self.heard.push_back(Heard::Unreachable { target, why });
        }
    }

    /// A node without a UDP listener that has a UDP peer all the same: answers come back to this socket.
    fn open_udp(&mut self, target: &Target) -> Result<usize, String> {
        let addr = std::net::SocketAddr::new(self.source, 0);
        self.listen(Transport::Udp, addr).map_err(|error| format!("no UDP socket for {}: {error}", target.addr))?;
        Ok(self.udp.len() - 1)
    }

    pub(super) fn send_datagram(&mut self, remote: Remote, bytes: &Bytes) {
        if let Err(error) = self.try_datagram(remote, bytes) {
            self.stats.send_failures += 1;
            tracing::warn!(node = %self.node, remote = %remote.addr, %error, "a datagram could not be sent");
        }
    }

    fn try_datagram(&mut self, remote: Remote, bytes: &Bytes) -> std::io::Result<()> {
        let Some((udp, local)) = self.udp.get(remote.socket).map(|udp: &Udp| (udp, udp.local)) else {
            return Ok(());
        };
        udp.send(bytes, remote.addr)?;
        self.note(true, Transport::Udp, local, remote.addr, self.plain.clone(), bytes.clone());
        Ok(())
    }
}
