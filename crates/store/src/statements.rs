//! Signed hop statements, found by the caller's UUID (RFC 7989): what a passport is made of.

use rusqlite::params;

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub node: String,
    /// The caller's UUID, lower-case hex.
    pub caller: String,
    /// When the call began at this node: a caller may have several calls through one node, one after another (agent to
    /// agent) or by using a Session-ID again. Milliseconds since 1970.
    pub began_ms: u64,
    /// The node's number for it: some begin in the same millisecond (a caller's seats in a conference).
    pub call: u64,
    /// Milliseconds since 1970.
    pub made_ms: u64,
    /// Statement, signature and chain, as JSON.
    pub signed: String,
}

impl Store {
    /// Keeps a node's statement on a call. A node that states again on the same call (it was restarted in mid-call)
    /// replaces what it said; another call of the same caller never does.
    pub fn put_statement(&mut self, statement: &Statement) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let Statement { node, caller, began_ms, call, made_ms, signed } = statement;
                let sql = "INSERT INTO statement (node, caller, began_ms, call, made_ms, signed) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET made_ms = ?5, signed = ?6";
                sqlite.write(
                    "keep a statement",
                    sql,
                    params![node, caller, to_sql(*began_ms), to_sql(*call), to_sql(*made_ms), signed],
                )?;
            }
        }
        Ok(())
    }

    /// What a node said of a caller's calls, oldest call first.
    pub fn statements(&self, node: &str, caller: &str) -> Result<Vec<Statement>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "SELECT node, caller, began_ms, call, made_ms, signed FROM statement WHERE caller = ?2 AND node = ?1 ORDER BY began_ms, call";
                sqlite.read("read a node's statements", sql, params![node, caller], statement)
            }
        }
    }

    /// What each node of this store said of a call, in the order of their names.
    pub fn statements_of(&self, caller: &str) -> Result<Vec<Statement>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read statements",
                "SELECT node, caller, began_ms, call, made_ms, signed FROM statement WHERE caller = ?1 ORDER BY node, began_ms, call",
                params![caller],
                statement,
            ),
        }
    }

    /// A node's last `most` statements, newest first.
    pub fn last_statements(&self, node: &str, most: u32) -> Result<Vec<Statement>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "SELECT node, caller, began_ms, call, made_ms, signed FROM statement WHERE node = ?1 ORDER BY made_ms DESC, caller LIMIT ?2";
                sqlite.read("read a node's last statements", sql, params![node, most], statement)
            }
        }
    }

    /// Caller and time of a node's last `most` statements, newest first.
    pub fn statement_list(&self, node: &str, most: u32) -> Result<Vec<(String, u64)>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "list statements",
                "SELECT caller, made_ms FROM statement WHERE node = ?1 ORDER BY made_ms DESC, caller LIMIT ?2",
                params![node, most],
                |row| Ok((row.get(0)?, from_sql(row.get(1)?))),
            ),
        }
    }
}

fn statement(row: &rusqlite::Row<'_>) -> rusqlite::Result<Statement> {
    Ok(Statement {
        node: row.get(0)?,
        caller: row.get(1)?,
        began_ms: from_sql(row.get(2)?),
        call: from_sql(row.get(3)?),
        made_ms: from_sql(row.get(4)?),
        signed: row.get(5)?,
    })
}
