//! One file a command (or a family of them).

pub(crate) mod account;
pub(crate) mod agent;
pub(crate) mod cdr;
pub(crate) mod cert;
pub(crate) mod check;
pub(crate) mod debug;
pub(crate) mod enrol;
pub(crate) mod init;
pub(crate) mod ladder;
pub(crate) mod load;
pub(crate) mod passport;
pub(crate) mod phone;
pub(crate) mod profile;
pub(crate) mod queue;
pub(crate) mod recording;
pub(crate) mod rehearse;
pub(crate) mod roll;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod token;
pub(crate) mod trust;
pub(crate) mod utils;
pub(crate) mod vxml;
pub(crate) mod watch;
pub(crate) mod why;

use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

use admin::estate::Estate;
use anyhow::Context;
use store::DataDir;

/// What a command comes to, if nothing went wrong on the way.
type Outcome = anyhow::Result<ExitCode>;

/// The site is wrong (`EX_USAGE` of sysexits.h).
const BAD_SITE: u8 = 64;

/// The running estate behind a data directory.
fn estate(data: &Path) -> anyhow::Result<Estate> {
    Estate::open(&DataDir::open(data)?)
}

/// Runs one asynchronous conversation to its end.
fn wait_for<T>(conversation: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(conversation)
}
