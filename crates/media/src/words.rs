//! English words that ship with the project, for who has no speech engine: numbers, dates, amounts, letters, a place in a
//! queue. Spoken by espeak-ng (`examples/make_words.rs`), word for word: placeholders until a person has recorded them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::prompt::Clip;

/// Entries one after another: length of the words (one octet), the words, samples (four octets, the smallest first), µ-law.
static FILE: &[u8] = include_bytes!("../assets/english.words");
/// Before the words in what [`crate::Play`] is told.
const PREFIX: &str = "word:";
/// Where a comma or a full stop stands.
const PAUSE: &str = ",";
/// Words of the longest phrase.
const LONGEST: usize = 7;

fn clips() -> &'static BTreeMap<&'static str, Clip> {
    static CLIPS: OnceLock<BTreeMap<&'static str, Clip>> = OnceLock::new();
    CLIPS.get_or_init(|| {
        let mut clips: BTreeMap<&str, Clip> =
            Entries(FILE).map(|(words, codes)| (words, Clip::of_pcmu(codes))).collect();
        clips.insert(PAUSE, Clip::new(&[0; 2000]));
        clips
    })
}

struct Entries(&'static [u8]);

impl Iterator for Entries {
    type Item = (&'static str, &'static [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (length, rest) = self.0.split_first()?;
        let (words, rest) = rest.split_at_checked(usize::from(*length))?;
        let (samples, rest) = rest.split_first_chunk::<4>()?;
        let (codes, rest) = rest.split_at_checked(u32::from_le_bytes(*samples) as usize)?;
        self.0 = rest;
        Some((std::str::from_utf8(words).ok()?, codes))
    }
}

/// A text as prompts that are played one after another. `None`: it has a word that does not ship, and then nothing of it is
/// said.
pub fn english(text: &str) -> Option<Vec<String>> {
    let (clips, mut names) = (clips(), Vec::new());
    // Commas and full stops are words of their own.
    let text = text.to_lowercase().replace([',', ';', ':', '.', '!', '?'], " , ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut rest = words.as_slice();
    while !rest.is_empty() {
        let most = rest.len().min(LONGEST);
        let longest = (1..=most).rev().find_map(|count| {
            let phrase = rest.get(..count)?.join(" ");
            clips.contains_key(phrase.as_str()).then_some((count, phrase))
        });
        let (count, phrase) = longest?;
        names.push(format!("{PREFIX}{phrase}"));
        rest = rest.get(count..).unwrap_or_default();
    }
    // At the end there is nothing to wait for.
    while names.last().is_some_and(|last| last.strip_prefix(PREFIX) == Some(PAUSE)) {
        names.pop();
    }
    Some(names)
}

pub(crate) fn clip(name: &str) -> Option<&'static Clip> {
    clips().get(name.strip_prefix(PREFIX)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_ships_can_be_heard() {
        let clips = clips();
        assert!(clips.len() > 140, "{}", clips.len());
        for (words, clip) in clips.iter().filter(|(words, _)| **words != PAUSE) {
            assert!((800..32_000).contains(&clip.len()), "{words}: {} samples", clip.len());
            let samples = clip.codes(sdp::Codec::Pcmu).iter().map(|code| crate::g711::decode(sdp::Codec::Pcmu, *code));
            let power: f64 = samples.map(|sample| f64::from(sample).powi(2)).sum::<f64>() / clip.len() as f64;
            assert!(power.sqrt() > 300.0, "{words} is faint: {}", power.sqrt());
            assert!(words.split(' ').count() <= LONGEST, "{words}");
        }
    }

    #[test]
    fn texts_are_the_longest_phrases_or_nothing() {
        let names = |text: &str| english(text).map(|names| names.join(" ").replace(PREFIX, "+"));
        assert_eq!(
            names("You are number twenty one in the queue. The wait is about four minutes.").unwrap(),
            "+you are number +twenty +one +in the queue +, +the wait is about +four +minutes"
        );
        assert_eq!(names("minus twelve dollars and five cents").unwrap(), "+minus +twelve +dollars +and +five +cents");
        assert_eq!(names("Your balance is twelve dollars"), None);
        assert_eq!(names("").unwrap(), "");
        assert_eq!(names(" . ").unwrap(), "");
    }
}
