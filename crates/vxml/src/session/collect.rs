//! Listening: prompts and barge-in, keys with their timeouts, words, and what is made of a match (2.0 §2.3.1, §3.1.6,
//! §4.1.5, §4.1.8, appendix D).

use std::time::Duration;

use serde_json::{Value, json};

use super::grammars::{Active, Target};
use super::machine::{Flow, Machine, Thrown, Wait};
use super::prompts::Prompt;
use super::{Ending, Output, Utterance};
use crate::document::Tag;
use crate::grammar::{Builtin, Judgement, Meaning, Mode, Recogniser};

/// An item that listens.
#[derive(Debug)]
pub(super) struct Collect {
    pub(super) active: Vec<Active>,
    pub(super) keys: Vec<String>,
    playing: Option<(u64, Prompt)>,
    /// How long nothing may be heard after the prompts.
    pub(super) timeout: Duration,
    pub(super) due: Option<(Duration, Due)>,
    /// The number of what a recogniser listens for.
    pub(super) hearing: Option<u64>,
    /// It hears somebody.
    pub(super) speaking: bool,
    /// It failed: keys alone are waited for.
    pub(super) unheard: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    NoInput,
    /// Somebody has spoken for too long.
    TooLong,
    /// A recogniser has not said what it heard.
    Unheard,
    /// No further key came: what there is, is all.
    Complete,
}

/// How an input was given.
#[derive(Clone)]
pub(super) struct Heard {
    pub(super) utterance: String,
    pub(super) mode: &'static str,
    /// From 0 to 1.
    pub(super) confidence: f64,
}

impl Collect {
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.due.map(|(at, _)| at)
    }

    pub(super) fn plays(&self, id: u64) -> bool {
        self.playing.as_ref().is_some_and(|(playing, _)| *playing == id)
    }

    pub(super) fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// The first grammar that takes the input, and whether any would take more.
    pub(super) fn judge(&self, mode: Mode, words: &[String]) -> (Option<(usize, Meaning)>, Judgement) {
        let mut first = None;
        let mut all = Judgement::default();
        for (at, active) in self.active.iter().enumerate().filter(|(_, active)| active.recogniser.mode() == mode) {
            let found = active.recogniser.judge(words);
            all.more |= found.more;
            all.exploded |= found.exploded;
            if let (None, Some(meaning)) = (&first, found.meaning) {
                first = Some((at, meaning));
            }
        }
        (first, all)
    }
}

impl Machine {
    /// Begins to listen; the queue is played first.
    pub(super) fn listen(&mut self) -> Flow {
        if self.hung_up {
            // Nobody is there to be asked.
            self.end(Ending::Disconnect(None));
            return Ok(());
        }
        let Some(active) = self.active()? else { return Ok(()) };
        if active.is_empty() {
            return Err(Thrown::new("error.semantic", "nothing can be pressed or said here: it has no grammar"));
        }
        if self.deaf && active.iter().all(|active| active.recogniser.mode() == Mode::Voice) {
            return Err(Thrown::new("error.noresource", "words alone are taken here, and nobody recognises any"));
        }
        let timeout = self.time_property("timeout");
        self.say(Output::Listen { on: true });
        self.look_ahead();
        self.wait = Wait::Collect(Box::new(Collect {
            active,
            keys: Vec::new(),
            playing: None,
            timeout,
            due: None,
            hearing: None,
            speaking: false,
            unheard: false,
        }));
        // §4.1.8: keys that came early count, unless a prompt has to be heard first.
        let patient = self.queue.iter().any(|prompt| !prompt.barge_in);
        let typed: Vec<char> = self.typed.drain(..).collect();
        if typed.is_empty() || patient {
            return self.play_next();
        }
        self.queue.clear();
        let mut typed = typed.into_iter();
        while let (Wait::Collect(_), Some(key)) = (&self.wait, typed.next()) {
            self.pressed(key)?;
        }
        self.typed.extend(typed);
        Ok(())
    }

    pub(super) fn collect(&mut self) -> Option<&mut Collect> {
        match &mut self.wait {
            Wait::Collect(collect) => Some(collect),
            _ => None,
        }
    }

    fn play_next(&mut self) -> Flow {
        let now = self.now.mono;
        let Some(prompt) = self.queue.pop_front() else {
            if let Some(collect) = self.collect() {
                collect.playing = None;
                if collect.keys.is_empty() && !collect.speaking {
                    collect.due = Some((now + collect.timeout, Due::NoInput));
                }
            }
            return self.hear(true);
        };
        let counts = prompt.barge_in;
        let id = self.id();
        self.say(Output::Play { id, segments: prompt.segments.clone(), repeat: false });
        if let Some(collect) = self.collect() {
            // §4.1.7: the last prompt's timeout holds.
            collect.timeout = prompt.timeout.unwrap_or(collect.timeout);
            collect.playing = Some((id, prompt));
        }
        self.hear(counts)
    }

