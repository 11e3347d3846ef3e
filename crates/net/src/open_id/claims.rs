//! What a token says of somebody, and what that makes them here. Pure.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use site::OpenId as Settings;
use store::accounts::Role;
use trust::Claims;

use super::NotProven;

/// A token that is believed.
pub(super) struct Whole {
    pub(super) claims: Claims,
    pub(super) rest: Map<String, Value>,
}

/// Somebody whom the provider vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub role: Role,
    /// The agent of the site that they are.
    pub agent: Option<String>,
    /// When what they showed ends, in seconds since 1970.
    pub until: i64,
}

/// What these claims make of somebody.
pub(super) fn person(settings: &Settings, whole: &Whole) -> Result<Person, NotProven> {
    let text = |claim: &str| claim_of(&whole.rest, claim).and_then(Value::as_str).map(str::to_owned);
    let missing = |claim: &str| NotProven::NoRole(format!("the token has no `{claim}` that is text"));
    let name = text(&settings.name_claim).ok_or_else(|| missing(&settings.name_claim))?;
    if !store::accounts::is_name(&name) {
        return Err(NotProven::NoRole(format!("`{}` is no name for an account here", short(&name))));
    }
    let held: Vec<&str> = match claim_of(&whole.rest, &settings.role_claim) {
        Some(Value::String(one)) => one.split_whitespace().collect(),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is_in = |words: &[String]| words.iter().any(|word| held.contains(&word.as_str()));
    let role = if is_in(&settings.administrator_roles) {
        Role::Administrator
    } else if is_in(&settings.supervisor_roles) {
        Role::Supervisor
    } else if is_in(&settings.agent_roles) {
        Role::Agent
    } else {
        let words = format!("nothing in `{}` of `{name}` has a role here", settings.role_claim);
        return Err(NotProven::NoRole(words));
    };
    let agent = match &settings.agent_claim {
        None => (role != Role::Administrator).then(|| name.clone()),
        Some(claim) => match text(claim) {
            None if role != Role::Administrator => return Err(missing(claim)),
            agent => agent,
        },
    };
    Ok(Person { name, role, agent, until: whole.claims.exp })
}

/// Whether an ID token is of the log-in that began with this nonce, and of nobody else's client (Core 1.0 §3.1.3.7).
pub(super) fn is_of(whole: &Whole, nonce: &str, client: &str) -> Result<(), NotProven> {
    let unfit = |words: &str| NotProven::Unfit(words.to_owned());
    if whole.rest.get("nonce").and_then(Value::as_str) != Some(nonce) {
        return Err(unfit("an ID token of another log-in: its nonce is not the one that was sent"));
    }
    let party = whole.rest.get("azp").and_then(Value::as_str);
    if party.is_some_and(|party| party != client) || (party.is_none() && !whole.claims.aud.is_only(client)) {
        return Err(unfit("an ID token that was given to another client"));
    }
    Ok(())
}

/// By its name; or, where there is none of that, one in another.
fn claim_of<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(name) {
        return Some(found);
    }
    let (first, rest) = name.split_once('.')?;
    claim_of(claims.get(first)?.as_object()?, rest)
}

/// RFC 7636 §4.2.
pub(super) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

/// What a token endpoint says for a no (RFC 6749 §5.2).
pub(super) fn refusal(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let word = value.get("error").and_then(Value::as_str).unwrap_or("it does not say why");
    short(word)
}

/// As much of what a stranger wrote as a log should have.
pub(super) fn short(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let text = r#"
issuer = "https://idp.example"
client_id = "desk"
role_claim = "realm_access.roles"
agent_claim = "agent"
agent_roles = ["agents"]
administrator_roles = ["admins"]
"#;
        toml::from_str(text).unwrap()
    }

    fn whole(rest: Value) -> Whole {
        let mut all = serde_json::json!({ "iss": "i", "sub": "s", "aud": "desk", "exp": 9 });
        all.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        Whole { claims: serde_json::from_value(all.clone()).unwrap(), rest: all.as_object().unwrap().clone() }
    }

    #[test]
    fn claims_say_name_role_and_agent() {
        let ada = whole(serde_json::json!({
            "preferred_username": "ada", "agent": "1001", "realm_access": { "roles": ["x", "agents"] }
        }));
        let expected = Person { name: "ada".into(), role: Role::Agent, agent: Some("1001".into()), until: 9 };
        assert_eq!(person(&settings(), &ada), Ok(expected));
        let root = whole(serde_json::json!({ "preferred_username": "root", "realm_access.roles": "agents admins" }));
        assert_eq!(person(&settings(), &root).unwrap().role, Role::Administrator);
        for (rest, said) in [
            (serde_json::json!({}), "no `preferred_username`"),
            (serde_json::json!({ "preferred_username": 7 }), "no `preferred_username`"),
            (serde_json::json!({ "preferred_username": "a b" }), "no name for an account"),
            (serde_json::json!({ "preferred_username": "ada", "agent": "1" }), "has a role here"),
            (serde_json::json!({ "preferred_username": "ada", "realm_access": { "roles": "agents" } }), "no `agent`"),
        ] {
            let found = person(&settings(), &whole(rest)).unwrap_err();
            assert!(matches!(&found, NotProven::NoRole(words) if words.contains(said)), "{found}");
        }
    }

    #[test]
    fn an_id_token_is_of_one_log_in_and_one_client() {
        let of = |rest| is_of(&whole(rest), "n", "desk");
        assert_eq!(of(serde_json::json!({ "nonce": "n" })), Ok(()));
        assert_eq!(of(serde_json::json!({ "nonce": "n", "azp": "desk", "aud": ["desk", "other"] })), Ok(()));
        for rest in [
            serde_json::json!({}),
            serde_json::json!({ "nonce": "m" }),
            serde_json::json!({ "nonce": "n", "azp": "other" }),
            serde_json::json!({ "nonce": "n", "aud": ["desk", "other"] }),
        ] {
            assert!(matches!(of(rest), Err(NotProven::Unfit(_))));
        }
    }

    #[test]
    fn the_challenge_is_the_rfcs() {
        // RFC 7636 appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(refusal(br#"{"error":"invalid_grant"}"#), "invalid_grant");
        assert_eq!(refusal(b"<html>"), "it does not say why");
    }
}
