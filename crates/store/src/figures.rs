//! Figures of queues, call types and agents by quarters of an hour, so that a restart does not begin the day anew.

use rusqlite::params;

use crate::{Error, Store};

/// Kept of each node: a day is what can be asked for.
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Milliseconds since 1970.
    pub begins_ms: i64,
    /// As JSON.
    pub figures: String,
}

impl Store {
    /// Keeps a quarter's figures, in the place of what was kept of it before; what is more than a day older goes.
    pub fn put_figures(&mut self, node: &str, kept: &Figures) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let Figures { begins_ms, figures } = kept;
                let sql = "INSERT INTO figures (node, begins_ms, figures) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET figures = ?3";
                sqlite.write("keep figures", sql, params![node, begins_ms, figures])?;
                let sql = "DELETE FROM figures WHERE node = ?1 AND begins_ms < ?2";
                sqlite.write("let old figures go", sql, params![node, begins_ms - KEPT_MS])?;
            }
        }
        Ok(())
    }

    /// A node's, oldest first.
    pub fn figures(&self, node: &str) -> Result<Vec<Figures>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read figures",
                "SELECT begins_ms, figures FROM figures WHERE node = ?1 ORDER BY begins_ms",
                params![node],
                |row| Ok(Figures { begins_ms: row.get(0)?, figures: row.get(1)? }),
            ),
        }
    }
}
