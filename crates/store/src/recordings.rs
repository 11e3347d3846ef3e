//! Recordings of calls: sealed files under `recordings/`, their store's key beside them, and no way to read one that the
//! audit does not see.
//!
//! ```text
//! DIR/recordings/key          32 octets: under it each recording's own key is sealed. Lose it, and they are lost
//! DIR/recordings/ID.sealed    one recording (`media::sealed`)
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use media::sealed::{self, Label, Opened, Secrets, StoreKey, Writer};
use zeroize::Zeroizing;

use crate::{Change, DataDir, Store, files};

const ENDING: &str = ".sealed";
/// Of a file, for its label: labels are smaller.
const FRONT: u64 = 1024;

/// Where a data directory's recordings are.
pub struct Recordings {
    folder: PathBuf,
    key: StoreKey,
}

/// One being written.
pub struct Recording {
    file: File,
    writer: Writer,
    sealed: Vec<u8>,
}

/// One that is there, as its label says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub label: Label,
    /// Of the file.
    pub octets: u64,
}

impl DataDir {
    /// The recordings of this data directory; its key is made at the first use.
    ///
    /// # Errors
    /// The folder cannot be made or read, or others on this host may read the key.
    pub fn recordings(&self) -> anyhow::Result<Recordings> {
        let folder = self.path().join("recordings");
        let file = folder.join("key");
        if !file.exists() {
            let _lock = self.lock()?;
            files::create_folder(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            if !file.exists() {
                let mut key = Zeroizing::new([0; 32]);
                random(&mut *key)?;
                files::write_private(&file, &*key).with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
        ensure!(
            !files::is_open_to_others(&file)?,
            "others on this host may read the key of all recordings, {}: run `chmod 600 {}`",
            file.display(),
            file.display()
        );
        let octets = Zeroizing::new(fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?);
        let key = octets.as_slice().try_into().ok().with_context(|| {
            format!(
                "{} is no key: expected 32 octets, found {}; restore it from a backup",
                file.display(),
                octets.len()
            )
        })?;
        Ok(Recordings { folder, key: StoreKey::new(key) })
    }
}

impl Recordings {
    /// Begins a recording: its file is there, without audio, when this returns.
    pub fn begin(&self, label: &Label) -> io::Result<Recording> {
        let mut secrets = Secrets { key: Zeroizing::new([0; 32]), nonce: [0; 12] };
        random(&mut *secrets.key)?;
        random(&mut secrets.nonce)?;
        let (writer, header) = Writer::begin(label, &self.key, secrets)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a recording has one or two tracks"))?;
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.file(label.id))?;
        file.write_all(&header)?;
        Ok(Recording { file, writer, sealed: Vec::new() })
    }

    /// Whether the last piece of one is on the disk. Says nothing of what is in it, so it is no access.
    pub fn is_ended(&self, id: u64) -> bool {
        fs::read(self.file(id)).is_ok_and(|octets| sealed::is_ended(&octets))
    }

    /// Takes away one in which nothing was said.
    pub fn remove(&self, id: u64) -> io::Result<()> {
        fs::remove_file(self.file(id))
    }

    /// What there is, the oldest first. Files that are no recordings are left out.
    pub fn list(&self) -> io::Result<Vec<Recorded>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(ENDING)
                && let Some(recorded) = recorded(&path)?
            {
                all.push(recorded);
            }
        }
        all.sort_by_key(|recorded| (recorded.label.begun_ms, recorded.label.id));
        Ok(all)
    }

    /// Opens one, once `access` is in the audit: who has it, from where and what for. `access.what` and `detail` are
    /// written here.
    ///
    /// # Errors
    /// It is not there, was changed, or the audit could not be written: then nobody hears it.
    pub fn open(&self, id: u64, access: Change, store: &mut Store) -> anyhow::Result<Opened> {
        let file = self.file(id);
        let octets = fs::read(&file).with_context(|| format!("there is no recording {id:016x}"))?;
        let label = sealed::label(&octets).with_context(|| format!("in {}", file.display()))?;
        let what = format!("recording {id:016x} opened");
        let detail = format!(r#"{{"node":"{}","caller":"{}"}}"#, plain(&label.node), plain(&label.caller));
        store.add_change(&Change { what, detail, ..access })?;
        sealed::open(&octets, &self.key).with_context(|| format!("in {}", file.display()))
    }

    fn file(&self, id: u64) -> PathBuf {
        self.folder.join(format!("{id:016x}{ENDING}"))
    }
}

impl Recording {
    /// Appends a piece; it is on the disk when this returns.
    pub fn append(&mut self, codes: &[u8], last: bool) -> io::Result<()> {
        self.sealed.clear();
        if !self.writer.chunk(codes, last, &mut self.sealed) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a piece that does not fit its recording"));
        }
        self.file.write_all(&self.sealed)?;
        self.file.sync_data()
    }
}

