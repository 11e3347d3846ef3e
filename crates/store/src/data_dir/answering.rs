//! OCSP for certificates of the site's own CA: the key in `ca/ocsp` that answers in the CA's name, what the register lets it
//! say, and what our servers staple (`staple.der` beside an identity).
//!
//! The CA's key signs once in twenty days, for that key; whoever asks costs it nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use site::Site;
use trust::ocsp::{self, DELEGATE_LIFE, Responder, Status};
use trust::{CertificateFacts, Identity, RevocationList};

use super::issuing::{complete, read_identity, replace_identity};
use super::renewing::{Tended, seconds};
use super::{CLOCK_SKEW, DataDir};
use crate::{Issued, files};

/// How long an answer counts, served or stapled: whoever holds one learns of a revocation that much later at most.
pub const ANSWER_LIFE: Duration = Duration::from_secs(3 * 24 * 3600);

impl DataDir {
    /// Who answers about certificates of the site's own CA; `None` where the site has none, or its key is elsewhere.
    ///
    /// # Errors
    /// It cannot be read, or the CA did not charge it.
    pub fn responder(&self, now: SystemTime) -> anyhow::Result<Option<Responder>> {
        let folder = self.responder_folder();
        if !folder.exists() {
            return Ok(None);
        }
        // Of the roots the one that issues: certificates of the one before are renewed as it goes.
        let own = self.own_subject()?;
        let is_it = |der: &Vec<u8>| CertificateFacts::from_der(der).is_ok_and(|root| root.subject == own);
        let root = trust::certificates_der(&self.own_root_pem()?)?.into_iter().find(is_it).unwrap_or_default();
        let responder = Responder::new(read_identity(&folder)?, &root, seconds(now));
        Ok(Some(responder.with_context(|| format!("in {}", folder.display()))?))
    }

    /// What the register says of each certificate that was issued, by its serial number.
    ///
    /// # Errors
    /// The disk's.
    pub fn statuses(&self) -> anyhow::Result<BTreeMap<String, Status>> {
        Ok(self.store()?.certificates()?.iter().map(|issued| (issued.serial.clone(), status(issued))).collect())
    }

