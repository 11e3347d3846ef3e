//! Who is at the other end of a connection, and how it is protected.

use std::sync::Arc;

use rustls::{CommonState, Connection, HandshakeKind, ProtocolVersion};
use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};

use crate::authority::usage_of;
use crate::facts::{CertificateFacts, remembered};
use crate::{Authorities, Authority, Identity};

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

impl TlsFacts {
    /// Of a connection whose handshake is complete. `mutual` and `local_fingerprint` are for [`TlsFacts::showing`].
    pub fn of(connection: &CommonState) -> TlsFacts {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
            other => format!("{other:?}"),
        };
        let suite = connection.negotiated_cipher_suite().map(|suite| suite_name(suite.suite())).unwrap_or_default();
        let group =
            connection.negotiated_key_exchange_group().map(|group| group_name(group.name())).unwrap_or_default();
        let resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
        TlsFacts { version, suite, group, resumed, mutual: false, local_fingerprint: String::new() }
    }

    /// With the certificate that we showed. On the listening side we always show ours and `shown` is `true`; on the
    /// dialling side [`crate::tls::Witness`] knows whether the peer asked.
    pub fn showing(mut self, identity: &Identity, shown: bool, peer_showed: bool) -> TlsFacts {
        if shown {
            self.local_fingerprint = identity.facts().fingerprint.clone();
        }
        self.mutual = shown && peer_showed;
        self
    }
}

/// A peer whose chain was verified. Only this crate makes one ([`VerifiedPeer::of`]); it cannot be deserialised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPeer {
    certificate: Arc<CertificateFacts>,
    tls: TlsFacts,
    authorities: Vec<Authority>,
}

impl VerifiedPeer {
    /// From a connection whose handshake is complete and whose verifier was one of ours; `None` if no certificate came.
    /// Say with [`VerifiedPeer::showing`] what we showed and with [`VerifiedPeer::under`] who vouches for it; until then
    /// the record does not claim that it was mutual, and nobody vouches.
    pub fn of(connection: &CommonState) -> Option<VerifiedPeer> {
        // Certificates are there before they are verified; only a complete handshake means that ours passed them.
        if connection.is_handshaking() {
            return None;
        }
        let leaf = connection.peer_certificates()?.first()?;
        let certificate = remembered(leaf).ok()?;
        Some(VerifiedPeer { certificate, tls: TlsFacts::of(connection), authorities: Vec::new() })
    }

    /// Vouched for by the site's own authority: for a connection whose verifier knew no other root.
    pub fn under_own(mut self) -> VerifiedPeer {
        self.authorities = vec![Authority::Own];
        self
    }

    /// Whose word the certificate stands on, where more than the site's own authority is trusted. `at`: a session that
    /// is resumed is looked at with today's eyes.
    pub fn under(mut self, authorities: &Authorities, connection: &Connection, at: UnixTime) -> VerifiedPeer {
        let chain = connection.peer_certificates().unwrap_or_default();
        self.authorities = authorities.of(chain, at, usage_of(connection));
        self
    }

    /// Whether its certificate comes from this authority.
    pub fn is_vouched_by(&self, authority: &Authority) -> bool {
        self.authorities.contains(authority)
    }

    /// The authorities that its certificate comes from, in words.
    pub fn authorities(&self) -> String {
        match self.authorities.as_slice() {
            [] => "no authority that is trusted today".into(),
            all => all.iter().map(Authority::to_string).collect::<Vec<_>>().join(" and "),
        }
    }

    /// With the certificate that we showed: see [`TlsFacts::showing`].
    pub fn showing(mut self, identity: &Identity, shown: bool) -> VerifiedPeer {
        self.tls = self.tls.showing(identity, shown, true);
        self
    }

    pub fn certificate(&self) -> &CertificateFacts {
        &self.certificate
    }

    /// The same, for those who keep it: one copy serves all records of a peer.
    pub fn shared_certificate(&self) -> Arc<CertificateFacts> {
        self.certificate.clone()
    }

    pub fn tls(&self) -> &TlsFacts {
        &self.tls
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    Verified(VerifiedPeer),
    /// TLS without a client certificate (phones with digest or bearer). One that is shown and not good is refused.
    Anonymous(TlsFacts),
    /// UDP or TCP: nobody proved anything.
    Plain,
}

/// As OpenSSL and `show sip-ua connections tcp tls detail` print them.
fn suite_name(suite: rustls::CipherSuite) -> String {
    use rustls::CipherSuite as S;
    match suite {
        S::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        S::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        S::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        S::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 => "ECDHE-ECDSA-AES256-GCM-SHA384",
        S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => "ECDHE-ECDSA-AES128-GCM-SHA256",
        S::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-ECDSA-CHACHA20-POLY1305",
        S::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => "ECDHE-RSA-AES256-GCM-SHA384",
        S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => "ECDHE-RSA-AES128-GCM-SHA256",
        S::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => "ECDHE-RSA-CHACHA20-POLY1305",
        other => return format!("{other:?}"),
    }
    .to_owned()
}

fn group_name(group: rustls::NamedGroup) -> String {
    use rustls::NamedGroup as G;
    match group {
        G::secp256r1 => "P-256".to_owned(),
        G::secp384r1 => "P-384".to_owned(),
        other => format!("{other:?}"),
    }
}
