//! Bytes as the crate `vxml` reads them: see `exercise` for what must hold.
#![no_main]

#[path = "../../crates/vxml/tests/exercise/mod.rs"]
#[allow(dead_code)] // each target is one of its functions
mod exercise;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    exercise::grammar(input);
});
