//! Trust: the private CA, identities, verification of peers, signatures.
//!
//! Pure but for key generation (which uses the provider's generator and is never called inside a machine).
//! Skeleton of the public face: helper D owns the crate: ca.rs, identity.rs, peer.rs, verify/{client,server,names}.rs,
//! sign.rs, tls.rs (rustls configs), words.rs (what went wrong, in words).

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// A certificate's facts, as every page, log and record of ours shows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFacts {
    /// RFC 4514 string, e.g. `CN=cvp1.lab.test,O=lab`.
    pub subject: String,
    pub common_name: Option<String>,
    pub dns_names: Vec<String>,
    pub ip_addresses: Vec<std::net::IpAddr>,
    pub uris: Vec<String>,
    pub issuer: String,
    /// Lower-case hex.
    pub serial: String,
    /// SHA-256 over the DER certificate, lower-case hex.
    pub fingerprint: String,
    /// SHA-256 over the SubjectPublicKeyInfo, lower-case hex.
    pub key_fingerprint: String,
    /// Seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
}

impl CertificateFacts {
    pub fn from_der(_der: &[u8]) -> Result<CertificateFacts, Error> { todo!() }
    /// Name of the Ringfence node this certificate was issued to (`urn:ringfence:node:<name>` among the URIs).
    pub fn node(&self) -> Option<&str> { todo!() }
    /// Whether the subject CN or a SAN equals `name` (RFC 5922 §7; CN too because profiles name it; no wildcards;
    /// DNS names compare without case).
    pub fn is_named(&self, _name: &str) -> bool { todo!() }
    /// CN and SANs for a refusal's "presented".
    pub fn names(&self) -> Vec<String> { todo!() }
}

/// What was negotiated on a TLS connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: String,
    /// e.g. `ECDHE-ECDSA-AES256-GCM-SHA384` or `TLS_AES_256_GCM_SHA384`.
    pub suite: String,
    /// Key exchange group, e.g. `X25519MLKEM768`, `P-256`.
    pub group: String,
    pub resumed: bool,
    /// Both ends showed a certificate.
    pub mutual: bool,
    /// SHA-256 fingerprint of the certificate that we showed.
    pub local_fingerprint: String,
}

/// A peer whose chain was verified. Only this crate makes one ([`VerifiedPeer::of`]); it cannot be deserialised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPeer { certificate: CertificateFacts, tls: TlsFacts }

impl VerifiedPeer {
    /// From a connection whose handshake is complete and whose verifier was one of ours; `None` if no certificate came.
    pub fn of(_connection: &rustls::CommonState) -> Option<VerifiedPeer> { todo!() }
    pub fn certificate(&self) -> &CertificateFacts { &self.certificate }
    pub fn tls(&self) -> &TlsFacts { &self.tls }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    Verified(VerifiedPeer),
    /// TLS without a client certificate (phones with digest or bearer), or with one we do not know.
    Anonymous(TlsFacts),
    /// UDP or TCP: nobody proved anything.
    Plain,
}

/// A refusal in words: who refused whom, by which rule, what was expected, what came, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Machine-readable cause: `wrong_subject`, `unknown_ca`, `expired`, `not_yet_valid`, `no_client_certificate`,
    /// `plain_sip_on_tls`, `plain_rtp_offered`, `no_common_suite`, `tls_version`, `unknown_source`, `digest`, …
    pub cause: String,
    pub rule: String,
    pub expected: String,
    pub presented: String,
    pub remedy: String,
}

/// Issues certificates. Private key in memory only while needed.
pub struct Ca { /* private */ }

/// What to put into a certificate.
#[derive(Clone, Debug)]
pub struct Request {
    pub common_name: String,
    pub dns_names: Vec<String>,
    pub ip_addresses: Vec<std::net::IpAddr>,
    /// Adds `urn:ringfence:node:<name>`.
    pub node: Option<String>,
    pub key: KeyKind,
    pub not_before: SystemTime,
    pub not_after: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind { P256, P384, Rsa2048 }

impl Ca {
    /// A new self-signed root (P-256, 10 years).
    pub fn create(_name: &str, _now: SystemTime) -> Result<Ca, Error> { todo!() }
    pub fn from_pem(_certificate: &str, _key: &str) -> Result<Ca, Error> { todo!() }
    pub fn certificate_pem(&self) -> &str { todo!() }
    pub fn key_pem(&self) -> &str { todo!() }
    pub fn issue(&self, _request: &Request) -> Result<Identity, Error> { todo!() }
}

/// A certificate chain and its private key: who a node is.
#[derive(Clone)]
pub struct Identity { /* private: DER chain, key, facts */ }

impl Identity {
    pub fn from_pem(_chain: &str, _key: &str) -> Result<Identity, Error> { todo!() }
    pub fn chain_pem(&self) -> String { todo!() }
    pub fn key_pem(&self) -> String { todo!() }
    pub fn facts(&self) -> &CertificateFacts { todo!() }
    /// Signature over `message` (ECDSA P-256/P-384 with SHA-256/384, ASN.1; or RSA PKCS#1 SHA-256).
    pub fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, Error> { todo!() }
}

/// Verifies `signature` over `message` by the first certificate of `chain`, and the chain against `roots` at `at`.
pub fn verify_signature(_chain_der: &[Vec<u8>], _roots_der: &[Vec<u8>], _message: &[u8], _signature: &[u8], _at: SystemTime) -> Result<CertificateFacts, Refusal> { todo!() }

/// TLS settings of a node: versions from the site (`1.2` and `1.3`), AEAD with ECDHE only, X25519MLKEM768 first.
pub mod tls {
    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub enum ClientCertificate { Required, Optional }

    /// For listeners. `Required`: no certificate, no connection. A chain that fails is a TLS alert of the right kind.
    pub fn server(_identity: &Identity, _roots_pem: &[String], _versions: Versions, _client: ClientCertificate) -> Result<Arc<rustls::ServerConfig>, Error> { todo!() }

    /// For connections to a peer that must be one of `names` (CN or SAN).
    pub fn client(_identity: &Identity, _roots_pem: &[String], _versions: Versions, _names: &[String]) -> Result<Arc<rustls::ClientConfig>, Error> { todo!() }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct Versions { pub tls12: bool, pub tls13: bool }

    /// A handshake that failed, in words. `names` is what we expected (empty on the server side), `connection` what came.
    pub fn refusal(_error: &rustls::Error, _expected: &[String], _presented_der: Option<&[u8]>) -> Refusal { todo!() }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Certificate(String),
    #[error("{0}")]
    Key(String),
}
