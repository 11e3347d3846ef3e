//! Running other programs: from the root of the workspace, with words when they fail.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// Root of the workspace.
pub(crate) fn root() -> PathBuf {
    // xtask lies directly below the root, so its manifest's folder has a parent.
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default()
}

/// `cargo` as the one that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    command(&cargo, arguments)
}

/// The same, with a setting in the environment unless there is one already.
pub(crate) fn cargo_with(setting: (&str, &str), arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let (name, usual) = setting;
    let value = std::env::var(name).unwrap_or_else(|_| usual.into());
    run_with(&[(name, &value)], &cargo, arguments)
}

/// Runs a program to its end with our own terminal.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Result<()> {
    run_with(&[], program, arguments)
}

fn run_with(settings: &[(&str, &str)], program: &str, arguments: &[&str]) -> Result<()> {
    eprintln!("$ {} {}", program.rsplit('/').next().unwrap_or(program), arguments.join(" "));
    let status = Command::new(program)
        .args(arguments)
        .envs(settings.iter().copied())
        .current_dir(root())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    if !status.success() {
        bail!("{program} {} ended with {status}", arguments.join(" "));
    }
    Ok(())
}

/// What a program prints.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} {} ended with {}: {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program can be found.
pub(crate) fn have(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
        || ["/usr/sbin", "/sbin"].iter().any(|dir| PathBuf::from(dir).join(program).is_file())
}
