//! Who answers those that ask whether a certificate of the site's own CA is revoked (OCSP, RFC 6960).

use serde::{Deserialize, Serialize};

/// `[ocsp]`: absent, nobody answers, and our servers staple nothing that we sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ocsp {
    /// The node at whose address the process answers, over plain HTTP: an answer proves itself. It must run where the CA's
    /// register is, in the data directory in which `ringfence init` was run.
    pub node: String,
    #[serde(default = "port")]
    pub port: u16,
    /// What certificates say of where to ask, from the next one on; absent: they say nothing of it.
    #[serde(default)]
    pub url: Option<String>,
}

fn port() -> u16 {
    2560
}
