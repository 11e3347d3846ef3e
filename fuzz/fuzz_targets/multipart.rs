//! Multipart bodies (RFC 2046): see `exercise/multipart.rs` for what must hold.
#![no_main]

#[path = "../../crates/sip/tests/exercise/multipart.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|input: &[u8]| exercise::run(input));
