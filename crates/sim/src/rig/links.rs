//! Connections between nodes: TLS and TCP as pairs of flows in order, UDP as datagrams that may be lost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use roles::Input;
use sip::frame::{Frame, Framer, Limits};
use sip::{Flow, FlowId, Hop, Target, Transport};
use trust::Peer;

use super::weather::{DIAL_LIMIT, Way};
use super::{Crossed, Event, World};

/// One end of a connection, as the node there sees it.
#[derive(Debug)]
struct End {
    flow: Flow,
    peer: Arc<Peer>,
    /// The node at the other end and its name for this connection; a stranger has none.
    other: Option<(String, FlowId)>,
    /// What this end dialled; `None` where it was called.
    target: Option<Target>,
    /// Bytes sent from here arrive in order: not before this.
    busy_until: Duration,
    /// What has arrived, on its way to becoming messages.
    framer: Framer,
}

impl End {
    fn new(flow: Flow, peer: Arc<Peer>, other: Option<(String, FlowId)>, target: Option<Target>) -> End {
        End { flow, peer, other, target, busy_until: Duration::ZERO, framer: Framer::new(Limits::default()) }
    }
}

#[derive(Debug, Default)]
pub(super) struct Links {
    next: u64,
    ends: BTreeMap<(String, FlowId), End>,
    /// Connections that a node made, by what it made them for.
    made: BTreeMap<(String, Target), FlowId>,
}

impl Links {
    fn number(&mut self) -> FlowId {
        self.next += 1;
        FlowId(self.next)
    }

    pub(super) fn peer(&self, node: &str, flow: FlowId) -> Option<Arc<Peer>> {
        self.ends.get(&(node.to_owned(), flow)).map(|end| end.peer.clone())
    }

    pub(super) fn other_end(&self, node: &str, flow: FlowId) -> Option<(String, FlowId)> {
        self.ends.get(&(node.to_owned(), flow))?.other.clone()
    }

    pub(super) fn forget(&mut self, node: &str, flow: FlowId) {
        self.ends.remove(&(node.to_owned(), flow));
        self.made.retain(|(name, _), made| !(name == node && *made == flow));
    }

    /// Far ends of all connections of a node, which are forgotten on its side.
    pub(super) fn of(&mut self, node: &str) -> Vec<(String, FlowId)> {
        let own: Vec<(String, FlowId)> = self.ends.keys().filter(|(name, _)| name == node).cloned().collect();
        let others = own.iter().filter_map(|end| self.ends.get(end)?.other.clone()).collect();
        for (name, flow) in own {
            self.forget(&name, flow);
        }
        others
    }

    /// Both ends of each stream between two nodes.
    pub(super) fn between(&self, a: &str, b: &str) -> Vec<(String, FlowId, String, FlowId)> {
        let from_a = self.ends.iter().filter(|((name, _), end)| name == a && end.flow.transport != Transport::Udp);
        from_a
            .filter_map(|((name, flow), end)| {
                let (other, back) = end.other.clone().filter(|(other, _)| other == b)?;
                Some((name.clone(), *flow, other, back))
            })
            .collect()
    }

    /// Strangers that have spoken to this node: where they are.
    fn strangers(&self, node: &str) -> impl Iterator<Item = (SocketAddr, FlowId)> {
        let own = self.ends.iter().filter(move |((name, _), end)| name == node && end.other.is_none());
        own.map(|((_, flow), end)| (end.flow.remote, *flow))
    }

    pub(super) fn stranger(
        &mut self,
        to: &str,
        local: (Transport, SocketAddr),
        from: SocketAddr,
        peer: Arc<Peer>,
    ) -> Flow {
        // The same remote of a datagram listener is the same flow.
        let same = |((node, _), end): &(&(String, FlowId), &End)| {
            node == to && end.other.is_none() && end.flow.transport == Transport::Udp && end.flow.remote == from
        };
        if let Some((_, end)) = self.ends.iter().find(same).filter(|_| local.0 == Transport::Udp) {
            return end.flow;
        }
        let id = self.number();
        let flow = Flow { id, transport: local.0, local: local.1, remote: from };
        self.ends.insert((to.to_owned(), id), End::new(flow, peer, None, None));
        flow
    }
}

