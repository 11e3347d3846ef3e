//! Digest authentication (RFC 7616, RFC 8760): challenges, answers, nonces with count and stale.
//!
//! Pure: HA1s are given by the caller; secrets are compared in constant time.

// helper A owns this file. Public face:
//   Challenge { realm, nonce, algorithm, qop, stale }, parse + Display
//   Credentials { .. } parse + Display
//   answer(challenge, user, password, method, uri, body, cnonce, nc) -> Credentials
//   Verifier { new(secret: [u8; 32], validity: Duration), challenge(realm, now) -> Vec<Challenge>,
//              check(credentials, method, ha1: impl Fn(Algorithm) -> Option<String>, now) -> Verdict }
//   enum Verdict { Good, Stale, Bad }
//   enum Algorithm { Md5, Sha256, Sha512_256 }  ha1(algorithm, user, realm, password) -> String
