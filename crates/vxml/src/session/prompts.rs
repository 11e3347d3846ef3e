//! Prompts (2.0 §4.1): what an element says is made into segments when it is queued; the queue is played when something is
//! waited for (§4.1.8).

use std::sync::Arc;
use std::time::Duration;

use super::machine::{After, Flow, Machine, Wait};
use super::{Ending, Output, Request};
use crate::document::{Child, Document, ElementId, Tag, values};
use crate::script::INNERMOST;
use crate::speech::{Gender, Manner, Segment, Words, say_as};

/// A prompt in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) segments: Vec<Segment>,
    pub(super) barge_in: bool,
    /// Only what matches stops it (§4.1.5.1).
    pub(super) hotword: bool,
    pub(super) timeout: Option<Duration>,
}

/// The most segments of one prompt: `<foreach>` and `<enumerate>` make more out of less.
const MAX_SEGMENTS: usize = 2_000;

impl Machine {
    /// Queues words of the platform's own.
    pub(super) fn enqueue(&mut self, segments: Vec<Segment>) {
        if !segments.is_empty() && !self.hung_up {
            let barge_in = self.flag_property("bargein");
            let hotword = self.property("bargeintype").as_deref() == Some("hotword");
            self.queue.push_back(Prompt { segments, barge_in, hotword, timeout: None });
        }
    }

    /// Queues a `<prompt>` if its condition holds.
    pub(super) fn queue_prompt(&mut self, document: &Arc<Document>, id: ElementId) -> Flow {
        if let Some(cond) = document.attribute(id, "cond")
            && !self.script((document, id), |engine| engine.truth(cond))?
        {
            return Ok(());
        }
        let mut segments = Vec::new();
        self.speak(document, id, &mut segments)?;
        let barge_in = document.boolean(id, "bargein").unwrap_or_else(|| self.flag_property("bargein"));
        let hotword = document
            .attribute(id, "bargeintype")
            .map(str::to_owned)
            .or_else(|| self.property("bargeintype"))
            .is_some_and(|kind| kind == "hotword");
        let timeout = document.time(id, "timeout");
        if !self.hung_up {
            self.queue.push_back(Prompt { segments, barge_in, hotword, timeout });
        }
        Ok(())
    }

    /// Queues text and spoken elements that stand outside of a `<prompt>`: children from `from` on. Gives the first that
    /// is not spoken.
    pub(super) fn queue_bare(
        &mut self,
        document: &Arc<Document>,
        parent: ElementId,
        from: usize,
        to: usize,
    ) -> Flow<usize> {
        let children: Vec<Child> = document.tree().element(parent).children.get(from..to).unwrap_or_default().to_vec();
        let mut segments = Vec::new();
        let mut at = from;
        for child in &children {
            match child {
                Child::Text(text) => words(text, &self.manner(document, parent), &mut segments),
                Child::Element(id) if document.tag(*id).is_some_and(is_spoken) => {
                    self.speak_element(document, *id, &mut segments)?;
                }
                Child::Element(_) => break,
            }
            at += 1;
        }
        self.enqueue(segments);
        Ok(at)
    }

    /// What an element's children say.
    pub(super) fn speak(&mut self, document: &Arc<Document>, id: ElementId, out: &mut Vec<Segment>) -> Flow {
        let children: Vec<Child> = document.tree().element(id).children.clone();
        for child in &children {
            match child {
                Child::Text(text) => words(text, &self.manner(document, id), out),
                Child::Element(id) => self.speak_element(document, *id, out)?,
            }
            if out.len() > MAX_SEGMENTS {
                return Err(super::machine::Thrown::new(
                    "error.noresource",
                    format!("a prompt of more than {MAX_SEGMENTS} parts"),
                ));
            }
        }
        Ok(())
    }

