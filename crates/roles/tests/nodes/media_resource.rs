//! The media resource as its callers meet it: by numbers of the site and by the addresses of RFC 4240.

use std::time::Duration;

use media::conference::Part;
use media::{Command, LeaseId};
use roles::{Input, Plan};
use sdp::{Direction, Protection};
use sip::endpoint::{Event, Invite};
use sip::{DialogId, Headers, Hop, Method, Name, NameAddr, Status, Uri};

use crate::far_end::{Audio, Rig};

const SITE: &str = r#"
name = "lab"
domain = "lab.example"
[[node]]
name = "mr1"
address = "127.18.133.150"
[node.role.media_resource]
secure_certificate_subject = ["cvp1.lab.example"]
conference = [{ number = "8500", parties = 3 }, { number = "8501", music = "ringback" }]
announcement = [{ number = "8600", prompt = "welcome" }, { number = "8700", prompt = "moh", repeat = true }]
"#;

fn resource() -> Rig {
    let site = site::Site::parse(SITE).expect("a good site");
    let plan = Plan::compile(&site, "mr1", 1).expect("it has a media resource");
    Rig::new(plan, "127.18.133.13:40000".parse().expect("an address"), Some("cvp1.lab.example"))
}

fn at(user: &str) -> Uri {
    Uri::sip(Some(user), "127.18.133.150", Some(5061))
}

/// Calls it, and acknowledges its answer, or says how it refused.
fn dial(rig: &mut Rig, uri: Uri) -> Result<DialogId, (u16, String)> {
    let mut audio = Audio::new(Protection::Secure, "127.18.133.226:20000");
    let (offer, offered) = audio.offer(Direction::SendRecv);
    let invite = Invite {
        hop: Hop::Flow(rig.flow.id),
        from: NameAddr::new(Uri::sip(Some("1001"), "127.18.133.13", None)),
        to: NameAddr::new(uri.clone()),
        request_uri: uri,
        contact_user: Some("cvp".into()),
        headers: Headers::new(),
        body: Some(Audio::body(offer)),
        max_forwards: 70,
    };
    let is_conference =
        invite.request_uri.user.as_ref().is_some_and(|user| user.starts_with("85") || user.contains('='));
    let (dialog, _) = rig.sip.invite(invite, rig.now);
    rig.settle();
    let response = rig.met(|event| match event {
        Event::Accepted { response, .. } | Event::Final { response, .. } => Some(response.clone()),
        _ => None,
    });
    if response.status() != Some(Status(200)) {
        let words = response.header(&Name::Warning).unwrap_or_default().to_owned();
        return Err((response.status().expect("a response").0, words));
    }
    sdp::accept(&offered, &audio.policy, &response.sdp().expect("an answer")).expect("SRTP");
    let contact = response.header(&Name::Contact).expect("a Contact");
    assert_eq!(contact.ends_with(";isfocus"), is_conference, "{contact}");
    rig.sip.ack(dialog, vec![], None, rig.now);
    rig.settle();
    Ok(dialog)
}

/// The same node, for which the peer is a call server.
fn resource_of_a_call_server() -> Rig {
    let site = SITE.replace("secure_certificate_subject", "call_server_subject");
    let site = site::Site::parse(&site).expect("a good site");
    let plan = Plan::compile(&site, "mr1", 1).expect("it has a media resource");
    Rig::new(plan, "127.18.133.13:40000".parse().expect("an address"), Some("cvp1.lab.example"))
}

fn seat(room: &str, name: &str, part: &str) -> Uri {
    at(room).with_param("seat", Some(name)).with_param("part", Some(part))
}

fn whisper(room: &str) -> Uri {
    seat(room, "supervisor", "whisper").with_param("to", Some("agent"))
}

/// Parts that the media thread was told of, by lease.
fn parts(rig: &mut Rig) -> Vec<(LeaseId, Part<LeaseId>)> {
    let part = |command: Command| match command {
        Command::Confer { lease, part, .. } => Some((lease, part)),
        _ => None,
    };
    rig.took().into_iter().filter_map(part).collect()
}

