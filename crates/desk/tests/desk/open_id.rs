//! People of an OpenID provider at the desk, over real TLS on both sides: with a token, and in a browser; and everything
//! that is none of theirs.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use net::OpenId;
use serde_json::json;
use store::DataDir;

use crate::https::listen_as;
use crate::lab::{Lab, PASSWORD, basic};
use crate::provider::{CLIENT, Provider, SECRET};

const USER: &str = "/finesse/api/User/1001";
const LOGIN: &str = "<User><state>LOGIN</state><extension>1001</extension></User>";

async fn with_provider(test: u8) -> (Lab, Provider) {
    let (lab, provider) = (Lab::start(test).await, Provider::start().await);
    std::fs::write(lab.path.join("roots/corp.pem"), &provider.root).unwrap();
    std::fs::write(lab.path.join("open_id.secret"), format!("{SECRET}\n")).unwrap();
    settle(&lab, &provider, "");
    (lab, provider)
}

/// The desk takes this provider's people, with these settings besides.
fn settle(lab: &Lab, provider: &Provider, more: &str) {
    let data = DataDir::open(&lab.path).unwrap();
    let mut site = data.site().unwrap();
    let settings = format!(
        r#"
issuer = "{}"
authority = "corp"
client_id = "{CLIENT}"
client_secret_file = "open_id.secret"
scopes = ["profile"]
agent_claim = "agent"
agent_roles = ["agents"]
administrator_roles = ["admins"]
{more}"#,
        provider.issuer
    );
    site.open_id = Some(toml::from_str(&settings).unwrap());
    lab.desk.replace_provider(OpenId::of(&site, &data).unwrap().map(Arc::new));
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn cookie(name: &str, value: &str) -> String {
    format!("cookie: {name}={value}\r\n")
}

/// What a page of the desk's sends with a request.
fn from_here(session: &str) -> String {
    format!("{}sec-fetch-site: same-origin\r\n", cookie("__Host-session", session))
}

/// The value that a head sets this cookie to.
fn set(head: &str, name: &str) -> String {
    let start = format!("set-cookie: {name}=");
    let line = head.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {name} in {head}"));
    for part in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(line.contains(part), "{line}");
    }
    line[start.len()..].split(';').next().unwrap().to_owned()
}

fn location(head: &str) -> &str {
    head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_else(|| panic!("no location in {head}"))
}

fn starts(head: &str, status: u16) {
    assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "expected {status}: {head}");
}

/// A log-in that began: its cookie, and where the browser was sent.
async fn begin(lab: &Lab) -> (String, String) {
    let (head, _) = lab.ask("GET", "/api/v1/login?to=%2Fapi%2Fv1%2Fsession", "", "").await;
    starts(&head, 302);
    (set(&head, "__Host-log-in"), location(&head).to_owned())
}

async fn back(lab: &Lab, path: &str, begun: &str) -> (String, String) {
    lab.ask("GET", path, &cookie("__Host-log-in", begun), "").await
}

/// Somebody's session.
async fn session(lab: &Lab, provider: &Provider, who: &str) -> String {
    let (begun, url) = begin(lab).await;
    let (head, body) = back(lab, &provider.log_in(&url, who), &begun).await;
    assert!(head.starts_with("HTTP/1.1 303"), "{head} {body}");
    assert_eq!(location(&head), "/api/v1/session");
    assert_eq!(set(&head, "__Host-log-in"), "");
    set(&head, "__Host-session")
}

fn audit(lab: &Lab) -> Vec<String> {
    let store = DataDir::open(&lab.path).unwrap().store().unwrap();
    store.changes(50).unwrap().into_iter().map(|change| format!("{}: {}", change.who, change.what)).collect()
}

