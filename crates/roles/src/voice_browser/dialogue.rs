//! What is said to a caller and what is made of the answer, apart from SIP and media.
//!
//! A [`Session`] asks ([`Ask`]: play, wait, transfer, hang up) and is told ([`Told`]: played, a digit, time is up, how
//! the transfer goes). This one asks a single question;
//! [`super::pages`] asks and is told the same for a VoiceXML application.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use media::KeptEnd;
use serde::{Deserialize, Serialize};
use site::Application;

use super::line::Line;
use super::speaking::{NoSound, Notice};
use crate::{Fetch, Speak};

/// What a session wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ask {
    /// Play this prompt instead of what is being played; [`Told::Played`] with this number when it ends by itself.
    Play {
        id: u64,
        prompt: String,
        repeat: bool,
    },
    /// Stop playing (barge-in).
    Silence,
    /// [`Told::TimedOut`] with this number after so long.
    Wait {
        id: u64,
        within: Duration,
    },
    /// Blind transfer to this queue (RFC 5552 §6); the session stays with the caller until it has succeeded.
    Transfer {
        queue: String,
        /// What goes to the agent with the caller.
        attached: Option<String>,
        /// The caller wants to be called back when the turn comes, rather than wait.
        call_back: bool,
    },
    /// [`Told::Fetched`] with this number when the page is there, or is known not to come.
    Fetch {
        id: u64,
        fetch: Box<Fetch>,
    },
    /// Into the cache, for when it is wanted: nothing is told.
    Prefetch {
        fetch: Box<Fetch>,
        is_audio: bool,
    },
    /// Call this number for the caller, who stays with us; one at a time. [`Told::Far`] says how it goes.
    Dial {
        number: String,
        /// What goes there with the call.
        attached: Option<String>,
    },
    /// Caller and far party hear each other; the caller's keys are told as before.
    Join,
    /// No more of the far party.
    LetGo {
        why: String,
    },
    /// The caller goes to the far party for good; [`Told::Transfer`] says how it goes.
    HandOver,
    /// [`Told::Sound`] with this number when the recording can be played, or is known not to come.
    Sound {
        id: u64,
        fetch: Box<Fetch>,
    },
    /// The same of words.
    Speak {
        id: u64,
        speak: Box<Speak>,
    },
    /// Listen to the caller: [`Told::Speech`] and [`Told::Heard`] with this number.
    Hear {
        id: u64,
        hearing: Box<vxml::Hearing>,
    },
    StopHearing,
    /// The caller talks with a bot: [`Told::Streamed`] with this number when that is over.
    Stream {
        id: u64,
        order: Box<vxml::StreamOrder>,
        authority: trust::Authority,
        dangerous_plain_http: bool,
    },
    EndStream,
    /// Record what the caller says, sealed, as [`media::Keep`] has it; [`Told::Recorded`] with this number when it ended.
    Record {
        recording: u64,
        longest: Duration,
        final_silence: Duration,
        /// How long nothing may be said at first.
        patience: Duration,
    },
    /// End the recording now.
    StopRecord,
    HangUp {
        why: String,
    },
}

/// What a session hears.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// The caller is there and can hear.
    Started,
    Played(u64),
    Digit(char),
    TimedOut(u64),
    Transfer(Progress),
    Far(Far),
    Fetched(u64, Result<vxml::Page, vxml::NotFetched>),
    /// By which name it can be played.
    Sound(u64, Result<String, NoSound>),
    /// The caller begins to speak, or has ended.
    Speech(u64, bool),
    /// In which ways it can be heard; `None`: nobody can listen, or no further.
    Heard(u64, Option<Vec<vxml::Utterance>>),
    /// How it ended, or the event.
    Streamed(u64, Result<vxml::StreamEnd, String>),
    /// What who waits in a queue is to hear.
    Notice(Notice),
    Recorded {
        recording: u64,
        end: KeptEnd,
        duration_ms: u64,
    },
    /// The caller is gone.
    HungUp,
}

/// What becomes of [`Ask::Dial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Far {
    Answered,
    /// It came to nothing; the status says why.
    Refused(u16),
    /// They hung up.
    HungUp,
    /// Nobody hung up, and they are not there any more.
    Lost,
}

