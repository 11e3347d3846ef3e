//! One caller's session (VoiceXML 2.0 §1.2.1, appendix C): told what happens, it says what it wants next.
//!
//! Everything that a session does follows from [`Start`] and its inputs with their times. So its snapshot is these: a
//! session is restored by running it again, scripts, dice and clock included.

mod ahead;
mod collect;
mod events;
mod execute;
mod form;
mod grammars;
mod hearing;
mod items;
mod machine;
mod navigate;
mod prompts;
mod properties;
mod stream;
mod transfer;
mod visit;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::hearing::{Hearing, Utterance};
use self::machine::Machine;
pub use self::stream::{StreamEnd, StreamOrder};
use crate::speech::Segment;

/// Monotonic and wall time together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    pub mono: Duration,
    /// Milliseconds since 1970: what a script's `Date` says.
    pub wall_ms: u64,
}

/// What a session begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The application's first document.
    pub url: String,
    pub seed: u64,
    /// Session variables (2.0 §5.1.4) as a JSON object: `{"connection": {"local": {"uri": "sip:6016@…"}}}`.
    pub variables: String,
    /// Properties (2.0 §6.3) that hold where no document sets them.
    pub properties: BTreeMap<String, String>,
    /// What is spoken where no document says (BCP 47); empty: English.
    #[serde(default)]
    pub language: String,
    /// Nobody recognises words: no [`Output::Hear`], and where words alone would be taken, `error.noresource`.
    #[serde(default)]
    pub deaf: bool,
}

impl Start {
    /// A call by SIP (RFC 5552 §2.4): who was called and who calls, numbers or user parts of URIs.
    pub fn of_call(url: String, called: &str, calling: &str, seed: u64) -> Start {
        let line = |number: &str| serde_json::json!({ "uri": format!("sip:{number}") });
        let connection = serde_json::json!({
            "local": line(called),
            "remote": line(calling),
            "protocol": { "name": "sip", "version": "2.0" },
        });
        let variables = serde_json::json!({ "connection": connection }).to_string();
        Start { url, seed, variables, ..Start::default() }
    }
}

/// What a session hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// The answer to [`Output::Fetch`].
    Fetched {
        id: u64,
        outcome: Result<Page, NotFetched>,
    },
    /// What [`Output::Play`] asked for was heard to its end.
    Played {
        id: u64,
    },
    /// What [`Output::Play`] asked for cannot be heard, or no further: the event to throw, e.g. `error.noresource`.
    Unplayed {
        id: u64,
        event: String,
    },
    /// A mark of what is played was reached (2.1 §6.1).
    Mark {
        id: u64,
        name: String,
    },
    /// A key.
    Digit(char),
    /// What a person at a terminal types instead of speaking; confidence from 0 to 100.
    Words {
        text: String,
        confidence: u8,
    },
    /// Of [`Output::Hear`]: the caller begins to speak, or has ended.
    Speech {
        id: u64,
        on: bool,
    },
    /// The answer to [`Output::Hear`]: what was said, in one way or several; none: nothing that is in a grammar.
    Heard {
        id: u64,
        utterances: Vec<Utterance>,
    },
    /// Nobody can listen, or no further.
    Unheard {
        id: u64,
    },
    /// The answer to [`Output::Record`]; `None`: nothing was said.
    Recorded {
        id: u64,
        recording: Option<Recording>,
    },
    /// The end of [`Output::Transfer`].
    Transferred {
        id: u64,
        outcome: TransferOutcome,
    },
    /// The answer to [`Output::Object`]: JSON, or the event to throw (`error.unsupported.objectname`).
    Objected {
        id: u64,
        outcome: Result<String, String>,
    },
    /// The end of [`Output::Stream`]: how, or the event to throw.
    Streamed {
        id: u64,
        outcome: Result<StreamEnd, String>,
    },
    /// What [`Output::Record`], [`Output::Transfer`], [`Output::Stream`] or [`Output::Object`] wants cannot be done here: the event to throw,
    /// e.g. `error.unsupported.record`.
    Refused {
        id: u64,
        event: String,
    },
    HungUp,
}

