//! Callers who answer in words: real calls, whose audio is under SRTP within, and recognisers of each kind that say what the
//! test has them say. What the caller hears then tells what was understood.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::https::serve_https;
use super::sound::{pitch, tone};
use super::speech_server::{Manner, SpeechServer};
use super::websocket::serve_websocket;
use super::*;

const SUPPORT: &str = r#"{"results":[{"text":"technical support","confidence":0.8}]}"#;

/// The site with this recogniser; how high the caller hears it sound: 500 Hz where the words were understood, 700 Hz where
/// they were not, 900 Hz without a recogniser.
fn heard(network: &'static str, recognition: &str, prepare: impl FnOnce(&Lab, &Path)) -> usize {
    let folder = std::env::temp_dir().join(format!("ringfence-net-recognition-{network}{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for (name, hertz) in [("yes", 500.0), ("no", 700.0), ("nobody", 900.0)] {
        std::fs::write(folder.join(format!("{name}.wav")), tone(hertz)).unwrap();
    }
    let page = "<vxml version='2.1'><catch event='error.noresource'><audio src='nobody.wav'/><disconnect/></catch>
        <form><field name='a'><prompt timeout='20s'><audio src='prompt:moh'/></prompt>
        <grammar version='1.0' root='r'><rule id='r'><one-of><item>sales <tag>out='no'</tag></item>
        <item>technical support <tag>out='yes'</tag></item></one-of></rule></grammar>
        <nomatch><audio src='no.wav'/><disconnect/></nomatch><filled><audio expr=\"a + '.wav'\"/><disconnect/></filled>
        </field></form></vxml>";
    std::fs::write(folder.join("main.vxml"), page).unwrap();
    let recognition = recognition.replace("HERE", folder.to_str().unwrap());
    let text = crate::vxml::site(network, folder.join("main.vxml").to_str().unwrap());
    let text = text.replacen("[[node]]", &format!("[recognition]\n{recognition}\n\n[[node]]"), 1);
    let mut lab = Lab::with(network, &text, |_| {});
    prepare(&lab, &folder);
    let file = folder.join("heard.wav").to_str().unwrap().to_owned();
    let record = roles::phone::Record { heard: file.clone(), said: format!("{file}.said") };
    let carrier = lab.carrier_with(|plan| {
        plan.record = Some(record);
        plan.say = Some(Say { prompt: "caller".into(), repeat: false });
    });
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_carrier, "the recording of the call", |line| matches!(line, Journal::Recorded { .. }).then_some(()));
    let hertz = pitch(&file);
    std::fs::remove_dir_all(folder).unwrap();
    lab.end();
    hertz
}

/// Within a few of what a tone should be.
fn near(hertz: usize, wanted: usize) -> bool {
    hertz.abs_diff(wanted) <= 5
}

