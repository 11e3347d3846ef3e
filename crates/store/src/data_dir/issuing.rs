//! Certificates by the site's own CA: what a name's certificate says, its entry in the register before anybody has it,
//! and how an identity that is there gives way to another.
//!
//! A chain and its key are two files, and they change together: `new.pem` holds both until each is in its place, and
//! counts for more than they do while it is there. Whatever a power cut leaves, either the old identity or the new is whole.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use site::{Node, Site};
use trust::{CertificateFacts, Identity, KeyKind, Request};

use super::{ADMIN_URI, CLOCK_SKEW, DataDir, LIFE, names_in, private, trustpoint};
use crate::{Issued, files};

/// Serials are 126 random bits: a second one alike is a broken generator, a third proves it.
const DRAWS: usize = 3;
/// A reader that met a chain and a key of two identities looks again: what changed them has `new.pem` there by then.
const LOOKS: usize = 3;

/// The administrator's identity, as commands name it.
pub(super) const ADMIN: &str = "admin";

impl DataDir {
    /// A certificate by the site's own CA, entered in the register under `identity` (empty for a stranger's) before it
    /// exists anywhere else: no serial serves twice.
    ///
    /// # Errors
    /// The CA's key is not here, or the register cannot be written.
    pub fn issue(&self, identity: &str, request: &Request, now: SystemTime) -> anyhow::Result<Identity> {
        let ca = self.ca()?;
        self.enter(identity, now, || {
            let issued = ca.issue(request)?;
            let facts = issued.facts().clone();
            Ok((issued, facts))
        })
    }

    /// Draws until the serial is one that was never used.
    pub(super) fn enter<T>(
        &self,
        identity: &str,
        now: SystemTime,
        draw: impl Fn() -> Result<(T, CertificateFacts), trust::Error>,
    ) -> anyhow::Result<T> {
        let mut register = self.store()?;
        for _ in 0..DRAWS {
            let (issued, facts) = draw()?;
            if register.add_certificate(&entry(identity, &facts, now))? {
                return Ok(issued);
            }
        }
        bail!("{DRAWS} serial numbers in a row were used before: this machine's random numbers are not random")
    }

    /// Enters what an earlier version issued without a register.
    pub(super) fn adopt(&self, identities: &[(String, CertificateFacts)], now: SystemTime) -> anyhow::Result<()> {
        let (own, mut register) = (self.own_roots()?, self.store()?);
        let ours = |facts: &CertificateFacts| own.iter().any(|(root, _)| root.subject == facts.issuer);
        for (identity, facts) in identities.iter().filter(|(_, facts)| ours(facts)) {
            register.add_certificate(&entry(identity, facts, now))?;
        }
        Ok(())
    }

    /// What the certificate of an identity says: a node's, a trustpoint's (`cube1@carrier`), the administrator's.
    ///
    /// # Errors
    /// The site has nothing of this name.
    pub fn request(&self, site: &Site, identity: &str, now: SystemTime) -> anyhow::Result<Request> {
        if identity == ADMIN {
            return Ok(administrator(site, now));
        }
        let found = site.nodes.iter().find(|node| identities_of(node).iter().any(|name| name == identity));
        let node = found.with_context(|| {
            let all = site.nodes.iter().flat_map(identities_of);
            format!("`{identity}` is no identity of the site; it has {}, {ADMIN}", all.collect::<Vec<_>>().join(", "))
        })?;
        Ok(of_node(site, node, now))
    }

    pub(super) fn identity_folder(&self, identity: &str) -> PathBuf {
        match identity {
            ADMIN => self.path().join(ADMIN),
            node => self.node_folder(node),
        }
    }

    /// The certificate (PEM) that an identity had before the one in force, for peers that compare octets.
    pub fn previous_pem(&self, identity: &str) -> Option<String> {
        fs::read_to_string(self.identity_folder(identity).join("previous.pem")).ok()
    }

