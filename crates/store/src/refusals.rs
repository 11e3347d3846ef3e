//! Who was refused and why, for `ringfence show refusals`.

use rusqlite::params;

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

/// Refusals kept of one node. Whoever knocks all day must not fill the disk.
const KEPT: u32 = 10_000;
/// How many more may be there before the oldest are forgotten: counting them costs, so it is not done for each.
const SLACK: i64 = 256;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub node: String,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Machine-readable cause, as `unknown_ca`.
    pub cause: String,
    /// The whole, as JSON.
    pub record: String,
}

impl Store {
    /// Keeps a refusal; of each node the last ten thousand stay, and few more.
    pub fn add_refusal(&mut self, refused: &Refused) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let Refused { node, at_ms, cause, record } = refused;
                sqlite.write(
                    "keep a refusal",
                    "INSERT INTO refusal (node, at_ms, cause, record) VALUES (?1, ?2, ?3, ?4)",
                    params![node, to_sql(*at_ms), cause, record],
                )?;
                if sqlite.last_row() % SLACK == 0 {
                    let sql = "DELETE FROM refusal WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY node ORDER BY id DESC) AS age FROM refusal) WHERE age > ?1)";
                    sqlite.write("forget old refusals", sql, params![KEPT])?;
                }
            }
        }
        Ok(())
    }

    /// The last `most` of a node, newest first.
    pub fn refusals(&self, node: &str, most: u32) -> Result<Vec<Refused>, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.read(
                "read refusals",
                "SELECT node, at_ms, cause, record FROM refusal WHERE node = ?1 ORDER BY id DESC LIMIT ?2",
                params![node, most],
                |row| {
                    Ok(Refused {
                        node: row.get(0)?,
                        at_ms: from_sql(row.get(1)?),
                        cause: row.get(2)?,
                        record: row.get(3)?,
                    })
                },
            ),
        }
    }
}
