//! Bytes as an Ogg file with Opus, as they are and with the checksums of their pages mended.
#![no_main]

#[path = "../../crates/media/tests/exercise/ogg.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    exercise::bytes(input);
});
