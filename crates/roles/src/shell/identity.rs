//! What a caller is known by besides the number, as it goes on with each INVITE that shows that number: name, asserted
//! identity, who was called before, and what must be hidden of it. Peers that are trusted (RFC 3325 §2.4) are believed, and
//! told all; others what the caller does not mind (RFC 3323 §4.2, RFC 3325 §7, RFC 5806 §4.1, RFC 7044 §10.1).

use serde::{Deserialize, Serialize};
use sip::message::{Diversion, HistoryInfo, Hop, Privacy, Typed};
use sip::{Headers, Message, Name, NameAddr, Uri};

/// More of a kind is not carried on.
const MOST: usize = 16;
/// RFC 3323 §4.1.1.3.
const ANONYMOUS: &str = "anonymous";
const NOWHERE: &str = "anonymous.invalid";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// What From calls itself: this goes on only while this number is shown.
    number: String,
    name: Option<String>,
    /// P-Asserted-Identity, of a trusted peer alone.
    asserted: Vec<NameAddr>,
    privacy: Option<Privacy>,
    diversions: Vec<Diversion>,
    history: Vec<HistoryInfo>,
    /// Targets that this node has tried since: branches of the last entry of the history.
    tried: u32,
}

/// Who calls, as one peer is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    /// Without its tag.
    pub(super) from: NameAddr,
    pub(super) headers: Headers,
}

impl Identity {
    /// What an INVITE says of its caller. Fields that cannot be read are left behind: a call does not fail by its name.
    pub(super) fn of(request: &Message, is_trusted: bool) -> Identity {
        let from = request.from().ok();
        let asserted = if is_trusted { request.addresses(&Name::PAssertedIdentity) } else { Ok(Vec::new()) };
        Identity {
            number: from.as_ref().and_then(|from| from.uri.user.clone()).unwrap_or_default(),
            name: from.and_then(|from| from.display),
            asserted: asserted.unwrap_or_default().into_iter().take(2).collect(),
            privacy: request.typed::<Privacy>().and_then(Result::ok).filter(|privacy| !privacy.is_none()),
            diversions: read(request),
            history: read(request),
            tried: 0,
        }
    }

    /// This node says who calls, whatever the caller wrote: a name that came with another number is not believed.
    pub(super) fn assert(&mut self, who: Uri) {
        let number = who.user.clone().unwrap_or_default();
        self.name = self.name.take().filter(|_| number == self.number);
        (self.number, self.asserted) = (number, vec![NameAddr::new(who)]);
    }

    /// The caller wants neither name nor number known.
    pub(crate) fn is_private(&self) -> bool {
        let hides = |privacy: &Privacy| ["id", "user", "header"].iter().any(|what| privacy.has(what));
        self.privacy.as_ref().is_some_and(hides)
    }

    /// For an INVITE to `target` that shows `number`, from `host`. Another number than the caller's own stands for itself.
    pub(super) fn towards(&mut self, is_trusted: bool, number: &str, host: String, target: &Uri) -> Shown {
        let plain = NameAddr::new(Uri::sip(Some(number), host, None));
        if number != self.number {
            return Shown { from: plain, headers: Headers::new() };
        }
        let hides = self.is_private() && !is_trusted;
        let from = match (&self.name, hides) {
            (_, true) => NameAddr::new(Uri::sip(Some(ANONYMOUS), NOWHERE, None)).with_display("Anonymous"),
            (Some(name), false) => plain.with_display(name),
            (None, false) => plain,
        };
        let mut headers = Headers::new();
        if !hides {
            headers.extend(self.asserted.iter().map(|one| (Name::PAssertedIdentity, one.to_string())));
        }
        if is_trusted {
            headers.extend(self.privacy.iter().map(|privacy| (Privacy::NAME, privacy.to_string())));
        }
        let diversions = self.diversions.iter().map(|one| match is_trusted || !one.is_private() {
            true => one.to_string(),
            false => Diversion(nobody(&one.0)).to_string(),
        });
        headers.extend(diversions.map(|text| (Diversion::NAME, text)));
        let all = hides || self.privacy.as_ref().is_some_and(|privacy| privacy.has("history"));
        let entries = self.history.iter().map(|entry| match is_trusted || !(all || is_hidden(entry)) {
            true => entry.to_string(),
            false => HistoryInfo { target: nobody(&entry.target), ..entry.clone() }.to_string(),
        });
        headers.extend(entries.map(|text| (HistoryInfo::NAME, text)));
        headers.extend(self.next(target).map(|entry| (HistoryInfo::NAME, entry.to_string())));
        Shown { from, headers }
    }

    /// The entry for where the call goes now, where there is a history to go on with (RFC 7044 §10.3).
    fn next(&mut self, target: &Uri) -> Option<HistoryInfo> {
        let last = self.history.last().filter(|_| self.history.len() < MOST)?;
        self.tried += 1;
        let hop = if last.target.uri.user == target.user { Hop::Registered } else { Hop::Mapped };
        Some(last.branch(target.clone(), hop, self.tried))
    }
}

