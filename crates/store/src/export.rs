//! A data directory for another host or process: what its nodes need and nothing that others' security rests on.

use std::fs;
use std::path::{Component, Path};

use anyhow::{Context, bail, ensure};
use site::{Node, Role, Site};
use toml_edit::{DocumentMut, Item, Table};

use crate::data_dir::{DataDir, replace_identity, trustpoint};
use crate::files;

impl DataDir {
    /// Makes `to` a data directory with the identities of `nodes`, the root certificates, the lists of what is revoked and the site: no CA key, no
    /// administrator, no other node's key, no phone's secret unless its call manager is among `nodes`. May be repeated.
    ///
    /// # Errors
    /// A node that is not there; `to` is a data directory of another CA, or has the CA's key.
    pub fn export(&self, nodes: &[String], to: &Path) -> anyhow::Result<DataDir> {
        let site = self.site()?;
        ensure!(!nodes.is_empty(), "name at least one node to export");
        for node in nodes {
            if site.node(node).is_none() {
                bail!(
                    "there is no node `{node}` in the site; it has {}",
                    site.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ")
                );
            }
        }
        let root = fs::read_to_string(self.root_file())?;
        let out = to.join("ca/root.pem");
        if out.exists() {
            let (here, there) = (trust::certificates_der(&root)?, trust::certificates_der(&fs::read_to_string(&out)?)?);
            ensure!(
                there.iter().any(|root| here.contains(root)),
                "{} is a data directory of another CA: choose an empty folder",
                to.display()
            );
            ensure!(
                ["ca/root.key", "ca/root.pkcs11"].iter().all(|file| !to.join(file).exists()),
                "{} is where `ringfence init` was run: choose an empty folder",
                to.display()
            );
        }
        for folder in ["", "ca", "roots", "nodes"] {
            files::create_folder(&to.join(folder))
                .with_context(|| format!("cannot make {}", to.join(folder).display()))?;
        }
        let points = |node: &String| {
            let node = site.node(node).into_iter();
            node.flat_map(|node| node.trustpoints.iter().map(move |point| trustpoint(&node.name, &point.name)))
        };
        for node in nodes.iter().cloned().chain(nodes.iter().flat_map(points)) {
            let folder = to.join("nodes").join(&node);
            let identity = self.identity(&node)?;
            if folder.exists() {
                // A certificate that was issued anew takes the old one's place.
                if fs::read_to_string(folder.join("chain.pem")).ok() == Some(identity.chain_pem()) {
                    continue;
                }
                replace_identity(&folder, &identity)?;
                continue;
            }
            files::create_folder_with(
                &folder,
                &[("chain.pem", &identity.chain_pem()), ("key.pem", &identity.key_pem())],
            )?;
        }
        for entry in fs::read_dir(self.path().join("roots"))? {
            let entry = entry?;
            files::write_private(&to.join("roots").join(entry.file_name()), &fs::read(entry.path())?)?;
        }
        files::write_private(&out, root.as_bytes())?;
        let lists: String = self.revocation_lists()?.iter().map(trust::RevocationList::pem).collect();
        if !lists.is_empty() {
            files::write_private(&to.join("ca/crl.pem"), lists.as_bytes())?;
        }
        for file in secrets_of_doors(&site, nodes) {
            let from = self.path().join(file);
            if from.exists() {
                let octets = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
                files::write_private(&to.join(file), &octets)?;
            }
        }
        let text = without_secrets(&fs::read_to_string(self.site_file())?, nodes)?;
        // Last: a directory that was left half made is not taken for a whole one.
        files::write_private(&to.join("site.toml"), text.as_bytes())?;
        let exported = DataDir::open(to)?;
        for node in nodes {
            self.export_phone_keys(node, &exported)?;
            self.export_token_key(node, &exported)?;
        }
        Ok(exported)
    }
}

/// What people are looked up with, where they come in at one of these nodes: files of the data directory's own. One that
/// the site keeps elsewhere is put there on each host by who keeps it.
fn secrets_of_doors<'a>(site: &'a Site, nodes: &[String]) -> Vec<&'a str> {
    let of = |wanted: fn(&Node) -> bool| nodes.iter().filter_map(|node| site.node(node)).any(wanted);
    let desk = of(|node| matches!(&node.role, Role::CallServer(server) if server.desk.is_some()));
    let console = of(|node| node.console.is_some());
    let directory = site.directory.as_ref().filter(|_| desk || console);
    let provider = site.open_id.as_ref().filter(|_| desk);
    let files = [
        directory.and_then(|directory| directory.bind_password_file.as_deref()),
        provider.and_then(|provider| provider.client_secret_file.as_deref()),
    ];
    let own = |file: &&str| Path::new(file).components().eq([Component::Normal(file.as_ref())]);
    files.into_iter().flatten().filter(own).collect()
}

/// The site with the digest secrets of phones taken out, but those of call managers that are exported.
fn without_secrets(text: &str, nodes: &[String]) -> anyhow::Result<String> {
    let mut site: DocumentMut = text.parse().context("the site in force cannot be read")?;
    let Some(rows) = site.get_mut("node").and_then(Item::as_array_of_tables_mut) else {
        bail!("the site in force writes its nodes in one line: write them as `[[node]]`");
    };
    for row in rows.iter_mut() {
        let stays = row.get("name").and_then(Item::as_str).is_some_and(|name| nodes.iter().any(|node| node == name));
        if stays {
            continue;
        }
        // Step by step, because indexing an item makes what it does not find.
        let role = row.get_mut("role").and_then(Item::as_table_like_mut);
        let manager = role.and_then(|role| role.get_mut("call_manager"));
        let Some(manager) = manager.and_then(Item::as_table_like_mut) else { continue };
        // What CAPF asks phones for; and no other host serves them.
        manager.remove("phone_services");
        for rows in ["phone", "application_user"] {
            if let Some(rows) = manager.get_mut(rows) {
                withhold(rows);
            }
        }
    }
    // No token of another host's is reached from there.
    site.remove("ca");
    Ok(site.to_string())
}

/// Phones may be written as `[[…phone]]` or as `phone = [{ … }]`.
fn withhold(phones: &mut Item) {
    const INSTEAD: &str = "withheld from this host";
    if let Some(tables) = phones.as_array_of_tables_mut() {
        for phone in tables.iter_mut() {
            let phone: &mut Table = phone;
            phone.insert("digest_secret", toml_edit::value(INSTEAD));
        }
    } else if let Some(rows) = phones.as_array_mut() {
        for phone in rows.iter_mut().filter_map(|row| row.as_inline_table_mut()) {
            phone.insert("digest_secret", INSTEAD.into());
        }
    }
}
