//! The reference call flow (contract 93–110 and 287): sipp calls in, Ringfence carries, baresip answers, and the
//! wire, the screens and the recordings say that it was secure on every hop.

use anyhow::{Context, Result, ensure};
use interop::audio;
use interop::capture::Capture;
use interop::carrier::{CALLER, Carrier, Order};
use interop::speech::RATE;

use crate::scene::{self, SOON, paragraph, value};

#[test]
fn the_reference_call_is_secure_on_every_hop() -> Result<()> {
    let mut estate = scene::estate(|site| site)?;
    let lab = estate.lab();
    let (cube, agent_host, browser) = (lab.host("cube").clone(), lab.host("agent").clone(), lab.host("vvb").clone());
    let capture = Capture::start(lab, "flow")?;
    let (caller_says, agent_says) = (scene::callers_voice(), scene::agents_voice());
    let phone = scene::agent_phone(&estate, "1001", "agent", true, &agent_says)?;

    // 103, 104: towards the call manager OPTIONS keep a connection; towards the call server nothing does.
    let before = estate.show_text("sip-ua connections tcp tls detail", "cube1")?;
    ensure!(!before.contains("Remote-Agent:198.18.133.13,"), "103: before any call there is already\n{before}");
    ensure!(before.contains("Remote-Agent:198.18.133.3,"), "104: no connection is kept to the call manager:\n{before}");

    // 93–98, 108: in the IVR.
    let mut carrier = Carrier::dial(estate.lab(), cube.address, &Order::one(scene::script(&caller_says)))?;
    carrier.answered(1, SOON)?;
    estate.legs_until("cube1", "two legs, one of them secure with the voice browser", SOON, |legs| {
        legs.len() == 2 && legs.iter().any(|leg| scene::is_secure_with(leg, &browser))
    })?;
    let in_ivr = estate.show_text("call active voice brief", "cube1")?;
    check_legs(&in_ivr, "198.18.133.143").with_context(|| in_ivr.clone())?;
    let during = estate.show_text("sip-ua connections tcp tls detail", "cube1")?;
    ensure!(during.contains("Remote-Agent:198.18.133.13,"), "108: no connection to the call server:\n{during}");

    // 109, 100: the key is pressed, there is music, an agent becomes available and is chosen.
    estate.waiting("sales", 1, SOON)?;
    scene::media_flows(&capture, &browser, &cube, 150)?;
    let ringing = phone.mark();
    estate.ready("1001")?;
    phone.in_call(ringing, SOON)?;

    // 99, 29: the caller's leg stays, the inside leg's media is now the agent's phone.
    estate.legs_until("cube1", "media between sbc and agent", SOON, |legs| {
        legs.len() == 2 && legs.iter().any(|leg| scene::is_secure_with(leg, &agent_host))
    })?;
    scene::media_flows(&capture, &agent_host, &cube, 520)?;
    let with_agent = estate.show_text("call active voice brief", "cube1")?;
    check_legs(&with_agent, "198.18.133.75").with_context(|| with_agent.clone())?;
    check_session(&in_ivr, &with_agent)?;

    carrier.hang_up(1)?;
    carrier.ended(SOON)?;
    phone.hung_up(ringing, SOON)?;
    estate.legs_until("cube1", "no leg left", SOON, <[_]>::is_empty)?;
    let phone = phone.stop()?;
    let captured = capture.stop()?;

    // 105–107, 110.
    scene::demand_secure_signalling(&captured, 143)?;
    let frames = captured.frames()?;
    let said: [&[i16]; 2] = [&caller_says, &agent_says];
    scene::demand_secure_media(&frames, &[(&cube, &browser), (&cube, &agent_host)], &said, &[&agent_host])?;

    // 179: what the border controller sends of voice is marked.
    let voice = "ip.src == 198.18.133.226 && udp.srcport >= 16384 && udp.length > 150";
    captured.shows("179, marked voice", &format!("{voice} && ip.dsfield.dscp == 46"))?;
    captured.shows_none("179, voice that is not marked", &format!("{voice} && ip.dsfield.dscp != 46"))?;

    // 93, 109: the caller heard the prompt, then music. Then caller and agent heard one another.
    let heard = scene::caller_heard(&frames);
    audio::demand("the caller heard the prompt", &built_in("welcome")?, &heard)?;
    audio::demand("the caller heard the music", &built_in("moh")?[..3 * RATE], &heard)?;
    audio::demand("the caller heard the agent", &agent_says, &heard)?;
    audio::demand_part("the agent heard the caller", &phone.heard, &caller_says)?;

    check_passport(&estate)?;
    estate.demand_clean_logs(&[CALLER, "inline:", "lab-1001-secret"])
}

