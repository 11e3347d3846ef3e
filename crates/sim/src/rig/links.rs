//! Connections between nodes: TLS and TCP as pairs of flows in order, UDP as datagrams that may be lost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand_core::RngCore;
use roles::Input;
use sip::{Flow, FlowId, Hop, Target, Transport};
use trust::Peer;

use super::{Crossed, Event, World};

/// One end of a connection, as the node there sees it.
#[derive(Clone, Debug)]
struct End {
    flow: Flow,
    peer: Arc<Peer>,
    /// The node at the other end and its name for this connection; a stranger has none.
    other: Option<(String, FlowId)>,
    /// Bytes sent from here arrive in order: not before this.
    busy_until: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    next: u64,
    ends: BTreeMap<(String, FlowId), End>,
    /// Connections that a node made, by what it made them for.
    made: BTreeMap<(String, Target), FlowId>,
    pub(super) loss: u32,
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

    pub(super) fn stranger(&mut self, to: &str, local: (Transport, SocketAddr), from: SocketAddr, peer: Arc<Peer>) -> Flow {
        // The same remote of a datagram listener is the same flow.
        let same = |((node, _), end): &(&(String, FlowId), &End)| {
            node == to && end.other.is_none() && end.flow.transport == Transport::Udp && end.flow.remote == from
        };
        if let Some((_, end)) = self.ends.iter().find(same).filter(|_| local.0 == Transport::Udp) {
            return end.flow;
        }
        let id = self.number();
        let flow = Flow { id, transport: local.0, local: local.1, remote: from };
        self.ends.insert((to.to_owned(), id), End { flow, peer, other: None, busy_until: Duration::ZERO });
        flow
    }
}

impl World {
    pub(super) fn send(&mut self, name: &str, hop: Hop, bytes: Bytes) {
        let flow = match hop {
            Hop::Flow(flow) => flow,
            Hop::Target(target) => match self.connect(name, &target) {
                Ok(flow) => flow,
                Err(why) => {
                    let to = format!("({why})");
                    self.crossed.push(Crossed { at: self.now, from: name.to_owned(), to, transport: target.transport, bytes });
                    let input = Input::Unreachable { target, why };
                    return self.later(Duration::from_millis(1), Event::Input(name.to_owned(), Box::new(input)));
                }
            },
        };
        let Some(end) = self.links.ends.get_mut(&(name.to_owned(), flow)) else {
            let to = "(closed)".to_owned();
            self.crossed.push(Crossed { at: self.now, from: name.to_owned(), to, transport: Transport::Tls, bytes });
            return self.later(Duration::ZERO, Event::Input(name.to_owned(), Box::new(Input::Closed { flow })));
        };
        let transport = end.flow.transport;
        let latency = Duration::from_micros(500 + u64::from(self.rng.next_u32() % 1000));
        let mut at = self.now + latency;
        if transport != Transport::Udp {
            at = at.max(end.busy_until + Duration::from_micros(1));
            end.busy_until = at;
        }
        let other = end.other.clone();
        let to = other.as_ref().map_or_else(|| "stranger".to_owned(), |(to, _)| to.clone());
        self.crossed.push(Crossed { at: self.now, from: name.to_owned(), to, transport, bytes: bytes.clone() });
        if transport == Transport::Udp && self.rng.next_u32() % 100 < self.links.loss {
            return;
        }
        if let Some((to, back)) = other
            && let Some(far) = self.links.ends.get(&(to.clone(), back))
        {
            let flow = far.flow;
            self.at(at, Event::Message { to, flow, bytes });
        }
    }

    /// An open connection for the target, or a new one whose peer is the one named.
    fn connect(&mut self, name: &str, target: &Target) -> Result<FlowId, String> {
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
            return Err("connection refused".into());
        };
        let (to, server) = (to.clone(), seat.papers.clone());
        // Phones come without a certificate where the registrar takes digest.
        let optional = matches!(seat.plan.kind, roles::Kind::CallManager(_));
        let from = &self.seats[name];
        let names = from.plan.peers.iter().find(|peer| peer.name == target.peer).map(|peer| peer.names.clone());
        let (near, far) = match target.transport {
            Transport::Tls => {
                let names = names.unwrap_or_default();
                let client = from.papers.clone();
                let near = self.pki.seen_by_client(&client, &server, &names, optional).map_err(|r| r.to_string())?;
                let far = self.pki.seen_by_server(&client, &server, optional).map_err(|r| r.to_string())?;
                (near, far)
            }
            Transport::Udp | Transport::Tcp => (Arc::new(Peer::Plain), Arc::new(Peer::Plain)),
        };
        let (a, b) = (self.links.number(), self.links.number());
        let own = self.seats[name].plan.local.iter().find(|(t, _)| *t == target.transport).map(|(_, addr)| *addr);
        let mut dialled_from = own.unwrap_or(self.seats[name].plan.local[0].1);
        if target.transport != Transport::Udp {
            dialled_from.set_port(40_000 + (a.0 % 20_000) as u16);
        }
        let one = Flow { id: a, transport: target.transport, local: dialled_from, remote: target.addr };
        let two = Flow { id: b, transport: target.transport, local: target.addr, remote: dialled_from };
        let end = |flow, peer, other| End { flow, peer, other: Some(other), busy_until: Duration::ZERO };
        self.links.ends.insert((name.to_owned(), a), end(one, near, (to.clone(), b)));
        self.links.ends.insert((to, b), end(two, far, (name.to_owned(), a)));
        self.links.made.insert((name.to_owned(), target.clone()), a);
        Ok(a)
    }
}
