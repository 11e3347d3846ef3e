//! Names, addresses and ports of all nodes, TLS versions, session timers (RFC 4028).

use std::net::IpAddr;

use crate::check::Check;
use crate::check::oauth::is_address;
use crate::{Acme, Node, RemoteAddr, Role};

pub(super) fn check(check: &mut Check<'_, '_, '_>) {
    let site = check.site;
    for (field, value) in [("name", &site.name), ("domain", &site.domain)] {
        let labels_wrong = value.split('.').any(|label| !is_label(label));
        if value.is_empty() {
            check.error(field, format!("`{field}` is empty"), format!("write `{field} = \"lab.example\"`, say"));
        } else if field == "domain" && labels_wrong {
            check.error(
                field,
                format!("`{value}` is not a DNS domain"),
                "write labels of letters, digits and `-` with dots between, e.g. `lab.example`",
            );
        }
    }
    if site.tls.versions.is_empty() {
        check.error(
            "tls.versions",
            "no TLS version is on: nothing could connect",
            "write `versions = [\"1.2\", \"1.3\"]`",
        );
    }
    if site.tls.dangerous_tls_keylog {
        check.warning(
            "tls.dangerous_tls_keylog",
            "session keys are written to SSLKEYLOGFILE: whoever has that file reads every call",
            "for labs only; remove it before real calls",
        );
    }
    if site.nodes.is_empty() {
        check.error("node", "the site has no node", "add `[[node]]` with `name`, `address` and a `[node.role.…]`");
    }
    check.unique("node", "name", site.nodes.iter().map(|node| node.name.to_lowercase()));
    for (at, node) in site.nodes.iter().enumerate() {
        node_alone(check, node, &format!("node[{at}]"));
        let alike = |other: &&Node| ["1.2", "1.3"].iter().any(|v| site.speaks(node, v) && site.speaks(other, v));
        if let Some(other) = site.nodes.iter().take(at).find(|other| !alike(other)) {
            check.warning(
                format!("node[{at}].tls_versions"),
                format!("`{}` and `{}` have no TLS version in common: they cannot talk", node.name, other.name),
                "give both `1.2` or both `1.3`",
            );
        }
        console(check, node, at);
        for other in site.nodes.iter().take(at).filter(|other| overlap(other, node)) {
            between(check, other, node, &format!("node[{at}]"));
        }
    }
}

fn node_alone(check: &mut Check<'_, '_, '_>, node: &Node, path: &str) {
    if !node.name.is_empty() && !is_label(&node.name) {
        let what = format!("`{}` cannot be a node's name: it becomes part of a DNS name", node.name);
        check.error(format!("{path}.name"), what, "use letters, digits and `-` only, 63 at most, e.g. `cube1`");
    }
    if node.address.is_multicast() {
        check.error(
            format!("{path}.address"),
            format!("{} is a multicast address", node.address),
            "write an address of this host",
        );
    }
    if node.address.is_unspecified() {
        let what = format!(
            "{} is every address of the host: a node dials from its own, so that peers know it by it",
            node.address
        );
        check.error(format!("{path}.address"), what, "write one address of this host");
    }
    check.reserved(format!("{path}.secure_port"), node.secure_port);
    if let Some(port) = node.port {
        check.reserved(format!("{path}.port"), port);
        check.plain_sip_needs_word(format!("{path}.port"), node, &format!("`port = {port}`"));
    }
    if let Some(port) = node.websocket_port {
        check.reserved(format!("{path}.websocket_port"), port);
    }
    for ((name, port), (other, taken)) in pairs(&ports(node)) {
        if port == taken {
            check.error(
                format!("{path}.{name}"),
                format!("port {port} is both `{other}` and `{name}`"),
                "give each its own port",
            );
        }
    }
    let (low, high) = node.media_range();
    if low >= high {
        check.error(
            format!("{path}.media_ports"),
            format!("{low} to {high} is no range of ports"),
            "write the lower port first, e.g. `[16384, 32767]`",
        );
    } else if let Some((name, port)) = listened(node).into_iter().find(|(_, port)| (low..=high).contains(port)) {
        check.error(
            format!("{path}.media_ports"),
            format!("media ports {low}–{high} take in `{name}` {port}"),
            "move one of them",
        );
    }
    session_timer(check, node, path);
    trustpoints(check, node, path);
    if let Some(number) = &node.dangerous_panic_on_number {
        panics(check, node, number, &format!("{path}.dangerous_panic_on_number"));
    }
}