/// How a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// Something is being tried.
    Trying,
    /// The caller waits in a queue (182).
    Queued,
    /// The caller talks with somebody else now.
    Done,
    /// It came to nothing; the status says why.
    Failed(u16),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Fresh,
    /// The question is being played. A digit is taken at once.
    Asking(u64),
    /// The question was asked; an answer is waited for.
    Listening(u64),
    /// The caller is told that this was no answer, or that the transfer failed; the question follows.
    Correcting(u64),
    Transferring,
    /// The transfer is a promise to call back: once it is made the caller is let go.
    Promising,
    /// Music is all that is wanted.
    Playing,
    /// The queue lets the caller go: its last words are heard.
    Parting,
    /// The caller is with somebody else; our leg should be ended by whoever transferred.
    Transferred(u64),
    /// Goodbye is being played.
    Leaving(u64),
    Over,
}

/// One caller's dialogue with one application.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    application: Application,
    /// Who speaks, where somebody does.
    speech: Option<Arc<site::Speech>>,
    state: State,
    line: Line,
    /// Questions that met silence or a wrong digit.
    misses: u32,
    next: u64,
    asks: VecDeque<Ask>,
}

/// How long a browser that was told of a transfer's success waits for its own leg to be ended.
const OVERSTAY: Duration = Duration::from_secs(10);
/// What is played before a caller is let go.
const GOODBYE: &str = "goodbye";

impl Session {
    pub fn new(application: Application, speech: Option<Arc<site::Speech>>) -> Session {
        let line = Line::new(Some(application.queue_music.clone()), application.language.clone());
        Session { application, speech, state: State::Fresh, line, misses: 0, next: 0, asks: VecDeque::new() }
    }

    /// For a caller of whom nothing is to be asked: who waits already, or is held.
    pub fn music(application: Application, speech: Option<Arc<site::Speech>>) -> Session {
        Session { state: State::Playing, ..Session::new(application, speech) }
    }

    pub fn ask(&mut self) -> Option<Ask> {
        self.asks.pop_front()
    }

    pub fn tell(&mut self, told: Told) {
        match (&self.state, told) {
            (State::Over, _) => {}
            (State::Fresh, Told::Started) => self.question(),
            (State::Playing, Told::Started) => self.in_line(Line::begin),
            (State::Asking(id), Told::Played(played)) if *id == played => {
                let id = self.wait(Duration::from_secs(self.application.timeout_s.into()));
                self.state = State::Listening(id);
            }
            (State::Correcting(id), Told::Played(played)) if *id == played => self.question(),
            (State::Leaving(id), Told::Played(played)) if *id == played => {
                let missed = self.misses >= self.application.tries;
                self.hang_up(if missed { "no choice was made" } else { "the caller is called back" });
            }
            (State::Listening(id), Told::TimedOut(timed)) if *id == timed => self.missed(),
            (State::Transferred(id), Told::TimedOut(timed)) if *id == timed => self.hang_up("transferred"),
            (State::Asking(_) | State::Listening(_) | State::Correcting(_), Told::Digit(digit)) => self.pressed(digit),
            (State::Transferring, Told::Transfer(progress)) => self.transfer(progress),
            (State::Transferring | State::Playing, Told::Notice(notice)) => self.notice(&notice),
            (State::Transferring | State::Playing | State::Parting, Told::Sound(sound, outcome)) => {
                self.in_line(|line, id| line.sound(sound, outcome, id));
            }
            (State::Transferring | State::Playing, Told::Played(played)) => {
                self.in_line(|line, id| line.played(played, id));
            }
            (State::Parting, Told::Played(played)) if self.line.is_heard(played) => {
                self.hang_up("the queue has let the caller go");
            }
            (State::Promising, Told::Transfer(Progress::Done)) => {
                let id = self.play(GOODBYE.into(), false);
                self.state = State::Leaving(id);
            }
            (State::Promising, Told::Transfer(Progress::Failed(_))) => self.correct(),
            // A digit while music plays, the end of a prompt that was barged into, a timer that nobody waits for.
            _ => {}
        }
    }

