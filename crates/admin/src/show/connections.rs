//! `show sip-ua connections tcp tls detail`: the layout of IOS, from the connection table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use net::{Connection, Connections};

/// All TLS connections of a node, grouped by remote agent.
pub fn tls_detail(connections: &Connections) -> String {
    let tls: Vec<&Connection> = connections.open.iter().filter(|c| c.transport.is_secure()).collect();
    let mut out = String::new();
    let counters = [
        ("Total active connections      ", tls.len() as u64),
        ("No. of send failures          ", connections.send_failures),
        ("No. of remote closures        ", connections.remote_closures),
        ("No. of conn. failures         ", connections.connect_failures),
        ("No. of inactive conn. ageouts ", connections.idle_ageouts),
    ];
    for (name, value) in counters {
        let _ = writeln!(out, "{name}: {value}");
    }
    if let Some((size, remote)) = connections.max_write_queue {
        let _ = writeln!(out, "Max. tls send msg queue size of {size}, recorded for {remote}");
    }
    let _ = writeln!(out, "TLS client handshake failures : {}", connections.tls_client_handshake_failures);
    let _ = writeln!(out, "TLS server handshake failures : {}", connections.tls_server_handshake_failures);
    out.push_str("\n---------Printing Detailed Connection Report---------\n");

    let mut agents: BTreeMap<IpAddr, Vec<&Connection>> = BTreeMap::new();
    for connection in tls {
        agents.entry(connection.remote.ip()).or_default().push(connection);
    }
    for (agent, connections) in agents {
        write_agent(&mut out, agent, &connections);
    }
    out
}

fn write_agent(out: &mut String, agent: IpAddr, connections: &[&Connection]) {
    let _ = writeln!(out, "Remote-Agent:{agent}, Connections-Count:{}", connections.len());
    let _ = writeln!(
        out,
        "  Remote-Port Conn-Id Conn-State  WriteQ-Size {:<22} TLS-Version {:<30} Curve          Peer",
        "Local-Address", "Cipher"
    );
    let _ = writeln!(
        out,
        "  =========== ======= =========== =========== {:=<22} =========== {:=<30} ============== ====",
        "", ""
    );
    for c in connections {
        let tls = c.tls.clone().unwrap_or_default();
        let local = if c.outbound { format!("{}:-", c.local.ip()) } else { c.local.to_string() };
        let peer = c.peer.as_ref().and_then(|p| p.common_name.as_deref()).map_or_else(|| "-".into(), super::plain);
        let _ = writeln!(
            out,
            "  {:>11} {:>7} {:<11} {:>11} {local:<22} {:<11} {:<30} {:<14} {peer}{}",
            c.remote.port(),
            c.id,
            "Established",
            c.write_queue,
            tls.version,
            tls.suite,
            tls.group,
            if tls.mutual { "" } else { " (no client certificate)" },
        );
    }
}

#[cfg(test)]
mod tests {
    use sip::Transport;

    use super::*;

    #[test]
    fn no_connection_is_a_report_too() {
        let text = tls_detail(&Connections::default());
        assert!(text.starts_with("Total active connections      : 0\nNo. of send failures          : 0\n"));
        assert!(text.ends_with("---------Printing Detailed Connection Report---------\n"));
    }

    #[test]
    fn a_connection_names_its_agent_version_suite_group_and_peer() {
        let open = vec![Connection {
            id: 12,
            transport: Transport::Tls,
            local: "198.18.133.226:40000".parse().unwrap(),
            remote: "198.18.133.13:5061".parse().unwrap(),
            outbound: true,
            write_queue: 0,
            tls: Some(trust::TlsFacts {
                version: "TLSv1.2".into(),
                suite: "ECDHE-RSA-AES256-GCM-SHA384".into(),
                group: "P-521".into(),
                mutual: true,
                ..trust::TlsFacts::default()
            }),
            peer: None,
            opened_ms: 0,
        }];
        let text = tls_detail(&Connections { open, ..Connections::default() });
        assert!(text.contains("Remote-Agent:198.18.133.13, Connections-Count:1"));
        let row = text.lines().last().unwrap();
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>(),
            [
                "5061",
                "12",
                "Established",
                "0",
                "198.18.133.226:-",
                "TLSv1.2",
                "ECDHE-RSA-AES256-GCM-SHA384",
                "P-521",
                "-"
            ]
        );
    }
}
