//! What went wrong, in words: by which rule, what was expected, what came, and what to do about it.

use std::cell::RefCell;
use std::fmt;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};

use crate::facts::CertificateFacts;
use crate::ocsp::Doubt;
use crate::tls::chain::Roots;

/// A refusal in words: who refused whom, by which rule, what was expected, what came, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Machine-readable cause: `wrong_subject`, `unknown_ca`, `expired`, `not_yet_valid`, `no_client_certificate`,
    /// `plain_sip_on_tls`, `plain_rtp_offered`, `no_common_suite`, `tls_version`, `refused_by_peer`, `unknown_source`,
    /// `digest`, `revoked`, `crl_expired`, `ocsp_unavailable`, …
    pub cause: String,
    pub rule: String,
    pub expected: String,
    pub presented: String,
    pub remedy: String,
}

/// One line for a log.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, presented {}; {}", self.rule, self.expected, self.presented, self.remedy)
    }
}

impl std::error::Error for Refusal {}

fn refusal(
    cause: &str,
    rule: &str,
    expected: impl Into<String>,
    presented: impl Into<String>,
    remedy: impl Into<String>,
) -> Refusal {
    Refusal {
        cause: cause.into(),
        rule: rule.into(),
        expected: expected.into(),
        presented: presented.into(),
        remedy: remedy.into(),
    }
}

/// What a verifier of ours refused: rustls's errors do not say.
pub(crate) struct Note {
    error: rustls::Error,
    pub(crate) presented: Option<CertificateFacts>,
    pub(crate) roots: Vec<String>,
    /// When and why what was presented was revoked.
    pub(crate) revoked: Option<String>,
    /// What OCSP left open.
    pub(crate) doubt: Option<Doubt>,
}

thread_local! {
    /// The verifier runs inside rustls, which returns to its caller with the error alone. The caller is on this thread.
    static LAST: RefCell<Option<Note>> = const { RefCell::new(None) };
}

/// Keeps what was refused for [`take_note`]; gives the error back.
pub(crate) fn note(error: rustls::Error, presented: &CertificateDer<'_>, roots: &Roots) -> rustls::Error {
    let presented = CertificateFacts::from_der(presented).ok();
    let revoked = presented.as_ref().and_then(|facts| roots.revoked(facts));
    let doubt = match &error {
        rustls::Error::InvalidCertificate(reason) => Doubt::of(reason).cloned(),
        _ => None,
    };
    // What it was goes by the note; TLS has an alert for it that says more than `certificate_unknown` (RFC 6066 §8).
    let error = if doubt.is_some() { CertificateError::InvalidOcspResponse.into() } else { error };
    let note = Note { error: error.clone(), presented, roots: roots.names(), revoked, doubt };
    LAST.with(|last| *last.borrow_mut() = Some(note));
    error
}

/// The note about this error, if it is the last that was noted on this thread.
pub(crate) fn take_note(error: &rustls::Error) -> Option<Note> {
    LAST.with(|last| last.borrow_mut().take()).filter(|note| note.error == *error)
}

pub(crate) fn of_handshake(
    error: &rustls::Error,
    expected: &[String],
    presented: Option<&CertificateFacts>,
    roots: &[String],
) -> Refusal {
    match error {
        rustls::Error::InvalidCertificate(_) => of_certificate(error, expected, presented, roots),
        rustls::Error::NoCertificatesPresented => refusal(
            "no_client_certificate",
            "every peer shows a certificate (mutual TLS)",
            match roots {
                [] => "a client certificate".to_owned(),
                roots => format!("a client certificate issued by {}", quoted(roots)),
            },
            "none",
            "give the peer an identity (`ringfence init SITE` issues one for each node of the site; a foreign peer needs its own) and let it show it",
        ),
        rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge,
        ) => refusal(
            "plain_sip_on_tls",
            "the secure port takes SIP over TLS only (RFC 3261 §26.3.1)",
            "a TLS record",
            "octets that are no TLS, such as SIP in clear",
            "set the peer's transport to TLS (`session transport tcp tls`); run `openssl s_client -connect ADDRESS:5061` from there to see it answer",
        ),
        rustls::Error::InvalidMessage(what) => refusal(
            "malformed_tls",
            "TLS as RFC 5246 and RFC 8446 write it",
            "a well-formed TLS message",
            format!("{what:?}"),
            "look at what is between the two: a proxy or a load balancer may have answered",
        ),
        rustls::Error::PeerIncompatible(reason) => incompatible(reason),
        rustls::Error::AlertReceived(alert) => alerted(*alert),
        other => refusal(
            "tls",
            "a TLS handshake that completes",
            "a handshake that both ends finish",
            other.to_string(),
            "run `ringfence show refusals` at both ends: the other side may know more",
        ),
    }
}

