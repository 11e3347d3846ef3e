//! A call manager's keys for its phones: who signs lists, who signs configuration, who issues certificates, who vouches.
//!
//! Self-signed, because phones trust certificates and not chains; RSA, because phones verify nothing else. They are made
//! once, all or none.

mod announced;
mod recovery;
mod withdrawn;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use site::{Node, Role, Site};
use trust::{Ca, Identity, KeyKind, Request, self_signed};

use crate::data_dir::DataDir;
use crate::files;

/// Ten years: each of them is in lists that phones hold.
const LIFE: Duration = Duration::from_secs(3650 * 24 * 3600);
const RECOVERY: &str = "recovery";
const CLOCK_SKEW: Duration = Duration::from_secs(3600);
/// How long phones have to fetch a list that tells of one before another changes.
const CATCH_UP: Duration = Duration::from_secs(14 * 24 * 3600);
/// File name, what the common name ends with, and whether it issues certificates.
const KEYS: [(&str, &str, bool); 4] = [
    (RECOVERY, "ITLRecovery", false),
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
    /// Will sign trust lists, and is told in them until it does.
    pub next_recovery: Option<Identity>,
    /// What of these was before: phones may know it still, and certificates that CAPF issued bear its name.
    pub before: Before,
}

/// Certificates (PEM) that were renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    pub recovery: Option<String>,
    pub call_manager: Option<String>,
    pub capf: Option<String>,
    pub tvs: Option<String>,
}

impl PhoneKeys {
    /// The authority that signs phones' certificates.
    pub fn authority(&self) -> anyhow::Result<Ca> {
        Ok(Ca::from_pem(&self.capf.chain_pem(), &self.capf.key_pem())?)
    }

    /// Those who signed phones' certificates that are about (PEM): CAPF's of today, and the one before.
    pub fn authorities_pem(&self) -> String {
        format!("{}{}", self.capf.chain_pem(), self.before.capf.as_deref().unwrap_or_default())
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
        let read = |name: &str| read_pair(&folder, name);
        let before = |name: &str| fs::read_to_string(folder.join(format!("{name}.previous.pem"))).ok();
        Ok(PhoneKeys {
            recovery: read(RECOVERY)?,
            call_manager: read("callmanager")?,
            capf: read("capf")?,
            tvs: read("tvs")?,
            next_recovery: self.announced_phone_key(node, RECOVERY)?,
            before: Before {
                recovery: before(RECOVERY),
                call_manager: before("callmanager"),
                capf: before("capf"),
                tvs: before("tvs"),
            },
        })
    }

    /// A new key and certificate for one of a call manager's phone services: `callmanager`, `tvs` or `capf`. Phones learn of
    /// it from a list that the recovery key signs, as it did before; the certificate of before stays in the list.
    ///
    /// # Errors
    /// It is the recovery key, which is announced first ([`DataDir::announce_recovery`]); or another was renewed less than a
    /// fortnight ago: a phone that misses both would know nobody who could tell it of either.
    pub fn renew_phone_key(&self, node: &str, which: &str, now: SystemTime) -> anyhow::Result<trust::CertificateFacts> {
        let site = self.site()?;
        let row = site.node(node).with_context(|| format!("there is no node `{node}` in the site"))?;
        let _lock = self.lock()?;
        let (file, word, is_authority) = self.may_renew(node, which, now)?;
        let made = self_signed(&site.name, &request(&site, row, word, now), is_authority)?;
        self.put_phone_key(node, file, &made)?;
        Ok(made.facts().clone())
    }

    /// Its row, if phones would come through its renewal.
    fn may_renew(
        &self,
        node: &str,
        which: &str,
        now: SystemTime,
    ) -> anyhow::Result<(&'static str, &'static str, bool)> {
        let found = KEYS.iter().find(|(file, word, _)| *file == which || word.eq_ignore_ascii_case(which));
        let row = *found.with_context(|| format!("`{which}`: expected callmanager, tvs or capf"))?;
        ensure!(
            row.0 != RECOVERY,
            "ITLRecovery is what phones know every list by: renewed at once, it would orphan each phone that has not fetched a \
             list in between. It is told first, and signs when each holds it: `ringfence cert renew {node}/itlrecovery`"
        );
        self.neighbours_are_settled(node, row.0, now)?;
        Ok(row)
    }

