//! Whole orders, at an authority that asks for no proof and certifies what it likes.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::engine::general_purpose::STANDARD;

use super::*;

const NODE: &str = "cucm1@carrier";
const HOUR: Duration = Duration::from_secs(3600);

/// What an authority answers instead of what was ordered.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    None,
    OtherName,
    OtherKey,
    NoChain,
    NoCertificate,
    Refusal,
}

/// A data directory whose trustpoint is ordered at `directory`.
struct Data {
    folder: PathBuf,
    dir: DataDir,
    site: Site,
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn data(directory: &str, root: &str) -> Data {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("ringfence-orders-{}-{count}", std::process::id()));
    let text = site_text(directory, &free_port());
    let (dir, _) = DataDir::init(&folder, &text, SystemTime::now()).unwrap();
    std::fs::write(folder.join("roots/pages.pem"), root).unwrap();
    let site = dir.site().unwrap();
    Data { folder, dir, site }
}

/// Somebody else may take it before it is needed; nobody here does.
fn free_port() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

fn site_text(directory: &str, port: &str) -> String {
    format!(
        "name = \"lab\"\ndomain = \"lab.example\"\n[[node]]\nname = \"cucm1\"\naddress = \"127.0.0.1\"\n\
         [[node.trustpoint]]\nname = \"carrier\"\n\
         acme = {{ directory = \"{directory}\", authority = \"pages\", port = {port} }}\n\
         [[node.trustpoint]]\nname = \"other\"\n\
         [[node.crypto_signaling]]\nremote_addr = \"192.0.2.1\"\ntrustpoint = \"carrier\"\n\
         [[node.crypto_signaling]]\nremote_addr = \"192.0.2.2\"\ntrustpoint = \"other\"\n\
         [node.role.call_manager.oauth]\n"
    )
}

