//! A VoiceXML application with a caller (RFC 5552): what the interpreter wants becomes prompts, waiting, REFER and the end
//! of the call; what happens on the call is told to it.
//!
//! Heard are the application's own recordings, `<audio src="welcome.wav"/>`, those of web servers, built-in prompts,
//! `<audio src="prompt:welcome"/>`, and words, where the site has somebody to speak them; where it has not they are passed
//! over with a word in the log.

mod calling;
mod playing;
mod streaming;
mod taping;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vxml::{Ending, Input, NotFetched, Output, Page, Start, TransferKind, TransferOrder, TransferOutcome};

use self::calling::Calling;
use self::playing::Playing;
pub(super) use self::streaming::server;
use self::taping::Taping;
use super::dialogue::{Ask, Progress, Told};
use super::line::Line;
use super::speaking::Notice;
use crate::{Fetch, Now};

/// An application's folder in memory, or where its pages are fetched from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pages {
    /// The first document's name in the folder, or its address.
    pub first: String,
    /// By name from the folder, with `/`.
    pub files: BTreeMap<String, Arc<[u8]>>,
    /// What the media catalogue calls the folder's recordings, by their names in the folder.
    pub recordings: BTreeMap<String, String>,
    /// Whose word is taken about page servers' names.
    pub authority: trust::Authority,
    pub dangerous_plain_http: bool,
}

/// Where a page is.
enum Found {
    Here(Result<Page, NotFetched>),
    OnTheWeb(Fetch),
}

impl Pages {
    /// The address of a page: those of a folder see each other as `app:/name`.
    fn address(name: &str) -> String {
        if name.contains("://") { name.to_owned() } else { format!("app:/{name}") }
    }

    /// What the media catalogue calls the audio at an address: one of its own prompts, or a recording of the folder.
    fn prompt(&self, url: &str) -> Option<String> {
        match url.strip_prefix("prompt:") {
            Some(prompt) => Some(prompt.to_owned()),
            // Media knows those of this very call, and of no other.
            None if url.starts_with("recording:") => Some(url.to_owned()),
            None => self.recordings.get(url.strip_prefix("app:/")?).cloned(),
        }
    }

    /// A recording of a web server, as it is asked for. `None`: it is nowhere.
    fn sound(&self, request: vxml::Request) -> Option<Fetch> {
        match self.page(request) {
            Found::OnTheWeb(fetch) => Some(fetch),
            Found::Here(_) => None,
        }
    }

    fn page(&self, request: vxml::Request) -> Found {
        if let Some(name) = request.url.strip_prefix("app:/") {
            let name = name.split('?').next().unwrap_or_default();
            return Found::Here(match self.files.get(name) {
                Some(bytes) => Ok(Page { url: Pages::address(name), bytes: bytes.clone() }),
                None => Err(NotFetched::Status(404)),
            });
        }
        let plain = request.url.starts_with("http://") && self.dangerous_plain_http;
        if !plain && !request.url.starts_with("https://") {
            let words = "only pages of the application's own folder and of https servers are taken";
            return Found::Here(Err(NotFetched::Unreachable(words.into())));
        }
        let (authority, dangerous_plain_http) = (self.authority.clone(), self.dangerous_plain_http);
        Found::OnTheWeb(Fetch { request, authority, dangerous_plain_http })
    }
}

/// One caller's session.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reading {
    pages: Arc<Pages>,
    speech: Option<Arc<site::Speech>>,
    start: Start,
    /// `None` before the caller can hear.
    session: Option<vxml::Session>,
    asks: VecDeque<Ask>,
    next: u64,
    playing: Option<Playing>,
    /// The number of the waiting that stands for the session's own deadline.
    alarm: Option<(u64, std::time::Duration)>,
    transfer: Option<Transfer>,
    /// Numbers that its documents may call.
    may_dial: Vec<site::Pattern>,
    /// Servers that its documents may have callers talk with.
    may_stream: Vec<String>,
    calling: Option<Calling>,
    taping: Option<Taping>,
    /// Words were passed over on this call, and the log says so.
    unspoken: bool,
    /// The caller is gone: what is asked for then reaches nobody.
    gone: bool,
    end: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Transfer {
    id: u64,
    line: Line,
    /// The queue lets the caller go.
    parting: bool,
    /// It has succeeded; our own leg should be ended by whoever transferred.
    done: Option<u64>,
}

/// How long a browser that was told of a transfer's success waits for its own leg to be ended.
const OVERSTAY: std::time::Duration = std::time::Duration::from_secs(10);
/// How long music of a web server may take: nobody waits for it.
const FETCH_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

impl Reading {
    /// `language`: what is spoken where no document says; `None`: what the engine says. `deaf`: nobody recognises words.
    pub fn new(
        pages: Arc<Pages>,
        speech: Option<Arc<site::Speech>>,
        language: Option<String>,
        called: &str,
        calling: &str,
        (seed, deaf): (u64, bool),
    ) -> Reading {
        let language = language.or_else(|| speech.as_ref().map(|speech| speech.language.clone())).unwrap_or_default();
        let start = Start { language, deaf, ..Start::of_call(Pages::address(&pages.first), called, calling, seed) };
        Reading {
            pages,
            speech,
            start,
            session: None,
            asks: VecDeque::new(),
            next: 0,
            playing: None,
            alarm: None,
            transfer: None,
            may_dial: Vec::new(),
            may_stream: Vec::new(),
            calling: None,
            taping: None,
            unspoken: false,
            gone: false,
            end: None,
        }
    }