#[test]
fn a_call_server_says_who_listens_and_to_whom_somebody_whispers() {
    let mut rig = resource_of_a_call_server();
    let supervisor = dial(&mut rig, whisper("conf=r")).expect("a seat");
    let [(lease, Part::Listens)] = parts(&mut rig)[..] else { panic!("nobody is there to whisper to") };
    dial(&mut rig, seat("conf=r", "caller", "talk")).expect("a seat");
    let [(_, Part::Talks)] = parts(&mut rig)[..] else { panic!("the caller talks") };
    dial(&mut rig, seat("conf=r", "agent", "talk")).expect("a seat");
    // Told again after the agent, whom the media thread is to know by then.
    let [(agent, Part::Talks), (first, Part::Whispers { to })] = parts(&mut rig)[..] else { panic!("a whisper") };
    assert_eq!((first, to), (lease, agent));
    let asks = |rig: &mut Rig, body: &str| {
        let body = sip::Body::new("application/ringfence-part", body.to_owned());
        rig.sip.in_dialog(supervisor, Method::Info, Headers::new(), Some(body), rig.now);
        rig.settle();
        rig.met(|event| match event {
            Event::Final { response, .. } => response.status(),
            _ => None,
        })
    };
    assert_eq!(asks(&mut rig, "Part=whisper\r\nTo=agent\r\n"), Status(200));
    assert_eq!(parts(&mut rig), [(lease, Part::Whispers { to: agent })]);
    assert_eq!(asks(&mut rig, "Part=talk\r\n"), Status(200));
    assert_eq!(parts(&mut rig), [(lease, Part::Talks)]);
    assert_eq!(asks(&mut rig, "Part=sing\r\n"), Status(415));
    assert_eq!(parts(&mut rig), []);
    let words: Vec<String> = rig.legs().iter().flat_map(|leg| leg.parts.clone()).collect();
    assert!(words.iter().any(|what| what.contains("supervisor whispers")), "{words:?}");
    // Nobody comes into it by its name alone, nor does a seat make an open one.
    let (status, why) = dial(&mut rig, at("conf=r")).expect_err("it is closed");
    assert!(status == 403 && why.contains("closed"), "{status} {why}");
    dial(&mut rig, at("conf=open")).expect("anybody's");
    let (status, _) = dial(&mut rig, seat("conf=open", "x", "listen")).expect_err("it is open");
    assert_eq!(status, 403);
    for (wrong, status) in [
        (seat("conf=r", "x", "sing"), 400),
        (at("conf=r").with_param("part", Some("listen")), 400),
        (seat("conf=", "x", "listen"), 404),
        (seat("8500", "x", "listen"), 404),
    ] {
        assert_eq!(dial(&mut rig, wrong.clone()).expect_err("no seat").0, status, "{wrong}");
    }
}

#[test]
fn nobody_but_a_call_server_says_who_listens() {
    let mut rig = resource();
    for uri in [
        seat("conf=r", "x", "listen"),
        whisper("conf=r"),
        seat("8500", "x", "talk"),
        at("conf=r").with_param("seat", None),
    ] {
        let (status, words) = dial(&mut rig, uri.clone()).expect_err("not for callers");
        assert!(status == 403 && words.contains("call_server_subject"), "{uri}: {status} {words}");
        assert_eq!(rig.legs().len(), 0);
    }
    // Within a conference that anybody may dial, nobody is given another part.
    let dialog = dial(&mut rig, at("conf=r")).expect("a seat");
    let body = sip::Body::new("application/ringfence-part", "Part=listen\r\n");
    rig.sip.in_dialog(dialog, Method::Info, Headers::new(), Some(body), rig.now);
    rig.settle();
    let status = rig.met(|event| match event {
        Event::Final { response, .. } => response.status(),
        _ => None,
    });
    assert_eq!(status, Status(405));
}

fn hang_up(rig: &mut Rig, dialog: DialogId) {
    rig.sip.end(dialog, Headers::new(), rig.now);
    rig.settle();
}

/// What the media thread was told, in short: `conference`, `prompt`, `prompt*`, `quiet`.
fn told(rig: &mut Rig) -> Vec<String> {
    let short = |command: Command| match command {
        Command::Confer { part: Part::Talks, .. } => Some("talks".to_owned()),
        Command::Play { play, .. } => Some(format!("{}{}", play.prompt, if play.repeat { "*" } else { "" })),
        Command::Silence { .. } => Some("quiet".to_owned()),
        _ => None,
    };
    rig.took().into_iter().filter_map(short).collect()
}

#[test]
fn who_is_alone_hears_music_and_who_has_company_hears_that() {
    let mut rig = resource();
    let a = dial(&mut rig, at("8500")).expect("a seat");
    assert_eq!(told(&mut rig), ["talks", "moh*"]);
    let b = dial(&mut rig, at("8500")).expect("a seat");
    assert_eq!(told(&mut rig), ["talks", "quiet", "quiet"]);
    let c = dial(&mut rig, at("8500")).expect("a seat");
    told(&mut rig);
    let (status, words) = dial(&mut rig, at("8500")).expect_err("three have three seats");
    assert!(status == 486 && words.contains("full"), "{status} {words}");
    hang_up(&mut rig, a);
    assert_eq!(told(&mut rig), ["quiet", "quiet"]);
    hang_up(&mut rig, c);
    assert_eq!(told(&mut rig), ["moh*"]);
    hang_up(&mut rig, b);
    assert_eq!((told(&mut rig).len(), rig.legs().len()), (0, 0));
    dial(&mut rig, at("8501")).expect("another conference");
    assert_eq!(told(&mut rig), ["talks", "ringback*"]);
}