    /// Phones that were off may miss one renewal, and hear of it from another service that they know.
    fn neighbours_are_settled(&self, node: &str, which: &str, now: SystemTime) -> anyhow::Result<()> {
        let folder = self.phones_folder(node).join("keys");
        let (keys, catch_up) = (self.phone_keys(node)?, CATCH_UP.as_secs() as i64);
        for (other, held) in [("callmanager", &keys.call_manager), ("tvs", &keys.tvs), ("capf", &keys.capf)] {
            let renewed = folder.join(format!("{other}.previous.pem")).exists();
            let since = held.facts().not_before + CLOCK_SKEW.as_secs() as i64;
            ensure!(
                other == which || !renewed || seconds(now) >= since + catch_up,
                "{}",
                too_soon(node, other, which, since, now)
            );
        }
        if let Some(since) = self.recovery_taken(node).filter(|_| which != RECOVERY) {
            ensure!(seconds(now) >= since + catch_up, "{}", too_soon(node, "ITLRecovery", which, since, now));
        }
        Ok(())
    }

    /// The lock is held by who calls.
    fn put_phone_key(&self, node: &str, file: &str, made: &Identity) -> anyhow::Result<()> {
        let folder = self.phones_folder(node).join("keys");
        let held = read_pair(&folder, file)?;
        let put =
            |ending: &str, text: &str| files::write_private(&folder.join(format!("{file}.{ending}")), text.as_bytes());
        put("previous.pem", &held.chain_pem())?;
        // Both in one file, which counts until each is in its place.
        put("new", &format!("{}{}", made.key_pem(), made.chain_pem()))?;
        put("key", &made.key_pem())?;
        put("pem", &made.chain_pem())?;
        Ok(files::remove_durably(&folder.join(format!("{file}.new")))?)
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
            let identity = self_signed(&site.name, &request(site, node, word, now), is_authority)?;
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
        self.export_lscs(node, to)?;
        let (from, to) = (self.phones_folder(node).join("keys"), to.phones_folder(node));
        if !from.exists() || to.join("keys").exists() {
            return Ok(());
        }
        let mut texts = Vec::new();
        for (file, ..) in KEYS {
            let identity = read_pair(&from, file)?;
            texts.push((format!("{file}.pem"), identity.chain_pem()));
            texts.push((format!("{file}.key"), identity.key_pem()));
            let before = format!("{file}.previous.pem");
            texts.extend(fs::read_to_string(from.join(&before)).ok().map(|text| (before, text)));
        }
        for file in ["recovery.announced", "recovery.taken"] {
            texts.extend(fs::read_to_string(from.join(file)).ok().map(|text| (file.to_owned(), text)));
        }
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        files::create_folder(&to)?;
        files::create_folder_with(&to.join("keys"), &texts)?;
        Ok(())
    }
}

fn too_soon(node: &str, other: &str, which: &str, since: i64, now: SystemTime) -> String {
    format!(
        "{other} of {node} was renewed less than 14 days ago, and phones that were off since know neither: a phone needs one that \
         it knows to hear of the other. Renew {which} {} days from now",
        (since + CATCH_UP.as_secs() as i64 - seconds(now)) / 86_400 + 1
    )
}

/// Seconds since 1970.
fn seconds(at: SystemTime) -> i64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

fn request(site: &Site, node: &Node, word: &str, now: SystemTime) -> Request {
    Request {
        common_name: format!("{}-{word}", site.host_name(node)),
        dns_names: vec![site.host_name(node)],
        ip_addresses: vec![node.address],
        node: None,
        uris: Vec::new(),
        key: KeyKind::Rsa2048,
        not_before: now - CLOCK_SKEW,
        not_after: now + LIFE,
    }
}

