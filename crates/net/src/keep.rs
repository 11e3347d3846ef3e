//! The store as nodes need it: what is to last, and what is read back.

use call::statement::Signed;
use roles::{Journal, Now, Persist};

use crate::asks::Keeper;

/// A process without a data directory keeps nothing: phones, the lab's carrier.
pub(crate) struct Nothing;

impl Keeper for Nothing {
    fn persist(&mut self, _node: &str, _what: &Persist) -> Result<(), String> {
        Ok(())
    }

    fn journal(&mut self, _node: &str, _line: &Journal) -> Result<(), String> {
        Ok(())
    }
}

/// Reads what was kept.
#[derive(Clone)]
pub(crate) struct Reader;

impl Reader {
    pub(crate) fn nothing() -> Reader {
        Reader
    }

    pub(crate) fn list(&self, _node: &str) -> Vec<(String, u64)> {
        Vec::new()
    }

    pub(crate) fn get(&self, _node: &str, _caller: &str) -> Option<Signed> {
        None
    }

    pub(crate) fn adopt(&self, _node: &str, _machine: &mut roles::Node, _now: Now) {}
}
