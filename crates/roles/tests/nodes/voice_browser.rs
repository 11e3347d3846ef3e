//! The voice browser as the call server meets it.

use std::time::Duration;

use crate::far_end::{Audio, Rig};
use media::Command;
use roles::voice_browser::pages::Pages;
use roles::{Control, Input, Journal, Kind, Plan, Reply};
use sdp::{Direction, Policy, Protection};
use sip::endpoint::{Event, Invite};
use sip::{Body, DialogId, Hop, Method, Name, NameAddr, Request, ServerId, Status, Uri};

const CALLER: &str = "674ecd1639ed7a710000abf910000178";
pub(crate) const FAR: &str = "127.18.133.13:40000";

fn browser() -> Rig {
    let text = include_str!("../../../../examples/lab.toml");
    let site = site::Site::parse(text).expect("the lab is a good site");
    let plan = Plan::compile(&site, "vvb1", 1).expect("it has a voice browser");
    Rig::new(plan, FAR.parse().expect("an address"), Some("cvp1.lab.example"))
}

fn invite(rig: &mut Rig, number: &str, sdp: Option<bytes::Bytes>) -> DialogId {
    let vvb = |user: &str| Uri::sip(Some(user), "127.18.133.143", Some(5061));
    let invite = Invite {
        hop: Hop::Flow(rig.flow.id),
        request_uri: vvb(number),
        from: NameAddr::new(Uri::sip(Some("3227046971"), "127.18.133.13", None)),
        to: NameAddr::new(vvb(number)),
        contact_user: Some("cvp".into()),
        headers: vec![(Name::SessionId, format!("{CALLER};remote=00000000000000000000000000000000"))],
        body: sdp.map(Audio::body),
        max_forwards: 70,
    };
    let (dialog, _) = rig.sip.invite(invite, rig.now);
    rig.settle();
    dialog
}

fn accepted(rig: &mut Rig) -> sip::Response {
    rig.met(|event| match event {
        Event::Accepted { response, .. } => Some(response.clone()),
        _ => None,
    })
}

fn refused(rig: &mut Rig) -> (Status, String) {
    rig.met(|event| match event {
        Event::Final { response, .. } => {
            Some((response.status()?, response.header(&Name::Warning).unwrap_or_default().to_owned()))
        }
        _ => None,
    })
}

pub(crate) fn in_dialog(rig: &mut Rig) -> (ServerId, Request) {
    rig.met(|event| match event {
        Event::InDialog { server, request, .. } => Some((*server, request.clone())),
        _ => None,
    })
}

/// One with these fields, as somebody meets it who proved nothing (`None`) or this.
fn browser_with(fields: &str, far_host: Option<&str>) -> Rig {
    let text = include_str!("../../../../examples/lab.toml");
    let text = text.replacen("[node.role.voice_browser]", &format!("[node.role.voice_browser]\n{fields}"), 1);
    let address = "\naddress = \"127.18.133.143\"\n";
    let text = text.replacen(address, &format!("{address}port = 5060\ndangerous_plain_sip = true\n"), 1);
    let site = site::Site::parse(&text).expect("a good site");
    Rig::new(
        Plan::compile(&site, "vvb1", 1).expect("it has a voice browser"),
        FAR.parse().expect("an address"),
        far_host,
    )
}

/// A voice browser whose 6016 is the application in `examples/vxml`.
fn reader() -> Rig {
    let text = include_str!("../../../../examples/lab.toml");
    let mut site = site::Site::parse(text).expect("the lab is a good site");
    for node in &mut site.nodes {
        if let site::Role::VoiceBrowser(browser) = &mut node.role {
            for application in &mut browser.applications {
                application.document = Some("main.vxml".into());
            }
        }
    }
    let mut plan = Plan::compile(&site, "vvb1", 1).expect("it has a voice browser");
    let files = ["root.vxml", "main.vxml", "account.vxml", "balance.xml", "menu.vxml", "agent.vxml"];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/vxml");
    let read = |name: &str| -> (String, std::sync::Arc<[u8]>) {
        (name.to_owned(), std::fs::read(folder.join(name)).expect("an example").into())
    };
    let pages = Pages { first: "main.vxml".into(), files: files.map(read).into(), ..Pages::default() };
    if let Kind::VoiceBrowser(browser) = &mut plan.kind {
        browser.pages.insert("6016".into(), pages.into());
    }
    Rig::new(plan, FAR.parse().expect("an address"), Some("cvp1.lab.example"))
}

