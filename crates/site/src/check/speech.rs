//! Who speaks: the engine can be had, and what goes to it is what it says.

use crate::check::Check;
use crate::speech::{is_language_tag, is_voice_name};
use crate::{Role, Speech, SpeechEngine};

const PATH: &str = "speech";

pub(super) fn check(check: &mut Check<'_, '_, '_>, speech: &Speech) {
    address(check, speech);
    let spoken_to = speech.engine != SpeechEngine::EspeakNg;
    check.authority(format!("{PATH}.authority"), speech.authority.as_deref(), spoken_to);
    language(check, format!("{PATH}.language"), &speech.language);
    for (at, voice) in speech.voices.iter().enumerate() {
        language(check, format!("{PATH}.voice[{at}].language"), &voice.language);
        if !is_voice_name(&voice.name) {
            check.error(
                format!("{PATH}.voice[{at}].name"),
                format!("`{}` is no voice's name", voice.name),
                "write it as the engine lists it (`espeak-ng --voices`): letters, digits, `-`, `_`, `+`, `.` and blanks",
            );
        }
    }
    if speech.voice("", None, None).is_err() && is_language_tag(&speech.language) {
        check.error(
            format!("{PATH}.language"),
            format!("no voice speaks `{}`", speech.language),
            "add a `voice` for it, or write a language that has one",
        );
    }
    if !check.site.nodes.iter().any(|node| matches!(node.role, Role::VoiceBrowser(_))) {
        check.warning(PATH, "nobody would be spoken to: the site has no voice browser", "remove it");
    }
}

/// Who is spoken to has an address, and none but a secure one.
fn address(check: &mut Check<'_, '_, '_>, speech: &Speech) {
    match (speech.engine, &speech.url) {
        (SpeechEngine::EspeakNg, Some(_)) => check.error(
            format!("{PATH}.url"),
            "espeak-ng is a program here, and has no address",
            "remove `url`, or write `engine = \"http\"`",
        ),
        (SpeechEngine::EspeakNg, None) if speech.command.trim().is_empty() => check.error(
            format!("{PATH}.command"),
            "there is no program to speak",
            "write its place, e.g. `command = \"/usr/bin/espeak-ng\"`, or remove the field",
        ),
        (SpeechEngine::EspeakNg, None) => {}
        (SpeechEngine::Http, None) => check.error(
            PATH,
            "a service of speech without an address",
            "write `url = \"https://…\"`, where it takes SSML by POST and answers with a WAV",
        ),
        (SpeechEngine::Http, Some(url)) if !url.starts_with("https://") => check.error(
            format!("{PATH}.url"),
            format!("`{url}` would take what callers are told in the clear"),
            "write `https://…`",
        ),
        (SpeechEngine::Http, Some(_)) | (SpeechEngine::Mrcp, None) => {}
        (SpeechEngine::Mrcp, Some(_)) => check.error(
            format!("{PATH}.url"),
            "a speech server of MRCPv2 is called, and has no page",
            "write `server = \"sips:…\"` instead",
        ),
    }
    match (speech.engine, &speech.server) {
        (SpeechEngine::Mrcp, Some(server)) if server.starts_with("sips:") && server.len() > "sips:".len() => {}
        (SpeechEngine::Mrcp, Some(server)) => check.error(
            format!("{PATH}.server"),
            format!("`{server}` would take what callers are told in the clear, or is no address"),
            "write `server = \"sips:NAME\"`, by the name in its certificate",
        ),
        (SpeechEngine::Mrcp, None) => check.error(
            PATH,
            "a speech server without an address",
            "write `server = \"sips:NAME\"`, where it takes calls for MRCPv2 (RFC 6787)",
        ),
        (SpeechEngine::EspeakNg | SpeechEngine::Http, Some(_)) => check.error(
            format!("{PATH}.server"),
            "only a speech server of MRCPv2 is called",
            "remove `server`, or write `engine = \"mrcp\"`",
        ),
        (SpeechEngine::EspeakNg | SpeechEngine::Http, None) => {}
    }
}

/// A tag of BCP 47.
pub(super) fn language(check: &mut Check<'_, '_, '_>, path: String, tag: &str) {
    if !is_language_tag(tag) {
        check.error(path, format!("`{tag}` is no language"), "write a tag such as `en-US`, `ja` or `ko-KR` (BCP 47)");
    }
}
