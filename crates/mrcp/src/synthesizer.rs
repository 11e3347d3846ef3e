//! A synthesizer as its client knows it (RFC 6787 §8): what is spoken, what waits behind it, and what the server may say
//! of either.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use crate::header::{ChannelId, Headers, Marker};
use crate::message::{Content, Message};
use crate::name::{EventName, Method};
use crate::requests::{Answered, Happened, Heard, Ledger, Misbehaviour, Misuse, RequestId, Requests};
use crate::status::{Cause, RequestState, Status};

/// The client's side of one synthesizer.
#[derive(Debug)]
pub struct Synthesizer {
    ledger: Ledger,
    voice: Voice,
    /// What the server took and has not begun, in its order.
    waiting: VecDeque<RequestId>,
}

/// The states of §8.1. The server is silent too between two texts, until it tells that the second began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Silent,
    Speaking(RequestId),
    Paused(RequestId),
}

impl Voice {
    fn current(self) -> Option<RequestId> {
        match self {
            Voice::Silent => None,
            Voice::Speaking(request) | Voice::Paused(request) => Some(request),
        }
    }
}

/// What a message from the server comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// The words of this SPEAK are heard from now on.
    Begun(RequestId),
    /// This SPEAK waits for those before it.
    Waits(RequestId),
    /// A `<mark>` was passed.
    Passed(RequestId, Marker),
    /// This SPEAK is over; by [`Cause`], all was said (`000`) or why not.
    Ended {
        request: RequestId,
        cause: Cause,
        reason: Option<String>,
        marker: Option<Marker>,
    },
    /// STOP or BARGE-IN-OCCURRED ended these, which are not told of again.
    Stopped(Vec<RequestId>),
    Paused,
    Resumed,
    /// CONTROL was done; `restarted` where a jump back ended at the beginning.
    Controlled {
        restarted: bool,
    },
    /// What GET-PARAMS asked for, or what SET-PARAMS was answered with.
    Params(Headers),
    /// DEFINE-LEXICON was done.
    Defined,
    /// A request was not done.
    Refused {
        request: RequestId,
        method: Method,
        status: Status,
        cause: Option<Cause>,
        reason: Option<String>,
    },
}

impl Synthesizer {
    pub fn new(channel: ChannelId) -> Synthesizer {
        Synthesizer { ledger: Ledger::new(channel), voice: Voice::Silent, waiting: VecDeque::new() }
    }

    pub fn channel(&self) -> &ChannelId {
        self.ledger.channel()
    }

    /// What is spoken or paused.
    pub fn current(&self) -> Option<RequestId> {
        self.voice.current()
    }

    /// Nothing is spoken, waits, or was asked to be.
    pub fn is_idle(&self) -> bool {
        self.voice == Voice::Silent && self.waiting.is_empty() && !self.ledger.awaits(&Method::Speak)
    }

    /// # Errors
    /// Numbers are used up.
    pub fn speak(&mut self, numbers: &mut Requests, how: &Headers, words: Content) -> Result<Message, Misuse> {
        Ok(self.ledger.ask(numbers, Method::Speak, how)?.with(words))
    }

    /// Ends some of what is spoken and waits, or all of it.
    ///
    /// # Errors
    /// Numbers are used up.
    pub fn stop(&mut self, numbers: &mut Requests, only: &[RequestId]) -> Result<Message, Misuse> {
        let mut how = Headers::new();
        if !only.is_empty() {
            let list: Vec<String> = only.iter().map(ToString::to_string).collect();
            how.push("Active-Request-Id-List", &list.join(","));
        }
        self.ledger.ask(numbers, Method::Stop, &how)
    }

    /// The caller began to speak or pressed a key; `sync` is the Proxy-Sync-Id of the recognizer that heard it.
    ///
    /// # Errors
    /// Nothing to interrupt.
    pub fn barge_in(&mut self, numbers: &mut Requests, sync: Option<&str>) -> Result<Message, Misuse> {
        let how = match sync {
            Some(sync) => Headers::new().with("Proxy-Sync-Id", sync),
            None => Headers::new(),
        };
        self.of_speech(numbers, Method::BargeInOccurred, &how)
    }

