//! Speech-like sound by formant synthesis: a glottal pulse train through three resonances that move from vowel to
//! vowel, with hiss and stops between, in phrases with falling pitch. Nobody understands it; everybody hears a voice.

use std::f32::consts::{PI, TAU};

const RATE: f32 = 8000.0;

/// Formants of some vowels in Hz, for a tract of length 1 (a man's).
const VOWELS: [[f32; 3]; 7] = [
    [730.0, 1090.0, 2440.0],
    [530.0, 1840.0, 2480.0],
    [270.0, 2290.0, 3010.0],
    [570.0, 840.0, 2410.0],
    [300.0, 870.0, 2240.0],
    [640.0, 1190.0, 2390.0],
    [490.0, 1350.0, 1690.0],
];

/// Who speaks.
pub(super) struct Voice {
    /// Middle pitch.
    pub(super) hertz: f32,
    /// Formants are this much higher than a man's.
    pub(super) tract: f32,
    pub(super) syllable_ms: f32,
}

impl Voice {
    /// `seconds` of phrases; `seed` chooses the syllables.
    pub(super) fn speak(&self, seed: u32, seconds: f32) -> Vec<f32> {
        let total = (seconds * RATE) as usize;
        let mut dice = Dice(seed.wrapping_mul(2_654_435_761) | 1);
        let mut mouth = Mouth::default();
        let mut out = Vec::with_capacity(total + 8000);
        let mut from = self.vowel(&mut dice);
        while out.len() < total {
            let syllables = 4 + dice.below(4);
            for n in 0..syllables {
                let along = n as f32 / syllables as f32;
                let to = self.vowel(&mut dice);
                self.syllable(&mut mouth, &mut dice, along, from, to, &mut out);
                from = to;
            }
            let pause = out.len() + (RATE * (0.22 + 0.05 * dice.below(4) as f32)) as usize;
            out.resize(pause, 0.0);
        }
        out.truncate(total);
        // Softly out, should the cut fall into a syllable.
        for (n, sample) in out.iter_mut().rev().take(160).enumerate() {
            *sample *= n as f32 / 160.0;
        }
        out
    }

    fn vowel(&self, dice: &mut Dice) -> [f32; 3] {
        VOWELS[dice.below(VOWELS.len() as u32) as usize].map(|hertz| (hertz * self.tract).min(3500.0))
    }

    /// A consonant and a vowel that glides from the last one to `to`.
    fn syllable(
        &self,
        mouth: &mut Mouth,
        dice: &mut Dice,
        along: f32,
        from: [f32; 3],
        to: [f32; 3],
        out: &mut Vec<f32>,
    ) {
        match dice.below(4) {
            // A hiss such as s or f.
            0 => {
                let len = 440 + dice.below(240) as usize;
                let mut last = 0.0;
                out.extend((0..len).map(|n| {
                    let noise = dice.noise();
                    let bright = noise - last;
                    last = noise;
                    0.05 * bright * (PI * n as f32 / len as f32).sin()
                }));
            }
            // A stop such as t or k: silence and a burst.
            1 => {
                out.resize(out.len() + 320, 0.0);
                out.extend((0..120).map(|n| 0.12 * dice.noise() * (1.0 - n as f32 / 120.0)));
            }
            // A voiced onset such as m, l or none.
            _ => {}
        }
        let len = (self.syllable_ms / 1000.0 * RATE * (0.8 + 0.1 * dice.below(5) as f32)) as usize;
        let stress = 0.75 + 0.08 * dice.below(4) as f32;
        let pitch = self.hertz * (1.14 - 0.28 * along + 0.03 * dice.below(5) as f32);
        for n in 0..len {
            let t = n as f32 / len as f32;
            let glide = (t * 2.5).min(1.0);
            let formants = [0, 1, 2].map(|k| from[k] + (to[k] - from[k]) * glide);
            let bend = pitch * (1.0 + 0.05 * (PI * t).sin());
            let breath = 0.02 * dice.noise();
            let loudness = stress * (PI * t).sin().max(0.0).sqrt();
            out.push(loudness * mouth.next(bend, formants, breath));
        }
    }
}

/// Glottis and tract: phase of the pulse, and the resonators' memories.
#[derive(Default)]
struct Mouth {
    phase: f32,
    resonators: [[f32; 2]; 3],
}

impl Mouth {
    fn next(&mut self, hertz: f32, formants: [f32; 3], breath: f32) -> f32 {
        self.phase = (self.phase + hertz / RATE).fract();
        // Rosenberg's pulse: opens slowly, closes fast; its slope is what the tract hears.
        let open = 0.6;
        let source = if self.phase < open { (PI * self.phase / open).sin() * (1.0 - self.phase / open) } else { -0.12 };
        let mut sum = 0.0;
        for ((memory, hertz), (width, gain)) in
            self.resonators.iter_mut().zip(formants).zip([(80.0, 1.0), (110.0, 0.6), (170.0, 0.35)])
        {
            let r = (-PI * width / RATE).exp();
            let value =
                (source + breath) * (1.0 - r) + 2.0 * r * (TAU * hertz / RATE).cos() * memory[0] - r * r * memory[1];
            *memory = [value, memory[0]];
            sum += gain * value;
        }
        sum
    }
}

/// A small generator of our own, so that the prompts stay the same whatever libraries do.
struct Dice(u32);

impl Dice {
    fn next(&mut self) -> u32 {
        // xorshift32; the state is never zero because the seed is odd.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    fn below(&mut self, n: u32) -> u32 {
        (self.next() >> 8) % n
    }

    /// White, -1 to 1.
    fn noise(&mut self) -> f32 {
        (self.next() >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}
