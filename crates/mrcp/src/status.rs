//! Status codes (RFC 6787 §5.4), the states of requests (§5.3) and why a request ended (§8.4.4, §9.4.11, §10.4.3,
//! §11.4.16).

use std::fmt;

use crate::name::Resource;

/// The three digits of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status(pub u16);

impl Status {
    /// 2xx: done, or begun.
    pub fn is_success(self) -> bool {
        (200..300).contains(&self.0)
    }

    /// What the table of §5.4 says of it; `None` for codes that it does not have.
    pub fn meaning(self) -> Option<&'static str> {
        Some(match self.0 {
            200 => "success",
            201 => "success with some optional header fields ignored",
            401 => "method not allowed",
            402 => "method not valid in this state",
            403 => "unsupported header field",
            404 => "illegal value for header field",
            405 => "resource not allocated for this session or does not exist",
            406 => "mandatory header field missing",
            407 => "method or operation failed",
            408 => "unrecognized or unsupported message entity",
            409 => "unsupported header field value",
            410 => "non-monotonic or out-of-order sequence number in request",
            501 => "server internal error",
            502 => "protocol version not supported",
            504 => "message too large",
            _ => return None,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Some(meaning) => write!(f, "{:03} ({meaning})", self.0),
            None => write!(f, "{:03}", self.0),
        }
    }
}

/// How far the server is with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// There will be no more of it.
    Complete,
    InProgress,
    /// Waits for those before it.
    Pending,
}

impl RequestState {
    pub const ALL: [RequestState; 3] = [RequestState::Complete, RequestState::InProgress, RequestState::Pending];

    pub fn as_str(self) -> &'static str {
        match self {
            RequestState::Complete => "COMPLETE",
            RequestState::InProgress => "IN-PROGRESS",
            RequestState::Pending => "PENDING",
        }
    }

    pub(crate) fn read(text: &str) -> Option<RequestState> {
        RequestState::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Why a request ended: a number that means something together with its resource. The name that a server writes beside it
/// is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cause(pub u16);

const SYNTHESIZER: [&str; 8] = [
    "normal",
    "barge-in",
    "parse-failure",
    "uri-failure",
    "error",
    "language-unsupported",
    "lexicon-load-failure",
    "cancelled",
];
const RECOGNIZER: [&str; 17] = [
    "success",
    "no-match",
    "no-input-timeout",
    "hotword-maxtime",
    "grammar-load-failure",
    "grammar-compilation-failure",
    "recognizer-error",
    "speech-too-early",
    "success-maxtime",
    "uri-failure",
    "language-unsupported",
    "cancelled",
    "semantics-failure",
    "partial-match",
    "partial-match-maxtime",
    "no-match-maxtime",
    "grammar-definition-failure",
];
const RECORDER: [&str; 5] = ["success-silence", "success-maxtime", "no-input-timeout", "uri-failure", "error"];
const VERIFIER: [&str; 12] = [
    "success",
    "error",
    "no-input-timeout",
    "too-much-speech-timeout",
    "speech-too-early",
    "buffer-empty",
    "out-of-sequence",
    "repository-uri-failure",
    "repository-uri-missing",
    "voiceprint-id-missing",
    "voiceprint-id-not-exist",
    "speech-not-usable",
];

impl Cause {
    /// All causes of a resource, in the order of their numbers.
    pub fn names(resource: &Resource) -> &'static [&'static str] {
        match resource {
            Resource::Synthesizer | Resource::BasicSynthesizer => &SYNTHESIZER,
            Resource::Recognizer | Resource::DtmfRecognizer => &RECOGNIZER,
            Resource::Recorder => &RECORDER,
            Resource::Verifier => &VERIFIER,
            Resource::Other(_) => &[],
        }
    }

    /// Its name, where the resource has one for it.
    pub fn name(self, resource: &Resource) -> Option<&'static str> {
        Cause::names(resource).get(usize::from(self.0)).copied()
    }

    /// By its name.
    pub fn named(resource: &Resource, name: &str) -> Option<Cause> {
        let at = Cause::names(resource).iter().position(|known| *known == name)?;
        u16::try_from(at).ok().map(Cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_numbered_as_their_resources_have_them() {
        assert_eq!(Cause(5).name(&Resource::BasicSynthesizer), Some("language-unsupported"));
        assert_eq!(Cause(10).name(&Resource::Recognizer), Some("language-unsupported"));
        assert_eq!(Cause(16).name(&Resource::DtmfRecognizer), Some("grammar-definition-failure"));
        assert_eq!(Cause::named(&Resource::Verifier, "speech-not-usable"), Some(Cause(11)));
        assert_eq!(Cause(17).name(&Resource::Recognizer), None);
    }

    #[test]
    fn a_status_says_what_it_means() {
        assert_eq!(Status(402).to_string(), "402 (method not valid in this state)");
        assert_eq!(Status(499).to_string(), "499");
        assert!(Status(201).is_success() && !Status(300).is_success());
    }
}
