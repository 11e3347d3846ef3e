//! Ringfence must not only agree with itself: each inner node is replaced in turn by a program of other hands.

use anyhow::{Result, ensure};
use interop::audio;
use interop::capture::Capture;
use interop::carrier::{Carrier, Order};
use interop::estate::{DOMAIN, Estate};
use interop::lab::{Lab, address};
use interop::linphone::Linphone;
use interop::phone::{Baresip, Line, Login};
use interop::speech::{Act, voice};
use interop::stand_in::Kamailio;

use crate::scene::{self, SOON};

#[test]
fn kamailio_in_the_call_managers_place() -> Result<()> {
    let mut estate = Estate::new(Lab::reference()?, |site| site)?;
    let lab = estate.lab();
    let (cube, agent_host, browser) = (lab.host("cube").clone(), lab.host("agent").clone(), lab.host("vvb").clone());
    let capture = Capture::start(lab, "kamailio")?;
    let login = Login { user: "1001".to_owned(), password: "lab-1001-secret".to_owned() };
    let papers = estate.papers(&format!("cucm1.{DOMAIN}"), "cucm")?;
    let kamailio = Kamailio::start(lab.host("cucm"), &papers, &login, &format!("cvp1.{DOMAIN}"))?;
    estate.start(&["cube1", "cvp1", "vvb1", "vvb2"])?;

    let (caller_says, agent_says) = (scene::callers_voice(), scene::agents_voice());
    let papers = estate.papers(&format!("phone-1001.{DOMAIN}"), "agent")?;
    let line = scene::line(&estate, "1001", true);
    let phone = Baresip::start(&agent_host, &line, &papers, &agent_says)?;
    kamailio.registered("1001", SOON)?;

    let mut carrier = Carrier::dial(estate.lab(), cube.address, &Order::one(scene::script(&caller_says)))?;
    carrier.answered(1, SOON)?;
    estate.waiting("sales", 1, SOON)?;
    let (ringing, mark) = (phone.mark(), kamailio.mark());
    estate.ready("1001")?;
    let routed = kamailio.routed(mark, "1001", SOON)?;
    ensure!(routed.contains(&format!("from cvp1.{DOMAIN} over TLSv1.")), "kamailio saw: {routed}");
    phone.in_call(ringing, SOON)?;
    scene::media_flows(&capture, &agent_host, &cube, 520)?;
    carrier.hang_up(1)?;
    carrier.ended(SOON)?;
    phone.hung_up(ringing, SOON)?;
    let phone = phone.stop()?;
    let captured = capture.stop()?;

    scene::demand_secure_signalling(&captured, 143)?;
    let frames = captured.frames()?;
    let said: [&[i16]; 2] = [&caller_says, &agent_says];
    scene::demand_secure_media(&frames, &[(&cube, &browser), (&cube, &agent_host)], &said, &[&agent_host])?;
    audio::demand("the caller heard the agent", &agent_says, &scene::caller_heard(&frames))?;
    audio::demand_part("the agent heard the caller", &phone.heard, &caller_says)?;
    estate.demand_clean_logs(&["inline:"])
}

