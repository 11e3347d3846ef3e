//! Who speaks words that have no recording.

use serde::{Deserialize, Serialize};

/// `[speech]`: absent, words without a recording are passed over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speech {
    pub engine: SpeechEngine,
    /// The program of `espeak-ng`: its place, or its name where the path of the process has it.
    #[serde(default = "command")]
    pub command: String,
    /// Where the service of `http` takes words (https).
    #[serde(default)]
    pub url: Option<String>,
    /// The speech server of `mrcp` (sips).
    #[serde(default)]
    pub server: Option<String>,
    /// Who vouches for the service or the server: `web` for roots/web.pem; absent: the site's own CA.
    #[serde(default)]
    pub authority: Option<String>,
    /// What is spoken where neither document nor application says (BCP 47).
    #[serde(default = "language")]
    pub language: String,
    /// None: every language has the engine's own voice.
    #[serde(rename = "voice", default)]
    pub voices: Vec<SpeechVoice>,
    /// Words that take longer are given up.
    #[serde(default = "ten")]
    pub timeout_s: u32,
    /// Words that are spoken at a time, for all calls of the process; more wait.
    #[serde(default = "four")]
    pub at_once: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SpeechEngine {
    #[serde(rename = "espeak-ng")]
    EspeakNg,
    #[serde(rename = "http")]
    Http,
    #[serde(rename = "mrcp")]
    Mrcp,
}

/// Whose voice a language has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeechVoice {
    /// BCP 47; `en` is any English.
    pub language: String,
    /// As the engine calls it.
    pub name: String,
    /// `female`, `male` or `neutral`.
    #[serde(default)]
    pub gender: Option<String>,
}

impl Speech {
    /// The voice for a language (empty: the site's): of the rows the one of this name, or else of this gender, or else the
    /// first. Gives the engine's name for it, or nothing where the engine is to choose by the language.
    ///
    /// # Errors
    /// There are rows, and none for this language; or the language is no tag.
    pub fn voice(&self, language: &str, name: Option<&str>, gender: Option<&str>) -> Result<Option<&str>, NoVoice> {
        let language = if language.is_empty() { &self.language } else { language };
        if !is_language_tag(language) {
            return Err(NoVoice);
        }
        if self.voices.is_empty() {
            return Ok(None);
        }
        let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let exact = |voice: &&SpeechVoice| voice.language.eq_ignore_ascii_case(language);
        let near = |voice: &&SpeechVoice| primary(&voice.language) == primary(language);
        let all: Vec<&SpeechVoice> = match self.voices.iter().filter(exact).collect::<Vec<_>>() {
            exact if exact.is_empty() => self.voices.iter().filter(near).collect(),
            exact => exact,
        };
        let by_name = all.iter().find(|voice| name == Some(voice.name.as_str()));
        let by_gender = all.iter().find(|voice| gender.is_some() && voice.gender.as_deref() == gender);
        let chosen = by_name.or(by_gender).or(all.first()).ok_or(NoVoice)?;
        Ok(Some(&chosen.name))
    }
}

/// A language that nobody speaks here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoVoice;

/// Letters, digits and hyphens, as BCP 47 has them.
pub(crate) fn is_language_tag(tag: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.len() <= 35
        && tag.split('-').all(part)
        && tag.split('-').next().is_some_and(|first| first.len() >= 2 && first.bytes().all(|b| b.is_ascii_alphabetic()))
}

/// What an engine may call a voice: it goes into a program's arguments, and must not be taken for a switch or a file.
pub(crate) fn is_voice_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.' | b' ');
    (1..=64).contains(&name.len())
        && !name.starts_with(['-', '.', ' '])
        && !name.contains("..")
        && name.bytes().all(letter)
}

fn command() -> String {
    "espeak-ng".into()
}

fn language() -> String {
    "en-US".into()
}

fn ten() -> u32 {
    10
}

fn four() -> u32 {
    4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speech(voices: &[(&str, &str, Option<&str>)]) -> Speech {
        let voice = |(language, name, gender): &(&str, &str, Option<&str>)| SpeechVoice {
            language: (*language).into(),
            name: (*name).into(),
            gender: gender.map(str::to_owned),
        };
        Speech {
            engine: SpeechEngine::EspeakNg,
            command: command(),
            url: None,
            server: None,
            authority: None,
            language: "en-US".into(),
            voices: voices.iter().map(voice).collect(),
            timeout_s: 10,
            at_once: 4,
        }
    }

    #[test]
    fn a_voice_is_found_by_language_then_name_then_gender() {
        let all = speech(&[
            ("en-US", "us", None),
            ("en", "anna", Some("female")),
            ("en", "bob", Some("male")),
            ("ja", "ja", None),
        ]);
        for (language, name, gender, found) in [
            ("", None, None, Ok(Some("us"))),
            ("en-us", Some("bob"), None, Ok(Some("us"))),
            ("en", None, None, Ok(Some("anna"))),
            ("en", None, Some("male"), Ok(Some("bob"))),
            ("en-GB", Some("bob"), Some("female"), Ok(Some("bob"))),
            ("ja-JP", Some("nobody"), None, Ok(Some("ja"))),
            ("de", None, None, Err(NoVoice)),
            ("../x", None, None, Err(NoVoice)),
        ] {
            assert_eq!(all.voice(language, name, gender), found, "{language} {name:?} {gender:?}");
        }
        assert_eq!(speech(&[]).voice("de", None, None), Ok(None), "the engine's own");
        assert_eq!(speech(&[]).voice("-v", None, None), Err(NoVoice));
    }
}
