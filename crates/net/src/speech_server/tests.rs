//! Speech servers that do what they should, and those that do not: each fault is told in its time, and each call ends.

mod server;

use std::time::SystemTime;

use tokio::sync::mpsc;

use trust::tls::{ClientCertificate, Versions};

use self::server::{Manner, SpeechServer};
use super::listening::{Sound, Wish, recognise};
use super::*;
use crate::credentials::Credentials;
use crate::wire::tls::Settings;

struct Lab {
    ca: trust::Ca,
    held: Arc<Held>,
}

fn identity(ca: &trust::Ca, name: &str) -> trust::Identity {
    let now = SystemTime::now();
    let request = trust::Request {
        common_name: name.into(),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
        node: None,
        uris: Vec::new(),
        key: trust::KeyKind::P256,
        not_before: now - Duration::from_secs(60),
        not_after: now + Duration::from_secs(3600),
    };
    ca.issue(&request).unwrap()
}

impl Lab {
    fn new() -> Lab {
        let ca = trust::Ca::create("lab", SystemTime::now()).unwrap();
        let settings = Settings {
            ocsp_revocations: 0,
            identity: identity(&ca, "vvb1.lab.example"),
            trustpoints: Vec::new(),
            roots: vec![(trust::Authority::Own, ca.certificate_pem().to_owned())],
            pinned: Vec::new(),
            versions: Versions { tls12: true, tls13: true },
            clients: ClientCertificate::Required,
            doors: Vec::new(),
            nameless: false,
            dangerous_keylog: false,
        };
        let held = Credentials::new(settings).now();
        Lab { ca, held }
    }

    fn server(&self, name: &str, manner: Manner) -> SpeechServer {
        let roots = [self.ca.certificate_pem().to_owned()];
        SpeechServer::start("127.0.0.1:0".parse().unwrap(), &identity(&self.ca, name), &roots, manner)
    }

