//! Who may use the control link, tried over real sockets.

use std::time::{Duration, SystemTime};

use admin::link::{Client, serve};
use roles::Status;

/// Addresses of this test alone.
const NETWORK: &str = "127.41.9.";

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
