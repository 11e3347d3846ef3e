//! An account's conversation with an authority (RFC 8555 §6, §7): signed requests, nonces, what it answers.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use hyper::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use trust::tls::Versions;

use super::jose::AccountKey;
use crate::fetch::{Answer, Sent, fetch};

/// A nonce that it does not take is no fault: another comes with the refusal (§6.5).
pub(super) const NONCES: usize = 8;
/// How often it is asked whether it is done.
const LOOKS: usize = 40;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// Longest that it may have us wait between two looks.
const LONGEST_WAIT: u64 = 10;
/// For one answer: some sign before they answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// §7.1.1
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Directory {
    new_nonce: String,
    new_account: String,
    new_order: String,
    #[serde(default)]
    meta: Meta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default)]
    terms_of_service: Option<String>,
}

/// RFC 7807, RFC 8555 §6.7
#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    detail: String,
}

/// §7.1.3
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    pub(super) status: String,
    #[serde(default)]
    pub(super) authorizations: Vec<String>,
    pub(super) finalize: String,
    #[serde(default)]
    pub(super) certificate: Option<String>,
    #[serde(default)]
    pub(super) error: Option<Value>,
}

/// §7.1.4
#[derive(Deserialize)]
pub(super) struct Authorization {
    pub(super) status: String,
    pub(super) identifier: Identifier,
    #[serde(default)]
    pub(super) challenges: Vec<Offered>,
}

#[derive(Deserialize)]
pub(super) struct Identifier {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) value: String,
}

/// §7.1.5
#[derive(Deserialize)]
pub(super) struct Offered {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) url: String,
    #[serde(default)]
    pub(super) token: String,
    #[serde(default)]
    pub(super) error: Option<Value>,
}

pub(super) struct Client {
    pub(super) key: AccountKey,
    roots: Vec<String>,
    pub(super) versions: Versions,
    patience: Duration,
    directory: Directory,
    account: Option<String>,
    nonce: Option<String>,
}

impl Client {
    /// # Errors
    /// There is no directory at this address.
    pub(super) async fn open(
        directory: &str,
        key: AccountKey,
        roots: Vec<String>,
        versions: Versions,
        patience: Duration,
    ) -> anyhow::Result<Client> {
        let answer = fetch(directory, &roots, versions, None, patience).await.map_err(|why| said(directory, &why))?;
        ensure!(answer.status.is_success(), "{directory} answers {}", answer.status);
        let directory = serde_json::from_slice(&answer.body)
            .with_context(|| format!("{directory} is no directory of an ACME server (RFC 8555 §7.1.1)"))?;
        Ok(Client { key, roots, versions, patience, directory, account: None, nonce: None })
    }

    /// The account of our key, made if there is none.
    ///
    /// # Errors
    /// Its terms are not agreed to, or it makes none.
    pub(super) async fn account(&mut self, contact: &[String], agreed: bool) -> anyhow::Result<()> {
        if let Some(terms) = self.directory.meta.terms_of_service.as_ref().filter(|_| !agreed) {
            bail!(
                "the authority has terms of service, {}: read them, and write `terms_of_service_agreed = true`",
                short(terms)
            );
        }
        let wanted = json!({ "termsOfServiceAgreed": agreed, "contact": contact });
        let url = self.directory.new_account.clone();
        let (_, headers) = self.ask::<Value>(&url, Some(wanted)).await.context("no account")?;
        self.account = Some(location(&headers)?);
        Ok(())
    }

    /// An order for this name: its address, and what it says.
    ///
    /// # Errors
    /// It is not taken.
    pub(super) async fn order(&mut self, name: &str) -> anyhow::Result<(String, Order)> {
        let wanted = json!({ "identifiers": [{ "type": "dns", "value": name }] });
        let url = self.directory.new_order.clone();
        let (order, headers) = self.ask(&url, Some(wanted)).await.with_context(|| format!("no order for {name}"))?;
        Ok((location(&headers)?, order))
    }

