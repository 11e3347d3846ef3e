//! MRCPv2 messages, the client's resources and NLSML (RFC 6787): see `exercise.rs` for what must hold.
#![no_main]

#[path = "../../crates/mrcp/tests/messages/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|input: &[u8]| exercise::run(input));
