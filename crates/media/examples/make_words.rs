//! Makes `assets/english.words` anew: `cargo run -p media --example make_words`, with espeak-ng installed.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::io::Write;
use std::process::{Command, Stdio};

use media::{audio, g711};
use sdp::Codec;

const WORDS: &str = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion \
    trillion point minus oh first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth \
    fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth fortieth fiftieth sixtieth \
    seventieth eightieth ninetieth hundredth thousandth january february march april may june july august september \
    october november december a b c d e f g h i j k l m n o p q r s t u v w x y z star pound plus extension o'clock and \
    yes no dollar dollars cent cents euro euros pounds penny pence yen won hour hours minute minutes seconds press for \
    to or please welcome goodbye sorry";
const PHRASES: [&str; 9] = [
    "you are number",
    "you are next in the queue",
    "in the queue",
    "the wait is about",
    "somebody will be with you at once",
    "thank you",
    "that was no choice",
    "there is no help for this",
    "something went wrong",
];
/// Fainter than this at either end is cut.
const FAINT: u16 = 120;
/// Samples that stay before and after.
const EDGE: usize = 200;

fn spoken(words: &str) -> Vec<u8> {
    // A letter by itself is its name, not a word.
    let said = if words.len() == 1 { format!("{}.", words.to_uppercase()) } else { words.to_owned() };
    let mut engine = Command::new("espeak-ng")
        .args(["-v", "en-us", "-s", "160", "-b", "1", "--stdin", "--stdout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    engine.stdin.take().unwrap().write_all(said.as_bytes()).unwrap();
    let samples = audio::read("", &engine.wait_with_output().unwrap().stdout).unwrap();
    let loud = |sample: &i16| sample.unsigned_abs() > FAINT;
    let first = samples.iter().position(loud).unwrap().saturating_sub(EDGE);
    let last = (samples.iter().rposition(loud).unwrap() + EDGE).min(samples.len());
    samples[first..last].iter().map(|sample| g711::encode(Codec::Pcmu, *sample)).collect()
}

fn main() {
    let mut file = Vec::new();
    for words in WORDS.split_whitespace().chain(PHRASES) {
        let codes = spoken(words);
        file.push(words.len() as u8);
        file.extend(words.as_bytes());
        file.extend((codes.len() as u32).to_le_bytes());
        file.extend(codes);
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/english.words");
    std::fs::write(path, &file).unwrap();
    println!("{path}: {} octets", file.len());
}
