//! Call detail records: each leg that has ended, with its security record.

use rusqlite::params;

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedLeg {
    pub node: String,
    /// The node's numbers of call and leg.
    pub call: u64,
    pub leg: u64,
    /// The caller's UUID, lower-case hex; empty if the leg had none.
    pub caller: String,
    /// Milliseconds since 1970.
    pub ended_ms: u64,
    /// The security record, as JSON.
    pub record: String,
}

impl Store {
    pub fn add_ended_leg(&mut self, ended: &EndedLeg) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let EndedLeg { node, call, leg, caller, ended_ms, record } = ended;
                let sql =
                    "INSERT INTO ended_leg (node, call, leg, caller, ended_ms, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                sqlite.write(
                    "keep a call record",
                    sql,
                    params![node, to_sql(*call), to_sql(*leg), caller, to_sql(*ended_ms), record],
                )?;
            }
        }
        Ok(())
    }

    /// A call's legs at all nodes of this store, in the order in which they ended.
    pub fn ended_legs_of(&self, caller: &str) -> Result<Vec<EndedLeg>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read("read call records", "SELECT node, call, leg, caller, ended_ms, record FROM ended_leg WHERE caller = ?1 ORDER BY ended_ms, id", params![caller], ended_leg),
        }
    }

    /// A node's last `most` legs, newest first.
    pub fn ended_legs(&self, node: &str, most: u32) -> Result<Vec<EndedLeg>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "SELECT node, call, leg, caller, ended_ms, record FROM ended_leg WHERE node = ?1 ORDER BY ended_ms DESC, id DESC LIMIT ?2";
                sqlite.read("read call records", sql, params![node, most], ended_leg)
            }
        }
    }
}

fn ended_leg(row: &rusqlite::Row<'_>) -> rusqlite::Result<EndedLeg> {
    Ok(EndedLeg {
        node: row.get(0)?,
        call: from_sql(row.get(1)?),
        leg: from_sql(row.get(2)?),
        caller: row.get(3)?,
        ended_ms: from_sql(row.get(4)?),
        record: row.get(5)?,
    })
}
