//! A recognizer as its client knows it (RFC 6787 §9): what is listened to, what waits, what was understood.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;

use crate::header::{ChannelId, Headers, Value};
use crate::message::{Content, Message};
use crate::name::{EventName, Method};
use crate::requests::{Answered, Happened, Heard, Ledger, Misbehaviour, Misuse, RequestId, Requests};
use crate::status::{Cause, RequestState, Status};

/// The client's side of one recognizer.
#[derive(Debug)]
pub struct Recognizer {
    ledger: Ledger,
    ear: Ear,
    /// What the server took and has not begun, in its order.
    waiting: VecDeque<RequestId>,
    /// A text whose meaning is looked for (INTERPRET), beside or without what is heard.
    interpreting: Option<RequestId>,
}

/// The states of §9.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ear {
    Idle,
    Listening {
        request: RequestId,
        input: bool,
    },
    /// GET-RESULT can be asked.
    Recognized,
}

/// What was understood, with how and why it ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Outcome {
    pub request: RequestId,
    pub cause: Cause,
    /// For logs and nothing else.
    pub reason: Option<String>,
    /// NLSML, for [`crate::nlsml::read`]; none where nothing was understood.
    pub result: Option<Bytes>,
}

/// What a message from the server comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Listening(RequestId),
    /// This RECOGNIZE waits for those before it.
    Waits(RequestId),
    /// Somebody began to speak, or pressed a key: what is played may be interrupted; `sync` is for the synthesizer.
    Input {
        request: RequestId,
        sync: Option<String>,
    },
    Recognized(Outcome),
    Interpreting(RequestId),
    Interpreted(Outcome),
    /// GET-RESULT's answer.
    Result(Option<Bytes>),
    /// A grammar was read.
    Defined,
    TimersStarted,
    /// STOP ended these, which are not told of again.
    Stopped(Vec<RequestId>),
    /// What GET-PARAMS asked for, what SET-PARAMS was answered with.
    Params(Headers),
    /// A method of enrolment (§9.15–§9.19) was done.
    Enrolled(Method),
    /// A request was not done.
    Refused {
        request: RequestId,
        method: Method,
        status: Status,
        cause: Option<Cause>,
        reason: Option<String>,
    },
}

impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "request {} ended by {:03}", self.request, self.cause.0)
    }
}

impl Recognizer {
    pub fn new(channel: ChannelId) -> Recognizer {
        Recognizer { ledger: Ledger::new(channel), ear: Ear::Idle, waiting: VecDeque::new(), interpreting: None }
    }

    pub fn channel(&self) -> &ChannelId {
        self.ledger.channel()
    }

    /// What is listened for.
    pub fn current(&self) -> Option<RequestId> {
        match self.ear {
            Ear::Listening { request, .. } => Some(request),
            Ear::Idle | Ear::Recognized => None,
        }
    }

    fn is_listening(&self) -> bool {
        self.current().is_some() || !self.waiting.is_empty() || self.ledger.awaits(&Method::Recognize)
    }

    /// Reads a grammar under the name that its Content-ID gives it (`session:NAME`).
    ///
    /// # Errors
    /// The recognizer listens.
    pub fn define_grammar(&mut self, numbers: &mut Requests, name: &str, grammar: Content) -> Result<Message, Misuse> {
        if self.is_listening() {
            return Err(Misuse::NotAtRest(Method::DefineGrammar));
        }
        let how = Headers::new().with("Content-ID", &format!("<{name}>"));
        Ok(self.ledger.ask(numbers, Method::DefineGrammar, &how)?.with(grammar))
    }

    /// Listens for what the grammar, or the list of grammars, has.
    ///
    /// # Errors
    /// Numbers are used up.
    pub fn recognize(&mut self, numbers: &mut Requests, how: &Headers, grammar: Content) -> Result<Message, Misuse> {
        Ok(self.ledger.ask(numbers, Method::Recognize, how)?.with(grammar))
    }

    /// The meaning of a text (Interpret-Text in `how`).
    ///
    /// # Errors
    /// Another text is being interpreted.
    pub fn interpret(&mut self, numbers: &mut Requests, how: &Headers, grammar: Content) -> Result<Message, Misuse> {
        if self.interpreting.is_some() || self.ledger.awaits(&Method::Interpret) {
            return Err(Misuse::NotAtRest(Method::Interpret));
        }
        Ok(self.ledger.ask(numbers, Method::Interpret, how)?.with(grammar))
    }

    /// # Errors
    /// Nothing was recognized.
    pub fn get_result(&mut self, numbers: &mut Requests, how: &Headers) -> Result<Message, Misuse> {
        match self.ear {
            Ear::Recognized => self.ledger.ask(numbers, Method::GetResult, how),
            Ear::Idle | Ear::Listening { .. } => Err(Misuse::NothingRecognized(Method::GetResult)),
        }
    }

    /// What could interrupt the prompt was played: whoever says nothing from now on says nothing.
    ///
    /// # Errors
    /// Nothing is listened for.
    pub fn start_input_timers(&mut self, numbers: &mut Requests) -> Result<Message, Misuse> {
        if !self.is_listening() {
            return Err(Misuse::NothingToDoItTo(Method::StartInputTimers));
        }
        self.ledger.ask(numbers, Method::StartInputTimers, &Headers::new())
    }

