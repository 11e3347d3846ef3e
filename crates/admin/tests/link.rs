//! Who may use the control link, tried over real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use admin::link::{Client, serve};
use roles::Status;
use serde_json::Value;

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

/// A number for a placeholder or a body of this shape, such as a server that has nothing of the kind understands.
fn made_up(schema: &Value) -> Value {
    if let Some(first) = schema.pointer("/anyOf/0") {
        return first.pointer("/enum/0").cloned().unwrap_or_else(|| made_up(first));
    }
    match schema["type"].as_str() {
        Some("object") => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(|(name, field)| (name.clone(), made_up(field))).collect::<serde_json::Map<_, _>>().into()
        }
        Some("boolean") => false.into(),
        Some("array") => Value::Array(Vec::new()),
        Some("integer" | "number") => 0.into(),
        Some("null") => Value::Null,
        _ => "9".into(),
    }
}

/// What of this is not as the schema says: where, and what is there.
fn misfit(schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(choices) = schema["anyOf"].as_array() {
        let fits = choices.iter().any(|choice| misfit(choice, value, at).is_none());
        return (!fits).then(|| format!("{at}: {value} is none of {choices:?}"));
    }
    let fits = match (schema["type"].as_str(), value) {
        (None, _)
        | (Some("boolean"), Value::Bool(_))
        | (Some("null"), Value::Null)
        | (Some("number"), Value::Number(_)) => true,
        (Some("integer"), value) => value.is_i64() || value.is_u64(),
        (Some("string"), Value::String(text)) => {
            schema["enum"].as_array().is_none_or(|words| words.iter().any(|word| word == text))
        }
        (Some("array"), Value::Array(items)) => {
            return items.iter().find_map(|item| misfit(&schema["items"], item, &format!("{at}[]")));
        }
        (Some("object"), Value::Object(fields)) => {
            return fields.iter().find_map(|(name, field)| {
                let place = format!("{at}.{name}");
                match (schema["properties"].get(name), &schema["additionalProperties"]) {
                    (Some(known), _) => misfit(known, field, &place),
                    (None, Value::Bool(false)) => Some(format!("{place} is not in the document")),
                    (None, others) => misfit(others, field, &place),
                }
            });
        }
        _ => false,
    };
    (!fits).then(|| format!("{at}: {value} is not {schema}"))
}

/// Status and body.
async fn ask(
    address: SocketAddr,
    tls: &tokio_rustls::TlsConnector,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = rustls::pki_types::ServerName::IpAddress(address.ip().into());
    let mut stream = tls.connect(name, stream).await.unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\ncontent-type: application/json\r\n");
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    let mut answer = String::new();
    // The server may close without TLS's goodbye.
    let _ = stream.read_to_string(&mut answer).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn every_path_of_the_openapi_document_is_answered_as_it_says() {
    let text = include_str!("../../../examples/lab.toml").replace("127.18.133.", "127.41.25.");
    let path = std::env::temp_dir().join(format!("ringfence-admin-openapi-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let (data, _) = store::DataDir::init(&path, &text, SystemTime::now()).unwrap();
    let site = data.site().unwrap();
    let process = net::Process::start(&site, &path, &["cvp1".to_owned()]).unwrap();
    let address = serve(process.node("cvp1").unwrap()).await.unwrap();
    let versions = trust::tls::Versions { tls12: false, tls13: true };
    let names = [site.host_name(site.node("cvp1").unwrap())];
    let tls = trust::tls::client(&data.admin().unwrap(), &data.roots_pem().unwrap(), versions, &names).unwrap();
    let tls = tokio_rustls::TlsConnector::from(tls);
    let (status, document) = ask(address, &tls, "GET", "/api/v1/openapi.json", "").await;
    assert_eq!(status, 200);
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let (mut walked, mut good) = (0, 0);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            // It would end the node, or wait for what takes part in this.
            if path.ends_with("/restart") || path.ends_with("/reload") {
                continue;
            }
            let real = path.replace("{id}", "1001").replace("{caller}", "00");
            let asked = operation.pointer("/requestBody/content/application~1json/schema").map(made_up);
            let body = asked.map(|asked| asked.to_string()).unwrap_or_default();
            let (status, answer) = ask(address, &tls, &method.to_uppercase(), &real, &body).await;
            let responses = &operation["responses"];
            let said = responses.get(status.to_string()).unwrap_or(&responses["default"]);
            let wanted = said.pointer("/content/application~1json/schema");
            let wanted = match wanted.and_then(|schema| schema["$ref"].as_str()) {
                Some(elsewhere) => document.pointer(elsewhere.trim_start_matches('#')),
                None => wanted,
            };
            match wanted {
                Some(schema) => {
                    let answer: Value =
                        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{path}: {status} {answer}"));
                    assert_eq!(misfit(schema, &answer, path), None);
                }
                None => assert_eq!((status, answer.as_str()), (204, ""), "{path}"),
            }
            // Other methods of a path are not there.
            assert_eq!(ask(address, &tls, "PATCH", &real, "").await.0, 405, "{path}");
            if !body.is_empty() {
                let (status, answer) = ask(address, &tls, "POST", &real, "{\"nonsense\":1}").await;
                assert!(status == 400 && answer.contains("\"error\":\"expected "), "{path}: {status} {answer}");
            }
            walked += 1;
            good += usize::from(status < 300);
        }
    }
    assert!(walked >= 15 && good >= 12, "{good} of {walked}");
    process.stop();
    std::fs::remove_dir_all(path).unwrap();
}
