//! Security profiles, field by field: what each turns away, with which answer, in which words; and what it lets through.

use std::sync::Arc;
use std::time::Duration;

use roles::{Input, Plan};
use sdp::{Direction, Protection};
use sip::auth::{Algorithm, Challenge, answer};
use sip::endpoint::{Event, Invite, Outside};
use sip::{Headers, Hop, Method, Name, NameAddr, Request, Response, Status, Uri};
use trust::{Authority, Peer, Refusal};

use crate::far_end::{Audio, Rig, verified_as};
use crate::manager::{self, lab, last, register, uri};

const CUBE: &str = "127.18.133.226:40000";
const DESK: &str = "127.18.133.75:40000";
const OFF: &str = "incoming_port = 5061\n";

/// The lab with more in the profile of the sbc's trunk.
fn with_profile(fields: &str) -> Plan {
    lab(|text| text.replacen(OFF, &format!("{OFF}{fields}\n"), 1))
}

const USER: &str =
    "\n[[node.role.call_manager.application_user]]\nname = \"voicemail\"\ndigest_secret = \"long-enough\"\n";

/// A request of the voicemail for 1001, outside of dialogs: the last answer.
fn ask(rig: &mut Rig, method: Method, headers: Headers) -> Response {
    let from = NameAddr::new(Uri::sip(Some("voicemail"), "127.18.133.226", None));
    manager::ask(rig, method, uri(Some("1001")), [from, NameAddr::new(uri(Some("1001")))], headers)
}

fn invite(rig: &mut Rig, called: &str, headers: Headers) {
    let (offer, _) = Audio::new(Protection::Secure, "127.18.133.226:20000").offer(Direction::SendRecv);
    let invite = Invite {
        hop: Hop::Flow(rig.flow.id),
        request_uri: uri(Some(called)),
        from: NameAddr::new(Uri::sip(Some("6016"), "127.18.133.226", None)),
        to: NameAddr::new(uri(Some(called))),
        contact_user: Some("6016".into()),
        headers,
        body: Some(Audio::body(offer)),
        max_forwards: 70,
    };
    rig.sip.invite(invite, rig.now);
    rig.settle();
}

fn refusals(rig: &Rig) -> Vec<Refusal> {
    manager::refusals(rig).into_iter().map(|record| record.refusal).collect()
}

fn cube(plan: Plan) -> Rig {
    Rig::new(plan, CUBE.parse().expect("an address"), Some("cube1.lab.example"))
}

/// What a trunk asks for, by the field that accepts it.
fn wished(rig: &mut Rig, field: &str, more: &Headers) -> Response {
    let with = |mut headers: Headers| {
        headers.extend(more.clone());
        headers
    };
    let header = |name: Name, value: &str| vec![(name, value.to_owned())];
    match field {
        "accept_out_of_dialog_refer" => ask(rig, Method::Refer, with(header(Name::ReferTo, "<sip:1002@127.18.133.3>"))),
        "accept_unsolicited_notification" => {
            let mut headers = header(Name::Event, "message-summary");
            headers.extend(header(Name::SubscriptionState, "terminated"));
            ask(rig, Method::Notify, with(headers))
        }
        "accept_presence_subscription" => ask(rig, Method::Subscribe, with(header(Name::Event, "presence"))),
        "accept_replaces_header" => {
            invite(rig, "1001", with(header(Name::Replaces, "elsewhere;to-tag=a;from-tag=b")));
            last(rig)
        }
        other => panic!("{other}"),
    }
}

/// Field, and the answer where it is on: what this release does with what it accepts.
const WISHES: [(&str, u16); 4] = [
    ("accept_out_of_dialog_refer", 501),
    // Accepted: the line's phone is not registered.
    ("accept_unsolicited_notification", 480),
    ("accept_presence_subscription", 489),
    ("accept_replaces_header", 481),
];

