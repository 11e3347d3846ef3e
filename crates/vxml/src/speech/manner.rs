//! How words are spoken: language, voice, rate, pitch and volume (SSML 1.1 §3.1.2, §3.2.1, §3.2.4).

use serde::{Deserialize, Serialize};

/// How words are spoken. What nobody asked for is as the engine has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Manner {
    /// BCP 47, e.g. `en-US`, as the document wrote it; empty: where none is said.
    pub language: String,
    /// The name of a voice that the document prefers.
    pub voice: Option<String>,
    pub gender: Option<Gender>,
    /// Percent of the engine's own.
    pub rate: u16,
    /// Percent of the engine's own.
    pub pitch: u16,
    /// Percent of the engine's own.
    pub volume: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gender {
    Female,
    Male,
    Neutral,
}

impl Default for Manner {
    fn default() -> Manner {
        Manner { language: String::new(), voice: None, gender: None, rate: 100, pitch: 100, volume: 100 }
    }
}

/// What no engine goes beyond, in percent.
const MOST: f64 = 400.0;

impl Manner {
    /// The first part of the language: `en` of `en-US`; empty where none is said.
    pub fn primary_language(&self) -> &str {
        primary(&self.language)
    }

    /// An element's `rate`: a word, `120%`, `+20%`, `1.2`. What is none leaves it.
    pub(crate) fn set_rate(&mut self, text: &str) {
        let words = [("x-slow", 50), ("slow", 75), ("medium", 100), ("fast", 125), ("x-fast", 160), ("default", 100)];
        self.rate = changed(self.rate, text, &words, 10);
    }

    /// An element's `pitch`: a word, `+10%`, `-2st`. A pitch in Hz is the voice's own affair.
    pub(crate) fn set_pitch(&mut self, text: &str) {
        let words = [("x-low", 50), ("low", 75), ("medium", 100), ("high", 125), ("x-high", 150), ("default", 100)];
        let semitones = text.trim().strip_suffix("st").and_then(|number| number.parse::<f64>().ok());
        self.pitch = match semitones {
            Some(semitones) => scaled(self.pitch, 2f64.powf(semitones / 12.0), 10),
            None => changed(self.pitch, text, &words, 10),
        };
    }

    /// An element's `volume`: a word, `-6dB`, or as SSML 1.0 has it from 0 to 100.
    pub(crate) fn set_volume(&mut self, text: &str) {
        let words = [
            ("silent", 0),
            ("x-soft", 25),
            ("soft", 50),
            ("medium", 75),
            ("loud", 100),
            ("x-loud", 150),
            ("default", 100),
        ];
        let text = text.trim();
        let decibels = text.strip_suffix("dB").and_then(|number| number.parse::<f64>().ok());
        let level = text.parse::<u16>().ok().filter(|level| *level <= 100 && !text.starts_with('+'));
        self.volume = match (decibels, level) {
            (Some(decibels), _) => scaled(self.volume, 10f64.powf(decibels / 20.0), 0),
            (None, Some(level)) => level,
            (None, None) => changed(self.volume, text, &words, 0),
        };
    }
}

/// The first part of a language tag, in small letters.
pub fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or_default()
}

fn changed(now: u16, text: &str, words: &[(&str, u16)], least: u16) -> u16 {
    let text = text.trim();
    if let Some((_, percent)) = words.iter().find(|(word, _)| *word == text) {
        return *percent;
    }
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number, 0.01),
        None => (text, 1.0),
    };
    let Some(number) = number.parse::<f64>().ok().filter(|number| number.is_finite()) else { return now };
    let relative = text.starts_with(['+', '-']);
    scaled(now, if relative { 1.0 + number * unit } else { number * unit }, least)
}

fn scaled(now: u16, by: f64, least: u16) -> u16 {
    // Saturates, and is nothing for what is no number.
    ((f64::from(now) * by).clamp(0.0, MOST).round() as u16).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prosody_is_read_as_ssml_1_1_and_1_0_write_it() {
        let rate = |text: &str| {
            let mut manner = Manner::default();
            manner.set_rate(text);
            manner.rate
        };
        for (text, percent) in
            [("slow", 75), ("120%", 120), ("+20%", 120), ("-50%", 50), ("1.5", 150), ("default", 100), ("quick", 100)]
        {
            assert_eq!(rate(text), percent, "{text}");
        }
        assert_eq!((rate("1e300"), rate("-900%"), rate("NaN"), rate("inf")), (400, 10, 100, 100));
        let volume = |text: &str| {
            let mut manner = Manner::default();
            manner.set_volume(text);
            manner.volume
        };
        for (text, percent) in [("silent", 0), ("-6dB", 50), ("+6dB", 200), ("40", 40), ("x-loud", 150), ("500", 400)] {
            assert_eq!(volume(text), percent, "{text}");
        }
        let mut manner = Manner::default();
        manner.set_pitch("+12st");
        assert_eq!(manner.pitch, 200);
        manner.set_pitch("-50%");
        assert_eq!(manner.pitch, 100, "of what is around it");
        manner.set_pitch("200Hz");
        assert_eq!(manner.pitch, 100);
    }
}
