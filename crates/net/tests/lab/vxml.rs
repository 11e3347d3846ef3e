//! Applications of VoiceXML pages over real sockets: a caller presses keys, hears prompts, and reaches a queue's agent.

use super::*;

/// The example site on this network, where 6016 is the application whose first document this is.
fn site(network: &str, document: &Path) -> String {
    let asks = "prompt = \"welcome\"";
    let mut text = String::new();
    for line in LAB.replace("127.18.133.", network).lines() {
        let key = line.split(' ').next().unwrap_or_default();
        match key {
            "prompt" if line.starts_with(asks) => text += &format!("document = \"{}\"\n", document.display()),
            "queue_music" | "timeout_s" | "tries" | "choice" => {}
            _ => text += &format!("{line}\n"),
        }
    }
    assert_eq!(text.matches("document = ").count(), 2, "both browsers have it: {text}");
    text
}

/// An agent who is registered and ready.
fn staff(lab: &mut Lab) -> (NodeHandle, Receiver<Journal>) {
    let agent = lab.agent();
    let at_agent = agent.watch();
    if !matches!(agent.control_blocking(Control::Registrations), Reply::Registrations(_)) {
        wait(&at_agent, "the agent's registration", |line| {
            matches!(line, Journal::Registered { registered: true, .. }).then_some(())
        });
    }
    let call_server = lab.process.node("cvp1").unwrap();
    assert_eq!(call_server.control_blocking(Control::AgentReady { agent: "1001".into() }), Reply::Done);
    (agent, at_agent)
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
    let mut lab = Lab::with(network, &site(network, &example), |_| {});
    let (_agent, at_agent) = staff(&mut lab);
    let browser = lab.process.node("vvb1").unwrap();
    let at_browser = browser.watch();
    let carrier = lab.carrier();
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_carrier, "the voice browser's answer", connected);
    // English; an account number whose check digit is right; the menu's third choice is a person.
    for keys in ["1", "123455", "3"] {
        assert_eq!(carrier.control_blocking(Control::Press { digits: keys.into() }), Reply::Done);
    }
    let leg = wait(&at_agent, "the agent's call", connected);
    assert!(leg.signalling.tls.as_ref().is_some_and(|tls| tls.mutual), "{:?}", leg.signalling);
    // What the browser said of its part: prompts were heard, all of it under SRTP.
    let leg = wait(&at_browser, "the browser's part to end", ended);
    let media = leg.media.expect("the browser's facts of its media");
    assert!(media.tx_protected > 0 && media.rx_protected > 0, "{media:?}");
    assert_eq!((media.tx_clear, media.rx_clear), (0, 0), "{media:?}");
    assert_eq!(lab.calls_at("vvb1"), 0);
    carrier.control_blocking(Control::HangUp);
    wait(&at_agent, "the end at the agent", ended);
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
    let text = site(network, &document);
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