    fn pressed(&mut self, digit: char) {
        let choice = self.application.choices.iter().find(|choice| choice.digit == digit);
        match choice.map(|choice| (choice.queue.clone(), choice.call_back)) {
            Some((queue, call_back)) => {
                self.asks.push_back(Ask::Silence);
                self.asks.push_back(Ask::Transfer { queue, attached: None, call_back });
                self.state = if call_back { State::Promising } else { State::Transferring };
            }
            None => self.missed(),
        }
    }

    /// Silence, or a digit that is no choice.
    fn missed(&mut self) {
        self.misses += 1;
        if self.misses >= self.application.tries {
            let id = self.play(GOODBYE.into(), false);
            self.state = State::Leaving(id);
        } else {
            self.correct();
        }
    }

    fn correct(&mut self) {
        let id = self.play(self.application.invalid_prompt.clone(), false);
        self.state = State::Correcting(id);
    }

    fn question(&mut self) {
        let id = self.play(self.application.prompt.clone(), false);
        self.state = State::Asking(id);
    }

    fn transfer(&mut self, progress: Progress) {
        match progress {
            Progress::Trying => {}
            Progress::Queued => self.in_line(Line::begin),
            Progress::Done => {
                self.asks.push_back(Ask::Silence);
                let id = self.wait(OVERSTAY);
                self.state = State::Transferred(id);
            }
            // The caller did nothing wrong: an apology in the words that there are, and the question again.
            Progress::Failed(_) => {
                self.line = Line::new(Some(self.application.queue_music.clone()), self.application.language.clone());
                self.correct();
            }
        }
    }

    fn notice(&mut self, notice: &Notice) {
        let speech = self.speech.clone();
        self.in_line(|line, id| line.notice(notice, speech.as_ref(), id));
        if matches!(notice, Notice::End(_)) {
            self.state = State::Parting;
        }
    }

    fn in_line(&mut self, what: impl FnOnce(&mut Line, u64) -> Option<Ask>) {
        let id = self.next + 1;
        if let Some(ask) = what(&mut self.line, id) {
            self.next = id;
            self.asks.push_back(ask);
        }
    }

    fn hang_up(&mut self, why: &str) {
        self.asks.push_back(Ask::HangUp { why: why.into() });
        self.state = State::Over;
    }

    fn play(&mut self, prompt: String, repeat: bool) -> u64 {
        self.next += 1;
        self.asks.push_back(Ask::Play { id: self.next, prompt, repeat });
        self.next
    }

    fn wait(&mut self, within: Duration) -> u64 {
        self.next += 1;
        self.asks.push_back(Ask::Wait { id: self.next, within });
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let application = Application {
            number: "6016".into(),
            document: None,
            page_authority: None,
            dangerous_plain_http: false,
            language: None,
            prompt: "welcome".into(),
            invalid_prompt: "invalid".into(),
            queue_music: "moh".into(),
            timeout_s: 5,
            tries: 3,
            may_dial: Vec::new(),
            may_stream: Vec::new(),
            choices: vec![
                site::Choice { digit: '1', queue: "sales".into(), call_back: false },
                site::Choice { digit: '2', queue: "sales".into(), call_back: true },
            ],
        };
        Session::new(application, None)
    }

    /// Tells, and gives what is asked then in short words: `play welcome 1`, `wait 5 2`, …
    fn after(session: &mut Session, told: Told) -> Vec<String> {
        session.tell(told);
        let short = |ask| match ask {
            Ask::Play { id, prompt, repeat: false } => format!("play {prompt} {id}"),
            Ask::Play { id, prompt, repeat: true } => format!("loop {prompt} {id}"),
            Ask::Silence => "silence".into(),
            Ask::Wait { id, within } => format!("wait {} {id}", within.as_secs()),
            Ask::Transfer { queue, call_back: true, .. } => format!("call back from {queue}"),
            Ask::Transfer { queue, .. } => format!("transfer {queue}"),
            Ask::Prefetch { fetch, .. } => format!("ahead {}", fetch.request.url),
            Ask::Dial { .. } | Ask::Join | Ask::LetGo { .. } | Ask::HandOver => "far".into(),
            Ask::Fetch { fetch, .. } => format!("fetch {}", fetch.request.url),
            Ask::Sound { fetch, .. } => format!("sound {}", fetch.request.url),
            Ask::Speak { id, speak } => format!("speak {} {id}", speak.text),
            Ask::Hear { .. } | Ask::StopHearing | Ask::Stream { .. } | Ask::EndStream => panic!("nobody listens"),
            Ask::Record { .. } | Ask::StopRecord => "record".into(),
            Ask::HangUp { why } => format!("hang up: {why}"),
        };
        std::iter::from_fn(|| session.ask()).map(short).collect()
    }

