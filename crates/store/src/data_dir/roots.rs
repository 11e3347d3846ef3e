//! The site's own roots: the one that issues, the one before it, the one after it.
//!
//! `ca/root.pem` has all that are believed, and `ca/root.key` belongs to the first of them. The root that follows it waits in
//! `ca/next.pem`, with its key and with what the first says of it (a cross certificate), and is believed from then on. Under
//! the name `ca/issuer.pem` it issues: whoever was given the first alone believes it by way of that word, which every chain
//! carries. When the first has ended, it takes its place. Each step is one file that changes its name or its content.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, ensure};
use trust::{Ca, CertificateFacts, RevocationList, Utc};

use super::renewing::{ANNOUNCED, seconds};
use super::{CLOCK_SKEW, DataDir, private};
use crate::files;

/// What became of the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootRenewed {
    /// Believed beside the one in force; issues from this moment (seconds since 1970).
    Announced(CertificateFacts, i64),
    /// It issues; the one before is believed until its end.
    Issues(CertificateFacts),
}

/// What is said of a root of the site's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootStanding {
    Issues,
    /// Is believed; the keys are elsewhere.
    Believed,
    /// Issues from this moment (seconds since 1970).
    Follows(i64),
    /// Is believed until its end.
    Went,
}

impl DataDir {
    /// All whose keys are here, the one that issues first: each says what is revoked.
    pub(super) fn authorities(&self) -> anyhow::Result<Vec<Ca>> {
        let mut all = vec![self.ca()?];
        if self.issuer_file().exists() {
            // One whose place is being taken has said its last.
            all.extend(self.first_ca().ok());
        }
        all.extend(self.successor(&self.next_file())?);
        Ok(all)
    }

    /// Key, certificate and the word of the root before, in one file.
    pub(super) fn successor(&self, file: &Path) -> anyhow::Result<Option<Ca>> {
        let Some(text) = read(file)? else { return Ok(None) };
        private(file)?;
        let at = text.find("-----BEGIN CERTIFICATE-----").with_context(|| format!("{} is cut", file.display()))?;
        let (key, chain) = text.split_at(at);
        let ders = trust::certificates_der(chain)?;
        let [own, cross] = ders.as_slice() else {
            anyhow::bail!("{}: expected a root and what the one before says of it", file.display())
        };
        let ca = Ca::from_pem(&trust::certificate_pem(own), key).with_context(|| format!("in {}", file.display()))?;
        Ok(Some(ca.below(trust::certificate_pem(cross))))
    }

