//! Sizes and first lines of source files.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::run::{output, root};

/// Longest a source file may be, in lines.
const LONGEST: usize = 800;
/// Files that may be longer, and why.
const LONGER: [(&str, &str); 0] = [];

/// One source file of the project.
pub(crate) struct Source {
    /// From the root of the workspace, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All Rust files that git tracks or would track.
pub(crate) fn sources() -> Result<Vec<Source>> {
    let listed = output("git", &["ls-files", "--cached", "--others", "--exclude-standard", "*.rs"])?;
    let mut sources = Vec::new();
    for path in listed.lines() {
        let full: PathBuf = root().join(path);
        // A file that was deleted but not yet committed is still listed.
        if Path::new(&full).exists() {
            sources.push(Source { path: path.to_owned(), text: std::fs::read_to_string(&full)? });
        }
    }
    Ok(sources)
}

pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > LONGEST && !LONGER.iter().any(|(path, _)| *path == source.path) {
            problems.push(format!(
                "{}: {lines} lines; split it, or list it with a reason (at most {LONGEST})",
                source.path
            ));
        }
        let opens = source.text.lines().find(|line| !line.starts_with("#![") && !line.is_empty()).unwrap_or_default();
        if !opens.starts_with("//!") {
            problems.push(format!("{}: begins without `//!` saying what it is", source.path));
        }
    }
    problems
}
