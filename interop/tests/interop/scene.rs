//! What most runs begin with: the estate up, an agent's phone registered, a caller with something to say.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::Result;
use interop::capture::{Capture, Captured};
use interop::carrier::RTP_PORT;
use interop::estate::{DOMAIN, Estate};
use interop::lab::{Host, Lab, REFERENCE_HOSTS, address};
use interop::packets::{Flow, Frame, udp_flows};
use interop::phone::{Baresip, Line};
use interop::speech::{Act, voice};
use interop::verdict;
use interop::{audio, packets};
use serde_json::Value;

/// For whatever happens within a second when all is well; the machine may be busy.
pub(crate) const SOON: Duration = Duration::from_secs(25);

/// When the caller presses the key, after the answer: the prompt has been heard by then.
pub(crate) const THINKS: Duration = Duration::from_secs(7);

/// The whole estate, all nodes running, each on its host.
pub(crate) fn estate(change: impl FnOnce(String) -> String) -> Result<Estate> {
    estate_with(&[], change)
}

/// The same, with more hosts in the lab.
pub(crate) fn estate_with(more: &[(&str, u8)], change: impl FnOnce(String) -> String) -> Result<Estate> {
    let hosts: Vec<(&str, u8)> = REFERENCE_HOSTS.iter().chain(more).copied().collect();
    let mut estate = Estate::new(Lab::new(&hosts)?, change)?;
    estate.start_all()?;
    Ok(estate)
}

/// A line at the call manager.
pub(crate) fn line(estate: &Estate, number: &str, answers: bool) -> Line {
    Line {
        number: number.to_owned(),
        login: Some(estate.login(number)),
        registrar: format!("cucm1.{DOMAIN}"),
        through: Some(address(3)),
        answers,
    }
}

/// An agent's phone by baresip, registered.
pub(crate) fn agent_phone(estate: &Estate, number: &str, host: &str, answers: bool, said: &[i16]) -> Result<Baresip> {
    let papers = estate.papers(&format!("phone-{number}.{DOMAIN}"), host)?;
    let phone = Baresip::start(estate.lab().host(host), &line(estate, number, answers), &papers, said)?;
    phone.registered(SOON)?;
    estate.registered(number, SOON)?;
    Ok(phone)
}

/// The caller thinks for a while, presses 1, and then says `said` and nothing more.
pub(crate) fn script(said: &[i16]) -> Vec<Act> {
    vec![Act::Wait(THINKS), Act::Press(1), Act::Say(said.to_vec()), Act::Wait(Duration::from_secs(60))]
}

/// What the caller says in the queue and to the agent: long enough for both.
pub(crate) fn callers_voice() -> Vec<i16> {
    voice(101, 60)
}

/// What the agent says, from the moment the call is up.
pub(crate) fn agents_voice() -> Vec<i16> {
    voice(102, 8)
}

/// Waits until this many more packets of media have gone from one host to another.
pub(crate) fn media_flows(capture: &Capture, from: &Host, to: &Host, packets: usize) -> Result<()> {
    let count = |frames: &[Frame]| -> usize {
        let flows = udp_flows(frames);
        let between = flows.iter().filter(|(flow, _)| {
            flow.from.ip() == IpAddr::from(from.address) && flow.to.ip() == IpAddr::from(to.address)
        });
        between.map(|(_, datagrams)| datagrams.len()).sum()
    };
    let already = count(&capture.so_far()?);
    let within = SOON + Duration::from_millis(20) * packets as u32;
    capture.until(&format!("{packets} packets from {} to {}", from.name, to.name), within, |frames| {
        count(frames) >= already + packets
    })
}

/// Whether neither end of a flow is the carrier: everything but the trunk is inside.
pub(crate) fn is_inside(flow: &Flow) -> bool {
    let carrier = IpAddr::from(address(76));
    flow.from.ip() != carrier && flow.to.ip() != carrier
}

/// Contract 105–107 and 110: what a capture of the whole lab must and must not show.
pub(crate) fn demand_secure_signalling(captured: &Captured, browser: u8) -> Result<()> {
    captured.shows("105, sbc and call server", "ip.addr == 198.18.133.226 && tls && tcp.port == 5061")?;
    captured.shows(
        "106, call server and voice browser",
        &format!("ip.addr == 198.18.133.{browser} && tls && tcp.port == 5061"),
    )?;
    captured.shows("107, call server and call manager", "ip.addr == 198.18.133.3 && tls && tcp.port == 5061")?;
    let inside = "!(ip.addr == 198.18.133.76)";
    captured.shows_none("no SIP in clear inside", &format!("frame contains \"SIP/2.0\" && {inside}"))?;
    captured.shows_none("nothing on 5060 inside", &format!("(tcp.port == 5060 || udp.port == 5060) && {inside}"))?;
    // The trunk is in clear, so the filter above would have seen it inside.
    captured.shows("SIP in clear on the trunk", "frame contains \"SIP/2.0\" && ip.addr == 198.18.133.76")?;
    Ok(())
}

/// Contract 110 for media: every flow inside is protected, and those between `pairs` are there, both ways.
pub(crate) fn demand_secure_media(
    frames: &[Frame],
    pairs: &[(&Host, &Host)],
    said: &[&[i16]],
    baresips: &[&Host],
) -> Result<()> {
    let judgements = verdict::judge(frames, said);
    let mut required: Vec<(&str, IpAddr, IpAddr)> = Vec::new();
    for (one, other) in pairs {
        required.push((&one.name, one.address.into(), other.address.into()));
        required.push((&other.name, other.address.into(), one.address.into()));
    }
    let baresips: Vec<IpAddr> = baresips.iter().map(|host| host.address.into()).collect();
    verdict::demand_protected(&judgements, is_inside, &required, &baresips)
}

/// What the caller heard: the carrier's leg, decoded out of the capture.
pub(crate) fn caller_heard(frames: &[Frame]) -> Vec<i16> {
    let carrier = (IpAddr::from(address(76)), RTP_PORT).into();
    let flows = udp_flows(frames);
    let towards = flows.iter().filter(|(flow, _)| flow.to == carrier);
    let mut datagrams: Vec<packets::Datagram> = towards.flat_map(|(_, datagrams)| datagrams.clone()).collect();
    datagrams.sort_by_key(|datagram| datagram.time);
    audio::decode_pcmu(&datagrams)
}

/// A leg's media is protected with this peer at the other end.
pub(crate) fn is_secure_with(leg: &Value, host: &Host) -> bool {
    let remote = leg["media"]["remote"].as_str().unwrap_or_default();
    remote.starts_with(&format!("{}:", host.address))
        && leg["media"]["suite"].as_str().is_some_and(|suite| !suite.is_empty())
}

/// The paragraph of `show call active voice brief` about the leg in this direction.
pub(crate) fn paragraph<'a>(brief: &'a str, direction: &str) -> Option<&'a str> {
    let heading = format!(" {direction} ");
    let start = brief.find(&heading)?;
    let start = brief[..start].rfind('\n').map_or(0, |at| at + 1);
    let rest = &brief[start..];
    let end = rest.find("VRF:").map_or(rest.len(), |at| at + 4);
    Some(&rest[..end])
}

/// The value behind `name` in a paragraph, up to the next space.
pub(crate) fn value<'a>(paragraph: &'a str, name: &str) -> Option<&'a str> {
    paragraph.split_once(name)?.1.split_whitespace().next()
}