    #[test]
    fn a_choice_after_the_question_leads_to_the_queue_and_music() {
        let mut s = session();
        assert_eq!(after(&mut s, Told::Started), ["play welcome 1"]);
        assert_eq!(after(&mut s, Told::Played(1)), ["wait 5 2"]);
        assert_eq!(after(&mut s, Told::Digit('1')), ["silence", "transfer sales"]);
        assert!(after(&mut s, Told::TimedOut(2)).is_empty(), "the answer came first");
        assert!(after(&mut s, Told::Transfer(Progress::Trying)).is_empty());
        assert_eq!(after(&mut s, Told::Transfer(Progress::Queued)), ["loop moh 3"]);
        assert!(after(&mut s, Told::Transfer(Progress::Queued)).is_empty(), "the music goes on");
        assert!(after(&mut s, Told::Digit('1')).is_empty(), "pressed in the queue");
        assert_eq!(after(&mut s, Told::Transfer(Progress::Done)), ["silence", "wait 10 4"]);
        assert_eq!(after(&mut s, Told::TimedOut(4)), ["hang up: transferred"]);
    }

    #[test]
    fn who_wants_to_be_called_back_is_let_go_once_that_is_promised() {
        let mut s = session();
        after(&mut s, Told::Started);
        assert_eq!(after(&mut s, Told::Digit('2')), ["silence", "call back from sales"]);
        // There is no such queue, or no number to call: an apology, and the question again.
        assert_eq!(after(&mut s, Told::Transfer(Progress::Failed(404))), ["play invalid 2"]);
        assert_eq!(after(&mut s, Told::Played(2)), ["play welcome 3"]);
        assert_eq!(after(&mut s, Told::Digit('2')), ["silence", "call back from sales"]);
        assert_eq!(after(&mut s, Told::Transfer(Progress::Done)), ["play goodbye 4"]);
        assert_eq!(after(&mut s, Told::Played(4)), ["hang up: the caller is called back"]);
    }

    #[test]
    fn a_digit_barges_into_the_question_and_into_the_correction() {
        let mut s = session();
        after(&mut s, Told::Started);
        assert_eq!(after(&mut s, Told::Digit('9')), ["play invalid 2"]);
        assert!(after(&mut s, Told::Played(1)).is_empty(), "the question was cut off");
        assert_eq!(after(&mut s, Told::Digit('1')), ["silence", "transfer sales"]);
    }

    #[test]
    fn silence_and_wrong_digits_are_counted_together_and_then_goodbye() {
        let mut s = session();
        after(&mut s, Told::Started);
        after(&mut s, Told::Played(1));
        assert_eq!(after(&mut s, Told::TimedOut(2)), ["play invalid 3"]);
        assert_eq!(after(&mut s, Told::Played(3)), ["play welcome 4"]);
        assert_eq!(after(&mut s, Told::Digit('7')), ["play invalid 5"]);
        assert_eq!(after(&mut s, Told::Played(5)), ["play welcome 6"]);
        after(&mut s, Told::Played(6));
        assert_eq!(after(&mut s, Told::TimedOut(7)), ["play goodbye 8"]);
        assert!(after(&mut s, Told::Digit('1')).is_empty(), "too late");
        assert_eq!(after(&mut s, Told::Played(8)), ["hang up: no choice was made"]);
        assert!(after(&mut s, Told::Started).is_empty());
    }

    #[test]
    fn who_is_only_to_hear_music_hears_it_and_is_asked_nothing() {
        let mut s = Session::music(session().application, None);
        assert_eq!(after(&mut s, Told::Started), ["loop moh 1"]);
        assert!(after(&mut s, Told::Digit('1')).is_empty());
        assert!(after(&mut s, Told::HungUp).is_empty());
    }

