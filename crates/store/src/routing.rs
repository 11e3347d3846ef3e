//! The contact centre's decisions with their inputs, and what its router was told, in order.

use rusqlite::params;

use crate::sqlite::{from_sql, to_sql};
use crate::{Error, Store};

/// A decision whose inputs were kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    pub node: String,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The caller's UUID, lower-case hex.
    pub caller: String,
    /// As JSON.
    pub decision: String,
}

/// Something that the router was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingInput {
    pub node: String,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// As JSON.
    pub input: String,
}

impl Store {
    pub fn add_routed(&mut self, routed: &Routed) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let Routed { node, at_ms, caller, decision } = routed;
                let sql = "INSERT INTO routed (node, at_ms, caller, decision) VALUES (?1, ?2, ?3, ?4)";
                sqlite.write("keep a decision's inputs", sql, params![node, to_sql(*at_ms), caller, decision])?;
            }
        }
        Ok(())
    }

    /// A caller's decisions in the order in which they were taken.
    pub fn routed_of(&self, caller: &str) -> Result<Vec<Routed>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "SELECT node, at_ms, caller, decision FROM routed WHERE caller = ?1 ORDER BY id";
                sqlite.read("read decisions", sql, params![caller], |row| {
                    Ok(Routed {
                        node: row.get(0)?,
                        at_ms: from_sql(row.get(1)?),
                        caller: row.get(2)?,
                        decision: row.get(3)?,
                    })
                })
            }
        }
    }

    /// The caller of the last decision that was taken.
    pub fn last_routed(&self) -> Result<Option<String>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "SELECT caller FROM routed ORDER BY id DESC LIMIT 1";
                Ok(sqlite.read("read decisions", sql, [], |row| row.get(0))?.pop())
            }
        }
    }

    pub fn add_routing_input(&mut self, input: &RoutingInput) -> Result<(), Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let RoutingInput { node, at_ms, input } = input;
                let sql = "INSERT INTO routing_input (node, at_ms, input) VALUES (?1, ?2, ?3)";
                sqlite.write("keep what the router was told", sql, params![node, to_sql(*at_ms), input])?;
            }
        }
        Ok(())
    }

    /// What a node's router was told before this moment, in order.
    pub fn routing_inputs(&self, node: &str, before_ms: u64) -> Result<Vec<RoutingInput>, Error> {
        match self {
            Store::Sqlite(sqlite) => {
                let sql = "SELECT node, at_ms, input FROM routing_input WHERE node = ?1 AND at_ms < ?2 ORDER BY id";
                sqlite.read("read what the router was told", sql, params![node, to_sql(before_ms)], |row| {
                    Ok(RoutingInput { node: row.get(0)?, at_ms: from_sql(row.get(1)?), input: row.get(2)? })
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_comes_back_in_order() {
        let mut store = Store::in_memory().unwrap();
        assert_eq!(store.last_routed().unwrap(), None);
        let routed = |caller: &str, decision: &str| Routed {
            node: "cvp1".into(),
            at_ms: 1,
            caller: caller.into(),
            decision: decision.into(),
        };
        for decision in [routed("a", "1"), routed("b", "2"), routed("a", "3")] {
            store.add_routed(&decision).unwrap();
        }
        assert_eq!(store.routed_of("a").unwrap(), [routed("a", "1"), routed("a", "3")]);
        assert_eq!(store.last_routed().unwrap().as_deref(), Some("a"));
        let input = |at_ms, input: &str| RoutingInput { node: "cvp1".into(), at_ms, input: input.into() };
        for told in [input(5, "x"), input(5, "y"), input(9, "z")] {
            store.add_routing_input(&told).unwrap();
        }
        assert_eq!(store.routing_inputs("cvp1", 9).unwrap(), [input(5, "x"), input(5, "y")]);
        assert_eq!(store.routing_inputs("cvp2", 9).unwrap(), []);
    }
}