#[test]
fn a_conference_has_one_number_of_one_thread_and_another_has_another() {
    let mut rig = resource();
    let mut rooms: Vec<(u64, LeaseId)> = Vec::new();
    for name in ["conf=a", "conf=a", "conf=b", "8500"] {
        dial(&mut rig, at(name)).expect("a seat");
        rooms.extend(rig.took().into_iter().find_map(|command| match command {
            Command::Confer { conference, lease, .. } => Some((conference, lease)),
            _ => None,
        }));
    }
    let ids: Vec<u64> = rooms.iter().map(|(id, _)| *id).collect();
    assert!(ids[0] == ids[1] && ids[1] != ids[2] && ids[2] != ids[3], "{ids:?}");
    assert_eq!(rooms[0].1.thread, rooms[1].1.thread);
}

#[test]
fn an_announcement_ends_the_call_and_music_does_not() {
    let mut rig = resource();
    for (uri, prompt) in [
        (at("8600"), "welcome"),
        (at("8700"), "moh*"),
        (at("annc").with_param("play", Some("welcome")), "welcome"),
        (at("annc").with_param("play", Some("moh")).with_param("repeat", Some("forever")), "moh*"),
    ] {
        dial(&mut rig, uri).expect("it plays");
        let played = rig.took().into_iter().find_map(|command| match command {
            Command::Play { lease, play } => Some((lease, play)),
            _ => None,
        });
        let (lease, play) = played.expect("something is played");
        assert_eq!(format!("{}{}", play.prompt, if play.repeat { "*" } else { "" }), prompt);
        if play.repeat {
            rig.wait(Duration::from_secs(600));
            assert_eq!(rig.legs().len(), 1);
            rig.input(Input::Media(media::Event::Unplayable { lease, id: play.id, prompt: play.prompt }));
        } else {
            rig.input(Input::Media(media::Event::Played { lease, id: play.id }));
        }
        let over = |event: &Event| matches!(event, Event::InDialog { request, .. } if request.method() == Method::Bye);
        rig.met(|event| over(event).then_some(()));
        assert_eq!(rig.legs().len(), 0);
    }
}

#[test]
fn what_there_is_not_is_refused_in_words() {
    let mut rig = resource();
    for (uri, word) in [
        (at("9999"), "no conference and no announcement"),
        (at("conf="), "no conference"),
        (at("annc"), "play="),
        (at("annc").with_param("play", Some("/etc/passwd")), "name of a prompt"),
        (at("annc").with_param("play", Some("http://elsewhere/x.wav")), "name of a prompt"),
        (at("annc").with_param("play", Some("moh")).with_param("repeat", Some("7")), "repeat=forever"),
    ] {
        let (status, words) = dial(&mut rig, uri.clone()).expect_err("no such service");
        assert!(status == 404 && words.contains(word), "{uri}: {status} {words}");
        assert_eq!(rig.legs().len(), 0);
    }
}

#[test]
fn a_source_may_send_so_much_and_a_reload_may_say_otherwise() {
    let plan = |rate: &str, generation| {
        let site = SITE.replace("address = \"127.18.133.150\"\n", &format!("address = \"127.18.133.150\"\n{rate}"));
        Plan::compile(&site::Site::parse(&site).expect("a good site"), "mr1", generation).expect("a media resource")
    };
    let slow = plan("source_rate = { per_second = 1, burst = 2 }\n", 1);
    let mut rig = Rig::new(slow, "127.18.133.13:40000".parse().expect("an address"), Some("cvp1.lab.example"));
    let calls = |rig: &mut Rig| (0..4).map(|_| dial(rig, at("8700")).map_err(|(status, _)| status).is_ok()).collect();
    let four: Vec<bool> = calls(&mut rig);
    assert_eq!(four, [true, true, false, false]);
    rig.wait(Duration::from_secs(1));
    assert!(dial(&mut rig, at("8700")).is_ok(), "a second brings one more");
    assert_eq!(dial(&mut rig, at("8700")).expect_err("too much").0, 503);
    rig.input(Input::Plan(plan("", 2).into()));
    let four: Vec<bool> = calls(&mut rig);
    assert_eq!(four, [true; 4]);
}
