//! For tests: identities made once with openssl, valid for twenty years (`tests/keys`).

use crate::{Certificate, Signer};

pub(crate) type Key = (&'static str, &'static str);

macro_rules! key {
    ($name:ident, $file:literal) => {
        pub(crate) const $name: Key = (
            include_str!(concat!("../tests/keys/", $file, ".pem")),
            include_str!(concat!("../tests/keys/", $file, ".key")),
        );
    };
}

key!(CALL_MANAGER, "callmanager");
key!(RECOVERY, "recovery");
key!(CAPF, "capf");
key!(TVS, "tvs");
key!(PHONE, "phone");
key!(TFTP_EC, "tftp-ec");
// Another key under the call manager's name.
key!(STRANGER, "stranger");

/// 2026-11-23T00:00:00Z.
pub(crate) const NOW: u32 = 1_795_392_000;

pub(crate) fn certificate(key: Key) -> Certificate {
    Certificate::read_all(key.0.as_bytes()).expect("a certificate").remove(0)
}

pub(crate) fn signer(key: Key) -> Signer {
    Signer::new(&trust::Identity::from_pem(key.0, key.1).expect("an identity")).expect("an RSA key")
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.trim().bytes().map(|c| char::from(c).to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
