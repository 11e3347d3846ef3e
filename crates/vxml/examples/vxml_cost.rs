//! What VoiceXML costs: documents read a second, processor time a turn and a whole conversation, memory a session
//! (docs/performance.md). `cargo xtask bench vxml` runs it.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vxml::conversation::Conversation;
use vxml::{Document, NotFetched, Now, Page, Request, Start};

const ROUNDS: usize = 5;
const SESSIONS: usize = 1000;

type Files = Arc<BTreeMap<String, Arc<[u8]>>>;

/// The application that ships as an example.
fn files() -> Files {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vxml");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        files.insert(format!("app:/{name}"), std::fs::read(path).unwrap().into());
    }
    Arc::new(files)
}

fn conversation(files: &Files, seed: u64) -> Conversation<impl FnMut(&Request) -> Result<Page, NotFetched> + use<>> {
    let files = files.clone();
    let start = Start::of_call("app:/main.vxml".into(), "6016", "100", seed);
    Conversation::new(start, Now::default(), move |request: &Request| match files.get(&request.url) {
        Some(bytes) => Ok(Page { url: request.url.clone(), bytes: bytes.clone() }),
        None => Err(NotFetched::Status(404)),
    })
}

/// The best of some rounds: when the machine had least else to do.
fn best(mut work: impl FnMut() -> usize) -> f64 {
    let round = |work: &mut dyn FnMut() -> usize| {
        let began = Instant::now();
        let count = work();
        began.elapsed().as_secs_f64() / count as f64
    };
    (0..ROUNDS).map(|_| round(&mut work)).fold(f64::INFINITY, f64::min)
}

/// Octets that the process has in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn main() {
    let files = files();
    let documents: Vec<&Arc<[u8]>> =
        files.iter().filter(|(name, _)| name.ends_with(".vxml")).map(|(_, bytes)| bytes).collect();
    let octets: usize = documents.iter().map(|bytes| bytes.len()).sum();
    let each = best(|| {
        let until = Instant::now() + Duration::from_millis(500);
        let mut read = 0;
        while Instant::now() < until {
            for bytes in &documents {
                Document::parse("app:/x.vxml", bytes).unwrap();
                read += 1;
            }
        }
        read
    });
    let size = octets as f64 / documents.len() as f64;
    println!(
        "documents of {size:.0} octets read and checked: {:.0} a second ({:.1} MB/s)",
        1.0 / each,
        size / each / 1e6
    );

    // The conversation of examples/vxml/session.txt, whose lines are its caller's turns.
    let lines = String::from_utf8(files["app:/session.txt"].to_vec()).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let whole = best(|| {
        for seed in 0..50 {
            let mut talk = conversation(&files, seed);
            for line in &lines {
                talk.listen(false);
                talk.hear(line);
            }
            talk.listen(false);
            assert!(talk.is_over());
        }
        50
    });
    let first = best(|| {
        for seed in 0..50 {
            assert!(!conversation(&files, seed).listen(true).is_empty());
        }
        50
    });
    println!("a conversation of {} turns: {:.2} ms of processor", lines.len(), whole * 1e3);
    println!("from the first document to the first prompt: {:.2} ms", first * 1e3);
    println!("a turn of it: {:.2} ms", (whole - first) / lines.len() as f64 * 1e3);

    let before = resident();
    let mut talks: Vec<_> = (0..SESSIONS as u64).map(|seed| conversation(&files, seed)).collect();
    for talk in &mut talks {
        talk.listen(false);
    }
    let asked = resident();
    println!("memory of a session that waits for its first answer: {} KiB", (asked - before) / SESSIONS / 1024);
    for talk in &mut talks {
        for line in lines.iter().take(4) {
            talk.hear(line);
            talk.listen(false);
        }
    }
    println!("and in the middle of it, after four turns: {} KiB", (resident() - before) / SESSIONS / 1024);
}
