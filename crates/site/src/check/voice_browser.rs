//! Applications, their choices, and who may call the browser.

use std::net::IpAddr;

use crate::check::{Check, SECURE_SIP_FIRST};
use crate::{Application, Node, Role, VoiceBrowser};

pub(super) fn check(check: &mut Check<'_, '_, '_>, node: &Node, browser: &VoiceBrowser, path: &str) {
    callers(check, node, browser, path);
    media(check, node, browser, path);
    applications(check, browser, path);
}

/// Who may call: by certificate, and by address alone where an administrator says so.
fn callers(check: &mut Check<'_, '_, '_>, node: &Node, browser: &VoiceBrowser, path: &str) {
    check.subjects(
        format!("{path}.secure_certificate_subject"),
        &browser.secure_certificate_subject,
        "this voice browser",
    );
    check.authority(format!("{path}.authority"), browser.authority.as_deref(), true);
    let path = format!("{path}.dangerous_plain_callers");
    for (at, caller) in browser.dangerous_plain_callers.iter().enumerate() {
        if caller.parse::<IpAddr>().is_err() {
            let what = format!("`{caller}` is not an address");
            check.error(format!("{path}[{at}]"), what, "write an IPv4 or IPv6 address, e.g. `\"198.18.133.13\"`");
        }
    }
    let Some(first) = browser.dangerous_plain_callers.first() else { return };
    check.plain_sip_needs_word(&path, node, &format!("what {first} calls with"));
    if node.port.is_none() {
        let what = format!("{first} may call in clear, but node `{}` opens no plain port for it", node.name);
        check.error(&path, what, "write `port = 5060` at the node, or remove `dangerous_plain_callers`");
    }
}

/// Whether callers' audio is protected, and how.
fn media(check: &mut Check<'_, '_, '_>, node: &Node, browser: &VoiceBrowser, path: &str) {
    let name = &node.name;
    match (browser.srtp, browser.dangerous_plain_rtp) {
        (true, _) if !browser.dangerous_plain_callers.is_empty() => {
            let what = format!(
                "voice browser `{name}` asks for SRTP and lets callers in without TLS: {SECURE_SIP_FIRST} (the keys \
                 would travel in clear)"
            );
            let fix = "remove `dangerous_plain_callers`; or write `srtp = false` and `dangerous_plain_rtp = true`";
            check.error(format!("{path}.dangerous_plain_callers"), what, fix);
        }
        (false, false) => check.error(
            format!("{path}.srtp"),
            format!("voice browser `{name}` has `srtp = false`: its calls can be listened to by anybody on the way"),
            "remove it, or write `dangerous_plain_rtp = true` beside it and answer for it",
        ),
        (true, true) => check.warning(
            format!("{path}.dangerous_plain_rtp"),
            format!("voice browser `{name}` has `dangerous_plain_rtp = true`, but its media is SRTP"),
            "remove it, or write `srtp = false` if plain RTP is meant",
        ),
        (true, false) | (false, true) => {}
    }
    if !browser.srtp && !browser.srtp_crypto.is_empty() {
        let what = format!("voice browser `{name}` has suites of SRTP, but its media is plain RTP");
        check.warning(format!("{path}.srtp_crypto"), what, "remove them, or `srtp = false`");
    }
}

fn applications(check: &mut Check<'_, '_, '_>, browser: &VoiceBrowser, path: &str) {
    let rows = format!("{path}.application");
    check.unique(&rows, "number", browser.applications.iter().map(|application| application.number.as_str()));
    if browser.applications.is_empty() {
        check.warning(
            path,
            "this voice browser has no application: it will refuse every call",
            "add `[[node.role.voice_browser.application]]`",
        );
    }
    let site = check.site;
    let queues: Vec<&str> = site
        .nodes
        .iter()
        .filter_map(|node| match &node.role {
            Role::CallServer(server) => Some(server),
            Role::Sbc(_) | Role::VoiceBrowser(_) | Role::CallManager(_) | Role::MediaResource(_) => None,
        })
        .flat_map(|server| {
            let queues = server.queues.iter().map(|queue| queue.name.as_str());
            let scripts = server.scripts.iter().map(|script| script.name.as_str());
            queues.chain(scripts).chain((!server.call_types.is_empty()).then_some(acd::BY_CALL_TYPE))
        })
        .collect();
    // A browser may serve a call server of somebody else's, whose queues we cannot know.
    let ours = site.nodes.iter().any(|node| matches!(node.role, Role::CallServer(_)));
    for (at, application) in browser.applications.iter().enumerate() {
        let row = format!("{rows}[{at}]");
        language(check, application, &row);
        may_dial(check, application, &row);
        may_stream(check, application, &row);
        if let Some(document) = &application.document {
            pages(check, application, document, &row);
            if !application.prompt.is_empty() || !application.choices.is_empty() {
                check.error(
                    &row,
                    format!("application `{}` has a document and a question", application.number),
                    "keep `document`, or `prompt` with `choice`",
                );
            }
            continue;
        }
        if application.page_authority.is_some() || application.dangerous_plain_http {
            check.error(
                &row,
                format!("application `{}` says how pages are fetched, and has no document", application.number),
                "write `document`, or take `page_authority` and `dangerous_plain_http` out",
            );
        }
        if application.prompt.is_empty() {
            check.error(
                &row,
                format!("application `{}` has nothing to say", application.number),
                "write `prompt = \"welcome\"` with `choice`, or `document = \"….vxml\"`",
            );
            continue;
        }
        for (field, prompt) in [
            ("prompt", &application.prompt),
            ("invalid_prompt", &application.invalid_prompt),
            ("queue_music", &application.queue_music),
        ] {
            check.prompt(format!("{row}.{field}"), prompt);
        }
        check.unique(&format!("{row}.choice"), "digit", application.choices.iter().map(|choice| choice.digit));
        if application.choices.is_empty() {
            check.warning(
                &row,
                format!("application `{}` has no choice: callers cannot reach a queue", application.number),
                "add `choice = [{ digit = \"1\", queue = \"…\" }]`",
            );
        }
        for (choice_at, choice) in application.choices.iter().enumerate().filter(|_| ours) {
            check.refers(format!("{row}.choice[{choice_at}].queue"), "queue", &choice.queue, &queues);
        }
    }
}

