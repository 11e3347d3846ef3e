//! What is asked of a speech engine, and what a call server has callers told who wait.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use site::Speech;
use vxml::speech::{Gender, Manner, Words, queue};

use crate::Speak;

/// More words than this are spoken by nobody in one go.
const MOST_CHARACTERS: usize = 10_000;

/// Why words or a recording will not be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoSound {
    /// Nobody speaks this language here.
    NoVoice,
    /// It did not come, or is none.
    Failed,
}

impl NoSound {
    /// The event of VoiceXML 2.0 §5.2.6.
    pub(super) fn event(self) -> &'static str {
        match self {
            NoSound::NoVoice => "error.unsupported.language",
            NoSound::Failed => "error.noresource",
        }
    }
}

/// Words as an engine takes them.
///
/// # Errors
/// Nobody speaks the language, or they are too many.
pub(super) fn speak(engine: &Arc<Speech>, words: Words) -> Result<Speak, NoSound> {
    let Words { text, manner: Manner { language, voice, gender, rate, pitch, volume } } = words;
    if text.chars().count() > MOST_CHARACTERS {
        tracing::warn!("an application has more than {MOST_CHARACTERS} characters spoken in one go: they are not");
        return Err(NoSound::Failed);
    }
    let gender = gender.map(|gender| match gender {
        Gender::Female => "female",
        Gender::Male => "male",
        Gender::Neutral => "neutral",
    });
    let chosen = engine.voice(&language, voice.as_deref(), gender).map_err(|_| {
        let language: String = language.chars().take(40).collect();
        tracing::warn!(language, "nobody speaks this language here: see `voice` of [speech]");
        NoSound::NoVoice
    })?;
    let voice = chosen.map(str::to_owned);
    let language = if language.is_empty() { engine.language.clone() } else { language };
    Ok(Speak { engine: engine.clone(), voice, language, rate, pitch, volume, text })
}

/// Words as prompts that ship, one after another: for who has no engine. `None`: they are not all there.
pub(super) fn shipped(words: &Words) -> Option<Vec<String>> {
    let is_english = matches!(words.manner.primary_language().to_ascii_lowercase().as_str(), "" | "en");
    is_english.then(|| media::words::english(&words.text)).flatten()
}

/// What who waits in a queue is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// A prompt of the catalogue.
    Prompt(String),
    Place {
        position: u32,
        wait: Option<Duration>,
    },
    /// A prompt of the catalogue; then the call ends.
    End(String),
}

impl Notice {
    /// Of the reason phrase of a 182, as our call server writes it: `prompt NAME`, `prompt NAME; then the end`,
    /// `3 in line`, `3 in line; expected waiting time is 240 s`. `None`: some other phrase.
    pub(super) fn read(phrase: &str) -> Option<Notice> {
        let phrase = phrase.trim();
        if let Some(prompt) = phrase.strip_prefix("prompt ") {
            return Some(match prompt.strip_suffix("; then the end") {
                Some(prompt) => Notice::End(prompt.to_owned()),
                None => Notice::Prompt(prompt.to_owned()),
            });
        }
        let (position, wait) = match phrase.split_once("; ") {
            Some((position, wait)) => {
                (position, Some(wait.strip_prefix("expected waiting time is ")?.strip_suffix(" s")?.parse().ok()?))
            }
            None => (phrase, None),
        };
        let position = position.strip_suffix(" in line")?.parse().ok().filter(|position| *position > 0)?;
        Some(Notice::Place { position, wait: wait.map(Duration::from_secs) })
    }
}