/// A certificate that is had by ACME: of an authority that is reached in secret, with a listener that is free.
fn ordered(check: &mut Check<'_, '_, '_>, node: &Node, acme: &Acme, path: &str) {
    if !is_address(&acme.directory) {
        check.error(
            format!("{path}.directory"),
            format!("`{}` is no https address of a directory", acme.directory),
            "write where the authority says that its directory is, e.g. `https://ca.example.com/acme/directory`",
        );
    }
    check.authority(format!("{path}.authority"), acme.authority.as_deref(), true);
    for (at, contact) in acme.contact.iter().enumerate() {
        if !contact
            .strip_prefix("mailto:")
            .is_some_and(|address| address.contains('@') && !address.contains([',', '?']))
        {
            check.error(
                format!("{path}.contact[{at}]"),
                format!("`{contact}` is nobody whom an authority could write to"),
                "write `mailto:` and one address",
            );
        }
    }
    let taken = [Some(node.secure_port), Some(node.control_port), node.websocket_port];
    if taken.contains(&Some(acme.port())) {
        check.error(
            format!("{path}.port"),
            format!("port {} of node `{}` has another use", acme.port(), node.name),
            "give the challenge a port of its own, and forward the authority's 80 (http-01) or 443 (tls-alpn-01) to it",
        );
    }
}

/// Identities by remote address: each named, each reached.
fn trustpoints(check: &mut Check<'_, '_, '_>, node: &Node, path: &str) {
    let names: Vec<&str> = node.trustpoints.iter().map(|point| point.name.as_str()).collect();
    check.unique(&format!("{path}.trustpoint"), "name", names.iter().copied());
    for (at, point) in node.trustpoints.iter().enumerate() {
        let path = format!("{path}.trustpoint[{at}]");
        if !is_label(&point.name) {
            let what = format!("`{}` cannot be a trustpoint's name: it becomes part of a folder's", point.name);
            check.error(
                format!("{path}.name"),
                what,
                "use letters, digits and `-` only, 63 at most, e.g. `ms-ca-name`",
            );
        }
        check.authority(format!("{path}.authority"), point.authority.as_deref(), true);
        if let Some(acme) = &point.acme {
            ordered(check, node, acme, &format!("{path}.acme"));
        }
        if !node.crypto_signaling.iter().any(|row| row.trustpoint == point.name) {
            let what = format!("trustpoint `{}` of `{}` is used for no remote address", point.name, node.name);
            check.warning(&path, what, "add `[[node.crypto_signaling]]` with `remote_addr` and `trustpoint`");
        }
    }
    for (at, row) in node.crypto_signaling.iter().enumerate() {
        let path = format!("{path}.crypto_signaling[{at}]");
        if let Err(what) = row.remote_addr.parse::<RemoteAddr>() {
            check.error(
                format!("{path}.remote_addr"),
                what,
                "an address and its mask, of whom the trustpoint is shown to",
            );
        }
        check.refers(format!("{path}.trustpoint"), "trustpoint", &row.trustpoint, &names);
    }
}

/// A fault on purpose has no place where people call.
fn panics(check: &mut Check<'_, '_, '_>, node: &Node, number: &str, path: &str) {
    let what = format!("every call to {number} makes node `{}` panic", node.name);
    match check.site.laboratory {
        false => check.error(path, what, "remove it; only a site with `laboratory = true` at its top may have it"),
        true => check.warning(path, what, "right for what it is to show; remove it before anybody else calls"),
    }
}