#[test]
fn baresip_in_the_voice_browsers_place() -> Result<()> {
    let mut estate = Estate::new(Lab::reference()?, |site| site)?;
    let lab = estate.lab();
    let (cube, agent_host, browser) = (lab.host("cube").clone(), lab.host("agent").clone(), lab.host("vvb").clone());
    let capture = Capture::start(lab, "browser")?;
    estate.start(&["cube1", "cvp1", "cucm1"])?;
    let papers = estate.papers(&format!("vvb1.{DOMAIN}"), "vvb")?;
    let prompt = voice(103, 6);
    let line = Line {
        number: "6016".to_owned(),
        login: None,
        registrar: address(143).to_string(),
        through: None,
        answers: true,
    };
    let stand_in = Baresip::start(&browser, &line, &papers, &prompt)?;
    let (caller_says, agent_says) = (scene::callers_voice(), scene::agents_voice());
    let phone = scene::agent_phone(&estate, "1001", "agent", true, &agent_says)?;

    // The caller talks from the start: the stand-in records it.
    let script = vec![Act::Say(caller_says.clone())];
    let mut carrier = Carrier::dial(estate.lab(), cube.address, &Order::one(script))?;
    carrier.answered(1, SOON)?;
    stand_in.in_call(Default::default(), SOON)?;
    scene::media_flows(&capture, &browser, &cube, 350)?;
    // A browser of any make sends the caller on with REFER (RFC 5552 section 7).
    let ringing = phone.mark();
    estate.ready("1001")?;
    stand_in.transfer(&format!("sip:sales@{}:5061;transport=tls", address(13)))?;
    phone.in_call(ringing, SOON)?;
    scene::media_flows(&capture, &agent_host, &cube, 520)?;
    stand_in.hung_up(Default::default(), SOON)?;
    carrier.hang_up(1)?;
    carrier.ended(SOON)?;
    phone.hung_up(ringing, SOON)?;
    let (stand_in, phone) = (stand_in.stop()?, phone.stop()?);
    let captured = capture.stop()?;

    scene::demand_secure_signalling(&captured, 143)?;
    let frames = captured.frames()?;
    let said: [&[i16]; 3] = [&caller_says, &agent_says, &prompt];
    let pairs = [(&cube, &browser), (&cube, &agent_host)];
    scene::demand_secure_media(&frames, &pairs, &said, &[&browser, &agent_host])?;
    // Before the move and after it, both ways.
    let heard = scene::caller_heard(&frames);
    audio::demand("the caller heard the browser", &prompt, &heard)?;
    audio::demand_part("the browser heard the caller", &stand_in.heard, &caller_says)?;
    audio::demand("the caller heard the agent", &agent_says, &heard)?;
    audio::demand_part("the agent heard the caller", &phone.heard, &caller_says)?;
    audio::deny("the browser heard the agent", &agent_says, &stand_in.heard)?;
    estate.demand_clean_logs(&["inline:"])
}

#[test]
fn linphone_as_the_agents_phone() -> Result<()> {
    let mut estate = scene::estate(|site| site)?;
    let lab = estate.lab();
    let (cube, agent_host) = (lab.host("cube").clone(), lab.host("agent").clone());
    let capture = Capture::start(lab, "linphone")?;
    let (caller_says, agent_says) = (scene::callers_voice(), scene::agents_voice());
    let papers = estate.papers(&format!("phone-1001.{DOMAIN}"), "agent")?;
    // It registers only with a registrar whose certificate it can verify, by chain and by name.
    let mut phone = Linphone::start(&agent_host, &scene::line(&estate, "1001", true), &papers, &agent_says)?;
    phone.registered(SOON)?;
    estate.registered("1001", SOON)?;

    let mut carrier = Carrier::dial(estate.lab(), cube.address, &Order::one(scene::script(&caller_says)))?;
    carrier.answered(1, SOON)?;
    estate.waiting("sales", 1, SOON)?;
    let ringing = phone.mark();
    estate.ready("1001")?;
    phone.in_call(ringing, SOON)?;
    scene::media_flows(&capture, &agent_host, &cube, 520)?;
    // This time it is the agent who ends the call.
    phone.hang_up()?;
    phone.hung_up(ringing, SOON)?;
    carrier.ended(SOON)?;
    let heard_by_agent = phone.stop()?;
    let captured = capture.stop()?;

    scene::demand_secure_signalling(&captured, 143)?;
    let frames = captured.frames()?;
    let said: [&[i16]; 2] = [&caller_says, &agent_says];
    scene::demand_secure_media(&frames, &[(&cube, &agent_host)], &said, &[])?;
    audio::demand("the caller heard the agent", &agent_says, &scene::caller_heard(&frames))?;
    audio::demand_part("the agent heard the caller", &heard_by_agent, &caller_says)?;
    estate.demand_clean_logs(&["inline:"])
}