#[tokio::test]
async fn a_token_of_the_provider_is_somebody_and_every_other_is_nobody() {
    let (lab, provider) = with_provider(41).await;
    let good = provider.token(json!({}));
    for _ in 0..3 {
        let (head, body) = lab.ask("GET", USER, &bearer(&good), "").await;
        starts(&head, 200);
        assert!(body.contains("<loginId>1001</loginId>"), "{body}");
    }
    assert_eq!(provider.seen(), ["/.well-known/openid-configuration", "/keys"], "its documents are kept");
    starts(&lab.ask("PUT", USER, &bearer(&good), LOGIN).await.0, 202);
    starts(&lab.ask("GET", "/finesse/api/User/1002", &bearer(&good), "").await.0, 401);
    let root = provider.token(json!({ "preferred_username": "root", "roles": ["admins"], "agent": null }));
    starts(&lab.ask("GET", "/finesse/api/Users", &bearer(&root), "").await.0, 200);
    starts(&lab.ask("GET", "/finesse/api/Users", &bearer(&good), "").await.0, 401);

    let parts: Vec<&str> = good.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let symmetric = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let other = Provider::start().await;
    for (token, status, said) in [
        (provider.token(json!({ "iss": "https://evil.example" })), 401, "a token of issuer `https://evil.example`"),
        (provider.token(json!({ "aud": "another" })), 401, "a token for another audience"),
        (provider.token(json!({ "exp": 1_700_000_000 })), 401, "a token that expired at 1700000000 s"),
        (provider.token(json!({ "nbf": 9_000_000_000_i64 })), 401, "good only from 9000000000"),
        (provider.token(json!({ "roles": ["staff"] })), 403, "nothing in `roles` of `ada` has a role here"),
        (provider.token(json!({ "agent": null })), 403, "no `agent`"),
        (provider.token(json!({ "preferred_username": "a/b" })), 403, "no name for an account"),
        (other.token(json!({ "iss": provider.issuer })), 401, "a key unknown here"),
        (format!("{none}.{}.", parts[1]), 401, "algorithm `none`"),
        (format!("{symmetric}.{}.{}", parts[1], parts[2]), 401, "algorithm `HS256`"),
        (
            format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(r#"{"iss":"x"}"#), parts[2]),
            401,
            "signature does not fit",
        ),
        ("abc".into(), 401, "no token"),
    ] {
        let (head, body) = lab.ask("GET", USER, &bearer(&token), "").await;
        starts(&head, status);
        assert!(body.contains(said), "{said}: {body}");
        assert_eq!(head.contains("www-authenticate: Bearer"), status == 401, "{head}");
    }
    // The provider was asked about the key that nobody knows, once.
    assert_eq!(provider.seen(), ["/.well-known/openid-configuration", "/keys"]);
    let stranger = other.token(json!({ "iss": provider.issuer }));
    starts(&lab.ask("GET", USER, &bearer(&stranger), "").await.0, 401);
    assert!(provider.seen().is_empty(), "and not again at once");
    let said = audit(&lab);
    let first = "ada: at the desk: came with a token of the provider's, as agent";
    assert_eq!(said.iter().filter(|line| *line == first).count(), 1, "{said:?}");
    lab.stop().await;
}

#[tokio::test]
async fn a_token_whose_first_use_cannot_be_written_down_is_not_taken_the_second_time_either() {
    let (lab, provider) = with_provider(45).await;
    let token = provider.token(json!({}));
    let store = rusqlite::Connection::open(lab.path.join("store.sqlite")).unwrap();
    store.execute_batch("ALTER TABLE audit RENAME TO elsewhere").unwrap();
    for _ in 0..2 {
        starts(&lab.ask("GET", USER, &bearer(&token), "").await.0, 503);
    }
    store.execute_batch("ALTER TABLE elsewhere RENAME TO audit").unwrap();
    starts(&lab.ask("GET", USER, &bearer(&token), "").await.0, 200);
    assert_eq!(audit(&lab).iter().filter(|line| line.contains("came with a token")).count(), 1);
    lab.stop().await;
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_found_at_its_first_token() {
    let (lab, provider) = with_provider(42).await;
    starts(&lab.ask("GET", USER, &bearer(&provider.token(json!({}))), "").await.0, 200);
    provider.changes_its_key();
    starts(&lab.ask("GET", USER, &bearer(&provider.token(json!({}))), "").await.0, 200);
    // It goes: whose token its keys vouch for is known without it, and accounts of the store need none.
    provider.goes(true);
    starts(&lab.ask("GET", USER, &bearer(&provider.token(json!({}))), "").await.0, 200);
    settle(&lab, &provider, "session_idle_s = 60");
    let (head, body) = lab.ask("GET", USER, &bearer(&provider.token(json!({}))), "").await;
    starts(&head, 503);
    assert!(head.contains("retry-after: 30") && body.contains("does not answer"), "{head} {body}");
    starts(&lab.ask("GET", "/api/v1/login", "", "").await.0, 503);
    starts(&lab.ask("GET", USER, &basic("1001", PASSWORD), "").await.0, 200);
    lab.stop().await;
}

#[tokio::test]
async fn a_browser_is_sent_to_the_provider_and_has_a_session_afterwards() {
    let (lab, provider) = with_provider(43).await;
    let ada = session(&lab, &provider, "ada").await;
    let (head, body) = lab.ask("GET", "/api/v1/session", &cookie("__Host-session", &ada), "").await;
    starts(&head, 200);
    let said: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&said["name"], &said["role"], &said["agent"]), (&json!("ada"), &json!("agent"), &json!("1001")));
    assert!(said["idle_s"].as_u64() <= Some(1800) && said["left_s"].as_u64() <= Some(43_200), "{body}");
    starts(&lab.ask("GET", USER, &cookie("__Host-session", &ada), "").await.0, 200);

    // What changes something comes from a page of the desk, and says so.
    for (more, status) in [
        ("", 403),
        ("sec-fetch-site: cross-site\r\n", 403),
        ("sec-fetch-site: same-site\r\n", 403),
        ("origin: https://evil.example\r\n", 403),
        ("origin: https://desk\r\n", 202),
        ("sec-fetch-site: same-origin\r\n", 202),
    ] {
        let (head, body) = lab.ask("PUT", USER, &format!("{}{more}", cookie("__Host-session", &ada)), LOGIN).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{more}: {head} {body}");
    }
    starts(&lab.ask("POST", "/api/v1/logout", &cookie("__Host-session", &ada), "").await.0, 403);
    starts(&lab.ask("GET", "/api/v1/logout", &from_here(&ada), "").await.0, 405);

    // Another session of the same person; who logs out of one is in the other still.
    let second = session(&lab, &provider, "ada").await;
    let mut events = listen_as(&lab, &cookie("__Host-session", &ada)).await;
    let (head, _) = lab.ask("POST", "/api/v1/logout", &from_here(&ada), "").await;
    starts(&head, 204);
    assert_eq!(set(&head, "__Host-session"), "");
    let (head, body) = lab.ask("GET", USER, &cookie("__Host-session", &ada), "").await;
    starts(&head, 401);
    assert!(body.contains("the session is over"), "{body}");
    starts(&lab.ask("GET", USER, &cookie("__Host-session", &second), "").await.0, 200);
    // The stream of events ends with its session, ten seconds later at most.
    events.end().await;
    // A reload that changes the terms ends them all, and streams that a token of before opened.
    let mut by_token = listen_as(&lab, &bearer(&provider.token(json!({})))).await;
    settle(&lab, &provider, "session_idle_s = 60");
    starts(&lab.ask("GET", USER, &cookie("__Host-session", &second), "").await.0, 401);
    by_token.end().await;
    let said = audit(&lab);
    for line in ["ada: at the desk: logged in by the provider's word, as agent", "ada: at the desk: logged out"] {
        assert!(said.iter().any(|said| said == line), "{line}: {said:?}");
    }
    lab.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_of_no_log_in_of_this_browser_opens_nothing() {
    let (lab, provider) = with_provider(44).await;
    for to in ["https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example"] {
        starts(&lab.ask("GET", &format!("/api/v1/login?to={to}"), "", "").await.0, 400);
    }
    let (begun, url) = begin(&lab).await;
    let path = provider.log_in(&url, "ada");
    let (other, other_url) = begin(&lab).await;
    let other_path = provider.log_in(&other_url, "eve");
    let refused = async |path: &str, more: &str, said: &str| {
        let (head, body) = lab.ask("GET", path, more, "").await;
        assert!(head.starts_with("HTTP/1.1 401") && body.contains(said), "{said}: {head} {body}");
        assert!(!head.contains("__Host-session"), "{head}");
    };
    let of = |begun: &str| cookie("__Host-log-in", begun);
    refused(&path, "", "no log-in began in this browser").await;
    // Somebody's own answer, put into another's browser.
    refused(&other_path, &of(&begun), "of another log-in").await;
    refused(&path.replace("state=", "state=x"), &of(&begun), "of another log-in").await;
    // The right one, once.
    starts(&back(&lab, &path, &begun).await.0, 303);
    refused(&path, &of(&begun), "over already").await;
    // Its code again, in a log-in that is good.
    let (again, url) = begin(&lab).await;
    let fresh = provider.log_in(&url, "ada");
    let code = |path: &str| path.split_once("code=").unwrap().1.split('&').next().unwrap().to_owned();
    let stale = fresh.replace(&code(&fresh), &code(&path));
    refused(&stale, &of(&again), "does not take the code: invalid_grant").await;
    // A code of another log-in, whose verifier is another.
    let (third, url) = begin(&lab).await;
    let third_path = provider.log_in(&url, "ada");
    let stolen = third_path.replace(&code(&third_path), &code(&other_path));
    refused(&stolen, &of(&third), "does not take the code: invalid_grant").await;
    drop(other);

    for (lie, said) in [
        (json!({ "nonce": "another" }), "its nonce is not the one that was sent"),
        (json!({ "nonce": null }), "its nonce is not the one that was sent"),
        (json!({ "iss": "https://evil.example" }), "a token of issuer"),
        (json!({ "aud": "another" }), "for another audience"),
        (json!({ "azp": "another" }), "given to another client"),
        (json!({ "exp": 1_700_000_000 }), "expired"),
    ] {
        provider.lies(lie);
        let (begun, url) = begin(&lab).await;
        refused(&provider.log_in(&url, "ada"), &of(&begun), said).await;
    }
    provider.lies(json!({}));
    let (begun, url) = begin(&lab).await;
    let elsewhere = provider.log_in(&url, "ada").replace("iss=", "iss=x");
    refused(&elsewhere, &of(&begun), "of another provider").await;
    let (begun, url) = begin(&lab).await;
    let path = provider.log_in(&url, "ada");
    let denied = format!("/api/v1/login/callback?error=access_denied&state={}", path.split_once("state=").unwrap().1);
    refused(&denied, &of(&begun), "did not log you in: access_denied").await;
    // It has gone when the code is to be taken.
    let (begun, url) = begin(&lab).await;
    let path = provider.log_in(&url, "ada");
    provider.goes(true);
    starts(&back(&lab, &path, &begun).await.0, 503);
    lab.stop().await;
}
