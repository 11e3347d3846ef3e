//! SIP OAuth (RFC 8898): a port of a call manager's on which phones are admitted by a token, and whose tokens are believed.

use serde::{Deserialize, Serialize};

/// Absent: the call manager takes no tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// SIP over TLS, without a certificate of the phone.
    #[serde(default = "port")]
    pub port: u16,
    /// Whom tokens must be for (`aud`); default the node's host name.
    #[serde(default)]
    pub audience: Option<String>,
    /// Tokens that are issued here (`ringfence token issue`) are believed.
    #[serde(default = "crate::yes")]
    pub built_in_issuer: bool,
    /// What the built-in issuer calls itself (`iss`); default `https://` and the node's host name.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Seconds that its tokens are good for: eight hours.
    #[serde(default = "token_life")]
    pub token_life_s: u32,
    /// The customer's.
    #[serde(rename = "identity_provider", default)]
    pub identity_providers: Vec<IdentityProvider>,
}

/// An issuer of tokens that is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityProvider {
    /// Its `iss`, letter by letter.
    pub issuer: String,
    /// Its JSON Web Key Set (RFC 7517): an https address, or a file, or a folder whose `.json` files are meant. Absent: its
    /// discovery document says where.
    #[serde(default)]
    pub key_set: Option<String>,
    /// Who vouches for the certificate of where the key set is fetched: `corp` for roots/corp.pem; absent: the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
    /// Where phones get tokens, as refusals tell them (`authz_server`); default its `iss`.
    #[serde(default)]
    pub authorization_server: Option<String>,
}

/// Where an identity provider's keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySource<'a> {
    /// A file, or a folder of such, which somebody puts there.
    Files(&'a str),
    /// An https address, from which they are fetched.
    Address(&'a str),
    /// Wherever its discovery document says (OpenID Connect Discovery 1.0 §4).
    Discovery,
}

impl IdentityProvider {
    pub fn keys(&self) -> KeySource<'_> {
        match self.key_set.as_deref() {
            None => KeySource::Discovery,
            Some(address) if address.contains("://") => KeySource::Address(address),
            Some(files) => KeySource::Files(files),
        }
    }

    pub fn is_fetched(&self) -> bool {
        !matches!(self.keys(), KeySource::Files(_))
    }
}

impl OAuth {
    /// The built-in issuer's name; `host` is the node's.
    pub fn issuer(&self, host: &str) -> String {
        self.issuer.clone().unwrap_or_else(|| format!("https://{host}"))
    }

    pub fn audience(&self, host: &str) -> String {
        self.audience.clone().unwrap_or_else(|| host.to_owned())
    }

    /// Where phones are sent for a token: the first identity provider's, or the built-in issuer.
    pub fn authorization_server(&self, host: &str) -> String {
        let provider = self.identity_providers.first();
        let named = provider.map(|row| row.authorization_server.clone().unwrap_or_else(|| row.issuer.clone()));
        named.unwrap_or_else(|| self.issuer(host))
    }
}

fn port() -> u16 {
    5090
}

fn token_life() -> u32 {
    8 * 3600
}
