//! Chains that were found good, remembered: the same peers come again and again, and each signature of a chain costs as
//! much as the rest of a handshake.
//!
//! What is remembered is the exact octets of leaf and intermediates with what they were good for, and the time in which
//! all of them are valid and no list about them is due. Anything else, and any other time, is verified anew. It belongs to
//! one set of roots and lists and goes with it: whoever changes these begins with nothing remembered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::chain::Usage;
use super::status::Issuer;
use crate::facts::remembered;

/// More than a site has peers.
const MOST: usize = 1024;

type Chain = [u8; 32];

/// In what time (seconds since 1970, both ends included) a chain is good.
type Valid = (i64, i64);

#[derive(Debug, Default)]
pub(super) struct Proven(Mutex<BTreeMap<Chain, (Valid, Asked)>>);

/// Who issued the leaf, where its status is asked for: that is never remembered here, because it may change at any time.
type Asked = Option<Arc<Issuer>>;

impl Proven {
    /// Whether it is.
    pub(super) fn is(&self, chain: &Chain, now: UnixTime) -> Option<Asked> {
        let proven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let (_, asked) = proven.get(chain).filter(|((from, to), _)| (*from..=*to).contains(&now))?;
        Some(asked.clone())
    }

    /// This chain was verified, and is until then at most (seconds since 1970).
    pub(super) fn add(
        &self,
        chain: Chain,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        until: i64,
        asked: Asked,
    ) {
        let mut valid = (i64::MIN, until);
        for der in std::iter::once(leaf).chain(intermediates) {
            let Ok(facts) = remembered(der) else { return };
            valid = (valid.0.max(facts.not_before), valid.1.min(facts.not_after));
        }
        let mut proven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proven.len() >= MOST {
            proven.clear();
        }
        proven.insert(chain, (valid, asked));
    }
}

/// What a chain is known by.
pub(super) fn digest(usage: Usage, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Chain {
    let mut context = Context::new(&SHA256);
    context.update(&[usage as u8]);
    for der in std::iter::once(leaf).chain(intermediates) {
        context.update(&(der.len() as u64).to_be_bytes());
        context.update(der);
    }
    let mut chain = [0; 32];
    chain.copy_from_slice(context.finish().as_ref()); // SHA-256 has 32 octets
    chain
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_pki::{NOW, ca, now, request};
    use crate::tls::chain::Roots;
    use crate::{Identity, Reason, Revoked};

    fn at(seconds: i64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(seconds.unsigned_abs()))
    }

    fn issued() -> (Roots, Identity) {
        let ours = ca("ours");
        let identity = ours.issue(&request("cvp1")).unwrap();
        (Roots::from_pem(&[ours.certificate_pem().to_owned()]).unwrap(), identity)
    }

    #[test]
    fn a_proven_chain_is_good_for_what_it_was_proven_for_and_no_longer_than_it_is_valid() {
        let (roots, identity) = issued();
        let chain: Vec<CertificateDer<'_>> = identity.chain_der().into_iter().map(CertificateDer::from).collect();
        let (leaf, intermediates) = chain.split_first().unwrap();
        assert!(roots.verify(leaf, intermediates, at(NOW), Usage::Dials).is_ok());
        assert!(roots.is_proven(leaf, intermediates, at(NOW), Usage::Dials));
        assert!(!roots.is_proven(leaf, intermediates, at(NOW), Usage::Listens), "another use");
        assert!(!roots.is_proven(leaf, &chain, at(NOW), Usage::Dials), "another chain");
        let facts = remembered(leaf).unwrap();
        for late in [facts.not_before - 1, facts.not_after + 1] {
            assert!(!roots.is_proven(leaf, intermediates, at(late), Usage::Dials));
            assert!(roots.verify(leaf, intermediates, at(late), Usage::Dials).is_err());
        }
        assert!(roots.verify(leaf, intermediates, at(NOW), Usage::Dials).is_ok());
    }

    #[test]
    fn nothing_is_remembered_beyond_a_list_that_is_due_nor_from_one_set_of_lists_to_the_next() {
        let ours = ca("ours");
        let identity = ours.issue(&request("cvp1")).unwrap();
        let chain: Vec<CertificateDer<'_>> = identity.chain_der().into_iter().map(CertificateDer::from).collect();
        let (leaf, intermediates) = chain.split_first().unwrap();
        let list = |number, revoked: &[Revoked]| {
            let list = ours.revocation_list(number, now(), now() + Duration::from_secs(3600), revoked).unwrap();
            Roots::from_pem(&[format!("{}{}", ours.certificate_pem(), list.pem())]).unwrap()
        };
        let roots = list(1, &[]);
        assert!(roots.verify(leaf, intermediates, at(NOW), Usage::Dials).is_ok());
        assert!(roots.is_proven(leaf, intermediates, at(NOW + 3599), Usage::Dials));
        assert!(!roots.is_proven(leaf, intermediates, at(NOW + 3600), Usage::Dials), "the list is due");
        assert!(roots.verify(leaf, intermediates, at(NOW + 3600), Usage::Dials).is_err());
        let serial = identity.facts().serial.clone();
        let roots = list(2, &[Revoked { serial, at: now(), reason: Reason::Superseded }]);
        assert!(!roots.is_proven(leaf, intermediates, at(NOW), Usage::Dials));
        assert!(roots.verify(leaf, intermediates, at(NOW), Usage::Dials).is_err());
    }

    #[test]
    fn what_failed_is_not_remembered() {
        let (_, identity) = issued();
        let strangers = Roots::from_pem(&[ca("strangers").certificate_pem().to_owned()]).unwrap();
        let chain: Vec<CertificateDer<'_>> = identity.chain_der().into_iter().map(CertificateDer::from).collect();
        let (leaf, intermediates) = chain.split_first().unwrap();
        assert!(strangers.verify(leaf, intermediates, at(NOW), Usage::Dials).is_err());
        assert!(!strangers.is_proven(leaf, intermediates, at(NOW), Usage::Dials));
        assert!(strangers.verify(leaf, intermediates, at(NOW), Usage::Dials).is_err());
    }
}
