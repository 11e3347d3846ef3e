//! What can be wrong with a file: its shape (with the place), or who stands behind it (in words, with what to do).

/// Octets that are not what the format says. `at` counts from the first octet of the file or message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at octet {at}: {what}: expected {expected}, found {found}")]
pub struct Malformed {
    pub at: usize,
    pub what: String,
    pub expected: String,
    pub found: String,
}

impl Malformed {
    pub(crate) fn new(
        at: usize,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Malformed {
        Malformed { at, what: what.into(), expected: expected.into(), found: found.into() }
    }
}

/// Why a well-formed file is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error(
        "signed by serial {serial} of `{issuer}`, which is none of the certificates at hand ({known}): take the signer's \
         certificate, or let the phone ask TVS"
    )]
    UnknownSigner { serial: String, issuer: String, known: String },
    #[error(
        "the signature does not fit: the file was changed after `{signer}` signed it, or another key signed under that name"
    )]
    BadSignature { signer: String },
    #[error("`{signer}` has no RSA key of {expected} octets ({found}): only such a key can have made this signature")]
    WrongKey { signer: String, expected: usize, found: String },
    #[error("`{signer}` may not sign this: its role is {role}, expected {expected}")]
    WrongRole { signer: String, role: String, expected: String },
    #[error(
        "older than what is held: made at {offered} s since 1970, the one held at {held} s; an old list replayed could bring \
         back a certificate that was withdrawn"
    )]
    Older { offered: u32, held: u32 },
    #[error("the signed name is `{found}`, but `{expected}` was asked for: the file was put under another's name")]
    WrongName { expected: String, found: String },
}

/// Whatever this crate refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// A key or certificate of ours that cannot do what is asked of it.
    #[error("{0}")]
    Key(String),
}
