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
    let network = "127.41.49.";
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

/// Contract 74: Service Activation.
#[test]
fn capf_is_activated_by_itself_while_everything_runs() {
    let network = "127.41.57.";
    let text = LAB.replace("127.18.133.", network);
    let with = |fields: &str| format!("{text}\n[node.role.call_manager.phone_services]\ntftp_port = 6969\n{fields}\n");
    let (off, on) = (with("activate_capf = false"), with(""));
    let mut lab = Lab::with(network, &off, |_| {});
    let services = |lab: &Lab| -> Vec<&'static str> {
        lab.process.phone_services()[0].local().iter().map(|(service, _)| *service).collect()
    };
    let is_open = |lab: &Lab| std::net::TcpStream::connect((lab.address(3), 3804)).is_ok();
    assert!(!services(&lab).contains(&"CAPF") && services(&lab).contains(&"TVS"));
    assert!(!is_open(&lab), "nobody listens there");
    lab.process.reload(&site::Site::parse(&on).unwrap()).unwrap();
    assert!(services(&lab).contains(&"CAPF") && is_open(&lab));
    lab.process.reload(&site::Site::parse(&off).unwrap()).unwrap();
    assert!(!services(&lab).contains(&"CAPF") && !is_open(&lab));
    // Who is to be given a certificate by nobody is found before anything runs.
    let device = "[[node.role.call_manager.phone_services.device]]\nphone = \"SEP000000001001\"\n\
                  certificate_operation = \"install_upgrade\"\noperation_completes_by = \"2036-01-01\"";
    let problems = site::Site::check(&with(&format!("activate_capf = false\n{device}"))).problems;
    assert!(problems.iter().any(|problem| problem.to_string().contains("CAPF, which gives it one, is not activated")));
    lab.end();
}

#[test]
fn tls_version_srtp_and_its_suites_of_a_browser_hold_for_new_calls_as_soon_as_they_are_applied() {
    let network = "127.41.43.";
    let text = LAB.replace("127.18.133.", network);
    let mut lab = Lab::with(network, &text, |_| {});
    let server = lab.secure("vvb1");
    let mut last = 90;
    // A caller with a connection of its own who is answered, or refused.
    let mut call = |lab: &mut Lab, protection: Protection| {
        last += 1;
        let mut plan = Plan::new("1234", &server);
        plan.protection = protection;
        plan.say = Some(Say { prompt: "caller".into(), repeat: true });
        let (local, papers) = (SocketAddr::new(lab.address(last), 0), lab.papers("cvp1.lab.example"));
        let caller = lab.phone(&format!("1{last}"), local, server.clone(), plan, papers);
        let at_caller = caller.watch();
        dial(&caller);
        let leg = wait(&at_caller, "an answer or the end", |line| match line {
            Journal::Leg(leg) => Some((**leg).clone()),
            line => connected(line),
        });
        (caller, at_caller, leg)
    };
    // Version and suite of a call that ends now.
    let ended = |(caller, at_caller, _): (NodeHandle, Receiver<Journal>, call::record::LegRecord)| {
        caller.control_blocking(Control::HangUp);
        let leg = wait(&at_caller, "the end", |line| match line {
            Journal::Leg(leg) => Some((**leg).clone()),
            _ => None,
        });
        (leg.signalling.tls.expect("TLS").version, leg.media.expect("media").suite)
    };
    let as_before = call(&mut lab, Protection::Secure);

    let fields = "tls_versions = [\"1.2\"]\n\n[node.role.voice_browser]\nsrtp_crypto = [\"AES_CM_128_HMAC_SHA1_80\"]\n";
    let narrower = text.replacen("[node.role.voice_browser]\n", fields, 1);
    lab.process.reload(&site::Site::parse(&narrower).unwrap()).unwrap();
    let narrowed = call(&mut lab, Protection::Secure);

    let words = "[node.role.voice_browser]\nsrtp = false\ndangerous_plain_rtp = true\n";
    let clear = text.replacen("[node.role.voice_browser]\n", words, 1);
    lab.process.reload(&site::Site::parse(&clear).unwrap()).unwrap();
    let (_, _, refused) = call(&mut lab, Protection::Secure);
    assert!(refused.ended_because.as_ref().is_some_and(|why| why.contains("488")), "{refused:?}");
    let in_clear = call(&mut lab, Protection::DangerousPlainRtp);
    assert_eq!(lab.calls_at("vvb1"), 3, "calls that were up go on as they were");
    assert_eq!(ended(as_before), ("TLSv1.3".into(), "AEAD_AES_256_GCM".into()));
    assert_eq!(ended(narrowed), ("TLSv1.2".into(), "AES_CM_128_HMAC_SHA1_80".into()));
    assert_eq!(ended(in_clear), ("TLSv1.3".into(), String::new()));

    // A listener is not opened under way, and that is said.
    let address = format!("\naddress = \"{network}143\"\n");
    let opened = clear.replacen(&address, &format!("{address}port = 5060\ndangerous_plain_sip = true\n"), 1);
    let error = lab.process.reload(&site::Site::parse(&opened).unwrap()).unwrap_err().to_string();
    assert!(error.contains("vvb1") && error.contains("restart"), "{error}");
    lab.end();
}
