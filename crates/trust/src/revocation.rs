//! Lists of what an authority has revoked (RFC 5280 §5): made for our own CA, read of any.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use crate::facts::{distinguished_name, hex};
use crate::identity::{certificates, to_pem};
use crate::tls::chain::key_ids;
use crate::{Ca, CertificateFacts, Error};

/// Why a certificate is withdrawn (RFC 5280 §5.3.1). A revocation of ours is for good, so there is no hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    #[default]
    Unspecified,
    KeyCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

/// A certificate that our CA takes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Lower-case hex, as [`CertificateFacts::serial`].
    pub serial: String,
    pub at: SystemTime,
    pub reason: Reason,
}

/// What an authority has revoked.
#[derive(Clone)]
pub struct RevocationList {
    der: Arc<[u8]>,
    checked: Arc<CertRevocationList<'static>>,
    facts: ListFacts,
}

/// What a list says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFacts {
    /// RFC 4514 string, as [`CertificateFacts::subject`] of who issued it.
    pub issuer: String,
    /// Grows with each list of an issuer; 0 where it gives none (RFC 5280 §5.2.3), `u64::MAX` for one beyond that.
    pub number: u64,
    /// Seconds since 1970: when it was made, and when there must be another.
    pub made: i64,
    pub next: i64,
    /// How many certificates are on it.
    pub revoked: usize,
}

impl Reason {
    const ALL: [(Reason, &'static str, rcgen::RevocationReason); 6] = [
        (Reason::Unspecified, "unspecified", rcgen::RevocationReason::Unspecified),
        (Reason::KeyCompromise, "key-compromise", rcgen::RevocationReason::KeyCompromise),
        (Reason::AffiliationChanged, "affiliation-changed", rcgen::RevocationReason::AffiliationChanged),
        (Reason::Superseded, "superseded", rcgen::RevocationReason::Superseded),
        (Reason::CessationOfOperation, "cessation-of-operation", rcgen::RevocationReason::CessationOfOperation),
        (Reason::PrivilegeWithdrawn, "privilege-withdrawn", rcgen::RevocationReason::PrivilegeWithdrawn),
    ];

    /// As it is written: `key-compromise`.
    ///
    /// # Errors
    /// There is no such reason; the words list those that there are.
    pub fn parse(text: &str) -> Result<Reason, String> {
        let found = Reason::ALL.iter().find(|(_, word, _)| *word == text);
        found.map(|(reason, ..)| *reason).ok_or_else(|| {
            let known: Vec<&str> = Reason::ALL.iter().map(|(_, word, _)| *word).collect();
            format!("reason `{text}`: expected one of {}", known.join(", "))
        })
    }

    /// As RFC 5280 §5.3.1 numbers it; none for an unspecified one.
    pub fn number(self) -> Option<u8> {
        // They are 0 to 10.
        self.code().map(|code| code as u8)
    }

    fn code(self) -> Option<rcgen::RevocationReason> {
        // An unspecified reason is written by writing none (RFC 5280 §5.3.1).
        let row = Reason::ALL.iter().find(|(reason, ..)| *reason == self && self != Reason::Unspecified);
        row.map(|(_, _, code)| *code)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = Reason::ALL.iter().find(|(reason, ..)| reason == self);
        f.write_str(row.map_or("unspecified", |(_, word, _)| *word))
    }
}

impl Ca {
    /// The list of what this CA has revoked. `number` must be greater than that of every list before it.
    ///
    /// # Errors
    /// The CA may not sign lists, or `next` is not after `now`.
    pub fn revocation_list(
        &self,
        number: u64,
        now: SystemTime,
        next: SystemTime,
        revoked: &[Revoked],
    ) -> Result<RevocationList, Error> {
        let bad = |error: rcgen::Error| {
            let why = self.issuer.key().words(&error);
            Error::Certificate(format!("the revocation list cannot be made: {why}"))
        };
        let entry = |revoked: &Revoked| {
            let serial = octets(&revoked.serial).ok_or_else(|| {
                Error::Certificate(format!("serial `{}`: expected hexadecimal digits, two an octet", revoked.serial))
            })?;
            Ok(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&serial),
                revocation_time: revoked.at.into(),
                reason_code: revoked.reason.code(),
                invalidity_date: None,
            })
        };
        let own = certificates(self.certificate_pem())?.first().and_then(|der| key_ids(der).own);
        let list = CertificateRevocationListParams {
            this_update: now.into(),
            next_update: next.into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect::<Result<_, Error>>()?,
            key_identifier_method: own.map_or(KeyIdMethod::Sha256, KeyIdMethod::PreSpecified),
        };
        RevocationList::from_der(list.signed_by(&self.issuer).map_err(bad)?.der())
    }
}

