//! Identities, roots and lists of a process's nodes: read from the data directory at start, and again while they run.
//!
//! What is read again is checked whole before any node hears of it. Then connections that come or are made go by it, and
//! what is signed; those that are open stay, but for peers that have been revoked.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use roles::Plan;
use site::{Proof, RemoteAddr, Role, Site};
use store::DataDir;
use trust::tls::{ClientCertificate, Versions};
use trust::{Authority, CertificateFacts, Identity, RevocationList};

use super::Process;
use crate::NodeHandle;
use crate::node::Letter;
use crate::tokens;
use crate::wire::tls::{self, Tls};

/// A node, and what it is to go by.
pub(super) struct Swap {
    handle: NodeHandle,
    settings: tls::Settings,
    tls: Box<Tls>,
}

impl Process {
    /// Reads identities, roots and revocation lists again; nodes whose own are others than before go by them when it
    /// returns. Says what changed, a line each.
    ///
    /// # Errors
    /// Something in the data directory cannot be read or does not belong together; then nothing has changed.
    pub fn refresh(&mut self) -> anyhow::Result<Vec<String>> {
        let Some(site) = self.site.clone() else { return Ok(Vec::new()) };
        let swaps = self.read_again(&site)?;
        let tokens = self.tokens_again(&site)?;
        let mut lines: Vec<String> = swaps.iter().map(Swap::words).collect();
        swap(swaps)?;
        if !tokens.is_empty() {
            self.generation += 1;
            let mut plans = Vec::new();
            for (handle, mut plan, read) in tokens {
                plan.generation = self.generation;
                let keys: usize = read.keys.iter().map(Vec::len).sum();
                let revoked = read.revoked.len();
                lines.push(format!("{}: tokens read again; keys: {keys}, taken back: {revoked}", handle.name()));
                self.tokens.insert(handle.name().to_owned(), read);
                plans.push((handle, Arc::new(plan)));
            }
            swap_plans(plans)?;
        }
        self.reload_phone_services(&site)?;
        if let (Some(answering), Some(dir)) = (&self.answering, &self.dir) {
            answering.refresh(dir).context("OCSP for the site's own CA")?;
        }
        Ok(lines)
    }

    /// The nodes that would go by other keys for tokens, or by more that were taken back, than they do.
    fn tokens_again(&self, site: &Site) -> anyhow::Result<Vec<(NodeHandle, Plan, store::Tokens)>> {
        let Some(dir) = &self.dir else { return Ok(Vec::new()) };
        let mut changed = Vec::new();
        for (name, before) in &self.tokens {
            let running = self.nodes.iter().find(|running| running.handle.name() == name);
            let (Some(running), Some(node)) = (running, site.node(name)) else { continue };
            let read = dir.tokens(node).with_context(|| format!("node {name}: tokens for phones"))?;
            let Some(read) = read.filter(|read| read != before) else { continue };
            let mut plan = Plan::compile(site, name, self.generation).map_err(anyhow::Error::msg)?;
            tokens::put(&mut plan, &read)?;
            changed.push((running.handle.clone(), plan, read));
        }
        Ok(changed)
    }

    /// The nodes whose settings would be others than they are.
    pub(super) fn read_again(&self, site: &Site) -> anyhow::Result<Vec<Swap>> {
        let Some(dir) = &self.dir else { return Ok(Vec::new()) };
        let roots = roots(dir, site)?;
        authorities_are_there(site, &roots)?;
        let mut swaps = Vec::new();
        for running in self.nodes.iter().filter(|node| node.of_site) {
            let handle = running.handle.clone();
            let Some(node) = site.node(handle.name()) else { continue };
            let settings = settings(dir, site, node, &roots).with_context(|| format!("node {}", node.name))?;
            let Some(credentials) = &handle.facts.credentials else { continue };
            if credentials.now().settings.is(&settings) {
                continue;
            }
            no_way_back(&credentials.now().settings.roots, &settings.roots)?;
            let tls = Box::new(Tls::new(settings.clone()).with_context(|| format!("node {}", node.name))?);
            swaps.push(Swap { handle, settings, tls });
        }
        if !swaps.is_empty() {
            say_what_is_not_asked(&roots);
        }
        Ok(swaps)
    }
}

