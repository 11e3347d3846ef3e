//! The embedded store: one SQLite file in WAL mode.
//!
//! `synchronous = FULL`: a commit returns when its octets are on the disk, which is what "acknowledged" means here. WAL
//! lets processes of one data directory (`run --only …`) write and read side by side.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Params, Row};

use crate::migrations::{MIGRATIONS, teach};
use crate::{Error, files};

/// How long one process waits for another's commit.
const PATIENCE: Duration = Duration::from_secs(5);

const RETRY: Duration = Duration::from_millis(5);

/// Pages (of 4 KiB) of the log that are gathered before they are moved into the file: what many calls change again and
/// again is moved once.
const LOG: u32 = 8192;

/// In SQLite's header, so that nobody takes another program's file for ours: "Ring".
const APPLICATION_ID: i32 = 0x5269_6e67;

pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    pub(crate) fn open(file: &Path) -> Result<Sqlite, Error> {
        let cannot = |why: String| Error::Open { file: file.to_owned(), why };
        // Made by us first, because SQLite's own would be readable by others; its -wal and -shm follow the file.
        files::touch_private(file).map_err(|error| cannot(error.to_string()))?;
        let connection = Connection::open(file).map_err(|error| cannot(error.to_string()))?;
        Sqlite::prepare(connection).map_err(|error| match error {
            Error::Failed { why, .. } => Error::NotOurs { file: file.to_owned(), why },
            other => other,
        })
    }

    pub(crate) fn in_memory() -> Result<Sqlite, Error> {
        Sqlite::prepare(Connection::open_in_memory().map_err(failed("open in memory"))?)
    }

    fn prepare(connection: Connection) -> Result<Sqlite, Error> {
        let mut sqlite = Sqlite { connection };
        let opening = || failed("open");
        sqlite.connection.busy_timeout(PATIENCE).map_err(opening())?;
        // Of two that open a new file at once, the one that is late to this change of mode is told "busy" without a wait.
        let until = Instant::now() + PATIENCE;
        while let Err(error) = sqlite.connection.pragma_update(None, "journal_mode", "WAL") {
            let busy = matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
            if !busy || Instant::now() >= until {
                return Err(opening()(error));
            }
            std::thread::sleep(RETRY);
        }
        sqlite.connection.pragma_update(None, "synchronous", "FULL").map_err(opening())?;
        sqlite.connection.pragma_update(None, "wal_autocheckpoint", LOG).map_err(opening())?;
        sqlite.connection.pragma_update(None, "foreign_keys", true).map_err(opening())?;
        sqlite.connection.set_prepared_statement_cache_capacity(64);
        sqlite.migrate()?;
        Ok(sqlite)
    }

    /// In one transaction that takes the write lock at once: two processes that start together migrate once.
    fn migrate(&mut self) -> Result<(), Error> {
        let migrating = || failed("bring the tables to this version");
        if self.version()? == MIGRATIONS.len() && self.application()? == APPLICATION_ID {
            return Ok(());
        }
        teach(&self.connection).map_err(migrating())?;
        self.begin()?;
        let version = self.version()?;
        let done = (|| {
            if version > MIGRATIONS.len() {
                return Err(Error::Newer { found: version as u32, known: MIGRATIONS.len() as u32 });
            }
            if version > 0 && self.application()? != APPLICATION_ID {
                return Err(Error::Failed { doing: "open", why: "it is another program's database".into() });
            }
            for migration in MIGRATIONS.iter().skip(version) {
                self.connection.execute_batch(migration).map_err(migrating())?;
            }
            self.connection.pragma_update(None, "application_id", APPLICATION_ID).map_err(migrating())?;
            self.connection.pragma_update(None, "user_version", MIGRATIONS.len() as u32).map_err(migrating())
        })();
        self.end(done)
    }

    fn version(&self) -> Result<usize, Error> {
        self.connection
            .pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))
            .map(|version| version as usize)
            .map_err(failed("open"))
    }

    fn application(&self) -> Result<i32, Error> {
        self.connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed("open"))
    }

    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed("begin a change"))
    }

    /// Commits what was `done` since [`Sqlite::begin`], or takes it back.
    pub(crate) fn end<T>(&mut self, done: Result<T, Error>) -> Result<T, Error> {
        let done = done.and_then(|value| {
            self.connection.execute_batch("COMMIT").map(|()| value).map_err(failed("write to the disk"))
        });
        // Some errors (a full disk) have rolled back already.
        if done.is_err() && !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK").map_err(failed("take a change back"))?;
        }
        done
    }

    /// As a disk with no room left, or none that can be written to.
    #[cfg(test)]
    pub(crate) fn pragma(&self, name: &str, value: u32) {
        self.connection.pragma(None, name, value, |_| Ok(())).expect("a setting of SQLite's");
    }

    #[cfg(test)]
    pub(crate) fn pages(&self) -> u32 {
        self.connection.pragma_query_value(None, "page_count", |row| row.get(0)).expect("a number")
    }

    /// Rows changed.
    pub(crate) fn write(&self, doing: &'static str, sql: &str, values: impl Params) -> Result<usize, Error> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed(doing))?;
        statement.execute(values).map_err(failed(doing))
    }

    /// Number of the row that was written last.
    pub(crate) fn last_row(&self) -> i64 {
        self.connection.last_insert_rowid()
    }

    pub(crate) fn read<T>(
        &self,
        doing: &'static str,
        sql: &str,
        values: impl Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.connection.prepare_cached(sql).map_err(failed(doing))?;
        let rows = statement.query_map(values, row).map_err(failed(doing))?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed(doing))
    }
}

fn failed(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Error {
    move |error| match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy,
        Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            Error::Disk { doing, why: error.to_string() }
        }
        _ => Error::Failed { doing, why: error.to_string() },
    }
}

/// SQLite's integers are signed. Numbers of ours (milliseconds, call numbers) use the whole width only if they are
/// random, so the bits are kept rather than the value.
pub(crate) fn to_sql(number: u64) -> i64 {
    i64::from_ne_bytes(number.to_ne_bytes())
}

pub(crate) fn from_sql(number: i64) -> u64 {
    u64::from_ne_bytes(number.to_ne_bytes())
}
