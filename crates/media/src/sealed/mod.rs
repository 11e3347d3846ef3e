//! Recordings as they lie on a disk: a key for each file, AES-256-GCM in chunks, never a sample in clear.
//!
//! ```text
//! header   8  "RINGFREC"
//!          1  version: 1
//!          8  which store's key sealed the file's
//!         12  nonce, 48 the file's key under the store's key (AES-256-GCM)
//!          2  length of the label, then the label: number, beginning, tracks, node, caller
//! chunks   4  length of what follows; the highest bit marks the last chunk
//!          n  sealed under the file's key: samples of each track (2), then each track's µ-law
//! ```
//!
//! The label and the version are authentic with the sealed key. A chunk's nonce is its place in the file and whether it is
//! the last (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár), so chunks cannot be moved, left out, or
//! taken from another file, and a file that was cut is told from one that ended. Files are only appended to: a crash
//! leaves one without its last chunk, good up to its last whole one.

mod read;
mod write;

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

pub use read::{Broken, Ending, Opened, is_ended, label, open};
pub use write::{Secrets, Writer};

const MAGIC: &[u8; 8] = b"RINGFREC";
const VERSION: u8 = 1;
const KEY: usize = 32;
const TAG: usize = 16;
const NONCE: usize = 12;
/// Magic, version, the store key's name.
const FIXED: usize = 17;
/// What precedes the label.
const SEALED: usize = FIXED + NONCE + KEY + TAG;
const LAST: u32 = 1 << 31;
/// Samples of a track in one chunk, at most: one second.
pub const MOST_SAMPLES: usize = 8000;
/// Tracks of one recording, at most: what was heard, what was said.
pub const MOST_TRACKS: usize = 2;
/// A chunk's plaintext, at most.
const MOST: usize = 2 + MOST_SAMPLES * MOST_TRACKS;

/// The key of a store, under which each recording's own key is sealed. Kept in memory that is wiped.
pub struct StoreKey(Zeroizing<[u8; KEY]>);

impl StoreKey {
    pub fn new(octets: &[u8; KEY]) -> StoreKey {
        StoreKey(Zeroizing::new(*octets))
    }

    /// Tells one store's key from another's; says nothing of the key itself.
    fn name(&self) -> [u8; 8] {
        let text = [b"ringfence recordings ".as_slice(), self.0.as_slice()].concat();
        let hash = digest(&SHA256, &Zeroizing::new(text));
        // SHA-256 has 32 octets.
        hash.as_ref().first_chunk().copied().unwrap_or_default()
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        cipher(&*self.0)
    }
}

/// What a recording is of: in clear in the file, and authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub id: u64,
    /// Milliseconds since 1970.
    pub begun_ms: u64,
    /// 1: what was heard. 2: what was said, too.
    pub tracks: u8,
    pub node: String,
    /// The caller's Session-ID UUID: no number, no name.
    pub caller: String,
}

impl Label {
    /// Names longer than 255 octets are cut.
    fn octets(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        octets.extend(self.id.to_be_bytes());
        octets.extend(self.begun_ms.to_be_bytes());
        octets.push(self.tracks);
        for name in [&self.node, &self.caller] {
            let end = (0..=name.len().min(255)).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
            octets.push(end as u8);
            octets.extend(name.as_bytes().iter().take(end));
        }
        octets
    }

    fn parse(octets: &[u8]) -> Option<Label> {
        let (id, rest) = octets.split_first_chunk()?;
        let (begun, rest) = rest.split_first_chunk()?;
        let (tracks, rest) = rest.split_first()?;
        let (node, rest) = name(rest)?;
        let (caller, rest) = name(rest)?;
        let known = (1..=MOST_TRACKS).contains(&usize::from(*tracks)) && rest.is_empty();
        known.then(|| Label {
            id: u64::from_be_bytes(*id),
            begun_ms: u64::from_be_bytes(*begun),
            tracks: *tracks,
            node,
            caller,
        })
    }
}

fn name(octets: &[u8]) -> Option<(String, &[u8])> {
    let (len, rest) = octets.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*len))?;
    Some((String::from_utf8(name.to_vec()).ok()?, rest))
}

fn cipher(key: &[u8]) -> Option<LessSafeKey> {
    Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?))
}

/// A chunk's place and whether it is the last.
fn place(number: u32, last: bool) -> Nonce {
    let mut nonce = [0; NONCE];
    nonce[7..11].copy_from_slice(&number.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests;
