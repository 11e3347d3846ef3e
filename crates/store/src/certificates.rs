//! The CA's register: what it has issued, what of it is revoked, and the lists that say so.

use rusqlite::params;

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

/// A certificate that the site's own CA has issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Lower-case hex.
    pub serial: String,
    pub subject: String,
    /// Whose it is in the data directory: `cube1`, `cube1@carrier`, `admin`; empty for a stranger's.
    pub identity: String,
    /// Milliseconds since 1970.
    pub issued_ms: u64,
    pub until_ms: u64,
    pub revoked: Option<Taken>,
}

/// When and why a certificate was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// As RFC 5280 §5.3.1 names it: `key-compromise`.
    pub reason: String,
}

impl Store {
    /// Enters a certificate before it is used. `false`: its serial has been used, and nothing was entered.
    ///
    /// # Errors
    /// The disk's.
    pub fn add_certificate(&mut self, issued: &Issued) -> Result<bool, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let Issued { serial, subject, identity, issued_ms, until_ms, revoked } = issued;
                let rows = sqlite.write(
                    "enter a certificate",
                    "INSERT OR IGNORE INTO certificate (serial, subject, identity, issued_ms, until_ms, revoked_ms, reason) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        serial,
                        subject,
                        identity,
                        to_sql(*issued_ms),
                        to_sql(*until_ms),
                        revoked.as_ref().map(|taken| to_sql(taken.at_ms)),
                        revoked.as_ref().map(|taken| &taken.reason)
                    ],
                )?;
                Ok(rows == 1)
            }
        }
    }

    /// All that were issued, the oldest first.
    ///
    /// # Errors
    /// The disk's.
    pub fn certificates(&self) -> Result<Vec<Issued>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read the register of certificates",
                "SELECT serial, subject, identity, issued_ms, until_ms, revoked_ms, reason FROM certificate ORDER BY issued_ms, serial",
                params![],
                |row| {
                    let (at, reason): (Option<i64>, Option<String>) = (row.get(5)?, row.get(6)?);
                    Ok(Issued {
                        serial: row.get(0)?,
                        subject: row.get(1)?,
                        identity: row.get(2)?,
                        issued_ms: from_sql(row.get(3)?),
                        until_ms: from_sql(row.get(4)?),
                        revoked: at.map(|at| Taken { at_ms: from_sql(at), reason: reason.unwrap_or_default() }),
                    })
                },
            ),
        }
    }

    /// Takes a certificate back. `false`: it is not in the register, or was taken back before; then nothing has changed.
    ///
    /// # Errors
    /// The disk's.
    pub fn revoke_certificate(&mut self, serial: &str, taken: &Taken) -> Result<bool, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql =
                    "UPDATE certificate SET revoked_ms = ?2, reason = ?3 WHERE serial = ?1 AND revoked_ms IS NULL";
                let rows =
                    sqlite.write("revoke a certificate", sql, params![serial, to_sql(taken.at_ms), taken.reason])?;
                Ok(rows == 1)
            }
        }
    }

    /// A number that no list has had, for one made now. Its list follows with [`Store::keep_list`], in the same change.
    ///
    /// # Errors
    /// The disk's.
    pub fn number_list(&mut self, made_ms: u64) -> Result<u64, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "INSERT INTO revocation_list (made_ms, list) VALUES (?1, '')";
                sqlite.write("number a revocation list", sql, params![to_sql(made_ms)])?;
                Ok(from_sql(sqlite.last_row()))
            }
        }
    }

    /// Keeps the list of this number (PEM); those before it are forgotten.
    ///
    /// # Errors
    /// The disk's.
    pub fn keep_list(&mut self, number: u64, list: &str) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let number = to_sql(number);
                let sql = "UPDATE revocation_list SET list = ?2 WHERE number = ?1";
                sqlite.write("keep a revocation list", sql, params![number, list])?;
                let sql = "DELETE FROM revocation_list WHERE number < ?1";
                sqlite.write("forget old revocation lists", sql, params![number])?;
                Ok(())
            }
        }
    }

    /// The list that was made last (PEM).
    ///
    /// # Errors
    /// The disk's.
    pub fn last_list(&self) -> Result<Option<String>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "SELECT list FROM revocation_list WHERE list <> '' ORDER BY number DESC LIMIT 1";
                Ok(sqlite.read("read the revocation list", sql, params![], |row| row.get(0))?.pop())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(serial: &str) -> Issued {
        let (subject, identity) = ("CN=cube1".into(), "cube1".into());
        Issued { serial: serial.into(), subject, identity, issued_ms: 1, until_ms: 2, revoked: None }
    }

    #[test]
    fn a_serial_is_entered_once_and_revoked_once() {
        let mut store = Store::in_memory().unwrap();
        assert!(store.add_certificate(&issued("4a")).unwrap());
        assert!(!store.add_certificate(&Issued { subject: "CN=other".into(), ..issued("4a") }).unwrap());
        assert_eq!(store.certificates().unwrap(), [issued("4a")], "the first stays as it was");
        let taken = Taken { at_ms: 5, reason: "superseded".into() };
        assert!(store.revoke_certificate("4a", &taken).unwrap());
        assert!(
            !store.revoke_certificate("4a", &Taken { at_ms: 9, ..taken.clone() }).unwrap(),
            "it is revoked already"
        );
        assert!(!store.revoke_certificate("4b", &taken).unwrap(), "nobody has it");
        assert_eq!(store.certificates().unwrap()[0].revoked, Some(taken));
    }

    #[test]
    fn a_lists_number_is_never_used_again() {
        let mut store = Store::in_memory().unwrap();
        assert_eq!(store.last_list().unwrap(), None);
        let first = store.number_list(1).unwrap();
        store.keep_list(first, "one").unwrap();
        let second = store.number_list(2).unwrap();
        store.keep_list(second, "two").unwrap();
        assert_eq!((first, second, store.last_list().unwrap().as_deref()), (1, 2, Some("two")));
        // One that was numbered and never made, as after a crash outside of a change.
        assert_eq!((store.number_list(3).unwrap(), store.last_list().unwrap().as_deref()), (3, Some("two")));
        let broken: Result<(), Error> = store.together(|store| {
            store.number_list(4)?;
            Err(Error::Busy)
        });
        assert!(broken.is_err());
        assert_eq!(store.number_list(5).unwrap(), 4, "a number that was taken back was seen by nobody");
    }
}
