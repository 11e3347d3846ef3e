//! The reference call flow over the lab's nodes, in virtual time.

use std::time::Duration;

use call::record::LegState;
use roles::{Control, Kind, Reply};
use sim::rig::{Papers, Sound, World, lab};

use crate::steps::{to_the_agent, to_the_ivr, to_the_queue};

const S: Duration = Duration::from_secs(1);

fn real(answer_after: Option<Duration>) -> World {
    World::lab(1, Sound::real(1, World::prompts()), answer_after)
}

fn still(seed: u64, answer_after: Option<Duration>) -> World {
    World::lab(seed, Sound::still(), answer_after)
}

/// Nothing of any call is left anywhere, and every leg's end is written down.
fn nothing_is_left(world: &mut World) {
    world.run(40 * S);
    for node in ["cube1", "cvp1", "vvb1", "vvb2", "cucm1", "phone1001", "phone1002", "carrier"] {
        match world.ask(node, Control::Status) {
            Reply::Status(status) => {
                assert_eq!(
                    (status.calls, status.legs, status.dialogs),
                    (0, 0, 0),
                    "{node} keeps {status:?}\n{}",
                    world.ladder()
                );
            }
            other => panic!("a status, not {other:?}"),
        }
    }
    for (node, leg) in &world.legs {
        assert_eq!(leg.state, LegState::Ended, "{node}: {leg:?}");
    }
}

