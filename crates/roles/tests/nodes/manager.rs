//! The lab's call manager, and what phones and trunks ask of it.

use roles::{Journal, Plan, RefusalRecord};
use sip::auth::{Challenge, answer};
use sip::endpoint::{Event, Outside};
use sip::{Headers, Hop, Method, Name, NameAddr, Response, Uri};

use crate::far_end::Rig;

pub(crate) const CUCM: &str = "127.18.133.3";

/// The call manager of the example's site, with this change.
pub(crate) fn lab(change: impl FnOnce(String) -> String) -> Plan {
    let text = change(include_str!("../../../../examples/lab.toml").to_owned());
    let site = site::Site::parse(&text).expect("the lab is a good site");
    Plan::compile(&site, "cucm1", 1).expect("it has a call manager")
}

pub(crate) fn uri(user: Option<&str>) -> Uri {
    Uri::sip(user, CUCM, Some(5061))
}

/// A request outside of dialogs: the last answer.
pub(crate) fn ask(
    rig: &mut Rig,
    method: Method,
    request_uri: Uri,
    [from, to]: [NameAddr; 2],
    headers: Headers,
) -> Response {
    let request = Outside {
        hop: Hop::Flow(rig.flow.id),
        method,
        request_uri,
        contact_user: from.uri.user.clone(),
        from,
        to,
        headers,
        body: None,
        call_id: None,
    };
    rig.sip.request(request, rig.now);
    rig.settle();
    last(rig)
}

/// The last final answer that the far end had.
pub(crate) fn last(rig: &mut Rig) -> Response {
    rig.met(|event| match event {
        Event::Final { response, .. } => Some(response.clone()),
        _ => None,
    })
}

/// REGISTER, answered with the digest of this secret where it is asked for: the last answer.
pub(crate) fn register(rig: &mut Rig, line: &str, secret: &str) -> Response {
    let far = rig.flow.remote;
    register_with(rig, line, secret, vec![(Name::Contact, format!("<sip:{line}@{far};transport=tls>;expires=600"))])
}

/// The same with fields of one's own, Contact among them.
pub(crate) fn register_with(rig: &mut Rig, line: &str, secret: &str, contact: Headers) -> Response {
    let send = |rig: &mut Rig, headers: Headers| {
        let of_line = || NameAddr::new(uri(Some(line)));
        ask(rig, Method::Register, uri(None), [of_line(), of_line()], headers)
    };
    let first = send(rig, contact.clone());
    let Some(field) = first.header(&Name::WwwAuthenticate) else { return first };
    let challenge = Challenge::parse(field).expect("a challenge");
    let given = answer(&challenge, line, secret, &Method::Register, &uri(None).to_string(), b"", "c0ffee", 1);
    send(rig, [contact, vec![(Name::Authorization, given.to_string())]].concat())
}

pub(crate) fn refusals(rig: &Rig) -> Vec<RefusalRecord> {
    let refused = |line: &Journal| match line {
        Journal::Refused(record) => Some(record.clone()),
        _ => None,
    };
    rig.journal.iter().filter_map(refused).collect()
}