    pub(super) fn prompt_ended(&mut self, id: u64) -> Flow {
        match self.collect() {
            Some(collect) if collect.plays(id) => self.play_next(),
            _ => Ok(()),
        }
    }

    /// Whether input counts while this is played; what is played is cut off, if it is not waited for a match.
    pub(super) fn barge_in(&mut self) -> bool {
        let Some(collect) = self.collect() else { return false };
        match &collect.playing {
            None => true,
            Some((_, prompt)) if !prompt.barge_in => false,
            Some((_, prompt)) if prompt.hotword => true,
            Some(_) => {
                collect.playing = None;
                // Prompts that nobody will hear still say how long to wait.
                self.queue.clear();
                self.say(Output::Silence);
                true
            }
        }
    }

    pub(super) fn is_hotword(&self) -> bool {
        match &self.wait {
            Wait::Collect(collect) => collect.playing.as_ref().is_some_and(|(_, prompt)| prompt.hotword),
            _ => false,
        }
    }

    // --- keys
    pub(super) fn pressed(&mut self, key: char) -> Flow {
        if !self.barge_in() {
            return Ok(());
        }
        let terminator = self.property("termchar").unwrap_or_default();
        let (between, after) = (self.time_property("interdigittimeout"), self.time_property("termtimeout"));
        let (now, hotword) = (self.now.mono, self.is_hotword());
        if !hotword {
            // Who presses keys has chosen how to answer.
            self.hear_no_more();
        }
        let Some(collect) = self.collect() else { return Ok(()) };
        collect.keys.push(key.to_string());
        let (found, all) = collect.judge(Mode::Dtmf, &collect.keys);
        if all.exploded {
            return Err(exploded());
        }
        match (found.is_some(), all.more) {
            (true, false) if after.is_zero() => self.complete(),
            (true, false) => {
                collect.due = Some((now + after, Due::Complete));
                Ok(())
            }
            (_, true) => {
                collect.due = Some((now + between, Due::Complete));
                Ok(())
            }
            (false, false) if terminator == key.to_string() => {
                collect.keys.pop();
                self.complete()
            }
            (false, false) if hotword => {
                collect.keys.clear();
                Ok(())
            }
            (false, false) => self.complete(),
        }
    }

    pub(super) fn collect_timed_out(&mut self) -> Flow {
        let now = self.now.mono;
        let Some(collect) = self.collect() else { return Ok(()) };
        match collect.due {
            Some((at, Due::NoInput)) if at <= now => Err(Thrown::new("noinput", "")),
            Some((at, Due::Complete)) if at <= now => self.complete(),
            Some((at, Due::TooLong)) if at <= now => Err(Thrown::new("maxspeechtimeout", "")),
            Some((at, Due::Unheard)) if at <= now => self.overdue(),
            _ => Ok(()),
        }
    }

    /// No more keys: a match, or none.
    fn complete(&mut self) -> Flow {
        let Some(collect) = self.collect() else { return Ok(()) };
        let heard = Heard { utterance: collect.keys.concat(), mode: "dtmf", confidence: 1.0 };
        let (found, _) = collect.judge(Mode::Dtmf, &collect.keys);
        self.matched(found, &heard, Vec::new())
    }

    // --- words
    pub(super) fn words(&mut self, text: &str, confidence: u8) -> Flow {
        if !matches!(self.wait, Wait::Collect(_)) || !self.barge_in() {
            return Ok(());
        }
        self.hear_no_more();
        self.understand(vec![Utterance { text: text.to_owned(), confidence }])
    }

