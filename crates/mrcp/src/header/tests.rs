//! Values of fields, as they should be and as they should not.

use super::*;
use crate::name::Resource;

fn value(name: &str, text: &str) -> Value {
    let headers = Headers::new().with(name, text);
    headers.value(name).unwrap().unwrap_or_else(|error| panic!("{error}"))
}

fn refused(name: &str, text: &str) -> String {
    Headers::new().with(name, text).value(name).unwrap().err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn values_are_what_their_fields_have() {
    assert!(value("Voice-gender", "Female") == Value::Choice("female"));
    assert!(value("Voice-gender", "") == Value::Empty, "as GET-PARAMS asks");
    assert!(value("kill-on-barge-in", " TRUE ") == Value::Flag(true));
    assert!(value("Confidence-Threshold", ".5") == Value::Decimal(0.5));
    assert!(value("Min-Verification-Score", "-0.25") == Value::Decimal(-0.25));
    assert!(
        value("Active-Request-Id-List", "1, 2,4294967295")
            == Value::Requests(vec![RequestId(1), RequestId(2), RequestId(u32::MAX)])
    );
    assert!(value("Completion-Cause", "016 grammar-definition-failure") == Value::Cause(Cause(16)));
    assert!(value("Completion-Cause", "001") == Value::Cause(Cause(1)), "servers leave the name away");
    assert!(value("Completion-Reason", r#""no \"such\" voice""#) == Value::Quoted("no \"such\" voice".into()));
    assert!(value("X-Unknown", "anything; at=all") == Value::Text("anything; at=all".into()));
    let marker = Marker { timestamp: 857_206_027_059, name: Some("second part".into()) };
    assert!(value("Speech-Marker", "timestamp=857206027059;second part") == Value::Marker(marker));
    assert!(value("Jump-Size", "-15 Words") == Value::Length(SpeechLength::Units { count: -15, unit: "Word" }));
    assert!(value("Jump-Size", "the end Tag") == Value::Length(SpeechLength::Tag("the end".into())));
    let stored = Stored { address: "http://a/b.wav".into(), size: Some(5), duration_ms: Some(7) };
    assert!(value("Waveform-URI", "<http://a/b.wav>\r\n ;size=5;duration=7") == Value::Stored(stored));
    assert!(value("Lexicon-Search-Order", "<a> <b>") == Value::Addresses(vec!["a".into(), "b".into()]));
    let pairs = vec![("a".into(), Some("b;\"c".into())), ("d".into(), Some("e".into())), ("f".into(), None)];
    assert!(value("Vendor-Specific-Parameters", r#"a="b;\"c";d=e;f"#) == Value::Pairs(pairs));
}

#[test]
fn values_that_are_not_are_refused_in_words_that_do_not_repeat_them() {
    assert_eq!(refused("Kill-On-Barge-In", "yes"), "Kill-On-Barge-In: true or false was expected (at octet 0)");
    assert!(refused("Voice-Gender", "both").contains("male or female or neutral"));
    assert!(refused("Weight", "inf").contains("a decimal number"));
    assert!(refused("Weight", "1e9").contains("a decimal number"));
    assert!(refused("No-Input-Timeout", "12345678901234567890").contains("at most 19 digits"));
    assert!(refused("Active-Request-Id-List", "1,,2").contains("list of requests"));
    assert!(refused("Completion-Cause", "00 normal").contains("three digits"));
    assert!(refused("Completion-Cause", "0001").contains("three digits"));
    assert!(refused("Completion-Reason", "\"a\"b\"").contains("quoted"));
    assert!(refused("Speech-Marker", "857206027059").contains("timestamp="));
    assert!(
        refused("Jump-Size", "15 Miles").contains("Paragraph") || refused("Jump-Size", "15 Miles").contains("Word")
    );
    assert!(refused("Channel-Identifier", "alone").contains("ID@RESOURCE"));
    assert!(!refused("Completion-Cause", "5551234").contains("555"));
}

#[test]
fn a_channel_names_its_resource_and_keeps_its_secret() {
    let channel = ChannelId::read("32AECB-2343@speechsynth").unwrap();
    assert_eq!(channel.resource(), &Resource::Synthesizer);
    assert_eq!(channel.to_string(), "32AECB-2343@speechsynth");
    assert_eq!(format!("{channel:?}"), "…@speechsynth");
}