#[test]
fn a_profile_accepts_nothing_beyond_calls_unless_it_says_so() {
    for (field, accepted) in WISHES {
        let mut rig = cube(lab(|text| text));
        assert_eq!(wished(&mut rig, field, &Headers::new()).status(), Some(Status(403)), "{field}");
        let refused = refusals(&rig);
        assert_eq!(refused.len(), 1, "{field}");
        assert_eq!(refused[0].cause, field);
        assert!(refused[0].rule.contains("SecureSIPTLSforCube"), "{refused:?}");
        assert_eq!(rig.legs().len(), 0, "nothing was opened for it");
        // The same peer, after a reload: live.
        let plan = Plan { generation: 2, ..with_profile(&format!("{field} = true")) };
        rig.input(Input::Plan(Arc::new(plan)));
        assert_eq!(wished(&mut rig, field, &Headers::new()).status(), Some(Status(accepted)), "{field}");
    }
}

#[test]
fn who_may_not_take_a_call_over_may_not_join_one_nor_learn_which_there_are() {
    let mut rig = cube(lab(|text| text));
    invite(&mut rig, "1001", vec![(Name::Join, "elsewhere;to-tag=a;from-tag=b".to_owned())]);
    assert_eq!(last(&mut rig).status(), Some(Status(403)));
    let refused = refusals(&rig);
    assert_eq!((refused.len(), refused[0].cause.as_str()), (1, "accept_replaces_header"));
    let mut rig = cube(with_profile("accept_replaces_header = true"));
    invite(&mut rig, "1001", vec![(Name::Join, "elsewhere;to-tag=a;from-tag=b".to_owned())]);
    assert_eq!(last(&mut rig).status(), Some(Status(481)), "there is no such call");
}

#[test]
fn an_unsolicited_notification_reaches_the_phone_of_the_line() {
    let mut rig = cube(with_profile("accept_unsolicited_notification = true"));
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(200)));
    let mut headers = vec![(Name::Event, "message-summary".to_owned())];
    headers.push((Name::SubscriptionState, "terminated".into()));
    let request = Outside {
        hop: Hop::Flow(rig.flow.id),
        method: Method::Notify,
        request_uri: uri(Some("1001")),
        from: NameAddr::new(uri(Some("voicemail"))),
        to: NameAddr::new(uri(Some("1001"))),
        contact_user: None,
        headers,
        body: Some(sip::Body {
            content_type: "application/simple-message-summary".into(),
            bytes: "Messages-Waiting: yes\r\n".into(),
        }),
        call_id: None,
    };
    rig.sip.request(request, rig.now);
    rig.settle();
    let (server, notify): (_, Request) = rig.met(|event| match event {
        Event::Request { server, request, .. } => Some((*server, request.clone())),
        _ => None,
    });
    assert_eq!(notify.header(&Name::Event), Some("message-summary"));
    assert_eq!(notify.body().expect("a body").bytes, "Messages-Waiting: yes\r\n");
    rig.sip.respond(server, Status(200), Headers::new(), None, rig.now);
    rig.settle();
    assert_eq!(last(&mut rig).status(), Some(Status(200)), "as the phone answered");
}

/// The digest of the application user for what was challenged.
fn credentials(challenged: &Response, secret: &str, method: &Method) -> Headers {
    let field = challenged.header(&Name::WwwAuthenticate).expect("a challenge");
    let challenge = Challenge::parse(field).expect("a challenge");
    let uri = uri(Some("1001")).to_string();
    let given = answer(&challenge, "voicemail", secret, method, &uri, b"", "c0ffee", 1);
    vec![(Name::Authorization, given.to_string())]
}

