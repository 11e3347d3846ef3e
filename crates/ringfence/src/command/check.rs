//! `ringfence check SITE`: all problems at once, with places. `ringfence guide SITE`: how to bring it up.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use site::Site;

use super::Outcome;

pub(crate) fn run(site: &Path) -> Outcome {
    let text =
        std::fs::read_to_string(site).with_context(|| format!("cannot read the site file {}", site.display()))?;
    let good = report(site, &text).is_some_and(|site| pages(&site));
    if !good {
        return Ok(ExitCode::from(super::BAD_SITE));
    }
    println!("{}: good", site.display());
    Ok(ExitCode::SUCCESS)
}

/// Prints what is wrong with the pages of VoiceXML applications, each folder once; whether nothing is.
fn pages(site: &Site) -> bool {
    let browsers = site.nodes.iter().filter_map(|node| match &node.role {
        site::Role::VoiceBrowser(browser) => Some(browser),
        _ => None,
    });
    let documents: BTreeSet<&str> = browsers
        .flat_map(|browser| &browser.applications)
        .filter_map(|application| application.document.as_deref())
        .filter(|document| !document.contains("://"))
        .collect();
    let mut good = true;
    for document in documents {
        match net::pages::problems(Path::new(document)) {
            Ok(problems) => {
                for (file, problem) in problems {
                    eprintln!("{}:{problem}", file.display());
                    good = false;
                }
            }
            Err(error) => {
                eprintln!("document = \"{document}\": {error:#}");
                good = false;
            }
        }
    }
    good
}

/// `ringfence guide SITE`.
pub(crate) fn guide(site: &Path) -> Outcome {
    let text =
        std::fs::read_to_string(site).with_context(|| format!("cannot read the site file {}", site.display()))?;
    let Some(read) = report(site, &text) else {
        return Ok(ExitCode::from(super::BAD_SITE));
    };
    print!("{}", admin::guide::guide(&read, &site.display().to_string()).map_err(anyhow::Error::msg)?);
    Ok(ExitCode::SUCCESS)
}

/// Prints errors and warnings; the site, if it can be used.
pub(crate) fn report(site: &Path, text: &str) -> Option<Site> {
    let checked = Site::check(text);
    for problem in &checked.problems {
        eprintln!("{}:{}:{}: {problem}", site.display(), problem.line, problem.column);
    }
    checked.site
}
