//! Authorities that do not keep to the RFC: nothing of theirs gets further than to an error in words.

mod orders;

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::web::tests::{Server, Told};

type Headers = Vec<(&'static str, String)>;
/// By path: status, headers, body.
type Pages = Arc<Mutex<BTreeMap<String, (u16, Headers, String)>>>;

/// An authority of which each answer can be another than it should be.
struct Rig {
    server: Server,
    pages: Pages,
}

impl Rig {
    fn new() -> Rig {
        let pages = Pages::default();
        let said = pages.clone();
        let server = Server::start("127.0.0.1", move |path, _| -> Option<Told> {
            let (status, headers, body) =
                said.lock().unwrap().get(path).cloned().unwrap_or((404, Vec::new(), String::new()));
            // 0: it never answers.
            (status != 0).then(|| (status, headers, body.into_bytes()))
        });
        let rig = Rig { server, pages };
        let at = |path: &str| rig.server.url(path);
        let directory = json!({ "newNonce": at("/nonce"), "newAccount": at("/account"), "newOrder": at("/order") });
        rig.says("/dir", 200, &[], &directory.to_string());
        rig.says("/nonce", 204, &[("replay-nonce", "n1")], "");
        rig.says("/account", 201, &[("replay-nonce", "n2"), ("location", &at("/me"))], "{}");
        rig
    }

    fn says(&self, path: &str, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.pages.lock().unwrap().insert(path.to_owned(), (status, headers, body.to_owned()));
    }

    async fn client(&self) -> anyhow::Result<Client> {
        let key = AccountKey::from_pem(&trust::generate_key(trust::KeyKind::P256).unwrap().0).unwrap();
        let both = Versions { tls12: true, tls13: true };
        Client::open(&self.server.url("/dir"), key, vec![self.server.root().to_owned()], both, client::PATIENCE).await
    }

    /// Why no account came of it.
    fn no_account(&self) -> String {
        let outcome = runtime().block_on(async { self.client().await?.account(&[], true).await });
        format!("{:#}", outcome.expect_err("no account"))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn an_authority_that_does_not_keep_to_the_rfc_is_said_to() {
    let rig = Rig::new();
    assert!(runtime().block_on(async { rig.client().await?.account(&[], true).await }).is_ok());
    let huge = "x".repeat(300 * 1024);
    for (path, status, headers, body, words) in [
        ("/dir", 200, vec![], "<html>", "is no directory of an ACME server"),
        ("/dir", 302, vec![("location", "https://127.0.0.1/")], "", "answers 302"),
        ("/dir", 200, vec![], &huge, "has more than 262144 octets"),
        ("/nonce", 204, vec![], "", "gives no nonce"),
        ("/nonce", 204, vec![("replay-nonce", "a\"b")], "", "gives no nonce"),
        ("/nonce", 500, vec![("replay-nonce", "n")], "", "gives no nonce"),
        ("/account", 201, vec![("replay-nonce", "n")], "{}", "does not say where"),
        ("/account", 201, vec![], "no JSON", "answers no such thing"),
        (
            "/account",
            403,
            vec![],
            "{\"type\":\"urn:ietf:params:acme:error:unauthorized\",\"detail\":\"go away\"}",
            "go away (unauthorized)",
        ),
        ("/account", 400, vec![], "<html>", "it does not say why"),
        (
            "/account",
            400,
            vec![("replay-nonce", "n")],
            "{\"type\":\"urn:ietf:params:acme:error:badNonce\"}",
            "takes none of its own nonces",
        ),
    ] {
        let rig = Rig::new();
        rig.says(path, status, &headers, body);
        let found = rig.no_account();
        assert!(found.contains(words), "{words}: {found}");
    }
    // As often as there is reason to hope.
    rig.says("/account", 400, &[("replay-nonce", "n")], "{\"type\":\"urn:ietf:params:acme:error:badNonce\"}");
    let before = rig.server.requests().len();
    rig.no_account();
    assert_eq!(rig.server.requests().len() - before, 2 + client::NONCES, "directory, nonce, and each time");
}

#[test]
fn what_an_authority_names_is_asked_over_tls_and_its_token_is_no_path() {
    let rig = Rig::new();
    let offered = |token: &str, url: &str| {
        let challenge = json!({ "type": "http-01", "url": url, "token": token });
        let of = json!({ "type": "dns", "value": "lab.example" });
        json!({ "status": "pending", "identifier": of, "challenges": [challenge] }).to_string()
    };
    let acme: Acme = toml::from_str("directory = \"https://ca.example\"").unwrap();
    let try_it = |url: String| {
        let outcome = runtime().block_on(async {
            let mut client = rig.client().await?;
            client.account(&[], true).await?;
            let listener = Listener::open(acme.challenge, "127.0.0.1:0".parse()?).await?;
            prove(&mut client, &listener, &acme, "lab.example", &url).await
        });
        format!("{:#}", outcome.expect_err("no proof"))
    };
    for token in ["", "../../etc", "a b", "a\r\nx: y"] {
        rig.says("/authz", 200, &[("replay-nonce", "n")], &offered(token, &rig.server.url("/challenge")));
        let found = try_it(rig.server.url("/authz"));
        assert!(found.contains("token is none"), "{found}");
    }
    rig.says("/authz", 200, &[("replay-nonce", "n")], &offered("t", "http://127.0.0.1/challenge"));
    assert!(try_it(rig.server.url("/authz")).contains("only https addresses are asked"));
    assert!(try_it("http://127.0.0.1/authz".into()).contains("only https addresses are asked"));
    rig.says("/authz", 200, &[("replay-nonce", "n")], &offered("t", "x").replace("http-01", "dns-01"));
    let found = try_it(rig.server.url("/authz"));
    assert!(found.contains("offers no http-01, but dns-01"), "{found}");
    // Whoever is proved to is proved our own name.
    let other = offered("t", &rig.server.url("/challenge")).replace("lab.example", "bank.example");
    rig.says("/authz", 200, &[("replay-nonce", "n")], &other);
    let found = try_it(rig.server.url("/authz"));
    assert!(found.contains("a proof for another name, bank.example"), "{found}");
}

#[test]
fn who_never_answers_is_not_waited_for_and_an_order_that_never_ends_is_left() {
    let rig = Rig::new();
    rig.says("/slow", 0, &[], "");
    let both = Versions { tls12: true, tls13: true };
    let key = AccountKey::from_pem(&trust::generate_key(trust::KeyKind::P256).unwrap().0).unwrap();
    let (url, roots) = (rig.server.url("/slow"), vec![rig.server.root().to_owned()]);
    let outcome = runtime().block_on(Client::open(&url, key, roots, both, Duration::from_millis(300)));
    assert!(outcome.err().unwrap().to_string().contains("no answer within"));

    rig.says(
        "/pending",
        200,
        &[("replay-nonce", "n"), ("retry-after", "0")],
        "{\"status\":\"processing\",\"finalize\":\"\"}",
    );
    let outcome = runtime().block_on(async {
        let mut client = rig.client().await?;
        client.account(&[], true).await?;
        client.until(&rig.server.url("/pending"), |order: &Order| order.status == "valid").await
    });
    assert!(outcome.err().unwrap().to_string().contains("has not come to an end"));
}

#[test]
fn a_listener_shows_its_proof_while_it_is_to_and_nothing_else() {
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let listener = Listener::on(site::Challenge::Http, listener);
        assert_eq!(get(at, "/.well-known/acme-challenge/t0k").await, "", "nothing is to be proved yet");
        let both = Versions { tls12: true, tls13: true };
        listener.prove("lab.example", "t0k", "t0k.thumb".into(), both).unwrap();
        let shown = get(at, "/.well-known/acme-challenge/t0k").await;
        assert!(shown.starts_with("HTTP/1.1 200") && shown.ends_with("\r\n\r\nt0k.thumb"), "{shown}");
        for path in ["/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/t0k2", "/t0k"] {
            let shown = get(at, path).await;
            assert!(shown.starts_with("HTTP/1.1 404") && !shown.contains("thumb"), "{path}: {shown}");
        }
        // Who says nothing keeps nobody out, and goes with the listener.
        let mut silent = TcpStream::connect(at).await.unwrap();
        assert!(get(at, "/.well-known/acme-challenge/t0k").await.contains("200"));
        listener.hide();
        assert_eq!(get(at, "/.well-known/acme-challenge/t0k").await, "");
        drop(listener);
        let ended = silent.read(&mut [0; 1]).await;
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
        assert!(TcpStream::connect(at).await.is_err(), "it is closed");
    });
}

/// All that comes for a path; nothing, if nothing does.
async fn get(at: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: lab.example\r\nConnection: close\r\n\r\n");
    let mut shown = Vec::new();
    // One that is closed before it has read may be reset.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.read_to_end(&mut shown).await;
    String::from_utf8(shown).unwrap()
}
