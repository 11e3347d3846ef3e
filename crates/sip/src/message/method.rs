//! Request methods (RFC 3261 §7.1 and the extensions that the field uses). Case matters: `invite` is not INVITE.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::lex;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Register,
    Prack,
    Update,
    Refer,
    Notify,
    Subscribe,
    Publish,
    Info,
    Message,
    Other(String),
}

const KNOWN: [(&str, Method); 14] = [
    ("INVITE", Method::Invite),
    ("ACK", Method::Ack),
    ("BYE", Method::Bye),
    ("CANCEL", Method::Cancel),
    ("OPTIONS", Method::Options),
    ("REGISTER", Method::Register),
    ("PRACK", Method::Prack),
    ("UPDATE", Method::Update),
    ("REFER", Method::Refer),
    ("NOTIFY", Method::Notify),
    ("SUBSCRIBE", Method::Subscribe),
    ("PUBLISH", Method::Publish),
    ("INFO", Method::Info),
    ("MESSAGE", Method::Message),
];

impl Method {
    /// `None` when `text` is not a token (RFC 3261 §25.1).
    pub fn parse(text: &str) -> Option<Method> {
        if let Some((_, method)) = KNOWN.iter().find(|(name, _)| *name == text) {
            return Some(method.clone());
        }
        lex::is_token(text).then(|| Method::Other(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Options => "OPTIONS",
            Method::Register => "REGISTER",
            Method::Prack => "PRACK",
            Method::Update => "UPDATE",
            Method::Refer => "REFER",
            Method::Notify => "NOTIFY",
            Method::Subscribe => "SUBSCRIBE",
            Method::Publish => "PUBLISH",
            Method::Info => "INFO",
            Method::Message => "MESSAGE",
            Method::Other(name) => name,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_method_reads_back_as_itself() {
        for (text, method) in KNOWN {
            assert_eq!(Method::parse(text), Some(method.clone()));
            assert_eq!(method.as_str(), text);
        }
    }

    #[test]
    fn case_matters_and_escapes_do_not_count() {
        assert_eq!(Method::parse("invite"), Some(Method::Other("invite".into())));
        assert_eq!(Method::parse("RE%47IST%45R"), Some(Method::Other("RE%47IST%45R".into())));
        assert_eq!(Method::parse("IN VITE"), None);
        assert_eq!(Method::parse(""), None);
    }
}
