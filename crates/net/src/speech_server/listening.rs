//! What a caller says, recognised by a speech server: grammars go to it by DEFINE-GRAMMAR and RECOGNIZE (RFC 6787 §9.8,
//! §9.9), the words themselves as audio while they are said, and NLSML comes back.

use std::collections::VecDeque;
use std::time::Duration;

use mrcp::recognizer::{Outcome, Told};
use mrcp::{Cause, Content, Headers, Message, Recognizer, Requests, Resource, nlsml};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::call::Call;
use super::control::Control;
use super::port::Port;
use super::said::Said;
use super::{Address, Given, with};

/// What was said, and what to listen for in it.
pub(crate) struct Wish<'a> {
    /// BCP 47.
    pub(crate) language: &'a str,
    /// SRGS 1.0 in XML, the first taking precedence.
    pub(crate) grammars: &'a [String],
    /// Percent.
    pub(crate) confidence: u8,
    pub(crate) sensitivity: u8,
    pub(crate) speed_vs_accuracy: u8,
    /// So many ways of hearing it at most.
    pub(crate) most: u8,
    /// Silence that ends whole words, and words that more might follow; nobody speaks longer than the third.
    pub(crate) complete: Duration,
    pub(crate) incomplete: Duration,
    pub(crate) longest: Duration,
    /// Closed: nobody wants to know any more.
    pub(crate) sounds: mpsc::Receiver<Sound>,
}

/// What comes of the caller.
pub(crate) enum Sound {
    /// At 8,000 Hz.
    Said(Vec<i16>),
    /// That was all.
    Ended,
}

/// A caller who speaks longer is not listened to.
const LONGEST: Duration = Duration::from_secs(300);

/// One way of hearing it: words, and percent of confidence.
pub(crate) type Way = (String, u8);

/// The best first; none where nothing in the grammars was heard. It must have taken up the call by `until`.
///
/// # Errors
/// The server was not reached, would not, fell silent or broke a rule: in words that have nothing of what was said.
pub(crate) async fn recognise(address: &Address<'_>, wish: Wish<'_>, until: Instant) -> Result<Vec<Way>, String> {
    let patience = address.patience;
    with(address, until, Resource::Recognizer, Port::Speaks, async |given, call| {
        Ear::begin(given, wish)?.listen(call, patience).await
    })
    .await
}

struct Ear {
    control: Control,
    recognizer: Recognizer,
    said: Said,
    /// What is to be asked, one after another.
    asking: VecDeque<Ask>,
    numbers: Requests,
    sounds: mpsc::Receiver<Sound>,
    most: usize,
    hears: bool,
}

enum Ask {
    Define(String, Content),
    Recognise(Headers, Content),
}

impl Ear {
    fn begin(given: Given, wish: Wish<'_>) -> Result<Ear, String> {
        let Given { control, channel, audio } = given;
        let decimal = |percent: u8| format!("{:.2}", f64::from(percent) / 100.0);
        let how = Headers::new()
            .with("Speech-Language", wish.language)
            .with("Confidence-Threshold", &decimal(wish.confidence))
            .with("Sensitivity-Level", &decimal(wish.sensitivity))
            .with("Speed-Vs-Accuracy", &decimal(wish.speed_vs_accuracy))
            .with("N-Best-List-Length", &wish.most.max(1).to_string())
            .with("Speech-Complete-Timeout", &wish.complete.as_millis().to_string())
            .with("Speech-Incomplete-Timeout", &wish.incomplete.as_millis().to_string())
            .with("Recognition-Timeout", &wish.longest.as_millis().to_string())
            .with("Start-Input-Timers", "true");
        let named = |at: usize| format!("grammar{at}@ringfence");
        let srgs = |text: &String| Content::new("application/srgs+xml", text.clone());
        let mut asking: VecDeque<Ask> = VecDeque::new();
        match wish.grammars {
            [one] => asking.push_back(Ask::Recognise(how.with("Content-ID", &format!("<{}>", named(0))), srgs(one))),
            several => {
                asking.extend(several.iter().enumerate().map(|(at, text)| Ask::Define(named(at), srgs(text))));
                let list: String = (0..several.len()).map(|at| format!("session:{}\r\n", named(at))).collect();
                asking.push_back(Ask::Recognise(how, Content::new("text/uri-list", list)));
            }
        }
        let (said, sounds) = (Said::new(audio)?, wish.sounds);
        let (recognizer, most) = (Recognizer::new(channel), usize::from(wish.most.max(1)));
        let numbers = Requests::default();
        let mut ear = Ear { control, recognizer, said, asking, numbers, sounds, most, hears: false };
        ear.ask()?;
        Ok(ear)
    }