/// A key with its certificate. Who meets a pair in the middle of a change finds both in one file at the next look.
fn read_pair(folder: &Path, name: &str) -> anyhow::Result<Identity> {
    let text = |ending: &str| {
        let file = folder.join(format!("{name}.{ending}"));
        ensure!(
            !files::is_open_to_others(&file).with_context(|| format!("cannot read {}", file.display()))?,
            "others on this host may read {0}: run `chmod 600 {0}`",
            file.display()
        );
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    };
    let look = || {
        let both = text("new").ok();
        let both = both.as_deref().and_then(|both| Some(both.split_at(both.find("-----BEGIN CERTIFICATE-----")?)));
        match both {
            Some((key, chain)) => anyhow::Ok(Identity::from_pem(chain, key)?),
            None => Ok(Identity::from_pem(&text("pem")?, &text("key")?)?),
        }
    };
    look().or_else(|_| look())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::Folder;

    pub(super) const SITE: &str = r#"
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

    #[test]
    fn services_renew_one_after_the_other_and_the_key_that_phones_know_lists_by_not_at_once() {
        let folder = Folder::new();
        let now = SystemTime::now();
        let (dir, _) = DataDir::init(&folder.path("data"), SITE, now).unwrap();
        let before = dir.phone_keys("cucm1").unwrap();
        let renewed = dir.renew_phone_key("cucm1", "TVS", now).unwrap();
        let keys = dir.phone_keys("cucm1").unwrap();
        assert_eq!(*keys.tvs.facts(), renewed);
        assert_eq!(keys.before.tvs, Some(before.tvs.chain_pem()));
        assert_eq!(keys.recovery.facts(), before.recovery.facts());
        for (which, at, words) in [
            ("callmanager", now, "tvs of cucm1 was renewed less than 14 days ago"),
            ("capf", now + CATCH_UP - CLOCK_SKEW, "Renew capf 1 days from now"),
            ("ITLRecovery", now, "would orphan each phone"),
            ("tomcat", now, "expected callmanager, tvs or capf"),
        ] {
            let error = dir.renew_phone_key("cucm1", which, at).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        dir.renew_phone_key("cucm1", "callmanager", now + CATCH_UP + CLOCK_SKEW).unwrap();
        // What CAPF issued before it was renewed is as good as what it issues now.
        let later = now + 3 * CATCH_UP;
        let issue = || {
            let (_, spki) = trust::generate_key(KeyKind::P256).unwrap();
            let request =
                trust::LscRequest { device: "SEP1".into(), spki, not_before: now, not_after: later + CATCH_UP };
            dir.phone_keys("cucm1").unwrap().authority().unwrap().issue_lsc(&request).unwrap()
        };
        let before = issue();
        dir.renew_phone_key("cucm1", "capf", later).unwrap();
        let authorities = trust::certificates_der(&dir.phone_keys("cucm1").unwrap().authorities_pem()).unwrap();
        for lsc in [before, issue()] {
            assert!(trust::verify_chain(&[lsc], &authorities, later).is_ok());
        }
        // A change that was cut: both in one file.
        let keys = folder.path("data/nodes/cucm1/phones/keys");
        let capf = dir.phone_keys("cucm1").unwrap().capf;
        let tvs = dir.phone_keys("cucm1").unwrap().tvs;
        files::write_private(&keys.join("capf.new"), format!("{}{}", tvs.key_pem(), tvs.chain_pem()).as_bytes())
            .unwrap();
        assert_eq!(dir.phone_keys("cucm1").unwrap().capf.facts(), tvs.facts());
        files::remove_durably(&keys.join("capf.new")).unwrap();
        assert_eq!(dir.phone_keys("cucm1").unwrap().capf.facts(), capf.facts());
    }
}
