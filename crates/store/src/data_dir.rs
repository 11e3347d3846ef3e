//! The data directory: one a process, all that a site's nodes on this host need.
//!
//! ```text
//! DIR/site.toml                     the site in force
//! DIR/ca/root.pem, ca/root.key      the private CA; an exported directory has no key
//! DIR/ca/next.pem, ca/issuer.pem    the root that follows it, with its key: announced; issuing
//! DIR/ca/root.pkcs11                or how the token is reached that the CA's key is in
//! DIR/pin.refused                   which PIN that token refused
//! DIR/ca/crl.pem                    what the CA has revoked
//! DIR/ca/ocsp/                      the key that answers for the CA (OCSP)
//! DIR/roots/*.pem                   further roots that are trusted
//! DIR/roots/*.crl                   what each of them has revoked, if it is to be asked (PEM or DER)
//! DIR/nodes/NAME/chain.pem, key.pem a node's identity
//! DIR/nodes/NAME/staple.der         what its servers staple (OCSP)
//! DIR/nodes/NAME/console.key        what its console is known by, from its first start
//! DIR/nodes/NAME/oauth              the key that signs its phones' tokens
//! DIR/acme/HASH.key                 what an ACME directory knows this one by
//! DIR/acme/NAME.orders              when a certificate was last ordered, and how often in vain
//! DIR/requests/NAME/key.pem         a key that waits for its certificate
//! DIR/admin/chain.pem, key.pem      the administrator's, for the control link
//! DIR/store.sqlite                  the store
//! DIR/heard/                        what partners' authorities said of their certificates (OCSP)
//! DIR/recordings/                   sealed recordings and their key, from the first use
//! DIR/lock                          held while the directory is changed
//! ```
//!
//! `init` makes it and later adds to it what a changed site needs; nothing that is there is overwritten, so it can be
//! run again at any time. Folders are 0700, files 0600, and each file or pair of files is whole when it is there.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail, ensure};
use site::{Revocation, Site};
use trust::ocsp::Policy;
use trust::{Ca, CertificateFacts, Identity, Request, RevocationList};

mod acme;
mod answering;
mod ca_key;
mod issuing;
mod renewing;
mod requests;
mod revoking;
mod roots;

pub use acme::{AcmeOrder, AcmeOrders};
pub use answering::ANSWER_LIFE;
pub use renewing::{Renewed, Tended};
pub use revoking::Withdrawn;
pub use roots::{RootRenewed, RootStanding};

use issuing::read_identity;
pub(crate) use issuing::replace_identity;
pub(crate) use revoking::millis;

use crate::{Store, files};

/// Life of a node's certificate: two years. It renews itself where the CA's key is; `init` says when one nears its end.
const LIFE: Duration = Duration::from_secs(730 * 24 * 3600);
const RENEW_WITHIN: i64 = 30 * 24 * 3600;
/// Clocks of a site differ; a certificate is good from an hour before it was made.
const CLOCK_SKEW: Duration = Duration::from_secs(3600);
/// URI in the administrator's certificate.
const ADMIN_URI: &str = "urn:ringfence:admin:local";

#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Where OCSP answers about our certificates, by a site that is not in force yet.
    asked_at: Option<String>,
}

