//! Where the key of the site's own CA is: `ca/root.key`, or a token that `ca/root.pkcs11` says how to reach. An exported
//! directory has neither.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use site::{Pkcs11, Site};
use trust::Ca;

use super::{DataDir, private};
use crate::files;
use crate::pkcs11::{self, Token};

impl DataDir {
    /// The private CA.
    ///
    /// # Errors
    /// An exported directory has no CA key; a token is not there, or does not take its PIN.
    pub fn ca(&self) -> anyhow::Result<Ca> {
        let ca = match self.successor(&self.issuer_file())? {
            Some(ca) => ca,
            None => self.first_ca()?,
        };
        Ok(ca.answering_at(self.asked_at()))
    }

    /// The one that `ca/root.pem` has first.
    pub(super) fn first_ca(&self) -> anyhow::Result<Ca> {
        let first = trust::certificates_der(&self.own_root_pem()?)?.into_iter().next();
        let first = trust::certificate_pem(&first.context("ca/root.pem holds no certificate")?);
        if let Some(named) = self.token_named()? {
            let key = Token::open(&named, self.path()).and_then(|token| token.key(&named.key));
            let key = key.context("the CA's key is in a PKCS #11 token")?;
            return Ok(Ca::by(&first, pkcs11::shared(key))?);
        }
        let key = self.key_file();
        ensure!(
            key.exists(),
            "{} has no CA key (it was exported for nodes only): issue certificates where `ringfence init` was run",
            self.path().display()
        );
        private(&key)?;
        Ok(Ca::from_pem(&first, &self.read(&key)?)?)
    }

    /// Whether the CA's key is here, or in a token of this host's.
    pub fn has_ca_key(&self) -> bool {
        self.key_file().exists() || self.token_file().exists()
    }

    /// Where the CA's key is, in words; nobody is logged in for it.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn ca_key_place(&self) -> anyhow::Result<String> {
        Ok(match self.token_named()? {
            Some(Pkcs11 { module, token, slot, key, .. }) => {
                let token = token.map_or_else(
                    || format!("the token in slot {}", slot.unwrap_or_default()),
                    |label| format!("token `{label}`"),
                );
                format!("`{key}` in {token} of {module}, which it never leaves")
            }
            None if self.key_file().exists() => self.key_file().display().to_string(),
            None => "not here: this directory was exported for nodes only".to_owned(),
        })
    }

    /// The root, made where the site says.
    pub(super) fn init_root(&self, site: &Site, now: SystemTime, made: &mut Vec<String>) -> anyhow::Result<Ca> {
        let folder = self.path().join("ca");
        if folder.exists() {
            self.keep_token(site)?;
            return self.ca();
        }
        let ca = match &site.ca.pkcs11 {
            None => {
                let ca = Ca::create(&site.name, now)?;
                let key = ca.key_pem().unwrap_or_default().to_owned();
                files::create_folder_with(&folder, &[("root.pem", ca.certificate_pem()), ("root.key", &key)])?;
                ca
            }
            Some(named) => {
                let token = Token::open(named, self.path())?;
                let place = token.name().to_owned();
                let ca = Ca::create_by(&site.name, now, pkcs11::shared(token.make(&named.key)?))?;
                let how = written(named)?;
                files::create_folder_with(&folder, &[("root.pem", ca.certificate_pem()), ("root.pkcs11", &how)])?;
                made.push(format!("ca: key `{}`, made in {place}, which it never leaves", named.key));
                ca
            }
        };
        made.push(format!("ca: {}", ca.facts().subject));
        Ok(ca)
    }

    /// A site that says otherwise how the token is reached counts from now on; it cannot move a key.
    ///
    /// # Errors
    /// The CA's key is in a file.
    pub(super) fn keep_token(&self, site: &Site) -> anyhow::Result<()> {
        let Some(named) = &site.ca.pkcs11 else { return Ok(()) };
        ensure!(
            !self.key_file().exists(),
            "the site names a token for the CA's key, and it is in {}: what was in a file could be anywhere, so it is not \
             brought into a token. Remove `[ca.pkcs11]`, or make a data directory anew",
            self.key_file().display()
        );
        if self.token_named()?.is_some_and(|held| held != *named) {
            files::write_private(&self.token_file(), written(named)?.as_bytes())?;
        }
        Ok(())
    }

    fn token_named(&self) -> anyhow::Result<Option<Pkcs11>> {
        let file = self.token_file();
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        };
        let read = toml_edit::de::from_str(&text);
        match read {
            Ok(named) => Ok(Some(named)),
            Err(error) => bail!("{} says nothing of a token: {error}", file.display()),
        }
    }

    fn key_file(&self) -> PathBuf {
        self.path().join("ca/root.key")
    }

    fn token_file(&self) -> PathBuf {
        self.path().join("ca/root.pkcs11")
    }
}

/// As `[ca.pkcs11]` has it.
fn written(named: &Pkcs11) -> anyhow::Result<String> {
    toml_edit::ser::to_string(named).context("how the token is reached cannot be written")
}
