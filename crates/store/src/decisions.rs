//! Why a call went where it went, in words, by the caller's UUID.

use rusqlite::params;

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub node: String,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The caller's UUID, lower-case hex.
    pub caller: String,
    pub words: String,
}

impl Store {
    pub fn add_decision(&mut self, decision: &Decision) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let Decision { node, at_ms, caller, words } = decision;
                sqlite.write(
                    "keep a decision",
                    "INSERT INTO decision (node, at_ms, caller, words) VALUES (?1, ?2, ?3, ?4)",
                    params![node, to_sql(*at_ms), caller, words],
                )?;
            }
        }
        Ok(())
    }

    /// In the order in which they were taken.
    pub fn decisions_of(&self, caller: &str) -> Result<Vec<Decision>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read decisions",
                "SELECT node, at_ms, caller, words FROM decision WHERE caller = ?1 ORDER BY id",
                params![caller],
                |row| {
                    Ok(Decision {
                        node: row.get(0)?,
                        at_ms: from_sql(row.get(1)?),
                        caller: row.get(2)?,
                        words: row.get(3)?,
                    })
                },
            ),
        }
    }
}
