//! A node's signed word on its part of one call.

use serde::{Deserialize, Serialize};

use crate::record::LegRecord;
use crate::session_id::Uuid;

/// What a node says of one call. Its JSON bytes are what is signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    pub version: u32,
    pub site: String,
    pub node: String,
    pub role: String,
    /// The caller's UUID: the one Session-ID half that stays the same on every hop through transfers.
    pub caller: Uuid,
    pub made_ms: u64,
    pub legs: Vec<LegRecord>,
}

/// A statement and who signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The exact JSON that was signed, base64url without padding.
    pub payload: String,
    pub signature: String,
    /// Certificates, leaf first, base64 DER.
    pub chain: Vec<String>,
}
