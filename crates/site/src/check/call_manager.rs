//! Trunk security profiles, trunks, phones.

use crate::call_manager::ENCRYPTED;
use crate::check::{Check, SECURE_SIP_FIRST};
use crate::{CallManager, Node, Phone, SipTrunk, SipTrunkSecurityProfile};

pub(super) fn check(check: &mut Check<'_, '_, '_>, node: &Node, manager: &CallManager, path: &str) {
    let profiles: Vec<&str> = manager.sip_trunk_security_profiles.iter().map(|profile| profile.name.as_str()).collect();
    check.unique(&format!("{path}.sip_trunk_security_profile"), "name", profiles.iter().copied());
    for (at, row) in manager.sip_trunk_security_profiles.iter().enumerate() {
        profile(check, node, row, &format!("{path}.sip_trunk_security_profile[{at}]"));
    }
    check.unique(&format!("{path}.sip_trunk"), "name", manager.sip_trunks.iter().map(|trunk| trunk.name.as_str()));
    let addresses = manager.sip_trunks.iter().map(|trunk| trunk.destination_address);
    // A call coming in is matched to its trunk by where it comes from.
    check.unique(&format!("{path}.sip_trunk"), "destination_address", addresses);
    for (at, row) in manager.sip_trunks.iter().enumerate() {
        let row_path = format!("{path}.sip_trunk[{at}]");
        check.refers(
            format!("{row_path}.sip_trunk_security_profile"),
            "sip_trunk_security_profile",
            &row.sip_trunk_security_profile,
            &profiles,
        );
        trunk(check, row, manager.profile(&row.sip_trunk_security_profile), &row_path);
    }
    check.unique(&format!("{path}.phone"), "name", manager.phones.iter().map(|phone| phone.name.as_str()));
    check.unique(&format!("{path}.phone"), "line", manager.phones.iter().map(|phone| phone.line.as_str()));
    for (at, row) in manager.phones.iter().enumerate() {
        phone(check, node, row, &format!("{path}.phone[{at}]"));
    }
    if let Some(services) = &manager.phone_services {
        super::phone_services::check(check, node, manager, services, &format!("{path}.phone_services"));
    }
}

fn profile(check: &mut Check<'_, '_, '_>, node: &Node, profile: &SipTrunkSecurityProfile, path: &str) {
    let name = &profile.name;
    let encrypted = profile.device_security_mode == ENCRYPTED;
    check.authority(format!("{path}.authority"), profile.authority.as_deref(), encrypted);
    if profile.device_security_mode != ENCRYPTED {
        check.plain_sip_needs_word(
            format!("{path}.device_security_mode"),
            node,
            &format!("profile `{name}` with device_security_mode `{}`", profile.device_security_mode),
        );
        return;
    }
    check.subjects(
        format!("{path}.secure_certificate_subject"),
        &profile.secure_certificate_subject,
        &format!("profile `{name}`"),
    );
    if profile.incoming_port != node.secure_port {
        let what = format!(
            "profile `{name}` expects calls on port {}, but node `{}` listens on {}",
            profile.incoming_port, node.name, node.secure_port
        );
        check.error(
            format!("{path}.incoming_port"),
            what,
            format!("write `incoming_port = {}`, or change the node's `secure_port`", node.secure_port),
        );
    }
}

fn trunk(check: &mut Check<'_, '_, '_>, trunk: &SipTrunk, profile: Option<&SipTrunkSecurityProfile>, path: &str) {
    let name = &trunk.name;
    if trunk.destination_address.is_unspecified() || trunk.destination_address.is_multicast() {
        check.error(
            format!("{path}.destination_address"),
            format!("trunk `{name}` cannot dial {}", trunk.destination_address),
            "write the peer's address",
        );
    }
    if check.unknown(path, &["srtp_allowed", "dangerous_plain_rtp"]) {
        return;
    }
    if !trunk.srtp_allowed && !trunk.dangerous_plain_rtp {
        let what =
            format!("trunk `{name}` has `srtp_allowed = false`: its calls can be listened to by anybody on the way");
        check.error(
            format!("{path}.srtp_allowed"),
            what,
            "remove it, or write `dangerous_plain_rtp = true` beside it and answer for it",
        );
    }
    if trunk.srtp_allowed && trunk.dangerous_plain_rtp {
        let what = format!("trunk `{name}` has `dangerous_plain_rtp = true`, but its media is SRTP");
        check.warning(
            format!("{path}.dangerous_plain_rtp"),
            what,
            "remove it, or write `srtp_allowed = false` if plain RTP is meant",
        );
    }
    let Some(profile) = profile else { return };
    if profile.device_security_mode == ENCRYPTED {
        check.expects_our_node(
            format!("{path}.sip_trunk_security_profile"),
            &profile.secure_certificate_subject,
            trunk.destination_address,
            Some(trunk.destination_port),
        );
    } else if trunk.srtp_allowed {
        let what = format!(
            "trunk `{name}` asks for SRTP with the non-secure profile `{}`: {SECURE_SIP_FIRST} (the keys would travel in clear)",
            profile.name
        );
        check.error(
            format!("{path}.sip_trunk_security_profile"),
            what,
            "name an encrypted profile; or write `srtp_allowed = false` and `dangerous_plain_rtp = true`",
        );
    }
}

fn phone(check: &mut Check<'_, '_, '_>, node: &Node, phone: &Phone, path: &str) {
    let name = &phone.name;
    if !phone.line.is_empty() && !phone.line.bytes().all(|b| b.is_ascii_digit() || b == b'+') {
        check.error(
            format!("{path}.line"),
            format!("line `{}` of phone `{name}` is not a number", phone.line),
            "write digits, e.g. `1001`",
        );
    }
    // The secret itself is never repeated.
    match phone.digest_secret.chars().count() {
        0 => check.error(
            format!("{path}.digest_secret"),
            format!("phone `{name}` has an empty digest secret: anybody could register as it"),
            "write a long random secret",
        ),
        1..8 => check.warning(
            format!("{path}.digest_secret"),
            format!("the digest secret of phone `{name}` is shorter than 8 characters and can be guessed"),
            "write a long random secret",
        ),
        _ => {}
    }
    if phone.device_security_mode != ENCRYPTED {
        check.plain_sip_needs_word(
            format!("{path}.device_security_mode"),
            node,
            &format!("phone `{name}` with device_security_mode `{}`", phone.device_security_mode),
        );
    }
    if phone
        .secure_certificate_subject
        .as_deref()
        .is_some_and(|subject| subject.trim().is_empty() || subject.contains('*'))
    {
        check.error(
            format!("{path}.secure_certificate_subject"),
            format!("phone `{name}` names no one certificate"),
            "write its CN or SAN in full, or remove the line",
        );
    }
}