    /// Whom its documents may call, and who may hear its callers; without it, nobody.
    pub fn as_allowed(self, application: &site::Application) -> Reading {
        let may_dial = application.may_dial.iter().filter_map(|pattern| site::Pattern::parse(pattern).ok()).collect();
        Reading { may_dial, may_stream: application.may_stream.clone(), ..self }
    }

    pub fn ask(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }

    pub fn tell(&mut self, told: Told, now: Now) {
        match told {
            Told::Started if self.session.is_none() => {
                self.session = Some(vxml::Session::new(self.start.clone(), moment(now)));
            }
            Told::Started => {}
            Told::Digit(digit) => self.say(Input::Digit(digit), now),
            Told::Played(segment) | Told::TimedOut(segment) => self.ended(segment, now),
            Told::Transfer(progress) => self.progress(progress, now),
            Told::Far(far) => self.far(far, now),
            Told::Notice(notice) => self.notice(&notice),
            Told::Sound(ask, outcome) => {
                self.in_line(|line, id| line.sound(ask, outcome.clone(), id));
                self.sound(ask, outcome, now);
            }
            Told::Fetched(id, outcome) => self.say(Input::Fetched { id, outcome }, now),
            Told::Speech(id, on) => self.say(Input::Speech { id, on }, now),
            Told::Heard(id, Some(utterances)) => self.say(Input::Heard { id, utterances }, now),
            Told::Heard(id, None) => self.say(Input::Unheard { id }, now),
            Told::Streamed(id, outcome) => self.say(Input::Streamed { id, outcome }, now),
            Told::Recorded { recording, end, duration_ms } => self.recorded(recording, end, duration_ms, now),
            Told::HungUp => {
                self.gone = true;
                self.say(Input::HungUp, now);
            }
        }
        self.serve(now);
    }

