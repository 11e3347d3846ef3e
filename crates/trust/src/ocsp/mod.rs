//! OCSP: whether one certificate is revoked, asked of its authority (RFC 6960) in the profile of RFC 5019: one certificate
//! a request, no nonce, answers that are good for a time and can be kept, handed on, or stapled to a handshake (RFC 6066 §8,
//! RFC 8446 §4.4.2.1).
//!
//! An answer proves itself: it bears the signature of the authority that issued the certificate, or of somebody whom that
//! authority charged with it. So it does not matter by which way it came, and plain HTTP is right for it.

mod asked;
mod der;
mod doubt;
mod heard;
mod id;
mod judge;
mod policy;
mod request;
mod responder;
mod response;
#[cfg(test)]
mod tests;

pub(crate) use asked::authority_information;
pub use asked::{Asked, asked_of};
pub(crate) use doubt::Doubt;
pub use heard::{Question, Wanted, failed, hear, on_wanted, revocations};
pub(crate) use heard::{heard, revoked, want};
pub use id::{CertificateId, Hash};
pub use judge::{Answer, Fault, SKEW, judge, said};
pub use policy::Policy;
pub use request::{Request, from_path, path_of};
pub use responder::{DELEGATE_LIFE, Responder};
pub use response::{Status, Unsuccessful};