    fn speak_element(&mut self, document: &Arc<Document>, id: ElementId, out: &mut Vec<Segment>) -> Flow {
        let at = (document, id);
        match document.tag(id) {
            Some(Tag::Value) => {
                let expr = document.attribute(id, "expr").unwrap_or_default();
                let value = self.script(at, |engine| engine.string(expr))?;
                words(&value, &self.manner(document, id), out);
            }
            Some(Tag::Audio) => self.speak_audio(document, id, out)?,
            Some(Tag::Break) => {
                let pause = document.time(id, "time").unwrap_or_else(|| match document.attribute(id, "strength") {
                    Some("none") => Duration::ZERO,
                    Some("x-weak") => Duration::from_millis(100),
                    Some("weak") => Duration::from_millis(250),
                    Some("strong") => Duration::from_secs(1),
                    Some("x-strong") => Duration::from_secs(2),
                    _ => Duration::from_millis(500),
                });
                if !pause.is_zero() {
                    out.push(Segment::Pause(pause));
                }
            }
            Some(Tag::Mark) => {
                let name = match (document.attribute(id, "name"), document.attribute(id, "nameexpr")) {
                    (Some(name), _) => name.to_owned(),
                    (None, expr) => {
                        let expr = expr.unwrap_or_default();
                        self.script(at, |engine| engine.string(expr))?
                    }
                };
                out.push(Segment::Mark(name));
            }
            Some(Tag::SayAs) => {
                let mut inner = Vec::new();
                self.speak(document, id, &mut inner)?;
                let kind =
                    document.attribute(id, "interpret-as").or(document.attribute(id, "type")).unwrap_or_default();
                let format = document.attribute(id, "format").unwrap_or_default();
                for segment in inner {
                    match segment {
                        Segment::Text(Words { text, manner }) => {
                            words(&say_as::say_as(kind, format, &text, &manner.language), &manner, out);
                        }
                        other => out.push(other),
                    }
                }
            }
            Some(Tag::Sub) => {
                words(document.attribute(id, "alias").unwrap_or_default(), &self.manner(document, id), out);
            }
            Some(Tag::Foreach) => self.speak_each(document, id, out)?,
            Some(Tag::Enumerate) => self.enumerate(document, id, out)?,
            Some(Tag::Paragraph | Tag::Sentence | Tag::Emphasis | Tag::Prosody | Tag::Voice | Tag::Phoneme) => {
                self.speak(document, id, out)?;
            }
            // Nothing to be heard: <desc>, <lexicon>, <metadata>.
            _ => {}
        }
        Ok(())
    }

    /// A recording with what is said instead of it. An expression that gives nothing is no recording (§4.1.3).
    fn speak_audio(&mut self, document: &Arc<Document>, id: ElementId, out: &mut Vec<Segment>) -> Flow {
        let mut instead = Vec::new();
        self.speak(document, id, &mut instead)?;
        let reference = match (document.attribute(id, "src"), document.attribute(id, "expr")) {
            (Some(src), _) => Some(src.to_owned()),
            (None, Some(expr)) => match self.script((document, id), |engine| engine.type_of(expr))?.as_str() {
                "undefined" => return Ok(()),
                _ => Some(self.script((document, id), |engine| engine.string(expr))?),
            },
            (None, None) => None,
        };
        match reference {
            Some(reference) => {
                let request = Box::new(self.audio_request(document, id, self.resolve(document, id, &reference)));
                out.push(Segment::Audio { request, instead });
            }
            None => out.extend(instead),
        }
        Ok(())
    }

    fn speak_each(&mut self, document: &Arc<Document>, id: ElementId, out: &mut Vec<Segment>) -> Flow {
        let array = document.attribute(id, "array").unwrap_or_default();
        let item = document.attribute(id, "item").unwrap_or_default();
        let count = self.script((document, id), |engine| engine.foreach(array))?;
        let mut each = || -> Flow {
            for at in 0..count {
                self.script((document, id), |engine| engine.item(at, item))?;
                self.speak(document, id, out)?;
            }
            Ok(())
        };
        let outcome = each();
        self.script((document, id), |engine| engine.done())?;
        outcome
    }

    /// §2.2.4: each choice or option with its key.
    fn enumerate(&mut self, document: &Arc<Document>, id: ElementId, out: &mut Vec<Segment>) -> Flow {
        for (prompt, key) in self.enumerated() {
            if document.tree().element(id).children.is_empty() {
                let manner = self.manner(document, id);
                words(&prompt, &manner, out);
                if !key.is_empty() {
                    words(&format!("press {key}."), &manner, out);
                }
                continue;
            }
            let at = (document, id);
            self.script(at, |engine| engine.put(INNERMOST, "_prompt", &prompt.clone().into()))?;
            self.script(at, |engine| engine.put(INNERMOST, "_dtmf", &key.clone().into()))?;
            self.speak(document, id, out)?;
        }
        Ok(())
    }

