//! The control link: HTTP/1.1 with JSON over mutual TLS, on each node's own address; the same within one process as
//! between hosts. SIP carries calls, this carries the rest.

mod client;
mod server;
mod strangers;

pub use client::{Client, Error};
pub use server::serve;
pub use strangers::{Place, Strangers};

/// Who may use the link: administrators. A phone's certificate, though of the same CA, may not; nor may a node's, which
/// calls and does not administer: a border controller that was taken must not read or drain the nodes behind it.
fn may_administer(certificate: &trust::CertificateFacts) -> bool {
    certificate.uris.iter().any(|uri| uri.starts_with("urn:ringfence:admin:"))
}
