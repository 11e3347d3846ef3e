//! Trunks with their security profiles, and phones with their lines.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sip::Transport;
use site::{SecurityMode, TransportType};

use super::tokens::OAuth;
use crate::plan::Peers;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub trunks: Vec<Trunk>,
    /// By line.
    pub phones: BTreeMap<String, Phone>,
    /// Devices whose media may be RTP in clear.
    pub plain: BTreeSet<String>,
    pub users: Vec<site::ApplicationUser>,
    /// Digest realm.
    pub realm: String,
    /// The port on which phones register by a token; `None`: there is none.
    pub oauth: Option<OAuth>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trunk {
    pub name: String,
    /// Name of the peer in the node's plan, as we dial it.
    pub peer: Arc<str>,
    /// Names under which it may come: one for each transport that the profile takes.
    pub incoming: Vec<Arc<str>>,
    pub profile: site::SipTrunkSecurityProfile,
    pub dangerous_plain_rtp: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phone {
    pub device: site::Phone,
    /// The one that it names, or what its own words come to.
    pub profile: site::PhoneSecurityProfile,
}

impl Plan {
    pub(crate) fn compile(
        role: &site::CallManager,
        site: &site::Site,
        node: &site::Node,
        peers: &mut Peers,
    ) -> Result<Plan, String> {
        let mut trunks = Vec::new();
        for trunk in &role.sip_trunks {
            let wanted = &trunk.sip_trunk_security_profile;
            let profile =
                role.profile(wanted).ok_or_else(|| format!("trunk {}: no security profile `{wanted}`", trunk.name))?;
            let addr = SocketAddr::new(trunk.destination_address, trunk.destination_port);
            let (names, authority) = (&profile.secure_certificate_subject, profile.authority.as_deref());
            let mut add = |transport: &Transport| peers.add_under(&trunk.name, *transport, addr, names, authority);
            let peer = transports(profile.outgoing()).first().map(&mut add);
            let peer = peer.ok_or_else(|| format!("trunk {}: no outgoing transport", trunk.name))?;
            let incoming = transports(profile.incoming()).iter().map(add).collect();
            peers.heartbeat(&peer, trunk.options_ping_s);
            let dangerous_plain_rtp = !trunk.srtp_allowed && trunk.dangerous_plain_rtp;
            let (name, profile) = (trunk.name.clone(), profile.clone());
            trunks.push(Trunk { name, peer, incoming, profile, dangerous_plain_rtp });
        }
        let realm = role.realm.clone().unwrap_or_else(|| site.domain.clone());
        let oauth = role.oauth.as_ref().map(|oauth| OAuth::compile(oauth, node, &site.host_name(node), &realm));
        let phone = |device: &site::Phone| Phone { device: device.clone(), profile: role.profile_of(device) };
        let phones: BTreeMap<String, Phone> =
            role.phones.iter().map(|device| (device.line.clone(), phone(device))).collect();
        let is_plain = |phone: &&Phone| phone.profile.device_security_mode != SecurityMode::Encrypted;
        let plain = phones.values().filter(is_plain).map(|phone| phone.device.name.clone()).collect();
        Ok(Plan { trunks, phones, plain, users: role.application_users.clone(), realm, oauth })
    }

    pub(super) fn phone_of_line(&self, line: &str) -> Option<&Phone> {
        self.phones.get(line)
    }

    /// The trunk that a peer of the node's plan is, whichever way it came.
    pub(super) fn trunk_of(&self, peer: &str) -> Option<&Trunk> {
        self.trunks.iter().find(|trunk| &*trunk.peer == peer || trunk.incoming.iter().any(|name| &**name == peer))
    }

    /// Whether media of this peer, a trunk or a device, may be RTP in clear.
    pub(super) fn is_plain(&self, peer: &str) -> bool {
        self.trunk_of(peer).is_some_and(|trunk| trunk.dangerous_plain_rtp) || self.plain.contains(peer)
    }
}

fn transports(of: TransportType) -> &'static [Transport] {
    match of {
        TransportType::Tls => &[Transport::Tls],
        TransportType::Tcp => &[Transport::Tcp],
        TransportType::Udp => &[Transport::Udp],
        TransportType::TcpUdp => &[Transport::Tcp, Transport::Udp],
    }
}
