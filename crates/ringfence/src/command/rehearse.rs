//! `ringfence trust rehearse CHANGE`: who would be lost by a change, before it is made.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use net::{Rehearsed, Station};
use phones::{Change, Kind, Verdict};
use serde_json::{Value, json};
use store::DataDir;
use trust::Utc;

use super::Outcome;
use super::trust::server_of_phones;

pub(crate) fn run(data: &Path, words: &[String], node: Option<&str>, as_json: bool) -> Outcome {
    let change = match Change::parse(words) {
        Ok(change) => change,
        Err(words) => {
            eprintln!("ringfence trust rehearse: {words}");
            return Ok(ExitCode::from(2));
        }
    };
    let dir = DataDir::open(data)?;
    let site = dir.site()?;
    let node = server_of_phones(&site, node)?;
    let all = Station::rehearse(&dir, &site, node, &change, SystemTime::now())?;
    let all = all.with_context(|| format!("{} serves no phones", node.name))?;
    let text = match as_json {
        true => serde_json::to_string_pretty(&as_data(&change, &node.name, &all))? + "\n",
        false => as_text(&change, &node.name, &all),
    };
    print!("{text}");
    let lost = all.iter().any(|phone| matches!(phone.verdict, Verdict::Lost(_)));
    Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Those who would be lost first, each with why and what to do; then those of whom nothing is known; of the rest, numbers.
pub(super) fn as_text(change: &Change, node: &str, all: &[Rehearsed]) -> String {
    let (mut lost, mut unknown, mut keeps) = (Vec::new(), Vec::new(), std::collections::BTreeMap::new());
    for phone in all {
        match &phone.verdict {
            Verdict::Lost(losses) => lost.push((phone, losses)),
            Verdict::Unknown => unknown.push(phone),
            Verdict::Keeps(how) => *keeps.entry(*how).or_insert(0_usize) += 1,
        }
    }
    // Writing to a String never fails.
    let mut out = format!("{change} at {node}, rehearsed for {} phones; nothing was changed.\n", all.len());
    let _ = writeln!(
        out,
        "{}",
        match (lost.len(), unknown.len()) {
            (0, 0) => "Nobody would lose trust.".to_owned(),
            (0, some) => format!("Nobody who is known would lose trust; of {some} nothing is known."),
            (some, 0) => format!("{some} WOULD LOSE TRUST."),
            (some, others) => format!("{some} WOULD LOSE TRUST; of {others} nothing is known."),
        }
    );
    for (phone, losses) in lost {
        let _ = writeln!(out, "\nLOST {} line {}", phone.device, phone.line);
        for loss in losses {
            let _ = writeln!(out, "  {loss}\n    before the change: {}", loss.remedy());
        }
        let _ = writeln!(out, "  holds: {}", holds(phone));
    }
    if !unknown.is_empty() {
        let _ = writeln!(out, "\nUNKNOWN: these were not seen to read a list; reset them, and rehearse again");
        for phone in unknown {
            let _ = writeln!(out, "  {} line {}, {}", phone.device, phone.line, last(phone));
        }
    }
    for (how, count) in keeps {
        let _ = writeln!(out, "\n{count} phones: {}", how.words());
    }
    out
}

fn holds(phone: &Rehearsed) -> String {
    let mut parts = Vec::new();
    for kind in [Kind::Ctl, Kind::Itl] {
        parts.push(match phone.held.list(kind) {
            Some(list) => {
                let short = list.digest.get(..12).unwrap_or_default();
                format!("{} {short} of {}, signed by {}", kind.word(), time(list.at), list.signer)
            }
            None => format!("no {} that is known", kind.word()),
        });
    }
    parts.push(match &phone.lsc {
        Some(lsc) => format!("LSC {} until {}", lsc.serial, time(lsc.not_after.max(0) as u64)),
        None => "no LSC".into(),
    });
    parts.push(last(phone));
    parts.join("; ")
}

fn last(phone: &Rehearsed) -> String {
    match phone.held.last() {
        Some((contact, at)) => format!("last {} {}", contact.word(), time(at)),
        None => "never heard of".into(),
    }
}

/// UTC, to the minute.
pub(super) fn time(at: u64) -> String {
    let utc = Utc::of(at);
    format!("{:04}-{:02}-{:02} {:02}:{:02}", utc.year, utc.month, utc.day, utc.hour, utc.minute)
}

fn as_data(change: &Change, node: &str, all: &[Rehearsed]) -> Value {
    let phones: Vec<Value> = all
        .iter()
        .map(|phone| {
            let (verdict, how, losses) = match &phone.verdict {
                Verdict::Keeps(how) => ("keeps", json!(how), Vec::new()),
                Verdict::Unknown => ("unknown", Value::Null, Vec::new()),
                Verdict::Lost(losses) => ("lost", Value::Null, losses.clone()),
            };
            let losses: Vec<Value> = losses
                .iter()
                .map(|loss| json!({ "why": loss.to_string(), "before_the_change": loss.remedy() }))
                .collect();
            json!({
                "device": phone.device, "line": phone.line, "verdict": verdict, "how": how, "losses": losses,
                "holds": phone.held,
                "lsc": phone.lsc.as_ref().map(|lsc| json!({ "serial": lsc.serial, "not_after": lsc.not_after })),
            })
        })
        .collect();
    json!({ "change": change.to_string(), "node": node, "phones": phones })
}

#[cfg(test)]
mod tests {
    use super::*;
    use phones::{Fetched, Held, How, Loss};

    fn phone(device: &str, verdict: Verdict) -> Rehearsed {
        let itl =
            Some(Fetched { digest: "3f".repeat(32), signer: "4A CN=cucm1-ITLRecovery".into(), at: 1_795_392_000 });
        let held = Held { itl, ..Held::default() };
        Rehearsed { device: device.into(), line: "1001".into(), verdict, held, lsc: None }
    }

    #[test]
    fn who_is_lost_stands_first_with_why_and_what_to_do() {
        let change = Change::parse(&["mixed-mode".into(), "off".into()]).unwrap();
        let all = [
            phone("SEP1", Verdict::Keeps(How::ByNewLists)),
            phone("SEP2", Verdict::Lost(vec![Loss::NoSecurity])),
            phone("SEP3", Verdict::Unknown),
        ];
        let text = as_text(&change, "cucm1", &all);
        let at = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
        let order = [
            "mixed-mode off at cucm1",
            "1 WOULD LOSE TRUST; of 1 nothing is known",
            "LOST SEP2",
            "before the change: leave the cluster in mixed mode",
            "ITL 3f3f3f3f3f3f of 2026-11-23 00:00",
            "SEP3 line 1001",
            "1 phones: keeps trust once",
        ];
        assert!(order.windows(2).all(|two| at(two[0]) < at(two[1])), "{text}");
        let data = as_data(&change, "cucm1", &all);
        assert_eq!(data["phones"][1]["verdict"], "lost");
        assert_eq!(data["phones"][1]["holds"]["itl"]["at"], 1_795_392_000);
    }
}
