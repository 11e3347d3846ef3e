//! `ringfence profile copy`: a security profile more, in the site file.

use std::process::ExitCode;

use admin::cli::Profile;
use anyhow::Context;

use super::{Outcome, check};

pub(crate) fn run(profile: &Profile) -> Outcome {
    let Profile::Copy { site, from, to, subject } = profile;
    let text =
        std::fs::read_to_string(site).with_context(|| format!("cannot read the site file {}", site.display()))?;
    let copied = site::copy_profile(&text, from, to, subject).map_err(anyhow::Error::msg)?;
    // Nothing is saved that could not be run.
    if check::report(site, &copied).is_none() {
        return Ok(ExitCode::from(super::BAD_SITE));
    }
    std::fs::write(site, copied).with_context(|| format!("cannot write {}", site.display()))?;
    println!("Add successful");
    println!("Reset of the trunk is required to have changes take effect.");
    println!("(`ringfence run` resets it when it reads the site again: calls that are up go on)");
    Ok(ExitCode::SUCCESS)
}
