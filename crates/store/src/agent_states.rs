//! What each agent wants to be: ready, or not and why. It stays so when the call server comes back.

use rusqlite::params;

use crate::{Error, Store};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentState {
    pub id: String,
    pub state: String,
}

impl Store {
    pub fn put_agent_state(&mut self, node: &str, id: &str, state: &str) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "INSERT INTO agent_state (node, id, state) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET state = ?3";
                sqlite.write("keep an agent's state", sql, params![node, id, state])?;
            }
        }
        Ok(())
    }

    /// In the order of their ids.
    pub fn agent_states(&self, node: &str) -> Result<Vec<AgentState>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read agents' states",
                "SELECT id, state FROM agent_state WHERE node = ?1 ORDER BY id",
                params![node],
                |row| Ok(AgentState { id: row.get(0)?, state: row.get(1)? }),
            ),
        }
    }
}
