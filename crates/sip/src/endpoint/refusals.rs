//! What is refused before any user sees it, with the code that RFC 3261 §8.2 names, in its order, and how often: every
//! refusal has a [`Cause`], is counted by it, and tells its sender in words (`Warning`) what to change.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Endpoint;
use super::servers::Incoming;
use crate::message::{Body, ContentType, Headers, Method, Name, Request, Status, Typed};

/// Why the endpoint itself refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// 503: the room for new requests is full (RFC 3261 §21.5.4).
    Overload,
    /// 503: a neighbour that obeys RFC 7339 sends more than we asked for.
    Shed,
    /// 503: more new requests a second than one source may send.
    Rate,
    /// 501: a method nobody here knows (RFC 3261 §21.5.2).
    UnknownMethod,
    /// 405: a method that is not for this node (§8.2.1).
    MethodNotAllowed,
    /// 416: neither `sip`, `sips` nor `tel` (§8.2.2.1).
    UriScheme,
    /// 482: the same request came by two ways (§8.2.2.2).
    Merged,
    /// 482: our own request came back unchanged.
    Loop,
    /// 420: a `Require` that is not understood (§8.2.2.3).
    Extension,
    /// 421: an extension that this node insists on.
    ExtensionMissing,
    /// 415: a body that cannot be read (§8.2.3).
    MediaType,
    /// 415: a body that is compressed or otherwise encoded (§8.2.3).
    ContentEncoding,
    /// 493: a body that is encrypted for somebody else (§23.2).
    Undecipherable,
    /// 406: the sender can read nothing that we would answer (§21.4.7).
    NotAcceptable,
    /// 440: no branch may be made any more (RFC 5393 §5.3.3.1).
    MaxBreadth,
    /// 422: a session interval below ours (RFC 4028 §9).
    SessionTooBrief,
    /// 481: no such dialog (§12.2.2).
    NoDialog,
    /// 481: no INVITE to cancel (§9.2).
    NoTransaction,
    /// 500: a CSeq that was passed already (§12.2.2).
    OutOfOrder,
    /// 500 with Retry-After: another request must be answered first (§14.2; RFC 3311 §5.2).
    Pending,
    /// 491: our own INVITE is under way (§14.2).
    Glare,
    /// 480: nobody answered the INVITE for longer than one may ring.
    Unanswered,
    /// Whatever the endpoint's user said by [`Endpoint::turn_away`].
    TurnedAway,
    /// 469: an INFO of a package that nobody here asked for (RFC 6086 §4.2.2).
    InfoPackage,
}

impl Cause {
    /// What the sender is answered.
    pub fn status(self) -> Status {
        Status(match self {
            Cause::Overload | Cause::Shed | Cause::Rate => 503,
            Cause::UnknownMethod => 501,
            Cause::MethodNotAllowed => 405,
            Cause::UriScheme => 416,
            Cause::Merged | Cause::Loop => 482,
            Cause::Extension => 420,
            Cause::ExtensionMissing => 421,
            Cause::MediaType | Cause::ContentEncoding => 415,
            Cause::Undecipherable => 493,
            Cause::NotAcceptable => 406,
            Cause::MaxBreadth => 440,
            Cause::SessionTooBrief => 422,
            Cause::NoDialog | Cause::NoTransaction => 481,
            Cause::OutOfOrder | Cause::Pending => 500,
            Cause::Glare => 491,
            Cause::Unanswered => 480,
            Cause::TurnedAway => 403,
            Cause::InfoPackage => 469,
        })
    }