#[test]
fn the_reference_call() {
    let mut world = real(Some(S));
    to_the_ivr(&mut world);
    let ivr = world.calls("cube1");
    assert_eq!(ivr.len(), 2, "one call through the border is two legs");
    let (outer, inner) = (&ivr[0], &ivr[1]);
    assert_eq!((outer.dial_peer, inner.dial_peer), (Some(6_000_100), Some(6000)));
    assert_eq!(outer.session_id.local, inner.session_id.remote);
    assert_eq!(outer.session_id.remote, inner.session_id.local);
    assert_eq!((outer.state, inner.state), (LegState::Active, LegState::Active));
    let media = inner.media.as_ref().expect("media visits the border");
    assert_eq!(media.remote.map(|addr| addr.ip().to_string()).as_deref(), Some("127.18.133.143"));
    assert!(media.rx_protected > 20 && media.rx_clear == 0 && media.tx_clear == 0, "{media:?}");
    assert!(inner.signalling_secure() && !outer.signalling_secure());
    let before = inner.session_id.clone();

    world.press("1");
    world.until(15 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
    world.run(3 * S);
    world.ready("1001");
    world.until(10 * S, |world| world.saw("cvp1", "vvb1", "BYE"));
    world.run(3 * S);
    let agent = world.calls("cube1");
    let inner = &agent[1];
    assert_eq!((agent[0].state, inner.state), (LegState::Connected, LegState::Connected));
    assert_eq!(inner.session_id.local, before.local, "the caller stays who he is");
    assert_ne!(inner.session_id.remote, before.remote, "the far party is another");
    assert_eq!(agent[0].session_id.local, inner.session_id.remote);
    let media = inner.media.as_ref().expect("media visits the border");
    assert_eq!(media.remote.map(|addr| addr.ip().to_string()).as_deref(), Some("127.18.133.75"));
    assert!(media.rekeyed >= 1 && media.rx_clear == 0 && media.tx_clear == 0, "{media:?}");
    assert!(!world.saw("cube1", "carrier", "INVITE"), "the carrier's leg is left in peace");
    let phone = world.calls("phone1001");
    let heard = phone[0].media.as_ref().expect("a phone ends media");
    assert!(heard.rx_protected > 50 && heard.tx_protected > 50 && heard.auth_failed == 0, "{heard:?}");

    world.hang_up("carrier");
    nothing_is_left(&mut world);
    let caller = before.local;
    for node in ["cube1", "cvp1", "vvb1", "cucm1"] {
        let statements = world.statements_of(node);
        assert_eq!(statements.len(), 1, "{node}");
        assert_eq!(statements[0].caller, caller, "{node} files the call under the caller's UUID");
    }
    let notify: Vec<String> = world
        .crossed
        .iter()
        .filter(|c| c.from == "cvp1" && c.arrow() == "NOTIFY")
        .map(|c| {
            let message = sip::Message::parse(c.bytes.clone()).unwrap();
            String::from_utf8_lossy(&message.body().unwrap().bytes).lines().next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(notify, ["SIP/2.0 100 Trying", "SIP/2.0 182 Queued", "SIP/2.0 200 OK"]);
}

#[test]
fn hanging_up_in_every_state() {
    for state in 0..4 {
        for who in ["carrier", "phone1001"] {
            let mut world = still(state, (state > 2).then_some(S));
            match state {
                0 => world.dial("6016"),
                1 => to_the_ivr(&mut world),
                2 => {
                    to_the_queue(&mut world);
                    world.ready("1001");
                    world.until(5 * S, |world| world.saw("phone1001", "cucm1", "180 INVITE"));
                }
                _ => to_the_agent(&mut world),
            }
            world.hang_up(if state < 3 { "carrier" } else { who });
            nothing_is_left(&mut world);
        }
    }
}

/// The caller is in a queue with music, and stays there.
fn is_served_by(world: &mut World, browser: &str) -> bool {
    let calls = world.calls("cube1");
    let media = calls[1].media.as_ref().and_then(|media| media.remote).map(|addr| addr.ip().to_string());
    media.as_deref() == Some(browser)
}

#[test]
fn an_agent_who_does_not_answer_is_passed_over() {
    let mut world = still(2, None);
    to_the_queue(&mut world);
    world.ready("1001");
    world.until(5 * S, |world| world.saw("phone1001", "cucm1", "180 INVITE"));
    world.ready("1002");
    world.until(20 * S, |world| world.saw("cucm1", "phone1001", "CANCEL"));
    world.until(5 * S, |world| world.saw("phone1002", "cucm1", "180 INVITE"));
    world.control("phone1002", Control::Answer);
    world.run(2 * S);
    assert!(is_served_by(&mut world, "127.18.133.74"), "{}", world.ladder());
    world.hang_up("phone1002");
    nothing_is_left(&mut world);
}

#[test]
fn a_phone_that_is_gone_makes_room_for_the_next_agent() {
    let mut world = still(3, Some(S));
    to_the_queue(&mut world);
    world.ready("1001");
    world.until(5 * S, |world| world.saw("phone1001", "cucm1", "180 INVITE"));
    world.ready("1002");
    world.kill("phone1001");
    world.until(13 * S, |world| world.saw("phone1002", "cucm1", "200 INVITE"));
    world.run(S);
    assert!(is_served_by(&mut world, "127.18.133.74"), "{}", world.ladder());
    world.hang_up("carrier");
    world.run(40 * S);
    assert_eq!(world.calls("cvp1").len(), 0);
}

#[test]
fn a_browser_that_dies_is_replaced_within_five_seconds() {
    for queued in [false, true] {
        let mut world = still(4, Some(S));
        if queued {
            to_the_queue(&mut world)
        } else {
            to_the_ivr(&mut world)
        }
        world.kill("vvb1");
        world.until(5 * S, |world| world.saw("cube1", "cvp1", "200 INVITE") && world.saw("cvp1", "vvb2", "ACK"));
        assert!(is_served_by(&mut world, "127.18.133.144"), "{}", world.ladder());
        world.run(2 * S);
        if !queued {
            world.press("1");
            world.until(5 * S, |world| world.saw("vvb2", "cvp1", "REFER"));
            world.run(S);
        }
        world.ready("1001");
        world.run(5 * S);
        assert!(is_served_by(&mut world, "127.18.133.75"), "the agent takes the call: {}", world.ladder());
        world.hang_up("carrier");
        world.run(40 * S);
        for node in ["cube1", "cvp1", "vvb2", "cucm1"] {
            assert_eq!(world.calls(node).len(), 0, "{node}");
        }
    }
}

#[test]
fn a_browser_whose_connection_breaks_goes_on() {
    let mut world = still(5, Some(S));
    to_the_ivr(&mut world);
    world.cut("cvp1", "vvb1");
    world.run(3 * S);
    assert!(is_served_by(&mut world, "127.18.133.143"), "{}", world.ladder());
    assert!(world.saw("cvp1", "vvb1", "OPTIONS"));
    world.press("1");
    world.until(5 * S, |world| world.saw("vvb1", "cvp1", "REFER"));
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

#[test]
fn a_call_server_that_was_killed_goes_on_with_its_calls() {
    let mut world = still(6, Some(S));
    to_the_agent(&mut world);
    let site = lab::site();
    world.kill("cvp1");
    world.run(5 * S);
    assert_eq!(world.calls("cube1").len(), 2, "caller and agent go on talking");
    let plan = roles::Plan::compile(&site, "cvp1", 1).unwrap();
    world.restart(plan, Papers::node("cvp1.lab.example"));
    world.run(1900 * S);
    assert_eq!(world.calls("cube1").len(), 2, "its refreshes were answered: {}", world.ladder());
    assert_eq!(world.calls("cvp1").iter().filter(|leg| leg.state != LegState::Ended).count(), 2);
    world.hang_up("carrier");
    world.run(40 * S);
    for node in ["cube1", "cvp1", "cucm1", "phone1001"] {
        assert_eq!(world.calls(node).len(), 0, "{node}");
    }
}

/// The ended leg of one call must not be taken for a leg of another that came in with the same dialog number.
#[test]
fn of_the_calls_that_outlive_their_call_server_each_ends_alone() {
    let mut world = World::new(8, Sound::still());
    world.start_site(&lab::site());
    let mut carrier = lab::carrier();
    if let Kind::Phone(phone) = &mut carrier.kind {
        phone.calls = 5;
    }
    world.start(carrier, Papers::None);
    world.start(lab::agent("1001", Some(S)), Papers::phone("phone1001.lab.example"));
    world.run(S);
    to_the_agent(&mut world);
    for _ in 0..4 {
        world.dial("6016");
        world.run(S);
    }
    world.kill("cvp1");
    world.run(S);
    world.restart(roles::Plan::compile(&lab::site(), "cvp1", 1).unwrap(), Papers::node("cvp1.lab.example"));
    world.run(S);
    let up = |world: &mut World| world.calls("cvp1").iter().filter(|leg| leg.state != LegState::Ended).count();
    assert_eq!(up(&mut world), 10);
    world.hang_up("phone1001");
    world.run(S);
    assert_eq!(up(&mut world), 8, "the agent's call is over");
    world.hang_up("carrier");
    world.run(40 * S);
    for node in ["cube1", "cvp1", "vvb1", "vvb2", "cucm1", "phone1001", "carrier"] {
        assert_eq!(world.calls(node).len(), 0, "{node}\n{}", world.ladder());
    }
}

#[test]
fn a_call_server_that_stays_away_ends_the_call_by_its_session_timer() {
    let mut world = still(7, Some(S));
    to_the_agent(&mut world);
    world.kill("cvp1");
    world.run(1900 * S);
    assert_eq!(world.calls("cube1").len(), 0, "{}", world.ladder());
    assert!(!world.statements_of("cube1").is_empty(), "the record is written");
}

#[test]
fn draining_turns_new_calls_away_and_waits_for_the_last() {
    let mut world = still(8, Some(S));
    to_the_ivr(&mut world);
    let drained = world.control("cube1", Control::Drain);
    world.run(S);
    assert!(!world.replies.contains_key(&drained), "one call is left");
    world.hang_up("carrier");
    world.run(2 * S);
    assert_eq!(world.replies.get(&drained), Some(&Reply::Done));
    world.dial("6016");
    world.until(5 * S, |world| world.saw("cube1", "carrier", "503 INVITE"));
}

#[test]
fn nodes_written_out_and_read_back_at_random_steps() {
    for seed in 0..20 {
        let mut world = still(100 + seed, Some(S));
        world.shake();
        world.lose((seed % 3 * 10) as u32);
        world.dial("6016");
        world.run(8 * S);
        world.press("1");
        world.run(2 * S);
        world.ready("1001");
        world.run(4 * S);
        assert!(is_served_by(&mut world, "127.18.133.75"), "seed {seed}: {}", world.ladder());
        world.hang_up(if seed % 2 == 0 { "carrier" } else { "phone1001" });
        nothing_is_left(&mut world);
    }
}

fn refused_for(world: &World, cause: &str) -> bool {
    world.refusals.iter().any(|record| record.refusal.cause == cause)
}

fn invite(call_id: &str, body: &str) -> bytes::Bytes {
    let head = format!(
        "INVITE sip:6016@127.18.133.13 SIP/2.0\r\nVia: SIP/2.0/TLS 127.18.133.99:5061;branch=z9hG4bK{call_id}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:1@127.18.133.99>;tag=a\r\nTo: <sip:6016@127.18.133.13>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:1@127.18.133.99:5061;transport=tls>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    head.into()
}

const PLAIN: &str =
    "v=0\r\no=- 1 1 IN IP4 127.18.133.99\r\ns=-\r\nc=IN IP4 127.18.133.99\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

#[test]
fn strangers_are_refused_in_words_and_nothing_is_left_of_them() {
    use sim::rig::Papers;
    let mut world = still(9, None);
    let from = |text: &str| text.parse().unwrap();
    let sbc = Papers::node("cube1.lab.example");
    // A good certificate of the wrong name, at the right address.
    let mallory = Papers::node("mallory.lab.example");
    world.stranger(&mallory, from("127.18.133.226:40000"), "cvp1", invite("one", PLAIN)).unwrap();
    world.until(S, |world| world.saw("cvp1", "stranger", "403 INVITE"));
    let words = &world.refusals.last().unwrap().refusal;
    assert_eq!(words.cause, "wrong_subject");
    assert!(
        words.expected.contains("cube1.lab.example") && words.presented.contains("mallory.lab.example"),
        "{words:?}"
    );
    // The right name from the wrong address.
    world.stranger(&sbc, from("127.18.133.99:40000"), "cvp1", invite("two", PLAIN)).unwrap();
    world.run(S);
    assert!(refused_for(&world, "unknown_source"));
    // Who may call, but offers RTP in clear.
    world.stranger(&sbc, from("127.18.133.226:40001"), "cvp1", invite("three", PLAIN)).unwrap();
    world.until(S, |world| world.saw("cvp1", "stranger", "488 INVITE"));
    assert!(refused_for(&world, "plain_rtp_offered"), "{:?}", world.refusals);
    let answer = world.crossed.iter().rfind(|c| c.arrow() == "488 INVITE").unwrap();
    let answer = sip::Message::parse(answer.bytes.clone()).unwrap();
    assert!(answer.header(&sip::Name::Warning).unwrap().contains("SAVP"), "the Warning says what was required");
    // Whose certificate nobody here knows, or whose time is over, gets no connection at all.
    for papers in [
        Papers::Foreign { host: "cube1.lab.example".into() },
        Papers::Expired { host: "cube1.lab.example".into() },
        Papers::None,
    ] {
        assert!(
            world.stranger(&papers, from("127.18.133.226:40002"), "cvp1", invite("four", PLAIN)).is_err(),
            "{papers:?}"
        );
    }
    assert!(!world.crossed.iter().any(|c| c.to == "vvb1" && c.arrow() == "INVITE"), "nothing went further");
    nothing_is_left(&mut world);
}

#[test]
fn a_refresh_keeps_a_long_call_up_on_every_leg() {
    let mut world = still(10, Some(S));
    to_the_agent(&mut world);
    world.run(4 * 3600 * S);
    for node in ["cube1", "cvp1", "cucm1", "phone1001"] {
        let live = world
            .calls(node)
            .into_iter()
            .filter(|leg| leg.state == LegState::Connected || leg.state == LegState::Active)
            .count();
        assert_eq!(live, if node == "phone1001" { 1 } else { 2 }, "{node}");
    }
    assert!(!world.ladder().contains("491"));
    world.hang_up("carrier");
    nothing_is_left(&mut world);
}

/// A carrier of raw messages, for what the headless phone never does.
pub(crate) struct RawCarrier {
    pub(crate) to: String,
    pub(crate) cseq: u32,
}

const CARRIER: &str = "127.18.133.76:5062";

impl RawCarrier {
    pub(crate) fn send(&mut self, world: &mut World, method: &str, branch: &str, extra: &str, body: &str) {
        let message = format!(
            "{method} sip:6016@127.18.133.226:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {CARRIER};branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:3227046971@127.18.133.76>;tag=raw\r\nTo: {}\r\nCall-ID: raw-1\r\n\
             CSeq: {} {method}\r\nContact: <sip:3227046971@{CARRIER}>\r\n{extra}{}Content-Length: {}\r\n\r\n{body}",
            self.to,
            self.cseq,
            if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" },
            body.len(),
        );
        world.kill("carrier");
        world.plain_stranger(CARRIER.parse().unwrap(), "cube1", message.into());
    }

    /// The last answer that the border sent to us.
    pub(crate) fn answer(&mut self, world: &World, arrow: &str) -> sip::Message {
        let found = world.crossed.iter().rfind(|c| c.from == "cube1" && c.to == "stranger" && c.arrow() == arrow);
        let message = sip::Message::parse(found.expect("an answer").bytes.clone()).unwrap();
        self.to = message.header(&sip::Name::To).unwrap().to_owned();
        message
    }
}

pub(crate) fn carrier_sdp(direction: &str) -> String {
    format!(
        "v=0\r\no=raw 1 1 IN IP4 127.18.133.76\r\ns=-\r\nc=IN IP4 127.18.133.76\r\nt=0 0\r\nm=audio 16390 RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
    )
}

#[test]
fn a_carrier_that_offers_late_and_holds() {
    let mut world = still(11, Some(S));
    let mut carrier = RawCarrier { to: "<sip:6016@127.18.133.226>".into(), cseq: 1 };
    carrier.send(&mut world, "INVITE", "one", "", "");
    world.until(5 * S, |world| world.saw("cube1", "stranger", "200 INVITE"));
    let ours = carrier.answer(&world, "200 INVITE");
    let offer = String::from_utf8(ours.sdp().expect("our offer").to_vec()).unwrap();
    assert!(offer.contains("RTP/AVP 0") && !offer.contains("a=crypto"), "in clear to the carrier, one codec: {offer}");
    carrier.send(&mut world, "ACK", "two", "", &carrier_sdp("sendrecv"));
    world.run(S);
    let legs = world.calls("cube1");
    let media = legs[0].media.as_ref().expect("media on the carrier's side");
    assert_eq!(media.remote, Some("127.18.133.76:16390".parse().unwrap()));
    assert_eq!(media.keying, "none");
    assert_eq!(legs[0].dangerous, ["dangerous_plain_sip", "dangerous_plain_rtp"]);

    carrier.cseq = 2;
    carrier.send(&mut world, "INVITE", "three", "", &carrier_sdp("sendonly"));
    world.run(2 * S);
    let held = carrier.answer(&world, "200 INVITE").sdp().expect("an answer").to_vec();
    assert!(String::from_utf8(held).unwrap().contains("a=recvonly"));
    carrier.send(&mut world, "ACK", "four", "", "");
    let inside = |world: &World| {
        world
            .crossed
            .iter()
            .rfind(|c| c.from == "cube1" && c.to == "cvp1" && c.arrow() == "INVITE")
            .unwrap()
            .bytes
            .clone()
    };
    let text = String::from_utf8(inside(&world).to_vec()).unwrap();
    assert!(text.contains("a=sendonly") && text.contains("RTP/SAVP"), "the hold goes on inside, still secure: {text}");
    carrier.cseq = 3;
    carrier.send(&mut world, "INVITE", "five", "", &carrier_sdp("sendrecv"));
    world.run(2 * S);
    carrier.answer(&world, "200 INVITE");
    carrier.send(&mut world, "ACK", "six", "", "");
    let text = String::from_utf8(inside(&world).to_vec()).unwrap();
    assert!(!text.contains("a=sendonly"), "and is taken off: {text}");
    carrier.cseq = 4;
    carrier.send(&mut world, "BYE", "seven", "", "");
    world.run(40 * S);
    for node in ["cube1", "cvp1", "vvb1"] {
        assert_eq!(world.calls(node).len(), 0, "{node}: {}", world.ladder());
    }
}

#[test]
fn a_panic_costs_one_call() {
    for node in ["cube1", "cvp1", "vvb1"] {
        let mut world = still(12, Some(S));
        to_the_agent(&mut world);
        world.bait(node, "6016");
        let mut second = RawCarrier { to: "<sip:6016@127.18.133.226>".into(), cseq: 1 };
        let carriers_leg = world.calls("cube1")[0].leg;
        second.send(&mut world, "INVITE", "bad", "", &carrier_sdp("sendrecv"));
        world.until(40 * S, |world| {
            world
                .crossed
                .iter()
                .any(|c| c.to == "stranger" && c.arrow().ends_with(" INVITE") && !c.arrow().starts_with("1"))
        });
        world.run(40 * S);
        assert_eq!(world.panics, 1, "{node}");
        let calls = world.calls("cube1");
        assert_eq!(calls.first().map(|leg| leg.leg), Some(carriers_leg), "the other call goes on: {}", world.ladder());
        let Reply::Status(status) = world.ask(node, Control::Status) else { panic!("a status") };
        assert_eq!(status.panics, 1);
        assert_eq!(world.calls("phone1001").len(), 1);
    }
}

#[test]
fn phones_call_each_other_and_a_wrong_secret_is_refused() {
    let mut world = still(13, Some(S));
    world.control("phone1001", Control::Dial { number: "1002".into() });
    world.until(5 * S, |world| world.saw("cucm1", "phone1001", "200 INVITE"));
    world.run(S);
    let legs = world.calls("cucm1");
    assert!(
        legs.iter()
            .all(|leg| leg.signalling.admitted_by == "digest" && leg.passed.as_ref().is_some_and(|p| p.sdes_key_seen))
    );
    world.control("phone1002", Control::HangUp);
    world.run(2 * S);
    world.control("phone1001", Control::Dial { number: "1099".into() });
    world.until(5 * S, |world| world.saw("cucm1", "phone1001", "404 INVITE"));
    world.kill("phone1002");
    world.run(S);
    world.control("phone1001", Control::Dial { number: "1002".into() });
    world.until(5 * S, |world| world.saw("cucm1", "phone1001", "480 INVITE"));

    let mut wrong = sim::rig::lab::agent("1002", None);
    if let roles::Kind::Phone(phone) = &mut wrong.kind {
        phone.registration.as_mut().unwrap().secret = roles::phone::Secret::new("guess");
    }
    world.start(wrong, sim::rig::Papers::phone("phone1002.lab.example"));
    world.until(5 * S, |world| world.saw("cucm1", "phone1002", "403 REGISTER"));
    assert!(refused_for(&world, "digest"));
}

#[test]
fn a_carrier_that_changes_its_codec_takes_the_inside_along() {
    let mut world = still(14, Some(S));
    let mut carrier = RawCarrier { to: "<sip:6016@127.18.133.226>".into(), cseq: 1 };
    carrier.send(&mut world, "INVITE", "one", "", &carrier_sdp("sendrecv"));
    world.until(5 * S, |world| world.saw("cube1", "stranger", "200 INVITE"));
    carrier.answer(&world, "200 INVITE");
    carrier.send(&mut world, "ACK", "two", "", "");
    world.run(S);
    carrier.cseq = 2;
    let other = carrier_sdp("sendrecv").replace("AVP 0", "AVP 8").replace("rtpmap:0 PCMU", "rtpmap:8 PCMA");
    carrier.send(&mut world, "INVITE", "three", "", &other);
    world.run(2 * S);
    let answer = String::from_utf8(carrier.answer(&world, "200 INVITE").sdp().expect("an answer").to_vec()).unwrap();
    assert!(answer.contains("AVP 8"), "{answer}");
    carrier.send(&mut world, "ACK", "four", "", "");
    world.run(S);
    let legs = world.calls("cube1");
    let codecs: Vec<&str> = legs.iter().map(|leg| leg.media.as_ref().unwrap().codec.as_str()).collect();
    assert_eq!(codecs, ["PCMA", "PCMA"], "nothing is transcoded");
    // What nobody here speaks is refused, and what was agreed stands.
    carrier.cseq = 3;
    carrier.send(
        &mut world,
        "INVITE",
        "five",
        "",
        &other.replace("AVP 8", "AVP 9").replace("rtpmap:8 PCMA", "rtpmap:9 G722"),
    );
    world.until(3 * S, |world| world.saw("cube1", "stranger", "488 INVITE"));
    assert_eq!(world.calls("cube1").len(), 2);
}

#[test]
fn a_goodbye_that_found_no_way_is_asked_for() {
    // Border and call server are cut off from each other at the very moment when the caller hangs up.
    let mut world = still(15, Some(S));
    to_the_agent(&mut world);
    world.kill("cvp1");
    world.run(S);
    world.hang_up("carrier");
    world.run(3 * S);
    assert_eq!(world.calls("cucm1").len(), 2, "the agent's side cannot know");
    let site = lab::site();
    let plan = roles::Plan::compile(&site, "cvp1", 1).unwrap();
    world.kept.clear();
    world.start(plan, Papers::node("cvp1.lab.example"));
    world.run(20 * S);
    assert_eq!(world.calls("cucm1").len(), 0, "asked, the call server knew of no such call: {}", world.ladder());
    assert_eq!(world.calls("phone1001").len(), 0);
}
