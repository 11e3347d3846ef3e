//! Music and tones: chimes, the tune on hold (our own), ringback.

use std::f32::consts::TAU;

const RATE: f32 = 8000.0;

/// Notes one after another, each ringing on: 0.25 s apart, and a second for the last.
pub(super) fn chime(hertz: &[f32]) -> Vec<f32> {
    let step = RATE as usize / 4;
    let mut out = vec![0.0; step * hertz.len() + step / 2];
    for (n, hertz) in hertz.iter().enumerate() {
        strike(&mut out, n * step, *hertz, 0.05, 0.35);
    }
    let len = out.len();
    for (n, sample) in out.iter_mut().enumerate().skip(len - 400) {
        *sample *= (len - n) as f32 / 400.0;
    }
    out
}

/// After which one speaks: 1 kHz for a quarter of a second.
pub(super) fn beep() -> Vec<f32> {
    let len = RATE as usize / 4;
    let edge = |n: usize| (n.min(len - n) as f32 / 80.0).min(1.0);
    (0..len).map(|n| 0.5 * edge(n) * (n as f32 * 1000.0 * TAU / RATE).sin()).collect()
}

/// Ringback of North America: 440 and 480 Hz, two seconds of six.
pub(super) fn ringback() -> Vec<f32> {
    let on = 2 * RATE as usize;
    let tone = |n: usize, hertz: f32| (n as f32 * hertz * TAU / RATE).sin();
    (0..6 * RATE as usize).map(|n| if n < on { 0.15 * (tone(n, 440.0) + tone(n, 480.0)) } else { 0.0 }).collect()
}

/// An unhurried tune in G over eight chords; 19.2 s that join without a seam, because what
/// rings over the end rings on at the beginning.
pub(super) fn on_hold() -> Vec<f32> {
    /// Semitones from G3 for bass and broken chord, two rounds with different tops.
    const CHORDS: [[i32; 5]; 8] = [
        [-12, 0, 4, 7, 11],
        [-15, -3, 0, 4, 9],
        [-19, -7, 0, 5, 9],
        [-17, -5, 2, 5, 11],
        [-12, 0, 4, 7, 14],
        [-8, -3, 4, 7, 12],
        [-19, -7, 0, 5, 12],
        [-17, -5, -1, 5, 9],
    ];
    /// The tune: one note or rest for each half chord.
    const TUNE: [Option<i32>; 16] = [
        Some(16),
        Some(19),
        Some(21),
        None,
        Some(17),
        Some(16),
        Some(14),
        None,
        Some(19),
        Some(23),
        Some(21),
        Some(19),
        Some(17),
        None,
        Some(14),
        Some(12),
    ];
    const PATTERN: [usize; 8] = [1, 2, 3, 4, 3, 2, 3, 2];
    let eighth = (RATE * 0.3) as usize;
    let mut out = vec![0.0; CHORDS.len() * PATTERN.len() * eighth];
    let pitch = |semitones: i32| 196.0 * 2f32.powf(semitones as f32 / 12.0);
    for (bar, chord) in CHORDS.iter().enumerate() {
        let begin = bar * PATTERN.len() * eighth;
        strike(&mut out, begin, pitch(chord[0]), 0.22, 0.9);
        for (n, part) in PATTERN.iter().enumerate() {
            strike(&mut out, begin + n * eighth, pitch(chord[*part]), 0.12, 0.5);
        }
        for half in 0..2 {
            if let Some(note) = TUNE[bar * 2 + half] {
                strike(&mut out, begin + half * 4 * eighth, pitch(note), 0.2, 0.7);
            }
        }
    }
    out
}

/// A soft mallet: a sine with two fading overtones, added from sample `at` on; `ring` is its time constant in seconds.
/// What goes over the end comes in again at the beginning.
fn strike(out: &mut [f32], at: usize, hertz: f32, level: f32, ring: f32) {
    let len = out.len();
    let last = ((RATE * ring * 4.0) as usize).min(len);
    for n in 0..last {
        let t = n as f32 / RATE;
        let attack = (t / 0.006).min(1.0);
        let overtone = |times: f32, faster: f32| (t * hertz * times * TAU).sin() * (-t * faster / ring).exp();
        let sound = overtone(1.0, 1.0) + 0.35 * overtone(2.0, 2.2) + 0.12 * overtone(3.0, 4.0);
        out[(at + n) % len] += level * attack * sound;
    }
}
