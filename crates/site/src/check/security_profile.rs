//! Security profiles: what contradicts itself, what cannot come to pass, what is dangerous without a loud word.

use crate::check::Check;
use crate::{ApplicationUser, Node, PhoneSecurityProfile, Proof, SecurityMode, SipTrunkSecurityProfile, TransportType};

pub(super) fn trunk(
    check: &mut Check<'_, '_, '_>,
    node: &Node,
    profile: &SipTrunkSecurityProfile,
    users: &[ApplicationUser],
    path: &str,
) {
    let name = &profile.name;
    let tls = profile.device_security_mode.is_tls();
    let whose = format!("profile `{name}`");
    check.authority(format!("{path}.authority"), profile.authority.as_deref(), tls);
    for (field, transport) in
        [("incoming_transport_type", profile.incoming()), ("outgoing_transport_type", profile.outgoing())]
    {
        transport_fits(check, &whose, profile.device_security_mode, transport, &format!("{path}.{field}"));
    }
    if tls {
        check.subjects(format!("{path}.secure_certificate_subject"), &profile.secure_certificate_subject, &whose);
    } else {
        let mode = profile.device_security_mode.word();
        check.plain_sip_needs_word(
            format!("{path}.device_security_mode"),
            node,
            &format!("{whose} with device_security_mode `{mode}`"),
        );
    }
    let listens = if tls { Some(node.secure_port) } else { node.port.filter(|_| node.dangerous_plain_sip) };
    if let Some(listens) = listens.filter(|listens| profile.port().is_some_and(|port| port != *listens)) {
        check.error(
            format!("{path}.incoming_port"),
            format!(
                "{whose} expects calls on port {}, but node `{}` listens on {listens}",
                profile.incoming_port, node.name
            ),
            format!("write `incoming_port = {listens}`, or change the node's port"),
        );
    }
    if profile.enable_digest_authentication && users.is_empty() {
        check.error(
            format!("{path}.enable_digest_authentication"),
            format!("{whose} asks for digest, and there is no application_user who could give it"),
            "add `[[node.role.call_manager.application_user]]` with `name` and `digest_secret`, or disable digest",
        );
    }
    if profile.enable_application_level_authorization && !profile.enable_digest_authentication {
        check.error(
            format!("{path}.enable_application_level_authorization"),
            format!("{whose} asks what its user may do, and no user proves itself"),
            "write `enable_digest_authentication = true` too, or leave it out",
        );
    }
    let not_yet = [
        ("accept_presence_subscription", profile.accept_presence_subscription, "SUBSCRIBE is answered 489"),
        ("accept_out_of_dialog_refer", profile.accept_out_of_dialog_refer, "such a REFER is answered 501"),
        (
            "accept_replaces_header",
            profile.accept_replaces_header,
            "an INVITE with Replaces or Join is answered 481 or 501",
        ),
        ("allow_charging_header", profile.allow_charging_header, "a charging header still ends here"),
    ];
    for (field, _, what) in not_yet.into_iter().filter(|(_, on, _)| *on) {
        check.warning(
            format!("{path}.{field}"),
            format!("{whose} allows what this release does not do yet: {what}"),
            format!("leave `{field}` out until it does"),
        );
    }
}

pub(super) fn phone(
    check: &mut Check<'_, '_, '_>,
    node: &Node,
    profile: &PhoneSecurityProfile,
    takes_tokens: bool,
    path: &str,
) {
    let name = &profile.name;
    let whose = format!("profile `{name}`");
    let mode = profile.device_security_mode;
    transport_fits(check, &whose, mode, profile.transport(), &format!("{path}.transport_type"));
    if !mode.is_tls() {
        check.plain_sip_needs_word(
            format!("{path}.device_security_mode"),
            node,
            &format!("{whose} with device_security_mode `{}`", mode.word()),
        );
    }
    if mode == SecurityMode::Authenticated && !profile.dangerous_plain_rtp {
        check.error(
            format!("{path}.device_security_mode"),
            format!("{whose} protects signalling alone: its calls can be listened to by anybody on the way"),
            "write `encrypted`, or `dangerous_plain_rtp = true` beside it and answer for it",
        );
    }
    if mode != SecurityMode::Authenticated && profile.dangerous_plain_rtp {
        check.error(
            format!("{path}.dangerous_plain_rtp"),
            format!("{whose} is {}: what its media is follows from that", mode.word()),
            "remove it",
        );
    }
    if profile.proof() == Proof::Certificate && !mode.is_tls() {
        check.error(
            format!("{path}.enable_digest_authentication"),
            format!("{whose} asks for neither digest nor certificate: whoever knows a phone's name could call as it"),
            "write `enable_digest_authentication = true`, or a secure device_security_mode",
        );
    }
    if profile.enable_oauth_authentication && mode != SecurityMode::Encrypted {
        check.error(
            format!("{path}.enable_oauth_authentication"),
            format!("{whose} is {}: a token is for encrypted phones, and goes over TLS only", mode.word()),
            "write `device_security_mode = \"encrypted\"`, or leave OAuth out",
        );
    }
    if profile.enable_oauth_authentication && !takes_tokens {
        check.error(
            format!("{path}.enable_oauth_authentication"),
            format!("{whose} enables OAuth, and node `{}` takes no tokens", node.name),
            "add `[node.role.call_manager.oauth]`: it opens port 5090 for such phones",
        );
    }
    if profile.tftp_encrypted_config && profile.key_order != "rsa_only" {
        check.error(
            format!("{path}.tftp_encrypted_config"),
            format!("{whose} has phones make elliptic keys, to which nothing can be encrypted"),
            "write `tftp_encrypted_config = false`: such a phone fetches its configuration over HTTPS with its certificate",
        );
    }
    key_sizes(check, &whose, profile, path);
}

/// RSA keys and curves that phones can make.
pub(super) fn key_sizes(check: &mut Check<'_, '_, '_>, whose: &str, terms: &PhoneSecurityProfile, path: &str) {
    if terms.key_order != "ec_only" && ![2048, 3072, 4096].contains(&terms.rsa_key_size) {
        check.error(
            format!("{path}.rsa_key_size"),
            format!("{whose}: no RSA key of {} bits can be made", terms.rsa_key_size),
            "write 2048, 3072 or 4096",
        );
    }
    if terms.key_order != "rsa_only" && ![256, 384, 521].contains(&terms.ec_key_size) {
        check.error(
            format!("{path}.ec_key_size"),
            format!("{whose}: there is no curve of {} bits", terms.ec_key_size),
            "write 256, 384 or 521",
        );
    }
}

pub(super) fn user(check: &mut Check<'_, '_, '_>, user: &ApplicationUser, path: &str) {
    if user.digest_secret.chars().count() < 8 {
        check.error(
            format!("{path}.digest_secret"),
            format!("the digest secret of application user `{}` can be guessed", user.name),
            "write a long random secret",
        );
    }
}

fn transport_fits(
    check: &mut Check<'_, '_, '_>,
    whose: &str,
    mode: SecurityMode,
    transport: TransportType,
    path: &str,
) {
    if mode.is_tls() == (transport == TransportType::Tls) {
        return;
    }
    let fix = if mode.is_tls() { "write `tls`, or leave it out" } else { "leave it out, or make the mode `encrypted`" };
    check.error(path, format!("{whose} is {}, which `{}` is not", mode.word(), transport.word()), fix);
}
