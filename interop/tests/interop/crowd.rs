//! Two hundred calls at once, held for twenty seconds: all secure, every packet accounted for; and one that panics.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::capture::Capture;
use interop::carrier::{Carrier, Order, RTP_PORT, status_of_a_call};
use interop::estate::{Estate, NODES, objects};
use interop::lab::Host;
use interop::packets::{Datagram, Flow, Rtp, udp_flows};
use interop::speech::{Act, voice};
use serde_json::Value;

use crate::scene::{self, SOON};

const CALLS: u32 = 200;
const HOLD: Duration = Duration::from_secs(20);

#[test]
fn two_hundred_calls_at_once_are_secure_and_every_packet_is_accounted_for() -> Result<()> {
    let mut estate = scene::estate(|site| site)?;
    let lab = estate.lab();
    let (cube, browser) = (lab.host("cube").clone(), lab.host("vvb").clone());
    // Headers are enough to count.
    let capture = Capture::start_cut(lab, "crowd", 96)?;
    // All of them call, say something, and listen: the first prompt and the question again.
    let script = vec![Act::Say(voice(104, 30))];
    // The last begins when the first has been up for ten of its twenty seconds.
    let order = Order { calls: CALLS, rate: 20, hold: Some(HOLD), ..Order::one(script) };
    let mut carrier = Carrier::dial(lab, cube.address, &order)?;
    carrier.answered(CALLS, Duration::from_secs(60))?;

    let callers = all_secure(&estate, &browser, CALLS as usize)?;
    carrier.ended(HOLD + Duration::from_secs(60))?;
    estate.legs_until("cube1", "no leg left", SOON, <[_]>::is_empty)?;
    proofs(&estate, &callers)?;
    let drops = kernel_drops(&mut estate, "cube1")?;
    let captured = capture.stop()?;
    ensure!(captured.dropped == 0, "dumpcap lost {} packets: it proves nothing", captured.dropped);
    account(&captured.frames()?, &cube, &browser, drops)?;
    estate.demand_clean_logs(&[])
}

#[test]
fn a_panic_costs_its_call_and_the_other_hundred_and_ninety_nine_go_on() -> Result<()> {
    const BAD: &str = "6099";
    const GOOD: u32 = CALLS - 1;
    let mut estate = scene::estate(|site| {
        let at = "name = \"cvp1\"\naddress = \"198.18.133.13\"\n";
        assert!(site.contains(at), "the lab has its call server there");
        let bait = format!("{at}dangerous_panic_on_number = \"{BAD}\"\n");
        site.replace(at, &bait).replace("\ndomain = ", "\nlaboratory = true\ndomain = ")
    })?;
    let lab = estate.lab();
    let (cube, browser) = (lab.host("cube").clone(), lab.host("vvb").clone());
    ensure!(estate.node("cvp1").output().contains("DANGER"), "the start of a node that will panic is not said loudly");
    let order = Order { calls: GOOD, rate: 20, hold: Some(HOLD), ..Order::one(vec![Act::Say(voice(105, 30))]) };
    let mut carrier = Carrier::dial(estate.lab(), cube.address, &order)?;
    carrier.answered(GOOD, Duration::from_secs(60))?;
    all_secure(&estate, &browser, GOOD as usize)?;

    let status = status_of_a_call(estate.lab(), cube.address, BAD, SOON)?;
    ensure!((500..600).contains(&status), "the call that panicked was answered {status}");
    let callers = all_secure(&estate, &browser, GOOD as usize)?;
    for node in objects(&estate.show("status")?, &["node", "panics"]) {
        let expected = u64::from(node["node"] == "cvp1");
        ensure!(node["panics"].as_u64() == Some(expected), "{} counts {} panics", node["node"], node["panics"]);
    }
    carrier.ended(HOLD + Duration::from_secs(60))?;
    estate.legs_until("cube1", "no leg left", SOON, <[_]>::is_empty)?;
    proofs(&estate, &callers)?;
    for (node, _) in NODES {
        let errors = estate.errors(node);
        let told = errors.iter().all(|line| line.contains("panic"));
        ensure!(told && errors.is_empty() == (node != "cvp1"), "{node} logged: {errors:#?}");
    }
    Ok(())
}