impl World {
    pub(super) fn send(&mut self, name: &str, hop: Hop, mut bytes: Bytes) {
        if let Some(bend) = self.bend.as_ref().filter(|bend| bend.node == name) {
            let text = (bend.how)(&String::from_utf8_lossy(&bytes));
            assert_eq!(text.len(), bytes.len(), "a bent message keeps its length");
            bytes = text.into();
        }
        let flow = match hop {
            Hop::Flow(flow) => flow,
            Hop::Target(target) => match self.connect(name, &target) {
                Ok(flow) => flow,
                Err((why, after)) => {
                    let to = format!("({why})");
                    self.crossed.push(Crossed {
                        at: self.now,
                        from: name.to_owned(),
                        to,
                        transport: target.transport,
                        bytes,
                    });
                    // A connection that is being tried already fails for all that wait for it at once.
                    if let Some(after) = after {
                        let input = Input::Unreachable { target, why };
                        self.later(after, Event::Input(name.to_owned(), Box::new(input)));
                    }
                    return;
                }
            },
        };
        let Some(end) = self.links.ends.get_mut(&(name.to_owned(), flow)) else {
            let to = "(closed)".to_owned();
            self.crossed.push(Crossed { at: self.now, from: name.to_owned(), to, transport: Transport::Tls, bytes });
            return self
                .later(Duration::ZERO, Event::Input(name.to_owned(), Box::new(Input::Closed { flow, target: None })));
        };
        let (transport, busy) = (end.flow.transport, end.busy_until);
        let other = end.other.clone();
        let to = other.as_ref().map_or_else(|| "stranger".to_owned(), |(to, _)| to.clone());
        self.crossed.push(Crossed {
            at: self.now,
            from: name.to_owned(),
            to: to.clone(),
            transport,
            bytes: bytes.clone(),
        });
        let far = other.and_then(|(to, back)| Some((back, self.links.ends.get(&(to, back))?.flow)));
        if transport == Transport::Udp {
            for at in self.sky.datagram(name, &to, self.now, &mut self.rng) {
                if let Some((_, flow)) = far {
                    self.at(at, Event::Message { to: to.clone(), flow, bytes: bytes.clone() });
                }
            }
            return;
        }
        let (pieces, breaks) = self.sky.stream(name, &to, self.now.max(busy), self.now, bytes, &mut self.rng);
        if let Some((at, _)) = pieces.last()
            && let Some(end) = self.links.ends.get_mut(&(name.to_owned(), flow))
        {
            end.busy_until = *at + Duration::from_micros(1);
        }
        if let Some((back, _)) = far {
            for (at, bytes) in pieces {
                self.at(at, Event::Segment { to: to.clone(), flow: back, bytes });
            }
        }
        if let Some((after, half)) = breaks {
            self.later(after, Event::Break { node: name.to_owned(), flow, half });
        }
    }

    /// Bytes of a stream arrive: as many whole messages as they complete.
    pub(super) fn arrive(&mut self, to: &str, flow: FlowId, bytes: &Bytes) {
        let Some(end) = self.links.ends.get_mut(&(to.to_owned(), flow)) else { return };
        end.framer.push(bytes);
        let mut whole = Vec::new();
        loop {
            match end.framer.next() {
                Ok(Some(Frame::Message(bytes))) => whole.push(bytes),
                Ok(Some(Frame::Ping | Frame::Pong)) => {}
                Ok(None) => break,
                Err(error) => panic!("{to} was sent what cannot be cut into messages: {error}"),
            }
        }
        let flow = end.flow;
        for bytes in whole {
            self.deliver(to, flow, &bytes);
        }
    }

