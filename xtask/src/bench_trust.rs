//! `cargo xtask bench trust`: enrolments, lists, configuration, registrations by token, and the boot storm
//! (docs/performance.md).

use anyhow::Result;

use crate::run::{cargo, root};

/// `rest` goes to the measurement: `--phones N --each N --seconds S`.
pub(crate) fn run(rest: &[&str]) -> Result<()> {
    cargo(&["build", "--release", "--quiet", "-p", "ringfence"])?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let server = target.join("release/ringfence").display().to_string();
    let mut arguments = vec!["run", "--release", "-q", "-p", "net", "--example", "trust_cost", "--"];
    arguments.extend(["--server", &server]);
    arguments.extend(rest);
    cargo(&arguments)
}