    /// The prompts of an item for the time that it is visited now (§4.1.6): of those that may be, the highest count.
    pub(super) fn select_prompts(&mut self, document: &Arc<Document>, item: ElementId, visited: u32) -> Flow {
        let mut chosen: Vec<(u32, Chosen)> = Vec::new();
        let children: Vec<Child> = document.tree().element(item).children.clone();
        let mut bare: Option<usize> = None;
        for (at, child) in children.iter().enumerate() {
            let spoken = match child {
                Child::Text(_) => true,
                Child::Element(id) => document.tag(*id).is_some_and(is_spoken),
            };
            if spoken {
                bare.get_or_insert(at);
                continue;
            }
            if let Some(from) = bare.take() {
                chosen.push((1, Chosen::Bare(from, at)));
            }
            if let Child::Element(id) = child
                && document.tag(*id) == Some(Tag::Prompt)
            {
                let count = document.attribute(*id, "count").and_then(|count| count.parse().ok()).unwrap_or(1);
                let holds = match document.attribute(*id, "cond") {
                    Some(cond) => self.script((document, *id), |engine| engine.truth(cond))?,
                    None => true,
                };
                if holds && count <= visited {
                    chosen.push((count, Chosen::Prompt(*id)));
                }
            }
        }
        if let Some(from) = bare {
            chosen.push((1, Chosen::Bare(from, children.len())));
        }
        let highest = chosen.iter().map(|(count, _)| *count).max().unwrap_or(1);
        for (_, one) in chosen.into_iter().filter(|(count, _)| *count == highest) {
            match one {
                Chosen::Prompt(id) => self.queue_prompt(document, id)?,
                Chosen::Bare(from, to) => {
                    self.queue_bare(document, item, from, to)?;
                }
            }
        }
        Ok(())
    }

    /// How words of an element are spoken: as what is around it says, the innermost last.
    fn manner(&self, document: &Document, element: ElementId) -> Manner {
        let around: Vec<ElementId> = std::iter::successors(Some(element), |id| document.parent(*id)).collect();
        let mut manner = Manner { language: self.language.clone(), ..Manner::default() };
        for id in around.into_iter().rev() {
            let attribute = |name: &str| document.attribute(id, name);
            if let Some(language) = attribute("xml:lang") {
                if manner.language != language {
                    // Another language is another voice (SSML 1.1 §3.1.2).
                    (manner.voice, manner.gender) = (None, None);
                }
                manner.language = language.trim().to_owned();
            }
            match document.tag(id) {
                Some(Tag::Voice) => {
                    manner.voice =
                        attribute("name").and_then(|names| names.split_whitespace().next()).map(str::to_owned);
                    manner.gender = match attribute("gender") {
                        Some("female") => Some(Gender::Female),
                        Some("male") => Some(Gender::Male),
                        Some("neutral") => Some(Gender::Neutral),
                        _ => None,
                    };
                }
                Some(Tag::Prosody) => {
                    attribute("rate").into_iter().for_each(|rate| manner.set_rate(rate));
                    attribute("pitch").into_iter().for_each(|pitch| manner.set_pitch(pitch));
                    attribute("volume").into_iter().for_each(|volume| manner.set_volume(volume));
                }
                _ => {}
            }
        }
        manner
    }

    /// How a recording is fetched (§6.1): its element's attributes, or the properties.
    pub(super) fn audio_request(&self, document: &Document, id: ElementId, url: String) -> Request {
        let age = |attribute: &str, property: &str| {
            let here = document.attribute(id, attribute).map(str::to_owned);
            here.or_else(|| self.property(property)).and_then(|seconds| seconds.parse().ok())
        };
        let timeout = document.time(id, "fetchtimeout").unwrap_or_else(|| self.time_property("fetchtimeout"));
        Request {
            max_age: age("maxage", "audiomaxage"),
            max_stale: age("maxstale", "audiomaxstale"),
            ..Request::get(url, timeout)
        }
    }