impl DataDir {
    /// Makes the directory, or adds to one what this site lacks: the root, an identity for each node and for the
    /// administrator, the store. Returns what was made, a line each; none if all was there.
    ///
    /// # Errors
    /// The site has problems, the folder cannot be written, or what is there does not belong together.
    pub fn init(path: &Path, site_text: &str, now: SystemTime) -> anyhow::Result<(DataDir, Vec<String>)> {
        let site = parse(site_text)?;
        files::create_folder(path).with_context(|| format!("the data directory {} cannot be made", path.display()))?;
        let dir = DataDir { path: path.to_owned(), asked_at: site.ocsp.as_ref().and_then(|ocsp| ocsp.url.clone()) };
        let _lock = dir.lock()?;
        let mut made = Vec::new();
        let had_store = dir.store_file().exists();
        let ca = dir.init_root(&site, now, &mut made)?;
        for folder in ["roots", "nodes"] {
            files::create_folder(&dir.path.join(folder))?;
        }
        for node in &site.nodes {
            let request = issuing::of_node(&site, node, now);
            for identity in issuing::identities_of(node) {
                dir.init_identity(&ca, &identity, &request, now, &mut made)?;
            }
            dir.init_phone_keys(&site, node, now, &mut made)?;
            dir.init_token_key(node, &mut made)?;
        }
        dir.init_identity(&ca, issuing::ADMIN, &issuing::administrator(&site, now), now, &mut made)?;
        dir.adopt(&dir.identities()?, now)?;
        made.extend(dir.restore_list()?);
        if dir.revocation_list()?.is_none() {
            let list = dir.make_list_with(now, |_| Ok(()))?;
            made.push(format!("ca/crl.pem: what the CA has revoked, number {}", list.facts().number));
        }
        let mut answers = Tended::default();
        dir.tend_answers(&site, now, &mut answers)?;
        made.extend(answers.done);
        if !had_store {
            dir.store()?;
            made.push("store.sqlite".to_owned());
        }
        // Last: a directory that was left half made is not taken for a whole one.
        if fs::read_to_string(dir.site_file()).ok().as_deref() != Some(site_text) {
            files::write_private(&dir.site_file(), site_text.as_bytes())?;
            made.push("site.toml".to_owned());
        }
        Ok((DataDir { asked_at: None, ..dir }, made))
    }