#[test]
fn a_profile_with_digest_challenges_for_an_application_user() {
    let fields = "enable_digest_authentication = true\naccept_unsolicited_notification = true";
    let field = "accept_unsolicited_notification";
    let plan = lab(|text| text.replacen(OFF, &format!("{OFF}{fields}\n"), 1) + USER);
    let mut rig = cube(plan);
    let challenged = wished(&mut rig, field, &Headers::new());
    assert_eq!(challenged.status(), Some(Status(401)));
    let first = Challenge::parse(challenged.header(&Name::WwwAuthenticate).expect("one")).expect("a challenge");
    assert_eq!((first.algorithm, first.realm.as_str()), (Algorithm::Sha256, "lab.example"));
    let good = credentials(&challenged, "long-enough", &Method::Notify);
    assert_eq!(wished(&mut rig, field, &good).status(), Some(Status(480)), "let in: the phone is not registered");
    let wrong = credentials(&challenged, "guess", &Method::Notify);
    assert_eq!(wished(&mut rig, field, &wrong).status(), Some(Status(403)));
    assert_eq!(refusals(&rig)[0].cause, "digest");
    // A call is challenged before a leg is opened for it.
    invite(&mut rig, "1001", Headers::new());
    assert_eq!(last(&mut rig).status(), Some(Status(401)));
    assert_eq!(rig.legs().len(), 0);
    // OPTIONS begins nothing.
    assert_eq!(ask(&mut rig, Method::Options, Headers::new()).status(), Some(Status(200)));
}

#[test]
fn a_nonce_lasts_as_many_minutes_as_the_profile_says() {
    let field = "accept_unsolicited_notification";
    for (minutes, after, status) in [(600, 599, 480), (600, 601, 401), (2, 1, 480), (2, 3, 401)] {
        let fields =
            format!("enable_digest_authentication = true\n{field} = true\nnonce_validity_time_mins = {minutes}");
        // 600 is what it is where nothing is said.
        let fields = fields.replace("\nnonce_validity_time_mins = 600", "");
        let mut rig = cube(lab(|text| text.replacen(OFF, &format!("{OFF}{fields}\n"), 1) + USER));
        let challenged = wished(&mut rig, field, &Headers::new());
        rig.wait(Duration::from_secs(after * 60));
        let good = credentials(&challenged, "long-enough", &Method::Notify);
        let answered = wished(&mut rig, field, &good);
        assert_eq!(answered.status(), Some(Status(status)), "{minutes} minutes, after {after}");
        if status == 401 {
            assert!(answered.header(&Name::WwwAuthenticate).expect("one").contains("stale=TRUE"));
        }
    }
}

#[test]
fn application_level_authorization_asks_the_user_too() {
    for (field, accepted) in WISHES {
        for (own, expected) in [("", 403), ("= true", accepted)] {
            let fields = format!(
                "enable_digest_authentication = true\nenable_application_level_authorization = true\n{field} = true"
            );
            let user = if own.is_empty() { USER.to_owned() } else { format!("{USER}{field} {own}\n") };
            let mut rig = cube(lab(|text| text.replacen(OFF, &format!("{OFF}{fields}\n"), 1) + &user));
            let challenged = wished(&mut rig, field, &Headers::new());
            let method = match field {
                "accept_out_of_dialog_refer" => Method::Refer,
                "accept_unsolicited_notification" => Method::Notify,
                "accept_presence_subscription" => Method::Subscribe,
                _ => Method::Invite,
            };
            let good = credentials(&challenged, "long-enough", &method);
            assert_eq!(wished(&mut rig, field, &good).status(), Some(Status(expected)), "{field} {own}");
            if own.is_empty() {
                let refused = refusals(&rig);
                assert_eq!(refused[0].cause, "enable_application_level_authorization");
                assert!(refused[0].presented.contains("`voicemail`"), "{refused:?}");
            }
        }
    }
}