    /// For the `Warning` of the answer: what was expected. Empty where the code says it all.
    fn words(self) -> &'static str {
        match self {
            Cause::UnknownMethod => "no method of that name is known here: Allow names those that are",
            Cause::MethodNotAllowed => "this node does not do that: Allow names what it does",
            Cause::UriScheme => "expected a Request-URI of scheme sip, sips or tel",
            Cause::Merged => "the same From tag, Call-ID and CSeq came by another way: one of the two is enough",
            Cause::Loop => "this request was sent from here and came back unchanged: look at the routes in between",
            Cause::Extension => "Unsupported names what was required and is not understood",
            Cause::ExtensionMissing => "Require names what this node insists on and the request does not support",
            Cause::MediaType => "no part of the body can be read here: Accept names what can",
            Cause::ContentEncoding => "bodies are read as they are: send without Content-Encoding",
            Cause::Undecipherable => "the body is encrypted and there is no key for it here: use TLS between hops",
            Cause::NotAcceptable => "every answer would have a body that Accept leaves out: accept application/sdp",
            Cause::MaxBreadth => "Max-Breadth is used up (RFC 5393)",
            Cause::NoDialog => "no such dialog here: it ended, or this node was started anew",
            Cause::OutOfOrder => "a request with a higher CSeq came first",
            Cause::Unanswered => "nobody answered in time",
            Cause::InfoPackage => "no INFO package is taken here, as Recv-Info says: send keys without Info-Package",
            Cause::Overload
            | Cause::Shed
            | Cause::Rate
            | Cause::SessionTooBrief
            | Cause::NoTransaction
            | Cause::Pending
            | Cause::Glare
            | Cause::TurnedAway => "",
        }
    }
}

impl fmt::Display for Cause {
    /// As in counters and logs: `method_not_allowed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, letter) in format!("{self:?}").chars().enumerate() {
            if letter.is_ascii_uppercase() && i > 0 {
                f.write_str("_")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// A refusal on its way out: its cause and the fields that the RFC wants with it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) cause: Cause,
    pub(super) headers: Headers,
}

impl Refusal {
    pub(super) fn with(cause: Cause, name: Name, value: impl Into<String>) -> Refusal {
        Refusal { cause, headers: vec![(name, value.into())] }
    }
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Refusal {
        Refusal { cause, headers: Headers::new() }
    }
}

impl Endpoint {
    /// Requests refused by the endpoint itself, by cause, since it was made.
    pub fn refusals(&self) -> &BTreeMap<Cause, u64> {
        &self.refused
    }

    pub(super) fn count(&mut self, cause: Cause) {
        *self.refused.entry(cause).or_default() += 1;
    }

    /// Counted, in words, without a transaction.
    pub(super) fn refuse(&mut self, incoming: Incoming, refusal: impl Into<Refusal>) {
        let refusal = refusal.into();
        let headers = self.told(&refusal);
        self.answer_stateless(&incoming, refusal.cause.status(), &headers);
    }

    /// Counts a refusal and gives the fields of its answer, words included.
    pub(super) fn told(&mut self, refusal: &Refusal) -> Headers {
        self.count(refusal.cause);
        let mut headers = refusal.headers.clone();
        let words = refusal.cause.words();
        if !words.is_empty() {
            headers.push((Name::Warning, format!("399 - \"{words}\"")));
        }
        headers
    }

    /// What any request must be, within a dialog or not, in the order of RFC 3261 §8.2; then RFC 4028 §9.
    pub(super) fn acceptable(&self, request: &Request) -> Result<(), Refusal> {
        let method = request.method();
        let allowed = &self.config.allow;
        if matches!(method, Method::Other(_)) && !allowed.contains(&method) {
            return Err(self.with_allow(Cause::UnknownMethod));
        }
        if !allowed.is_empty() && !allowed.contains(&method) {
            return Err(self.with_allow(Cause::MethodNotAllowed));
        }
        self.extensions(request)?;
        // No role takes a package. An INFO that names none is of the older kind (RFC 2976) and its user's.
        if method == Method::Info && request.header(&Name::InfoPackage).is_some() {
            return Err(Refusal::with(Cause::InfoPackage, Name::RecvInfo, ""));
        }
        self.content(request, &method)?;
        self.too_brief(request).map_or(Ok(()), |headers| Err(Refusal { cause: Cause::SessionTooBrief, headers }))
    }

