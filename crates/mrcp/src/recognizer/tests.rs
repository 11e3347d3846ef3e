//! What a server may say of what it listens to, and what it may not.

use super::*;

const CHANNEL: &str = "32AECB23433801@speechrecog";

struct Talk {
    numbers: Requests,
    it: Recognizer,
}

impl Talk {
    fn new() -> Talk {
        Talk { numbers: Requests::starting(1), it: Recognizer::new(ChannelId::read(CHANNEL).unwrap()) }
    }

    fn listen(&mut self) -> RequestId {
        let grammar = Content::new("text/uri-list", "session:a");
        self.it.recognize(&mut self.numbers, &Headers::new(), grammar).unwrap().start.request()
    }

    fn hear(&mut self, start: &str, fields: &[&str], body: &str) -> Result<Told, Misbehaviour> {
        let mut rest = format!(" {start}\r\nChannel-Identifier:{CHANNEL}\r\n");
        for field in fields {
            rest.push_str(&format!("{field}\r\n"));
        }
        rest.push_str(&format!("Content-Length:{}\r\n\r\n{body}", body.len()));
        let length = "MRCP/2.0 ".len() + 3 + rest.len();
        let bytes = Bytes::from(format!("MRCP/2.0 {length:03}{rest}"));
        self.it.receive(&Message::parse(&bytes).unwrap())
    }
}

fn grammar() -> Content {
    Content::new("application/srgs+xml", "<grammar/>")
}

#[test]
fn a_caller_is_heard_and_understood_and_asked_again_for_more() {
    let mut talk = Talk::new();
    let defined = talk.it.define_grammar(&mut talk.numbers, "a@b", grammar()).unwrap();
    assert_eq!(defined.headers().text("Content-ID").as_deref(), Some("<a@b>"));
    assert_eq!(talk.hear("1 200 COMPLETE", &["Completion-Cause:000 success"], ""), Ok(Told::Defined));
    let request = talk.listen();
    assert_eq!(talk.hear("2 200 IN-PROGRESS", &[], ""), Ok(Told::Listening(request)));
    let sync = Some("987".to_owned());
    let told = talk.hear("START-OF-INPUT 2 IN-PROGRESS", &["Proxy-Sync-Id:987"], "");
    assert_eq!(told, Ok(Told::Input { request, sync }));
    assert!(talk.hear("START-OF-INPUT 2 IN-PROGRESS", &[], "").is_err(), "input begins once");
    let early = talk.it.get_result(&mut talk.numbers, &Headers::new());
    assert_eq!(early, Err(Misuse::NothingRecognized(Method::GetResult)));
    let told = talk.hear("RECOGNITION-COMPLETE 2 COMPLETE", &["Completion-Cause:000 success"], "<result/>");
    let result = Some(Bytes::from("<result/>"));
    assert_eq!(told, Ok(Told::Recognized(Outcome { request, cause: Cause(0), reason: None, result: result.clone() })));
    talk.it.get_result(&mut talk.numbers, &Headers::new().with("N-Best-List-Length", "5")).unwrap();
    assert_eq!(talk.hear("3 200 COMPLETE", &[], "<result/>"), Ok(Told::Result(result)));
}

#[test]
fn a_text_is_interpreted_beside_what_is_heard() {
    let mut talk = Talk::new();
    let how = Headers::new().with("Interpret-Text", "yes");
    let asked = talk.it.interpret(&mut talk.numbers, &how, grammar()).unwrap();
    let request = asked.start.request();
    assert!(talk.it.interpret(&mut talk.numbers, &how, grammar()).is_err(), "one at a time");
    assert_eq!(talk.hear("1 200 IN-PROGRESS", &[], ""), Ok(Told::Interpreting(request)));
    // With the status code that §9.21's own example has.
    let told = talk.hear("INTERPRETATION-COMPLETE 1 200 COMPLETE", &["Completion-Cause:001 no-match"], "");
    assert_eq!(told, Ok(Told::Interpreted(Outcome { request, cause: Cause(1), reason: None, result: None })));
}