    /// # Errors
    /// Numbers are used up.
    pub fn stop(&mut self, numbers: &mut Requests) -> Result<Message, Misuse> {
        self.ledger.ask(numbers, Method::Stop, &Headers::new())
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

    /// One of the methods by which a caller's own words become a grammar (§9.15–§9.19): they change no state.
    ///
    /// # Errors
    /// Numbers are used up.
    pub fn enrol(&mut self, numbers: &mut Requests, what: Enrolment, how: &Headers) -> Result<Message, Misuse> {
        self.ledger.ask(numbers, what.method(), how)
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
        let request = answered.request;
        match (&answered.method, answered.state) {
            (Method::Recognize, RequestState::InProgress) if self.current().is_none() && self.waiting.is_empty() => {
                self.ear = Ear::Listening { request, input: false };
                Ok(Told::Listening(request))
            }
            (Method::Recognize, RequestState::Pending) if self.current().is_some() => {
                self.waiting.push_back(request);
                Ok(Told::Waits(request))
            }
            (Method::Interpret, RequestState::InProgress) => {
                self.interpreting = Some(request);
                Ok(Told::Interpreting(request))
            }
            (_, RequestState::InProgress | RequestState::Pending) => Err(answered.out_of_place()),
            (Method::DefineGrammar, RequestState::Complete) => {
                self.ear = Ear::Idle;
                Ok(Told::Defined)
            }
            (Method::GetResult, _) => Ok(Told::Result(result(message))),
            (Method::StartInputTimers, _) => Ok(Told::TimersStarted),
            (Method::Stop, _) => Ok(Told::Stopped(self.stopped(&message.headers().active()))),
            (Method::SetParams | Method::GetParams, _) => Ok(Told::Params(message.headers().clone())),
            (method, _) if Enrolment::ALL.iter().any(|one| one.method() == *method) => {
                Ok(Told::Enrolled(method.clone()))
            }
            _ => Err(answered.out_of_place()),
        }
    }

    fn stopped(&mut self, listed: &[RequestId]) -> Vec<RequestId> {
        let mut ended = Vec::new();
        for request in listed {
            if self.current() == Some(*request) {
                self.ear = Ear::Idle;
            } else if self.interpreting == Some(*request) {
                self.interpreting = None;
            } else if let Some(at) = self.waiting.iter().position(|waits| waits == request) {
                self.waiting.remove(at);
            } else {
                continue;
            }
            ended.push(*request);
        }
        // STOP in any state ends in this one (§9.1), but for what waits behind the stopped one.
        if self.current().is_none() {
            self.ear = Ear::Idle;
        }
        ended
    }

    fn happened(&mut self, happened: &Happened, message: &Message) -> Result<Told, Misbehaviour> {
        let request = happened.request;
        // The next of the queue begins without a word of the server's: its first event tells.
        if self.current().is_none() && self.waiting.front() == Some(&request) {
            self.waiting.pop_front();
            self.ear = Ear::Listening { request, input: false };
        }
        let stands = self.stands(request);
        match (&happened.name, happened.state, self.ear) {
            (EventName::StartOfInput, RequestState::InProgress, Ear::Listening { request: current, input: false })
                if current == request =>
            {
                self.ear = Ear::Listening { request, input: true };
                let sync = message.headers().text("Proxy-Sync-Id").map(|text| text.into_owned());
                Ok(Told::Input { request, sync })
            }
            (EventName::RecognitionComplete, RequestState::Complete, ear) => {
                let outcome = outcome(happened, message)?;
                if matches!(ear, Ear::Listening { request: current, .. } if current == request) {
                    self.ear = Ear::Recognized;
                } else if outcome.cause == Cause(11) && self.waiting.contains(&request) {
                    self.waiting.retain(|waits| *waits != request);
                } else {
                    return Err(happened.out_of_place(stands));
                }
                Ok(Told::Recognized(outcome))
            }
            (EventName::InterpretationComplete, RequestState::Complete, _) if self.interpreting == Some(request) => {
                let outcome = outcome(happened, message)?;
                self.interpreting = None;
                Ok(Told::Interpreted(outcome))
            }
            (EventName::StartOfInput | EventName::RecognitionComplete | EventName::InterpretationComplete, ..) => {
                Err(happened.out_of_place(stands))
            }
            (other, ..) => Err(Misbehaviour::NotOfThisResource(other.clone())),
        }
    }

    fn stands(&self, request: RequestId) -> &'static str {
        match self.ear {
            Ear::Listening { request: current, input: true } if current == request => "being listened to, with input",
            Ear::Listening { request: current, input: false } if current == request => "being listened to",
            _ if self.interpreting == Some(request) => "being interpreted",
            _ if self.waiting.contains(&request) => "waiting behind others",
            _ => "over, or was never taken",
        }
    }
}

/// What enrolment asks for (§9.15–§9.19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enrolment {
    Start,
    Rollback,
    End,
    ModifyPhrase,
    DeletePhrase,
}

impl Enrolment {
    const ALL: [Enrolment; 5] =
        [Enrolment::Start, Enrolment::Rollback, Enrolment::End, Enrolment::ModifyPhrase, Enrolment::DeletePhrase];

    fn method(self) -> Method {
        match self {
            Enrolment::Start => Method::StartPhraseEnrollment,
            Enrolment::Rollback => Method::EnrollmentRollback,
            Enrolment::End => Method::EndPhraseEnrollment,
            Enrolment::ModifyPhrase => Method::ModifyPhrase,
            Enrolment::DeletePhrase => Method::DeletePhrase,
        }
    }
}

fn outcome(happened: &Happened, message: &Message) -> Result<Outcome, Misbehaviour> {
    let cause = message.headers().cause().ok_or_else(|| Misbehaviour::NoCause(happened.name.clone()))?;
    Ok(Outcome { request: happened.request, cause, reason: reason(message), result: result(message) })
}

fn result(message: &Message) -> Option<Bytes> {
    Some(message.body().clone()).filter(|body| !body.is_empty())
}

fn reason(message: &Message) -> Option<String> {
    match message.headers().value("Completion-Reason") {
        Some(Ok(Value::Quoted(text))) => Some(text),
        _ => None,
    }
}
