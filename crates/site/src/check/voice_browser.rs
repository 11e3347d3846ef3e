//! Applications, their choices, and who may call the browser.

use crate::check::Check;
use crate::{Role, VoiceBrowser};

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
            Role::Sbc(_) | Role::VoiceBrowser(_) | Role::CallManager(_) => None,
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
            if !document.ends_with(".vxml") || document.contains("://") {
                check.error(
                    format!("{row}.document"),
                    format!("`{document}` is not a VoiceXML document's file"),
                    "write the path of a `.vxml` file; pages from a web server are not taken yet",
                );
            }
            if !application.prompt.is_empty() || !application.choices.is_empty() {
                check.error(
                    &row,
                    format!("application `{}` has a document and a question", application.number),
                    "keep `document`, or `prompt` with `choice`",
                );
            }
            continue;
        }
        for (field, prompt) in [
            ("prompt", &application.prompt),
            ("invalid_prompt", &application.invalid_prompt),
            ("queue_music", &application.queue_music),
        ] {
            if prompt.is_empty() || prompt.contains(['/', '\\']) || prompt.starts_with('.') {
                check.error(
                    format!("{row}.{field}"),
                    format!("`{prompt}` is not a prompt's name"),
                    "write the name only, without folder or ending, e.g. `welcome`",
                );
            }
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
