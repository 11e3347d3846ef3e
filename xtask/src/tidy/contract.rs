//! `docs/contract.md`: each row names a test that exists and runs, or says `open`.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use crate::run::{have, output, root};

pub(crate) fn check() -> Result<Vec<String>> {
    let page = std::fs::read_to_string(root().join("docs/contract.md")).context("docs/contract.md")?;
    let tests = tests()?;
    let mut problems = Vec::new();
    let mut numbers = BTreeSet::new();
    for row in rows(&page) {
        if !numbers.insert(row.number.clone()) {
            problems.push(format!("statement {} stands twice", row.number));
        }
        for name in row.tests.iter().filter(|name| *name != "open") {
            if !tests.contains(name) {
                problems.push(format!("statement {}: no test `{name}` runs", row.number));
            }
        }
        if row.tests.is_empty() {
            problems.push(format!("statement {}: names no test and does not say `open`", row.number));
        }
    }
    let closed = rows(&page).iter().filter(|row| row.tests.iter().any(|t| t != "open")).count();
    eprintln!("docs/contract.md: {closed} of {} statements have a test", numbers.len());
    Ok(problems)
}

struct Row {
    number: String,
    tests: Vec<String>,
}

/// Rows `| number | statement | tests |`; tests are in backquotes.
fn rows(page: &str) -> Vec<Row> {
    page.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
            let (number, tests) = (cells.first()?, cells.last()?);
            number.parse::<u32>().ok()?;
            let mut names: Vec<String> = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            if tests.contains("open") {
                names.push("open".into());
            }
            Some(Row { number: (*number).to_owned(), tests: names })
        })
        .collect()
}

/// All tests that run by default, as `crate::path::to::test`, and by their bare names.
fn tests() -> Result<BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut names = BTreeSet::new();
    let mut add = |krate: &str, path: &str| {
        names.insert(format!("{krate}::{path}"));
        if let Some(bare) = path.rsplit("::").next() {
            names.insert(bare.to_owned());
        }
    };
    if have("cargo-nextest") {
        let json = output(&cargo, &["nextest", "list", "--workspace", "--message-format", "json"])?;
        let list: serde_json::Value = serde_json::from_str(&json).context("nextest list")?;
        for suite in list["rust-suites"].as_object().into_iter().flatten().map(|(_, suite)| suite) {
            let krate = suite["package-name"].as_str().unwrap_or_default();
            for (path, test) in suite["testcases"].as_object().into_iter().flatten() {
                if test["ignored"].as_bool() == Some(false) {
                    add(krate, path);
                }
            }
        }
    } else {
        let listed = output(&cargo, &["test", "--workspace", "--", "--list", "--format", "terse"])?;
        for path in listed.lines().filter_map(|line| line.strip_suffix(": test")) {
            add("", path);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn a_row_gives_its_tests_or_says_open() {
        let page =
            "| number | statement | test |\n|---|---|---|\n| 1 | a | `x::y`, `z` |\n| 2 | b | open |\n| 3 | c | |\n";
        let rows = rows(page);
        let tests: Vec<_> = rows.iter().map(|r| r.tests.join(",")).collect();
        assert_eq!(tests, ["x::y,z", "open", ""]);
    }
}