/// What was signed: nobody here asks whether by whom.
fn payload(body: &str) -> Value {
    let signed: Value = serde_json::from_str(body).unwrap();
    let payload = BASE64.decode(signed["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap_or_default()
}

fn authority(lie: Lie) -> Server {
    let base: Arc<OnceLock<String>> = Arc::default();
    let (at, chain) = (base.clone(), Mutex::new(String::new()));
    let ca = trust::Ca::create("carrier", SystemTime::now()).unwrap();
    let server = Server::start("127.0.0.1", move |path, body| -> Option<Told> {
        let at = |path: &str| format!("{}{path}", at.get().unwrap());
        let order = |status: &str| {
            let authorizations = [at("/authz")];
            let (finalize, certificate) = (at("/finalize"), at("/certificate"));
            json!({ "status": status, "authorizations": authorizations, "finalize": finalize, "certificate": certificate })
        };
        let done = !chain.lock().unwrap().is_empty();
        let (status, answer) = match path {
            "/dir" => {
                (200, json!({ "newNonce": at("/nonce"), "newAccount": at("/account"), "newOrder": at("/order") }))
            }
            "/nonce" => (204, Value::Null),
            "/account" => (201, json!({})),
            "/order" => {
                assert_eq!(payload(body)["identifiers"][0]["value"], "cucm1.lab.example");
                (201, order("ready"))
            }
            "/made" => (200, order(if done { "valid" } else { "ready" })),
            "/authz" => {
                let of = json!({ "type": "dns", "value": "cucm1.lab.example" });
                (200, json!({ "status": "valid", "identifier": of }))
            }
            "/finalize" if lie == Lie::Refusal => {
                let kind = "urn:ietf:params:acme:error:rateLimited";
                (429, json!({ "type": kind, "detail": "too many\u{1b}[31m" }))
            }
            "/finalize" => {
                let csr = BASE64.decode(payload(body)["csr"].as_str().unwrap()).unwrap();
                *chain.lock().unwrap() = certified(&ca, &csr, lie);
                (200, order("processing"))
            }
            _ => (404, json!({})),
        };
        if path == "/certificate" {
            return Some((200, vec![("replay-nonce", "n".into())], chain.lock().unwrap().clone().into_bytes()));
        }
        let location = if path == "/order" { at("/made") } else { at("/me") };
        let headers = vec![("replay-nonce", "n".to_owned()), ("location", location)];
        Some((status, headers, if answer.is_null() { Vec::new() } else { answer.to_string().into_bytes() }))
    });
    base.set(server.url("")).unwrap();
    server
}

fn certified(ca: &trust::Ca, csr: &[u8], lie: Lie) -> String {
    let text = STANDARD.encode(csr);
    let csr = format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n");
    let name = if lie == Lie::OtherName { "bank.example" } else { "cucm1.lab.example" };
    let now = SystemTime::now();
    let request = trust::Request {
        common_name: name.into(),
        dns_names: vec![name.into()],
        ip_addresses: Vec::new(),
        node: None,
        uris: Vec::new(),
        key: trust::KeyKind::P256,
        not_before: now - HOUR,
        not_after: now + 90 * 24 * HOUR,
    };
    let leaf = match lie {
        Lie::OtherKey => ca.issue(&request).unwrap().chain_pem(),
        _ => ca.issue_for(&csr, &request).unwrap(),
    };
    match lie {
        Lie::NoChain => leaf,
        Lie::NoCertificate => "<html>certificate</html>".into(),
        _ => format!("{leaf}{}", ca.certificate_pem()),
    }
}

#[test]
fn an_order_brings_a_certificate_and_one_that_is_not_what_was_ordered_changes_nothing() {
    for (lie, words) in [
        (Lie::OtherName, "the certificate names bank.example"),
        (Lie::OtherKey, "another key"),
        (Lie::NoChain, "the chain is not whole"),
        (Lie::NoCertificate, "chain is not taken"),
        (Lie::Refusal, "too many[31m (rateLimited)"),
    ] {
        let server = authority(lie);
        let data = data(&server.url("/dir"), server.root());
        let before = data.dir.identity(NODE).unwrap();
        let error = format!("{:#}", runtime().block_on(order(&data.dir, NODE)).unwrap_err());
        assert!(error.contains(words), "{words}: {error}");
        let after = data.dir.identity(NODE).unwrap();
        assert_eq!((after.facts(), after.key_pem()), (before.facts(), before.key_pem()), "{words}");
        assert!(!data.folder.join("requests").exists(), "no key is left");
    }
    let server = authority(Lie::None);
    let data = data(&server.url("/dir"), server.root());
    let waiting = data.dir.signing_request("cucm1@other", trust::KeyKind::P256, SystemTime::now());
    assert!(waiting.is_ok() && data.dir.acme_due(NODE, SystemTime::now()).unwrap());
    let facts = runtime().block_on(order(&data.dir, NODE)).unwrap();
    assert!(facts.is_named("cucm1.lab.example") && facts.issuer.contains("carrier"), "{facts:?}");
    assert_eq!(data.dir.identity(NODE).unwrap().facts(), &facts);
    assert!(data.folder.join("requests/cucm1@other/key.pem").exists(), "what waits for others goes on waiting");
    assert!(!data.dir.acme_due(NODE, SystemTime::now() + 2 * HOUR).unwrap());
    assert!(data.dir.acme_due(NODE, SystemTime::now() + 61 * 24 * HOUR).unwrap(), "two thirds of its life");
}

#[test]
fn an_order_that_failed_waits_in_every_process_that_is_started_anew() {
    // Nobody listens there.
    let data = data(
        &format!("https://127.0.0.1:{}/dir", free_port()),
        trust::Ca::create("x", SystemTime::now()).unwrap().certificate_pem(),
    );
    for _ in 0..2 {
        // As a process does that is started again.
        let mut orders = Orders::default();
        orders.tend(&data.dir, &data.site, |_| true);
        for (_, order) in std::mem::take(&mut orders.under_way) {
            order.join().unwrap();
        }
        assert_eq!(data.dir.acme_orders(NODE).unwrap().failed, 1);
    }
    assert_eq!(identities(&data.site, |name| name == "cube1").count(), 0, "others' are not ordered here");
    assert!(data.dir.acme_due(NODE, SystemTime::now() + 2 * HOUR).unwrap());
    // Whoever corrects the site is not made to wait.
    data.dir.replace_site(&site_text("https://127.0.0.1:1/dir", "5002")).unwrap();
    assert!(data.dir.acme_due(NODE, SystemTime::now()).unwrap());
}

#[test]
fn orders_are_for_trustpoints_that_say_so() {
    let site = Site::parse(&site_text("https://ca.example/dir", "80")).unwrap();
    assert_eq!(identities(&site, |_| true).collect::<Vec<_>>(), [NODE]);
    assert!(settings(&site, NODE).is_ok());
    for none in ["cucm1", "cucm1@other", "cucm1@nobody", "cube1@carrier"] {
        let error = settings(&site, none).unwrap_err().to_string();
        assert!(error.contains("the site has cucm1@carrier"), "{error}");
    }
}
