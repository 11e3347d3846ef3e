//! The key that signs a call manager's lists (ITLRecovery), renewed without losing a phone: its successor is told in lists
//! that it signs itself, and signs when every phone that is known holds a list with the successor.

use std::fs;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use trust::{CertificateFacts, self_signed};

use super::{CATCH_UP, CLOCK_SKEW, DataDir, RECOVERY, files, read_pair, request, seconds};

impl DataDir {
    /// Makes the key that will sign lists, to be told in them until it does; one that was made already stays.
    ///
    /// # Errors
    /// The keys cannot be read or written.
    pub fn announce_recovery(&self, node: &str, now: SystemTime) -> anyhow::Result<CertificateFacts> {
        let site = self.site()?;
        let row = site.node(node).with_context(|| format!("there is no node `{node}` in the site"))?;
        let _lock = self.lock()?;
        if let Some(made) = self.announced_phone_key(node, RECOVERY)? {
            return Ok(made.facts().clone());
        }
        let made = self_signed(&site.name, &request(&site, row, "ITLRecovery", now), false)?;
        let text = format!("{}{}", made.key_pem(), made.chain_pem());
        files::write_private(&self.announced_file(node, RECOVERY), text.as_bytes())?;
        Ok(made.facts().clone())
    }

    /// The announced key signs lists from now on; the one before stays in them. `awaited`: the phones that do not hold it
    /// yet. `hurry`: they are given up.
    ///
    /// # Errors
    /// It would lose phones: they are awaited, were not given a fortnight, or may hear of a service that was renewed from
    /// nobody whom they know. Or none is announced.
    pub fn take_recovery(
        &self,
        node: &str,
        awaited: &[String],
        now: SystemTime,
        hurry: bool,
    ) -> anyhow::Result<CertificateFacts> {
        let _lock = self.lock()?;
        let made = self.announced_phone_key(node, RECOVERY)?;
        let made = made.with_context(|| format!("no ITLRecovery is announced to the phones of {node}"))?;
        let folder = self.phones_folder(node).join("keys");
        // A crash after the change and before the end of it finds it made.
        let is_made = read_pair(&folder, RECOVERY)?.facts() == made.facts();
        if !is_made && !hurry {
            ensure!(
                awaited.is_empty(),
                "{} of the phones of {node} hold no list yet that tells of the new ITLRecovery, and would be lost: {}. Have them \
                 start (reset them), or give them up with --dangerous-at-once",
                awaited.len(),
                awaited.join(", ")
            );
            let from = made.facts().not_before + (CLOCK_SKEW + CATCH_UP).as_secs() as i64;
            ensure!(
                seconds(now) >= from,
                "phones read of the new ITLRecovery of {node} for 14 days before it signs: {} to go",
                (from - seconds(now)) / 86_400 + 1
            );
            self.neighbours_are_settled(node, RECOVERY, now)?;
        }
        // First: from this moment on others wait a fortnight.
        files::write_private(&folder.join("recovery.taken"), seconds(now).to_string().as_bytes())?;
        if !is_made {
            self.put_phone_key(node, RECOVERY, &made)?;
        }
        files::remove_durably(&self.announced_file(node, RECOVERY))?;
        Ok(made.facts().clone())
    }

    /// When lists were first signed by the key that signs them now (seconds since 1970), if it is not the first.
    pub(super) fn recovery_taken(&self, node: &str) -> Option<i64> {
        let file = self.phones_folder(node).join("keys/recovery.taken");
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::Folder;

    #[test]
    fn the_key_that_signs_lists_changes_when_nobody_is_awaited_and_a_fortnight_from_other_changes() {
        let folder = Folder::new();
        let now = SystemTime::now();
        let (dir, _) = DataDir::init(&folder.path("data"), super::super::tests::SITE, now).unwrap();
        let before = dir.phone_keys("cucm1").unwrap();
        let take = |awaited: &[String], at| dir.take_recovery("cucm1", awaited, at, false);
        assert!(take(&[], now).unwrap_err().to_string().contains("no ITLRecovery is announced"));
        let made = dir.announce_recovery("cucm1", now).unwrap();
        assert_eq!(dir.announce_recovery("cucm1", now).unwrap(), made, "one and the same");
        let keys = dir.phone_keys("cucm1").unwrap();
        assert_eq!(keys.recovery.facts(), before.recovery.facts());
        assert_eq!(keys.next_recovery.map(|next| next.facts().clone()), Some(made.clone()));

        let later = now + CATCH_UP + CLOCK_SKEW;
        for (awaited, at, words) in
            [(vec!["SEP1".to_owned()], later, "would be lost: SEP1"), (vec![], now, "for 14 days before it signs")]
        {
            let error = take(&awaited, at).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        // Another's renewal in between holds it up.
        dir.renew_phone_key("cucm1", "tvs", later - CATCH_UP / 2).unwrap();
        assert!(take(&[], later).unwrap_err().to_string().contains("tvs of cucm1 was renewed less than 14 days ago"));
        let later = later + CATCH_UP;
        assert_eq!(take(&[], later).unwrap(), made);
        let keys = dir.phone_keys("cucm1").unwrap();
        assert_eq!((keys.recovery.facts(), keys.before.recovery), (&made, Some(before.recovery.chain_pem())));
        assert!(keys.next_recovery.is_none());
        // And it holds up others.
        let error = dir.renew_phone_key("cucm1", "capf", later).unwrap_err().to_string();
        assert!(error.contains("ITLRecovery of cucm1 was renewed less than 14 days ago"), "{error}");
        dir.renew_phone_key("cucm1", "capf", later + CATCH_UP + CLOCK_SKEW).unwrap();

        // An export in between takes along what was told.
        let told = dir.announce_recovery("cucm1", later).unwrap();
        let exported = dir.export(&["cucm1".to_owned()], &folder.path("other")).unwrap();
        let next = exported.phone_keys("cucm1").unwrap().next_recovery;
        assert_eq!(next.map(|next| next.facts().clone()), Some(told));
    }
}
