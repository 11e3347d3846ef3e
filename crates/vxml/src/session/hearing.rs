//! Words by voice (2.0 §2.3.1, §4.1.5, §5.1.5, §6.3.2): what a recogniser is to listen for, when, and what is made of what it
//! heard. What words mean is found here, by the grammars themselves.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Output;
use super::collect::{Due, Heard};
use super::machine::{Flow, Machine, Thrown};
use crate::document::Tree;
use crate::grammar::{Meaning, Mode};

/// What a recogniser is to listen for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hearing {
    /// BCP 47; empty: English.
    pub language: String,
    /// Those that are active, the first taking precedence: documents of SRGS 1.0 in XML.
    pub grammars: Vec<String>,
    /// Percent, as the properties of these names have it from 0 to 1.
    pub confidence: u8,
    pub sensitivity: u8,
    pub speed_vs_accuracy: u8,
    /// Silence after which words that are whole are taken for all.
    pub complete: Duration,
    /// Silence after which words are taken for all although more might follow.
    pub incomplete: Duration,
    /// Nobody may speak longer.
    pub longest: Duration,
    /// What was heard, in so many ways at most.
    pub most: u8,
    /// Speech that is in no grammar is to be passed over.
    pub hotword: bool,
}

impl fmt::Debug for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hearing({} grammars, {})", self.grammars.len(), self.language)
    }
}

/// One way of hearing what was said. It is the caller's: its Debug shows no word.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utterance {
    pub text: String,
    /// From 0 to 100.
    pub confidence: u8,
}

impl fmt::Debug for Utterance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Utterance({} words, {} %)", self.text.split_whitespace().count(), self.confidence)
    }
}

/// How long a recogniser may think once nobody speaks any more, if it does not give up by itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ways that an engine may be asked for.
const MOST_WAYS: u8 = 20;

