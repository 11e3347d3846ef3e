//! Bytes as an audio file (RIFF, WAVE): read or refused in words.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(words) = media::wav::read(input) {
        assert!(words.contains("expected"), "{words}");
    }
});
