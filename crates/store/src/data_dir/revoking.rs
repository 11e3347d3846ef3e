//! Taking certificates back: the register says what is revoked, `ca/crl.pem` is the list that says so to others.
//!
//! A list is good for 90 days and made anew after 30, by any process that has the CA's key, and by every revocation. Where
//! the key is elsewhere it is handed over the control link, or copied; whoever hands it, it counts if the CA signed it and
//! its number is higher than that of the one that is there.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use trust::{CertificateFacts, Reason, RevocationList, Revoked};

use super::{DataDir, issuing};
use crate::{Change, Issued, Store, Taken, files};

/// How long a list of ours is good, and when it is made anew.
pub(super) const LIST_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// What came of a revocation.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    pub issued: Vec<Issued>,
    pub list: RevocationList,
}

impl DataDir {
    /// Takes back certificates of the site's own CA: `what` is an identity's name (all of its that have not ended: whoever
    /// has the box has the keys of before, too), the name or serial number of one, or a file with it. When this returns, the
    /// list in the directory has them.
    ///
    /// # Errors
    /// Nothing is meant, or several strangers' are; all of it is revoked already; or the CA's key is not here.
    pub fn revoke(&self, what: &str, reason: Reason, now: SystemTime) -> anyhow::Result<Withdrawn> {
        let _lock = self.lock()?;
        self.ca()?;
        self.adopt(&self.identities()?, now)?;
        let issued = self.issued(what, now)?;
        let taken = Taken { at_ms: millis(now), reason: reason.to_string() };
        let list = self.make_list_with(now, |register| {
            for issued in &issued {
                register.revoke_certificate(&issued.serial, &taken)?;
                let what = format!("certificate {} of {} revoked", issued.serial, issued.subject);
                let (who, source) = ("local".into(), "command line".into());
                let detail = format!("{{\"reason\":\"{reason}\"}}");
                register.add_change(&Change { at_ms: taken.at_ms, who, source, what, detail })?;
            }
            Ok(())
        })?;
        // What was announced to phones may be on it, and shall not come into force. The list must go out whatever becomes
        // of that: what cannot be removed now, renewal removes or says.
        for name in self.identity_names().unwrap_or_default() {
            let _ = self.drop_revoked_next(&name);
        }
        let issued = issued.into_iter().map(|issued| Issued { revoked: Some(taken.clone()), ..issued }).collect();
        Ok(Withdrawn { issued, list })
    }

    /// Which certificates are meant, those that are revoked already left out: see [`DataDir::revoke`].
    ///
    /// # Errors
    /// None is, or several strangers' are.
    pub fn issued(&self, what: &str, now: SystemTime) -> anyhow::Result<Vec<Issued>> {
        let meant = self.meant(what, now)?;
        let left: Vec<Issued> = meant.iter().filter(|issued| issued.revoked.is_none()).cloned().collect();
        if let ([], Some(issued)) = (left.as_slice(), meant.last()) {
            let reason = issued.revoked.as_ref().map_or("", |taken| &taken.reason);
            bail!("{} with serial {} is revoked already ({reason})", issued.subject, issued.serial);
        }
        Ok(left)
    }

    fn meant(&self, what: &str, now: SystemTime) -> anyhow::Result<Vec<Issued>> {
        let register = self.store()?.certificates()?;
        let of_serial = |serial: &str| register.iter().find(|issued| issued.serial == serial).cloned();
        if self.identity_folder(what).join("chain.pem").exists() {
            let facts = self.named(what)?;
            self.adopt(&[(what.to_owned(), facts.clone())], now)?;
            let all = self.store()?.certificates()?.into_iter();
            let held: Vec<Issued> =
                all.filter(|issued| issued.identity == what && issued.until_ms > millis(now)).collect();
            ensure!(
                !held.is_empty(),
                "the certificate of {what} was issued by `{}`: only that authority can revoke it",
                facts.issuer
            );
            return Ok(held);
        }
        if Path::new(what).is_file() {
            let text = std::fs::read_to_string(what).with_context(|| format!("cannot read {what}"))?;
            let der = trust::certificates_der(&text)?.into_iter().next();
            let facts =
                CertificateFacts::from_der(&der.with_context(|| format!("{what} holds no certificate in PEM"))?)?;
            self.adopt(&[(String::new(), facts.clone())], now)?;
            let meant = self.store()?.certificates()?.into_iter().find(|issued| issued.serial == facts.serial);
            return meant.map(|one| vec![one]).with_context(|| {
                format!("{what} was issued by `{}`, not by this CA: only that authority can revoke it", facts.issuer)
            });
        }
        let named: Vec<&Issued> = register.iter().filter(|issued| common_name(&issued.subject) == Some(what)).collect();
        match named.as_slice() {
            [one] => return Ok(vec![(*one).clone()]),
            [] => {}
            several => {
                let serials: Vec<&str> = several.iter().map(|issued| issued.serial.as_str()).collect();
                bail!("{} certificates name {what}: say which by its serial ({})", several.len(), serials.join(", "));
            }
        }
        let found = trust::serial_of(what).ok().and_then(|serial| of_serial(&serial));
        found.map(|one| vec![one]).with_context(|| {
            format!(
                "`{what}` is no identity here, no name or serial of a certificate that this CA has issued, and no file: `ringfence cert list --all` lists them"
            )
        })
    }

