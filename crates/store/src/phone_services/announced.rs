//! A new key of a phone service that phones read of before it is in force: made and kept aside, then taken, or dropped.

use std::fs;
use std::time::SystemTime;

use anyhow::Context;
use trust::{CertificateFacts, Identity, self_signed};

use super::{DataDir, files, read_pair, request};

impl DataDir {
    /// Makes the key and certificate that `callmanager`, `tvs` or `capf` will have; one that was made already stays. It is
    /// in force with [`DataDir::take_announced_phone_key`].
    ///
    /// # Errors
    /// As [`DataDir::renew_phone_key`].
    pub fn announce_phone_key(&self, node: &str, which: &str, now: SystemTime) -> anyhow::Result<CertificateFacts> {
        let site = self.site()?;
        let row = site.node(node).with_context(|| format!("there is no node `{node}` in the site"))?;
        let _lock = self.lock()?;
        let (file, word, is_authority) = self.may_renew(node, which, now)?;
        if let Some(made) = self.announced_phone_key(node, file)? {
            return Ok(made.facts().clone());
        }
        let made = self_signed(&site.name, &request(&site, row, word, now), is_authority)?;
        let text = format!("{}{}", made.key_pem(), made.chain_pem());
        files::write_private(&self.announced_file(node, file), text.as_bytes())?;
        Ok(made.facts().clone())
    }

    /// What phones are told of and what is not in force yet.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn announced_phone_key(&self, node: &str, which: &str) -> anyhow::Result<Option<Identity>> {
        let file = self.announced_file(node, which);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        let at = text.find("-----BEGIN CERTIFICATE-----");
        let (key, chain) = at.map(|at| text.split_at(at)).with_context(|| format!("{} is cut", file.display()))?;
        Ok(Some(Identity::from_pem(chain, key)?))
    }

    /// The announced key is in force; what was before stays in the lists. `false`: none is announced.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn take_announced_phone_key(&self, node: &str, which: &str) -> anyhow::Result<bool> {
        let _lock = self.lock()?;
        let Some(made) = self.announced_phone_key(node, which)? else { return Ok(false) };
        let folder = self.phones_folder(node).join("keys");
        // A crash after the change and before the end of it finds it made.
        if read_pair(&folder, which)?.facts() != made.facts() {
            self.put_phone_key(node, which, &made)?;
        }
        files::remove_durably(&self.announced_file(node, which))?;
        Ok(true)
    }

    /// The change is not made after all.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn drop_announced_phone_key(&self, node: &str, which: &str) -> anyhow::Result<()> {
        let _lock = self.lock()?;
        let file = self.announced_file(node, which);
        if file.exists() {
            files::remove_durably(&file)?;
        }
        Ok(())
    }

    pub(super) fn announced_file(&self, node: &str, which: &str) -> std::path::PathBuf {
        self.phones_folder(node).join("keys").join(format!("{which}.announced"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::Folder;

    #[test]
    fn what_is_announced_is_in_force_when_it_is_taken_and_not_before() {
        let folder = Folder::new();
        let now = SystemTime::now();
        let (dir, _) = DataDir::init(&folder.path("data"), super::super::tests::SITE, now).unwrap();
        let before = dir.phone_keys("cucm1").unwrap();
        let made = dir.announce_phone_key("cucm1", "tvs", now).unwrap();
        assert_eq!(dir.announce_phone_key("cucm1", "tvs", now).unwrap(), made, "one and the same");
        assert_eq!(dir.phone_keys("cucm1").unwrap().tvs.facts(), before.tvs.facts());
        assert!(dir.take_announced_phone_key("cucm1", "tvs").unwrap());
        let keys = dir.phone_keys("cucm1").unwrap();
        assert_eq!((keys.tvs.facts(), keys.before.tvs), (&made, Some(before.tvs.chain_pem())));
        assert!(!dir.take_announced_phone_key("cucm1", "tvs").unwrap());
        // Another is refused as it is by a renewal, and one that is dropped is never taken.
        let error = dir.announce_phone_key("cucm1", "capf", now).unwrap_err().to_string();
        assert!(error.contains("renewed less than 14 days ago"), "{error}");
        assert!(dir.announce_phone_key("cucm1", "itlrecovery", now).is_err());
        dir.announce_phone_key("cucm1", "tvs", now).unwrap();
        dir.drop_announced_phone_key("cucm1", "tvs").unwrap();
        assert!(!dir.take_announced_phone_key("cucm1", "tvs").unwrap());
    }
}
