//! A session in words: what it says as lines, and lines for what its caller does. For a person at a terminal, for scripts
//! that are compared, for tests. Time is the session's own: prompts end at once, and whoever says nothing is waited for in
//! no time.

use std::time::Duration;

use crate::session::{
    Ending, Input, NotFetched, Now, Output, Page, Part, PartValue, RecordOrder, Recording, Request, Session, Start,
    StreamEnd, TransferKind, TransferOrder, TransferOutcome,
};
use crate::speech::Segment;

/// A session with somebody who types.
pub struct Conversation<F> {
    pub session: Session,
    now: Now,
    fetch: F,
    playing: Option<u64>,
    awaited: Option<Awaited>,
    /// Of the recording that is awaited.
    order: Option<RecordOrder>,
    recordings: u64,
    /// Addresses that were to be fetched ahead of their turn, in order.
    pub ahead: Vec<String>,
    /// When the transfer that is awaited began.
    since: Duration,
}

/// What the next line answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Record(u64),
    Transfer(u64, TransferKind),
    Stream(u64),
}

/// Outputs that one turn may make before it is taken for endless.
const MAX_OUTPUTS: usize = 10_000;

impl<F: FnMut(&Request) -> Result<Page, NotFetched>> Conversation<F> {
    pub fn new(start: Start, now: Now, fetch: F) -> Conversation<F> {
        Conversation {
            session: Session::new(start, now),
            now,
            fetch,
            playing: None,
            awaited: None,
            order: None,
            recordings: 0,
            ahead: Vec::new(),
            since: now.mono,
        }
    }

    /// Goes on until the caller has to do something, or, with `halt`, until something is played. What was said.
    pub fn listen(&mut self, halt: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..MAX_OUTPUTS {
            match self.session.poll() {
                Some(output) => {
                    let plays = matches!(output, Output::Play { .. });
                    lines.extend(self.take(output));
                    if plays && halt {
                        return lines;
                    }
                }
                None => match self.playing.take() {
                    Some(id) => {
                        self.pass(Duration::from_secs(1));
                        self.session.handle(Input::Played { id }, self.now);
                    }
                    None => return lines,
                },
            }
        }
        lines.push("fault: it never stops".into());
        lines
    }

    fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.wall_ms += time.as_millis() as u64;
    }

    fn take(&mut self, output: Output) -> Option<String> {
        Some(match output {
            Output::Fetch { id, request } => {
                let outcome = (self.fetch)(&request);
                let line = match &request.body {
                    _ if !request.parts.is_empty() => {
                        format!("post: {} {}", request.url, parts_in_words(&request.parts))
                    }
                    Some(body) => format!("post: {} {body}", request.url),
                    None => format!("get: {}", request.url),
                };
                self.session.handle(Input::Fetched { id, outcome }, self.now);
                line
            }
            Output::Prefetch { request, .. } => {
                self.ahead.push(request.url);
                return None;
            }
            Output::Play { id, segments, repeat } => {
                for segment in &segments {
                    if let (Segment::Mark(name), false) = (segment, repeat) {
                        self.session.handle(Input::Mark { id, name: name.clone() }, self.now);
                    }
                }
                self.playing = (!repeat).then_some(id);
                let how = if repeat { "loop" } else { "says" };
                format!("{how}: {}", Segment::in_words(&segments))
            }
            Output::Silence => {
                self.playing = None;
                return None;
            }
            // Who types is heard without anybody listening.
            Output::Listen { .. } | Output::Hear { .. } | Output::StopHearing { .. } => return None,
            Output::Record { id, order } => {
                if Recording::octets(&order.media_type, 0).is_none() {
                    let event = "error.unsupported.format".to_owned();
                    self.session.handle(Input::Refused { id, event }, self.now);
                    return Some(format!("cannot record {}", order.media_type));
                }
                self.awaited = Some(Awaited::Record(id));
                let beep = if order.beep { " after a beep" } else { "" };
                let line = format!("records: up to {} s{beep}", order.max.as_secs());
                self.order = Some(order);
                line
            }
            Output::StopRecord { id } => {
                if self.awaited.take() == Some(Awaited::Record(id)) {
                    self.recorded(id, Some(1000));
                }
                return None;
            }
            Output::Transfer { id, order } => {
                self.awaited = Some(Awaited::Transfer(id, order.kind));
                self.since = self.now.mono;
                transfer_in_words(&order)
            }
            Output::EndTransfer { id } => {
                self.awaited = None;
                let seconds = self.now.mono.saturating_sub(self.since).as_secs() as u32;
                let outcome = TransferOutcome::NearEndDisconnect { seconds };
                self.session.handle(Input::Transferred { id, outcome }, self.now);
                return None;
            }
            Output::Object { id, class, .. } => {
                let outcome = Err("error.unsupported.objectname".to_owned());
                self.session.handle(Input::Objected { id, outcome }, self.now);
                format!("object: {class}")
            }
            Output::Stream { id, order } => {
                self.awaited = Some(Awaited::Stream(id));
                self.since = self.now.mono;
                format!("streams: to {} with {}", order.url, order.parameters)
            }
            Output::EndStream { .. } => {
                self.awaited = None;
                "ends the stream".into()
            }
            Output::HangUp => "hangs up".into(),
            Output::Log { fault, words } => format!("{}: {words}", if fault { "fault" } else { "log" }),
            Output::Ended { ending } => match ending {
                Ending::Exit(None) => "ends".into(),
                Ending::Exit(Some(value)) => format!("ends: {value}"),
                Ending::Disconnect(None) => "ends: disconnected".into(),
                Ending::Disconnect(Some(value)) => format!("ends: disconnected {value}"),
                Ending::Fault(_) => "ends: fault".into(),
            },
        })
    }

    /// What the caller does: keys (`123#`), words, nothing (an empty line: time passes), `!hangup`, `!wait 500` (ms). While
    /// recording a line is what is said; while transferring it is keys, or the outcome: `busy`, `noanswer`, `failed`, or
    /// anything else for success; while streaming it is keys, `closed`, an `error.…`, or the value: JSON, or a text as it is.
    pub fn hear(&mut self, line: &str) {
        let line = line.trim();
        if line == "!hangup" {
            self.playing = None;
            return self.session.handle(Input::HungUp, self.now);
        }
        if let Some(time) = line.strip_prefix("!wait ").and_then(|ms| ms.parse().ok()) {
            self.pass(Duration::from_millis(time));
            return self.session.tick(self.now);
        }
        let keys = !line.is_empty() && line.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '#'));
        match self.awaited {
            Some(Awaited::Record(id)) if !keys => {
                self.awaited = None;
                return self.recorded(id, (!line.is_empty()).then(|| line.split_whitespace().count() as u64 * 500));
            }
            Some(Awaited::Transfer(id, kind)) if !keys => {
                self.awaited = None;
                let outcome = outcome_of(line, kind);
                return self.session.handle(Input::Transferred { id, outcome }, self.now);
            }
            Some(Awaited::Stream(id)) if !keys && !line.is_empty() => {
                self.awaited = None;
                let outcome = streamed(line, self.now.mono.saturating_sub(self.since));
                return self.session.handle(Input::Streamed { id, outcome }, self.now);
            }
            _ => {}
        }
        if keys {
            for key in line.chars() {
                self.pass(Duration::from_millis(100));
                self.session.handle(Input::Digit(key), self.now);
            }
        } else if line.is_empty() {
            self.wait();
        } else {
            self.session.handle(Input::Words { text: line.to_owned(), confidence: 90 }, self.now);
        }
    }

    /// Half a second a word; longer than the order allows is cut there.
    fn recorded(&mut self, id: u64, duration_ms: Option<u64>) {
        let Some(order) = self.order.take() else { return };
        let longest = order.max.as_millis() as u64;
        let recording = duration_ms.map(|duration_ms| {
            self.recordings += 1;
            let recording = recording(self.recordings, &order.media_type, duration_ms.min(longest));
            Recording { max_time: duration_ms >= longest, ..recording }
        });
        self.session.handle(Input::Recorded { id, recording }, self.now);
    }

    /// Nothing happens until the session's patience ends.
    pub fn wait(&mut self) {
        if let Some(due) = self.session.deadline() {
            self.pass(due.saturating_sub(self.now.mono));
            self.session.tick(self.now);
        }
    }

    pub fn is_over(&self) -> bool {
        self.session.is_over()
    }
}

/// What a line would be as a recording: its words are the length, nothing is in it.
fn recording(number: u64, media_type: &str, duration_ms: u64) -> Recording {
    let bytes = Recording::octets(media_type, duration_ms).unwrap_or_default();
    Recording { url: format!("recording:{number}"), duration_ms, bytes, max_time: false }
}

fn parts_in_words(parts: &[Part]) -> String {
    let words = parts.iter().map(|Part { name, value }| match value {
        PartValue::Text(text) => format!("{name}={text}"),
        PartValue::Recording { url, media_type } => format!("{name}=[{url} as {media_type}]"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn transfer_in_words(order: &TransferOrder) -> String {
    let kind = match order.kind {
        TransferKind::Blind => "blind",
        TransferKind::Bridge => "bridge",
        TransferKind::Consultation => "consultation",
    };
    let aai = order.aai.as_ref().map(|aai| format!(" with {aai}")).unwrap_or_default();
    format!("transfers: {kind} to {}{aai}", order.destination)
}

fn streamed(line: &str, lasted: Duration) -> Result<StreamEnd, String> {
    if line.starts_with("error.") {
        return Err(line.to_owned());
    }
    let stopped = line != "closed";
    let value = match serde_json::from_str(line) {
        _ if !stopped => serde_json::Value::Null,
        Ok(value) => value,
        Err(_) => line.into(),
    };
    Ok(StreamEnd { stopped, value: value.to_string(), duration_ms: lasted.as_millis() as u64 })
}

fn outcome_of(line: &str, kind: TransferKind) -> TransferOutcome {
    match (line, kind) {
        ("busy", _) => TransferOutcome::Busy,
        ("noanswer", _) => TransferOutcome::NoAnswer,
        ("failed", _) => TransferOutcome::Failed { event: None },
        (event, _) if event.starts_with("error.") => TransferOutcome::Failed { event: Some(event.to_owned()) },
        (_, TransferKind::Bridge) => TransferOutcome::FarEndDisconnect { seconds: 10 },
        _ => TransferOutcome::Gone,
    }
}
