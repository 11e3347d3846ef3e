//! Passwords as they are kept: argon2id (RFC 9106) as a PHC string, 19 MiB, two passes, one lane, 16 octets of salt.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};

use super::NotMade;
use crate::Error;

/// Fewest octets of a password (NIST SP 800-63B §3.1.1.2).
pub const SHORTEST_PASSWORD: usize = 8;
/// Most octets of a password: hashing is not a way to keep the processor busy.
pub const LONGEST_PASSWORD: usize = 1024;

/// # Errors
/// Too short or too long a password.
pub(super) fn kept(password: &str) -> Result<String, NotMade> {
    if !(SHORTEST_PASSWORD..=LONGEST_PASSWORD).contains(&password.len()) {
        return Err(NotMade::Password(password.len()));
    }
    Ok(hash(password.as_bytes())?)
}

/// What no password fits, and costs what every other costs to find out.
pub(super) fn nobodys() -> Result<String, Error> {
    hash(&random::<32>()?)
}

fn hash(password: &[u8]) -> Result<String, Error> {
    let salt = SaltString::encode_b64(&random::<16>()?).map_err(failed)?;
    Ok(Argon2::default().hash_password(password, &salt).map_err(failed)?.to_string())
}

/// Compared in constant time.
pub(super) fn fits(kept: &str, password: &str) -> bool {
    // Longer ones are never kept; an empty one is neither, so it fits nothing.
    let password = if password.len() > LONGEST_PASSWORD { b"" } else { password.as_bytes() };
    PasswordHash::new(kept).is_ok_and(|kept| Argon2::default().verify_password(password, &kept).is_ok())
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut octets = [0; N];
    aws_lc_rs::rand::fill(&mut octets).map_err(failed)?;
    Ok(octets)
}

fn failed(why: impl std::fmt::Display) -> Error {
    Error::Failed { doing: "hash a password", why: why.to_string() }
}
