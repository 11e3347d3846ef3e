//! What a dial-peer says of its calls' media: a border whose dial-peer names codecs of its own has each side speak its own,
//! and what changes on one side in mid-call leaves the other in peace; one that records says so in the record.

use std::time::Duration;

use sim::rig::{Papers, Sound, World, lab};

use crate::flow::{RawCarrier, carrier_sdp};

const S: Duration = Duration::from_secs(1);

/// The lab, in which the carrier's dial-peer has these words more.
fn world(words: &str) -> World {
    let site = include_str!("../../../../examples/lab.toml").replacen(
        "tag = 6000100\n",
        &format!("tag = 6000100\n{words}\n"),
        1,
    );
    assert!(site.contains(words));
    let mut world = World::new(21, Sound::still());
    world.start_site(&site::Site::parse(&site).expect("a good site"));
    world.start(lab::carrier(), Papers::None);
    world.run(3 * S);
    world
}

fn speaking(formats: &str) -> String {
    let (numbers, maps): (Vec<String>, Vec<String>) = formats
        .split(' ')
        .map(|name| {
            let codec = sdp::Codec::named(name).expect("a codec");
            let (number, clock) = (codec.offered_payload_type(), codec.clock_rate());
            let channels = if codec == sdp::Codec::Opus { "/2" } else { "" };
            (number.to_string(), format!("a=rtpmap:{number} {name}/{clock}{channels}\r\n"))
        })
        .unzip();
    let sdp = carrier_sdp("sendrecv");
    sdp.replace("AVP 0 ", &format!("AVP {} ", numbers.join(" "))).replace("a=rtpmap:0 PCMU/8000\r\n", &maps.concat())
}

fn codecs(world: &mut World) -> Vec<String> {
    world.calls("cube1").iter().map(|leg| leg.media.as_ref().expect("media").codec.clone()).collect()
}

fn answer_of(carrier: &mut RawCarrier, world: &World) -> String {
    String::from_utf8(carrier.answer(world, "200 INVITE").sdp().expect("a description").to_vec()).unwrap()
}

/// The codec lines of the border's last INVITE inside.
fn offered_inside(world: &World) -> String {
    let invite = world.crossed.iter().rfind(|c| c.from == "cube1" && c.to == "cvp1" && c.arrow() == "INVITE").unwrap();
    String::from_utf8(invite.bytes.to_vec()).unwrap()
}

#[test]
fn each_side_of_a_border_that_names_codecs_speaks_its_own() {
    let mut world = world("codec = [\"g722-64\", \"g711alaw\"]");
    let mut carrier = RawCarrier { to: "<sip:6016@127.18.133.226>".into(), cseq: 1 };
    carrier.send(&mut world, "INVITE", "one", "", &speaking("G722"));
    world.until(5 * S, |world| world.saw("cube1", "stranger", "200 INVITE"));
    let answer = answer_of(&mut carrier, &world);
    assert!(answer.contains("RTP/AVP 9 101") && answer.contains("a=rtpmap:9 G722/8000"), "{answer}");
    let offer = offered_inside(&world);
    assert!(offer.contains("RTP/SAVP 0 8 101") && !offer.contains("G722"), "inside speaks what it did: {offer}");
    carrier.send(&mut world, "ACK", "two", "", "");
    world.run(S);
    assert_eq!(codecs(&mut world), ["G722", "PCMU"], "transcoded");

    // What inside speaks is preferred to the caller's own order, for then nothing has to be transcoded; it is not allowed
    // to the carrier here.
    carrier.cseq = 2;
    carrier.send(&mut world, "INVITE", "three", "", &speaking("PCMU PCMA G722"));
    world.run(2 * S);
    let answer = answer_of(&mut carrier, &world);
    assert!(answer.contains("RTP/AVP 8 101"), "the first that its dial-peer allows: {answer}");
    carrier.send(&mut world, "ACK", "four", "", "");
    let inside = offered_inside(&world);
    world.run(S);
    assert_eq!(codecs(&mut world), ["PCMA", "PCMU"]);
    assert_eq!(offered_inside(&world), inside, "the other side is left in peace");

    // What the dial-peer does not name is refused, and what was agreed stands.
    carrier.cseq = 3;
    carrier.send(&mut world, "INVITE", "five", "", &speaking("PCMU"));
    world.until(3 * S, |world| world.saw("cube1", "stranger", "488 INVITE"));
    assert_eq!(codecs(&mut world), ["PCMA", "PCMU"]);
    carrier.cseq = 4;
    carrier.send(&mut world, "BYE", "six", "", "");
    world.run(40 * S);
    assert_eq!(world.calls("cube1").len(), 0, "{}", world.ladder());
}