/// A prompt as it ships.
fn built_in(name: &str) -> Result<Vec<i16>> {
    media::Prompts::built_in().samples(name, sdp::Codec::Pcmu).with_context(|| format!("no prompt {name}"))
}

/// 94–98: both legs, which of them is protected and with whom, and UUIDs that mirror each other.
fn check_legs(brief: &str, inside: &str) -> Result<()> {
    ensure!(brief.contains("Total call-legs: 2"), "96: not two legs");
    let outer = paragraph(brief, "Answer").context("no leg that was answered")?;
    let inner = paragraph(brief, "Originate").context("no leg that was originated")?;
    ensure!(value(outer, "pid:") == Some("6000100"), "the outer leg is not dial-peer 6000100");
    ensure!(value(inner, "pid:") == Some("6000"), "the inner leg is not dial-peer 6000");
    ensure!(value(outer, "SRTP: ") == Some("off"), "21: the carrier's leg is plain");
    ensure!(value(inner, "SRTP: ") == Some("on"), "98, 99: the inner leg is not protected");
    ensure!(outer.contains("IP 198.18.133.76:"), "the outer leg's media is not the carrier's");
    ensure!(inner.contains(&format!("IP {inside}:")), "the inner leg's media is not at {inside}");
    ensure!(inner.contains("g711ulaw") && inner.contains("Transcoded: No"), "95: the codec");
    ensure!(inner.contains("tos:0xB8"), "95: the marking");
    for name in ["LocalUUID:", "RemoteUUID:"] {
        ensure!(value(outer, name).is_some_and(|uuid| uuid.len() == 32), "97: {name} of the outer leg");
    }
    ensure!(value(outer, "LocalUUID:") == value(inner, "RemoteUUID:"), "97: the UUIDs do not mirror");
    ensure!(value(outer, "RemoteUUID:") == value(inner, "LocalUUID:"), "97: the UUIDs do not mirror");
    Ok(())
}

/// 97: the caller keeps its UUID; the far end's is another one once the agent has answered.
fn check_session(in_ivr: &str, with_agent: &str) -> Result<()> {
    let of = |brief: &str, name: &str| -> Result<String> {
        let outer = paragraph(brief, "Answer").context("no leg that was answered")?;
        Ok(value(outer, name).context("no UUID")?.to_owned())
    };
    // The caller's side is the outer leg's remote, unless the sbc speaks for a carrier that knows no Session-ID.
    let (before, after) = (
        [of(in_ivr, "LocalUUID:")?, of(in_ivr, "RemoteUUID:")?],
        [of(with_agent, "LocalUUID:")?, of(with_agent, "RemoteUUID:")?],
    );
    let same = before.iter().zip(&after).filter(|(before, after)| before == after).count();
    ensure!(same == 1, "97: exactly one UUID changes with the agent: {before:?}, then {after:?}");
    Ok(())
}

/// The passport is valid, and no longer when one octet of it is another.
fn check_passport(estate: &interop::estate::Estate) -> Result<()> {
    let file = estate.lab().directory().join("passport.json");
    let path = file.to_str().context("the path is not text")?;
    estate.ringfence(&["passport", "get", "last", "-o", path])?;
    estate.ringfence(&["passport", "verify", path])?;
    let text = std::fs::read_to_string(&file)?;
    // Some character in the middle, of a signed statement.
    let at = text.len() / 2 + text[text.len() / 2..].find(|c: char| c.is_ascii_alphanumeric()).context("no text")?;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    let mut forged = text.clone();
    forged.replace_range(at..=at, other);
    std::fs::write(&file, forged)?;
    let (status, said) = estate.ringfence_fails(&["passport", "verify", path])?;
    ensure!(status == 1, "a forged passport: status {status}, {said}");
    Ok(())
}
