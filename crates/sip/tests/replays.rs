//! What the fuzz targets `endpoint`, `websocket` and `multipart` run, over their corpora and over inputs made by seed: what
//! was found stays found, and plain tests meet some of what nobody thought of.

#[path = "exercise/endpoint.rs"]
mod endpoint;
#[path = "exercise/multipart.rs"]
mod multipart;
#[path = "exercise/websocket.rs"]
mod websocket;

use std::fs;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

fn replay(target: &str, run: fn(&[u8]), least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut seen = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        // The name of the input that fails, if one does.
        eprintln!("{}", path.display());
        run(&fs::read(&path).unwrap());
        seen += 1;
    }
    assert!(seen >= least, "the corpus of {target} is not where it was: {seen} inputs");
}

/// `SIP_FUZZ_SEEDS` for more than these.
fn seeds(default: u64) -> u64 {
    #[allow(clippy::disallowed_methods)] // how many is whoever runs the tests to say
    let more = std::env::var("SIP_FUZZ_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    more.unwrap_or(default)
}

fn by_seed(run: fn(&[u8]), longest: u32, count: u64) {
    for seed in 0..seeds(count) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut bytes = vec![0; (random.next_u32() % longest) as usize];
        random.fill_bytes(&mut bytes);
        eprintln!("seed {seed}");
        run(&bytes);
    }
}

#[test]
fn the_endpoint_keeps_the_transaction_rules() {
    replay("endpoint", endpoint::run, 20);
    by_seed(endpoint::run, 600, 2000);
}

#[test]
fn websockets_are_understood_however_they_are_cut() {
    replay("websocket", websocket::run, 8);
    by_seed(websocket::run, 400, 2000);
}

#[test]
fn parts_are_read_as_they_were_written() {
    replay("multipart", multipart::run, 5);
    by_seed(multipart::run, 400, 2000);
}