    /// Every identity of the directory with its folder, the administrator's last.
    pub(super) fn identity_names(&self) -> anyhow::Result<Vec<String>> {
        let mut names = names_in(&self.path().join("nodes"))?;
        if self.path().join(ADMIN).exists() {
            names.push(ADMIN.to_owned());
        }
        Ok(names)
    }
}

/// A node's own, and one for each of its trustpoints.
pub(super) fn identities_of(node: &Node) -> Vec<String> {
    let points = node.trustpoints.iter().map(|point| trustpoint(&node.name, &point.name));
    std::iter::once(node.name.clone()).chain(points).collect()
}

pub(super) fn of_node(site: &Site, node: &Node, now: SystemTime) -> Request {
    let host = site.host_name(node);
    Request {
        common_name: host.clone(),
        dns_names: vec![host],
        ip_addresses: vec![node.address],
        node: Some(node.name.clone()),
        uris: Vec::new(),
        key: KeyKind::P256,
        not_before: now - CLOCK_SKEW,
        not_after: now + LIFE,
    }
}

pub(super) fn administrator(site: &Site, now: SystemTime) -> Request {
    Request {
        common_name: format!("administrator of {}", site.name),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        node: None,
        uris: vec![ADMIN_URI.to_owned()],
        key: KeyKind::P256,
        not_before: now - CLOCK_SKEW,
        not_after: now + LIFE,
    }
}

fn entry(identity: &str, facts: &CertificateFacts, now: SystemTime) -> Issued {
    Issued {
        serial: facts.serial.clone(),
        subject: facts.subject.clone(),
        identity: identity.to_owned(),
        issued_ms: now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64,
        until_ms: u64::try_from(facts.not_after).unwrap_or(0).saturating_mul(1000),
        revoked: None,
    }
}

/// Puts another identity into a folder that has one. Who reads it meanwhile gets the one or the other.
pub(crate) fn replace_identity(folder: &Path, identity: &Identity) -> anyhow::Result<()> {
    complete(folder)?;
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        files::write_private(&file, text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))
    };
    if let Ok(old) = fs::read_to_string(folder.join("chain.pem")) {
        write("previous.pem", &old)?;
    }
    write("new.pem", &format!("{}{}", identity.key_pem(), identity.chain_pem()))?;
    complete(folder)
}

/// Ends a change of identity that was broken off; nothing where there was none.
pub(super) fn complete(folder: &Path) -> anyhow::Result<()> {
    let new = folder.join("new.pem");
    let Some(identity) = read_new(&new)? else { return Ok(()) };
    files::write_private(&folder.join("key.pem"), identity.key_pem().as_bytes())?;
    files::write_private(&folder.join("chain.pem"), identity.chain_pem().as_bytes())?;
    files::remove_durably(&new).with_context(|| format!("cannot remove {}", new.display()))
}

pub(super) fn read_identity(folder: &Path) -> anyhow::Result<Identity> {
    for _ in 1..LOOKS {
        if let Ok(identity) = look(folder) {
            return Ok(identity);
        }
    }
    look(folder)
}

fn look(folder: &Path) -> anyhow::Result<Identity> {
    if let Some(identity) = read_new(&folder.join("new.pem"))? {
        return Ok(identity);
    }
    let key = folder.join("key.pem");
    private(&key)?;
    let read = |file: PathBuf| fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()));
    Identity::from_pem(&read(folder.join("chain.pem"))?, &read(key)?)
        .with_context(|| format!("in {}", folder.display()))
}

/// Both in one file, the key first.
fn read_new(file: &Path) -> anyhow::Result<Option<Identity>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    private(file)?;
    let begins = text.find("-----BEGIN CERTIFICATE-----");
    ensure!(begins.is_some(), "{} holds no certificate: remove it", file.display());
    let (key, chain) = text.split_at(begins.unwrap_or(0));
    Ok(Some(Identity::from_pem(chain, key).with_context(|| format!("in {}", file.display()))?))
}
