//! One client's stream, whatever carries it: log-in (RFC 6120 §6), a resource (§7), presence (RFC 6121 §4), events.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::Node;
use store::accounts::{Account, NotIn};

use super::{BIND, CLIENT, FRAMING, PUBSUB, PUBSUB_EVENT, SASL, STREAM_ERRORS, STREAMS, iq, pubsub};
use crate::notification::Notification;
use crate::xml::escaped;

/// Wrong passwords of one stream; the accounts count them too, over all streams.
const WRONG: u32 = 3;
/// Event nodes that one client may have subscribed to.
pub(super) const MOST_NODES: usize = 1000;
/// Octets of a resource (RFC 7622 §3.4 allows more).
const LONGEST_RESOURCE: usize = 256;

/// What carries the stream: its beginning and end look different on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// TLS from the first octet (XEP-0368).
    Native,
    /// RFC 7395.
    WebSocket,
    /// XEP-0124 and XEP-0206.
    Bosh,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Output {
    Send(String),
    /// [`Session::logged_in`] is to be told.
    LogIn {
        name: String,
        password: String,
    },
    /// [`Session::subscribed`] is to be told.
    Subscribe {
        iq: iq::Asked,
        node: String,
    },
    /// Whether the client is there: events are for who is.
    Present(bool),
    /// What was sent before is sent, and then this is over.
    Close,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    /// Its stream has not begun.
    New,
    /// May log in.
    Stranger,
    /// A password is being looked at.
    Asking,
    /// Logged in; begins its stream anew.
    Known(Account),
    /// May bind a resource.
    Unbound(Account),
    Bound(Account),
    Over,
}

pub(crate) struct Session {
    transport: Transport,
    pub(super) domain: String,
    /// The stream's; nobody can guess it.
    id: String,
    stage: Stage,
    wrong: u32,
    /// Empty until there is one.
    pub(super) jid: String,
    present: bool,
    pub(super) nodes: BTreeSet<String>,
}

impl Session {
    pub(crate) fn new(transport: Transport, domain: &str, id: String) -> Session {
        Session {
            transport,
            domain: domain.to_owned(),
            id,
            stage: Stage::New,
            wrong: 0,
            jid: String::new(),
            present: false,
            nodes: BTreeSet::new(),
        }
    }

    /// Event nodes that are this client's now; none while it is not present.
    pub(crate) fn nodes(&self) -> Option<&BTreeSet<String>> {
        self.present.then_some(&self.nodes)
    }

    /// Who it is; `None` while nobody knows, or before it has a resource.
    pub(crate) fn account(&self) -> Option<&Account> {
        match &self.stage {
            Stage::Bound(account) => Some(account),
            Stage::New | Stage::Stranger | Stage::Asking | Stage::Known(_) | Stage::Unbound(_) | Stage::Over => None,
        }
    }

    /// Whether the client, having logged in, is to begin its stream anew.
    pub(crate) fn begins_anew(&self) -> bool {
        matches!(self.stage, Stage::Known(_))
    }

