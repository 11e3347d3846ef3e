//! Trunks with their security profiles, and phones with their lines.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sip::Transport;

use crate::plan::Peers;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub trunks: Vec<Trunk>,
    pub phones: Vec<site::Phone>,
    /// Digest realm.
    pub realm: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trunk {
    pub name: String,
    /// Name of the peer in the node's plan.
    pub peer: Arc<str>,
    pub dangerous_plain_rtp: bool,
}

impl Plan {
    pub(crate) fn compile(role: &site::CallManager, domain: &str, peers: &mut Peers) -> Result<Plan, String> {
        let mut trunks = Vec::new();
        for trunk in &role.sip_trunks {
            let wanted = &trunk.sip_trunk_security_profile;
            let profile =
                role.profile(wanted).ok_or_else(|| format!("trunk {}: no security profile `{wanted}`", trunk.name))?;
            let transport = if profile.device_security_mode == ENCRYPTED { Transport::Tls } else { Transport::Tcp };
            let addr = SocketAddr::new(trunk.destination_address, trunk.destination_port);
            let (names, authority) = (&profile.secure_certificate_subject, profile.authority.as_deref());
            let peer = peers.add_under(&trunk.name, transport, addr, names, authority);
            peers.heartbeat(&peer, trunk.options_ping_s);
            let dangerous_plain_rtp = !trunk.srtp_allowed && trunk.dangerous_plain_rtp;
            trunks.push(Trunk { name: trunk.name.clone(), peer, dangerous_plain_rtp });
        }
        let realm = role.realm.clone().unwrap_or_else(|| domain.to_owned());
        Ok(Plan { trunks, phones: role.phones.clone(), realm })
    }

    pub(super) fn phone_of_line(&self, line: &str) -> Option<&site::Phone> {
        self.phones.iter().find(|phone| phone.line == line)
    }

    /// Whether media of this peer, a trunk or a device, may be RTP in clear.
    pub(super) fn is_plain(&self, peer: &str) -> bool {
        let trunk = self.trunks.iter().any(|trunk| &*trunk.peer == peer && trunk.dangerous_plain_rtp);
        trunk || self.phones.iter().any(|phone| phone.name == peer && phone.device_security_mode != ENCRYPTED)
    }
}

pub(super) const ENCRYPTED: &str = "encrypted";
