//! The server's side of digest (RFC 7616 §3.3, §5.4, §5.5): nonces that prove themselves, and what must be remembered
//! of them so that nothing is taken twice.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::hash::{hex, unhex};
use super::{Algorithm, Challenge, Credentials, Qop};
use crate::message::Method;

/// What credentials are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Good,
    /// The secret was right, the nonce was not ours, too old, or used: challenge again with `stale`.
    Stale,
    Bad,
}

/// Nonces that have been used and are not yet too old; more than that many and the oldest are forgotten, with all
/// others of their age.
const MAX_USED: usize = 65_536;

/// Length of a nonce's parts: milliseconds, serial number, proof.
const ISSUED: usize = 8;
const SERIAL: usize = 4;
const PROOF: usize = 16;

/// Issues nonces and judges credentials. A nonce is its time and number with an HMAC over both and the realm, so nothing
/// is kept of challenges that are never answered; of a nonce that was used well, the counts that were seen are kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct Verifier {
    secret: [u8; 32],
    validity: Duration,
    algorithms: Vec<Algorithm>,
    issued: u32,
    /// By time of issue and number: the counts that were taken.
    used: BTreeMap<(u64, u32), Counts>,
    /// Nonces issued at or before this may have been forgotten.
    forgotten: Option<(u64, u32)>,
    most: usize,
}

impl Verifier {
    /// `secret` must be random and this verifier's own; after `validity` a nonce is stale. Offers SHA-256, then MD5.
    pub fn new(secret: [u8; 32], validity: Duration) -> Verifier {
        Verifier {
            secret,
            validity,
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            issued: 0,
            used: BTreeMap::new(),
            forgotten: None,
            most: MAX_USED,
        }
    }

    /// Offers these, the preferred first, and takes no others. Some clients give up at a first challenge that they
    /// cannot answer.
    pub fn offering(mut self, algorithms: Vec<Algorithm>) -> Verifier {
        self.algorithms = algorithms;
        self
    }

    /// One challenge for each algorithm on offer, in order of preference: each goes into a field of its own.
    pub fn challenge(&mut self, realm: &str, now: Duration) -> Vec<Challenge> {
        self.issued = self.issued.wrapping_add(1);
        let nonce = self.nonce((millis(now), self.issued), realm);
        let make = |algorithm: &Algorithm| Challenge {
            realm: realm.to_owned(),
            nonce: nonce.clone(),
            algorithm: *algorithm,
            qop: Qop::Auth,
            stale: false,
            opaque: None,
        };
        self.algorithms.iter().map(make).collect()
    }

    /// Judges credentials for a request of `method`. `ha1` looks up the user's H(user:realm:password) for an algorithm.
    /// Good is said once for each nonce and count; that the credentials' URI is the request's is for the caller to see.
    pub fn check(
        &mut self,
        credentials: &Credentials,
        method: &Method,
        ha1: impl Fn(Algorithm) -> Option<String>,
        now: Duration,
    ) -> Verdict {
        let known = ha1(credentials.algorithm);
        // The hash is computed for unknown users too, so that the time taken does not tell who is known.
        let expected = credentials.expected(known.as_deref().unwrap_or(""), method, b"");
        let given = credentials.response.to_ascii_lowercase();
        let matches = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
        let allowed = self.algorithms.contains(&credentials.algorithm) && credentials.qop == Qop::Auth;
        if !matches || known.is_none() || !allowed {
            return Verdict::Bad;
        }
        match self.issue_of(credentials) {
            Some(nonce) if self.is_fresh(nonce, now) && self.count(nonce, credentials.nc, now) => Verdict::Good,
            _ => Verdict::Stale,
        }
    }

    fn nonce(&self, (issued, serial): (u64, u32), realm: &str) -> String {
        let mut bytes = Vec::with_capacity(ISSUED + SERIAL + PROOF);
        bytes.extend_from_slice(&issued.to_be_bytes());
        bytes.extend_from_slice(&serial.to_be_bytes());
        // HMAC takes keys of every length (RFC 2104 §3).
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length is a key");
        mac.update(&bytes);
        mac.update(realm.as_bytes());
        bytes.extend(mac.finalize().into_bytes().into_iter().take(PROOF));
        hex(&bytes)
    }