    /// An identity with what is stapled to it, where there is anything: for those who read it again.
    ///
    /// # Errors
    /// As [`DataDir::identity`].
    pub fn shown(&self, name: &str) -> anyhow::Result<Identity> {
        let (identity, file) = (self.identity(name)?, self.identity_folder(name).join("staple.der"));
        match fs::read(&file) {
            Ok(answer) => Ok(identity.stapling(answer)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(identity),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// Whether [`DataDir::tend_answers`] has anything to do.
    pub(super) fn is_answering_due(&self, site: &Site, now: SystemTime) -> anyhow::Result<bool> {
        if !self.has_ca_key() {
            return Ok(false);
        }
        if site.ocsp.is_some() && self.is_delegate_due(now)? {
            return Ok(true);
        }
        let (own, list) = (self.own_subject()?, self.revocation_list()?);
        for name in self.identity_names()? {
            let folder = self.identity_folder(&name);
            let taken = site.ocsp.is_none() || is_taken(&read_identity(&folder)?, list.as_ref());
            if is_staple_due(&folder, &read_identity(&folder)?, &own, taken, now)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Under the lock: the key that answers, and what our servers staple, each made anew ahead of its end.
    pub(super) fn tend_answers(&self, site: &Site, now: SystemTime, tended: &mut Tended) -> anyhow::Result<()> {
        if !self.is_answering_due(site, now)? {
            return Ok(());
        }
        let responder = match site.ocsp {
            Some(_) => {
                // The token that signs may be away.
                if let Err(error) = self.tend_delegate(now, tended) {
                    tended.warnings.push(format!("ca/ocsp: the key that answers is due and cannot be made: {error:#}"));
                }
                self.responder(now).unwrap_or_default()
            }
            None => None,
        };
        let (statuses, own, list) = (self.statuses()?, self.own_subject()?, self.revocation_list()?);
        let (made, until) = (seconds(now - CLOCK_SKEW), seconds(now + ANSWER_LIFE));
        for name in self.identity_names()? {
            let folder = self.identity_folder(&name);
            let identity = read_identity(&folder)?;
            let taken = responder.is_none() || identity.facts().issuer != own || is_taken(&identity, list.as_ref());
            if !is_staple_due(&folder, &identity, &own, taken, now)? {
                continue;
            }
            let file = folder.join("staple.der");
            let leaf = identity.chain_der().into_iter().next().unwrap_or_default();
            let answer = match (&responder, statuses.get(&identity.facts().serial)) {
                (Some(responder), Some(status @ Status::Good)) if !taken => {
                    responder.staple(&leaf, status, made, until).ok()
                }
                // One that says "revoked" convinces nobody whom the list does not.
                _ => None,
            };
            let what = match answer {
                Some(answer) => {
                    files::write_private(&file, &answer).with_context(|| format!("cannot write {}", file.display()))?;
                    "made anew"
                }
                None if file.exists() => {
                    files::remove_durably(&file)?;
                    "taken away"
                }
                None => continue,
            };
            tended.done.push(format!("{name}: what it staples (OCSP) {what}"));
        }
        Ok(())
    }

    fn tend_delegate(&self, now: SystemTime, tended: &mut Tended) -> anyhow::Result<()> {
        let folder = self.responder_folder();
        if folder.exists() {
            complete(&folder)?;
        }
        if !self.is_delegate_due(now)? {
            return Ok(());
        }
        let ca = self.ca()?;
        let delegate = self.enter("", now, || {
            let made = ca.issue_responder(now - CLOCK_SKEW, now + DELEGATE_LIFE)?;
            let facts = made.facts().clone();
            Ok((made, facts))
        })?;
        match folder.exists() {
            true => replace_identity(&folder, &delegate)?,
            false => files::create_folder_with(
                &folder,
                &[("chain.pem", &delegate.chain_pem()), ("key.pem", &delegate.key_pem())],
            )?,
        }
        tended.done.push(format!("ca/ocsp: a key that answers for the CA, certificate {}", delegate.facts().serial));
        Ok(())
    }

    fn is_delegate_due(&self, now: SystemTime) -> anyhow::Result<bool> {
        let folder = self.responder_folder();
        if !folder.exists() {
            return Ok(true);
        }
        let facts = read_identity(&folder)?.facts().clone();
        let of_ours = self.own_subject()? == facts.issuer;
        let revoked = self.revocation_list()?.is_some_and(|list| list.says_of(&facts).is_some());
        Ok(!of_ours || revoked || seconds(now) >= facts.due())
    }

    fn responder_folder(&self) -> PathBuf {
        self.path().join("ca/ocsp")
    }

    /// What new certificates say of where to ask; a site that is not in force yet says it by `init`.
    pub(super) fn asked_at(&self) -> Option<String> {
        let said = || self.site().ok()?.ocsp?.url;
        self.asked_at.clone().or_else(said)
    }
}

fn status(issued: &Issued) -> Status {
    match &issued.revoked {
        None => Status::Good,
        Some(taken) => {
            let reason = trust::Reason::parse(&taken.reason).unwrap_or_default();
            Status::Revoked { at: i64::try_from(taken.at_ms / 1000).unwrap_or(i64::MAX), reason: reason.number() }
        }
    }
}

fn is_taken(identity: &Identity, list: Option<&RevocationList>) -> bool {
    list.is_some_and(|list| list.says_of(identity.facts()).is_some())
}

/// Half of its time is over, it is about another certificate; or there is none yet. `never`: there shall be none. Of others'
/// certificates, and of those of a root that went, only their authority can make one: what is left of before goes.
fn is_staple_due(folder: &Path, identity: &Identity, own: &str, never: bool, now: SystemTime) -> anyhow::Result<bool> {
    let file = folder.join("staple.der");
    if identity.facts().issuer != own {
        return Ok(file.exists());
    }
    if never || !file.exists() {
        return Ok(never == file.exists());
    }
    let leaf = identity.chain_der().into_iter().next().unwrap_or_default();
    let held = ocsp::said(&fs::read(&file)?, &leaf);
    // Some days in seconds.
    let half = (ANSWER_LIFE.as_secs() / 2) as i64;
    Ok(held.is_none_or(|answer| answer.until - seconds(now) < half))
}