/// `expected`: the names that would have been taken; `roots`: the subjects of those that are trusted.
pub(crate) fn of_certificate(
    error: &rustls::Error,
    expected: &[String],
    presented: Option<&CertificateFacts>,
    roots: &[String],
) -> Refusal {
    let subject = presented.map_or_else(|| "a certificate".to_owned(), |facts| format!("`{}`", facts.subject));
    let node = presented.and_then(CertificateFacts::node).unwrap_or("NAME");
    let renew = format!("give the peer a new certificate: for a node of ours `ringfence cert renew {node}`");
    let rustls::Error::InvalidCertificate(reason) = error else {
        return of_handshake(error, expected, presented, roots);
    };
    if let Some(doubt) = Doubt::of(reason) {
        return of_doubt(doubt, presented);
    }
    match reason {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let names = match (presented, reason) {
                (Some(facts), _) => facts.names(),
                (None, CertificateError::NotValidForNameContext { presented, .. }) => presented.clone(),
                (None, _) => Vec::new(),
            };
            refusal(
                "wrong_subject",
                "the peer's certificate bears the expected name, as CN or SAN (RFC 5922 §7)",
                quoted(expected),
                quoted(&names),
                "if this is the right peer, write its name as `secure_certificate_subject` (or the member's `host`) and run `ringfence check SITE`; if not, find out who answered",
            )
        }
        CertificateError::ExpiredContext { time, not_after } => refusal(
            "expired",
            "a certificate is used within its dates",
            format!("a certificate that is valid at {}", date(*time)),
            format!("{subject}, valid until {}", date(*not_after)),
            renew,
        ),
        CertificateError::Expired => refusal(
            "expired",
            "a certificate is used within its dates",
            "a certificate that is valid now",
            subject,
            renew,
        ),
        CertificateError::NotValidYetContext { time, not_before } => refusal(
            "not_yet_valid",
            "a certificate is used within its dates",
            format!("a certificate that is valid at {}", date(*time)),
            format!("{subject}, valid from {}", date(*not_before)),
            "compare the clocks of both ends (`date -u`); if both are right, wait or issue another certificate",
        ),
        CertificateError::NotValidYet => refusal(
            "not_yet_valid",
            "a certificate is used within its dates",
            "a certificate that is valid now",
            subject,
            "compare the clocks of both ends (`date -u`)",
        ),
        CertificateError::UnknownIssuer => refusal(
            "unknown_ca",
            "the peer's certificate comes from an authority that is trusted here",
            match roots {
                [] => "a certificate issued by a root that is trusted here".to_owned(),
                roots => format!("a certificate issued by {}", quoted(roots)),
            },
            match presented {
                Some(facts) if facts.issuer == facts.subject => {
                    format!("{subject}, signed by itself")
                }
                Some(facts) => format!("{subject}, issued by `{}`", facts.issuer),
                None => subject,
            },
            "if that authority is to be trusted, put its root certificate into `roots/` of the data directory and run `ringfence reload`; if the peer is ours, give it an identity with `ringfence init SITE`",
        ),
        CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => refusal(
            "bad_signature",
            "a certificate is signed by its issuer with an algorithm that holds",
            "a signature by ECDSA, Ed25519 or RSA of 2048 bits or more, with SHA-256 or better",
            format!("{subject}, whose signature does not verify"),
            renew,
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => refusal(
            "wrong_purpose",
            "a certificate is used for what it was issued for (RFC 5280 §4.2.1.12)",
            "extended key usage serverAuth of who listens, clientAuth of who dials, or none at all",
            format!("{subject}, issued for something else"),
            "issue the peer's certificate for both, serverAuth and clientAuth: SIP servers listen and dial",
        ),
        CertificateError::Revoked => revoked(presented, None),
        CertificateError::ExpiredRevocationListContext { time, next_update } => refusal(
            "crl_expired",
            "an authority's revocation list is there and in force, or nobody of that authority is taken (RFC 5280 §6.3.3)",
            format!("a list whose next update is after {}", date(*time)),
            format!("{subject}, and a list that was to be replaced by {}", date(*next_update)),
            "of the site's own authority: run `ringfence cert crl` where the CA's key is; of another: fetch its list anew into `roots/` and run `ringfence reload`",
        ),
        CertificateError::UnknownRevocationStatus => refusal(
            "crl_unverified",
            "a revocation list is signed by the authority that it names (RFC 5280 §6.3.3)",
            "a list with that authority's signature",
            format!("{subject}, and a list whose signature does not fit its issuer's key"),
            "fetch the authority's list anew into `roots/` and run `ringfence reload`",
        ),
        other => refusal(
            "unreadable_certificate",
            "a certificate is X.509 version 3 in DER (RFC 5280)",
            "a certificate that can be read",
            format!("{subject}: {other:?}"),
            "look at it with `openssl x509 -text`",
        ),
    }
}

