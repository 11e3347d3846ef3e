//! What a session costs: `cargo run --release -p vxml --example session_cost`. Memory is what the process grew by.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::path::Path;
use std::time::Instant;

use vxml::conversation::Conversation;
use vxml::{Document, NotFetched, Now, Page, Request, Start};

fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vxml");
    let page = |request: &Request| {
        let name = request.url.trim_start_matches("app:/").to_owned();
        std::fs::read(folder.join(&name))
            .map(|bytes| Page { url: request.url.clone(), bytes: bytes.into() })
            .map_err(|_| NotFetched::Status(404))
    };
    let text = std::fs::read(folder.join("menu.vxml")).unwrap_or_default();
    let begun = Instant::now();
    let rounds = 2_000;
    for _ in 0..rounds {
        assert!(Document::parse("app:/menu.vxml", &text).is_ok());
    }
    println!("documents of {} bytes a second: {:.0}", text.len(), f64::from(rounds) / begun.elapsed().as_secs_f64());

    let count = 500;
    let (before, begun) = (resident_kib(), Instant::now());
    let start = Start { url: "app:/main.vxml".into(), seed: 1, variables: "{}".into(), ..Start::default() };
    let mut talks: Vec<_> = (0..count)
        .map(|_| {
            let mut talk = Conversation::new(start.clone(), Now::default(), page);
            talk.listen(false);
            talk
        })
        .collect();
    println!("a session up to its first question: {:.0} us", begun.elapsed().as_micros() as f64 / f64::from(count));
    println!("memory a session: {} KiB", (resident_kib() - before) / count as u64);
    for (words, line) in
        [("language, next page", "1"), ("six keys, script, data, menu", "123455"), ("a balance again", "1")]
    {
        let begun = Instant::now();
        for talk in &mut talks {
            talk.hear(line);
            talk.listen(false);
        }
        println!("a turn ({words}): {:.0} us", begun.elapsed().as_micros() as f64 / f64::from(count));
    }
    println!("memory a session after three turns: {} KiB", (resident_kib() - before) / count as u64);
}
