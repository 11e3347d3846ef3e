//! `ringfence passport get|verify`

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use admin::cli::Passport as Arguments;
use admin::estate::Estate;
use anyhow::Context;
use call::passport::{Passport, verify};
use call::session_id::Uuid;
use store::DataDir;

use super::{Outcome, estate, wait_for};

pub(crate) fn run(data: &Path, passport: Arguments) -> Outcome {
    match passport {
        Arguments::Get { caller, output } => get(data, &caller, &output),
        Arguments::Verify { file, root } => check(data, &file, root.as_deref()),
    }
}

fn get(data: &Path, caller: &str, output: &Path) -> Outcome {
    let estate = estate(data)?;
    let (passport, missing) = wait_for(gather(&estate, caller))?;
    for words in &missing {
        eprintln!("ringfence: {words}");
    }
    store::write_private(output, passport.to_json().as_ref())
        .with_context(|| format!("cannot write {}", output.display()))?;
    println!("{}: call {}, {} signed statements", output.display(), passport.caller.0, passport.statements.len());
    Ok(ExitCode::SUCCESS)
}

/// A call's passport from all nodes, and which of them could not be asked.
pub(crate) async fn gather(estate: &Estate, caller: &str) -> anyhow::Result<(Passport, Vec<String>)> {
    let caller = estate.caller(caller).await?;
    let (statements, missing) = estate.statements(&caller).await;
    anyhow::ensure!(!statements.is_empty(), "no node knows a call of caller {caller}; {}", missing.join("; "));
    let roots = roots_der(&estate.roots_pem)?;
    let mut passport = Passport::bundle(&estate.site.name, Uuid(caller), &roots, statements);
    for other in passport.told_elsewhere() {
        passport.add(estate.statements(&other.0).await.0);
    }
    Ok((passport, missing))
}

fn check(data: &Path, file: &Path, root: Option<&Path>) -> Outcome {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let trusted = trusted_roots(data, root)?;
    let passport = match Passport::from_json(&bytes) {
        Ok(passport) => passport,
        Err(words) => {
            println!("NOT GOOD: {words}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let verdict = verify(&passport, trusted.as_deref(), SystemTime::now());
    print!("{verdict}");
    Ok(if verdict.is_vouched_for() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The roots named, or the data directory's own; `None` when there are neither, and then the passport's own are taken (which
/// proves that it is whole, not whose it is: the verdict says so).
fn trusted_roots(data: &Path, root: Option<&Path>) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
    let pem = match root {
        Some(file) => vec![std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?],
        None if data.exists() => vec![DataDir::open(data)?.own_root_pem()?],
        None => return Ok(None),
    };
    roots_der(&pem).map(Some)
}

pub(crate) fn roots_der(pem: &[String]) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut roots = Vec::new();
    for text in pem {
        roots.extend(trust::certificates_der(text).context("root certificate")?);
    }
    Ok(roots)
}
