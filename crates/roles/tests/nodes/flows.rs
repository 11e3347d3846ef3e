//! Registrations over several flows (RFC 5626), through proxies (RFC 3327), and names that lead to one device (RFC 5627).

use roles::{Control, Reply};
use sdp::{Direction, Protection};
use sip::endpoint::{Event, Invite};
use sip::{Headers, Hop, Name, NameAddr, Request, Response, Status, Uri};

use crate::far_end::{Audio, Rig};
use crate::manager::{lab, register_with, uri};

const DEVICE: &str = "urn:uuid:00000000-0000-1000-8000-aabbccddeeff";

fn manager() -> Rig {
    let far = "127.18.133.75:40000".parse().expect("an address");
    Rig::new(lab(|text| text), far, Some("SEP000000001001.lab.example"))
}

fn fields(line: &str, params: &str, more: &[(Name, &str)]) -> Headers {
    let contact = (Name::Contact, format!("<sip:{line}@127.18.133.75:40000;transport=tls>{params}"));
    let more = more.iter().map(|(name, value)| (name.clone(), (*value).to_owned()));
    std::iter::once(contact).chain(more).collect()
}

fn register(rig: &mut Rig, line: &str, params: &str, more: &[(Name, &str)]) -> Response {
    let secret = format!("lab-{line}-secret");
    register_with(rig, line, &secret, fields(line, params, more))
}

/// 1001 calls this address: what the called phone is sent, or how the call is refused.
fn call(rig: &mut Rig, target: Uri) -> Result<Request, Status> {
    rig.events.clear();
    let (offer, _) = Audio::new(Protection::Secure, "127.18.133.75:20000").offer(Direction::SendRecv);
    let invite = Invite {
        hop: Hop::Flow(rig.flow.id),
        to: NameAddr::new(target.clone()),
        request_uri: target,
        from: NameAddr::new(uri(Some("1001"))),
        contact_user: Some("1001".into()),
        headers: Headers::new(),
        body: Some(Audio::body(offer)),
        max_forwards: 70,
    };
    rig.sip.invite(invite, rig.now);
    rig.settle();
    rig.met(|event| match event {
        Event::Request { request, .. } => Some(Ok(request.clone())),
        Event::Final { response, .. } => Some(Err(response.status().unwrap_or(Status(500)))),
        _ => None,
    })
}

#[test]
fn a_phone_behind_proxies_is_called_on_the_way_that_it_came() {
    let mut rig = manager();
    register(&mut rig, "1001", "", &[]);
    let path = [(Name::Supported, "path"), (Name::Path, "<sip:core.example;lr>, <sip:edge.example;lr>")];
    let told = register(&mut rig, "1002", "", &path);
    assert_eq!(told.values(&Name::Path).collect::<Vec<_>>(), ["<sip:core.example;lr>", "<sip:edge.example;lr>"]);
    let rings = call(&mut rig, uri(Some("1002"))).expect("it rings");
    assert_eq!(rings.values(&Name::Route).collect::<Vec<_>>(), ["<sip:core.example;lr>", "<sip:edge.example;lr>"]);
    assert_eq!(register(&mut rig, "1002", "", &[(Name::Path, "<")]).status(), Some(Status(400)));
}

#[test]
fn flows_of_one_device_are_listed_and_end_one_by_one() {
    let mut rig = manager();
    let supported = [(Name::Supported, "path, outbound")];
    let flow = |number: u32| format!(";reg-id={number};+sip.instance=\"<{DEVICE}>\"");
    let told = register(&mut rig, "1001", &flow(1), &supported);
    assert_eq!((told.header(&Name::Require), told.header(&Name::FlowTimer)), (Some("outbound"), Some("120")));
    let listed = told.header(&Name::Contact).unwrap_or_default().to_owned();
    assert!(listed.contains("reg-id=1") && listed.contains(DEVICE), "{listed}");
    let told = register(&mut rig, "1001", &format!("{};expires=0", flow(2)), &supported);
    assert_eq!(told.values(&Name::Contact).count(), 1, "another flow's end is not this one's");
    let told = register(&mut rig, "1001", &format!("{};expires=0", flow(1)), &supported);
    assert_eq!((told.status(), told.values(&Name::Contact).count()), (Some(Status(200)), 0));
    assert!(matches!(rig.control(Control::Registrations), Reply::Registrations(list) if list.is_empty()));
}

#[test]
fn a_device_has_names_that_lead_to_it_and_to_no_other() {
    let mut rig = manager();
    register(&mut rig, "1001", "", &[]);
    let device = format!(";+sip.instance=\"<{DEVICE}>\"");
    let told = register(&mut rig, "1002", &device, &[(Name::Supported, "gruu")]);
    let contact = NameAddr::parse(told.header(&Name::Contact).expect("a contact")).expect("an address");
    let name = |param: &str| Uri::parse(&contact.param(param).expect(param)).expect("a URI");
    let (public, temporary) = (name("pub-gruu"), name("temp-gruu"));
    assert_eq!((public.user.as_deref(), public.param("gr").flatten()), (Some("1002"), Some(DEVICE)));
    assert!(!temporary.to_string().contains("1002"), "{temporary}");
    for target in [public.clone(), temporary.clone()] {
        let rings = call(&mut rig, target).expect("it rings");
        assert_eq!(rings.request_uri_text(), Some("sip:1002@127.18.133.75:40000;transport=tls"));
    }
    // Another device takes the line: nothing leads to the one before.
    register(&mut rig, "1002", ";+sip.instance=\"<urn:uuid:other>\"", &[(Name::Supported, "gruu")]);
    assert_eq!(call(&mut rig, public).expect_err("it is gone"), Status(480));
    assert_eq!(call(&mut rig, temporary).expect_err("it is gone"), Status(404));
}
