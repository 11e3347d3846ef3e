//! The strangers with each other, before any of them meets Ringfence.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use interop::capture::Capture;
use interop::lab::{Lab, address};
use interop::linphone::Linphone;
use interop::packets::udp_flows;
use interop::papers::Authority;
use interop::phone::{Baresip, Line, Login};
use interop::probe::{Visitor, visit};
use interop::speech::voice;
use interop::stand_in::Kamailio;
use interop::{audio, verdict};

const SOON: Duration = Duration::from_secs(20);

fn login(number: &str) -> Option<Login> {
    Some(Login { user: number.to_owned(), password: "interop-secret".to_owned() })
}

fn line(number: &str) -> Line {
    let (number, login, registrar) = (number.to_owned(), login(number), "cucm.lab".to_owned());
    Line { number, login, registrar, through: Some(address(3)), answers: true }
}

#[test]
fn linphone_and_baresip_meet_through_kamailio() -> Result<()> {
    let lab = Lab::new(&[("cucm", 3), ("agent", 75), ("vvb", 143)])?;
    let authority = Authority::new(&lab.directory().join("ca"))?;
    let papers = |name: &str| authority.issue(&format!("{name}.lab"), Path::new(name));
    let any = Login { user: "1001".to_owned(), password: "interop-secret".to_owned() };
    let kamailio = Kamailio::start(lab.host("cucm"), &papers("cucm")?, &any, "")?;
    let capture = Capture::start(&lab, "strangers")?;
    let (one, two) = (voice(31, 8), voice(32, 8));
    let mut agent = Linphone::start(lab.host("agent"), &line("1001"), &papers("agent")?, &one)?;
    agent.registered(SOON)?;
    kamailio.registered("1001", SOON)?;
    let other = Line { login: None, ..line("1002") };
    let caller = Baresip::start(lab.host("vvb"), &other, &papers("vvb")?, &two)?;
    let (at, mark) = (agent.mark(), kamailio.mark());
    caller.dial("sip:1001@cucm.lab:5061;transport=tls")?;
    kamailio.routed(mark, "1001", SOON)?;
    agent.in_call(at, SOON)?;
    caller.in_call(Default::default(), SOON)?;
    capture.until("ten seconds of media both ways", SOON, |frames| {
        udp_flows(frames).values().filter(|packets| packets.len() > 500).count() >= 2
    })?;
    agent.hang_up()?;
    caller.hung_up(Default::default(), SOON)?;
    let (heard, caller) = (agent.stop()?, caller.stop()?);
    let captured = capture.stop()?;
    captured.shows_none("no plain SIP", "frame contains \"SIP/2.0\"")?;
    let judgements = verdict::judge(&captured.frames()?, &[&one, &two]);
    let (phone, browser) = (lab.host("agent").address.into(), lab.host("vvb").address.into());
    let media = [("agent", phone, browser), ("caller", browser, phone)];
    verdict::demand_protected(&judgements, |_| true, &media, &[browser])?;
    audio::demand("the agent heard the caller", &two, &heard)?;
    audio::demand("the caller heard the agent", &one, &caller.heard)?;
    Ok(())
}

#[test]
fn visitors_with_wrong_papers_are_told_why() -> Result<()> {
    let lab = Lab::new(&[("cucm", 3), ("agent", 75)])?;
    let (cucm, agent) = (lab.host("cucm"), lab.host("agent"));
    let (ours, theirs) =
        (Authority::new(&lab.directory().join("ca"))?, Authority::new(&lab.directory().join("other"))?);
    let server = ours.issue("cucm.lab", Path::new("cucm"))?;
    let _kamailio = Kamailio::start(cucm, &server, &Login { user: "1".into(), password: "2".into() }, "")?;
    let (good, bad) = (ours.issue("agent.lab", Path::new("agent"))?, theirs.issue("agent.lab", Path::new("agent"))?);
    let to = (cucm.address, 5061).into();
    let good_visitor = Visitor {
        papers: Some((&good.key, &good.chain)),
        authority: Some(&good.authority),
        server_name: Some("cucm.lab"),
        options: &["-tls1_2"],
    };
    let served = visit(agent, to, &good_visitor, SOON)?;
    assert_eq!(served.answer.as_deref(), Some("SIP/2.0 200 OK"), "{}", served.transcript);
    assert_eq!(served.agreed(), Some(("TLSv1.2", false)));
    let stranger = Visitor { papers: Some((&bad.key, &bad.chain)), options: &["-tls1_2"], ..Default::default() };
    let refused = visit(agent, to, &stranger, SOON)?;
    assert!(!refused.was_served() && refused.alert().is_some_and(|alert| alert.contains("unknown ca")), "{refused:?}");
    let nobody = visit(agent, to, &Visitor { options: &["-tls1_2"], ..Default::default() }, SOON)?;
    assert!(!nobody.was_served() && nobody.alert().is_some(), "{nobody:?}");
    Ok(())
}