    /// When and as which number we issued this nonce for this realm; `None` when it was not us.
    fn issue_of(&self, credentials: &Credentials) -> Option<(u64, u32)> {
        let bytes = unhex(&credentials.nonce).filter(|bytes| bytes.len() == ISSUED + SERIAL + PROOF)?;
        let issued = u64::from_be_bytes(bytes.get(..ISSUED)?.try_into().ok()?);
        let serial = u32::from_be_bytes(bytes.get(ISSUED..ISSUED + SERIAL)?.try_into().ok()?);
        let ours = self.nonce((issued, serial), &credentials.realm);
        bool::from(ours.as_bytes().ct_eq(credentials.nonce.as_bytes())).then_some((issued, serial))
    }

    fn is_fresh(&self, nonce: (u64, u32), now: Duration) -> bool {
        let known = self.used.contains_key(&nonce) || self.forgotten.is_none_or(|forgotten| nonce > forgotten);
        known && millis(now).saturating_sub(nonce.0) <= millis(self.validity)
    }

    /// Whether this count is new for this nonce. Remembers it.
    fn count(&mut self, nonce: (u64, u32), nc: u32, now: Duration) -> bool {
        let oldest = millis(now).saturating_sub(millis(self.validity));
        self.used = self.used.split_off(&(oldest, 0));
        let is_new = self.used.entry(nonce).or_default().take(nc);
        if self.used.len() > self.most {
            self.forgotten = self.used.pop_first().map(|(nonce, _)| nonce).max(self.forgotten);
        }
        is_new
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Shows no secret.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({} nonces in use)", self.used.len())
    }
}

/// Counts that were seen: the highest, and which of the 64 below it, since requests of one client may overtake each
/// other.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Counts {
    highest: u32,
    seen: u64,
}

impl Counts {
    fn take(&mut self, nc: u32) -> bool {
        if nc == 0 {
            return false;
        }
        if nc > self.highest {
            self.seen = self.seen.checked_shl(nc - self.highest).unwrap_or(0) | 1;
            self.highest = nc;
            return true;
        }
        let Some(bit) = 1u64.checked_shl(self.highest - nc) else {
            return false;
        };
        let is_new = self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::super::{answer, ha1};
    use super::*;

    const REALM: &str = "ringfence.example";

    fn verifier() -> Verifier {
        Verifier::new([7; 32], Duration::from_secs(60))
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_000 + seconds)
    }

    fn respond(challenge: &Challenge, password: &str, nc: u32) -> Credentials {
        answer(challenge, "1001", password, &Method::Register, "sip:h", b"", "c", nc)
    }

    fn judge(verifier: &mut Verifier, credentials: &Credentials, now: Duration) -> Verdict {
        let known = |algorithm| (credentials.user == "1001").then(|| ha1(algorithm, "1001", REALM, "secret"));
        verifier.check(credentials, &Method::Register, known, now)
    }

    #[test]
    fn the_right_secret_is_good_for_every_algorithm_on_offer() {
        let mut verifier = verifier();
        let offered = verifier.challenge(REALM, at(0));
        assert_eq!(offered.iter().map(|c| c.algorithm).collect::<Vec<_>>(), [Algorithm::Sha256, Algorithm::Md5]);
        assert_eq!(judge(&mut verifier, &respond(&offered[0], "secret", 1), at(1)), Verdict::Good);
        assert_eq!(judge(&mut verifier, &respond(&offered[1], "secret", 2), at(1)), Verdict::Good);
        let shouted = Credentials {
            response: respond(&offered[1], "secret", 3).response.to_uppercase(),
            ..respond(&offered[1], "secret", 3)
        };
        assert_eq!(judge(&mut verifier, &shouted, at(1)), Verdict::Good);
    }

