//! TLS settings of a node: versions from the site (`1.2` and `1.3`), AEAD with ECDHE only, X25519MLKEM768 first.
//!
//! Verification of peers is here and cannot be switched off. Chains are webpki's work; names are ours, because profiles
//! name a subject CN as well as a SAN, and webpki knows SANs only.

pub(crate) mod chain;
mod client;
pub mod onlooker;
mod pinned;
mod proof;
mod proven;
mod server;
mod status;

use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::{CertificateError, SupportedProtocolVersion};
use serde::{Deserialize, Serialize};

pub use client::{Witness, client, client_without_certificate, client_without_certificate_witnessed, client_witnessed};
pub use pinned::{client_pinned, client_pinned_witnessed};
pub use proof::server_proving;
pub use server::{server, server_anonymous, server_unresumed};

use crate::facts::CertificateFacts;
use crate::{Error, Refusal, words};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    pub tls12: bool,
    pub tls13: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientCertificate {
    /// No certificate, no connection.
    Required,
    /// One that is shown must be good; who shows none is `Anonymous` and must prove itself otherwise.
    Optional,
}

/// A handshake that failed, in words. `expected` is what we expected (empty on the server side), `presented` what came.
///
/// rustls's errors carry no certificate. Our verifiers therefore note what they refused, and this function finds the
/// note when it is called on the thread where the handshake failed, before another fails there; else pass `presented`.
pub fn refusal(error: &rustls::Error, expected: &[String], presented_der: Option<&[u8]>) -> Refusal {
    let note = words::take_note(error);
    let presented = presented_der.and_then(|der| CertificateFacts::from_der(der).ok());
    if let (Some(note), rustls::Error::InvalidCertificate(CertificateError::Revoked)) = (&note, error) {
        return words::revoked(presented.as_ref().or(note.presented.as_ref()), note.revoked.as_deref());
    }
    if let Some(doubt) = note.as_ref().and_then(|note| note.doubt.as_ref()) {
        let noted = note.as_ref().and_then(|note| note.presented.as_ref());
        return words::of_doubt(doubt, presented.as_ref().or(noted));
    }
    let (noted, roots) = note.map_or((None, Vec::new()), |note| (note.presented, note.roots));
    words::of_handshake(error, expected, presented.as_ref().or(noted.as_ref()), &roots)
}

/// The only cryptography there is: the suites of RFC 9325 §4.2 with AEAD and ECDHE, and TLS 1.3's; the post-quantum
/// hybrid first.
fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::{cipher_suite as suite, kx_group};
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        ..aws_lc_rs::default_provider()
    })
}

fn versions(versions: Versions) -> Result<Vec<&'static SupportedProtocolVersion>, Error> {
    let mut on = Vec::new();
    if versions.tls13 {
        on.push(&rustls::version::TLS13);
    }
    if versions.tls12 {
        on.push(&rustls::version::TLS12);
    }
    if on.is_empty() {
        return Err(Error::Certificate(
            "no TLS version is on: write `versions = [\"1.2\", \"1.3\"]` under `[tls]`".into(),
        ));
    }
    Ok(on)
}

fn signature_algorithms() -> WebPkiSupportedAlgorithms {
    static ALL: LazyLock<WebPkiSupportedAlgorithms> =
        LazyLock::new(|| aws_lc_rs::default_provider().signature_verification_algorithms);
    *ALL
}

/// What every verifier of ours leaves to webpki: whether a signature fits the key of the certificate that was shown.
macro_rules! signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &rustls_pki_types::CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls12_signature(message, cert, dss, &super::signature_algorithms())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &rustls_pki_types::CertificateDer<'_>,
            dss: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            rustls::crypto::verify_tls13_signature(message, cert, dss, &super::signature_algorithms())
        }

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            super::signature_algorithms().supported_schemes()
        }
    };
}
use signatures;

fn settings(error: rustls::Error) -> Error {
    Error::Certificate(format!("TLS cannot be set up: {error}"))
}

#[cfg(test)]
mod tests;