/// OCSP did not say that it is good.
pub(crate) fn of_doubt(doubt: &Doubt, presented: Option<&CertificateFacts>) -> Refusal {
    let [cause, rule, expected, presented, remedy] = doubt.words(presented);
    Refusal { cause, rule, expected, presented, remedy }
}

/// Somebody's certificate was taken back; `list` is what the list says of it.
pub(crate) fn revoked(presented: Option<&CertificateFacts>, list: Option<&str>) -> Refusal {
    let list = list.unwrap_or("revoked");
    refusal(
        "revoked",
        "a revoked certificate is not taken (RFC 5280 §6.3)",
        "a certificate in force",
        match presented {
            Some(facts) => format!("`{}` with serial {}, {list}", facts.subject, facts.serial),
            None => format!("a certificate, {list}"),
        },
        "if the peer is to come back, give it a new certificate: `ringfence cert renew NAME` for a node of ours, `ringfence cert issue` for a phone, another enrolment for one that CAPF gave its certificate",
    )
}

pub(crate) fn unreadable(error: &str) -> Refusal {
    refusal(
        "unreadable_certificate",
        "a certificate is X.509 version 3 in DER (RFC 5280)",
        "a certificate that can be read",
        error,
        "look at it with `openssl x509 -text`",
    )
}

pub(crate) fn no_signer() -> Refusal {
    refusal(
        "no_certificate",
        "what is signed carries its signer's certificate",
        "a certificate chain",
        "none",
        "take the file from the node that signed it again",
    )
}

pub(crate) fn bad_signature(facts: &CertificateFacts) -> Refusal {
    refusal(
        "bad_signature",
        "what a node states bears its own signature",
        format!("a signature by the key of `{}`", facts.subject),
        "a signature that does not fit these octets",
        "the content was changed after it was signed, or another key signed it: do not rely on it",
    )
}

fn incompatible(reason: &PeerIncompatible) -> Refusal {
    use PeerIncompatible as P;
    match reason {
        P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::Tls13RequiredForQuic
        | P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired => refusal(
            "tls_version",
            "TLS 1.2 or 1.3, as `[tls] versions` of the site says",
            "a version that is on here",
            "another version",
            "let the peer speak TLS 1.2 or newer (`transport tcp tls v1.2`), or add its version to `[tls] versions`; older than 1.2 is not spoken here",
        ),
        P::NoCipherSuitesInCommon
        | P::NoKxGroupsInCommon
        | P::NoSignatureSchemesInCommon
        | P::NoCertificateRequestSignatureSchemesInCommon
        | P::NoEcPointFormatsInCommon
        | P::EcPointsExtensionRequired
        | P::NamedGroupsExtensionRequired => refusal(
            "no_common_suite",
            "forward-secret key exchange and authenticated encryption only (RFC 9325 §4.2)",
            "ECDHE with AES-GCM or ChaCha20-Poly1305, over X25519MLKEM768, X25519, P-256 or P-384",
            format!("nothing of that ({reason:?})"),
            "switch on such suites at the peer, e.g. ECDHE-RSA-AES256-GCM-SHA384; CBC and RSA key exchange are not spoken here",
        ),
        P::ExtendedMasterSecretExtensionRequired => refusal(
            "no_common_suite",
            "TLS 1.2 binds its keys to the handshake (RFC 7627)",
            "the extended master secret",
            "a peer without it",
            "update the peer's TLS",
        ),
        other => refusal(
            "no_common_suite",
            "TLS as RFC 8446 and RFC 5246 write it",
            "a peer that can do what we need",
            format!("{other:?}"),
            "update the peer's TLS",
        ),
    }
}

