//! People who log in with a name and a password: agents, supervisors, administrators.
//!
//! [`Store`] keeps them, [`Accounts`] lets them in. A wrong password, an unknown name and a locked one cost about the same
//! time, and the store never sees a password. Who comes again within ten minutes with the password that was right is
//! known by a keyed digest of it, so that a client that shows it with each request does not cost an argon2id each; the
//! account's row is read every time, so what is removed or changed is so at once.
//!
//! Where there is a [`Directory`], it is asked about names that the store does not have, and of those alone.

mod doors;
mod keys;
mod limits;
mod password;
mod visitors;

use rusqlite::params;
use serde::{Deserialize, Serialize};

pub use doors::{Accounts, Door, NotIn};
pub use keys::AccountKey;
pub use password::{LONGEST_PASSWORD, SHORTEST_PASSWORD};
pub use visitors::{Directory, NoPerson, Person};

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

/// Longest name of an account, in octets.
const LONGEST_NAME: usize = 64;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Their own agent's state and calls.
    Agent,
    /// Also those of the teams that the site says they supervise.
    Supervisor,
    /// Everything.
    Administrator,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Agent, Role::Supervisor, Role::Administrator];

    pub fn word(self) -> &'static str {
        match self {
            Role::Agent => "agent",
            Role::Supervisor => "supervisor",
            Role::Administrator => "administrator",
        }
    }

    pub fn read(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub role: Role,
    /// The agent of the site that they are; each agent and supervisor is one, an administrator may be.
    pub agent: Option<String>,
    /// Milliseconds since 1970; 0 of one that is not kept here.
    pub made_ms: u64,
    pub origin: Origin,
}

/// Who says that somebody may log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// It is kept in the store.
    #[default]
    Store,
    /// An LDAP directory, which is asked again while they are here.
    Directory,
    /// A provider's token, or a session that came of one.
    Provider {
        /// It is over then: seconds since 1970.
        until_s: u64,
        /// Where it is one: whose it is knows whether it is open.
        session: Option<u64>,
    },
}

/// Why an account is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    #[error(
        "`{0}` is no name for an account: expected 1 to {LONGEST_NAME} of the letters a-z and A-Z, digits, and . _ - @"
    )]
    Name(String),
    #[error(
        "the password has {0} octets; expected {SHORTEST_PASSWORD} to {LONGEST_PASSWORD}: several words that nobody would guess together are best"
    )]
    Password(usize),
    #[error("{} {} has an account of an agent: say which agent of the site with --agent", .0.word(), .1)]
    NoAgent(Role, String),
    #[error("there is an account `{0}` already; `ringfence account password {0}` gives it another password")]
    Taken(String),
    #[error("there is no account `{0}`")]
    Unknown(String),
    #[error("`{0}` is an account of an {word}: keys are for the console, where administrators alone log in", word = .1.word())]
    NotForKeys(String, Role),
    #[error("`{0}` has as many keys as an account may: remove one with `ringfence account key remove`")]
    Keys(String),
    #[error("the key {0} is in use already: each key is one account's")]
    KeyTaken(String),
    #[error("`{0}` has no key {1}: `ringfence account key list {0}` shows those there are")]
    NoKey(String, String),
    #[error(transparent)]
    Store(#[from] Error),
}

impl Store {
    /// # Errors
    /// The name or password is not fit for it, an agent's or supervisor's account names no agent, the name is taken.
    pub fn add_account(&mut self, account: &Account, password: &str) -> Result<(), NotMade> {
        let Account { name, role, agent, made_ms, origin: _ } = account;
        if !is_name(name) {
            return Err(NotMade::Name(name.clone()));
        }
        if agent.is_none() && *role != Role::Administrator {
            return Err(NotMade::NoAgent(*role, name.clone()));
        }
        let password = password::kept(password)?;
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "INSERT INTO account (name, role, agent, password, made_ms) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
                let values = params![name, role.word(), agent, password, to_sql(*made_ms)];
                match sqlite.write("keep an account", sql, values)? {
                    0 => Err(NotMade::Taken(name.clone())),
                    _ => Ok(()),
                }
            }
        }
    }

    /// # Errors
    /// The password is not fit for it, or there is no such account.
    pub fn set_password(&mut self, name: &str, password: &str) -> Result<(), NotMade> {
        let password = password::kept(password)?;
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "UPDATE account SET password = ?2 WHERE name = ?1";
                match sqlite.write("keep a password", sql, params![name, password])? {
                    0 => Err(NotMade::Unknown(name.to_owned())),
                    _ => Ok(()),
                }
            }
        }
    }

    /// # Errors
    /// There is no such account.
    pub fn remove_account(&mut self, name: &str) -> Result<(), NotMade> {
        match self {
            Store::Sqlite(sqlite) => {
                match sqlite.write("remove an account", "DELETE FROM account WHERE name = ?1", params![name])? {
                    0 => Err(NotMade::Unknown(name.to_owned())),
                    _ => Ok(()),
                }
            }
        }
    }

    /// In the order of their names.
    pub fn accounts(&self) -> Result<Vec<Account>, Error> {
        let all = self.account_rows("SELECT name, role, agent, password, made_ms FROM account ORDER BY name", [])?;
        Ok(all.into_iter().map(|(account, _)| account).collect())
    }

    /// Whether there is an account of this name, however it is capitalised: elsewhere names are compared so.
    fn has_account_like(&self, name: &str) -> Result<bool, Error> {
        let sql = "SELECT name, role, agent, password, made_ms FROM account WHERE name = ?1 COLLATE NOCASE LIMIT 1";
        Ok(!self.account_rows(sql, params![name])?.is_empty())
    }

    /// With the password as it is kept.
    fn account(&self, name: &str) -> Result<Option<(Account, String)>, Error> {
        let sql = "SELECT name, role, agent, password, made_ms FROM account WHERE name = ?1";
        Ok(self.account_rows(sql, params![name])?.pop())
    }

    fn account_rows(&self, sql: &str, values: impl rusqlite::Params) -> Result<Vec<(Account, String)>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let rows = sqlite.read("read accounts", sql, values, |row| {
                    let (name, agent, password, made_ms) = (row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?);
                    let role: String = row.get(1)?;
                    Ok((name, role, agent, password, from_sql(made_ms)))
                })?;
                let account = |(name, role, agent, password, made_ms): (String, String, _, _, _)| {
                    let why = format!("account `{name}` has a role `{role}` that this version does not know");
                    let role = Role::read(&role).ok_or(Error::Failed { doing: "read accounts", why })?;
                    Ok((Account { name, role, agent, made_ms, origin: Origin::Store }, password))
                };
                rows.into_iter().map(account).collect()
            }
        }
    }
}

/// Whether an account may be called so.
pub fn is_name(name: &str) -> bool {
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"._-@".contains(&octet);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fits)
}

#[cfg(test)]
mod tests;
