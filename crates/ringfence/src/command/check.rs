//! `ringfence check SITE`: all problems at once, with places. `ringfence guide SITE`: how to bring it up.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use site::Site;

use super::Outcome;

pub(crate) fn run(site: &Path) -> Outcome {
    let text =
        std::fs::read_to_string(site).with_context(|| format!("cannot read the site file {}", site.display()))?;
    if !report(site, &text) {
        return Ok(ExitCode::from(super::BAD_SITE));
    }
    println!("{}: good", site.display());
    Ok(ExitCode::SUCCESS)
}

/// `ringfence guide SITE`.
pub(crate) fn guide(site: &Path) -> Outcome {
    let text =
        std::fs::read_to_string(site).with_context(|| format!("cannot read the site file {}", site.display()))?;
    let Some(read) = Site::check(&text).site.filter(|_| report(site, &text)) else {
        return Ok(ExitCode::from(super::BAD_SITE));
    };
    print!("{}", admin::guide::guide(&read, &site.display().to_string()).map_err(anyhow::Error::msg)?);
    Ok(ExitCode::SUCCESS)
}

/// Prints errors and warnings; whether the site can be used.
pub(crate) fn report(site: &Path, text: &str) -> bool {
    let checked = Site::check(text);
    for problem in &checked.problems {
        eprintln!("{}:{}:{}: {problem}", site.display(), problem.line, problem.column);
    }
    checked.site.is_some()
}
