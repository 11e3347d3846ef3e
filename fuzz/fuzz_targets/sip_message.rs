//! Bytes as a datagram, as a stream and as header values (RFC 3261): see `exercise` for what must hold.
#![no_main]

#[path = "../../crates/sip/tests/exercise/mod.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|input: &[u8]| exercise::bytes(input));
