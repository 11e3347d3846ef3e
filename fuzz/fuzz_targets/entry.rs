//! Bytes as a story of what comes ahead of media: checks of ICE, a DTLS handshake, strangers (see `exercise`).
#![no_main]

#[path = "../../crates/media/tests/exercise/entry.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    exercise::bytes(input);
});
