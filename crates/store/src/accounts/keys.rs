//! SSH public keys by which administrators log in to a console: each key is one account's.

use rusqlite::params;

use super::{Account, Accounts, Door, NotIn, NotMade, Role};
use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

/// Keys of one account.
const MOST: usize = 32;

/// A key that somebody may log in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountKey {
    pub account: String,
    /// `ssh-ed25519 AAAA…`, without a comment: what is compared.
    pub key: String,
    /// `SHA256:…`, as OpenSSH shows it.
    pub fingerprint: String,
    /// What its owner calls it.
    pub comment: String,
    /// Milliseconds since 1970.
    pub made_ms: u64,
}

impl Store {
    /// # Errors
    /// There is no such account, it is not an administrator's, it has enough keys, or the key is somebody's already.
    pub fn add_account_key(&mut self, key: &AccountKey) -> Result<(), NotMade> {
        let AccountKey { account, key, fingerprint, comment, made_ms } = key;
        let (owner, _) = self.account(account)?.ok_or_else(|| NotMade::Unknown(account.clone()))?;
        if owner.role != Role::Administrator {
            return Err(NotMade::NotForKeys(account.clone(), owner.role));
        }
        if self.account_keys(account)?.len() >= MOST {
            return Err(NotMade::Keys(account.clone()));
        }
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "INSERT INTO account_key (key, account, fingerprint, comment, made_ms) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
                let values = params![key, account, fingerprint, comment, to_sql(*made_ms)];
                match sqlite.write("keep a key", sql, values)? {
                    0 => Err(NotMade::KeyTaken(fingerprint.clone())),
                    _ => Ok(()),
                }
            }
        }
    }

    /// # Errors
    /// This account has no such key.
    pub fn remove_account_key(&mut self, account: &str, fingerprint: &str) -> Result<(), NotMade> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "DELETE FROM account_key WHERE account = ?1 AND fingerprint = ?2";
                match sqlite.write("remove a key", sql, params![account, fingerprint])? {
                    0 => Err(NotMade::NoKey(account.to_owned(), fingerprint.to_owned())),
                    _ => Ok(()),
                }
            }
        }
    }

    /// An account's, the oldest first.
    ///
    /// # Errors
    /// The store's.
    pub fn account_keys(&self, account: &str) -> Result<Vec<AccountKey>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read keys",
                "SELECT account, key, fingerprint, comment, made_ms FROM account_key WHERE account = ?1 ORDER BY made_ms, key",
                params![account],
                |row| {
                    Ok(AccountKey {
                        account: row.get(0)?,
                        key: row.get(1)?,
                        fingerprint: row.get(2)?,
                        comment: row.get(3)?,
                        made_ms: from_sql(row.get(4)?),
                    })
                },
            ),
        }
    }
}

impl Accounts {
    /// The administrator of this name, if this is a key of theirs; `key` as in [`AccountKey::key`]. Nothing is proved yet.
    pub fn of_key(&self, name: &str, key: &str) -> Option<Account> {
        let store = super::doors::lock(&self.store);
        let (account, _) = store.account(name).ok()??;
        let keys = store.account_keys(name).ok()?;
        (account.role == Role::Administrator && keys.iter().any(|held| held.key == key)).then_some(account)
    }

    /// The same for somebody who has proved to hold it: in the audit log. Wrong passwords of others lock nobody out who has
    /// a key.
    ///
    /// # Errors
    /// The key is not, or no longer, one of this account's; the store's.
    pub fn log_in_by_key(&self, name: &str, key: &str, fingerprint: &str, door: Door) -> Result<Account, NotIn> {
        let account = self.of_key(name, key).ok_or(NotIn::Wrong)?;
        self.write_down(name, door, &format!("logged in with the key {fingerprint}"))?;
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Origin;
    use super::*;

    #[test]
    fn a_key_is_one_administrators_until_it_is_taken_away() {
        let mut store = Store::in_memory().unwrap();
        let account = |name: &str, role| Account {
            name: name.into(),
            role,
            agent: Some("1001".into()),
            made_ms: 1,
            origin: Origin::Store,
        };
        for (name, role) in [("ada", Role::Administrator), ("bob", Role::Agent), ("eve", Role::Administrator)] {
            store.add_account(&account(name, role), "correct horse battery").unwrap();
        }
        let key = |account: &str| AccountKey {
            account: account.into(),
            key: "ssh-ed25519 AAAA".into(),
            fingerprint: "SHA256:x".into(),
            comment: "ada@desk".into(),
            made_ms: 2,
        };
        assert!(matches!(store.add_account_key(&key("bob")), Err(NotMade::NotForKeys(..))));
        assert!(matches!(store.add_account_key(&key("nobody")), Err(NotMade::Unknown(_))));
        store.add_account_key(&key("ada")).unwrap();
        assert!(matches!(store.add_account_key(&key("eve")), Err(NotMade::KeyTaken(_))));
        assert_eq!(store.account_keys("ada").unwrap(), [key("ada")]);
        let accounts = Accounts::new(store).unwrap();
        let door = Door { source: std::net::Ipv4Addr::LOCALHOST.into(), of: "console" };
        assert_eq!(accounts.of_key("ada", "ssh-ed25519 AAAA").unwrap().name, "ada");
        assert!(accounts.of_key("eve", "ssh-ed25519 AAAA").is_none());
        assert!(accounts.of_key("ada", "ssh-ed25519 AAAB").is_none());
        assert_eq!(accounts.log_in_by_key("ada", "ssh-ed25519 AAAA", "SHA256:x", door).unwrap().name, "ada");
        let mut store = super::super::doors::lock(&accounts.store);
        assert_eq!(store.changes(1).unwrap()[0].what, "at the console: logged in with the key SHA256:x");
        assert!(matches!(store.remove_account_key("eve", "SHA256:x"), Err(NotMade::NoKey(..))));
        // Whose account goes, goes with their keys.
        store.remove_account("ada").unwrap();
        assert!(store.account_keys("ada").unwrap().is_empty());
    }
}