    fn spoken(&self, server: &SpeechServer) -> Result<Vec<i16>, String> {
        let named = format!("sips:speech@{}", server.address);
        let address = Address {
            server: Some(&named),
            authority: None,
            node: "vvb1",
            held: Some(self.held.clone()),
            patience: Duration::from_secs(2),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(speak(&address, "<speak>Ada</speak>".into(), "en-GB", Instant::now() + address.patience))
    }
}

#[test]
fn words_come_as_they_were_spoken_and_the_call_ends() {
    let lab = Lab::new();
    let server = lab.server("127.0.0.1", Manner::Speaks { hertz: 500, packets: 50 });
    let samples = lab.spoken(&server).unwrap();
    assert!((7_900..=8_000).contains(&samples.len()), "{} samples of a second", samples.len());
    let turns = samples.windows(2).filter(|two| two[0] < 0 && two[1] >= 0).count();
    assert!((495..=500).contains(&turns), "{turns} Hz");
    assert_eq!(server.seen(), ["INVITE", "SPEAK en-GB <speak>Ada</speak>", "BYE"]);
}

#[test]
fn whatever_a_server_does_is_told_in_words_and_its_call_is_ended() {
    let lab = Lab::new();
    let cases = [
        (Manner::RefusesTheCall, "refused the call with 486", None),
        (Manner::NeverAnswers, "did not take up the call within 2 s", Some("CANCEL")),
        (Manner::HasNoSynthesizer, "has no speechsynth to give", Some("BYE")),
        (Manner::WouldTalkInClear, "would pass in clear", Some("BYE")),
        (Manner::NamesAnotherCertificate, "another certificate than its answer names", Some("BYE")),
        (
            Manner::RefusesTheWords,
            "answered SPEAK with 407 (method or operation failed), language-unsupported",
            Some("BYE"),
        ),
        (Manner::FailsInTheMiddle, "ended with 004 (error)", Some("BYE")),
        (Manner::HangsUp, "it hung up", None),
        (Manner::ClosesTheControlConnection, "closed the connection", Some("BYE")),
        (Manner::TalksNonsense, "no MRCPv2: a message was expected to begin", Some("BYE")),
        (Manner::AnswersWhatWasNotAsked, "answered request 2, which was not asked", Some("BYE")),
        (Manner::FallsSilent, "nothing more was heard within 2 s", Some("BYE")),
    ];
    for (manner, words, last) in cases {
        let server = lab.server("127.0.0.1", manner);
        let why = lab.spoken(&server).unwrap_err();
        assert!(why.starts_with("127.0.0.1: ") && why.contains(words), "{manner:?}: {why}");
        if let Some(last) = last {
            assert_eq!(server.seen().last().map(String::as_str), Some(last), "{manner:?}");
        }
        assert!(!why.contains("Ada"), "{why}");
    }
}

/// UniMRCP has no TLS and no SRTP, so a server of ours stands in front of it: messages pass as they are. Where it listens
/// says the environment; the demonstration that comes with it plays a recording of its own, whatever it is told.
#[test]
fn unimrcp_behind_a_wall_speaks() {
    let Ok(at) = std::env::var("RINGFENCE_UNIMRCP") else {
        eprintln!("not run: RINGFENCE_UNIMRCP names no UniMRCP server (ADDRESS:PORT of its SIP over TCP)");
        return;
    };
    let lab = Lab::new();
    let server = lab.server("127.0.0.1", Manner::PassesOn(at.parse().unwrap()));
    let samples = lab.spoken(&server).unwrap();
    let loud = samples.iter().filter(|sample| sample.unsigned_abs() > 500).count();
    eprintln!("{} samples, {loud} of them loud; {:?}", samples.len(), server.seen());
    assert!(samples.len() > 8_000 && loud > 2_000);
    assert_eq!(server.seen(), ["INVITE", "BYE"]);
}

impl Lab {
    /// Half a second of a tone, said to it.
    fn recognised(&self, server: &SpeechServer, grammars: &[&str]) -> Result<Vec<(String, u8)>, String> {
        let (sound, sounds) = mpsc::channel(4);
        let tone: Vec<i16> = (0..4_000).map(|at| if at / 9 % 2 == 0 { 9_000 } else { -9_000 }).collect();
        for piece in tone.chunks(1_500) {
            sound.try_send(Sound::Said(piece.to_vec())).unwrap();
        }
        sound.try_send(Sound::Ended).unwrap();
        self.hears(server, grammars, sounds)
    }

