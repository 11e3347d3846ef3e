//! Who changed what: every way of changing a site or an agent's state lands here, and nothing takes it out again.

use rusqlite::params;

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Name in the administrator's certificate, or the account.
    pub who: String,
    /// From where: an address, `command line`.
    pub source: String,
    /// As a sentence: `agent 1001 made ready`.
    pub what: String,
    /// Old and new values as JSON, secrets left out.
    pub detail: String,
}

impl Store {
    pub fn add_change(&mut self, change: &Change) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let Change { at_ms, who, source, what, detail } = change;
                let sql = "INSERT INTO audit (at_ms, who, source, what, detail) VALUES (?1, ?2, ?3, ?4, ?5)";
                sqlite.write("keep an audit entry", sql, params![to_sql(*at_ms), who, source, what, detail])?;
            }
        }
        Ok(())
    }

    /// The last `most`, newest first.
    pub fn changes(&self, most: u32) -> Result<Vec<Change>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read the audit log",
                "SELECT at_ms, who, source, what, detail FROM audit ORDER BY id DESC LIMIT ?1",
                params![most],
                |row| {
                    Ok(Change {
                        at_ms: from_sql(row.get(0)?),
                        who: row.get(1)?,
                        source: row.get(2)?,
                        what: row.get(3)?,
                        detail: row.get(4)?,
                    })
                },
            ),
        }
    }
}
