//! Why a peer whose chain is good is not let in by OCSP, as an error that goes through TLS and as a refusal in words.

use std::fmt;
use std::sync::Arc;

use rustls::{CertificateError, OtherError};

use super::Fault;
use crate::CertificateFacts;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// There is no answer; why, and who was to be asked.
    Unavailable { why: Option<String>, responder: Option<String> },
    /// The authority says that it does not know the certificate.
    Unknown,
    /// What was stapled is not to be believed, and nothing else is there.
    Stapled(Fault),
    /// The certificate demands a stapled answer (RFC 7633), and none came.
    NotStapled,
}

impl Doubt {
    pub(crate) fn error(self) -> rustls::Error {
        CertificateError::Other(OtherError(Arc::new(self))).into()
    }

    /// If it is what a verifier of ours said.
    pub(crate) fn of(error: &CertificateError) -> Option<&Doubt> {
        match error {
            CertificateError::Other(OtherError(error)) => error.downcast_ref(),
            _ => None,
        }
    }

    /// Cause, rule, what was expected, what came, what to do.
    pub(crate) fn words(&self, presented: Option<&CertificateFacts>) -> [String; 5] {
        let whose = presented.map_or_else(
            || "a certificate".to_owned(),
            |facts| format!("`{}` with serial {}", facts.subject, facts.serial),
        );
        let (cause, rule, expected, what, remedy) = match self {
            Doubt::Unavailable { why, responder } => (
                "ocsp_unavailable",
                "where the site has `revocation = \"ocsp\"`, nobody is let in without the authority's word (RFC 6960)",
                "an answer that says `good`, stapled or asked for",
                match (why, responder) {
                    (Some(why), _) => format!("and no answer: {why}"),
                    (None, Some(responder)) => format!("and no answer yet: {responder} is asked"),
                    (None, None) => "and nobody to ask: it names no responder, nor does the site".to_owned(),
                },
                "at first contact the next attempt is let in, once the responder has answered; if it stays so, see \
                 whether this host reaches the responder, or write its address as `ocsp_responder` of the authority",
            ),
            Doubt::Unknown => (
                "ocsp_unknown",
                "the authority knows the certificates that it issues (RFC 6960 §2.2)",
                "an answer that says `good`",
                "of which its authority says `unknown`".to_owned(),
                "ask the authority: either it never issued this certificate, or its responder has not heard of it yet",
            ),
            Doubt::Stapled(fault) => (
                "ocsp_not_believed",
                "an answer is signed by the authority or by whom it charged, is about this certificate, and counts now \
                 (RFC 6960 §3.2)",
                "such an answer, stapled",
                format!("and {fault}"),
                "have the peer fetch another answer from its authority's responder; compare the clocks (`date -u`)",
            ),
            Doubt::NotStapled => (
                "ocsp_not_stapled",
                "who shows a certificate with must-staple staples an answer (RFC 7633)",
                "a stapled answer",
                "and nothing stapled".to_owned(),
                "switch on stapling at the peer, or have it show a certificate without must-staple",
            ),
        };
        [cause.into(), rule.into(), expected.into(), format!("{whose}, {what}"), remedy.into()]
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, _, expected, presented, _] = self.words(None);
        write!(f, "expected {expected}, presented {presented}")
    }
}

impl std::error::Error for Doubt {}