impl RevocationList {
    /// # Errors
    /// It is no complete list of version 2 with a next update (RFC 5280 §5): deltas and lists about others' certificates
    /// are not taken.
    pub fn from_der(der: &[u8]) -> Result<RevocationList, Error> {
        let bad =
            |why: &dyn fmt::Display| Error::Certificate(format!("this is no revocation list that we take: {why}"));
        let (rest, parsed) = CertificateRevocationList::from_der(der).map_err(|error| bad(&error))?;
        if !rest.is_empty() {
            return Err(bad(&format!("{} octets follow it", rest.len())));
        }
        let checked = OwnedCertRevocationList::from_der(der).map_err(|error| bad(&error))?;
        let next = parsed.next_update().ok_or_else(|| bad(&"it does not say when there will be another"))?;
        let number = parsed.crl_number().map_or(0, |number| u64::try_from(number.clone()).unwrap_or(u64::MAX));
        let facts = ListFacts {
            issuer: distinguished_name(parsed.issuer()),
            number,
            made: parsed.last_update().timestamp(),
            next: next.timestamp(),
            revoked: parsed.iter_revoked_certificates().count(),
        };
        Ok(RevocationList { der: der.into(), checked: Arc::new(checked.into()), facts })
    }

    /// Lists in PEM (`X509 CRL`, RFC 7468 §6; what else is in the text is passed over) or one in DER.
    ///
    /// # Errors
    /// One of them cannot be read, or there is none.
    pub fn read_all(file: &[u8]) -> Result<Vec<RevocationList>, Error> {
        // A DER list is a SEQUENCE, and no text begins with its tag.
        if file.first() == Some(&0x30) {
            return Ok(vec![RevocationList::from_der(file)?]);
        }
        let lists = RevocationList::in_pem(file)?;
        if lists.is_empty() {
            let words = "there is no revocation list in it: expected PEM (`-----BEGIN X509 CRL-----`) or DER";
            return Err(Error::Certificate(words.into()));
        }
        Ok(lists)
    }

    pub(crate) fn in_pem(text: &[u8]) -> Result<Vec<RevocationList>, Error> {
        let read = |der: Result<CertificateRevocationListDer<'static>, _>| {
            let der = der.map_err(|error| Error::Certificate(format!("the list's PEM cannot be read: {error}")))?;
            RevocationList::from_der(&der)
        };
        CertificateRevocationListDer::pem_slice_iter(text).map(read).collect()
    }

    pub fn pem(&self) -> String {
        to_pem("X509 CRL", &self.der)
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn facts(&self) -> &ListFacts {
        &self.facts
    }

    /// Whether it bears the signature of this authority (a certificate in DER).
    pub fn is_signed_by(&self, authority: &[u8]) -> bool {
        let authority = CertificateDer::from(authority);
        let Ok(key) = webpki::EndEntityCert::try_from(&authority) else { return false };
        let Ok((_, list)) = CertificateRevocationList::from_der(&self.der) else { return false };
        let (said, signature) = (list.tbs_cert_list.as_ref(), &list.signature_value.data);
        webpki::ALL_VERIFICATION_ALGS.iter().any(|algorithm| key.verify_signature(*algorithm, said, signature).is_ok())
    }

    pub(crate) fn checked(&self) -> &CertRevocationList<'static> {
        &self.checked
    }

    /// When and why this certificate was revoked, in words; `None`: it is not on the list.
    pub fn says_of(&self, certificate: &CertificateFacts) -> Option<String> {
        if certificate.issuer != self.facts.issuer {
            return None;
        }
        // Some issuers write a leading zero octet and some lists do not.
        let written = octets(&certificate.serial)?;
        let bare = written.strip_prefix(&[0]).unwrap_or(&written);
        let found =
            [written.as_slice(), bare].iter().find_map(|serial| self.checked.find_serial(serial).ok().flatten())?;
        let at = crate::words::date(found.revocation_date);
        Some(match found.reason_code {
            Some(reason) => format!("revoked on {at} ({})", spoken(reason)),
            None => format!("revoked on {at}"),
        })
    }
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RevocationList").field(&self.facts).finish()
    }
}

