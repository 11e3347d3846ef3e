//! Whether somebody speaks: louder than the room, for longer than a click. Recordings end by it, and recognisers are given
//! what was said from a moment before its beginning to the silence behind it.

use std::time::Duration;

use crate::command::Frame;

/// Mean square below which nothing is speech: 46 dB below the loudest.
const FAINT: f32 = 160.0 * 160.0;
/// Above the room by 9.5 dB.
const ABOVE: f32 = 9.0;
const IN_A_ROW: u8 = 3;
/// A packet's part in the floor on the way up.
const RISE: f32 = 1.0 / 128.0;

/// Looks at one packet or frame after the other.
#[derive(Debug)]
pub(crate) struct Speech {
    /// Mean square of the room; follows down at once, up slowly.
    floor: f32,
    loud: u8,
    /// How much louder than usual speech has to be.
    factor: f32,
}

impl Default for Speech {
    fn default() -> Speech {
        Speech { floor: 0.0, loud: 0, factor: 1.0 }
    }
}

impl Speech {
    /// Whether this belongs to speech, by its mean square.
    pub(crate) fn take(&mut self, power: f32) -> bool {
        let is_loud = power > FAINT.max(self.floor * ABOVE) * self.factor;
        if power < self.floor {
            self.floor = power;
        } else if !is_loud {
            self.floor += (power - self.floor) * RISE;
        }
        self.loud = if is_loud { (self.loud + 1).min(IN_A_ROW) } else { 0 };
        self.loud == IN_A_ROW
    }
}

/// 20 ms.
const FRAME: Duration = Duration::from_millis(20);
/// What is kept from before speech was noticed, its soft beginning: 300 ms.
const BEFORE: usize = 15 * Frame::SAMPLES;
/// Frames of speech that goes on and on: two minutes.
const MOST: u64 = 120 * 50;

/// Where in a caller's audio somebody speaks. Takes frames of a [`crate::Command::Tap`].
#[derive(Debug)]
pub struct Endpointer {
    speech: Speech,
    /// Frames of silence that end it.
    silence: u64,
    /// The frames in which speech was noticed, and heard last.
    heard: Option<(u64, u64)>,
    samples: Vec<i16>,
}

/// What a frame changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Nothing,
    Began,
    Ended,
}

impl Endpointer {
    /// `sensitivity` in percent: at 100 speech may be 12 dB softer than at 50, at 0 it must be 12 dB louder. `silence` behind
    /// speech ends it.
    pub fn new(sensitivity: u8, silence: Duration) -> Endpointer {
        let factor = 10f32.powf((50.0 - f32::from(sensitivity.min(100))) / 50.0 * 1.2);
        let silence = (silence.as_millis() / FRAME.as_millis()).max(1) as u64;
        Endpointer { speech: Speech { factor, ..Speech::default() }, silence, heard: None, samples: Vec::new() }
    }

    pub fn take(&mut self, frame: &Frame) -> Turn {
        let power = frame.samples.iter().map(|sample| f32::from(*sample).powi(2)).sum::<f32>() / Frame::SAMPLES as f32;
        let speaks = self.speech.take(power);
        self.samples.extend(frame.samples.iter());
        let number = frame.number;
        match (&mut self.heard, speaks) {
            (None, false) => {
                let over = self.samples.len().saturating_sub(BEFORE);
                self.samples.drain(..over);
                Turn::Nothing
            }
            (None, true) => {
                self.heard = Some((number, number));
                Turn::Began
            }
            (Some((noticed, _)), _) if number.saturating_sub(*noticed) >= MOST => Turn::Ended,
            (Some((_, last)), true) => {
                *last = number;
                Turn::Nothing
            }
            (Some((_, last)), false) if number.saturating_sub(*last) >= self.silence => Turn::Ended,
            (Some(_), false) => Turn::Nothing,
        }
    }

    /// What was said and not yet taken, from a moment before its beginning; nothing before it began.
    pub fn drain(&mut self) -> Vec<i16> {
        if self.heard.is_some() { std::mem::take(&mut self.samples) } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of one level each.
    fn turns(sensitivity: u8, levels: &[(i16, u64)]) -> (Vec<(u64, Turn)>, usize) {
        let mut ear = Endpointer::new(sensitivity, Duration::from_millis(500));
        let (mut turns, mut number) = (Vec::new(), 0);
        for (level, count) in levels {
            for _ in 0..*count {
                let wave: Vec<i16> = (0..160).map(|n| if n / 9 % 2 == 0 { *level } else { -*level }).collect();
                let turn = ear.take(&Frame { number, samples: wave.into() });
                if turn != Turn::Nothing {
                    turns.push((number, turn));
                }
                if turn == Turn::Ended {
                    return (turns, ear.drain().len());
                }
                number += 1;
            }
        }
        (turns, ear.drain().len())
    }

    #[test]
    fn speech_begins_after_a_moment_and_ends_by_silence() {
        let (turns, samples) = turns(50, &[(0, 50), (3000, 40), (0, 20), (3000, 10), (0, 25)]);
        assert_eq!(turns, [(52, Turn::Began), (144, Turn::Ended)]);
        assert_eq!(samples, (15 + 145 - 52) * 160, "from before its beginning, with the pause in it");
    }

    #[test]
    fn clicks_rooms_and_whispers_are_none() {
        assert_eq!(turns(50, &[(0, 50), (20_000, 2), (0, 50)]).0, [], "a click");
        assert_eq!(turns(50, &[(100, 500)]), (vec![], 0));
        assert_eq!(turns(50, &[(0, 50), (120, 50)]).0, []);
        assert_eq!(turns(100, &[(0, 50), (120, 50)]).0, [(52, Turn::Began)], "who listens closely hears it");
        assert_eq!(turns(0, &[(0, 50), (500, 50)]).0, [], "who does not, does not hear more");
    }

    #[test]
    fn who_never_stops_is_stopped() {
        let (turns, samples) = turns(50, &[(0, 10), (3000, 6100)]);
        assert_eq!(turns, [(12, Turn::Began), (6012, Turn::Ended)]);
        assert_eq!(samples, (12 + 6001) * 160);
    }
}
