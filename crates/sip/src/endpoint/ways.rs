//! Where messages go: our own addresses for Via and Contact, the hop of a dialog, and the way back of an answer
//! (RFC 3261 §18.2.2, RFC 3581).
//!
//! A request keeps the transport of its hop whatever its size: a hop is configured, and a request over 1300 octets
//! to a UDP hop goes out as UDP (RFC 3261 §18.1.1 would try a stream that nobody listens on).

use std::net::SocketAddr;

use super::Endpoint;
use crate::dialog::Path;
use crate::message::via::ViaView;
use crate::message::{Headers, Name};
use crate::transport::{Flow, Hop, Target, Transport};
use crate::uri::{Scheme, Uri};

/// `Target::peer` of an answer that must open a way back to somebody no trunk names: never used for TLS.
const NOBODY: &str = "";

impl Endpoint {
    /// The transport of a hop. A flow that was never seen as a stream is UDP.
    pub(super) fn transport_of(&self, hop: &Hop) -> Transport {
        match hop {
            Hop::Target(target) => target.transport,
            Hop::Flow(flow) => self.streams.get(flow).map_or(Transport::Udp, |flow| flow.transport),
        }
    }

    /// The address that we listen on for a transport.
    pub(super) fn local(&self, transport: Transport) -> SocketAddr {
        let same = self.config.local.iter().find(|(listened, _)| *listened == transport);
        let any = same.or(self.config.local.first());
        any.map_or(SocketAddr::from(([0, 0, 0, 0], transport.default_port())), |(_, addr)| *addr)
    }

    /// The stream of a hop, if it is one that is open.
    pub(super) fn stream_of(&self, hop: &Hop) -> Option<Flow> {
        match hop {
            Hop::Target(_) => None,
            Hop::Flow(flow) => self.streams.get(flow).copied(),
        }
    }

    /// Our Contact value for requests over `transport`, unless the user wrote one. Where we listen on several ports it is
    /// the one that the peer came to (`over`).
    pub(super) fn contact(
        &self,
        (transport, over): (Transport, Option<Flow>),
        user: Option<&str>,
        secure: bool,
        headers: &Headers,
    ) -> String {
        if let Some((_, value)) = headers.iter().find(|(name, _)| *name == Name::Contact) {
            return value.clone();
        }
        let came_to = over.map(|flow| flow.local).filter(|local| self.config.local.contains(&(transport, *local)));
        let addr = came_to.unwrap_or_else(|| self.local(transport));
        let mut uri = Uri::sip(user, addr.ip(), Some(addr.port()));
        if secure {
            uri.scheme = Scheme::Sips;
        }
        match transport {
            Transport::Udp => format!("<{uri}>"),
            Transport::Tcp => format!("<{uri};transport=tcp>"),
            Transport::Tls => format!("<{uri};transport=tls>"),
            // RFC 7118 §5.2: one value for both; `sips` tells them apart.
            Transport::Ws | Transport::Wss => format!("<{uri};transport=ws>"),
        }
    }

    /// Still there, as far as anybody told us. UDP always is.
    pub(super) fn is_up(&self, flow: &Flow) -> bool {
        !flow.transport.is_reliable() || self.streams.contains_key(&flow.id)
    }

    /// The flow that last carried the dialog, else its own target.
    pub(super) fn hop_of(&self, path: &Path) -> Option<(Hop, Transport)> {
        match &path.flow {
            Some(flow) if self.is_up(flow) => Some((Hop::Flow(flow.id), flow.transport)),
            _ => path.fallback.clone().map(|target| (Hop::Target(target.clone()), target.transport)),
        }
    }
}

/// The way back to who sent a request.
pub(super) fn back(flow: &Flow, via: &ViaView<'_>) -> Hop {
    let symmetric = crate::message::params::Params::find(via.params, "rport").is_some();
    let port = via.port.unwrap_or(flow.transport.default_port());
    if flow.transport.is_reliable() || symmetric || port == flow.remote.port() {
        return Hop::Flow(flow.id);
    }
    // Without rport the answer goes to the port of sent-by, at the address that the request came from.
    Hop::Target(target(flow, port))
}

/// The way back when the stream that a request came on has ended: the dialog's own target if it has one; else, for
/// TCP, the address that it came from at the port of sent-by. TLS has no other way back: we would not know whom to
/// expect there.
pub(super) fn detour(flow: &Flow, sent_port: u16, fallback: Option<&Target>) -> Option<Hop> {
    match (fallback, flow.transport) {
        (Some(target), _) => Some(Hop::Target(target.clone())),
        (None, Transport::Tls | Transport::Ws | Transport::Wss) => None,
        (None, _) => Some(Hop::Target(target(flow, sent_port))),
    }
}

fn target(flow: &Flow, port: u16) -> Target {
    Target { transport: flow.transport, addr: SocketAddr::new(flow.remote.ip(), port), peer: NOBODY.into() }
}
