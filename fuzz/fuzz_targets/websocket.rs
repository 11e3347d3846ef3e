//! WebSocket handshake and framing (RFC 6455, RFC 7118): see `exercise/websocket.rs` for what must hold.
#![no_main]

#[path = "../../crates/sip/tests/exercise/websocket.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|input: &[u8]| exercise::run(input));
