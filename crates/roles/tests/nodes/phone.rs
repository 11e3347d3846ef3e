//! The headless phone as a call manager meets it, and as the lab's carrier.

use std::time::Duration;

use crate::far_end::{Audio, Rig};
use media::Command;
use roles::phone::{Plan, Record, Registration, Say, Secret};
use roles::{Control, Input, Journal, PeerPlan, Reply};
use sdp::{Direction, Protection};
use sip::auth::{Algorithm, Credentials, Verdict, Verifier, ha1};
use sip::endpoint::{Event, Invite};
use sip::{DialogId, Hop, Method, Name, NameAddr, Request, ServerId, Status, Target, Transport, Uri};

const PHONE: &str = "127.18.133.75";
const CUCM: &str = "127.18.133.3:5061";

fn server(transport: Transport) -> PeerPlan {
    let names = if transport == Transport::Tls { vec!["cucm1.lab.example".into()] } else { vec![] };
    PeerPlan::new("server", transport, CUCM.parse().expect("an address"), names)
}

fn rig(transport: Transport, change: impl FnOnce(&mut Plan)) -> Rig {
    let server = server(transport);
    let mut plan = Plan::new("1001", &server);
    change(&mut plan);
    let local = vec![(transport, format!("{PHONE}:5061").parse().expect("an address"))];
    let host = (transport == Transport::Tls).then_some("cucm1.lab.example");
    Rig::new(plan.of_node("lab", "phone1001", local, server), CUCM.parse().expect("an address"), host)
}

fn registers(plan: &mut Plan) {
    plan.domain = "lab.example".into();
    plan.registration =
        Some(Registration { expires: Duration::from_secs(600), user: "1001".into(), secret: Secret::new("geheim") });
}

fn request(rig: &mut Rig) -> (ServerId, Request) {
    rig.met(|event| match event {
        Event::Request { server, request, .. } | Event::InDialog { server, request, .. } => {
            Some((*server, request.clone()))
        }
        _ => None,
    })
}

fn is_quiet(rig: &Rig) -> bool {
    !rig.events.iter().any(|event| matches!(event, Event::Request { .. } | Event::InDialog { .. }))
}

fn challenge(rig: &mut Rig, verifier: &mut Verifier, to: ServerId) {
    let challenges = verifier.challenge("lab.example", rig.now);
    let headers = challenges.iter().map(|challenge| (Name::WwwAuthenticate, challenge.to_string())).collect();
    rig.sip.respond(to, Status(401), headers, None, rig.now);
    rig.settle();
}

fn judge(rig: &Rig, verifier: &mut Verifier, register: &Request) -> Verdict {
    let credentials =
        Credentials::parse(register.header(&Name::Authorization).expect("an answer")).expect("credentials");
    assert_eq!(credentials.uri, "sip:lab.example");
    let known = |algorithm: Algorithm| Some(ha1(algorithm, "1001", "lab.example", "geheim"));
    verifier.check(&credentials, &Method::Register, known, rig.now)
}

fn grant(rig: &mut Rig, register: (ServerId, Request), seconds: u32) {
    let contact = register.1.contact().expect("a contact").expect("a good one");
    assert_eq!(contact.uri.user.as_deref(), Some("1001"));
    let contact = contact.with_param("expires", Some(&seconds.to_string()));
    rig.sip.respond(register.0, Status(200), vec![(Name::Contact, contact.to_string())], None, rig.now);
    rig.settle();
}

fn registered(rig: &Rig) -> Vec<bool> {
    rig.journal
        .iter()
        .filter_map(|entry| match entry {
            Journal::Registered { line, registered } if line == "1001" => Some(*registered),
            _ => None,
        })
        .collect()
}

