//! Who recognises: the engine can be had, and what callers say goes to it protected.

use crate::check::Check;
use crate::{Recognition, RecognitionEngine, Role};

const PATH: &str = "recognition";

pub(super) fn check(check: &mut Check<'_, '_, '_>, recognition: &Recognition) {
    let called = recognition.engine == RecognitionEngine::Mrcp;
    match &recognition.server {
        Some(server) if called && server.starts_with("sips:") && server.len() > "sips:".len() => {}
        Some(server) if called => check.error(
            format!("{PATH}.server"),
            format!("`{server}` would take what callers say in the clear, or is no address"),
            "write `server = \"sips:NAME\"`, by the name in its certificate",
        ),
        Some(_) => check.error(
            format!("{PATH}.server"),
            "only a speech server of MRCPv2 is called",
            "remove `server`, or write `engine = \"mrcp\"`",
        ),
        None if called => check.error(
            PATH,
            "a speech server without an address",
            "write `server = \"sips:NAME\"`, where it takes calls for MRCPv2 (RFC 6787)",
        ),
        None => {}
    }
    let scheme = match recognition.engine {
        RecognitionEngine::Pocketsphinx | RecognitionEngine::Mrcp => None,
        RecognitionEngine::Http => Some("https://"),
        RecognitionEngine::Websocket => Some("wss://"),
    };
    match (scheme, &recognition.url) {
        (None, Some(_)) if called => check.error(
            format!("{PATH}.url"),
            "a speech server of MRCPv2 is called, and has no page",
            "write `server = \"sips:…\"` instead",
        ),
        (None, Some(_)) => check.error(
            format!("{PATH}.url"),
            "pocketsphinx is a program here, and has no address",
            "remove `url`, or write `engine = \"http\"` or `engine = \"websocket\"`",
        ),
        (None, None) if recognition.command.trim().is_empty() => check.error(
            format!("{PATH}.command"),
            "there is no program to recognise",
            "write its place, e.g. `command = \"/usr/local/bin/ringfence-pocketsphinx\"`, or remove the field",
        ),
        (None, None) => {}
        (Some(scheme), None) => check.error(
            PATH,
            "a service of recognition without an address",
            format!("write `url = \"{scheme}…\"`: docs/vxml.md says what is sent there"),
        ),
        (Some(scheme), Some(url)) if !url.starts_with(scheme) => check.error(
            format!("{PATH}.url"),
            format!("`{url}` would take what callers say in the clear, or not at all"),
            format!("write `{scheme}…`"),
        ),
        (Some(_), Some(_)) => {}
    }
    check.authority(format!("{PATH}.authority"), recognition.authority.as_deref(), called || scheme.is_some());
    if !check.site.nodes.iter().any(|node| matches!(node.role, Role::VoiceBrowser(_))) {
        check.warning(PATH, "nobody would be listened to: the site has no voice browser", "remove it");
    }
}
