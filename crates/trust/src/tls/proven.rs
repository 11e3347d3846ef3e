//! Chains that were found good, remembered: the same peers come again and again, and each signature of a chain costs as
//! much as the rest of a handshake.
//!
//! What is remembered is the exact octets of leaf and intermediates with what they were good for, and the time in which
//! all of them are valid. Anything else, and any other time, is verified anew. It belongs to one set of roots and goes
//! with it; so must revocation lists, once there are any.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{Context, SHA256};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::chain::Usage;
use crate::facts::remembered;

/// More than a site has peers.
const MOST: usize = 1024;

type Chain = [u8; 32];

/// In what time (seconds since 1970, both ends included) a chain is good.
type Valid = (i64, i64);

#[derive(Debug, Default)]
pub(super) struct Proven(Mutex<BTreeMap<Chain, Valid>>);

impl Proven {
    pub(super) fn is(&self, chain: &Chain, now: UnixTime) -> bool {
        let proven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        proven.get(chain).is_some_and(|(from, to)| (*from..=*to).contains(&now))
    }

    /// This chain was verified.
    pub(super) fn add(&self, chain: Chain, leaf: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) {
        let mut valid = (i64::MIN, i64::MAX);
        for der in std::iter::once(leaf).chain(intermediates) {
            let Ok(facts) = remembered(der) else { return };
            valid = (valid.0.max(facts.not_before), valid.1.min(facts.not_after));
        }
        let mut proven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proven.len() >= MOST {
            proven.clear();
        }
        proven.insert(chain, valid);
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
    use crate::Identity;
    use crate::test_pki::{NOW, ca, request};
    use crate::tls::chain::Roots;

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
