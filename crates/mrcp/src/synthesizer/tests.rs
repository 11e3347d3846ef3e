//! What a server may say of what is spoken, and what it may not.

use bytes::Bytes;

use super::*;
use crate::message::Start;

const CHANNEL: &str = "32AECB23433802@speechsynth";

struct Talk {
    numbers: Requests,
    it: Synthesizer,
}

impl Talk {
    fn new() -> Talk {
        let channel = ChannelId::read(CHANNEL).unwrap();
        Talk { numbers: Requests::starting(1), it: Synthesizer::new(channel) }
    }

    fn speak(&mut self) -> RequestId {
        let words = Content::new("text/plain", "hello");
        self.it.speak(&mut self.numbers, &Headers::new(), words).unwrap().start.request()
    }

    /// The rest of a start line, and fields.
    fn hear(&mut self, start: &str, fields: &[&str]) -> Result<Told, Misbehaviour> {
        self.it.receive(&message(start, fields, CHANNEL))
    }
}

fn message(start: &str, fields: &[&str], channel: &str) -> Message {
    let mut rest = format!(" {start}\r\nChannel-Identifier:{channel}\r\n");
    for field in fields {
        rest.push_str(field);
        rest.push_str("\r\n");
    }
    rest.push_str("\r\n");
    let length = "MRCP/2.0 ".len() + 3 + rest.len();
    Message::parse(&Bytes::from(format!("MRCP/2.0 {length:03}{rest}"))).unwrap()
}

fn ended(request: u32, cause: u16) -> Told {
    Told::Ended { request: RequestId(request), cause: Cause(cause), reason: None, marker: None }
}

#[test]
fn words_are_begun_marked_and_ended() {
    let mut talk = Talk::new();
    let first = talk.speak();
    assert_eq!(talk.hear("1 200 IN-PROGRESS", &["Speech-Marker:timestamp=1"]), Ok(Told::Begun(first)));
    let marker = Marker { timestamp: 2, name: Some("here".into()) };
    let told = talk.hear("SPEECH-MARKER 1 IN-PROGRESS", &["Speech-Marker:timestamp=2;here"]);
    assert_eq!(told, Ok(Told::Passed(first, marker)));
    assert_eq!(talk.hear("SPEAK-COMPLETE 1 COMPLETE", &["Completion-Cause:000 normal"]), Ok(ended(1, 0)));
    assert!(talk.it.is_idle());
    let again = talk.hear("SPEAK-COMPLETE 1 COMPLETE", &["Completion-Cause:000 normal"]).unwrap_err();
    assert!(again.to_string().ends_with("for request 1, which is over, or was never taken"), "{again}");
}

#[test]
fn what_waits_begins_when_the_server_says_so() {
    let mut talk = Talk::new();
    let (_, second, third) = (talk.speak(), talk.speak(), talk.speak());
    talk.hear("1 200 IN-PROGRESS", &[]).unwrap();
    assert_eq!(talk.hear("2 200 PENDING", &[]), Ok(Told::Waits(second)));
    assert_eq!(talk.hear("3 200 PENDING", &[]), Ok(Told::Waits(third)));
    let early = talk.hear("SPEECH-MARKER 2 IN-PROGRESS", &["Speech-Marker:timestamp=2"]).unwrap_err();
    assert!(early.to_string().contains("waiting behind others"), "{early}");
    talk.hear("SPEAK-COMPLETE 1 COMPLETE", &["Completion-Cause:000 normal"]).unwrap();
    let out_of_turn = talk.hear("SPEAK-COMPLETE 3 COMPLETE", &["Completion-Cause:000 normal"]);
    assert!(out_of_turn.is_err(), "the second is next");
    assert_eq!(talk.hear("SPEECH-MARKER 2 IN-PROGRESS", &["Speech-Marker:timestamp=2"]), Ok(Told::Begun(second)));
    assert_eq!(talk.hear("SPEAK-COMPLETE 2 COMPLETE", &["Completion-Cause:004 error"]), Ok(ended(2, 4)));
    assert_eq!(talk.hear("SPEAK-COMPLETE 3 COMPLETE", &["Completion-Cause:007 cancelled"]), Ok(ended(3, 7)));
    assert!(talk.it.is_idle());
}

#[test]
fn who_stops_a_paused_text_leaves_the_next_one_paused() {
    let mut talk = Talk::new();
    let (first, second) = (talk.speak(), talk.speak());
    talk.hear("1 200 IN-PROGRESS", &[]).unwrap();
    talk.hear("2 200 PENDING", &[]).unwrap();
    talk.it.pause(&mut talk.numbers).unwrap();
    assert_eq!(talk.hear("3 200 COMPLETE", &["Active-Request-Id-List:1"]), Ok(Told::Paused));
    let asked = talk.it.stop(&mut talk.numbers, &[first]).unwrap();
    assert_eq!(asked.headers().active(), [first]);
    assert_eq!(talk.hear("4 200 COMPLETE", &["Active-Request-Id-List:1"]), Ok(Told::Stopped(vec![first])));
    assert_eq!(talk.it.voice, Voice::Paused(second));
    talk.it.resume(&mut talk.numbers).unwrap();
    assert_eq!(talk.hear("5 200 COMPLETE", &["Active-Request-Id-List:2"]), Ok(Told::Resumed));
    assert_eq!(talk.it.voice, Voice::Speaking(second));
    assert_eq!(talk.hear("SPEAK-COMPLETE 2 COMPLETE", &["Completion-Cause:000 normal"]), Ok(ended(2, 0)));
}