#[test]
fn a_caller_is_understood_by_a_program_and_a_program_that_fails_is_noresource() {
    let program = |script: &'static str| {
        move |_: &Lab, folder: &Path| {
            let engine = folder.join("engine");
            std::fs::write(&engine, format!("#!/bin/sh\ncat >/dev/null\n{script}\n")).unwrap();
            std::fs::set_permissions(&engine, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    };
    let engine = "engine = \"pocketsphinx\"\ncommand = \"HERE/engine\"\ntimeout_s = 5";
    let understood = program(r#"echo '{"results":[{"text":"technical support","confidence":0.8}]}'"#);
    let hertz = heard("127.41.70.", engine, understood);
    assert!(near(hertz, 500), "{hertz} Hz");
    let hertz = heard("127.41.71.", engine, program("echo '{\"results\":[]}'"));
    assert!(near(hertz, 700), "{hertz} Hz");
    let hertz = heard("127.41.72.", engine, program("kill -9 $$"));
    assert!(near(hertz, 900), "{hertz} Hz");
}

#[test]
fn a_caller_is_understood_by_a_service_that_is_given_grammar_and_audio_by_post() {
    let network = "127.41.73.";
    let server: SocketAddr = format!("{network}90:8443").parse().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let serve = move |lab: &Lab, _: &Path| {
        serve_https(lab, server, move |request| {
            let kind = request.headers().get("content-type").map(|it| it.to_str().unwrap().to_owned());
            seen.lock().unwrap().push((request.method().to_string(), kind.unwrap_or_default(), request.body().clone()));
            let nlsml =
                "<result><interpretation confidence='0.8'><input>technical support</input></interpretation></result>";
            hyper::Response::builder().body(nlsml.into()).unwrap()
        });
    };
    let engine = format!("engine = \"http\"\nurl = \"https://{server}/hear\"");
    let hertz = heard(network, &engine, serve);
    assert!(near(hertz, 500), "{hertz} Hz");
    let asked = asked.lock().unwrap();
    let [(method, kind, body)] = asked.as_slice() else { panic!("asked {} times", asked.len()) };
    assert!(method == "POST" && kind.starts_with("multipart/form-data; boundary="), "{method} {kind}");
    let text = String::from_utf8_lossy(body);
    for part in
        ["name=\"grammar\"", "application/srgs+xml", "technical support", "audio/wav", "RIFF", "name=\"n_best\""]
    {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("out='yes'"), "what words mean is nobody's business");
    assert!(body.len() > 16_000, "a second of 16 bit at least: {}", body.len());
}

#[test]
fn a_caller_is_understood_while_speaking_by_a_speech_server_over_mrcp() {
    let cases = [
        ("127.41.80.", Manner::Recognises, 500),
        ("127.41.81.", Manner::HearsNothing, 700),
        ("127.41.82.", Manner::FailsInTheMiddle, 900),
    ];
    for (network, manner, wanted) in cases {
        let address: SocketAddr = format!("{network}90:5061").parse().unwrap();
        let server = Arc::new(Mutex::new(None));
        let kept = server.clone();
        let serve = move |lab: &Lab, _: &Path| {
            let Papers { identity, roots_pem } = lab.papers(&address.ip().to_string());
            let server = SpeechServer::start(address, &identity.unwrap(), &roots_pem, manner);
            assert_eq!(server.address, address);
            *kept.lock().unwrap() = Some(server);
        };
        let engine = format!("engine = \"mrcp\"\nserver = \"sips:hear@{}\"", address.ip());
        let hertz = heard(network, &engine, serve);
        assert!(near(hertz, wanted), "{manner:?}: {hertz} Hz");
        let seen = server.lock().unwrap().as_ref().unwrap().seen();
        let [invite, recognize, bye] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!((invite.as_str(), bye.as_str()), ("INVITE", "BYE"));
        assert!(recognize.starts_with("RECOGNIZE en-US <") && recognize.contains("technical support"), "{recognize}");
        assert!(!recognize.contains("out='yes'"), "what words mean is nobody's business");
    }
}

/// A WebSocket service of the lab's authority: what it was told, in words, and how many octets of audio came before the
/// end. It answers once a quarter of a second was heard, or hangs up instead.
fn serve_recogniser(lab: &Lab, address: SocketAddr, answers: bool) -> Arc<Mutex<(Vec<String>, usize)>> {
    let identity = lab.papers(&address.ip().to_string()).identity.unwrap();
    let told = Arc::new(Mutex::new((Vec::new(), 0)));
    let telling = told.clone();
    serve_websocket(&identity, address, async move |mut socket| {
        while let Some(message) = socket.hear().await {
            if note(&telling, &message) {
                if !answers {
                    break;
                }
                socket.say(r#"{"partial":"technical"}"#).await;
                socket.say(SUPPORT).await;
            }
        }
    });
    told
}

/// Whether enough was heard just now.
fn note(told: &Mutex<(Vec<String>, usize)>, message: &Bytes) -> bool {
    let mut told = told.lock().unwrap();
    match std::str::from_utf8(message).ok().filter(|text| text.starts_with('{')) {
        Some(text) => {
            told.0.push(text.to_owned());
            false
        }
        None => {
            let before = std::mem::replace(&mut told.1, 0) + message.len();
            told.1 = before;
            before >= 4000 && before - message.len() < 4000
        }
    }
}

#[test]
fn a_caller_is_understood_while_speaking_by_a_service_over_a_websocket() {
    for (network, answers, wanted) in [("127.41.74.", true, 500), ("127.41.75.", false, 900)] {
        let server: SocketAddr = format!("{network}90:8443").parse().unwrap();
        let told = Arc::new(Mutex::new(None));
        let telling = told.clone();
        let serve = move |lab: &Lab, _: &Path| {
            *telling.lock().unwrap() = Some(serve_recogniser(lab, server, answers));
        };
        let engine = format!("engine = \"websocket\"\nurl = \"wss://{server}/hear?model=phone\"");
        let hertz = heard(network, &engine, serve);
        assert!(near(hertz, wanted), "{hertz} Hz");
        let told = told.lock().unwrap().take().unwrap();
        let told = told.lock().unwrap();
        let start: serde_json::Value = serde_json::from_str(&told.0[0]).unwrap();
        assert_eq!((&start["start"]["rate"], &start["start"]["encoding"]), (&8000.into(), &"s16le".into()));
        assert!(start["start"]["srgs"][0].as_str().unwrap().contains("technical support"));
        assert!(told.1 >= 4000, "{} octets", told.1);
    }
}

#[test]
fn a_service_that_nobody_vouches_for_hears_nothing() {
    let network = "127.41.76.";
    let server: SocketAddr = format!("{network}90:8443").parse().unwrap();
    let told = Arc::new(Mutex::new(None));
    let telling = told.clone();
    // The lab's authority gave its certificate, for another address.
    let other: SocketAddr = format!("{network}91:8443").parse().unwrap();
    let serve = move |lab: &Lab, _: &Path| {
        *telling.lock().unwrap() = Some(serve_recogniser(lab, other, true));
        let inbound = std::net::TcpListener::bind(server).unwrap();
        std::thread::spawn(move || {
            while let Ok((near, _)) = inbound.accept() {
                let far = std::net::TcpStream::connect(other).unwrap();
                let (mut near_in, mut far_out) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut near_in, &mut far_out));
                std::thread::spawn(move || std::io::copy(&mut &far, &mut &near));
            }
        });
    };
    let engine = format!("engine = \"websocket\"\nurl = \"wss://{server}/\"");
    let hertz = heard(network, &engine, serve);
    assert!(near(hertz, 900), "{hertz} Hz");
    let told = told.lock().unwrap().take().unwrap();
    assert_eq!(*told.lock().unwrap(), (Vec::new(), 0));
}
