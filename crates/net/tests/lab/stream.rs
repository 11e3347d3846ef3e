//! Callers who talk with bots over real calls: under SRTP within, over TLS to the bot. How much of the audio is lost on the way
//! there and back, and how late it is, is counted in frames of 20 ms.

use std::sync::mpsc::{self, Sender};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::https::serve_https;
use super::websocket::{Served, serve_websocket};
use super::*;

/// A lab whose application is this form (`BOT` and `WEB` are its servers), and what the page says at its end: the query of
/// what it asks the web server for.
struct Scene {
    lab: Lab,
    folder: PathBuf,
    carrier: NodeHandle,
    at_carrier: Receiver<Journal>,
    said: Receiver<String>,
}

fn bot_of(network: &str) -> SocketAddr {
    format!("{network}91:8444").parse().unwrap()
}

impl Scene {
    fn set(network: &'static str, form: &str) -> Scene {
        let web: SocketAddr = format!("{network}90:8443").parse().unwrap();
        let folder = std::env::temp_dir().join(format!("ringfence-net-stream-{network}{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let form = form.replace("BOT", &bot_of(network).to_string()).replace("WEB", &web.to_string());
        let document = folder.join("main.vxml");
        let page = format!("<vxml version='2.1' xmlns:rf='urn:ringfence:vxml'><form>{form}</form></vxml>");
        assert_eq!(::vxml::check("app:/main.vxml", page.as_bytes()), [], "{page}");
        std::fs::write(&document, page).unwrap();
        let allowed = format!("may_stream = [\"{}\", \"{network}92:8444\"]\ndocument = ", bot_of(network));
        let text = super::vxml::site(network, document.to_str().unwrap()).replace("document = ", &allowed);
        let mut lab = Lab::with(network, &text, |_| {});
        let (tell, said) = mpsc::channel();
        serve_https(&lab, web, move |request| {
            let _ = tell.send(request.uri().query().unwrap_or_default().to_owned());
            hyper::Response::new("<vxml version='2.1'><form><block><disconnect/></block></form></vxml>".into())
        });
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let record = roles::phone::Record { heard: file("heard.wav"), said: file("said.wav") };
        let carrier = lab.carrier_with(|plan| plan.record = Some(record));
        let at_carrier = carrier.watch();
        Scene { lab, folder, carrier, at_carrier, said }
    }

    fn bot(&self, talk: impl AsyncFn(Served) + Send + 'static) {
        let address = bot_of(self.lab.network);
        serve_websocket(&self.lab.papers(&address.ip().to_string()).identity.unwrap(), address, talk);
    }

    fn page_says(&self) -> String {
        self.said.recv_timeout(PATIENCE).expect("the page's last word")
    }

    fn wav(&self, name: &str) -> Vec<i16> {
        media::wav::read(&std::fs::read(self.folder.join(name)).unwrap()).unwrap()
    }

    fn end(self) {
        std::fs::remove_dir_all(self.folder).unwrap();
        self.lab.end();
    }
}

fn media_of(codes: &[u8]) -> String {
    json!({ "event": "media", "media": { "payload": BASE64_STANDARD.encode(codes) } }).to_string()
}

fn mark(name: &str) -> String {
    json!({ "event": "mark", "mark": { "name": name } }).to_string()
}

const CLEAR: &str = r#"{"event":"clear"}"#;
/// Frames that are echoed before the bot goes on to its next act.
const ECHOED: usize = 150;
/// Twenty seconds of a bot that says nothing.
static LONG: [u8; 160_000] = [255; 160_000];

/// What a bot saw.
#[derive(Default)]
struct Seen {
    start: Value,
    /// `chunk` of each `media`.
    chunks: Vec<usize>,
    /// Marks: what came back, and how many frames of the caller's came meanwhile.
    marks: Vec<(String, usize)>,
    errors: usize,
    keys: String,
}

/// Says again what the caller says, with a mark every half second; then throws too much and takes it back; then waits for
/// `#`, and leaves.
async fn echo(mut socket: Served, tell: &Sender<Seen>) {
    let (mut seen, mut sent) = (Seen::default(), Vec::<(String, usize)>::new());
    while let Some(message) = socket.hear().await {
        let message: Value = serde_json::from_slice(&message).unwrap();
        let text = |of: &str, name: &str| message[of][name].as_str().unwrap_or_default().to_owned();
        match message["event"].as_str().unwrap() {
            "start" => seen.start = message,
            "media" => {
                seen.chunks.push(text("media", "chunk").parse().unwrap());
                let count = seen.chunks.len();
                if count <= ECHOED {
                    let codes = BASE64_STANDARD.decode(text("media", "payload")).unwrap();
                    assert_eq!(codes.len(), 160);
                    socket.say(&media_of(&codes)).await;
                    if count.is_multiple_of(25) {
                        sent.push((count.to_string(), count));
                        socket.say(&mark(&count.to_string())).await;
                    }
                }
            }
            "mark" => {
                let name = text("mark", "name");
                let (_, at) = sent.iter().find(|(sent, _)| *sent == name).unwrap();
                seen.marks.push((name.clone(), seen.chunks.len() - at));
                if name == ECHOED.to_string() {
                    // Two minutes and twenty seconds at once.
                    for _ in 0..7 {
                        socket.say(&media_of(&LONG)).await;
                    }
                    sent.push(("cleared".into(), seen.chunks.len()));
                    socket.say(&mark("cleared")).await;
                    socket.say(CLEAR).await;
                }
            }
            "error" => {
                assert_eq!(text("error", "code"), "overrun");
                seen.errors += 1;
            }
            "dtmf" => {
                seen.keys += &text("dtmf", "digit");
                if seen.keys.ends_with('#') {
                    let value = json!({ "keys": seen.keys, "who": seen.start["start"]["customParameters"]["who"] });
                    socket.say(&json!({ "event": "stop", "stop": { "value": value } }).to_string()).await;
                }
            }
            "stop" => {
                let _ = tell.send(std::mem::take(&mut seen));
                return;
            }
            _ => assert_eq!(message["event"], "connected"),
        }
    }
}

#[test]
fn a_bot_echoes_a_caller_and_little_is_lost_and_nothing_is_late() {
    let scene = Scene::set(
        "127.41.83.",
        "<rf:stream name='t' src='wss://BOT/echo?v=1'><param name='who' expr=\"'ann'\"/></rf:stream>
         <block><var name='keys' expr='t.keys'/><var name='who' expr='t.who'/><var name='why' expr='t$.reason'/>
         <submit next='https://WEB/end' namelist='keys who why'/></block>",
    );
    let (tell, told) = mpsc::channel();
    scene.bot(async move |socket| {
        assert_eq!(socket.path, "/echo?v=1");
        echo(socket, &tell).await;
    });
    let at_browser = scene.lab.process.node("vvb1").unwrap().watch();
    dial(&scene.carrier);
    wait(&scene.at_carrier, "the voice browser's answer", connected);
    assert_eq!(scene.carrier.control_blocking(Control::Press { digits: "42".into() }), Reply::Done);
    // The caller has talked for longer than the bot echoes.
    let until = Instant::now() + PATIENCE;
    let talked = |carrier: &NodeHandle| match carrier.control_blocking(Control::Calls) {
        Reply::Calls(legs) => legs.iter().filter_map(|leg| leg.media.as_ref()).map(|it| it.tx_clear).sum::<u64>(),
        other => panic!("{other:?}"),
    };
    while talked(&scene.carrier) < 2 * ECHOED as u64 {
        assert!(Instant::now() < until, "the caller says nothing");
        let _ = scene.at_carrier.recv_timeout(Duration::from_millis(50));
    }
    assert_eq!(scene.carrier.control_blocking(Control::Press { digits: "#".into() }), Reply::Done);
    assert_eq!(scene.page_says(), "keys=42%23&who=ann&why=stop");
    let seen = told.recv_timeout(PATIENCE).expect("the bot's account");
    wait(&scene.at_carrier, "the recording of the call", |line| matches!(line, Journal::Recorded { .. }).then_some(()));

    // To the bot.
    assert_eq!(seen.start["start"]["mediaFormat"], json!({"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}));
    assert_eq!(seen.start["start"]["callSid"].as_str().map(str::len), Some(32), "the caller's Session-ID");
    let (came, last) = (seen.chunks.len(), *seen.chunks.last().unwrap());
    assert!(came > ECHOED && last - came <= last / 10, "{came} of {last} frames came");
    assert!(seen.chunks.is_sorted());
    // And back: what waits for a bot is two seconds at most, and of what was taken back nothing is waited for.
    let names: Vec<&str> = seen.marks.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["25", "50", "75", "100", "125", "150", "cleared"]);
    assert!(
        seen.marks.iter().all(|(name, late)| *late <= if name == "cleared" { 400 } else { 100 }),
        "{:?}",
        seen.marks
    );
    assert_eq!(seen.errors, 1, "told once that two minutes are all that waits");
    let (said, heard) = (scene.wav("said.wav"), scene.wav("heard.wav"));
    let loud = |frame: &&[i16]| frame.iter().filter(|sample| sample.unsigned_abs() > 1000).count() > 40;
    let frames: Vec<&[i16]> = said.chunks_exact(160).take(ECHOED).filter(loud).collect();
    let holds = |frame: &&&[i16]| heard.windows(160).any(|window| window == **frame);
    let came_back = frames.iter().filter(holds).count();
    assert!(frames.len() > 30 && came_back * 20 >= frames.len() * 17, "{came_back} of {} were heard", frames.len());

    // Who heard the caller is in the call's record.
    let leg = wait(&at_browser, "the browser's part to end", |line| match line {
        Journal::Leg(leg) => Some((**leg).clone()),
        _ => None,
    });
    let streamed = format!("stream to {}", bot_of(scene.lab.network));
    assert!(leg.events.iter().any(|event| event.what == streamed), "{:?}", leg.events);
    let media = leg.media.expect("its media");
    assert!(media.tx_clear == 0 && media.rx_clear == 0 && media.tx_protected > 100, "{media:?}");
    scene.end();
}

#[test]
fn bots_that_fail_are_events_and_one_that_nobody_vouches_for_hears_nothing() {
    let network = "127.41.84.";
    let item = |name: &str, src: &str| {
        format!(
            "<rf:stream name='{name}' src='{src}' connecttimeout='5s'>
             <catch event='error'><assign name='seen' expr=\"seen + _event + ' '\"/><assign name='{name}' expr='1'/></catch>
             <filled><assign name='seen' expr=\"seen + {name}$.reason + ' '\"/></filled></rf:stream>"
        )
    };
    let form = [
        "<var name='seen' expr=\"''\"/>".to_owned(),
        item("a", "wss://BOT/vanish"),
        item("b", "wss://BOT/babble"),
        item("c", "wss://127.41.84.92:8444/"),
        item("d", "wss://127.41.84.93:8444/"),
        item("e", "ws://BOT/"),
        item("f", "wss://BOT/leave"),
        "<block><submit next='https://WEB/end' namelist='seen'/></block>".to_owned(),
    ];
    let scene = Scene::set(network, &form.concat());
    scene.bot(async |mut socket| {
        while let Some(message) = socket.hear().await {
            let message: Value = serde_json::from_slice(&message).unwrap();
            if message["event"] != "media" {
                continue;
            }
            match socket.path.as_str() {
                "/vanish" => return,
                "/babble" => socket.say("hello").await,
                path => {
                    assert_eq!(path, "/leave");
                    return socket.leave().await;
                }
            }
        }
    });
    // The lab's authority knows it by another address.
    let stranger: SocketAddr = format!("{network}92:8444").parse().unwrap();
    let (tell, told) = mpsc::channel();
    serve_websocket(&scene.lab.papers("127.41.84.99").identity.unwrap(), stranger, async move |_| {
        let _ = tell.send(());
    });
    dial(&scene.carrier);
    assert_eq!(
        scene.page_says(),
        "seen=error.stream.lost+error.stream.protocol+error.badfetch+error.noauthorization+error.unsupported.uri+closed+"
    );
    wait(&scene.at_carrier, "the recording of the call", |line| matches!(line, Journal::Recorded { .. }).then_some(()));
    assert!(told.try_recv().is_err(), "a stranger was talked with");
    scene.end();
}

#[test]
fn a_bot_is_told_that_its_caller_has_hung_up() {
    let scene = Scene::set(
        "127.41.85.",
        "<rf:stream name='t' src='wss://BOT/'/>
         <catch event='connection.disconnect.hangup'><submit next='https://WEB/gone'/></catch>",
    );
    let (tell, told) = mpsc::channel();
    scene.bot(async move |mut socket| {
        let mut last = Value::Null;
        while let Some(message) = socket.hear().await {
            last = serde_json::from_slice(&message).unwrap();
            if last["event"] == "media" {
                let _ = tell.send("media".to_owned());
            }
        }
        let _ = tell.send(last["event"].as_str().unwrap_or_default().to_owned());
    });
    dial(&scene.carrier);
    assert_eq!(told.recv_timeout(PATIENCE).as_deref(), Ok("media"));
    scene.carrier.control_blocking(Control::HangUp);
    let until = Instant::now() + PATIENCE;
    while told.recv_timeout(PATIENCE).as_deref() == Ok("media") {
        assert!(Instant::now() < until);
    }
    scene.page_says();
    scene.end();
}
