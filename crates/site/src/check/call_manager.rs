//! Trunk security profiles, trunks, phones.

use crate::check::{Check, SECURE_SIP_FIRST, security_profile};
use crate::{CallManager, Node, Phone, Proof, SecurityMode, SipTrunk, SipTrunkSecurityProfile};

pub(super) fn check(check: &mut Check<'_, '_, '_>, node: &Node, manager: &CallManager, path: &str) {
    let profiles: Vec<&str> = manager.sip_trunk_security_profiles.iter().map(|profile| profile.name.as_str()).collect();
    check.unique(&format!("{path}.sip_trunk_security_profile"), "name", profiles.iter().copied());
    for (at, row) in manager.sip_trunk_security_profiles.iter().enumerate() {
        let users = &manager.application_users;
        security_profile::trunk(check, node, row, users, &format!("{path}.sip_trunk_security_profile[{at}]"));
    }
    let phone_profiles: Vec<&str> =
        manager.phone_security_profiles.iter().map(|profile| profile.name.as_str()).collect();
    check.unique(&format!("{path}.phone_security_profile"), "name", phone_profiles.iter().copied());
    for (at, row) in manager.phone_security_profiles.iter().enumerate() {
        let takes_tokens = manager.oauth.is_some();
        security_profile::phone(check, node, row, takes_tokens, &format!("{path}.phone_security_profile[{at}]"));
    }
    check.unique(
        &format!("{path}.application_user"),
        "name",
        manager.application_users.iter().map(|user| user.name.as_str()),
    );
    for (at, row) in manager.application_users.iter().enumerate() {
        security_profile::user(check, row, &format!("{path}.application_user[{at}]"));
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
        let path = format!("{path}.phone[{at}]");
        if let Some(profile) = &row.device_security_profile {
            check.refers(format!("{path}.device_security_profile"), "phone_security_profile", profile, &phone_profiles);
        }
        phone(check, node, manager, row, &path);
    }
    if let Some(oauth) = &manager.oauth {
        super::oauth::check(check, node, manager, oauth, &format!("{path}.oauth"));
    }
    if let Some(services) = &manager.phone_services {
        super::phone_services::check(check, node, manager, services, &format!("{path}.phone_services"));
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
    if profile.device_security_mode.is_tls() {
        check.expects_our_node(
            format!("{path}.sip_trunk_security_profile"),
            &profile.secure_certificate_subject,
            trunk.destination_address,
            Some(trunk.destination_port),
        );
    }
    if profile.device_security_mode == SecurityMode::Authenticated && trunk.srtp_allowed {
        check.error(
            format!("{path}.sip_trunk_security_profile"),
            format!(
                "trunk `{name}` asks for SRTP with the authenticated profile `{}`, which protects signalling alone",
                profile.name
            ),
            "name an encrypted profile; or write `srtp_allowed = false` and `dangerous_plain_rtp = true`",
        );
    }
    if !profile.device_security_mode.is_tls() && trunk.srtp_allowed {
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

fn phone(check: &mut Check<'_, '_, '_>, node: &Node, manager: &CallManager, phone: &Phone, path: &str) {
    let name = &phone.name;
    if !phone.line.is_empty() && !phone.line.bytes().all(|b| b.is_ascii_digit() || b == b'+') {
        check.error(
            format!("{path}.line"),
            format!("line `{}` of phone `{name}` is not a number", phone.line),
            "write digits, e.g. `1001`",
        );
    }
    let profile = manager.profile_of(phone);
    match profile.proof() {
        Proof::Digest => secret(check, phone, path),
        Proof::Certificate if phone.secure_certificate_subject.is_none() && manager.phone_services.is_none() => {
            check.error(
                format!("{path}.secure_certificate_subject"),
                format!(
                    "profile `{}` admits phone `{name}` by its certificate alone, and nobody here gives it one",
                    profile.name
                ),
                "write `secure_certificate_subject`, or add `[node.role.call_manager.phone_services]`, whose CAPF does",
            );
        }
        Proof::OAuth if phone.secure_certificate_subject.is_some() => check.error(
            format!("{path}.secure_certificate_subject"),
            format!("profile `{}` admits phone `{name}` by a token: no certificate is asked of it", profile.name),
            "remove the line, or give the phone a profile without OAuth",
        ),
        Proof::Certificate | Proof::OAuth => {}
    }
    if phone.owner.as_deref().is_some_and(|owner| owner.trim().is_empty()) {
        check.error(
            format!("{path}.owner"),
            format!("phone `{name}` belongs to nobody"),
            "write what its owner's tokens have as `sub`, or leave it out: then it is the phone's name",
        );
    }
    modes(check, node, phone, &profile.product_type, path);
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

/// The secret itself is never repeated.
fn secret(check: &mut Check<'_, '_, '_>, phone: &Phone, path: &str) {
    let name = &phone.name;
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
}

/// A phone's mode is said in one place, and its profile is for phones of its kind.
fn modes(check: &mut Check<'_, '_, '_>, node: &Node, phone: &Phone, product: &str, path: &str) {
    let name = &phone.name;
    match (&phone.device_security_profile, phone.device_security_mode) {
        (Some(profile), Some(_)) => check.error(
            format!("{path}.device_security_mode"),
            format!("phone `{name}` names profile `{profile}`, which says its mode"),
            "remove the line here",
        ),
        (None, Some(SecurityMode::Authenticated)) => check.error(
            format!("{path}.device_security_mode"),
            format!("phone `{name}` is to have its media in clear, which a profile must say loudly"),
            "make a `phone_security_profile` with `dangerous_plain_rtp = true`, and name it here",
        ),
        (None, Some(SecurityMode::NonSecure)) => check.plain_sip_needs_word(
            format!("{path}.device_security_mode"),
            node,
            &format!("phone `{name}` with device_security_mode `non_secure`"),
        ),
        _ => {}
    }
    if !product.is_empty() && !phone.product_type.is_empty() && product != phone.product_type {
        check.error(
            format!("{path}.device_security_profile"),
            format!("phone `{name}` is a `{}`, and its profile is for a `{product}`", phone.product_type),
            "name a profile of its product type",
        );
    }
}
