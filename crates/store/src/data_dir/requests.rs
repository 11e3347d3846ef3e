//! Identities that another authority vouches for: a key and a request that leave nothing but the request, and the chain
//! that comes back. `requests/NAME/key.pem` waits for it.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use trust::{CertificateFacts, KeyKind, generate_key};

use super::issuing::{ADMIN, complete, read_identity, replace_identity};
use super::revoking::millis;
use super::{DataDir, private};
use crate::{Change, files};

impl DataDir {
    /// A request (PKCS #10, PEM) for a certificate of this identity, with a new key that waits here for its certificate.
    /// A request that was made before is void from now on.
    ///
    /// # Errors
    /// The site has no such identity, or the key cannot be kept.
    pub fn signing_request(&self, identity: &str, kind: KeyKind, now: SystemTime) -> anyhow::Result<String> {
        let site = self.site()?;
        let request = self.request(&site, identity, now)?;
        let _lock = self.lock()?;
        let (key, _) = generate_key(kind)?;
        let text = trust::signing_request(&site.name, &request, &key)?;
        let folder = self.requests_folder(identity);
        files::create_folder(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        files::write_private(&folder.join("key.pem"), key.as_bytes())?;
        Ok(text)
    }

    /// Signs such a request of an identity of the site with its own CA: what comes back to where the key is. The request's
    /// own names are not looked at; the site says them.
    ///
    /// # Errors
    /// The site has no such identity, it is no request, or the CA's key is not here.
    pub fn sign_request(&self, identity: &str, csr: &str, now: SystemTime) -> anyhow::Result<String> {
        let request = self.request(&self.site()?, identity, now)?;
        let _lock = self.lock()?;
        let ca = self.ca()?;
        self.enter(identity, now, || {
            let chain = ca.issue_for(csr, &request)?;
            let der = trust::certificates_der(&chain)?.into_iter().next().unwrap_or_default();
            Ok((chain, CertificateFacts::from_der(&der)?))
        })
    }

    /// A certificate that a trustpoint signs itself, in force at once: for a peer that is given it and knows no authority.
    ///
    /// # Errors
    /// The site has no such identity, or it is one that the site's own nodes believe, who go by the site's CA alone.
    pub fn self_sign(&self, identity: &str, kind: KeyKind, now: SystemTime) -> anyhow::Result<CertificateFacts> {
        let site = self.site()?;
        let request = trust::Request { key: kind, ..self.request(&site, identity, now)? };
        let _lock = self.lock()?;
        let folder = self.folder_in_force(identity)?;
        let made = trust::self_signed(&site.name, &request, false)?;
        self.serves_its_peers(identity, &made, now)?;
        replace_identity(&folder, &made)?;
        let facts = made.facts().clone();
        self.say(&format!("certificate of {identity} signed by itself: {}", facts.serial), now)?;
        Ok(facts)
    }

    fn folder_in_force(&self, identity: &str) -> anyhow::Result<PathBuf> {
        let folder = self.identity_folder(identity);
        ensure!(
            folder.exists(),
            "{identity} has no identity in {} yet: run `ringfence init SITE`",
            self.path().display()
        );
        complete(&folder)?;
        Ok(folder)
    }

    fn say(&self, what: &str, now: SystemTime) -> anyhow::Result<()> {
        let (who, source) = ("local".into(), "command line".into());
        let change = Change { at_ms: millis(now), who, source, what: what.into(), detail: "{}".into() };
        Ok(self.store()?.add_change(&change)?)
    }

    /// Puts a chain that an authority issued into force: for the key that waits for it, or the one in force. Nothing has
    /// changed if this fails.
    ///
    /// # Errors
    /// What is wrong with the chain, and what to do about it.
    pub fn import(&self, identity: &str, chain: &str, now: SystemTime) -> anyhow::Result<CertificateFacts> {
        let site = self.site()?;
        let request = self.request(&site, identity, now)?;
        let _lock = self.lock()?;
        let folder = self.folder_in_force(identity)?;
        let waiting = self.requests_folder(identity).join("key.pem");
        let key = match waiting.exists() {
            true => {
                private(&waiting)?;
                self.read(&waiting)?
            }
            false => read_identity(&folder)?.key_pem(),
        };
        let names: Vec<String> = request
            .dns_names
            .iter()
            .chain(&request.uris)
            .cloned()
            .chain(request.ip_addresses.iter().map(ToString::to_string))
            .collect();
        let facts = self.put_in_force(identity, chain, &key, &names, now)?;
        if waiting.exists() {
            fs::remove_dir_all(self.requests_folder(identity))
                .context("the request is fulfilled and cannot be removed")?;
        }
        Ok(facts)
    }

    /// A chain for this key and one of these names, judged first. Under the lock.
    pub(super) fn put_in_force(
        &self,
        identity: &str,
        chain: &str,
        key: &str,
        names: &[String],
        now: SystemTime,
    ) -> anyhow::Result<CertificateFacts> {
        let folder = self.folder_in_force(identity)?;
        let imported = trust::import(chain, key, names, &self.roots_pem()?, now)?;
        self.serves_its_peers(identity, &imported, now)?;
        replace_identity(&folder, &imported)?;
        let facts = imported.facts().clone();
        self.say(&format!("certificate of {identity} imported: {} by {}", facts.serial, facts.issuer), now)?;
        Ok(facts)
    }

    /// Nodes of the site, statements and the control link believe the site's own CA and nobody else, so an identity of
    /// another authority is for a trustpoint: what is shown to that authority's peers.
    fn serves_its_peers(&self, identity: &str, imported: &trust::Identity, now: SystemTime) -> anyhow::Result<()> {
        let own = trust::certificates_der(&self.own_root_pem()?)?;
        let by_us = trust::verify_chain(&imported.chain_der(), &own, now).is_ok();
        ensure!(
            by_us || (identity.contains('@') && identity != ADMIN),
            "{} was issued by `{}`. What {identity} shows to the site's own nodes, and signs calls with, must be of the \
             site's own CA: give the node a trustpoint for that authority's peers (`trustpoint = [{{ name = \"carrier\" }}]`, \
             `crypto_signaling` with their addresses), run `ringfence init SITE`, and import it as `{identity}@carrier`",
            imported.facts().subject,
            imported.facts().issuer
        );
        Ok(())
    }

    fn requests_folder(&self, identity: &str) -> PathBuf {
        self.path().join("requests").join(identity)
    }
}