/// What a session wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    Fetch {
        id: u64,
        request: Request,
    },
    /// May be wanted soon: nothing is answered, and nobody waits.
    Prefetch {
        request: Request,
        is_audio: bool,
    },
    /// Instead of what is being played. One is played at a time.
    Play {
        id: u64,
        segments: Vec<Segment>,
        repeat: bool,
    },
    Silence,
    /// Keys or words are waited for from now on, or no more.
    Listen {
        on: bool,
    },
    /// Words are listened for, until [`Input::Heard`], [`Input::Unheard`] or [`Output::StopHearing`].
    Hear {
        id: u64,
        hearing: Box<Hearing>,
    },
    StopHearing {
        id: u64,
    },
    Record {
        id: u64,
        order: RecordOrder,
    },
    /// Enough: [`Input::Recorded`] follows.
    StopRecord {
        id: u64,
    },
    Transfer {
        id: u64,
        order: TransferOrder,
    },
    /// The caller has ended it by a key of its grammar: the far end is to be let go. [`Input::Transferred`] follows.
    EndTransfer {
        id: u64,
    },
    Object {
        id: u64,
        class: String,
        data: String,
        parameters: String,
    },
    /// The caller hears whoever is at an address, and is heard there, until [`Input::Streamed`] or [`Output::EndStream`].
    Stream {
        id: u64,
        order: Box<StreamOrder>,
    },
    /// It was as long as it may be. Nothing more is told of it.
    EndStream {
        id: u64,
    },
    /// `<disconnect>`: end the call. The session goes on for a moment to put its things in order.
    HangUp,
    /// A line for the log: an application's own, or what went wrong and where.
    Log {
        fault: bool,
        words: String,
    },
    /// Nothing more comes. What `<exit>` or `<disconnect>` gave, as JSON.
    Ended {
        ending: Ending,
    },
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    Exit(Option<String>),
    Disconnect(Option<String>),
    /// An error that nobody caught, or a session that would not end by itself: words.
    Fault(String),
}

/// A page that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub url: String,
    /// `None`, and no parts: GET. Otherwise POST of `application/x-www-form-urlencoded`.
    pub body: Option<String>,
    /// If there are any: POST of `multipart/form-data` (RFC 7578) instead.
    pub parts: Vec<Part>,
    pub timeout: Duration,
    /// Seconds (RFC 9111 §5.2.1): what a cache may give.
    pub max_age: Option<u32>,
    pub max_stale: Option<u32>,
}

impl Request {
    /// A page as it is.
    pub fn get(url: String, timeout: Duration) -> Request {
        Request { url, body: None, parts: Vec::new(), timeout, max_age: None, max_stale: None }
    }
}

