//! Refer-To (RFC 3515 §2.1) and Referred-By (RFC 3892 §3).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Method, Name, NameAddr, ParseError, Replaces, Typed};
use crate::uri::Uri;

/// Whom to call instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferTo(pub NameAddr);

impl ReferTo {
    /// The method of the request to send: INVITE unless the URI says otherwise.
    pub fn method(&self) -> Method {
        self.0.uri.param("method").flatten().and_then(Method::parse).unwrap_or(Method::Invite)
    }

    /// The dialog to replace, for an attended transfer.
    pub fn replaces(&self) -> Option<Result<Replaces, ParseError>> {
        let (_, value) = self.0.uri.headers.iter().find(|(name, _)| Name::new(name) == Name::Replaces)?;
        Some(Replaces::read(value))
    }

    /// The URI to put into the request line: without method and embedded header fields.
    pub fn target(&self) -> Uri {
        let mut uri = self.0.uri.clone().without_headers();
        uri.params.retain(|(name, _)| name != "method");
        uri
    }
}

impl Typed for ReferTo {
    const NAME: Name = Name::ReferTo;

    fn read(text: &str) -> Result<ReferTo, ParseError> {
        NameAddr::parse(text).map(ReferTo)
    }
}

impl fmt::Display for ReferTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who asked for the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferredBy(pub NameAddr);

impl ReferredBy {
    /// Content-ID of the body part that proves it, without the angle brackets.
    pub fn cid(&self) -> Option<String> {
        let cid = self.0.param("cid")?;
        Some(cid.trim_start_matches('<').trim_end_matches('>').to_owned())
    }
}

impl Typed for ReferredBy {
    const NAME: Name = Name::ReferredBy;

    fn read(text: &str) -> Result<ReferredBy, ParseError> {
        NameAddr::parse(text).map(ReferredBy)
    }
}

impl fmt::Display for ReferredBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attended_transfer() {
        let text = "<sip:dave@denver.example.org;transport=tls?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994>";
        let refer = ReferTo::read(text).unwrap();
        let replaces = refer.replaces().unwrap().unwrap();
        assert_eq!((replaces.call_id.as_str(), replaces.from_tag.as_str()), ("12345@192.168.118.3", "5FFE-3994"));
        assert_eq!(refer.target().to_string(), "sip:dave@denver.example.org;transport=tls");
        assert_eq!(refer.method(), Method::Invite);
        assert_eq!(ReferTo::read(&refer.to_string()).unwrap(), refer);
    }

    #[test]
    fn blind_transfer() {
        let refer = ReferTo::read("sip:carol@cleveland.example.org").unwrap();
        assert!(refer.replaces().is_none());
        let subscribe = ReferTo::read("<sip:carol@cleveland.example.org;method=SUBSCRIBE>").unwrap();
        assert_eq!(subscribe.method(), Method::Subscribe);
        assert_eq!(subscribe.target().to_string(), "sip:carol@cleveland.example.org");
        assert!(ReferTo::read("carol").is_err());
    }

    #[test]
    fn referred_by() {
        let by = ReferredBy::read("sip:r@ref.example;cid=\"<2UWQFN309shb3@ref.example>\"").unwrap();
        assert_eq!(by.cid().unwrap(), "2UWQFN309shb3@ref.example");
        assert_eq!(ReferredBy::read("<sip:r@ref.example>").unwrap().cid(), None);
    }
}