    /// # Errors
    /// Nothing is spoken.
    pub fn pause(&mut self, numbers: &mut Requests) -> Result<Message, Misuse> {
        self.of_speech(numbers, Method::Pause, &Headers::new())
    }

    /// # Errors
    /// Nothing is paused.
    pub fn resume(&mut self, numbers: &mut Requests) -> Result<Message, Misuse> {
        self.of_speech(numbers, Method::Resume, &Headers::new())
    }

    /// Changes voice and prosody of what is spoken, or jumps within it.
    ///
    /// # Errors
    /// Nothing is spoken.
    pub fn control(&mut self, numbers: &mut Requests, how: &Headers) -> Result<Message, Misuse> {
        self.of_speech(numbers, Method::Control, how)
    }

    /// # Errors
    /// Numbers are used up.
    pub fn set_params(&mut self, numbers: &mut Requests, params: &Headers) -> Result<Message, Misuse> {
        self.ledger.ask(numbers, Method::SetParams, params)
    }

    /// Asks by fields without values; none asks for all.
    ///
    /// # Errors
    /// Numbers are used up.
    pub fn get_params(&mut self, numbers: &mut Requests, params: &Headers) -> Result<Message, Misuse> {
        self.ledger.ask(numbers, Method::GetParams, params)
    }

    /// # Errors
    /// Something is spoken or waits (§8.14).
    pub fn define_lexicon(
        &mut self,
        numbers: &mut Requests,
        how: &Headers,
        lexicon: Option<Content>,
    ) -> Result<Message, Misuse> {
        if !self.is_idle() {
            return Err(Misuse::NotAtRest(Method::DefineLexicon));
        }
        let message = self.ledger.ask(numbers, Method::DefineLexicon, how)?;
        Ok(match lexicon {
            Some(lexicon) => message.with(lexicon),
            None => message,
        })
    }

    fn of_speech(&mut self, numbers: &mut Requests, method: Method, how: &Headers) -> Result<Message, Misuse> {
        if self.is_idle() {
            return Err(Misuse::NothingToDoItTo(method));
        }
        self.ledger.ask(numbers, method, how)
    }

    /// Takes what the server says.
    ///
    /// # Errors
    /// What it may not say as things stand.
    pub fn receive(&mut self, message: &Message) -> Result<Told, Misbehaviour> {
        match self.ledger.hear(message)? {
            Heard::Answered(answered) if !answered.status.is_success() => Ok(Told::Refused {
                request: answered.request,
                method: answered.method,
                status: answered.status,
                cause: message.headers().cause(),
                reason: reason(message),
            }),
            Heard::Answered(answered) => self.answered(&answered, message),
            Heard::Happened(happened) => self.happened(&happened, message),
        }
    }

    fn answered(&mut self, answered: &Answered, message: &Message) -> Result<Told, Misbehaviour> {
        if answered.method == Method::Speak {
            return self.taken(answered, message);
        }
        // SPEAK alone goes on after its answer (§8.6).
        if answered.state != RequestState::Complete {
            return Err(answered.out_of_place());
        }
        Ok(match answered.method {
            Method::Stop | Method::BargeInOccurred => Told::Stopped(self.stopped(&message.headers().active())),
            Method::Pause => {
                if let Voice::Speaking(request) = self.voice {
                    self.voice = Voice::Paused(request);
                }
                Told::Paused
            }
            Method::Resume => {
                if let Voice::Paused(request) = self.voice {
                    self.voice = Voice::Speaking(request);
                }
                Told::Resumed
            }
            Method::Control => {
                let restarted =
                    message.headers().text("Speak-Restart").is_some_and(|yes| yes.eq_ignore_ascii_case("true"));
                Told::Controlled { restarted }
            }
            Method::SetParams | Method::GetParams => Told::Params(message.headers().clone()),
            Method::DefineLexicon => Told::Defined,
            _ => return Err(answered.out_of_place()),
        })
    }

