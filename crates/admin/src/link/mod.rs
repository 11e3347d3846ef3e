//! The control link: HTTP/1.1 with JSON over mutual TLS, on each node's own address; the same within one process as
//! between hosts. SIP carries calls, this carries the rest.

mod client;
mod server;

pub use client::{Client, Error};
pub use server::serve;

/// URI SANs that may use the link: our nodes and our administrators. A phone's certificate, though of the same CA, may not.
fn may_administer(certificate: &trust::CertificateFacts) -> bool {
    certificate.uris.iter().any(|uri| uri.starts_with("urn:ringfence:admin:") || uri.starts_with("urn:ringfence:node:"))
}