impl Swap {
    fn words(&self) -> String {
        let credentials = self.handle.facts.credentials.as_ref();
        let before = credentials.map(|credentials| credentials.now().settings.identity.facts().serial.clone());
        let (name, now) = (self.handle.name(), self.settings.identity.facts());
        if before.as_ref() == Some(&now.serial) {
            return format!("{name}: trust read again");
        }
        format!("{name}: certificate {} in force, for new connections both ways and for signatures", now.serial)
    }
}

/// All are told before any is waited for.
pub(super) fn swap_plans(plans: Vec<(NodeHandle, Arc<Plan>)>) -> anyhow::Result<()> {
    let told: Vec<_> = plans
        .into_iter()
        .map(|(handle, plan)| {
            let taken = handle.tell(|answer| Letter::Plan(plan, answer));
            (handle, taken)
        })
        .collect();
    for (handle, taken) in told {
        taken
            .and_then(|taken| taken.recv().ok())
            .with_context(|| format!("node {} is overloaded or gone: its plan was not swapped", handle.name()))?;
    }
    Ok(())
}

/// All are told before any is waited for.
pub(super) fn swap(swaps: Vec<Swap>) -> anyhow::Result<()> {
    let told: Vec<_> = swaps
        .into_iter()
        .map(|Swap { handle, settings, tls }| {
            let taken = handle.tell(|answer| Letter::Tls(tls, answer));
            (handle, settings, taken)
        })
        .collect();
    let mut kept = Vec::new();
    for (handle, settings, taken) in told {
        match (taken.and_then(|taken| taken.recv().ok()), &handle.facts.credentials) {
            (Some(()), Some(credentials)) => credentials.replace(settings),
            _ => kept.push(handle.name().to_owned()),
        }
    }
    anyhow::ensure!(kept.is_empty(), "overloaded or gone, and with the certificates of before: {}", kept.join(", "));
    Ok(())
}

/// What a node's connections go by.
pub(super) fn settings(
    dir: &DataDir,
    site: &Site,
    node: &site::Node,
    roots: &[(Authority, String)],
) -> anyhow::Result<tls::Settings> {
    Ok(tls::Settings {
        identity: dir.shown(&node.name)?,
        trustpoints: trustpoints(dir, node)?,
        roots: roots_of(dir, node, roots)?,
        pinned: Vec::new(),
        ocsp_revocations: trust::ocsp::revocations(),
        versions: Versions { tls12: site.speaks(node, "1.2"), tls13: site.speaks(node, "1.3") },
        clients: client_certificates(&node.role),
        doors: doors(node),
        nameless: false,
        dangerous_keylog: site.tls.dangerous_tls_keylog,
    })
}

/// A list that is older than the one in force would let in again who was revoked since; so would none, where ours was. A
/// partner's may be removed: that is the operator's word, and each start says it.
fn no_way_back(before: &[(Authority, String)], now: &[(Authority, String)]) -> anyhow::Result<()> {
    let lists = |pem: &str| match pem.contains("BEGIN X509 CRL") {
        true => RevocationList::read_all(pem.as_bytes()),
        false => Ok(Vec::new()),
    };
    for (authority, pem) in before {
        let Some((_, text)) = now.iter().find(|(other, _)| other == authority) else { continue };
        let new = lists(text)?;
        let roots = trust::certificates_der(text)?;
        let roots: Vec<CertificateFacts> =
            roots.iter().map(|der| CertificateFacts::from_der(der)).collect::<Result<_, _>>()?;
        // A root that has ended, or was taken away, has nobody left who could be let in again.
        let is_about = |list: &RevocationList| roots.iter().any(|root| root.subject == list.facts().issuer);
        for old in lists(pem)?.into_iter().filter(|old| *authority != Authority::Own || is_about(old)) {
            let of_it = new.iter().map(RevocationList::facts).filter(|new| new.issuer == old.facts().issuer);
            let newest = of_it.max_by_key(|new| (new.number, new.made));
            let (number, made) = (old.facts().number, old.facts().made);
            anyhow::ensure!(
                newest.is_some() || *authority != Authority::Own,
                "ca/crl.pem is gone, and list {number} stays in force: run `ringfence cert crl` where the CA's key is"
            );
            anyhow::ensure!(
                newest.is_none_or(|new| (new.number, new.made) >= (number, made)),
                "{authority}: the revocation list of `{}` has number {} and is older than {number}, which stays in force: fetch the newest one",
                old.facts().issuer,
                newest.map_or(0, |new| new.number)
            );
        }
    }
    Ok(())
}

