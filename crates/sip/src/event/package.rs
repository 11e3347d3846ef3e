//! Event packages: what each is called, what its bodies are, how long its subscriptions last, and how fast it may tell.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::EventHeader;
use crate::message::{Headers, Message, Name, Status, Typed};

/// The packages that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Package {
    /// State of calls (RFC 4235).
    Dialog,
    /// State of people (RFC 3856).
    Presence,
    /// Messages that wait (RFC 3842).
    MessageSummary,
    /// State of registrations (RFC 3680).
    Reg,
    /// What became of a REFER (RFC 3515).
    Refer,
}

/// How long a subscription or publication may last, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub least: u32,
    pub most: u32,
    /// Without an Expires of the asker's.
    pub usual: u32,
}

/// A request that must be answered with an error, and the fields of that answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: Status,
    pub headers: Headers,
}

impl Package {
    pub const ALL: [Package; 5] =
        [Package::Dialog, Package::Presence, Package::MessageSummary, Package::Reg, Package::Refer];

    /// As in `Event`.
    pub fn name(self) -> &'static str {
        match self {
            Package::Dialog => "dialog",
            Package::Presence => "presence",
            Package::MessageSummary => "message-summary",
            Package::Reg => "reg",
            Package::Refer => "refer",
        }
    }

    /// Media type of a NOTIFY's body.
    pub fn media_type(self) -> &'static str {
        match self {
            Package::Dialog => "application/dialog-info+xml",
            Package::Presence => "application/pidf+xml",
            Package::MessageSummary => "application/simple-message-summary",
            Package::Reg => "application/reginfo+xml",
            Package::Refer => "message/sipfrag",
        }
    }

    /// The RFC's default duration, at least a minute, at most a day.
    pub fn terms(self) -> Terms {
        let usual = match self {
            Package::Dialog | Package::Presence | Package::MessageSummary => 3600,
            Package::Reg => 3761,
            // RFC 3515 leaves it open; long enough for a transfer that rings.
            Package::Refer => 300,
        };
        Terms { least: 60, most: 86_400, usual }
    }

    /// The shortest time between two NOTIFYs of one subscription: dialog 1 s (RFC 4235 §3.9), presence and reg 5 s
    /// (RFC 3856 §6.10, RFC 3680 §4.10), waiting messages 1 s (RFC 3842 §3.9), REFER none.
    pub fn pace(self) -> Duration {
        Duration::from_secs(match self {
            Package::Dialog | Package::MessageSummary => 1,
            Package::Presence | Package::Reg => 5,
            Package::Refer => 0,
        })
    }

    /// The package that a SUBSCRIBE or PUBLISH names; 489 with `Allow-Events` for one that is not among `offered`, as for
    /// a request without any (RFC 6665 §4.2.1.3, RFC 3903 §6).
    pub fn asked(request: &Message, offered: &[Package]) -> Result<Package, Refused> {
        let named = request.header(&Name::Event).and_then(|text| EventHeader::read(text).ok());
        let known = named.and_then(|event| offered.iter().copied().find(|package| package.name() == event.package));
        known.ok_or_else(|| {
            let names: Vec<&str> = offered.iter().map(|package| package.name()).collect();
            Refused { status: Status(489), headers: vec![(Name::AllowEvents, names.join(", "))] }
        })
    }
}

impl Terms {
    /// The duration that is granted: what was asked, at most the most; 0 ends. 423 with `Min-Expires` for too little
    /// (RFC 6665 §4.2.1.1, RFC 3903 §6).
    pub fn grant(self, asked: Option<u32>) -> Result<u32, Refused> {
        match asked {
            None => Ok(self.usual),
            Some(0) => Ok(0),
            Some(asked) if asked < self.least => {
                Err(Refused { status: Status(423), headers: vec![(Name::MinExpires, self.least.to_string())] })
            }
            Some(asked) => Ok(asked.min(self.most)),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn subscribe(event: &str) -> Message {
        let text = format!(
            "SUBSCRIBE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=1\r\nTo: <sip:a@b>\r\n\
             Call-ID: x\r\nCSeq: 1 SUBSCRIBE\r\n{event}\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    #[test]
    fn a_package_that_is_not_offered_is_489_and_the_others_are_named() {
        let offered = [Package::Dialog, Package::MessageSummary];
        assert_eq!(Package::asked(&subscribe("o: message-summary;id=4\r\n"), &offered), Ok(Package::MessageSummary));
        for event in ["Event: presence\r\n", "Event: Dialog\r\n", ""] {
            let refused = Package::asked(&subscribe(event), &offered).unwrap_err();
            assert_eq!(refused.status, Status(489), "{event}");
            assert_eq!(refused.headers, [(Name::AllowEvents, "dialog, message-summary".to_owned())]);
        }
    }

    #[test]
    fn durations_are_granted_shortened_or_refused() {
        let terms = Package::Reg.terms();
        assert_eq!(
            [None, Some(0), Some(60), Some(1_000_000)].map(|asked| terms.grant(asked).unwrap()),
            [3761, 0, 60, 86_400]
        );
        let refused = terms.grant(Some(59)).unwrap_err();
        assert_eq!((refused.status, refused.headers), (Status(423), vec![(Name::MinExpires, "60".to_owned())]));
    }

    #[test]
    fn names_and_bodies_are_told_apart() {
        for (n, package) in Package::ALL.iter().enumerate() {
            assert!(Package::ALL[..n].iter().all(|other| other.name() != package.name()));
            assert!(package.media_type().contains('/'));
        }
    }
}