impl Machine {
    /// Has somebody listen, or nobody: as words count now or do not.
    pub(super) fn hear(&mut self, counts: bool) -> Flow {
        let deaf = self.deaf;
        let Some(collect) = self.collect() else { return Ok(()) };
        match (counts, collect.hearing) {
            (true, None) if !deaf && !collect.unheard && collect.keys.is_empty() => self.begin_to_hear(),
            (false, Some(_)) => {
                self.hear_no_more();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin_to_hear(&mut self) -> Flow {
        let spoken = self.document().and_then(|document| document.attribute(Tree::ROOT, "xml:lang").map(str::to_owned));
        let language = spoken.unwrap_or_else(|| self.language.clone()).trim().to_owned();
        let hotword = self.is_hotword();
        let Some(collect) = self.collect() else { return Ok(()) };
        let voices = collect.active.iter().filter(|active| active.recogniser.mode() == Mode::Voice);
        let grammars: Result<Vec<Option<String>>, _> =
            voices.map(|active| active.recogniser.to_srgs(&language)).collect();
        let grammars =
            grammars.map_err(|_| Thrown::new("error.noresource", "a grammar too large to be listened for"))?;
        let grammars: Vec<String> = grammars.into_iter().flatten().collect();
        if grammars.is_empty() {
            return Ok(());
        }
        let hearing = Hearing {
            language,
            grammars,
            confidence: self.percent_property("confidencelevel"),
            sensitivity: self.percent_property("sensitivity"),
            speed_vs_accuracy: self.percent_property("speedvsaccuracy"),
            complete: self.time_property("completetimeout"),
            incomplete: self.time_property("incompletetimeout"),
            longest: self.time_property("maxspeechtimeout"),
            most: self.most_ways(),
            hotword,
        };
        let id = self.id();
        if let Some(collect) = self.collect() {
            collect.hearing = Some(id);
        }
        self.say(Output::Hear { id, hearing: Box::new(hearing) });
        Ok(())
    }

    pub(super) fn hear_no_more(&mut self) {
        let hearing = self.collect().and_then(|collect| {
            collect.speaking = false;
            collect.hearing.take()
        });
        if let Some(id) = hearing {
            self.say(Output::StopHearing { id });
        }
    }

    fn is_heard(&mut self, id: u64) -> bool {
        self.collect().is_some_and(|collect| collect.hearing == Some(id))
    }

    /// The caller begins to speak, or has ended.
    pub(super) fn speech(&mut self, id: u64, on: bool) -> Flow {
        if !self.is_heard(id) {
            return Ok(());
        }
        let (now, longest, hotword) = (self.now.mono, self.time_property("maxspeechtimeout"), self.is_hotword());
        if on && !hotword {
            self.barge_in();
        }
        if let Some(collect) = self.collect() {
            collect.speaking = on;
            collect.due = Some(if on { (now + longest, Due::TooLong) } else { (now + PATIENCE, Due::Unheard) });
        }
        Ok(())
    }

    /// What a recogniser made of it; nothing: it is in no grammar.
    pub(super) fn heard(&mut self, id: u64, utterances: Vec<Utterance>) -> Flow {
        if !self.is_heard(id) {
            return Ok(());
        }
        if let Some(collect) = self.collect() {
            collect.hearing = None;
            collect.speaking = false;
            collect.due = None;
        }
        if !self.barge_in() {
            return Ok(());
        }
        self.understand(utterances)
    }

    /// The recogniser failed, or there is none: keys alone count, if any do.
    pub(super) fn unheard(&mut self, id: u64) -> Flow {
        let now = self.now.mono;
        let Some(collect) = self.collect().filter(|collect| collect.hearing == Some(id)) else { return Ok(()) };
        collect.hearing = None;
        collect.speaking = false;
        collect.unheard = true;
        if !collect.active.iter().any(|active| active.recogniser.mode() == Mode::Dtmf) {
            return Err(Thrown::new("error.noresource", "words alone are taken here, and no recogniser can be had"));
        }
        if collect.keys.is_empty() {
            collect.due = (!collect.is_playing()).then_some((now + collect.timeout, Due::NoInput));
        }
        self.log(true, "error.noresource: a recogniser failed; keys are taken still");
        Ok(())
    }

    /// The recogniser has thought too long: the same.
    pub(super) fn overdue(&mut self) -> Flow {
        let Some(id) = self.collect().and_then(|collect| collect.hearing) else { return Ok(()) };
        self.say(Output::StopHearing { id });
        self.unheard(id)
    }

    /// Finds what words mean: the surest that a grammar takes, and up to `maxnbest` in all.
    pub(super) fn understand(&mut self, mut utterances: Vec<Utterance>) -> Flow {
        let hotword = self.is_hotword();
        let level = self.property("confidencelevel").and_then(|level| level.parse::<f64>().ok()).unwrap_or(0.5);
        let most = self.most_ways().into();
        utterances.sort_by_key(|utterance| std::cmp::Reverse(utterance.confidence));
        let Some(collect) = self.collect() else { return Ok(()) };
        let mut ways: Vec<((usize, Meaning), Heard)> = Vec::new();
        let mut best = None;
        for utterance in utterances.into_iter().take(MOST_WAYS.into()) {
            let words: Vec<String> =
                utterance.text.split_whitespace().map(crate::grammar::normal).filter(|word| !word.is_empty()).collect();
            let (found, all) = collect.judge(Mode::Voice, &words);
            if all.exploded {
                return Err(Thrown::new("error.noresource", "a grammar has too many ways to be looked at"));
            }
            let confidence = f64::from(utterance.confidence.min(100)) / 100.0;
            let heard = Heard { utterance: words.join(" "), mode: "voice", confidence };
            best.get_or_insert_with(|| heard.clone());
            ways.extend(found.filter(|_| confidence >= level && ways.len() < most).map(|found| (found, heard)));
        }
        if ways.is_empty() && hotword {
            return self.hear(true);
        }
        if ways.is_empty() {
            let heard = best.unwrap_or(Heard { utterance: String::new(), mode: "voice", confidence: 0.0 });
            return self.matched(None, &heard, Vec::new());
        }
        let (first, heard) = ways.remove(0);
        self.matched(Some(first), &heard, ways)
    }

    fn most_ways(&self) -> u8 {
        let most = self.property("maxnbest").and_then(|most| most.trim().parse().ok()).unwrap_or(1);
        most.clamp(1, MOST_WAYS)
    }

    fn percent_property(&self, name: &str) -> u8 {
        let part = self.property(name).and_then(|part| part.trim().parse::<f64>().ok());
        (part.filter(|part| part.is_finite()).unwrap_or(0.5).clamp(0.0, 1.0) * 100.0).round() as u8
    }
}
