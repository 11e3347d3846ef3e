//! SSH keys: the console's own, and those that administrators log in with (RFC 4253 §6.6, RFC 8709, RFC 5656).

use anyhow::{Context, bail};
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};
use store::DataDir;
use store::accounts::AccountKey;

/// The key that a node's console is known by; made the first time.
///
/// # Errors
/// It cannot be read or kept.
pub fn host_key(dir: &DataDir, node: &str) -> anyhow::Result<PrivateKey> {
    let text = dir.console_key(node, || {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)?;
        Ok(key.to_openssh(LineEnding::LF)?.to_string())
    })?;
    PrivateKey::from_openssh(&text).with_context(|| format!("nodes/{node}/console.key is no SSH key"))
}

/// As OpenSSH shows it to whom it asks whether to go on: `SHA256:…`
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// What is kept and compared: type and octets, no comment.
///
/// # Errors
/// The key has no such form.
pub fn bare(key: &PublicKey) -> anyhow::Result<String> {
    let mut key = key.clone();
    key.set_comment("");
    Ok(key.to_openssh()?.trim().to_owned())
}

/// Reads a line of `id_ed25519.pub` or `authorized_keys`.
///
/// # Errors
/// It is none, or of a kind that is not taken.
pub fn read(line: &str, account: &str, made_ms: u64) -> anyhow::Result<AccountKey> {
    let line = line.trim();
    let key = PublicKey::from_openssh(line).context(
        "expected an SSH public key as `ssh-keygen -t ed25519` writes it into a .pub file: `ssh-ed25519 AAAA… name`",
    )?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => {}
        other => bail!("{other} keys are not taken: make one with `ssh-keygen -t ed25519`"),
    }
    let comment: String = key.comment().to_string().chars().filter(|c| !c.is_control()).take(100).collect();
    Ok(AccountKey { account: account.to_owned(), key: bare(&key)?, fingerprint: fingerprint(&key), comment, made_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_as_it_is_written_and_known_without_its_comment() {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap();
        let line = format!("{} ada@desk\n", bare(key.public_key()).unwrap());
        let read = read(&line, "ada", 7).unwrap();
        assert_eq!((read.comment.as_str(), read.account.as_str(), read.made_ms), ("ada@desk", "ada", 7));
        assert_eq!(read.key, bare(key.public_key()).unwrap());
        assert!(read.fingerprint.starts_with("SHA256:"));
        let none = super::read("-----BEGIN OPENSSH PRIVATE KEY-----", "ada", 7).unwrap_err();
        assert!(none.to_string().contains("ssh-keygen -t ed25519"));
    }
}