#[test]
fn what_is_stopped_is_not_told_of_again() {
    let mut talk = Talk::new();
    let request = talk.listen();
    talk.hear("1 200 IN-PROGRESS", &[], "").unwrap();
    talk.it.start_input_timers(&mut talk.numbers).unwrap();
    assert_eq!(talk.hear("2 200 COMPLETE", &[], ""), Ok(Told::TimersStarted));
    talk.it.stop(&mut talk.numbers).unwrap();
    let told = talk.hear("3 200 COMPLETE", &["Active-Request-Id-List:1"], "");
    assert_eq!(told, Ok(Told::Stopped(vec![request])));
    let late = talk.hear("RECOGNITION-COMPLETE 1 COMPLETE", &["Completion-Cause:000 success"], "");
    assert!(late.unwrap_err().to_string().contains("over, or was never taken"));
    let asked = talk.it.start_input_timers(&mut talk.numbers);
    assert_eq!(asked, Err(Misuse::NothingToDoItTo(Method::StartInputTimers)));
}

#[test]
fn what_waits_is_cancelled_or_begins() {
    let mut talk = Talk::new();
    let (_, second, third) = (talk.listen(), talk.listen(), talk.listen());
    talk.hear("1 200 IN-PROGRESS", &[], "").unwrap();
    assert_eq!(talk.hear("2 200 PENDING", &[], ""), Ok(Told::Waits(second)));
    assert_eq!(talk.hear("3 200 PENDING", &[], ""), Ok(Told::Waits(third)));
    assert!(talk.hear("START-OF-INPUT 2 IN-PROGRESS", &[], "").is_err(), "the first is listened for");
    let told = talk.hear("RECOGNITION-COMPLETE 2 COMPLETE", &["Completion-Cause:011 cancelled"], "");
    assert!(matches!(told, Ok(Told::Recognized(Outcome { cause: Cause(11), .. }))));
    talk.hear("RECOGNITION-COMPLETE 1 COMPLETE", &["Completion-Cause:002 no-input-timeout"], "").unwrap();
    let told = talk.hear("START-OF-INPUT 3 IN-PROGRESS", &[], "");
    assert_eq!(told, Ok(Told::Input { request: third, sync: None }));
}

#[test]
fn grammars_are_defined_at_rest_and_enrolment_changes_no_state() {
    let mut talk = Talk::new();
    let request = talk.listen();
    let asked = talk.it.define_grammar(&mut talk.numbers, "a", grammar());
    assert_eq!(asked, Err(Misuse::NotAtRest(Method::DefineGrammar)));
    talk.hear("1 200 IN-PROGRESS", &[], "").unwrap();
    for (number, what) in (2u32..).zip(Enrolment::ALL) {
        talk.it.enrol(&mut talk.numbers, what, &Headers::new().with("Phrase-Id", "me")).unwrap();
        let told = talk.hear(&format!("{number} 200 COMPLETE"), &[], "");
        assert_eq!(told, Ok(Told::Enrolled(what.method())));
    }
    assert_eq!(talk.it.current(), Some(request));
}

#[test]
fn what_a_server_may_not_say_is_named() {
    let wrong = |start: &str, fields: &[&str]| {
        let mut talk = Talk::new();
        talk.listen();
        talk.hear(start, fields, "").unwrap_err().to_string()
    };
    assert!(wrong("1 200 PENDING", &[]).contains("answered RECOGNIZE with 200 PENDING"));
    assert!(wrong("1 200 COMPLETE", &[]).contains("200 COMPLETE"), "a recognition is not over before it began");
    assert!(wrong("SPEAK-COMPLETE 1 COMPLETE", &[]).contains("this resource does not have"));
    assert!(wrong("RECOGNITION-COMPLETE 1 COMPLETE", &[]).contains("without Completion-Cause"));
    assert!(wrong("RECOGNITION-COMPLETE 1 IN-PROGRESS", &["Completion-Cause:000 success"]).contains("IN-PROGRESS"));
}
