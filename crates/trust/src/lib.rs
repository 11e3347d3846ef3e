//! Trust: the private CA, identities, verification of peers, signatures.
//!
//! Pure but for key generation, which uses the provider's generator and is never called inside a machine. Files and
//! sockets are other crates' business: PEM and DER come in and go out.

mod authority;
mod ca;
mod ca_key;
mod facts;
mod identity;
mod imported;
pub mod ocsp;
mod outlook;
mod peer;
mod phones;
mod revocation;
mod sign;
mod succession;
pub mod tls;
mod token;
mod utc;
mod withdrawn;
mod words;

pub use authority::{Authorities, Authority};
pub use ca::{Ca, KeyKind, Request};
pub use ca_key::RemoteKey;
pub use facts::{CertificateFacts, NODE_URI, fingerprint, hex, short_name};
pub use identity::{Identity, certificates_der};
pub use imported::{import, judge, request_der, signing_request};
pub use outlook::Break;
pub use peer::{Peer, TlsFacts, VerifiedPeer};
pub use phones::{LscRequest, certificate_pem, generate_key, self_signed};
pub use revocation::{ListFacts, Reason, RevocationList, Revoked, serial_of};
pub use sign::{verify_chain, verify_signature};
pub use succession::vouches_for;
pub use tls::chain::roots_without_list;
pub use token::{
    Audience, Believed, Claims, TokenFault, TokenIssuer, TokenKey, TokenTerms, claimed_issuer, join_key_sets,
};
pub use utc::Utc;
pub use withdrawn::TakenBack;
pub use words::Refusal;

/// What is wrong with our own certificates or keys. What is wrong with a peer's is a [`Refusal`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Certificate(String),
    #[error("{0}")]
    Key(String),
}

#[cfg(test)]
mod test_pki;
