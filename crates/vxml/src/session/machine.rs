//! The machine inside a session: what it waits for, and the loop that runs until it waits again.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::ahead::Ahead;
use super::collect::Collect;
use super::execute::Wanted;
use super::grammars::Loaded;
use super::navigate::Journey;
use super::prompts::Prompt;
use super::stream::Streaming;
use super::transfer::Transferring;
use super::visit::{Frame, Kind, Visit};
use super::{Ending, Input, NotFetched, Now, Output, Page, Request, Start};
use crate::document::{Document, ElementId};
use crate::script::{Engine, Failed};

/// What one input may set going: elements executed and items selected. A document that wants more goes round in circles.
const MAX_STEPS: u32 = 20_000;
/// Scripts that may be stopped for running too long before the session is.
const MAX_STRIKES: u32 = 3;
/// Keys that are kept while nobody listens (2.0 §4.1.8).
const TYPE_AHEAD: usize = 64;

/// An event on its way to whoever catches it (2.0 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thrown {
    pub(super) event: String,
    pub(super) message: String,
}

pub(super) type Flow<T = ()> = Result<T, Thrown>;

impl Thrown {
    pub(super) fn new(event: impl Into<String>, message: impl Into<String>) -> Thrown {
        Thrown { event: event.into(), message: message.into() }
    }
}

/// What is waited for.
#[derive(Debug, Default)]
pub(super) enum Wait {
    #[default]
    Nothing,
    Document(u64, Box<Journey>),
    Script(u64, Box<Wanted>),
    Data(u64, Option<String>, String),
    Grammar(u64, String),
    Collect(Box<Collect>),
    /// Prompts are heard to their end before what follows.
    Flush(u64, After),
    Record(u64, Option<char>),
    Transfer(Box<Transferring>),
    Object(u64),
    Stream(Streaming),
}

/// What follows once the queue was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum After {
    End(Ending),
    HangUp,
    Record,
    Transfer,
    Object,
    Stream,
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) engine: Option<Engine>,
    pub(super) now: Now,
    outputs: VecDeque<Output>,
    next_id: u64,
    pub(super) visits: Vec<Visit>,
    pub(super) wait: Wait,
    /// Prompts that were queued and not yet played.
    pub(super) queue: VecDeque<Prompt>,
    /// What is being played while a page is fetched.
    pub(super) fetch_audio: Option<u64>,
    pub(super) ahead: Ahead,
    pub(super) typed: VecDeque<char>,
    pub(super) hung_up: bool,
    over: bool,
    /// Recordings of this session and their types: nothing else is sent as one.
    pub(super) recordings: BTreeMap<String, String>,
    pub(super) loaded: BTreeMap<String, Loaded>,
    pub(super) properties: BTreeMap<String, String>,
    /// What is spoken where no document says.
    pub(super) language: String,
    /// Nobody recognises words.
    pub(super) deaf: bool,
    /// The mark last reached, and when (2.1 §6.1).
    pub(super) mark: Option<(String, Duration)>,
    steps: u32,
    strikes: u32,
    /// What `<disconnect namelist>` gave.
    pub(super) given: Option<String>,
    /// Events thrown since anything was waited for: handlers that throw are stopped.
    pub(super) thrown: u32,
}

