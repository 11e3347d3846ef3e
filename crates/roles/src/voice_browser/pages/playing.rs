//! Prompts on a call: recordings, words, pauses and marks, one after another. What is not here yet is asked for ahead of its
//! turn, so that an engine speaks while the caller hears what comes before.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use std::time::Duration;
use vxml::Input;
use vxml::speech::Segment;

use super::Reading;
use crate::Now;
use crate::voice_browser::dialogue::Ask;
use crate::voice_browser::speaking::{NoSound, shipped, speak};

/// Parts of a prompt that are looked at before their turn.
const AHEAD: usize = 6;

/// A prompt that is heard.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Playing {
    /// The session's number for the whole.
    id: u64,
    parts: VecDeque<Part>,
    repeat: bool,
    /// Ours for the part that is heard now.
    heard: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Part {
    Unseen(Segment),
    /// Can be played by this name.
    Here(String),
    /// Asked for by our number.
    Coming(u64, Otherwise),
    /// Will not be heard: the event.
    Never(String),
    Pause(Duration),
    Mark(String),
}

/// Where it does not come.
#[derive(Debug, Serialize, Deserialize)]
enum Otherwise {
    /// This is heard instead (2.0 §4.1.3).
    Instead(Vec<Segment>),
    Event,
}

impl Playing {
    pub(super) fn new(id: u64, segments: Vec<Segment>, repeat: bool) -> Playing {
        Playing { id, parts: segments.into_iter().map(Part::Unseen).collect(), repeat, heard: None }
    }

    fn insert(&mut self, at: usize, segments: Vec<Segment>) {
        for segment in segments.into_iter().rev() {
            self.parts.insert(at, Part::Unseen(segment));
        }
    }
}

impl Reading {
    /// The next part that can be heard; at the end the session is told.
    pub(super) fn play(&mut self, now: Now) {
        loop {
            self.look_ahead();
            let number = self.number();
            let Some(playing) = &mut self.playing else { return };
            let (id, repeat) = (playing.id, playing.repeat && playing.parts.len() == 1);
            match playing.parts.pop_front() {
                None => {
                    self.playing = None;
                    return self.say(Input::Played { id }, now);
                }
                Some(Part::Here(prompt)) => {
                    playing.heard = Some(number);
                    return self.asks.push_back(Ask::Play { id: number, prompt, repeat });
                }
                Some(Part::Pause(within)) => {
                    playing.heard = Some(number);
                    return self.asks.push_back(Ask::Wait { id: number, within });
                }
                Some(Part::Mark(name)) => self.say(Input::Mark { id, name }, now),
                Some(Part::Never(event)) => {
                    self.playing = None;
                    return self.say(Input::Unplayed { id, event }, now);
                }
                // Waited for: [`Reading::sound`] goes on.
                Some(coming @ Part::Coming(..)) => return playing.parts.push_front(coming),
                // What is at the front has been looked at.
                Some(Part::Unseen(_)) => {}
            }
        }
    }

    /// A part was heard to its end.
    pub(super) fn heard(&mut self, number: u64, now: Now) {
        if let Some(playing) = self.playing.as_mut().filter(|playing| playing.heard == Some(number)) {
            playing.heard = None;
            self.play(now);
        }
    }

    /// What was asked for is here, or will not be.
    pub(super) fn sound(&mut self, ask: u64, outcome: Result<String, NoSound>, now: Now) {
        let Some(playing) = &mut self.playing else { return };
        let is_it = |part: &Part| matches!(part, Part::Coming(number, _) if *number == ask);
        let Some(at) = playing.parts.iter().position(is_it) else { return };
        let Some(Part::Coming(_, otherwise)) = playing.parts.remove(at) else { return };
        match (outcome, otherwise) {
            (Ok(name), _) => playing.parts.insert(at, Part::Here(name)),
            (Err(_), Otherwise::Instead(segments)) => playing.insert(at, segments),
            (Err(why), Otherwise::Event) => playing.parts.insert(at, Part::Never(why.event().into())),
        }
        match playing.heard {
            None => self.play(now),
            // What is heard instead is asked for at once.
            Some(_) => self.look_ahead(),
        }
    }

    /// What comes next is made ready, or asked for.
    fn look_ahead(&mut self) {
        let Some(mut playing) = self.playing.take() else { return };
        let mut at = 0;
        while at < AHEAD && at < playing.parts.len() {
            match playing.parts.get(at) {
                Some(Part::Unseen(_)) => {}
                _ => {
                    at += 1;
                    continue;
                }
            }
            let Some(Part::Unseen(segment)) = playing.parts.remove(at) else { break };
            let part = match segment {
                Segment::Pause(pause) => Part::Pause(pause),
                Segment::Mark(name) => Part::Mark(name),
                Segment::Audio { request, instead } => match self.pages.prompt(&request.url) {
                    Some(prompt) => Part::Here(prompt),
                    None => match self.pages.sound(*request) {
                        Some(fetch) => {
                            let id = self.number();
                            self.asks.push_back(Ask::Sound { id, fetch: Box::new(fetch) });
                            Part::Coming(id, Otherwise::Instead(instead))
                        }
                        None => {
                            playing.insert(at, instead);
                            continue;
                        }
                    },
                },
                Segment::Text(words) => {
                    if !words.are_audible() {
                        continue;
                    }
                    match self.speech.as_ref().map(|speech| speak(speech, words.clone())) {
                        Some(Ok(speak)) => {
                            let id = self.number();
                            self.asks.push_back(Ask::Speak { id, speak: Box::new(speak) });
                            Part::Coming(id, Otherwise::Event)
                        }
                        Some(Err(why)) => Part::Never(why.event().into()),
                        None => {
                            let names = shipped(&words).unwrap_or_else(|| {
                                self.pass_over();
                                Vec::new()
                            });
                            for name in names.into_iter().rev() {
                                playing.parts.insert(at, Part::Here(name));
                            }
                            continue;
                        }
                    }
                }
            };
            playing.parts.insert(at, part);
            at += 1;
        }
        self.playing = Some(playing);
    }

    /// Once a call: the caller hears nothing there, and somebody should know why. What the words are is nobody's business.
    fn pass_over(&mut self) {
        if !std::mem::replace(&mut self.unspoken, true) {
            tracing::warn!(
                first = %self.pages.first,
                "an application has words to speak and no recording of them: they are passed over, the site has no [speech], and not all of them ship"
            );
        }
    }
}