    /// The client opened its stream, or began it anew, to this domain.
    pub(crate) fn opened(&mut self, to: Option<&str>) -> Vec<Output> {
        let (id, domain) = (&self.id, escaped(&self.domain));
        let header = match self.transport {
            Transport::Native => format!(
                "<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}' id='{id}' from='{domain}' version='1.0' xml:lang='en'>"
            ),
            Transport::WebSocket => {
                format!("<open xmlns='{FRAMING}' id='{id}' from='{domain}' version='1.0' xml:lang='en'/>")
            }
            Transport::Bosh => String::new(),
        };
        let mut out: Vec<Output> =
            Some(header).filter(|header| !header.is_empty()).map(Output::Send).into_iter().collect();
        if to.is_some_and(|to| !to.eq_ignore_ascii_case(&self.domain)) {
            out.extend(self.fail("host-unknown", &format!("expected to='{}'", self.domain)));
            return out;
        }
        let features = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::New => {
                self.stage = Stage::Stranger;
                format!("<mechanisms xmlns='{SASL}'><mechanism>PLAIN</mechanism></mechanisms>")
            }
            Stage::Known(account) => {
                self.stage = Stage::Unbound(account);
                format!("<bind xmlns='{BIND}'/><session xmlns='{}'><optional/></session>", super::SESSION)
            }
            other => {
                self.stage = other;
                out.extend(self.fail("policy-violation", "a stream begins once, and once more after log-in"));
                return out;
            }
        };
        out.push(Output::Send(format!("<stream:features xmlns:stream='{STREAMS}'>{features}</stream:features>")));
        out
    }

    pub(crate) fn hear(&mut self, stanza: Node<'_, '_>) -> Vec<Output> {
        let (name, namespace) = (stanza.tag_name().name(), stanza.tag_name().namespace().unwrap_or_default());
        match (&self.stage, name, namespace) {
            (Stage::Over, _, _) => Vec::new(),
            (Stage::Stranger, "auth", SASL) => self.auth(stanza),
            (Stage::Stranger, "abort", SASL) => vec![failure("aborted", "")],
            (Stage::Unbound(account), "iq", CLIENT) => {
                let asked = iq::Asked::of(stanza);
                let Some(bind) = iq::child(stanza).filter(|child| child.has_tag_name((BIND, "bind"))) else {
                    return vec![asked.error("cancel", "not-allowed", "bind a resource first")];
                };
                let account = account.clone();
                self.bind(account, &asked, bind)
            }
            (Stage::Bound(_), "iq", CLIENT) => iq::answer(self, stanza),
            (Stage::Bound(_), "presence", CLIENT) => self.presence(stanza),
            (Stage::Bound(_), "message", CLIENT) if stanza.attribute("type") == Some("error") => Vec::new(),
            (Stage::Bound(_), "message", CLIENT) => {
                vec![iq::Asked::of(stanza).error_of(
                    "message",
                    "cancel",
                    "service-unavailable",
                    "nobody reads messages here",
                )]
            }
            (Stage::Bound(_), _, _) => self.fail("unsupported-stanza-type", "expected iq, presence or message"),
            (_, _, _) => self.fail("not-authorized", "expected SASL PLAIN, then a new stream, then a resource"),
        }
    }

    /// PLAIN (RFC 4616): nobody, name, password, between zeros.
    fn auth(&mut self, auth: Node<'_, '_>) -> Vec<Output> {
        if auth.attribute("mechanism") != Some("PLAIN") {
            return self.refused("invalid-mechanism", "expected PLAIN");
        }
        let decoded = STANDARD.decode(auth.text().unwrap_or_default().trim()).ok();
        let decoded = decoded.and_then(|octets| String::from_utf8(octets).ok());
        let Some(said) = decoded else { return self.refused("incorrect-encoding", "expected base64 of UTF-8") };
        let parts: Vec<&str> = said.split('\0').collect();
        let [whom, name, password] = parts.as_slice() else {
            return self.refused("malformed-request", "expected nobody, a name and a password between zeros");
        };
        let name = name.strip_suffix(&format!("@{}", self.domain)).unwrap_or(name);
        if !whom.is_empty() && *whom != name && *whom != self.bare(name) {
            return self.refused("invalid-authzid", "everybody is themselves here");
        }
        self.stage = Stage::Asking;
        vec![Output::LogIn { name: name.replace("\\40", "@"), password: (*password).to_owned() }]
    }

    fn refused(&mut self, condition: &str, words: &str) -> Vec<Output> {
        self.wrong += 1;
        let mut out = vec![failure(condition, words)];
        if self.wrong >= WRONG {
            out.extend(self.fail("policy-violation", "too many failed log-ins"));
        }
        out
    }

    /// What came of [`Output::LogIn`].
    pub(crate) fn logged_in(&mut self, outcome: Result<Account, NotIn>) -> Vec<Output> {
        if self.stage != Stage::Asking {
            return Vec::new();
        }
        self.stage = Stage::Stranger;
        match outcome {
            Ok(account) => {
                self.stage = Stage::Known(account);
                vec![Output::Send(format!("<success xmlns='{SASL}'/>"))]
            }
            Err(refused @ (NotIn::Wrong | NotIn::NoRole(_))) => self.refused("not-authorized", &refused.to_string()),
            Err(refused) => self.refused("temporary-auth-failure", &refused.to_string()),
        }
    }

    /// RFC 6120 §7: the resource that the client names, or one that nobody else has. Two of one name both hear everything.
    fn bind(&mut self, account: Account, asked: &iq::Asked, bind: Node<'_, '_>) -> Vec<Output> {
        let named = bind.children().find(|child| child.has_tag_name((BIND, "resource"))).and_then(|child| child.text());
        let resource = match named.map(str::trim).filter(|named| !named.is_empty()) {
            Some(named) if named.len() > LONGEST_RESOURCE || named.contains(char::is_control) => {
                return vec![asked.error("modify", "bad-request", "expected a resource of at most 256 octets")];
            }
            Some(named) => named.to_owned(),
            None => self.id.chars().take(12).collect(),
        };
        self.jid = format!("{}/{resource}", self.bare(&account.name));
        if let Some(agent) = &account.agent {
            self.nodes.extend([crate::user::uri(agent), crate::dialog::list_uri(agent)]);
        }
        self.nodes.insert(crate::system_info::URI.to_owned());
        self.stage = Stage::Bound(account);
        vec![asked.result(&format!("<bind xmlns='{BIND}'><jid>{}</jid></bind>", escaped(&self.jid)))]
    }

    fn presence(&mut self, presence: Node<'_, '_>) -> Vec<Output> {
        if presence.attribute("to").is_some() {
            return Vec::new();
        }
        let priority = presence.children().find(|child| child.tag_name().name() == "priority");
        let priority: i8 = priority.and_then(|priority| priority.text()?.trim().parse().ok()).unwrap_or(0);
        let present = match presence.attribute("type") {
            None => priority >= 0,
            Some("unavailable") => false,
            Some(_) => return Vec::new(),
        };
        let mut out = Vec::new();
        if present && !self.present {
            // The pseudo-user whose presence says that events are served.
            let (domain, to) = (escaped(&self.domain), escaped(&self.jid));
            out.push(Output::Send(format!("<presence xmlns='{CLIENT}' from='finesse@{domain}' to='{to}'/>")));
        }
        self.present = present;
        out.push(Output::Present(present));
        out
    }

    /// What came of [`Output::Subscribe`].
    pub(crate) fn subscribed(
        &mut self,
        asked: &iq::Asked,
        node: &str,
        outcome: Result<(), crate::Problem>,
    ) -> Vec<Output> {
        vec![iq::subscribed(self, asked, node, outcome)]
    }

    /// An event, numbered, as a pubsub notification (XEP-0060 §7.1.2.1).
    pub(crate) fn event(&self, run: u64, number: u64, notification: &Notification) -> String {
        let Notification { node, update } = notification;
        let (from, to) = (escaped(&pubsub(&self.domain)), escaped(&self.jid));
        let (node, update) = (escaped(node), escaped(update));
        format!(
            "<message xmlns='{CLIENT}' from='{from}' to='{to}' id='{run}-{number}'><event xmlns='{PUBSUB_EVENT}'><items node='{node}'><item id='{run}-{number}'><notification xmlns='{PUBSUB}'>{update}</notification></item></items></event></message>"
        )
    }

    /// Asks the client whether it is there (XEP-0199).
    pub(crate) fn ping(&self) -> String {
        let (domain, to) = (escaped(&self.domain), escaped(&self.jid));
        format!(
            "<iq xmlns='{CLIENT}' type='get' id='there' from='{domain}' to='{to}'><ping xmlns='urn:xmpp:ping'/></iq>"
        )
    }

    /// Ends it with an error of the stream (RFC 6120 §4.9).
    pub(crate) fn fail(&mut self, condition: &str, words: &str) -> Vec<Output> {
        let mut out = vec![Output::Send(stream_error(condition, words))];
        out.extend(self.close());
        out
    }

    /// The client, or we, have done.
    pub(crate) fn close(&mut self) -> Vec<Output> {
        if std::mem::replace(&mut self.stage, Stage::Over) == Stage::Over {
            return vec![Output::Close];
        }
        self.present = false;
        let goodbye = match self.transport {
            Transport::Native => "</stream:stream>".to_owned(),
            Transport::WebSocket => format!("<close xmlns='{FRAMING}'/>"),
            Transport::Bosh => return vec![Output::Present(false), Output::Close],
        };
        vec![Output::Present(false), Output::Send(goodbye), Output::Close]
    }

    pub(super) fn bare(&self, name: &str) -> String {
        // XEP-0106 §4: a name may have what a JID's local part may not.
        format!("{}@{}", name.replace('@', "\\40"), self.domain)
    }
}

fn failure(condition: &str, words: &str) -> Output {
    let words = escaped(words);
    Output::Send(format!("<failure xmlns='{SASL}'><{condition}/><text xml:lang='en'>{words}</text></failure>"))
}

pub(crate) fn stream_error(condition: &str, words: &str) -> String {
    let words = escaped(words);
    format!(
        "<stream:error xmlns:stream='{STREAMS}'><{condition} xmlns='{STREAM_ERRORS}'/><text xmlns='{STREAM_ERRORS}' xml:lang='en'>{words}</text></stream:error>"
    )
}