impl Machine {
    pub(super) fn new(start: &Start, now: Now) -> Machine {
        let mut machine = Machine {
            engine: None,
            now,
            outputs: VecDeque::new(),
            next_id: 0,
            visits: Vec::new(),
            wait: Wait::Nothing,
            queue: VecDeque::new(),
            fetch_audio: None,
            ahead: Ahead::default(),
            typed: VecDeque::new(),
            hung_up: false,
            over: false,
            recordings: BTreeMap::new(),
            loaded: BTreeMap::new(),
            properties: start.properties.clone(),
            language: start.language.clone(),
            deaf: start.deaf,
            mark: None,
            steps: 0,
            strikes: 0,
            given: None,
            thrown: 0,
        };
        let engine = Engine::new(start.seed).and_then(|engine| {
            engine.clock(now.wall_ms);
            let variables = if start.variables.is_empty() { "{}" } else { &start.variables };
            engine.session(variables).map_err(|failed| format!("session variables: {failed:?}"))?;
            Ok(engine)
        });
        match engine {
            Ok(engine) => {
                machine.engine = Some(engine);
                machine.set_out(Journey::start(&start.url));
            }
            Err(why) => machine.end(Ending::Fault(why)),
        }
        machine
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn say(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn log(&mut self, fault: bool, words: impl Into<String>) {
        self.say(Output::Log { fault, words: words.into() });
    }

    // --- time
    pub(super) fn deadline(&self) -> Option<Duration> {
        match &self.wait {
            Wait::Collect(collect) => collect.deadline(),
            Wait::Transfer(transfer) => transfer.deadline(),
            Wait::Stream(stream) => Some(stream.due),
            _ => None,
        }
    }

    fn awake(&mut self, now: Now) {
        self.now = now;
        self.steps = 0;
        if let Some(engine) = &self.engine {
            engine.refuel();
            engine.clock(now.wall_ms);
        }
    }

    pub(super) fn tick(&mut self, now: Now) {
        self.awake(now);
        self.thrown = 0;
        let outcome = match &self.wait {
            Wait::Transfer(_) => self.transfer_timed_out(),
            Wait::Stream(_) => self.stream_timed_out(),
            _ => self.collect_timed_out(),
        };
        self.settle(outcome);
    }

    // --- inputs
    pub(super) fn handle(&mut self, input: Input, now: Now) {
        let quiet = matches!(input, Input::Fetched { .. });
        let steps = self.steps;
        self.awake(now);
        if quiet {
            // A document that only sends itself on and on is in a circle as well.
            self.steps = steps + 50;
        } else {
            self.thrown = 0;
        }
        let outcome = self.told(input);
        self.settle(outcome);
    }

    fn told(&mut self, input: Input) -> Flow {
        match input {
            Input::Fetched { id, outcome } => self.fetched(id, outcome),
            Input::Played { id } => self.played(id),
            Input::Unplayed { id, event } => self.unplayed(id, event),
            Input::Mark { name, .. } => {
                self.mark = Some((name, self.now.mono));
                Ok(())
            }
            Input::Digit(digit) => self.digit(digit),
            Input::Words { text, confidence } => self.words(&text, confidence),
            Input::Speech { id, on } => self.speech(id, on),
            Input::Heard { id, utterances } => self.heard(id, utterances),
            Input::Unheard { id } => self.unheard(id),
            Input::Recorded { id, recording } => self.recorded(id, recording),
            Input::Transferred { id, outcome } => self.transferred(id, outcome),
            Input::Objected { id, outcome } => self.objected(id, outcome),
            Input::Streamed { id, outcome } => self.streamed(id, outcome),
            Input::Refused { id, event } => match &self.wait {
                Wait::Record(wanted, _) | Wait::Object(wanted) if *wanted == id => self.cannot(event),
                Wait::Transfer(transfer) if transfer.id == id => self.cannot(event),
                Wait::Stream(stream) if stream.id == id => self.cannot(event),
                _ => Ok(()),
            },
            Input::HungUp if self.hung_up => Ok(()),
            Input::HungUp => {
                self.hung_up = true;
                self.queue.clear();
                match &self.wait {
                    Wait::Flush(_, After::End(ending)) => {
                        let ending = ending.clone();
                        self.end(ending);
                        Ok(())
                    }
                    // What was said until now is the recording: it is waited for, and then the handlers have it (§2.3.6).
                    Wait::Record(id, _) => {
                        let id = *id;
                        self.say(Output::StopRecord { id });
                        Ok(())
                    }
                    // A page under way is not waited for any longer.
                    _ => Err(Thrown::new("connection.disconnect.hangup", "the caller hung up")),
                }
            }
        }
    }

    fn cannot(&mut self, event: String) -> Flow {
        self.wait = Wait::Nothing;
        Err(Thrown::new(event, "this platform cannot do that here"))
    }

    fn digit(&mut self, digit: char) -> Flow {
        let digit = digit.to_ascii_uppercase();
        match &self.wait {
            Wait::Collect(_) => self.pressed(digit),
            Wait::Transfer(_) => self.transfer_key(digit),
            // Whoever is streamed to has it.
            Wait::Stream(_) => Ok(()),
            Wait::Record(id, terminator) => {
                let id = *id;
                if terminator.is_none() && self.record_ends_by_key() {
                    self.wait = Wait::Record(id, Some(digit));
                    self.say(Output::StopRecord { id });
                }
                Ok(())
            }
            _ => {
                if self.typed.len() < TYPE_AHEAD {
                    self.typed.push_back(digit);
                }
                Ok(())
            }
        }
    }

    fn fetched(&mut self, id: u64, outcome: Result<Page, NotFetched>) -> Flow {
        let wanted = match &self.wait {
            Wait::Document(wanted, _)
            | Wait::Script(wanted, ..)
            | Wait::Data(wanted, ..)
            | Wait::Grammar(wanted, _) => *wanted,
            _ => return Ok(()),
        };
        if wanted != id {
            return Ok(());
        }
        if self.fetch_audio.take().is_some() {
            self.say(Output::Silence);
        }
        match std::mem::take(&mut self.wait) {
            Wait::Document(_, journey) => self.arrived(*journey, outcome),
            Wait::Script(_, script) => self.script_fetched(&script, outcome),
            Wait::Data(_, name, url) => self.data_fetched(name, &url, outcome),
            Wait::Grammar(_, url) => self.grammar_fetched(&url, outcome),
            other => {
                self.wait = other;
                Ok(())
            }
        }
    }

    // --- the loop
    /// Throws what was thrown, and goes on until something is waited for.
    fn settle(&mut self, mut outcome: Flow) {
        loop {
            if let Err(thrown) = outcome {
                self.throw(thrown);
            }
            if self.over || !matches!(self.wait, Wait::Nothing) {
                return;
            }
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return self
                    .end(Ending::Fault(format!("{MAX_STEPS} steps without waiting for anything: it goes in circles")));
            }
            outcome = self.step();
        }
    }

    fn step(&mut self) -> Flow {
        let Some(visit) = self.visits.last() else {
            self.end(Ending::Exit(None));
            return Ok(());
        };
        match visit.frames.is_empty() {
            false => self.execute(),
            true => self.advance(),
        }
    }

    /// Ends the session once the queue was heard.
    pub(super) fn leave(&mut self, ending: Ending) {
        self.flush(After::End(ending));
    }

    pub(super) fn end(&mut self, ending: Ending) {
        if !std::mem::replace(&mut self.over, true) {
            self.wait = Wait::Nothing;
            self.visits.clear();
            if let Ending::Fault(why) = &ending {
                self.log(true, why.clone());
            }
            self.say(Output::Ended { ending });
            // Its memory is the largest part of a session.
            self.engine = None;
        }
    }

    // --- what all parts need
    pub(super) fn visit(&mut self) -> Flow<&mut Visit> {
        self.visits.last_mut().ok_or_else(|| Thrown::new("exit", "there is no document"))
    }

    pub(super) fn document(&self) -> Option<Arc<Document>> {
        let visit = self.visits.last()?;
        Some(visit.frames.last().map_or_else(|| visit.document.clone(), |frame| frame.document.clone()))
    }

    /// An absolute reference from an element. A handler's are of the document that is active, whatever document it is
    /// inherited from (§5.2.4).
    pub(super) fn resolve(&self, document: &Document, id: ElementId, reference: &str) -> String {
        let visit = self.visits.last();
        let handled = visit.filter(|visit| visit.frames.first().is_some_and(|frame| frame.kind == Kind::Handler));
        let active = handled.map_or(document, |visit| &visit.document);
        document.resolve_within(id, reference, active)
    }

    pub(super) fn engine(&self) -> Flow<&Engine> {
        self.engine.as_ref().ok_or_else(|| Thrown::new("exit", "the session is over"))
    }

    pub(super) fn push(&mut self, frame: Frame) -> Flow {
        self.visit()?.frames.push(frame);
        Ok(())
    }

    /// Runs something of the engine's; what fails is `error.semantic`, with the place of `element`.
    pub(super) fn script<T>(
        &mut self,
        at: (&Arc<Document>, ElementId),
        run: impl FnOnce(&Engine) -> Result<T, Failed>,
    ) -> Flow<T> {
        let outcome = run(self.engine()?);
        outcome.map_err(|failed| {
            let (Failed::Wrong(words) | Failed::Stopped(words)) = &failed;
            let message = format!("{}:{}: {words}", at.0.url, at.0.place(at.1));
            self.log(true, format!("error.semantic: {message}"));
            if matches!(failed, Failed::Stopped(_)) {
                self.strike();
            }
            Thrown::new("error.semantic", message)
        })
    }

    fn strike(&mut self) {
        self.strikes += 1;
        if self.strikes >= MAX_STRIKES {
            return self.end(Ending::Fault(format!("scripts were stopped {MAX_STRIKES} times for taking too much")));
        }
        if let Some(engine) = &self.engine {
            engine.refuel();
        }
    }

    pub(super) fn ask(&mut self, request: Request) -> u64 {
        let id = self.id();
        self.ahead.ask(&request.url);
        self.say(Output::Fetch { id, request });
        id
    }
}

/// The event for a page that could not be had (2.0 §5.2.6).
pub(super) fn badfetch(url: &str, why: &NotFetched) -> Thrown {
    match why {
        NotFetched::Status(status) => {
            Thrown::new(format!("error.badfetch.http.{status}"), format!("{url}: HTTP {status}"))
        }
        NotFetched::Unreachable(words) => Thrown::new("error.badfetch", format!("{url}: {words}")),
    }
}
