//! Words and recordings of web servers, as a caller hears them: a real call, an engine that speaks in a tone of its own.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use super::https::serve_https;
use super::sound::{pitch, tone};
use super::speech_server::{Manner, SpeechServer};
use super::*;

/// A folder with an engine that speaks in 620 Hz at the usual rate of engines, and writes down what it is told.
fn engine(folder: &Path) {
    let sample = |at: u32| (f64::from(at) * std::f64::consts::TAU * 620.0 / 22_050.0).sin() * 12_000.0;
    let mut file = media::wav::write((0..66_150).map(|at| sample(at) as i16));
    file[24..28].copy_from_slice(&22_050u32.to_le_bytes());
    std::fs::write(folder.join("spoken.wav"), file).unwrap();
    std::fs::write(folder.join("tone.wav"), tone(500.0)).unwrap();
    let here = folder.display();
    let script = format!("#!/bin/sh\nwords=$(cat); printf '%s\\n' \"$words\" >>{here}/words; cat {here}/spoken.wav\n");
    std::fs::write(folder.join("engine"), script).unwrap();
    std::fs::set_permissions(folder.join("engine"), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The application of a folder, on a site that has this said of its speech; what its caller heard, and the words that the
/// engine was told.
fn heard(network: &'static str, page: &str, speech: &str, prepare: impl FnOnce(&Lab)) -> (usize, Vec<String>) {
    let folder = std::env::temp_dir().join(format!("ringfence-net-speech-{network}{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    engine(&folder);
    std::fs::write(folder.join("main.vxml"), page).unwrap();
    let speech = speech.replace("HERE", folder.to_str().unwrap());
    let text = crate::vxml::site(network, folder.join("main.vxml").to_str().unwrap());
    let text = text.replacen("[[node]]", &format!("[speech]\n{speech}\n\n[[node]]"), 1);
    let mut lab = Lab::with(network, &text, |_| {});
    prepare(&lab);
    let file = folder.join("heard.wav").to_str().unwrap().to_owned();
    let record = roles::phone::Record { heard: file.clone(), said: format!("{file}.said") };
    let carrier = lab.carrier_with(|plan| plan.record = Some(record));
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_carrier, "the recording of the call", |line| matches!(line, Journal::Recorded { .. }).then_some(()));
    let words = std::fs::read_to_string(folder.join("words")).unwrap_or_default();
    let heard = (pitch(&file), words.lines().map(str::to_owned).collect());
    std::fs::remove_dir_all(folder).unwrap();
    lab.end();
    heard
}

const ENGINE: &str = "engine = \"espeak-ng\"\ncommand = \"HERE/engine\"";

#[test]
fn a_caller_hears_words_that_an_engine_speaks() {
    let page = "<vxml version='2.1'><form><block>Dear <value expr=\"'Ada'\"/>,
        <say-as interpret-as='vxml:currency'>EUR12</say-as>. <disconnect/></block></form></vxml>";
    let (hertz, words) = heard("127.41.47.", page, ENGINE, |_| {});
    assert!((615..=625).contains(&hertz), "{hertz} Hz");
    assert_eq!(words, ["Dear Ada, twelve euros."]);
}

#[test]
fn a_caller_hears_recordings_of_a_web_server_and_words_where_there_is_none() {
    let network = "127.41.36.";
    let server: SocketAddr = format!("{network}90:8443").parse().unwrap();
    let page = format!(
        "<vxml version='2.1'><form><block><audio src='https://{server}/gone.wav'>instead of it</audio>
         <audio src='https://{server}/page.wav'>no audio</audio><disconnect/></block></form></vxml>"
    );
    let serve = |lab: &Lab| {
        serve_https(lab, server, |request| {
            let answer = hyper::Response::builder();
            match request.uri().path() {
                "/page.wav" => answer.body("<html>a page</html>".into()).unwrap(),
                _ => answer.status(404).body(Default::default()).unwrap(),
            }
        });
    };
    let (hertz, words) = heard(network, &page, ENGINE, serve);
    assert!((615..=625).contains(&hertz), "{hertz} Hz");
    let mut words = words;
    words.sort_unstable();
    assert_eq!(words, ["instead of it", "no audio"]);

    let network = "127.41.37.";
    let server: SocketAddr = format!("{network}90:8443").parse().unwrap();
    let page = format!(
        "<vxml version='2.1'><form><block><audio src='https://{server}/tone.wav'>not heard</audio><disconnect/></block>
         </form></vxml>"
    );
    let serve = |lab: &Lab| {
        serve_https(lab, server, |_| hyper::Response::builder().body(tone(440.0).into()).unwrap());
    };
    let (hertz, words) = heard(network, &page, ENGINE, serve);
    assert!((435..=445).contains(&hertz), "{hertz} Hz");
    assert!(words.is_empty(), "{words:?}");
}

#[test]
fn a_caller_hears_words_that_a_service_speaks() {
    let network = "127.41.28.";
    let server: SocketAddr = format!("{network}90:8443").parse().unwrap();
    let speech = format!("engine = \"http\"\nurl = \"https://{server}/speak\"\nlanguage = \"en-GB\"");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let serve = |lab: &Lab| {
        serve_https(lab, server, move |request| {
            let kind = request.headers().get("content-type").map(|it| it.to_str().unwrap().to_owned());
            let body = String::from_utf8(request.body().to_vec()).unwrap();
            seen.lock().unwrap().push((request.method().to_string(), kind, body));
            hyper::Response::builder().body(tone(700.0).into()).unwrap()
        });
    };
    let page = "<vxml version='2.1'><form><block>Ben &amp; Ada<disconnect/></block></form></vxml>";
    let (hertz, _) = heard(network, page, &speech, serve);
    assert!((695..=705).contains(&hertz), "{hertz} Hz");
    let ssml =
        "<speak version=\"1.1\" xmlns=\"http://www.w3.org/2001/10/synthesis\" xml:lang=\"en-GB\">Ben &amp; Ada</speak>";
    let expected = ("POST".to_owned(), Some("application/ssml+xml".to_owned()), ssml.to_owned());
    assert_eq!(*asked.lock().unwrap(), [expected]);
}

/// A site whose speech server behaves so: what the caller heard, and what the server saw.
fn heard_from_a_server(network: &'static str, page: &str, manner: Manner) -> (usize, Vec<String>) {
    let address: SocketAddr = format!("{network}90:5061").parse().unwrap();
    let speech = format!("engine = \"mrcp\"\nserver = \"sips:speech@{}\"\nlanguage = \"en-GB\"", address.ip());
    let server = Arc::new(Mutex::new(None));
    let kept = server.clone();
    let serve = |lab: &Lab| {
        let Papers { identity, roots_pem } = lab.papers(&address.ip().to_string());
        let server = SpeechServer::start(address, &identity.unwrap(), &roots_pem, manner);
        assert_eq!(server.address, address);
        *kept.lock().unwrap() = Some(server);
    };
    let (hertz, _) = heard(network, page, &speech, serve);
    let seen = server.lock().unwrap().as_ref().unwrap().seen();
    (hertz, seen)
}

#[test]
fn a_caller_hears_words_that_a_speech_server_speaks_by_mrcp() {
    let page = "<vxml version='2.1'><form><block>Ben &amp; Ada<disconnect/></block></form></vxml>";
    let (hertz, seen) = heard_from_a_server("127.41.61.", page, Manner::Speaks { hertz: 700, packets: 150 });
    assert!((695..=705).contains(&hertz), "{hertz} Hz");
    let ssml =
        "<speak version=\"1.1\" xmlns=\"http://www.w3.org/2001/10/synthesis\" xml:lang=\"en-GB\">Ben &amp; Ada</speak>";
    assert_eq!(seen, ["INVITE", &format!("SPEAK en-GB {ssml}"), "BYE"]);
}

#[test]
fn a_speech_server_that_fails_is_an_event_that_the_application_catches() {
    let page = "<vxml version='2.1'><catch event='error.noresource'><audio src='tone.wav'/><disconnect/></catch>
        <form><field name='a' type='digits?length=1'>hello</field></form></vxml>";
    let (hertz, seen) = heard_from_a_server("127.41.62.", page, Manner::FailsInTheMiddle);
    assert!((495..=505).contains(&hertz), "{hertz} Hz");
    assert_eq!(seen.first().map(String::as_str), Some("INVITE"));
    assert_eq!(seen.last().map(String::as_str), Some("BYE"));
}

#[test]
fn an_engine_that_crashes_is_an_event_that_the_application_catches() {
    let page = "<vxml version='2.1'><catch event='error.noresource'><audio src='tone.wav'/><disconnect/></catch>
        <form><field name='a' type='digits?length=1'>hello</field></form></vxml>";
    let speech = "engine = \"espeak-ng\"\ncommand = \"/bin/false\"";
    let (hertz, _) = heard("127.41.29.", page, speech, |_| {});
    assert!((495..=505).contains(&hertz), "{hertz} Hz");
}
