//! State of live calls, so that a node that comes back goes on with them.

use rusqlite::params;

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The node's number of the call.
    pub call: u64,
    /// The role's own form.
    pub state: Vec<u8>,
}

impl Store {
    /// Keeps a call's state; `None` removes it.
    pub fn put_snapshot(&mut self, node: &str, call: u64, state: Option<&[u8]>) -> Result<(), Error> {
        match (self, state) {
            (Store::Sqlite(sqlite), Some(state)) => {
                let sql =
                    "INSERT INTO snapshot (node, call, state) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET state = ?3";
                sqlite.write("keep a call's state", sql, params![node, to_sql(call), state])?;
            }
            (Store::Sqlite(sqlite), None) => {
                sqlite.write(
                    "remove a call's state",
                    "DELETE FROM snapshot WHERE node = ?1 AND call = ?2",
                    params![node, to_sql(call)],
                )?;
            }
        }
        Ok(())
    }

    /// A node's live calls as they were last kept, in the order of their numbers.
    pub fn snapshots(&self, node: &str) -> Result<Vec<Snapshot>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read calls' states",
                "SELECT call, state FROM snapshot WHERE node = ?1 ORDER BY call",
                params![node],
                |row| Ok(Snapshot { call: from_sql(row.get(0)?), state: row.get(1)? }),
            ),
        }
    }
}
