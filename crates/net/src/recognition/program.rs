//! A program that recognises (docs/vxml.md, "Recognition"): a line of JSON says what to listen for, then comes what was said;
//! it writes JSON and ends.

use std::process::Command;
use std::time::Instant;

use serde_json::json;
use vxml::grammar::{Grammar, Mode, jsgf};
use vxml::{Utterance, nlsml};

use super::Said;
use crate::program;

/// Twenty ways of hearing two minutes are less.
const MOST_OUTPUT: usize = 64 << 10;

pub(super) fn recognise(said: &Said, until: Instant, stopping: &dyn Fn() -> bool) -> Result<Vec<Utterance>, String> {
    let mut input = order(said)?;
    input.push(b'\n');
    input.extend(said.octets());
    let output = program::run(Command::new(&said.engine.command), &input, MOST_OUTPUT, until, stopping)?;
    nlsml::read(&output).map_err(|why| format!("{}: {why}", said.engine.command))
}

fn order(said: &Said) -> Result<Vec<u8>, String> {
    let hearing = &said.hearing;
    let read = |text: &String| Grammar::parse(text.as_bytes(), Mode::Voice).map_err(|problem| problem.words);
    let grammars: Vec<Grammar> = hearing.grammars.iter().map(read).collect::<Result<_, _>>()?;
    let jsgf = jsgf(&grammars).map_err(|_| "a grammar is too large for JSGF".to_owned())?;
    let order = json!({
        "language": hearing.language,
        "rate": 8000,
        "jsgf": jsgf,
        "srgs": hearing.grammars,
        "n_best": hearing.most,
        "speed_vs_accuracy": f64::from(hearing.speed_vs_accuracy) / 100.0,
    });
    serde_json::to_vec(&order).map_err(|error| error.to_string())
}
