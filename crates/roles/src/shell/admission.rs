//! Admission: who may speak to this node. An inbound flow is matched to a peer of the plan by the certificate's name and
//! the source address; what matches none is refused in words.

use std::sync::Arc;

use call::record::Signalling;
use sip::{Flow, Transport};
use site::Proof;
use trust::{Peer, Refusal};

use super::dns::Dns;
use crate::{PeerPlan, Plan, call_manager};

/// Proof that a message's sender was let in. Only admission makes one; it cannot be deserialised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    peer: Arc<str>,
    by: &'static str,
}

impl Admitted {
    /// [`Admitted::by`] of devices.
    const OF_DEVICES: [Proof; 3] = [Proof::Digest, Proof::Certificate, Proof::OAuth];

    /// Name of the peer in the plan, or of the device.
    pub fn peer(&self) -> &Arc<str> {
        &self.peer
    }

    pub fn by(&self) -> &'static str {
        self.by
    }

    /// A device whose registration holds this flow (call manager), by what it registered.
    pub(crate) fn device(device: &str, by: Proof) -> Admitted {
        Admitted { peer: device.into(), by: by.word() }
    }

    pub(crate) fn is_device(&self) -> bool {
        Admitted::is_of_device(self.by)
    }

    /// The same of a record's word.
    pub(crate) fn is_of_device(by: &str) -> bool {
        Admitted::OF_DEVICES.iter().any(|proof| proof.word() == by)
    }
}

/// A flow as the connection layer described it with a message, and what admission made of it.
#[derive(Clone, Debug)]
pub struct Sight {
    pub flow: Flow,
    pub peer: Arc<Peer>,
    pub admitted: Result<Admitted, Refusal>,
}

impl Sight {
    /// For the record: what was proved, and how its sender was let in.
    pub fn signalling(&self) -> Signalling {
        Signalling::of(&self.flow, &self.peer, self.admitted.as_ref().map_or("", Admitted::by))
    }

    /// TLS, whoever is at the other end.
    pub fn is_tls(&self) -> bool {
        self.flow.transport.is_secure() && !matches!(*self.peer, Peer::Plain)
    }
}

/// Matches a flow to a peer of the plan.
pub(super) fn admit(plan: &Plan, dns: &Dns, flow: &Flow, peer: &Peer) -> Result<Admitted, Refusal> {
    // Whatever certificate it would show: this port is for tokens.
    if plan.oauth_of(flow).is_some() {
        return Err(call_manager::OAuth::no_token());
    }
    let from_here: Vec<&PeerPlan> =
        plan.peers.iter().filter(|p| p.transport == flow.transport && is_from(p, dns, flow)).collect();
    match peer {
        Peer::Verified(verified) => {
            let named = |p: &&PeerPlan| p.names.iter().any(|name| verified.certificate().is_named(name));
            let named: Vec<&PeerPlan> = from_here.iter().copied().filter(named).collect();
            match named.iter().find(|p| verified.is_vouched_by(&p.authority)) {
                Some(found) => Ok(Admitted { peer: found.name.clone(), by: "certificate" }),
                None if named.is_empty() => Err(unexpected(plan, &from_here, flow, verified)),
                None => Err(wrong_authority(&named, verified)),
            }
        }
        Peer::Anonymous(_) => Err(Refusal {
            cause: "no_client_certificate".into(),
            rule: "a trunk shows a certificate of its own".into(),
            expected: expected(&from_here),
            presented: "no certificate".into(),
            remedy: "give the peer an identity that this site's roots know, and have it shown to us".into(),
        }),
        Peer::Plain => match from_here.first() {
            Some(found) => Ok(Admitted { peer: found.name.clone(), by: "address only (dangerous_plain_sip)" }),
            None => Err(Refusal {
                cause: "unknown_source".into(),
                rule: "plain SIP is taken from the addresses of loudly named peers only".into(),
                expected: addresses(plan, flow.transport),
                presented: format!("{} over {}", flow.remote.ip(), flow.transport.as_str()),
                remedy:
                    "use TLS; or name this address in a dial-peer with dangerous_plain_rtp and plain transport, or \
                         in a voice browser's dangerous_plain_callers"
                        .into(),
            }),
        },
    }
}

/// The right name on the wrong word: whoever is trusted for one trunk may not name itself as the peer of another.
fn wrong_authority(named: &[&PeerPlan], verified: &trust::VerifiedPeer) -> Refusal {
    let by: Vec<String> = named.iter().map(|p| format!("{} from {}", p.names.join(", "), p.authority)).collect();
    Refusal {
        cause: "wrong_authority".into(),
        rule: "the peer's certificate comes from the authority that its security profile names".into(),
        expected: by.join("; or "),
        presented: format!("{} from {}", verified.certificate().names().join(", "), verified.authorities()),
        remedy:
            "write `authority = \"NAME\"` (of roots/NAME.pem) at the peer if that authority may name it; otherwise \
                 somebody took its name"
                .into(),
    }
}

fn unexpected(plan: &Plan, from_here: &[&PeerPlan], flow: &Flow, verified: &trust::VerifiedPeer) -> Refusal {
    let presented = verified.certificate().names().join(", ");
    if from_here.is_empty() {
        return Refusal {
            cause: "unknown_source".into(),
            rule: "calls are taken from the addresses of configured peers".into(),
            expected: addresses(plan, flow.transport),
            presented: format!("{} ({presented})", flow.remote.ip()),
            remedy: "configure this address as a peer, or have the peer dial from its configured address".into(),
        };
    }
    Refusal {
        cause: "wrong_subject".into(),
        rule: "the certificate's subject CN or a SAN is one that the peer's security profile names".into(),
        expected: expected(from_here),
        presented,
        remedy: "correct secure_certificate_subject, or give the peer the certificate that it names".into(),
    }
}

fn expected(peers: &[&PeerPlan]) -> String {
    let names: Vec<&str> = peers.iter().flat_map(|p| p.names.iter().map(String::as_str)).collect();
    if names.is_empty() { "no peer at this address".into() } else { names.join(", ") }
}

fn addresses(plan: &Plan, transport: Transport) -> String {
    let place = |p: &PeerPlan| p.domain.as_ref().map_or_else(|| p.addr.ip().to_string(), |domain| domain.host.clone());
    let found: Vec<String> = plan.peers.iter().filter(|p| p.transport == transport).map(place).collect();
    if found.is_empty() { format!("nobody over {}", transport.as_str()) } else { found.join(", ") }
}

/// A peer of the plan whose address is unspecified is known by its certificate alone; without one, by what the DNS said.
fn is_from(peer: &PeerPlan, dns: &Dns, flow: &Flow) -> bool {
    let anywhere = peer.addr.ip().is_unspecified() && peer.transport == Transport::Tls;
    anywhere || peer.addr.ip() == flow.remote.ip() || dns.is_at(peer, flow.remote.ip())
}
