//! espeak-ng as a process: words go in by its standard input, a WAV comes out.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use roles::Speak;

use crate::program;

/// Six minutes at 22,050 Hz.
const MOST_OUTPUT: usize = 16 << 20;
/// Words a minute at 100 %: a little slower than the engine's own, as telephones want it.
const WORDS_A_MINUTE: u32 = 165;

/// Its WAV.
///
/// # Errors
/// As [`program::run`].
pub(super) fn speak(speak: &Speak, until: Instant, stopping: &AtomicBool) -> Result<Vec<u8>, String> {
    let of = |percent: u16, whole: u32, least: u32, most: u32| {
        (whole * u32::from(percent) / 100).clamp(least, most).to_string()
    };
    let voice = speak.voice.clone().unwrap_or_else(|| speak.language.to_ascii_lowercase());
    let mut command = Command::new(&speak.engine.command);
    command
        .args(["-v", &voice, "-s", &of(speak.rate, WORDS_A_MINUTE, 80, 450)])
        .args(["-p", &of(speak.pitch, 50, 0, 99), "-a", &of(speak.volume, 100, 0, 200)])
        .args(["-b", "1", "--stdin", "--stdout"]);
    program::run(command, speak.text.as_bytes(), MOST_OUTPUT, until, &|| stopping.load(Ordering::Relaxed))
}
