//! Sealing a recording as it grows: a header, then a chunk at a time, each good by itself.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use zeroize::Zeroizing;

use super::{FIXED, KEY, LAST, Label, MAGIC, MOST, NONCE, StoreKey, VERSION, cipher, place};

/// A file's key and the nonce that it is sealed with: fresh random octets for each file, from who runs this.
pub struct Secrets {
    pub key: Zeroizing<[u8; KEY]>,
    pub nonce: [u8; NONCE],
}

/// One recording under way.
pub struct Writer {
    cipher: LessSafeKey,
    tracks: usize,
    /// The next chunk's; `None` once the last is written.
    next: Option<u32>,
}

impl Writer {
    /// The header of the file, to be written first. `None`: the label has no track or too many.
    pub fn begin(label: &Label, store: &StoreKey, secrets: Secrets) -> Option<(Writer, Vec<u8>)> {
        let label_octets = label.octets();
        Label::parse(&label_octets)?;
        let mut header = Vec::with_capacity(256);
        header.extend(MAGIC);
        header.push(VERSION);
        header.extend(store.name());
        let label_len = u16::try_from(label_octets.len()).ok()?;
        let aad = [header.get(..FIXED)?, &label_len.to_be_bytes(), &label_octets].concat();
        let mut sealed = secrets.key.to_vec();
        let nonce = Nonce::assume_unique_for_key(secrets.nonce);
        store.cipher()?.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed).ok()?;
        header.extend(secrets.nonce);
        header.extend(sealed);
        header.extend(label_len.to_be_bytes());
        header.extend(label_octets);
        Some((Writer { cipher: cipher(&*secrets.key)?, tracks: usize::from(label.tracks), next: Some(0) }, header))
    }

    /// Appends a chunk to `out`: µ-law, track after track, all of the same length, a second at most. Nothing is written
    /// (false) when they are not, or after the last chunk.
    pub fn chunk(&mut self, codes: &[u8], last: bool, out: &mut Vec<u8>) -> bool {
        let samples = codes.len() / self.tracks;
        let (Some(number), Ok(count)) = (self.next, u16::try_from(samples)) else {
            return false;
        };
        if samples * self.tracks != codes.len() || codes.len() + 2 > MOST {
            return false;
        }
        let mut chunk = Zeroizing::new(Vec::with_capacity(codes.len() + 2));
        chunk.extend(count.to_be_bytes());
        chunk.extend(codes);
        let Ok(tag) = self.cipher.seal_in_place_separate_tag(place(number, last), Aad::empty(), &mut chunk) else {
            return false;
        };
        // Bounded by MOST, so it fits.
        let len = (chunk.len() + tag.as_ref().len()) as u32;
        out.extend((len | if last { LAST } else { 0 }).to_be_bytes());
        out.extend(&*chunk);
        out.extend(tag.as_ref());
        self.next = if last { None } else { number.checked_add(1) };
        true
    }
}
