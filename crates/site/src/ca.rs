//! Where the key of the site's own CA is, if not in a file of the data directory.

use serde::{Deserialize, Serialize};

/// `[ca]`: absent, `ca/root.key` holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateAuthority {
    #[serde(default)]
    pub pkcs11: Option<Pkcs11>,
}

/// A token (PKCS #11): a security module, a smart card. The key is made in it and never comes out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11 {
    /// The shared library that its maker gives for it.
    pub module: String,
    /// The token's label; or else its slot.
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub slot: Option<u64>,
    /// A file whose first line is the user's PIN, as seen from the data directory; absent: `RINGFENCE_PKCS11_PIN`.
    #[serde(default)]
    pub pin_file: Option<String>,
    /// Label of the key.
    #[serde(default = "key")]
    pub key: String,
}

fn key() -> String {
    "ringfence root CA".into()
}
