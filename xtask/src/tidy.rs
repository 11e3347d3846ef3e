//! `cargo xtask tidy`: what the compiler cannot say about the house.

mod absent;
mod contract;
mod files;

use anyhow::{Result, bail};

/// Everything.
pub(crate) fn run() -> Result<()> {
    houses()?;
    contract()
}

/// The checks that need no build.
pub(crate) fn houses() -> Result<()> {
    let sources = files::sources()?;
    let mut problems = files::check(&sources);
    problems.extend(absent::check(&sources));
    finish("tidy", problems)
}

/// The contract's rows against the tests that exist (builds the tests).
pub(crate) fn contract() -> Result<()> {
    finish("docs/contract.md", contract::check()?)
}

fn finish(what: &str, problems: Vec<String>) -> Result<()> {
    if problems.is_empty() {
        eprintln!("{what}: good");
        return Ok(());
    }
    bail!("{what}: {} problems\n  {}", problems.len(), problems.join("\n  "));
}
