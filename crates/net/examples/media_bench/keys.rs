//! Keys of a measurement, which both processes can make: by call, side and direction. Nobody else's media is under them.

use sdp::{MasterKey, Suite};

use crate::Mode;

/// The side's suite, none in clear.
pub(crate) fn suite(mode: Mode, side: usize) -> Option<Suite> {
    match (mode, side) {
        (Mode::Rekeyed | Mode::ToClear, 0) => Some(Suite::AesCm128HmacSha1_80),
        (Mode::Rekeyed, _) => Some(Suite::AesCm128HmacSha1_32),
        _ => None,
    }
}

/// What the generator's end protects its packets with.
pub(crate) fn ours(call: usize, side: usize, suite: Suite) -> MasterKey {
    key(call, side, 1, suite)
}

/// What the relay protects those with that it sends to that end.
pub(crate) fn relays(call: usize, side: usize, suite: Suite) -> MasterKey {
    key(call, side, 2, suite)
}

fn key(call: usize, side: usize, way: u8, suite: Suite) -> MasterKey {
    let (key, salt) = suite.key_salt_len();
    let seed = [(call >> 8) as u8, call as u8, side as u8, way];
    MasterKey::new((0..key + salt).map(|n| seed[n % 4] ^ (n as u8).wrapping_mul(31)).collect())
}
