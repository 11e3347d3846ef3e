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
    // With the tests cargo builds the binary, which the interop runs drive over processes. Of the tests' own profile, it
    // checks its arithmetic and its assertions, and a cold run builds everything once; `cargo xtask demo` drives the one
    // that users get.
    let threads = threads().to_string();
    let mut arguments = if have("cargo-nextest") {
        vec!["nextest", "run", "--workspace", "--no-fail-fast", "--test-threads", &threads]
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

/// One more than there are cores: many of the longest tests wait for the wire, and not for the processor.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from) + 1
}