/// A variable that is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub name: String,
    pub value: PartValue,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PartValue {
    Text(String),
    /// What a `<record>` of this session gave: its [`Recording::url`], and the type that it ordered.
    Recording {
        url: String,
        media_type: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// After redirects.
    pub url: String,
    pub bytes: Arc<[u8]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotFetched {
    /// `error.badfetch.http.404`.
    Status(u16),
    /// No answer in time, no connection, a certificate that does not match: `error.badfetch`.
    Unreachable(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordOrder {
    pub beep: bool,
    pub max: Duration,
    pub final_silence: Duration,
    /// How long nothing may be said at first.
    pub timeout: Duration,
    pub media_type: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Where it can be had: by `<audio>` and `<submit>`.
    pub url: String,
    pub duration_ms: u64,
    pub bytes: u64,
    /// It was as long as it may be.
    pub max_time: bool,
}

impl Recording {
    /// How large one of this type and length is: a WAV of 16 bit, or µ-law (`audio/basic`), both of 8 kHz. `None`: no type
    /// that is made here (`error.unsupported.format`).
    pub fn octets(media_type: &str, duration_ms: u64) -> Option<u64> {
        match media_type.to_ascii_lowercase().as_str() {
            "" | "audio/x-wav" | "audio/wav" | "audio/wave" | "audio/vnd.wave" => Some(44 + duration_ms * 16),
            "audio/basic" => Some(duration_ms * 8),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferKind {
    Blind,
    Bridge,
    Consultation,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferOrder {
    pub kind: TransferKind,
    /// `sip:` or `tel:`.
    pub destination: String,
    pub connect_timeout: Option<Duration>,
    pub max_time: Option<Duration>,
    /// Application-to-application information.
    pub aai: Option<String>,
    /// What is played until the far end answers.
    pub audio: Option<String>,
}

/// What became of a transfer (2.0 §2.3.7, 2.1 §8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferOutcome {
    /// Blind or consultation: the caller is somebody else's now (`connection.disconnect.transfer`).
    Gone,
    /// Bridge: it was talked for so long, then the far end hung up.
    FarEndDisconnect {
        seconds: u32,
    },
    NearEndDisconnect {
        seconds: u32,
    },
    MaxTime {
        seconds: u32,
    },
    /// Nobody hung up: the network lost the far end.
    NetworkDisconnect {
        seconds: u32,
    },
    Busy,
    NetworkBusy,
    NoAnswer,
    /// The network refused: `unknown`, or with the event to throw, e.g. `error.connection.baddestination`.
    Failed {
        event: Option<String>,
    },
}

/// A session and all that it was told.
#[derive(Debug)]
pub struct Session {
    machine: Machine,
    start: Start,
    began: Now,
    history: Vec<(Now, Step)>,
    /// Bytes of the history, roughly.
    size: usize,
    polled: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Told(Input),
    Ticked,
}

/// A session written out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    start: Start,
    began: Now,
    history: Vec<(Now, Step)>,
    polled: u64,
}

impl Serialize for Session {
    /// A session too long to be run again is written out as one that begins anew.
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let anew = || Snapshot { start: self.start.clone(), began: self.began, history: Vec::new(), polled: 0 };
        self.snapshot().unwrap_or_else(anew).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Session {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Session, D::Error> {
        Snapshot::deserialize(from).map(Session::restore)
    }
}

/// What a session may be told in all before it is too long to be run again.
const MAX_HISTORY: usize = 4 << 20;

impl Session {
    /// Asks for the first document at once.
    pub fn new(start: Start, now: Now) -> Session {
        Session { machine: Machine::new(&start, now), start, began: now, history: Vec::new(), size: 0, polled: 0 }
    }

    pub fn handle(&mut self, input: Input, now: Now) {
        if self.machine.is_over() {
            return;
        }
        self.size += match &input {
            Input::Fetched { outcome: Ok(page), .. } => page.bytes.len(),
            Input::Streamed { outcome: Ok(end), .. } => 64 + end.value.len(),
            _ => 64,
        };
        if self.size <= MAX_HISTORY {
            self.history.push((now, Step::Told(input.clone())));
        }
        self.machine.handle(input, now);
    }

    pub fn poll(&mut self) -> Option<Output> {
        let output = self.machine.poll();
        self.polled += u64::from(output.is_some());
        output
    }

    /// When [`Session::tick`] is wanted, by the monotonic clock.
    pub fn deadline(&self) -> Option<Duration> {
        self.machine.deadline()
    }

    pub fn tick(&mut self, now: Now) {
        if self.deadline().is_some_and(|due| due <= now.mono) {
            self.size += 32;
            if self.size <= MAX_HISTORY {
                self.history.push((now, Step::Ticked));
            }
            self.machine.tick(now);
        }
    }

    pub fn is_over(&self) -> bool {
        self.machine.is_over()
    }

    /// `None`: it was told more than can be run again; such a caller begins anew.
    pub fn snapshot(&self) -> Option<Snapshot> {
        (self.size <= MAX_HISTORY).then(|| Snapshot {
            start: self.start.clone(),
            began: self.began,
            history: self.history.clone(),
            polled: self.polled,
        })
    }

    /// Runs it again up to where it was.
    pub fn restore(snapshot: Snapshot) -> Session {
        let Snapshot { start, began, history, polled } = snapshot;
        let mut session = Session::new(start, began);
        for (now, step) in history {
            match step {
                Step::Told(input) => session.handle(input, now),
                Step::Ticked => session.tick(now),
            }
        }
        for _ in 0..polled {
            session.poll();
        }
        session
    }
}
