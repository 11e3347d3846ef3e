//! What a caller hears who waits in a queue: music, and in between what the call server has them told.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::dialogue::Ask;
use super::speaking::{self, NoSound, Notice};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Line {
    music: Music,
    /// What the browser says by itself is in this language; `None`: in the engine's.
    language: Option<String>,
    /// The caller is in the queue.
    begun: bool,
    saying: Option<Saying>,
    /// Prompts that follow what is heard now.
    rest: VecDeque<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
enum Music {
    #[default]
    None,
    /// Asked for by this number.
    Coming(u64),
    Here(String),
}

/// What goes ahead of the music.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Saying {
    /// An engine was asked by this number.
    Asked(u64),
    /// It is heard by this one.
    Heard(u64),
}

impl Line {
    pub(super) fn new(music: Option<String>, language: Option<String>) -> Line {
        let music = music.filter(|music| !music.is_empty()).map_or(Music::None, Music::Here);
        Line { music, language, begun: false, saying: None, rest: VecDeque::new() }
    }

    /// Its music is on the way, by this number.
    pub(super) fn with_music_coming(ask: u64, language: Option<String>) -> Line {
        Line { music: Music::Coming(ask), ..Line::new(None, language) }
    }

    /// The caller is in the queue. `id` is for what is played then, here and below.
    pub(super) fn begin(&mut self, id: u64) -> Option<Ask> {
        if std::mem::replace(&mut self.begun, true) {
            return None;
        }
        self.go_on(id)
    }

    /// The caller is to be told something. What is being said already is not cut off, unless by the last words.
    pub(super) fn notice(&mut self, notice: &Notice, speech: Option<&Arc<site::Speech>>, id: u64) -> Option<Ask> {
        let (prompt, is_last) = match notice {
            Notice::End(prompt) => (Some(prompt), true),
            Notice::Prompt(prompt) => (Some(prompt), false),
            Notice::Place { .. } => (None, false),
        };
        if self.saying.is_some() && !is_last {
            return None;
        }
        if let Some(prompt) = prompt {
            self.rest.clear();
            return Some(self.say(prompt.clone(), id));
        }
        let language = self.language.as_deref().or(speech.map(|speech| speech.language.as_str())).unwrap_or_default();
        let words = speaking::place(notice, language)?;
        let Some(speech) = speech else {
            self.rest = speaking::shipped(&words)?.into();
            let first = self.rest.pop_front()?;
            return Some(self.say(first, id));
        };
        let speak = speaking::speak(speech, words).ok()?;
        self.saying = Some(Saying::Asked(id));
        Some(Ask::Speak { id, speak: Box::new(speak) })
    }

    fn say(&mut self, prompt: String, id: u64) -> Ask {
        self.saying = Some(Saying::Heard(id));
        Ask::Play { id, prompt, repeat: false }
    }

    /// Something can be played, or will not be there.
    pub(super) fn sound(&mut self, ask: u64, outcome: Result<String, NoSound>, id: u64) -> Option<Ask> {
        if let Music::Coming(music) = self.music
            && music == ask
        {
            self.music = outcome.map_or(Music::None, Music::Here);
            return self.go_on(id).filter(|_| self.begun);
        }
        if self.saying != Some(Saying::Asked(ask)) {
            return None;
        }
        match outcome {
            Ok(prompt) => Some(self.say(prompt, id)),
            // The music goes on.
            Err(_) => {
                self.saying = None;
                None
            }
        }
    }

    /// Whether this is what was said.
    pub(super) fn is_heard(&self, played: u64) -> bool {
        self.saying == Some(Saying::Heard(played))
    }

    /// What was said was heard: the rest of it, or music again.
    pub(super) fn played(&mut self, played: u64, id: u64) -> Option<Ask> {
        if !self.is_heard(played) {
            return None;
        }
        if let Some(next) = self.rest.pop_front() {
            return Some(self.say(next, id));
        }
        self.saying = None;
        self.go_on(id).filter(|_| self.begun)
    }

    fn go_on(&self, id: u64) -> Option<Ask> {
        match (&self.music, self.saying) {
            (Music::Here(music), None | Some(Saying::Asked(_))) => {
                Some(Ask::Play { id, prompt: music.clone(), repeat: true })
            }
            _ => None,
        }
    }
}