/// The words of a place. `None`: there are none in this language.
pub(super) fn place(notice: &Notice, language: &str) -> Option<Words> {
    let Notice::Place { position, wait } = notice else { return None };
    let text = queue::place(language, *position, *wait)?;
    Some(Words { text, manner: Manner { language: language.to_owned(), ..Manner::default() } })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An engine with voices for these languages; none: for all.
    pub(in crate::voice_browser) fn speech(languages: &[&str]) -> Speech {
        let voice =
            |language: &&str| site::SpeechVoice { language: (*language).into(), name: "v".into(), gender: None };
        Speech {
            engine: site::SpeechEngine::EspeakNg,
            command: "espeak-ng".into(),
            url: None,
            server: None,
            authority: None,
            language: "en-US".into(),
            voices: languages.iter().map(voice).collect(),
            timeout_s: 10,
            at_once: 4,
        }
    }

    #[test]
    fn what_the_call_server_says_is_read_and_nothing_else() {
        let place = |position, wait: Option<u64>| Notice::Place { position, wait: wait.map(Duration::from_secs) };
        for (phrase, notice) in [
            ("prompt patience", Some(Notice::Prompt("patience".into()))),
            ("prompt closed; then the end", Some(Notice::End("closed".into()))),
            ("3 in line", Some(place(3, None))),
            ("12 in line; expected waiting time is 240 s", Some(place(12, Some(240)))),
            ("0 in line", None),
            ("Queued", None),
            ("3 in line; soon", None),
            ("99999999999 in line", None),
            ("", None),
        ] {
            assert_eq!(Notice::read(phrase), notice, "{phrase}");
        }
    }

    #[test]
    fn all_that_say_as_makes_in_english_ships() {
        use vxml::speech::say_as::say_as;
        let mut texts: Vec<String> =
            [0u64, 7, 13, 45, 100, 999, 1000, 12_345, 1_000_001, 3_000_000_000, 9_000_000_000_000]
                .map(|number| say_as("vxml:number", "", &number.to_string(), "en"))
                .into();
        texts.extend((1..=12).map(|month| say_as("vxml:date", "", &format!("2026{month:02}{:02}", month + 16), "en")));
        texts.extend((1..=31).map(|day| say_as("date", "d", &format!("{day}/"), "en")));
        for (kind, text) in [
            ("vxml:boolean", "true"),
            ("vxml:number", "-12.05"),
            ("vxml:digits", "0123456789*#"),
            ("characters", "the quick brown fox jumps over the lazy dog"),
            ("vxml:time", "1305h"),
            ("vxml:time", "0900?"),
            ("vxml:currency", "USD1.01"),
            ("vxml:currency", "EUR20.50"),
            ("vxml:currency", "GBP2.02"),
            ("vxml:currency", "GBP0.01"),
            ("vxml:currency", "JPY1"),
            ("vxml:currency", "KRW2"),
            ("vxml:phone", "+3227046016x22"),
            ("duration", "1:01:01"),
            ("duration", "2:02:02"),
        ] {
            texts.push(say_as(kind, "", text, "en"));
        }
        for position in [1, 2, 40] {
            let wait = |seconds| Some(Duration::from_secs(seconds));
            texts.extend([None, wait(0), wait(60), wait(900)].map(|wait| queue::place("en", position, wait).unwrap()));
        }
        for text in texts {
            let words = Words { text: text.clone(), manner: Manner::default() };
            assert!(shipped(&words).is_some_and(|names| !names.is_empty()), "{text}");
        }
    }

    #[test]
    fn words_go_to_a_voice_of_their_language_or_to_none() {
        let engine = Arc::new(speech(&["en", "ja"]));
        let words = |language: &str, text: &str| Words {
            text: text.into(),
            manner: Manner { language: language.into(), ..Manner::default() },
        };
        let spoken = speak(&engine, words("", "hello")).unwrap();
        assert_eq!((spoken.voice.as_deref(), spoken.language.as_str()), (Some("v"), "en-US"));
        assert_eq!(speak(&engine, words("de", "hallo")), Err(NoSound::NoVoice));
        assert_eq!(speak(&engine, words("en", &"a".repeat(10_001))), Err(NoSound::Failed));
        let notice = Notice::Place { position: 2, wait: None };
        let words = place(&notice, "ja").unwrap();
        assert_eq!(speak(&engine, words.clone()).unwrap().text, "じゅんばんは、にばんめです。");
        assert_eq!((place(&notice, "de"), shipped(&words)), (None, None));
        assert!(!format!("{spoken:?}").contains("hello"), "no log has what a caller is told");
    }
}
