//! Who may do what: every field of a security profile that turns something away is judged here, and nowhere else. What a
//! trunk's profile says of a request that begins something; what a phone's says of a registration.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sip::{Flow, Method, Name, Request, ServerId, Status, Transport};
use site::{ApplicationUser, Proof, SipTrunkSecurityProfile, TransportType};
use trust::{Authority, Refusal};

use super::bindings::Shown;
use super::plan::{Phone, Trunk};
use crate::shell::{Shell, in_words, warning};

/// Turned away: answered with this, written down with the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Denied {
    pub(super) status: Status,
    pub(super) refusal: Box<Refusal>,
}

/// A field of a trunk's profile that allows a kind of request, and the same field of an application user.
struct Wish {
    field: &'static str,
    what: &'static str,
    allowed: fn(&SipTrunkSecurityProfile) -> bool,
    allowed_to: fn(&ApplicationUser) -> bool,
}

const REPLACES: Wish = Wish {
    field: "accept_replaces_header",
    what: "an INVITE with Replaces or Join",
    allowed: |profile| profile.accept_replaces_header,
    allowed_to: |user| user.accept_replaces_header,
};
const REFER: Wish = Wish {
    field: "accept_out_of_dialog_refer",
    what: "a REFER outside of a dialog",
    allowed: |profile| profile.accept_out_of_dialog_refer,
    allowed_to: |user| user.accept_out_of_dialog_refer,
};
const NOTIFY: Wish = Wish {
    field: "accept_unsolicited_notification",
    what: "a NOTIFY that nobody subscribed to",
    allowed: |profile| profile.accept_unsolicited_notification,
    allowed_to: |user| user.accept_unsolicited_notification,
};
const PRESENCE: Wish = Wish {
    field: "accept_presence_subscription",
    what: "a SUBSCRIBE for presence",
    allowed: |profile| profile.accept_presence_subscription,
    allowed_to: |user| user.accept_presence_subscription,
};

/// Which field of a profile a request outside of dialogs depends on; `None`: on none.
fn wish(request: &Request) -> Option<&'static Wish> {
    match request.method() {
        // Who may not take a call over may not come into it either (RFC 3911 §7), nor learn which calls there are.
        Method::Invite if [Name::Replaces, Name::Join].iter().any(|name| request.header(name).is_some()) => {
            Some(&REPLACES)
        }
        Method::Refer => Some(&REFER),
        Method::Notify => Some(&NOTIFY),
        Method::Subscribe if is_presence(request) => Some(&PRESENCE),
        _ => None,
    }
}

fn is_presence(request: &Request) -> bool {
    let event = request.header(&Name::Event).unwrap_or_default();
    event.split([';', '.']).next().is_some_and(|package| package.trim().eq_ignore_ascii_case("presence"))
}

/// Incoming Transport Type and Incoming Port. `listeners`: those of the node; over a connection that we opened ourselves
/// the peer may speak whichever port it is on.
pub(super) fn way(trunk: &Trunk, peer: &str, flow: &Flow, listeners: &[(Transport, SocketAddr)]) -> Result<(), Denied> {
    let profile = &trunk.profile;
    if !trunk.incoming.iter().any(|incoming| **incoming == *peer) {
        return Err(denied(
            "incoming_transport_type",
            profile,
            profile.incoming().word(),
            flow.transport.as_str(),
            "have the peer use that transport, or change the profile",
        ));
    }
    let listens = listeners.iter().any(|(_, addr)| addr.port() == flow.local.port());
    match profile.port().filter(|port| listens && *port != flow.local.port()) {
        Some(port) => Err(denied(
            "incoming_port",
            profile,
            &port.to_string(),
            &flow.local.port().to_string(),
            "have the peer call the profile's port, or change the profile",
        )),
        None => Ok(()),
    }
}

/// What the profile accepts; and the application user too, where the profile enables application-level authorization.
pub(super) fn accepts(
    profile: &SipTrunkSecurityProfile,
    user: Option<&ApplicationUser>,
    request: &Request,
) -> Result<(), Denied> {
    let Some(wish) = wish(request) else { return Ok(()) };
    if !(wish.allowed)(profile) {
        let remedy = format!("write `{} = true` in the profile if this peer may do that", wish.field);
        return Err(denied(wish.field, profile, "no such request", wish.what, &remedy));
    }
    match user.filter(|_| profile.enable_application_level_authorization) {
        Some(user) if !(wish.allowed_to)(user) => {
            let presented = format!("{} of application user `{}`", wish.what, user.name);
            let remedy = format!("write `{} = true` at the application user if it may do that", wish.field);
            Err(denied("enable_application_level_authorization", profile, wish.field, &presented, &remedy))
        }
        Some(_) | None => Ok(()),
    }
}

