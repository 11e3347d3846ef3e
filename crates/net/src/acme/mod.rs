//! Certificates of an authority that speaks ACME (RFC 8555), for a trustpoint: ordered with a key that is made here, proved
//! by a listener at the node's address, judged as an imported chain is, and ordered anew in time.

mod challenge;
mod client;
mod jose;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use site::{Acme, Node, Site};
use store::DataDir;
use trust::CertificateFacts;
use trust::tls::Versions;

use challenge::Listener;
use client::{Authorization, Client, Order};
use jose::AccountKey;

/// For one order, whatever the authority does.
const LONGEST: Duration = Duration::from_secs(600);
/// An order for one name has one thing to prove.
const MOST_PROOFS: usize = 4;

/// Those of the site's identities that are ordered by ACME, at these nodes.
pub fn identities<'a>(site: &'a Site, here: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = String> + 'a {
    site.nodes.iter().filter(move |node| here(&node.name)).flat_map(|node| {
        let ordered = node.trustpoints.iter().filter(|point| point.acme.is_some());
        ordered.map(|point| format!("{}@{}", node.name, point.name))
    })
}

/// Orders a certificate for an identity (`cube1@carrier`) and puts it into force. Nothing has changed if this fails.
///
/// # Errors
/// What the authority, the listener or the judgement of its chain said.
pub async fn order(data: &DataDir, identity: &str) -> anyhow::Result<CertificateFacts> {
    let whole = tokio::time::timeout(LONGEST, ordered(data, identity, client::PATIENCE)).await;
    whole.unwrap_or_else(|_| bail!("the authority has not come to an end within {} minutes", LONGEST.as_secs() / 60))
}

async fn ordered(data: &DataDir, identity: &str, patience: Duration) -> anyhow::Result<CertificateFacts> {
    let site = data.site()?;
    let (node, acme) = settings(&site, identity)?;
    let versions = Versions { tls12: site.tls.has("1.2"), tls13: site.tls.has("1.3") };
    let roots = crate::directory::roots_of(data, acme.authority.as_deref(), "the ACME server's")?;
    let key = AccountKey::from_pem(&data.acme_key(&acme.directory)?)?;
    // First: it is free, or the authority need not be asked. Of two orders at once it lets one go on.
    let listener = Listener::open(acme.challenge, SocketAddr::new(node.address, acme.port())).await?;
    let mut client = Client::open(&acme.directory, key, roots, versions, patience).await?;
    client.account(&acme.contact, acme.terms_of_service_agreed).await?;
    let wanted = data.acme_order(identity, SystemTime::now())?;
    let name = &wanted.name;
    let (at, order) = client.order(name).await?;
    let proofs = order.authorizations.len();
    ensure!(proofs <= MOST_PROOFS, "the authority wants {proofs} proofs for one name");
    for url in &order.authorizations {
        let proved = prove(&mut client, &listener, acme, name, url).await;
        listener.hide();
        proved.with_context(|| format!("{name} is not proved"))?;
    }
    let begun = |order: &Order| order.status != "pending";
    let order: Order = client.until(&at, begun).await?;
    ensure!(order.status == "ready", came_to_nothing(&order));
    let csr = json!({ "csr": BASE64.encode(trust::request_der(&wanted.request)?) });
    let _: (Value, _) = client.ask(&order.finalize, Some(csr)).await.context("the request is not taken")?;
    let over = |order: &Order| matches!(order.status.as_str(), "valid" | "invalid");
    let order = client.until(&at, over).await?;
    let Some(certificate) = order.certificate.as_ref().filter(|_| order.status == "valid") else {
        bail!(came_to_nothing(&order));
    };
    let chain = client.text(certificate).await?;
    data.acme_take(identity, &wanted, &chain, SystemTime::now()).context("the authority's chain is not taken")
}

fn came_to_nothing(order: &Order) -> String {
    format!("the order came to nothing ({}): {}", client::short(&order.status), client::fault(order.error.as_ref()))
}

fn settings<'a>(site: &'a Site, identity: &str) -> anyhow::Result<(&'a Node, &'a Acme)> {
    site.acme_of(identity).with_context(|| {
        let all: Vec<String> = identities(site, |_| true).collect();
        let has = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        format!(
            "`{identity}` is no trustpoint that is ordered by ACME (the site has {has}): add `acme = {{ directory = \
             \"https://…\" }}` to it"
        )
    })
}

/// One authorization (§7.5).
async fn prove(client: &mut Client, listener: &Listener, acme: &Acme, name: &str, url: &str) -> anyhow::Result<()> {
    let (found, _): (Authorization, _) = client.ask(url, None).await?;
    let of = &found.identifier;
    ensure!(
        of.kind == "dns" && of.value.eq_ignore_ascii_case(name),
        "the authority wants a proof for another name, {}",
        client::short(&of.value)
    );
    if found.status == "valid" {
        return Ok(());
    }
    let wanted = acme.challenge.word();
    let offered = found.challenges.iter().find(|offered| offered.kind == wanted).with_context(|| {
        let kinds: Vec<&str> = found.challenges.iter().map(|offered| offered.kind.as_str()).collect();
        format!("the authority offers no {wanted}, but {}: write another `challenge`", client::short(&kinds.join(", ")))
    })?;
    let token = &offered.token;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    ensure!(!token.is_empty() && token.bytes().all(good), "the authority's token is none (RFC 8555 §8.3)");
    listener.prove(name, token, client.key.authorization(token), client.versions)?;
    let _: (Value, _) = client.ask(&offered.url, Some(json!({}))).await?;
    let over = |found: &Authorization| !matches!(found.status.as_str(), "pending" | "processing");
    let found = client.until(url, over).await?;
    if found.status == "valid" {
        return Ok(());
    }
    let error = found.challenges.iter().find_map(|offered| offered.error.as_ref());
    bail!(
        "the authority came by {wanted} and says: {}. It has to reach {name} at port {}",
        client::fault(error),
        if acme.challenge == site::Challenge::Http { 80 } else { 443 }
    )
}

/// Renewal by itself: what is due is ordered, one order of a node at a time, because they listen at the same port.
#[derive(Default)]
pub struct Orders {
    /// By node.
    under_way: BTreeMap<String, JoinHandle<()>>,
}

impl Orders {
    /// Orders what is due of the nodes that run here, each in a thread of its own: who waits for a disk, a lock or an
    /// authority is waited for by nobody. To be called again and again; who reads the data directory again finds what came.
    pub fn tend(&mut self, data: &DataDir, site: &Site, here: impl Fn(&str) -> bool) {
        self.under_way.retain(|_, order| !order.is_finished());
        for identity in identities(site, here) {
            let node = identity.split('@').next().unwrap_or_default().to_owned();
            // One that cannot be read is said by who reads all of them.
            if self.under_way.contains_key(&node) || !data.acme_due(&identity, SystemTime::now()).unwrap_or(false) {
                continue;
            }
            let data = data.clone();
            self.under_way.insert(node, std::thread::spawn(move || order_by_itself(&data, &identity)));
        }
    }
}

fn order_by_itself(data: &DataDir, identity: &str) {
    let outcome = data.acme_begins(identity, SystemTime::now()).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(order(data, identity))
    });
    match outcome {
        Ok(facts) => tracing::info!(
            identity,
            serial = facts.serial,
            issuer = facts.issuer,
            "certificate ordered by ACME; in force within a minute"
        ),
        Err(error) => tracing::warn!(
            identity,
            error = %format!("{error:#}"),
            "no certificate by ACME: tried again after an hour, and each time after twice as long; the one in force stays"
        ),
    }
}
