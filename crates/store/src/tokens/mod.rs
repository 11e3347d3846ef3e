//! Tokens that phones register by (RFC 8898): the built-in issuer's key, what it issued, what was taken back, and the key
//! sets of identity providers.
//!
//! ```text
//! DIR/nodes/NAME/oauth/issuer.key      signs tokens
//! DIR/nodes/NAME/oauth/before-N.json   public halves of keys before it, whose tokens are good until they end
//! DIR/nodes/NAME/key-sets/HASH.json    what identity providers published when they were asked last
//! ```

mod register;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use site::{IdentityProvider, KeySource, Node, OAuth, Role, Site};
use trust::{Audience, Claims, KeyKind, TokenIssuer, TokenKey};

pub use register::IssuedToken;

use crate::data_dir::DataDir;
use crate::{Change, Taken, files};

/// Octets of an identity provider's key set.
const LARGEST: u64 = 256 * 1024;
/// Keys of before that are kept.
const BEFORE: usize = 8;
/// Ended tokens stay in the register so long.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a call manager goes by when it is given a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of each issuer that the site names: the built-in one, if it is on, then the identity providers.
    pub keys: Vec<Vec<TokenKey>>,
    /// By their `jti`.
    pub revoked: BTreeSet<String>,
}

impl DataDir {
    /// What a node goes by; `None`: it takes no tokens.
    ///
    /// # Errors
    /// The built-in issuer has no key, a key set cannot be read or has no key, or the store's.
    pub fn tokens(&self, node: &Node) -> anyhow::Result<Option<Tokens>> {
        let Some(oauth) = oauth_of(node) else { return Ok(None) };
        let mut keys = Vec::new();
        if oauth.built_in_issuer {
            keys.push(TokenKey::read_set(&self.token_key_set(&node.name)?)?);
        }
        for row in &oauth.identity_providers {
            let read = match row.keys() {
                KeySource::Files(named) => self.provider_keys(named),
                KeySource::Address(_) | KeySource::Discovery => self.fetched_keys(&node.name, row),
            };
            keys.push(read.with_context(|| format!("the keys of {}", row.issuer))?);
        }
        let tokens = self.store()?.tokens()?.into_iter().filter(|token| token.revoked.is_some());
        Ok(Some(Tokens { keys, revoked: tokens.map(|token| token.id).collect() }))
    }

    /// The public halves of a node's issuer, as a JSON Web Key Set: for whoever else is to believe its tokens.
    ///
    /// # Errors
    /// It has none, or others on this host may read its key.
    pub fn token_key_set(&self, node: &str) -> anyhow::Result<String> {
        let mut sets = vec![self.token_issuer(node)?.key_set()];
        for file in self.keys_before(node)? {
            sets.push(fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?);
        }
        Ok(trust::join_key_sets(&sets)?)
    }

    /// Issues a token for a phone, to its owner, and enters it into register and audit. It is kept nowhere.
    ///
    /// # Errors
    /// The node has no such phone, its profile does not enable OAuth, or the issuer is off or has no key.
    pub fn issue_token(
        &self,
        node: &Node,
        phone: &str,
        life: Option<Duration>,
        who: &str,
        now: SystemTime,
    ) -> anyhow::Result<(String, IssuedToken)> {
        let oauth = oauth_of(node).with_context(|| no_oauth(&node.name))?;
        ensure!(
            oauth.built_in_issuer,
            "the built-in issuer of `{}` is off: its phones get their tokens at {}",
            node.name,
            oauth.authorization_server("")
        );
        let Role::CallManager(manager) = &node.role else { bail!(no_oauth(&node.name)) };
        let row = manager.phones.iter().find(|row| row.name == phone).with_context(|| {
            let names: Vec<&str> = manager.phones.iter().map(|row| row.name.as_str()).collect();
            format!("`{}` has no phone `{phone}`; it has {}", node.name, names.join(", "))
        })?;
        ensure!(
            manager.profile_of(row).enable_oauth_authentication,
            "the security profile of {phone} does not enable OAuth: it would be refused with any token"
        );
        let host = self.site()?.host_name(node);
        let life = life.unwrap_or(Duration::from_secs(oauth.token_life_s.into()));
        ensure!(!life.is_zero(), "a token that is good for no time is none: give it a life of a second or more");
        let (from, until) = (seconds(now), seconds(now + life));
        let id = random_id()?;
        let claims = Claims {
            iss: oauth.issuer(&host),
            sub: row.owner().to_owned(),
            aud: Audience::One(oauth.audience(&host)),
            exp: until,
            nbf: None,
            iat: Some(from),
            jti: Some(id.clone()),
        };
        let issued = IssuedToken {
            id,
            node: node.name.clone(),
            phone: phone.to_owned(),
            owner: row.owner().to_owned(),
            issued_ms: millis(now),
            until_ms: millis(now + life),
            revoked: None,
        };
        let token = self.token_issuer(&node.name)?.issue(&claims)?;
        let what = format!("token {} issued for {phone} of {}", issued.id, issued.owner);
        self.store()?.together(|store| {
            store.forget_tokens(millis(now).saturating_sub(REMEMBERED.as_millis() as u64))?;
            store.add_token(&issued)?;
            store.add_change(&change(who, what, now))
        })?;
        Ok((token, issued))
    }

