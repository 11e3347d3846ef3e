//! `ringfence ladder CALLER -o FILE.html`

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use admin::ladder::{Page, arrows, page};
use anyhow::Context;

use super::{Outcome, estate, passport, wait_for};

pub(crate) fn run(data: &Path, caller: &str, output: &Path, names: &[String]) -> Outcome {
    let estate = estate(data)?;
    let names = estate.names(names)?;
    let (proof, entries, missing) = wait_for(async {
        let (proof, mut missing) = passport::gather(&estate, caller).await?;
        let (entries, more) = estate.trace(&proof.caller.0).await;
        missing.extend(more);
        Ok((proof, entries, missing))
    })?;
    for words in &missing {
        eprintln!("ringfence: {words}");
    }
    let roots = passport::roots_der(&estate.roots_pem)?;
    let verdict = call::passport::verify(&proof, Some(&roots), SystemTime::now());
    let arrows = arrows(entries);
    anyhow::ensure!(
        !arrows.is_empty(),
        "the nodes' traces no longer hold call {}: they keep the latest messages only",
        proof.caller.0
    );
    let text = page(&Page {
        caller: &proof.caller.0,
        arrows: &arrows,
        names: &names,
        verdict: &verdict.to_string(),
        good: verdict.is_good(),
        exceptions: verdict.exceptions(),
    });
    store::write_private(output, text.as_bytes()).with_context(|| format!("cannot write {}", output.display()))?;
    println!("{}: {} messages", output.display(), arrows.len());
    Ok(ExitCode::SUCCESS)
}