/// A caller who hears the question.
fn asked() -> (Rig, Audio, DialogId) {
    answered(browser())
}

pub(crate) fn answered(mut rig: Rig) -> (Rig, Audio, DialogId) {
    let mut audio = Audio::new(Protection::Secure, "127.18.133.226:20000");
    let (offer, offered) = audio.offer(Direction::SendRecv);
    let dialog = invite(&mut rig, "6016", Some(offer));
    let answer = accepted(&mut rig).sdp().expect("an answer");
    let agreed = sdp::accept(&offered, &audio.policy, &answer).expect("SRTP");
    assert_eq!(agreed.remote.ip().to_string(), "127.18.133.143");
    assert!(plays(&rig.media).is_empty(), "nothing is said before the ACK");
    rig.sip.ack(dialog, vec![], None, rig.now);
    rig.settle();
    (rig, audio, dialog)
}

/// Prompts played, `*` behind those that repeat.
pub(crate) fn plays(commands: &[Command]) -> Vec<String> {
    commands
        .iter()
        .filter_map(|command| match command {
            Command::Play { play, .. } => Some(format!("{}{}", play.prompt, if play.repeat { "*" } else { "" })),
            _ => None,
        })
        .collect()
}

pub(crate) fn lease(rig: &Rig) -> media::LeaseId {
    rig.media
        .iter()
        .find_map(|command| match command {
            Command::Set { lease, .. } => Some(*lease),
            _ => None,
        })
        .expect("media is set")
}

/// The last prompt has been played to its end.
pub(crate) fn played(rig: &mut Rig, lease: media::LeaseId) {
    let id = rig.media.iter().rev().find_map(|command| match command {
        Command::Play { play, .. } => Some(play.id),
        _ => None,
    });
    rig.media.clear();
    rig.input(Input::Media(media::Event::Played { lease, id: id.expect("something plays") }));
}

pub(crate) fn press(rig: &mut Rig, lease: media::LeaseId, digit: char) {
    rig.media.clear();
    rig.input(Input::Media(media::Event::Digit { lease, digit, duration_ms: 100 }));
}

/// The far end accepts the REFER and tells how it goes.
pub(crate) fn refer_accepted(rig: &mut Rig) -> String {
    let (server, refer) = in_dialog(rig);
    assert_eq!(refer.method(), Method::Refer);
    let to = refer.header(&Name::ReferTo).expect("where to").to_owned();
    rig.sip.respond(server, Status(202), vec![], None, rig.now);
    rig.settle();
    to
}

fn notify(rig: &mut Rig, dialog: DialogId, status: u16, state: &str) {
    notify_with(rig, dialog, Body::sipfrag(Status(status)), state);
}

pub(crate) fn notify_with(rig: &mut Rig, dialog: DialogId, fragment: Body, state: &str) {
    let headers = vec![(Name::Event, "refer".into()), (Name::SubscriptionState, state.into())];
    rig.media.clear();
    rig.sip.in_dialog(dialog, Method::Notify, headers, Some(fragment), rig.now);
    rig.settle();
    assert_eq!(refused(rig).0, Status(200), "the NOTIFY is answered");
}