fn read<T: Typed>(request: &Message) -> Vec<T> {
    request.all_typed().map_while(Result::ok).take(MOST).collect()
}

/// The same with nobody's name and address.
fn nobody(somebody: &NameAddr) -> NameAddr {
    let params = somebody.params.clone();
    NameAddr { display: None, uri: Uri::sip(Some(ANONYMOUS), NOWHERE, None), params }
}

/// Its own Privacy (RFC 7044 §5.1), among the headers of its URI.
fn is_hidden(entry: &HistoryInfo) -> bool {
    let headers = &entry.target.uri.headers;
    headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("Privacy") && value.eq_ignore_ascii_case("history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(more: &str) -> Message {
        let text = format!(
            "INVITE sip:6016@sbc.example SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: \"Amber Allen\" <sip:0611@carrier.example>;tag=a\r\nTo: <sip:6016@sbc.example>\r\nCall-ID: 1\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:0611@192.0.2.1>\r\n{more}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into()).unwrap()
    }

    /// The field lines that a peer is told by, From first.
    fn told(more: &str, from_trusted: bool, to_trusted: bool, number: &str) -> Vec<String> {
        let mut identity = Identity::of(&invite(more), from_trusted);
        let target = Uri::sip(Some("6016"), "cvp.example", None);
        let shown = identity.towards(to_trusted, number, "198.51.100.1".into(), &target);
        let headers = shown.headers.iter().map(|(name, value)| format!("{}: {value}", name.as_str()));
        std::iter::once(shown.from.to_string()).chain(headers).collect()
    }

    const ASSERTED: &str = "P-Asserted-Identity: <sip:0611@carrier.example>, <tel:+49611>\r\n";

    #[test]
    fn a_name_goes_on_with_its_number_and_not_with_another() {
        assert_eq!(told("", false, false, "0611"), ["\"Amber Allen\" <sip:0611@198.51.100.1>"]);
        assert_eq!(told(ASSERTED, true, true, "6000"), ["<sip:6000@198.51.100.1>"]);
    }

    #[test]
    fn an_identity_is_believed_of_those_who_are_trusted() {
        let asserted =
            ["P-Asserted-Identity: <sip:0611@carrier.example>", "P-Asserted-Identity: <tel:+49611>"].map(str::to_owned);
        assert_eq!(told(ASSERTED, true, true, "0611")[1..], asserted);
        assert_eq!(told(ASSERTED, true, false, "0611")[1..], asserted);
        assert_eq!(told(ASSERTED, false, true, "0611").len(), 1);
    }

    #[test]
    fn who_wants_privacy_has_it_from_those_who_are_not_trusted() {
        let private = format!("{ASSERTED}Privacy: id\r\n");
        assert_eq!(told(&private, true, false, "0611"), ["\"Anonymous\" <sip:anonymous@anonymous.invalid>"]);
        let within = told(&private, true, true, "0611");
        assert_eq!((within.len(), within[3].as_str()), (4, "Privacy: id"), "{within:?}");
        assert_eq!(told("Privacy: none\r\n", true, false, "0611"), ["\"Amber Allen\" <sip:0611@198.51.100.1>"]);
    }

    #[test]
    fn who_sent_the_call_on_is_told_unless_they_mind() {
        let lines =
            "Diversion: <sip:6000@a.example>;reason=no-answer;privacy=full, <sip:6001@a.example>;reason=user-busy\r\n";
        let told = told(lines, true, false, "0611");
        assert_eq!(told[1], "Diversion: <sip:anonymous@anonymous.invalid>;reason=no-answer;privacy=full");
        assert_eq!(told[2], "Diversion: <sip:6001@a.example>;reason=user-busy");
    }

    #[test]
    fn a_history_grows_by_where_the_call_goes() {
        let lines =
            "History-Info: <sip:6000@a.example?Privacy=history>;index=1,<sip:6016@a.example>;index=1.1;mp=1\r\n";
        let within = told(lines, true, true, "0611");
        assert_eq!(within[1], "History-Info: <sip:6000@a.example?Privacy=history>;index=1");
        assert_eq!(within[3], "History-Info: <sip:6016@cvp.example>;index=1.1.1;rc=1.1");
        assert_eq!(told(lines, true, false, "0611")[1], "History-Info: <sip:anonymous@anonymous.invalid>;index=1");
        assert_eq!(told(lines, true, false, "0611")[2], "History-Info: <sip:6016@a.example>;index=1.1;mp=1");
    }

    #[test]
    fn what_cannot_be_read_is_left_behind() {
        let lines = "History-Info: rubbish\r\nDiversion: <\r\nP-Asserted-Identity: <<\r\nPrivacy: \"\r\n";
        assert_eq!(told(lines, true, true, "0611"), ["\"Amber Allen\" <sip:0611@198.51.100.1>"]);
    }
}