    /// The site's own roots, and what each is now.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn own_roots(&self) -> anyhow::Result<Vec<(CertificateFacts, RootStanding)>> {
        let here = self.has_ca_key();
        let facts = trust::certificates_der(&self.own_root_pem()?)?;
        let facts: Vec<CertificateFacts> =
            facts.iter().map(|der| CertificateFacts::from_der(der)).collect::<Result<_, _>>()?;
        let issuer = match self.successor(&self.issuer_file())? {
            Some(issuer) => Some(issuer.facts().subject.clone()),
            None => facts.first().filter(|_| here).map(|first| first.subject.clone()),
        };
        let next = self.successor(&self.next_file())?.map(|ca| ca.facts().clone());
        let mut all = Vec::new();
        for facts in facts {
            let standing = match (&issuer, &next) {
                (Some(issuer), _) if *issuer == facts.subject => RootStanding::Issues,
                (_, Some(next)) if next.subject == facts.subject => RootStanding::Follows(from(next)),
                (Some(_), _) => RootStanding::Went,
                (None, _) => RootStanding::Believed,
            };
            all.push((facts, standing));
        }
        Ok(all)
    }

    /// As the root that issues is called; where no root's key is, the one that ends last.
    pub(super) fn own_subject(&self) -> anyhow::Result<String> {
        let all = self.own_roots()?;
        let issues = all.iter().find(|(_, standing)| *standing == RootStanding::Issues);
        let (root, _) = issues.or(all.iter().max_by_key(|(root, _)| root.not_after)).context("ca/root.pem is empty")?;
        Ok(root.subject.clone())
    }

    /// Whether a root of ours, this one or the one before, is called so.
    pub(super) fn is_own(&self, issuer: &str) -> anyhow::Result<bool> {
        Ok(self.own_roots()?.iter().any(|(root, _)| root.subject == issuer))
    }

    /// One step of the renewal of the root: it is believed beside the one in force, and a fortnight later it issues.
    /// `hurry`: it issues now.
    ///
    /// # Errors
    /// The one before the one in force has not ended: three at once would be one more than peers were told of. Or the CA's
    /// key is not here.
    pub fn renew_root(&self, now: SystemTime, hurry: bool) -> anyhow::Result<RootRenewed> {
        let _lock = self.lock()?;
        ensure!(self.has_ca_key(), "the CA's key is not here: renew the root where `ringfence init` was run");
        let next = match self.successor(&self.next_file())? {
            Some(next) => next,
            None => self.announce_root(now)?,
        };
        self.believe(&next)?;
        let facts = next.facts().clone();
        if !hurry && seconds(now) < from(&facts) {
            self.make_list_with(now, |_| Ok(()))?;
            return Ok(RootRenewed::Announced(facts.clone(), from(&facts)));
        }
        fs::rename(self.next_file(), self.issuer_file()).context("the root that follows cannot take over")?;
        fs::File::open(self.path().join("ca"))?.sync_all()?;
        self.make_list_with(now, |_| Ok(()))?;
        Ok(RootRenewed::Issues(facts))
    }

    fn announce_root(&self, now: SystemTime) -> anyhow::Result<Ca> {
        ensure!(
            self.path().join("ca/root.key").exists(),
            "the root's key is in a token, and this release makes no second one there: before `{}` ends, make a data directory anew",
            self.first_root()?.subject
        );
        let first = self.first_ca()?;
        ensure!(
            !self.issuer_file().exists(),
            "the root before this one, `{}`, is believed until {}: renew the root after that",
            first.facts().subject,
            date(first.facts().not_after)
        );
        let (next, cross) = first.successor(now)?;
        let key = next.key_pem().context("a root that was made has its key")?;
        let text = format!("{key}{}{cross}", next.certificate_pem());
        files::write_private(&self.next_file(), text.as_bytes()).context("the root that follows cannot be kept")?;
        Ok(next.below(cross))
    }

    /// Among the roots that are believed, if it is not.
    fn believe(&self, root: &Ca) -> anyhow::Result<()> {
        let text = self.own_root_pem()?;
        let known = trust::certificates_der(&text)?;
        let own = trust::certificates_der(root.certificate_pem())?;
        if own.iter().all(|der| known.contains(der)) {
            return Ok(());
        }
        Ok(files::write_private(&self.root_file(), format!("{text}{}", root.certificate_pem()).as_bytes())?)
    }

    /// Whether [`DataDir::tend_root`] has anything to do.
    pub(super) fn is_root_due(&self, now: SystemTime) -> anyhow::Result<bool> {
        if !self.has_ca_key() {
            return Ok(false);
        }
        let believed = trust::certificates_der(&self.own_root_pem()?)?;
        if let Some(next) = self.successor(&self.next_file())? {
            let own = trust::certificates_der(next.certificate_pem())?;
            return Ok(seconds(now) >= from(next.facts()) || own.iter().any(|der| !believed.contains(der)));
        }
        if let Some(issuer) = self.successor(&self.issuer_file())? {
            // One that is in the first place already was broken off in taking it.
            let first = CertificateFacts::from_der(believed.first().context("ca/root.pem is empty")?)?;
            return Ok(seconds(now) > first.not_after || first.fingerprint == issuer.facts().fingerprint);
        }
        Ok(seconds(now) >= self.first_root()?.due())
    }

    fn first_root(&self) -> anyhow::Result<CertificateFacts> {
        let first = trust::certificates_der(&self.own_root_pem()?)?.into_iter().next();
        Ok(CertificateFacts::from_der(&first.context("ca/root.pem is empty")?)?)
    }

    /// The lock is held by who calls. Says what was done.
    pub(super) fn tend_root(&self, now: SystemTime) -> anyhow::Result<Option<String>> {
        if !self.is_root_due(now)? {
            return Ok(None);
        }
        if let Some(issuer) = self.successor(&self.issuer_file())? {
            self.retire_root(&issuer, now)?;
            return Ok(Some(format!("the root before `{}` has ended and is believed no more", issuer.facts().subject)));
        }
        let next = match self.successor(&self.next_file())? {
            Some(next) => next,
            None => self.announce_root(now)?,
        };
        self.believe(&next)?;
        let issues = seconds(now) >= from(next.facts());
        let (subject, until) = (next.facts().subject.clone(), date(next.facts().not_after));
        if issues {
            fs::rename(self.next_file(), self.issuer_file()).context("the root that follows cannot take over")?;
        }
        self.make_list_with(now, |_| Ok(()))?;
        Ok(Some(match issues {
            true => format!("root `{subject}` issues from now on, until {until}"),
            false => format!("root `{subject}` is believed from now on, and issues from {}", date(from(next.facts()))),
        }))
    }

    /// It takes the place of the one that has ended. The file that has all of it goes last.
    fn retire_root(&self, issuer: &Ca, now: SystemTime) -> anyhow::Result<()> {
        files::write_private(&self.root_file(), issuer.certificate_pem().as_bytes())?;
        let key = issuer.key_pem().context("ca/issuer.pem has no key")?;
        files::write_private(&self.path().join("ca/root.key"), key.as_bytes())?;
        files::remove_durably(&self.issuer_file())?;
        self.make_list_with(now, |_| Ok(()))?;
        Ok(())
    }

    /// What directories elsewhere take ([`DataDir::take_list`]): the lists of what is revoked, and the root that follows with
    /// the word of the one before.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn handout(&self) -> anyhow::Result<String> {
        let mut text: String = self.revocation_lists()?.iter().map(RevocationList::pem).collect();
        for file in [self.next_file(), self.issuer_file()] {
            if let Some(ca) = self.successor(&file)? {
                text.push_str(ca.certificate_pem());
                text.push_str(ca.above());
            }
        }
        Ok(text)
    }

    /// Roots in what was handed that a root which is believed vouches for are believed, too. The lock is held by who calls.
    pub(super) fn take_roots(&self, handed: &str) -> anyhow::Result<bool> {
        let ders = trust::certificates_der(handed)?;
        let text = self.own_root_pem()?;
        let known = trust::certificates_der(&text)?;
        let mut added = String::new();
        for root in ders.iter().filter(|der| !known.contains(der)) {
            if known.iter().any(|old| trust::vouches_for(old, &ders, root)) {
                added.push_str(&trust::certificate_pem(root));
            }
        }
        if added.is_empty() {
            return Ok(false);
        }
        files::write_private(&self.root_file(), format!("{text}{added}").as_bytes())?;
        Ok(true)
    }

    fn next_file(&self) -> PathBuf {
        self.path().join("ca/next.pem")
    }

    pub(super) fn issuer_file(&self) -> PathBuf {
        self.path().join("ca/issuer.pem")
    }
}

fn read(file: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// When a root that was announced as it was made issues.
fn from(facts: &CertificateFacts) -> i64 {
    facts.not_before + (CLOCK_SKEW + ANNOUNCED).as_secs() as i64
}

/// The day, in UTC.
fn date(at: i64) -> String {
    let Utc { year, month, day, .. } = Utc::of(at.max(0).unsigned_abs());
    format!("{year:04}-{month:02}-{day:02}")
}
