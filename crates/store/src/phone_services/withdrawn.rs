//! Phones' certificates that are taken back: what the store says of them, and what a call manager judges by.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use trust::{CertificateFacts, Reason, TakenBack};

use crate::data_dir::{DataDir, millis};
use crate::{Change, Lsc, Store, Taken};

impl Lsc {
    /// Of a certificate that the CAPF of `node` issued to `device`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn of(node: &str, device: &str, der: &[u8]) -> anyhow::Result<Lsc> {
        let facts = CertificateFacts::from_der(der)?;
        let seconds = |at: i64| at.max(0).unsigned_abs() * 1000;
        Ok(Lsc {
            issuer: facts.issuer,
            serial: facts.serial,
            node: node.to_owned(),
            device: device.to_owned(),
            issued_ms: seconds(facts.not_before),
            until_ms: seconds(facts.not_after),
            revoked: None,
        })
    }
}

impl DataDir {
    /// Phones' certificates that are in force and meant by `what`: a phone's name (all of its that have not ended: whoever
    /// has the phone has the keys of before, too), a serial number, or a file with the certificate. None: no phone is meant.
    ///
    /// # Errors
    /// All that are meant were taken back before.
    pub fn phone_certificates(&self, what: &str, now: SystemTime) -> anyhow::Result<Vec<Lsc>> {
        let serial = match std::fs::read_to_string(what).ok().filter(|_| Path::new(what).is_file()) {
            Some(text) => {
                let der = trust::certificates_der(&text)?.into_iter().next();
                der.map(|der| CertificateFacts::from_der(&der))
                    .transpose()?
                    .map(|facts| (facts.serial, Some(facts.issuer)))
            }
            None => trust::serial_of(what).ok().map(|serial| (serial, None)),
        };
        let is_it = |lsc: &Lsc| {
            let of_file = |(serial, issuer): &(String, Option<String>)| {
                lsc.serial == *serial && issuer.as_ref().is_none_or(|issuer| *issuer == lsc.issuer)
            };
            serial.as_ref().is_some_and(of_file) || (lsc.device == what && lsc.until_ms > millis(now))
        };
        let meant: Vec<Lsc> = self.store()?.lscs()?.into_iter().filter(is_it).collect();
        let left: Vec<Lsc> = meant.iter().filter(|lsc| lsc.revoked.is_none()).cloned().collect();
        if let ([], Some(lsc)) = (left.as_slice(), meant.last()) {
            let reason = lsc.revoked.as_ref().map_or("", |taken| &taken.reason);
            bail!("the certificate of {} with serial {} is revoked already ({reason})", lsc.device, lsc.serial);
        }
        Ok(left)
    }

    /// Takes phones' certificates back, for good. When this returns it is on the disk, and call managers of this directory
    /// judge by it once they have read it again.
    ///
    /// # Errors
    /// The disk's: then none of them is taken back.
    pub fn revoke_phone_certificates(&self, lscs: &[Lsc], reason: Reason, now: SystemTime) -> anyhow::Result<()> {
        let taken = Taken { at_ms: millis(now), reason: reason.to_string() };
        let work = |store: &mut Store| {
            for lsc in lscs {
                store.revoke_lsc(lsc, &taken)?;
                let what = format!("certificate {} of phone {} revoked", lsc.serial, lsc.device);
                let (who, source) = ("local".into(), "command line".into());
                let detail = format!("{{\"reason\":\"{reason}\"}}");
                store.add_change(&Change { at_ms: taken.at_ms, who, source, what, detail })?;
            }
            Ok(())
        };
        self.store()?.together(work).context("phones' certificates are not taken back")
    }

