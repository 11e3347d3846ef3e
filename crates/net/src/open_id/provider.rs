//! What a provider says of itself over HTTPS: its discovery document (OpenID Connect Discovery 1.0 §4) and its keys
//! (RFC 7517 §5). People who log in and phones that register by its tokens are judged by the same.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;
use store::DataDir;
use trust::TokenKey;
use trust::tls::Versions;

use super::claims;
use crate::fetch::{Answer, Sent, fetch};

/// Somebody waits for what it answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who it is, and who vouches for its certificate.
#[derive(Clone)]
pub(crate) struct Provider {
    /// Its `iss`, letter by letter.
    pub(crate) issuer: String,
    /// `None`: the site's own.
    pub(crate) authority: Option<String>,
    pub(crate) versions: Versions,
    /// Whose roots are read for each question: what is put there counts from the next.
    pub(crate) data: DataDir,
}

impl Provider {
    /// Its discovery document, or the part of it that is wanted.
    pub(super) async fn discovered<T: DeserializeOwned>(&self) -> Result<T, String> {
        let discovery = site::discovery_of(&self.issuer);
        let answer = self.answered(&discovery).await?;
        let none = |error| format!("{discovery} is no discovery document: {error}");
        let document: Value = serde_json::from_slice(&answer.body).map_err(none)?;
        let issuer = document.get("issuer").and_then(Value::as_str).unwrap_or_default();
        if issuer != self.issuer {
            let found = claims::short(issuer);
            return Err(format!("{discovery} is of issuer `{found}`, not of `{}`", self.issuer));
        }
        serde_json::from_value(document).map_err(none)
    }

    /// Where its discovery document says that its keys are.
    pub(crate) async fn key_set_address(&self) -> Result<String, String> {
        #[derive(serde::Deserialize)]
        struct Metadata {
            jwks_uri: String,
        }
        let Metadata { jwks_uri } = self.discovered().await?;
        self.are_https(&[&jwks_uri])?;
        Ok(jwks_uri)
    }

    /// Whether all that its discovery document names can be asked.
    pub(super) fn are_https(&self, urls: &[&String]) -> Result<(), String> {
        match urls.iter().find(|url| !url.starts_with("https://")) {
            None => Ok(()),
            Some(plain) => {
                let discovery = site::discovery_of(&self.issuer);
                Err(format!("{discovery} names `{}`, which is not https", claims::short(plain)))
            }
        }
    }

    /// The keys at this address, with the text that they were read from.
    pub(crate) async fn key_set(&self, url: &str) -> Result<(String, Vec<TokenKey>), String> {
        let answer = self.answered(url).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let keys = TokenKey::read_set(&text).map_err(|error| format!("{url}: {error}"))?;
        Ok((text, keys))
    }

    async fn answered(&self, url: &str) -> Result<Answer, String> {
        let answer = self.ask(url, None).await?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(format!("{url} answers {}", answer.status)),
        }
    }

    pub(super) async fn ask(&self, url: &str, sent: Option<Sent>) -> Result<Answer, String> {
        let roots = self.roots().map_err(|error| format!("{error:#}"))?;
        fetch(url, &roots, self.versions, sent, PATIENCE).await.map_err(|why| format!("{url}: {why}"))
    }

    /// # Errors
    /// The authority is not in the data directory.
    pub(crate) fn roots(&self) -> anyhow::Result<Vec<String>> {
        crate::directory::roots_of(&self.data, self.authority.as_deref(), "the provider's")
    }
}