#[test]
fn a_call_comes_to_the_profiles_port_and_over_its_transport() {
    let mut rig = cube(lab(|text| text));
    // As if over another listener of the node.
    let plan =
        Plan { local: vec![(sip::Transport::Tls, "127.18.133.3:5091".parse().expect("one"))], ..lab(|text| text) };
    rig.input(Input::Plan(Arc::new(Plan { generation: 2, ..plan })));
    rig.flow.local.set_port(5091);
    invite(&mut rig, "1001", Headers::new());
    assert_eq!(last(&mut rig).status(), Some(Status(403)));
    let refused = refusals(&rig).remove(0);
    assert_eq!((refused.cause.as_str(), refused.expected.as_str()), ("incoming_port", "5061"));

    // Plain SIP, in loud words: what is dialled by UDP may come by TCP alone.
    for (incoming, status) in [("tcp", 403), ("udp", 480), ("tcp+udp", 480)] {
        let plan = lab(|text| {
            let text =
                text.replacen("device_security_mode = \"encrypted\"", "device_security_mode = \"non_secure\"", 1);
            let text = text.replacen(OFF, "", 1).replacen(
                "srtp_allowed = true",
                "srtp_allowed = false\ndangerous_plain_rtp = true",
                1,
            );
            let subject = "secure_certificate_subject = [\"cube1.lab.example\"]\n";
            let ways = format!("incoming_transport_type = \"{incoming}\"\noutgoing_transport_type = \"udp\"\n");
            let at = text.rfind(subject).expect("the profile names its peer");
            let text = format!("{}{ways}{}", &text[..at], &text[at + subject.len()..]);
            text.replace(
                "address = \"127.18.133.3\"\n",
                "address = \"127.18.133.3\"\nport = 5060\ndangerous_plain_sip = true\n",
            )
        });
        let mut rig = Rig::new(plan, "127.18.133.226:5060".parse().expect("one"), None);
        invite(&mut rig, "1001", Headers::new());
        assert_eq!(last(&mut rig).status(), Some(Status(status)), "{incoming}: {:?}", refusals(&rig));
        if status == 403 {
            assert_eq!(refusals(&rig)[0].cause, "incoming_transport_type");
        }
    }
}

#[test]
fn security_status_is_transmitted_where_the_profile_says_so() {
    for on in [false, true] {
        let mut rig = cube(with_profile(&format!("transmit_security_status = {on}")));
        assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(200)));
        invite(&mut rig, "1001", Headers::new());
        let (server, ringing): (_, Request) = rig.met(|event| match event {
            Event::Request { server, request, .. } => Some((*server, request.clone())),
            _ => None,
        });
        let answer = Audio::new(Protection::Secure, "127.18.133.75:20000").answer(&ringing.sdp().expect("an offer"));
        rig.sip.respond(server, Status(180), Headers::new(), None, rig.now);
        rig.sip.respond(server, Status(200), Headers::new(), Some(Audio::body(answer)), rig.now);
        rig.settle();
        let said = |response: &Response| response.header(&Name::CallInfo).map(str::to_owned);
        let expected = on.then(|| "<urn:x-cisco-remotecc:callinfo>;security=Encrypted".to_owned());
        let rang = rig.met(|event| match event {
            Event::Provisional { response, .. } if response.status() == Some(Status(180)) => Some(said(response)),
            _ => None,
        });
        let accepted = rig.met(|event| match event {
            Event::Accepted { response, .. } => Some(said(response)),
            _ => None,
        });
        assert_eq!((rang, accepted), (expected.clone(), expected), "{on}");
    }
}

/// The lab with phone 1001 under this profile.
fn phone_with(fields: &str) -> Plan {
    let secret = "digest_secret = \"lab-1001-secret\"\n";
    let profile = format!("\n[[node.role.call_manager.phone_security_profile]]\nname = \"secure\"\n{fields}\n");
    let services = "\n[node.role.call_manager.phone_services]\n";
    lab(|text| text.replace(secret, &format!("{secret}device_security_profile = \"secure\"\n")) + &profile + services)
}

