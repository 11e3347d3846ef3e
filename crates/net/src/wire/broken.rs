//! Why a connection ended, and what is said about it: words for the role, a refusal for those who read `show refusals`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::AlertDescription;
use sip::message::ParseError;
use trust::Refusal;

/// The end of a connection.
#[derive(Debug)]
pub(crate) enum Broken {
    /// TCP could not connect.
    Connect(io::Error),
    /// The peer closed it in order.
    Closed,
    Io(io::Error),
    Tls(rustls::Error),
    /// What came is not SIP.
    Malformed(ParseError),
    /// What came is no WebSocket, or one that breaks its rules.
    WebSocket(sip::websocket::Broken),
    /// The peer does not read: the write queue is full.
    Stuck {
        queued: usize,
    },
    /// TCP or TLS took too long.
    Late(Duration),
    /// Nothing passed for a long time.
    Idle(Duration),
    /// We close it.
    Ours,
    /// Its peer was let in and is so no longer: revoked, of an authority that was taken away, or too late to resume.
    Withdrawn(Box<Refusal>),
}

impl Broken {
    /// For logs and for the role: a sentence, no full stop.
    pub(crate) fn words(&self, remote: SocketAddr) -> String {
        match self {
            Broken::Connect(error) => format!("{remote} does not take the connection: {error}"),
            Broken::Closed => format!("{remote} closed the connection"),
            Broken::Io(error) => format!("the connection with {remote} broke: {error}"),
            Broken::Tls(error) => format!("TLS with {remote} failed: {error}"),
            Broken::Malformed(error) => format!("{remote} sent what is not SIP: {error}"),
            Broken::WebSocket(error) => format!("{remote} speaks no proper WebSocket: {error}"),
            Broken::Stuck { queued } => format!("{remote} does not read: {queued} octets wait"),
            Broken::Late(limit) => format!("{remote} did not finish the handshake within {} s", limit.as_secs()),
            Broken::Idle(limit) => {
                format!("nothing passed with {remote} for {} s", limit.as_secs())
            }
            Broken::Ours => format!("we closed the connection with {remote}"),
            Broken::Withdrawn(refusal) => format!("we closed the connection with {remote}: {refusal}"),
        }
    }
}

/// What the other side was told of a TLS failure that we found, or told us of one that it found.
pub(crate) fn answered(error: &rustls::Error) -> String {
    match (error, alert_sent(error)) {
        (rustls::Error::AlertReceived(alert), _) => format!("received TLS alert {}", alert_name(*alert)),
        (_, Some(alert)) => format!("TLS alert {}", alert_name(alert)),
        (_, None) => "TLS alert".into(),
    }
}

/// The alert for a failure that we found, where it is known.
pub(crate) fn alert_sent(error: &rustls::Error) -> Option<AlertDescription> {
    Some(match error {
        rustls::Error::InvalidCertificate(reason) => AlertDescription::from(reason.clone()),
        rustls::Error::NoCertificatesPresented => AlertDescription::CertificateRequired,
        rustls::Error::InvalidMessage(_) => AlertDescription::DecodeError,
        rustls::Error::PeerIncompatible(
            rustls::PeerIncompatible::Tls12NotOffered
            | rustls::PeerIncompatible::Tls12NotOfferedOrEnabled
            | rustls::PeerIncompatible::Tls13RequiredForQuic
            | rustls::PeerIncompatible::SupportedVersionsExtensionRequired
            | rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => AlertDescription::ProtocolVersion,
        rustls::Error::PeerIncompatible(_) => AlertDescription::HandshakeFailure,
        _ => return None,
    })
}

/// SIP in clear on the TLS port.
pub(crate) fn plain_on_tls(local: SocketAddr) -> Refusal {
    Refusal {
        cause: "plain_sip_on_tls".into(),
        rule: format!("{local} takes SIP over TLS only (RFC 3261 §26.3.1)"),
        expected: "a TLS ClientHello".into(),
        presented: "SIP text in clear".into(),
        remedy: "set the peer's transport to TLS (session transport tcp tls); if it cannot, give the node a plain port with dangerous_plain_sip".into(),
    }
}

/// A handshake that never came to its end.
pub(crate) fn late(local: SocketAddr, limit: Duration) -> Refusal {
    Refusal {
        cause: "handshake_timeout".into(),
        rule: format!("a TLS handshake at {local} ends within {} s", limit.as_secs()),
        expected: "a complete TLS handshake".into(),
        presented: "a connection that stayed silent or stopped half way".into(),
        remedy: "look for a firewall that drops large segments, or for a scanner".into(),
    }
}

/// The names that RFC 8446 §6 and RFC 5246 §7.2 give to alerts.
fn alert_name(alert: AlertDescription) -> String {
    let mut name = String::new();
    for letter in format!("{alert:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    match name.as_str() {
        "unknown_c_a" => "unknown_ca".into(),
        "no_certificate" => "no_certificate_RESERVED".into(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_have_the_names_of_the_standard() {
        assert_eq!(alert_name(AlertDescription::UnknownCA), "unknown_ca");
        assert_eq!(alert_name(AlertDescription::CertificateExpired), "certificate_expired");
        assert_eq!(answered(&rustls::Error::NoCertificatesPresented), "TLS alert certificate_required");
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        assert_eq!(answered(&expired), "TLS alert certificate_expired");
    }
}