/// The other side refused, and said why in one word.
fn alerted(alert: AlertDescription) -> Refusal {
    use AlertDescription as A;
    let (meaning, remedy) = match alert {
        A::UnknownCA => (
            "it does not trust the authority that issued our certificate",
            "give the peer our root certificate (`ca/root.pem` of the data directory) to trust",
        ),
        A::CertificateExpired => (
            "our certificate is outside its dates by its clock",
            "compare the clocks (`date -u`); if ours is at fault, run `ringfence cert renew NODE`",
        ),
        A::CertificateRequired => {
            ("it wants a certificate and got none", "let our side show its identity: run `ringfence init SITE`")
        }
        A::BadCertificate | A::CertificateUnknown | A::UnsupportedCertificate => (
            "it does not accept our certificate, perhaps for the name in it",
            "compare the name that the peer expects with ours: `openssl x509 -noout -subject -ext subjectAltName` shows it",
        ),
        A::CertificateRevoked => ("our certificate is revoked", "issue another with `ringfence cert renew NODE`"),
        A::ProtocolVersion => (
            "it does not speak our TLS versions",
            "let the peer speak TLS 1.2 or newer, or add its version to `[tls] versions`",
        ),
        A::HandshakeFailure | A::InsufficientSecurity => (
            "it found no suite in common, or (TLS 1.2) misses our certificate",
            "switch on ECDHE with AES-GCM at the peer; look into the peer's log",
        ),
        A::DecryptError | A::BadRecordMac => (
            "a signature or a key of ours did not verify there",
            "the peer may hold another root of the same name: give it the current `ca/root.pem`",
        ),
        A::AccessDenied => ("it knows us and does not let us in", "allow this node at the peer"),
        A::UnrecognisedName => (
            "it has no such name",
            "write the name that the peer serves as `secure_certificate_subject` (or the member's `host`)",
        ),
        _ => ("it broke the handshake off", "look into the peer's log"),
    };
    refusal(
        "refused_by_peer",
        "both ends accept each other",
        "a handshake that the peer finishes",
        format!("TLS alert {} from the peer: {meaning}", alert_name(alert)),
        remedy,
    )
}

/// A TLS alert as RFC 8446 §6 writes it.
pub(crate) fn alert_name(alert: AlertDescription) -> String {
    let camel = format!("{alert:?}");
    let mut out = String::new();
    let mut previous_lower = false;
    for c in camel.chars() {
        if c.is_uppercase() && previous_lower {
            out.push('_');
        }
        previous_lower = c.is_lowercase() || c.is_ascii_digit();
        out.extend(c.to_lowercase());
    }
    out
}

fn quoted(names: &[String]) -> String {
    match names {
        [] => "no name".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or "),
    }
}

/// RFC 3339, in UTC.
pub(crate) fn date(at: UnixTime) -> String {
    let crate::Utc { year, month, day, hour, minute, second } = crate::Utc::of(at.as_secs());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_rfc_3339() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_616_640_919, "2021-03-25T02:55:19Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(date(UnixTime::since_unix_epoch(Duration::from_secs(seconds))), want);
        }
    }

    #[test]
    fn alerts_bear_their_names() {
        for (alert, name) in [
            (AlertDescription::UnknownCA, "unknown_ca"),
            (AlertDescription::CertificateRequired, "certificate_required"),
            (AlertDescription::BadRecordMac, "bad_record_mac"),
            (AlertDescription::ProtocolVersion, "protocol_version"),
        ] {
            assert_eq!(alert_name(alert), name);
        }
    }
}
