//! `ringfence vxml check PATH…` and `ringfence vxml run FILE`: an application without a call.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use admin::cli::Vxml;
use anyhow::Context;
use vxml::conversation::Conversation;
use vxml::{NotFetched, Now, Page, Request, Start};

use super::{BAD_SITE, Outcome};

pub(crate) fn run(command: Vxml) -> Outcome {
    match command {
        Vxml::Check { paths } => check(&paths),
        Vxml::Run { file, called, calling } => talk(&file, &called, &calling),
    }
}

fn check(paths: &[PathBuf]) -> Outcome {
    let mut files = Vec::new();
    for path in paths {
        let folder = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(Path::new("")) };
        let mut found = Vec::new();
        gather(path, &mut found)?;
        files.extend(found.into_iter().map(|file| (file, folder)));
    }
    files.sort();
    anyhow::ensure!(!files.is_empty(), "there is no .vxml, .grxml or .gram file to check");
    let mut problems = 0;
    for (file, folder) in &files {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy();
        let look = |name: &str| within(folder, name)?.ok().map(Into::into);
        for problem in vxml::check_within(&name, &bytes, look) {
            eprintln!("{}:{problem}", file.display());
            problems += 1;
        }
    }
    if problems > 0 {
        return Ok(ExitCode::from(BAD_SITE));
    }
    println!("{} files: good", files.len());
    Ok(ExitCode::SUCCESS)
}

fn gather(path: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot read the folder {}", path.display()))? {
        let path = entry?.path();
        if path.is_dir() || path.to_str().is_some_and(vxml::can_check) {
            gather(&path, files)?;
        }
    }
    Ok(())
}

/// A file as the application's pages see it: they stay within its folder.
fn address(file: &Path) -> String {
    format!("app:/{}", file.file_name().unwrap_or_default().to_string_lossy())
}

/// A file of the folder, and of nowhere else.
fn within(folder: &Path, name: &str) -> Option<std::io::Result<Vec<u8>>> {
    let inside = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    inside.then(|| std::fs::read(folder.join(name)))
}

/// A page of the folder; what a query carries changes nothing there.
fn page(folder: &Path, request: &Request) -> Result<Page, NotFetched> {
    let Some(name) = request.url.strip_prefix("app:/") else {
        return Err(NotFetched::Unreachable("only pages of the application's own folder are taken here".into()));
    };
    let name = name.split('?').next().unwrap_or_default();
    match within(folder, name) {
        Some(Ok(bytes)) => Ok(Page { url: format!("app:/{name}"), bytes: bytes.into() }),
        Some(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(NotFetched::Unreachable(error.to_string()))
        }
        _ => Err(NotFetched::Status(404)),
    }
}

fn talk(file: &Path, called: &str, calling: &str) -> Outcome {
    anyhow::ensure!(file.is_file(), "there is no file {}", file.display());
    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
    let start = Start::of_call(address(file), called, calling, 1);
    let wall_ms =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let now = Now { wall_ms, ..Now::default() };
    let mut talk = Conversation::new(start, now, |request: &Request| page(&folder, request));
    let mut typed = std::io::stdin().lock().lines();
    let mut out = std::io::stdout().lock();
    let mut fault = false;
    loop {
        for line in talk.listen(false) {
            fault |= line == "ends: fault";
            writeln!(out, "{line}")?;
        }
        if talk.is_over() {
            return Ok(if fault { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        write!(out, "> ")?;
        out.flush()?;
        // Whoever types no more has hung up.
        let line = typed.next().transpose()?.unwrap_or_else(|| "!hangup".into());
        writeln!(out, "{line}")?;
        talk.hear(&line);
    }
}