fn session_timer(check: &mut Check<'_, '_, '_>, node: &Node, path: &str) {
    if let Some(min_se) = node.min_se_s.filter(|min_se| *min_se < Node::MIN_SE_S) {
        check.error(
            format!("{path}.min_se_s"),
            format!("min_se_s {min_se} is below 90 seconds, the least that RFC 4028 §5 allows"),
            "write 90 or more",
        );
    }
    let (expires, min_se) = (node.session_expires(), node.min_se());
    if expires < min_se.max(Node::MIN_SE_S) {
        let (field, fix) = match node.session_expires_s {
            Some(_) => ("session_expires_s", format!("write {} or more", min_se.max(Node::MIN_SE_S))),
            None => ("min_se_s", format!("write less, or `session_expires_s = {min_se}` as well")),
        };
        check.error(
            format!("{path}.{field}"),
            format!(
                "session_expires_s {expires} is below min_se_s {}: the node would refuse its own sessions",
                min_se.max(Node::MIN_SE_S)
            ),
            fix,
        );
    }
}

/// A console at an address of its host's beside the node's: others may be there, at other ports.
fn console(check: &mut Check<'_, '_, '_>, node: &Node, at: usize) {
    let beside = |(address, _): &(IpAddr, u16)| *address != node.address && !address.is_unspecified();
    let Some((address, port)) = node.console_at().filter(beside) else { return };
    let others = || check.site.nodes.iter().enumerate().filter(|(other, _)| *other != at);
    let taken = others().find(|(other, row)| {
        let console = *other < at && row.console_at() == Some((address, port));
        console || (row.address == address && ports(row).iter().any(|(_, taken)| *taken == port))
    });
    if let Some((_, other)) = taken {
        check.error(
            format!("node[{at}].console.port"),
            format!("port {port} of {address} is node `{}`'s", other.name),
            "give the console another port, or leave `address` out for the node's own",
        );
    }
}

/// Two nodes on one address: legal, if no port is in two hands.
fn between(check: &mut Check<'_, '_, '_>, other: &Node, node: &Node, path: &str) {
    for (name, port) in listened(node) {
        if let Some((taken, _)) = listened(other).into_iter().find(|(_, taken)| *taken == port) {
            let what = format!("{} port {port} is already node `{}`'s `{taken}`", node.address, other.name);
            check.error(
                format!("{path}.{name}"),
                what,
                "give each node its own address, as real equipment has; or another port",
            );
        }
    }
    let ((low, high), (other_low, other_high)) = (node.media_range(), other.media_range());
    if has_media(node) && has_media(other) && low <= other_high && other_low <= high {
        let what = format!(
            "media ports {low}–{high} overlap node `{}`'s {other_low}–{other_high} on {}",
            other.name, node.address
        );
        check.error(format!("{path}.media_ports"), what, "give each node its own address, or its own `media_ports`");
    }
}

fn overlap(a: &Node, b: &Node) -> bool {
    a.address == b.address && !a.address.is_unspecified()
}

/// Call server and call manager carry signalling only.
fn has_media(node: &Node) -> bool {
    matches!(node.role, Role::Sbc(_) | Role::VoiceBrowser(_) | Role::MediaResource(_))
}

fn ports(node: &Node) -> Vec<(&'static str, u16)> {
    let mut ports = vec![("secure_port", node.secure_port), ("control_port", node.control_port)];
    ports.extend(node.port.map(|port| ("port", port)));
    ports.extend(node.websocket_port.map(|port| ("websocket_port", port)));
    ports.extend(node.console_port_here().map(|port| ("console", port)));
    ports
}

/// The same with what its role listens on for SIP.
pub(super) fn listened(node: &Node) -> Vec<Port> {
    let oauth = match &node.role {
        Role::CallManager(manager) => manager.oauth.as_ref(),
        _ => None,
    };
    ports(node).into_iter().chain(oauth.map(|oauth| ("role.call_manager.oauth.port", oauth.port))).collect()
}

type Port = (&'static str, u16);

fn pairs(ports: &[Port]) -> Vec<(Port, Port)> {
    ports.iter().enumerate().flat_map(|(at, later)| ports.iter().take(at).map(|earlier| (*later, *earlier))).collect()
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}