#[test]
fn a_caller_chooses_a_queue_hears_music_and_is_taken_away() {
    let (mut rig, _, dialog) = asked();
    let lease = lease(&rig);
    assert_eq!(plays(&rig.media), ["welcome"]);
    press(&mut rig, lease, '1');
    assert!(matches!(rig.media[..], [Command::Silence { .. }]), "barge-in: {:?}", rig.media);
    let to = refer_accepted(&mut rig);
    assert!(to.contains("sip:sales@127.18.133.13"), "the queue at the call server: {to}");
    notify(&mut rig, dialog, 100, "active;expires=60");
    assert!(plays(&rig.media).is_empty());
    notify(&mut rig, dialog, 182, "active;expires=60");
    assert_eq!(plays(&rig.media), ["moh*"]);
    notify(&mut rig, dialog, 200, "terminated;reason=noresource");

    let legs = rig.legs();
    assert_eq!(legs.len(), 1);
    assert_eq!(legs[0].session_id.remote.0, CALLER);
    assert_eq!(legs[0].signalling.admitted_by, "certificate");
    assert!(legs[0].unlocked_because().is_none(), "{:?}", legs[0].unlocked_because());
    rig.sip.end(dialog, vec![], rig.now);
    rig.settle();
    let [statement] = &rig.stated[..] else { panic!("one statement: {:?}", rig.stated) };
    assert_eq!(
        (statement.caller.0.as_str(), statement.node.as_str(), statement.role.as_str()),
        (CALLER, "vvb1", "voice_browser")
    );
    let media = statement.legs[0].media.as_ref().expect("media facts");
    assert_eq!((media.suite.as_str(), media.tx_protected, media.clear()), ("AEAD_AES_256_GCM", 100, 0));
    assert!(matches!(rig.control(Control::Status), Reply::Status(status) if status.calls == 0 && status.dialogs == 0));
    assert!(rig.journal.iter().any(|entry| matches!(entry, Journal::Leg(_))));
}

#[test]
fn tls_and_srtp_of_a_browser_are_switches_of_their_own() {
    const CLEAR: &str = "srtp = false\ndangerous_plain_rtp = true\n";
    let plain_callers = format!("{CLEAR}dangerous_plain_callers = [\"127.18.133.13\"]\n");
    let cases = [
        // (fields, TLS, SRTP is offered, how the leg is excused)
        (CLEAR, true, false, Ok(vec!["dangerous_plain_rtp"])),
        (CLEAR, true, true, Err(488)),
        (&plain_callers, false, false, Ok(vec!["dangerous_plain_sip", "dangerous_plain_rtp"])),
        (&plain_callers, true, false, Ok(vec!["dangerous_plain_rtp"])),
        (CLEAR, false, false, Err(403)),
        ("", true, false, Err(488)),
        ("", false, false, Err(403)),
    ];
    for (fields, tls, srtp, expected) in cases {
        let mut rig = browser_with(fields, tls.then_some("cvp1.lab.example"));
        let protection = if srtp { Protection::Secure } else { Protection::DangerousPlainRtp };
        let (offer, offered) = Audio::new(protection, "127.18.133.226:20000").offer(Direction::SendRecv);
        let dialog = invite(&mut rig, "6016", Some(offer));
        match expected {
            Err(status) => assert_eq!(refused(&mut rig).0, Status(status), "{fields} {tls} {srtp}"),
            Ok(words) => {
                let answer = accepted(&mut rig).sdp().expect("an answer");
                sdp::accept(&offered, &Policy::new(protection), &answer).expect("in clear, as offered");
                rig.sip.ack(dialog, vec![], None, rig.now);
                rig.settle();
                let [leg] = &rig.legs()[..] else { panic!("one leg") };
                assert_eq!(leg.dangerous, words, "{fields}");
                assert_eq!(leg.signalling.tls.is_some(), tls);
                assert!(leg.unlocked_because().is_some(), "nobody is shown a lock");
            }
        }
    }
}

