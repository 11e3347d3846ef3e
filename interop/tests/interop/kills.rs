//! Kills, over processes: what a caller notices when a phone, a voice browser or the call server is gone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use interop::audio;
use interop::capture::Capture;
use interop::carrier::{Carrier, Order};
use interop::estate::objects;

use crate::scene::{self, SOON};

#[test]
fn a_phone_that_vanishes_while_it_rings_costs_one_ring_time() -> Result<()> {
    /// As the site of this run says.
    const RING: Duration = Duration::from_secs(5);
    let mut estate =
        scene::estate_with(&[("agent2", 77)], |site| site.replace("ring_no_answer_s = 12", "ring_no_answer_s = 5"))?;
    let lab = estate.lab();
    let (cube, first_host, second_host) =
        (lab.host("cube").clone(), lab.host("agent").clone(), lab.host("agent2").clone());
    let capture = Capture::start(lab, "vanishes")?;
    let (caller_says, agent_says) = (scene::callers_voice(), scene::agents_voice());
    let first = scene::agent_phone(&estate, "1001", "agent", false, &[])?;
    let second = scene::agent_phone(&estate, "1002", "agent2", true, &agent_says)?;
    // Who waits longest is chosen first.
    estate.ready("1001")?;
    estate.ready("1002")?;

    let mut carrier = Carrier::dial(estate.lab(), cube.address, &Order::one(scene::script(&caller_says)))?;
    carrier.answered(1, SOON)?;
    let (at_first, at_second) = (first.mark(), second.mark());
    first.rings(at_first, SOON)?;
    first_host.unplug()?;
    let vanished = Instant::now();
    second.in_call(at_second, RING + Duration::from_secs(5))?;
    let waited = vanished.elapsed();
    ensure!(waited < RING + Duration::from_secs(5), "the next agent got the call after {waited:?}");
    estate.agent_is("1001", "NOT_READY", SOON)?;
    scene::media_flows(&capture, &second_host, &cube, 450)?;
    carrier.hang_up(1)?;
    carrier.ended(SOON)?;
    second.hung_up(at_second, SOON)?;
    let second = second.stop()?;
    let frames = capture.stop()?.frames()?;
    audio::demand("the caller heard the second agent", &agent_says, &scene::caller_heard(&frames))?;
    audio::demand_part("the second agent heard the caller", &second.heard, &caller_says)?;
    estate.demand_clean_logs(&[])
}

#[test]
fn a_browser_killed_in_mid_prompt_is_replaced_within_five_seconds() -> Result<()> {
    let mut estate = scene::estate(|site| site)?;
    let lab = estate.lab();
    let (cube, first, second) = (lab.host("cube").clone(), lab.host("vvb").clone(), lab.host("vvb2").clone());
    let capture = Capture::start(lab, "prompt")?;
    // Late enough that the second browser's prompt, too, has been heard.
    let mut script = vec![interop::speech::Act::Wait(Duration::from_secs(6))];
    script.extend(scene::script(&scene::callers_voice()));
    let mut carrier = Carrier::dial(estate.lab(), cube.address, &Order::one(script))?;
    carrier.answered(1, SOON)?;
    scene::media_flows(&capture, &first, &cube, 50)?;
    estate.node("vvb1").kill();
    let killed = Instant::now();
    estate.legs_until("cube1", "media with the second browser", Duration::from_secs(5), |legs| {
        legs.iter().any(|leg| scene::is_secure_with(leg, &second))
    })?;
    scene::media_flows(&capture, &second, &cube, 1)?;
    ensure!(killed.elapsed() < Duration::from_secs(6), "the caller waited {:?}", killed.elapsed());
    // The second browser hears the caller, too: the key leads to the queue.
    estate.waiting("sales", 1, SOON)?;
    carrier.hang_up(1)?;
    carrier.ended(SOON)?;
    estate.legs_until("cube1", "no leg left", SOON, <[_]>::is_empty)?;
    let frames = capture.stop()?.frames()?;
    scene::demand_secure_media(&frames, &[(&cube, &second)], &[], &[])
}

#[test]
fn caller_and_agent_talk_on_without_the_call_server_until_the_session_timer_ends_it() -> Result<()> {
    let mut estate = scene::estate(short_sessions)?;
    let lab = estate.lab();
    let (cube, agent_host) = (lab.host("cube").clone(), lab.host("agent").clone());
    let capture = Capture::start_cut(lab, "headless", 256)?;
    let phone = scene::agent_phone(&estate, "1001", "agent", true, &scene::agents_voice())?;
    let mut carrier = Carrier::dial(estate.lab(), cube.address, &Order::one(scene::script(&scene::callers_voice())))?;
    carrier.answered(1, SOON)?;
    estate.waiting("sales", 1, SOON)?;
    let ringing = phone.mark();
    estate.ready("1001")?;
    phone.in_call(ringing, SOON)?;
    scene::media_flows(&capture, &agent_host, &cube, 50)?;

    estate.node("cvp1").kill();
    let killed = Instant::now();
    scene::media_flows(&capture, &agent_host, &cube, 500)?;
    scene::media_flows(&capture, &cube, &agent_host, 50)?;
    ensure!(phone_is_talking(&phone, ringing), "the agent's call ended {:?} after the call server", killed.elapsed());

    // Nobody can refresh: both ends are told, and not before a refresh was due.
    carrier.ended(SESSION + SOON)?;
    phone.hung_up(ringing, SESSION + SOON)?;
    let lasted = killed.elapsed();
    ensure!(lasted > SESSION / 4, "the call ended {lasted:?} after the call server, before a refresh was due");
    estate.legs_until("cube1", "no leg left", SOON, <[_]>::is_empty)?;
    // The record is written where the call was, and the verdict says which hop is missing.
    let file = estate.lab().directory().join("headless.json");
    let path = file.to_str().unwrap_or_default();
    estate.ringfence(&["passport", "get", "last", "-o", path])?;
    let (status, said) = estate.ringfence_fails(&["passport", "verify", path])?;
    ensure!(status == 1, "status {status}: {said}");
    let signed = |node: &str| said.lines().any(|line| line.starts_with("signed") && line.contains(node));
    ensure!(signed("cube1") && signed("cucm1") && !signed("cvp1"), "who signed?\n{said}");
    let verdict = said.lines().find(|line| line.starts_with("verdict")).unwrap_or_default();
    ensure!(verdict.contains("cvp1"), "the verdict does not name the missing hop:\n{said}");
    Ok(())
}

