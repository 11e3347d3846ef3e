//! The register of tokens: which were issued here, to whom, until when; and which were taken back.

use rusqlite::{Row, params};

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store, Taken};

/// A token as the register has it: never the token itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// Its `jti`.
    pub id: String,
    /// The call manager that issued it; empty: none here did.
    pub node: String,
    pub phone: String,
    /// Its `sub`.
    pub owner: String,
    /// Milliseconds since 1970.
    pub issued_ms: u64,
    pub until_ms: u64,
    pub revoked: Option<Taken>,
}

impl Store {
    /// # Errors
    /// The disk's.
    pub fn add_token(&mut self, token: &IssuedToken) -> Result<(), Error> {
        let IssuedToken { id, node, phone, owner, issued_ms, until_ms, revoked } = token;
        let (at, reason) = (revoked.as_ref().map(|taken| to_sql(taken.at_ms)), revoked.as_ref().map(|t| &t.reason));
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "INSERT INTO token (id, node, phone, owner, issued_ms, until_ms, revoked_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
                let values = params![id, node, phone, owner, to_sql(*issued_ms), to_sql(*until_ms), at, reason];
                sqlite.write("enter a token", sql, values)?;
            }
        }
        Ok(())
    }

    /// True if it was good until now.
    ///
    /// # Errors
    /// The disk's.
    pub fn revoke_token(&mut self, id: &str, taken: &Taken) -> Result<bool, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "UPDATE token SET revoked_ms = ?2, reason = ?3 WHERE id = ?1 AND revoked_ms IS NULL";
                Ok(sqlite.write("revoke a token", sql, params![id, to_sql(taken.at_ms), taken.reason])? == 1)
            }
        }
    }

    /// All, the oldest first.
    ///
    /// # Errors
    /// The store's.
    pub fn tokens(&self) -> Result<Vec<IssuedToken>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read the register of tokens",
                "SELECT id, node, phone, owner, issued_ms, until_ms, revoked_ms, reason FROM token ORDER BY issued_ms, id",
                params![],
                read,
            ),
        }
    }

    /// Forgets those that ended before this time: nobody believes them, taken back or not.
    ///
    /// # Errors
    /// The disk's.
    pub fn forget_tokens(&mut self, before_ms: u64) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "DELETE FROM token WHERE until_ms > 0 AND until_ms < ?1";
                sqlite.write("forget tokens that have ended", sql, params![to_sql(before_ms)])?;
            }
        }
        Ok(())
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<IssuedToken> {
    let revoked: Option<i64> = row.get(6)?;
    let reason: Option<String> = row.get(7)?;
    Ok(IssuedToken {
        id: row.get(0)?,
        node: row.get(1)?,
        phone: row.get(2)?,
        owner: row.get(3)?,
        issued_ms: from_sql(row.get(4)?),
        until_ms: from_sql(row.get(5)?),
        revoked: revoked.map(|at| Taken { at_ms: from_sql(at), reason: reason.unwrap_or_default() }),
    })
}
