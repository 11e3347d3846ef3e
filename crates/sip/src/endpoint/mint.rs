//! Where ids, branches, tags and Call-IDs come from: a counter and a seeded generator, both part of the state.
//!
//! A branch or tag of ours begins with its owner's id, veiled, so that what comes back with it is found without any
//! index; 64 random bits follow, so that nobody can guess one (RFC 3261 §19.3).

use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

/// RFC 3261 §8.1.1.7.
pub(crate) const COOKIE: &str = "z9hG4bK";
/// Digits of base 32 that hold 64 bits.
const DIGITS: usize = 13;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Mint {
    random: ChaCha12Rng,
    next: u64,
    veil: [u32; 4],
    /// Key of [`crate::transaction::key::Fold`].
    pub(crate) secret: [u64; 2],
}

impl Mint {
    pub(crate) fn new(seed: [u8; 32]) -> Mint {
        let mut random = ChaCha12Rng::from_seed(seed);
        let veil = [random.next_u32(), random.next_u32(), random.next_u32(), random.next_u32()];
        let secret = [random.next_u64(), random.next_u64()];
        Mint { random, next: 1, veil, secret }
    }

    pub(crate) fn id(&mut self) -> u64 {
        let id = self.next;
        self.next += 1;
        id
    }

    pub(crate) fn branch(&mut self, id: u64) -> String {
        let mut branch = String::with_capacity(COOKIE.len() + 2 * DIGITS);
        branch.push_str(COOKIE);
        self.name(&mut branch, id);
        branch
    }

    pub(crate) fn tag(&mut self, id: u64) -> String {
        let mut tag = String::with_capacity(2 * DIGITS);
        self.name(&mut tag, id);
        tag
    }

    pub(crate) fn call_id(&mut self) -> String {
        let mut call_id = String::with_capacity(2 * DIGITS);
        push(&mut call_id, self.random.next_u64());
        push(&mut call_id, self.random.next_u64());
        call_id
    }

    /// Uniform enough in `0..bound` for pauses.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        // The product of two 32-bit numbers shifted by 32 is below `bound`, so it fits.
        ((u64::from(self.random.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    fn name(&mut self, text: &mut String, id: u64) {
        push(text, self.veil(id));
        push(text, self.random.next_u64());
    }

    /// The id at the head of a tag of ours; the caller compares the rest.
    pub(crate) fn owner_of_tag(&self, tag: &str) -> Option<u64> {
        if tag.len() != 2 * DIGITS {
            return None;
        }
        pull(tag.as_bytes().get(..DIGITS)?).map(|veiled| self.unveil(veiled))
    }

    /// The id at the head of a branch of ours.
    pub(crate) fn owner_of_branch(&self, branch: &str) -> Option<u64> {
        self.owner_of_tag(branch.strip_prefix(COOKIE)?)
    }

    /// Hides the count of calls from peers: a permutation of four Feistel rounds. Not a secret worth more.
    fn veil(&self, id: u64) -> u64 {
        let (mut left, mut right) = ((id >> 32) as u32, id as u32);
        for key in self.veil {
            (left, right) = (right, left ^ mix(right, key));
        }
        u64::from(left) << 32 | u64::from(right)
    }

    fn unveil(&self, veiled: u64) -> u64 {
        let (mut left, mut right) = ((veiled >> 32) as u32, veiled as u32);
        for key in self.veil.iter().rev() {
            (left, right) = (right ^ mix(left, *key), left);
        }
        u64::from(left) << 32 | u64::from(right)
    }
}

fn mix(half: u32, key: u32) -> u32 {
    let mixed = (half ^ key).wrapping_mul(0x9e37_79b1);
    (mixed ^ mixed >> 15).wrapping_mul(0x85eb_ca77) ^ mixed >> 13
}

/// Thirteen digits of base 32, lower case: tags and branches are compared without case by some.
pub(crate) fn push(text: &mut String, mut number: u64) {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    for _ in 0..DIGITS {
        // `% 32` stays inside the alphabet.
        text.push(char::from(ALPHABET[(number % 32) as usize]));
        number /= 32;
    }
}

fn pull(digits: &[u8]) -> Option<u64> {
    digits.iter().rev().try_fold(0u64, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'v' => digit - b'a' + 10,
            b'A'..=b'V' => digit - b'A' + 10,
            _ => return None,
        };
        // Thirteen digits hold 65 bits: what falls off the top was never ours.
        Some(number.wrapping_mul(32) | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_owner() {
        let mut mint = Mint::new([7; 32]);
        for id in [0, 1, 2, 77, u64::from(u32::MAX) + 5, u64::MAX] {
            let branch = mint.branch(id);
            assert_eq!(mint.owner_of_branch(&branch), Some(id));
            let tag = mint.tag(id);
            assert_eq!(mint.owner_of_tag(&tag), Some(id));
            assert_ne!(tag, mint.tag(id), "64 bits of each are random");
        }
    }

    #[test]
    fn foreign_names_have_no_owner() {
        let mint = Mint::new([7; 32]);
        for tag in ["", "a", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "0123456789abcdefghijklmnopq", "é123456789abcdefghijklmno"]
        {
            assert_eq!(mint.owner_of_tag(tag), None, "{tag}");
        }
        assert_eq!(mint.owner_of_branch("0123456789abcdef0123456789"), None);
    }
}
