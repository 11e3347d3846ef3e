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
    /// As it was signed.
    pub payload: Vec<u8>,
    pub signature: Vec<u8>,
    /// Who signed, leaf first. Kept once for all that they sign.
    pub chain_der: Vec<Vec<u8>>,
}

const COLUMNS: &str =
    "node, caller, began_ms, call, made_ms, payload, signature, der FROM statement JOIN chain ON chain.id = chain";

impl Store {
    /// Keeps a node's statement on a call. A node that states again on the same call (it was restarted in mid-call)
    /// replaces what it said; another call of the same caller never does.
    pub fn put_statement(&mut self, statement: &Statement) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let Statement { node, caller, began_ms, call, made_ms, payload, signature, chain_der } = statement;
                let chain = joined(chain_der);
                sqlite.write("keep who signs", "INSERT OR IGNORE INTO chain (der) VALUES (?1)", params![chain])?;
                let sql = "INSERT INTO statement (node, caller, began_ms, call, made_ms, payload, signature, chain) \
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, (SELECT id FROM chain WHERE der = ?8)) \
                           ON CONFLICT (caller, node, began_ms, call) DO UPDATE SET made_ms = excluded.made_ms, \
                           payload = excluded.payload, signature = excluded.signature, chain = excluded.chain";
                let (began_ms, call, made_ms) = (to_sql(*began_ms), to_sql(*call), to_sql(*made_ms));
                let values = params![node, caller, began_ms, call, made_ms, payload, signature, chain];
                sqlite.write("keep a statement", sql, values)?;
            }
        }
        Ok(())
    }

    /// What a node said of a caller's calls, oldest call first.
    pub fn statements(&self, node: &str, caller: &str) -> Result<Vec<Statement>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = format!("SELECT {COLUMNS} WHERE caller = ?2 AND node = ?1 ORDER BY began_ms, call");
                sqlite.read("read a node's statements", &sql, params![node, caller], statement)
            }
        }
    }

    /// What each node of this store said of a call, in the order of their names.
    pub fn statements_of(&self, caller: &str) -> Result<Vec<Statement>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = format!("SELECT {COLUMNS} WHERE caller = ?1 ORDER BY node, began_ms, call");
                sqlite.read("read statements", &sql, params![caller], statement)
            }
        }
    }

    /// A node's last `most` statements, newest first.
    pub fn last_statements(&self, node: &str, most: u32) -> Result<Vec<Statement>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = format!("SELECT {COLUMNS} WHERE node = ?1 ORDER BY made_ms DESC, caller LIMIT ?2");
                sqlite.read("read a node's last statements", &sql, params![node, most], statement)
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
        payload: row.get(5)?,
        signature: row.get(6)?,
        chain_der: parted(row.get_ref(7)?.as_blob()?),
    })
}

/// Each certificate behind its length.
pub(crate) fn joined(chain: &[Vec<u8>]) -> Vec<u8> {
    let one = |der: &Vec<u8>| [&(der.len() as u32).to_be_bytes(), der.as_slice()].concat();
    chain.iter().flat_map(one).collect()
}

/// What [`joined`] joined; of other octets as much as is there.
fn parted(mut octets: &[u8]) -> Vec<Vec<u8>> {
    let mut chain = Vec::new();
    while let Some((length, rest)) = octets.split_first_chunk() {
        let (der, rest) = rest.split_at(rest.len().min(u32::from_be_bytes(*length) as usize));
        chain.push(der.to_vec());
        octets = rest;
    }
    chain
}
