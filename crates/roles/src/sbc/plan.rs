//! Dial-peers: which calls come in, where they go, how each side is protected. Selection is that of IOS: the longest
//! explicit match, then the lowest tag.

use std::sync::Arc;

use sdp::{Codec, Exchange, Policy, Protection, Suite};
use serde::{Deserialize, Serialize};
use sip::Transport;
use site::Pattern;

use crate::Domain;
use crate::plan::{Peers, suites};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub dial_peers: Vec<DialPeer>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DialPeer {
    pub tag: u32,
    /// Name of the peer in the node's plan.
    pub peer: Arc<str>,
    pub incoming: Option<Pattern>,
    pub destination: Option<Pattern>,
    pub protection: Protection,
    /// In order of preference; empty: the usual ones.
    pub suites: Vec<Suite>,
    /// In order of preference; empty: by SDES.
    pub exchange: Vec<Exchange>,
    /// What is spoken there and nothing else, in order of preference; empty: [`Codec::USUAL`], as the other side speaks.
    pub codecs: Vec<Codec>,
    pub latch: bool,
    /// Its calls are recorded whole.
    pub records: bool,
}

impl Plan {
    pub(crate) fn compile(role: &site::Sbc, peers: &mut Peers) -> Result<Plan, String> {
        let mut dial_peers = Vec::new();
        for from in &role.dial_peers {
            let transport = match from.session_transport.as_str() {
                "tcp tls" => Transport::Tls,
                "tcp" => Transport::Tcp,
                "udp" => Transport::Udp,
                other => return Err(format!("dial-peer {}: session_transport `{other}`", from.tag)),
            };
            let (names, authority) = (&from.secure_certificate_subject, from.authority.as_deref());
            let peer = match site::Target::parse(&from.session_target)? {
                site::Target::Address(addr) => {
                    let name = names.first().cloned().unwrap_or_else(|| addr.to_string());
                    peers.add_under(&name, transport, addr, names, authority)
                }
                site::Target::Domain { host, port } => {
                    peers.add_domain(Domain { host, port }, transport, names, authority)
                }
            };
            peers.heartbeat(&peer, from.options_keepalive_s);
            peers.trust(&peer, from.trusted);
            let pattern = |text: &Option<String>| text.as_deref().map(Pattern::parse).transpose();
            dial_peers.push(DialPeer {
                tag: from.tag,
                peer,
                incoming: pattern(&from.incoming_called_number)?,
                destination: pattern(&from.destination_pattern)?,
                protection: match (from.srtp, from.dangerous_plain_rtp, from.dangerous_srtp_fallback) {
                    (false, true, _) => Protection::DangerousPlainRtp,
                    (true, _, true) => Protection::DangerousSrtpFallback,
                    _ => Protection::Secure,
                },
                suites: suites(&from.srtp_crypto).map_err(|what| format!("dial-peer {}: {what}", from.tag))?,
                exchange: exchange(&from.srtp_keying).map_err(|what| format!("dial-peer {}: {what}", from.tag))?,
                codecs: codecs(&from.codec).map_err(|what| format!("dial-peer {}: {what}", from.tag))?,
                latch: from.latch,
                records: from.media_recording,
            });
        }
        Ok(Plan { dial_peers })
    }

    pub(super) fn dial_peer(&self, tag: u32) -> Option<&DialPeer> {
        self.dial_peers.iter().find(|dial_peer| dial_peer.tag == tag)
    }

    /// The dial-peer that a call of this peer to this number comes in by.
    pub(super) fn inbound(&self, peer: &str, called: &str) -> Option<&DialPeer> {
        let of_peer = self.dial_peers.iter().filter(|dial_peer| &*dial_peer.peer == peer);
        best(of_peer, |dial_peer| dial_peer.incoming.as_ref()?.matches(called)).into_iter().next()
    }

    /// Tags of the dial-peers that lead to this number, best first; never back to where the call came from.
    pub(super) fn outbound(&self, from: &str, called: &str) -> Vec<u32> {
        let others = self.dial_peers.iter().filter(|dial_peer| &*dial_peer.peer != from);
        let found = best(others, |dial_peer| dial_peer.destination.as_ref()?.matches(called));
        found.into_iter().map(|dial_peer| dial_peer.tag).collect()
    }
}

fn exchange(names: &[String]) -> Result<Vec<Exchange>, String> {
    let exchange = |name: &String| match name.as_str() {
        "sdes" => Ok(Exchange::Sdes),
        "dtls" => Ok(Exchange::Dtls),
        other => Err(format!("srtp_keying `{other}`")),
    };
    names.iter().map(exchange).collect()
}

/// Codecs by their names in IOS.
fn codecs(names: &[String]) -> Result<Vec<Codec>, String> {
    let codec = |name: &String| match name.as_str() {
        "g711ulaw" => Ok(Codec::Pcmu),
        "g711alaw" => Ok(Codec::Pcma),
        "g722-64" => Ok(Codec::G722),
        "opus" => Ok(Codec::Opus),
        other => Err(format!("codec `{other}`")),
    };
    names.iter().map(codec).collect()
}

fn best<'a>(
    among: impl Iterator<Item = &'a DialPeer>,
    explicit: impl Fn(&DialPeer) -> Option<usize>,
) -> Vec<&'a DialPeer> {
    let mut found: Vec<(usize, &DialPeer)> = among.filter_map(|peer| Some((explicit(peer)?, peer))).collect();
    found.sort_by_key(|(digits, peer)| (std::cmp::Reverse(*digits), peer.tag));
    found.into_iter().map(|(_, peer)| peer).collect()
}

impl DialPeer {
    /// What may be spoken there, in order of preference.
    pub(super) fn speaks(&self) -> &[Codec] {
        if self.codecs.is_empty() { &Codec::USUAL } else { &self.codecs }
    }

    pub(super) fn policy(&self) -> Policy {
        Policy {
            suites: self.suites.clone(),
            codecs: self.codecs.clone(),
            exchange: self.exchange.clone(),
            ..Policy::new(self.protection)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(tag: u32, name: &str, incoming: Option<&str>, destination: Option<&str>) -> DialPeer {
        let pattern = |text: Option<&str>| text.map(|text| Pattern::parse(text).unwrap());
        let (incoming, destination) = (pattern(incoming), pattern(destination));
        DialPeer {
            tag,
            peer: name.into(),
            incoming,
            destination,
            protection: Protection::Secure,
            suites: Vec::new(),
            exchange: Vec::new(),
            codecs: Vec::new(),
            latch: false,
            records: false,
        }
    }

    #[test]
    fn longest_explicit_match_then_lowest_tag_and_never_back() {
        let plan = Plan {
            dial_peers: vec![
                peer(30, "b", None, Some("6...")),
                peer(20, "c", None, Some("60..")),
                peer(10, "d", None, Some("6...")),
                peer(5, "carrier", Some("6..."), Some("6016")),
            ],
        };
        assert_eq!(plan.outbound("carrier", "6016"), [20, 10, 30]);
        assert_eq!(plan.outbound("b", "6016"), [5, 20, 10]);
        assert_eq!(plan.inbound("carrier", "6016").map(|found| found.tag), Some(5));
        assert_eq!(plan.inbound("b", "6016"), None, "b sends no calls in");
        assert_eq!(plan.inbound("carrier", "7000"), None);
    }
}