    fn say(&mut self, input: Input, now: Now) {
        if let Some(session) = &mut self.session {
            session.handle(input, moment(now));
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A segment was heard, or a waiting is over.
    fn ended(&mut self, number: u64, now: Now) {
        if self.alarm.is_some_and(|(alarm, _)| alarm == number) {
            self.alarm = None;
            if let Some(session) = &mut self.session {
                session.tick(moment(now));
            }
        } else if self.calling.as_ref().is_some_and(|calling| calling.waits_for == number) {
            self.called_long_enough(now);
        } else if self.taping.as_ref().is_some_and(|taping| taping.waits_for == number) {
            self.tape_waited(now);
        } else if self.transfer.as_ref().is_some_and(|transfer| transfer.done == Some(number)) {
            self.asks.push_back(Ask::HangUp { why: "transferred".into() });
        } else if self.transfer.as_ref().is_some_and(|transfer| transfer.parting && transfer.line.is_heard(number)) {
            self.asks.push_back(Ask::HangUp { why: "the queue has let the caller go".into() });
        } else {
            self.in_line(|line, id| line.played(number, id));
            self.heard(number, now);
        }
    }

    /// What the call server has a caller told who waits.
    fn notice(&mut self, notice: &Notice) {
        let (number, speech) = (self.number(), self.speech.clone());
        if let Some(transfer) = self.transfer.as_mut().filter(|transfer| transfer.done.is_none() && !transfer.parting) {
            transfer.parting = matches!(notice, Notice::End(_));
            self.asks.extend(transfer.line.notice(notice, speech.as_ref(), number));
        }
    }

    fn in_line(&mut self, what: impl FnOnce(&mut Line, u64) -> Option<Ask>) {
        let number = self.number();
        let waits = self.transfer.as_mut().filter(|transfer| transfer.done.is_none());
        let line = waits.map(|transfer| &mut transfer.line).or_else(|| self.calling.as_mut().and_then(Calling::line));
        self.asks.extend(line.and_then(|line| what(line, number)));
    }

    /// Does what the session wants until it wants no more.
    fn serve(&mut self, now: Now) {
        while let Some(output) = self.session.as_mut().and_then(vxml::Session::poll) {
            self.take(output, now);
        }
        let due = self.session.as_ref().and_then(vxml::Session::deadline);
        match due {
            Some(due) if self.alarm.is_none_or(|(_, set)| set != due) => {
                let id = self.number();
                self.alarm = Some((id, due));
                self.asks.push_back(Ask::Wait { id, within: due.saturating_sub(now.mono) });
            }
            Some(_) => {}
            None => self.alarm = None,
        }
    }

    fn take(&mut self, output: Output, now: Now) {
        match output {
            Output::Fetch { id, request } => match self.pages.page(request) {
                Found::Here(outcome) => self.say(Input::Fetched { id, outcome }, now),
                Found::OnTheWeb(fetch) => self.asks.push_back(Ask::Fetch { id, fetch: Box::new(fetch) }),
            },
            Output::Prefetch { request, is_audio } => {
                // What is in the folder is here.
                if let Found::OnTheWeb(fetch) = self.pages.page(request) {
                    self.asks.push_back(Ask::Prefetch { fetch: Box::new(fetch), is_audio });
                }
            }
            Output::Play { id, segments, repeat } => {
                self.playing = Some(Playing::new(id, segments, repeat));
                self.play(now);
            }
            Output::Silence => {
                self.playing = None;
                self.asks.push_back(Ask::Silence);
            }
            Output::Listen { .. } => {}
            Output::Hear { id, hearing } => self.asks.push_back(Ask::Hear { id, hearing }),
            Output::StopHearing { .. } => self.asks.push_back(Ask::StopHearing),
            Output::Record { id, order } => self.record(id, order, now),
            Output::StopRecord { id } => self.stop_recording(id, now),
            Output::Object { id, .. } => {
                self.say(Input::Refused { id, event: "error.unsupported.objectname".into() }, now);
            }
            Output::Stream { id, order } => self.stream(id, order, now),
            Output::EndStream { .. } => self.asks.push_back(Ask::EndStream),
            Output::Transfer { id, order } if order.kind == TransferKind::Blind => self.refer(id, &order, now),
            Output::Transfer { id, order } => self.call(id, &order, now),
            Output::EndTransfer { id } => self.had_enough(id, now),
            // The session still has things to put in order; the call ends with it.
            Output::HangUp => self.end = Some("the application hung up".into()),
            // What an application logs may hold a caller's digits: it goes nowhere but to those who trace.
            Output::Log { fault: false, .. } => tracing::debug!("the application wrote a line of log"),
            Output::Log { fault: true, words } => {
                let place = words.split(": ").next().unwrap_or_default().to_owned();
                tracing::warn!(%place, "an application's document is wrong; `ringfence vxml check` says how");
            }
            Output::Ended { ending } => self.over(&ending),
        }
    }

    fn over(&mut self, ending: &Ending) {
        let why = self.end.take().unwrap_or_else(|| match ending {
            Ending::Exit(_) | Ending::Disconnect(_) => "the application ended".to_owned(),
            Ending::Fault(_) => "the application failed".to_owned(),
        });
        if self.transfer.as_ref().is_some_and(|transfer| transfer.done.is_some()) {
            return;
        }
        self.asks.push_back(Ask::HangUp { why });
    }

    // --- transfer
    fn refer(&mut self, id: u64, order: &TransferOrder, now: Now) {
        let queue =
            order.destination.strip_prefix("sip:").map(|rest| rest.split(['@', ';']).next().unwrap_or_default());
        let Some(queue) = queue.filter(|queue| !queue.is_empty()).map(str::to_owned) else {
            return self.say(Input::Refused { id, event: "error.connection.baddestination".into() }, now);
        };
        let line = self.waiting_line(order);
        self.transfer = Some(Transfer { id, line, parting: false, done: None });
        self.asks.push_back(Ask::Transfer { queue, attached: order.aai.clone(), call_back: false });
    }

    /// What is heard until somebody answers (`transferaudio`).
    fn waiting_line(&mut self, order: &TransferOrder) -> Line {
        let language = Some(self.start.language.clone()).filter(|language| !language.is_empty());
        match order.audio.as_deref().map(|audio| (audio, self.pages.prompt(audio))) {
            None => Line::new(None, language),
            Some((_, Some(prompt))) => Line::new(Some(prompt), language),
            Some((audio, None)) => match self.pages.sound(vxml::Request::get(audio.to_owned(), FETCH_TIMEOUT)) {
                Some(fetch) => {
                    let ask = self.number();
                    self.asks.push_back(Ask::Sound { id: ask, fetch: Box::new(fetch) });
                    Line::with_music_coming(ask, language)
                }
                None => Line::new(None, language),
            },
        }
    }

    fn progress(&mut self, progress: Progress, now: Now) {
        let number = self.number();
        let Some(transfer) = self.transfer.as_mut().filter(|transfer| transfer.done.is_none()) else {
            return self.handed_over(progress, now);
        };
        let id = transfer.id;
        match progress {
            Progress::Trying => {}
            Progress::Queued => self.asks.extend(transfer.line.begin(number)),
            Progress::Done => {
                transfer.done = Some(number);
                self.asks.push_back(Ask::Silence);
                self.asks.push_back(Ask::Wait { id: number, within: OVERSTAY });
                self.say(Input::Transferred { id, outcome: TransferOutcome::Gone }, now);
            }
            Progress::Failed(status) => {
                self.transfer = None;
                self.asks.push_back(Ask::Silence);
                self.say(Input::Transferred { id, outcome: calling::outcome(status) }, now);
            }
        }
    }
}

fn moment(now: Now) -> vxml::Now {
    vxml::Now { mono: now.mono, wall_ms: call::ms(now) }
}
