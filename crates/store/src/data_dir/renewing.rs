//! Renewal: identities and the revocation list are made anew ahead of time, by whichever process has the CA's key.
//!
//! An identity is due at two thirds of its life. The one before stays good until its own end, so that peers and calls
//! that know it are not cut. A call manager's phones hold its certificate itself in their lists: its next identity is
//! announced there first, and taken two weeks later.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use site::{Node, Role, Site};
use trust::{CertificateFacts, Identity, Utc};

use super::issuing::{ADMIN, complete, identities_of, read_identity, replace_identity};
use super::revoking::{LIST_LIFE, millis};
use super::roots::RootStanding;
use super::{CLOCK_SKEW, DataDir};
use crate::{Change, files};

/// How long phones have to fetch the lists that announce a call manager's next identity.
pub(super) const ANNOUNCED: Duration = Duration::from_secs(14 * 24 * 3600);

/// What came of a renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// In force: whoever connects from now on meets it.
    Taken(CertificateFacts),
    /// In the lists of the call manager's phones; in force from this moment (seconds since 1970).
    Announced(CertificateFacts, i64),
}

/// What [`DataDir::tend`] found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tended {
    /// What was made anew, in words: running nodes must read it.
    pub done: Vec<String>,
    /// What ends and nobody here can renew, or not now.
    pub warnings: Vec<String>,
}

impl DataDir {
    /// Makes everything anew whose time has come; costs a few small files where nothing has. Call it often.
    ///
    /// # Errors
    /// The directory cannot be read or written.
    pub fn tend(&self, now: SystemTime) -> anyhow::Result<Tended> {
        let site = self.site()?;
        let mut tended = Tended::default();
        let here = self.has_ca_key();
        if !self.is_anything_due(&site, now)? && !self.is_answering_due(&site, now)? {
            return Ok(tended);
        }
        // Another process of this directory may have done it meanwhile: everything is looked at again under the lock.
        let _lock = self.lock()?;
        match self.tend_root(now) {
            Ok(done) => tended.done.extend(done),
            Err(error) => tended.warnings.push(format!("the site's root is due and cannot be renewed: {error:#}")),
        }
        // The token that signs may be away: what needs no signature is done all the same.
        if let Err(error) = self.tend_list(here, now, &mut tended) {
            tended
                .warnings
                .push(format!("the list of what the site's CA revoked is due and cannot be made: {error:#}"));
        }
        let register = if here { self.store()?.certificates()? } else { Vec::new() };
        let own = self.own_roots()?;
        let last = own.iter().map(|(root, _)| root).max_by_key(|root| root.not_after);
        if let Some(last) = last.filter(|root| !here && seconds(now) >= root.due()) {
            tended.warnings.push(format!(
                "the site's root `{}` ends on {}, and no other is known here: run `ringfence cert crl` where the CA's key is, which hands out the one that follows it",
                last.subject,
                date(last.not_after)
            ));
        }
        for name in self.identity_names()? {
            let folder = self.identity_folder(&name);
            complete(&folder)?;
            self.drop_revoked_next(&name)?;
            let facts = read_identity(&folder)?.facts().clone();
            if let Some((next, from)) = self.next_identity(&name)?
                && (seconds(now) >= from || seconds(now) + DAY >= facts.not_after)
            {
                self.take_next(&name, &next)?;
                tended.done.push(format!(
                    "{name}: the certificate that was announced is in force, until {}",
                    date(next.facts().not_after)
                ));
                continue;
            }
            let known = name == ADMIN || site.nodes.iter().flat_map(identities_of).any(|other| other == name);
            let moves = known && is_of_root_before(&own, &facts);
            if (seconds(now) < facts.due() && !moves) || self.next_identity(&name)?.is_some() {
                continue;
            }
            let until = date(facts.not_after);
            let foreign = own.iter().all(|(root, _)| root.subject != facts.issuer);
            let taken = register.iter().any(|issued| issued.serial == facts.serial && issued.revoked.is_some());
            let known = name == ADMIN || site.nodes.iter().flat_map(identities_of).any(|other| other == name);
            if let Some((_, acme)) = site.acme_of(&name).filter(|_| foreign) {
                // Ordered by itself while the process runs; each order that fails is said as it does.
                let failed = self.acme_orders(&name)?.failed;
                if failed > 1 {
                    tended.warnings.push(format!(
                        "{name}: the certificate ends on {until}, and orders of another at {} fail: run `ringfence cert acme {name}`, which says why",
                        acme.directory
                    ));
                }
            } else if facts.issuer == facts.subject {
                tended.warnings.push(format!(
                    "{name}: the certificate ends on {until}, and {name} signed it itself: run `ringfence cert self-sign {name}`, and give the new one to those who have the old one",
                ));
            } else if foreign {
                tended.warnings.push(format!(
                    "{name}: the certificate ends on {until}, and `{}` issued it: run `ringfence cert csr {name}`, have it signed, then `ringfence cert import {name} FILE`",
                    facts.issuer
                ));
            } else if taken {
                tended.warnings.push(format!("{name}: the certificate is revoked and not renewed by itself: run `ringfence cert renew {name}` if the node is to come back"));
            } else if !here {
                tended.warnings.push(format!(
                    "{name}: the certificate ends on {until}, and the CA's key is not here: run `ringfence cert renew {name}` where it is, and `ringfence data export` again"
                ));
            } else if known {
                match self.renew_locked(&site, &name, now, false) {
                    Ok(Renewed::Taken(facts)) => {
                        tended.done.push(format!("{name}: renewed, until {}", date(facts.not_after)));
                    }
                    Ok(Renewed::Announced(_, from)) => tended.done.push(format!(
                        "{name}: renewed; phones read of it in their lists, and it is in force from {}",
                        date(from)
                    )),
                    Err(error) => tended
                        .warnings
                        .push(format!("{name}: the certificate ends on {until} and cannot be renewed: {error:#}")),
                }
            }
        }
        // Last: it is about the identities that are in force now.
        self.tend_answers(&site, now, &mut tended)?;
        Ok(tended)
    }

