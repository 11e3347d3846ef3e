//! A token's PIN: from a file or the environment, and which one was refused.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use cryptoki::types::AuthPin;
use site::Pkcs11;
use zeroize::Zeroizing;

use super::wanted;
use crate::files;

const ENVIRONMENT: &str = "RINGFENCE_PKCS11_PIN";

pub(super) struct Pin {
    pub(super) secret: AuthPin,
    /// Where it is from, in words.
    pub(super) source: String,
    /// What tells this one from one that is put there later, without a trace of it.
    mark: String,
    /// Remembers the mark of one that was refused.
    refused: PathBuf,
}

/// While one process tries a PIN no other does: each would try the wrong one once, and a few of those lock the token. The
/// folder itself is what is locked, until this is dropped; its file `lock` may be held by who asks.
///
/// # Errors
/// It cannot be locked.
pub(super) fn alone(data: &Path) -> anyhow::Result<File> {
    let locked = File::open(data).and_then(|folder| folder.lock().map(|()| folder));
    locked.with_context(|| format!("cannot lock {}", data.display()))
}

impl Pin {
    /// # Errors
    /// There is none, or others on this host may read it.
    pub(super) fn read(named: &Pkcs11, data: &Path) -> anyhow::Result<Pin> {
        let refused = data.join("pin.refused");
        // Another token may take what this one refused.
        let token = wanted(named);
        let Some(file) = &named.pin_file else {
            let text = std::env::var(ENVIRONMENT).ok().filter(|text| !text.is_empty());
            let text = text.with_context(|| {
                format!("the token's PIN is nowhere: write `pin_file` in `[ca.pkcs11]`, or put it into {ENVIRONMENT}")
            })?;
            let (source, mark) = (ENVIRONMENT.to_owned(), format!("{token}, {ENVIRONMENT}"));
            return Ok(Pin { secret: AuthPin::from(text), source, mark, refused });
        };
        let path = data.join(file);
        let shown = path.display();
        let about = fs::metadata(&path).with_context(|| format!("pin_file: cannot read {shown}"))?;
        ensure!(
            !files::is_open_to_others(&path)?,
            "pin_file: others on this host may read {shown}: run `chmod 600 {shown}`, and change the PIN if they may have"
        );
        let text =
            fs::read_to_string(&path).map(Zeroizing::new).with_context(|| format!("pin_file: cannot read {shown}"))?;
        let first = text.lines().next().unwrap_or_default();
        ensure!(!first.is_empty(), "pin_file: the first line of {shown} is empty");
        let mark = format!("{token}, {shown} {} {}.{} {}", about.ino(), about.mtime(), about.mtime_nsec(), about.len());
        Ok(Pin { secret: AuthPin::from(first.to_owned()), source: shown.to_string(), mark, refused })
    }

    /// # Errors
    /// It is the one that the token refused.
    pub(super) fn was_not_refused(&self) -> anyhow::Result<()> {
        let marked = fs::read_to_string(&self.refused).unwrap_or_default();
        ensure!(
            marked.trim() != self.mark,
            "the token refused this PIN before, and a few wrong ones lock it: correct {}, {}",
            self.source,
            match self.source == ENVIRONMENT {
                true => format!("and remove {}", self.refused.display()),
                false => "then it is tried again".to_owned(),
            }
        );
        Ok(())
    }

    pub(super) fn was_refused(&self) -> anyhow::Result<()> {
        files::write_private(&self.refused, self.mark.as_bytes())
            .with_context(|| format!("cannot write {}", self.refused.display()))
    }

    pub(super) fn was_taken(&self) -> anyhow::Result<()> {
        match self.refused.exists() {
            true => Ok(files::remove_durably(&self.refused)?),
            false => Ok(()),
        }
    }
}
