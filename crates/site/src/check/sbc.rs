//! Dial-peers: patterns, targets, and whether media can be as secure as they say.

use crate::check::{Check, SECURE_SIP_FIRST};
use crate::sbc::TLS;
use crate::{DialPeer, Node, Pattern, Sbc, Target};

pub(super) fn check(check: &mut Check<'_, '_, '_>, node: &Node, sbc: &Sbc, path: &str) {
    let rows = format!("{path}.dial_peer");
    check.unique(&rows, "tag", sbc.dial_peers.iter().map(|peer| peer.tag));
    for (at, peer) in sbc.dial_peers.iter().enumerate() {
        dial_peer(check, node, peer, &format!("{rows}[{at}]"));
    }
    if !sbc.dial_peers.iter().any(|peer| peer.incoming_called_number.is_some()) {
        check.warning(
            path,
            format!("no dial-peer of `{}` takes calls in", node.name),
            "give one `incoming_called_number`",
        );
    }
}

fn dial_peer(check: &mut Check<'_, '_, '_>, node: &Node, peer: &DialPeer, path: &str) {
    let tag = peer.tag;
    for (field, pattern) in
        [("incoming_called_number", &peer.incoming_called_number), ("destination_pattern", &peer.destination_pattern)]
    {
        if let Some(Err(error)) = pattern.as_ref().map(|pattern| Pattern::parse(pattern)) {
            check.error(
                format!("{path}.{field}"),
                format!("`{field}` of dial-peer {tag}: {error}"),
                "IOS patterns: digits, `.` one digit, `[1-5]`, `T` any number at the end",
            );
        }
    }
    // One with neither is legal: a keepalive towards its target, as to a call manager that calls come from.
    if peer.incoming_called_number.is_none() && peer.destination_pattern.is_none() && peer.options_keepalive_s.is_none()
    {
        check.warning(
            path,
            format!("dial-peer {tag} is never used"),
            "give it `incoming_called_number`, `destination_pattern` or `options_keepalive_s`",
        );
    }
    let target = Target::parse(&peer.session_target);
    let by_name = matches!(target, Ok(Target::Domain { .. }));
    match target {
        Err(error) => check.error(
            format!("{path}.session_target"),
            format!("`session_target` of dial-peer {tag}: {error}"),
            "write family, address and port, or `dns:` and a domain",
        ),
        Ok(Target::Address(target)) if peer.is_tls() => check.expects_our_node(
            format!("{path}.secure_certificate_subject"),
            &peer.secure_certificate_subject,
            target.ip(),
            Some(target.port()),
        ),
        Ok(_) => {}
    }
    if check.unknown(path, &["session_transport"]) {
        return;
    }
    check.authority(format!("{path}.authority"), peer.authority.as_deref(), peer.is_tls());
    if peer.is_tls() {
        // A domain is the subject itself, unless others are named.
        if !(by_name && peer.secure_certificate_subject.is_empty()) {
            check.subjects(
                format!("{path}.secure_certificate_subject"),
                &peer.secure_certificate_subject,
                &format!("dial-peer {tag}"),
            );
        }
    } else {
        check.plain_sip_needs_word(
            format!("{path}.session_transport"),
            node,
            &format!("dial-peer {tag} with `session_transport = \"{}\"`", peer.session_transport),
        );
        if node.port.is_none() {
            let what =
                format!("dial-peer {tag} is plain SIP, but node `{}` opens no plain port to send it from", node.name);
            check.error(
                format!("{path}.session_transport"),
                what,
                format!("write `port = 5060` at the node, or `session_transport = \"{TLS}\"` here"),
            );
        }
        if !peer.secure_certificate_subject.is_empty() {
            let what = format!("dial-peer {tag} names certificate subjects, but plain SIP shows no certificate");
            check.error(
                format!("{path}.secure_certificate_subject"),
                what,
                format!("write `session_transport = \"{TLS}\"`, or remove the subjects"),
            );
        }
    }
    if !check.unknown(path, &["srtp", "dangerous_plain_rtp", "dangerous_srtp_fallback"]) {
        media(check, peer, path);
        if peer.dangerous_srtp_fallback && !peer.srtp {
            let what = format!("dial-peer {tag} has `dangerous_srtp_fallback = true`, but its media is plain RTP");
            check.error(
                format!("{path}.dangerous_srtp_fallback"),
                what,
                "remove it; or remove `srtp = false` and `dangerous_plain_rtp` if SRTP where possible is meant",
            );
        }
    }
}

fn media(check: &mut Check<'_, '_, '_>, peer: &DialPeer, path: &str) {
    let tag = peer.tag;
    match (peer.srtp, peer.is_tls(), peer.dangerous_plain_rtp) {
        (true, false, _) => {
            let what = format!(
                "dial-peer {tag} asks for SRTP over `{}`: {SECURE_SIP_FIRST} (the keys would travel in clear)",
                peer.session_transport
            );
            check.error(
                format!("{path}.session_transport"),
                what,
                format!("write `session_transport = \"{TLS}\"`; or `srtp = false` and `dangerous_plain_rtp = true`"),
            );
        }
        (false, _, false) => {
            let what =
                format!("dial-peer {tag} has `srtp = false`: its calls can be listened to by anybody on the way");
            check.error(
                format!("{path}.srtp"),
                what,
                "remove it, or write `dangerous_plain_rtp = true` beside it and answer for it",
            );
        }
        (true, true, true) => {
            let what = format!("dial-peer {tag} has `dangerous_plain_rtp = true`, but its media is SRTP");
            check.warning(
                format!("{path}.dangerous_plain_rtp"),
                what,
                "remove it, or write `srtp = false` if plain RTP is meant",
            );
        }
        (true, true, false) | (false, _, true) => {}
    }
    if !peer.srtp_keying.is_empty() && (!peer.srtp || peer.dangerous_srtp_fallback) {
        let what = format!(
            "dial-peer {tag} says how SRTP is keyed, but its media is not SRTP, or only where possible (by SDES)"
        );
        check.error(
            format!("{path}.srtp_keying"),
            what,
            "remove it; or remove `srtp = false`, `dangerous_plain_rtp` and `dangerous_srtp_fallback`",
        );
    }
    if !peer.srtp && !peer.srtp_crypto.is_empty() {
        let what = format!("dial-peer {tag} has suites of SRTP, but its media is plain RTP");
        check.warning(format!("{path}.srtp_crypto"), what, "remove them, or `srtp = false`");
    }
}
