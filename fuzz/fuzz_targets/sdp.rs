//! Bytes as a session description, as an offer and as an answer (RFC 8866, RFC 3264): see `exercise` for what must hold.
#![no_main]

#[path = "../../crates/sdp/tests/exercise/mod.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    exercise::bytes(input);
});