    fn ask(&mut self) -> Result<(), String> {
        let asked = match self.asking.pop_front() {
            Some(Ask::Define(name, grammar)) => self.recognizer.define_grammar(&mut self.numbers, &name, grammar),
            Some(Ask::Recognise(how, grammars)) => self.recognizer.recognize(&mut self.numbers, &how, grammars),
            None => return Ok(()),
        };
        self.control.send(&asked.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Once all was said it has its time.
    async fn listen(mut self, call: &mut Call, patience: Duration) -> Result<Vec<Way>, String> {
        let mut until = Instant::now() + LONGEST;
        loop {
            tokio::select! {
                message = self.control.next() => {
                    if let Some(ways) = self.told(&message?)? {
                        return Ok(ways);
                    }
                }
                event = call.next() => {
                    if let Some(ended) = call.ended_by(event?) {
                        return Err(ended);
                    }
                }
                sound = self.sounds.recv() => match sound {
                    Some(Sound::Said(samples)) => self.said.push(&samples),
                    Some(Sound::Ended) => {
                        self.said.end();
                        until = Instant::now() + patience;
                    }
                    None => return Err("nobody wants to know any more".into()),
                },
                sent = self.said.next(), if self.hears => sent?,
                () = sleep_until(until) => return Err("it did not say what it heard in time".into()),
            }
        }
    }

    fn told(&mut self, message: &Message) -> Result<Option<Vec<Way>>, String> {
        match self.recognizer.receive(message).map_err(|error| error.to_string())? {
            Told::Recognized(outcome) => self.ways(&outcome).map(Some),
            Told::Refused { method, status, cause, .. } => {
                let cause = cause.and_then(|cause| cause.name(self.recognizer.channel().resource()));
                Err(format!("it answered {method} with {status}, {}", cause.unwrap_or("without a cause")))
            }
            Told::Defined => self.ask().map(|()| None),
            Told::Listening(_) => {
                self.hears = true;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn ways(&self, outcome: &Outcome) -> Result<Vec<Way>, String> {
        let resource = self.recognizer.channel().resource();
        match (outcome.cause, &outcome.result) {
            // Whole matches; with semantics that failed the words are there all the same (§9.4.11).
            (Cause(0 | 8 | 12), Some(result)) => {
                let read = nlsml::read(result).map_err(|error| error.to_string())?;
                Ok(read.interpretations.iter().filter_map(way).take(self.most).collect())
            }
            (Cause(0 | 8 | 12), None) => Err("it recognised something and does not say what".into()),
            // Nothing of the grammars, or not enough of it.
            (Cause(1 | 2 | 3 | 13 | 14 | 15), _) => Ok(Vec::new()),
            (cause, _) => {
                Err(format!("it ended with {:03} ({})", cause.0, cause.name(resource).unwrap_or("a cause of its own")))
            }
        }
    }
}

fn way(interpretation: &nlsml::Interpretation) -> Option<Way> {
    let input = interpretation.input.as_ref()?;
    let words = input.text().filter(|words| !words.is_empty())?;
    let confidence = interpretation.confidence.or(input.confidence).unwrap_or(1.0);
    // 0 to 1, as it was read.
    Some((words.to_owned(), (confidence * 100.0).round() as u8))
}
