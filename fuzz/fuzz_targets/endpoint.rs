//! An endpoint against a model of the transaction rules: see `exercise/endpoint.rs` for what must hold.
#![no_main]

#[path = "../../crates/sip/tests/exercise/endpoint.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|input: &[u8]| exercise::run(input));