#[test]
fn a_browser_takes_the_suites_that_it_is_given_and_no_others() {
    let mut rig = browser_with(
        "srtp_crypto = [\"AES_256_CM_HMAC_SHA1_80\", \"AES_CM_128_HMAC_SHA1_80\"]",
        Some("cvp1.lab.example"),
    );
    let suites = |suites: &[sdp::Suite]| {
        let mut audio = Audio::new(Protection::Secure, "127.18.133.226:20000");
        audio.policy.suites = suites.to_vec();
        audio
    };
    let (offer, _) = suites(&[sdp::Suite::AeadAes256Gcm]).offer(Direction::SendRecv);
    invite(&mut rig, "6016", Some(offer));
    assert_eq!(refused(&mut rig).0, Status(488));

    let mut audio = suites(&sdp::Suite::ALL);
    let (offer, offered) = audio.offer(Direction::SendRecv);
    let dialog = invite(&mut rig, "6016", Some(offer));
    let answer = accepted(&mut rig).sdp().expect("an answer");
    let agreed = sdp::accept(&offered, &audio.policy, &answer).expect("SRTP");
    assert!(matches!(agreed.keying, sdp::Keying::Sdes { suite: sdp::Suite::Aes256CmHmacSha1_80, .. }), "{agreed:?}");
    rig.sip.ack(dialog, vec![], None, rig.now);
    rig.settle();
}

#[test]
fn silence_and_wrong_keys_end_in_goodbye_and_bye() {
    let (mut rig, _, _) = asked();
    let lease = lease(&rig);
    played(&mut rig, lease);
    rig.wait(Duration::from_millis(4900));
    assert!(plays(&rig.media).is_empty());
    rig.wait(Duration::from_millis(200));
    assert_eq!(plays(&rig.media), ["invalid"]);
    played(&mut rig, lease);
    assert_eq!(plays(&rig.media), ["welcome"]);
    press(&mut rig, lease, '9');
    assert_eq!(plays(&rig.media), ["invalid"]);
    press(&mut rig, lease, '#');
    assert_eq!(plays(&rig.media), ["goodbye"]);
    played(&mut rig, lease);
    let (server, bye) = in_dialog(&mut rig);
    assert_eq!(bye.method(), Method::Bye);
    assert!(bye.header(&Name::Reason).is_some_and(|reason| reason.contains("no choice was made")));
    rig.sip.respond(server, Status(200), vec![], None, rig.now);
    rig.settle();
    assert!(matches!(rig.control(Control::Status), Reply::Status(status) if status.calls == 0));
}

#[test]
fn a_transfer_that_fails_in_any_way_is_followed_by_the_question() {
    let (mut rig, _, dialog) = asked();
    let lease = lease(&rig);
    press(&mut rig, lease, '1');
    refer_accepted(&mut rig);
    notify(&mut rig, dialog, 182, "active;expires=60");
    notify(&mut rig, dialog, 503, "terminated;reason=noresource");
    assert_eq!(plays(&rig.media), ["invalid"]);
    played(&mut rig, lease);
    assert_eq!(plays(&rig.media), ["welcome"]);
    // The REFER itself is refused.
    press(&mut rig, lease, '1');
    let (server, _) = in_dialog(&mut rig);
    rig.media.clear();
    rig.sip.respond(server, Status(403), vec![], None, rig.now);
    rig.settle();
    assert_eq!(plays(&rig.media), ["invalid"]);
    // The subscription ends without a word on how.
    press(&mut rig, lease, '1');
    refer_accepted(&mut rig);
    notify(&mut rig, dialog, 100, "terminated;reason=giveup");
    assert_eq!(plays(&rig.media), ["invalid"]);
}

#[test]
fn a_late_offer_is_answered_with_an_offer_and_the_question_waits_for_the_answer() {
    let mut rig = browser();
    let mut audio = Audio::new(Protection::Secure, "127.18.133.226:20000");
    let dialog = invite(&mut rig, "6016", None);
    let offer = accepted(&mut rig).sdp().expect("an offer");
    assert!(!rig.media.iter().any(|command| matches!(command, Command::Set { .. })));
    let answer = audio.answer(&offer);
    rig.sip.ack(dialog, vec![], Some(Audio::body(answer)), rig.now);
    rig.settle();
    lease(&rig);
    assert_eq!(plays(&rig.media), ["welcome"]);
    // An ACK without the answer ends the call.
    let dialog = invite(&mut rig, "6016", None);
    accepted(&mut rig);
    rig.sip.ack(dialog, vec![], None, rig.now);
    rig.settle();
    assert_eq!(in_dialog(&mut rig).1.method(), Method::Bye);
}

