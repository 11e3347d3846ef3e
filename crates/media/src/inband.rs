//! Key presses heard in audio (ITU-T Q.23, limits after Q.24), from peers that send no telephone-event: Goertzel's filters
//! over blocks of 12.75 ms, a key being what two blocks running agree on.

use std::f32::consts::TAU;

use crate::dtmf::{self, COLUMNS, Press, ROWS};
use crate::wav::RATE;

/// Samples of a block: the eight tones lie near the middles of its 78 Hz bands, and a press of 40 ms holds two whole ones.
const BLOCK: usize = 102;
/// Amplitude that each tone must have: about -36 dBm0.
const QUIETEST: f32 = 400.0;
/// The strongest of a group over the others: 8 dB.
const PEAK: f32 = 6.3;
/// Columns may be this much stronger than rows (4 dB), and rows than columns (8 dB).
const COLUMN_OVER_ROW: f32 = 2.5;
const ROW_OVER_COLUMN: f32 = 6.3;
/// How much of the block's energy lies in the two tones: speech and music have other tones beside.
const SHARE: f32 = 0.84;

/// Hears the keys of one stream.
#[derive(Clone, Debug)]
pub struct Detector {
    block: [i16; BLOCK],
    filled: usize,
    /// What the block before said.
    before: Option<u8>,
    pressed: Option<Pressed>,
}

#[derive(Clone, Copy, Debug)]
struct Pressed {
    event: u8,
    blocks: u32,
    /// Blocks since it was last heard: one may be spoilt without ending the press.
    missed: u32,
}

impl Default for Detector {
    fn default() -> Detector {
        Detector { block: [0; BLOCK], filled: 0, before: None, pressed: None }
    }
}

impl Detector {
    /// Takes 8 kHz audio as it comes and tells each press at its end.
    pub fn take(&mut self, samples: impl IntoIterator<Item = i16>, mut tell: impl FnMut(Press)) {
        for sample in samples {
            if let Some(place) = self.block.get_mut(self.filled) {
                *place = sample;
            }
            self.filled += 1;
            if self.filled == BLOCK {
                self.filled = 0;
                if let Some(press) = self.step(heard(&self.block)) {
                    tell(press);
                }
            }
        }
    }

    fn step(&mut self, event: Option<u8>) -> Option<Press> {
        let agreed = event.filter(|_| event == self.before);
        self.before = event;
        let ended = match (&mut self.pressed, event) {
            (Some(pressed), Some(event)) if pressed.event == event => {
                pressed.blocks += 1 + pressed.missed;
                pressed.missed = 0;
                return None;
            }
            (Some(pressed), _) => {
                pressed.missed += 1;
                if pressed.missed < 2 {
                    return None;
                }
                self.pressed.take()
            }
            (None, _) => None,
        };
        if let Some(event) = agreed {
            self.pressed = Some(Pressed { event, blocks: 2, missed: 0 });
        }
        let pressed = ended?;
        let samples = pressed.blocks * BLOCK as u32;
        let duration_ms = u16::try_from(samples * 1000 / RATE).unwrap_or(u16::MAX);
        dtmf::key(pressed.event).map(|digit| Press { digit, duration_ms })
    }
}

/// The event whose two tones a block is made of.
fn heard(block: &[i16; BLOCK]) -> Option<u8> {
    let (row, row_power) = strongest(block, ROWS)?;
    let (column, column_power) = strongest(block, COLUMNS)?;
    let twisted = column_power > row_power * COLUMN_OVER_ROW || row_power > column_power * ROW_OVER_COLUMN;
    let energy: f32 = block.iter().map(|sample| f32::from(*sample).powi(2)).sum();
    // Two pure tones: half of the block's length times its energy.
    let share = (row_power + column_power) / (energy * BLOCK as f32 / 2.0);
    dtmf::of_tones(row, column).filter(|_| !twisted && share > SHARE)
}

/// Place and power of a group's strongest tone, if it stands out.
fn strongest(block: &[i16; BLOCK], group: [f32; 4]) -> Option<(usize, f32)> {
    let powers = group.map(|hertz| power(block, hertz));
    let (at, most) = powers.into_iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let least = (QUIETEST * BLOCK as f32 / 2.0).powi(2);
    let alone = powers.iter().enumerate().all(|(n, power)| n == at || power * PEAK < most);
    (most > least && alone).then_some((at, most))
}

