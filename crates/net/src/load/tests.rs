//! The tool against itself over each transport, and against servers that are not what they should be.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, SystemTime};

use sip::Transport;
use trust::{Ca, KeyKind, Request};

use super::{Answer, ClientTls, Connections, Load, Report, Server, Work};

const NAME: &str = "load.lab.example";

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Calls from the tool to itself; `edit` makes them others.
fn calls(transport: Transport, connections: Connections, edit: impl FnOnce(&mut Load)) -> anyhow::Result<Report> {
    let (client, called) = match transport.is_secure() {
        true => {
            let ca = Ca::create("lab", SystemTime::now())?;
            let now = SystemTime::now();
            let identity = ca.issue(&Request {
                common_name: NAME.into(),
                dns_names: vec![NAME.into()],
                ip_addresses: Vec::new(),
                node: None,
                uris: Vec::new(),
                key: KeyKind::P256,
                not_before: now - Duration::from_secs(60),
                not_after: now + Duration::from_secs(3600),
            })?;
            let roots_pem = vec![ca.certificate_pem().to_owned()];
            let client = ClientTls {
                identity: Some(identity.clone()),
                roots_pem: roots_pem.clone(),
                server_name: NAME.into(),
                resume: false,
            };
            (Some(client), Some((identity, roots_pem)))
        }
        false => (None, None),
    };
    let addr = free_port();
    let answer = Answer { listen: addr, transport, tls: called, ring: Duration::from_millis(5) };
    let server = Server { addr, transport, tls: client, connections };
    let work = Work::Calls { server, number: "6016".into(), hold: Duration::from_millis(20), answer: Some(answer) };
    let mut load = Load {
        work,
        from: "127.0.0.1".parse()?,
        rate: 400.0,
        length: Duration::from_millis(250),
        most: 1000,
        patience: Duration::from_secs(10),
    };
    edit(&mut load);
    load.run()
}

#[test]
fn every_call_to_itself_is_completed_over_each_transport() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        for connections in [Connections::Kept(3), Connections::Each] {
            let report = calls(transport, connections, |_| {}).unwrap();
            assert_eq!((report.offered, report.completed, report.answered), (100, 100, 100), "{transport:?}: {report}");
            assert!(report.is_whole(), "{transport:?}: {report}");
            assert_eq!((report.strays, report.setup.map(|setup| setup.count)), (0, Some(100)));
        }
    }
}

#[test]
fn what_is_beyond_the_bound_is_not_placed_and_said() {
    let report = calls(Transport::Tcp, Connections::Kept(1), |load| load.most = 2).unwrap();
    let refused: u64 = report.failed.values().sum();
    assert_eq!(report.offered, report.completed + refused);
    assert!(refused > 0 && !report.is_whole(), "{report}");
    assert!(report.to_string().contains("(--most)"), "{report}");
}

#[test]
fn a_server_that_never_answers_loses_every_call() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let report = calls(Transport::Udp, Connections::Each, |load| {
        let Work::Calls { server, answer, .. } = &mut load.work else { return };
        (server.addr, *answer) = (silent.local_addr().unwrap(), None);
        (load.patience, load.length) = (Duration::from_millis(700), Duration::from_millis(10));
    });
    let report = report.unwrap();
    assert_eq!((report.offered, report.completed, report.lost), (4, 0, 4), "{report}");
    assert_eq!(report.resent, 4, "timer A fired once for each: {report}");
}

#[test]
fn a_server_of_another_name_is_not_called() {
    let error = calls(Transport::Tls, Connections::Kept(1), |load| {
        let Work::Calls { server: Server { tls: Some(tls), .. }, .. } = &mut load.work else { return };
        tls.server_name = "somebody.else.example".into();
    });
    let words = format!("{:#}", error.unwrap_err());
    assert!(words.contains("cannot connect to the server") && words.contains("TLS"), "{words}");
}
