//! Join (RFC 3911 §7.1): the dialog that a new INVITE wants to be mixed with.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::params;
use super::replaces::{Dialog, dialog};
use super::{Name, ParseError, Typed};

/// Tags as seen by whoever receives the INVITE: `to_tag` is its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join {
    pub call_id: String,
    pub to_tag: String,
    pub from_tag: String,
    /// Other parameters, in order.
    pub params: Vec<(String, Option<String>)>,
}

impl Typed for Join {
    const NAME: Name = Name::Join;

    fn read(text: &str) -> Result<Join, ParseError> {
        let Dialog { call_id, to_tag, from_tag, params } = dialog(text)?;
        Ok(Join { call_id, to_tag, from_tag, params })
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        params::write(f, &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let read = Join::read("12adf2f34456gs5 ;from-tag=f; To-Tag=t;x=y").unwrap();
        assert_eq!((read.to_tag.as_str(), read.from_tag.as_str()), ("t", "f"));
        assert_eq!(read.to_string(), "12adf2f34456gs5;to-tag=t;from-tag=f;x=y");
        assert_eq!(Join::read(&read.to_string()).unwrap(), read);
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in ["", "a", "a;to-tag=t", "a;to-tag;from-tag=f", ";to-tag=t;from-tag=f", "a b;to-tag=t;from-tag=f"] {
            assert!(Join::read(text).is_err(), "{text}");
        }
    }
}
