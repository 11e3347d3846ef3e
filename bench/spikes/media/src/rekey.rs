//! Unprotect with one leg's key, protect with the other's: the real cost of an SRTP relay.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

pub const HEADER: usize = 12;
pub const TAG: usize = 16;
/// 12 octets of header and 160 of G.711: the 172 of the measurement; the tag comes on top.
pub const CLEAR: usize = 172;

pub struct Keys(Vec<LessSafeKey>);

impl Keys {
    pub fn new(legs: usize) -> Self {
        let key = |leg: usize| LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[leg as u8 + 1; 16]).unwrap());
        Self((0..legs).map(key).collect())
    }

    pub fn protect(&self, leg: usize, packet: &mut [u8]) {
        let nonce = nonce(packet);
        let (header, rest) = packet.split_at_mut(HEADER);
        let (body, tag) = rest.split_at_mut(rest.len() - TAG);
        tag.copy_from_slice(
            self.0[leg]
                .seal_in_place_separate_tag(nonce, Aad::from(&*header), body)
                .unwrap()
                .as_ref(),
        );
    }

    /// In place: what came in on `leg` becomes what goes out on its partner.
    pub fn relay(&self, leg: usize, packet: &mut [u8]) -> bool {
        if packet.len() < HEADER + TAG {
            return false;
        }
        let nonce = nonce(packet);
        let (header, rest) = packet.split_at_mut(HEADER);
        if self.0[leg].open_in_place(nonce, Aad::from(&*header), rest).is_err() {
            return false;
        }
        self.protect(leg ^ 1, packet);
        true
    }
}

/// RFC 7714 section 8.1, with rollover counter and salt zero.
fn nonce(packet: &[u8]) -> Nonce {
    let mut iv = [0; 12];
    iv[2..6].copy_from_slice(&packet[8..12]);
    iv[10..12].copy_from_slice(&packet[2..4]);
    Nonce::assume_unique_for_key(iv)
}
