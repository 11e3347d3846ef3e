//! A call manager's keys for its phones: who signs lists, who signs configuration, who issues certificates, who vouches.
//!
//! Self-signed, because phones trust certificates and not chains; RSA, because phones verify nothing else. They are made
//! once, all or none.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use site::{Node, Role, Site};
use trust::{Ca, Identity, KeyKind, Request, self_signed};

use crate::data_dir::DataDir;
use crate::files;

/// Ten years: each of them is in lists that phones hold.
const LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);
const CLOCK_SKEW: Duration = Duration::from_secs(3600);
/// File name, what the common name ends with, and whether it issues certificates.
const KEYS: [(&str, &str, bool); 4] = [
    ("recovery", "ITLRecovery", false),
    ("callmanager", "CallManager", false),
    ("capf", "CAPF", true),
    ("tvs", "TVS", false),
];

/// Who a call manager is to its phones.
pub struct PhoneKeys {
    /// Signs trust lists.
    pub recovery: Identity,
    /// Signs configuration.
    pub call_manager: Identity,
    /// Shown by CAPF, and the authority of phones' certificates.
    pub capf: Identity,
    /// Shown by TVS.
    pub tvs: Identity,
}

impl PhoneKeys {
    /// The authority that signs phones' certificates.
    pub fn authority(&self) -> anyhow::Result<Ca> {
        Ok(Ca::from_pem(&self.capf.chain_pem(), &self.capf.key_pem())?)
    }
}

impl DataDir {
    /// Where a call manager keeps what its phones are given, and how far each of them is.
    pub fn phones_folder(&self, node: &str) -> PathBuf {
        self.node_folder(node).join("phones")
    }

    /// # Errors
    /// They were not made, or others on this host may read them.
    pub fn phone_keys(&self, node: &str) -> anyhow::Result<PhoneKeys> {
        let folder = self.phones_folder(node).join("keys");
        ensure!(
            folder.exists(),
            "call manager `{node}` has no keys for its phones: run `ringfence --data {} init SITE`",
            self.path().display()
        );
        let read = |name: &str| {
            let text = |ending: &str| {
                let file = folder.join(format!("{name}.{ending}"));
                ensure!(
                    !files::is_open_to_others(&file)?,
                    "others on this host may read {0}: run `chmod 600 {0}`",
                    file.display()
                );
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
            };
            anyhow::Ok(Identity::from_pem(&text("pem")?, &text("key")?)?)
        };
        Ok(PhoneKeys {
            recovery: read("recovery")?,
            call_manager: read("callmanager")?,
            capf: read("capf")?,
            tvs: read("tvs")?,
        })
    }

    pub(crate) fn init_phone_keys(
        &self,
        site: &Site,
        node: &Node,
        now: SystemTime,
        made: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let Role::CallManager(manager) = &node.role else { return Ok(()) };
        let folder = self.phones_folder(&node.name).join("keys");
        if manager.phone_services.is_none() || folder.exists() {
            return Ok(());
        }
        files::create_folder(&self.phones_folder(&node.name))?;
        let mut texts = Vec::new();
        for (file, word, is_authority) in KEYS {
            let request = Request {
                common_name: format!("{}-{word}", site.host_name(node)),
                dns_names: vec![site.host_name(node)],
                ip_addresses: vec![node.address],
                node: None,
                uris: Vec::new(),
                key: KeyKind::Rsa2048,
                not_before: now - CLOCK_SKEW,
                not_after: now + LIFE,
            };
            let identity = self_signed(&site.name, &request, is_authority)?;
            texts.push((format!("{file}.pem"), identity.chain_pem()));
            texts.push((format!("{file}.key"), identity.key_pem()));
        }
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        files::create_folder_with(&folder, &texts)?;
        made.push(format!("nodes/{}/phones: keys for trust lists, configuration, CAPF and TVS", node.name));
        Ok(())
    }

    /// The keys of a node that is exported go with it.
    pub(crate) fn export_phone_keys(&self, node: &str, to: &DataDir) -> anyhow::Result<()> {
        let (from, to) = (self.phones_folder(node).join("keys"), to.phones_folder(node));
        if !from.exists() || to.join("keys").exists() {
            return Ok(());
        }
        let mut texts = Vec::new();
        for (file, ..) in KEYS {
            for ending in ["pem", "key"] {
                let name = format!("{file}.{ending}");
                texts.push((name.clone(), fs::read_to_string(from.join(&name))?));
            }
        }
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        files::create_folder(&to)?;
        files::create_folder_with(&to.join("keys"), &texts)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::Folder;

    const SITE: &str = r#"
name = "lab"
domain = "lab.example"
[[node]]
name = "cucm1"
address = "127.18.133.3"
[node.role.call_manager.phone_services]
"#;

    #[test]
    fn keys_for_phones_are_made_once_and_go_with_their_node() {
        let folder = Folder::new();
        let now = SystemTime::now();
        let (dir, made) = DataDir::init(&folder.path("data"), SITE, now).unwrap();
        assert!(made.iter().any(|line| line.contains("CAPF")), "{made:?}");
        let keys = dir.phone_keys("cucm1").unwrap();
        assert_eq!(keys.tvs.facts().subject, "CN=cucm1.lab.example-TVS,O=lab");
        assert!(keys.authority().is_ok());
        let (dir, made) = DataDir::init(&folder.path("data"), SITE, now).unwrap();
        assert!(made.is_empty(), "{made:?}");
        assert_eq!(dir.phone_keys("cucm1").unwrap().capf.facts(), keys.capf.facts());
        let exported = dir.export(&["cucm1".to_owned()], &folder.path("other")).unwrap();
        assert_eq!(exported.phone_keys("cucm1").unwrap().recovery.facts(), keys.recovery.facts());
    }
}
