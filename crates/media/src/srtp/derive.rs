//! Session keys from a master key (RFC 3711 §4.3; RFC 6188 §3 for 192 and 256 bits; RFC 7714 §11 for the 96-bit salt).

use aes::cipher::{BlockEncrypt, KeyInit};
use aes::{Aes128, Aes192, Aes256, Block};
use zeroize::Zeroizing;

/// RFC 3711 §4.3.2: what a derived key is for. SRTCP's labels are these plus three.
#[derive(Clone, Copy)]
pub(super) enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// The pseudo-random function of one master key, at a key derivation rate of zero.
pub(super) struct Derivation {
    prf: Prf,
    salt: Zeroizing<[u8; 14]>,
}

enum Prf {
    Aes128(Box<Aes128>),
    Aes192(Box<Aes192>),
    Aes256(Box<Aes256>),
}

impl Derivation {
    /// `master` is key and salt, of which the first `key_len` octets are the key. None for lengths that no suite has.
    pub(super) fn new(master: &[u8], key_len: usize) -> Option<Derivation> {
        let (key, short) = master.split_at_checked(key_len)?;
        // A salt of 12 octets (GCM) counts as the upper part of one of 14.
        let mut salt = Zeroizing::new([0; 14]);
        salt.get_mut(..short.len())?.copy_from_slice(short);
        let prf = match key.len() {
            16 => Prf::Aes128(Box::new(Aes128::new_from_slice(key).ok()?)),
            24 => Prf::Aes192(Box::new(Aes192::new_from_slice(key).ok()?)),
            32 => Prf::Aes256(Box::new(Aes256::new_from_slice(key).ok()?)),
            _ => return None,
        };
        Some(Derivation { prf, salt })
    }

    /// `N` octets for one purpose.
    pub(super) fn key<const N: usize>(&self, label: Label) -> Zeroizing<[u8; N]> {
        let mut counter = [0; 16];
        counter[..14].copy_from_slice(&*self.salt);
        counter[7] ^= label as u8;
        let mut key = Zeroizing::new([0; N]);
        for (n, chunk) in (0u16..).zip(key.chunks_mut(16)) {
            counter[14..].copy_from_slice(&n.to_be_bytes());
            let mut block = Block::from(counter);
            match &self.prf {
                Prf::Aes128(aes) => aes.encrypt_block(&mut block),
                Prf::Aes192(aes) => aes.encrypt_block(&mut block),
                Prf::Aes256(aes) => aes.encrypt_block(&mut block),
            }
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_hex::hex;

    #[test]
    fn rfc_3711_appendix_b_3() {
        let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let keys = Derivation::new(&master, 16).unwrap();
        assert_eq!(keys.key::<16>(Label::Encryption).to_vec(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(keys.key::<14>(Label::Salt).to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        let authentication =
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4 8F0A0ACF3C34E2359E6CDBCEE049646C43D9327AD175578EF7227098";
        let authentication = hex(authentication);
        assert_eq!(keys.key::<46>(Label::Authentication)[..], authentication[..46]);
    }

    /// RFC 6188 §7.2.
    #[test]
    fn rfc_6188_section_7_2() {
        let master =
            hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6 3b04803de51ee7c96423ab5b78d2");
        let keys = Derivation::new(&master, 32).unwrap();
        let encryption = hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4");
        assert_eq!(keys.key::<32>(Label::Encryption).to_vec(), encryption);
        assert_eq!(keys.key::<14>(Label::Salt).to_vec(), hex("fa31791685ca444a9e07c6c64e93"));
        assert_eq!(keys.key::<20>(Label::Authentication).to_vec(), hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
    }

    /// RFC 6188 §7.4.
    #[test]
    fn rfc_6188_section_7_4() {
        let master = hex("73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1 c8522f3acd4ce86d5add78edbb11");
        let keys = Derivation::new(&master, 24).unwrap();
        assert_eq!(keys.key::<24>(Label::Encryption).to_vec(), hex("31874736a8f1143870c26e4857d8a5b2c4a354407faadabb"));
        assert_eq!(keys.key::<14>(Label::Salt).to_vec(), hex("2372b82d639b6d8503a47adc0a6c"));
        assert_eq!(keys.key::<20>(Label::Authentication).to_vec(), hex("355b10973cd95b9eacf4061c7e1a7151e7cfbfcb"));
    }
}
