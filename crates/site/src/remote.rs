//! Which identity a node shows to whom, by the remote address: `crypto signaling remote-addr A M trustpoint T`.

use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Node, Site};

/// An identity of a node beside its own, and whose certificates are good where it is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trustpoint {
    /// Its certificate and key are `nodes/NODE@NAME` in the data directory; `ringfence init` makes them by our own CA.
    pub name: String,
    /// The authority that the peers there come from, unless they name one: `carrier` is roots/carrier.pem. Absent: our own.
    #[serde(default)]
    pub authority: Option<String>,
    /// Its certificate is had of a certificate authority that speaks ACME, and renewed there.
    #[serde(default)]
    pub acme: Option<Acme>,
}

/// RFC 8555: where a certificate is ordered, and how the authority sees that the name is ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// Its directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// Who vouches for that server's certificate: `public` for roots/public.pem; absent: the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
    /// Whom it writes to: `mailto:…`.
    #[serde(default)]
    pub contact: Vec<String>,
    /// Its terms of service are agreed to.
    #[serde(default)]
    pub terms_of_service_agreed: bool,
    #[serde(default)]
    pub challenge: Challenge,
    /// At the node's address, while an order is open; default 80, or 443 for TLS. The authority itself always comes to
    /// those: whoever writes another forwards it.
    #[serde(default)]
    pub port: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    /// RFC 8555 §8.3
    #[default]
    #[serde(rename = "http-01")]
    Http,
    /// RFC 8737
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn,
}

impl Challenge {
    pub fn word(self) -> &'static str {
        match self {
            Challenge::Http => "http-01",
            Challenge::TlsAlpn => "tls-alpn-01",
        }
    }
}

impl Site {
    /// Where the certificate of an identity (`cube1@carrier`) is ordered; `None`: nowhere.
    pub fn acme_of(&self, identity: &str) -> Option<(&Node, &Acme)> {
        let (node, point) = identity.split_once('@')?;
        let node = self.node(node)?;
        let point = node.trustpoints.iter().find(|found| found.name == point)?;
        Some((node, point.acme.as_ref()?))
    }
}

impl Acme {
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.challenge {
            Challenge::Http => 80,
            Challenge::TlsAlpn => 443,
        })
    }
}

/// Remote addresses at which a trustpoint is used, dialling and dialled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CryptoSignaling {
    /// `198.18.133.3 255.255.255.255` as IOS writes it, `198.18.133.3/32`, `2001:db8::/64`, or one address.
    pub remote_addr: String,
    pub trustpoint: String,
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteAddr {
    address: IpAddr,
    /// How many bits must be the same.
    pub bits: u8,
}

impl RemoteAddr {
    pub fn contains(&self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32, self.bits),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128, self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn same(a: u128, b: u128, width: u8, bits: u8) -> bool {
    // A shift by the whole width is no bits at all.
    (a ^ b).checked_shr(u32::from(width.saturating_sub(bits))).is_none_or(|differ| differ == 0)
}

impl FromStr for RemoteAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<RemoteAddr, String> {
        let example = "write `198.18.133.3 255.255.255.255`, `198.18.133.3/32` or `198.18.133.3`";
        let wrong = |what: &str| format!("`{text}` {what}: {example}");
        let (address, mask) = match text.split_once([' ', '/']) {
            Some((address, mask)) => (address, Some(mask.trim())),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong("does not begin with an IP address"))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match mask {
            None => width,
            Some(mask) => match (mask.parse::<u8>(), mask.parse::<std::net::Ipv4Addr>()) {
                (Ok(bits), _) if bits <= width && text.contains('/') => bits,
                (_, Ok(mask)) if address.is_ipv4() && !text.contains('/') => {
                    let bits = mask.to_bits();
                    if bits.leading_ones() + bits.trailing_zeros() < 32 {
                        return Err(wrong("has a mask with holes"));
                    }
                    // At most 32.
                    bits.leading_ones() as u8
                }
                _ => return Err(wrong("has no mask that fits")),
            },
        };
        Ok(RemoteAddr { address, bits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_addresses_are_read_as_ios_and_as_everybody_else_writes_them() {
        let cases = [
            ("198.18.133.3 255.255.255.255", "198.18.133.3", "198.18.133.2"),
            ("198.18.133.3/32", "198.18.133.3", "198.18.133.2"),
            ("198.18.133.3", "198.18.133.3", "198.18.133.2"),
            ("198.18.0.0 255.255.0.0", "198.18.9.9", "198.19.0.1"),
            ("198.18.133.3/24", "198.18.133.200", "198.18.134.3"),
            ("0.0.0.0 0.0.0.0", "203.0.113.1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:9::1", "2001:db9::1"),
            ("::/0", "::1", "127.0.0.1"),
        ];
        for (text, inside, outside) in cases {
            let read: RemoteAddr = text.parse().unwrap();
            assert!(read.contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!read.contains(outside.parse().unwrap()), "{text} {outside}");
        }
        for text in ["", "cucm1", "198.18.133.3/33", "198.18.133.3 255.0.255.0", "198.18.133.3 32", "::1 255.255.0.0"] {
            assert!(text.parse::<RemoteAddr>().unwrap_err().contains("198.18.133.3/32"), "{text}");
        }
    }
}