    /// Takes tokens back: one by its id, or all of a phone's or an owner's that have not ended. `foreign`: an identity
    /// provider's, of which only the `jti` is known. Returns their ids.
    ///
    /// # Errors
    /// None is meant, or all are taken back already.
    pub fn revoke_tokens(
        &self,
        what: &str,
        foreign: bool,
        reason: &str,
        who: &str,
        now: SystemTime,
    ) -> anyhow::Result<Vec<String>> {
        let mut store = self.store()?;
        let all = store.tokens()?;
        let taken = Taken { at_ms: millis(now), reason: reason.to_owned() };
        let mut meant: Vec<IssuedToken> = all.iter().filter(|token| token.id == what).cloned().collect();
        if meant.is_empty() && foreign {
            let token = IssuedToken {
                id: what.to_owned(),
                node: String::new(),
                phone: String::new(),
                owner: String::new(),
                issued_ms: millis(now),
                until_ms: 0,
                revoked: None,
            };
            store.add_token(&token)?;
            meant.push(token);
        }
        if meant.is_empty() {
            let of = |token: &&IssuedToken| token.phone == what || token.owner == what;
            meant = all.iter().filter(of).filter(|token| token.until_ms > millis(now)).cloned().collect();
        }
        ensure!(
            !meant.is_empty(),
            "`{what}` is no token that was issued here, and no phone or owner has one that has not ended (`ringfence \
             token list`); one of an identity provider's is taken back by its jti with --foreign"
        );
        meant.retain(|token| token.revoked.is_none());
        ensure!(!meant.is_empty(), "`{what}` is taken back already");
        store.together(|store| {
            for token in &meant {
                store.revoke_token(&token.id, &taken)?;
                let whose = if token.phone.is_empty() { "an identity provider".into() } else { token.phone.clone() };
                store.add_change(&change(who, format!("token {} of {whose} revoked: {reason}", token.id), now))?;
            }
            Ok::<(), crate::Error>(())
        })?;
        Ok(meant.into_iter().map(|token| token.id).collect())
    }

    /// A new key for a node's issuer. Tokens of the key before are good until they end; `at_once`: none is any more.
    ///
    /// # Errors
    /// The node has no issuer, or the disk's.
    pub fn renew_token_key(&self, node: &Node, at_once: bool, who: &str, now: SystemTime) -> anyhow::Result<()> {
        let _lock = self.lock()?;
        let folder = self.token_folder(&node.name);
        let held = self.token_issuer(&node.name)?;
        let before = self.keys_before(&node.name)?;
        if !at_once {
            let number = before.last().and_then(|file| number_of(file)).map_or(1, |last| last + 1);
            files::write_private(&folder.join(format!("before-{number:06}.json")), held.key_set().as_bytes())?;
        }
        files::write_private(&folder.join("issuer.key"), trust::generate_key(KeyKind::P256)?.0.as_bytes())?;
        let stale = if at_once { before.len() } else { (before.len() + 1).saturating_sub(BEFORE) };
        for file in before.iter().take(stale) {
            files::remove_durably(file)?;
        }
        let words = if at_once { "; tokens of the one before are refused" } else { "" };
        self.store()?.add_change(&change(who, format!("{}: new key for tokens{words}", node.name), now))?;
        Ok(())
    }

    /// # Errors
    /// As [`DataDir::token_key_set`].
    fn token_issuer(&self, node: &str) -> anyhow::Result<TokenIssuer> {
        let file = self.token_folder(node).join("issuer.key");
        ensure!(
            file.exists(),
            "`{node}` has no key for tokens: run `ringfence --data {} init SITE`",
            self.path().display()
        );
        ensure!(
            !files::is_open_to_others(&file)?,
            "others on this host may read {0}: run `chmod 600 {0}`, and `ringfence token renew --at-once` if they may have",
            file.display()
        );
        let pem = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(TokenIssuer::from_pem(&pem)?)
    }

    /// Public halves of before, the oldest first.
    fn keys_before(&self, node: &str) -> anyhow::Result<Vec<PathBuf>> {
        let mut found: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(self.token_folder(node)).context("cannot read the issuer's folder")? {
            found.extend(Some(entry?.path()).filter(|path| number_of(path).is_some()));
        }
        found.sort();
        Ok(found)
    }