fn denied(field: &str, profile: &SipTrunkSecurityProfile, expected: &str, presented: &str, remedy: &str) -> Denied {
    Denied {
        status: Status(403),
        refusal: Box::new(Refusal {
            cause: field.into(),
            rule: format!("{field} of sip_trunk_security_profile `{}`", profile.name),
            expected: expected.into(),
            presented: presented.into(),
            remedy: remedy.into(),
        }),
    }
}

/// What the phone's security profile asks of its connection: transport, port, certificate.
pub(super) fn phone(phone: &Phone, shown: &Shown, remote: SocketAddr) -> Result<(), Refusal> {
    transport(phone, shown)?;
    let profile = &phone.profile;
    if shown.transport == Transport::Udp && !profile.name.is_empty() && remote.port() != profile.sip_phone_port {
        return Err(Refusal {
            cause: "sip_phone_port".into(),
            rule: format!("sip_phone_port of phone_security_profile `{}`", profile.name),
            expected: profile.sip_phone_port.to_string(),
            presented: remote.port().to_string(),
            remedy: "have the phone fetch its configuration again, or correct the profile".into(),
        });
    }
    certificate(phone, shown)
}

fn transport(phone: &Phone, shown: &Shown) -> Result<(), Refusal> {
    let profile = &phone.profile;
    let fits = match profile.transport() {
        TransportType::Tls => shown.tls,
        // A phone without a profile may always be more secure than it must.
        _ if profile.name.is_empty() => true,
        TransportType::Tcp => shown.transport == Transport::Tcp,
        TransportType::Udp => shown.transport == Transport::Udp,
        TransportType::TcpUdp => matches!(shown.transport, Transport::Tcp | Transport::Udp),
    };
    if fits {
        return Ok(());
    }
    let mode = profile.device_security_mode;
    let plain = mode.is_tls();
    Err(Refusal {
        cause: if plain { "plain_sip" } else { "transport_type" }.into(),
        rule: match plain {
            true => format!("device_security_mode `{}` means SIP over TLS", mode.word()),
            false => format!("transport_type of phone_security_profile `{}`", profile.name),
        },
        expected: if plain { "TLS".into() } else { profile.transport().word().into() },
        presented: shown.transport.as_str().into(),
        remedy: match plain {
            true => "set the phone's transport to TLS".into(),
            false => "give the phone a profile of the transport that it uses".to_owned(),
        },
    })
}

fn certificate(phone: &Phone, shown: &Shown) -> Result<(), Refusal> {
    // Its token is its proof, and no certificate is asked for where it comes in.
    if phone.profile.proof() == Proof::OAuth {
        return Ok(());
    }
    let device = &phone.device;
    let names = || shown.certificate.as_ref().map(|certificate| certificate.names().join(", "));
    let is = |name: &str| shown.certificate.as_ref().is_some_and(|certificate| certificate.is_named(name));
    let refusal = |cause: &str, expected: String, presented: String| Refusal {
        cause: cause.into(),
        rule: "the phone shows the certificate that its profile names".into(),
        expected,
        presented,
        remedy: "install the phone's certificate, or correct secure_certificate_subject".into(),
    };
    // A locally significant certificate is one device's, whatever else is asked.
    if shown.locally_significant && !is(&device.name) {
        let expected = format!("{} from {}", device.name, Authority::Phones);
        return Err(refusal("wrong_subject", expected, names().unwrap_or_default()));
    }
    let expected = match &device.secure_certificate_subject {
        Some(subject) => format!("{subject} from {}", Authority::Own),
        None if phone.profile.enable_digest_authentication => return Ok(()),
        None => format!("{} from {}", device.name, Authority::Phones),
    };
    let wanted = device.secure_certificate_subject.as_deref();
    let good = match wanted {
        Some(subject) => is(subject) && shown.vouched,
        None => shown.locally_significant,
    };
    if good {
        return Ok(());
    }
    Err(match names() {
        Some(names) if is(wanted.unwrap_or(&device.name)) => {
            refusal("wrong_authority", expected, format!("{names} from {}", shown.authorities))
        }
        Some(names) => refusal("wrong_subject", expected, names),
        None => refusal("no_client_certificate", expected, "no certificate".into()),
    })
}

/// Answers in words, and writes it down.
pub(super) fn refuse(shell: &mut Shell, server: ServerId, flow: Option<Flow>, denied: Denied) {
    let headers = vec![warning(&shell.plan().node, &in_words(&denied.refusal))];
    shell.refused(flow, denied.status, *denied.refusal);
    shell.answer_outside(server, denied.status, headers);
}
