//! Requests of a client who has a resource: subscriptions (XEP-0060 §6), and what clients ask of every server.

use roxmltree::Node;

use super::session::{MOST_NODES, Output, Session};
use super::{CLIENT, PUBSUB, SESSION, STANZA_ERRORS, pubsub};
use crate::Problem;
use crate::xml::escaped;

const ROSTER: &str = "jabber:iq:roster";
const PING: &str = "urn:xmpp:ping";
const INFO: &str = "http://jabber.org/protocol/disco#info";
const ITEMS: &str = "http://jabber.org/protocol/disco#items";

/// A stanza that is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    id: String,
    /// Whom it was for; the answer is theirs.
    to: Option<String>,
}

impl Asked {
    pub(super) fn of(stanza: Node<'_, '_>) -> Asked {
        let of = |name| stanza.attribute(name).map(str::to_owned);
        Asked { id: of("id").unwrap_or_default(), to: of("to") }
    }

    pub(super) fn result(&self, inside: &str) -> Output {
        Output::Send(format!("{}>{inside}</iq>", self.head("iq", "result")))
    }

    /// RFC 6120 §8.3.
    pub(super) fn error(&self, kind: &str, condition: &str, words: &str) -> Output {
        self.error_of("iq", kind, condition, words)
    }

    pub(super) fn error_of(&self, stanza: &str, kind: &str, condition: &str, words: &str) -> Output {
        let (head, words) = (self.head(stanza, "error"), escaped(words));
        Output::Send(format!(
            "{head}><error type='{kind}'><{condition} xmlns='{STANZA_ERRORS}'/><text xmlns='{STANZA_ERRORS}' xml:lang='en'>{words}</text></error></{stanza}>"
        ))
    }

    fn head(&self, stanza: &str, kind: &str) -> String {
        let from = self.to.as_deref().map(|to| format!(" from='{}'", escaped(to))).unwrap_or_default();
        format!("<{stanza} xmlns='{CLIENT}' type='{kind}' id='{}'{from}", escaped(&self.id))
    }
}

pub(super) fn child<'a, 'input>(stanza: Node<'a, 'input>) -> Option<Node<'a, 'input>> {
    stanza.children().find(|child| child.is_element())
}

pub(super) fn answer(session: &mut Session, stanza: Node<'_, '_>) -> Vec<Output> {
    let asked = Asked::of(stanza);
    let set = match stanza.attribute("type") {
        Some("get") => false,
        Some("set") => true,
        // An answer, to our asking whether it is there.
        Some("result" | "error") => return Vec::new(),
        _ => return vec![asked.error("modify", "bad-request", "expected type='get' or type='set'")],
    };
    let Some(child) = child(stanza) else {
        return vec![asked.error("modify", "bad-request", "expected an element that says what is asked for")];
    };
    let (name, namespace) = (child.tag_name().name(), child.tag_name().namespace().unwrap_or_default());
    let service = asked.to.as_deref() == Some(pubsub(&session.domain).as_str());
    vec![match (set, name, namespace) {
        (true, "session", SESSION) => asked.result(""),
        (false, "ping", PING) => asked.result(""),
        (false, "query", ROSTER) => asked.result(&format!("<query xmlns='{ROSTER}'/>")),
        (false, "query", INFO) => {
            let identity = match service {
                true => "<identity category='pubsub' type='service'/>",
                false => "<identity category='server' type='im'/>",
            };
            let features = [INFO, ITEMS, PING, PUBSUB, &format!("{PUBSUB}#subscribe")]
                .map(|feature| format!("<feature var='{feature}'/>"))
                .concat();
            asked.result(&format!("<query xmlns='{INFO}'>{identity}{features}</query>"))
        }
        (false, "query", ITEMS) => {
            let items = match service {
                true => String::new(),
                false => format!("<item jid='{}'/>", escaped(&pubsub(&session.domain))),
            };
            asked.result(&format!("<query xmlns='{ITEMS}'>{items}</query>"))
        }
        (_, "pubsub", PUBSUB) if service => return subscriptions(session, &asked, set, child),
        _ => asked.error("cancel", "service-unavailable", "not served here: docs/desk.md lists what is"),
    }]
}

fn subscriptions(session: &mut Session, asked: &Asked, set: bool, pubsub: Node<'_, '_>) -> Vec<Output> {
    let Some(verb) = child(pubsub) else {
        return vec![asked.error("modify", "bad-request", "expected subscribe, unsubscribe or subscriptions")];
    };
    let (node, jid) =
        (verb.attribute("node").unwrap_or_default().to_owned(), verb.attribute("jid").unwrap_or_default());
    let bare = session.jid.split('/').next().unwrap_or_default();
    let own = jid == session.jid || jid == bare;
    vec![match (set, verb.tag_name().name()) {
        (true, "subscribe" | "unsubscribe") if !own => {
            asked.error("modify", "bad-request", "expected jid to be the client's own")
        }
        (true, "subscribe") if session.nodes.len() >= MOST_NODES => {
            asked.error("wait", "policy-violation", "a client has at most 1,000 subscriptions")
        }
        (true, "subscribe") => return vec![Output::Subscribe { iq: asked.clone(), node }],
        (true, "unsubscribe") => match session.nodes.remove(&node) {
            true => asked.result(""),
            false => asked.error("cancel", "unexpected-request", "there is no such subscription"),
        },
        (false, "subscriptions") => {
            let all = session.nodes.iter().map(|node| subscription(session, node)).collect::<String>();
            asked.result(&format!("<pubsub xmlns='{PUBSUB}'><subscriptions>{all}</subscriptions></pubsub>"))
        }
        _ => asked.error("cancel", "feature-not-implemented", "expected subscribe, unsubscribe or subscriptions"),
    }]
}

pub(super) fn subscribed(session: &mut Session, asked: &Asked, node: &str, outcome: Result<(), Problem>) -> Output {
    match outcome {
        Ok(()) => {
            session.nodes.insert(node.to_owned());
            asked.result(&format!("<pubsub xmlns='{PUBSUB}'>{}</pubsub>", subscription(session, node)))
        }
        Err(problem) => match problem.status {
            401 | 403 => asked.error("auth", "forbidden", &problem.message),
            503 => asked.error("wait", "service-unavailable", &problem.message),
            _ => asked.error("cancel", "item-not-found", &problem.message),
        },
    }
}

fn subscription(session: &Session, node: &str) -> String {
    let (node, jid) = (escaped(node), escaped(&session.jid));
    format!("<subscription node='{node}' jid='{jid}' subscription='subscribed'/>")
}
