//! What a reload changes under way, and what a partner's authority may say.

use super::*;

#[test]
fn a_changed_secure_port_holds_for_new_calls_as_soon_as_it_is_applied() {
    let network = "127.41.13.";
    let right = LAB.replace("127.18.133.", network);
    let member = format!("address = \"{network}143\", priority = 10, secure_port = 5061");
    assert!(right.contains(&member));
    // Nobody listens there: calls go to the group's other member.
    let wrong = right.replace(&member, &member.replace("5061", "5071"));
    let mut lab = Lab::with(network, &wrong, |_| {});
    let carrier = lab.carrier();
    let at_carrier = carrier.watch();
    dial(&carrier);
    wait(&at_carrier, "an answer", connected);
    assert_eq!((lab.calls_at("vvb1"), lab.calls_at("vvb2")), (0, 1));

    let site = site::Site::parse(&right).unwrap();
    lab.process.reload(&site).unwrap();
    assert_eq!((lab.calls_at("vvb1"), lab.calls_at("vvb2")), (0, 1), "the call that is up keeps its way");
    carrier.control_blocking(Control::HangUp);
    wait(&at_carrier, "the end", |line| matches!(line, Journal::Leg(_)).then_some(()));
    dial(&carrier);
    wait(&at_carrier, "another answer", connected);
    assert_eq!(lab.calls_at("vvb1"), 1, "the new port, without waiting for a heartbeat");
    carrier.control_blocking(Control::HangUp);
    wait(&at_carrier, "the end", |line| matches!(line, Journal::Leg(_)).then_some(()));
    lab.end();
}

#[test]
fn a_right_name_on_the_wrong_authoritys_word_is_refused_and_both_are_named() {
    let network = "127.41.10.";
    let text = LAB.replace("127.18.133.", network);
    // A carrier's authority, trusted for its trunk. It can write into a certificate whatever it likes.
    let carrier = trust::Ca::create("carrier", SystemTime::now()).unwrap();
    let root = carrier.certificate_pem().to_owned();
    let mut lab = Lab::with(network, &text, |dir| std::fs::write(dir.join("roots/carrier.pem"), root).unwrap());
    let server = lab.secure("vvb1");
    let mut plan = Plan::new("1234", &server);
    plan.say = Some(Say { prompt: "caller".into(), repeat: true });
    let papers = Papers { identity: Some(identity(&carrier, "cvp1.lab.example")), ..lab.papers("nobody") };
    let stranger = lab.phone("1234", SocketAddr::new(lab.address(99), 0), server, plan, papers);
    let (browser, at_stranger) = (lab.process.node("vvb1").unwrap(), stranger.watch());

    dial(&stranger);
    let ended = wait(&at_stranger, "a refusal", |line| match line {
        Journal::Leg(leg) => leg.ended_because.clone(),
        _ => None,
    });
    assert!(ended.contains("403"), "{ended}");
    let refusal = browser.refusals().pop().expect("a refusal").refusal;
    assert_eq!(refusal.cause, "wrong_authority");
    assert_eq!(refusal.expected, "cvp1.lab.example from the site's own authority");
    assert_eq!(refusal.presented, "cvp1.lab.example from authority `carrier`");

    // The site may say that it is the carrier who names this browser's callers.
    let subject = "secure_certificate_subject = [\"cvp1.lab.example\"]    # only the call server may call";
    assert!(text.contains(subject));
    let named = text.replacen(subject, &format!("authority = \"carrier\"\n{subject}"), 1);
    lab.process.reload(&site::Site::parse(&named).unwrap()).unwrap();
    dial(&stranger);
    wait(&at_stranger, "an answer", connected);
    stranger.control_blocking(Control::HangUp);

    // An authority that is not there is said before anything starts, and changes nothing in a reload.
    let nobody = site::Site::parse(&named.replace("\"carrier\"", "\"nobody\"")).unwrap();
    let error = lab.process.reload(&nobody).unwrap_err().to_string();
    assert!(error.contains("voice browser vvb1") && error.contains("roots/nobody.pem"), "{error}");
    lab.end();
}