    // --- playing
    /// Plays the queue to its end, then goes on.
    pub(super) fn flush(&mut self, after: After) {
        let segments: Vec<Segment> = self.queue.drain(..).flat_map(|prompt| prompt.segments).collect();
        if segments.is_empty() || self.hung_up {
            return self.flushed(after);
        }
        let id = self.id();
        self.say(Output::Play { id, segments, repeat: false });
        self.wait = Wait::Flush(id, after);
    }

    fn flushed(&mut self, after: After) {
        self.wait = Wait::Nothing;
        match after {
            After::End(ending) => self.end(ending),
            After::HangUp => {
                if !std::mem::replace(&mut self.hung_up, true) {
                    self.say(Output::HangUp);
                }
                self.throw(super::machine::Thrown::new("connection.disconnect.hangup", "disconnected"));
            }
            After::Record => self.begin_record(),
            After::Transfer => self.begin_transfer(),
            After::Object => self.begin_object(),
            After::Stream => self.begin_stream(),
        }
    }

    pub(super) fn played(&mut self, id: u64) -> Flow {
        match &self.wait {
            Wait::Flush(playing, after) if *playing == id => {
                let after = after.clone();
                self.flushed(after);
                Ok(())
            }
            Wait::Collect(_) => self.prompt_ended(id),
            _ => Ok(()),
        }
    }

    /// What is played cannot be heard to its end, or at all: the event instead of the end.
    pub(super) fn unplayed(&mut self, id: u64, event: String) -> Flow {
        let is_waited_for = match &self.wait {
            Wait::Flush(playing, _) => *playing == id,
            Wait::Collect(collect) => collect.plays(id),
            _ => false,
        };
        // A call that ends anyway ends without its last words, and who is put through goes unannounced.
        if let Wait::Flush(_, after @ (After::End(_) | After::HangUp)) = &self.wait
            && is_waited_for
        {
            let after = after.clone();
            self.log(true, format!("{event}: the last words could not be spoken"));
            self.flushed(after);
            return Ok(());
        }
        if !is_waited_for {
            return Ok(());
        }
        if let Wait::Collect(_) = &self.wait {
            self.hear_no_more();
            self.say(Output::Listen { on: false });
        }
        self.wait = Wait::Nothing;
        self.queue.clear();
        Err(super::machine::Thrown::new(event, "a prompt could not be spoken"))
    }

    /// What is heard while a page is fetched (§6.1.1): the queue, then the audio over and over.
    pub(super) fn play_while_fetching(&mut self, audio: Option<String>) {
        let Some(audio) = audio.filter(|audio| !audio.is_empty() && !self.hung_up) else { return };
        let mut segments: Vec<Segment> = self.queue.drain(..).flat_map(|prompt| prompt.segments).collect();
        let request = Box::new(Request::get(audio, self.time_property("fetchtimeout")));
        segments.push(Segment::Audio { request, instead: Vec::new() });
        let id = self.id();
        self.fetch_audio = Some(id);
        self.say(Output::Play { id, segments, repeat: true });
    }

    /// Ends the session with a value.
    pub(super) fn exit_with(&mut self, value: Option<serde_json::Value>) {
        self.leave(Ending::Exit(value.map(|value| value.to_string())));
    }
}

enum Chosen {
    Prompt(ElementId),
    Bare(usize, usize),
}

pub(super) fn is_spoken(tag: Tag) -> bool {
    use Tag as T;
    matches!(
        tag,
        T::Audio
            | T::Value
            | T::Enumerate
            | T::Break
            | T::Desc
            | T::Emphasis
            | T::Lexicon
            | T::Mark
            | T::Metadata
            | T::Paragraph
            | T::Phoneme
            | T::Prosody
            | T::SayAs
            | T::Sentence
            | T::Sub
            | T::Voice
    )
}

/// Adds words to those before that are spoken in the same manner, with one blank between words.
fn words(text: &str, manner: &Manner, out: &mut Vec<Segment>) {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return;
    }
    match out.last_mut() {
        Some(Segment::Text(before)) if before.manner == *manner => {
            if !text.starts_with([',', '.', '!', '?', ';', ':']) {
                before.text.push(' ');
            }
            before.text.push_str(&text);
        }
        _ => out.push(Segment::Text(Words { text, manner: manner.clone() })),
    }
}

/// A time that an attribute of an element or a property sets.
pub(super) fn time_of(text: Option<String>) -> Option<Duration> {
    text.as_deref().and_then(values::time)
}
