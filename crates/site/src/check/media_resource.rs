//! Conferences and announcements, and who may call them.

use crate::MediaResource;
use crate::check::Check;

pub(super) fn check(check: &mut Check<'_, '_, '_>, resource: &MediaResource, path: &str) {
    // Either will do: callers who dial numbers, or call servers.
    let (callers, servers) = (&resource.secure_certificate_subject, &resource.call_server_subject);
    if !callers.is_empty() || servers.is_empty() {
        check.subjects(format!("{path}.secure_certificate_subject"), callers, "this media resource");
    }
    if !servers.is_empty() {
        check.subjects(format!("{path}.call_server_subject"), servers, "this media resource");
    }
    check.authority(format!("{path}.authority"), resource.authority.as_deref(), true);
    let conferences = resource.conferences.iter().map(|conference| conference.number.as_str());
    let announcements = resource.announcements.iter().map(|announcement| announcement.number.as_str());
    check.unique(&format!("{path}.conference"), "number", conferences.clone());
    let numbers: Vec<&str> = conferences.collect();
    check.unique(&format!("{path}.announcement"), "number", announcements.clone());
    for (at, number) in announcements.enumerate().filter(|(_, number)| numbers.contains(number)) {
        check.error(
            format!("{path}.announcement[{at}].number"),
            format!("`{number}` is a conference's number too"),
            "give each its own number",
        );
    }
    for (at, conference) in resource.conferences.iter().enumerate() {
        let row = format!("{path}.conference[{at}]");
        if !(3..=64).contains(&conference.parties) {
            check.error(
                format!("{row}.parties"),
                format!("a conference of {} parties", conference.parties),
                "write 3 to 64",
            );
        }
        check.prompt(format!("{row}.music"), &conference.music);
    }
    for (at, announcement) in resource.announcements.iter().enumerate() {
        check.prompt(format!("{path}.announcement[{at}].prompt"), &announcement.prompt);
    }
}
