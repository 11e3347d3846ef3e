//! Certificates that were taken back one by one, where no list of their authority's (RFC 5280 §5) can say so: those that
//! CAPF issued to phones.
//!
//! CAPF's certificate is in phones' lists and may not sign revocation lists (no cRLSign, RFC 5280 §4.2.1.3), and a CAPF
//! that was renewed has the name of the one before: a list would be refused by whoever checks it, and everybody with it.
//! So the call manager that judges its own phones says it in a line beside its roots.

use std::fmt;
use std::time::Duration;

use rustls_pki_types::UnixTime;

use crate::{CertificateFacts, Error, Reason};

/// What such a line begins with. It stands between the certificates of a PEM text, where readers of PEM take it for a
/// remark (RFC 7468 §2).
const WORD: &str = "Withdrawn-By-Ringfence:";

/// A certificate that is taken back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TakenBack {
    /// RFC 4514 string, as [`CertificateFacts::issuer`]. A serial number has 126 random bits, so it tells apart also what
    /// two keys of one name issued.
    pub issuer: String,
    /// Lower-case hex, as [`CertificateFacts::serial`].
    pub serial: String,
    /// Seconds since 1970.
    pub at: i64,
    pub reason: Reason,
}

impl TakenBack {
    /// Those that a text has lines of.
    pub(crate) fn in_text(text: &str) -> Result<Vec<TakenBack>, Error> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(WORD));
        lines.map(|line| TakenBack::read(line.trim()).ok_or_else(|| unreadable(line))).collect()
    }

    fn read(line: &str) -> Option<TakenBack> {
        let mut words = line.splitn(4, ' ');
        let (serial, at, reason, issuer) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let (at, reason) = (at.parse().ok()?, Reason::parse(reason).ok()?);
        Some(TakenBack { issuer: issuer.to_owned(), serial: serial.to_owned(), at, reason })
    }

    /// When and why, if it is this one.
    pub fn says_of(&self, certificate: &CertificateFacts) -> Option<String> {
        let is_it = (&self.issuer, &self.serial) == (&certificate.issuer, &certificate.serial);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(self.at.max(0).unsigned_abs()));
        is_it.then(|| format!("revoked on {} ({})", crate::words::date(at), self.reason))
    }
}

/// As it stands in a text of roots.
impl fmt::Display for TakenBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TakenBack { issuer, serial, at, reason } = self;
        writeln!(f, "{WORD} {serial} {at} {reason} {issuer}")
    }
}

fn unreadable(line: &str) -> Error {
    Error::Certificate(format!(
        "`{WORD}{line}`: expected serial, seconds since 1970, reason and issuer; who is meant cannot be told, so nobody is believed"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_put_into_it_and_one_that_cannot_be_read_is_no_remark() {
        let gone = TakenBack {
            issuer: "CN=cucm1.lab.example-CAPF,O=the lab".into(),
            serial: "4a0b".into(),
            at: 1_795_305_600,
            reason: Reason::KeyCompromise,
        };
        let text = format!("a remark\n{gone}-----BEGIN CERTIFICATE-----\n");
        assert_eq!(TakenBack::in_text(&text).unwrap(), [gone]);
        for bad in ["4a0b", "4a0b soon unspecified CN=x", "4a0b 1 lost CN=x"] {
            let words = TakenBack::in_text(&format!("{WORD} {bad}")).unwrap_err().to_string();
            assert!(words.contains("expected serial"), "{words}");
        }
    }
}