    #[test]
    fn anything_wrong_is_bad() {
        let mut verifier = verifier();
        let challenge = verifier.challenge(REALM, at(0)).remove(0);
        let good = respond(&challenge, "secret", 1);
        let wrong = [
            respond(&challenge, "Secret", 1),
            Credentials { user: "1002".into(), ..good.clone() },
            Credentials { uri: "sip:other".into(), ..good.clone() },
            Credentials { nc: 2, ..good.clone() },
            Credentials { cnonce: "d".into(), ..good.clone() },
            Credentials { response: String::new(), ..good.clone() },
            Credentials { algorithm: Algorithm::Sha512_256, ..good.clone() },
            respond(&Challenge { algorithm: Algorithm::Sha512_256, ..challenge.clone() }, "secret", 1),
            respond(&Challenge { qop: Qop::Legacy, ..challenge.clone() }, "secret", 1),
        ];
        for credentials in wrong {
            assert_eq!(judge(&mut verifier, &credentials, at(1)), Verdict::Bad);
        }
        let method = verifier.check(&good, &Method::Invite, |a| Some(ha1(a, "1001", REALM, "secret")), at(1));
        assert_eq!(method, Verdict::Bad);
        assert_eq!(judge(&mut verifier, &good, at(1)), Verdict::Good, "none of it was remembered");
    }

    #[test]
    fn a_count_is_taken_once() {
        let mut verifier = verifier();
        let challenge = verifier.challenge(REALM, at(0)).remove(0);
        let mut judge_count = |nc| judge(&mut verifier, &respond(&challenge, "secret", nc), at(1));
        for (nc, expect) in [
            (0, Verdict::Stale),
            (2, Verdict::Good),
            (1, Verdict::Good),
            (1, Verdict::Stale),
            (2, Verdict::Stale),
            (200, Verdict::Good),
            (137, Verdict::Good),
            (137, Verdict::Stale),
            (136, Verdict::Stale),
            (200, Verdict::Stale),
            (u32::MAX, Verdict::Good),
        ] {
            assert_eq!(judge_count(nc), expect, "{nc}");
        }
    }

    #[test]
    fn nonces_of_others_and_old_ones_are_stale() {
        let mut verifier = verifier();
        let challenge = verifier.challenge(REALM, at(0)).remove(0);
        assert_eq!(judge(&mut verifier, &respond(&challenge, "secret", 1), at(61)), Verdict::Stale);
        let other = Verifier::new([8; 32], Duration::from_secs(60)).challenge(REALM, at(0)).remove(0);
        assert_eq!(judge(&mut verifier, &respond(&other, "secret", 1), at(1)), Verdict::Stale);
        let later = format!("{:016x}{}", 9_999_999_999u64, &challenge.nonce[16..]);
        assert_eq!(
            judge(&mut verifier, &respond(&Challenge { nonce: later, ..challenge.clone() }, "secret", 1), at(1)),
            Verdict::Stale
        );
        let short = Challenge { nonce: "00".into(), ..challenge.clone() };
        assert_eq!(judge(&mut verifier, &respond(&short, "secret", 1), at(1)), Verdict::Stale);
        let mine = verifier.challenge("elsewhere", at(0)).remove(0);
        let moved = Challenge { realm: REALM.into(), ..mine };
        assert_eq!(judge(&mut verifier, &respond(&moved, "secret", 1), at(1)), Verdict::Stale, "of another realm");
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_not_good_again() {
        let mut verifier = Verifier { most: 50, ..verifier() };
        let first = verifier.challenge(REALM, at(0)).remove(0);
        assert_eq!(judge(&mut verifier, &respond(&first, "secret", 1), at(0)), Verdict::Good);
        for _ in 0..50 {
            let challenge = verifier.challenge(REALM, at(0)).remove(1);
            assert_eq!(judge(&mut verifier, &respond(&challenge, "secret", 1), at(0)), Verdict::Good);
        }
        assert_eq!(verifier.used.len(), 50);
        assert_eq!(judge(&mut verifier, &respond(&first, "secret", 1), at(0)), Verdict::Stale);
        assert_eq!(judge(&mut verifier, &respond(&first, "secret", 2), at(0)), Verdict::Stale);
        let fresh = verifier.challenge(REALM, at(59)).remove(0);
        assert_eq!(judge(&mut verifier, &respond(&fresh, "secret", 1), at(100)), Verdict::Good);
        assert_eq!(verifier.used.len(), 1, "what is too old to be good needs no memory");
    }
}
