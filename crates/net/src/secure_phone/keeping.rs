//! What a phone keeps over a power cut: its trust lists, its certificate and its key.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use phones::{Holding, Kind};

/// A folder.
#[derive(Clone, Debug)]
pub(super) struct Keeping(PathBuf);

/// A locally significant certificate (DER) and its key (PEM).
pub(super) struct Lsc {
    pub certificate: Vec<u8>,
    pub key: String,
}

impl Keeping {
    /// # Errors
    /// The folder cannot be made.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Keeping> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Keeping(folder.to_owned()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The lists as they were taken: what was trusted before the power cut is trusted after it.
    ///
    /// # Errors
    /// One of them was changed since.
    pub(super) fn lists(&self) -> anyhow::Result<Holding> {
        let mut holding = Holding::default();
        for kind in [Kind::Itl, Kind::Ctl] {
            let file = self.file(kind.file_name());
            if let Ok(octets) = fs::read(&file) {
                holding.offer(&octets).with_context(|| format!("{} is not what was kept there", file.display()))?;
            }
        }
        Ok(holding)
    }

    /// # Errors
    /// The folder cannot be written.
    pub(super) fn keep_list(&self, kind: Kind, octets: &[u8]) -> anyhow::Result<()> {
        Ok(store::write_private(&self.file(kind.file_name()), octets)?)
    }

    /// # Errors
    /// There is a certificate, but no key.
    pub(super) fn lsc(&self) -> anyhow::Result<Option<Lsc>> {
        let Ok(pem) = fs::read_to_string(self.file("chain.pem")) else { return Ok(None) };
        let certificate = trust::certificates_der(&pem)?.into_iter().next();
        let file = self.file("key.pem");
        let key = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(certificate.map(|certificate| Lsc { certificate, key }))
    }

    /// The key first: a certificate without one would be no use.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn keep_lsc(&self, lsc: &Lsc) -> anyhow::Result<()> {
        store::write_private(&self.file("key.pem"), lsc.key.as_bytes())?;
        Ok(store::write_private(&self.file("chain.pem"), trust::certificate_pem(&lsc.certificate).as_bytes())?)
    }
}
