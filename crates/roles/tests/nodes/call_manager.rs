//! The call manager as a phone meets it: whose number goes on, what a reload takes away, how often a secret is guessed.

use std::sync::Arc;
use std::time::Duration;

use roles::{Control, Input, Plan, Registration, Reply};
use sdp::{Direction, Protection};
use sip::endpoint::{Event, Invite};
use sip::{Hop, Name, NameAddr, Request, Status};

use crate::far_end::{Audio, Rig};
use crate::manager::{CUCM, lab, refusals, register, uri};

const FAR: &str = "127.18.133.75:40000";
const PHONE: &str = "SEP000000001001.lab.example";

fn manager() -> Rig {
    Rig::new(lab(|text| text), FAR.parse().expect("an address"), Some(PHONE))
}

/// INVITE of the phone for 1002, who is registered over the same connection.
fn invite(rig: &mut Rig, from: &str) {
    let invite = call(rig, from);
    rig.sip.invite(invite, rig.now);
    rig.settle();
}

fn call(rig: &mut Rig, from: &str) -> Invite {
    let mut audio = Audio::new(Protection::Secure, "127.18.133.75:20000");
    let (offer, _) = audio.offer(Direction::SendRecv);
    Invite {
        hop: Hop::Flow(rig.flow.id),
        request_uri: uri(Some("1002")),
        from: NameAddr::new(uri(Some(from))),
        to: NameAddr::new(uri(Some("1002"))),
        contact_user: Some(from.into()),
        headers: vec![(Name::PAssertedIdentity, format!("<sip:{from}@{CUCM}>"))],
        body: Some(Audio::body(offer)),
        max_forwards: 70,
    }
}

fn rings(rig: &mut Rig) -> Request {
    rig.met(|event| match event {
        Event::Request { request, .. } => Some(request.clone()),
        _ => None,
    })
}

fn registrations(rig: &mut Rig) -> Vec<Registration> {
    match rig.control(Control::Registrations) {
        Reply::Registrations(list) => list,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_phone_may_write_what_it_likes_and_its_lines_own_number_goes_on() {
    let mut rig = manager();
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(200)));
    for (says, shown) in [("9999", "1001"), ("1001", "1001")] {
        assert_eq!(register(&mut rig, "1002", "lab-1002-secret").status(), Some(Status(200)));
        invite(&mut rig, says);
        let ringing = rings(&mut rig);
        assert_eq!(ringing.from().expect("a From").uri.user.as_deref(), Some(shown));
        let asserted: Vec<&str> = ringing.headers(&Name::PAssertedIdentity).collect();
        assert_eq!(asserted, [format!("<sip:{shown}@{CUCM}>")], "ours, not what the phone asserted");
    }
    let legs = rig.legs();
    assert_eq!(legs.len(), 4);
    assert!(legs.iter().all(|leg| leg.calling.0 == "1001"), "{legs:?}");
    let noted = |leg: &&call::record::LegRecord| leg.events.iter().any(|event| event.what.contains("another number"));
    assert_eq!(legs.iter().filter(noted).count(), 1);
}

#[test]
fn a_phones_name_goes_on_with_its_lines_number_unless_it_wants_to_be_nobody() {
    let mut rig = manager();
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(200)));
    let anonymous = "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned();
    let name = format!("\"Amber\" <sip:1001@{CUCM}>");
    for (says, privacy, shown, asserted) in [
        ("1001", "none", name, 1),
        ("1001", "id", anonymous, 0),
        // Whoever lies about the number has no name either.
        ("1003", "none", format!("<sip:1001@{CUCM}>"), 1),
    ] {
        assert_eq!(register(&mut rig, "1002", "lab-1002-secret").status(), Some(Status(200)));
        let mut invite = call(&mut rig, says);
        invite.from = invite.from.with_display("Amber");
        invite.headers.push((Name::Privacy, privacy.into()));
        rig.sip.invite(invite, rig.now);
        rig.settle();
        let ringing = rings(&mut rig);
        let from = ringing.from().expect("a From").without_tag();
        assert_eq!((from.to_string(), ringing.headers(&Name::PAssertedIdentity).count()), (shown, asserted));
        assert_eq!(ringing.header(&Name::Privacy), None);
    }
}