/// Whom its documents may call, and that a call server lets them.
fn may_dial(check: &mut Check<'_, '_, '_>, application: &Application, row: &str) {
    let path = format!("{row}.may_dial");
    check.patterns(&path, &application.may_dial);
    let mut servers = check.site.nodes.iter().filter_map(|node| match &node.role {
        Role::CallServer(server) => Some(server),
        Role::Sbc(_) | Role::VoiceBrowser(_) | Role::CallManager(_) | Role::MediaResource(_) => None,
    });
    let refused = servers.next().is_some_and(|server| server.browsers_may_dial.is_empty())
        && servers.all(|server| server.browsers_may_dial.is_empty());
    if refused && !application.may_dial.is_empty() {
        check.warning(
            path,
            format!(
                "application `{}` may call numbers, and no call server lets a voice browser call",
                application.number
            ),
            "write `browsers_may_dial` at the call server as well",
        );
    }
}

/// Who may hear its callers: servers, no addresses of pages.
fn may_stream(check: &mut Check<'_, '_, '_>, application: &Application, row: &str) {
    let path = format!("{row}.may_stream");
    for server in &application.may_stream {
        if !Application::is_server(server) {
            let what = format!("`{server}` is no server");
            check.error(
                path.clone(),
                what,
                "write `bot.example` (port 443) or `bot.example:8443`, `[2001:db8::1]:8443`",
            );
        }
    }
    if !application.may_stream.is_empty() && application.document.is_none() {
        let what = format!("application `{}` may stream, and has no document", application.number);
        check.error(path, what, "write `document`, or take `may_stream` out");
    }
}

/// What it says can be said.
fn language(check: &mut Check<'_, '_, '_>, application: &Application, row: &str) {
    let Some(language) = &application.language else { return };
    let path = format!("{row}.language");
    let is_spoken = check.site.speech.as_ref().is_none_or(|speech| speech.voice(language, None, None).is_ok());
    super::speech::language(check, path.clone(), language);
    if !is_spoken && crate::speech::is_language_tag(language) {
        check.error(path, format!("no voice speaks `{language}`"), "add a `voice` for it to `[speech]`");
    }
}

/// Where an application's pages come from.
fn pages(check: &mut Check<'_, '_, '_>, application: &Application, document: &str, row: &str) {
    let path = format!("{row}.document");
    match document.split_once("://") {
        Some(("https", _)) => {}
        Some(("http", _)) if application.dangerous_plain_http => {}
        Some(("http", _)) => check.error(
            path,
            format!("`{document}` would be fetched in the clear: anybody on the way could change what callers hear"),
            "write `https://`; or, if you must, add `dangerous_plain_http = true`",
        ),
        Some((scheme, _)) => {
            check.error(path, format!("pages are not fetched by `{scheme}`"), "write `https://`, or a file's path");
        }
        None if !document.ends_with(".vxml") => check.error(
            path,
            format!("`{document}` is not a VoiceXML document's file"),
            "write the path of a `.vxml` file, or an `https://` address",
        ),
        None => {}
    }
    check.authority(format!("{row}.page_authority"), application.page_authority.as_deref(), true);
    if application.dangerous_plain_http {
        check.warning(
            format!("{row}.dangerous_plain_http"),
            format!("pages of application `{}` may come in the clear", application.number),
            "use https and take it out",
        );
    }
}
