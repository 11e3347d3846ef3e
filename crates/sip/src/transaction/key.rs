//! What a request is matched by (RFC 3261 §17.2.3), folded into 128 bits by SipHash-2-4 under a secret of the endpoint.
//!
//! Peers choose branches, so a plain hash would let them aim for one bucket; under a secret key they cannot, and 128
//! bits collide by chance never. A key is compared and looked up as a number; no string is kept.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Identity of a request as its sender sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Key(u64, u64);

impl Key {
    /// A tag for an answer given without state: repeated requests get the same one (RFC 3261 §8.2.7).
    pub(crate) fn number(self) -> u64 {
        self.0 ^ self.1
    }
}

/// SipHash-2-4 with 128 bits of output (Aumasson, Bernstein 2012), fed in parts.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    v: [u64; 4],
    tail: u64,
    length: u64,
}

impl Fold {
    pub(crate) fn new(secret: [u64; 2]) -> Fold {
        let [k0, k1] = secret;
        Fold {
            v: [
                k0 ^ 0x736f_6d65_7073_6575,
                k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                k0 ^ 0x6c79_6765_6e65_7261,
                k1 ^ 0x7465_6462_7974_6573,
            ],
            tail: 0,
            length: 0,
        }
    }

    /// One part and a separator that no part holds, so that `ab`+`c` is not `a`+`bc`.
    pub(crate) fn part(&mut self, part: &str) -> &mut Fold {
        self.bytes(part.as_bytes()).bytes(&[0xff])
    }

    /// As [`Fold::part`], with ASCII letters in lower case.
    pub(crate) fn part_lower(&mut self, part: &str) -> &mut Fold {
        for byte in part.bytes() {
            self.byte(byte.to_ascii_lowercase());
        }
        self.bytes(&[0xff])
    }

    pub(crate) fn number(&mut self, number: u64) -> &mut Fold {
        self.bytes(&number.to_le_bytes())
    }

    fn bytes(&mut self, mut bytes: &[u8]) -> &mut Fold {
        while !self.length.is_multiple_of(8) {
            let Some((first, rest)) = bytes.split_first() else { return self };
            self.byte(*first);
            bytes = rest;
        }
        while let Some((word, rest)) = bytes.split_first_chunk::<8>() {
            self.word(u64::from_le_bytes(*word));
            self.length += 8;
            bytes = rest;
        }
        for byte in bytes {
            self.byte(*byte);
        }
        self
    }

    fn byte(&mut self, byte: u8) {
        self.tail |= u64::from(byte) << (8 * (self.length % 8));
        self.length += 1;
        if self.length.is_multiple_of(8) {
            let word = std::mem::take(&mut self.tail);
            self.word(word);
        }
    }

    fn word(&mut self, word: u64) {
        self.v[3] ^= word;
        round(&mut self.v);
        round(&mut self.v);
        self.v[0] ^= word;
    }

    pub(crate) fn key(&self) -> Key {
        let mut end = self.clone();
        end.word(self.tail | (self.length << 56));
        end.v[2] ^= 0xee;
        (0..4).for_each(|_| round(&mut end.v));
        let low = end.v[0] ^ end.v[1] ^ end.v[2] ^ end.v[3];
        end.v[1] ^= 0xdd;
        (0..4).for_each(|_| round(&mut end.v));
        Key(low, end.v[0] ^ end.v[1] ^ end.v[2] ^ end.v[3])
    }
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

/// A key is already uniform: its first half is its hash.
#[derive(Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, number: u64) {
        self.0 = self.0.rotate_left(32) ^ number;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// From keys to what they name. Looked up only, never walked in hash order; written out sorted.
#[derive(Clone, Debug)]
pub(crate) struct Index<T>(HashMap<Key, T, BuildHasherDefault<AsItIs>>);

impl<T: Copy> Index<T> {
    pub(crate) fn get(&self, key: Key) -> Option<T> {
        self.0.get(&key).copied()
    }
    pub(crate) fn insert(&mut self, key: Key, value: T) {
        self.0.insert(key, value);
    }
    pub(crate) fn remove(&mut self, key: Key) {
        self.0.remove(&key);
    }
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Index(HashMap::default())
    }
}

impl<T: Copy + Ord + Serialize> Serialize for Index<T> {
    #[allow(clippy::disallowed_methods)] // The map's own order is gone one line later.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sorted: Vec<(Key, T)> = self.0.iter().map(|(key, value)| (*key, *value)).collect();
        sorted.sort_unstable();
        sorted.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Index<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Index(Vec::<(Key, T)>::deserialize(deserializer)?.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First vectors of the reference implementation's 128-bit table: key 00..0f, input 00, 0001, …
    #[test]
    fn agrees_with_the_reference_vectors() {
        let secret = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let hash = |length: u8| {
            let mut fold = Fold::new(secret);
            fold.bytes(&(0..length).collect::<Vec<u8>>());
            let Key(low, high) = fold.key();
            [low.to_le_bytes(), high.to_le_bytes()].concat()
        };
        let empty = [0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93];
        let one = [0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45];
        assert_eq!(hash(0), empty);
        assert_eq!(hash(1), one);
    }

    #[test]
    fn parts_do_not_run_together_and_may_be_fed_in_pieces() {
        let key = |parts: &[&str]| {
            let mut fold = Fold::new([1, 2]);
            for part in parts {
                fold.part(part);
            }
            fold.key()
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        let mut lower = Fold::new([1, 2]);
        lower.part_lower("Z9HG4BKabcdefgh").part("x");
        assert_eq!(lower.key(), key(&["z9hg4bkabcdefgh", "x"]));
    }
}
