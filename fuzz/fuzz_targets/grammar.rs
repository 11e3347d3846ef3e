//! Bytes as a grammar in either form of SRGS: read, then asked about keys and words. Nothing may panic or run away.
#![no_main]

use std::hint::black_box;

use vxml::grammar::{Grammar, Mode};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for mode in [Mode::Dtmf, Mode::Voice] {
        if let Ok(grammar) = Grammar::parse(input, mode) {
            for words in ["", "1", "1 2 3 4 #", "yes please", "a a a a a a"] {
                black_box(grammar.takes(words));
            }
        }
    }
});