/// An authority without a list is believed about all that it ever issued: nobody shall think otherwise.
pub(super) fn say_what_is_not_asked(roots: &[(Authority, String)]) {
    let about_all = |pem: &str| trust::roots_without_list(pem).is_ok_and(|without| without.is_empty());
    for (authority, _) in roots.iter().filter(|(_, pem)| !about_all(pem)) {
        let file = match authority {
            Authority::Named(name) => format!("roots/{name}.crl"),
            Authority::Own | Authority::Phones => "ca/crl.pem".to_owned(),
        };
        tracing::warn!(%authority, "no revocation list: whom this authority has revoked is let in; its list belongs into {file}");
    }
}

/// Identities for some peers, the longest match first.
fn trustpoints(dir: &DataDir, node: &site::Node) -> anyhow::Result<Vec<(RemoteAddr, Identity)>> {
    let mut rows = Vec::new();
    for row in &node.crypto_signaling {
        let addresses: RemoteAddr = row.remote_addr.parse().map_err(anyhow::Error::msg)?;
        rows.push((addresses, dir.trustpoint(&node.name, &row.trustpoint)?));
    }
    rows.sort_by_key(|(addresses, _)| std::cmp::Reverse(addresses.bits));
    Ok(rows)
}

/// Root certificates with what they have revoked, and whose they are: our own first, then those in `roots/` by the names
/// of their files.
pub(super) fn roots(dir: &DataDir, site: &Site) -> anyhow::Result<Vec<(Authority, String)>> {
    let partners = dir.partners_trust(site)?.into_iter().map(|(name, pem)| (Authority::Named(name), pem));
    Ok(std::iter::once((Authority::Own, dir.own_trust_pem()?)).chain(partners).collect())
}

/// A peer whose authority is not there could never be verified: better said now than at its first call.
pub(super) fn authorities_are_there(site: &Site, roots: &[(Authority, String)]) -> anyhow::Result<()> {
    for (whose, name) in site.authorities() {
        anyhow::ensure!(
            roots.iter().any(|(authority, _)| *authority == Authority::Named(name.to_owned())),
            "{whose} names authority `{name}`, and there is no roots/{name}.pem in the data directory: put the \
             authority's root certificate there, in PEM"
        );
    }
    Ok(())
}

/// Every node asks for a certificate. Only a call manager whose plan lets a phone in by digest alone takes a connection
/// without one, and its role then admits by digest or refuses.
fn client_certificates(role: &Role) -> ClientCertificate {
    match role {
        Role::CallManager(manager) if manager.phones.iter().any(|phone| admits_by_digest(manager, phone)) => {
            ClientCertificate::Optional
        }
        Role::Sbc(_) | Role::CallServer(_) | Role::VoiceBrowser(_) | Role::CallManager(_) | Role::MediaResource(_) => {
            ClientCertificate::Required
        }
    }
}

/// Where phones come with a token.
fn doors(node: &site::Node) -> Vec<SocketAddr> {
    match &node.role {
        Role::CallManager(manager) => {
            manager.oauth.iter().map(|oauth| SocketAddr::new(node.address, oauth.port)).collect()
        }
        _ => Vec::new(),
    }
}

fn admits_by_digest(manager: &site::CallManager, phone: &site::Phone) -> bool {
    phone.secure_certificate_subject.is_none() && manager.profile_of(phone).proof() == Proof::Digest
}

/// Roots of a node: those of the site, and the CAPF that issued its phones' certificates, with what was taken back of them.
fn roots_of(
    dir: &DataDir,
    node: &site::Node,
    site: &[(Authority, String)],
) -> anyhow::Result<Vec<(Authority, String)>> {
    let mut roots = site.to_vec();
    if let Role::CallManager(manager) = &node.role
        && manager.phone_services.is_some()
    {
        roots.push((Authority::Phones, dir.phones_trust_pem(&node.name)?));
    }
    Ok(roots)
}
