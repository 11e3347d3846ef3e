//! Applications, their choices, and who may call the browser.

use crate::check::Check;
use crate::{Application, Role, VoiceBrowser};

pub(super) fn check(check: &mut Check<'_, '_, '_>, browser: &VoiceBrowser, path: &str) {
    check.subjects(
        format!("{path}.secure_certificate_subject"),
        &browser.secure_certificate_subject,
        "this voice browser",
    );
    check.authority(format!("{path}.authority"), browser.authority.as_deref(), true);
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
