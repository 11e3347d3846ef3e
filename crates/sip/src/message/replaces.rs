//! Replaces (RFC 3891 §6.1), also embedded in Refer-To (RFC 5589): the dialog that a new INVITE takes the place of.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::params;
use super::{Name, ParseError, Typed, lex};

/// Tags as seen by whoever receives the INVITE: `to_tag` is its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaces {
    pub call_id: String,
    pub to_tag: String,
    pub from_tag: String,
    /// Only if the dialog is not yet confirmed.
    pub early_only: bool,
    /// Other parameters, in order.
    pub params: Vec<(String, Option<String>)>,
}

impl Typed for Replaces {
    const NAME: Name = Name::Replaces;

    fn read(text: &str) -> Result<Replaces, ParseError> {
        let Dialog { call_id, to_tag, from_tag, mut params } = dialog(text)?;
        let early_only = take(&mut params, "early-only").is_some();
        Ok(Replaces { call_id, to_tag, from_tag, early_only, params })
    }
}

type Params = Vec<(String, Option<String>)>;

/// How Replaces and Join name a dialog.
pub(super) struct Dialog {
    pub call_id: String,
    pub to_tag: String,
    pub from_tag: String,
    /// What else was said of it.
    pub params: Params,
}

pub(super) fn dialog(text: &str) -> Result<Dialog, ParseError> {
    let (call_id, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
    let call_id = lex::trim(call_id);
    if call_id.is_empty() || call_id.bytes().any(lex::is_space) {
        return Err(ParseError::new("expected a Call-ID", 0));
    }
    let mut params = params::owned(rest)?;
    match (take(&mut params, "to-tag").flatten(), take(&mut params, "from-tag").flatten()) {
        (Some(to_tag), Some(from_tag)) => Ok(Dialog { call_id: call_id.to_owned(), to_tag, from_tag, params }),
        _ => Err(ParseError::new("expected to-tag and from-tag, each with a value", 0)),
    }
}

fn take(params: &mut Params, wanted: &str) -> Option<Option<String>> {
    let at = params.iter().position(|(name, _)| name == wanted);
    at.map(|at| params.remove(at).1)
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only {
            f.write_str(";early-only")?;
        }
        params::write(f, &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let read = Replaces::read("12adf2f34456gs5;from-tag=f ; To-Tag=t;early-only;x=y").unwrap();
        assert_eq!((read.to_tag.as_str(), read.from_tag.as_str(), read.early_only), ("t", "f", true));
        assert_eq!(read.to_string(), "12adf2f34456gs5;to-tag=t;from-tag=f;early-only;x=y");
        assert_eq!(Replaces::read(&read.to_string()).unwrap(), read);
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in ["", "a", "a;to-tag=t", "a;to-tag;from-tag=f", ";to-tag=t;from-tag=f", "a b;to-tag=t;from-tag=f"] {
            assert!(Replaces::read(text).is_err(), "{text}");
        }
    }
}