    /// What only requests outside dialogs must be: the scheme comes first, since a target refresh may have any.
    pub(super) fn acceptable_outside(&self, request: &Request) -> Result<(), Refusal> {
        let method = request.method();
        if matches!(method, Method::Bye | Method::Prack | Method::Update | Method::Info) {
            return Err(Cause::NoDialog.into());
        }
        if !request.request_uri_text().is_some_and(has_known_scheme) {
            return Err(Cause::UriScheme.into());
        }
        if method == Method::Invite && request.header(&Name::MaxBreadth).map(str::trim) == Some("0") {
            return Err(Cause::MaxBreadth.into());
        }
        Ok(())
    }

    fn with_allow(&self, cause: Cause) -> Refusal {
        let names: Vec<&str> = self.config.allow.iter().map(Method::as_str).collect();
        match names.is_empty() {
            true => Refusal::with(cause, Name::Allow, EVERY_METHOD),
            false => Refusal::with(cause, Name::Allow, names.join(", ")),
        }
    }

    fn extensions(&self, request: &Request) -> Result<(), Refusal> {
        let known = |option: &str| {
            option.eq_ignore_ascii_case("timer")
                || (self.config.reliable && option.eq_ignore_ascii_case(super::reliable::OPTION))
                || self.supported.iter().any(|known| known.eq_ignore_ascii_case(option))
        };
        let unknown: Vec<&str> = request.values(&Name::Require).filter(|option| !known(option)).collect();
        if !unknown.is_empty() {
            return Err(Refusal::with(Cause::Extension, Name::Unsupported, unknown.join(", ")));
        }
        let has =
            |option: &str| request.has_token(&Name::Supported, option) || request.has_token(&Name::Require, option);
        let missing: Vec<&str> = self.config.require.iter().map(String::as_str).filter(|option| !has(option)).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Refusal::with(Cause::ExtensionMissing, Name::Require, missing.join(", "))),
        }
    }

    /// RFC 3261 §8.2.3. Of what an INVITE, UPDATE or PRACK carries the endpoint knows what can be read; bodies of other
    /// methods are their user's.
    fn content(&self, request: &Request, method: &Method) -> Result<(), Refusal> {
        let encoded = |value: &str| !value.eq_ignore_ascii_case("identity");
        if request.values(&Name::ContentEncoding).any(encoded) && request.body().is_some() {
            return Err(Refusal::with(Cause::ContentEncoding, Name::AcceptEncoding, "identity"));
        }
        if !matches!(method, Method::Invite | Method::Update | Method::Prack) {
            return Ok(());
        }
        let accept = || self.config.accept.join(", ");
        let plainly = |kind: &str| kind.eq_ignore_ascii_case("application/sdp");
        let known =
            request.header(&Name::ContentType).is_some_and(plainly) && self.config.accept.iter().any(|a| plainly(a));
        if let Some(body) = request.body().filter(|_| !known) {
            match self.readable(request.header(&Name::ContentDisposition), &body, NESTING) {
                Readable::Yes | Readable::Skipped => {}
                Readable::No => return Err(Refusal::with(Cause::MediaType, Name::Accept, accept())),
                Readable::Encrypted => return Err(Cause::Undecipherable.into()),
            }
        }
        let takes = |value: &str| {
            let range = value.split(';').next().unwrap_or_default().trim();
            let (main, sub) = range.split_once('/').unwrap_or((range, ""));
            let fits = |accepted: &str| {
                accepted.split_once('/').is_some_and(|(m, s)| {
                    (main == "*" || main.eq_ignore_ascii_case(m)) && (sub == "*" || sub.eq_ignore_ascii_case(s))
                })
            };
            self.config.accept.iter().any(|accepted| fits(accepted))
        };
        // An empty Accept means that no body at all is wanted: no offer of ours could be sent.
        match request.header(&Name::Accept) {
            Some(_) if !request.values(&Name::Accept).any(takes) => {
                Err(Refusal::with(Cause::NotAcceptable, Name::Accept, accept()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a body, or enough of its parts, can be read (RFC 5621 §3.3, §8). A part that cannot be read is passed over
    /// unless it insists (`handling=required` in so many words): gateways add parts that nobody else knows.
    fn readable(&self, disposition: Option<&str>, body: &Body, depth: u8) -> Readable {
        let said = handling(disposition);
        let Ok(kind) = ContentType::read(&body.content_type) else {
            return if said == Handling::Optional { Readable::Skipped } else { Readable::No };
        };
        let is = |media_type: &String| kind.is(media_type);
        if kind.main == "multipart" && depth > 0 && !kind.is("multipart/encrypted") {
            let parts = body.disposed_parts();
            let found: Vec<(Handling, Readable)> = parts
                .iter()
                .map(|(disposition, part)| {
                    (handling(disposition.as_deref()), self.readable(disposition.as_deref(), part, depth - 1))
                })
                .collect();
            let insisted = found.iter().find(|(said, read)| *said == Handling::Required && read.fails());
            let any = found.iter().any(|(_, read)| *read == Readable::Yes);
            let worst = found.iter().map(|(_, read)| *read).find(|read| read.fails()).unwrap_or(Readable::No);
            return match (insisted, any) {
                (Some((_, read)), _) => *read,
                (None, true) => Readable::Yes,
                (None, false) if said == Handling::Optional => Readable::Skipped,
                (None, false) => worst,
            };
        }
        if self.config.accept.iter().any(is) {
            return Readable::Yes;
        }
        let encrypted = ["application/pkcs7-mime", "application/x-pkcs7-mime", "multipart/encrypted"];
        match said {
            Handling::Optional => Readable::Skipped,
            _ if encrypted.iter().any(|media_type| kind.is(media_type)) => Readable::Encrypted,
            _ => Readable::No,
        }
    }
}

/// Every method that has a meaning here, for the Allow of a node that leaves the choice to its role.
const EVERY_METHOD: &str =
    "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, PRACK, UPDATE, REFER, NOTIFY, SUBSCRIBE, PUBLISH, INFO, MESSAGE";

/// Multiparts in multiparts that are looked into.
const NESTING: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readable {
    Yes,
    /// Cannot be read, and need not be.
    Skipped,
    No,
    Encrypted,
}

impl Readable {
    fn fails(self) -> bool {
        matches!(self, Readable::No | Readable::Encrypted)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handling {
    Required,
    Optional,
    Unsaid,
}

/// The `handling` of a Content-Disposition (RFC 3261 §20.11); only sessions and what is unsaid are required by default.
fn handling(disposition: Option<&str>) -> Handling {
    let Some(text) = disposition else { return Handling::Unsaid };
    let value = text.split(';').skip(1).filter_map(|param| param.split_once('=')).find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case("handling").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    match value.as_deref() {
        Some("optional") => Handling::Optional,
        Some(_) => Handling::Required,
        None => Handling::Unsaid,
    }
}

fn has_known_scheme(uri: &str) -> bool {
    uri.split_once(':')
        .is_some_and(|(scheme, _)| ["sip", "sips", "tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_written_as_in_counters() {
        assert_eq!(Cause::MethodNotAllowed.to_string(), "method_not_allowed");
        assert_eq!(Cause::Overload.to_string(), "overload");
    }

    #[test]
    fn handling_is_read_whatever_its_spelling() {
        assert_eq!(handling(Some("session; Handling=Optional")), Handling::Optional);
        assert_eq!(handling(Some("signal;handling=\"required\"")), Handling::Required);
        assert_eq!(handling(Some("session")), Handling::Unsaid);
        assert_eq!(handling(None), Handling::Unsaid);
    }

    #[test]
    fn schemes_compare_without_case() {
        assert!(has_known_scheme("SIPS:a@b") && has_known_scheme("tel:+1"));
        assert!(!has_known_scheme("soap.beep://192.0.2.103:3002") && !has_known_scheme("a"));
    }
}
