//! Certificates that CAPF issued to phones (LSC): which there are, and which were taken back.

use rusqlite::params;

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store, Taken};

/// A phone's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lsc {
    /// RFC 4514 string.
    pub issuer: String,
    /// Lower-case hex.
    pub serial: String,
    /// The call manager whose CAPF issued it.
    pub node: String,
    /// Such as `SEP001122334455`.
    pub device: String,
    /// Milliseconds since 1970.
    pub issued_ms: u64,
    pub until_ms: u64,
    pub revoked: Option<Taken>,
}

impl Store {
    /// Enters a certificate, before a phone has it; one that is there stays as it is.
    ///
    /// # Errors
    /// The disk's.
    pub fn add_lsc(&mut self, lsc: &Lsc) -> Result<(), Error> {
        let Lsc { issuer, serial, node, device, issued_ms, until_ms, revoked } = lsc;
        let (at, reason) = (revoked.as_ref().map(|taken| to_sql(taken.at_ms)), revoked.as_ref().map(|it| &it.reason));
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "INSERT OR IGNORE INTO lsc (issuer, serial, node, device, issued_ms, until_ms, revoked_ms, reason) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
                let values = params![issuer, serial, node, device, to_sql(*issued_ms), to_sql(*until_ms), at, reason];
                sqlite.write("enter a phone's certificate", sql, values)?;
            }
        }
        Ok(())
    }

    /// All that were issued, the oldest first.
    ///
    /// # Errors
    /// The disk's.
    pub fn lscs(&self) -> Result<Vec<Lsc>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read phones' certificates",
                "SELECT issuer, serial, node, device, issued_ms, until_ms, revoked_ms, reason FROM lsc ORDER BY issued_ms, serial",
                params![],
                |row| {
                    let (at, reason): (Option<i64>, Option<String>) = (row.get(6)?, row.get(7)?);
                    Ok(Lsc {
                        issuer: row.get(0)?,
                        serial: row.get(1)?,
                        node: row.get(2)?,
                        device: row.get(3)?,
                        issued_ms: from_sql(row.get(4)?),
                        until_ms: from_sql(row.get(5)?),
                        revoked: at.map(|at| Taken { at_ms: from_sql(at), reason: reason.unwrap_or_default() }),
                    })
                },
            ),
        }
    }

    /// Takes one back. `false`: there is none such, or it was taken back before; then nothing has changed.
    ///
    /// # Errors
    /// The disk's.
    pub fn revoke_lsc(&mut self, lsc: &Lsc, taken: &Taken) -> Result<bool, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "UPDATE lsc SET revoked_ms = ?3, reason = ?4 WHERE issuer = ?1 AND serial = ?2 AND revoked_ms IS NULL";
                let values = params![lsc.issuer, lsc.serial, to_sql(taken.at_ms), taken.reason];
                Ok(sqlite.write("revoke a phone's certificate", sql, values)? == 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phones_certificate_is_entered_once_and_taken_back_once() {
        let mut store = Store::in_memory().unwrap();
        let lsc = |serial: &str, device: &str| Lsc {
            issuer: "CN=CAPF".into(),
            serial: serial.into(),
            node: "cucm1".into(),
            device: device.into(),
            issued_ms: 1,
            until_ms: 2,
            revoked: None,
        };
        store.add_lsc(&lsc("4a", "SEP1")).unwrap();
        store.add_lsc(&lsc("4a", "SEP2")).unwrap();
        assert_eq!(store.lscs().unwrap(), [lsc("4a", "SEP1")], "the first stays as it was");
        let taken = Taken { at_ms: 5, reason: "superseded".into() };
        assert!(store.revoke_lsc(&lsc("4a", ""), &taken).unwrap());
        assert!(!store.revoke_lsc(&lsc("4a", ""), &Taken { at_ms: 9, ..taken.clone() }).unwrap(), "it is already");
        assert!(!store.revoke_lsc(&lsc("4b", ""), &taken).unwrap(), "nobody has it");
        // What a directory was told before, its copy is told too.
        let known = store.lscs().unwrap().remove(0);
        let mut copy = Store::in_memory().unwrap();
        copy.add_lsc(&known).unwrap();
        assert_eq!(copy.lscs().unwrap()[0].revoked, Some(taken));
    }
}
