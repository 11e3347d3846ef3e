//! `ringfence trust roll …`: a change of trust taken out in rings of phones.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use net::{RollOrder, Rolls, Station};
use phones::{Change, Roll, RollState, Terms, Verdict};
use serde_json::json;
use store::DataDir;

use super::Outcome;
use super::rehearse::{as_text, time};
use super::trust::server_of_phones;

pub(super) struct Asked {
    pub(super) words: Vec<String>,
    pub(super) terms: Terms,
    pub(super) leave_behind: bool,
    pub(super) dangerous_lose_phones: bool,
    pub(super) json: bool,
}

pub(super) fn run(data: &Path, node: Option<&str>, asked: Asked) -> Outcome {
    let dir = DataDir::open(data)?;
    let site = dir.site()?;
    let node = server_of_phones(&site, node)?;
    let rolls = Rolls::of(&dir, &site, node);
    let words: Vec<&str> = asked.words.iter().map(String::as_str).collect();
    let order = match words[..] {
        ["status"] => return status(&rolls, asked.json),
        ["resume"] => RollOrder::Resume { leave: asked.leave_behind },
        ["abandon"] => RollOrder::Abandon,
        _ => {
            let change = match Change::parse(&asked.words) {
                Ok(change) => change,
                Err(words) => {
                    eprintln!("ringfence trust roll: {words}; or `status`, `resume`, `abandon`");
                    return Ok(ExitCode::from(2));
                }
            };
            let all = Station::rehearse(&dir, &site, node, &change, SystemTime::now())?;
            let all = all.with_context(|| format!("{} serves no phones", node.name))?;
            let is_lost = all.iter().any(|phone| matches!(phone.verdict, Verdict::Lost(_)));
            if is_lost && !asked.dangerous_lose_phones {
                print!("{}", as_text(&change, &node.name, &all));
                println!("\nNot begun. (All the same: --dangerous-lose-phones)");
                return Ok(ExitCode::FAILURE);
            }
            RollOrder::Begin { change, terms: asked.terms }
        }
    };
    rolls.order(&order)?;
    match &order {
        RollOrder::Begin { change, terms } => {
            println!("{change} at {} begins within a second, or when the call manager next runs.", node.name);
            println!(
                "Phones of a ring take it when they next read their lists: reset them. Each ring has {} minutes; calls and \
                 registrations stay up. How it goes: ringfence trust roll status",
                terms.within / 60
            );
        }
        RollOrder::Resume { leave: true } => println!("It goes on without those who are missing."),
        RollOrder::Resume { leave: false } => println!("It waits for those who are missing once more."),
        RollOrder::Abandon => println!("Phones are given what was before; nothing that is in force has changed."),
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit status 1: it has stopped.
fn status(rolls: &Rolls, as_json: bool) -> Outcome {
    let roll = rolls.now()?;
    let stopped = roll.as_ref().is_some_and(|roll| matches!(roll.state(), RollState::Stopped { .. }));
    if as_json {
        let awaited: Vec<&str> = roll.iter().flat_map(Roll::awaited).collect();
        let left: Vec<&str> = roll.iter().flat_map(Roll::left_behind).collect();
        let progress = roll.as_ref().map(Roll::progress);
        let data = json!({
            "change": roll.as_ref().map(|roll| roll.change.to_string()),
            "state": roll.as_ref().map(Roll::state),
            "back": progress.map(|(back, _)| back), "phones": progress.map(|(_, of)| of),
            "awaited": awaited, "left_behind": left, "order_waits": rolls.is_ordered(),
        });
        println!("{}", serde_json::to_string_pretty(&data)?);
    } else {
        match &roll {
            Some(roll) => print!("{}", told(roll)),
            None if rolls.is_ordered() => println!("A change is ordered; the call manager begins it when it runs."),
            None => println!("No change is on its way."),
        }
    }
    Ok(if stopped { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn told(roll: &Roll) -> String {
    let (back, of) = roll.progress();
    let rings = roll.terms.rings.len() + 1;
    let mut out = format!("{}: {back} of {of} phones are back\n", roll.change);
    // Writing to a String never fails.
    let _ = match roll.state() {
        RollState::Open { ring, until } => {
            let awaited: Vec<&str> = roll.awaited().collect();
            writeln!(
                out,
                "ring {} of {rings} is open until {} UTC; awaited: {}",
                ring + 1,
                time(*until),
                awaited.join(", ")
            )
        }
        RollState::Stopped { ring, missing, at } => writeln!(
            out,
            "STOPPED at {} UTC in ring {} of {rings}: these did not come back: {}\nNobody else is given anything. Look at \
             them; then `ringfence trust roll resume` waits once more, `resume --leave-behind` goes on without them, \
             `abandon` takes it back.",
            time(*at),
            ring + 1,
            missing.join(", ")
        ),
        RollState::Through { .. } => writeln!(out, "all rings are back; it is in force within a minute"),
    };
    let left: Vec<&str> = roll.left_behind().collect();
    if !left.is_empty() {
        let _ = writeln!(out, "left behind: {}", left.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roll_that_stopped_says_which_phones_and_what_to_do() {
        let change = Change::parse(&["renew".into(), "tvs".into()]).unwrap();
        let devices = ["SEP1".to_owned(), "SEP2".into()];
        let mut roll = Roll::begin(change, Terms { rings: vec![500], within: 60 }, devices, |_| 0, 1_795_392_000);
        assert!(
            told(&roll).contains("ring 1 of 2 is open until 2026-11-23 00:01 UTC; awaited: SEP1\n"),
            "{}",
            told(&roll)
        );
        roll.tick(1_795_392_060);
        let text = told(&roll);
        assert!(
            text.contains("STOPPED at 2026-11-23 00:01 UTC in ring 1 of 2") && text.contains("come back: SEP1\n"),
            "{text}"
        );
        roll.resume(true, 1_795_392_061);
        assert!(told(&roll).contains("left behind: SEP1"));
    }
}
