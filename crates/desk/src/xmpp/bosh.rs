//! BOSH (XEP-0124, XEP-0206): bodies, and the window of requests, in whatever order they come.

use std::collections::BTreeMap;

use roxmltree::Node;

use super::{STREAMS, parse};
use crate::xml::escaped;

const HTTP_BIND: &str = "http://jabber.org/protocol/httpbind";
const XBOSH: &str = "urn:xmpp:xbosh";
/// Requests of one client at once: one that waits for events, and one that says something.
pub(crate) const REQUESTS: u64 = 2;
/// The longest that a request is held, in seconds.
pub(crate) const WAIT_S: u64 = 60;
/// Without a request for as long, in seconds, the client is gone.
pub(crate) const INACTIVITY_S: u64 = 60;
/// The largest number that every client can count to (XEP-0124 §14.1).
const LARGEST_RID: u64 = (1 << 53) - 1;

/// A request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    text: String,
    pub(crate) rid: u64,
    /// None: a session is asked for.
    pub(crate) sid: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) wait_s: u64,
    pub(crate) terminate: bool,
    pub(crate) restart: bool,
}

impl Body {
    /// # Errors
    /// It is none: what was expected.
    pub(crate) fn read(text: String) -> Result<Body, String> {
        let document = parse(&text).map_err(|error| format!("expected a <body> in XML: {error}"))?;
        let root = document.root_element();
        if !root.has_tag_name((HTTP_BIND, "body")) {
            return Err(format!("expected a <body xmlns='{HTTP_BIND}'>"));
        }
        let rid = root.attribute("rid").and_then(|rid| rid.parse().ok()).filter(|rid| (1..LARGEST_RID).contains(rid));
        let rid = rid.ok_or("expected rid to be a whole number below 2 to the power of 53")?;
        let of = |name| root.attribute(name).map(str::to_owned);
        let wait_s = of("wait").and_then(|wait| wait.parse().ok()).unwrap_or(WAIT_S).clamp(1, WAIT_S);
        let (sid, to, terminate) = (of("sid"), of("to"), root.attribute("type") == Some("terminate"));
        let restart = root.attribute((XBOSH, "restart")) == Some("true");
        drop(document);
        Ok(Body { text, rid, sid, to, wait_s, terminate, restart })
    }

    /// Its stanzas, one by one.
    pub(crate) fn stanzas(&self) -> Vec<String> {
        // It was read before.
        let Ok(document) = parse(&self.text) else { return Vec::new() };
        let elements = document.root_element().children().filter(Node::is_element);
        elements.filter_map(|element| Some(self.text.get(element.range())?.to_owned())).collect()
    }
}

/// An answer with these stanzas.
pub(crate) fn answer(stanzas: &str) -> String {
    format!("<body xmlns='{HTTP_BIND}' xmlns:stream='{STREAMS}'>{stanzas}</body>")
}

/// The answer that makes a session (XEP-0124 §7.2).
pub(crate) fn made(sid: &str, domain: &str, wait_s: u64, stanzas: &str) -> String {
    let domain = escaped(domain);
    format!(
        "<body xmlns='{HTTP_BIND}' xmlns:stream='{STREAMS}' xmlns:xmpp='{XBOSH}' sid='{sid}' authid='{sid}' from='{domain}' wait='{wait_s}' hold='1' requests='{REQUESTS}' inactivity='{INACTIVITY_S}' ver='1.6' secure='true' xmpp:version='1.0' xmpp:restartlogic='true'>{stanzas}</body>"
    )
}

/// The answer that ends one; without a condition it was the client's wish (XEP-0124 §13, §17).
pub(crate) fn terminated(condition: Option<&str>, stanzas: &str) -> String {
    let condition = condition.map(|condition| format!(" condition='{condition}'")).unwrap_or_default();
    format!("<body xmlns='{HTTP_BIND}' xmlns:stream='{STREAMS}' type='terminate'{condition}>{stanzas}</body>")
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Those that stand in line are to be taken, with [`Window::take`].
    InLine,
    /// Its answer is known: the client did not get it, and has it once more.
    Again(String),
    /// It is being answered by another request of this number, which this one replaces.
    Instead,
    /// No request can have this number: the session is over (XEP-0124 §14.2).
    Outside,
}