    /// A file, or each `.json` of a folder; seen from the data directory.
    fn provider_keys(&self, named: &str) -> anyhow::Result<Vec<TokenKey>> {
        let path = self.path().join(named);
        let mut files = vec![path.clone()];
        if path.is_dir() {
            files.clear();
            for entry in fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))? {
                files.extend(Some(entry?.path()).filter(|file| file.extension().is_some_and(|end| end == "json")));
            }
            files.sort();
        }
        let mut keys = Vec::new();
        for file in &files {
            let shown = file.display();
            let length = fs::metadata(file).with_context(|| format!("cannot read {shown}"))?.len();
            ensure!(length <= LARGEST, "{shown} has {length} octets: a key set has no more than {LARGEST}");
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
            keys.extend(TokenKey::read_set(&text).with_context(|| format!("{shown}"))?);
        }
        ensure!(!keys.is_empty(), "{} has no key set: put the provider's there, as a `.json` file", path.display());
        Ok(keys)
    }

    /// What was fetched last; nothing, as long as nothing was.
    fn fetched_keys(&self, node: &str, row: &IdentityProvider) -> anyhow::Result<Vec<TokenKey>> {
        let file = self.fetched_file(node, row);
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            read => read.with_context(|| format!("cannot read {}", file.display()))?,
        };
        let damaged = || format!("{} is damaged: remove it, and it is fetched anew", file.display());
        TokenKey::read_set(&text).with_context(damaged)
    }

    /// Keeps a key set that was fetched; whether it is another than before.
    ///
    /// # Errors
    /// It is no key set, or the disk's: then the one of before stays.
    pub fn keep_key_set(&self, node: &str, row: &IdentityProvider, text: &str) -> anyhow::Result<bool> {
        let (keys, file) = (TokenKey::read_set(text)?, self.fetched_file(node, row));
        if self.fetched_keys(node, row).is_ok_and(|before| before == keys) {
            return Ok(false);
        }
        let written = file.parent().map_or(Ok(()), files::create_folder);
        written
            .and_then(|()| files::write_private(&file, text.as_bytes()))
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(true)
    }

    /// Whether one was ever fetched.
    pub fn has_key_set(&self, node: &str, row: &IdentityProvider) -> bool {
        self.fetched_file(node, row).exists()
    }

    /// One for each issuer and place: a site that names another place does not go by what was at the one before.
    fn fetched_file(&self, node: &str, row: &IdentityProvider) -> PathBuf {
        let what = format!("{}\n{}", row.issuer, row.key_set.as_deref().unwrap_or_default());
        let name = trust::fingerprint(what.as_bytes());
        self.node_folder(node).join("key-sets").join(format!("{}.json", name.get(..32).unwrap_or_default()))
    }

    pub(crate) fn init_token_key(&self, node: &Node, made: &mut Vec<String>) -> anyhow::Result<()> {
        let folder = self.token_folder(&node.name);
        if !oauth_of(node).is_some_and(|oauth| oauth.built_in_issuer) || folder.exists() {
            return Ok(());
        }
        let (key, _) = trust::generate_key(KeyKind::P256)?;
        files::create_folder_with(&folder, &[("issuer.key", &key)])?;
        made.push(format!("nodes/{}/oauth: the key that signs phones' tokens", node.name));
        Ok(())
    }

    /// A node that is exported takes its issuer along.
    pub(crate) fn export_token_key(&self, node: &str, to: &DataDir) -> anyhow::Result<()> {
        let (from, to) = (self.token_folder(node), to.token_folder(node));
        if !from.exists() {
            return Ok(());
        }
        files::create_folder(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            files::write_private(&to.join(entry.file_name()), &fs::read(entry.path())?)?;
        }
        Ok(())
    }

    fn token_folder(&self, node: &str) -> PathBuf {
        self.node_folder(node).join("oauth")
    }
}

/// The call managers of a site that take tokens.
pub fn token_nodes(site: &Site) -> impl Iterator<Item = &Node> {
    site.nodes.iter().filter(|node| oauth_of(node).is_some())
}

fn oauth_of(node: &Node) -> Option<&OAuth> {
    match &node.role {
        Role::CallManager(manager) => manager.oauth.as_ref(),
        _ => None,
    }
}

fn no_oauth(node: &str) -> String {
    format!("`{node}` takes no tokens: add `[node.role.call_manager.oauth]` to the site")
}

fn number_of(file: &Path) -> Option<u64> {
    file.file_name()?.to_str()?.strip_prefix("before-")?.strip_suffix(".json")?.parse().ok()
}

fn random_id() -> anyhow::Result<String> {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
    Ok(trust::hex(&octets))
}

fn change(who: &str, what: String, now: SystemTime) -> Change {
    Change { at_ms: millis(now), who: who.into(), source: "command line".into(), what, detail: "{}".into() }
}

fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn seconds(at: SystemTime) -> i64 {
    i64::try_from(millis(at) / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