#[test]
fn a_certificate_of_capf_is_one_phones_and_may_stand_for_digest() {
    let lsc = |rig: &mut Rig, host: &str, authority: Authority| {
        rig.peer = Arc::new(verified_as("cucm1.lab.example", host, authority));
    };
    let desk = |fields: &str| Rig::new(phone_with(fields), DESK.parse().expect("an address"), Some("desk.lab.example"));
    let mut rig = desk("enable_digest_authentication = false");
    lsc(&mut rig, "SEP000000001001", Authority::Phones);
    assert_eq!(register(&mut rig, "1001", "").status(), Some(Status(200)), "its certificate is its proof");
    let table = [
        ("SEP000000001002", Authority::Phones, "wrong_subject"),
        ("SEP000000001001", Authority::Own, "wrong_authority"),
        ("cube1.lab.example", Authority::Own, "wrong_subject"),
    ];
    for (host, authority, cause) in table {
        let mut rig = desk("enable_digest_authentication = false");
        lsc(&mut rig, host, authority);
        assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(403)), "{host}");
        let refused = refusals(&rig).remove(0);
        assert_eq!(
            (refused.cause.as_str(), refused.expected.as_str()),
            (cause, "SEP000000001001 from the call manager's CAPF")
        );
        assert!(refused.presented.contains(host), "{refused:?}");
    }
    let mut rig = desk("enable_digest_authentication = false");
    rig.peer = Arc::new(Peer::Anonymous(trust::TlsFacts::default()));
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(403)));
    assert_eq!(refusals(&rig)[0].cause, "no_client_certificate");
    // With digest too, another phone's certificate is no good.
    let mut rig = desk("");
    lsc(&mut rig, "SEP000000001002", Authority::Phones);
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(403)));
    lsc(&mut rig, "SEP000000001001", Authority::Phones);
    rig.input(Input::Closed { flow: rig.flow.id, target: None });
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(200)));
}

#[test]
fn a_registration_that_does_not_match_its_profile_is_refused_and_listed() {
    // Over TLS, though the profile is for plain SIP.
    let plain = |fields: &str| {
        let secret = "digest_secret = \"lab-1001-secret\"\n";
        let profile = format!(
            "\n[[node.role.call_manager.phone_security_profile]]\nname = \"plain\"\ndevice_security_mode = \"non_secure\"\n{fields}\n"
        );
        lab(|text| {
            let text = text.replace(secret, &format!("{secret}device_security_profile = \"plain\"\n")) + &profile;
            text.replace(
                "address = \"127.18.133.3\"\n",
                "address = \"127.18.133.3\"\nport = 5060\ndangerous_plain_sip = true\n",
            )
        })
    };
    let mut rig = Rig::new(plain(""), DESK.parse().expect("one"), Some("desk.lab.example"));
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(403)));
    assert_eq!((refusals(&rig)[0].cause.as_str(), refusals(&rig)[0].expected.as_str()), ("transport_type", "tcp+udp"));
    // Over UDP from the port of the profile, and from another.
    for (port, status) in [(5070, 200), (5071, 403)] {
        let far = format!("127.18.133.75:{port}").parse().expect("an address");
        let mut rig = Rig::new(plain("sip_phone_port = 5070"), far, None);
        assert_eq!(
            register(&mut rig, "1001", "lab-1001-secret").status(),
            Some(Status(status)),
            "{:?}",
            refusals(&rig)
        );
        if status == 403 {
            assert_eq!(refusals(&rig)[0].cause, "sip_phone_port");
        }
    }
    // A secure profile over UDP: whoever knows a phone's name and secret is not yet a secure phone (contract 211).
    let secure = lab(|text| {
        text.replace(
            "address = \"127.18.133.3\"\n",
            "address = \"127.18.133.3\"\nport = 5060\ndangerous_plain_sip = true\n",
        )
    });
    let mut rig = Rig::new(secure, "127.18.133.75:5060".parse().expect("one"), None);
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(403)));
    assert_eq!((refusals(&rig)[0].cause.as_str(), refusals(&rig)[0].expected.as_str()), ("plain_sip", "TLS"));
}

#[test]
fn a_profile_that_a_reload_tightens_ends_what_no_longer_fits() {
    let mut rig = Rig::new(phone_with(""), DESK.parse().expect("one"), Some("desk.lab.example"));
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(200)));
    let plan = Plan { generation: 2, ..phone_with("enable_digest_authentication = false") };
    rig.input(Input::Plan(Arc::new(plan)));
    assert_eq!(refusals(&rig).len(), 1);
    assert_eq!(refusals(&rig)[0].expected, "SEP000000001001 from the call manager's CAPF");
    assert_eq!(register(&mut rig, "1001", "lab-1001-secret").status(), Some(Status(403)));
}
