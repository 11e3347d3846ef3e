//! A provider of our own over TLS: what is taken from it, what is not, and what stays.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use trust::{KeyKind, TokenIssuer, TokenKey};

use super::*;
use crate::errands::{Errand, errands};
use crate::web::tests::{Server, Told};

/// What it says at which path.
type Pages = Arc<Mutex<BTreeMap<String, (u16, String)>>>;

struct Rig {
    server: Server,
    pages: Pages,
    data: DataDir,
    node: Node,
    site: Site,
}

const DISCOVERY: &str = "/.well-known/openid-configuration";

fn key() -> TokenIssuer {
    TokenIssuer::from_pem(&trust::generate_key(KeyKind::P256).unwrap().0).unwrap()
}

impl Rig {
    /// With these lines for the provider's row.
    fn new(lines: &str) -> Rig {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let pages = Pages::default();
        let said = pages.clone();
        let server = Server::start("127.0.0.1", move |path, _| -> Option<Told> {
            let (status, body) = said.lock().unwrap().get(path).cloned().unwrap_or((404, String::new()));
            Some((status, Vec::new(), body.into_bytes()))
        });
        let issuer = server.url("");
        let lines = lines.replace("ISSUER", &issuer);
        let text = format!(
            "name = \"lab\"\ndomain = \"lab.example\"\n[[node]]\nname = \"cucm1\"\naddress = \"127.18.133.3\"\n\
             [node.role.call_manager.oauth]\n[[node.role.call_manager.oauth.identity_provider]]\n\
             issuer = \"{issuer}\"\nauthority = \"corp\"\n{lines}\n"
        );
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ringfence-key-sets-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        let (data, _) = DataDir::init(&path, &text, std::time::SystemTime::now()).unwrap();
        std::fs::write(path.join("roots/corp.pem"), server.root()).unwrap();
        let site = data.site().unwrap();
        let node = site.node("cucm1").unwrap().clone();
        let rig = Rig { server, pages, data, node, site };
        rig.says(DISCOVERY, 200, &rig.metadata("keys"));
        rig
    }

    fn says(&self, path: &str, status: u16, body: &str) {
        self.pages.lock().unwrap().insert(path.to_owned(), (status, body.to_owned()));
    }

    fn metadata(&self, keys: &str) -> String {
        let issuer = self.server.url("");
        // No more than keys are asked of it: one that gives tokens to phones need not log in browsers here.
        format!("{{ \"issuer\": \"{issuer}\", \"jwks_uri\": \"{issuer}/{keys}\" }}")
    }

    fn source(&self) -> Source {
        sources_of(&self.node, &self.data, Versions { tls12: true, tls13: true }).remove(0)
    }

