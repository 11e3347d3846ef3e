//! Whether an authority that is asked by OCSP says `good` of a certificate whose chain is good. Nothing is waited for here:
//! what was stapled or heard before counts, and what is not known yet is wanted, so that the next attempt knows it.

use std::sync::Arc;

use rustls::CertificateError;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::ocsp::{self, Answer, Doubt, Policy, Question, Status};

/// Who issued a certificate, where its status is asked for.
#[derive(Debug)]
pub(super) struct Issuer {
    /// In DER.
    pub(super) certificate: Vec<u8>,
    pub(super) policy: Arc<Policy>,
}

impl Issuer {
    pub(super) fn answers_for(
        &self,
        leaf: &CertificateDer<'_>,
        stapled: &[u8],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let fault = match stapled {
            [] => None,
            stapled => ocsp::hear(stapled, leaf, &self.certificate, now).err(),
        };
        let heard = ocsp::heard(leaf, &self.certificate, now);
        let responder = || self.policy.responder.clone().or_else(|| ocsp::asked_of(leaf).responder);
        if stapled.is_empty() || heard.is_err() {
            // Who staples keeps his answer fresh himself; of anybody else it is asked again ahead of its end.
            if let Some(responder) = responder() {
                let (certificate, issuer) = (leaf.to_vec(), self.certificate.clone());
                ocsp::want(Question { certificate, issuer, responder });
            }
        }
        match (heard, fault) {
            (Ok(Answer { status: Status::Good, .. }), _) => Ok(()),
            (Ok(Answer { status: Status::Revoked { .. }, .. }), _) => Err(CertificateError::Revoked.into()),
            (Ok(Answer { status: Status::Unknown, .. }), _) => Err(Doubt::Unknown.error()),
            (Err(_), Some(fault)) => Err(Doubt::Stapled(fault).error()),
            (Err(_), None) if self.policy.dangerous_soft_fail => Ok(()),
            (Err(why), None) => Err(Doubt::Unavailable { why, responder: responder() }.error()),
        }
    }
}

/// What must-staple asks of who listens (RFC 7633), whatever the site has its authority asked.
pub(super) fn is_stapled_where_demanded(leaf: &CertificateDer<'_>, stapled: &[u8]) -> Result<(), rustls::Error> {
    match stapled.is_empty() && ocsp::asked_of(leaf).must_staple {
        true => Err(Doubt::NotStapled.error()),
        false => Ok(()),
    }
}
