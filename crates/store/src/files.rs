//! Files that nobody else may read, and that are whole whenever they are there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const FILE: u32 = 0o600;
const FOLDER: u32 = 0o700;

/// Writes a file with permissions 0600: to a temporary name, to the disk, then renamed, so that after a crash there is
/// the old file or the new one and never a part. The folder must exist.
pub fn write_private(path: &Path, octets: &[u8]) -> io::Result<()> {
    let temporary = temporary(path)?;
    // One that a crash left behind is not ours to trust.
    remove(&temporary)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE).open(&temporary)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// Removes a file for good: it is not there after a power cut either.
pub(crate) fn remove_durably(path: &Path) -> io::Result<()> {
    remove(path)?;
    sync_parent(path)
}

/// A folder that appears with all its files in it or not at all.
pub(crate) fn create_folder_with(path: &Path, files: &[(&str, &str)]) -> io::Result<()> {
    let temporary = temporary(path)?;
    if temporary.exists() {
        fs::remove_dir_all(&temporary)?;
    }
    create_folder(&temporary)?;
    for (name, text) in files {
        write_private(&temporary.join(name), text.as_bytes())?;
    }
    fs::rename(&temporary, path)?;
    sync_parent(path)
}

/// A folder with permissions 0700, with those above it; one that is there is left as it is.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER).create(path)?;
    sync_parent(path)
}

/// An empty file with permissions 0600, unless it is there.
pub(crate) fn touch_private(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE).open(path) {
        Ok(_) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether group or others may read or write it.
pub(crate) fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

fn temporary(path: &Path) -> io::Result<std::path::PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{} names no file", path.display())))?;
    Ok(path.with_file_name(format!(".{}.new", name.to_string_lossy())))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A rename is durable when its folder is.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
