//! `ringfence why CALL [--not AGENT]`, `ringfence why --replay [--site FILE]`: from the store, no node is asked.

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use acd::replay::{self, Entry, Fate, Outcome as Met};
use acd::{AgentId, Decision};
use admin::cli::Why;
use admin::show::tables::table;
use admin::show::time::rfc3339;
use anyhow::Context;
use serde::Serialize;
use site::Role;
use store::{DataDir, Store};

use super::{BAD_SITE, Outcome, check};

pub(crate) fn run(data: &Path, why: &Why) -> Outcome {
    let dir = DataDir::open(data)?;
    let store = dir.store()?;
    match &why.call {
        Some(call) => explain(&store, call, why),
        None => again(&dir, &store, why),
    }
}

/// What was decided about a call, when; of who is to have it, with all that the decision was made of.
#[derive(Serialize)]
struct Taken {
    node: String,
    at_ms: u64,
    words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<Decision>,
}

fn explain(store: &Store, call: &str, why: &Why) -> Outcome {
    let caller = match call {
        "last" => store.last_routed()?.context("no call has been routed at this site yet")?,
        uuid => uuid.to_ascii_lowercase(),
    };
    let mut inputs: Vec<Decision> = Vec::new();
    for routed in store.routed_of(&caller)? {
        inputs.push(serde_json::from_str(&routed.decision).context("a decision of another version of Ringfence")?);
    }
    let mut inputs = inputs.into_iter().peekable();
    let taken: Vec<Taken> = store
        .decisions_of(&caller)?
        .into_iter()
        .map(|store::Decision { node, at_ms, words, .. }| {
            // Both were written one after the other.
            let decision = inputs.next_if(|decision| decision.words() == words);
            Taken { node, at_ms, words, decision }
        })
        .collect();
    anyhow::ensure!(
        !taken.is_empty(),
        "no decision is kept of call {caller}: it never came to a node of this data directory"
    );
    if why.json {
        println!("{}", serde_json::to_string_pretty(&taken)?);
        return Ok(ExitCode::SUCCESS);
    }
    for Taken { node, at_ms, words, decision } in &taken {
        println!("{}  {node}  {words}", rfc3339(*at_ms));
        if let (Some(agent), Some(decision)) = (&why.not, decision) {
            println!("    {}", decision.why_not(&AgentId(agent.clone())));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a call met, and what it would have met.
#[derive(Serialize)]
struct Compared {
    node: String,
    arrived_ms: i64,
    was: Met,
    would_be: Met,
}

fn again(dir: &DataDir, store: &Store, why: &Why) -> Outcome {
    let old = dir.site()?;
    let new = match &why.site {
        None => old.clone(),
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the site file {}", file.display()))?;
            let Some(site) = check::report(file, &text) else { return Ok(ExitCode::from(BAD_SITE)) };
            site
        }
    };
    let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis() as i64;
    let from_ms = now_ms - i64::from(why.hours) * 3_600_000;
    let mut compared = Vec::new();
    for node in &old.nodes {
        let (Role::CallServer(before), Some(after)) = (&node.role, new.node(&node.name)) else { continue };
        let Role::CallServer(after) = &after.role else { continue };
        let mut log = Vec::new();
        for told in store.routing_inputs(&node.name, now_ms.unsigned_abs())? {
            let input = serde_json::from_str(&told.input).context("a log of another version of Ringfence")?;
            log.push(Entry { at_ms: told.at_ms as i64, input });
        }
        let was = replay::as_it_was(&before.routing().plan, &log);
        let would_be = replay::what_if(&before.routing().plan, &after.routing().plan, &log);
        let pairs = was.into_iter().zip(would_be).filter(|(was, _)| was.arrived_ms >= from_ms);
        compared.extend(pairs.map(|(was, would_be)| Compared {
            node: node.name.clone(),
            arrived_ms: was.arrived_ms,
            was,
            would_be,
        }));
    }
    if why.json {
        println!("{}", serde_json::to_string_pretty(&compared)?);
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", summary(&compared));
    Ok(ExitCode::SUCCESS)
}

fn summary(compared: &[Compared]) -> String {
    let changed: Vec<Vec<String>> = compared
        .iter()
        .filter(|c| (&c.was.fate, &c.was.agent) != (&c.would_be.fate, &c.would_be.agent))
        .map(|c| {
            vec![rfc3339(c.arrived_ms.max(0).unsigned_abs()), c.was.target.clone(), c.was.words(), c.would_be.words()]
        })
        .collect();
    let count = |of: fn(&Compared) -> &Met, fate: Fate| compared.iter().filter(|c| of(c).fate == fate).count();
    let mean = |of: fn(&Compared) -> &Met| {
        let waits: Vec<f64> = compared
            .iter()
            .map(of)
            .filter(|met| met.fate == Fate::Answered)
            .map(|met| met.waited.as_secs_f64())
            .collect();
        waits.iter().sum::<f64>() / waits.len().max(1) as f64
    };
    let row = |name: &str, of: fn(&Compared) -> &Met| {
        let fates = [Fate::Answered, Fate::Abandoned, Fate::Released, Fate::Waiting];
        let mut row = vec![name.to_owned(), compared.len().to_string()];
        row.extend(fates.map(|fate| count(of, fate).to_string()));
        row.push(format!("{:.1} s", mean(of)));
        row
    };
    let rows = [row("as it was", |c| &c.was), row("with this site", |c| &c.would_be)];
    let mut text = table(&["", "CALLS", "ANSWERED", "ABANDONED", "RELEASED", "STILL WAITING", "MEAN WAIT"], &rows);
    if changed.is_empty() {
        text.push_str("\nEvery call would have met the same.\n");
    } else {
        text.push_str(&format!("\n{} calls would have met something else:\n\n", changed.len()));
        text.push_str(&table(&["ARRIVED", "CAME TO", "WAS", "WOULD BE"], &changed));
    }
    text
}
