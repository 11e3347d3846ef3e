//! Bring-up, guided: what to do for each node of a site, in the order in which a call meets them. A call arrives at the
//! border controller first; who sets that up first, then goes inwards, can try each hop as soon as it is there.

use std::fmt::Write;

use site::{Node, Role, Site};

/// The nodes of a site in the order of bring-up: border controllers, call servers, voice browsers, call managers, media
/// resources; those of one kind as the site has them.
pub fn order(site: &Site) -> Vec<&Node> {
    let mut nodes: Vec<&Node> = site.nodes.iter().collect();
    nodes.sort_by_key(|node| match node.role {
        Role::Sbc(_) => 0,
        Role::CallServer(_) => 1,
        Role::VoiceBrowser(_) => 2,
        Role::CallManager(_) => 3,
        Role::MediaResource(_) => 4,
    });
    nodes
}

/// The whole guide, for people. `file`: the site file, as the commands name it.
///
/// # Errors
/// A node's plan cannot be made: what the site lacks, in words.
pub fn guide(site: &Site, file: &str) -> Result<String, String> {
    let nodes = order(site);
    let mut text = format!(
        "Bring-up of {}: as a call goes, from the border inwards.\n\n\
         Before anything else, on a machine that faces nobody:\n    \
         ringfence check {file}\n    ringfence init {file}\n",
        site.name
    );
    for (at, node) in nodes.iter().enumerate() {
        step(&mut text, site, node, nodes.get(..at).unwrap_or_default(), at + 1)?;
    }
    text.push_str(
        "\nAll of them in one process, for a laboratory:\n    ringfence run\n\n\
         Then call, and while the call is up:\n    ringfence show call active voice brief\n    \
         ringfence show sip-ua connections tcp tls detail\nand after it:\n    \
         ringfence passport get last\n    ringfence passport verify passport.json\n",
    );
    Ok(text)
}

fn step(text: &mut String, site: &Site, node: &Node, up: &[&Node], number: usize) -> Result<(), String> {
    let (name, host, address) = (&node.name, site.host_name(node), node.address);
    let plan = roles::Plan::compile(site, name, 1)?;
    let peers: Vec<String> = plan
        .peers
        .iter()
        .filter(|peer| !peer.addr.ip().is_unspecified())
        .map(|peer| {
            let there = up.iter().find(|other| other.address == peer.addr.ip());
            let ours = site.nodes.iter().any(|other| other.address == peer.addr.ip());
            let state = match (there, ours) {
                (Some(_), _) => "up by now",
                (None, true) => "comes later",
                (None, false) => "not a node of this site",
            };
            let names = if peer.names.is_empty() { "in clear".to_owned() } else { peer.names.join(" or ") };
            format!("        {} {}: {names}, {state}\n", peer.transport.as_str(), peer.addr)
        })
        .collect();
    let socket = std::net::SocketAddr::new(address, node.secure_port);
    // Writing to a string does not fail.
    let _ = write!(
        text,
        "\n{number}. {name}, {} at {address}\n    \
         ringfence data export {name} --to {name}-data     its identity and the root certificate, no CA key\n    \
         ringfence --data {name}-data run --only {name}     on its own host\n    \
         It is right when it shows a certificate for {host} and asks for yours:\n        \
         openssl s_client -connect {socket} -CAfile data/ca/root.pem </dev/null\n",
        words(&node.role)
    );
    if !peers.is_empty() {
        let _ = write!(text, "    It speaks with\n{}", peers.concat());
    }
    Ok(())
}

fn words(role: &Role) -> &'static str {
    match role {
        Role::Sbc(_) => "border controller",
        Role::CallServer(_) => "call server",
        Role::VoiceBrowser(_) => "voice browser",
        Role::CallManager(_) => "call manager",
        Role::MediaResource(_) => "media resource",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = include_str!("../../../examples/lab.toml");

    #[test]
    fn the_guide_goes_the_way_of_a_call_whatever_the_order_of_the_site() {
        let mut site = Site::parse(LAB).unwrap();
        for _ in 0..site.nodes.len() {
            site.nodes.rotate_left(1);
            let names: Vec<&str> = order(&site).iter().map(|node| node.role.word()).collect();
            assert_eq!(names, ["sbc", "call_server", "voice_browser", "voice_browser", "call_manager"]);
        }
        site.nodes.reverse();
        let text = guide(&site, "site.toml").unwrap();
        let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("`{words}` is not in\n{text}"));
        let steps =
            ["init site.toml", "1. cube1,", "2. cvp1,", "3. vvb2,", "4. vvb1,", "5. cucm1,", "show call active"];
        let places: Vec<usize> = steps.iter().map(|step| at(step)).collect();
        assert!(places.is_sorted(), "{text}");
        assert!(text.contains("TLS 127.18.133.13:5061: cvp1.lab.example, comes later"), "{text}");
        assert!(text.contains("UDP 127.18.133.76:5062: in clear, not a node of this site"), "{text}");
        let (server, manager) = (at("2. cvp1"), at("5. cucm1"));
        assert!(text[server..manager].contains("127.18.133.226:5061: cube1.lab.example, up by now"), "{text}");
    }
}
