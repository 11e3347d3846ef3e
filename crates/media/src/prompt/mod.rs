//! What can be played: audio in memory, encoded once in both laws of G.711 and shared by all who hear it.
//!
//! The built-in prompts are synthesised here (`voice`, `music`): ours, without licence, the same on every run.

mod music;
mod voice;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use sdp::Codec;

use crate::{audio, g711};

/// Prompts in memory, encoded once (G.711), by name.
#[derive(Clone, Default)]
pub struct Prompts {
    clips: BTreeMap<String, Clip>,
}

/// One prompt in both laws; clones share it.
#[derive(Clone)]
pub struct Clip {
    pcmu: Arc<[u8]>,
    pcma: Arc<[u8]>,
}

impl Clip {
    /// Of samples of 8 kHz.
    pub fn new(samples: &[i16]) -> Clip {
        let encoded = |codec| samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
        Clip { pcmu: encoded(Codec::Pcmu), pcma: encoded(Codec::Pcma) }
    }

    /// A recording of a call.
    pub(crate) fn of_pcmu(codes: &[u8]) -> Clip {
        let mut pcma = codes.to_vec();
        g711::translate(Codec::Pcmu, Codec::Pcma, &mut pcma);
        Clip { pcmu: codes.into(), pcma: pcma.into() }
    }

    /// What it takes in memory.
    pub fn octets(&self) -> usize {
        self.pcmu.len() + self.pcma.len()
    }

    /// In samples.
    pub(crate) fn len(&self) -> usize {
        self.pcmu.len()
    }

    /// The payload octets of a law, one a sample.
    pub(crate) fn codes(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcma => &self.pcma,
            Codec::Pcmu | Codec::G722 | Codec::Opus => &self.pcmu,
        }
    }
}

impl Prompts {
    /// Those that ship with the project: synthesised speech-like and musical audio of its own making. Made once a
    /// process; each call shares them.
    pub fn built_in() -> Prompts {
        static MADE: OnceLock<Prompts> = OnceLock::new();
        let made = || {
            let mut prompts = Prompts::default();
            for (name, samples) in all() {
                prompts.add(name, &samples);
            }
            prompts
        };
        MADE.get_or_init(made).clone()
    }

    /// Adds a file ([`audio::read`]), replacing one of that name. The error says what was expected, what
    /// came and what to do.
    pub fn add_file(&mut self, name: &str, file: &[u8]) -> Result<(), String> {
        let samples = audio::read("", file)?;
        if samples.is_empty() {
            return Err("expected audio, found a file without any".to_owned());
        }
        self.add(name, &samples);
        Ok(())
    }

    /// Names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.clips.keys().map(String::as_str)
    }

    /// A prompt as its listener hears it through a codec: 8 kHz, 16 bit. For comparison with what arrived.
    pub fn samples(&self, name: &str, codec: Codec) -> Option<Vec<i16>> {
        let clip = self.clips.get(name)?;
        Some(clip.codes(codec).iter().map(|code| g711::decode(codec, *code)).collect())
    }

    pub fn has(&self, name: &str) -> bool {
        self.clips.contains_key(name)
    }

    pub(crate) fn clip(&self, name: &str) -> Option<&Clip> {
        self.clips.get(name)
    }

    fn add(&mut self, name: &str, samples: &[i16]) {
        self.clips.insert(name.to_owned(), Clip::new(samples));
    }
}

/// The built-in prompts: name and 8 kHz samples.
fn all() -> [(&'static str, Vec<i16>); 9] {
    use voice::Voice;
    let host = Voice { hertz: 205.0, tract: 1.16, syllable_ms: 175.0 };
    let agent = Voice { hertz: 112.0, tract: 0.94, syllable_ms: 190.0 };
    let caller = Voice { hertz: 150.0, tract: 1.04, syllable_ms: 160.0 };
    let greeting = [music::chime(&[523.25, 659.25, 783.99]), host.speak(11, 5.2)].concat();
    let farewell = [host.speak(17, 1.8), music::chime(&[783.99, 659.25, 523.25])].concat();
    let invalid = [music::chime(&[311.13, 277.18]), host.speak(16, 2.0)].concat();
    [
        ("welcome", finish(greeting)),
        ("menu", finish(host.speak(13, 5.0))),
        ("invalid", finish(invalid)),
        ("goodbye", finish(farewell)),
        ("agent", finish(agent.speak(21, 8.0))),
        ("caller", finish(caller.speak(31, 8.0))),
        ("beep", finish(music::beep())),
        ("moh", finish(music::on_hold())),
        ("ringback", finish(music::ringback())),
    ]
}

/// To 16 bit at a comfortable level: the loudest sample at -6 dB.
fn finish(samples: Vec<f32>) -> Vec<i16> {
    let loudest = samples.iter().fold(1e-6f32, |most, sample| most.max(sample.abs()));
    samples.into_iter().map(|sample| (sample / loudest * 16_384.0) as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wav;

    /// The best normalised correlation over shifts of up to 50 ms.
    fn correlation(a: &[i16], b: &[i16]) -> f64 {
        let len = a.len().min(b.len()).min(24_000);
        let at = |shift: usize| {
            let pairs = a[shift..len].iter().zip(b).map(|(x, y)| (f64::from(*x), f64::from(*y)));
            let (mut xy, mut xx, mut yy) = (0.0, 1.0, 1.0);
            for (x, y) in pairs {
                xy += x * y;
                xx += x * x;
                yy += y * y;
            }
            (xy / (xx * yy).sqrt()).abs()
        };
        (0..400.min(len)).step_by(8).map(at).fold(0.0, f64::max)
    }

    #[test]
    fn the_built_in_prompts_are_there_and_long_enough() {
        let prompts = Prompts::built_in();
        let names: Vec<&str> = prompts.names().collect();
        assert_eq!(names, ["agent", "beep", "caller", "goodbye", "invalid", "menu", "moh", "ringback", "welcome"]);
        let seconds = |name| prompts.samples(name, Codec::Pcmu).unwrap().len() as f32 / 8000.0;
        assert!((5.5..7.0).contains(&seconds("welcome")), "{}", seconds("welcome"));
        assert!((7.5..8.5).contains(&seconds("agent")), "{}", seconds("agent"));
        assert!(seconds("moh") >= 10.0, "{}", seconds("moh"));
    }

    #[test]
    fn each_is_audible_and_like_no_other() {
        let prompts = Prompts::built_in();
        let all: Vec<(&str, Vec<i16>)> =
            prompts.names().map(|name| (name, prompts.samples(name, Codec::Pcma).unwrap())).collect();
        for (name, samples) in &all {
            let power = samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64;
            assert!(power.sqrt() > 800.0, "{name} is faint: {}", power.sqrt());
            for (other, theirs) in &all {
                let alike = correlation(samples, theirs);
                assert_eq!(alike > 0.9, name == other, "{name} and {other}: {alike}");
                assert!(name == other || alike < 0.4, "{name} and {other}: {alike}");
            }
        }
    }

    #[test]
    fn a_wav_becomes_a_prompt() {
        let mut prompts = Prompts::default();
        prompts.add_file("mine", &wav::write([0i16, 8000, -8000].into_iter())).unwrap();
        assert_eq!(prompts.samples("mine", Codec::Pcmu).unwrap().len(), 3);
        assert!(prompts.add_file("bad", b"RIFF").is_err());
        assert!(prompts.add_file("empty", &wav::write([].into_iter())).unwrap_err().contains("without any"));
    }
}
