//! What lasts beyond a process: the data directory (site, certificates, keys) and the store in it (registrations,
//! refusals, statements, call records, audit, live calls, agents, accounts).
//!
//! Synchronous: whoever must not wait asks through a thread of its own. One file an aggregate; what belongs to another
//! crate's types is kept as JSON text or opaque octets, so that this crate knows no call.

pub mod accounts;
mod agent_states;
mod audit;
mod certificates;
mod console;
mod data_dir;
mod decisions;
mod export;
mod figures;
mod files;
mod held;
mod lscs;
mod migrations;
mod phone_services;
mod pkcs11;
mod recordings;
mod refusals;
mod registrations;
mod routing;
mod snapshots;
mod sqlite;
mod statements;
mod tokens;

pub use agent_states::AgentState;
pub use audit::Change;
pub use certificates::{Issued, Taken};
pub use data_dir::{
    ANSWER_LIFE, AcmeOrder, AcmeOrders, DataDir, Renewed, RootRenewed, RootStanding, Tended, Withdrawn,
};
pub use decisions::Decision;
pub use figures::Figures;
pub use files::write_private;
pub use held::PhoneHeld;
pub use lscs::Lsc;
pub use phone_services::{Before, PhoneKeys};
pub use recordings::{Recorded, Recording, Recordings};
pub use refusals::Refused;
pub use registrations::Registration;
pub use routing::{Routed, RoutingInput};
pub use snapshots::Snapshot;
pub use sqlite::Sqlite;
pub use statements::Statement;
pub use tokens::{IssuedToken, Tokens, token_nodes};

use std::path::{Path, PathBuf};

/// Where things are kept. PostgreSQL joins as a second variant when a site outgrows one machine.
pub enum Store {
    Sqlite(Sqlite),
}

impl Store {
    /// The embedded store in this file, made if it is not there, brought to this version's tables if it is older.
    ///
    /// # Errors
    /// The file cannot be opened or made, is not a store, or was written by a newer Ringfence.
    pub fn open(file: &Path) -> Result<Store, Error> {
        Sqlite::open(file).map(Store::Sqlite)
    }

    /// One that is gone when it is dropped: for tests and processes without a data directory.
    pub fn in_memory() -> Result<Store, Error> {
        Sqlite::in_memory().map(Store::Sqlite)
    }

    /// All that `work` writes is durable together or not at all, at the price of one write to the disk. A thread that
    /// has several things waiting to be kept should keep them together.
    ///
    /// # Errors
    /// `work`'s own, after which nothing of it is kept; or the disk's.
    pub fn together<T>(&mut self, work: impl FnOnce(&mut Store) -> Result<T, Error>) -> Result<T, Error> {
        match self {
            Store::Sqlite(sqlite) => sqlite.begin()?,
        }
        let done = work(self);
        match self {
            Store::Sqlite(sqlite) => sqlite.end(done),
        }
    }
}

/// Why something could not be kept or read. Nothing that was acknowledged before is lost by any of these.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the store {} cannot be opened: {why}; look at the folder's owner and permissions", .file.display())]
    Open { file: PathBuf, why: String },
    #[error("{} is not a Ringfence store: {why}; move it away and start again, or restore it from a backup", .file.display())]
    NotOurs { file: PathBuf, why: String },
    #[error(
        "the store was written by a newer Ringfence (its tables are version {found}, this program knows {known}); run the newer one, or restore a backup made before the upgrade"
    )]
    Newer { found: u32, known: u32 },
    #[error("the disk that holds the store is full; nothing more is acknowledged until there is room")]
    Full,
    #[error("the store is locked by another process for too long; is a backup or another tool working on it?")]
    Busy,
    #[error(
        "the disk that holds the store does not do as it should ({doing}: {why}); nothing more is acknowledged until it does"
    )]
    Disk { doing: &'static str, why: String },
    #[error("the store failed to {doing}: {why}")]
    Failed { doing: &'static str, why: String },
}

impl Error {
    /// Whether it is the disk's, or another process's, and not about what was to be kept: it may be kept later.
    pub fn may_pass(&self) -> bool {
        match self {
            Error::Full | Error::Busy | Error::Disk { .. } => true,
            Error::Open { .. } | Error::NotOurs { .. } | Error::Newer { .. } | Error::Failed { .. } => false,
        }
    }
}

#[cfg(test)]
mod test_folder;
#[cfg(test)]
mod tests;