#[test]
fn what_both_sides_speak_is_not_transcoded() {
    let mut world = world("codec = [\"g722-64\", \"g711ulaw\"]");
    let mut carrier = RawCarrier { to: "<sip:6016@127.18.133.226>".into(), cseq: 1 };
    carrier.send(&mut world, "INVITE", "one", "", &speaking("G722 PCMU"));
    world.until(5 * S, |world| world.saw("cube1", "stranger", "200 INVITE"));
    let answer = answer_of(&mut carrier, &world);
    assert!(answer.contains("RTP/AVP 0 101"), "{answer}");
    carrier.send(&mut world, "ACK", "two", "", "");
    world.run(S);
    assert_eq!(codecs(&mut world), ["PCMU", "PCMU"]);
}

#[test]
fn a_caller_who_speaks_nothing_that_is_named_is_refused_in_words() {
    let mut world = world("codec = [\"g722-64\"]");
    let mut carrier = RawCarrier { to: "<sip:6016@127.18.133.226>".into(), cseq: 1 };
    carrier.send(&mut world, "INVITE", "one", "", &speaking("PCMU PCMA"));
    world.until(5 * S, |world| world.saw("cube1", "stranger", "488 INVITE"));
    let refusal = carrier.answer(&world, "488 INVITE");
    let warning = refusal.header(&sip::Name::Warning).expect("why").to_owned();
    assert!(warning.contains("none of G722 is offered, which dial-peer 6000100 takes"), "{warning}");
    assert_eq!(world.calls("cube1").len(), 0);
}

#[test]
fn a_carrier_speaks_opus_where_its_dial_peer_names_it_and_nowhere_else() {
    let mut world = world("codec = [\"opus\", \"g711ulaw\"]");
    let mut carrier = RawCarrier { to: "<sip:6016@127.18.133.226>".into(), cseq: 1 };
    let events = "a=rtpmap:110 telephone-event/48000\r\na=fmtp:111 useinbandfec=1;maxplaybackrate=16000\r\n";
    let offer = speaking("opus").replace("AVP 111", "AVP 111 110") + events;
    carrier.send(&mut world, "INVITE", "one", "", &offer);
    world.until(5 * S, |world| world.saw("cube1", "stranger", "200 INVITE"));
    let answer = answer_of(&mut carrier, &world);
    assert!(answer.contains("RTP/AVP 111 110\r\n") && answer.contains("a=rtpmap:111 opus/48000/2\r\n"), "{answer}");
    assert!(answer.contains("a=fmtp:111 minptime=10;useinbandfec=1;cbr=1\r\n"), "{answer}");
    assert!(!offered_inside(&world).contains("opus"));
    carrier.send(&mut world, "ACK", "two", "", "");
    world.run(S);
    assert_eq!(codecs(&mut world), ["opus", "PCMU"], "transcoded");

    let mut world = self::world("codec = [\"g722-64\"]");
    let mut carrier = RawCarrier { to: "<sip:6016@127.18.133.226>".into(), cseq: 1 };
    carrier.send(&mut world, "INVITE", "one", "", &speaking("opus G722"));
    world.until(5 * S, |world| world.saw("cube1", "stranger", "200 INVITE"));
    let answer = answer_of(&mut carrier, &world);
    assert!(answer.contains("RTP/AVP 9 101") && !answer.contains("opus"), "{answer}");
}

#[test]
fn an_offer_of_ours_holds_all_that_is_named() {
    let mut world = world("codec = [\"g722-64\", \"g711alaw\"]");
    let mut carrier = RawCarrier { to: "<sip:6016@127.18.133.226>".into(), cseq: 1 };
    carrier.send(&mut world, "INVITE", "one", "", "");
    world.until(5 * S, |world| world.saw("cube1", "stranger", "200 INVITE"));
    let offer = answer_of(&mut carrier, &world);
    assert!(offer.contains("RTP/AVP 9 8 101"), "{offer}");
    carrier.send(&mut world, "ACK", "two", "", &speaking("G722"));
    world.run(S);
    assert_eq!(codecs(&mut world), ["G722", "PCMU"]);
}

#[test]
fn a_recorded_call_says_so_on_both_its_legs_and_another_does_not() {
    for (words, expected) in [("media_recording = true", 2), ("latch = false", 0)] {
        let mut world = world(words);
        world.dial("6016");
        world.until(5 * S, |world| world.saw("cube1", "carrier", "200 INVITE"));
        world.run(S);
        world.hang_up("carrier");
        world.run(40 * S);
        let statements = world.statements_of("cube1");
        let events: Vec<&str> = statements
            .iter()
            .flat_map(|s| &s.legs)
            .flat_map(|leg| &leg.events)
            .map(|event| event.what.as_str())
            .collect();
        let said =
            events.iter().filter(|what| what.contains("recorded whole, by the rule of dial-peer 6000100: recording "));
        assert_eq!(said.count(), expected, "{words}: {events:?}");
    }
}