    /// Without the lock and without writing: whether [`DataDir::tend`] has anything to do or to say.
    fn is_anything_due(&self, site: &Site, now: SystemTime) -> anyhow::Result<bool> {
        let at = seconds(now);
        let list = self.revocation_list()?;
        let list_due = match &list {
            Some(list) => at >= list.facts().next - self.list_left(),
            None => self.has_ca_key(),
        };
        if list_due || site.nodes.is_empty() {
            return Ok(list_due);
        }
        let own = self.own_roots()?;
        if self.is_root_due(now)? || (!self.has_ca_key() && own.iter().all(|(root, _)| at >= root.due())) {
            return Ok(true);
        }
        for name in self.identity_names()? {
            let folder = self.identity_folder(&name);
            let next = self.next_identity(&name)?;
            let facts = read_identity(&folder)?.facts().clone();
            let due = match next {
                Some((_, from)) => at >= from || at + DAY >= facts.not_after,
                None => at >= facts.due() || is_of_root_before(&own, &facts),
            };
            if due || folder.join("new.pem").exists() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How long before its end a list is made anew, or asked for: seconds.
    fn list_left(&self) -> i64 {
        let life = LIST_LIFE.as_secs() as i64;
        if self.has_ca_key() { life / 3 * 2 } else { life / 3 }
    }

    fn tend_list(&self, here: bool, now: SystemTime, tended: &mut Tended) -> anyhow::Result<()> {
        let held = self.revocation_list()?;
        if !here {
            if let Some(list) = held.filter(|list| seconds(now) >= list.facts().next - self.list_left()) {
                tended.warnings.push(format!(
                    "the list of what the site's CA revoked is due on {}, and after that no peer of it is let in: run `ringfence cert crl` where the CA's key is",
                    date(list.facts().next)
                ));
            }
            return Ok(());
        }
        tended.done.extend(self.restore_list()?);
        let held = self.revocation_list()?;
        if held.is_none_or(|list| seconds(now) >= list.facts().next - self.list_left()) {
            let list = self.make_list_with(now, |_| Ok(()))?;
            tended.done.push(format!(
                "revocation list {} made, good until {}",
                list.facts().number,
                date(list.facts().next)
            ));
        }
        Ok(())
    }

    /// A new key and certificate for an identity of the site. `hurry`: a call manager's is taken at once, whatever its
    /// phones hold.
    ///
    /// # Errors
    /// There is no such identity, it is another authority's by ACME, or the CA's key is not here.
    pub fn renew(&self, identity: &str, now: SystemTime, hurry: bool) -> anyhow::Result<Renewed> {
        let site = self.site()?;
        let _lock = self.lock()?;
        if let Some((_, acme)) = site.acme_of(identity) {
            let held = self.identity(identity)?.facts().issuer.clone();
            ensure!(
                self.is_own(&held)?,
                "the certificate of {identity} is `{held}`'s, ordered at {}, and its peers may know nobody else: run \
                 `ringfence cert acme {identity}`, or remove `acme` from the trustpoint first",
                acme.directory
            );
        }
        self.renew_locked(&site, identity, now, hurry)
    }

    fn renew_locked(&self, site: &Site, identity: &str, now: SystemTime, hurry: bool) -> anyhow::Result<Renewed> {
        let request = self.request(site, identity, now)?;
        let folder = self.identity_folder(identity);
        ensure!(
            folder.exists(),
            "{identity} has no identity in {} yet: run `ringfence init SITE`",
            self.path().display()
        );
        complete(&folder)?;
        self.drop_revoked_next(identity)?;
        let announced = self.next_identity(identity)?;
        let waits = !hurry && serves_phones(site, identity);
        if let (Some((next, from)), true) = (&announced, waits) {
            return Ok(Renewed::Announced(next.facts().clone(), *from));
        }
        let made = match &announced {
            Some((next, _)) => next.clone(),
            None => self.issue(identity, &request, now)?,
        };
        let facts = made.facts().clone();
        if waits {
            let files = [("chain.pem", made.chain_pem()), ("key.pem", made.key_pem())];
            let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
            files::create_folder_with(&folder.join("next"), &files).context("the next identity cannot be kept")?;
        } else if announced.is_some() {
            self.take_next(identity, &made)?;
        } else {
            replace_identity(&folder, &made)?;
        }
        let what = format!("certificate of {identity} renewed: {}", facts.serial);
        let (who, source) = ("local".into(), "renewal".into());
        self.store()?.add_change(&Change { at_ms: millis(now), who, source, what, detail: "{}".into() })?;
        Ok(if waits { Renewed::Announced(facts.clone(), from(&facts)) } else { Renewed::Taken(facts) })
    }

    /// The identity that a call manager's phones are told of and that is not in force yet, and from when it is.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn next_identity(&self, identity: &str) -> anyhow::Result<Option<(Identity, i64)>> {
        let folder = self.identity_folder(identity).join("next");
        if !folder.exists() {
            return Ok(None);
        }
        let next = read_identity(&folder)?;
        let from = from(next.facts());
        Ok(Some((next, from)))
    }

    fn take_next(&self, identity: &str, next: &Identity) -> anyhow::Result<()> {
        let folder = self.identity_folder(identity);
        replace_identity(&folder, next)?;
        self.drop_next(identity).context("the announced identity was taken and cannot be removed")
    }

    /// Away under its name at once: one that was removed in part could not be read, and nothing would renew any more.
    fn drop_next(&self, identity: &str) -> anyhow::Result<()> {
        let folder = self.identity_folder(identity);
        let gone = folder.join(".next.gone");
        if gone.exists() {
            fs::remove_dir_all(&gone)?;
        }
        fs::rename(folder.join("next"), &gone)?;
        Ok(fs::remove_dir_all(gone)?)
    }

    /// An identity that was announced and then revoked, as with the box that holds it, is never taken.
    pub(super) fn drop_revoked_next(&self, identity: &str) -> anyhow::Result<()> {
        let Some((next, _)) = self.next_identity(identity)? else { return Ok(()) };
        let register = if self.has_ca_key() { self.store()?.certificates()? } else { Vec::new() };
        let taken = register.iter().any(|issued| issued.serial == next.facts().serial && issued.revoked.is_some());
        let listed = self.revocation_lists()?.iter().any(|list| list.says_of(next.facts()).is_some());
        if taken || listed {
            self.drop_next(identity).context("the announced identity is revoked and cannot be removed")?;
        }
        Ok(())
    }
}

const DAY: i64 = 24 * 3600;

/// Another root issues now.
fn is_of_root_before(own: &[(CertificateFacts, RootStanding)], facts: &CertificateFacts) -> bool {
    own.iter().any(|(root, standing)| *standing == RootStanding::Went && root.subject == facts.issuer)
}

fn serves_phones(site: &Site, identity: &str) -> bool {
    let serves = |node: &Node| matches!(&node.role, Role::CallManager(manager) if manager.phone_services.is_some());
    site.node(identity).is_some_and(serves)
}

/// When an identity that was announced as it was made is taken.
fn from(facts: &CertificateFacts) -> i64 {
    facts.not_before + (CLOCK_SKEW + ANNOUNCED).as_secs() as i64
}

pub(super) fn seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// The day, in UTC.
fn date(at: i64) -> String {
    let Utc { year, month, day, .. } = Utc::of(at.max(0) as u64);
    format!("{year:04}-{month:02}-{day:02}")
}
