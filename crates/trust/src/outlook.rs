//! What is to come of a certificate: on which date, and why, connections that show it will be refused.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::facts::Purposes;
use crate::identity::certificates;
use crate::{CertificateFacts, Error, Identity, RevocationList};

/// Something that makes peers refuse a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    /// Seconds since 1970; `None`: it is so already.
    pub at: Option<i64>,
    /// What breaks, and why: `every connection: the certificate ends`.
    pub why: String,
}

impl Identity {
    /// All that will make peers refuse this identity, the first first. `roots` are the texts of the authorities that
    /// peers judge it by: certificates and lists.
    ///
    /// # Errors
    /// One of the roots cannot be read.
    pub fn outlook(&self, roots: &[String], at: SystemTime) -> Result<Vec<Break>, Error> {
        let now = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let mut breaks = self.replaced(roots, now)?;
        let mut ends = |at: i64, what: &str| {
            breaks.push(Break { at: (at > now).then_some(at), why: format!("every new connection: {what}") });
        };
        ends(self.facts().not_after, "the certificate ends");
        let chain = self.chain_der();
        let mut last = self.facts().clone();
        for der in chain.iter().skip(1) {
            let above = CertificateFacts::from_der(der)?;
            if is_root_of(&above, roots)? {
                break;
            }
            last = above;
            ends(last.not_after, &format!("its issuer `{}` ends", last.subject));
        }
        let mut vouched = false;
        for pem in roots {
            for der in certificates(pem)? {
                let root = CertificateFacts::from_der(&der)?;
                if root.subject == last.issuer {
                    vouched = true;
                    ends(root.not_after, &format!("its root `{}` ends", root.subject));
                }
            }
            for list in RevocationList::in_pem(pem.as_bytes())? {
                if let Some(words) = list.says_of(self.facts()) {
                    ends(now, &format!("the certificate is {words}"));
                }
                if list.facts().issuer == self.facts().issuer {
                    ends(
                        list.facts().next,
                        &format!(
                            "list {} of what `{}` revoked is due and not replaced",
                            list.facts().number,
                            list.facts().issuer
                        ),
                    );
                }
            }
        }
        if !vouched {
            ends(now, &format!("`{}`, which issued it, is not among the roots here", last.issuer));
        }
        let purposes = chain.first().map_or(Ok(Purposes::BOTH), |leaf| Purposes::from_der(leaf))?;
        for (has, why) in [
            (purposes.server, "connections that it accepts: its extended key usage lacks serverAuth"),
            (purposes.client, "connections that it makes: its extended key usage lacks clientAuth"),
        ] {
            if !has {
                breaks.push(Break { at: None, why: why.to_owned() });
            }
        }
        // `None` is now, and sorts first.
        breaks.sort();
        Ok(breaks)
    }

    /// What ends for peers that were given the root before ours alone: its word on ours, which the chain brings along.
    fn replaced(&self, roots: &[String], now: i64) -> Result<Vec<Break>, Error> {
        for der in self.chain_der().iter().skip(1) {
            let above = CertificateFacts::from_der(der)?;
            if is_root_of(&above, roots)? {
                let why = format!(
                    "connections with peers that have `{}` alone: it ends; give them `{}` (`ringfence cert export root`)",
                    above.issuer, above.subject
                );
                return Ok(vec![Break { at: (above.not_after > now).then_some(above.not_after), why }]);
            }
        }
        Ok(Vec::new())
    }

    /// When it is to be renewed (seconds since 1970): at two thirds of its life, so that a third is left to notice that
    /// it was not.
    pub fn due(&self) -> i64 {
        self.facts().due()
    }
}

/// Whether it says of a root that is believed what the one before says: nobody who has that root needs it.
fn is_root_of(certificate: &CertificateFacts, roots: &[String]) -> Result<bool, Error> {
    for pem in roots {
        for der in certificates(pem)? {
            if certificate.issuer != certificate.subject
                && CertificateFacts::from_der(&der)?.subject == certificate.subject
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

impl CertificateFacts {
    /// As [`Identity::due`].
    pub fn due(&self) -> i64 {
        self.not_before.saturating_add(self.not_after.saturating_sub(self.not_before) / 3 * 2)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::ExtendedKeyUsagePurpose;

    use crate::test_pki::{NOW, ca, now, request};
    use crate::{Reason, Revoked};

    #[test]
    fn what_breaks_first_stands_first_with_its_reason() {
        let ca = ca("lab");
        let identity = ca.issue(&request("cvp1")).unwrap();
        let day = Duration::from_secs(86_400);
        let list = ca.revocation_list(1, now(), now() + 30 * day, &[]).unwrap();
        let root = ca.certificate_pem().to_owned();
        let all = identity.outlook(&[format!("{root}{}", list.pem())], now()).unwrap();
        let dates: Vec<i64> = all.iter().filter_map(|of_it| of_it.at).collect();
        assert_eq!(dates, [NOW + 30 * 86_400, identity.facts().not_after, ca.facts().not_after]);
        assert!(
            all[0].why.contains("is due and not replaced") && all[1].why.contains("the certificate ends"),
            "{all:?}"
        );
        assert_eq!(identity.due(), NOW - 86_400 + 366 * 86_400 / 3 * 2);

        let revoked = Revoked { serial: identity.facts().serial.clone(), at: now(), reason: Reason::Superseded };
        let list = ca.revocation_list(2, now(), now() + 30 * day, &[revoked]).unwrap();
        let all = identity.outlook(&[format!("{root}{}", list.pem())], now()).unwrap();
        assert!(all[0].at.is_none() && all[0].why.contains("revoked on 2026-11-22"), "{all:?}");
        let unknown = identity.outlook(&[], now()).unwrap();
        assert!(unknown[0].at.is_none() && unknown[0].why.contains("is not among the roots"), "{unknown:?}");
    }

    #[test]
    fn a_purpose_that_is_missing_breaks_one_end_at_once() {
        let ca = ca("lab");
        let identity = ca.issue_for_test(&request("cvp1"), vec![ExtendedKeyUsagePurpose::ServerAuth]).unwrap();
        let all = identity.outlook(&[ca.certificate_pem().to_owned()], now()).unwrap();
        assert_eq!(all[0].at, None);
        assert!(all[0].why.starts_with("connections that it makes"), "{all:?}");
    }
}