fn invite(rig: &mut Rig, sdp: Option<bytes::Bytes>) -> DialogId {
    let phone = Uri::sip(Some("1001"), PHONE, Some(5061));
    let invite = Invite {
        hop: Hop::Flow(rig.flow.id),
        request_uri: phone.clone(),
        from: NameAddr::new(Uri::sip(Some("3227046971"), "127.18.133.3", None)),
        to: NameAddr::new(phone),
        contact_user: None,
        headers: vec![],
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

fn refused(rig: &mut Rig) -> Status {
    rig.met(|event| match event {
        Event::Final { response, .. } => response.status(),
        _ => None,
    })
}

fn rings(rig: &Rig) -> bool {
    rig.events
        .iter()
        .any(|event| matches!(event, Event::Provisional { response, .. } if response.status() == Some(Status(180))))
}

fn lock(rig: &mut Rig) -> Result<(), String> {
    match rig.control(Control::Lock) {
        Reply::Lock(lock) if lock.locked => Ok(()),
        Reply::Lock(lock) => Err(lock.why.expect("a reason")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_registers_with_digest_refreshes_in_time_and_comes_back_on_a_new_connection() {
    let mut rig = rig(Transport::Tls, registers);
    let mut verifier = Verifier::new([3; 32], Duration::from_secs(300));
    let (to, first) = request(&mut rig);
    assert_eq!((first.method(), first.header(&Name::Expires)), (Method::Register, Some("600")));
    assert!(first.header(&Name::Authorization).is_none());
    challenge(&mut rig, &mut verifier, to);
    let (to, second) = request(&mut rig);
    assert_eq!(judge(&rig, &mut verifier, &second), Verdict::Good);
    assert_eq!(second.call_id(), first.call_id());
    grant(&mut rig, (to, second), 60);
    assert_eq!(registered(&rig), [true]);

    rig.wait(Duration::from_secs(44));
    assert!(is_quiet(&rig));
    rig.wait(Duration::from_secs(2));
    let (to, refresh) = request(&mut rig);
    assert_eq!(refresh.call_id(), first.call_id());
    assert!(refresh.cseq().expect("a CSeq").0 > first.cseq().expect("a CSeq").0);
    grant(&mut rig, (to, refresh), 3600);

    rig.input(Input::Closed { flow: rig.flow.id, target: None });
    rig.wait(Duration::from_secs(1));
    let again = request(&mut rig);
    grant(&mut rig, again, 3600);
    assert_eq!(registered(&rig), [true], "it never counted as gone");
}

#[test]
fn a_wrong_secret_is_not_tried_over_and_over_and_a_stale_nonce_is_no_wrong_secret() {
    let mut rig = rig(Transport::Tls, registers);
    let mut verifier = Verifier::new([3; 32], Duration::from_secs(300));
    for _ in 0..2 {
        let (to, _) = request(&mut rig);
        challenge(&mut rig, &mut verifier, to);
    }
    assert!(is_quiet(&rig), "one answer to a challenge, and no second one to the same refusal");
    rig.wait(Duration::from_millis(1900));
    assert!(is_quiet(&rig));
    rig.wait(Duration::from_millis(200));
    let (to, _) = request(&mut rig);
    challenge(&mut rig, &mut verifier, to);
    let (to, _) = request(&mut rig);
    let stale: Vec<_> = verifier
        .challenge("lab.example", rig.now)
        .into_iter()
        .map(|mut challenge| {
            challenge.stale = true;
            (Name::WwwAuthenticate, challenge.to_string())
        })
        .collect();
    rig.sip.respond(to, Status(401), stale, None, rig.now);
    rig.settle();
    let (_, third) = request(&mut rig);
    assert_eq!(judge(&rig, &mut verifier, &third), Verdict::Good);
    assert!(registered(&rig).is_empty());
}

#[test]
fn a_late_offer_rings_is_answered_speaks_records_and_shows_a_lock() {
    let mut rig = rig(Transport::Tls, |plan| {
        plan.answer_after = Some(Duration::from_secs(2));
        plan.say = Some(Say { prompt: "agent".into(), repeat: true });
        plan.record = Some(Record { heard: "heard.wav".into(), said: "said.wav".into() });
    });
    let mut audio = Audio::new(Protection::Secure, "127.18.133.226:20000");
    let dialog = invite(&mut rig, None);
    assert!(rings(&rig));
    assert_eq!(lock(&mut rig), Err("the call is not connected yet".into()));
    rig.wait(Duration::from_secs(1));
    assert!(rig.media.is_empty(), "no port is taken while it rings");
    rig.wait(Duration::from_secs(1));
    let offer = accepted(&mut rig).sdp().expect("an offer of the phone");
    let answer = audio.answer(&offer);
    rig.sip.ack(dialog, vec![], Some(Audio::body(answer)), rig.now);
    rig.settle();
    let [Command::Set { .. }, Command::Record { heard, said, .. }, Command::Play { play, .. }] = &rig.media[..] else {
        panic!("{:?}", rig.media)
    };
    assert_eq!(
        (heard.as_str(), said.as_str(), play.prompt.as_str(), play.repeat),
        ("heard.wav", "said.wav", "agent", true)
    );
    assert_eq!(lock(&mut rig), Ok(()));
    let legs = rig.legs();
    assert_eq!(legs[0].media.as_ref().map(|media| media.suite.as_str()), Some("AEAD_AES_256_GCM"));
    // The agent's side is held and comes back with fresh keys.
    let (offer, _) = audio.offer(Direction::SendOnly);
    rig.sip.reinvite(dialog, vec![], Some(Audio::body(offer)), rig.now);
    rig.settle();
    accepted(&mut rig);
    rig.sip.ack(dialog, vec![], None, rig.now);
    rig.settle();
    assert!(rig.legs()[0].events.iter().any(|event| event.what.starts_with("media is recvonly")));
    rig.sip.end(dialog, vec![], rig.now);
    rig.settle();
    assert!(rig.legs().is_empty());
    assert!(matches!(rig.media.last(), Some(Command::Close { .. })));
    assert_eq!(lock(&mut rig), Err("there is no call".into()));
}

#[test]
fn it_answers_by_hand_declines_by_hand_and_is_busy_with_one_call() {
    let mut rig = rig(Transport::Tls, |_| {});
    assert!(matches!(rig.control(Control::Answer), Reply::Sorry(words) if words == "no call rings"));
    let mut audio = Audio::new(Protection::Secure, "127.18.133.226:20000");
    let (offer, offered) = audio.offer(Direction::SendRecv);
    let dialog = invite(&mut rig, Some(offer.clone()));
    rig.wait(Duration::from_secs(30));
    assert!(rings(&rig) && rig.media.is_empty());
    invite(&mut rig, Some(offer.clone()));
    assert_eq!(refused(&mut rig), Status(486));
    assert_eq!(rig.control(Control::Answer), Reply::Done);
    let answer = accepted(&mut rig).sdp().expect("an answer");
    sdp::accept(&offered, &audio.policy, &answer).expect("agreed");
    rig.sip.ack(dialog, vec![], None, rig.now);
    rig.settle();
    assert_eq!(rig.control(Control::HangUp), Reply::Done);
    let (to, bye) = request(&mut rig);
    assert_eq!(bye.method(), Method::Bye);
    rig.sip.respond(to, Status(200), vec![], None, rig.now);
    rig.settle();

    invite(&mut rig, Some(offer));
    assert_eq!(rig.control(Control::HangUp), Reply::Done);
    assert_eq!(refused(&mut rig), Status(603));
    assert!(matches!(rig.control(Control::HangUp), Reply::Sorry(_)));
}

#[test]
fn a_secure_phone_refuses_plain_rtp_before_it_rings() {
    let mut rig = rig(Transport::Tls, |plan| plan.answer_after = Some(Duration::ZERO));
    let (plain, _) = Audio::new(Protection::DangerousPlainRtp, "127.18.133.226:20000").offer(Direction::SendRecv);
    invite(&mut rig, Some(plain));
    assert!(!rings(&rig));
    assert_eq!(refused(&mut rig), Status(488));
    assert!(
        rig.journal
            .iter()
            .any(|entry| matches!(entry, Journal::Refused(record) if record.refusal.cause == "plain_rtp_offered"))
    );
    assert!(rig.legs().is_empty());
}

#[test]
fn a_caller_who_gives_up_stops_the_ringing() {
    let mut rig = rig(Transport::Tls, |plan| plan.answer_after = Some(Duration::from_secs(5)));
    let dialog = invite(&mut rig, None);
    assert!(rings(&rig));
    rig.sip.cancel(dialog, vec![], rig.now);
    rig.settle();
    rig.wait(Duration::from_secs(40));
    assert_eq!(refused(&mut rig), Status(487));
    assert!(rig.legs().is_empty() && rig.media.is_empty());
}

#[test]
fn as_a_carrier_it_calls_in_clear_presses_keys_and_never_shows_a_lock() {
    let mut rig = rig(Transport::Udp, |plan| {
        plan.line = "3227046971".into();
        plan.protection = Protection::DangerousPlainRtp;
        plan.say = Some(Say { prompt: "caller".into(), repeat: false });
    });
    assert!(
        matches!(rig.control(Control::Press { digits: "1".into() }), Reply::Sorry(words) if words == "no call is connected")
    );
    assert!(matches!(rig.control(Control::Dial { number: "6016\r\nTo: x".into() }), Reply::Sorry(_)));
    assert_eq!(rig.control(Control::Dial { number: "6016".into() }), Reply::Done);
    let (to, invite) = request(&mut rig);
    assert_eq!(invite.request_uri().expect("a URI").expect("a good one").user.as_deref(), Some("6016"));
    assert_eq!(invite.from().expect("a caller").uri.user.as_deref(), Some("3227046971"));
    let offer = invite.sdp().expect("an offer");
    assert!(String::from_utf8_lossy(&offer).contains("RTP/AVP"));
    rig.sip.respond(to, Status(180), vec![], None, rig.now);
    rig.settle();
    rig.wait(Duration::from_secs(3));
    let answer = Audio::new(Protection::DangerousPlainRtp, "127.18.133.226:20000").answer(&offer);
    rig.sip.respond(to, Status(200), vec![], Some(Audio::body(answer)), rig.now);
    rig.settle();
    assert!(
        matches!(&rig.media[..], [Command::Set { .. }, Command::Play { play, .. }] if play.prompt == "caller"),
        "{:?}",
        rig.media
    );
    assert!(rig.events.iter().any(|event| matches!(event, Event::Acked { .. })));
    assert_eq!(rig.control(Control::Press { digits: "1".into() }), Reply::Done);
    assert!(matches!(rig.media.last(), Some(Command::Dial { digits, .. }) if digits == "1"));
    assert_eq!(lock(&mut rig), Err("signalling is UDP in clear".into()));
    let legs = rig.legs();
    assert_eq!(legs[0].dangerous, ["dangerous_plain_rtp", "dangerous_plain_sip"]);
    assert_eq!(rig.control(Control::HangUp), Reply::Done);
    assert_eq!(request(&mut rig).1.method(), Method::Bye);
}

#[test]
fn a_call_that_is_refused_or_answered_with_the_wrong_media_leaves_nothing() {
    let mut rig = rig(Transport::Tls, |_| {});
    rig.control(Control::Dial { number: "6016".into() });
    let (to, _) = request(&mut rig);
    rig.sip.respond(to, Status(404), vec![], None, rig.now);
    rig.settle();
    assert!(rig.legs().is_empty());
    rig.control(Control::Dial { number: "6016".into() });
    let (to, _) = request(&mut rig);
    let mut plain = Audio::new(Protection::DangerousPlainRtp, "127.18.133.226:20000");
    let (answer, _) = plain.offer(Direction::SendRecv);
    rig.sip.respond(to, Status(200), vec![], Some(Audio::body(answer)), rig.now);
    rig.settle();
    let (to, bye) = request(&mut rig);
    assert_eq!(bye.method(), Method::Bye);
    rig.sip.respond(to, Status(200), vec![], None, rig.now);
    rig.settle();
    assert!(!rig.media.iter().any(|command| matches!(command, Command::Set { .. })), "nothing was ever sent");
    assert!(rig.legs().is_empty());
}

#[test]
fn a_server_that_cannot_be_reached_is_tried_again_with_longer_pauses() {
    let mut rig = rig(Transport::Tls, registers);
    let target = Target { transport: Transport::Tls, addr: CUCM.parse().expect("an address"), peer: "server".into() };
    for pause in [2u64, 4, 8, 16, 32, 60, 60] {
        request(&mut rig);
        rig.input(Input::Unreachable { target: target.clone(), why: "connection refused".into() });
        rig.wait(Duration::from_secs(pause) - Duration::from_millis(10));
        assert!(is_quiet(&rig), "it waits {pause} s");
        rig.wait(Duration::from_millis(20));
    }
    let register = request(&mut rig);
    grant(&mut rig, register, 3600);
    assert_eq!(registered(&rig), [true]);
}

#[test]
fn it_holds_and_takes_back_and_refreshes_a_session_with_a_peer_that_takes_no_update() {
    let mut rig = rig(Transport::Tls, |plan| plan.answer_after = Some(Duration::ZERO));
    rig.no_update = true;
    let mut audio = Audio::new(Protection::Secure, "127.18.133.226:20000");
    assert!(matches!(rig.control(Control::Hold { on: true }), Reply::Sorry(_)));
    rig.control(Control::Dial { number: "6016".into() });
    let (to, invite) = request(&mut rig);
    let answer = audio.answer(&invite.sdp().expect("an offer"));
    let timer = vec![(Name::Require, "timer".into()), (Name::SessionExpires, "1800;refresher=uac".into())];
    rig.sip.respond(to, Status(200), timer, Some(Audio::body(answer)), rig.now);
    rig.settle();
    let last_set = |rig: &Rig| {
        rig.media.iter().rev().find_map(|command| match command {
            Command::Set { negotiated, .. } => Some(negotiated.direction),
            _ => None,
        })
    };
    for (on, direction) in [(true, Direction::SendOnly), (false, Direction::SendRecv), (true, Direction::SendOnly)] {
        rig.took();
        assert_eq!(rig.control(Control::Hold { on }), Reply::Done);
        let (to, reinvite) = request(&mut rig);
        let answer = audio.answer(&reinvite.sdp().expect("an offer"));
        rig.sip.respond(to, Status(200), vec![], Some(Audio::body(answer)), rig.now);
        rig.settle();
        assert_eq!(last_set(&rig), Some(direction));
    }
    rig.took();
    rig.wait(Duration::from_secs(1000));
    let (to, refresh) = request(&mut rig);
    assert_eq!(refresh.method(), Method::Invite);
    let answer = audio.answer(&refresh.sdp().expect("an offer"));
    rig.sip.respond(to, Status(200), vec![], Some(Audio::body(answer)), rig.now);
    rig.settle();
    assert_eq!(last_set(&rig), Some(Direction::SendOnly), "a refresh changes nothing else");
    assert_eq!(rig.legs()[0].media.as_ref().map(|media| media.rekeyed), Some(4));
}