#[test]
fn a_reinvite_rekeys_holds_and_moves_the_stream() {
    let (mut rig, mut audio, dialog) = asked();
    let first = lease(&rig);
    rig.took();
    audio.local.addr = "127.18.133.226:20002".parse().expect("an address");
    let (offer, offered) = audio.offer(Direction::SendOnly);
    rig.sip.reinvite(dialog, vec![], Some(Audio::body(offer)), rig.now);
    rig.settle();
    let answer = accepted(&mut rig).sdp().expect("an answer");
    sdp::accept(&offered, &audio.policy, &answer).expect("agreed");
    rig.sip.ack(dialog, vec![], None, rig.now);
    rig.settle();
    let [Command::Set { lease, negotiated, .. }] = &rig.media[..] else { panic!("{:?}", rig.media) };
    assert_eq!((*lease, negotiated.remote.port(), negotiated.direction), (first, 20002, Direction::RecvOnly));
    let legs = rig.legs();
    assert!(
        legs[0].events.iter().any(|event| event.what == "media is recvonly (was sendrecv)"),
        "{:?}",
        legs[0].events
    );
    assert!(legs[0].events.iter().any(|event| event.what == "media re-keyed"));
    // Plain RTP now is refused, and what was agreed stays.
    rig.took();
    let (plain, _) = Audio::new(Protection::DangerousPlainRtp, "127.18.133.226:20004").offer(Direction::SendRecv);
    rig.sip.reinvite(dialog, vec![], Some(Audio::body(plain)), rig.now);
    rig.settle();
    assert_eq!(refused(&mut rig).0, Status(488));
    assert!(rig.took().is_empty() && rig.legs().len() == 1);
}

#[test]
fn what_it_may_not_answer_is_refused_in_words_and_leaves_nothing() {
    let mut rig = browser();
    let (plain, _) = Audio::new(Protection::DangerousPlainRtp, "127.18.133.226:20000").offer(Direction::SendRecv);
    invite(&mut rig, "6016", Some(plain));
    let (status, warning) = refused(&mut rig);
    assert_eq!(status, Status(488));
    assert!(warning.contains("RTP/AVP") && warning.contains("RTP/SAVP"), "{warning}");
    assert!(
        rig.journal
            .iter()
            .any(|entry| matches!(entry, Journal::Refused(record) if record.refusal.cause == "plain_rtp_offered"))
    );
    let (offer, _) = Audio::new(Protection::Secure, "127.18.133.226:20000").offer(Direction::SendRecv);
    invite(&mut rig, "7777", Some(offer));
    assert_eq!(refused(&mut rig).0, Status(404));
    rig.wait(Duration::from_secs(40));
    assert!(matches!(rig.control(Control::Status), Reply::Status(status) if status.calls == 0 && status.dialogs == 0));
}

#[test]
fn a_stranger_with_a_good_certificate_may_not_call() {
    let text = include_str!("../../../../examples/lab.toml");
    let site = site::Site::parse(text).expect("the lab is a good site");
    let plan = Plan::compile(&site, "vvb1", 1).expect("it has a voice browser");
    let mut rig = Rig::new(plan, FAR.parse().expect("an address"), Some("cube1.lab.example"));
    invite(&mut rig, "6016", None);
    let (status, warning) = refused(&mut rig);
    assert_eq!(status, Status(403));
    assert!(warning.contains("cvp1.lab.example") && warning.contains("cube1.lab.example"), "{warning}");
}

