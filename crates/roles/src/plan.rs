//! Plans: what a node routes by, compiled from the site, immutable, swapped whole. A call keeps the plan it began with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sdp::Suite;
use serde::{Deserialize, Serialize};
use sip::Transport;
use trust::Authority;

use crate::{Domain, PeerPlan, call_manager, call_server, media_resource, phone, sbc, voice_browser};

/// What a node routes by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Counts up with each reload.
    pub generation: u64,
    pub site: String,
    pub node: String,
    /// `sbc`, `call_server`, …
    pub role: String,
    /// Listening addresses; of several for one transport the first is what we say of ourselves to whom we dial.
    pub local: Vec<(Transport, SocketAddr)>,
    pub peers: Vec<PeerPlan>,
    /// Peers that are sent OPTIONS, and how often.
    pub heartbeats: Vec<(Arc<str>, Duration)>,
    pub session_expires: Duration,
    pub min_se: Duration,
    /// New requests that one address may send.
    pub source_rate: Option<sip::Rate>,
    /// RFC 7339.
    pub overload_control: bool,
    pub kind: Kind,
}

/// The role's own part of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Kind {
    Sbc(sbc::Plan),
    CallServer(call_server::Plan),
    VoiceBrowser(voice_browser::Plan),
    CallManager(call_manager::Plan),
    MediaResource(media_resource::Plan),
    Phone(phone::Plan),
}

impl Plan {
    /// The plan of one node of a validated site. Words say what the site lacks.
    pub fn compile(site: &site::Site, node: &str, generation: u64) -> Result<Plan, String> {
        let found = site.node(node).ok_or_else(|| format!("the site has no node `{node}`"))?;
        let mut local = vec![(Transport::Tls, SocketAddr::new(found.address, found.secure_port))];
        if let Some(port) = found.port.filter(|_| found.dangerous_plain_sip) {
            let addr = SocketAddr::new(found.address, port);
            local.extend([(Transport::Udp, addr), (Transport::Tcp, addr)]);
        }
        if let Some(port) = found.websocket_port {
            local.push((Transport::Wss, SocketAddr::new(found.address, port)));
        }
        if let site::Role::CallManager(role) = &found.role
            && let Some(oauth) = &role.oauth
        {
            local.push((Transport::Tls, SocketAddr::new(found.address, oauth.port)));
        }
        let mut peers = Peers { site_node: Some(found.clone()), ..Peers::default() };
        let kind = match &found.role {
            site::Role::Sbc(role) => Kind::Sbc(sbc::Plan::compile(role, &mut peers)?),
            site::Role::CallServer(role) => Kind::CallServer(call_server::Plan::compile(role, &mut peers)?),
            site::Role::VoiceBrowser(role) => Kind::VoiceBrowser(voice_browser::Plan::compile(role, site, &mut peers)?),
            site::Role::CallManager(role) => {
                Kind::CallManager(call_manager::Plan::compile(role, site, found, &mut peers)?)
            }
            site::Role::MediaResource(role) => Kind::MediaResource(media_resource::Plan::compile(role, &mut peers)),
        };
        Ok(Plan {
            generation,
            site: site.name.clone(),
            node: found.name.clone(),
            role: found.role.word().into(),
            local,
            peers: peers.peers,
            heartbeats: peers.heartbeats,
            session_expires: Duration::from_secs(found.session_expires().into()),
            min_se: Duration::from_secs(found.min_se().into()),
            source_rate: found
                .source_rate
                .map(|site::SourceRate { per_second, burst }| sip::Rate { per_second, burst }),
            overload_control: found.overload_control,
            kind,
        })
    }
}

impl Plan {
    /// The OAuth port that a flow came in by; `None`: by none.
    pub(crate) fn oauth_of(&self, flow: &sip::Flow) -> Option<&call_manager::OAuth> {
        let Kind::CallManager(plan) = &self.kind else { return None };
        plan.oauth.as_ref().filter(|oauth| oauth.is_door_of(flow))
    }
}

