//! Messages that wait: `application/simple-message-summary` (RFC 3842 §5).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::package::Package;
use crate::message::{Body, ParseError};

/// New and old messages of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub new: u32,
    pub old: u32,
    /// How many of them are urgent; 0 and 0 are left out.
    pub urgent_new: u32,
    pub urgent_old: u32,
}

/// What lights a lamp.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageSummary {
    pub waiting: bool,
    /// Whom to call to hear them: a URI.
    pub account: Option<String>,
    pub voice: Option<Count>,
    pub fax: Option<Count>,
}

impl MessageSummary {
    pub fn to_body(&self) -> Body {
        Body::new(Package::MessageSummary.media_type(), self.to_string())
    }
}

impl fmt::Display for MessageSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Messages-Waiting: {}\r\n", if self.waiting { "yes" } else { "no" })?;
        // A line end in an account would begin a field of its own.
        if let Some(account) = self.account.as_deref().filter(|text| !text.contains(['\r', '\n'])) {
            write!(f, "Message-Account: {account}\r\n")?;
        }
        for (name, count) in [("Voice-Message", self.voice), ("Fax-Message", self.fax)] {
            let Some(Count { new, old, urgent_new, urgent_old }) = count else { continue };
            write!(f, "{name}: {new}/{old}")?;
            if (urgent_new, urgent_old) != (0, 0) {
                write!(f, " ({urgent_new}/{urgent_old})")?;
            }
            f.write_str("\r\n")?;
        }
        Ok(())
    }
}

impl FromStr for MessageSummary {
    type Err = ParseError;

    /// Fields and kinds that are not known are passed over; `Messages-Waiting` must be there.
    fn from_str(text: &str) -> Result<MessageSummary, ParseError> {
        let mut summary = MessageSummary::default();
        let mut said = false;
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "messages-waiting" => {
                    summary.waiting = value.eq_ignore_ascii_case("yes");
                    said = summary.waiting || value.eq_ignore_ascii_case("no");
                }
                "message-account" => summary.account = Some(value.to_owned()),
                "voice-message" => summary.voice = Some(count(value)?),
                "fax-message" => summary.fax = Some(count(value)?),
                _ => {}
            }
        }
        match said {
            true => Ok(summary),
            false => Err(ParseError::new("expected `Messages-Waiting: yes` or `no`", 0)),
        }
    }
}

/// `new/old` and, in parentheses, the urgent ones.
fn count(text: &str) -> Result<Count, ParseError> {
    let (all, urgent) = text.split_once('(').unwrap_or((text, ""));
    let pair = |text: &str| {
        let (new, old) = text.trim().split_once('/')?;
        Some((new.trim().parse().ok()?, old.trim().parse().ok()?))
    };
    let urgent = urgent.trim().trim_end_matches(')');
    let (urgent_new, urgent_old) = if urgent.is_empty() { Some((0, 0)) } else { pair(urgent) }.unwrap_or((0, 0));
    let (new, old) = pair(all).ok_or_else(|| ParseError::new("expected new/old, two numbers", 0))?;
    Ok(Count { new, old, urgent_new, urgent_old })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let text =
            "Messages-Waiting: yes\r\nMessage-Account: sip:voicemail@lab.example\r\nVoice-Message: 2/8 (0/2)\r\n";
        let summary: MessageSummary = text.parse().unwrap();
        let count = Count { new: 2, old: 8, urgent_new: 0, urgent_old: 2 };
        assert_eq!((summary.waiting, summary.voice, summary.fax), (true, Some(count), None));
        assert_eq!(summary.to_string(), text);
        assert_eq!(summary.to_body().content_type, "application/simple-message-summary");
        let other: MessageSummary = "messages-waiting : NO\nFax-Message: 1/0\nX: y\n".parse().unwrap();
        assert_eq!((other.waiting, other.fax.unwrap().new), (false, 1));
    }

    #[test]
    fn what_is_not_one_is_refused_and_an_account_adds_no_line() {
        for text in ["", "Voice-Message: 1/0", "Messages-Waiting: perhaps", "Messages-Waiting: yes\nVoice-Message: one"]
        {
            assert!(text.parse::<MessageSummary>().is_err(), "{text}");
        }
        let evil = MessageSummary { account: Some("a\r\nMessages-Waiting: yes".into()), ..MessageSummary::default() };
        assert_eq!(evil.to_string(), "Messages-Waiting: no\r\n");
    }
}
