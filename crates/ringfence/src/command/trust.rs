//! `ringfence trust …`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use admin::cli::Trust;
use anyhow::Context;
pub(super) use console::trust::server_of_phones;
use phones::{Certificate, inspect};

use super::Outcome;

pub(crate) fn run(data: &Path, trust: Trust) -> Outcome {
    match trust {
        Trust::Inspect { file, certificates, key } => inspect_file(&file, &certificates, key.as_deref()),
        Trust::Rehearse { change, node, json } => super::rehearse::run(data, &change, node.as_deref(), json),
        Trust::Roll { words, rings, within, leave_behind, dangerous_lose_phones, node, json } => {
            let terms = phones::Terms::parse(&rings, within.saturating_mul(60)).map_err(anyhow::Error::msg)?;
            let asked = super::roll::Asked { words, terms, leave_behind, dangerous_lose_phones, json };
            super::roll::run(data, node.as_deref(), asked)
        }
    }
}

fn inspect_file(file: &Path, certificates: &[PathBuf], key: Option<&Path>) -> Outcome {
    let octets = read(file)?;
    let mut all = Vec::new();
    for path in certificates {
        all.extend(Certificate::read_all(&read(path)?).with_context(|| format!("in {}", path.display()))?);
    }
    let key = key.map(read).transpose()?.map(|pem| String::from_utf8_lossy(&pem).into_owned());
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as i64;
    let found = inspect(&octets, &console::trust::modified(file)?, &all, key.as_deref(), now);
    print!("{}", found.text);
    Ok(if found.good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
