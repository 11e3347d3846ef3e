//! Subscription-State (RFC 6665 §4.1.3, §8.2.3).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::params;
use super::{Name, ParseError, Typed, lex};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Substate {
    Active,
    Pending,
    Terminated,
    Other(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionState {
    pub state: Substate,
    /// In order: `expires`, `reason`, `retry-after` and others.
    pub params: Vec<(String, Option<String>)>,
}

impl SubscriptionState {
    /// `active;expires=…`, in seconds.
    pub fn active(expires: u32) -> SubscriptionState {
        SubscriptionState { state: Substate::Active, params: vec![("expires".into(), Some(expires.to_string()))] }
    }

    /// `terminated;reason=…` (`noresource` when what was watched has ended).
    pub fn terminated(reason: &str) -> SubscriptionState {
        SubscriptionState { state: Substate::Terminated, params: vec![("reason".into(), Some(reason.into()))] }
    }

    pub fn is_terminated(&self) -> bool {
        self.state == Substate::Terminated
    }

    pub fn expires(&self) -> Option<u32> {
        lex::delta_seconds(self.value("expires")?)
    }

    pub fn reason(&self) -> Option<&str> {
        self.value("reason")
    }

    /// Seconds.
    pub fn retry_after(&self) -> Option<u32> {
        lex::delta_seconds(self.value("retry-after")?)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| n == name)?.1.as_deref()
    }
}

impl Typed for SubscriptionState {
    const NAME: Name = Name::SubscriptionState;

    fn read(text: &str) -> Result<SubscriptionState, ParseError> {
        let (state, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let state = match lex::trim(state).to_ascii_lowercase().as_str() {
            "active" => Substate::Active,
            "pending" => Substate::Pending,
            "terminated" => Substate::Terminated,
            other if lex::is_token(other) => Substate::Other(other.to_owned()),
            _ => return Err(ParseError::new("expected active, pending or terminated", 0)),
        };
        Ok(SubscriptionState { state, params: params::owned(rest)? })
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            Substate::Active => "active",
            Substate::Pending => "pending",
            Substate::Terminated => "terminated",
            Substate::Other(other) => other,
        })?;
        params::write(f, &self.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let read = SubscriptionState::read("Active ; expires = 60").unwrap();
        assert_eq!((read.expires(), read.is_terminated()), (Some(60), false));
        assert_eq!(read, SubscriptionState::active(60));
        let ended = SubscriptionState::read("terminated;reason=probation;retry-after=5").unwrap();
        assert_eq!((ended.is_terminated(), ended.reason(), ended.retry_after()), (true, Some("probation"), Some(5)));
        assert_eq!(ended.to_string(), "terminated;reason=probation;retry-after=5");
        assert_eq!(SubscriptionState::terminated("noresource").to_string(), "terminated;reason=noresource");
        assert_eq!(SubscriptionState::read("waiting").unwrap().state, Substate::Other("waiting".into()));
    }

    #[test]
    fn what_is_not_one_is_refused() {
        for text in ["", ";expires=1", "a b", "active;;"] {
            assert!(SubscriptionState::read(text).is_err(), "{text}");
        }
    }
}
