//! Bytes as a story of packets, reports, keys and time (RFC 3550, 3711, 7714): see `exercise` for what must hold.
#![no_main]

#[path = "../../crates/media/tests/exercise/mod.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|input: &[u8]| exercise::bytes(input));
