//! What is said to a caller (SSML 1.1, VoiceXML 2.0 §4.1): prompts as lists of segments, and how numbers, dates, times
//! and amounts are read out.

pub mod numbers;
pub mod say_as;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A piece of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Segment {
    /// A recording; what is said instead where it cannot be had (2.0 §4.1.3).
    Audio {
        url: String,
        instead: Vec<Segment>,
    },
    /// Words to be spoken, numbers and the like already as words.
    Text(String),
    Pause(Duration),
    /// [`crate::Input::Mark`] with this name when it is reached.
    Mark(String),
}

impl Segment {
    /// As it stands in a script of a session: `"words"`, `[file.wav]`, `(500 ms)`.
    pub fn in_words(segments: &[Segment]) -> String {
        let one = |segment: &Segment| match segment {
            Segment::Audio { url, .. } => format!("[{url}]"),
            Segment::Text(text) => text.clone(),
            Segment::Pause(pause) => format!("({} ms)", pause.as_millis()),
            Segment::Mark(name) => format!("<{name}>"),
        };
        segments.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}
