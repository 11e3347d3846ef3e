//! How a partner's authority says what it has revoked, where that is more than a list that happens to be there.

use serde::{Deserialize, Serialize};

/// `[[authority]]`: of those in roots/. One without a row is judged by roots/NAME.crl where that is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityRow {
    /// `carrier` is roots/carrier.pem in the data directory.
    pub name: String,
    pub revocation: Revocation,
    /// Who is asked; absent: whom each certificate names (RFC 5280 §4.2.2.1).
    #[serde(default)]
    pub ocsp_responder: Option<String>,
    /// Who has no answer is let in, as if it were good. Whoever can keep the responder's answers from us is let in with a
    /// certificate that was revoked.
    #[serde(default)]
    pub dangerous_ocsp_soft_fail: bool,
}

/// What must be there before anybody of an authority is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// roots/NAME.crl.
    Crl,
    /// The authority's answer about that certificate; and whoever is on a list that is there is not let in either.
    Ocsp,
}