#[test]
fn a_reload_ends_the_registrations_that_do_not_fit_any_more() {
    type Change = fn(String) -> String;
    let all: [(&str, Change); 4] = [
        ("a phone of the site", |text| text.replace("SEP000000001001", "SEP000000001003")),
        ("the secret that the site has now", |text| text.replace("lab-1001-secret", "another-secret")),
        ("other.lab.example from the site's own authority", |text| {
            let secret = "digest_secret = \"lab-1001-secret\"";
            text.replace(secret, &format!("{secret}\nsecure_certificate_subject = \"other.lab.example\""))
        }),
        // Nothing that matters to this phone.
        ("", |text| text.replace("lab-1002-secret", "another-secret")),
    ];
    for (expected, change) in all {
        let mut rig = manager();
        register(&mut rig, "1001", "lab-1001-secret");
        assert_eq!(registrations(&mut rig).len(), 1);
        let plan = Plan { generation: 2, ..lab(change) };
        rig.input(Input::Plan(Arc::new(plan)));
        let refused = refusals(&rig);
        if expected.is_empty() {
            assert_eq!((registrations(&mut rig).len(), refused), (1, vec![]));
            continue;
        }
        assert_eq!(registrations(&mut rig), [], "{expected}");
        assert_eq!(refused.len(), 1, "{expected}");
        assert_eq!(
            (refused[0].refusal.expected.as_str(), refused[0].answered.as_str()),
            (expected, "the registration ended")
        );
        // Nor is its connection good for a call.
        invite(&mut rig, "1001");
        let refused = rig.met(|event| match event {
            Event::Final { response, .. } => response.status(),
            _ => None,
        });
        assert_eq!(refused, Status(403), "{expected}");
    }
}

#[test]
fn a_phone_whose_registration_a_reload_took_ends_its_call_and_makes_no_other() {
    let mut rig = manager();
    register(&mut rig, "1001", "lab-1001-secret");
    register(&mut rig, "1002", "lab-1002-secret");
    invite(&mut rig, "1001");
    rings(&mut rig);
    assert_eq!(rig.legs().len(), 2);
    let plan = Plan { generation: 2, ..lab(|text| text.replace("-secret\"", "-other\"")) };
    rig.input(Input::Plan(Arc::new(plan)));
    assert_eq!(registrations(&mut rig), []);
    assert_eq!(rig.legs().iter().filter(|leg| leg.ended_ms.is_none()).count(), 2, "calls that are up go on");
    rig.events.clear();
    invite(&mut rig, "1001");
    let refused = rig.met(|event| match event {
        Event::Final { response, .. } => response.status(),
        _ => None,
    });
    assert_eq!(refused, Status(403));
}

#[test]
fn wrong_digests_are_counted_and_then_not_listened_to_for_a_minute() {
    let mut rig = manager();
    for _ in 0..5 {
        assert_eq!(register(&mut rig, "1001", "guess").status(), Some(Status(403)));
    }
    let slow = register(&mut rig, "1001", "lab-1001-secret");
    assert_eq!(slow.status(), Some(Status(503)), "the right secret, too late");
    let seconds: u64 = slow.header(&Name::RetryAfter).and_then(|text| text.parse().ok()).expect("Retry-After");
    assert!((1..=61).contains(&seconds), "{seconds}");
    assert_eq!(refusals(&rig).len(), 5, "each guess that was listened to, and no more");
    assert!(refusals(&rig).iter().all(|record| record.refusal.cause == "digest"));
    assert!(refusals(&rig)[4].refusal.presented.contains("503"), "the last says what follows");
    assert_eq!(
        register(&mut rig, "1002", "lab-1002-secret").status(),
        Some(Status(200)),
        "another line is none the worse"
    );
    rig.wait(Duration::from_secs(seconds));
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(200)));
}