#[test]
fn a_call_server_that_comes_back_refreshes_the_calls_it_had() -> Result<()> {
    let mut estate = scene::estate(short_sessions)?;
    let lab = estate.lab();
    let (cube, agent_host) = (lab.host("cube").clone(), lab.host("agent").clone());
    let capture = Capture::start_cut(lab, "back", 96)?;
    let phone = scene::agent_phone(&estate, "1001", "agent", true, &scene::agents_voice())?;
    let order = Order::one(scene::script(&scene::callers_voice()));
    let mut carrier = Carrier::dial(estate.lab(), cube.address, &order)?;
    carrier.answered(1, SOON)?;
    estate.waiting("sales", 1, SOON)?;
    let ringing = phone.mark();
    estate.ready("1001")?;
    phone.in_call(ringing, SOON)?;
    scene::media_flows(&capture, &agent_host, &cube, 50)?;

    estate.node("cvp1").kill();
    let killed = Instant::now();
    estate.start(&["cvp1"])?;
    // Longer than any session could last that nobody refreshed.
    let left = (SESSION + Duration::from_secs(5)).saturating_sub(killed.elapsed());
    let packets = left.as_millis() as usize / 20;
    scene::media_flows(&capture, &agent_host, &cube, packets)?;
    ensure!(phone_is_talking(&phone, ringing), "the call ended after {:?}", killed.elapsed());
    carrier.hang_up(1)?;
    carrier.ended(SOON)?;
    phone.hung_up(ringing, SOON)?;
    estate.legs_until("cube1", "no leg left", SOON, <[_]>::is_empty)?;
    estate.legs_until("cvp1", "no leg left", SOON, <[_]>::is_empty)?;
    estate.demand_clean_logs(&[])
}

/// The least that RFC 4028 allows.
const SESSION: Duration = Duration::from_secs(90);

/// The site with [`SESSION`] at every node that a refresh could come from.
fn short_sessions(site: String) -> String {
    let mut short = site;
    for node in ["226", "13", "3"] {
        let address = format!("\naddress = \"198.18.133.{node}\"\n");
        short = short.replace(&address, &format!("{address}session_expires_s = {}\n", SESSION.as_secs()));
    }
    short
}

fn phone_is_talking(phone: &interop::phone::Baresip, since: interop::program::Mark) -> bool {
    phone.hung_up(since, Duration::ZERO).is_err()
}

/// Which of them is first is a test of `sim`; here it is the process that dies, and the disk that remembers.
#[test]
fn fifty_callers_keep_their_wait_when_the_call_server_is_killed() -> Result<()> {
    const CALLERS: u32 = 50;
    let mut estate = scene::estate(|site| site)?;
    let phone = scene::agent_phone(&estate, "1001", "agent", true, &[])?;
    let cube = estate.lab().host("cube").clone();
    let order = Order { calls: CALLERS, rate: 25, hold: None, ..Order::one(scene::script(&[])) };
    let carrier = Carrier::dial(estate.lab(), cube.address, &order)?;
    carrier.answered(CALLERS, SOON)?;
    estate.waiting("sales", CALLERS.into(), SOON)?;
    let longest = |estate: &interop::estate::Estate| -> Result<u64> {
        let queues = objects(&estate.show("queues")?, &["name", "longest_wait_s"]);
        queues.iter().filter_map(|queue| queue["longest_wait_s"].as_u64()).max().context("no queue is shown")
    };
    let (waited, since) = (longest(&estate)?, Instant::now());
    estate.node("cvp1").kill();
    estate.start(&["cvp1"])?;
    estate.waiting("sales", CALLERS.into(), SOON)?;
    let (now, since) = (longest(&estate)?, since.elapsed().as_secs());
    ensure!(now >= waited + since, "they had waited {waited} s, {since} s ago, and wait {now} s now");
    // An agent comes, and has one of them; the others wait on.
    let ringing = phone.mark();
    estate.ready("1001")?;
    phone.in_call(ringing, SOON)?;
    estate.waiting("sales", u64::from(CALLERS) - 1, SOON)?;
    ensure!(longest(&estate)? + 2 >= now, "the others' wait began anew");
    estate.legs_until("cube1", "two legs each", SOON, |legs| legs.len() == 2 * CALLERS as usize)?;
    estate.demand_clean_logs(&[])
}
