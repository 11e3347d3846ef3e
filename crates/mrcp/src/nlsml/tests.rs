//! Results as servers write them, and as they should not.

use super::*;

fn result(inside: &str) -> Recognition {
    let text =
        format!("<?xml version=\"1.0\"?>\n<result xmlns=\"{NAMESPACE}\" grammar=\"session:a\">{inside}</result>");
    read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn interpretations_come_best_first_each_with_its_grammar() {
    let read = result(
        "<interpretation confidence=\"0.75\"><instance><p:city xmlns:p=\"x\" confidence=\"0.5\"> Bern </p:city>\
         </instance><input mode=\"speech\" confidence=\"0.8\"> to  Bern </input></interpretation>\
         <interpretation confidence=\"60\" grammar=\"session:b\"><instance>burn</instance></interpretation>",
    );
    let [first, second] = &read.interpretations[..] else { panic!("two were expected") };
    assert_eq!((first.confidence, first.grammar.as_deref()), (Some(0.75), Some("session:a")));
    let meaning = first.instance.as_ref().unwrap();
    let city = &meaning.parts[0];
    assert_eq!((city.name.as_str(), city.text.as_str(), city.confidence), ("city", "Bern", Some(0.5)));
    let input = first.input.as_ref().unwrap();
    assert_eq!((input.text(), input.mode.as_deref(), input.confidence), (Some("to  Bern"), Some("speech"), Some(0.8)));
    assert_eq!((second.confidence, second.grammar.as_deref()), (Some(0.6), Some("session:b")), "percent too");
    assert_eq!(second.instance.as_ref().unwrap().text, "burn");
    assert!(second.input.is_none());
}

#[test]
fn inputs_within_an_input_are_its_words() {
    let read = result(
        "<interpretation><instance/><input><input confidence=\"0.5\">fried</input><input>onions</input></input>\
         </interpretation>",
    );
    let input = read.interpretations[0].input.clone().unwrap();
    assert_eq!(input.text(), Some("fried onions"));
    assert_eq!(input.parts[0].confidence, Some(0.5));
}

#[test]
fn nothing_heard_is_not_the_same_as_nothing_understood() {
    let heard = |inside: &str| {
        let read = result(&format!("<interpretation><instance/><input>{inside}</input></interpretation>"));
        read.interpretations[0].input.clone().unwrap().heard
    };
    assert!(heard("<noinput/>") == Heard::NoInput);
    assert!(heard("<nomatch/>") == Heard::NoMatch(None));
    assert!(heard("<nomatch>to New York</nomatch>") == Heard::NoMatch(Some("to New York".into())));
    assert!(heard("yes <em>please</em>") == Heard::Text("yes please".into()), "markup of the future");
    let mixed = result(
        "<interpretation><input><input mode=\"speech\"><nomatch/></input><input mode=\"dtmf\">1 2 3 4</input></input>\
         </interpretation>",
    );
    assert_eq!(mixed.interpretations[0].input.as_ref().unwrap().text(), Some("1 2 3 4"));
}

#[test]
fn enrolment_and_verification_are_read() {
    let read = result(
        "<enrollment-result><num-clashes> 2 </num-clashes><num-good-repetitions>1</num-good-repetitions>\
         <num-repetitions-still-needed>\n 1 \n</num-repetitions-still-needed>\
         <consistency-status>consistent</consistency-status>\
         <clash-phrase-ids><item> Jeff </item><item> Andre </item></clash-phrase-ids>\
         <transcriptions><item> m ay </item></transcriptions>\
         <confusable-phrases><item><phrase> call </phrase><confusion-level> 10 </confusion-level></item>\
         </confusable-phrases></enrollment-result>\
         <verification-result><voiceprint id=\"j\"><adapted>true</adapted><incremental>\
         <utterance-length> 500 </utterance-length><device> cellular-phone </device><gender> female </gender>\
         <decision> rejected </decision><verification-score> -0.05465 </verification-score></incremental></voiceprint>\
         </verification-result>",
    );
    let enrolment = read.enrolment.unwrap();
    assert_eq!((enrolment.clashes, enrolment.good_repetitions, enrolment.repetitions_still_needed), (2, 1, 1));
    assert_eq!(enrolment.clash_phrase_ids, ["Jeff", "Andre"]);
    assert_eq!(enrolment.confusable, [Confusable { phrase: "call".into(), level: 10 }]);
    let print = &read.verification.unwrap().voiceprints[0];
    let last = print.incremental.as_ref().unwrap();
    assert_eq!((print.id.as_str(), print.adapted, last.score), ("j", true, Some(-0.05465)));
    assert_eq!((last.decision.as_deref(), last.utterance_ms), (Some("rejected"), Some(500)));
}

#[test]
fn what_is_no_result_is_refused_without_repeating_it() {
    let refused = |text: &str| read(text.as_bytes()).unwrap_err();
    assert_eq!(refused("<results/>"), Unreadable::NotAResult);
    assert!(matches!(refused("<result>\n<a></result>"), Unreadable::NotXml { line: 2, .. }));
    assert!(matches!(refused("<!DOCTYPE result [<!ENTITY a \"b\">]><result>&a;</result>"), Unreadable::NotXml { .. }));
    assert_eq!(read(b"\xff").unwrap_err(), Unreadable::NotText);
    let deep = format!("<result><interpretation><instance>{}", "<a>".repeat(10_000));
    assert!(matches!(refused(&deep), Unreadable::NotXml { .. }), "not closed");
    let deep = format!("{deep}{}</instance></interpretation></result>", "</a>".repeat(10_000));
    assert_eq!(refused(&deep), Unreadable::TooDeep);
    let wide = format!("<result>{}</result>", "<a/>".repeat(30_000));
    assert!(matches!(refused(&wide), Unreadable::NotXml { .. }));
    let words = "<result><enrollment-result><num-clashes>five</num-clashes></enrollment-result></result>";
    assert_eq!(refused(words).to_string(), "<num-clashes> has no number where one was expected");
}
