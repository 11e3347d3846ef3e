//! What phones hold of a call manager's lists, and when they were last heard of: a rehearsal of a change asks it.

use rusqlite::params;

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

/// What is known of a phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneHeld {
    pub device: String,
    /// Digests of its CTL and its ITL; empty: none.
    pub ctl: String,
    pub itl: String,
    /// The whole, as JSON.
    pub held: String,
}

impl Store {
    /// Keeps a list that phones hold, by its digest; one that is kept already stays.
    ///
    /// # Errors
    /// The disk's.
    pub fn put_phone_list(&mut self, node: &str, digest: &str, list: &[u8]) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "INSERT OR IGNORE INTO phone_list (node, digest, list) VALUES (?1, ?2, ?3)";
                sqlite.write("keep a phone's list", sql, params![node, digest, list]).map(|_| ())
            }
        }
    }

    /// Keeps what is known of a phone.
    ///
    /// # Errors
    /// The disk's.
    pub fn put_phone_held(&mut self, node: &str, row: &PhoneHeld) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let PhoneHeld { device, ctl, itl, held } = row;
                let sql = "INSERT INTO phone_held (node, device, ctl, itl, held) VALUES (?1, ?2, ?3, ?4, ?5) \
                           ON CONFLICT DO UPDATE SET ctl = ?3, itl = ?4, held = ?5";
                sqlite.write("keep what a phone holds", sql, params![node, device, ctl, itl, held]).map(|_| ())
            }
        }
    }

    /// Forgets the lists that no phone holds any more.
    ///
    /// # Errors
    /// The disk's.
    pub fn forget_phone_lists(&mut self, node: &str) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "DELETE FROM phone_list WHERE node = ?1 AND digest NOT IN (SELECT ctl FROM phone_held WHERE \
                           node = ?1 UNION SELECT itl FROM phone_held WHERE node = ?1)";
                sqlite.write("forget phones' lists", sql, params![node]).map(|_| ())
            }
        }
    }

    /// What is known of each phone, by their names.
    ///
    /// # Errors
    /// The disk's.
    pub fn phones_held(&self, node: &str) -> Result<Vec<PhoneHeld>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read what phones hold",
                "SELECT device, ctl, itl, held FROM phone_held WHERE node = ?1 ORDER BY device",
                params![node],
                |row| Ok(PhoneHeld { device: row.get(0)?, ctl: row.get(1)?, itl: row.get(2)?, held: row.get(3)? }),
            ),
        }
    }

    /// Lists that phones hold, by their digests.
    ///
    /// # Errors
    /// The disk's.
    pub fn phone_lists(&self, node: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read phones' lists",
                "SELECT digest, list FROM phone_list WHERE node = ?1 ORDER BY digest",
                params![node],
                |row| Ok((row.get(0)?, row.get(1)?)),
            ),
        }
    }

    /// A line registered, or refreshed its registration.
    ///
    /// # Errors
    /// The disk's.
    pub fn put_line_registered(&mut self, node: &str, line: &str, at_ms: u64) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "INSERT INTO line_registered (node, line, at_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE \
                           SET at_ms = ?3";
                sqlite.write("keep when a line registered", sql, params![node, line, to_sql(at_ms)]).map(|_| ())
            }
        }
    }

    /// When each line last registered (milliseconds since 1970), by the lines.
    ///
    /// # Errors
    /// The disk's.
    pub fn lines_registered(&self, node: &str) -> Result<Vec<(String, u64)>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read when lines registered",
                "SELECT line, at_ms FROM line_registered WHERE node = ?1 ORDER BY line",
                params![node],
                |row| Ok((row.get(0)?, from_sql(row.get(1)?))),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_while_a_phone_holds_it() {
        let mut store = Store::in_memory().unwrap();
        let held = |ctl: &str, itl: &str| PhoneHeld {
            device: "SEP1".into(),
            ctl: ctl.into(),
            itl: itl.into(),
            held: "{}".into(),
        };
        for digest in ["a", "b", "c"] {
            store.put_phone_list("cucm1", digest, digest.as_bytes()).unwrap();
        }
        store.put_phone_list("cucm1", "a", b"another").unwrap();
        store.put_phone_held("cucm1", &held("", "a")).unwrap();
        store.put_phone_held("cucm1", &held("b", "a")).unwrap();
        store.forget_phone_lists("cucm1").unwrap();
        let kept = [("a".to_owned(), b"a".to_vec()), ("b".into(), b"b".to_vec())];
        assert_eq!(store.phone_lists("cucm1").unwrap(), kept);
        assert_eq!(store.phones_held("cucm1").unwrap(), [held("b", "a")]);
        assert!(store.phones_held("cucm2").unwrap().is_empty());
        store.put_line_registered("cucm1", "1001", 5).unwrap();
        store.put_line_registered("cucm1", "1001", 9).unwrap();
        assert_eq!(store.lines_registered("cucm1").unwrap(), [("1001".to_owned(), 9)]);
    }
}
