//! Where a dial-peer leads (IOS `session target`): an address, or a domain that the DNS knows (RFC 3263).

use std::net::{IpAddr, SocketAddr};

/// A session target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Address(SocketAddr),
    /// Without a port, SRV records choose hosts and ports; with one, the host's addresses are asked for alone.
    Domain {
        host: String,
        port: Option<u16>,
    },
}

impl Target {
    /// Reads `ipv4:1.2.3.4:5061`, `ipv6:[::1]:5061`, `dns:carrier.example`, `dns:sip.carrier.example:5061`.
    ///
    /// # Errors
    /// Words that say what to write.
    pub fn parse(text: &str) -> Result<Target, String> {
        match text.strip_prefix("dns:") {
            Some(name) => domain(name),
            None => address(text).map(Target::Address),
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let example = "write for example `ipv4:198.18.133.13:5061`, `ipv6:[2001:db8::13]:5061` or `dns:carrier.example`";
    let (address, family) = match (text.strip_prefix("ipv4:"), text.strip_prefix("ipv6:")) {
        (Some(rest), _) => (rest, Some(4)),
        (_, Some(rest)) => (rest, Some(6)),
        _ => (text, None),
    };
    if let Ok(target) = address.parse::<SocketAddr>() {
        return match (family, target) {
            (Some(4), SocketAddr::V6(_)) => Err(format!("`{address}` is not IPv4; write `ipv6:{address}`")),
            (Some(6), SocketAddr::V4(_)) => Err(format!("`{address}` is not IPv6; write `ipv4:{address}`")),
            _ if target.port() == 0 => Err(format!("port 0 cannot be dialled; {example}")),
            _ => Ok(target),
        };
    }
    if address.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(format!("the port is missing: write `{text}:5061`"));
    }
    Err(format!("`{text}` is not an address with a port; {example}"))
}

fn domain(text: &str) -> Result<Target, String> {
    let (host, port) = match text.split_once(':') {
        None => (text, None),
        Some((host, port)) => match port.parse::<u16>() {
            Ok(port) if port > 0 => (host, Some(port)),
            _ => return Err(format!("`{port}` is no port; write `dns:{host}:5061`, or `dns:{host}` for SRV records")),
        },
    };
    if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(format!("`{host}` is an address; write `ipv4:` or `ipv6:` before it"));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    match host.len() <= 253 && host.split('.').all(is_label) {
        true => Ok(Target::Domain { host: host.to_ascii_lowercase(), port }),
        false => Err(format!("`{host}` is no domain; write for example `dns:carrier.example`")),
    }
}

/// A name server of the site: an address, or an address with a port other than 53.
///
/// # Errors
/// Words that say what to write.
pub(crate) fn name_server(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse::<SocketAddr>().ok().filter(|server| server.port() > 0);
    let alone = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 53));
    with_port.or_else(alone).ok_or_else(|| {
        format!("`{text}` is no name server; write its address, for example `192.0.2.53` or `[2001:db8::53]:5353`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_addresses_or_domains() {
        let parsed = |text| Target::parse(text).unwrap();
        assert_eq!(parsed("ipv4:198.18.133.13:5061"), Target::Address("198.18.133.13:5061".parse().unwrap()));
        assert_eq!(parsed("ipv6:[::1]:5061"), Target::Address("[::1]:5061".parse().unwrap()));
        assert_eq!(parsed("dns:Carrier.Example."), Target::Domain { host: "carrier.example".into(), port: None });
        let with_port = Target::Domain { host: "sip.carrier.example".into(), port: Some(5071) };
        assert_eq!(parsed("dns:sip.carrier.example:5071"), with_port);
    }

    #[test]
    fn what_is_no_target_is_said_in_words() {
        for (text, words) in [
            ("ipv4:198.18.133.13", "the port is missing: write `ipv4:198.18.133.13:5061`"),
            ("ipv4:[::1]:5061", "is not IPv4"),
            ("cvp1:5061", "not an address with a port"),
            ("ipv4:198.18.133.13:0", "port 0"),
            ("dns:carrier.example:sip", "`sip` is no port"),
            ("dns:carrier.example:0", "`0` is no port"),
            ("dns:192.0.2.1", "is an address"),
            ("dns:carrier..example", "no domain"),
            ("dns:", "no domain"),
        ] {
            let error = Target::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn name_servers_have_port_53_unless_they_say_otherwise() {
        assert_eq!(name_server("192.0.2.53").unwrap().to_string(), "192.0.2.53:53");
        assert_eq!(name_server("[::1]:5353").unwrap().to_string(), "[::1]:5353");
        assert!(name_server("dns.example").unwrap_err().contains("write its address"));
    }
}
