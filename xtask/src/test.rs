//! `cargo xtask test`: every check of the project, in the order in which a mistake is cheapest to find.

use std::time::Instant;

use anyhow::Result;

use crate::run::{cargo, cargo_with, have};
use crate::{programs, tidy};

/// Seeds of the simulator (docs/testing.md); `SIM_SEEDS` overrides it.
const STORMS: &str = "10000";

pub(crate) fn run(quick: bool) -> Result<()> {
    let began = Instant::now();
    cargo(&["fmt", "--all", "--check"])?;
    tidy::houses()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    if !quick {
        programs::ensure()?;
    }
    // The interop runs and the process tests drive the binary as a user gets it.
    cargo(&["build", "--release", "-p", "ringfence"])?;
    let mut arguments = if have("cargo-nextest") {
        vec!["nextest", "run", "--workspace", "--no-fail-fast"]
    } else {
        vec!["test", "--workspace", "--no-fail-fast"]
    };
    if quick {
        arguments.extend(["--exclude", "interop"]);
    }
    cargo_with(("SIM_SEEDS", STORMS), &arguments)?;
    tidy::contract()?;
    eprintln!("all checks passed in {} s", began.elapsed().as_secs());
    Ok(())
}