    #[test]
    fn who_waits_is_told_the_place_and_hears_music_before_and_after() {
        let speech = crate::voice_browser::speaking::tests::speech(&[]);
        let mut s = Session::new(session().application, Some(Arc::new(speech)));
        after(&mut s, Told::Started);
        after(&mut s, Told::Digit('1'));
        assert_eq!(after(&mut s, Told::Transfer(Progress::Queued)), ["loop moh 2"]);
        let place = |position| Told::Notice(Notice::Place { position, wait: Some(Duration::from_secs(200)) });
        assert_eq!(
            after(&mut s, place(3)),
            ["speak You are number three in the queue. The wait is about four minutes. 3"]
        );
        assert!(after(&mut s, place(2)).is_empty(), "one at a time");
        assert_eq!(after(&mut s, Told::Sound(3, Ok("spoken:1".into()))), ["play spoken:1 4"]);
        assert!(after(&mut s, Told::Played(2)).is_empty());
        assert_eq!(after(&mut s, Told::Played(4)), ["loop moh 5"]);
        // An engine that fails leaves the music on.
        assert_eq!(after(&mut s, place(1)).len(), 1);
        assert!(after(&mut s, Told::Sound(6, Err(NoSound::Failed))).is_empty());
        assert_eq!(after(&mut s, Told::Notice(Notice::Prompt("patience".into()))), ["play patience 7"]);
        assert_eq!(after(&mut s, Told::Played(7)), ["loop moh 8"]);
        assert_eq!(after(&mut s, Told::Notice(Notice::End("closed".into()))), ["play closed 9"]);
        assert_eq!(after(&mut s, Told::Played(9)), ["hang up: the queue has let the caller go"]);
    }

    #[test]
    fn who_waits_where_nobody_speaks_hears_the_words_that_ship() {
        let mut s = session();
        after(&mut s, Told::Started);
        after(&mut s, Told::Digit('1'));
        after(&mut s, Told::Transfer(Progress::Queued));
        let place = Notice::Place { position: 12, wait: Some(Duration::from_secs(60)) };
        let mut heard = after(&mut s, Told::Notice(place.clone()));
        for id in 3..9 {
            assert!(after(&mut s, Told::Notice(place.clone())).is_empty(), "one at a time");
            heard.extend(after(&mut s, Told::Played(id)));
        }
        let words =
            ["you are number 3", "twelve 4", "in the queue 5", ", 6", "the wait is about 7", "one 8", "minute 9"];
        assert_eq!(heard, words.map(|word| format!("play word:{word}")));
        assert_eq!(after(&mut s, Told::Played(9)), ["loop moh 10"]);
        // Last words go ahead of what is being said, and of the rest of it.
        after(&mut s, Told::Notice(place));
        assert_eq!(after(&mut s, Told::Notice(Notice::End("goodbye".into()))), ["play goodbye 12"]);
        assert!(after(&mut s, Told::Played(11)).is_empty());
        assert_eq!(after(&mut s, Told::Played(12)), ["hang up: the queue has let the caller go"]);
        // In a language that does not ship nobody is spoken to.
        let mut s = session();
        s.line = Line::new(Some("moh".into()), Some("ja".into()));
        after(&mut s, Told::Started);
        after(&mut s, Told::Digit('1'));
        after(&mut s, Told::Transfer(Progress::Queued));
        assert!(after(&mut s, Told::Notice(Notice::Place { position: 1, wait: None })).is_empty());
    }

    #[test]
    fn a_failed_transfer_asks_again_and_counts_as_no_miss() {
        let mut s = session();
        after(&mut s, Told::Started);
        for _ in 0..5 {
            after(&mut s, Told::Digit('1'));
            after(&mut s, Told::Transfer(Progress::Queued));
            let apology = after(&mut s, Told::Transfer(Progress::Failed(503)));
            assert!(apology[0].starts_with("play invalid"), "{apology:?}");
            let id = apology[0].rsplit(' ').next().unwrap().parse().unwrap();
            assert!(after(&mut s, Told::Played(id))[0].starts_with("play welcome"));
        }
    }
}
