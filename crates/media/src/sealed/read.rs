//! Opening a recording: all of it, or what a crash left of it, and which of the two it is.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use sdp::Codec;
use zeroize::Zeroizing;

use super::{FIXED, KEY, LAST, Label, MAGIC, MOST, NONCE, SEALED, StoreKey, TAG, VERSION, cipher, place};
use crate::{g711, wav};

/// A recording in clear, in memory that is wiped.
pub struct Opened {
    pub label: Label,
    pub ending: Ending,
    /// µ-law of each track, all of one length.
    tracks: Vec<Zeroizing<Vec<u8>>>,
}

/// How the file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its last chunk.
    Whole,
    /// Without it: it is still being written, or a crash or somebody cut it off. What is there is authentic.
    Unfinished,
}

/// Why a file cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("it is no recording: expected it to begin with RINGFREC")]
    NotOurs,
    #[error("it was written by a newer Ringfence (version {0} of the format, this program knows {VERSION})")]
    Newer(u8),
    #[error("its header is cut off")]
    Short,
    #[error("it was sealed by another store: open it with the data directory that it was recorded in")]
    OtherStore,
    #[error("its header was changed, or the store's key was")]
    Header,
    #[error("chunk {0} was changed, moved or left out")]
    Chunk(u32),
    #[error("octets follow its last chunk")]
    Trailing,
}

impl Opened {
    pub fn duration_ms(&self) -> u64 {
        self.tracks.first().map_or(0, |track| track.len() as u64 / 8)
    }

    /// 8 kHz, 16 bit; what was heard, or with two tracks stereo: heard on the left, said on the right.
    pub fn wav(&self) -> Zeroizing<Vec<u8>> {
        let tracks: Vec<&[u8]> = self.tracks.iter().map(|track| track.as_slice()).collect();
        let len = tracks.first().map_or(0, |track| track.len());
        let sample = |at: usize| {
            let (track, at) = (at % tracks.len(), at / tracks.len());
            let code = tracks.get(track).and_then(|track| track.get(at)).copied();
            code.map_or(0, |code| g711::decode(Codec::Pcmu, code))
        };
        Zeroizing::new(wav::write_channels(tracks.len() as u16, (0..len * tracks.len()).map(sample)))
    }

    /// What was heard, as it came (`audio/basic`).
    pub fn heard(&self) -> &[u8] {
        self.tracks.first().map_or(&[], |track| track.as_slice())
    }
}

/// What a file says it is of, without its key: to be shown in a list, not to be relied on. `octets`: its first kilobyte
/// is enough.
pub fn label(octets: &[u8]) -> Result<Label, Broken> {
    header(octets).map(|header| header.label)
}

/// Whether a file says that it has ended: without its key, so only for waiting.
pub fn is_ended(octets: &[u8]) -> bool {
    let Ok(Header { mut rest, .. }) = header(octets) else { return false };
    while let Some((frame, after)) = rest.split_first_chunk::<4>() {
        let frame = u32::from_be_bytes(*frame);
        let Some((_, after)) = after.split_at_checked((frame & !LAST) as usize) else { return false };
        if frame & LAST != 0 {
            return true;
        }
        rest = after;
    }
    false
}

/// Opens a whole file, or an unfinished one up to its last whole chunk.
pub fn open(octets: &[u8], store: &StoreKey) -> Result<Opened, Broken> {
    let Header { fixed, nonce, sealed, label_octets, label, mut rest } = header(octets)?;
    if fixed.get(MAGIC.len() + 1..) != Some(&store.name()) {
        return Err(Broken::OtherStore);
    }
    let cipher = file_key(store, fixed, nonce, sealed, label_octets).ok_or(Broken::Header)?;
    let mut tracks: Vec<Zeroizing<Vec<u8>>> = (0..label.tracks).map(|_| Zeroizing::default()).collect();
    for number in 0.. {
        let Some((frame, after)) = rest.split_first_chunk::<4>() else { break };
        let frame = u32::from_be_bytes(*frame);
        let (len, last) = ((frame & !LAST) as usize, frame & LAST != 0);
        if !(TAG + 2..=MOST + TAG).contains(&len) {
            // Some file systems leave zeros where a crash came before the octets.
            return if rest.iter().all(|octet| *octet == 0) { break } else { Err(Broken::Chunk(number)) };
        }
        let Some((sealed, after)) = after.split_at_checked(len) else { break };
        let mut chunk = Zeroizing::new(sealed.to_vec());
        let opened = cipher.open_in_place(place(number, last), Aad::empty(), &mut chunk);
        let Some(()) = opened.ok().and_then(|opened| lay(opened, &mut tracks)) else {
            // The end of a file may be torn; the middle never is.
            return if after.is_empty() && !last { break } else { Err(Broken::Chunk(number)) };
        };
        rest = after;
        if last {
            let whole = Opened { label, ending: Ending::Whole, tracks };
            return if rest.is_empty() { Ok(whole) } else { Err(Broken::Trailing) };
        }
    }
    Ok(Opened { label, ending: Ending::Unfinished, tracks })
}

struct Header<'a> {
    fixed: &'a [u8],
    nonce: &'a [u8],
    sealed: &'a [u8],
    /// With its length in front.
    label_octets: &'a [u8],
    label: Label,
    rest: &'a [u8],
}

fn header(octets: &[u8]) -> Result<Header<'_>, Broken> {
    let after = octets.strip_prefix(MAGIC.as_slice()).ok_or(Broken::NotOurs)?;
    match after.first() {
        Some(&VERSION) => {}
        Some(other) => return Err(Broken::Newer(*other)),
        None => return Err(Broken::Short),
    }
    let (front, behind) = octets.split_at_checked(SEALED).ok_or(Broken::Short)?;
    let (fixed, front) = front.split_at(FIXED);
    let (nonce, sealed) = front.split_at(NONCE);
    let len = behind.first_chunk().map(|len| usize::from(u16::from_be_bytes(*len))).ok_or(Broken::Short)?;
    let (label_octets, rest) = behind.split_at_checked(2 + len).ok_or(Broken::Short)?;
    let label = label_octets.get(2..).and_then(Label::parse).ok_or(Broken::Header)?;
    Ok(Header { fixed, nonce, sealed, label_octets, label, rest })
}

fn file_key(store: &StoreKey, fixed: &[u8], nonce: &[u8], sealed: &[u8], label: &[u8]) -> Option<LessSafeKey> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut key = Zeroizing::new(sealed.to_vec());
    let aad = Aad::from([fixed, label].concat());
    let key = store.cipher()?.open_in_place(nonce, aad, &mut key).ok()?;
    (key.len() == KEY).then(|| cipher(key)).flatten()
}

/// Lays a chunk's samples behind what each track has.
fn lay(chunk: &[u8], tracks: &mut [Zeroizing<Vec<u8>>]) -> Option<()> {
    let (samples, codes) = chunk.split_first_chunk()?;
    let samples = usize::from(u16::from_be_bytes(*samples));
    if samples * tracks.len() != codes.len() {
        return None;
    }
    if samples > 0 {
        for (track, codes) in tracks.iter_mut().zip(codes.chunks(samples)) {
            track.extend(codes);
        }
    }
    Some(())
}
