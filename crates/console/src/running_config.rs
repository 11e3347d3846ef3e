//! `show running-config`: what the site says of a border controller, as IOS would write it. What IOS has no word for stands
//! in comments.

use std::fmt::Write;
use std::net::IpAddr;

use site::{DialPeer, Node, Role, Site};

/// # Errors
/// The node is no border controller, and has nothing of the kind.
pub fn running_config(site: &Site, node: &Node) -> Result<String, String> {
    let Role::Sbc(sbc) = &node.role else {
        return Err(format!("{} is no border controller: its configuration is the site file\n", node.name));
    };
    let mut config = format!("!\nhostname {}\n!\n", node.name);
    let _ = writeln!(config, "ip domain name {}", site.domain);
    for server in &site.name_server {
        let _ = writeln!(config, "ip name-server {server}");
    }
    config.push_str("!\nsip-ua\n");
    match (site.speaks(node, "1.2"), site.speaks(node, "1.3")) {
        (true, false) => config.push_str(" transport tcp tls v1.2\n"),
        (false, _) => config.push_str(" transport tcp tls v1.3\n"),
        (true, true) => config.push_str(" ! TLS 1.2 and 1.3\n transport tcp tls\n"),
    }
    for row in &node.crypto_signaling {
        let _ = writeln!(
            config,
            " crypto signaling remote-addr {} trustpoint {}",
            remote_addr(&row.remote_addr),
            row.trustpoint
        );
    }
    let _ = writeln!(config, " crypto signaling default trustpoint {}\n!", node.name);
    // Peers with the same suites have one class.
    let mut classes: Vec<&[String]> = Vec::new();
    for peer in sbc.dial_peers.iter().filter(|peer| !peer.srtp_crypto.is_empty()) {
        if !classes.contains(&peer.srtp_crypto.as_slice()) {
            classes.push(&peer.srtp_crypto);
        }
    }
    for (at, suites) in classes.iter().enumerate() {
        let _ = writeln!(config, "voice class srtp-crypto {}", at + 1);
        for (preference, suite) in suites.iter().enumerate() {
            let _ = writeln!(config, " crypto {} {suite}", preference + 1);
        }
        config.push_str("!\n");
    }
    let mut lists: Vec<&[String]> = Vec::new();
    for peer in sbc.dial_peers.iter().filter(|peer| !peer.codec.is_empty()) {
        if !lists.contains(&peer.codec.as_slice()) {
            lists.push(&peer.codec);
        }
    }
    for (at, codecs) in lists.iter().enumerate() {
        let _ = writeln!(config, "voice class codec {}", at + 1);
        for (preference, codec) in codecs.iter().enumerate() {
            let _ = writeln!(config, " codec preference {} {codec}", preference + 1);
        }
        config.push_str("!\n");
    }
    for peer in &sbc.dial_peers {
        let list = lists.iter().position(|codecs| *codecs == peer.codec.as_slice());
        let class = classes.iter().position(|suites| *suites == peer.srtp_crypto.as_slice());
        dial_peer(&mut config, peer, class.map(|at| at + 1), list.map(|at| at + 1));
    }
    config.push_str("end\n");
    Ok(format!("Building configuration...\n\nCurrent configuration : {} bytes\n{config}", config.len()))
}

fn dial_peer(config: &mut String, peer: &DialPeer, srtp_crypto: Option<usize>, codecs: Option<usize>) {
    let _ = writeln!(config, "dial-peer voice {} voip", peer.tag);
    let mut line = |words: String| {
        let _ = writeln!(config, " {words}");
    };
    if !peer.description.is_empty() {
        line(format!("description {}", peer.description));
    }
    if let Some(pattern) = &peer.destination_pattern {
        line(format!("destination-pattern {pattern}"));
    }
    line("session protocol sipv2".into());
    line(format!("session target {}", peer.session_target));
    line(format!("session transport {}", peer.session_transport));
    if let Some(pattern) = &peer.incoming_called_number {
        line(format!("incoming called-number {pattern}"));
    }
    if !peer.secure_certificate_subject.is_empty() {
        line(format!("! the peer is named {}", peer.secure_certificate_subject.join(" or ")));
    }
    if let Some(authority) = &peer.authority {
        line(format!("! and comes from the authority {authority}"));
    }
    if let Some(seconds) = peer.options_keepalive_s {
        line(format!("voice-class sip options-keepalive up-interval {seconds} down-interval {seconds}"));
    }
    match (peer.srtp, peer.dangerous_srtp_fallback) {
        (true, true) => line("srtp fallback".into()),
        (true, false) => line("srtp".into()),
        (false, _) => line("! dangerous: RTP in clear".into()),
    }
    if let Some(class) = srtp_crypto {
        line(format!("voice-class sip srtp-crypto {class}"));
    }
    if !peer.srtp_keying.is_empty() {
        line(format!("! SRTP is keyed by {}", peer.srtp_keying.join(" or ")));
    }
    if peer.media_recording {
        line("! its calls are recorded, sealed here".into());
    }
    if let Some(list) = codecs {
        line(format!("voice-class codec {list}"));
    }
    config.push_str("!\n");
}

