//! Both exchanges, what is not vouched for, and transcripts of other programs where they are at hand.

use super::*;
use crate::test_keys::{self as keys, NOW, certificate};

const DEVICE: &str = "CP-8861-SEP001122334455";

fn directory() -> Directory {
    let mut directory = Directory::default();
    directory.add(&certificate(keys::CALL_MANAGER), Function::CallManagerAndTftp);
    directory.add(&certificate(keys::CALL_MANAGER), Function::Sast);
    directory.add(&certificate(keys::CALL_MANAGER), Function::Sast);
    directory.add(&certificate(keys::TVS), Function::Tvs);
    directory
}

fn exchange(request: &Message) -> Result<Answer, Malformed> {
    // Over the wire, in three pieces.
    let mut framer = Framer::default();
    let octets = request.octets();
    let (first, rest) = octets.split_at(5);
    framer.push(first);
    assert_eq!(framer.next_message(), None);
    framer.push(rest);
    let answer = directory().answer(&framer.next_message().unwrap()?, NOW.into())?;
    Answer::read(request, &Message::parse(&answer.octets())?)
}

#[test]
fn a_known_certificate_is_vouched_for_with_its_roles() {
    let expected = vec![Function::CallManagerAndTftp, Function::Sast];
    let answer = exchange(&ask_verify(7, DEVICE, &certificate(keys::CALL_MANAGER))).unwrap();
    assert_eq!(answer, Answer::Trusted { functions: expected, seconds: 86_400, certificate: None });
    let answer = exchange(&ask_query_of(8, DEVICE, &certificate(keys::TVS))).unwrap();
    let certificate = Some(certificate(keys::TVS));
    assert_eq!(answer, Answer::Trusted { functions: vec![Function::Tvs], seconds: 86_400, certificate });
}

#[test]
fn a_stranger_under_a_known_name_is_not() {
    assert_eq!(exchange(&ask_verify(7, DEVICE, &certificate(keys::STRANGER))), Ok(Answer::Unknown));
    assert_eq!(exchange(&ask_query_of(7, DEVICE, &certificate(keys::STRANGER))), Ok(Answer::Unknown));
}

#[test]
fn nobody_vouches_for_what_has_expired() {
    let request = ask_verify(7, DEVICE, &certificate(keys::TVS));
    let late = certificate(keys::TVS).validity().1 + 1;
    let answer = directory().answer(&request, late).unwrap();
    assert_eq!(Answer::read(&request, &answer), Ok(Answer::Unknown));
}

#[test]
fn an_answer_to_another_question_is_believed_by_nobody() {
    let request = ask_query_of(7, DEVICE, &certificate(keys::TVS));
    let other = directory().answer(&ask_query_of(7, DEVICE, &certificate(keys::CALL_MANAGER)), NOW.into()).unwrap();
    assert!(Answer::read(&request, &other).unwrap_err().to_string().contains("another"));
    let other = directory().answer(&ask_query_of(8, DEVICE, &certificate(keys::TVS)), NOW.into()).unwrap();
    assert!(Answer::read(&request, &other).unwrap_err().to_string().contains("session 8"));
    assert!(directory().answer(&other, NOW.into()).is_err(), "an answer is no request");
}

#[test]
fn what_is_malformed_ends_the_connection() {
    for octets in
        [&b"\x55\x01\x01\0\0\0\0\x01\0\0"[..], b"\x57\x02\x01\0\0\0\0\x01\0\0", b"\x57\x01\x05\0\0\0\0\x01\0\0"]
    {
        let mut framer = Framer::default();
        framer.push(octets);
        assert!(framer.next_message().unwrap().is_err());
    }
    let nothing = Message::parse(b"\x57\x01\x01\0\0\0\0\x01\0\0").unwrap();
    assert!(directory().answer(&nothing, NOW.into()).is_err());
}

/// Lines `C>S hex` and `S>C hex`; not in this repository.
#[test]
fn a_transcript_of_the_open_server_is_replayed_both_ways() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/formats/vectors/");
    let (Ok(text), Ok(ccm)) =
        (std::fs::read_to_string(format!("{folder}tvs-valid.txt")), std::fs::read(format!("{folder}CCM.crt")))
    else {
        return;
    };
    let ccm = Certificate::read_all(&ccm).unwrap().remove(0);
    let messages: Vec<Vec<u8>> =
        text.lines().filter_map(|line| line.split(' ').nth(1)).map(crate::test_keys::unhex).collect();
    let [request, answer] = &messages[..] else { panic!("two lines") };
    let sent = Message::parse(request).unwrap();
    assert_eq!(&ask_verify(sent.session, sent.device().unwrap(), &ccm).octets(), request);
    let mut directory = Directory::default();
    directory.add(&ccm, Function::CallManager);
    directory.add(&ccm, Function::Tftp);
    let came = Message::parse(answer).unwrap();
    let Answer::Trusted { functions, seconds, .. } = Answer::read(&sent, &came).unwrap() else { panic!("trusted") };
    assert_eq!((functions, seconds), (vec![Function::CallManager, Function::Tftp], 3600));
    // Ours differs in the time to live alone, which each server chooses.
    let ours = directory.answer(&sent, NOW.into()).unwrap().octets();
    assert_eq!(ours[..ours.len() - 4], answer[..answer.len() - 4]);
}