fn recorded(path: &Path) -> io::Result<Option<Recorded>> {
    let file = File::open(path)?;
    let octets = file.metadata()?.len();
    let mut front = Vec::new();
    file.take(FRONT).read_to_end(&mut front)?;
    Ok(sealed::label(&front).ok().map(|label| Recorded { label, octets }))
}

/// What is not authentic yet does not get into the audit's JSON as anything but letters.
fn plain(name: &str) -> String {
    name.chars().filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')).collect()
}

fn random(octets: &mut [u8]) -> io::Result<()> {
    aws_lc_rs::rand::fill(octets).map_err(|_| io::Error::other("the system gives no randomness"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::SystemTime;

    use media::sealed::Ending;

    use super::*;
    use crate::test_folder::Folder;

    const SITE: &str = "name = \"lab\"\ndomain = \"lab.example\"\n[[node]]\nname = \"vvb1\"\naddress = \"127.18.133.5\"\n[node.role.voice_browser]\nsecure_certificate_subject = [\"cvp1.lab.example\"]\n";

    fn label(id: u64) -> Label {
        Label { id, begun_ms: 5000 - id, tracks: 1, node: "vvb1".into(), caller: "ab".repeat(16) }
    }

    fn access() -> Change {
        let (who, source) = ("operator".into(), "command line".into());
        Change { at_ms: 1, who, source, what: String::new(), detail: String::new() }
    }

    #[test]
    fn a_recording_is_read_through_the_store_alone_and_each_access_is_in_the_audit() {
        let folder = Folder::new();
        let (dir, _) = DataDir::init(&folder.path("data"), SITE, SystemTime::now()).unwrap();
        let recordings = dir.recordings().unwrap();
        let mut store = dir.store().unwrap();
        let mut recording = recordings.begin(&label(7)).unwrap();
        recording.append(&[0x55; 4000], false).unwrap();
        // Not ended, as after a crash: what was appended is there.
        let opened = recordings.open(7, access(), &mut store).unwrap();
        assert_eq!((opened.heard(), opened.ending), ([0x55; 4000].as_slice(), Ending::Unfinished));
        assert!(!recordings.is_ended(7));
        recording.append(&[0x56; 80], true).unwrap();
        assert!(recordings.is_ended(7));
        let opened = dir.recordings().unwrap().open(7, access(), &mut store).unwrap();
        assert_eq!((opened.duration_ms(), opened.ending), (510, Ending::Whole));
        let audit = store.changes(10).unwrap();
        assert_eq!(audit.len(), 2);
        assert_eq!((audit[0].what.as_str(), audit[0].who.as_str()), ("recording 0000000000000007 opened", "operator"));
        assert!(audit[0].detail.contains("vvb1"), "{audit:?}");
        let file = folder.path("data/recordings/0000000000000007.sealed");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let octets = fs::read(&file).unwrap();
        assert!(!octets.windows(16).any(|part| part == [0x55; 16]), "audio in clear");
    }

    #[test]
    fn they_are_listed_by_their_beginning_and_one_without_a_word_goes() {
        let folder = Folder::new();
        let (dir, _) = DataDir::init(&folder.path("data"), SITE, SystemTime::now()).unwrap();
        let recordings = dir.recordings().unwrap();
        for id in [1, 2, 3] {
            recordings.begin(&label(id)).unwrap().append(&[1; 80], true).unwrap();
        }
        assert!(recordings.begin(&label(3)).is_err(), "nothing is written over");
        recordings.remove(2).unwrap();
        fs::write(folder.path("data/recordings/other.sealed"), "x").unwrap();
        let ids: Vec<u64> = recordings.list().unwrap().into_iter().map(|recorded| recorded.label.id).collect();
        assert_eq!(ids, [3, 1]);
    }

    #[test]
    fn a_key_that_others_may_read_or_that_was_lost_opens_nothing() {
        let folder = Folder::new();
        let (dir, _) = DataDir::init(&folder.path("data"), SITE, SystemTime::now()).unwrap();
        let mut store = dir.store().unwrap();
        dir.recordings().unwrap().begin(&label(1)).unwrap().append(&[1; 80], true).unwrap();
        let key = folder.path("data/recordings/key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(dir.recordings().err().unwrap().to_string().contains("chmod 600"));
        fs::remove_file(&key).unwrap();
        let error = dir.recordings().unwrap().open(1, access(), &mut store).err().unwrap();
        assert!(format!("{error:#}").contains("another store"), "{error:#}");
        assert_eq!(store.changes(10).unwrap().len(), 1, "an attempt is an access too");
    }
}
