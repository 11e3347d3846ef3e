//! What is said to a caller (SSML 1.1, VoiceXML 2.0 §4.1): prompts as lists of segments, and how numbers, dates, times
//! and amounts are read out.

mod japanese;
mod korean;
pub mod manner;
pub mod numbers;
pub mod queue;
pub mod say_as;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::manner::{Gender, Manner};

/// A piece of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Segment {
    /// A recording; what is said instead where it cannot be had (2.0 §4.1.3).
    Audio {
        request: Box<crate::Request>,
        instead: Vec<Segment>,
    },
    /// Words to be spoken, numbers and the like already as words.
    Text(Words),
    Pause(Duration),
    /// [`crate::Input::Mark`] with this name when it is reached.
    Mark(String),
}

/// Words that are spoken in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Words {
    pub text: String,
    pub manner: Manner,
}

impl Words {
    /// Whether there is anything in it to be heard: not only blanks, dots and commas.
    pub fn are_audible(&self) -> bool {
        self.text
            .chars()
            .any(|c| c.is_alphanumeric() || matches!(c, '#' | '*' | '+' | '%' | '&' | '@' | '€' | '$' | '£'))
    }
}

/// What the platform says by itself (2.0 §5.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apology {
    NoChoice,
    NoHelp,
    Error,
}

impl Apology {
    /// Nothing in a language whose words it does not know: its caller is better off without English.
    pub(crate) fn in_language(self, language: &str) -> Option<Segment> {
        let [english, japanese, korean] = match self {
            Apology::NoChoice => [
                "Sorry, that was no choice.",
                "もうしわけありません。そのばんごうはありません。",
                "죄송합니다. 없는 번호입니다.",
            ],
            Apology::NoHelp => ["There is no help for this.", "ヘルプはありません。", "도움말이 없습니다."],
            Apology::Error => [
                "Sorry, something went wrong.",
                "もうしわけありません。エラーがはっせいしました。",
                "죄송합니다. 오류가 발생했습니다.",
            ],
        };
        let text = match manner::primary(language).to_ascii_lowercase().as_str() {
            "" | "en" => english,
            "ja" => japanese,
            "ko" => korean,
            _ => return None,
        };
        let manner = Manner { language: language.to_owned(), ..Manner::default() };
        Some(Segment::Text(Words { text: text.to_owned(), manner }))
    }
}

impl Segment {
    /// As it stands in a script of a session: `words`, `[file.wav]`, `(500 ms)`, `<mark>`.
    pub fn in_words(segments: &[Segment]) -> String {
        let one = |segment: &Segment| match segment {
            Segment::Audio { request, .. } => format!("[{}]", request.url),
            Segment::Text(words) => words.text.clone(),
            Segment::Pause(pause) => format!("({} ms)", pause.as_millis()),
            Segment::Mark(name) => format!("<{name}>"),
        };
        segments.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}