/// Numbers of one session's requests. `T` is what waits with one.
#[derive(Debug)]
pub(crate) struct Window<T> {
    /// The number that is next.
    next: u64,
    early: BTreeMap<u64, T>,
    answered: BTreeMap<u64, String>,
}

impl<T> Window<T> {
    /// After the request of this number.
    pub(crate) fn after(rid: u64) -> Window<T> {
        Window { next: rid + 1, early: BTreeMap::new(), answered: BTreeMap::new() }
    }

    /// Where a request of this number stands; it is kept if it is [`Place::InLine`], else given back.
    pub(crate) fn put(&mut self, rid: u64, request: T) -> (Place, Option<T>) {
        if let Some(answer) = self.answered.get(&rid) {
            return (Place::Again(answer.clone()), Some(request));
        }
        match rid {
            rid if (self.next..self.next + REQUESTS).contains(&rid) => {
                self.early.insert(rid, request);
                (Place::InLine, None)
            }
            rid if rid < self.next && rid + REQUESTS >= self.next => (Place::Instead, Some(request)),
            _ => (Place::Outside, Some(request)),
        }
    }

    /// The next in order, if it is there.
    pub(crate) fn take(&mut self) -> Option<T> {
        let request = self.early.remove(&self.next)?;
        self.next += 1;
        Some(request)
    }

    /// This is what it was answered; kept as long as a client may ask for it again.
    pub(crate) fn answered(&mut self, rid: u64, answer: &str) {
        self.answered.insert(rid, answer.to_owned());
        while self.answered.len() > REQUESTS as usize + 1 {
            self.answered.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_taken_in_their_order_and_answered_again_when_asked_again() {
        let mut window = Window::after(10);
        assert_eq!(window.put(12, 'b'), (Place::InLine, None));
        assert_eq!(window.take(), None);
        assert_eq!(window.put(11, 'a'), (Place::InLine, None));
        assert_eq!((window.take(), window.take(), window.take()), (Some('a'), Some('b'), None));
        window.answered(11, "one");
        assert_eq!(window.put(11, 'x'), (Place::Again("one".into()), Some('x')));
        assert_eq!(window.put(12, 'x'), (Place::Instead, Some('x')));
        for outside in [5, 9, 15, 1000] {
            assert_eq!(window.put(outside, 'x').0, Place::Outside, "{outside}");
        }
        for rid in 12..20 {
            window.answered(rid, "later");
        }
        assert_eq!(window.answered.len(), 3);
    }

    #[test]
    fn bodies_are_read_or_it_is_said_why_not() {
        let good = format!(
            "<body xmlns='{HTTP_BIND}' rid='7' to='d' wait='900' xmlns:xmpp='{XBOSH}' xmpp:restart='true'><a/><b xmlns='x'/></body>"
        );
        let body = Body::read(good).unwrap();
        assert_eq!((body.rid, body.wait_s, body.restart, body.sid.is_none()), (7, WAIT_S, true, true));
        assert_eq!(body.stanzas(), ["<a/>", "<b xmlns='x'/>"]);
        let bomb = format!("<!DOCTYPE b [<!ENTITY c 'cc'>]><body xmlns='{HTTP_BIND}' rid='1'>&c;</body>");
        let deep = format!("<body xmlns='{HTTP_BIND}' rid='1'>{}</body>", "<a>".repeat(5000));
        let no_rid = format!("<body xmlns='{HTTP_BIND}'/>");
        let large_rid = format!("<body xmlns='{HTTP_BIND}' rid='9007199254740993'/>");
        for bad in ["", "<body rid='1'/>", "{}", &bomb, &deep, &no_rid, &large_rid] {
            assert!(Body::read(bad.to_owned()).is_err(), "{bad:.50}");
        }
    }
}