    fn hears(
        &self,
        server: &SpeechServer,
        grammars: &[&str],
        sounds: mpsc::Receiver<Sound>,
    ) -> Result<Vec<(String, u8)>, String> {
        let named = format!("sips:speech@{}", server.address);
        let address = Address {
            server: Some(&named),
            authority: None,
            node: "vvb1",
            held: Some(self.held.clone()),
            patience: Duration::from_secs(2),
        };
        let grammars: Vec<String> = grammars.iter().map(|&grammar| grammar.to_owned()).collect();
        let wish = Wish {
            language: "en-GB",
            grammars: &grammars,
            confidence: 50,
            sensitivity: 50,
            speed_vs_accuracy: 50,
            most: 2,
            complete: Duration::from_millis(300),
            incomplete: Duration::from_millis(500),
            longest: Duration::from_secs(10),
            sounds,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(recognise(&address, wish, Instant::now() + address.patience))
    }
}

#[test]
fn what_was_said_is_recognised_by_all_grammars_at_once() {
    let lab = Lab::new();
    let server = lab.server("127.0.0.1", Manner::Recognises);
    let ways = lab.recognised(&server, &["<grammar one=''/>", "<grammar two=''/>"]).unwrap();
    assert_eq!(ways, [("technical support".to_owned(), 90), ("sales".to_owned(), 40)]);
    let list = "RECOGNIZE en-GB session:grammar0@ringfence\r\nsession:grammar1@ringfence\r\n";
    let (one, two) = ("DEFINE-GRAMMAR  <grammar one=''/>", "DEFINE-GRAMMAR  <grammar two=''/>");
    assert_eq!(server.seen(), ["INVITE", one, two, list, "BYE"]);
    let server = lab.server("127.0.0.1", Manner::HearsNothing);
    assert_eq!(lab.recognised(&server, &["<grammar/>"]), Ok(Vec::new()));
    assert_eq!(server.seen(), ["INVITE", "RECOGNIZE en-GB <grammar/>", "BYE"]);
}

#[test]
fn a_recogniser_that_fails_is_told_in_words() {
    let lab = Lab::new();
    let cases = [
        (
            Manner::RefusesTheWords,
            "answered RECOGNIZE with 407 (method or operation failed), grammar-compilation-failure",
        ),
        (Manner::FailsInTheMiddle, "ended with 006 (recognizer-error)"),
        (Manner::NamesAnotherCertificate, "another certificate than its answer names"),
    ];
    for (manner, words) in cases {
        let server = lab.server("127.0.0.1", manner);
        let why = lab.recognised(&server, &["<grammar/>"]).unwrap_err();
        assert!(why.contains(words), "{manner:?}: {why}");
        assert_eq!(server.seen().last().map(String::as_str), Some("BYE"), "{manner:?}");
    }
}

#[test]
fn who_hangs_up_while_the_server_listens_is_not_listened_to_any_more() {
    let lab = Lab::new();
    let server = lab.server("127.0.0.1", Manner::Recognises);
    let (sound, sounds) = mpsc::channel(1);
    drop(sound);
    let why = lab.hears(&server, &["<grammar/>"], sounds).unwrap_err();
    assert!(why.contains("nobody wants to know any more"), "{why}");
    assert_eq!(server.seen().last().map(String::as_str), Some("BYE"));
}

/// As `unimrcp_behind_a_wall_speaks`; its demonstration recognises one sentence in whatever is said.
#[test]
fn unimrcp_behind_a_wall_recognises() {
    let Ok(at) = std::env::var("RINGFENCE_UNIMRCP") else {
        eprintln!("not run: RINGFENCE_UNIMRCP names no UniMRCP server (ADDRESS:PORT of its SIP over TCP)");
        return;
    };
    let lab = Lab::new();
    let server = lab.server("127.0.0.1", Manner::PassesOn(at.parse().unwrap()));
    let grammar = "<?xml version='1.0'?><grammar xmlns='http://www.w3.org/2001/06/grammar' version='1.0' root='r'>\
                   <rule id='r'>one</rule></grammar>";
    let ways = lab.recognised(&server, &[grammar]).unwrap();
    assert!(!ways.is_empty(), "{} ways", ways.len());
    assert_eq!(server.seen(), ["INVITE", "BYE"]);
}

#[test]
fn audio_that_is_not_under_the_servers_key_is_not_heard() {
    let lab = Lab::new();
    for manner in [Manner::KeysOfItsOwn, Manner::SendsNoAudio] {
        let server = lab.server("127.0.0.1", manner);
        assert_eq!(lab.spoken(&server), Ok(Vec::new()), "{manner:?}: which is silence, and `sounds` says so");
    }
}

#[test]
fn a_server_of_another_name_or_another_authority_is_told_nothing() {
    let lab = Lab::new();
    let server = lab.server("elsewhere.example", Manner::SendsNoAudio);
    let why = lab.spoken(&server).unwrap_err();
    assert!(why.contains("it was not verified"), "{why}");
    assert!(server.seen().is_empty());
    let stranger = Lab::new();
    let server = stranger.server("127.0.0.1", Manner::SendsNoAudio);
    let why = lab.spoken(&server).unwrap_err();
    assert!(why.contains("it was not verified"), "{why}");
    assert!(server.seen().is_empty());
}

#[test]
fn without_an_identity_nobody_is_called() {
    let lab = Lab::new();
    let server = lab.server("127.0.0.1", Manner::SendsNoAudio);
    let lab = Lab { held: Lab::new().held, ..lab };
    assert!(lab.spoken(&server).is_err(), "an identity that the server does not know");
    assert!(server.seen().is_empty());
}
