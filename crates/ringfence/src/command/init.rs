//! `ringfence init SITE`

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use store::DataDir;

use super::Outcome;

pub(crate) fn run(data: &Path, site: &Path) -> Outcome {
    let text =
        std::fs::read_to_string(site).with_context(|| format!("cannot read the site file {}", site.display()))?;
    if super::check::report(site, &text).is_none() {
        return Ok(ExitCode::from(super::BAD_SITE));
    }
    let (data, made) = DataDir::init(data, &text, SystemTime::now())?;
    for line in &made {
        println!("{line}");
    }
    if made.is_empty() {
        println!("Nothing to do: {} already has all that this site needs.", data.path().display());
    }
    Ok(ExitCode::SUCCESS)
}
