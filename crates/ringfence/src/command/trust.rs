//! `ringfence trust inspect`, `show ctl`, `show itl`, `ringfence utils ctl …`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use admin::cli::Trust;
use anyhow::{Context, bail};
use net::Station;
use phones::{Certificate, Dialogue, Kind, Mode, Step, inspect};
use site::{Node, Role, Site};
use store::DataDir;

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
    let found = inspect(&octets, &modified(file)?, &all, key.as_deref(), now);
    print!("{}", found.text);
    Ok(if found.good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `show ctl` and `show itl`: the list that phones are given.
pub(crate) fn show(data: &Path, kind: Kind, node: Option<&str>) -> Outcome {
    let station = station(data, node)?;
    let file = station.list_file(kind);
    let Some(list) = station.list(kind) else {
        println!(
            "There is no {} file: {}",
            kind.word(),
            match kind {
                Kind::Ctl => "the cluster is not in Mixed Mode, or has not been started yet.",
                Kind::Itl => "start the call manager once (`ringfence run`); it writes one.",
            }
        );
        return Ok(ExitCode::FAILURE);
    };
    print!("{}", phones::show(&list, &modified(&file)?));
    Ok(ExitCode::SUCCESS)
}

/// `show phones`: the cluster's mode, and each phone with its profile and its CAPF information.
pub(crate) fn show_phones(data: &Path, node: Option<&str>) -> Outcome {
    let station = station(data, node)?;
    let mode = station.mode();
    let word = match mode {
        Mode::Mixed => "mixed",
        Mode::NonSecure => "non-secure",
    };
    println!("Cluster Security Mode: {} ({word})", mode.code());
    for (phone, profile, row) in station.phones()? {
        let named = if profile.name.is_empty() { "none" } else { &profile.name };
        println!("\n{} line {}", phone.name, phone.line);
        println!("  Device Security Profile: {named}, {}", profile.device_security_mode.word());
        println!("  Certificate Operation: {}", row.operation());
        println!("  Certificate Operation Status: {}", row.status);
        if let Some(reason) = &row.reason {
            println!("  Reason: {reason}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A dialogue on the terminal: the question, `y` or `n`, what came of it.
pub(crate) fn utils(data: &Path, words: &[String], node: Option<&str>) -> Outcome {
    let command = match phones::Command::parse(&format!("utils {}", words.join(" "))) {
        Ok(command) => command,
        Err(words) => {
            eprintln!("ringfence utils: {words}");
            return Ok(ExitCode::from(2));
        }
    };
    let station = station(data, node)?;
    let dialogue = Dialogue::new(command, station.cluster());
    let mut step = dialogue.start();
    loop {
        match step {
            Step::Ask(question) => {
                print!("{question}");
                std::io::stdout().flush()?;
                let mut answer = String::new();
                std::io::stdin().read_line(&mut answer)?;
                step = dialogue.answer(&answer);
            }
            Step::Do(effect, words) => {
                station.carry_out(effect, SystemTime::now())?;
                print!("{words}");
                return Ok(ExitCode::SUCCESS);
            }
            Step::Stop(words) => {
                print!("{words}");
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

fn station(data: &Path, node: Option<&str>) -> anyhow::Result<Station> {
    let dir = DataDir::open(data)?;
    let site = dir.site()?;
    let row = server_of_phones(&site, node)?;
    Station::open(&dir, &site, row)?.with_context(|| format!("{} serves no phones", row.name))
}

/// The call manager that serves phones, or the one of several that is named.
pub(super) fn server_of_phones<'a>(site: &'a Site, node: Option<&str>) -> anyhow::Result<&'a Node> {
    let mut found = None;
    let serves = |row: &&Node| matches!(&row.role, Role::CallManager(manager) if manager.phone_services.is_some());
    for row in site.nodes.iter().filter(|row| node.is_none_or(|name| name == row.name)).filter(serves) {
        if found.replace(row).is_some() {
            bail!("several call managers serve phones: say which one with --node");
        }
    }
    found.context("no call manager here serves phones: write `[node.role.call_manager.phone_services]` in the site, then `ringfence init SITE`")
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A file's date as `show ctl` has it.
fn modified(path: &Path) -> anyhow::Result<String> {
    let at = std::fs::metadata(path)?.modified()?.duration_since(UNIX_EPOCH)?.as_secs();
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let utc = trust::Utc::of(at);
    // Months are 1 to 12, and 1970 began on a Thursday.
    let (month, day) = (MONTHS[utc.month as usize - 1], DAYS[(at / 86_400 % 7) as usize]);
    Ok(format!("{day} {month} {:02} {:02}:{:02}:{:02} UTC {}", utc.day, utc.hour, utc.minute, utc.second, utc.year))
}