    /// SPEAK was taken: it begins where nothing is before it, else it waits.
    fn taken(&mut self, answered: &Answered, message: &Message) -> Result<Told, Misbehaviour> {
        let request = answered.request;
        match (answered.state, self.voice) {
            (RequestState::InProgress, Voice::Silent) if self.waiting.is_empty() => {
                self.voice = Voice::Speaking(request);
                Ok(Told::Begun(request))
            }
            (RequestState::Pending, Voice::Speaking(_) | Voice::Paused(_)) => {
                self.waiting.push_back(request);
                Ok(Told::Waits(request))
            }
            // Between two texts that wait for each other the server is at neither.
            (RequestState::Pending, Voice::Silent) if !self.waiting.is_empty() => {
                self.waiting.push_back(request);
                Ok(Told::Waits(request))
            }
            // Nothing to say: done as soon as it was asked.
            (RequestState::Complete, _) => {
                let cause = message.headers().cause().unwrap_or(Cause(0));
                Ok(Told::Ended { request, cause, reason: reason(message), marker: message.headers().marker() })
            }
            _ => Err(answered.out_of_place()),
        }
    }

    /// Those of the list that were ours to end. Servers list what is another resource's too (as §14.1 does).
    fn stopped(&mut self, listed: &[RequestId]) -> Vec<RequestId> {
        let mut ended = Vec::new();
        for request in listed {
            if self.voice.current() == Some(*request) {
                // Who stops what is paused leaves the next one paused (§8.7).
                self.voice = match (self.voice, self.waiting.iter().find(|next| !listed.contains(next))) {
                    (Voice::Paused(_), Some(next)) => Voice::Paused(*next),
                    _ => Voice::Silent,
                };
                ended.push(*request);
            } else if let Some(at) = self.waiting.iter().position(|waits| waits == request) {
                self.waiting.remove(at);
                ended.push(*request);
            }
        }
        if let Voice::Paused(next) = self.voice {
            self.waiting.retain(|waits| *waits != next);
        }
        ended
    }

    fn happened(&mut self, happened: &Happened, message: &Message) -> Result<Told, Misbehaviour> {
        let request = happened.request;
        let current = self.voice.current() == Some(request);
        let next = self.voice == Voice::Silent && self.waiting.front() == Some(&request);
        let stands = if current {
            "being spoken"
        } else if self.waiting.contains(&request) {
            "waiting behind others"
        } else {
            "over, or was never taken"
        };
        match (&happened.name, happened.state) {
            (EventName::SpeechMarker, RequestState::InProgress) => {
                let marker = message.headers().marker().ok_or_else(|| Misbehaviour::NoMarker(happened.name.clone()))?;
                if next {
                    self.waiting.pop_front();
                    self.voice = Voice::Speaking(request);
                    // The next of the queue began: told by a marker without a name (§8.13).
                    return Ok(match marker.name {
                        None => Told::Begun(request),
                        Some(_) => Told::Passed(request, marker),
                    });
                }
                if current { Ok(Told::Passed(request, marker)) } else { Err(happened.out_of_place(stands)) }
            }
            (EventName::SpeakComplete, RequestState::Complete) => {
                let cause = self.cause_of_end(message)?;
                if current {
                    self.voice = Voice::Silent;
                } else if next || (cause == Cause(7) && self.waiting.contains(&request)) {
                    // Short words may be over before it was told that they began; those behind a failure are cancelled.
                    self.waiting.retain(|waits| *waits != request);
                } else {
                    return Err(happened.out_of_place(stands));
                }
                Ok(Told::Ended { request, cause, reason: reason(message), marker: message.headers().marker() })
            }
            (EventName::SpeechMarker | EventName::SpeakComplete, _) => Err(happened.out_of_place(stands)),
            (other, _) => Err(Misbehaviour::NotOfThisResource(other.clone())),
        }
    }

    /// §8.4.4: it must be there. The last SPEAK-COMPLETE of §14.1 has none, so none is taken for "all was said".
    fn cause_of_end(&self, message: &Message) -> Result<Cause, Misbehaviour> {
        match message.headers().text("Completion-Cause") {
            None => Ok(Cause(0)),
            Some(_) => message.headers().cause().ok_or(Misbehaviour::NoCause(EventName::SpeakComplete)),
        }
    }
}

/// Completion-Reason, for logs and nothing else.
fn reason(message: &Message) -> Option<String> {
    match message.headers().value("Completion-Reason") {
        Some(Ok(crate::header::Value::Quoted(text))) => Some(text),
        _ => None,
    }
}