fn spoken(reason: webpki::RevocationReason) -> &'static str {
    use webpki::RevocationReason as R;
    match reason {
        R::Unspecified => "unspecified",
        R::KeyCompromise => "key-compromise",
        R::CaCompromise => "ca-compromise",
        R::AffiliationChanged => "affiliation-changed",
        R::Superseded => "superseded",
        R::CessationOfOperation => "cessation-of-operation",
        R::CertificateHold => "certificate-hold",
        R::RemoveFromCrl => "remove-from-crl",
        R::PrivilegeWithdrawn => "privilege-withdrawn",
        R::AaCompromise => "aa-compromise",
    }
}

/// A serial number as certificates' facts have it: lower-case hex without colons, as `openssl` may have printed it.
///
/// # Errors
/// It is not hexadecimal.
pub fn serial_of(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| *c != ':' && !c.is_whitespace()).collect();
    let even = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits };
    octets(&even).filter(|octets| !octets.is_empty()).map(|octets| hex(&octets)).ok_or_else(|| {
        format!("`{text}` is no serial number: expected hexadecimal digits, as `ringfence cert list` prints them")
    })
}

fn octets(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_pki::{NOW, ca, now, request};

    const DAY: Duration = Duration::from_secs(24 * 3600);

    #[test]
    fn a_list_says_what_was_put_into_it_in_pem_and_der() {
        let ca = ca("lab");
        let (gone, stays) = (ca.issue(&request("cube1")).unwrap(), ca.issue(&request("cvp1")).unwrap());
        let revoked = Revoked { serial: gone.facts().serial.clone(), at: now() - DAY, reason: Reason::KeyCompromise };
        let list = ca.revocation_list(7, now(), now() + 30 * DAY, &[revoked]).unwrap();
        for again in [RevocationList::read_all(list.pem().as_bytes()), RevocationList::read_all(&list.der)] {
            let again = again.unwrap().remove(0);
            let facts = again.facts();
            assert_eq!((facts.number, facts.revoked, facts.made, facts.next), (7, 1, NOW, NOW + 30 * 86_400));
            assert_eq!(facts.issuer, ca.facts().subject);
            let said = again.says_of(gone.facts()).unwrap();
            assert_eq!(said, "revoked on 2026-11-21T00:00:00Z (key-compromise)");
            assert_eq!(again.says_of(stays.facts()), None);
        }
    }

    #[test]
    fn a_list_is_its_issuers_and_nobody_elses() {
        let (ours, mut stranger) = (ca("lab"), ca("lab"));
        let root = |ca: &Ca| certificates(ca.certificate_pem()).unwrap().remove(0);
        stranger.rename_for_test(&ours.facts().subject);
        let forged = stranger.revocation_list(1, now(), now() + DAY, &[]);
        // Who may not sign lists cannot: a forger whose certificate lacks the usage.
        assert!(forged.is_err());
        let list = ours.revocation_list(1, now(), now() + DAY, &[]).unwrap();
        assert!(list.is_signed_by(&root(&ours)) && !list.is_signed_by(&root(&stranger)));
    }

    #[test]
    fn what_is_no_list_is_an_error_that_says_what_was_expected() {
        let ca = ca("lab");
        let list = ca.revocation_list(1, now(), now() + DAY, &[]).unwrap();
        for cut in 0..list.der.len() {
            assert!(RevocationList::from_der(&list.der[..cut]).is_err());
        }
        let words = RevocationList::read_all(ca.certificate_pem().as_bytes()).unwrap_err().to_string();
        assert!(words.contains("X509 CRL"), "{words}");
        assert!(ca.revocation_list(1, now(), now(), &[]).is_err(), "no next update");
        let bad = Revoked { serial: "xyz".into(), at: now(), reason: Reason::default() };
        assert!(ca.revocation_list(1, now(), now() + DAY, &[bad]).is_err());
    }

    #[test]
    fn reasons_and_serials_are_read_as_people_write_them() {
        assert_eq!(Reason::parse("key-compromise"), Ok(Reason::KeyCompromise));
        assert!(Reason::parse("lost").unwrap_err().contains("superseded"));
        assert_eq!(serial_of("4A:0b:FF").unwrap(), "4a0bff");
        assert_eq!(serial_of("a0b").unwrap(), "0a0b");
        for bad in ["", "cube1", "4a-0b"] {
            assert!(serial_of(bad).is_err(), "{bad}");
        }
    }
}