    /// Asked until it is done, or for as long as is reasonable.
    ///
    /// # Errors
    /// It is not done by then.
    pub(super) async fn until<T: DeserializeOwned>(
        &mut self,
        url: &str,
        done: impl Fn(&T) -> bool,
    ) -> anyhow::Result<T> {
        for _ in 0..LOOKS {
            let (found, headers): (T, _) = self.ask(url, None).await?;
            if done(&found) {
                return Ok(found);
            }
            let wanted = headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            tokio::time::sleep(wanted.map_or(BETWEEN_LOOKS, |s| Duration::from_secs(s.min(LONGEST_WAIT)))).await;
        }
        bail!("the authority has not come to an end with {}", short(url))
    }

    /// JSON that it answers; no payload is a POST-as-GET (§6.3).
    pub(super) async fn ask<T: DeserializeOwned>(
        &mut self,
        url: &str,
        payload: Option<Value>,
    ) -> anyhow::Result<(T, HeaderMap)> {
        let answer = self.post(url, payload).await?;
        let read =
            serde_json::from_slice(&answer.body).with_context(|| format!("{} answers no such thing", short(url)))?;
        Ok((read, answer.headers))
    }

    /// Text that it answers.
    pub(super) async fn text(&mut self, url: &str) -> anyhow::Result<String> {
        let answer = self.post(url, None).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    async fn post(&mut self, url: &str, payload: Option<Value>) -> anyhow::Result<Answer> {
        for _ in 0..NONCES {
            let nonce = match self.nonce.take() {
                Some(nonce) => nonce,
                None => self.new_nonce().await?,
            };
            let body = self.key.signed(self.account.as_deref(), &nonce, url, payload.as_ref())?;
            let sent = Sent { content_type: "application/jose+json", body, authorization: None };
            let answer = fetch(url, &self.roots, self.versions, Some(sent), self.patience).await;
            let answer = answer.map_err(|why| said(url, &why))?;
            self.nonce = nonce_of(&answer.headers);
            if answer.status.is_success() {
                return Ok(answer);
            }
            let problem = problem(&answer.body);
            if !problem.kind.ends_with(":badNonce") {
                bail!("{} answers {}: {}", short(url), answer.status, in_words(&problem));
            }
        }
        bail!("{} takes none of its own nonces", short(url))
    }

    async fn new_nonce(&self) -> anyhow::Result<String> {
        let url = &self.directory.new_nonce;
        let answer = fetch(url, &self.roots, self.versions, None, self.patience).await;
        let answer = answer.map_err(|why| said(url, &why))?;
        let good = answer.status == StatusCode::NO_CONTENT || answer.status == StatusCode::OK;
        nonce_of(&answer.headers).filter(|_| good).with_context(|| format!("{} gives no nonce", short(url)))
    }
}

fn nonce_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("replay-nonce")?.to_str().ok()?;
    // base64url, and nothing that would get out of a JSON string (§6.5.1).
    let good = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    good.then(|| value.to_owned())
}

fn location(headers: &HeaderMap) -> anyhow::Result<String> {
    let value = headers.get("location").and_then(|value| value.to_str().ok());
    Ok(value.context("the authority does not say where what it made is (`Location`)")?.to_owned())
}

fn problem(body: &[u8]) -> Problem {
    serde_json::from_slice(body).unwrap_or(Problem { kind: String::new(), detail: "it does not say why".into() })
}

fn in_words(problem: &Problem) -> String {
    let kind = problem.kind.rsplit(':').next().unwrap_or_default();
    short(&format!("{} ({kind})", problem.detail))
}

/// An error that an order or a challenge holds.
pub(super) fn fault(error: Option<&Value>) -> String {
    let read = error.and_then(|error| Problem::deserialize(error).ok());
    read.map_or_else(|| "it does not say why".to_owned(), |problem| in_words(&problem))
}

fn said(url: &str, why: &str) -> anyhow::Error {
    anyhow::anyhow!("{}: {why}", short(url))
}

/// As much of what another wrote as a log should have.
pub(super) fn short(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(300).collect()
}
