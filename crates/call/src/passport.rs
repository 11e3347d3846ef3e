//! The passport: all hops' signed statements of one call in one file, verifiable offline.

use serde::{Deserialize, Serialize};

use crate::session_id::Uuid;
use crate::statement::Signed;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passport {
    /// `ringfence-passport/1`
    pub format: String,
    pub site: String,
    pub caller: Uuid,
    pub made_ms: u64,
    /// Root certificates that the statements chain to, base64 DER. A verifier compares them with its own.
    pub roots: Vec<String>,
    pub statements: Vec<Signed>,
}
