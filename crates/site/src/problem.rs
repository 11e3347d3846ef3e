//! What is wrong with a site, where, and what to write instead.

use std::fmt;

/// What is wrong with a site, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub severity: Severity,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Where in the tree, with names rather than numbers: `node.cube1.role.sbc.dial_peer.6000.srtp`.
    pub path: String,
    pub what: String,
    /// What to write instead.
    pub fix: String,
    /// The line of the file, secrets struck out.
    pub source: String,
    /// Characters to underline, at least 1.
    pub width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The site cannot be run.
    Error,
    /// It can, but somebody will be surprised.
    Warning,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{word}: {}", self.what)?;
        write!(f, "{margin}--> line {}, column {}", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, ", {}", self.path)?;
        }
        writeln!(f)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.source)?;
        // A tab in the source stays a tab, so that the mark stands below its word.
        let indent: String = self
            .source
            .chars()
            .take(self.column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(f, "{margin} | {indent}{}", "^".repeat(self.width.max(1)))?;
        write!(f, "{margin} = {}", self.fix)
    }
}

impl std::error::Error for Problem {}

/// Line and column (from 1) of a byte offset, the line's text, and how much of `start..end` lies on it.
pub(crate) fn locate(text: &str, start: usize, end: usize) -> (usize, usize, String, usize) {
    let start = floor(text, start);
    let end = floor(text, end).max(start);
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let source = text.get(line_start..).unwrap_or_default().lines().next().unwrap_or_default();
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    let left = source.chars().count().saturating_sub(column - 1);
    let width = text.get(start..end).unwrap_or_default().chars().count().min(left).max(1);
    let hidden = without_secret(source);
    (line, column.min(hidden.chars().count() + 1), hidden, width)
}

fn floor(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A secret must not reach a terminal or a log because something else on its line is wrong.
fn without_secret(line: &str) -> String {
    const KEY: &str = "_secret";
    match line.find(KEY) {
        Some(at) => format!("{} = …", line.get(..at + KEY.len()).unwrap_or_default()),
        None => line.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_like_a_compilers() {
        let text = "name = \"lab\"\ndomian = \"lab.example\"\n";
        let (line, column, source, width) = locate(text, 13, 19);
        let problem = Problem {
            severity: Severity::Error,
            line,
            column,
            path: "domian".into(),
            what: "unknown field `domian`".into(),
            fix: "did you mean `domain`?".into(),
            source,
            width,
        };
        assert_eq!(
            problem.to_string(),
            "error: unknown field `domian`\n --> line 2, column 1, domian\n  |\n2 | domian = \"lab.example\"\n  | ^^^^^^\n  = did you mean `domain`?"
        );
    }

    #[test]
    fn places_hold_at_the_ends_of_a_file() {
        assert_eq!(locate("", 0, 5), (1, 1, String::new(), 1));
        assert_eq!(locate("a\n", 2, 2), (2, 1, String::new(), 1));
        assert_eq!(locate("é = 1", 1, 2).1, 1);
    }

    #[test]
    fn secrets_are_struck_out() {
        let (_, _, source, _) = locate("phone = { digest_secret = \"hunter2\", lime = 1 }", 38, 42);
        assert!(!source.contains("hunter2"), "{source}");
        let (_, _, source, _) = locate("device = { authentication_secret = \"123456\", lime = 1 }", 44, 48);
        assert!(!source.contains("123456"), "{source}");
    }
}
