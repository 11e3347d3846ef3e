//! Whether an answer may be believed (RFC 6960 §3.2), and what it says then.

use std::fmt;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::id::{Hash, parsed};
use super::response::{Basic, By, Single};
use super::{CertificateId, Status, Unsuccessful};

/// Clocks of authorities and ours may differ by as much, in seconds.
pub const SKEW: i64 = 300;

/// id-kp-OCSPSigning, as webpki wants it: the contents of the object identifier.
const OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];
/// More answers than anybody has to make about one certificate, and more certificates than prove one signer.
const MOST: usize = 32;

/// What an authority has said of a certificate, and in what time it counts (seconds since 1970, skew left out).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: Status,
    pub made: i64,
    pub until: i64,
}

/// Why an answer is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Unreadable,
    /// It says that it has no answer.
    Unsuccessful(Unsuccessful),
    /// It is about others.
    Other,
    /// Neither the authority signed it nor somebody whom it charged with that.
    Signer,
    /// It does not say until when it counts, so it might be of any age.
    Endless,
    /// It is from the future: made then.
    Early(i64),
    /// It counted until then.
    Late(i64),
    /// An extension of it must be understood (RFC 5280 §4.2), and is not.
    Critical,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Unreadable => f.write_str("an answer that is no OCSP response in DER"),
            Fault::Unsuccessful(what) => write!(f, "no answer but `{what}`"),
            Fault::Other => f.write_str("an answer about another certificate"),
            Fault::Signer => f.write_str("an answer that neither the authority signed nor a responder of its own"),
            Fault::Endless => f.write_str("an answer that does not say until when it counts"),
            Fault::Early(made) => write!(f, "an answer of {}, which is not yet", date(*made)),
            Fault::Late(until) => write!(f, "an answer that counted until {}", date(*until)),
            Fault::Critical => f.write_str("an answer with a critical extension that is not known here"),
        }
    }
}

/// What `answer` says of `certificate`, which `issuer` has issued (both in DER), at `now` (seconds since 1970).
///
/// # Errors
/// It may not be believed, or is about another certificate.
pub fn judge(answer: &[u8], certificate: &[u8], issuer: &[u8], now: i64) -> Result<Answer, Fault> {
    let basic = Basic::read(answer).map_err(|_| Fault::Unreadable)?.map_err(Fault::Unsuccessful)?;
    if basic.singles.len() > MOST || basic.certificates.len() > MOST {
        return Err(Fault::Unreadable);
    }
    let ids = Hash::ALL.map(|hash| CertificateId::of(certificate, issuer, hash).ok());
    let about = basic.singles.iter().filter(|single| ids.iter().flatten().any(|id| *id == single.id));
    let single = about.max_by_key(|single| single.made).ok_or(Fault::Other)?;
    let signed = basic.certificates.iter().map(Vec::as_slice).filter(|der| is_charged(der, issuer, now));
    if !std::iter::once(issuer).chain(signed).any(|signer| basic.is_by(signer)) {
        return Err(Fault::Signer);
    }
    if basic.critical || single.critical {
        return Err(Fault::Critical);
    }
    let Single { status, made, next, .. } = single;
    let until = next.ok_or(Fault::Endless)?;
    match () {
        () if *made > now.saturating_add(SKEW) => Err(Fault::Early(*made)),
        () if until < now.saturating_sub(SKEW) => Err(Fault::Late(until)),
        () => Ok(Answer { status: status.clone(), made: *made, until }),
    }
}

/// What `answer` says of `certificate` (both in DER), believed or not: for an answer that lies beside it in our own house.
pub fn said(answer: &[u8], certificate: &[u8]) -> Option<Answer> {
    let basic = Basic::read(answer).ok()?.ok()?;
    let facts = crate::CertificateFacts::from_der(certificate).ok()?;
    let single = basic.singles.into_iter().find(|single| single.id.serial() == facts.serial)?;
    Some(Answer { status: single.status, made: single.made, until: single.next? })
}

impl Basic {
    /// Whether it says that this certificate's owner signed it, and he did.
    fn is_by(&self, signer: &[u8]) -> bool {
        let Ok(certificate) = parsed(signer) else { return false };
        let named = match &self.by {
            By::Name(name) => certificate.subject().as_raw() == name,
            By::Key(key) => Hash::Sha1.of(&certificate.public_key().subject_public_key.data) == *key,
        };
        let der = CertificateDer::from(signer);
        let Ok(key) = EndEntityCert::try_from(&der) else { return false };
        let good = |algorithm: &&dyn rustls_pki_types::SignatureVerificationAlgorithm| {
            key.verify_signature(*algorithm, &self.said, &self.signature).is_ok()
        };
        named && webpki::ALL_VERIFICATION_ALGS.iter().any(good)
    }
}

/// Whether the authority itself issued this certificate to somebody who is to answer for it (RFC 6960 §4.2.2.2). Whether
/// that certificate is revoked is not asked (§4.2.2.2.1): authorities let them live for weeks.
pub(super) fn is_charged(delegate: &[u8], issuer: &[u8], now: i64) -> bool {
    let (delegate, issuer) = (CertificateDer::from(delegate), CertificateDer::from(issuer));
    let Ok(anchor) = webpki::anchor_from_trusted_cert(&issuer) else { return false };
    let Ok(leaf) = EndEntityCert::try_from(&delegate) else { return false };
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.max(0).unsigned_abs()));
    let usage = KeyUsage::required(OCSP_SIGNING);
    leaf.verify_for_usage(webpki::ALL_VERIFICATION_ALGS, &[anchor], &[], at, usage, None, None).is_ok()
}

pub(super) fn date(seconds: i64) -> String {
    crate::words::date(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds.max(0).unsigned_abs())))
}