    fn known(&self) -> Vec<TokenKey> {
        self.data.tokens(&self.node).unwrap().unwrap().keys.remove(1)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.data.path());
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn keys_are_found_by_discovery_or_where_the_site_says() {
    for (lines, asked) in [("", vec![DISCOVERY, "/keys"]), ("key_set = \"ISSUER/keys\"", vec!["/keys"])] {
        let (rig, first, second) = (Rig::new(lines), key(), key());
        assert_eq!(rig.known(), []);
        rig.says("/keys", 200, &first.key_set());
        let (source, runtime) = (rig.source(), runtime());
        assert_eq!(runtime.block_on(fetch(&source)), Ok(true));
        assert_eq!(rig.known(), TokenKey::read_set(&first.key_set()).unwrap());
        assert_eq!(rig.server.requests(), asked.iter().map(|path| format!("GET {path}")).collect::<Vec<_>>());
        assert_eq!(runtime.block_on(fetch(&source)), Ok(false), "the same is no change");
        rig.says("/keys", 200, &second.key_set());
        assert_eq!(runtime.block_on(fetch(&source)), Ok(true));
        assert_eq!(rig.known(), TokenKey::read_set(&second.key_set()).unwrap());
    }
}

/// Whatever a provider says instead of keys, those that are known stay.
#[test]
fn a_provider_that_is_away_or_lies_changes_nothing_and_it_is_said_why() {
    let (rig, key) = (Rig::new(""), key());
    rig.says("/keys", 200, &key.key_set());
    let (source, runtime) = (rig.source(), runtime());
    assert_eq!(runtime.block_on(fetch(&source)), Ok(true));
    let known = rig.known();
    let truth = rig.metadata("keys");
    let issuer = rig.server.url("");
    let long = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000));
    for (path, status, body, why) in [
        (DISCOVERY, 200, truth.replace(&issuer, "https://evil.example"), "is of issuer `https://evil.example`"),
        (DISCOVERY, 200, "<html>".to_owned(), "no discovery document"),
        (DISCOVERY, 200, format!("{{ \"issuer\": \"{issuer}\" }}"), "jwks_uri"),
        (DISCOVERY, 200, truth.replace(&format!("{issuer}/keys"), "http://127.0.0.1/keys"), "which is not https"),
        (DISCOVERY, 302, String::new(), "answers 302"),
        ("/keys", 500, String::new(), "answers 500"),
        ("/keys", 200, "{}".to_owned(), "no JSON Web Key Set"),
        ("/keys", 200, "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}".to_owned(), "no key for ES256"),
        ("/keys", 200, long, "more than 262144 octets"),
    ] {
        rig.says(DISCOVERY, 200, &truth);
        rig.says("/keys", 200, &key.key_set());
        rig.says(path, status, &body);
        let fault = runtime.block_on(fetch(&source)).unwrap_err();
        assert!(fault.contains(why), "{why}: {fault}");
        assert_eq!(rig.known(), known, "{why}");
    }
    // Nor is it believed by anybody's certificate.
    let other = trust::Ca::create("other", std::time::SystemTime::now()).unwrap();
    std::fs::write(rig.data.path().join("roots/corp.pem"), other.certificate_pem()).unwrap();
    let fault = runtime.block_on(fetch(&source)).unwrap_err();
    assert!(fault.contains("certificate"), "{fault}");
    std::fs::remove_file(rig.data.path().join("roots/corp.pem")).unwrap();
    let fault = runtime.block_on(fetch(&source)).unwrap_err();
    assert!(fault.contains("roots/corp.pem"), "{fault}");
    assert_eq!(rig.known(), known);
}

/// Answers what a process is asked, as often as it is.
fn done(errand: Errand) {
    assert_eq!(errand.work, Work::ReadAgain { list: None, site: false });
    let _ = errand.answer.send(Ok(Vec::new()));
}

#[test]
fn an_unknown_key_has_a_set_fetched_at_once_and_a_site_without_the_row_fetches_no_more() {
    let (rig, runtime) = (Rig::new(""), runtime());
    rig.says("/keys", 200, &key().key_set());
    let (errands, mut asked) = errands();
    let mut sets = KeySets::new(errands);
    let none = std::iter::empty();
    sets.tend(&rig.data, &rig.site, none).unwrap();
    assert!(matches!(sets.state, State::Idle(..)), "nothing to fetch costs no thread");
    sets.tend(&rig.data, &rig.site, std::iter::once(&rig.node)).unwrap();
    runtime.block_on(async { done(asked.recv().await.unwrap()) });
    let second = key();
    rig.says("/keys", 200, &second.key_set());
    // Others' are not its.
    sets.wanted().by("cucm1", "https://other.example".into());
    sets.wanted().by("cucm2", rig.server.url(""));
    sets.wanted().by("cucm1", rig.server.url(""));
    runtime.block_on(async { done(asked.recv().await.unwrap()) });
    assert_eq!(rig.known(), TokenKey::read_set(&second.key_set()).unwrap());
    assert_eq!(rig.server.requests().len(), 4, "each document twice: {:?}", rig.server.requests());
    sets.tend(&rig.data, &rig.site, std::iter::empty()).unwrap();
    sets.stop();
    assert!(asked.blocking_recv().is_none(), "whoever asked is gone");
}
