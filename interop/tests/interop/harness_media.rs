//! The check for clear media and clear signalling is itself checked: against a call that has both, and
//! against a call between two phones of one maker that has neither.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use interop::capture::Capture;
use interop::carrier::{self, Carrier, Order};
use interop::lab::Lab;
use interop::packets::udp_flows;
use interop::phone::{Baresip, Line, Papers};
use interop::speech::{Act, voice};
use interop::verdict::{self, Verdict};
use interop::{audio, papers};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_call_in_clear_is_called_clear() -> Result<()> {
    let lab = Lab::new(&[("cube", 226), ("carrier", 76)])?;
    let (cube, carrier_host) = (lab.host("cube"), lab.host("carrier"));
    let capture = Capture::start(&lab, "clear")?;
    let trunk = carrier::answer_in_clear(cube)?;
    let said = voice(11, 4);
    let script = vec![Act::Say(said.clone()), Act::Press(1), Act::Wait(Duration::from_secs(30))];
    let mut caller = Carrier::dial(&lab, cube.address, &Order::one(script))?;
    caller.answered(1, SOON)?;
    // Six seconds of speech, key and echo are on the wire when this many packets are.
    capture.until("the caller's media and its echo", SOON, |frames| {
        let flows = udp_flows(frames);
        let media = |from| {
            flows.iter().filter(move |(flow, _)| flow.from == from).map(|(_, packets)| packets.len()).sum::<usize>()
        };
        media((cube.address, 16384).into()) > 300
    })?;
    caller.hang_up(1)?;
    caller.ended(SOON)?;
    drop(trunk);
    let captured = capture.stop()?;

    captured.shows("plain SIP", "frame contains \"SIP/2.0\"")?;
    captured.shows_none("no plain SIP", "frame contains \"SIP/2.0\"").unwrap_err();
    captured.shows_none("no traffic on 5060", "udp.port == 5060").unwrap_err();
    let frames = captured.frames()?;
    let judgements = verdict::judge(&frames, &[&said]);
    let (from, to) = (IpAddr::from(carrier_host.address), IpAddr::from(cube.address));
    let spoken = judgements
        .values()
        .find(|judged| judged.flow.from == (from, carrier::RTP_PORT).into())
        .context("the caller's media is not in the capture")?;
    assert!(matches!(spoken.verdict, Verdict::Clear(_)), "{spoken}");
    // Nobody knows the words: statistics alone must do.
    let blind = verdict::judge(&frames, &[]);
    assert!(matches!(blind[&spoken.flow].verdict, Verdict::Clear(_)), "{}", blind[&spoken.flow]);
    let complaint =
        verdict::demand_protected(&judgements, |_| true, &[("caller", from, to)], &[]).unwrap_err().to_string();
    assert!(complaint.contains("CLEAR") && complaint.contains("no protected media"), "{complaint}");
    // The same capture gives what each side heard.
    let flows = udp_flows(&frames);
    let heard = audio::decode_pcmu(&flows[&spoken.flow]);
    audio::demand("the trunk", &said, &heard)?;
    Ok(())
}

#[test]
fn a_call_between_two_secure_phones_is_called_protected() -> Result<()> {
    let lab = Lab::new(&[("agent", 75), ("vvb", 143)])?;
    let (agent, vvb) = (lab.host("agent"), lab.host("vvb"));
    let authority = papers::Authority::new(&lab.directory().join("ca"))?;
    let (one, two) = (voice(21, 8), voice(22, 8));
    let line = |number: &str, host: &interop::lab::Host| Line {
        number: number.to_owned(),
        login: None,
        registrar: host.address.to_string(),
        through: None,
        answers: true,
    };
    let phone = |number: &str, host: &interop::lab::Host, said: &[i16]| -> Result<Baresip> {
        let papers: Papers = authority.issue(&format!("{number}.lab"), Path::new(number))?;
        Baresip::start(host, &line(number, host), &papers, said)
    };
    let capture = Capture::start(&lab, "secure")?;
    let (caller, called) = (phone("1001", agent, &one)?, phone("1002", vvb, &two)?);
    caller.dial(&format!("sip:1002@{}:5061;transport=tls", vvb.address))?;
    called.in_call(Default::default(), SOON)?;
    capture.until("eight seconds of media both ways", SOON, |frames| {
        let flows = udp_flows(frames);
        flows.values().filter(|packets| packets.len() > 400).count() >= 2
    })?;
    caller.hang_up()?;
    called.hung_up(Default::default(), SOON)?;
    let (caller, called) = (caller.stop()?, called.stop()?);
    let captured = capture.stop()?;

    captured.shows("TLS", "ip.addr == 198.18.133.143 && tls && tcp.port == 5061")?;
    captured.shows_none("no plain SIP", "frame contains \"SIP/2.0\"")?;
    let judgements = verdict::judge(&captured.frames()?, &[&one, &two]);
    let (from, to) = (IpAddr::from(agent.address), IpAddr::from(vvb.address));
    let media = [("caller", from, to), ("called", to, from)];
    verdict::demand_protected(&judgements, |_| true, &media, &[from, to])?;
    // What is excused in baresip is excused in nobody else.
    verdict::demand_protected(&judgements, |_| true, &media, &[from]).unwrap_err();
    audio::demand("the caller heard the called", &two, &caller.heard)?;
    audio::demand("the called heard the caller", &one, &called.heard)?;
    audio::deny("the caller heard itself", &one, &caller.heard)?;
    Ok(())
}

#[test]
fn every_call_of_a_crowd_has_media_of_its_own() -> Result<()> {
    let calls: u32 = std::env::var("INTEROP_CROWD").ok().and_then(|calls| calls.parse().ok()).unwrap_or(20);
    let lab = Lab::new(&[("cube", 226), ("carrier", 76)])?;
    let cube = lab.host("cube");
    let capture = Capture::start_cut(&lab, "crowd", 96)?;
    let _trunk = carrier::answer_in_clear(cube)?;
    let script = vec![Act::Say(voice(12, 20))];
    let hold = Some(Duration::from_secs(if calls > 20 { 20 } else { 3 }));
    let order = Order { calls, rate: 20, hold, ..Order::one(script) };
    let mut caller = Carrier::dial(&lab, cube.address, &order)?;
    caller.answered(calls, SOON)?;
    caller.ended(Duration::from_secs(60))?;
    let captured = capture.stop()?;
    assert_eq!(captured.dropped, 0);
    let flows = udp_flows(&captured.frames()?);
    let spoken: Vec<usize> = flows
        .iter()
        .filter(|(flow, _)| flow.to == (cube.address, 16384).into())
        .map(|(_, packets)| packets.len())
        .collect();
    assert_eq!(spoken.len(), calls as usize);
    let expected = hold.map_or(0, |time| time.as_millis() as usize / 20);
    assert!(spoken.iter().all(|packets| packets.abs_diff(expected) < 10), "{spoken:?}");
    Ok(())
}
