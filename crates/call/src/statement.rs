//! A node's signed word on its part of one call.
//!
//! The JSON bytes of a [`Statement`] are made once, signed by who holds the node's key, and carried as they are: nobody
//! has to write the same JSON again to check a signature.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::record::LegRecord;
use crate::session_id::Uuid;

/// What a node says of one call. Its JSON bytes are what is signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statement {
    /// [`Statement::VERSION`]
    pub version: u32,
    pub site: String,
    pub node: String,
    pub role: String,
    /// The caller's UUID: the one Session-ID half that stays the same on every hop through transfers.
    pub caller: Uuid,
    pub made_ms: u64,
    pub legs: Vec<LegRecord>,
    /// Legs that were this call's and went on in another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub went_on: Vec<WentOn>,
}

/// A leg that went on in the call of another caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WentOn {
    pub sip_call_id: String,
    pub caller: Uuid,
}

/// Which call of a node a statement is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    pub caller: Uuid,
    /// The node's number for the call, in this life of it.
    pub call: u64,
    /// When its first leg began, and when it was stated. Milliseconds since 1970.
    pub began_ms: u64,
    pub made_ms: u64,
}

impl Statement {
    pub const VERSION: u32 = 1;

    pub fn subject(&self) -> Subject {
        Subject {
            caller: self.caller.clone(),
            call: self.legs.first().map_or(0, |leg| leg.call),
            began_ms: self.legs.iter().map(|leg| leg.began_ms).min().unwrap_or(self.made_ms),
            made_ms: self.made_ms,
        }
    }

    /// The bytes to sign: JSON without spaces, fields in the order of the type.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Only a map with keys that are no strings, or a failing Serialize, can fail here: these types have neither.
        serde_json::to_vec(self).expect("a statement is plain data")
    }

    pub fn from_bytes(payload: &[u8]) -> Result<Statement, Unreadable> {
        let statement: Statement =
            serde_json::from_slice(payload).map_err(|e| Unreadable(format!("not a statement: {e}")))?;
        if statement.version != Statement::VERSION {
            return Err(Unreadable(format!(
                "statement version {}, this program reads {}",
                statement.version,
                Statement::VERSION
            )));
        }
        Ok(statement)
    }
}

/// A statement and who signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The exact JSON that was signed, base64url without padding.
    pub payload: String,
    /// Base64url without padding.
    pub signature: String,
    /// Certificates, leaf first, base64 DER.
    pub chain: Vec<String>,
}

/// Why bytes are not what they should be, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

impl Signed {
    pub fn new(payload: &[u8], signature: &[u8], chain_der: &[Vec<u8>]) -> Signed {
        Signed {
            payload: URL_SAFE_NO_PAD.encode(payload),
            signature: URL_SAFE_NO_PAD.encode(signature),
            chain: chain_der.iter().map(|der| STANDARD.encode(der)).collect(),
        }
    }

    pub fn payload(&self) -> Result<Vec<u8>, Unreadable> {
        URL_SAFE_NO_PAD.decode(&self.payload).map_err(|e| Unreadable(format!("payload is not base64url: {e}")))
    }

    pub fn signature(&self) -> Result<Vec<u8>, Unreadable> {
        URL_SAFE_NO_PAD.decode(&self.signature).map_err(|e| Unreadable(format!("signature is not base64url: {e}")))
    }

    pub fn chain_der(&self) -> Result<Vec<Vec<u8>>, Unreadable> {
        let one =
            |der: &String| STANDARD.decode(der).map_err(|e| Unreadable(format!("a certificate is not base64: {e}")));
        self.chain.iter().map(one).collect()
    }

    /// What is said, whoever signed it: nothing is verified here ([`crate::passport::verify`] does).
    pub fn statement(&self) -> Result<Statement, Unreadable> {
        Statement::from_bytes(&self.payload()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement {
            version: Statement::VERSION,
            site: "lab".into(),
            node: "cube1".into(),
            role: "sbc".into(),
            caller: Uuid("674ecd1639ed7a710000abf910000178".into()),
            made_ms: 1_616_640_946_889,
            legs: Vec::new(),
            went_on: Vec::new(),
        }
    }

    #[test]
    fn what_was_signed_is_carried_byte_for_byte() {
        let bytes = statement().to_bytes();
        assert!(bytes.starts_with(br#"{"version":1,"site":"lab","node":"cube1","role":"sbc","caller":"674e"#));
        let signed = Signed::new(&bytes, &[1, 2, 3], &[vec![0x30, 0xff]]);
        assert_eq!(signed.payload(), Ok(bytes));
        assert_eq!(signed.signature(), Ok(vec![1, 2, 3]));
        assert_eq!(signed.chain_der(), Ok(vec![vec![0x30, 0xff]]));
        assert_eq!(signed.statement(), Ok(statement()));
    }

    #[test]
    fn what_cannot_be_read_is_said_in_words() {
        let mut signed = Signed::new(&statement().to_bytes(), &[], &[]);
        signed.payload.push('!');
        assert!(signed.statement().unwrap_err().0.starts_with("payload is not base64url"));
        let newer = Statement { version: 2, ..statement() };
        assert_eq!(
            Statement::from_bytes(&newer.to_bytes()).unwrap_err().0,
            "statement version 2, this program reads 1"
        );
        assert!(Statement::from_bytes(b"[]").unwrap_err().0.starts_with("not a statement"));
    }
}