    /// What was taken back of the certificates that the CAPF of `node` issued.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn taken_back(&self, node: &str) -> anyhow::Result<Vec<TakenBack>> {
        let of_node = self.store()?.lscs()?.into_iter().filter(|lsc| lsc.node == node);
        Ok(of_node.filter_map(|lsc| taken_back(&lsc)).collect())
    }

    /// What the phones of `node` are judged by: those who signed their certificates, and what of these was taken back.
    ///
    /// # Errors
    /// Keys or store cannot be read.
    pub fn phones_trust_pem(&self, node: &str) -> anyhow::Result<String> {
        let authorities = self.phone_keys(node)?.authorities_pem();
        let lines: String = self.taken_back(node)?.iter().map(TakenBack::to_string).collect();
        Ok(format!("{lines}{authorities}"))
    }

    /// With a node that is exported.
    pub(super) fn export_lscs(&self, node: &str, to: &DataDir) -> anyhow::Result<()> {
        let lscs: Vec<Lsc> = self.store()?.lscs()?.into_iter().filter(|lsc| lsc.node == node).collect();
        if lscs.is_empty() {
            return Ok(());
        }
        let mut there = to.store()?;
        for lsc in &lscs {
            there.add_lsc(lsc)?;
            if let Some(taken) = &lsc.revoked {
                there.revoke_lsc(lsc, taken)?;
            }
        }
        Ok(())
    }
}

fn taken_back(lsc: &Lsc) -> Option<TakenBack> {
    let taken = lsc.revoked.as_ref()?;
    let at = Duration::from_millis(taken.at_ms).as_secs();
    Some(TakenBack {
        issuer: lsc.issuer.clone(),
        serial: lsc.serial.clone(),
        at: i64::try_from(at).unwrap_or(i64::MAX),
        reason: Reason::parse(&taken.reason).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use trust::LscRequest;

    use super::*;
    use crate::test_folder::Folder;

    #[test]
    fn a_phones_certificates_are_taken_back_by_its_name_by_serial_and_by_file_and_for_good() {
        let folder = Folder::new();
        let now = SystemTime::now();
        let (dir, _) = DataDir::init(&folder.path("data"), super::super::tests::SITE, now).unwrap();
        let ca = dir.phone_keys("cucm1").unwrap().authority().unwrap();
        let issue = |device: &str, not_after: SystemTime| {
            let (_, spki) = trust::generate_key(trust::KeyKind::P256).unwrap();
            let request = LscRequest { device: device.into(), spki, not_before: now, not_after };
            let der = ca.issue_lsc(&request).unwrap();
            dir.store().unwrap().add_lsc(&Lsc::of("cucm1", device, &der).unwrap()).unwrap();
            der
        };
        let (day, serial) = (Duration::from_secs(86_400), |der: &[u8]| CertificateFacts::from_der(der).unwrap().serial);
        let (first, second) = (issue("SEP1", now + day), issue("SEP1", now + 2 * day));
        let (ended, others) = (issue("SEP1", now), issue("SEP2", now + day));
        let meant = dir.phone_certificates("SEP1", now).unwrap();
        let mut serials: Vec<&str> = meant.iter().map(|lsc| lsc.serial.as_str()).collect();
        let mut both = [serial(&first), serial(&second)];
        serials.sort_unstable();
        both.sort();
        assert_eq!(serials, both, "not the one that has ended");
        assert_eq!(dir.phone_certificates(&serial(&ended), now).unwrap().len(), 1, "by its serial it is");
        let file = folder.path("phone.pem");
        std::fs::write(&file, trust::certificate_pem(&others)).unwrap();
        assert_eq!(dir.phone_certificates(&file.display().to_string(), now).unwrap()[0].device, "SEP2");
        assert!(dir.phone_certificates("cucm1", now).unwrap().is_empty());

        dir.revoke_phone_certificates(&meant, Reason::KeyCompromise, now).unwrap();
        let error = dir.phone_certificates("SEP1", now).unwrap_err().to_string();
        assert!(error.contains("revoked already (key-compromise)"), "{error}");
        for known in [DataDir::open(dir.path()).unwrap(), dir.export(&["cucm1".into()], &folder.path("other")).unwrap()]
        {
            let text = known.phones_trust_pem("cucm1").unwrap();
            assert_eq!(known.taken_back("cucm1").unwrap().len(), 2);
            assert!(text.contains(&serial(&first)) && !text.contains(&serial(&others)), "{text}");
            trust::Authorities::new(&[(trust::Authority::Phones, text)]).unwrap();
        }
        // What is revoked meanwhile goes into an export that is made again.
        let meant = dir.phone_certificates("SEP2", now).unwrap();
        dir.revoke_phone_certificates(&meant, Reason::Superseded, now).unwrap();
        let exported = dir.export(&["cucm1".into()], &folder.path("other")).unwrap();
        assert_eq!(exported.taken_back("cucm1").unwrap().len(), 3);
    }
}