/// This many calls are up at the border controller, all secure with the browser; the callers' UUIDs.
fn all_secure(estate: &Estate, browser: &Host, calls: usize) -> Result<Vec<String>> {
    let legs = estate.legs("cube1")?;
    let up: Vec<&Value> = legs.iter().filter(|leg| leg["state"] != "Ended").collect();
    ensure!(up.len() == 2 * calls, "{} legs are up, not {}", up.len(), 2 * calls);
    let secure = up.iter().filter(|leg| scene::is_secure_with(leg, browser)).count();
    ensure!(secure == calls, "{secure} calls are secure with the browser, not {calls}");
    for leg in up.iter().filter(|leg| leg["direction"] == "Originate") {
        let clear = (leg["media"]["tx_clear"].as_u64(), leg["media"]["rx_clear"].as_u64());
        ensure!(clear == (Some(0), Some(0)), "packets in clear on the inside: {leg}");
        ensure!(leg["media"]["auth_failed"] == 0 && leg["media"]["replayed"] == 0, "packets refused: {leg}");
    }
    let callers: Vec<String> = up.iter().filter_map(|leg| caller_of(leg).map(str::to_owned)).collect();
    ensure!(callers.len() == calls, "{} callers have a Session-ID, not {calls}", callers.len());
    Ok(callers)
}

/// Every tenth call's proof, gathered from all nodes and verified offline.
fn proofs(estate: &Estate, callers: &[String]) -> Result<()> {
    let file = estate.lab().directory().join("passport.json");
    let path = file.to_str().context("the path is not text")?;
    for caller in callers.iter().step_by(10) {
        estate.ringfence(&["passport", "get", caller, "-o", path])?;
        estate.ringfence(&["passport", "verify", path])?;
    }
    Ok(())
}

/// The caller's UUID: the remote one of the leg that was answered.
fn caller_of(leg: &Value) -> Option<&str> {
    leg["session_id"]["remote"].as_str().filter(|_| leg["direction"] == "Answer")
}

/// What came to the border controller left it again, on the other side: per call towards the browser and back.
/// A packet that comes when its call is over has nowhere to go; there are at most as many as fit between a BYE
/// and its answer.
fn account(frames: &[interop::packets::Frame], cube: &Host, browser: &Host, drops: u64) -> Result<()> {
    // Reports (RTCP) are each side's own and are not passed on.
    let media = |datagrams: Vec<Datagram>| datagrams.iter().filter(|d| Rtp::parse(&d.payload).is_some()).count();
    let flows = udp_flows(frames).into_iter().map(|(flow, datagrams)| (flow, media(datagrams)));
    let flows: BTreeMap<Flow, usize> = flows.filter(|(_, packets)| *packets > 0).collect();
    let carrier = interop::lab::address(76);
    let sum = |from: IpAddr, to: IpAddr| -> usize {
        let media = |port: u16| port >= 10_000;
        let between = flows.iter().filter(|(flow, _)| flow.from.ip() == from && flow.to.ip() == to);
        between.filter(|(flow, _)| media(flow.from.port()) && media(flow.to.port())).map(|(_, packets)| packets).sum()
    };
    let (cube, browser, carrier) = (cube.address.into(), browser.address.into(), carrier.into());
    let callers = flows.keys().filter(|flow| flow.from.ip() == carrier && flow.from.port() >= RTP_PORT).count();
    ensure!(callers == CALLS as usize, "{callers} callers sent media, not {CALLS}");
    let (said, passed_in) = (sum(carrier, cube), sum(cube, browser));
    let (played, passed_out) = (sum(browser, cube), sum(cube, carrier));
    eprintln!(
        "callers sent {said} packets, {passed_in} went on to the browser; the browser sent {played}, \
         {passed_out} went on to the callers; the kernel dropped {drops}"
    );
    ensure!(said > CALLS as usize * 50 * (HOLD.as_secs() as usize - 1), "the callers sent only {said} packets");
    // A packet may be on its way while its call ends: one a call, and what the kernel dropped. None is made up.
    let mut missing = Vec::new();
    for (whose, came, went) in [("callers", said, passed_in), ("the browser", played, passed_out)] {
        if went > came || came - went > CALLS as usize + drops as usize {
            missing.push(format!("{came} packets came from {whose} and {went} went on"));
        }
    }
    ensure!(missing.is_empty(), "{}", missing.join("; "));
    Ok(())
}

/// Datagrams that the kernel dropped because a socket of this node was full (proc_net_snmp, `RcvbufErrors`).
fn kernel_drops(estate: &mut Estate, node: &str) -> Result<u64> {
    let snmp = fs::read_to_string(format!("/proc/{}/net/snmp", estate.node(node).id()))?;
    let mut rows = snmp.lines().filter(|line| line.starts_with("Udp:"));
    let (names, values) = (rows.next().context("no UDP statistics")?, rows.next().context("no UDP statistics")?);
    let at = names.split_whitespace().position(|name| name == "RcvbufErrors").context("no count of drops")?;
    Ok(values.split_whitespace().nth(at).context("no count of drops")?.parse()?)
}