/// Address and mask, as IOS has them; IPv6 by its length.
fn remote_addr(text: &str) -> String {
    let (address, mask) = text.split_once([' ', '/']).map_or((text, None), |(a, m)| (a, Some(m.trim())));
    let bits = mask.and_then(|mask| mask.parse::<u32>().ok());
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => format!("{address}/{}", bits.unwrap_or(128)),
        Ok(IpAddr::V4(address)) => {
            let mask = match (bits, mask) {
                (Some(bits), _) => std::net::Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0)),
                (None, Some(mask)) => mask.parse().unwrap_or(std::net::Ipv4Addr::BROADCAST),
                (None, None) => std::net::Ipv4Addr::BROADCAST,
            };
            format!("{address} {mask}")
        }
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = r#"
name = "lab"
domain = "lab.example"
[tls]
versions = ["1.2", "1.3"]
[[node]]
name = "CC-VCUBE"
address = "198.18.133.226"
tls_versions = ["1.2"]
[[node.trustpoint]]
name = "ms-ca-name"
[[node.crypto_signaling]]
remote_addr = "198.18.133.3/32"
trustpoint = "ms-ca-name"
[[node.crypto_signaling]]
remote_addr = "198.18.133.13 255.255.255.255"
trustpoint = "ms-ca-name"
[[node.role.sbc.dial_peer]]
tag = 6000
description = "to the call server"
destination_pattern = "6..."
session_target = "ipv4:198.18.133.13:5061"
secure_certificate_subject = ["cvp1.lab.example"]
options_keepalive_s = 30
srtp_crypto = ["AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_80"]
codec = ["g722-64", "g711ulaw"]
"#;

    #[test]
    fn a_border_controller_reads_as_its_operators_wrote_it() {
        let site = Site::parse(SITE).unwrap();
        let text = running_config(&site, &site.nodes[0]).unwrap();
        let (head, config) = text.split_once(" bytes\n").unwrap();
        assert_eq!(head, format!("Building configuration...\n\nCurrent configuration : {}", config.len()));
        assert_eq!(
            config,
            "!
hostname CC-VCUBE
!
ip domain name lab.example
!
sip-ua
 transport tcp tls v1.2
 crypto signaling remote-addr 198.18.133.3 255.255.255.255 trustpoint ms-ca-name
 crypto signaling remote-addr 198.18.133.13 255.255.255.255 trustpoint ms-ca-name
 crypto signaling default trustpoint CC-VCUBE
!
voice class srtp-crypto 1
 crypto 1 AEAD_AES_256_GCM
 crypto 2 AES_CM_128_HMAC_SHA1_80
!
voice class codec 1
 codec preference 1 g722-64
 codec preference 2 g711ulaw
!
dial-peer voice 6000 voip
 description to the call server
 destination-pattern 6...
 session protocol sipv2
 session target ipv4:198.18.133.13:5061
 session transport tcp tls
 ! the peer is named cvp1.lab.example
 voice-class sip options-keepalive up-interval 30 down-interval 30
 srtp
 voice-class sip srtp-crypto 1
 voice-class codec 1
!
end
"
        );
        assert_eq!(remote_addr("198.18.0.0/15"), "198.18.0.0 255.254.0.0");
        assert_eq!(remote_addr("2001:db8::/64"), "2001:db8::/64");
    }
}
