//! Applications of VoiceXML pages over real sockets: a caller presses keys, hears prompts, and reaches a queue's agent.

use std::sync::{Arc, Mutex};

use super::https::serve_https;
use super::sound::{pitch, tone};
use super::*;

/// The example site on this network, where 6016 is the application whose first document this is.
pub(crate) fn site(network: &str, document: &str) -> String {
    let asks = "prompt = \"welcome\"";
    let mut text = String::new();
    for line in LAB.replace("127.18.133.", network).lines() {
        let key = line.split(' ').next().unwrap_or_default();
        match key {
            "prompt" if line.starts_with(asks) => text += &format!("document = \"{document}\"\n"),
            "queue_music" | "timeout_s" | "tries" | "choice" => {}
            _ => text += &format!("{line}\n"),
        }
    }
    assert_eq!(text.matches("document = ").count(), 2, "both browsers have it: {text}");
    text
}

fn ended(line: &Journal) -> Option<call::record::LegRecord> {
    match line {
        Journal::Leg(leg) => Some((**leg).clone()),
        _ => None,
    }
}

#[test]
fn a_caller_goes_through_the_pages_by_keys_and_is_transferred_to_the_queues_agent() {
    let network = "127.41.21.";
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vxml/main.vxml");
    let mut lab = Lab::with(network, &site(network, example.to_str().unwrap()), |_| {});
    let (_agent, at_agent) = staff(&mut lab);
    let carrier = lab.carrier();
    through(&lab, &carrier, &at_agent);
    lab.end();
}

/// A call through the example application to the agent, and its end.
fn through(lab: &Lab, carrier: &NodeHandle, at_agent: &Receiver<Journal>) {
    let at_browser = lab.process.node("vvb1").unwrap().watch();
    let at_carrier = carrier.watch();
    dial(carrier);
    wait(&at_carrier, "the voice browser's answer", connected);
    // English; an account number whose check digit is right; the menu's third choice is a person.
    for keys in ["1", "123455", "3"] {
        assert_eq!(carrier.control_blocking(Control::Press { digits: keys.into() }), Reply::Done);
    }
    let leg = wait(at_agent, "the agent's call", connected);
    assert!(leg.signalling.tls.as_ref().is_some_and(|tls| tls.mutual), "{:?}", leg.signalling);
    // What the browser said of its part: prompts were heard, all of it under SRTP.
    let leg = wait(&at_browser, "the browser's part to end", ended);
    let media = leg.media.expect("the browser's facts of its media");
    assert!(media.tx_protected > 0 && media.rx_protected > 0, "{media:?}");
    assert_eq!((media.tx_clear, media.rx_clear), (0, 0), "{media:?}");
    assert_eq!(lab.calls_at("vvb1"), 0);
    carrier.control_blocking(Control::HangUp);
    wait(at_agent, "the end at the agent", ended);
}

/// A web server over HTTPS with the pages of the example; the paths that it was asked for.
fn page_server(lab: &Lab, address: SocketAddr) -> Arc<Mutex<Vec<String>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let asked = seen.clone();
    serve_https(lab, address, move |request| {
        let path = request.uri().path().to_owned();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vxml").join(&path[1..]);
        asked.lock().unwrap().push(path);
        let page = std::fs::read(file).unwrap();
        hyper::Response::builder().header("cache-control", "max-age=600").body(page.into()).unwrap()
    });
    seen
}

#[test]
fn pages_of_an_https_server_are_fetched_once_for_all_callers() {
    let network = "127.41.23.";
    let server: SocketAddr = format!("{network}90:8443").parse().unwrap();
    let mut lab = Lab::with(network, &site(network, &format!("https://{server}/main.vxml")), |_| {});
    let asked = page_server(&lab, server);
    let (_agent, at_agent) = staff(&mut lab);
    let carrier = lab.carrier();
    for _ in 0..2 {
        through(&lab, &carrier, &at_agent);
        lab.process.node("cvp1").unwrap().control_blocking(Control::AgentReady { agent: "1001".into() });
    }
    let pages = ["/main.vxml", "/root.vxml", "/account.vxml", "/balance.xml", "/menu.vxml"];
    let mut asked = asked.lock().unwrap().clone();
    let all = asked.len();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), all, "the second caller had what the first one fetched: {asked:?}");
    assert!(pages.iter().all(|page| asked.iter().any(|asked| asked == page)), "{asked:?}");
    lab.end();
}

#[test]
fn a_reload_takes_new_pages_for_new_calls_and_refuses_pages_that_are_not_there() {
    let network = "127.41.22.";
    let folder = std::env::temp_dir().join(format!("ringfence-net-pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let document = folder.join("main.vxml");
    let pages = |block: &str| {
        let text = format!("<vxml version='2.1'><form><block>{block}</block></form></vxml>");
        std::fs::write(&document, text).unwrap();
    };
    pages("<disconnect/>");
    let text = site(network, document.to_str().unwrap());
    let mut lab = Lab::with(network, &text, |_| {});
    let (_agent, at_agent) = staff(&mut lab);
    let carrier = lab.carrier();
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_carrier, "the application to hang up", ended);

    let form = "<vxml version='2.1'><form><transfer name='t' dest='sip:sales' type='blind'/></form></vxml>";
    std::fs::write(&document, form).unwrap();
    let site = site::Site::parse(&text).unwrap();
    lab.process.reload(&site).unwrap();
    dial(&carrier);
    wait(&at_agent, "the agent's call, by the new page", connected);
    carrier.control_blocking(Control::HangUp);
    wait(&at_agent, "the end at the agent", ended);

    std::fs::remove_file(&document).unwrap();
    let error = format!("{:#}", lab.process.reload(&site).unwrap_err());
    assert!(error.contains("node vvb1: application 6016") && error.contains("main.vxml"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
    lab.end();
}

#[test]
fn a_caller_hears_the_applications_own_recordings() {
    let network = "127.41.24.";
    let folder = std::env::temp_dir().join(format!("ringfence-net-recordings-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("sounds")).unwrap();
    std::fs::write(folder.join("sounds/tone.wav"), tone(620.0)).unwrap();
    std::fs::write(folder.join("sounds/not.wav"), "not audio").unwrap();
    let page =
        "<vxml version='2.1'><form><block><audio src='sounds/not.wav'/><audio src='sounds/tone.wav'/><disconnect/>
        </block></form></vxml>";
    let document = folder.join("main.vxml");
    std::fs::write(&document, page).unwrap();
    let said: Vec<String> = net::pages::problems(&document).unwrap().into_iter().map(|(_, words)| words).collect();
    assert_eq!(said, ["expected a WAV file (RIFF, WAVE), found something else"]);

    let mut lab = Lab::with(network, &site(network, document.to_str().unwrap()), |_| {});
    let heard = folder.join("heard.wav").to_str().unwrap().to_owned();
    let record = roles::phone::Record { heard: heard.clone(), said: format!("{heard}.said") };
    let carrier = lab.carrier_with(|plan| plan.record = Some(record));
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_carrier, "the recording of the call", |line| matches!(line, Journal::Recorded { .. }).then_some(()));
    let hertz = pitch(&heard);
    assert!((615..=625).contains(&hertz), "{hertz} Hz");
    std::fs::remove_dir_all(folder).unwrap();
    lab.end();
}