/// Goertzel: the squared magnitude of one frequency.
fn power(block: &[i16; BLOCK], hertz: f32) -> f32 {
    let turn = 2.0 * (TAU * hertz / RATE as f32).cos();
    let (last, before) =
        block.iter().fold((0.0, 0.0), |(last, before), sample| (f32::from(*sample) + turn * last - before, last));
    last * last + before * before - turn * last * before
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `key` for so many samples, at a level from full (1.0) down.
    fn tone(key: char, samples: usize, level: f32) -> Vec<i16> {
        let mut out = vec![0; samples];
        dtmf::tone(dtmf::event(key).unwrap(), 0, &mut out);
        out.iter().map(|sample| (f32::from(*sample) * level) as i16).collect()
    }

    fn keys(samples: &[i16]) -> Vec<Press> {
        let mut told = Vec::new();
        let mut detector = Detector::default();
        for frame in samples.chunks(160) {
            detector.take(frame.iter().copied(), |press| told.push(press));
        }
        told
    }

    fn noise(samples: usize, most: i16) -> Vec<i16> {
        let mut dice = 9u32;
        let mut roll = || {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((dice >> 16) % (2 * most as u32 + 1)) as i16 - most
        };
        (0..samples).map(|_| roll()).collect()
    }

    #[test]
    fn every_key_at_every_offset_even_short_and_soft() {
        for (ms, level) in [(100, 1.0), (50, 1.0), (70, 0.1)] {
            for offset in (0..BLOCK).step_by(17) {
                let mut audio = vec![0; offset];
                for key in "0123456789*#ABCD".chars() {
                    audio.extend(tone(key, ms * 8, level));
                    audio.extend(vec![0; 50 * 8]);
                }
                let told: String = keys(&audio).iter().map(|press| press.digit).collect();
                assert_eq!(told, "0123456789*#ABCD", "{ms} ms at {level}, offset {offset}");
            }
        }
    }

    #[test]
    fn one_long_press_is_one_and_knows_its_length() {
        let told = keys(&[tone('7', 8000, 1.0), vec![0; 800]].concat());
        assert_eq!(told.len(), 1);
        assert!((970..=1010).contains(&told[0].duration_ms), "{told:?}");
    }

    #[test]
    fn keys_are_heard_through_noise_and_through_the_codec() {
        let clean = [vec![0; 400], tone('5', 800, 0.5), vec![0; 800], tone('#', 800, 0.5), vec![0; 800]].concat();
        let noisy: Vec<i16> = clean.iter().zip(noise(clean.len(), 250)).map(|(a, b)| a.saturating_add(b)).collect();
        for codec in [sdp::Codec::Pcmu, sdp::Codec::Pcma] {
            let coded: Vec<i16> =
                noisy.iter().map(|s| crate::g711::decode(codec, crate::g711::encode(codec, *s))).collect();
            let told: String = keys(&coded).iter().map(|press| press.digit).collect();
            assert_eq!(told, "5#", "{codec:?}");
        }
    }

    /// One tone, two of one group, a third beside: none is a key; nor is anything that we say or play.
    #[test]
    fn what_is_no_key_is_none() {
        let sine = |hertz: f32, level: f32| -> Vec<i16> {
            (0..4000).map(|n| ((n as f32 * TAU * hertz / 8000.0).sin() * level) as i16).collect()
        };
        let mixed = |parts: &[Vec<i16>]| -> Vec<i16> {
            (0..4000).map(|n| parts.iter().map(|part| part[n] / 2).fold(0i16, i16::saturating_add)).collect()
        };
        for audio in [
            sine(770.0, 9000.0),
            sine(1336.0, 9000.0),
            mixed(&[sine(697.0, 9000.0), sine(941.0, 9000.0)]),
            mixed(&[sine(770.0, 9000.0), sine(1336.0, 9000.0), sine(440.0, 9000.0)]),
            mixed(&[sine(770.0, 9000.0), sine(1336.0, 1500.0)]),
            mixed(&[sine(425.0, 9000.0), sine(480.0, 9000.0)]),
            noise(80_000, 8000),
            vec![0; 4000],
        ] {
            assert_eq!(keys(&audio), []);
        }
        let prompts = crate::Prompts::built_in();
        for name in ["moh", "agent", "caller", "welcome", "ringback"] {
            let audio = prompts.samples(name, sdp::Codec::Pcmu).unwrap();
            assert_eq!(keys(&audio), [], "{name}");
        }
    }
}
