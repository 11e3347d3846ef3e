//! History-Info (RFC 7044 §5): which targets a request has had, one entry a target, numbered like the branches of a tree.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Name, NameAddr, ParseError, Reason, Typed};
use crate::uri::Uri;

/// How an entry came to follow another (RFC 7044 §5.1: the parameters rc, mp, np, each naming that other's index).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hop {
    /// `rc`: the same user at another address.
    Registered,
    /// `mp`: another user.
    Mapped,
    /// `np`: no change of target.
    Same,
}

/// One entry. `index` is never empty: `1`, `1.1`, `1.1.2`, …
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryInfo {
    /// Display name, URI (a Reason or Privacy may be in its headers) and other parameters.
    pub target: NameAddr,
    pub index: Vec<u32>,
    pub hop: Option<(Hop, Vec<u32>)>,
}

impl HistoryInfo {
    /// The first entry of a request.
    pub fn first(target: Uri) -> HistoryInfo {
        HistoryInfo { target: NameAddr::new(target), index: vec![1], hop: None }
    }

    /// The entry of the target that comes after this one, as its `nth` branch from 1.
    pub fn branch(&self, target: Uri, hop: Hop, nth: u32) -> HistoryInfo {
        let index = self.index.iter().copied().chain([nth]).collect();
        HistoryInfo { target: NameAddr::new(target), index, hop: Some((hop, self.index.clone())) }
    }

    /// Why the target was left: the Reason in the URI's headers.
    pub fn reason(&self) -> Option<Reason> {
        let (_, value) = self.target.uri.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("Reason"))?;
        Reason::read(value).ok()
    }

    /// The same entry with the Reason for which its target was left.
    pub fn left_for(mut self, reason: &Reason) -> HistoryInfo {
        self.target.uri.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Reason"));
        self.target.uri.headers.push(("Reason".to_owned(), reason.to_string()));
        self
    }
}

impl Typed for HistoryInfo {
    const NAME: Name = Name::HistoryInfo;

    fn read(text: &str) -> Result<HistoryInfo, ParseError> {
        let mut target = NameAddr::parse(text)?;
        let (mut index, mut hop) = (None, None);
        for (name, value) in std::mem::take(&mut target.params) {
            let kind = match name.as_str() {
                "rc" => Some(Hop::Registered),
                "mp" => Some(Hop::Mapped),
                "np" => Some(Hop::Same),
                _ => None,
            };
            match (name.as_str(), kind, value) {
                ("index", _, Some(value)) if index.is_none() => index = Some(numbers(&value)?),
                (_, Some(kind), Some(value)) if hop.is_none() => hop = Some((kind, numbers(&value)?)),
                (_, _, value) => target.params.push((name, value)),
            }
        }
        let index = index.ok_or_else(|| ParseError::new("expected an index such as 1.1", 0))?;
        Ok(HistoryInfo { target, index, hop })
    }
}

impl fmt::Display for HistoryInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = NameAddr { params: Vec::new(), ..self.target.clone() };
        write!(f, "{bare};index={}", Dotted(&self.index))?;
        if let Some((hop, of)) = &self.hop {
            let name = match hop {
                Hop::Registered => "rc",
                Hop::Mapped => "mp",
                Hop::Same => "np",
            };
            write!(f, ";{name}={}", Dotted(of))?;
        }
        super::params::write(f, &self.target.params)
    }
}

struct Dotted<'a>(&'a [u32]);

impl fmt::Display for Dotted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, number) in self.0.iter().enumerate() {
            write!(f, "{}{number}", if n == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

fn numbers(text: &str) -> Result<Vec<u32>, ParseError> {
    let number = |part: &str| part.parse().ok().filter(|_| part.bytes().all(|octet| octet.is_ascii_digit()));
    text.split('.').map(number).collect::<Option<_>>().ok_or_else(|| ParseError::new("expected numbers and dots", 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Status;

    #[test]
    fn reads_and_writes() {
        let text = "<sip:bob@example.com?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1;x=y";
        let read = HistoryInfo::read(text).unwrap();
        assert_eq!((read.index.as_slice(), read.hop.clone()), (&[1, 1][..], Some((Hop::Registered, vec![1]))));
        assert_eq!(read.reason().unwrap().cause, Some(302));
        assert_eq!(HistoryInfo::read(&read.to_string()).unwrap(), read);
        assert_eq!(HistoryInfo::read("\"B\" <sip:b@c>;INDEX=1").unwrap().index, [1]);
    }

    #[test]
    fn a_diverted_call_grows_its_tree() {
        let uri = |text| Uri::parse(text).unwrap();
        let first = HistoryInfo::first(uri("sip:1001@lab.example"));
        let second = first.branch(uri("sip:voicemail@lab.example"), Hop::Mapped, 1);
        assert_eq!(second.to_string(), "<sip:voicemail@lab.example>;index=1.1;mp=1");
        let left = first.left_for(&Reason::sip(Status(486), "Busy Here")).left_for(&Reason::sip(Status(408), "x"));
        assert_eq!(left.reason().unwrap().cause, Some(408));
        assert_eq!(left.target.uri.headers.len(), 1);
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in
            ["", "<sip:b@c>", "<sip:b@c>;index", "<sip:b@c>;index=1.", "<sip:b@c>;index=+1", "<sip:b@c>;index=a"]
        {
            assert!(HistoryInfo::read(text).is_err(), "{text}");
        }
    }
}
