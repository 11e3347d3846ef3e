//! Phones' registrations, so that a call manager that comes back knows where they are (RFC 3261 §10).

use rusqlite::params;

use crate::{Error, Store};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub line: String,
    /// The call manager's own form.
    pub state: Vec<u8>,
}

impl Store {
    /// Keeps a line's registration; `None` removes it.
    pub fn put_registration(&mut self, node: &str, line: &str, state: Option<&[u8]>) -> Result<(), Error> {
        match (self, state) {
            (Store::Sqlite(sqlite), Some(state)) => {
                let sql = "INSERT INTO registration (node, line, state) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET state = ?3";
                sqlite.write("keep a registration", sql, params![node, line, state])?;
            }
            (Store::Sqlite(sqlite), None) => {
                sqlite.write(
                    "remove a registration",
                    "DELETE FROM registration WHERE node = ?1 AND line = ?2",
                    params![node, line],
                )?;
            }
        }
        Ok(())
    }

    /// In the order of their lines.
    pub fn registrations(&self, node: &str) -> Result<Vec<Registration>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read registrations",
                "SELECT line, state FROM registration WHERE node = ?1 ORDER BY line",
                params![node],
                |row| Ok(Registration { line: row.get(0)?, state: row.get(1)? }),
            ),
        }
    }
}
