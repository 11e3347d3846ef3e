//! SRTP master keys (RFC 3711 §3.2.1): key and salt, and what was said of them: identifier (MKI) and lifetime.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// SRTP master key and salt. Zeroed on drop, `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterKey {
    bytes: Vec<u8>,
    mki: Vec<u8>,
    lifetime: Option<u64>,
}

impl MasterKey {
    /// Key and salt one after the other; the length must fit the suite that it is used with.
    pub fn new(bytes: Vec<u8>) -> MasterKey {
        MasterKey { bytes, mki: Vec::new(), lifetime: None }
    }

    /// Its packets carry this identifier (RFC 3711 §3.1).
    pub fn identified(mut self, mki: Vec<u8>) -> MasterKey {
        self.mki = mki;
        self
    }

    /// It may protect so many SRTP packets; none: as many as RFC 3711 §9.2 allows.
    pub fn lasting(mut self, lifetime: Option<u64>) -> MasterKey {
        self.lifetime = lifetime;
        self
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The identifier as packets carry it; empty when they carry none.
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }

    pub fn lifetime(&self) -> Option<u64> {
        self.lifetime
    }

    /// Whether both are one secret, whatever was said of it: its packets must never be taken twice.
    pub fn same_secret(&self, other: &MasterKey) -> bool {
        self.bytes == other.bytes
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

/// Master key identifier as `a=crypto` writes it (RFC 4568 §6.1): a decimal number and its length in the packet, in
/// octets (1 to 128).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mki {
    pub value: String,
    pub length: u8,
}

impl Mki {
    /// As packets carry it; none when the number needs more than its length, or more than 128 bits.
    pub fn octets(&self) -> Option<Vec<u8>> {
        let number = self.value.parse::<u128>().ok()?.to_be_bytes();
        let length = usize::from(self.length);
        let (above, octets) = number.split_at(number.len().saturating_sub(length));
        let mut mki = vec![0; length.saturating_sub(number.len())];
        mki.extend_from_slice(octets);
        above.iter().all(|octet| *octet == 0).then_some(mki)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_as_long_as_they_say() {
        let octets = |value: &str, length| Mki { value: value.into(), length }.octets();
        assert_eq!(octets("1", 4), Some(vec![0, 0, 0, 1]));
        assert_eq!(octets("65535", 2), Some(vec![255, 255]));
        assert_eq!(octets("65536", 2), None);
        assert_eq!(octets("7", 20).map(|octets| (octets.len(), octets[19])), Some((20, 7)));
        assert_eq!(octets("999999999999999999999999999999999999999999", 128), None);
    }
}
