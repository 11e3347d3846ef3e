//! Who may use the control link, tried over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use admin::link::{Client, serve};
use roles::Status;

/// Addresses of these tests alone.
const NETWORK: &str = "127.41.9.";
const RENEWED: &str = "127.41.24.";

fn identity(ca: &trust::Ca, uri: Option<&str>, node: Option<&str>) -> trust::Identity {
    let now = SystemTime::now();
    let request = trust::Request {
        common_name: "somebody".into(),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        node: node.map(str::to_owned),
        uris: uri.into_iter().map(str::to_owned).collect(),
        key: trust::KeyKind::P256,
        not_before: now - Duration::from_secs(60),
        not_after: now + Duration::from_secs(3600),
    };
    ca.issue(&request).unwrap()
}

#[tokio::test]
async fn only_administrators_of_our_own_ca_are_let_in() {
    let text = include_str!("../../../examples/lab.toml").replace("127.18.133.", NETWORK);
    let path = std::env::temp_dir().join(format!("ringfence-admin-link-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let (data, _) = store::DataDir::init(&path, &text, SystemTime::now()).unwrap();
    // A carrier's authority, trusted for its trunk. It can write into a certificate whatever it likes.
    let carrier = trust::Ca::create("carrier", SystemTime::now()).unwrap();
    std::fs::write(path.join("roots/carrier.pem"), carrier.certificate_pem()).unwrap();

    let site = data.site().unwrap();
    let process = net::Process::start(&site, &path, &["vvb1".to_owned()]).unwrap();
    let node = process.node("vvb1").unwrap();
    let address = serve(node).await.unwrap();
    let host = site.host_name(site.node("vvb1").unwrap());
    let roots = data.roots_pem().unwrap();
    let ours = data.ca().unwrap();
    let admin = "urn:ringfence:admin:local";
    for (who, identity, let_in) in [
        ("our administrator", data.admin().unwrap(), true),
        ("a phone", identity(&ours, None, None), false),
        ("a node of ours", data.identity("cube1").unwrap(), false),
        ("an administrator by a carrier's word", identity(&carrier, Some(admin), None), false),
        ("a node by a carrier's word", identity(&carrier, None, Some("cvp1")), false),
    ] {
        let client = Client::new("vvb1", &host, address, &identity, &roots).unwrap();
        let answer = client.get::<Status>("/api/v1/status").await;
        assert_eq!(answer.is_ok(), let_in, "{who}: {:?}", answer.err());
    }
    process.stop();
    std::fs::remove_dir_all(path).unwrap();
}

type Tls = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

/// A connection that has been let in, and the fingerprint of the certificate that it was shown.
fn connect(
    address: SocketAddr,
    host: &str,
    identity: &trust::Identity,
    roots: &[String],
) -> std::io::Result<(Tls, String)> {
    let versions = trust::tls::Versions { tls12: false, tls13: true };
    let config = trust::tls::client(identity, roots, versions, &[host.to_owned()]).unwrap();
    let name = rustls::pki_types::ServerName::IpAddress(address.ip().into());
    let mut tls = Tls::new(rustls::ClientConnection::new(config, name).unwrap(), TcpStream::connect(address)?);
    tls.write_all(b"GET /api/v1/status HTTP/1.1\r\nhost: here\r\n\r\n")?;
    let (mut said, mut room) = (String::new(), [0; 4096]);
    while !said.contains("\r\n\r\n") {
        match tls.read(&mut room)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            got => said += &String::from_utf8_lossy(&room[..got]),
        }
    }
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let shown = trust::VerifiedPeer::of(&tls.conn).unwrap().certificate().fingerprint.clone();
    Ok((tls, shown))
}

#[tokio::test]
async fn the_link_shows_a_renewed_certificate_and_lets_go_of_a_revoked_administrator() {
    let text = include_str!("../../../examples/lab.toml").replace("127.18.133.", RENEWED);
    let path = std::env::temp_dir().join(format!("ringfence-admin-renewed-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let (data, _) = store::DataDir::init(&path, &text, SystemTime::now()).unwrap();
    let site = data.site().unwrap();
    let mut process = net::Process::start(&site, &path, &["vvb1".to_owned()]).unwrap();
    let address = serve(process.node("vvb1").unwrap()).await.unwrap();
    let host = site.host_name(site.node("vvb1").unwrap());
    let (roots, before) = (data.roots_pem().unwrap(), data.admin().unwrap());
    let dial = |identity: &trust::Identity| {
        let (host, identity, roots) = (host.clone(), identity.clone(), roots.clone());
        tokio::task::spawn_blocking(move || connect(address, &host, &identity, &roots))
    };
    let shown = || data.identity("vvb1").unwrap().facts().fingerprint.clone();

    let (mut open, first) = dial(&before).await.unwrap().unwrap();
    assert_eq!(first, shown());
    data.renew("vvb1", SystemTime::now(), false).unwrap();
    assert_eq!(dial(&before).await.unwrap().unwrap().1, first, "nobody has read it yet");
    process.refresh().unwrap();
    assert_ne!(first, shown());
    assert_eq!(dial(&before).await.unwrap().unwrap().1, shown());

    // The administrator changes, and the key of before is given up: what it holds open ends.
    data.renew("admin", SystemTime::now(), false).unwrap();
    data.revoke(&before.facts().serial, trust::Reason::KeyCompromise, SystemTime::now()).unwrap();
    process.refresh().unwrap();
    let ended = tokio::task::spawn_blocking(move || {
        loop {
            match open.read(&mut [0; 4096]) {
                Ok(0) | Err(_) => return true,
                Ok(_) => {}
            }
        }
    });
    assert!(ended.await.unwrap());
    let refused = dial(&before).await.unwrap().err().map(|error| error.to_string()).unwrap();
    assert!(refused.contains("CertificateRevoked") || refused.contains("revoked"), "{refused}");
    assert_eq!(dial(&data.admin().unwrap()).await.unwrap().unwrap().1, shown());
    process.stop();
    std::fs::remove_dir_all(path).unwrap();
}