#[test]
fn a_flood_of_strangers_costs_nothing_that_lasts() {
    let text = include_str!("../../../../examples/lab.toml");
    let site = site::Site::parse(text).expect("the lab is a good site");
    let plan = Plan::compile(&site, "vvb1", 1).expect("it has a voice browser");
    let mut rig = Rig::new(plan, FAR.parse().expect("an address"), Some("cube1.lab.example"));
    for n in 0..200 {
        let invite = format!(
            "INVITE sip:6016@127.18.133.143 SIP/2.0\r\nVia: SIP/2.0/TLS {FAR};branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:x@a>;tag={n}\r\nTo: <sip:6016@b>\r\nCall-ID: {n}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:x@{FAR}>\r\nContent-Length: 0\r\n\r\n"
        );
        let message = sip::Message::parse(invite.into_bytes().into()).expect("SIP");
        let (flow, peer) = (rig.flow, rig.peer.clone());
        rig.input(Input::Message { flow, peer, message });
    }
    let Reply::Status(status) = rig.control(Control::Status) else { panic!("no status") };
    assert_eq!((status.calls, status.dialogs, status.transactions), (0, 0, 0));
    let noted = rig.journal.iter().filter(|line| matches!(line, Journal::Refused(_))).count();
    assert!((1..=20).contains(&noted), "{noted} refusals of one second were written down");
}

#[test]
fn a_voicexml_application_talks_reads_keys_and_transfers() {
    let (mut rig, _, dialog) = answered(reader());
    let lease = lease(&rig);
    assert_eq!(plays(&rig.media), ["welcome"]);
    press(&mut rig, lease, '1');
    assert_eq!(plays(&rig.media), ["menu"], "the language is chosen, the account asked for");
    for digit in "123456".chars() {
        press(&mut rig, lease, digit);
    }
    assert_eq!(plays(&rig.media), ["invalid"], "its check digit is wrong");
    played(&mut rig, lease);
    for digit in "123455".chars() {
        press(&mut rig, lease, digit);
    }
    // The balance, then the menu, which 0 leaves for a person.
    press(&mut rig, lease, '0');
    let to = refer_accepted(&mut rig);
    assert!(to.contains("sip:sales@127.18.133.13"), "{to}");
    notify(&mut rig, dialog, 182, "active;expires=60");
    assert_eq!(plays(&rig.media), ["moh*"]);
    notify(&mut rig, dialog, 200, "terminated;reason=noresource");
    rig.sip.end(dialog, vec![], rig.now);
    rig.settle();
    assert!(matches!(rig.control(Control::Status), Reply::Status(status) if status.calls == 0 && status.dialogs == 0));
}

#[test]
fn a_voicexml_callers_silence_ends_in_goodbye_and_bye() {
    let (mut rig, _, _) = answered(reader());
    let lease = lease(&rig);
    for _ in 0..2 {
        played(&mut rig, lease);
        rig.wait(Duration::from_millis(4900));
        assert!(plays(&rig.media).is_empty());
        rig.wait(Duration::from_millis(200));
        assert_eq!(plays(&rig.media), ["invalid"]);
        played(&mut rig, lease);
        assert_eq!(plays(&rig.media), ["welcome"], "and the question again");
    }
    played(&mut rig, lease);
    rig.wait(Duration::from_millis(5100));
    assert_eq!(plays(&rig.media), ["goodbye"]);
    played(&mut rig, lease);
    let (server, bye) = in_dialog(&mut rig);
    assert_eq!(bye.method(), Method::Bye);
    rig.sip.respond(server, Status(200), vec![], None, rig.now);
    rig.settle();
    assert!(matches!(rig.control(Control::Status), Reply::Status(status) if status.calls == 0));
}

#[test]
fn a_transfer_of_an_application_that_fails_is_the_applications_to_answer() {
    let (mut rig, _, dialog) = answered(reader());
    let lease = lease(&rig);
    press(&mut rig, lease, '0');
    refer_accepted(&mut rig);
    notify(&mut rig, dialog, 486, "terminated;reason=noresource");
    let (server, bye) = in_dialog(&mut rig);
    assert_eq!(bye.method(), Method::Bye, "its words have no recordings, then it disconnects");
    rig.sip.respond(server, Status(200), vec![], None, rig.now);
    rig.settle();
}
