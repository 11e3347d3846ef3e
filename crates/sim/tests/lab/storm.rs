//! Storms by seed: whatever the weather and whatever people do, in the end nothing is left, and the next call goes through.
//!
//! `SIM_SEED=n` runs one seed again, `SIM_SEEDS=n` so many, `SIM_FROM=n` from another than 0.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sim::storm::{self, Tally, Wreck};

/// Of every day; `cargo xtask test` asks for 10,000.
const SEEDS: u64 = 200;
/// So many wrecks are shown before the rest is left alone.
const MOST: usize = 5;

#[allow(clippy::disallowed_methods)] // Which seeds to run is no part of what they do.
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name} must be a number, and is {text:?}")))
}

#[test]
fn whatever_the_weather_nothing_is_left_and_the_next_call_goes_through() {
    if let Some(seed) = setting("SIM_SEED") {
        match storm::run(seed) {
            Ok(tally) => return println!("seed {seed}: {tally:?}"),
            Err(wreck) => panic!("{wreck}"),
        }
    }
    let from = setting("SIM_FROM").unwrap_or(0);
    let to = from + setting("SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(from);
    let sum = Mutex::new(Tally::default());
    let wrecks: Mutex<Vec<Wreck>> = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= to || wrecks.lock().unwrap().len() >= MOST {
                        break;
                    }
                    match storm::run(seed) {
                        Ok(tally) => sum.lock().unwrap().add(&tally),
                        Err(wreck) => {
                            eprintln!("seed {seed}: {}", wreck.wrong);
                            wrecks.lock().unwrap().push(*wreck);
                        }
                    }
                }
            });
        }
    });
    let (wrecks, sum) = (wrecks.into_inner().unwrap(), sum.into_inner().unwrap());
    if let Some(wreck) = wrecks.first() {
        panic!("{wreck}");
    }
    println!("seeds {from}..{to}: {sum:?}");
    // Storms in which nothing happens would prove nothing. One call of each is that after the storm.
    let seeds = to - from;
    assert!(sum.placed > seeds && sum.served > seeds && sum.verified >= seeds / 2, "{sum:?}");
    assert!(seeds < 50 || sum.mixed > 0, "three came together: {sum:?}");
}

#[test]
fn the_same_seed_is_the_same_storm() {
    let once = storm::run(3).map_err(|wreck| wreck.wrong);
    assert_eq!(once.unwrap(), storm::run(3).unwrap());
}