    // --- what was heard
    /// Ends listening and gives the input to whose it is.
    /// Other ways of hearing it stand behind it in `application.lastresult$`.
    pub(super) fn matched(
        &mut self,
        found: Option<(usize, Meaning)>,
        heard: &Heard,
        others: Vec<((usize, Meaning), Heard)>,
    ) -> Flow {
        self.hear_no_more();
        let Wait::Collect(collect) = std::mem::take(&mut self.wait) else { return Ok(()) };
        if collect.is_playing() {
            self.say(Output::Silence);
            self.queue.clear();
        }
        self.say(Output::Listen { on: false });
        let others: Vec<(Active, Meaning, Heard)> = others
            .into_iter()
            .filter_map(|((at, meaning), heard)| Some((collect.active.get(at)?.clone(), meaning, heard)))
            .collect();
        let active = found.and_then(|(at, meaning)| collect.active.into_iter().nth(at).map(|active| (active, meaning)));
        let Some((active, meaning)) = active else {
            self.remember(&[self.result(heard, &Value::Null)])?;
            return Err(Thrown::new("nomatch", ""));
        };
        let interpretation = self.interpretation(&active, meaning)?;
        let result = self.result(heard, &interpretation);
        let mut all = vec![result.clone()];
        for (active, meaning, heard) in others {
            let interpretation = self.interpretation(&active, meaning)?;
            all.push(self.result(&heard, &interpretation));
        }
        self.remember(&all)?;
        match active.target {
            Target::Item | Target::Option(_) => self.item_heard(&interpretation, result),
            Target::Form => self.form_heard(result),
            Target::Choice(id) => {
                let document = self.visit()?.document.clone();
                self.chosen(&document, id)
            }
            Target::Link(document, id) => self.chosen(&document, id),
            Target::Universal(event) => Err(Thrown::new(event, "")),
            Target::Dialog(document, dialog) => self.other_dialog(&document, dialog, result),
        }
    }

    pub(super) fn interpretation(&mut self, active: &Active, meaning: Meaning) -> Flow<Value> {
        if let Target::Option(value) = &active.target {
            return Ok(json!(value));
        }
        match (meaning, &active.recogniser) {
            (Meaning::Text(text), Recogniser::Builtin(Builtin::Boolean { .. }, _)) => Ok(json!(text == "true")),
            (Meaning::Text(text), _) => Ok(json!(text)),
            (Meaning::Tagged(events), _) => {
                let document = self.visit()?.document.clone();
                self.script((&document, crate::document::Tree::ROOT), |engine| engine.interpret(&events))
            }
        }
    }

    fn result(&self, heard: &Heard, interpretation: &Value) -> Value {
        let mut result = json!({
            "utterance": heard.utterance,
            "confidence": heard.confidence,
            "inputmode": heard.mode,
            "interpretation": interpretation,
        });
        // 2.1 §6.1: the mark that was passed last, and how long ago.
        if let (Some(fields), Some((name, at))) = (result.as_object_mut(), &self.mark) {
            fields.insert("markname".into(), json!(name));
            fields.insert("marktime".into(), json!(self.now.mono.saturating_sub(*at).as_millis() as u64));
        }
        result
    }

    pub(super) fn remember(&mut self, results: &[Value]) -> Flow {
        let document = self.visit()?.document.clone();
        let list = json!(results);
        self.script((&document, crate::document::Tree::ROOT), |engine| engine.last_result(&list))?;
        Ok(())
    }

    /// §3.1.6.1: of an object that names the field its part, of anything else the whole.
    fn item_heard(&mut self, interpretation: &Value, result: Value) -> Flow {
        let visit = self.visit()?;
        let (Some(at), Some(item)) = (visit.current, visit.item()) else { return Ok(()) };
        let slot = visit.document.attribute(item.id, "slot").unwrap_or(&item.name).to_owned();
        let value =
            slot.split('.').try_fold(interpretation, |value, part| value.get(part)).unwrap_or(interpretation).clone();
        self.fill(at, &value, &result)
    }

    /// `<choice>` or `<link>`: its event, or where it leads.
    fn chosen(&mut self, document: &std::sync::Arc<crate::document::Document>, id: crate::document::ElementId) -> Flow {
        if document.attribute(id, "event").or(document.attribute(id, "eventexpr")).is_some() {
            return Err(self.thrown_by(document, id)?);
        }
        self.follow(document, id)
    }

    /// A grammar of another dialog: that one becomes active and takes the input (§3.1.4).
    fn other_dialog(
        &mut self,
        document: &std::sync::Arc<crate::document::Document>,
        dialog: crate::document::ElementId,
        result: Value,
    ) -> Flow {
        let name = document.attribute(dialog, "id").unwrap_or_default().to_owned();
        let visit = self.visit()?;
        if !std::sync::Arc::ptr_eq(document, &visit.document) {
            // Back to the root document, whose dialog it is.
            return self.return_to_root(&name, result);
        }
        self.drop_frames()?;
        self.enter_dialog(Some(&name))?;
        if document.tag(dialog) == Some(Tag::Form) {
            self.visit()?.heard = Some(result);
        }
        Ok(())
    }
}

fn exploded() -> Thrown {
    Thrown::new("error.noresource", "a grammar has too many ways to be looked at")
}