#[test]
fn a_caller_who_barges_in_ends_all_that_waits() {
    let mut talk = Talk::new();
    let (first, second) = (talk.speak(), talk.speak());
    talk.hear("1 200 IN-PROGRESS", &[]).unwrap();
    talk.hear("2 200 PENDING", &[]).unwrap();
    let asked = talk.it.barge_in(&mut talk.numbers, Some("987654321")).unwrap();
    assert_eq!(asked.headers().text("Proxy-Sync-Id").as_deref(), Some("987654321"));
    let told = talk.hear("3 200 COMPLETE", &["Active-Request-Id-List:1,2"]);
    assert_eq!(told, Ok(Told::Stopped(vec![first, second])));
    assert!(talk.it.is_idle());
}

#[test]
fn a_jump_back_to_the_beginning_is_told() {
    let mut talk = Talk::new();
    talk.speak();
    talk.hear("1 200 IN-PROGRESS", &[]).unwrap();
    talk.it.control(&mut talk.numbers, &Headers::new().with("Jump-Size", "-15 Word")).unwrap();
    let told = talk.hear("2 200 COMPLETE", &["Active-Request-Id-List:1", "Speak-Restart:true"]);
    assert_eq!(told, Ok(Told::Controlled { restarted: true }));
}

#[test]
fn what_cannot_be_asked_is_not() {
    let mut talk = Talk::new();
    for asked in [talk.it.pause(&mut talk.numbers), talk.it.barge_in(&mut talk.numbers, None)] {
        assert!(matches!(asked, Err(Misuse::NothingToDoItTo(_))));
    }
    assert!(talk.it.define_lexicon(&mut talk.numbers, &Headers::new(), None).is_ok());
    talk.speak();
    let asked = talk.it.define_lexicon(&mut talk.numbers, &Headers::new(), None);
    assert_eq!(asked, Err(Misuse::NotAtRest(Method::DefineLexicon)));
    talk.numbers = Requests::starting(u32::MAX);
    talk.speak();
    let asked = talk.it.stop(&mut talk.numbers, &[]);
    assert_eq!(asked, Err(Misuse::Exhausted), "numbers do not begin anew");
}

#[test]
fn a_refusal_is_told_with_its_cause() {
    let mut talk = Talk::new();
    let request = talk.speak();
    let told =
        talk.hear("1 407 COMPLETE", &["Completion-Cause:005 language-unsupported", "Completion-Reason:\"no x\""]);
    let method = Method::Speak;
    let (status, cause, reason) = (Status(407), Some(Cause(5)), Some("no x".to_owned()));
    assert_eq!(told, Ok(Told::Refused { request, method, status, cause, reason }));
    assert!(talk.it.is_idle());
}

#[test]
fn what_a_server_may_not_say_is_named() {
    let wrong = |start: &str, fields: &[&str]| {
        let mut talk = Talk::new();
        talk.speak();
        talk.hear(start, fields).unwrap_err().to_string()
    };
    assert!(wrong("1 200 PENDING", &[]).contains("answered SPEAK with 200 PENDING"), "nothing is before it");
    assert!(wrong("1 407 IN-PROGRESS", &[]).contains("407 IN-PROGRESS"));
    assert!(wrong("9 200 COMPLETE", &[]).contains("request 9, which was not asked"));
    assert!(wrong("SPEAK 7", &[]).contains("only clients do"));
    assert!(wrong("START-OF-INPUT 1 IN-PROGRESS", &[]).contains("this resource does not have"));
    assert!(wrong("SPEAK-COMPLETE 1 IN-PROGRESS", &[]).contains("SPEAK-COMPLETE IN-PROGRESS"));
    assert!(wrong("SPEAK-COMPLETE 1 COMPLETE", &["Completion-Cause:x"]).contains("cannot be read"));
    assert!(wrong("SPEECH-MARKER 1 IN-PROGRESS", &[]).contains("without Speech-Marker"));
    let mut talk = Talk::new();
    talk.speak();
    let other = message("1 200 IN-PROGRESS", &[], "32AECB23433803@speechsynth");
    assert_eq!(talk.it.receive(&other), Err(Misbehaviour::OtherChannel));
    let start = Start::Response { request: RequestId(1), status: Status(200), state: RequestState::InProgress };
    assert_eq!(talk.it.receive(&Message::new(start, Headers::new())), Err(Misbehaviour::NoChannel));
}

/// §14.1 as it stands: BARGE-IN-OCCURRED lists the recognizer's request, and SPEAK-COMPLETE follows all the same.
#[test]
fn a_list_of_what_is_not_ours_ends_nothing() {
    let mut talk = Talk::new();
    talk.speak();
    talk.hear("1 200 IN-PROGRESS", &[]).unwrap();
    talk.it.barge_in(&mut talk.numbers, None).unwrap();
    assert_eq!(talk.hear("2 200 COMPLETE", &["Active-Request-Id-List:543258"]), Ok(Told::Stopped(Vec::new())));
    assert_eq!(talk.hear("SPEAK-COMPLETE 1 COMPLETE", &["Completion-Cause:001 barge-in"]), Ok(ended(1, 1)));
}