    fn named(&self, identity: &str) -> anyhow::Result<CertificateFacts> {
        Ok(issuing::read_identity(&self.identity_folder(identity))?.facts().clone())
    }

    /// Makes the list anew, with the next number: the same entries, another three months.
    ///
    /// # Errors
    /// The CA's key is not here, or the register cannot be written.
    pub fn make_list(&self, now: SystemTime) -> anyhow::Result<RevocationList> {
        let _lock = self.lock()?;
        self.make_list_with(now, |_| Ok(()))
    }

    /// In one change of the register: what `change` does, the number, the list; then the file.
    pub(super) fn make_list_with(
        &self,
        now: SystemTime,
        change: impl FnOnce(&mut Store) -> Result<(), crate::Error>,
    ) -> anyhow::Result<RevocationList> {
        let authorities = self.authorities()?;
        let lists = self.store()?.together(|register| {
            change(register)?;
            let number = register.number_list(millis(now))?;
            let revoked: Vec<Revoked> = register.certificates()?.iter().filter_map(revoked).collect();
            // A serial number is one certificate's, whichever root issued it: each says all.
            let list = |ca: &trust::Ca| ca.revocation_list(number, now - super::CLOCK_SKEW, now + LIST_LIFE, &revoked);
            let lists: Result<Vec<RevocationList>, trust::Error> = authorities.iter().map(list).collect();
            let lists = lists
                .map_err(|error| crate::Error::Failed { doing: "sign a revocation list", why: error.to_string() })?;
            register.keep_list(number, &text(&lists))?;
            Ok(lists)
        })?;
        self.write_lists(&lists)?;
        lists.into_iter().next().context("there is no authority")
    }

    /// Takes a list that somebody handed: `true` if it is newer than the one here, which it then replaces. So are roots that
    /// the site's own vouches for ([`DataDir::handout`]).
    ///
    /// # Errors
    /// The site's own CA did not sign it.
    pub fn take_list(&self, pem: &str) -> anyhow::Result<bool> {
        let mut lists = RevocationList::read_all(pem.as_bytes())?;
        let _lock = self.lock()?;
        let more_roots = self.take_roots(pem)?;
        let roots = trust::certificates_der(&self.own_root_pem()?)?;
        let issuer = lists.first().map(|list| list.facts().issuer.clone()).unwrap_or_default();
        lists.retain(|list| roots.iter().any(|root| list.is_signed_by(root)));
        let number = lists.iter().map(|list| list.facts().number).min();
        let number = number.with_context(|| {
            format!("the revocation list of `{issuer}` is not signed by this site's own CA: it is not taken")
        })?;
        if self.revocation_list()?.is_some_and(|held| held.facts().number >= number) {
            return Ok(more_roots);
        }
        self.write_lists(&lists)?;
        Ok(true)
    }

    /// The list of what the site's own CA has revoked; `None` where none was made or handed yet.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn revocation_list(&self) -> anyhow::Result<Option<RevocationList>> {
        Ok(self.revocation_lists()?.into_iter().next())
    }

    /// One of each root that is about, the same in all but their signers.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn revocation_lists(&self) -> anyhow::Result<Vec<RevocationList>> {
        let file = self.list_file();
        if !file.exists() {
            return Ok(Vec::new());
        }
        let lists = RevocationList::read_all(self.read(&file)?.as_bytes());
        lists.with_context(|| format!("in {}", file.display()))
    }

    /// A crash between register and file: the register is right. Says what was done, if anything was.
    pub(super) fn restore_list(&self) -> anyhow::Result<Option<String>> {
        let Some(kept) = self.store()?.last_list()? else { return Ok(None) };
        let kept = RevocationList::read_all(kept.as_bytes())?;
        let number = kept.first().map_or(0, |list| list.facts().number);
        if self.revocation_list()?.is_some_and(|held| held.facts().number >= number) {
            return Ok(None);
        }
        self.write_lists(&kept)?;
        Ok(Some(format!("ca/crl.pem: revocation list {number} put back into its place")))
    }

    fn write_lists(&self, lists: &[RevocationList]) -> anyhow::Result<()> {
        let file = self.list_file();
        files::write_private(&file, text(lists).as_bytes()).with_context(|| format!("cannot write {}", file.display()))
    }

    pub(crate) fn list_file(&self) -> PathBuf {
        self.path().join("ca/crl.pem")
    }
}

fn text(lists: &[RevocationList]) -> String {
    lists.iter().map(RevocationList::pem).collect()
}

fn revoked(issued: &Issued) -> Option<Revoked> {
    let taken = issued.revoked.as_ref()?;
    let at = UNIX_EPOCH + Duration::from_millis(taken.at_ms);
    Some(Revoked { serial: issued.serial.clone(), at, reason: Reason::parse(&taken.reason).unwrap_or_default() })
}

/// Of a subject as RFC 4514 writes it; names with escapes are not found by it.
fn common_name(subject: &str) -> Option<&str> {
    subject.split(',').find_map(|part| part.strip_prefix("CN="))
}

pub(crate) fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}