    /// # Errors
    /// There is no data directory, or it is not whole.
    pub fn open(path: &Path) -> anyhow::Result<DataDir> {
        let dir = DataDir { path: path.to_owned(), asked_at: None };
        for file in [dir.root_file(), dir.site_file()] {
            ensure!(
                file.exists(),
                "{} is no data directory ({} is missing): make one with `ringfence --data {} init SITE`",
                path.display(),
                file.display(),
                path.display()
            );
        }
        Ok(dir)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The site in force.
    pub fn site(&self) -> anyhow::Result<Site> {
        let file = self.site_file();
        parse(&fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?)
            .with_context(|| format!("in {}", file.display()))
    }

    /// Puts another site in force. Nodes that are new in it need `init` for their identities.
    pub fn replace_site(&self, text: &str) -> anyhow::Result<()> {
        let site = parse(text)?;
        let _lock = self.lock()?;
        self.keep_token(&site)?;
        if fs::read_to_string(self.site_file()).ok().as_deref() != Some(text) {
            files::write_private(&self.site_file(), text.as_bytes())
                .with_context(|| format!("cannot write {}", self.site_file().display()))?;
        }
        Ok(())
    }

    /// The identity that a node shows to the peers of one of its trustpoints.
    ///
    /// # Errors
    /// As [`DataDir::identity`].
    pub fn trustpoint(&self, node: &str, name: &str) -> anyhow::Result<Identity> {
        self.shown(&trustpoint(node, name))
    }

    pub fn identity(&self, node: &str) -> anyhow::Result<Identity> {
        let folder = self.node_folder(node);
        ensure!(
            folder.exists(),
            "node `{node}` has no identity in {}: run `ringfence --data {} init SITE`, or export it from where that was run",
            self.path.display(),
            self.path.display()
        );
        read_identity(&folder)
    }

    /// The administrator's identity, for the control link.
    pub fn admin(&self) -> anyhow::Result<Identity> {
        let folder = self.path.join("admin");
        ensure!(
            folder.exists(),
            "{} has no administrator's identity (it was exported for nodes only): use the data directory where `ringfence init` was run",
            self.path.display()
        );
        read_identity(&folder)
    }

    /// Every node's and the administrator's certificate, by name.
    pub fn identities(&self) -> anyhow::Result<Vec<(String, CertificateFacts)>> {
        let mut all = Vec::new();
        for node in names_in(&self.path.join("nodes"))? {
            all.push((node.clone(), self.identity(&node)?.facts().clone()));
        }
        if self.path.join("admin").exists() {
            all.push(("admin".to_owned(), self.admin()?.facts().clone()));
        }
        Ok(all)
    }

    /// The site's own root, and no other: the only one that vouches for administrators and for nodes' statements.
    pub fn own_root_pem(&self) -> anyhow::Result<String> {
        self.read(&self.root_file())
    }

    /// The same with what our CA has revoked, as one text: what peers are judged by.
    ///
    /// # Errors
    /// Root or list cannot be read, or the list is another authority's: then nobody would be revoked, unseen.
    pub fn own_trust_pem(&self) -> anyhow::Result<String> {
        let root = self.own_root_pem()?;
        let (lists, roots) = (self.revocation_lists()?, trust::certificates_der(&root)?);
        let Some(first) = lists.first() else { return Ok(root) };
        // That of a root that has ended stands there until the next is made.
        let ours = |list: &&RevocationList| roots.iter().any(|root| list.is_signed_by(root));
        let ours: String = lists.iter().filter(ours).map(RevocationList::pem).collect();
        ensure!(
            !ours.is_empty(),
            "{} is a list of `{}` and not signed by this site's own CA: run `ringfence cert crl` where the CA's key is",
            self.list_file().display(),
            first.facts().issuer
        );
        Ok(format!("{root}{ours}"))
    }

    /// The roots that SIP peers are verified by: our own first, then those in `roots/`. Each of them can give any name to
    /// anybody, so what is proved by a URI of ours is never asked of these ([`DataDir::own_root_pem`]).
    pub fn roots_pem(&self) -> anyhow::Result<Vec<String>> {
        let partners = self.partners_pem()?.into_iter().map(|(_, pem)| pem);
        Ok(std::iter::once(self.own_root_pem()?).chain(partners).collect())
    }

    /// The roots of partners, by the names of their files: `roots/carrier.pem` is `carrier`, as the site names it.
    pub fn partners_pem(&self) -> anyhow::Result<Vec<(String, String)>> {
        let mut roots = Vec::new();
        let folder = self.path.join("roots");
        for name in names_in(&folder)?.into_iter().filter(|name| name.ends_with(".pem")) {
            let pem = self.read(&folder.join(&name))?;
            let found = trust::certificates_der(&pem).with_context(|| format!("roots/{name}"))?;
            ensure!(
                !found.is_empty(),
                "roots/{name} holds no certificate: remove it, or put a root certificate in PEM there"
            );
            roots.push((name.trim_end_matches(".pem").to_owned(), pem));
        }
        Ok(roots)
    }

    /// As [`DataDir::partners_trust`], by the site in force.
    ///
    /// # Errors
    /// As there.
    pub fn partners_trust_pem(&self) -> anyhow::Result<Vec<(String, String)>> {
        self.partners_trust(&self.site()?)
    }

    /// The same with the lists of what each has revoked, where there are any (`roots/carrier.crl` beside
    /// `roots/carrier.pem`, in PEM or DER), and whether a site has it asked by OCSP.
    ///
    /// # Errors
    /// A root or a list cannot be read, a list has no root beside it, or one that the site demands is missing.
    pub fn partners_trust(&self, site: &Site) -> anyhow::Result<Vec<(String, String)>> {
        let mut partners = self.partners_pem()?;
        let folder = self.path.join("roots");
        for name in names_in(&folder)? {
            let Some(partner) = name.strip_suffix(".crl") else { continue };
            let octets = fs::read(folder.join(&name)).with_context(|| format!("cannot read roots/{name}"))?;
            let lists = RevocationList::read_all(&octets).with_context(|| format!("roots/{name}"))?;
            let of_it = partners.iter_mut().find(|(other, _)| other == partner);
            let (_, text) = of_it.with_context(|| {
                format!("roots/{name} is the list of an authority that is not trusted: put its root beside it as roots/{partner}.pem, or remove it")
            })?;
            text.extend(lists.iter().map(RevocationList::pem));
        }
        for (name, text) in &mut partners {
            let Some(row) = site.authority_row(name) else { continue };
            match row.revocation {
                Revocation::Crl => ensure!(
                    folder.join(format!("{name}.crl")).exists(),
                    "authority `{name}` is to be judged by its list, and there is no roots/{name}.crl in the data directory: put it there"
                ),
                Revocation::Ocsp => text.push_str(
                    &Policy {
                        responder: row.ocsp_responder.clone(),
                        dangerous_soft_fail: row.dangerous_ocsp_soft_fail,
                    }
                    .pem(),
                ),
            }
        }
        Ok(partners)
    }

    /// The store. Open one for each thread that uses it.
    pub fn store(&self) -> Result<Store, crate::Error> {
        Store::open(&self.store_file())
    }

    fn init_identity(
        &self,
        ca: &Ca,
        identity: &str,
        request: &Request,
        now: SystemTime,
        made: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let folder = self.identity_folder(identity);
        let shown = folder.strip_prefix(&self.path).unwrap_or(&folder).display().to_string();
        if !folder.exists() {
            let identity = self.issue(identity, request, now)?;
            files::create_folder_with(
                &folder,
                &[("chain.pem", &identity.chain_pem()), ("key.pem", &identity.key_pem())],
            )?;
            made.push(format!("{shown}: {}", identity.facts().subject));
            return Ok(());
        }
        // What is there is never overwritten; what no longer fits is said.
        issuing::complete(&folder)?;
        let held = read_identity(&folder)?;
        let facts = held.facts();
        let mut stale = Vec::new();
        let of_another = || anyhow::Ok(!self.own_roots()?.iter().any(|(root, _)| root.subject == facts.issuer));
        if facts.issuer != ca.facts().subject && of_another()? {
            stale.push(format!("it was issued by `{}`, not by this CA", facts.issuer));
        }
        let addresses = request.ip_addresses.iter().map(ToString::to_string);
        for name in request.dns_names.iter().cloned().chain(addresses).filter(|name| !facts.is_named(name)) {
            stale.push(format!("it does not name {name}"));
        }
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        if facts.not_after < seconds {
            stale.push("it has expired".to_owned());
        } else if facts.not_after - seconds < RENEW_WITHIN {
            stale.push(format!("it expires within {} days", (facts.not_after - seconds) / 86_400 + 1));
        }
        if !stale.is_empty() {
            made.push(format!(
                "{shown} is kept, but {}: run `ringfence cert renew {identity}` to have a new one",
                stale.join(", and ")
            ));
        }
        Ok(())
    }

    /// Held until dropped: one process changes the directory at a time.
    pub(crate) fn lock(&self) -> anyhow::Result<File> {
        let path = self.path.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }

    fn read(&self, file: &Path) -> anyhow::Result<String> {
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    }

    pub(crate) fn node_folder(&self, node: &str) -> PathBuf {
        self.path.join("nodes").join(node)
    }

    pub(crate) fn root_file(&self) -> PathBuf {
        self.path.join("ca/root.pem")
    }

    pub(crate) fn site_file(&self) -> PathBuf {
        self.path.join("site.toml")
    }

    fn store_file(&self) -> PathBuf {
        self.path.join("store.sqlite")
    }
}

fn parse(text: &str) -> anyhow::Result<Site> {
    match Site::parse(text) {
        Ok(site) => Ok(site),
        Err(problems) => bail!(
            "the site has {} problems:\n{}",
            problems.len(),
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        ),
    }
}

/// A private key that others on this host can read is nobody's identity.
fn private(key: &Path) -> anyhow::Result<()> {
    let open = files::is_open_to_others(key).with_context(|| format!("cannot read {}", key.display()))?;
    ensure!(
        !open,
        "others on this host may read the private key {}: run `chmod 600 {}`, and if they may have read it, issue another",
        key.display(),
        key.display()
    );
    Ok(())
}

/// The folder under `nodes/` of an identity that a node shows to some peers: no node has `@` in its name.
pub(crate) fn trustpoint(node: &str, name: &str) -> String {
    format!("{node}@{name}")
}

/// What a folder has, sorted; temporary files left out. One that is not there has nothing.
fn names_in(folder: &Path) -> anyhow::Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests;
