//! Challenges (RFC 7616) whose nonces last as long as a security profile says.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::auth::{Algorithm, Challenge, Credentials, Verdict, Verifier, ha1};
use sip::{Headers, Method, Name, ServerId, Status};

use crate::shell::Shell;

/// Verifiers by the minutes that their nonces last. A profile whose validity changes has its phones challenged anew.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Challenges {
    algorithms: Vec<Algorithm>,
    verifiers: BTreeMap<u32, Verifier>,
}

impl Challenges {
    /// baresip 1.0 gives up at a first challenge that is not MD5; over TLS the hash is not what protects the secret.
    pub(super) fn of_phones() -> Challenges {
        Challenges { algorithms: vec![Algorithm::Md5], verifiers: BTreeMap::new() }
    }

    pub(super) fn of_trunks() -> Challenges {
        Challenges { algorithms: vec![Algorithm::Sha256, Algorithm::Md5], verifiers: BTreeMap::new() }
    }

    fn verifier(&mut self, shell: &mut Shell, minutes: u32) -> &mut Verifier {
        let algorithms = &self.algorithms;
        self.verifiers.entry(minutes).or_insert_with(|| {
            Verifier::new(shell.secret(), Duration::from_secs(u64::from(minutes) * 60)).offering(algorithms.clone())
        })
    }

    /// 401.
    pub(super) fn send(&mut self, shell: &mut Shell, server: ServerId, realm: &str, minutes: u32, stale: bool) {
        let now = shell.now().mono;
        let challenges = self.verifier(shell, minutes).challenge(realm, now);
        let write = |mut challenge: Challenge| {
            challenge.stale = stale;
            (Name::WwwAuthenticate, challenge.to_string())
        };
        let headers: Headers = challenges.into_iter().map(write).collect();
        shell.answer_outside(server, Status(401), headers);
    }

    /// `secret`: that of the user whom the credentials name; `None` for nobody.
    pub(super) fn check(
        &mut self,
        shell: &mut Shell,
        minutes: u32,
        given: &Credentials,
        method: &Method,
        secret: Option<&str>,
    ) -> Verdict {
        let now = shell.now().mono;
        let known = |algorithm| Some(ha1(algorithm, &given.user, &given.realm, secret?));
        self.verifier(shell, minutes).check(given, method, known, now)
    }
}
