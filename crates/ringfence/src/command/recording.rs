//! `ringfence recording list | get CALL -o FILE.wav`: sealed recordings, through the store, each access in its audit.

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use admin::cli::Recording;
use admin::show::tables::table;
use admin::show::time::rfc3339;
use anyhow::{Context, bail};
use media::sealed::Ending;
use serde_json::json;
use store::{Change, DataDir, Recorded};

use super::Outcome;

pub(crate) fn run(data: &Path, recording: &Recording) -> Outcome {
    let dir = DataDir::open(data)?;
    match recording {
        Recording::List { json } => list(&dir, *json),
        Recording::Get { call, output } => get(&dir, call, output),
    }
}

fn list(dir: &DataDir, as_json: bool) -> Outcome {
    let all = dir.recordings()?.list()?;
    if as_json {
        let rows: Vec<_> = all
            .iter()
            .map(|Recorded { label, octets }| {
                json!({
                    "recording": format!("{:016x}", label.id),
                    "begun_ms": label.begun_ms,
                    "node": label.node,
                    "caller": label.caller,
                    "tracks": label.tracks,
                    "sealed_octets": octets,
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    let row = |Recorded { label, octets }: &Recorded| {
        // Sealing adds little: lengths are shown without opening anything.
        let seconds = octets / 8000 / u64::from(label.tracks);
        vec![
            format!("{:016x}", label.id),
            rfc3339(label.begun_ms),
            label.node.clone(),
            label.caller.clone(),
            format!("{seconds} s"),
        ]
    };
    print!("{}", table(&["RECORDING", "BEGUN", "NODE", "CALLER", "ABOUT"], &all.iter().map(row).collect::<Vec<_>>()));
    Ok(ExitCode::SUCCESS)
}

fn get(dir: &DataDir, call: &str, output: &Path) -> Outcome {
    let recordings = dir.recordings()?;
    let id = find(&recordings.list()?, call)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let who = std::env::var("USER").unwrap_or_else(|_| "administrator".into());
    let access = Change { at_ms: now, who, source: "command line".into(), what: String::new(), detail: String::new() };
    let opened = recordings.open(id, access, &mut dir.store()?)?;
    store::write_private(output, &opened.wav()).with_context(|| format!("cannot write {}", output.display()))?;
    let seconds = opened.duration_ms() as f64 / 1000.0;
    println!("{} has {seconds:.1} s of recording {id:016x}, in clear: it is nobody else's", output.display());
    match opened.ending {
        Ending::Whole => Ok(ExitCode::SUCCESS),
        Ending::Unfinished => {
            println!(
                "the recording has no end: it is still being made, or a crash or somebody cut it; what is there is as it was recorded"
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// By its own number, its caller's UUID, or `last`.
fn find(all: &[Recorded], call: &str) -> anyhow::Result<u64> {
    let call = call.to_ascii_lowercase();
    let found: Vec<u64> = all
        .iter()
        .filter(|recorded| recorded.label.caller == call || format!("{:016x}", recorded.label.id) == call)
        .map(|recorded| recorded.label.id)
        .collect();
    match (found.as_slice(), call.as_str(), all.last()) {
        ([id], ..) => Ok(*id),
        ([], "last", Some(last)) => Ok(last.label.id),
        ([], ..) => bail!("there is no recording of `{call}` here: see `ringfence recording list`"),
        (several, ..) => {
            let names: Vec<String> = several.iter().map(|id| format!("{id:016x}")).collect();
            bail!("this call has {} recordings: name one of {}", several.len(), names.join(", "))
        }
    }
}
