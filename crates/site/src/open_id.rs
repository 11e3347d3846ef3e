//! The OpenID provider whose people log in here: where it is, who vouches for it, and which of its claims say what.

use serde::{Deserialize, Serialize};

/// `[open_id]`: absent, nobody's tokens are taken at desks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenId {
    /// Its `iss`, letter by letter; its discovery document is below that (OpenID Connect Discovery 1.0 §4).
    pub issuer: String,
    /// Who vouches for its certificates: `corp` for roots/corp.pem; absent: the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
    /// As what the desks are registered there.
    pub client_id: String,
    /// A file in the data directory whose first line is the secret of that; absent: PKCE alone says who asks.
    #[serde(default)]
    pub client_secret_file: Option<String>,
    /// Whom access tokens must be for; default `client_id`.
    #[serde(default)]
    pub audience: Option<String>,
    /// What a browser's log-in asks for besides `openid`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// A claim: what somebody is called here.
    #[serde(default = "name_claim")]
    pub name_claim: String,
    /// A claim: the agent that they are; absent: the one of their name.
    #[serde(default)]
    pub agent_claim: Option<String>,
    /// A claim: words of which those below are some. One in another is named by dots (`realm_access.roles`).
    #[serde(default = "role_claim")]
    pub role_claim: String,
    #[serde(default)]
    pub agent_roles: Vec<String>,
    #[serde(default)]
    pub supervisor_roles: Vec<String>,
    #[serde(default)]
    pub administrator_roles: Vec<String>,
    /// A browser that asks for nothing and listens to nothing for as long is logged out.
    #[serde(default = "idle")]
    pub session_idle_s: u32,
    /// After as long everybody logs in anew.
    #[serde(default = "life")]
    pub session_life_s: u32,
}

impl OpenId {
    pub fn audience(&self) -> &str {
        self.audience.as_deref().unwrap_or(&self.client_id)
    }
}

/// Where the discovery document of an issuer is (OpenID Connect Discovery 1.0 §4).
pub fn discovery_of(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

fn name_claim() -> String {
    "preferred_username".into()
}

fn role_claim() -> String {
    "roles".into()
}

fn idle() -> u32 {
    1800
}

fn life() -> u32 {
    12 * 3600
}