/// Suites by their names in `srtp_crypto`.
pub(crate) fn suites(names: &[String]) -> Result<Vec<Suite>, String> {
    let suite = |name: &String| Suite::parse(name).ok_or_else(|| format!("srtp_crypto `{name}`"));
    names.iter().map(suite).collect()
}

/// The address of who has none of their own.
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// The peers of a plan as they are found: the same address and names are one peer, so that they share connections.
#[derive(Debug, Default)]
pub struct Peers {
    peers: Vec<PeerPlan>,
    heartbeats: Vec<(Arc<str>, Duration)>,
    /// Whose peers they are: for its trustpoints.
    site_node: Option<site::Node>,
}

impl Peers {
    /// Finds or makes the peer. `name` is what records and logs will call it; an address of `0.0.0.0:0` is any.
    pub fn add(&mut self, name: &str, transport: Transport, addr: SocketAddr, names: &[String]) -> Arc<str> {
        self.add_under(name, transport, addr, names, None)
    }

    /// The same, for a peer whose certificate comes from the authority that the site names; `None`: from that of the
    /// trustpoint for its address, or else from our own.
    pub fn add_under(
        &mut self,
        name: &str,
        transport: Transport,
        addr: SocketAddr,
        names: &[String],
        authority: Option<&str>,
    ) -> Arc<str> {
        let trustpoint = self.site_node.as_ref().and_then(|node| node.trustpoint_for(addr.ip()));
        let authority = Authority::of(authority.or(trustpoint.and_then(|point| point.authority.as_deref())));
        self.find_or_add(PeerPlan { authority, ..PeerPlan::new(name, transport, addr, names.to_vec()) })
    }

    /// The same, for a peer known by a domain; over TLS its certificate is for that domain unless `names` says otherwise
    /// (RFC 5922 §7).
    pub fn add_domain(
        &mut self,
        domain: Domain,
        transport: Transport,
        names: &[String],
        authority: Option<&str>,
    ) -> Arc<str> {
        let names = match names {
            [] if transport.is_secure() => vec![domain.host.clone()],
            names => names.to_vec(),
        };
        let peer = PeerPlan::new(&domain.host, transport, ANYWHERE, names);
        self.find_or_add(PeerPlan { authority: Authority::of(authority), domain: Some(domain), ..peer })
    }

    /// Whether callers' identities are believed from this peer and told to it, where the site says so: as a rule of those
    /// who prove who they are.
    pub fn trust(&mut self, peer: &Arc<str>, trusted: Option<bool>) {
        let peer = self.peers.iter_mut().find(|known| known.name == *peer);
        if let (Some(peer), Some(trusted)) = (peer, trusted) {
            peer.trusted = trusted;
        }
    }

    fn find_or_add(&mut self, mut wanted: PeerPlan) -> Arc<str> {
        let same = |p: &&PeerPlan| {
            let PeerPlan { name: _, transport, addr, domain, names, authority, trusted: _ } = *p;
            (transport, addr, domain, names, authority)
                == (&wanted.transport, &wanted.addr, &wanted.domain, &wanted.names, &wanted.authority)
        };
        if let Some(found) = self.peers.iter().find(same) {
            return found.name.clone();
        }
        let taken = |name: &str| self.peers.iter().any(|p| &*p.name == name);
        let first = wanted.name.clone();
        let mut n = 2;
        while taken(&wanted.name) {
            wanted.name = format!("{first}#{n}").into();
            n += 1;
        }
        let name = wanted.name.clone();
        self.peers.push(wanted);
        name
    }

    /// OPTIONS to this peer; of several wishes the most frequent counts.
    pub fn heartbeat(&mut self, peer: &Arc<str>, seconds: Option<u32>) {
        let Some(every) = seconds.filter(|s| *s > 0).map(|s| Duration::from_secs(s.into())) else { return };
        match self.heartbeats.iter_mut().find(|(name, _)| name == peer) {
            Some((_, old)) => *old = every.min(*old),
            None => self.heartbeats.push((peer.clone(), every)),
        }
    }

    /// Done: the peers, and the heartbeats among them.
    pub fn into_parts(self) -> (Vec<PeerPlan>, Vec<(Arc<str>, Duration)>) {
        (self.peers, self.heartbeats)
    }
}