    /// A connection ends at one end, as the connection layer tells it.
    pub(super) fn broke(&mut self, node: &str, flow: FlowId) {
        let Some(end) = self.links.ends.get(&(node.to_owned(), flow)) else { return };
        let target = end.target.clone();
        self.links.forget(node, flow);
        self.later(Duration::from_millis(1), Event::Input(node.to_owned(), Box::new(Input::Closed { flow, target })));
    }

    /// A connection breaks: both ends hear of it at once, or the far one so much later (a half-close: what it sends
    /// meanwhile is sent to nobody).
    pub(super) fn break_up(&mut self, node: &str, flow: FlowId, half: Option<Duration>) {
        let Some(far) = self.links.other_end(node, flow) else { return };
        self.broke(node, flow);
        match half {
            Some(later) => self.later(later, Event::Break { node: far.0, flow: far.1, half: None }),
            None => self.broke(&far.0, far.1),
        }
    }

    /// An open connection for the target, or a new one whose peer is the one named.
    /// The error says why not, and after what time the node hears so; never, where it waits for that already.
    fn connect(&mut self, name: &str, target: &Target) -> Result<FlowId, (String, Option<Duration>)> {
        let soon = Some(Duration::from_millis(1));
        if let Some(flow) = self.links.made.get(&(name.to_owned(), target.clone())) {
            return Ok(*flow);
        }
        let listens = |seat: &super::Seat| seat.plan.local.contains(&(target.transport, target.addr));
        if target.transport == Transport::Udp
            && let Some((_, flow)) = self.links.strangers(name).find(|(remote, _)| *remote == target.addr)
        {
            return Ok(flow);
        }
        let Some((to, seat)) = self.seats.iter().find(|(_, seat)| listens(seat)) else {
            return Err(("connection refused".into(), soon));
        };
        let (to, server) = (to.clone(), seat.papers.clone());
        match self.sky.dial(name, &to, target, self.now) {
            Way::Open => {}
            Way::Tried => return Err(("no way there".into(), None)),
            Way::Shut => return Err(("no way there".into(), Some(DIAL_LIMIT))),
        }
        // Phones come without a certificate where the registrar takes digest.
        let optional = matches!(seat.plan.kind, roles::Kind::CallManager(_));
        let from = &self.seats[name];
        let names = from.plan.peers.iter().find(|peer| peer.name == target.peer).map(|peer| peer.names.clone());
        let (near, far) = match target.transport {
            Transport::Tls | Transport::Wss => {
                let names = names.unwrap_or_default();
                let client = from.papers.clone();
                let near =
                    self.pki.seen_by_client(&client, &server, &names, optional).map_err(|r| (r.to_string(), soon))?;
                let far = self.pki.seen_by_server(&client, &server, optional).map_err(|r| (r.to_string(), soon))?;
                (near, far)
            }
            Transport::Udp | Transport::Tcp | Transport::Ws => (Arc::new(Peer::Plain), Arc::new(Peer::Plain)),
        };
        let (a, b) = (self.links.number(), self.links.number());
        let own = self.seats[name].plan.local.iter().find(|(t, _)| *t == target.transport).map(|(_, addr)| *addr);
        let mut dialled_from = own.unwrap_or(self.seats[name].plan.local[0].1);
        if target.transport != Transport::Udp {
            dialled_from.set_port(40_000 + (a.0 % 20_000) as u16);
        }
        let one = Flow { id: a, transport: target.transport, local: dialled_from, remote: target.addr };
        let two = Flow { id: b, transport: target.transport, local: target.addr, remote: dialled_from };
        let dialled = Some(target.clone());
        self.links.ends.insert((name.to_owned(), a), End::new(one, near, Some((to.clone(), b)), dialled));
        self.links.ends.insert((to, b), End::new(two, far, Some((name.to_owned(), a)), None));
        self.links.made.insert((name.to_owned(), target.clone()), a);
        Ok(a)
    }
}
